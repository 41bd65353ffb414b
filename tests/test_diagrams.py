from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import index_sets, restricted_growth
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.errors import InvalidPartitionError

SIZES = {"n": 3, "u": 2, "i": 1}


# ---------------------------------------------------------------- oracles


def diagram_matrix(rgs: Sequence[int], k: int, sets: Sequence[str], sizes: dict[str, int]) -> np.ndarray:
    """D_g entry by entry: 1 where every two positions of one block have the same index."""
    axes = [range(sizes[name]) for name in sets]
    rows = [
        [
            int(all(len({t[p] for p in range(len(rgs)) if rgs[p] == label}) == 1 for label in set(rgs)))
            for i in itertools.product(*axes[:k])
            for t in [i + j]
        ]
        for j in itertools.product(*axes[k:])
    ]
    return np.array(rows, dtype=int).reshape(
        prod(sizes[name] for name in sets[k:]), prod(sizes[name] for name in sets[:k])
    )


def matrix_of(diagram: PartitionDiagram, sizes: dict[str, int]) -> np.ndarray:
    """The matrix of a diagram, from its data alone."""
    return diagram_matrix(diagram.rgs, diagram.order_in, diagram.sets, sizes)


def check_composition(
    after: PartitionDiagram,
    first: PartitionDiagram,
    claim: tuple[PartitionDiagram, dict[str, int]],
    sizes: dict[str, int],
) -> None:
    """Complain unless the claim says what the product of the matrices is."""
    stacked, lost = claim
    factor = prod(sizes[name] ** number for name, number in lost.items())
    product = matrix_of(after, sizes) @ matrix_of(first, sizes)
    assert np.array_equal(product, factor * matrix_of(stacked, sizes))


def all_diagrams(k: int, order_out: int) -> list[PartitionDiagram]:
    """Every diagram over one index set, by trying all strings."""
    m = k + order_out
    strings = itertools.product(range(m), repeat=m)
    return [
        PartitionDiagram(rgs, k)
        for rgs in strings
        if all(label <= max(rgs[:at], default=-1) + 1 for at, label in enumerate(rgs))
    ]


# ---------------------------------------------------------------- strategies of these tests


@st.composite
def diagrams(draw: st.DrawFn, max_positions: int = 5) -> PartitionDiagram:
    """A diagram over up to three index sets."""
    sets = draw(index_sets(max_positions))
    return PartitionDiagram(draw(restricted_growth(sets)), draw(st.integers(0, len(sets))), sets)


@st.composite
def composable(draw: st.DrawFn) -> tuple[PartitionDiagram, PartitionDiagram]:
    """Two diagrams of which the first can follow the second, orders at most 2."""
    inputs, middle, outputs = (draw(index_sets(2)) for _ in range(3))
    after = PartitionDiagram(draw(restricted_growth(middle + outputs)), len(middle), middle + outputs)
    first = PartitionDiagram(draw(restricted_growth(inputs + middle)), len(inputs), inputs + middle)
    return after, first


# ---------------------------------------------------------------- blocks


@given(diagrams(max_positions=7))
def test_every_block_propagates_or_lies_on_one_side(diagram: PartitionDiagram) -> None:
    """The three kinds of blocks are all the blocks, told apart by the sides they meet."""
    kinds = diagram.propagating + diagram.input_only + diagram.output_only
    assert sorted(kinds) == list(diagram.partition.blocks)
    assert diagram.inputs + diagram.outputs == diagram.rgs
    assert len(diagram.outputs) == diagram.order_out
    shared = set(diagram.inputs) & set(diagram.outputs)
    assert {diagram.rgs[block[0]] for block in diagram.propagating} == shared
    assert {diagram.rgs[block[0]] for block in diagram.input_only} == set(diagram.inputs) - shared
    for block in kinds:
        into, out = diagram.axes(block)
        assert into + tuple(axis + diagram.order_in for axis in out) == block


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("order_out", range(3))
def test_diagrams_with_c_propagating_blocks(k: int, order_out: int) -> None:
    """There are c! A_c(k) A_c(k') of them, A_c counting partitions with c of their blocks marked."""

    def marked(order: int, c: int) -> int:
        strings = {diagram.rgs for diagram in all_diagrams(order, 0)}
        return sum(comb(len(set(rgs)), c) for rgs in strings)

    found = [len(diagram.propagating) for diagram in all_diagrams(k, order_out)]
    for c in range(5):
        assert found.count(c) == prod(range(1, c + 1)) * marked(k, c) * marked(order_out, c)


# ---------------------------------------------------------------- transpose and composition


@given(diagrams())
def test_transpose_is_the_transposed_matrix(diagram: PartitionDiagram) -> None:
    """Exchanging sides transposes the operator, and twice is nothing."""
    assert np.array_equal(matrix_of(diagram.transpose(), SIZES), matrix_of(diagram, SIZES).T)
    assert diagram.transpose().transpose() == diagram


@given(composable(), st.sampled_from([SIZES, {"n": 2, "u": 3, "i": 0}]))
def test_composition_is_the_matrix_product(
    pair: tuple[PartitionDiagram, PartitionDiagram], sizes: dict[str, int]
) -> None:
    """D_d D_g = n^r D_(d.g), with an r for every index set."""
    after, first = pair
    check_composition(after, first, after.compose(first), sizes)


@pytest.mark.parametrize("n", range(4))
def test_all_products_of_maps_between_matrices_and_vectors(n: int) -> None:
    """The same for every pair 2 -> 1 after 1 -> 2, and 1 -> 2 after 2 -> 1, over one index set."""
    for up, down in itertools.product(all_diagrams(1, 2), all_diagrams(2, 1)):
        check_composition(up, down, up.compose(down), {"n": n})
        check_composition(down, up, down.compose(up), {"n": n})


def test_the_composition_check_can_fail() -> None:
    """A forgotten factor and a wrong diagram are noticed."""
    total, ones = PartitionDiagram((0, 1), 2), PartitionDiagram((0, 1), 0)
    stacked, lost = total.compose(ones)
    assert lost == {"n": 2}
    check_composition(total, ones, (stacked, lost), {"n": 3})
    with pytest.raises(AssertionError):
        check_composition(total, ones, (stacked, {"n": 1}), {"n": 3})
    after, first = PartitionDiagram((0, 0), 1), PartitionDiagram((0, 1), 1)
    with pytest.raises(AssertionError):
        check_composition(after, first, (after, {"n": 0}), {"n": 3})


@given(composable(), st.data())
def test_composition_associates(pair: tuple[PartitionDiagram, PartitionDiagram], data: st.DataObject) -> None:
    """(a b) c = a (b c), lost blocks added up."""
    second, first = pair
    sets = second.sets[second.order_in :] + data.draw(index_sets(2))
    third = PartitionDiagram(data.draw(restricted_growth(sets)), second.order_out, sets)
    upper, lost_above = third.compose(second)
    lower, lost_below = second.compose(first)
    left, right = upper.compose(first), third.compose(lower)
    assert left[0] == right[0]
    for name in SIZES:
        assert lost_above.get(name, 0) + left[1].get(name, 0) == lost_below.get(name, 0) + right[1].get(
            name, 0
        )


def test_the_order_of_composition_is_checked() -> None:
    """Maps that do not fit, also by the name of an index set alone, are refused."""
    rows, columns = PartitionDiagram((0,), 1, ("u",)), PartitionDiagram((0,), 0, ("i",))
    with pytest.raises(InvalidPartitionError, match=r"outputs over \(i\) meet inputs over \(u\)"):
        rows.compose(columns)


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("rgs", "k", "drawing", "words"),
    [
        ((), 0, "->", "keep the number as it is"),
        ((0,), 1, "a -> ", "sum over input axis 1"),
        ((0,), 0, " -> a", "copy along output axis 1"),
        ((0, 0), 1, "a -> a", "carry input axis 1 to output axis 1"),
        ((0, 1), 1, "a -> b", "sum over input axis 1, copy along output axis 1"),
        (
            (0, 1, 1, 0),
            2,
            "a b -> b a",
            "carry input axis 1 to output axis 2, carry input axis 2 to output axis 1",
        ),
        (
            (0, 0, 0, 0),
            2,
            "a a -> a a",
            "carry the diagonal of input axes 1 and 2 onto the diagonal of output axes 1 and 2",
        ),
        (
            (0, 0, 0, 1, 1),
            3,
            "a a a -> b b",
            "sum over the diagonal of input axes 1, 2 and 3, copy along the diagonal of output axes 1 and 2",
        ),
    ],
)
def test_drawings_and_words(rgs: tuple[int, ...], k: int, drawing: str, words: str) -> None:
    """The texts, row by row."""
    diagram = PartitionDiagram(rgs, k)
    assert (diagram.draw(), diagram.words()) == (drawing, words)


def test_drawings_and_words_tell_diagrams_apart() -> None:
    """All 203 diagrams of 3 -> 3 have texts of their own, and drawings line up in a table."""
    listed = all_diagrams(3, 3)
    assert len({diagram.words() for diagram in listed}) == len(listed) == 203
    assert len({diagram.draw() for diagram in listed}) == 203
    assert {len(diagram.draw()) for diagram in listed} == {len("n n n -> n n n")}


def test_more_blocks_than_letters_are_drawn_with_numbers() -> None:
    """Beyond 52 blocks the drawing stays unambiguous."""
    assert PartitionDiagram(tuple(range(53)), 52).draw().endswith("50 51 -> 52")


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 2), 1), "not a restricted growth string"),
        (((0, 1), 3), "cannot have 3 inputs"),
        (((0, 1), -1), "cannot have -1 inputs"),
        (((0, 0), 1, ("u", "i")), "mixes the index sets 'u' and 'i'"),
        (((0, 1), 1, ("u",)), "2 entries for 1 positions"),
    ],
)
def test_wrong_diagrams_are_refused(arguments: tuple[object, ...], message: str) -> None:
    """The error names what does not fit."""
    with pytest.raises(InvalidPartitionError, match=message):
        PartitionDiagram(*arguments)


def test_the_index_set_has_a_name_by_default() -> None:
    """Without index sets every position runs over n."""
    assert PartitionDiagram((0, 1), 1) == PartitionDiagram((0, 1), 1, ("n", "n"))
