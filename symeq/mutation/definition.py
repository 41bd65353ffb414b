"""What a layer must give, from the definition of its operators and from nothing else.

The support of an operator is the set of pairs (output index tuple, input index tuple) at which it is 1: those
constant on the blocks of its set partition and, for an orbit operator, different across them. Every number
here is a sum over supports, one operator after another: slow, and exact while integers stay below 2^53.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
import numpy.typing as npt

from symeq.combinatorics.partitions import restricted_growth_strings
from symeq.signature import BasisKind, Normalization, Signature

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_EXPONENT: Mapping[Normalization, float] = {"sum": 0.0, "mean": -1.0, "sqrt": -0.5}


def index_tuples(choices: Sequence[Sequence[int]]) -> Indices:
    """All tuples with one index from each of the choices, in C order: ``(tuples, axes)``.

    >>> index_tuples([[0, 2], [1]]).tolist(), index_tuples([]).tolist()
    ([[0, 1], [2, 1]], [[]])
    """
    grids = np.meshgrid(*(np.array(choice, np.int64) for choice in choices), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1) if grids else np.zeros((1, 0), np.int64)


@dataclass(frozen=True)
class Definition:
    """The linear map of a signature in one basis, for one sample whose index sets have these sizes.

    Inputs and outputs are flattened: ``(index tuples, channels)``; ``outputs`` are the output index tuples
    that are asked for, ``(outputs, axes)``.
    """

    signature: Signature
    basis: BasisKind
    normalization: Normalization
    sizes: Mapping[str, int]
    outputs: Indices

    def slots(self) -> Iterator[tuple[float, Array]]:
        """For each slot its normaliser and its support, ``(outputs, input index tuples)``.

        The normaliser has one factor for each block of inputs only; an empty index set has nothing to sum,
        so that its factor does not matter.
        """
        sets, k = self.signature.positions, self.signature.order_in
        inputs = index_tuples([range(self.sizes[name]) for name in sets[:k]])
        columns = [*inputs.T[:, None, :], *self.outputs.T[:, :, None]]
        pairs = [(p, q) for p, q in combinations(range(len(sets)), 2) if sets[p] == sets[q]]
        equal = {(p, q): columns[p] == columns[q] for p, q in pairs}
        for string in restricted_growth_strings(sets).tolist():
            support = np.ones((len(self.outputs), len(inputs)), dtype=np.bool_)
            for p, q in pairs:
                if string[p] == string[q]:
                    support &= equal[p, q]
                elif self.basis == "orbit":
                    support &= ~equal[p, q]
            summed = set(string[:k]) - set(string[k:])
            counts = [max(self.sizes[sets[string.index(block)]], 1) for block in summed]
            yield prod(count ** _EXPONENT[self.normalization] for count in counts), support.astype(np.float64)

    def apply(self, x: Array, weight: Array) -> Array:
        """The output: ``(outputs, out_channels)``; weight: ``(slots, in_channels, out_channels)``."""
        y = np.zeros((len(self.outputs), weight.shape[2]))
        for (factor, support), matrix in zip(self.slots(), weight, strict=True):
            if matrix.any():
                y += factor * (support @ (x @ matrix))
        return y

    def pull_back(self, x: Array, weight: Array, cotangent: Array) -> tuple[Array, Array]:
        """The gradients of ``(cotangent * y).sum()`` with respect to x and to the weight."""
        by_x, by_weight = np.zeros_like(x), np.zeros_like(weight)
        for slot, (factor, support) in enumerate(self.slots()):
            by_x += factor * (support.T @ (cotangent @ weight[slot].T))
            by_weight[slot] = factor * ((support @ x).T @ cotangent)
        return by_x, by_weight
