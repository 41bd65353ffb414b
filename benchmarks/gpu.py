"""The suite of ``symeq bench`` on a CUDA device, beside what the card's ceilings allow.

    python benchmarks/gpu.py [--training] [--compiled] [--repeats 25] [--json FILE]

Results first, as on the processor; every timed run begins and ends with a synchronised device. The ceilings
are measured, a large product in float32 (no TF32) and a large copy; operations and bytes of the floor are
counted. Without a CUDA device it says so, with exit code 2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from symeq import bench
from symeq.errors import SymeqError

SIDE, COPIED = 8192, 2**28


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


def main() -> int:
    """Measures everything and prints it; 2 where there is no device, 1 where results are unequal."""
    parser = argparse.ArgumentParser(description="The suite of symeq bench on a CUDA device.")
    parser.add_argument("--training", action="store_true", help="forward and backward, too")
    parser.add_argument("--compiled", action="store_true", help="each contestant under torch.compile, too")
    parser.add_argument("--repeats", type=int, default=25, help="timed runs of each contestant")
    parser.add_argument("--json", type=Path, help="write the report here")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print(
            "gpu.py: torch finds no CUDA device here; `symeq bench` measures on the processor.",
            file=sys.stderr,
        )
        return 2
    options = {"training": given.training, "compiled": given.compiled, "device": "cuda"}
    try:
        report = bench.run(tuple(bench.TARGETS), given.repeats, progress=_tell, **options)
        grown = bench.run(bench.SCALING, given.repeats, progress=_tell, together=True, **options)
    except bench.UnequalResultsError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 1
    except SymeqError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 2
    report = replace(report, scaling=grown.cases)
    print(report)
    operations, moved = ceilings("cuda")
    print(f"\nceilings: {operations / 1e12:.1f} Tflop/s, {moved / 1e9:.0f} GB/s")
    for found in report.cases:
        flops, size = counted(found.case)
        least = max(flops / operations, size / moved) * 1e3
        print(
            f"{found.case}: the floor has {flops / 1e9:.2f} Gflop and {size / 1e6:.1f} MB, "
            f"at least {least:.3f} ms; it takes {found['floor'].median * 1e3:.3f} ms"
        )
    case = next(iter(bench.TARGETS))
    print(f"{case}: training step, {training_peak(case):.2f} tensors of the input's size beyond results")
    if given.json is not None:
        given.json.write_text(report.to_json(), encoding="utf-8")
    return 0


def _tell(done: int, total: int, what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done}/{total} {what}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
