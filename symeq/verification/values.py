"""What a layer computes, held against the definition of its operators.

With normalization "sum" everything is exact, in integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import torch

from symeq.verification.cases import (
    BASES,
    IN_CHANNELS,
    NORMALIZATIONS,
    OUT_CHANNELS,
    Case,
    MaskKind,
    Masks,
    Mismatch,
    Parameters,
    Part,
    Rung,
    raised,
)
from symeq.verification.dense import Array
from symeq.verification.samples import by_counts, nonzero, samples_of
from symeq.verification.sizes import (
    MOST_ENTRIES,
    Sizes,
    graded_sizes,
    large_sizes,
    sizes_in_words,
    usual_sizes,
)
from symeq.verification.trial import Trial

MOST_ALONE = 2**25  # index tuples times operators that are looked at one by one
_WIDTH = 256  # output channels of a layer of which each shows one slot
LISTED_SLOTS = 1000  # up to so many operators each is tried alone; above, a sample


def value_checks(trial: Trial) -> Iterator[Rung]:
    """The checks of values; those that can name a single slot come first."""
    signature, heavy = trial.signature, trial.heavy
    graded = graded_sizes(trial)
    usual = [usual_sizes(graded, 2 if heavy else 3)]
    some = graded[-1:] if heavy else graded[1:] or graded
    kinds: tuple[MaskKind, ...] = ("own", "shared", "first")
    kinds = kinds[: min(1 + len(signature.index_sets), 3)] if signature.index_sets else ()

    def words(sizes: Sequence[Sizes]) -> str:
        return f"{sizes_in_words(signature, sizes)}; both bases"

    yield _alone(trial, "each slot alone", some, "none")
    yield _bias_alone(trial, usual if heavy else graded)
    yield _plain(
        trial,
        "all slots together",
        f"random weights; {words(graded)}; exact",
        [Case(basis, sizes) for basis in BASES for sizes in graded],
    )
    without = some if heavy else graded
    yield _plain(
        trial,
        "without bias",
        f"random weights; {words(without)}; exact",
        [Case(basis, sizes, bias=False) for basis in BASES for sizes in without],
    )
    if larger := large_sizes(trial, graded):
        yield _plain(
            trial,
            "larger sizes",
            f"random weights, one output entry of each equality pattern; {words(larger)}; exact",
            [Case(basis, sizes, batch=(1,), patterns=True) for basis in BASES for sizes in larger],
        )
    shapes = ((), (2, 2), (0,)) if heavy else ((), (2, 2), (0,), (1,), (3,), (2, 0))
    yield _plain(
        trial,
        "batch axes",
        f"none, one, two, and empty ones; {words(usual)}; exact",
        [
            Case(basis, sizes, batch=batch, all_sizes=len(batch) == 2)
            for basis in BASES
            for sizes in usual
            for batch in shapes
        ],
    )
    if kinds:
        masked = some if heavy else [sizes for sizes in graded if max(sizes.values()) >= 2][:4]
        yield from _masked(trial, masked, kinds, words(masked))
        yield _alone(trial, "each slot under a mask", some[-1:] if heavy else usual, "own")
    also = ", with and without masks" if kinds else ""
    for normalization in NORMALIZATIONS[1:]:
        yield _plain(
            trial,
            normalization,
            f"random weights{also}; {words(some)}; to {trial.tolerance:.1e} of the largest value",
            [
                Case(basis, sizes, normalization, batch=(3,), mask=mask)
                for basis in BASES
                for sizes in some
                for mask in ("none", *(kinds[:1] if heavy else kinds))
            ],
        )
    if kinds:
        yield _no_real_node(trial, usual, words(usual))
        yield _equivariance(trial, graded, kinds[0])
    yield _gradients(trial, usual, bool(kinds))


def _masked(trial: Trial, masked: Sequence[Sizes], kinds: Sequence[MaskKind], words: str) -> Iterator[Rung]:
    """Masks: what real nodes get, what padding gets, and what bad padding does."""
    cases = [
        Case(basis, sizes, batch=batch, mask=mask)
        for basis in BASES
        for sizes in masked
        for mask in kinds
        for batch in (((3,),) if trial.heavy else ((3,), (2, 2), ()))
    ]
    poisoned = [replace(case, bad_padding=True) for case in cases]
    yield _plain(trial, "masks", f"random weights, real entries; {words}; exact", cases, "real")
    yield _plain(trial, "padding", f"comes out exactly zero; {words}", cases, "padded")
    yield _plain(trial, "NaN in the padding", f"does no harm; {words}; exact", poisoned)


def _no_real_node(trial: Trial, sizes: Sequence[Sizes], words: str) -> Rung:
    """Where there is nothing to sum, the bias or zeros come out, and no NaN."""
    kinds: tuple[MaskKind, ...] = ("empty",) if trial.heavy else ("empty", "shared empty")
    none = dict.fromkeys(trial.signature.index_sets, 0)
    cases = [
        case
        for basis in BASES
        for normalization in NORMALIZATIONS
        for case in (
            *(Case(basis, s, normalization, mask=kind, bad_padding=True) for s in sizes for kind in kinds),
            Case(basis, none, normalization),
        )
    ]
    scope = f"a sample without any, and no node at all; {words}; all normalizations"
    return _plain(trial, "no real node", scope, cases)


def _plain(trial: Trial, name: str, scope: str, cases: list[Case], only: Part = "everything") -> Rung:
    """A check that random weights in all slots at once give what the definition says."""
    return Rung(
        name, scope, cases, lambda case, at: trial.try_values(case, lambda: trial.rng(name, at), only)
    )


def _alone(trial: Trial, name: str, sizes: Sequence[Sizes], mask: MaskKind) -> Rung:
    """One operator to an output channel, so that no other can make up for it."""
    signature, slots = trial.signature, len(trial.dense)
    # A heavy layer takes long to make: use the one that there is, with its few channels.
    width, most = (OUT_CHANNELS, 5 * OUT_CHANNELS) if trial.heavy else (_WIDTH, 128)
    number = most if slots > LISTED_SLOTS else slots
    tried = [s for s in sizes if number * prod(s[name] for name in signature.positions) <= MOST_ALONE]
    cases = [
        (Case(basis, s, bias=trial.heavy, mask=mask), part)
        for basis in BASES
        for at, s in enumerate(tried)
        for part in _parts(trial.rng(f"{name} {basis}", at), slots, number, width)
    ]

    def run(case_and_slots: tuple[Case, Array], at: int) -> None:
        case, chosen = case_and_slots
        channels = np.arange(len(chosen))
        rng = trial.rng(name, at)
        # Distinct numbers for the two input channels, so that these cannot be mixed up either.
        factors = np.stack([rng.permutation([-3, -2, 2, 3])[:IN_CHANNELS] for _ in chosen])
        weight = np.zeros((slots, IN_CHANNELS, min(width, number)))
        weight[chosen, :, channels] = factors
        bias = np.zeros((len(trial.bias_dense), weight.shape[2])) if case.bias else None
        x, masks = trial.draw(case, rng)
        y = trial.values(trial.layer(case, Parameters(weight, bias)), case, x, masks)
        expected = np.zeros_like(y)
        for sample in samples_of(case, masks):
            taken = sample.take(x, signature.inputs).reshape(1, -1, IN_CHANNELS)
            value = trial.dense.alone(case.basis, chosen, taken @ factors.T, sample.counts)
            sample.put(expected[..., : len(chosen)], signature.outputs, value[0])
        _compare_alone(trial, case, y, expected, chosen)

    which = f"{number} of {slots} slots at random for each size"
    if number == slots:
        which = f"all {slots} slots one by one" if slots > 1 else "the one slot"
    scope = f"{which}; {sizes_in_words(signature, tried)}; both bases; exact"
    return Rung(name, scope, cases, run)


def _bias_alone(trial: Trial, sizes: Sequence[Sizes]) -> Rung:
    """One bias operator to an output channel, of a layer whose weights are zero."""
    slots = len(trial.bias_dense)
    width, most = (
        (OUT_CHANNELS, 2 * OUT_CHANNELS) if trial.heavy else (max(OUT_CHANNELS, min(slots, _WIDTH)), 128)
    )
    number = min(slots, most) if trial.heavy or slots > LISTED_SLOTS else slots
    cases = [
        (Case(basis, s), part)
        for basis in BASES
        for at, s in enumerate(sizes)
        for part in _parts(trial.rng(f"bias slots {basis}", at), slots, number, width)
    ]

    def run(case_and_slots: tuple[Case, Array], at: int) -> None:
        case, chosen = case_and_slots
        channels = np.arange(len(chosen))
        rng = trial.rng("each bias slot alone", at)
        factors = nonzero(rng, (1, 1, len(chosen)))
        bias = np.zeros((slots, width))
        bias[chosen, channels] = factors
        weight = np.zeros((len(trial.dense), IN_CHANNELS, width))
        x, _ = trial.draw(case, rng)
        y = trial.values(trial.layer(case, Parameters(weight, bias)), case, x, None)
        value = trial.bias_dense.alone(case.basis, chosen, factors, case.sizes)
        expected = np.zeros_like(y)
        expected[..., channels] = value.reshape(*trial.dense.shape_out(case.sizes), len(chosen))
        _compare_alone(trial, case, y, expected, chosen + len(trial.dense))

    which = f"{number} of {slots} bias slots at random"
    if number == slots:
        which = f"all {slots} bias slots one by one" if slots > 1 else "the one bias slot"
    scope = f"{which}; {sizes_in_words(trial.signature, sizes)}; both bases; exact"
    return Rung("each bias slot alone", scope, cases, run)


def _parts(rng: np.random.Generator, slots: int, number: int, width: int) -> list[Array]:
    """``number`` of the slots at random, or all, in pieces of at most ``width``."""
    chosen = np.arange(slots) if number == slots else np.sort(rng.choice(slots, number, replace=False))
    return np.split(chosen, range(width, number, width))


def _compare_alone(trial: Trial, case: Case, y: Array, expected: Array, slots: Array) -> None:
    """``slots``: the slot of each output channel; channels beyond must be zero."""
    wrong = trial.wrong(y, expected, exact=True)
    if wrong is not None:
        slot = int(slots[wrong[-1]]) if wrong[-1] < len(slots) else None
        raise Mismatch("", trial.counterexample(case, "y", wrong, expected[wrong], y[wrong], slot))


def _equivariance(trial: Trial, graded: Sequence[Sizes], masking: MaskKind) -> Rung:
    """Permuting the nodes of the input, and of the mask, permutes those of the output: L(pi.x) = pi.L(x)."""
    signature = trial.signature
    number = 1 if trial.heavy else 3
    largest = max((max(sizes.values(), default=0) for sizes in graded), default=0)
    sets = signature.index_sets
    bigger = {name: largest + 2 + 2 * at for at, name in enumerate(sets)}
    fits = (
        prod(trial.dense.shape_in(bigger)) <= MOST_ENTRIES
        and prod(trial.dense.shape_out(bigger)) <= MOST_ENTRIES
    )
    sizes = [*graded[-1:], *([bigger] if fits and not trial.heavy and trial.exact(bigger) else [])]
    cases = [
        Case(basis, s, mask=mask)
        for basis in BASES
        for s in sizes
        for mask in ("none", masking)
        for _ in range(number)
    ]

    def run(case: Case, at: int) -> None:
        rng = trial.rng("equivariance", at)
        layer = trial.layer(case, trial.parameters(case, rng))
        x, real = trial.draw(case, rng)
        order = {name: rng.permutation(size) for name, size in case.sizes.items()}
        moved = None if real is None else {name: mask[..., order[name]] for name, mask in real.items()}
        got = trial.values(layer, case, _permuted(x, signature.inputs, order), moved)
        expected = _permuted(trial.values(layer, case, x, real), signature.outputs, order)
        wrong = trial.wrong(got, expected, exact=True)
        if wrong is not None:
            told = "; ".join(f"{name}: {nodes.tolist()}" for name, nodes in order.items())
            raise Mismatch(
                f"with the nodes in the order {told}",
                trial.counterexample(case, "y", wrong, expected[wrong], got[wrong]),
            )

    permuted = "one random permutation" if number == 1 else f"{number} random permutations"
    scope = (
        f"{permuted} of every index set, of x and of masks; {sizes_in_words(signature, sizes)}; "
        "both bases; exact"
    )
    return Rung("equivariance", scope, cases, run)


def _permuted(x: Array, sets: tuple[str, ...], order: Mapping[str, Array]) -> Array:
    """x: (*batch, axes over ``sets``, channels), its node ``a`` replaced by node ``order[name][a]``."""
    for axis, name in enumerate(sets):
        x = np.take(x, order[name], axis=axis - len(sets) - 1)
    return np.ascontiguousarray(x)


def _gradients(trial: Trial, sizes: Sequence[Sizes], masks: bool) -> Rung:
    """The gradients of x, weight and bias are those of the dense map."""
    signature = trial.signature
    tried: tuple[MaskKind, ...] = ("none", "own", "empty") if masks else ("none",)
    if trial.heavy:
        tried = tried[-1:]
    cases = [
        Case(basis, s, normalization, mask=mask, bad_padding=mask != "none")
        for basis in BASES
        for normalization in NORMALIZATIONS[:2]
        for s in sizes
        for mask in tried
    ]

    def run(case: Case, at: int) -> None:
        rng = trial.rng("gradients", at)
        parameters = trial.parameters(case, rng)
        values, real = trial.draw(case, rng)
        x = torch.from_numpy(values).requires_grad_()
        layer = trial.layer(case, parameters)
        layer.zero_grad()
        y = trial.call(layer, case, x, real)
        cotangent = nonzero(rng, tuple(y.shape)).astype(np.float64)
        try:
            y.backward(torch.from_numpy(cotangent))
        except Exception as error:
            raise raised(f"{case}\nbackward", error) from error
        expected = pulled_back(trial, case, parameters, values, real, cotangent)
        for name, tensor in {"x": x, **dict(layer.named_parameters())}.items():
            if tensor.grad is None:
                raise Mismatch(f"{case}\n{name}.grad is None")
            got = tensor.grad.numpy()
            wrong = trial.wrong(
                got, expected[name], exact=case.normalization == "sum" and trial.exact_gradients
            )
            if wrong is not None:
                slot = {"x": None, "weight": wrong[0], "bias": len(trial.dense) + wrong[0]}[name]
                entry = expected[name][wrong]
                raise Mismatch("", trial.counterexample(case, f"{name}.grad", wrong, entry, got[wrong], slot))
        layer.zero_grad()

    also = f", with {'and without ' if len(tried) > 1 else ''}masks, NaN in the padding" if masks else ""
    scope = (
        f"of x, weight and bias{also}; {sizes_in_words(signature, sizes)}; both bases; "
        f"{'sum exact, mean ' if trial.exact_gradients else ''}to {trial.tolerance:.1e}"
    )
    return Rung("gradients", scope, cases, run)


def pulled_back(
    trial: Trial, case: Case, parameters: Parameters, x: Array, masks: Masks | None, cotangent: Array
) -> dict[str, Array]:
    """The gradients of x, weight and bias of the sum of ``cotangent * y``."""
    assert parameters.bias is not None, "gradients are tried with a bias"
    sets_in, sets_out = trial.signature.inputs, trial.signature.outputs
    by_x = np.zeros(x.shape)
    by_weight = np.zeros(parameters.weight.shape)
    by_bias = np.zeros(parameters.bias.shape)
    for same in by_counts(case, masks).values():
        counts = same[0].counts
        factors = trial.dense.factors(case.normalization, counts)[:, None, None]
        entries = trial.dense.entries(trial.scaled(case, parameters.weight, counts), case.basis)
        for sample in same:
            taken = sample.take(x, sets_in).reshape(1, -1, IN_CHANNELS)
            pulled = sample.take(cotangent, sets_out).reshape(1, -1, OUT_CHANNELS)
            per_x, per_weight = trial.dense.pull_back(entries, case.basis, taken, pulled, counts)
            sample.put(by_x, sets_in, per_x[0])
            by_weight += factors * per_weight
            one = np.ones((1, 1, 1))
            zero = np.zeros((len(trial.bias_dense), 1, OUT_CHANNELS))
            by_bias += trial.bias_dense.pull_back(zero, case.basis, one, pulled, counts)[1][:, 0]
    return {"x": by_x, "weight": by_weight, "bias": by_bias}
