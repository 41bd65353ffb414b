"""Programs as graphs: a layer exported with unbounded sizes, and a layer with its backward pass.

The forward pass is what ``torch.export`` makes of the layer. The backward pass is traced as autograd runs it
in eager mode, custom ``autograd.Function``s included; that graph holds the forward pass once more, as it is
when nobody exports. Both are traced with a symbol for the size of each batch axis and each index set;
channels have the sizes ``CHANNELS``.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from symeq.interpretation.forms import Unproved
from symeq.interpretation.sizes import Symbols, conditions
from symeq.interpretation.values import Setting, batch_symbol
from symeq.signature import Layout

CHANNELS = (2, 3)
"""Input and output channels of the layers that are traced: different, so that they cannot be mixed up."""

# Sizes while tracing, all different: equal ones would be taken for one size.
_BATCH_HINTS = (5, 7)

Role: TypeAlias = "tuple[Literal['x', 'g', 'parameter', 'mask', 'probe', 'constant'], Any]"
"""What an input of a program is: a parameter or mask by its name, a constant by its value."""


@dataclass(frozen=True)
class Program:
    """A traced graph: what its inputs are, what its attributes mean, what its symbols stand for."""

    graph: fx.Graph
    roles: Mapping[str, Role]
    module: nn.Module
    symbols: Symbols

    def constants(self, name: str) -> Any:
        """What an attribute of the graph is."""
        return getattr(self.module, name)

    def run(self, given: Mapping[Role, Tensor]) -> Any:
        """The results for these inputs; constants are known."""
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        roles = [self.roles[node.name] for node in placeholders]
        inputs = [role[1] if role[0] == "constant" else given[role] for role in roles]
        return fx.Interpreter(fx.GraphModule(self.module, self.graph)).run(*inputs)


class _Call(nn.Module):
    """A layer called with masks, and with the sizes that no input axis tells read off ``probes``."""

    def __init__(self, layer: nn.Module, one_set: bool) -> None:
        super().__init__()
        self.layer = layer
        self.one_set = one_set

    def forward(self, x: Tensor, masks: dict[str, Tensor], probes: dict[str, Tensor]) -> Any:
        options: dict[str, Any] = {}
        if masks:
            options["mask"] = next(iter(masks.values())) if self.one_set else masks
        if probes:
            options["sizes"] = {name: probe.shape[0] for name, probe in probes.items()}
        return self.layer(x, **options)


@dataclass(frozen=True)
class _Inputs:
    x: Tensor
    masks: dict[str, Tensor]
    probes: dict[str, Tensor]
    cotangent: Tensor
    names: Mapping[int, Sequence[str | None]]
    """For every tensor (by ``id``) the symbol of each dimension, None for channels."""


def _inputs(setting: Setting, layout: Layout, dtype: torch.dtype) -> _Inputs:
    signature = setting.signature
    others = (size for size in count(4) if size not in _BATCH_HINTS)
    hints = dict(zip(signature.index_sets, others, strict=False))
    batch = [(batch_symbol(axis), _BATCH_HINTS[axis]) for axis in range(setting.batch_rank)]

    def shaped(sets: Sequence[str], channels: int) -> tuple[list[int], list[str | None]]:
        axes: list[tuple[str | None, int]] = [(name, hints[name]) for name in sets]
        axes = [*axes, (None, channels)] if layout == "channels-last" else [(None, channels), *axes]
        dims = [*batch, *axes]
        return [size for _, size in dims], [name for name, _ in dims]

    names: dict[int, Sequence[str | None]] = {}

    def tensor(shape: Sequence[int], axes: Sequence[str | None], kind: torch.dtype) -> Tensor:
        made = torch.empty(tuple(shape), dtype=kind)  # its entries are never looked at
        names[id(made)] = axes
        return made

    x = tensor(*shaped(signature.inputs, CHANNELS[0]), dtype)
    cotangent = tensor(*shaped(signature.outputs, CHANNELS[1]), dtype)
    masks = {}
    for name, kind in setting.masks.items():
        lead = batch if kind == "own" else []
        axes: list[str | None] = [axis for axis, _ in lead]
        masks[name] = tensor([*(s for _, s in lead), hints[name]], [*axes, name], torch.bool)
    missing = [name for name in signature.index_sets if name not in signature.inputs]
    probes = {name: tensor([hints[name]], [name], dtype) for name in missing}
    return _Inputs(x, masks, probes, cotangent, names)


def exported(layer: nn.Module, setting: Setting, layout: Layout) -> Program:
    """The forward pass as ``torch.export`` sees it, in inference and training alike.

    Raises:
        Unproved: it cannot be exported for all sizes; the message says why.
    """
    made = _inputs(setting, layout, torch.float64)
    dims: dict[str, Any] = {}

    def dynamic(tensor: Tensor) -> dict[int, Any]:
        axes = enumerate(made.names[id(tensor)])
        return {
            at: dims.setdefault(name, torch.export.Dim("_".join(name.split()), min=1))
            for at, name in axes
            if name is not None
        }

    shapes = {
        "x": dynamic(made.x),
        "masks": {name: dynamic(mask) for name, mask in made.masks.items()},
        "probes": {name: dynamic(probe) for name, probe in made.probes.items()},
    }
    call = _Call(layer, len(setting.signature.index_sets) == 1)
    arguments = (made.x, made.masks, made.probes)
    with lean(), _quiet():
        try:
            program = torch.export.export(call, arguments, dynamic_shapes=shapes)
        except Exception as error:
            raise Unproved(f"it cannot be exported for all sizes: {_told(error, dims)}") from None
    signature = program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        changed = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
        raise Unproved(f"it changes {', '.join(changed)} when it is called")
    roles: dict[str, Role] = {}
    for name, parameter in signature.inputs_to_parameters.items():
        roles[name] = ("parameter", parameter.removeprefix("layer."))
    for name, buffer in signature.inputs_to_buffers.items():
        roles[name] = ("constant", call.get_buffer(buffer).detach().clone())
    for name, lifted in signature.inputs_to_lifted_tensor_constants.items():
        roles[name] = ("constant", program.constants[lifted])
    given: list[tuple[Role, Tensor]] = [
        (("x", None), made.x),
        *((("mask", name), made.masks[name]) for name in _flattened(made.masks)),
        *((("probe", name), made.probes[name]) for name in _flattened(made.probes)),
    ]
    for name, (role, _) in zip(signature.user_inputs, given, strict=True):
        roles[str(name)] = role
    symbols, shape_env = _symbols(program.graph, roles, given, made)
    if shape_env is not None:
        _refuse_conditions(conditions(shape_env, symbols))
    return Program(program.graph, roles, program.graph_module, symbols)


def _flattened(tensors: dict[str, Tensor]) -> list[str]:
    """The keys in the order in which torch flattens a dict."""
    leaves, _ = torch.utils._pytree.tree_flatten(dict(zip(tensors, tensors, strict=True)))
    return leaves


def _symbols(
    graph: fx.Graph, roles: Mapping[str, Role], given: Sequence[tuple[Role, Tensor]], made: _Inputs
) -> tuple[Symbols, Any]:
    tensors = dict(given)
    axes: list[tuple[Any, str]] = []
    shape_env = None
    for node in graph.nodes:
        if node.op != "placeholder":
            continue
        traced = node.meta.get("val")
        if isinstance(traced, Tensor) and hasattr(traced, "fake_mode"):
            shape_env = traced.fake_mode.shape_env or shape_env
        role = roles[node.name]
        if role in tensors:
            axes += [
                (size, name)
                for size, name in zip(traced.shape, made.names[id(tensors[role])], strict=True)
                if name is not None
            ]
    return Symbols.read(axes), shape_env


def _refuse_conditions(found: Sequence[str]) -> None:
    if found:
        raise Unproved(f"it does this only where {' and '.join(found)}")


def with_backward(layer: nn.Module, setting: Setting, layout: Layout) -> Program:
    """The forward pass and the gradients of x and of every parameter, as autograd runs them.

    The results are y and the gradients of the sum of ``g * y``, in the order x, then the parameters.

    Raises:
        Unproved: it cannot be traced for all sizes; the message says why.
    """
    made = _inputs(setting, layout, torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    shape_env = ShapeEnv(duck_shape=True)
    with lean():
        mode = FakeTensorMode(shape_env=shape_env, allow_non_fake_inputs=True)

    def fake(tensor: Tensor, axes: Sequence[str | None] | None) -> Tensor:
        kinds = [
            DimDynamic.STATIC if name is None else DimDynamic.DUCK for name in axes or [None] * tensor.dim()
        ]
        return mode.from_tensor(tensor, symbolic_context=StatelessSymbolicContext(dynamic_sizes=kinds))

    def run(
        x: Tensor,
        cotangent: Tensor,
        parameters: list[Tensor],
        masks: dict[str, Tensor],
        probes: dict[str, Tensor],
    ) -> tuple[Any, ...]:
        state = {f"layer.{name}": p for name, p in zip(names, parameters, strict=True)}
        y = torch.func.functional_call(call, state, (x, masks, probes))
        if tuple(y.shape) != tuple(cotangent.shape):
            raise Unproved(f"the output has shape {tuple(y.shape)}, expected {tuple(cotangent.shape)}")
        return (y, *torch.autograd.grad(y, (x, *parameters), cotangent, allow_unused=True))

    call = _Call(layer, len(setting.signature.index_sets) == 1)
    made.x.requires_grad_()
    parameters = [parameter for _, parameter in layer.named_parameters()]
    with lean(), _quiet(), mode, torch.enable_grad():
        arguments = (
            fake(made.x, made.names[id(made.x)]),
            fake(made.cotangent, made.names[id(made.cotangent)]),
            [fake(parameter, None) for parameter in parameters],
            {name: fake(mask, made.names[id(mask)]) for name, mask in made.masks.items()},
            {name: fake(probe, made.names[id(probe)]) for name, probe in made.probes.items()},
        )
        try:
            module = make_fx(run, tracing_mode="real", _allow_non_fake_inputs=True)(*arguments)
        except Unproved:
            raise
        except Exception as error:
            raise Unproved(f"its backward pass cannot be traced for all sizes: {_told(error, {})}") from None
    roles: dict[str, Role] = {}
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    given: list[tuple[Role, Tensor]] = [
        (("x", None), made.x),
        (("g", None), made.cotangent),
        *((("parameter", name), p) for name, p in zip(names, parameters, strict=True)),
        *((("mask", name), made.masks[name]) for name in _flattened(made.masks)),
        *((("probe", name), made.probes[name]) for name in _flattened(made.probes)),
    ]
    flat = torch.utils._pytree.tree_leaves(arguments)
    for node, (role, _), tensor in zip(placeholders, given, flat, strict=True):
        roles[node.name] = role
        node.meta.setdefault("val", tensor)
    inputs = [(role, tensor) for role, tensor in given if role[0] != "parameter"]
    symbols, _ = _symbols(module.graph, roles, inputs, made)
    _refuse_conditions(conditions(shape_env, symbols))
    return Program(module.graph, roles, module, symbols)


def _told(error: Exception, dims: Mapping[str, Any]) -> str:
    """The first lines of a tracer's complaint."""
    lines = [line.strip(" -") for line in str(error).strip().splitlines() if line.strip()]
    kept = [
        line for line in lines if "TORCH_LOGS" not in line and not line.startswith("Constraints violated")
    ]
    return f"{type(error).__name__}: {(kept or lines or [''])[0]}"[:400]


@contextmanager
def lean() -> Iterator[None]:
    """Tracing without what costs time and serves many calls with the same sizes; it has one of each.

    Results of operations on symbolic sizes come out of torch's cache in several times as long as it takes to
    work them out; and a graph grows while nothing of it can be collected.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
            yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracers warn and log about what is reported here."""
    import warnings

    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
