"""Plan -> Plan: channels mixed where the input or the output is, and not at the propagating blocks.

A product before a sum over n, or after a copy along n, takes n times as many multiply-adds. But with far
fewer channels out than in, one product reads the input once for all sums of it, and what is summed is small;
with far fewer in than out, tensors that are copied before they are mixed are small, and the output is written
once, by the product. Slots and meaning stay.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal, TypeAlias

from symeq.plans.ir import COPIED, Broadcast, Contract, Mix, Permutation, Plan, axis_sets
from symeq.plans.lower import level_order
from symeq.plans.passes import axis_ranks, canonical, chain_broadcasts, chain_contractions

Mixing: TypeAlias = Literal["levels", "inputs", "outputs"]

MOST_PIECES = 1000
"""Of so many operators at most channels are mixed elsewhere, where each is a piece of a product."""

_Member: TypeAlias = tuple[int, Permutation]


def mixings(plan: Plan) -> tuple[Mixing, ...]:
    """Where the channels of a layer can be mixed: at the levels, and elsewhere where that is something else.

    >>> from symeq.pipeline import plan
    >>> mixings(plan("n n -> n n")), mixings(plan("n -> n")), mixings(plan("n -> n n"))
    (('levels', 'inputs', 'outputs'), ('levels', 'inputs'), ('levels', 'inputs', 'outputs'))
    """
    found: list[Mixing] = ["levels"]
    if sum(len(mix.sources) * len(mix.targets) for mix in plan.mixes) <= MOST_PIECES:
        inputs, outputs = plan.contractions(), plan.broadcast_maps()
        if any(inputs[source].dropped for mix in plan.mixes for source, _ in mix.sources):
            found.append("inputs")
        if any(outputs[target].dropped for mix in plan.mixes if mix.level for target, _ in mix.targets):
            found.append("outputs")
    return tuple(found)


def mix_at(plan: Plan, where: Mixing, largest_first: tuple[str, ...] = ()) -> Plan:
    """The plan with its channels mixed there; ``largest_first`` as in ``chain_contractions``."""
    if where == "levels":
        return plan
    moved = _at_inputs(plan) if where == "inputs" else _at_outputs(plan)
    return chain_broadcasts(chain_contractions(moved, largest_first), largest_first)


def _at_inputs(plan: Plan) -> Plan:
    """Diagonals of the input are multiplied, and sums are of the products."""
    ranks = axis_ranks(plan.signature.inputs, plan.signature)
    maps = plan.contractions()
    number = {map_: at for at, map_ in maps.items()}
    members = []
    for source, before, target, after in _pairs(plan.mixes):
        whole = canonical(maps[source].blocks, tuple(range(maps[source].block_count)), ranks)
        place = [whole.kept.index(block) for block in maps[source].kept]
        at = number.setdefault(whole, len(number))
        sets = axis_sets(whole, plan.signature.inputs)
        identity = tuple(range(len(sets)))
        members.append((sets, (at, identity), (target, tuple(place[before[axis]] for axis in after))))
    contracts = tuple(Contract(at, 0, map_) for map_, at in number.items() if at)
    return replace(plan, contracts=contracts, mixes=_products(members))


def _at_outputs(plan: Plan) -> Plan:
    """Contractions are copied along the axes of diagonals of the output, and multiplied there.

    But not those without propagating blocks: the bias is added to their products, before these are copied.
    """
    ranks = axis_ranks(plan.signature.outputs, plan.signature)
    maps = plan.broadcast_maps()
    number = {map_: at for at, map_ in maps.items()}
    members = []
    for source, before, target, after in _pairs(mix for mix in plan.mixes if mix.level):
        kept = maps[target].kept
        whole = canonical(maps[target].blocks, tuple(range(maps[target].block_count)), ranks)
        at = number.setdefault(whole, len(number))
        sets = axis_sets(whole, plan.signature.outputs)
        copied = tuple(before[after[kept.index(b)]] if b in kept else COPIED for b in whole.kept)
        members.append((sets, (source, copied), (at, tuple(range(len(sets))))))
    broadcasts = tuple(Broadcast(at, 0, map_) for map_, at in number.items() if at)
    lowest = tuple(mix for mix in plan.mixes if not mix.level)
    return replace(plan, mixes=(*_products(members), *lowest), broadcasts=broadcasts)


def _pairs(mixes: Iterable[Mix]) -> Iterator[tuple[int, Permutation, int, Permutation]]:
    """Every operator: a source and a target, and the permutations of both."""
    for mix in mixes:
        for (source, before), (target, after) in itertools.product(mix.sources, mix.targets):
            yield source, before, target, after


def _products(members: list[tuple[tuple[str, ...], _Member, _Member]]) -> tuple[Mix, ...]:
    """One product for each number of axes of each index set, the largest first."""
    levels: dict[tuple[str, ...], set[tuple[_Member, _Member]]] = defaultdict(set)
    for sets, source, target in members:
        levels[sets].add((source, target))
    mixes = []
    for sets in sorted(levels, key=level_order):
        sources, targets = (tuple(sorted(set(side))) for side in zip(*levels[sets], strict=True))
        # One product computes all pairs, so all must be wanted: every layer has every operator.
        assert len(levels[sets]) == len(sources) * len(targets), sets
        mixes.append(Mix(sources, targets))
    return tuple(mixes)
