"""The levels of a plan, one for each number of propagating blocks: literals, and when they are sorted."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import factorial

from symeq.emit.text import literal
from symeq.plans.choices import IN_COMPILED_CODE, Choices, Shape, level_name, parts
from symeq.plans.cost import COMPILED, EAGER, Sorting
from symeq.plans.ir import AxisMap, Permutation, Plan
from symeq.representations.young import fourier, inverse_fourier, irreducibles


@dataclass(frozen=True, slots=True)
class Level:
    """One matrix product: the literals that its slots are computed from, and its shape."""

    name: str
    words: str
    rows: int
    columns: int
    start: int
    permutations: tuple[Permutation, ...]
    group_sizes: tuple[int, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Representations:
    """The tables of the symmetric group of a level: dimensions, and the change of basis there and back."""

    c: int
    name: str
    order: int
    dimensions: str
    fourier: tuple[str, ...]
    inverse: tuple[str, ...]


def levels_of(plan: Plan, at_levels: bool = True) -> Iterator[Level]:
    """The levels, the highest first; or the products, where channels are not mixed at the levels."""
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()
    start = 0
    for mix in plan.mixes:
        sources, permutations, targets = parts(mix)
        sets = plan.product_sets(mix)
        groups = tuple(len(list(group)) for _, group in itertools.groupby(sets))
        yield Level(
            name=level_name(sets, plan.signature),
            words=", ".join(f"{sets.count(name)} of {name}" for name in plan.signature.index_sets) or "none",
            rows=len(mix.sources),
            columns=len(mix.targets),
            start=start,
            permutations=tuple(permutations) if at_levels else (),
            group_sizes=groups,
            sources=tuple(_source_literal(contractions[at], plan.signature.inputs) for at in sources),
            targets=tuple(_target_literal(broadcasts[at], plan.signature.outputs) for at in targets),
        )
        start += len(mix.sources) * len(mix.targets)


def _source_literal(map_: AxisMap, sets: tuple[str, ...]) -> str:
    """For each input axis its block, numbered within its index set; the first axis of each kept one."""
    seen: dict[str, dict[int, int]] = defaultdict(dict)
    local = [
        seen[name].setdefault(block, len(seen[name])) for block, name in zip(map_.blocks, sets, strict=True)
    ]
    return f"({literal(local)}, {literal(map_.axes(block)[0] for block in map_.kept)})"


def _target_literal(map_: AxisMap, sets: tuple[str, ...]) -> str:
    """For each output axis the place of its block among the kept ones, or c plus its number elsewhere."""
    seen: dict[str, dict[int, int]] = defaultdict(dict)
    codes = []
    for block, name in zip(map_.blocks, sets, strict=True):
        if block in map_.kept:
            codes.append(map_.kept.index(block))
        else:
            codes.append(len(map_.kept) + seen[name].setdefault(block, len(seen[name])))
    return literal(codes)


def where_sorted(shapes: Sequence[Shape], choices: Choices) -> tuple[str, ...]:
    """Lines that set ``symmetrised``: is sorting worth it for these channels? The highest level decides."""
    if not shapes:
        return ()
    if isinstance(choices.sorted_from, int):
        return (f"self.symmetrised = min(in_channels, out_channels) >= {choices.sorted_from}",)
    compiled, eager = (_worth_it(shapes[0], sorting) for sorting in (COMPILED, EAGER))
    if choices.sorted_from == IN_COMPILED_CODE:
        return (f"compiled = {compiled}", "self.symmetrised = None if compiled else False")
    return (
        f"compiled = {compiled}",
        f"eager = {eager}",
        "self.symmetrised = compiled and (eager or None)",
    )


def _worth_it(shape: Shape, sorting: Sorting) -> str:
    saved, there, back = shape.pays(sorting)
    product = "in_channels * out_channels" if saved == 1 else f"{saved} * in_channels * out_channels"
    return f"{product} >= {there} * in_channels + {back} * out_channels"


def representations(level: Level) -> Representations:
    """The tables of a level's symmetric group."""
    (c,) = level.group_sizes
    return Representations(
        c=c,
        name=level.name,
        order=factorial(c),
        dimensions=literal(found.dimension for found in irreducibles(c)),
        fourier=tuple(map(literal, fourier(c))),
        inverse=tuple(map(literal, inverse_fourier(c))),
    )
