"""Formal sums: what one entry of a tensor is, as a function of its indices, for every size.

An entry is a sum of terms. A term is a *skeleton* times a combination of weights. The skeleton says which of
the input ``x`` and the cotangent ``g`` stand in the product, and which of their index positions and of the
tensor's own index axes (*ports*) must agree: a set partition of all of them. Indices that are not those of
ports are summed over. So a skeleton with x alone is a diagram operator applied to x (Godfrey, Rawson, Brown
and Kvinge 2023, arXiv:2303.06208); a *masked* block of it runs over real nodes only.

Coefficients lie in Q[n^(1/2), n^(-1/2)], n being any of the *symbols*: the size of an index set or of a batch
axis, a sample's count of real nodes, and that count but at least 1.

Combinations and forms are never changed once made, so that they can be shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from typing import NamedTuple, TypeAlias

from symeq.combinatorics.partitions import renumber

Number: TypeAlias = "int | Fraction"
Monomial: TypeAlias = "tuple[tuple[str, int], ...]"
"""Symbols with their exponents in halves, sorted: n^(-1/2) is ``(("n", -1),)``."""
Polynomial: TypeAlias = "Mapping[Monomial, Number]"
Parameter: TypeAlias = "tuple[str, int] | None"
"""A slot of a parameter, ``("weight", 3)``; None where there is none."""
Combination: TypeAlias = "Mapping[tuple[Parameter, Monomial], Number]"
Pattern: TypeAlias = "tuple[int, ...]"
Mask: TypeAlias = "frozenset[int]"

ONE: Combination = {(None, ()): 1}
MOST = 64  # larger exponents of numbers and sizes are refused


class Unproved(Exception):  # noqa: N818  # no fault of the program's user: what the interpreter cannot follow
    """Something in a program that is not natural in the index sets, or that the interpreter does not know."""


class Skeleton(NamedTuple):
    """What is multiplied with a combination of weights.

    ``pattern`` is the set partition, as a restricted growth string, of x's index positions (if x is there),
    then g's, then the ports; ``masked`` are its blocks that run over real nodes only. ``summed`` are the axes
    other than index axes that have been summed over: "in", "out", and the numbers of batch axes. ``shared``
    is for entries in all orders (see ``symeq.interpretation.sorting``): not None if the term is divided by
    how many entries list its index tuple; and, once it was summed over all sorted tuples, the positions that
    have the indices of that tuple.
    """

    x: bool = False
    g: bool = False
    pattern: Pattern = ()
    masked: Mask = frozenset()
    summed: frozenset[str | int] = frozenset()
    shared: Pattern | None = None


Form: TypeAlias = "Mapping[Skeleton, Combination]"

CONSTANT = Skeleton()
ZERO: Form = {}


def constant(value: Polynomial, ports: int = 0) -> Form:
    """The form that is ``value`` whatever the indices of its ports."""
    terms: Combination = {(None, monomial): number for monomial, number in value.items() if number}
    return {Skeleton(pattern=tuple(range(ports))): terms} if terms else ZERO


# ---------------------------------------------------------------- coefficients


def power_product(left: Monomial, right: Monomial) -> Monomial:
    """The product of two monomials.

    >>> power_product((("n", 2),), (("n", -2), ("u", 1)))
    (('u', 1),)
    """
    if not left or not right:
        return left or right
    exponents = dict(left)
    for symbol, halves in right:
        exponents[symbol] = exponents.get(symbol, 0) + halves
    return tuple(sorted((symbol, halves) for symbol, halves in exponents.items() if halves))


def times(left: Combination, right: Combination) -> Combination:
    """The product of two combinations, at most one of which has parameters.

    Raises:
        Unproved: a product of two parameters.
    """
    if left is ONE or right is ONE:
        return right if left is ONE else left
    product: dict[tuple[Parameter, Monomial], Number] = {}
    for (first, powers), number in left.items():
        for (second, others), factor in right.items():
            if first and second:
                raise Unproved(f"a product of two parameters, {first[0]} and {second[0]}")
            key = (first or second, power_product(powers, others))
            total = product.get(key, 0) + number * factor
            if total:
                product[key] = total
            else:
                product.pop(key, None)
    return product


def plus(left: Combination, right: Combination, factor: Number = 1) -> Combination:
    """``left + factor * right``."""
    total = dict(left)
    for key, number in right.items():
        value = total.get(key, 0) + factor * number
        if value:
            total[key] = value
        else:
            total.pop(key, None)
    return total


def add(left: Form, right: Form, factor: Number = 1) -> Form:
    """``left + factor * right``."""
    if not right or not factor:
        return left
    if not left and factor == 1:
        return right
    total = dict(left)
    for skeleton, terms in right.items():
        merged = plus(total.get(skeleton, {}), terms, factor)
        if merged:
            total[skeleton] = merged
        else:
            total.pop(skeleton, None)
    return total


def scale(form: Form, value: Polynomial) -> Form:
    """The form times a coefficient."""
    if value == {(): 1}:
        return form
    factor: Combination = {(None, monomial): number for monomial, number in value.items() if number}
    return {skeleton: times(terms, factor) for skeleton, terms in form.items()} if factor else ZERO


def as_polynomial(form: Form) -> Polynomial | None:
    """The coefficient that a form is, if it is one whatever the indices; None if it is not."""
    value: dict[Monomial, Number] = {}
    for skeleton, terms in form.items():
        if skeleton.x or skeleton.g or skeleton.masked or skeleton.summed or skeleton.shared is not None:
            return None
        if len(set(skeleton.pattern)) < len(skeleton.pattern):
            return None
        for (parameter, monomial), number in terms.items():
            if parameter:
                return None
            value[monomial] = number
    return value


def power(value: Polynomial, exponent: Fraction) -> Polynomial:
    """A coefficient of one monomial to a power, a multiple of 1/2.

    >>> power({(("n", 2),): 1}, Fraction(-1, 2))
    {(('n', -1),): 1}

    Raises:
        Unproved: a sum, a power that is no multiple of 1/2, or the root of a number that is no square.
    """
    if exponent == 0:
        return {(): 1}
    if abs(exponent) > MOST:
        raise Unproved(f"the power {exponent} of {shown(value)}")
    if exponent.denominator == 1 and exponent > 0 and len(value) != 1:
        result: Polynomial = {(): 1}
        for _ in range(int(exponent)):
            result = {m: n for (_, m), n in times(_lifted(result), _lifted(value)).items()}
        return result
    if len(value) != 1:
        raise Unproved(f"the power {exponent} of {shown(value)}")
    ((monomial, number),) = value.items()
    halves = [(symbol, at * exponent) for symbol, at in monomial]
    if any(at.denominator != 1 for _, at in halves):
        raise Unproved(f"the power {exponent} of {shown(value)}: not a power of a square root")
    if exponent.denominator == 1:
        factor: Number = Fraction(number) ** int(exponent)
    elif number == 1:
        factor = 1
    else:
        raise Unproved(f"the power {exponent} of {number}")
    whole = int(factor) if Fraction(factor).denominator == 1 else factor
    return {tuple((symbol, int(at)) for symbol, at in halves): whole}


def _lifted(value: Polynomial) -> Combination:
    return {(None, monomial): number for monomial, number in value.items()}


def shown(value: Polynomial) -> str:
    """A coefficient as text.

    >>> shown({(("n", -1),): 2, (): Fraction(1, 3)})
    '2 n^(-1/2) + 1/3'
    """
    parts = []
    for monomial, number in value.items():
        factors = [
            symbol if halves == 2 else f"{symbol}^({Fraction(halves, 2)})" for symbol, halves in monomial
        ]
        if number != 1 or not factors:
            factors.insert(0, str(number))
        parts.append(" ".join(factors))
    return " + ".join(parts) or "0"


# ---------------------------------------------------------------- patterns


@cache
def regroup(
    parts: tuple[tuple[Pattern, Mask], ...], labels: tuple[tuple[tuple[int, int], ...], ...]
) -> tuple[Pattern, Mask, tuple[tuple[int, int, bool], ...]]:
    """A pattern over new positions, each made of positions of some old patterns that must agree.

    ``labels`` lists for each new position the old ones, as (part, position in it); none: a block of its own.
    Old positions that no new one has are summed over. The result is the pattern, its masked blocks, and the
    blocks that were lost because all their positions were summed over: (part, first position, masked).
    """
    offsets, total = [], 0
    for pattern, _ in parts:
        offsets.append(total)
        total += max(pattern, default=-1) + 1
    parent = list(range(total))

    def root(block: int) -> int:
        while parent[block] != block:
            parent[block] = parent[parent[block]]
            block = parent[block]
        return block

    blocks: list[int] = []
    for position in labels:
        if not position:
            blocks.append(len(parent))
            parent.append(len(parent))
            continue
        first, *others = (offsets[part] + parts[part][0][at] for part, at in position)
        for other in others:
            parent[root(other)] = root(first)
        blocks.append(first)
    roots = [root(block) for block in blocks]
    masked = {root(offsets[part] + block) for part, (_, mask) in enumerate(parts) for block in mask}
    lost: dict[int, tuple[int, int, bool]] = {}
    for part, (pattern, _) in enumerate(parts):
        for at, block in enumerate(pattern):
            found = root(offsets[part] + block)
            if found not in roots:
                lost.setdefault(found, (part, at, found in masked))
    pattern = renumber(roots)
    mask = frozenset(label for label, block in zip(pattern, roots, strict=True) if block in masked)
    return pattern, mask, tuple(lost.values())


def positions(skeleton: Skeleton, order_in: int, order_out: int) -> int:
    """The number of positions of x and g in the pattern: those before the ports."""
    return order_in * skeleton.x + order_out * skeleton.g


def total(forms: Iterable[Form]) -> Form:
    """The sum of many forms."""
    result: dict[Skeleton, Combination] = {}
    for form in forms:
        for skeleton, terms in form.items():
            if skeleton in result:
                merged = plus(result[skeleton], terms)
                if merged:
                    result[skeleton] = merged
                else:
                    del result[skeleton]
            else:
                result[skeleton] = terms
    return result
