"""The floor: the work that no implementation permutation by permutation avoids."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import torch

from symeq.bench.cases import SEED, Case
from symeq.combinatorics.partitions import marked
from symeq.errors import TooLargeError

MOST_ENTRIES = 2**29
"""Of all operands and results of the floor: 2 GiB."""


def floor_shapes(case: Case) -> tuple[tuple[int, int, int], ...]:
    """Rows, inner size and columns of the product of every level, the highest level first.

    Level c mixes the A_c(k) contractions that leave c axes, in c! orders, into the A_c(k')
    broadcasts from c axes.

    >>> floor_shapes(Case((2, 2), 16, 64, 10))
    ((65536, 20, 10), (1024, 30, 30), (16, 20, 20))
    """
    order_in, order_out = case.orders
    return tuple(
        (
            case.batch * case.n**level,
            marked(order_in, level) * factorial(level) * case.channels,
            marked(order_out, level) * case.channels,
        )
        for level in reversed(range(min(order_in, order_out) + 1))
    )


def floor_entries(case: Case) -> int:
    """How many numbers the operands and results of the floor's products have."""
    return sum(rows * (inner + columns) + inner * columns for rows, inner, columns in floor_shapes(case))


def refuse_large(case: Case) -> None:
    """A case whose floor has more than ``MOST_ENTRIES`` numbers is not begun.

    Raises:
        TooLargeError: it has more.
    """
    if (entries := floor_entries(case)) > MOST_ENTRIES:
        raise TooLargeError(
            f"numbers in the floor of {case}", entries, MOST_ENTRIES, "Choose a smaller case."
        )


def floor(case: Case, device: str = "cpu") -> Callable[[], None]:
    """The work that no implementation permutation by permutation avoids, as a call.

    The products of all levels into memory that is there already, their operands in order, and
    one copy of the larger of input and output.
    """
    generator = torch.Generator().manual_seed(SEED)
    products = [
        (
            torch.randn(rows, inner, generator=generator).to(device),
            torch.randn(inner, columns, generator=generator).to(device),
            torch.empty(rows, columns, device=device),
        )
        for rows, inner, columns in floor_shapes(case)
    ]
    larger = torch.randn(case.batch * case.n ** max(case.orders) * case.channels, generator=generator).to(
        device
    )
    copy = torch.empty_like(larger)

    def call() -> None:
        for features, matrix, result in products:
            torch.mm(features, matrix, out=result)
        copy.copy_(larger)

    return call
