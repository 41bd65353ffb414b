"""Findings about channels: what each operator of a stack does to them, and whether a layer uses all."""

from __future__ import annotations

from symeq.auditing.report import Finding
from symeq.auditing.spans import Spans
from symeq.auditing.study import SHOWN, Study, listed, off
from symeq.auditing.subject import sizes_in_words

_MOST = 64


def of_stack(study: Study, spans: Spans) -> Finding:
    """Operators of a stack that mix channels, or treat them differently."""
    scope = f"each operator acts on every channel alone, and alike, at {sizes_in_words(study.full)}"
    complaints = spans.complaints
    return Finding("channels", "fault" if complaints else "ok", scope, "\n".join(complaints[:4]))


def of_layer(study: Study) -> Finding:
    """Channels that a layer does not read, and some that it makes alike, whatever the parameters."""
    shape, rng = study.subject.shape, study.rng("channels")
    scope = "each input channel changes the output, and no two output channels are the same, with random "
    scope += f"parameters and inputs at {sizes_in_words(study.full)}"
    ins = min(shape.in_channels, _MOST)
    if ins < shape.in_channels:
        scope += f"; of the input channels the first {ins}"
    study.randomise(rng)
    samples = 4  # of integers, where one could be alike by chance
    x = study.draw(rng, samples, study.full)
    y = study.subject(x, study.full).detach().double()
    unread = []
    for channel in range(ins):
        changed = x.clone()
        changed[..., channel] *= 2
        if off(study.subject(changed, study.full).detach().double(), y) <= study.tolerance:
            unread.append(channel)
    made: dict[int, list[int]] = {}
    for channel in range(y.shape[-1]):
        alike = (first for first in made if off(y[..., channel], y[..., first]) <= study.tolerance)
        made.setdefault(next(alike, channel), []).append(channel)
    same = [group for group in made.values() if len(group) > 1]
    lines = [f"input channels that are not read: {listed(unread)}"] if unread else []
    lines += [f"output channels that are the same: {listed(group)}" for group in same[:SHOWN]]
    data = {"unread": unread, "same": same}
    return Finding("channels", "caution" if lines else "ok", scope, "\n".join(lines), data)
