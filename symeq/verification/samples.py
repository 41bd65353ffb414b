"""The samples of a batch, masks, and random integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from symeq.verification.cases import (
    LARGEST,
    Case,
    Masks,
)
from symeq.verification.dense import Array


@dataclass(frozen=True)
class Sample:
    """One sample of a batch: its place, and the real nodes of every index set."""

    index: tuple[int, ...]
    real: Mapping[str, Array]

    @property
    def counts(self) -> dict[str, int]:
        """The number of real nodes of every index set."""
        return {name: len(nodes) for name, nodes in self.real.items()}

    def take(self, x: Array, sets: tuple[str, ...]) -> Array:
        """The sample's entries at real nodes; x: (*batch, axes over ``sets``, channels)."""
        taken: Array = x[self.index][np.ix_(*(self.real[name] for name in sets), np.arange(x.shape[-1]))]
        return taken

    def put(self, y: Array, sets: tuple[str, ...], values: Array) -> None:
        """The inverse of ``take``; values: (index tuples, channels)."""
        place = np.ix_(*(self.real[name] for name in sets), np.arange(y.shape[-1]))
        y[self.index][place] = values.reshape([axis.size for axis in place])


def samples_of(case: Case, masks: Masks | None) -> list[Sample]:
    """The samples of a batch."""
    samples = []
    for index in np.ndindex(case.batch):
        real = {name: np.arange(size) for name, size in case.sizes.items()}
        for name, mask in (masks or {}).items():
            real[name] = np.flatnonzero(mask if mask.ndim == 1 else mask[index])
        samples.append(Sample(index, real))
    return samples


def by_counts(case: Case, masks: Masks | None) -> dict[tuple[int, ...], list[Sample]]:
    """The samples of a batch, those with the same numbers of real nodes together."""
    groups: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples_of(case, masks):
        groups.setdefault(tuple(sample.counts.values()), []).append(sample)
    return groups


def real_entries(sets: tuple[str, ...], case: Case, masks: Masks) -> Array:
    """Which entries of a tensor with axes over ``sets`` are real: (*batch, n, ..., n) bool."""
    real = np.ones((*case.batch, *(case.sizes[name] for name in sets)), dtype=np.bool_)
    for axis, name in enumerate(sets):
        if name in masks:
            mask = masks[name]
            real &= mask.reshape(*mask.shape[:-1], *[1] * axis, mask.shape[-1], *[1] * (len(sets) - axis - 1))
    return real


def draw_masks(case: Case, rng: np.random.Generator) -> Masks | None:
    """Masks with real nodes anywhere; if there are two nodes or more, the first sample has padding."""
    if case.mask == "none":
        return None
    names = list(case.sizes)[:1] if case.mask == "first" else list(case.sizes)
    masks = {}
    for name in names:
        size = case.sizes[name]
        batch = () if case.mask.startswith("shared") else case.batch
        mask = np.zeros((*batch, size), dtype=np.bool_)
        for at, index in enumerate(np.ndindex(batch)):
            real = rng.integers(1, max(2, size if at == 0 else size + 1))
            mask[index][rng.permutation(size)[:real]] = True
        if case.mask == "empty":
            mask[(-1,) * len(batch)] = False
        elif case.mask == "shared empty":
            mask[...] = False
        masks[name] = mask
    return masks


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random integers from -LARGEST to LARGEST without 0."""
    numbers: Array = rng.integers(1, LARGEST + 1, shape) * rng.choice(np.array([-1, 1]), shape)
    return numbers
