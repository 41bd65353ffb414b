"""The emitted forward pass: contract, mix, broadcast.

Index axes are counted from the end, just before the channels, so that any number of batch axes
may lead. A tensor of q index axes has axis a at dimension ``a - q - 1``.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from symeq.emit.levels import Level
from symeq.emit.text import WIDTH, Statement, literal, repeated, wrapped
from symeq.plans.choices import Form, parts
from symeq.plans.ir import AxisMap, Broadcast, Contract, Mix, Plan, axis_sets
from symeq.signature import Signature

_OF_MANY_AXES = 4
"""From so many axes on torch.export cannot tell for every n that what is added out of place has one shape."""


def dim(axis: int, axes: int) -> int:
    """The dimension of an index axis, from the end."""
    return axis - axes - 1


def _diagonal(code: str, map_: AxisMap, way: str = "_diagonal") -> tuple[str, tuple[int, ...]]:
    """The view that identifies axes within blocks, and the blocks in the order of its axes."""
    blocks = tuple(dict.fromkeys(map_.blocks))
    if len(blocks) == len(map_.blocks):
        return code, blocks
    return f"{way}({code}, {literal(map_.blocks)})", blocks


def moved(source: Sequence[int], target: Sequence[int]) -> str:
    """The view whose axes ``target`` are the axes ``source`` (blocks in either order)."""
    q = len(source)
    moves = [(dim(source.index(b), q), dim(at, q)) for at, b in enumerate(target) if source.index(b) != at]
    if not moves:
        return ""
    return f".movedim({literal(a for a, _ in moves)}, {literal(b for _, b in moves)})"


def contract_lines(plan: Plan) -> Iterator[Statement]:
    """Diagonals and sums of the input, each from the smallest tensor that has it."""
    contractions = plan.contractions()
    on_diagonals = Counter(step.source for step in plan.contracts if _merges(step.map))
    for step in plan.contracts:
        several = on_diagonals[step.source] > 1
        code = _contract_code(
            step, contractions, plan.signature, "_read_diagonal" if several else "_diagonal"
        )
        yield Statement(f"{tensor(step.target)} = {code}", str(contractions[step.target]))


def _merges(map_: AxisMap) -> bool:
    """Whether axes are identified."""
    return map_.block_count < len(map_.blocks)


def _contract_code(step: Contract, contractions: dict[int, AxisMap], signature: Signature, way: str) -> str:
    code, blocks = _diagonal(tensor(step.source), step.map, way)
    sets = axis_sets(contractions[step.source], signature.inputs)
    summed = [axis for axis, block in enumerate(blocks) if block not in step.map.kept]
    if summed:
        dims = literal(dim(axis, len(blocks)) for axis in summed)
        scales = repeated([f'scale["{sets[step.map.axes(blocks[axis])[0]]}"]' for axis in summed])
        # In one go, each entry of the result would be gathered from all over the input.
        from_x = step.source == 0 and not _merges(step.map)
        in_turn = from_x and len(summed) > 1 and summed[-1] < len(blocks) - 1
        code = f"{'_sum_in_turn' if in_turn else '_sum'}({code}, {dims}, {scales})"
    return code + moved([block for block in blocks if block in step.map.kept], step.map.kept)


def mix_lines(
    plan: Plan, levels: Sequence[Level], forms: Sequence[Form], sortable: Collection[str]
) -> Iterator[Statement]:
    """The products of every level, in its form; a sortable one has a second way."""
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()
    for mix, level, form in zip(plan.mixes, levels, forms, strict=True):
        product, permutations = f"z{level.name}", f"PERMUTATIONS_{level.name}"
        sources, _, targets = parts(mix)
        features, lines = listed([tensor(at) for at in sources], product)
        yield from lines
        plain = features
        if len(mix.sources) > len(sources):
            features = f"_permuted({features}, {permutations})"
        # Sums are in float32 until they are mixed; where nothing was summed the product may be in less.
        pure = not any(contractions[at].dropped for at in sources)
        names = [summand(at) for at in targets]
        result = names[0] if len(targets) == 1 else product
        accumulated = form == "accumulated"
        if accumulated:
            shape = f"{level.start}, {len(targets)}, {permutations}"
            mixed = f"_accumulated({plain}, terms, {shape}, {'narrow' if pure else 'wide'})"
        else:
            precision = "narrow).to(wide)" if pure else "wide)"
            mixed = f"_mix({features}, terms, {level.start}, {level.rows}, {level.columns}, {precision}"
        into = result if accumulated else product
        lines = [Statement(f"{into} = {mixed}", f"propagating blocks: {level.words}")]
        if not mix.level:
            lines.append(Statement(f"{product} = self._add_bias({product})"))
        if not accumulated and len(mix.targets) > len(targets):
            lines.append(Statement(f"{result} = _permuted_sum({product}, {permutations})"))
        elif into != result:
            lines.append(Statement(f"{result} = {product}", str(broadcasts[targets[0]])))
        if level.name in sortable:
            yield from _either_way(lines, [_sorted_product(plan, mix, level, plain, result)])
        else:
            yield from lines
        if len(targets) > 1:
            yield pieces(product, names, [broadcasts[at] for at in targets])


def _sorted_product(plan: Plan, mix: Mix, level: Level, features: str, result: str) -> Statement:
    """The product of a level at sorted entries."""
    sources, _, targets = parts(mix)
    name = axis_sets(plan.contractions()[sources[0]], plan.signature.inputs)[0]
    c = mix.level
    tables = f"(self._fourier_{c}, self._inverse_{c}), DIMENSIONS_{c}" if c > 2 else "(), (1, 1)"
    given = f"{features}, terms, {level.start}, {len(sources)}, {len(targets)}, sizes[{json.dumps(name)}]"
    given += f", PERMUTATIONS_{level.name}"
    code = f"{result} = _convolved({given}, {tables}, wide)"
    if len(code) + 12 > WIDTH:
        inside = f"\n{' ' * 16}".join((f"{given},", f"{tables}, wide"))
        code = f"{result} = _convolved(\n{' ' * 16}{inside}\n{' ' * 12})"
    return Statement(code)


def _either_way(plain: Iterable[Statement], sorted_: Iterable[Statement]) -> Iterator[Statement]:
    """Statements where entries are sorted, and others where they are not."""
    for condition, lines in (("if self._sorts():", sorted_), ("else:", plain)):
        yield Statement(condition)
        yield from (replace(line, code=f"    {line.code}") for line in lines)


def listed(names: Sequence[str], variable: str) -> tuple[str, list[Statement]]:
    """A tuple of the names, and the statement that puts it into the variable where it is long."""
    code = f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"
    if len(code) <= 60:
        return code, []
    return variable, [Statement(f"{variable} = (\n{wrapped(names, ' ' * 12)}\n        )")]


def pieces(product: str, names: Sequence[str], notes: Sequence[AxisMap]) -> Statement:
    """Takes a product apart along its channels, into several names."""
    if len(names) <= 6:
        return Statement(
            f"{', '.join(names)} = {product}.chunk({len(names)}, -1)", ", ".join(map(str, notes))
        )
    return Statement(f"(\n{wrapped(names, ' ' * 12)}\n        ) = {product}.chunk({len(names)}, -1)")


def broadcast_lines(plan: Plan, levels: Sequence[Level], sortable: Collection[str]) -> Iterator[Statement]:
    """Every tensor added into the next larger one, the output last; ``sortable``: levels of two ways."""
    parts_of: dict[int, int] = {}
    for mix in plan.mixes:
        pieces = len({at for at, _ in mix.targets})
        parts_of.update((target, pieces) for target, _ in mix.targets)
    two_ways = {
        target
        for mix, level in zip(plan.mixes, levels, strict=True)
        if level.name in sortable
        for target, _ in mix.targets
    }
    moves: dict[int, list[Broadcast]] = defaultdict(list)
    for move in plan.broadcasts:
        moves[move.target].append(move)
    maps = plan.broadcast_maps()
    # In the plan everything has been added to a tensor before it is added to another.
    for target in [at for at in (*(move.source for move in plan.broadcasts), 0) if at in moves]:
        pieces = parts_of.get(target, 0)
        yield from _accumulate(plan.signature, maps, target, moves[target], pieces, target in two_ways)


def _accumulate(
    signature: Signature,
    broadcasts: Mapping[int, AxisMap],
    target: int,
    moves: list[Broadcast],
    pieces: int,
    two_ways: bool,
) -> Iterator[Statement]:
    """Adds smaller tensors into one: those that cover it first, then those on diagonals in place.

    ``broadcasts`` are the maps of all of them, ``pieces`` is the number of tensors of the product that starts
    the target (0: none does), ``two_ways`` says whether that may have been sorted.
    """
    name = summand(target)
    covering = [move for move in moves if len(set(move.map.blocks)) == len(move.map.blocks)]
    on_diagonals = [move for move in moves if move not in covering]
    # A tensor that this pass made itself may be added to in place; a piece of a product may not.
    own = pieces == 1
    if not pieces:
        # The passes leave no tensor that only diagonals are added to: see passes._chain.
        assert covering, f"nothing covers broadcast {broadcasts[target]} of {signature}"
        first, *covering = covering
        start = f"{name} = {summand(first.source)}{_along(first.map, first.map.blocks)}"
        if first.map.dropped:
            # -1 leaves the size of an axis that is there already.
            sets = axis_sets(broadcasts[target], signature.outputs)
            sizes = [
                "-1" if block in first.map.kept else f"sizes[{json.dumps(name)}]"
                for block, name in zip(first.map.blocks, sets, strict=True)
            ]
            start += f".expand(*batch, {repeated(sizes)}, -1)"
            if not covering:
                start += ".clone()"  # a tensor of its own, not one memory seen n times
                own = True
        yield Statement(start, str(broadcasts[first.source]))
    if covering and pieces > 1 and len(covering[0].map.blocks) >= _OF_MANY_AXES:
        yield Statement(f"{name} = {name}.clone()")
        own = True
    for at, move in enumerate(covering):
        sign = f"{name} +=" if own else f"{name} = {name} +"
        added = f"{summand(move.source)}{_along(move.map, move.map.blocks)}"
        note = str(broadcasts[move.source])
        if two_ways and pieces == 1 and not at:
            # What was sorted is a view: if it is changed in place, its gradient is copied once more.
            apart = [Statement(f"{name} = {name} + {added}", note)]
            yield from _either_way([Statement(f"{sign} {added}", note)], apart)
        else:
            yield Statement(f"{sign} {added}", note)
        own = True
    if on_diagonals and not own:
        yield Statement(f"{name} = {name}.clone()")
    for move in on_diagonals:
        plane, blocks = _diagonal(name, move.map)
        added = f"{summand(move.source)}{_along(move.map, blocks)}"
        yield Statement(f"{plane}.add_({added})", str(broadcasts[move.source]))


def _along(map_: AxisMap, blocks: tuple[int, ...]) -> str:
    """The view of a small tensor that lines up with the axes ``blocks`` of a larger one."""
    code = moved(map_.kept, [block for block in blocks if block in map_.kept])
    if not map_.dropped:
        return code
    axes = ", ".join(":" if block in map_.kept else "None" for block in blocks)
    return f"{code}[..., {axes}, :]"


def tensor(at: int) -> str:
    """The name of a contraction."""
    return f"c{at}" if at else "x"


def summand(at: int) -> str:
    """The name of a broadcast."""
    return f"b{at}" if at else "y"
