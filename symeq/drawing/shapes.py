"""What a picture is made of: a few shapes, described once and rendered as SVG or as pixels.

Coordinates are CSS pixels (96 to the inch), y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from symeq.signature import Signature

Point: TypeAlias = tuple[float, float]

INK = "#1a1a1a"
FAINT = "#8a8a8a"
PALE = "#e4e4e4"
PAPER = "#ffffff"

# Advance widths of U+0020 to U+007E in DejaVu Sans, of which 2048 make one em.
# fmt: off
_WIDTHS = (
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577,
    1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401,
    2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298,
    569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075,
    1303, 690, 1303, 1716,
)
# fmt: on
_WIDE = 1716  # → × and Σ, none of which is wider


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline, or with ``curved`` the cubic Bézier curve of four points."""

    points: tuple[Point, ...]
    colour: str = INK
    width: float = 1.5
    curved: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its upper left corner, its corners rounded by ``radius``."""

    x: float
    y: float
    width: float
    height: float
    fill: str = PAPER
    edge: str | None = None
    radius: float = 0


@dataclass(frozen=True, slots=True)
class Disc:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str = INK


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled polygon."""

    points: tuple[Point, ...]
    fill: str = INK


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; (x, y) is the start, middle or end of its baseline."""

    x: float
    y: float
    text: str
    size: float = 11
    anchor: Literal["start", "middle", "end"] = "start"
    colour: str = INK

    @property
    def width(self) -> float:
        """How long the line is."""
        return text_width(self.text, self.size)


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes that belong together, moved by ``at``: what ``kind`` of thing they show, and which one.

    ``title`` is what a browser says when the pointer rests on the group.
    """

    shapes: tuple[Shape, ...]
    kind: str = ""
    name: str = ""
    title: str = ""
    at: Point = (0, 0)


Shape: TypeAlias = "Line | Box | Disc | Polygon | Text | Group"


@dataclass(frozen=True, slots=True)
class Sketch:
    """Shapes with the size of the rectangle from (0, 0) that they fill: a part of a drawing."""

    shapes: tuple[Shape, ...]
    width: float
    height: float

    def at(self, x: float, y: float, kind: str = "", name: str = "", title: str = "") -> Group:
        """The shapes as a group whose upper left corner is (x, y)."""
        return Group(self.shapes, kind, name, title, (x, y))


def spelled(signature: Signature) -> str:
    """The signature as a heading has it: without spaces at the ends, and cut off where it would fill a page.

    >>> spelled(Signature.parse("n n -> "))
    'n n ->'
    """
    text = str(signature).strip()
    return text if len(text) <= 80 else f"{text[:77]}..."


def text_width(text: str, size: float) -> float:
    """How long a line of text is in DejaVu Sans.

    >>> round(text_width("n n -> n n", 10), 1)
    50.1
    """
    units = (_WIDTHS[ord(letter) - 32] if " " <= letter <= "~" else _WIDE for letter in text)
    return sum(units) * size / 2048


def wrapped(text: str, size: float, width: float) -> tuple[str, ...]:
    """The text in lines no longer than ``width``, broken at spaces; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(lines)


def paragraph(text: str, size: float, width: float, x: float = 0, y: float = 0) -> Iterator[Text]:
    """The lines of a wrapped text below y, each ``1.3 * size`` high."""
    for at, line in enumerate(wrapped(text, size, width)):
        yield Text(x, y + (1.3 * at + 1) * size, line, size)


def shortened(text: str, size: float, width: float) -> str:
    """The text, cut off where it would be longer than ``width``."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}...", size) > width:
        text = text[:-1]
    return f"{text}..."
