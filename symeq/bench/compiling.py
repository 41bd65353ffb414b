"""How long ``torch.compile(dynamic=True)`` takes with nothing in its caches, and that one graph is enough."""

from __future__ import annotations

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


def measure_compile_time(case: Case = COMPILED, backend: str = "inductor") -> CompileTime:
    """Seconds from ``torch.compile`` to the first result, forward, in a fresh process without caches.

    The compiled layer then runs at other n and batch, and the graphs are counted.

    Raises:
        WorkerError: the process failed: there is no compiler, or the compiled layer gives other values.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
        found = fresh.call("compiling:serve", environment, case=asdict(case), backend=backend)
    return CompileTime(case, **found)


def serve(case: dict[str, Any], backend: str) -> dict[str, Any]:
    """Measures in this process."""
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
