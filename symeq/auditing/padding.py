"""Findings about padding: with a mask, is a padded batch the unpadded samples; without one, what zeros do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from symeq.auditing.report import Finding, Verdict
from symeq.auditing.study import Study, listed, off
from symeq.auditing.subject import CallFailed, Sizes, Subject, sizes_in_words
from symeq.auditing.values import verdict_of


def padding(study: Study, subject: Subject | None) -> list[Finding]:
    """Whether a padded batch equals the unpadded samples. ``subject``: one whose mask argument is known."""
    names = ("padding: real entries", "padding: padded entries", "padding: NaN")
    if not study.signature.index_sets:
        return [Finding(names[0], "skipped", "", "no index set")]
    rng = study.rng("padding")
    study.randomise(rng)
    counts, sizes = _counts(study)
    if counts is None:
        return [Finding(names[0], "skipped", "", "fewer than two sizes at which it runs")]
    if subject is None:
        return [_without_mask(study, rng, counts, sizes)]
    words = "; ".join(
        f"{name}: {', '.join(str(c[name]) for c in counts)} of {size}" for name, size in sizes.items()
    )
    how = f"argument {', '.join(subject.convention.masks.values())} ({_form(subject)})"
    scope = f"real nodes {words}; {how}"
    try:
        return _with_mask(study, subject, rng, counts, sizes, scope)
    except CallFailed as failed:
        return [Finding(names[0], "fault", scope, f"with a mask it {failed}")]


def _form(subject: Subject) -> str:
    form = subject.convention.mask_form
    return form + (", True for padding" if subject.convention.mask_inverted else ", True for real nodes")


def _counts(study: Study) -> tuple[list[dict[str, int]] | None, Sizes]:
    """Numbers of real nodes, all of which are sizes at which the code runs, and the padded size."""
    sizes = study.sizes[-1]
    smaller = [dict(s) for s in study.sizes if all(s[name] <= sizes[name] for name in sizes)][-4:]
    return (smaller if len(smaller) > 1 else None), sizes


def _padded(
    study: Study, rng: np.random.Generator, counts: list[dict[str, int]], sizes: Sizes, fill: float
) -> tuple[list[Tensor], Tensor, dict[str, Tensor]]:
    """The samples by themselves, the padded batch, and the masks."""
    inputs = study.signature.inputs
    samples = [study.draw(rng, 1, count) for count in counts]
    batch = torch.full(
        (len(counts), *study.subject.shape_in(sizes), study.subject.shape.in_channels), fill
    ).double()
    for at, (sample, count) in enumerate(zip(samples, counts, strict=True)):
        batch[at][tuple(slice(count[name]) for name in inputs)] = sample[0]
    masks = {
        name: torch.stack([torch.arange(size) < count[name] for count in counts])
        for name, size in sizes.items()
    }
    return samples, batch, masks


def _split(study: Study, y: Tensor, count: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """The real entries of one sample's output (operators, positions, channels), and the padded ones, flat."""
    outputs = study.signature.outputs
    real = (slice(None), *(slice(count[name]) for name in outputs))
    padded = torch.ones(y.shape, dtype=torch.bool)
    padded[real] = False
    return y[real], y[padded]


def _with_mask(
    study: Study,
    subject: Subject,
    rng: np.random.Generator,
    counts: list[dict[str, int]],
    sizes: Sizes,
    scope: str,
) -> list[Finding]:
    samples, batch, masks = _padded(study, rng, counts, sizes, 0.0)
    alone = [subject(sample, count)[0] for sample, count in zip(samples, counts, strict=True)]
    y = subject(batch, sizes, masks)
    findings = []
    worst, where, leaked = 0.0, "", 0.0
    for at, count in enumerate(counts):
        real, padded = _split(study, y[at], count)
        apart = off(real, alone[at])
        if apart > worst:
            worst, where = apart, sizes_in_words(count)
        leaked = max(leaked, float(padded.abs().max()) if padded.numel() else 0.0)
        leaked = float("inf") if padded.isnan().any() else leaked
    verdict, word = verdict_of(study, worst)
    detail = ""
    if verdict != "ok":
        detail = (
            f"with a mask, real entries differ from the unpadded sample by {worst:.1e} of the largest value "
            f"({where} real of {sizes_in_words(sizes)}); means may count padded nodes"
        )
    findings.append(
        Finding(
            "padding: real entries",
            verdict,
            scope,
            "\n".join(filter(None, (detail, word))),
            {"residual": worst},
        )
    )
    if study.signature.outputs:
        findings.append(
            Finding(
                "padding: padded entries",
                "fault" if leaked else "ok",
                "padded entries of the output are exactly zero",
                f"they hold numbers up to {leaked:.3g}, which the next layer would sum" if leaked else "",
                {"largest": leaked},
            )
        )
    if not study.signature.inputs:
        return findings
    lines = []
    for fill, words in ((7.0, "numbers"), (float("nan"), "NaN")):
        bad = batch.clone()
        for at, count in enumerate(counts):
            inside = torch.zeros(bad[at].shape, dtype=torch.bool)
            inside[tuple(slice(count[name]) for name in study.signature.inputs)] = True
            bad[at][~inside] = fill
        z = subject(bad, sizes, masks)
        reals = [off(_split(study, z[at], c)[0], _split(study, y[at], c)[0]) for at, c in enumerate(counts)]
        pads = [_split(study, z[at], c)[1] for at, c in enumerate(counts)]
        if max(reals) > study.tolerance:
            lines.append(f"{words} in the padding of x change the real entries")
        elif not leaked and any(bool(pad.isnan().any() or pad.any()) for pad in pads):
            lines.append(f"{words} in the padding of x come out in the padding")
    findings.append(
        Finding(
            "padding: NaN",
            "fault" if lines else "ok",
            "what the padding of x holds, numbers or NaN, does not matter",
            "\n".join(lines)
            + ("; multiplying by a mask does not remove NaN" if lines and "NaN" in lines[-1] else ""),
        )
    )
    return findings


def _without_mask(
    study: Study, rng: np.random.Generator, counts: list[dict[str, int]], sizes: Sizes
) -> Finding:
    """What zero padding does to code that takes no mask: worth knowing, and no fault by itself."""
    name = "padding: real entries"
    if not study.signature.inputs:
        return Finding(name, "skipped", "", "no input axis to pad, and no mask")
    small, large = counts[-2] if counts[-1] == dict(sizes) else counts[-1], sizes
    samples, batch, _ = _padded(study, rng, [small], large, 0.0)
    alone, y = study.subject(samples[0], small)[0], study.subject(batch, large)[0]
    real, padded = _split(study, y, small)
    scope = f"there is no mask; x padded with zeros from {sizes_in_words(small)} to {sizes_in_words(large)}"
    operators = study.subject.shape.operators
    changed = [at for at in range(operators) if off(real[at], alone[at]) > study.tolerance]
    lines = []
    if changed:
        which = f"operators {listed(changed)}" if operators > 1 else "the real entries of the output"
        lines.append(
            f"{which} change by up to {off(real, alone):.1e} of the largest value: the result depends on how "
            "far a graph is padded"
        )
    else:
        lines.append("the real entries of the output stay the same")
    if padded.numel() and bool(padded.any()):
        lines.append("the padding of the output is not zero, and the next layer would sum it")
    verdict: Verdict = "caution" if changed or len(lines) > 1 else "ok"
    return Finding(name, verdict, scope, "\n".join(lines), {"mask": False, "changed": changed})
