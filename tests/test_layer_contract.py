"""What an emitted layer's class promises besides its values: slots, parameters, copies, start, errors."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import io
import pickle
import random
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from itertools import product
from math import comb
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import symeq
from oracles import (
    Spec,
    check,
    expected,
    index_sets,
    integers,
    make,
    make_input,
    make_sizes,
    set_partitions,
    sides,
)

pytestmark = pytest.mark.usefixtures("seed")

BASES = ("diagram", "orbit")
NORMALIZATIONS = ("sum", "mean", "sqrt")
SPECS: list[Spec] = [(m - k, k) for m in range(6) for k in range(m + 1)]
SPECS += ["u i -> i u", "u i u -> i", "n n -> m"]

# ---------------------------------------------------------------- slots


@pytest.mark.parametrize(
    "spec",
    [*SPECS, (3, 3), (4, 2), (2, 5), (4, 4), "u i u i u -> i u i", "a b a -> c b a c", "n n n n -> m m m"],
    ids=str,
)
def test_slots_are_all_set_partitions_in_lexicographic_order(spec: Spec) -> None:
    """Tuples of tuples of int, listed in the file or computed when it is imported (above 60 operators)."""
    Layer = symeq.layer(spec)
    inputs, outputs = sides(spec)
    for slots, sets in ((Layer.BASIS, inputs + outputs), (Layer.BIAS_BASIS, outputs)):
        assert type(slots) is tuple and all(type(block) is int for string in slots for block in string)
        assert slots == set_partitions(sets)
        assert list(slots) == sorted(slots)


@pytest.mark.parametrize(("k_out", "numbers"), [(2, (15, 2)), (1, (5, 1)), (0, (2, 1))])
def test_published_numbers_of_operators(k_out: int, numbers: tuple[int, int]) -> None:
    """15, 5 and 2 of Maron et al. 2019 for k = 2, and their biases."""
    Layer = symeq.layer((2, k_out))
    assert (len(Layer.BASIS), len(Layer.BIAS_BASIS)) == numbers


def test_the_oracle_lists_set_partitions_by_definition() -> None:
    """The recursion of the oracle gives what picking restricted growth strings out of all strings gives."""
    for sets in [(), ("n",) * 5, ("u", "i", "u", "t", "i")]:
        picked = [
            string
            for string in product(range(len(sets)), repeat=len(sets))
            if all(block <= max(string[:at], default=-1) + 1 for at, block in enumerate(string))
            and len({*zip(string, sets, strict=True)}) == len({*string})
        ]
        assert set_partitions(sets) == tuple(picked)


def test_slots_of_eleven_positions_are_a_lazy_sequence() -> None:
    """Immutable, and equal to the tuple that is never built; here few enough to build it."""
    spec = "a b a c a b -> a c b a a"
    slots, listed = symeq.layer(spec).BASIS, set_partitions(sum(sides(spec), ()))
    assert not isinstance(slots, tuple)
    assert len(slots) == len(listed) == 203 * 5 * 2
    assert slots == listed and listed == slots
    assert slots != listed[:-1] and slots != (*listed[:-1], listed[0]) and listed[:-1] != slots
    assert slots == copy.deepcopy(slots) == symeq.layer("a b a c a b a -> c b a a").BASIS
    assert (slots[0], slots[-1], slots[777], slots[5:9]) == (listed[0], listed[-1], listed[777], listed[5:9])
    assert slots[::-400] == listed[::-400] and tuple(reversed(slots)) == listed[::-1]
    assert listed[777] in slots and (0,) * 11 not in slots
    assert slots.index(listed[777]) == 777 and slots.count(listed[777]) == 1  # how one finds a slot
    for outside in (len(listed), -len(listed) - 1):
        with pytest.raises(IndexError):
            slots[outside]
    with pytest.raises(TypeError):
        slots[0] = listed[1]
    with pytest.raises((TypeError, AttributeError)):
        del slots[0]


@cache
def completions(rest: int, blocks: int) -> int:
    """The number of ways to place ``rest`` more elements when there are ``blocks`` blocks."""
    return blocks * completions(rest - 1, blocks) + completions(rest - 1, blocks + 1) if rest else 1


def rank(string: tuple[int, ...]) -> int:
    """How many set partitions come before this one."""
    used = [len({*string[:at]}) for at in range(len(string))]
    return sum(b * completions(len(string) - at - 1, used[at]) for at, b in enumerate(string))


def test_the_rank_is_the_place_in_the_list() -> None:
    """The formula that the test below samples with, against the whole list of 8 elements."""
    assert [rank(string) for string in set_partitions(("n",) * 8)] == list(range(4140))


def test_slots_of_five_to_six() -> None:
    """678 570 slots, found in their places at random."""
    slots = symeq.layer((5, 6)).BASIS
    assert len(slots) == completions(11, 0) == 678_570
    for at in [0, 678_569, *random.Random(11).sample(range(678_570), 2000)]:
        assert rank(slots[at]) == at


# ---------------------------------------------------------------- high orders


def load(path: Path) -> ModuleType:
    """The emitted file as a module of its own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contractions(k: int) -> int:
    """A(k): set partitions of k positions, each block summed or not (MATHEMATICS.md, section 5)."""
    return sum(comb(k, j) * completions(k - j, 0) * completions(j, 0) for j in range(k + 1))


@pytest.fixture(scope="module")
def five_to_five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emitted file of 5 -> 5."""
    return symeq.generate((5, 5), tmp_path_factory.mktemp("high"))


def test_the_file_grows_with_the_contractions(five_to_five: Path, tmp_path: Path) -> None:
    """5 -> 5 has 28 times the operators of 4 -> 4, and A(5) / A(4) = 5.4 times the contractions."""
    assert [contractions(k) for k in range(1, 7)] == [2, 6, 22, 94, 454, 2430]
    files = {k: symeq.generate((k, k), tmp_path) for k in (2, 3, 4)} | {5: five_to_five}
    length = {k: len(file.read_text()) for k, file in files.items()}
    for k in (3, 4, 5):
        wider = (k + 1) / k  # each line names its axes
        assert length[k] < wider * length[k - 1] * contractions(k) / contractions(k - 1)


def test_five_to_five(five_to_five: Path) -> None:
    """All 115 975 operators from the file alone, at n = 2: exactly the definition."""
    Layer = load(five_to_five).Equivariant5to5
    assert set_partitions(("n",) * 10) == Layer.BASIS
    for basis in BASES:
        layer = make(Layer, 1, 1, basis=basis, normalization="sum")
        x = integers(2, *[2] * 5, 1)
        wanted = expected((5, 5), layer, x, basis=basis, normalization="sum")
        check(layer(x), wanted, exact=True)


# ---------------------------------------------------------------- the class and its parameters


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_constructor_and_call(spec: Spec) -> None:
    """The names, the order and the defaults that the contract gives."""
    Layer = symeq.layer(spec)
    assert issubclass(Layer, nn.Module)
    empty = inspect.Parameter.empty
    wanted = {
        "in_channels": empty,
        "out_channels": empty,
        "bias": True,
        "basis": "diagram",
        "normalization": "mean",
        "device": None,
        "dtype": None,
    }
    parameters = inspect.signature(Layer).parameters
    assert {name: p.default for name, p in parameters.items()} == wanted and list(parameters) == list(wanted)
    forward = inspect.signature(Layer(1, 1).forward).parameters
    assert {name: p.default for name, p in forward.items()} == {"x": empty, "mask": None, "sizes": None}
    assert list(forward) == ["x", "mask", "sizes"]


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [*SPECS, (3, 3)], ids=str)
def test_parameters_and_state(spec: Spec, basis: str) -> None:
    """Weight and bias by slots, nothing else in the state; zero bias; a round trip keeps the values."""
    Layer = symeq.layer(spec)
    layer = Layer(2, 3, basis=basis)
    assert layer.weight.shape == (len(Layer.BASIS), 2, 3) and layer.bias.shape == (len(Layer.BIAS_BASIS), 3)
    assert layer.weight.count_nonzero() == layer.weight.numel() and layer.bias.count_nonzero() == 0
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    bare = Layer(2, 3, False, basis=basis)
    assert bare.bias is None and list(bare.state_dict()) == ["weight"]

    source, target = make(Layer, basis=basis), make(Layer, basis=basis)
    assert target.load_state_dict(source.state_dict()) == ([], [])
    x, sizes = make_input(spec, (2,), make_sizes(spec)), make_sizes(spec)
    assert torch.equal(source(x, sizes=sizes), target(x, sizes=sizes))


def test_a_checkpoint_of_another_signature_is_refused() -> None:
    """As by any module: the shapes do not fit."""
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        symeq.layer((2, 1))(2, 3).load_state_dict(symeq.layer((2, 2))(2, 3).state_dict())


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_options_are_shown(basis: str, normalization: str) -> None:
    """The state does not hold them, so the text of the layer must."""
    shown = symeq.layer((2, 1))(17, 31, bias=False, basis=basis, normalization=normalization).extra_repr()
    for word in ("17", "31", "bias=False", basis, normalization):
        assert word in shown
    assert "bias=True" in repr(nn.Sequential(symeq.layer((2, 1))(17, 31)))


def fill_empty(blank: nn.Module, layer: nn.Module) -> nn.Module:
    """Storage first, values then."""
    blank.to_empty(device="cpu").load_state_dict(layer.state_dict())
    return blank


def assign(blank: nn.Module, layer: nn.Module) -> nn.Module:
    """The values become the parameters."""
    blank.load_state_dict(layer.state_dict(), assign=True)
    return blank


@pytest.mark.parametrize("fill", [fill_empty, assign])
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [(2, 2), (3, 3), (0, 2), "u i -> u i"], ids=str)
def test_meta_device(spec: Spec, basis: str, fill: Callable[[nn.Module, nn.Module], nn.Module]) -> None:
    """Built without storage, by argument, context or skip_init; filled from a checkpoint either way."""
    Layer = symeq.layer(spec)
    layer = make(Layer, basis=basis)
    with torch.device("meta"):
        by_context = Layer(2, 3, basis=basis, dtype=torch.float64)
    by_argument = Layer(2, 3, basis=basis, dtype=torch.float64, device="meta")
    x, sizes = make_input(spec, (2,), make_sizes(spec)), make_sizes(spec)
    mask = {name: torch.rand(2, n) < 0.7 for name, n in sizes.items()}
    for blank in (by_context, by_argument):
        assert blank.weight.is_meta and blank.bias.is_meta
        assert blank(x.to("meta"), sizes=sizes).shape == layer(x, sizes=sizes).shape
        filled = fill(blank, layer)
        assert torch.equal(filled(x, mask, sizes), layer(x, mask, sizes))
        filled.reset_parameters()
        assert filled.weight.isfinite().all()
    skipped = nn.utils.skip_init(Layer, 2, 3, basis=basis, dtype=torch.float64)
    skipped.load_state_dict(layer.state_dict())
    assert torch.equal(skipped(x, mask, sizes), layer(x, mask, sizes))


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [(2, 2), (3, 3), (0, 2)], ids=str)
def test_dtypes(spec: Spec, basis: str) -> None:
    """By argument, by conversion, by the default dtype; the output has the dtype of the weights."""
    Layer, sizes = symeq.layer(spec), make_sizes(spec)
    assert Layer(2, 3, basis=basis).weight.dtype == torch.float32
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        layer = Layer(2, 3, basis=basis, dtype=dtype)
        converted = Layer(2, 3, basis=basis).to(dtype)
        for each in (layer, converted):
            assert each.weight.dtype == each.bias.dtype == dtype
            x = make_input(spec, (2,), sizes).to(dtype)
            assert each(x, sizes=sizes).dtype == dtype
    assert Layer(2, 3).half().weight.dtype == torch.float16
    assert Layer(2, 3).double().bias.dtype == torch.float64
    torch.set_default_dtype(torch.float64)
    try:
        assert Layer(2, 3, basis=basis).weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


# ---------------------------------------------------------------- copies


def through_torch(layer: nn.Module) -> nn.Module:
    """torch.save and torch.load of the whole module."""
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def through_weights_only(layer: nn.Module) -> nn.Module:
    """torch.save and the safe torch.load of the state."""
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    again = type(layer)(2, 3, basis=layer.basis, dtype=torch.float64)
    again.load_state_dict(torch.load(file, weights_only=True))
    return again


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), through_torch, through_weights_only],
    ids=["deepcopy", "pickle", "torch.save", "state"],
)
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [(2, 2), (3, 3), (1, 0), "u i -> u"], ids=str)
def test_copies(spec: Spec, basis: str, copied: Callable[[nn.Module], nn.Module]) -> None:
    """Equal values, of the same class, with parameters of their own."""
    layer = make(symeq.layer(spec), basis=basis)
    again = copied(layer)
    assert type(again) is type(layer) and repr(again) == repr(layer)
    x, sizes = make_input(spec, (2,), make_sizes(spec)), make_sizes(spec)
    y = layer(x, sizes=sizes)
    assert torch.equal(again(x, sizes=sizes), y)
    with torch.no_grad():
        again.weight.zero_()
    assert torch.equal(layer(x, sizes=sizes), y) and layer.weight.any()


def test_the_same_arguments_give_the_same_class() -> None:
    """In every spelling of the signature; its pickle is a reference."""
    Layer = symeq.layer("n n -> n")
    assert Layer is symeq.layer((2, 1)) is symeq.layer(symeq.Signature.parse("n n  ->n"))
    assert pickle.loads(pickle.dumps(Layer)) is Layer is copy.deepcopy(Layer)


def test_a_pickle_is_read_in_a_fresh_process(tmp_path: Path) -> None:
    """One that has not made the class; named classes and the other layout, too."""
    layers = [
        make(symeq.layer((2, 2)), basis="orbit"),
        make(symeq.layer("u i -> u", class_name="Rows")),
        make(symeq.layer((1, 1), layout="channels-first")),
    ]
    inputs = [integers(2, 3, 3, 2), integers(2, 3, 4, 2), integers(2, 2, 5)]
    wanted = [layer(x).detach() for layer, x in zip(layers, inputs, strict=True)]
    file = tmp_path / "layers.pickle"
    file.write_bytes(pickle.dumps((layers, inputs, wanted)))
    program = (
        "import pickle, sys, torch\n"
        "layers, inputs, wanted = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print([torch.equal(f(x), y) for f, x, y in zip(layers, inputs, wanted)])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.returncode) == ("[True, True, True]", 0), ran.stderr


@pytest.mark.parametrize("spec", [(2, 2), (4, 3), "u i -> u"], ids=str)
def test_tracebacks_show_the_emitted_source(spec: Spec) -> None:
    """The frames inside the layer have their lines, and those are lines of the class."""
    Layer = symeq.layer(spec)
    with pytest.raises(ValueError) as caught:
        Layer(2, 3)(torch.zeros(7))
    frames = [f for f in traceback.extract_tb(caught.tb) if f.filename == Layer.forward.__code__.co_filename]
    assert frames[-1].line.startswith("raise ValueError")
    source = [line.strip() for line in inspect.getsource(Layer).splitlines()]
    assert all(frame.line.splitlines()[0] in source for frame in frames)


# ---------------------------------------------------------------- the start


def variance_ratio(layer: nn.Module, spec: Spec, sizes: dict[str, int], real: int | None = None) -> float:
    """The output's variance at pairwise distinct indices over that of independent inputs, measured.

    The layer is equivariant, so one such entry stands for all. ``real``: only so many nodes are real.
    """
    inputs, outputs = sides(spec)
    x = 3 * torch.randn(192, *(sizes[name] for name in inputs), layer.weight.shape[1])
    mask = None if real is None else {name: torch.arange(n) < real for name, n in sizes.items()}
    distinct = tuple(outputs[:at].count(name) for at, name in enumerate(outputs))
    with torch.no_grad():
        y = layer(x, mask, sizes)[:, *distinct]
    return float(y.square().mean()) / 9


SQRT: list[Spec] = [(1, 1), (2, 2), (2, 1), (2, 0), (4, 1), (3, 2), (0, 2), "->"]
SQRT += ["u i -> u i", "u i -> i", "n n -> m"]


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", SQRT, ids=str)
def test_the_start_keeps_the_variance(spec: Spec, basis: str) -> None:
    """Within 0.5 to 2 for "sqrt", from the smallest n that has distinct indices on."""
    inputs, outputs = sides(spec)
    least = max([1, *(outputs.count(name) for name in outputs)])
    for first in (least, least + 1, least + 2, 6):
        layer = symeq.layer(spec)(32, 32, basis=basis, normalization="sqrt")
        if not inputs and outputs:  # no sums, but the same promise
            assert 0.5 < variance_ratio(layer, spec, dict.fromkeys(index_sets(spec), first)) < 2
            continue
        for sizes in (make_sizes(spec, first), dict.fromkeys(index_sets(spec), first)):
            assert 0.5 < variance_ratio(layer, spec, sizes) < 2, sizes
        assert 0.5 < variance_ratio(layer, spec, dict.fromkeys(index_sets(spec), 6), real=first) < 2, first


def test_a_wrong_start_is_noticed() -> None:
    """Weights twice too large, sums that are not normalised, and means."""
    wrong = symeq.layer((2, 2))(32, 32, normalization="sqrt")
    with torch.no_grad():
        wrong.weight.mul_(2)
    assert variance_ratio(wrong, (2, 2), {"n": 6}) > 2
    assert variance_ratio(symeq.layer((2, 2))(32, 32, normalization="sum"), (2, 2), {"n": 6}) > 2
    assert variance_ratio(symeq.layer((2, 2))(32, 32, normalization="mean"), (2, 2), {"n": 6}) < 0.5


@pytest.mark.parametrize("basis", BASES)
def test_reset_parameters(basis: str) -> None:
    """Drawn anew in place, from torch's generator; explained in the docstring."""
    layer = symeq.layer((2, 1))(2, 3, basis=basis)
    weight, before = layer.weight, layer.weight.detach().clone()
    with torch.no_grad():
        layer.bias.fill_(1)
    torch.manual_seed(5)
    layer.reset_parameters()
    drawn = layer.weight.detach().clone()
    assert layer.weight is weight and not torch.equal(drawn, before) and layer.bias.count_nonzero() == 0
    torch.manual_seed(5)
    assert torch.equal(symeq.layer((2, 1))(2, 3, basis=basis).weight, drawn)
    assert "distinct" in layer.reset_parameters.__doc__


# ---------------------------------------------------------------- errors

X22 = torch.zeros(2, 4, 4, 3)
XUI = torch.zeros(2, 4, 5, 3)
SOME = torch.ones(2, 4, dtype=torch.bool)

# signature; input, mask, sizes; error; what its text must hold: what came, and what was expected.
WRONG_CALLS: dict[str, tuple[Spec, tuple[object, ...], type[Exception], tuple[str, ...]]] = {
    "no axes": ((2, 1), (torch.zeros(()),), ValueError, ("()", "n, n, 3")),
    "too few axes": ((2, 1), (torch.zeros(4, 3),), ValueError, ("(4, 3)", "n, n, 3")),
    "too few axes, k' = 0": ((1, 0), (torch.zeros(3),), ValueError, ("(3,)", "n, 3")),
    "channels": ((2, 1), (torch.zeros(2, 4, 4, 5),), ValueError, ("(2, 4, 4, 5)", "n, n, 3")),
    "channels, k = 0": ((0, 1), (torch.zeros(2, 5), None, {"n": 4}), ValueError, ("(2, 5)", "3")),
    "channels, sets": ("u i -> u", (torch.zeros(2, 4, 5, 2),), ValueError, ("(2, 4, 5, 2)", "u, i, 3")),
    "sets called so": (
        "in_channels -> n",
        (torch.zeros(2, 4, 5),),
        ValueError,
        ("(*batch, in_channels, 3)",),
    ),
    "unequal sizes": ((2, 1), (torch.zeros(2, 4, 5, 3),), ValueError, ("(2, 4, 5, 3)", "n, n, 3")),
    "unequal, one is 1": ((2, 1), (torch.zeros(2, 4, 1, 3),), ValueError, ("(2, 4, 1, 3)", "n, n, 3")),
    "unequal, sets": ("u i u -> i", (torch.zeros(4, 5, 6, 3),), ValueError, ("(4, 5, 6, 3)", "u, i, u, 3")),
    "integer input": ((2, 1), (X22.long(),), TypeError, ("torch.int64", "torch.float32")),
    "boolean input": ((2, 1), (X22.bool(),), TypeError, ("torch.bool", "torch.float32")),
    "complex input": ((2, 1), (X22.cfloat(),), TypeError, ("torch.complex64", "torch.float32")),
    "float64 input": ((2, 1), (X22.double(),), TypeError, ("torch.float64", "torch.float32")),
    "half input": ((2, 1), (X22.half(),), TypeError, ("torch.float16", "torch.float32")),
    "no tensor": ((2, 1), ([[[0.0]]],), TypeError, ("list", "tensor")),
    "mask: nodes": ((2, 1), (X22, SOME[:, :3]), ValueError, ("(2, 3)", "(2, 4)")),
    "mask: shared, nodes": ((2, 1), (X22, SOME[0, :3]), ValueError, ("(3,)", "(4,)")),
    "mask: samples": ((2, 1), (X22, SOME[:1]), ValueError, ("(1, 4)", "(2, 4)")),
    "mask: one node": ((2, 1), (X22, SOME[:, :1]), ValueError, ("(2, 1)", "(2, 4)")),
    "mask: axes": ((2, 1), (X22, SOME[:, :, None]), ValueError, ("(2, 4, 1)", "(2, 4)")),
    "mask: no axes": ((2, 1), (X22, torch.tensor(True)), ValueError, ("()", "(2, 4)")),
    "mask: batch axes": ((2, 1), (X22[None], SOME), ValueError, ("(2, 4)", "(1, 2, 4)")),
    "mask: no batch": ((2, 1), (X22[0], SOME), ValueError, ("(2, 4)", "(4,)")),
    "mask: float": ((2, 1), (X22, SOME.float()), TypeError, ("torch.float32", "bool")),
    "mask: integer": ((2, 1), (X22, SOME.long()), TypeError, ("torch.int64", "bool")),
    "mask: list": ((2, 1), (X22, [True] * 4), TypeError, ("list",)),
    "mask: dict of lists": ((2, 1), (X22, {"n": [True] * 4}), TypeError, ("list", "bool")),
    "mask: unknown name": ((2, 1), (X22, {"m": SOME}), ValueError, ("'m'", "'n'")),
    "mask: tensor, sets": ("u i -> u", (XUI, SOME), (ValueError, TypeError), ("dict", "'u'", "'i'")),
    "mask: tensor, no set": ("->", (torch.zeros(2, 3), SOME), (ValueError, TypeError), ("dict",)),
    "mask: other set's": ("u i -> u", (XUI, {"i": SOME}), ValueError, ("(2, 4)", "(2, 5)", "'i'")),
    "mask: output's": ("n -> m", (X22[0], {"m": SOME}, {"m": 5}), ValueError, ("(2, 4)", "(4, 5)", "'m'")),
    "sizes: missing": ((0, 2), (torch.zeros(2, 3),), ValueError, ("'n'", "sizes")),
    "sizes: missing one": ("n -> m", (X22[0], None, {"n": 4}), ValueError, ("'m'", "sizes")),
    "sizes: unknown name": ((2, 1), (X22, None, {"m": 4}), ValueError, ("'m'", "'n'")),
    "sizes: conflict": ((2, 1), (X22, None, {"n": 5}), ValueError, ("(2, 4, 4, 3)", "5", "4")),
    "sizes: negative": ((0, 1), (torch.zeros(3), None, {"n": -1}), ValueError, ("-1",)),
    "sizes: fraction": ((0, 1), (torch.zeros(3), None, {"n": 2.5}), (ValueError, TypeError), ("2.5",)),
    "sizes: bool": ((0, 1), (torch.zeros(3), None, {"n": True}), (ValueError, TypeError), ("True",)),
    "sizes: no dict": ((0, 1), (torch.zeros(3), None, 4), (ValueError, TypeError), ("int", "dict")),
}


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_a_wrong_call_says_what_came_and_what_was_expected(case: str) -> None:
    """With the shapes or dtypes of both."""
    spec, args, error, words = WRONG_CALLS[case]
    with pytest.raises(error) as caught:
        symeq.layer(spec)(3, 2)(*args)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        ((2, 1), (2, 4, 4, 3), ("(2, 4, 4, 3)", "3, n, n")),
        ((2, 1), (4, 4), ("(4, 4)", "3, n, n")),
        ((2, 1), (3, 4, 5), ("(3, 4, 5)", "3, n, n")),
        ("u i -> u", (2, 4, 5, 3), ("(2, 4, 5, 3)", "3, u, i")),
    ],
    ids=str,
)
def test_a_wrong_shape_channels_first(spec: Spec, shape: tuple[int, ...], words: tuple[str, ...]) -> None:
    """The expected shape is that of the layout."""
    with pytest.raises(ValueError) as caught:
        symeq.layer(spec, layout="channels-first")(3, 2)(torch.zeros(shape))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"in_channels": 0}, ("in_channels", "0")),
        ({"in_channels": -3}, ("in_channels", "-3")),
        ({"in_channels": 2.0}, ("in_channels", "2.0")),
        ({"out_channels": "4"}, ("out_channels", "'4'")),
        ({"out_channels": True}, ("out_channels", "True")),
        ({"out_channels": None}, ("out_channels", "None")),
        ({"basis": "orbits"}, ("basis", "'orbits'", "diagram", "orbit")),
        ({"basis": None}, ("basis", "None", "diagram", "orbit")),
        ({"normalization": "max"}, ("normalization", "'max'", "sum", "mean", "sqrt")),
        ({"normalization": False}, ("normalization", "False", "sum", "mean", "sqrt")),
        ({"dtype": torch.int64}, ("torch.int64",)),
    ],
    ids=str,
)
def test_a_wrong_constructor_argument(arguments: dict[str, object], words: tuple[str, ...]) -> None:
    """Refused before anything is allocated, by name and value."""
    with pytest.raises((ValueError, TypeError)) as caught:
        symeq.layer((2, 1))(**{"in_channels": 2, "out_channels": 3, **arguments})
    for word in words:
        assert word in str(caught.value)


def test_what_is_not_wrong() -> None:
    """Calls that look like the ones above and are allowed."""
    layer, node = symeq.layer((2, 1))(3, 2), symeq.layer((0, 1))(3, 2)
    assert layer(X22, mask={}, sizes={}).shape == (2, 4, 2)
    assert layer(X22, mask={"n": SOME}, sizes={"n": 4}).shape == (2, 4, 2)
    assert layer(X22, mask=SOME[0]).shape == (2, 4, 2)
    assert node(torch.zeros(2, 3), SOME, {"n": 4}).shape == (2, 4, 2)
    assert symeq.layer("->")(3, 2)(torch.zeros(3), mask={}, sizes={}).shape == (2,)
    square: Tensor = X22[0, :3, :3]  # as many nodes as channels, no batch
    assert layer(square, SOME[0, :3]).shape == (3, 2)
