"""Sums over the axes of a value, and matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from symeq.interpretation import forms
from symeq.interpretation.algebra import depends, multiply
from symeq.interpretation.forms import (
    Combination,
    Form,
    Polynomial,
    Unproved,
    regroup,
)
from symeq.interpretation.reshaping import unsqueeze
from symeq.interpretation.values import (
    Atom,
    Setting,
    Value,
    array,
    batch_symbol,
    labels_of,
    mapped,
    numbers,
    refuse_raw,
    relabelled,
)


def summed(value: Value, dims: Sequence[int], keep: bool = False) -> Value:
    """The sum over dimensions.

    Raises:
        Unproved: a sum over channels that no weight mixes, or of entries that may be padding.
    """
    refuse_raw(value)
    for at in dims:
        while value.dims[at]:
            value = _summed_over(value, at)
    if keep:
        return value
    left = tuple(dim for at, dim in enumerate(value.dims) if at not in dims)
    return replace(value, dims=left)


def _summed_over(value: Value, at: int) -> Value:
    """The sum over the first atom of dimension ``at``."""
    atom, *rest = value.dims[at]
    dims = list(value.dims)
    dims[at] = tuple(rest)
    if atom.kind == "number":
        axis = len(numbers(value.dims[:at]))
        moved = np.moveaxis(value.data, axis, 0)
        flat = moved.reshape(moved.shape[0], -1)
        columns = [forms.total(column) for column in flat.T]
        return replace(value, dims=tuple(dims), data=array(columns, moved.shape[1:]))
    if atom.kind == "index":
        labels = [[port] for port in range(len(value.port_sets)) if port != atom.port]
        return relabelled(value, dims, labels)
    if atom.kind == "sorted":
        data = mapped(value.data, lambda form: _over_tuples(value, form, atom))
        return replace(value, dims=tuple(dims), data=data)
    if atom.kind == "constant":
        factor: Polynomial = {
            tuple(sorted((s, 2 * atom.size[1].count(s)) for s in set(atom.size[1]))): atom.size[0]
        }
        data = mapped(value.data, lambda form: forms.scale(form, factor))
        return replace(value, dims=tuple(dims), data=data)
    if atom.kind == "batch":
        return replace(value, dims=tuple(dims), data=mapped(value.data, _over_batch(value.setting, atom)))
    return replace(value, dims=tuple(dims), data=mapped(value.data, lambda form: _over_channels(form, atom)))


def _over_batch(setting: Setting, atom: Atom) -> Callable[[Form], Form]:
    axis = int(atom.name)

    def change(form: Form) -> Form:
        parts: list[Form] = []
        for skeleton, terms in form.items():
            for key, number in terms.items():
                term: Combination = {key: number}
                if depends(setting, skeleton, term, axis):
                    if axis in skeleton.summed:
                        raise Unproved(f"a second sum over batch axis {axis}")
                    parts.append({skeleton._replace(summed=skeleton.summed | {axis}): term})
                else:
                    parts.append({skeleton: forms.times(term, {(None, ((batch_symbol(axis), 2),)): 1})})
        return forms.total(parts)

    return change


def _over_tuples(value: Value, form: Form, atom: Atom) -> Form:
    """The sum over all sorted tuples of terms that are shared out among the entries of an index tuple.

    Added up over all orders this is the sum over all index tuples.
    """
    parts: list[Form] = []
    rest = tuple((port,) for port in range(len(value.port_sets)) if port not in atom.ports)
    for skeleton, terms in form.items():
        before = value.setting.positions(skeleton)
        if skeleton.shared != ():
            raise Unproved(f"a sum over {atom} of what is not shared out among index tuples")
        blocks = [skeleton.pattern[before + port] for port in atom.ports]
        if not set(blocks) <= set(skeleton.pattern[:before]):
            raise Unproved(f"a sum over {atom} of what does not depend on them")
        places = tuple(skeleton.pattern.index(block) for block in blocks)
        labels = labels_of(before, rest)
        pattern, masked, lost = regroup(((skeleton.pattern, skeleton.masked),), labels)
        assert not lost, "every index of the tuple is that of a position"
        summed = skeleton._replace(pattern=pattern, masked=masked, shared=places)
        parts.append({summed: terms})
    return forms.total(parts)


def _over_channels(form: Form, atom: Atom) -> Form:
    parts: list[Form] = []
    for skeleton, terms in form.items():
        for key, number in terms.items():
            kind = key[0][0] if key[0] else None
            if atom.kind == "in":
                met = skeleton.x + (kind == "weight")
            else:
                met = skeleton.g + (kind is not None)
            if met != 2 or atom.kind in skeleton.summed:
                raise Unproved(f"a sum over {atom} of what no weight mixes")
            parts.append({skeleton._replace(summed=skeleton.summed | {atom.kind}): {key: number}})
    return forms.total(parts)


def matmul(left: Value, right: Value) -> Value:
    """The matrix product of the last two dimensions, as ``torch.matmul`` defines it."""
    if len(right.dims) == 1:
        return squeeze_last(matmul(left, unsqueeze(right, 1)))
    if len(left.dims) == 1:
        product = matmul(unsqueeze(left, 0), right)
        return replace(product, dims=(*product.dims[:-2], product.dims[-1]))
    rows = unsqueeze(left, len(left.dims))
    columns = unsqueeze(right, len(right.dims) - 2)
    product = multiply(rows, columns)
    return summed(product, [len(product.dims) - 2])


def squeeze_last(value: Value) -> Value:
    """The value without its last dimension, which has size 1."""
    assert not value.dims[-1], "the product with a vector"
    return replace(value, dims=value.dims[:-1])
