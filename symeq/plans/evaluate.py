"""The meaning of a plan, in NumPy: slow, short, and exact on integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from symeq.plans.ir import COPIED, AxisMap, Permutation, Plan, axis_sets
from symeq.signature import Sizes

Array = npt.NDArray[Any]


def evaluate(
    plan: Plan, x: Array, weight: Array, bias: Array | None = None, sizes: Sizes | None = None
) -> Array:
    """The output of ``plan``, with the operators as defined (normalisation "sum") and no mask.

    Args:
        x: ``(*batch, n, ..., n, in_channels)``.
        weight: ``(slots, in_channels, out_channels)``, diagram weights.
        bias: ``(bias slots, out_channels)``, diagram weights of the output positions, or None.
        sizes: the size of every index set; needed where no input axis has it.

    Returns:
        ``(*batch, n, ..., n, out_channels)``.
    """
    signature = plan.signature
    k = signature.order_in
    found = dict(zip(signature.inputs, x.shape[x.ndim - 1 - k : -1], strict=True))
    size = signature.sizes(found if sizes is None else sizes)
    batch = x.shape[: x.ndim - 1 - k]

    contractions = {0: x}
    for step in plan.contracts:
        contractions[step.target] = _contract(contractions[step.source], step.map)

    broadcasts = {
        at: np.zeros(
            (*batch, *(size[name] for name in axis_sets(map_, signature.outputs)), weight.shape[2]),
            np.result_type(x, weight),
        )
        for at, map_ in plan.broadcast_maps().items()
    }
    for mix in plan.mixes:
        product = [size[name] for name in plan.product_sets(mix)]
        for (source, before), row in zip(mix.sources, plan.slots(mix), strict=True):
            operand = _permute(contractions[source], before, product)
            for (target, after), slot in zip(mix.targets, row, strict=True):
                broadcasts[target] += _permuted_sum(operand @ weight[slot], after, mix.level)
    if bias is not None:
        for slot, target in enumerate(plan.bias):
            broadcasts[target] += bias[slot]
    for move in plan.broadcasts:
        _broadcast(broadcasts[move.source], broadcasts[move.target], move.map)
    return broadcasts[0]


def _contract(x: Array, map_: AxisMap) -> Array:
    channel = map_.block_count
    result: Array = np.einsum(x, [..., *map_.blocks, channel], [..., *map_.kept, channel])
    return result


def _broadcast(source: Array, target: Array, map_: AxisMap) -> None:
    channel = map_.block_count
    blocks = [*map_.kept, *map_.dropped]
    # einsum without a sum returns a writeable view of the (generalised) diagonal.
    view = np.einsum(target, [..., *map_.blocks, channel], [..., *blocks, channel])
    at = source.ndim - 1
    view += np.expand_dims(source, tuple(range(at, at + len(map_.dropped))))


def _permute(x: Array, permutation: Permutation, sizes: list[int]) -> Array:
    """Axis q of the result is axis permutation[q], or one of size sizes[q] along which x is copied."""
    kept = [axis for axis in permutation if axis != COPIED]
    first = x.ndim - 1 - len(kept)
    x = np.transpose(x, (*range(first), *(first + axis for axis in kept), x.ndim - 1))
    x = np.expand_dims(x, [first + q for q, axis in enumerate(permutation) if axis == COPIED])
    return np.broadcast_to(x, (*x.shape[:first], *sizes, x.shape[-1]))


def _permuted_sum(z: Array, permutation: Permutation, axes: int) -> Array:
    """Axis q of the result is axis permutation[q] of the last ``axes`` index axes; the others are summed."""
    result: Array = np.einsum(z, [..., *range(axes), axes], [..., *permutation, axes])
    return result
