"""One layer class on trial: cases, the numbers they are tried with, and what must come out.

Weights and inputs are integers, so that with normalization "sum" float64 gives the definition bit for bit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from symeq.signature import BasisKind, Normalization, Signature
from symeq.verification.dense import Array, Dense, cancellation
from symeq.verification.load import Subject, in_one_line
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


def way_of(layer: nn.Module) -> bool | None:
    """Which of its two ways to compute a layer takes; None if it has one only."""
    found = vars(layer).get("symmetrised")
    return found if isinstance(found, bool) else None


def take_way(layer: nn.Module, way: bool | None) -> None:
    """Makes a layer that has two ways take this one."""
    vars(layer)["symmetrised"] = way


def has_two_ways(subject: Subject) -> bool:
    """Whether its layers have two ways to compute, of which one is for many channels."""
    try:
        return way_of(subject.layer(IN_CHANNELS, OUT_CHANNELS)) is not None
    except Exception:  # the checks of the class tell
        return False


class Trial:
    """The class on trial, the definition it is held against, and the layers made of it so far.

    A layer that has two ways to compute, by its channels, says which in its attribute ``symmetrised``. The
    layers of a trial take the way it is for, if it is for one.
    """

    def __init__(self, subject: Subject, seed: int, symmetrised: bool | None = None) -> None:
        self.subject = subject
        self.symmetrised = symmetrised
        self.signature = subject.signature
        self.seed = seed
        self.dense = Dense(self.signature)
        self.bias_dense = Dense(Signature((), self.signature.outputs))
        self.heavy = len(self.dense) >= HEAVY_SLOTS
        self._layers: dict[tuple[object, ...], nn.Module] = {}

    def rng(self, check: str, at: int) -> np.random.Generator:
        """The random numbers of one case of a check."""
        return np.random.default_rng([self.seed, zlib.crc32(check.encode()), at])

    def exact(self, sizes: Mapping[str, int], in_channels: int = IN_CHANNELS) -> bool:
        """Whether all values of a layer stay below 2^53, in whatever order they are added up."""
        terms = max(cancellation(self.signature), len(self.dense))
        largest = terms * prod(self.dense.shape_in(sizes)) * in_channels * LARGEST**2
        return largest + cancellation(self.bias_dense.signature) * LARGEST < EXACT

    @property
    def exact_gradients(self) -> bool:
        """Whether gradients of integers are: sorted entries are divided at the end, so gradients at first."""
        return not self.symmetrised

    @property
    def gradients_in_words(self) -> str:
        """How exact gradients are."""
        return "exact" if self.exact_gradients else f"to {self.tolerance:.1e}"

    @property
    def tolerance(self) -> float:
        """The relative error that normalised sums may have.

        Orbit weights become diagram weights whose sum may be ``cancellation`` times larger.
        """
        return max(1e-10, 2.0**-52 * cancellation(self.signature))

    # ------------------------------------------------------------ the layer

    def new(
        self,
        case: Case,
        dtype: torch.dtype | None,
        channels: tuple[int, int] = (IN_CHANNELS, OUT_CHANNELS),
        as_made: bool = False,
    ) -> nn.Module:
        """A layer with the options of ``case``, just made; ``as_made``: it takes the way that it chooses."""
        options = {
            "bias": case.bias,
            "basis": case.basis,
            "normalization": case.normalization,
            "dtype": dtype,
        }
        try:
            made = self.subject.layer(*channels, **options)
        except Exception as error:
            given = ", ".join(
                [*map(str, channels), *(f"{name}={value!r}" for name, value in options.items())]
            )
            raise raised(f"{self.subject.layer.__name__}({given})", error) from error
        if as_made:
            return made
        if self.symmetrised is not None and way_of(made) is not None:
            take_way(made, self.symmetrised)
        if dtype == torch.float64 and channels == (IN_CHANNELS, OUT_CHANNELS):
            self._layers[self._key(case, channels)] = made
        return made

    def _key(self, case: Case, channels: tuple[int, int]) -> tuple[object, ...]:
        return (*channels, case.basis, case.normalization, case.bias)

    def layer(self, case: Case, parameters: Parameters) -> nn.Module:
        """A float64 layer with the options of ``case`` and these parameters; one made before serves again."""
        channels: tuple[int, int] = parameters.weight.shape[1:]
        key = self._key(case, channels)
        if key not in self._layers:
            self._layers[key] = self.new(case, torch.float64, channels)
        return self.loaded(self._layers[key], parameters)

    def loaded(self, layer: nn.Module, parameters: Parameters) -> nn.Module:
        """The layer itself, with these parameters."""
        state = {"weight": torch.from_numpy(parameters.weight.astype(np.float64))}
        if parameters.bias is not None:
            state["bias"] = torch.from_numpy(parameters.bias.astype(np.float64))
        try:
            layer.load_state_dict(state)
        except Exception as error:
            raise raised("load_state_dict", error) from error
        return layer

    def call(self, layer: nn.Module, case: Case, x: Tensor, masks: Masks | None) -> Tensor:
        """The layer's output, channels last; x: (*batch, n, ..., n, channels)."""
        first = self.subject.layout == "channels-first"
        given, options = self.arguments(case, x, masks)
        before = given.detach().clone()
        try:
            y = layer(given, **options)
        except Exception as error:
            raise raised(f"{case}\nforward", error) from error
        if not torch.equal(given.detach().nan_to_num(1, 2, 3), before.nan_to_num(1, 2, 3)):
            raise Mismatch(f"{case}\nforward changes its input x in place")
        shape = [case.sizes[name] for name in self.signature.outputs]
        channels = layer.state_dict()["weight"].shape[2]
        expected = (*case.batch, *((channels, *shape) if first else (*shape, channels)))
        if not isinstance(y, Tensor) or tuple(y.shape) != expected or y.dtype != torch.float64:
            came = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise Mismatch(f"{case}\ny is {came}, expected torch.float64 of shape {expected}")
        return self.channels_last(y)

    def arguments(self, case: Case, x: Tensor, masks: Masks | None) -> tuple[Tensor, dict[str, Any]]:
        """What the layer is called with: x in its layout, and the options mask and sizes."""
        options: dict[str, Any] = {}
        if masks is not None:
            tensors = {name: torch.from_numpy(mask) for name, mask in masks.items()}
            # With one index set the mask may be a tensor or a dict; shared ones are tried as dicts.
            plain = len(self.signature.index_sets) == 1 and not case.mask.startswith("shared")
            options["mask"] = next(iter(tensors.values())) if plain else tensors
        known = () if case.all_sizes else self.signature.inputs
        sizes = {name: size for name, size in case.sizes.items() if name not in known}
        if sizes:
            options["sizes"] = sizes
        if self.subject.layout == "channels-last":
            return x, options
        return x.movedim(-1, -self.signature.order_in - 1).contiguous(), options

    def channels_last(self, y: Tensor) -> Tensor:
        """The layer's output with its channels last, whatever the layout."""
        first = self.subject.layout == "channels-first"
        return y.movedim(-self.signature.order_out - 1, -1) if first else y

    def values(self, layer: nn.Module, case: Case, x: Array, masks: Masks | None) -> Array:
        """``call`` without gradients, from NumPy to NumPy."""
        with torch.no_grad():
            values: Array = self.call(layer, case, torch.from_numpy(x), masks).detach().numpy()
        return values

    # ------------------------------------------------------------ numbers

    def parameters(self, case: Case, rng: np.random.Generator) -> Parameters:
        """Random integers for all slots at once."""
        weight = nonzero(rng, (len(self.dense), IN_CHANNELS, OUT_CHANNELS))
        return Parameters(weight, nonzero(rng, (len(self.bias_dense), OUT_CHANNELS)) if case.bias else None)

    def draw(self, case: Case, rng: np.random.Generator) -> tuple[Array, Masks | None]:
        """x, as integers, and the masks."""
        x = nonzero(rng, (*case.batch, *self.dense.shape_in(case.sizes), IN_CHANNELS)).astype(np.float64)
        masks = _masks(case, rng)
        if case.bad_padding and masks is not None:
            bad = np.array([np.nan, np.inf, -np.inf])
            padded = ~real_entries(self.signature.inputs, case, masks)
            x = np.where(padded[..., None], bad[rng.integers(0, 3, x.shape)], x)
        return x, masks

    # ------------------------------------------------------------ what must come out

    def expected(
        self, case: Case, parameters: Parameters, x: Array, masks: Masks | None, outputs: Array | None = None
    ) -> Array:
        """The output by definition, (*batch, n, ..., n, out_channels), zero at padded entries.

        Every sample's real nodes are taken out and given to the dense map of their own number. ``outputs``,
        without masks: (*batch, outputs, out_channels) at these output index tuples only.
        """
        weight = parameters.weight
        out = (len(outputs),) if outputs is not None else self.dense.shape_out(case.sizes)
        y = np.zeros((*case.batch, *out, weight.shape[2]))
        entries = self.dense.entries(weight, case.basis)
        for samples in by_counts(case, masks).values():
            counts = samples[0].counts
            at = self.dense.all_outputs(counts) if outputs is None else outputs
            if case.normalization != "sum":
                entries = self.dense.entries(self.scaled(case, weight, counts), case.basis)
            taken = np.stack([sample.take(x, self.signature.inputs) for sample in samples])
            flat = taken.reshape(len(samples), prod(self.dense.shape_in(counts)), weight.shape[1])
            values = self.dense.apply(entries, flat, counts, at)
            if parameters.bias is not None:
                bias = self.bias_dense.entries(parameters.bias[:, None], case.basis)
                values = values + self.bias_dense.apply(bias, np.ones((1, 1, 1)), counts, at)
            for sample, value in zip(samples, values, strict=True):
                if outputs is not None:
                    y[sample.index] = value
                else:
                    sample.put(y, self.signature.outputs, value)
        return y

    def scaled(self, case: Case, weight: Array, counts: Mapping[str, int]) -> Array:
        """The weights times the normaliser of their operator."""
        if case.normalization == "sum":
            return weight
        return weight * self.dense.factors(case.normalization, counts)[:, None, None]

    # ------------------------------------------------------------ comparing

    def try_values(
        self, case: Case, fresh: Callable[[], np.random.Generator], only: Part = "everything"
    ) -> None:
        """Hold a layer with random weights in all slots against the definition.

        ``fresh`` gives the same random numbers whenever it is called; ``only`` the real or the padded entries
        are looked at, or everything. A slot that is wrong by itself is named.

        Raises:
            Mismatch: it does something else.
        """
        try:
            self._try_values(case, fresh(), only, None)
        except Mismatch as found:
            if found.counterexample is not None:
                found = self._blame(case, fresh, only) or found
            raise found from None

    def _try_values(self, case: Case, rng: np.random.Generator, only: Part, kept: Array | None) -> None:
        """``try_values`` with all weights zero but those of the slots ``kept``."""
        parameters = self.parameters(case, rng)
        if kept is not None:
            keep = np.zeros(len(self.dense) + len(self.bias_dense), dtype=np.int64)
            keep[kept] = 1
            weight = parameters.weight * keep[: len(self.dense), None, None]
            bias = parameters.bias
            parameters = Parameters(weight, None if bias is None else bias * keep[len(self.dense) :, None])
        x, masks = self.draw(case, rng)
        outputs = self.dense.one_of_each_pattern(case.sizes, rng) if case.patterns else None
        expected = self.expected(case, parameters, x, masks, outputs)
        y = self.values(self.layer(case, parameters), case, x, masks)
        if outputs is not None:
            y = y[(..., *outputs.T, slice(None))].reshape(expected.shape)  # without output axes: one entry
        where = None
        if masks is not None and only != "everything":
            real = real_entries(self.signature.outputs, case, masks)
            where = np.broadcast_to((real if only == "real" else ~real)[..., None], y.shape)
        exact = case.normalization == "sum" or only == "padded"
        wrong = self.wrong(y, expected, exact, where)
        if wrong is not None:
            entry = wrong
            if outputs is not None:
                batch = len(case.batch)
                entry = (*wrong[:batch], *outputs[wrong[batch]].tolist(), wrong[-1])
            slot = int(kept[0]) if kept is not None and len(kept) == 1 else None
            raise Mismatch("", self.counterexample(case, "y", entry, expected[wrong], y[wrong], slot))

    def wrong(
        self, got: Array, expected: Array, exact: bool, where: Array | None = None
    ) -> tuple[int, ...] | None:
        """The first entry of ``got`` that is not as expected; NaN never is."""
        assert got.shape == expected.shape, "both are made for one case"
        bound = 0.0 if exact else self.tolerance * max(1.0, float(np.abs(expected).max(initial=0.0)))
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(got - expected) <= bound)
        if where is not None:
            bad &= where
        found = np.argwhere(bad)
        return tuple(found[0].tolist()) if len(found) else None

    def counterexample(
        self,
        case: Case,
        tensor: str,
        entry: tuple[int, ...],
        expected: float,
        got: float,
        slot: int | None = None,
    ) -> Counterexample:
        """The finding, with the slot (weight slots first, then bias slots) spelled out."""
        kind, rgs = "weight", None
        if slot is not None:
            dense = self.dense
            if slot >= len(self.dense):
                kind, dense, slot = "bias", self.bias_dense, slot - len(self.dense)
            rgs = tuple(dense.strings[slot].tolist())
        return Counterexample(
            str(case), dict(case.sizes), tensor, entry, float(expected), float(got), kind, slot, rgs
        )

    def _blame(self, case: Case, fresh: Callable[[], np.random.Generator], only: Part) -> Mismatch | None:
        """The finding for a single slot, found by halving; None if no single slot is wrong by itself."""

        def attempt(kept: Array) -> Mismatch | None:
            try:
                self._try_values(case, fresh(), only, kept)
            except Mismatch as found:
                return found
            return None

        suspects = np.arange(len(self.dense) + (len(self.bias_dense) if case.bias else 0))
        if attempt(suspects[:0]) is not None:  # wrong with all weights zero: no slot is to blame
            return None
        while len(suspects) > 1:
            halves = suspects[: len(suspects) // 2], suspects[len(suspects) // 2 :]
            guilty = next((half for half in halves if attempt(half) is not None), None)
            if guilty is None:
                return None
            suspects = guilty
        return attempt(suspects)


# ---------------------------------------------------------------- samples and masks


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


def _masks(case: Case, rng: np.random.Generator) -> Masks | None:
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
