"""Classes of faults: which signatures each can touch, and the changes that it makes to an emitted module."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, TypeAlias

from symeq.emit.names import class_name
from symeq.mutation.situations import Differences
from symeq.signature import EmitOptions, Layout, Signature


class Probe(Protocol):
    """A look at a layer that can be repeated: a ``Situation``, ``Attributes`` or a ``Refusal``."""

    def differences(
        self, module: ModuleType, layer: str, layout: Layout, signature: Signature
    ) -> Differences:
        """What the layer class of that name does otherwise than it should."""
        ...


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
