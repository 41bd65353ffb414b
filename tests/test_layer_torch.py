"""An emitted layer among torch's transforms: autograd, compile, export, autocast, vmap."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

import symeq
from oracles import Spec, dense_map, expected, integers, make, make_input, make_sizes, poison, sides
from symeq.interpretation.recording import called
from symeq.signature import Signature

pytestmark = pytest.mark.usefixtures("seed")

BASES = ("diagram", "orbit")
NORMALIZATIONS = ("sum", "mean", "sqrt")
OPTIONS = [{"basis": b, "normalization": n} for b, n in product(BASES, NORMALIZATIONS)]

every_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))


def random_masks(sizes: dict[str, int], *batch: int) -> dict[str, Tensor]:
    """A mask for each index set; the first node is real, so that no sample is empty."""
    return {name: (torch.rand(*batch, n) < 0.7) | (torch.arange(n) == 0) for name, n in sizes.items()}


def close(y: Tensor, wanted: Tensor) -> None:
    """Equal but for the order of additions, in float64."""
    torch.testing.assert_close(y, wanted, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- autograd


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@every_option
@pytest.mark.parametrize("spec", [(2, 2), (1, 1), (2, 0), (0, 2), "->", "u i -> i"], ids=str)
def test_gradients(spec: Spec, options: dict[str, str], masked: bool) -> None:
    """To input, weight and bias, twice, also in batches, against finite differences."""
    layer = symeq.layer(spec)(2, 2, **options, dtype=torch.float64)
    sizes = make_sizes(spec, 2)
    mask = random_masks(sizes, 2) if masked else None
    inputs = [make_input(spec, (2,), sizes), torch.randn_like(layer.weight), torch.randn_like(layer.bias)]
    inputs = [t.requires_grad_() for t in inputs]

    def call(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional_call(layer, {"weight": weight, "bias": bias}, (x, mask, sizes))

    assert torch.autograd.gradcheck(call, inputs, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(call, inputs)


@every_option
@pytest.mark.parametrize("spec", [(2, 2), (2, 0), "u i -> u i"], ids=str)
def test_gradients_with_bad_padding(spec: Spec, options: dict[str, str]) -> None:
    """Padding of NaN and inf, and samples without any node, leave every gradient finite; zero at padding."""
    layer = make(symeq.layer(spec), **options)
    sizes = make_sizes(spec, 3)
    masks = random_masks(sizes, 3)
    for real in masks.values():
        real[0] = False
    x = poison(spec, make_input(spec, (3,), sizes), masks).requires_grad_()
    layer(x, masks, sizes).square().sum().backward()
    for t in (x, layer.weight, layer.bias):
        assert t.grad is not None and t.grad.isfinite().all() and t.grad.count_nonzero()
    assert (x.grad[x.isfinite().logical_not()] == 0).all() and (x.grad[0] == 0).all()


def test_a_wrong_gradient_is_noticed() -> None:
    """Gradcheck tells a layer that hides part of its input from autograd."""
    layer, x = make(symeq.layer((2, 1))), integers(3, 3, 2).requires_grad_()
    assert not torch.autograd.gradcheck(lambda x: layer(x - x.detach() / 2), (x,), raise_exception=False)


@pytest.mark.parametrize("spec", [(2, 2), (1, 0), (1, 1), (0, 1), (3, 2), "->", "u i -> u i"], ids=str)
def test_nothing_given_is_changed_and_the_output_may_be(spec: Spec) -> None:
    """Input, mask and sizes stay; an activation in place after the layer works, as after any other."""
    for options in OPTIONS:
        layer, sizes = make(symeq.layer(spec), **options), make_sizes(spec)
        given = (make_input(spec, (2,), sizes), random_masks(sizes, 2), dict(sizes))
        kept = copy.deepcopy(given)
        wanted = layer(*given).relu()
        y = torch.relu_(layer(*given))
        y.sum().backward()
        assert torch.equal(y, wanted) and torch.equal(given[0], kept[0]) and given[2] == kept[2]
        assert all(torch.equal(given[1][name], kept[1][name]) for name in sizes)


@pytest.mark.parametrize("spec", ["n n n -> n", "n n n n -> n", "u u i -> i", "n n n n -> n n"])
def test_sums_over_leading_axes_are_taken_one_by_one(spec: str) -> None:
    """No sum of several axes of x leaves one behind them: compilers would gather from all over x."""
    signature = Signature.parse(spec)
    x = torch.randn(2, *[3] * signature.order_in, 4)
    calls, _ = called(lambda: symeq.layer(spec)(4, 4)(x), {"x": x})
    sums = [given[1] for name, given, _ in calls if name == "torch.Tensor.sum" and given[0] == "x"]
    assert sums and all(len(dims) == 1 or dims[-1] == -2 for dims in sums)


def test_strides_do_not_matter() -> None:
    """Transposed, sliced and expanded inputs."""
    for options in OPTIONS:
        layer = make(symeq.layer((2, 2)), **options)
        transposed = integers(5, 4, 4, 2).permute(2, 1, 0, 3).movedim(2, 0)
        sliced = integers(2, 9, 9, 4)[:, 1::2, ::2, ::2][:, :, :4]
        expanded = integers(4, 1, 1).expand(3, 4, 4, 2)
        for x in (transposed, sliced, expanded):
            close(layer(x), layer(x.contiguous()))


# ---------------------------------------------------------------- compile

# Pairwise distinct, and distinct from the 2 and 3 channels: dynamo takes equal first sizes for one.
FIRST, LATER = (7, 5), [(2, 6), (3, 3), (2, 2), (4, 9), (11, 4), (5, 23)]


def compiled(layer: nn.Module, backend: str) -> tuple[Callable[..., Tensor], CompileCounterWithBackend]:
    """The layer compiled for all sizes, and the counter of its graphs."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend(backend)
    return torch.compile(layer, fullgraph=True, dynamic=True, backend=counter), counter


# signature, options, mask (per sample, shared or none), layout
COMPILED: dict[str, tuple[Spec, dict[str, str], str | None, str]] = {
    "2 -> 2": ((2, 2), OPTIONS[1], None, "channels-last"),
    "2 -> 2, orbit, mask": ((2, 2), OPTIONS[4], "per sample", "channels-last"),
    "2 -> 0, sqrt, shared mask": ((2, 0), OPTIONS[2], "shared", "channels-last"),
    "0 -> 2, mask": ((0, 2), OPTIONS[0], "per sample", "channels-last"),
    "2 -> 1, orbit, channels first": ((2, 1), OPTIONS[5], "per sample", "channels-first"),
    "u i -> i, orbit, mask": ("u i -> i", OPTIONS[4], "per sample", "channels-last"),
}


@pytest.mark.parametrize("case", COMPILED)
def test_one_graph_for_all_sizes(case: str) -> None:
    """Of n and batches of at least 2; n = 1, n = 0 and no batch axis work, too."""
    spec, options, masked, layout = COMPILED[case]
    layer = make(symeq.layer(spec, layout=layout), **options)
    call, counter = compiled(layer, "eager")

    def compare(batch: tuple[int, ...], sizes: dict[str, int]) -> None:
        mask = random_masks(sizes, *(batch if masked == "per sample" else ())) if masked else None
        x = make_input(spec, batch, sizes)
        x = x.movedim(-1, len(batch)) if layout == "channels-first" else x
        # An output-only index set has no axis to take its size from.
        given = {name: n for name, n in sizes.items() if name not in sides(spec)[0]} or None
        close(call(x, mask, given), layer(x, mask, given))

    for batch, n in [FIRST, *LATER]:
        compare((batch,), make_sizes(spec, n))
    assert counter.frame_count == 1
    for shape, n in [((3,), 1), ((3,), 0), ((), 4)]:
        compare(shape, make_sizes(spec, n))


def test_a_second_graph_is_noticed() -> None:
    """The counter counts: a function that looks at its size has one graph for each."""
    call, counter = compiled(lambda x: x.sum() if x.shape[0] % 2 else x.prod(), "eager")
    call(torch.ones(5)), call(torch.ones(6))
    assert counter.frame_count == 2


def test_compiled_training(compile_backend: str) -> None:
    """Output and all gradients equal those of eager, from one graph, in the machine's best backend."""
    layer = make(symeq.layer((2, 1)), basis="orbit", normalization="sqrt")
    call, counter = compiled(layer, compile_backend)
    for batch, n in (FIRST, LATER[0], LATER[3]):
        x, mask = integers(batch, n, n, 2).requires_grad_(), random_masks({"n": n}, batch)
        results = []
        for function in (call, layer):
            y = function(x, mask)
            results.append((y, *torch.autograd.grad(y.square().mean(), (x, layer.weight, layer.bias))))
        for got, wanted in zip(*results, strict=True):
            close(got, wanted)
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("way", [False, True])
def test_compiled_gradients_of_several_diagonals(compile_backend: str, way: bool) -> None:
    """Compiled code once lost terms of the gradient where x is read on several diagonals, at some sizes."""
    layer = make(symeq.layer((3, 3)), 16, 16, bias=False, dtype=torch.float32)
    layer.symmetrised = way
    torch._dynamo.reset()
    call = torch.compile(layer, fullgraph=True, dynamic=False, backend=compile_backend)
    x = torch.randn(2, 6, 6, 6, 16, requires_grad=True)
    cotangent = torch.randn(2, 6, 6, 6, 16)
    found = torch.autograd.grad(call(x), (x, layer.weight), cotangent)
    for one, two in zip(found, torch.autograd.grad(layer(x), (x, layer.weight), cotangent), strict=True):
        assert (one - two).abs().max() <= 1e-5 * two.abs().max()


def test_compiled_inference(compile_backend: str) -> None:
    """The 2 -> 2 layer without gradients, in the same backend: one graph again."""
    layer = make(symeq.layer((2, 2)))
    call, counter = compiled(layer, compile_backend)
    with torch.no_grad():
        for batch, n in [FIRST, *LATER]:
            x = integers(batch, n, n, 2)
            close(call(x), layer(x))
    assert counter.frame_count == 1


def test_channels_may_be_numpy_integers() -> None:
    """Whatever counted them, the layer compiles and exports."""
    layer = symeq.layer((2, 1))(np.int64(2), np.int32(3), dtype=torch.float64)
    assert (type(layer.in_channels), type(layer.out_channels)) == (int, int)
    call, _ = compiled(layer, "eager")
    x = integers(7, 5, 5, 2)
    close(call(x), layer(x))
    close(torch.export.export(layer, (x,)).module()(x), layer(x))


def test_compiled_under_autocast() -> None:
    """The same dtype and nearly the same values as eager under autocast."""
    layer = symeq.layer((2, 1))(2, 3)
    call, _ = compiled(layer, "aot_eager")
    x = torch.randn(7, 5, 5, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, wanted = call(x), layer(x)
    assert y.dtype == wanted.dtype == torch.bfloat16
    torch.testing.assert_close(y, wanted, rtol=0.02, atol=0.02)


# ---------------------------------------------------------------- export


def dims(kind: str) -> tuple[object, object, object]:
    """Batch and two index-set sizes, as names, or as hints of the two sorts."""
    if kind == "named":
        return Dim("batch"), Dim("n"), Dim("m")
    return (getattr(Dim, kind),) * 3


def export(spec: Spec, layer: nn.Module, kind: str, masked: bool) -> torch.export.ExportedProgram:
    """The layer exported with dynamic batch and n, from one pair of sizes."""
    sizes = make_sizes(spec, FIRST[1])
    batch, *nodes = dims(kind)
    node = dict(zip(sizes, nodes, strict=False))
    axes = {axis: node[name] for axis, name in enumerate(sides(spec)[0], 1)}
    x, shape = make_input(spec, FIRST[:1], sizes), {0: batch, **axes}
    if not masked:
        return torch.export.export(layer, (x,), dynamic_shapes={"x": shape})
    mask, mask_shape = random_masks(sizes, FIRST[0]), {name: {0: batch, 1: node[name]} for name in sizes}
    shapes = {"x": shape, "mask": mask_shape}
    return torch.export.export(layer, (x,), {"mask": mask}, dynamic_shapes=shapes)


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@every_option
@pytest.mark.parametrize("spec", [(2, 2), "u i -> u"], ids=str)
def test_export(spec: Spec, options: dict[str, str], masked: bool) -> None:
    """Named dimensions, so that torch refuses to narrow them; run at sizes that the export did not see."""
    layer = make(symeq.layer(spec), **options)
    program = export(spec, layer, "named", masked).module()
    for batch, n in LATER:
        sizes = make_sizes(spec, n)
        x, mask = make_input(spec, (batch,), sizes), random_masks(sizes, batch)
        args = (x, mask) if masked else (x,)
        close(program(args[0], **({"mask": mask} if masked else {})), layer(*args))


@pytest.mark.parametrize("kind", ["named", "DYNAMIC", "AUTO"])
@pytest.mark.parametrize("spec", [(2, 1), (3, 0)], ids=str)
def test_export_with_any_kind_of_dimension(spec: Spec, kind: str) -> None:
    """Named, and both hints; no upper bound is put on any size."""
    layer = make(symeq.layer(spec), basis="orbit")
    exported = export(spec, layer, kind, True)
    assert exported.range_constraints
    assert all(bounds.upper > 2**40 for bounds in exported.range_constraints.values())
    sizes = make_sizes(spec, 4)
    x, mask = make_input(spec, (3,), sizes), random_masks(sizes, 3)
    close(exported.module()(x, mask=mask), layer(x, mask))


@pytest.mark.parametrize(
    "spec", [(3, 4), *(pytest.param(s, marks=pytest.mark.slow) for s in ((4, 5), (5, 5)))]
)
def test_export_of_many_axes(spec: Spec) -> None:
    """Where products of sizes are taken apart again, torch must see that the sizes agree for every n."""
    layer = make(symeq.layer(spec))
    program = export(spec, layer, "named", False).module()
    sizes = make_sizes(spec, 4)
    x = make_input(spec, (3,), sizes)
    close(program(x), layer(x))


def test_export_with_a_given_size() -> None:
    """An output-only index set: its size is what was said, and the batch is free."""
    layer = make(symeq.layer((0, 2)))
    batch = Dim("batch")
    exported = torch.export.export(
        layer, (integers(7, 2),), {"sizes": {"n": 5}}, dynamic_shapes={"x": {0: batch}, "sizes": {"n": None}}
    )
    x = integers(3, 2)
    close(exported.module()(x, sizes={"n": 5}), layer(x, sizes={"n": 5}))


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [(2, 2), (2, 0), (1, 1), (0, 1), (0, 2), "->", "u i -> u"], ids=str)
def test_an_export_can_be_saved_and_loaded(spec: Spec, basis: str) -> None:
    """Also where the transform of the orbit weights, or of the bias, has no steps."""
    layer, sizes = make(symeq.layer(spec), basis=basis), make_sizes(spec)
    x, given = make_input(spec, (2,), sizes), {"sizes": sizes}
    file = io.BytesIO()
    torch.export.save(torch.export.export(layer, (x,), given), file)
    file.seek(0)
    close(torch.export.load(file).module()(x, **given), layer(x, **given))


# ---------------------------------------------------------------- half precision

HALVES = (torch.bfloat16, torch.float16)
half = pytest.mark.parametrize("dtype", HALVES, ids=str)


@half
@every_option
@pytest.mark.parametrize("spec", [(2, 2), (2, 0), (1, 0), (0, 2), "->", "u i -> i"], ids=str)
def test_autocast_dtype(spec: Spec, options: dict[str, str], dtype: torch.dtype) -> None:
    """Autocast's, from float32 and either half; gradients in the dtypes of input and weights."""
    layer, sizes = symeq.layer(spec)(2, 3, **options), make_sizes(spec)
    with torch.autocast("cpu", dtype=dtype), pytest.raises(TypeError, match=r"torch\.int64.*torch\.float32"):
        layer(make_input(spec, (2,), sizes).long(), sizes=sizes)
    for came in (torch.float32, *HALVES):
        layer.zero_grad()
        x = make_input(spec, (2,), sizes).to(came).requires_grad_()
        with torch.autocast("cpu", dtype=dtype):
            y = layer(x, random_masks(sizes, 2), sizes)
        y.float().square().sum().backward()
        assert (y.dtype, x.grad.dtype, layer.weight.grad.dtype) == (dtype, came, torch.float32)
    with torch.autocast("cpu", dtype=dtype, enabled=False):
        assert layer(x.float(), sizes=sizes).dtype == torch.float32


@half
def test_autocast_dtype_from_float64(dtype: torch.dtype) -> None:
    """The contract makes no exception: "under autocast the output has the autocast dtype"."""
    layer = symeq.layer((2, 2))(2, 3)
    with torch.autocast("cpu", dtype=dtype):
        assert layer(integers(2, 4, 4, 2)).dtype == dtype


def in_autocast(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """A float32 layer and input under autocast."""
    with torch.autocast("cpu", dtype=dtype):
        return layer(x)


def in_half(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """A layer and input of half precision."""
    return copy.deepcopy(layer).to(dtype)(x.to(dtype))


in_any_way = pytest.mark.parametrize("way", [in_autocast, in_half])


@half
@in_any_way
@every_option
@pytest.mark.parametrize("spec", [(2, 2), (2, 1), (2, 0), (3, 0), (1, 2), "u i -> u i"], ids=str)
def test_half_precision_is_near(
    spec: Spec, options: dict[str, str], way: Callable[..., Tensor], dtype: torch.dtype
) -> None:
    """Within one unit in the last place of the sum of absolute terms; small integers are exact."""
    layer = make(symeq.layer(spec), dtype=torch.float32, **options)
    x = make_input(spec, (2,), make_sizes(spec, 4)).float()
    y, wanted = way(layer, x, dtype), expected(spec, layer, x, **options)
    with torch.no_grad():
        layer.weight.abs_(), layer.bias.abs_()
    terms = expected(spec, layer, x.abs(), **options)
    assert y.dtype == dtype
    assert ((y.double() - wanted).abs() < torch.finfo(dtype).eps * terms.max()).all()


X = torch.full((2, 80, 80, 1), 30.0)  # 192 000 in all; the largest float16 is 65504
# signature, normalisation, the one slot with a weight, that weight, input
LARGE_SUMS: dict[str, tuple[Spec, str, tuple[int, ...], float, Tensor]] = {
    "mean of all": ((2, 0), "mean", (0, 1), 1.0, X),
    "means of rows": ((2, 1), "mean", (0, 1, 0), 1.0, 50 * X),
    "mean of nodes": ((1, 1), "mean", (0, 1), 1.0, 800 * X[:, 0]),
    "sqrt": ((2, 0), "sqrt", (0, 1), 1.0, X),
    "small weight": ((2, 0), "sum", (0, 1), 1e-3, X),
    "small weight, broadcast": ((2, 2), "sum", (0, 1, 2, 3), 1e-3, X),
}


@half
@in_any_way
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("case", LARGE_SUMS)
def test_large_sums_stay_finite(
    case: str, basis: str, way: Callable[..., Tensor], dtype: torch.dtype
) -> None:
    """Finite where float32 is, and right: sums over index axes are held in float32 until after mixing."""
    spec, normalization, slot, weight, x = LARGE_SUMS[case]
    layer = symeq.layer(spec)(1, 1, basis=basis, normalization=normalization)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[layer.BASIS.index(slot)] = weight
        wanted, y = layer(x), way(layer, x, dtype)
    assert y.isfinite().all() and wanted.abs().max() < 65504
    assert (y - wanted).abs().max() < 4 * torch.finfo(dtype).eps * wanted.abs().max()


@half
@in_any_way
def test_large_sums_that_cancel_stay_finite(way: Callable[..., Tensor], dtype: torch.dtype) -> None:
    """Parts of the output beyond 65504 that float32 adds up to nothing."""
    layer = symeq.layer((2, 2))(1, 1, normalization="sum")
    n = 64
    rows, everything = layer.BASIS.index((0, 1, 0, 2)), layer.BASIS.index((0, 1, 2, 3))
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[rows], layer.weight[everything] = -n, 1
        x = torch.full((2, n, n, 1), 30.0)
        assert torch.equal(layer(x), torch.zeros_like(x))
        assert torch.equal(way(layer, x, dtype), torch.zeros_like(x, dtype=dtype))


@half
@pytest.mark.parametrize(
    ("spec", "slots"), [((1, 1), ((0, 0), (0, 1))), ((2, 2), ((0, 1, 0, 1), (0, 1, 1, 0)))], ids=str
)
def test_large_parts_that_cancel_stay_finite(
    spec: tuple[int, int], slots: tuple[tuple[int, ...], ...], dtype: torch.dtype
) -> None:
    """Twice the input, less 1.875 of its mean or its transpose: finite in float32, so under autocast, too."""
    layer = symeq.layer(spec)(1, 1)
    x = torch.full((2, *[4] * spec[0], 1), 40_000.0).to(dtype).float()
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[layer.BASIS.index(slots[0])] = 2
        layer.weight[layer.BASIS.index(slots[1])] = -1.875
        y, wanted = in_autocast(layer, x, dtype), layer(x)
    assert (y - wanted).abs().max() < 4 * torch.finfo(dtype).eps * x.max()


@half
def test_half_precision_sums_do_not_stagnate(dtype: torch.dtype) -> None:
    """4096 ones are 4096, which bfloat16 does not reach by adding; n beyond 256 divides as it is."""
    ones = torch.ones(4096, 1, dtype=dtype)
    layer = symeq.layer((1, 0))(1, 1, bias=False, normalization="sum", dtype=dtype)
    mean = symeq.layer((1, 0))(1, 1, bias=False, normalization="mean", dtype=dtype)
    with torch.no_grad():
        layer.weight.fill_(1), mean.weight.fill_(1)
        assert layer(ones).item() == 4096
        assert mean(ones[:257]).item() == 1
        assert mean(ones, torch.arange(4096) < 257).item() == 1


# ---------------------------------------------------------------- vmap and functional calls


@pytest.mark.parametrize("layout", ["channels-last", "channels-first"])
@every_option
@pytest.mark.parametrize("spec", [(2, 2), (1, 1), (3, 1), (2, 0), (0, 2), "->", "u i -> u i"], ids=str)
def test_vmap(spec: Spec, options: dict[str, str], layout: str) -> None:
    """Over one batch axis and two, any in_dim, with no mask, batched masks, or one for all."""
    layer, sizes = make(symeq.layer(spec, layout=layout), **options), make_sizes(spec)
    x, masks = make_input(spec, (2, 3), sizes), random_masks(sizes, 2, 3)
    x = x.movedim(-1, 2) if layout == "channels-first" else x

    def call(x: Tensor, mask: dict[str, Tensor] | None = None) -> Tensor:
        return layer(x, mask, sizes)

    close(vmap(call)(x), call(x))
    close(vmap(vmap(call))(x), call(x))
    close(vmap(call, in_dims=1, out_dims=1)(x), call(x))
    close(vmap(call)(x, masks), call(x, masks))
    close(vmap(vmap(call))(x, masks), call(x, masks))
    if masks:
        few, one = ({name: real[at] for name, real in masks.items()} for at in (0, (0, 0)))
        close(vmap(call, in_dims=(0, None))(x, one), call(x, one))
        close(vmap(call, in_dims=(None, 0))(x[0, 0], few), call(x[0, :1].expand_as(x[0]), few))


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@every_option
def test_gradients_per_sample(options: dict[str, str], masked: bool) -> None:
    """By vmap of grad of functional_call: those of one sample after another."""
    layer = make(symeq.layer((2, 1)), **options)
    x, mask = integers(3, 4, 4, 2), random_masks({"n": 4}, 3)["n"]
    parameters = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(parameters: dict[str, Tensor], x: Tensor, mask: Tensor) -> Tensor:
        return functional_call(layer, parameters, (x, mask if masked else None)).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, mask)
    for i in range(3):
        layer.zero_grad()
        layer(x[i], mask[i] if masked else None).square().sum().backward()
        for name, p in layer.named_parameters():
            close(each[name][i], p.grad)


@every_option
@pytest.mark.parametrize("spec", [(2, 2), (3, 3), (0, 2), "u i -> u"], ids=str)
def test_ensembles(spec: Spec, options: dict[str, str]) -> None:
    """Several layers as one, by torch's recipe: stacked states, and a copy without storage."""
    layers, sizes = [make(symeq.layer(spec), **options) for _ in range(3)], make_sizes(spec)
    parameters, buffers = stack_module_state(layers)
    base = copy.deepcopy(layers[0]).to("meta")
    x, masks = make_input(spec, (2,), sizes), random_masks(sizes, 2)
    for mask in (None, masks):

        def call(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, mask=mask) -> Tensor:
            return functional_call(base, (p, b), (x, mask, sizes))

        y = vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)
        close(y, torch.stack([layer(x, mask, sizes) for layer in layers]))


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [(2, 1), (1, 2), "u i -> i"], ids=str)
def test_the_jacobian_is_the_dense_map(spec: Spec, basis: str) -> None:
    """Entry for entry, from reverse mode under vmap."""
    layer = make(symeq.layer(spec), basis=basis, normalization="sum")
    (inputs, outputs), sizes = sides(spec), make_sizes(spec)
    dense = torch.from_numpy(dense_map(inputs + outputs, sizes, basis, layer.weight.detach().numpy()))
    k, k_out = len(inputs), len(outputs)
    order = [*range(k, k + k_out), -1, *range(k), -2]  # (*outputs, out, *inputs, in)
    assert torch.equal(jacrev(layer)(make_input(spec, (), sizes)), dense.permute(order))
