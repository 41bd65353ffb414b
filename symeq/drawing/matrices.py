"""Matrices: the weights that a layer shares, one colour for every orbit, and the matrix of one operator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from symeq.bases.operators import BasisOperator, OperatorBasis
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import count, ranks_unchecked, renumber, unrank
from symeq.drawing.colours import DIFFERENT, TOLD_BY_COLOUR, colours, greys, ink_on
from symeq.drawing.drawing import Drawing
from symeq.drawing.shapes import FAINT, INK, PALE, PAPER, Box, Group, Shape, Sketch, Text, spelled, text_width
from symeq.errors import TooLargeError
from symeq.signature import Signature, Sizes, Spec

MOST_LINES = 64
"""A matrix with more rows or more columns is not drawn: its entries could not be told apart."""

MOST_ORBITS = DIFFERENT
"""A weight-sharing matrix with more orbits is not drawn: numbers and colours would not be found again."""

MOST_AXES = 32
"""The matrix of a signature with more axes is not drawn, however small."""

_MARGIN = 16.0
_COMFORTABLE = 32


def default_sizes(signature: Signature) -> dict[str, int]:
    """The same size for all index sets: the largest with at most 32 rows and columns, but at least 2.

    No larger than the axes are many (or 3): with so many elements every orbit shows.
    """
    most = max([3, *(signature.positions.count(name) for name in signature.index_sets)])
    return dict.fromkeys(signature.index_sets, max(2, largest_size(signature, _COMFORTABLE, most)))


def largest_size(signature: Signature, lines: int, most: int = MOST_LINES) -> int:
    """The largest size up to ``most``, the same for all index sets, with at most so many rows and columns."""
    orders = max(signature.order_in, signature.order_out)
    return max(n for n in range(most + 1) if n**orders <= lines)


def in_words(sizes: dict[str, int]) -> str:
    """The sizes as text.

    >>> in_words({"u": 3, "i": 4})
    'u = 3, i = 4'
    """
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def weight_sharing(spec: Spec, n: Sizes | None = None, numbers: bool = True) -> Drawing:
    """The matrix of any equivariant map, with one colour for the entries that share a weight.

    Rows are output indices, columns input indices, in C order, both written at the edge; the number in a cell
    is the slot of its orbit. Beside it stands the bias, a column of output indices with slots of its own, and
    a legend of the orbits that show at these sizes.

    Args:
        n: the size of every index set, an int or a dict; left out, as large as it takes to show every orbit
            but for at most 32 rows and columns.
        numbers: whether slots are written into the cells.

    Raises:
        SignatureError, SizeError: ``spec`` or ``n`` cannot be used.
        TooLargeError: more than 64 rows or columns, 32 axes or 240 orbits; or more than 15 orbits without
            numbers, which colours alone do not tell apart.
    """
    signature = Signature.of(spec)
    sizes = default_sizes(signature) if n is None else signature.sizes(n)
    _refuse_lines(signature, sizes)
    dimension = OperatorBasis(signature, "orbit").dimension(sizes)
    if dimension > MOST_ORBITS:
        raise TooLargeError(
            f"orbits of {spelled(signature)} for {in_words(sizes)}",
            dimension,
            MOST_ORBITS,
            "Take smaller sizes.",
        )
    if dimension > TOLD_BY_COLOUR and not numbers:
        raise TooLargeError(
            "orbits to tell apart by colour alone", dimension, TOLD_BY_COLOUR, "Leave numbers=True."
        )
    outputs = Signature((), signature.outputs)
    slots, bias = slot_matrix(signature, sizes), slot_matrix(outputs, sizes)
    tints, shades = _tints(slots, count(signature.positions)), _greys(bias, count(signature.outputs))

    widest = max((text_width(str(slot), 8.5) for slot in tints), default=0) + 5
    cell = max(widest, 17.0) if numbers else 14.0
    rows = _places(sizes, signature.outputs, cell)
    columns = _places(sizes, signature.inputs, cell)
    column_of_bias = Sketch(
        tuple(_cells(bias, shades, rows, [0.0], cell, numbers, round_=True)), cell, _extent(rows, cell)
    )
    matrix = Sketch(
        tuple(_cells(slots, tints, rows, columns, cell, numbers)), _extent(columns, cell), _extent(rows, cell)
    )
    left = _MARGIN + 9 * signature.order_out + 8
    heading = f"One colour per orbit of {spelled(signature)}" + (f", {in_words(sizes)}" if sizes else "")
    top = _MARGIN + 36 + 11.0 * signature.order_in
    shapes: list[Shape] = [
        Text(_MARGIN, _MARGIN + 14, heading, 14),
        *_edge_labels(sizes, signature.outputs, rows, cell, left - 8, top, across=False),
        *_edge_labels(sizes, signature.inputs, columns, cell, left, top - 6, across=True),
        matrix.at(
            left, top, "matrix", title=f"rows: output indices, columns: input indices of {spelled(signature)}"
        ),
    ]
    x = left + matrix.width + 22
    shapes.append(Text(x + cell / 2, top - 6, "bias", 9, "middle", FAINT))
    shapes.append(column_of_bias.at(x, top, "bias", title="the bias, by output indices"))
    legend = _legend(signature, tints, shades, max(matrix.height, 16 * 16))
    x += max(cell, text_width("bias", 9)) + 28
    shapes.append(legend.at(x, top, "legend"))
    width = max(x + legend.width, _MARGIN + text_width(heading, 14)) + _MARGIN
    height = top + max(matrix.height, legend.height) + _MARGIN
    return Drawing(f"the weights shared by {spelled(signature)}", width, height, tuple(shapes))


def slot_matrix(signature: Signature, sizes: dict[str, int]) -> npt.NDArray[np.int64]:
    """The slot of the orbit of every matrix entry: (product of output sizes, product of input sizes)."""
    sets = signature.positions
    shape = [sizes[name] for name in sets]
    strings = [renumber(zip(sets, index, strict=True)) for index in product(*map(range, shape))]
    table = np.array(strings, dtype=np.int64).reshape(len(strings), len(sets))
    k = signature.order_in
    slots: npt.NDArray[np.int64] = ranks_unchecked(table, sets).reshape(prod(shape[:k]), prod(shape[k:])).T
    return slots


def dense_sketch(op: BasisOperator, sizes: dict[str, int], cell: float = 10) -> Sketch:
    """The operator's matrix, dark where it has ones, without labels.

    Raises:
        TooLargeError: more than 64 rows or columns.
    """
    _refuse_lines(op.signature, sizes)
    rows = _places(sizes, op.signature.outputs, cell)
    columns = _places(sizes, op.signature.inputs, cell)
    shapes = [
        Box(x + 0.5, y + 0.5, cell - 1, cell - 1, INK if entry else PALE)
        for y, line in zip(rows, op.matrix(sizes).tolist(), strict=True)
        for x, entry in zip(columns, line, strict=True)
    ]
    return Sketch(tuple(shapes), _extent(columns, cell), _extent(rows, cell))


def _refuse_lines(signature: Signature, sizes: dict[str, int]) -> None:
    lines = max(prod(sizes[name] for name in side) for side in (signature.inputs, signature.outputs))
    if (axes := len(signature.positions)) > MOST_AXES:
        raise TooLargeError(
            f"axes of a matrix of {spelled(signature)}", axes, MOST_AXES, "Draw a matrix of lower orders."
        )
    if lines > MOST_LINES:
        fitting = largest_size(signature, MOST_LINES)
        raise TooLargeError(
            f"rows or columns of a matrix of {spelled(signature)} for {in_words(sizes)}",
            lines,
            MOST_LINES,
            f"Sizes up to {fitting} can be drawn; the sheet of diagrams needs no size.",
        )


def _tints(slots: npt.NDArray[np.int64], number: int) -> dict[int, str]:
    """The colour of every slot that shows: by its place among all slots where these are few enough."""
    shown = [int(slot) for slot in np.unique(slots)]
    if number <= MOST_ORBITS:
        listed = colours(number)
        return {slot: listed[slot] for slot in shown}
    return dict(zip(shown, colours(len(shown)), strict=True))


def _greys(slots: npt.NDArray[np.int64], number: int) -> dict[int, str]:
    listed = greys(number)
    return {int(slot): listed[slot] for slot in np.unique(slots)}


def _places(sizes: dict[str, int], sets: Sequence[str], cell: float) -> list[float]:
    """Where each index tuple lies, in C order, with a little room wherever the first index changes."""
    shape = [sizes[name] for name in sets]
    apart = 4.0 if len(sets) > 1 else 0.0
    return [at * cell + apart * (at // prod(shape[1:])) for at in range(prod(shape))]


def _extent(places: Sequence[float], cell: float) -> float:
    return places[-1] + cell if places else 0.0


def _cells(
    slots: npt.NDArray[np.int64],
    tints: dict[int, str],
    rows: Sequence[float],
    columns: Sequence[float],
    cell: float,
    numbers: bool,
    round_: bool = False,
) -> list[Shape]:
    found: list[Shape] = []
    for y, line in zip(rows, slots.tolist(), strict=True):
        for x, slot in zip(columns, line, strict=True):
            found.append(
                Box(
                    x + 0.5,
                    y + 0.5,
                    cell - 1,
                    cell - 1,
                    tints[slot],
                    PAPER,
                    radius=(cell - 1) / 2 if round_ else 0,
                )
            )
            if numbers:
                found.append(_number_in(x + cell / 2, y + cell / 2, slot, tints[slot]))
    return found


def _number_in(x: float, y: float, slot: int, tint: str) -> Text:
    return Text(x, y + 3, str(slot), 8.5, "middle", ink_on(tint))


def _edge_labels(
    sizes: dict[str, int],
    sets: Sequence[str],
    places: Sequence[float],
    cell: float,
    x: float,
    y: float,
    across: bool,
) -> list[Shape]:
    """The index tuple of every row (ending at x, first at y), or of every column (the reverse)."""
    found: list[Shape] = []
    tuples = product(*(range(sizes[name]) for name in sets))
    for place, index in zip(places, tuples, strict=True):
        for axis, value in enumerate(index):
            back = len(index) - 1 - axis
            if across:
                at = (x + place + cell / 2, y - 11 * back)
            else:
                at = (x - 9 * back - 3, y + place + cell / 2 + 3)
            found.append(Text(*at, str(value), 8, "middle", FAINT))
    return found


def _legend(signature: Signature, tints: dict[int, str], shades: dict[int, str], height: float) -> Sketch:
    """Chip, slot and diagram of every orbit that shows, in columns of at most this height; then the bias."""
    entries: list[tuple[int, str, PartitionDiagram, bool]] = []
    for own, chips, is_bias in ((signature, tints, False), (Signature((), signature.outputs), shades, True)):
        for slot, tint in chips.items():
            diagram = PartitionDiagram(unrank(slot, own.positions), own.order_in, own.positions)
            entries.append((slot, tint, diagram, is_bias))
    labels = [
        f"bias {diagram.draw().strip()}" if is_bias else diagram.draw() for _, _, diagram, is_bias in entries
    ]
    line = 16.0
    chip = max((text_width(str(slot), 8.5) for slot, *_ in entries), default=0) + 6
    wide = chip + 8 + max((text_width(label, 10) for label in labels), default=0) + 18
    deep = max(1, int(height // line))
    shapes: list[Shape] = []
    for at, ((slot, tint, _, is_bias), label) in enumerate(zip(entries, labels, strict=True)):
        x, y = wide * (at // deep), line * (at % deep)
        box = Box(x, y + 1, chip, line - 3, tint, radius=(line - 3) / 2 if is_bias else 0)
        number = _number_in(x + chip / 2, y + line / 2, slot, tint)
        entry = (box, number, Text(x + chip + 8, y + line / 2 + 3.5, label, 10))
        shapes.append(Group(entry, "bias-orbit" if is_bias else "orbit", str(slot)))
    columns = -(-len(entries) // deep)
    return Sketch(tuple(shapes), wide * columns, line * min(len(entries), deep))
