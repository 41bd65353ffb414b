"""Which axis orders the code takes: all that are usual are tried, or the one that was given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from symeq.auditing.layout import BATCH, CHANNELS, OPERATORS, Axis, AxisOrder, input_orders, output_orders
from symeq.auditing.load import Target
from symeq.auditing.subject import MASK_FORMS, CallFailed, Convention, NoTensor, Shape, Sizes, Subject, invoke
from symeq.auditing.watch import Watch
from symeq.errors import AuditError
from symeq.signature import Signature

_BATCHES = (5, 3, 7, 11)
_POOL = (7, 4, 6, 8, 3, 9, 2, 10)
_HARD_CODED = (5, 3, 2, 10, 12, 16, 20, 32, 9, 11, 13, 64)
_MOST_TRIED = 20_000  # entries of the input, and of the output, while the axis order is guessed


@dataclass(frozen=True)
class Fit:
    """An axis order that the code took, with the channels; ``sizes`` at which it did."""

    order: AxisOrder
    shape: Shape
    convention: Convention
    sizes: tuple[Sizes, ...]


def fits(
    target: Target,
    function: Any,
    signature: Signature,
    given: AxisOrder | None,
    convention: Convention,
    watch: Watch,
    dtype: torch.dtype,
) -> list[Fit]:
    """The axis orders that the code takes, best first: all that are usual, or the given one.

    An order fits if a call with it succeeds and if what comes back has the right lengths, at two sizes of the
    index sets; where the code runs at one size only, at that one.

    Raises:
        AuditError: none fits; the message tells what the first attempts ran into.
    """
    inputs = [given.inputs] if given else input_orders(signature)
    failures: dict[str, str] = {}
    conventions = [convention]
    if convention.mask_needed:
        conventions = [replace(convention, mask_form=form) for form in MASK_FORMS]
    conventions += [
        replace(one, as_numpy=True) for one in conventions[:1] if not isinstance(function, nn.Module)
    ]
    for wanted in conventions:
        for hard in (False, True):
            found: list[Fit] = []
            for axes in sorted(inputs, key=lambda axes: CHANNELS not in axes):
                for channels in _channels(target, function, axes):
                    new = _fits_of(
                        target,
                        function,
                        signature,
                        given,
                        axes,
                        channels,
                        wanted,
                        watch,
                        dtype,
                        hard,
                        failures,
                    )
                    found += new
                    if new:
                        break
            if found:
                most = max(len(fit.sizes) for fit in found)
                return [fit for fit in found if len(fit.sizes) == most]
    reasons: dict[str, str] = {}
    for words, why in failures.items():
        reasons.setdefault(re.sub(r"\d+", "#", why), f"x as ({words}): it {why}")
    tried = "; ".join(list(reasons.values())[:3])
    more = f"; and {len(failures) - 3} more attempts" if len(failures) > 3 else ""
    problem = f"it does not take the layout {str(given)!r}" if given else "no usual layout fits"
    remedy = (
        "Correct the layout, or give further arguments with init and call."
        if given
        else 'Tell the order of the axes with layout, such as "b c n n -> b c op n n", further arguments '
        "with init and call."
    )
    raise AuditError(target.name, f"{problem} ({tried}{more})", remedy)


def _channels(target: Target, function: Any, axes: tuple[Axis, ...]) -> Sequence[int]:
    if CHANNELS not in axes:
        return (1,)
    if target.in_channels is not None:
        return (target.in_channels,)
    if not isinstance(function, nn.Module) or not any(True for _ in function.parameters()):
        return (3, 2, 1)  # 3 channels are not taken for 2 operators
    dims = {size for parameter in function.parameters() for size in parameter.shape if 1 < size <= 1024}
    return (*sorted(dims), *(c for c in (1, 2, 3, 4, 5, 8, 16, 32, 64) if c not in dims))


def trial_sizes(signature: Signature, channels: Sequence[int | None], hard: bool) -> list[tuple[Sizes, int]]:
    """Sizes to guess with, all different from each other and from the channels, and a batch."""
    batch = next(size for size in _BATCHES if size not in channels)
    sets = signature.index_sets
    if not sets:
        return [({}, batch)]

    def small(sizes: Sizes) -> bool:
        sides = (signature.inputs, signature.outputs)
        return all(prod(sizes[name] for name in side) <= _MOST_TRIED for side in sides)

    pool = [size for size in _POOL if size not in channels and size != batch]
    found: list[Sizes]
    if not hard:
        found = [{name: pool[(t + j) % len(pool)] for j, name in enumerate(sets)} for t in range(4)]
        return [(sizes, batch) for sizes in found if small(sizes)][:2] or [(dict.fromkeys(sets, 2), batch)]
    pool = [size for size in dict.fromkeys((*_POOL, *_HARD_CODED)) if size not in channels]
    found = [dict.fromkeys(sets, size) for size in pool]
    if len(sets) == 2:
        first, second = sets
        found = [{first: p, second: q} for p in pool[:10] for q in pool[:10]]
    return [(sizes, next(s for s in _BATCHES if s not in sizes.values())) for sizes in found if small(sizes)]


def _fits_of(
    target: Target,
    function: Any,
    signature: Signature,
    given: AxisOrder | None,
    axes: tuple[Axis, ...],
    channels: int,
    convention: Convention,
    watch: Watch,
    dtype: torch.dtype,
    hard: bool,
    failures: dict[str, str],
) -> list[Fit]:
    trials = trial_sizes(signature, (channels, target.out_channels), hard)
    stack = not isinstance(function, nn.Module) or not any(True for _ in function.parameters())
    candidates = [given] if given else list(output_orders(signature, axes, stack))
    found: list[Fit] = []
    ran: list[Sizes] = []
    for sizes, batch in trials:
        batch = batch if BATCH in axes else 1
        shape = (batch, *(sizes[name] for name in signature.inputs), channels)
        x = _integers(shape, dtype)
        probe = Subject(
            target, function, candidates[0], convention, Shape(channels, 1, 1, False), watch, 0, dtype
        )
        own = tuple(probe.order.arrange(x).shape)
        try:
            with torch.no_grad():
                y, listed = invoke(probe, probe.order, x, sizes)
        except NoTensor as failed:
            raise AuditError(
                target.name, f"it {failed}", "Wrap it in a function that returns what should be audited."
            ) from None
        except CallFailed as failed:
            words = f"{AxisOrder(signature, axes, ())._words(axes)}, {own}"
            failures.setdefault(words, str(failed))
            if hard or ran:
                continue
            return []
        fitting: list[tuple[AxisOrder, Shape]] = []
        for order in candidates:
            if listed and not order.has(OPERATORS):
                continue
            ordered = y
            if listed:
                ordered = (
                    y.movedim(0, order.outputs.index(OPERATORS))
                    if not probe.order.has(OPERATORS)
                    else (y.movedim(probe.order.outputs.index(OPERATORS), order.outputs.index(OPERATORS)))
                )
            if not order.fits(ordered.shape, sizes, batch):
                continue
            if listed and given is None and any(str(other) != str(order) for other, _ in fitting):
                continue  # where a list is stacked is our choice
            read = order.read(ordered)
            fit = Shape(channels, read.shape[-1], read.shape[1], listed)
            if _plausible(order, fit, target):
                fitting.append((order, fit))
        if not fitting:
            what = f"a list of {len(y)} tensors" if listed else "a tensor"
            words = f"{AxisOrder(signature, axes, ())._words(axes)}, {own}"
            failures.setdefault(
                words, f"returned {what} of shape {tuple(y.shape)}, which fits no output layout"
            )
            if hard or ran:
                continue
            return []
        kept = {(fit.order, fit.shape) for fit in found} if ran else set(fitting)
        ran.append(sizes)
        found = [Fit(order, fit, convention, tuple(ran)) for order, fit in fitting if (order, fit) in kept]
        if hard:
            break
    return found


def _plausible(order: AxisOrder, shape: Shape, target: Target) -> bool:
    """Whether lengths that nothing fixes can be what the order says."""
    if not order.has(OPERATORS) or CHANNELS not in order.outputs:
        return True
    return shape.out_channels == (target.out_channels or shape.in_channels)


def _integers(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-9, 10, shape, generator=generator).to(dtype)
