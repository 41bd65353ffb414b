"""Faults that show only in a derivative: the values are right."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import everything, has_axes, has_inputs, repeated, situation, sizes_of

_BACKWARD = """
class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return {}
"""
_WEIGHT = ("self.weight.index_select(0, slots)", "self.weight.to(wide)")
_BIAS = ("self.bias.to(z.dtype)",)


def _of_x(original: Original, backward: str) -> str:
    """The module with another backward pass of x."""
    return original.wrapped("x = _Backward.apply(x)", head=_BACKWARD.format(backward))


def _of(original: Original, uses: tuple[str, ...], backward: str) -> str:
    """The module with another backward pass of a parameter, wherever it is used."""
    parameter = ".".join(uses[0].split(".")[:2])
    pairs = [(use, use.replace(parameter, f"_Backward.apply({parameter})")) for use in uses]
    return original.appended(_BACKWARD.format(backward), *pairs)


@fault(everything)
def backward_of_x_doubled(original: Original) -> Iterator[Change]:
    """The gradient of x is twice what it is."""
    yield Change("2 * grad", _of_x(original, "2 * grad"), [situation(original, gradients=1)])


@fault(everything)
def backward_of_x_lost(original: Original) -> Iterator[Change]:
    """The gradient of x is zero, or there is none."""
    probes = [situation(original, gradients=1)]
    yield Change("zero", _of_x(original, "torch.zeros_like(grad)"), probes)
    yield Change("detach", original.wrapped("x = x.detach()"), probes)


@fault(lambda signature: repeated(signature.inputs, signature.outputs) is not None)
def backward_of_x_transposed(original: Original) -> Iterator[Change]:
    """The gradient of x has two axes of one index set exchanged."""
    pair = repeated(original.signature.inputs, original.signature.outputs)
    if pair is not None:
        a, b = map(original.axis, pair)
        text = _of_x(original, f"grad.transpose({a}, {b})")
        yield Change("transposed", text, [situation(original, gradients=1)])


@fault(has_inputs)
def backward_of_x_wrong_for_large_n(original: Original) -> Iterator[Change]:
    """The gradient of x is wrong for n >= 5 only."""
    axis = original.axis(0)
    text = _of_x(original, f"2 * grad if grad.shape[{axis}] >= 5 else grad")
    yield Change("n >= 5", text, [situation(original, gradients=1, sizes=sizes_of(original.signature, 5))])


@fault(everything)
def backward_of_x_wrong_in_float32(original: Original) -> Iterator[Change]:
    """The gradient of x is wrong in one dtype only."""
    text = _of_x(original, "2 * grad if grad.dtype == torch.float32 else grad")
    yield Change("float32", text, [situation(original, gradients=1, dtype="float32")])


@fault(has_axes)
def backward_into_the_padding(original: Original) -> Iterator[Change]:
    """Padded entries of x have a gradient."""
    masked = "x.masked_fill(~real, 0)"
    text = original.replaced((masked, f"x + ({masked} - x).detach()"))
    yield Change("straight through", text, [situation(original, gradients=1, mask="own")])


@fault(has_axes)
def backward_of_x_wrong_under_a_mask(original: Original) -> Iterator[Change]:
    """The gradient of x is wrong under a mask only."""
    code = "x = x if mask is None else _Backward.apply(x)"
    text = original.wrapped(code, head=_BACKWARD.format("2 * grad"))
    yield Change("under a mask", text, [situation(original, gradients=1, mask="own")])


@fault(everything)
def second_derivative_lost(original: Original) -> Iterator[Change]:
    """The gradient of x is right, and has no gradient itself."""
    text = _of_x(original, "grad.detach()")
    yield Change("detach", text, [situation(original, gradients=2)])


@fault(everything)
def derivative_in_forward_mode_wrong(original: Original) -> Iterator[Change]:
    """The derivative along a direction is doubled in forward mode; the gradient is right."""
    jvp = "\n    @staticmethod\n    def jvp(ctx, tangent):\n        return 2 * tangent\n"
    head = _BACKWARD.format("grad") + jvp
    text = original.wrapped("x = _Backward.apply(x)", head=head)
    yield Change("doubled", text, [situation(original, tangent=True)])


@fault(has_inputs)
def contraction_detached(original: Original) -> Iterator[Change]:
    """One contraction passes no gradient."""
    text = original.substituted(r"^(        c1 = )(.*?)(  #.*)?$", r"\1(\2).detach()")
    yield Change("the first", text, [situation(original, gradients=1)])


@fault(everything)
def backward_of_the_weight_wrong(original: Original) -> Iterator[Change]:
    """The gradient of the weight is doubled or lost."""
    probes = [situation(original, gradients=1, basis=basis) for basis in ("diagram", "orbit")]
    yield Change("doubled", _of(original, _WEIGHT, "2 * grad"), probes)
    yield Change("zero", _of(original, _WEIGHT, "0 * grad"), probes)
    text = original.replaced((_WEIGHT[1], f"{_WEIGHT[1]}.detach()"))
    yield Change("detached in the orbit basis", text, probes[1:])


@fault(everything)
def backward_of_the_bias_wrong(original: Original) -> Iterator[Change]:
    """The gradient of the bias is doubled or lost."""
    probes = [situation(original, gradients=1)]
    yield Change("doubled", _of(original, _BIAS, "2 * grad"), probes)
    yield Change("detached", original.replaced((_BIAS[0], f"{_BIAS[0]}.detach()")), probes)


@fault(everything)
def gradient_kept_by_the_layer(original: Original) -> Iterator[Change]:
    """Parameters that are to be trained take no part: their gradients are None."""
    text = original.replaced(*((use, use.replace("self.weight", "self.weight.data")) for use in _WEIGHT))
    yield Change("weight.data", text, [situation(original, gradients=1)])
