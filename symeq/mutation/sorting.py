"""Faults in the way that layers take with many channels: sorted entries, products for representations."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import both_bases
from symeq.signature import Signature

_MANY = (160, 160)  # channels with which the layers of the catalogue take this way


def sorts(signature: Signature) -> bool:
    """Two blocks of one index set propagate."""
    return any(
        min(side.count(name) for side in (signature.inputs, signature.outputs)) > 1
        for name in signature.index_sets
    )


def _shown(original: Original, description: str, text: str) -> Change:
    probes = [
        *both_bases(original, channels=_MANY),
        *both_bases(original, channels=_MANY, mask="own", normalization="mean"),
        *both_bases(original, channels=_MANY, gradients=1),
    ]
    return Change(description, text, probes)


@fault(sorts)
def a_wrong_representation(original: Original) -> Iterator[Change]:
    """A sign in the change to representations, or in the change back, or a way that is not undone."""
    yield _shown(
        original,
        "a sign on the way there",
        original.substituted(r"^(FOURIER_2 = \(\n.*\n    \(1,) -1", r"\1 1"),
    )
    yield _shown(
        original,
        "a sign on the way back",
        original.substituted(r"^(INVERSE_2 = \(\n.*\n    \(1,) -1", r"\1 1"),
    )
    yield _shown(
        original,
        "not divided",
        original.replaced(("_combined(inverse, total) / size", "_combined(inverse, total)")),
    )


@fault(sorts)
def entries_sorted_wrongly(original: Original) -> Iterator[Change]:
    """Index tuples without those with equal indices, places of another tensor, one order for all."""
    yield _shown(
        original, "no equal indices", original.replaced(("unsqueeze(1) <= index", "unsqueeze(1) < index"))
    )
    yield _shown(original, "places too near", original.replaced(("places * n +", "places * (n - 1) +")))
    yield _shown(
        original,
        "one order",
        original.replaced(("(0, orders[:, axis])", "(0, orders[0].expand(size, c)[:, axis])")),
    )


@fault(sorts)
def sorted_entries_without_gradient(original: Original) -> Iterator[Change]:
    """Nothing flows back through the sorted entries."""
    yield _shown(
        original,
        "detached",
        original.replaced(("stacked.flatten(-c - 1, -2)", "stacked.detach().flatten(-c - 1, -2)")),
    )
