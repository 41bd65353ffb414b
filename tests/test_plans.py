"""Plans mean what the operators mean, every pass keeps the meaning, and sharing is as good as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import comb

import numpy as np
import pytest
import sympy
from hypothesis import given, settings

import symeq
from strategies import signatures
from symeq.errors import TooLargeError
from symeq.pipeline import plan as optimized
from symeq.plans.cost import steps
from symeq.plans.evaluate import evaluate
from symeq.plans.ir import AxisMap, Mix, Plan
from symeq.plans.lower import gather, lower
from symeq.plans.passes import (
    chain_broadcasts,
    chain_contractions,
    merge_mixes,
    optimize,
    share_broadcasts,
    share_contractions,
)
from symeq.signature import Signature

PASSES = (share_contractions, share_broadcasts, merge_mixes, chain_contractions, chain_broadcasts)

# Every shape of plan: orders in and out, both sides of a level larger, levels that one side cannot
# take, index sets on one side only, interleaved, and in another order on the other side.
SPECS = (
    "->",
    "n ->",
    "-> n n",
    "n -> n",
    "n n ->",
    "n n -> n",
    "n n -> n n",
    "n -> n n n",
    "n n n n ->",
    "n n n -> n",
    "n n n -> n n n",
    "n n -> m",
    "n n -> m n",
    "u i -> u i",
    "u i -> i u",
    "i u i -> u i",
    "u u i i -> i u u",
    "-> u i u",
    # an intermediate broadcast that only diagonals were added to
    "n n -> u u n n",
    "n u -> i i n u",
)


def some_input(plan: Plan, rng: np.random.Generator) -> dict[str, object]:
    """Integers small enough that every sum is exact, at sizes that tell the index sets apart."""
    signature = plan.signature
    sizes = {name: 3 + at for at, name in enumerate(signature.index_sets)}
    slots = symeq.basis(signature).count
    axes = [sizes[name] for name in signature.inputs]
    return {
        "x": rng.integers(-9, 10, (2, *axes, 2)),
        "weight": rng.integers(-9, 10, (slots, 2, 3)),
        "bias": rng.integers(-9, 10, (len(plan.bias), 3)),
        "sizes": sizes,
    }


def by_matrices(signature: Signature, x, weight, bias, sizes) -> np.ndarray:
    """The layer from the dense matrices of the diagram operators."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    y = sum(
        np.einsum("ji,bic,cd->bjd", operator.matrix(sizes), flat, weight[slot])
        for slot, operator in enumerate(symeq.basis(signature, kind="diagram"))
    )
    outputs = Signature((), signature.outputs)
    here = {name: sizes[name] for name in outputs.index_sets}
    for slot, operator in enumerate(symeq.basis(outputs, kind="diagram")):
        y = y + operator.matrix(here if outputs.index_sets else 0)[:, 0, None] * bias[slot]
    return y.reshape(len(x), *(sizes[name] for name in signature.outputs), weight.shape[2])


@pytest.mark.parametrize("spec", [spec for spec in SPECS if len(Signature.parse(spec).positions) <= 5])
def test_the_plain_plan_is_the_sum_of_the_operators(spec: str, rng: np.random.Generator) -> None:
    """One step per operator gives the sum over slots of its dense matrix times its weight."""
    plan = lower(symeq.basis(spec, kind="diagram"))
    given_ = some_input(plan, rng)
    assert np.array_equal(evaluate(plan, **given_), by_matrices(plan.signature, **given_))


@pytest.mark.parametrize("spec", SPECS)
def test_every_pass_keeps_the_meaning(spec: str, rng: np.random.Generator) -> None:
    """After each pass the plan computes what the plan it was given computes."""
    plan = lower(symeq.basis(spec, kind="diagram"))
    given_ = some_input(plan, rng)
    meaning = evaluate(plan, **given_)
    for step in PASSES:
        plan = step(plan)
        assert np.array_equal(evaluate(plan, **given_), meaning), step.__name__


@pytest.mark.parametrize("spec", [*SPECS, "n n n n -> n n", "n n n n -> n n n n"])
def test_gathering_is_lowering_and_sharing(spec: str) -> None:
    """The short way, which never lists the operators, gives the very plan of the long way."""
    plan = lower(symeq.basis(spec, kind="diagram"))
    for step in (share_contractions, share_broadcasts, merge_mixes):
        plan = step(plan)
    assert gather(plan.signature) == plan


@pytest.mark.timeout(30)
@pytest.mark.parametrize("spec", ["{} -> ", " -> {}", "{} n -> n n"])
def test_many_index_sets_are_planned_at_once(spec: str) -> None:
    """Forty have 2^40 sets of axes that a plan without their propagating blocks must not look at."""
    spec = spec.format(" ".join(f"u{at}" for at in range(40)))
    inputs, outputs = (side.count("n") for side in spec.split("->"))
    found = optimized(spec).report()
    assert found.operators == symeq.basis((inputs, outputs)).count
    assert found.contractions <= steps(Signature.from_orders(inputs, outputs)) + 1


@settings(max_examples=40)
@given(signatures(max_positions=6))
def test_the_optimized_plan_of_any_signature_means_the_plain_one(signature: Signature) -> None:
    """The same for signatures that nobody listed, all passes together."""
    plan = lower(symeq.basis(signature, kind="diagram"))
    given_ = some_input(plan, np.random.default_rng(len(str(signature))))
    assert np.array_equal(evaluate(optimize(plan), **given_), evaluate(plan, **given_))


def forget_the_transposition(plan: Plan) -> Plan:
    """A wrong pass: the product of the first level is never transposed."""
    first, *others = plan.mixes
    straight = tuple((target, tuple(sorted(p))) for target, p in first.targets)
    return replace(plan, mixes=(replace(first, targets=straight), *others))


def add_twice(plan: Plan) -> Plan:
    """A wrong pass: the last step is done again."""
    return replace(plan, broadcasts=(*plan.broadcasts, plan.broadcasts[-1]))


def sum_instead_of_diagonal(plan: Plan) -> Plan:
    """A wrong pass: the first contraction sums one axis that it should have identified."""
    first, *others = plan.contracts
    return replace(plan, contracts=(replace(first, map=AxisMap((0, 1), (0,))), *others))


@pytest.mark.parametrize("fault", [forget_the_transposition, add_twice, sum_instead_of_diagonal])
def test_a_wrong_pass_is_seen(fault: Callable[[Plan], Plan], rng: np.random.Generator) -> None:
    """The comparison above can fail."""
    plan = optimized("n n -> n n")
    given_ = some_input(plan, rng)
    assert not np.array_equal(evaluate(fault(plan), **given_), evaluate(plan, **given_))


def marked_partitions(k: int, c: int) -> int:
    """A_c(k) of the literature, from SymPy's Stirling numbers."""
    from sympy.functions.combinatorial.numbers import stirling

    return sum(int(stirling(k, j)) * comb(j, c) for j in range(k + 1))


@pytest.mark.parametrize("spec", SPECS)
def test_few_steps_and_none_without_use(spec: str) -> None:
    """At most A(k) contractions and A(k') broadcasts, one product per level, each result used."""
    plan = optimized(spec)
    signature = plan.signature
    for steps_, side in ((plan.contracts, signature.inputs), (plan.broadcasts, signature.outputs)):
        most = 1
        for count in Counter(side).values():
            most *= sum(marked_partitions(count, c) for c in range(count + 1))
        # A side whose axes must first be brought into the order of the index sets needs one step for that.
        assert len(steps_) + 1 <= most + (list(side) != sorted(side, key=signature.index_sets.index))
    used = {source for mix in plan.mixes for source, _ in mix.sources} | {s.source for s in plan.contracts}
    assert {step.target for step in plan.contracts} <= used
    fed = {target for mix in plan.mixes for target, _ in mix.targets} | {m.target for m in plan.broadcasts}
    assert {move.source for move in plan.broadcasts} <= fed
    levels = [tuple(sorted(sets_of_axes(plan, mix))) for mix in plan.mixes]
    assert len(levels) == len(set(levels))


def sets_of_axes(plan: Plan, mix: Mix) -> list[str]:
    """The index sets of the propagating blocks of a product."""
    map_ = plan.contractions()[mix.sources[0][0]]
    return [plan.signature.inputs[map_.axes(block)[0]] for block in map_.kept]


@pytest.mark.parametrize(
    ("orders", "counts"),
    [
        ((2, 2), (6, 3, 6)),
        ((2, 1), (5, 2, 2)),
        ((2, 0), (2, 1, 1)),
        ((3, 3), (22, 4, 22)),
        ((1, 1), (2, 2, 2)),
    ],
)
def test_known_counts(orders: tuple[int, int], counts: tuple[int, int, int]) -> None:
    """Contractions, products and broadcasts that one can count by hand; x and y themselves included."""
    report = optimized(orders).report()
    assert (report.contractions, report.products, report.broadcasts) == counts


def cheapest(map_: AxisMap, others: list[AxisMap]) -> int:
    """The fewest index axes that computing ``map_`` from one of ``others`` reads, by brute force."""
    costs = []
    for other in others:
        try:
            step = map_.after(other)
        except (ValueError, KeyError):
            continue
        if other.then(step) == map_:
            costs.append(step.block_count if step.dropped else 0)
    return min(costs)


@pytest.mark.parametrize(
    "spec", ["n n -> n n", "n n n -> n n n", "n n n -> n", "u u i -> u i", "n n n n -> n n"]
)
def test_each_contraction_is_computed_from_the_cheapest(spec: str) -> None:
    """No contraction that stands before could have given it for less."""
    plan = optimized(spec)
    maps = plan.contractions()
    before = [maps[0]]
    for step in plan.contracts:
        cost = step.map.block_count if step.map.dropped else 0
        assert cost == cheapest(maps[step.target], before), maps[step.target]
        before.append(maps[step.target])


@pytest.mark.parametrize(
    "spec", ["n n n ->", "n n n -> n", "n n n n n ->", "n n n n n -> n n", "u u u i u i -> i"]
)
def test_what_several_diagonals_have_in_common_is_read_once(spec: str) -> None:
    """No two steps from one tensor begin by identifying the same two axes."""
    plan = optimized(spec)
    merged: Counter[tuple[int, int, int]] = Counter()  # (source, its first two axes that are identified)
    for step in plan.contracts:
        blocks = step.map.blocks
        second = next((axis for axis, block in enumerate(blocks) if block in blocks[:axis]), None)
        if second is not None:
            merged[step.source, blocks.index(blocks[second]), second] += 1
    assert set(merged.values()) == {1}
    # A view that nobody multiplies and one tensor is computed from would be a step without use.
    used = {source for mix in plan.mixes for source, _ in mix.sources}
    children = Counter(step.source for step in plan.contracts)
    assert all(step.target in used or children[step.target] > 1 for step in plan.contracts)


def test_small_results_are_added_into_larger_ones() -> None:
    """A broadcast into a tensor never comes after that tensor was added to another."""
    for spec in SPECS:
        done: set[int] = set()
        for move in optimized(spec).broadcasts:
            assert move.target not in done, spec
            done.add(move.source)


def test_report_gives_polynomials_in_sizes_and_channels() -> None:
    """Multiply-adds of 2 -> 2: level c has n^c rows, A_c(2) c! c_in columns in, A_c(2) c_out out."""
    report = optimized("n n -> n n").report()
    n, c_in, c_out = (sympy.Symbol(s, positive=True, integer=True) for s in ("n", "c_in", "c_out"))
    expected = sum(n**c * marked_partitions(2, c) ** 2 * sympy.factorial(c) * c_in * c_out for c in range(3))
    assert sympy.expand(report.multiplications - expected) == 0
    assert str(report.operators) in str(report) and "c_in*c_out*n**2" in str(report)


def test_index_sets_may_be_called_like_channels() -> None:
    """The polynomials keep the two apart, whatever the index set is called."""
    plain = optimized("n -> n n").report()
    odd = optimized("c_in -> c_in c_in").report()
    n, c_in = sympy.symbols("n c_in", positive=True, integer=True)
    free = sympy.Symbol("c_in_", positive=True, integer=True)
    renamed = plain.multiplications.subs({n: c_in, c_in: free}, simultaneous=True)
    assert sympy.expand(odd.multiplications - renamed) == 0 and free in odd.reads.free_symbols


def test_steps_counts_before_anything_is_planned() -> None:
    """The bound that refuses absurd signatures is the number of steps of the shared plan."""
    for spec in SPECS:
        shared = share_broadcasts(share_contractions(lower(symeq.basis(spec, kind="diagram"))))
        contractions = {map_ for map_ in shared.contractions().values() if used(map_, shared)}
        broadcasts = {map_ for map_ in shared.broadcast_maps().values() if fed(map_, shared)}
        assert steps(shared.signature) == len(contractions) + len(broadcasts)


def used(map_: AxisMap, plan: Plan) -> bool:
    """Whether a product reads the contraction."""
    maps = plan.contractions()
    return any(maps[source] == map_ for mix in plan.mixes for source, _ in mix.sources)


def fed(map_: AxisMap, plan: Plan) -> bool:
    """Whether a product adds to the broadcast."""
    maps = plan.broadcast_maps()
    return any(maps[target] == map_ for mix in plan.mixes for target, _ in mix.targets)


@pytest.mark.parametrize(("spec", "count"), [((20, 20), sympy.bell(40)), ((9, 0), sympy.bell(9) + 1)])
def test_absurd_orders_say_how_many_before_doing_anything(spec: tuple[int, int], count: int) -> None:
    """Too many operators, or too many lines, is an error with the number in it."""
    with pytest.raises(TooLargeError) as caught:
        optimized(spec)
    assert str(count) in str(caught.value)


def test_maps_compose() -> None:
    """``then`` is contracting twice, and ``after`` finds the second step."""
    first, second = AxisMap((0, 1, 0), (0, 1)), AxisMap((0, 0), (0,))
    assert first.then(second) == AxisMap((0, 0, 0), (0,))
    assert first.then(second).after(first) == second
    assert first.dropped == () and AxisMap((0, 1), (1,)).dropped == (0,)
