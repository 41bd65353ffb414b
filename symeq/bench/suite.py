"""The suite: the cases with targets, and what is measured beside times, each held against its target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from symeq.bench.cases import Case
from symeq.bench.compiling import measure_compile_time
from symeq.bench.contestants import COMPILED, CONTESTANTS, LAYER, ORBIT, emitted, emitted_orbit
from symeq.bench.memory import measure_memory
from symeq.bench.report import BenchReport, Memory, Target, Timing
from symeq.bench.running import Progress, run
from symeq.errors import OptionError

TARGETS: dict[Case, tuple[float, float | None]] = {
    Case((2, 2), 16, 64, 64): (1.25, 1.25),
    Case((2, 2), 16, 64, 16): (1.6, 1.6),
    Case((2, 2), 2, 256, 32): (1.6, 1.6),
    Case((3, 3), 2, 24, 64): (0.9, 1.1),
    Case((3, 3), 2, 24, 128): (0.7, 0.9),
    Case((3, 3), 4, 32, 16): (1.5, None),
    Case((4, 4), 1, 12, 16): (1.3, None),
    Case((1, 3), 4, 48, 32): (1.5, None),
    Case((3, 1), 4, 48, 32): (1.5, None),
}
"""At most so many floors forward, and so many times three floors forward+backward."""

SCALING = tuple(Case((2, 2), (512 // n) ** 2, n, 16) for n in (8, 16, 32, 64, 128, 256, 512))
ORBIT_CASES = (Case((2, 2), 16, 64, 64), Case((3, 3), 2, 24, 64))
MEMORY_CASES = (Case((2, 2), 16, 64, 64),)
MOST_GROWTH, MOST_TENSORS, MOST_SECONDS, MOST_FOR_ORBIT = 1.15, 5.0, 20.0, 1.3
GROWS_FROM = 64
"""Below it the calls themselves, and not the entries, take the time."""

PARTS = ("scaling", "memory", "orbit", "compile-time")


def with_parts(
    report: BenchReport,
    parts: Collection[str],
    compiled: bool = False,
    training: bool = False,
    progress: Progress | None = None,
    *,
    scaling: Sequence[Case] = SCALING,
    orbit: Sequence[Case] = ORBIT_CASES,
    memory: Sequence[Case] = MEMORY_CASES,
) -> BenchReport:
    """The report with more parts, which are measured now.

    Args:
        parts: out of ``PARTS``: "scaling" measures time and memory at growing n, "memory" what all
            contestants need, "orbit" the layer in both bases, "compile-time" a cold compilation.

    Raises:
        OptionError: an unknown part.
    """
    for part in parts:
        if part not in PARTS:
            raise OptionError("part", part, f"one of {', '.join(PARTS)}")
    needed: list[Case] = []
    if "scaling" in parts:
        found = run(scaling, report.repeats, compiled, progress, training=training, together=True)
        report = replace(report, scaling=found.cases)
        needed += scaling
    if "orbit" in parts:
        both = {LAYER: emitted, ORBIT: emitted_orbit}
        found = run(orbit, report.repeats, compiled, progress, contestants=both)
        report = replace(report, orbit=found.cases)
    if "memory" in parts:
        needed += memory
    if needed:
        measured = measure_memory(needed, tuple(CONTESTANTS), compiled, training, progress)
        report = replace(report, memory=(*report.memory, *measured))
    if "compile-time" in parts:
        if progress is not None:
            progress(0, 1, "compile without caches")
        report = replace(report, compile_time=measure_compile_time())
    return report


def judge(report: BenchReport) -> BenchReport:
    """The report with a line for every target whose figure it has."""
    return replace(report, targets=tuple(_targets(report)))


def _targets(report: BenchReport) -> Iterable[Target]:
    for found in report.cases:
        forward, training = TARGETS.get(found.case, (None, None))
        for timings, limit, ending in (
            (found.timings, forward, ""),
            (found.training, training, ", forward+backward"),
        ):
            if limit is not None and timings:
                figures = [(t.over_floor, t.best_over_floor, way) for way, t in _ways(timings, LAYER)]
                yield _better(f"{found.case}{ending}", limit, figures)
    grown = [found for found in report.scaling if found.case.n >= GROWS_FROM]
    if len(grown) > 1:
        series: dict[str, list[Timing]] = {}
        for found in grown:
            for way, timing in _ways(found.timings, LAYER):
                series.setdefault(way, []).append(timing)
        entries = [found.case.batch * found.case.n**2 for found in grown]
        span = f"n from {grown[0].case.n} to {grown[-1].case.n}"
        yield _better(
            f"2 -> 2, growth per entry, {span}",
            MOST_GROWTH,
            [
                (_growth(s, entries, _median), _growth(s, entries, _quartile), way)
                for way, s in series.items()
            ],
        )
    for case in MEMORY_CASES:
        needs = [m for m in report.memory if m.case == case and m.training and m.name.startswith(LAYER)]
        if needs:
            yield _better(f"{case}, tensors at peak", MOST_TENSORS, [_tensors(need) for need in needs])
    for found in report.orbit:
        if found.case not in ORBIT_CASES:
            continue
        figures = []
        for (way, orbit), (_, diagram) in zip(
            _ways(found.timings, ORBIT), _ways(found.timings, LAYER), strict=True
        ):
            figures.append((orbit.median / diagram.median, orbit.lower_quartile / diagram.median, way))
        yield _better(f"{found.case}, orbit / diagram", MOST_FOR_ORBIT, figures)
    if report.compile_time is not None:
        cold = report.compile_time
        seconds = (cold.seconds, cold.lower_quartile)
        yield Target(f"{cold.case}, cold compile, s", MOST_SECONDS, *seconds, "dynamic")
        yield Target(f"{cold.case}, graphs", 1, cold.graphs, cold.graphs, "dynamic")


def _ways(timings: Iterable[Timing], name: str) -> list[tuple[str, Timing]]:
    ways = {name: "eager", name + COMPILED: "compiled"}
    return [(ways[timing.name], timing) for timing in timings if timing.name in ways]


def _better(name: str, limit: float, figures: Iterable[tuple[float, float, str]]) -> Target:
    median, best, way = min(figures)
    return Target(name, limit, median, best, way)


def _growth(series: list[Timing], entries: list[int], time: Callable[[Timing], float]) -> float:
    """The largest time per entry over the first one's median."""
    first = series[0].median / entries[0]
    return max(time(timing) / count / first for timing, count in zip(series[1:], entries[1:], strict=True))


def _median(timing: Timing) -> float:
    return timing.median


def _quartile(timing: Timing) -> float:
    return timing.lower_quartile


def _tensors(need: Memory) -> tuple[float, float, str]:
    tensors = need.peak / need.unit
    return tensors, tensors, "compiled" if need.name.endswith(COMPILED) else "eager"
