"""Sums and products of values, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from symeq.interpretation import forms
from symeq.interpretation.forms import (
    Combination,
    Form,
    Number,
    Polynomial,
    Skeleton,
    Unproved,
    regroup,
)
from symeq.interpretation.values import (
    Atom,
    Dim,
    Forms,
    Setting,
    Value,
    array,
    mapped,
    moved,
    refuse_raw,
    size_of,
)


@dataclass(frozen=True)
class _Aligned:
    dims: tuple[Dim, ...]
    ports: tuple[tuple[int | None, int | None], ...]
    left: Forms
    right: Forms


def _aligned(left: Value, right: Value) -> _Aligned:
    """Two values with their dimensions beside each other, the last with the last."""
    rank = max(len(left.dims), len(right.dims))
    one: list[Dim] = [()] * (rank - len(left.dims)) + list(left.dims)
    two: list[Dim] = [()] * (rank - len(right.dims)) + list(right.dims)
    dims: list[Dim] = []
    ports: list[tuple[int | None, int | None]] = []
    shapes: tuple[list[int], list[int]] = ([], [])
    for mine, yours in zip(one, two, strict=True):
        pairs: list[tuple[Atom | None, Atom | None]]
        if not mine or not yours:
            pairs = [(a, None) for a in mine] + [(None, a) for a in yours]
        elif size_of(mine) != size_of(yours):
            raise Unproved(f"{left} beside {right}: sizes differ")
        elif len(mine) == 1 and mine[0].kind == "constant":
            pairs = [(None, a) for a in yours]
        elif len(yours) == 1 and yours[0].kind == "constant":
            pairs = [(a, None) for a in mine]
        else:
            if len(mine) != len(yours) or not all(map(_alike, mine, yours)):
                raise Unproved(f"{left} beside {right}: the axes are not the same")
            pairs = list(zip(mine, yours, strict=True))
        dim = []
        for mine_atom, your_atom in pairs:
            if mine_atom and your_atom and "constant" in (mine_atom.kind, your_atom.kind):
                constant = mine_atom.kind == "constant"
                mine_atom, your_atom = (None, your_atom) if constant else (mine_atom, None)
            atom = mine_atom or your_atom
            assert atom is not None, "a pair holds at least one axis"
            dim.append(atom)
            for at in range(len(atom.ports)):
                ports.append(
                    (mine_atom.port + at if mine_atom else None, your_atom.port + at if your_atom else None)
                )
            if atom.kind == "number":
                shapes[0].append(atom.size[0] if mine_atom else 1)
                shapes[1].append(atom.size[0] if your_atom else 1)
        dims.append(tuple(dim))
    return _Aligned(tuple(dims), tuple(ports), left.data.reshape(shapes[0]), right.data.reshape(shapes[1]))


def _alike(one: Atom, two: Atom) -> bool:
    """Whether two axes are the same, or one is constant and as long."""
    constant = "constant" in (one.kind, two.kind)
    return one.size == two.size and (constant or (one.kind, one.name) == (two.kind, two.name))


def add(left: Value, right: Value, factor: Number = 1, raw: bool = False) -> Value:
    """``left + factor * right``; ``raw`` allows entries that may be padding.

    Raises:
        Unproved: axes that are not the same, or entries that may be padding.
    """
    if not raw:
        refuse_raw(left, right)
    aligned = _aligned(left, right)
    sides = []
    for side, (value, data) in enumerate(((left, aligned.left), (right, aligned.right))):
        labels = [[port] if (port := pair[side]) is not None else [] for pair in aligned.ports]
        sides.append(moved(value, data, labels))
    shape = np.broadcast_shapes(sides[0].shape, sides[1].shape)
    pairs = zip(
        np.broadcast_to(sides[0], shape).reshape(-1),
        np.broadcast_to(sides[1], shape).reshape(-1),
        strict=True,
    )
    data = array([forms.add(a, b, factor) for a, b in pairs], shape)
    return Value(left.setting, aligned.dims, data, raw=left.raw or right.raw)


def multiply(left: Value, right: Value, raw: bool = False) -> Value:
    """The product, entry by entry; ``raw`` allows entries that may be padding.

    Raises:
        Unproved: axes that are not the same, two entries of x, two parameters, different samples.
    """
    if not raw:
        refuse_raw(left, right)
    aligned = _aligned(left, right)
    shape = np.broadcast_shapes(aligned.left.shape, aligned.right.shape)
    done: dict[tuple[int, int], Form] = {}
    flat = []
    for a, b in zip(
        np.broadcast_to(aligned.left, shape).reshape(-1),
        np.broadcast_to(aligned.right, shape).reshape(-1),
        strict=True,
    ):
        key = (id(a), id(b))
        if key not in done:
            done[key] = _product(left.setting, a, b, aligned.ports)
        flat.append(done[key])
    return Value(left.setting, aligned.dims, array(flat, shape), raw=left.raw or right.raw)


def _product(
    setting: Setting, left: Form, right: Form, ports: tuple[tuple[int | None, int | None], ...]
) -> Form:
    result: dict[Skeleton, Combination] = {}
    for one, terms in left.items():
        for two, others in right.items():
            skeleton, combination = _joined(setting, one, terms, two, others, ports)
            if skeleton in result:
                combination = forms.plus(result[skeleton], combination)
            if combination:
                result[skeleton] = combination
            else:
                result.pop(skeleton, None)
    return result


def _joined(
    setting: Setting,
    one: Skeleton,
    terms: Combination,
    two: Skeleton,
    others: Combination,
    ports: tuple[tuple[int | None, int | None], ...],
) -> tuple[Skeleton, Combination]:
    if one.shared is not None and two.shared is not None:
        raise Unproved("a product of two entries that are shared out among index tuples")
    if (one.x and two.x) or (one.g and two.g):
        raise Unproved(f"a product of two entries of the {'input' if one.x and two.x else 'cotangent'}")
    for mine, your, your_terms in ((one, two, others), (two, one, terms)):
        for axis in mine.summed:
            if depends(setting, your, your_terms, axis):
                raise Unproved(f"a product with what was summed over {_axis_word(axis)} before")
        if mine.shared and (your.x or your.g):
            raise Unproved("a product with what was summed over sorted tuples")
        if (mine.x or mine.g) and any(parameter and parameter[0] == "bias" for parameter, _ in your_terms):
            raise Unproved("a product of the bias and the input")
    first, second = setting.positions(one), setting.positions(two)
    labels = _product_labels(
        one.x, one.g, two.x, two.g, setting.signature.order_in, setting.signature.order_out,
        first, second, ports,
    )  # fmt: skip
    pattern, masked, lost = regroup(((one.pattern, one.masked), (two.pattern, two.masked)), labels)
    assert not lost, "a product keeps every position"
    summed, shared = one.summed | two.summed, two.shared if one.shared is None else one.shared
    skeleton = Skeleton(one.x or two.x, one.g or two.g, pattern, masked, summed, shared)
    return skeleton, forms.times(terms, others)


def _product_labels(
    x_left: bool,
    g_left: bool,
    x_right: bool,
    g_right: bool,
    order_in: int,
    order_out: int,
    first: int,
    second: int,
    ports: tuple[tuple[int | None, int | None], ...],
) -> tuple[tuple[tuple[int, int], ...], ...]:
    labels: list[tuple[tuple[int, int], ...]] = []
    if x_left or x_right:
        labels += [((0 if x_left else 1, at),) for at in range(order_in)]
    if g_left or g_right:
        part, offset = (0, order_in * x_left) if g_left else (1, order_in * x_right)
        labels += [((part, offset + at),) for at in range(order_out)]
    for mine, yours in ports:
        sides = ((0, first, mine), (1, second, yours))
        labels.append(tuple((part, offset + port) for part, offset, port in sides if port is not None))
    return tuple(labels)


def depends(setting: Setting, skeleton: Skeleton, terms: Combination, axis: str | int) -> bool:
    """Whether a term changes along an axis that is no index axis, or was summed over it."""
    kinds = {parameter[0] for parameter, _ in terms if parameter}
    if axis == "in":
        return skeleton.x or "weight" in kinds
    if axis == "out":
        return skeleton.g or bool(kinds)
    if skeleton.x or skeleton.g or axis in skeleton.summed:
        return True
    if any(symbol in setting.own_symbols for _, monomial in terms for symbol, _ in monomial):
        return True
    return bool(skeleton.masked) and "own" in setting.masks.values()


def _axis_word(axis: str | int) -> str:
    return f"batch axis {axis}" if isinstance(axis, int) else f"the {axis}put channels"


def scaled(value: Value, factor: Polynomial) -> Value:
    """The value times a coefficient.

    Raises:
        Unproved: entries that may be padding.
    """
    refuse_raw(value)
    own = value.setting.own_symbols
    if any(symbol in own for monomial in factor for symbol, _ in monomial):
        raise Unproved("a number that differs from sample to sample as a plain number")
    return replace(value, data=mapped(value.data, lambda form: forms.scale(form, factor)))


def negated(value: Value) -> Value:
    """1 minus a truth value."""
    one = Value(value.setting, (), array([{forms.CONSTANT: forms.ONE}], ()))
    return add(one, value, -1, raw=True)


def kept_where(value: Value, real: Value) -> Value:
    """The value with zero in place of the entries where ``real``, a truth value, is 0, whatever they are."""
    chosen = multiply(value, real, raw=True)
    return replace(chosen, raw=value.raw and not _all_masked(chosen))


def _all_masked(value: Value) -> bool:
    """Whether every index of x over an index set with a mask runs over real nodes only."""
    setting = value.setting
    inputs = setting.signature.inputs
    return all(
        skeleton.pattern[at] in skeleton.masked
        for form in value.data.reshape(-1)
        for skeleton in form
        if skeleton.x
        for at, name in enumerate(inputs)
        if name in setting.masks
    )
