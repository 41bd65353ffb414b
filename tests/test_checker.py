"""The checker of certificates: whatever is wrong in one is found and named; and its own arithmetic."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise, permutations, product
from math import factorial, prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
import strategies
import symeq
from symeq.proof import checker

Document = dict[str, Any]
Change = Callable[[Document], None]

LISTED = "u u i -> i"  # four axes, two index sets; every pair is listed
LEMMAS = "u u u u -> i i i i"  # 225 operators: pairs are covered by lemmas
MERGED = "n n -> n n n"  # some sizes are beyond the nullspace


@cache
def text(spec: str) -> str:
    """A certificate that holds."""
    return symeq.prove(spec).to_json()


def certificate(spec: str = "n n -> n") -> Document:
    """A certificate that holds, to be changed."""
    document: Document = json.loads(text(spec))
    return document


def claim(document: Document, kind: str) -> Document:
    """The claim of this kind."""
    (found,) = (claim for claim in document["claims"] if claim["kind"] == kind)
    return found


def steps(document: Document, kind: str, rule: str) -> list[Document]:
    """The steps of a claim that apply a rule."""
    return [step for step in claim(document, kind)["steps"] if step["rule"] == rule]


def refuse(document: Any) -> checker.CheckReport | None:
    """That the checker refuses; its report, or None where it cannot read such a certificate at all."""
    try:
        report = checker.check(document)
    except checker.UnreadableCertificateError:
        return None
    assert not report.ok
    return report


# ------------------------------------------------------------------ corruptions, by name


def remove(kind: str, at: int) -> Change:
    """A step is left out."""
    return lambda document: claim(document, kind)["steps"].pop(at)


def double(kind: str, at: int) -> Change:
    """A step is there twice."""
    return lambda document: claim(document, kind)["steps"].insert(at, claim(document, kind)["steps"][at])


def swap(kind: str, at: int) -> Change:
    """A step and its follower change places."""

    def change(document: Document) -> None:
        listed = claim(document, kind)["steps"]
        listed[at], listed[at + 1] = listed[at + 1], listed[at]

    return change


def put(kind: str, rule: str, at: int, *path: Any) -> Change:
    """The value at the end of ``path`` is put at the rest of it, in one of the steps with a rule."""

    def change(document: Document) -> None:
        *way, last, value = path
        node = steps(document, kind, rule)[at]
        for key in way:
            node = node[key]
        assert node[last] != value or type(node[last]) is not type(value)
        node[last] = value

    return change


def claimed(kind: str, field: str, value: Any) -> Change:
    """A claim says something else."""
    return lambda document: claim(document, kind).update({field: value})


# (claim that fails, words of the complaint, the change)
CORRUPTIONS: dict[str, tuple[str, tuple[str, ...], Change]] = {
    "a set partition is missing": (
        "completeness",
        ("step 3", "witness permutation"),
        remove("completeness", 2),
    ),
    "a set partition is there twice": ("completeness", ("step 4", "rgs"), double("completeness", 2)),
    "the last operator is missing": (
        "closure",
        ("product of deltas", "left out|in its place"),
        remove("closure", -2),
    ),
    "an operator is there twice": ("closure", ("step 5", "rgs"), double("closure", 3)),
    "no steps at all": ("closure", ("step 1", "left out", "0 steps"), claimed("closure", "steps", [])),
    "a step too many": ("dimension", ("1 step too many",), double("dimension", -1)),
    "steps that changed places": ("independence", ("step 2", "size of a pattern"), swap("independence", 1)),
    "the last step is left out": (
        "composition",
        ("(stacked)", "left out"),
        remove("composition", -1),
    ),
    "a step of another rule": (
        "composition",
        ("'stacked by blocks' stands in its place",),
        put("composition", "stacked", 0, "rule", "stacked by blocks"),
    ),
    "a wrong power of pi": (
        "closure",
        ("injective relabelling", "right[0]"),
        put("closure", "injective relabelling", 0, "right", 0, 2),
    ),
    "a relabelling of another pair": (
        "closure",
        ("injective relabelling", "positions"),
        put("closure", "injective relabelling", 0, "positions", 1, 2),
    ),
    "a delta too few": (
        "closure",
        ("product of deltas", "equal"),
        put("closure", "product of deltas", 0, "equal", []),
    ),
    "a factor 1 - delta too few": (
        "closure",
        ("product of deltas", "distinct"),
        put("closure", "product of deltas", 1, "distinct", []),
    ),
    "a delta of other positions": (
        "closure",
        ("product of deltas", "equal"),
        put("closure", "product of deltas", 1, "equal", 0, [0, 2]),
    ),
    "a wrong number of operators": (
        "closure",
        ("operators is 4", "should be 5"),
        put("closure", "product of invariant factors", 0, "operators", 4),
    ),
    "a witness that is not injective": (
        "completeness",
        ("witness permutation", "not injective"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 0], [2, 0]]),
    ),
    "a witness that is not well defined": (
        "completeness",
        ("witness permutation", "two images"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 0], [1, 2]]),
    ),
    "a witness that exchanges two blocks": (
        "completeness",
        ("witness permutation", "does not go to b"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 2], [2, 0]]),
    ),
    "a witness that forgets a block": (
        "completeness",
        ("witness permutation", "1 entries"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 0]]),
    ),
    "a witness for another index set": (
        "completeness",
        ("witness permutation", "images"),
        put("completeness", "witness permutation", 1, "images", {"m": [[0, 0], [2, 2]]}),
    ),
    "a witness outside the positions": (
        "completeness",
        ("witness permutation", "does not run over n"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 0], [7, 7]]),
    ),
    "witnesses that are no pairs": (
        "completeness",
        ("witness permutation", "images of n[0]: 3 entries, expected 2"),
        put("completeness", "witness permutation", 1, "images", "n", [[0, 0, 0]]),
    ),
    "too few elements elsewhere": (
        "completeness",
        ("witness permutation", "elsewhere of n"),
        put("completeness", "witness permutation", 1, "elsewhere", "n", 1),
    ),
    "a wrong number of patterns": (
        "completeness",
        ("constant on patterns",),
        put("completeness", "constant on patterns", 0, "patterns", 6),
    ),
    "a wrong number of patterns in all": (
        "completeness",
        ("one pattern each",),
        put("completeness", "one pattern each", 0, "patterns", 4),
    ),
    "a wrong Stirling number": (
        "dimension",
        ("patterns by blocks", "by_blocks[2] is 4, and should be 3"),
        put("dimension", "patterns by blocks", 0, "by_blocks", 2, 4),
    ),
    "another index set counted": (
        "dimension",
        ("set is 'm'",),
        put("dimension", "patterns by blocks", 0, "set", "m"),
    ),
    "a wrong size of a pattern": (
        "dimension",
        ("size of a pattern", "tuples[1]"),
        put("dimension", "size of a pattern", 2, "tuples", 1, 1),
    ),
    "a wrong moment": (
        "dimension",
        ("moment of fixed points", "factors"),
        put("dimension", "moment of fixed points", 2, "factors", [0, 2]),
    ),
    "a wrong power": (
        "dimension",
        ("power in falling factorials", "coefficients[2]"),
        put("dimension", "power in falling factorials", 0, "coefficients", 2, 2),
    ),
    "a wrong dimension": (
        "dimension",
        ("dimensions", "values[2] is 5, and should be 4"),
        put("dimension", "dimensions", 0, "values", 2, 5),
    ),
    "a wrong number for large n": (
        "dimension",
        ("product over index sets",),
        put("dimension", "product over index sets", 0, "operators", 6),
    ),
    "a wrong Gram matrix of the orbit basis": (
        "independence",
        ("size of a pattern", "blocks"),
        put("independence", "size of a pattern", 3, "blocks", 2),
    ),
    "supports of fewer operators": (
        "independence",
        ("disjoint supports",),
        put("independence", "disjoint supports", 0, "operators", 1),
    ),
    "a block that sums to 1": (
        "independence",
        ("sum over a block", "factor is 0, and should be 1"),
        put("independence", "sum over a block", 1, "factor", 0),
    ),
    "wrong coarsenings": (
        "independence",
        ("coarsenings by blocks",),
        put("independence", "coarsenings by blocks", 3, "by_blocks", 1, 2),
    ),
    "a wrong join": (
        "independence",
        ("joins", "slots[4] is 0, and should be 1"),
        put("independence", "joins", 1, "slots", 4, 0),
    ),
    "a join that does not exist": (
        "independence",
        ("joins",),
        put("independence", "joins", 1, "slots", 4, -1),
    ),
    "joins of too few pairs": (
        "independence",
        ("joins", "4 entries"),
        put("independence", "joins", 1, "slots", [0] * 4),
    ),
    "a wrong number of ones in Z": (
        "independence",
        ("unitriangular zeta", "intervals"),
        put("independence", "unitriangular zeta", 0, "intervals", 11),
    ),
    "a wrong determinant": (
        "independence",
        ("determinant", "factors[1][1] is 2, and should be 3"),
        put("independence", "determinant", 0, "factors", 1, 1, 2),
    ),
    "a wrong Moebius value": (
        "change of basis",
        ("moebius by expansion", "values[0] is 1, and should be 2"),
        put("change of basis", "moebius by expansion", 2, "values", 0, 1),
    ),
    "Moebius values of fewer symbols": (
        "change of basis",
        ("moebius by expansion", "symbols"),
        put("change of basis", "moebius by expansion", 2, "symbols", {"n": 2}),
    ),
    "zeta that is not inverse": (
        "change of basis",
        ("sums of one", "zeta[0]"),
        put("change of basis", "sums of one", 1, "zeta", 0, 1),
    ),
    "Moebius that is not inverse": (
        "change of basis",
        ("sums of one", "moebius[1]"),
        put("change of basis", "sums of one", 1, "moebius", 1, 0),
    ),
    "a term with the wrong sign": (
        "change of basis",
        ("substituted blocks", "terms[0][1] is 1, and should be -1"),
        put("change of basis", "substituted blocks", 1, "terms", 0, 1, 1),
    ),
    "a term of another slot": (
        "change of basis",
        ("substituted blocks", "terms[0][0]"),
        put("change of basis", "substituted blocks", 1, "terms", 0, 0, 3),
    ),
    "terms left out": (
        "change of basis",
        ("substituted blocks", "expected 5"),
        put("change of basis", "substituted blocks", 4, "terms", [[4, 1]]),
    ),
    "a wrong product": (
        "composition",
        ("stacked", "results[1][0]"),
        put("composition", "stacked", 0, "results", 1, 0, [0, 0, 0, 1]),
    ),
    "a wrong power of n": (
        "composition",
        ("stacked", "results[1][1][0] is 1, and should be 0"),
        put("composition", "stacked", 0, "results", 1, 1, [1]),
    ),
    "a block that is lost and gives 1": (
        "composition",
        ("sum over a block", "factor"),
        put("composition", "sum over a block", 0, "factor", 0),
    ),
    "a wrong dimension at n = 2": (
        "cross-check",
        ("nullspace", "dimension is 5, and should be 4"),
        put("cross-check", "nullspace", 2, "dimension", 5),
    ),
    "generators of a smaller group": (
        "cross-check",
        ("nullspace", "generators"),
        put("cross-check", "nullspace", 3, "generators", "n", [[1, 0, 2], [0, 1, 2]]),
    ),
    "one generator": (
        "cross-check",
        ("nullspace", "generators"),
        put("cross-check", "nullspace", 3, "generators", "n", [[1, 2, 0]]),
    ),
    "a smaller size": (
        "cross-check",
        ("nullspace", "sizes of n"),
        put("cross-check", "nullspace", 3, "sizes", "n", 2),
    ),
    "a wrong number of tuples": (
        "cross-check",
        ("tuples",),
        put("cross-check", "nullspace", 3, "tuples", 26),
    ),
    "a size less": ("cross-check", ("step 5", "left out"), remove("cross-check", -1)),
    "another method": (
        "cross-check",
        ("stands in its place",),
        put("cross-check", "nullspace", 3, "rule", "merged tuples"),
    ),
    "a scope that is wider": (
        "cross-check",
        ("scope is 'every n'",),
        claimed("cross-check", "scope", "every n"),
    ),
    "a scope with more sizes": (
        "cross-check",
        ("scope", "0, 1, 2, 3, 4 by"),
        claimed("cross-check", "scope", "n = 0, 1, 2, 3, 4, 5 by nullspace"),
    ),
    "a scope for other groups": (
        "closure",
        ("scope",),
        claimed("closure", "scope", "every n and every group"),
    ),
    "another statement": (
        "dimension",
        ("statement",),
        claimed("dimension", "statement", "n n -> n: it is 6"),
    ),
    "a statement that is a number": ("dimension", ("statement is 1",), claimed("dimension", "statement", 1)),
    "a float for an integer": (
        "dimension",
        ("by_blocks[1] is 1.0",),
        put("dimension", "patterns by blocks", 0, "by_blocks", 1, 1.0),
    ),
    "a bool for an integer": (
        "dimension",
        ("by_blocks[1] is True",),
        put("dimension", "patterns by blocks", 0, "by_blocks", 1, True),
    ),
    "a string for an integer": (
        "dimension",
        ("by_blocks[1] is '1'",),
        put("dimension", "patterns by blocks", 0, "by_blocks", 1, "1"),
    ),
    "a huge integer": (
        "dimension",
        ("an integer of", "bits"),
        put("dimension", "patterns by blocks", 0, "by_blocks", 1, 10**4000),
    ),
    "nothing for an integer": (
        "dimension",
        ("by_blocks[1] is None",),
        put("dimension", "patterns by blocks", 0, "by_blocks", 1, None),
    ),
    "a step that is a string": (
        "closure",
        ("step 1", "'injective relabelling' stands in its place"),
        lambda document: claim(document, "closure")["steps"].__setitem__(0, "injective relabelling"),
    ),
    "a step without a field": (
        "closure",
        ("step 1", "the keys of the step should be rule, positions, left, right"),
        lambda document: claim(document, "closure")["steps"][0].pop("left"),
    ),
    "a step with another field": (
        "closure",
        ("step 1", "the keys of the step"),
        lambda document: claim(document, "closure")["steps"][0].update(note="trust me"),
    ),
    "a claim with another field": (
        "closure",
        ("the keys of the claim",),
        claimed("closure", "verified", True),
    ),
    "steps that are no list": (
        "closure",
        ("steps is a dict of 0, expected a list",),
        claimed("closure", "steps", {}),
    ),
}


@pytest.mark.parametrize("case", CORRUPTIONS)
def test_a_corrupted_claim_is_named(case: str) -> None:
    """The report says which claim, which step, which rule, and what is wrong; the other claims hold."""
    kind, words, change = CORRUPTIONS[case]
    document = certificate()
    change(document)
    report = refuse(document)
    assert report is not None
    (failed,) = (verdict for verdict in report.verdicts if not verdict.ok)
    assert failed.kind == kind
    assert [word for word in words if not any(part in failed.failure for part in word.split("|"))] == []
    assert f"FAIL {kind}" in str(report) and "NOT hold: 1 of 8 claims fail" in str(report)


def test_every_kind_of_step_is_refused_when_it_is_wrong() -> None:
    """For each rule of each claim, some numbers in a step of that rule, each raised by one."""
    seen = set()
    for spec in (LISTED, LEMMAS, MERGED):
        document = certificate(spec)
        setting = checker.Setting(*oracles.sides(spec))
        for found in document["claims"]:
            rules = [step["rule"] for step in found["steps"]]
            for rule in dict.fromkeys(rules):
                if (found["kind"], rule) in seen:
                    continue
                seen.add((found["kind"], rule))
                at = rules.index(rule) + (rules.count(rule) - 1) // 2
                numbers = list(integers(found["steps"][at]))
                for path in numbers[:2] + numbers[2:][-2:]:
                    wrong = copy.deepcopy(found["steps"][at])
                    raise_by_one(wrong, path)
                    listed = [*found["steps"][:at], wrong, *found["steps"][at + 1 :]]
                    verdict = checker._verdict(setting, found["kind"], {**found, "steps": listed})
                    if found["kind"] == "emitted code":  # some numbers are names, which later steps use
                        assert int(verdict.failure.split()[1]) > at
                    else:
                        assert verdict.failure.startswith(f"step {at + 1} ({rule}): ")
    outlines = {
        (kind, checker.rule_name(rule))
        for spec in (LISTED, LEMMAS, MERGED)
        for kind in checker.KINDS
        for rule, _ in checker.outline(
            checker.Setting(*oracles.sides(spec)), kind, claim(certificate(spec), kind)["steps"]
        )
    }
    assert seen == outlines


def integers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to the first and the last few integers in a JSON value."""
    if isinstance(node, list | dict):
        pairs = list(node.items() if isinstance(node, dict) else enumerate(node))
        for key, value in pairs[:3] + pairs[3:][-2:]:
            yield from integers(value, (*path, key))
    elif type(node) is int:
        yield path


def raise_by_one(node: Any, path: tuple[Any, ...]) -> None:
    """Adds one to the integer at the path."""
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] += 1


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a JSON value."""
    if path:
        yield path
    if isinstance(node, list | dict):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from paths(value, (*path, key))


def changed(node: Any) -> Iterator[Any]:
    """Other JSON values, some of them much alike."""
    if type(node) is int:
        yield from (node + 1, -node - 1, float(node), *([bool(node)] if node in (0, 1) else []))
    elif isinstance(node, list):
        yield from (node[:-1] if node else [0], [*node, *node[-1:]] if node else [[]], node[::-1], None)
    elif isinstance(node, str):
        yield from (node + "x", [node])
    yield {}


@pytest.mark.parametrize("spec", ["->", "n -> n", "u -> i"])
def test_nothing_in_a_certificate_can_be_changed(spec: str) -> None:
    """Any value replaced, any entry left out, doubled or exchanged with its neighbour: all refused."""
    document = certificate(spec)
    tried = 0
    for path in list(paths(document)):
        *way, last = path
        if path == ("tool",) or last == "symeq":
            continue  # any program may have made it, and the file
        node = document
        for key in way:
            node = node[key]
        before, value = copy.copy(node), node[last]
        for other in changed(value):
            if type(other) is type(value) and other == value:
                continue  # a palindrome, backwards
            node[last] = other
            refuse(document)
            tried += 1
        if isinstance(node, list):
            node[last : last + 1] = []
            refuse(document)
            node[:] = [*before[:last], value, *before[last:]]
            refuse(document)
            node[:] = before
        else:
            del node[last]
            refuse(document)
            node["another"] = value
            refuse(document)
            node.clear()
            node.update(before)
    assert tried > 400 and checker.check(document).ok


# ------------------------------------------------------------------ the claims as a whole


def test_every_claim_must_be_there() -> None:
    """One left out is missed by name; one from another signature does not pass for it."""
    for at, kind in enumerate(checker.KINDS):
        document = certificate()
        del document["claims"][at]
        report = refuse(document)
        assert report is not None and report.verdicts[at].failure == "the claim is left out"
        assert report.verdicts[at].kind == kind
        for other in ("n -> n n", "n n ->", "m m -> m"):
            document = certificate()
            document["claims"][at] = certificate(other)["claims"][at]
            report = refuse(document)
            assert report is not None and [v.kind for v in report.verdicts if not v.ok] == [kind]


def test_claims_come_once_and_in_order() -> None:
    """Doubled, exchanged, unknown or nameless claims are listed."""
    for change in (
        lambda claims: claims.append(claims[0]),
        lambda claims: claims.reverse(),
        lambda claims: claims.append({**claims[0], "kind": "and more"}),
        lambda claims: claims.append(17),
        lambda claims: claims.append({"kind": ["closure"]}),
    ):
        document = certificate("n -> n")
        change(document["claims"])
        report = refuse(document)
        assert report is not None and "each once" in report.problems[0]
    document = certificate("n -> n") | {"claims": []}
    report = refuse(document)
    assert report is not None and len(report.verdicts) == 8 and not any(v.ok for v in report.verdicts)


def test_a_certificate_is_for_its_own_signature() -> None:
    """With another signature in its head, no claim holds."""
    for inputs, outputs in (
        (["n"], ["n", "n"]),
        (["n", "n"], []),
        (["n", "n", "n"], ["n"]),
        (["m", "m"], ["m"]),
    ):
        document = certificate() | {"signature": {"inputs": inputs, "outputs": outputs}}
        report = refuse(document)
        assert report is not None and not any(verdict.ok for verdict in report.verdicts)


HEADS: dict[str, Document] = {
    "no list of claims": {"claims": {}},
    "no inputs": {"signature": {"outputs": ["n"]}},
    "inputs that are a string": {"signature": {"inputs": "nn", "outputs": ["n"]}},
    "a signature that is a string": {"signature": "n n -> n"},
    "a name that is no name": {"signature": {"inputs": ["n", "1"], "outputs": ["n"]}},
    "a name that is a number": {"signature": {"inputs": ["n", 1], "outputs": ["n"]}},
    "too many axes": {"signature": {"inputs": ["n"] * 65, "outputs": []}},
    "no tool": {"tool": ""},
    "a tool that writes to terminals": {"tool": "symeq 1\x1b[31m"},
    "a tool that is a number": {"tool": 1},
    "another key": {"checked": True},
}


@pytest.mark.parametrize("case", HEADS)
def test_a_wrong_head_is_refused(case: str) -> None:
    """Before any claim is looked at."""
    report = refuse(certificate("n -> n") | HEADS[case])
    assert report is not None and len(report.problems) == 1 and report.verdicts == ()


@pytest.mark.parametrize("tool", ["symeq 0.0.1", "symeq 12.3.0rc1", "another_prover 7"])
def test_any_tool_may_have_made_it(tool: str) -> None:
    """What holds, holds."""
    assert checker.check(certificate("n -> n") | {"tool": tool}).ok


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "no certificate"),
        (None, "no certificate"),
        ({}, "no certificate"),
        ({"format": "another"}, "no certificate"),
        ({"format": checker.FORMAT}, "format version None"),
        ({"format": checker.FORMAT, "version": 3}, "format version 3: this checker knows versions 1 to 2"),
        ({"format": checker.FORMAT, "version": 0}, "format version 0: this checker knows versions 1 to 2"),
        ({"format": checker.FORMAT, "version": True}, "format version True"),
        ({"format": checker.FORMAT, "version": 2.0}, "format version 2.0"),
    ],
)
def test_what_is_no_certificate_cannot_be_read(document: Any, complaint: str) -> None:
    """Another document, or a format of the future: nothing is checked."""
    with pytest.raises(checker.UnreadableCertificateError, match=complaint):
        checker.check(document)


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        (["n"] * 9, "21147 operators"),
        (["n"] * 64, "operators"),
        (list("abcdefghijkl" * 2), "531441 comparable"),
    ],
)
def test_a_signature_beyond_the_checker_is_refused(axes: list[str], complaint: str) -> None:
    """At once, from a count."""
    document = certificate("n -> n") | {"signature": {"inputs": axes, "outputs": []}}
    with pytest.raises(checker.UnreadableCertificateError, match=complaint):
        checker.check(document)


# ------------------------------------------------------------------ bytes and files


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no JSON document"),
        (b"{", "no JSON document"),
        (b"\xff\xfe", "no JSON document"),
        (b'{"format": NaN}', "NaN is no number"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b"9" * 5000, "no JSON document"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_json_cannot_be_read(data: bytes, complaint: str) -> None:
    """One clear error, whatever the bytes."""
    with pytest.raises(checker.UnreadableCertificateError, match=complaint):
        checker.load(data)


def test_what_is_no_file_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a folder, a file that is too large: the last is not even opened for reading."""
    with pytest.raises(checker.UnreadableCertificateError, match="No such file"):
        checker.read(tmp_path / "missing.json")
    with pytest.raises(checker.UnreadableCertificateError, match="a folder"):
        checker.read(tmp_path)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(checker.MOST_BYTES + 1)
    monkeypatch.setattr(checker, "load", lambda data: pytest.fail("it was read"))
    with pytest.raises(checker.UnreadableCertificateError, match=f"{checker.MOST_BYTES + 1} bytes"):
        checker.read(large)


@pytest.mark.parametrize("cut", [1, 10, 1000, 5000])
def test_a_truncated_certificate_cannot_be_read(tmp_path: Path, cut: int) -> None:
    """Wherever it ends."""
    path = tmp_path / "cut.json"
    path.write_text(text("n n -> n")[: -cut - 1])
    with pytest.raises(checker.UnreadableCertificateError, match="no JSON document"):
        checker.read(path)


def test_the_checker_runs_alone(tmp_path: Path) -> None:
    """``python checker.py FILE``, without site-packages and without symeq: exit codes 0, 1 and 2."""
    program = Path(checker.__file__).read_text(encoding="utf-8")
    (tmp_path / "alone.py").write_text(program, encoding="utf-8")
    (tmp_path / "good.json").write_text(text(LISTED))
    (tmp_path / "bad.json").write_text(text(LISTED).replace('"dimension":4', '"dimension":5', 1))
    (tmp_path / "none.json").write_text("[]")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-W", "error", "alone.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    good, bad, none, wrong = run("good.json"), run("bad.json"), run("none.json"), run()
    assert (good.returncode, good.stderr) == (0, "") and good.stdout.endswith("8 claims hold\n")
    assert (bad.returncode, bad.stderr) == (1, "") and "FAIL cross-check" in bad.stdout
    assert (none.returncode, none.stdout) == (2, "") and "no certificate" in none.stderr
    assert (wrong.returncode, wrong.stdout) == (2, "") and "usage" in wrong.stderr


def test_the_report_is_json_too() -> None:
    """With the scope and the failure of every claim."""
    document = certificate("n -> n")
    document["claims"][0]["scope"] = "n = 3"
    report = json.loads(checker.check(document).to_json())
    assert report["ok"] is False and report["signature"] == "n -> n" and report["problems"] == []
    first, *others = report["claims"]
    assert first["kind"] == "closure" and "scope" in first["failure"] and first["scope"] == "every n"
    assert all(found["ok"] for found in others)


# ------------------------------------------------------------------ the checker's own arithmetic

TYPED = [(), ("n",), ("n",) * 4, ("u", "i"), ("u", "i", "u"), ("u", "u", "i", "i", "u")]


@pytest.mark.parametrize("sets", TYPED)
def test_its_set_partitions_are_all(sets: tuple[str, ...]) -> None:
    """In order, each once, counted in two more ways."""
    listed = checker.partitions(sets)
    assert listed == oracles.set_partitions(sets)
    assert len(listed) == checker.operators_of(sets) == symeq.basis(symeq.Signature((), sets)).count
    pairs = sum(refines(fine, coarse) for fine in listed for coarse in listed)
    assert checker.intervals_of(sets) == pairs


def refines(fine: tuple[int, ...], coarse: tuple[int, ...]) -> bool:
    """Whether elements together in ``fine`` are together in ``coarse``."""
    return all(coarse[p] == coarse[q] for p, q in combinations(range(len(fine)), 2) if fine[p] == fine[q])


@pytest.mark.parametrize("sets", TYPED)
def test_its_expansions_are_identities(sets: tuple[str, ...]) -> None:
    """The product of 1 - delta and its expansion have equal values at every tuple of small numbers."""
    terms = checker.expansion(sets)
    for x in product(range(3), repeat=len(sets)):
        pairs = [(p, q) for p, q in combinations(range(len(sets)), 2) if sets[p] == sets[q]]
        value = prod(x[p] != x[q] for p, q in pairs)
        total = sum(
            mu * all(x[p] == x[q] for p, q in combinations(range(len(sets)), 2) if h[p] == h[q])
            for h, mu in terms.items()
        )
        assert value == total


@pytest.mark.parametrize("n", range(6))
def test_its_counts_of_permutations(n: int) -> None:
    """By fixed points, against all permutations; and falling factorials at numbers."""
    counted = Counter(sum(pi[x] == x for x in range(n)) for pi in permutations(range(n)))
    assert [checker.fixing(n, f) for f in range(n + 1)] == [counted[f] for f in range(n + 1)]
    for b in range(5):
        value = sum(c * n**power for power, c in enumerate(checker.falling(b)))
        assert value == (Fraction(factorial(n), factorial(n - b)) if b <= n else 0)
        assert checker.stirling(4)[b] == sum(max(rgs) + 1 == b for rgs in checker.partitions(("n",) * 4))


@given(st.integers(0, 6).flatmap(lambda m: strategies.several_strings(m, 2)))
def test_its_links_are_the_least(strings: list[tuple[int, ...]]) -> None:
    """Two elements have one label exactly if every set partition coarser than both puts them together."""
    first, second = strings
    label = checker.linked(len(first), first, second)
    upper = [
        h for h in oracles.set_partitions(("n",) * len(first)) if refines(first, h) and refines(second, h)
    ]
    for p, q in combinations(range(len(first)), 2):
        assert (label[p] == label[q]) == all(h[p] == h[q] for h in upper)


@pytest.mark.parametrize("sizes", [{"u": 2, "i": 3}, {"u": 3, "i": 1}, {"u": 0, "i": 2}])
def test_its_compositions_are_matrix_products(sizes: dict[str, int]) -> None:
    """What it calls the product of two diagrams is the product of their matrices."""
    at = checker.Setting(("u", "i"), ("i", "u"))
    document = certificate("u i -> i u")
    forth, back, loop = (
        symeq.basis(spec, kind="diagram") for spec in ("u i -> i u", "i u -> u i", "u i -> u i")
    )
    slots = {operator.rgs: operator.slot for operator in loop}
    tables = steps(document, "composition", "stacked")
    assert len(tables) == len(back) and checker.check(document).ok
    for second, table in zip(back, tables, strict=True):
        for first, (rgs, lost) in zip(forth, table["results"], strict=True):
            factor = prod(sizes[name] ** r for name, r in zip(at.names, lost, strict=True))
            wanted = second.matrix(sizes) @ first.matrix(sizes)
            assert (wanted == factor * loop[slots[tuple(rgs)]].matrix(sizes)).all()


def test_its_patterns_are_those_of_the_tuples() -> None:
    """Index tuples are numbered with the last position running fastest."""
    at = checker.Setting(("u", "i"), ("u", "i"))
    sizes = {"u": 2, "i": 3}
    for number, x in enumerate(product(range(2), range(3), range(2), range(3))):
        pattern = checker._pattern(at, number, sizes)
        assert (pattern[0] == pattern[2], pattern[1] == pattern[3]) == (x[0] == x[2], x[1] == x[3])
        assert pattern[0] != pattern[1]


def test_it_states_all_sizes_that_it_can() -> None:
    """The sizes of the cross-check start at 0 and go beyond the number of axes, unless they are too many."""
    one = checker.Setting(("n",) * 2, ("n",))
    assert [sizes["n"] for sizes in one.cross_checked()] == [0, 1, 2, 3, 4]
    many = checker.Setting(("n",) * 8, ())
    assert [sizes["n"] for sizes in many.cross_checked()] == [0, 1, 2, 3, 4, 5]
    assert checker.Setting((), ()).cross_checked() == [{}]


def row(m: int) -> list[int]:
    """Stirling numbers with one that is wrong."""
    return [*[0] * m, 2] if m else [1]


# What is broken in the checker, how; and a step that makes the same mistake and must not pass: its rule, what
# it is about, and what it says.
BROKEN: dict[str, tuple[str, Any, Any, Any, Document, str]] = {
    "Stirling numbers, counted": (
        "stirling",
        row,
        checker.patterns_by_blocks,
        "n",
        {"set": "n", "by_blocks": [0, 0, 0, 2]},
        "by_blocks",
    ),
    "Stirling numbers, by Burnside": (
        "stirling",
        row,
        checker.dimensions,
        "n",
        {"set": "n", "values": [0, 0, 0, 2]},
        "n! times the dimension at n = 1",
    ),
    "Stirling numbers, as a polynomial": (
        "stirling",
        row,
        checker.power_in_falling_factorials,
        3,
        {"exponent": 3, "coefficients": [0, 0, 0, 2]},
        "the sum",
    ),
    "Stirling numbers, by merging": (
        "stirling",
        row,
        checker.merged_tuples,
        {"n": 2},
        {"sizes": {"n": 2}, "generators": {"n": [[1, 0], [1, 0]]}, "tuples": 8, "dimension": 0},
        "the number of sets of merged tuples",
    ),
    "falling factorials": (
        "falling",
        lambda b: [0] * b + [1],
        checker.size_of_a_pattern,
        2,
        {"blocks": 2, "tuples": [0, 0, 1]},
        "tuples at n = 1",
    ),
    "permutations by fixed points": (
        "fixing",
        lambda n, f: 1,
        checker.moment_of_fixed_points,
        2,
        {"falling_power": 2, "factors": [0, 1]},
        "the sum over permutations at n = 3",
    ),
    "joins": (
        "linked",
        lambda size, *strings: [0] * size,
        checker.joins,
        (0, 1, 2),
        {"rgs": [0, 1, 2], "slots": [0] * 5},
        "what is coarser than both",
    ),
    "expansions": (
        "expansion",
        lambda owners: {tuple(range(len(owners))): 1},
        checker.sums_of_one,
        {"n": 2},
        {"symbols": {"n": 2}, "zeta": [1, 1], "moebius": [1, 1]},
        "zeta[0] is 1, and should be 0",
    ),
    "chains": (
        "pairwise",
        lambda block: pairwise(block[:-1]),
        checker.sum_over_a_block,
        (1, 2),
        {"summed": 1, "kept": 2, "factor": 0},
        "what is left",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_its_parts_watch_each_other(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """A mistake in one part of the checker does not let a step pass that makes the same mistake."""
    name, broken, rule, subject, data, complaint = BROKEN[case]
    at = checker.Setting(("n",) * 2, ("n",))
    monkeypatch.setattr(checker, name, broken)
    with pytest.raises(checker.FailedStepError) as caught:
        checker.apply(at, rule, subject, {"rule": checker.rule_name(rule), **data})
    assert complaint in str(caught.value)


def test_slots_that_are_not_in_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Z is unitriangular only where coarser set partitions come first."""
    at = checker.Setting(("n",) * 2, ("n",))
    step = {"rule": "unitriangular zeta", "intervals": 12}
    checker.apply(at, checker.unitriangular_zeta, None, step)
    monkeypatch.setattr(checker.Setting, "coarser", lambda at, rgs: list(at.strings))
    with pytest.raises(checker.FailedStepError, match="comes later"):
        checker.apply(at, checker.unitriangular_zeta, None, {**step, "intervals": 25})
