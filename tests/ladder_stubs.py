"""Stand-ins for ``verify``, in a module that other processes can import."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from symeq.signature import Signature
from symeq.verification.report import Check, Counterexample, VerificationReport

PROOF = Check("a proof", True, "every n", kind="proved")
TRIAL = Check("a trial", True, "n = 3")


def report_of(*checks: Check) -> VerificationReport:
    """A report with these checks."""
    return VerificationReport("stub", Signature.parse("->"), "channels-last", 0, checks)


def holds(
    path: Path, seed: int = 0, progress: Callable[[str, int, int], None] | None = None
) -> VerificationReport:
    """All is well, said too loudly."""
    print("a layer that talks")
    os.write(1, b"and one below Python\n")
    if progress is not None:
        progress("a proof", 0, 2)
        progress("done", 2, 2)
    return report_of(PROOF, TRIAL)


def fails(path: Path, **_: object) -> VerificationReport:
    """The proof fails for one layer."""
    if path.name != "equivariant_1to1.py":
        return report_of(PROOF, TRIAL)
    entry = Counterexample("somewhere", {"n": 3}, "y", (0, 1), 2.0, 5.0)
    return report_of(Check("a proof", False, "every n", "line 7 is wrong", entry, "proved"), TRIAL)


def dies(path: Path, **_: object) -> VerificationReport:
    """The process ends at the last row."""
    if path.name == "invariant_0.py":
        time.sleep(1)  # the rows before it arrive
        os._exit(1)
    return report_of(PROOF, TRIAL)
