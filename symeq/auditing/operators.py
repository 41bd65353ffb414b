"""Findings about the span: how many independent operators, which are missing, repeated or mixed; the bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from symeq.auditing.exact import Array, Span, distinct, primitive, rank
from symeq.auditing.maps import Family, Reader, Row, Table, stack_rows
from symeq.auditing.report import Finding, Verdict
from symeq.auditing.study import Study, listed, off
from symeq.auditing.subject import Sizes, sizes_in_words
from symeq.bases.derive import convert_weights, derive
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import unrank
from symeq.signature import BasisKind, Signature
from symeq.verification.dense import Dense

_DENOMINATORS = 1000  # of ratios between the numbers of one operator
_SHOWN = 6
_MOST_CHANNELS = 64


@dataclass(frozen=True)
class Vectors:
    """Row vectors over the orbit operators present at some sizes; ``exact``: integers, else floats."""

    values: Array
    exact: bool


def _vectors(rows: Sequence[Array], study: Study, sizes: Sizes) -> Vectors:
    """The vectors as primitive integer vectors; as floats, the largest entry 1, where they are none.

    Means make multiples of 1 / n, one for each axis summed, so that n^k times an entry is an integer.
    """
    values = np.stack(rows) if rows else np.zeros((0, 0))
    coarse = study.subject.dtype != torch.float64
    scale = prod(sizes[name] for name in study.signature.inputs)
    found, known = primitive(values, study.tolerance, 64 if coarse else _DENOMINATORS, scale)
    if known.all():
        return Vectors(found, True)
    return Vectors(values / np.abs(values).max(axis=1, keepdims=True), False)


def _rank(vectors: Vectors, bound: int) -> int:
    if not vectors.values.size:
        return 0
    if vectors.exact:
        return rank(vectors.values, bound)
    return numerical_rank(list(vectors.values))


def numerical_rank(vectors: Sequence[Array]) -> int:
    """The number of singular values above 1e-7 of the largest."""
    if not vectors or not vectors[0].size:
        return 0
    singular = np.linalg.svd(np.stack(vectors), compute_uv=False)
    return int((singular > 1e-7 * singular[0]).sum()) if singular[0] > 0 else 0


def quick_rank(study: Study) -> int:
    """About how many operators the code spans, from a few maps: enough to compare axis orders."""
    spans = Spans(study)
    rows = spans.rows(study.full) if spans.family is None else spans.family.draws(study.full, 12)
    maps = [v for row in rows for cell, v in row.parts.items() if cell[0] >= 0 and v.any()]
    return numerical_rank(maps)


def _restricted(dense: Dense, table: Table, kind: BasisKind) -> Array:
    """Every operator over the orbit operators present: (slots, present)."""
    if kind == "orbit":
        ones: Array = np.arange(len(dense))[:, None] == table.slots[None, :]
    else:
        codes, present = dense.codes, dense.codes[table.slots]
        ones = (present[None, :] & codes[:, None]) == codes[:, None]
    return np.asarray(ones, dtype=np.int64)


class Spans:
    """The rows of a study at each size, made once and looked at by several findings."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.reader = Reader(study.subject, study.signature, study.stacked)
        self.family = (
            None if study.stacked else Family(self.reader, study.weights, study.full, study.rng("family"))
        )
        self.complaints: list[str] = []
        self._rows: dict[tuple[int, ...], list[Row]] = {}

    @property
    def how(self) -> str:
        """Where the rows come from, in words."""
        if self.family is None:
            return "each operator of the stack" if self.study.subject.shape.operators > 1 else "the map"
        if self.family.one_by_one:
            return "one parameter entry after another"
        why = (
            "the map is not affine in the parameters"
            if not self.family.affine
            else "there are many parameters"
        )
        return f"random parameters, as {why}"

    def rows(self, sizes: Sizes) -> list[Row]:
        """The rows at these sizes."""
        key = tuple(sizes.values())
        if key not in self._rows:
            self._rows[key] = self._made(sizes)
        return self._rows[key]

    def _made(self, sizes: Sizes) -> list[Row]:
        if self.family is None:
            reading = self.reader.read(sizes)
            rows, complaints = stack_rows(self.reader, reading)
            if sizes == self.study.full:
                self.complaints = complaints
            shape = self.study.subject.shape
            scale = np.abs(reading.numbers).max(initial=0)
            uneven = reading.spread.max(axis=0) > self.study.tolerance * max(scale, 1e-300)
            if shape.operators > 1:  # operators that are not equivariant are no combinations of these
                per_operator = uneven.reshape(shape.operators, shape.out_channels).any(axis=1)
                rows = [row for row, bad in zip(rows, per_operator, strict=True) if not bad]
            return rows
        if self.family.one_by_one:
            return self.family.rows(sizes)
        return self.family.draws(sizes, derive(self.study.signature).dimension(dict(sizes)))

    def maps(self, sizes: Sizes) -> list[tuple[str, Array]]:
        """The vectors of single cells that are not zero, bias left out, with their labels."""
        return [
            (row.label, vector)
            for row in self.rows(sizes)
            for cell, vector in row.parts.items()
            if cell[0] >= 0 and vector.any()
        ]


def _counted(study: Study, spans: Spans, sizes: Sizes, dimension: int) -> Vectors:
    """Vectors that span what the code spans: at other sizes than the full ones, those of random draws."""
    if spans.family is not None and spans.family.one_by_one and sizes != study.full:
        rows = spans.family.draws(sizes, dimension)
        drawn = [v for row in rows for cell, v in row.parts.items() if cell[0] >= 0 and v.any()]
        vectors = _vectors(drawn, study, sizes)
        if vectors.exact:
            return vectors
    return _vectors([vector for _, vector in spans.maps(sizes)], study, sizes)


def operators(study: Study, spans: Spans) -> list[Finding]:
    """How many independent operators the code spans at each size, and which are missing or mixed."""
    signature = study.signature
    per_size: list[dict[str, Any]] = []
    exact = True
    for sizes in study.sizes:
        dimension = derive(signature).dimension(dict(sizes))
        vectors = _counted(study, spans, sizes, dimension)
        exact = exact and vectors.exact
        per_size.append({"sizes": dict(sizes), "found": _rank(vectors, dimension), "dimension": dimension})
    how = (
        "ranks of integer vectors"
        if exact
        else "numerical ranks (singular values above 1e-7 of the largest), as the maps are not rational"
    )
    scope = f"{spans.how}; {how}; {study.words()}"
    if spans.reader.wide:
        ins, outs = listed(spans.reader.ins), listed(spans.reader.outs)
        scope += f"; of all channels only {ins} in and {outs} out"
    short = [entry for entry in per_size if entry["found"] != entry["dimension"]]
    data: dict[str, Any] = {"per_size": per_size, "exact": exact}
    last = next(entry for entry in per_size if entry["sizes"] == dict(study.full))
    lines = [f"{last['found']} of {last['dimension']} independent operators at {sizes_in_words(study.full)}"]
    others = [entry for entry in short if entry is not last]
    if others:
        shown = [f"{e['found']} of {e['dimension']} at {sizes_in_words(e['sizes'])}" for e in others]
        lines.append(f"and {listed(shown, 4)}")
    named = _named(study, spans)
    data |= named.data
    lines += named.lines
    verdict: Verdict = "fault" if short else "ok"
    findings = [
        Finding("operators", verdict, scope, "\n".join(lines if short else [*lines[:1], *named.notes]), data)
    ]
    if spans.family is not None:
        findings.append(_channels_of_layer(study))
    elif study.subject.shape.operators > 1:
        findings.append(_channels(study, spans))
    findings.append(_repeated(study, spans, named))
    return findings


@dataclass(frozen=True)
class _Named:
    data: Mapping[str, Any]
    lines: Sequence[str]
    notes: Sequence[str]
    names: Mapping[str, str]


def _named(study: Study, spans: Spans) -> _Named:
    """Which set partitions the rows are at the full size, and which are missing."""
    signature, table = study.signature, spans.reader.table(study.full)
    dense = spans.reader.dense
    maps = spans.maps(study.full)
    vectors = _vectors([vector for _, vector in maps], study, study.full)
    if not vectors.exact or not len(table.slots):
        return _Named(
            {}, ["which operators are missing cannot be told, as they were not read exactly"], [], {}
        )
    kinds: tuple[BasisKind, ...] = ("diagram", "orbit")
    spelled = {each: _restricted(dense, table, each) for each in kinds}
    matches: dict[BasisKind, dict[bytes, int]] = {each: {} for each in kinds}
    for each in kinds:
        for slot, row in enumerate(spelled[each]):
            if row.any():
                matches[each].setdefault(row.tobytes(), slot)
    unique = distinct(vectors.values) if len(vectors.values) else vectors.values
    single = {each: sum(row.tobytes() in matches[each] for row in unique) for each in kinds}
    kind: BasisKind = "orbit" if single["orbit"] > single["diagram"] else "diagram"
    other: BasisKind = "diagram" if kind == "orbit" else "orbit"

    span = Span(len(table.slots))
    if len(unique):
        span.add(unique)
    candidates = spelled[kind]
    real = candidates.any(axis=1)  # at small sizes some orbit operators are zero
    missing = np.flatnonzero(real & ~span.holds(candidates)).tolist()

    names: dict[str, str] = {}
    mixtures: dict[str, str] = {}
    for (label, _), vector in zip(maps, vectors.values, strict=True):
        key = vector.tobytes()
        if key in matches[kind]:
            names[label] = f"{kind} {_spell(signature, matches[kind][key])}"
        elif key in matches[other]:
            names[label] = f"{other} {_spell(signature, matches[other][key])}"
        else:
            names[label] = mixtures[label] = _mixture(signature, table, vector, kind)
    found = len({key for key in (v.tobytes() for v in vectors.values) if key in matches[kind]})
    shown = [f"{_spell(signature, slot)}: {_words(signature, slot, kind)}" for slot in missing[:_SHOWN]]
    lines = []
    if missing:
        lines.append(f"missing, of the {kind} basis:")
        lines += [f"  {text}" for text in shown]
        if len(missing) > _SHOWN:
            lines.append(f"  and {len(missing) - _SHOWN} more")
    different = list(dict.fromkeys(mixtures.values()))
    first = {text: label for label, text in reversed(mixtures.items())}
    mixed = [f"mixed: {first[text]} is {text}" for text in different[:3]]
    if len(different) > 3:
        mixed.append(f"and {len(different) - 3} more mixtures")
    several = spans.family is None or spans.family.one_by_one
    data = {
        "basis": kind,
        "missing": [list(unrank(slot, signature.positions)) for slot in missing],
        "single": found,
        "mixtures": len(different) if several else None,
        "named": {label: name for label, name in names.items() if spans.family is None},
    }
    notes = mixed if several else []
    return _Named(
        data, [*lines, *notes], [f"{len(different)} of them mixed"] if several and different else [], names
    )


def _spell(signature: Signature, slot: int) -> str:
    return str(tuple(unrank(slot, signature.positions)))


def _words(signature: Signature, slot: int, kind: BasisKind) -> str:
    diagram = PartitionDiagram(unrank(slot, signature.positions), signature.order_in, signature.positions)
    return diagram.words() + (", blocks with different nodes" if kind == "orbit" else "")


def _mixture(signature: Signature, table: Table, vector: Array, kind: BasisKind) -> str:
    """The vector as a combination of basis operators, where all of them can be told apart."""
    weights = np.zeros(int(max(table.slots.max(initial=0) + 1, 1)), dtype=object)
    complete = len(table.slots) == derive(signature).count
    if not complete:
        return "a combination of several operators"
    weights = np.zeros(derive(signature).count, dtype=object)
    weights[table.slots] = [int(value) for value in vector]
    if kind == "diagram":
        weights = convert_weights(weights, signature, "orbit", "diagram")
    terms = [
        f"{weight:+d} {_spell(signature, slot)}" for slot, weight in enumerate(weights.tolist()) if weight
    ]
    return f"{' '.join(terms[:4])}{f' and {len(terms) - 4} more terms' if len(terms) > 4 else ''} ({kind})"


def _channels(study: Study, spans: Spans) -> Finding:
    scope = f"each operator acts on every channel alone, and alike, at {sizes_in_words(study.full)}"
    complaints = spans.complaints
    return Finding("channels", "fault" if complaints else "ok", scope, "\n".join(complaints[:4]))


def _channels_of_layer(study: Study) -> Finding:
    """Channels that a layer does not read, and some that it makes alike, whatever the parameters."""
    shape, rng = study.subject.shape, study.rng("channels")
    scope = "each input channel changes the output, and no two output channels are the same, with random "
    scope += f"parameters and inputs at {sizes_in_words(study.full)}"
    ins = min(shape.in_channels, _MOST_CHANNELS)
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
    lines += [f"output channels that are the same: {listed(group)}" for group in same[:_SHOWN]]
    data = {"unread": unread, "same": same}
    return Finding("channels", "caution" if lines else "ok", scope, "\n".join(lines), data)


def _repeated(study: Study, spans: Spans, named: _Named) -> Finding:
    """Operators of a stack that are multiples of each other; parameters that do nothing, or the same."""
    rows = spans.rows(study.full)
    if spans.family is None:
        if study.subject.shape.operators == 1 and len(rows) == 1:
            return Finding("repeated", "skipped", "", "one map, no stack")
        return _repeated_operators(study, spans, rows, named)
    if not spans.family.one_by_one:
        return Finding("repeated", "skipped", "", "parameters cannot be tried one by one")
    return _repeated_parameters(study, spans, rows)


def _repeated_operators(study: Study, spans: Spans, rows: list[Row], named: _Named) -> Finding:
    scope = "no operator is a multiple of another, none is zero, and they are independent, at "
    scope += sizes_in_words(study.full)
    zero = [row.label for row in rows if not any(vector.any() for vector in row.parts.values())]
    live = [row for row in rows if row.label not in zero]
    flat = _flat(live)
    vectors = _vectors(list(flat), study, study.full) if len(flat) else Vectors(np.zeros((0, 0)), True)
    groups: dict[bytes, list[str]] = {}
    if vectors.exact:
        for row, vector in zip(live, vectors.values, strict=True):
            groups.setdefault(vector.tobytes(), []).append(row.label)
    same = [group for group in groups.values() if len(group) > 1]
    lines = [f"{label} is zero" for label in zero]
    lines += [
        f"{', '.join(group)} are the same up to a factor: {named.names.get(group[0], '')}" for group in same
    ]
    dependent = len(groups) - _rank(vectors, len(groups)) if vectors.exact and groups else 0
    data = {"zero": zero, "duplicates": same, "dependent": dependent}
    if lines:
        return Finding("repeated", "fault", scope, "\n".join(lines[:_SHOWN]), data)
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
        vectors = _vectors(list(_flat(group)), study, study.full)
        redundant += len(group) - _rank(vectors, len(group))
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


# ---------------------------------------------------------------- bias


def bias(study: Study, spans: Spans) -> Finding:
    """Which set partitions of the output positions the bias can produce."""
    signature = Signature((), study.signature.outputs)
    table = spans.reader.table(study.full)
    dense = spans.reader.bias_dense
    total = derive(signature).dimension({n: s for n, s in study.full.items() if n in signature.index_sets})
    at = sizes_in_words(study.full)
    if spans.family is None:
        reading = spans.reader.read(study.full)
        vectors = [reading.bias[:, o] for o in range(reading.bias.shape[1]) if reading.bias[:, o].any()]
        if vectors:
            return Finding(
                "bias", "fault", f"f(0) at {at}", "an operator gives something other than 0 for x = 0"
            )
        return Finding("bias", "ok", f"f(0) = 0 at {at}", "no bias", {"found": 0, "dimension": total})
    rows = spans.rows(study.full)
    parts = [vector for row in rows for cell, vector in row.parts.items() if cell[0] < 0]
    scope = f"f(0), {spans.how}, at {at}"
    if not parts:
        return Finding("bias", "ok", scope, "no bias", {"found": 0, "dimension": total, "missing": []})
    vectors_found = _vectors(parts, study, study.full)
    found = _rank(vectors_found, total)
    data: dict[str, Any] = {"found": found, "dimension": total}
    detail = f"{found} of {total} bias operators"
    if found == total:
        return Finding("bias", "ok", scope, detail, data | {"missing": []})
    if not vectors_found.exact:
        return Finding("bias", "fault", scope, detail, data)
    codes, present = dense.codes, dense.codes[table.bias_slots]
    spelled = ((present[None, :] & codes[:, None]) == codes[:, None]).astype(np.int64)
    span = Span(spelled.shape[1])
    span.add(distinct(vectors_found.values))
    missing = np.flatnonzero(spelled.any(axis=1) & ~span.holds(spelled)).tolist()
    lines = [detail, "absent, of the diagram basis of the output positions:"]
    for slot in missing[:_SHOWN]:
        lines.append(f"  {_spell(signature, slot)}: {_words(signature, slot, 'diagram')}")
    constant = len(dense) - 1
    if constant not in missing:
        lines.append("the constant one is there, as in most linear layers")
    data["missing"] = [list(unrank(slot, signature.positions)) for slot in missing]
    return Finding("bias", "fault" if constant in missing else "caution", scope, "\n".join(lines), data)
