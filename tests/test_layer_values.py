"""What an emitted layer computes, held against the dense definition in ``oracles``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import strategies
import symeq
from oracles import (
    Spec,
    check,
    expected,
    index_sets,
    integers,
    make,
    make_input,
    make_sizes,
    poison,
    sides,
)

pytestmark = pytest.mark.usefixtures("seed")

BASES = ("diagram", "orbit")
NORMALIZATIONS = ("sum", "mean", "sqrt")
OPTIONS = [{"basis": b, "normalization": n} for b, n in product(BASES, NORMALIZATIONS)]

ORDERS: list[Spec] = [(m - k, k) for m in range(1, 6) for k in range(m + 1)]
COMMITTED: list[Spec] = [*ORDERS, (3, 3), "u i -> u i", "u i -> u", "u i -> i", "u i -> "]
OTHERS: list[Spec] = [
    "->",
    "n n -> m",
    "n n -> m n",
    " -> u i u",
    "u i -> i u",
    "i u i -> u i",
    "u i t -> t u",
    "t u u -> t i i",
    "a b c -> ",
]
# Few of every kind, for promises that do not turn on the signature.
SOME: list[Spec] = [(2, 2), (1, 0), (0, 2), (3, 1), "->", "u i -> i", "n n -> m n"]

Masks = Tensor | dict[str, Tensor] | None


def run(
    layer: nn.Module, spec: Spec, x: Tensor, mask: Masks = None, sizes: Mapping[str, int] | None = None
) -> Tensor:
    """The layer on channels-last x, whichever layout the layer has."""
    if not getattr(layer, "channels_first", False):
        return layer(x, mask, sizes)
    k, k_out = map(len, sides(spec))
    return layer(x.movedim(-1, -1 - k), mask, sizes).movedim(-1 - k_out, -1)


def given_sizes(spec: Spec) -> Iterator[dict[str, int]]:
    """Sizes: from 0 up, distinct for distinct index sets in either order, and all equal."""
    sets = index_sets(spec)
    yield from (make_sizes(spec, first) for first in range(4))
    if len(sets) > 1:
        yield dict(zip(sets, range(len(sets) - 1, -1, -1), strict=True))
        yield dict.fromkeys(sets, 2)


def given_masks(spec: Spec, batch: tuple[int, ...], sizes: Mapping[str, int]) -> Iterator[Masks]:
    """None; per sample (the first without any node); for all samples; for the first index set alone."""
    yield None
    if sizes:
        each = {name: torch.rand(*batch, n) < 0.6 for name, n in sizes.items()}
        for real in each.values():
            real[(0,) * len(batch)] = False
        yield each if len(sizes) > 1 else each.popitem()[1]
        yield {name: torch.rand(n) < 0.6 for name, n in sizes.items()}
    if len(sizes) > 1:
        first = next(iter(sizes))
        yield {first: torch.rand(*batch, sizes[first]) < 0.6}


def check_layer(
    layer: nn.Module,
    spec: Spec,
    batch: tuple[int, ...],
    sizes: Mapping[str, int],
    mask: Masks,
    options: dict[str, str],
) -> None:
    """Random integers through the layer and through the definition, NaN and inf in the padding."""
    x = make_input(spec, batch, sizes)
    x = x if mask is None else poison(spec, x, mask)
    wanted = expected(spec, layer, x, mask, sizes, **options)
    check(run(layer, spec, x, mask, sizes), wanted, exact=options["normalization"] == "sum")


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
@pytest.mark.parametrize("spec", [*COMMITTED, *OTHERS], ids=str)
def test_is_the_definition(spec: Spec, options: dict[str, str]) -> None:
    """At every small size, with every kind of mask: exactly for "sum", to 12 digits with a normaliser."""
    layer = make(symeq.layer(spec), **options)
    for sizes in given_sizes(spec):
        for mask in given_masks(spec, (2,), sizes):
            check_layer(layer, spec, (2,), sizes, mask, options)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [spec for spec in COMMITTED if spec != (3, 3)], ids=str)
def test_is_the_definition_where_no_operators_are_dependent(spec: Spec, basis: str) -> None:
    """At n = k + k'; below, operators vanish or depend on each other, and could hide a wrong slot."""
    options = {"basis": basis, "normalization": "sum"}
    sizes = make_sizes(spec, sum(map(len, sides(spec))))
    check_layer(make(symeq.layer(spec), **options), spec, (), sizes, None, options)


@settings(max_examples=60)
@given(st.data())
def test_is_the_definition_for_drawn_signatures(data: st.DataObject) -> None:
    """Up to k + k' = 6 and three index sets; any sizes, batch axes, masks, options and layout."""
    signature = data.draw(strategies.signatures(6))
    sizes = data.draw(strategies.sizes(signature))
    options = data.draw(st.sampled_from(OPTIONS))
    layout = data.draw(st.sampled_from(["channels-last", "channels-first"]))
    batch = data.draw(st.sampled_from([(), (1,), (2,), (2, 1)]))
    torch.manual_seed(data.draw(st.integers(0, 2**32)))
    mask = data.draw(st.sampled_from(list(given_masks(str(signature), batch, sizes))))
    layer = make(symeq.layer(signature, layout=layout), bias=data.draw(st.booleans()), **options)
    layer.channels_first = layout == "channels-first"
    check_layer(layer, str(signature), batch, sizes, mask, options)


def public_name(spec: Spec) -> str:
    """The class of ``symeq_layers`` for a committed signature."""
    if isinstance(spec, str):
        left, right = ("".join(side).upper() for side in sides(spec))
        return f"Equivariant{left}to{right}" if right else f"Invariant{left}"
    k, k_out = spec
    return f"Invariant{k}" if not k_out else f"Equivariant{k}to{k_out}" if k else f"Broadcast{k_out}"


@pytest.mark.parametrize("spec", COMMITTED, ids=str)
def test_the_committed_class_is_the_definition(spec: Spec) -> None:
    """The classes of ``symeq_layers``, by their public names."""
    Layer = getattr(importlib.import_module("symeq_layers"), public_name(spec))
    for options in OPTIONS:
        layer = make(Layer, **options)
        sizes = make_sizes(spec)
        for mask in given_masks(spec, (2,), sizes):
            check_layer(layer, spec, (2,), sizes, mask, options)


@pytest.mark.parametrize("layout", ["channels-last", "channels-first"])
@pytest.mark.parametrize("spec", SOME, ids=str)
def test_any_batch_axes(spec: Spec, layout: str) -> None:
    """None, one, two and three, empty ones among them; the same in both layouts."""
    for options in OPTIONS:
        layer = make(symeq.layer(spec, layout=layout), **options)
        layer.channels_first = layout == "channels-first"
        for batch in [(), (0,), (1,), (3,), (2, 3), (3, 0), (2, 1, 2)]:
            sizes = make_sizes(spec, 2)
            for mask in given_masks(spec, batch, sizes) if 0 not in batch else [None]:
                check_layer(layer, spec, batch, sizes, mask, options)


def test_an_empty_batch_with_a_mask() -> None:
    """A mask of no samples fits a batch of no samples."""
    for options in OPTIONS:
        layer = make(symeq.layer((2, 2)), **options)
        for batch in [(0,), (2, 0)]:
            y = layer(integers(*batch, 4, 4, 2), mask=torch.ones(*batch, 4, dtype=torch.bool))
            assert y.shape == (*batch, 4, 4, 3)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
@pytest.mark.parametrize("spec", [(2, 2), (2, 1), (3, 0), (0, 2), "u i -> u i", "i u i -> u i"], ids=str)
def test_a_padded_batch_is_its_samples_one_by_one(spec: Spec, options: dict[str, str]) -> None:
    """Whatever the padding holds, and zero there afterwards, bias included; also samples of 1 and 0 nodes."""
    inputs, outputs = sides(spec)
    layer = make(symeq.layer(spec), **options)
    sizes = make_sizes(spec, 4)
    counts = [{name: max(n - i, 0) for name, n in sizes.items()} for i in range(6)]
    mask = {
        name: torch.stack([torch.randperm(n) < count[name] for count in counts]) for name, n in sizes.items()
    }
    x = poison(spec, make_input(spec, (len(counts),), sizes), mask)
    y = layer(x, mask, sizes)
    for i, count in enumerate(counts):

        def real(t: Tensor, names: tuple[str, ...], i: int = i) -> Tensor:
            for axis, name in enumerate(names):
                t = t.index_select(axis, mask[name][i].nonzero().squeeze(1))
            return t

        alone = layer(real(x[i], inputs), sizes=count)
        check(real(y[i], outputs), alone, exact=options["normalization"] == "sum")
        assert y[i].count_nonzero() == alone.count_nonzero()


def permute(t: Tensor, names: tuple[str, ...], orders: Mapping[str, Tensor], first: int = 1) -> Tensor:
    """The tensor with its index axes (from ``first`` on) in other orders, one for each index set."""
    for axis, name in enumerate(names, first):
        t = t.index_select(axis, orders[name])
    return t


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("spec", [*COMMITTED, *OTHERS], ids=str)
def test_commutes_with_permutations(spec: Spec, basis: str) -> None:
    """One permutation for each index set, independent of the others; masks are permuted along."""
    inputs, outputs = sides(spec)
    layer = make(symeq.layer(spec), basis=basis, normalization="sum")
    sizes = make_sizes(spec, 4)
    x = make_input(spec, (2,), sizes)
    mask = {name: torch.rand(2, n) < 0.7 for name, n in sizes.items()}
    orders = {name: torch.randperm(n) for name, n in sizes.items()}
    masks = {name: real[:, orders[name]] for name, real in mask.items()}
    y = layer(permute(x, inputs, orders), sizes=sizes)
    assert torch.equal(y, permute(layer(x, sizes=sizes), outputs, orders))
    y = layer(permute(x, inputs, orders), masks, sizes)
    assert torch.equal(y, permute(layer(x, mask, sizes), outputs, orders))


def test_permutations_are_noticed() -> None:
    """The comparison above can fail: it tells an output that keeps its order, or takes the other set's."""
    layer = make(symeq.layer("u i -> u i"), normalization="sum")
    x = integers(2, 4, 4, 2)
    orders = {"u": torch.tensor([1, 0, 2, 3]), "i": torch.tensor([0, 1, 3, 2])}
    y, names = layer(permute(x, ("u", "i"), orders)), ("u", "i")
    assert torch.equal(y, permute(layer(x), names, orders))
    assert not torch.equal(y, layer(x))
    assert not torch.equal(y, permute(layer(x), names, {"u": orders["i"], "i": orders["u"]}))


# ---------------------------------------------------------------- the checks can fail


def exchange_slots(layer: nn.Module) -> None:
    """The first two slots of weights that differ, exchanged."""
    layer.weight[[0, 1]] = layer.weight[[1, 0]]


def exchange_bias_slots(layer: nn.Module) -> None:
    """The two patterns of the bias, exchanged."""
    layer.bias[[0, 1]] = layer.bias[[1, 0]]


def forget_bias(layer: nn.Module) -> None:
    """No bias."""
    layer.bias.zero_()


def nudge(layer: nn.Module) -> None:
    """One weight, by a part in 10^9."""
    layer.weight[3, 0, 0] += 4e-9


@pytest.mark.parametrize("harm", [exchange_slots, exchange_bias_slots, forget_bias, nudge])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
def test_a_wrong_weight_is_noticed(harm: Callable[[nn.Module], None], options: dict[str, str]) -> None:
    """The comparison with the definition tells each of these layers from the right one."""
    layer = make(symeq.layer((2, 2)), **options)
    with torch.no_grad():  # parameters that differ for sure
        layer.weight += torch.arange(15).view(-1, 1, 1)
        layer.bias += torch.arange(2).view(-1, 1) * 9 + 5
    x = integers(2, 4, 4, 2) + 5
    wanted = expected((2, 2), layer, x, **options)
    check(layer(x), wanted)
    with torch.no_grad():
        harm(layer)
    with pytest.raises(AssertionError):
        check(layer(x), wanted)


@pytest.mark.parametrize("right", OPTIONS, ids=lambda o: "-".join(o.values()))
def test_wrong_options_are_noticed(right: dict[str, str]) -> None:
    """The other basis and either other normalisation."""
    layer = make(symeq.layer((2, 2)), **right)
    x = integers(2, 4, 4, 2)
    for wrong in OPTIONS:
        if wrong != right:
            with pytest.raises(AssertionError):
                check(layer(x), expected((2, 2), layer, x, **wrong))


def test_a_leak_into_or_out_of_the_padding_is_noticed() -> None:
    """A mask that is ignored, one that normalises by n, and an output that keeps its bias."""
    layer = make(symeq.layer((2, 1)))
    with torch.no_grad():
        layer.bias.fill_(1)
    x, mask = integers(4, 4, 2) + 5, torch.tensor([True, True, False, True])
    wanted = expected((2, 1), layer, x, mask)
    check(layer(x, mask), wanted)
    blank = x * mask[:, None, None] * mask[:, None]
    trace = torch.where(mask[:, None], 0.0, 1e-30)
    for wrong in (layer(x), layer(blank), layer(blank) * mask[:, None], layer(x, mask) + trace):
        with pytest.raises(AssertionError):
            check(wrong, wanted)
