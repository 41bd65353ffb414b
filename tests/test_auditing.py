"""Audits: what is right passes in every style, each fault is named, and what cannot be audited says why."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import faulty_layers
import symeq
from symeq.auditing.exact import Span, primitive, rank
from symeq.auditing.layout import AxisOrder
from symeq.auditing.load import parse_arguments
from symeq.auditing.report import AuditReport
from symeq.errors import AuditError, LayoutError, OptionError, SymeqError, TooLargeError
from symeq.signature import Signature


def audit(name: str, spec: str, layout: str | None = None, **options: object) -> AuditReport:
    """The audit of one of the layers of ``faulty_layers``, without export unless asked for."""
    return symeq.audit(getattr(faulty_layers, name), spec, layout, **{"export": False, **options})


def verdicts(report: AuditReport) -> dict[str, str]:
    """The verdict of every finding."""
    return {found.name: found.verdict for found in report.findings}


def faults(report: AuditReport) -> set[str]:
    """The names of the faults."""
    return {found.name for found in report.faults}


def counts(report: AuditReport) -> dict[tuple[int, ...], tuple[int, int]]:
    """By size, how many independent operators were found of how many."""
    return {
        tuple(entry["sizes"].values()): (entry["found"], entry["dimension"])
        for entry in report["operators"].data["per_size"]
    }


# ---------------------------------------------------------------- what is right

RIGHT = {
    "stack_2_to_2": ("n n -> n n", "b c n n -> b c op n n"),
    "side_by_side_2_to_1": ("n n -> n", "b n n c -> b n c"),
    "numpy_1_to_1": ("n -> n", "b n c -> b op n c"),
    "plain_trace_and_sum": ("n n -> ", "n n -> op"),
    "Einsum2to2": ("n n -> n n", "b c n n -> b c n n"),
    "DeepSets": ("n -> n", "b n c -> b n c"),
    "ExchangeableMatrix": ("u i -> u i", "b u i c -> b u i c"),
    "MaskedDeepSets": ("n -> n", "b n c -> b n c"),
    "ConstantBias": ("n n -> n n", "b c n n -> b c n n"),
    "LowRank": ("n -> n", "b n c -> b n c"),
    "Residual": ("n -> n", "b n c -> b n c"),
    "Transformed": ("n -> n", "b n c -> b n c"),
    "orbits_2_to_0": ("n n -> ", "b n n c -> b op c"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_correct_layers_of_other_styles_pass(name: str) -> None:
    """No fault, all operators at every size, and the order of the axes is found by itself."""
    spec, layout = RIGHT[name]
    report = audit(name, spec)
    assert report.ok, str(report)
    assert report.layout_guessed and report.layout == layout
    basis = symeq.basis(spec)
    for sizes, (found, dimension) in counts(report).items():
        assert (
            found == dimension == basis.dimension(dict(zip(basis.signature.index_sets, sizes, strict=True)))
        )
    assert verdicts(audit(name, spec, layout)) == {**verdicts(report), "layout": "ok"}


@pytest.mark.parametrize(
    ("spec", "layout", "init"),
    [
        ("n n -> n n", "channels-last", None),
        ("n n -> n n", "channels-first", 'basis="orbit", normalization="sqrt"'),
        ("n n -> n n", "channels-last", 'basis="orbit", normalization="sum", bias=False'),
        ("n n -> ", "channels-last", 'normalization="sqrt"'),
        (" -> n n", "channels-first", None),
        ("->", "channels-last", None),
        ("u i -> u", "channels-first", 'normalization="sqrt", basis="orbit"'),
        ("u u i -> i", "channels-last", None),
        ("n n -> m", "channels-last", None),
        ("b c -> c", "channels-last", 'normalization="sum"'),
        ("n n n -> n n", "channels-last", 'normalization="sqrt", basis="orbit"'),
    ],
)
def test_emitted_layers_pass(spec: str, layout: str, init: str | None) -> None:
    """The layers of symeq itself have no fault and nothing to note, masks included; all ranks are exact."""
    report = symeq.audit(symeq.layer(spec, layout=layout), spec, init=init, export=False)
    assert report.ok and not report.cautions, str(report)
    assert report["operators"].data["exact"]
    if spec != "->":
        assert report["padding: real entries"].verdict == "ok"


def test_order_3_is_counted_in_full() -> None:
    """3 -> 3: 203 operators, and the exact dimensions 1, 32, 122, 187, 202 below six nodes."""
    report = symeq.audit(symeq.layer("n n n -> n n n"), "n n n -> n n n", export=False)
    assert report.ok, str(report)
    found = counts(report)
    assert [found[(n,)] for n in range(1, 7)] == [(d, d) for d in (1, 32, 122, 187, 202, 203)]


# ---------------------------------------------------------------- what is faulty

# The layer, its signature, exactly which findings are faults, and words that one of them must say.
FAULTY = {
    "pasted_twice": (
        "n n -> n n",
        {"operators", "repeated"},
        ("14 of 15", "(0, 1, 1, 1)", "operator 2, operator 3"),
    ),
    "transposed": ("n n -> n n", {"operators", "repeated"}, ("14 of 15", "operator 5, operator 7")),
    "wrong_sum": ("n n -> n n", {"operators", "channels", "repeated"}, ("operator 6 carries input channel",)),
    "running_sum": ("n n -> n n", {"equivariance", "operators"}, ("operator 8", "swapped")),
    "mixed_operator": (
        "n n -> n n",
        {"operators", "repeated"},
        ("operator 13 is zero", "+1 (0, 1, 0, 1) +1 (0, 1, 1, 0)"),
    ),
    "some_of_order_3": ("n n n -> n n n", {"operators"}, ("19 of 203", "missing, of the diagram basis")),
    "Pasted2to2": ("n n -> n n", {"operators"}, ("14 of 15", "(0, 1, 1, 1)")),
    "BatchSum": ("n -> n", {"batch", "operators"}, ("depends on the other samples",)),
    "PositionalWeights": ("n -> n", {"equivariance"}, ("residual", "swapped")),
    "SkewedItems": ("u i -> u i", {"equivariance"}, ("of i swapped",)),
    "CutOff": ("n -> n", {"equivariance"}, ("nodes", "swapped", "n = 300")),
    "Activated": ("n -> n", {"linearity"}, ("nonlinearity",)),
    "MaxPooled": ("n -> n", {"linearity"}, ("f(x + y)",)),
    "HardCoded": ("n -> n", {"sizes"}, ("only at n = 5",)),
    "AtMostFive": ("n -> n", {"sizes"}, ("n = 6", "runs at n = 1, 2, 3, 4")),
    "Dropping": ("n -> n", {"train and eval"}, ("Dropout",)),
    "Noisy": ("n -> n", {"repeatability"}, ("random numbers",)),
    "Counting": ("n -> n", {"repeatability", "linearity", "batch", "equivariance"}, ("keeps a state",)),
    "InPlace": ("n -> n", {"repeatability", "gradients"}, ("changes its input in place",)),
    "DiagonalBias": ("n n -> n n", {"bias"}, ("1 of 2 bias operators", "(0, 1)")),
    "InAList": ("n -> n", {"parameters", "moving"}, ("weights[0]", "not in parameters()")),
    "ModulesInAList": ("n -> n", {"parameters", "moving"}, ("layers[1].weight", "leaves")),
    "PlainTensor": ("n -> n", {"parameters", "moving"}, ("pooled", "no parameter")),
    "MadeInForward": ("n -> n", {"parameters"}, ("made anew in every call",)),
    "LostOnTheWay": ("n -> n", {"moving"}, ("own", "plain tensor")),
    "ScaledParameter": ("n -> n", {"parameters", "moving"}, ("weight", "not in parameters()")),
    "StaleCopy": ("n -> n", {"parameters", "gradients", "moving"}, ("stale copy",)),
    "Detached": ("n -> n", {"gradients"}, ("depends on pooled, and no gradient", "does not depend on idle")),
    "PaddedMean": ("n -> n", {"padding: real entries"}, ("differ from the unpadded sample",)),
    "PaddingNotZeroed": ("n -> n", {"padding: padded entries"}, ("next layer would sum",)),
    "NanSpreads": ("n -> n", {"padding: NaN"}, ("NaN in the padding", "multiplying by a mask")),
    "MaskIgnored": (
        "n -> n",
        {"padding: real entries", "padding: padded entries", "padding: NaN"},
        ("numbers in the padding of x change the real entries",),
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_each_fault_is_named_by_the_right_finding(name: str) -> None:
    """Exactly the findings that the fault is about are faults, and they say what is wrong."""
    spec, wanted, words = FAULTY[name]
    report = audit(name, spec)
    assert not report.ok and faults(report) == wanted, str(report)
    said = "\n".join(found.detail for found in report.faults)
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("name", "words", "data"),
    [
        ("LastChannelUnread", "not read: 1", {"unread": [1], "same": []}),
        ("OneOutput", "the same: 0, 1, 2", {"unread": [], "same": [[0, 1, 2]]}),
    ],
)
def test_channels_that_do_nothing_are_noted(name: str, words: str, data: dict[str, object]) -> None:
    """No fault of the operators, which are all there."""
    report = audit(name, "n -> n")
    found = report["channels"]
    assert report.ok and found.verdict == "caution" and words in found.detail and found.data == data


def test_a_missing_operator_is_told_by_its_set_partition() -> None:
    """The rows go onto the diagonal twice, the columns never: input axis 2 with both output axes."""
    found = audit("pasted_twice", "n n -> n n")["operators"].data
    assert found["basis"] == "diagram" and found["missing"] == [[0, 1, 1, 1]] and found["mixtures"] == 0
    assert found["named"]["operator 2"] == found["named"]["operator 3"] == "diagram (0, 1, 0, 0)"


def test_counts_agree_with_dense_ranks() -> None:
    """The number of independent operators at each small n is the rank of their dense matrices, by SymPy."""
    report = audit("some_of_order_3", "n n n -> n n n")
    for n in (1, 2):
        x = torch.eye(n**3, dtype=torch.float64).reshape(n**3, 1, n, n, n)
        y = faulty_layers.some_of_order_3(x)  # (inputs, 1, operators, ...)
        rows = y.transpose(0, 2).reshape(y.shape[2], -1).long().tolist()
        assert counts(report)[(n,)][0] == sympy.Matrix(rows).rank()


def test_the_swap_that_is_told_breaks_equivariance() -> None:
    """The permutation in the data is a transposition, and gives the residual that is claimed."""
    found = audit("SkewedItems", "u i -> u i")["equivariance"]
    (order,) = found.data["permutation"].values()
    assert found.data["index_set"] == "i" and sorted(order) == list(range(len(order)))
    assert sum(a != b for a, b in enumerate(order)) == 2 and found.data["residual"] > 0.1


def test_a_wrong_guess_is_owned_up() -> None:
    """Code that takes the batch axis for the nodes fits another layout better, which is said."""
    report = audit("BatchSum", "n -> n")
    assert report["layout"].verdict == "caution" and '"n c -> n c"' in report["layout"].detail
    assert audit("BatchSum", "n -> n", "n c -> n c").ok


def test_without_a_mask_padding_is_a_caution() -> None:
    """Zero padding changes a mean: worth knowing, no fault, and told apart from a layer of sums."""
    changed = audit("DeepSets", "n -> n")["padding: real entries"]
    assert changed.verdict == "caution" and "how far a graph is padded" in changed.detail
    same = audit("Einsum2to2", "n n -> n n")["padding: real entries"]
    assert same.verdict == "caution" and "stay the same" in same.detail and "next layer" in same.detail


def test_a_constant_bias_is_a_caution() -> None:
    """One number for each channel is what linear layers have: what is absent is told, and it is no fault."""
    found = audit("ConstantBias", "n n -> n n")["bias"]
    assert found.verdict == "caution" and found.data["missing"] == [[0, 0]]


def test_rounding_is_told_from_a_wrong_map() -> None:
    """A layer that computes in float32 inside is off by 1e-8, which is a caution."""
    report = audit("CastInside", "n -> n")
    assert report.ok and report["linearity"].verdict == "caution"
    assert "lower precision" in report["linearity"].detail


def test_code_that_needs_float32_is_audited_in_it() -> None:
    """A constant in float32 keeps a layer from running in float64; the rest is looked at all the same."""
    report = audit("OnlyFloat32", "n -> n")
    assert report.ok and report["moving"].verdict == "caution" and counts(report)[(3,)] == (2, 2)


# ---------------------------------------------------------------- arguments, masks, targets


def test_further_arguments_can_be_given() -> None:
    """Keyword arguments of a call; the name of an index set stands for its size."""
    report = audit("scaled", "n -> n", call="size=n, power=0")
    assert report.ok and counts(report)[(3,)] == (2, 2)
    assert audit("scaled", "n -> n", call={"size": "n", "power": 0}).ok
    with pytest.raises(AuditError, match=r"'power' is needed.*call"):
        audit("scaled", "n -> n")


def test_masks_of_other_forms_are_found() -> None:
    """A mask of edges; a mask that is True for padding; one that must be given; one for each index set."""
    edges = audit("EdgeMasked", "n n -> n n")
    assert faults(edges) == {"operators"} and "over the input axes" in edges["padding: real entries"].scope
    padding = audit("PaddingMasked", "n -> n")
    assert padding.ok and "True for padding" in padding["padding: real entries"].scope
    unnamed = audit("HiddenMasked", "n -> n")
    assert unnamed.ok and "True for padding" in unnamed["padding: real entries"].scope
    assert audit("TwoMasks", "u i -> u i").ok
    with pytest.raises(OptionError, match="an argument of the call"):
        audit("MaskedDeepSets", "n -> n", mask="maske")
    assert audit("MaskedDeepSets", "n -> n", mask="node_mask").ok


def test_instances_factories_and_options() -> None:
    """An instance is left as it was; a factory is called; the constructor takes what is given."""
    torch.manual_seed(3)
    layer = faulty_layers.DeepSets(7, 5)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    report = symeq.audit(layer, "n -> n", export=False)
    assert report.ok and layer.training and report.target == "an instance of DeepSets"
    assert all(torch.equal(before[name], tensor) for name, tensor in layer.state_dict().items())
    assert symeq.audit(
        lambda in_dim, out_dim: faulty_layers.DeepSets(in_dim, out_dim), "n -> n", export=False
    ).ok
    made = audit("DeepSets", "n -> n", init="in_features=4, out_features=1")
    assert made.ok and "in_features=4, out_features=1" in made.target
    with pytest.raises(OptionError, match="init"):
        symeq.audit(layer, "n -> n", init="2")
    with pytest.raises(AuditError, match="copying it raised RuntimeError"):
        symeq.audit(faulty_layers.ScaledParameter(2, 3), "n -> n")


def test_nothing_of_the_caller_is_touched() -> None:
    """The random generator, the number of threads and the search path are as before."""
    torch.manual_seed(5)
    state, threads, path = torch.get_rng_state(), torch.get_num_threads(), list(sys.path)
    audit("DeepSets", "n -> n")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads and sys.path == path


def test_the_same_seed_gives_the_same_report() -> None:
    """Two audits with one seed agree in every word; another seed agrees in the verdicts."""
    first, again = (audit("PositionalWeights", "n -> n", seed=4).to_json() for _ in range(2))
    other = audit("PositionalWeights", "n -> n", seed=5)
    assert first == again and faults(other) == {"equivariance"}


def test_faults_can_be_ignored_by_name() -> None:
    """A deliberate deviation is still told, and does not count."""
    report = audit("DiagonalBias", "n n -> n n", ignore=["bias"])
    assert report.ok and report["bias"].verdict == "fault" and "(ign)" in str(report)
    with pytest.raises(OptionError, match="ignore='biass'"):
        audit("DeepSets", "n -> n", ignore=["biass"])


def test_the_report_in_json_and_in_words() -> None:
    """JSON holds what the report says; the text shows each finding and ends with the verdict."""
    report = audit("pasted_twice", "n n -> n n")
    record = json.loads(report.to_json())
    assert record["ok"] is False and record["signature"] == "n n -> n n" and record["layout_guessed"] is True
    assert [found["name"] for found in record["findings"]] == [found.name for found in report.findings]
    text = str(report)
    assert all(found.name in text for found in report.findings) and "2 of 12 FAULTY" in text.splitlines()[-1]
    with pytest.raises(KeyError, match="no finding 'export'"):
        report["export"]


def test_export() -> None:
    """With dynamic sizes; with a size fixed in the code, which is a caution; not of NumPy."""
    assert audit("DeepSets", "n -> n", export=True)["export"].verdict == "ok"
    fixed = audit("PositionalWeights", "n -> n", export=True)["export"]
    assert fixed.verdict == "caution" and "fixes a size" in fixed.detail
    assert audit("numpy_1_to_1", "n -> n", export=True)["export"].verdict == "skipped"


# ---------------------------------------------------------------- what cannot be audited

MODULES = {
    "raises": "raise ValueError('no such luck')",
    "leaves": "import sys\nsys.exit(3)",
    "needs": "import a_module_that_is_not_there",
    "broken": "def f(:",
    "plain": "number = 3\ndef layer(x):\n    return x\n"
    "class Layer:\n    def __init__(self, a, b, c, d): pass\n"
    "class Idle:\n    pass\nclass Angry:\n    def __init__(self):\n        raise OSError('angry')\n",
    "sibling": "from plain import layer",
}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("layer", ("MODULE:NAME",)),
        ("plain:", ("MODULE:NAME",)),
        ("there.py:layer", ("there is no file", "there.py")),
        ("a_module_that_is_not_there:layer", ("there is no module", "a_module_that_is_not_there")),
        ("plain.py:lauer", ("no 'lauer'", "'layer' is close")),
        ("plain.py:nothing_alike", ("defines layer, Layer",)),
        ("plain.py:number", ("type int", "cannot be called")),
        ("plain.py:Layer", ("a, b, c, d", "init")),
        ("plain.py:Idle", ("Idle", "cannot be called")),
        ("plain.py:Angry", ("OSError: angry",)),
        ("raises.py:f", ("ValueError: no such luck",)),
        ("leaves.py:f", ("SystemExit: 3",)),
        ("needs.py:f", ("ModuleNotFoundError", "a_module_that_is_not_there")),
        ("broken.py:f", ("SyntaxError",)),
    ],
)
def test_a_target_that_cannot_be_audited_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, words: tuple[str, ...]
) -> None:
    """One error that names what came and what to do."""
    monkeypatch.chdir(tmp_path)
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(AuditError) as caught:
        symeq.audit(target, "n -> n")
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_a_file_finds_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain imports from the file's folder, and relative ones inside a package."""
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)
    package = tmp_path / "audited_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text("def double(x):\n    return 2 * x\n")
    (package / "layers.py").write_text("from .other import double\ndef layer(x):\n    return double(x)\n")
    for path in (tmp_path / "sibling.py", package / "layers.py"):
        report = symeq.audit(f"{path}:layer", "n -> n", export=False)
        assert faults(report) == {"operators"} and counts(report)[(3,)] == (1, 2)
    monkeypatch.delitem(sys.modules, "plain")


def test_a_module_is_imported_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder, or an edited file, under the name of a module that was audited before."""
    sums = "x.sum(1, keepdim=True).expand_as(x)"
    for folder, returned, found in (("a", "[x]", 1), ("b", f"[x, {sums}]", 2), ("b", f"[x, x, {sums}]", 2)):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        Path("audited_again.py").write_text(f"def layer(x):\n    return {returned}\n")
        report = symeq.audit("audited_again:layer", "n -> n", export=False)
        assert counts(report)[(3,)] == (found, 2)
    assert faults(report) == {"repeated"}


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    """After the time limit there is one error, and the thread does not keep the process."""
    (tmp_path / "hangs.py").write_text("import threading\nthreading.Event().wait(1000)")
    with pytest.raises(AuditError, match=r"importing .* takes longer than 0.5 s"):
        symeq.audit(f"{tmp_path / 'hangs.py'}:f", "n -> n", time_limit=0.5)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "symeq audit")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("torch.fft.fft(x)", ("complex", "only real maps")),
        ("(x, x.sum())", ("tuple of 2 tensors of different shapes",)),
        ("{'y': x}", ("returned a dict",)),
        ("None", ("NoneType",)),
        ("['a', 'b']", ("list of str",)),
        ("x[:, 0, 0]", ("no usual layout fits",)),
        ("undefined", ("NameError",)),
    ],
)
def test_odd_outputs_get_a_clear_word(returned: str, words: tuple[str, ...]) -> None:
    """Complex numbers, tuples, dicts, None, wrong shapes: one error that shows what came."""
    function = eval(f"lambda x: {returned}", {"torch": torch})
    with pytest.raises(AuditError) as caught:
        symeq.audit(function, "n n -> n n")
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_layout_that_does_not_fit_shows_the_shape() -> None:
    """A given layout is believed; what came is shown."""
    with pytest.raises(AuditError, match=r"does not take the layout 'b n c -> b c op n'.*returned"):
        audit("DeepSets", "n -> n", "b n c -> b c op n")
    with pytest.raises(TooLargeError, match="4140"):
        audit("DeepSets", "n n n n -> n n n n")


# ---------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("b n n c", "no '->'"),
        ("b n n c -> b n n c -> c", "2 times"),
        ("b x n c -> b n n c", "'x' is neither b, c, op nor an index set"),
        ("b n c -> b n n c", "left side has 1 axes over 'n'"),
        ("b n n c -> b n c", "right side has 1 axes over 'n'"),
        ("b b n n c -> b n n c", "'b' comes 2 times on the left"),
        ("b op n n -> b n n", "'op' stands on the left"),
        ("b n n -> n n", "'b' stands on one side only"),
        ("", "no '->'"),
        ("(b c) n n -> (b c) n n", "neither"),
    ],
)
def test_malformed_layouts_are_refused(text: str, words: str) -> None:
    """The message says what is wrong and how a layout is written."""
    with pytest.raises(LayoutError) as caught:
        AxisOrder.parse(text, Signature.parse("n n -> n n"))
    assert words in str(caught.value) and isinstance(caught.value, ValueError | SymeqError)


@pytest.mark.parametrize(
    ("signature", "layout", "equation_in", "equation_out"),
    [
        ("n n -> n n", "b c n n -> b c op n n", "bijc->bcij", "bcoij->boijc"),
        ("u i -> i u", "c i b u -> op u i c b", "buic->cibu", "ouicb->boiuc"),
        ("b c -> c", "batch b channels c -> c channels batch operators", "xbcy->xbyc", "cyxo->xocy"),
    ],
)
def test_layouts_arrange_and_read(
    signature: str, layout: str, equation_in: str, equation_out: str, rng: np.random.Generator
) -> None:
    """Arranging and reading permute the axes as einsum says; index sets may be called as special axes are."""
    order = AxisOrder.parse(layout, Signature.parse(signature))
    assert str(AxisOrder.parse(str(order), order.signature)) == str(order)
    x = torch.from_numpy(rng.normal(size=[2 + at for at in range(len(equation_in.split("->")[0]))]))
    y = torch.from_numpy(rng.normal(size=[2 + at for at in range(len(equation_out.split("->")[0]))]))
    assert torch.equal(order.arrange(x), torch.einsum(equation_in, x))
    assert torch.equal(order.read(y), torch.einsum(equation_out, y))


# ---------------------------------------------------------------- exact linear algebra


def test_integer_vectors_are_read_off_their_multiples(rng: np.random.Generator) -> None:
    """Multiples by any real number of vectors with small ratios are recognised; generic floats are not."""
    vectors = rng.integers(-30, 31, (200, 8))
    vectors[::3] = 0
    factors = rng.normal(size=(200, 1))
    found, known = primitive(vectors * factors, 1e-9, 1000)
    assert known.all()
    for row, read in zip(vectors.tolist(), found.tolist(), strict=True):
        common = np.gcd.reduce(row) or 1
        sign = -1 if next((v for v in row if v), 1) < 0 else 1
        assert [sign * v // common for v in row] == read
    assert not primitive(rng.normal(size=(50, 8)), 1e-9, 1000)[1].any()
    thirds = np.array([[1 / 3, 1, -2 / 9], [1e-12, 3e-12, 0]])
    assert primitive(thirds, 1e-9, 1000, 9)[0].tolist() == [[3, 9, -2], [1, 3, 0]]


def test_ranks_are_those_of_fractions(rng: np.random.Generator) -> None:
    """Ranks of integer matrices, of which some are deficient, as elimination with fractions finds them."""
    for _ in range(60):
        rows, columns, inner = rng.integers(1, 8, 3)
        matrix = rng.integers(-3, 4, (rows, inner)) @ rng.integers(-3, 4, (inner, columns))
        assert rank(matrix) == _rank_by_fractions(matrix.tolist())
    assert rank(np.array([[2**31 - 1, 0], [0, 1]])) == 2  # one entry is the prime itself


def _rank_by_fractions(matrix: list[list[int]]) -> int:
    rows = [[Fraction(value) for value in row] for row in matrix]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((at for at in range(found, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for at in range(found + 1, len(rows)):
            factor = rows[at][column] / rows[found][column]
            rows[at] = [a - factor * b for a, b in zip(rows[at], rows[found], strict=True)]
        found += 1
    return found


def test_spans_know_their_vectors() -> None:
    """What was added, and its combinations, lie in the span; others do not."""
    span = Span(3)
    span.add(np.array([[1, 2, 0], [0, 1, 1]]))
    inside = [np.array([a, 2 * a + b, b]) for a, b in product(range(-2, 3), repeat=2)]
    assert len(span) == 2 and span.holds(np.array(inside)).all()
    assert not span.holds(np.array([[1, 0, 0], [0, 0, 1]])).any()


def test_arguments_as_text() -> None:
    """Literals, torch's names, and names of the module; anything else is refused."""
    assert parse_arguments("init", "2, dtype=torch.float64, x=None") == (
        [2],
        {"dtype": torch.float64, "x": None},
    )
    assert parse_arguments("init", "act=nn.ReLU")[1] == {"act": nn.ReLU}
    for wrong in ("2, (", "**a", "*a", "a=b", "a=f(1)", "1)(2", "torch.no_such_thing"):
        with pytest.raises(OptionError, match="init="):
            parse_arguments("init", wrong)


def test_code_reads_from_a_file_with_its_own_names(tmp_path: Path) -> None:
    """``init`` may use names of the module, as classes often want a function."""
    path = tmp_path / "with_names.py"
    path.write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn
            def spread(x):
                return x.sum(1, keepdim=True)
            class Layer(nn.Module):
                def __init__(self, in_dim, out_dim, pool):
                    super().__init__()
                    self.own, self.all = nn.Linear(in_dim, out_dim), nn.Linear(in_dim, out_dim, bias=False)
                    self.pool = pool
                def forward(self, x):
                    return self.own(x) + self.all(self.pool(x))
            """
        )
    )
    assert symeq.audit(f"{path}:Layer", "n -> n", init="pool=spread", export=False).ok
