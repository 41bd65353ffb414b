"""OperatorBasis -> Plan, one contraction, one product and one broadcast per operator."""

from __future__ import annotations

from symeq.bases.operators import OperatorBasis
from symeq.combinatorics.partitions import restricted_growth_strings
from symeq.plans.ir import AxisMap, Broadcast, Contract, Mix, Permutation, Plan
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
        mixes.append(Mix((source,), ((slot + 1, permutation),), ((slot,),)))
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
