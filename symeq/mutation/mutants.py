"""Mutants: modules with one fault each, and the look that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import ModuleType

from symeq.emit.names import class_name
from symeq.emit.render import sealed
from symeq.mutation.faults import Change, Fault, Original, Probe
from symeq.mutation.situations import Difference
from symeq.signature import EmitOptions, Layout, Signature


@dataclass(frozen=True)
class Witness:
    """How a mutant shows: the look that finds it, and what is found first."""

    probe: Probe
    difference: Difference


@dataclass(frozen=True)
class Mutant:
    """A module with a fault; ``fault`` is the class of the fault, ``source`` the text of the module."""

    fault: str
    description: str
    signature: Signature
    layout: Layout
    source: str
    witness: Witness

    def __str__(self) -> str:
        return f'{self.fault} ({self.description}), "{self.signature}", {self.layout}'


def load(source: str) -> ModuleType:
    """The module with this source, executed on its own."""
    module = ModuleType("mutant")
    exec(compile(source, "mutant.py", "exec", dont_inherit=True), module.__dict__)
    return module


def first_difference(source: str, probe: Probe, signature: Signature, layout: Layout) -> Difference | None:
    """What the look finds first, or None."""
    try:
        module = load(source)
    except Exception as error:  # a module that cannot be run is no layer
        return Difference("error", (), "none", f"{type(error).__name__}: {error}")
    layer = class_name(signature, EmitOptions(layout))
    with closing(probe.differences(module, layer, layout, signature)) as found:
        return next(found, None)


def find_witness(
    source: str, probes: Sequence[Probe], signature: Signature, layout: Layout
) -> Witness | None:
    """The first of the looks that finds something, and what it finds."""
    for probe in probes:
        if (difference := first_difference(source, probe, signature, layout)) is not None:
            return Witness(probe, difference)
    return None


def mutants_of(fault: Fault, original: Original) -> Iterator[Mutant]:
    """The mutants of one class on one module, each with the witness that it has.

    Raises:
        EquivalentMutantError: one of them cannot be told from the definition.
        AnchorError: the module lacks the place of the fault.
    """
    return (mutant_of(fault, original, change) for change in fault.build(original))


def mutant_of(fault: Fault, original: Original, change: Change) -> Mutant:
    """The module with one change, and what shows it; errors as ``mutants_of``."""
    source, signature, layout = sealed(change.text), original.signature, original.layout
    witness = find_witness(source, change.probes, signature, layout)
    mutant = f"{fault.name} ({change.description}) on {signature}, {layout}"
    if witness is None:
        raise EquivalentMutantError(f"{mutant}: no look at it finds a difference from the definition")
    return Mutant(fault.name, change.description, signature, layout, source, witness)


class EquivalentMutantError(AssertionError):
    """A change that makes no difference: a bug of the catalogue."""


class NotDemonstratedError(AssertionError):
    """A mutant's witness shows nothing, or something else than was stored."""


def demonstrate(mutant: Mutant) -> Difference:
    """What the mutant does otherwise than defined, found again by the look stored with it.

    Raises:
        NotDemonstratedError: nothing is found, or not what was stored.
    """
    found = first_difference(mutant.source, mutant.witness.probe, mutant.signature, mutant.layout)
    if found is None or found != mutant.witness.difference:
        raise NotDemonstratedError(f"{mutant}: stored {mutant.witness.difference}, found {found}")
    return found
