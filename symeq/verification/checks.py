"""``verify``: a layer on trial, check by check.

Each check tries a list of cases and stops at the first that fails; the others go on. First comes the contract
of the class; if it holds, values, conduct, proofs of the exported program, and what runs held against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch

from symeq.signature import Spec, check_seed
from symeq.verification.cases import Mismatch, Rung
from symeq.verification.conduct import conduct_checks
from symeq.verification.contract import contract_checks
from symeq.verification.load import Subject, Target, resolve
from symeq.verification.precision import compiled_checks, precision_checks, transform_checks
from symeq.verification.proofs import Proofs
from symeq.verification.report import Check, VerificationReport
from symeq.verification.runs import Runs
from symeq.verification.trial import Trial, has_two_ways
from symeq.verification.values import value_checks

Progress: TypeAlias = Callable[[str, int, int], None]


def verify(
    target: Target,
    signature: Spec | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    until_failure: bool = False,
    brief: bool = False,
) -> VerificationReport:
    """What holding a layer against its contract and the definition of its operators finds.

    Checks of kind "proved" are arguments for every size: the exported program, read as formal sums of diagram
    operators, is the definition. Those of kind "tested" say nothing of what their ``scope`` does not tell;
    values are compared exactly there, with integers, or, with "mean" and "sqrt", to the tolerance told.
    Verifying a file runs it.

    Args:
        target: the path of a file with one layer class, the class, or a spec (a string with ``"->"``, a pair
            of orders, a ``Signature``), whose layer is then emitted in memory.
        signature: of a class that has no SIGNATURE.
        seed: of the random weights, inputs, masks and permutations.
        progress: called with the name of a check and how many cases of how many, over all checks, are done;
            at the end once with "done".
        until_failure: whether to stop after the first check that fails.
        brief: whether fewer combinations of options are proved and compiled, as the scopes then say.

    Raises:
        NotALayerError: a missing file, one that cannot be run, or no layer in it.
        SignatureError, OptionError, TooLargeError: a spec that cannot be used.
    """
    check_seed(seed)
    subject = resolve(target, signature)
    checks: list[Check] = []
    report = progress or (lambda name, done, total: None)
    with torch.random.fork_rng(devices=[]):  # layers draw their weights; leave the caller's generator alone
        torch.manual_seed(seed)
        trial = Trial(subject, seed)
        contract = list(contract_checks(trial))
        # What takes seconds comes first, for both ways that a layer may have.
        proofs = Proofs(trial, brief)
        quick, slow = _rungs(trial, proofs, brief)
        if has_two_ways(subject):
            for more_quick, more_slow in (_sorted(subject, seed), sorted_if_compiled(subject, seed, proofs)):
                quick, slow = [*quick, *more_quick], [*slow, *more_slow]
        values = [*quick, *slow]
        total = sum(len(rung.cases) for rung in (*contract, *values))
        done = 0
        for rung in contract:
            checks.append(_made(rung, done, total, report))
            done += len(rung.cases)
        if all(check.ok for check in checks):
            for rung in values:
                checks.append(_made(rung, done, total, report))
                done += len(rung.cases)
                if until_failure and not checks[-1].ok and checks[-1].kind != "noted":
                    break
        else:
            checks.append(Check("values", False, "not looked at, since the contract does not hold"))
    report("done", total, total)
    return VerificationReport(subject.name, subject.signature, subject.layout, seed, tuple(checks))


def _rungs(trial: Trial, proofs: Proofs, brief: bool) -> tuple[list[Rung], list[Rung]]:
    """All checks of one way to compute but those of the class: of what it does, and of the program."""
    runs = Runs(trial, proofs)
    return _quick(trial), [
        *runs.among_themselves(),
        *proofs.rungs(),
        *runs.as_proved(),
        *compiled_checks(trial, brief),
    ]


def _quick(trial: Trial) -> list[Rung]:
    """The checks of what one way to compute does."""
    return [
        *value_checks(trial),
        *precision_checks(trial),
        *transform_checks(trial),
        *conduct_checks(trial),
    ]


def _sorted(subject: Subject, seed: int) -> tuple[list[Rung], list[Rung]]:
    """The same for the way that a layer takes with many channels."""
    trial = Trial(subject, seed, "always")
    quick, slow = _rungs(trial, Proofs(trial, brief=True), brief=True)
    words = "symmetrised", "as with many channels, entries sorted; "
    return _named(quick, *words), _named(slow, *words)


def sorted_if_compiled(subject: Subject, seed: int, unsorted: Proofs) -> tuple[list[Rung], list[Rung]]:
    """That the one way is taken in eager code and the other in compiled code, where torch is to decide.

    Both have proofs, one of them ``unsorted``; runs are held against these, and against each other.
    """
    trial = Trial(subject, seed, "compiled")
    proofs = Proofs(trial, brief=True)
    proofs.programs = unsorted.programs  # which eager runs are held against
    runs = Runs(trial, proofs)
    slow = [
        *runs.as_other_ways(unsorted),
        *runs.among_themselves(),
        *runs.as_proved(),
        *compiled_checks(trial, brief=True),
    ]
    words = "symmetrised if compiled", "as with fewer channels, entries sorted in compiled code only; "
    return _named(_quick(trial), *words), _named(slow, *words)


def _named(rungs: list[Rung], name: str, scope: str) -> list[Rung]:
    return [replace(rung, name=f"{rung.name}, {name}", scope=scope + rung.scope) for rung in rungs]


def verify_briefly(target: Target, *, seed: int = 0, progress: Progress | None = None) -> VerificationReport:
    """``verify`` with fewer combinations of options, for many layers in a row; the scopes say which."""
    return verify(target, seed=seed, progress=progress, brief=True)


def _made(rung: Rung, done: int, total: int, progress: Progress) -> Check:
    for at, case in enumerate(rung.cases):
        progress(rung.name, done + at, total)
        try:
            rung.run(case, at)
        except Mismatch as found:
            return Check(rung.name, False, rung.scope, found.detail, found.counterexample, rung.kind)
    return Check(rung.name, True, rung.scope, kind=rung.kind)
