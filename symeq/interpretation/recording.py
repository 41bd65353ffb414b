"""Runs of a layer as lists of calls, to see whether two runs do the same.

A proof is about the graph that a tracer saw. ``dispatched`` records the ATen operations of a run, so that a
layer in eager mode can be held against its exported graph; ``called`` records the calls of torch's own
functions, which do not change with what autograd needs, so that runs in different states (gradients or not,
dtypes, compiling or not) can be held against each other. Casts between floating-point dtypes are left out,
and so is what gives the same tensor again: an ``expand`` to the sizes that it has, and a ``clone`` whose
original nobody uses any more, not even by a view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from symeq.interpretation.forms import Unproved
from symeq.interpretation.tracing import lean

Calls: TypeAlias = "tuple[tuple[Any, ...], ...]"

_SILENT = frozenset(
    ("aten.detach.default", "aten.alias.default", "aten._assert_tensor_metadata.default",
     "aten.lift_fresh.default", "aten.lift_fresh_copy.default", "aten._to_copy.default", "aten.to.dtype",
     "aten.sym_size.int", "aten.sym_numel.default", "aten.sym_stride.int", "aten._local_scalar_dense.default",
     "prim.device.default")
)  # fmt: skip
_CASTS = frozenset(
    f"torch.Tensor.{name}"
    for name in ("to", "float", "double", "half", "bfloat16", "type", "type_as", "detach")
)
_LOOKS = frozenset(
    ("dim", "size", "stride", "numel", "nelement", "is_floating_point", "is_complex", "is_contiguous",
     "__len__", "get_device", "element_size", "storage_offset", "data_ptr", "has_names", "__repr__",
     "ndimension")
)  # fmt: skip
_READS = frozenset(
    f"torch.Tensor.{name}"
    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__",
                 "is_nonzero", "equal", "__contains__", "__dlpack__", "untyped_storage", "storage")
)  # fmt: skip
_KINDS = frozenset(("dtype", "device", "layout", "pin_memory", "memory_format", "non_blocking", "copy"))


class _Labels:
    """Names of tensors: those given, then the results in their order; constants by their entries.

    Without ``integers``, what depends on sizes is left out of the descriptions; with ``casts``, dtypes and
    casts to them are in. No tensor is kept alive: a run at order 8 makes thousands, of megabytes each.
    """

    def __init__(self, known: Mapping[str, Tensor], integers: bool = True, casts: bool = False) -> None:
        self.integers = integers
        self.casts = casts
        self.names = WeakTensorKeyDictionary({tensor: name for name, tensor in known.items()})
        self.calls: list[tuple[Any, ...]] = []
        self._made: list[int] = []
        """How many tensors each call made."""
        self._given = [_memory(tensor) for tensor in known.values()]
        self._copied: dict[int, tuple[StorageWeakRef, str]] = {}
        """Clones that may replace their originals, by call: the memory of the original, and its name."""

    def describe(self, thing: Any) -> Any:
        if isinstance(thing, Tensor):
            name = self.names.get(thing)
            if name is None:
                name = f"constant {tuple(thing.shape)} {_entries(thing)}"
            return name
        if isinstance(thing, int) and not isinstance(thing, bool) and not self.integers:
            return None
        if isinstance(thing, torch.dtype) and self.casts:
            return str(thing)
        if isinstance(thing, torch.dtype | torch.device | torch.layout | torch.memory_format):
            return None
        if isinstance(thing, list | tuple):
            described = tuple(map(self.describe, thing))
            return described if self.integers else tuple(d for d in described if d is not None)
        if isinstance(thing, dict):
            left_out = _KINDS - {"dtype"} if self.casts else _KINDS
            return tuple((key, self.describe(entry)) for key, entry in thing.items() if key not in left_out)
        if isinstance(thing, int | float | bool | str | type(None)):
            return thing
        return str(thing)

    def only_constants(self, arguments: Any) -> bool:
        """Whether there are tensors among the arguments, and all are constants: tracers may work ahead."""
        tensors = [thing for thing in tree_leaves(arguments) if isinstance(thing, Tensor)]
        return bool(tensors) and all(self.is_constant(tensor) for tensor in tensors)

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether it is neither given nor made from what is."""
        return str(self.names.get(tensor, "constant")).startswith("constant")

    def name(self, made: Any, what: str) -> None:
        at = 0

        def visit(thing: Any) -> Any:
            nonlocal at
            if isinstance(thing, Tensor) and thing not in self.names:
                self.names[thing] = f"{what}.{at}"
                at += 1
            return thing

        tree_map(visit, made)
        self._made.append(at)

    def alias(self, made: Any, source: Any) -> None:
        if isinstance(made, Tensor) and isinstance(source, Tensor):
            self.names[made] = self.describe(source)

    def copied(self, source: Tensor) -> None:
        """Say that the next call clones a tensor."""
        # Adding to one memory seen n times is not the same as adding to a copy.
        if source.is_contiguous() and _memory(source) not in self._given:
            self._copied[len(self.calls)] = (_memory(source), self.describe(source))

    def used(self, arguments: Any) -> None:
        """Say what is used: what was cloned before is an original of its own then."""
        if self._copied:
            found = [_memory(thing) for thing in tree_leaves(arguments) if isinstance(thing, Tensor)]
            self._copied = {at: copy for at, copy in self._copied.items() if copy[0] not in found}

    def finished(self, made: Any) -> tuple[Calls, Any]:
        """The calls without clones that replace their originals, and what is returned by name.

        A program returns a tuple of one.
        """
        self.used(made)
        result = self.describe(made[0] if isinstance(made, list | tuple) and len(made) == 1 else made)
        names: dict[str, str] = {}

        def renamed(thing: Any) -> Any:
            if isinstance(thing, tuple):
                return tuple(map(renamed, thing))
            return names.get(thing, thing) if isinstance(thing, str) else thing

        calls: list[tuple[Any, ...]] = []
        for at, call in enumerate(self.calls):
            if at in self._copied:
                names[f"%{at}.0"] = renamed(self._copied[at][1])
                continue
            if self._copied:
                names |= {f"%{at}.{which}": f"%{len(calls)}.{which}" for which in range(self._made[at])}
            calls.append(renamed(call) if names else call)
        return tuple(calls), renamed(result)


def _memory(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())


def _entries(constant: Tensor) -> str:
    """The entries of a small constant; none where tensors have no memory."""
    if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) or constant.is_meta:
        return ""
    return str(constant.tolist()) if constant.numel() < 10_000 else ""


class _Dispatched(TorchDispatchMode):
    def __init__(self, labels: _Labels) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.labels = labels

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.labels.used((args, kwargs))
        made = func(*args, **kwargs)
        name = str(func)
        whole = name == "aten.slice.Tensor" and _is_whole(args, kwargs)
        if name in _SILENT or whole or (name == "aten.expand.default" and made.shape == args[0].shape):
            self.labels.alias(made, args[0] if args else None)
            return made
        if self.labels.only_constants((args, kwargs)) and name != "aten.copy_.default":
            return made
        if name == "aten.clone.default":
            self.labels.copied(args[0])
        described = (name, self.labels.describe(args), self.labels.describe(kwargs))
        self.labels.name(made, f"%{len(self.labels.calls)}")
        self.labels.calls.append(described)
        return made


def _is_whole(args: Any, kwargs: Any) -> bool:
    """Whether a slice is that of a whole axis; a tracer leaves such slices out at times."""
    return not kwargs and len(args) == 4 and args[2] in (0, None) and (args[3] is None or args[3] >= 2**62)


class _Called(TorchFunctionMode):
    def __init__(self, labels: _Labels) -> None:
        super().__init__()
        self.labels = labels

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        name = resolve_name(func) or str(getattr(func, "__qualname__", func))
        last = name.rsplit(".", 1)[-1]
        if last == "__get__" and not isinstance(made, Tensor):
            return made  # an attribute such as shape or dtype
        if last in _LOOKS or last.startswith(("is_autocast", "get_autocast")):
            return made
        self.labels.used((args, kwargs))
        if name == "torch.Tensor.expand" and made.shape == args[0].shape:
            self.labels.alias(made, args[0])
            return made
        if name == "torch.Tensor.clone":
            self.labels.copied(args[0])
        silent = name in _CASTS and not self.labels.casts
        if silent and (made.is_floating_point() or made.dtype == args[0].dtype):
            self.labels.alias(made, args[0])
            return made
        described = (name, self.labels.describe(args), self.labels.describe(kwargs))
        if name in _READS and args and not self.labels.only_constants(args[0]):
            raise Unproved(f"entries of a tensor are read ({last}), so that what is done may depend on them")
        self.labels.name(made, f"%{len(self.labels.calls)}")
        self.labels.calls.append(described)
        return made


def dispatched(run: Callable[[], Any], known: Mapping[str, Tensor]) -> tuple[Calls, Any]:
    """The ATen operations of a run, and what it returns by name; ``known`` names the tensors that go in."""
    labels = _Labels(known)
    with _Dispatched(labels):
        made = run()
    return labels.finished(made)


def called(
    run: Callable[[], Any], known: Mapping[str, Tensor], integers: bool = True, casts: bool = False
) -> tuple[Calls, Any]:
    """The calls of torch's functions of a run, and what it returns by name.

    Without ``integers``, runs for different sizes can be compared; with ``casts``, casts between
    floating-point dtypes are calls, too.

    Raises:
        Unproved: the run reads entries of a tensor that is not constant.
    """
    labels = _Labels(known, integers, casts)
    with _Called(labels):
        made = run()
    return labels.finished(made)


def compiled(module: Any, run: Callable[[Any], Any], known: Mapping[str, Tensor]) -> tuple[Calls, Any]:
    """The ATen operations of the graph that ``torch.compile`` makes of a module.

    ``run`` calls the compiled module once.

    Raises:
        Exception: whatever the compiler raises, where it cannot make one graph.
    """
    labels = _Labels(known)
    results: list[tuple[Calls, Any]] = []

    def backend(graph: Any, examples: Any) -> Any:
        def recorded(*inputs: Any) -> Any:
            with _Dispatched(labels):
                made = graph.forward(*inputs)
            results.append(labels.finished(made))
            return made

        return recorded

    torch._dynamo.reset()
    with lean():
        run(torch.compile(module, backend=backend, fullgraph=True, dynamic=True))
    (found,) = results
    return found


def first_difference(one: tuple[Calls, Any], two: tuple[Calls, Any]) -> str | None:
    """Where two runs first differ, in words; None if they do the same."""
    for at, (left, right) in enumerate(zip(one[0], two[0], strict=False)):
        if left != right:
            return f"call {at} is {_shown(left)} there and {_shown(right)} here"
    if len(one[0]) != len(two[0]):
        longer = one[0] if len(one[0]) > len(two[0]) else two[0]
        return f"{_shown(longer[min(len(one[0]), len(two[0]))])} is called in one of them only"
    if one[1] != two[1]:
        return "another tensor is returned"
    return None


def _shown(call: tuple[Any, ...]) -> str:
    text = f"{call[0]}{call[1]}"
    return text if len(text) <= 120 else f"{text[:117]}..."


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """A state in which new tensors have this dtype unless told otherwise."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def compiling(kind: str) -> Iterator[None]:
    """A state in which torch says that it compiles ("compiling") or exports ("exporting")."""
    names = {"compiling": ("_is_compiling_flag",), "exporting": ("_is_compiling_flag", "_is_exporting_flag")}
    flags = {name: getattr(torch.compiler, name) for name in names[kind] if hasattr(torch.compiler, name)}
    dynamo = torch.compiler.is_dynamo_compiling
    try:
        for name in flags:
            setattr(torch.compiler, name, True)
        torch.compiler.is_dynamo_compiling = lambda: True
        yield
    finally:
        torch.compiler.is_dynamo_compiling = dynamo
        for name, before in flags.items():
            setattr(torch.compiler, name, before)
