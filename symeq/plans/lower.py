"""OperatorBasis -> Plan: operator by operator, or gathered by level without listing the operators."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from symeq.bases.operators import OperatorBasis
from symeq.combinatorics.partitions import restricted_growth_strings
from symeq.plans.ir import AxisMap, Broadcast, Contract, Mix, Permutation, Plan, axis_sets
from symeq.signature import Signature


def lower(basis: OperatorBasis) -> Plan:
    """The plan that evaluates the diagram operator of every slot on its own: obvious and slow.

    Both kinds of basis have the same slots; weights of the orbit basis become weights of the
    diagram basis before they are used, so one plan serves both.
    """
    signature = basis.signature
    strings = restricted_growth_strings(signature.positions).tolist()
    identities = {c: tuple(range(c)) for c in range(len(signature.positions) + 1)}
    contracts, mixes, broadcasts = [], [], []
    for slot, rgs in enumerate(strings):
        contraction, permutation, broadcast = factor(tuple(rgs), signature)
        contracts.append(Contract(slot + 1, 0, contraction))
        source = (slot + 1, identities[len(permutation)])
        mixes.append(Mix((source,), ((slot + 1, permutation),)))
        broadcasts.append(Broadcast(slot + 1, 0, broadcast))
    bias = []
    for at, rgs in enumerate(restricted_growth_strings(signature.outputs).tolist(), len(strings) + 1):
        broadcasts.append(Broadcast(at, 0, AxisMap(tuple(rgs), ())))
        bias.append(at)
    return Plan(signature, tuple(contracts), tuple(mixes), tuple(broadcasts), tuple(bias))


def factor(rgs: tuple[int, ...], signature: Signature) -> tuple[AxisMap, Permutation, AxisMap]:
    """The contraction, the permutation of propagating blocks, and the broadcast of a diagram.

    Kept axes are ordered by index set, then by first position, on either side.

    >>> c, p, b = factor((0, 1, 1, 0), Signature.parse("n n -> n n"))
    >>> print(c, p, b)
    [0] [1] (1, 0) [0] [1]
    """
    k = signature.order_in
    inputs, outputs = rgs[:k], rgs[k:]
    labels: dict[int, int] = {}
    out_blocks = tuple(labels.setdefault(block, len(labels)) for block in outputs)
    propagating = set(inputs) & set(outputs)
    order = {name: at for at, name in enumerate(signature.index_sets)}

    def ordered(side: tuple[int, ...], sets: tuple[str, ...]) -> list[int]:
        first = {block: (order[sets[side.index(block)]], side.index(block)) for block in propagating}
        return sorted(propagating, key=first.__getitem__)

    kept_in = ordered(inputs, signature.inputs)
    kept_out = ordered(outputs, signature.outputs)
    permutation = tuple(kept_in.index(block) for block in kept_out)
    return (
        AxisMap(inputs, tuple(kept_in)),
        permutation,
        AxisMap(out_blocks, tuple(labels[block] for block in kept_out)),
    )


def gather(signature: Signature) -> Plan:
    """The plan that lowering, sharing and merging give, made without listing the operators.

    The operators of a level are all triples of a contraction, a permutation of the propagating
    blocks within their index sets, and a broadcast: the contractions and broadcasts number A(k)
    and A(k'), where the operators number Bell(k + k').
    """
    inputs = _marked(signature.inputs, Counter(signature.outputs), signature)
    outputs = _marked(signature.outputs, Counter(signature.inputs), signature)
    sources, targets = number_maps(inputs), number_maps(outputs)
    contracts = tuple(Contract(at, 0, map_) for map_, at in sources.items())
    broadcasts = tuple(Broadcast(at, 0, map_) for map_, at in targets.items())
    sources[AxisMap.identity(signature.order_in)] = targets[AxisMap.identity(signature.order_out)] = 0
    by_level: dict[tuple[str, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, (maps, sets) in enumerate([(inputs, signature.inputs), (outputs, signature.outputs)]):
        number = (sources, targets)[side]
        for map_ in maps:
            by_level[axis_sets(map_, sets)][side].append(number[map_])
    mixes = tuple(
        level_mix(sorted(by_level[level][0]), list(_permutations(level)), sorted(by_level[level][1]))
        for level in sorted(by_level, key=level_order)
    )
    strings = restricted_growth_strings(signature.outputs).tolist()
    bias = tuple(targets[AxisMap(tuple(rgs), ())] for rgs in strings)
    return Plan(
        signature,
        tuple(step for step in contracts if step.map != AxisMap.identity(signature.order_in)),
        mixes,
        tuple(move for move in broadcasts if move.map != AxisMap.identity(signature.order_out)),
        bias,
    )


def number_maps(maps: Iterable[AxisMap]) -> dict[AxisMap, int]:
    """The maps numbered from 1 in their order."""
    return {map_: at for at, map_ in enumerate(sorted(set(maps)), 1)}


def level_order(level: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """The key that sorts levels: most propagating blocks first."""
    return -len(level), level


def level_mix(sources: Sequence[int], permutations: Sequence[Permutation], targets: Sequence[int]) -> Mix:
    """The product of a level, between every source and every target in every permutation.

    The permutations go to the side with fewer tensors: as many copies of its tensors are made as
    there are permutations.
    """
    return permuted_mix(sources, permutations, targets, at_inputs=len(sources) < len(targets))


def permuted_mix(
    sources: Sequence[int], permutations: Sequence[Permutation], targets: Sequence[int], *, at_inputs: bool
) -> Mix:
    """The product of a level with the permutations at one side; either has the same slots."""
    identity = tuple(range(len(permutations[0])))
    if at_inputs:
        return Mix(
            tuple(itertools.product(sources, permutations)), tuple((target, identity) for target in targets)
        )
    return Mix(
        tuple((source, identity) for source in sources),
        tuple((target, p) for p, target in itertools.product(permutations, targets)),
    )


def _marked(sets: tuple[str, ...], most: Counter[str], signature: Signature) -> list[AxisMap]:
    """Every set partition of axes with every choice of blocks that propagate, ``most`` per index set."""
    found = []
    for rgs in restricted_growth_strings(sets).tolist():
        blocks = list(dict.fromkeys(zip(rgs, sets, strict=True)))
        # Per index set: of all subsets of many index sets' blocks, few may propagate.
        choices = []
        for name in signature.index_sets:
            own = [block for block, owner in blocks if owner == name]
            sizes = range(min(len(own), most[name]) + 1)
            choices.append([kept for size in sizes for kept in itertools.combinations(own, size)])
        for parts in itertools.product(*choices):
            found.append(AxisMap(tuple(rgs), tuple(itertools.chain.from_iterable(parts))))
    return found


def _permutations(level: tuple[str, ...]) -> Iterator[Permutation]:
    """The permutations of the axes of a level that keep each axis in its index set, in order."""
    groups = [[axis for axis, name in enumerate(level) if name == group] for group in dict.fromkeys(level)]
    for parts in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield tuple(itertools.chain.from_iterable(parts))
