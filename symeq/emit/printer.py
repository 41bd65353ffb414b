"""Plan -> LayerView: every string that the template places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, prod

from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import bell, count, restricted_growth_strings
from symeq.emit.forward import broadcast_lines, contract_lines, mix_lines
from symeq.emit.levels import Level, Representations, levels_of, representations, where_sorted
from symeq.emit.mixing import mixed_lines
from symeq.emit.names import class_name, module_name
from symeq.emit.text import Statement, literal, wrapped
from symeq.plans.choices import NEVER, Choices, Workload, arrange, check, shapes, sortable
from symeq.plans.ir import Plan
from symeq.plans.model import decide
from symeq.signature import EmitOptions, Signature

LISTED = 60
"""Up to so many operators the emitted file lists its slots; above, it computes them at import if it can."""


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
    worth_sorting: tuple[str, ...]
    contract: tuple[Statement, ...]
    mix: tuple[Statement, ...]
    broadcast: tuple[Statement, ...]
    uses_narrow: bool
    uses_diagonal: bool
    uses_read_diagonal: bool
    uses_sum: bool
    uses_sum_in_turn: bool
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
    listed = operators <= LISTED or not choices.at_levels
    name = class_name(signature, options)
    levels = tuple(levels_of(plan, choices.at_levels))
    contract = tuple(contract_lines(plan))
    sorted_levels = sortable(plan) if choices.at_levels and choices.sorted_from != NEVER else {}
    if choices.at_levels:
        forms = [choices.of(name, shape) for name, shape in shapes(plan).items()]
        mix = tuple(mix_lines(plan, levels, forms, sorted_levels))
    else:
        mix = tuple(mixed_lines(plan, levels))
    broadcast = tuple(broadcast_lines(plan, levels, sorted_levels))
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
        bias_rows=wrapped(
            (literal(row) for row in restricted_growth_strings(signature.outputs).tolist()), " " * 8
        )
        if listed
        else "",
        slots=wrapped((str(slot) for mix in plan.mixes for slot in plan.slots(mix).flat), " " * 4)
        if listed
        else "",
        levels=levels,
        summed_sets=tuple(dict.fromkeys(signature.inputs)),
        reaching=_reaching(signature),
        symmetrised=tuple(representations(level) for level in levels if level.name in sorted_levels),
        worth_sorting=where_sorted(list(sorted_levels.values()), choices),
        contract=contract,
        mix=mix,
        broadcast=broadcast,
        uses_narrow="narrow)" in text,
        uses_diagonal="_diagonal(" in text,
        uses_read_diagonal="_read_diagonal(" in text,
        uses_sum="_sum(" in text or "_sum_in_turn(" in text,
        uses_sum_in_turn="_sum_in_turn(" in text,
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


def _basis_rows(signature: Signature) -> Iterator[Statement]:
    rows = [tuple(row) for row in restricted_growth_strings(signature.positions).tolist()]
    for row in rows:
        diagram = PartitionDiagram(row, signature.order_in, signature.positions)
        yield Statement(f"{literal(row)},", diagram.draw().rstrip())


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
