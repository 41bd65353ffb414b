"""``symeq count`` and ``symeq show``: the operators of a layer, counted and listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symeq.cli.arguments import AsJson, SpecWords, folder_of, natural, short, signature_of, sizes_of
from symeq.cli.console import CallError, counted, working, write, write_json, write_table
from symeq.errors import TooLargeError
from symeq.signature import BasisKind, EmitOptions, Signature, check_kind

if TYPE_CHECKING:
    from symeq.bases.operators import BasisOperator
    from symeq.plans.cost import PlanReport
    from symeq.plans.model import Row

MOST_UNASKED = 1000
"""``show`` lists more operators only when ``--limit`` says how many."""

MOST_ROWS = 10_000
"""``show`` lists no more, whatever ``--limit`` says."""


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

    signature = signature_of(words or [])
    basis = derive(signature)
    bias = derive(Signature((), signature.outputs))
    found: dict[str, Any] = {
        "signature": str(signature),
        "operators": basis.count,
        "bias_operators": bias.count,
    }
    if n:
        found["sizes"] = sizes_of(signature, n)
        found["dimension"] = basis.dimension(found["sizes"])
        found["bias_dimension"] = bias.dimension(
            {name: found["sizes"][name] for name in bias.signature.index_sets}
        )
    if as_json:
        return write_json(found)
    sizes = found.pop("sizes", {})
    write(f'"{found.pop("signature")}"')
    for name, number in found.items():
        at = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        remark = f"  for {at}" if at and name.endswith("dimension") else ""
        write(f"  {name.replace('_', ' '):<14}  {number}{remark}")


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
    svg: Annotated[
        str | None,
        typer.Option("--svg", metavar="DIR", help="Draw instead, into SVG files in this folder."),
    ] = None,
    png: Annotated[
        str | None,
        typer.Option("--png", metavar="DIR", help="Draw instead, into PNG files in this folder."),
    ] = None,
    n: Annotated[
        list[str] | None,
        typer.Option("--n", metavar="N|NAME=N", help="Sizes for the picture of the shared weights."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite pictures that were edited by hand.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the operators of a layer: slot, rgs, diagram, words and SymPy form.

    In the diagram every axis has the letter of its block: one on both sides is
    carried over, on the left only summed over, on the right only copied along.

    With --svg or --png, draw: the operators on a sheet, the weights that a layer
    shares, the refinement lattice and the plan.
    """
    from symeq.bases.derive import derive

    signature = signature_of(words or [])
    folders = {"svg": svg, "png": png}
    if svg is not None or png is not None:
        if with_plan:
            raise CallError(
                "--plan lists, and --svg and --png draw the plan, too: leave out one or the other."
            )
        places = {form: folder_of(out, f"--{form}") for form, out in folders.items() if out is not None}
        sizes = sizes_of(signature, n) if n else None
        most = None if limit is None else natural("--limit", limit)
        return _draw(signature, check_kind(kind), sizes, most, places, force, as_json)
    if n or force:
        raise CallError(f"{'--n' if n else '--force'} is for pictures: it goes with --svg or --png.")
    basis = derive(signature, check_kind(kind))
    shown = basis.count if limit is None else min(natural("--limit", limit), basis.count)
    if limit is None and shown > MOST_UNASKED:
        raise TooLargeError(
            f"operators of {short(str(signature))}",
            basis.count,
            MOST_UNASKED,
            "Choose how many with --limit, as in --limit 20.",
        )
    if shown > MOST_ROWS:
        raise TooLargeError(
            "operators to list", shown, MOST_ROWS, "symeq.basis(...) in Python gives any of them."
        )
    with working(f"operators of {short(str(signature))}"):
        report, forms, mixings = _report(signature) if with_plan else (None, [], [])
        rows = [_row(operator) for operator in basis[:shown]]
    if as_json:
        document: dict[str, Any] = {"signature": str(signature), "kind": basis.kind, "operators": basis.count}
        document["shown"] = rows
        if report is not None:
            rows_of = {"forms": forms, "mixings": mixings}
            document["plan"] = _report_fields(report)
            document |= {name: [row.fields() for row in rows] for name, rows in rows_of.items()}
        return write_json(document)
    part = "" if shown == basis.count else f", the first {shown}"
    write(f'"{signature}": {counted(basis.count, "operator")} of the {kind} basis{part}\n')
    if rows:
        write_table(rows)
    if rows and basis.kind == "orbit":
        write(
            "\nAn orbit operator does what its words say where different blocks of an index set have "
            "different\nindices, and nothing elsewhere."
        )
    if report is not None:
        write(f"\n{report}")
    if forms:
        write("\nforms of the levels, by propagating blocks; *: taken without sizes\n")
        write_table([_form_fields(row) for row in forms])
    if mixings:
        write("\nwhere channels are mixed; *: taken without sizes\n")
        write_table([_form_fields(row) for row in mixings])


def _draw(
    signature: Signature,
    kind: BasisKind,
    sizes: dict[str, int] | None,
    limit: int | None,
    places: dict[str, Path],
    force: bool,
    as_json: bool,
) -> None:
    """Writes every picture that can be read, in every form, and says which cannot, and why."""
    from symeq.drawing.drawing import drawn_by_us
    from symeq.drawing.gallery import gallery
    from symeq.emit.names import module_name
    from symeq.files import write_files

    with working(f"drawing {short(str(signature))}"):
        found = gallery(signature, kind, sizes, limit)
        stem = module_name(signature, EmitOptions())
        contents = {
            folder / f"{stem}_{name}.{form}": drawing.encoded(form)
            for form, folder in places.items()
            for name, drawing in found.drawings.items()
        }
    options = " or ".join(f"--{form}" for form in places)
    paths = write_files(contents, drawn_by_us, force, remedy=f"Name another place with {options}.")
    if as_json:
        document = {"signature": str(signature), "kind": kind, "paths": [str(path) for path in paths]}
        return write_json(document | {"left_out": found.left_out})
    for path in paths:
        write(str(path))
    for name, reason in found.left_out.items():
        write(f"{name} not drawn: {reason}")


def _row(operator: BasisOperator) -> dict[str, Any]:
    diagram = operator.diagram
    return {
        "slot": operator.slot,
        "rgs": operator.rgs,
        "diagram": diagram.draw(),
        "words": diagram.words(),
        "expr": str(operator.expr),
    }


def _report(signature: Signature) -> tuple[PlanReport, list[Row], list[Row]]:
    from symeq.pipeline import plan
    from symeq.plans.model import forms_table, mixings_table

    planned = plan(signature)
    return planned.report(), forms_table(planned), mixings_table(planned)


def _form_fields(row: Row) -> dict[str, Any]:
    """The columns of a form on the screen."""
    found = row.fields()
    star = "*" if found.pop("taken") else ""
    return {"level": found.pop("level"), "": star, **found}


def _report_fields(report: PlanReport) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("operators", "contractions", "products", "broadcasts")}
    return counts | {name: str(getattr(report, name)) for name in ("reads", "multiplications", "additions")}
