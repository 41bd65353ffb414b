"""The equivariant maps at given sizes, from nothing but the constraints of two generators.

The other rooms know the maps by their equality patterns. Here they are the solutions of ``L[a] = L[pi a]``
for all index tuples a and for pi a transposition or an n-cycle of one index set, which generate its symmetric
group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import numpy.typing as npt

from symeq.errors import TooLargeError
from symeq.signature import Signature, Sizes, Spec

MOST_UNKNOWNS = 700
"""Up to so many index tuples SymPy solves the constraints over the rationals."""

MOST_TUPLES = 10**7
"""Above, nothing is solved."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The exact dimension at some sizes, and how it was found.

    ``method`` is ``"nullspace"`` (SymPy, the nullspace of the constraints over QQ) or ``"orbits"`` (index
    tuples merged along the generators: a solution is one number for each set of merged tuples).
    """

    dimension: int
    method: Literal["nullspace", "orbits"]
    sizes: Mapping[str, int]


def cross_check(spec: Spec, sizes: Sizes) -> CrossCheck:
    """The dimension of the constraints' solution space at these sizes, also for n < k + k'.

    >>> cross_check("n n -> n n", 3)
    CrossCheck(dimension=14, method='nullspace', sizes={'n': 3})

    Raises:
        SignatureError, SizeError: a spec that is none, or sizes that do not fit it.
        TooLargeError: more than ``MOST_TUPLES`` index tuples.
    """
    signature = Signature.of(spec)
    n = signature.sizes(sizes)
    tuples = prod(n[name] for name in signature.positions)
    if tuples > MOST_TUPLES:
        raise TooLargeError(f"index tuples of {signature} at {n}", tuples, MOST_TUPLES, "Take smaller sizes.")
    constraints = moves(signature, n)
    if tuples <= MOST_UNKNOWNS:
        return CrossCheck(_nullity(tuples, constraints), "nullspace", n)
    return CrossCheck(len(representatives(tuples, constraints)), "orbits", n)


def generators(size: int) -> tuple[tuple[int, ...], ...]:
    """A transposition and an n-cycle, as tuples of images; they generate all permutations of 0..size-1.

    Conjugating the transposition (0 1) by the cycle gives all (i i+1). Below two elements there is nothing to
    generate.

    >>> generators(3)
    ((1, 0, 2), (1, 2, 0))
    """
    return ((1, 0, *range(2, size)), (*range(1, size), 0)) if size > 1 else ()


def moves(signature: Signature, sizes: Mapping[str, int]) -> list[Indices]:
    """Where each generator of each index set moves the index tuples, numbered in C order, inputs first."""
    found = []
    for name in signature.index_sets:
        for images in generators(sizes[name]):
            move = np.zeros(1, dtype=np.intp)
            for own in signature.positions:
                values = np.array(images if own == name else range(sizes[own]), dtype=np.intp)
                move = (move[:, None] * sizes[own] + values).reshape(-1)
            found.append(move)
    return found


def representatives(tuples: int, constraints: list[Indices]) -> Indices:
    """The least tuple of every set of tuples that the constraints merge."""
    label: Indices = np.arange(tuples, dtype=np.intp)
    while True:
        lower = label
        for move in constraints:
            lower = np.minimum(lower, lower[move])
        lower = lower[lower]
        if np.array_equal(lower, label):
            return np.flatnonzero(label == np.arange(tuples))
        label = lower


def _nullity(tuples: int, constraints: list[Indices]) -> int:
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    pairs = [(a, b) for move in constraints for a, b in enumerate(move.tolist()) if a != b]
    rows = {row: {a: QQ(1), b: QQ(-1)} for row, (a, b) in enumerate(pairs)}
    matrix = DomainMatrix(rows, (len(pairs), tuples), QQ)
    return int(matrix.nullspace().shape[0])
