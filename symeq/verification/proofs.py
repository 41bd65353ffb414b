"""Proofs about the program: its exported graph, read as formal sums of diagram operators, is the definition.

The forward pass is exported for each setting on its own, with sizes of batch axes and index sets unbounded;
the backward pass is traced as autograd runs it. ``docs/verification.md`` has the argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch

from symeq.interpretation.claims import prove_backward, prove_forward
from symeq.interpretation.forms import Unproved
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.tracing import CHANNELS, Program
from symeq.interpretation.values import MaskKind, Setting
from symeq.plans.cost import steps
from symeq.signature import BasisKind, Normalization
from symeq.verification.cases import BASES, NORMALIZATIONS, Case, Mismatch, Rung
from symeq.verification.trial import Trial

MANY_STEPS = 250
"""Up to so many contractions and broadcasts every combination of options is proved; above, a trace takes
minutes, and every two options are proved together."""

FEW_STEPS = 100
"""Up to so many a brief proof takes every two options together; above, each of them once."""

Reach: TypeAlias = Literal["every", "pairs", "few"]
"""Which combinations of basis, normalisation, masks and batch rank are proved."""

MANY_SLOTS = 1000
"""Of layers with more slots the way with sorted entries is proved with each option once."""


@dataclass(frozen=True)
class ProofCase:
    """The options of a layer, and what it is called with."""

    basis: BasisKind
    normalization: Normalization
    bias: bool
    rank: int
    masks: tuple[tuple[str, MaskKind], ...]

    def __str__(self) -> str:
        masks = " and ".join(f"{kind} mask of {name}" for name, kind in self.masks) or "no mask"
        bias = "bias" if self.bias else "no bias"
        return (
            f'{self.basis} basis, normalization "{self.normalization}", {bias}, {masks}, '
            f"batch rank {self.rank}"
        )


class Proofs:
    """The proofs of one layer; the programs that were proved are kept, to be held against what runs."""

    def __init__(self, trial: Trial, brief: bool = False) -> None:
        self.trial = trial
        self.signature = trial.signature
        self.layout = trial.subject.layout
        self.programs: dict[ProofCase, Program] = {}
        work = steps(self.signature)
        few, many = brief and work > FEW_STEPS, brief or work > MANY_STEPS
        if trial.sorts != "never":
            # What options change is done before and after the steps in which the ways of a layer differ.
            few, many = many or len(trial.dense) > MANY_SLOTS, True
        self.reach: Reach = "few" if trial.heavy or few else "pairs" if many else "every"

    def setting(self, case: ProofCase) -> Setting:
        """What the program of a case is read for."""
        return Setting(self.signature, case.rank, dict(case.masks))

    def forward_cases(self) -> list[ProofCase]:
        """Combinations of basis, normalisation, masks and batch rank; then other masks, and no bias."""
        names = self.signature.index_sets
        if self.trial.heavy:  # orbit weights become diagram weights in millions of terms
            masks = self._masks if self.trial.sorts == "never" else self._masks[-1:]
            return [self._case("diagram", "mean", True, 1, mask) for mask in masks]
        if self.reach == "few":
            return self._pairs()[: len(NORMALIZATIONS)]
        shared: list[Mapping[str, MaskKind]] = [dict.fromkeys(names, "shared")] if names else []
        each: list[Mapping[str, MaskKind]] = [{name: "own"} for name in names] if len(names) > 1 else []
        if self.reach == "pairs":
            others = [self._case("diagram", "mean", True, 1, mask) for mask in each]
            return [*self._pairs(), *others, self._case("orbit", "mean", False, 1, *shared)]
        cases = [case for rank in (1, 0, 2) for case in self._combinations(rank)]
        cases += [self._case(b, "mean", True, 1, mask) for b in BASES for mask in shared + each]
        return cases + [self._case(b, "sum", False, 1, mask) for b in BASES for mask in self._masks]

    def backward_cases(self) -> list[ProofCase]:
        """Such combinations, and no bias."""
        pairs = self._pairs()
        if self.trial.heavy:  # of sorted entries the gradients have too many terms to be held in memory
            cases = [self._case("diagram", "mean", True, 1, self._masks[-1])]
            return cases if self.trial.sorts == "never" else []
        if self.reach == "few":
            return [pairs[1]]
        if self.reach == "pairs":  # each basis, normalisation and rank, with and without masks
            return [pairs[2], pairs[3], pairs[7]]
        every = [case for rank in (1, 0, 2) for case in self._combinations(rank)]
        return every + [self._case(b, "sum", False, 1) for b in BASES]

    @property
    def _masks(self) -> list[Mapping[str, MaskKind]]:
        """None, and one for each index set."""
        names = self.signature.index_sets
        return [{}, dict.fromkeys(names, "own")] if names else [{}]

    def _combinations(self, rank: int) -> list[ProofCase]:
        return [
            self._case(basis, normalization, True, rank, mask)
            for basis in BASES
            for normalization in NORMALIZATIONS
            for mask in self._masks
        ]

    def _pairs(self) -> list[ProofCase]:
        """Nine combinations; every two options of different kinds stand together in one of them."""
        return [
            self._case(BASES[(r + n) % 2], normalization, True, rank, self._masks[-1] if (r + n) % 3 else {})
            for r, rank in enumerate((1, 0, 2))
            for n, normalization in enumerate(NORMALIZATIONS)
        ]

    def _case(
        self,
        basis: BasisKind,
        normalization: Normalization,
        bias: bool,
        rank: int,
        masks: Mapping[str, MaskKind] = MappingProxyType({}),
    ) -> ProofCase:
        # Without batch axes there is one mask for the one sample.
        kinds: list[tuple[str, MaskKind]] = [
            (name, kind if rank else "shared") for name, kind in masks.items()
        ]
        return ProofCase(basis, normalization, bias, rank, tuple(kinds))

    def meaning(self, case: ProofCase) -> Meaning:
        """What the layer must compute."""
        return Meaning(self.setting(case), case.basis, case.normalization, case.bias)

    def try_forward(self, case: ProofCase) -> None:
        """Prove the exported forward pass.

        Raises:
            Mismatch: it is not the definition, or is not seen to be.
        """
        layer = self.trial.new(_plain(case), torch.float64, CHANNELS)
        try:
            self.programs[case] = prove_forward(
                layer, self.setting(case), self.layout, self.meaning(case), self.trial.subject.file
            )
        except Unproved as found:
            raise Mismatch(f"{case}\n{found}") from None

    def try_backward(self, case: ProofCase) -> None:
        """Prove the gradients.

        Raises:
            Mismatch: they are not those of the definition, or are not seen to be.
        """
        layer = self.trial.new(_plain(case), torch.float64, CHANNELS)
        try:
            prove_backward(
                layer, self.setting(case), self.layout, self.meaning(case), self.trial.subject.file
            )
        except Unproved as found:
            raise Mismatch(f"{case}\n{found}") from None

    def rungs(self) -> Iterator[Rung]:
        """The proofs, to be made."""
        sizes = "every size of the index sets and of the batch from 2 on"
        slots, parts = f"{sizes}; every weight and bias slot", f"{sizes}; of x, weight and bias"
        channels = f"{CHANNELS[0]} -> {CHANNELS[1]} channels"
        masks = ", with and without masks" if self.signature.index_sets else ""
        options = f"both bases, all normalizations{masks}"
        settings = {
            "every": (f"{options}, batch ranks 0 to 2", f"{options}, batch ranks 0 to 2"),
            "pairs": (
                f"{options}, batch ranks 0 to 2, every two of these together",
                f"{options}, batch ranks 0 to 2, each of these",
            ),
            "few": (f"{options}, each of these; batch rank 1", "; ".join(map(str, self.backward_cases()))),
        }
        forward, backward = settings[self.reach]
        if self.trial.heavy:
            forward = "; ".join(map(str, self.forward_cases()))
        if not self.backward_cases():
            forward += "; the backward pass of this way is tested and not proved"
        forward, backward = f"{slots}; {forward}; {channels}", f"{parts}; {backward}; {channels}"
        yield Rung(
            "exported forward pass", forward, self.forward_cases(), lambda c, _: self.try_forward(c), "proved"
        )
        if cases := self.backward_cases():
            yield Rung("backward pass", backward, cases, lambda c, _: self.try_backward(c), "proved")


def _plain(case: ProofCase) -> Case:
    return Case(case.basis, {}, case.normalization, case.bias)
