"""What was measured: JSON out and back, and tables."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from symeq.bench.cases import Case


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one contestant, in seconds, and what it is compared with.

    Attributes:
        difference: largest difference from the float64 reference over the reference's largest
            entry, with gradients also of these; None for the floor, which computes no layer.
        over_floor: its median over the floor's; forward+backward, over three times that.
        over_layer: its median over the emitted layer's (eager).
        page_faults: median number of memory pages that a run asks the system for: about 0 with
            fixed allocator thresholds, and much of the time with the default ones. Always 0 where
            the system does not count them.
    """

    name: str
    median: float
    lower_quartile: float
    upper_quartile: float
    over_floor: float
    over_layer: float
    difference: float | None
    page_faults: int

    @property
    def best_over_floor(self) -> float:
        """As ``over_floor``, of the better quartile."""
        return self.over_floor * self.lower_quartile / self.median


@dataclass(frozen=True, slots=True)
class CaseReport:
    """The timings of a case, the floor first.

    Attributes:
        training: those of forward+backward, without the floor.
        left_out: contestants that would need too much memory, and why.
    """

    case: Case
    timings: tuple[Timing, ...]
    training: tuple[Timing, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Timing:
        """The timing of the contestant ``name`` (``"floor"`` is one)."""
        for timing in self.timings:
            if timing.name == name:
                return timing
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one call needs, in bytes, measured in a fresh process.

    Attributes:
        unit: the bytes of the input.
        saved: what autograd keeps for the backward pass, beyond input and weights.
        peak: the most that is held at any moment beyond input and output and, in training, their
            gradients, which the call is counted not to need while it holds them.
        resident: by how much the peak of the resident memory rises, results among it; None where
            the system does not tell.
    """

    case: Case
    name: str
    training: bool
    unit: int
    saved: int
    peak: int
    resident: int | None


@dataclass(frozen=True, slots=True)
class CompileTime:
    """``torch.compile(dynamic=True)`` with nothing in its caches.

    Attributes:
        seconds: the median; ``lower_quartile`` and ``upper_quartile`` are seconds, too.
        graphs: how many there are for all sizes.
        one_line: the median for a function of one line.
    """

    case: Case
    seconds: float
    graphs: int
    lower_quartile: float
    upper_quartile: float
    one_line: float


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and what it may be at most.

    Attributes:
        found: the median, of the better of eager and compiled, which ``way`` names.
        best: the better quartile; a target fails only when this misses it.
    """

    name: str
    limit: float
    found: float
    best: float
    way: str

    @property
    def met(self) -> bool:
        """Whether the better quartile is within the limit."""
        return self.best <= self.limit


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What was found; ``str()`` is a table, and rich prints it in colour.

    Attributes:
        machine: processor, threads, versions; no host names.
        allocator: what was done about the memory allocator's thresholds.
        elsewhere: the same with the allocator as it comes, from a fresh process, if asked for.
        scaling: the same layer at growing n and as many entries, all runs alternating.
        orbit: the layer in both bases.
    """

    machine: dict[str, str]
    allocator: str
    repeats: int
    cases: tuple[CaseReport, ...]
    elsewhere: BenchReport | None = None
    scaling: tuple[CaseReport, ...] = ()
    orbit: tuple[CaseReport, ...] = ()
    memory: tuple[Memory, ...] = ()
    compile_time: CompileTime | None = None
    targets: tuple[Target, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every target is met."""
        return all(target.met for target in self.targets)

    def __rich__(self) -> Group:
        """The tables, and what they were measured on."""
        parts: list[Table | str] = [*self._tables()]
        if self.compile_time is not None:
            cold = self.compile_time
            parts.append(
                f"torch.compile(dynamic=True), {cold.case}: {cold.seconds:.1f} s without caches "
                f"({cold.lower_quartile:.1f} - {cold.upper_quartile:.1f}; a function of one line "
                f"{cold.one_line:.1f} s), graphs for all sizes: {cold.graphs}"
            )
        if timed := [*self.cases, *self.scaling, *self.orbit]:
            training = any(found.training for found in timed)
            parts += [
                f"float32, {'forward and forward+backward' if training else 'forward, no gradients'}; "
                f"medians of {self.repeats} alternating runs in one process.",
                f"Results first: none is off float64 by more than {_worst(timed):.0e} of the largest entry.",
            ]
        if self.memory:
            parts.append(
                "Memory, each contestant in a fresh process: tensors of the input's size saved for the "
                "backward pass beyond input and weights, and held at the peak beyond output and gradient "
                "of the input; by how much resident memory grew, with these."
            )
        parts.append(f"allocator: {self.allocator}")
        parts += [f"{name}: {value}" for name, value in self.machine.items()]
        if self.elsewhere is not None:
            parts += ["", f"allocator: {self.elsewhere.allocator}", *self.elsewhere._tables()]
        if self.targets:
            parts += ["", _targets_table(self.targets)]
        return Group(*parts)

    def __str__(self) -> str:
        text = io.StringIO()
        console = Console(file=text, width=110, color_system=None, force_terminal=False, highlight=False)
        console.print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def _tables(self) -> Iterator[Table | str]:
        for found in (*self.cases, *self.scaling, *self.orbit):
            yield _timing_table(str(found.case), found.timings, "/ floor")
            if found.training:
                title = f"{found.case}: forward+backward"
                yield _timing_table(title, found.training, "/ 3 floors")
            yield from (f"left out: {name}. {why}" for name, why in found.left_out.items())
        yield from _memory_tables(self.memory)

    def markdown(self) -> str:
        """A short table of the cases, as Markdown."""
        from symeq.bench.markdown import table

        return table(self)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return asdict(self)

    def to_json(self) -> str:
        """All of it, times in seconds and memory in bytes; ``from_json`` reads it back."""
        return json.dumps(self.as_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BenchReport:
        """The report that ``to_json`` wrote."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> BenchReport:
        """The report that ``as_dict`` made."""
        elsewhere, compile_time = found["elsewhere"], found["compile_time"]
        return cls(
            **{
                **found,
                **{part: tuple(map(_case_report, found[part])) for part in ("cases", "scaling", "orbit")},
                "elsewhere": None if elsewhere is None else cls.from_dict(elsewhere),
                "memory": tuple(Memory(**_with_case(entry)) for entry in found["memory"]),
                "compile_time": None if compile_time is None else CompileTime(**_with_case(compile_time)),
                "targets": tuple(Target(**entry) for entry in found["targets"]),
            }
        )


def _with_case(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "case": Case.of(found["case"])}


def _case_report(found: dict[str, Any]) -> CaseReport:
    timings, training = (tuple(Timing(**entry) for entry in found[part]) for part in ("timings", "training"))
    return CaseReport(Case.of(found["case"]), timings, training, found["left_out"])


def _worst(cases: list[CaseReport]) -> float:
    timings = (timing for found in cases for timing in (*found.timings, *found.training))
    return max((timing.difference or 0.0 for timing in timings), default=0.0)


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _timing_table(title: str, timings: tuple[Timing, ...], over: str) -> Table:
    table = _table(title, "contestant", "median ms", "quartiles ms", over, "/ layer", "new pages")
    for timing in timings:
        table.add_row(
            timing.name,
            f"{timing.median * 1e3:.2f}",
            f"{timing.lower_quartile * 1e3:.2f} - {timing.upper_quartile * 1e3:.2f}",
            f"{timing.over_floor:.2f}",
            f"{timing.over_layer:.2f}",
            str(timing.page_faults),
        )
    return table


def _memory_tables(memory: tuple[Memory, ...]) -> Iterator[Table]:
    for case in dict.fromkeys(found.case for found in memory):
        headings = ("saved", "peak", "resident MB")
        table = _table(f"{case}: memory, input {_unit(memory, case)} MB", "contestant", *headings)
        for found in memory:
            if found.case == case:
                table.add_row(
                    found.name + (", forward+backward" if found.training else ""),
                    f"{found.saved / found.unit:.2f}" if found.training else "",
                    f"{found.peak / found.unit:.2f}",
                    "" if found.resident is None else f"{found.resident / 1e6:.1f}",
                )
        yield table


def _unit(memory: tuple[Memory, ...], case: Case) -> str:
    return f"{next(found.unit for found in memory if found.case == case) / 1e6:.1f}"


def _targets_table(targets: tuple[Target, ...]) -> Table:
    table = _table("targets", "figure", "limit", "median", "quartile", "way", "met")
    for target in targets:
        figures = (f"{number:.2f}" for number in (target.limit, target.found, target.best))
        table.add_row(target.name, *figures, target.way, "yes" if target.met else "NO")
    return table
