"""Levels computed at sorted index tuples: the values of permutation by permutation, and proved as such."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import factorial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import symeq
from symeq.interpretation.claims import prove_backward, prove_forward
from symeq.interpretation.forms import Unproved
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.values import MaskKind, Setting
from symeq.mutation.mutants import load
from symeq.pipeline import emit
from symeq.signature import BasisKind, EmitOptions, Layout, Normalization, Signature
from symeq.verification.cases import Mismatch
from symeq.verification.checks import sorted_if_compiled
from symeq.verification.load import resolve
from symeq.verification.proofs import Proofs
from symeq.verification.runs import Runs
from symeq.verification.trial import Trial

MODULES: dict[str, ModuleType] = {}


def layer_of(spec: str, source: str | None = None, **options: Any) -> Any:
    """A layer of 2 -> 3 channels that sorts its entries; of a changed source, if one is given."""
    if source is not None:
        module = load(source)
    else:
        module = MODULES.setdefault(spec, load(emit(spec).text))
    (found,) = [thing for name, thing in vars(module).items() if hasattr(thing, "SIGNATURE")]
    made = found(2, 3, dtype=torch.float64, **options)
    assert made.symmetrised in (True, False)
    made.symmetrised = True
    return made


def randomised(layer: Any, generator: torch.Generator) -> Any:
    """The layer with integer weights and biases."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-5, 6, parameter.shape, generator=generator))
    return layer


@pytest.mark.parametrize("basis", ["diagram", "orbit"])
@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        ("n n -> n n", (0, 1, 2, 5)),
        ("n n n -> n n n", (0, 1, 2, 3, 5)),
        ("n n -> n n n", (1, 3)),
        ("n n n -> n n", (1, 3)),
        ("u i i -> i u i", (1, 3)),
        ("n n n n -> n n n n", (1, 2, 3)),
    ],
)
def test_both_ways_give_the_same_integers(spec: str, sizes: tuple[int, ...], basis: str, seed: int) -> None:
    """With normalization "sum" and integers nothing is rounded, whatever the batch; gradients hardly."""
    generator = torch.Generator().manual_seed(seed)
    layer = randomised(layer_of(spec, basis=basis, normalization="sum"), generator)
    order = len(layer.INPUTS)
    for n, batch in itertools.product(sizes, [(), (2,), (0,), (1, 2)]):
        x = torch.randint(-5, 6, (*batch, *[n] * order, 2), generator=generator).double().requires_grad_()
        found = []
        for way in (True, False):
            layer.symmetrised = way
            y = layer(x)
            cotangent = torch.ones_like(y) + torch.arange(y.numel()).view_as(y) % 7
            found.append((y, *torch.autograd.grad(y, (x, *layer.parameters()), cotangent)))
        assert torch.equal(found[0][0], found[1][0]), (n, batch)
        for one, two in zip(*found, strict=True):
            # The gradient of a division at the end is one at the beginning, which rounds for c > 2.
            # Orbit weights' are sums of up to positions! of the diagram weights'.
            terms = factorial(len(layer.INPUTS) + len(layer.OUTPUTS)) if basis == "orbit" else 1
            assert torch.allclose(one, two, rtol=1e-13, atol=1e-12 * terms), (n, batch)


@pytest.mark.parametrize("kind", ["own", "shared"])
@pytest.mark.parametrize("normalization", ["mean", "sqrt"])
def test_both_ways_agree_under_masks(kind: str, normalization: str, seed: int) -> None:
    """Each sample's own count, in the orbit basis, where every power of it has weights of its own."""
    generator = torch.Generator().manual_seed(seed)
    layer = layer_of("n n n -> n n n", basis="orbit", normalization=normalization)
    x = torch.randn(3, 4, 4, 4, 2, generator=generator, dtype=torch.float64)
    mask = torch.rand(*((3, 4) if kind == "own" else (4,)), generator=generator) < 0.7
    one = layer(x, mask)
    layer.symmetrised = False
    assert (one - layer(x, mask)).abs().max() < 1e-12
    assert (one != 0).any()


def test_channels_choose_the_way() -> None:
    """Few channels: permutation by permutation; many: sorted. Layers without a choice have no attribute."""
    module = MODULES.setdefault("n n n -> n n n", load(emit("n n n -> n n n").text))
    ways = [module.Equivariant3to3(d, d, device="meta").symmetrised for d in (1, 2, 4, 64, 128)]
    assert ways == [False, False, False, True, True]
    module = MODULES.setdefault("n n -> n n", load(emit("n n -> n n").text))
    ways = [module.Equivariant2to2(d, d, device="meta").symmetrised for d in (1, 32, 64, 128, 192)]
    assert ways == [False, False, None, None, True], "None: in compiled code only"
    assert not hasattr(load(emit("n n -> n").text).Equivariant2to1(256, 256), "symmetrised")


def test_integers_of_any_kind_choose_the_same_way() -> None:
    """NumPy's small integers would overflow, and its truth values stop torch.compile."""
    layer = symeq.layer("n n -> n n")
    made = layer(np.uint8(200), np.int8(100))
    assert made.symmetrised is layer(200, 100).symmetrised is True
    assert layer(np.int64(3), np.int64(4)).symmetrised is False
    x = torch.randn(2, 3, 3, 200)
    assert torch.equal(torch.compile(made, fullgraph=True, backend="eager")(x), made(x))


@pytest.mark.parametrize("spec", ["n n -> n n", "u i i -> i u i"])
def test_compiled_and_exported_code_may_sort_alone(spec: str, seed: int) -> None:
    """Bit for bit what is not sorted in eager code, gradients too, and what is sorted where torch traces."""
    layer = layer_of(spec)
    x = torch.randn(2, *[5] * len(layer.INPUTS), 2, generator=torch.Generator().manual_seed(seed)).double()

    def results(run: Callable[..., Any], way: bool | None) -> list[torch.Tensor]:
        layer.symmetrised = way
        leaf = x.clone().requires_grad_()
        y = run(leaf)
        return [y, *torch.autograd.grad(y.sin().sum(), (leaf, *layer.parameters()))]

    def same(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
        return all(map(torch.equal, one, two))

    unsorted, through_sorting = results(layer, False), results(layer, True)
    assert not same(unsorted, through_sorting), "they differ by rounding, which tells them apart"
    assert same(results(layer, None), unsorted)
    torch._dynamo.reset()
    call = torch.compile(layer, fullgraph=True, dynamic=True, backend="eager")
    assert same(results(call, None), through_sorting)
    layer.symmetrised = None
    program = torch.export.export(layer, (x,)).module()
    assert torch.equal(program(x), through_sorting[0])


@pytest.mark.parametrize("choices", ["sorted=compiled", "sorted=never", "sorted=64"])
def test_when_to_sort_may_be_chosen(choices: str) -> None:
    """Never in eager code; never at all; from so many channels on in any code."""
    module = load(emit("n n -> n n", EmitOptions(choices=choices)).text)
    ways = [
        vars(module.Equivariant2to2(d, d, device="meta")).get("symmetrised", "never") for d in (8, 64, 256)
    ]
    expected = {
        "sorted=compiled": [False, None, None],
        "sorted=never": ["never"] * 3,
        "sorted=64": [False, True, True],
    }
    assert ways == expected[choices]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated")  # torch's own, for its forward mode
@pytest.mark.parametrize(("spec", "order"), [("n n -> n n", 2), ("n n n -> n n n", 3)])
def test_vectorised_forward_mode(spec: str, order: int) -> None:
    """Tangents of a whole batch, to which others are added in place, as to any."""
    layer = layer_of(spec)
    x = torch.randn(1, *[2] * order, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian
    expected = jacobian(layer, x)
    found = jacobian(layer, x, vectorize=True, strategy="forward-mode")
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("c", [2, 3, 4])
def test_the_tables_list_every_tuple(c: int) -> None:
    """Places of sorted tuples in all orders, no tuple left out; for each tuple one entry that lists it."""
    module = MODULES.setdefault("n n n n -> n n n n", load(emit("n n n n -> n n n n").text))
    orders = tuple(itertools.permutations(range(c)))
    for n in range(6):
        count = n * (1 + torch.tensor(range(n + 1, n + c)).prod().item() // len(orders))
        places, back, times = module._sorted(n, count, orders, torch.device("cpu"))
        listed = list(itertools.combinations_with_replacement(range(n), c))
        rows = places.view(len(orders), count).T.tolist()

        def place(tuple_: tuple[int, ...], n: int = n) -> int:
            return sum(index * n ** (c - 1 - at) for at, index in enumerate(tuple_))

        expected = [[place(tuple(t[at] for at in order)) for order in orders] for t in listed]
        assert rows[: len(expected)] == expected
        assert all(row == [0] * len(orders) for row in rows[len(expected) :])
        assert torch.equal(places[back], torch.arange(n**c))
        assert torch.equal(times[:, 0], (places[:, None] == places).sum(1))


# ---------------------------------------------------------------- proofs

Prove = Callable[..., Any]


def prove(
    how: Prove,
    spec: str,
    basis: BasisKind = "diagram",
    normalization: Normalization = "sum",
    masks: dict[str, MaskKind] | None = None,
    source: str | None = None,
) -> None:
    """Raises Unproved where the sorted way of a layer is not seen to be the definition."""
    layer = layer_of(spec, source, basis=basis, normalization=normalization)
    setting = Setting(Signature.parse(spec), 1, masks or {})
    layout: Layout = "channels-last"
    how(layer, setting, layout, Meaning(setting, basis, normalization, True))


@pytest.mark.parametrize("how", [prove_forward, prove_backward])
@pytest.mark.parametrize(
    ("spec", "basis", "normalization", "masks"),
    [
        ("n n -> n n", "orbit", "mean", {"n": "own"}),
        ("n n n -> n n", "diagram", "sqrt", {}),
        ("n n n -> n n n", "diagram", "mean", {"n": "own"}),
        ("u i i -> i u i", "diagram", "sum", {"i": "shared"}),
    ],
)
def test_the_sorted_way_is_proved(
    how: Prove, spec: str, basis: BasisKind, normalization: Normalization, masks: dict[str, MaskKind]
) -> None:
    """For every size: the forward pass and the gradients are the definition."""
    prove(how, spec, basis, normalization, masks)


FAULTS = {
    "a representation": ("first + second, first - second", "first + second, first + second"),
    "the way back": (
        "torch.stack(_combined(None, total), -3)",
        "torch.stack(_combined(None, total), -3).neg()",
    ),
    "the division": ("w = w / size", "w = w * size"),
    "equal indices": ("index.unsqueeze(1) <= index", "index.unsqueeze(1) < index"),
    "indices that fall": ("index.unsqueeze(1) <= index", "index.unsqueeze(1) >= index"),
    "rows left over": ("fill_value=0", "fill_value=-1"),
    "rows left out": ("size=count, fill_value=0", "size=n, fill_value=0"),
    "places": ("place = place * n + indices", "place = place * (n + 1) + indices"),
    "one order": ("indices[axis]", "indices[0]"),
    "an order twice": ("torch.cat(listed)", "torch.cat([listed[0]] * size)"),
    "a row of numbers too far": ("torch.arange(size * count", "1 + torch.arange(size * count"),
    "memory that was there": ("include_self=False", "include_self=True"),
    "sums of places": ('"amin"', '"sum"'),
    "an order of the result": ("y.flatten(-3, -2)", "y.flip(-3).flatten(-3, -2)"),
    "how often places are listed": ("zeros.scatter_add(0", "(1 + zeros).scatter_add(0"),
    "a weighted order": (
        "x = _combined(fourier, x)",
        "x = _combined(fourier, x * torch.tensor([[[1]], [[2]]]))",
    ),
    "indices that are rounded": (
        "index = torch.arange(n, device=device)",
        "index = torch.arange(n, device=device, dtype=torch.float16)",
    ),
    "weights by place": ("fourier, x)", "fourier, x * places.view(size, count, 1))"),
    "tuples the other way round": ("fourier, x)", "fourier, x.flip(-2))"),
    "tuples moved on": ("fourier, x)", "fourier, x.roll(1, -2))"),
    "tuples left out": ("fourier, x)", "fourier, torch.cat([0 * x[..., :1, :], x[..., 1:, :]], -2))"),
    "products of tuples": ("fourier, x)", "fourier, x @ (x.mT @ x))"),
    "a sum over sorted tuples": ("x = _combined(fourier, x)", "x = _combined(fourier, x + x.sum(-2, True))"),
}


HIGHER_FAULTS = {
    "the division": ("total.shape[-2:]) / size", "total.shape[-2:])"),
    "the matrix back": ("inverse.to(dtype) @ total.flatten(-2)", "inverse.to(dtype).mT @ total.flatten(-2)"),
    "the matrix there": ("matrix.to(x.dtype) @ x", "matrix.to(x.dtype).mT @ x"),
    "an entry of a product": ("torch.cat(x[places_here], -1)", "torch.cat(x[places_here][::-1], -1)"),
}


@pytest.mark.parametrize("name", HIGHER_FAULTS)
def test_a_fault_in_the_matrices_is_refused(name: str) -> None:
    """Of levels with more than two blocks."""
    old, new = HIGHER_FAULTS[name]
    text = emit("n n n -> n n n").text
    assert old in text
    with pytest.raises(Unproved):
        prove(prove_forward, "n n n -> n n n", source=text.replace(old, new))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_sorted_way_is_refused(name: str) -> None:
    """No proof of a program that sorts entries wrongly, loses some, or mixes them otherwise."""
    old, new = FAULTS[name]
    text = emit("n n -> n n").text
    assert old in text
    with pytest.raises(Unproved):
        prove(prove_forward, "n n -> n n", source=text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stacked.flatten(-c - 1, -2)", "stacked.detach().flatten(-c - 1, -2)"),
        ("y.flatten(-3, -2)", "(2 * y - y.detach()).flatten(-3, -2)"),
        ("y.flatten(-3, -2)", "(y[..., :1, :, :].detach() - y[..., :1, :, :] + y).flatten(-3, -2)"),
        ("index, times) / times", "index, times)"),
        ("gradient * times", "gradient"),
        ("gradient * times", "gradient * times * times"),
        ("gradient * times, False, other", "gradient, False, other"),
    ],
)
def test_a_fault_in_its_gradient_is_refused(old: str, new: str) -> None:
    """The forward pass is right, and proved; the gradients are not."""
    text = emit("n n -> n n").text
    assert old in text
    prove(prove_forward, "n n -> n n", source=text.replace(old, new))
    with pytest.raises(Unproved):
        prove(prove_backward, "n n -> n n", source=text.replace(old, new))


# ---------------------------------------------------------------- the size of the tables


@pytest.mark.parametrize(("spec", "c"), [("n n -> n n", 2), ("n n n -> n n n", 3)])
def test_compilers_see_a_product(spec: str, c: int) -> None:
    """A sum would not be seen to divide a flattened size; it is as many rows as in eager code."""
    sizes = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        for node in graph.graph.nodes:
            if "nonzero_static" in str(node.target):
                sizes.append(node.meta["example_value"].shape[0].node.expr)
        return graph.forward

    x = torch.zeros(4, *[5] * c, 2, dtype=torch.float64)
    torch.compile(layer_of(spec), fullgraph=True, dynamic=True, backend=backend)(x)
    (n,) = sizes[0].free_symbols
    for size in sizes:
        (quotient,) = set(size.args) - {n}
        assert size.is_Mul and type(quotient).__name__ == "FloorDiv"
        level = quotient.args[0].as_poly(n).degree() + 1
        for number in range(2, 40):
            rising = np.prod([number + at for at in range(1, level)], dtype=int)
            assert size.subs(n, number) == number * (1 + rising // factorial(level))


@pytest.mark.parametrize("spec", ["n n -> n n", "n n n -> n n n"])
def test_exporters_write_no_condition(spec: str) -> None:
    """An exported program takes an empty batch and one node, though traced with more."""
    layer, order = layer_of(spec), spec.split(" -> ")[0].count("n")
    batch, n = torch.export.Dim("batch", min=0), torch.export.Dim("n", min=1)
    axes = {0: batch, **dict.fromkeys(range(1, order + 1), n)}
    example = torch.zeros(3, *[5] * order, 2, dtype=torch.float64)
    program = torch.export.export(layer, (example,), dynamic_shapes=(axes,)).module()
    for samples, nodes in ((0, 4), (1, 1), (2, 1), (2, 7)):
        x = torch.randn(samples, *[nodes] * order, 2, dtype=torch.float64)
        torch.testing.assert_close(program(x), layer(x))


# ---------------------------------------------------------------- sorted in compiled code only

HIDDEN = {
    "everywhere": "self.symmetrised is None",
    "where torch compiles": "self.symmetrised is None and torch.compiler.is_compiling()",
    "where torch exports": "self.symmetrised is None and torch.compiler.is_exporting()",
    "of one sample, compiled": "self.symmetrised is None and x.dim() == 3 and torch.compiler.is_compiling()",
    "without a bias": "self.symmetrised is None and self.bias is None",
    "for a large batch": "self.symmetrised is None and x.shape[0] == 64",
    "for large sizes": "self.symmetrised is None and isinstance(x.shape[1], int) and x.shape[1] == 137",
    "in half precision": "self.symmetrised is None and x.dtype == torch.float16",
    "in evaluation": "self.symmetrised is None and not self.training",
    "with many channels, compiled": "torch.compiler.is_compiling() and self.in_channels > 50",
    "with more channels": "self.symmetrised is None and self.in_channels > 64",
    "of one sample, exported": "self.symmetrised is None and x.dim() == 3 and torch.compiler.is_exporting()",
    "under vmap": "self.symmetrised is None and torch._C._functorch.is_batchedtensor(x)",
    "in forward mode": "self.symmetrised is None and torch.autograd.forward_ad._current_level >= 0",
    "for one node": "self.symmetrised is None and x.shape[1] == 1",
}


def first_that_fails(path: Path) -> str | None:
    """The check that finds a fault of the third way, the two others being what they are."""
    subject = resolve(path)
    trial = Trial(subject, 0)
    proofs = Proofs(trial, brief=True)
    many_channels = [rung for rung in Runs(trial, proofs).among_themselves() if "channels" in rung.name]
    quick, slow = sorted_if_compiled(subject, 0, proofs)
    held_against_proofs = [rung for rung in slow if "as exported" in rung.name]
    others = [rung for rung in slow if rung not in held_against_proofs]
    for rung in (*quick, *many_channels, *others, *proofs.rungs(), *held_against_proofs):
        for at, case in enumerate(rung.cases):
            if rung.name != "backward pass":
                try:
                    rung.run(case, at)
                except Mismatch:
                    return rung.name
    return None


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    """All the checks below hold for the emitted layer."""
    path = tmp_path / "layer.py"
    path.write_text(emit("n n -> n n").text)
    assert first_that_fails(path) is None


LATE = (
    "for large sizes",
    "for a large batch",
    "in evaluation",
    "where torch exports",
    "of one sample, compiled",
)
"""Found by the checks that take longest."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LATE)) for name in HIDDEN]
)
def test_a_fault_where_torch_decides_is_found(name: str, tmp_path: Path) -> None:
    """No other way of the layer shows it, or no other number of channels."""
    text = emit("n n -> n n").text
    end = "        return y\n"
    path = tmp_path / "layer.py"
    path.write_text(text.replace(end, f"        if {HIDDEN[name]}:\n            y = y * 2\n{end}"))
    found = first_that_fails(path)
    assert found is not None
    assert "if compiled" in found or found == "channels and batches"


@pytest.mark.parametrize(
    "condition",
    ["self.symmetrised is None", "self.in_channels > 3", "self.symmetrised is None and x.requires_grad"],
)
def test_less_precision_with_many_channels_is_found(condition: str, tmp_path: Path) -> None:
    """A cast and one back, which recordings for different dtypes leave out."""
    text = emit("n n -> n n").text
    end = "        return y\n"
    path = tmp_path / "layer.py"
    cast = f"        if {condition}:\n            y = y.to(torch.bfloat16).to(dtype)\n{end}"
    path.write_text(text.replace(end, cast))
    assert first_that_fails(path) is not None


@pytest.mark.parametrize("said", ["not torch.compiler.is_compiling()", "True", "False"])
def test_sorting_in_the_wrong_code_is_found(said: str, tmp_path: Path) -> None:
    """The values are right, and it takes longer than it need."""
    text = emit("n n -> n n").text
    path = tmp_path / "layer.py"
    line = "return torch.compiler.is_compiling() if self.symmetrised is None"
    assert line in text
    path.write_text(text.replace(line, f"return {said} if self.symmetrised is None"))
    assert first_that_fails(path) is not None
