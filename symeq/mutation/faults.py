"""Classes of faults: which signatures each can touch, and the changes that it makes to an emitted module."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from symeq.combinatorics.partitions import count
from symeq.emit.names import class_name
from symeq.emit.render import sealed
from symeq.mutation.situations import Difference, Differences, Situation
from symeq.signature import EmitOptions, Layout, Signature


class Probe(Protocol):
    """A look at a layer that can be repeated: a ``Situation``, ``Attributes`` or a ``Refusal``."""

    def differences(
        self, module: ModuleType, layer: str, layout: Layout, signature: Signature
    ) -> Differences:
        """What the layer class of that name does otherwise than it should."""
        ...


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


class AnchorError(LookupError):
    """A fault is to be made at a place that the emitted text does not have."""


@dataclass(frozen=True)
class Original:
    """An emitted module, and the ways to change its text."""

    signature: Signature
    layout: Layout
    text: str

    def replaced(self, *pairs: tuple[str, str]) -> str:
        """The text with each old piece, wherever it stands, replaced by the new one.

        Raises:
            AnchorError: an old piece is not there.
        """
        text = self.text
        for old, new in pairs:
            if old not in text:
                raise AnchorError(f"the module of {self.signature} has no {old!r}")
            text = text.replace(old, new)
        return text

    def substituted(self, pattern: str, new: str | Callable[[re.Match[str]], str], most: int = 1) -> str:
        """The text with the first ``most`` matches replaced.

        Raises:
            AnchorError: there is none.
        """
        text, found = re.subn(pattern, new, self.text, count=most, flags=re.MULTILINE)
        if not found:
            raise AnchorError(f"nothing in the module of {self.signature} matches {pattern!r}")
        return text

    def appended(self, code: str, *pairs: tuple[str, str]) -> str:
        """The text with statements at its end, in which ``Layer`` is the class."""
        name = class_name(self.signature, EmitOptions(self.layout))
        statements = re.sub(r"\bLayer\b", name, textwrap.dedent(code)).strip()
        return f"{self.replaced(*pairs)}\n\n{statements}\n"

    def wrapped(self, before: str = "", after: str = "", head: str = "") -> str:
        """The text with statements before and after the forward pass; they see x, mask, sizes, and y.

        ``head`` stands at the end of the module.
        """
        forward = "    def forward(\n"
        lines = [
            "    def forward(self, x, mask=None, sizes=None):",
            *textwrap.indent(textwrap.dedent(before).strip(), " " * 8).splitlines(),
            "        y = self._forward(x, mask, sizes)",
            *textwrap.indent(textwrap.dedent(after).strip(), " " * 8).splitlines(),
            "        return y",
            "",
            "    def _forward(\n",
        ]
        return self.appended(head, (forward, "\n".join(lines)))

    def before_bias(self, code: str) -> str:
        """The text with statements before the bias is added to z, the level without propagating blocks."""

        def insert(found: re.Match[str]) -> str:
            lines = re.sub(r"\bz\b", found[2], textwrap.dedent(code).strip())
            return f"{textwrap.indent(lines, found[1])}\n{found[0]}"

        return self.substituted(r"^( +)(z[\d_]+) = self\._add_bias\(\2\)$", insert)

    def size(self, name: str) -> str:
        """The size of an index set, as an expression at the beginning or at the end of ``forward``."""
        if name not in self.signature.inputs:
            return f'sizes["{name}"]'
        return f"x.shape[{self.axis(self.signature.inputs.index(name))}]"

    def axis(self, at: int, outputs: bool = False) -> int:
        """The dimension of input axis ``at`` in x (or of an output axis in y), as it is given."""
        order = self.signature.order_out if outputs else self.signature.order_in
        return at - order - (self.layout == "channels-last")

    @property
    def channel_axis(self) -> int:
        """The dimension of the channels in x, as it is given."""
        return -1 if self.layout == "channels-last" else -self.signature.order_in - 1


@dataclass(frozen=True)
class Change:
    """One way to make a fault: the changed text, and the looks that may show it, the likeliest first."""

    description: str
    text: str
    probes: Sequence[Probe]


Build: TypeAlias = Callable[[Original], Iterator[Change]]
Predicate: TypeAlias = Callable[[Signature], bool]


@dataclass(frozen=True)
class Fault:
    """A class of faults.

    ``touches`` says on which signatures it can make a difference. ``large``: also tried on large layers.
    """

    name: str
    touches: Predicate
    build: Build
    large: bool = False


FAULTS: list[Fault] = []
"""All classes, in the order in which the rooms define them."""


def fault(touches: Predicate, large: bool = False) -> Callable[[Build], Build]:
    """Registers a function as a class of faults, named like it."""

    def register(build: Build) -> Build:
        FAULTS.append(Fault(build.__name__.replace("_", " "), touches, build, large))
        return build

    return register


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


# ---------------------------------------------------------------- looking


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
    return next(probe.differences(module, layer, layout, signature), None)


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
