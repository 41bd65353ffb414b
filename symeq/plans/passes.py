"""Plan -> Plan: the same operator with less work. Every pass keeps type, slots and meaning.

``share_contractions`` and ``share_broadcasts`` do equal steps once, ``merge_mixes`` leaves one
matrix product per level, ``chain_contractions`` computes each contraction from the cheapest one
already there, and ``chain_broadcasts`` is the same on the adjoint: small results are added into
larger ones, so that each full-size tensor is touched once per axis and not once per operator.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

from symeq.plans.ir import AxisMap, Broadcast, Contract, Mix, Permutation, Plan, axis_sets
from symeq.plans.lower import level_mix, level_order, number_maps
from symeq.signature import Signature


def optimize(plan: Plan) -> Plan:
    """All passes, in the order in which each finds what it needs."""
    for step in (share_contractions, share_broadcasts, merge_mixes, chain_contractions, chain_broadcasts):
        plan = step(plan)
    return plan


def share_contractions(plan: Plan) -> Plan:
    """Equal contractions of the input are done once; the input itself is contraction 0."""
    maps = plan.contractions()
    identity = AxisMap.identity(plan.signature.order_in)
    number = number_maps(maps[source] for mix in plan.mixes for source, _ in mix.sources)
    number[identity] = 0
    contracts = tuple(Contract(at, 0, map_) for map_, at in number.items() if at)
    mixes = tuple(
        Mix(tuple((number[maps[source]], p) for source, p in mix.sources), mix.targets) for mix in plan.mixes
    )
    return Plan(plan.signature, contracts, mixes, plan.broadcasts, plan.bias)


def share_broadcasts(plan: Plan) -> Plan:
    """Equal broadcasts to the output are done once; the output itself is broadcast 0."""
    maps = plan.broadcast_maps()
    identity = AxisMap.identity(plan.signature.order_out)
    used = [target for mix in plan.mixes for target, _ in mix.targets] + list(plan.bias)
    number = number_maps(maps[target] for target in used)
    number[identity] = 0
    mixes = tuple(
        Mix(mix.sources, tuple((number[maps[target]], p) for target, p in mix.targets)) for mix in plan.mixes
    )
    broadcasts = tuple(Broadcast(at, 0, map_) for map_, at in number.items() if at)
    bias = tuple(number[maps[target]] for target in plan.bias)
    return Plan(plan.signature, plan.contracts, mixes, broadcasts, bias)


def merge_mixes(plan: Plan) -> Plan:
    """One matrix product per level, that is, per number of propagating blocks of each index set."""
    inputs = plan.contractions()
    levels: dict[tuple[str, ...], set[tuple[int, Permutation, int]]] = defaultdict(set)
    for mix in plan.mixes:
        for (source, before), (target, after) in itertools.product(mix.sources, mix.targets):
            # Mixing channels commutes with permuting index axes.
            permutation = tuple(before[axis] for axis in after)
            levels[axis_sets(inputs[source], plan.signature.inputs)].add((source, permutation, target))
    mixes = []
    for level in sorted(levels, key=level_order):
        sources, permutations, targets = (sorted(set(side)) for side in zip(*levels[level], strict=True))
        # One product computes all pairs, so all must be wanted: every layer has every operator.
        assert len(levels[level]) == len(sources) * len(permutations) * len(targets), level
        mixes.append(level_mix(sources, permutations, targets))
    return Plan(plan.signature, plan.contracts, tuple(mixes), plan.broadcasts, plan.bias)


def chain_contractions(plan: Plan, largest_first: tuple[str, ...] = ()) -> Plan:
    """Each contraction is computed from the cheapest one already there; some are added for that.

    Cheap is what reads few index axes, and among them few of index sets that are named early.
    """
    maps = plan.contractions()
    used = {source for mix in plan.mixes for source, _ in mix.sources}
    ranks = axis_ranks(plan.signature.inputs, plan.signature)
    steps = _chain({maps[at] for at in used}, ranks, _weights(plan.signature.inputs, largest_first))
    steps = _share_views(steps, ranks)
    number = {map_: at for at, map_ in enumerate(steps, 1)}
    number[AxisMap.identity(plan.signature.order_in)] = 0
    contracts = tuple(
        Contract(number[map_], number[parent], map_.after(parent)) for map_, parent in steps.items()
    )
    mixes = tuple(
        Mix(tuple((number[maps[source]], p) for source, p in mix.sources), mix.targets) for mix in plan.mixes
    )
    return Plan(plan.signature, contracts, mixes, plan.broadcasts, plan.bias)


def chain_broadcasts(plan: Plan, largest_first: tuple[str, ...] = ()) -> Plan:
    """Each broadcast is added into the smallest tensor that leads on to the output."""
    maps = plan.broadcast_maps()
    used = {target for mix in plan.mixes for target, _ in mix.targets} | set(plan.bias)
    ranks = axis_ranks(plan.signature.outputs, plan.signature)
    steps = _chain({maps[at] for at in used}, ranks, _weights(plan.signature.outputs, largest_first))
    if not plan.signature.order_in:  # every view has a number that covers it
        steps = _share_views(steps, ranks)
    number = {map_: at for at, map_ in enumerate(steps, 1)}
    number[AxisMap.identity(plan.signature.order_out)] = 0
    mixes = tuple(
        Mix(mix.sources, tuple((number[maps[target]], p) for target, p in mix.targets)) for mix in plan.mixes
    )
    # Small to large: a tensor is complete before it is added into the next.
    broadcasts = tuple(
        Broadcast(number[map_], number[parent], map_.after(parent))
        for map_, parent in reversed(steps.items())
    )
    bias = tuple(number[maps[target]] for target in plan.bias)
    return Plan(plan.signature, plan.contracts, mixes, broadcasts, bias)


def axis_ranks(sets: tuple[str, ...], signature: Signature) -> tuple[int, ...]:
    """For each axis, the place of its index set: kept axes are ordered by it, then by position."""
    return tuple(signature.index_sets.index(name) for name in sets)


def _weights(sets: tuple[str, ...], largest_first: tuple[str, ...]) -> tuple[int, ...]:
    """For each axis a number: one axis of an index set counts for more than all axes of those named later."""
    place = {name: at for at, name in enumerate(reversed(largest_first))}
    return tuple((len(sets) + 1) ** place[name] if place else 0 for name in sets)


def _chain(wanted: set[AxisMap], ranks: tuple[int, ...], weights: tuple[int, ...]) -> dict[AxisMap, AxisMap]:
    """For each wanted map, and each added on the way, its parent; larger tensors come first.

    A map that drops nothing is a view of the top. Any other is a sum over one block of a tensor
    with one axis more, or, where it has merged axes, a diagonal of one with the same blocks
    dropped. A map that nobody wants stays only if at least two sums are computed from it: one sum
    reads as much without it, and a diagonal reads less.
    """
    top = AxisMap.identity(len(ranks))
    parents: dict[AxisMap, AxisMap] = {}
    pending = sorted(wanted - {top})
    while pending:
        map_ = pending.pop()
        if map_ != top and map_ not in parents:
            parents[map_] = _first_parent(map_, wanted, ranks, weights)
            pending.append(parents[map_])
    while True:
        parents = {
            map_: min((*_present(map_, parents, ranks), parent, top), key=lambda p: _cost(map_, p, weights))
            for map_, parent in parents.items()
        }
        sums = Counter(parent for map_, parent in parents.items() if map_.after(parent).dropped)
        needless = {map_ for map_ in parents if map_ not in wanted and sums[map_] < 2}
        if not needless:
            return _largest_first(parents)
        parents = _without(needless, parents)


def _share_views(parents: dict[AxisMap, AxisMap], ranks: tuple[int, ...]) -> dict[AxisMap, AxisMap]:
    """The same with axes identified pair by pair, where several maps have the first pairs in common.

    The views cost nothing, and the gradient of each is added up at its own size, where otherwise
    every map would add to the gradient of the larger tensor.
    """
    shared = dict(parents)
    for map_, parent in parents.items():
        child, blocks = map_, list(map_.after(parent).blocks)
        for axis in reversed([axis for axis, block in enumerate(blocks) if block in blocks[:axis]]):
            view = parent.then(AxisMap(tuple(blocks), tuple(dict.fromkeys(blocks))))
            view = canonical(view.blocks, view.kept, ranks)
            blocks[axis] = max(blocks) + 1
            if view == map_:
                continue
            shared[child], child = view, view
            if view in shared:
                break
        else:
            shared[child] = parent
    while True:
        children = Counter(shared.values())
        needless = {map_ for map_ in shared if map_ not in parents and children[map_] < 2}
        if not needless:
            return _largest_first(shared)
        shared = _without(needless, shared)


def _largest_first(parents: dict[AxisMap, AxisMap]) -> dict[AxisMap, AxisMap]:
    return {map_: parents[map_] for map_ in sorted(parents, key=lambda m: (-len(m.kept), m))}


def _without(needless: set[AxisMap], parents: dict[AxisMap, AxisMap]) -> dict[AxisMap, AxisMap]:
    """The other maps, each with the nearest parent that is left."""
    kept = {map_: parent for map_, parent in parents.items() if map_ not in needless}
    for map_, parent in kept.items():
        while parent in needless:
            parent = parents[parent]
        kept[map_] = parent
    return kept


def _first_parent(
    map_: AxisMap, wanted: set[AxisMap], ranks: tuple[int, ...], weights: tuple[int, ...]
) -> AxisMap:
    if not map_.dropped:
        return AxisMap.identity(len(ranks))
    view = next((p for p in _views(map_, ranks) if p in wanted), None)
    return view or min(_sums(map_, ranks), key=lambda p: _cost(map_, p, weights))


def _present(map_: AxisMap, parents: dict[AxisMap, AxisMap], ranks: tuple[int, ...]) -> Iterator[AxisMap]:
    return (p for p in itertools.chain(_views(map_, ranks), _sums(map_, ranks)) if p in parents)


def _cost(map_: AxisMap, parent: AxisMap, weights: tuple[int, ...]) -> tuple[int, int]:
    """The number of index axes that are read, and their weights; a view reads nothing."""
    step = map_.after(parent)
    if not step.dropped:
        return 0, 0
    read = (parent.kept[step.axes(block)[0]] for block in range(step.block_count))
    return step.block_count, sum(weights[parent.axes(block)[0]] for block in read)


def _views(map_: AxisMap, ranks: tuple[int, ...]) -> Iterator[AxisMap]:
    """The maps that ``map_`` is a diagonal of, with the last axis of one kept block set apart."""
    for block in map_.kept:
        axes = map_.axes(block)
        if len(axes) > 1:
            apart = list(map_.blocks)
            apart[axes[-1]] = map_.block_count
            yield canonical(tuple(apart), (*map_.kept, map_.block_count), ranks)


def _sums(map_: AxisMap, ranks: tuple[int, ...]) -> Iterator[AxisMap]:
    """The maps that ``map_`` is a sum of over one block."""
    for block in map_.dropped:
        yield canonical(map_.blocks, (*map_.kept, block), ranks)


def canonical(blocks: tuple[int, ...], kept: tuple[int, ...], ranks: tuple[int, ...]) -> AxisMap:
    """Blocks numbered by first appearance, kept axes by index set and first position."""
    labels: dict[int, int] = {}
    numbered = tuple(labels.setdefault(block, len(labels)) for block in blocks)
    order = sorted((ranks[blocks.index(block)], blocks.index(block), labels[block]) for block in kept)
    return AxisMap(numbered, tuple(label for _, _, label in order))
