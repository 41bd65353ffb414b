"""Layers held against their definition; the one stage that runs emitted code."""

from symeq.verification.checks import verify, verify_briefly
from symeq.verification.report import Check, Counterexample, VerificationReport

__all__ = ["Check", "Counterexample", "VerificationReport", "verify", "verify_briefly"]
