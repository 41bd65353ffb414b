"""An independent checker of certificates: the standard library only, nothing else of symeq, no SymPy.

A certificate lists claims about the equivariant linear maps of a signature, each with its steps. For every
claim this program writes the outline of the proof anew from the signature alone (which steps, in which order,
about which set partitions), applies the rule of each step again, and compares what comes out with what the
step says. A step that is left out, doubled, out of place or wrong is named together with its claim and its
rule. Statement and scope are derived here and only compared with the file's. Of the emitted layer the plan is
looked at, whose steps are the certificate's own. ``docs/proofs.md`` says why the steps imply the claims.

It also runs by itself: ``python checker.py CERTIFICATE [LAYER.py]``. Exit code 0 when every claim holds, 1
when one does not, 2 when the file cannot be read as a certificate. To audit it, read it
beside that document up to "reports": counts, rules, outlines, checking. What follows prints and reads files.

Words: positions 0..m-1 are the axes, inputs first; each runs over one index set. A set partition of the
positions is a restricted growth string (``rgs``), and its blocks never mix index sets. ``D_g`` is the product
of delta(x_p, x_q) over positions in one block of g; ``O_g`` also has the factors 1 - delta across blocks of
one index set. Polynomials in n are lists of integer coefficients, lowest power first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import textwrap
from collections import Counter, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise, product
from math import comb, factorial, prod
from typing import Any

FORMAT = "symeq certificate"
VERSION = 2
CODE = "emitted code"  # not claimed by format version 1, which is read all the same
OPERATORS = ("closure", "completeness", "dimension", "independence", "change of basis", "composition")
KINDS = (*OPERATORS, "cross-check", CODE)

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


def renumbered(labels: Any) -> Rgs:
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
        return {name: self.owners(rgs).count(name) for name in self.names}

    def coarser(self, rgs: Rgs) -> list[Rgs]:
        """The coarser set partitions: those of the blocks."""
        return [tuple(merger[block] for block in rgs) for merger in partitions(self.owners(rgs))]

    @property
    def symbols(self) -> list[dict[str, int]]:
        """The numbers of blocks that set partitions have in each index set."""
        counts = product(*(range(1, size + 1) for size in self.sizes.values()))
        return [dict(zip(self.names, blocks, strict=True)) for blocks in counts]

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


def require(holds: bool, complaint: str) -> None:
    """Raises the complaint unless the condition holds."""
    if not holds:
        raise FailedStepError(complaint)


def same(what: str, got: Any, derived: Any) -> None:
    """That ``got`` is what was derived, an integer being an integer and neither a bool nor a float."""
    if type(got) is type(derived) is dict:
        require(set(got) == set(derived), f"the keys of {what} should be {', '.join(derived) or 'none'}")
        for key, value in derived.items():
            same(f"{what} of {key}", got[key], value)
    elif type(got) is type(derived) is list:
        lengths = f"{len(got)} entries, and there should be {len(derived)}"
        require(len(got) == len(derived), f"{what}: {lengths}")
        for at, (entry, value) in enumerate(zip(got, derived, strict=True)):
            same(f"{what}[{at}]", entry, value)
    elif type(got) is not type(derived) or got != derived:
        raise FailedStepError(f"{what} is {shown(got)}, and should be {shown(derived)}")


def shaped(what: str, value: Any, shape: Any) -> None:
    """That a JSON value has a shape: a type, [shape] of all entries, (shapes, ...) of each, {key: shape}."""
    if isinstance(shape, type):
        require(type(value) is shape, f"{what} is {shown(value)}, expected a {shape.__name__}")
    elif isinstance(shape, dict):
        same(what, dict.fromkeys(value) if type(value) is dict else value, dict.fromkeys(shape))
        for key, inner in shape.items():
            shaped(key if what.startswith("the ") else f"{what} of {key}", value[key], inner)
    else:
        shaped(what, value, list)
        entries = shape * len(value) if isinstance(shape, list) else shape
        require(len(entries) == len(value), f"{what}: {len(value)} entries, expected {len(entries)}")
        for at, (entry, inner) in enumerate(zip(value, entries, strict=True)):
            shaped(f"{what}[{at}]", entry, inner)


def matches(what: str, text: str, pattern: str, kind: str) -> None:
    """That the whole text, in ASCII, is of the pattern."""
    require(bool(re.fullmatch(pattern, text, re.ASCII)), f"{what} is {shown(text)}, expected {kind}")


def shown(value: Any) -> str:
    """The value in ASCII, cut off where it is long; nothing of a nested value but its kind."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) is int and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


# ------------------------------------------------------------------ the rules
# A rule takes the setting, its subject and the step, and returns all that the step must say. Most derive that
# from the subject alone; where a step has a choice, the rule looks at it, and returns the step.


def injective_relabelling(at: Setting, pair: list[int], _: Data) -> Data:
    """delta(x, y) = delta(pi x, pi y), since pi is injective; powers of pi at the two arguments.

    On the left stands ``L[i, pi^-1 j]``, on the right ``L[pi i, j]``: each power rises by one.
    """
    is_input = [p < len(at.inputs) for p in pair]
    left, right = [0 if inner else -1 for inner in is_input], [1 if inner else 0 for inner in is_input]
    same("left after applying pi", [power + 1 for power in left], right)
    return {"positions": pair, "left": left, "right": right}


def product_of_deltas(at: Setting, g: Rgs, _: Data) -> Data:
    """O_g is the product of delta over ``equal`` and of 1 - delta over ``distinct``.

    A chain through every block says that its indices are equal; the first positions of two blocks of one
    index set say that theirs differ.
    """
    blocks = [[p for p, block in enumerate(g) if block == label] for label in range(len(set(g)))]
    firsts = combinations([block[0] for block in blocks], 2)
    return {
        "rgs": list(g),
        "equal": sorted(list(pair) for block in blocks for pair in pairwise(block)),
        "distinct": [[p, q] for p, q in firsts if at.sets[p] == at.sets[q]],
    }


def product_of_invariant_factors(at: Setting, _: None, __: Data) -> Data:
    """Every factor of every O_g is invariant under relabelling, hence so is O_g."""
    return {"operators": len(at.strings)}


def witness_permutation(at: Setting, g: Rgs, step: Data) -> Data:
    """For a, b of pattern g: a_p -> b_q for [p, q] in ``images`` extends to a permutation with pi a = b.

    A partial map that is well defined and injective, from as many of n elements as it reaches, leaves n minus
    that many on either side (``elsewhere``: how many are taken away), which are matched in order.
    """
    images = {name: [(int, int)] for name in at.names}
    shaped("the step", step, {"rule": str, "rgs": [int], "images": images, "elsewhere": dict})
    same("rgs", step["rgs"], list(g))
    for name, pairs in step["images"].items():
        what, own = f"images of {name}", [p for p, owner in enumerate(at.sets) if owner == name]
        inside = all(p in own for pair in pairs for p in pair)
        require(inside, f"{what}: a position that does not run over {name}")
        defined, injective = (len({g[pair[side]] for pair in pairs}) == len(pairs) for side in (0, 1))
        require(defined, f"{what}: not well defined, an element has two images")
        require(injective, f"{what}: not injective, two elements have the same image")
        require(all(g[p] == g[q] for p, q in pairs), f"{what}: a does not go to b")
    firsts = [g.index(block) for block in sorted(set(g))]
    canonical = {name: [[p, p] for p in firsts if at.sets[p] == name] for name in at.names}
    return {"rgs": list(g), "images": canonical, "elsewhere": at.blocks(g)}


def constant_on_patterns(at: Setting, _: None, __: Data) -> Data:
    """L is equivariant iff L(pi a) = L(a), so the witnesses make it constant on each of the patterns."""
    return {"patterns": len(at.strings)}


def one_pattern_each(at: Setting, _: None, __: Data) -> Data:
    """Every tuple has exactly one pattern, and all set partitions are there: L is the sum of c_g O_g."""
    return {"patterns": operators_of(at.sets)}


def patterns_by_blocks(at: Setting, name: str, _: Data) -> Data:
    """The set partitions of the positions of one index set, counted by their blocks: two ways."""
    size = at.sizes[name]
    same("by_blocks", _counted(size), stirling(size))
    return {"set": name, "by_blocks": stirling(size)}


def size_of_a_pattern(at: Setting, b: int, _: Data) -> Data:
    """A pattern of b blocks is shown by n (n-1) ... (n-b+1) tuples: by none exactly if n < b."""
    tuples = falling(b)
    for n in range(b + 2):
        value = sum(coefficient * n**power for power, coefficient in enumerate(tuples))
        same(f"tuples at n = {n}", value, prod(n - i for i in range(b)))
    return {"blocks": b, "tuples": tuples}


def moment_of_fixed_points(at: Setting, j: int, _: Data) -> Data:
    """The mean of fix (fix-1) ... (fix-j+1) is 1 from n >= j on and 0 below.

    Each of the n (n-1) ... (n-j+1) injective j-tuples is fixed by (n-j)! permutations, and n! is (n-j)! times
    n - f over the ``factors`` f: (n-f)! = (n-f) (n-f-1)!, one after another.
    """
    for n in range(j + 2):
        total = sum(fixing(n, f) * prod(f - i for i in range(j)) for f in range(n + 1))
        same(f"the sum over permutations at n = {n}", total, factorial(n) if n >= j else 0)
    return {"falling_power": j, "factors": list(range(j))}


def power_in_falling_factorials(at: Setting, power: int, _: Data) -> Data:
    """x^m is the sum of S(m, j) x (x-1) ... (x-j+1): an identity of polynomials."""
    total = [0] * (power + 1)
    for j, coefficient in enumerate(stirling(power)):
        for at_power, value in enumerate(falling(j)):
            total[at_power] += coefficient * value
    same("the sum", total, [0] * power + [1])
    return {"exponent": power, "coefficients": stirling(power)}


def dimensions(at: Setting, name: str, _: Data) -> Data:
    """The dimension at n = 0..m, by counting patterns and by Burnside's average of fix^m: the same."""
    size = at.sizes[name]
    values = [sum(stirling(size)[: n + 1]) for n in range(size + 1)]
    for n, value in enumerate(values):
        total = sum(fixing(n, f) * f**size for f in range(n + 1))
        same(f"n! times the dimension at n = {n}", factorial(n) * value, total)
    return {"set": name, "values": values}


def product_over_index_sets(at: Setting, _: None, __: Data) -> Data:
    """The index sets are permuted independently: their dimensions multiply."""
    same("operators", operators_of(at.sets), len(at.strings))
    return {"operators": len(at.strings)}


def disjoint_supports(at: Setting, _: None, __: Data) -> Data:
    """No tuple has two patterns, so <O_g, O_d> = 0 for g other than d."""
    return {"operators": len(at.slots)}


def sum_over_a_block(at: Setting, shape: tuple[int, int], _: Data) -> Data:
    """Summing over some indices of one block: n to the ``factor``, and the others stay linked.

    An index in a delta with another one is eliminated by it, sum_y delta(y, w) F(y) = F(w), at the factor 1;
    one that is alone gives n.
    """
    summed, kept = shape
    chain, power = (
        list(pairwise([*range(summed), *range(-kept, 0)])),
        0,
    )  # the indices summed over, the others
    for y in range(summed):
        uses = [pair for pair in chain if y in pair]
        if uses:
            w = uses[0][1] if uses[0][0] == y else uses[0][0]
            chain = [(w if p == y else p, w if q == y else q) for p, q in chain if (p, q) != uses[0]]
        else:
            power += 1
    same("what is left", [list(pair) for pair in chain], [[p, p + 1] for p in range(-kept, -1)])
    return {"summed": summed, "kept": kept, "factor": power}


def coarsenings_by_blocks(at: Setting, b: int, _: Data) -> Data:
    """The coarser set partitions of one with b blocks are those of its blocks, counted by their own."""
    return {"blocks": b, "by_blocks": _counted(b)}


def joins(at: Setting, g: Rgs, _: Data) -> Data:
    """<D_g, D_d> counts the tuples constant on the blocks of the join: D_g D_d = D_(g v d), for every d.

    What is coarser than both is coarser than the join: so (Z diag Z^T)[g, d] sums over what lies above it.
    """
    found = [renumbered(linked(len(g), g, d)) for d in at.strings]
    above = _above(at)
    for d, join in zip(at.strings, found, strict=True):
        meet = f"what is coarser than both is not what is coarser than {list(join)}"
        require(above[g] & above[d] == above[join], meet)
    return {"rgs": list(g), "slots": [at.slots[join] for join in found]}


def joins_by_the_lemma(at: Setting, _: None, __: Data) -> Data:
    """D_g D_d = D_(g v d) for every pair: a product of deltas asks for the equalities of both. Not listed."""
    return {"pairs": len(at.strings) ** 2}


def unitriangular_zeta(at: Setting, _: None, __: Data) -> Data:
    """In slot order Z, which has its ones where d is coarser than g, is unitriangular: det Z = 1."""
    total = 0
    for g in at.strings:
        above = at.coarser(g)
        require(above.count(g) == 1 and max(above) == g, f"something coarser than {list(g)} comes later")
        total += len(above)
    return {"intervals": total}


def determinant(at: Setting, _: None, __: Data) -> Data:
    """det(Gram(D)) is the product of the sizes of the patterns: [numbers of blocks, how many have them]."""
    counted = Counter(tuple(at.blocks(g).values()) for g in at.strings)
    return {"factors": [[list(blocks), counted[blocks]] for blocks in sorted(counted)]}


def moebius_by_expansion(at: Setting, symbols: dict[str, int], _: Data) -> Data:
    """The product of 1 - delta over all pairs of distinct symbols, multiplied out: mu of each partition."""
    owners = _owners(symbols)
    return {"symbols": symbols, "values": [expansion(owners).get(rgs, 0) for rgs in partitions(owners)]}


def sums_of_one(at: Setting, symbols: dict[str, int], _: Data) -> Data:
    """Each way after the other is the identity, on the delta expressions of as many symbols.

    ``zeta``: the sum of all O_h, as D's: 1 = D of the finest. ``moebius``: the sum of mu(h) D_h, as O's.
    """
    owners = _owners(symbols)
    as_diagrams, as_orbits = Counter[Rgs](), Counter[Rgs]()
    for h in partitions(owners):
        inner = tuple(dict(zip(h, owners, strict=True)).values())
        for merger in partitions(inner):
            coarser = tuple(merger[block] for block in h)
            as_diagrams[coarser] += expansion(inner).get(merger, 0)
            as_orbits[coarser] += expansion(owners).get(h, 0)
    identity = [int(rgs == tuple(range(len(owners)))) for rgs in partitions(owners)]
    for what, sums in (("zeta", as_diagrams), ("moebius", as_orbits)):
        same(what, [sums[rgs] for rgs in partitions(owners)], identity)
    return {"symbols": symbols, "zeta": identity, "moebius": identity}


def substituted_blocks(at: Setting, g: Rgs, _: Data) -> Data:
    """O_g is D_g times the product of 1 - delta over the blocks: [slot of d, mu(g, d)] for all coarser d."""
    values = expansion(at.owners(g))
    slots = [at.slots[d] for d in at.coarser(g)]
    terms = sorted(zip(slots, (values[merger] for merger in partitions(at.owners(g))), strict=True))
    return {"rgs": list(g), "terms": [list(term) for term in terms]}


def stacked(at: Setting, d: Rgs, _: Data) -> Data:
    """D_d after D_g for every g: the set partition that is left, and for each index set the blocks lost.

    Three rows of points, the inputs of g, the middle, the outputs of d, are linked by the blocks of both.
    """
    k, middle = len(at.inputs), len(at.outputs)
    found = []
    for g in at.strings:
        label = linked(2 * k + middle, g + (-1,) * k, (-1,) * k + d)
        outer = label[:k] + label[k + middle :]
        inner = {
            block: name for block, name in zip(label[k:], at.outputs, strict=False) if block not in outer
        }
        found.append([list(renumbered(outer)), [list(inner.values()).count(name) for name in at.names]])
    return {"rgs": list(d), "results": found}


def stacked_by_blocks(at: Setting, _: None, __: Data) -> Data:
    """Any two stacked diagrams are a product over blocks of the shapes above: every pair. Not listed."""
    return {"pairs": len(at.strings) ** 2}


def nullspace(at: Setting, n: dict[str, int], _: Data) -> Data:
    """The prover solved the constraints of two generators over QQ. Here: as below."""
    return merged_tuples(at, n, _)


def merged_tuples(at: Setting, n: dict[str, int], _: Data) -> Data:
    """L is constant along a transposition and an n-cycle of each index set: one number for each orbit.

    The generators preserve patterns, so as many orbits as patterns with at most n blocks, all of different
    patterns, are those patterns: the O_g span.
    """
    generators = {name: _generators(size) for name, size in n.items()}
    total, moves = prod(n[name] for name in at.sets), []
    for name, permutations in generators.items():
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
    dimension = prod(sum(stirling(at.sizes[name])[: size + 1]) for name, size in n.items())
    same("the number of sets of merged tuples", patterns.total(), dimension)
    same("the number of their patterns", len(patterns), dimension)
    return {"sizes": n, "generators": generators, "tuples": total, "dimension": dimension}


def _generators(size: int) -> list[list[int]]:
    """A transposition and the cycle i -> i + 1, which generate all permutations."""
    return [[1, 0, *range(2, size)], [*range(1, size), 0]] if size > 1 else []


def _counted(size: int) -> list[int]:
    """The set partitions of so many elements, listed and counted by their blocks."""
    counted = Counter(max(rgs, default=-1) + 1 for rgs in partitions(("n",) * size))
    return [counted[b] for b in range(size + 1)]


def _owners(symbols: dict[str, int]) -> tuple[str, ...]:
    return tuple(name for name, number in symbols.items() for _ in range(number))


@lru_cache(maxsize=1)
def _above(at: Setting) -> dict[Rgs, int]:
    return {g: sum(1 << at.slots[d] for d in at.coarser(g)) for g in at.strings}


def _pattern(at: Setting, number: int, n: dict[str, int]) -> Rgs:
    """The equality pattern of the index tuple with this number, the last position running fastest."""
    labels = []
    for name in reversed(at.sets):
        number, value = divmod(number, n[name])
        labels.append(at.names.index(name) + len(at.names) * value)
    return renumbered(labels[::-1])


# ------------------------------------------------------------------ the rules about the plan of a layer
# Where a tensor stands is told by the way between it and the input (or the output): for each input (output)
# position a label, equal where the way makes indices equal, and the labels of the tensor's own axes, which
# differ. Labels are positions. What is no axis is summed over on the way in, and copied along on the way out.

# As the dataclasses of the same names in symeq, whose ``repr`` is what the digest of a plan is taken of.
Signature = namedtuple("Signature", "inputs outputs")
AxisMap = namedtuple("AxisMap", "blocks kept")
Contract = namedtuple("Contract", "target source map")
Mix = namedtuple("Mix", "sources targets")
Broadcast = namedtuple("Broadcast", "source target map")
Plan = namedtuple("Plan", "signature contracts mixes broadcasts bias")


class Told:
    """What the steps have told so far of a plan."""

    def __init__(self, at: Setting) -> None:
        inner, outer = tuple(range(len(at.inputs))), tuple(range(len(at.inputs), len(at.sets)))
        self.ways = {"contraction": {0: (inner, inner)}, "broadcast": {0: (outer, outer)}}
        self.moves: dict[str, list[Any]] = {"contraction": [], "broadcast": []}
        self.mixes: list[Mix] = []
        self.made = Counter[int]()
        self.bias: Rgs = ()
        self.file = ""


def contraction(at: Setting, told: Told, step: Data) -> Data:
    """``target`` is made of ``source``, the input or an earlier one.

    ``blocks``: the axes in one block become one, a diagonal; blocks not ``kept`` are summed over.
    """
    return _way(at, told, step, "source", "target", Contract)


def broadcast(at: Setting, told: Told, step: Data) -> Data:
    """``source`` is added to ``target``, the output or one whose way there was told; by such a map's adjoint.

    So they are told from the output back, and carried out in the other order: what is added on is complete.
    """
    return _way(at, told, step, "target", "source", Broadcast)


def _way(at: Setting, told: Told, step: Data, known: str, new: str, kind: Callable[..., Any]) -> Data:
    shaped("the step", step, {"rule": str, "source": int, "target": int, "blocks": [int], "kept": [int]})
    ways, blocks, kept = told.ways[step["rule"]], step["blocks"], step["kept"]
    require(step[known] in ways, f"{known} {shown(step[known])} is not there yet")
    require(step[new] > 0 and step[new] not in ways, f"{new} {shown(step[new])} is there already")
    labels, axes = ways[step[known]]
    fits = len(blocks) == len(axes) and blocks == list(renumbered(blocks))
    require(fits, f"blocks are no restricted growth string over the {len(axes)} axes of the {known}")
    require(len(set(kept)) == len(kept) and set(kept) <= set(blocks), "kept are no different blocks")
    onto = {axis: axes[blocks.index(block)] for axis, block in zip(axes, blocks, strict=True)}
    require(all(at.sets[p] == at.sets[q] for p, q in onto.items()), "a block mixes index sets")
    own = tuple(axes[blocks.index(block)] for block in kept)
    ways[step[new]] = tuple(onto.get(label, label) for label in labels), own
    move = kind(map=AxisMap(tuple(blocks), tuple(kept)), source=step["source"], target=step["target"])
    told.moves[step["rule"]].append(move)
    return step


def matrix_product(at: Setting, told: Told, step: Data) -> Data:
    """Each source goes, by a weight of its own, into each target; axis q of what p permutes is axis p[q].

    Where an axis is carried over, a block of input positions and one of output positions become one. That
    makes a set partition g: contraction, permutation and broadcast are ``D_g``. ``slots``: source by source.
    """
    tensors = [(int, [int])]
    shaped("the step", step, {"rule": str, "sources": tensors, "targets": tensors, "slots": [int]})
    pairs = len(step["sources"]) * len(step["targets"])
    require(pairs <= len(at.strings), f"{pairs} pairs of a source and a target, and {len(at.strings)} slots")
    sources, targets = (
        [(*_tensor(told.ways[rule], number, p), p) for number, p in step[side]]
        for side, rule in (("sources", "contraction"), ("targets", "broadcast"))
    )
    # The axes of the product: those of a source, permuted; and where they arrive in a target.
    carried = [(labels, [axes[q] for q in p]) for labels, axes, p in sources]
    arriving = [(labels, [axes[p.index(q)] for q in range(len(p))]) for labels, axes, p in targets]
    levels = {tuple(at.sets[axis] for axis in axes) for _, axes in carried + arriving}
    require(len(levels) == 1, "the axes run over different index sets, or there are no tensors")
    slots = []
    for inner, through in carried:
        for outer, axes in arriving:
            onto = dict(zip(axes, through, strict=True))
            slots.append(at.slots[renumbered([*inner, *(onto.get(label, label) for label in outer)])])
    told.made.update(slots)
    told.mixes.append(Mix(*(tuple((n, tuple(p)) for n, p in step[side]) for side in ("sources", "targets"))))
    return {"sources": step["sources"], "targets": step["targets"], "slots": slots}


def _tensor(ways: dict[int, tuple[Rgs, Rgs]], number: int, permutation: list[int]) -> tuple[Rgs, Rgs]:
    require(number in ways, f"there is no tensor {shown(number)}")
    axes = ways[number][1]
    require(
        sorted(permutation) == list(range(len(axes))), f"no permutation of the {len(axes)} axes of {number}"
    )
    return ways[number]


def every_weight_slot(at: Setting, told: Told, _: Data) -> Data:
    """All products together make every D_g exactly once."""
    for slot, rgs in enumerate(at.strings):
        made = told.made[slot]
        require(made == 1, f"slot {slot}, {list(rgs)}, is made {made} times, and should be made once")
    return {"slots": len(at.strings)}


def every_bias_slot(at: Setting, told: Told, step: Data) -> Data:
    """Every bias goes into a broadcast without axes, which writes it onto the indices of its pattern."""
    shaped("the step", step, {"rule": str, "broadcasts": [int]})
    strings, numbers = partitions(at.outputs), step["broadcasts"]
    found = [renumbered(_tensor(told.ways["broadcast"], number, [])[0]) for number in numbers]
    same("what the broadcasts make", list(map(list, found)), list(map(list, strings)))
    told.bias = tuple(numbers)
    return step


def emitted_file(at: Setting, told: Told, step: Data) -> Data:
    """The file that carries out this plan, by its digests; that of the plan is taken of the steps above.

    That the source does what the plan says is another matter (see the next rule).
    """
    digests = ("sha256", "content", "plan", "template")
    shaped("the step", step, {"rule": str, "name": str, "symeq": str, **dict.fromkeys(digests, str)})
    for field in digests:
        matches(field, step[field], "[0-9a-f]{64}", "a sha256 in hexadecimal")
    matches("name", step["name"], r"\w+\.py", "the name of a Python file")
    matches("symeq", step["symeq"], RELEASE, "a version")
    moves = tuple(told.moves["contraction"]), tuple(told.mixes), tuple(told.moves["broadcast"][::-1])
    plan = Plan(Signature(at.inputs, at.outputs), *moves, told.bias)
    told.file = step["sha256"]
    return {**step, "plan": hashlib.sha256(repr(plan).encode()).hexdigest()}


def translation_validation(at: Setting, told: Told, step: Data) -> Data:
    """`symeq verify` proved the source of that file. ATTESTED: it takes torch to do that again.

    ``forward`` and ``backward`` list what the layer was made and called with.
    """
    shaped("the step", step, {"rule": str, "file": str, "torch": str, "forward": [str], "backward": [str]})
    matches("torch", step["torch"], RELEASE, "a version")
    for field in ("forward", "backward"):
        for setting in step[field]:
            matches(field, setting, SETTING, "the setting of a proof")
            known = set(re.findall(r"mask of (\w+)", setting)) <= set(at.names)
            require(known, f"{field}: a mask of another index set, {shown(setting)}")
        sorted_once = bool(step[field]) and step[field] == sorted(set(step[field]))
        require(sorted_once, f"{field}: no settings, or they are not sorted, each once")
    return {**step, "file": told.file}


RELEASE = r"\d[\w.+-]{0,40}"
SETTING = (
    r'(diagram|orbit) basis, normalization "(sum|mean|sqrt)", (no )?bias, '
    r"(no mask|(own|shared) mask of \w+( and (own|shared) mask of \w+)*), batch rank [012](, entries sorted)?"
)


# ------------------------------------------------------------------ the claims
# The outline of every proof: which rule is applied to what, in this order. That of the emitted code looks at
# the steps, and at no more than how many of a rule there are.

Outline = Iterator[tuple[Callable[[Setting, Any, Data], Data], Any]]


def outline(at: Setting, kind: str, steps: list[Any]) -> Outline:
    """The outline of the proof of a claim."""
    match kind:
        case "closure":
            pairs = combinations(range(len(at.sets)), 2)
            yield from ((injective_relabelling, [p, q]) for p, q in pairs if at.sets[p] == at.sets[q])
            yield from ((product_of_deltas, g) for g in at.strings)
            yield product_of_invariant_factors, None
        case "completeness":
            yield from ((witness_permutation, g) for g in at.strings)
            yield constant_on_patterns, None
            yield one_pattern_each, None
        case "dimension":
            yield from ((patterns_by_blocks, name) for name in at.names)
            yield from ((size_of_a_pattern, b) for b in range(at.largest + 1))
            yield from ((moment_of_fixed_points, j) for j in range(at.largest + 1))
            yield from ((power_in_falling_factorials, size) for size in sorted(set(at.sizes.values())))
            yield from ((dimensions, name) for name in at.names)
            yield product_over_index_sets, None
        case "independence":
            yield from ((size_of_a_pattern, b) for b in range(at.largest + 1))
            yield disjoint_supports, None
            yield from ((sum_over_a_block, (a, 0)) for a in range(1, at.largest + 1))
            yield from ((coarsenings_by_blocks, b) for b in range(at.largest + 1))
            yield from ((power_in_falling_factorials, b) for b in range(at.largest + 1))
            yield from ((joins, g) for g in at.strings) if at.listed else [(joins_by_the_lemma, None)]
            yield unitriangular_zeta, None
            yield determinant, None
        case "change of basis":
            yield from ((moebius_by_expansion, symbols) for symbols in at.symbols)
            yield from ((sums_of_one, symbols) for symbols in at.symbols)
            yield from ((substituted_blocks, g) for g in at.strings)
        case "composition":
            middle = max((at.outputs.count(name) for name in at.names), default=0)
            outer = max((2 * at.inputs.count(name) for name in at.names), default=0)
            yield from ((sum_over_a_block, (a, b)) for a in range(1, middle + 1) for b in range(outer + 1))
            diagrams = partitions(at.outputs + at.inputs)
            yield from ((stacked, d) for d in diagrams) if at.listed else [(stacked_by_blocks, None)]
        case "cross-check":
            for n in at.cross_checked():
                small = prod(n[name] for name in at.sets) <= MOST_NULLSPACE
                yield nullspace if small else merged_tuples, n
        case "emitted code":
            told, rules = Told(at), [step.get("rule") for step in steps if type(step) is dict]
            for rule in (contraction, broadcast, matrix_product):
                yield from [(rule, told)] * rules.count(rule_name(rule))
            yield from ((rule, told) for rule in (every_weight_slot, every_bias_slot, emitted_file))
            if rule_name(translation_validation) in rules:
                yield translation_validation, told


def rule_name(rule: Callable[..., Data]) -> str:
    """The name of a rule as certificates spell it."""
    return rule.__name__.replace("_", " ")


def statement(at: Setting, kind: str) -> str:
    """What a claim says, in words."""
    number, biases = len(at.strings), len(partitions(at.outputs))
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
        CODE: "the plan of the emitted layer, contractions, permutations of blocks and broadcasts, makes the"
        f" diagram operator of each weight slot ({number}) and the pattern of each bias slot ({biases}) once",
    }
    return f"{at.text}: {says[kind]}"


def scope(at: Setting, kind: str, steps: list[Data]) -> str:
    """For which sizes the steps, all of which hold, show the claim."""
    if kind == "cross-check":
        names = at.names[0] if len(at.names) == 1 else f"({', '.join(at.names)})"
        found: dict[str, list[str]] = {}
        for step in steps:
            sizes = [str(step["sizes"][name]) for name in at.names]
            found.setdefault(step["rule"], []).append(
                sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"
            )
        if not at.names:
            return f"no index sets, by {', '.join(found)}"
        return "; ".join(f"{names} = {', '.join(listed)} by {rule}" for rule, listed in found.items())
    every = f"every {' and '.join(at.names)}" if at.names else "no index sets"
    rules = {step["rule"] for step in steps}
    if kind == CODE:
        last = steps[-1]
        if last["rule"] != rule_name(translation_validation):
            return f"{every}, of the plan; the source was not looked at (`symeq prove --code` does)"
        return (
            f"{every}, of the plan; the source: attested, not checked here, by symeq verify with torch "
            f"{last['torch']}, for sizes from 2 on, in {len(last['forward'])} settings forward and "
            f"{len(last['backward'])} backward, of the file with sha256 {last['file']}; `symeq verify FILE` "
            "proves it again"
        )
    if rules & {rule_name(joins), rule_name(stacked)}:
        return f"{every}; every pair, listed"
    if rules & {rule_name(joins_by_the_lemma), rule_name(stacked_by_blocks)}:
        return f"{every}; every pair, by a lemma on blocks"
    return every


# ------------------------------------------------------------------ checking


def check(document: Any, layer: bytes | None = None) -> CheckReport:
    """What applying every step of a certificate again finds; ``document`` is its JSON, loaded.

    ``layer``: the content of a file that should be the one of the certificate. It is read, and never run.

    Raises:
        UnreadableCertificateError: no certificate, a format that this checker does not know, or a signature
            with more operators than it lists.
    """
    if type(document) is not dict or document.get("format") != FORMAT:
        raise UnreadableCertificateError(f'no certificate: expected an object with "format": "{FORMAT}"')
    version = document.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        known = f"this checker knows versions 1 to {VERSION}"
        raise UnreadableCertificateError(f"format version {shown(version)}: {known}")
    try:
        at = _setting(document)
    except FailedStepError as error:
        return CheckReport("?", "?", (), (str(error),))
    wanted = [kind for kind in KINDS if kind != CODE or version > 1]
    given = {claim.get("kind"): claim for claim in reversed(document["claims"]) if _named(claim)}
    kinds = [claim["kind"] if _named(claim) else None for claim in document["claims"]]
    problems, notes = [], []
    if kinds != wanted:
        listing = ", ".join(shown(kind) for kind in kinds[:12])
        problems.append(f"the claims are [{listing}], and should be [{', '.join(wanted)}], each once")
    if version == 1:
        notes.append("format version 1 claims nothing of the emitted code")
    verdicts = [_verdict(at, kind, given.get(kind)) for kind in wanted]
    if layer is not None:
        trusted = version > 1 and verdicts[-1].ok
        problem = _difference(given[CODE]["steps"], layer) if trusted else "no claim about a file holds"
        (problems if problem else notes).append(problem or "the file given is the one of the certificate")
    return CheckReport(at.text, document["tool"], tuple(verdicts), tuple(problems), tuple(notes))


def _named(claim: Any) -> bool:
    return type(claim) is dict and type(claim.get("kind")) is str


def _setting(document: Data) -> Setting:
    head = {"format": str, "version": int, "tool": str, "claims": list}
    shaped("the certificate", document, head | {"signature": {"inputs": [str], "outputs": [str]}})
    matches("tool", document["tool"], rf"\w{{1,20}} {RELEASE}", "the name and version of a program")
    inputs, outputs = (tuple(document["signature"][side]) for side in ("inputs", "outputs"))
    for axes in (inputs, outputs):
        require(
            len(axes) <= MOST_AXES, f"signature: {len(axes)} axes on one side, at most {MOST_AXES} are read"
        )
        for name in axes:
            matches("signature", name, "[A-Za-z_][A-Za-z0-9_]*", "the name of an index set")
    for number, most, what in (
        (operators_of(inputs + outputs), MOST_OPERATORS, "operators"),
        (intervals_of(inputs + outputs), MOST_INTERVALS, "comparable pairs of set partitions"),
    ):
        if number > most:
            raise UnreadableCertificateError(f"{number} {what}: this checker lists at most {most}")
    return Setting(inputs, outputs)


def _verdict(at: Setting, kind: str, claim: Data | None) -> Verdict:
    says, derived, number = statement(at, kind), "", 0
    if claim is None:
        return Verdict(kind, says, derived, number, "the claim is left out")
    try:
        shaped("the claim", claim, {"kind": str, "statement": str, "scope": str, "steps": list})
        number = len(claim["steps"])
        _follow(at, outline(at, kind, claim["steps"]), claim["steps"])
        derived = scope(at, kind, claim["steps"])
        same("statement", claim["statement"], says)
        same("scope", claim["scope"], derived)
    except FailedStepError as error:
        return Verdict(kind, says, derived, number, str(error))
    return Verdict(kind, says, derived, number)


def _follow(at: Setting, proof: Outline, steps: list[Any]) -> None:
    number = 0
    for number, (rule, subject) in enumerate(proof, start=1):
        where = f"step {number} ({rule_name(rule)})"
        require(number <= len(steps), f"{where} is left out: the claim ends after {counted(len(steps))}")
        try:
            apply(at, rule, subject, steps[number - 1])
        except FailedStepError as error:
            raise FailedStepError(f"{where}: {error}") from None
    require(number == len(steps), f"{counted(len(steps) - number)} too many, after step {number}")


def apply(at: Setting, rule: Callable[[Setting, Any, Data], Data], subject: Any, step: Any) -> None:
    """That a step is of this rule and says what the rule says of the subject."""
    given = step.get("rule") if type(step) is dict else None
    require(given == rule_name(rule), f"{shown(given or step)} stands in its place")
    wanted = {"rule": given} | rule(at, subject, step)
    same("the step", dict.fromkeys(step), dict.fromkeys(wanted))
    for field, value in wanted.items():
        same(field, step[field], value)


def counted(steps: int) -> str:
    """So many steps, in words."""
    return f"{steps} step{'' if steps == 1 else 's'}"


def _difference(steps: list[Data], layer: bytes) -> str:
    """How a file differs from the one of the steps; empty if it does not. Line ends may be any system's."""
    (wanted,) = (step for step in steps if step["rule"] == rule_name(emitted_file))
    text = layer.replace(b"\r\n", b"\n")
    sealed = text.replace(wanted["content"].encode(), b"0" * 64, 1)
    expected = [
        ("sha256", text, wanted["sha256"]),
        ("sha256 with zeros for its own", sealed, wanted["content"]),
    ]
    for what, data, digest in expected:
        if (found := hashlib.sha256(data).hexdigest()) != digest:
            return f"the file given is another one: its {what} is {found}, and the certificate's is {digest}"
    lines = [f"{f'{name}:':<9} sha256 {wanted[name]}" for name in ("plan", "template", "content")]
    lines.append(f"Emitted by symeq {wanted['symeq']}.")
    missing = [line for line in lines if line.encode() not in text]
    return f"the file given does not say: {missing[0]}" if missing else ""


# ------------------------------------------------------------------ reports
# From here on nothing decides whether a claim holds.


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
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all claims are there and hold, and the file is theirs if one was given."""
        return not self.problems and bool(self.verdicts) and all(verdict.ok for verdict in self.verdicts)

    def to_json(self) -> str:
        """The report as JSON."""
        claims = [vars(verdict) | {"ok": verdict.ok} for verdict in self.verdicts]
        return json.dumps({**vars(self), "ok": self.ok, "verdicts": None, "claims": claims}, indent=2)

    def __str__(self) -> str:
        lines = [f'Certificate for "{self.signature}", made by {self.tool}']
        for verdict in self.verdicts:
            head = f"  {'ok' if verdict.ok else 'FAIL':<5}{verdict.kind:<16}{verdict.steps:>6} steps  "
            lines += wrapped(verdict.scope or "no scope", head)
            lines += wrapped(verdict.failure or verdict.statement.partition(": ")[2], " " * 7)
        for mark, texts in (("FAIL ", self.problems), ("note ", self.notes)):
            lines += [line for text in texts for line in wrapped(text, f"  {mark}")]
        number, failed = len(self.verdicts), sum(not verdict.ok for verdict in self.verdicts)
        wrong = f": {failed} of {number} claims fail" if failed else ""
        lines.append(f"{number} claims hold" if self.ok else f"the certificate does NOT hold{wrong}")
        return "\n".join(lines)


def wrapped(text: str, head: str) -> list[str]:
    """The text in lines, the first after ``head``."""
    blank = " " * len(head)
    return textwrap.wrap(text, 110, initial_indent=head, subsequent_indent=blank, break_on_hyphens=False)


# ------------------------------------------------------------------ reading


def read(path: str | os.PathLike[str]) -> Any:
    """The JSON in a file, loaded; nothing of it is checked yet.

    Raises:
        UnreadableCertificateError: see ``content`` and ``load``.
    """
    return load(content(path, "a certificate"))


def content(path: str | os.PathLike[str], what: str) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableCertificateError: no such file, a folder, a device, or something larger than ``MOST_BYTES``.
    """
    try:
        status = os.stat(path)  # before opening it, since opening a pipe would wait for a writer
        regular, small = stat.S_ISREG(status.st_mode), status.st_size <= MOST_BYTES
        with open(path if regular and small else os.devnull, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnreadableCertificateError(f"cannot be read ({getattr(error, 'strerror', error)})") from error
    if not regular:
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise UnreadableCertificateError(f"{kind}, expected {what}")
    if not small:
        raise UnreadableCertificateError(f"{status.st_size} bytes, and {what} has at most {MOST_BYTES}")
    return data


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
    """Checks one certificate, and a file against it, prints the report, and returns the exit code."""
    if len(arguments) not in (1, 2):
        print("usage: python checker.py CERTIFICATE [LAYER.py]", file=sys.stderr)
        return 2
    path = arguments[0]
    try:
        document = read(path)
        layer = content(path := arguments[1], "a layer") if len(arguments) > 1 else None
        report = check(document, layer)
    except UnreadableCertificateError as error:
        print(f"checker: {path}: {error}.", file=sys.stderr)
        return 2
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
