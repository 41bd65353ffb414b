"""Young's natural representations: for each integer partition of c, integer matrices for all of S_c.

The Specht module of a shape lies in the span of its tabloids (fillings up to the order within rows); the
polytabloids of the standard tableaux are a basis of it, in which every permutation acts by an integer matrix
(Sagan, The Symmetric Group, 2nd edition, Theorems 2.5.2 and 2.6.5 and section 2.7). Everything here is exact.

A permutation is the tuple of its images, and ``compose(s, t)`` applies t first.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import factorial
from typing import TypeAlias

Permutation: TypeAlias = "tuple[int, ...]"
Matrix: TypeAlias = "tuple[tuple[int, ...], ...]"
Tableau: TypeAlias = "tuple[tuple[int, ...], ...]"
Tabloid: TypeAlias = "tuple[int, ...]"


@dataclass(frozen=True, slots=True)
class Irreducible:
    """An irreducible representation: its shape, and an integer matrix for each permutation in order."""

    shape: tuple[int, ...]
    matrices: tuple[Matrix, ...]

    @property
    def dimension(self) -> int:
        """The number of rows of each matrix."""
        return len(self.matrices[0])


def permutations(c: int) -> tuple[Permutation, ...]:
    """The permutations of 0..c-1 in lexicographic order."""
    return tuple(itertools.permutations(range(c)))


def compose(s: Permutation, t: Permutation) -> Permutation:
    """First t, then s.

    >>> compose((1, 2, 0), (1, 0, 2))
    (2, 1, 0)
    """
    return tuple(s[image] for image in t)


def inverse(p: Permutation) -> Permutation:
    """The permutation that undoes ``p``."""
    return tuple(p.index(at) for at in range(len(p)))


@cache
def irreducibles(c: int) -> tuple[Irreducible, ...]:
    """All irreducible representations of S_c, from the trivial one to the sign.

    >>> [(found.shape, found.dimension) for found in irreducibles(3)]
    [((3,), 1), ((2, 1), 2), ((1, 1, 1), 1)]
    """
    return tuple(_specht(shape) for shape in _shapes(c, c))


def fourier(c: int) -> Matrix:
    """The change from functions on S_c to the entries of all representations.

    A row for each representation and each place (a, b) in its matrices: the entries there, by permutation.

    >>> fourier(2)
    ((1, 1), (1, -1))
    """
    return tuple(
        tuple(matrix[a][b] for matrix in found.matrices)
        for found in irreducibles(c)
        for a in range(found.dimension)
        for b in range(found.dimension)
    )


def inverse_fourier(c: int) -> Matrix:
    """The inverse of ``fourier`` times c!, which has integer entries.

    f(t) = 1/c! times the sum over representations of dimension times trace of rho(t^-1) f^(rho) (Serre,
    Linear Representations of Finite Groups, section 6.2, Proposition 11).

    >>> inverse_fourier(2)
    ((1, 1), (1, -1))
    """
    order = permutations(c)
    rows = []
    for p in order:
        back = order.index(inverse(p))
        rows.append(
            tuple(
                found.dimension * found.matrices[back][b][a]
                for found in irreducibles(c)
                for a in range(found.dimension)
                for b in range(found.dimension)
            )
        )
    return tuple(rows)


def is_multiplicative(found: Irreducible) -> bool:
    """Whether the matrix of every product of two permutations is the product of their matrices, exactly."""
    import sympy  # nothing that is emitted needs it

    order = permutations(sum(found.shape))
    number = {p: at for at, p in enumerate(order)}
    matrices = [sympy.Matrix(matrix) for matrix in found.matrices]
    return all(
        matrices[number[s]] * matrices[number[t]] == matrices[number[compose(s, t)]]
        for s in order
        for t in order
    )


def products(c: int) -> Fraction:
    """Matrix products of a level of c propagating blocks, block by block, in units of one permutation's.

    >>> [str(products(c)) for c in (1, 2, 3, 4)]
    ['1', '1', '5/3', '8/3']
    """
    return Fraction(sum(found.dimension**3 for found in irreducibles(c)), factorial(c))


def _shapes(c: int, most: int) -> list[tuple[int, ...]]:
    """The integer partitions of c into parts of at most ``most``, the largest first part first."""
    if c == 0:
        return [()]
    return [(part, *rest) for part in range(min(c, most), 0, -1) for rest in _shapes(c - part, part)]


def _specht(shape: tuple[int, ...]) -> Irreducible:
    c = sum(shape)
    tableaux = [tableau for p in permutations(c) if _is_standard(tableau := _filled(shape, p))]
    basis = [_polytabloid(tableau) for tableau in tableaux]
    # The tabloid of a standard tableau is the last one of its polytabloid, with coefficient 1 (James, The
    # Representation Theory of the Symmetric Groups, section 8.2): coordinates are read off one after another.
    lead = {_last(tableau): at for at, tableau in enumerate(tableaux)}
    matrices = []
    for permutation in permutations(c):
        images = []
        for tableau in tableaux:
            rest = _polytabloid(tuple(tuple(permutation[i] for i in row) for row in tableau))
            image = [0] * len(tableaux)
            for tabloid in sorted(lead, reverse=True):
                at = lead[tabloid]
                image[at] = rest[tabloid]
                for other, factor in basis[at].items():
                    rest[other] -= image[at] * factor
            assert not any(rest.values()), "the polytabloids span a module"
            images.append(image)
        matrices.append(tuple(zip(*images, strict=True)))
    return Irreducible(shape, tuple(matrices))


def _last(tableau: Tableau) -> Tabloid:
    """The tabloid of a tableau: for each entry its row, the largest entry first."""
    row = {entry: at for at, entries in enumerate(tableau) for entry in entries}
    return tuple(row[entry] for entry in reversed(range(len(row))))


def _filled(shape: tuple[int, ...], entries: Permutation) -> Tableau:
    rest = iter(entries)
    return tuple(tuple(itertools.islice(rest, length)) for length in shape)


def _columns(tableau: Tableau) -> list[tuple[int, ...]]:
    return [tuple(row[at] for row in tableau if at < len(row)) for at in range(len(tableau[0]))]


def _is_standard(tableau: Tableau) -> bool:
    return all(tuple(sorted(line)) == line for line in (*tableau, *_columns(tableau)))


def _polytabloid(tableau: Tableau) -> Counter[Tabloid]:
    """The signed sum of the tabloids of the tableau with its columns permuted."""
    found: Counter[Tabloid] = Counter()
    columns = _columns(tableau)
    for images in itertools.product(*(itertools.permutations(column) for column in columns)):
        moved = dict(zip(itertools.chain(*columns), itertools.chain(*images), strict=True))
        sign = 1
        for column, image in zip(columns, images, strict=True):
            sign *= _sign(tuple(column.index(entry) for entry in image))
        found[_last(tuple(tuple(moved[entry] for entry in row) for row in tableau))] += sign
    return found


def _sign(p: Permutation) -> int:
    inversions = sum(p[a] > p[b] for b in range(len(p)) for a in range(b))
    return -1 if inversions % 2 else 1
