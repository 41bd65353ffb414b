"""An independent checker of certificates: the standard library only, nothing else of symeq, no SymPy.

A certificate lists claims about the equivariant linear maps of a signature, each with its steps. For every
claim this program writes the outline of the proof anew from the signature alone (which steps, in which order,
about which set partitions), applies the rule of each step again, and compares what comes out with what the
step says; statement and scope are derived likewise. Of the emitted layer the plan is looked at, whose steps
are the certificate's own. ``docs/proofs.md`` says why the steps imply the claims: to audit this program, read
it beside that document up to "reports". What follows prints and reads files.

By itself: ``python checker.py CERTIFICATE [LAYER.py]``. Exit code 0 when every claim holds, 1 when one does
not, 2 when the file cannot be read as a certificate.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
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


class FailedStepError(ValueError):
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
    numbers: dict[Any, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def linked(size: int, *strings: Rgs) -> list[int]:
    """A label for each of ``size`` elements, equal where a chain of equal labels in strings links them."""
    label = list(range(size))
    for rgs in strings:
        for at, block in enumerate(rgs):
            if block >= 0:  # a negative one links nothing
                old, new = label[at], label[rgs.index(block)]
                label = [new if other == old else other for other in label]
    return label


@lru_cache(maxsize=256)
def expansion(owners: tuple[str, ...]) -> dict[Rgs, int]:
    """The product of 1 - delta over pairs of one index set, multiplied out: set partition -> coefficient."""
    terms = {tuple(range(len(owners))): 1}
    for p, q in combinations(range(len(owners)), 2):
        if owners[p] == owners[q]:
            for rgs, coefficient in list(terms.items()):  # D_g delta(x_p, x_q) merges p's and q's
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
    """How many permutations of n elements fix exactly f: the others are deranged."""
    return sum((-1) ** i * comb(n, f) * factorial(n - f) // factorial(i) for i in range(n - f + 1))


def counted(size: int) -> list[int]:
    """The set partitions of so many elements, listed and counted by their blocks."""
    found = Counter(max(rgs, default=-1) + 1 for rgs in partitions(("n",) * size))
    return [found[b] for b in range(size + 1)]


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

    def as_diagrams(self, g: Rgs) -> dict[Rgs, int]:
        """O_g, that is D_g times 1 - delta over pairs of its blocks: coarser d -> coefficient of D_d."""
        terms, mergers = expansion(self.owners(g)), partitions(self.owners(g))
        return {tuple(merger[block] for block in g): terms.get(merger, 0) for merger in mergers}

    @cached_property
    def above(self) -> dict[Rgs, int]:
        """The slots of all that is coarser, as bits."""
        return {g: sum(1 << self.slots[d] for d in self.coarser(g)) for g in self.strings}

    def cross_checked(self) -> list[dict[str, int]]:
        """The sizes at which the constraints are solved: from 0 on, index sets apart from each other."""
        # Each goes up to one more than the positions of its index set, as far as MOST_TUPLES allows.
        found: list[dict[str, int]] = []
        steps = [at % 3 for at in range(len(self.names))]
        for start, more in product(range(self.largest + 2), (steps, steps[::-1])):
            sizes = {n: min(start + s, self.sizes[n] + 1) for n, s in zip(self.names, more, strict=True)}
            if sizes not in found:
                found.append(sizes)
            if sum(prod(n[name] for name in self.sets) for n in found) > MOST_TUPLES:
                return found[:-1]
        return found


# ------------------------------------------------------------------ comparing

Text = namedtuple("Text", "kind pattern")  # the strings that match, in ASCII

NAME = Text("the name of an index set", "[A-Za-z_][A-Za-z0-9_]*")
RELEASE = Text("a version", r"\d[\w.+-]{0,40}")
TOOL = Text("the name and version of a program", rf"\w{{1,20}} {RELEASE.pattern}")
PYTHON_FILE = Text("the name of a Python file", r"\w+\.py")
DIGEST = Text("a sha256 in hexadecimal", "[0-9a-f]{64}")
MASKS = r"(no mask|(own|shared) mask of \w+( and (own|shared) mask of \w+)*)"
LAYER = r'(diagram|orbit) basis, normalization "(sum|mean|sqrt)", (no )?bias'
PROOF = Text("the setting of a proof", rf"{LAYER}, {MASKS}, batch rank [012](, entries sorted)?")


def require(holds: bool, complaint: str) -> None:
    """Raises the complaint unless the condition holds."""
    if not holds:
        raise FailedStepError(complaint)


def same(what: str, got: Any, wanted: Any) -> None:
    """That a JSON value is the one wanted, an integer being an integer and neither a bool nor a float.

    A type or a ``Text`` among the wanted stands for any such value, ``(x,)`` for a list of any number of x.
    """
    if isinstance(wanted, type):
        if type(got) is not wanted:
            raise FailedStepError(f"{what} is {shown(got)}, expected a {wanted.__name__}")
    elif isinstance(wanted, Text):
        same(what, got, str)
        fits = re.fullmatch(wanted.pattern, got, re.ASCII) is not None
        require(fits, f"{what} is {shown(got)}, expected {wanted.kind}")
    elif isinstance(wanted, tuple):
        same(what, got, list)
        same(what, got, [*wanted] * len(got))
    elif type(got) is type(wanted) is dict:
        require(set(got) == set(wanted), f"the keys of {what} should be {', '.join(wanted) or 'none'}")
        for key, value in wanted.items():
            same(key if what.startswith("the ") else f"{what} of {key}", got[key], value)
    elif type(got) is type(wanted) is list:
        require(len(got) == len(wanted), f"{what}: {len(got)} entries, expected {len(wanted)}")
        for at, (entry, value) in enumerate(zip(got, wanted, strict=True)):
            same(f"{what}[{at}]", entry, value)
    elif type(got) is not type(wanted) or got != wanted:
        raise FailedStepError(f"{what} is {shown(got)}, and should be {shown(wanted)}")


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

Rule = Callable[[Setting, Any, Data], Data]


def says(name: str) -> Rule:
    """The rule for a step that says what stands in the outline, for the reason that stands there."""

    def rule(_: Setting, subject: Data, __: Data) -> Data:
        return subject

    rule.__name__ = name
    return rule


def injective_relabelling(at: Setting, pair: list[int], _: Data) -> Data:
    """delta(x, y) = delta(pi x, pi y), since pi is injective; powers of pi at the two arguments."""
    # On the left stands L[i, pi^-1 j], on the right L[pi i, j]: each power rises by one.
    left = [0 if p < len(at.inputs) else -1 for p in pair]
    right = [1 if p < len(at.inputs) else 0 for p in pair]
    same("left after applying pi", [power + 1 for power in left], right)
    return {"positions": pair, "left": left, "right": right}


def product_of_deltas(at: Setting, g: Rgs, _: Data) -> Data:
    """O_g is the product of delta over ``equal`` and of 1 - delta over ``distinct``."""
    # A chain through every block says that its indices are equal; the first positions of two blocks of one
    # index set say that theirs differ.
    blocks = [[p for p, block in enumerate(g) if block == label] for label in sorted(set(g))]
    equal = sorted(list(pair) for block in blocks for pair in pairwise(block))
    firsts = combinations([block[0] for block in blocks], 2)
    distinct = [[p, q] for p, q in firsts if at.sets[p] == at.sets[q]]
    return {"rgs": list(g), "equal": equal, "distinct": distinct}


def witness_permutation(at: Setting, g: Rgs, step: Data) -> Data:
    """For a, b of pattern g: a_p -> b_q for [p, q] in ``images`` extends to a permutation with pi a = b."""
    # A partial map that is well defined and injective, from as many of n elements as it reaches, leaves n
    # minus that many on either side (``elsewhere``: how many are taken away), which are matched in order.
    other = {"rgs": list(g), "elsewhere": at.blocks(g)}
    same("the step", step, {"rule": str, "images": {name: ([int, int],) for name in at.names}, **other})
    for name, pairs in step["images"].items():
        what, own = f"images of {name}", [p for p, owner in enumerate(at.sets) if owner == name]
        inside = all(p in own for pair in pairs for p in pair)
        require(inside, f"{what}: a position that does not run over {name}")
        defined, injective = (len({g[pair[side]] for pair in pairs}) == len(pairs) for side in (0, 1))
        require(defined, f"{what}: not well defined, an element has two images")
        require(injective, f"{what}: not injective, two elements have the same image")
        require(all(g[p] == g[q] for p, q in pairs), f"{what}: a does not go to b")
    firsts = [g.index(block) for block in sorted(set(g))]
    return other | {"images": {name: [[p, p] for p in firsts if at.sets[p] == name] for name in at.names}}


def patterns_by_blocks(at: Setting, name: str, _: Data) -> Data:
    """The set partitions of the positions of one index set, counted by their blocks: two ways."""
    size = at.sizes[name]
    same("by_blocks", counted(size), stirling(size))
    return {"set": name, "by_blocks": stirling(size)}


def size_of_a_pattern(at: Setting, b: int, _: Data) -> Data:
    """A pattern of b blocks is shown by n (n-1) ... (n-b+1) tuples: by none exactly if n < b."""
    tuples = falling(b)
    for n in range(b + 2):
        value = sum(coefficient * n**power for power, coefficient in enumerate(tuples))
        same(f"tuples at n = {n}", value, prod(n - i for i in range(b)))
    return {"blocks": b, "tuples": tuples}


def moment_of_fixed_points(at: Setting, j: int, _: Data) -> Data:
    """The mean of fix (fix-1) ... (fix-j+1) is 1 from n >= j on and 0 below."""
    # Each of the n (n-1) ... (n-j+1) injective j-tuples is fixed by (n-j)! permutations, and n! is (n-j)!
    # times n - f over the ``factors`` f: (n-f)! = (n-f) (n-f-1)!, one after another.
    for n in range(j + 2):
        total = sum(fixing(n, f) * prod(f - i for i in range(j)) for f in range(n + 1))
        same(f"the sum over permutations at n = {n}", total, factorial(n) if n >= j else 0)
    return {"falling_power": j, "factors": list(range(j))}


def power_in_falling_factorials(at: Setting, power: int, _: Data) -> Data:
    """x^m is the sum of S(m, j) x (x-1) ... (x-j+1): an identity of polynomials."""
    row = stirling(power)
    total = [sum(c * falling(j)[i] for j, c in enumerate(row) if i <= j) for i in range(power + 1)]
    same("the sum", total, [0] * power + [1])
    return {"exponent": power, "coefficients": row}


def dimensions(at: Setting, name: str, _: Data) -> Data:
    """The dimension at n = 0..m, by counting patterns and by Burnside's average of fix^m: the same."""
    size = at.sizes[name]
    values = [sum(stirling(size)[: n + 1]) for n in range(size + 1)]
    for n, value in enumerate(values):
        total = sum(fixing(n, f) * f**size for f in range(n + 1))
        same(f"n! times the dimension at n = {n}", factorial(n) * value, total)
    return {"set": name, "values": values}


def sum_over_a_block(at: Setting, shape: tuple[int, int], _: Data) -> Data:
    """Summing over some indices of one block: n to the ``factor``, and the others stay linked."""
    # An index y in one delta leaves with it, sum_y delta(y, w) F = F for F without y; an index alone gives n.
    summed, kept = shape
    deltas, power = list(pairwise([*range(summed), *range(-kept, 0)])), 0
    for y in range(summed):
        own = [pair for pair in deltas if y in pair]
        require(len(own) <= 1, f"{y} is in {len(own)} deltas")
        deltas, power = [pair for pair in deltas if pair not in own], power + 1 - len(own)
    same("what is left", [list(pair) for pair in deltas], [[p, p + 1] for p in range(-kept, -1)])
    return {"summed": summed, "kept": kept, "factor": power}


def joins(at: Setting, g: Rgs, _: Data) -> Data:
    """<D_g, D_d> counts the tuples constant on the blocks of the join: D_g D_d = D_(g v d), for every d."""
    # What is coarser than both is coarser than the join: so (Z diag Z^T)[g, d] sums over what lies above it.
    found = [renumbered(linked(len(g), g, d)) for d in at.strings]
    for d, join in zip(at.strings, found, strict=True):
        meet = f"what is coarser than both is not what is coarser than {list(join)}"
        require(at.above[g] & at.above[d] == at.above[join], meet)
    return {"rgs": list(g), "slots": [at.slots[join] for join in found]}


def unitriangular_zeta(at: Setting, _: None, __: Data) -> Data:
    """In slot order Z, which has its ones where d is coarser than g, is unitriangular: det Z = 1."""
    rows = {g: at.coarser(g) for g in at.strings}
    for g, above in rows.items():
        require(above.count(g) == 1 and max(above) == g, f"something coarser than {list(g)} comes later")
    return {"intervals": sum(map(len, rows.values()))}


def moebius_by_expansion(at: Setting, symbols: dict[str, int], _: Data) -> Data:
    """The product of 1 - delta over all pairs of distinct symbols, multiplied out: mu of each partition."""
    owners = tuple(Counter(symbols).elements())
    return {"symbols": symbols, "values": [expansion(owners).get(rgs, 0) for rgs in partitions(owners)]}


def sums_of_one(at: Setting, symbols: dict[str, int], _: Data) -> Data:
    """Each way after the other is the identity, on the delta expressions of as many symbols."""
    # ``zeta``: the sum of all O_h, as D's: 1 = D of the finest. ``moebius``: the sum of mu(h) D_h, as O's.
    of = Setting(tuple(Counter(symbols).elements()), ())
    zeta, moebius = Counter[Rgs](), Counter[Rgs]()
    for h in of.strings:
        zeta.update(of.as_diagrams(h))
        moebius.update(dict.fromkeys(of.coarser(h), expansion(of.sets).get(h, 0)))
    identity = [int(rgs == tuple(range(len(of.sets)))) for rgs in of.strings]
    for what, sums in (("zeta", zeta), ("moebius", moebius)):
        same(what, [sums[rgs] for rgs in of.strings], identity)
    return {"symbols": symbols, "zeta": identity, "moebius": identity}


def substituted_blocks(at: Setting, g: Rgs, _: Data) -> Data:
    """O_g is D_g times the product of 1 - delta over the blocks: [slot of d, mu(g, d)] for all coarser d."""
    return {"rgs": list(g), "terms": sorted([at.slots[d], mu] for d, mu in at.as_diagrams(g).items())}


def stacked(at: Setting, d: Rgs, _: Data) -> Data:
    """D_d after D_g for every g: the set partition that is left, and for each index set the blocks lost."""
    # Three rows of points, the inputs of g, the middle, the outputs of d, are linked by the blocks of both.
    k, results = len(at.inputs), []
    for g in at.strings:
        label = linked(k + len(d), g + (-1,) * k, (-1,) * k + d)
        outer, middle = label[:k] + label[len(g) :], zip(label[k : len(g)], at.outputs, strict=True)
        lost = [name for block, name in set(middle) if block not in outer]
        results.append([list(renumbered(outer)), [lost.count(name) for name in at.names]])
    return {"rgs": list(d), "results": results}


def nullspace(at: Setting, n: dict[str, int], step: Data) -> Data:
    """The prover solved the constraints of two generators over QQ. Here: as below."""
    return merged_tuples(at, n, step)


def merged_tuples(at: Setting, n: dict[str, int], _: Data) -> Data:
    """L is constant along a transposition and an n-cycle of each index set: one number for each orbit."""
    # The generators preserve patterns, so as many orbits as patterns with at most n blocks, all of different
    # patterns, are those patterns: the O_g span. Tuples are numbered; a move says where a generator sends it.
    generators = {m: [[1, 0, *range(2, s)], [*range(1, s), 0]] if s > 1 else [] for m, s in n.items()}
    moves = []
    for name, images in [(name, images) for name, both in generators.items() for images in both]:
        move = [0]
        for own in at.sets:
            values = images if own == name else range(n[own])
            move = [start * n[own] + value for start in move for value in values]
        moves.append(move)
    total = prod(n[name] for name in at.sets)
    seen, patterns = bytearray(total), Counter[Rgs]()
    for start in range(total):
        if not seen[start]:
            patterns[_pattern(at, start, n)] += 1
        stack = [start]
        while stack:
            if not seen[here := stack.pop()]:
                seen[here] = 1
                stack += [there for move in moves if not seen[there := move[here]]]
    dimension = prod(sum(stirling(at.sizes[name])[: size + 1]) for name, size in n.items())
    same("the number of sets of merged tuples", patterns.total(), dimension)
    same("the number of their patterns", len(patterns), dimension)
    return {"sizes": n, "generators": generators, "tuples": total, "dimension": dimension}


def _pattern(at: Setting, number: int, n: dict[str, int]) -> Rgs:
    """The equality pattern of the index tuple with this number, the last position running fastest."""
    labels = []
    for name in reversed(at.sets):
        number, value = divmod(number, n[name])
        labels.append((name, value))
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
        self.mixes, self.made = list[Mix](), Counter[int]()
        self.bias, self.file = Rgs(), ""

    def tensors(self, rule: str, listed: list[tuple[int, list[int]]]) -> list[tuple[Rgs, Rgs, list[int]]]:
        """The ways of tensors that were told, with permutations of their axes."""
        for number, p in listed:
            require(number in self.ways[rule], f"there is no tensor {shown(number)}")
            axes = len(self.ways[rule][number][1])
            require(sorted(p) == list(range(axes)), f"no permutation of the {axes} axes of {shown(number)}")
        return [(*self.ways[rule][number], p) for number, p in listed]


def contraction(at: Setting, told: Told, step: Data) -> Data:
    """``target`` is made of ``source``, the input or an earlier one."""
    # ``blocks``: the axes in one block become one, a diagonal; blocks not ``kept`` are summed over.
    inwards = step["rule"] == "contraction"
    known, new, kind = ("source", "target", Contract) if inwards else ("target", "source", Broadcast)
    same("the step", step, {"rule": str, "source": int, "target": int, "blocks": (int,), "kept": (int,)})
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


def broadcast(at: Setting, told: Told, step: Data) -> Data:
    """``source`` is added to ``target``, the output or one with a way there, by the adjoint of such a map."""
    # So they are told from the output back, and carried out in the other order: what is added on is complete.
    return contraction(at, told, step)


def matrix_product(at: Setting, told: Told, step: Data) -> Data:
    """Each source goes, by a weight of its own, into each target; axis q of what p permutes is axis p[q]."""
    # Where an axis is carried over, a block of input positions and one of output positions become one. That
    # makes a set partition g: contraction, permutation and broadcast are D_g. ``slots``: source by source.
    tensors = ([int, (int,)],)
    same("the step", step, {"rule": str, "sources": tensors, "targets": tensors, "slots": (int,)})
    pairs = len(step["sources"]) * len(step["targets"])
    require(pairs <= len(at.strings), f"{pairs} pairs of a source and a target, and {len(at.strings)} slots")
    sources = told.tensors("contraction", step["sources"])
    targets = told.tensors("broadcast", step["targets"])
    # The axes of the product: those of a source, permuted; and where they arrive in a target.
    carried = [(labels, [axes[q] for q in p]) for labels, axes, p in sources]
    arriving = [(labels, [axes[p.index(q)] for q in range(len(p))]) for labels, axes, p in targets]
    levels = {tuple(at.sets[axis] for axis in axes) for _, axes in carried + arriving}
    require(len(levels) == 1, "the axes run over different index sets, or there are no tensors")
    slots = []
    for (inner, through), (outer, axes) in product(carried, arriving):
        onto = dict(zip(axes, through, strict=True))
        slots.append(at.slots[renumbered([*inner, *(onto.get(label, label) for label in outer)])])
    told.made.update(slots)
    told.mixes.append(Mix(*(tuple((n, tuple(p)) for n, p in step[side]) for side in ("sources", "targets"))))
    return {"sources": step["sources"], "targets": step["targets"], "slots": slots}


def every_weight_slot(at: Setting, told: Told, _: Data) -> Data:
    """All products together make every D_g exactly once."""
    for slot, rgs in enumerate(at.strings):
        made = told.made[slot]
        require(made == 1, f"slot {slot}, {list(rgs)}, is made {made} times, and should be made once")
    return {"slots": len(at.strings)}


def every_bias_slot(at: Setting, told: Told, step: Data) -> Data:
    """Every bias goes into a broadcast without axes, which writes it onto the indices of its pattern."""
    same("the step", step, {"rule": str, "broadcasts": (int,)})
    found = told.tensors("broadcast", [(number, []) for number in step["broadcasts"]])
    made, wanted = [list(renumbered(labels)) for labels, *_ in found], list(map(list, partitions(at.outputs)))
    same("what the broadcasts make", made, wanted)
    told.bias = tuple(step["broadcasts"])
    return step


def emitted_file(at: Setting, told: Told, step: Data) -> Data:
    """The file that carries out this plan, by its digests; that of the plan is taken of the steps above."""
    # That the source does what the plan says is another matter (see the next rule).
    digests = dict.fromkeys(("sha256", "content", "plan", "template"), DIGEST)
    same("the step", step, {"rule": str, "name": PYTHON_FILE, "symeq": RELEASE, **digests})
    moves = tuple(told.moves["contraction"]), tuple(told.mixes), tuple(told.moves["broadcast"][::-1])
    plan = Plan(Signature(at.inputs, at.outputs), *moves, told.bias)
    told.file = step["sha256"]
    return {**step, "plan": hashlib.sha256(repr(plan).encode()).hexdigest()}


def translation_validation(at: Setting, told: Told, step: Data) -> Data:
    """`symeq verify` proved the source of that file. ATTESTED: it takes torch to do that again."""
    # ``forward`` and ``backward`` list what the layer was made and called with.
    proofs = {"forward": (PROOF,), "backward": (PROOF,)}
    same("the step", step, {"rule": str, "file": told.file, "torch": RELEASE, **proofs})
    for field in proofs:
        for setting in (settings := step[field]):
            masked = re.findall(r"mask of (\w+)", setting)
            own = masked == [name for name in at.names if name in masked]
            require(own, f"{field}: a mask of another index set, or one twice, or no order, {shown(setting)}")
        sorted_once = settings != [] and settings == sorted(set(settings))
        require(sorted_once, f"{field}: no settings, or they are not sorted, each once")
    return step


# ------------------------------------------------------------------ the claims


def rule_name(rule: Rule) -> str:
    """The name of a rule as certificates spell it."""
    return rule.__name__.replace("_", " ")


def outline(at: Setting, kind: str, steps: list[Any]) -> list[tuple[Rule, Any]]:
    """The outline of the proof of a claim: which rule is applied to what, in this order."""
    number, upto, listed = len(at.strings), range(at.largest + 1), len(at.strings) <= MOST_LISTED
    same("operators", operators_of(at.sets), number)
    proof: list[tuple[Rule, Sequence[Any]]] = []
    if kind == "closure":
        pairs = [[p, q] for p, q in combinations(range(len(at.sets)), 2) if at.sets[p] == at.sets[q]]
        proof = [(injective_relabelling, pairs), (product_of_deltas, at.strings)]
        # Every factor of every O_g is invariant under relabelling, hence so is O_g.
        proof += [(says("product of invariant factors"), [{"operators": number}])]
    elif kind == "completeness":
        # L is equivariant iff L(pi a) = L(a), so the witnesses make it constant on each of the patterns.
        proof = [(witness_permutation, at.strings), (says("constant on patterns"), [{"patterns": number}])]
        # Every tuple has exactly one pattern, and all set partitions are there: L is the sum of c_g O_g.
        proof += [(says("one pattern each"), [{"patterns": number}])]
    elif kind == "dimension":
        proof = [(patterns_by_blocks, at.names), (size_of_a_pattern, upto), (moment_of_fixed_points, upto)]
        proof += [(power_in_falling_factorials, sorted(set(at.sizes.values()))), (dimensions, at.names)]
        # The index sets are permuted independently: their dimensions multiply.
        proof += [(says("product over index sets"), [{"operators": number}])]
    elif kind == "independence":
        # No tuple has two patterns, so <O_g, O_d> = 0 for g other than d.
        proof = [(size_of_a_pattern, upto), (says("disjoint supports"), [{"operators": len(at.slots)}])]
        # What is coarser than a set partition with b blocks are those of its blocks, counted by their own.
        coarser = says("coarsenings by blocks"), [{"blocks": b, "by_blocks": counted(b)} for b in upto]
        proof += [(sum_over_a_block, [(summed, 0) for summed in upto[1:]]), coarser]
        # A product of deltas asks for the equalities of both: D_g D_d = D_(g v d), for every pair.
        lemma = says("joins by the lemma"), [{"pairs": number**2}]
        proof += [(power_in_falling_factorials, upto), (joins, at.strings) if listed else lemma]
        # det(Gram(D)) is the product of the sizes of the patterns: [numbers of blocks, how many have them].
        blocks = sorted(Counter(tuple(at.blocks(g).values()) for g in at.strings).items())
        factors = {"factors": [[list(sizes), many] for sizes, many in blocks]}
        proof += [(unitriangular_zeta, [None]), (says("determinant"), [factors])]
    elif kind == "change of basis":
        chosen = product(*([(name, b) for b in range(1, size + 1)] for name, size in at.sizes.items()))
        symbols = [dict(numbers) for numbers in chosen]
        proof = [(moebius_by_expansion, symbols), (sums_of_one, symbols), (substituted_blocks, at.strings)]
    elif kind == "composition":
        middle, outer = (max(map(side.count, at.names), default=0) for side in (at.outputs, at.inputs))
        proof = [(sum_over_a_block, list(product(range(1, middle + 1), range(2 * outer + 1))))]
        # Any two stacked diagrams are a product over blocks of these shapes: every pair.
        lemma = says("stacked by blocks"), [{"pairs": number**2}]
        proof += [(stacked, partitions(at.outputs + at.inputs)) if listed else lemma]
    elif kind == "cross-check":
        checked = [(n, prod(n[name] for name in at.sets)) for n in at.cross_checked()]
        proof = [(nullspace if tuples <= MOST_NULLSPACE else merged_tuples, [n]) for n, tuples in checked]
    elif kind == CODE:  # looks at the steps, and at no more than how many of a rule there are
        told, rules = [Told(at)], [step.get("rule") for step in steps if type(step) is dict]
        moves = (contraction, broadcast, matrix_product)
        proof = [(rule, told * rules.count(rule_name(rule))) for rule in moves]
        proof += [(every_weight_slot, told), (every_bias_slot, told), (emitted_file, told)]
        proof += [(translation_validation, told * ("translation validation" in rules))]
    return [(rule, subject) for rule, subjects in proof for subject in subjects]


STATEMENTS = {
    "closure": "{operators} satisfies L[i, pi^-1(j)] = L[pi(i), j] for all pi, i, j",
    "completeness": "tuples of one equality pattern are related by a permutation, so an equivariant L is"
    " constant on patterns, and the orbit operators span",
    "dimension": "the dimension is {dimension}",
    "independence": "<O_g, O_d> = [g = d] times the size of the pattern g; <D_g, D_d> counts the tuples"
    " constant on the join; Gram(D) = Z diag(sizes of the patterns) Z^T, so det Gram(D) is the product of"
    " the sizes: the diagram operators are independent{enough}",
    "change of basis": "D_g = sum of O_d, and O_g = sum of mu(g, d) D_d, over the d coarser than g; each"
    " way is the inverse of the other",
    "composition": "D_d o D_g = {factor}D_(d.g) for all diagrams g of this signature and d of the"
    " reverse one{lost}",
    "cross-check": "the solutions of the constraints for two generators of each symmetric group have the"
    " claimed dimension, and the orbit operators span them",
    CODE: "the plan of the emitted layer, contractions, permutations of blocks and broadcasts, makes the"
    " diagram operator of each weight slot ({number}) and the pattern of each bias slot ({biases}) once",
}


def statement(at: Setting, kind: str) -> str:
    """What a claim says, in words."""
    number = len(at.strings)
    sums = " ".join(f"(sum over b <= {name} of S({size}, b))" for name, size in at.sizes.items())
    bounds = " and ".join(f"{name} >= {size}" for name, size in at.sizes.items())
    power = "{0}^r_{0} " if len(at.names) > 1 else "{0}^r "
    factor = "".join(power.format(name) for name in dict.fromkeys(at.outputs))
    words = {
        "number": number,
        "biases": len(partitions(at.outputs)),
        "operators": "the orbit operator" if number == 1 else f"each of the {number} orbit operators",
        "dimension": f"{sums}, which is {number} from {bounds} on" if sums else "1",
        "enough": f" from {bounds} on" if bounds else "",
        "factor": factor,
        "lost": ", r being the number of blocks lost in the middle" if factor else "",
    }
    return f"{at.text}: {STATEMENTS[kind].format(**words)}"


def scope(at: Setting, kind: str, steps: list[Data]) -> str:
    """For which sizes the steps, all of which hold, show the claim."""
    every = f"every {' and '.join(at.names)}" if at.names else "no index sets"
    rules, last = {step["rule"] for step in steps}, steps[-1]
    if kind == "cross-check":
        single, found = "{}" if len(at.names) == 1 else "({})", dict[str, list[str]]()
        for step in steps:
            sizes = ", ".join(str(step["sizes"][name]) for name in at.names)
            found.setdefault(step["rule"], []).append(single.format(sizes))
        names = single.format(", ".join(at.names))
        checked = "; ".join(f"{names} = {', '.join(sizes)} by {rule}" for rule, sizes in found.items())
        return checked if at.names else f"no index sets, by {', '.join(found)}"
    if kind == CODE and last["rule"] != "translation validation":
        return f"{every}, of the plan; the source was not looked at (`symeq prove --code` does)"
    if kind == CODE:
        settings = f"{len(last['forward'])} settings forward and {len(last['backward'])} backward"
        return (
            f"{every}, of the plan; the source: attested, not checked here, by symeq verify with torch"
            f" {last['torch']}, for sizes from 2 on, in {settings}, of the file with sha256 {last['file']};"
            " `symeq verify FILE` proves it again"
        )
    if rules & {"joins", "stacked"}:
        return f"{every}; every pair, listed"
    lemmas = rules & {"joins by the lemma", "stacked by blocks"}
    return f"{every}; every pair, by a lemma on blocks" if lemmas else every


# ------------------------------------------------------------------ checking


def check(document: Any, layer: bytes | None = None) -> CheckReport:
    """What applying every step of a certificate again finds; ``document`` is its JSON, loaded.

    ``layer`` is the content of a file that should be the one of the certificate. It is read, and never run.

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
    claims, wanted = document["claims"], KINDS if version > 1 else KINDS[:-1]
    kinds = [claim.get("kind") if type(claim) is dict else None for claim in claims]
    problems, notes = [], ["format version 1 claims nothing of the emitted code"] * (version == 1)
    if kinds != list(wanted):
        listing = ", ".join(shown(kind) for kind in kinds[:12])
        problems.append(f"the claims are [{listing}], and should be [{', '.join(wanted)}], each once")
    given = [claims[kinds.index(kind)] if kind in kinds else None for kind in wanted]
    verdicts = tuple(_verdict(at, kind, claim) for kind, claim in zip(wanted, given, strict=True))
    if layer is not None:
        try:
            require(version > 1 and verdicts[-1].ok, "no claim about a file holds")
            _compare(claims[kinds.index(CODE)]["steps"], layer)
            notes.append("the file given is the one of the certificate")
        except FailedStepError as error:
            problems.append(str(error))
    return CheckReport(at.text, document["tool"], verdicts, tuple(problems), tuple(notes))


def _setting(document: Data) -> Setting:
    sides = {"inputs": (NAME,), "outputs": (NAME,)}
    head = {"format": str, "version": int, "tool": TOOL, "signature": sides, "claims": list}
    same("the certificate", document, head)
    inputs, outputs = (tuple(document["signature"][side]) for side in sides)
    axes = max(len(inputs), len(outputs))
    require(axes <= MOST_AXES, f"signature: {axes} axes on one side, at most {MOST_AXES} are read")
    if (number := operators_of(inputs + outputs)) > MOST_OPERATORS:
        raise UnreadableCertificateError(f"{number} operators: this checker lists at most {MOST_OPERATORS}")
    if (number := intervals_of(inputs + outputs)) > MOST_INTERVALS:
        what = "comparable pairs of set partitions"
        raise UnreadableCertificateError(f"{number} {what}: this checker lists at most {MOST_INTERVALS}")
    return Setting(inputs, outputs)


def _verdict(at: Setting, kind: str, claim: Any) -> Verdict:
    claimed, derived, steps, where = statement(at, kind), "", [], ""
    try:
        require(claim is not None, "the claim is left out")
        same("the claim", claim, {"kind": str, "statement": str, "scope": str, "steps": list})
        proof = outline(at, kind, steps := claim["steps"])
        there, more = (f"{n} step{'s' * (n != 1)}" for n in (len(steps), len(steps) - len(proof)))
        for number, (rule, subject) in enumerate(proof, start=1):
            name = f"step {number} ({rule_name(rule)})"
            require(number <= len(steps), f"{name} is left out: the claim ends after {there}")
            where = f"{name}: "
            apply(at, rule, subject, steps[number - 1])
            where = ""
        require(len(steps) == len(proof), f"{more} too many, after step {len(proof)}")
        derived = scope(at, kind, steps)
        same("statement", claim["statement"], claimed)
        same("scope", claim["scope"], derived)
    except FailedStepError as error:
        return Verdict(kind, claimed, derived, len(steps), f"{where}{error}")
    return Verdict(kind, claimed, derived, len(steps))


def apply(at: Setting, rule: Rule, subject: Any, step: Any) -> None:
    """That a step is of this rule and says what the rule says of the subject."""
    given = step.get("rule") if type(step) is dict else None
    require(given == rule_name(rule), f"{shown(given or step)} stands in its place")
    same("the step", step, {"rule": given} | rule(at, subject, step))


def _compare(steps: list[Data], layer: bytes) -> None:
    """That a file is the one of the steps. Line ends may be any system's."""
    (file,) = (step for step in steps if step["rule"] == rule_name(emitted_file))
    text = layer.replace(b"\r\n", b"\n")
    sealed = text.replace(file["content"].encode(), b"0" * 64, 1)
    for what, data, field in [("", text, "sha256"), (" with zeros for its own", sealed, "content")]:
        found, digest = hashlib.sha256(data).hexdigest(), file[field]
        other = f"its sha256{what} is {found}, and the certificate's is {digest}"
        require(found == digest, f"the file given is another one: {other}")
    lines = [f"{f'{name}:':<9} sha256 {file[name]}" for name in ("plan", "template", "content")]
    for line in (*lines, f"Emitted by symeq {file['symeq']}."):
        require(line.encode() in text, f"the file given does not say: {line}")


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
        for text in (*self.problems, *self.notes):
            lines += wrapped(text, "  FAIL " if text in self.problems else "  note ")
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
    """The JSON in a file, loaded and not checked yet; raises what ``content`` and ``load`` raise."""
    return load(content(path, "a certificate"))


def content(path: str | os.PathLike[str], what: str) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableCertificateError: no such file, a folder, a device, or something larger than ``MOST_BYTES``.
    """
    try:
        status = os.stat(path)  # before opening it, since opening a pipe would wait for a writer
        if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES:
            with open(path, "rb") as file:
                return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnreadableCertificateError(f"cannot be read ({getattr(error, 'strerror', error)})") from error
    if stat.S_ISREG(status.st_mode):
        raise UnreadableCertificateError(f"{status.st_size} bytes, and {what} has at most {MOST_BYTES}")
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
    raise UnreadableCertificateError(f"{kind}, expected {what}")


def load(data: bytes) -> Any:
    """The JSON in some bytes, loaded.

    Raises:
        UnreadableCertificateError: too many bytes, no JSON, a key twice, NaN, or JSON nested too deep.
    """

    def unique(pairs: list[tuple[str, Any]]) -> Data:
        require(len(dict(pairs)) == len(pairs), "an object has a key twice")
        return dict(pairs)

    def constant(text: str) -> None:
        require(False, f"{text} is no number")

    if len(data) > MOST_BYTES:
        raise UnreadableCertificateError(f"{len(data)} bytes, and a certificate has at most {MOST_BYTES}")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
    except RecursionError:
        raise UnreadableCertificateError("no certificate: JSON that is nested too deep") from None
    except ValueError as error:
        raise UnreadableCertificateError(f"no JSON document ({error})") from None


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
