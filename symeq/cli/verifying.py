"""``symeq verify``: a layer held against its definition."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symeq.allocator import return_large_blocks
from symeq.cli.arguments import INTEGER, AsJson, checked_words, short, signature_of
from symeq.cli.console import CallError, working, write, write_json
from symeq.cli.ladder import Again, Orders, StoreFolder, ladder
from symeq.cli.self_test import Jobs, Sample, SelfTest, self_test
from symeq.errors import AuditError, NotALayerError
from symeq.process import output_aside, replace_workers_quietly

if TYPE_CHECKING:
    from symeq.verification.load import Target
    from symeq.verification.report import VerificationReport

_IMPORT_SECONDS = 60.0

VerifyWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|MODULE:CLASS|SPEC",
        callback=checked_words,
        show_default=False,
        help="A file with one layer; a class, such as my_package.layers:Layer; or a signature in quotes, "
        'such as "n n -> n n", or two orders, such as 2 2.',
    ),
]

Brief = Annotated[
    bool,
    typer.Option(
        "--brief",
        help="Prove fewer combinations of options, as the report then says. Rows of --orders always are.",
    ),
]


def verify(
    words: VerifyWords = None,
    as_json: AsJson = False,
    orders: Orders = None,
    store: StoreFolder = None,
    again: Again = False,
    brief: Brief = False,
    mutants: SelfTest = False,
    sample: Sample = None,
    jobs: Jobs = None,
) -> None:
    """Prove that a layer is what it should be, for every n, and test what proofs do not see.

    A FILE or a MODULE is imported, and so run. For a SPEC, the layer that would be
    emitted now is verified; with --orders M every k -> k' with k + k' <= M, in one
    table.
    """
    return_large_blocks()
    replace_workers_quietly()
    given = words or []
    if orders is not None and (given or mutants or sample is not None):
        raise CallError("--orders goes with neither a FILE nor a SPEC, nor with --self-test or --sample.")
    if mutants and brief:
        raise CallError("--self-test is made short by --sample: leave --brief out.")
    if ladder(orders, store, again, jobs, as_json):
        return
    if self_test(mutants, given, sample, jobs, as_json):
        return
    report = verified(_named(given[0]) if _is_path(given) else signature_of(given), brief)
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


def _named(word: str) -> Target:
    """The file, or the class that ``MODULE:CLASS`` names, imported.

    Raises:
        NotALayerError: a module that cannot be imported, or a name that is no class in it.
    """
    if not re.fullmatch(r"[^:]+:[A-Za-z_][\w.]*", word) or os.path.exists(word):
        return Path(word)
    from symeq.auditing.load import load
    from symeq.auditing.watch import Watch, watched

    watch = Watch(word, _IMPORT_SECONDS)
    try:
        found = watched(watch, lambda: load(word, watch))
    except AuditError as error:
        raise NotALayerError(error.came, error.problem, error.remedy) from None
    if not isinstance(found, type):
        raise NotALayerError(word, f"it is a {type(found).__name__}, expected a class", "Name a layer class.")
    layer: Target = found
    return layer


def verified(what: Target, brief: bool = False) -> VerificationReport:
    """The report on a file, a class, or the layer of a signature, with a progress bar meanwhile."""
    from symeq.verification import verify  # loads torch

    # A file that is verified is executed; what it prints is no part of our output.
    with working(f"verifying {short(str(what))}") as progress, output_aside():
        return verify(what, progress=progress, brief=brief)
