"""Plan -> LayerView: every string that the template places.

Index axes are counted from the end, just before the channels, so that any number of batch axes
may lead. A tensor of q index axes has axis a at dimension ``a - q - 1``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb, factorial, prod

from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import bell, count, restricted_growth_strings
from symeq.emit.names import class_name, module_name
from symeq.plans.choices import (
    NEVER,
    SORTABLE,
    Choices,
    Form,
    Workload,
    arrange,
    check,
    level_name,
    parts,
    shapes,
)
from symeq.plans.cost import pays
from symeq.plans.ir import AxisMap, Broadcast, Contract, Permutation, Plan, axis_sets
from symeq.plans.model import decide
from symeq.representations.young import fourier, inverse_fourier, irreducibles
from symeq.signature import EmitOptions, Signature

LISTED = 60
"""Up to so many operators the emitted file lists its slots; above, it computes them at import."""

_OF_MANY_AXES = 4
"""From so many axes on torch.export cannot tell for every n that what is added out of place has one shape."""

_WIDTH = 104


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of the emitted forward pass, with the remark that ties it to its blocks."""

    code: str
    note: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The remark behind the code if it fits there, else above it."""
        if not self.note:
            return (self.code,)
        beside = f"{self.code}  # {self.note}"
        if len(beside) + 8 <= _WIDTH:
            return (beside,)
        indent = self.code[: len(self.code) - len(self.code.lstrip())]
        return (f"{indent}# {self.note}", self.code)


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

    @property
    def symmetrisable(self) -> bool:
        """Whether it can go through the representations of one symmetric group, neither trivial nor large."""
        return len(self.group_sizes) == 1 and self.group_sizes[0] in SORTABLE


@dataclass(frozen=True, slots=True)
class Representations:
    """The tables of the symmetric group of a level: dimensions, and the change of basis there and back."""

    c: int
    name: str
    order: int
    dimensions: str
    fourier: tuple[str, ...]
    inverse: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerView:
    """All that the template needs to know of a layer."""

    class_name: str
    module_name: str
    command: str
    signature: Signature
    layout: str
    choices: str
    plan_digest: str
    operators: int
    bias_operators: int
    contractions: int
    products: int
    broadcasts: int
    listed: bool
    basis_rows: tuple[Statement, ...]
    bias_rows: str
    slots: str
    levels: tuple[Level, ...]
    summed_sets: tuple[str, ...]
    reaching: int
    symmetrised: tuple[Representations, ...]
    pays: str
    contract: tuple[Statement, ...]
    mix: tuple[Statement, ...]
    broadcast: tuple[Statement, ...]
    uses_narrow: bool
    uses_diagonal: bool
    uses_read_diagonal: bool
    uses_sum: bool
    uses_permuted: bool
    uses_permuted_sum: bool
    uses_accumulated: bool
    uses_batch: bool

    @property
    def order_in(self) -> int:
        """The order k of the input."""
        return self.signature.order_in

    @property
    def order_out(self) -> int:
        """The order k' of the output."""
        return self.signature.order_out


def view(plan: Plan, options: EmitOptions) -> LayerView:
    """The strings of the layer that ``plan`` (optimised: one product per level) computes.

    Raises:
        OptionError: choices that the plan does not have, or sizes that cannot be read.
    """
    signature = plan.signature
    choices = chosen(plan, options)
    plan = arrange(plan, choices)
    operators = count(signature.positions)
    listed = operators <= LISTED
    name = class_name(signature, options)
    levels = tuple(_levels(plan))
    contract = tuple(_contract_lines(plan))
    sortable = tuple(level for level in levels if level.symmetrisable and choices.sorted_from != NEVER)
    forms = [choices.of(name, shape) for name, shape in shapes(plan).items()]
    mix = tuple(_mix_lines(plan, levels, forms, {level.name for level in sortable}))
    broadcast = tuple(_broadcast_lines(plan))
    text = "\n".join(line.code for line in (*contract, *mix, *broadcast))
    mixed = {at for m in plan.mixes for at, _ in m.sources}
    return LayerView(
        class_name=name,
        module_name=module_name(signature, options),
        command=_command(signature, options),
        signature=signature,
        layout=options.layout,
        choices=str(choices),
        plan_digest=hashlib.sha256(repr(plan).encode()).hexdigest(),
        operators=operators,
        bias_operators=count(signature.outputs),
        contractions=len(plan.contracts) + (0 in mixed),
        products=len(plan.mixes),
        broadcasts=len(plan.broadcast_maps()),
        listed=listed,
        basis_rows=tuple(_basis_rows(signature)) if listed else (),
        bias_rows=_wrapped(
            (_literal(row) for row in restricted_growth_strings(signature.outputs).tolist()), " " * 8
        )
        if listed
        else "",
        slots=_wrapped((str(slot) for mix in plan.mixes for slot in plan.slots(mix).flat), " " * 4)
        if listed
        else "",
        levels=levels,
        summed_sets=tuple(dict.fromkeys(signature.inputs)),
        reaching=_reaching(signature),
        symmetrised=tuple(_representations(level) for level in sortable),
        pays=_pays(sortable, choices),
        contract=contract,
        mix=mix,
        broadcast=broadcast,
        uses_narrow="narrow)" in text,
        uses_diagonal="_diagonal(" in text,
        uses_read_diagonal="_read_diagonal(" in text,
        uses_sum="_sum(" in text,
        uses_permuted="_permuted(" in text,
        uses_permuted_sum="_permuted_sum(" in text,
        uses_accumulated="_accumulated(" in text,
        uses_batch="*batch" in text,
    )


def _command(signature: Signature, options: EmitOptions) -> str:
    words = f'symeq generate "{signature}" --out DIR'
    if options.class_name is not None:
        words += f" --class-name {options.class_name}"
    if options.layout != "channels-last":
        words += f" --layout {options.layout}"
    if options.choices:
        words += f' --choices "{Choices.parse(options.choices, signature)}"'
    if options.made_for:
        words += f' --for "{Workload.parse(options.made_for, signature)}"'
    return words


def chosen(plan: Plan, options: EmitOptions) -> Choices:
    """The form of every level: as the options say, by the cost model where they say nothing.

    Raises:
        OptionError: choices that the plan does not have, or sizes that cannot be read.
    """
    choices = Choices.parse(options.choices, plan.signature)
    check(choices, plan)
    workload = Workload.parse(options.made_for, plan.signature) if options.made_for else None
    return decide(plan, choices, workload)


def _literal(row: Iterable[int]) -> str:
    return repr(tuple(row))


def _wrapped(items: Iterable[str], indent: str) -> str:
    """The items with commas, broken into lines that fit."""
    lines = [indent]
    for item in items:
        piece = item + ", "
        if len(lines[-1]) + len(piece) > _WIDTH and lines[-1] != indent:
            lines.append(indent)
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _repeated(items: Sequence[str]) -> str:
    """The items with commas; many equal ones as ``*[item] * 5``."""
    if len(items) > 2 and len(set(items)) == 1:
        return f"*[{items[0]}] * {len(items)}"
    return ", ".join(items)


def _basis_rows(signature: Signature) -> Iterator[Statement]:
    rows = [tuple(row) for row in restricted_growth_strings(signature.positions).tolist()]
    for row in rows:
        diagram = PartitionDiagram(row, signature.order_in, signature.positions)
        yield Statement(f"{_literal(row)},", diagram.draw().rstrip())


def _reaching(signature: Signature) -> int:
    """How many diagram operators reach output entries whose indices are all distinct.

    Those with every output position in a block of its own: per index set with k inputs and k'
    outputs, choose which inputs join one of the k' outputs, and partition the rest.
    """

    def per_set(k: int, order_out: int) -> int:
        return sum(comb(k, j) * order_out**j * bell(k - j) for j in range(k + 1))

    return prod(
        per_set(signature.inputs.count(name), signature.outputs.count(name)) for name in signature.index_sets
    )


# --- the levels ---------------------------------------------------------------------------------


def _levels(plan: Plan) -> Iterator[Level]:
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()
    start = 0
    for mix in plan.mixes:
        sources, permutations, targets = parts(mix)
        sets = axis_sets(contractions[sources[0]], plan.signature.inputs)
        groups = tuple(len(list(group)) for _, group in itertools.groupby(sets))
        yield Level(
            name=level_name(sets, plan.signature),
            words=", ".join(f"{sets.count(name)} of {name}" for name in plan.signature.index_sets) or "none",
            rows=len(mix.sources),
            columns=len(mix.targets),
            start=start,
            permutations=tuple(permutations),
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
    return f"({_literal(local)}, {_literal(map_.axes(block)[0] for block in map_.kept)})"


def _target_literal(map_: AxisMap, sets: tuple[str, ...]) -> str:
    """For each output axis the place of its block among the kept ones, or c plus its number elsewhere."""
    seen: dict[str, dict[int, int]] = defaultdict(dict)
    codes = []
    for block, name in zip(map_.blocks, sets, strict=True):
        if block in map_.kept:
            codes.append(map_.kept.index(block))
        else:
            codes.append(len(map_.kept) + seen[name].setdefault(block, len(seen[name])))
    return _literal(codes)


def _pays(levels: Sequence[Level], choices: Choices) -> str:
    """The condition on the channels under which symmetrising is worth it; the highest level decides."""
    if not levels:
        return ""
    if choices.sorted_from is not None:
        return f"min(in_channels, out_channels) >= {choices.sorted_from}"
    level = levels[0]
    (c,) = level.group_sizes
    sources, targets = len(level.sources), len(level.targets)
    saved, moved_in, moved_out = pays(c, sources, targets)
    product = "in_channels * out_channels" if saved == 1 else f"{saved} * in_channels * out_channels"
    return f"{product} >= {moved_in} * in_channels + {moved_out} * out_channels"


def _representations(level: Level) -> Representations:
    """The tables of a level's symmetric group."""
    (c,) = level.group_sizes
    return Representations(
        c=c,
        name=level.name,
        order=factorial(c),
        dimensions=_literal(found.dimension for found in irreducibles(c)),
        fourier=tuple(map(_literal, fourier(c))),
        inverse=tuple(map(_literal, inverse_fourier(c))),
    )


# --- the forward pass ---------------------------------------------------------------------------


def _dim(axis: int, axes: int) -> int:
    return axis - axes - 1


def _diagonal(code: str, map_: AxisMap, way: str = "_diagonal") -> tuple[str, tuple[int, ...]]:
    """The view that identifies axes within blocks, and the blocks in the order of its axes."""
    blocks = tuple(dict.fromkeys(map_.blocks))
    if len(blocks) == len(map_.blocks):
        return code, blocks
    return f"{way}({code}, {_literal(map_.blocks)})", blocks


def _moved(source: Sequence[int], target: Sequence[int]) -> str:
    """The view whose axes ``target`` are the axes ``source`` (blocks in either order)."""
    q = len(source)
    moves = [(_dim(source.index(b), q), _dim(at, q)) for at, b in enumerate(target) if source.index(b) != at]
    if not moves:
        return ""
    return f".movedim({_literal(a for a, _ in moves)}, {_literal(b for _, b in moves)})"


def _contract_lines(plan: Plan) -> Iterator[Statement]:
    contractions = plan.contractions()
    on_diagonals = Counter(step.source for step in plan.contracts if _merges(step.map))
    for step in plan.contracts:
        several = on_diagonals[step.source] > 1
        code = _contract_code(
            step, contractions, plan.signature, "_read_diagonal" if several else "_diagonal"
        )
        yield Statement(f"{_c(step.target)} = {code}", str(contractions[step.target]))


def _merges(map_: AxisMap) -> bool:
    """Whether axes are identified."""
    return map_.block_count < len(map_.blocks)


def _contract_code(step: Contract, contractions: dict[int, AxisMap], signature: Signature, way: str) -> str:
    code, blocks = _diagonal(_c(step.source), step.map, way)
    sets = axis_sets(contractions[step.source], signature.inputs)
    summed = [axis for axis, block in enumerate(blocks) if block not in step.map.kept]
    if summed:
        dims = _literal(_dim(axis, len(blocks)) for axis in summed)
        scales = _repeated([f'scale["{sets[step.map.axes(blocks[axis])[0]]}"]' for axis in summed])
        code = f"_sum({code}, {dims}, {scales})"
    return code + _moved([block for block in blocks if block in step.map.kept], step.map.kept)


def _mix_lines(
    plan: Plan, levels: Sequence[Level], forms: Sequence[Form], sortable: set[str]
) -> Iterator[Statement]:
    contractions, broadcasts = plan.contractions(), plan.broadcast_maps()
    for mix, level, form in zip(plan.mixes, levels, forms, strict=True):
        product, permutations = f"z{level.name}", f"PERMUTATIONS_{level.name}"
        sources, _, targets = parts(mix)
        features = _tuple(_c(at) for at in sources)
        if len(features) > 60:
            unpacked = _wrapped((_c(at) for at in sources), " " * 12)
            yield Statement(f"{product} = (\n{unpacked}\n        )")
            features = product
        plain = features
        if len(mix.sources) > len(sources):
            features = f"_permuted({features}, {permutations})"
        # Sums are in float32 until they are mixed; where nothing was summed the product may be in less.
        pure = not any(contractions[at].dropped for at in sources)
        names = [_b(at) for at in targets]
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
            c = mix.level
            name = axis_sets(contractions[sources[0]], plan.signature.inputs)[0]
            matrices = f" self._fourier_{c}, self._inverse_{c}" if c > 2 else ""
            tables = f"(self._orders_{c},{matrices})"
            yield Statement("if self.symmetrised:")
            yield Statement(f"    tables = {tables}")
            given = (
                f"{plain}, terms, {level.start}, {len(sources)}, {len(targets)}, sizes[{json.dumps(name)}]"
            )
            given += f", tables, {f'DIMENSIONS_{c}' if c > 2 else '(1, 1)'}, wide"
            call = f"    {result} = _convolved({given})"
            if len(call) + 8 > _WIDTH:
                call = f"    {result} = _convolved(\n{' ' * 16}{given}\n{' ' * 12})"
            yield Statement(call)
            yield Statement("else:")
            lines = [replace(line, code=f"    {line.code}") for line in lines]
        yield from lines
        if 1 < len(targets) <= 6:
            notes = ", ".join(str(broadcasts[at]) for at in targets)
            yield Statement(f"{', '.join(names)} = {product}.chunk({len(targets)}, -1)", notes)
        elif len(targets) > 6:
            unpacked = _wrapped(names, " " * 12)
            yield Statement(f"(\n{unpacked}\n        ) = {product}.chunk({len(targets)}, -1)")


def _tuple(names: Iterable[str]) -> str:
    listed = list(names)
    return f"({listed[0]},)" if len(listed) == 1 else f"({', '.join(listed)})"


def _broadcast_lines(plan: Plan) -> Iterator[Statement]:
    broadcasts = plan.broadcast_maps()
    pieces = {target: len({at for at, _ in mix.targets}) for mix in plan.mixes for target, _ in mix.targets}
    moves: dict[int, list[Broadcast]] = defaultdict(list)
    for move in plan.broadcasts:
        moves[move.target].append(move)
    # In the plan everything has been added to a tensor before it is added to another.
    for target in [at for at in (*(move.source for move in plan.broadcasts), 0) if at in moves]:
        yield from _accumulate(target, moves[target], pieces.get(target, 0), broadcasts, plan.signature)


def _accumulate(
    target: int,
    moves: list[Broadcast],
    pieces: int,
    broadcasts: dict[int, AxisMap],
    signature: Signature,
) -> Iterator[Statement]:
    """Adds smaller tensors into one: those that cover it first, then those on diagonals in place.

    ``pieces`` is the number of tensors of the product that starts the target; 0: none does.
    """
    name = _b(target)
    covering = [move for move in moves if len(set(move.map.blocks)) == len(move.map.blocks)]
    on_diagonals = [move for move in moves if move not in covering]
    # A tensor that this pass made itself may be added to in place; a piece of a product may not.
    own = pieces == 1
    if not pieces:
        # The passes leave no tensor that only diagonals are added to: see passes._chain.
        assert covering, f"nothing covers broadcast {broadcasts[target]} of {signature}"
        first, *covering = covering
        start = f"{name} = {_b(first.source)}{_along(first.map, first.map.blocks)}"
        if first.map.dropped:
            # -1 leaves the size of an axis that is there already.
            sets = axis_sets(broadcasts[target], signature.outputs)
            sizes = [
                "-1" if block in first.map.kept else f"sizes[{json.dumps(name)}]"
                for block, name in zip(first.map.blocks, sets, strict=True)
            ]
            start += f".expand(*batch, {_repeated(sizes)}, -1)"
            if not covering:
                start += ".clone()"  # a tensor of its own, not one memory seen n times
                own = True
        yield Statement(start, str(broadcasts[first.source]))
    if covering and pieces > 1 and len(covering[0].map.blocks) >= _OF_MANY_AXES:
        yield Statement(f"{name} = {name}.clone()")
        own = True
    for move in covering:
        sign = f"{name} +=" if own else f"{name} = {name} +"
        added = f"{_b(move.source)}{_along(move.map, move.map.blocks)}"
        yield Statement(f"{sign} {added}", str(broadcasts[move.source]))
        own = True
    if on_diagonals and not own:
        yield Statement(f"{name} = {name}.clone()")
    for move in on_diagonals:
        plane, blocks = _diagonal(name, move.map)
        added = f"{_b(move.source)}{_along(move.map, blocks)}"
        yield Statement(f"{plane}.add_({added})", str(broadcasts[move.source]))


def _along(map_: AxisMap, blocks: tuple[int, ...]) -> str:
    """The view of a small tensor that lines up with the axes ``blocks`` of a larger one."""
    code = _moved(map_.kept, [block for block in blocks if block in map_.kept])
    if not map_.dropped:
        return code
    axes = ", ".join(":" if block in map_.kept else "None" for block in blocks)
    return f"{code}[..., {axes}, :]"


def _c(at: int) -> str:
    return f"c{at}" if at else "x"


def _b(at: int) -> str:
    return f"b{at}" if at else "y"
