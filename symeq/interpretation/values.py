"""Tensors with typed axes, whose entries are formal sums.

What an axis *is* decides what may be done with it, never how long it is: an axis runs over a batch axis of x,
an index set, the input or the output channels, or over plain numbers (slots, tensors side by side), one form
for each. A dimension may be a product of several such atoms, row-major, as reshaping makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from symeq.interpretation import forms
from symeq.interpretation.forms import (
    ZERO,
    Combination,
    Form,
    Skeleton,
    Unproved,
    positions,
    regroup,
)
from symeq.signature import Signature

Size: TypeAlias = "tuple[int, tuple[str, ...]]"
"""A number times symbols: ``(3, ("n", "n"))`` is 3 n^2."""
Kind: TypeAlias = Literal["batch", "index", "sorted", "in", "out", "number", "constant"]
MaskKind: TypeAlias = Literal["own", "shared"]
Forms: TypeAlias = "npt.NDArray[Any]"

SCALAR_SIZE: Size = (1, ())
_WORDS: Mapping[Kind, str] = {"in": "the input channels", "out": "the output channels"}


def batch_symbol(axis: int) -> str:
    """The symbol of the size of a batch axis."""
    return f"batch {axis}"


def count_symbol(name: str) -> str:
    """The symbol of a sample's number of real nodes of an index set."""
    return f"#{name}"


def divisor_symbol(name: str) -> str:
    """The symbol of a sample's number of real nodes, but at least 1."""
    return f"max(#{name}, 1)"


def sorted_symbol(name: str, c: int) -> str:
    """The symbol of the length of a list of all sorted c-tuples of indices of a set."""
    return f"sorted {c}-tuples of {name}"


@dataclass(frozen=True)
class Setting:
    """What a program is read for: its signature, and which index sets have a mask of which kind.

    An "own" mask is (*batch, n), a "shared" one (n,).
    """

    signature: Signature
    batch_rank: int
    masks: Mapping[str, MaskKind]

    @cached_property
    def own_symbols(self) -> frozenset[str]:
        """The symbols that differ from sample to sample."""
        own = [name for name, kind in self.masks.items() if kind == "own"]
        return frozenset(chain(map(count_symbol, own), map(divisor_symbol, own)))

    def place(self, skeleton: Skeleton, at: int) -> str:
        """The index set of position ``at`` of a skeleton, x's first, then g's."""
        sets = self.signature.inputs if skeleton.x else ()
        return (*sets, *(self.signature.outputs if skeleton.g else ()))[at]

    def positions(self, skeleton: Skeleton) -> int:
        """The number of positions before the ports."""
        return positions(skeleton, self.signature.order_in, self.signature.order_out)


class Atom(NamedTuple):
    """What one axis runs over; ``port`` numbers the index axes of a value.

    A "constant" axis is one along which the value does not change, as `expand` makes them. A "sorted" one
    runs over the tuples i_1 <= ... <= i_c of indices of the set ``name``, and has ``width`` = c ports.
    """

    kind: Kind
    name: str | int
    size: Size
    port: int = -1
    width: int = 1

    @property
    def ports(self) -> range:
        """The numbers of its ports."""
        return range(self.port, self.port + self.width) if self.kind in ("index", "sorted") else range(0)

    def __str__(self) -> str:
        if self.kind in _WORDS:
            return _WORDS[self.kind]
        if self.kind == "constant":
            return f"a constant axis of size {size_text(self.size)}"
        words = {
            "batch": f"batch axis {self.name}",
            "index": f"{self.name}",
            "sorted": f"sorted {self.width}-tuples of {self.name}",
        }
        return words.get(self.kind, f"{self.size[0]} numbers")


Dim: TypeAlias = "tuple[Atom, ...]"


def number_atom(size: int) -> Atom:
    """An axis over plain numbers."""
    return Atom("number", "", (size, ()))


def size_text(size: Size) -> str:
    """A size as text: ``3 n n``."""
    return " ".join([*([str(size[0])] if size[0] != 1 or not size[1] else []), *size[1]])


def size_of(dim: Dim) -> Size:
    """The size of a dimension."""
    return prod(a.size[0] for a in dim), tuple(sorted(s for a in dim for s in a.size[1]))


def over(size: Size, part: Size) -> Size | None:
    """``size / part`` if it is one, else None."""
    if not part[0] or size[0] % part[0]:
        return None
    rest = list(size[1])
    for symbol in part[1]:
        if symbol not in rest:
            return None
        rest.remove(symbol)
    return size[0] // part[0], tuple(rest)


def array(items: Sequence[Form], shape: Sequence[int]) -> Forms:
    """Forms as an array of objects."""
    flat = np.empty(len(items), dtype=object)
    for at, item in enumerate(items):
        flat[at] = item
    return flat.reshape(tuple(shape))


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor: ``dims``, and a form for each index of its number atoms, in their order.

    ``raw``: it holds entries of x that may be padding, so that nothing but views and replacing is allowed.
    ``boolean``: it is a tensor of truth values; the interpreter says so when it reads one.
    """

    setting: Setting
    dims: tuple[Dim, ...]
    data: Forms
    raw: bool = False
    boolean: bool = False

    def __post_init__(self) -> None:
        """Adjacent numbers become one atom, and single ones none; ports are numbered in order."""
        dims: list[Dim] = []
        ports = 0
        for dim in self.dims:
            atoms: list[Atom] = []
            for atom in dim:
                if atom.kind == "number":
                    if atoms and atoms[-1].kind == "number":
                        atoms[-1] = number_atom(atoms[-1].size[0] * atom.size[0])
                    elif atom.size[0] != 1:
                        atoms.append(atom)
                    continue
                if atom.size == SCALAR_SIZE and atom.kind == "constant":
                    continue
                atoms.append(atom._replace(port=ports) if atom.ports else atom)
                ports += len(atom.ports)
            dims.append(tuple(a for a in atoms if a.kind != "number" or a.size[0] != 1))
        object.__setattr__(self, "dims", tuple(dims))
        object.__setattr__(self, "data", self.data.reshape(tuple(numbers(dims))))
        kinds = [(a.kind, a.name) for dim in dims for a in dim if a.kind in ("batch", "in", "out")]
        for kind, name in kinds:
            if kinds.count((kind, name)) > 1:
                raise Unproved(f"a tensor with {Atom(kind, name, SCALAR_SIZE)} twice")

    @property
    def shape(self) -> tuple[Size, ...]:
        """The size of every dimension."""
        return tuple(map(size_of, self.dims))

    @property
    def port_sets(self) -> tuple[str, ...]:
        """The index set of every port."""
        return tuple(str(a.name) for dim in self.dims for a in dim for _ in a.ports)

    def __str__(self) -> str:
        return f"({', '.join(' x '.join(map(str, dim)) or '1' for dim in self.dims)})"


def numbers(dims: Iterable[Dim]) -> list[int]:
    """The sizes of the number atoms, in order."""
    return [a.size[0] for dim in dims for a in dim if a.kind == "number"]


def mapped(data: Forms, change: Callable[[Form], Form]) -> Forms:
    """Every form changed; forms that are one object are changed once."""
    done: dict[int, Form] = {}
    flat = list(data.reshape(-1))
    for form in flat:
        if id(form) not in done:
            done[id(form)] = change(form)
    return array([done[id(form)] for form in flat], data.shape)


def relabelled(
    value: Value, dims: Sequence[Dim], labels: Sequence[Sequence[int]], data: Forms | None = None
) -> Value:
    """The value with new ports, each the old ones that ``labels`` lists for it; others are summed over.

    ``dims``: those of the result; ``data``: its forms, still over the old ports, if they have moved.
    """
    data = moved(value, value.data if data is None else data, labels)
    return replace(value, dims=tuple(dims), data=data)


def moved(value: Value, data: Forms, labels: Sequence[Sequence[int]]) -> Forms:
    """The forms with each port of the value labelled anew; positions keep their blocks."""
    ports = tuple(map(tuple, labels))
    sets = value.port_sets
    if ports == tuple((port,) for port in range(len(sets))):
        return data

    def change(form: Form) -> Form:
        parts = [_regrouped(value.setting, s, terms, ports, sets) for s, terms in form.items()]
        return forms.total({skeleton: terms} for skeleton, terms in parts)

    return mapped(data, change)


def _regrouped(
    setting: Setting,
    skeleton: Skeleton,
    terms: Combination,
    ports: tuple[tuple[int, ...], ...],
    sets: tuple[str, ...],
) -> tuple[Skeleton, Combination]:
    before = setting.positions(skeleton)
    labels = labels_of(before, ports)
    pattern, masked, lost = regroup(((skeleton.pattern, skeleton.masked),), labels)
    for _, at, is_masked in lost:
        name = sets[at - before]
        symbol = count_symbol(name) if is_masked else name
        if is_masked and symbol in setting.own_symbols and _batches(setting) & skeleton.summed:
            raise Unproved(f"a sum over {name} of what was summed over samples before")
        terms = forms.times(terms, {(None, ((symbol, 2),)): 1})
    return skeleton._replace(pattern=pattern, masked=masked), terms


def labels_of(before: int, ports: tuple[tuple[int, ...], ...]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Labels for ``regroup``: the first ``before`` positions as they are, then the ports, in groups."""
    kept = tuple(((0, at),) for at in range(before))
    return kept + tuple(tuple((0, before + port) for port in group) for group in ports)


def _batches(setting: Setting) -> frozenset[str | int]:
    return frozenset(range(setting.batch_rank))


def zero(setting: Setting, dims: tuple[Dim, ...]) -> Value:
    """Zero everywhere."""
    shape = numbers(dims)
    return Value(setting, dims, array([ZERO] * prod(shape), shape))


def emptied(value: Value) -> Value:
    """Zero, along the axes of the value."""
    return replace(value, data=array([ZERO] * value.data.size, value.data.shape))


def refuse_raw(*values: Value) -> None:
    """Refuses values that hold entries of x that may be padding."""
    if any(value.raw for value in values):
        raise Unproved(
            "arithmetic on entries of x that may be padding: under a mask they must be replaced first, "
            "since NaN times zero is NaN"
        )
