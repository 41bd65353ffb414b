"""The audited code as a map between canonical tensors: its arguments, its axis order, its precision."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from symeq.auditing.layout import BATCH, CHANNELS, OPERATORS, AxisOrder
from symeq.auditing.load import Arguments, Target, as_arguments, in_one_line
from symeq.auditing.watch import Watch
from symeq.errors import AuditError, OptionError
from symeq.signature import Signature

Sizes: TypeAlias = Mapping[str, int]
Masks: TypeAlias = Mapping[str, Tensor]  # for each index set (batch, size) bool, True for real nodes

MOST_NUMBERS = 2**22
"""In one call: numbers of the input, or of the output."""

_SIZE_WORDS = {"n", "m", "dim", "size", "num_nodes", "n_nodes", "nodes", "num_node", "length", "nobj"}
MASK_FORMS = (
    "bool",
    "float",
    "bool over the input axes",
    "float over the input axes",
    "bool with a channel axis",
    "float with a channel axis",
    "bool over the input axes with a channel axis",
    "float over the input axes with a channel axis",
)


class CallFailed(Exception):  # noqa: N818  # caught by whoever tries a call
    """The audited code raised, or what it returned does not fit."""


class NoTensor(CallFailed):
    """The audited code returned something else than a stack of real tensors."""


# ---------------------------------------------------------------- arguments


@dataclass(frozen=True)
class Convention:
    """What is given besides the input.

    ``sizes`` and ``all_sizes`` are arguments that take the size of an index set, or a dict of sizes;
    ``masks`` says which argument takes the mask of which index set (one for all: ``""``).
    """

    positional: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)
    all_sizes: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    mask_needed: bool = False
    mask_form: str = MASK_FORMS[0]
    mask_inverted: bool = False
    as_numpy: bool = False


def convention_of(
    name: str, function: Any, signature: Signature, call: Arguments, mask: Sequence[str]
) -> Convention:
    """Which arguments the callable has besides the input, told by ``call`` and ``mask`` or guessed.

    Raises:
        AuditError: arguments that are needed and that nothing tells.
        OptionError: a mask argument that the callable does not have.
    """
    names = {name: name for name in (*signature.index_sets, "b", "c")}
    positional, keywords = as_arguments("call", call, names)
    code = function.forward if isinstance(function, nn.Module) else function
    try:
        parameters = list(inspect.signature(code).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        parameters = parameters[1:]  # the input
    parameters = parameters[len(positional) :]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    free = {p.name: p for p in parameters if p.kind in kinds and p.name not in keywords}
    accepts_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    sets = signature.index_sets

    masks = _mask_arguments(mask, list(free), sets, accepts_any)
    sizes: dict[str, str] = {}
    all_sizes = None
    for word, parameter in free.items():
        if word in masks.values():
            continue
        needed = parameter.default is inspect.Parameter.empty
        unseen = not set(sets) <= set(signature.inputs)
        if word == "sizes" and (needed or unseen):
            all_sizes = word
        elif needed or unseen:
            if word in sets:
                sizes[word] = word
            elif len(sets) == 1 and word.lower() in _SIZE_WORDS:
                sizes[word] = sets[0]
            elif needed:
                raise AuditError(
                    name,
                    f"its argument {word!r} is needed and nothing tells what to give",
                    'Give it with call (on the command line --call), such as "dim=n"; the name of an index '
                    "set means its size, b the batch and c the channels.",
                )
    needed = any(free[word].default is inspect.Parameter.empty for word in masks.values() if word in free)
    inverted = any("pad" in word.lower() for word in masks.values())
    return Convention(tuple(positional), keywords, sizes, all_sizes, masks, needed, mask_inverted=inverted)


def _mask_arguments(
    mask: Sequence[str], free: Sequence[str], sets: tuple[str, ...], accepts_any: bool
) -> dict[str, str]:
    """For each index set, or for all at once (""), the argument that takes the mask."""
    if mask:
        found: dict[str, str] = {}
        for text in mask:
            owner, equals, word = text.rpartition("=")
            if equals and owner not in sets:
                raise OptionError(
                    "mask", text, f"NAME, or SET=NAME with one of the index sets {', '.join(sets)}"
                )
            if word not in free and not accepts_any:
                raise OptionError(
                    "mask", text, f"an argument of the call; it has {', '.join(free) or 'none'}"
                )
            found[owner] = word
        return found
    words = [word for word in free if "mask" in word.lower()]
    if len(sets) > 1:
        own = {
            name: word
            for name in sets
            for word in words
            if name in word.lower().replace("mask", "").strip("_").split("_")
        }
        if len(own) == len(sets):
            return own
    return {"": words[0]} if words else {}


# ---------------------------------------------------------------- calls


@dataclass(frozen=True)
class Shape:
    """What the output's axes turned out to be: channels, and the length of the operator axis."""

    in_channels: int
    out_channels: int
    operators: int
    listed: bool


class Subject:
    """A callable with its axis order: canonical tensors in, canonical tensors out.

    x: (batch, input positions, in_channels) -> (batch, operators, output positions, out_channels).
    """

    def __init__(
        self,
        target: Target,
        function: Any,
        order: AxisOrder,
        convention: Convention,
        shape: Shape,
        watch: Watch,
        seed: int,
        dtype: torch.dtype,
    ) -> None:
        self.target = target
        self.function = function
        self.order = order
        self.signature = order.signature
        self.convention = convention
        self.shape = shape
        self.watch = watch
        self.seed = seed
        self.dtype = dtype
        self.one_by_one = not order.has(BATCH)
        self.changed_input = False
        self.returned_numpy = False

    def using(self, function: Any, dtype: torch.dtype | None = None) -> Subject:
        """The same with another callable or another precision."""
        other = Subject(
            self.target,
            function,
            self.order,
            self.convention,
            self.shape,
            self.watch,
            self.seed,
            dtype or self.dtype,
        )
        other.one_by_one = self.one_by_one
        return other

    def shape_in(self, sizes: Sizes) -> tuple[int, ...]:
        """The sizes of the input positions."""
        return tuple(sizes[name] for name in self.signature.inputs)

    def shape_out(self, sizes: Sizes) -> tuple[int, ...]:
        """The sizes of the output positions."""
        return tuple(sizes[name] for name in self.signature.outputs)

    def per_sample(self, sizes: Sizes) -> int:
        """The larger of the numbers that a sample's input and output hold."""
        outputs = self.shape.operators * self.shape.out_channels * prod(self.shape_out(sizes))
        return max(outputs, self.shape.in_channels * prod(self.shape_in(sizes)), 1)

    def __call__(self, x: Tensor, sizes: Sizes, masks: Masks | None = None) -> Tensor:
        """The output, in as many calls as keep each of moderate size.

        Raises:
            CallFailed: the code raised, or its output has another shape than at other sizes.
        """
        step = 1 if self.one_by_one else max(1, MOST_NUMBERS // self.per_sample(sizes))
        parts = []
        for start in range(0, max(len(x), 1), step):
            taken = {name: mask[start : start + step] for name, mask in (masks or {}).items()}
            parts.append(self.once(x[start : start + step], sizes, taken or None))
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def once(self, x: Tensor, sizes: Sizes, masks: Masks | None = None) -> Tensor:
        """The output of one call."""
        y, _ = invoke(self, self.order, x.to(self.dtype), sizes, masks)
        if not self.order.fits(y.shape, sizes, len(x)):
            raise CallFailed(f"returned shape {tuple(y.shape)}, which does not fit {self.order}")
        read = self.order.read(y)
        found = Shape(self.shape.in_channels, read.shape[-1], read.shape[1], self.shape.listed)
        if found != self.shape:
            raise CallFailed(
                f"returned {found.operators} operators and {found.out_channels} channels, "
                f"elsewhere {self.shape.operators} and {self.shape.out_channels}"
            )
        return read


def invoke(
    subject: Subject, order: AxisOrder, x: Tensor, sizes: Sizes, masks: Masks | None = None
) -> tuple[Tensor, bool]:
    """Calls the code with a canonical input; the output in the layer's own order, and whether it was listed.

    Raises:
        CallFailed: it raised, or what came back are no real tensors of one shape.
    """
    convention = subject.convention
    known = {**sizes, "b": len(x), "c": x.shape[-1]}
    given: list[Any] = [known.get(a, a) if isinstance(a, str) else a for a in convention.positional]
    keywords = {
        key: known.get(value, value) if isinstance(value, str) else value
        for key, value in (convention.keywords or {}).items()
    }
    keywords |= {word: sizes[name] for word, name in (convention.sizes or {}).items()}
    if convention.all_sizes is not None:
        unseen = [name for name in sizes if name not in subject.signature.inputs]
        keywords[convention.all_sizes] = {name: sizes[name] for name in unseen}
    if masks is None and convention.mask_needed:
        masks = {name: torch.ones(len(x), size, dtype=torch.bool) for name, size in sizes.items()}
    if masks is not None:
        keywords |= _mask_keywords(convention, order, masks, x.dtype)
    before = order.arrange(x)
    own: Any = before.detach().numpy().copy() if convention.as_numpy else before.clone()
    torch.manual_seed(subject.seed)
    with subject.watch(f"calling it at {sizes_in_words(sizes)}"):
        try:
            y = subject.function(own, *given, **keywords)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise CallFailed(f"raised {in_one_line(error)}") from error
    after = torch.as_tensor(own).detach()
    subject.changed_input |= after.shape != before.shape or not bool(
        ((after == before) | before.isnan()).all()
    )
    subject.returned_numpy |= isinstance(y, np.ndarray)
    return _tensor_of(y, order, x.dtype)


def _mask_keywords(
    convention: Convention, order: AxisOrder, masks: Masks, dtype: torch.dtype
) -> dict[str, Any]:
    form = convention.mask_form

    def shaped(mask: Tensor) -> Tensor:
        mask = ~mask if convention.mask_inverted else mask
        if form.startswith("float"):
            mask = mask.to(dtype)
        if "with a channel axis" in form and CHANNELS in order.inputs:
            last = order.inputs[-1] is CHANNELS
            mask = mask.unsqueeze(-1 if last else 1)
        return mask if order.has(BATCH) else mask[0]

    if "" not in convention.masks:
        return {word: shaped(masks[name]) for name, word in convention.masks.items()}
    word = convention.masks[""]
    if "over the input axes" in form:
        sets = order.signature.inputs
        whole = torch.ones(1, dtype=torch.bool)
        for axis, name in enumerate(sets):
            mask = masks[name]
            whole = whole & mask.reshape(len(mask), *[1] * axis, mask.shape[1], *[1] * (len(sets) - axis - 1))
        return {word: shaped(whole)}
    if len(masks) > 1:
        return {word: {name: shaped(mask) for name, mask in masks.items()}}
    (mask,) = masks.values()
    return {word: shaped(mask)}


def _tensor_of(y: Any, order: AxisOrder, dtype: torch.dtype) -> tuple[Tensor, bool]:
    listed = False
    if isinstance(y, list | tuple):
        listed = True
        parts = [
            torch.as_tensor(np.asarray(part)) if isinstance(part, np.ndarray | np.generic) else part
            for part in y
        ]
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in y)) or "nothing"
            raise NoTensor(f"returned a {type(y).__name__} of {kinds}; expected tensors")
        shapes = {tuple(part.shape) for part in parts}
        if len(shapes) > 1:
            shown = ", ".join(map(str, sorted(shapes)[:3]))
            raise CallFailed(
                f"returned a {type(y).__name__} of {len(parts)} tensors of different shapes ({shown}); "
                "expected one tensor, or operators of one shape"
            )
        at = order.outputs.index(OPERATORS) if OPERATORS in order.outputs else 0
        if at > parts[0].dim():
            raise NoTensor(f"returned a list of tensors of shape {tuple(parts[0].shape)}")
        y = torch.stack(parts, at)
    if isinstance(y, np.ndarray | np.generic):
        y = torch.as_tensor(np.asarray(y))
    if isinstance(y, bool | int | float):
        y = torch.tensor(y)
    if not isinstance(y, Tensor):
        raise NoTensor(f"returned a {type(y).__name__}; expected a tensor, or a list of tensors of one shape")
    if y.layout != torch.strided:
        y = y.to_dense()
    if y.is_complex():
        raise NoTensor(f"returned complex numbers ({y.dtype}); only real maps are audited")
    if y.dtype != dtype and not (y.is_floating_point() and y.requires_grad):
        y = y.to(torch.float64 if dtype == torch.float64 else dtype)
    return y.double() if dtype == torch.float64 and y.dtype != dtype else y, listed


def sizes_in_words(sizes: Sizes) -> str:
    """Sizes as text: ``n = 4`` or ``u = 3, i = 4``."""
    return ", ".join(f"{name} = {size}" for name, size in sizes.items()) or "no index set"
