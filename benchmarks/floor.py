"""The library's layers against the floor: forward, and forward and backward against three floors.

    python benchmarks/floor.py [--cases 0 3] [--threads 2] [--seconds 5] [--no-compile] [--json FILE]

Alternating runs in one process with the allocator's thresholds fixed, as in ``symeq bench``; a figure is the
median over the median of the floor, with its quartiles. ``--cpu`` takes processor time instead of time on the
clock, for machines that do other things at once; use it with one thread.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from symeq import bench
from symeq.layers import layer

CASES = (
    bench.Case((2, 2), 16, 64, 64),
    bench.Case((2, 2), 16, 64, 16),
    bench.Case((2, 2), 2, 256, 32),
    bench.Case((3, 3), 2, 24, 64),
    bench.Case((3, 3), 2, 24, 128),
    bench.Case((3, 3), 4, 32, 16),
    bench.Case((4, 4), 1, 12, 16),
    bench.Case((1, 3), 4, 48, 32),
    bench.Case((3, 1), 4, 48, 32),
)


def calls_of(case: bench.Case, compiled: bool) -> dict[str, Callable[[], object]]:
    """The floor, and the layer forward and with its gradients, eager and compiled."""
    module = layer(case.orders)(case.channels, case.channels, bias=False, normalization="sum")
    x = torch.randn(case.batch, *[case.n] * case.orders[0], case.channels)
    with torch.no_grad():
        cotangent = torch.randn_like(module(x))
    taped = x.clone().requires_grad_()

    def forward(run: nn.Module) -> Callable[[], Tensor]:
        def call() -> Tensor:
            with torch.no_grad():
                return run(x)

        return call

    def training(run: nn.Module) -> Callable[[], object]:
        return lambda: torch.autograd.grad(run(taped), (taped, *module.parameters()), cotangent)

    calls: dict[str, Callable[[], object]] = {
        "floor": bench.floor(case),
        "forward": forward(module),
        "forward+backward": training(module),
    }
    if compiled:
        torch.compiler.reset()
        run = torch.compile(module, fullgraph=True, dynamic=False)
        calls |= {"forward, compiled": forward(run), "forward+backward, compiled": training(run)}
    return calls


def measured(
    calls: dict[str, Callable[[], object]], seconds: float, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Quartiles of each call's time over the floor's median, or over three times that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what inductor says while it compiles
        for _ in range(3):
            for call in calls.values():
                call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    order, began = list(calls), time.perf_counter()
    while time.perf_counter() - began < seconds or len(samples["floor"]) < 5:
        random.shuffle(order)
        for name in order:
            start = clock()
            calls[name]()
            samples[name].append(clock() - start)
    floor = statistics.median(samples["floor"])
    return {
        name: [q / floor / (3 if "backward" in name else 1) for q in statistics.quantiles(found, n=4)]
        for name, found in samples.items()
    }


def main() -> None:
    """Measures the cases that are asked for, and prints a line for each way."""
    parser = argparse.ArgumentParser(description="The library's layers against the floor.")
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.cpu else time.perf_counter
    machine = bench.describe_machine() | {"allocator": bench._fix_allocator()}
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    found = {}
    for at in given.cases:
        case = CASES[at]
        found[str(case)] = measured(calls_of(case, not given.no_compile), given.seconds, clock)
        print(case)
        for name, (lower, median, upper) in found[str(case)].items():
            print(f"  {name:<28}{median:6.2f}  ({lower:.2f} - {upper:.2f})", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps({"machine": machine, "ratios": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
