"""What code spans: its maps as vectors over the orbit operators, at every size, and their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from symeq.auditing.exact import Array, primitive, rank
from symeq.auditing.maps import Family, Reader, Row, stack_rows
from symeq.auditing.study import Study
from symeq.auditing.subject import Sizes
from symeq.bases.derive import derive

_DENOMINATORS = 1000  # of ratios between the numbers of one operator


@dataclass(frozen=True)
class Vectors:
    """Row vectors over the orbit operators present at some sizes; ``exact``: integers, else floats."""

    values: Array
    exact: bool


def vectors_of(rows: Sequence[Array], study: Study, sizes: Sizes) -> Vectors:
    """The vectors as primitive integer vectors; as floats, the largest entry 1, where they are none.

    Means make multiples of 1 / n, one for each axis summed, so that n^k times an entry is an integer.
    """
    values = np.stack(rows) if rows else np.zeros((0, 0))
    coarse = study.subject.dtype != torch.float64
    scale = prod(sizes[name] for name in study.signature.inputs)
    found, known = primitive(values, study.tolerance, 64 if coarse else _DENOMINATORS, scale)
    if known.all():
        return Vectors(found, True)
    return Vectors(values / np.abs(values).max(axis=1, keepdims=True), False)


def rank_of(vectors: Vectors, bound: int) -> int:
    """The rank, which is at most ``bound``; exact where the vectors are."""
    if not vectors.values.size:
        return 0
    if vectors.exact:
        return rank(vectors.values, bound)
    return numerical_rank(list(vectors.values))


def numerical_rank(vectors: Sequence[Array]) -> int:
    """The number of singular values above 1e-7 of the largest."""
    if not vectors or not vectors[0].size:
        return 0
    singular = np.linalg.svd(np.stack(vectors), compute_uv=False)
    return int((singular > 1e-7 * singular[0]).sum()) if singular[0] > 0 else 0


def quick_rank(study: Study) -> int:
    """About how many operators the code spans, from a few maps: enough to compare axis orders."""
    spans = Spans(study)
    rows = spans.rows(study.full) if spans.family is None else spans.family.draws(study.full, 12)
    maps = [v for row in rows for cell, v in row.parts.items() if cell[0] >= 0 and v.any()]
    return numerical_rank(maps)


class Spans:
    """The rows of a study at each size, made once and looked at by several findings."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.reader = Reader(study.subject, study.signature, study.stacked)
        self.family = (
            None if study.stacked else Family(self.reader, study.weights, study.full, study.rng("family"))
        )
        self.complaints: list[str] = []
        self._rows: dict[tuple[int, ...], list[Row]] = {}

    @property
    def how(self) -> str:
        """Where the rows come from, in words."""
        if self.family is None:
            return "each operator of the stack" if self.study.subject.shape.operators > 1 else "the map"
        if self.family.one_by_one:
            return "one parameter entry after another"
        why = (
            "the map is not affine in the parameters"
            if not self.family.affine
            else "there are many parameters"
        )
        return f"random parameters, as {why}"

    def rows(self, sizes: Sizes) -> list[Row]:
        """The rows at these sizes."""
        key = tuple(sizes.values())
        if key not in self._rows:
            self._rows[key] = self._made(sizes)
        return self._rows[key]

    def _made(self, sizes: Sizes) -> list[Row]:
        if self.family is None:
            reading = self.reader.read(sizes)
            rows, complaints = stack_rows(self.reader, reading)
            if sizes == self.study.full:
                self.complaints = complaints
            shape = self.study.subject.shape
            scale = np.abs(reading.numbers).max(initial=0)
            uneven = reading.spread.max(axis=0) > self.study.tolerance * max(scale, 1e-300)
            if shape.operators > 1:  # operators that are not equivariant are no combinations of these
                per_operator = uneven.reshape(shape.operators, shape.out_channels).any(axis=1)
                rows = [row for row, bad in zip(rows, per_operator, strict=True) if not bad]
            return rows
        if self.family.one_by_one:
            return self.family.rows(sizes)
        return self.family.draws(sizes, derive(self.study.signature).dimension(dict(sizes)))

    def maps(self, sizes: Sizes) -> list[tuple[str, Array]]:
        """The vectors of single cells that are not zero, bias left out, with their labels."""
        return [
            (row.label, vector)
            for row in self.rows(sizes)
            for cell, vector in row.parts.items()
            if cell[0] >= 0 and vector.any()
        ]
