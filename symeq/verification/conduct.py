"""How a layer treats its callers: what it refuses, what it leaves alone, what copies and conversions keep."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from symeq.verification.cases import (
    BASES,
    IN_CHANNELS,
    OUT_CHANNELS,
    Case,
    MaskKind,
    Masks,
    Mismatch,
    Rung,
    raised,
)
from symeq.verification.sizes import graded_sizes, usual_sizes
from symeq.verification.trial import Trial, take_way


def conduct_checks(trial: Trial) -> Iterator[Rung]:
    """The checks, in order."""
    usual = usual_sizes(graded_sizes(trial), 3)
    masks: tuple[MaskKind, ...] = ("none", "own") if trial.signature.index_sets else ("none",)
    refusals = dict(_refusals(trial, usual))
    yield Rung(
        "refusals",
        f"ValueError or TypeError for {', '.join(refusals)}",
        list(refusals.items()),
        lambda case, _: _try_refusal(*case),
        "tested" if trial.subject.emitted else "noted",
    )
    yield Rung(
        "arguments",
        "x, masks and sizes are as before the call",
        [Case("diagram", usual, mask=mask, all_sizes=True) for mask in masks],
        lambda case, at: _try_arguments(trial, case, at),
    )
    yield Rung(
        "copies",
        "deepcopy, to(float32) and back, double(), state_dict into a new layer: the same values and options",
        [Case(basis, usual, "mean") for basis in BASES],
        lambda case, at: _try_copies(trial, case, at),
    )


def _refusals(trial: Trial, sizes: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls that a layer must refuse, by what is wrong with them."""
    signature = trial.signature
    case = Case("diagram", sizes)
    make = trial.subject.layer

    def layer(*arguments: Any, **options: Any) -> Any:
        return trial.new(case, torch.float64)(*arguments, **options)

    rng = trial.rng("refusals", 0)
    values, _ = trial.draw(case, rng)
    x = torch.from_numpy(values)

    def call(x: torch.Tensor, masks: Masks | None = None, **options: Any) -> Callable[[], Any]:
        given, usual = trial.arguments(case, x, masks)
        return lambda: layer(given, **{**usual, **options})

    yield "an unknown basis", lambda: make(IN_CHANNELS, OUT_CHANNELS, basis="fourier")
    yield "an unknown normalization", lambda: make(IN_CHANNELS, OUT_CHANNELS, normalization="max")
    yield "no input channels", lambda: make(0, OUT_CHANNELS)
    yield "no output channels", lambda: make(IN_CHANNELS, 0)
    yield "too many channels", call(torch.cat([x, x], -1))
    yield "too few channels", call(x[..., :1])
    yield "integers", call(x.long())
    yield "another dtype", call(x.float())
    if signature.order_in:
        yield "too few axes", lambda: layer(x.reshape(-1)[:IN_CHANNELS], **trial.arguments(case, x, None)[1])
    needed = {name: size for name, size in sizes.items() if name not in signature.inputs}
    for name in signature.index_sets:
        axes = [x.dim() - 1 - signature.order_in + at for at, n in enumerate(signature.inputs) if n == name]
        if len(axes) > 1:
            yield f"two sizes of {name}", call(torch.cat([x, x.narrow(axes[-1], 0, 1)], axes[-1]))
        if axes:
            other = needed | {name: sizes[name] + 1}
            yield f"a size of {name} that x does not have", call(x, sizes=other)
        else:
            others = {known: size for known, size in needed.items() if known != name}
            yield f"no size of {name}", call(x, sizes=others)
            yield f"a negative size of {name}", call(x, sizes=needed | {name: -1})
        longer = np.ones((*case.batch, sizes[name] + 1), dtype=np.bool_)
        yield f"a mask of {name} of another length", call(x, {name: longer})
        # Integers can be inverted as bools can, so that nothing but a look at the dtype finds them.
        yield f"a mask of {name} of integers", call(x, {name: longer[..., :-1].astype(np.int64)})
    yield "a size of an unknown index set", call(x, sizes=needed | {"nobody": 3})
    yield "a mask of an unknown index set", call(x, mask={"nobody": torch.ones(3, dtype=torch.bool)})


def _try_refusal(what: str, run: Callable[[], Any]) -> None:
    try:
        run()
    except (ValueError, TypeError):
        return
    except Exception as error:
        raise Mismatch(f"{what} raises {type(error).__name__}, expected ValueError or TypeError") from None
    raise Mismatch(f"{what} is not refused, expected ValueError or TypeError")


def _try_arguments(trial: Trial, case: Case, at: int) -> None:
    rng = trial.rng("arguments", at)
    layer = trial.layer(case, trial.parameters(case, rng))
    values, masks = trial.draw(case, rng)
    given, options = trial.arguments(case, torch.from_numpy(values), masks)
    before = copy.deepcopy((given, options))
    try:
        layer(given, **options)
    except Exception as error:
        raise raised(f"{case}\nforward", error) from error
    if not _equal((given, options), before):
        raise Mismatch(f"{case}\nx, mask or sizes is changed by the call")


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_equal(one[k], two[k]) for k in one)
    if isinstance(one, tuple):
        return isinstance(two, tuple) and len(one) == len(two) and all(map(_equal, one, two))
    return bool(one == two)


def _try_copies(trial: Trial, case: Case, at: int) -> None:
    rng = trial.rng("copies", at)
    parameters = trial.parameters(case, rng)
    layer = trial.layer(case, parameters)
    x, masks = trial.draw(case, rng)
    expected = trial.values(layer, case, x, masks)
    ways: dict[str, Callable[[nn.Module], nn.Module]] = {
        "deepcopy": copy.deepcopy,
        "to(float32) and back": lambda made: copy.deepcopy(made).to(torch.float32).to(torch.float64),
        "double()": lambda made: copy.deepcopy(made).double(),
        "state_dict into a new layer": lambda made: _loaded(trial, case, made),
    }
    for name, way in ways.items():
        try:
            made = way(layer)
        except Exception as error:
            raise raised(f"{case}\n{name}", error) from error
        wrong = trial.wrong(trial.values(made, case, x, masks), expected, exact=True)
        if wrong is not None:
            raise Mismatch(f"{case}\nafter {name} the layer computes something else")
        if made.extra_repr() != layer.extra_repr():
            raise Mismatch(f"{case}\nafter {name} extra_repr is {made.extra_repr()!r}")


def _loaded(trial: Trial, case: Case, layer: nn.Module) -> nn.Module:
    options = {"bias": case.bias, "basis": case.basis, "normalization": case.normalization}
    made = trial.subject.layer(IN_CHANNELS, OUT_CHANNELS, dtype=torch.float64, **options)
    made.load_state_dict(layer.state_dict())
    return take_way(made, trial.sorts)  # the ways differ by rounding
