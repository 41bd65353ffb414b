"""Faults in what an emitted module computes: normalisers, orbits, slots, masks, biases, numbers, axes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from math import prod

from symeq.combinatorics.partitions import count
from symeq.mutation.faults import (
    Change,
    Original,
    both_bases,
    coarsens,
    coarsens_sums,
    everything,
    fault,
    has_axes,
    has_inputs,
    has_outputs,
    propagates,
    repeated,
    repeats_in,
    repeats_out,
    several_in,
    several_operators,
    several_sets,
    situation,
    sizes_of,
)
from symeq.signature import Signature

# ---------------------------------------------------------------- normalisers


@fault(has_inputs, large=True)
def mean_for_sum(original: Original) -> Iterator[Change]:
    """Sums are divided by the size although the normalization is "sum"."""
    text = original.replaced(("scale[name] = None", "scale[name] = 1 / max(sizes[name], 1)"))
    yield Change("1/n under sum", text, both_bases(original))


@fault(has_inputs)
def sum_for_mean(original: Original) -> Iterator[Change]:
    """Means are not divided."""
    text = original.replaced(("power = -1.0 if", "power = 0.0 if"))
    yield Change("n ** 0", text, both_bases(original, normalization="mean"))


@fault(has_inputs)
def wrong_power_of_the_size(original: Original) -> Iterator[Change]:
    """The two powers of n are taken for each other, or n is taken for its inverse."""
    sqrt = both_bases(original, normalization="sqrt")
    mean = both_bases(original, normalization="mean")
    yield Change("-0.5 for mean", original.replaced(("power = -1.0 if", "power = -0.5 if")), mean)
    yield Change("-1 for sqrt", original.replaced(("else -0.5", "else -1.0")), sqrt)
    yield Change("n for 1/n", original.replaced(("power = -1.0 if", "power = 1.0 if")), mean)


@fault(has_inputs)
def count_not_kept_above_zero(original: Original) -> Iterator[Change]:
    """A sample without any real node is divided by zero."""
    probes = both_bases(original, normalization="mean", mask="empty", gradients=1)
    yield Change("no clamp", original.replaced((".clamp(min=1)", "")), probes)


@fault(has_inputs)
def count_kept_above_one(original: Original) -> Iterator[Change]:
    """A sample with one real node is divided by two."""
    sizes = dict.fromkeys(original.signature.index_sets, 2)
    probes = both_bases(original, sizes=sizes, normalization="mean", mask="own")
    yield Change("clamp(min=2)", original.replaced((".clamp(min=1)", ".clamp(min=2)")), probes)


@fault(has_inputs)
def size_kept_above_one(original: Original) -> Iterator[Change]:
    """One node is divided by two."""
    probes = both_bases(original, sizes=dict.fromkeys(original.signature.index_sets, 1), normalization="mean")
    yield Change("max(n, 2)", original.replaced(("max(sizes[name], 1)", "max(sizes[name], 2)")), probes)


@fault(has_inputs)
def size_not_kept_above_zero(original: Original) -> Iterator[Change]:
    """No node at all is an error."""
    probes = both_bases(original, sizes=dict.fromkeys(original.signature.index_sets, 0), normalization="mean")
    yield Change("0 ** -1", original.replaced(("max(sizes[name], 1)", "sizes[name]")), probes)


@fault(has_inputs, large=True)
def count_of_padded_nodes(original: Original) -> Iterator[Change]:
    """Under a mask, the size with its padding is taken for the count."""
    probes = both_bases(original, normalization="mean", mask="own")
    yield Change("n for the count", original.replaced(("if name in masks:", "if False:")), probes)


@fault(has_inputs)
def count_of_another_sample(original: Original) -> Iterator[Change]:
    """Every sample is divided by the largest count of the batch."""
    sizes = sizes_of(original.signature, 5)
    probes = both_bases(original, sizes=sizes, normalization="mean", mask="own", batch=(3,))
    text = original.replaced(("masks[name].sum(-1)", "masks[name].sum(-1).amax()"))
    yield Change("the largest count", text, probes)


@fault(has_inputs)
def constant_for_the_size(original: Original) -> Iterator[Change]:
    """A number stands where n should; it is right at one size."""
    text = original.replaced(("max(sizes[name], 1) ** power", "6 ** power"))
    yield Change("6 for n", text, both_bases(original, normalization="mean"))


@fault(has_inputs)
def size_off_by_one(original: Original) -> Iterator[Change]:
    """The size is taken for one more than it is."""
    text = original.replaced(("max(sizes[name], 1)", "(sizes[name] + 1)"))
    yield Change("n + 1", text, both_bases(original, normalization="sqrt"))


def _affordable(n: int, signature: Signature) -> bool:
    sizes = _first_large(signature, n)
    sides = (signature.inputs, signature.outputs)
    return bool(signature.inputs) and all(prod(sizes[name] for name in side) <= 2**20 for side in sides)


def _first_large(signature: Signature, n: int) -> dict[str, int]:
    return {name: 2 if at else n for at, name in enumerate(signature.index_sets)}


@fault(lambda signature: _affordable(600, signature))
def size_wrong_when_large(original: Original) -> Iterator[Change]:
    """A guard that would be added at n = 600 only."""
    if not _affordable(600, original.signature):
        return
    text = original.replaced(("max(sizes[name], 1)", "(max(sizes[name], 1) + sizes[name] // 600)"))
    sizes = _first_large(original.signature, 600)
    probes = both_bases(original, sizes=sizes, normalization="mean", batch=(1,))
    yield Change("n + n // 600", text, probes)


@fault(has_inputs)
def normaliser_applied_twice(original: Original) -> Iterator[Change]:
    """Every sum is normalised twice."""
    once = "total = total * _aligned(scale, total)"
    text = original.replaced((once, f"{once} * _aligned(scale, total)"))
    yield Change("twice", text, [situation(original, normalization="mean")])


@fault(has_inputs, large=True)
def normaliser_forgotten_once(original: Original) -> Iterator[Change]:
    """One of the sums is not normalised."""
    text = original.substituted(r', scale\["\w+"\]\)', ")")
    yield Change("the first sum", text, [situation(original, normalization="mean")])


@fault(lambda signature: several_in(signature) and propagates(signature))
def normaliser_of_another_index_set(original: Original) -> Iterator[Change]:
    """Sums over one index set are divided by the size of another; right where the sizes are equal."""
    if not several_in(original.signature):
        return
    first, second = tuple(dict.fromkeys(original.signature.inputs))[:2]
    text = original.replaced(
        (f'scale["{first}"]', "scale[0]"),
        (f'scale["{second}"]', f'scale["{first}"]'),
        ("scale[0]", f'scale["{second}"]'),
    )
    yield Change(f"{first} for {second}", text, [situation(original, normalization="mean")])


# ---------------------------------------------------------------- orbit weights


@fault(coarsens_sums, large=True)
def orbits_normalised_after_the_change(original: Original) -> Iterator[Change]:
    """Orbit weights become diagram weights first, and the diagrams are normalised."""
    text = original.replaced(
        ("            scale = dict.fromkeys(scale)", "            pass"),
        ("            if factor is None:\n                continue\n", "            continue\n"),
    )
    yield Change("scaled diagrams", text, [situation(original, basis="orbit", normalization="mean")])


@fault(propagates)
def sums_of_an_orbit_miscounted(original: Original) -> Iterator[Change]:
    """Blocks that propagate are normalised, too."""
    text = original.replaced((" * (outs != b).all(1).long()", ""))
    yield Change("all input blocks", text, [situation(original, basis="orbit", normalization="mean")])


@fault(has_inputs)
def orbits_not_normalised(original: Original) -> Iterator[Change]:
    """Orbit weights never meet the normaliser."""
    text = original.replaced(("            if factor is None:\n", "            if True:\n"))
    yield Change("sums", text, [situation(original, basis="orbit", normalization="mean")])


@fault(has_inputs)
def powers_of_counts_mixed(original: Original) -> Iterator[Change]:
    """With a count for each sample, orbit weights enter more than one power of it."""
    text = original.replaced(("(sums == power)", "(sums >= power)"))
    yield Change(">=", text, [situation(original, basis="orbit", normalization="mean", mask="own")])


@fault(coarsens, large=True)
def orbits_taken_for_diagrams(original: Original) -> Iterator[Change]:
    """The change of basis is left out."""
    text = original.replaced(
        (
            "        return [\n            (factor, _to_diagram(weight, self._merges, self._steps)",
            "        return [\n            (factor, weight",
        )
    )
    yield Change("no change of basis", text, [situation(original, basis="orbit")])


@fault(coarsens, large=True)
def sign_in_the_moebius_transform(original: Original) -> Iterator[Change]:
    """Coarser operators are added, not subtracted."""
    text = original.replaced(("alpha=-1", "alpha=1"))
    yield Change("+", text, [situation(original, basis="orbit", sizes=sizes_of(original.signature, 4))])


@fault(coarsens, large=True)
def step_of_the_moebius_transform_lost(original: Original) -> Iterator[Change]:
    """One axis is not merged with the earlier ones."""
    steps = "zip(targets.split(steps), sources.split(steps))"
    text = original.replaced((f"in {steps}:", f"in list({steps})[1:]:"))
    yield Change("the last axis", text, [situation(original, basis="orbit")])


@fault(lambda signature: any(signature.positions.count(name) > 2 for name in signature.positions), large=True)
def steps_of_the_moebius_transform_reversed(original: Original) -> Iterator[Change]:
    """The first axis is undone first."""
    text = original.replaced(("for axis in reversed(range(len(sets))):", "for axis in range(len(sets)):"))
    yield Change("from the first axis", text, [situation(original, basis="orbit")])


@fault(coarsens)
def moebius_transform_twice(original: Original) -> Iterator[Change]:
    """The change of basis is made twice."""
    once = "_to_diagram(weight, self._merges, self._steps)"
    text = original.replaced((once, f"_to_diagram({once}, self._merges, self._steps)"))
    yield Change("twice", text, [situation(original, basis="orbit")])


@fault(repeats_out)
def bias_keeps_its_basis(original: Original) -> Iterator[Change]:
    """The orbit bias is taken for a diagram bias."""
    text = original.replaced(("bias = _to_diagram(bias, self._bias_merges, self._bias_steps)", "pass"))
    yield Change("no change of basis", text, [situation(original, basis="orbit")])


# ---------------------------------------------------------------- slots


def _slots_changed(original: Original, change: dict[int, int]) -> str:
    return original.appended(
        f"SLOTS = [{change}.get(slot, slot) for slot in torch.as_tensor(SLOTS).tolist()]"
    )


@fault(several_operators, large=True)
def slots_exchanged(original: Original) -> Iterator[Change]:
    """Two operators have each other's weights."""
    if not several_operators(original.signature):
        return
    last = count(original.signature.positions) - 1
    for a, b in dict.fromkeys([(0, 1), (last - 1, last)]):
        text = _slots_changed(original, {a: b, b: a})
        yield Change(f"{a} and {b}", text, [situation(original, bias=False)])


@fault(several_operators, large=True)
def slot_used_twice(original: Original) -> Iterator[Change]:
    """One weight serves two operators, another none."""
    last = count(original.signature.positions) - 1
    yield Change(f"0 for {last}", _slots_changed(original, {last: 0}), [situation(original)])


@fault(lambda signature: any(_common(signature, name) > 1 for name in signature.inputs), large=True)
def permutation_for_another(original: Original) -> Iterator[Change]:
    """Propagating blocks are all carried over in one order."""
    names = re.findall(r"^(PERMUTATIONS_\w+) =", original.text, re.MULTILINE)
    code = "\n".join(f"{name} = {name}[:1] * len({name})" for name in names)
    yield Change("the identity only", original.appended(code), [situation(original)])


@fault(lambda signature: any(_common(signature, name) > 2 for name in signature.inputs), large=True)
def permutation_for_its_inverse(original: Original) -> Iterator[Change]:
    """Three propagating blocks are carried over the other way round."""
    names = re.findall(r"^(PERMUTATIONS_\w+) =", original.text, re.MULTILINE)
    inverse = "tuple(tuple(sorted(range(len(p)), key=p.__getitem__)) for p in {})"
    code = "\n".join(f"{name} = {inverse.format(name)}" for name in names)
    yield Change("inverse", original.appended(code), [situation(original)])


def _common(signature: Signature, name: str) -> int:
    return min(signature.inputs.count(name), signature.outputs.count(name))


@fault(repeats_out, large=True)
def weights_of_a_level_read_in_another_order(original: Original) -> Iterator[Change]:
    """Targets and input channels are confused; right with one input channel."""
    columns = "unflatten(0, (rows, columns))"
    text = original.replaced((f"{columns}.transpose(1, 2)", columns))
    yield Change("channels before targets", text, [situation(original)])


_TERM = r"^        (?:\w+ \+= b\d+|(\w+) = \1 \+ b\d+|_diagonal\(\w+, .*\)\.add_\(b\d+).*\n"


@fault(lambda signature: propagates(signature) or repeats_out(signature), large=True)
def broadcast_lost(original: Original) -> Iterator[Change]:
    """A term is never added."""
    yield Change("the first", original.substituted(_TERM, ""), [situation(original)])
    last = len(re.findall(_TERM, original.text, re.MULTILINE)) - 1
    at = itertools.count()
    text = original.substituted(_TERM, lambda found: "" if next(at) == last else found[0], most=0)
    yield Change("the last", text, [situation(original)])


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


# ---------------------------------------------------------------- numbers


def _weights_changed(original: Original, code: str) -> str:
    """Wherever the weights are used, ``code`` of w is used."""
    changed = re.sub(r"\bw\b", "self.weight", code)
    uses = ("self.weight.index_select(0, slots)", "self.weight.to(wide)")
    return original.replaced(*((use, use.replace("self.weight", f"({changed})")) for use in uses))


@fault(everything)
def product_of_weights(original: Original) -> Iterator[Change]:
    """Weights are squared: right for zeros and ones; or a tiny product of weights is added."""
    yield Change("squares", _weights_changed(original, "w * w"), [situation(original)])
    text = _weights_changed(original, "w + 2**-30 * w * w.flip(0)")
    yield Change("2**-30 of a product", text, [situation(original)])


@fault(everything)
def weight_used_in_two_slots(original: Original) -> Iterator[Change]:
    """Every operator has the weight of its neighbour, too."""
    yield Change("w + next w", _weights_changed(original, "w + w.roll(1, 0)"), [situation(original)])


@fault(everything)
def nonlinear_by_little(original: Original) -> Iterator[Change]:
    """A tiny square of the input is added."""
    text = original.wrapped(before="x = x + 2**-40 * x * x")
    yield Change("2**-40 x * x", text, [situation(original)])


@fault(everything)
def nonlinear_for_large_values(original: Original) -> Iterator[Change]:
    """Values are clipped where they are large."""
    text = original.wrapped(before="x = x.clamp(-100, 100)")
    yield Change("clamp at 100", text, [situation(original, numbers="large")])


@fault(everything)
def result_rounded(original: Original) -> Iterator[Change]:
    """Values are rounded to integers: right on integers, with normalization "sum"."""
    code = 'if self.normalization == "sum":\n    y = y.round()'
    yield Change("round", original.wrapped(after=code), [situation(original, numbers="fine")])


@fault(everything)
def computed_in_float32(original: Original) -> Iterator[Change]:
    """float64 is computed in float32: right on small integers."""
    probes = [situation(original, numbers="precise")]
    text = original.wrapped(before="x = x.to(torch.float32).to(x.dtype)")
    yield Change("the input", text, probes)
    text = original.replaced(("(torch.float16, torch.bfloat16) else dtype", "() else torch.float32"))
    yield Change("the sums", text, probes)


@fault(has_inputs)
def sums_in_half_precision(original: Original) -> Iterator[Change]:
    """Sums in float16 are infinite although their mean is not."""
    text = original.replaced(("return torch.float32 if", "return dtype if"))
    probe = situation(
        original,
        sizes=dict.fromkeys(original.signature.index_sets, 8),
        dtype="float16",
        normalization="mean",
        numbers="overflowing",
        channels=(1, 1),
        only_slot=-1,
        bias=False,
    )
    yield Change("float16", text, [probe])


@fault(everything)
def result_of_another_dtype(original: Original) -> Iterator[Change]:
    """float16 gives float32, or autocast gives what it was given."""
    text = original.substituted(r"^(        y = .*)\.to\(dtype\)$", r"\1")
    yield Change("float32 for float16", text, [situation(original, dtype="float16", numbers="ones")])
    text = original.replaced(("torch.get_autocast_dtype(kind)", "x.dtype"))
    probe = situation(original, dtype="float32", numbers="ones", context="autocast")
    yield Change("float32 under autocast", text, [probe])


@fault(everything)
def result_off_by_little(original: Original) -> Iterator[Change]:
    """Something is added or multiplied that is as small as rounding errors often are."""
    for code in ("y = y + 1e-9", "y = y * (1 + 2**-40)", "y = y + 1e-9 * torch.rand_like(y)"):
        yield Change(code.removeprefix("y = "), original.wrapped(after=code), [situation(original)])


@fault(everything)
def dropout_left_in(original: Original) -> Iterator[Change]:
    """Half of the input is dropped while training."""
    text = original.wrapped(before="x = nn.functional.dropout(x, 0.5, self.training)")
    yield Change("dropout", text, [situation(original)])


# ---------------------------------------------------------------- axes


@fault(lambda signature: repeated(signature.inputs, signature.outputs) is not None)
def input_axes_swapped(original: Original) -> Iterator[Change]:
    """Two input axes of one index set are exchanged."""
    pair = repeated(original.signature.inputs, original.signature.outputs)
    if pair is None:
        return
    a, b = map(original.axis, pair)
    yield Change("x", original.wrapped(before=f"x = x.transpose({a}, {b})"), [situation(original)])


@fault(lambda signature: repeated(signature.outputs, signature.inputs) is not None)
def output_axes_swapped(original: Original) -> Iterator[Change]:
    """Two output axes of one index set are exchanged."""
    pair = repeated(original.signature.outputs, original.signature.inputs)
    if pair is None:
        return
    a, b = (original.axis(at, outputs=True) for at in pair)
    yield Change("y", original.wrapped(after=f"y = y.transpose({a}, {b})"), [situation(original)])


@fault(lambda signature: several_in(signature) and propagates(signature))
def axes_confused_by_a_reshape(original: Original) -> Iterator[Change]:
    """A transposed input is read in its old shape."""
    inputs = original.signature.inputs
    if not several_in(original.signature):
        return
    other = next(at for at, name in enumerate(inputs) if name != inputs[0])
    a, b = original.axis(0), original.axis(other)
    text = original.wrapped(before=f"x = x.transpose({a}, {b}).reshape(x.shape)")
    yield Change("reshape for transpose", text, [situation(original)])


@fault(everything)
def channels_reversed(original: Original) -> Iterator[Change]:
    """The input channels are taken in the reverse order."""
    text = original.wrapped(before=f"x = x.flip({original.channel_axis})")
    yield Change("flip", text, [situation(original)])


@fault(propagates)
def nodes_reversed(original: Original) -> Iterator[Change]:
    """The nodes of an index set are taken in the reverse order on one side: not equivariant."""
    inputs, outputs = original.signature.inputs, original.signature.outputs
    axis = next((original.axis(at) for at, name in enumerate(inputs) if name in outputs), None)
    if axis is None:
        return
    text = original.wrapped(before=f"x = x.flip({axis})")
    yield Change("flip", text, [situation(original)])


@fault(has_axes)
def node_treated_apart(original: Original) -> Iterator[Change]:
    """The first node of an index set is left out: not equivariant."""
    if not original.signature.positions:
        return
    if original.signature.inputs:
        code = f"x = x.index_fill({original.axis(0)}, torch.tensor([0]), 0)"
        text = original.wrapped(before=code)
    else:
        text = original.wrapped(
            after=f"y = y.index_fill({original.axis(0, outputs=True)}, torch.tensor([0]), 0)"
        )
    yield Change("the first", text, [situation(original)])


@fault(lambda signature: repeats_in(signature) or repeats_out(signature), large=True)
def diagonal_in_another_place(original: Original) -> Iterator[Change]:
    """A diagonal is taken, or written, beside the main one, cyclically."""
    text = original.replaced(
        ("x.diagonal(dim1=end + first", "x.roll(1, end + second).diagonal(dim1=end + first")
    )
    yield Change("shifted by one", text, [situation(original)])
