"""What is timed: cases, and one problem for all contestants of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from symeq.bases.derive import derive
from symeq.bench import reference
from symeq.errors import OptionError
from symeq.signature import Signature

SEED = 2019


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: a layer of ``orders`` with as many channels out as in, on a batch.

    >>> print(Case((2, 2), 16, 64, 32))
    2 -> 2, batch 16, n = 64, 32 channels

    Raises:
        OptionError: an order below 0, or anything else below 1.
    """

    orders: tuple[int, int]
    batch: int
    n: int
    channels: int

    def __post_init__(self) -> None:
        for name, value, least in (
            *(("orders", order, 0) for order in self.orders),
            *((name, getattr(self, name), 1) for name in ("batch", "n", "channels")),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(name, value, f"an integer >= {least}")

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Case:
        """The case that JSON has, written as ``dataclasses.asdict`` gives it."""
        return cls(**{**found, "orders": tuple(found["orders"])})

    @property
    def signature(self) -> Signature:
        """The signature over the one index set n."""
        return Signature.from_orders(*self.orders)

    def __str__(self) -> str:
        order_in, order_out = self.orders
        return (
            f"{order_in} -> {order_out}, batch {self.batch}, n = {self.n}, "
            f"{self.channels} channel{'s' if self.channels != 1 else ''}"
        )


DEFAULT_CASES = (
    Case((2, 2), 16, 64, 16),
    Case((2, 2), 16, 64, 64),
    Case((2, 2), 2, 256, 32),
    Case((2, 2), 16, 16, 16),  # so small that the dense matrix can take part
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One input and one set of weights for all contestants of a case.

    x: ``(batch, n, ..., n, channels)``; weight: ``(slots, channels, channels)``, diagram weights;
    cotangent: as the output, the gradient of what would be a loss. The operators are as defined
    (normalisation "sum"), and there is no bias.
    """

    case: Case
    x: Tensor
    weight: Tensor
    cotangent: Tensor | None = None

    @classmethod
    def of(cls, case: Case, device: str = "cpu") -> Problem:
        """Normally distributed entries, the same at every call."""
        generator = torch.Generator().manual_seed(SEED)
        order_in, order_out = case.orders
        slots = len(derive(case.signature))

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device)

        return cls(
            case,
            normal(case.batch, *[case.n] * order_in, case.channels),
            normal(slots, case.channels, case.channels),
            normal(case.batch, *[case.n] * order_out, case.channels),
        )

    def taped(self) -> Problem:
        """The same numbers, with gradients of x and weight."""
        return replace(self, x=self.x.detach().requires_grad_(), weight=nn.Parameter(self.weight.detach()))

    def reference(self) -> Tensor:
        """The result in float64, operator by operator, by the definition of the diagram basis."""
        return reference.output(self.case.orders, self.case.n, self.x, self.weight)

    def reference_gradients(self) -> tuple[Tensor, Tensor]:
        """The gradients of x and weight in float64, from the definition of the operators.

        That of x is the transposed layer: blocks of inputs and outputs exchanged, and so are the
        channels. That of a weight is the product of what its operator takes from x and what it
        would take from the cotangent.
        """
        if self.cotangent is None:
            raise OptionError("cotangent", None, "a tensor of the output's shape")
        orders, n = self.case.orders, self.case.n
        weight = reference.transposed(orders, self.weight)
        towards_x = reference.output(orders[::-1], n, self.cotangent, weight)
        return towards_x, reference.towards_weight(orders, self.x, self.cotangent)
