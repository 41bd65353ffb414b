"""From a signature to its basis, and from one basis to the other."""

from __future__ import annotations

from collections import Counter
from math import factorial, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from symeq.bases.operators import MAX_MATRIX_ENTRIES, OperatorBasis
from symeq.combinatorics.partitions import (
    bell,
    count,
    opens_block,
    ranks_unchecked,
    restricted_growth_strings,
    stirling,
)
from symeq.errors import OptionError, TooLargeError
from symeq.signature import BasisKind, Signature, Spec, check_kind

_INT64_MAX = int(np.iinfo(np.int64).max)


def derive(spec: Spec, kind: BasisKind = "orbit") -> OperatorBasis:
    """The orbit or diagram basis of a signature, given as a string, a pair of orders or a ``Signature``.

    >>> basis = derive("n n -> n")
    >>> [op.rgs for op in basis]
    [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2)]

    Raises:
        SignatureError: a spec that is no signature.
        OptionError: a kind that does not exist.
    """
    return OperatorBasis(Signature.of(spec), kind)


def change_of_basis(spec: Spec, source: BasisKind, target: BasisKind) -> npt.NDArray[np.int64]:
    """The integer matrix C with ``source[g] = sum over d of C[g, d] * target[d]``.

    Shape (count, count), unitriangular: C[g, d] is not 0 only where d is coarser than g, hence not later.
    Weights go along as rows: ``weights @ C``, which ``convert_weights`` does without the matrix.

    >>> change_of_basis("n n ->", "orbit", "diagram")
    array([[ 1,  0],
           [-1,  1]])

    Raises:
        OptionError: a kind that does not exist.
        TooLargeError: more than 10^8 entries.
    """
    signature = Signature.of(spec)
    total = count(signature.positions)
    if total**2 > MAX_MATRIX_ENTRIES:
        raise TooLargeError(
            f"entries of the change of basis of {signature}",
            total**2,
            MAX_MATRIX_ENTRIES,
            "convert_weights(...) and operator.in_basis(...) need no matrix.",
        )
    return np.ascontiguousarray(convert_weights(np.eye(total, dtype=np.int64), signature, source, target).T)


def convert_weights(
    weights: npt.ArrayLike, spec: Spec, source: BasisKind, target: BasisKind
) -> npt.NDArray[Any]:
    """The weights, over the target basis, of the same map: the sum of weight times operator.

    weights: (count, ...), one row per slot; the result is a new array of the same shape. Integers give int64;
    floating-point numbers keep their type; an object array (Python integers, ``Fraction``) is exact at any
    size.

    Orbit weights w have diagram weights ``v[d] = sum of mu(g, d) w[g]`` over the g finer than d, and back by
    ``w[d] = sum of v[g]``. No matrix is made, and only pairs (g, g with two blocks merged) are visited: in
    geometric lattices, of which this is one, a Moebius transform needs no more (Kaski, Kohonen and
    Westerbäck 2016, arXiv:1603.03889). The way leads from the orbit operators ``M^m`` to the diagram
    operators ``M^0`` over the operators ``M^p_g`` that ask only the blocks of g that begin before position p
    to be distinct. If position p begins a block of g, then ``M^(p+1)_g`` is ``M^p_g`` less the ``M^p`` of g
    with this block merged into an earlier one, for each earlier block of its index set; if not, they are
    equal.

    >>> convert_weights([5, 7], "n n ->", "orbit", "diagram")
    array([-2,  7])

    Raises:
        OptionError: a kind that does not exist, or weights whose first axis is not that of the slots.
        TooLargeError: integer weights whose results might not fit int64, or more slots than can be listed.
    """
    sets = Signature.of(spec).positions
    sign = {"orbit": -1, "diagram": 1}[check_kind(source)]
    total = count(sets)
    array = np.array(weights)
    if array.shape[:1] != (total,):
        raise OptionError(
            "weights.shape", array.shape, f"({total}, ...), one row per slot of {Signature.of(spec)}"
        )
    if array.dtype.kind in "bui":
        largest = max(abs(int(array.max(initial=0))), abs(int(array.min(initial=0))))
        if largest * _growth(sets, source) > _INT64_MAX:
            raise TooLargeError(
                "the weights may grow to",
                largest * _growth(sets, source),
                _INT64_MAX,
                "Convert them to Python integers: weights.astype(object).",
            )
        array = array.astype(np.int64)
    if check_kind(target) == source:
        return array
    strings = restricted_growth_strings(sets)
    opens = opens_block(strings)
    positions = range(1, len(sets))
    for position in positions if source == "diagram" else reversed(positions):
        for earlier in range(position):
            if sets[earlier] == sets[position]:
                # The partitions with a block that begins at `position` and one that begins at `earlier`.
                sources = np.flatnonzero(opens[:, position] & opens[:, earlier])
                block = strings[sources, position, None]
                into = strings[sources, earlier, None]
                others = strings[sources]
                merged = np.where(others == block, into, others - (others > block))
                _add_rows(array, ranks_unchecked(merged, sets), sources, sign)
    return array


def _growth(sets: tuple[str, ...], source: BasisKind) -> int:
    """The largest sum of absolute coefficients in one converted weight.

    It is that of the coarsest partition; on the way coefficients of one pair never cancel, since every
    merger changes the sign.
    """
    sizes = Counter(sets).values()
    if source == "diagram":
        return prod(bell(m) for m in sizes)
    return prod(sum(stirling(m, b) * factorial(b - 1) for b in range(1, m + 1)) for m in sizes)


def _add_rows(
    array: npt.NDArray[Any], targets: npt.NDArray[np.int64], sources: npt.NDArray[np.intp], sign: int
) -> None:
    """``array[target] += sign * array[source]`` for all pairs, also of one target; no target is a source."""
    if not len(targets):
        return
    order = np.argsort(targets, kind="stable")
    targets, sources = targets[order], sources[order]
    starts = np.flatnonzero(np.diff(targets, prepend=-1))
    array[targets[starts]] += sign * np.add.reduceat(array[sources], starts, axis=0)
