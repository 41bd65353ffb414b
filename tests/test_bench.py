"""The benchmark: equal results before any time, the right stack, the right floor, the right ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

import symeq
from oracles import dense_map, set_partitions
from symeq import bench
from symeq.errors import OptionError

TINY = bench.Case((2, 2), batch=2, n=5, channels=3)
ORDERS = [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (1, 1), (2, 1), (1, 3), (3, 1), (2, 2), (3, 3)]
MACHINE = {"processor", "threads", "torch", "python", "system"}


def planted(change: Callable[[Tensor], Tensor]) -> tuple[dict[str, bench.Contestant], list[str]]:
    """The emitted layer and one that changes its result, and a record of that one's calls."""
    calls: list[str] = []

    def prepare(problem: bench.Problem) -> Callable[[], Tensor]:
        right = bench.emitted(problem)

        def call() -> Tensor:
            calls.append("called")
            return change(right())

        return call

    return {bench.LAYER: bench.emitted, "planted": prepare}, calls


def swap_slots(problem: bench.Problem) -> Callable[[], Tensor]:
    """The layer with the weights of two operators exchanged."""
    order = [1, 0, *range(2, len(problem.weight))]
    return bench.emitted(bench.Problem(problem.case, problem.x, problem.weight[order]))


class TestRun:
    def test_a_tiny_case_gives_a_table_and_json(self) -> None:
        """Both hold contestants, ratios, machine and allocator; JSON reads back as the same report."""
        report = bench.run([TINY], repeats=3, allocator="default")
        found = json.loads(report.to_json())
        names = ["floor", *bench.CONTESTANTS]
        assert [timing["name"] for timing in found["cases"][0]["timings"]] == names
        assert found["cases"][0]["case"] == {"orders": [2, 2], "batch": 2, "n": 5, "channels": 3}
        assert set(found["machine"]) == MACHINE
        assert found["allocator"] == "as it comes"
        assert bench.BenchReport.from_json(report.to_json()) == report
        for text in (str(TINY), *names, *report.machine.values(), "as it comes", "/ floor"):
            assert text in str(report)
        assert "\x1b" not in str(report) and max(map(len, str(report).splitlines())) <= 110

    @pytest.mark.parametrize("orders", ORDERS)
    def test_all_contestants_agree_at_any_orders(self, orders: tuple[int, int]) -> None:
        """The gate holds for every contestant, also without inputs, without outputs and at n = 1."""
        for n in (1, 3):
            report = bench.run([bench.Case(orders, 2, n, 2)], repeats=3, allocator="default")
            for name in bench.CONTESTANTS:
                difference = report.cases[0][name].difference
                assert difference is not None and difference <= 1e-6

    def test_rounds_alternate(self) -> None:
        """A contestant is called once for the gate, then to warm up, then twice in every round."""
        contestants, calls = planted(lambda y: y)
        bench.run([TINY], repeats=4, contestants=contestants, allocator="default")
        least, most = bench.WARM_UPS
        assert 1 + least + 2 * 4 <= len(calls) <= 1 + most + 2 * 4

    def test_each_timed_run_follows_one_of_the_same_call(self) -> None:
        """Whoever else takes part, caches and free memory are as a call leaves them itself."""
        heard: list[str] = []
        calls = {name: partial(heard.append, name) for name in "abc"}
        timed = [(len(heard), key) for key, _ in bench.alternate(calls, 5)]
        assert len(timed) == 15
        assert all(heard[at - 2 : at] == [key, key] for at, key in timed)

    def test_progress_counts_to_the_end(self) -> None:
        """``progress`` hears 0, 1, 2, ... of one total."""
        heard: list[tuple[int, int]] = []
        bench.run(
            [TINY, TINY], repeats=3, allocator="default", progress=lambda at, of, _: heard.append((at, of))
        )
        total = 2 * (len(bench.CONTESTANTS) + 3)
        assert heard == [(at, total) for at in range(total + 1)]

    def test_compiled_contestants_run_beside_the_eager_ones(self) -> None:
        """``compiled`` adds each contestant under torch.compile, held to the same equality."""
        contestants = {name: bench.CONTESTANTS[name] for name in (bench.LAYER, bench.STACKS[2])}
        report = bench.run(
            [TINY], 3, compiled=True, contestants=contestants, backend="aot_eager", allocator="default"
        )
        names = [timing.name for timing in report.cases[0].timings]
        assert names == ["floor", *contestants, *(f"{name}, compiled" for name in contestants)]

    def test_allocator_is_fixed_here_and_as_it_comes_in_a_fresh_process(self) -> None:
        """With fixed thresholds freed memory is used again, without new pages; the report names them."""
        code = (
            "import torch\n"
            "from symeq import bench\n"
            f"report = bench.run([bench.{TINY!r}], 3, also_default=True)\n"
            "print(sorted(bench.sample(lambda: torch.ones(2**24)).page_faults for _ in range(9))[0])\n"
            "print(report.to_json())\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        faults, _, text = done.stdout.partition("\n")
        report = bench.BenchReport.from_json(text)
        assert report.elsewhere is not None
        assert report.elsewhere.allocator == "as it comes"
        assert [found.case for found in report.elsewhere.cases] == [TINY]
        assert str(report).count(str(TINY)) == 2
        if report.allocator.startswith("glibc"):
            assert "M_MMAP_THRESHOLD = 1073741824, M_TRIM_THRESHOLD = 2147483647" in report.allocator
            assert int(faults) < 1000, "64 MiB have 16384 pages of 4 KiB"

    def test_a_missing_compiler_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No C++ compiler: a remedy in place of inductor's traceback."""
        from torch._dynamo.exc import BackendCompilerFailed  # takes seconds to load

        def fail(*_: object, **__: object) -> Callable[[], Tensor]:
            def call() -> Tensor:
                raise BackendCompilerFailed(fail, RuntimeError("no compiler"), None)

            return call

        monkeypatch.setattr(torch, "compile", fail)
        with pytest.raises(
            OptionError, match=r"compiled=True is not possible: expected False, or a C\+\+ compiler"
        ):
            bench.run([TINY], 3, compiled=True, allocator="default")

    @pytest.mark.parametrize(
        ("call", "complaint"),
        [
            (lambda: bench.run([TINY], repeats=2), "repeats=2 is not possible: expected an integer >= 3"),
            (lambda: bench.run([TINY], allocator="mine"), "allocator='mine'"),
            (lambda: bench.run([TINY], contestants={}), "'emitted layer' among them"),
            (lambda: bench.Case((2, -1), 1, 1, 1), "orders=-1 is not possible: expected an integer >= 0"),
            (lambda: bench.Case((2, 2), 0, 1, 1), "batch=0 is not possible: expected an integer >= 1"),
            (lambda: bench.Case((2, 2), 1, 1.5, 1), "n=1.5"),
            (lambda: bench.Case((2, 2), 1, 1, True), "channels=True"),
        ],
    )
    def test_bad_arguments_are_refused(self, call: Callable[[], object], complaint: str) -> None:
        """A wrong call is told what came and what was expected."""
        with pytest.raises(OptionError, match=complaint):
            call()


class TestEquality:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (lambda y: y.transpose(1, 2), "differs from the float64 reference by"),
            (lambda y: y * (1 + 1e-4), "differs from the float64 reference by 1.0e-04 of the largest entry"),
            (lambda y: y.index_fill(0, torch.tensor(1), torch.nan), "by nan"),
            (lambda y: y[:1], r"has shape \(1, 5, 5, 3\), expected \(2, 5, 5, 3\)"),
        ],
        ids=["transposed", "slightly off", "NaN", "half a batch"],
    )
    def test_a_wrong_contestant_is_not_timed(
        self, change: Callable[[Tensor], Tensor], complaint: str
    ) -> None:
        """The contestant is named, with what is wrong, and called only that once."""
        contestants, calls = planted(change)
        with pytest.raises(bench.UnequalResultsError, match=complaint) as caught:
            bench.run([TINY], repeats=3, contestants=contestants, allocator="default")
        assert calls == ["called"]
        assert "'planted' is not timed at 2 -> 2, batch 2, n = 5, 3 channels" in str(caught.value)
        assert caught.value.case == TINY and not caught.value.difference <= bench.CLOSE

    @pytest.mark.parametrize("case", [TINY, bench.Case((2, 2), 2, 48, 2)])
    def test_exchanged_slots_are_seen(self, case: bench.Case) -> None:
        """Two operators with each other's weights are unequal, also where large sums drown them."""
        with pytest.raises(bench.UnequalResultsError):
            bench.run(
                [case],
                3,
                contestants={bench.LAYER: bench.emitted, "swapped": swap_slots},
                allocator="default",
            )

    def test_the_reference_is_the_dense_definition(self) -> None:
        """Contestants are held against the definition of the diagram basis, contracted by brute force."""
        problem = bench.Problem.of(bench.Case((2, 1), 2, 3, 2))
        dense = dense_map(("n",) * 3, {"n": 3}, "diagram", problem.weight.double().numpy())
        wanted = np.einsum("bijc,ijkcd->bkd", problem.x.double().numpy(), dense)
        np.testing.assert_allclose(problem.reference().numpy(), wanted, rtol=0, atol=1e-12)


class TestStack:
    @pytest.mark.parametrize("orders", ORDERS)
    @pytest.mark.parametrize("copied", [True, False])
    @pytest.mark.parametrize("channels_first", [True, False])
    def test_operators_are_the_dense_definition(
        self, orders: tuple[int, int], copied: bool, channels_first: bool, seed: int
    ) -> None:
        """Operator by operator, in slot order, exactly on integers, in both layouts."""
        n, sets = 3, ("n",) * sum(orders)
        slots = len(set_partitions(sets))
        x = torch.randint(-9, 10, (2, *[n] * orders[0], 2)).double()
        given = x.movedim(-1, 1) if channels_first else x
        strings = bench.operator_strings(orders)
        found = bench.stack_operators(given, strings, n, first=2 if channels_first else 1, copied=copied)
        assert len(found) == slots
        dense = dense_map(sets, {"n": n}, "diagram", np.eye(slots))
        for slot in range(slots):
            # tensordot leaves the channels before the output axes
            wanted = np.tensordot(
                x.numpy(), dense[..., slot], axes=(range(1, orders[0] + 1), range(orders[0]))
            )
            result = found[slot].movedim(1, -1) if channels_first else found[slot]
            np.testing.assert_array_equal(result.numpy(), np.moveaxis(wanted, 1, -1))

    def test_copies_are_full_tensors_and_views_are_not(self) -> None:
        """Of the 15 operators, eight repeat a smaller tensor off the diagonal: views, or full copies."""
        x = torch.randn(2, 4, 4, 3)
        strings = bench.operator_strings((2, 2))
        views = bench.stack_operators(x, strings, 4, copied=False)
        copies = bench.stack_operators(x, strings, 4, copied=True)
        assert sum(0 in tensor.stride() for tensor in views) == 8
        assert all(tensor.shape == (2, 4, 4, 3) and 0 not in tensor.stride() for tensor in copies)


class TestFloor:
    @pytest.mark.parametrize("orders", [*ORDERS, (2, 4), (4, 1)])
    def test_its_products_are_those_of_the_plan(self, orders: tuple[int, int]) -> None:
        """Level by level the same rows and the same multiply-adds, on whichever side the permutations are."""
        case = bench.Case(orders, batch=3, n=5, channels=7)
        plan = symeq.plan(orders)
        contractions = plan.contractions()
        wanted = [
            (
                3 * 5 ** len(contractions[mix.sources[0][0]].kept),
                len(mix.sources) * 7 * len(mix.targets) * 7,
            )
            for mix in plan.mixes
        ]
        assert [(rows, inner * columns) for rows, inner, columns in bench.floor_shapes(case)] == wanted

    def test_two_to_two_by_hand(self) -> None:
        """2 -> 2: 1 contraction in 2 orders, 3 and 2 contractions; 1, 3 and 2 broadcasts."""
        case = bench.Case((2, 2), batch=16, n=64, channels=64)
        assert bench.floor_shapes(case) == ((65536, 128, 64), (1024, 192, 192), (16, 128, 128))

    def test_it_runs_into_memory_that_is_there(self) -> None:
        """No call of the floor asks for memory."""
        call = bench.floor(bench.Case((2, 1), 2, 4, 3))
        call()
        with torch.profiler.profile(profile_memory=True) as profile:
            call()
        assert all(event.self_cpu_memory_usage == 0 for event in profile.key_averages())


class TestSummary:
    SAMPLES = {  # noqa: RUF012  # a table, not a field
        name: [bench.Sample(seconds, pages) for seconds, pages in zip(times, (0, 7, 0, 9, 8), strict=True)]
        for name, times in {
            "floor": (2.0, 1.0, 90.0, 2.0, 2.0),
            bench.LAYER: (3.0, 3.0, 80.0, 1.0, 4.0),
            "stack": (30.0, 33.0, 36.0, 39.0, 500.0),
        }.items()
    }

    def test_ratios_are_those_of_the_medians(self) -> None:
        """Outliers move neither medians nor ratios: 3 over 2, 36 over 2, 36 over 3."""
        found = bench.summarise(TINY, self.SAMPLES, {bench.LAYER: 1e-7})
        layer, stack = found[bench.LAYER], found["stack"]
        assert (layer.median, layer.over_floor, layer.over_layer) == (3.0, 1.5, 1.0)
        assert (stack.median, stack.over_floor, stack.over_layer) == (36.0, 18.0, 12.0)
        assert (stack.lower_quartile, stack.upper_quartile) == (33.0, 39.0)
        assert found["floor"].over_layer == 2 / 3
        assert (layer.difference, stack.difference) == (1e-7, None)
        assert layer.page_faults == 7

    def test_an_unknown_contestant_is_a_key_error(self) -> None:
        """A misspelt name is not some other contestant."""
        with pytest.raises(KeyError):
            bench.summarise(TINY, self.SAMPLES, {})["stcak"]
