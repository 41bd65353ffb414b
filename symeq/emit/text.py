"""Lines of Python, and literals that fit into them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 104


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of the emitted forward pass, with the remark that ties it to its blocks."""

    code: str
    note: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The remark behind the code if it fits there, else above it."""
        if not self.note:
            return (self.code,)
        beside = f"{self.code}  # {self.note}"
        if len(beside) + 8 <= WIDTH:
            return (beside,)
        indent = self.code[: len(self.code) - len(self.code.lstrip())]
        return (f"{indent}# {self.note}", self.code)


def literal(row: Iterable[int]) -> str:
    """A tuple of integers as Python writes it."""
    return repr(tuple(row))


def wrapped(items: Iterable[str], indent: str) -> str:
    """The items with commas, broken into lines that fit."""
    lines = [indent]
    for item in items:
        piece = item + ", "
        if len(lines[-1]) + len(piece) > WIDTH and lines[-1] != indent:
            lines.append(indent)
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def repeated(items: Sequence[str]) -> str:
    """The items with commas; many equal ones as ``*[item] * 5``."""
    if len(items) > 2 and len(set(items)) == 1:
        return f"*[{items[0]}] * {len(items)}"
    return ", ".join(items)
