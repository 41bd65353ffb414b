"""Findings about values: sizes, repeatability, modes, batches, linearity, equivariance."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from symeq.auditing.report import Finding, Verdict
from symeq.auditing.study import SLACK, Study, exactness, listed, off
from symeq.auditing.subject import CallFailed, Sizes, Subject, sizes_in_words
from symeq.auditing.weights import cast

_MOST_SWAPPED = 9  # nodes of which all pairs are swapped; of more, some neighbours and the two ends


def sizes_finding(
    study: Study, sizes: list[Sizes], full: Sizes, large: list[Sizes], known: list[Sizes]
) -> Finding:
    """Where the code runs; sets ``study.sizes``, ``study.full`` and ``study.large``."""
    rng = study.rng("sizes")
    study.randomise(rng)
    failures: dict[str, str] = {}
    tried = [*sizes, *large]
    tried += [s for s in known if s not in tried]
    tried.sort(key=lambda s: (sum(s.values()), tuple(s.values())))
    good = []
    for at in tried:
        try:
            y = study.subject(study.draw(rng, 2, at), at)
        except CallFailed as failed:
            failures[sizes_in_words(at)] = str(failed)
            continue
        if not bool(y.isfinite().all()):
            failures[sizes_in_words(at)] = "returned NaN or infinities"
            continue
        good.append(at)
    study.sizes = [s for s in sizes if s in good] or good[:1]
    study.large = [s for s in large if s in good]
    if full in study.sizes:
        study.full = full
    elif study.sizes:
        study.full = max(study.sizes, key=lambda s: sum(s.values()))
    scope = f"runs and gives numbers at {study.words(tried)}"
    if not failures:
        return Finding("sizes", "ok", scope)
    groups: dict[str, list[str]] = {}
    for words, why in failures.items():
        groups.setdefault(re.sub(r"\d+", "#", why), []).append(words)
    lines = [f"at {'; '.join(words)} it {failures[words[0]]}" for words in groups.values()]
    if len(good) == 1:
        lines.append(f"it runs only at {sizes_in_words(good[0])}: the size is fixed in the code")
    elif good:
        lines.append(f"it runs at {study.words(good)}")
    return Finding("sizes", "fault", scope, "\n".join(lines), {"failures": failures, "runs": good})


def repeatability(study: Study) -> Finding:
    """Whether the same input gives the same output, and is left as it was."""
    rng, sizes = study.rng("repeatability"), study.full
    x = study.draw(rng, 2, sizes)
    scope = f"called twice on one input at {sizes_in_words(sizes)}, in eval mode"
    subject = study.subject
    subject.changed_input = False
    first = subject(x, sizes)
    again = subject(x, sizes)
    other = subject.using(subject.function)
    other.seed = subject.seed + 1
    lines: list[str] = []
    if off(first, again) > 0:
        lines.append("two calls give different outputs, with the same random numbers: it keeps a state")
    elif off(first, other(x, sizes)) > 0:
        lines.append(
            "it draws random numbers: two calls give different outputs (the other findings hold for one seed)"
        )
    if subject.changed_input:
        lines.append("it changes its input in place")
    return Finding("repeatability", "fault" if lines else "ok", scope, "\n".join(lines))


def modes(study: Study, repeatable: bool) -> Finding:
    """Whether training mode computes something else: dropout, batch normalisation."""
    name = "train and eval"
    if not repeatable:
        return Finding(name, "skipped", "", "not looked at, since two calls differ in eval mode")
    if not isinstance(study.subject.function, nn.Module):
        return Finding(name, "skipped", "", "a function has no modes")
    rng, sizes = study.rng("modes"), study.full
    module = cast(study.target.build(), study.subject.dtype)
    own = study.subject.using(module)
    x = study.draw(rng, 4, sizes)
    scope = f"the same outputs in both modes at {sizes_in_words(sizes)}"
    try:
        evaluated = own(x, sizes)
        module.train()
        first = own(x, sizes)
        own.seed += 1
        second = own(x, sizes)
    except CallFailed as failed:
        return Finding(name, "fault", scope, f"in train mode it {failed}")
    finally:
        module.eval()
    suspects = [
        f"{path or 'the module'} ({type(part).__name__})"
        for path, part in module.named_modules()
        if isinstance(part, nn.modules.dropout._DropoutNd | nn.modules.batchnorm._NormBase)
    ]
    blame = f"; there is {listed(suspects, 3)}" if suspects else ""
    if off(first, second) > 0:
        return Finding(
            name, "fault", scope, f"in train mode it draws random numbers{blame}", {"random": True}
        )
    if off(first, evaluated) > study.tolerance:
        return Finding(
            name, "fault", scope, f"train mode gives other outputs than eval mode{blame}", {"random": False}
        )
    return Finding(name, "ok", scope)


def batches(study: Study) -> Finding:
    """Whether the samples of a batch do not see each other; if they do, later checks give them one by one."""
    if study.subject.one_by_one:
        return Finding("batch", "skipped", "", "the layout has no batch axis")
    rng, sizes = study.rng("batch"), study.full
    x = study.draw(rng, 4, sizes)
    scope = f"four samples together and one by one, at {sizes_in_words(sizes)}"
    try:
        together = study.subject(x, sizes)
        alone = torch.cat([study.subject(x[at : at + 1], sizes) for at in range(4)])
    except CallFailed as failed:
        return Finding("batch", "fault", scope, f"with another batch size it {failed}")
    apart = off(together, alone)
    if apart <= study.tolerance:
        return Finding("batch", "ok", scope)
    study.subject.one_by_one = True
    which = _operators(study, together, alone)
    return Finding(
        "batch",
        "fault",
        scope,
        f"a sample's output depends on the other samples (relative difference {apart:.1e}{which}); an axis "
        "may be mistaken for another. The other findings hold for batches of one",
        {"residual": apart},
    )


def _operators(study: Study, got: Tensor, expected: Tensor) -> str:
    """Which operators of a stack differ, in words."""
    wrong = wrong_operators(study, got, expected)
    if not wrong or study.subject.shape.operators == 1:
        return ""
    last = study.subject.shape.operators - 1
    return f", in operator{'s' if len(wrong) > 1 else ''} {listed(wrong)} of 0 to {last}"


def wrong_operators(study: Study, got: Tensor, expected: Tensor) -> list[int]:
    """The operators of a stack whose values differ."""
    return [
        at
        for at in range(study.subject.shape.operators)
        if off(got[:, at], expected[:, at]) > study.tolerance
    ]


def verdict_of(study: Study, residual: float) -> tuple[Verdict, str]:
    """What a relative residual means, and a word on those that are small."""
    if residual <= study.tolerance:
        return "ok", ""
    if residual <= SLACK and study.subject.dtype == torch.float64:
        return "caution", "so little points to a computation in lower precision than its float64 input"
    return "fault", ""


def linearity(study: Study) -> Finding:
    """Whether x -> f(x) - f(0) is linear."""
    rng = study.rng("linearity")
    used = [s for s in study.sizes if sum(s.values()) <= sum(study.full.values())][-2:]
    worst, told = 0.0, ""
    data: dict[str, Any] = {}
    outputs = []
    for sizes in used:
        study.randomise(rng)
        x, y = study.draw(rng, 2, sizes), study.draw(rng, 2, sizes)
        f = study.subject
        zero = f(0 * x, sizes)
        fx, fy = f(x, sizes), f(y, sizes)
        outputs.append(fx.flatten())
        cases = {
            "f(x + y) = f(x) + f(y)": (f(x + y, sizes) + zero, fx + fy),
            "f(-x) = -f(x)": (f(-x, sizes) - zero, zero - fx),
            "f(1000 x) = 1000 f(x)": (f(1000 * x, sizes) - zero, 1000 * (fx - zero)),
            "f(x / 1024) = f(x) / 1024": ((f(x / 1024, sizes) - zero) * 1024, fx - zero),
        }
        for words, (got, expected) in cases.items():
            apart = off(got, expected)
            if "1024" in words and (apart <= SLACK or worst > study.tolerance):
                continue  # differences of nearly equal numbers
            if apart > 10 * worst:  # the first law that is broken says most
                worst = apart
                told = f"{words} is off by {apart:.1e} of the largest value at {sizes_in_words(sizes)}"
                told += _operators(study, got, expected)
                data = {"law": words, "residual": apart, "sizes": dict(sizes)}
    verdict, word = verdict_of(study, worst)
    how = exactness(torch.cat(outputs)) if outputs else "exactly"
    scope = f"f(x) - f(0) is linear in x, on random integers, {how}; {study.words(used)}"
    if verdict == "ok":
        return Finding("linearity", verdict, scope)
    if not word:
        told += "; there may be a nonlinearity inside, or a normalisation by the values"
    return Finding("linearity", verdict, scope, "\n".join(filter(None, (told, word))), data)


# ---------------------------------------------------------------- equivariance


def swaps(size: int) -> list[tuple[int, int]]:
    """Transpositions of so many nodes: all of them, which generate all permutations, while these are few."""
    if size <= _MOST_SWAPPED:
        return list(itertools.combinations(range(size), 2))
    spaced = np.unique(np.linspace(0, size - 2, 16).round().astype(int)).tolist()
    return [*((a, a + 1) for a in spaced), (0, size - 1)]


def moved(tensor: Tensor, sets: tuple[str, ...], first: int, orders: Mapping[str, Tensor]) -> Tensor:
    """The tensor with node a of each index set replaced by node ``orders[name][a]``.

    Its axes over ``sets`` begin at axis ``first``.
    """
    for axis, name in enumerate(sets):
        if name in orders:
            tensor = tensor.index_select(first + axis, orders[name])
    return tensor


def equivariance(study: Study) -> Finding:
    """Whether f commutes with permutations: the worst residual, and the swap of two nodes that shows it."""
    rng, subject = study.rng("equivariance"), study.subject
    inputs, outputs = study.signature.inputs, study.signature.outputs
    used = [s for s in (*study.sizes, *study.large) if max(s.values(), default=0) > 1]
    if not used:
        return Finding("equivariance", "skipped", "", "no index set with two nodes or more was tried")
    worst, told = 0.0, ""
    data: dict[str, Any] = {}
    broken: set[int] = set()
    exact = True
    for sizes in used:
        study.randomise(rng)
        x = study.draw(rng, 1, sizes)
        y = subject(x, sizes)
        exact = exact and exactness(y).startswith("in int")
        permutations = _permutations(rng, sizes)
        permuted = subject(torch.cat([moved(x, inputs, 1, order) for _, order, _, _ in permutations]), sizes)
        for at, (name, order, words, kind) in enumerate(permutations):
            got = permuted[at : at + 1]
            expected = moved(y, outputs, 2, order)
            apart = off(got, expected)
            if apart <= study.tolerance:
                continue
            broken |= set(wrong_operators(study, got, expected))
            if kind == "random":
                if data:
                    continue  # a swap says more
                apart, name, order, words = _shrunk(subject, x, order, sizes)
            if apart > worst:
                worst = apart
                told = f"worst residual {apart:.1e} of the largest value, {words}, {sizes_in_words(sizes)}"
                data = {
                    "residual": apart,
                    "sizes": dict(sizes),
                    "index_set": name,
                    "permutation": {key: value.tolist() for key, value in order.items()},
                }
    how = "in integers, exactly" if exact else f"to {study.tolerance:.0e} of the largest value"
    scope = f"swaps of two nodes, and random permutations, of every index set, {how}; {study.words(used)}"
    verdict, word = verdict_of(study, worst)
    if verdict == "ok":
        return Finding("equivariance", verdict, scope)
    lines = [told]
    if subject.shape.operators > 1:
        some = sorted(broken)
        lines.append(f"not equivariant: operator{'s' if len(some) > 1 else ''} {listed(some)}")
        data["operators"] = sorted(broken)
    if word:
        lines.append(word)
    return Finding("equivariance", verdict, scope, "\n".join(lines), data)


def _shrunk(
    subject: Subject, x: Tensor, orders: Mapping[str, Tensor], sizes: Sizes
) -> tuple[float, str, dict[str, Tensor], str]:
    """The worst of the swaps that a permutation is made of, on the inputs that they meet on the way.

    If f commutes with every swap on its own input, it commutes with the permutation.
    """
    inputs, outputs = subject.signature.inputs, subject.signature.outputs
    worst: tuple[float, str, dict[str, Tensor], str] = (0.0, "", {}, "")
    for name, order in orders.items():
        place = order.tolist()
        for a in range(len(place)):
            while place[a] != a:
                b = place[a]
                place[a], place[b] = place[b], place[a]
                swap = {name: _swap(sizes[name], a, b)}
                got = subject(moved(x, inputs, 1, swap), sizes)
                apart = off(got, moved(subject(x, sizes), outputs, 2, swap))
                if apart > worst[0]:
                    worst = apart, name, swap, f"nodes {a} and {b} of {name} swapped"
                x = moved(x, inputs, 1, swap)
    return worst


def _swap(size: int, a: int, b: int) -> Tensor:
    order = torch.arange(size)
    order[a], order[b] = b, a
    return order


def _permutations(rng: np.random.Generator, sizes: Sizes) -> list[tuple[str, dict[str, Tensor], str, str]]:
    """(index set, order of the nodes of it, in words, kind): swaps first, then random permutations."""
    found = []
    for name, size in sizes.items():
        for a, b in swaps(size):
            found.append((name, {name: _swap(size, a, b)}, f"nodes {a} and {b} of {name} swapped", "swap"))
    for _ in range(2):
        orders = {name: torch.from_numpy(rng.permutation(size)) for name, size in sizes.items()}
        found.append((", ".join(orders), orders, "a random permutation", "random"))
    return found
