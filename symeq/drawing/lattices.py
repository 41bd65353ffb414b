"""The refinement lattice: its Hasse diagram, the coarsest set partition on top."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from operator import index
from typing import SupportsIndex

from symeq.combinatorics.lattice import moebius as moebius_function
from symeq.combinatorics.partitions import SetPartition, check_rgs, count, rank, set_partitions
from symeq.drawing.colours import DIFFERENT, colours
from symeq.drawing.drawing import Drawing
from symeq.drawing.shapes import FAINT, PAPER, Box, Group, Line, Shape, Text, spelled, text_width
from symeq.errors import OptionError, TooLargeError
from symeq.signature import Signature, Spec

MOST_NODES = 64
"""A lattice of more set partitions is not drawn: 5 elements have 52, 6 have 203."""

MOST_ELEMENTS = 40
"""A lattice over more elements is not drawn, not even a small part of it."""

_MARGIN = 16.0
_HEIGHT = 32.0


def lattice(
    what: int | Spec, moebius: bool = False, above: SetPartition | Iterable[int] | None = None
) -> Drawing:
    """The set partitions of m elements, or of the positions of a signature, by refinement.

    A line leads from a set partition up to each that merges two of its blocks; a row has as many blocks
    each. Nodes are named by their blocks, as in 02|1, and by their slot; the strip at their edge has the
    colour that ``weight_sharing`` gives the slot.

    Args:
        what: m, or a signature, whose blocks stay inside one index set.
        moebius: also the value mu(g, d) at every node d, g being the finest one drawn. These are the
            coefficients of the orbit operator of g in the diagram basis.
        above: draw only the set partitions that this one refines; with ``what`` alone it is the finest.

    Raises:
        SignatureError, OptionError: ``what`` is no spec and no integer >= 0.
        InvalidPartitionError: ``above`` is no set partition of these positions.
        TooLargeError: more than 64 set partitions, or more than 40 elements.
    """
    sets, subject = _positions(what)
    rgs = above.rgs if isinstance(above, SetPartition) else above
    finest = tuple(range(len(sets))) if rgs is None else check_rgs(rgs, sets)
    owners = [sets[finest.index(block)] for block in range(max(finest, default=-1) + 1)]
    if (number := count(owners)) > MOST_NODES:
        raise TooLargeError(
            f"set partitions in the lattice of {subject}",
            number,
            MOST_NODES,
            "symeq.drawing.lattice(5) has 52; lattice(..., above=rgs) draws what a set partition refines.",
        )
    nodes = [
        SetPartition.from_labels(merger.rgs[block] for block in finest) for merger in set_partitions(owners)
    ]
    edges = covers(nodes, sets)
    rows = _ordered(nodes, edges)
    bottom = SetPartition(finest)
    total = count(sets)
    tints = colours(total) if total <= DIFFERENT else ()

    def lines(node: SetPartition) -> tuple[str, str]:
        slot = f"slot {rank(node.rgs, sets)}"
        return _name(node), f"{slot}, μ = {moebius_function(bottom, node)}" if moebius else slot

    texts = {node: lines(node) for node in nodes}
    width = max(max(text_width(a, 11), text_width(b, 8.5)) for a, b in texts.values()) + 22
    widest = max(map(len, rows))
    noun = "set partition" if len(nodes) == 1 else "set partitions"
    heading = f"Refinement lattice of {subject}: {len(nodes)} {noun}, coarse above fine"
    if rgs is not None:
        heading += f", from {_name(bottom)} up"
    page = max(widest * (width + 14), text_width(heading, 13)) + 2 * _MARGIN
    pitch = _HEIGHT + max(34.0, min(130.0, 0.11 * page))
    places = {
        node: (page / 2 + (at - (len(row) - 1) / 2) * (width + 14), _MARGIN + 34 + level * pitch)
        for level, row in enumerate(rows)
        for at, node in enumerate(row)
    }
    shapes: list[Shape] = [Text(_MARGIN, _MARGIN + 12, heading, 13)]
    for fine, coarse in edges:
        (x, y), (end, top) = places[fine], places[coarse]
        line = Line(((x, y), (end, top + _HEIGHT)), FAINT, 0.9)
        shapes.append(Group((line,), "cover", f"{_name(fine)} {_name(coarse)}"))
    for node, (x, y) in places.items():
        name, below = texts[node]
        tint = tints[rank(node.rgs, sets)] if tints else PAPER
        parts = (
            Box(x - width / 2, y, width, _HEIGHT, edge=FAINT),
            Box(x - width / 2, y, 6, _HEIGHT, tint),
            Text(x + 3, y + 14, name, 11, "middle"),
            Text(x + 3, y + 26, below, 8.5, "middle", FAINT),
        )
        shapes.append(Group(parts, "set-partition", name, str(node)))
    height = _MARGIN + 34 + (len(rows) - 1) * pitch + _HEIGHT + _MARGIN
    return Drawing(f"the refinement lattice of {subject}", page, height, tuple(shapes))


def _positions(what: int | Spec) -> tuple[tuple[str, ...], str]:
    if isinstance(what, SupportsIndex):
        m = index(what)
        if isinstance(what, bool) or m < 0:
            raise OptionError("what", what, "a signature, or an integer >= 0")
        _refuse_elements(m)
        return ("n",) * m, f"{m} element{'' if m == 1 else 's'}"
    signature = Signature.of(what)
    _refuse_elements(len(signature.positions))
    return signature.positions, spelled(signature)


def _refuse_elements(m: int) -> None:
    if m > MOST_ELEMENTS:
        raise TooLargeError("elements of a lattice", m, MOST_ELEMENTS, "lattice(5) can be drawn.")


def _name(node: SetPartition) -> str:
    """The blocks of a set partition, such as 02|1; from 10 elements on with commas."""
    comma = "" if node.size <= 10 else ","
    return "|".join(comma.join(map(str, block)) for block in node.blocks) or "{}"


def covers(nodes: Sequence[SetPartition], sets: Sequence[str]) -> list[tuple[SetPartition, SetPartition]]:
    """The pairs (finer, coarser) of which the coarser merges two blocks of one index set, in order."""
    pairs = []
    for node in nodes:
        for first, second in combinations(node.blocks, 2):
            if sets[first[0]] == sets[second[0]]:
                a, b = node.rgs[first[0]], node.rgs[second[0]]
                pairs.append(
                    (node, SetPartition.from_labels(a if block == b else block for block in node.rgs))
                )
    return pairs


def _ordered(
    nodes: Sequence[SetPartition], edges: Iterable[tuple[SetPartition, SetPartition]]
) -> list[list[SetPartition]]:
    """The nodes in rows by their number of blocks, each row arranged so that fewer lines cross.

    Barycentres, up and down: a node goes to the mean place of its neighbours in the row before (Sugiyama,
    Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system structures").
    """
    by_blocks: dict[int, list[SetPartition]] = defaultdict(list)
    for node in nodes:
        by_blocks[len(node)].append(node)
    rows = [by_blocks[blocks] for blocks in sorted(by_blocks)]
    neighbours: dict[SetPartition, list[SetPartition]] = defaultdict(list)
    for fine, coarse in edges:
        neighbours[fine].append(coarse)
        neighbours[coarse].append(fine)
    for _ in range(4):
        for order in (range(1, len(rows)), range(len(rows) - 2, -1, -1)):
            for at in order:
                before = rows[at - 1] if order.step == 1 else rows[at + 1]
                place = {node: (index + 0.5) / len(before) for index, node in enumerate(before)}
                rows[at] = sorted(rows[at], key=lambda node: (_mean(neighbours[node], place), node))
    return rows


def _mean(nodes: Iterable[SetPartition], place: Mapping[SetPartition, float]) -> float:
    found = [place[node] for node in nodes if node in place]
    return round(sum(found) / len(found), 9) if found else 0.0
