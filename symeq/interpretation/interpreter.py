"""A graph of ATen operations read as formal sums, node by node.

Tensors live in cells; views are ways to look into a cell, so that what is written through one of them is
seen through all. Operations that may or may not share memory (``reshape``, ``to``) put their result into a
cell of its own that is linked to the first: once one of the linked cells is written to, the others are not
read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
import torch
from torch import fx

from symeq.interpretation.forms import Unproved
from symeq.interpretation.operations import (
    MAYBE_VIEWS,
    NATURAL,
    PIECES,
    SCALARS,
    VIEWS,
    Context,
    Opaque,
    View,
    pieces,
    polynomial,
)
from symeq.interpretation.sizes import Symbols
from symeq.interpretation.values import Setting, Value

_IGNORED = ("_assert_tensor_metadata",)
_CHECKS = ("_assert_scalar", "_assert_async", "sym_constrain_range", "sym_constrain_range_for_size")


@dataclass
class _Cell:
    value: Value | None
    linked: list[_Cell] = field(default_factory=list)
    stale: bool = False


@dataclass(frozen=True)
class _Tensor:
    """A cell, seen through views."""

    cell: _Cell
    path: tuple[View, ...] = ()

    def read(self) -> Value:
        if self.cell.stale:
            raise Unproved("a tensor that may have changed when another one was written to")
        if self.cell.value is None:
            raise Unproved("memory that was not written to")
        value = self.cell.value
        for view in self.path:
            value = view.see(value)
        return value

    def write(self, new: Value) -> None:
        if self.cell.value is None and self.path:
            raise Unproved("a part of memory that was not written to as a whole")
        levels = [self.cell.value]
        for view in self.path:
            before = levels[-1]
            assert before is not None, "only the cell itself may be empty"
            levels.append(view.see(before))
        for view, before in zip(reversed(self.path), reversed(levels[:-1]), strict=True):
            assert before is not None, "only the cell itself may be empty"
            new = view.write(before, new)
        self.cell.value = new
        for other in self.cell.linked:
            other.stale = True


def interpret(
    graph: fx.Graph,
    inputs: Mapping[str, Any],
    constants: Callable[[str], Any],
    setting: Setting,
    symbols: Symbols,
    source: str | None = None,
) -> tuple[Any, ...]:
    """The results of the graph, from what its placeholders are.

    Args:
        inputs: for each placeholder its value, or a constant tensor.
        constants: what a get_attr node means.
        source: the file whose lines a complaint names.

    Raises:
        Unproved: an operation that is not natural in the index sets or not known; the message names it and
            its place.
    """
    environment: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            known = inputs[node.name]
            environment[node] = _Tensor(_Cell(known)) if isinstance(known, Value) else known
        elif node.op == "get_attr":
            environment[node] = constants(str(node.target))
        elif node.op == "output":
            results = fx.node.map_arg(node.args[0], lambda n: environment[n])
            flat = results if isinstance(results, tuple | list) else (results,)
            return tuple(_read(result) for result in flat)
        else:
            try:
                environment[node] = _run(node, environment, setting, symbols)
            except Unproved as found:
                raise Unproved(f"{found} [{_place(node, source)}]") from None
            except RecursionError:
                raise
            except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
                # A call that the table does not take: nothing is known of it.
                raise Unproved(
                    f"{_name(node)} called in a way that is not known ({type(error).__name__}: {error}) "
                    f"[{_place(node, source)}]"
                ) from error
    raise Unproved("a graph without output")


def _read(thing: Any) -> Any:
    return thing.read() if isinstance(thing, _Tensor) else thing


def _name(node: fx.Node) -> str:
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return str(target.overloadpacket.__name__)
    return str(getattr(target, "__name__", target))


def _place(node: fx.Node, source: str | None) -> str:
    """The line of the source that made a node, or its name in the graph."""
    lines = str(node.meta.get("stack_trace") or "")
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', lines)
    own = [frame for frame in frames if frame[0] == source] or frames
    name = _name(node)
    if not own:
        return f"{name}, node {node.name}"
    file, line, function = own[-1]
    return f"{name}, {file if file != source else 'line'}{':' if file != source else ' '}{line} in {function}"


def _run(node: fx.Node, environment: Mapping[fx.Node, Any], setting: Setting, symbols: Symbols) -> Any:
    args: Any = fx.node.map_arg(node.args, lambda n: environment[n])
    kwargs: Any = fx.node.map_arg(node.kwargs, lambda n: environment[n])
    target, name = node.target, _name(node)
    if target in SCALARS:
        return SCALARS[target](*args, **kwargs)
    if name == "getitem":
        return args[0][args[1]]
    if not isinstance(target, torch._ops.OpOverload):
        made = node.meta.get("val")
        if isinstance(made, torch.SymInt | torch.SymFloat | torch.SymBool):
            return Opaque(f"a number computed by {name}")
        raise Unproved(f"the operation {name}")
    if name in _IGNORED:
        return None
    if name in _CHECKS:
        raise Unproved(f"a condition that the program puts on its sizes or values ({name})")
    if name in ("sym_size", "sym_numel", "sym_stride"):
        made = node.meta["val"]
        return polynomial(made) if isinstance(made, int) else symbols.number(made.node.expr)
    if not _tensors(args, kwargs) and name in NATURAL and _constants(args, kwargs):
        return _computed(target, args, kwargs, node)
    if name in ("arange", "tensor", "scalar_tensor") and not _symbolic(node):
        return target(*args, **{**kwargs, "device": "cpu"} if "device" in kwargs else kwargs)
    if _constants(args, kwargs) and not _tensors(args, kwargs) and not _symbolic(node):
        return _computed(target, args, kwargs, node)
    return _on_values(node, name, args, kwargs, setting, symbols)


def _on_values(node: fx.Node, name: str, args: Any, kwargs: Any, setting: Setting, symbols: Symbols) -> Any:
    made = node.meta.get("val")
    several = made if isinstance(made, list | tuple) else [made]
    shapes = tuple(
        tuple(symbols.size(size) for size in one.shape) for one in several if isinstance(one, torch.Tensor)
    )
    first: Any = args[0] if args else None
    floating = _is_floating(node.args[0] if node.args else None)
    context = Context(setting, shapes, floating)
    if name in VIEWS and isinstance(first, _Tensor):
        view = VIEWS[name](context, first.read(), *_values(args[1:]), **_values(kwargs))
        return _Tensor(first.cell, (*first.path, view))
    if name in PIECES and isinstance(first, _Tensor):
        rest = [*args[1:], *kwargs.values()]
        views = pieces(context, name, first.read(), rest)
        return [_Tensor(first.cell, (*first.path, view)) for view in views]
    if name in MAYBE_VIEWS:
        cell = _Cell(MAYBE_VIEWS[name](context, *_values(args), **_values(kwargs)))
        if isinstance(first, _Tensor):
            group = [first.cell, *first.cell.linked]
            for other in group:
                other.linked.append(cell)
            cell.linked += group
        return _Tensor(cell)
    if name.startswith(("empty", "new_empty")):
        return _Tensor(_Cell(None))
    if name == "copy_":
        return _written(first, _read(args[1]), context)
    if name in ("zero_", "fill_"):
        fill = 0 if name == "zero_" else args[1]
        return _written(first, NATURAL["full_like"](context, first, fill), context)
    if name in ("squeeze_", "unsqueeze_", "transpose_", "t_", "detach_"):
        # These change how the tensor itself is seen; in traced graphs it is not used by its old name again.
        view = VIEWS[name[:-1]](context, first.read(), *_values(args[1:]), **_values(kwargs))
        return _Tensor(first.cell, (*first.path, view))
    if name.endswith("_") and not name.endswith("__") and name[:-1] in NATURAL:
        return _written(first, NATURAL[name[:-1]](context, *_values(args), **_values(kwargs)), context)
    if name in VIEWS:  # of a constant
        value = NATURAL["clone"](context, first)
        view = VIEWS[name](context, value, *_values(args[1:]), **_values(kwargs))
        return _Tensor(_Cell(value), (view,))
    if name.endswith("_scatter"):
        view = VIEWS[name.removesuffix("_scatter")](context, *_values((first, *args[2:])), **_values(kwargs))
        return _Tensor(_Cell(view.write(_read(first), _read(args[1]))))
    if name not in NATURAL:
        raise Unproved(f"the operation {name}")
    return _Tensor(_Cell(NATURAL[name](context, *_values(args), **_values(kwargs))))


def _written(tensor: Any, new: Value, context: Context) -> Any:
    if not isinstance(tensor, _Tensor):
        raise Unproved("a constant of the program that is written to")
    if tensor.cell.value is not None:
        before = tensor.read()
        if len(before.dims) != len(new.dims) or before.shape != new.shape:
            new = VIEWS["expand"](context, new).see(new)
    tensor.write(new)
    return tensor


def _values(arguments: Any) -> Any:
    return (
        fx.node.map_aggregate(arguments, _read) if isinstance(arguments, dict | tuple | list) else arguments
    )


def _tensors(args: Any, kwargs: Any) -> bool:
    """Whether a tensor that is not constant is among the arguments."""
    return any(isinstance(a, _Tensor) for a in _flat((args, kwargs)))


def _constants(args: Any, kwargs: Any) -> bool:
    """Whether a constant tensor is among the arguments, and nothing that depends on sizes."""
    flat = _flat((args, kwargs))
    return (
        any(isinstance(a, torch.Tensor) for a in flat)
        and not any(isinstance(a, Opaque) for a in flat)
        and not any(isinstance(a, dict) and set(a) - {()} for a in flat)
    )


def _flat(arguments: Any) -> list[Any]:
    """The arguments; a dict is one of them, being a coefficient, unless it holds keyword arguments."""
    args, kwargs = arguments
    found: list[Any] = []

    def visit(thing: Any) -> None:
        if isinstance(thing, list | tuple):
            for entry in thing:
                visit(entry)
        else:
            found.append(thing)

    visit(args)
    for entry in kwargs.values():
        visit(entry)
    return found


def _computed(target: Any, args: Any, kwargs: Any, node: fx.Node) -> Any:
    """An operation on constants, carried out."""

    def plain(thing: Any) -> Any:
        if isinstance(thing, dict):
            number = thing.get((), 0)
            return int(number) if number == int(number) else float(number)
        return thing

    def visit(thing: Any) -> Any:
        if isinstance(thing, list | tuple):
            return type(thing)(visit(entry) for entry in thing)
        return plain(thing)

    return target(*visit(args), **{name: visit(entry) for name, entry in kwargs.items()})


def _symbolic(node: fx.Node) -> bool:
    """Whether a node's shape depends on sizes."""
    made = node.meta.get("val")
    several: Sequence[Any] = made if isinstance(made, list | tuple) else [made]
    return any(
        isinstance(size, torch.SymInt) and not isinstance(size.node.expr, sympy.Integer)
        for one in several
        if isinstance(one, torch.Tensor)
        for size in one.shape
    )


def _is_floating(argument: Any) -> bool:
    made = argument.meta.get("val") if isinstance(argument, fx.Node) else None
    return isinstance(made, torch.Tensor) and made.is_floating_point()
