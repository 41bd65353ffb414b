"""Tensors with typed axes, whose entries are formal sums.

What an axis *is* decides what may be done with it, never how long it is: an axis runs over a batch axis of x,
an index set, the input or the output channels, or over plain numbers (slots, tensors side by side), one form
for each. A dimension may be a product of several such atoms, row-major, as reshaping makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
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
    Number,
    Polynomial,
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
    data = _moved(value, value.data if data is None else data, labels)
    return replace(value, dims=tuple(dims), data=data)


def _moved(value: Value, data: Forms, labels: Sequence[Sequence[int]]) -> Forms:
    ports = tuple(map(tuple, labels))
    sets = value.port_sets
    if ports == tuple((port,) for port in range(len(sets))):
        return data

    def change(form: Form) -> Form:
        moved = [_regrouped(value.setting, s, terms, ports, sets) for s, terms in form.items()]
        return forms.total({skeleton: terms} for skeleton, terms in moved)

    return mapped(data, change)


def _regrouped(
    setting: Setting,
    skeleton: Skeleton,
    terms: Combination,
    ports: tuple[tuple[int, ...], ...],
    sets: tuple[str, ...],
) -> tuple[Skeleton, Combination]:
    before = setting.positions(skeleton)
    labels = _labels(before, ports)
    pattern, masked, lost = regroup(((skeleton.pattern, skeleton.masked),), labels)
    for _, at, is_masked in lost:
        name = sets[at - before]
        symbol = count_symbol(name) if is_masked else name
        if is_masked and symbol in setting.own_symbols and _batches(setting) & skeleton.summed:
            raise Unproved(f"a sum over {name} of what was summed over samples before")
        terms = forms.times(terms, {(None, ((symbol, 2),)): 1})
    return skeleton._replace(pattern=pattern, masked=masked), terms


def _labels(before: int, ports: tuple[tuple[int, ...], ...]) -> tuple[tuple[tuple[int, int], ...], ...]:
    kept = tuple(((0, at),) for at in range(before))
    return kept + tuple(tuple((0, before + port) for port in group) for group in ports)


def _batches(setting: Setting) -> frozenset[str | int]:
    return frozenset(range(setting.batch_rank))


# ---------------------------------------------------------------- views


def permute(value: Value, order: Sequence[int]) -> Value:
    """The dimensions in another order."""
    dims = [value.dims[at] for at in order]
    places, start = [], 0
    for dim in value.dims:
        count = len(numbers([dim]))
        places.append(range(start, start + count))
        start += count
    data = value.data.transpose([at for dim in order for at in places[dim]])
    labels = [[port] for dim in dims for atom in dim for port in atom.ports]
    return relabelled(value, dims, labels, data)


def view(value: Value, shape: Sequence[Size]) -> Value:
    """The same entries in row-major order under another shape.

    Raises:
        Unproved: a shape whose axes are no products of the axes of the value, in order.
    """
    left = list(chain.from_iterable(value.dims))
    dims = []
    for size in shape:
        dim: list[Atom] = []
        need = size
        while need != SCALAR_SIZE:
            atom = left.pop(0) if left else None
            rest = None if atom is None else over(need, atom.size)
            if atom is not None and rest is None and atom.kind in ("number", "constant"):
                beyond = over(atom.size, need)
                if beyond is not None:
                    left.insert(0, atom._replace(size=beyond))
                    atom, rest = atom._replace(size=need), SCALAR_SIZE
            if atom is None or rest is None:
                raise Unproved(f"{value} viewed as ({', '.join(map(size_text, shape))}): this mixes axes")
            dim.append(atom)
            need = rest
        dims.append(tuple(dim))
    if left:
        raise Unproved(f"{value} viewed as ({', '.join(map(size_text, shape))}): this drops axes")
    return replace(value, dims=tuple(dims), data=value.data.reshape(numbers(dims)))


def unsqueeze(value: Value, at: int) -> Value:
    """A dimension of size 1 more, before dimension ``at`` of the result."""
    return replace(value, dims=(*value.dims[:at], (), *value.dims[at:]))


def squeeze(value: Value, at: int) -> Value:
    """Dimension ``at`` left out if it has size 1."""
    return value if value.dims[at] else replace(value, dims=value.dims[:at] + value.dims[at + 1 :])


def expand(value: Value, shape: Sequence[Size]) -> Value:
    """Copied along dimensions of size 1, and along new ones in front."""
    dims: list[Dim] = [()] * (len(shape) - len(value.dims)) + list(value.dims)
    for at, size in enumerate(shape):
        if not dims[at]:
            dims[at] = (Atom("constant", "", size),)
        elif size_of(dims[at]) != size:
            raise Unproved(f"{value} expanded to ({', '.join(map(size_text, shape))})")
    return replace(value, dims=tuple(dims))


def materialized(value: Value, at: int) -> Value:
    """Dimension ``at`` with its constant axis typed by its size."""
    (atom,) = value.dims[at]
    if atom.kind != "constant":
        return value
    count, symbols = atom.size
    known = {batch_symbol(axis): axis for axis in range(value.setting.batch_rank)}
    if not symbols:
        typed = number_atom(count)
    elif atom.size[0] != 1 or len(symbols) != 1:
        raise Unproved(f"{atom}: it is no single axis")
    elif symbols[0] in known:
        typed = Atom("batch", known[symbols[0]], atom.size)
    else:
        typed = Atom("index", symbols[0], atom.size)
    template: list[Dim] = [()] * len(value.dims)
    template[at] = (typed,)
    return add(value, zero(value.setting, tuple(template)), raw=True)


def diagonal(value: Value, first: int, second: int) -> Value:
    """The entries with equal indices in two dimensions, which become the last one.

    Raises:
        Unproved: dimensions that do not run over one index set.
    """
    dims = [dim for at, dim in enumerate(value.dims) if at not in (first, second)]
    one, two = value.dims[first], value.dims[second]
    if size_of(one) != size_of(two) or len(one) != 1 or len(two) != 1:
        raise Unproved(f"a diagonal of {value} along dimensions {first} and {second}")
    if one[0].kind == "constant" or two[0].kind == "constant":
        kept = two if one[0].kind == "constant" else one
        order = [at for at in range(len(value.dims)) if at not in (first, second)]
        if kept[0].kind not in ("constant", "index"):
            raise Unproved(f"a diagonal of {value} along dimensions {first} and {second}")
        dropped = first if kept is two else second
        without = replace(
            value, dims=tuple(() if at == dropped else dim for at, dim in enumerate(value.dims))
        )
        moved = permute(without, [*order, second if kept is two else first, dropped])
        return squeeze(moved, len(moved.dims) - 1)
    if {one[0].kind, two[0].kind} != {"index"} or one[0].name != two[0].name:
        raise Unproved(f"a diagonal of {value} along {one[0]} and {two[0]}")
    dims.append(one)
    labels = [
        [one[0].port, two[0].port] if atom is one[0] else [port]
        for dim in dims
        for atom in dim
        for port in atom.ports
    ]
    return relabelled(value, dims, labels)


def embedded(value: Value, first: int, second: int) -> Value:
    """The last dimension of ``value`` on a diagonal of two, zero elsewhere: the adjoint of ``diagonal``."""
    value = materialized(value, len(value.dims) - 1)
    *others, last = value.dims
    if len(last) != 1 or last[0].kind != "index":
        raise Unproved(f"the last dimension of {value} put on a diagonal")
    dims: list[Dim] = list(others)
    for at in sorted((first, second)):
        dims.insert(at, last)
    labels = [[port] for dim in dims for atom in dim for port in atom.ports]
    return relabelled(value, dims, labels)


def part(value: Value, at: int, start: int, stop: int, step: int = 1) -> Value:
    """Entries ``start``, ``start + step``, ... before ``stop`` along dimension ``at``.

    Raises:
        Unproved: a part of an axis that is no axis over numbers.
    """
    dim = value.dims[at]
    tail = size_of(dim[1:])
    if not dim or dim[0].kind != "number" or tail[1] or start % tail[0] or stop % tail[0]:
        raise Unproved(f"entries {start} to {stop} of dimension {at} of {value}")
    if step != 1 and len(dim) > 1:
        raise Unproved(f"every {step}th entry of dimension {at} of {value}")
    axis = len(numbers(value.dims[:at]))
    data = value.data[(slice(None),) * axis + (slice(start // tail[0], stop // tail[0], step),)]
    dims = list(value.dims)
    dims[at] = (number_atom(data.shape[axis]), *dim[1:])
    return replace(value, dims=tuple(dims), data=data)


def taken(value: Value, at: int, index: Sequence[int]) -> Value:
    """The entries ``index`` along dimension ``at``, which runs over numbers."""
    dim = value.dims[at]
    dims = list(value.dims)
    size = size_of(dim)[0]
    if not all(0 <= entry < size for entry in index):
        raise Unproved(f"entry {min(index)} or {max(index)} looked up along dimension {at} of {value}")
    if len(dim) == 1 and dim[0].kind == "constant":
        dims[at] = (Atom("constant", "", (len(index), ())),)
        return replace(value, dims=tuple(dims))
    if not dim:
        dim = (number_atom(1),)
    if len(dim) != 1 or dim[0].kind != "number":
        raise Unproved(f"entries looked up along dimension {at} of {value}")
    axis = len(numbers(value.dims[:at]))
    shape = list(value.data.shape)
    if not value.dims[at]:
        shape.insert(axis, 1)
    data = np.take(value.data.reshape(shape), np.array(index, dtype=np.intp), axis=axis)
    dims[at] = (number_atom(len(index)),)
    return replace(value, dims=tuple(dims), data=data)


def concatenated(values: Sequence[Value], at: int) -> Value:
    """The values one after another along dimension ``at``.

    Raises:
        Unproved: values whose axes are not the same there, up to a number in front.
    """
    counts = [
        dim[0].size[0] if dim and dim[0].kind == "number" else 1 for dim in (v.dims[at] for v in values)
    ]
    tails = [v.dims[at][1:] if count > 1 else v.dims[at] for v, count in zip(values, counts, strict=True)]
    # Constant axes take the type of the others.
    tail = next((t for t in tails if all(a.kind != "constant" for a in t)), ())
    others = [replace(v, dims=(*v.dims[:at], (), *v.dims[at + 1 :]), data=_no_data(v, at)) for v in values]
    dims = list(reduce(lambda a, b: add(a, b, raw=True), others).dims)
    pieces = []
    for value, count in zip(values, counts, strict=True):
        dims[at] = (number_atom(count), *tail)
        whole = add(value, zero(value.setting, tuple(dims)), raw=True)
        if {a.kind for a in whole.dims[at]} - {"number", "in", "out"}:
            raise Unproved(f"{' and '.join(map(str, values))} side by side along dimension {at}")
        pieces.append(whole.data.reshape(numbers(dims)))
    data = np.concatenate(pieces, axis=len(numbers(dims[:at])))
    dims[at] = (number_atom(sum(counts)), *tail)
    return Value(values[0].setting, tuple(dims), data, any(v.raw for v in values))


def _no_data(value: Value, at: int) -> Forms:
    shape = numbers([*value.dims[:at], *value.dims[at + 1 :]])
    return array([ZERO] * prod(shape), shape)


def zero(setting: Setting, dims: tuple[Dim, ...]) -> Value:
    """Zero everywhere."""
    shape = numbers(dims)
    return Value(setting, dims, array([ZERO] * prod(shape), shape))


def emptied(value: Value) -> Value:
    """Zero, along the axes of the value."""
    return replace(value, data=array([ZERO] * value.data.size, value.data.shape))


# ---------------------------------------------------------------- arithmetic


@dataclass(frozen=True)
class _Aligned:
    dims: tuple[Dim, ...]
    ports: tuple[tuple[int | None, int | None], ...]
    left: Forms
    right: Forms


def _aligned(left: Value, right: Value) -> _Aligned:
    """Two values with their dimensions beside each other, the last with the last."""
    rank = max(len(left.dims), len(right.dims))
    one: list[Dim] = [()] * (rank - len(left.dims)) + list(left.dims)
    two: list[Dim] = [()] * (rank - len(right.dims)) + list(right.dims)
    dims: list[Dim] = []
    ports: list[tuple[int | None, int | None]] = []
    shapes: tuple[list[int], list[int]] = ([], [])
    for mine, yours in zip(one, two, strict=True):
        pairs: list[tuple[Atom | None, Atom | None]]
        if not mine or not yours:
            pairs = [(a, None) for a in mine] + [(None, a) for a in yours]
        elif size_of(mine) != size_of(yours):
            raise Unproved(f"{left} beside {right}: sizes differ")
        elif len(mine) == 1 and mine[0].kind == "constant":
            pairs = [(None, a) for a in yours]
        elif len(yours) == 1 and yours[0].kind == "constant":
            pairs = [(a, None) for a in mine]
        else:
            if len(mine) != len(yours) or not all(map(_alike, mine, yours)):
                raise Unproved(f"{left} beside {right}: the axes are not the same")
            pairs = list(zip(mine, yours, strict=True))
        dim = []
        for mine_atom, your_atom in pairs:
            if mine_atom and your_atom and "constant" in (mine_atom.kind, your_atom.kind):
                constant = mine_atom.kind == "constant"
                mine_atom, your_atom = (None, your_atom) if constant else (mine_atom, None)
            atom = mine_atom or your_atom
            assert atom is not None, "a pair holds at least one axis"
            dim.append(atom)
            for at in range(len(atom.ports)):
                ports.append(
                    (mine_atom.port + at if mine_atom else None, your_atom.port + at if your_atom else None)
                )
            if atom.kind == "number":
                shapes[0].append(atom.size[0] if mine_atom else 1)
                shapes[1].append(atom.size[0] if your_atom else 1)
        dims.append(tuple(dim))
    return _Aligned(tuple(dims), tuple(ports), left.data.reshape(shapes[0]), right.data.reshape(shapes[1]))


def _alike(one: Atom, two: Atom) -> bool:
    """Whether two axes are the same, or one is constant and as long."""
    constant = "constant" in (one.kind, two.kind)
    return one.size == two.size and (constant or (one.kind, one.name) == (two.kind, two.name))


def add(left: Value, right: Value, factor: Number = 1, raw: bool = False) -> Value:
    """``left + factor * right``; ``raw`` allows entries that may be padding.

    Raises:
        Unproved: axes that are not the same, or entries that may be padding.
    """
    if not raw:
        _refuse_raw(left, right)
    aligned = _aligned(left, right)
    sides = []
    for side, (value, data) in enumerate(((left, aligned.left), (right, aligned.right))):
        labels = [[port] if (port := pair[side]) is not None else [] for pair in aligned.ports]
        sides.append(_moved(value, data, labels))
    shape = np.broadcast_shapes(sides[0].shape, sides[1].shape)
    pairs = zip(
        np.broadcast_to(sides[0], shape).reshape(-1),
        np.broadcast_to(sides[1], shape).reshape(-1),
        strict=True,
    )
    data = array([forms.add(a, b, factor) for a, b in pairs], shape)
    return Value(left.setting, aligned.dims, data, raw=left.raw or right.raw)


def multiply(left: Value, right: Value, raw: bool = False) -> Value:
    """The product, entry by entry; ``raw`` allows entries that may be padding.

    Raises:
        Unproved: axes that are not the same, two entries of x, two parameters, different samples.
    """
    if not raw:
        _refuse_raw(left, right)
    aligned = _aligned(left, right)
    shape = np.broadcast_shapes(aligned.left.shape, aligned.right.shape)
    done: dict[tuple[int, int], Form] = {}
    flat = []
    for a, b in zip(
        np.broadcast_to(aligned.left, shape).reshape(-1),
        np.broadcast_to(aligned.right, shape).reshape(-1),
        strict=True,
    ):
        key = (id(a), id(b))
        if key not in done:
            done[key] = _product(left.setting, a, b, aligned.ports)
        flat.append(done[key])
    return Value(left.setting, aligned.dims, array(flat, shape), raw=left.raw or right.raw)


def _product(
    setting: Setting, left: Form, right: Form, ports: tuple[tuple[int | None, int | None], ...]
) -> Form:
    result: dict[Skeleton, Combination] = {}
    for one, terms in left.items():
        for two, others in right.items():
            skeleton, combination = _joined(setting, one, terms, two, others, ports)
            if skeleton in result:
                combination = forms.plus(result[skeleton], combination)
            if combination:
                result[skeleton] = combination
            else:
                result.pop(skeleton, None)
    return result


def _joined(
    setting: Setting,
    one: Skeleton,
    terms: Combination,
    two: Skeleton,
    others: Combination,
    ports: tuple[tuple[int | None, int | None], ...],
) -> tuple[Skeleton, Combination]:
    if one.shared is not None and two.shared is not None:
        raise Unproved("a product of two entries that are shared out among index tuples")
    if (one.x and two.x) or (one.g and two.g):
        raise Unproved(f"a product of two entries of the {'input' if one.x and two.x else 'cotangent'}")
    for mine, your, your_terms in ((one, two, others), (two, one, terms)):
        for axis in mine.summed:
            if depends(setting, your, your_terms, axis):
                raise Unproved(f"a product with what was summed over {_axis_word(axis)} before")
        if mine.shared and (your.x or your.g):
            raise Unproved("a product with what was summed over sorted tuples")
        if (mine.x or mine.g) and any(parameter and parameter[0] == "bias" for parameter, _ in your_terms):
            raise Unproved("a product of the bias and the input")
    first, second = setting.positions(one), setting.positions(two)
    labels = _product_labels(
        one.x, one.g, two.x, two.g, setting.signature.order_in, setting.signature.order_out,
        first, second, ports,
    )  # fmt: skip
    pattern, masked, lost = regroup(((one.pattern, one.masked), (two.pattern, two.masked)), labels)
    assert not lost, "a product keeps every position"
    summed, shared = one.summed | two.summed, two.shared if one.shared is None else one.shared
    skeleton = Skeleton(one.x or two.x, one.g or two.g, pattern, masked, summed, shared)
    return skeleton, forms.times(terms, others)


def _product_labels(
    x_left: bool,
    g_left: bool,
    x_right: bool,
    g_right: bool,
    order_in: int,
    order_out: int,
    first: int,
    second: int,
    ports: tuple[tuple[int | None, int | None], ...],
) -> tuple[tuple[tuple[int, int], ...], ...]:
    labels: list[tuple[tuple[int, int], ...]] = []
    if x_left or x_right:
        labels += [((0 if x_left else 1, at),) for at in range(order_in)]
    if g_left or g_right:
        part, offset = (0, order_in * x_left) if g_left else (1, order_in * x_right)
        labels += [((part, offset + at),) for at in range(order_out)]
    for mine, yours in ports:
        sides = ((0, first, mine), (1, second, yours))
        labels.append(tuple((part, offset + port) for part, offset, port in sides if port is not None))
    return tuple(labels)


def depends(setting: Setting, skeleton: Skeleton, terms: Combination, axis: str | int) -> bool:
    """Whether a term changes along an axis that is no index axis, or was summed over it."""
    kinds = {parameter[0] for parameter, _ in terms if parameter}
    if axis == "in":
        return skeleton.x or "weight" in kinds
    if axis == "out":
        return skeleton.g or bool(kinds)
    if skeleton.x or skeleton.g or axis in skeleton.summed:
        return True
    if any(symbol in setting.own_symbols for _, monomial in terms for symbol, _ in monomial):
        return True
    return bool(skeleton.masked) and "own" in setting.masks.values()


def _axis_word(axis: str | int) -> str:
    return f"batch axis {axis}" if isinstance(axis, int) else f"the {axis}put channels"


def _refuse_raw(*values: Value) -> None:
    if any(value.raw for value in values):
        raise Unproved(
            "arithmetic on entries of x that may be padding: under a mask they must be replaced first, "
            "since NaN times zero is NaN"
        )


def scaled(value: Value, factor: Polynomial) -> Value:
    """The value times a coefficient.

    Raises:
        Unproved: entries that may be padding.
    """
    _refuse_raw(value)
    own = value.setting.own_symbols
    if any(symbol in own for monomial in factor for symbol, _ in monomial):
        raise Unproved("a number that differs from sample to sample as a plain number")
    return replace(value, data=mapped(value.data, lambda form: forms.scale(form, factor)))


def summed(value: Value, dims: Sequence[int], keep: bool = False) -> Value:
    """The sum over dimensions.

    Raises:
        Unproved: a sum over channels that no weight mixes, or of entries that may be padding.
    """
    _refuse_raw(value)
    for at in dims:
        while value.dims[at]:
            value = _summed_over(value, at)
    if keep:
        return value
    left = tuple(dim for at, dim in enumerate(value.dims) if at not in dims)
    return replace(value, dims=left)


def _summed_over(value: Value, at: int) -> Value:
    """The sum over the first atom of dimension ``at``."""
    atom, *rest = value.dims[at]
    dims = list(value.dims)
    dims[at] = tuple(rest)
    if atom.kind == "number":
        axis = len(numbers(value.dims[:at]))
        moved = np.moveaxis(value.data, axis, 0)
        flat = moved.reshape(moved.shape[0], -1)
        columns = [forms.total(column) for column in flat.T]
        return replace(value, dims=tuple(dims), data=array(columns, moved.shape[1:]))
    if atom.kind == "index":
        labels = [[port] for port in range(len(value.port_sets)) if port != atom.port]
        return relabelled(value, dims, labels)
    if atom.kind == "sorted":
        data = mapped(value.data, lambda form: _over_tuples(value, form, atom))
        return replace(value, dims=tuple(dims), data=data)
    if atom.kind == "constant":
        factor: Polynomial = {
            tuple(sorted((s, 2 * atom.size[1].count(s)) for s in set(atom.size[1]))): atom.size[0]
        }
        data = mapped(value.data, lambda form: forms.scale(form, factor))
        return replace(value, dims=tuple(dims), data=data)
    if atom.kind == "batch":
        return replace(value, dims=tuple(dims), data=mapped(value.data, _over_batch(value.setting, atom)))
    return replace(value, dims=tuple(dims), data=mapped(value.data, lambda form: _over_channels(form, atom)))


def _over_batch(setting: Setting, atom: Atom) -> Callable[[Form], Form]:
    axis = int(atom.name)

    def change(form: Form) -> Form:
        parts: list[Form] = []
        for skeleton, terms in form.items():
            for key, number in terms.items():
                term: Combination = {key: number}
                if depends(setting, skeleton, term, axis):
                    if axis in skeleton.summed:
                        raise Unproved(f"a second sum over batch axis {axis}")
                    parts.append({skeleton._replace(summed=skeleton.summed | {axis}): term})
                else:
                    parts.append({skeleton: forms.times(term, {(None, ((batch_symbol(axis), 2),)): 1})})
        return forms.total(parts)

    return change


def _over_tuples(value: Value, form: Form, atom: Atom) -> Form:
    """The sum over all sorted tuples of terms that are shared out among the entries of an index tuple.

    Added up over all orders this is the sum over all index tuples.
    """
    parts: list[Form] = []
    rest = tuple((port,) for port in range(len(value.port_sets)) if port not in atom.ports)
    for skeleton, terms in form.items():
        before = value.setting.positions(skeleton)
        if skeleton.shared != ():
            raise Unproved(f"a sum over {atom} of what is not shared out among index tuples")
        blocks = [skeleton.pattern[before + port] for port in atom.ports]
        if not set(blocks) <= set(skeleton.pattern[:before]):
            raise Unproved(f"a sum over {atom} of what does not depend on them")
        places = tuple(skeleton.pattern.index(block) for block in blocks)
        labels = _labels(before, rest)
        pattern, masked, lost = regroup(((skeleton.pattern, skeleton.masked),), labels)
        assert not lost, "every index of the tuple is that of a position"
        summed = skeleton._replace(pattern=pattern, masked=masked, shared=places)
        parts.append({summed: terms})
    return forms.total(parts)


def _over_channels(form: Form, atom: Atom) -> Form:
    parts: list[Form] = []
    for skeleton, terms in form.items():
        for key, number in terms.items():
            kind = key[0][0] if key[0] else None
            if atom.kind == "in":
                met = skeleton.x + (kind == "weight")
            else:
                met = skeleton.g + (kind is not None)
            if met != 2 or atom.kind in skeleton.summed:
                raise Unproved(f"a sum over {atom} of what no weight mixes")
            parts.append({skeleton._replace(summed=skeleton.summed | {atom.kind}): {key: number}})
    return forms.total(parts)


def matmul(left: Value, right: Value) -> Value:
    """The matrix product of the last two dimensions, as ``torch.matmul`` defines it."""
    if len(right.dims) == 1:
        return squeeze_last(matmul(left, unsqueeze(right, 1)))
    if len(left.dims) == 1:
        product = matmul(unsqueeze(left, 0), right)
        return replace(product, dims=(*product.dims[:-2], product.dims[-1]))
    rows = unsqueeze(left, len(left.dims))
    columns = unsqueeze(right, len(right.dims) - 2)
    product = multiply(rows, columns)
    return summed(product, [len(product.dims) - 2])


def squeeze_last(value: Value) -> Value:
    """The value without its last dimension, which has size 1."""
    assert not value.dims[-1], "the product with a vector"
    return replace(value, dims=value.dims[:-1])


# ---------------------------------------------------------------- masks


def negated(value: Value) -> Value:
    """1 minus a truth value."""
    one = Value(value.setting, (), array([{forms.CONSTANT: forms.ONE}], ()))
    return add(one, value, -1, raw=True)


def kept_where(value: Value, real: Value) -> Value:
    """The value with zero in place of the entries where ``real``, a truth value, is 0, whatever they are."""
    chosen = multiply(value, real, raw=True)
    return replace(chosen, raw=value.raw and not _all_masked(chosen))


def _all_masked(value: Value) -> bool:
    """Whether every index of x over an index set with a mask runs over real nodes only."""
    setting = value.setting
    inputs = setting.signature.inputs
    return all(
        skeleton.pattern[at] in skeleton.masked
        for form in value.data.reshape(-1)
        for skeleton in form
        if skeleton.x
        for at, name in enumerate(inputs)
        if name in setting.masks
    )
