"""What every command prints with: results, complaints, progress, tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import typer

from symeq.errors import SymeqError

PIPE_CLOSED = 141  # 128 + SIGPIPE, as a shell would report it


class CallError(SymeqError, ValueError):
    """Words and options on the command line that do not go together."""


def complain(message: str) -> int:
    """Says on stderr what is wrong with the call, and returns its exit code."""
    if sys.stderr is not None:  # print would take stdout instead
        with suppress(OSError):
            print(f"symeq: {message}", file=sys.stderr, flush=True)
    return 2


def write(text: str) -> None:
    """Prints ``text``; a reader that has gone away ends the command quietly."""
    with output():
        if sys.stdout is None:
            raise CallError("the output cannot be written: there is no standard output.")
        try:
            print(text)
        except UnicodeEncodeError:  # a path or a class name that the output's encoding does not have
            print(text.encode("ascii", "backslashreplace").decode("ascii"))


@contextmanager
def output() -> Iterator[None]:
    """Around whatever prints: a closed pipe ends the command quietly, a full disk is one clear error."""
    try:
        yield
    except OSError as error:
        # At exit Python flushes what is left, and would fail again, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        raise CallError(f"the output cannot be written ({error.strerror}).") from error


def write_json(document: Any) -> None:
    """Prints one JSON document."""
    write(json.dumps(document, indent=2, ensure_ascii=True))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at the stream."""
    return stream is not None and stream.isatty()


@contextmanager
def working(on: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr while the work lasts, on a terminal only.

    What it yields may be told what comes next, and how many steps are done, of how many.
    """
    if not is_terminal(sys.stderr):
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(on, total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=what or on)

        yield tell


def counted(number: int, noun: str) -> str:
    """The number and the noun, in the plural unless it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def write_table(rows: Sequence[dict[str, Any]]) -> None:
    """The rows as a table, which wraps its cells to the width of a terminal and never does in a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    wide = None if is_terminal(sys.stdout) else 10**6
    console = Console(width=wide, markup=False, highlight=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD if wide is None else None, pad_edge=False)
    for name in rows[0]:
        exact = name in ("slot", "rgs", "diagram")
        heading = {"expr": "SymPy", "words": "in words"}.get(name, name)
        table.add_column(
            heading, justify="right" if name == "slot" else "left", no_wrap=exact, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(str, row.values()))
    with console.capture() as captured:
        console.print(table)
    write("\n".join(line.rstrip() for line in captured.get().splitlines()))
