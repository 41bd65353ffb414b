"""What the checks share: the subject in its best precision, its weights, the sizes, the random numbers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import Tensor

from symeq.auditing.load import Target
from symeq.auditing.subject import Sizes, Subject
from symeq.auditing.weights import Weights
from symeq.signature import Signature

_APART = 3  # so many index sets have different sizes
_LARGER = 2**18  # numbers of one sample's input or output at the larger sizes
_LARGE = (300, 33, 17, 12)
SHOWN = 6  # of a kind, in a finding
SLACK = 1e-5  # relative errors that point to a lower precision inside rather than to a wrong map


@dataclass
class Study:
    """One audit under way.

    ``sizes``: those at which the code runs, ascending; ``full``: one of them where all set partitions can be
    told apart, or the largest; ``large``: one more at which only values are looked at, if it runs there.
    """

    target: Target
    signature: Signature
    subject: Subject
    weights: Weights
    seed: int
    sizes: list[Sizes] = field(default_factory=list)
    full: Sizes = field(default_factory=dict)
    large: list[Sizes] = field(default_factory=list)

    @property
    def tolerance(self) -> float:
        """The relative error that sums of floating-point numbers may have."""
        return 1e-9 if self.subject.dtype == torch.float64 else 1e-4

    @property
    def stacked(self) -> bool:
        """Whether the code returns operators and not a combination of them."""
        return not self.weights.tensors

    def rng(self, check: str) -> np.random.Generator:
        """The random numbers of one check."""
        return np.random.default_rng([self.seed, zlib.crc32(check.encode())])

    def draw(self, rng: np.random.Generator, batch: int, sizes: Sizes) -> Tensor:
        """A canonical input of random integers, none of them 0."""
        shape = (batch, *self.subject.shape_in(sizes), self.subject.shape.in_channels)
        return integers(rng, shape)

    def randomise(self, rng: np.random.Generator) -> None:
        """Random integers for all weights."""
        self.weights.set(integers(rng, (self.weights.number,)))

    def words(self, sizes: Sequence[Sizes] | None = None) -> str:
        """Sizes as text: ``n = 1, 2, 3`` or ``(u, i) = (1, 2), (2, 1)``."""
        return several_in_words(self.signature, self.sizes if sizes is None else sizes)


def integers(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Random integers from -9 to 9 without 0, as float64."""
    return torch.from_numpy(
        (rng.integers(1, 10, shape) * rng.choice(np.array([-1, 1]), shape)).astype(np.float64)
    )


def off(got: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value; infinite where a value is no number."""
    if not got.numel():
        return 0.0
    difference = float((got - expected).abs().max())
    if difference == 0.0:
        return 0.0
    scale = float(torch.maximum(got.abs().max(), expected.abs().max()))
    return difference / scale if np.isfinite(difference) and np.isfinite(scale) else float("inf")


def exactness(values: Tensor) -> str:
    """How a comparison of these values was made."""
    return "in integers, exactly" if bool((values == values.round()).all()) else "to rounding"


def ladder(signature: Signature, channels: int) -> tuple[list[Sizes], Sizes, list[Sizes]]:
    """Sizes from 1 on to the full ones, where all set partitions exist; index sets have different sizes.

    The last is larger where it fits, ``channels`` numbers to an entry; and one still larger stands alone.
    """
    sets = signature.index_sets
    if not sets:
        return [{}], {}, []

    def fits(sizes: Sizes) -> bool:
        sides = (signature.inputs, signature.outputs)
        return max(prod(sizes[name] for name in side) for side in sides) * channels <= _LARGER

    most = max(signature.positions.count(name) for name in sets)
    found: list[Sizes]
    if len(sets) == 1:
        full: Sizes = {sets[0]: max(most, 3)}
        found = [{sets[0]: n} for n in range(1, full[sets[0]] + 1)]
    else:
        apart = [at % _APART for at in range(len(sets))]
        full = {name: max(most, 2) + more for name, more in zip(sets, apart, strict=True)}
        found = []
        for n in range(1, most + 1):
            for order in (apart, apart[::-1]):
                found.append({name: n + more for name, more in zip(sets, order, strict=True)})
        found = [sizes for sizes in found if sizes != full] + [full]
    larger = {name: size + 3 for name, size in full.items()}
    if fits(larger):
        found.append(larger)
    large: list[Sizes] = [
        {name: n + at for at, name in enumerate(sets)} for n in _LARGE if n > max(found[-1].values())
    ]
    return found, full, [sizes for sizes in large if fits(sizes)][:1]


def several_in_words(signature: Signature, sizes: Sequence[Sizes]) -> str:
    """Sizes as text."""
    sets = signature.index_sets
    if not sets or not sizes:
        return "no index sets" if not sets else "no size"
    if len(sets) == 1:
        return f"{sets[0]} = {', '.join(str(s[sets[0]]) for s in sizes)}"
    return f"({', '.join(sets)}) = {', '.join(str(tuple(s[name] for name in sets)) for s in sizes)}"


def listed(numbers: Sequence[object], most: int = 8) -> str:
    """Some of them as text, and how many more."""
    shown = ", ".join(map(str, numbers[:most]))
    return shown + (f" and {len(numbers) - most} more" if len(numbers) > most else "")
