"""Views: ways to look at a tensor, with the way back for what is written through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symeq.interpretation import algebra, reshaping, values
from symeq.interpretation.forms import Polynomial, Unproved
from symeq.interpretation.operands import Context, dimensions, length, polynomial, refuse_offset, whole
from symeq.interpretation.values import Atom, Dim, Size, Value


@dataclass(frozen=True)
class View:
    """A way to see a tensor, and what the tensor becomes when a new value is written through it."""

    see: Callable[[Value], Value]
    write: Callable[[Value, Value], Value]


def _order_view(order: Sequence[int]) -> View:
    back = [order.index(at) for at in range(len(order))]
    return View(lambda v: reshaping.permute(v, order), lambda old, new: reshaping.permute(new, back))


def permute(context: Context, value: Value, dims: Sequence[int]) -> View:
    """The dimensions in another order."""
    return _order_view([whole(at) % len(value.dims) for at in dims])


def transpose(context: Context, value: Value, dim0: int = 0, dim1: int = 1) -> View:
    """Two dimensions exchanged."""
    rank = len(value.dims)
    order = list(range(rank))
    if rank > 1:
        first, second = whole(dim0) % rank, whole(dim1) % rank
        order[first], order[second] = order[second], order[first]
    return _order_view(order)


def movedim(context: Context, value: Value, source: Any, destination: Any) -> View:
    """Some dimensions moved, the others in their order."""
    rank = len(value.dims)
    sources, targets = (
        [whole(at) % rank for at in (dims if isinstance(dims, list | tuple) else [dims])]
        for dims in (source, destination)
    )
    order: list[int] = [-1] * rank
    for at, to in zip(sources, targets, strict=True):
        order[to] = at
    rest = iter(at for at in range(rank) if at not in sources)
    return _order_view([next(rest) if at < 0 else at for at in order])


def diagonal(context: Context, value: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> View:
    """The entries with equal indices in two dimensions."""
    refuse_offset(offset)
    first, second = whole(dim1) % len(value.dims), whole(dim2) % len(value.dims)

    def write(old: Value, new: Value) -> Value:
        change = algebra.add(new, reshaping.diagonal(old, first, second), -1)
        return algebra.add(old, reshaping.embedded(change, first, second))

    return View(lambda v: reshaping.diagonal(v, first, second), write)


def unsqueeze(context: Context, value: Value, dim: int) -> View:
    """One dimension of size 1 more."""
    at = whole(dim) % (len(value.dims) + 1)
    return View(lambda v: reshaping.unsqueeze(v, at), lambda old, new: reshaping.squeeze(new, at))


def squeeze(context: Context, value: Value, dim: Any = None) -> View:
    """Dimensions of size 1 left out."""
    gone = [at for at in dimensions(value, dim) if not value.dims[at]]

    def see(v: Value) -> Value:
        for at in reversed(gone):
            v = reshaping.squeeze(v, at)
        return v

    def write(old: Value, new: Value) -> Value:
        for at in gone:
            new = reshaping.unsqueeze(new, at)
        return new

    return View(see, write)


def reshaped(context: Context, value: Value, *arguments: Any) -> View:
    """The same entries in row-major order."""
    shape, before = context.shape, value.shape
    return View(lambda v: reshaping.view(v, shape), lambda old, new: reshaping.view(new, before))


def expanded(context: Context, value: Value, *arguments: Any, **options: Any) -> View:
    """Copies along dimensions of size 1."""
    shape = context.shape

    def refuse(old: Value, new: Value) -> Value:
        raise Unproved("a write into an expanded tensor, whose copies share memory")

    return View(lambda v: reshaping.expand(v, shape), refuse)


def sliced(
    context: Context, value: Value, dim: int = 0, start: Any = None, end: Any = None, step: Any = 1
) -> View:
    """A part of a dimension."""
    at = whole(dim) % len(value.dims)
    bounds = _bounds(value, at, start, end)
    if bounds is None and whole(step) == 1:
        return View(lambda v: v, lambda old, new: new)
    first, last = bounds or (0, length(value, at))
    return View(
        lambda v: _cut(v, at, first, last, whole(step)),
        lambda old, new: replace_part(old, new, at, first, last, step),
    )


def narrowed(context: Context, value: Value, dim: int, start: int, length: int) -> View:
    """A part of a dimension, by its length."""
    return sliced(context, value, dim, start, whole(start) + whole(length))


def picked(context: Context, value: Value, dim: int, index: int) -> View:
    """One entry along a dimension."""
    at = whole(dim) % len(value.dims)
    place = whole(index) % length(value, at)

    def see(v: Value) -> Value:
        return reshaping.squeeze(_cut(v, at, place, place + 1), at)

    return View(
        see, lambda old, new: replace_part(old, reshaping.unsqueeze(new, at), at, place, place + 1, 1)
    )


def same(context: Context, value: Value, *arguments: Any, **options: Any) -> View:
    """The tensor itself."""
    return View(lambda v: v, lambda old, new: new)


def pieces(context: Context, name: str, value: Value, arguments: Sequence[Any]) -> list[View]:
    """The views that ``split``, ``chunk`` and ``unbind`` give: parts of a dimension, one after another."""
    given = len(arguments) > (0 if name == "unbind" else 1)
    at = (whole(arguments[-1]) if given else 0) % len(value.dims)
    if name == "unbind":
        return [picked(context, value, at, place) for place in range(length(value, at))]
    views, start = [], 0
    for shape in context.shapes:
        count, symbols = shape[at]
        if symbols:
            raise Unproved(f"dimension {at} of {value} split: entries would depend on the numbering")
        views.append(sliced(context, value, at, start, start + count))
        start += count
    return views


def replace_part(value: Value, new: Value, dim: Any, start: Any, end: Any, step: Any) -> Value:
    """``value`` with ``new`` in place of the entries from ``start`` to ``end`` along a dimension."""
    at = whole(dim) % len(value.dims)
    if whole(step) != 1:
        raise Unproved("every second entry, or fewer, replaced")
    bounds = _bounds(value, at, start, end)
    if bounds is None:
        return algebra.add(values.zero(value.setting, value.dims), new, raw=True)
    first, last = bounds
    size = length(value, at)
    pieces = []
    if first:
        pieces.append(_piece(value, at, 0, first, new))
    pieces.append(new)
    if last < size:
        pieces.append(_piece(value, at, last, size, new))
    return reshaping.concatenated(pieces, at) if len(pieces) > 1 else new


def _piece(value: Value, at: int, start: int, stop: int, typed: Value) -> Value:
    """A part of a value; of one that is constant there, with the axes that ``typed`` has."""
    dim = value.dims[at]
    if len(dim) == 1 and dim[0].kind == "constant":
        tail = tuple(a for a in typed.dims[at] if a.kind != "number")
        unit = values.size_of(tail)
        rest = values.over((stop - start, ()), unit)
        if rest is None:
            raise Unproved(f"entries {start} to {stop} of dimension {at} of {value}")
        dims = list(value.dims)
        dims[at] = (Atom("constant", "", (stop - start, ())),)
        piece = replace(value, dims=tuple(dims))
        template: list[Dim] = [()] * len(dims)
        template[at] = (values.number_atom(rest[0]), *tail)
        return algebra.add(piece, values.zero(value.setting, tuple(template)), raw=True)
    return reshaping.part(value, at, start, stop)


def _cut(value: Value, at: int, start: int, stop: int, step: int = 1) -> Value:
    dim = value.dims[at]
    if len(dim) == 1 and dim[0].kind == "constant":
        dims = list(value.dims)
        dims[at] = (Atom("constant", "", (len(range(start, stop, step)), ())),)
        return replace(value, dims=tuple(dims))
    if (start, stop, step) == (0, length(value, at), 1):
        return value
    return reshaping.part(value, at, start, stop, step)


def _bounds(value: Value, at: int, start: Any, end: Any) -> tuple[int, int] | None:
    """Where a slice begins and ends; None for the whole of a dimension."""
    first = 0 if start is None else start
    size, symbols = values.size_of(value.dims[at])
    unbounded = end is None or (isinstance(end, int) and end >= 2**62)
    everything = unbounded or polynomial(end) == _size_polynomial((size, symbols))
    if isinstance(first, int) and first == 0 and everything:
        return None
    if symbols:
        raise Unproved(f"a part of dimension {at} of {value}: it depends on the numbering of the nodes")
    bounds = [whole(first), size if unbounded else whole(end)]
    first, last = (min(max(b + size if b < 0 else b, 0), size) for b in bounds)
    return None if (first, last) == (0, size) else (first, max(first, last))


def _size_polynomial(size: Size) -> Polynomial:
    return {tuple(sorted((s, 2 * size[1].count(s)) for s in set(size[1]))): size[0]}


VIEWS: Mapping[str, Callable[..., View]] = {
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "swapdims": transpose,
    "t": lambda c, value: transpose(c, value),
    "mT": lambda c, value: transpose(c, value, -2, -1),
    "numpy_T": lambda c, value: permute(c, value, list(range(len(value.dims)))[::-1]),
    "movedim": movedim,
    "moveaxis": movedim,
    "diagonal": diagonal,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "view": reshaped,
    "_unsafe_view": reshaped,
    "unflatten": reshaped,
    "view_as": reshaped,
    "expand": expanded,
    "expand_as": expanded,
    "broadcast_to": expanded,
    "slice": sliced,
    "narrow": narrowed,
    "select": picked,
    "alias": same,
    "detach": same,
    "view_of": same,
}

PIECES = ("split", "split_with_sizes", "chunk", "unbind", "unsafe_split", "unsafe_chunk")
