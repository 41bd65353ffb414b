"""What an emitted layer costs: equality of results first, then alternating timed runs.

The emitted layer stands beside the way in which public implementations compute it, by building
all operators at full size and mixing their stack, and beside the *floor*: the matrix products
of all levels, permutation by permutation, and one copy of the larger of input and output.
Ratios of medians are the result; absolute times belong to the machine of the day.

    print(symeq.bench.run())
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb, factorial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from rich.console import Console, Group
from rich.table import Table
from torch import Tensor, nn

from symeq.bases.derive import derive
from symeq.combinatorics.partitions import restricted_growth_strings, stirling
from symeq.errors import OptionError, SymeqError
from symeq.layers import layer
from symeq.plans.evaluate import evaluate
from symeq.plans.lower import lower
from symeq.signature import Signature

if sys.platform != "win32":
    import resource

Allocator: TypeAlias = Literal["fixed", "default"]
Progress: TypeAlias = Callable[[int, int, str], None]
"""Is told how many steps are done, of how many, and what comes next."""

CLOSE = 1e-5
"""Results may differ from the float64 reference by this much of its largest entry."""

WARM_UPS = (3, 12)
"""Rounds before the timed ones: at least, and at most while some call still asks for new memory pages."""

_NEW_PAGES = 100
_SEED = 2019

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_TRIM_BYTES, _MMAP_BYTES = 2**31 - 1, 2**30


class UnequalResultsError(SymeqError, ArithmeticError):
    """A contestant that computes something else than the layer; ``difference`` is relative."""

    def __init__(self, case: Case, contestant: str, difference: float, problem: str) -> None:
        self.case = case
        self.contestant = contestant
        self.difference = difference
        super().__init__(
            f"{contestant!r} is not timed at {case}: {problem}. Only equal results are compared; mend "
            "or leave out the contestant."
        )


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: a layer of ``orders`` with as many channels out as in, on a batch.

    >>> print(Case((2, 2), 16, 64, 32))
    2 -> 2, batch 16, n = 64, 32 channels

    Raises:
        OptionError: an order below 0, or anything else below 1.
    """

    orders: tuple[int, int]
    batch: int
    n: int
    channels: int

    def __post_init__(self) -> None:
        for name, value, least in (
            *(("orders", order, 0) for order in self.orders),
            *((name, getattr(self, name), 1) for name in ("batch", "n", "channels")),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(name, value, f"an integer >= {least}")

    @property
    def signature(self) -> Signature:
        """The signature over the one index set n."""
        return Signature.from_orders(*self.orders)

    def __str__(self) -> str:
        order_in, order_out = self.orders
        return (
            f"{order_in} -> {order_out}, batch {self.batch}, n = {self.n}, "
            f"{self.channels} channel{'s' if self.channels != 1 else ''}"
        )


DEFAULT_CASES = (Case((2, 2), 16, 64, 16), Case((2, 2), 16, 64, 64), Case((2, 2), 2, 256, 32))


# --- the contestants ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One input and one set of weights for all contestants of a case.

    x: ``(batch, n, ..., n, channels)``; weight: ``(slots, channels, channels)``, diagram weights.
    The operators are as defined (normalisation "sum"), and there is no bias.
    """

    case: Case
    x: Tensor
    weight: Tensor

    @classmethod
    def of(cls, case: Case) -> Problem:
        """Normally distributed entries, the same at every call."""
        generator = torch.Generator().manual_seed(_SEED)
        order_in, _ = case.orders
        slots = len(derive(case.signature))
        return cls(
            case,
            torch.randn(case.batch, *[case.n] * order_in, case.channels, generator=generator),
            torch.randn(slots, case.channels, case.channels, generator=generator),
        )

    def reference(self) -> Tensor:
        """The result in float64, operator by operator, by the NumPy meaning of the plain plan."""
        plan = lower(derive(self.case.signature))
        sizes = self.case.n if any(self.case.orders) else None
        y = evaluate(plan, self.x.double().numpy(), self.weight.double().numpy(), sizes=sizes)
        return torch.from_numpy(np.ascontiguousarray(y))


Contestant: TypeAlias = Callable[[Problem], Callable[[], Tensor]]
"""Prepares a problem in its own layout, untimed, and returns the timed call.

The call returns ``(batch, n, ..., n, channels)``, possibly as a view.
"""


def emitted(problem: Problem) -> Callable[[], Tensor]:
    """The layer that symeq emits for the orders of the case."""
    return contestant(layer(problem.case.orders))(problem)


def contestant(layer_class: type[nn.Module]) -> Contestant:
    """An emitted layer, such as one imported from its file, as a contestant."""

    def prepare(problem: Problem) -> Callable[[], Tensor]:
        order_in, order_out = problem.case.orders
        channels = problem.case.channels
        module = layer_class(channels, channels, bias=False, normalization="sum")
        module.load_state_dict({"weight": problem.weight})
        sizes = {"n": problem.case.n} if order_out and not order_in else None
        return lambda: module(problem.x, sizes=sizes)

    return prepare


def stacked_einsum(problem: Problem) -> Callable[[], Tensor]:
    """All operators at full size, stacked, and an einsum: channels first, as it was published.

    So do the code of Maron, Ben-Hamu, Shamir and Lipman 2019 (arXiv:1812.09902) and its ports:
    coefficients ``(in, out, operator)``, and ``einsum("dsb,ndbij->nsij")`` over the stack.
    """
    x = problem.x.movedim(-1, 1).contiguous()
    coefficients = problem.weight.permute(1, 2, 0).contiguous()
    case, strings = problem.case, operator_strings(problem.case.orders)
    axes = "ijklmpqr"[: case.orders[1]]

    def call() -> Tensor:
        stack = torch.stack(stack_operators(x, strings, case.n, first=2), 2)
        return torch.einsum(f"dsb,ndb{axes}->ns{axes}", coefficients, stack).movedim(1, -1)

    return call


def stacked_product(problem: Problem) -> Callable[[], Tensor]:
    """All operators at full size, side by side, and one product over (operator, channel)."""
    return _side_by_side(problem, copied=True)


def stacked_views(problem: Problem) -> Callable[[], Tensor]:
    """As ``stacked_product``, but what is only repeated is a view until the operators are put together.

    A kinder stack than most published ones, and the fastest that we know of.
    """
    return _side_by_side(problem, copied=False)


def _side_by_side(problem: Problem, copied: bool) -> Callable[[], Tensor]:
    x = problem.x
    matrix = problem.weight.flatten(0, 1)
    n, strings = problem.case.n, operator_strings(problem.case.orders)

    def call() -> Tensor:
        return torch.cat(stack_operators(x, strings, n, first=1, copied=copied), -1) @ matrix

    return call


LAYER = "emitted layer"
STACKS = ("stack, einsum", "stack, one product", "stack of views, one product")
CONTESTANTS: Mapping[str, Contestant] = {
    LAYER: emitted,
    **dict(zip(STACKS, (stacked_einsum, stacked_product, stacked_views), strict=True)),
}


Strings: TypeAlias = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def operator_strings(orders: tuple[int, int]) -> Strings:
    """The blocks of the input axes and of the output axes for every operator, in the order of the slots.

    >>> operator_strings((1, 1))
    (((0,), (0,)), ((0,), (1,)))
    """
    order_in, order_out = orders
    strings = restricted_growth_strings(("n",) * (order_in + order_out)).tolist()
    return tuple((tuple(rgs[:order_in]), tuple(rgs[order_in:])) for rgs in strings)


def stack_operators(x: Tensor, strings: Strings, n: int, first: int = 1, copied: bool = True) -> list[Tensor]:
    """Every diagram operator applied to x at full size.

    What public implementations do: each sum once, then for every operator a tensor of all output
    axes, by ``diag_embed`` and repetition.

    Args:
        x: the index axes begin at axis ``first``: 1 for channels last, 2 for channels first.
        strings: the operators, as from ``operator_strings``.
        n: the size of an index axis.
        copied: whether repetitions are copies, as in most public implementations, or views.
    """
    contracted = _Contractions(x, first)
    operators = []
    for inputs, outputs in strings:
        kept = tuple(sorted(set(inputs) & set(outputs)))
        full = _spread(contracted.get(inputs, kept), kept, outputs, n, first)
        repeated = len(set(outputs)) == len(outputs) > len(kept)
        operators.append(full.contiguous() if copied and repeated else full)
    return operators


class _Contractions:
    """Diagonals and sums of x, each computed once, and sums from smaller sums."""

    def __init__(self, x: Tensor, first: int) -> None:
        self._x = x
        self._first = first
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], Tensor] = {}

    def get(self, blocks: tuple[int, ...], kept: tuple[int, ...]) -> Tensor:
        """The diagonal of the axes of each block, summed over the blocks that are not kept."""
        key = (blocks, kept)
        if key not in self._known:
            dropped = [block for block in sorted(set(blocks)) if block not in kept]
            if dropped:
                larger = tuple(sorted((*kept, dropped[0])))
                self._known[key] = self.get(blocks, larger).sum(self._first + larger.index(dropped[0]))
            else:
                self._known[key] = self._diagonal(blocks)
        return self._known[key]

    def _diagonal(self, blocks: tuple[int, ...]) -> Tensor:
        result, labels = self._x, list(blocks)
        for at in reversed(range(len(labels))):
            if (other := labels.index(labels[at])) < at:
                before, after = self._first + other, self._first + at
                result = result.diagonal(dim1=before, dim2=after).movedim(-1, before)
                del labels[at]
        return result


def _spread(x: Tensor, kept: tuple[int, ...], outputs: tuple[int, ...], n: int, first: int) -> Tensor:
    """x, whose index axes are the blocks ``kept``, on all output axes."""
    distinct = list(dict.fromkeys(outputs))
    new = [block for block in distinct if block not in kept]
    labels = [*kept, *new]
    for at in range(len(new)):
        x = x.unsqueeze(first + len(kept) + at)
    x = x.movedim(
        [first + labels.index(block) for block in distinct], list(range(first, first + len(distinct)))
    )
    shape = list(x.shape)
    shape[first : first + len(distinct)] = [n] * len(distinct)
    x = x.expand(shape)
    for at, block in enumerate(outputs):
        if block in outputs[:at]:
            before = first + outputs.index(block)
            x = torch.diag_embed(x.movedim(before, -1), dim1=before, dim2=first + at)
    return x


# --- the floor ----------------------------------------------------------------------------------


def floor_shapes(case: Case) -> tuple[tuple[int, int, int], ...]:
    """Rows, inner size and columns of the product of every level, the highest level first.

    Level c mixes the A_c(k) contractions that leave c axes, in c! orders, into the A_c(k')
    broadcasts from c axes; A_c(k) = sum_j S(k, j) binom(j, c).

    >>> floor_shapes(Case((2, 2), 16, 64, 10))
    ((65536, 20, 10), (1024, 30, 30), (16, 20, 20))
    """
    order_in, order_out = case.orders
    return tuple(
        (
            case.batch * case.n**level,
            _leaving(order_in, level) * factorial(level) * case.channels,
            _leaving(order_out, level) * case.channels,
        )
        for level in reversed(range(min(order_in, order_out) + 1))
    )


def _leaving(order: int, level: int) -> int:
    return sum(stirling(order, blocks) * comb(blocks, level) for blocks in range(level, order + 1))


def floor(case: Case) -> Callable[[], None]:
    """The work that no implementation permutation by permutation avoids, as a call.

    The products of all levels into memory that is there already, their operands in order, and
    one copy of the larger of input and output.
    """
    generator = torch.Generator().manual_seed(_SEED)
    products = [
        (
            torch.randn(rows, inner, generator=generator),
            torch.randn(inner, columns, generator=generator),
            torch.empty(rows, columns),
        )
        for rows, inner, columns in floor_shapes(case)
    ]
    larger = torch.randn(case.batch * case.n ** max(case.orders) * case.channels, generator=generator)
    copy = torch.empty_like(larger)

    def call() -> None:
        for features, matrix, result in products:
            torch.mm(features, matrix, out=result)
        copy.copy_(larger)

    return call


# --- running ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one contestant, in seconds, and what it is compared with.

    Attributes:
        difference: largest difference from the float64 reference over the reference's largest
            entry; None for the floor, which computes no layer.
        over_floor: its median over the floor's.
        over_layer: its median over the emitted layer's (eager).
        page_faults: median number of memory pages that a run asks the system for: about 0 with
            fixed allocator thresholds, and much of the time with the default ones. Always 0 where
            the system does not count them.
    """

    name: str
    median: float
    lower_quartile: float
    upper_quartile: float
    over_floor: float
    over_layer: float
    difference: float | None
    page_faults: int


@dataclass(frozen=True, slots=True)
class CaseReport:
    """The timings of a case, the floor first."""

    case: Case
    timings: tuple[Timing, ...]

    def __getitem__(self, name: str) -> Timing:
        """The timing of the contestant ``name`` (``"floor"`` is one)."""
        for timing in self.timings:
            if timing.name == name:
                return timing
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What ``run`` found; ``str()`` is a table, and rich prints it in colour.

    Attributes:
        machine: processor, threads, versions; no host names.
        allocator: what was done about the memory allocator's thresholds.
        elsewhere: the same with the allocator as it comes, from a fresh process, if asked for.
    """

    machine: dict[str, str]
    allocator: str
    repeats: int
    cases: tuple[CaseReport, ...]
    elsewhere: BenchReport | None = None

    def __rich__(self) -> Group:
        """The tables, and what they were measured on."""
        parts: list[Table | str] = [
            *self._tables(),
            f"float32, forward, no gradients; medians of {self.repeats} alternating runs in one process.",
            f"Results first: none is off float64 by more than {self._worst():.0e} of the largest entry.",
            f"allocator: {self.allocator}",
            *(f"{name}: {value}" for name, value in self.machine.items()),
        ]
        if self.elsewhere is not None:
            parts += ["", f"allocator: {self.elsewhere.allocator}", *self.elsewhere._tables()]
        return Group(*parts)

    def __str__(self) -> str:
        text = io.StringIO()
        console = Console(file=text, width=110, color_system=None, force_terminal=False, highlight=False)
        console.print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def _worst(self) -> float:
        timings = (timing for found in self.cases for timing in found.timings)
        return max((timing.difference or 0.0 for timing in timings), default=0.0)

    def _tables(self) -> Iterator[Table]:
        for found in self.cases:
            table = Table(title=str(found.case), title_justify="left")
            table.add_column("contestant", no_wrap=True)
            for heading in ("median ms", "quartiles ms", "/ floor", "/ layer", "new pages"):
                table.add_column(heading, justify="right", no_wrap=True)
            for timing in found.timings:
                table.add_row(
                    timing.name,
                    f"{timing.median * 1e3:.2f}",
                    f"{timing.lower_quartile * 1e3:.2f} - {timing.upper_quartile * 1e3:.2f}",
                    f"{timing.over_floor:.2f}",
                    f"{timing.over_layer:.2f}",
                    str(timing.page_faults),
                )
            yield table

    def to_json(self) -> str:
        """All of it, times in seconds; ``from_json`` reads it back."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BenchReport:
        """The report that ``to_json`` wrote."""
        return cls._from(json.loads(text))

    @classmethod
    def _from(cls, found: dict[str, Any]) -> BenchReport:
        cases = tuple(
            CaseReport(_case(entry["case"]), tuple(Timing(**timing) for timing in entry["timings"]))
            for entry in found["cases"]
        )
        elsewhere = None if found["elsewhere"] is None else cls._from(found["elsewhere"])
        return cls(found["machine"], found["allocator"], found["repeats"], cases, elsewhere)


def _case(found: dict[str, Any]) -> Case:
    return Case(**{**found, "orders": tuple(found["orders"])})


def run(
    cases: Sequence[Case] = DEFAULT_CASES,
    repeats: int = 25,
    compiled: bool = False,
    progress: Progress | None = None,
    *,
    contestants: Mapping[str, Contestant] = CONTESTANTS,
    backend: str = "inductor",
    allocator: Allocator = "fixed",
    also_default: bool = False,
) -> BenchReport:
    """Equality first, then the times of all contestants of every case.

    Args:
        repeats: timed runs of each contestant, at least 3, in an order drawn anew for each round.
        compiled: whether every contestant runs under ``torch.compile``, too.
        progress: is told before every step, for a progress bar.
        contestants: by name; ``LAYER`` must be among them.
        backend: of ``torch.compile``.
        allocator: "fixed" sets glibc's thresholds, for the rest of this process, so high that
            memory once had is kept. By default glibc returns large blocks at each free, and
            asking for the pages again can take longer than the arithmetic.
        also_default: whether to run again, in a fresh process, with the allocator as it comes
            (always with the standard contestants).

    Raises:
        UnequalResultsError: a contestant whose result is not that of the reference.
        OptionError: an argument that cannot be used.
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 3:
        raise OptionError("repeats", repeats, "an integer >= 3")
    if LAYER not in contestants:
        raise OptionError("contestants", list(contestants), f"{LAYER!r} among them")
    if allocator not in get_args(Allocator):
        raise OptionError("allocator", allocator, '"fixed" or "default"')
    settings = _fix_allocator() if allocator == "fixed" else "as it comes"
    runs_per_case = len(contestants) * (1 + compiled) + repeats
    steps = _Steps(progress, len(cases) * runs_per_case + also_default)
    compiler = backend if compiled else None
    found = tuple(_run_case(case, repeats, compiler, steps, contestants) for case in cases)
    elsewhere = None
    if also_default:
        steps.next("default allocator, in a fresh process")
        elsewhere = _run_elsewhere(cases, repeats, compiled, backend)
    steps.next("")
    return BenchReport(describe_machine(), settings, repeats, found, elsewhere)


class _Steps:
    """Counts what is done, and tells."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = -1

    def next(self, what: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def _run_case(
    case: Case, repeats: int, compiler: str | None, steps: _Steps, contestants: Mapping[str, Contestant]
) -> CaseReport:
    problem = Problem.of(case)
    reference = problem.reference()
    calls: dict[str, Callable[[], object]] = {"floor": floor(case)}
    differences: dict[str, float] = {}
    with torch.no_grad():
        for name, call in _prepare(problem, contestants, compiler):
            steps.next(f"{case}: is {name} equal?")
            differences[name] = check_equal(case, name, call(), reference)
            calls[name] = call
        del reference
        samples: dict[str, list[Sample]] = {name: [] for name in calls}
        for at, (name, sample) in enumerate(_time(calls, repeats)):
            if at % len(calls) == 0:
                steps.next(f"{case}: timing")
            samples[name].append(sample)
    return summarise(case, samples, differences)


def _prepare(
    problem: Problem, contestants: Mapping[str, Contestant], compiler: str | None
) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    for name, prepare in contestants.items():
        yield name, prepare(problem)
    if compiler is None:
        return
    from torch._dynamo.exc import BackendCompilerFailed  # takes seconds to load

    torch.compiler.reset()  # beside the graphs of another case, new ones would be made dynamic
    for name, prepare in contestants.items():
        call = torch.compile(prepare(problem), backend=compiler, fullgraph=True, dynamic=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # inductor calls what torch deprecates
                call()
        except BackendCompilerFailed as error:
            expected = "False, or a C++ compiler that torch.compile can use"
            raise OptionError("compiled", True, expected) from error
        yield f"{name}, compiled", call


def check_equal(case: Case, name: str, result: Tensor, reference: Tensor) -> float:
    """The largest difference from ``reference``, over its largest entry.

    Raises:
        UnequalResultsError: more than ``CLOSE``, NaN, or another shape.
    """
    if result.shape != reference.shape:
        problem = f"its result has shape {tuple(result.shape)}, expected {tuple(reference.shape)}"
        raise UnequalResultsError(case, name, float("inf"), problem)
    scale = float(reference.abs().max()) or 1.0
    difference = float((result.double() - reference).abs().max()) / scale
    if not difference <= CLOSE:  # NaN is not close
        problem = f"its result differs from the float64 reference by {difference:.1e} of the largest entry"
        raise UnequalResultsError(case, name, difference, f"{problem}, more than {CLOSE:.0e}")
    return difference


class Sample(NamedTuple):
    """What one run took: time, and memory pages that were new to the process."""

    seconds: float
    page_faults: int


def _time(calls: Mapping[str, Callable[[], object]], repeats: int) -> Iterator[tuple[str, Sample]]:
    """Every call's samples, round by round; the order changes, so that no call always follows the same."""
    order = list(calls)
    shuffle = random.Random(_SEED).shuffle
    least, most = WARM_UPS
    for at in range(most):
        samples = [_sample(call) for call in calls.values()]
        if at + 1 >= least and all(sample.page_faults < _NEW_PAGES for sample in samples):
            break
    for _ in range(repeats):
        shuffle(order)
        for name in order:
            yield name, _sample(calls[name])


def _sample(call: Callable[[], object]) -> Sample:
    faults = _page_faults()
    start = time.perf_counter()
    call()  # giving back the result's memory is part of the time
    seconds = time.perf_counter() - start
    return Sample(seconds, _page_faults() - faults)


def _page_faults() -> int:
    if sys.platform == "win32":
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def summarise(
    case: Case, samples: Mapping[str, Sequence[Sample]], differences: Mapping[str, float]
) -> CaseReport:
    """Medians with quartiles, and the ratios of medians; ``samples`` has ``"floor"`` and ``LAYER``."""
    quartiles = {
        name: statistics.quantiles([sample.seconds for sample in found], n=4, method="inclusive")
        for name, found in samples.items()
    }
    floor_median, layer_median = quartiles["floor"][1], quartiles[LAYER][1]
    return CaseReport(
        case,
        tuple(
            Timing(
                name=name,
                median=median,
                lower_quartile=lower,
                upper_quartile=upper,
                over_floor=median / floor_median,
                over_layer=median / layer_median,
                difference=differences.get(name),
                page_faults=statistics.median_low(sample.page_faults for sample in samples[name]),
            )
            for name, (lower, median, upper) in quartiles.items()
        ),
    )


def _run_elsewhere(cases: Sequence[Case], repeats: int, compiled: bool, backend: str) -> BenchReport:
    asked = json.dumps(
        {
            "cases": [asdict(case) for case in cases],
            "repeats": repeats,
            "compiled": compiled,
            "backend": backend,
            "allocator": "default",
        }
    )
    code = "from symeq import bench; bench._serve()"
    done = subprocess.run(
        [sys.executable, "-c", code], input=asked, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the fresh process failed:\n{done.stderr}")
    return BenchReport.from_json(done.stdout)


def _serve() -> None:
    """Runs what standard input asks for, and reports to standard output."""
    asked = json.load(sys.stdin)
    asked["cases"] = [_case(found) for found in asked["cases"]]
    sys.stdout.write(run(**asked).to_json())


# --- the machine --------------------------------------------------------------------------------


def _fix_allocator() -> str:
    """Keeps freed memory in the process where glibc allows it; says what was done."""
    if platform.libc_ver()[0] != "glibc":
        return "as it comes: no glibc, whose thresholds could be fixed"
    mallopt = ctypes.CDLL(None).mallopt
    wanted = (
        ("M_MMAP_THRESHOLD", _M_MMAP_THRESHOLD, _MMAP_BYTES),
        ("M_TRIM_THRESHOLD", _M_TRIM_THRESHOLD, _TRIM_BYTES),
    )
    said = [
        f"{name} = {value}" if mallopt(number, value) == 1 else f"{name} refused"
        for name, number, value in wanted
    ]
    return f"glibc {platform.libc_ver()[1]}, {', '.join(said)}"


def describe_machine() -> dict[str, str]:
    """Processor, threads and versions; nothing that names the machine."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} logical, {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
