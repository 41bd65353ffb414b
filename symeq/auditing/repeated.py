"""Operators of a stack that are multiples of each other; parameters that do nothing, or the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symeq.auditing.exact import Array
from symeq.auditing.maps import Row
from symeq.auditing.report import Finding
from symeq.auditing.spans import Spans, Vectors, rank_of, vectors_of
from symeq.auditing.study import SHOWN, Study, listed
from symeq.auditing.subject import sizes_in_words


def repeated(study: Study, spans: Spans, names: Mapping[str, str]) -> Finding:
    """Operators of a stack that are multiples of each other; parameters that do nothing, or the same."""
    rows = spans.rows(study.full)
    if spans.family is None:
        if study.subject.shape.operators == 1 and len(rows) == 1:
            return Finding("repeated", "skipped", "", "one map, no stack")
        return _repeated_operators(study, spans, rows, names)
    if not spans.family.one_by_one:
        return Finding("repeated", "skipped", "", "parameters cannot be tried one by one")
    return _repeated_parameters(study, spans, rows)


def _repeated_operators(study: Study, spans: Spans, rows: list[Row], names: Mapping[str, str]) -> Finding:
    scope = "no operator is a multiple of another, none is zero, and they are independent, at "
    scope += sizes_in_words(study.full)
    zero = [row.label for row in rows if not any(vector.any() for vector in row.parts.values())]
    live = [row for row in rows if row.label not in zero]
    flat = _flat(live)
    vectors = vectors_of(list(flat), study, study.full) if len(flat) else Vectors(np.zeros((0, 0)), True)
    groups: dict[bytes, list[str]] = {}
    if vectors.exact:
        for row, vector in zip(live, vectors.values, strict=True):
            groups.setdefault(vector.tobytes(), []).append(row.label)
    same = [group for group in groups.values() if len(group) > 1]
    lines = [f"{label} is zero" for label in zero]
    lines += [f"{', '.join(group)} are the same up to a factor: {names.get(group[0], '')}" for group in same]
    dependent = len(groups) - rank_of(vectors, len(groups)) if vectors.exact and groups else 0
    data = {"zero": zero, "duplicates": same, "dependent": dependent}
    if lines:
        return Finding("repeated", "fault", scope, "\n".join(lines[:SHOWN]), data)
    if dependent:
        return Finding("repeated", "caution", scope, f"{dependent} of them depend on the others", data)
    return Finding("repeated", "ok", scope, "", data)


def _flat(rows: Sequence[Row]) -> Array:
    """The rows over all cells, side by side."""
    cells = sorted({cell for row in rows for cell in row.parts})
    lengths = {cell: next(len(row.parts[cell]) for row in rows if cell in row.parts) for cell in cells}
    return (
        np.stack(
            [np.concatenate([row.parts.get(cell, np.zeros(lengths[cell])) for cell in cells]) for row in rows]
        )
        if rows and cells
        else np.zeros((len(rows), 0))
    )


def _repeated_parameters(study: Study, spans: Spans, rows: list[Row]) -> Finding:
    assert spans.family is not None, "a stack has no parameters"
    fixed = "what does not depend on the parameters"
    rows = [row for row in rows if row.label != fixed]
    scope = f"every parameter entry matters, and no two do the same, at {sizes_in_words(study.full)}"
    dead: list[str] = []
    if not spans.reader.wide:
        reaching = {row.label for row in rows if row.parts}
        labels = [study.weights.label(entry) for entry in range(study.weights.number)]
        dead = [label for label in labels if label not in reaching]
    live = [row for row in rows if row.parts]
    # Rows that reach different cells are independent; those that share cells are compared.
    owner: dict[Any, int] = {}
    component = list(range(len(live)))

    def root(at: int) -> int:
        while component[at] != at:
            at = component[at]
        return at

    for at, row in enumerate(live):
        for cell in row.parts:
            if cell in owner:
                component[root(at)] = root(owner[cell])
            owner[cell] = root(at)
    together: dict[int, list[Row]] = {}
    for at, row in enumerate(live):
        together.setdefault(root(at), []).append(row)
    redundant, examples = 0, []
    for group in together.values():
        vectors = vectors_of(list(_flat(group)), study, study.full)
        redundant += len(group) - rank_of(vectors, len(group))
        if vectors.exact:
            same: dict[bytes, list[str]] = {}
            for row, vector in zip(group, vectors.values, strict=True):
                same.setdefault(vector.tobytes(), []).append(row.label)
            examples += [labels for labels in same.values() if len(labels) > 1]
    lines = []
    if dead:
        lines.append(f"{len(dead)} parameter entries never reach the output: {listed(dead, 4)}")
    if redundant:
        lines.append(f"{redundant} of {len(live)} parameter entries do what others do already")
        lines += [f"{' and '.join(labels[:3])} do the same" for labels in examples[:2]]
    data = {"dead": dead[:1000], "redundant": redundant, "duplicates": examples[:1000]}
    return Finding("repeated", "caution" if lines else "ok", scope, "\n".join(lines), data)
