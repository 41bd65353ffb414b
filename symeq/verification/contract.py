"""What a layer class is made of: its constructor, its tables of slots, its parameters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from symeq.combinatorics.partitions import unrank
from symeq.verification.cases import BASES, IN_CHANNELS, OUT_CHANNELS, Case, Mismatch, Rung, raised
from symeq.verification.dense import Array
from symeq.verification.load import LISTED_POSITIONS
from symeq.verification.trial import Trial

_SAMPLED_ROWS = 1000  # of a lazy BASIS
_ARGUMENTS = {
    "bias": True,
    "basis": "diagram",
    "normalization": "mean",
    "device": None,
    "dtype": None,
}


def contract_checks(trial: Trial) -> Iterator[Rung]:
    """The checks of the contract, in order."""
    slots, bias_slots = len(trial.dense), len(trial.bias_dense)
    yield Rung(
        "constructor", "names and defaults of the arguments", [None], lambda *_: _try_constructor(trial)
    )
    known = trial.subject.basis_slots
    order = "in lexicographic order"
    scope = f"all {slots} set partitions, {order}" if slots > 1 else "one set partition"
    if known is None:
        scope = f"length {slots}, both ends and {_SAMPLED_ROWS} rows at random"
    yield Rung("BASIS", scope, [None], lambda *_: _try_basis(trial))
    yield Rung(
        "BIAS_BASIS",
        f"all {bias_slots} set partitions of the output positions, {order}"
        if bias_slots > 1
        else "one set partition of the output positions",
        [None],
        lambda *_: _try_bias_basis(trial),
    )
    cases = [Case(basis, {}, bias=bias) for basis in BASES for bias in (True, False)]
    if trial.heavy:
        cases = [Case("diagram", {}, bias=False), Case("orbit", {})]
    yield Rung(
        "parameters",
        f"state_dict is weight ({slots}, in, out) and bias ({bias_slots}, out), which starts at zero; "
        "bias=False; dtype=; extra_repr",
        cases,
        lambda case, _: _try_parameters(trial, case),
    )


def _try_constructor(trial: Trial) -> None:
    arguments = inspect.signature(trial.subject.layer).parameters
    names = ["in_channels", "out_channels", *_ARGUMENTS]
    if list(arguments)[: len(names)] != names:
        raise Mismatch(f"its arguments are ({', '.join(arguments)}), expected ({', '.join(names)})")
    for name, expected in _ARGUMENTS.items():
        if arguments[name].default is not expected and arguments[name].default != expected:
            raise Mismatch(f"{name}={arguments[name].default!r} by default, expected {expected!r}")


def _try_basis(trial: Trial) -> None:
    basis: Any = getattr(trial.subject.layer, "BASIS", None)
    positions = trial.signature.positions
    found = trial.subject.basis_slots
    if found is not None:
        if not isinstance(basis, tuple) or not all(type(row) is tuple for row in basis):
            raise Mismatch(f"BASIS is a {type(basis).__name__}, expected a tuple of tuples")
        _compare_rows(basis, found, trial.dense.strings)
        return
    count = len(trial.dense)
    try:
        if len(basis) != count:
            raise Mismatch(f"BASIS has {len(basis)} rows, expected {count}")
        rng = trial.rng("BASIS", 0)
        for slot in (0, 1, count - 1, -1, *rng.integers(0, count, _SAMPLED_ROWS).tolist()):
            if tuple(basis[slot]) != unrank(slot % count, positions):
                raise Mismatch(f"BASIS[{slot}] is {basis[slot]}, expected {unrank(slot % count, positions)}")
        first = [tuple(row) for row in itertools.islice(basis, 3)]
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        raise raised("reading BASIS", error) from error
    if first != [unrank(slot, positions) for slot in range(3)]:
        raise Mismatch(f"BASIS, looped over, begins with {first}")
    if hasattr(basis, "__setitem__"):
        raise Mismatch("BASIS can be changed, expected an immutable sequence")


def _compare_rows(rows: Sequence[tuple[int, ...]], found: Sequence[int], strings: Array) -> None:
    """``found``: the slots by definition of ``rows``."""
    missing = sorted(set(range(len(strings))) - set(found))
    if missing:
        shown = ", ".join(str(tuple(strings[slot].tolist())) for slot in missing[:3])
        raise Mismatch(f"{len(missing)} of {len(strings)} set partitions are missing: {shown}")
    for slot, right in enumerate(found):
        if right != slot:
            why = f"expected {tuple(strings[slot].tolist())}" if slot < len(strings) else "which comes twice"
            raise Mismatch(f"row {slot} is {rows[slot]}, {why}")


def _try_bias_basis(trial: Trial) -> None:
    basis: Any = getattr(trial.subject.layer, "BIAS_BASIS", None)
    expected = trial.bias_dense.strings
    if trial.signature.order_out > LISTED_POSITIONS:
        if basis is None or len(basis) != len(expected):
            raise Mismatch(f"BIAS_BASIS does not have {len(expected)} rows")
        return
    wanted = tuple(map(tuple, expected.tolist()))
    if not isinstance(basis, tuple):
        raise Mismatch(f"BIAS_BASIS is {basis!r}, expected a tuple")
    for at, (came, right) in enumerate(itertools.zip_longest(basis, wanted)):
        if came != right:
            raise Mismatch(f"row {at} is {came}, expected {right}")


def _try_parameters(trial: Trial, case: Case) -> None:
    shapes: dict[str, tuple[int, ...]] = {"weight": (len(trial.dense), IN_CHANNELS, OUT_CHANNELS)}
    if case.bias:
        shapes["bias"] = (len(trial.bias_dense), OUT_CHANNELS)
    for dtype in (torch.float64, None):
        if dtype is None and case.basis == "orbit" and trial.heavy:
            continue  # these take long to make, and the diagram basis has shown what dtype=None means
        layer = trial.new(case, dtype)
        given = f"basis={case.basis!r}, bias={case.bias}, dtype={dtype}"
        state = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
        ordered = list(state) == list(shapes) or not trial.subject.emitted
        if state != shapes or not ordered:
            raise Mismatch(f"{given}: state_dict has the shapes {state}, expected {shapes}")
        parameters = dict(layer.named_parameters())
        if parameters.keys() != shapes.keys() or not all(p.requires_grad for p in parameters.values()):
            raise Mismatch(f"{given}: the parameters to be trained are {list(parameters)}")
        if not hasattr(layer, "bias") or layer.bias is not parameters.get("bias"):
            raise Mismatch(f"{given}: layer.bias is not {'the parameter' if case.bias else 'None'}")
        for name, parameter in parameters.items():
            wanted = dtype or torch.get_default_dtype()
            if parameter.dtype != wanted:
                raise Mismatch(f"{given}: {name} is {parameter.dtype}, expected {wanted}")
            if not bool(parameter.isfinite().all()):
                raise Mismatch(f"{given}: {name} is not finite at the start")
        if case.bias and bool(parameters["bias"].any()):
            raise Mismatch(f"{given}: the bias does not start at zero")
        try:
            shown = layer.extra_repr()
        except Exception as error:
            raise raised("extra_repr", error) from error
        if case.basis not in shown or case.normalization not in shown:
            raise Mismatch(f"{given}: extra_repr is {shown!r}, which does not show basis and normalization")
