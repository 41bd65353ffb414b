"""The rest of the benchmark: gradients, memory, compilation, targets, plots, the graphics card's script."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles import dense_map
from symeq import bench
from symeq.bench import memory as memory_module
from symeq.errors import MissingLibraryError, OptionError, TooLargeError, WorkerError

TINY = bench.Case((2, 2), batch=2, n=5, channels=3)
ORDERS = [(0, 0), (0, 2), (2, 0), (1, 1), (2, 1), (1, 3), (3, 1), (2, 2), (3, 2)]
SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu.py"


class _Altered(torch.autograd.Function):
    """The identity, with another gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.change(gradients[0]), None


def altered(
    of_x: Callable[[Tensor], Tensor] = lambda g: g, of_weight: Callable[[Tensor], Tensor] = lambda g: g
) -> bench.Contestant:
    """A contestant of right values whose gradients go through the two functions."""

    def prepare(problem: bench.Problem) -> Callable[[], Tensor]:
        def call() -> Tensor:
            x = _Altered.apply(problem.x, of_x)
            weight = _Altered.apply(problem.weight, of_weight)
            return bench.einsums(replace(problem, x=x, weight=weight))()

        return call

    return prepare


def detached(problem: bench.Problem) -> Callable[[], Tensor]:
    """Right values, and no gradient at all."""
    call = bench.einsums(problem)
    return lambda: call().detach()


def without_x(problem: bench.Problem) -> Callable[[], Tensor]:
    """Right values, with a gradient of the weight only."""
    return bench.einsums(replace(problem, x=problem.x.detach()))


def scale_one_slot(gradient: Tensor) -> Tensor:
    """Wrong in the slot whose operators sum nothing, and whose gradient is small beside that of others."""
    scales = torch.ones(len(gradient), 1, 1)
    scales[6] = 1.0001
    return gradient * scales


class TestGradients:
    @pytest.mark.parametrize("orders", ORDERS)
    def test_the_reference_is_the_dense_definition(self, orders: tuple[int, int]) -> None:
        """Both gradients are those of the dense map, operator by operator, by brute force."""
        problem = bench.Problem.of(bench.Case(orders, 2, 3, 2))
        k, order_out = orders
        sets, slots = ("n",) * (k + order_out), len(problem.weight)
        operators = dense_map(sets, {"n": 3}, "diagram", np.eye(slots)).reshape(3**k, 3**order_out, slots)
        assert problem.cotangent is not None
        x = problem.x.double().numpy().reshape(2, 3**k, 2)
        cotangent = problem.cotangent.double().numpy().reshape(2, 3**order_out, 2)
        weight = problem.weight.double().numpy()
        of_x, of_weight = problem.reference_gradients()
        wanted = np.einsum("ijs,scd,bjd->bic", operators, weight, cotangent).reshape(of_x.shape)
        np.testing.assert_allclose(of_x.numpy(), wanted, rtol=0, atol=1e-11)
        wanted = np.einsum("ijs,bic,bjd->scd", operators, x, cotangent)
        np.testing.assert_allclose(of_weight.numpy(), wanted, rtol=0, atol=1e-11)

    @pytest.mark.parametrize("orders", ORDERS)
    def test_all_contestants_agree_at_any_orders(self, orders: tuple[int, int]) -> None:
        """Values and gradients of every contestant, also at n = 1."""
        for n in (1, 3):
            case = bench.Case(orders, 2, n, 2)
            (found,) = bench.run([case], 3, training=True, allocator="default").cases
            assert [timing.name for timing in found.training] == list(bench.CONTESTANTS)
            assert found.left_out == {}
            assert all(t.difference is not None and t.difference < 5e-6 for t in found.training)

    @pytest.mark.parametrize(
        ("contestant", "complaint"),
        [
            (altered(of_x=lambda g: g * 1.0001), "its gradient of x differs"),
            (altered(of_x=lambda g: g.transpose(1, 2)), "its gradient of x differs"),
            (altered(of_weight=lambda g: g.mT), "its gradient of weight differs"),
            (altered(of_weight=scale_one_slot), "its gradient of weight differs"),
            (altered(of_weight=lambda g: g * torch.nan), "its gradient of weight differs .* by nan"),
            (detached, "its result has no gradient"),
            (without_x, "its result has no gradient of x"),
        ],
        ids=["x off", "x transposed", "weight transposed", "one slot off", "NaN", "detached", "without x"],
    )
    def test_a_wrong_gradient_is_not_timed(self, contestant: bench.Contestant, complaint: str) -> None:
        """The values are right: the contestant passes forward, and is refused with gradients."""
        contestants = {bench.LAYER: bench.emitted, "planted": contestant}
        bench.run([TINY], 3, contestants=contestants, allocator="default")
        with pytest.raises(bench.UnequalResultsError, match=complaint) as caught:
            bench.run([TINY], 3, training=True, contestants=contestants, allocator="default")
        assert "'planted, forward+backward' is not timed at 2 -> 2, batch 2, n = 5" in str(caught.value)

    def test_rounding_many_terms_is_no_fault(self) -> None:
        """A gradient of the weight is a sum over 131072 entries here, and a scaled slot is still seen."""
        case = bench.Case((2, 2), 2, 256, 8)
        contestants = {bench.LAYER: bench.emitted}
        bench.run([case], 3, training=True, contestants=contestants, allocator="default")
        contestants["planted"] = altered(of_weight=scale_one_slot)
        with pytest.raises(bench.UnequalResultsError, match=r"'planted.* gradient of weight differs"):
            bench.run([case], 3, training=True, contestants=contestants, allocator="default")

    def test_gradients_are_held_against_three_floors(self) -> None:
        """Forward+backward has ratios of its own: three floors, and the layer's own gradients."""
        times = {"floor": 1.0, bench.LAYER: 2.0, f"{bench.LAYER}{bench.TRAINING}": 6.0, "a": 3.0}
        times[f"a{bench.TRAINING}"] = 12.0
        samples = {name: [bench.Sample(seconds, 0)] * 3 for name, seconds in times.items()}
        found = bench.summarise(TINY, samples, {})
        assert [(t.name, t.over_floor, t.over_layer) for t in found.training] == [
            (bench.LAYER, 2.0, 1.0),
            ("a", 4.0, 2.0),
        ]
        assert found["a"].over_floor == 3.0

    def test_compiled_gradients_run_beside_the_eager_ones(self) -> None:
        """Both ways of the layer and of one stack, together for two cases; the report reads back."""
        contestants = {name: bench.CONTESTANTS[name] for name in (bench.LAYER, bench.STACKS[2])}
        heard: list[int] = []
        report = bench.run(
            [TINY, bench.Case((1, 1), 2, 4, 2)],
            3,
            compiled=True,
            training=True,
            together=True,
            contestants=contestants,
            backend="aot_eager",
            allocator="default",
            progress=lambda at, of, _: heard.append(of - at),
        )
        assert heard == list(range(2 * 2 * 2 * 2 + 3, -1, -1))
        names = [*contestants, *(f"{name}, compiled" for name in contestants)]
        for found in report.cases:
            assert [timing.name for timing in found.training] == names
        assert bench.BenchReport.from_json(report.to_json()) == report
        for text in ("forward+backward", "/ 3 floors", "forward and forward+backward"):
            assert text in str(report)
        heading, _, *rows = report.markdown().splitlines()
        assert "compiled with gradients / 3 floors" in heading
        assert len(rows) == 2 and all(row.count("|") == heading.count("|") for row in rows)
        assert rows[0].startswith("| 2 -> 2 (2, 5, 3) |")


class TestLeftOut:
    def test_what_is_too_large_is_left_out_and_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The others are timed all the same."""
        monkeypatch.setattr("symeq.bench.contestants.MOST_BYTES", 40_000)
        report = bench.run([TINY], 3, training=True, allocator="default")
        (found,) = report.cases
        assert list(found.left_out) == [bench.DENSE]
        assert "dense weight sharing" not in [timing.name for timing in found.timings]
        assert found[bench.STACKS[0]].median > 0
        # 625 blocks of 9 numbers of 4 bytes, twice
        assert "left out: dense weight sharing" in str(report) and "45000" in str(report)
        assert bench.BenchReport.from_json(report.to_json()) == report
        monkeypatch.setattr("symeq.bench.contestants.MOST_BYTES", 1)
        report = bench.run([TINY], 3, allocator="default")
        assert [timing.name for timing in report.cases[0].timings] == ["floor", bench.LAYER]

    def test_a_case_beyond_the_machine_is_not_begun(self) -> None:
        """It is refused at once, whatever its orders."""
        for case in (bench.Case((2, 2), 100, 1000, 1000), bench.Case((60, 60), 1, 9, 1)):
            with pytest.raises(TooLargeError, match="numbers in the floor"):
                bench.run([case], 3, allocator="default")


class TestOrbit:
    @pytest.mark.parametrize("orders", [(0, 0), (1, 2), (2, 2), (3, 1)])
    def test_both_bases_compute_the_same(self, orders: tuple[int, int]) -> None:
        """Converted weights pass the gate; as they are, they do not."""
        contestants = {bench.LAYER: bench.emitted, bench.ORBIT: bench.emitted_orbit}
        case = bench.Case(orders, 2, 4, 2)
        report = bench.run([case], 3, contestants=contestants, allocator="default")
        assert report.cases[0][bench.ORBIT].difference is not None

    def test_unconverted_weights_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Orbit weights taken for diagram weights are another layer."""
        monkeypatch.setattr("symeq.bench.contestants.convert_weights", lambda weight, *how: weight)
        with pytest.raises(bench.UnequalResultsError):
            bench.run([TINY], 3, contestants={bench.LAYER: bench.emitted, bench.ORBIT: bench.emitted_orbit})


class TestMemory:
    X, W = torch.ones(64, 32, requires_grad=True), torch.ones(32, 16, requires_grad=True)

    def test_what_a_product_saves(self) -> None:
        """A plain product saves its operands, and nothing beyond them."""
        x, w = self.X, self.W
        assert bench.count_saved(lambda: x @ w) == 4 * (64 * 32 + 32 * 16)
        assert bench.count_saved(lambda: x @ w, [x, w]) == 0
        assert bench.count_saved(lambda: x.exp() @ w, [x, w]) == 4 * 64 * 32, "once, though saved twice"
        with torch.no_grad():
            assert bench.count_saved(lambda: x.exp() @ w) == 0

    def test_what_a_product_holds(self) -> None:
        """Its result is not counted; what is made on the way is, while it is held, and what began is not."""
        x, w = self.X.detach(), self.W.detach()
        large, small = 4 * 64 * 32, 4 * 64 * 16
        assert bench.count_peak(lambda: (x @ w,)) == 0
        assert bench.count_peak(lambda: (x @ w, x.exp()), results=1) == large
        assert bench.count_peak(lambda: (x.exp() @ w,)) == large
        assert bench.count_peak(lambda: (x.exp().exp().exp() @ w,)) == 2 * large, "freed as the next is made"
        assert bench.count_peak(lambda: (x.exp() @ w + x.exp() @ w,)) == large + 2 * small

    def test_what_a_training_step_of_a_product_holds(self) -> None:
        """Output and gradient of x are its results: only the gradient of the weight is beyond."""
        x, w, cotangent = self.X, self.W, torch.ones(64, 16)

        def step() -> tuple[Tensor, ...]:
            y = x @ w
            return y, *torch.autograd.grad(y, (x, w), cotangent)

        assert bench.count_peak(step, results=2) == 4 * 32 * 16
        assert bench.count_peak(step) == 0

    def test_a_fresh_process_for_a_contestant(self) -> None:
        """The stack holds what 15 operators take, twice; seen from the system, too, it takes far more."""
        case = bench.Case((2, 2), 16, 64, 32)  # large beside what a process has at hand
        layer, stack = bench.LAYER, bench.STACKS[0]
        found = bench.measure_memory([case], (layer, stack), training=True)
        assert [(m.name, m.training) for m in found] == [
            (layer, False),
            (layer, True),
            (stack, False),
            (stack, True),
        ]
        assert {m.unit for m in found} == {4 * 16 * 64 * 64 * 32}
        assert [m.saved > 0 for m in found] == [False, True, False, True]
        assert 15 <= found[3].saved / found[3].unit < 15.5 and 30 <= found[2].peak / found[2].unit < 30.5
        assert found[1].peak / found[1].unit <= 5, "the target"
        resident = [m.resident for m in found]
        if None not in resident:  # pages, of which a process has some at hand, so no exact numbers
            assert resident[2] > 3 * resident[0] > 0 and resident[3] > 3 * resident[1] > 0

    def test_what_does_not_fit_is_passed_over(self) -> None:
        """A dense matrix of 100^4 blocks has no line."""
        case = bench.Case((2, 2), 1, 100, 8)
        assert memory_module.serve([asdict(case)], bench.DENSE, False) == []

    def test_an_unknown_contestant_is_refused(self) -> None:
        """No process is started for it."""
        with pytest.raises(
            OptionError, match="contestants='a stack' is not possible: expected one of emitted"
        ):
            bench.measure_memory([TINY], ("a stack",))


class TestCompileTime:
    def test_one_graph_for_all_sizes(self) -> None:
        """A fresh process, other n and batch; where n and channels are equal at first, torch makes two."""
        found = bench.measure_compile_time(bench.Case((2, 2), 3, 6, 4), backend="eager", repeats=2)
        assert found.graphs == 1 and 0 < found.one_line < found.seconds < 120
        assert found.lower_quartile <= found.seconds <= found.upper_quartile
        assert bench.measure_compile_time(bench.Case((2, 2), 3, 4, 4), "eager", repeats=2).graphs == 2

    def test_a_failed_process_says_what_it_said(self) -> None:
        """Its last words are part of the error."""
        with pytest.raises(WorkerError, match=r"compiling:serve failed: InvalidBackend: .*no such backend"):
            bench.measure_compile_time(TINY, backend="no such backend")


def timing(name: str, median: float, lower: float, over_floor: float) -> bench.Timing:
    """A timing of which only this matters."""
    return bench.Timing(name, median, lower, median, over_floor, 1.0, 0.0, 0)


FLOOR = timing("floor", 1.0, 1.0, 1.0)
EMPTY = bench.BenchReport({"processor": "p"}, "fixed", 25, ())


class TestTargets:
    FIRST = next(iter(bench.TARGETS))

    def judged(self, *cases: bench.CaseReport, **parts: object) -> list[bench.Target]:
        """The targets of a report of these."""
        return list(bench.judge(replace(EMPTY, cases=cases, **parts)).targets)

    @pytest.mark.parametrize(
        ("eager", "compiled", "way", "met"),
        [
            ((1.2, 1.2), (1.4, 1.4), "eager", True),
            ((1.5, 1.5), (1.3, 1.24), "compiled", True),
            ((1.5, 1.5), (1.3, 1.26), "compiled", False),
        ],
    )
    def test_the_better_quartile_of_the_better_way(
        self, eager: tuple[float, float], compiled: tuple[float, float], way: str, met: bool
    ) -> None:
        """1.25 is met by a median of 1.3 whose better quartile is 1.24, and missed with 1.26."""
        ways = {bench.LAYER: eager, f"{bench.LAYER}, compiled": compiled}
        timings = tuple(timing(name, median, lower, median) for name, (median, lower) in ways.items())
        (found,) = self.judged(bench.CaseReport(self.FIRST, (FLOOR, *timings)))
        assert (found.way, found.met, found.limit) == (way, met, 1.25)

    def test_gradients_and_cases_without_a_target(self) -> None:
        """Forward+backward has a limit of its own; a case that has none is left alone."""
        layer = (timing(bench.LAYER, 1.0, 1.0, 1.0),)
        cases = [bench.CaseReport(case, (FLOOR, *layer), layer) for case in (*bench.TARGETS, TINY)]
        found = self.judged(*cases)
        assert len(found) == 9 + 5
        assert [t.limit for t in found if "forward+backward" in t.name] == [1.25, 1.6, 1.6, 1.1, 0.9]
        assert [t.met for t in found if "3 -> 3, batch 2" in t.name] == [False, True, False, False]

    def test_growth_is_the_largest_from_64_on(self) -> None:
        """Times per entry; what lies below n = 64 does not count."""
        seconds = {8: 9.0, 64: 1.0, 128: 1.3, 256: 2.0, 512: 8.0}
        batches = {8: 64, 64: 64, 128: 16, 256: 8, 512: 8}  # at 256 twice as many entries, at 512 eight times
        cases = tuple(
            bench.CaseReport(
                bench.Case((2, 2), batches[n], n, 1), (FLOOR, timing(bench.LAYER, t, t * 0.9, 1.0))
            )
            for n, t in seconds.items()
        )
        (found,) = self.judged(scaling=cases)
        assert found.found == pytest.approx(1.3) and found.best == pytest.approx(1.17) and not found.met

    def test_memory_orbit_and_compilation(self) -> None:
        """Each against its limit; the report is ok when all are met, and says which is not."""
        case = bench.MEMORY_CASES[0]
        both = (timing(bench.LAYER, 1.0, 1.0, 1.0), timing(bench.ORBIT, 1.4, 1.25, 1.0))
        report = bench.judge(
            replace(
                EMPTY,
                memory=(
                    bench.Memory(case, bench.LAYER, True, 100, 0, 510, None),
                    bench.Memory(case, bench.LAYER, False, 100, 0, 900, 7),
                    bench.Memory(case, bench.STACKS[0], True, 100, 0, 400, 7),
                ),
                orbit=(bench.CaseReport(bench.ORBIT_CASES[0], (FLOOR, *both)),),
                compile_time=bench.CompileTime(case, 21.0, 2, 19.0, 23.0, 12.0),
            )
        )
        assert [(t.found, t.met) for t in report.targets] == [
            (5.1, False),
            (1.4, True),
            (21.0, True),
            (2, False),
        ]
        assert not report.ok and EMPTY.ok
        assert bench.BenchReport.from_json(report.to_json()) == report
        assert "NO" in str(report) and "21.0 s without caches (19.0 - 23.0;" in str(report)

    def test_an_unknown_part_is_refused(self) -> None:
        """With the parts that there are."""
        with pytest.raises(
            OptionError, match="part='speed' is not possible: expected one of scaling, memory"
        ):
            bench.with_parts(EMPTY, ["speed"])

    def test_parts_are_measured(self) -> None:
        """Scaling with its memory and the orbit basis, on small cases."""
        cases = [bench.Case((1, 1), 4, 2, 2), bench.Case((1, 1), 2, 4, 2)]
        report = replace(EMPTY, repeats=3)
        found = bench.with_parts(report, ["scaling", "orbit"], scaling=cases, orbit=cases[:1])
        assert [part.case for part in found.scaling] == cases and [
            part.case for part in found.orbit
        ] == cases[:1]
        assert {m.case for m in found.memory} == set(cases)
        assert {m.name for m in found.memory} == set(bench.CONTESTANTS)
        plots = bench.scaling_plots(found)
        assert list(plots) == ["scaling.svg"] and plots == bench.scaling_plots(found), "the same bytes again"
        assert b"symeq bench" in plots["scaling.svg"]


class TestPlots:
    REPORT = replace(
        EMPTY,
        scaling=tuple(
            bench.CaseReport(
                bench.Case((2, 2), 4096 // n**2, n, 1),
                (FLOOR, timing(bench.LAYER, 0.002, 0.002, 2.0)),
                (timing(bench.LAYER, 0.006, 0.006, 2.0),),
            )
            for n in (16, 32, 64)
        ),
        memory=(bench.Memory(bench.Case((2, 2), 16, 16, 1), bench.LAYER, False, 4, 0, 3_000_000, None),),
    )

    def test_the_figure_shows_what_was_measured(self) -> None:
        """Milliseconds and megabytes over n on logarithmic axes, the floor among them."""
        left, right = bench.scaling_figure(self.REPORT).axes
        lines = {line.get_label(): line.get_xydata().tolist() for line in left.lines}
        assert lines == {
            "floor": [[16, 1000], [32, 1000], [64, 1000]],
            bench.LAYER: [[16, 2], [32, 2], [64, 2]],
        }
        assert [16, 3] in right.lines[0].get_xydata().tolist()
        assert (left.get_xscale(), left.get_yscale(), right.get_yscale()) == ("log", "log", "log")
        training = bench.scaling_figure(self.REPORT, training=True).axes[0]
        assert {line.get_label() for line in training.lines} == {"three floors", bench.LAYER}
        assert list(bench.scaling_plots(self.REPORT)) == ["scaling.svg", "scaling-training.svg"]

    def test_without_matplotlib(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is said what to install, before anything is measured."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(MissingLibraryError, match="pip install matplotlib"):
            bench.require_matplotlib()


@pytest.mark.checkout
class TestGpu:
    @pytest.fixture
    def script(self) -> ModuleType:
        """The script as a module."""
        spec = importlib.util.spec_from_file_location("gpu", SCRIPT)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_without_a_device_it_says_so(self) -> None:
        """Exit code 2, no traceback; the variable hides a device that is there."""
        import os

        done = subprocess.run(
            [sys.executable, SCRIPT],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("gpu.py: torch finds no CUDA device here")

    def test_what_is_counted(self, script: ModuleType) -> None:
        """2 -> 2 on 2 nodes, batch 1, one channel: (4, 2, 1), (2, 3, 3), (1, 2, 2), a copy of 4."""
        operations, size = script.counted(bench.Case((2, 2), 1, 2, 1))
        assert operations == 2 * (8 + 18 + 4)
        assert size == 4 * ((8 + 2 + 4) + (6 + 9 + 6) + (2 + 4 + 2) + 2 * 4)

    def test_ceilings_are_positive(self, script: ModuleType) -> None:
        """Measured here on the processor, small."""
        assert all(rate > 0 for rate in script.ceilings("cpu", side=64, copied=2**12))

    def test_ways(self, script: ModuleType) -> None:
        """The layer and the fastest stack from graphs; compiled only where that is asked for."""
        plain, more = script.contestants(False), script.contestants(True)
        assert set(bench.CONTESTANTS) < set(plain) < set(more)
        assert set(plain) - set(bench.CONTESTANTS) == {name + ", replayed" for name in script.QUICK}
        assert set(more) - set(plain) == {
            f"{name}, compiled{ending}" for name in script.QUICK for ending in ("", ", replayed")
        }

    def test_what_stands_against_the_ceilings(self, script: ModuleType) -> None:
        """60 operations at 60 a second and 172 bytes at 344 a second take at least a second."""
        found = bench.run([bench.Case((2, 2), 1, 2, 1)], repeats=3).cases[0]
        said = script.against_ceilings(found, operations=60.0, moved=344.0)
        assert "1000.000 ms at the least" in said
        assert f"emitted layer {found[bench.LAYER].median * 1e3:.3f}" in said
