"""Values seen along other axes, taken apart and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain
from math import prod

import numpy as np

from symeq.interpretation.algebra import add
from symeq.interpretation.forms import (
    ZERO,
    Unproved,
)
from symeq.interpretation.values import (
    SCALAR_SIZE,
    Atom,
    Dim,
    Forms,
    Size,
    Value,
    array,
    batch_symbol,
    number_atom,
    numbers,
    over,
    relabelled,
    size_of,
    size_text,
    zero,
)


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
