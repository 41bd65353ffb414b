"""``symeq generate``: standalone modules, one or the whole library, and whether they are up to date."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symeq.cli.arguments import AsJson, SpecWords, folder_of, short, signature_of
from symeq.cli.console import CallError, counted, working, write, write_json
from symeq.cli.verifying import verified
from symeq.signature import EmitOptions, Signature, check_layout

if TYPE_CHECKING:
    from symeq.emit.library import Difference
    from symeq.emit.printer import LayerView
    from symeq.tuning import Tuning


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
    choices: Annotated[
        str | None,
        typer.Option(
            "--choices", metavar="TEXT", help='How levels are computed, such as "2=inputs"; see show --plan.'
        ),
    ] = None,
    made_for: Annotated[
        str | None,
        typer.Option("--for", metavar="SIZES", help='Batch, n and channels to choose for, as in "16 64 64".'),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure the best few choices here, and take the fastest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a layer as a standalone Python module that imports torch only.

    A layer can be computed in several ways, equal in what they compute. The cost
    model chooses, for --for or typical sizes; --tune measures; --choices says. The
    header of the file has the command that writes the same file again.
    """
    if check and (force or verify):
        raise CallError("--check writes nothing: leave it out, or leave out --force and --verify.")
    if tune and (check or choices is not None):
        raise CallError(
            f"--tune finds the choices: leave it out, or leave out {'--check' if check else '--choices'}."
        )
    for option, text in (("--choices", choices), ("--for", made_for)):
        if text is not None and not text.strip():
            raise CallError(f"{option} is empty: leave it out, or say what is chosen.")
    chosen = tune or choices is not None or made_for is not None
    if library and (words or class_name is not None or layout != "channels-last" or verify or chosen):
        raise CallError(
            "--library has its own list of layers: only --out, --check, --force and --json go with it."
        )
    if library:
        return _generate_library(folder_of(out), force, check, as_json)
    options = EmitOptions(check_layout(layout), class_name, choices or "", made_for or "")
    signature, folder = signature_of(words or []), folder_of(out)
    tuning = _tuned(signature, options) if tune else None
    if tuning is not None:
        options = replace(options, choices=tuning.choices, made_for=tuning.made_for)
    return _generate_layer(signature, options, folder, force, check, verify, tuning, as_json)


def _tuned(signature: Signature, options: EmitOptions) -> Tuning:
    from symeq.emit.names import class_name
    from symeq.tuning import tune

    class_name(signature, options)
    with working(f"measuring {short(str(signature))}") as tell:
        return tune(signature, options.made_for, layout=options.layout, progress=tell)


def _generate_layer(
    signature: Signature,
    options: EmitOptions,
    folder: Path,
    force: bool,
    check: bool,
    verify: bool,
    tuning: Tuning | None,
    as_json: bool,
) -> None:
    from symeq.emit import library
    from symeq.emit.names import class_name
    from symeq.emit.printer import view
    from symeq.emit.render import render
    from symeq.pipeline import plan

    class_name(signature, options)  # a name that cannot be used is refused before any work
    with working(f"generating {short(str(signature))}"):
        layer = view(plan(signature), options)
        module = render(layer)
    if check:
        command = layer.command.replace("--out DIR", f"--out {shlex.quote(str(folder))}")
        return _report_differences(library.check([module], folder), 1, command, as_json)
    path = library.write(module, folder, force)
    found = {"path": str(path), **_layer_fields(layer)}
    report = verified(path) if verify else None
    if as_json:
        if tuning is not None:
            found["tuning"] = tuning.fields()
        write_json(found | ({} if report is None else {"verification": json.loads(report.to_json())}))
    else:
        write(str(path))
        counts = (
            counted(layer.operators, "operator"),
            counted(layer.contractions, "contraction"),
            counted(layer.products, "matrix product"),
            counted(layer.broadcasts, "broadcast"),
            counted(layer.bias_operators, "bias operator"),
        )
        write(f'{layer.class_name} "{signature}": {", ".join(counts)}')
        if tuning is not None:
            write(str(tuning))
        if report is not None:
            write(str(report))
    if report is not None and not report.ok:
        raise typer.Exit(1)


def _layer_fields(layer: LayerView) -> dict[str, Any]:
    counts = ("operators", "bias_operators", "contractions", "products", "broadcasts")
    names = ("class_name", "layout", *counts, "choices")
    return {"signature": str(layer.signature)} | {name: getattr(layer, name) for name in names}


def _generate_library(folder: Path, force: bool, check: bool, as_json: bool) -> None:
    from symeq import pipeline
    from symeq.emit.library import COMMITTED

    if check:
        with working("comparing the library"):
            differences = pipeline.check_library(folder)
        command = f"symeq generate --library --out {shlex.quote(str(folder))}"
        return _report_differences(differences, len(COMMITTED) + 1, command, as_json)
    with working("generating the library"):
        paths = pipeline.generate_library(folder, force)
    if as_json:
        write_json({"layers": len(COMMITTED), "paths": [str(path) for path in paths]})
        return
    for path in paths:
        write(str(path))
    write(f"{counted(len(COMMITTED), 'layer')} in {counted(len(paths), 'file')}")


def _report_differences(differences: Sequence[Difference], files: int, command: str, as_json: bool) -> None:
    """Says what ``--check`` found; exit code 1 where it found differences."""
    from symeq.emit.render import untouched

    if not differences:
        if as_json:
            write_json({"ok": True, "differences": []})
        else:
            write(f"no difference in {counted(files, 'file')}")
        return
    # A file that is no part of the library has a sentence in place of a diff.
    changed = [found.path for found in differences if found.diff.startswith("---")]
    edited = [path for path in changed if path.exists() and not untouched(path.read_text(encoding="utf-8"))]
    remedy = f"{command} --force" if edited else command
    if as_json:
        listed = [{"path": str(found.path), "diff": found.diff} for found in differences]
        write_json({"ok": False, "differences": listed, "remedy": remedy})
    else:
        for found in differences:
            write(found.diff)
        for path in changed:
            how = "edited by hand" if path in edited else "out of date" if path.exists() else "missing"
            write(f"{path}: {how}")
        if changed:
            write(f"To write what is expected: {remedy}")
    raise typer.Exit(1)
