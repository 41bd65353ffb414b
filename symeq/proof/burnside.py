"""Dimensions by Burnside's lemma: the average number of index tuples that a permutation fixes."""

from __future__ import annotations

from collections import Counter
from math import comb, factorial, prod

from symeq.errors import TooLargeError
from symeq.signature import Signature, Sizes, Spec

MOST_ELEMENTS = 2000
"""Of an index set; the sum has as many terms, each with as many digits as n!."""


def dimension_by_burnside(spec: Spec, sizes: Sizes) -> int:
    """The dimension of the space of equivariant maps, by Burnside's lemma: exact, for every size.

    A permutation with f fixed points fixes ``f^m`` of the tuples of length m, and ``C(n, f)`` times the
    derangements of ``n - f`` elements have f fixed points. The number of orbits on tuples, which is the
    dimension, is the average (Stanley, Enumerative Combinatorics, vol. 2, Chapter 7); index sets multiply.

    >>> [dimension_by_burnside("n n -> n n", n) for n in range(6)]
    [0, 1, 8, 14, 15, 15]

    Raises:
        SignatureError, SizeError: a spec that is none, or sizes that do not fit it.
        TooLargeError: a size above ``MOST_ELEMENTS``.
    """
    signature = Signature.of(spec)
    n = signature.sizes(sizes)
    for name, size in n.items():
        if size > MOST_ELEMENTS:
            raise TooLargeError(
                f"size of {name!r}", size, MOST_ELEMENTS, "basis(...).dimension counts patterns, at any size."
            )
    return prod(_orbits(m, n[name]) for name, m in Counter(signature.positions).items())


def _orbits(m: int, n: int) -> int:
    moving = reversed(derangements(n))  # those of n elements, of n - 1, ...
    total: int = sum(comb(n, fixed) * number * fixed**m for fixed, number in enumerate(moving))
    average: int
    average, rest = divmod(total, factorial(n))
    assert rest == 0, "the average number of fixed tuples counts orbits"
    return average


def derangements(n: int) -> list[int]:
    """How many permutations of 0, 1, ..., n elements fix none (OEIS A000166).

    >>> derangements(5)
    [1, 0, 1, 2, 9, 44]
    """
    numbers = [1]
    for size in range(1, n + 1):
        numbers.append(size * numbers[-1] + (-1) ** size)
    return numbers
