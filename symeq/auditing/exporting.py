"""Whether ``torch.export`` takes the code with dynamic sizes."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from symeq.auditing.layout import BATCH
from symeq.auditing.load import in_one_line
from symeq.auditing.report import Finding
from symeq.auditing.study import Study, off
from symeq.auditing.subject import Subject, sizes_in_words
from symeq.auditing.watch import Watch, watched
from symeq.errors import AuditError


class _Wrapped(nn.Module):
    """The callable with its further arguments taken from the shape of x."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.inner = subject.function
        self._subject = (subject,)  # in a tuple: no submodule
        self._first = {name: subject.order.inputs.index(name) for name in subject.signature.inputs}

    def forward(self, x: Tensor) -> Any:
        convention = self._subject[0].convention
        known: dict[str, Any] = {name: x.shape[axis] for name, axis in self._first.items()}
        positional = [known.get(a, a) if isinstance(a, str) else a for a in convention.positional]
        keywords = {
            key: known.get(value, value) if isinstance(value, str) else value
            for key, value in (convention.keywords or {}).items()
        }
        keywords |= {word: known[name] for word, name in (convention.sizes or {}).items()}
        return self.inner(x, *positional, **keywords)


def export(study: Study) -> Finding:
    """Whether it exports with the sizes of index sets and batch left open, and then gives the same values."""
    watch = Watch(study.target.name, study.subject.watch.limit)

    def work() -> Finding:
        with watch("exporting it"):
            return _export(study)

    logging.disable(logging.CRITICAL)  # what torch logs while it fails is in the error, too
    try:
        return watched(watch, work)
    except AuditError:  # nothing else raises one there
        return Finding("export", "caution", "", f"it takes longer than {watch.limit:g} s")
    finally:
        logging.disable(logging.NOTSET)


def _export(study: Study) -> Finding:
    subject = study.subject
    if subject.convention.as_numpy or subject.returned_numpy:
        return Finding("export", "skipped", "", "it works on NumPy arrays")
    if subject.convention.mask_needed:
        return Finding("export", "skipped", "", "it needs a mask")
    if not set(study.signature.index_sets) <= set(study.signature.inputs):
        return Finding("export", "skipped", "", "a size is no shape of the input")
    usual = [s for s in study.sizes if min(s.values(), default=2) > 1]
    if not usual:
        return Finding("export", "skipped", "", "no size of at least 2 at which it runs")
    sizes, others = usual[-1], usual[:-1]
    axes = subject.order.inputs
    dims = {name: torch.export.Dim(f"size_{name}", min=2) for name in study.signature.index_sets}
    whole = {at: dims[axis] for at, axis in enumerate(axes) if isinstance(axis, str)}
    rng = study.rng("export")
    batch = 3 if subject.order.has(BATCH) else 1
    x = subject.order.arrange(study.draw(rng, batch, sizes).to(subject.dtype))
    scope = f"torch.export at {sizes_in_words(sizes)}, sizes"
    with_batch = dict(whole)
    if subject.order.has(BATCH):
        scope += " and batch"
        with_batch[axes.index(BATCH)] = torch.export.Dim("size_batch", min=2)
    scope += " left open"
    wrapped = _Wrapped(subject).eval()
    exported, why = _exported(study, wrapped, x, with_batch)
    if exported is None and with_batch != whole:
        narrower, _ = _exported(study, wrapped, x, whole)
        if narrower is not None:
            return Finding("export", "caution", scope, f"only for a fixed batch; with an open one it {why}")
    if exported is None:
        fixed, _ = _exported(study, wrapped, x, {})
        text = f"it {why}" + ("; for fixed sizes it exports" if fixed is not None else "")
        return Finding("export", "caution", scope, text, {"static": fixed is not None})
    for other in others[-1:]:
        again = subject.order.arrange(study.draw(rng, batch + (batch > 1), other).to(subject.dtype))
        try:
            torch.manual_seed(study.seed)
            got = exported.module()(again)
            torch.manual_seed(study.seed)
            expected = wrapped(again)
        except Exception as error:
            return Finding(
                "export",
                "caution",
                scope,
                f"at {sizes_in_words(other)} the exported program raised {in_one_line(error)}",
            )
        pairs = [(got, expected)] if isinstance(got, Tensor) else list(zip(got, expected, strict=True))
        if any(off(a.double(), b.double()) > study.tolerance for a, b in pairs):
            return Finding(
                "export",
                "fault",
                scope,
                f"at {sizes_in_words(other)} the exported program gives other values",
            )
    return Finding("export", "ok", scope)


def _exported(study: Study, module: nn.Module, x: Tensor, dims: dict[int, Any]) -> tuple[Any, str]:
    with torch.no_grad():
        try:
            return torch.export.export(module, (x,), dynamic_shapes=(dims or None,)), ""
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            text = str(error)
            if "specializ" in text or "Constraints violated" in text:
                lines = [line.strip(" -") for line in text.splitlines() if "specializ" in line]
                why = lines[0].split(". ")[0] if lines else in_one_line(error).split("! ")[0]
                return None, f"fixes a size ({why})"
            return None, f"cannot be exported ({in_one_line(error)})"
