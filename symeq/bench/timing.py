"""Alternating timed runs in one process."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import torch

from symeq.bench.cases import SEED

if sys.platform != "win32":
    import resource

WARM_UPS = (3, 12)
"""Rounds before the timed ones: at least, and at most while some call still asks for new memory pages."""

_NEW_PAGES = 100

Key = TypeVar("Key")


class Sample(NamedTuple):
    """What one run took: time, and memory pages that were new to the process."""

    seconds: float
    page_faults: int


def alternate(
    calls: Mapping[Key, Callable[[], object]], repeats: int, device: str = "cpu"
) -> Iterator[tuple[Key, Sample]]:
    """Every call's samples, round by round; the order changes, so that no call always follows the same.

    Before each timed run the same call runs untimed, as it would in a loop: caches and free memory are
    as it leaves them, and its time does not depend on who else takes part.
    """
    order = list(calls)
    shuffle = random.Random(SEED).shuffle
    least, most = WARM_UPS
    for at in range(most):
        samples = [sample(call, device) for call in calls.values()]
        if at + 1 >= least and all(found.page_faults < _NEW_PAGES for found in samples):
            break
    for _ in range(repeats):
        shuffle(order)
        for key in order:
            calls[key]()
            yield key, sample(calls[key], device)


def sample(call: Callable[[], object], device: str = "cpu") -> Sample:
    """One timed run, until the device has done what was asked."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else _nothing
    faults = _page_faults()
    wait()
    start = time.perf_counter()
    call()  # giving back the result's memory is part of the time
    wait()
    seconds = time.perf_counter() - start
    return Sample(seconds, _page_faults() - faults)


def _nothing() -> None:
    """The processor has done its work when the call returns."""


def _page_faults() -> int:
    if sys.platform == "win32":
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
