"""Faults in how operators are weighted: normalisers, orbit weights, slots."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from symeq.combinatorics.partitions import count
from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import (
    both_bases,
    coarsens,
    coarsens_sums,
    fits,
    has_inputs,
    large_sizes,
    propagates,
    repeats_out,
    several_in,
    several_operators,
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


@fault(lambda signature: has_inputs(signature) and fits(signature, 600))
def size_wrong_when_large(original: Original) -> Iterator[Change]:
    """A guard that would be added at n = 600 only."""
    if not fits(original.signature, 600):
        return
    text = original.replaced(("max(sizes[name], 1)", "(max(sizes[name], 1) + sizes[name] // 600)"))
    sizes = large_sizes(original.signature, 600)
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
