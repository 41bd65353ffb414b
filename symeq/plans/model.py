"""The cost model: what each form of a level multiplies, moves and holds, and what is taken by this.

All forms of a level take the same multiply-adds, so what they move decides, and what they hold: memory that
was not used just before is slower to write to. Where channels are mixed changes all of it, sums and copies
included. Counts are exact, per sample; they are polynomials where sizes and channels are symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symeq.combinatorics.partitions import count
from symeq.plans.choices import (
    IN_COMPILED_CODE,
    NEVER,
    Choices,
    Form,
    Shape,
    SortedFrom,
    Workload,
    arrange,
    shapes,
    sortable,
)
from symeq.plans.cost import COMPILED, EAGER, Sorting, symbols, work
from symeq.plans.ir import Plan
from symeq.plans.mixing import mixings
from symeq.signature import Signature

if TYPE_CHECKING:
    import sympy

SECONDS_PER_MULTIPLY_ADD = 2e-11
SECONDS_PER_BYTE_MOVED = 1e-10
SECONDS_PER_BYTE_HELD = 3e-10
SECONDS_PER_PRODUCT = 3e-5
"""About what two cores take, in float32. Each product calls torch a few times, however small it is."""

WORTH_MEASURING = 0.05
"""Levels with a smaller share of the time of all are taken as the model takes them."""

CLEARLY_LESS = 0.5
"""Channels are mixed elsewhere, without measuring, where the model takes this to need so much of the time at
the levels. It counts the forward pass, and gradients gain less: so far it was never slower with them."""

NOT_WORTH_MEASURING = 4
"""Channels mixed elsewhere are not measured where the model takes this to be so many times as slow."""

MOST_CANDIDATES = 8
FEW_PERMUTATIONS = 2
"""Without sizes, products are accumulated for so many permutations at most. For more, as at the top of
3 -> 3, it was faster forward, by a tenth to a fifth, but slower, by a tenth, with compiled gradients of few
channels."""

TYPICAL_BATCH, TYPICAL_ENTRIES, TYPICAL_CHANNELS = 16, 4096, 64
"""Without other sizes, forms are chosen for so many samples, channels, and entries of x or y, the larger."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a level, or a layer, takes per sample: integers, or polynomials of SymPy.

    Attributes:
        products: the number of matrix products.
        multiplications: multiply-adds of all of them.
        moved: numbers read and written by products, and by what puts together, reorders and adds.
        held: numbers in memory at once, besides its sources.
    """

    products: int
    multiplications: Any
    moved: Any
    held: Any

    def seconds(self, batch: int) -> float:
        """By the constants of the machine, in float32."""
        per_sample = (
            SECONDS_PER_MULTIPLY_ADD * self.multiplications
            + 4 * SECONDS_PER_BYTE_MOVED * self.moved
            + 4 * SECONDS_PER_BYTE_HELD * self.held
        )
        return float(SECONDS_PER_PRODUCT * self.products + batch * per_sample)


def counts(form: Form, shape: Shape, volume: Any, c_in: Any, c_out: Any) -> Counts:
    """What a level of ``shape`` takes in a form; ``volume``: the entries of its tensors, per channel.

    An addition in place reads two numbers and writes one. Of the upper level of 2 -> 2:

    >>> counts("outputs", Shape(1, 2, 1, ("n", "n")), 100, 8, 8)
    Counts(products=1, multiplications=12800, moved=4800, held=2400)
    """
    x, y = shape.sources * volume * c_in, shape.targets * volume * c_out
    orders = shape.permutations
    together = x if shape.sources > 1 else 0  # is read, and written
    match form:
        case "outputs":
            moved = 2 * together + x + orders * y + 3 * (orders - 1) * y
            held = together + orders * y + (y if orders > 1 else 0)
        case "inputs":
            moved = 3 * orders * x + y
            held = orders * x + y
        case "accumulated":
            moved = 2 * together + orders * (x + y) + 3 * (orders - 1) * y
            held = together + 2 * y
    multiplications = shape.sources * orders * shape.targets * volume * c_in * c_out
    return Counts(orders if form == "accumulated" else 1, multiplications, moved, held)


def decide(plan: Plan, given: Choices, workload: Workload | None = None) -> Choices:
    """The choices with every level named that has one: by the model where nothing was given.

    Without a workload, for typical sizes, and only what is faster with gradients, too: the permutations stay
    at the side where the plan has them, only few products are accumulated, and channels mixed at the levels.
    """
    sums = given.sums or (workload.order_of_sets if workload else ())
    if not given.at_levels:
        return replace(given, sums=sums)
    places = mixings(plan) if workload else ()
    if workload and len(places) > 1 and not (given.mixed or given.forms or given.sorted_from):
        at_levels, *others = (decide(plan, replace(given, mixed=where), workload) for where in places)
        best = min(others, key=lambda choices: seconds(plan, choices, workload))
        clearly = seconds(plan, best, workload) < CLEARLY_LESS * seconds(plan, at_levels, workload)
        return best if clearly else at_levels
    wanted = dict(given.forms)
    forms = []
    for (name, shape), mix in zip(shapes(plan).items(), plan.mixes, strict=True):
        if len(shape.forms) == 1:
            continue
        offered = shape.forms
        if workload is None:
            at_inputs = len(mix.sources) > shape.sources
            few = shape.permutations <= FEW_PERMUTATIONS
            outputs: tuple[Form, ...] = ("outputs", "accumulated") if few else ("outputs",)
            offered = ("inputs",) if at_inputs else outputs
        forms.append((name, wanted.get(name) or _best(shape, offered, workload or typical(plan.signature))))
    sorted_from = given.sorted_from or (_sorted_from(plan, workload) if workload else None)
    return Choices(tuple(forms), sorted_from, sums, given.mixed)


def _sorted_from(plan: Plan, workload: Workload) -> SortedFrom | None:
    """None where a layer's own choice, by its channels, is right for these sizes, too: they may be small."""
    compiled, eager = _sorts(plan, workload)
    if compiled and not _gains(plan, workload, COMPILED):
        return NEVER
    if eager and not _gains(plan, workload, EAGER):
        return IN_COMPILED_CODE
    return None


def _sorts(plan: Plan, workload: Workload) -> tuple[bool, bool]:
    """Whether a layer with these channels sorts, by its own choice, in compiled code and in eager code."""
    c_in, c_out = workload.in_channels, workload.out_channels
    for highest in sortable(plan).values():
        compiled, eager = (
            saved * c_in * c_out >= there * c_in + back * c_out
            for saved, there, back in map(highest.pays, (COMPILED, EAGER))
        )
        return compiled, compiled and eager
    return False, False


def _gains(plan: Plan, workload: Workload, sorting: Sorting) -> bool:
    """Whether sorting at all levels that can be sorted saves more than making their tables takes."""
    c_in, c_out = workload.in_channels, workload.out_channels
    gained = 0.0
    for shape in sortable(plan).values():
        saved, there, back = shape.saved_by_sorting(sorting)
        entries = workload.batch * workload.volume(shape.sets)
        operations = entries * float(saved * c_in * c_out - there * c_in - back * c_out)
        gained += SECONDS_PER_MULTIPLY_ADD * operations - sorting.seconds
    return gained > 0


def typical(signature: Signature) -> Workload:
    """The sizes for which forms are chosen where none are given.

    >>> print(typical(Signature.parse("n n n -> n")))
    16 16 64
    """
    axes = max(signature.order_in, signature.order_out, 1)
    n = next(n for n in range(TYPICAL_ENTRIES, 0, -1) if n**axes <= TYPICAL_ENTRIES)
    sizes = tuple((name, n) for name in signature.index_sets)
    return Workload(TYPICAL_BATCH, sizes, TYPICAL_CHANNELS, TYPICAL_CHANNELS)


def _best(shape: Shape, offered: tuple[Form, ...], workload: Workload) -> Form:
    """The form that takes the least time; the first of equals."""
    return min(offered, key=lambda form: _counted(form, shape, workload).seconds(workload.batch))


def _counted(form: Form, shape: Shape, workload: Workload) -> Counts:
    return counts(form, shape, workload.volume(shape.sets), workload.in_channels, workload.out_channels)


def whole(
    plan: Plan, choices: Choices, volume: Callable[[Iterable[str]], Any], c_in: Any, c_out: Any
) -> Counts:
    """What the layer takes with these choices, permutation by permutation, with its sums and copies.

    ``volume``: the entries of a tensor with these index sets, per channel. An addition reads two numbers and
    writes one.
    """
    arranged = arrange(plan, choices)
    if choices.at_levels:
        levels = [(choices.of(name, shape), shape) for name, shape in shapes(plan).items()]
    else:
        levels = [
            ("outputs", Shape(len(mix.sources), 1, len(mix.targets), arranged.product_sets(mix)))
            for mix in arranged.mixes
        ]
    found = [counts(form, shape, volume(shape.sets), c_in, c_out) for form, shape in levels]
    steps = work(arranged, volume, c_in, c_out)
    return Counts(
        sum(one.products for one in found),
        steps.multiplications,
        steps.reads + sum(one.moved for one in found) + 3 * steps.additions,
        sum(one.held for one in found),
    )


def _whole(plan: Plan, choices: Choices, workload: Workload) -> Counts:
    def volume(sets: Iterable[str]) -> int:
        return workload.volume(tuple(sets))

    return whole(plan, choices, volume, workload.in_channels, workload.out_channels)


def seconds(plan: Plan, choices: Choices, workload: Workload) -> float:
    """What the layer takes with these choices, permutation by permutation."""
    return _whole(plan, choices, workload).seconds(workload.batch)


def held(plan: Plan, choices: Choices, workload: Workload) -> int:
    """How many numbers input, output, weight and products are, as if all were in memory at once.

    >>> from symeq.pipeline import plan
    >>> held(plan("n -> n"), Choices(), Workload(2, (("n", 100),), 8, 4))
    3272
    """
    signature, (c_in, c_out) = plan.signature, (workload.in_channels, workload.out_channels)
    per_sample = workload.volume(signature.inputs) * c_in + workload.volume(signature.outputs) * c_out
    per_sample += int(_whole(plan, choices, workload).held)
    return workload.batch * per_sample + count(signature.positions) * c_in * c_out


def candidates(plan: Plan, workload: Workload) -> list[Choices]:
    """The model's choice, and the choices that are worth measuring beside it, the best first.

    They are channels mixed elsewhere, the other of sorted and not, and of each level that takes a share worth
    measuring, not sorted, the other forms. Sums are as the sizes say.
    """
    best = decide(plan, Choices(), workload)
    places = mixings(plan)
    plain = decide(plan, Choices(mixed="levels" if len(places) > 1 else None), workload)
    others = [Choices(sums=best.sums, mixed=where) for where in places if where != "levels"]
    most = NOT_WORTH_MEASURING * seconds(plan, best, workload)
    others = [choices for choices in others if seconds(plan, choices, workload) <= most]
    first = (best, plain)
    if sortable(plan):
        is_sorted = plain.sorted_from is None and _sorts(plan, workload)[1]
        few = min(workload.in_channels, workload.out_channels)
        other = replace(plain, sorted_from=IN_COMPILED_CODE if is_sorted else few)
        others.append(other)
        plain = other if is_sorted else plain
    levels = shapes(plan)
    shares = {
        name: _counted(plain.of(name, shape), shape, workload).seconds(workload.batch)
        for name, shape in levels.items()
    }
    for at, (name, form) in enumerate(plain.forms):
        for another in levels[name].forms:
            if another != form and shares[name] >= WORTH_MEASURING * sum(shares.values()):
                forms = (*plain.forms[:at], (name, another), *plain.forms[at + 1 :])
                others.append(replace(plain, forms=forms))
    others.sort(key=lambda choices: seconds(plan, choices, workload))
    return list(dict.fromkeys((*first, *others)))[:MOST_CANDIDATES]


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate: a form of a level, or a place where the channels of all levels are mixed.

    Attributes:
        level: its name, or "all".
        form: the form, or the place.
        taken: whether the model takes it where no sizes are given.
    """

    level: str
    form: str
    counts: Counts
    taken: bool

    def fields(self) -> dict[str, Any]:
        """All of it, polynomials as text."""
        polynomials = {name: str(getattr(self.counts, name)) for name in ("multiplications", "moved", "held")}
        return {"level": self.level, "form": self.form, "taken": self.taken} | {
            "products": self.counts.products,
            **polynomials,
        }


def forms_table(plan: Plan) -> list[Row]:
    """Every form of every level that has a choice, in the order in which they are tried.

    >>> from symeq.pipeline import plan
    >>> print(forms_table(plan("n n -> n n"))[2].fields()["moved"])
    2*c_in*n**2 + 5*c_out*n**2
    """
    volume, c_in, c_out = _symbolic(plan)
    taken = dict(decide(plan, Choices()).forms)
    return [
        _row(name, form, counts(form, shape, volume(shape.sets), c_in, c_out), taken[name] == form)
        for name, shape in shapes(plan).items()
        if name in taken
        for form in shape.forms
    ]


def mixings_table(plan: Plan) -> list[Row]:
    """Every place where the channels can be mixed, if there is more than one, with what the layer takes then.

    >>> from symeq.pipeline import plan
    >>> [str(row.counts.multiplications) for row in mixings_table(plan("n n -> n"))]
    ['3*c_in*c_out*n + 2*c_in*c_out', '3*c_in*c_out*n**2 + 2*c_in*c_out*n']
    """
    volume, c_in, c_out = _symbolic(plan)
    choices, places = decide(plan, Choices()), mixings(plan)
    if len(places) < 2:
        return []
    found = {where: whole(plan, replace(choices, mixed=where), volume, c_in, c_out) for where in places}
    return [_row("all", where, found[where], where == "levels") for where in places]


def _symbolic(plan: Plan) -> tuple[Callable[[Iterable[str]], sympy.Expr], sympy.Symbol, sympy.Symbol]:
    import sympy

    sizes, c_in, c_out = symbols(plan.signature)
    return lambda sets: sympy.prod(sizes[name] for name in sets), c_in, c_out


def _row(level: str, form: str, found: Counts, taken: bool) -> Row:
    import sympy

    polynomials = {name: sympy.expand(getattr(found, name)) for name in ("multiplications", "moved", "held")}
    return Row(level, form, replace(found, **polynomials), taken)
