"""Numbers that a program computes from its sizes: a table from functions on numbers to coefficients."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from symeq.interpretation import forms
from symeq.interpretation.forms import Unproved
from symeq.interpretation.operands import Opaque, polynomial, rational


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
        return _rounded(found)
    return polynomial(one // two)


def _rounded(number: Any) -> Any:
    """A number that is an integer for all sizes is not changed by rounding; of others nothing is known."""
    integral = isinstance(number, dict | int) and all(
        Fraction(factor).denominator == 1 and all(halves >= 0 and halves % 2 == 0 for _, halves in monomial)
        for monomial, factor in polynomial(number).items()
    )
    return number if integral else Opaque("a number that depends on sizes, rounded")


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
    torch.sym_int: _rounded,
    torch.sym_max: _larger,
}
if hasattr(torch, "_sym_sqrt"):
    SCALARS[torch._sym_sqrt] = lambda a: _number_power(a, Fraction(1, 2))
