"""Certificates: claims with their scope and their steps, to print, to write and to have checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symeq.proof import checker
from symeq.signature import Signature


@dataclass(frozen=True, slots=True)
class Step:
    """One application of a rule; ``data`` holds JSON values, which the checker derives again."""

    rule: str
    data: Mapping[str, Any]

    def to_latex(self) -> str:
        """The step as a sentence in LaTeX."""
        from symeq.proof.latex import sentence

        return sentence(self)


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement, the sizes for which its steps show it, and the steps."""

    kind: str
    statement: str
    scope: str
    steps: tuple[Step, ...]

    def to_latex(self) -> str:
        """The claim as a LaTeX fragment: statement, scope, and the steps rule by rule."""
        from symeq.proof.latex import section

        return section(self)

    def __str__(self) -> str:
        head = f"  {self.kind:<16}{len(self.steps):>6} steps  "
        return "\n".join([*checker.wrapped(self.scope, head), *checker.wrapped(self.statement, " " * 4)])


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is claimed about the equivariant maps of a signature. ``print`` shows the claims as a table.

    >>> from symeq.proof.prover import prove
    >>> certificate = prove("n -> n")
    >>> [claim.kind for claim in certificate.claims][:3]
    ['closure', 'completeness', 'dimension']
    >>> certificate.check().ok
    True
    """

    signature: Signature
    claims: tuple[Claim, ...]
    tool: str

    def check(self) -> checker.CheckReport:
        """What the independent checker (``symeq.proof.checker``) finds when it re-applies every step.

        It sees what ``to_json`` writes and nothing else.
        """
        return checker.check(checker.load(self.to_json().encode("utf-8")))

    def to_json(self) -> str:
        """The certificate as JSON, one line for each step, the same on every machine."""
        head = {
            "format": checker.FORMAT,
            "version": checker.VERSION,
            "tool": self.tool,
            "signature": {"inputs": list(self.signature.inputs), "outputs": list(self.signature.outputs)},
        }
        lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
        claims = ",\n".join(_claim_text(claim) for claim in self.claims)
        return "\n".join(["{", *lines, '"claims": [', claims, "]", "}", ""])

    def to_latex(self) -> str:
        """The certificate as a LaTeX document, for reading: long lists of steps are cut short there."""
        from symeq.proof.latex import document

        return document(self)

    def __str__(self) -> str:
        total = sum(len(claim.steps) for claim in self.claims)
        lines = [f'Certificate for "{self.signature}": {len(self.claims)} claims, {total} steps']
        return "\n".join([*lines, *map(str, self.claims)])


def _claim_text(claim: Claim) -> str:
    fields = {"kind": claim.kind, "statement": claim.statement, "scope": claim.scope}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in fields.items()]
    steps = ",\n".join(
        json.dumps({"rule": step.rule, **step.data}, separators=(",", ":")) for step in claim.steps
    )
    return "\n".join(["{", *lines, '"steps": [', steps, "]", "}"])
