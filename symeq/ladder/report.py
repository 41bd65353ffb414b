"""The rows of the ladder as one table, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from symeq.ladder.row import AtSize, Row

_HEADINGS = (
    "k -> k'",
    "signature",
    "enumerated",
    "Bell",
    "Burnside",
    "nullspace",
    "orbits",
    "slots",
    "proved",
    "tested",
    "seconds",
    "verdict",
)
_RIGHT = ("enumerated", "Bell", "slots", "proved", "tested", "seconds")


@dataclass(frozen=True, slots=True)
class LadderReport:
    """All rows, by k + k' and k. ``print`` shows them as a table, with every disagreement in full below.

    ``notes`` say what happened to the store.
    """

    rows: tuple[Row, ...]
    seed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row holds."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that do not hold."""
        return tuple(row for row in self.rows if not row.ok)

    def to_json(self) -> str:
        """The report as JSON with sorted keys."""
        record = {
            "ok": self.ok,
            "seed": self.seed,
            "notes": self.notes,
            "rows": [
                row.record()
                | {
                    "orders": [row.order_in, row.order_out],
                    "signature": str(row.signature),
                    "ok": row.ok,
                    "complaints": row.complaints,
                    "stored": row.stored,
                }
                for row in self.rows
            ],
        }
        return json.dumps(record, sort_keys=True, indent=2)

    def __str__(self) -> str:
        table = [_HEADINGS, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(_placed, cells, widths, _HEADINGS)).rstrip() for cells in table]
        for row in self.failed:
            lines += ["", f"{row.order_in} -> {row.order_out} does not hold:"]
            lines += [textwrap.indent(complaint, "  ") for complaint in row.complaints]
        lines += ["", *self.notes]
        proofs = dict.fromkeys(c.name for row in self.rows for c in row.checks if c.kind == "proved")
        if proofs:
            lines.append(f"proved: {', '.join(proofs)}; the scope of each check is in the JSON")
        stored = sum(row.stored for row in self.rows)
        lines.append(
            f"{len(self.rows) - len(self.failed)} of {len(self.rows)} rows hold, {stored} of them "
            f"from the store (seed {self.seed})"
        )
        return "\n".join(lines)


def _placed(text: str, width: int, heading: str) -> str:
    return text.rjust(width) if heading in _RIGHT else text.ljust(width)


def _cells(row: Row) -> tuple[str, ...]:
    def made(kind: str) -> str:
        checks = [check.ok for check in row.checks if check.kind == kind]
        return f"{sum(checks)} of {len(checks)}"

    same = row.basis_slots == row.weight_slots
    slots = "?" if row.basis_slots is None else f"{row.basis_slots}"
    return (
        f"{row.order_in} -> {row.order_out}",
        str(row.signature).strip(),
        "counted" if row.enumerated is None else str(row.enumerated),
        str(row.bell),
        _range(row.sizes),
        _range(at for at in row.sizes if at.method == "nullspace"),
        _range(at for at in row.sizes if at.method == "orbits"),
        slots if same else f"{slots}, {row.weight_slots}",
        made("proved"),
        made("tested"),
        f"{row.seconds:.1f}",
        ("ok" if row.ok else "FAILED") + (", stored" if row.stored else ""),
    )


def _range(sizes: Iterable[AtSize]) -> str:
    """The sizes in words: ``n = 0..5``."""
    each = [at.n for at in sizes]
    if not each:
        return "-"
    return f"n = {each[0]}" if len(each) == 1 else f"n = {each[0]}..{each[-1]}"
