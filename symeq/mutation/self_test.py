"""Does verification catch faults? Every mutant is demonstrated, and then handed to ``verify``."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from symeq.emit.names import module_name
from symeq.errors import OptionError, SymeqError
from symeq.mutation.catalogue import Entry, entries, original_of, sample
from symeq.mutation.mutants import NotDemonstratedError, demonstrate
from symeq.signature import EmitOptions, Layout, Signature, Spec

Progress: TypeAlias = Callable[[str, int, int], None]


class _Check(Protocol):
    @property
    def name(self) -> str: ...


class Report(Protocol):
    """What ``verify`` must return: whether all is well, and the checks that failed."""

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        ...

    @property
    def failed(self) -> Sequence[_Check]:
        """The checks that do not hold."""
        ...


Verify: TypeAlias = Callable[[Path], Report]


@dataclass(frozen=True)
class Verdict:
    """What ``verify`` said of a file: the checks by which it was rejected, or why there is no verdict.

    A file that is refused as none that could be verified is rejected by the name of the error.
    """

    rejected_by: tuple[str, ...]
    problem: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the file was found right."""
        return not self.rejected_by and not self.problem

    @property
    def rejected(self) -> bool:
        """Whether the file was found wrong."""
        return bool(self.rejected_by)


@dataclass(frozen=True)
class Outcome:
    """One mutant: what it does otherwise than defined, and what ``verify`` said."""

    fault: str
    description: str
    signature: str
    layout: Layout
    situation: str
    difference: str
    demonstrated: bool
    verdict: Verdict

    def __str__(self) -> str:
        why = f"; {self.verdict.problem}" if self.verdict.problem else ""
        return (
            f'{self.fault} ({self.description}), "{self.signature}", {self.layout}: '
            f"{self.difference} [{self.situation}]{why}"
        )


@dataclass(frozen=True)
class SelfTestReport:
    """All mutants, and the modules that they were made from, as ``verify`` judged them."""

    outcomes: tuple[Outcome, ...]
    originals: tuple[tuple[str, Layout, Verdict], ...]

    @property
    def ok(self) -> bool:
        """Whether every mutant was demonstrated and rejected, and every original accepted."""
        return (
            bool(self.outcomes)
            and all(outcome.demonstrated and outcome.verdict.rejected for outcome in self.outcomes)
            and all(verdict.accepted for _, _, verdict in self.originals)
        )

    @property
    def survivors(self) -> tuple[Outcome, ...]:
        """The mutants that were not rejected."""
        return tuple(outcome for outcome in self.outcomes if not outcome.verdict.rejected)

    def by_fault(self) -> dict[str, dict[str, int]]:
        """For every class of faults the numbers of mutants, of those demonstrated, of those rejected."""
        found: dict[str, dict[str, int]] = {}
        for outcome in self.outcomes:
            counts = found.setdefault(outcome.fault, {"mutants": 0, "demonstrated": 0, "rejected": 0})
            counts["mutants"] += 1
            counts["demonstrated"] += outcome.demonstrated
            counts["rejected"] += outcome.verdict.rejected
        return found

    def by_check(self) -> dict[str, int]:
        """For every check the number of mutants that it rejected, the most successful first."""
        found: dict[str, int] = {}
        for outcome in self.outcomes:
            for name in outcome.verdict.rejected_by:
                found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> str:
        """The report as JSON with sorted keys, the survivors in full."""
        record: dict[str, Any] = {
            "ok": self.ok,
            "mutants": len(self.outcomes),
            "demonstrated": sum(outcome.demonstrated for outcome in self.outcomes),
            "rejected": len(self.outcomes) - len(self.survivors),
            "by_fault": self.by_fault(),
            "by_check": self.by_check(),
            "survivors": [asdict(outcome) for outcome in self.survivors],
            "not_demonstrated": [asdict(o) for o in self.outcomes if not o.demonstrated],
            "originals": [
                {"signature": signature, "layout": layout, "accepted": verdict.accepted, **asdict(verdict)}
                for signature, layout, verdict in self.originals
            ],
        }
        return json.dumps(record, sort_keys=True, indent=2)

    def __str__(self) -> str:
        counts = self.by_fault()
        width = max((len(name) for name in counts), default=0)
        lines = [f"  {'class of faults':<{width}}  mutants  demonstrated  rejected"]
        lines += [
            f"  {name:<{width}}  {c['mutants']:>7}  {c['demonstrated']:>12}  {c['rejected']:>8}"
            for name, c in counts.items()
        ]
        if self.survivors:
            lines += ["", "Not rejected:", *(f"  {outcome}" for outcome in self.survivors)]
        if hidden := [outcome for outcome in self.outcomes if not outcome.demonstrated]:
            lines += ["", "Not demonstrated:", *(f"  {outcome}" for outcome in hidden)]
        wrong = [(s, layout, v) for s, layout, v in self.originals if not v.accepted]
        for signature, layout, verdict in wrong:
            why = verdict.problem or ", ".join(verdict.rejected_by)
            lines += ["", f'Rejected although nothing was changed: "{signature}", {layout} ({why})']
        rejected = len(self.outcomes) - len(self.survivors)
        lines += [
            "",
            f"{rejected} of {len(self.outcomes)} mutants rejected, in {len(counts)} classes; "
            f"{len(self.originals) - len(wrong)} of {len(self.originals)} unchanged modules accepted",
        ]
        return "\n".join(lines)


def run_self_test(
    verify: Verify,
    signatures: Sequence[Spec] | None = None,
    sample: int | None = None,
    progress: Progress | None = None,
    jobs: int = 1,
) -> SelfTestReport:
    """What ``verify`` makes of the mutants of the catalogue, and of the modules that they are made from.

    Args:
        verify: called with the path of a file; its report has ``ok`` and ``failed``.
        signatures: those of the layers to be changed; by default one of every kind.
        sample: so many mutants, spread over the classes of faults; by default all.
        progress: called with the name of a class and how many mutants of how many are done.
        jobs: processes; -1 for as many as there are processors.

    Raises:
        OptionError: a sample or a number of jobs that cannot be.
        SignatureError: a spec that is none.
        EquivalentMutantError: a mutant that shows no difference: a bug of the catalogue.
    """
    if sample is not None and sample < 1:
        raise OptionError("sample", sample, "an integer >= 1")
    if jobs < 1 and jobs != -1:
        raise OptionError("jobs", jobs, "an integer >= 1, or -1")
    chosen = entries(signatures) if sample is None else _sample(sample, signatures)
    modules = list(dict.fromkeys((entry.signature, entry.layout) for entry in chosen))
    total, told = len(chosen) + len(modules), progress or (lambda name, done, total: None)
    outcomes: list[Outcome] = []
    originals: list[tuple[str, Layout, Verdict]] = []
    for done, found in enumerate(_judged([*modules, *chosen], verify, jobs)):
        if isinstance(found, Outcome):
            outcomes.append(found)
        else:
            originals.append(found)
        told(found.fault if isinstance(found, Outcome) else "unchanged", done + 1, total)
    told("done", total, total)
    return SelfTestReport(tuple(outcomes), tuple(originals))


_sample = sample

Item: TypeAlias = "Entry | tuple[Signature, Layout]"
Judged: TypeAlias = "Outcome | tuple[str, Layout, Verdict]"


def _judged(items: Sequence[Item], verify: Verify, jobs: int) -> Iterator[Judged]:
    """The items judged, in their order, as soon as each is done."""
    if jobs == 1:
        return (_judge(item, verify) for item in items)
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, return_as="generator")
    found: Iterator[Judged] = parallel(delayed(_judge)(item, verify) for item in items)
    return found


def _judge(item: Item, verify: Verify) -> Judged:
    if not isinstance(item, Entry):
        signature, layout = item
        return (
            str(signature),
            layout,
            _verdict(original_of(signature, layout).text, signature, layout, verify),
        )
    mutant = item.mutant()
    try:
        difference, demonstrated = str(demonstrate(mutant)), True
    except NotDemonstratedError as error:
        difference, demonstrated = str(error), False
    return Outcome(
        mutant.fault,
        mutant.description,
        str(mutant.signature),
        mutant.layout,
        str(mutant.witness.probe),
        difference,
        demonstrated,
        _verdict(mutant.source, mutant.signature, mutant.layout, verify),
    )


def _verdict(source: str, signature: Signature, layout: Layout, verify: Verify) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="symeq-self-test-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a mutant makes NumPy and torch warn of is no finding
        path = Path(folder) / f"{module_name(signature, EmitOptions(layout))}.py"
        path.write_text(source, encoding="utf-8")
        try:
            report = verify(path)
        except SymeqError as error:
            return Verdict((type(error).__name__,))
        except Exception as error:  # a verdict that was not given is no rejection
            return Verdict((), f"verify raised {type(error).__name__}: {error}".splitlines()[0])
    if report.ok:
        return Verdict(())
    return Verdict(tuple(check.name for check in report.failed) or ("not ok",))
