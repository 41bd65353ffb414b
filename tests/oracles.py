"""The layers from their definition: dense, slow and obvious, and importing nothing of symeq.

A layer's dense map has, for every index tuple (inputs first, then outputs), one matrix over the channels:
the sum of the weights of those operators that have a one there. The orbit operator of a set partition has
its ones where two positions of one index set hold equal indices exactly if they share a block; the diagram
operator where they do if they share a block (Maron et al. 2019, arXiv:1812.09902; Godfrey et al. 2023,
arXiv:2303.06208).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations, count
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

Spec = str | tuple[int, int]
EXPONENT = {"sum": 0.0, "mean": -1.0, "sqrt": -0.5}


def sides(spec: Spec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The index sets of the input axes and of the output axes; orders use the index set ``n``."""
    if isinstance(spec, tuple):
        return ("n",) * spec[0], ("n",) * spec[1]
    inputs, outputs = spec.split("->")
    return tuple(inputs.split()), tuple(outputs.split())


def index_sets(spec: Spec) -> tuple[str, ...]:
    """Every index set once, by first appearance."""
    inputs, outputs = sides(spec)
    return tuple(dict.fromkeys(inputs + outputs))


@cache
def set_partitions(sets: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """All restricted growth strings over the positions that mix no index sets, lexicographic."""
    strings: list[tuple[int, ...]] = [()]
    for name in sets:
        strings = [
            (*string, block)
            for string in strings
            for block in range(max(string, default=-1) + 2)
            if all(other == name for at, other in zip(string, sets, strict=False) if at == block)
        ]
    return tuple(strings)


def dense_map(sets: tuple[str, ...], sizes: Mapping[str, int], basis: str, weight: np.ndarray) -> np.ndarray:
    """The map itself, ``(*sizes of the positions, *channels)``, from weights ``(slots, *channels)``."""
    pairs = [(p, q) for p, q in combinations(range(len(sets)), 2) if sets[p] == sets[q]]
    strings = np.array(set_partitions(sets))
    together = np.zeros((len(pairs), len(strings)), dtype=bool)
    for at, (p, q) in enumerate(pairs):
        together[at] = strings[:, p] == strings[:, q]
    agrees = {"orbit": np.equal, "diagram": np.less_equal}[basis]  # False <= True: blocks may coincide

    @cache
    def entry(*equal: bool) -> np.ndarray:
        ones = agrees(together, np.array(equal, dtype=bool)[:, None]).all(axis=0)
        return weight[ones].sum(axis=0)

    result = np.zeros((*(sizes[name] for name in sets), *weight.shape[1:]))
    for index in np.ndindex(result.shape[: len(sets)]):
        result[index] = entry(*(index[p] == index[q] for p, q in pairs))
    return result


def normalised(spec: Spec, sizes: Mapping[str, int], normalization: str, weight: np.ndarray) -> np.ndarray:
    """The weights times one factor for each input-only block; an empty index set has nothing to sum."""
    inputs, outputs = sides(spec)
    k, sets = len(inputs), inputs + outputs
    factors = [
        prod(
            sizes[sets[s.index(block)]] ** EXPONENT[normalization] if sizes[sets[s.index(block)]] else 0.0
            for block in set(s[:k]) - set(s[k:])
        )
        for s in set_partitions(sets)
    ]
    return weight * np.array(factors).reshape(-1, 1, 1)


def expected(
    spec: Spec,
    layer: nn.Module,
    x: Tensor,
    mask: Tensor | Mapping[str, Tensor] | None = None,
    sizes: Mapping[str, int] | None = None,
    *,
    basis: str = "diagram",
    normalization: str = "mean",
) -> Tensor:
    """What a channels-last layer with these weights should give, in float64, and NaN at padded entries.

    Each sample's real nodes are taken out and given to the dense map of their own number.
    """
    inputs, outputs = sides(spec)
    values, weight = _array(x), _array(layer.weight)
    batch = values.shape[: values.ndim - len(inputs) - 1]
    sizes = dict(zip(inputs, values.shape[len(batch) :], strict=False)) | dict(sizes or {})
    if isinstance(mask, Tensor):
        mask = {index_sets(spec)[0]: mask}
    masks = {name: real.numpy() for name, real in (mask or {}).items()}

    maps: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray | float]] = {}
    y = np.full((*batch, *(sizes[name] for name in outputs), weight.shape[2]), np.nan)
    for sample in np.ndindex(batch):
        real = {name: np.arange(n) for name, n in sizes.items()}
        real |= {name: np.flatnonzero(m if m.ndim == 1 else m[sample]) for name, m in masks.items()}
        counts = {name: len(nodes) for name, nodes in real.items()}
        key = tuple(counts.values())
        if key not in maps:
            scaled = normalised(spec, counts, normalization, weight)
            bias = 0.0 if layer.bias is None else dense_map(outputs, counts, basis, _array(layer.bias))
            maps[key] = dense_map(inputs + outputs, counts, basis, scaled), bias
        matrix, bias = maps[key]
        taken = values[sample][np.ix_(*(real[name] for name in inputs), range(weight.shape[1]))]
        summed = ([*range(len(inputs)), -1], [*range(len(inputs)), -2])  # the input axes and the channels
        given = np.tensordot(taken, matrix, axes=summed) + bias
        y[sample][np.ix_(*(real[name] for name in outputs), range(weight.shape[2]))] = given
    return torch.from_numpy(y)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def check(y: Tensor, wanted: Tensor, *, exact: bool = False) -> None:
    """That y is as wanted, and exactly zero where ``wanted`` is NaN, which says padding.

    ``exact``: bit for bit; else to 12 digits of the largest value.

    Raises:
        AssertionError: it is not.
    """
    assert y.shape == wanted.shape and y.dtype == wanted.dtype
    y, wanted = y.detach(), wanted.detach()
    padded = wanted.isnan()
    assert (y[padded] == 0).all(), "padding is not exactly zero"
    y, wanted = y[~padded], wanted[~padded]
    largest = float(wanted.abs().max()) if wanted.numel() else 0.0
    atol = 0.0 if exact else 1e-12 * max(largest, 1.0)
    torch.testing.assert_close(y, wanted, rtol=0, atol=atol)


def integers(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Small random integers, which float64 adds and multiplies exactly."""
    return torch.randint(-4, 5, shape).to(dtype)


def make(kind: type[nn.Module], in_channels: int = 2, out_channels: int = 3, **options: object) -> nn.Module:
    """A float64 layer whose weights and bias are random integers."""
    layer = kind(in_channels, out_channels, **{"dtype": torch.float64, **options})
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(integers(*parameter.shape))
    return layer


def make_input(spec: Spec, batch: tuple[int, ...], sizes: Mapping[str, int], channels: int = 2) -> Tensor:
    """Random integers of the shape that the signature's inputs have, channels last."""
    return integers(*batch, *(sizes[name] for name in sides(spec)[0]), channels)


def make_sizes(spec: Spec, first: int = 3) -> dict[str, int]:
    """A size for every index set, no two the same."""
    return dict(zip(index_sets(spec), count(first), strict=False))


def poison(spec: Spec, x: Tensor, mask: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The input with NaN, inf and -inf in the padding."""
    inputs, _ = sides(spec)
    masks = {index_sets(spec)[0]: mask} if isinstance(mask, Tensor) else mask
    padded = torch.zeros(x.shape, dtype=torch.bool)
    for axis, name in enumerate(inputs):
        if name in masks:
            real = masks[name]
            padded |= ~real.reshape(*real.shape[:-1], *[1] * axis, -1, *[1] * (len(inputs) - axis))
    bad = torch.tensor([torch.nan, torch.inf, -torch.inf], dtype=x.dtype)
    return torch.where(padded, bad[torch.randint(3, x.shape)], x)
