"""What a layer must compute, from its definition: formal sums over all slots.

With normalization "sum" the operator of a weight slot is the diagram or orbit operator itself; otherwise each
of its blocks that hold inputs only brings a factor 1/n ("mean") or 1/sqrt(n) ("sqrt"). An orbit operator is
the sum of Moebius function times diagram operator over the coarser set partitions (Benkart and Halverson
2017, arXiv:1707.01410). The gradients are those of this sum: of x its transpose, of a weight the pairing of
input and cotangent under its operator.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import factorial, prod

from symeq.combinatorics.partitions import renumber, restricted_growth_strings
from symeq.interpretation.forms import Combination, Form, Monomial, Number, Parameter, Skeleton, power_product
from symeq.interpretation.values import Setting, divisor_symbol
from symeq.signature import BasisKind, Normalization

EXPONENT: dict[Normalization, int] = {"sum": 0, "mean": -2, "sqrt": -1}
"""The power of n, in halves, of each block that holds inputs only."""


@dataclass(frozen=True)
class Meaning:
    """The forms of y at an output index tuple, and of the gradients of x and of each slot."""

    y: Form
    x: Form
    weight: tuple[Form, ...]
    bias: tuple[Form, ...]


def meaning(setting: Setting, basis: BasisKind, normalization: Normalization, bias: bool) -> Meaning:
    """What a layer with these options computes."""
    signature = setting.signature
    k = signature.order_in
    # For each diagram operator, the combination of weights that it is multiplied with.
    y: dict[Skeleton, dict[tuple[Parameter, Monomial], Number]] = defaultdict(dict)
    back: dict[Skeleton, dict[tuple[Parameter, Monomial], Number]] = defaultdict(dict)
    weights: list[Form] = []
    every = frozenset(range(setting.batch_rank))
    for slot, rgs in enumerate(restricted_growth_strings(signature.positions).tolist()):
        factor = _factor(setting, tuple(rgs), normalization)
        pairing: dict[Skeleton, Combination] = {}
        for coarser, sign in _diagrams(tuple(rgs), signature.positions, basis):
            mask = _masked(coarser, signature.positions, setting)
            key: tuple[Parameter, Monomial] = (("weight", slot), factor)
            y[Skeleton(True, False, coarser, mask, frozenset({"in"}))][key] = sign
            turned = renumber(coarser[k:] + coarser[:k])
            mask_turned = _masked(turned, signature.outputs + signature.inputs, setting)
            back[Skeleton(False, True, turned, mask_turned, frozenset({"out"}))][key] = sign
            pairing[Skeleton(True, True, coarser, mask, every)] = {(None, factor): sign}
        weights.append(pairing)
    biases: list[Form] = []
    for slot, rgs in enumerate(restricted_growth_strings(signature.outputs).tolist() if bias else []):
        paired: dict[Skeleton, Combination] = {}
        for coarser, sign in _diagrams(tuple(rgs), signature.outputs, basis):
            mask = _masked(coarser, signature.outputs, setting)
            y[Skeleton(False, False, coarser, mask, frozenset())][("bias", slot), ()] = sign
            paired[Skeleton(False, True, coarser, mask, every)] = {(None, ()): sign}
        biases.append(paired)
    return Meaning(dict(y), dict(back), tuple(weights), tuple(biases))


def _diagrams(
    rgs: tuple[int, ...], sets: tuple[str, ...], basis: BasisKind
) -> list[tuple[tuple[int, ...], int]]:
    """The diagram operators that an operator is a sum of, with their coefficients."""
    if basis == "diagram":
        return [(rgs, 1)]
    blocks = max(rgs, default=-1) + 1
    owners = tuple(sets[rgs.index(block)] for block in range(blocks))
    found = []
    for merger in restricted_growth_strings(owners).tolist():
        sign = prod((-1) ** (r - 1) * factorial(r - 1) for r in Counter(merger).values())
        found.append((tuple(merger[block] for block in rgs), sign))
    return found


def _factor(setting: Setting, rgs: tuple[int, ...], normalization: Normalization) -> Monomial:
    """The normaliser: a power for each block that holds inputs only."""
    signature = setting.signature
    k, halves = signature.order_in, EXPONENT[normalization]
    factor: Monomial = ()
    if halves:
        for block in dict.fromkeys(rgs[:k]):
            if block not in rgs[k:]:
                name = signature.positions[rgs.index(block)]
                symbol = divisor_symbol(name) if name in setting.masks else name
                factor = power_product(factor, ((symbol, halves),))
    return factor


def _masked(rgs: tuple[int, ...], sets: tuple[str, ...], setting: Setting) -> frozenset[int]:
    """The blocks over index sets that have a mask: inputs there are zero, and outputs are made zero."""
    return frozenset(block for block, name in zip(rgs, sets, strict=True) if name in setting.masks)
