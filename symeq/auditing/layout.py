"""The order of a layer's axes: ``"b c n n -> b c op n n"``, read, guessed and applied.

Inside the auditing room tensors are *canonical*: inputs are (batch, input positions, channels), outputs
(batch, operators, output positions, channels), with axes of length 1 where the layer has none.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from torch import Tensor

from symeq.errors import LayoutError
from symeq.signature import Signature


class Special(Enum):
    """The axes of a layout that run over no index set."""

    BATCH = "b"
    CHANNELS = "c"
    OPERATORS = "op"


BATCH, CHANNELS, OPERATORS = Special
Axis: TypeAlias = "Special | str"

_LONG = {BATCH: "batch", CHANNELS: "channels", OPERATORS: "operators"}
_HOW = (
    "Write b for the batch, c for channels, op for the axis of operators, and the signature's index sets, "
    'as in "b c n n -> b c op n n".'
)


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """The axes of the input and of the output, in the order in which the layer has them.

    >>> order = AxisOrder.parse("b c n n -> b c op n n", Signature.parse("n n -> n n"))
    >>> str(order), order.has(OPERATORS)
    ('b c n n -> b c op n n', True)
    """

    signature: Signature
    inputs: tuple[Axis, ...]
    outputs: tuple[Axis, ...]

    @classmethod
    def parse(cls, text: str, signature: Signature) -> AxisOrder:
        """The axis order that ``text`` spells.

        An index set called ``b``, ``c`` or ``op`` keeps its name; the special axis is then spelled
        ``batch``, ``channels`` or ``operators``.

        Raises:
            LayoutError: no ``"->"``, an unknown or repeated axis, or other index sets than the signature has.
        """
        sides = text.split("->")
        if len(sides) != 2:
            found = "no '->'" if len(sides) == 1 else f"{len(sides) - 1} times '->'"
            raise LayoutError(text, f"it has {found}, expected one", _HOW)
        names = set(signature.index_sets)
        spelled: dict[str, Axis] = {name: name for name in names}
        for special, long in _LONG.items():
            for word in (special.value, long):
                spelled.setdefault(word, special)
        axes: list[tuple[Axis, ...]] = []
        for side, wanted, where in (
            (sides[0], signature.inputs, "left"),
            (sides[1], signature.outputs, "right"),
        ):
            for word in side.split():
                if word not in spelled:
                    problem = f"{word!r} is neither b, c, op nor an index set of {str(signature)!r}"
                    raise LayoutError(text, problem, _HOW)
            found_axes = tuple(spelled[word] for word in side.split())
            counts = Counter(found_axes)
            for special in Special:
                if counts[special] > 1:
                    raise LayoutError(
                        text, f"{special.value!r} comes {counts[special]} times on the {where}", _HOW
                    )
            for name in signature.index_sets:
                if counts[name] != wanted.count(name):
                    raise LayoutError(
                        text,
                        f"the {where} side has {counts[name]} axes over {name!r}, "
                        f"and the signature {str(signature)!r} has {wanted.count(name)}",
                        _HOW,
                    )
            axes.append(found_axes)
        left, right = axes
        if OPERATORS in left:
            raise LayoutError(text, "'op' stands on the left, where no operators are stacked", _HOW)
        if (BATCH in left) != (BATCH in right):
            raise LayoutError(text, "'b' stands on one side only", "Write it on both sides, or on none.")
        return cls(signature, left, right)

    def has(self, axis: Special) -> bool:
        """Whether the input or the output has this axis."""
        return axis in self.inputs or axis in self.outputs

    def __str__(self) -> str:
        return f"{self._words(self.inputs)} -> {self._words(self.outputs)}"

    def _words(self, axes: Sequence[Axis]) -> str:
        names = self.signature.index_sets
        return " ".join(
            axis if isinstance(axis, str) else _LONG[axis] if axis.value in names else axis.value
            for axis in axes
        )

    def arrange(self, x: Tensor) -> Tensor:
        """A canonical input, (batch, positions, channels), in the layer's own order."""
        for axis in (BATCH, CHANNELS):
            if axis not in self.inputs:
                assert x.shape[0 if axis is BATCH else -1] == 1, "without this axis there is one at a time"
        canonical: list[Axis] = [BATCH, *self.signature.inputs, CHANNELS]
        order = _places(self.inputs, canonical)
        missing = [at for at, axis in enumerate(canonical) if isinstance(axis, Special) and at not in order]
        return x.permute(*order, *missing).reshape([x.shape[at] for at in order]).contiguous()

    def read(self, y: Tensor) -> Tensor:
        """The layer's output as a canonical one, (batch, operators, positions, channels)."""
        canonical: list[Axis] = [BATCH, OPERATORS, *self.signature.outputs, CHANNELS]
        order = _places(self.outputs, canonical)
        missing = [at for at in range(len(canonical)) if at not in order]
        y = y.reshape(*y.shape, *[1] * len(missing))
        return y.permute([(*order, *missing).index(at) for at in range(len(canonical))])

    def fits(self, shape: Sequence[int], sizes: Mapping[str, int], batch: int) -> bool:
        """Whether an output of this shape can have these axes."""
        if len(shape) != len(self.outputs):
            return False
        known: dict[Axis, int] = {BATCH: batch}
        known.update(sizes)
        return all(known.get(axis, size) == size for axis, size in zip(self.outputs, shape, strict=True))


def _places(axes: Sequence[Axis], canonical: Sequence[Axis]) -> list[int]:
    """For each axis its place in the canonical order; axes over one index set keep their order."""
    left: dict[Axis, list[int]] = {}
    for at, axis in enumerate(canonical):
        left.setdefault(axis, []).append(at)
    return [left[axis].pop(0) for axis in axes]


def input_orders(signature: Signature) -> list[tuple[Axis, ...]]:
    """The orders of input axes that are tried when none was given, the most usual first."""
    sets = signature.inputs
    return [
        (*before, *sets, *after)
        for before, after in (
            ((BATCH,), (CHANNELS,)),
            ((BATCH, CHANNELS), ()),
            ((), (CHANNELS,)),
            ((CHANNELS,), ()),
            ((BATCH,), ()),
            ((), ()),
        )
    ]


def output_orders(signature: Signature, inputs: tuple[Axis, ...], stack: bool) -> Iterator[AxisOrder]:
    """The axis orders with these inputs that are tried, the most usual first.

    The index axes of the output stand together, in the order of the signature. ``stack``: whether the code is
    more likely to return operators than output channels, which matters where the input has no channels.
    """
    sets = signature.outputs
    batch = (BATCH,) if BATCH in inputs else ()
    kinds: list[tuple[Special, ...]] = [(CHANNELS,), (CHANNELS, OPERATORS), ()]
    if CHANNELS not in inputs:
        kinds = [(OPERATORS,), (CHANNELS,), ()] if stack else [(CHANNELS,), (OPERATORS,), ()]
    for specials in kinds:
        orders: list[tuple[Axis, ...]] = [
            (*order[:split], *sets, *order[split:])
            for order in itertools.permutations(specials)
            for split in (range(len(order) + 1) if sets else (0,))
        ]
        for order in sorted(orders, key=lambda order: _unusual(order, inputs)):
            yield AxisOrder(signature, inputs, (*batch, *order))


def _unusual(order: Sequence[Axis], inputs: Sequence[Axis]) -> tuple[bool, ...]:
    """Whether the channels change sides, operators come after the index axes, or before the channels."""
    names = [isinstance(axis, str) for axis in order]
    first_name = names.index(True) if True in names else 0

    def before(axes: Sequence[Axis], axis: Special) -> bool:
        at = next((at for at, one in enumerate(axes) if isinstance(one, str)), 0)
        return axis in axes[:at]

    moved = CHANNELS in order and before(order, CHANNELS) != before(inputs, CHANNELS)
    late = OPERATORS in order and order.index(OPERATORS) > first_name
    early = OPERATORS in order and CHANNELS in order and order.index(OPERATORS) < order.index(CHANNELS)
    return moved, late, early
