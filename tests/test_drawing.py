"""Pictures: that they show what they should, read back from the SVG, and that they can be read."""

from __future__ import annotations

import itertools
import math
import os
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symeq
from oracles import set_partitions
from strategies import restricted_growth, signatures
from symeq import drawing
from symeq.bases.derive import derive
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.lattice import moebius
from symeq.combinatorics.partitions import SetPartition
from symeq.drawing import Drawing
from symeq.drawing.colours import TOLD_BY_COLOUR, colours, greys, ink_on
from symeq.drawing.gallery import gallery
from symeq.drawing.shapes import Disc, Text, text_width, wrapped
from symeq.errors import (
    InvalidPartitionError,
    OptionError,
    OutputError,
    SizeError,
    SymeqError,
    TooLargeError,
)
from symeq.plans.lower import lower

# ---------------------------------------------------------------- reading an SVG back

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Mark:
    """One element of an SVG with the classes and names of the groups around it, and where it stands."""

    tag: str
    attributes: dict[str, str]
    text: str
    groups: tuple[tuple[str, str], ...]
    dx: float
    dy: float

    def number(self, key: str) -> float:
        """A numeric attribute; 0 if it is missing."""
        return float(self.attributes.get(key, "0"))

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points of a line, a curve or a polygon, on the page."""
        given = self.attributes.get("points") or self.attributes["d"].replace("M", "").replace("C", "")
        pairs = [tuple(map(float, pair.split(","))) for pair in given.split()]
        return [(x + self.dx, y + self.dy) for x, y in pairs]

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of a dot or a box."""
        if self.tag == "circle":
            return self.number("cx") + self.dx, self.number("cy") + self.dy
        if self.tag == "polygon":
            xs, ys = zip(*self.points, strict=True)
            return sum(xs) / len(xs), sum(ys) / len(ys)
        return (
            self.number("x") + self.number("width") / 2 + self.dx,
            self.number("y") + self.number("height") / 2 + self.dy,
        )

    def name(self, kind: str) -> str | None:
        """The name of the group of this class that the element lies in, if any."""
        return dict(self.groups).get(kind)


def marks(svg: str) -> list[Mark]:
    """Every drawn element of an SVG document, moves of groups added up."""

    def visit(node: ET.Element, groups: tuple[tuple[str, str], ...], dx: float, dy: float) -> Iterator[Mark]:
        for child in node:
            tag = child.tag.removeprefix(SVG)
            if tag == "g":
                move = child.get("transform", "translate(0,0)").removeprefix("translate(").rstrip(")")
                x, y = map(float, move.split(","))
                kind = child.get("class")
                inner = (*groups, (kind, child.get("data-name", ""))) if kind else groups
                yield from visit(child, inner, dx + x, dy + y)
            elif tag != "title":
                yield Mark(tag, dict(child.attrib), child.text or "", groups, dx, dy)

    return list(visit(ET.fromstring(svg), (), 0, 0))


def named(found: list[Mark], kind: str) -> dict[str, list[Mark]]:
    """The elements inside groups of a class, by the group's name."""
    groups: dict[str, list[Mark]] = defaultdict(list)
    for mark in found:
        if (name := mark.name(kind)) is not None:
            groups[name].append(mark)
    return groups


def blocks_drawn(found: list[Mark], order_in: int, order_out: int) -> set[frozenset[int]]:
    """The blocks of a drawn diagram, from dots and the ends of lines alone.

    Dots are numbered along the rows, the upper row first; dots that a line joins lie in one block.
    """
    dots = [mark.centre for mark in found if mark.tag in ("circle", "polygon")]
    rows = sorted({round(y, 1) for _, y in dots})
    assert len(dots) == order_in + order_out and len(rows) == (order_in > 0) + (order_out > 0)
    dots.sort(key=lambda dot: (round(dot[1], 1), dot[0]))
    assert [round(y, 1) for _, y in dots].count(rows[0] if rows else 0) == (order_in or order_out)
    parent = list(range(len(dots)))

    def root(at: int) -> int:
        return at if parent[at] == at else root(parent[at])

    def dot_at(point: tuple[float, float]) -> int:
        (at,) = (at for at, dot in enumerate(dots) if math.dist(dot, point) < 1)
        return at

    for mark in found:
        if mark.tag in ("polyline", "path"):
            parent[root(dot_at(mark.points[0]))] = root(dot_at(mark.points[-1]))
    groups: dict[int, set[int]] = defaultdict(set)
    for at in range(len(dots)):
        groups[root(at)].add(at)
    return {frozenset(group) for group in groups.values()}


def blocks_of(rgs: tuple[int, ...]) -> set[frozenset[int]]:
    """The blocks that a restricted growth string means."""
    return {frozenset(at for at, other in enumerate(rgs) if other == label) for label in rgs}


# ---------------------------------------------------------------- diagrams


@st.composite
def diagrams(draw: st.DrawFn) -> PartitionDiagram:
    """A diagram over up to three index sets."""
    signature = draw(signatures(max_positions=9))
    rgs = draw(restricted_growth(signature.positions))
    return PartitionDiagram(rgs, signature.order_in, signature.positions)


@given(diagrams())
def test_lines_of_a_diagram_join_its_blocks(diagram: PartitionDiagram) -> None:
    """Dots that hang together are the blocks, and no line is more than is needed for that."""
    found = marks(drawing.diagram(diagram).svg())
    assert blocks_drawn(found, diagram.order_in, diagram.order_out) == blocks_of(diagram.rgs)
    lines = sum(mark.tag in ("polyline", "path") for mark in found)
    assert lines == len(diagram.rgs) - len(set(diagram.rgs))
    texts = [mark.text for mark in found if mark.tag == "text"]
    assert diagram.draw() in texts and diagram.words() in " ".join(texts)


@given(diagrams())
def test_dots_tell_index_sets_apart(diagram: PartitionDiagram) -> None:
    """Dots of one index set have one shape and colour, different from those of the others."""
    found = marks(drawing.diagram(diagram).svg())
    dots = [mark for mark in found if mark.tag in ("circle", "polygon")]
    dots.sort(key=lambda mark: (round(mark.centre[1], 1), mark.centre[0]))
    looks = [(len(dot.points) if dot.tag == "polygon" else 0, dot.attributes["fill"]) for dot in dots]
    for one, other in itertools.combinations(range(len(dots)), 2):
        assert (looks[one] == looks[other]) == (diagram.sets[one] == diagram.sets[other])


def test_the_reading_of_diagrams_can_fail() -> None:
    """A line too few, one too many, or between the wrong dots gives other blocks."""
    found = marks(drawing.diagram(PartitionDiagram((0, 1, 0, 1), 2)).svg())
    first, *_ = (mark for mark in found if mark.tag == "polyline")
    assert blocks_drawn([m for m in found if m is not first], 2, 2) == blocks_of((0, 1, 2, 1))
    crossed = marks(drawing.diagram(PartitionDiagram((0, 1, 1, 0), 2)).svg())
    assert blocks_drawn(crossed, 2, 2) == blocks_of((0, 1, 1, 0)) != blocks_of((0, 1, 0, 1))


@pytest.mark.parametrize("kind", ["diagram", "orbit"])
@pytest.mark.parametrize("spec", ["n n -> n n", "u i -> u i", " -> n n", "n n ->", "->"])
def test_a_sheet_has_every_operator_and_the_bias(spec: str, kind: str) -> None:
    """One panel for each slot, in order, with its string, its diagram and its words; then the bias."""
    basis = symeq.basis(spec, kind)
    bias = symeq.basis(f"->{spec.partition('->')[2]}", kind)
    found = marks(drawing.sheet(basis).svg())
    for group, operators in (("operator", basis), ("bias", bias)):
        panels = named(found, group)
        assert list(panels) == [str(op.rgs) for op in operators]
        for op in operators:
            panel = panels[str(op.rgs)]
            texts = [mark.text for mark in panel if mark.tag == "text"]
            assert str(op.slot) in texts and str(op.rgs) in texts
            assert op.diagram.words() in " ".join(texts)
            picture = [mark for mark in panel if mark.name("diagram") is not None or mark.name("block")]
            k = op.signature.order_in
            assert blocks_drawn(picture, k, len(op.rgs) - k) == blocks_of(op.rgs)


def test_a_sheet_of_some_slots_has_these_and_no_bias() -> None:
    """``slots`` chooses, in the order given, also where all would be too many."""
    found = marks(drawing.sheet("n n n n -> n n n", slots=(9, 3, 876)).svg())
    basis = symeq.basis((4, 3), "diagram")
    assert list(named(found, "operator")) == [str(basis[slot].rgs) for slot in (9, 3, 876)]
    assert not named(found, "bias")


@pytest.mark.parametrize(("spec", "n"), [("n n -> n n", 3), ("u i -> u", {"u": 2, "i": 3}), ("n -> n", 0)])
def test_matrices_on_a_sheet_are_those_of_the_operators(spec: str, n: int | dict[str, int]) -> None:
    """Dark cells stand where the operator's matrix has ones."""
    basis = symeq.basis(spec, "orbit")
    panels = named(marks(drawing.sheet(basis, n=n).svg()), "operator")
    for op in basis:
        cells = [mark for mark in panels[str(op.rgs)] if mark.name("matrix") is not None]
        assert np.array_equal(grid(cells, op.matrix(n).shape) == "#1a1a1a", op.matrix(n) == 1)


def grid(cells: list[Mark], shape: tuple[int, ...]) -> np.ndarray:
    """The colours of the boxes of a matrix, by rows and columns."""
    boxes = [mark for mark in cells if mark.tag == "rect"]
    ys = sorted({round(box.centre[1], 1) for box in boxes})
    xs = sorted({round(box.centre[0], 1) for box in boxes})
    found = np.full(shape, "", dtype=object)
    assert len(boxes) == found.size and (found.size == 0 or (len(ys), len(xs)) == shape)
    for box in boxes:
        found[ys.index(round(box.centre[1], 1)), xs.index(round(box.centre[0], 1))] = box.attributes["fill"]
    return found


def test_an_operator_has_its_diagram_and_its_matrix() -> None:
    """The matrix is the operator's, at the size asked for or at one that shows it."""
    for op in symeq.basis("n n -> n"):
        for n in (2, 3, None):
            found = marks(drawing.operator(op, n).svg())
            cells = [mark for mark in found if mark.name("matrix") is not None]
            wanted = op.matrix(n or 3)
            assert np.array_equal(grid(cells, wanted.shape) == "#1a1a1a", wanted == 1)
            assert blocks_drawn([m for m in found if m.name("diagram") is not None], 2, 1) == blocks_of(
                op.rgs
            )


# ---------------------------------------------------------------- shared weights


def orbits(spec: str, sizes: dict[str, int]) -> list[set[tuple[int, ...]]]:
    """The orbits of all index tuples (inputs, then outputs) under all permutations, by brute force."""
    inputs, outputs = (side.split() for side in spec.split("->"))
    sets = inputs + outputs
    names = list(dict.fromkeys(sets))
    rest = set(itertools.product(*(range(sizes[name]) for name in sets)))
    found = []
    while rest:
        start = min(rest)
        images = set()
        for choice in itertools.product(*(itertools.permutations(range(sizes[name])) for name in names)):
            act = dict(zip(names, choice, strict=True))
            images.add(tuple(act[name][i] for name, i in zip(sets, start, strict=True)))
        found.append(images)
        rest -= images
    return found


WEIGHTS = [
    ("n n -> n n", {"n": 3}),
    ("n n -> n n", {"n": 4}),
    ("n n n -> n", {"n": 3}),
    ("n n n -> n n n", {"n": 3}),
    ("u i -> u i", {"u": 3, "i": 2}),
    ("u i u -> i", {"u": 2, "i": 3}),
    ("n n ->", {"n": 4}),
    ("-> n n", {"n": 3}),
    ("n -> m", {"n": 2, "m": 3}),
    ("n n -> n n", {"n": 1}),
    ("n n -> n n", {"n": 0}),
    ("->", {}),
]


@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize(("spec", "sizes"), WEIGHTS)
def test_one_colour_for_each_orbit(spec: str, sizes: dict[str, int], numbers: bool) -> None:
    """Cells have one colour exactly if a permutation takes one index tuple to the other; so has the bias.

    A number in a cell is the slot, and the legend has every orbit that shows, with its slot and colour.
    """
    inputs, outputs = (side.split() for side in spec.split("->"))
    if not numbers and len(orbits(spec, sizes)) > 15:
        with pytest.raises(TooLargeError, match="by colour alone"):
            drawing.weight_sharing(spec, sizes or 1, numbers)
        return
    found = marks(drawing.weight_sharing(spec, sizes or 1, numbers).svg())
    for group, k, sub in (("matrix", len(inputs), spec), ("bias", 0, f"->{' '.join(outputs)}")):
        sets = inputs[len(inputs) - k :] + outputs
        cells = [mark for mark in found if mark.name(group) is not None]
        rows = list(itertools.product(*(range(sizes[name]) for name in outputs)))
        columns = list(itertools.product(*(range(sizes[name]) for name in sets[:k])))
        colour = grid(cells, (len(rows), len(columns)))
        slots = {rgs: slot for slot, rgs in enumerate(set_partitions(tuple(sets)))}
        written = [mark for mark in cells if mark.tag == "text"]
        expected = {}
        for orbit in orbits(sub, sizes):
            tuples = [(rows.index(index[k:]), columns.index(index[:k])) for index in orbit]
            (one,) = {colour[place] for place in tuples}
            labels: dict[object, int] = {}
            key = zip(sets, min(orbit), strict=True)
            slot = slots[tuple(labels.setdefault(pair, len(labels)) for pair in key)]
            expected[str(slot)] = one
        assert len(set(expected.values())) == len(expected)
        assert {mark.text for mark in written} == (set(expected) if numbers else set())
        for box in (mark for mark in cells if mark.tag == "rect" and numbers):
            (x, y), half = box.centre, box.number("width") / 2
            (text,) = (
                mark.text
                for mark in written
                if abs(mark.number("x") + mark.dx - x) < 1 and abs(mark.number("y") + mark.dy - y) < half
            )
            assert expected[text] == box.attributes["fill"]
        legend = named(found, "orbit" if group == "matrix" else "bias-orbit")
        shown = {name: entry[0].attributes["fill"] for name, entry in legend.items()}
        assert shown == expected


def test_the_check_of_colours_can_fail() -> None:
    """Brute force gives as many orbits as the dimension says, and other index sets give others."""
    for spec, sizes in WEIGHTS[:6]:
        assert len(orbits(spec, sizes)) == symeq.basis(spec).dimension(sizes)
    assert orbits("n n ->", {"n": 2}) != orbits("n m ->", {"n": 2, "m": 2})


def test_all_pictures_agree_in_colours() -> None:
    """The chip beside a slot and the strip of a node have the colour of the orbit."""
    chips = {
        name: next(mark.attributes["fill"] for mark in panel if mark.name("chip") is not None)
        for name, panel in named(marks(drawing.sheet("n n -> n n").svg()), "operator").items()
    }
    legend = named(marks(drawing.weight_sharing("n n -> n n", 4).svg()), "orbit")
    basis = symeq.basis("n n -> n n")
    assert chips == {str(basis[int(slot)].rgs): entry[0].attributes["fill"] for slot, entry in legend.items()}
    nodes = named(marks(drawing.lattice("n n -> n n").svg()), "set-partition")
    strips = {node_name(op.rgs): chips[str(op.rgs)] for op in basis}
    assert {name: node[1].attributes["fill"] for name, node in nodes.items()} == strips


# ---------------------------------------------------------------- colours


def as_seen(rgb: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    """CIELAB (D65) of sRGB colours after a matrix on linear RGB."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(matrix).T, 0, 1)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    t = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


# Severity 1 of Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color
# vision deficiency", table 1.
VISION = {
    "normal": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = map(tuple, (one, other))
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2)
    chroma, light = (c1 + c2) / 2, (l1 + l2) / 2
    middle = h1 + h2
    if c1 * c2:
        middle = middle / 2 if abs(h1 - h2) <= 180 else (middle + (360 if middle < 360 else -360)) / 2
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(a * math.cos(math.radians(f * middle + shift)) for a, f, shift in waves)
    sl = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = math.sin(math.radians(60 * math.exp(-(((middle - 275) / 25) ** 2))))
    rt = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * rotation
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, hue / sh
    return math.sqrt(dl**2 + dc**2 + dh**2 + rt * dc * dh)


def least_difference(listed: tuple[str, ...], vision: str) -> float:
    """The least difference between any two of the colours, as seen so."""
    rgb = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in listed])
    return min(difference(*pair) for pair in itertools.combinations(as_seen(rgb, VISION[vision]), 2))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ],
)
def test_the_measure_of_colours_is_the_published_one(
    one: tuple[float, ...], other: tuple[float, ...], wanted: float
) -> None:
    """Rows of table 1 of Sharma, Wu and Dalal (2005), to their four decimals."""
    assert difference(np.array(one), np.array(other)) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("number", range(2, TOLD_BY_COLOUR + 1))
def test_up_to_fifteen_colours_can_be_told_apart(number: int, vision: str) -> None:
    """By every reader: any two differ by more than 10, four times what is seen at a glance; 15 by 13."""
    assert least_difference(colours(number), vision) > 10
    if number > 8:
        assert least_difference((*colours(number), "#ffffff"), vision) > 13


def test_the_check_of_colours_sees_what_cannot_be_told_apart() -> None:
    """Red and green that a deuteranope confuses, and neighbours among 203."""
    assert least_difference(("#a05000", "#608000"), "deuteranopia") < 10
    assert least_difference(colours(203), "normal") < 2


def test_many_colours_are_different_and_run_from_dark_to_light() -> None:
    """Also 240 are pairwise different, and lightness ascends with the slot."""
    for number in (16, 52, 203, 240):
        listed = colours(number)
        assert len(set(listed)) == number
        rgb = np.array([[int(c[at : at + 2], 16) / 255 for at in (1, 3, 5)] for c in listed])
        light = as_seen(rgb, VISION["normal"])[:, 0]
        assert light[-1] - light[0] > 60 and (np.diff(light) > -0.7).all()
    assert len(set(greys(52))) == 52 and greys(1) == ("#404040",) and colours(0) == ()


@pytest.mark.parametrize("number", [8, 15, 203])
def test_numbers_can_be_read_on_every_colour(number: int) -> None:
    """The ink has a contrast of at least 4.5 (WCAG 2, AA) with the colour under it."""

    def luminance(colour: str) -> float:
        c = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for colour in (*colours(number), *greys(number)):
        dark, light = sorted((luminance(colour), luminance(ink_on(colour))))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


# ---------------------------------------------------------------- the lattice


def finer(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Refinement, as the definition says it."""
    return all(any(small <= large for large in blocks_of(b)) for small in blocks_of(a))


def node_name(rgs: tuple[int, ...]) -> str:
    """The blocks as the picture writes them."""
    ordered = sorted(sorted(block) for block in blocks_of(rgs))
    return "|".join("".join(map(str, block)) for block in ordered) or "{}"


def lines_between_nodes(found: list[Mark]) -> set[tuple[str, str]]:
    """The pairs (lower, upper) of nodes that a line of the lattice joins, from where its ends lie."""
    boxes = {
        name: next(mark for mark in node if mark.tag == "rect")
        for name, node in named(found, "set-partition").items()
    }

    def node_at(point: tuple[float, float], edge: int) -> str:
        (name,) = (
            name
            for name, box in boxes.items()
            if math.dist((box.centre[0], box.centre[1] + edge * box.number("height") / 2), point) < 1
        )
        return name

    lines = [mark.points for mark in found if mark.tag == "polyline"]
    return {(node_at(line[0], -1), node_at(line[-1], 1)) for line in lines}


@pytest.mark.parametrize(
    "what", [0, 1, 2, 3, 4, 5, "n n -> n n", (1, 2), "u i -> u i u", "->", "u u i -> i u", "n -> m"]
)
def test_lines_of_the_lattice_are_its_covers(what: int | str | tuple[int, int]) -> None:
    """A line joins two set partitions exactly if one refines the other and nothing lies between."""
    signature = symeq.Signature.from_orders(what, 0) if isinstance(what, int) else symeq.Signature.of(what)
    strings = set_partitions(signature.positions)
    below = {(a, b) for a, b in itertools.product(strings, repeat=2) if a != b and finer(a, b)}
    covers = {(a, b) for a, b in below if not any((a, c) in below and (c, b) in below for c in strings)}
    found = marks(drawing.lattice(what, moebius=True).svg())
    assert lines_between_nodes(found) == {(node_name(a), node_name(b)) for a, b in covers}
    nodes = named(found, "set-partition")
    assert set(nodes) == {node_name(rgs) for rgs in strings}
    heights = {len(blocks_of(rgs)): nodes[node_name(rgs)][0].centre[1] for rgs in strings}
    assert [heights[blocks] for blocks in sorted(heights)] == sorted(heights.values())
    finest = SetPartition(max(strings, key=lambda rgs: len(set(rgs))))
    for slot, rgs in enumerate(strings):
        texts = [mark.text for mark in nodes[node_name(rgs)] if mark.tag == "text"]
        assert texts == [node_name(rgs), f"slot {slot}, μ = {moebius(finest, SetPartition(rgs))}"]


def test_part_of_a_lattice_has_the_coefficients_of_an_orbit_operator() -> None:
    """From g upwards: the nodes and values of O_g in the diagram basis, also where the whole is too large."""
    op = symeq.basis((3, 3), "orbit")[91]
    found = marks(drawing.lattice((3, 3), moebius=True, above=op.rgs).svg())
    shown = [mark.text for mark in found if mark.tag == "text" and mark.text.startswith("slot")]
    wanted = [f"slot {slot}, μ = {value}" for slot, value in op.in_basis("diagram").items()]
    assert sorted(shown) == sorted(wanted)
    assert (
        drawing.lattice((3, 3), moebius=True, above=op.partition).svg()
        == drawing.lattice((3, 3), moebius=True, above=list(op.rgs)).svg()
    )


# ---------------------------------------------------------------- plans

PLANS = ["n n -> n n", "n n n -> n n n", "n n -> n", "n n ->", "-> n n", "->", "u i -> u i", "u u i -> u m"]


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("spec", PLANS)
def test_the_graph_has_the_steps_of_the_plan(spec: str, lowered: bool) -> None:
    """Nodes, edges, taps and bias are those of the plan; edges and wires end at the boxes they belong to."""
    plan = lower(derive(spec)) if lowered else symeq.plan(spec)
    if lowered and len(plan.mixes) > 24:
        with pytest.raises(TooLargeError, match="side by side"):
            drawing.plan_graph(plan)
        return
    found = marks(drawing.plan_graph(plan).svg())

    def called(at: int, letter: str) -> str:
        return f"{letter}{at}" if at else {"c": "x", "b": "y"}[letter]

    steps = {f"{called(s.source, 'c')} {called(s.target, 'c')}" for s in plan.contracts}
    moves = {f"{called(s.target, 'b')} {called(s.source, 'b')}" for s in plan.broadcasts}
    assert set(named(found, "contraction-step")) == steps
    assert set(named(found, "broadcast-step")) == moves
    boxes = {
        name: next(mark for mark in node if mark.tag == "rect")
        for kind in ("contraction", "broadcast", "product")
        for name, node in named(found, kind).items()
    }
    assert len(boxes) == len(plan.contracts) + len(plan.broadcasts) + len(plan.mixes) + 2

    def inside(point: tuple[float, float], name: str) -> bool:
        (x, y), box = boxes[name].centre, boxes[name]
        return abs(point[0] - x) <= box.number("width") / 2 + 0.1 and math.isclose(
            abs(point[1] - y), box.number("height") / 2, abs_tol=0.1
        )

    for kind in ("contraction-step", "broadcast-step"):
        for name, edge in named(found, kind).items():
            (line,) = (mark.points for mark in edge if mark.tag == "polyline")
            parent, child = name.split()
            assert inside(line[0], parent) and inside(line[-1], child)
    for kind, letter, side in (("reads", "c", "sources"), ("adds", "b", "targets")):
        for at, mix in enumerate(plan.mixes):
            first, *taps = (mark.points for mark in named(found, kind)[str(at)] if mark.tag == "polyline")
            wanted = {called(number, letter) for number, _ in getattr(mix, side)}
            ends = {next(name for name in boxes if inside(tap[0], name)) for tap in taps}
            assert ends == wanted and len(taps) == len(wanted)
            assert inside(first[-1], str(at))
    bias = {
        called(target, "b"): f"bias {', '.join(str(s) for s, t in enumerate(plan.bias) if t == target)}"
        for target in plan.bias
    }
    shown = {
        name: next((m.text.partition(" + ")[2] for m in node if " + " in m.text), "")
        for name, node in named(found, "broadcast").items()
    }
    assert {name: text for name, text in shown.items() if text} == bias


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ("n n -> n n", "6 contractions, 3 products, 6 broadcasts"),
        ("n n -> n", "5 contractions, 2 products, 2 broadcasts"),
        ("n n ->", "2 contractions, 1 product, 1 broadcast"),
    ],
)
def test_the_title_of_a_plan_counts_as_its_report_does(spec: str, counts: str) -> None:
    """Input and output count where products read or add to them, as in the head of an emitted module."""
    assert f"Plan of {spec}: {counts}" in [
        mark.text for mark in marks(drawing.plan_graph(symeq.plan(spec)).svg())
    ]


def test_labels_say_what_a_step_does() -> None:
    """Row by row for 2 -> 2: diagonals and sums going in, their adjoints going out."""
    found = marks(drawing.plan_graph(symeq.plan("n n -> n n")).svg())

    def labels(kind: str) -> dict[str, str]:
        return {
            name: next(mark.text for mark in edge if mark.tag == "text")
            for name, edge in named(found, kind).items()
        }

    assert labels("contraction-step") == {
        "x c1": "diagonal 1, 2",
        "x c2": "sum 2",
        "x c3": "sum 1",
        "c1 c4": "sum 1",
        "c2 c5": "sum 1",
    }
    assert labels("broadcast-step") == {
        "y b1": "onto diagonal 1, 2",
        "y b2": "copy along 2",
        "y b3": "copy along 1",
        "b1 b4": "copy along 1",
        "b2 b5": "copy along 1",
    }
    slots = [mark.text for mark in found if mark.name("product") is not None and "slot" in mark.text]
    assert sorted(slots) == ["1 × 2 × 1 = 2 slots", "2 × 1 × 2 = 4 slots", "3 × 1 × 3 = 9 slots"]


# ---------------------------------------------------------------- legible

PICTURES = {
    "one operator": lambda: drawing.operator(symeq.basis("u i -> u i")[1]),
    "a diagram": lambda: drawing.diagram(PartitionDiagram((0, 1, 0, 2, 1, 3, 0), 4)),
    "15 operators": lambda: drawing.sheet((2, 2)),
    "5 orbit operators": lambda: drawing.sheet(symeq.basis("n n -> n", "orbit")),
    "203 operators": lambda: drawing.sheet((3, 3)),
    "15 with matrices": lambda: drawing.sheet((2, 2), n=3),
    "long names": lambda: drawing.sheet("an_index_set_with_a_long_name other -> other"),
    "weights of 2 -> 2": lambda: drawing.weight_sharing((2, 2), 5),
    "weights of 3 -> 3": lambda: drawing.weight_sharing((3, 3)),
    "weights of 3 -> 1": lambda: drawing.weight_sharing((3, 1), 4),
    "weights of u i -> u i": lambda: drawing.weight_sharing("u i -> u i", {"u": 11, "i": 2}),
    "lattice of 4": lambda: drawing.lattice(4, moebius=True),
    "lattice of 5": lambda: drawing.lattice(5, moebius=True),
    "plan of 2 -> 2": lambda: drawing.plan_graph(symeq.plan((2, 2))),
    "plan of 3 -> 3": lambda: drawing.plan_graph(symeq.plan((3, 3))),
    "plan of 4 -> 0": lambda: drawing.plan_graph(symeq.plan((4, 0))),
    "plan of u i j -> u i j": lambda: drawing.plan_graph(symeq.plan("u i j -> u i j")),
    "lowered plan": lambda: drawing.plan_graph(lower(derive((1, 2)))),
}


def box_of(mark: Mark) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text, as long as the picture says that it is."""
    left = mark.number("x") + mark.dx
    width = mark.number("textLength")
    left -= {"middle": width / 2, "end": width}.get(mark.attributes.get("text-anchor", ""), 0)
    size, base = mark.number("font-size"), mark.number("y") + mark.dy
    return left, base - 0.75 * size, left + width, base + 0.2 * size


def collisions(svg: str) -> list[tuple[str, str]]:
    """Pairs of texts that lie over each other."""
    texts = sorted(
        (box_of(mark), mark.text) for mark in marks(svg) if mark.tag == "text" and mark.text.strip()
    )
    found = []
    for at, (one, text) in enumerate(texts):
        for other, word in texts[at + 1 :]:
            if other[0] >= one[2]:
                break
            if other[1] < one[3] and one[1] < other[3]:
                found.append((text, word))
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_cut_off_and_no_texts_collide(name: str) -> None:
    """Every shape lies on the page, and every text is by itself and at least 8 pixels high."""
    picture = PICTURES[name]()
    found = marks(picture.svg())
    for mark in found:
        if mark.tag == "text":
            left, top, right, bottom = box_of(mark)
            assert mark.number("font-size") >= 8
        elif mark.tag == "rect":
            (x, y), w, h = mark.centre, mark.number("width") / 2, mark.number("height") / 2
            left, top, right, bottom = x - w, y - h, x + w, y + h
        elif mark.tag == "circle":
            (x, y), r = mark.centre, mark.number("r")
            left, top, right, bottom = x - r, y - r, x + r, y + r
        else:
            xs, ys = zip(*mark.points, strict=True)
            left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
        assert left >= 0 and top >= 0 and right <= picture.width + 0.01 and bottom <= picture.height + 0.01
    assert collisions(picture.svg()) == []


def test_the_check_of_collisions_can_fail() -> None:
    """Two texts at one place are named."""
    shapes = (Text(5, 20, "one"), Text(15, 22, "other"), Text(5, 50, "apart"))
    assert collisions(Drawing("x", 99, 99, shapes).svg()) == [("one", "other")]


@pytest.mark.parametrize("name", ["15 operators", "203 operators", "plan of 3 -> 3", "lattice of 5"])
def test_texts_stay_inside_their_boxes(name: str) -> None:
    """A text in a panel or a node does not stick out of the frame."""
    found = marks(PICTURES[name]().svg())
    kinds = ("operator", "bias", "contraction", "broadcast", "product", "set-partition")
    framed = [group for kind in kinds for group in named(found, kind).values()]
    assert framed
    for group in framed:
        frame = next(mark for mark in group if mark.tag == "rect")
        (x, y), w, h = frame.centre, frame.number("width") / 2, frame.number("height") / 2
        for mark in group:
            if mark.tag == "text":
                left, top, right, bottom = box_of(mark)
                assert x - w < left and right < x + w and y - h < top and bottom < y + h


def test_text_is_as_wide_as_the_font_says() -> None:
    """The table of widths is that of the font that draws PNG files, which the SVG asks for first."""
    matplotlib = pytest.importorskip("matplotlib")
    from fontTools.ttLib import TTFont

    with TTFont(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")) as font:
        widths, letters = font["hmtx"], font.getBestCmap()
        for code in range(32, 127):
            assert text_width(chr(code), 2048) == widths[letters[code]][0]
        for letter in "→×Σμ":
            assert text_width(letter, 2048) >= widths[letters[ord(letter)]][0]
    assert drawing.lattice(1).svg().partition("font-family=")[2].startswith('"DejaVu Sans,')


def test_wrapped_text_is_the_text() -> None:
    """No word is lost, no line too long, but for a word that is."""
    text = "carry the diagonal of input axes 1, 2 and 3 onto the diagonal " + "x" * 60
    lines = wrapped(text, 10, 120)
    assert " ".join(lines) == text
    assert [text_width(line, 10) <= 120 for line in lines] == [True] * (len(lines) - 1) + [False]


# ---------------------------------------------------------------- the same bytes


def test_equal_drawings_give_equal_bytes() -> None:
    """Twice the same, and in processes with other hash seeds."""
    pictures = {name: PICTURES[name] for name in ("15 operators", "lattice of 4", "plan of u i j -> u i j")}
    for make in pictures.values():
        assert make().svg() == make().svg() and make().png(72) == make().png(72)
    program = (
        "import hashlib, symeq; from symeq import drawing as d\n"
        "listed = [d.sheet('u i -> u i'), d.weight_sharing((2, 2)), d.lattice('u i u -> u'),"
        " d.plan_graph(symeq.plan('u i -> u i'))]\n"
        "for x in listed: print(hashlib.sha256(x.svg().encode() + x.png(72)).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "77")
    ]
    assert runs[0] == runs[1] and len(set(runs[0].split())) == 4


def test_settings_of_matplotlib_do_not_matter() -> None:
    """A user's own style neither changes the file nor is changed by drawing one; pyplot is not loaded."""
    matplotlib = pytest.importorskip("matplotlib")
    before = drawing.lattice(3).png(72)
    with matplotlib.rc_context({"font.size": 30, "lines.antialiased": False, "savefig.dpi": 10}):
        assert drawing.lattice(3).png(72) == before
        assert matplotlib.rcParams["font.size"] == 30
    code = (
        "import sys; from symeq import drawing\n"
        "drawing.lattice(3).png(); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# ---------------------------------------------------------------- PNG


@pytest.mark.parametrize("dpi", [72, 96, 100.5, 192])
@pytest.mark.parametrize("name", ["one operator", "weights of 2 -> 2", "plan of 2 -> 2"])
def test_a_png_has_the_size_that_is_promised(name: str, dpi: float) -> None:
    """Its header says width and height times dpi / 96, and its pixels are not all the same."""
    pytest.importorskip("matplotlib")
    from io import BytesIO

    from PIL import Image

    picture = PICTURES[name]()
    content = picture.png(dpi)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    size = struct.unpack(">II", content[16:24])
    assert size == (round(picture.width * dpi / 96), round(picture.height * dpi / 96))
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert image.size == size and len(set(image.convert("L").get_flattened_data())) > 10


def test_svg_and_png_show_the_same() -> None:
    """Where the SVG has a coloured cell the PNG has that colour."""
    pytest.importorskip("matplotlib")
    from io import BytesIO

    from PIL import Image

    picture = drawing.weight_sharing("n n -> n n", 3, numbers=False)
    cells = [mark for mark in marks(picture.svg()) if mark.name("matrix") is not None]
    with Image.open(BytesIO(picture.png(192))) as image:
        pixels = image.convert("RGB")
        for cell in cells:
            x, y = cell.centre
            assert "#{:02x}{:02x}{:02x}".format(*pixels.getpixel((2 * x, 2 * y))) == cell.attributes["fill"]


def test_without_matplotlib_svg_works_and_png_says_what_to_install() -> None:
    """The message names the library and the command; notebooks and SVG files need no library."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import symeq; from symeq import drawing\n"
        "assert symeq.basis((2, 2))._repr_svg_() == drawing.sheet(symeq.basis((2, 2))).svg()\n"
        "try: drawing.lattice(3).png()\n"
        "except ImportError as error: print(type(error).__name__, error.name, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MissingLibraryError matplotlib matplotlib draws PNG files")
    assert "pip install matplotlib" in done.stdout


@pytest.mark.parametrize("dpi", [0, -1, float("nan"), float("inf"), "96", True, None])
def test_a_resolution_is_a_number_above_zero(dpi: object) -> None:
    """Anything else is refused in words."""
    with pytest.raises(OptionError, match="a number above 0"):
        drawing.lattice(2).png(dpi)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("ending", ["svg", "png", "SVG"])
def test_save_writes_the_picture(tmp_path: Path, ending: str) -> None:
    """The folder is made, the path returned, and what symeq drew is overwritten without a question."""
    path = tmp_path / "a" / "b" / f"picture.{ending}"
    assert drawing.lattice(2).save(path) == path
    assert drawing.lattice(3).save(str(path)) == path
    assert path.read_bytes() == drawing.lattice(3).encoded(ending.lower())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_save_keeps_what_somebody_else_made(tmp_path: Path, ending: str) -> None:
    """A file that was edited, or never drawn here, is overwritten with ``force`` only."""
    path = tmp_path / f"picture.{ending}"
    drawn = drawing.lattice(2).encoded(ending)
    for content in (
        b"",
        b"<svg/>",
        b"\x89PNG\r\n",
        drawn[:90] + b"#" + drawn[91:],
        drawn + b"\n",
        drawn[:-30],
    ):
        path.write_bytes(content)
        with pytest.raises(OutputError, match="--force"):
            drawing.lattice(3).save(path)
        assert path.read_bytes() == content
    drawing.lattice(3).save(path, force=True)
    assert path.read_bytes() == drawing.lattice(3).encoded(ending)


def test_save_refuses_other_formats_and_places(tmp_path: Path) -> None:
    """The message says what a file may be; nothing is written."""
    for name in ("picture.pdf", "picture", "svg"):
        with pytest.raises(OptionError, match='"svg" or "png"'):
            drawing.lattice(2).save(tmp_path / name)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.svg").mkdir()
    for place in ("file/picture.svg", "folder.svg"):
        with pytest.raises(OutputError, match="Name another path"):
            drawing.lattice(2).save(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.svg"]


# ---------------------------------------------------------------- too large, and wrong

BASIS_44 = symeq.basis((4, 4))


@pytest.mark.parametrize(
    ("make", "count", "limit", "words"),
    [
        (lambda: drawing.sheet((4, 4)), 4140 + 15, 240, "slots=range(100)"),
        (lambda: drawing.sheet(BASIS_44, slots=range(300)), 300, 240, "slots=range(100)"),
        (lambda: drawing.sheet((20, 20)), None, 240, "slots=range(100)"),
        (lambda: drawing.weight_sharing((2, 2), 9), 81, 64, "Sizes up to 8"),
        (lambda: drawing.weight_sharing("u i -> u", {"u": 9, "i": 8}), 72, 64, "Sizes up to 8"),
        (lambda: drawing.weight_sharing((7, 1)), 128, 64, "Sizes up to 1"),
        (lambda: drawing.weight_sharing((20, 20), 1), 40, 32, "lower orders"),
        (lambda: drawing.weight_sharing((5, 5), 2), 512, 240, "smaller sizes"),
        (lambda: drawing.weight_sharing((3, 3), 3, numbers=False), 122, 15, "numbers=True"),
        (lambda: drawing.operator(symeq.basis((3, 3))[0], 5), 125, 64, "Sizes up to 4"),
        (lambda: drawing.diagram(PartitionDiagram(tuple(range(41)), 41)), 41, 40, "diagram.draw()"),
        (lambda: drawing.lattice(6), 203, 64, "lattice(5)"),
        (lambda: drawing.lattice((3, 4)), 877, 64, "above=rgs"),
        (lambda: drawing.lattice(6, above=(0, 1, 2, 3, 4, 5)), 203, 64, "lattice(5)"),
        (lambda: drawing.lattice(10**6), 10**6, 40, "lattice(5)"),
        (lambda: drawing.plan_graph(symeq.plan((4, 4))), 43, 24, "plan.report()"),
        (lambda: drawing.plan_graph(lower(derive((3, 2)))), 54, 24, "plan.report()"),
        (lambda: drawing.lattice(4).png(10**6), None, 10**8, "smaller dpi"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_size(
    make: object, count: int | None, limit: int, words: str
) -> None:
    """The error says how large it would be, what the limit is, and what can be drawn instead."""
    with pytest.raises(TooLargeError) as caught:
        make()
    assert caught.value.limit == limit and words in str(caught.value)
    assert count is None or caught.value.count == count
    assert str(caught.value.count) in str(caught.value)


def test_what_the_errors_offer_can_be_drawn() -> None:
    """The limits themselves are not refused."""
    drawing.sheet(BASIS_44, slots=range(240))
    drawing.weight_sharing((2, 2), 8)
    drawing.weight_sharing("u i -> u", {"u": 8, "i": 8})
    drawing.weight_sharing((3, 3), 4)
    drawing.operator(symeq.basis((3, 3))[5], 4)
    drawing.diagram(PartitionDiagram((0,) * 80, 40))
    drawing.lattice((3, 4), above=(0, 1, 2, 3, 4, 4, 4))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: drawing.sheet("n n"), SymeqError, "no '->'"),
        (lambda: drawing.sheet((2, 2), slots=[15]), OptionError, "0 to 14"),
        (lambda: drawing.sheet((2, 2), slots=[-1]), OptionError, "0 to 14"),
        (lambda: drawing.sheet((2, 2), slots=["0"]), OptionError, "0 to 14"),
        (lambda: drawing.sheet((2, 2), n=-1), SizeError, "-1"),
        (lambda: drawing.weight_sharing("u i -> u", 3), SizeError, "2 index sets"),
        (lambda: drawing.lattice(-1), OptionError, "integer >= 0"),
        (lambda: drawing.lattice(True), OptionError, "integer >= 0"),
        (lambda: drawing.lattice("n"), SymeqError, "no '->'"),
        (lambda: drawing.lattice(3, above=(0, 2, 1)), InvalidPartitionError, "restricted growth"),
        (lambda: drawing.lattice(3, above=(0, 1)), InvalidPartitionError, "2 entries for 3"),
        (lambda: drawing.lattice("u i -> u", above=(0, 0, 1)), InvalidPartitionError, "mixes"),
    ],
)
def test_wrong_calls_are_refused_in_words(make: object, error: type[Exception], words: str) -> None:
    """The error names what came and what was expected."""
    with pytest.raises(error, match=words):
        make()


# ---------------------------------------------------------------- notebooks and galleries


def test_values_show_themselves_in_notebooks() -> None:
    """As SVG or LaTeX; where a picture could not be read, as text."""
    basis = symeq.basis("n n -> n n")
    assert basis._repr_svg_() == drawing.sheet(basis).svg()
    assert basis[6]._repr_svg_() == drawing.operator(basis[6]).svg()
    assert basis[6].diagram._repr_svg_() == drawing.diagram(basis[6].diagram).svg()
    assert symeq.plan((2, 2))._repr_svg_() == drawing.plan_graph(symeq.plan((2, 2))).svg()
    assert drawing.lattice(3)._repr_svg_() == drawing.lattice(3).svg()
    assert BASIS_44._repr_svg_() is None and symeq.basis((30, 30))[7]._repr_svg_() is None
    assert symeq.plan((4, 4))._repr_svg_() is None
    assert PartitionDiagram(tuple(range(50)), 50)._repr_svg_() is None


@pytest.mark.parametrize(
    ("value", "latex"),
    [
        (
            symeq.Signature.parse("n n -> n"),
            r"$\mathbb{R}^{\mathit{n} \times \mathit{n}} \to \mathbb{R}^{\mathit{n}}$",
        ),
        (symeq.Signature.parse("u_1 ->"), r"$\mathbb{R}^{\mathit{u\_1}} \to \mathbb{R}$"),
        (SetPartition((0, 1, 0)), r"$\{\{0, 2\}, \{1\}\}$"),
        (SetPartition(()), r"$\{\}$"),
        (symeq.basis("n -> n")[0], r"$\displaystyle \delta_{i_{0} j_{0}}$"),
        (symeq.basis("n -> n")[1], r"$\displaystyle 1 - \delta_{i_{0} j_{0}}$"),
        (symeq.basis((7, 6))[3], None),
    ],
)
def test_latex(value: symeq.Signature | SetPartition, latex: str | None) -> None:
    """Operators are their SymPy expression, set partitions sets of sets, signatures maps between spaces."""
    assert value._repr_latex_() == latex


@settings(max_examples=25)
@given(signatures(max_positions=8))
def test_every_signature_has_a_gallery(signature: symeq.Signature) -> None:
    """Whatever can be drawn is well-formed and on the page; what cannot says why with a size."""
    found = gallery(signature)
    assert set(found.drawings) | set(found.left_out) == {"operators", "weights", "lattice", "plan"}
    assert not set(found.drawings) & set(found.left_out)
    for picture in found.drawings.values():
        assert marks(picture.svg())[0].number("width") == pytest.approx(picture.width, abs=0.01)
        assert collisions(picture.svg()) == []
    for reason in found.left_out.values():
        assert "the limit is" in reason


def test_a_gallery_of_what_is_asked_for_is_all_or_nothing() -> None:
    """A size or a number of operators that was asked for is not left out in silence."""
    with pytest.raises(TooLargeError, match="Sizes up to 8"):
        gallery((2, 2), n=9)
    with pytest.raises(TooLargeError, match="diagrams on one sheet"):
        gallery((4, 4), limit=257)
    assert len(named(marks(gallery((4, 4), limit=7).drawings["operators"].svg()), "operator")) == 7
    with pytest.raises(TooLargeError):
        gallery((20, 20))


def test_numbers_and_groups_in_the_svg_are_plain() -> None:
    """No exponent, no minus zero; text is escaped."""
    svg = Drawing("a < b & c", 10, 10, (Disc(1e-9, -1e-9, 1234567.891), Text(1, 2, "x & <y>"))).svg()
    assert 'cx="0" cy="0" r="1234567.89"' in svg
    assert "a &lt; b &amp; c" in svg and "x &amp; &lt;y&gt;" in svg
    assert Counter(mark.tag for mark in marks(svg)) == {"rect": 1, "circle": 1, "text": 1}
