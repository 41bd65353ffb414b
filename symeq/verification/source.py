"""The proofs of an emitted layer's source and nothing else, for a certificate that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from symeq.signature import Signature
from symeq.verification.cases import Mismatch
from symeq.verification.contract import contract_checks
from symeq.verification.load import resolve
from symeq.verification.proofs import Proofs
from symeq.verification.trial import Trial, has_two_ways

Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SourceProof:
    """The text that was proved, in which settings, with which torch; or what failed."""

    source: str
    torch: str
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    failure: str = ""


def prove_source(signature: Signature, progress: Progress | None = None) -> SourceProof:
    """What the contract of the layer emitted for a signature, and all proofs of its source, find.

    The first failure ends it. ``progress`` is called as by ``verify``.
    """
    report = progress or (lambda name, done, total: None)
    subject = resolve(signature)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trial = Trial(subject, 0)
        ways = {"": Proofs(trial)}
        if has_two_ways(subject):
            ways[", entries sorted"] = Proofs(Trial(subject, 0, "always"))
        rungs = [*contract_checks(trial), *(rung for proofs in ways.values() for rung in proofs.rungs())]
        total, done = sum(len(rung.cases) for rung in rungs), 0
        failure = ""
        try:
            for rung in rungs:
                for at, case in enumerate(rung.cases):
                    report(rung.name, done, total)
                    rung.run(case, at)
                    done += 1
        except Mismatch as found:
            failure = f"{rung.name}, {found.detail}"
    forward, backward = (
        tuple(sorted(f"{case}{way}" for way, proofs in ways.items() for case in cases_of(proofs)))
        for cases_of in (Proofs.forward_cases, Proofs.backward_cases)
    )
    return SourceProof(subject.source, torch.__version__, forward, backward, failure)
