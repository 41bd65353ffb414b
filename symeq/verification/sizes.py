"""The sizes of index sets at which a layer is tried, and their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from symeq.signature import Signature
from symeq.verification.trial import Trial

Sizes: TypeAlias = Mapping[str, int]

MOST_NODES = 6  # of the sizes that are tried one after another
MOST_TUPLES = 2**16  # index tuples (inputs and outputs) of a dense map that is looked at in full
LARGE_NODES = 17
MOST_ENTRIES = 2**17  # entries of the input, and of the output, at a large size
_APART = 3  # so many index sets have different sizes; more than that would make the tensors large


def graded_sizes(trial: Trial) -> list[Sizes]:
    """Sizes from 0 on at which a dense map can be looked at in full; index sets have different ones."""
    sets, positions = trial.signature.index_sets, trial.signature.positions
    if not sets:
        return [{}]
    ways = 1 if len(sets) == 1 else 2  # ascending, and descending along the index sets
    most = MOST_NODES if len(sets) == 1 else MOST_NODES - 2
    found = [sizes for n in range(most + 1) for sizes in _apart(sets, n)[:ways]]
    found += [{name: max(_APART - at, 1) for at, name in enumerate(sets)}] if len(sets) > _APART else []
    return [s for s in found if prod(s[name] for name in positions) <= MOST_TUPLES and trial.exact(s)]


def large_sizes(trial: Trial, graded: Sequence[Sizes]) -> list[Sizes]:
    """Sizes at which input and output still fit: one where all equality patterns exist, and a larger one."""
    sets, positions = trial.signature.index_sets, trial.signature.positions
    largest = max(sum(sizes.values()) for sizes in graded)

    def fits(sizes: Sizes) -> bool:
        inputs, outputs = prod(trial.dense.shape_in(sizes)), prod(trial.dense.shape_out(sizes))
        looked_at = inputs * len(trial.bias_dense)
        small = max(inputs, outputs) <= MOST_ENTRIES and looked_at <= 2**6 * MOST_ENTRIES
        return small and trial.exact(sizes) and sum(sizes.values()) > largest

    enough = max((positions.count(name) for name in sets), default=0)
    candidates = [_apart(sets, n)[0] for n in range(LARGE_NODES + 1)] if sets else []
    fitting = [n for n, sizes in enumerate(candidates) if fits(sizes)]
    wanted = {n for n in fitting if n >= max(enough, MOST_NODES + 1)}
    chosen = {min(wanted), max(wanted)} if wanted else set(fitting[-1:])
    return [candidates[n] for n in sorted(chosen)]


def _apart(sets: tuple[str, ...], n: int) -> list[Sizes]:
    """Sizes from n on, ascending along the index sets and descending."""
    more = [at % _APART for at in range(len(sets))]
    return [{name: n + m for name, m in zip(sets, order, strict=True)} for order in (more, more[::-1])]


def usual_sizes(sizes: Sequence[Sizes], n: int) -> Sizes:
    """The last of the given sizes whose smallest is at most n."""
    small = [s for s in sizes if min(s.values(), default=0) <= n]
    return small[-1] if small else sizes[0]


def sizes_in_words(signature: Signature, sizes: Sequence[Sizes]) -> str:
    """Sizes as text: ``n = 0, 1, 2`` or ``(u, i) = (0, 1), (1, 0)``."""
    sets = signature.index_sets
    if not sets:
        return "no index sets"
    if len(sets) == 1:
        return f"{sets[0]} = {', '.join(str(s[sets[0]]) for s in sizes)}"
    return f"({', '.join(sets)}) = {', '.join(str(tuple(s.values())) for s in sizes)}"
