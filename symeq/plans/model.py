"""The cost model: what each form of a level moves and holds, and the form that it takes by this.

All forms of a level take the same multiply-adds, so what they move decides, and what they hold: memory that
was not used just before is slower to write to. Counts are exact, per sample; they are polynomials where sizes
and channels are symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symeq.plans.choices import Choices, Form, Shape, Workload, shapes
from symeq.plans.ir import Plan

SECONDS_PER_MULTIPLY_ADD = 2e-11
SECONDS_PER_BYTE_MOVED = 1e-10
SECONDS_PER_BYTE_HELD = 2e-10
SECONDS_PER_PRODUCT = 3e-5
"""About what two cores take, in float32. Each product calls torch a few times, however small it is."""

TYPICAL = "16 32 64"
"""Without other sizes, forms are chosen for these: batch, n, channels."""


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
    products = {"accumulated": orders, "several": shape.sources * orders}.get(form, 1)
    match form:
        case "one" | "outputs":
            moved = 2 * together + x + orders * y + 3 * (orders - 1) * y
            held = together + orders * y + (y if orders > 1 else 0)
        case "inputs":
            moved = 3 * orders * x + y
            held = orders * x + y
        case "accumulated":
            moved = 2 * together + orders * (x + y) + 3 * (orders - 1) * y
            held = together + 2 * y
        case "several":
            moved = orders * x + products * y + 3 * (products - 1) * y
            held = 2 * y
    multiplications = shape.sources * orders * shape.targets * volume * c_in * c_out
    return Counts(products, multiplications, moved, held)


def decide(plan: Plan, given: Choices, workload: Workload | None = None) -> Choices:
    """The choices with every level named that has one: by the model where nothing was given.

    Without a workload the permutations stay at the side where the plan has them.
    """
    wanted = dict(given.forms)
    forms = []
    for (name, shape), mix in zip(shapes(plan).items(), plan.mixes, strict=True):
        if len(shape.forms) == 1:
            continue
        offered = shape.forms
        if workload is None:
            at_inputs = len(mix.sources) > shape.sources
            offered = tuple(form for form in offered if (form == "inputs") == at_inputs)
        forms.append((name, wanted.get(name) or _best(shape, offered, workload or _typical(plan))))
    return Choices(tuple(forms), given.sorted_from, given.sums or (workload.order_of_sets if workload else ()))


def _typical(plan: Plan) -> Workload:
    return Workload.parse(TYPICAL, plan.signature)


def _best(shape: Shape, offered: tuple[Form, ...], workload: Workload) -> Form:
    """The form that takes the least time; the first of equals."""
    return min(offered, key=lambda form: _counted(form, shape, workload).seconds(workload.batch))


def _counted(form: Form, shape: Shape, workload: Workload) -> Counts:
    return counts(form, shape, workload.volume(shape.sets), workload.in_channels, workload.out_channels)
