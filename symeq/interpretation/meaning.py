"""What a layer must compute, from its definition: formal sums over all slots.

With normalization "sum" the operator of a weight slot is the diagram or orbit operator itself; otherwise each
of its blocks that hold inputs only brings a factor 1/n ("mean") or 1/sqrt(n) ("sqrt"). An orbit operator is
the sum of Moebius function times diagram operator over the coarser set partitions (Benkart and Halverson
2017, arXiv:1707.01410). The gradients are those of this sum: of x its transpose, of a weight the pairing of
input and cotangent under its operator.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import TypeAlias

from symeq.combinatorics.partitions import renumber, restricted_growth_strings
from symeq.interpretation.forms import Form, Monomial, Number, Parameter, Pattern, Skeleton, power_product
from symeq.interpretation.values import Setting, divisor_symbol
from symeq.signature import BasisKind, Normalization

Diagrams: TypeAlias = "list[tuple[Pattern, int]]"
"""Diagram operators, by their set partitions, with their coefficients."""

EXPONENT: dict[Normalization, int] = {"sum": 0, "mean": -2, "sqrt": -1}
"""The power of n, in halves, of each block that holds inputs only."""


@dataclass(frozen=True)
class Meaning:
    """What a layer with these options computes; each part is worked out when asked for."""

    setting: Setting
    basis: BasisKind
    normalization: Normalization
    has_bias: bool

    @cached_property
    def y(self) -> Form:
        """The form of y at an output index tuple."""
        form: dict[Skeleton, dict[tuple[Parameter, Monomial], Number]] = defaultdict(dict)
        for slot, factor, diagrams in self._weight_slots():
            for pattern, sign in diagrams:
                masked = self._masked(pattern, self._sets)
                form[Skeleton(True, False, pattern, masked, frozenset({"in"}))][("weight", slot), factor] = (
                    sign
                )
        for slot, diagrams in self._bias_slots():
            for pattern, sign in diagrams:
                masked = self._masked(pattern, self.setting.signature.outputs)
                form[Skeleton(False, False, pattern, masked)][("bias", slot), ()] = sign
        return dict(form)

    @cached_property
    def x(self) -> Form:
        """The form of the gradient of x at an input index tuple: the transpose."""
        signature = self.setting.signature
        k, turned = signature.order_in, signature.outputs + signature.inputs
        form: dict[Skeleton, dict[tuple[Parameter, Monomial], Number]] = defaultdict(dict)
        for slot, factor, diagrams in self._weight_slots():
            for pattern, sign in diagrams:
                back = renumber(pattern[k:] + pattern[:k])
                skeleton = Skeleton(False, True, back, self._masked(back, turned), frozenset({"out"}))
                form[skeleton][("weight", slot), factor] = sign
        return dict(form)

    @cached_property
    def weight(self) -> tuple[Form, ...]:
        """The forms of the gradients of the weight slots: input and cotangent paired under the operator."""
        return tuple(
            {
                Skeleton(True, True, pattern, self._masked(pattern, self._sets), self._batches): {
                    (None, factor): sign
                }
                for pattern, sign in diagrams
            }
            for _, factor, diagrams in self._weight_slots()
        )

    @cached_property
    def bias(self) -> tuple[Form, ...]:
        """The forms of the gradients of the bias slots."""
        outputs = self.setting.signature.outputs
        return tuple(
            {
                Skeleton(False, True, pattern, self._masked(pattern, outputs), self._batches): {
                    (None, ()): sign
                }
                for pattern, sign in diagrams
            }
            for _, diagrams in self._bias_slots()
        )

    @property
    def _sets(self) -> tuple[str, ...]:
        return self.setting.signature.positions

    @property
    def _batches(self) -> frozenset[str | int]:
        return frozenset(range(self.setting.batch_rank))

    def _weight_slots(self) -> Iterator[tuple[int, Monomial, Diagrams]]:
        """For each weight slot its normaliser, and the diagram operators that it is a sum of."""
        for slot, rgs in enumerate(restricted_growth_strings(self._sets).tolist()):
            pattern = tuple(rgs)
            yield (
                slot,
                _factor(self.setting, pattern, self.normalization),
                _diagrams(pattern, self._sets, self.basis),
            )

    def _bias_slots(self) -> Iterator[tuple[int, Diagrams]]:
        outputs = self.setting.signature.outputs
        for slot, rgs in enumerate(restricted_growth_strings(outputs).tolist() if self.has_bias else []):
            yield slot, _diagrams(tuple(rgs), outputs, self.basis)

    def _masked(self, pattern: Pattern, sets: tuple[str, ...]) -> frozenset[int]:
        """The blocks over index sets with a mask: inputs are zero there, and outputs are made zero."""
        masks = self.setting.masks
        return frozenset(block for block, name in zip(pattern, sets, strict=True) if name in masks)


def _diagrams(rgs: Pattern, sets: tuple[str, ...], basis: BasisKind) -> Diagrams:
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
