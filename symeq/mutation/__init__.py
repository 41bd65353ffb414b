"""Mutants: emitted layers with one fault each, shown to differ from the definition on a stored input.

They are what verification is tested with: it must reject every one.
"""

from symeq.mutation.catalogue import SIGNATURES, entries, faults, mutants, sample
from symeq.mutation.faults import AnchorError, Fault
from symeq.mutation.mutants import EquivalentMutantError, Mutant, NotDemonstratedError, Witness, demonstrate
from symeq.mutation.self_test import Outcome, SelfTestReport, Verdict, run_self_test
from symeq.mutation.situations import Difference, Situation

__all__ = [
    "SIGNATURES",
    "AnchorError",
    "Difference",
    "EquivalentMutantError",
    "Fault",
    "Mutant",
    "NotDemonstratedError",
    "Outcome",
    "SelfTestReport",
    "Situation",
    "Verdict",
    "Witness",
    "demonstrate",
    "entries",
    "faults",
    "mutants",
    "run_self_test",
    "sample",
]
