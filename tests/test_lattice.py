from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import several_strings
from symeq.combinatorics.lattice import join, meet, moebius, refines
from symeq.combinatorics.partitions import SetPartition
from symeq.errors import InvalidPartitionError

ORDERS = range(5)


# ---------------------------------------------------------------- oracles


@cache
def partitions_of(m: int) -> tuple[SetPartition, ...]:
    """All set partitions of m elements: the strings over 0..m-1 in which labels first appear in order."""
    strings = itertools.product(range(m), repeat=m)
    return tuple(
        SetPartition(rgs)
        for rgs in strings
        if all(label <= max(rgs[:at], default=-1) + 1 for at, label in enumerate(rgs))
    )


def finer(a: SetPartition, b: SetPartition) -> bool:
    """Refinement, as the definition says it."""
    return all(any(set(small) <= set(large) for large in b.blocks) for small in a.blocks)


@cache
def moebius_by_definition(a: SetPartition, b: SetPartition) -> int:
    """mu(a, a) = 1, and mu(a, b) makes the sum of mu(a, x) over a <= x <= b vanish."""
    if a == b:
        return 1
    between = [x for x in partitions_of(a.size) if finer(a, x) and finer(x, b) and x != b]
    return -sum(moebius_by_definition(a, x) for x in between)


def check_moebius(function: Callable[[SetPartition, SetPartition], int], m: int) -> None:
    """Complain unless ``function`` is the Moebius function of the partitions of m elements."""
    for a, b in itertools.product(partitions_of(m), repeat=2):
        assert function(a, b) == (moebius_by_definition(a, b) if finer(a, b) else 0), (a, b)


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize("m", ORDERS)
def test_refines_is_containment_of_blocks(m: int) -> None:
    """Refinement agrees with its definition on every pair."""
    for a, b in itertools.product(partitions_of(m), repeat=2):
        assert refines(a, b) == finer(a, b)


@pytest.mark.parametrize("m", ORDERS)
def test_meet_and_join_are_the_bounds_of_the_order(m: int) -> None:
    """The meet is the one common refinement that all others refine; the join the same, upwards."""
    for a, b in itertools.product(partitions_of(m), repeat=2):
        below = [x for x in partitions_of(m) if finer(x, a) and finer(x, b)]
        above = [x for x in partitions_of(m) if finer(a, x) and finer(b, x)]
        assert [meet(a, b)] == [x for x in below if all(finer(y, x) for y in below)]
        assert [join(a, b)] == [x for x in above if all(finer(x, y) for y in above)]


@pytest.mark.parametrize("m", ORDERS)
def test_moebius_is_the_inverse_of_the_order(m: int) -> None:
    """The product formula is the Moebius function by its recursive definition."""
    check_moebius(moebius, m)


def test_the_moebius_check_can_fail() -> None:
    """A wrong sign, a wrong size and a value off the order are noticed."""
    for wrong in (
        lambda a, b: abs(moebius(a, b)),
        lambda a, b: max(-1, min(1, moebius(a, b))),
        lambda a, b: moebius(a, b) or 1,
    ):
        with pytest.raises(AssertionError):
            check_moebius(wrong, 3)


@given(st.integers(0, 40).flatmap(lambda m: several_strings(m, 3)))
def test_lattice_laws(strings: list[tuple[int, ...]]) -> None:
    """Beyond what can be searched, meet and join commute, associate, absorb and agree with refinement."""
    a, b, c = map(SetPartition, strings)
    assert meet(a, b) == meet(b, a) and join(a, b) == join(b, a)
    assert meet(meet(a, b), c) == meet(a, meet(b, c)) and join(join(a, b), c) == join(a, join(b, c))
    assert meet(a, join(a, b)) == a == join(a, meet(a, b))
    assert refines(meet(a, b), a) and refines(a, join(a, b))
    assert refines(a, b) == (meet(a, b) == a) == (join(a, b) == b)
    assert (moebius(a, b) != 0) == refines(a, b) and moebius(a, a) == 1


def test_moebius_of_the_whole_lattice() -> None:
    """From single elements to one block it is (-1)^(m-1) (m-1)!."""
    tops = [moebius(SetPartition(tuple(range(m))), SetPartition((0,) * m)) for m in range(1, 8)]
    assert tops == [1, -1, 2, -6, 24, -120, 720]


@pytest.mark.parametrize("function", [refines, meet, join, moebius])
def test_partitions_of_different_sets_are_refused(function: Callable[..., object]) -> None:
    """Two set partitions can be compared only over the same elements."""
    with pytest.raises(InvalidPartitionError, match="of 2 and 3 elements"):
        function(SetPartition((0, 0)), SetPartition((0, 0, 0)))
