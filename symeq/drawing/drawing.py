"""Drawing: shapes on a sheet of paper, as SVG, as PNG, as a file."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from html import escape
from pathlib import Path

from symeq.drawing.shapes import PAPER, Box, Disc, Group, Line, Polygon, Shape, Text
from symeq.errors import OptionError
from symeq.files import write_files

FONTS = "DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif"

_STAMP = "<!-- drawn by symeq, sha256 {} -->\n"
_IEND = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


@dataclass(frozen=True, slots=True, repr=False)
class Drawing:
    """A finished picture, ``width`` by ``height`` CSS pixels; equal drawings give equal bytes.

    >>> drawing = Drawing("a dot", 10, 10, (Disc(5, 5, 3),))
    >>> drawing
    <Drawing of a dot, 10 x 10>
    >>> drawing.svg().startswith("<svg xmlns=")
    True
    """

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]

    def __repr__(self) -> str:
        return f"<Drawing of {self.title}, {self.width:.0f} x {self.height:.0f}>"

    def svg(self) -> str:
        """The picture as a standalone SVG document."""
        width, height = _number(self.width), _number(self.height)
        body = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{FONTS}">\n'
            f"<title>{escape(self.title)}</title>\n"
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n'
            + "".join(map(_element, self.shapes))
            + "</svg>\n"
        )
        return body + _STAMP.format(hashlib.sha256(body.encode()).hexdigest())

    def png(self, dpi: float = 192) -> bytes:
        """The picture as a PNG file of ``width * dpi / 96`` by ``height * dpi / 96`` pixels, rounded.

        Raises:
            MissingLibraryError: matplotlib is not installed.
            OptionError: a resolution that is not a number above 0.
            TooLargeError: more than 10^8 pixels.
        """
        from symeq.drawing.raster import png

        return _stamped(png(self, dpi))

    def save(self, path: str | Path, force: bool = False, dpi: float = 192) -> Path:
        """Writes the picture in the format that the path ends in, ``.svg`` or ``.png``, and returns the path.

        The file is there whole or not at all, and the folder is made if it is missing.

        Raises:
            OptionError: another ending.
            OutputError: the file cannot be written, or there is one that is not as symeq drew it and
                ``force`` is not given.
            MissingLibraryError, TooLargeError: as ``png``.
        """
        path = Path(path)
        content = self.encoded(path.suffix.lower().removeprefix("."), dpi)
        write_files({path: content}, drawn_by_us, force, remedy="Name another path.")
        return path

    def encoded(self, form: str, dpi: float = 192) -> bytes:
        """The bytes of a file of this form, ``"svg"`` or ``"png"``; anything else is an ``OptionError``."""
        if form == "svg":
            return self.svg().encode()
        if form == "png":
            return self.png(dpi)
        raise OptionError("form", form, '"svg" or "png", as a file name ends')

    def _repr_svg_(self) -> str:
        return self.svg()


def drawn_by_us(content: bytes) -> bool:
    """Whether the bytes are an SVG or PNG file just as ``Drawing`` made it."""
    if content.startswith(b"\x89PNG"):
        return content == _stamped(content[: -len(_IEND) - len(_stamp(b""))] + _IEND)
    size = len(_STAMP.format("0" * 64))
    digest = hashlib.sha256(content[:-size]).hexdigest()
    return content[-size:] == _STAMP.format(digest).encode()


def _stamped(content: bytes) -> bytes:
    """The PNG file with a text chunk before its end that holds the digest of the file without it."""
    return content[: -len(_IEND)] + _stamp(content) + _IEND


def _stamp(content: bytes) -> bytes:
    data = b"tEXtDrawn by symeq\0sha256 " + hashlib.sha256(content).hexdigest().encode()
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def _element(shape: Shape) -> str:
    match shape:
        case Group(shapes, kind, name, title, (x, y)):
            attributes = "".join(
                f' {key}="{escape(value)}"'
                for key, value in (("class", kind), ("data-name", name), ("transform", _moved(x, y)))
                if value
            )
            head = f"<title>{escape(title)}</title>\n" if title else ""
            return f"<g{attributes}>\n{head}{''.join(map(_element, shapes))}</g>\n"
        case Line(points, colour, width, curved):
            pairs = [f"{_number(x)},{_number(y)}" for x, y in points]
            form = (
                f'path d="M{pairs[0]} C{" ".join(pairs[1:])}"'
                if curved
                else f'polyline points="{" ".join(pairs)}"'
            )
            return f'<{form} fill="none" stroke="{colour}" stroke-width="{_number(width)}"/>\n'
        case Box(x, y, width, height, fill, edge, radius):
            return (
                f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" '
                f'height="{_number(height)}"'
                + (f' rx="{_number(radius)}"' if radius else "")
                + f' fill="{fill}"'
                + (f' stroke="{edge}"' if edge else "")
                + "/>\n"
            )
        case Disc(x, y, radius, fill):
            return f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}" fill="{fill}"/>\n'
        case Polygon(points, fill):
            pairs = [f"{_number(x)},{_number(y)}" for x, y in points]
            return f'<polygon points="{" ".join(pairs)}" fill="{fill}"/>\n'
        case Text(x, y, text, size, anchor, colour):
            # textLength: whatever font there is, the line is as long as the layout took it to be.
            return (
                f'<text x="{_number(x)}" y="{_number(y)}" font-size="{_number(size)}"'
                + (f' text-anchor="{anchor}"' if anchor != "start" else "")
                + f' fill="{colour}" textLength="{_number(shape.width)}" lengthAdjust="spacingAndGlyphs"'
                + f' xml:space="preserve">{escape(text)}</text>\n'
            )


def _moved(x: float, y: float) -> str:
    return f"translate({_number(x)},{_number(y)})" if x or y else ""


def _number(value: float) -> str:
    """At most two decimals, and no more digits than needed."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
