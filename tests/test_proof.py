"""Certificates: what ``prove`` claims, for which sizes, and that a prover of something false is found out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations, product
from math import factorial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
import strategies
import symeq
from symeq.bases.operators import BasisOperator
from symeq.combinatorics import diagrams, lattice
from symeq.combinatorics.partitions import SetPartition
from symeq.errors import SizeError, TooLargeError
from symeq.proof import checker, prover
from symeq.proof.burnside import derangements, dimension_by_burnside
from symeq.proof.certificate import Certificate, Step
from symeq.proof.crosscheck import cross_check, generators, representatives
from symeq.proof.latex import SENTENCES, escape, polynomial

KINDS = (
    "closure",
    "completeness",
    "dimension",
    "independence",
    "change of basis",
    "composition",
    "cross-check",
    "emitted code",
)

SPECS: dict[str, Any] = {
    "no axes": "->",
    "one output": (0, 1),
    "outputs only": (0, 3),
    "inputs only": (3, 0),
    "1 -> 1": (1, 1),
    "2 -> 2": (2, 2),
    "3 -> 2": (3, 2),
    "two index sets": "u i -> u i",
    "two index sets, crossed": "u i -> i u",
    "an index set on each side": "n n -> m",
    "interleaved": "u i u -> i i",
    "three index sets": "a b -> b c c",
    "more operators than are listed": "u u u i i -> u i i",
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_certificate_holds(spec: Any) -> None:
    """All claims are made, each with steps, a scope and a statement; and the checker agrees with each."""
    certificate = symeq.prove(spec)
    assert tuple(claim.kind for claim in certificate.claims) == KINDS
    report = certificate.check()
    assert report.ok and str(report).endswith("8 claims hold")
    for claim, verdict in zip(certificate.claims, report.verdicts, strict=True):
        assert claim.steps and all(step.rule for step in claim.steps)
        assert (claim.statement, claim.scope, len(claim.steps)) == (
            verdict.statement,
            verdict.scope,
            verdict.steps,
        )


@settings(max_examples=15)
@given(strategies.signatures(max_positions=4))
def test_any_signature_is_proved(signature: symeq.Signature) -> None:
    """Also those that no table names."""
    assert symeq.prove(signature).check().ok


@pytest.mark.slow
@pytest.mark.parametrize("spec", [(3, 3), (6, 0), (0, 6), (4, 3), (4, 4), (0, 8), (8, 0)])
def test_high_orders_are_proved(spec: tuple[int, int]) -> None:
    """Up to m = 8; a certificate stays far below the size that the checker reads."""
    certificate = symeq.prove(spec)
    assert len(certificate.to_json()) < 20e6
    assert certificate.check().ok


def scopes(certificate: Certificate) -> dict[str, str]:
    """The scope of every claim."""
    return {claim.kind: claim.scope for claim in certificate.claims}


def test_scopes_tell_what_was_shown() -> None:
    """Symbolic claims hold for every size; pairs are listed or not; the cross-check names its sizes."""
    assert scopes(symeq.prove("n n -> n")) == {
        "closure": "every n",
        "completeness": "every n",
        "dimension": "every n",
        "independence": "every n; every pair, listed",
        "change of basis": "every n",
        "composition": "every n; every pair, listed",
        "cross-check": "n = 0, 1, 2, 3, 4 by nullspace",
        "emitted code": "every n, of the plan; the source was not looked at (`symeq prove --code` does)",
    }
    many = scopes(symeq.prove(SPECS["more operators than are listed"]))
    assert many["independence"] == many["composition"] == "every u and i; every pair, by a lemma on blocks"
    assert scopes(symeq.prove((3, 2)))["cross-check"] == (
        "n = 0, 1, 2, 3 by nullspace; n = 4, 5, 6 by merged tuples"
    )
    two = scopes(symeq.prove("u i -> u"))
    assert two["closure"] == "every u and i"
    assert two["cross-check"] == "(u, i) = (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (3, 2) by nullspace"


@pytest.mark.parametrize("spec", ["n n -> n n", "u i i -> u i", "->"])
def test_the_cross_check_has_sizes_below_and_above_the_number_of_axes(spec: str) -> None:
    """The dimensions in the certificate are those of counting patterns, n < m included."""
    signature = symeq.Signature.parse(spec)
    steps = symeq.prove(spec).claims[6].steps
    for step in steps:
        assert step.data["dimension"] == patterns(signature, step.data["sizes"])
    for name in signature.index_sets:
        m = signature.positions.count(name)
        assert {step.data["sizes"][name] for step in steps} >= set(range(m + 2))


def test_the_statement_says_what_is_claimed() -> None:
    """The dimension's claim, for one index set, for two and for none."""
    assert symeq.prove("n n -> n n").claims[2].statement == (
        "n n -> n n: the dimension is (sum over b <= n of S(4, b)), which is 15 from n >= 4 on"
    )
    assert symeq.prove("u i -> u").claims[2].statement == (
        "u i -> u: the dimension is (sum over b <= u of S(2, b)) (sum over b <= i of S(1, b)), which is 2 "
        "from u >= 2 and i >= 1 on"
    )
    assert symeq.prove("->").claims[2].statement == "->: the dimension is 1"


def test_certificates_print() -> None:
    """``print`` gives a table with a row for each claim."""
    certificate = symeq.prove("n -> n")
    lines = str(certificate).splitlines()
    total = sum(len(claim.steps) for claim in certificate.claims)
    assert lines[0] == f'Certificate for "n -> n": 8 claims, {total} steps'
    for claim in certificate.claims:
        pattern = rf"  {claim.kind} +{len(claim.steps)} steps  {re.escape(claim.scope)}"
        assert any(re.fullmatch(pattern, line) for line in lines)


def test_certificates_are_the_same_everywhere() -> None:
    """Byte for byte, under any hash seed; and the checker reads what was written elsewhere."""
    code = "import symeq; print(symeq.prove('u i -> u i').to_json(), end='')"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {symeq.prove("u i -> u i").to_json()}


def test_progress_is_told() -> None:
    """Each kind of claim is announced."""
    told: list[tuple[str, int, int]] = []
    symeq.prove("n -> ", progress=lambda *words: told.append(words))
    assert told == [(kind, at, len(KINDS)) for at, kind in enumerate(KINDS)]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("spec", "number"),
    [
        ((20, 20), 157450588391204931289324344702531067),
        ((5, 4), 21147),
        ("u " * 6 + "->" + " i" * 6, 203**2),
        (" ".join("abcdefghijkl" * 2) + " ->", 3**12),
    ],
)
def test_absurd_signatures_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, spec: Any, number: int
) -> None:
    """With the number of operators, or of comparable pairs, before anything is derived."""
    monkeypatch.setattr(prover, "PROVERS", {"closure": lambda _: pytest.fail("something was derived")})
    with pytest.raises(TooLargeError, match=str(number)) as caught:
        symeq.prove(spec)
    assert caught.value.count == number


# ------------------------------------------------------------------ provers of something false


def change(steps: Iterator[Step], at: int, **fields: Any) -> list[Step]:
    """The steps, one of them with other fields."""
    listed = list(steps)
    listed[at] = replace(listed[at], data={**listed[at].data, **fields})
    return listed


def without_distinct(steps: Iterator[Step]) -> list[Step]:
    """The last operator without one of its factors 1 - delta: it is not O_g."""
    listed = list(steps)
    return change(iter(listed), len(listed) - 2, distinct=listed[-2].data["distinct"][:-1])


def without_powers(steps: Iterator[Step]) -> list[Step]:
    """The last table of products without the powers of n."""
    listed = list(steps)
    results = [[rgs, [0]] for rgs, _ in listed[-1].data["results"]]
    return change(iter(listed), -1, results=results)


# For each kind of claim, a prover that claims something false, and what the checker finds wrong.
FALSE_CLAIMS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "an operator that is no orbit operator": ("closure", without_distinct, "distinct"),
    "an operator that is not equivariant": (
        "closure",
        lambda steps: change(steps, 0, right=[0, 0]),
        "injective relabelling",
    ),
    "tuples that no permutation relates": (
        "completeness",
        lambda steps: change(steps, 1, images={"n": [[0, 0], [2, 0]]}),
        "not injective",
    ),
    "a spanning set with an operator too few": ("completeness", lambda steps: list(steps)[1:], "rgs"),
    "a dimension that is too large": (
        "dimension",
        lambda steps: change(steps, -2, values=[0, 1, 3, 6]),
        "values",
    ),
    "S(3, 2) = 4": (
        "dimension",
        lambda steps: change(steps, 0, by_blocks=[0, 1, 4, 1]),
        "patterns by blocks",
    ),
    "joins that are meets": (
        "independence",
        lambda steps: change(steps, 17, slots=[1, 1, 4, 4, 4]),
        "joins",
    ),
    "a determinant without a factor": (
        "independence",
        lambda steps: change(steps, -1, factors=[[[1], 1], [[2], 2], [[3], 1]]),
        "determinant",
    ),
    "Moebius without signs": (
        "change of basis",
        lambda steps: change(steps, 2, values=[2, 1, 1, 1, 1]),
        "moebius by expansion",
    ),
    "zeta and Moebius not inverse": (
        "change of basis",
        lambda steps: change(steps, 5, zeta=[0, 0, 0, 1, 1]),
        "sums of one",
    ),
    "products without their powers of n": ("composition", without_powers, "stacked"),
    "a dimension that the constraints do not have": (
        "cross-check",
        lambda steps: change(steps, 2, dimension=5),
        "dimension",
    ),
}


@pytest.mark.parametrize("case", FALSE_CLAIMS)
def test_a_prover_of_something_false_is_found_out(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """The claim fails, with its rule or field named, and the others hold."""
    kind, lie, complaint = FALSE_CLAIMS[case]
    honest = prover.PROVERS[kind]
    monkeypatch.setitem(prover.PROVERS, kind, lambda signature: lie(honest(signature)))
    report = symeq.prove("n n -> n").check()
    assert [verdict.kind for verdict in report.verdicts if not verdict.ok] == [kind]
    (failed,) = (verdict for verdict in report.verdicts if not verdict.ok)
    assert complaint in failed.failure and failed.failure in " ".join(str(report).split())


BROKEN_PARTS: dict[str, tuple[str, str, Any]] = {
    "join that is meet": ("independence", "join", lattice.meet),
    "Moebius without signs": ("change of basis", "moebius", lambda a, b: abs(lattice.moebius(a, b))),
    "dimension off by one": ("dimension", "stirling", lambda m, j: int(m == j)),
}


@pytest.mark.parametrize("case", BROKEN_PARTS)
def test_what_the_prover_leans_on_may_be_broken(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """SymPy's derivation fails, or with the assertions gone the checker refuses; nothing false passes."""
    kind, name, broken = BROKEN_PARTS[case]
    monkeypatch.setattr(prover, name, broken)
    with pytest.raises(AssertionError):
        symeq.prove("n n -> n")
    silence(monkeypatch)
    report = symeq.prove("n n -> n").check()
    assert kind in [verdict.kind for verdict in report.verdicts if not verdict.ok]


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of the prover that assert, without their assertions."""
    monkeypatch.setattr(prover, "MOST_LITERAL", 0)
    monkeypatch.setattr(prover, "_expanded", lambda owners: lattice_values(owners))
    monkeypatch.setattr(prover, "_power", lambda m: Step(*power_step(m)))


def lattice_values(owners: tuple[str, ...]) -> list[int]:
    """What the prover would compare with, made with its own broken Moebius function."""
    finest = SetPartition(tuple(range(len(owners))))
    return [prover.moebius(finest, h) for h in prover.all_partitions(owners)]


def power_step(m: int) -> tuple[str, dict[str, Any]]:
    """The step that the prover would make with its own broken Stirling numbers."""
    numbers = [int(prover.stirling(m, j)) for j in range(m + 1)]
    return "power in falling factorials", {"exponent": m, "coefficients": numbers}


def test_an_operator_that_is_wrong_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proofs are about ``op.expr`` and ``diagram.compose`` themselves, not about copies of them."""
    import sympy

    right = BasisOperator.expr.fget
    assert right is not None
    monkeypatch.setattr(
        BasisOperator, "expr", property(lambda op: right(op) * sympy.KroneckerDelta(op.indices[0], 1))
    )
    with pytest.raises((AssertionError, ValueError)):
        symeq.prove("n -> n")
    monkeypatch.undo()
    compose = diagrams.PartitionDiagram.compose

    def off_by_one(self: Any, other: Any) -> tuple[Any, dict[str, int]]:
        result, lost = compose(self, other)
        return result, {name: number + 1 for name, number in lost.items()}

    monkeypatch.setattr(diagrams.PartitionDiagram, "compose", off_by_one)
    with pytest.raises(AssertionError):
        symeq.prove("n -> n")
    report = symeq.prove("n n n -> n n").check()  # too many operators for products of whole expressions
    assert [verdict.kind for verdict in report.verdicts if not verdict.ok] == ["composition"]


def test_a_certificate_that_was_tampered_with_does_not_hold() -> None:
    """``check`` sees what is written: statements, scopes and steps alike."""
    certificate = symeq.prove("n -> n")
    claims = certificate.claims
    for wrong in (
        replace(certificate, claims=claims[:-1]),
        replace(certificate, claims=()),
        replace(certificate, signature=symeq.Signature.parse("n n -> ")),
        replace(certificate, claims=(replace(claims[0], scope="every n and every group"), *claims[1:])),
        replace(certificate, claims=(replace(claims[0], statement="1 = 0"), *claims[1:])),
        replace(certificate, claims=(replace(claims[0], steps=()), *claims[1:])),
        replace(certificate, claims=(*claims[:-1], replace(claims[-1], scope="every n"))),
    ):
        assert not wrong.check().ok


# ------------------------------------------------------------------ Burnside and the cross-check


def patterns(signature: symeq.Signature, sizes: Mapping[str, int]) -> int:
    """How many equality patterns index tuples of these sizes show, by listing the tuples."""
    sets = signature.positions
    return len(
        {
            tuple(sets[p] == sets[q] and a[p] == a[q] for p in range(len(sets)) for q in range(p))
            for a in product(*(range(sizes[name]) for name in sets))
        }
    )


def fixed_tuples(signature: symeq.Signature, sizes: Mapping[str, int]) -> tuple[int, int]:
    """How many pairs of a permutation and a tuple that it fixes there are; and how many permutations."""
    names = list(sizes)
    total = number = 0
    for chosen in product(*(permutations(range(sizes[name])) for name in names)):
        number += 1
        pi = dict(zip(names, chosen, strict=True))
        total += sum(
            all(pi[name][x] == x for name, x in zip(signature.positions, a, strict=True))
            for a in product(*(range(sizes[name]) for name in signature.positions))
        )
    return total, number


SIZES: list[tuple[str, Any]] = [
    ("->", {}),
    ("n ->", 0),
    ("n n -> n", 1),
    ("n n -> n", 2),
    ("n n -> n", 4),
    (" -> n n", 3),
    ("u i -> u", {"u": 2, "i": 3}),
    ("u i u -> i", {"u": 1, "i": 0}),
    ("u i u -> i", {"u": 3, "i": 2}),
]


@pytest.mark.parametrize(("spec", "n"), SIZES)
def test_burnside_and_cross_check_are_exact(spec: str, n: Any) -> None:
    """Both are what averaging over all permutations gives, and what listing all tuples gives."""
    signature = symeq.Signature.parse(spec)
    sizes = signature.sizes(n)
    total, number = fixed_tuples(signature, sizes)
    found = cross_check(spec, n)
    assert dimension_by_burnside(spec, n) * number == total
    assert found.dimension == dimension_by_burnside(spec, n) == patterns(signature, sizes)
    assert (found.method, found.sizes) == ("nullspace", sizes)


@settings(max_examples=40)
@given(strategies.signatures(max_positions=5), st.data())
def test_all_ways_to_the_dimension_agree(signature: symeq.Signature, data: st.DataObject) -> None:
    """Burnside, the constraints and the count of set partitions, at drawn sizes."""
    sizes = data.draw(strategies.sizes(signature, at_most=4))
    found = cross_check(signature, sizes)
    assert found.dimension == dimension_by_burnside(signature, sizes) == patterns(signature, sizes)
    assert found.dimension == symeq.basis(signature).dimension(sizes)


def test_many_tuples_are_merged() -> None:
    """Above 700 tuples the method changes, and the dimension does not."""
    assert cross_check((2, 2), 5).method == "nullspace"
    above = cross_check((2, 2), 6)
    assert (above.method, above.dimension, above.sizes) == ("orbits", 15, {"n": 6})
    assert cross_check((3, 3), 4).dimension == dimension_by_burnside((3, 3), 4) == 187
    assert cross_check("u u u i -> i i", {"u": 5, "i": 4}).dimension == 25


def test_burnside_at_large_sizes() -> None:
    """Exact where n! has hundreds of digits."""
    assert dimension_by_burnside((2, 2), 300) == 15
    assert dimension_by_burnside((10, 10), 30) == 51724158235372


def test_sizes_are_checked() -> None:
    """Wrong sizes and absurd ones are refused in words."""
    for function in (dimension_by_burnside, cross_check):
        with pytest.raises(SizeError):
            function("u i -> u", 3)
        with pytest.raises(SizeError):
            function("n -> n", -1)
    with pytest.raises(TooLargeError, match="1000000"):
        dimension_by_burnside("n -> n", 10**6)
    with pytest.raises(TooLargeError, match=str(100**4)):
        cross_check((2, 2), 100)


@pytest.mark.parametrize("n", range(6))
def test_derangements_and_generators(n: int) -> None:
    """Against all permutations: those without a fixed point, and those that the two generators make."""
    everything = set(permutations(range(n)))
    assert derangements(n)[n] == sum(all(pi[x] != x for x in range(n)) for pi in everything)
    made = {tuple(range(n))}
    while new := {tuple(g[x] for x in pi) for pi in made for g in generators(n)} - made:
        made |= new
    assert made == everything and len(made) == factorial(n)


def test_merging_needs_many_rounds() -> None:
    """A long cycle is merged to one tuple, whatever its order."""
    import numpy as np

    order = np.random.default_rng(0).permutation(1000)
    cycle = np.empty(1000, dtype=np.intp)
    cycle[order] = np.roll(order, 1)
    assert representatives(1000, [cycle]).tolist() == [0]
    assert representatives(5, []).tolist() == [0, 1, 2, 3, 4]


# ------------------------------------------------------------------ LaTeX


def balanced(text: str) -> None:
    """That braces, environments and dollar signs of LaTeX text come in pairs."""
    plain = text.replace(r"\{", "").replace(r"\}", "").replace(r"\$", "")
    depth = 0
    for sign in plain:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert plain.count("$") % 2 == 0
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", plain):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []


@pytest.mark.parametrize("spec", ["->", "n n -> n", "u_x i -> u_x i", "u u u i i -> u i i"])
def test_latex_is_well_formed(spec: str) -> None:
    """Certificate, claims and steps; every claim and no more than some of the steps are in the document."""
    certificate = symeq.prove(spec)
    text = certificate.to_latex()
    assert text.startswith(r"\documentclass") and text.endswith("\\end{document}\n")
    balanced(text)
    for claim in certificate.claims:
        balanced(claim.to_latex())
        assert claim.to_latex() in text and escape(claim.statement) in text
        for step in claim.steps:
            balanced(step.to_latex())
    assert text.count(r"\item") < 400


# Rules that the outline of the emitted code has as often as the steps.
PLANNED = [
    {"rule": rule} for rule in ("contraction", "broadcast", "matrix product", "translation validation")
]


def rules() -> set[str]:
    """The names of all rules."""
    return {
        checker.rule_name(rule)
        for names in (("n",) * 3, ("u",) * 4 + ("i",) * 4)
        for kind in checker.KINDS
        for rule, _ in checker.outline(checker.Setting(names[:2], names[2:]), kind, PLANNED)
    }


def test_latex_knows_every_rule() -> None:
    """Each rule of the checker has a sentence, and there is none for another."""
    assert rules() == set(SENTENCES)


@pytest.mark.checkout
def test_the_document_explains_every_rule() -> None:
    """``docs/proofs.md`` names each rule of the checker, and its limits as they are."""
    text = " ".join((Path(__file__).parent.parent / "docs" / "proofs.md").read_text(encoding="utf-8").split())
    assert [rule for rule in sorted(rules()) if f"*{rule}*" not in text] == []
    for number in (checker.MOST_OPERATORS, checker.MOST_LISTED, checker.MOST_NULLSPACE):
        assert str(number) in text
    assert checker.MOST_BYTES == 32 * 2**20 and "32 MiB" in text
    assert checker.MOST_TUPLES == 1_500_000 and "1.5 million index tuples" in text


def test_latex_formulas() -> None:
    """Some sentences in full."""
    closure, *_, composition, _, _ = symeq.prove("n n -> n").claims
    assert closure.steps[1].to_latex() == (
        r"\emph{injective relabelling:} $\delta(x_{0}, \pi^{-1} x_{2}) = \delta(\pi x_{0}, x_{2})$."
    )
    assert closure.steps[5].to_latex() == (
        r"\emph{product of deltas:} $O_{\{0,2\}\{1\}} = \delta_{0,2} (1 - \delta_{0,1})$."
    )
    one, two = (symeq.prove("n n -> n").claims[2].steps[at].to_latex() for at in (2, 3))
    assert one.endswith("$n^{\\underline{1}} = n$ is the number of tuples with a given pattern of 1 block.")
    assert two.endswith("with a given pattern of 2 blocks.")
    single, several = (symeq.prove(spec).claims[3].steps[-1].to_latex() for spec in ("n ->", "u i -> u"))
    assert single.endswith(r"= n^{\underline{1}}$.")
    assert several.endswith(
        r"= n_{0}^{\underline{1}} n_{1}^{\underline{1}} n_{0}^{\underline{2}} n_{1}^{\underline{1}}$."
    )
    contraction, *_, products, _, _, _ = symeq.prove("n -> n").claims[-1].steps
    assert contraction.to_latex() == (
        r"\emph{contraction:} $[0] \to [1]$: blocks of axes $\{0\}$, kept: none; the others are summed over."
    )
    assert products.to_latex() == (
        r"\emph{matrix product:} contractions $[1]()$ into broadcasts $[1]()$, axes permuted: 1 slot, $1$."
    )
    assert composition.steps[0].to_latex() == r"\emph{sum over a block:} $\sum_{y_{0}} 1 = n$."
    assert polynomial([0, 2, -3, 1], lambda j: f"x^{j}" if j else "") == "x^3 - 3 x^2 + 2 x^1"
    assert polynomial([0], lambda j: "") == "0"


def test_the_json_is_one_document_with_a_line_for_each_step() -> None:
    """It has format, version, tool and signature, and nothing that is no JSON value."""
    certificate = symeq.prove("u i -> u")
    text = certificate.to_json()
    document = json.loads(text)
    assert document["format"] == "symeq certificate" and document["version"] == checker.VERSION
    assert document["tool"] == f"symeq {symeq.__version__}"
    assert document["signature"] == {"inputs": ["u", "i"], "outputs": ["u"]}
    assert [claim["kind"] for claim in document["claims"]] == list(KINDS)
    lines = sum(line.startswith('{"rule":') for line in text.splitlines())
    assert lines == sum(len(claim.steps) for claim in certificate.claims)
    strings = [step["rgs"] for step in document["claims"][0]["steps"] if step["rule"] == "product of deltas"]
    assert list(map(tuple, strings)) == list(oracles.set_partitions(("u", "i", "u")))
