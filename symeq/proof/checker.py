"""An independent checker of certificates: the standard library only, nothing else of symeq, no SymPy.

A certificate lists claims about the equivariant linear maps of a signature, each with its steps. For every
claim this program writes the outline of the proof anew from the signature alone (which steps, in which order,
about which set partitions), re-applies the rule of each step, and compares. A step that is left out, doubled,
out of place or wrong is named together with its claim and its rule. Statement and scope are derived here and
only compared with the file's. ``docs/proofs.md`` says why the steps imply the claims.

It also runs by itself: ``python checker.py FILE``. Exit code 0 when every claim holds, 1 when one does not,
2 when the file cannot be read as a certificate.

Words: positions 0..m-1 are the axes, inputs first; each runs over one index set. A set partition of the
positions is a restricted growth string (``rgs``), and its blocks never mix index sets. ``D_g`` is the product
of delta(x_p, x_q) over positions in one block of g; ``O_g`` also has the factors 1 - delta across blocks of
one index set. Polynomials in n are lists of integer coefficients, lowest power first.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import getfullargspec
from itertools import combinations, pairwise, product
from math import comb, factorial, prod
from typing import Any

FORMAT = "symeq certificate"
VERSION = 1
KINDS = (
    "closure",
    "completeness",
    "dimension",
    "independence",
    "change of basis",
    "composition",
    "cross-check",
)
CERTIFICATE_KEYS = ("format", "version", "tool", "signature", "claims")
CLAIM_KEYS = ("kind", "statement", "scope", "steps")

MOST_BYTES = 2**25  # of a certificate, looked at before it is read
MOST_AXES = 64
MOST_OPERATORS = 4140  # Bell(8)
MOST_INTERVALS = 167_894  # pairs of a set partition of 8 elements and a coarser one
MOST_LISTED = 203  # Bell(6): up to so many operators, joins and compositions are listed pair by pair
MOST_NULLSPACE = 700  # index tuples; the prover's method changes there
MOST_TUPLES = 1_500_000  # over all sizes of the finite cross-check

Rgs = tuple[int, ...]
Data = dict[str, Any]


class UnreadableCertificateError(ValueError):
    """What was given is no certificate that this checker can read; nothing was checked."""


class FailedStepError(Exception):
    """A step does not follow."""


# ------------------------------------------------------------------ what is derived from the signature


@lru_cache(maxsize=256)
def partitions(sets: tuple[str, ...]) -> tuple[Rgs, ...]:
    """All set partitions of typed elements whose blocks stay inside one index set, in lexicographic order."""
    strings: list[Rgs] = [()]
    for at, name in enumerate(sets):
        strings = [
            (*rgs, block)
            for rgs in strings
            for block in (*sorted({rgs[p] for p in range(at) if sets[p] == name}), max(rgs, default=-1) + 1)
        ]
    return tuple(strings)


def stirling(m: int) -> list[int]:
    """The number of set partitions of m elements into b blocks, b = 0..m."""
    row = [1]
    for _ in range(m):
        row = [b * same + fewer for b, (same, fewer) in enumerate(zip([*row, 0], [0, *row], strict=True))]
    return row


def operators_of(sets: tuple[str, ...]) -> int:
    """How many set partitions keep the index sets apart, counted without listing them."""
    return prod(sum(stirling(size)) for size in Counter(sets).values())


def intervals_of(sets: tuple[str, ...]) -> int:
    """How many pairs of a set partition and a coarser one there are (OEIS A000258, for one index set)."""
    bell = [sum(stirling(b)) for b in range(len(sets) + 1)]
    return prod(sum(s * bell[b] for b, s in enumerate(stirling(size))) for size in Counter(sets).values())


def renumbered(labels: list[int]) -> Rgs:
    """The restricted growth string of the labels' equality pattern."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def linked(size: int, *strings: Rgs) -> list[int]:
    """A label for each of ``size`` elements, equal where a chain of equal labels in the strings links them.

    A negative label in a string links nothing.
    """
    label = list(range(size))
    for rgs in strings:
        first: dict[int, int] = {}
        for at, block in enumerate(rgs):
            if block >= 0 and label[first.setdefault(block, at)] != label[at]:
                old, new = label[at], label[first[block]]
                label = [new if other == old else other for other in label]
    return label


@lru_cache(maxsize=256)
def expansion(owners: tuple[str, ...]) -> dict[Rgs, int]:
    """The product of 1 - delta over the pairs of one index set, multiplied out: set partition -> coefficient.

    Deltas obey ``D_g delta(x_p, x_q) = D_h``, h being g with the blocks of p and q merged.
    """
    terms = {tuple(range(len(owners))): 1}
    for p, q in combinations(range(len(owners)), 2):
        if owners[p] == owners[q]:
            for rgs, coefficient in list(terms.items()):
                merged = renumbered([rgs[p] if block == rgs[q] else block for block in rgs])
                terms[merged] = terms.get(merged, 0) - coefficient
    return terms


def falling(b: int) -> list[int]:
    """The polynomial n (n - 1) ... (n - b + 1)."""
    polynomial = [1]
    for i in range(b):
        polynomial = [low - i * same for low, same in zip([0, *polynomial], [*polynomial, 0], strict=True)]
    return polynomial


def fixing(n: int, f: int) -> int:
    """How many permutations of n elements fix exactly f."""
    moved = n - f
    derangements: int = sum((-1) ** i * factorial(moved) // factorial(i) for i in range(moved + 1))
    return comb(n, f) * derangements


class Setting:
    """A signature and what follows from it."""

    def __init__(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.sets = inputs + outputs
        self.names = tuple(dict.fromkeys(self.sets))
        self.sizes = {name: self.sets.count(name) for name in self.names}
        self.largest = max(self.sizes.values(), default=0)
        self.strings = partitions(self.sets)
        self.slots = {rgs: slot for slot, rgs in enumerate(self.strings)}
        self.listed = len(self.strings) <= MOST_LISTED
        self.text = f"{' '.join(inputs)} -> {' '.join(outputs)}".strip()

    def owners(self, rgs: Rgs) -> tuple[str, ...]:
        """The index set of every block."""
        return tuple(dict(zip(rgs, self.sets, strict=True)).values())

    def blocks(self, rgs: Rgs) -> dict[str, int]:
        """The number of blocks in every index set."""
        found = Counter(self.owners(rgs))
        return {name: found[name] for name in self.names}

    def coarser(self, rgs: Rgs) -> list[Rgs]:
        """The coarser set partitions: those of the blocks."""
        return [tuple(merger[block] for block in rgs) for merger in partitions(self.owners(rgs))]

    def block_counts(self) -> list[tuple[int, ...]]:
        """The numbers of blocks that set partitions have, one number for each index set."""
        return list(product(*(range(1, self.sizes[name] + 1) for name in self.names)))

    def cross_checked(self) -> list[dict[str, int]]:
        """The sizes at which the constraints are solved: from 0 on, index sets apart from each other.

        Every size goes up to one more than the positions of its index set, as far as MOST_TUPLES allows.
        """
        found: list[dict[str, int]] = []
        work = 0
        steps = [at % 3 for at in range(len(self.names))]
        for start in range(self.largest + 2):
            for more in (steps, steps[::-1]):
                sizes = {n: min(start + s, self.sizes[n] + 1) for n, s in zip(self.names, more, strict=True)}
                if sizes not in found:
                    work += prod(sizes[name] for name in self.sets)
                    if work > MOST_TUPLES:
                        return found
                    found.append(sizes)
        return found


# ------------------------------------------------------------------ comparing


def same(what: str, got: Any, derived: Any) -> None:
    """That ``got`` is what was derived, an integer being an integer and neither a bool nor a float."""
    if type(got) is not type(derived):
        raise FailedStepError(f"{what} is {shown(got)}, and should be {shown(derived)}")
    if isinstance(derived, dict):
        if set(got) != set(derived):
            raise FailedStepError(f"the keys of {what} should be {', '.join(derived) or 'none'}")
        for key, value in derived.items():
            same(f"{what} of {key}", got[key], value)
    elif isinstance(derived, list):
        if len(got) != len(derived):
            raise FailedStepError(f"{what}: {len(got)} entries, and there should be {len(derived)}")
        for at, (entry, value) in enumerate(zip(got, derived, strict=True)):
            same(f"{what}[{at}]", entry, value)
    elif got != derived:
        raise FailedStepError(f"{what} is {shown(got)}, and should be {shown(derived)}")


def shown(value: Any) -> str:
    """The value in ASCII, cut off where it is long; nothing of a nested value but its kind."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) is int and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


# ------------------------------------------------------------------ the rules
# A rule takes the setting and its subject, and as keywords the fields of the step: exactly those.


def injective_relabelling(at: Setting, pair: list[int], *, positions: Any, left: Any, right: Any) -> None:
    """delta(x, y) = delta(pi x, pi y), since pi is injective; powers of pi at the two arguments.

    On the left stands ``L[i, pi^-1 j]``, on the right ``L[pi i, j]``: each power rises by one.
    """
    same("positions", positions, pair)
    is_input = [p < len(at.inputs) for p in pair]
    same("left", left, [0 if inner else -1 for inner in is_input])
    same("right", right, [1 if inner else 0 for inner in is_input])
    same("left after applying pi", [power + 1 for power in left], right)


def product_of_deltas(at: Setting, g: Rgs, *, rgs: Any, equal: Any, distinct: Any) -> None:
    """O_g is the product of delta over ``equal`` and of 1 - delta over ``distinct``.

    A chain through every block says that its indices are equal; the first positions of two blocks of one
    index set say that theirs differ.
    """
    same("rgs", rgs, list(g))
    blocks = [[p for p, block in enumerate(g) if block == label] for label in range(len(set(g)))]
    same("equal", equal, sorted(list(pair) for block in blocks for pair in pairwise(block)))
    firsts = combinations([block[0] for block in blocks], 2)
    same("distinct", distinct, [[p, q] for p, q in firsts if at.sets[p] == at.sets[q]])


def product_of_invariant_factors(at: Setting, _: None, *, operators: Any) -> None:
    """Every factor of every O_g is invariant under relabelling, hence so is O_g."""
    same("operators", operators, len(at.strings))


def witness_permutation(at: Setting, g: Rgs, *, rgs: Any, images: Any, elsewhere: Any) -> None:
    """For a, b of pattern g: a_p -> b_q for [p, q] in ``images`` extends to a permutation with pi a = b.

    A partial map that is well defined and injective, from as many of n elements as it reaches, leaves n minus
    that many on either side (``elsewhere``: how many are taken away), which are matched in order.
    """
    same("rgs", rgs, list(g))
    if type(images) is not dict or set(images) != set(at.names):
        raise FailedStepError(f"images: expected a list for each of {', '.join(at.names)}")
    for name, pairs in images.items():
        if type(pairs) is not list or any(
            type(pair) is not list or [type(p) for p in pair] != [int, int] for pair in pairs
        ):
            raise FailedStepError(f"images of {name}: expected pairs of positions")
        own = [p for p, owner in enumerate(at.sets) if owner == name]
        if any(p not in own for pair in pairs for p in pair):
            raise FailedStepError(f"images of {name}: a position that does not run over {name}")
        if len({g[p] for p, _ in pairs}) < len(pairs):
            raise FailedStepError(f"images of {name}: not well defined, an element has two images")
        if len({g[q] for _, q in pairs}) < len(pairs):
            raise FailedStepError(f"images of {name}: not injective, two elements have the same image")
        if any(g[p] != g[q] for p, q in pairs):
            raise FailedStepError(f"images of {name}: a does not go to b")
        same(f"images of {name}", pairs, [[p, p] for p in own if p == g.index(g[p])])
    same("elsewhere", elsewhere, at.blocks(g))


def constant_on_patterns(at: Setting, _: None, *, patterns: Any) -> None:
    """L is equivariant iff L(pi a) = L(a), so the witnesses make it constant on each of the patterns."""
    same("patterns", patterns, len(at.strings))


def one_pattern_each(at: Setting, _: None, *, patterns: Any) -> None:
    """Every tuple has exactly one pattern, and all set partitions are there: L is the sum of c_g O_g."""
    same("patterns", patterns, operators_of(at.sets))


def patterns_by_blocks(at: Setting, name: str, *, set: Any, by_blocks: Any) -> None:
    """The set partitions of the positions of one index set, counted by their blocks: two ways."""
    same("set", set, name)
    size = at.sizes[name]
    counted = Counter(max(rgs, default=-1) + 1 for rgs in partitions((name,) * size))
    same("by_blocks", by_blocks, [counted[b] for b in range(size + 1)])
    same("by_blocks", by_blocks, stirling(size))


def size_of_a_pattern(at: Setting, b: int, *, blocks: Any, tuples: Any) -> None:
    """A pattern of b blocks is shown by n (n-1) ... (n-b+1) tuples: by none exactly if n < b."""
    same("blocks", blocks, b)
    same("tuples", tuples, falling(b))
    for n in range(b + 2):
        value = sum(coefficient * n**power for power, coefficient in enumerate(tuples))
        same(f"tuples at n = {n}", value, prod(n - i for i in range(b)))


def moment_of_fixed_points(at: Setting, j: int, *, falling_power: Any, factors: Any) -> None:
    """The mean of fix (fix-1) ... (fix-j+1) is 1 from n >= j on and 0 below.

    Each of the n (n-1) ... (n-j+1) injective j-tuples is fixed by (n-j)! permutations, and n! is (n-j)! times
    n - f over the ``factors`` f: (n-f)! = (n-f) (n-f-1)!, one after another.
    """
    same("falling_power", falling_power, j)
    same("factors", factors, list(range(j)))
    for n in range(j + 2):
        total = sum(fixing(n, f) * prod(f - i for i in range(j)) for f in range(n + 1))
        same(f"the sum over permutations at n = {n}", total, factorial(n) if n >= j else 0)


def power_in_falling_factorials(at: Setting, power: int, *, exponent: Any, coefficients: Any) -> None:
    """x^m is the sum of S(m, j) x (x-1) ... (x-j+1): an identity of polynomials."""
    same("exponent", exponent, power)
    same("coefficients", coefficients, stirling(power))
    total = [0] * (power + 1)
    for j, coefficient in enumerate(coefficients):
        for at_power, value in enumerate(falling(j)):
            total[at_power] += coefficient * value
    same("the sum", total, [0] * power + [1])


def dimensions(at: Setting, name: str, *, set: Any, values: Any) -> None:
    """The dimension at n = 0..m, by counting patterns and by Burnside's average of fix^m: the same."""
    same("set", set, name)
    size = at.sizes[name]
    same("values", values, [sum(stirling(size)[: n + 1]) for n in range(size + 1)])
    for n, value in enumerate(values):
        total = sum(fixing(n, f) * f**size for f in range(n + 1))
        same(f"n! times the dimension at n = {n}", factorial(n) * value, total)


def product_over_index_sets(at: Setting, _: None, *, operators: Any) -> None:
    """The index sets are permuted independently: their dimensions multiply."""
    same("operators", operators, len(at.strings))


def disjoint_supports(at: Setting, _: None, *, operators: Any) -> None:
    """No tuple has two patterns, so <O_g, O_d> = 0 for g other than d."""
    same("operators", operators, len(at.slots))


def sum_over_a_block(at: Setting, shape: tuple[int, int], *, summed: Any, kept: Any, factor: Any) -> None:
    """Summing over some indices of one block: n to the ``factor``, and the others stay linked.

    An index in a delta with another one is eliminated by it, sum_y delta(y, w) F(y) = F(w), at the factor 1;
    one that is alone gives n.
    """
    same("summed", summed, shape[0])
    same("kept", kept, shape[1])
    block = [*range(shape[0]), *range(-shape[1], 0)]  # the indices summed over, then the others
    chain, power = list(pairwise(block)), 0
    for y in range(shape[0]):
        uses = [pair for pair in chain if y in pair]
        if uses:
            w = uses[0][1] if uses[0][0] == y else uses[0][0]
            chain = [(w if p == y else p, w if q == y else q) for p, q in chain if (p, q) != uses[0]]
        else:
            power += 1
    same("what is left", [list(pair) for pair in chain], [[p, p + 1] for p in range(-shape[1], -1)])
    same("factor", factor, power)


def coarsenings_by_blocks(at: Setting, b: int, *, blocks: Any, by_blocks: Any) -> None:
    """The coarser set partitions of one with b blocks are those of its blocks, counted by their own."""
    same("blocks", blocks, b)
    counted = Counter(max(rgs, default=-1) + 1 for rgs in partitions(("n",) * b))
    same("by_blocks", by_blocks, [counted[j] for j in range(b + 1)])


def joins(at: Setting, g: Rgs, *, rgs: Any, slots: Any) -> None:
    """<D_g, D_d> counts the tuples constant on the blocks of the join: D_g D_d = D_(g v d), for every d.

    What is coarser than both is coarser than the join: so (Z diag Z^T)[g, d] sums over what lies above it.
    """
    same("rgs", rgs, list(g))
    found = [renumbered(linked(len(g), g, d)) for d in at.strings]
    same("slots", slots, [at.slots[join] for join in found])
    above = _above(at)
    for d, join in zip(at.strings, found, strict=True):
        if above[g] & above[d] != above[join]:
            raise FailedStepError(f"what is coarser than both is not what is coarser than {list(join)}")


def joins_by_the_lemma(at: Setting, _: None, *, pairs: Any) -> None:
    """D_g D_d = D_(g v d) for every pair: a product of deltas asks for the equalities of both. Not listed."""
    same("pairs", pairs, len(at.strings) ** 2)


def unitriangular_zeta(at: Setting, _: None, *, intervals: Any) -> None:
    """In slot order Z, which has its ones where d is coarser than g, is unitriangular: det Z = 1."""
    total = 0
    for g in at.strings:
        above = at.coarser(g)
        if above.count(g) != 1 or max(above) != g:
            raise FailedStepError(f"something coarser than {list(g)} comes later")
        total += len(above)
    same("intervals", intervals, total)


def determinant(at: Setting, _: None, *, factors: Any) -> None:
    """det(Gram(D)) is the product of the sizes of the patterns: [numbers of blocks, how many have them]."""
    counted = Counter(tuple(at.blocks(g).values()) for g in at.strings)
    same("factors", factors, [[list(blocks), counted[blocks]] for blocks in sorted(counted)])


def moebius_by_expansion(at: Setting, blocks: tuple[int, ...], *, symbols: Any, values: Any) -> None:
    """The product of 1 - delta over all pairs of distinct symbols, multiplied out: mu of each partition."""
    same("symbols", symbols, dict(zip(at.names, blocks, strict=True)))
    owners = _owners(at, blocks)
    same("values", values, [expansion(owners).get(rgs, 0) for rgs in partitions(owners)])


def sums_of_one(at: Setting, blocks: tuple[int, ...], *, symbols: Any, zeta: Any, moebius: Any) -> None:
    """Each way after the other is the identity, on the delta expressions of as many symbols.

    ``zeta``: the sum of all O_h, as D's: 1 = D of the finest. ``moebius``: the sum of mu(h) D_h, as O's.
    """
    same("symbols", symbols, dict(zip(at.names, blocks, strict=True)))
    owners = _owners(at, blocks)
    finest = tuple(range(len(owners)))
    as_diagrams, as_orbits = Counter[Rgs](), Counter[Rgs]()
    for h in partitions(owners):
        inner = tuple(dict(zip(h, owners, strict=True)).values())
        mu = expansion(owners).get(h, 0)
        for merger in partitions(inner):
            coarser = tuple(merger[block] for block in h)
            as_diagrams[coarser] += expansion(inner).get(merger, 0)
            as_orbits[coarser] += mu
    for what, given, sums in (("zeta", zeta, as_diagrams), ("moebius", moebius, as_orbits)):
        same(what, given, [sums[rgs] for rgs in partitions(owners)])
        same(what, given, [int(rgs == finest) for rgs in partitions(owners)])


def substituted_blocks(at: Setting, g: Rgs, *, rgs: Any, terms: Any) -> None:
    """O_g is D_g times the product of 1 - delta over the blocks: [slot of d, mu(g, d)] for all coarser d."""
    same("rgs", rgs, list(g))
    values = expansion(at.owners(g))
    wanted = {
        at.slots[tuple(merger[block] for block in g)]: values[merger] for merger in partitions(at.owners(g))
    }
    same("terms", terms, [[slot, wanted[slot]] for slot in sorted(wanted)])


def stacked(at: Setting, d: Rgs, *, rgs: Any, results: Any) -> None:
    """D_d after D_g for every g: the set partition that is left, and for each index set the blocks lost.

    Three rows of points, the inputs of g, the middle, the outputs of d, are linked by the blocks of both.
    """
    same("rgs", rgs, list(d))
    k, middle = len(at.inputs), len(at.outputs)
    found = []
    for g in at.strings:
        label = linked(2 * k + middle, g + (-1,) * k, (-1,) * k + d)
        outer = label[:k] + label[k + middle :]
        lost = Counter(
            dict(item for item in zip(label[k:], at.outputs, strict=False) if item[0] not in outer).values()
        )
        found.append([list(renumbered(outer)), [lost[name] for name in at.names]])
    same("results", results, found)


def stacked_by_blocks(at: Setting, _: None, *, pairs: Any) -> None:
    """Any two stacked diagrams are a product over blocks of the shapes above: every pair. Not listed."""
    same("pairs", pairs, len(at.strings) ** 2)


def nullspace(
    at: Setting, n: dict[str, int], *, sizes: Any, generators: Any, tuples: Any, dimension: Any
) -> None:
    """The prover solved the constraints of two generators over QQ. Here: as below."""
    merged_tuples(at, n, sizes=sizes, generators=generators, tuples=tuples, dimension=dimension)


def merged_tuples(
    at: Setting, n: dict[str, int], *, sizes: Any, generators: Any, tuples: Any, dimension: Any
) -> None:
    """L is constant along a transposition and an n-cycle of each index set: one number for each orbit.

    The generators preserve patterns, so as many orbits as patterns with at most n blocks, all of different
    patterns, are those patterns: the O_g span.
    """
    same("sizes", sizes, n)
    wanted = {name: _generators(size) for name, size in n.items()}
    same("generators", generators, wanted)
    total = prod(n[name] for name in at.sets)
    same("tuples", tuples, total)
    moves = []
    for name, permutations in wanted.items():
        for images in permutations:
            move = [0]
            for own in at.sets:
                values = images if own == name else range(n[own])
                move = [start * n[own] + value for start in move for value in values]
            moves.append(move)
    seen, patterns = bytearray(total), Counter[Rgs]()
    for start in range(total):
        if seen[start]:
            continue
        patterns[_pattern(at, start, n)] += 1
        stack, seen[start] = [start], 1
        while stack:
            here = stack.pop()
            for move in moves:
                if not seen[move[here]]:
                    seen[move[here]] = 1
                    stack.append(move[here])
    same("dimension", dimension, patterns.total())
    same("dimension", dimension, prod(sum(stirling(at.sizes[name])[: size + 1]) for name, size in n.items()))
    same("dimension", dimension, len(patterns))


def _owners(at: Setting, blocks: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(name for name, b in zip(at.names, blocks, strict=True) for _ in range(b))


@lru_cache(maxsize=1)
def _above(at: Setting) -> dict[Rgs, int]:
    return {g: sum(1 << at.slots[d] for d in at.coarser(g)) for g in at.strings}


def _generators(size: int) -> list[list[int]]:
    """A transposition and the cycle i -> i + 1, which generate all permutations."""
    return [[1, 0, *range(2, size)], [*range(1, size), 0]] if size > 1 else []


def _pattern(at: Setting, number: int, n: dict[str, int]) -> Rgs:
    """The equality pattern of the index tuple with this number, the last position running fastest."""
    labels = []
    for name in reversed(at.sets):
        number, value = divmod(number, n[name])
        labels.append(at.names.index(name) + len(at.names) * value)
    return renumbered(labels[::-1])


# ------------------------------------------------------------------ the claims
# The outline of every proof: which rule is applied to what, in this order.

Outline = Iterator[tuple[Callable[..., None], Any]]


def _closure(at: Setting) -> Outline:
    for p, q in combinations(range(len(at.sets)), 2):
        if at.sets[p] == at.sets[q]:
            yield injective_relabelling, [p, q]
    yield from ((product_of_deltas, g) for g in at.strings)
    yield product_of_invariant_factors, None


def _completeness(at: Setting) -> Outline:
    yield from ((witness_permutation, g) for g in at.strings)
    yield constant_on_patterns, None
    yield one_pattern_each, None


def _dimension(at: Setting) -> Outline:
    yield from ((patterns_by_blocks, name) for name in at.names)
    yield from ((size_of_a_pattern, b) for b in range(at.largest + 1))
    yield from ((moment_of_fixed_points, j) for j in range(at.largest + 1))
    yield from ((power_in_falling_factorials, size) for size in sorted(set(at.sizes.values())))
    yield from ((dimensions, name) for name in at.names)
    yield product_over_index_sets, None


def _independence(at: Setting) -> Outline:
    yield from ((size_of_a_pattern, b) for b in range(at.largest + 1))
    yield disjoint_supports, None
    yield from ((sum_over_a_block, (a, 0)) for a in range(1, at.largest + 1))
    yield from ((coarsenings_by_blocks, b) for b in range(at.largest + 1))
    yield from ((power_in_falling_factorials, b) for b in range(at.largest + 1))
    yield from ((joins, g) for g in at.strings) if at.listed else [(joins_by_the_lemma, None)]
    yield unitriangular_zeta, None
    yield determinant, None


def _change_of_basis(at: Setting) -> Outline:
    yield from ((moebius_by_expansion, blocks) for blocks in at.block_counts())
    yield from ((sums_of_one, blocks) for blocks in at.block_counts())
    yield from ((substituted_blocks, g) for g in at.strings)


def _composition(at: Setting) -> Outline:
    middle = max((at.outputs.count(name) for name in at.names), default=0)
    outer = max((2 * at.inputs.count(name) for name in at.names), default=0)
    yield from ((sum_over_a_block, (a, b)) for a in range(1, middle + 1) for b in range(outer + 1))
    if at.listed:
        yield from ((stacked, d) for d in partitions(at.outputs + at.inputs))
    else:
        yield stacked_by_blocks, None


def _cross_check(at: Setting) -> Outline:
    for n in at.cross_checked():
        small = prod(n[name] for name in at.sets) <= MOST_NULLSPACE
        yield nullspace if small else merged_tuples, n


OUTLINES: dict[str, Callable[[Setting], Outline]] = dict(
    zip(
        KINDS,
        (_closure, _completeness, _dimension, _independence, _change_of_basis, _composition, _cross_check),
        strict=True,
    )
)


def rule_name(rule: Callable[..., None]) -> str:
    """The name of a rule as certificates spell it."""
    return rule.__name__.replace("_", " ")


def statement(at: Setting, kind: str) -> str:
    """What a claim says, in words."""
    number = len(at.strings)
    operators = "the orbit operator" if number == 1 else f"each of the {number} orbit operators"
    sums = [f"(sum over b <= {name} of S({size}, b))" for name, size in at.sizes.items()]
    enough = " and ".join(f"{name} >= {size}" for name, size in at.sizes.items())
    several = len(at.names) > 1
    factor = "".join(f"{name}^r{f'_{name}' * several} " for name in dict.fromkeys(at.outputs))
    says = {
        "closure": f"{operators} satisfies L[i, pi^-1(j)] = L[pi(i), j] for all pi, i, j",
        "completeness": "tuples of one equality pattern are related by a permutation, so an equivariant L is"
        " constant on patterns, and the orbit operators span",
        "dimension": f"the dimension is {' '.join(sums)}, which is {number} from {enough} on"
        if sums
        else "the dimension is 1",
        "independence": "<O_g, O_d> = [g = d] times the size of the pattern g; <D_g, D_d> counts the tuples"
        " constant on the join; Gram(D) = Z diag(sizes of the patterns) Z^T, so det Gram(D) is the product of"
        " the sizes: the diagram operators are independent" + (f" from {enough} on" if enough else ""),
        "change of basis": "D_g = sum of O_d, and O_g = sum of mu(g, d) D_d, over the d coarser than g; each"
        " way is the inverse of the other",
        "composition": f"D_d o D_g = {factor}D_(d.g) for all diagrams g of this signature and d of the"
        f" reverse one{', r being the number of blocks lost in the middle' if factor else ''}",
        "cross-check": "the solutions of the constraints for two generators of each symmetric group have the"
        " claimed dimension, and the orbit operators span them",
    }
    return f"{at.text}: {says[kind]}"


def scope(at: Setting, kind: str, steps: list[Data]) -> str:
    """For which sizes the steps, all of which hold, show the claim."""
    if kind == "cross-check":
        names = at.names[0] if len(at.names) == 1 else f"({', '.join(at.names)})"
        found: dict[str, list[str]] = {}
        for step in steps:
            sizes = [step["sizes"][name] for name in at.names]
            found.setdefault(step["rule"], []).append(
                str(sizes[0]) if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"
            )
        if not at.names:
            return f"no index sets, by {', '.join(found)}"
        return "; ".join(f"{names} = {', '.join(listed)} by {rule}" for rule, listed in found.items())
    every = f"every {' and '.join(at.names)}" if at.names else "no index sets"
    rules = {step["rule"] for step in steps}
    if rules & {rule_name(joins), rule_name(stacked)}:
        return f"{every}; every pair, listed"
    if rules & {rule_name(joins_by_the_lemma), rule_name(stacked_by_blocks)}:
        return f"{every}; every pair, by a lemma on blocks"
    return every


# ------------------------------------------------------------------ checking


@dataclass(frozen=True)
class Verdict:
    """What checking one claim found: ``scope`` is derived from its steps, ``failure`` empty if it holds."""

    kind: str
    statement: str
    scope: str
    steps: int
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the claim holds."""
        return not self.failure


@dataclass(frozen=True)
class CheckReport:
    """What checking a certificate found. ``print`` shows it as a table."""

    signature: str
    tool: str
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all claims are there and hold."""
        return not self.problems and bool(self.verdicts) and all(verdict.ok for verdict in self.verdicts)

    def to_json(self) -> str:
        """The report as JSON."""
        claims = [vars(verdict) | {"ok": verdict.ok} for verdict in self.verdicts]
        record = {"signature": self.signature, "tool": self.tool, "ok": self.ok}
        return json.dumps(record | {"problems": self.problems, "claims": claims}, indent=2)

    def __str__(self) -> str:
        lines = [f'Certificate for "{self.signature}", made by {self.tool}']
        lines += [f"  FAIL {problem}" for problem in self.problems]
        for verdict in self.verdicts:
            head = f"  {'ok' if verdict.ok else 'FAIL':<5}{verdict.kind:<16}{verdict.steps:>6} steps  "
            lines += wrapped(verdict.scope or "no scope", head)
            lines += wrapped(verdict.failure or verdict.statement.partition(": ")[2], " " * 7)
        number, failed = len(self.verdicts), sum(not verdict.ok for verdict in self.verdicts)
        wrong = f": {failed} of {number} claims fail" if failed else ""
        lines.append(f"{number} claims hold" if self.ok else f"the certificate does NOT hold{wrong}")
        return "\n".join(lines)


def wrapped(text: str, head: str) -> list[str]:
    """The text in lines, the first after ``head``."""
    blank = " " * len(head)
    return textwrap.wrap(text, 110, initial_indent=head, subsequent_indent=blank, break_on_hyphens=False)


def check(document: Any) -> CheckReport:
    """What re-applying every step of a certificate finds; ``document`` is its JSON, loaded.

    Raises:
        UnreadableCertificateError: no certificate, a format that this checker does not know, or a signature
            with more operators than it lists.
    """
    if type(document) is not dict or document.get("format") != FORMAT:
        raise UnreadableCertificateError(f'no certificate: expected an object with "format": "{FORMAT}"')
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise UnreadableCertificateError(
            f"format version {shown(version)}: this checker knows version {VERSION}"
        )
    try:
        at = _setting(document)
    except FailedStepError as error:
        return CheckReport("?", "?", (), (str(error),))
    claims = document["claims"]
    kinds = [claim.get("kind") if type(claim) is dict else None for claim in claims]
    problems = []
    if kinds != list(KINDS):
        listing = ", ".join(shown(kind) for kind in kinds[:12])
        problems.append(f"the claims are [{listing}], and should be [{', '.join(KINDS)}], each once")
    verdicts = (
        _verdict(at, kind, claims[kinds.index(kind)])
        if kind in kinds
        else Verdict(kind, statement(at, kind), "", 0, "the claim is left out")
        for kind in KINDS
    )
    return CheckReport(at.text, document["tool"], tuple(verdicts), tuple(problems))


def _setting(document: Data) -> Setting:
    same("the certificate's keys", dict.fromkeys(document), dict.fromkeys(CERTIFICATE_KEYS))
    tool, claims, signature = document["tool"], document["claims"], document["signature"]
    if type(tool) is not str or not re.fullmatch(r"\w{1,20} \d[\w.+-]{0,40}", tool, re.ASCII):
        raise FailedStepError("tool: expected the name and version of the program that made it")
    if type(claims) is not list:
        raise FailedStepError("claims: expected a list")
    if type(signature) is not dict or set(signature) != {"inputs", "outputs"}:
        raise FailedStepError('signature: expected "inputs" and "outputs"')
    for side, names in signature.items():
        if type(names) is not list or len(names) > MOST_AXES:
            raise FailedStepError(f"signature: {side} are no list of at most {MOST_AXES} index-set names")
        for name in names:
            if type(name) is not str or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise FailedStepError(f"signature: {shown(name)} is no index-set name")
    inputs, outputs = tuple(signature["inputs"]), tuple(signature["outputs"])
    for number, most, what in (
        (operators_of(inputs + outputs), MOST_OPERATORS, "operators"),
        (intervals_of(inputs + outputs), MOST_INTERVALS, "comparable pairs of set partitions"),
    ):
        if number > most:
            raise UnreadableCertificateError(f"{number} {what}: this checker lists at most {most}")
    return Setting(inputs, outputs)


def _verdict(at: Setting, kind: str, claim: Data) -> Verdict:
    says, derived, steps = statement(at, kind), "", claim.get("steps")
    number = len(steps) if type(steps) is list else 0
    try:
        same("the claim's keys", dict.fromkeys(claim), dict.fromkeys(CLAIM_KEYS))
        if type(steps) is not list:
            raise FailedStepError("steps: expected a list")
        _follow(at, OUTLINES[kind](at), steps)
        derived = scope(at, kind, steps)
        same("statement", claim["statement"], says)
        same("scope", claim["scope"], derived)
    except FailedStepError as error:
        return Verdict(kind, says, derived, number, str(error))
    return Verdict(kind, says, derived, number)


def _follow(at: Setting, outline: Outline, steps: list[Any]) -> None:
    number = 0
    for number, (rule, subject) in enumerate(outline, start=1):
        name = rule_name(rule)
        where = f"step {number} ({name})"
        if number > len(steps):
            raise FailedStepError(f"{where} is left out: the claim ends after {counted(len(steps))}")
        step = steps[number - 1]
        given = step.get("rule") if type(step) is dict else step
        if given != name or type(given) is not str:
            raise FailedStepError(f"{where}: {shown(given)} stands in its place")
        fields = getfullargspec(rule).kwonlyargs
        try:
            same("the step", dict.fromkeys(step), dict.fromkeys(["rule", *fields]))
            rule(at, subject, **{field: step[field] for field in fields})
        except FailedStepError as error:
            raise FailedStepError(f"{where}: {error}") from None
    if number < len(steps):
        raise FailedStepError(f"{counted(len(steps) - number)} too many, after step {number}")


def counted(steps: int) -> str:
    """So many steps, in words."""
    return f"{steps} step{'' if steps == 1 else 's'}"


# ------------------------------------------------------------------ reading


def read(path: str | os.PathLike[str]) -> Any:
    """The JSON in a file, loaded; nothing of it is checked yet.

    Raises:
        UnreadableCertificateError: no such file, a folder, something larger than ``MOST_BYTES``, or no JSON.
    """
    handle = -1
    try:
        # Without blocking, since opening a pipe would wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise UnreadableCertificateError(f"{kind}, expected a certificate")
        if status.st_size > MOST_BYTES:
            raise UnreadableCertificateError(
                f"{status.st_size} bytes, and a certificate has at most {MOST_BYTES}"
            )
        with open(handle, "rb", closefd=False) as file:
            return load(file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableCertificateError):
            raise
        raise UnreadableCertificateError(f"cannot be read ({getattr(error, 'strerror', error)})") from error
    finally:
        if handle >= 0:
            os.close(handle)


def load(data: bytes) -> Any:
    """The JSON in some bytes, loaded.

    Raises:
        UnreadableCertificateError: too many bytes, no JSON, a key twice, NaN, or JSON nested too deep.
    """
    if len(data) > MOST_BYTES:
        raise UnreadableCertificateError(f"{len(data)} bytes, and a certificate has at most {MOST_BYTES}")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise UnreadableCertificateError("no certificate: JSON that is nested too deep") from None
    except ValueError as error:
        raise UnreadableCertificateError(f"no JSON document ({error})") from None


def _unique(pairs: list[tuple[str, Any]]) -> Data:
    if len(document := dict(pairs)) < len(pairs):
        raise ValueError("an object has a key twice")
    return document


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def main(arguments: list[str]) -> int:
    """Checks one file, prints the report, and returns the exit code."""
    if len(arguments) != 1:
        print("usage: python checker.py FILE", file=sys.stderr)
        return 2
    try:
        report = check(read(arguments[0]))
    except UnreadableCertificateError as error:
        print(f"checker: {arguments[0]}: {error}.", file=sys.stderr)
        return 2
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
