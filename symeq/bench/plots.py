"""Time and memory against n, log-log, with the floor drawn in."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from symeq.bench.contestants import COMPILED, CONTESTANTS, LAYER
from symeq.bench.report import BenchReport, Memory, Timing
from symeq.drawing.colours import colours
from symeq.errors import MissingLibraryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osv^Dp"
_SIZES = (5, 9, 7, 5, 5, 5)  # of stacks that need the same, each is still seen


def require_matplotlib() -> None:
    """Says before a long measurement that its pictures could not be drawn.

    Raises:
        MissingLibraryError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingLibraryError("matplotlib", "draws the plots of a benchmark", "pip install matplotlib")


def scaling_plots(report: BenchReport) -> dict[str, bytes]:
    """``scaling.svg`` and, where forward+backward was measured, ``scaling-training.svg``: names and contents.

    Raises:
        MissingLibraryError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib.style
    from matplotlib import rc_context

    plots = {}
    for name, training in (("scaling.svg", False), ("scaling-training.svg", True)):
        if any(found.training if training else found.timings for found in report.scaling):
            with matplotlib.style.context("default"), rc_context({"svg.hashsalt": "symeq", "font.size": 9}):
                file = BytesIO()
                metadata = {"Creator": "symeq bench", "Date": None}
                scaling_figure(report, training).savefig(file, format="svg", metadata=metadata)
            plots[name] = file.getvalue()
    return plots


def scaling_figure(report: BenchReport, training: bool = False) -> Figure:
    """Two panels over n: milliseconds, and megabytes beyond the results."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    cases = [found.case for found in report.scaling]
    sizes = [case.n for case in cases]
    floors = [found["floor"].median * (3e3 if training else 1e3) for found in report.scaling]
    left.plot(
        sizes,
        floors,
        color="black",
        linestyle=":",
        linewidth=2,
        label="three floors" if training else "floor",
    )
    # Of eight colours, all but the black of the floor and a yellow that is pale on white.
    inks = [colour for colour in colours(8)[1:] if colour != "#f0e442"]
    inks = [inks[3], *inks[:3], *inks[4:]]
    for name, ink, marker, size in zip(CONTESTANTS, inks, _MARKERS, _SIZES, strict=True):
        for way, style in (("", "-"), (COMPILED, "--")):
            if way and name != LAYER:
                continue
            timings = [
                _timing(found.training if training else found.timings, name + way) for found in report.scaling
            ]
            times = [(n, t.median * 1e3) for n, t in zip(sizes, timings, strict=True) if t is not None]
            held = [(m.case.n, m.peak / 1e6) for m in report.memory if _drawn(m, cases, name + way, training)]
            for axes, points in ((left, times), (right, held)):
                if points:
                    label = name + way if axes is left else None
                    axes.plot(
                        *zip(*points, strict=True),
                        style,
                        color=ink,
                        marker=marker,
                        markersize=size,
                        label=label,
                    )
    if cases:
        unit = [4 * case.batch * case.n ** case.orders[0] * case.channels / 1e6 for case in cases]
        right.plot(sizes, unit, color="#777777", linestyle="-.", linewidth=2, label="size of the input")
    what = "forward+backward" if training else "forward"
    channels = f"{cases[0].channels} channels, " if cases else ""
    figure.suptitle(f"2 → 2, {channels}batch × n² constant, {what}")
    _finish(left, sizes, "milliseconds, median")
    _finish(right, sizes, "megabytes at the peak, beyond results")
    figure.legend(loc="outside right center", frameon=False)
    return figure


def _finish(axes: Axes, sizes: Sequence[int], label: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel="n", ylabel=label)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _timing(timings: Sequence[Timing], name: str) -> Timing | None:
    return next((timing for timing in timings if timing.name == name), None)


def _drawn(memory: Memory, cases: Sequence[object], name: str, training: bool) -> bool:
    return memory.case in cases and memory.name == name and memory.training == training
