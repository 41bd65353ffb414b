"""Which dtypes hold what is put into them: programs are read in exact arithmetic.

Programs are traced in float64. Numbers in float64 and int64 are taken to be exact, truth values are numbers
0 and 1 with their own arithmetic, and other dtypes may hold small integers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from symeq.interpretation import forms
from symeq.interpretation.forms import Form, Unproved
from symeq.interpretation.values import Value

NEW = frozenset(
    ("zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full",
     "scalar_tensor", "eye", "zero_", "fill_")
)  # fmt: skip
"""Operations whose result has the dtype that they are told, whatever the tensors that they are given."""

_TRUTHS = frozenset(
    ("mul", "bitwise_and", "logical_and", "__and__", "bitwise_or", "logical_or", "__or__", "bitwise_not",
     "logical_not", "where", "masked_fill", "cat", "stack", "index", "index_select", "clone", "copy_",
     "repeat", "contiguous", "reshape", "reshape_as", "flatten", "to", "_to_copy", "type_as", "diag_embed",
     "lift_fresh_copy", "slice_scatter", "select_scatter", "diagonal_scatter")
)  # fmt: skip
"""Operations that do with truth values what they do with the numbers 0 and 1."""

_EXACT = (torch.float64, torch.int64, torch.bool)
_SIGNED = (torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.int16, torch.int8)
_SMALL = 100  # all of these dtypes hold the integers up to here


def refuse_rounding(name: str, given: Sequence[Tensor], made: Tensor, value: Value) -> None:
    """Refuses a result whose dtype does not hold what exact arithmetic gives.

    Args:
        name: the operation.
        given: the tensors that it is given, as they were traced.
        made: its result, as it was traced.
        value: its result in exact arithmetic.

    Raises:
        Unproved: numbers rounded, or turned into truth values.
    """
    flat = {id(form): form for form in value.data.reshape(-1)}.values()
    if name in NEW:
        if not made.is_floating_point() and not all(map(_integral, flat)):
            raise Unproved(f"a number rounded to {made.dtype}")
        truths = name == "eye" or all(forms.as_polynomial(form) in ({}, {(): 1}) for form in flat)
        if made.dtype == torch.bool and not truths:
            raise Unproved("a number turned into a truth value")
    elif not made.is_floating_point() and any(tensor.is_floating_point() for tensor in given):
        raise Unproved(f"numbers rounded to {made.dtype}")
    elif made.dtype == torch.bool:
        if name.removesuffix("_") not in _TRUTHS and name not in _TRUTHS:
            raise Unproved(f"{name} of truth values")
        if any(tensor.dtype != torch.bool for tensor in given if name not in ("index", "index_select")):
            raise Unproved("numbers turned into truth values")
    if made.dtype not in _EXACT and not (made.dtype in _SIGNED and all(map(_small, flat))):
        raise Unproved(f"numbers held in {made.dtype}, which is less exact than float64")


def _integral(form: Form) -> bool:
    """Whether all entries are integers, for all sizes."""
    return all(
        parameter is None
        and Fraction(number).denominator == 1
        and all(halves > 0 and halves % 2 == 0 for _, halves in monomial)
        for terms in form.values()
        for (parameter, monomial), number in terms.items()
    )


def _small(form: Form) -> bool:
    """Whether all entries are small integers, for all sizes."""
    depends = any(skeleton.x or skeleton.g or skeleton.summed for skeleton in form)
    coefficients = [(key, Fraction(number)) for terms in form.values() for key, number in terms.items()]
    constant = all(key == (None, ()) and number.denominator == 1 for key, number in coefficients)
    return not depends and constant and sum(abs(number) for _, number in coefficients) <= _SMALL
