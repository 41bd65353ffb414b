"""The cases of a report as a short Markdown table."""

from __future__ import annotations

from symeq.bench.contestants import COMPILED, LAYER, STACKS
from symeq.bench.report import BenchReport, CaseReport, Timing


def table(report: BenchReport) -> str:
    """A line for each case: the floor, the layer over it, and how much faster it is than the best stack."""
    training = any(found.training for found in report.cases)
    compiled = any(_named(found.timings, LAYER + COMPILED) for found in report.cases)
    headings = ["case (batch, n, channels)", "floor", "layer / floor"]
    headings += ["compiled / floor"] * compiled
    headings += ["with gradients / 3 floors"] * training
    headings += ["compiled with gradients / 3 floors"] * (training and compiled)
    headings += ["faster than the stack"] + ["both compiled"] * compiled
    rows = [headings, ["---"] * len(headings)]
    for found in report.cases:
        (order_in, order_out), case = found.case.orders, found.case
        ways = ["", COMPILED] if compiled else [""]
        row = [
            f"{order_in} -> {order_out} ({case.batch}, {case.n}, {case.channels})",
            f"{found['floor'].median * 1e3:.1f} ms",
            *(_ratio(found.timings, LAYER + way) for way in ways),
            *(_ratio(found.training, LAYER + way) for way in ways if training),
            *(_gain(found, way) for way in ways),
        ]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _named(timings: tuple[Timing, ...], name: str) -> Timing | None:
    return next((timing for timing in timings if timing.name == name), None)


def _ratio(timings: tuple[Timing, ...], name: str) -> str:
    timing = _named(timings, name)
    return "" if timing is None else f"{timing.over_floor:.2f}"


def _gain(found: CaseReport, way: str) -> str:
    layer = _named(found.timings, LAYER + way)
    stacks = [timing.median for name in STACKS if (timing := _named(found.timings, name + way))]
    return "" if layer is None or not stacks else f"{min(stacks) / layer.median:.1f} x"
