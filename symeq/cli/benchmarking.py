"""``symeq bench``: equality first, then time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symeq.cli.arguments import INTEGER, AsJson, folder_of, natural, short
from symeq.cli.console import CallError, complain, working, write
from symeq.errors import OptionError, OutputError
from symeq.files import write_text

if TYPE_CHECKING:
    from symeq.bench import BenchReport, Case

SCALING_FOLDER = "benchmarks"


def bench(
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            metavar="CASE",
            show_default=False,
            help='Orders in and out, batch, n and channels, as in --case "2 2 16 64 64"; more than once for more.',
        ),
    ] = None,
    targets: Annotated[
        bool, typer.Option("--targets", help="The nine cases that have targets.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Forward and backward, too.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Each contestant under torch.compile, too.")
    ] = False,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Time and memory of 2 -> 2 against n, with plots.")
    ] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Memory at the peak, in a fresh process for each contestant.")
    ] = False,
    orbit: Annotated[bool, typer.Option("--orbit", help='basis="orbit" beside "diagram".')] = False,
    compile_time: Annotated[
        bool, typer.Option("--compile-time", help="torch.compile(dynamic=True) without caches.")
    ] = False,
    repeats: Annotated[
        str, typer.Option("--repeats", metavar="N", help="Timed runs of each contestant.")
    ] = "25",
    also_default: Annotated[
        bool, typer.Option("--also-default", help="Again with the memory allocator as it comes.")
    ] = False,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a short table as Markdown.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            show_default=False,
            help=f"Write bench.json and the plots here; with --scaling by default to {SCALING_FOLDER}.",
        ),
    ] = None,
) -> None:
    """Time emitted layers against other ways to compute the same, after comparing their results.

    Without --case, --targets or a part of its own: four cases of 2 -> 2. Whatever has a target is
    held against it, and the exit code is 1 if one is missed by the better quartile.
    """
    runs = natural("--repeats", repeats)
    if as_json and markdown:
        raise CallError("--json and --markdown are two ways to print one thing: choose one.")
    folder = folder_of(SCALING_FOLDER if out is None and scaling else out) if out is not None or scaling else None
    spelled = [numbers_of(text) for text in case or []]
    from symeq import bench  # loads torch

    if scaling:
        bench.require_matplotlib()
    wanted = {"scaling": scaling, "memory": memory, "orbit": orbit, "compile-time": compile_time}
    parts = [part for part, asked in wanted.items() if asked]
    cases = [bench.Case((numbers[0], numbers[1]), *numbers[2:]) for numbers in spelled]
    cases += [found for found in bench.TARGETS if targets and found not in cases]
    try:
        with working("benchmark") as progress:
            report = _measured(cases, parts, runs, compiled, training, also_default, progress)
    except bench.UnequalResultsError as error:
        complain(str(error))
        raise typer.Exit(1) from None
