"""``symeq bench``: equality first, then time."""

from __future__ import annotations

from typing import Annotated

import typer

from symeq.cli.arguments import AsJson, natural
from symeq.cli.console import complain, working, write


def bench(
    repeats: Annotated[
        str, typer.Option("--repeats", metavar="N", help="Timed runs of each contestant.")
    ] = "25",
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Each contestant under torch.compile, too.")
    ] = False,
    also_default: Annotated[
        bool, typer.Option("--also-default", help="Again with the memory allocator as it comes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Time the emitted 2 -> 2 layer against the stack of 15 operators, after comparing their results."""
    from symeq import bench  # loads torch

    try:
        with working("benchmark") as progress:
            report = bench.run(
                repeats=natural("--repeats", repeats),
                compiled=compiled,
                progress=lambda done, total, what: progress(what, done, total),
                also_default=also_default,
            )
    except bench.UnequalResultsError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    write(report.to_json() if as_json else str(report))
