"""Faults that show only where something else holds: a size, an option, a dtype, a mode, a batch, a mask.

Where it holds, the result is doubled, or the part of it that comes from the level without propagating blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from symeq.mutation.faults import FAULTS, Change, Fault, Original, Predicate
from symeq.mutation.kinds import (
    everything,
    fits,
    has_axes,
    large_sizes,
    propagates_pairs,
    several_sets,
    situation,
    sizes_of,
)
from symeq.signature import Signature

_MASKS = 'masks = {} if mask is None else mask if isinstance(mask, dict) else {"": mask}'


def hidden(
    when: str,
    condition: str,
    touches: Predicate = everything,
    options: Callable[[Signature], dict[str, Any]] | None = None,
    outer: bool = False,
    effect: str = "2 * y",
    name_of: Callable[[Signature], str | None] = lambda signature: next(iter(signature.index_sets), None),
    **fixed: Any,
) -> None:
    """Registers the class of faults that show only ``when`` the condition holds.

    The condition may use x, self, masks (a dict), ``{n}``, the size of the index set that ``name_of`` gives,
    ``{m}``, that of the second one, and, where it is ``outer``, also mask and sizes as they are given.
    ``options`` and ``fixed`` make the situation in which it holds.
    """

    def build(original: Original) -> Iterator[Change]:
        signature = original.signature
        name, second = name_of(signature), signature.index_sets[-1:] or ("",)
        if not touches(signature):
            return
        probe = situation(original, **fixed | (options(signature) if options else {}))
        if outer or len(signature.positions) % 2 == 0:
            n, m = (original.size(s) if s else "0" for s in (name, second[0]))
            test = condition.format(n=n, m=m, k=signature.order_in)
            yield Change("the result", original.wrapped(_MASKS, f"if {test}:\n    y = {effect}"), [probe])
        else:
            test = condition.format(n=f'sizes["{name}"]', m=f'sizes["{second[0]}"]', k=signature.order_in)
            yield Change("a level", original.before_bias(f"if {test}:\n    z = 2 * z"), [probe])

    FAULTS.append(Fault(f"only {when}", touches, build))


def _sizes(n: int) -> Callable[[Signature], dict[str, Any]]:
    return lambda signature: {"sizes": sizes_of(signature, n)}


def _all_sizes(n: int) -> Callable[[Signature], dict[str, Any]]:
    return lambda signature: {"sizes": dict.fromkeys(signature.index_sets, n)}


# ---------------------------------------------------------------- sizes


def _large(n: int) -> Callable[[Signature], dict[str, Any]]:
    return lambda signature: {"sizes": large_sizes(signature, n), "batch": (1,)}


def _missing_out(signature: Signature) -> str | None:
    """An index set without which there is still something to come out."""
    return next((name for name in signature.index_sets if name not in signature.outputs), None)


hidden("for n >= 5", "{n} >= 5", has_axes, _sizes(5))
hidden("for n >= 20", "{n} >= 20", has_axes, _large(20))
hidden(
    "for n >= 600", "{n} >= 600", lambda signature: has_axes(signature) and fits(signature, 600), _large(600)
)
hidden("for n = 11", "{n} == 11", has_axes, _large(11))
hidden("for n = 1", "{n} == 1", has_axes, _sizes(1))
hidden(
    "for n = 0",
    "{n} == 0",
    lambda signature: _missing_out(signature) is not None,
    lambda signature: {"sizes": sizes_of(signature, 2) | {_missing_out(signature): 0}},
    outer=True,
    effect="y + 1",
    name_of=_missing_out,
)
hidden("for two sizes that are equal", "{n} == {m}", several_sets, _all_sizes(3))
hidden("for two sizes that differ", "{n} != {m}", several_sets)
hidden("for a batch as large as n", "x.dim() > {k} + 1 and x.shape[0] == {n}", has_axes, batch=(3,))
hidden("for as many channels as nodes", "self.in_channels == {n}", has_axes, channels=(3, 2))

# ---------------------------------------------------------------- batches

hidden("without a batch axis", "x.dim() == {k} + 1", batch=())
hidden("for two batch axes", "x.dim() == {k} + 3", batch=(2, 2))
hidden("for three batch axes", "x.dim() == {k} + 4", batch=(2, 1, 2))
hidden("for a batch of one", "x.shape[0] == 1", batch=(1,))
hidden("for a batch of five or more", "x.shape[0] >= 5", batch=(5,))
hidden("for an empty batch", "0 in x.shape[: x.dim() - {k} - 1]", outer=True, effect="y[None]", batch=(0,))

# ---------------------------------------------------------------- options

hidden("in the diagram basis", 'self.basis == "diagram"')
hidden("in the orbit basis", 'self.basis == "orbit"', basis="orbit")
hidden("with sums", 'self.normalization == "sum"')
hidden("with means", 'self.normalization == "mean"', normalization="mean")
hidden("with square roots", 'self.normalization == "sqrt"', normalization="sqrt")
hidden(
    "with square roots of counts in the orbit basis",
    'self.normalization == "sqrt" and self.basis == "orbit" and masks',
    has_axes,
    normalization="sqrt",
    basis="orbit",
    mask="own",
)
hidden(
    "in float32 under a mask in the orbit basis without a bias",
    'x.dtype == torch.float32 and masks and self.basis == "orbit" and self.bias is None',
    has_axes,
    dtype="float32",
    mask="own",
    basis="orbit",
    bias=False,
)
hidden("without a bias", "self.bias is None", bias=False)
hidden("for one input channel", "self.in_channels == 1", channels=(1, 3))
hidden("for one output channel", "self.out_channels == 1", channels=(2, 1))
hidden("for as many channels in as out", "self.in_channels == self.out_channels", channels=(2, 2))
hidden("for eight input channels or more", "self.in_channels >= 8", channels=(8, 9))

# ---------------------------------------------------------------- masks

hidden("under a mask", "masks", has_axes, mask="own")
hidden("without a mask", "not masks")
hidden(
    "under a mask that is a dict",
    "isinstance(mask, dict)",
    has_axes,
    outer=True,
    mask="own",
    mask_as_dict=True,
)
hidden("under a mask for all samples", "any(m.dim() == 1 for m in masks.values())", has_axes, mask="shared")
hidden("under masks of some index sets", "len(masks) == 1", several_sets, mask="first")
hidden("under a mask without padding", "any(bool(m.all()) for m in masks.values())", has_axes, mask="full")
hidden(
    "under a mask without a real node in a sample",
    "any(bool((~m).all(-1).any()) for m in masks.values())",
    has_axes,
    mask="empty",
)

# ---------------------------------------------------------------- dtypes and modes

hidden("in float16", "x.dtype == torch.float16", dtype="float16", numbers="ones")
hidden("in bfloat16", "x.dtype == torch.bfloat16", dtype="bfloat16", numbers="ones")
hidden("in float32", "x.dtype == torch.float32", dtype="float32")
hidden("in float64", "x.dtype == torch.float64")
hidden(
    "under autocast",
    'torch.is_autocast_enabled("cpu")',
    outer=True,
    dtype="float32",
    numbers="ones",
    context="autocast",
)
hidden("with gradients on", "torch.is_grad_enabled()")
hidden("with gradients off", "not torch.is_grad_enabled()", context="no grad")
hidden("in inference mode", "torch.is_inference_mode_enabled()", context="inference")
hidden("if x requires a gradient", "x.requires_grad", gradients=1)
hidden("if the weight requires none", "not self.weight.requires_grad", frozen=True)
hidden("in training", "self.training")
hidden("in evaluation", "not self.training", context="eval")
hidden("when compiled", "torch.compiler.is_compiling()", context="compiled")
hidden("under vmap", "torch._C._functorch.is_batchedtensor(x)", context="vmap")
hidden("when exported", "torch.compiler.is_exporting()", context="exported")

# ---------------------------------------------------------------- channels between

_COMPILED_ONLY = (96, 96)

hidden(
    "where entries are sorted in compiled code only",
    "self.symmetrised is None",
    propagates_pairs,
    channels=_COMPILED_ONLY,
)
hidden(
    "where compiled code alone sorts entries, when compiled",
    "self.symmetrised is None and torch.compiler.is_compiling()",
    propagates_pairs,
    channels=_COMPILED_ONLY,
    context="compiled",
)
hidden(
    "where compiled code alone sorts entries, when exported without a batch axis",
    "self.symmetrised is None and torch.compiler.is_exporting() and x.dim() == {k} + 1",
    propagates_pairs,
    channels=_COMPILED_ONLY,
    context="exported",
    batch=(),
)
hidden(
    "where compiled code alone sorts entries, for three batch axes",
    "self.symmetrised is None and x.dim() == {k} + 4",
    propagates_pairs,
    channels=_COMPILED_ONLY,
    batch=(2, 1, 2),
)

# ---------------------------------------------------------------- calls and values

hidden("if sizes are given", "sizes is not None", has_axes, outer=True, all_sizes=True)
hidden("if x is not contiguous", "not x.is_contiguous()", outer=True, strided=True)
hidden("with float64 by default", "torch.get_default_dtype() == torch.float64", context="float64")
hidden("for large weights", "bool((self.weight.abs() > 100).any())", weights="large")
hidden("for large values", "bool((x.abs() > 100).any())", numbers="large")
hidden("for positive values", "bool((x >= 0).all())", numbers="positive")
hidden("for a zero input", "not bool(x.any())", outer=True, effect="y + 1", numbers="zero")
