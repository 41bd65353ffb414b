"""How long ``torch.compile(dynamic=True)`` takes with nothing in its caches, and that one graph is enough."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, replace
from typing import Any

import torch

from symeq.bench import fresh
from symeq.bench.cases import Case, Problem
from symeq.bench.contestants import emitted
from symeq.bench.equality import check_equal
from symeq.bench.report import CompileTime
from symeq.bench.running import quiet_compiler
from symeq.layers import layer

COMPILED = Case((2, 2), 16, 48, 64)  # to torch, sizes that are equal at the first call are one size
REPEATS = 3


def measure_compile_time(
    case: Case = COMPILED, backend: str = "inductor", repeats: int = REPEATS
) -> CompileTime:
    """Seconds from ``torch.compile`` to the first result, forward, in fresh processes without caches.

    The compiled layer then runs at other n and batch, and the graphs are counted. Between these processes
    as many compile a function of one line: what torch takes for itself. At least two ``repeats`` of each.

    Raises:
        WorkerError: a process failed: there is no compiler, or the compiled layer gives other values.
    """
    layers, lines = [], []
    for _ in range(repeats):
        layers.append(_without_caches("serve", case=asdict(case), backend=backend))
        lines.append(_without_caches("serve_one_line", case=asdict(case), backend=backend))
    seconds = [found["seconds"] for found in layers]
    lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    graphs = max(found["graphs"] for found in layers)
    return CompileTime(case, median, graphs, lower, upper, statistics.median(lines))


def _without_caches(function: str, **arguments: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        environment = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
        return fresh.call(f"compiling:{function}", environment, **arguments)


def serve_one_line(case: dict[str, Any], backend: str) -> float:
    """Seconds for ``x.sum(1) + 1``, of the case's x, in this process."""
    x = Problem.of(Case.of(case)).x
    with torch.no_grad(), quiet_compiler():
        start = time.perf_counter()
        torch.compile(lambda x: x.sum(1) + 1, backend=backend, fullgraph=True, dynamic=True)(x)
        return time.perf_counter() - start


def serve(case: dict[str, Any], backend: str) -> dict[str, Any]:
    """Measures the layer in this process."""
    problem = Problem.of(Case.of(case))
    emitted(problem)()  # whatever is loaded once is loaded
    given = problem.case
    module = layer(given.orders)(given.channels, given.channels, bias=False)
    with torch.no_grad(), quiet_compiler():
        start = time.perf_counter()
        made = torch.compile(module, backend=backend, fullgraph=True, dynamic=True)
        sizes = {"n": given.n} if given.orders[1] and not given.orders[0] else None
        made(problem.x, sizes=sizes)
        seconds = time.perf_counter() - start
        for batch, n in ((given.batch + 3, given.n), (given.batch, given.n + 5), (2, 7)):
            other = torch.randn(batch, *[n] * given.orders[0], given.channels)
            sizes = None if sizes is None else {"n": n}
            wanted = module(other, sizes=sizes).double()
            check_equal(replace(given, batch=batch, n=n), "compiled", made(other, sizes=sizes), wanted)
    from torch._dynamo.utils import counters

    return {"seconds": seconds, "graphs": counters["stats"]["unique_graphs"]}
