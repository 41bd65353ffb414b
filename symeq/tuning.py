"""``symeq generate --tune``: equal results first, then alternating runs of the best few choices.

What is measured is the emitted layer, forward and forward with backward, eager, in float32, with the threads
and the allocator of the process as they are.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from symeq.bench.timing import alternate
from symeq.errors import OptionError, SymeqError, TooLargeError
from symeq.layers import layer
from symeq.pipeline import plan as plan_of
from symeq.plans.choices import Choices, Form, Workload
from symeq.plans.model import candidates, held, typical
from symeq.signature import EmitOptions, Layout, Signature, Spec

Progress: TypeAlias = Callable[[str, int, int], None]

CLEARLY = 0.03
"""The model's choice stays unless another one is faster by more than this."""

MOST_NUMBERS = 2**28
"""Of input, output, weight and levels: with gradients, and some candidates at once, a few times 1 GiB."""

_SEED = 2019


class UnequalChoicesError(SymeqError, ArithmeticError):
    """A choice with which the layer computes something else: a fault of symeq, not of the caller."""

    def __init__(self, signature: Signature, choices: Choices) -> None:
        self.choices = choices
        super().__init__(
            f"{signature} with choices {str(choices)!r} does not compute what the model's choice computes. "
            "Nothing is written; please report it."
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians, in seconds, of a layer emitted with ``choices``: forward, and forward with backward."""

    choices: str
    forward: float
    training: float

    @property
    def total(self) -> float:
        """What the choices are compared by."""
        return self.forward + self.training


@dataclass(frozen=True, slots=True)
class Tuning:
    """What ``tune`` found: all that was measured, the model's choice first, and what is chosen by it.

    Attributes:
        made_for: batch, n and channels, as in "16 64 64".
        choices: those of the fastest, or the model's where none is clearly faster.
    """

    signature: str
    made_for: str
    repeats: int
    threads: int
    measured: tuple[Measured, ...]
    choices: str

    @property
    def options(self) -> EmitOptions:
        """The options with which the chosen layer is emitted."""
        return EmitOptions(choices=self.choices, made_for=self.made_for)

    def __str__(self) -> str:
        width = max(len(found.choices) for found in self.measured)
        lines = [
            f"measured for batch, n, channels {self.made_for}: medians of {self.repeats} alternating runs, "
            f"{self.threads} thread{'' if self.threads == 1 else 's'}, in ms",
            f"  {'choices':<{width}}  forward  with backward",
        ]
        for found in self.measured:
            mark = "  chosen" if found.choices == self.choices else ""
            times = f"{found.forward * 1e3:>7.2f}  {found.training * 1e3:>13.2f}"
            lines.append(f"  {found.choices:<{width}}  {times}{mark}")
        return "\n".join(lines)

    def fields(self) -> dict[str, Any]:
        """All of it, times in seconds, as JSON has it."""
        return asdict(self)


def tune(
    spec: Spec,
    made_for: str = "",
    *,
    repeats: int = 15,
    layout: Layout = "channels-last",
    progress: Progress | None = None,
) -> Tuning:
    """Measures the choices that the cost model puts first, for these sizes and on this machine.

    First the choices that differ from the model's in one level, then, if several are clearly faster, these
    together.

    Args:
        made_for: batch, n and channels: "16 64 64"; "16 u=100,i=20 64,32" for sizes that differ. By default
            those of ``symeq.plans.model.typical``.
        repeats: timed runs of each choice, in an order drawn anew for each round.

    Raises:
        SignatureError, OptionError, TooLargeError: ``spec`` or an option cannot be used.
        UnequalChoicesError: two choices that do not compute the same.
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 3:
        raise OptionError("repeats", repeats, "an integer >= 3")
    signature = Signature.of(spec)
    workload = Workload.parse(made_for, signature) if made_for else typical(signature)
    plan = plan_of(signature)
    listed = candidates(plan, workload)
    if (numbers := max(held(plan, choices, workload) for choices in listed)) > MOST_NUMBERS:
        what = f"numbers in {signature} for batch, n, channels {workload}"
        raise TooLargeError(what, numbers, MOST_NUMBERS, "Measure smaller sizes, or choose without --tune.")
    contest = _Contest(signature, workload, layout, repeats, progress)
    found = contest.measure(listed)
    by_choices = dict(zip(listed, found, strict=True))
    levels = [c for c in listed if c.at_levels]
    base = min((c for c in levels if c.forms == levels[0].forms), key=lambda c: by_choices[c].total)
    better = sorted(
        (c for c in levels if by_choices[c].total < (1 - CLEARLY) * by_choices[base].total),
        key=lambda c: by_choices[c].total,
    )
    if (combined := _together(base, better)) not in listed:
        elsewhere = [c for c in listed if not c.at_levels]
        listed = [*dict.fromkeys((listed[0], base, *better, *elsewhere)), combined]
        found = contest.measure(listed)
    fastest = min(found, key=lambda one: one.total)
    chosen = fastest if fastest.total < (1 - CLEARLY) * found[0].total else found[0]
    return Tuning(
        str(signature), str(workload), repeats, torch.get_num_threads(), tuple(found), chosen.choices
    )


def _together(base: Choices, better: Sequence[Choices]) -> Choices:
    """Of each level the best form that was better than that of ``base``; the best of all comes first."""
    if not better:
        return base
    changed: dict[str, Form] = {}
    for choices in better:
        for (name, form), (_, before) in zip(choices.forms, base.forms, strict=True):
            if form != before:
                changed.setdefault(name, form)
    return replace(better[0], forms=tuple((name, changed.get(name, form)) for name, form in base.forms))


class _Contest:
    """Layers of one signature with the same weights, held against each other and timed in turns."""

    def __init__(
        self,
        signature: Signature,
        workload: Workload,
        layout: Layout,
        repeats: int,
        progress: Progress | None,
    ) -> None:
        self._signature = signature
        self._workload = workload
        self._layout: Layout = layout
        self._repeats = repeats
        self._tell = progress or (lambda what, done, total: None)

    def measure(self, listed: Sequence[Choices]) -> list[Measured]:
        """Medians of every choice, in the order of the list."""
        layers = [self._made(choices) for choices in listed]
        self._compare(listed, layers)
        x, sizes = self._input(self._workload.batch, dict(self._workload.sizes), torch.float32)
        calls = [_forward(one, x, sizes) for one in layers] + [_training(one, x, sizes) for one in layers]
        seconds: list[list[float]] = [[] for _ in calls]
        for done, (at, sample) in enumerate(alternate(dict(enumerate(calls)), self._repeats)):
            self._tell(f"timing {len(listed)} choices", done // len(calls), self._repeats)
            seconds[at].append(sample.seconds)
        medians = [statistics.median(times) for times in seconds]
        pairs = zip(listed, medians[: len(listed)], medians[len(listed) :], strict=True)
        return [Measured(str(choices), forward, training) for choices, forward, training in pairs]

    def _made(self, choices: Choices) -> nn.Module:
        made = layer(self._signature, layout=self._layout, choices=str(choices), made_for=str(self._workload))
        generator = torch.Generator().manual_seed(_SEED)
        found = made(self._workload.in_channels, self._workload.out_channels, normalization="sum")
        with torch.no_grad():
            for parameter in found.parameters():
                parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
        return found

    def _compare(self, listed: Sequence[Choices], layers: Sequence[nn.Module]) -> None:
        """Integers, on which nothing is rounded, for few nodes: forms do not depend on how many there are."""
        few = {name: 3 for name, _ in self._workload.sizes}
        x, sizes = self._input(2, few, torch.float64)
        x = x.mul(4).round()
        expected: Tensor | None = None
        for choices, one in zip(listed, layers, strict=True):
            self._tell("are results equal?", 0, 1)
            with torch.no_grad():
                y = one.double()(x, sizes=sizes)
            one.float()
            expected = y if expected is None else expected
            if not torch.equal(y, expected):
                raise UnequalChoicesError(self._signature, choices)

    def _input(
        self, batch: int, sizes: dict[str, int], dtype: torch.dtype
    ) -> tuple[Tensor, dict[str, int] | None]:
        axes = [sizes[name] for name in self._signature.inputs]
        channels = self._workload.in_channels
        shape = (*axes, channels) if self._layout == "channels-last" else (channels, *axes)
        x = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(_SEED), dtype=dtype)
        return x, sizes or None


def _forward(made: nn.Module, x: Tensor, sizes: dict[str, int] | None) -> Callable[[], object]:
    def call() -> object:
        with torch.no_grad():
            return made(x, sizes=sizes)

    return call


def _training(made: nn.Module, x: Tensor, sizes: dict[str, int] | None) -> Callable[[], object]:
    leaf = x.clone().requires_grad_()
    with torch.no_grad():
        cotangent = torch.ones_like(made(x, sizes=sizes))

    def call() -> object:
        y = made(leaf, sizes=sizes)
        return torch.autograd.grad(y, (leaf, *made.parameters()), cotangent)

    return call
