"""The emitted layer's plan in certificates; and forgeries that change several places at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracles
import symeq
from symeq.errors import ProofError
from symeq.mutation import plans as faulty
from symeq.pipeline import plan
from symeq.plans.evaluate import evaluate
from symeq.plans.ir import Plan
from symeq.plans.lower import lower
from symeq.proof import checker, emission, prover
from symeq.verification import source
from symeq.verification.source import SourceProof

Document = dict[str, Any]
Change = Callable[[Document], None]

CODE = "emitted code"
LARGE = "n n -> n n"  # its plan has chains on both sides, and permutations
TYPED = "u i u -> i u"
SETTINGS = [
    'diagram basis, normalization "mean", bias, no mask, batch rank 1',
    'orbit basis, normalization "sum", no bias, own mask of n, batch rank 2',
]


@cache
def text(spec: str) -> str:
    """A certificate that holds."""
    return symeq.prove(spec).to_json()


def certificate(spec: str = LARGE) -> Document:
    """A certificate that holds, to be changed."""
    document: Document = json.loads(text(spec))
    return document


def attested(spec: str = LARGE) -> Document:
    """The same, as if `symeq verify` had proved the source in two settings."""
    document = certificate(spec)
    (file,) = steps(document, "emitted file")
    settings = {"forward": list(SETTINGS), "backward": SETTINGS[:1]}
    step = {"rule": "translation validation", "file": file["sha256"], "torch": "2.9.0+cpu", **settings}
    claim(document)["steps"].append(step)
    rescoped(document)
    return document


def claim(document: Document, kind: str = CODE) -> Document:
    """The claim of this kind."""
    (found,) = (claim for claim in document["claims"] if claim["kind"] == kind)
    return found


def steps(document: Document, rule: str, kind: str = CODE) -> list[Document]:
    """The steps of a claim that apply a rule."""
    return [step for step in claim(document, kind)["steps"] if step["rule"] == rule]


def setting(document: Document) -> checker.Setting:
    """What the checker derives from the signature."""
    return checker.Setting(*(tuple(document["signature"][side]) for side in ("inputs", "outputs")))


def rescoped(document: Document, kind: str = CODE) -> None:
    """Writes the scope that belongs to the steps."""
    found = claim(document, kind)
    found["scope"] = checker.scope(setting(document), kind, found["steps"])


def resealed(document: Document) -> None:
    """Writes the digest of the plan that belongs to the steps."""
    at = setting(document)
    told = checker.Told(at)
    for step in claim(document)["steps"]:
        rule = getattr(checker, step["rule"].replace(" ", "_"))
        if step["rule"] == "emitted file":
            step["plan"] = rule(at, told, step)["plan"]
            return
        if step["rule"] == "matrix product":
            step["slots"] = rule(at, told, step)["slots"]
        elif step["rule"] != "every weight slot":
            rule(at, told, step)


def failure(document: Document) -> str:
    """How the claim about the emitted code fails; every other claim holds."""
    report = checker.check(document)
    failed = [verdict for verdict in report.verdicts if not verdict.ok]
    assert [verdict.kind for verdict in failed] == [CODE]
    return failed[0].failure


# ------------------------------------------------------------------ what is claimed of a plan

SPECS = [
    "->",
    "n ->",
    "-> n n",
    "n n n ->",
    LARGE,
    TYPED,
    "u i -> u i",
    "n n -> m",
    "a b -> b c c",
    "n n n -> n n",
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_plan_and_the_file_are_those_of_the_layer(spec: str, tmp_path: Path) -> None:
    """The digests are those of the file that is emitted, and in its header; `check` reads it, and holds."""
    document = certificate(spec)
    path = symeq.generate(spec, tmp_path)
    content = path.read_bytes()
    (file,) = steps(document, "emitted file")
    assert (file["name"], file["symeq"]) == (path.name, symeq.__version__)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["plan"] == hashlib.sha256(repr(plan(spec)).encode()).hexdigest()
    for name in ("plan", "template", "content"):
        assert f"{name}:".ljust(10) + f"sha256 {file[name]}" in content.decode()
    report = checker.check(document, content)
    assert report.ok and report.notes == ("the file given is the one of the certificate",)
    assert checker.check(document, content.replace(b"\n", b"\r\n")).ok


@pytest.mark.parametrize("spec", SPECS)
def test_slots_are_what_the_tensors_make(spec: str) -> None:
    """The checker's slots against matrices: contraction, permutation and broadcast of 0-1 tensors."""
    document = certificate(spec)
    at = setting(document)
    sizes = {name: 2 + number % 2 for number, name in enumerate(at.names)}
    dense = [operator.matrix(sizes) for operator in symeq.basis(spec, kind="diagram")]
    inner, outer = (tuple(sizes[name] for name in side) for side in (at.inputs, at.outputs))
    # A tensor of the plan as a linear map of the input (of the output): the map's own axes last.
    ways = {"contraction": {0: unit(inner)}, "broadcast": {0: unit(outer)}}
    for step in claim(document)["steps"]:
        if step["rule"] in ways:
            known, new = ("source", "target") if step["rule"] == "contraction" else ("target", "source")
            found = ways[step["rule"]]
            found[step[new]] = contracted(found[step[known]], step["blocks"], step["kept"])
        elif step["rule"] == "matrix product":
            slots = iter(step["slots"])
            for source_, before in step["sources"]:
                for target, after in step["targets"]:
                    x, y = ways["contraction"][source_], ways["broadcast"][target]
                    x = np.transpose(x, (0, *(1 + axis for axis in before))).reshape(len(x), -1)
                    y = np.transpose(y, (0, *(1 + int(axis) for axis in np.argsort(after)))).reshape(
                        len(y), -1
                    )
                    assert (y @ x.T == dense[next(slots)]).all()
            assert next(slots, None) is None


def unit(shape: tuple[int, ...]) -> Any:
    """The identity, the second index as axes."""
    number = int(np.prod(shape, dtype=int))
    return np.eye(number, dtype=int).reshape(number, *shape)


def contracted(tensor: Any, blocks: list[int], kept: list[int]) -> Any:
    """Diagonals of all axes but the first inside blocks, and sums over the blocks that are not kept."""
    return np.einsum(tensor, [51, *blocks], [51, *kept])


def test_an_unoptimised_plan_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker has no plan in mind: any that makes every operator once will do."""
    monkeypatch.setattr(emission, "plan_of", lambda spec: lower(symeq.basis(spec)))
    found = emission.emitted_code(symeq.Signature.parse(LARGE))
    listed = [{"rule": step.rule, **step.data} for step in islice(found, 15 + 17 + 15 + 2)]  # no file is made
    assert listed[-1]["rule"] == "every bias slot"
    document = certificate()
    (file,) = steps(document, "emitted file")
    claim(document)["steps"] = [*listed, file]
    resealed(document)
    assert checker.check(document).ok


def test_certificates_of_the_first_format_are_read() -> None:
    """They say nothing of the code: seven claims hold, with a note; with the eighth they are refused."""
    document = certificate() | {"version": 1}
    eight = checker.check(document)
    assert not eight.ok and "each once" in eight.problems[0]
    del document["claims"][-1]
    report = checker.check(document)
    assert report.ok and report.notes == ("format version 1 claims nothing of the emitted code",)
    assert str(report).endswith("7 claims hold")
    assert not checker.check(document, b"").ok
    assert not checker.check(document | {"version": 2}).ok


# ------------------------------------------------------------------ one step that is wrong


def put(rule: str, at: int, *path: Any) -> Change:
    """The value at the end of ``path`` is put at the rest of it, in one of the steps with a rule."""

    def change(document: Document) -> None:
        *way, last, value = path
        node: Any = steps(document, rule)[at]
        for key in way:
            node = node[key]
        assert node[last] != value or type(node[last]) is not type(value)
        node[last] = value

    return change


def remove(rule: str, at: int) -> Change:
    """One of the steps with a rule is left out."""

    def change(document: Document) -> None:
        listed = claim(document)["steps"]
        del listed[[number for number, step in enumerate(listed) if step["rule"] == rule][at]]

    return change


def double(rule: str, at: int) -> Change:
    """One of the steps with a rule is there twice."""

    def change(document: Document) -> None:
        listed = claim(document)["steps"]
        number = [number for number, step in enumerate(listed) if step["rule"] == rule][at]
        listed.insert(number, listed[number])

    return change


def exchange(rule: str, at: int, *path: Any) -> Change:
    """Two values in a list of a step change places."""

    def change(document: Document) -> None:
        *way, first, second = path
        node: Any = steps(document, rule)[at]
        for key in way:
            node = node[key]
        assert node[first] != node[second]
        node[first], node[second] = node[second], node[first]

    return change


def moved(rule: str, at: int, to: int) -> Change:
    """A step stands elsewhere."""

    def change(document: Document) -> None:
        listed = claim(document)["steps"]
        number = [number for number, step in enumerate(listed) if step["rule"] == rule][at]
        listed.insert(to, listed.pop(number))

    return change


# The plan of n n -> n n: contractions 1..5, broadcasts 1..5, products of two axes, of one, and of none.
WRONG: dict[str, tuple[Change, str]] = {
    "a contraction is left out": (remove("contraction", 0), "source 1 is not there yet|no tensor 1"),
    "the last contraction is left out": (remove("contraction", -1), "there is no tensor 5"),
    "a contraction is there twice": (double("contraction", 0), "target 1 is there already"),
    "a contraction of a later one": (put("contraction", 0, "source", 5), "source 5 is not there yet"),
    "a contraction of itself": (put("contraction", 0, "source", 1), "source 1 is not there yet"),
    "a contraction onto the input": (put("contraction", 0, "target", 0), "target 0 is there already"),
    "a contraction with a negative number": (put("contraction", 0, "target", -1), "target -1 is there"),
    "a contraction of another one": (put("contraction", -1, "source", 1), "slots"),
    "an axis summed that should be kept": (put("contraction", 0, "kept", []), "axes|index sets"),
    "a diagonal missed": (put("contraction", 0, "blocks", [0, 1]), "slots"),
    "another axis kept": (put("contraction", 1, "kept", [1]), "slots"),
    "an axis kept twice": (put("contraction", 1, "kept", [0, 0]), "kept are no different blocks"),
    "a block kept that is not there": (put("contraction", 0, "kept", [1]), "kept are no different blocks"),
    "blocks that are numbered otherwise": (put("contraction", 1, "blocks", [1, 0]), "no restricted growth"),
    "blocks of too few axes": (put("contraction", 1, "blocks", [0]), "no restricted growth"),
    "a broadcast is left out": (remove("broadcast", -1), "there is no tensor|not there yet"),
    "a broadcast is there twice": (double("broadcast", 0), "is there already"),
    "a broadcast to the wrong parent": (put("broadcast", -1, "target", 1), "slots|what the broadcasts make"),
    "a broadcast to one that is not there": (put("broadcast", 0, "target", 9), "target 9 is not there yet"),
    "broadcasts in the other order": (moved("broadcast", -1, 5), "is not there yet"),
    "broadcasts before contractions": (moved("broadcast", 0, 0), "'broadcast' stands in its place"),
    "a product is left out": (remove("matrix product", 1), "slot .*is made 0 times"),
    "a product is there twice": (double("matrix product", 0), "slot .*is made 2 times"),
    "products in the other order": (moved("matrix product", 0, 11), "plan is"),
    "a product at the end": (moved("matrix product", 2, 15), "stands in its place"),
    "sources are left out": (put("matrix product", 1, "sources", []), "slots|no tensors"),
    "far too many pairs": (
        put("matrix product", 1, "sources", [[1, [0]]] * 10**6),
        "3000000 pairs .*15 slots",
    ),
    "a source is there twice": (put("matrix product", 2, "sources", 1, [4, []]), "slots|no tensor"),
    "a permutation changed": (put("matrix product", 0, "targets", 1, 1, [0, 1]), "slots"),
    "permutations exchanged": (exchange("matrix product", 0, "targets", 0, 1), "slots"),
    "a permutation that is none": (put("matrix product", 0, "targets", 1, 1, [0, 0]), "no permutation"),
    "a permutation of too many axes": (put("matrix product", 1, "targets", 0, 1, [0, 1]), "no permutation"),
    "two slots exchanged": (exchange("matrix product", 0, "slots", 0, 1), r"slots\[0\] is"),
    "a slot twice": (put("matrix product", 1, "slots", 0, 1), r"slots\[0\] is 1"),
    "a product of other levels": (
        put("matrix product", 1, "targets", 0, [0, [0, 1]]),
        "different index sets",
    ),
    "a tensor that is not there": (
        put("matrix product", 1, "targets", 0, [17, [0]]),
        "there is no tensor 17",
    ),
    "too few slots": (put("every weight slot", 0, "slots", 14), "slots is 14, and should be 15"),
    "the slots are not counted": (remove("every weight slot", 0), "stands in its place"),
    "two biases exchanged": (exchange("every bias slot", 0, "broadcasts", 0, 1), "what the broadcasts make"),
    "a bias is left out": (put("every bias slot", 0, "broadcasts", [4]), "1 entries"),
    "a bias that goes nowhere": (put("every bias slot", 0, "broadcasts", 0, 9), "there is no tensor 9"),
    "a bias into a tensor with axes": (
        put("every bias slot", 0, "broadcasts", 0, 0),
        "no permutation of the 2",
    ),
    "the biases are not told": (remove("every bias slot", 0), "stands in its place"),
    "a digest that is too short": (put("emitted file", 0, "sha256", "ab12"), "sha256 is 'ab12', expected"),
    "a digest in capitals": (put("emitted file", 0, "content", "A" * 64), "content is 'A"),
    "a digest in other digits": (put("emitted file", 0, "template", "\uff10" * 64), "template is "),
    "the digest of another plan": (put("emitted file", 0, "plan", "0" * 64), "plan is '000"),
    "a digest that is a number": (put("emitted file", 0, "plan", 0), "plan is 0, expected a str"),
    "a file name with a folder": (put("emitted file", 0, "name", "../layer.py"), "name is '../layer.py'"),
    "a version that is none": (put("emitted file", 0, "symeq", "new\n"), "symeq is"),
    "no file": (remove("emitted file", 0), r"\(emitted file\) is left out"),
    "two files": (double("emitted file", 0), "1 step too many"),
    "a number that is a bool": (put("contraction", 0, "source", False), "source is False, expected a int"),
    "a number that is a float": (put("contraction", 0, "target", 1.0), "target is 1.0, expected a int"),
    "a huge number": (put("contraction", 0, "target", 10**4000), "bits|no tensor 1|not there yet"),
    "a statement that is wider": (
        lambda document: claim(document).update(statement=claim(document)["statement"] + " in float32"),
        "statement is",
    ),
    "a scope that is wider": (
        lambda document: claim(document).update(scope="every n, of the plan and the source"),
        "scope is",
    ),
    "a scope with an attestation that is not there": (
        lambda document: claim(document).update(scope=claim(attested())["scope"]),
        "scope is",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_plan_is_refused(case: str) -> None:
    """The step and the rule are named, and what is wrong; the other claims hold."""
    change, complaint = WRONG[case]
    document = certificate()
    change(document)
    found = failure(document)
    assert re.search(complaint, found), found


ATTESTATIONS: dict[str, tuple[Change, str]] = {
    "left out": (remove("translation validation", 0), "scope is"),
    "of another file": (put("translation validation", 0, "file", "0" * 64), "file is '000"),
    "twice": (double("translation validation", 0), "1 step too many"),
    "before the file": (moved("translation validation", 0, 15), "stands in its place"),
    "with another torch than the scope's": (put("translation validation", 0, "torch", "9.9"), "scope is"),
    "with no torch": (put("translation validation", 0, "torch", ""), "torch is ''"),
    "of no setting": (put("translation validation", 0, "backward", []), "backward: no settings"),
    "of a setting less": (put("translation validation", 0, "forward", SETTINGS[:1]), "scope is"),
    "of a setting twice": (put("translation validation", 0, "forward", SETTINGS[:1] * 2), "each once"),
    "of settings in another order": (exchange("translation validation", 0, "forward", 0, 1), "sorted"),
    "of a setting that no layer has": (
        put("translation validation", 0, "forward", 0, SETTINGS[0].replace("mean", "max")),
        "expected the setting of a proof",
    ),
    "of another index set": (
        put("translation validation", 0, "forward", 1, SETTINGS[1].replace("of n", "of m")),
        "a mask of another index set",
    ),
    "of one mask twice": (
        put(
            "translation validation",
            0,
            "forward",
            1,
            SETTINGS[1].replace("own mask", "own mask of n and own mask"),
        ),
        "or one twice",
    ),
    "without its settings": (
        lambda document: claim(document)["steps"][-1].pop("forward"),
        "the keys of the step should be",
    ),
    "in the scope only": (lambda document: claim(document).update(scope="every n"), "scope is"),
    "that the scope keeps quiet about": (
        lambda document: claim(document).update(scope=claim(certificate())["scope"]),
        "scope is",
    ),
}


@pytest.mark.parametrize("case", ATTESTATIONS)
def test_a_wrong_attestation_is_refused(case: str) -> None:
    """An attestation names the file, torch and settings; what it cannot name is refused."""
    assert checker.check(attested()).ok
    change, complaint = ATTESTATIONS[case]
    document = attested()
    change(document)
    assert complaint in failure(document)


def test_index_sets_are_not_confused() -> None:
    """A block, a product and a permutation that mix two index sets are named."""
    document = certificate(TYPED)
    for rule, field, value in (
        ("contraction", "blocks", [0, 0, 1]),
        ("broadcast", "blocks", [0, 0]),
    ):
        wrong = certificate(TYPED)
        step = next(step for step in steps(wrong, rule) if len(step["blocks"]) == len(value))
        step[field] = value
        step["kept"] = [0]
        assert "a block mixes index sets" in failure(wrong)
    wrong = certificate(TYPED)
    product = next(step for step in steps(wrong, "matrix product") if len(step["sources"][0][1]) == 2)
    product["targets"][0][1] = product["targets"][0][1][::-1]
    assert "different index sets" in failure(wrong)
    assert checker.check(document).ok


FAULTY = [
    faulty.sum_over_the_wrong_axis,
    faulty.broadcast_along_the_wrong_axis,
    faulty.diagonal_missed,
    faulty.diagonal_for_a_sum,
    faulty.broadcast_beside_the_diagonal,
    faulty.broadcast_onto_a_diagonal_only,
    faulty.axes_of_a_contraction_exchanged,
    faulty.axes_of_a_broadcast_exchanged,
]


@pytest.mark.parametrize("spec", [LARGE, "u u i -> u i", "n n n -> n", "n -> n n n"])
def test_faulty_plans_are_refused(spec: str) -> None:
    """Each change of each step, with the slots of the right plan, or with those that it makes itself.

    What is accepted computes the same: an axis summed before or after another, say.
    """
    right = plan(spec)
    refused = 0
    for places in FAULTY:
        for _, changed in places(right):
            try:
                listed = list(emission.told(changed))
            except (ValueError, IndexError, KeyError):
                continue  # the steps do not fit each other: there is no such certificate
            document = certificate(spec)
            (file,) = steps(document, "emitted file")
            claim(document)["steps"] = [*({"rule": step.rule, **step.data} for step in listed), file]
            for products in steps(document, "matrix product"), steps(certificate(spec), "matrix product"):
                for step, product in zip(steps(document, "matrix product"), products, strict=True):
                    step["slots"] = product["slots"]
                with suppress(checker.FailedStepError):
                    resealed_plan(document)
                if one_verdict(document, CODE).ok:
                    assert computes_the_same(right, changed)
                else:
                    refused += 1
    assert refused > 10


def resealed_plan(document: Document) -> None:
    """Writes the digest of the plan, and leaves its slots as they are."""
    slots = [step["slots"] for step in steps(document, "matrix product")]
    resealed(document)
    for step, listed in zip(steps(document, "matrix product"), slots, strict=True):
        step["slots"] = listed


def computes_the_same(right: Plan, changed: Plan) -> bool:
    """Whether two plans have the same value for random integers."""
    generator = np.random.default_rng(0)
    sizes = {name: 3 + at for at, name in enumerate(right.signature.index_sets)}
    x = generator.integers(-9, 10, (*(sizes[name] for name in right.signature.inputs), 1))
    slots = sum(len(mix.sources) * len(mix.targets) for mix in right.mixes)
    weight, bias = generator.integers(-9, 10, (slots, 1, 1)), generator.integers(-9, 10, (len(right.bias), 1))
    values = [evaluate(each, x, weight, bias, sizes) for each in (right, changed)]
    return bool((values[0] == values[1]).all())


# ------------------------------------------------------------------ the file


def test_another_file_is_refused(tmp_path: Path) -> None:
    """Edited, of another signature, or with other digests: what came, and what was expected."""
    document = certificate()
    content = symeq.generate(LARGE, tmp_path).read_bytes()
    (file,) = steps(document, "emitted file")
    edited = content.replace(b".sum(", b".mean(", 1)
    assert edited != content
    other = symeq.generate("n -> n", tmp_path).read_bytes()
    for wrong in (edited, other, b"", content + b"\n", b"\xff\x00" * 100):
        report = checker.check(document, wrong)
        assert not report.ok and all(verdict.ok for verdict in report.verdicts)
        (problem,) = report.problems
        assert hashlib.sha256(wrong).hexdigest() in problem and file["sha256"] in problem
        assert "FAIL the file given is another one" in str(report)
        assert json.loads(report.to_json())["ok"] is False
    # The edited file with its own digest in the certificate: its header tells that it was edited.
    file["sha256"] = hashlib.sha256(edited).hexdigest()
    (problem,) = checker.check(document, edited).problems
    assert "zeros for its own" in problem
    blank = edited.replace(file["content"].encode(), b"0" * 64)
    resealed_file = edited.replace(file["content"].encode(), hashlib.sha256(blank).hexdigest().encode())
    file |= {
        "sha256": hashlib.sha256(resealed_file).hexdigest(),
        "content": hashlib.sha256(blank).hexdigest(),
        "template": "0" * 64,
    }
    (problem,) = checker.check(document, resealed_file).problems
    assert "does not say: template:" in problem


def test_a_file_is_compared_with_a_claim_that_holds_only(tmp_path: Path) -> None:
    """Where the claim fails, or is not made, there is nothing to compare with."""
    content = symeq.generate(LARGE, tmp_path).read_bytes()
    document = certificate()
    remove("contraction", 0)(document)
    assert checker.check(document, content).problems == ("no claim about a file holds",)
    document = certificate()
    del document["claims"][-1]
    assert "no claim about a file holds" in checker.check(document, content).problems


# ------------------------------------------------------------------ attested by a run of the proofs


def test_the_source_is_proved_on_request() -> None:
    """All proofs of `symeq verify` for the layer without axes; the certificate names settings and torch."""
    torch = pytest.importorskip("torch")
    certificate = symeq.prove("->", code=True)
    step = certificate.claims[-1].steps[-1]
    assert step.rule == "translation validation" and step.data["torch"] == torch.__version__
    assert step.data["file"] == certificate.claims[-1].steps[-2].data["sha256"]
    assert len(step.data["forward"]) >= 18 and len(step.data["backward"]) >= 6
    assert certificate.check().ok
    scope = certificate.claims[-1].scope
    assert "attested, not checked here" in scope and torch.__version__ in scope and step.data["file"] in scope
    assert "attested, not checked" in step.to_latex()


def test_a_source_that_is_wrong_is_not_attested(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emitted text that computes something else: the proof fails, and no certificate is made."""
    pytest.importorskip("torch")
    from symeq.verification import load

    honest = load.emit

    def wrong(spec: Any) -> Any:
        module = honest(spec)
        text = module.text.replace("        y = z0\n", "        y = z0 + z0\n")
        assert text != module.text
        return type(module)(module.file_name, module.class_name, text)

    monkeypatch.setattr(load, "emit", wrong)
    with pytest.raises(ProofError, match="is not proved"):
        symeq.prove("->", code=True)


@pytest.mark.parametrize(
    ("proof", "complaint"),
    [
        (
            SourceProof("", "2.9", (SETTINGS[0],), (SETTINGS[0],), "backward pass, of x"),
            "backward pass, of x",
        ),
        (SourceProof("another", "2.9", (SETTINGS[0],), (SETTINGS[0],)), "is emitted"),
    ],
)
def test_what_fails_is_not_attested(
    monkeypatch: pytest.MonkeyPatch, proof: SourceProof, complaint: str
) -> None:
    """A proof that fails, and a proof of another text."""
    monkeypatch.setattr(source, "prove_source", lambda signature, progress: proof)
    with pytest.raises(ProofError, match=complaint):
        symeq.prove("n -> n", code=True)


# ------------------------------------------------------------------ forgeries: several places at once


def forged(document: Document, *changes: Change) -> Document:
    """The certificate, changed."""
    for change in changes:
        change(document)
    return document


def everywhere(old: str, new: str) -> Callable[[Document], Document]:
    """A certificate in which a text is another one everywhere."""
    return lambda document: json.loads(json.dumps(document).replace(old, new))


def without_an_operator(document: Document) -> Document:
    """The last set partition is left out of every list, and every count is one less."""
    for found in document["claims"]:
        found["steps"] = [step for step in found["steps"] if step.get("rgs") != [0, 1, 2, 3]]
        for step in found["steps"]:
            for field in ("operators", "patterns", "slots"):
                if step.get(field) == 15:
                    step[field] = 14
            for field in ("slots", "results"):
                if isinstance(step.get(field), list) and len(step[field]) == 15:
                    step[field] = step[field][:-1]
        found["statement"] = found["statement"].replace("15", "14")
    return document


def without_a_pair_in_the_plan(document: Document) -> Document:
    """A product without one of its sources: its slots, their number and the digest are adapted."""
    product = steps(document, "matrix product")[-1]
    product["sources"].pop()
    resealed(document)
    number = sum(len(step["slots"]) for step in steps(document, "matrix product"))
    steps(document, "every weight slot")[0]["slots"] = number
    found = claim(document)
    found["statement"] = found["statement"].replace("(15)", f"({number})")
    return document


def with_one_slot_for_another(document: Document) -> Document:
    """A contraction is another one: some slots are made twice, others never; slots and digest are adapted."""
    step = steps(document, "contraction")[-1]
    step["source"] = 1 if step["source"] != 1 else 2
    resealed(document)
    return document


def with_a_smaller_group(document: Document) -> Document:
    """The cross-check for the cyclic group, with its dimensions."""
    for step in steps(document, "nullspace", "cross-check"):
        n = step["sizes"]["n"]
        step["generators"]["n"] = step["generators"]["n"][1:]
        step["dimension"] = n**3 if n else 0
    return document


def with_a_size_less(document: Document) -> Document:
    """The cross-check without its largest size, its scope adapted."""
    claim(document, "cross-check")["steps"].pop()
    rescoped(document, "cross-check")
    return document


def with_lemmas_for_lists(document: Document) -> Document:
    """Pairs by a lemma where they should be listed, with the scope of that."""
    for kind, rule, lemma in (
        ("independence", "joins", "joins by the lemma"),
        ("composition", "stacked", "stacked by blocks"),
    ):
        found = claim(document, kind)
        at = next(number for number, step in enumerate(found["steps"]) if step["rule"] == rule)
        found["steps"] = [step for step in found["steps"] if step["rule"] != rule]
        found["steps"].insert(at, {"rule": lemma, "pairs": 225})
        rescoped(document, kind)
    return document


def with_every_claim_twice(document: Document) -> Document:
    """Each claim is there twice."""
    document["claims"] = [claim for claim in document["claims"] for _ in range(2)]
    return document


def with_a_false_claim_behind(document: Document) -> Document:
    """A second claim of a kind, with another statement, behind the one that holds."""
    document["claims"].append({**document["claims"][0], "statement": "every map is equivariant"})
    return document


def with_a_false_claim_before(document: Document) -> Document:
    """The same before it."""
    document["claims"].insert(0, {**document["claims"][0], "statement": "every map is equivariant"})
    return document


def with_claims_renamed(document: Document) -> Document:
    """The steps of one claim under the name of another."""
    claims = document["claims"]
    claims[0]["kind"], claims[1]["kind"] = claims[1]["kind"], claims[0]["kind"]
    return document


def as_another_version(document: Document) -> Document:
    """The first format with the claim that it does not know."""
    return document | {"version": 1}


def of_another_basis(document: Document) -> Document:
    """All slots are renumbered backwards, in every list."""
    for found in document["claims"]:
        for step in found["steps"]:
            if isinstance(step.get("slots"), list):
                step["slots"] = [14 - slot for slot in step["slots"]]
            if "terms" in step:
                step["terms"] = [[14 - slot, value] for slot, value in step["terms"]]
    return document


def with_moebius_of_subsets(document: Document) -> Document:
    """Signs for Moebius values, in every place where they occur."""
    for step in claim(document, "change of basis")["steps"]:
        if "values" in step:
            step["values"] = [(value > 0) - (value < 0) for value in step["values"]]
        if "terms" in step:
            step["terms"] = [[slot, (value > 0) - (value < 0)] for slot, value in step["terms"]]
    return document


def with_a_wider_scope(document: Document) -> Document:
    """The cross-check renamed to a claim for every n, by steps of another rule."""
    found = claim(document, "cross-check")
    found["scope"] = "every n"
    for step in found["steps"]:
        step["rule"] = "merged tuples"
    return document


def with_unicode_names(document: Document) -> Document:
    """Rules in letters that look alike."""
    for found in document["claims"]:
        for step in found["steps"]:
            step["rule"] = step["rule"].replace("o", "\u043e")
    return document


def with_large_generators(document: Document) -> Document:
    """Generators that are lists of one more element."""
    for step in steps(document, "nullspace", "cross-check"):
        step["generators"]["n"] = [[*images, len(images)] for images in step["generators"]["n"]]
    return document


def attested_for_nothing(document: Document) -> Document:
    """Attested by a step of its own rule, whose name says that it was checked."""
    step = {**attested()["claims"][-1]["steps"][-1], "rule": "translation validation, checked"}
    claim(document)["steps"].append(step)
    return document


FORGERIES: dict[str, Callable[[Document], Document]] = {
    function.__name__.replace("_", " "): function
    for function in (
        without_an_operator,
        without_a_pair_in_the_plan,
        with_one_slot_for_another,
        with_a_smaller_group,
        with_a_size_less,
        with_lemmas_for_lists,
        with_every_claim_twice,
        with_a_false_claim_behind,
        with_a_false_claim_before,
        with_claims_renamed,
        as_another_version,
        of_another_basis,
        with_moebius_of_subsets,
        with_a_wider_scope,
        with_unicode_names,
        with_large_generators,
        attested_for_nothing,
    )
} | {
    "another index set by name": everywhere('"n"', '"m"'),
    "every 15 is 16": everywhere("15", "16"),
    "every n is every n >= 0": everywhere("every n", "every n >= 0"),
    "integers that are floats": everywhere(": 1,", ": 1.0,"),
    "integers that are true": everywhere(": 1,", ": true,"),
    "zeros that are false": everywhere(": 0,", ": false,"),
    "lists that are objects": everywhere("[]", "{}"),
    "zeros that are null": everywhere(": 0,", ": null,"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_consistent_forgery_is_refused(case: str) -> None:
    """However many places agree on it, something false does not hold."""
    forgery = FORGERIES[case](certificate())
    assert json.dumps(forgery) != json.dumps(certificate())
    report = checker.check(json.loads(json.dumps(forgery)))
    assert not report.ok
    assert report.problems or any(verdict.failure for verdict in report.verdicts)
    assert "does NOT hold" in str(report)


def test_each_claim_left_out_is_told() -> None:
    """By its name, in the table and in the list of what is there."""
    for number, kind in enumerate(checker.KINDS):
        document = certificate()
        del document["claims"][number]
        report = checker.check(document)
        assert f"FAIL {kind}" in str(report) and "the claim is left out" in str(report)
        assert "should be [closure, completeness," in report.problems[0]


RAW: dict[str, tuple[str, str, str]] = {
    "NaN": ('"blocks":0', '"blocks":NaN', "no number"),
    "an infinity": ('"blocks":0', '"blocks":-Infinity', "no number"),
    "a number of 5000 digits": ('"blocks":0', f'"blocks":{"9" * 5000}', "no JSON"),
    "a key twice, the last one right": ('"blocks":0', '"blocks":7,"blocks":0', "a key twice"),
    "claims twice, the last ones right": ('"claims": [', '"claims": [], "claims": [', "a key twice"),
    "a scope twice": ('"scope": ', '"scope": "every n and more", "scope": ', "a key twice"),
    "digits of another script": ('"blocks":0', '"blocks":\u0660', "no JSON"),
    "a number with a plus": ('"blocks":0', '"blocks":+0', "no JSON"),
    "a number with zeros before": ('"blocks":1', '"blocks":01', "no JSON"),
    "a comment": ("{", "{ // fine\n", "no JSON"),
    "nested too deep": ('"blocks":0', f'"blocks":{"[" * 100_000}{"]" * 100_000}', "nested too deep"),
    "a byte order mark": ("{", "\ufeff{", "no JSON"),
    "something behind": ('"version"', "", "no JSON"),
}


@pytest.mark.parametrize("case", RAW)
def test_forged_bytes_are_refused(case: str) -> None:
    """Text that JSON libraries read in different ways is not read at all."""
    old, new, complaint = RAW[case]
    forgery = text(LARGE).replace(old, new, 1)
    assert forgery != text(LARGE)
    with pytest.raises(checker.UnreadableCertificateError, match=complaint):
        checker.load(forgery.encode())


HUGE: list[Any] = [
    10**4000,
    -(10**4000),
    2**63,
    -1,
    1e308,
    1.0,
    "0",
    "\uff10",
    True,
    None,
    [],
    {},
    "n" * 10**6,
]


@pytest.mark.parametrize("value", HUGE, ids=[checker.shown(value)[:20] for value in HUGE])
def test_absurd_values_are_refused_and_named(value: Any) -> None:
    """In every kind of step, for its first field; the complaint is short, and there is no traceback."""
    for kind in checker.KINDS:
        seen = set()
        for number, step in enumerate(certificate()["claims"][checker.KINDS.index(kind)]["steps"]):
            if step["rule"] in seen:
                continue
            seen.add(step["rule"])
            for field in list(step)[1:]:
                if field == "symeq" and value == "0":
                    continue  # a version
                document = certificate()
                claim(document, kind)["steps"][number][field] = value
                if step[field] == value and type(step[field]) is type(value):
                    continue
                verdict = one_verdict(document, kind)
                assert verdict.failure.startswith("step ") and len(verdict.failure) < 400


def one_verdict(document: Document, kind: str) -> checker.Verdict:
    """What the checker says of one claim."""
    return checker._verdict(setting(document), kind, claim(document, kind))


def integers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all integers in a JSON value."""
    if isinstance(node, list | dict):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from integers(value, (*path, key))
    elif type(node) is int:
        yield path


@pytest.mark.parametrize("spec", [LARGE, TYPED])
def test_no_number_in_a_plan_can_be_changed(spec: str) -> None:
    """Each integer of each step, one more and one less: the digest of the plan would see the last of them."""
    document = certificate(spec)
    for number, step in enumerate(claim(document)["steps"]):
        for path in list(integers(step)):
            for more in (1, -1):
                node: Any = claim(document)["steps"][number]
                for key in path[:-1]:
                    node = node[key]
                node[path[-1]] += more
                assert not one_verdict(document, CODE).ok
                node[path[-1]] -= more
    assert one_verdict(document, CODE).ok


def test_the_prover_does_not_load_torch_unless_asked() -> None:
    """`symeq.prove(spec)` works where torch is missing."""
    from test_boundaries import loaded_by

    assert loaded_by("import symeq; assert symeq.prove('n -> n').check().ok", ("torch",)) == []


def test_slots_agree_with_the_oracle() -> None:
    """Which slot is which: the set partitions in lexicographic order."""
    (file,) = steps(certificate(), "every weight slot")
    assert file["slots"] == len(oracles.set_partitions(("n",) * 4)) == 15
    assert prover.PROVERS[CODE] is emission.emitted_code
