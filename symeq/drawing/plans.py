"""The graph of a plan: contractions down from x, products by level, broadcasts down to y."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters

from symeq.drawing.drawing import Drawing
from symeq.drawing.shapes import FAINT, Box, Disc, Group, Line, Shape, Text, spelled, text_width
from symeq.errors import TooLargeError
from symeq.plans.ir import AxisMap, Plan

MOST_ABREAST = 24
"""A plan with more products, or more tensors side by side, is not drawn: 3 -> 3 has 10, 4 -> 4 has 37."""

_MARGIN = 16.0
_NODE = 32.0
_BUS = 7.0
_SUM, _VIEW, _PRODUCT = "#d55e00", "#0072b2", "#009e73"


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A node: its number, its row, what it comes from or goes to, and its texts.

    Rows ascend from the root; those of tensors with equally many axes follow each other, of which there are
    several only where a step changes no axis.
    """

    number: int
    row: tuple[int, int]
    parent: int | None
    step: AxisMap | None
    label: str
    lines: tuple[str, ...]


def plan_graph(plan: Plan) -> Drawing:
    """The steps of a plan: x on top, contractions below it, a product for every level, broadcasts, y.

    Tensors with equally many axes stand in a row. An edge of the upper half is a diagonal (blue) or a sum
    (orange), of the lower half the adjoint of one: onto a diagonal, or copies along an axis; axes count
    from 1 in the larger tensor. A product (green) reads all the tensors tapped above it and adds to those
    tapped below.

    Raises:
        TooLargeError: more than 24 products, or tensors of one side from which no other is computed.
    """
    above = _tensors(plan, inputs=True)
    below = _tensors(plan, inputs=False)
    abreast = max(
        len(plan.mixes), *(len(side) - len({t.parent for t in side}) + 1 for side in (above, below))
    )
    if abreast > MOST_ABREAST:
        raise TooLargeError(
            f"tensors or products side by side in the plan of {spelled(plan.signature)}",
            abreast,
            MOST_ABREAST,
            "`symeq show --plan` and plan.report() count its steps; lower orders, as 3 -> 3, can be drawn.",
        )
    box = max(text_width(line, 9.5) for tensor in (*above, *below) for line in tensor.lines) + 16
    mixes = sorted(range(len(plan.mixes)), key=lambda at: (plan.mixes[at].level, -at))
    lanes: dict[int, list[int]] = defaultdict(list)
    for at in mixes:
        lanes[plan.mixes[at].level].append(at)

    upper = _Half(above, box, lanes, "c", "x")
    lower = _Half(below, box, lanes, "b", "y")
    start = max(upper.right, lower.right) + 60
    top = _MARGIN + 30
    middle = top + upper.height + 26
    texts = {at: _product_lines(plan, at) for at in mixes}
    wide = max((text_width(line, 9.5) for lines in texts.values() for line in lines), default=0) + 18
    bottom = middle + _NODE + 26 + lower.height
    centres = {at: start + (place + 0.5) * (wide + 12) for place, at in enumerate(mixes)}

    shapes: list[Shape] = []
    sources = {at: {source for source, _ in plan.mixes[at].sources} for at in mixes}
    targets = {at: {target for target, _ in plan.mixes[at].targets} for at in mixes}
    for at in mixes:
        for half, tapped, base, sign, end, kind in (
            (upper, sources[at], top, 1, middle, "reads"),
            (lower, targets[at], bottom, -1, middle + _NODE, "adds"),
        ):
            shapes += half.wire(tapped, at, plan.mixes[at].level, base, sign, centres[at], end, kind)
    shapes += upper.nodes(top, 1, "contraction")
    shapes += lower.nodes(bottom, -1, "broadcast")
    for at in mixes:
        parts: list[Shape] = [Box(centres[at] - wide / 2, middle, wide, _NODE, edge=_PRODUCT, radius=4)]
        for line, text in enumerate(texts[at]):
            parts.append(Text(centres[at], middle + 13 + 13 * line, text, 9.5, "middle"))
        shapes.append(Group(tuple(parts), "product", str(at), "sources × orders of axes × targets"))
    cost = plan.report()
    counts = (
        (cost.contractions, "contraction"),
        (cost.products, "product"),
        (cost.broadcasts, "broadcast"),
    )
    report = f"Plan of {spelled(plan.signature)}: " + ", ".join(
        f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts
    )
    shapes.append(Text(_MARGIN, _MARGIN + 13, report, 13))
    right = start + len(mixes) * (wide + 12)
    width = max(right, _MARGIN + text_width(report, 13)) + _MARGIN
    return Drawing(f"the plan of {spelled(plan.signature)}", width, bottom + _MARGIN, tuple(shapes))


def _tensors(plan: Plan, inputs: bool) -> list[_Tensor]:
    """The tensors of one side, the root (x or y) first and every other after its parent."""
    maps = plan.contractions() if inputs else plan.broadcast_maps()
    links = (
        [(step.target, step.source, step.map) for step in plan.contracts]
        if inputs
        else [(step.source, step.target, step.map) for step in reversed(plan.broadcasts)]
    )
    bias: dict[int, list[int]] = defaultdict(list)
    if not inputs:
        for slot, target in enumerate(plan.bias):
            bias[target].append(slot)

    def lines(at: int) -> tuple[str, ...]:
        big, small = (_letters(maps[at], blocks) for blocks in (maps[at].blocks, maps[at].kept))
        name = f"{'c' if inputs else 'b'}{at}" + (f"[{small}]" if small else "")
        whole = ("x" if inputs else "y") + (f"[{big}]" if big else "")
        if inputs:
            sums = "".join(f"Σ{_letters(maps[at], [block])} " for block in maps[at].dropped)
            return (name, f"= {sums}{whole}") if at else (whole,)
        added = f" + bias {', '.join(map(str, bias[at]))}" if bias[at] else ""
        return (f"{name}{added}", f"→ {whole}") if at else (f"{whole}{added}",)

    found = [_Tensor(0, (-len(maps[0].kept), 0), None, None, "", lines(0))]
    rows = {0: found[0].row}
    for at, parent, step in links:
        fewer, below = rows[parent]
        axes = -len(maps[at].kept)
        rows[at] = (axes, below + 1 if axes == fewer else 0)
        found.append(_Tensor(at, rows[at], parent, step, _label(step, inputs), lines(at)))
    return found


def _letters(map_: AxisMap, blocks: Sequence[int]) -> str:
    """The blocks as letters; beyond 52, numbers replace letters."""
    few = map_.block_count <= len(ascii_letters)
    return " ".join(ascii_letters[block] if few else str(block) for block in blocks)


def _label(step: AxisMap, contracting: bool) -> str:
    """What a step does: diagonals and sums, or their adjoints; axes of the larger tensor count from 1."""
    blocks: dict[bool, list[str]] = {True: [], False: []}
    for block in range(step.block_count):
        axes = step.axes(block)
        numbers = ", ".join(str(axis + 1) for axis in axes)
        if block in step.dropped or len(axes) > 1:
            blocks[block in step.dropped].append(f"diagonal {numbers}" if len(axes) > 1 else numbers)
    verb = "sum" if contracting else "copy along"
    parts = [f"{verb} {' and '.join(blocks[True])}"] if blocks[True] else []
    parts += [f"{'' if contracting else 'onto '}{' and '.join(blocks[False])}"] if blocks[False] else []
    return "; ".join(parts)


def _product_lines(plan: Plan, at: int) -> tuple[str, str]:
    mix = plan.mixes[at]
    sources, targets = len({s for s, _ in mix.sources}), len({t for t, _ in mix.targets})
    slots = len(mix.sources) * len(mix.targets)
    factors = f"{sources} × {slots // (sources * targets)} × {targets}"
    return f"product, level {mix.level}", f"{factors} = {slots} slot{'' if slots == 1 else 's'}"


class _Half:
    """One of the two trees: rows by number of axes, the root in the first; mirrored for the broadcasts."""

    def __init__(
        self,
        tensors: Sequence[_Tensor],
        box: float,
        lanes: Mapping[int, Sequence[int]],
        prefix: str,
        root: str,
    ) -> None:
        self.tensors = {tensor.number: tensor for tensor in tensors}
        self.box, self.lanes, self.prefix, self.root = box, lanes, prefix, root
        self.children: dict[int | None, list[int]] = defaultdict(list)
        for tensor in tensors:
            self.children[tensor.parent].append(tensor.number)
        self.x: dict[int, float] = {}
        self.right = _MARGIN
        self._place(0)
        # Below the boxes of a row: the branches to children, then one lane for every product of the row.
        self.y: dict[tuple[int, int], float] = {}
        y = 0.0
        for row in sorted({tensor.row for tensor in tensors}):
            self.y[row] = y
            y += _NODE + 14 + _BUS * len(lanes.get(-row[0], ())) + 28
        self.height = y - 28

    def _place(self, at: int) -> float:
        """Leaves side by side, every other tensor in the middle of its children; room for the labels."""
        places = [self._place(child) for child in self.children[at]] or [self.right + self.box / 2]
        self.x[at] = x = (places[0] + places[-1]) / 2
        label = text_width(self.tensors[at].label, 8.5)
        self.right = max(self.right, x + self.box / 2 + 12, x + label + 14 - self.box / 2)
        return x

    def name(self, at: int) -> str:
        """x, y, or the name that the emitted layer gives the tensor."""
        return f"{self.prefix}{at}" if at else self.root

    def nodes(self, base: float, sign: int, kind: str) -> list[Shape]:
        """Boxes and the branches between them, from ``base`` on in the direction of ``sign``."""
        found: list[Shape] = []
        for tensor in self.tensors.values():
            x, near = self.x[tensor.number], base + sign * self.y[tensor.row]
            if tensor.parent is not None and tensor.step is not None:
                above = self.tensors[tensor.parent]
                leave = base + sign * (self.y[above.row] + _NODE)
                tint = _SUM if tensor.step.dropped else _VIEW
                bend = leave + sign * 9
                points = (
                    (self.x[above.number], leave),
                    (self.x[above.number], bend),
                    (x, bend),
                    (x, near),
                )
                text = near - 6 if sign == 1 else near + 12
                label = Text(x + 4, text, tensor.label, 8.5, colour=tint)
                found.append(
                    Group(
                        (Line(points, tint, 1.3), label),
                        f"{kind}-step",
                        f"{self.name(above.number)} {self.name(tensor.number)}",
                    )
                )
            corner = near if sign == 1 else near - _NODE
            parts: list[Shape] = [Box(x - self.box / 2, corner, self.box, _NODE, edge=FAINT)]
            first = corner + (20 if len(tensor.lines) == 1 else 13)
            for line, words in enumerate(tensor.lines):
                parts.append(Text(x, first + 13 * line, words, 9.5, "middle"))
            found.append(Group(tuple(parts), kind, self.name(tensor.number)))
        return found

    def wire(
        self,
        tapped: set[int],
        mix: int,
        level: int,
        base: float,
        sign: int,
        across: float,
        end: float,
        kind: str,
    ) -> list[Shape]:
        """The line from every tapped tensor to the product at ``across``."""
        listed = self.lanes[level]
        last = max(y for row, y in self.y.items() if row[0] == -level)
        lane = base + sign * (last + _NODE + 14 + _BUS * listed[::-1].index(mix))
        shift = (listed.index(mix) + 1) / (len(listed) + 1) * 0.4 * self.box + 6
        taps = sorted((self.x[at] + shift, self.y[self.tensors[at].row]) for at in tapped)
        shapes: list[Shape] = [Line(((taps[0][0], lane), (across, lane), (across, end)), _PRODUCT, 1.3)]
        for x, y in taps:
            leave = base + sign * (y + _NODE)
            shapes += [Line(((x, leave), (x, lane)), _PRODUCT, 1.3), Disc(x, lane, 2.2, _PRODUCT)]
        return [Group(tuple(shapes), kind, str(mix), " ".join(map(str, sorted(tapped))))]
