"""The suite of ``symeq bench`` on a CUDA device, beside what the card's ceilings allow.

    python benchmarks/gpu.py [--case 2 2 16 64 64] [--training] [--compiled] [--repeats 25] [--json FILE]

Results first, as on the processor; every timed run begins and ends with a synchronised device. A layer is
dozens of small kernels, and at the suite's sizes the processor may take longer to start them than the card
to run them. So the layer and the best stack also run *replayed*, from a CUDA graph that holds the same
kernels: what the card takes. The ceilings are measured, a large product in float32 (no TF32) and a large
copy; operations and bytes of the floor are counted. Without a CUDA device it says so, with exit code 2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from symeq import bench
from symeq.bench.contestants import COMPILED
from symeq.bench.running import compiled
from symeq.errors import SymeqError
from symeq.files import write_files

SIDE, COPIED = 8192, 2**28
REPLAYED = ", replayed"
"""Ends the name of a contestant that runs from a CUDA graph."""
QUICK = (bench.LAYER, bench.STACKS[-1])
"""The contestants that run in every way: the layer, and the fastest of the stacks."""


def ceilings(device: str, side: int = SIDE, copied: int = COPIED) -> tuple[float, float]:
    """Operations a second of a product, and bytes a second of a copy: what the card reaches."""
    a, b, c = (torch.randn(side, side, device=device) for _ in range(3))
    product = _median(lambda: torch.mm(a, b, out=c), device)
    source = torch.randn(copied, device=device)
    target = torch.empty_like(source)
    copy = _median(lambda: target.copy_(source), device)
    return 2 * side**3 / product, 2 * source.numel() * source.element_size() / copy


def _median(call: Callable[[], object], device: str) -> float:
    return statistics.median(sample.seconds for _, sample in bench.alternate({"": call}, 9, device))


def counted(case: bench.Case) -> tuple[int, int]:
    """Operations of the floor, and its bytes: each operand and result once, and the copy."""
    shapes = bench.floor_shapes(case)
    operations = sum(2 * rows * inner * columns for rows, inner, columns in shapes)
    return operations, 4 * (
        bench.floor_entries(case) + 2 * case.batch * case.n ** max(case.orders) * case.channels
    )


def contestants(compiling: bool) -> Mapping[str, bench.Contestant]:
    """The standard ones, and those of ``QUICK`` replayed, compiled, and both."""
    found = dict(bench.CONTESTANTS)
    for name in QUICK:
        found[name + REPLAYED] = replayed(found[name])
    for name in QUICK if compiling else ():
        found[name + COMPILED] = _compiled(found[name])
        found[name + COMPILED + REPLAYED] = replayed(found[name + COMPILED])
    return found


def _compiled(contestant: bench.Contestant) -> bench.Contestant:
    return lambda problem: compiled(contestant(problem), "inductor", problem.x.requires_grad)


def replayed(contestant: bench.Contestant) -> bench.Contestant:
    """The contestant's kernels, forward and, where gradients are asked for, backward, from CUDA graphs."""

    def prepare(problem: bench.Problem) -> Callable[[], Tensor]:
        training = problem.x.requires_grad
        own = problem.taped() if training else problem  # leaves that no other contestant's graph holds
        call = contestant(own)
        with torch.set_grad_enabled(training):
            made = torch.cuda.make_graphed_callables(lambda x, weight: call(), (own.x, own.weight))

        def again(kept: object = call) -> Tensor:  # the graphs use the memory of what the call holds
            return cast(Tensor, made(problem.x, problem.weight))

        return again

    return prepare


def training_peak(case: bench.Case) -> float:
    """Tensors of the input's size at the peak of an eager training step, beyond output and gradient of x."""
    problem = bench.Problem.of(case, "cuda").taped()
    step = bench.training_step(problem, bench.emitted(problem))
    step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    y, x_gradient, _ = step()
    torch.cuda.synchronize()
    grown = torch.cuda.max_memory_allocated() - before
    results = sum(t.numel() * t.element_size() for t in (y, x_gradient) if t is not None)
    return (grown - results) / (problem.x.numel() * problem.x.element_size())


def against_ceilings(found: bench.CaseReport, operations: float, moved: float) -> str:
    """What the floor has to do, what the card needs for it at the least, and what was taken."""
    flops, size = counted(found.case)
    least = max(flops / operations, size / moved) * 1e3
    ways = [timing for timing in found.timings if timing.name.startswith(bench.LAYER)]
    taken = ", ".join(f"{timing.name} {timing.median * 1e3:.3f}" for timing in ways)
    return (
        f"{found.case}: the floor has {flops / 1e9:.2f} Gflop and {size / 1e6:.1f} MB, "
        f"{least:.3f} ms at the least. Median ms: floor {found['floor'].median * 1e3:.3f}, {taken}"
    )


def main() -> int:
    """Measures everything and prints it; 2 where there is no device, 1 where results are unequal."""
    parser = argparse.ArgumentParser(description="The suite of symeq bench on a CUDA device.")
    parser.add_argument(
        "--case",
        action="append",
        nargs=5,
        type=int,
        metavar=("IN", "OUT", "BATCH", "N", "CHANNELS"),
        help="orders in and out, batch, n, channels; may be repeated; by default the suite's, then growing n",
    )
    parser.add_argument("--training", action="store_true", help="forward and backward, too")
    parser.add_argument("--compiled", action="store_true", help="under torch.compile, too")
    parser.add_argument("--repeats", type=int, default=25, help="timed runs of each contestant")
    parser.add_argument("--json", type=Path, help="write the report here, anew after each case")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print(
            "gpu.py: torch finds no CUDA device here; `symeq bench` measures on the processor.",
            file=sys.stderr,
        )
        return 2
    try:
        report = measure(given)
    except bench.UnequalResultsError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 1
    except SymeqError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 2
    print(report)
    return 0


def measure(given: argparse.Namespace) -> bench.BenchReport:
    """Case by case, each against the ceilings as soon as it is known."""
    cases = [bench.Case((order_in, order_out), *rest) for order_in, order_out, *rest in given.case or ()]
    operations, moved = ceilings("cuda")
    print(f"ceilings: {operations / 1e12:.1f} Tflop/s, {moved / 1e9:.0f} GB/s", flush=True)
    options = {"training": given.training, "device": "cuda", "contestants": contestants(given.compiled)}
    report: bench.BenchReport | None = None
    for case in cases or bench.TARGETS:
        torch.compiler.reset()  # lets go of the graphs of other cases
        found = bench.run((case,), given.repeats, progress=_tell, **options)
        report = found if report is None else replace(report, cases=report.cases + found.cases)
        print(against_ceilings(found.cases[0], operations, moved), flush=True)
        _write(report, given.json)
    assert report is not None
    if not cases:
        grown = bench.run(bench.SCALING, given.repeats, progress=_tell, together=True, **options)
        report = replace(report, scaling=grown.cases)
        _write(report, given.json)
    case = report.cases[0].case
    print(f"{case}: training step, {training_peak(case):.2f} tensors of the input's size beyond results")
    return report


def _write(report: bench.BenchReport, path: Path | None) -> None:
    if path is not None:
        write_files(
            {path: report.to_json().encode()}, _any, force=True, remedy="Name another file with --json."
        )


def _any(content: bytes) -> bool:
    """Whatever lies at the place that was named is written over."""
    return True


def _tell(done: int, total: int, what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done}/{total} {what}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
