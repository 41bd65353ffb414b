"""Faults in the way that layers take with many channels: sorted entries, products for representations."""

from __future__ import annotations

from collections.abc import Iterator

from symeq.mutation.faults import Change, Original, fault
from symeq.mutation.kinds import both_bases, most_propagating
from symeq.signature import Signature

_MANY = (192, 192)  # channels with which the layers of the catalogue take this way, in eager code, too


def sorts(signature: Signature) -> bool:
    """Two blocks of one index set propagate."""
    return most_propagating(signature) > 1


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
    if "FOURIER_3" in original.text:
        for name, way in (("FOURIER_3", "there"), ("INVERSE_3", "back")):
            text = original.substituted(rf"({name} = \([^-]*)-1", r"\g<1>1")
            yield _shown(original, f"a sign on the way {way}", text)
        divided = ".unflatten(-1, total.shape[-2:]) / size"
        yield _shown(
            original, "not divided by 3!", original.replaced((divided, divided.removesuffix(" / size")))
        )
    text = original.replaced(("first + second, first - second", "first + second, first + second"))
    yield _shown(original, "no difference", text)
    yield _shown(original, "not divided", original.replaced(("w = w / size", "w = w * 1")))


@fault(sorts)
def entries_sorted_wrongly(original: Original) -> Iterator[Change]:
    """Index tuples without those with equal indices, places of another tensor, one order for all."""
    yield _shown(
        original, "no equal indices", original.replaced(("unsqueeze(1) <= index", "unsqueeze(1) < index"))
    )
    yield _shown(original, "places too near", original.replaced(("place * n +", "place * (n - 1) +")))
    yield _shown(
        original,
        "one order",
        original.replaced(("for first, *others in orders:", "for first, *others in [orders[0]] * size:")),
    )


@fault(sorts)
def sorted_entries_with_wrong_gradients(original: Original) -> Iterator[Change]:
    """Nothing flows back through the sorted entries, or as much as entries list an index tuple."""
    yield _shown(
        original,
        "detached",
        original.replaced(("stacked.flatten(-c - 1, -2)", "stacked.detach().flatten(-c - 1, -2)")),
    )
    yield _shown(original, "not shared out", original.replaced(("index, times) / times", "index, times)")))
    yield _shown(original, "counted once", original.replaced(("gradient * times", "gradient")))
