"""The command line: ``symeq count | show | generate | verify | bench``.

Exit code 0 when it holds, 1 when it does not, 2 for a wrong call or bad input, which is said on stderr
without a traceback. Results go to stdout; with ``--json`` they are one document. What a command needs is
imported when it runs, so that ``--help`` answers at once and ``generate`` loads neither torch nor SymPy.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from symeq import __version__
from symeq.errors import OptionError, OutputError, SymeqError, TooLargeError
from symeq.signature import EmitOptions, Signature, check_kind

if TYPE_CHECKING:
    from symeq.bases.operators import BasisOperator
    from symeq.emit.library import Difference
    from symeq.emit.printer import LayerView
    from symeq.plans.cost import PlanReport
    from symeq.verification.report import VerificationReport

MOST_AXES = 1000
"""Exact counts take a second for so many axes; Python prints no integer of more than 4300 digits."""

MOST_UNASKED = 1000
"""``show`` lists more operators only when ``--limit`` says how many."""

MOST_ROWS = 10_000
"""``show`` lists no more, whatever ``--limit`` says."""

INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + SIGINT, 128 + SIGPIPE, as a shell would report them

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")  # Python reads none of more than 4300 digits

# typer has no name of its own for the base of its usage errors.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


class CallError(SymeqError, ValueError):
    """Words and options on the command line that do not go together."""


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# A SPEC may be "-> n n", or -1 2, which is refused in our own words: neither is an option. _words refuses
# what looks like one and does not exist. No option has a short form, which would be found inside a SPEC.
_WITH_SPEC = {"ignore_unknown_options": True}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, ``sys.argv[1:]`` by default, and returns its exit code."""
    try:
        code = app(args=arguments, prog_name="symeq", standalone_mode=False)
        with _output():
            print(end="", flush=True)
    except SymeqError as error:
        return _complain(str(error))
    except _USAGE_ERROR as error:
        return _complain(_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _complain(message: str) -> int:
    print(f"symeq: {message}", file=sys.stderr)
    return 2


def _usage(error: Exception) -> str:
    """What typer says of a wrong call, with the command that explains the right one."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    path = "symeq" if context is None else context.command_path
    return f"{message}{'' if message[-1:] in ('.', '?') else '.'} `{path} --help` explains the call."


def _write(text: str) -> None:
    """Prints ``text``; a reader that has gone away ends the command quietly."""
    with _output():
        try:
            print(text)
        except UnicodeEncodeError:  # a path or a class name that the output's encoding does not have
            print(text.encode("ascii", "backslashreplace").decode("ascii"))


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # At exit Python flushes what is left, and would fail again, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        raise CallError(f"the output cannot be written ({error.strerror}).") from error


def _write_json(document: Any) -> None:
    _write(json.dumps(document, indent=2, ensure_ascii=True))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


@contextmanager
def _working(on: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr while the work lasts, on a terminal only.

    What it yields may be told what comes next, and how many steps are done, of how many.
    """
    if not _is_terminal(sys.stderr):
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


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- what comes in ------------------------------------------------------------------------------


def _words(context: typer.Context, words: list[str] | None) -> list[str]:
    """The words of a SPEC, once none of them is an option that does not exist."""
    known = [option for parameter in context.command.params for option in parameter.opts]
    for word in words or []:
        if re.match(r"--?[A-Za-z]", word):
            close = get_close_matches(word.partition("=")[0], known, n=1)
            hint = f"Did you mean {close[0]}? " if close and close[0] != word else ""
            raise CallError(
                f"no such option: {word}. {hint}`{context.command_path} --help` lists the options."
            )
    return words or []


SpecWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SPEC",
        callback=_words,
        show_default=False,
        help='A signature in quotes, such as "n n -> n n", or two orders, such as 2 2.',
    ),
]
VerifyWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|SPEC",
        callback=_words,
        show_default=False,
        help='An emitted file; or a signature in quotes, such as "n n -> n n", or two orders, such as 2 2.',
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def _signature(words: Sequence[str]) -> Signature:
    """The signature that the words of a SPEC mean, in one word or several.

    >>> _signature(["2", "1"]) == _signature(["n n -> n"]) == _signature(["n", "n", "->", "n"])
    True

    Raises:
        CallError: no words, or numbers that are not two.
        SignatureError: no signature, or a negative order.
        TooLargeError: more than ``MOST_AXES`` axes.
    """
    expected = 'a signature in quotes, such as "n n -> n n", or two orders, such as 2 2'
    tokens = " ".join(words).split()
    if not tokens:
        raise CallError(f"no SPEC: expected {expected}.")
    if "-" in tokens and "->" not in tokens:
        raise CallError(
            f"{' '.join(tokens)!r} is no SPEC: expected {expected}. "
            "Without quotes the shell takes > for a redirection."
        )
    numbers = [token for token in tokens if _INTEGER.fullmatch(token)]
    if len(numbers) == len(tokens):
        if len(tokens) != 2:
            raise CallError(f"{' '.join(tokens)!r} is {_counted(len(tokens), 'order')}: expected {expected}.")
        order_in, order_out = map(int, tokens)
        if min(order_in, order_out) >= 0:
            _refuse_axes(" ".join(tokens), order_in + order_out)
        return Signature.from_orders(order_in, order_out)
    signature = Signature.parse(" ".join(words))
    _refuse_axes(str(signature), len(signature.positions))
    return signature


def _refuse_axes(spec: str, axes: int) -> None:
    if axes > MOST_AXES:
        raise TooLargeError(f"axes of {_short(spec)}", axes, MOST_AXES, "Choose lower orders.")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _natural(option: str, text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) < 0:
        raise OptionError(option, text, "an integer >= 0")
    return int(text)


def _sizes(signature: Signature, given: Sequence[str]) -> dict[str, int]:
    """The size of every index set, from ``--n 3`` or ``--n u=3 --n i=4``.

    Raises:
        OptionError, SizeError: these are no sizes of the signature.
    """
    names = signature.index_sets or ("n",)
    each = " ".join(f"--n {name}={3 + at}" for at, name in enumerate(names))
    expected = "an integer, as in --n 3" if len(names) == 1 else f"a size of every index set, as in {each}"
    sizes: dict[str, int] = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        if not equals and len(names) == 1:
            name = names[0]
        if not name or name in sizes or not _INTEGER.fullmatch(number):
            raise OptionError("--n", " ".join(given), expected)
        sizes[name] = int(number)
    return signature.sizes(sizes)


def _folder(out: str) -> Path:
    """The folder that ``--out`` names.

    Raises:
        CallError: an empty name, as of a shell variable that is not set.
        OutputError: a file.
    """
    if not out.strip():
        raise CallError("--out is empty: expected a folder; a dot means the current one.")
    folder = Path(out)
    if os.path.exists(folder) and not os.path.isdir(folder):  # Path.exists raises where one may not look
        raise OutputError(folder, "is a file, expected a folder", "Name another place with --out.")
    return folder


# --- the commands -------------------------------------------------------------------------------


def _show_version(wanted: bool) -> None:
    if wanted:
        _write(f"symeq {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def symeq(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every permutation-equivariant linear layer, as a standalone PyTorch module.

    SPEC is a signature in quotes, such as "n n -> n n", "n n -> " or "u i -> u",
    or two orders, such as 2 2.
    """
    if context.invoked_subcommand is None:
        raise CallError("no command: expected count, show, generate, verify or bench. See `symeq --help`.")


@app.command(context_settings=_WITH_SPEC)
def count(
    words: SpecWords = None,
    n: Annotated[
        list[str] | None,
        typer.Option(
            "--n", metavar="N|NAME=N", help="A size, or one for each index set: the exact dimension."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count the operators of a layer, exactly.

    The number of operators is the same for all sizes. For an index set with fewer
    elements than axes the dimension of the space of equivariant maps is smaller;
    --n gives the size.
    """
    from symeq.bases.derive import derive

    signature = _signature(words or [])
    basis = derive(signature)
    bias = derive(Signature((), signature.outputs))
    found: dict[str, Any] = {
        "signature": str(signature),
        "operators": basis.count,
        "bias_operators": bias.count,
    }
    if n:
        found["sizes"] = _sizes(signature, n)
        found["dimension"] = basis.dimension(found["sizes"])
        found["bias_dimension"] = bias.dimension(
            {name: found["sizes"][name] for name in bias.signature.index_sets}
        )
    if as_json:
        return _write_json(found)
    sizes = found.pop("sizes", {})
    _write(f'"{found.pop("signature")}"')
    for name, number in found.items():
        at = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        remark = f"  for {at}" if at and name.endswith("dimension") else ""
        _write(f"  {name.replace('_', ' '):<14}  {number}{remark}")


@app.command(context_settings=_WITH_SPEC)
def show(
    words: SpecWords = None,
    kind: Annotated[
        str, typer.Option("--kind", "--basis", metavar="diagram|orbit", help="Which of the two bases.")
    ] = "diagram",
    limit: Annotated[
        str | None,
        typer.Option("--limit", "--first", metavar="N", help="Only the first N operators."),
    ] = None,
    with_plan: Annotated[
        bool, typer.Option("--plan", help="Also the steps that compute the layer, and their costs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the operators of a layer: slot, rgs, diagram, words and SymPy form.

    In the diagram every axis has the letter of its block: one on both sides is
    carried over, on the left only summed over, on the right only copied along.
    """
    from symeq.bases.derive import derive

    signature = _signature(words or [])
    basis = derive(signature, check_kind(kind))
    shown = basis.count if limit is None else min(_natural("--limit", limit), basis.count)
    if limit is None and shown > MOST_UNASKED:
        raise TooLargeError(
            f"operators of {_short(str(signature))}",
            basis.count,
            MOST_UNASKED,
            "Choose how many with --limit, as in --limit 20.",
        )
    if shown > MOST_ROWS:
        raise TooLargeError(
            "operators to list", shown, MOST_ROWS, "symeq.basis(...) in Python gives any of them."
        )
    with _working(f"operators of {_short(str(signature))}"):
        report = _report(signature) if with_plan else None
        rows = [_row(operator) for operator in basis[:shown]]
    if as_json:
        document: dict[str, Any] = {"signature": str(signature), "kind": basis.kind, "operators": basis.count}
        document["shown"] = rows
        if report is not None:
            document["plan"] = _report_fields(report)
        return _write_json(document)
    part = "" if shown == basis.count else f", the first {shown}"
    _write(f'"{signature}": {_counted(basis.count, "operator")} of the {kind} basis{part}\n')
    if rows:
        _write_table(rows)
    if rows and basis.kind == "orbit":
        _write(
            "\nAn orbit operator does what its words say where different blocks of an index set have "
            "different\nindices, and nothing elsewhere."
        )
    if report is not None:
        _write(f"\n{report}")


def _row(operator: BasisOperator) -> dict[str, Any]:
    diagram = operator.diagram
    return {
        "slot": operator.slot,
        "rgs": operator.rgs,
        "diagram": diagram.draw(),
        "words": diagram.words(),
        "expr": str(operator.expr),
    }


def _report(signature: Signature) -> PlanReport:
    from symeq.pipeline import plan

    return plan(signature).report()


def _report_fields(report: PlanReport) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("operators", "contractions", "products", "broadcasts")}
    return counts | {name: str(getattr(report, name)) for name in ("reads", "multiplications", "additions")}


def _write_table(rows: Sequence[dict[str, Any]]) -> None:
    """The rows as a table, which wraps its cells to the width of a terminal and never does in a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    wide = None if _is_terminal(sys.stdout) else 10**6
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
    _write("\n".join(line.rstrip() for line in captured.get().splitlines()))


@app.command(context_settings=_WITH_SPEC)
def generate(
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR", help="The folder to write into; made if missing.", show_default=False
        ),
    ],
    words: SpecWords = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class-name", metavar="NAME", help="Instead of the name that tells the signature."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option("--layout", metavar="channels-last|channels-first", help="Where the channel axis is."),
    ] = "channels-last",
    library: Annotated[
        bool, typer.Option("--library", help="The whole package symeq_layers, instead of one SPEC.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were edited by hand.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say whether the files are what would be written.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Verify the file afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a layer as a standalone Python module that imports torch only."""
    if check and (force or verify):
        raise CallError("--check writes nothing: leave it out, or leave out --force and --verify.")
    if library and (words or class_name is not None or layout != "channels-last" or verify):
        raise CallError(
            "--library has its own list of layers: only --out, --check, --force and --json go with it."
        )
    if library:
        return _generate_library(_folder(out), force, check, as_json)
    options = EmitOptions(layout, class_name)  # type: ignore[arg-type]  # an OptionError says what it may be
    return _generate_layer(_signature(words or []), options, _folder(out), force, check, verify, as_json)


def _generate_layer(
    signature: Signature,
    options: EmitOptions,
    folder: Path,
    force: bool,
    check: bool,
    verify: bool,
    as_json: bool,
) -> None:
    from symeq.emit import library
    from symeq.emit.names import class_name
    from symeq.emit.printer import view
    from symeq.emit.render import render
    from symeq.pipeline import plan

    class_name(signature, options)  # a name that cannot be used is refused before any work
    with _working(f"generating {_short(str(signature))}"):
        layer = view(plan(signature), options)
        module = render(layer)
    if check:
        command = layer.command.replace("--out DIR", f"--out {shlex.quote(str(folder))}")
        return _report_differences(library.check([module], folder), 1, command, as_json)
    path = library.write(module, folder, force)
    found = {"path": str(path), **_layer_fields(layer)}
    report = _verified(path) if verify else None
    if as_json:
        _write_json(found | ({} if report is None else {"verification": json.loads(report.to_json())}))
    else:
        _write(str(path))
        counts = (
            _counted(layer.operators, "operator"),
            _counted(layer.contractions, "contraction"),
            _counted(layer.products, "matrix product"),
            _counted(layer.broadcasts, "broadcast"),
            _counted(layer.bias_operators, "bias operator"),
        )
        _write(f'{layer.class_name} "{signature}": {", ".join(counts)}')
        if report is not None:
            _write(str(report))
    if report is not None and not report.ok:
        raise typer.Exit(1)


def _layer_fields(layer: LayerView) -> dict[str, Any]:
    names = ("class_name", "layout", "operators", "bias_operators", "contractions", "products", "broadcasts")
    return {"signature": str(layer.signature)} | {name: getattr(layer, name) for name in names}


def _generate_library(folder: Path, force: bool, check: bool, as_json: bool) -> None:
    from symeq import pipeline
    from symeq.emit.library import COMMITTED

    if check:
        with _working("comparing the library"):
            differences = pipeline.check_library(folder)
        command = f"symeq generate --library --out {shlex.quote(str(folder))}"
        return _report_differences(differences, len(COMMITTED) + 1, command, as_json)
    with _working("generating the library"):
        paths = pipeline.generate_library(folder, force)
    if as_json:
        _write_json({"layers": len(COMMITTED), "paths": [str(path) for path in paths]})
        return
    for path in paths:
        _write(str(path))
    _write(f"{_counted(len(COMMITTED), 'layer')} in {_counted(len(paths), 'file')}")


def _report_differences(differences: Sequence[Difference], files: int, command: str, as_json: bool) -> None:
    """Says what ``--check`` found; exit code 1 where it found differences."""
    from symeq.emit.render import untouched

    if not differences:
        if as_json:
            _write_json({"ok": True, "differences": []})
        else:
            _write(f"no difference in {_counted(files, 'file')}")
        return
    # A file that is no part of the library has a sentence in place of a diff.
    changed = [found.path for found in differences if found.diff.startswith("---")]
    edited = [path for path in changed if path.exists() and not untouched(path.read_text(encoding="utf-8"))]
    remedy = f"{command} --force" if edited else command
    if as_json:
        listed = [{"path": str(found.path), "diff": found.diff} for found in differences]
        _write_json({"ok": False, "differences": listed, "remedy": remedy})
    else:
        for found in differences:
            _write(found.diff)
        for path in changed:
            how = "edited by hand" if path in edited else "out of date" if path.exists() else "missing"
            _write(f"{path}: {how}")
        if changed:
            _write(f"To write what is expected: {remedy}")
    raise typer.Exit(1)


@app.command(context_settings=_WITH_SPEC)
def verify(words: VerifyWords = None, as_json: AsJson = False) -> None:
    """Hold a layer against its definition, exactly, and under random permutations.

    For a SPEC, the layer that would be emitted now is verified.
    """
    given = words or []
    report = _verified(Path(given[0]) if _is_path(given) else _signature(given))
    if as_json:
        _write_json(json.loads(report.to_json()))
    else:
        _write(str(report))
    if not report.ok:
        raise typer.Exit(1)


def _is_path(words: Sequence[str]) -> bool:
    """Whether the words are one that can be no SPEC: neither a signature nor orders."""
    return (
        len(words) == 1 and "->" not in words[0] and not _INTEGER.fullmatch("".join(words[0].split()) or "0")
    )


def _verified(what: Path | Signature) -> VerificationReport:
    from symeq.verification import verify  # loads torch

    # A file that is verified is executed; what it prints is no part of our output.
    with _working(f"verifying {_short(str(what))}") as progress, redirect_stdout(sys.stderr):
        return verify(what, progress=progress)


@app.command()
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
        with _working("benchmark") as progress:
            report = bench.run(
                repeats=_natural("--repeats", repeats),
                compiled=compiled,
                progress=lambda done, total, what: progress(what, done, total),
                also_default=also_default,
            )
    except bench.UnequalResultsError as error:
        _complain(str(error))
        raise typer.Exit(1) from None
    _write(report.to_json() if as_json else str(report))
