from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import factorial, prod

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import signatures, sizes
from symeq.bases.derive import change_of_basis, convert_weights, derive
from symeq.bases.operators import BasisOperator, OperatorBasis
from symeq.errors import InvalidPartitionError, OptionError, SignatureError, SizeError, TooLargeError
from symeq.signature import BasisKind, Signature

KINDS: tuple[BasisKind, ...] = ("orbit", "diagram")
OTHER: dict[BasisKind, BasisKind] = {"orbit": "diagram", "diagram": "orbit"}

SMALL = (
    "->",
    "n ->",
    "-> n",
    "-> n n",
    "n n n ->",
    "n -> n",
    "n n -> n",
    "n n -> n n",
    "u i -> i u",
    "u i u -> i",
)


# ---------------------------------------------------------------- oracles


def index_tuples(names: Sequence[str], n: dict[str, int]) -> list[tuple[int, ...]]:
    """All index tuples, last index fastest."""
    return list(itertools.product(*(range(n[name]) for name in names)))


def entry(rgs: Sequence[int], kind: BasisKind, sets: Sequence[str], indices: Sequence[int]) -> int:
    """One entry of a basis operator, by its definition on pairs of positions."""
    for p, q in itertools.combinations(range(len(rgs)), 2):
        if rgs[p] == rgs[q] and indices[p] != indices[q]:
            return 0
        if kind == "orbit" and sets[p] == sets[q] and rgs[p] != rgs[q] and indices[p] == indices[q]:
            return 0
    return 1


def matrix(rgs: Sequence[int], kind: BasisKind, signature: Signature, n: dict[str, int]) -> np.ndarray:
    """The matrix of a basis operator: rows are output index tuples, columns input index tuples."""
    columns, rows = index_tuples(signature.inputs, n), index_tuples(signature.outputs, n)
    entries = [entry(rgs, kind, signature.positions, i + j) for j in rows for i in columns]
    return np.array(entries, dtype=int).reshape(len(rows), len(columns))


def exact_rank(rows: Sequence[Sequence[int]]) -> int:
    """The rank by elimination over the rationals."""
    left = [[Fraction(int(value)) for value in row] for row in rows]
    rank = 0
    while left:
        pivot_row = left.pop()
        column = next((at for at, value in enumerate(pivot_row) if value), None)
        if column is None:
            continue
        rank += 1
        for row in left:
            if row[column]:
                factor = row[column] / pivot_row[column]
                row[:] = [value - factor * pivot for value, pivot in zip(row, pivot_row, strict=True)]
    return rank


def orbits_by_burnside(signature: Signature, n: dict[str, int]) -> int:
    """The number of orbits of index tuples: the mean number of tuples that a permutation fixes."""
    total = Fraction(1)
    for name in signature.index_sets:
        m = signature.positions.count(name)
        fixed = [sum(i == v for i, v in enumerate(pi)) ** m for pi in itertools.permutations(range(n[name]))]
        total *= Fraction(sum(fixed), factorial(n[name]))
    assert total.denominator == 1
    return int(total)


def permutation_matrix(names: Sequence[str], pi: dict[str, tuple[int, ...]]) -> np.ndarray:
    """The matrix of x -> pi.x on tensors with these axes."""
    n = {name: len(values) for name, values in pi.items()}
    places = {indices: at for at, indices in enumerate(index_tuples(names, n))}
    result = np.zeros((len(places), len(places)), dtype=int)
    for indices, at in places.items():
        result[places[tuple(pi[name][i] for name, i in zip(names, indices, strict=True))], at] = 1
    return result


def check_same_map(
    signature: Signature,
    n: dict[str, int],
    source: BasisKind,
    given_: np.ndarray,
    target: BasisKind,
    got: np.ndarray,
) -> None:
    """Complain unless two rows of weights, over two bases, say the same matrix."""
    strings = [op.rgs for op in OperatorBasis(signature, source)]
    expected = sum(w * matrix(rgs, source, signature, n) for w, rgs in zip(given_, strings, strict=True))
    found = sum(w * matrix(rgs, target, signature, n) for w, rgs in zip(got, strings, strict=True))
    assert np.array_equal(expected, found)


def small_sizes(signature: Signature, at_most: int = 3) -> Iterator[dict[str, int]]:
    """Every choice of sizes 0..at_most."""
    for values in itertools.product(range(at_most + 1), repeat=len(signature.index_sets)):
        yield dict(zip(signature.index_sets, values, strict=True))


# ---------------------------------------------------------------- operators


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SMALL)
def test_matrices_are_the_definition(spec: str, kind: BasisKind) -> None:
    """Every operator's matrix is its definition entry by entry, for sizes from 0 up, in shape and type."""
    signature = Signature.parse(spec)
    for n in small_sizes(signature):
        for op in derive(spec, kind):
            dense = op.matrix(n)
            assert dense.dtype == np.int64
            assert dense.shape == (
                prod(n[name] for name in signature.outputs),
                prod(n[name] for name in signature.inputs),
            )
            assert np.array_equal(dense, matrix(op.rgs, kind, signature, n))


@given(signatures(max_positions=4).flatmap(lambda s: st.tuples(st.just(s), sizes(s))), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_matrices_of_any_signature_are_the_definition(
    case: tuple[Signature, dict[str, int]], kind: BasisKind
) -> None:
    """The same for any index sets and sizes."""
    signature, n = case
    for op in derive(signature, kind):
        assert np.array_equal(op.matrix(n), matrix(op.rgs, kind, signature, n))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", ["->", "-> n", "n n ->", "n n -> n", "u i -> i u", "n n -> n n"])
def test_expressions_evaluate_to_the_entries(spec: str, kind: BasisKind) -> None:
    """The SymPy expression, with numbers for its symbols, is the matrix entry."""
    signature = Signature.parse(spec)
    basis = derive(spec, kind)
    assert [str(symbol) for symbol in basis.indices] == [
        *(f"i_{axis}" for axis in range(signature.order_in)),
        *(f"j_{axis}" for axis in range(signature.order_out)),
    ]
    assert all(symbol.is_integer for symbol in basis.indices)
    n = dict.fromkeys(signature.index_sets, len(signature.positions))
    for op in basis:
        assert op.indices == basis.indices and op.expr.free_symbols <= set(op.indices)
        for indices in index_tuples(signature.positions, n):
            value = op.expr.subs(dict(zip(op.indices, indices, strict=True)))
            assert value == entry(op.rgs, kind, signature.positions, indices)


def test_expressions_are_products_of_kronecker_deltas() -> None:
    """An expression as a paper would write it."""
    i, j, k = sympy.symbols("i_0 i_1 j_0", integer=True)
    delta = sympy.KroneckerDelta
    assert derive("n n -> n", "diagram")[2].expr == delta(i, k)
    assert derive("n n -> n", "orbit")[2].expr == delta(i, k) * (1 - delta(i, j))
    assert derive("u i -> u", "orbit")[1].expr == 1 - delta(i, k)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", ["n n -> n", "u i -> u i", "-> n n"])
def test_operators_are_equivariant(spec: str, kind: BasisKind) -> None:
    """L(pi.x) = pi.L(x) for every permutation of every index set."""
    signature = Signature.parse(spec)
    n = dict.fromkeys(signature.index_sets, 3)
    choices = itertools.product(itertools.permutations(range(3)), repeat=len(n))
    actions = [dict(zip(n, choice, strict=True)) for choice in choices]
    for op, pi in itertools.product(derive(spec, kind), actions):
        left = op.matrix(n) @ permutation_matrix(signature.inputs, pi)
        assert np.array_equal(left, permutation_matrix(signature.outputs, pi) @ op.matrix(n))


def test_an_operator_knows_its_place_and_its_diagram() -> None:
    """The views of one operator agree."""
    op = derive("n n -> n n", "diagram")[7]
    assert op == BasisOperator((0, 1, 0, 2), "diagram", Signature.parse("n n -> n n"))
    assert (op.slot, op.partition.blocks) == (7, ((0, 2), (1,), (3,)))
    assert op.diagram.propagating == ((0, 2),) and op.diagram.order_in == 2
    assert derive("u i -> u", "diagram")[0].diagram.sets == ("u", "i", "u")


def test_sizes_may_be_an_int_or_a_dict() -> None:
    """With one index set both, with several a dict only."""
    assert np.array_equal(derive((1, 1))[0].matrix(4), derive((1, 1))[0].matrix({"n": 4}))
    with pytest.raises(SizeError, match="2 index sets"):
        derive("u -> i")[0].matrix(3)
    with pytest.raises(SizeError, match="no size for 'i'"):
        derive("u -> i").dimension({"u": 3})


def test_operators_that_cannot_be_are_refused() -> None:
    """Strings that do not fit, kinds that do not exist, and matrices that would not fit in memory."""
    with pytest.raises(InvalidPartitionError, match="mixes"):
        BasisOperator((0, 0), "orbit", Signature.parse("u -> i"))
    with pytest.raises(OptionError, match="kind='normal'"):
        BasisOperator((0, 0), "normal", Signature.parse("n -> n"))
    with pytest.raises(TooLargeError, match=f"{10**16}, and the limit is {10**8}") as caught:
        derive((2, 2))[0].matrix(10**4)
    assert caught.value.count == 10**16
    with pytest.raises(TooLargeError, match="positions"):
        derive((20, 20))[0].matrix(1)


# ---------------------------------------------------------------- bases


@pytest.mark.parametrize("spec", SMALL)
def test_orbit_operators_divide_the_entries_among_them(spec: str) -> None:
    """Every entry belongs to exactly one orbit operator, for every size."""
    signature = Signature.parse(spec)
    for n in small_sizes(signature):
        total = sum(op.matrix(n) for op in derive(spec, "orbit"))
        assert np.all(total == 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", [*SMALL, "n n n -> n n"])
def test_dimension_is_the_rank(spec: str, kind: BasisKind) -> None:
    """For every size, also below the number of positions, it is the exact rank and the number of orbits."""
    signature = Signature.parse(spec)
    basis = derive(spec, kind)
    for n in small_sizes(signature, at_most=2 if len(signature.positions) == 5 else 3):
        rows = [matrix(op.rgs, kind, signature, n).reshape(-1).tolist() for op in basis]
        assert basis.dimension(n) == exact_rank(rows) == orbits_by_burnside(signature, n)


def test_dimension_reaches_the_bell_number() -> None:
    """2 -> 2 has 15 operators from n = 4 on; an int for n does where there is one index set."""
    assert [derive((2, 2)).dimension(n) for n in range(6)] == [0, 1, 8, 14, 15, 15]
    assert derive("->").dimension(0) == 1
    assert derive("u i -> u i").dimension({"u": 1, "i": 9}) == 2
    assert derive((40, 40)).dimension(100) == sympy.bell(80)


def test_the_rank_oracle_can_tell() -> None:
    """Dependent rows do not count."""
    assert exact_rank([[1, 2, 3], [2, 4, 6], [0, 0, 0], [1, 0, 0]]) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", [*SMALL, "n n n -> n n"])
def test_a_basis_is_a_sequence_in_slot_order(spec: str, kind: BasisKind) -> None:
    """Length, iteration, indices and slices agree, and slots number the strings in lexicographic order."""
    basis = derive(spec, kind)
    listed = list(basis)
    assert len(basis) == basis.count == len(listed) == len(set(listed))
    assert [op.rgs for op in listed] == sorted(op.rgs for op in listed)
    assert [op.slot for op in listed] == list(range(len(basis)))
    assert listed == [basis[slot] for slot in range(len(basis))]
    assert basis[-1] == listed[-1] and basis[-len(basis)] == listed[0]
    assert basis[1:7:2] == tuple(listed[1:7:2]) and basis[::-1] == tuple(reversed(listed))
    assert all(op in basis and op not in derive(spec, OTHER[kind]) for op in listed)
    assert basis == derive(Signature.parse(spec), kind) and hash(basis) == hash(derive(spec, kind))
    for slot in (len(basis), -len(basis) - 1):
        with pytest.raises(IndexError, match=f"no slot {slot}: .* has slots 0 to {len(basis) - 1}"):
            basis[slot]


def test_large_bases_answer_at_once() -> None:
    """4 213 597 operators are counted, indexed and begun without being made; more than that, too."""
    start = time.perf_counter()
    basis = derive((6, 6))
    assert len(basis) == 4213597 and basis[-1].rgs == tuple(range(12))
    assert basis[4213596] == basis[-1] and next(iter(basis)).rgs == (0,) * 12
    huge = derive((30, 30))
    assert huge.count == sympy.bell(60) and huge[-1].rgs == tuple(range(60)) and bool(huge)
    assert huge[huge.count // 2].slot == huge.count // 2
    assert next(iter(huge)).in_basis("diagram") == {0: 1}
    assert time.perf_counter() - start < 5


def test_a_length_beyond_python_is_refused_with_the_exact_number() -> None:
    """``len`` cannot say it, the error and ``count`` do."""
    with pytest.raises(TooLargeError, match=str(sympy.bell(40))) as caught:
        len(derive((20, 20)))
    assert isinstance(caught.value, OverflowError) and caught.value.count == derive((20, 20)).count


def test_specs_and_kinds_are_checked() -> None:
    """A spec is a string, a pair of orders or a Signature; the orbit kind is the default."""
    assert derive("n n -> n") == derive((2, 1)) == derive(Signature.from_orders(2, 1), "orbit")
    with pytest.raises(SignatureError):
        derive("n n")
    with pytest.raises(OptionError, match="kind='normal'"):
        derive("n -> n", "normal")


# ---------------------------------------------------------------- change of basis


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("spec", SMALL)
def test_change_of_basis_holds_for_the_matrices(spec: str, source: BasisKind) -> None:
    """Every source operator is the combination of target operators that its row says; and so in_basis."""
    signature, target = Signature.parse(spec), OTHER[source]
    change = change_of_basis(spec, source, target)
    n = dict.fromkeys(signature.index_sets, len(signature.positions))  # large enough for independence
    targets = np.array([matrix(op.rgs, target, signature, n) for op in derive(spec, target)])
    for op in derive(spec, source):
        expected = matrix(op.rgs, source, signature, n)
        assert np.array_equal(np.tensordot(change[op.slot], targets, axes=1), expected)
        combination = op.in_basis(target)
        assert list(combination) == sorted(combination) and all(combination.values())
        assert [combination.get(slot, 0) for slot in range(len(change))] == change[op.slot].tolist()
        assert op.in_basis(source) == {op.slot: 1}


@pytest.mark.parametrize("spec", [*SMALL, "n n n -> n n", "u i u -> i u i"])
def test_the_changes_of_basis_are_inverse_and_unitriangular(spec: str) -> None:
    """Both ways is the identity, and the coefficient of the own slot is 1."""
    there, back = change_of_basis(spec, "orbit", "diagram"), change_of_basis(spec, "diagram", "orbit")
    assert there.dtype == back.dtype == np.int64
    assert np.array_equal(there @ back, np.eye(len(there)))
    assert np.array_equal(np.tril(there), there) and (np.diag(there) == 1).all()
    assert set(np.unique(back)) <= {0, 1}
    assert np.array_equal(change_of_basis(spec, "orbit", "orbit"), np.eye(len(there)))


@given(signatures(max_positions=4), st.sampled_from(KINDS), st.data())
@settings(max_examples=40)
def test_converted_weights_say_the_same_map(
    signature: Signature, source: BasisKind, data: st.DataObject
) -> None:
    """Weights before and after are the same matrix, for any index sets and sizes."""
    number = derive(signature).count
    weights = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=number, max_size=number)))
    n = data.draw(sizes(signature, at_most=2))
    converted = convert_weights(weights, signature, source, OTHER[source])
    check_same_map(signature, n, source, weights, OTHER[source], converted)


def test_the_conversion_check_can_fail() -> None:
    """Weights that were not converted are noticed."""
    signature, weights = Signature.parse("n n -> n"), np.arange(1, 6)
    with pytest.raises(AssertionError):
        check_same_map(signature, {"n": 2}, "orbit", weights, "diagram", weights)


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("spec", [(2, 2), (3, 3), "u i u -> i u i"])
def test_converting_weights_is_multiplying_by_the_matrix(
    spec: str | tuple[int, int], source: BasisKind, rng: np.random.Generator
) -> None:
    """For arrays with further axes, integers, floats and fractions; the argument is left alone."""
    change = change_of_basis(spec, source, OTHER[source])
    weights = rng.integers(-99, 99, (len(change), 2, 3))
    before = weights.copy()
    expected = np.einsum("gd,gxy->dxy", change, weights)
    for given_ in (weights, weights.astype(np.int8), weights.astype(float), weights.tolist()):
        converted = convert_weights(given_, spec, source, OTHER[source])
        assert np.array_equal(converted, expected)
        assert converted.dtype == (float if np.asarray(given_).dtype == float else np.int64)
    thirds = weights.astype(object) * Fraction(1, 3)
    assert (convert_weights(thirds, spec, source, OTHER[source]) * 3 == expected).all()
    assert np.array_equal(weights, before)
    same = convert_weights(weights, spec, source, source)
    assert np.array_equal(same, weights) and same is not weights


def test_a_hundred_thousand_slots_convert_without_a_matrix(rng: np.random.Generator) -> None:
    """5 -> 5 takes seconds, comes back exactly, and one operator's row is what ``in_basis`` says."""
    basis = derive((5, 5), "orbit")
    weights = rng.integers(-99, 99, (len(basis), 2))
    start = time.perf_counter()
    there = convert_weights(weights, (5, 5), "orbit", "diagram")
    back = convert_weights(there, (5, 5), "diagram", "orbit")
    assert time.perf_counter() - start < 20  # 0.6 s on two busy cores
    assert np.array_equal(back, weights)
    slot = int(rng.integers(len(basis) // 2))
    one = np.zeros(len(basis), dtype=int)
    one[slot] = 1
    row = convert_weights(one, (5, 5), "orbit", "diagram")
    assert {int(at): int(row[at]) for at in np.flatnonzero(row)} == basis[slot].in_basis("diagram")


def test_integers_never_overflow_silently() -> None:
    """Results that might not fit int64 are refused; as Python integers they are exact."""
    weights = np.full(15, 2**61)
    with pytest.raises(TooLargeError, match=r"weights\.astype\(object\)") as caught:
        convert_weights(weights, (2, 2), "diagram", "orbit")
    exact = convert_weights(weights.astype(object), (2, 2), "diagram", "orbit")
    assert caught.value.count == max(exact) == exact[0] == 15 * 2**61
    signs = np.array([(-1) ** len(op.partition) for op in derive((2, 2))], dtype=object)
    with pytest.raises(TooLargeError) as caught:
        convert_weights((signs * 2**61).astype(int), (2, 2), "orbit", "diagram")
    grown = convert_weights(signs * 2**61, (2, 2), "orbit", "diagram")
    assert caught.value.count == max(abs(grown)) == abs(grown[0])


@pytest.mark.parametrize("shape", [(), (14,), (16, 2), (2, 15)])
def test_weights_need_a_row_for_every_slot(shape: tuple[int, ...]) -> None:
    """The error shows the shape that came and the one expected."""
    with pytest.raises(OptionError, match=r"expected \(15, \.\.\.\), one row per slot of n n -> n n"):
        convert_weights(np.zeros(shape), (2, 2), "orbit", "diagram")


def test_requests_beyond_memory_are_refused() -> None:
    """A dense change of basis for 5 -> 5 would have 1.3 * 10^10 entries."""
    with pytest.raises(TooLargeError, match=str(115975**2)):
        change_of_basis((5, 5), "orbit", "diagram")
    with pytest.raises(OptionError, match="kind='normal'"):
        convert_weights(np.zeros(2), "n -> n", "orbit", "normal")
    with pytest.raises(OptionError, match="kind='normal'"):
        derive("n -> n")[0].in_basis("normal")


def test_sympy_is_loaded_only_for_expressions() -> None:
    """Deriving a basis, its matrices and its conversions does without SymPy, which takes long to import."""
    script = (
        "import sys; from symeq.bases.derive import convert_weights, derive; derive((2, 2))[3].matrix(3);"
        "convert_weights(range(15), (2, 2), 'orbit', 'diagram'); sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
