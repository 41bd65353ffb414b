"""Partition diagrams: one, one with its operator's matrix, and a sheet of a whole basis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from math import ceil, cos, pi, sin, sqrt
from operator import length_hint

from symeq.bases.derive import derive
from symeq.bases.operators import BasisOperator, OperatorBasis
from symeq.combinatorics.diagrams import Block, PartitionDiagram
from symeq.drawing.colours import DIFFERENT, colours
from symeq.drawing.drawing import Drawing
from symeq.drawing.matrices import default_sizes, dense_sketch, in_words
from symeq.drawing.shapes import (
    FAINT,
    INK,
    PALE,
    Box,
    Disc,
    Group,
    Line,
    Point,
    Polygon,
    Shape,
    Sketch,
    Text,
    paragraph,
    shortened,
    spelled,
    text_width,
)
from symeq.errors import OptionError, TooLargeError
from symeq.signature import Signature, Sizes, Spec

MOST_AXES_ABREAST = 40
"""A diagram with more axes on one side is not drawn."""

MOST_PANELS = DIFFERENT
"""A sheet of more operators is not drawn: the 203 of 3 -> 3 fill a poster."""

_ORBITS = (
    "An orbit operator does what its words say where different blocks of an index set have different "
    "indices, and nothing elsewhere."
)
_STEP, _GAP, _DOT = 30.0, 46.0, 4.5
_MARGIN = 16.0


def diagram(what: PartitionDiagram) -> Drawing:
    """The diagram: inputs above, outputs below, dots of one block joined; its text and words beneath.

    A dot's shape and colour tell its index set, where there are several; their names stand beside the dots.

    Raises:
        TooLargeError: more than 40 axes on one side.
    """
    picture = diagram_sketch(what)
    labels = 48.0
    width = max(picture.width + 2 * labels, 260.0)
    left, top = (width - picture.width) / 2, _MARGIN
    rows = _rows(what, len(set(what.sets)) > 1)
    shapes: list[Shape] = [picture.at(left, top)]
    for y, side, order in zip(rows, ("inputs", "outputs"), (what.order_in, what.order_out), strict=True):
        if order:
            shapes.append(Text(left - 8, top + y + 4, side, 10, "end", FAINT))
    y = top + picture.height + 8
    lines = [Text(width / 2, y + 12, what.draw(), 12, "middle")]
    lines += _centred(paragraph(what.words(), 10.5, width - 2 * _MARGIN, y=y + 20), width / 2)
    shapes += lines
    return Drawing(
        f"the partition diagram {what.draw()}", width, max(line.y for line in lines) + _MARGIN, tuple(shapes)
    )


def operator(what: BasisOperator, n: Sizes | None = None) -> Drawing:
    """The operator: its diagram beside its matrix of zeros and ones for index sets of size n.

    Left out, n is the largest that shows all blocks apart and leaves at most 32 rows and 32 columns.

    Raises:
        SizeError: sizes that do not fit the signature.
        TooLargeError: more than 40 axes on one side, or more than 64 rows or columns.
    """
    signature = what.signature
    sizes = default_sizes(signature) if n is None else signature.sizes(n)
    pair = _beside(diagram_sketch(what.diagram), dense_sketch(what, sizes), 40)
    width = max(pair.width + 2 * _MARGIN, 320.0)
    heading = f"{what.kind.capitalize()} operator of slot {what.slot}: {what.diagram.draw().strip()}"
    where = "inside blocks" + (" and different across" if what.kind == "orbit" else "")
    remark = f"Ones where indices are equal {where}" + (f"; {in_words(sizes)}" if sizes else "")
    lines = list(paragraph(heading, 12, width - 2 * _MARGIN, _MARGIN, _MARGIN))
    lines += paragraph(remark, 10, width - 2 * _MARGIN, _MARGIN, lines[-1].y + 6)
    top = lines[-1].y + _MARGIN
    title = f"the {what.kind} operator {what.diagram.draw()} of {spelled(signature)}"
    shapes: tuple[Shape, ...] = (*lines, pair.at((width - pair.width) / 2, top))
    return Drawing(title, width, top + pair.height + _MARGIN, shapes)


def _beside(picture: Sketch, matrix: Sketch, gap: float) -> Sketch:
    height = max(picture.height, matrix.height)
    left = picture.at(0, (height - picture.height) / 2, "diagram")
    right = matrix.at(picture.width + gap, (height - matrix.height) / 2, "matrix")
    return Sketch((left, right), picture.width + gap + matrix.width, height)


def sheet(
    what: OperatorBasis | Spec,
    slots: Iterable[int] | None = None,
    n: Sizes | None = None,
) -> Drawing:
    """All operators of a basis: slot, restricted growth string, diagram and words of each; then the bias.

    The chip beside a slot has the colour that ``weight_sharing`` gives it. A spec means its diagram basis.

    Args:
        slots: only these, and no bias; of an iterator no more than 241 are taken.
        n: also the matrix of each for index sets of this size (as in Maron et al. 2019, figure 1).

    Raises:
        SignatureError, SizeError, OptionError: ``what``, ``n`` or ``slots`` cannot be used.
        TooLargeError: more than 240 operators, those of the bias counted; more than 40 axes on one side;
            more than 64 rows or columns.
    """
    basis = what if isinstance(what, OperatorBasis) else derive(what, "diagram")
    signature, sets = basis.signature, basis.signature.index_sets
    bias = OperatorBasis(Signature((), signature.outputs), basis.kind)
    if slots is None:
        refuse_panels(basis.count, signature, bias.count)
        chosen: Sequence[BasisOperator] = basis[:]
    else:
        wanted = list(islice(slots, MOST_PANELS + 1))
        refuse_panels(max(len(wanted), length_hint(slots)), signature)
        for slot in wanted:
            if not hasattr(slot, "__index__") or not 0 <= slot < basis.count:
                raise OptionError("slots", slot, f"integers from 0 to {basis.count - 1}")
        chosen = [basis[slot] for slot in wanted]
    sizes = None if n is None else signature.sizes(n)
    tints = colours(basis.count) if basis.count <= MOST_PANELS else ()
    panels = [_Panel(op, sets, tints[op.slot] if tints else None, sizes) for op in chosen]
    part = "" if slots is None else f": {len(chosen)} of them"
    noun = "operator" if basis.count == 1 else "operators"
    at = f"; matrices for {in_words(sizes)}" if sizes else ""
    heading = f"{basis.count} {noun} of the {basis.kind} basis of {spelled(signature)}{part}{at}"
    remark = _ORBITS if basis.kind == "orbit" else ""
    sections = [(heading, remark, "operator", panels)]
    if slots is None:
        own = None if sizes is None else {name: sizes[name] for name in bias.signature.index_sets}
        sections.append(("Bias", "", "bias", [_Panel(op, sets, None, own) for op in bias]))
    return _arranged(f"the operators of {spelled(signature)}", sections)


def refuse_panels(operators: int, signature: Signature, bias: int = 0) -> None:
    """Raises ``TooLargeError`` for a sheet of more operators than can be read, those of the bias counted."""
    if operators + bias > MOST_PANELS:
        parts = f" ({operators} operators and {bias} of the bias)" if bias else ""
        raise TooLargeError(
            f"diagrams on one sheet for {spelled(signature)}{parts}",
            operators + bias,
            MOST_PANELS,
            "Draw some: --limit 100 on the command line, or symeq.drawing.sheet(basis, slots=range(100)).",
        )


class _Panel:
    """One operator of a sheet: chip and slot, restricted growth string, diagram (and matrix), words."""

    def __init__(
        self, op: BasisOperator, sets: tuple[str, ...], tint: str | None, sizes: dict[str, int] | None
    ) -> None:
        self.op, self.tint = op, tint
        picture = diagram_sketch(op.diagram, sets)
        self.body = picture if sizes is None else _beside(picture, dense_sketch(op, sizes, cell=5), 20)
        head = 40 + text_width(str(op.slot), 12) + text_width(str(op.rgs), 9.5)
        self.width = max(self.body.width + 20, head, 168.0)

    def sketch(self, width: float) -> Sketch:
        """The panel, so wide."""
        op, body = self.op, self.body
        shapes: list[Shape] = [Group((Box(10, 9, 11, 11, self.tint),), "chip")] if self.tint else []
        shapes.append(Text(26 if self.tint else 10, 19, str(op.slot), 12))
        shapes.append(Text(width - 10, 19, str(op.rgs), 9.5, "end", FAINT))
        shapes.append(body.at((width - body.width) / 2, 30, "picture"))
        words = list(paragraph(op.diagram.words(), 8.5, width - 20, 10, 36 + body.height))
        return Sketch((*shapes, *words), width, words[-1].y + 10)


def _arranged(title: str, sections: Sequence[tuple[str, str, str, Sequence[_Panel]]]) -> Drawing:
    """Panels in rows, the same number in each row, near to the shape of a page on its side."""
    listed = [panel for *_, panels in sections for panel in panels]
    width = max((panel.width for panel in listed), default=168.0) + 8
    sketches = {panel: panel.sketch(width - 8) for panel in listed}
    area = sum(width * (sketch.height + 8) for sketch in sketches.values())
    columns = max(1, ceil(sqrt(area * sqrt(2)) / width))
    least = max(text_width(heading, 15) for heading, *_ in sections)
    page = max(min(columns, len(listed)) * width, least) + 2 * _MARGIN
    shapes: list[Shape] = []
    y = _MARGIN
    for heading, remark, kind, panels in sections:
        shapes.append(Text(_MARGIN, y + 15, heading, 15))
        lines = list(paragraph(remark, 10, page - 2 * _MARGIN, _MARGIN, y + 24))
        shapes += lines
        y += 28 + 13 * len(lines)
        for start in range(0, len(panels), columns):
            row = panels[start : start + columns]
            high = max(sketches[panel].height for panel in row)
            for at, panel in enumerate(row):
                inside = sketches[panel]
                frame = Box(0, 0, width - 8, high, edge=PALE, radius=4)
                op = panel.op
                shapes.append(
                    Group(
                        (frame, *inside.shapes),
                        kind,
                        str(op.rgs),
                        f"slot {op.slot}: {op.diagram.words()}",
                        (_MARGIN + at * width + 4, y + 4),
                    )
                )
            y += high + 8
        y += 12
    return Drawing(title, page, y - 12 + _MARGIN, tuple(shapes))


# ---------------------------------------------------------------- the diagram itself


def diagram_sketch(what: PartitionDiagram, sets: tuple[str, ...] = ()) -> Sketch:
    """Dots and connections alone; every block is a group named by its positions.

    ``sets`` lists the index sets that dots tell apart; left out, they are those of the diagram.

    Raises:
        TooLargeError: more than 40 axes on one side.
    """
    if (widest := max(what.order_in, what.order_out)) > MOST_AXES_ABREAST:
        raise TooLargeError(
            "axes on one side of a diagram",
            widest,
            MOST_AXES_ABREAST,
            "diagram.draw() and diagram.words() give it as text.",
        )
    sets = sets or tuple(dict.fromkeys(what.sets))
    named = len(sets) > 1
    step = max(_STEP, 12 + max((text_width(_name(name), 9) for name in sets), default=0)) if named else _STEP
    rows = _rows(what, named)
    places = [
        ((axis + 0.5) * step, rows[side])
        for side, order in enumerate((what.order_in, what.order_out))
        for axis in range(order)
    ]
    shapes = [
        Group(tuple(_block(what, block, places, sets)), "block", " ".join(map(str, block)))
        for block in what.partition.blocks
    ]
    names: list[Shape] = []
    if named:
        for position, (x, y) in enumerate(places):
            below = 18.0 if position >= what.order_in else -11.0
            names.append(Text(x, y + below, _name(what.sets[position]), 9, "middle", FAINT))
    width = max(what.order_in, what.order_out, 1) * step
    height = rows[1] + rows[0] if what.order_in and what.order_out else 2 * max(rows)
    return Sketch((*shapes, *names), width, height)


def _rows(what: PartitionDiagram, named: bool) -> tuple[float, float]:
    """The heights of the inputs and of the outputs; a side without axes takes no room."""
    edge = 22.0 if named else 10.0
    if what.order_in and what.order_out:
        return edge, edge + _GAP
    return edge + 6, edge + 6


def _name(name: str) -> str:
    return shortened(name, 9, 60)


def _block(
    what: PartitionDiagram, block: Block, places: Sequence[Point], sets: tuple[str, ...]
) -> Iterator[Shape]:
    inputs = [p for p in block if p < what.order_in]
    outputs = [p for p in block if p >= what.order_in]
    for side, inwards in ((inputs, 1), (outputs, -1)):
        for p, q in pairwise(side):
            (x, y), (end, _) = places[p], places[q]
            depth = inwards * min(8 + 0.22 * (end - x), 0.62 * _GAP)
            yield Line(((x, y), (x, y + depth), (end, y + depth), (end, y)), width=1.8, curved=True)
    if inputs and outputs:
        nearest = min(
            ((p, q) for p in inputs for q in outputs),
            key=lambda pair: (abs(places[pair[0]][0] - places[pair[1]][0]), pair),
        )
        yield Line((places[nearest[0]], places[nearest[1]]), width=1.8)
    at = sets.index(what.sets[block[0]])
    fill = INK if len(sets) == 1 else ("#0072b2", "#d55e00", "#009e73", "#000000", "#cc79a7")[at % 5]
    for position in block:
        yield _dot(*places[position], at, fill)


def _dot(x: float, y: float, at: int, fill: str) -> Shape:
    """The dot of the index set numbered ``at``: a disc, then polygons of more and more corners."""
    if at == 0:
        return Disc(x, y, _DOT, fill)
    corners = (4, 3, 5, 6, 7, 8)[(at - 1) % 6]
    turn = pi / 4 if corners == 4 else -pi / 2
    radius = 1.25 * _DOT
    angles = (turn + 2 * pi * corner / corners for corner in range(corners))
    return Polygon(tuple((x + radius * cos(angle), y + radius * sin(angle)) for angle in angles), fill)


def _centred(lines: Iterable[Text], x: float) -> list[Text]:
    return [Text(x, line.y, line.text, line.size, "middle", line.colour) for line in lines]
