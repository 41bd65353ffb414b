"""What a call needs in memory: counted exactly, and seen from the system, in a fresh process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile

from symeq.bench import fresh
from symeq.bench.cases import Case, Problem
from symeq.bench.contestants import COMPILED, CONTESTANTS, LAYER
from symeq.bench.equality import training_step
from symeq.bench.report import Memory
from symeq.bench.running import Progress, compiled
from symeq.errors import OptionError, TooLargeError

Step = Callable[[], Sequence[Tensor | None]]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_EVERY_BLOCK = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}  # glibc gives blocks above it back at once


def measure_memory(
    cases: Sequence[Case],
    contestants: Sequence[str] = (LAYER,),
    compile_layer: bool = False,
    training: bool = False,
    progress: Progress | None = None,
) -> tuple[Memory, ...]:
    """The memory that every contestant needs at every case; each contestant has a fresh process.

    Args:
        contestants: names out of ``CONTESTANTS``; those too large for a case are passed over.
        compile_layer: whether the emitted layer is measured under ``torch.compile``, too.
        training: whether forward+backward is measured, too.

    Raises:
        OptionError: an unknown contestant.
    """
    for name in contestants:
        if name not in CONTESTANTS:
            raise OptionError("contestants", name, f"one of {', '.join(CONTESTANTS)}")
    asked = [
        name + way for name in contestants for way in ("", COMPILED)[: 1 + (compile_layer and name == LAYER)]
    ]
    found: list[Memory] = []
    for at, name in enumerate(asked):
        if progress is not None:
            progress(at, len(asked), f"memory: {name}")
        arguments = {"cases": list(map(asdict, cases)), "name": name, "training": training}
        answer = fresh.call("memory:serve", _EVERY_BLOCK, **arguments)
        found += [Memory(**{**each, "case": Case.of(each["case"])}) for each in answer]
    if progress is not None:
        progress(len(asked), len(asked), "")
    return tuple(sorted(found, key=lambda each: cases.index(each.case)))


def serve(cases: Sequence[dict[str, Any]], name: str, training: bool) -> list[dict[str, Any]]:
    """Measures one contestant (with ``COMPILED``: that way) in this process, at the cases that it fits."""
    found = []
    for case in map(Case.of, cases):
        problem = Problem.of(case)
        with suppress(TooLargeError):
            found.append(asdict(_forward(problem, name)))
            if training:
                found.append(asdict(_training(problem.taped(), name)))
    return found


def _forward(problem: Problem, name: str) -> Memory:
    call = torch.no_grad()(_prepared(problem, name, training=False))
    return _measured(problem, name, lambda: (call(),), None)


def _training(problem: Problem, name: str) -> Memory:
    call = _prepared(problem, name, training=True)
    saved = count_saved(call, (problem.x, problem.weight))
    return _measured(problem, name, training_step(problem, call), saved)


def _prepared(problem: Problem, name: str, training: bool) -> Callable[[], Tensor]:
    call = CONTESTANTS[name.removesuffix(COMPILED)](problem)
    return compiled(call, "inductor", training) if name.endswith(COMPILED) else call


def _measured(problem: Problem, name: str, step: Step, saved: int | None) -> Memory:
    step()  # whatever is made once is made
    resident = _resident_growth(step)
    return Memory(
        case=problem.case,
        name=name,
        training=saved is not None,
        unit=problem.x.numel() * problem.x.element_size(),
        saved=saved or 0,
        peak=count_peak(step, results=2),  # output and gradient of x: that of the weight counts
        resident=resident,
    )


def count_saved(call: Callable[[], Tensor], given: Iterable[Tensor] = ()) -> int:
    """The bytes of the distinct storages that autograd saves, without those of ``given``."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        y = call()
    for tensor in given:
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    del y
    return sum(storages.values())


def count_peak(step: Step, results: int | None = None) -> int:
    """The most bytes held at any moment of ``step`` beyond what it began with and its results.

    Every allocation of the processor is counted, those of compiled code as well. A result counts
    as one, and not as beyond, from the moment on at which its memory is taken.

    Args:
        results: how many of the tensors that ``step`` returns are not counted; None: all.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        kept = step()
    assert profiled.profiler is not None and profiled.profiler.kineto_results is not None  # it has ended
    free = {
        tensor.untyped_storage().data_ptr(): tensor.numel() * tensor.element_size()
        for tensor in list(kept)[:results]
        if tensor is not None
    }
    events = sorted(
        (event.start_time_ns, at, event.extra_fields.ptr, event.extra_fields.alloc_size)
        for at, event in enumerate(_events(profiled.profiler.kineto_results.experimental_event_tree()))
        if hasattr(event.extra_fields, "alloc_size")
    )
    last = {
        ptr: when for when, _, ptr, size in events if size > 0
    }  # the result's, where memory was used before
    held = peak = 0
    for when, _, ptr, size in events:
        held += size - (free.get(ptr, 0) if size > 0 and last.get(ptr) == when else 0)
        peak = max(peak, held)
    return peak


def _events(tree: Iterable[Any]) -> Iterable[Any]:
    for event in tree:
        yield event
        yield from _events(event.children)


def _resident_growth(step: Step) -> int | None:
    """By how many bytes the peak of the resident memory lies above what was resident before."""
    try:
        _RESET.write_text("5", encoding="ascii")  # the peak is now what is resident: see proc(5)
        before = _resident("VmRSS")
        kept = step()
        after = _resident("VmHWM")
    except (OSError, LookupError):
        return None
    del kept
    return max(0, after - before)


def _resident(name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return 1024 * int(found[1])
