"""Drawing -> PNG, by matplotlib: without pyplot, without a display, whatever its settings say."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from symeq.drawing.shapes import PAPER, Box, Disc, Group, Line, Polygon, Shape, Text
from symeq.errors import MissingLibraryError, OptionError, TooLargeError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.font_manager import FontProperties

    from symeq.drawing.drawing import Drawing

MOST_PIXELS = 10**8


def png(drawing: Drawing, dpi: float) -> bytes:
    """The PNG file (see ``Drawing.png``)."""
    if isinstance(dpi, bool) or not isinstance(dpi, Real) or not (isfinite(dpi) and dpi > 0):
        raise OptionError("dpi", dpi, "a number above 0, as in dpi=192")
    columns, rows = (max(1, round(side * dpi / 96)) for side in (drawing.width, drawing.height))
    if columns * rows > MOST_PIXELS:
        raise TooLargeError(
            f"pixels of {drawing.title}",
            columns * rows,
            MOST_PIXELS,
            "Take a smaller dpi, or draw it as SVG.",
        )
    try:
        import matplotlib.style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties
    except ImportError as error:
        raise MissingLibraryError(
            "matplotlib", "draws PNG files", "pip install matplotlib; SVG files need no library"
        ) from error
    # Unhinted letters are as wide as the layout takes them to be.
    with matplotlib.style.context(["default", {"text.hinting": "none"}]):
        # A hundredth of a pixel keeps rounding from losing one.
        figure = Figure(figsize=((columns + 0.01) / dpi, (rows + 0.01) / dpi), dpi=dpi, facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        font = FontProperties(
            fname=Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"),
        )
        for order, artist in enumerate(_artists(drawing.shapes, 0, 0, font)):
            artist.set_zorder(order)
            axes.add_artist(artist)
        file = BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(file, format="png", dpi="figure", metadata={"Software": None})
    return file.getvalue()


def _artists(shapes: Iterable[Shape], dx: float, dy: float, font: FontProperties) -> Iterable[Artist]:
    """The shapes, moved by (dx, dy), as matplotlib's artists; a CSS pixel is 0.75 of its points."""
    from matplotlib import patches
    from matplotlib.lines import Line2D
    from matplotlib.path import Path as Curve
    from matplotlib.text import Text as Words

    for shape in shapes:
        match shape:
            case Group(inner, at=(x, y)):
                yield from _artists(inner, dx + x, dy + y, font)
            case Line(points, colour, width, curved):
                moved = [(x + dx, y + dy) for x, y in points]
                if curved:
                    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
                    yield patches.PathPatch(
                        Curve(moved, codes), fill=False, edgecolor=colour, linewidth=0.75 * width
                    )
                else:
                    xs, ys = zip(*moved, strict=True)
                    yield Line2D(xs, ys, color=colour, linewidth=0.75 * width, solid_capstyle="butt")
            case Box(x, y, width, height, fill, edge, radius):
                place, line = (x + dx, y + dy), 0.75 if edge else 0
                box: patches.Patch
                if radius:
                    style = f"round,pad=0,rounding_size={radius}"
                    box = patches.FancyBboxPatch(place, width, height, boxstyle=style)
                else:
                    box = patches.Rectangle(place, width, height)
                box.set(facecolor=fill, edgecolor=edge or fill, linewidth=line)
                yield box
            case Disc(x, y, radius, fill):
                yield patches.Circle((x + dx, y + dy), radius, facecolor=fill, linewidth=0)
            case Polygon(points, fill):
                yield patches.Polygon([(x + dx, y + dy) for x, y in points], facecolor=fill, linewidth=0)
            case Text(x, y, text, size, anchor, colour):
                alignment = {"start": "left", "middle": "center", "end": "right"}[anchor]
                yield Words(
                    x + dx,
                    y + dy,
                    text,
                    color=colour,
                    ha=alignment,
                    va="baseline",
                    fontproperties=_sized(font, 0.75 * size),
                    parse_math=False,
                )


def _sized(font: FontProperties, size: float) -> FontProperties:
    font = font.copy()
    font.set_size(size)
    return font
