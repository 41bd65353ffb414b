"""The intermediate representation: what a layer computes, as steps on axes.

Every diagram operator factors into contract, mix and broadcast (Godfrey, Rawson, Brown and
Kvinge 2023, arXiv:2303.06208). A ``Plan`` lists such steps; axes are integers,
index sets are looked up in the signature, and nothing here knows of torch.

Tensors are numbered: contraction 0 is the input x, broadcast 0 is the output y.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from symeq.combinatorics.partitions import ranks, renumber
from symeq.signature import Signature

if TYPE_CHECKING:
    from symeq.plans.cost import PlanReport

Permutation = tuple[int, ...]

COPIED = -1
"""In the permutation of a source: an axis of the product that the source does not have."""


@dataclass(frozen=True, order=True, slots=True)
class AxisMap:
    """Which axes are identified, and which blocks of them remain.

    ``blocks[a]`` is the block of axis ``a`` of the larger tensor (a restricted growth string);
    ``kept`` lists the blocks that are axes of the smaller tensor, in its order. Read from large
    to small it *contracts* (diagonals inside blocks, sums over blocks not kept); read from small
    to large it is the adjoint, and *broadcasts* (onto diagonals, along blocks not kept).

    >>> print(AxisMap((0, 1, 0), (0,)))
    [0 2] (1)
    """

    blocks: tuple[int, ...]
    kept: tuple[int, ...]

    @classmethod
    def identity(cls, order: int) -> AxisMap:
        """The map that keeps each of ``order`` axes."""
        return cls(tuple(range(order)), tuple(range(order)))

    @property
    def dropped(self) -> tuple[int, ...]:
        """The blocks that are not kept: summed in a contraction, copied along in a broadcast."""
        return tuple(block for block in range(self.block_count) if block not in self.kept)

    @property
    def block_count(self) -> int:
        """The number of blocks, kept or not."""
        return max(self.blocks, default=-1) + 1

    def axes(self, block: int) -> tuple[int, ...]:
        """The axes of the larger tensor that ``block`` identifies."""
        return tuple(axis for axis, other in enumerate(self.blocks) if other == block)

    def then(self, after: AxisMap) -> AxisMap:
        """The contraction by ``self`` followed by the contraction by ``after``.

        >>> AxisMap((0, 1, 2), (0, 1)).then(AxisMap((0, 0), (0,)))
        AxisMap(blocks=(0, 0, 1), kept=(0,))
        """
        labels: dict[tuple[bool, int], int] = {}
        blocks = []
        for block in self.blocks:
            kept = block in self.kept
            key = (kept, after.blocks[self.kept.index(block)] if kept else block)
            blocks.append(labels.setdefault(key, len(labels)))
        return AxisMap(tuple(blocks), tuple(labels[True, block] for block in after.kept))

    def after(self, first: AxisMap) -> AxisMap:
        """The map that leads from the result of ``first`` to the result of ``self``.

        Both start at the same tensor; ``first.then(self.after(first)) == self``. Defined where
        ``self`` refines nothing that ``first`` has merged or summed.
        """
        labels: dict[int, int] = {}
        blocks = tuple(
            labels.setdefault(self.blocks[first.axes(block)[0]], len(labels)) for block in first.kept
        )
        return AxisMap(blocks, tuple(labels[block] for block in self.kept))

    def __str__(self) -> str:
        ends = {block: "[]" if block in self.kept else "()" for block in self.blocks}
        return " ".join(f"{ends[b][0]}{' '.join(map(str, self.axes(b)))}{ends[b][1]}" for b in ends)


@dataclass(frozen=True, slots=True)
class Contract:
    """Contraction ``target`` is ``map`` applied to contraction ``source``."""

    target: int
    source: int
    map: AxisMap


@dataclass(frozen=True, slots=True)
class Mix:
    """One matrix product over the channels of tensors with the same index axes.

    A source is a contraction with its axes permuted, a target a broadcast to which the product is
    added with its axes permuted; between them stands the weight of one slot (``Plan.slots``).
    A permutation ``p`` means ``numpy.transpose``: axis ``q`` of the result is axis ``p[q]``.

    The axes of a product are propagating blocks, but where channels are mixed elsewhere
    (``symeq.plans.mixing``) it has more: along an axis that is ``COPIED`` a source is copied, and
    over an axis that a target does not name the product is summed.
    """

    sources: tuple[tuple[int, Permutation], ...]
    targets: tuple[tuple[int, Permutation], ...]

    @property
    def level(self) -> int:
        """The number of axes of the product, which are its propagating blocks if none is copied or summed."""
        return len(self.sources[0][1])


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Broadcast ``source`` is added to broadcast ``target`` by the adjoint of ``map``."""

    source: int
    target: int
    map: AxisMap


@dataclass(frozen=True, slots=True)
class Plan:
    """What a layer computes: contractions in order, then products, then broadcasts in order.

    ``bias[slot]`` is the broadcast to which the bias of that slot is added.
    """

    signature: Signature
    contracts: tuple[Contract, ...]
    mixes: tuple[Mix, ...]
    broadcasts: tuple[Broadcast, ...]
    bias: tuple[int, ...]

    def contractions(self) -> dict[int, AxisMap]:
        """For every contraction, its map from the input x."""
        maps = {0: AxisMap.identity(self.signature.order_in)}
        for step in self.contracts:
            maps[step.target] = maps[step.source].then(step.map)
        return maps

    def broadcast_maps(self) -> dict[int, AxisMap]:
        """For every broadcast, its map from the output y (whose adjoint leads to y)."""
        maps = {0: AxisMap.identity(self.signature.order_out)}
        for step in reversed(self.broadcasts):
            maps[step.source] = maps[step.target].then(step.map)
        return maps

    def product_sets(self, mix: Mix) -> tuple[str, ...]:
        """The index set of each axis of a product: as a source has it, or, where it is copied, a target."""
        (source, before), (target, after) = mix.sources[0], mix.targets[0]
        inputs = axis_sets(self.contractions()[source], self.signature.inputs)
        outputs = axis_sets(self.broadcast_maps()[target], self.signature.outputs)
        return tuple(
            outputs[after.index(q)] if axis == COPIED else inputs[axis] for q, axis in enumerate(before)
        )

    def slots(self, mix: Mix) -> npt.NDArray[np.int64]:
        """The weight slot between each source and each target of ``mix``: ``(sources, targets)``.

        Contraction, permutations and broadcast make up the set partition of all positions: where
        kept blocks meet they are one block, and the slot is its rank.
        """
        inputs, outputs = self.contractions(), self.broadcast_maps()
        sources = np.array([_carried(inputs[s], p) for s, p in mix.sources], np.int64)
        # A target's axis q is axis p[q] of the product: the inverse tells a kept block's axis.
        targets = np.array(
            [_positions(outputs[t], p, self.signature.order_in) for t, p in mix.targets], np.int64
        ).reshape(len(mix.targets), self.signature.order_out)
        k = self.signature.order_in
        shape = (len(sources), len(targets))
        strings = np.empty((*shape, k + targets.shape[1]), np.int64)
        strings[..., :k] = sources[:, None, :k]
        blocks = sources[:, :k].max(axis=1, initial=-1) + 1
        for axis, code in enumerate(targets.T):
            carried = (
                sources[:, np.where(code < 0, 0, code)] if sources.shape[1] else np.zeros(shape, np.int64)
            )
            strings[..., k + axis] = np.where(code < 0, blocks[:, None] - 1 - code, carried)
        flat = strings.reshape(len(sources) * len(targets), strings.shape[2])
        if any(COPIED in p for _, p in mix.sources):  # new blocks, in the order of the product's axes
            flat = np.array([renumber(string) for string in flat.tolist()], np.int64)
        return ranks(flat, self.signature.positions).reshape(shape)

    def report(self) -> PlanReport:
        """Counts of steps, and costs as polynomials in the sizes and the channels; prints as a table."""
        from symeq.plans.cost import report  # SymPy, only where it is asked for

        return report(self)

    def _repr_svg_(self) -> str | None:
        from symeq.drawing import in_notebook

        return in_notebook(self)


def _carried(map_: AxisMap, permutation: Permutation) -> list[int]:
    """The block of each input position, then of each axis of the product, new ones where it is copied."""
    new = itertools.count(map_.block_count)
    return [*map_.blocks, *(next(new) if axis == COPIED else map_.kept[axis] for axis in permutation)]


def _positions(map_: AxisMap, permutation: Permutation, order_in: int) -> list[int]:
    """For each output position the column of its block in a source's row, or -1 - its number if it is new."""
    free: dict[int, int] = {}
    return [
        order_in + permutation[map_.kept.index(block)]
        if block in map_.kept
        else -1 - free.setdefault(block, len(free))
        for block in map_.blocks
    ]


def axis_sets(map_: AxisMap, sets: tuple[str, ...], blocks: Iterable[int] | None = None) -> tuple[str, ...]:
    """The index set of each given block of ``map_`` (of each kept one, if none are given)."""
    return tuple(sets[map_.axes(block)[0]] for block in (map_.kept if blocks is None else blocks))
