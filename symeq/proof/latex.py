"""Certificates as LaTeX, for reading; the certificate itself is its JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symeq.proof.certificate import Certificate, Claim, Step

MOST_SHOWN = 15
"""Of the steps with one rule; the certificate has the others."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}

_SIZES = r"$n_0, n_1, \ldots$ are the sizes of the index sets, in the order in which they first appear."

FORMULAS = {
    "closure": r"L_{i,\,\pi^{-1}(j)} = L_{\pi(i),\,j} \quad\text{for } L = O_g",
    "completeness": r"L = \sum_g c_g\, O_g, \quad c_g = L_a \text{ for any tuple } a \text{ of pattern } g",
    "dimension": r"\dim = \prod_s \sum_{b \le n_s} S(m_s, b)"
    r" = \prod_s \frac{1}{n_s!} \sum_{\pi \in S_{n_s}} \operatorname{fix}(\pi)^{m_s}",
    "independence": r"\langle O_g, O_d\rangle = [g = d]\, n^{\underline{|g|}}, \quad"
    r"\langle D_g, D_d\rangle = n^{|g \vee d|}, \quad"
    r"\operatorname{Gram}(D) = Z \operatorname{diag}\bigl(n^{\underline{|g|}}\bigr) Z^{T}",
    "change of basis": r"D_g = \sum_{d \ge g} O_d, \quad O_g = \sum_{d \ge g} \mu(g, d)\, D_d",
    "composition": r"D_d \circ D_g = n^{r} D_{d \cdot g}",
    "cross-check": r"\{L : L_a = L_{\pi a} \text{ for } \pi = (1\,2), (1\,2 \ldots n)\}"
    r" = \operatorname{span}\{O_g : |g| \le n\}",
    "emitted code": r"y = \sum_{\text{source, target}} \operatorname{broadcast}"
    r"\bigl(\operatorname{contract}(x)\, W_g\bigr) = \sum_g D_g(x)\, W_g",
}
"""What a claim says, with n for the sizes of the index sets (powers are products over them)."""


def escape(text: str) -> str:
    r"""The text with LaTeX's special signs escaped.

    >>> escape("S(2, b) >= n_0")
    'S(2, b) \\textgreater{}= n\\_0'
    >>> escape("`prove --code`")
    '\\textasciigrave{}prove -{}-code\\textasciigrave{}'
    """
    # Two hyphens would become a dash.
    return "".join(_SPECIAL.get(sign, sign) for sign in text).replace("--", "-{}-")


def document(certificate: Certificate) -> str:
    """The certificate as a document that LaTeX compiles."""
    title = rf"Certificate for $\texttt{{{escape(str(certificate.signature).strip())}}}$"
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage{amsmath}",
            rf"\title{{{title}}}",
            rf"\author{{{escape(certificate.tool)}}}",
            r"\date{}",
            r"\begin{document}",
            r"\maketitle",
            r"Axes are numbered from 0, inputs first. $O_g$ and $D_g$ are the orbit and the diagram operator",
            r"of a set partition $g$ of the axes, $n^{\underline{b}} = n (n-1) \cdots (n-b+1)$, and",
            r"$S(m, b)$ counts the set partitions of $m$ elements into $b$ blocks.",
            *([_SIZES] if len(certificate.signature.index_sets) > 1 else []),
            *(section(claim) for claim in certificate.claims),
            r"\end{document}",
            "",
        ]
    )


def section(claim: Claim) -> str:
    """One claim: statement, scope, and its steps, at most ``MOST_SHOWN`` for one rule in a row."""
    lines = [
        rf"\section*{{{escape(claim.kind.capitalize())}}}",
        rf"\textbf{{Claim.}} {escape(claim.statement)}.",
        rf"\[ {FORMULAS[claim.kind]} \]",
        rf"\textbf{{Scope.}} {escape(claim.scope)}.",
        r"\begin{enumerate}",
    ]
    number = 0
    for rule, group in groupby(claim.steps, key=lambda step: step.rule):
        steps = list(group)
        lines.append(rf"\setcounter{{enumi}}{{{number}}}")
        lines += [rf"\item {sentence(step)}" for step in steps[:MOST_SHOWN]]
        if len(steps) > MOST_SHOWN:
            more = len(steps) - MOST_SHOWN
            lines.append(
                rf"\item[] \emph{{and {more} more by the rule ``{escape(rule)}'', in the certificate}}"
            )
        number += len(steps)
    return "\n".join([*lines, r"\end{enumerate}"])


def sentence(step: Step) -> str:
    """One step: its rule, and what it says."""
    return rf"\emph{{{escape(step.rule)}:}} {SENTENCES[step.rule](step.data)}"


# ------------------------------------------------------------------ formulas


def blocks(rgs: Sequence[int]) -> str:
    r"""A set partition as its blocks.

    >>> blocks((0, 1, 0))
    '\\{0,2\\}\\{1\\}'
    """
    groups: dict[int, list[str]] = {}
    for position, label in enumerate(rgs):
        groups.setdefault(label, []).append(str(position))
    return "".join(rf"\{{{','.join(group)}\}}" for group in groups.values()) or r"\emptyset"


def polynomial(coefficients: Sequence[int], variable: Callable[[int], str]) -> str:
    """The sum of coefficient times ``variable(power)``, highest power first."""
    terms = []
    for power in reversed(range(len(coefficients))):
        coefficient, symbol = coefficients[power], variable(power)
        if coefficient:
            size = "" if abs(coefficient) == 1 and symbol else str(abs(coefficient))
            terms.append(f"{'-' if coefficient < 0 else '+'} {f'{size} {symbol}'.strip()}")
    return " ".join(terms).removeprefix("+ ") or "0"


def _power(variable: str, exponent: int | str) -> str:
    return "" if exponent == 0 else variable if exponent == 1 else f"{variable}^{{{exponent}}}"


def _falling(variable: str) -> Callable[[int], str]:
    return lambda j: _power(variable, j) if j < 2 else rf"{variable}^{{\underline{{{j}}}}}"


def _at(power: int, position: int) -> str:
    return {0: "x_{%d}", 1: r"\pi x_{%d}", -1: r"\pi^{-1} x_{%d}"}[power] % position


def _relabelling(data: Mapping[str, Any]) -> str:
    p, q = data["positions"]
    (a, b), (c, d) = data["left"], data["right"]
    return rf"$\delta({_at(a, p)}, {_at(b, q)}) = \delta({_at(c, p)}, {_at(d, q)})$."


def _product(data: Mapping[str, Any]) -> str:
    factors = [rf"\delta_{{{p},{q}}}" for p, q in data["equal"]]
    factors += [rf"(1 - \delta_{{{p},{q}}})" for p, q in data["distinct"]]
    return rf"$O_{{{blocks(data['rgs'])}}} = {' '.join(factors) or '1'}$."


def _witness(data: Mapping[str, Any]) -> str:
    arrows = [rf"a_{{{p}}} \mapsto b_{{{q}}}" for pairs in data["images"].values() for p, q in pairs]
    moved = ", ".join(arrows) or r"\text{nothing to move}"
    return rf"${blocks(data['rgs'])}$: ${moved}$, the others in order."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _numbers(numbers: Sequence[int]) -> str:
    return f"${', '.join(map(str, numbers))}$"


def _sizes(sizes: Mapping[str, int]) -> str:
    return (
        ", ".join(rf"\mathtt{{{escape(name)}}} = {size}" for name, size in sizes.items())
        or r"\text{no sizes}"
    )


def _sum_over_a_block(data: Mapping[str, Any]) -> str:
    ys = [f"y_{{{at}}}" for at in range(data["summed"])]
    xs = [f"x_{{{at}}}" for at in range(data["kept"])]
    result = f"{_power('n', data['factor'])} {_equal(xs)}".strip() or "1"
    return rf"$\sum_{{{', '.join(ys)}}} {_equal(ys + xs) or '1'} = {result}$."


def _equal(points: Sequence[str]) -> str:
    return f"[{' = '.join(points)}]" if len(points) > 1 else ""


def _determinant(data: Mapping[str, Any]) -> str:
    factors = []
    for vector, often in data["factors"]:
        sizes = ["n"] if len(vector) == 1 else [f"n_{{{at}}}" for at in range(len(vector))]
        powers = [rf"{size}^{{\underline{{{b}}}}}" for size, b in zip(sizes, vector, strict=True)]
        product = " ".join(powers) or "1"
        factors.append(product if often == 1 else rf"\bigl({product}\bigr)^{{{often}}}")
    return rf"$\det \operatorname{{Gram}}(D) = {' '.join(factors)}$."


def _moment(data: Mapping[str, Any]) -> str:
    j = data["falling_power"]
    power = rf"\underline{{{j}}}"
    return (
        rf"$\frac{{1}}{{n!}} \sum_\pi \operatorname{{fix}}(\pi)^{{{power}}} = "
        rf"\frac{{n^{{{power}}} (n - {j})!}}{{n!}} = 1$, and $0$ for $n < {j}$."
    )


def _terms(data: Mapping[str, Any]) -> str:
    shown = data["terms"][-12:]
    terms = [f"{value:+d}\\, D_{{[{slot}]}}" for slot, value in reversed(shown)]
    rest = r" + \cdots" if len(shown) < len(data["terms"]) else ""
    return rf"$O_{{{blocks(data['rgs'])}}} = {' '.join(terms)}{rest}$, diagrams by slot."


def _stacked(data: Mapping[str, Any]) -> str:
    shown = [
        rf"$[{at}] \mapsto {blocks(rgs)}$ (lost: {', '.join(map(str, lost)) or '0'})"
        for at, (rgs, lost) in enumerate(data["results"][:6])
    ]
    rest = ", \\ldots" if len(shown) < len(data["results"]) else ""
    return rf"$D_{{{blocks(data['rgs'])}}}$ after the diagram in slot $[g]$: {'; '.join(shown)}{rest}."


def _way(rest: str) -> Callable[[Mapping[str, Any]], str]:
    def told(data: Mapping[str, Any]) -> str:
        groups = re.findall(r"\\{[^}]*}", blocks(data["blocks"]))
        kept = ", ".join(rf"${groups[block]}$" for block in data["kept"]) or "none"
        return (
            rf"$[{data['source']}] \to [{data['target']}]$: blocks of axes ${blocks(data['blocks'])}$, kept: "
            rf"{kept}; the others are {rest}."
        )

    return told


def _tensors(tensors: Sequence[Any]) -> str:
    shown = [rf"[{number}]({','.join(map(str, p))})" for number, p in tensors[:12]]
    return ", ".join(shown) + (r", \ldots" if len(shown) < len(tensors) else "")


def _settings(settings: Sequence[str]) -> str:
    return f"{len(settings)}, such as ``{escape(settings[0])}''"


def _solved(how: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda data: (
        rf"${_sizes(data['sizes'])}$: {_counted(data['tuples'], 'index tuple')}, {how}: "
        rf"dimension {data['dimension']}."
    )


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "injective relabelling": _relabelling,
    "product of deltas": _product,
    "product of invariant factors": lambda data: (
        rf"all factors of {_counted(data['operators'], 'operator')} are invariant, hence so is each product."
    ),
    "witness permutation": _witness,
    "constant on patterns": lambda data: (
        r"$L_a = L_{\pi a} = L_b$: an equivariant $L$ is constant on "
        rf"{_counted(data['patterns'], 'pattern')}."
    ),
    "one pattern each": lambda data: (
        rf"$\sum_g O_g = 1$ over {_counted(data['patterns'], 'set partition')} $g$, so $L = \sum_g c_g O_g$."
    ),
    "patterns by blocks": lambda data: (
        rf"$S({len(data['by_blocks']) - 1}, b)$ for \texttt{{{escape(data['set'])}}}, $b = 0, 1, \ldots$: "
        rf"{_numbers(data['by_blocks'])}."
    ),
    "size of a pattern": lambda data: (
        rf"$n^{{\underline{{{data['blocks']}}}}} = "
        rf"{polynomial(data['tuples'], lambda power: _power('n', power))}$ is the number of tuples with a "
        rf"given pattern of {_counted(data['blocks'], 'block')}."
    ),
    "moment of fixed points": _moment,
    "power in falling factorials": lambda data: (
        rf"$x^{{{data['exponent']}}} = {polynomial(data['coefficients'], _falling('x'))}$."
    ),
    "dimensions": lambda data: (
        rf"for \texttt{{{escape(data['set'])}}} $= 0, 1, \ldots$, both ways: {_numbers(data['values'])}."
    ),
    "product over index sets": lambda data: (
        rf"the index sets are permuted independently; in all {data['operators']} for large sizes."
    ),
    "disjoint supports": lambda data: (
        rf"no tuple has two patterns out of {data['operators']}: $\langle O_g, O_d\rangle = 0$ for $g \ne d$."
    ),
    "sum over a block": _sum_over_a_block,
    "coarsenings by blocks": lambda data: (
        rf"what is coarser than a set partition with {_counted(data['blocks'], 'block')}, counted by blocks: "
        rf"{_numbers(data['by_blocks'])}."
    ),
    "joins": lambda data: (
        rf"${blocks(data['rgs'])} \vee d$ for all $d$, by slot: {_numbers(data['slots'][:40])}"
        rf"{', ...' if len(data['slots']) > 40 else ''}."
    ),
    "joins by the lemma": lambda data: rf"$D_g D_d = D_{{g \vee d}}$ for all {data['pairs']} pairs.",
    "unitriangular zeta": lambda data: (
        rf"$Z$ has {_counted(data['intervals'], 'one')}, none above the diagonal, all on it: $\det Z = 1$."
    ),
    "determinant": _determinant,
    "moebius by expansion": lambda data: (
        rf"${_sizes(data['symbols'])}$ symbols: $\prod (1 - \delta) = \sum_h \mu(h) D_h$ with "
        rf"{_numbers(data['values'][:40])}{', ...' if len(data['values']) > 40 else ''}."
    ),
    "sums of one": lambda data: (
        rf"${_sizes(data['symbols'])}$ symbols: $\sum_h O_h = D_{{\text{{finest}}}}$ and "
        r"$\sum_h \mu(h) D_h = O_{\text{finest}}$."
    ),
    "substituted blocks": _terms,
    "stacked": _stacked,
    "stacked by blocks": lambda data: (
        rf"any two stacked diagrams are products of such blocks: all {data['pairs']} pairs."
    ),
    "nullspace": _solved(r"the nullspace over $\mathbb{Q}$"),
    "merged tuples": _solved("merged along the generators"),
    "contraction": _way("summed over"),
    "broadcast": _way("copied along"),
    "matrix product": lambda data: (
        rf"contractions ${_tensors(data['sources'])}$ into broadcasts ${_tensors(data['targets'])}$, axes "
        rf"permuted: {_counted(len(data['slots']), 'slot')}, {_numbers(data['slots'][:40])}"
        rf"{', ...' if len(data['slots']) > 40 else ''}."
    ),
    "every weight slot": lambda data: rf"the products make each of {_counted(data['slots'], 'slot')} once.",
    "every bias slot": lambda data: (
        rf"the biases go, slot by slot, into the broadcasts {_numbers(data['broadcasts'][:40])}"
        rf"{', ...' if len(data['broadcasts']) > 40 else ''}, which write them onto their patterns."
    ),
    "emitted file": lambda data: (
        rf"this plan has the sha256 \texttt{{{data['plan']}}}, and \texttt{{{escape(data['name'])}}}, which "
        rf"carries it out, \texttt{{{data['sha256']}}} (symeq {escape(data['symeq'])}; content "
        rf"\texttt{{{data['content']}}}, templates \texttt{{{data['template']}}})."
    ),
    "translation validation": lambda data: (
        rf"\textbf{{attested, not checked:}} symeq verify, with torch {escape(data['torch'])}, proved the "
        rf"source with sha256 \texttt{{{data['file']}}}. Settings forward: {_settings(data['forward'])}; "
        rf"backward: {_settings(data['backward'])}."
    ),
}
