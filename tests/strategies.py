"""Hypothesis strategies: signatures, sizes and typed set partitions, shared by the random tests."""

from __future__ import annotations

from hypothesis import strategies as st

from symeq.signature import Signature

NAMES = ("n", "u", "i")


def index_sets(max_positions: int = 6, max_sets: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    """The index set of every position, interleaved in any way."""
    return st.lists(st.sampled_from(NAMES[:max_sets]), max_size=max_positions).map(tuple)


def signatures(max_positions: int = 5, max_sets: int = 3) -> st.SearchStrategy[Signature]:
    """Signatures with up to ``max_positions`` axes in all, also without any."""
    return index_sets(max_positions, max_sets).flatmap(
        lambda sets: st.integers(0, len(sets)).map(lambda k: Signature(sets[:k], sets[k:]))
    )


def sizes(signature: Signature, at_most: int = 3) -> st.SearchStrategy[dict[str, int]]:
    """A size from 0 to ``at_most`` for every index set of the signature."""
    return st.fixed_dictionaries(dict.fromkeys(signature.index_sets, st.integers(0, at_most)))


@st.composite
def restricted_growth(draw: st.DrawFn, sets: tuple[str, ...]) -> tuple[int, ...]:
    """A restricted growth string whose blocks stay inside one index set."""
    rgs: list[int] = []
    for position, name in enumerate(sets):
        known = {rgs[earlier] for earlier in range(position) if sets[earlier] == name}
        rgs.append(draw(st.sampled_from([*sorted(known), len(set(rgs))])))
    return tuple(rgs)


def typed_partitions(
    max_positions: int = 6, max_sets: int = 3
) -> st.SearchStrategy[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Pairs (index set of every position, restricted growth string)."""
    return index_sets(max_positions, max_sets).flatmap(
        lambda sets: st.tuples(st.just(sets), restricted_growth(sets))
    )


def several_strings(size: int, number: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """``number`` restricted growth strings over the same ``size`` elements."""
    return st.lists(restricted_growth(("n",) * size), min_size=number, max_size=number)
