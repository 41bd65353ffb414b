"""Sums, products, powers and masks of tensors, with arguments as in ATen's schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from symeq.interpretation import algebra, forms, reshaping, sorting, summing, values
from symeq.interpretation.forms import Unproved
from symeq.interpretation.operands import Context, Operand, dimensions, lifted, polynomial, rational
from symeq.interpretation.values import Value


def plus(context: Context, left: Operand, right: Operand, alpha: Operand = 1) -> Value:
    """Left + alpha * right."""
    one, two = lifted(context.setting, left), lifted(context.setting, right)
    if not isinstance(alpha, int) or isinstance(alpha, bool):
        factor = rational(alpha)
        return algebra.add(one, two, int(factor) if factor.denominator == 1 else factor)
    return algebra.add(one, two, alpha)


def minus(context: Context, left: Operand, right: Operand, alpha: Operand = 1) -> Value:
    """Left - alpha * right."""
    return plus(context, left, right, -rational(alpha))


def times(context: Context, left: Operand, right: Operand) -> Value:
    """Left * right."""
    if isinstance(right, sorting.Table):
        return sorting.shared_out(lifted(context.setting, left), right, divide=False)
    for value, other in ((left, right), (right, left)):
        if isinstance(value, Value) and not isinstance(other, Value | torch.Tensor):
            return algebra.scaled(value, polynomial(other))
    return algebra.multiply(lifted(context.setting, left), lifted(context.setting, right))


def divided(context: Context, left: Operand, right: Operand, rounding_mode: str | None = None) -> Value:
    """Left / right."""
    if rounding_mode is not None:
        raise Unproved(f"a division that rounds ({rounding_mode})")
    if isinstance(right, sorting.Table):
        return sorting.shared_out(lifted(context.setting, left), right, divide=True)
    if isinstance(right, Value | torch.Tensor):
        return times(context, lifted(context.setting, left), inverse(context, right))
    return times(context, lifted(context.setting, left), forms.power(polynomial(right), Fraction(-1)))


def _powered(value: Value, exponents: Sequence[Fraction]) -> Value:
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
    return replace(value, data=values.array(entries, value.data.shape))


def power(context: Context, base: Operand, exponent: Operand) -> Value:
    """Base ** exponent, where both are coefficients."""
    left, right = lifted(context.setting, base), lifted(context.setting, exponent)
    ones = algebra.add(_zero_like(left), _zero_like(right), raw=True)
    left, right = (algebra.add(ones, side) for side in (left, right))
    exponents = []
    for form in right.data.reshape(-1):
        value = forms.as_polynomial(form)
        if value is None:
            raise Unproved("a power with an exponent that is no constant")
        exponents.append(rational(value))
    return _powered(left, exponents)


def _zero_like(value: Value) -> Value:
    return values.zero(value.setting, value.dims)


def inverse(context: Context, operand: Operand) -> Value:
    """1 / operand, for coefficients."""
    value = lifted(context.setting, operand)
    return _powered(value, [Fraction(-1)] * value.data.size)


def root(context: Context, operand: Operand, exponent: Fraction) -> Value:
    """Operand ** exponent, for coefficients."""
    value = lifted(context.setting, operand)
    return _powered(value, [exponent] * value.data.size)


def at_least(context: Context, operand: Operand, bound: Operand | None) -> Value:
    """The larger of a count of real nodes, or of a size, and 1; nothing else is known."""
    counts = {name: {((values.count_symbol(name), 2),): 1} for name in context.setting.masks}

    def raised(form: forms.Form) -> forms.Form:
        known = forms.as_polynomial(form)
        name = next((name for name, count in counts.items() if known == count), None)
        if one and name is not None:
            return forms.constant({((values.divisor_symbol(name), 2),): 1}, len(value.port_sets))
        if one and known is not None and _is_size(context, known):
            return form  # sizes are at least 2 where programs are read
        raise Unproved(
            "a bound from below other than 1, or of something other than a count of real nodes or a size"
        )

    value = lifted(context.setting, operand)
    limit = lifted(context.setting, bound) if bound is not None else None
    one = limit is not None and all(forms.as_polynomial(f) == {(): 1} for f in limit.data.reshape(-1))
    if limit is not None:
        value = algebra.add(value, values.zero(value.setting, limit.dims))
    return replace(value, data=values.mapped(value.data, raised))


def _is_size(context: Context, value: forms.Polynomial) -> bool:
    """Whether a coefficient is a product of sizes, or a positive integer times one."""
    sizes = {
        *context.setting.signature.index_sets,
        *map(values.batch_symbol, range(context.setting.batch_rank)),
    }
    return len(value) == 1 and all(
        number >= 1 and all(symbol in sizes and halves > 0 for symbol, halves in monomial)
        for monomial, number in value.items()
    )


def clamped(
    context: Context, operand: Operand, min: Operand | None = None, max: Operand | None = None
) -> Value:
    """``clamp(min=1)`` of a count."""
    if max is not None or min is None:
        raise Unproved("a bound from above")
    return at_least(context, operand, min)


def summed(
    context: Context, value: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    """The sum over dimensions, all if none are given."""
    return summing.summed(value, dimensions(value, dim), keepdim)


def mean(context: Context, value: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The sum over dimensions divided by their sizes."""
    count, symbols = values.size_of(tuple(a for at in dimensions(value, dim) for a in value.dims[at]))
    divisor = {tuple(sorted((s, 2 * symbols.count(s)) for s in set(symbols))): count}
    return algebra.scaled(summed(context, value, dim, keepdim, dtype), forms.power(divisor, Fraction(-1)))


def product(context: Context, left: Operand, right: Operand) -> Value:
    """The matrix product."""
    return summing.matmul(lifted(context.setting, left), lifted(context.setting, right))


def added_product(
    context: Context, bias: Operand, left: Operand, right: Operand, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    """Beta * bias + alpha * left @ right."""
    scaled = times(context, product(context, left, right), alpha)
    return plus(context, times(context, lifted(context.setting, bias), beta), scaled)


def linear(context: Context, value: Operand, weight: Value, bias: Operand | None = None) -> Value:
    """Value @ weight.T + bias."""
    result = product(context, value, reshaping.permute(weight, [1, 0]))
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
        result = moved if result is None else algebra.multiply(result, moved)
    if result is None:
        raise Unproved("einsum of nothing")
    return summing.summed(result, list(range(len(output), len(order))))


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
            value = reshaping.diagonal(value, first, second)
            del names[second], names[first]
            names.append(name)
    present = [name for name in order if name in names]
    value = reshaping.permute(value, [names.index(name) for name in present])
    for at, name in enumerate(order):
        if name not in names:
            value = reshaping.unsqueeze(value, at)
    return value


def filled(context: Context, value: Operand, mask: Operand, fill: Operand) -> Value:
    """Zero in place of the entries where the mask holds."""
    if isinstance(fill, Value) or rational(fill if not isinstance(fill, torch.Tensor) else fill.item()) != 0:
        raise Unproved("padded entries replaced by something other than zero")
    return algebra.kept_where(lifted(context.setting, value), algebra.negated(_truth(context, mask)))


def chosen(context: Context, condition: Operand, left: Operand, right: Operand) -> Value:
    """Left where the condition holds, right elsewhere."""
    truth = _truth(context, condition)
    one = algebra.kept_where(lifted(context.setting, left), truth)
    two = algebra.kept_where(lifted(context.setting, right), algebra.negated(truth))
    return algebra.add(one, two, raw=True)  # each entry is one of the two, untouched


def _truth(context: Context, operand: Operand) -> Value:
    value = lifted(context.setting, operand)
    if not value.boolean:
        raise Unproved("a condition that is no mask")
    return value


def both(context: Context, left: Operand, right: Operand) -> Value:
    """Left and right."""
    return algebra.multiply(_truth(context, left), _truth(context, right))


def either(context: Context, left: Operand, right: Operand) -> Value:
    """Left or right."""
    one, two = (algebra.negated(_truth(context, side)) for side in (left, right))
    return algebra.negated(algebra.multiply(one, two))


def inverted(context: Context, operand: Operand) -> Value:
    """Not operand."""
    return algebra.negated(_truth(context, operand))


def cast(context: Context, value: Operand, *arguments: Any, **options: Any) -> Value:
    """The same numbers in another dtype, which holds them: the interpreter looks at dtypes itself."""
    return lifted(context.setting, value)


def copied(context: Context, value: Operand, *arguments: Any, **options: Any) -> Value:
    """The same tensor, in memory of its own."""
    return lifted(context.setting, value)
