"""Formal sums as numbers: what a value of the interpreter is for given sizes, by plain loops over indices.

An oracle for ``symeq.interpretation``: of that room it uses nothing but the data of values.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from symeq.interpretation.values import Setting, Value


def dense(
    value: Value,
    setting: Setting,
    batch: tuple[int, ...],
    sizes: Mapping[str, int],
    arrays: Mapping[str, Any],
    channels: tuple[int, int],
    masks: Mapping[str, Any],
) -> Any:
    """The array that a value is.

    Args:
        value: what the interpreter found.
        setting: what the program was read for.
        batch: the sizes of the batch axes.
        sizes: the sizes of the index sets.
        arrays: "x" (*batch, *n, in), "g" (*batch, *n, out), "weight" (slots, in, out), "bias" (slots, out).
        channels: of the input and of the output.
        masks: (*batch, n) or (n,), 0 or 1.
    """
    lengths = {("batch", axis): size for axis, size in enumerate(batch)}
    atoms = [atom for dim in value.dims for atom in dim]
    extents = []
    for atom in atoms:
        if atom.kind == "index":
            extents.append(sizes[str(atom.name)])
        elif atom.kind == "batch":
            extents.append(lengths["batch", int(atom.name)])
        elif atom.kind in ("in", "out"):
            extents.append(channels[atom.kind == "out"])
        else:
            number, symbols = atom.size
            for symbol in symbols:
                number *= sizes[symbol] if symbol in sizes else batch[int(symbol.split()[1])]
            extents.append(number)
    shape = []
    at = 0
    for dim in value.dims:
        shape.append(int(np.prod(extents[at : at + len(dim)], dtype=int)))
        at += len(dim)
    result = np.zeros(tuple(extents))
    for place in product(*map(range, extents)):
        numbers = tuple(i for i, atom in zip(place, atoms, strict=True) if atom.kind == "number")
        ports = tuple(i for i, atom in zip(place, atoms, strict=True) if atom.kind == "index")
        fixed: dict[Any, int] = {}
        for i, atom in zip(place, atoms, strict=True):
            if atom.kind == "batch":
                fixed[int(atom.name)] = i
            elif atom.kind in ("in", "out"):
                fixed[atom.kind] = i
        form = value.data[numbers]
        result[place] = _entry(form, ports, fixed, value, setting, batch, sizes, arrays, channels, masks)
    return result.reshape(shape)


def _entry(
    form: Any,
    ports: tuple[int, ...],
    fixed: Mapping[Any, int],
    value: Value,
    setting: Setting,
    batch: tuple[int, ...],
    sizes: Mapping[str, int],
    arrays: Mapping[str, Any],
    channels: tuple[int, int],
    masks: Mapping[str, Any],
) -> float:
    signature = setting.signature
    entry = 0.0
    for skeleton, terms in form.items():
        order = len(signature.inputs) * skeleton.x
        sets = [
            *(signature.inputs if skeleton.x else ()),
            *(signature.outputs if skeleton.g else ()),
            *value.port_sets,
        ]
        before = len(sets) - len(ports)
        blocks = max(skeleton.pattern, default=-1) + 1
        owner = {block: sets[skeleton.pattern.index(block)] for block in range(blocks)}
        summed = sorted(skeleton.summed, key=str)
        ranges = [range(channels[s == "out"] if isinstance(s, str) else batch[s]) for s in summed]
        for extra in product(*ranges):
            here = {**fixed, **dict(zip(summed, extra, strict=True))}
            sample = tuple(here[axis] for axis in range(len(batch)) if axis in here)
            for labels in product(*(range(sizes[owner[block]]) for block in range(blocks))):
                where = [labels[block] for block in skeleton.pattern]
                if tuple(where[before:]) != ports:
                    continue
                factor = 1.0
                for block in skeleton.masked:
                    mask = masks[owner[block]]
                    factor *= mask[(*sample, labels[block])] if mask.ndim > 1 else mask[labels[block]]
                if skeleton.x:
                    factor *= arrays["x"][(*sample, *where[:order], here["in"])]
                if skeleton.g:
                    factor *= arrays["g"][(*sample, *where[order:before], here["out"])]
                if factor:
                    entry += factor * sum(
                        float(Fraction(number))
                        * _parameter(parameter, arrays, here)
                        * _monomial(monomial, sample, batch, sizes, masks)
                        for (parameter, monomial), number in terms.items()
                    )
    return entry


def _parameter(parameter: Any, arrays: Mapping[str, Any], here: Mapping[Any, int]) -> float:
    if parameter is None:
        return 1.0
    name, slot = parameter
    at = (slot, here["in"], here["out"]) if name == "weight" else (slot, here["out"])
    return float(arrays[name][at])


def _monomial(
    monomial: Any,
    sample: tuple[int, ...],
    batch: tuple[int, ...],
    sizes: Mapping[str, int],
    masks: Mapping[str, Any],
) -> float:
    number = 1.0
    for symbol, halves in monomial:
        if symbol in sizes:
            base: float = sizes[symbol]
        elif symbol.startswith("batch "):
            base = batch[int(symbol.removeprefix("batch "))]
        else:
            name = symbol.removeprefix("max(").removeprefix("#").removesuffix(", 1)")
            mask = masks[name]
            base = (mask[sample] if mask.ndim > 1 else mask).sum()
            base = max(base, 1) if symbol.startswith("max") else base
        number *= float(base) ** (halves / 2)
    return number
