"""``symeq audit``: a layer that somebody wrote, under scrutiny."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from symeq.cli.arguments import AsJson, signature_of
from symeq.cli.console import CallError, working, write, write_json
from symeq.process import output_aside


def audit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            show_default=False,
            help="A layer class, a factory, an instance or a function; MODULE is a module's name or the path "
            "of a .py file. [bold]It is imported and run.[/bold]",
        ),
    ],
    signature: Annotated[
        str,
        typer.Option(
            "--signature",
            metavar="SPEC",
            show_default=False,
            help='What it should be: "n n -> n n", or "2 2".',
        ),
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="LAYOUT",
            help='The order of its axes, such as "b c n n -> b c op n n"; guessed if left out.',
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init", metavar="ARGS", help='Arguments of the constructor: "in_channels=2, out_channels=3".'
        ),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(
            "--call",
            metavar="ARGS",
            help='Further arguments of a call: "dim=n, normalize=False"; n is its size.',
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", metavar="NAME", help="The mask argument; or SET=NAME for each index set."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore", metavar="FINDING", help="A finding whose fault does not count; may be repeated."
        ),
    ] = None,
    no_export: Annotated[bool, typer.Option("--no-export", help="Leave out torch.export.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count what is only to note as a fault, too.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECONDS", help="For the import, and for each call.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the random inputs.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Scrutinise a layer that somebody wrote: is it the equivariant linear layer of its signature?

    Linear, equivariant, how many independent operators of how many, which are missing or repeated; bias,
    padding, parameters, export. The code is imported and run: audit only what you would run.
    """
    if not target.strip():
        raise CallError("no MODULE:NAME: expected, say, my_layers.py:Layer.")
    wanted = signature_of([signature])
    from symeq.auditing import audit as run  # loads torch

    # What the audited code prints is no part of our output.
    with working(f"auditing {target}") as progress, output_aside():
        report = run(
            target,
            wanted,
            layout,
            init=init,
            call=call,
            mask=mask,
            ignore=ignore or (),
            export=not no_export,
            seed=seed,
            time_limit=time_limit,
            progress=progress,
        )
    if as_json:
        write_json(json.loads(report.to_json()))
    else:
        write(str(report))
    if not report.ok or (strict and report.cautions):
        raise typer.Exit(1)
