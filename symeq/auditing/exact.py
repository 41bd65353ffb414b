"""Exact linear algebra for what was read off floating-point numbers: integer vectors, ranks, spans."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"

PRIME = 2**31 - 1  # products of two residues fit int64
_LARGEST = 2**31  # entries of an integer vector


def primitive(
    vectors: Array, tolerance: float, denominators: int, scale: int = 1
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """For each row the integer vector without a common divisor that it is a multiple of.

    vectors: (rows, columns) floats -> int64 of the same shape, and which rows were recognised. A row whose
    ``scale``-fold holds integers is taken at its word. Of any other, an entry below ``tolerance`` of the
    largest is zero, and ratios to the smallest other entry are read as the nearest fraction whose denominator
    is at most ``denominators``, which must lie within the tolerance. The first entry that is not zero is
    positive.

    >>> primitive(np.array([[0, 1 / 3, -2 / 3], [0.25, 0.5, 0.1]]), 1e-9, 100)[0].tolist()
    [[0, 1, -2], [5, 10, 2]]
    """
    found = np.zeros(vectors.shape, dtype=np.int64)
    known = np.ones(len(vectors), dtype=np.bool_)
    if not vectors.size:
        return found, known
    sizes = np.abs(vectors)
    largest = sizes.max(axis=1, keepdims=True)
    nonzero = sizes > tolerance * largest
    smallest = np.where(nonzero, sizes, np.inf).min(axis=1, keepdims=True)
    live = np.isfinite(smallest[:, 0]) & np.isfinite(largest[:, 0])
    known &= np.isfinite(largest[:, 0])
    ratios = np.zeros_like(vectors)
    np.divide(vectors, smallest, out=ratios, where=nonzero & live[:, None])
    near = np.rint(ratios)
    whole = (np.abs(ratios - near) <= tolerance * np.maximum(1, np.abs(ratios))).all(axis=1)
    whole &= np.abs(near).max(axis=1) < _LARGEST
    scaled = np.where(nonzero & live[:, None], vectors * scale, 0)
    wholly = np.rint(scaled)
    bound = tolerance * np.maximum(1, np.abs(scaled)) / 10
    as_is = (np.abs(scaled - wholly) <= bound).all(axis=1) & (np.abs(wholly).max(axis=1) < _LARGEST)
    as_is &= ((wholly != 0) == (nonzero & live[:, None])).all(axis=1)
    near[as_is], whole[as_is] = wholly[as_is], True
    for row in range(len(vectors)):
        numbers = (
            near[row].astype(np.int64).tolist()
            if whole[row]
            else _integers(ratios[row], tolerance, denominators)
        )
        if numbers is None:
            known[row] = False
            continue
        common = gcd(*numbers) or 1
        sign = -1 if next((number for number in numbers if number), 1) < 0 else 1
        found[row] = [sign * number // common for number in numbers]
    return found, known


def _integers(ratios: Array, tolerance: float, denominators: int) -> list[int] | None:
    fractions = []
    for ratio in ratios.tolist():
        fraction = Fraction(ratio).limit_denominator(denominators)
        if abs(float(fraction) - ratio) > tolerance * max(1.0, abs(ratio)):
            return None
        fractions.append(fraction)
    scale = lcm(*(fraction.denominator for fraction in fractions))
    numbers = [int(fraction * scale) for fraction in fractions]
    return numbers if max(map(abs, numbers)) < _LARGEST else None


class Span:
    """The row space of integer vectors modulo a prime; vectors may be added and asked for.

    Independent modulo a prime means independent over the rationals; the converse fails only where the prime
    divides a minor, so that ``rank`` below certifies a deficit with integers.
    """

    def __init__(self, columns: int) -> None:
        self._rows = np.zeros((0, columns), dtype=np.int64)
        self._pivots: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def _reduced(self, vectors: Array) -> Array:
        rest = np.mod(vectors, PRIME)
        if len(self._rows):
            # The rows are in reduced echelon form: one pass clears all pivots.
            weights = rest[:, self._pivots]
            for at, row in enumerate(self._rows):
                rest = np.mod(rest - weights[:, at, None] * row, PRIME)
        return rest

    def holds(self, vectors: Array) -> npt.NDArray[np.bool_]:
        """Which of the vectors (rows, columns) lie in the span."""
        return np.logical_not(self._reduced(vectors).any(axis=1))

    def add(self, vectors: Array) -> None:
        """Spans the vectors (rows, columns), too."""
        rest = self._reduced(vectors)
        while True:
            rest = rest[rest.any(axis=1)]
            if not len(rest):
                return
            row = rest[0]
            pivot = int(np.flatnonzero(row)[0])
            row = np.mod(row * pow(int(row[pivot]), -1, PRIME), PRIME)
            self._rows = np.mod(self._rows - self._rows[:, pivot, None] * row, PRIME)
            self._rows = np.vstack([self._rows, row])
            self._pivots.append(pivot)
            rest = np.mod(rest - rest[:, pivot, None] * row, PRIME)


def distinct(vectors: Array) -> Array:
    """The rows that are not zero, each once, in the order of their first appearance."""
    vectors = vectors[vectors.any(axis=1)]
    _, first = np.unique(vectors, axis=0, return_index=True)
    return vectors[np.sort(first)]


def rank(vectors: Array, bound: int | None = None) -> int:
    """The rank over the rationals of integer vectors (rows, columns); ``bound``: what it cannot exceed.

    >>> rank(np.array([[1, 2], [2, 4], [0, 0]]))
    1
    """
    rows = distinct(vectors)
    if not len(rows):
        return 0
    span = Span(rows.shape[1])
    span.add(rows)
    most = min(len(rows), rows.shape[1], rows.shape[1] if bound is None else bound)
    return len(span) if len(span) >= most else _rank_over_integers(rows)


def _rank_over_integers(rows: Array) -> int:
    """The rank by elimination with integers of any size."""
    pivots: dict[int, dict[int, int]] = {}
    for dense in rows.tolist():
        row = {column: value for column, value in enumerate(dense) if value}
        while row:
            column = min(row)
            if column not in pivots:
                pivots[column] = row
                break
            pivot = pivots[column]
            row = _combined(row, pivot[column], pivot, -row[column])
    return len(pivots)


def _combined(a: dict[int, int], p: int, b: dict[int, int], q: int) -> dict[int, int]:
    """P a + q b, divided by its common divisor."""
    columns: Sequence[int] = sorted(a.keys() | b.keys())
    values = [p * a.get(column, 0) + q * b.get(column, 0) for column in columns]
    common = gcd(*values) or 1
    return {column: value // common for column, value in zip(columns, values, strict=True) if value}
