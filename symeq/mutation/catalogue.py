"""The catalogue: every class of faults on every kind of signature that it can touch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from symeq.mutation import (  # noqa: F401  # imported to register their faults in FAULTS, in this order
    derivatives,
    hidden,
    interface,
    memory,
    numbers,
    padding,
    plans,
    sorting,
    weights,
)
from symeq.mutation.faults import FAULTS, Fault, Original
from symeq.mutation.mutants import Mutant, mutant_of
from symeq.pipeline import emit
from symeq.signature import EmitOptions, Layout, Signature, Spec

SIGNATURES = (
    "n -> n",
    "n -> ",
    " -> n n",
    "n n -> n n",
    "n n -> n",
    "n n -> ",
    "n -> n n",
    "n n n -> n",
    "n n n -> n n n",
    "u i -> u i",
    "u i -> u",
    "u u i -> u i",
    "n n -> m",
    "->",
)
"""One signature of every kind."""

LAYOUTS: tuple[Layout, ...] = ("channels-last", "channels-first")
_LARGE_ORDER = 6  # from so many axes on, only some of the classes are tried


@cache
def faults() -> dict[str, Fault]:
    """All classes of faults by name."""
    found = {fault.name: fault for fault in FAULTS}
    assert len(found) == len(FAULTS), "the report counts classes by name"
    return found


@dataclass(frozen=True, order=True)
class Entry:
    """One class of faults on one signature; ``turn`` says which of its changes is made."""

    fault: str
    signature: Signature
    layout: Layout
    turn: int

    def mutant(self) -> Mutant:
        """The mutant.

        Raises:
            EquivalentMutantError: nothing shows it.
            AnchorError: the emitted module lacks the place of the fault.
        """
        fault, original = faults()[self.fault], original_of(self.signature, self.layout)
        changes = list(fault.build(original))
        assert changes, f"{fault.name} touches {self.signature} and makes no change"
        return mutant_of(fault, original, changes[self.turn % len(changes)])


@cache
def original_of(signature: Signature, layout: Layout) -> Original:
    """The emitted module."""
    return Original(signature, layout, emit(signature, EmitOptions(layout)).text)


def entries(signatures: Sequence[Spec] | None = None) -> list[Entry]:
    """The entries of the catalogue, one for each class and each signature that it touches.

    The two layouts take turns along the classes and the signatures, and so do the changes of a class.
    """
    chosen = [Signature.of(spec) for spec in (SIGNATURES if signatures is None else signatures)]
    return [
        Entry(name, signature, LAYOUTS[(row + column) % 2], (row + column) // 2)
        for row, (name, fault) in enumerate(faults().items())
        for column, signature in enumerate(chosen)
        if fault.touches(signature) and (fault.large or len(signature.positions) < _LARGE_ORDER)
    ]


def sample(number: int, signatures: Sequence[Spec] | None = None) -> list[Entry]:
    """So many entries, spread over the classes and, along them, over the signatures."""
    by_fault: dict[str, list[Entry]] = {}
    for entry in entries(signatures):
        by_fault.setdefault(entry.fault, []).append(entry)
    # Each class begins with another signature; the first round has one entry of every class.
    turned = [of[row % len(of) :] + of[: row % len(of)] for row, of in enumerate(by_fault.values())]
    chosen: list[Entry] = []
    for places in itertools.zip_longest(*turned):
        in_round = [entry for entry in places if entry is not None]
        left = min(number - len(chosen), len(in_round))
        chosen += [in_round[at * len(in_round) // left] for at in range(left)]
    return chosen


def mutants(signatures: Sequence[Spec] | None = None) -> Iterator[Mutant]:
    """All mutants of the catalogue, each with its witness, made one after another."""
    return (entry.mutant() for entry in entries(signatures))
