"""Programs read as formal sums: right ones are proved, and whatever could fool the prover is refused."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor

import planted_layers
from planted_layers import RIGHT, RIGHT_BACKWARD, WRONG, WRONG_BACKWARD, Plant
from symeq.interpretation import forms
from symeq.interpretation.claims import prove_backward, prove_forward
from symeq.interpretation.forms import Unproved
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.recording import called, dispatched, first_difference
from symeq.interpretation.values import Setting
from symeq.pipeline import emit
from symeq.signature import EmitOptions, Signature
from symeq.verification.cases import Mismatch
from symeq.verification.load import resolve
from symeq.verification.proofs import ProofCase, Proofs
from symeq.verification.runs import Runs
from symeq.verification.trial import Trial


def proved(plant: Plant, prove: Callable[..., object], rank: int = 1) -> None:
    """The proof of a planted layer; raises Unproved."""
    setting = Setting(Signature.parse(plant.signature), rank, plant.masks)
    expected = Meaning(setting, "diagram", plant.normalization, plant.bias)
    prove(plant.layer(), setting, "channels-last", expected, planted_layers.__file__)


# ---------------------------------------------------------------- planted layers


@pytest.mark.parametrize("plant", RIGHT, ids=lambda plant: plant.name)
def test_right_layers_in_other_styles_are_proved(plant: Plant) -> None:
    """What keeps the contract is proved, however it is written."""
    proved(plant, prove_forward)


@pytest.mark.parametrize("plant", RIGHT_BACKWARD, ids=lambda plant: plant.name)
def test_right_gradients_are_proved(plant: Plant) -> None:
    """The transpose, as autograd or a custom function computes it."""
    proved(plant, prove_backward)


@pytest.mark.parametrize("plant", WRONG, ids=lambda plant: plant.name)
def test_wrong_layers_are_refused(plant: Plant) -> None:
    """With a complaint that says what is wrong; what was not followed is named with its line."""
    with pytest.raises(Unproved, match=plant.complaint) as complaint:
        proved(plant, prove_forward)
    text = str(complaint.value)
    if re.search(r"operation|mixes|numbering|rounded|truth|held in|a bound|power -1", text):
        assert re.search(r"line \d+ in ", text), f"no place is named: {text}"


@pytest.mark.parametrize("plant", WRONG_BACKWARD, ids=lambda plant: plant.name)
def test_wrong_gradients_are_refused(plant: Plant) -> None:
    """Backward passes that do something else, for some sizes or for all."""
    with pytest.raises(Unproved, match=plant.complaint):
        proved(plant, prove_backward)


def test_masks_of_another_kind_are_not_confused() -> None:
    """A layer that is right for a mask of each sample is right for one of all samples, and says so."""
    for kind in ("own", "shared"):
        proved(Plant("mask", planted_layers.masked_deep_sets, masks={"n": kind}), prove_forward)


def test_a_layer_is_not_proved_for_another_meaning() -> None:
    """The proof looks at what is expected: normalization, basis and signature."""
    setting = Setting(Signature.parse("n -> n"), 1, {})
    layer = Plant("right", planted_layers.deep_sets).layer()
    for basis, normalization in (("diagram", "sum"), ("diagram", "sqrt"), ("orbit", "mean")):
        with pytest.raises(Unproved, match="coefficient of weight slot"):
            prove_forward(layer, setting, "channels-last", Meaning(setting, basis, normalization, True))


# ---------------------------------------------------------------- emitted layers, edited

SEEN = "        wide = _wide(dtype)\n"  # the first line of _compute


def edited(folder: Path, line: str) -> tuple[Proofs, Runs, ProofCase]:
    """The emitted layer n -> n with a line more where it begins to compute."""
    text = emit("n -> n", EmitOptions()).text
    assert text.count(SEEN) == 1, "the template has changed: plant the line elsewhere"
    path = folder / "layer.py"
    path.write_text(text.replace(SEEN, f"        {line}\n{SEEN}"))
    trial = Trial(resolve(path), 0)
    proofs = Proofs(trial)
    return proofs, Runs(trial, proofs), ProofCase("diagram", "mean", True, 1, ())


def test_emitted_layers_pass(tmp_path: Path) -> None:
    """The line that the others replace may stand there."""
    proofs, runs, case = edited(tmp_path, "x = x * 1")
    proofs.try_forward(case)
    proofs.try_backward(case)
    runs.try_eager(case)
    runs.try_sizes(case)
    runs.try_states(case)
    runs.try_shapes(case)


@pytest.mark.parametrize(
    "line",
    [
        "x = x * 2",
        "if torch.compiler.is_compiling(): x = x * 2",
        "if torch.compiler.is_exporting(): x = x * 2",
        "if x.dtype == torch.float64: x = x * 2",
        "if torch.is_grad_enabled(): x = x * 2",
        "if self.training: x = x * 2",
        "if x.shape[-2] > 1000: x = x * 2",
        "if x.max() > 1e6: x = x * 2",
        "x = x.to(torch.float32).to(x.dtype)",
        "x = torch.nn.functional.dropout(x, 0.5, self.training)",
    ],
)
def test_edits_that_the_proof_refuses(tmp_path: Path, line: str) -> None:
    """What shows in the exported graph."""
    proofs, _, case = edited(tmp_path, line)
    with pytest.raises(Mismatch):
        proofs.try_forward(case)


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("if not torch.compiler.is_compiling(): x = x * 2", "eager"),
        ("if not torch.compiler.is_exporting(): x = x * 2", "eager"),
        ("if not isinstance(x.shape[-2], torch.SymInt): x = x * 2", "eager"),
        ("if isinstance(x.shape[-2], int) and x.shape[-2] == 137: x = x * 2", "sizes"),
        ("if isinstance(x.shape[-2], int) and x.shape[-2] > 1000: x = x * 2", "sizes"),
        ("if x.dtype == torch.float32: x = x * 2", "states"),
        ("if x.dtype == torch.bfloat16: x = x * 2", "states"),
        ("if not torch.is_grad_enabled(): x = x * 2", "states"),
        ("if torch.is_inference_mode_enabled(): x = x * 2", "states"),
        ("if not self.training: x = x * 2", "states"),
        ("if x.requires_grad: x = x * 2", "states"),
        ("if not self.weight.requires_grad: x = x * 2", "states"),
        ("if not x.is_contiguous(): x = x * 2", "states"),
        ("if dtype != x.dtype: x = x * 2", "states"),
        ("self.calls = getattr(self, 'calls', 0) + 1; x = x * 2 if self.calls == 3 else x", "states"),
        ("if self.in_channels == 16: x = x * 2", "shapes"),
        ("if isinstance(x.shape[0], int) and x.shape[0] == 8: x = x * 2", "shapes"),
    ],
)
def test_edits_that_only_runs_refuse(tmp_path: Path, line: str, check: str) -> None:
    """What the exported graph does not show: it is proved, and the runs do something else."""
    proofs, runs, case = edited(tmp_path, line)
    proofs.try_forward(case)
    with pytest.raises(Mismatch):
        getattr(runs, f"try_{check}")(case)


def test_edits_of_the_backward_pass_are_refused(tmp_path: Path) -> None:
    """A forward pass that is right, with another gradient."""
    proofs, _, case = edited(tmp_path, "x = x + (x - x.detach())")
    proofs.try_forward(case)
    with pytest.raises(Mismatch, match="gradient of x"):
        proofs.try_backward(case)


def test_an_edited_orbit_basis_is_refused(tmp_path: Path) -> None:
    """A wrong sign in the change of basis, under masks and for both batch ranks."""
    text = emit("n -> n n", EmitOptions()).text
    assert "alpha=-1" in text
    path = tmp_path / "layer.py"
    path.write_text(text.replace("alpha=-1", "alpha=1"))
    proofs = Proofs(Trial(resolve(path), 0))
    for masks, rank in (((), 1), ((("n", "own"),), 2), ((("n", "shared"),), 0)):
        with pytest.raises(Mismatch, match="coefficient"):
            proofs.try_forward(ProofCase("orbit", "mean", True, rank, masks))
        proofs.try_forward(ProofCase("diagram", "mean", True, rank, masks))


# ---------------------------------------------------------------- sizes and coefficients


def test_many_index_sets_are_read() -> None:
    """Sizes while tracing are there for any number of index sets."""
    names = "a b c d e f"
    layer = Plant("sums", lambda s, x, m: x.sum((1, 2, 3, 4, 5, 6)) @ s.weight[0] + s.bias[0], "",
                  f"{names} -> ", "sum")  # fmt: skip
    proved(layer, prove_forward)


@pytest.mark.parametrize(
    ("value", "exponent"),
    [({}, -1), ({(): 2}, Fraction(1, 2)), ({(("n", 1),): 1}, Fraction(1, 2)), ({(): 2}, 1000),
     ({(("n", 2),): 1, (): 1}, -1)],
)  # fmt: skip
def test_powers_that_are_no_coefficients_are_refused(value: forms.Polynomial, exponent: Fraction) -> None:
    """Roots of numbers, negative powers of sums and of zero, and powers too large to be worked out."""
    with pytest.raises(Unproved, match="power"):
        forms.power(value, Fraction(exponent))


def test_a_recorded_run_keeps_no_tensor() -> None:
    """Names go with their tensors: thousands of tensors of megabytes do not fit at once."""
    x = torch.ones(3)
    left = []

    def run() -> Tensor:
        made = x * 2
        seen = weakref.ref(made)
        made = made.sum()
        left.append(seen())
        return made

    for record in (dispatched, called):
        calls, result = record(run, {"x": x})
        assert len(calls) == 2 and calls[0][1][0] == "x" and calls[1][1][0] == "%0.0" and result == "%1.0"
    assert left == [None, None]


# ---------------------------------------------------------------- recorded runs

Steps: TypeAlias = Callable[[Tensor], Tensor]


AGAIN: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "not": lambda z, y, view: z,
    "itself": lambda z, y, view: z + y,
    "a view": lambda z, y, view: z + view,
    "returned": lambda z, y, view: (z, y),
    "a view returned": lambda z, y, view: (z, view),
}


def added_to(x: Tensor, copy: Steps, again: str = "not") -> Any:
    """Makes y, adds to a copy of it in place, and uses perhaps y again, or a view of it."""
    y = x * 2
    view = y[0]
    z = copy(y)
    z += 1
    return AGAIN[again](z * 3, y, view)


@pytest.mark.parametrize("record", [called, dispatched])
def test_a_copy_may_replace_its_original(record: Any) -> None:
    """Where nobody uses the original again a run with the copy does the same as one without."""
    x = torch.ones(2, 3)
    plain = record(lambda: added_to(x, lambda y: y), {"x": x})
    copies: list[Steps] = [
        lambda y: y.clone(),
        lambda y: y.expand(2, 3),
        lambda y: y.expand(-1, 3).clone().clone(),
    ]
    for copy in copies:
        assert first_difference(plain, record(lambda copy=copy: added_to(x, copy), {"x": x})) is None


@pytest.mark.parametrize("record", [called, dispatched])
@pytest.mark.parametrize("again", list(AGAIN)[1:])
def test_a_copy_is_one_if_its_original_is_used_again(record: Any, again: str) -> None:
    """What is added to the copy does not show in the original, nor in a view of it."""
    x = torch.ones(2, 3)
    plain = record(lambda: added_to(x, lambda y: y, again), {"x": x})
    copied = record(lambda: added_to(x, lambda y: y.clone(), again), {"x": x})
    assert first_difference(plain, copied) is not None


@pytest.mark.parametrize("record", [called, dispatched])
def test_copies_that_replace_nothing(record: Any) -> None:
    """Of what is given, which the caller has still, and of one memory that is seen several times."""
    x = torch.ones(2, 3)

    def recorded(steps: Steps) -> Any:
        return record(lambda: steps(x), {"x": x})

    def differ(one: Steps, two: Steps) -> bool:
        return first_difference(recorded(one), recorded(two)) is not None

    assert differ(lambda x: x.mul_(1), lambda x: x.clone().mul_(1))
    assert differ(lambda x: x[0].mul_(1), lambda x: x[0].clone().mul_(1))

    def repeated(x: Tensor) -> Tensor:
        return (x * 2)[:, None].expand(2, 4, 3)

    assert differ(lambda x: repeated(x) + 1, lambda x: repeated(x).clone() + 1)
    assert differ(lambda x: x * 2, repeated)
