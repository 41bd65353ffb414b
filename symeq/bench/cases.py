"""What is timed: cases, and one problem for all contestants of a case."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from symeq.bases.derive import derive
from symeq.bench.stacks import Contractions, operator_strings
from symeq.errors import OptionError
from symeq.plans.evaluate import evaluate
from symeq.plans.lower import lower
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
        """The result in float64, operator by operator, by the NumPy meaning of the plain plan."""
        return _meant(self.case.orders, self.case.n, self.x, self.weight)

    def reference_gradients(self) -> tuple[Tensor, Tensor]:
        """The gradients of x and weight in float64, from the definition of the operators.

        That of x is the transposed layer: blocks of inputs and outputs exchanged, and so are the
        channels. That of a weight is the product of what its operator takes from x and what it
        would take from the cotangent.
        """
        if self.cotangent is None:
            raise OptionError("cotangent", None, "a tensor of the output's shape")
        strings = operator_strings(self.case.orders)
        back = {string: at for at, string in enumerate(operator_strings(self.case.orders[::-1]))}
        order = [back[_exchanged(string)] for string in strings]
        weight = torch.empty_like(self.weight)
        weight[order] = self.weight.detach().mT
        towards_x = _meant(self.case.orders[::-1], self.case.n, self.cotangent, weight)
        x, cotangent = (Contractions(t.detach().cpu().double(), 1) for t in (self.x, self.cotangent))
        towards_weight = []
        for inputs, outputs in strings:
            kept = tuple(sorted(set(inputs) & set(outputs)))
            left = x.get(inputs, kept)
            number = {block: at for at, block in enumerate(dict.fromkeys(outputs))}
            ordered = sorted(kept, key=number.__getitem__)  # as the axes of the cotangent come
            right = cotangent.get(
                tuple(map(number.__getitem__, outputs)), tuple(map(number.__getitem__, ordered))
            )
            right = right.permute(0, *(1 + ordered.index(block) for block in kept), -1)
            towards_weight.append(left.flatten(0, -2).mT @ right.flatten(0, -2))
        return towards_x, torch.stack(towards_weight)


def _meant(orders: tuple[int, int], n: int, x: Tensor, weight: Tensor) -> Tensor:
    plan = lower(derive(Signature.from_orders(*orders)))
    x, weight = (tensor.detach().cpu().double() for tensor in (x, weight))
    y = evaluate(plan, x.numpy(), weight.numpy(), sizes=n if any(orders) else None)
    return torch.from_numpy(np.ascontiguousarray(y))


def _exchanged(string: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Outputs before inputs, the blocks numbered anew by first appearance."""
    inputs, outputs = string
    number = {block: at for at, block in enumerate(dict.fromkeys((*outputs, *inputs)))}
    return tuple(number[block] for block in outputs), tuple(number[block] for block in inputs)
