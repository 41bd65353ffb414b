"""``symeq bench``: equality first, then time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symeq.cli.arguments import INTEGER, AsJson, folder_of, natural, short
from symeq.cli.console import CallError, complain, working, write
from symeq.errors import OptionError
from symeq.files import write_files

if TYPE_CHECKING:
    from symeq.bench import BenchReport

SCALING_FOLDER = "benchmarks"


def bench(
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            metavar="CASE",
            show_default=False,
            help='Orders in and out, batch, n, channels, as in "2 2 16 64 64"; may be repeated. '
            "By default four cases of 2 -> 2.",
        ),
    ] = None,
    targets: Annotated[
        bool,
        typer.Option(
            "--targets", help="The cases that have targets; the better of eager and compiled counts."
        ),
    ] = False,
    training: Annotated[bool, typer.Option("--training", help="Forward and backward, too.")] = False,
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

    Exit code 1 if results differ, or if a target is missed by the better quartile too.
    """
    runs = natural("--repeats", repeats, 3)
    if as_json and markdown:
        raise CallError("--json and --markdown print one thing in two ways: choose one.")
    place = SCALING_FOLDER if out is None and scaling else out
    folder = None if place is None else folder_of(place)
    spelled = [_numbers(text) for text in case or []]
    from symeq import bench  # loads torch

    if scaling:
        bench.require_matplotlib()
    wanted = {"scaling": scaling, "memory": memory, "orbit": orbit, "compile-time": compile_time}
    parts = [part for part, asked in wanted.items() if asked]
    given = [bench.Case((order_in, order_out), *rest) for order_in, order_out, *rest in spelled]
    cases = [*given, *(found for found in bench.TARGETS if targets and found not in given)]
    if not cases and not parts:
        cases = list(bench.DEFAULT_CASES)
    try:
        with working("benchmark") as progress:

            def tell(done: int, total: int, what: str) -> None:
                progress(what, done, total)

            report = bench.run(
                cases=cases,
                repeats=runs,
                compiled=compiled,
                training=training,
                progress=tell,
                also_default=also_default,
            )
            own = {"memory": given, "orbit": given} if given else {}
            report = bench.with_parts(report, parts, compiled, training, tell, **own)
    except bench.UnequalResultsError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    if targets or parts:
        report = bench.judge(report)
    write(report.to_json() if as_json else report.markdown() if markdown else str(report))
    if folder is not None:
        _write_files(report, folder)
    if not report.ok:
        raise typer.Exit(1)


def _numbers(text: str) -> list[int]:
    """The five numbers of a case, with spaces, commas or an arrow between them."""
    words = text.replace(",", " ").replace("->", " ").split()
    if len(words) != 5 or not all(INTEGER.fullmatch(word) for word in words):
        raise OptionError(
            "--case", short(text), 'orders in and out, batch, n and channels, as in "2 2 16 64 64"'
        )
    return [int(word) for word in words]


def _write_files(report: BenchReport, folder: Path) -> None:
    from symeq.bench import scaling_plots

    contents = {"bench.json": report.to_json().encode()}
    if report.scaling:
        contents |= scaling_plots(report)
    write_files({folder / name: content for name, content in contents.items()}, _is_ours)


def _is_ours(content: bytes) -> bool:
    return content.startswith(b'{\n  "machine": {') or b"symeq bench" in content
