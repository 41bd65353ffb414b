from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import oracles
from symeq.errors import NotALayerError, OptionError, SignatureError, SymeqError, TooLargeError
from symeq.pipeline import emit
from symeq.signature import EmitOptions, Signature
from symeq.verification import VerificationReport, verify
from symeq.verification.dense import Dense, cancellation
from symeq.verification.load import resolve
from symeq.verification.proofs import ProofCase, Proofs
from symeq.verification.runs import Runs
from symeq.verification.sizes import graded_sizes, large_sizes
from symeq.verification.trial import Trial

Spec = str | tuple[int, int]


@cache
def source_of(spec: Spec, layout: str = "channels-last") -> str:
    """The emitted text of a layer."""
    return emit(spec, EmitOptions(layout)).text


def verified(folder: Path, source: str) -> VerificationReport:
    """The report on a file with this source."""
    path = folder / "layer.py"
    path.write_text(source)
    return verify(path, until_failure=True)


# ---------------------------------------------------------------- layers that are right


@pytest.mark.parametrize(
    "spec",
    [
        "->",
        (0, 1),
        (2, 0),
        "u i -> u",
        *(
            pytest.param(spec, marks=pytest.mark.slow)
            for spec in (
                (1, 0),
                (0, 2),
                (1, 1),
                (1, 2),
                (2, 1),
                (2, 2),
                (3, 1),
                "u i -> u i",
                "u i -> ",
                "n n -> m",
                "u i u -> i",
                "a b c -> c a",
                "n u -> i i n u",
            )
        ),
    ],
)
def test_emitted_layers_hold(spec: Spec) -> None:
    """What symeq emits passes every check, from nothing but a spec."""
    report = verify(spec)
    assert report.ok, str(report)
    assert report.signature == Signature.of(spec)


@pytest.mark.parametrize(
    "spec", [(1, 0), *(pytest.param(spec, marks=pytest.mark.slow) for spec in ((2, 2), (0, 1), "u i -> u"))]
)
def test_channels_first_layers_hold(tmp_path: Path, spec: Spec) -> None:
    """LAYOUT says where the channels lie."""
    report = verified(tmp_path, source_of(spec, "channels-first"))
    assert report.ok, str(report)
    assert report.layout == "channels-first"


@pytest.mark.slow
@pytest.mark.parametrize("spec", [(3, 3), (4, 4), (5, 5), (6, 0), (0, 6), "u i u i -> u i"])
def test_large_layers_hold(spec: Spec) -> None:
    """High orders have checks that stay within bounds."""
    report = verify(spec)
    assert report.ok, str(report)


class ByHand(nn.Module):
    """n -> n as one would write it: every element, and the sum over all (or over all others)."""

    BASIS = ((0, 0), (0, 1))
    BIAS_BASIS = ((0,),)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        basis: str = "diagram",
        normalization: str = "mean",
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.basis, self.normalization = basis, normalization
        self.weight = nn.Parameter(torch.randn(2, in_channels, out_channels, device=device, dtype=dtype))
        zeros = torch.zeros(1, out_channels, device=device, dtype=dtype)
        self.bias = nn.Parameter(zeros) if bias else None

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | dict[str, torch.Tensor] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> torch.Tensor:
        """The two operators of 1 -> 1."""
        if isinstance(mask, dict):
            mask = mask["n"]
        real = torch.ones(x.shape[-2], dtype=torch.bool) if mask is None else mask
        x = x.where(real[..., None], 0)
        total = x.sum(-2, keepdim=True)
        others = total if self.basis == "diagram" else total - x
        count = real.sum(-1).clamp(min=1)[..., None, None].to(x.dtype)
        others = others * count ** {"sum": 0.0, "mean": -1.0, "sqrt": -0.5}[self.normalization]
        y = x @ self.weight[0] + others @ self.weight[1]
        y = y if self.bias is None else y + self.bias
        return y.where(real[..., None], 0)

    def extra_repr(self) -> str:
        """The two options."""
        return f"{self.basis}, {self.normalization}"


def test_a_layer_written_by_hand_holds() -> None:
    """A class of another style passes; its signature is given where it has none of its own."""
    report = verify(ByHand, "n -> n")
    assert report.ok, str(report)
    assert report.target == "ByHand" and str(report.signature) == "n -> n"


# ---------------------------------------------------------------- layers that are wrong


Edit = tuple[str, str]  # a pattern, and what takes its place


@dataclass(frozen=True)
class Fault:
    """An edit of an emitted file, the first check that fails for it, and words of the report."""

    name: str
    spec: Spec
    edit: Edit
    check: str
    says: str = ""
    layout: str = "channels-last"

    def planted(self) -> str:
        """The source with the fault in it."""
        source, (pattern, replacement) = source_of(self.spec, self.layout), self.edit
        wrong, edits = re.subn(pattern, replacement, source, flags=re.MULTILINE)
        assert edits == 1, f"{self.name}: {pattern!r} is {edits} times in the emitted text, expected once"
        return wrong


def text(before: str, after: str) -> Edit:
    """These words, which occur once, in place of those."""
    return re.escape(before), after.replace("\\", r"\\")


def start(code: str) -> Edit:
    """A line more where the forward pass begins: x is not masked yet."""
    return r"^( +)(wide = .*)$", rf"\1\2\n\g<1>{code}"


def end(code: str) -> Edit:
    """A line more where y has all its parts and is not masked yet."""
    return r"^( +)(y = (?:_zero_padding\(y|y\.to).*)$", rf"\g<1>{code}\n\1\2"


def step(variable: str, code: str) -> Edit:
    """Another right-hand side for a step of the forward pass; ``{}`` stands for the one that it had."""
    return rf"^( +{variable} = )(.*?)(  #.*)?$", r"\g<1>" + code.format(r"(\2)")


def twice_if(condition: str) -> Edit:
    """An output that is doubled under a condition."""
    return end(f"y = y * (2 if {condition} else 1)")


ALONE, TOGETHER, BIAS, UNDER = (
    "each slot alone",
    "all slots together",
    "each bias slot alone",
    "each slot under a mask",
)
FIRST_SLOTS = r"(SLOTS = \(\n +)(\d+), (\d+),"
ROWS = r"((?: {8}.*\n)+)    \)"

CLASS_FAULTS = [
    Fault(
        "argument renamed", (2, 2), text('basis: str = "diagram"', 'kind: str = ""'), "constructor", "kind"
    ),
    Fault(
        "default", (2, 2), text('normalization: str = "mean"', 'normalization: str = "sum"'), "constructor"
    ),
    Fault(
        "BASIS permuted",
        (2, 2),
        (r"^( +\(0, 0, 0, 0\),.*\n)( +\(0, 0, 0, 1\),.*\n)", r"\2\1"),
        "BASIS",
        "row 0 is (0, 0, 0, 1), expected (0, 0, 0, 0)",
    ),
    Fault(
        "BASIS cut", (2, 2), (r"^ +\(0, 0, 1, 0\),.*\n", ""), "BASIS", "1 of 15 set partitions are missing"
    ),
    Fault("BASIS doubled", (2, 2), (r"^( +\(0, 1, 2, 3\),.*\n)", r"\1\1"), "BASIS", "which comes twice"),
    Fault(
        "BASIS a list", (2, 2), (rf"^    BASIS = \(\n{ROWS}", r"    BASIS = [\n\1    ]"), "BASIS", "a list"
    ),
    Fault("BIAS_BASIS permuted", (2, 2), text("(0, 0), (0, 1),\n", "(0, 1), (0, 0),\n"), "BIAS_BASIS"),
    Fault("bias not zero", (2, 2), text("bias.zero_()", "bias.fill_(1)"), "parameters", "start at zero"),
    Fault("tables saved", (2, 2), text("persistent=False", "persistent=True"), "parameters", "_slots"),
    Fault(
        "dtype forgotten",
        (2, 2),
        (r"(BIAS_BASIS\), out_channels, device=device), dtype=dtype", r"\1"),
        "parameters",
        "bias is torch.float32, expected torch.float64",
    ),
]

CONTRACT_FAULTS = [
    Fault("two slots exchanged", (2, 2), (FIRST_SLOTS, r"\1\3, \2,"), ALONE, "weight slot 6 (0, 1, 0, 1)"),
    Fault("slot used twice", (2, 1), (FIRST_SLOTS, r"\1\2, \2,"), ALONE),
    Fault("mean for sum", (2, 2), text('normalization == "sum"', 'normalization == "none"'), ALONE),
    Fault("sum dropped", (2, 2), step("c5", "c2[..., -1, :]"), ALONE, "(0, 1, 2, 2)"),
    Fault("sum doubled", (2, 2), step("c4", "2 * {}"), ALONE, "(0, 0, 1, 1)"),
    Fault("total without diagonal", (2, 0), step("c2", "{} - c1"), ALONE, "(0, 1)"),
    Fault("diagonal missed", (2, 2), step("c1", "x[..., 0, :, :]"), ALONE, "(0, 0, 1, 1)"),
    Fault("rows for columns", (2, 1), step("c3", "c2"), ALONE),
    Fault("axes exchanged", (2, 1), start("x = x.transpose(-3, -2)"), ALONE),
    Fault("another index set's size", "u i -> u i", (r"^( +c1 = .*)\"i\"", r'\1"u"'), "mean", "u = 1, i = 2"),
    Fault("input channels mixed up", (1, 1), start("x = x.flip(-1)"), ALONE, "weight slot 0 (0, 0)"),
]

MIX_FAULTS = [
    Fault("output channels mixed up", (1, 1), end("y = y.flip(-1)"), ALONE),
    Fault(
        "permutation inverted",
        (3, 3),
        (r"(def _transposed.*\n.*\n)", r"\1    permutation = torch.tensor(permutation).argsort().tolist()\n"),
        ALONE,
    ),
    Fault("sign in the Moebius transform", (2, 2), text("alpha=-1", "alpha=1"), ALONE, "orbit basis"),
    Fault(
        "orbit bias not transformed", (0, 2), (r"if self.basis == .orbit.:\n +bias = .*", ""), BIAS, "orbit"
    ),
    Fault("weights multiplied", (1, 1), end("y = y + (self.weight[0] * self.weight[1]).sum()"), TOGETHER),
]

BROADCAST_FAULTS = [
    Fault(
        "wrong axis",
        (2, 2),
        text("y += b3[..., None, :, :]", "y += b3[..., :, None, :]"),
        ALONE,
        "(0, 0, 1, 0)",
    ),
    Fault("diagonal for all", (2, 2), text("_diagonal(y, (0, 0)).add_(b1)", "y += b1[..., None, :]"), ALONE),
    Fault("broadcast overwritten", (2, 2), text("y += b2", "y = b2"), ALONE),
    Fault(
        "bias on the wrong block",
        (2, 2),
        text("bias.flatten()", "bias.flip(0).flatten()"),
        BIAS,
        "bias slot 0",
    ),
    Fault("bias halved", (2, 2), text("bias.flatten()", "bias.flatten() / 2"), BIAS),
    Fault("bias forgotten", (0, 1), text("z + bias.flatten()", "z"), BIAS),
]

SHAPE_FAULTS = [
    Fault("only for n >= 3", (2, 2), twice_if('sizes["n"] >= 3'), ALONE, "n = 3\n"),
    Fault("only for n >= 6", (1, 1), twice_if('sizes["n"] >= 6'), ALONE, "n = 6\n"),
    Fault("only for n >= 7", (2, 2), twice_if('sizes["n"] >= 7'), "larger sizes", "n = 7\n"),
    Fault("only for n = 1", (2, 1), twice_if('sizes["n"] == 1'), ALONE, "n = 1\n"),
    Fault("only for n = 0", (1, 0), end('y = y + (sizes["n"] == 0)'), BIAS, "n = 0\n"),
    Fault("only for u < i", "u i -> u", twice_if('sizes["u"] < sizes["i"]'), ALONE),
    Fault("only for i = 1", "u i -> u i", twice_if('sizes["i"] == 1'), ALONE),
    Fault("only without batch axes", (2, 2), twice_if("x.dim() == 3"), "batch axes", "batch ()"),
    Fault(
        "samples mixed", (2, 2), end("y = y - y.mean(0) if x.dim() == 5 else y"), "batch axes", "batch (2, 2)"
    ),
    Fault(
        "not equivariant at n = 8",
        (2, 2),
        end('y = y + x[..., :1, :1, :1] if sizes["n"] == 8 else y'),
        "equivariance",
        "with the nodes in the order n: ",
    ),
]

MASK_FAULTS = [
    Fault(
        "input not masked", (2, 2), (r"^ +x = _zero_padding\(x.*\n", ""), "masks", "a mask for each sample"
    ),
    Fault("output not masked", (2, 2), (r"_zero_padding\(y, .*\)\.to", "y.to"), "padding", "expected 0"),
    Fault("an axis of x not masked", (2, 2), (r"(_zero_padding\(x, \(m.*), m.*$", r"\1, None))"), "masks"),
    Fault(
        "an axis of y not masked",
        (2, 2),
        (r"(_zero_padding\(y, \(m.*), m.*(\)\)\.)", r"\1, None\2"),
        "padding",
    ),
    Fault(
        "an index set not masked", "u i -> u", (r"(_zero_padding\(x, \(m.*), m.*$", r"\1, None))"), "masks"
    ),
    Fault(
        "multiplied by zero", (2, 1), text("x.masked_fill(~real, 0)", "x * real"), "NaN in the padding", "nan"
    ),
    Fault(
        "shared masks ignored",
        (2, 2),
        start("masks = {s: m for s, m in masks.items() if m.dim() > 1 or x.dim() == 3}"),
        "masks",
        "one mask for all samples",
    ),
    Fault("masks inverted", (1, 0), start("masks = {s: ~m for s, m in masks.items()}"), "masks"),
    Fault("only under a mask", (1, 0), twice_if("masks"), "masks"),
]

NORMALISATION_FAULTS = [
    Fault("sqrt for mean", (2, 2), text("-1.0 if", "-0.5 if"), "mean"),
    Fault("mean for sqrt", (2, 2), (r"else -0\.5$", "else -1.0"), "sqrt"),
    Fault(
        "padded size for the count",
        (2, 2),
        (r"masks\[name\]\.sum\(-1\)", "(masks[name] | True).sum(-1)"),
        "mean",
    ),
    Fault(
        "one too many under a mask", (2, 1), text("].sum(-1)", "].sum(-1).add(1)"), "mean", "a mask for each"
    ),
    Fault("count in float32", (1, 1), text(".to(wide) ** power", "** power"), "mean"),
    Fault(
        "bias normalised", (1, 1), text("bias.flatten()", "bias.flatten() * len(self.normalization)"), BIAS
    ),
    Fault("no guard for empty samples", (2, 0), text(".clamp(min=1)", ""), "no real node", "nan"),
    Fault("no guard in the backward pass", (2, 1), text(".clamp(min=1)", ""), "gradients", "nan"),
    Fault(
        "no guard for n = 0",
        (2, 1),
        text("max(sizes[name], 1)", "sizes[name]"),
        "no real node",
        "ZeroDivision",
    ),
]

OTHER_FAULTS = [
    Fault("gradient cut", (2, 2), step("c5", "{}.detach()"), "gradients", "x.grad["),
    Fault("gradient of the bias cut", (0, 1), text("bias.flatten()", "bias.detach().flatten()"), "gradients"),
    Fault("gradient doubled", (1, 0), end("y = y + y - y.detach()"), "gradients"),
    Fault("no gradient", (1, 0), end("y = y.detach()"), "gradients", "backward raised RuntimeError"),
    Fault("input changed", (1, 1), start("x.mul_(2)"), ALONE, "forward changes its input x in place"),
    Fault(
        "forward raises",
        (1, 1),
        start("raise KeyError('no luck')"),
        ALONE,
        "forward raised KeyError: 'no luck'",
    ),
    Fault(
        "output narrowed",
        (1, 1),
        (r"(y = _zero_padding\(y, .*)\.to\(dtype\)", r"\1.float()"),
        ALONE,
        "float32",
    ),
    Fault(
        "an axis too many", (1, 0), end("y = y[..., None, :]"), ALONE, "expected torch.float64 of shape (2, "
    ),
    Fault(
        "channels left last",
        (2, 2),
        (r"return y\.movedim.*$", "return y"),
        ALONE,
        "expected torch.float64 of shape (2, 15, 1, 1)",
        "channels-first",
    ),
    Fault(
        "channels left first",
        (2, 2),
        (r"^ +x = x\.movedim.*\n", ""),
        ALONE,
        "forward raised",
        "channels-first",
    ),
]

FAULTS = [
    *CLASS_FAULTS,
    *CONTRACT_FAULTS,
    *MIX_FAULTS,
    *BROADCAST_FAULTS,
    *SHAPE_FAULTS,
    *MASK_FAULTS,
    *NORMALISATION_FAULTS,
    *OTHER_FAULTS,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_are_found(tmp_path: Path, fault: Fault) -> None:
    """Every planted fault is rejected, by the check that looks for it."""
    report = verified(tmp_path, fault.planted())
    assert not report.ok
    assert report.failed[0].name == fault.check, str(report)
    assert fault.says in f"{report}\n", str(report)


def test_a_failure_is_shown_with_its_numbers(tmp_path: Path) -> None:
    """The first counterexample has slot, rgs, sizes, entry, expected and got, in the text and in the JSON."""
    report = verified(tmp_path, source_of((2, 2)).replace("    6, 8,", "    8, 6,"))
    found = report.failed[0].counterexample
    assert found is not None
    assert (found.kind, found.slot, found.rgs) == ("weight", 6, (0, 1, 0, 1))
    assert found.sizes == {"n": 2} and len(found.entry) == 4 and found.expected != found.got
    lines = str(report).splitlines()
    assert any(
        line.strip().startswith("weight slot 6 (0, 1, 0, 1): y[") and f"expected {found.expected:.0f}" in line
        for line in lines
    )
    assert re.fullmatch(r"\d+ of \d+ checks FAILED \(seed 0\)", lines[-1])
    record = json.loads(report.to_json())
    shown = next(check for check in record["checks"] if not check["ok"])["counterexample"]
    assert (shown["slot"], shown["rgs"], shown["sizes"]) == (6, [0, 1, 0, 1], {"n": 2})
    assert (shown["expected"], shown["got"]) == (found.expected, found.got)


def test_a_slot_is_found_among_all(tmp_path: Path) -> None:
    """Where only random weights in all slots fail, the slot that is to blame is found by halving."""
    only_large = Fault("", (2, 2), step("c5", "{} * (2 if sizes['n'] == 17 else 1)"), "").planted()
    report = verified(tmp_path, only_large)
    (check,) = report.failed
    found = check.counterexample
    assert check.name == "larger sizes" and found is not None
    assert found.sizes == {"n": 17} and found.rgs in ((0, 1, 2, 2), (0, 1, 2, 3))


def test_no_slot_is_blamed_for_what_is_wrong_without_any(tmp_path: Path) -> None:
    """NaN that leaks whatever the weights, and products of weights, have no slot."""
    for fault in (
        Fault("", (2, 1), text("x.masked_fill(~real, 0)", "x * real"), ""),
        Fault("", (1, 1), end("y = y + (self.weight[0] * self.weight[1]).sum()"), ""),
    ):
        found = verified(tmp_path, fault.planted()).failed[0].counterexample
        assert found is not None and found.slot is None and found.rgs is None


def test_json_has_no_nan(tmp_path: Path) -> None:
    """What is no number in JSON is a string."""
    wrong = Fault("", (2, 1), text("x.masked_fill(~real, 0)", "x * real"), "").planted()
    report = verified(tmp_path, wrong)
    record = json.loads(report.to_json(), parse_constant=pytest.fail)
    (found,) = (check for check in record["checks"] if check["name"] == "NaN in the padding")
    assert found["counterexample"]["got"] == "nan"


# ---------------------------------------------------------------- the report


def test_report_of_a_layer_that_holds() -> None:
    """Text and JSON say what was looked at, and where."""
    report = verify("n -> ")
    record = json.loads(report.to_json())
    assert record["ok"] is True and record["signature"] == "n -> " and record["seed"] == 0
    assert [check["name"] for check in record["checks"]] == [check.name for check in report.checks]
    assert report.to_json() == json.dumps(record, sort_keys=True, indent=2)
    scopes = {check.name: check.scope for check in report.checks}
    assert scopes["each slot alone"] == "the one slot; n = 1, 2, 3, 4, 5, 6; both bases; exact"
    kinds = {check.name: check.kind for check in report.checks}
    assert kinds["exported forward pass"] == kinds["backward pass"] == "proved"
    assert kinds["each slot alone"] == kinds["states"] == "tested"
    assert "n = 7, 17" in scopes["larger sizes"] and "1.0e-10" in scopes["mean"]
    lines = str(report).splitlines()
    assert lines[0] == "Invariant1, emitted just now: n -> , channels-last"
    assert lines[1].strip() == "proved for every n"
    assert lines[-1] == f"{len(report.checks)} checks hold (seed 0)"
    assert max(map(len, lines)) <= 110


def test_the_same_seed_says_the_same(tmp_path: Path) -> None:
    """A report can be made again; another seed tries other numbers."""
    wrong = source_of((2, 2)).replace("    6, 8,", "    8, 6,")
    first = verified(tmp_path, wrong)
    assert verified(tmp_path, wrong).to_json() == first.to_json()
    other = verify(tmp_path / "layer.py", seed=1, until_failure=True)
    assert other.seed == 1 and other.failed[0].counterexample != first.failed[0].counterexample


def test_the_callers_random_numbers_stay() -> None:
    """Verifying draws weights of its own."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    verify("->")
    assert torch.equal(torch.rand(3), expected)


def test_progress_is_told() -> None:
    """Cases are counted over all checks, from 0 to the end."""
    told: list[tuple[str, int, int]] = []
    report = verify("->", progress=lambda name, done, total: told.append((name, done, total)))
    assert {name for name, _, _ in told} == {check.name for check in report.checks} | {"done"}
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert {total for _, _, total in told} == {len(told) - 1}


def test_a_report_without_checks_does_not_hold() -> None:
    """Nothing looked at is nothing shown."""
    assert not VerificationReport("x", Signature((), ()), "channels-last", 0, ()).ok


# ---------------------------------------------------------------- what cannot be verified

LAYER = (
    "from torch import nn\nclass {name}(nn.Module):\n    SIGNATURE = {signature!r}\n    BASIS = {basis!r}\n"
)


def layer_text(name: str = "A", signature: object = "n -> n", basis: object = ((0, 0), (0, 1))) -> str:
    """The source of a class that is just enough of a layer to be looked at."""
    return LAYER.format(name=name, signature=signature, basis=basis)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "it defines no torch.nn.Module"),
        ("from torch.nn import Linear", "it defines no torch.nn.Module"),
        ("this is no Python", "it is not Python (invalid syntax, line 1)"),
        ("x = '\0'", "it is not Python"),
        ("raise ValueError('one\\ntwo')", "running it raised ValueError: one. A layer's file"),
        ("1 / 0", "running it raised ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "running it raised SystemExit: 3"),
        ("from .neighbour import Layer", "running it raised ImportError"),
        ("import no_such_module", "running it raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("from torch import nn\nclass A(nn.Module): pass", "no class in it has BASIS (it defines A)"),
        (layer_text() + layer_text("B"), "it defines 2 layer classes (A, B), expected one"),
        ("from torch import nn\nclass A(nn.Module):\n    BASIS = ()", "the class has no SIGNATURE"),
        (layer_text(signature=3), "its SIGNATURE is 3"),
        (layer_text(signature="n n"), "its SIGNATURE cannot be read ('n n' is not a signature"),
        (layer_text(basis=7), "its BASIS is 7"),
        (layer_text(basis=None), "its BASIS is None"),
        (layer_text(basis=((0, 0), (0,))), "BASIS[1] is (0,), expected 2 integers"),
        (layer_text(basis=((0, 0),) * 5), "its BASIS has 5 rows"),
        (layer_text(basis=((0, 0), (0, 1.0))), "BASIS[1] is (0, 1.0)"),
        (layer_text(basis=((0, 0), (0, 2))), "(0, 2) is not a restricted growth string"),
        (layer_text(basis=((0, 0), (0, 10**30))), "its BASIS contradicts 'n -> n'"),
        (layer_text(signature="u -> i", basis=((0, 0),)), "(0, 0) mixes the index sets 'u' and 'i'"),
        (layer_text(signature="n n -> n n"), "BASIS[0] is (0, 0), expected 4 integers"),
        (layer_text() + "    LAYOUT = 'channels-middle'", "its LAYOUT is 'channels-middle'"),
    ],
)
def test_files_that_are_no_layer(tmp_path: Path, source: str, problem: str) -> None:
    """The error says which file, what is wrong, and what to do."""
    path = tmp_path / "file.py"
    path.write_text(source)
    with pytest.raises(NotALayerError, match=re.escape(problem)) as caught:
        verify(path)
    assert str(path) in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("missing.py", "there is no such file"), ("", "it is a folder"), ("x\0y", "it cannot be read")],
)
def test_paths_that_are_no_file(tmp_path: Path, name: str, problem: str) -> None:
    """A path is told from a signature by the arrow, and must lead to a file."""
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(NotALayerError, match=problem):
            verify(path)
    with pytest.raises(NotALayerError, match="has '->'"):
        verify("n n")


def test_a_file_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that does not end is given up, and the process is not held."""
    monkeypatch.setattr("symeq.verification.load.IMPORT_SECONDS", 0.2)
    path = tmp_path / "layer.py"
    path.write_text("import time\ntime.sleep(3)")
    with pytest.raises(NotALayerError, match=r"importing it takes longer than 0\.2 s"):
        verify(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A binary file is not Python."""
    path = tmp_path / "layer.py"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(NotALayerError, match="it is not Python"):
        verify(path)


def test_things_that_are_no_layer() -> None:
    """Instances, other classes, and specs that cannot be read or are too large."""
    with pytest.raises(NotALayerError, match="an instance of ByHand"):
        verify(ByHand(1, 1))
    with pytest.raises(NotALayerError, match="no torch"):
        verify(dict)
    with pytest.raises(NotALayerError, match="no BASIS"):
        verify(nn.Linear)
    with pytest.raises(NotALayerError, match="no SIGNATURE"):
        verify(ByHand)
    with pytest.raises(SignatureError):
        verify("n -> n -> n")
    with pytest.raises(SignatureError):
        verify(17)
    with pytest.raises(TooLargeError, match="1382958545"):
        verify((8, 7))
    with pytest.raises(OptionError, match="signature"):
        verify("n -> n", "n -> n")


def test_signatures_that_contradict_each_other(tmp_path: Path) -> None:
    """A class that says what it is must be asked for that."""
    path = tmp_path / "layer.py"
    path.write_text(source_of((1, 1)))
    assert resolve(path, (1, 1)).signature == Signature.of((1, 1))
    with pytest.raises(NotALayerError, match="its SIGNATURE is 'n -> n', but 'n n -> n' was asked for"):
        resolve(path, "n n -> n")


def test_all_errors_are_of_symeq() -> None:
    """The command line turns every one into one line and exit code 2."""
    assert issubclass(NotALayerError, SymeqError) and issubclass(NotALayerError, ValueError)


def test_a_constructor_that_raises_is_a_failed_check() -> None:
    """A class that is a layer by its tables alone fails, without a traceback."""

    class Refuses(ByHand):
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise RuntimeError("not today")

    Refuses.__signature__ = None
    del Refuses.__signature__
    report = verify(Refuses, (1, 1))
    assert [check.name for check in report.failed] == ["constructor", "parameters", "values"]
    assert "raised RuntimeError: not today" in str(report)


# ---------------------------------------------------------------- loading


def test_files_are_run_by_themselves(tmp_path: Path) -> None:
    """The module is gone afterwards, nothing is written beside it, and a stale .pyc is not believed."""
    path = tmp_path / "layer.py"
    path.write_text(source_of((1, 1)))
    before, writes_bytecode = set(sys.modules), not sys.dont_write_bytecode
    layer = resolve(path).layer
    assert {name for name in set(sys.modules) - before if "verified" in name} == set()
    assert list(tmp_path.iterdir()) == [path]
    assert resolve(path).layer is not layer
    assert writes_bytecode is not sys.dont_write_bytecode


def test_a_file_may_hold_helpers(tmp_path: Path) -> None:
    """Other modules and dataclasses beside the layer do no harm, nor does a second name for it."""
    path = tmp_path / "layer.py"
    extra = (
        "from __future__ import annotations\nimport dataclasses\nfrom torch import nn\n"
        "@dataclasses.dataclass\nclass Options:\n    a: int = 3\n"
        "class Helper(nn.Module):\n    pass\n"
    )
    body = source_of((1, 1))
    path.write_text(extra + body[body.index("import torch") :] + "\nAlias = Equivariant1to1\n")
    assert resolve(path).layer.__name__ == "Equivariant1to1"


# ---------------------------------------------------------------- the definition


@pytest.mark.parametrize("basis", ["orbit", "diagram"])
@pytest.mark.parametrize("spec", ["->", (1, 0), (0, 2), (2, 2), (3, 1), "u i u -> i", "n n -> m"])
def test_dense_maps_are_those_of_the_definition(spec: Spec, basis: str, rng: np.random.Generator) -> None:
    """``Dense`` agrees with the oracle of the tests, which shares no code with it."""
    dense = Dense(Signature.of(spec))
    sets, k = dense.sets, len(oracles.sides(spec)[0])
    for sizes in graded_sizes(Trial(resolve(Signature.of(spec)), 0))[:6]:
        weight = rng.integers(-9, 10, (len(dense), 2, 3))
        map_ = oracles.dense_map(sets, sizes, basis, weight.astype(np.float64))
        rows, columns = np.prod(map_.shape[:k], dtype=int), np.prod(map_.shape[k:-2], dtype=int)
        x = rng.integers(-9, 10, (4, rows, 2)).astype(np.float64)
        expected = np.einsum("sia,ijab->sjb", x, map_.reshape(rows, columns, 2, 3))
        at = dense.all_outputs(sizes)
        assert np.array_equal(dense.apply(dense.entries(weight, basis), x, sizes, at), expected)

        alone = dense.alone(basis, np.arange(len(dense)), np.repeat(x[:, :, :1], len(dense), axis=2), sizes)
        summed = np.einsum("sjg,gb->sjb", alone, weight[:, 0])
        only = np.where(np.arange(2)[:, None] == 0, weight, 0)
        assert np.array_equal(dense.apply(dense.entries(only, basis), x, sizes, at), summed)


def test_large_changes_of_basis_are_the_same() -> None:
    """Above 1000 slots the change of basis is computed in another way, to the same effect."""
    dense = Dense(Signature.of((4, 4)))
    weight = np.arange(len(dense) * 2).reshape(-1, 1, 2)
    found = dense.entries(weight, "diagram")
    for slot in (0, 1, 77, 4139):
        finer = (dense.codes & dense.codes[slot]) == dense.codes
        assert np.array_equal(found[slot], weight[finer].sum(axis=0))


def test_one_output_of_each_pattern(rng: np.random.Generator) -> None:
    """The patterns that exist at the given sizes, each once."""
    dense = Dense(Signature.of("n n -> n u n u"))
    for n, u, number in ((0, 3, 0), (1, 1, 1), (1, 2, 2), (3, 5, 4)):
        found = dense.one_of_each_pattern({"n": n, "u": u}, rng)
        assert found.shape == (number, 4)
        assert len({(row[0] == row[2], row[1] == row[3]) for row in found.tolist()}) == number
        assert (found[:, [0, 2]] < n).all() and (found[:, [1, 3]] < u).all()


def test_cancellation_is_counted() -> None:
    """The sum of absolute Moebius values over all pairs is that of the Fubini numbers (OEIS A000670)."""
    assert [cancellation(Signature.of((m, 0))) for m in range(7)] == [1, 1, 3, 13, 75, 541, 4683]
    assert cancellation(Signature.of("u i u -> i")) == 9


@pytest.mark.parametrize("spec", ["->", (1, 1), (2, 2), (3, 3), (4, 4), (6, 0), "a b c d e -> a b c d e"])
def test_sizes_stay_within_bounds(spec: Spec) -> None:
    """Sizes are distinct between index sets, reach those with all patterns, and keep integers exact."""
    trial = Trial(resolve(Signature.of(spec)), 0)
    graded = graded_sizes(trial)
    large = large_sizes(trial, graded)
    assert all(trial.exact(sizes) for sizes in [*graded, *large])
    if spec == (3, 3):
        assert [sizes["n"] for sizes in graded] == [0, 1, 2, 3, 4, 5, 6]
        assert [sizes["n"] for sizes in large] == [7, 17]
    if spec == (4, 4):
        assert [sizes["n"] for sizes in graded] == [0, 1, 2, 3, 4]
        assert [sizes["n"] for sizes in large] == [8, 17]
    for sizes in graded:
        for a, b in combinations(list(sizes)[:2], 2):
            assert sizes[a] != sizes[b]


# ---------------------------------------------------------------- which proofs are made


def proofs_of(spec: Spec, brief: bool = False) -> Proofs:
    """The proofs of an emitted layer, not yet made."""
    return Proofs(Trial(resolve(spec, None), 0), brief)


def options_of(case: ProofCase) -> dict[str, object]:
    """Four kinds of options of a proof."""
    return {"basis": case.basis, "norm": case.normalization, "masks": bool(case.masks), "rank": case.rank}


def test_every_combination_of_options_is_proved() -> None:
    """Forward and backward, where it is not said that the proof is to be brief."""
    proofs = proofs_of((2, 2))
    for cases in (proofs.forward_cases(), proofs.backward_cases()):
        found = {tuple(options_of(case).values()) for case in cases if case.bias}
        assert found == set(product(("diagram", "orbit"), ("sum", "mean", "sqrt"), (False, True), (0, 1, 2)))
        assert any(not case.bias for case in cases)
    assert all("batch ranks 0 to 2" in rung.scope for rung in proofs.rungs())


def test_a_brief_proof_takes_every_two_options_together() -> None:
    """Fewer combinations, among which every two options of different kinds are found."""
    proofs = proofs_of((2, 2), brief=True)
    cases = [options_of(case) for case in proofs.forward_cases()]
    assert len(cases) < 12
    kinds = {"basis": 2, "norm": 3, "masks": 2, "rank": 3}
    for one, two in combinations(kinds, 2):
        assert len({(case[one], case[two]) for case in cases}) == kinds[one] * kinds[two], (one, two)
    backward = [options_of(case) for case in proofs.backward_cases()]
    for kind, number in kinds.items():
        assert len({case[kind] for case in backward}) == number, kind
    assert all("every two" in rung.scope or "each of these" in rung.scope for rung in proofs.rungs())


@pytest.mark.parametrize("spec", [(0, 6), (5, 1)])
def test_a_brief_proof_of_many_steps_takes_each_option_once(spec: Spec) -> None:
    """Layers of many contractions and broadcasts, whose traces take long."""
    proofs = proofs_of(spec, brief=True)
    cases = [options_of(case) for case in proofs.forward_cases()]
    assert {case["norm"] for case in cases} == {"sum", "mean", "sqrt"}
    assert {case["basis"] for case in cases} == {"diagram", "orbit"}
    assert {case["masks"] for case in cases} == {True, False}
    assert proofs.backward_cases()
    assert proofs_of(spec).reach == "every"


def test_sizes_where_runs_meet_integers_of_the_source(tmp_path: Path) -> None:
    """Few sizes are those around a literal and around the number of slots; all have slots, too."""
    source = emit("n n n -> n n").text
    end = "        return self._compute(x, masks, sizes, x.dtype)\n"
    changed = source.replace(end, f'        if sizes["n"] == 77:\n            x = x * 2\n{end}')
    assert changed != source
    (tmp_path / "changed.py").write_text(changed)
    trial = Trial(resolve(str(tmp_path / "changed.py")), 0)
    runs = Runs(trial, Proofs(trial, brief=True))
    few = {sizes["n"] for sizes in runs.ladder(whole=False)}
    assert {51, 52, 53, 76, 77, 78} <= few, "3 -> 2 has 52 slots"
    assert not {30, 31, 47} & few, "slots, and near no other integer"
    assert {30, 31, 77} <= {sizes["n"] for sizes in runs.ladder()}
