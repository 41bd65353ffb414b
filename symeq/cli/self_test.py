"""``symeq verify --self-test``: is every fault of the catalogue caught?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from symeq.cli.arguments import natural, signature_of
from symeq.cli.console import CallError, working, write

SelfTest = Annotated[
    bool,
    typer.Option(
        "--self-test",
        help="Verify mutants, layers with one fault each: none may hold. With a SPEC only its mutants.",
    ),
]
Sample = Annotated[
    str | None,
    typer.Option("--sample", metavar="N", help="So many mutants of the self-test; all take long."),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Processes of --self-test, by default 1, or of --orders, by default one for each processor.",
    ),
]


def self_test(
    wanted: bool, words: Sequence[str], sample: str | None, jobs: str | None, as_json: bool
) -> bool:
    """Runs the self-test if it is wanted; whether it was. Exit code 1 where a fault is not caught."""
    if not wanted:
        if sample is not None or jobs is not None:
            raise CallError("--sample belongs to --self-test, --jobs to --self-test or --orders.")
        return False
    signatures = [signature_of(words)] if words else None
    numbers = {"--sample": sample, "--jobs": jobs}
    chosen = {option: natural(option, text, 1) for option, text in numbers.items() if text is not None}
    from symeq.mutation import run_self_test  # loads torch
    from symeq.verification import verify

    with working("self-test") as progress:
        report = run_self_test(
            partial(verify, until_failure=True),
            signatures,
            sample=chosen.get("--sample"),
            progress=progress,
            jobs=chosen.get("--jobs", 1),
        )
    write(report.to_json() if as_json else str(report))
    if not report.ok:
        raise typer.Exit(1)
    return True
