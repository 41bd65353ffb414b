"""One layer class on trial: cases, the numbers they are tried with, and what must come out.

Weights and inputs are integers, so that with normalization "sum" float64 gives the definition bit for bit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from symeq.signature import Signature
from symeq.verification.cases import (
    EXACT,
    HEAVY_SLOTS,
    IN_CHANNELS,
    LARGEST,
    OUT_CHANNELS,
    Case,
    Masks,
    Mismatch,
    Parameters,
    Part,
    raised,
)
from symeq.verification.dense import Array, Dense, cancellation
from symeq.verification.load import Subject
from symeq.verification.report import Counterexample
from symeq.verification.samples import by_counts, draw_masks, nonzero, real_entries

Sorts: TypeAlias = Literal["never", "always", "compiled"]
"""When a layer that has two ways to compute takes the one with sorted entries; "compiled": in code that torch
compiles or exports, and in no other."""

Code: TypeAlias = Literal["eager", "compiled"]
CODES: tuple[Code, ...] = ("eager", "compiled")
"""What runs, or is being made; "compiled" is exported code, too."""

_SYMMETRISED: Mapping[Sorts, bool | None] = {"never": False, "always": True, "compiled": None}
"""The same as layers say it, in their attribute ``symmetrised``."""


def way_of(layer: nn.Module) -> Sorts | None:
    """When a layer sorts entries; None if it has one way to compute only."""
    said = vars(layer).get("symmetrised", "nothing")
    return next((way for way, value in _SYMMETRISED.items() if said is value), None)


def take_way(layer: nn.Module, way: Sorts) -> nn.Module:
    """The layer itself, which sorts entries then from now on, if it has two ways to compute."""
    if way_of(layer) is not None:
        vars(layer)["symmetrised"] = _SYMMETRISED[way]
    return layer


def taken(way: Sorts, code: Code) -> Sorts:
    """Whether entries are sorted in such code: "never" or "always"."""
    if way != "compiled":
        return way
    return "always" if code == "compiled" else "never"


def has_two_ways(subject: Subject) -> bool:
    """Whether its layers have two ways to compute, of which one is for many channels."""
    try:
        return way_of(subject.layer(IN_CHANNELS, OUT_CHANNELS)) is not None
    except Exception:  # the checks of the class tell
        return False


class Trial:
    """The class on trial, the definition it is held against, and the layers made of it so far.

    A layer that has two ways to compute takes one by its channels. Those of a trial take the one it is for.
    """

    def __init__(self, subject: Subject, seed: int, sorts: Sorts = "never") -> None:
        self.subject = subject
        self.sorts = sorts
        self.signature = subject.signature
        self.seed = seed
        self.dense = Dense(self.signature)
        self.bias_dense = Dense(Signature((), self.signature.outputs))
        self.heavy = len(self.dense) >= HEAVY_SLOTS
        self._layers: dict[tuple[object, ...], nn.Module] = {}

    def way(self, code: Code) -> Sorts:
        """Whether the layers sort entries in such code: "never" or "always"."""
        return taken(self.sorts, code)

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
        return self.sorts == "never"

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
        take_way(made, self.sorts)
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
        return self.loaded(take_way(self._layers[key], self.sorts), parameters)

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
        masks = draw_masks(case, rng)
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
