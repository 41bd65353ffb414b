"""The basis of all equivariant linear maps of a signature, and its operators.

The equivariant maps are those whose matrix entries are constant on the orbits of index tuples (inputs, then
outputs) under permutations of the index sets (Maron et al. 2019, arXiv:1812.09902). The orbits are the
equality patterns of the tuples, hence set partitions g of the positions, and give two bases:

- *orbit*: ``O_g`` has entry 1 where the equality pattern is exactly g, else 0;
- *diagram*: ``D_g`` has entry 1 where the tuple is constant on every block of g, else 0 (Godfrey et al. 2023,
  arXiv:2303.06208).

Summing over the coarser partitions d >= g, ``D_g = sum O_d`` and ``O_g = sum mu(g, d) D_d`` with the Moebius
function of refinement (Benkart and Halverson 2017, arXiv:1707.01410).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import factorial, prod
from operator import index
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import (
    SetPartition,
    check_rgs,
    count,
    count_at_most,
    rank,
    ranks_unchecked,
    restricted_growth_string_chunks,
    restricted_growth_strings,
    unrank,
)
from symeq.errors import TooLargeError
from symeq.signature import BasisKind, Signature, Sizes, check_kind

if TYPE_CHECKING:
    import sympy

MAX_MATRIX_ENTRIES = 10**8
MAX_TYPESET_AXES = 12
_MAX_AXES = 32  # of an array before NumPy 2


def index_symbols(signature: Signature) -> tuple[sympy.Symbol, ...]:
    """The integer symbols of the positions: ``i_0, ...`` for input axes, ``j_0, ...`` for output axes.

    >>> index_symbols(Signature.parse("n n -> n"))
    (i_0, i_1, j_0)
    """
    import sympy

    names = [f"i_{axis}" for axis in range(signature.order_in)]
    names += [f"j_{axis}" for axis in range(signature.order_out)]
    return tuple(sympy.Symbol(name, integer=True) for name in names)


@dataclass(frozen=True, slots=True)
class BasisOperator:
    """One element of a basis: ``O_g`` (kind ``"orbit"``) or ``D_g`` (``"diagram"``), g given by ``rgs``.

    >>> op = BasisOperator((0, 1, 0), "orbit", Signature.parse("n n -> n"))
    >>> op.expr
    (1 - KroneckerDelta(i_0, i_1))*KroneckerDelta(i_0, j_0)
    >>> op.matrix(2)
    array([[0, 1, 0, 0],
           [0, 0, 1, 0]])

    Raises:
        InvalidPartitionError: ``rgs`` is no restricted growth string over the positions of the signature.
        OptionError: a kind that does not exist.
    """

    rgs: tuple[int, ...]
    kind: BasisKind
    signature: Signature

    def __post_init__(self) -> None:
        check_kind(self.kind)
        object.__setattr__(self, "rgs", check_rgs(self.rgs, self.signature.positions))

    @property
    def slot(self) -> int:
        """The operator's place in its basis, which is that of its weight in a layer."""
        return rank(self.rgs, self.signature.positions)

    @property
    def partition(self) -> SetPartition:
        """The set partition of the positions."""
        return SetPartition(self.rgs)

    @property
    def diagram(self) -> PartitionDiagram:
        """The set partition with its inputs told from its outputs."""
        return PartitionDiagram(self.rgs, self.signature.order_in, self.signature.positions)

    @property
    def indices(self) -> tuple[sympy.Symbol, ...]:
        """The symbols in ``expr``, by position."""
        return index_symbols(self.signature)

    def _conditions(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The pairs of positions whose indices must be equal, and those whose indices must differ."""
        blocks = self.partition.blocks
        equal = [pair for block in blocks for pair in pairwise(block)]
        if self.kind == "diagram":
            return equal, []
        sets = self.signature.positions
        firsts = combinations((block[0] for block in blocks), 2)
        return equal, [(p, q) for p, q in firsts if sets[p] == sets[q]]

    @property
    def expr(self) -> sympy.Expr:
        """The matrix entry as a SymPy expression in ``indices``.

        A product of ``KroneckerDelta`` inside blocks and, for the orbit kind, of ``1 - KroneckerDelta``
        across blocks of the same index set.
        """
        from sympy import KroneckerDelta, Mul

        symbols = self.indices
        equal, distinct = self._conditions()
        return Mul(
            *(KroneckerDelta(symbols[p], symbols[q]) for p, q in equal),
            *(1 - KroneckerDelta(symbols[p], symbols[q]) for p, q in distinct),
        )

    def matrix(self, n: Sizes) -> npt.NDArray[np.int64]:
        """The dense matrix for index sets of size n, an int or, for several index sets, a dict.

        Shape (product of the output sizes, product of the input sizes), int64, C order: ``matrix[j, i]`` is
        the entry for input index tuple i and output index tuple j, so ``matrix @ x.reshape(-1)`` applies the
        operator.

        Raises:
            SizeError: sizes that do not fit the signature.
            TooLargeError: more than 10^8 entries, or more positions than a NumPy array has axes.
        """
        sizes = self.signature.sizes(n)
        k, m = self.signature.order_in, len(self.rgs)
        shape = [sizes[name] for name in self.signature.positions]
        if prod(shape) > MAX_MATRIX_ENTRIES:
            raise TooLargeError(
                f"entries of a matrix of {self.signature} for {sizes}",
                prod(shape),
                MAX_MATRIX_ENTRIES,
                "Take smaller sizes, or evaluate .expr where it is needed.",
            )
        if m > _MAX_AXES:
            raise TooLargeError(f"positions of {self.signature}", m, _MAX_AXES, "Evaluate .expr instead.")
        # One axis per position, outputs first.
        axes = {position: (position - k) % m for position in range(m)}
        entries = np.ones(shape[k:] + shape[:k], dtype=np.bool_)

        def values(position: int) -> npt.NDArray[np.int64]:
            along = [1] * m
            along[axes[position]] = shape[position]
            return np.arange(shape[position]).reshape(along)

        equal, distinct = self._conditions()
        for p, q in equal:
            entries &= values(p) == values(q)
        for p, q in distinct:
            entries &= values(p) != values(q)
        return entries.reshape(prod(shape[k:]), prod(shape[:k])).astype(np.int64)

    def in_basis(self, kind: BasisKind) -> dict[int, int]:
        """The operator as an integer combination of the basis of this kind: slot -> coefficient.

        Slots ascend, and coefficients are not 0.

        >>> op = BasisOperator((0, 1), "orbit", Signature.parse("n -> n"))
        >>> op.in_basis("diagram")  # all ones, less the identity
        {0: -1, 1: 1}

        Raises:
            OptionError: a kind that does not exist.
            TooLargeError: more coarser partitions than can be listed.
        """
        if check_kind(kind) == self.kind:
            return {self.slot: 1}
        sets = self.signature.positions
        owners = [sets[block[0]] for block in self.partition.blocks]
        # The coarser partitions are the set partitions of the blocks.
        mergers = restricted_growth_strings(owners)
        slots = ranks_unchecked(mergers[:, self.rgs], sets).tolist()
        if self.kind == "diagram":
            return dict.fromkeys(slots, 1)
        return {
            slot: prod((-1) ** (r - 1) * factorial(r - 1) for r in Counter(merger).values())
            for slot, merger in zip(slots, mergers.tolist(), strict=True)
        }

    def _repr_latex_(self) -> str | None:
        if len(self.rgs) > MAX_TYPESET_AXES:
            return None
        import sympy

        return rf"$\displaystyle {sympy.latex(self.expr)}$"

    def _repr_svg_(self) -> str | None:
        from symeq.drawing import in_notebook

        return in_notebook(self)


@dataclass(frozen=True, slots=True)
class OperatorBasis:
    """The basis of a signature: an immutable sequence of operators, made when asked for.

    One operator per set partition of the positions, in lexicographic order of restricted growth strings, for
    every size of the index sets. Once an index set has at least as many elements as positions run over it,
    they are a basis; for smaller sizes the diagram operators are dependent, the orbit operators with more
    blocks than elements are zero, and ``dimension`` counts what is left. A slice is a tuple.

    >>> basis = OperatorBasis(Signature.parse("n n -> n n"), "diagram")
    >>> len(basis), basis.dimension(3), basis[-1].rgs
    (15, 14, (0, 1, 2, 3))
    >>> OperatorBasis(Signature.from_orders(20, 20), "orbit").count
    157450588391204931289324344702531067

    Raises:
        OptionError: a kind that does not exist.
    """

    signature: Signature
    kind: BasisKind

    def __post_init__(self) -> None:
        check_kind(self.kind)

    @property
    def count(self) -> int:
        """The number of operators, however large: the product of a Bell number for every index set."""
        return count(self.signature.positions)

    def __len__(self) -> int:
        if self.count > sys.maxsize:
            raise TooLargeError(
                f"operators of {self.signature}", self.count, sys.maxsize, "basis.count gives the number."
            )
        return self.count

    def __bool__(self) -> bool:
        return True  # never empty, and too large for len at times

    @overload
    def __getitem__(self, at: int) -> BasisOperator: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[BasisOperator, ...]: ...
    def __getitem__(self, at: int | slice) -> BasisOperator | tuple[BasisOperator, ...]:
        slots = range(self.count)
        if isinstance(at, slice):
            return tuple(self._operator(slot) for slot in slots[at])
        try:
            slot = slots[index(at)]
        except IndexError:
            raise IndexError(f"no slot {at}: {self.signature} has slots 0 to {self.count - 1}") from None
        return self._operator(slot)

    def _operator(self, slot: int) -> BasisOperator:
        return BasisOperator(unrank(slot, self.signature.positions), self.kind, self.signature)

    def __iter__(self) -> Iterator[BasisOperator]:
        for chunk in restricted_growth_string_chunks(self.signature.positions, rows=2**10):
            for rgs in chunk.tolist():
                yield BasisOperator(rgs, self.kind, self.signature)

    def __contains__(self, item: object) -> bool:
        return isinstance(item, BasisOperator) and (item.signature, item.kind) == (self.signature, self.kind)

    @property
    def indices(self) -> tuple[sympy.Symbol, ...]:
        """The symbols in the operators' ``expr``, by position."""
        return index_symbols(self.signature)

    def dimension(self, n: Sizes) -> int:
        """The dimension of the space of equivariant maps for index sets of size n, for every n >= 0.

        The product over index sets of the number of set partitions of its positions into at most n blocks.

        >>> basis = OperatorBasis(Signature.parse("u i -> u i"), "orbit")
        >>> basis.dimension({"u": 1, "i": 4})
        2

        Raises:
            SizeError: sizes that do not fit the signature.
        """
        sizes = self.signature.sizes(n)
        return prod(count_at_most(m, sizes[name]) for name, m in Counter(self.signature.positions).items())

    def _repr_svg_(self) -> str | None:
        from symeq.drawing import in_notebook

        return in_notebook(self)
