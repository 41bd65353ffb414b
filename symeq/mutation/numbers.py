"""Faults in the arithmetic: products of weights, nonlinearity, precision, axes that are confused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import (
    everything,
    has_axes,
    has_inputs,
    propagates,
    repeated,
    repeats_in,
    repeats_out,
    several_in,
    situation,
)

# ---------------------------------------------------------------- numbers


def _weights_changed(original: Original, code: str) -> str:
    """Wherever the weights are used, ``code`` of w is used."""
    changed = re.sub(r"\bw\b", "self.weight", code)
    uses = ("self.weight.index_select(0, slots)", "self.weight.to(wide)")
    return original.replaced(*((use, use.replace("self.weight", f"({changed})")) for use in uses))


@fault(everything)
def product_of_weights(original: Original) -> Iterator[Change]:
    """Weights are squared: right for zeros and ones; or a tiny product of weights is added."""
    yield Change("squares", _weights_changed(original, "w * w"), [situation(original)])
    text = _weights_changed(original, "w + 2**-30 * w * w.flip(0)")
    yield Change("2**-30 of a product", text, [situation(original)])


@fault(everything)
def weight_used_in_two_slots(original: Original) -> Iterator[Change]:
    """Every operator has the weight of its neighbour, too."""
    yield Change("w + next w", _weights_changed(original, "w + w.roll(1, 0)"), [situation(original)])


@fault(everything)
def nonlinear_by_little(original: Original) -> Iterator[Change]:
    """A tiny square of the input is added."""
    text = original.wrapped(before="x = x + 2**-40 * x * x")
    yield Change("2**-40 x * x", text, [situation(original)])


@fault(everything)
def nonlinear_for_large_values(original: Original) -> Iterator[Change]:
    """Values are clipped where they are large."""
    text = original.wrapped(before="x = x.clamp(-100, 100)")
    yield Change("clamp at 100", text, [situation(original, numbers="large")])


@fault(everything)
def result_rounded(original: Original) -> Iterator[Change]:
    """Values are rounded to integers: right on integers, with normalization "sum"."""
    code = 'if self.normalization == "sum":\n    y = y.round()'
    yield Change("round", original.wrapped(after=code), [situation(original, numbers="fine")])


@fault(everything)
def computed_in_float32(original: Original) -> Iterator[Change]:
    """float64 is computed in float32: right on small integers."""
    probes = [situation(original, numbers="precise")]
    text = original.wrapped(before="x = x.to(torch.float32).to(x.dtype)")
    yield Change("the input", text, probes)
    text = original.replaced(("(torch.float16, torch.bfloat16) else dtype", "() else torch.float32"))
    yield Change("the sums", text, probes)


@fault(has_inputs)
def sums_in_half_precision(original: Original) -> Iterator[Change]:
    """Sums in float16 are infinite although their mean is not."""
    text = original.replaced(("return torch.float32 if", "return dtype if"))
    probe = situation(
        original,
        sizes=dict.fromkeys(original.signature.index_sets, 8),
        dtype="float16",
        normalization="mean",
        numbers="overflowing",
        channels=(1, 1),
        only_slot=-1,
        bias=False,
    )
    yield Change("float16", text, [probe])


@fault(everything)
def result_of_another_dtype(original: Original) -> Iterator[Change]:
    """float16 gives float32, or autocast gives what it was given."""
    text = original.substituted(r"^(        y = .*)\.to\(dtype\)$", r"\1")
    yield Change("float32 for float16", text, [situation(original, dtype="float16", numbers="ones")])
    text = original.replaced(("torch.get_autocast_dtype(kind)", "x.dtype"))
    probe = situation(original, dtype="float32", numbers="ones", context="autocast")
    yield Change("float32 under autocast", text, [probe])


@fault(everything)
def result_off_by_little(original: Original) -> Iterator[Change]:
    """Something is added or multiplied that is as small as rounding errors often are."""
    for code in ("y = y + 1e-9", "y = y * (1 + 2**-40)", "y = y + 1e-9 * torch.rand_like(y)"):
        yield Change(code.removeprefix("y = "), original.wrapped(after=code), [situation(original)])


@fault(everything)
def dropout_left_in(original: Original) -> Iterator[Change]:
    """Half of the input is dropped while training."""
    text = original.wrapped(before="x = nn.functional.dropout(x, 0.5, self.training)")
    yield Change("dropout", text, [situation(original)])


# ---------------------------------------------------------------- axes


@fault(lambda signature: repeated(signature.inputs, signature.outputs) is not None)
def input_axes_swapped(original: Original) -> Iterator[Change]:
    """Two input axes of one index set are exchanged."""
    pair = repeated(original.signature.inputs, original.signature.outputs)
    if pair is None:
        return
    a, b = map(original.axis, pair)
    yield Change("x", original.wrapped(before=f"x = x.transpose({a}, {b})"), [situation(original)])


@fault(lambda signature: repeated(signature.outputs, signature.inputs) is not None)
def output_axes_swapped(original: Original) -> Iterator[Change]:
    """Two output axes of one index set are exchanged."""
    pair = repeated(original.signature.outputs, original.signature.inputs)
    if pair is None:
        return
    a, b = (original.axis(at, outputs=True) for at in pair)
    yield Change("y", original.wrapped(after=f"y = y.transpose({a}, {b})"), [situation(original)])


@fault(lambda signature: several_in(signature) and propagates(signature))
def axes_confused_by_a_reshape(original: Original) -> Iterator[Change]:
    """A transposed input is read in its old shape."""
    inputs = original.signature.inputs
    if not several_in(original.signature):
        return
    other = next(at for at, name in enumerate(inputs) if name != inputs[0])
    a, b = original.axis(0), original.axis(other)
    text = original.wrapped(before=f"x = x.transpose({a}, {b}).reshape(x.shape)")
    yield Change("reshape for transpose", text, [situation(original)])


@fault(everything)
def channels_reversed(original: Original) -> Iterator[Change]:
    """The input channels are taken in the reverse order."""
    text = original.wrapped(before=f"x = x.flip({original.channel_axis})")
    yield Change("flip", text, [situation(original)])


@fault(propagates)
def nodes_reversed(original: Original) -> Iterator[Change]:
    """The nodes of an index set are taken in the reverse order on one side: not equivariant."""
    inputs, outputs = original.signature.inputs, original.signature.outputs
    axis = next((original.axis(at) for at, name in enumerate(inputs) if name in outputs), None)
    if axis is None:
        return
    text = original.wrapped(before=f"x = x.flip({axis})")
    yield Change("flip", text, [situation(original)])


@fault(has_axes)
def node_treated_apart(original: Original) -> Iterator[Change]:
    """The first node of an index set is left out: not equivariant."""
    if not original.signature.positions:
        return
    if original.signature.inputs:
        code = f"x = x.index_fill({original.axis(0)}, torch.tensor([0]), 0)"
        text = original.wrapped(before=code)
    else:
        text = original.wrapped(
            after=f"y = y.index_fill({original.axis(0, outputs=True)}, torch.tensor([0]), 0)"
        )
    yield Change("the first", text, [situation(original)])


@fault(lambda signature: repeats_in(signature) or repeats_out(signature), large=True)
def diagonal_in_another_place(original: Original) -> Iterator[Change]:
    """A diagonal is taken, or written, beside the main one, cyclically."""
    text = original.replaced(("view(x, 0, end + first", "view(x.roll(1, end + second), 0, end + first"))
    yield Change("shifted by one", text, [situation(original)])
