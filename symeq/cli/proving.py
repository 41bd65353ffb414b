"""``symeq prove`` and ``symeq check``: exact claims, and the checker that applies their steps again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from symeq.cli.arguments import INTEGER, AsJson, SpecWords, short, signature_of
from symeq.cli.console import CallError, working, write, write_json
from symeq.errors import OutputError, ProofError

STDOUT = "-"


class ProveCommand(TyperCommand):
    """``--json`` may come without a FILE: the certificate then goes to stdout."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Names stdout after each ``--json`` that no file name follows."""
        given: list[str] = []
        for at, word in enumerate(args):
            given.append(word)
            if word == "--json" and not _names_a_file(args[at + 1 :]):
                given.append(STDOUT)
        return super().parse_args(ctx, given)


def _names_a_file(rest: list[str]) -> bool:
    """Whether the first word is neither an option nor a part of a SPEC."""
    return bool(rest) and not (rest[0].startswith("--") or "->" in rest[0] or INTEGER.fullmatch(rest[0]))


def prove(
    words: SpecWords = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="[FILE]", help="Write the certificate to FILE; without FILE, print it."
        ),
    ] = None,
    latex_file: Annotated[
        str | None, typer.Option("--latex", metavar="FILE", help="Write the certificate as LaTeX, to read.")
    ] = None,
    code: Annotated[
        bool,
        typer.Option(
            "--code",
            help="Prove the source of the emitted layer, too, as `symeq verify` does: torch, minutes.",
        ),
    ] = False,
) -> None:
    """Prove what is claimed of a layer and its operators, and have every step checked.

    The claims: the operators are equivariant, span and are independent; their
    number, change of basis and composition; and the plan of the emitted layer
    makes each of them once. Each says for which sizes it is shown.
    """
    signature = signature_of(words or [])
    files = {
        option: _file_of(option, name)
        for option, name in (("--json", json_file), ("--latex", latex_file))
        if name is not None and (option, name) != ("--json", STDOUT)
    }
    if len(set(files.values())) < len(files):
        raise CallError(f"--json and --latex name one file, {json_file}: expected two.")
    from symeq.files import write_files
    from symeq.proof.prover import prove as derive

    try:
        with working(f"proving {short(str(signature))}") as progress:
            certificate = derive(signature, progress, code)
            progress("checking", 0, 0)
            report = certificate.check()
    except ProofError as error:  # nothing was wrong with the call, and nothing is written
        write(f"NOT proved: {error}")
        raise typer.Exit(1) from None
    texts = {"--json": certificate.to_json, "--latex": certificate.to_latex}
    contents = {path: texts[option]().encode() for option, path in files.items()}
    # Whoever names a file means that file: it is replaced, whatever it holds.
    write_files(contents, lambda content: True, remedy=f"Name another file with {' and '.join(files)}.")
    if json_file == STDOUT:
        write(certificate.to_json().rstrip("\n"))
    else:
        write("\n".join([str(report), *(f"written to {path}" for path in files.values())]))
    if not report.ok:
        raise typer.Exit(1)


def _file_of(option: str, name: str) -> Path:
    """The file that an option names, once it could be written.

    Raises:
        CallError: an empty name, as of a shell variable that is not set.
        OutputError: a folder, something that is no regular file, or a file in a folder that does not exist.
    """
    if not name.strip():
        raise CallError(f"{option} is empty: expected a file name.")
    path = Path(os.path.realpath(name))  # a link is written through, not replaced
    remedy = f"Name another file with {option}."
    if os.path.isdir(path):
        raise OutputError(Path(name), "is a folder, expected a file", remedy)
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(Path(name), "is no regular file", remedy)
    if not os.path.isdir(path.parent):
        raise OutputError(Path(name), f"cannot be written: there is no folder {path.parent}", remedy)
    if not os.access(path.parent, os.W_OK):
        raise OutputError(Path(name), f"cannot be written: {path.parent} is not writable", remedy)
    return path


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="A certificate in JSON.")],
    layer: Annotated[
        str | None,
        typer.Option(
            "--file",
            metavar="LAYER",
            help="An emitted file that should be the certificate's: read, never run.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a certificate, by applying the rule of every step again.

    The checker uses neither SymPy nor the prover, and takes nothing from the file
    on trust: what has to be shown, and for which sizes, it derives from the
    signature and the steps. It executes nothing.
    """
    from symeq.proof import checker

    try:
        content = None if layer is None else checker.content(layer, "an emitted file")
    except checker.UnreadableCertificateError as error:
        raise CallError(f"{layer}: {error}. `symeq generate SPEC --out DIR` writes layers.") from None
    try:
        with working(f"checking {short(file)}"):
            report = checker.check(checker.read(file), content)
    except checker.UnreadableCertificateError as error:
        raise CallError(f"{file}: {error}. `symeq prove SPEC --json FILE` writes certificates.") from None
    if as_json:
        write_json(json.loads(report.to_json()))
    else:
        write(str(report))
    if not report.ok:
        raise typer.Exit(1)
