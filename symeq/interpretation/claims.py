"""Layers proved: programs read as formal sums and held against the definition, one setting after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from symeq.combinatorics.partitions import count, unrank
from symeq.interpretation import algebra, forms, sorting, values
from symeq.interpretation.forms import Form, Skeleton, Unproved
from symeq.interpretation.interpreter import interpret
from symeq.interpretation.meaning import Meaning
from symeq.interpretation.operands import Opaque
from symeq.interpretation.tracing import CHANNELS, Program, exported, with_backward
from symeq.interpretation.values import Atom, Dim, Setting, Value, batch_symbol, number_atom
from symeq.signature import Layout


def prove_forward(
    layer: nn.Module, setting: Setting, layout: Layout, expected: Meaning, source: str | None = None
) -> Program:
    """The exported forward pass, once it is shown to be what it must be.

    Raises:
        Unproved: it is not, or that cannot be seen; the message names the operation and its place, or the
            first term that differs.
    """
    program = exported(layer, setting, layout)
    results = _read(program, setting, layout, source)
    if len(results) != 1:
        raise Unproved(f"{len(results)} results, expected one")
    compare("y", results[0], _axes(setting, layout, "outputs"), [expected.y], setting)
    return program


def prove_backward(
    layer: nn.Module, setting: Setting, layout: Layout, expected: Meaning, source: str | None = None
) -> Program:
    """The same for the forward pass and the gradients as autograd runs them.

    Raises:
        Unproved: as ``prove_forward``.
    """
    program = with_backward(layer, setting, layout)
    results = _read(program, setting, layout, source)
    y, x, *parameters = results
    compare("y, traced with its gradients,", y, _axes(setting, layout, "outputs"), [expected.y], setting)
    compare("the gradient of x", x, _axes(setting, layout, "inputs"), [expected.x], setting)
    names = [name for name, _ in layer.named_parameters()]
    for name, gradient in zip(names, parameters, strict=True):
        slots = expected.weight if name == "weight" else expected.bias
        compare(f"the gradient of {name}", gradient, parameter_axes(name, len(slots)), slots, setting)
    return program


def _read(program: Program, setting: Setting, layout: Layout, source: str | None) -> tuple[Any, ...]:
    inputs = {name: _input(role, setting, layout) for name, role in program.roles.items()}
    return interpret(program.graph, inputs, program.constants, setting, program.symbols, source)


# ---------------------------------------------------------------- what the inputs are


def _axes(setting: Setting, layout: Layout, side: str) -> tuple[Dim, ...]:
    """The dimensions of x ("inputs") or y ("outputs")."""
    signature = setting.signature
    batch: list[Dim] = [
        (Atom("batch", axis, (1, (batch_symbol(axis),))),) for axis in range(setting.batch_rank)
    ]
    sets = signature.inputs if side == "inputs" else signature.outputs
    nodes: list[Dim] = [(Atom("index", name, (1, (name,))),) for name in sets]
    into, out = Atom("in", "", (CHANNELS[0], ())), Atom("out", "", (CHANNELS[1], ()))
    channel: Dim = (into,) if side == "inputs" else (out,)
    return (*batch, *nodes, channel) if layout == "channels-last" else (*batch, channel, *nodes)


def parameter_axes(name: str, slots: int) -> tuple[Dim, ...]:
    """The dimensions of weight or bias."""
    inner: Dim = (Atom("in", "", (CHANNELS[0], ())),)
    outer: Dim = (Atom("out", "", (CHANNELS[1], ())),)
    return ((number_atom(slots),), inner, outer) if name == "weight" else ((number_atom(slots),), outer)


def _input(role: tuple[str, Any], setting: Setting, layout: Layout) -> Any:
    kind, which = role
    signature = setting.signature
    if kind == "constant":
        return which
    if kind == "probe":
        return Opaque("the entries of a tensor that only tells a size")
    if kind == "parameter":
        if which not in ("weight", "bias"):
            raise Unproved(f"a parameter called {which}, expected weight and bias")
        slots = count(signature.positions if which == "weight" else signature.outputs)
        entries: list[Form] = [{forms.CONSTANT: {((which, slot), ()): 1}} for slot in range(slots)]
        return Value(setting, parameter_axes(which, slots), values.array(entries, [slots]))
    if kind == "mask":
        own = setting.masks[which] == "own"
        batch: list[Dim] = [
            (Atom("batch", axis, (1, (batch_symbol(axis),))),)
            for axis in range(setting.batch_rank if own else 0)
        ]
        form: Form = {Skeleton(pattern=(0,), masked=frozenset({0})): forms.ONE}
        nodes: Dim = (Atom("index", which, (1, (which,))),)
        return Value(setting, (*batch, nodes), values.array([form], ()))
    side = "inputs" if kind == "x" else "outputs"
    order = signature.order_in if kind == "x" else signature.order_out
    pattern = tuple(range(order)) * 2
    entry: Form = {Skeleton(x=kind == "x", g=kind == "g", pattern=pattern): forms.ONE}
    raw = kind == "x" and any(name in setting.masks for name in signature.inputs)
    return Value(setting, _axes(setting, layout, side), values.array([entry], ()), raw=raw)


# ---------------------------------------------------------------- comparing


def compare(what: str, found: Any, dims: tuple[Dim, ...], expected: Sequence[Form], setting: Setting) -> None:
    """Refuses a result whose axes or forms are not as expected.

    Raises:
        Unproved: the message names the first term that differs.
    """
    if not isinstance(found, Value):
        raise Unproved(
            f"{what} does not depend on what it should" if found is None else f"{what} is constant"
        )
    wanted = values.zero(setting, dims)
    if found.raw:
        raise Unproved(f"{what} holds entries of x that may be padding")
    if found.shape != wanted.shape:
        raise Unproved(f"{what} has the axes {found}, expected {wanted}")
    whole = algebra.add(wanted, found)
    if _kinds(whole) != _kinds(wanted):
        raise Unproved(f"{what} has the axes {found}, expected {wanted}")
    forms_ = map(sorting.completed, whole.data.reshape(-1))
    for slot, (got, right) in enumerate(zip(forms_, expected, strict=True)):
        if got != right:
            where = what if len(expected) == 1 else f"{what}[{slot}]"
            raise Unproved(f"{where}: {_difference(got, right, setting)}")


def _kinds(value: Value) -> list[list[tuple[str, str | int]]]:
    return [[(atom.kind, atom.name) for atom in dim] for dim in value.dims]


def _difference(found: Form, expected: Form, setting: Setting) -> str:
    """The first term in which two forms differ, in words."""
    skeletons = sorted({*found, *expected}, key=lambda s: (s not in expected, s.pattern, sorted(s.masked)))
    for skeleton in skeletons:
        got, right = found.get(skeleton, {}), expected.get(skeleton, {})
        for parameter in dict.fromkeys(key[0] for key in (*right, *got)):
            one, two = ({m: n for (p, m), n in terms.items() if p == parameter} for terms in (got, right))
            if one != two:
                which = "" if parameter is None else f" of {_slot(parameter, setting)}"
                return (
                    f"the coefficient{which} at {_operator(skeleton, setting)} is {forms.shown(one)}, "
                    f"expected {forms.shown(two)}"
                )
    raise AssertionError("two forms that differ do so in a term")


def _slot(parameter: tuple[str, int], setting: Setting) -> str:
    name, slot = parameter
    sets = setting.signature.positions if name == "weight" else setting.signature.outputs
    return f"{name} slot {slot} {unrank(slot, sets)}"


def _operator(skeleton: Skeleton, setting: Setting) -> str:
    blocks = range(max(skeleton.pattern, default=-1) + 1)
    text = f"the diagram {skeleton.pattern}"
    factors = [word for word, there in (("x", skeleton.x), ("the cotangent", skeleton.g)) if there]
    text += f" of {' and '.join(factors)}" if factors else " (x is not in it)"
    if setting.masks:
        bare = [block for block in blocks if block not in skeleton.masked]
        text += f" with blocks {bare} also over padding" if bare else ""
    return text
