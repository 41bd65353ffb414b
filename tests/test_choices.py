"""Choices: every form of a level computes the same integers, is proved, and is written down and read back."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

import symeq
from symeq.bases.derive import derive
from symeq.errors import OptionError, TooLargeError
from symeq.interpretation.claims import prove_backward, prove_forward
from symeq.interpretation.forms import Unproved
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.values import Setting
from symeq.mutation.mutants import load
from symeq.pipeline import emit, plan
from symeq.plans.choices import Choices, Form, Workload, arrange, shapes
from symeq.plans.evaluate import evaluate
from symeq.plans.ir import Plan
from symeq.plans.lower import lower
from symeq.plans.mixing import mixings
from symeq.plans.model import candidates as candidates_of
from symeq.plans.model import counts, decide, mixings_table
from symeq.signature import EmitOptions, Layout, Signature
from symeq.tuning import UnequalChoicesError
from symeq.verification.checks import verify

SPECS = ["n n -> n n", "n n n -> n n", "n n -> n n n", "u u i -> i u u", "i u i -> i i"]
PLAIN = ["n n -> n", "n -> n n", "u i -> u i", "u u i -> u i", "i u -> u i u i", "n -> n", "m -> n", "->"]


def candidates(spec: str) -> list[str]:
    """The text of every combination of forms, without sorting, and of every other place to mix channels."""
    levels = shapes(plan(spec)).items()
    named = [[f"{name}={form}" for form in shape.forms] for name, shape in levels if len(shape.forms) > 1]
    forms = [" ".join((*words, "sorted=never")) for words in itertools.product(*named)]
    return forms + [f"mixed={where}" for where in mixings(plan(spec)) if where != "levels"]


def layer_of(spec: str, choices: str, layout: Layout = "channels-last", **options: Any) -> Any:
    """A float64 layer of 2 -> 3 channels that is emitted with the choices."""
    module = load(emit(spec, EmitOptions(layout, choices=choices)).text)
    (found,) = [thing for thing in vars(module).values() if hasattr(thing, "SIGNATURE")]
    return found(2, 3, **{"dtype": torch.float64, **options})


def randomised(layer: Any, generator: torch.Generator) -> Any:
    """The layer with integer weights and biases."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-5, 6, parameter.shape, generator=generator))
    return layer


@pytest.mark.parametrize("spec", [*SPECS, *PLAIN, "n n n -> n n n"])
def test_every_form_computes_the_same_integers(spec: str, seed: int) -> None:
    """Against the meaning of the plain plan, operator by operator; with sizes 0, 1 and 3."""
    generator = torch.Generator().manual_seed(seed)
    signature = Signature.parse(spec)
    plain = lower(derive(signature))
    expected: dict[int, Any] = {}
    for choices in candidates(spec):
        layer = layer_of(spec, choices, normalization="sum")
        numbers = randomised(layer, torch.Generator().manual_seed(seed))
        assert list(numbers.state_dict()) == ["weight", "bias"]
        weight, bias = (value.detach().numpy() for value in (numbers.weight, numbers.bias))
        for n in (0, 1, 3):
            sizes = {name: n + at if n else n for at, name in enumerate(signature.index_sets)}
            if n not in expected:
                shape = (2, *(sizes[name] for name in signature.inputs), 2)
                x = torch.randint(-5, 6, shape, generator=generator).double()
                expected[n] = x, evaluate(plain, x.numpy(), weight, bias, sizes)
            x, y = expected[n]
            assert np.array_equal(numbers(x, sizes=sizes).detach().numpy(), y), (choices, n)


def some(spec: str) -> list[str]:
    """Candidates in which every level has every form."""
    listed = candidates(spec)
    forms = [choices for choices in listed if "mixed" not in choices]
    return [forms[0], forms[len(forms) // 2], forms[-1], *(c for c in listed if c not in forms)]


@pytest.mark.parametrize("layout", ["channels-last", "channels-first"])
@pytest.mark.parametrize("basis", ["diagram", "orbit"])
@pytest.mark.parametrize("spec", ["n n -> n n", "n n n -> n n", "n n -> n n n", "u u i -> i u u"])
def test_forms_agree_under_masks(spec: str, basis: str, layout: Layout, seed: int) -> None:
    """Each sample's own count, where orbit weights have a term for every power of it."""
    generator = torch.Generator().manual_seed(seed)
    signature = Signature.parse(spec)
    sizes = {name: 4 - at for at, name in enumerate(signature.index_sets)}
    axes = [sizes[name] for name in signature.inputs]
    x = torch.randn(3, *axes, 2, generator=generator, dtype=torch.float64)
    masks = {name: torch.rand(3, size, generator=generator) < 0.7 for name, size in sizes.items()}
    found = []
    for choices in [*some(spec), ""]:
        layer = layer_of(spec, choices, layout, basis=basis, normalization="mean")
        randomised(layer, torch.Generator().manual_seed(seed))
        y = layer(x.movedim(-1, 1) if layout == "channels-first" else x, masks)
        found.append(y.movedim(1, -1) if layout == "channels-first" else y)
    assert (found[0] != 0).any()
    for y in found[1:]:
        assert torch.allclose(y, found[0], rtol=1e-12, atol=1e-12)


FORMS = [
    "2=outputs sorted=never",
    "2=inputs sorted=never",
    "2=accumulated sorted=never",
    "mixed=inputs",
    "mixed=outputs",
]
each_form = pytest.mark.parametrize("choices", FORMS)


# Torch's rules of forward mode are loaded by a function that torch has deprecated.
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.script. is deprecated")
@each_form
def test_forms_have_all_derivatives(choices: str, seed: int) -> None:
    """Twice, in batches, and forward; and a sample at a time, by vmap of grad and of stacked weights."""
    generator = torch.Generator().manual_seed(seed)
    layer = randomised(layer_of("n n n -> n n", choices), generator)
    x = torch.randn(2, 2, 2, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = layer.weight.detach().clone().requires_grad_()

    def call(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(layer, {"weight": weight}, (x,))
        return found

    assert torch.autograd.gradcheck(call, (x, weight), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(call, (x, weight))
    loss = torch.func.grad(lambda x: call(x, weight).square().sum())
    each = torch.func.vmap(loss, in_dims=1)(x.movedim(0, 1))
    (whole,) = torch.autograd.grad(call(x, weight).square().sum(), x)
    assert torch.allclose(each, whole)
    stacked = torch.stack([weight, 2 * weight])
    assert torch.allclose(torch.func.vmap(call, in_dims=(None, 0))(x, stacked)[1], call(x, 2 * weight))


@each_form
@pytest.mark.parametrize("spec", ["n n -> n n", "n n n -> n n"])
def test_forms_are_compiled_and_exported(spec: str, choices: str, seed: int) -> None:
    """One graph for all sizes, of named dimensions without bounds."""
    generator = torch.Generator().manual_seed(seed)
    layer = randomised(layer_of(spec, choices, normalization="sum"), generator)
    axes = len(Signature.parse(spec).inputs)
    batch, n = torch.export.Dim("batch"), torch.export.Dim("n")

    def given(b: int, n: int) -> torch.Tensor:
        return torch.randint(-5, 6, (b, *[n] * axes, 2), generator=generator).double()

    shape = {0: batch, **dict.fromkeys(range(1, axes + 1), n)}
    exported = torch.export.export(layer, (given(3, 5),), dynamic_shapes={"x": shape}).module()
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    for b, size in ((2, 4), (7, 3)):
        x = given(b, size)
        assert torch.equal(exported(x), layer(x))
        assert torch.equal(compiled(x), layer(x))


@each_form
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_forms_under_autocast(choices: str, dtype: torch.dtype, seed: int) -> None:
    """Small integers are exact in either, and sums over permutations are in float32."""
    generator = torch.Generator().manual_seed(seed)
    layer = randomised(layer_of("n n n -> n n", choices, dtype=torch.float32, normalization="sum"), generator)
    x = torch.randint(-1, 2, (2, 2, 2, 2, 2), generator=generator).float()
    with torch.autocast("cpu", dtype):
        y = layer(x)
    assert y.dtype == dtype
    assert torch.equal(y, layer(x).to(dtype))


# ---------------------------------------------------------------- proofs

ORBIT_MEAN = ("n n n -> n n", "orbit", "mean", {"n": "own"})


def prove(how: Any, spec: str, basis: Any, normalization: Any, masks: Any, source: str) -> None:
    """Raises Unproved where the source is not seen to be the definition."""
    (found,) = [thing for thing in vars(load(source)).values() if hasattr(thing, "SIGNATURE")]
    layer = found(2, 3, dtype=torch.float64, basis=basis, normalization=normalization)
    setting = Setting(Signature.parse(spec), 1, masks)
    how(layer, setting, "channels-last", Meaning(setting, basis, normalization, True))


@pytest.mark.parametrize("how", [prove_forward, prove_backward])
@each_form
def test_forms_are_proved(how: Any, choices: str) -> None:
    """For every n, with orbit weights that are normalised by each sample's own count."""
    spec = ORBIT_MEAN[0]
    prove(how, *ORBIT_MEAN, emit(spec, EmitOptions(choices=choices)).text)


@pytest.mark.parametrize(
    ("choices", "right", "wrong"),
    [
        ("2=accumulated", "total += _transposed(z, permutation)", "total += z"),
        ("2=accumulated", "at * rows * columns", "0"),
        ("2=accumulated", "weight.transpose(0, 1).flatten(0, 2)", "weight.flatten(0, 2)"),
        ("2=accumulated", "total += _transposed(z, permutation)", "total = _transposed(z, permutation)"),
        (
            "2=outputs",
            "total = pieces[0] + _transposed(pieces[1], permutations[1])",
            "total = pieces[0] + pieces[1]",
        ),
        ("2=inputs", "for permutation in permutations]", "for permutation in permutations[::-1]]"),
        ("mixed=outputs", "[..., None, :, :].expand(", "[..., :, None, :].expand("),
        ("mixed=outputs", "z0 = self._add_bias(z0)", "pass"),
        ("mixed=inputs", "_sum(z3_2, (-2,), ", "_sum(z3_2, (-3,), "),
        ("mixed=inputs", "_sum(z3_2, (-2,), ", "z3_2.mean((-2,)) + 0 * _sum(z3_2, (-2,), "),
        (
            "mixed=inputs",
            "self._add_bias(torch.cat((b4, b5), -1))",
            "self._add_bias(torch.cat((b5, b4), -1))",
        ),
    ],
)
def test_a_fault_in_a_form_is_not_proved(choices: str, right: str, wrong: str) -> None:
    """A product added in the wrong order, with the wrong weights, or not at all; a sum over another axis."""
    choices += "" if "mixed" in choices else " sorted=never"
    text = emit("n n n -> n n", EmitOptions(choices=choices)).text
    assert right in text
    with pytest.raises(Unproved):
        prove(prove_forward, *ORBIT_MEAN, text.replace(right, wrong))


@pytest.mark.slow
@each_form
def test_emitted_files_are_verified(choices: str, tmp_path: Path) -> None:
    """The whole verification, brief, of a file of each form."""
    path = symeq.generate("n n -> n n", tmp_path, choices=choices)
    report = verify(path, brief=True)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["channels-last", "channels-first"])
@pytest.mark.parametrize("spec", ["u -> u i", "n n ->", "m n -> n p", "i u -> u u i", "n n n -> n"])
def test_files_that_mix_elsewhere_are_verified(spec: str, layout: Layout, tmp_path: Path) -> None:
    """Also where one tensor is all that is copied, or one sum all that is used, in every dtype."""
    for where in mixings(plan(spec))[1:]:
        report = verify(symeq.generate(spec, tmp_path, layout=layout, choices=f"mixed={where}"), brief=True)
        assert report.ok, (where, report)


# ---------------------------------------------------------------- plans and texts


@pytest.mark.parametrize("spec", [*SPECS, *PLAIN])
def test_arranging_keeps_meaning_and_slots(spec: str, seed: int) -> None:
    """Whatever is chosen, the plan evaluates to the same integers with the same weights."""
    rng = np.random.default_rng(seed)
    signature, planned = Signature.parse(spec), plan(spec)
    sizes = {name: 2 + at for at, name in enumerate(signature.index_sets)}
    x = rng.integers(-5, 6, (2, *(sizes[name] for name in signature.inputs), 2))
    weight = rng.integers(-5, 6, (len(derive(signature)), 2, 3))
    expected = evaluate(lower(derive(signature)), x, weight, sizes=sizes)
    assert arrange(planned, Choices()) == planned, "what is not named is left as it is"
    for text, order in itertools.product(candidates(spec), [(), signature.index_sets[::-1]]):
        choices = replace(Choices.parse(text, signature), sums=order)
        changed = arrange(planned, choices)
        assert np.array_equal(evaluate(changed, x, weight, sizes=sizes), expected)
        slots = [changed.slots(mix).ravel().tolist() for mix in changed.mixes]
        assert sorted(itertools.chain(*slots)) == list(range(len(weight)))
        if choices.at_levels:
            assert slots == [planned.slots(mix).ravel().tolist() for mix in planned.mixes]


def test_sums_go_through_the_smaller_tensor() -> None:
    """Of three index sets of which one is said to be small, sums go through tensors with its axis."""
    signature = Signature.parse("u i j -> u i j")
    planned = plan(signature)
    numbers = {"u": 2, "i": 100, "j": 100, "c_in": 1}
    values = {}
    for order in ((), ("i", "j", "u"), ("u", "i", "j")):
        reads = arrange(planned, Choices(sums=order)).report().reads
        values[order] = reads.subs({symbol: numbers[symbol.name] for symbol in reads.free_symbols})
    assert values["i", "j", "u"] < values["u", "i", "j"]
    assert values["i", "j", "u"] <= values[()]


@pytest.mark.parametrize("spec", SPECS)
def test_the_model_counts_what_a_form_does(spec: str) -> None:
    """The same multiply-adds in every form; adding in place holds less than one product of all pieces."""
    for shape in shapes(plan(spec)).values():
        found = {form: counts(form, shape, 10, 4, 4) for form in shape.forms}
        assert len({one.multiplications for one in found.values()}) == 1
        if len(found) > 1:
            assert found["accumulated"].held <= found["outputs"].held
            assert found["accumulated"].products == shape.permutations


def multiplied(plan_: Plan, sizes: dict[str, int]) -> int:
    """Multiply-adds, for one channel in and out: the entries of every source, times the targets."""
    total = 0
    for mix in plan_.mixes:
        entries = prod(sizes[name] for name in plan_.product_sets(mix))
        total += entries * len(mix.sources) * len(mix.targets)
    return total


@pytest.mark.parametrize("spec", [*SPECS, "n n -> n", "n -> n n"])
def test_the_model_counts_where_channels_are_mixed(spec: str) -> None:
    """At the inputs each operator has a product of the size of its input diagonal; polynomials agree."""
    planned, signature = plan(spec), Signature.parse(spec)
    sizes = {name: 5 + at for at, name in enumerate(signature.index_sets)}
    rows = {row.form: row.counts for row in mixings_table(planned)}
    assert tuple(rows) == mixings(planned)
    for where in mixings(planned):
        found = rows[where].multiplications
        numbers = {symbol: sizes.get(symbol.name, 1) for symbol in found.free_symbols}
        assert found.subs(numbers) == multiplied(arrange(planned, Choices(mixed=where)), sizes)
    basis = derive(signature)
    by_hand = sum(
        prod(sizes[signature.inputs[axes[0]]] for axes in blocks_of(operator.rgs[: signature.order_in]))
        for operator in basis
    )
    assert multiplied(arrange(planned, Choices(mixed="inputs")), sizes) == by_hand


def blocks_of(labels: tuple[int, ...]) -> list[list[int]]:
    """The positions with each label."""
    return [[at for at, other in enumerate(labels) if other == label] for label in dict.fromkeys(labels)]


@pytest.mark.parametrize(
    ("spec", "sizes", "where"),
    [
        ("n n -> n n", "16 64 64", "levels"),
        ("n n -> n n", "16 64 512,1", "inputs"),
        ("u i -> u i", "16 64 64,1", "inputs"),
        ("u i -> u i", "16 64 1,64", "levels"),
        ("n n -> n", "16 64 1,64", "levels"),
    ],
)
def test_many_channels_that_become_few_are_mixed_first(spec: str, sizes: str, where: str) -> None:
    """Many become one before they are summed, where that is clearly less work; the rest is to be measured."""
    planned, workload = plan(spec), Workload.parse(sizes, Signature.parse(spec))
    assert decide(planned, Choices(), workload).mixed == where
    assert decide(planned, Choices()).mixed is None, "without sizes channels are taken alike"
    assert decide(planned, Choices(mixed="levels"), workload).mixed == "levels"
    listed = candidates_of(planned, workload)
    assert listed[0].mixed == where
    assert any(choices.at_levels for choices in listed)


def test_other_places_are_worth_measuring() -> None:
    """With one channel in, copying it first is among the candidates, though the model does not take it."""
    planned = plan("n n -> n n")
    listed = candidates_of(planned, Workload.parse("16 64 1,64", planned.signature))
    assert [choices.mixed for choices in listed].count("outputs") == 1
    assert listed[0].mixed == "levels"


@pytest.mark.parametrize(
    ("spec", "sizes", "sorted_from", "measured"),
    [
        ("n n -> n n", "16 64 64", None, 64),  # in compiled code alone
        ("n n -> n n", "16 64 256", None, "compiled"),
        ("n n -> n n", "2 8 64", "never", 64),  # too few entries to make tables for
        ("n n -> n n", "2 8 256", "compiled", 256),
        ("n n -> n n", "16 64 8", None, 8),  # a layer of so few channels does not sort
        ("n n n -> n n", "2 24 64", "never", 64),
        ("n n n -> n n", "16 32 64", None, 64),
        ("n n n -> n n n", "8 32 32", None, "compiled"),
        ("n n n -> n n n", "1 4 32", "never", 32),
        ("n n -> n", "16 64 256", None, None),
    ],
)
def test_sizes_say_whether_sorting_pays(spec: str, sizes: str, sorted_from: Any, measured: Any) -> None:
    """The channels decide, unless there are so few entries that the tables take longer than is saved."""
    planned = plan(spec)
    listed = candidates_of(planned, Workload.parse(sizes, planned.signature))
    assert listed[0].sorted_from == sorted_from
    assert (measured in {choices.sorted_from for choices in listed}) or measured is None
    assert decide(planned, Choices()).sorted_from is None, "without sizes the layer decides, by its channels"


def test_without_options_the_text_is_that_of_the_model() -> None:
    """Choices that are written out change the header, and nothing below it."""
    plain = emit("n n -> n n")
    said = emit("n n -> n n", EmitOptions(choices=str(decide(plan("n n -> n n"), Choices()))))
    assert said.text.split('"""', 2)[2] == plain.text.split('"""', 2)[2]
    assert "--choices" not in plain.text.split('"""')[1]
    assert '--choices "2=' in said.text.split('"""')[1]


def test_texts_are_read_back() -> None:
    """Choices and sizes, written in one way only."""
    signature = Signature.parse("u i i -> u i i")
    texts = (
        "1_2=inputs 0_2=accumulated sorted=64 sums=i,u mixed=levels",
        "1_2=outputs sorted=compiled",
        "sums=u,i mixed=outputs",
    )
    for text in texts:
        assert str(Choices.parse(f" {text.replace(' ', '  ')} ", signature)) == text
    for sizes in ("16 64 32", "16 64 32,8", "16 u=4,i=100 32"):
        assert str(Workload.parse(sizes, signature)) == sizes
    assert str(Workload.parse("16 i=4,u=4 8,8", signature)) == "16 4 8"


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ("2", "each choice once"),
        ("2=outputs 2=inputs", "each choice once"),
        ("2=sideways", "one of outputs, inputs, accumulated"),
        ("3=outputs", "forms of level 2"),
        ("1=outputs", "forms of level 2"),
        ("sorted=0", "sorted=never, sorted=compiled, or a number"),
        ("sorted=many", "sorted=never, sorted=compiled, or a number"),
        ("mixed=sideways", "mixed to be one of levels, inputs, outputs"),
        ("mixed=inputs mixed=outputs", "each choice once"),
        ("mixed=inputs 2=outputs", "forms and sorted levels with mixed=levels"),
        ("mixed=outputs sorted=64", "forms and sorted levels with mixed=levels"),
        ("sums=m", "every index set once"),
        ("sums=n,n", "every index set once"),
    ],
)
def test_choices_that_there_are_not(choices: str, complaint: str) -> None:
    """They are named, with what there is."""
    with pytest.raises(OptionError, match=complaint):
        emit("n n -> n n", EmitOptions(choices=choices))


@pytest.mark.parametrize(
    ("spec", "where", "places"),
    [
        ("n -> n", "outputs", "levels or mixed=inputs"),
        ("->", "inputs", "levels"),
        ((4, 4), "inputs", "levels"),
    ],
)
def test_places_where_channels_cannot_be_mixed(spec: Any, where: str, places: str) -> None:
    """They are named, with those where they can."""
    with pytest.raises(OptionError, match=f"expected mixed={places} for "):
        emit(spec, EmitOptions(choices=f"mixed={where}"))


@pytest.mark.parametrize(
    "sizes", ["", "16", "16 64", "16 64 64 64", "16 0 64", "a b c", "16 m=3 64", "1 2 3,4,5"]
)
def test_sizes_that_cannot_be_read(sizes: str) -> None:
    """They are refused with an example."""
    with pytest.raises(OptionError, match="batch, n and channels"):
        Workload.parse(sizes, Signature.parse("n n -> n n"))


# ---------------------------------------------------------------- measuring


def test_tuning_measures_and_reproduces(tmp_path: Path) -> None:
    """What is chosen was measured, and emits the same text again without measuring."""
    found = symeq.tune("n n -> n n", "2 4 3,5", repeats=3)
    assert found.choices in [one.choices for one in found.measured]
    assert {one.choices.split()[0] for one in found.measured} >= {f"2={form}" for form in get_args(Form)}
    assert all(0 < one.forward < one.training for one in found.measured)
    assert json.loads(json.dumps(found.fields()))["made_for"] == "2 4 3,5"
    path = symeq.generate("n n -> n n", tmp_path, choices=found.choices, made_for=found.made_for)
    assert path.read_text() == emit("n n -> n n", found.options).text
    assert f'--choices "{found.choices}" --for "2 4 3,5"' in path.read_text()


def test_tuning_measures_other_places(tmp_path: Path) -> None:
    """With one channel in, all three places are measured, and whichever is chosen is emitted again."""
    found = symeq.tune("n n -> n n", "2 6 1,16", repeats=3)
    assert {one.choices.split("mixed=")[1] for one in found.measured} >= {"levels", "outputs"}
    path = symeq.generate("n n -> n n", tmp_path, choices=found.choices, made_for=found.made_for)
    assert path.read_text() == emit("n n -> n n", found.options).text


def test_tuning_measures_with_and_without_sorting(tmp_path: Path) -> None:
    """Many channels, few entries: the model sorts in compiled code; sorting in any is measured, too."""
    found = symeq.tune("n n -> n n", "2 8 256", repeats=3)
    words = [word for one in found.measured for word in one.choices.split() if "sorted" in word]
    assert words[0] == "sorted=compiled"
    assert "sorted=256" in words
    path = symeq.generate("n n -> n n", tmp_path, choices=found.choices, made_for=found.made_for)
    assert path.read_text() == emit("n n -> n n", found.options).text


def test_sizes_that_do_not_fit_are_not_measured() -> None:
    """Numbers are counted before any memory is taken."""
    for sizes in ("1000000 1000 1000", "2 512 64"):
        with pytest.raises(TooLargeError, match=r"numbers in n n n -> n n n for batch, n, channels .*limit"):
            symeq.tune("n n n -> n n n", sizes)


def test_tuning_without_a_choice() -> None:
    """One way, which is measured all the same."""
    found = symeq.tune("->", "2 4 3", repeats=3)
    assert [one.choices for one in found.measured] == [""] == [found.choices]


def test_unequal_choices_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that computes something else is named, and nothing is chosen."""

    def faulty(spec: Any, **options: Any) -> Any:
        text = emit(spec, EmitOptions(choices=options["choices"])).text
        wrong = text.replace("for permutation in permutations]", "for permutation in permutations[::-1]]")
        (found,) = [thing for thing in vars(load(wrong)).values() if hasattr(thing, "SIGNATURE")]
        return found

    monkeypatch.setattr("symeq.tuning.layer", faulty)
    with pytest.raises(UnequalChoicesError, match="2=inputs"):
        symeq.tune("n n -> n n", "2 4 3", repeats=3)
