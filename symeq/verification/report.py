"""What verifying a layer found: checks, their scope in words, and counterexamples."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from symeq.signature import Layout, Signature

Kind: TypeAlias = Literal["proved", "tested", "noted"]
"""Whether a check is an argument for every size, or a trial at the sizes that its scope tells.

What is noted is asked of files that symeq emitted only; of others it is said, and does not decide.
"""

_WIDTH = 110
_HEADINGS: dict[Kind, str] = {
    "proved": "proved for every n",
    "tested": "tested",
    "noted": "noted, and not asked of layers that symeq did not emit",
}


@dataclass(frozen=True, slots=True)
class Counterexample:
    """One number of the output (or of a gradient) that is not as defined.

    ``entry`` is its index in the tensor called ``tensor`` ("y", "x.grad", ...), channels last whatever the
    layout. ``slot`` and ``rgs`` name the one weight (``kind`` "weight") or bias ("bias") that is to blame, or
    are None where no single one is; ``sizes`` are those of the index sets.
    """

    setting: str
    sizes: dict[str, int]
    tensor: str
    entry: tuple[int, ...]
    expected: float
    got: float
    kind: str = "weight"
    slot: int | None = None
    rgs: tuple[int, ...] | None = None

    def __str__(self) -> str:
        which = f"{self.kind} slot {self.slot} {self.rgs}: " if self.slot is not None else ""
        entry = ", ".join(map(str, self.entry))
        return (
            f"{self.setting}\n{which}{self.tensor}[{entry}] is {_shown(self.got)}, "
            f"expected {_shown(self.expected)}"
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and whether it holds; ``scope`` says for which sizes and settings."""

    name: str
    ok: bool
    scope: str
    detail: str = ""
    counterexample: Counterexample | None = None
    kind: Kind = "tested"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All checks of one layer. ``print`` shows them as a table, the first counterexample in full."""

    target: str
    signature: Signature
    layout: Layout
    seed: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds; what is only noted does not count."""
        return bool(self.checks) and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold, but for those that are only noted."""
        return tuple(check for check in self.checks if not check.ok and check.kind != "noted")

    def to_json(self) -> str:
        """The report as JSON with sorted keys; what JSON has no number for (NaN, infinities) is a string."""
        record = {
            "target": self.target,
            "signature": str(self.signature),
            "layout": self.layout,
            "seed": self.seed,
            "ok": self.ok,
            "checks": [_record(check) for check in self.checks],
        }
        return json.dumps(record, sort_keys=True, indent=2, allow_nan=False)

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [f"{self.target}: {self.signature}, {self.layout}"]
        shown = False
        ordered = sorted(self.checks, key=lambda check: list(_HEADINGS).index(check.kind))
        for before, check in zip((None, *ordered), ordered, strict=False):
            if before is None or before.kind != check.kind:
                lines.append(f"  {_HEADINGS[check.kind]}")
            head = f"    {'ok' if check.ok else 'FAIL':<5}{check.name:<{width}}  "
            lines += textwrap.wrap(
                check.scope,
                _WIDTH,
                initial_indent=head,
                subsequent_indent=" " * len(head),
                break_on_hyphens=False,
            ) or [head.rstrip()]
            if check.ok:
                continue
            notes = check.detail.splitlines()
            if check.counterexample is not None and not shown:
                notes += str(check.counterexample).splitlines()
                shown = True
            lines += [" " * len(head) + note for note in notes]
        failed, asked = len(self.failed), sum(check.kind != "noted" for check in self.checks)
        verdict = f"{failed} of {asked} checks FAILED" if failed else f"{asked} checks hold"
        lines.append(f"{verdict} (seed {self.seed})")
        return "\n".join(lines)


def _record(check: Check) -> dict[str, object]:
    record = asdict(check)
    if check.counterexample is not None:
        record["counterexample"] |= {
            "expected": _number(check.counterexample.expected),
            "got": _number(check.counterexample.got),
        }
    return record


def _number(value: float) -> float | str:
    if not math.isfinite(value):
        return str(value)
    return int(value) if value == int(value) else value


def _shown(value: float) -> str:
    return str(_number(value))
