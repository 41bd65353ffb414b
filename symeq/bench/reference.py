"""What every contestant is held against, in float64: operator by operator, by definition, without a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from symeq.bench.stacks import Contractions, operator_strings, spread
from symeq.combinatorics.partitions import renumber

Blocks = tuple[int, ...]


class _Operator(NamedTuple):
    """The blocks of one operator, those of the outputs numbered anew by first appearance.

    ``kept`` and ``kept_out`` are the blocks that both have; ``order`` puts the axes of what is taken
    from the input into the order of the output's.
    """

    inputs: Blocks
    kept: Blocks
    outputs: Blocks
    kept_out: Blocks
    order: Blocks


def _operators(orders: tuple[int, int]) -> Iterator[_Operator]:
    for inputs, outputs in operator_strings(orders):
        kept = tuple(sorted(set(inputs) & set(outputs)))
        number = {block: at for at, block in enumerate(dict.fromkeys(outputs))}
        ordered = sorted(kept, key=number.__getitem__)
        renumbered, kept_out = (tuple(map(number.__getitem__, blocks)) for blocks in (outputs, ordered))
        order = (0, *(1 + kept.index(block) for block in ordered), len(kept) + 1)
        yield _Operator(inputs, kept, renumbered, kept_out, order)


def output(orders: tuple[int, int], n: int, x: Tensor, weight: Tensor) -> Tensor:
    """Y = sum over slots of B_slot(x) @ weight[slot]: ``(batch, n, ..., n, channels)``."""
    taken, weight = _contractions(x), _exact(weight)
    sums: dict[tuple[Blocks, Blocks], Tensor] = {}
    for operator, matrix in zip(_operators(orders), weight, strict=True):
        z = taken.get(operator.inputs, operator.kept).permute(operator.order) @ matrix
        key = operator.kept_out, operator.outputs
        sums[key] = sums[key] + z if key in sums else z
    total = torch.zeros(len(x), *[n] * orders[1], weight.shape[2], dtype=weight.dtype)
    for (kept, outputs), z in sums.items():
        total += spread(z, kept, outputs, n, 1)
    return total


def towards_weight(orders: tuple[int, int], x: Tensor, cotangent: Tensor) -> Tensor:
    """The gradient of the weight: ``(slots, channels in, channels out)``."""
    taken, given = _contractions(x), _contractions(cotangent)
    found = []
    for operator in _operators(orders):
        left = taken.get(operator.inputs, operator.kept).permute(operator.order)
        right = given.get(operator.outputs, operator.kept_out)
        found.append(left.flatten(0, -2).mT @ right.flatten(0, -2))
    return torch.stack(found)


def transposed(orders: tuple[int, int], weight: Tensor) -> Tensor:
    """The weights of the transposed layer, order k' -> k."""
    back = {string: at for at, string in enumerate(operator_strings(orders[::-1]))}
    result = torch.empty_like(weight.mT)
    result[[back[_exchanged(string)] for string in operator_strings(orders)]] = weight.detach().mT
    return result


def _exchanged(string: tuple[Blocks, Blocks]) -> tuple[Blocks, Blocks]:
    """Outputs before inputs, the blocks numbered anew by first appearance."""
    inputs, outputs = string
    numbered = renumber((*outputs, *inputs))
    return numbered[: len(outputs)], numbered[len(outputs) :]


def _contractions(x: Tensor) -> Contractions:
    return Contractions(_exact(x), 1)


def _exact(x: Tensor) -> Tensor:
    return x.detach().cpu().double()
