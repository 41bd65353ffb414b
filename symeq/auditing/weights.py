"""The tensors that a module computes with: parameters, buffers, and what lies elsewhere in its attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_MOST_DEEP = 5  # containers in containers


def attributes(function: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors that can be reached from the callable and that are neither parameters nor buffers, named.

    Looked at: attributes of the module, of its submodules and of modules in plain containers; lists, tuples
    and dicts; class attributes; and of a function what it closes over and the globals it names.
    """
    registered: set[int] = set()
    if isinstance(function, nn.Module):
        registered = {id(tensor) for tensor in (*function.parameters(), *function.buffers())}
    for name, tensor in _reachable(function):
        if id(tensor) not in registered:
            registered.add(id(tensor))
            yield name, tensor


def _reachable(function: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(function, nn.Module):
        yield from _inside(function, "", 0, set())
        return
    code = getattr(function, "__code__", None) or getattr(
        getattr(function, "__func__", None), "__code__", None
    )
    if code is None:
        yield from _inside(function, "", 0, set())
        return
    cells = dict(zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False))
    for name, cell in cells.items():
        try:
            yield from _inside(cell.cell_contents, name, 1, set())
        except ValueError:  # an empty cell
            continue
    names = getattr(function, "__globals__", {})
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, Tensor | nn.Module | list | tuple | dict):
            yield from _inside(value, name, 1, set())


def _inside(value: Any, name: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
        return
    if depth > _MOST_DEEP or id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    dot = f"{name}." if name else ""
    if isinstance(value, nn.Module):
        for key, own in (*vars(type(value)).items(), *vars(value).items()):
            if key in ("_parameters", "_buffers", "_modules"):
                for inner, found in own.items():
                    yield from _inside(found, f"{dot}{inner}", depth + 1, seen)
            elif not key.startswith("__") and not key.endswith("_hooks"):
                yield from _inside(own, f"{dot}{key}", depth + 1, seen)
    elif isinstance(value, list | tuple):
        for at, found in enumerate(value):
            yield from _inside(found, f"{name}[{at}]", depth + 1, seen)
    elif isinstance(value, dict):
        for key, found in value.items():
            yield from _inside(found, f"{name}[{key!r}]", depth + 1, seen)
    elif hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in (
        "torch",
        "numpy",
        "builtins",
    ):
        for key, found in vars(value).items():
            yield from _inside(found, f"{dot}{key}", depth + 1, seen)


def leaves(y: Tensor) -> list[Tensor]:
    """The tensors that a backward pass from ``y`` would give a gradient to."""
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    waiting = [y.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found[id(variable)] = variable
        waiting += [following for following, _ in node.next_functions]
    return list(found.values())


@dataclass(frozen=True)
class Weights:
    """The tensors whose values make the map: named, and set together as one vector."""

    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def number(self) -> int:
        """How many entries they have in all."""
        return sum(tensor.numel() for tensor in self.tensors)

    def get(self) -> Tensor:
        """All entries, flat, as a copy."""
        flat = [tensor.detach().reshape(-1).double() for tensor in self.tensors]
        return torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)

    def set(self, values: Tensor) -> None:
        """Gives the entries new values."""
        sizes = [tensor.numel() for tensor in self.tensors]
        with torch.no_grad():
            for tensor, part in zip(self.tensors, values.split(sizes), strict=True):
                tensor.detach().copy_(part.reshape(tensor.shape))

    def label(self, entry: int) -> str:
        """The name of one entry, such as ``coeffs[0, 1, 3]``."""
        for name, tensor in zip(self.names, self.tensors, strict=True):
            if entry < tensor.numel():
                index = []
                for size in reversed(tensor.shape):
                    entry, at = divmod(entry, size)
                    index.append(at)
                return f"{name}[{', '.join(map(str, reversed(index)))}]" if index else name
            entry -= tensor.numel()
        raise IndexError(entry)

    def gradients(self, functional: Tensor) -> Tensor:
        """The gradient with respect to every entry, flat; NaN where the graph does not reach the tensor."""
        wanted = [tensor for tensor in self.tensors if tensor.requires_grad]
        found: Sequence[Tensor | None] = ()
        if functional.requires_grad and wanted:
            # A backward pass that fails (after a change in place, say) tells nothing.
            with suppress(RuntimeError):
                found = torch.autograd.grad(functional, wanted, allow_unused=True, retain_graph=True)
        by_id = {id(t): g for t, g in zip(wanted, found, strict=False)}
        flat = []
        for tensor in self.tensors:
            gradient = by_id.get(id(tensor))
            missing = torch.full((tensor.numel(),), torch.nan, dtype=torch.float64)
            flat.append(missing if gradient is None else gradient.reshape(-1).double())
        return torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)


def cast(function: Any, dtype: torch.dtype) -> Any:
    """The callable in another precision: ``.to(dtype)``, and by hand what that leaves behind."""
    if isinstance(function, nn.Module):
        function = function.to(dtype)
    for _, tensor in attributes(function):
        if tensor.is_floating_point() and tensor.dtype != dtype and isinstance(function, nn.Module):
            try:
                tensor.data = tensor.data.to(dtype)
            except (RuntimeError, TypeError):
                continue
    return function
