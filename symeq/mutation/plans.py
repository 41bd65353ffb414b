"""Faults in a plan: steps on the wrong axes, in the wrong order, from the wrong parents, lost or doubled.

The changed plan is printed and placed as any other, but with the slots of the right one: every product still
believes that its tensors are what they should be.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from symeq.emit.printer import view
from symeq.emit.render import render
from symeq.errors import InvalidPartitionError
from symeq.mutation.faults import FAULTS, Change, Fault, Original
from symeq.mutation.kinds import usual
from symeq.mutation.mutants import find_witness
from symeq.pipeline import plan as plan_of
from symeq.plans.ir import AxisMap, Broadcast, Contract, Mix, Plan, axis_sets
from symeq.signature import EmitOptions, Signature


@dataclass(frozen=True, slots=True)
class _Faulty(Plan):
    """A plan whose products have the weights of the right one."""

    right: Plan

    def slots(self, mix: Mix) -> npt.NDArray[np.int64]:
        """The slots of the product in the same place."""
        return self.right.slots(self.right.mixes[self.mixes.index(mix)])


Places: TypeAlias = Callable[[Plan], Iterator[tuple[str, Plan]]]


def _plan_fault(places: Places) -> Places:
    """Registers a function that lists changed plans as a class of faults.

    Of the places of a plan, those taken are the first and the last at which the change makes a difference.
    """

    def touches(signature: Signature) -> bool:
        right = plan_of(signature)
        return any(_printed(right, changed, EmitOptions()) for _, changed in places(right))

    def build(original: Original) -> Iterator[Change]:
        found = list(places(plan_of(original.signature)))
        first = next(_different(original, found), None)
        if first is not None:
            yield first
            last = next(_different(original, found[::-1]), first)
            if last.description != first.description:
                yield last

    FAULTS.append(Fault(f"plan: {places.__name__.replace('_', ' ')}", touches, build, large=True))
    return places


def _printed(right: Plan, changed: Plan, options: EmitOptions) -> str:
    """The module of the changed plan with the slots of the right one; empty where it cannot be printed."""
    steps = (changed.contracts, changed.mixes, changed.broadcasts, changed.bias)
    try:
        printed = view(_Faulty(right.signature, *steps, right=right), options)
    except (AssertionError, InvalidPartitionError):
        return ""  # the printer has no words for it: no file could have this fault
    return render(replace(printed, levels=view(right, options).levels)).text


def _different(original: Original, places: Sequence[tuple[str, Plan]]) -> Iterator[Change]:
    """The changes that make a difference; many do not, as a sum over two axes in either order."""
    for description, changed in places:
        text = _printed(plan_of(original.signature), changed, EmitOptions(original.layout))
        if text and find_witness(text, usual(original), original.signature, original.layout) is not None:
            yield Change(description, text, usual(original))


def _contracts(plan: Plan, change: Callable[[Contract], Iterator[Contract]]) -> Iterator[tuple[str, Plan]]:
    """The plans with one contraction changed."""
    for at, step in enumerate(plan.contracts):
        for other in change(step):
            contracts = (*plan.contracts[:at], other, *plan.contracts[at + 1 :])
            yield f"{_told(step)} as {_told(other)}", replace(plan, contracts=contracts)


def _broadcasts(plan: Plan, change: Callable[[Broadcast], Iterator[Broadcast]]) -> Iterator[tuple[str, Plan]]:
    """The plans with one broadcast changed."""
    for at, step in enumerate(plan.broadcasts):
        for other in change(step):
            broadcasts = (*plan.broadcasts[:at], other, *plan.broadcasts[at + 1 :])
            yield f"{_told(step)} as {_told(other)}", replace(plan, broadcasts=broadcasts)


def _told(step: Contract | Broadcast) -> str:
    return f"{type(step).__name__.lower()} {step.source} to {step.target} by {step.map}"


def _sets(plan: Plan, step: Contract | Broadcast) -> tuple[str, ...]:
    """The index sets of the axes of the larger tensor of a step."""
    if isinstance(step, Contract):
        return axis_sets(plan.contractions()[step.source], plan.signature.inputs)
    return axis_sets(plan.broadcast_maps()[step.target], plan.signature.outputs)


def _exchanged(map_: AxisMap, sets: tuple[str, ...]) -> Iterator[AxisMap]:
    """The maps that keep a block of an index set that was to be dropped, and drop one that was to be kept."""
    for kept, dropped in itertools.product(map_.kept, map_.dropped):
        if sets[map_.axes(kept)[0]] == sets[map_.axes(dropped)[0]]:
            yield AxisMap(map_.blocks, tuple(dropped if block == kept else block for block in map_.kept))


@_plan_fault
def sum_over_the_wrong_axis(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A contraction keeps the axis that it should sum."""
    return _contracts(plan, lambda s: (replace(s, map=m) for m in _exchanged(s.map, _sets(plan, s))))


@_plan_fault
def broadcast_along_the_wrong_axis(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A broadcast copies along the axis that it should fill."""
    return _broadcasts(plan, lambda s: (replace(s, map=m) for m in _exchanged(s.map, _sets(plan, s))))


def _parted(map_: AxisMap) -> Iterator[AxisMap]:
    """The maps with the last axis of a block in a dropped block of its own."""
    for block in range(map_.block_count):
        axes = map_.axes(block)
        if len(axes) > 1:
            blocks = list(map_.blocks)
            blocks[axes[-1]] = map_.block_count
            yield _numbered(tuple(blocks), map_.kept)


def _joined(map_: AxisMap, sets: tuple[str, ...]) -> Iterator[AxisMap]:
    """The maps with a dropped block joined to another of its index set: a diagonal for a sum."""
    for dropped, other in itertools.product(map_.dropped, range(map_.block_count)):
        if dropped != other and sets[map_.axes(dropped)[0]] == sets[map_.axes(other)[0]]:
            yield _numbered(tuple(other if b == dropped else b for b in map_.blocks), map_.kept)


def _numbered(blocks: tuple[int, ...], kept: tuple[int, ...]) -> AxisMap:
    labels: dict[int, int] = {}
    numbered = tuple(labels.setdefault(block, len(labels)) for block in blocks)
    return AxisMap(numbered, tuple(labels[block] for block in kept))


@_plan_fault
def diagonal_missed(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A contraction sums an axis that it should identify with another."""
    return _contracts(plan, lambda s: (replace(s, map=m) for m in _parted(s.map)))


@_plan_fault
def diagonal_for_a_sum(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A contraction identifies an axis that it should sum with another."""
    return _contracts(plan, lambda s: (replace(s, map=m) for m in _joined(s.map, _sets(plan, s))))


@_plan_fault
def broadcast_beside_the_diagonal(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A broadcast fills rows where it should fill a diagonal."""
    return _broadcasts(plan, lambda s: (replace(s, map=m) for m in _parted(s.map)))


@_plan_fault
def broadcast_onto_a_diagonal_only(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A broadcast fills a diagonal where it should copy along an axis."""
    return _broadcasts(plan, lambda s: (replace(s, map=m) for m in _joined(s.map, _sets(plan, s))))


@_plan_fault
def axes_of_a_contraction_exchanged(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A contraction has the axes that it keeps in another order."""
    return _contracts(plan, lambda s: (replace(s, map=m) for m in _reversed(s.map, _sets(plan, s))))


@_plan_fault
def axes_of_a_broadcast_exchanged(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A broadcast takes the axes of what it adds in another order."""
    return _broadcasts(plan, lambda s: (replace(s, map=m) for m in _reversed(s.map, _sets(plan, s))))


def _reversed(map_: AxisMap, sets: tuple[str, ...]) -> Iterator[AxisMap]:
    if len({sets[map_.axes(block)[0]] for block in map_.kept}) < len(map_.kept):
        yield AxisMap(map_.blocks, map_.kept[::-1])


@_plan_fault
def contraction_of_another(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A contraction starts at a wrong tensor, with as many axes as the right one."""
    maps = plan.contractions()
    sets = {at: axis_sets(map_, plan.signature.inputs) for at, map_ in maps.items()}

    def change(step: Contract) -> Iterator[Contract]:
        for source in maps:
            if source != step.source and source < step.target and sets[source] == sets[step.source]:
                yield replace(step, source=source)

    return _contracts(plan, change)


@_plan_fault
def broadcast_into_another(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A broadcast is added to a wrong tensor, with as many axes as the right one."""
    maps = plan.broadcast_maps()
    sets = {at: axis_sets(map_, plan.signature.outputs) for at, map_ in maps.items()}

    def change(step: Broadcast) -> Iterator[Broadcast]:
        for target in maps:
            if target not in (step.target, step.source) and sets[target] == sets[step.target]:
                yield replace(step, target=target)

    return _broadcasts(plan, change)


@_plan_fault
def broadcast_doubled(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """A term is added twice."""
    for at, step in enumerate(plan.broadcasts):
        yield _told(step), replace(plan, broadcasts=(*plan.broadcasts[:at], step, *plan.broadcasts[at:]))


def _mixes(plan: Plan, change: Callable[[Mix], Iterator[tuple[str, Mix]]]) -> Iterator[tuple[str, Plan]]:
    for at, mix in enumerate(plan.mixes):
        for told, other in change(mix):
            yield told, replace(plan, mixes=(*plan.mixes[:at], other, *plan.mixes[at + 1 :]))


@_plan_fault
def contraction_mixed_for_another(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Two contractions of a level are exchanged where they meet their weights."""

    def change(mix: Mix) -> Iterator[tuple[str, Mix]]:
        numbers = list(dict.fromkeys(at for at, _ in mix.sources))
        for a, b in itertools.combinations(numbers, 2):
            swap = {a: b, b: a}
            sources = tuple((swap.get(at, at), p) for at, p in mix.sources)
            yield f"contractions {a} and {b}", replace(mix, sources=sources)

    return _mixes(plan, change)


@_plan_fault
def product_sent_to_another_broadcast(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Two broadcasts of a level are exchanged where they come from their weights."""

    def change(mix: Mix) -> Iterator[tuple[str, Mix]]:
        numbers = list(dict.fromkeys(at for at, _ in mix.targets))
        for a, b in itertools.combinations(numbers, 2):
            swap = {a: b, b: a}
            targets = tuple((swap.get(at, at), p) for at, p in mix.targets)
            yield f"broadcasts {a} and {b}", replace(mix, targets=targets)

    return _mixes(plan, change)
