"""What is tried: cases, checks that are still to be made, and what a failing one finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from symeq.signature import BasisKind, Normalization
from symeq.verification.dense import Array
from symeq.verification.load import in_one_line
from symeq.verification.report import Counterexample, Kind

IN_CHANNELS, OUT_CHANNELS = 2, 3  # different, so that they cannot be mixed up
LARGEST = 9  # of weights and inputs
HEAVY_SLOTS = 10_000  # from so many on, fewer cases: making a layer and calling it takes seconds
BASES: tuple[BasisKind, ...] = ("diagram", "orbit")
NORMALIZATIONS: tuple[Normalization, ...] = ("sum", "mean", "sqrt")
EXACT = 2**53  # float64 holds all integers below

MaskKind: TypeAlias = Literal["none", "own", "shared", "first", "empty", "shared empty"]
Part: TypeAlias = Literal["everything", "real", "padded"]
Masks: TypeAlias = Mapping[str, Array]
_MASK_WORDS: Mapping[MaskKind, str] = {
    "none": "no mask",
    "own": "a mask for each sample",
    "shared": "one mask for all samples",
    "first": "a mask for the first index set only",
    "empty": "masks, a sample without any real node",
    "shared empty": "one mask for all samples, no real node",
}


@dataclass(frozen=True)
class Case:
    """A layer's options and the shape of what it is called with.

    ``bad_padding``: padded inputs are NaN and infinities, else numbers. ``patterns``: only one output entry
    of each equality pattern is looked at. ``all_sizes``: ``sizes`` is given also for index sets that x has.
    """

    basis: BasisKind
    sizes: Mapping[str, int]
    normalization: Normalization = "sum"
    bias: bool = True
    batch: tuple[int, ...] = (2,)
    mask: MaskKind = "none"
    bad_padding: bool = False
    patterns: bool = False
    all_sizes: bool = False

    def __str__(self) -> str:
        parts = [
            f"{self.basis} basis",
            f'normalization "{self.normalization}"',
            "bias" if self.bias else "no bias",
            _MASK_WORDS[self.mask] + (", NaN and inf in the padding" if self.bad_padding else ""),
            f"batch {self.batch}",
            *(f"{name} = {size}" for name, size in self.sizes.items()),
        ]
        return ", ".join(parts)


@dataclass(frozen=True)
class Parameters:
    """weight: (slots, in_channels, out_channels), bias: (bias slots, out_channels), integers."""

    weight: Array
    bias: Array | None


@dataclass(frozen=True)
class Rung:
    """A check that is still to be made: ``run`` raises ``Mismatch`` for a case that fails."""

    name: str
    scope: str
    cases: Sequence[Any]
    run: Callable[[Any, int], None]
    kind: Kind = "tested"


class Mismatch(Exception):  # noqa: N818  # a finding, caught by the check that looks for it
    """The layer does not do what it should."""

    def __init__(self, detail: str, counterexample: Counterexample | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.counterexample = counterexample


def raised(what: str, error: Exception) -> Mismatch:
    """The finding that the layer's own code raised ``error``."""
    return Mismatch(f"{what} raised {in_one_line(error)}")
