"""How many independent operators code spans, which are missing or mixed; the same of the bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symeq.auditing import channels
from symeq.auditing.exact import Array, Span, distinct
from symeq.auditing.maps import Table
from symeq.auditing.repeated import repeated
from symeq.auditing.report import Finding, Verdict
from symeq.auditing.spans import Spans, Vectors, rank_of, vectors_of
from symeq.auditing.study import SHOWN, Study, listed
from symeq.auditing.subject import Sizes, sizes_in_words
from symeq.bases.derive import convert_weights, derive
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.combinatorics.partitions import unrank
from symeq.signature import BasisKind, Signature
from symeq.verification.dense import Dense


def _restricted(dense: Dense, table: Table, kind: BasisKind) -> Array:
    """Every operator over the orbit operators present: (slots, present)."""
    if kind == "orbit":
        ones: Array = np.arange(len(dense))[:, None] == table.slots[None, :]
    else:
        codes, present = dense.codes, dense.codes[table.slots]
        ones = (present[None, :] & codes[:, None]) == codes[:, None]
    return np.asarray(ones, dtype=np.int64)


def _counted(study: Study, spans: Spans, sizes: Sizes, dimension: int) -> Vectors:
    """Vectors that span what the code spans: at other sizes than the full ones, those of random draws."""
    if spans.family is not None and spans.family.one_by_one and sizes != study.full:
        rows = spans.family.draws(sizes, dimension)
        drawn = [v for row in rows for cell, v in row.parts.items() if cell[0] >= 0 and v.any()]
        vectors = vectors_of(drawn, study, sizes)
        if vectors.exact:
            return vectors
    return vectors_of([vector for _, vector in spans.maps(sizes)], study, sizes)


def operators(study: Study, spans: Spans) -> list[Finding]:
    """How many independent operators the code spans at each size, and which are missing or mixed."""
    signature = study.signature
    per_size: list[dict[str, Any]] = []
    exact = True
    for sizes in study.sizes:
        dimension = derive(signature).dimension(dict(sizes))
        vectors = _counted(study, spans, sizes, dimension)
        exact = exact and vectors.exact
        per_size.append({"sizes": dict(sizes), "found": rank_of(vectors, dimension), "dimension": dimension})
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
        findings.append(channels.of_layer(study))
    elif study.subject.shape.operators > 1:
        findings.append(channels.of_stack(study, spans))
    findings.append(repeated(study, spans, named.names))
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
    vectors = vectors_of([vector for _, vector in maps], study, study.full)
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
    shown = [f"{_spell(signature, slot)}: {_words(signature, slot, kind)}" for slot in missing[:SHOWN]]
    lines = []
    if missing:
        lines.append(f"missing, of the {kind} basis:")
        lines += [f"  {text}" for text in shown]
        if len(missing) > SHOWN:
            lines.append(f"  and {len(missing) - SHOWN} more")
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
    vectors_found = vectors_of(parts, study, study.full)
    found = rank_of(vectors_found, total)
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
    for slot in missing[:SHOWN]:
        lines.append(f"  {_spell(signature, slot)}: {_words(signature, slot, 'diagram')}")
    constant = len(dense) - 1
    if constant not in missing:
        lines.append("the constant one is there, as in most linear layers")
    data["missing"] = [list(unrank(slot, signature.positions)) for slot in missing]
    return Finding("bias", "fault" if constant in missing else "caution", scope, "\n".join(lines), data)
