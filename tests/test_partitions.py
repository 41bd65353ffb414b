from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Sequence
from functools import cache
from math import comb, factorial

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy.functions.combinatorial.numbers import stirling as sympy_stirling
from sympy.utilities.iterables import multiset_partitions

from strategies import index_sets, typed_partitions
from symeq.combinatorics import partitions
from symeq.combinatorics.partitions import SetPartition
from symeq.errors import InvalidPartitionError, OptionError, SymeqError, TooLargeError

BELL = (1, 1, 2, 5, 15, 52, 203, 877, 4140, 21147, 115975, 678570, 4213597)  # OEIS A000110

SETS = (
    (),
    ("n",),
    ("n",) * 4,
    ("u", "i"),
    ("u", "i", "u", "i"),
    ("u", "i", "i", "u", "u", "i"),
    ("a", "b", "c", "b", "a", "a", "b"),
)


# ---------------------------------------------------------------- oracles


def pattern(values: Sequence[object]) -> tuple[int, ...]:
    """The equality pattern of a tuple: every entry becomes the rank of its value by first appearance."""
    seen = list(dict.fromkeys(values))
    return tuple(seen.index(value) for value in values)


@cache
def all_strings(sets: Sequence[str]) -> list[tuple[int, ...]]:
    """Every pattern that tuples over ``sets`` show, by trying all tuples; values of index sets never meet."""
    tuples = itertools.product(*([(name, value) for value in range(sets.count(name))] for name in sets))
    return sorted({pattern(values) for values in tuples})


def check_listing(strings: np.ndarray, sets: Sequence[str]) -> None:
    """Complain unless ``strings`` is the lexicographic list of all strings over ``sets``."""
    assert strings.shape == (len(all_strings(sets)), len(sets))
    assert [tuple(row) for row in strings.tolist()] == all_strings(sets)


# ---------------------------------------------------------------- numbers


def test_bell_and_stirling_numbers_agree_with_sympy() -> None:
    """Bell and Stirling numbers are SymPy's, and the published first values."""
    assert tuple(partitions.bell(m) for m in range(len(BELL))) == BELL
    for m in range(20):
        assert partitions.bell(m) == sympy.bell(m)
        assert [partitions.stirling(m, b) for b in range(m + 2)] == [
            sympy_stirling(m, b) for b in range(m + 2)
        ]


def test_large_numbers_are_exact_and_fast() -> None:
    """Bell numbers of a few hundred elements come at once, as Python integers."""
    start = time.perf_counter()
    large = partitions.bell(300)
    assert time.perf_counter() - start < 2
    assert type(large) is int and large == sympy.bell(300)


@pytest.mark.parametrize("m", range(6))
@pytest.mark.parametrize("n", range(7))
def test_count_at_most_counts_the_patterns_of_tuples(m: int, n: int) -> None:
    """The partitions into at most n blocks are the equality patterns of n values, for every n."""
    shown = {pattern(values) for values in itertools.product(range(n), repeat=m)}
    assert partitions.count_at_most(m, n) == len(shown)


@pytest.mark.parametrize("k", range(7))
@pytest.mark.parametrize("order_out", range(7))
def test_bell_number_of_a_sum_counts_pairs_of_marked_partitions(k: int, order_out: int) -> None:
    """Bell(k + k') = sum over c of c! A_c(k) A_c(k'), with A_c(k) = sum over j of S(k, j) binom(j, c)."""

    def marked(order: int, c: int) -> int:
        return sum(partitions.stirling(order, j) * comb(j, c) for j in range(order + 1))

    pairs = sum(factorial(c) * marked(k, c) * marked(order_out, c) for c in range(min(k, order_out) + 1))
    assert partitions.bell(k + order_out) == pairs


def test_one_side_of_the_identity_counts_contractions() -> None:
    """The sums over c of A_c(k), k = 1..6, are 2, 6, 22, 94, 454, 2430."""
    totals = [sum(partitions.stirling(k, j) * 2**j for j in range(k + 1)) for k in range(1, 7)]
    assert totals == [2, 6, 22, 94, 454, 2430]


@pytest.mark.parametrize("sets", SETS)
def test_count_is_the_number_of_strings(sets: tuple[str, ...]) -> None:
    """``count`` is the length of the brute-force list."""
    assert partitions.count(sets) == len(all_strings(sets))


@pytest.mark.parametrize("wrong", [-1, 1.5, "3", None, True])
def test_numbers_of_something_else_than_natural_numbers_are_refused(wrong: object) -> None:
    """A wrong argument is a ValueError that names it."""
    for call in (
        lambda: partitions.bell(wrong),
        lambda: partitions.stirling(3, wrong),
        lambda: partitions.count_at_most(wrong, 2),
    ):
        with pytest.raises(OptionError, match=f"={wrong!r} is not possible: expected an integer >= 0"):
            call()


# ---------------------------------------------------------------- one set partition


@given(typed_partitions())
def test_blocks_and_string_say_the_same(typed: tuple[tuple[str, ...], tuple[int, ...]]) -> None:
    """Blocks are listed by first element, partition the positions, and give the string back in any order."""
    _, rgs = typed
    partition = SetPartition(rgs)
    assert sorted(itertools.chain(*partition.blocks)) == list(range(len(rgs)))
    assert list(partition.blocks) == sorted(partition.blocks)
    assert all(len({rgs[p] for p in block}) == 1 for block in partition.blocks)
    assert (len(partition), partition.size) == (len(set(rgs)), len(rgs))
    assert SetPartition.from_blocks(reversed(partition.blocks)) == partition
    assert SetPartition.from_labels("zyxwvu"[label] for label in rgs) == partition
    assert eval(repr(partition)) == partition


def test_a_set_partition_is_a_value() -> None:
    """Equal strings are equal, hashable and ordered, whatever sequence they came as; str shows the blocks."""
    partition = SetPartition((0, 1, 0, 2))
    assert {partition, SetPartition(np.array([0, 1, 0, 2]))} == {partition}
    assert SetPartition((0, 0)) < SetPartition((0, 1))
    assert str(partition) == "{0 2}{1}{3}"
    assert str(SetPartition(())) == "{}" and SetPartition(()) and len(SetPartition(())) == 0
    with pytest.raises(AttributeError):
        partition.rgs = (0,)


@pytest.mark.parametrize(
    ("rgs", "message"),
    [
        (
            (0, 2, 1),
            r"\(0, 2, 1\) is not a restricted growth string: entry 1 is 2 but may be at most 1\. SetP",
        ),
        ((1,), "entry 0 is 1 but may be at most 0"),
        ((0, -1), "entry 1 is -1 but may not be negative"),
        ((0, 0.5), "not a sequence of integers"),
        ("ab", "not a sequence of integers"),
        (7, "not a sequence of integers"),
    ],
)
def test_a_wrong_string_is_refused(rgs: object, message: str) -> None:
    """The error says which entry is wrong, what it may be, and what to call instead."""
    with pytest.raises(InvalidPartitionError, match=message) as caught:
        SetPartition(rgs)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, SymeqError)


@pytest.mark.parametrize("blocks", [[[0, 1], [1]], [[0], [2]], [[0], []], [[]], [[1]], [[0, 0]], [["a"]]])
def test_wrong_blocks_are_refused(blocks: list[list[int]]) -> None:
    """Blocks that overlap, leave a gap, or are empty are no set partition."""
    with pytest.raises(InvalidPartitionError, match="not the blocks of a set partition"):
        SetPartition.from_blocks(blocks)


@pytest.mark.parametrize(
    ("rgs", "message"),
    [((0, 0, 1), "mixes the index sets 'u' and 'i' in block 0"), ((0, 1), "has 2 entries for 3 positions")],
)
def test_a_string_that_does_not_fit_the_index_sets_is_refused(rgs: tuple[int, ...], message: str) -> None:
    """``rank`` and ``ranks`` refuse what no slot belongs to."""
    with pytest.raises(InvalidPartitionError, match=message):
        partitions.rank(rgs, ("u", "i", "u"))
    with pytest.raises(InvalidPartitionError):
        partitions.ranks([(0, 1, 0)[: len(rgs)], rgs], ("u", "i", "u"))


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("sets", SETS)
def test_strings_are_the_lexicographic_list(sets: tuple[str, ...]) -> None:
    """The strings are those of a brute-force search over tuples, in lexicographic order, as int8."""
    strings = partitions.restricted_growth_strings(sets)
    assert strings.dtype == np.int8
    check_listing(strings, sets)
    assert [partition.rgs for partition in partitions.set_partitions(sets)] == all_strings(sets)


@pytest.mark.parametrize("m", range(8))
def test_set_partitions_are_those_of_sympy(m: int) -> None:
    """``set_partitions(m)`` lists what SymPy lists."""
    expected = sorted(SetPartition.from_blocks(blocks) for blocks in multiset_partitions(list(range(m))))
    assert list(partitions.set_partitions(m)) == expected and len(expected) == BELL[m]


def test_the_listing_check_can_fail() -> None:
    """A listing out of order, with a mixed block, or with a row missing is noticed."""
    right = partitions.restricted_growth_strings(("u", "i", "u"))
    check_listing(right, ("u", "i", "u"))
    for wrong in (right[::-1], right[:-1], np.array([[0, 0, 0], [0, 1, 2]])):
        with pytest.raises(AssertionError):
            check_listing(wrong, ("u", "i", "u"))


@given(index_sets(max_positions=7), st.integers(1, 30) | st.just(2**16))
def test_chunks_join_to_the_whole(sets: tuple[str, ...], rows: int) -> None:
    """Chunks of any size keep the order, miss nothing, and are no larger than asked for."""
    chunks = list(partitions.restricted_growth_string_chunks(sets, rows))
    assert all(0 < len(chunk) <= rows for chunk in chunks)
    assert np.array_equal(np.concatenate(chunks), partitions.restricted_growth_strings(sets))


def test_chunks_of_a_hopeless_number_of_strings_begin_at_once() -> None:
    """The first strings of 200 elements come without the others, and labels beyond int8 have room."""
    start = time.perf_counter()
    first = next(partitions.restricted_growth_string_chunks(("n",) * 200))
    assert time.perf_counter() - start < 5
    assert first[:2].tolist() == [[0] * 200, [0] * 199 + [1]] and first.dtype == np.int16


def test_labels_beyond_int8_have_room() -> None:
    """One partition of many positions is numbered to the end."""
    strings = partitions.restricted_growth_strings([f"set{at}" for at in range(200)])
    assert strings.tolist() == [list(range(200))]


def test_unusable_requests_are_refused() -> None:
    """A table that would not fit names its exact size; chunks have at least one row."""
    with pytest.raises(TooLargeError, match=str(partitions.bell(20))) as caught:
        partitions.restricted_growth_strings(("n",) * 20)
    assert caught.value.count == partitions.bell(20)
    with pytest.raises(OptionError, match="rows=0"):
        next(partitions.restricted_growth_string_chunks("nn", rows=0))
    with pytest.raises(OptionError, match="elements=-1"):
        next(partitions.set_partitions(-1))


@pytest.mark.parametrize(("m", "seconds"), [(10, 1.0), (12, 6.0)])  # 0.01 s and 0.4 s on two busy cores
def test_enumeration_is_fast(m: int, seconds: float) -> None:
    """115 975 strings in well under a second, 4 213 597 in a few seconds."""
    start = time.perf_counter()
    strings = partitions.restricted_growth_strings(("n",) * m)
    assert time.perf_counter() - start < seconds
    assert strings.shape == (BELL[m], m)


def test_enumeration_needs_little_more_memory_than_its_result() -> None:
    """The strings of 12 elements take 51 MB, and making them less than 5 MB more."""
    tracemalloc.start()
    try:
        strings = partitions.restricted_growth_strings(("n",) * 12)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert strings.nbytes == 12 * BELL[12]
    assert peak < strings.nbytes + 5e6


# ---------------------------------------------------------------- slots


@pytest.mark.parametrize("sets", SETS)
def test_rank_and_unrank_number_the_list(sets: tuple[str, ...]) -> None:
    """The slot of a string is its place in the brute-force list, one by one and all at once."""
    listed = all_strings(sets)
    assert [partitions.rank(rgs, sets) for rgs in listed] == list(range(len(listed)))
    assert [partitions.unrank(slot, sets) for slot in range(len(listed))] == listed
    slots = partitions.ranks(np.array(listed, dtype=int).reshape(len(listed), len(sets)), sets)
    assert slots.dtype == np.int64 and slots.tolist() == list(range(len(listed)))


@given(typed_partitions(max_positions=90))
def test_rank_and_unrank_are_exact_at_any_size(typed: tuple[tuple[str, ...], tuple[int, ...]]) -> None:
    """Far beyond what can be listed, unrank undoes rank and the neighbours are in lexicographic order."""
    sets, rgs = typed
    slot, total = partitions.rank(rgs, sets), partitions.count(sets)
    assert type(slot) is int and 0 <= slot < total
    assert partitions.unrank(slot, sets) == rgs
    if slot + 1 < total:
        assert partitions.unrank(slot + 1, sets) > rgs
        assert partitions.rank(partitions.unrank(slot + 1, sets), sets) == slot + 1


def test_slots_beyond_int64_are_python_integers() -> None:
    """``ranks`` stays exact where int64 would overflow."""
    sets = ("n",) * 30
    ends = [(0,) * 30, tuple(range(30))]
    assert partitions.ranks(ends, sets).tolist() == [0, sympy.bell(30) - 1]


@pytest.mark.parametrize(
    "strings", [[(0, 1, 2)], (0, 1), [(0.0, 1.0)], [(0, 2)], [(1, 0)], [(0, -1)], [(0, 1), (0, 3)]]
)
def test_ranks_refuses_what_is_no_array_of_strings(strings: object) -> None:
    """A wrong shape, a wrong type or a wrong row is refused."""
    with pytest.raises(InvalidPartitionError):
        partitions.ranks(strings, "nn")


@pytest.mark.parametrize("slot", [-1, 15, 10**30])
def test_unrank_refuses_a_slot_that_does_not_exist(slot: int) -> None:
    """The error names the slots there are."""
    with pytest.raises(OptionError, match="expected an integer from 0 to 14"):
        partitions.unrank(slot, "nnnn")
