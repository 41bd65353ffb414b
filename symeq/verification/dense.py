"""The layers from their definition: dense, exact on integers, and knowing nothing of plans or torch.

The dense map of a layer has one matrix over the channels at every index tuple (inputs first, then
outputs). For orbit weights it is the weight of the slot whose set partition is the tuple's equality pattern;
for diagram weights it is the sum of those of all slots on whose blocks the tuple is constant (Maron et al.
2019, arXiv:1812.09902; Godfrey et al. 2023, arXiv:2303.06208).

Patterns are compared as *codes*: one bit for each pair of positions of one index set, set where the two are
equal. A tuple is constant on the blocks of g if it has every bit of g, and has the pattern g if it has no
other bit either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from math import factorial, prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from symeq.bases.derive import convert_weights
from symeq.combinatorics.partitions import opens_block, restricted_growth_strings, stirling
from symeq.signature import BasisKind, Normalization, Signature

Array: TypeAlias = "npt.NDArray[Any]"

EXPONENT: Mapping[Normalization, float] = {"sum": 0.0, "mean": -1.0, "sqrt": -0.5}
_LISTED = 1000  # slots whose pairs may be compared one by one
_CHUNK = 2**22  # numbers in one temporary array


def index_tuples(shape: tuple[int, ...]) -> Array:
    """All index tuples of an array of this shape in C order: (product, axes).

    >>> index_tuples((2, 2)).tolist(), index_tuples(()).tolist()
    ([[0, 0], [0, 1], [1, 0], [1, 1]], [[]])
    """
    if not shape:
        return np.zeros((1, 0), dtype=np.int64)
    return np.indices(shape).reshape(len(shape), -1).T


def cancellation(signature: Signature) -> int:
    """The largest sum of absolute diagram weights that orbit weights of at most 1 can have.

    An orbit operator of b blocks is a sum of ``b!`` signed diagram operators in all, so this is the sum of
    ``S(m, b) b!`` (the Fubini numbers, OEIS A000670), multiplied over the index sets.
    """
    sizes = Counter(signature.positions).values()
    return prod(sum(stirling(m, b) * factorial(b) for b in range(m + 1)) for m in sizes)


class Dense:
    """The dense maps of a signature.

    ``strings``: the restricted growth string of every slot, (slots, positions); ``codes``: their codes,
    (slots,). Weights are ``(slots, in_channels, out_channels)``. Inputs and outputs are flattened:
    ``(samples, index tuples, channels)``. Results are float64, exact while the values stay below 2^53.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.sets = signature.positions
        self.pairs = [
            (p, q) for p, q in combinations(range(len(self.sets)), 2) if self.sets[p] == self.sets[q]
        ]
        assert len(self.pairs) < 64, "11 positions of one index set already have 678570 operators"
        self.strings = restricted_growth_strings(self.sets)
        self.codes = self._codes([self.strings[:, p] for p in range(len(self.sets))], (len(self.strings),))
        self._order = np.argsort(self.codes)
        self._sorted = self.codes[self._order]

    def __len__(self) -> int:
        return len(self.strings)

    def _codes(self, columns: list[Array], shape: tuple[int, ...]) -> Array:
        """The codes of index tuples, given one (broadcastable) array of indices for each position."""
        codes = np.zeros(shape, dtype=np.int64)
        for bit, (p, q) in enumerate(self.pairs):
            codes |= (columns[p] == columns[q]).astype(np.int64) << bit
        return codes

    def tuple_codes(self, sizes: Mapping[str, int], outputs: Array) -> Array:
        """The codes of all input index tuples with some output ones: (outputs, input tuples).

        outputs: (outputs, output positions).
        """
        inputs = index_tuples(self.shape_in(sizes))
        columns = [column[None, :] for column in inputs.T] + [column[:, None] for column in outputs.T]
        return self._codes(columns, (len(outputs), len(inputs)))

    def tuple_slots(self, sizes: Mapping[str, int], outputs: Array) -> Array:
        """The slots of the equality patterns of the same tuples."""
        slots: Array = self._order[np.searchsorted(self._sorted, self.tuple_codes(sizes, outputs))]
        return slots

    def _slots_by_rows(
        self, sizes: Mapping[str, int], outputs: Array, per_tuple: int
    ) -> Iterator[tuple[slice, Array]]:
        """``tuple_slots``, some outputs at a time."""
        step = max(1, _CHUNK // max(1, prod(self.shape_in(sizes)) * per_tuple))
        for start in range(0, len(outputs), step):
            rows = slice(start, start + step)
            yield rows, self.tuple_slots(sizes, outputs[rows])

    def shape_in(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The sizes of the input axes."""
        return tuple(sizes[name] for name in self.signature.inputs)

    def shape_out(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The sizes of the output axes."""
        return tuple(sizes[name] for name in self.signature.outputs)

    def all_outputs(self, sizes: Mapping[str, int]) -> Array:
        """All output index tuples, in C order."""
        return index_tuples(self.shape_out(sizes))

    def one_of_each_pattern(self, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
        """Output index tuples, one of each equality pattern that exists at these sizes."""
        owners = self.signature.outputs
        strings = restricted_growth_strings(owners)
        nodes = {name: rng.permutation(size) for name, size in sizes.items()}
        opens = opens_block(strings)
        found = []
        for string, opening in zip(strings.tolist(), opens.tolist(), strict=True):
            # The blocks of each index set take its nodes in turn.
            left = {name: iter(order.tolist()) for name, order in nodes.items()}
            node: dict[int, int | None] = {}
            for label, name, new in zip(string, owners, opening, strict=True):
                if new:
                    node[label] = next(left[name], None)
            if None not in node.values():
                found.append([node[label] for label in string])
        return np.array(found, dtype=np.int64).reshape(len(found), len(owners))

    def factors(self, normalization: Normalization, counts: Mapping[str, int]) -> Array:
        """What the operator of each slot is multiplied by: (slots,).

        One factor for each block that holds inputs only. An index set without elements has nothing to sum, so
        that its factor does not matter.
        """
        k = self.signature.order_in
        opens = opens_block(self.strings)
        factors = np.ones(len(self))
        for p in range(k):
            meets_output = (self.strings[:, k:] == self.strings[:, p, None]).any(axis=1)
            size = max(counts[self.sets[p]], 1)
            factors[opens[:, p] & ~meets_output] *= size ** EXPONENT[normalization]
        return factors

    def entries(self, weights: Array, basis: BasisKind) -> Array:
        """For the pattern of each slot, the entry of the dense map: orbit weights."""
        if basis == "orbit":
            return weights.astype(np.float64)
        if len(self) > _LISTED:
            return convert_weights(weights, self.signature, basis, "orbit").astype(np.float64)
        finer = self.codes & self.codes[:, None] == self.codes  # [pattern, slot]
        return np.tensordot(finer.astype(np.float64), weights.astype(np.float64), axes=1)

    def apply(self, entries: Array, x: Array, sizes: Mapping[str, int], outputs: Array) -> Array:
        """The map with these entries at some output index tuples: (samples, outputs, out_channels).

        x: (samples, input index tuples, in_channels).
        """
        result = np.zeros((len(x), len(outputs), entries.shape[2]))
        for rows, slots in self._slots_by_rows(sizes, outputs, entries[0].size):
            matrix = entries[slots]  # (outputs, inputs, in_channels, out_channels)
            result[:, rows] = np.tensordot(x, matrix, axes=([1, 2], [1, 2]))
        return result

    def alone(self, basis: BasisKind, slots: Array, x: Array, sizes: Mapping[str, int]) -> Array:
        """Each of some operators on an input of its own: (samples, output index tuples, slots).

        x: (samples, input index tuples, slots). This takes the definition at its word, without ``entries``.
        """
        result = np.zeros((len(x), prod(self.shape_out(sizes)), len(slots)))
        step = max(1, _CHUNK // max(1, prod(self.shape_in(sizes)) * result.shape[1]))
        codes = self.tuple_codes(sizes, self.all_outputs(sizes))
        for start in range(0, len(slots), step):
            wanted = self.codes[slots[start : start + step], None, None]
            ones = codes == wanted if basis == "orbit" else (codes & wanted) == wanted
            columns = x[:, :, start : start + step].transpose(2, 1, 0)  # (slots, inputs, samples)
            result[:, :, start : start + step] = (ones.astype(np.float64) @ columns).transpose(2, 1, 0)
        return result

    def pull_back(
        self, entries: Array, basis: BasisKind, x: Array, cotangent: Array, sizes: Mapping[str, int]
    ) -> tuple[Array, Array]:
        """The gradients of the sum of ``cotangent * y``, with respect to x and to the weights of a basis.

        x: (1, input index tuples, in_channels), cotangent: (1, output index tuples, out_channels).
        """
        by_input = np.zeros_like(x)
        by_pattern = np.zeros_like(entries)
        for rows, slots in self._slots_by_rows(sizes, self.all_outputs(sizes), entries[0].size):
            by_input += np.einsum("jiab,sjb->sia", entries[slots], cotangent[:, rows], optimize=True)
            products = np.einsum("sia,sjb->jiab", x, cotangent[:, rows], optimize=True)
            np.add.at(by_pattern, slots, products)
        if basis == "orbit":
            return by_input, by_pattern
        # A diagram weight enters the entries of all patterns that are as coarse as its own.
        present = np.flatnonzero(by_pattern.any(axis=(1, 2)))
        patterns = self.codes[present]
        flat = by_pattern[present].reshape(len(present), entries[0].size)
        by_weight = np.zeros((len(self), flat.shape[1]))
        step = max(1, _CHUNK // max(1, len(present)))
        for start in range(0, len(self), step):
            finer = self.codes[start : start + step, None]
            by_weight[start : start + step] = ((patterns & finer) == finer).astype(np.float64) @ flat
        return by_input, by_weight.reshape(entries.shape)
