"""Values in other dtypes, of second derivatives, and of the compiled form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from symeq.interpretation.tracing import lean
from symeq.plans.cost import steps
from symeq.verification.cases import (
    BASES,
    IN_CHANNELS,
    OUT_CHANNELS,
    Case,
    MaskKind,
    Masks,
    Mismatch,
    Parameters,
    Rung,
    raised,
)
from symeq.verification.dense import Array, cancellation
from symeq.verification.sizes import Sizes, graded_sizes, sizes_in_words, usual_sizes
from symeq.verification.trial import Trial
from symeq.verification.values import pulled_back

HALVES = (torch.float16, torch.bfloat16)
_LARGE = 8192.0  # in float16 a sum of eight such numbers overflows, their mean does not
_NODES = 12
_CALLS = 300
_MOST_STEPS = 60_000  # of all these calls together
_MOST_COMPILED = (
    60  # slots; the compiler takes minutes over many broadcasts, and where to be brief is left out
)


@dataclass(frozen=True)
class _Half:
    """A case in half precision: in the layer's own dtype, or by autocast from float32."""

    case: Case
    dtype: torch.dtype
    autocast: bool

    def __str__(self) -> str:
        return f"{self.case}, {'autocast to ' if self.autocast else ''}{self.dtype}"


def precision_checks(trial: Trial) -> Iterator[Rung]:
    """The checks, in order."""
    graded = graded_sizes(trial)
    usual = usual_sizes(graded, 2 if trial.heavy else 3)
    masks: tuple[MaskKind, ...] = ("none", "own") if trial.signature.index_sets else ("none",)
    words = sizes_in_words(trial.signature, [usual])
    yield Rung(
        "float32",
        f"small integers, {words}; both bases; {'exact' if _fits(trial, usual) else 'to 1e-5'}",
        [Case(basis, usual, mask=mask) for basis in BASES for mask in masks],
        lambda case, at: _try_single(trial, case, at),
    )
    large = _large_sizes(trial)
    yield Rung(
        "half precision",
        "float16 and bfloat16, as dtype of the layer and by autocast: means of numbers whose sum overflows "
        f"stay finite, and results have the dtype; {sizes_in_words(trial.signature, [large])}; both bases",
        [
            _Half(Case(basis, large, "mean", mask=mask), dtype, autocast)
            for basis in BASES
            for mask in masks
            for dtype in HALVES
            for autocast in (False, True)
        ],
        lambda case, at: _try_half(trial, case, at),
        "tested" if trial.subject.emitted else "noted",
    )
    yield Rung(
        "large numbers",
        f"integers near 2^40 in float64, {words}; both bases; exact",
        [Case(basis, usual) for basis in BASES],
        lambda case, at: _try_large(trial, case, at),
    )
    yield Rung(
        "second derivatives",
        f"of the gradients of x and weight; {words}; both bases; {trial.gradients_in_words}",
        [Case(basis, usual, bias=True, mask=mask) for basis in BASES for mask in masks],
        lambda case, at: _try_second(trial, case, at),
    )


def transform_checks(trial: Trial) -> Iterator[Rung]:
    """The layer under torch.func's transforms, and called again and again."""
    usual = usual_sizes(graded_sizes(trial), 2 if trial.heavy else 3)
    masks: tuple[MaskKind, ...] = ("none", "own") if trial.signature.index_sets else ("none",)
    words = sizes_in_words(trial.signature, [usual])
    cases = [Case(basis, usual, mask=mask) for basis in BASES for mask in masks]
    yield Rung(
        "vmap and forward mode",
        f"torch.func.vmap over the batch, the derivative along a direction in x; {words}; both bases; exact",
        cases,
        lambda case, at: _try_transforms(trial, case, at),
    )
    calls = 3 if trial.heavy else max(3, min(_CALLS, _MOST_STEPS // steps(trial.signature)))
    yield Rung(
        "repeated calls",
        f"{calls} calls with other inputs, of which the first result stays as it is; {words}; exact",
        cases[-1:],
        lambda case, at: _try_repeated(trial, case, at, calls),
    )


def compiled_checks(trial: Trial, brief: bool) -> Iterator[Rung]:
    """The values of the compiled form, which takes long to make; of one setting or none, to be brief."""
    usual = usual_sizes(graded_sizes(trial), 3)
    masks: tuple[MaskKind, ...] = ("none", "own") if trial.signature.index_sets else ("none",)
    words = sizes_in_words(trial.signature, [usual])
    cases = [Case(basis, usual, mask=mask) for basis in BASES for mask in masks]
    if not trial.heavy and not (brief and len(trial.dense) > _MOST_COMPILED):
        yield Rung(
            "compiled values",
            f"torch.compile with backend aot_eager, dynamic: values (exact) and gradients "
            f"({trial.gradients_in_words}); {words}",
            cases[-1:] if brief else cases,
            lambda case, at: _try_compiled(trial, case, at),
        )


def _fits(trial: Trial, sizes: Sizes) -> bool:
    """Whether small integers stay exact in float32."""
    terms = max(cancellation(trial.signature), len(trial.dense))
    return bool(terms * np.prod(trial.dense.shape_in(sizes)) * IN_CHANNELS * 4 < 2**24)


def _large_sizes(trial: Trial) -> dict[str, int]:
    """Sizes at which sums are long."""
    order = max(trial.signature.order_in, trial.signature.order_out, 1)
    nodes = max(2, min(_NODES, round((2**12) ** (1 / order))))
    return {name: nodes + at for at, name in enumerate(trial.signature.index_sets)}


def _small(trial: Trial, case: Case, rng: np.random.Generator) -> tuple[Array, Masks | None, Parameters]:
    """Inputs and weights from -2 to 2."""
    x, masks = trial.draw(case, rng)
    weight = rng.integers(-2, 3, (len(trial.dense), IN_CHANNELS, OUT_CHANNELS))
    bias = rng.integers(-2, 3, (len(trial.bias_dense), OUT_CHANNELS))
    small: Array = np.sign(x) * rng.integers(1, 3, x.shape)
    return small, masks, Parameters(weight, bias)


def _expect(trial: Trial, words: str, y: Tensor, dtype: torch.dtype, expected: Array, bound: float) -> None:
    """y, channels last, has a dtype, is finite, and differs from what is expected by at most ``bound``."""
    if y.dtype != dtype:
        raise Mismatch(f"{words}\ny is {y.dtype}, expected {dtype}")
    got = y.detach().double().numpy()
    with np.errstate(invalid="ignore"):
        wrong = np.argwhere(~(np.abs(got - expected) <= bound))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise Mismatch(f"{words}\ny[{', '.join(map(str, at))}] is {got[at]}, expected {expected[at]}")


def _called(trial: Trial, layer: nn.Module, case: Case, x: Tensor, masks: Masks | None, words: str) -> Tensor:
    """The output, channels last, of whatever dtype."""
    try:
        given, options = trial.arguments(case, x, masks)
        y: Tensor = layer(given, **options)
    except Exception as error:
        raise raised(f"{words}\nforward", error) from error
    return trial.channels_last(y)


def _try_single(trial: Trial, case: Case, at: int) -> None:
    x, masks, parameters = _small(trial, case, trial.rng("float32", at))
    expected = trial.expected(case, parameters, x, masks)
    layer = trial.loaded(trial.new(case, torch.float32), parameters)
    words = f"{case}, float32"
    y = _called(trial, layer, case, torch.from_numpy(x).float(), masks, words)
    bound = 0.0 if _fits(trial, case.sizes) else 1e-5 * max(1.0, float(np.abs(expected).max(initial=0)))
    _expect(trial, words, y, torch.float32, expected, bound)


def _try_half(trial: Trial, half: _Half, at: int) -> None:
    """One slot, whose mean is as large as the numbers; orbit weights become several that nearly cancel."""
    rng = trial.rng("half precision", at)
    case = half.case
    x, masks = trial.draw(case, rng)
    x = np.where(x == 0, 0.0, _LARGE)
    weight = np.zeros((len(trial.dense), IN_CHANNELS, OUT_CHANNELS))
    weight[-1, 0, :] = 1.0  # the slot that sums every input axis by itself
    bias = np.zeros((len(trial.bias_dense), OUT_CHANNELS))
    parameters = Parameters(weight, bias)
    expected = trial.expected(case, parameters, x, masks)
    layer = trial.loaded(trial.new(case, torch.float32 if half.autocast else half.dtype), parameters)
    given = torch.from_numpy(x).to(torch.float32 if half.autocast else half.dtype)
    around = torch.autocast("cpu", dtype=half.dtype) if half.autocast else nullcontext()
    with around:
        y = _called(trial, layer, case, given, masks, str(half))
    # A mean is at most as large as the numbers, and so is each part of an operator of the orbit basis.
    parts = cancellation(trial.signature) if case.basis == "orbit" else 1
    bound = 2.0**-6 * max(1.0, float(np.abs(x).max(initial=0))) * parts
    _expect(trial, str(half), y, half.dtype, expected, bound)


def _try_large(trial: Trial, case: Case, at: int) -> None:
    """Numbers that only double precision holds, times weights of single slots."""
    rng = trial.rng("large numbers", at)
    x, masks = trial.draw(case, rng)
    x = np.sign(x) * (2.0**40 + rng.integers(0, 2**8, x.shape))
    weight = np.zeros((len(trial.dense), IN_CHANNELS, OUT_CHANNELS), dtype=np.int64)
    slots = rng.integers(0, len(trial.dense), OUT_CHANNELS)
    weight[slots, :, np.arange(OUT_CHANNELS)] = 1
    bias = rng.integers(-9, 10, (len(trial.bias_dense), OUT_CHANNELS))
    if case.basis == "orbit" and cancellation(trial.signature) > 2**10:
        x = np.sign(x) * (2.0**30 + rng.integers(0, 2**8, x.shape))
    parameters = Parameters(weight, bias)
    y = trial.values(trial.layer(case, parameters), case, x, masks)
    expected = trial.expected(case, parameters, x, masks)
    wrong = trial.wrong(y, expected, exact=True)
    if wrong is not None:
        raise Mismatch("", trial.counterexample(case, "y", wrong, expected[wrong], y[wrong]))


def _try_second(trial: Trial, case: Case, at: int) -> None:
    """The gradient of x paired with u is the layer on u; that of weight paired with v has the weights v.

    g is the cotangent.
    """
    rng = trial.rng("second derivatives", at)
    parameters = trial.parameters(case, rng)
    values, masks = trial.draw(case, rng)
    other, _ = trial.draw(case, rng)
    x = torch.from_numpy(values).requires_grad_()
    layer = trial.layer(case, parameters)
    named = dict(layer.named_parameters())
    y = trial.call(layer, case, x, masks)
    cotangent = rng.integers(1, 10, tuple(y.shape)).astype(np.float64)
    g = torch.from_numpy(cotangent).requires_grad_()
    try:
        by_x, by_weight = torch.autograd.grad(y, (x, named["weight"]), g, create_graph=True)
        paired = (by_x * torch.from_numpy(other)).sum()
        weight_of_x, g_of_x = torch.autograd.grad(paired, (named["weight"], g), retain_graph=True)
        direction = rng.integers(-9, 10, parameters.weight.shape).astype(np.float64)
        paired = (by_weight * torch.from_numpy(direction)).sum()
        x_of_weight, g_of_weight = torch.autograd.grad(paired, (x, g))
    except Exception as error:
        raise raised(f"{case}\ndouble backward", error) from error
    zero = np.zeros((len(trial.bias_dense), OUT_CHANNELS))
    turned = Parameters(direction, zero)
    without = Parameters(parameters.weight, zero)
    at_other = pulled_back(trial, case, parameters, other, masks, cotangent)
    at_turned = pulled_back(trial, case, turned, values, masks, cotangent)
    pairs: Sequence[tuple[str, Tensor, Array]] = (
        ("weight.grad of <x.grad, u>", weight_of_x, at_other["weight"]),
        ("g.grad of <x.grad, u>", g_of_x, trial.expected(case, without, other, masks)),
        ("x.grad of <weight.grad, v>", x_of_weight, at_turned["x"]),
        ("g.grad of <weight.grad, v>", g_of_weight, trial.expected(case, turned, values, masks)),
    )
    for name, found, expected in pairs:
        got = found.detach().numpy()
        wrong = trial.wrong(got, expected, trial.exact_gradients)
        if wrong is not None:
            raise Mismatch("", trial.counterexample(case, name, wrong, expected[wrong], got[wrong]))


def _try_transforms(trial: Trial, case: Case, at: int) -> None:
    rng = trial.rng("transforms", at)
    parameters = trial.parameters(case, rng)
    values, masks = trial.draw(case, rng)
    layer = trial.layer(case, parameters)
    direction, _ = trial.draw(case, rng)
    given, options = trial.arguments(case, torch.from_numpy(values), masks)
    along, _ = trial.arguments(case, torch.from_numpy(direction), masks)
    mask = options.pop("mask", None)
    spread = (0, None) if mask is None else (0, 0)

    def call(x: Tensor, mask: Any) -> Tensor:
        y: Tensor = layer(x, **options) if mask is None else layer(x, mask=mask, **options)
        return y

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, when it loads forward mode
            mapped = torch.func.vmap(call, in_dims=spread)(given, mask)
            y, derivative, *_ = torch.func.jvp(lambda x: call(x, mask), (given,), (along,))
    except Exception as error:
        raise raised(f"{case}\nunder torch.func", error) from error
    without = Parameters(parameters.weight, np.zeros((len(trial.bias_dense), OUT_CHANNELS)))
    expected = trial.expected(case, parameters, values, masks)
    changed = trial.expected(case, without, direction, masks)
    for found, right in ((mapped, expected), (y, expected), (derivative, changed)):
        words = f"{case}, under torch.func.{'vmap' if found is mapped else 'jvp'}"
        _expect(trial, words, trial.channels_last(found), torch.float64, right, 0.0)


def _try_repeated(trial: Trial, case: Case, at: int, calls: int) -> None:
    rng = trial.rng("repeated calls", at)
    parameters = trial.parameters(case, rng)
    layer = trial.layer(case, parameters)
    values, masks = trial.draw(case, rng)
    first = trial.call(layer, case, torch.from_numpy(values), masks)
    expected = trial.expected(case, parameters, values, masks)
    for _ in range(calls - 2):
        other, masks_of_other = trial.draw(case, rng)
        trial.call(layer, case, torch.from_numpy(other), masks_of_other)
    last = trial.call(layer, case, torch.from_numpy(values), masks)
    for name, y in (("the first call, looked at after the last", first), ("the last call", last)):
        _expect(trial, f"{case}, {name}", y, torch.float64, expected, 0.0)


def _try_compiled(trial: Trial, case: Case, at: int) -> None:
    rng = trial.rng("compiled values", at)
    parameters = trial.parameters(case, rng)
    values, masks = trial.draw(case, rng)
    layer = trial.layer(case, parameters)
    torch._dynamo.reset()
    given, options = trial.arguments(case, torch.from_numpy(values), masks)
    given.requires_grad_()  # a leaf in either layout, as the compiler expects
    words = f"{case}, compiled"
    try:
        run = torch.compile(layer, backend="aot_eager", dynamic=True)
        with lean():
            y = trial.channels_last(run(given, **options))
        cotangent = rng.integers(1, 10, tuple(y.shape)).astype(np.float64)
        y.backward(torch.from_numpy(cotangent))
    except Exception as error:
        raise raised(words, error) from error
    _expect(trial, words, y, torch.float64, trial.expected(case, parameters, values, masks), 0.0)
    expected = pulled_back(trial, case, parameters, values, masks, cotangent)
    gradients = {"x": given.grad, **{name: p.grad for name, p in layer.named_parameters()}}
    for name, gradient in gradients.items():
        if gradient is None:
            raise Mismatch(f"{words}\n{name}.grad is None")
        if name == "x" and trial.subject.layout == "channels-first":
            gradient = gradient.movedim(-trial.signature.order_in - 1, -1)
        wrong = trial.wrong(gradient.numpy(), expected[name], trial.exact_gradients)
        if wrong is not None:
            entry, got = expected[name][wrong], gradient.numpy()[wrong]
            raise Mismatch(words, trial.counterexample(case, f"{name}.grad", wrong, entry, got))
    layer.zero_grad()
