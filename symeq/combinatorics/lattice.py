"""The partition lattice: refinement, meet, join and the Moebius function.

``a`` refines ``b`` when every block of ``a`` lies inside a block of ``b``; "finer" is "smaller", so the
bottom element is the partition into single elements and the top element has one block (Stanley, Enumerative
Combinatorics, vol. 1, 2nd ed., Example 3.10.4). Where positions are typed, blocks stay inside their index
sets under every operation here, and the lattice is the product of those of the index sets.
"""

from __future__ import annotations

from collections import Counter
from math import factorial, prod

from symeq.combinatorics.partitions import SetPartition
from symeq.errors import InvalidPartitionError


def _check_same_size(a: SetPartition, b: SetPartition) -> None:
    if a.size != b.size:
        raise InvalidPartitionError(
            (a, b),
            f"partition different sets, of {a.size} and {b.size} elements",
            "Give two set partitions of the same elements.",
        )


def refines(a: SetPartition, b: SetPartition) -> bool:
    """Whether ``a`` is finer than ``b``, or equal: every block of ``a`` lies inside a block of ``b``.

    >>> refines(SetPartition((0, 1, 0)), SetPartition((0, 0, 0)))
    True
    >>> refines(SetPartition((0, 1, 0)), SetPartition((0, 1, 1)))
    False

    Raises:
        InvalidPartitionError: the two have different numbers of elements.
    """
    _check_same_size(a, b)
    return len(set(zip(a.rgs, b.rgs, strict=True))) == len(a)


def meet(a: SetPartition, b: SetPartition) -> SetPartition:
    """The coarsest common refinement: its blocks are the non-empty intersections of blocks.

    >>> print(meet(SetPartition((0, 0, 0, 1)), SetPartition((0, 1, 1, 1))))
    {0}{1 2}{3}

    Raises:
        InvalidPartitionError: the two have different numbers of elements.
    """
    _check_same_size(a, b)
    return SetPartition.from_labels(zip(a.rgs, b.rgs, strict=True))


def join(a: SetPartition, b: SetPartition) -> SetPartition:
    """The finest common coarsening: elements linked by a chain of blocks of ``a`` and ``b`` lie together.

    >>> print(join(SetPartition((0, 0, 1, 2)), SetPartition((0, 1, 1, 2))))
    {0 1 2}{3}

    Raises:
        InvalidPartitionError: the two have different numbers of elements.
    """
    _check_same_size(a, b)
    parent = list(range(len(a)))  # a forest over the blocks of a

    def root(block: int) -> int:
        while parent[block] != block:
            parent[block] = parent[parent[block]]
            block = parent[block]
        return block

    for block in b.blocks:
        for element in block[1:]:
            parent[root(a.rgs[element])] = root(a.rgs[block[0]])
    return SetPartition.from_labels(map(root, a.rgs))


def moebius(a: SetPartition, b: SetPartition) -> int:
    """The Moebius function mu(a, b) of the partition lattice; 0 unless ``a`` refines ``b``.

    It is the product of ``(-1)^(r-1) (r-1)!`` over the blocks of ``b``, r being the number of blocks of ``a``
    that make up the block (Stanley, as above).

    >>> moebius(SetPartition((0, 1, 2, 3)), SetPartition((0, 0, 0, 1)))
    2

    Raises:
        InvalidPartitionError: the two have different numbers of elements.
    """
    if not refines(a, b):
        return 0
    merged = Counter(block for block, _ in set(zip(b.rgs, a.rgs, strict=True)))
    return prod((-1) ** (r - 1) * factorial(r - 1) for r in merged.values())
