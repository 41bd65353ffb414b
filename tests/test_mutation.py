from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import oracles
from symeq import cli
from symeq.errors import NotALayerError, OptionError
from symeq.mutation import (
    SIGNATURES,
    AnchorError,
    Difference,
    EquivalentMutantError,
    Mutant,
    NotDemonstratedError,
    Situation,
    Verdict,
    demonstrate,
    entries,
    faults,
    mutants,
    run_self_test,
    sample,
)
from symeq.mutation.catalogue import LAYOUTS, Entry, original_of
from symeq.mutation.contract import CALLS, Attributes, Refusal
from symeq.mutation.definition import Definition, index_tuples
from symeq.mutation.faults import Change, Fault
from symeq.mutation.kinds import sizes_of, usual
from symeq.mutation.mutants import first_difference, mutant_of, mutants_of
from symeq.signature import Signature
from symeq.verification import verify

# What a self-test asks for: whether a file holds, and the first check by which it does not.
VERIFY = partial(verify, until_failure=True)


# ---------------------------------------------------------------- the definition


@pytest.mark.parametrize("basis", ["diagram", "orbit"])
@pytest.mark.parametrize("normalization", ["sum", "mean", "sqrt"])
@pytest.mark.parametrize("spec", ["->", "n -> n", "n n -> n n", "n n -> m", "u i u -> i", " -> n n"])
def test_the_definition_is_that_of_the_oracle(
    spec: str, normalization: str, basis: str, rng: np.random.Generator
) -> None:
    """Another dense map, which shares no code with this one, gives the same numbers."""
    signature = Signature.parse(spec)
    sizes = sizes_of(signature, 2)
    inputs, outputs = oracles.sides(spec)
    weight = rng.integers(-4, 5, (len(oracles.set_partitions(inputs + outputs)), 2, 3)).astype(float)
    x = rng.integers(-4, 5, (*(sizes[name] for name in inputs), 2)).astype(float)
    scaled = oracles.normalised(spec, sizes, normalization, weight)
    matrix = oracles.dense_map(inputs + outputs, sizes, basis, scaled)
    axes = ([*range(len(inputs)), -1], [*range(len(inputs)), -2])
    expected = np.tensordot(x, matrix, axes=axes).reshape(-1, 3)
    everything = index_tuples([range(sizes[name]) for name in outputs])
    definition = Definition(signature, basis, normalization, sizes, everything)
    found = definition.apply(x.reshape(-1, 2), weight)
    assert np.abs(found - expected).max() <= (0 if normalization == "sum" else 1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("basis", ["diagram", "orbit"])
@pytest.mark.parametrize("spec", ["->", "n n -> n n", "n n -> m", "u i u -> i"])
def test_pulling_back_is_the_adjoint(spec: str, basis: str, rng: np.random.Generator) -> None:
    """<c, y> is linear in x and in the weight, and these gradients say how."""
    signature = Signature.parse(spec)
    sizes = sizes_of(signature, 3)
    outputs = index_tuples([range(sizes[name]) for name in signature.outputs])
    definition = Definition(signature, basis, "sum", sizes, outputs)
    weight = rng.integers(-4, 5, (len(list(definition.slots())), 2, 3)).astype(float)
    x = rng.integers(-4, 5, (int(np.prod([sizes[name] for name in signature.inputs])), 2)).astype(float)
    cotangent = rng.integers(-4, 5, (len(outputs), 3)).astype(float)
    by_x, by_weight = definition.pull_back(x, weight, cotangent)
    value = (cotangent * definition.apply(x, weight)).sum()
    assert value == (by_x * x).sum() == (by_weight * weight).sum()
    other = rng.integers(-4, 5, x.shape).astype(float)
    assert (cotangent * definition.apply(other, weight)).sum() == (by_x * other).sum()


# ---------------------------------------------------------------- right layers are found right


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spec", SIGNATURES)
def test_unchanged_modules_show_no_difference(spec: str, layout: str) -> None:
    """What a mutant is told by is not found in the module that it was made from."""
    signature = Signature.parse(spec)
    original = original_of(signature, layout)
    refusals = [refusal for call in CALLS if (refusal := Refusal(call)).possible(signature)]
    for probe in (*usual(original), Attributes(), *refusals):
        assert first_difference(original.text, probe, signature, layout) is None, str(probe)


def unchanged_shows_nothing(mutant: Mutant) -> bool:
    """Whether the witness of a mutant finds nothing in the module that the mutant was made from."""
    text = original_of(mutant.signature, mutant.layout).text
    return first_difference(text, mutant.witness.probe, mutant.signature, mutant.layout) is None


# ---------------------------------------------------------------- mutants


@pytest.mark.checkout
@pytest.mark.parametrize("entry", sample(len(faults())), ids=lambda entry: entry.fault)
def test_a_mutant_of_every_class_is_demonstrated(entry: Entry) -> None:
    """Its witness shows the same difference again, and nothing in the unchanged module."""
    mutant = entry.mutant()
    assert mutant.source != original_of(mutant.signature, mutant.layout).text
    assert demonstrate(mutant) == mutant.witness.difference
    assert mutant.witness.difference.expected != mutant.witness.difference.found
    assert unchanged_shows_nothing(mutant)


@pytest.mark.slow
def test_every_mutant_is_demonstrated() -> None:
    """All of the catalogue."""
    number = 0
    for mutant in mutants():
        demonstrate(mutant)
        assert unchanged_shows_nothing(mutant), str(mutant)
        number += 1
    assert number == len(entries()) > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [" -> n", "u i -> ", "n -> m m", "u i u -> i", "n m -> n m n", "a b c -> c a"]
)
def test_other_signatures_have_mutants_too(spec: str) -> None:
    """A class makes its faults on any signature that it says it touches."""
    found = entries([spec])
    assert len(found) > 100
    for entry in found:
        demonstrate(entry.mutant())


def test_the_catalogue_covers_every_kind_of_signature_and_layout() -> None:
    """Every class is tried on all signatures that it touches, but for the largest, and both layouts are."""
    found = entries()
    assert {entry.layout for entry in found} == set(LAYOUTS)
    assert {str(entry.signature) for entry in found} == set(SIGNATURES)
    for name, fault in faults().items():
        tried = {str(entry.signature) for entry in found if entry.fault == name}
        touched = {spec for spec in SIGNATURES if fault.touches(Signature.parse(spec))}
        large = set() if fault.large else {"n n n -> n n n"}
        assert tried == touched - large, name
        assert tried, f"{name} is tried nowhere"


@pytest.mark.checkout
@pytest.mark.parametrize("name", faults())
def test_no_class_could_touch_more(name: str) -> None:
    """Where a class is not tried, it changes nothing, finds no place, or makes no difference."""
    fault = faults()[name]
    for spec in SIGNATURES:
        signature = Signature.parse(spec)
        if fault.touches(signature):
            continue
        try:
            found = list(mutants_of(fault, original_of(signature, "channels-last")))
        except (AnchorError, EquivalentMutantError):
            continue
        assert found == [], f"{name} touches {spec}"


@pytest.mark.checkout
def test_mutants_are_the_same_in_every_process() -> None:
    """Seeds and changes are stored: neither the process nor its hash seed matters."""
    chosen = sample(4)
    code = "from symeq.mutation import sample\nfor entry in sample(4): print(repr(entry.mutant()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert done.stdout.splitlines() == [repr(entry.mutant()) for entry in chosen]


def mutant_named(name: str, spec: str = "n n -> n n") -> Mutant:
    """The mutant of a class on a signature."""
    signature = Signature.parse(spec)
    return next(entry.mutant() for entry in entries([signature]) if entry.fault == name)


HIDDEN: tuple[tuple[str, Callable[[Situation], Situation]], ...] = (
    ("only for n >= 5", lambda s: replace(s, sizes={"n": 4})),
    ("only for n = 1", lambda s: replace(s, sizes={"n": 2})),
    ("only under a mask", lambda s: replace(s, mask="none")),
    ("only in float16", lambda s: replace(s, dtype="float32")),
    ("only in the orbit basis", lambda s: replace(s, basis="diagram")),
    ("only with gradients off", lambda s: replace(s, context="plain")),
    ("only under autocast", lambda s: replace(s, context="plain")),
    ("only when compiled", lambda s: replace(s, context="plain")),
    ("only when exported", lambda s: replace(s, context="compiled")),
    ("only in evaluation", lambda s: replace(s, context="plain")),
    ("only for three batch axes", lambda s: replace(s, batch=(2, 2))),
    ("backward of x doubled", lambda s: replace(s, gradients=0)),
    ("second derivative lost", lambda s: replace(s, gradients=1)),
    ("constant for the size", lambda s: replace(s, sizes={"n": 6})),
    ("wrong on the second call", lambda s: replace(s, before="nothing")),
    ("result rounded", lambda s: replace(s, numbers="small")),
    ("computed in float32", lambda s: replace(s, numbers="small")),
    ("padding multiplied", lambda s: replace(s, poison=False)),
)


@pytest.mark.parametrize(("name", "elsewhere"), HIDDEN, ids=[name for name, _ in HIDDEN])
def test_hidden_faults_are_hidden(name: str, elsewhere: Callable[[Situation], Situation]) -> None:
    """A fault that shows only somewhere shows there, and nowhere else."""
    mutant = mutant_named(name)
    assert isinstance(mutant.witness.probe, Situation)
    probe = elsewhere(mutant.witness.probe)
    assert first_difference(mutant.source, probe, mutant.signature, mutant.layout) is None


# ---------------------------------------------------------------- what the suite itself refuses


def test_a_difference_that_is_not_there_is_not_demonstrated() -> None:
    """Neither an unchanged module nor another difference passes for the stored one."""
    mutant = mutant_named("mean for sum")
    with pytest.raises(NotDemonstratedError, match="found None"):
        demonstrate(replace(mutant, source=original_of(mutant.signature, mutant.layout).text))
    stored = replace(mutant.witness, difference=Difference("y", (0, 0, 0, 0), 1.0, 2.0))
    with pytest.raises(NotDemonstratedError, match=r"stored y\[0, 0, 0, 0\] is 2.0, expected 1.0"):
        demonstrate(replace(mutant, witness=stored))


def test_an_equivalent_mutant_is_refused() -> None:
    """A change that makes no difference is a bug of the catalogue."""
    original = original_of(Signature.parse("n -> n"), "channels-last")
    fault = Fault("none", lambda signature: True, lambda given: iter(()))
    with pytest.raises(EquivalentMutantError, match=r"none \(a remark\) on n -> n"):
        mutant_of(fault, original, Change("a remark", f"{original.text}# a remark\n", usual(original)))


def test_a_place_that_is_missing_is_an_error() -> None:
    """A fault whose place the templates no longer have does not vanish quietly."""
    original = original_of(Signature.parse("n -> n"), "channels-last")
    for change in (
        lambda: original.replaced(("no such text", "")),
        lambda: original.substituted("no such text", ""),
    ):
        with pytest.raises(AnchorError, match="no such text"):
            change()


# ---------------------------------------------------------------- the self-test


@dataclass(frozen=True)
class Said:
    """A report that says one thing of everything."""

    ok: bool
    failed: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Named:
    """A check."""

    name: str


def accepts(path: Path) -> Said:
    """Finds every file right."""
    return Said(True)


def rejects(path: Path) -> Said:
    """Finds every file wrong."""
    return Said(False, (Named("everything"),))


def knows(path: Path, until_failure: bool = False) -> Said:
    """Finds right what is emitted, and everything else wrong."""
    text = path.read_text()
    right = any(
        text == original_of(Signature.parse(spec), layout).text for spec in SIGNATURES for layout in LAYOUTS
    )
    return Said(right, () if right else (Named("text"),))


def refuses(path: Path) -> Said:
    """Takes no file for a layer."""
    raise NotALayerError(path, "it is none", "Give another.")


def fails(path: Path) -> Said:
    """Has a bug."""
    raise ZeroDivisionError("a bug")


def test_the_self_test_counts_survivors() -> None:
    """A ``verify`` that accepts everything lets every mutant survive."""
    report = run_self_test(accepts, sample=5)
    assert not report.ok
    assert len(report.survivors) == len(report.outcomes) == 5
    assert all(outcome.demonstrated for outcome in report.outcomes)
    assert str(report).count("Not rejected:") == 1
    assert all(str(outcome) in str(report) for outcome in report.outcomes)
    assert "0 of 5 mutants rejected, in 5 classes" in str(report)
    assert all(verdict.accepted for _, _, verdict in report.originals)


def test_the_self_test_counts_rejections() -> None:
    """A ``verify`` that rejects everything kills all, and fails by the unchanged modules."""
    report = run_self_test(rejects, sample=5)
    assert report.survivors == ()
    assert report.by_check() == {"everything": 5}
    assert not report.ok
    assert "Rejected although nothing was changed" in str(report)
    record = json.loads(report.to_json())
    assert (record["mutants"], record["rejected"], record["ok"]) == (5, 5, False)
    assert not any(original["accepted"] for original in record["originals"])


def test_the_self_test_can_hold() -> None:
    """A ``verify`` that knows right from wrong passes."""
    told: list[tuple[str, int, int]] = []
    report = run_self_test(knows, ["n -> n", (2, 0)], progress=lambda *what: told.append(what), sample=9)
    assert report.ok and report.survivors == ()
    assert {outcome.signature for outcome in report.outcomes} == {"n -> n", "n n -> "}
    assert sum(counts["rejected"] for counts in report.by_fault().values()) == 9
    assert told[-1] == ("done", told[-1][2], told[-1][2]) and len(told) == told[-1][2] + 1


def test_refusing_a_file_rejects_it_and_failing_does_not() -> None:
    """An error of symeq is a verdict; any other error is none."""
    report = run_self_test(refuses, ["n -> n"], sample=2)
    assert report.by_check() == {"NotALayerError": 2} and report.survivors == ()
    report = run_self_test(fails, ["n -> n"], sample=2)
    assert len(report.survivors) == 2 and not report.ok
    assert "verify raised ZeroDivisionError: a bug" in str(report.survivors[0])
    assert not Verdict((), "a problem").accepted and not Verdict((), "a problem").rejected


def test_no_mutant_is_no_success() -> None:
    """An empty self-test does not hold, and a sample of none is refused."""
    assert not run_self_test(accepts, []).ok
    with pytest.raises(OptionError, match="sample=0"):
        run_self_test(accepts, sample=0)
    with pytest.raises(OptionError, match="jobs=0"):
        run_self_test(accepts, jobs=0)


@pytest.mark.slow
def test_the_self_test_in_several_processes_is_the_same() -> None:
    """Processes share the work and change nothing."""
    assert run_self_test(VERIFY, sample=8, jobs=2) == run_self_test(VERIFY, sample=8)


@pytest.mark.checkout
def test_verify_catches_a_sample() -> None:
    """One mutant of every tenth class, on small signatures, whose unchanged modules hold."""
    chosen = len(faults()) // 10
    report = run_self_test(VERIFY, ["n -> n", "->"], sample=chosen)
    assert report.survivors == (), str(report)
    assert all(verdict.accepted for _, _, verdict in report.originals), str(report)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_verify_catches_everything() -> None:
    """The whole catalogue."""
    report = run_self_test(VERIFY, jobs=-1)
    assert report.survivors == (), str(report)
    assert all(outcome.demonstrated for outcome in report.outcomes)
    assert all(verdict.accepted for _, _, verdict in report.originals), str(report)


# ---------------------------------------------------------------- the command line


def test_the_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``symeq verify --self-test``: exit code 0 when everything is caught, 1 when not, 2 for a wrong call."""
    import symeq.verification

    monkeypatch.setattr(symeq.verification, "verify", knows)
    assert cli.main(["verify", "--self-test", "--sample", "4", "--json", "n n -> n"]) == 0
    assert json.loads(capsys.readouterr().out)["mutants"] == 4
    monkeypatch.setattr(symeq.verification, "verify", accepts)
    assert cli.main(["verify", "--self-test", "--sample", "4"]) == 1
    assert "0 of 4 mutants rejected" in capsys.readouterr().out
    for words in (
        ["n -> n", "--sample", "4"],
        ["--self-test", "--sample", "0"],
        ["--self-test", "--jobs", "x"],
    ):
        assert cli.main(["verify", *words]) == 2
        assert capsys.readouterr().err.startswith("symeq: ")
