"""A graph of ATen operations read as formal sums, node by node.

Tensors live in cells; views are ways to look into a cell, so that what is written through one of them is
seen through all. Operations that may or may not share memory (``reshape``, ``to``) put their result into a
cell of its own that is linked to the first: once one of the linked cells is written to, the others are not
read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy
import torch
from torch import Tensor, fx

from symeq.interpretation import algebra, reshaping, sorting, values
from symeq.interpretation.dtypes import refuse_rounding
from symeq.interpretation.forms import Unproved
from symeq.interpretation.operands import Context, Opaque, lifted, polynomial
from symeq.interpretation.operations import MAYBE_VIEWS, NATURAL
from symeq.interpretation.scalars import SCALARS
from symeq.interpretation.sizes import Symbols
from symeq.interpretation.values import Setting, Value, size_text
from symeq.interpretation.views import PIECES, VIEWS, View, pieces

_IGNORED = ("_assert_tensor_metadata",)
_CHECKS = ("_assert_scalar", "_assert_async", "sym_constrain_range", "sym_constrain_range_for_size")
_EMPTY = ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")
_TURNED = ("squeeze_", "unsqueeze_", "transpose_", "t_", "detach_")
"""These change how the tensor itself is seen; the name that it had before is not used again."""
_ADDED = ("add_", "sub_")
_FROM_SIZES = ("arange", "scatter_reduce", "scatter_add")
"""These make tables of indices where their shape depends on sizes."""
_FROM_NUMBERS = ("arange", "tensor", "scalar_tensor")


@dataclass
class _Cell:
    """Memory; ``given``: it belongs to the caller or the layer and must not be written to."""

    value: Value | None
    boolean: bool
    given: bool = False
    linked: list[_Cell] = field(default_factory=list)
    stale: bool = False

    def link(self, other: _Cell) -> None:
        """Note that the two, and what they are linked to, may be one."""
        mine, theirs = (self, *self.linked), (other, *other.linked)
        for one in mine:
            one.linked += theirs
        for two in theirs:
            two.linked += mine


@dataclass(frozen=True)
class _Tensor:
    """A cell, seen through views."""

    cell: _Cell
    path: tuple[View, ...] = ()

    def read(self) -> Value:
        value = _through(self.path, self._whole())[-1]
        return replace(value, boolean=self.cell.boolean)

    def outline(self) -> Value:
        """The axes of the tensor, with nothing in it: views of a large sum are looked at often."""
        return _through(self.path, values.emptied(self._whole()))[-1]

    def write(self, new: Value) -> None:
        self._refuse_write()
        if self.path:
            new = self._carried(new, self._whole())
        self._put(new)

    def add(self, change: Value) -> None:
        """Writes what was there plus ``change``: writing is affine, so that only the change is carried."""
        self._refuse_write()
        whole = self._whole()
        self._put(algebra.add(whole, self._carried(change, values.emptied(whole))))

    def _whole(self) -> Value:
        if self.cell.stale:
            raise Unproved("a tensor that may have changed when another one was written to")
        if self.cell.value is None:
            raise Unproved("memory that was not written to")
        return self.cell.value

    def _carried(self, new: Value, whole: Value) -> Value:
        """What the memory becomes, if ``whole`` was in it and ``new`` is written through the views."""
        levels = _through(self.path[:-1], whole)
        for view, before in zip(reversed(self.path), reversed(levels), strict=True):
            new = view.write(before, new)
        return new

    def _refuse_write(self) -> None:
        if any(cell.given for cell in (self.cell, *self.cell.linked)):
            raise Unproved("an input, a parameter or a constant of the program that is written to")
        if self.cell.value is None and self.path:
            raise Unproved("a part of memory that was not written to as a whole")

    def _put(self, value: Value) -> None:
        self.cell.value = value
        for other in self.cell.linked:
            other.stale = True


def _through(path: Sequence[View], value: Value) -> list[Value]:
    """The value, and what is seen of it through each view after the other."""
    levels = [value]
    for view in path:
        levels.append(view.see(levels[-1]))
    return levels


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
    last_used = {used: node for node in graph.nodes for used in node.all_input_nodes}
    for node in graph.nodes:
        if node.op == "placeholder":
            known = inputs[node.name]
            environment[node] = _given(node, known, symbols) if isinstance(known, Value) else known
        elif node.op == "get_attr":
            environment[node] = constants(str(node.target))
        elif node.op == "output":
            results = fx.node.map_arg(node.args[0], lambda n: environment[n])
            flat = results if isinstance(results, tuple | list) else (results,)
            return tuple(_read(result) for result in flat)
        else:
            try:
                environment[node] = _run(node, environment, setting, symbols)
                if _name(node) in _TURNED[:-1]:
                    environment[node.args[0]] = Opaque(f"a tensor from before {_name(node)}")
            except Unproved as found:
                raise Unproved(f"{found} [{_place(node, source)}]") from None
            except Exception as error:  # a call that the table does not take: nothing is known of it
                raise Unproved(
                    f"{_name(node)} called in a way that is not known ({type(error).__name__}: {error}) "
                    f"[{_place(node, source)}]"
                ) from error
        for used in node.all_input_nodes:
            if last_used[used] is node:  # long programs add up long forms: none is kept that nobody reads
                del environment[used]
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


def _given(node: fx.Node, value: Value, symbols: Symbols) -> _Tensor:
    """An input of the program, whose traced shape must be that of the value."""
    traced = node.meta["val"]
    shape = tuple(map(symbols.size, traced.shape))
    if value.shape != shape:
        raise Unproved(
            f"{node.name} has shape {tuple(traced.shape)}, expected {', '.join(map(size_text, value.shape))}"
        )
    return _Tensor(_Cell(value, traced.dtype == torch.bool, given=True))


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
    if name == "sym_stride":
        return Opaque("how a tensor lies in memory")
    if name in ("sym_size", "sym_numel"):
        made = node.meta["val"]
        try:
            return polynomial(made) if isinstance(made, int) else symbols.number(made.node.expr)
        except Unproved as found:
            return Opaque(str(found))
    if "out" in kwargs or (name, target._overloadname) == ("view", "dtype"):
        raise Unproved(f"the operation {name}.{target._overloadname}")
    if name in _EMPTY:
        return _Tensor(_Cell(None, node.meta["val"].dtype == torch.bool))
    given = args[0] if args and isinstance(args[0], list | tuple) else args
    tables = any(isinstance(arg, sorting.Table) for arg in given)
    if (tables and not isinstance(args[0], _Tensor)) or (name in _FROM_SIZES and _symbolic(node)):
        return _table(node, name, args, kwargs, symbols)
    if _constant(args, kwargs, name in _FROM_NUMBERS) and not _symbolic(node):
        if _in_place(name) and name not in _TURNED:
            raise Unproved("a constant of the program that is written to")
        if torch.Tag.nondeterministic_seeded in target.tags:
            raise Unproved(f"the operation {name}, which draws random numbers")
        return _computed(target, args, kwargs)
    return _on_values(node, name, args, kwargs, setting, symbols)


def _table(node: fx.Node, name: str, args: Any, kwargs: Any, symbols: Symbols) -> Any:
    """An operation on tables that are made from sizes alone: a table, or several."""
    traced = node.meta["val"]
    several = isinstance(traced, list | tuple)
    made = traced if several else [traced]
    shapes = [tuple(map(symbols.size, one.shape)) for one in made]
    for one in made:
        if one.dtype not in (torch.int64, torch.bool):
            raise Unproved(f"a table of indices held in {one.dtype}")
    if name == "arange" and len(args) == 1:
        return sorting.arange(shapes[0])
    if name not in sorting.OPERATIONS:
        raise Unproved(f"the operation {name} on a table of indices")
    found = sorting.OPERATIONS[name](*_values(args), **kwargs)
    tables = found if isinstance(found, tuple) else (found,)
    if [table.shape for table in tables] != shapes:
        raise Unproved(f"{name} gives a table which has not the shape {[tuple(one.shape) for one in made]}")
    return tables if several else tables[0]


def _on_values(node: fx.Node, name: str, args: Any, kwargs: Any, setting: Setting, symbols: Symbols) -> Any:
    traced = node.meta.get("val")
    made: list[Any] = list(traced) if isinstance(traced, list | tuple) else [traced]
    if not made or not all(isinstance(one, Tensor) for one in made):
        raise Unproved(f"the operation {name}")
    shapes = tuple(tuple(map(symbols.size, one.shape)) for one in made)
    context = Context(setting, shapes, made[0].dtype)
    given = [arg.meta["val"] for arg in node.all_input_nodes if isinstance(arg.meta.get("val"), Tensor)]
    first: Any = args[0] if args else None
    rest, options = _values(args[1:]), _values(kwargs)
    boolean = made[0].dtype == torch.bool

    def checked(value: Value) -> Value:
        if value.shape != context.shape:
            raise Unproved(f"{name} gives {value}, which has not the shape {tuple(made[0].shape)}")
        refuse_rounding(name, given, made[0], value)
        return value

    if name in VIEWS or name in PIECES or name in _TURNED:
        if not isinstance(first, _Tensor):
            first = _Tensor(_Cell(lifted(setting, first), first.dtype == torch.bool, given=True))
        value = first.outline()
        if name in PIECES:
            views = pieces(context, name, value, [*rest, *options.values()])
        else:
            views = [VIEWS[name.removesuffix("_")](context, value, *rest, **options)]
        for view, shape in zip(views, shapes, strict=True):
            if view.see(value).shape != shape:
                raise Unproved(f"{name} of {value}, which has not the shape {shape}")
        seen = [_Tensor(first.cell, (*first.path, view)) for view in views]
        return seen if name in PIECES else seen[0]
    if name in MAYBE_VIEWS:
        cell = _Cell(checked(MAYBE_VIEWS[name](context, *_values(args), **options)), boolean)
        tensors = [one for one in _flat((args, kwargs)) if isinstance(one, _Tensor)]
        if given[0].dtype == made[0].dtype and (name != "einsum" or len(tensors) == 1):
            tensors[0].cell.link(cell)
        return _Tensor(cell)
    if name in _ADDED and isinstance(first, _Tensor) and first.path and made[0].dtype == torch.float64:
        first.add(checked(NATURAL[name[:-1]](context, first.outline(), *rest, **options)))
        return first
    if name == "copy_":
        return _written(first, _read(args[1]), context, checked)
    if name in ("zero_", "fill_"):
        fill = 0 if name == "zero_" else rest[0]
        return _written(first, NATURAL["full_like"](context, None, fill), context, checked)
    if _in_place(name) and name[:-1] in NATURAL:
        return _written(first, NATURAL[name[:-1]](context, *_values(args), **options), context, checked)
    if name.endswith("_scatter") and name.removesuffix("_scatter") in VIEWS:
        whole = lifted(setting, _read(first))
        view = VIEWS[name.removesuffix("_scatter")](context, whole, *_values(args[2:]), **options)
        return _Tensor(_Cell(checked(view.write(whole, lifted(setting, _read(args[1])))), boolean))
    if name not in NATURAL:
        raise Unproved(f"the operation {name}")
    return _Tensor(_Cell(checked(NATURAL[name](context, *_values(args), **options)), boolean))


def _in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _written(tensor: Any, new: Any, context: Context, checked: Callable[[Value], Value]) -> Any:
    if not isinstance(tensor, _Tensor):
        raise Unproved("a constant of the program that is written to")
    new = lifted(context.setting, new)
    if new.shape != context.shape:
        new = reshaping.expand(new, context.shape)
    tensor.write(checked(new))
    return tensor


def _values(arguments: Any) -> Any:
    return (
        fx.node.map_aggregate(arguments, _read) if isinstance(arguments, dict | tuple | list) else arguments
    )


def _constant(args: Any, kwargs: Any, enough: bool) -> bool:
    """Whether all arguments are constants; ``enough``: numbers are, else there must be a tensor."""
    flat = _flat((args, kwargs))
    varying = any(
        isinstance(a, _Tensor | Opaque) or (isinstance(a, dict) and bool(set(a) - {()})) for a in flat
    )
    return not varying and (enough or any(isinstance(a, Tensor) for a in flat))


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


def _computed(target: Any, args: Any, kwargs: Any) -> Any:
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
