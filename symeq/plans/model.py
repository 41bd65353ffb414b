"""The cost model: what each form of a level moves and holds, and the form that it takes by this.

All forms of a level take the same multiply-adds, so what they move decides, and what they hold: memory that
was not used just before is slower to write to. Counts are exact, per sample; they are polynomials where sizes
and channels are symbols.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from symeq.combinatorics.partitions import count
from symeq.plans.choices import NEVER, Choices, Form, Shape, Workload, shapes, sortable
from symeq.plans.cost import symbols
from symeq.plans.ir import Plan
from symeq.signature import Signature

SECONDS_PER_MULTIPLY_ADD = 2e-11
SECONDS_PER_BYTE_MOVED = 1e-10
SECONDS_PER_BYTE_HELD = 3e-10
SECONDS_PER_PRODUCT = 3e-5
"""About what two cores take, in float32. Each product calls torch a few times, however small it is."""

WORTH_MEASURING = 0.05
"""Levels with a smaller share of the time of all are taken as the model takes them."""

MOST_CANDIDATES = 8
FEW_PERMUTATIONS = 2
"""Without sizes, products are accumulated for so many permutations at most. For more, as at the top of
3 -> 3, it was faster forward, by a tenth to a fifth, but slower, by a tenth, with compiled gradients of few
channels."""

TYPICAL_BATCH, TYPICAL_ENTRIES, TYPICAL_CHANNELS = 16, 4096, 64
"""Without other sizes, forms are chosen for so many samples, channels, and entries of x or y, the larger."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a level takes per sample: integers, or polynomials of SymPy.

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
    at the side where the plan has them, and only few products are accumulated.
    """
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
    return Choices(
        tuple(forms), given.sorted_from, given.sums or (workload.order_of_sets if workload else ())
    )


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


def seconds(plan: Plan, choices: Choices, workload: Workload) -> float:
    """What the levels of a plan take with these choices, permutation by permutation."""
    return sum(
        _counted(choices.of(name, shape), shape, workload).seconds(workload.batch)
        for name, shape in shapes(plan).items()
    )


def held(plan: Plan, choices: Choices, workload: Workload) -> int:
    """How many numbers input, output, weight and levels are, as if all were in memory at once.

    >>> from symeq.pipeline import plan
    >>> held(plan("n -> n"), Choices(), Workload(2, (("n", 100),), 8, 4))
    3272
    """
    signature, (c_in, c_out) = plan.signature, (workload.in_channels, workload.out_channels)
    per_sample = workload.volume(signature.inputs) * c_in + workload.volume(signature.outputs) * c_out
    per_sample += sum(
        int(_counted(choices.of(name, shape), shape, workload).held) for name, shape in shapes(plan).items()
    )
    return workload.batch * per_sample + count(signature.positions) * c_in * c_out


def candidates(plan: Plan, workload: Workload) -> list[Choices]:
    """The model's choice, and the choices that are worth measuring beside it, the best first.

    They are the other of sorted and not, and of each level that takes a share worth measuring, not sorted,
    the other forms. Sums are as the sizes say.
    """
    best = decide(plan, Choices(), workload)
    plain, others = best, []
    for highest in list(sortable(plan).values())[:1]:
        c_in, c_out = workload.in_channels, workload.out_channels
        saved, moved_in, moved_out = highest.pays
        is_sorted = saved * c_in * c_out >= moved_in * c_in + moved_out * c_out
        other = replace(best, sorted_from=NEVER if is_sorted else min(c_in, c_out))
        others.append(other)
        plain = other if is_sorted else best
    total = seconds(plan, plain, workload)
    levels = shapes(plan)
    for at, (name, form) in enumerate(plain.forms):
        share = _counted(form, levels[name], workload).seconds(workload.batch) / total
        for another in levels[name].forms:
            if another != form and share >= WORTH_MEASURING:
                forms = (*plain.forms[:at], (name, another), *plain.forms[at + 1 :])
                others.append(replace(plain, forms=forms))
    others.sort(key=lambda choices: seconds(plan, choices, workload))
    return [best, *others[: MOST_CANDIDATES - 1]]


@dataclass(frozen=True, slots=True)
class Row:
    """A form that a level has, its counts as polynomials, and whether the model takes it."""

    level: str
    form: Form
    counts: Counts
    taken: bool

    def fields(self) -> dict[str, Any]:
        """All of it, polynomials as text."""
        polynomials = {name: str(getattr(self.counts, name)) for name in ("multiplications", "moved", "held")}
        return {"level": self.level, "form": self.form, "taken": self.taken} | {
            "products": self.counts.products,
            **polynomials,
        }


def table(plan: Plan) -> list[Row]:
    """Every form of every level that has a choice, in the order in which they are tried.

    >>> from symeq.pipeline import plan
    >>> print(table(plan("n n -> n n"))[2].fields()["moved"])
    2*c_in*n**2 + 5*c_out*n**2
    """
    import sympy

    sizes, c_in, c_out = symbols(plan.signature)
    taken = dict(decide(plan, Choices()).forms)
    rows = []
    for name, shape in shapes(plan).items():
        for form in shape.forms if name in taken else ():
            found = counts(form, shape, sympy.prod(sizes[s] for s in shape.sets), c_in, c_out)
            moved, held = sympy.expand(found.moved), sympy.expand(found.held)
            rows.append(Row(name, form, replace(found, moved=moved, held=held), taken[name] == form))
    return rows
