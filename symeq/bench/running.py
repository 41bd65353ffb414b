"""Equality of all contestants of a case, then their times."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FunctionType
from typing import Any, TypeAlias, get_args

import torch
from torch import Tensor

from symeq.bench import fresh
from symeq.bench.cases import DEFAULT_CASES, Case, Problem
from symeq.bench.contestants import COMPILED, CONTESTANTS, LAYER, Contestant
from symeq.bench.equality import check_equal, check_gradients, training_step
from symeq.bench.floors import floor, refuse_large
from symeq.bench.machine import Allocator, describe_machine, fix_allocator
from symeq.bench.report import BenchReport, CaseReport, Timing
from symeq.bench.timing import Sample, alternate
from symeq.errors import OptionError, TooLargeError

Progress: TypeAlias = Callable[[int, int, str], None]
"""Is told how many steps are done, of how many, and what comes next."""

Call: TypeAlias = Callable[[], object]


def run(
    cases: Sequence[Case] = DEFAULT_CASES,
    repeats: int = 25,
    compiled: bool = False,
    progress: Progress | None = None,
    *,
    training: bool = False,
    together: bool = False,
    contestants: Mapping[str, Contestant] = CONTESTANTS,
    backend: str = "inductor",
    allocator: Allocator = "fixed",
    also_default: bool = False,
    device: str = "cpu",
) -> BenchReport:
    """Equality first, then the times of all contestants of every case.

    Args:
        repeats: timed runs of each contestant, at least 3, in an order drawn anew for each round.
        compiled: whether every contestant runs under ``torch.compile``, too.
        progress: is told before every step, for a progress bar.
        training: whether forward and backward are timed, too: output, and gradients of x and weight.
        together: whether the runs of all cases alternate, so that times of one case can be
            compared with those of another; they need memory for all cases.
        contestants: by name; ``LAYER`` must be among them. One that would need too much memory
            for a case is left out of it, and the report says so.
        backend: of ``torch.compile``.
        allocator: "fixed" sets glibc's thresholds, for the rest of this process, so high that
            memory once had is kept. By default glibc returns large blocks at each free, and
            asking for the pages again can take longer than the arithmetic.
        also_default: whether to run again, in a fresh process, with the allocator as it comes
            (always with the standard contestants).
        device: where the tensors are: "cpu" or "cuda".

    Raises:
        UnequalResultsError: a contestant whose result, or gradient, is not that of the reference.
        OptionError: an argument that cannot be used.
        TooLargeError: a case that is too large for the machines of the day.
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 3:
        raise OptionError("repeats", repeats, "an integer >= 3")
    if LAYER not in contestants:
        raise OptionError("contestants", list(contestants), f"{LAYER!r} among them")
    if allocator not in get_args(Allocator):
        raise OptionError("allocator", allocator, '"fixed" or "default"')
    for case in cases:
        refuse_large(case)
    settings = fix_allocator() if allocator == "fixed" else "as it comes"
    checks = len(cases) * len(contestants) * (1 + compiled) * (1 + training)
    steps = _Steps(progress, checks + repeats * (1 if together else len(cases)) + also_default)
    entrants = _Entrants(contestants, backend if compiled else None, training, device, steps)
    found: list[CaseReport] = []
    for group in [cases] if together else [[case] for case in cases]:
        if compiled:
            torch.compiler.reset()  # lets go of the graphs of other cases
        entered = [entrants.enter(case) for case in group]
        calls = {(at, name): call for at, entry in enumerate(entered) for name, call in entry.calls.items()}
        samples: dict[tuple[int, str], list[Sample]] = {key: [] for key in calls}
        for count, (key, sample) in enumerate(alternate(calls, repeats, device)):
            if count % len(calls) == 0:
                steps.next(f"{group[key[0]]}: timing")
            samples[key].append(sample)
        for at, entry in enumerate(entered):
            own = {name: samples[at, name] for name in entry.calls}
            found.append(summarise(entry.case, own, entry.differences, entry.left_out))
    elsewhere = None
    if also_default:
        steps.next("default allocator, in a fresh process")
        elsewhere = _run_elsewhere(cases, repeats, compiled, training, backend)
    steps.next("")
    return BenchReport(describe_machine(device), settings, repeats, tuple(found), elsewhere)


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


TRAINING = ", forward+backward"
"""Ends the name of a call that computes gradients, too."""


@dataclass
class _Entry:
    """The calls of a case that have been found equal, and those that are left out."""

    case: Case
    calls: dict[str, Call]
    differences: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entrants:
    """Who takes part, and how."""

    contestants: Mapping[str, Contestant]
    compiler: str | None
    training: bool
    device: str
    steps: _Steps

    def enter(self, case: Case) -> _Entry:
        """Prepares all contestants of a case and compares their results."""
        problem = Problem.of(case, self.device)
        reference = problem.reference()
        entry = _Entry(case, {"floor": floor(case, self.device)})
        for name, call in self._prepared(problem, entry, ""):
            forward = torch.no_grad()(call)
            entry.differences[name] = check_equal(case, name, forward(), reference)
            entry.calls[name] = forward
        if self.training:
            references = (reference, *problem.reference_gradients())
            taped = problem.taped()
            for name, call in self._prepared(taped, entry, TRAINING):
                with quiet_compiler():  # gradients are compiled when they are first asked for
                    entry.differences[name] = check_gradients(taped, name, call, references)
                entry.calls[name] = training_step(taped, call)
        return entry

    def _prepared(
        self, problem: Problem, entry: _Entry, ending: str
    ) -> Iterator[tuple[str, Callable[[], Tensor]]]:
        for compiler in (None,) if self.compiler is None else (None, self.compiler):
            for plain, prepare in self.contestants.items():
                name = plain + (COMPILED if compiler else "") + ending
                self.steps.next(f"{problem.case}: is {name} equal?")
                try:
                    call = prepare(problem)
                except TooLargeError as error:
                    entry.left_out[plain] = str(error)
                    continue
                yield name, call if compiler is None else compiled(call, compiler, bool(ending))


@contextmanager
def quiet_compiler() -> Iterator[None]:
    """Without what torch's compiler warns of, of itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # inductor calls what torch deprecates
        warnings.filterwarnings("ignore", "The .grad attribute")  # dynamo looks at what is no leaf
        yield


def compiled(call: Callable[[], Tensor], backend: str, training: bool = False) -> Callable[[], Tensor]:
    """The call under ``torch.compile``, which has compiled once.

    Raises:
        OptionError: there is no compiler.
    """
    from torch._dynamo.exc import BackendCompilerFailed  # takes seconds to load

    if isinstance(call, FunctionType):  # graphs are kept by code, and looked through at every call: one each
        call = FunctionType(
            call.__code__.replace(), call.__globals__, call.__name__, call.__defaults__, call.__closure__
        )
    made = torch.compile(call, backend=backend, fullgraph=True, dynamic=False)
    try:
        with quiet_compiler(), torch.set_grad_enabled(training):
            made()
    except BackendCompilerFailed as error:
        expected = "False, or a C++ compiler that torch.compile can use"
        raise OptionError("compiled", True, expected) from error
    return made


def summarise(
    case: Case,
    samples: Mapping[str, Sequence[Sample]],
    differences: Mapping[str, float],
    left_out: Mapping[str, str] | None = None,
) -> CaseReport:
    """Medians with quartiles, and the ratios of medians; ``samples`` has ``"floor"`` and ``LAYER``.

    A name that ends in ``TRAINING`` is held against three floors, and against the layer's own gradients.
    """
    quartiles = {
        name: statistics.quantiles([sample.seconds for sample in found], n=4, method="inclusive")
        for name, found in samples.items()
    }
    timings: dict[bool, list[Timing]] = {False: [], True: []}
    for name, (lower, median, upper) in quartiles.items():
        training = name.endswith(TRAINING)
        floors = (3 if training else 1) * quartiles["floor"][1]
        layer = quartiles[LAYER + TRAINING if training else LAYER][1]
        timings[training].append(
            Timing(
                name=name.removesuffix(TRAINING),
                median=median,
                lower_quartile=lower,
                upper_quartile=upper,
                over_floor=median / floors,
                over_layer=median / layer,
                difference=differences.get(name),
                page_faults=statistics.median_low(sample.page_faults for sample in samples[name]),
            )
        )
    return CaseReport(case, tuple(timings[False]), tuple(timings[True]), dict(left_out or {}))


def _run_elsewhere(
    cases: Sequence[Case], repeats: int, compiled: bool, training: bool, backend: str
) -> BenchReport:
    found = fresh.call(
        "running:serve",
        cases=[asdict(case) for case in cases],
        repeats=repeats,
        compiled=compiled,
        training=training,
        backend=backend,
        allocator="default",
    )
    return BenchReport.from_dict(found)


def serve(cases: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """``run`` in a fresh process."""
    return run([Case.of(found) for found in cases], **options).as_dict()
