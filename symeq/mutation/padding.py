"""Faults in masks and in the bias."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import (
    both_bases,
    everything,
    has_axes,
    has_inputs,
    has_outputs,
    repeats_out,
    several_sets,
    situation,
    sizes_of,
)

# ---------------------------------------------------------------- masks


@fault(has_inputs, large=True)
def padding_let_in(original: Original) -> Iterator[Change]:
    """The mask is applied on the way out only."""
    text = original.substituted(r"^        x = _zero_padding\(x, .*\)\n", "")
    yield Change("out only", text, both_bases(original, mask="own"))


@fault(has_outputs, large=True)
def padding_let_out(original: Original) -> Iterator[Change]:
    """The mask is applied on the way in only."""
    text = original.substituted(r"_zero_padding\(y, .*\)\.to\(dtype\)", "y.to(dtype)")
    yield Change("in only", text, both_bases(original, mask="own"))


@fault(has_inputs)
def padding_multiplied(original: Original) -> Iterator[Change]:
    """Padding is multiplied by zero and not replaced: NaN survives."""
    text = original.replaced(("x.masked_fill(~real, 0)", "x * real"))
    yield Change("x * real", text, [situation(original, mask="own", poison=True)])


@fault(has_inputs)
def padding_of_one_axis_let_in(original: Original) -> Iterator[Change]:
    """The last input axis is not masked."""
    text = original.substituted(r"_zero_padding\(x, (.*)\)$", r"_zero_padding(x, (*(\1)[:-1], None))")
    yield Change("the last axis", text, [situation(original, mask="own")])


@fault(has_outputs)
def padding_of_one_axis_let_out(original: Original) -> Iterator[Change]:
    """The first output axis is not masked."""
    text = original.substituted(r"_zero_padding\(y, (.*)\)\.to", r"_zero_padding(y, (None, *(\1)[1:])).to")
    yield Change("the first axis", text, [situation(original, mask="own")])


@fault(lambda signature: max(signature.order_in, signature.order_out) > 1)
def masks_joined(original: Original) -> Iterator[Change]:
    """An entry with one real index passes for real."""
    text = original.replaced(("real & mask.reshape(shape)", "real | mask.reshape(shape)"))
    yield Change("or for and", text, [situation(original, mask="own")])


@fault(several_sets)
def mask_of_another_index_set(original: Original) -> Iterator[Change]:
    """The masks of two index sets are taken for each other; no error where their sizes are equal."""
    if not several_sets(original.signature):
        return
    first, second = original.signature.index_sets[:2]
    text = original.replaced(
        (f'masks.get("{first}")', "masks.get(0)"),
        (f'masks.get("{second}")', f'masks.get("{first}")'),
        ("masks.get(0)", f'masks.get("{second}")'),
    )
    sizes = dict.fromkeys(original.signature.index_sets, 4)
    yield Change(f"{first} for {second}", text, [situation(original, mask="own", sizes=sizes)])


@fault(has_axes)
def mask_inverted(original: Original) -> Iterator[Change]:
    """Real nodes are taken for padding."""
    text = original.replaced(("masked_fill(~real, 0)", "masked_fill(real, 0)"))
    yield Change("not real", text, [situation(original, mask="own")])


@fault(has_axes)
def mask_of_the_first_sample(original: Original) -> Iterator[Change]:
    """All samples have the mask of the first."""
    text = original.replaced(("masked_fill(~real, 0)", "masked_fill(~real[:1], 0)"))
    sizes = sizes_of(original.signature, 6)
    yield Change("real[:1]", text, [situation(original, mask="own", sizes=sizes, batch=(3,))])


@fault(has_axes)
def shared_mask_ignored(original: Original) -> Iterator[Change]:
    """A mask of one axis, for all samples, is not looked at."""
    test = "if mask is not None:\n"
    text = original.replaced((test, "if mask is not None and mask.dim() > 1:\n"))
    yield Change("mask.dim() > 1", text, [situation(original, mask="shared")])


@fault(has_outputs)
def padding_almost_zero(original: Original) -> Iterator[Change]:
    """Padding comes out as a tiny number."""
    text = original.replaced(("masked_fill(~real, 0)", "masked_fill(~real, 1e-30)"))
    yield Change("1e-30", text, [situation(original, mask="own")])


# ---------------------------------------------------------------- bias

_ADDED = "return z + bias.flatten()"


@fault(everything)
def bias_twice(original: Original) -> Iterator[Change]:
    """The bias is added twice, or not at all."""
    yield Change("twice", original.replaced((_ADDED, f"{_ADDED} + bias.flatten()")), [situation(original)])
    yield Change("not at all", original.replaced((_ADDED, "return z")), [situation(original)])


@fault(everything)
def bias_normalised(original: Original) -> Iterator[Change]:
    """The bias is divided, as means are."""
    text = original.replaced((_ADDED, f'{_ADDED} * (1 if self.normalization == "sum" else 0.5)'))
    yield Change("half under mean", text, [situation(original, normalization="mean")])


@fault(repeats_out, large=True)
def bias_on_the_wrong_operator(original: Original) -> Iterator[Change]:
    """Two bias slots have each other's values."""
    text = original.replaced((_ADDED, "return z + bias.flip(0).flatten()"))
    yield Change("reversed", text, [situation(original)])


@fault(everything)
def bias_multiplied_by_the_input(original: Original) -> Iterator[Change]:
    """The bias enters a product with x."""
    text = original.replaced((_ADDED, "return z + bias.flatten() * (1 + z)"))
    yield Change("bias * z", text, [situation(original)])
