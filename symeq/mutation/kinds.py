"""Kinds of signatures, the sizes at which they are tried, and the usual situations."""

from __future__ import annotations

from math import prod
from typing import Any

from symeq.combinatorics.partitions import count
from symeq.mutation.faults import Original, Probe
from symeq.mutation.situations import Situation
from symeq.signature import Signature

# ---------------------------------------------------------------- signatures


def everything(signature: Signature) -> bool:
    """Any signature."""
    return True


def has_axes(signature: Signature) -> bool:
    """There are index sets."""
    return bool(signature.positions)


def has_inputs(signature: Signature) -> bool:
    """There is an input axis: something is summed."""
    return bool(signature.inputs)


def has_outputs(signature: Signature) -> bool:
    """There is an output axis."""
    return bool(signature.outputs)


def repeats_in(signature: Signature) -> bool:
    """Two input axes have one index set: diagonals are taken."""
    return len(set(signature.inputs)) < len(signature.inputs)


def repeats_out(signature: Signature) -> bool:
    """Two output axes have one index set: diagonals are written."""
    return len(set(signature.outputs)) < len(signature.outputs)


def coarsens(signature: Signature) -> bool:
    """Two axes have one index set: the bases differ."""
    return len(signature.index_sets) < len(signature.positions)


def coarsens_sums(signature: Signature) -> bool:
    """The bases differ in an index set that is summed over."""
    return any(signature.positions.count(name) > 1 for name in signature.inputs)


def propagates(signature: Signature) -> bool:
    """An index set is on both sides: some blocks propagate."""
    return bool(set(signature.inputs) & set(signature.outputs))


def most_propagating(signature: Signature) -> int:
    """How many blocks of one index set propagate at most."""
    sides = (signature.inputs, signature.outputs)
    return max((min(side.count(name) for side in sides) for name in signature.index_sets), default=0)


def propagates_pairs(signature: Signature) -> bool:
    """Of some index set two blocks propagate, of none more: with some channels compiled code alone sorts."""
    return most_propagating(signature) == 2


def several_operators(signature: Signature) -> bool:
    """There are two weight slots or more."""
    return count(signature.positions) > 1


def several_sets(signature: Signature) -> bool:
    """There are two index sets or more."""
    return len(signature.index_sets) > 1


def several_in(signature: Signature) -> bool:
    """The inputs have two index sets or more."""
    return len(set(signature.inputs)) > 1


def repeated(sets: tuple[str, ...], other: tuple[str, ...]) -> tuple[int, int] | None:
    """The first two axes of one index set that the other side has, too.

    >>> repeated(("u", "n", "n"), ("n",)), repeated(("n", "n"), ("m",))
    ((1, 2), None)
    """
    for at, name in enumerate(sets):
        if name in other and name in sets[at + 1 :]:
            return at, sets.index(name, at + 1)
    return None


# ---------------------------------------------------------------- situations


def sizes_of(signature: Signature, n: int = 3) -> dict[str, int]:
    """A size for every index set, from n on, no two the same."""
    return {name: n + at for at, name in enumerate(signature.index_sets)}


def large_sizes(signature: Signature, n: int) -> dict[str, int]:
    """The size n for the first index set, and 2 for the others."""
    return {name: 2 if at else n for at, name in enumerate(signature.index_sets)}


def fits(signature: Signature, n: int) -> bool:
    """Whether tensors of these sizes fit into memory."""
    sizes = large_sizes(signature, n)
    return all(prod(sizes[name] for name in side) <= 2**20 for side in (signature.inputs, signature.outputs))


def situation(original: Original, **options: Any) -> Situation:
    """A situation at small sizes, with these options."""
    return Situation(**({"sizes": sizes_of(original.signature)} | options))


def both_bases(original: Original, **options: Any) -> list[Probe]:
    """The same situation in either basis."""
    return [situation(original, basis=basis, **options) for basis in ("diagram", "orbit")]


def usual(original: Original) -> list[Probe]:
    """Situations that show whatever is not hidden."""
    return [
        *both_bases(original),
        *both_bases(original, mask="own", poison=True),
        *both_bases(original, normalization="mean"),
        *both_bases(original, normalization="sqrt", mask="own"),
        *both_bases(original, gradients=1),
    ]
