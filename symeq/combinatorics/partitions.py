"""Set partitions: their numbers, their restricted growth strings, and the slot of each.

Positions may be typed: ``sets`` names the index set of every position, and a block never mixes index
sets, so the typed set partitions are tuples of set partitions, one of each index set's positions. The
set partitions of m elements are the case ``sets = ("n",) * m``.

Slots number the restricted growth strings in lexicographic order. Slot order is the checkpoint format of
every layer: it never changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, prod
from operator import index
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from symeq.errors import InvalidPartitionError, OptionError, TooLargeError

Strings: TypeAlias = "npt.NDArray[np.integer[Any]]"

MAX_TABLE_BYTES = 2**32  # 4 GiB: the strings of 14 elements; those of 15 would take 21 GB
_INT64_MAX = int(np.iinfo(np.int64).max)


def _check_natural(**numbers: int) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not hasattr(number, "__index__") or index(number) < 0:
            raise OptionError(name, number, "an integer >= 0")


@lru_cache(maxsize=64)
def _stirling_row(m: int) -> tuple[int, ...]:
    """``S(m, 0), ..., S(m, m)``, by the recurrence S(m, b) = b S(m-1, b) + S(m-1, b-1)."""
    row = [1]
    for _ in range(m):
        row = [b * same + fewer for b, (same, fewer) in enumerate(zip([*row, 0], [0, *row], strict=True))]
    return tuple(row)


def stirling(m: int, b: int) -> int:
    """S(m, b), the number of set partitions of m elements into b blocks (OEIS A008277).

    >>> [stirling(4, b) for b in range(6)]
    [0, 1, 7, 6, 1, 0]

    Raises:
        OptionError: m or b is not an integer >= 0.
    """
    _check_natural(m=m, b=b)
    return _stirling_row(m)[b] if b <= m else 0


def marked(k: int, c: int) -> int:
    """A_c(k), the number of set partitions of k positions with c of their blocks marked (they propagate).

    >>> [marked(2, c) for c in range(3)]
    [2, 3, 1]
    """
    return sum(stirling(k, blocks) * comb(blocks, c) for blocks in range(c, k + 1))


def bell(m: int) -> int:
    """The number of set partitions of m elements (OEIS A000110).

    >>> [bell(m) for m in range(8)]
    [1, 1, 2, 5, 15, 52, 203, 877]

    Raises:
        OptionError: m is not an integer >= 0.
    """
    return count_at_most(m, m)


def count_at_most(m: int, n: int) -> int:
    """The number of set partitions of m elements into at most n blocks; ``bell(m)`` once n >= m.

    These are the equality patterns that tuples of length m over n values show.

    >>> [count_at_most(4, n) for n in range(6)]
    [0, 1, 8, 14, 15, 15]

    Raises:
        OptionError: m or n is not an integer >= 0.
    """
    _check_natural(m=m, n=n)
    return sum(_stirling_row(m)[: n + 1])


def count(sets: Sequence[str]) -> int:
    """The number of set partitions whose blocks stay inside one index set: a product of Bell numbers.

    >>> count(("n",) * 4), count(("u", "i", "u", "i")), count(())
    (15, 4, 1)
    """
    return prod(bell(size) for size in Counter(sets).values())


def renumber(labels: Iterable[Hashable]) -> tuple[int, ...]:
    """The labels as integers by first appearance: the restricted growth string of their equality pattern.

    >>> renumber("abca")
    (0, 1, 2, 0)
    """
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def check_rgs(rgs: Iterable[int], sets: Sequence[str] | None = None) -> tuple[int, ...]:
    """``rgs`` as a tuple, once it is a restricted growth string that keeps the index sets of ``sets`` apart.

    >>> check_rgs([0, 1, 0, 1], sets=("u", "i", "u", "i"))
    (0, 1, 0, 1)

    Raises:
        InvalidPartitionError: entries that are no integers, an entry that is negative or skips a label, a
            length other than that of ``sets``, or a block that mixes index sets.
    """
    renumbers = "SetPartition.from_labels(...) and SetPartition.from_blocks(...) number the blocks for you."
    try:
        labels = tuple(map(index, rgs))
    except TypeError:
        raise InvalidPartitionError(rgs, "is not a sequence of integers", renumbers) from None
    blocks = 0
    for position, label in enumerate(labels):
        if not 0 <= label <= blocks:
            bound = "may not be negative" if label < 0 else f"may be at most {blocks}"
            raise InvalidPartitionError(
                labels,
                f"is not a restricted growth string: entry {position} is {label} but {bound}",
                renumbers,
            )
        blocks = max(blocks, label + 1)
    if sets is not None:
        if len(labels) != len(sets):
            raise InvalidPartitionError(
                labels,
                f"has {len(labels)} entries for {len(sets)} positions",
                "A restricted growth string has one entry for every position, inputs first.",
            )
        owner: dict[int, str] = {}
        for label, name in zip(labels, sets, strict=True):
            if owner.setdefault(label, name) != name:
                raise InvalidPartitionError(
                    labels,
                    f"mixes the index sets {owner[label]!r} and {name!r} in block {label}",
                    f"The positions run over {' '.join(sets)}; a block stays inside one index set.",
                )
    return labels


@dataclass(frozen=True, order=True, slots=True, repr=False)
class SetPartition:
    """A set partition of ``0..m-1``, stored as its restricted growth string.

    ``rgs[p]`` is the block of element ``p``; blocks are numbered by first appearance, so equal partitions
    have equal strings (Knuth, TAOCP 4A, 7.2.1.5). ``len`` is the number of blocks, ``size`` is m. Comparing
    with ``<`` is lexicographic, the order of slots; ``lattice.refines`` is the order by refinement.

    >>> SetPartition((0, 1, 0)).blocks
    ((0, 2), (1,))
    >>> print(SetPartition((0, 1, 0)))
    {0 2}{1}

    Raises:
        InvalidPartitionError: ``rgs`` is not a restricted growth string.
    """

    rgs: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rgs", check_rgs(self.rgs))

    @classmethod
    def from_blocks(cls, blocks: Iterable[Iterable[int]]) -> SetPartition:
        """The set partition with these blocks, given in any order.

        >>> SetPartition.from_blocks([{1}, {2, 0}])
        SetPartition((0, 1, 0))

        Raises:
            InvalidPartitionError: an empty block, or elements that are not 0..m-1, each once.
        """
        groups = [tuple(block) for block in blocks]
        owner = {element: at for at, group in enumerate(groups) for element in group}
        elements = range(sum(map(len, groups)))
        if not all(groups) or owner.keys() != set(elements):
            raise InvalidPartitionError(
                groups,
                "are not the blocks of a set partition",
                f"Blocks are not empty, and together hold each of 0..{len(elements) - 1} once."
                if elements
                else "Blocks are not empty; without elements there are no blocks.",
            )
        return cls.from_labels(owner[element] for element in elements)

    @classmethod
    def from_labels(cls, labels: Iterable[Hashable]) -> SetPartition:
        """The equality pattern of the labels: elements lie in one block where their labels are equal.

        >>> SetPartition.from_labels((7, 3, 7))
        SetPartition((0, 1, 0))
        """
        return cls(renumber(labels))

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """The blocks by label, that is by first element; the elements of each ascend."""
        groups: list[list[int]] = [[] for _ in range(len(self))]
        for element, label in enumerate(self.rgs):
            groups[label].append(element)
        return tuple(map(tuple, groups))

    @property
    def size(self) -> int:
        """m, the number of elements."""
        return len(self.rgs)

    def __len__(self) -> int:
        return max(self.rgs, default=-1) + 1

    def __bool__(self) -> bool:
        return True  # also the partition of the empty set, which has no blocks

    def __repr__(self) -> str:
        return f"SetPartition({self.rgs})"

    def __str__(self) -> str:
        return "".join(f"{{{' '.join(map(str, block))}}}" for block in self.blocks) or "{}"

    def _repr_latex_(self) -> str:
        blocks = ", ".join(rf"\{{{', '.join(map(str, block))}\}}" for block in self.blocks)
        return rf"$\{{{blocks}\}}$"


# ---------------------------------------------------------------- enumeration


def opens_block(strings: Strings) -> npt.NDArray[np.bool_]:
    """Which entries are the first of their block; strings and result: (rows, m).

    >>> opens_block(np.array([[0, 1, 0, 2]])).tolist()
    [[True, True, False, True]]
    """
    opens = np.ones(strings.shape, dtype=np.bool_)
    opens[:, 1:] = strings[:, 1:] > np.maximum.accumulate(strings, axis=1)[:, :-1]
    return opens


def _extend(prefixes: Strings, sets: Sequence[str]) -> Strings:
    """Every prefix by every label that its next position may take, in order.

    prefixes: (rows, p) -> (more rows, p + 1). The labels are those of the blocks of the same index set,
    which ascend with the positions that open them, and then the number of all blocks, for a new one.
    """
    position = prefixes.shape[1]
    same = [earlier for earlier in range(position) if sets[earlier] == sets[position]]
    blocks = prefixes.max(axis=1, initial=-1) + 1
    labels = np.column_stack([prefixes[:, same], blocks])
    allowed = np.column_stack([opens_block(prefixes)[:, same], np.ones(len(prefixes), dtype=np.bool_)])
    return np.column_stack([np.repeat(prefixes, allowed.sum(axis=1), axis=0), labels[allowed]])


def _label_type(m: int) -> type[np.int8 | np.int16]:
    """A type for the labels of m positions, and for their number."""
    return np.int8 if m <= 127 else np.int16


def restricted_growth_string_chunks(sets: Sequence[str], rows: int = 2**16) -> Iterator[Strings]:
    """All restricted growth strings in lexicographic order, in arrays of at most ``rows`` rows.

    Each array: (at most rows, m), int8 (int16 for m > 127). Works for every m: the first array comes at once,
    and what waits to be extended never takes more than ``rows + m**2`` rows.

    >>> [chunk.tolist() for chunk in restricted_growth_string_chunks("nnn", rows=3)]
    [[[0, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 1], [0, 1, 2]]]

    Raises:
        OptionError: ``rows`` is not an integer >= 1.
    """
    if index(rows) < 1:
        raise OptionError("rows", rows, "an integer >= 1")
    m = len(sets)
    # Depth first over arrays of prefixes; a stack keeps the pieces in order. Of each length, at most the
    # extensions of one piece wait, and a prefix has at most m of them.
    width = max(1, rows // max(m, 1) ** 2)
    stack: list[Strings] = [np.zeros((1, 0), dtype=_label_type(m))]
    while stack:
        prefixes = stack.pop()
        if prefixes.shape[1] == m:
            yield from (prefixes[start : start + rows] for start in range(0, len(prefixes), rows))
            continue
        longer = _extend(prefixes, sets)
        step = width if longer.shape[1] < m else len(longer)
        stack += [longer[start : start + step] for start in reversed(range(0, len(longer), step))]


def restricted_growth_strings(sets: Sequence[str]) -> Strings:
    """All restricted growth strings in lexicographic order: (count(sets), m), int8 (int16 for m > 127).

    Labels number the blocks by first appearance over all positions, whatever their index set.

    >>> restricted_growth_strings(("u", "i", "u")).tolist()
    [[0, 1, 0], [0, 1, 2]]

    Raises:
        TooLargeError: the array would take more than 4 GiB.
    """
    total = count(sets)
    if total * len(sets) > MAX_TABLE_BYTES:
        raise TooLargeError(
            f"restricted growth strings over {' '.join(sets)}",
            total,
            MAX_TABLE_BYTES // len(sets),
            "restricted_growth_string_chunks(...) gives them piece by piece, unrank(...) one by one.",
        )
    strings: Strings = np.empty((total, len(sets)), dtype=_label_type(len(sets)))
    start = 0
    for chunk in restricted_growth_string_chunks(sets):
        strings[start : start + len(chunk)] = chunk
        start += len(chunk)
    return strings


def set_partitions(elements: int | Sequence[str]) -> Iterator[SetPartition]:
    """The set partitions of m elements, or of typed positions, in lexicographic order, lazily.

    >>> print(*set_partitions(3))
    {0 1 2} {0 1}{2} {0 2}{1} {0}{1 2} {0}{1}{2}
    >>> print(*set_partitions(("u", "i", "u")))
    {0 2}{1} {0}{1}{2}
    """
    if isinstance(elements, int):
        _check_natural(elements=elements)
        elements = ("n",) * elements
    for chunk in restricted_growth_string_chunks(elements, rows=2**10):
        for rgs in chunk.tolist():
            yield SetPartition(rgs)


# ---------------------------------------------------------------- ranks


@lru_cache(maxsize=16)
def _completions(m: int) -> tuple[tuple[int, ...], ...]:
    """``[r][b]``, r + b <= m: in how many ways r more elements can join b blocks or open new ones.

    These count the "generalized restricted growth functions" of Kreher and Stinson, Combinatorial
    Algorithms (1998), chapter 3.
    """
    table = [(1,) * (m + 1)]
    for r in range(1, m + 1):
        fewer = table[-1]
        table.append(tuple(b * fewer[b] + fewer[b + 1] for b in range(m - r + 1)))
    return tuple(table)


def ranks(strings: npt.ArrayLike, sets: Sequence[str]) -> npt.NDArray[Any]:
    """The slots of many restricted growth strings.

    strings: (rows, m) integers -> (rows,) int64, or Python integers in an object array where ``count(sets)``
    is beyond int64. With labels counted within each index set, the rank of a string is the sum over its
    positions of the label times the number of strings that share the prefix and take a given earlier label
    there; that number is the same for all blocks that exist already, and a product over index sets.

    >>> ranks([[0, 0, 0], [0, 1, 2]], "nnn").tolist()
    [0, 4]

    Raises:
        InvalidPartitionError: a row that is no restricted growth string over ``sets``.
    """
    array = np.asarray(strings)
    if array.ndim != 2 or array.shape[1] != len(sets) or array.dtype.kind not in "iu":
        raise InvalidPartitionError(
            f"an array of shape {array.shape} and type {array.dtype}",
            "does not hold restricted growth strings",
            f"Expected integers of shape (rows, {len(sets)}).",
        )
    peaks = np.maximum.accumulate(array, axis=1)
    valid = np.logical_and(array[:, :1] == 0, array >= 0).all(axis=1)
    valid &= (array[:, 1:] <= peaks[:, :-1] + 1).all(axis=1)
    for position, name in enumerate(sets):
        others = [earlier for earlier in range(position) if sets[earlier] != name]
        valid &= (array[:, others] != array[:, position, None]).all(axis=1)
    if not valid.all():
        check_rgs(array[int(valid.argmin())].tolist(), sets)
    return ranks_unchecked(array, sets)


def ranks_unchecked(strings: Strings, sets: Sequence[str]) -> npt.NDArray[Any]:
    """``ranks`` of rows that are known to be restricted growth strings over ``sets``."""
    dtype = np.int64 if count(sets) <= _INT64_MAX else np.object_
    rest = Counter(sets)
    tables = {name: _completions(size) for name, size in rest.items()}
    blocks = {name: np.zeros(len(strings), dtype=np.intp) for name in rest}
    total: npt.NDArray[Any] = np.zeros(len(strings), dtype=dtype)
    opens = opens_block(strings)
    for position, name in enumerate(sets):
        column = strings[:, position]
        if len(tables) == 1:
            local = column.astype(np.intp)
        else:  # the block's label among the blocks of its index set
            same = [earlier for earlier in range(position) if sets[earlier] == name]
            local = (opens[:, same] & (strings[:, same] < column[:, None])).sum(axis=1)
        rest[name] -= 1
        total += prod(
            (np.array(tables[other][rest[other]], dtype=dtype)[blocks[other]] for other in tables),
            start=local,
        )
        blocks[name] += opens[:, position]
    return total


def rank(rgs: Iterable[int], sets: Sequence[str]) -> int:
    """The slot of a restricted growth string, exact for any size.

    >>> rank((0, 1, 0, 2), ("n",) * 4)
    7

    Raises:
        InvalidPartitionError: ``rgs`` is no restricted growth string over ``sets``.
    """
    return int(ranks_unchecked(np.array([check_rgs(rgs, sets)], dtype=np.intp), sets)[0])


def unrank(slot: int, sets: Sequence[str]) -> tuple[int, ...]:
    """The restricted growth string in a slot, exact for any size.

    >>> unrank(7, ("n",) * 4)
    (0, 1, 0, 2)

    Raises:
        OptionError: there is no such slot.
    """
    slot, total = index(slot), count(sets)
    if not 0 <= slot < total:
        raise OptionError("slot", slot, f"an integer from 0 to {total - 1}")
    rest = Counter(sets)
    tables = {name: _completions(size) for name, size in rest.items()}
    labels: dict[str, list[int]] = {name: [] for name in rest}
    rgs: list[int] = []
    for name in sets:
        rest[name] -= 1
        weight = prod(tables[other][rest[other]][len(labels[other])] for other in tables)
        local = min(slot // weight, len(labels[name]))
        slot -= local * weight
        if local == len(labels[name]):
            labels[name].append(sum(map(len, labels.values())))
        rgs.append(labels[name][local])
    return tuple(rgs)
