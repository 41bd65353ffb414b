"""What an audit found: one finding for everything that was looked at."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "caution", "fault", "skipped"]

_WIDTH = 110
_SHOWN: Mapping[Verdict, str] = {"ok": "ok", "caution": "note", "fault": "FAULT", "skipped": "-"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    ``verdict``: "ok"; "fault", which makes the audit fail; "caution", worth knowing and no fault by itself;
    "skipped", not looked at, and ``detail`` says why. ``scope`` says what was tried, at which sizes and how
    exactly; ``detail`` what was seen, in words; ``data`` the same for programs.
    """

    name: str
    verdict: Verdict
    scope: str
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All findings on one target. ``ignored`` names findings whose faults do not count."""

    target: str
    signature: str
    layout: str
    layout_guessed: bool
    seed: int
    findings: tuple[Finding, ...]
    ignored: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no finding (of those that count) is a fault."""
        return not self.faults

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults and count."""
        return tuple(found for found in self.findings if self._counts(found) and found.verdict == "fault")

    @property
    def cautions(self) -> tuple[Finding, ...]:
        """The findings that are worth knowing and no faults by themselves."""
        return tuple(found for found in self.findings if found.verdict == "caution")

    def __getitem__(self, name: str) -> Finding:
        """The finding of this name; KeyError if the audit had none."""
        for found in self.findings:
            if found.name == name:
                return found
        raise KeyError(f"no finding {name!r}; there are {', '.join(found.name for found in self.findings)}")

    def _counts(self, found: Finding) -> bool:
        return found.name not in self.ignored

    def to_json(self) -> str:
        """The report as JSON with sorted keys; what JSON has no number for (NaN, infinities) is a string."""
        record = {
            "target": self.target,
            "signature": self.signature,
            "layout": self.layout,
            "layout_guessed": self.layout_guessed,
            "seed": self.seed,
            "ok": self.ok,
            "ignored": list(self.ignored),
            "findings": [
                {
                    "name": found.name,
                    "verdict": found.verdict,
                    "scope": found.scope,
                    "detail": found.detail,
                    "data": _plain(found.data),
                }
                for found in self.findings
            ],
        }
        return json.dumps(record, sort_keys=True, indent=2, allow_nan=False)

    def __str__(self) -> str:
        how = "guessed" if self.layout_guessed else "as given"
        lines = [f'{self.target}: "{self.signature}", layout "{self.layout}" ({how})']
        width = max(len(found.name) for found in self.findings)
        for found in self.findings:
            mark = _SHOWN[found.verdict]
            if found.verdict == "fault" and not self._counts(found):
                mark = "(ign)"
            head = f"  {mark:<7}{found.name:<{width}}  "
            rest = " " * len(head)
            paragraphs = [found.scope, *(f"{line}" for line in found.detail.splitlines())]
            for at, paragraph in enumerate(text for text in paragraphs if text):
                lines += textwrap.wrap(
                    paragraph,
                    _WIDTH,
                    initial_indent=rest if at else head,
                    subsequent_indent=rest,
                    break_on_hyphens=False,
                    break_long_words=False,
                )
        looked = sum(found.verdict != "skipped" for found in self.findings)
        faults, cautions = len(self.faults), len(self.cautions)
        verdict = f"{faults} of {looked} FAULTY" if faults else f"no fault in {looked}"
        notes = f", {cautions} to note" if cautions else ""
        lines.append(f"{verdict}{notes} (seed {self.seed})")
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    """The value in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
