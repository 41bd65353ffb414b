"""One row of the ladder: an order k -> k', counted in several ways, emitted and verified.

A row holds what was found; whether that agrees is worked out from it, also for a row out of a store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from symeq.bases.derive import derive
from symeq.combinatorics.partitions import bell, restricted_growth_string_chunks
from symeq.proof.burnside import dimension_by_burnside
from symeq.proof.crosscheck import cross_check
from symeq.signature import Signature

if TYPE_CHECKING:
    from symeq.verification.report import Check, VerificationReport

Orders: TypeAlias = "tuple[int, int]"
Progress: TypeAlias = Callable[[str, int, int], None]
Verify: TypeAlias = "Callable[..., VerificationReport]"

MOST_ENUMERATED = 10
"""Up to so many positions the restricted growth strings are enumerated, above they are only counted."""

MOST_TUPLES = 10**6
"""The constraints of two generators are solved at the sizes that have at most so many index tuples."""


@dataclass(frozen=True, slots=True)
class AtSize:
    """The dimension at one size: as counted, by Burnside's lemma, and as the constraints' solution space.

    ``constraints`` is the dimension that ``method`` ("nullspace" or "orbits") found, None where it was not
    asked for.
    """

    n: int
    dimension: int
    burnside: int
    constraints: int | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One check of the verification: its name, its kind ("proved" or "tested"), and whether it holds."""

    name: str
    kind: str
    ok: bool
    scope: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of the order k -> k'.

    ``enumerated`` is the number of restricted growth strings that were enumerated, None above
    ``MOST_ENUMERATED`` positions; ``basis_slots`` and ``weight_slots`` are the lengths of the emitted layer's
    BASIS and of its weight's first axis; ``faults`` are findings that are no number. ``seconds`` of processor
    time and ``stored``, whether the row comes out of a store, are no part of a comparison.
    """

    order_in: int
    order_out: int
    bell: int
    enumerated: int | None
    sizes: tuple[AtSize, ...]
    basis_slots: int | None
    weight_slots: int | None
    checks: tuple[Found, ...]
    faults: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    stored: bool = field(default=False, compare=False)

    @property
    def signature(self) -> Signature:
        """The signature of order k -> k'."""
        return Signature.from_orders(self.order_in, self.order_out)

    @property
    def ok(self) -> bool:
        """Whether everything agrees, is proved, and holds."""
        return not self.complaints

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything that does not agree or does not hold, in full."""
        m, said = self.order_in + self.order_out, list(self.faults)
        expected = f"Bell({m}) = {self.bell}"
        if self.enumerated is not None and self.enumerated != self.bell:
            said.append(f"{self.enumerated} restricted growth strings were enumerated, {expected}")
        for at in self.sizes:
            dimension = f"dimension({at.n}) = {at.dimension}"
            if at.burnside != at.dimension:
                said.append(f"n = {at.n}: Burnside's lemma gives {at.burnside}, {dimension}")
            if at.constraints not in (None, at.dimension):
                said.append(f"n = {at.n}: the constraints give {at.constraints} ({at.method}), {dimension}")
            if at.n >= m and at.dimension != self.bell:
                said.append(f"n = {at.n}: {dimension}, {expected}")
        for what, number in (("BASIS", self.basis_slots), ("weight", self.weight_slots)):
            if number is not None and number != self.bell:
                said.append(f"{what} of the emitted layer has {number} slots, {expected}")
        for check in self.checks:
            if not check.ok:
                said.append("\n".join(filter(None, (f"{check.name} ({check.kind}) FAILED", check.detail))))
        for kind in ("proved", "tested"):
            if not any(check.kind == kind for check in self.checks):
                said.append(f"nothing was {kind} of the emitted layer")
        if not self.sizes or self.basis_slots is None or self.weight_slots is None:
            said.append("the row is not complete")
        return tuple(said)

    def record(self) -> dict[str, Any]:
        """The row as JSON can hold it, for the store."""
        record = asdict(self)
        del record["stored"]
        return record

    @classmethod
    def from_record(cls, record: Any) -> Row:
        """The row of such a record, as one out of a store.

        Raises:
            TypeError, KeyError: the record of something else.
        """
        values = record | {
            "sizes": tuple(AtSize(**at) for at in record["sizes"]),
            "checks": tuple(Found(**check) for check in record["checks"]),
            "faults": tuple(record["faults"]),
        }
        return cls(**values, stored=True)


def make_row(
    orders: Orders, path: Path, verify: Verify, seed: int = 0, progress: Progress | None = None
) -> Row:
    """The row of an order: its numbers, and what ``verify`` finds of the emitted file, which is run.

    Whatever goes wrong on the way is a fault of the row.
    """
    begin = time.process_time()
    faults: list[str] = []
    enumerated = None
    if sum(orders) <= MOST_ENUMERATED:
        enumerated, fault = enumerate_strings(sum(orders))
        faults += [fault] if fault else []
    slots: tuple[int | None, int | None] = (None, None)
    checks: tuple[Found, ...] = ()
    try:
        slots = slots_of(path)
    except Exception as error:
        faults.append(f"reading the slots raised {type(error).__name__}: {error}")
    try:
        report = verify(path, seed=seed, progress=progress)
    except Exception as error:
        faults.append(f"verifying raised {type(error).__name__}: {error}")
    else:
        checks = tuple(map(_found, report.checks))
        if not report.ok and all(check.ok for check in checks):
            faults.append("the layer does not hold, though every check does")
    return Row(
        *orders,
        bell(sum(orders)),
        enumerated,
        sizes_of(Signature.from_orders(*orders)),
        *slots,
        checks,
        tuple(faults),
        round(time.process_time() - begin, 1),
    )


def _found(check: Check) -> Found:
    detail = [check.detail, str(check.counterexample or "")]
    return Found(check.name, check.kind, check.ok, check.scope, "\n".join(filter(None, detail)))


def enumerate_strings(m: int) -> tuple[int, str]:
    """How many restricted growth strings of length m the enumeration gives, and what is wrong with them.

    Each must be one, and come after the one before it, so that all are different.

    >>> enumerate_strings(4)
    (15, '')
    """
    place = np.array([max(m, 1) ** p for p in reversed(range(m))], dtype=np.int64)
    number, last = 0, -1
    for chunk in restricted_growth_string_chunks(("n",) * m):
        rows = chunk.astype(np.int64)
        highest = np.maximum.accumulate(rows, axis=1)
        limits = np.column_stack([np.zeros(len(rows), dtype=np.int64), highest[:, :-1] + 1])[:, :m]
        values = rows @ place  # read as numbers in base m
        wrong = ((rows < 0) | (rows > limits)).any(axis=1) | (np.diff(values, prepend=last) <= 0)
        if wrong.any():
            at = int(wrong.argmax())
            string = tuple(rows[at].tolist())
            return number + at, (
                f"string {number + at} of the enumeration is {string}: no restricted growth string, or none "
                "that comes after the one before"
            )
        number, last = number + len(rows), int(values[-1])
    return number, ""


def sizes_of(signature: Signature) -> tuple[AtSize, ...]:
    """The dimension for n = 0, 1, ... up to one more than there are positions, by every way to count.

    >>> [at.dimension for at in sizes_of(Signature.from_orders(1, 1))]
    [0, 1, 2, 2]
    """
    basis, m = derive(signature, "diagram"), len(signature.positions)
    found = []
    for n in range(m + 2):
        numbers = (n, basis.dimension(n), dimension_by_burnside(signature, n))
        if n**m <= MOST_TUPLES:
            solved = cross_check(signature, n)
            found.append(AtSize(*numbers, solved.dimension, solved.method))
        else:
            found.append(AtSize(*numbers))
    return tuple(found)


def slots_of(path: Path) -> tuple[int, int]:
    """The lengths of BASIS and of the weight's first axis, of the layer in a file, which is run.

    Raises:
        NotALayerError: there is no layer in the file.
    """
    from symeq.verification.load import resolve  # loads torch

    layer: Any = resolve(path).layer
    return len(layer.BASIS), len(layer(1, 1).weight)
