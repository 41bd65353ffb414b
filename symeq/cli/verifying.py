"""``symeq verify``: a layer held against its definition."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symeq.cli.arguments import INTEGER, AsJson, checked_words, short, signature_of
from symeq.cli.console import CallError, working, write, write_json
from symeq.cli.ladder import Again, Orders, StoreFolder, ladder
from symeq.cli.self_test import Jobs, Sample, SelfTest, self_test
from symeq.signature import Signature

if TYPE_CHECKING:
    from symeq.verification.report import VerificationReport

VerifyWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|SPEC",
        callback=checked_words,
        show_default=False,
        help='An emitted file; or a signature in quotes, such as "n n -> n n", or two orders, such as 2 2.',
    ),
]


def verify(
    words: VerifyWords = None,
    as_json: AsJson = False,
    orders: Orders = None,
    store: StoreFolder = None,
    again: Again = False,
    mutants: SelfTest = False,
    sample: Sample = None,
    jobs: Jobs = None,
) -> None:
    """Hold a layer against its definition, exactly, and under random permutations.

    For a SPEC, the layer that would be emitted now is verified; with --orders M every k -> k' with
    k + k' <= M, in one table.
    """
    given = words or []
    if orders is not None and (given or mutants or sample is not None):
        raise CallError("--orders goes with neither a FILE nor a SPEC, nor with --self-test or --sample.")
    if ladder(orders, store, again, jobs, as_json):
        return
    if self_test(mutants, given, sample, jobs, as_json):
        return
    report = verified(Path(given[0]) if _is_path(given) else signature_of(given))
    if as_json:
        write_json(json.loads(report.to_json()))
    else:
        write(str(report))
    if not report.ok:
        raise typer.Exit(1)


def _is_path(words: Sequence[str]) -> bool:
    """Whether the words are one that can be no SPEC: neither a signature nor orders."""
    return (
        len(words) == 1 and "->" not in words[0] and not INTEGER.fullmatch("".join(words[0].split()) or "0")
    )


def verified(what: Path | Signature) -> VerificationReport:
    """The report on a file or on the layer of a signature, with a progress bar meanwhile."""
    from symeq.verification import verify  # loads torch

    # A file that is verified is executed; what it prints is no part of our output.
    with working(f"verifying {short(str(what))}") as progress, redirect_stdout(sys.stderr):
        return verify(what, progress=progress)
