"""The prover: a signature -> a ``Certificate``, every claim derived with SymPy from the operators themselves.

One function for each kind of claim makes its steps (that of the emitted code is in ``symeq.proof.emission``).
What is general in n is derived with n a symbol; what is finite is enumerated. The prover asserts what it
derives, and the checker (``symeq.proof.checker``) trusts none of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, pairwise
from math import prod
from typing import Any, TypeAlias

import numpy as np
import sympy
from sympy.concrete.delta import deltasummation
from sympy.functions.combinatorial.numbers import stirling

from symeq.bases.derive import derive
from symeq.bases.operators import BasisOperator, OperatorBasis, index_symbols
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.lattice import join, moebius
from symeq.combinatorics.partitions import SetPartition, count, renumber
from symeq.combinatorics.partitions import set_partitions as all_partitions
from symeq.errors import TooLargeError
from symeq.proof import checker
from symeq.proof.burnside import dimension_by_burnside
from symeq.proof.certificate import Certificate, Claim, Step
from symeq.proof.crosscheck import Indices, cross_check, generators, moves, representatives
from symeq.proof.emission import attested, emitted_code
from symeq.signature import Signature, Spec

Steps: TypeAlias = Iterable[Step]
Progress: TypeAlias = Callable[[str, int, int], None]

MOST_LITERAL = 15
"""Up to so many operators, Gram matrices and products are also derived as whole SymPy expressions."""

n = sympy.Symbol("n", integer=True, nonnegative=True)


def prove(spec: Spec, progress: Progress | None = None, code: bool = False) -> Certificate:
    """The certificate of a signature: what is true of its operators and of its layer, with scopes and steps.

    ``docs/proofs.md`` explains the claims and why their steps imply them.

    >>> print(prove("n -> n").claims[2].statement)
    n -> n: the dimension is (sum over b <= n of S(2, b)), which is 2 from n >= 2 on

    Args:
        spec: a string, a pair of orders or a ``Signature``.
        progress: called with the kind of the next claim, how many are done, and of how many.
        code: whether the source of the emitted layer is proved, too, as ``symeq verify`` does it. That loads
            torch and takes minutes; the certificate then says with which torch, and in which settings.

    Raises:
        SignatureError: a spec that is none.
        TooLargeError: more operators, or pairs of comparable ones, than a certificate lists; the message says
            how many there are.
        ProofError: ``code`` was asked for, and a proof of the source fails.
    """
    from symeq import __version__

    signature = Signature.of(spec)
    refuse_absurd(signature)
    setting = checker.Setting(signature.inputs, signature.outputs)
    claims = []
    for done, (kind, steps_of) in enumerate(PROVERS.items()):
        if progress is not None:
            progress(kind, done, len(PROVERS))
        steps = tuple(steps_of(signature))
        if kind == checker.CODE and code:
            steps = (*steps, attested(signature, steps[-1], progress))
        scope = checker.scope(setting, kind, [{"rule": step.rule, **step.data} for step in steps])
        claims.append(Claim(kind, checker.statement(setting, kind), scope, steps))
    return Certificate(signature, tuple(claims), f"symeq {__version__}")


def refuse_absurd(signature: Signature) -> None:
    """Refuses, before anything is listed, what a certificate cannot list.

    Raises:
        TooLargeError: with the number of operators, or of pairs of a set partition and a coarser one.
    """
    remedy = "Choose lower orders; `symeq count` still gives exact dimensions."
    if (operators := count(signature.positions)) > checker.MOST_OPERATORS:
        raise TooLargeError(f"number of operators of {signature}", operators, checker.MOST_OPERATORS, remedy)
    if (intervals := checker.intervals_of(signature.positions)) > checker.MOST_INTERVALS:
        raise TooLargeError(
            f"comparable pairs of set partitions of {signature}", intervals, checker.MOST_INTERVALS, remedy
        )


# ------------------------------------------------------------------ closure


class Relabelled(sympy.Function):  # type: ignore[misc]  # SymPy's classes are Any to mypy
    """``pi^power(x)``, pi being a permutation of an index set; powers of pi add up."""

    @classmethod
    def eval(cls, power: sympy.Integer, x: sympy.Expr) -> sympy.Expr | None:
        """Merges powers; pi^0 is the identity."""
        if isinstance(x, Relabelled):
            return Relabelled(power + x.args[0], x.args[1])
        return x if power == 0 else None


def closure(signature: Signature) -> Steps:
    """``L[i, pi^-1 j] = L[pi i, j]``: apply pi to both arguments of every delta, since pi is injective."""
    k, symbols = signature.order_in, index_symbols(signature)
    left = {j: Relabelled(-1, j) for j in symbols[k:]}
    right = {i: Relabelled(1, i) for i in symbols[:k]}

    def powers(x: sympy.Expr) -> int:
        return int(x.args[0]) if isinstance(x, Relabelled) else 0

    moved: dict[sympy.Expr, sympy.Expr] = {}
    for p, q in _pairs(signature):
        x, y = symbols[p], symbols[q]
        before, after = (left.get(x, x), left.get(y, y)), (right.get(x, x), right.get(y, y))
        assert tuple(Relabelled(1, z) for z in before) == after, "pi pi^-1 is the identity"
        moved[sympy.KroneckerDelta(*before)] = sympy.KroneckerDelta(*after)
        yield Step(
            "injective relabelling",
            {"positions": [p, q], "left": [powers(z) for z in before], "right": [powers(z) for z in after]},
        )
    basis = derive(signature, "orbit")
    for operator in basis:
        expression = operator.expr
        relabelled = expression.xreplace(left).xreplace(moved)
        assert relabelled == expression.xreplace(right), f"O_{operator.rgs} is not equivariant"
        equal, distinct = _factors(expression, symbols)
        data = {"rgs": list(operator.rgs), "equal": equal, "distinct": distinct}
        yield Step("product of deltas", data)
    yield Step("product of invariant factors", {"operators": len(basis)})


def _pairs(signature: Signature) -> list[tuple[int, int]]:
    sets = signature.positions
    return [(p, q) for p, q in combinations(range(len(sets)), 2) if sets[p] == sets[q]]


def _factors(expression: sympy.Expr, symbols: tuple[sympy.Symbol, ...]) -> tuple[list[Any], list[Any]]:
    """The pairs of positions in the factors delta, and in the factors 1 - delta, of a product."""
    equal: list[list[int]] = []
    distinct: list[list[int]] = []
    for factor in sympy.Mul.make_args(expression):
        deltas = factor.atoms(sympy.KroneckerDelta)
        if factor == 1:
            continue
        (delta,) = deltas
        pair = sorted(map(symbols.index, delta.args))
        assert factor in (delta, 1 - delta), f"{factor} is neither delta nor 1 - delta"
        (equal if factor == delta else distinct).append(pair)
    return sorted(equal), sorted(distinct)


# ------------------------------------------------------------------ completeness and dimension


def completeness(signature: Signature) -> Steps:
    """For a and b of pattern g, sending a_p to b_p for one p of each block defines a permutation."""
    sets, names = signature.positions, signature.index_sets
    basis = derive(signature, "orbit")
    for operator in basis:
        images: dict[str, list[list[int]]] = {name: [] for name in names}
        for block in operator.partition.blocks:
            images[sets[block[0]]].append([block[0], block[0]])
        elsewhere = {name: len(pairs) for name, pairs in images.items()}
        yield Step(
            "witness permutation", {"rgs": list(operator.rgs), "images": images, "elsewhere": elsewhere}
        )
    yield Step("constant on patterns", {"patterns": len(basis)})
    yield Step("one pattern each", {"patterns": len(basis)})


def dimension(signature: Signature) -> Steps:
    """Patterns with at most n blocks; and Burnside, with the factorial moments of the fixed points."""
    sizes = Counter(signature.positions)
    names, largest = signature.index_sets, max(sizes.values(), default=0)
    for name in names:
        counted = Counter(map(len, all_partitions(sizes[name])))
        data = {"set": name, "by_blocks": [counted[b] for b in range(sizes[name] + 1)]}
        yield Step("patterns by blocks", data)
    yield from _sizes_of_patterns(largest)
    for j in range(largest + 1):
        # The pairs of a permutation and an injective j-tuple that it fixes, divided by n!.
        moment = sympy.ff(n, j) * sympy.factorial(n - j) / sympy.factorial(n)
        assert sympy.combsimp(moment) == 1, f"factorial moment {j} is not 1"
        factors = sorted(int(root) for root in sympy.Poly(sympy.ff(n, j), n).ground_roots())
        yield Step("moment of fixed points", {"falling_power": j, "factors": factors})
    for size in sorted(set(sizes.values())):
        yield _power(size)
    for name in names:
        alone = Signature((), (name,) * sizes[name])
        values = [derive(alone).dimension(size) for size in range(sizes[name] + 1)]
        for size, value in enumerate(values):
            assert value == dimension_by_burnside(alone, size), f"two dimensions at n = {size}"
        yield Step("dimensions", {"set": name, "values": values})
    yield Step("product over index sets", {"operators": derive(signature).count})


def _sizes_of_patterns(largest: int) -> Iterator[Step]:
    """The number of tuples with b different entries, n (n-1) ... (n-b+1)."""
    for b in range(largest + 1):
        yield Step("size of a pattern", {"blocks": b, "tuples": _coefficients(sympy.ff(n, b))})


def _coefficients(expression: sympy.Expr) -> list[int]:
    return [int(c) for c in reversed(sympy.Poly(sympy.expand_func(expression), n).all_coeffs())]


def _power(exponent: int) -> Step:
    """x^m = sum of S(m, j) x^(falling j), as polynomials (Stanley, EC1, 2nd ed., Section 1.9)."""
    coefficients = [int(stirling(exponent, j)) for j in range(exponent + 1)]
    total = sum(c * sympy.ff(n, j) for j, c in enumerate(coefficients))
    assert sympy.expand(sympy.expand_func(total) - n**exponent) == 0, "powers in falling factorials"
    return Step("power in falling factorials", {"exponent": exponent, "coefficients": coefficients})


# ------------------------------------------------------------------ independence


def independence(signature: Signature) -> Steps:
    """Both Gram matrices with n a symbol; Gram(D) = Z diag Z^T entry by entry, and the determinant."""
    basis = derive(signature, "diagram")
    partitions = [SetPartition(operator.rgs) for operator in basis]
    slot = {partition: at for at, partition in enumerate(partitions)}
    largest = max(Counter(signature.positions).values(), default=0)
    yield from _sizes_of_patterns(largest)
    yield Step("disjoint supports", {"operators": len(partitions)})
    for summed in range(1, largest + 1):
        yield _sum_over_a_block(summed, 0)
    for b in range(largest + 1):
        counted = Counter(map(len, all_partitions(b)))
        yield Step("coarsenings by blocks", {"blocks": b, "by_blocks": [counted[j] for j in range(b + 1)]})
    for b in range(largest + 1):
        yield _power(b)
    if len(partitions) <= checker.MOST_LISTED:
        for g in partitions:
            slots = [slot[join(g, d)] for d in partitions]
            yield Step("joins", {"rgs": list(g.rgs), "slots": slots})
    else:
        yield Step("joins by the lemma", {"pairs": len(partitions) ** 2})
    if len(partitions) <= MOST_LITERAL:
        _derive_gram(basis, partitions)
    intervals = sum(len(operator.in_basis("orbit")) for operator in basis)
    yield Step("unitriangular zeta", {"intervals": intervals})
    blocks = Counter(_blocks(signature, g.rgs) for g in partitions)
    yield Step("determinant", {"factors": [[list(b), blocks[b]] for b in sorted(blocks)]})


def _blocks(signature: Signature, rgs: tuple[int, ...]) -> tuple[int, ...]:
    """The number of blocks of each index set."""
    found = Counter(name for _, name in set(zip(rgs, signature.positions, strict=True)))
    return tuple(found[name] for name in signature.index_sets)


def _derive_gram(basis: OperatorBasis, partitions: list[SetPartition]) -> None:
    """Gram(D) = Z diag(sizes of the patterns) Z^T with a symbol for every index set, and its determinant."""
    names = basis.signature.index_sets
    symbols = sympy.symbols([f"n_{name}" for name in names], integer=True, nonnegative=True)

    def over_sets(term: Callable[[sympy.Symbol, int], sympy.Expr], rgs: tuple[int, ...]) -> sympy.Expr:
        return sympy.Mul(*(term(s, b) for s, b in zip(symbols, _blocks(basis.signature, rgs), strict=True)))

    size = len(partitions)
    zeta = sympy.zeros(size, size)
    for operator in basis:
        for other in operator.in_basis("orbit"):
            zeta[operator.slot, other] = 1
    sizes = [over_sets(lambda s, b: sympy.expand_func(sympy.ff(s, b)), g.rgs) for g in partitions]
    gram = sympy.Matrix(
        size, size, lambda g, d: over_sets(lambda s, b: s**b, join(partitions[g], partitions[d]).rgs)
    )
    assert (zeta * sympy.diag(*sizes) * zeta.T - gram).expand().is_zero_matrix, "Gram(D)"
    assert zeta.is_lower and all(zeta[at, at] == 1 for at in range(size)), "Z is unitriangular"


def _sum_over_a_block(summed: int, kept: int) -> Step:
    """Sums over the indices y of one block, one after another, by SymPy's delta summation."""
    ys = sympy.symbols(f"y:{summed}", integer=True)
    xs = sympy.symbols(f"x:{kept}", integer=True)

    def chain(*points: sympy.Symbol) -> sympy.Expr:
        return sympy.Mul(*(sympy.KroneckerDelta(p, q) for p, q in pairwise(points)))

    result = chain(*ys, *xs)
    for y in ys:
        result = deltasummation(result, (y, 1, n), no_piecewise=True)
    factor = 0 if kept else 1
    assert result == n**factor * chain(*xs), f"{summed} indices of a block of {summed + kept}"
    return Step("sum over a block", {"summed": summed, "kept": kept, "factor": factor})


# ------------------------------------------------------------------ change of basis


def change_of_basis(signature: Signature) -> Steps:
    """O_g in D's by multiplying out 1 - delta; and both ways one after the other."""
    sizes = Counter(signature.positions)
    names = signature.index_sets
    vectors = [tuple(counts.values()) for counts in _grid({name: sizes[name] for name in names})]
    for blocks in vectors:
        owners = tuple(name for name, b in zip(names, blocks, strict=True) for _ in range(b))
        finest = SetPartition(tuple(range(len(owners))))
        values = [moebius(finest, h) for h in all_partitions(owners)]
        if len(owners) <= 4:
            assert values == _expanded(owners), "the product of 1 - delta has other coefficients"
        symbols = dict(zip(names, blocks, strict=True))
        yield Step("moebius by expansion", {"symbols": symbols, "values": values})
    for blocks in vectors:
        owners = tuple(name for name, b in zip(names, blocks, strict=True) for _ in range(b))
        zeta, mu = _both_ways(owners)
        symbols = dict(zip(names, blocks, strict=True))
        yield Step("sums of one", {"symbols": symbols, "zeta": zeta, "moebius": mu})
    for operator in derive(signature, "orbit"):
        terms = [[slot, value] for slot, value in operator.in_basis("diagram").items()]
        yield Step("substituted blocks", {"rgs": list(operator.rgs), "terms": terms})


def _grid(sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    """All vectors of numbers of blocks, from 1 to the size of each index set."""
    if not sizes:
        yield {}
        return
    *others, last = sizes
    for counts in _grid({name: sizes[name] for name in others}):
        for b in range(1, sizes[last] + 1):
            yield counts | {last: b}


def _expanded(owners: tuple[str, ...]) -> list[int]:
    """The coefficients of the D_h in the product of 1 - delta over all pairs, multiplied out by SymPy."""
    operator = BasisOperator(tuple(range(len(owners))), "orbit", Signature((), owners))
    symbols = operator.indices
    found: Counter[tuple[int, ...]] = Counter()
    for term in sympy.Add.make_args(sympy.expand(operator.expr)):
        coefficient, deltas = term.as_coeff_Mul()
        labels = dict(zip(symbols, range(len(symbols)), strict=True))
        for delta in deltas.atoms(sympy.KroneckerDelta):
            old, new = labels[delta.args[0]], labels[delta.args[1]]
            labels = {symbol: new if label == old else label for symbol, label in labels.items()}
        found[renumber(labels.values())] += int(coefficient)
    return [found[h.rgs] for h in all_partitions(owners)]


def _both_ways(owners: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The sum of all O_h in D's, and the sum of mu(h) D_h in O's, over the partitions h of typed symbols."""
    basis = derive(Signature((), owners), "orbit")
    zeta, mu = [0] * len(basis), [0] * len(basis)
    finest = basis[-1].in_basis("diagram")
    for orbit in basis:
        for slot, value in orbit.in_basis("diagram").items():
            zeta[slot] += value
        diagram = BasisOperator(orbit.rgs, "diagram", orbit.signature)
        for slot, value in diagram.in_basis("orbit").items():
            mu[slot] += finest.get(orbit.slot, 0) * value
    identity = [0] * (len(basis) - 1) + [1]
    assert zeta == identity and mu == identity, "zeta and Moebius are not inverse"
    return zeta, mu


# ------------------------------------------------------------------ composition


def composition(signature: Signature) -> Steps:
    """Sums over the middle indices: block by block with n a symbol; and, for few operators, pair by pair."""
    back = Signature(signature.outputs, signature.inputs)
    names = signature.index_sets
    middle = max(Counter(signature.outputs).values(), default=0)
    outer = 2 * max(Counter(signature.inputs).values(), default=0)
    for summed in range(1, middle + 1):
        for kept in range(outer + 1):
            yield _sum_over_a_block(summed, kept)
    basis = derive(signature, "diagram")
    if len(basis) > checker.MOST_LISTED:
        yield Step("stacked by blocks", {"pairs": len(basis) ** 2})
        return
    firsts = [operator.diagram for operator in basis]
    for operator in derive(back, "diagram"):
        results = []
        for first in firsts:
            result, lost = operator.diagram.compose(first)
            if len(basis) <= MOST_LITERAL:
                _derive_product(operator.diagram, first, result, lost)
            results.append([list(result.rgs), [lost.get(name, 0) for name in names]])
        yield Step("stacked", {"rgs": list(operator.rgs), "results": results})


def _derive_product(
    second: PartitionDiagram, first: PartitionDiagram, result: PartitionDiagram, lost: dict[str, int]
) -> None:
    """The sum over the middle of D_second D_first, by SymPy's delta summation: n^r D_result."""
    x, y, z = (
        sympy.symbols([f"{letter}_{axis}" for axis in range(order)], integer=True)
        for letter, order in (("x", first.order_in), ("y", first.order_out), ("z", second.order_out))
    )
    size = {name: sympy.Symbol(f"n_{name}", integer=True) for name in lost}

    def deltas(diagram: PartitionDiagram, points: list[sympy.Symbol]) -> sympy.Expr:
        pairs = [(block[0], p) for block in diagram.partition.blocks for p in block[1:]]
        return sympy.Mul(*(sympy.KroneckerDelta(points[p], points[q]) for p, q in pairs))

    total = deltas(first, [*x, *y]) * deltas(second, [*y, *z])
    for symbol, name in zip(y, first.sets[first.order_in :], strict=True):
        total = deltasummation(total, (symbol, 1, size[name]), no_piecewise=True)
    factor = sympy.Mul(*(size[name] ** r for name, r in lost.items()))
    rest = (total / factor).atoms(sympy.KroneckerDelta)
    labels = {symbol: at for at, symbol in enumerate([*x, *z])}
    for delta in rest:
        old, new = labels[delta.args[0]], labels[delta.args[1]]
        labels = {symbol: new if label == old else label for symbol, label in labels.items()}
    assert total == factor * sympy.Mul(*rest), "the factor of a product of diagrams"
    assert renumber(labels.values()) == result.rgs, "the product of two diagrams"


# ------------------------------------------------------------------ finite cross-check


def finite_cross_check(signature: Signature) -> Steps:
    """The constraints of two generators, solved at the certificate's sizes; the O_g span the solutions."""
    basis = derive(signature, "orbit")
    rules = {"nullspace": "nullspace", "orbits": "merged tuples"}
    for sizes in checker.Setting(signature.inputs, signature.outputs).cross_checked():
        found = cross_check(signature, sizes)
        shape = [sizes[name] for name in signature.positions]
        constraints = moves(signature, sizes)
        if found.method == "nullspace":
            _check_matrices(basis, sizes, constraints, found.dimension)
        else:
            tuples = np.unravel_index(representatives(prod(shape), constraints), shape)
            patterns = {
                _pattern(signature, values) for values in zip(*map(np.ndarray.tolist, tuples), strict=True)
            }
            assert len(patterns) == found.dimension, f"two orbits at {sizes} have one pattern"
        assert found.dimension == basis.dimension(sizes), f"the dimension at {sizes}"
        lists = {name: [list(images) for images in generators(size)] for name, size in sizes.items()}
        data = {"sizes": sizes, "generators": lists, "tuples": prod(shape), "dimension": found.dimension}
        yield Step(rules[found.method], data)


def _check_matrices(
    basis: OperatorBasis, sizes: dict[str, int], constraints: list[Indices], dimension: int
) -> None:
    """The matrices of the O_g that are not zero solve the constraints, are independent, and are as many."""
    matrices = [operator.matrix(sizes) for operator in basis]
    vectors = [matrix.T.reshape(-1) for matrix in matrices if matrix.any()]
    for vector in vectors:
        assert all(np.array_equal(vector[move], vector) for move in constraints), "not equivariant"
    assert len(vectors) == dimension, "the O_g do not span"
    assert not vectors or np.sum(vectors, axis=0).max() <= 1, "the O_g overlap"


def _pattern(signature: Signature, values: tuple[int, ...]) -> tuple[int, ...]:
    return renumber(zip(signature.positions, values, strict=True))


PROVERS: dict[str, Callable[[Signature], Steps]] = {
    "closure": closure,
    "completeness": completeness,
    "dimension": dimension,
    "independence": independence,
    "change of basis": change_of_basis,
    "composition": composition,
    "cross-check": finite_cross_check,
    checker.CODE: emitted_code,
}
