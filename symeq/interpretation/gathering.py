"""Tensors looked up, put side by side, repeated and made anew, with arguments as in ATen's schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from symeq.interpretation import algebra, forms, reshaping, sorting, values
from symeq.interpretation.forms import Unproved
from symeq.interpretation.operands import Context, Operand, length, lifted, rational, refuse_offset, whole
from symeq.interpretation.values import Atom, Dim, Value
from symeq.interpretation.views import replace_part


def indices(index: Any) -> list[int]:
    """The entries of a constant tensor of integers with one axis."""
    if not isinstance(index, torch.Tensor):
        raise Unproved("entries looked up by something computed from the input")
    if index.is_floating_point() or index.dim() > 1:
        raise Unproved("entries looked up by no list of integers")
    found: list[int] = index.reshape(-1).tolist()
    return found


def selected(context: Context, value: Value, dim: int, index: Any) -> Value:
    """The entries along a dimension of numbers that a constant names."""
    at = whole(dim) % len(value.dims)
    if isinstance(index, sorting.Linear):
        return sorting.gathered(value, at, index)
    if isinstance(index, sorting.Back):
        return sorting.restored(value, at, index)
    length(value, at)
    return reshaping.taken(value, at, indices(index))


def indexed(context: Context, value: Value, index: Sequence[Any]) -> Value:
    """Advanced indexing by one list of integers."""
    places = [at for at, entry in enumerate(index) if entry is not None]
    if len(places) != 1:
        raise Unproved("entries looked up along several dimensions at once")
    entry = index[places[0]]
    if not isinstance(entry, torch.Tensor) or entry.dim() != 1:
        raise Unproved("entries looked up by no list of integers")
    if entry.dtype == torch.bool:
        entry = entry.nonzero().reshape(-1)
    size = length(value, places[0])
    return reshaping.taken(value, places[0], [at + size if at < 0 else at for at in indices(entry)])


def index_added(
    context: Context, value: Operand, dim: int, index: Any, source: Operand, alpha: Operand = 1
) -> Value:
    """``source`` added to the entries along a dimension of numbers that a constant names."""
    target, added = lifted(context.setting, value), lifted(context.setting, source)
    at, factor, rows = whole(dim) % len(target.dims), rational(alpha), indices(index)
    lengths = [length(side, at) for side in (target, added)]
    target, added = (
        algebra.add(side, values.zero(context.setting, _with_numbers(other, at, length)))
        for side, other, length in ((target, added, lengths[0]), (added, target, lengths[1]))
    )
    if (
        any(row < 0 for row in rows)
        or lengths[1] != len(rows)
        or _kinds(target.dims, at) != _kinds(added.dims, at)
    ):
        raise Unproved(f"{added} added to {target} along dimension {at}")
    axis = len(values.numbers(target.dims[:at]))
    shape = list(target.data.shape)
    if lengths[0] == 1:
        shape.insert(axis, 1)
    data = np.moveaxis(target.data.reshape(shape), axis, 0)
    moved = data.shape
    added_shape = [*shape[:axis], len(rows), *shape[axis + 1 :]]
    data = data.reshape(lengths[0], -1).copy()
    extra = np.moveaxis(added.data.reshape(added_shape), axis, 0).reshape(len(rows), -1)
    number = int(factor) if factor.denominator == 1 else factor
    for place, row in enumerate(rows):
        for column in range(data.shape[1]):
            data[row, column] = forms.add(data[row, column], extra[place, column], number)
    return replace(target, data=np.moveaxis(data.reshape(moved), 0, axis))


def _with_numbers(value: Value, at: int, length: int) -> tuple[Dim, ...]:
    """The dimensions of a value, one of them over so many numbers."""
    return (*value.dims[:at], (values.number_atom(length),), *value.dims[at + 1 :])


def _kinds(dims: Sequence[Dim], skip: int) -> list[list[tuple[str, str | int]]]:
    return [[(a.kind, a.name) for a in dim] for at, dim in enumerate(dims) if at != skip]


def concatenated(context: Context, tensors: Sequence[Operand], dim: int = 0) -> Value:
    """The tensors one after another."""
    parts = [lifted(context.setting, tensor) for tensor in tensors]
    return reshaping.concatenated(parts, whole(dim) % len(parts[0].dims))


def stacked(context: Context, tensors: Sequence[Operand], dim: int = 0) -> Value:
    """The tensors along a dimension of their own."""
    parts = [lifted(context.setting, tensor) for tensor in tensors]
    at = whole(dim) % (len(parts[0].dims) + 1)
    return reshaping.concatenated([reshaping.unsqueeze(part, at) for part in parts], at)


def full(context: Context, fill: Operand) -> Value:
    """One number everywhere."""
    dims: tuple[Dim, ...] = tuple((Atom("constant", "", size),) for size in context.shape)
    number = lifted(context.setting, fill)
    return Value(context.setting, dims, number.data)


def identity(context: Context, *sizes: Any, **options: Any) -> Value:
    """Ones on the diagonal."""
    if len(context.shape) != 2 or context.shape[0] != context.shape[1]:
        raise Unproved("an identity matrix that is not square")
    line = Value(
        context.setting,
        ((Atom("constant", "", context.shape[0]),),),
        lifted(context.setting, 1).data,
    )
    return reshaping.embedded(line, 0, 1)


def embedded(context: Context, value: Value, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Value:
    """The last dimension on a diagonal of two."""
    refuse_offset(offset)
    rank = len(value.dims) + 1
    return reshaping.embedded(value, whole(dim1) % rank, whole(dim2) % rank)


def diagonal_backward(
    context: Context, gradient: Value, sizes: Any, offset: int, dim1: int, dim2: int
) -> Value:
    """The gradient of ``diagonal``."""
    return embedded(context, gradient, offset, dim1, dim2)


def slice_backward(
    context: Context, gradient: Value, sizes: Any, dim: int, start: Any, end: Any, step: int
) -> Value:
    """The gradient of ``slice``."""
    whole_zero = full(context, 0)
    return replace_part(whole_zero, gradient, dim, start, end, step)


def select_backward(context: Context, gradient: Value, sizes: Any, dim: int, index: int) -> Value:
    """The gradient of ``select``."""
    at = whole(dim) % len(context.shape)
    spread = reshaping.unsqueeze(gradient, at)
    return replace_part(full(context, 0), spread, at, index, whole(index) + 1, 1)


def repeated(context: Context, value: Value, repeats: Sequence[Any]) -> Value:
    """Copied along dimensions of size 1, and along new ones in front."""
    lead = len(repeats) - len(value.dims)
    dims: list[Dim] = [()] * lead + list(value.dims)
    for at, times_ in enumerate(repeats):
        once = isinstance(times_, int) and times_ == 1
        if not once and dims[at]:
            raise Unproved(f"dimension {at} of {value} repeated")
        if not once:
            dims[at] = (Atom("constant", "", context.shape[at]),)
    return replace(value, dims=tuple(dims))
