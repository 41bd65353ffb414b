"""Representations of symmetric groups, exactly."""

from __future__ import annotations

import dataclasses
from math import factorial

import numpy as np
import pytest

from symeq.representations import young


@pytest.mark.parametrize("c", range(1, 5))
def test_every_representation_is_multiplicative(c: int) -> None:
    """The matrices multiply as the permutations do, for all pairs."""
    assert all(young.is_multiplicative(found) for found in young.irreducibles(c))


def test_a_wrong_entry_is_seen() -> None:
    """One sign changed in one matrix: no longer multiplicative."""
    found = young.irreducibles(3)[1]
    (a, b), (c, d) = found.matrices[3]
    wrong = dataclasses.replace(
        found, matrices=(*found.matrices[:3], ((-a, b), (c, -d)), *found.matrices[4:])
    )
    assert found.matrices[3] != wrong.matrices[3]
    assert not young.is_multiplicative(wrong)


@pytest.mark.parametrize("c", range(1, 5))
def test_there_are_all_of_them(c: int) -> None:
    """As many as integer partitions, different characters, squares of the dimensions adding up to c!."""
    found = young.irreducibles(c)
    assert len(found) == (1, 1, 2, 3, 5)[c]
    assert sum(one.dimension**2 for one in found) == factorial(c)
    characters = np.array([[int(np.trace(np.array(m))) for m in one.matrices] for one in found])
    assert (characters @ characters.T == factorial(c) * np.eye(len(found), dtype=int)).all()


@pytest.mark.parametrize("c", range(1, 5))
def test_the_inverse_undoes_the_change(c: int) -> None:
    """The two changes of basis make up c!, in integers."""
    there, back = np.array(young.fourier(c)), np.array(young.inverse_fourier(c))
    assert (back @ there == factorial(c) * np.eye(factorial(c), dtype=int)).all()


@pytest.mark.parametrize("c", [2, 3, 4])
def test_convolutions_become_products_of_blocks(c: int, rng: np.random.Generator) -> None:
    """The convolution of two functions, by its definition, against products of their blocks."""
    order = young.permutations(c)
    f, w = (rng.integers(-9, 10, len(order)) for _ in range(2))
    expected = [
        sum(f[order.index(young.compose(t, young.inverse(p)))] * w[at] for at, p in enumerate(order))
        for t in order
    ]
    there, back = np.array(young.fourier(c)), np.array(young.inverse_fourier(c))
    blocks, start = [], 0
    for found in young.irreducibles(c):
        d = found.dimension
        one, two = ((there @ g)[start : start + d * d].reshape(d, d) for g in (f, w))
        blocks.append((one @ two).ravel())
        start += d * d
    assert (back @ np.concatenate(blocks) == factorial(c) * np.array(expected)).all()
