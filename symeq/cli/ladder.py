"""``symeq verify --orders M``: the ladder, every k -> k' with k + k' <= M."""

from __future__ import annotations

from typing import Annotated

import typer

from symeq.cli.arguments import folder_of, natural, short
from symeq.cli.console import CallError, working, write
from symeq.errors import OptionError

Orders = Annotated[
    str | None,
    typer.Option(
        "--orders",
        metavar="M",
        help="Every k -> k' with k + k' <= M: enumerated, counted in several ways, emitted and verified. "
        "Or one of them, as in --orders 5,5.",
    ),
]
StoreFolder = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Where rows of --orders that hold are kept, and not made again while nothing has changed; "
        "by default in the user's cache.",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Make all rows of --orders anew.")]


def ladder(orders: str | None, store: str | None, again: bool, jobs: str | None, as_json: bool) -> bool:
    """Runs the ladder if it is wanted; whether it was. Exit code 1 where a row does not hold."""
    if orders is None:
        if store is not None or again:
            raise CallError("--store and --again belong to --orders.")
        return False
    numbers = [_order(orders, text) for text in orders.split(",")]
    if len(numbers) > 2:
        raise OptionError("--orders", short(orders), _EXPECTED)
    processes = -1 if jobs is None else natural("--jobs", jobs, 1)
    kept = None if store is None else folder_of(store, "--store")
    from symeq.ladder import default_store, pairs_of, run_ladder

    pairs = pairs_of(numbers[0] if len(numbers) == 1 else [(numbers[0], numbers[1])])
    with working("ladder") as progress:
        report = run_ladder(
            pairs,
            jobs=processes,
            store=default_store() if kept is None else kept,
            again=again,
            progress=progress,
        )
    write(report.to_json() if as_json else str(report))
    if not report.ok:
        raise typer.Exit(1)
    return True


_EXPECTED = "an integer >= 0, as in --orders 6, or a pair of orders, as in --orders 5,5"


def _order(orders: str, text: str) -> int:
    try:
        return natural("--orders", text.strip())
    except OptionError:
        raise OptionError("--orders", short(orders), _EXPECTED) from None
