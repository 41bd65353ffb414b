"""What a layer class must be beside its values: its attributes, its parameters, the calls that it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import nn

from symeq.combinatorics.partitions import restricted_growth_strings
from symeq.mutation.situations import Difference, Differences
from symeq.signature import Layout, Signature

WrongCall: TypeAlias = Literal[
    "two sizes of one index set",
    "sizes that disagree with x",
    "a size that is missing",
    "a mask of another length",
    "a mask that is not bool",
    "too many channels",
    "another dtype",
    "an unknown basis",
    "an unknown normalization",
    "no channels",
]
CALLS: tuple[WrongCall, ...] = get_args(WrongCall)

_ARGUMENTS: Mapping[str, Any] = {
    "in_channels": inspect.Parameter.empty,
    "out_channels": inspect.Parameter.empty,
    "bias": True,
    "basis": "diagram",
    "normalization": "mean",
    "device": None,
    "dtype": None,
}


@dataclass(frozen=True)
class Attributes:
    """A look at the class: its constants, its arguments, and the parameters that it makes."""

    def __str__(self) -> str:
        return "attributes of the class and of new layers"

    def differences(
        self, module: ModuleType, layer: str, layout: Layout, signature: Signature
    ) -> Differences:
        """What the layer class of that name has otherwise than it should."""
        made = getattr(module, layer)
        slots = tuple(map(tuple, restricted_growth_strings(signature.positions).tolist()))
        bias_slots = tuple(map(tuple, restricted_growth_strings(signature.outputs).tolist()))
        yield from _unequal("SIGNATURE", str(signature), made.SIGNATURE)
        yield from _unequal("LAYOUT", layout, made.LAYOUT)
        arguments = inspect.signature(made).parameters
        yield from _unequal(
            "arguments", dict(_ARGUMENTS), {n: p.default for n, p in arguments.items()}, ordered=True
        )
        for name, expected in (("BASIS", slots), ("BIAS_BASIS", bias_slots)):
            found = getattr(made, name)
            yield from _unequal(f"type of {name}", "tuple", type(found).__name__)
            rows = list(found)
            yield from _unequal(f"len({name})", len(expected), len(rows))
            for at, (came, right) in enumerate(zip(rows, expected, strict=False)):
                yield from _unequal(f"{name}[{at}]", right, came)
        for bias in (True, False):
            for dtype in (torch.float64, None):
                yield from self._compared_parameters(made, len(slots), len(bias_slots), bias, dtype)
        shown = made(2, 3, basis="orbit", normalization="sqrt").extra_repr()
        for word in ("orbit", "sqrt"):
            yield from _unequal(f"{word!r} in extra_repr()", True, word in shown)

    @staticmethod
    def _compared_parameters(
        made: Callable[..., nn.Module], slots: int, bias_slots: int, bias: bool, dtype: torch.dtype | None
    ) -> Differences:
        layer = made(2, 3, bias=bias, dtype=dtype)
        wanted = dtype or torch.get_default_dtype()
        shapes = {"weight": (slots, 2, 3)} | ({"bias": (bias_slots, 3)} if bias else {})
        state = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
        yield from _unequal("state_dict", shapes, state, ordered=True)
        trained = {
            name: tuple(tensor.shape) for name, tensor in layer.named_parameters() if tensor.requires_grad
        }
        yield from _unequal("trained parameters", shapes, trained, ordered=True)
        for name, tensor in layer.named_parameters():
            yield from _unequal(f"{name}.dtype", str(wanted), str(tensor.dtype))
        if bias:
            yield from _unequal(
                "largest bias of a new layer", 0.0, float(layer.get_parameter("bias").detach().abs().max())
            )
        else:
            yield from _unequal("bias", "None", str(layer.bias))


@dataclass(frozen=True)
class Refusal:
    """A wrong call, which must be answered by a ``ValueError``, or a ``TypeError`` if it is about a type."""

    call: WrongCall

    def __str__(self) -> str:
        return self.call

    def possible(self, signature: Signature) -> bool:
        """Whether a layer of this signature can be called so wrongly."""
        inputs = signature.inputs
        match self.call:
            case "two sizes of one index set":
                return len(set(inputs)) < len(inputs)
            case "sizes that disagree with x":
                return bool(inputs)
            case "a size that is missing":
                return set(signature.index_sets) > set(inputs)
            case "a mask of another length" | "a mask that is not bool":
                return bool(signature.positions)
        return True

    def differences(
        self, module: ModuleType, layer: str, layout: Layout, signature: Signature
    ) -> Differences:
        """What the layer class of that name does instead of refusing the call."""
        about_types = self.call in ("a mask that is not bool", "another dtype")
        wanted = "TypeError" if about_types else "ValueError"
        try:
            self._call(getattr(module, layer), layout, signature)
        except Exception as error:  # whatever comes: the name of its class is the finding
            came = type(error).__name__
        else:
            came = "a result"
        yield from _unequal(f"answer to {self.call}", wanted, came)

    def _call(self, made: Callable[..., nn.Module], layout: Layout, signature: Signature) -> None:
        sizes = {name: 3 + at for at, name in enumerate(signature.index_sets)}
        axes = [sizes[name] for name in signature.inputs]
        channels, dtype = 2, torch.float32
        options: dict[str, Any] = {name: n for name, n in sizes.items() if name not in signature.inputs}
        options = {"sizes": options} if options else {}
        constructor: dict[str, Any] = {"in_channels": 2, "out_channels": 3}
        match self.call:
            case "two sizes of one index set":
                again = next(at for at, name in enumerate(signature.inputs) if name in signature.inputs[:at])
                axes[again] += 1
            case "sizes that disagree with x":
                options["sizes"] = {**sizes, signature.inputs[0]: axes[0] + 1}
            case "a size that is missing":
                options = {}
            case "a mask of another length":
                options["mask"] = {name: torch.ones(n + 1, dtype=torch.bool) for name, n in sizes.items()}
            case "a mask that is not bool":
                options["mask"] = {name: torch.ones(n, dtype=torch.uint8) for name, n in sizes.items()}
            case "too many channels":
                channels += 1
            case "another dtype":
                dtype = torch.float64
            case "an unknown basis":
                constructor["basis"] = "orbits"
            case "an unknown normalization":
                constructor["normalization"] = "max"
            case "no channels":
                constructor["out_channels"] = 0
        shape = (channels, *axes) if layout == "channels-first" else (*axes, channels)
        made(**constructor)(torch.ones(2, *shape, dtype=dtype), **options)


def _unequal(where: str, expected: Any, found: Any, ordered: bool = False) -> Iterator[Difference]:
    if found != expected or (ordered and list(found) != list(expected)):
        yield Difference(where, (), str(expected), str(found))
