"""What operations are given: values, constant tensors and plain numbers; and what they may ask.

A plain number may be a coefficient in the sizes, which is a dict. An ``Opaque`` one is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any, TypeAlias

import torch

from symeq.interpretation import forms, values
from symeq.interpretation.forms import Polynomial, Unproved
from symeq.interpretation.values import Dim, Setting, Size, Value

Shape: TypeAlias = "Sequence[Size]"


Operand: TypeAlias = "Value | torch.Tensor | Polynomial | int | float | Fraction"


@dataclass(frozen=True)
class Opaque:
    """A number that is no coefficient; it may say how large something is, but not enter a value."""

    what: str


@dataclass(frozen=True)
class Context:
    """What an operation may ask: what the program is read for, the shapes and the dtype of its results."""

    setting: Setting
    shapes: tuple[Shape, ...]
    dtype: torch.dtype

    @property
    def shape(self) -> Shape:
        """The shape of the one result."""
        return self.shapes[0]


def polynomial(number: Any) -> Polynomial:
    """A plain number as a coefficient, exactly.

    Raises:
        Unproved: a number that is not finite, or not known.
    """
    if isinstance(number, Opaque):
        raise Unproved(number.what)
    if isinstance(number, dict):
        return number
    if isinstance(number, float) and not isfinite(number):
        raise Unproved(f"the number {number}")
    value = Fraction(number)
    return {(): int(value) if value.denominator == 1 else value} if value else {}


def rational(number: Any) -> Fraction:
    """A plain number that is the same for all sizes."""
    value = polynomial(number)
    if set(value) - {()}:
        raise Unproved(f"{forms.shown(value)} where a constant is expected")
    return Fraction(value.get((), 0))


def whole(number: Any) -> int:
    """A plain integer."""
    value = rational(number)
    if value.denominator != 1:
        raise Unproved(f"{value} where an integer is expected")
    return int(value)


def lifted(setting: Setting, operand: Operand) -> Value:
    """Whatever may stand in arithmetic, as a value."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, torch.Tensor):
        dims: tuple[Dim, ...] = tuple((values.number_atom(size),) for size in operand.shape)
        entries = [forms.constant(polynomial(entry)) for entry in operand.reshape(-1).tolist()]
        data = values.array(entries, operand.shape)
        return Value(setting, dims, data, boolean=operand.dtype == torch.bool)
    return Value(setting, (), values.array([forms.constant(polynomial(operand))], ()))


def length(value: Value, at: int) -> int:
    """The size of a dimension that runs over no index set and no batch axis.

    Raises:
        Unproved: its size is no number.
    """
    size, symbols = values.size_of(value.dims[at])
    if symbols:
        raise Unproved(
            f"single entries along dimension {at} of {value}: they depend on the numbering of the nodes"
        )
    return size


def dimensions(value: Value, dim: Any) -> list[int]:
    """The dimensions that a sum over ``dim`` runs over: all where none is given."""
    rank = len(value.dims)
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return list(range(rank))
    return [whole(at) % rank for at in (dim if isinstance(dim, list | tuple) else [dim])]


def refuse_offset(offset: Any) -> None:
    """Refuses diagonals other than the main one."""
    if whole(offset) != 0:
        raise Unproved(f"a diagonal off by {offset}: it depends on the numbering of the nodes")
