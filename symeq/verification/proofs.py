"""Proofs about the program: its exported graph, read as formal sums of diagram operators, is the definition.

The forward pass is exported for each setting on its own, with sizes of batch axes and index sets unbounded;
the backward pass is traced as autograd runs it. ``docs/verification.md`` has the argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from symeq.interpretation.claims import prove_backward, prove_forward
from symeq.interpretation.forms import Unproved
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.tracing import CHANNELS, Program
from symeq.interpretation.values import MaskKind, Setting
from symeq.signature import BasisKind, Normalization
from symeq.verification.trial import BASES, NORMALIZATIONS, Case, Mismatch, Rung, Trial

SMALL_SLOTS = 50
"""Up to so many slots every combination of options is proved for every batch rank, unless a brief proof is
asked for; above, tracing takes seconds, and batch ranks 0 and 2 are proved for one normalisation."""

MANY_SLOTS = 1000
"""Of layers with more slots, the way with sorted entries is proved for one combination of options."""


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
        self.brief = brief
        self.signature = trial.signature
        self.layout = trial.subject.layout
        self.programs: dict[ProofCase, Program] = {}
        self.small = len(trial.dense) <= SMALL_SLOTS and not brief

    def setting(self, case: ProofCase) -> Setting:
        """What the program of a case is read for."""
        return Setting(self.signature, case.rank, dict(case.masks))

    def forward_cases(self) -> list[ProofCase]:
        """Every basis and normalisation, with and without masks, batch ranks 0 to 2; then kinds of masks."""
        names = self.signature.index_sets
        own: dict[str, MaskKind] = dict.fromkeys(names, "own")
        masks: list[Mapping[str, MaskKind]] = [{}, own] if names else [{}]
        if self.trial.heavy:
            orbit = self._case("orbit", "mean", True, 1, {})
            return [orbit, *(self._case("diagram", "mean", True, 1, mask) for mask in masks)]
        shared: dict[str, MaskKind] = dict.fromkeys(names, "shared")
        if self.trial.symmetrised:
            # What options change is done before and after the steps in which the ways of a layer differ.
            cases = [
                self._case("diagram", "sum", False, 1, {}),
                self._case("diagram", "mean", True, 0, {}),
                self._case("orbit", "mean", True, 2, {}),
                self._case("diagram", "mean", True, 1, own),
                self._case("orbit", "mean", True, 1, shared),
                self._case("orbit", "mean", True, 1, own),
            ]
            return cases if len(self.trial.dense) <= MANY_SLOTS else cases[-1:]
        cases = [
            self._case(basis, normalization, True, rank, mask)
            for basis in BASES
            for normalization in NORMALIZATIONS
            for mask in masks
            for rank in ((1, 0, 2) if self.small or self._chosen(normalization, mask) else (1,))
        ]
        others: list[Mapping[str, MaskKind]] = [shared] if names else []
        if len(names) > 1:
            others += [{name: "own"} for name in names]
        cases += [self._case(b, "mean", True, 1, mask) for b in BASES for mask in others]
        cases += [self._case(b, "sum", False, 1, mask) for b in BASES for mask in masks]
        return cases

    def backward_cases(self) -> list[ProofCase]:
        """Every basis and normalisation, with and without masks, for one batch axis; some for 0 and 2."""
        names = self.signature.index_sets
        own: dict[str, MaskKind] = dict.fromkeys(names, "own")
        masks: list[Mapping[str, MaskKind]] = [{}, own] if names else [{}]
        if self.trial.heavy:
            return [self._case("diagram", "mean", True, 1, masks[-1])]
        if self.trial.symmetrised:
            cases = [
                self._case("diagram", "mean", True, 2, {}),
                self._case("orbit", "mean", True, 1, own),
                self._case("diagram", "mean", True, 1, own),
            ]
            return cases if len(self.trial.dense) <= MANY_SLOTS else cases[-1:]
        cases = [
            self._case(basis, normalization, True, 1, mask)
            for basis in BASES
            for normalization in NORMALIZATIONS
            for mask in (masks if self.small or normalization == "mean" else masks[-1:])
        ]
        if not self.brief:
            cases += [self._case(b, "mean", True, rank, masks[-1]) for b in BASES for rank in (0, 2)]
            cases += [self._case(b, "sum", False, 1, {}) for b in BASES]
        return cases

    def _chosen(self, normalization: Normalization, mask: Mapping[str, MaskKind]) -> bool:
        """Whether this is the combination that stands for others at batch ranks 0 and 2."""
        return normalization == "mean" and (bool(mask) or not self.brief or not self.signature.index_sets)

    def _case(
        self,
        basis: BasisKind,
        normalization: Normalization,
        bias: bool,
        rank: int,
        masks: Mapping[str, MaskKind],
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
        channels = f"{CHANNELS[0]} -> {CHANNELS[1]} channels"
        masks = ", with and without masks" if self.signature.index_sets else ""
        every = f"both bases, all normalizations{masks}"
        mean = 'batch rank 1, and ranks 0 and 2 with normalization "mean"'
        if self.brief:
            mean += masks and " and masks"
        ranks = "batch ranks 0 to 2" if self.small else mean
        forward = f"{sizes}; every weight and bias slot; {every}; {ranks}; {channels}"
        backward = (
            f"{sizes}; of x, weight and bias; {every}; {'batch rank 1' if self.brief else mean}; {channels}"
        )
        if self.trial.symmetrised:
            forward, backward = (
                f"{sizes}; {what}: {', '.join(f'[{case}]' for case in cases)}; {channels}"
                for what, cases in (
                    ("every weight and bias slot", self.forward_cases()),
                    ("of x, weight and bias", self.backward_cases()),
                )
            )
        if self.trial.heavy:
            only = f'normalization "mean", batch rank 1; {channels}'
            forward = (
                f"{sizes}; every weight and bias slot; orbit basis without masks, diagram basis with and "
                f"without; {only}"
            )
            backward = f"{sizes}; of x, weight and bias; diagram basis, masks; {only}"
        yield Rung(
            "exported forward pass", forward, self.forward_cases(), lambda c, _: self.try_forward(c), "proved"
        )
        yield Rung(
            "backward pass", backward, self.backward_cases(), lambda c, _: self.try_backward(c), "proved"
        )


def _plain(case: ProofCase) -> Case:
    return Case(case.basis, {}, case.normalization, case.bias)
