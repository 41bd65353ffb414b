"""Entries gathered by the order of their indices: the one step that is not natural in an index set.

A level of c propagating blocks may be computed at sorted index tuples i_1 <= ... <= i_c alone, for the
entries in all c! orders of each. The tables of places that this takes are made in the program, from
``arange``, comparisons and ``nonzero_static``; here they are read as what they list. The entries then form a
tensor with an axis over orders and one over sorted tuples, where formal sums have the c indices of the tuple
as ports.

The way back takes, for every index tuple, one of the entries that belong to it. It is natural if these are
equal as formal sums: the argument is in ``docs/verification.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations
from math import factorial
from typing import Any, TypeAlias

import numpy as np
import torch

from symeq.interpretation import forms, values
from symeq.interpretation.forms import Polynomial, Unproved
from symeq.interpretation.operands import polynomial, whole
from symeq.interpretation.values import Atom, Dim, Size, Value, sorted_symbol

Shape: TypeAlias = "tuple[Size, ...]"
Places: TypeAlias = "tuple[int, ...]"


class Table(ABC):
    """A tensor of integers or truth values that is made from sizes alone."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """The size of every dimension."""


@dataclass(frozen=True)
class Index(Table):
    """The index of a set itself, along dimension ``at`` (from the end); the others have size 1."""

    name: str
    at: int = -1
    rank: int = 1

    @property
    def shape(self) -> Shape:
        """The size of every dimension."""
        return tuple((1, (self.name,)) if at == self.at else (1, ()) for at in range(-self.rank, 0))


@dataclass(frozen=True)
class Rising(Table):
    """Whether the index along each dimension is at most that along the next, for the dimensions ``pairs``."""

    name: str
    pairs: frozenset[int]
    rank: int

    @property
    def shape(self) -> Shape:
        """The size of every dimension."""
        held = self.pairs | {at + 1 for at in self.pairs}
        return tuple((1, (self.name,)) if at in held else (1, ()) for at in range(-self.rank, 0))


@dataclass(frozen=True)
class Tuples(Table):
    """The sorted tuples of c indices, and (0, ..., 0) again where there is room; a column for each index."""

    name: str
    c: int

    @property
    def shape(self) -> Shape:
        """The size of every dimension."""
        return ((1, (sorted_symbol(self.name, self.c),)), (self.c, ()))


@dataclass(frozen=True)
class Linear(Table):
    """Integers for each of some rows and, within it, each sorted tuple: sums of indices times powers of n.

    ``rows[r][q]`` is the coefficient of the index number q.
    """

    name: str
    rows: tuple[tuple[tuple[tuple[forms.Monomial, forms.Number], ...], ...], ...]

    @property
    def c(self) -> int:
        """The number of indices."""
        return len(self.rows[0])

    @property
    def shape(self) -> Shape:
        """The size of its one dimension."""
        return ((len(self.rows), (sorted_symbol(self.name, self.c),)),)

    def orders(self) -> tuple[tuple[int, ...], ...]:
        """For each row, which index of the sorted tuple stands at each place of the tuple that it lists.

        Raises:
            Unproved: a row that is no place of a tuple of c indices, row-major.
        """
        found = []
        for row in self.rows:
            power = {
                ((self.name, 2 * (self.c - 1 - at)),) if at < self.c - 1 else (): at for at in range(self.c)
            }
            order: dict[int, int] = {}
            for index, coefficient in enumerate(row):
                for monomial, number in coefficient:
                    if number != 1 or monomial not in power:
                        raise Unproved("a table of places that is not understood")
                    order[power[monomial]] = index
            if len(order) != self.c or sum(map(len, row)) != self.c:
                raise Unproved("a table of places that is not understood")
            found.append(tuple(order[at] for at in range(self.c)))
        return tuple(found)


@dataclass(frozen=True)
class Numbers(Table):
    """0, 1, 2, ... up to a size."""

    size: Size

    @property
    def shape(self) -> Shape:
        """The size of its one dimension."""
        return (self.size,)


@dataclass(frozen=True)
class Back(Table):
    """For each index tuple, row-major, one entry of ``places`` that lists it."""

    places: Linear

    @property
    def shape(self) -> Shape:
        """The size of its one dimension."""
        return ((1, (self.places.name,) * self.places.c),)


@dataclass(frozen=True)
class Ones(Table):
    """1 for each entry of ``places``."""

    places: Linear

    @property
    def shape(self) -> Shape:
        """The size of its one dimension."""
        return self.places.shape


@dataclass(frozen=True)
class Counts(Table):
    """For each index tuple, row-major, how many entries of ``places`` list it."""

    places: Linear

    @property
    def shape(self) -> Shape:
        """The size of its one dimension."""
        return ((1, (self.places.name,) * self.places.c),)


@dataclass(frozen=True)
class Times(Table):
    """For each entry of ``places``, how many entries list the same index tuple; ``column``: as a column."""

    places: Linear
    column: bool = False

    @property
    def shape(self) -> Shape:
        """The size of every dimension."""
        return (*self.places.shape, (1, ())) if self.column else self.places.shape


def arange(shape: Shape) -> Table:
    """``arange`` of a size that is no number."""
    (size,) = shape
    return (
        Index(size[1][0]) if size[0] == 1 and len(size[1]) == 1 and " " not in size[1][0] else Numbers(size)
    )


def _unsqueezed(table: Table, dim: int) -> Table:
    if isinstance(table, Times) and not table.column and whole(dim) in (-1, 1):
        return replace(table, column=True)
    if not isinstance(table, Index | Rising):
        raise Unproved("a table of indices that is not understood")
    at = whole(dim) - (table.rank + 1 if whole(dim) >= 0 else 0)
    shift = {place: place - 1 if place <= at else place for place in range(-table.rank, 0)}
    if isinstance(table, Index):
        return Index(table.name, shift[table.at], table.rank + 1)
    if any(place <= at and place + 1 > at for place in table.pairs):
        raise Unproved("a comparison of indices that is not understood")
    return Rising(table.name, frozenset(shift[place] for place in table.pairs), table.rank + 1)


def _compared(left: Table, right: Table) -> Table:
    if (
        isinstance(left, Index)
        and isinstance(right, Index)
        and left.name == right.name
        and left.at + 1 == right.at
    ):
        return Rising(left.name, frozenset({left.at}), max(left.rank, right.rank))
    raise Unproved("a comparison of indices that is not understood")


def _both(left: Table, right: Table) -> Table:
    if isinstance(left, Rising) and isinstance(right, Rising) and left.name == right.name:
        return Rising(left.name, left.pairs | right.pairs, max(left.rank, right.rank))
    raise Unproved("a comparison of indices that is not understood")


def _tuples(rising: Table, size: Any = None, fill_value: Any = -1) -> Table:
    """The shape tells how much room there is."""
    if (
        not isinstance(rising, Rising)
        or rising.pairs != frozenset(range(-rising.rank, -1))
        or fill_value != 0
    ):
        raise Unproved("entries where a condition holds that is not understood")
    return Tuples(rising.name, rising.rank)


def _indices(tuples: Table, dim: int = 0) -> tuple[Table, ...]:
    """For each of the c indices, that of every tuple."""
    if not isinstance(tuples, Tuples) or whole(dim) not in (1, -1):
        raise Unproved("a table of indices that is not understood")
    one: tuple[tuple[forms.Monomial, forms.Number], ...] = (((), 1),)
    columns = range(tuples.c)
    return tuple(Linear(tuples.name, (tuple(one if at == q else () for q in columns),)) for at in columns)


def _joined(tables: Sequence[Table], dim: int = 0) -> Table:
    """The rows of all, one after another."""
    rows = [table for table in tables if isinstance(table, Linear)]
    if len(rows) < len(tables) or len({(table.name, table.c) for table in rows}) != 1:
        raise Unproved("a table of indices that is not understood")
    return replace(rows[0], rows=tuple(row for table in rows for row in table.rows))


def _looked_up(table: Table, dim: int, index: Any) -> Table:
    if isinstance(table, Counts) and table.places == index and whole(dim) == 0:
        return Times(table.places)
    raise Unproved("a table of indices that is not understood")


def _times(left: Any, right: Any) -> Table:
    table, factor = (left, right) if isinstance(left, Linear) else (right, left)
    if not isinstance(table, Linear) or isinstance(factor, Table | torch.Tensor):
        raise Unproved("a table of indices that is not understood")
    return replace(
        table, rows=tuple(tuple(_scaled(c, polynomial(factor)) for c in row) for row in table.rows)
    )


def _plus(left: Any, right: Any, alpha: Any = 1) -> Table:
    if not isinstance(left, Linear) or not isinstance(right, Linear) or whole(alpha) != 1:
        raise Unproved("a table of indices that is not understood")
    if left != replace(right, rows=left.rows) or len(left.rows) != len(right.rows):
        raise Unproved("a table of indices that is not understood")
    rows = zip(left.rows, right.rows, strict=True)
    return replace(left, rows=tuple(tuple(map(_added, a, b)) for a, b in rows))


def _scaled(coefficient: Any, factor: Polynomial) -> Any:
    product = forms.times({(None, m): n for m, n in coefficient}, {(None, m): n for m, n in factor.items()})
    return tuple(sorted((m, n) for (_, m), n in product.items()))


def _added(left: Any, right: Any) -> Any:
    total = forms.plus({(None, m): n for m, n in left}, {(None, m): n for m, n in right})
    return tuple(sorted((m, n) for (_, m), n in total.items()))


def _inverse(
    memory: Any, dim: int, places: Table, numbers: Table, reduce: str, include_self: bool = True
) -> Table:
    orders = places.orders() if isinstance(places, Linear) else ()
    every = isinstance(places, Linear) and set(orders) == set(permutations(range(places.c)))
    if not every or not isinstance(numbers, Numbers) or numbers.shape != places.shape:
        raise Unproved("a table of places that is not understood")
    if whole(dim) != 0 or reduce not in ("amin", "amax") or include_self:
        raise Unproved("a table of places that is not understood")
    assert isinstance(places, Linear), "as was looked at"
    return Back(places)


def _ones(table: Table, **options: Any) -> Table:
    if not isinstance(table, Linear):
        raise Unproved("a table of indices that is not understood")
    return Ones(table)


def _counted(memory: Any, dim: int, places: Table, ones: Table) -> Table:
    zero = isinstance(memory, Value) and not any(memory.data.reshape(-1))
    if not zero or not isinstance(places, Linear) or ones != Ones(places):
        raise Unproved("a table of places that is not understood")
    if whole(dim) != 0 or set(places.orders()) != set(permutations(range(places.c))):
        raise Unproved("a table of places that is not understood")
    return Counts(places)


OPERATIONS: Mapping[str, Callable[..., Table | tuple[Table, ...]]] = {
    "unsqueeze": _unsqueezed,
    "le": _compared,
    "bitwise_and": _both,
    "__and__": _both,
    "nonzero_static": _tuples,
    "unbind": _indices,
    "mul": _times,
    "add": _plus,
    "cat": _joined,
    "index_select": _looked_up,
    "ones_like": _ones,
    "scatter_reduce": _inverse,
    "scatter_add": _counted,
}


# ---------------------------------------------------------------- gathering


def gathered(value: Value, at: int, places: Linear) -> Value:
    """The entries along a dimension that a table of places lists: by orders, then by sorted tuples.

    Raises:
        Unproved: a dimension that is not the product of c axes over the index set of the table.
    """
    c, orders = places.c, places.orders()
    dim = value.dims[at]
    if [(a.kind, a.name) for a in dim] != [("index", places.name)] * c:
        raise Unproved(
            f"entries of dimension {at} of {value} looked up by sorted {c}-tuples of {places.name}"
        )
    if value.raw:
        raise Unproved("entries of x that may be padding sorted")
    atom = Atom("sorted", places.name, (1, (sorted_symbol(places.name, c),)), width=c)
    before = [port for d in value.dims[:at] for a in d for port in a.ports]
    after = [port for d in value.dims[at + 1 :] for a in d for port in a.ports]
    rows = []
    for order in orders:
        own: list[list[int]] = [[] for _ in range(c)]
        for place, index in enumerate(order):
            own[index].append(dim[place].port)
        dims = (*value.dims[:at], (atom,), *value.dims[at + 1 :])
        rows.append(
            values.relabelled(value, dims, [*([p] for p in before), *own, *([p] for p in after)]).data
        )
    axis = len(values.numbers(value.dims[:at]))
    data = np.stack(rows, axis=axis)
    dims = (*value.dims[:at], (values.number_atom(len(orders)), atom), *value.dims[at + 1 :])
    return replace(value, dims=dims, data=data)


def restored(value: Value, at: int, back: Back) -> Value:
    """The tensor whose entries in all orders are along a dimension.

    Raises:
        Unproved: entries in different orders that are not one tensor's.
    """
    places = back.places
    c = places.c
    dim = value.dims[at]
    expected = [("number", ""), ("sorted", places.name)]
    if [(a.kind, a.name) for a in dim] != expected or dim[0].size[0] != factorial(c) or dim[1].width != c:
        raise Unproved(f"dimension {at} of {value} taken for entries in all orders")
    if any(skeleton.shared is not None for form in value.data.reshape(-1) for skeleton in form):
        raise Unproved("entries sorted back that are shared out")
    first = _in_order(value, at, places)
    again = gathered(first, at, places)
    if any(one != two for one, two in zip(again.data.reshape(-1), value.data.reshape(-1), strict=True)):
        raise Unproved("entries sorted back that differ where one index tuple is listed twice")
    return first


def _in_order(value: Value, at: int, places: Linear) -> Value:
    """The entries in the order of the sorted tuples themselves, as if the tuples were not sorted."""
    axis = len(values.numbers(value.dims[:at]))
    identity = places.orders().index(tuple(range(places.c)))
    index: Dim = tuple(Atom("index", places.name, (1, (places.name,))) for _ in range(places.c))
    dims = (*value.dims[:at], index, *value.dims[at + 1 :])
    return replace(value, dims=dims, data=np.take(value.data, [identity], axis=axis))


# ---------------------------------------------------------------- shared out


def shared_out(value: Value, times: Table, divide: bool) -> Value:
    """Every entry over how many entries list its index tuple, or times as many.

    Raises:
        Unproved: a dimension that is not the one of the table, or what is shared out already, or not yet.
    """
    if not isinstance(times, Times) or not times.column:
        raise Unproved("a product with a table of indices that is not understood")
    c, orders = times.places.c, len(times.places.rows)
    dim = value.dims[-2] if len(value.dims) > 1 else ()
    expected = [("number", ""), ("sorted", times.places.name)]
    if [(a.kind, a.name) for a in dim] != expected or dim[0].size[0] != orders or dim[1].width != c:
        raise Unproved(f"{value} times, or over, how often places are listed")
    before, after = (None, ()) if divide else ((), None)

    def change(form: forms.Form) -> forms.Form:
        if any(skeleton.shared != before for skeleton in form):
            raise Unproved(f"entries shared out {'twice' if divide else 'in no way'}")
        return {skeleton._replace(shared=after): terms for skeleton, terms in form.items()}

    return replace(value, data=values.mapped(value.data, change))


def completed(form: forms.Form) -> forms.Form:
    """The form with sums over the sorted tuples in each order, if they are there for all, as one over all."""
    groups: dict[tuple[forms.Skeleton, Places], dict[Places, forms.Combination]] = {}
    rest: list[forms.Form] = []
    for skeleton, terms in form.items():
        if skeleton.shared:
            key = skeleton._replace(shared=None), tuple(sorted(skeleton.shared))
            groups.setdefault(key, {})[skeleton.shared] = terms
        else:
            rest.append({skeleton: terms})
    for (skeleton, places), found in groups.items():
        orders = set(permutations(places))
        first = next(iter(found.values()))
        if found.keys() == orders and all(terms == first for terms in found.values()):
            # Where indices of the tuple are equal, several orders are one: so often it is there already.
            alike = Fraction(len(orders), factorial(len(places)))
            rest.append({skeleton: forms.times(first, {(None, ()): alike})})
        else:
            rest += [{skeleton._replace(shared=p): terms} for p, terms in found.items()]
    return forms.total(rest)
