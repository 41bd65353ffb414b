"""What the operations of an exported graph do to values: a table from their ATen names to functions.

Arguments come as in ATen's schemas: values, constant tensors (of integers, truth values or exact numbers),
and plain numbers, which may be coefficients in the sizes. ``NATURAL`` makes new tensors, ``VIEWS`` shows a
tensor in another way, with the way back for what is written through it. Whatever is in neither is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import torch

from symeq.interpretation import forms, values
from symeq.interpretation.forms import Polynomial, Unproved
from symeq.interpretation.values import Atom, Dim, Setting, Size, Value

Shape: TypeAlias = "Sequence[Size]"
Operand: TypeAlias = "Value | torch.Tensor | Polynomial | int | float | Fraction"


@dataclass(frozen=True)
class Opaque:
    """A number that is no coefficient; it may say how large something is, but not enter a value."""

    what: str


@dataclass(frozen=True)
class Context:
    """What an operation may ask: what the program is read for, and the shapes of its results."""

    setting: Setting
    shapes: tuple[Shape, ...]
    floating: bool

    @property
    def shape(self) -> Shape:
        """The shape of the one result."""
        return self.shapes[0]


@dataclass(frozen=True)
class View:
    """A way to see a tensor, and what the tensor becomes when a new value is written through it."""

    see: Callable[[Value], Value]
    write: Callable[[Value, Value], Value]


# ---------------------------------------------------------------- numbers


def polynomial(number: Any) -> Polynomial:
    """A plain number as a coefficient, exactly.

    Raises:
        Unproved: a number that is not finite, or not known.
    """
    if isinstance(number, Opaque):
        raise Unproved(number.what)
    if isinstance(number, dict):
        return number
    if isinstance(number, float) and not isfinite(number):
        raise Unproved(f"the number {number}")
    value = Fraction(number)
    return {(): int(value) if value.denominator == 1 else value}


def rational(number: Any) -> Fraction:
    """A plain number that is the same for all sizes."""
    value = polynomial(number)
    if set(value) - {()}:
        raise Unproved(f"{forms.shown(value)} where a constant is expected")
    return Fraction(value.get((), 0))


def whole(number: Any) -> int:
    """A plain integer."""
    value = rational(number)
    if value.denominator != 1:
        raise Unproved(f"{value} where an integer is expected")
    return int(value)


def lifted(setting: Setting, operand: Operand) -> Value:
    """Whatever may stand in arithmetic, as a value."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, torch.Tensor):
        dims: tuple[Dim, ...] = tuple((values.number_atom(size),) for size in operand.shape)
        entries = [forms.constant(polynomial(entry)) for entry in operand.reshape(-1).tolist()]
        data = values.array(entries, operand.shape)
        return Value(setting, dims, data, boolean=operand.dtype == torch.bool)
    return Value(setting, (), values.array([forms.constant(polynomial(operand))], ()))


def _powered(value: Value, exponents: Sequence[Fraction], shape: Sequence[int]) -> Value:
    """Entries that are coefficients, to powers."""
    entries = []
    for form, exponent in zip(value.data.reshape(-1), exponents, strict=True):
        base = forms.as_polynomial(form)
        if base is None:
            raise Unproved("a power of something that depends on the input or on weights")
        counts = {values.count_symbol(name) for name in value.setting.masks}
        if exponent < 0 and any(symbol in counts for monomial in base for symbol, _ in monomial):
            raise Unproved("a division by a count of real nodes, which may be zero: clamp it at 1")
        ports = len(value.port_sets)
        entries.append(forms.constant(forms.power(base, exponent), ports))
    return replace(value, data=values.array(entries, shape), boolean=False)


def power(context: Context, base: Operand, exponent: Operand) -> Value:
    """Base ** exponent, where both are coefficients."""
    left, right = lifted(context.setting, base), lifted(context.setting, exponent)
    ones = values.add(_zero_like(left), _zero_like(right), raw=True)
    left, right = (values.add(ones, side) for side in (left, right))
    exponents = []
    for form in right.data.reshape(-1):
        value = forms.as_polynomial(form)
        exponents.append(rational({} if value is None else value) if value is not None else None)
    if any(exponent is None for exponent in exponents):
        raise Unproved("a power with an exponent that is no constant")
    return _powered(left, [e for e in exponents if e is not None], left.data.shape)


def _zero_like(value: Value) -> Value:
    return values.zero(value.setting, value.dims)


def inverse(context: Context, operand: Operand) -> Value:
    """1 / operand, for coefficients."""
    value = lifted(context.setting, operand)
    return _powered(value, [Fraction(-1)] * value.data.size, value.data.shape)


def _root(context: Context, operand: Operand, exponent: Fraction) -> Value:
    value = lifted(context.setting, operand)
    return _powered(value, [exponent] * value.data.size, value.data.shape)


def plus(context: Context, left: Operand, right: Operand, alpha: Operand = 1) -> Value:
    """Left + alpha * right."""
    one, two = lifted(context.setting, left), lifted(context.setting, right)
    if not isinstance(alpha, int) or isinstance(alpha, bool):
        factor = rational(alpha)
        return values.add(one, two, int(factor) if factor.denominator == 1 else factor)
    return values.add(one, two, alpha)


def minus(context: Context, left: Operand, right: Operand, alpha: Operand = 1) -> Value:
    """Left - alpha * right."""
    return plus(context, left, right, -rational(alpha))


def times(context: Context, left: Operand, right: Operand) -> Value:
    """Left * right."""
    for value, other in ((left, right), (right, left)):
        if isinstance(value, Value) and not isinstance(other, Value | torch.Tensor):
            return values.scaled(value, polynomial(other))
    return values.multiply(lifted(context.setting, left), lifted(context.setting, right))


def divided(context: Context, left: Operand, right: Operand, rounding_mode: str | None = None) -> Value:
    """Left / right."""
    if rounding_mode is not None:
        raise Unproved(f"a division that rounds ({rounding_mode})")
    if isinstance(right, Value | torch.Tensor):
        return times(context, lifted(context.setting, left), inverse(context, right))
    return times(context, lifted(context.setting, left), forms.power(polynomial(right), Fraction(-1)))


def at_least(context: Context, operand: Operand, bound: Operand) -> Value:
    """The larger of a count of real nodes and 1; nothing else is known."""
    value = lifted(context.setting, operand)
    if bound is None or isinstance(bound, Value) or rational(bound) != 1:
        raise Unproved("a bound from below other than 1, or of something other than a count of real nodes")
    entries = []
    for form in value.data.reshape(-1):
        known = forms.as_polynomial(form)
        found = [name for name in context.setting.masks if known == {((values.count_symbol(name), 2),): 1}]
        if not found:
            raise Unproved("a bound from below of something other than a count of real nodes")
        entries.append(forms.constant({((values.divisor_symbol(found[0]), 2),): 1}, len(value.port_sets)))
    return replace(value, data=values.array(entries, value.data.shape))


def clamped(
    context: Context, operand: Operand, min: Operand | None = None, max: Operand | None = None
) -> Value:
    """``clamp(min=1)`` of a count."""
    if max is not None or min is None:
        raise Unproved("a bound from above")
    return at_least(context, operand, min)


# ---------------------------------------------------------------- sums and products


def _dims(value: Value, dim: Any) -> list[int]:
    rank = len(value.dims)
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return list(range(rank))
    return [whole(at) % rank for at in (dim if isinstance(dim, list | tuple) else [dim])]


def summed(
    context: Context, value: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    """The sum over dimensions, all if none are given."""
    _refuse_rounding(context, dtype)
    return values.summed(value, _dims(value, dim), keepdim)


def mean(context: Context, value: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The sum over dimensions divided by their sizes."""
    count, symbols = values.size_of(tuple(a for at in _dims(value, dim) for a in value.dims[at]))
    divisor = {tuple(sorted((s, 2 * symbols.count(s)) for s in set(symbols))): count}
    return values.scaled(summed(context, value, dim, keepdim, dtype), forms.power(divisor, Fraction(-1)))


def _refuse_rounding(context: Context, dtype: Any) -> None:
    if dtype is not None and not dtype.is_floating_point and context.floating:
        raise Unproved(f"numbers rounded to {dtype}")


def product(context: Context, left: Operand, right: Operand) -> Value:
    """The matrix product."""
    return values.matmul(lifted(context.setting, left), lifted(context.setting, right))


def added_product(
    context: Context, bias: Operand, left: Operand, right: Operand, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    """Beta * bias + alpha * left @ right."""
    scaled = times(context, product(context, left, right), alpha)
    return plus(context, times(context, lifted(context.setting, bias), beta), scaled)


def linear(context: Context, value: Operand, weight: Value, bias: Operand | None = None) -> Value:
    """Value @ weight.T + bias."""
    result = product(context, value, values.permute(weight, [1, 0]))
    return result if bias is None else plus(context, result, bias)


def einsum(context: Context, equation: str, operands: Sequence[Operand], path: Any = None) -> Value:
    """The sum over labels that the result does not have of the product of the operands."""
    sides = equation.replace(" ", "").split("->")
    terms = sides[0].split(",")
    tensors = [lifted(context.setting, operand) for operand in operands]
    spelled = []
    for term, tensor in zip(terms, tensors, strict=True):
        extra = len(tensor.dims) - len(term.replace("...", ""))
        spelled.append(_spelled(term, extra))
    if len(sides) == 2:
        dots = [sum(label.startswith(".") for label in labels) for labels in spelled]
        output = _spelled(sides[1], max(dots) if "..." in sides[1] else 0)
    else:
        letters = [letter for labels in spelled for letter in labels]
        output = [letter for letter in dict.fromkeys(letters) if letter.startswith(".")]
        output += sorted(x for x in dict.fromkeys(letters) if not x.startswith(".") and letters.count(x) == 1)
    order = output + [x for labels in spelled for x in labels if x not in output]
    order = list(dict.fromkeys(order))
    result: Value | None = None
    for labels, tensor in zip(spelled, tensors, strict=True):
        moved = _ordered(tensor, labels, order)
        result = moved if result is None else values.multiply(result, moved)
    if result is None:
        raise Unproved("einsum of nothing")
    return values.summed(result, list(range(len(output), len(order))))


def _spelled(term: str, extra: int) -> list[str]:
    """The labels of a term, dots spelled out: ``...`` is ``.2 .1`` for two dimensions."""
    before, dots, after = term.partition("...")
    return [*before, *[f".{extra - at}" for at in range(extra if dots else 0)], *after]


def _ordered(value: Value, labels: Sequence[str], order: Sequence[str]) -> Value:
    names = list(labels)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            value = values.diagonal(value, first, second)
            del names[second], names[first]
            names.append(name)
    present = [name for name in order if name in names]
    value = values.permute(value, [names.index(name) for name in present])
    for at, name in enumerate(order):
        if name not in names:
            value = values.unsqueeze(value, at)
    return value


# ---------------------------------------------------------------- gathering


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
    return values.taken(value, whole(dim) % len(value.dims), indices(index))


def indexed(context: Context, value: Value, index: Sequence[Any]) -> Value:
    """Advanced indexing by one list of integers."""
    places = [at for at, entry in enumerate(index) if entry is not None]
    if len(places) != 1:
        raise Unproved("entries looked up along several dimensions at once")
    entry = index[places[0]]
    if isinstance(entry, torch.Tensor) and entry.dtype == torch.bool:
        entry = entry.nonzero().reshape(-1) if entry.dim() == 1 else None
    return values.taken(value, places[0], indices(entry))


def index_added(
    context: Context, value: Operand, dim: int, index: Any, source: Operand, alpha: Operand = 1
) -> Value:
    """``source`` added to the entries along a dimension of numbers that a constant names."""
    target, added = lifted(context.setting, value), lifted(context.setting, source)
    at, factor, rows = whole(dim) % len(target.dims), rational(alpha), indices(index)
    lengths = [_length(side, at) for side in (target, added)]
    target, added = (
        values.add(side, values.zero(context.setting, _with_numbers(other, at, length)))
        for side, other, length in ((target, added, lengths[0]), (added, target, lengths[1]))
    )
    if lengths[1] != len(rows) or _kinds(target.dims, at) != _kinds(added.dims, at):
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


def _length(value: Value, at: int) -> int:
    size, symbols = values.size_of(value.dims[at])
    if symbols:
        raise Unproved(f"entries looked up along dimension {at} of {value}")
    return size


def concatenated(context: Context, tensors: Sequence[Operand], dim: int = 0) -> Value:
    """The tensors one after another."""
    parts = [lifted(context.setting, tensor) for tensor in tensors]
    return values.concatenated(parts, whole(dim) % len(parts[0].dims))


def stacked(context: Context, tensors: Sequence[Operand], dim: int = 0) -> Value:
    """The tensors along a dimension of their own."""
    parts = [lifted(context.setting, tensor) for tensor in tensors]
    at = whole(dim) % (len(parts[0].dims) + 1)
    return values.concatenated([values.unsqueeze(part, at) for part in parts], at)


# ---------------------------------------------------------------- masks


def filled(context: Context, value: Operand, mask: Operand, fill: Operand) -> Value:
    """Zero in place of the entries where the mask holds."""
    if isinstance(fill, Value) or rational(fill if not isinstance(fill, torch.Tensor) else fill.item()) != 0:
        raise Unproved("padded entries replaced by something other than zero")
    return values.kept_where(lifted(context.setting, value), values.negated(_truth(context, mask)))


def chosen(context: Context, condition: Operand, left: Operand, right: Operand) -> Value:
    """Left where the condition holds, right elsewhere."""
    truth = _truth(context, condition)
    one, two = lifted(context.setting, left), lifted(context.setting, right)
    return values.add(values.kept_where(one, truth), values.kept_where(two, values.negated(truth)))


def _truth(context: Context, operand: Operand) -> Value:
    value = lifted(context.setting, operand)
    if not value.boolean:
        raise Unproved("a condition that is no mask")
    return value


def both(context: Context, left: Operand, right: Operand) -> Value:
    """Left and right."""
    return values.multiply(_truth(context, left), _truth(context, right))


def either(context: Context, left: Operand, right: Operand) -> Value:
    """Left or right."""
    one, two = (values.negated(_truth(context, side)) for side in (left, right))
    return values.negated(values.multiply(one, two))


def inverted(context: Context, operand: Operand) -> Value:
    """Not operand."""
    return values.negated(_truth(context, operand))


# ---------------------------------------------------------------- new tensors


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
    return values.embedded(line, 0, 1)


def embedded(context: Context, value: Value, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Value:
    """The last dimension on a diagonal of two."""
    _refuse_offset(offset)
    rank = len(value.dims) + 1
    return values.embedded(value, whole(dim1) % rank, whole(dim2) % rank)


def _refuse_offset(offset: Any) -> None:
    if whole(offset) != 0:
        raise Unproved(f"a diagonal off by {offset}: it depends on the numbering of the nodes")


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
    spread = values.unsqueeze(gradient, at)
    return replace_part(full(context, 0), spread, at, index, whole(index) + 1, 1)


def replace_part(value: Value, new: Value, dim: Any, start: Any, end: Any, step: Any) -> Value:
    """``value`` with ``new`` in place of the entries from ``start`` to ``end`` along a dimension."""
    at = whole(dim) % len(value.dims)
    bounds = _bounds(value, at, start, end)
    if bounds is None:
        return values.add(values.zero(value.setting, value.dims), new, raw=True)
    first, last = bounds
    size = _length(value, at)
    if whole(step) != 1:
        raise Unproved("every second entry, or fewer, replaced")
    pieces = []
    if first:
        pieces.append(_piece(value, at, 0, first, new))
    pieces.append(new)
    if last < size:
        pieces.append(_piece(value, at, last, size, new))
    return values.concatenated(pieces, at) if len(pieces) > 1 else new


def _piece(value: Value, at: int, start: int, stop: int, typed: Value) -> Value:
    """A part of a value; of a constant one, with the axes that ``typed`` has there."""
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
        return values.add(piece, values.zero(value.setting, tuple(template)), raw=True)
    return values.part(value, at, start, stop)


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


# ---------------------------------------------------------------- casts


def cast(context: Context, value: Operand, *arguments: Any, **options: Any) -> Value:
    """Another floating-point dtype: the same numbers in exact arithmetic."""
    found = lifted(context.setting, value)
    for argument in (*arguments, *options.values()):
        if isinstance(argument, torch.dtype) and not argument.is_floating_point:
            _refuse_rounding(context, argument)
            if argument == torch.bool and not found.boolean:
                raise Unproved("numbers turned into truth values")
    return found


def copied(context: Context, value: Operand, *arguments: Any, **options: Any) -> Value:
    """The same tensor, in memory of its own."""
    return lifted(context.setting, value)


NATURAL: Mapping[str, Callable[..., Value]] = {
    "add": plus,
    "sub": minus,
    "rsub": lambda c, a, b, alpha=1: minus(c, b, a, alpha),
    "neg": lambda c, a: times(c, a, -1),
    "mul": times,
    "multiply": times,
    "div": divided,
    "true_divide": divided,
    "pow": power,
    "reciprocal": inverse,
    "sqrt": lambda c, a: _root(c, a, Fraction(1, 2)),
    "rsqrt": lambda c, a: _root(c, a, Fraction(-1, 2)),
    "clamp": clamped,
    "clamp_min": at_least,
    "maximum": at_least,
    "sum": summed,
    "mean": mean,
    "matmul": product,
    "mm": product,
    "bmm": product,
    "mv": product,
    "dot": product,
    "addmm": added_product,
    "baddbmm": added_product,
    "linear": linear,
    "einsum": einsum,
    "index_select": selected,
    "index": indexed,
    "index_add": index_added,
    "cat": concatenated,
    "concat": concatenated,
    "concatenate": concatenated,
    "stack": stacked,
    "masked_fill": filled,
    "where": chosen,
    "bitwise_and": both,
    "logical_and": both,
    "__and__": both,
    "bitwise_or": either,
    "logical_or": either,
    "__or__": either,
    "bitwise_not": inverted,
    "logical_not": inverted,
    "zeros": lambda c, *a, **k: full(c, 0),
    "zeros_like": lambda c, *a, **k: full(c, 0),
    "new_zeros": lambda c, *a, **k: full(c, 0),
    "ones": lambda c, *a, **k: full(c, 1),
    "ones_like": lambda c, *a, **k: full(c, 1),
    "new_ones": lambda c, *a, **k: full(c, 1),
    "full": lambda c, size, fill, **k: full(c, fill),
    "full_like": lambda c, like, fill, **k: full(c, fill),
    "new_full": lambda c, like, size, fill, **k: full(c, fill),
    "scalar_tensor": lambda c, fill, **k: full(c, fill),
    "eye": identity,
    "diag_embed": embedded,
    "diagonal_backward": diagonal_backward,
    "slice_backward": slice_backward,
    "select_backward": select_backward,
    "clone": copied,
    "lift_fresh_copy": copied,
    "_to_copy": cast,
    "repeat": lambda c, value, repeats: _repeated(c, value, repeats),
}

MAYBE_VIEWS: Mapping[str, Callable[..., Value]] = {
    "reshape": lambda c, value, shape: values.view(lifted(c.setting, value), c.shape),
    "reshape_as": lambda c, value, other: values.view(lifted(c.setting, value), c.shape),
    "flatten": lambda c, value, *a, **k: values.view(lifted(c.setting, value), c.shape),
    "contiguous": copied,
    "to": cast,
    "type_as": lambda c, value, other: cast(c, value),
}
"""Operations whose result may or may not share memory with the tensor that they are given."""


def _repeated(context: Context, value: Value, repeats: Sequence[Any]) -> Value:
    lead = len(repeats) - len(value.dims)
    dims: list[Dim] = [()] * lead + list(value.dims)
    for at, times_ in enumerate(repeats):
        once = isinstance(times_, int) and times_ == 1
        if not once and dims[at]:
            raise Unproved(f"dimension {at} of {value} repeated")
        if not once:
            dims[at] = (Atom("constant", "", context.shape[at]),)
    return replace(value, dims=tuple(dims))


# ---------------------------------------------------------------- views


def _order_view(order: Sequence[int]) -> View:
    back = [order.index(at) for at in range(len(order))]
    return View(lambda v: values.permute(v, order), lambda old, new: values.permute(new, back))


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
    _refuse_offset(offset)
    first, second = whole(dim1) % len(value.dims), whole(dim2) % len(value.dims)

    def write(old: Value, new: Value) -> Value:
        change = values.add(new, values.diagonal(old, first, second), -1)
        return values.add(old, values.embedded(change, first, second))

    return View(lambda v: values.diagonal(v, first, second), write)


def unsqueeze(context: Context, value: Value, dim: int) -> View:
    """One dimension of size 1 more."""
    at = whole(dim) % (len(value.dims) + 1)
    return View(lambda v: values.unsqueeze(v, at), lambda old, new: values.squeeze(new, at))


def squeeze(context: Context, value: Value, dim: Any = None) -> View:
    """Dimensions of size 1 left out."""
    gone = [at for at in _dims(value, dim) if not value.dims[at]]

    def see(v: Value) -> Value:
        for at in reversed(gone):
            v = values.squeeze(v, at)
        return v

    def write(old: Value, new: Value) -> Value:
        for at in gone:
            new = values.unsqueeze(new, at)
        return new

    return View(see, write)


def reshaped(context: Context, value: Value, *arguments: Any) -> View:
    """The same entries in row-major order."""
    shape, before = context.shape, value.shape
    return View(lambda v: values.view(v, shape), lambda old, new: values.view(new, before))


def expanded(context: Context, value: Value, *arguments: Any, **options: Any) -> View:
    """Copies along dimensions of size 1."""
    shape = context.shape

    def refuse(old: Value, new: Value) -> Value:
        raise Unproved("a write into an expanded tensor, whose copies share memory")

    return View(lambda v: values.expand(v, shape), refuse)


def sliced(
    context: Context, value: Value, dim: int = 0, start: Any = None, end: Any = None, step: Any = 1
) -> View:
    """A part of a dimension."""
    at = whole(dim) % len(value.dims)
    bounds = _bounds(value, at, start, end)
    if bounds is None and whole(step) == 1:
        return View(lambda v: v, lambda old, new: new)
    first, last = bounds or (0, _length(value, at))
    return View(
        lambda v: _cut(v, at, first, last, whole(step)),
        lambda old, new: replace_part(old, new, at, first, last, step),
    )


def _cut(value: Value, at: int, start: int, stop: int, step: int = 1) -> Value:
    dim = value.dims[at]
    if len(dim) == 1 and dim[0].kind == "constant":
        dims = list(value.dims)
        dims[at] = (Atom("constant", "", (len(range(start, stop, step)), ())),)
        return replace(value, dims=tuple(dims))
    if (start, stop, step) == (0, _length(value, at), 1):
        return value
    return values.part(value, at, start, stop, step)


def narrowed(context: Context, value: Value, dim: int, start: int, length: int) -> View:
    """A part of a dimension, by its length."""
    return sliced(context, value, dim, start, whole(start) + whole(length))


def picked(context: Context, value: Value, dim: int, index: int) -> View:
    """One entry along a dimension."""
    at = whole(dim) % len(value.dims)
    if values.size_of(value.dims[at])[1]:
        raise Unproved(f"one entry of dimension {at} of {value}: it depends on the numbering of the nodes")
    place = whole(index) % _length(value, at)

    def see(v: Value) -> Value:
        return values.squeeze(_cut(v, at, place, place + 1), at)

    return View(see, lambda old, new: replace_part(old, values.unsqueeze(new, at), at, place, place + 1, 1))


def same(context: Context, value: Value, *arguments: Any, **options: Any) -> View:
    """The tensor itself."""
    return View(lambda v: v, lambda old, new: new)


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


def pieces(context: Context, name: str, value: Value, arguments: Sequence[Any]) -> list[View]:
    """The views that ``split``, ``chunk`` and ``unbind`` give."""
    dim = whole(arguments[-1]) if (len(arguments) > 1 or name == "unbind") and arguments else 0
    at = dim % len(value.dims)
    if name == "unbind":
        return [picked(context, value, at, place) for place in range(_length(value, at))]
    views, start = [], 0
    for shape in context.shapes:
        length = shape[at][0]
        if shape[at][1]:
            raise Unproved(f"dimension {at} of {value} split: entries would depend on the numbering")
        views.append(sliced(context, value, at, start, start + length))
        start += length
    return views


PIECES = ("split", "split_with_sizes", "chunk", "unbind", "tensor_split", "unsafe_split", "unsafe_chunk")


# ---------------------------------------------------------------- numbers from sizes


def _binary(combine: Callable[..., forms.Combination]) -> Callable[..., Any]:
    def run(left: Any, right: Any) -> Any:
        try:
            one, two = ({(None, m): n for m, n in polynomial(side).items()} for side in (left, right))
        except Unproved as found:
            return Opaque(str(found))
        return {monomial: number for (_, monomial), number in combine(one, two).items()}

    return run


def _number_power(base: Any, exponent: Any) -> Any:
    try:
        return forms.power(polynomial(base), rational(exponent))
    except Unproved as found:
        return Opaque(str(found))


def _quotient(left: Any, right: Any) -> Any:
    inverse_ = _number_power(right, -1)
    return inverse_ if isinstance(inverse_, Opaque) else SCALARS[operator.mul](left, inverse_)


def _floor(left: Any, right: Any) -> Any:
    try:
        one, two = rational(left), rational(right)
    except Unproved:
        found = _quotient(left, right)
        exact = not isinstance(found, Opaque) and all(
            Fraction(n).denominator == 1 and all(h >= 0 and h % 2 == 0 for _, h in m)
            for m, n in found.items()
        )
        return found if exact else Opaque("a size divided by a number and rounded")
    return polynomial(one // two)


def _larger(left: Any, right: Any) -> Any:
    """The larger of a size and 1 is the size: sizes are at least 2 where programs are read."""
    for one, two in ((left, right), (right, left)):
        if not isinstance(two, Opaque | dict) and two in (0, 1) and isinstance(one, dict):
            ((monomial, number),) = one.items() if len(one) == 1 else [((), 0)]
            if number == 1 and monomial and all(halves > 0 for _, halves in monomial):
                return one
    return Opaque("the larger of two numbers")


SCALARS: dict[Any, Callable[..., Any]] = {
    operator.add: _binary(lambda a, b: forms.plus(a, b)),
    operator.sub: _binary(lambda a, b: forms.plus(a, b, -1)),
    operator.mul: _binary(forms.times),
    operator.neg: lambda a: SCALARS[operator.mul](a, -1),
    operator.pow: _number_power,
    operator.truediv: _quotient,
    operator.floordiv: _floor,
    torch.sym_float: lambda a: a,
    torch.sym_int: lambda a: a if not isinstance(a, float) else Opaque("a number rounded"),
    torch.sym_max: _larger,
}
if hasattr(torch, "_sym_sqrt"):
    SCALARS[torch._sym_sqrt] = lambda a: _number_power(a, Fraction(1, 2))
