"""Situations: one run of a layer each, told so fully that it can be repeated, and what it must give.

All numbers are integers (or binary fractions) drawn from a stored seed, so that with normalization "sum" and
float64 the layer must give the definition bit for bit.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import prod
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from symeq.combinatorics.partitions import count
from symeq.interpretation.recording import default_dtype
from symeq.mutation.definition import Array, Bools, Definition, Indices, index_tuples
from symeq.signature import BasisKind, Layout, Normalization, Signature

Numbers: TypeAlias = Literal["small", "ones", "positive", "zero", "large", "fine", "precise", "overflowing"]
MaskKind: TypeAlias = Literal["none", "own", "shared", "first", "empty", "full"]
Context: TypeAlias = Literal[
    "plain", "no grad", "inference", "autocast", "eval", "compiled", "exported", "float64", "vmap"
]
Birth: TypeAlias = Literal["made", "converted", "copied", "emptied"]
Before: TypeAlias = Literal["nothing", "same shape", "other size", "other weights"]

_NUMBERS: Mapping[Numbers, Callable[[Array], Array]] = {
    "small": lambda r: r,
    "ones": np.sign,
    "positive": np.abs,
    "zero": np.zeros_like,
    "large": lambda r: 1000 * r,
    "fine": lambda r: r + r / 2**10,
    "precise": lambda r: 2.0**30 * r + 1,  # more digits than float32 has
    "overflowing": lambda r: np.full_like(r, 2.0**14),  # the sum of four is beyond float16
}
_MOST_PAIRS = 2**18  # of index tuples: above, only some output entries are looked at


@dataclass(frozen=True)
class Difference:
    """What is not as defined: ``where`` is a tensor ("y", "x.grad", ...), its shape, an error, an attribute.

    ``entry`` is an index into the tensor, channels last whatever the layout; finite numbers are floats,
    everything else is told in words.
    """

    where: str
    entry: tuple[int, ...]
    expected: float | str
    found: float | str

    def __str__(self) -> str:
        at = f"[{', '.join(map(str, self.entry))}]" if self.entry else ""
        return f"{self.where}{at} is {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Situation:
    """The options of a layer, how it is made and called, and the seed of all numbers.

    mask: "own" for each sample, "shared" by all, for the "first" index set only, "own" with an "empty" last
    sample, "full" of real nodes. ``poison`` puts NaN and infinities into the padding. ``only_slot`` is the
    one slot whose weights are not zero. ``before`` is another call, on other numbers, that comes first,
    ``calls`` times; with ``kept`` it comes second, and the result of the first is looked at after it.
    ``gradients``: 1 for those of x, weight and bias; 2 also for those of a gradient. ``tangent``: also the
    derivative along a direction, in forward mode.
    """

    sizes: Mapping[str, int]
    basis: BasisKind = "diagram"
    normalization: Normalization = "sum"
    bias: bool = True
    channels: tuple[int, int] = (2, 3)
    dtype: str = "float64"
    batch: tuple[int, ...] = (2,)
    mask: MaskKind = "none"
    mask_as_dict: bool = False
    poison: bool = False
    numbers: Numbers = "small"
    weights: Numbers = "small"
    only_slot: int | None = None
    context: Context = "plain"
    birth: Birth = "made"
    before: Before = "nothing"
    calls: int = 1
    kept: bool = False
    gradients: int = 0
    tangent: bool = False
    strided: bool = False
    frozen: bool = False
    all_sizes: bool = False
    seed: int = 0

    def __str__(self) -> str:
        usual = Situation({})
        told = [f"{name} = {size}" for name, size in self.sizes.items()]
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name in ("basis", "normalization") or (name != "sizes" and value != getattr(usual, name)):
                told.append(f"{name} {value}")
        return ", ".join(told)

    def differences(
        self, module: ModuleType, layer: str, layout: Layout, signature: Signature
    ) -> Differences:
        """What the layer class of that name does otherwise than defined, one after another."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a mutant makes torch warn of is no finding
            torch.manual_seed(self.seed)
            try:
                yield from _Run(self, getattr(module, layer), layout, signature).compared()
            except Exception as error:  # whatever a mutant raises: where it should run, that is its fault
                yield Difference("error", (), "none", f"{type(error).__name__}: {error}".splitlines()[0])


Differences: TypeAlias = "Generator[Difference, None, None]"


@dataclass(frozen=True)
class _Sample:
    """One sample of the batch: its place, its real nodes, and which outputs that are looked at are real."""

    index: tuple[int, ...]
    real: Mapping[str, Indices]

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(nodes) for name, nodes in self.real.items()}


class _Run:
    """A situation with its numbers drawn."""

    def __init__(
        self, situation: Situation, layer: type[nn.Module], layout: Layout, signature: Signature
    ) -> None:
        self.s, self.layer, self.layout, self.signature = situation, layer, layout, signature
        self.rng = np.random.default_rng(situation.seed)
        self.dtype: torch.dtype = getattr(torch, situation.dtype)
        self.sizes = {name: situation.sizes[name] for name in signature.index_sets}
        self.shape_in = tuple(self.sizes[name] for name in signature.inputs)
        self.shape_out = tuple(self.sizes[name] for name in signature.outputs)
        self.x = self._draw(situation.numbers, *situation.batch, *self.shape_in, situation.channels[0])
        # What is drawn for a low precision must stay small when it is multiplied.
        kind: Numbers = "ones" if situation.numbers in ("ones", "overflowing") else situation.weights
        self.weight = self._draw(kind, count(signature.positions), *situation.channels)
        if situation.only_slot is not None:
            kept = np.zeros(len(self.weight))
            kept[situation.only_slot] = 1
            self.weight = np.abs(self.weight) * kept[:, None, None]
        self.bias = self._draw(kind, count(signature.outputs), situation.channels[1])
        self.masks = self._draw_masks()
        if situation.poison and self.masks:
            self._poison()
        self.outputs = self._looked_at()

    # ------------------------------------------------------------ numbers

    def _integers(self, *shape: int) -> Array:
        drawn = self.rng.integers(1, 10, shape) * self.rng.choice(np.array([-1, 1]), shape)
        integers: Array = drawn.astype(np.float64)
        return integers

    def _draw(self, kind: Numbers, *shape: int) -> Array:
        drawn: Array = _NUMBERS[kind](self._integers(*shape))
        return drawn

    def _draw_masks(self) -> dict[str, Bools]:
        """One mask for each index set; if there are two nodes or more, the first sample has padding."""
        if self.s.mask == "none":
            return {}
        batch = () if self.s.mask == "shared" else self.s.batch
        masks = {}
        for name in list(self.sizes)[: 1 if self.s.mask == "first" else None]:
            n = self.sizes[name]
            real = np.zeros((*batch, n), dtype=np.bool_)
            for at, index in enumerate(np.ndindex(batch)):
                number = self.rng.integers(1, n + (at > 0)) if n > 1 else n
                real[index][self.rng.permutation(n)[:number]] = True
            if self.s.mask == "empty":
                real[(-1,) * len(batch)] = False
            masks[name] = np.ones_like(real) if self.s.mask == "full" else real
        return masks

    def _poison(self) -> None:
        bad = self.rng.choice([np.nan, np.inf, -np.inf], self.x.shape)
        for sample in self._samples():
            real = np.zeros(self.x.shape[len(self.s.batch) :], dtype=np.bool_)
            real[self._place(sample, self.signature.inputs)] = True
            self.x[sample.index] = np.where(real, self.x[sample.index], bad[sample.index])

    def _looked_at(self) -> Indices:
        """All output index tuples, or, if there are too many, those of the first two nodes and the last."""
        everything = [range(n) for n in self.shape_out]
        if prod(self.shape_in) * prod(self.shape_out) <= _MOST_PAIRS:
            return index_tuples(everything)
        return index_tuples([sorted({0, 1, n - 1} & set(range(n))) for n in self.shape_out])

    def _samples(self) -> Iterator[_Sample]:
        for index in np.ndindex(self.s.batch):
            real = {name: np.arange(n) for name, n in self.sizes.items()}
            for name, mask in self.masks.items():
                real[name] = np.flatnonzero(mask if mask.ndim == 1 else mask[index])
            yield _Sample(index, real)

    def _place(self, sample: _Sample, sets: tuple[str, ...]) -> Any:
        """The index of a sample's real entries in a tensor with axes over ``sets`` and no batch axis."""
        return np.ix_(*(sample.real[name] for name in sets))

    # ------------------------------------------------------------ the definition

    def _defined(self, sample: _Sample, signature: Signature) -> tuple[Definition, Bools]:
        """The map of a sample's real nodes, and which of the outputs looked at are real."""
        real = np.ones(len(self.outputs), dtype=np.bool_)
        local = np.zeros_like(self.outputs)
        for axis, name in enumerate(self.signature.outputs):
            nodes = sample.real[name]
            real &= np.isin(self.outputs[:, axis], nodes)
            local[:, axis] = np.searchsorted(nodes, self.outputs[:, axis])
        made = Definition(signature, self.s.basis, self.s.normalization, sample.counts, local[real])
        return made, real

    def _bias_signature(self) -> Signature:
        return Signature((), self.signature.outputs)

    def expected(self, x: Array, bias: bool) -> Array:
        """The output at the input x, ``(*batch, outputs, out_channels)``: zero where padded."""
        y = np.zeros((*self.s.batch, len(self.outputs), self.s.channels[1]))
        for sample in self._samples():
            layer, real = self._defined(sample, self.signature)
            taken = x[sample.index][self._place(sample, self.signature.inputs)]
            value = layer.apply(taken.reshape(-1, self.s.channels[0]), self.weight)
            if bias:
                constant, _ = self._defined(sample, self._bias_signature())
                value = value + constant.apply(np.ones((1, 1)), self.bias[:, None])
            y[sample.index][real] = value
        return y

    def pulled_back(self, x: Array, cotangent: Array) -> dict[str, Array]:
        """The gradients of ``(cotangent * y).sum()`` at the input x."""
        found = {
            "x": np.zeros_like(x),
            "weight": np.zeros_like(self.weight),
            "bias": np.zeros_like(self.bias),
        }
        for sample in self._samples():
            layer, real = self._defined(sample, self.signature)
            pulled = cotangent[sample.index][real]
            place = self._place(sample, self.signature.inputs)
            taken = x[sample.index][place]
            by_x, by_weight = layer.pull_back(taken.reshape(-1, x.shape[-1]), self.weight, pulled)
            found["x"][sample.index][place] = by_x.reshape(taken.shape)
            found["weight"] += by_weight
            bias, _ = self._defined(sample, self._bias_signature())
            found["bias"] += bias.pull_back(np.ones((1, 1)), self.bias[:, None], pulled)[1][:, 0]
        return found

    # ------------------------------------------------------------ the layer

    def _made(self) -> nn.Module:
        s = self.s
        options: dict[str, Any] = {"bias": s.bias, "basis": s.basis, "normalization": s.normalization}
        options["dtype"] = torch.float32 if s.birth == "converted" else self.dtype
        if s.birth == "emptied":
            layer = self.layer(*s.channels, device="meta", **options).to_empty(device="cpu")
        else:
            layer = self.layer(*s.channels, **options)
        self._load(layer, self.weight, self.bias)
        if s.birth == "converted":
            layer = layer.to(self.dtype)
        if s.birth == "copied":
            layer = copy.deepcopy(layer)
        layer.requires_grad_(not s.frozen)
        return layer.eval() if s.context == "eval" else layer

    def _load(self, layer: nn.Module, weight: Array, bias: Array) -> None:
        state = {"weight": torch.from_numpy(weight)} | (
            {"bias": torch.from_numpy(bias)} if self.s.bias else {}
        )
        layer.load_state_dict(state)

    def _given(self, x: Array) -> Tensor:
        """The tensor of the layer's dtype and layout; x has its channels last."""
        tensor = torch.from_numpy(x).to(self.dtype)
        if self.layout == "channels-first":
            tensor = tensor.movedim(-1, -self.signature.order_in - 1).contiguous()
        if self.s.strided:
            tensor = torch.stack([tensor, tensor], -1)[..., 0]
        return tensor

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.masks:
            masks = {name: torch.from_numpy(mask) for name, mask in self.masks.items()}
            plain = len(self.sizes) == 1 and not self.s.mask_as_dict
            options["mask"] = next(iter(masks.values())) if plain else masks
        known = () if self.s.all_sizes else self.signature.inputs
        if sizes := {name: n for name, n in self.sizes.items() if name not in known}:
            options["sizes"] = sizes
        return options

    def _last(self, tensor: Tensor, order: int) -> Tensor:
        """The tensor with its channels last."""
        return tensor.movedim(-order - 1, -1) if self.layout == "channels-first" else tensor

    def _context(self) -> AbstractContextManager[Any]:
        match self.s.context:
            case "no grad":
                return torch.no_grad()
            case "inference":
                return torch.inference_mode()
            case "autocast":
                return torch.autocast("cpu", torch.bfloat16)
            case "float64":
                return default_dtype(torch.float64)
        return nullcontext()

    def _callable(self, layer: nn.Module, x: Tensor, options: dict[str, Any]) -> Callable[..., Any]:
        match self.s.context:
            case "compiled":
                torch.compiler.reset()
                return torch.compile(layer, backend="eager", fullgraph=True)
            case "vmap":
                return torch.func.vmap(layer)
            case "exported":
                return torch.export.export(layer, (x,), options).module()
        return layer

    def _call_before(self, layer: nn.Module) -> Tensor:
        """Another call of the same layer."""
        other = replace(self.s, seed=self.s.seed + 1, poison=False)
        if self.s.before == "other size":
            other = replace(other, sizes={name: n + 1 for name, n in self.sizes.items()})
        run = _Run(other, self.layer, self.layout, self.signature)
        if self.s.before == "other weights":
            self._load(layer, run.weight, run.bias)
        with self._context():
            y: Tensor = layer(run._given(run.x), **run._options())
        self._load(layer, self.weight, self.bias)
        return y

    # ------------------------------------------------------------ comparing

    def compared(self) -> Differences:
        """What is not as defined, one after another."""
        layer = self._made()
        x, options = self._given(self.x), self._options()
        for _ in range(self.s.calls if self.s.before != "nothing" and not self.s.kept else 0):
            self._call_before(layer)
        if self.s.gradients:
            x.requires_grad_()
        given = x.detach().clone(), copy.deepcopy(options)
        with self._context():
            y = self._callable(layer, x, options)(x, **options)
            if self.s.kept:
                self._call_before(layer)
        dtype = torch.bfloat16 if self.s.context == "autocast" else self.dtype
        channels = self.s.channels[1]
        shape = (
            (channels, *self.shape_out) if self.layout == "channels-first" else (*self.shape_out, channels)
        )
        told = f"{dtype} {(*self.s.batch, *shape)}"
        came = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        if came != told:
            yield Difference("y", (), told, came)
            return
        last = self._last(y, self.signature.order_out)
        yield from self._unequal("y", self._read(last), self.expected(self.x, self.s.bias), dtype)
        if not torch.equal(x.detach().nan_to_num(1, 2, 3), given[0].nan_to_num(1, 2, 3)):
            yield Difference("x", (), "as it was given", "changed")
        if repr(options) != repr(given[1]):
            yield Difference("mask or sizes", (), "as they were given", "changed")
        if self.s.gradients:
            yield from self._compared_gradients(layer, x, last)
        if self.s.tangent:
            yield from self._compared_tangent(layer, x.detach(), options)

    def _read(self, y: Tensor) -> Array:
        """The outputs that are looked at: ``(*batch, outputs, out_channels)``."""
        values: Array = y.detach().double().numpy()[self._entries()]
        return values.reshape(*self.s.batch, len(self.outputs), self.s.channels[1])

    def _compared_tangent(self, layer: nn.Module, x: Tensor, options: dict[str, Any]) -> Differences:
        direction = self._integers(*self.x.shape)
        with forward_ad.dual_level():
            y = layer(forward_ad.make_dual(x, self._given(direction)), **options)
            tangent = forward_ad.unpack_dual(y).tangent
        if tangent is None:
            yield Difference("y.tangent", (), "a tensor", "None")
            return
        last = self._last(tangent, self.signature.order_out)
        yield from self._unequal("y.tangent", self._read(last), self.expected(direction, False), self.dtype)

    def _entries(self) -> Any:
        """The index of the outputs that are looked at in a tensor (*batch, n, ..., n, channels)."""
        return (..., *self.outputs.T, slice(None)) if self.shape_out else (...,)

    def _compared_gradients(self, layer: nn.Module, x: Tensor, y: Tensor) -> Differences:
        pulled = self._integers(*self.s.batch, len(self.outputs), self.s.channels[1])
        cotangent = np.zeros(tuple(y.shape))
        cotangent[self._entries()] = pulled.reshape(cotangent[self._entries()].shape)
        named = {"x": x, **dict(layer.named_parameters())}
        second = self.s.gradients > 1
        total = (y * torch.from_numpy(cotangent).to(y.dtype)).sum()
        found = torch.autograd.grad(total, list(named.values()), allow_unused=True, create_graph=second)
        grads = dict(zip(named, found, strict=True))
        expected = self.pulled_back(self.x, pulled)
        for name, grad in grads.items():
            yield from self._compared_gradient(name, grad, expected[name])
        if second and grads["x"] is not None:
            # Along a direction, the gradient of x is linear in the weight as if the direction were x.
            direction = self._integers(*self.x.shape)
            along = (self._last(grads["x"], self.signature.order_in) * torch.from_numpy(direction)).sum()
            by_weight = None
            if along.requires_grad:
                by_weight = torch.autograd.grad(along, named["weight"], allow_unused=True)[0]
            wanted = self.pulled_back(direction, pulled)["weight"]
            yield from self._compared_gradient("weight", by_weight, wanted, "x.grad ")

    def _compared_gradient(
        self, name: str, grad: Tensor | None, expected: Array, of: str = ""
    ) -> Differences:
        if grad is None:
            yield Difference(f"{of}{name}.grad", (), "a tensor", "None")
            return
        last = self._last(grad, self.signature.order_in) if name == "x" else grad
        yield from self._unequal(f"{of}{name}.grad", last.detach().double().numpy(), expected, grad.dtype)

    def _unequal(self, where: str, found: Array, expected: Array, dtype: torch.dtype) -> Differences:
        """The first entry that is not as expected: bit for bit, or as close as the dtype allows."""
        bound = 0.0
        if self.s.normalization != "sum" or dtype != torch.float64:
            relative = {torch.float64: 1e-9, torch.float32: 1e-4}.get(dtype, 8 * torch.finfo(dtype).eps)
            bound = relative * max(1.0, float(np.abs(expected).max(initial=0.0)))
        with np.errstate(invalid="ignore"):
            wrong = np.argwhere(~(np.abs(found - expected) <= bound))
        if len(wrong):
            entry = tuple(wrong[0].tolist())
            shown = entry
            if where in ("y", "y.tangent"):  # its index tuples were flattened
                batch = len(self.s.batch)
                shown = (*entry[:batch], *self.outputs[entry[batch]].tolist(), entry[-1])
            value = float(found[entry])
            came = value if math.isfinite(value) else str(value)  # NaN would not be equal to itself
            yield Difference(where, shown, float(expected[entry]), came)
