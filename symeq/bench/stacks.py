"""All operators at full size, as public implementations build them."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from symeq.combinatorics.partitions import restricted_growth_strings

Strings: TypeAlias = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def operator_strings(orders: tuple[int, int]) -> Strings:
    """The blocks of the input axes and of the output axes for every operator, in the order of the slots.

    >>> operator_strings((1, 1))
    (((0,), (0,)), ((0,), (1,)))
    """
    order_in, order_out = orders
    strings = restricted_growth_strings(("n",) * (order_in + order_out)).tolist()
    return tuple((tuple(rgs[:order_in]), tuple(rgs[order_in:])) for rgs in strings)


def stack_operators(x: Tensor, strings: Strings, n: int, first: int = 1, copied: bool = True) -> list[Tensor]:
    """Every diagram operator applied to x at full size.

    What public implementations do: each sum once, then for every operator a tensor of all output
    axes, by ``diag_embed`` and repetition.

    Args:
        x: the index axes begin at axis ``first``: 1 for channels last, 2 for channels first.
        strings: the operators, as from ``operator_strings``.
        n: the size of an index axis.
        copied: whether repetitions are copies, as in most public implementations, or views.
    """
    contracted = Contractions(x, first)
    operators = []
    for inputs, outputs in strings:
        kept = tuple(sorted(set(inputs) & set(outputs)))
        full = spread(contracted.get(inputs, kept), kept, outputs, n, first)
        repeated = len(set(outputs)) == len(outputs) > len(kept)
        operators.append(full.contiguous() if copied and repeated else full)
    return operators


class Contractions:
    """Diagonals and sums of x, each computed once, and sums from smaller sums."""

    def __init__(self, x: Tensor, first: int) -> None:
        self._x = x
        self._first = first
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], Tensor] = {}

    def get(self, blocks: tuple[int, ...], kept: tuple[int, ...]) -> Tensor:
        """The diagonal of the axes of each block, summed over the blocks that are not kept."""
        key = (blocks, kept)
        if key not in self._known:
            dropped = [block for block in sorted(set(blocks)) if block not in kept]
            if dropped:
                larger = tuple(sorted((*kept, dropped[0])))
                self._known[key] = self.get(blocks, larger).sum(self._first + larger.index(dropped[0]))
            else:
                self._known[key] = self._diagonal(blocks)
        return self._known[key]

    def _diagonal(self, blocks: tuple[int, ...]) -> Tensor:
        result, labels = self._x, list(blocks)
        for at in reversed(range(len(labels))):
            if (other := labels.index(labels[at])) < at:
                before, after = self._first + other, self._first + at
                result = result.diagonal(dim1=before, dim2=after).movedim(-1, before)
                del labels[at]
        return result


def spread(x: Tensor, kept: tuple[int, ...], outputs: tuple[int, ...], n: int, first: int) -> Tensor:
    """x, whose index axes are the blocks ``kept``, on all output axes."""
    distinct = list(dict.fromkeys(outputs))
    new = [block for block in distinct if block not in kept]
    labels = [*kept, *new]
    for at in range(len(new)):
        x = x.unsqueeze(first + len(kept) + at)
    x = x.movedim(
        [first + labels.index(block) for block in distinct], list(range(first, first + len(distinct)))
    )
    shape = list(x.shape)
    shape[first : first + len(distinct)] = [n] * len(distinct)
    x = x.expand(shape)
    for at, block in enumerate(outputs):
        if block in outputs[:at]:
            before = first + outputs.index(block)
            x = torch.diag_embed(x.movedim(before, -1), dim1=before, dim2=first + at)
    return x
