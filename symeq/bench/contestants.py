"""The emitted layer, and what it stands beside: other ways to compute the same result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TypeAlias

import torch
from torch import Tensor, nn

from symeq.bases.derive import convert_weights
from symeq.bench.cases import Case, Problem
from symeq.bench.stacks import operator_strings, spread, stack_operators
from symeq.combinatorics.partitions import count
from symeq.errors import TooLargeError
from symeq.layers import layer

MOST_BYTES = 2 * 10**9
"""A contestant that writes more than this at full size is left out; the report says so."""

Contestant: TypeAlias = Callable[[Problem], Callable[[], Tensor]]
"""Prepares a problem in its own layout, untimed, and returns the timed call.

The call returns ``(batch, n, ..., n, channels)``, possibly as a view. Where ``problem.x`` and
``problem.weight`` require gradients it is differentiable in them. A contestant that would need
too much memory raises ``TooLargeError``, and is left out.
"""


def emitted(problem: Problem) -> Callable[[], Tensor]:
    """The layer that symeq emits for the orders of the case."""
    return contestant(layer(problem.case.orders))(problem)


def emitted_orbit(problem: Problem) -> Callable[[], Tensor]:
    """The emitted layer with ``basis="orbit"``, its weights such that the results are the same.

    A diagram operator is the sum of the orbit operators of all coarser set partitions. It has weights of its
    own, and so no gradient of the diagram weights.
    """
    made = layer(problem.case.orders)(
        *[problem.case.channels] * 2, bias=False, basis="orbit", normalization="sum"
    )
    weight = convert_weights(
        problem.weight.detach().cpu().double().numpy(), problem.case.orders, "diagram", "orbit"
    )
    made.load_state_dict({"weight": torch.from_numpy(weight)})
    return _call(made.to(problem.x.device), problem)


def _equalities(orders: tuple[int, int]) -> Tensor:
    """For each slot an integer whose bits say which pairs of axes have equal indices."""
    strings = [(*inputs, *outputs) for inputs, outputs in operator_strings(orders)]
    pairs = list(combinations(range(sum(orders)), 2))
    return torch.tensor([sum((s[a] == s[b]) << at for at, (a, b) in enumerate(pairs)) for s in strings])


def _zeta(equalities: Tensor) -> Tensor:
    """Row by row the orbits, and which diagram operators are 1 there: those with no more equalities."""
    return (equalities & ~equalities.unsqueeze(1)) == 0


def contestant(layer_class: type[nn.Module]) -> Contestant:
    """An emitted layer, such as one imported from its file, as a contestant."""

    def prepare(problem: Problem) -> Callable[[], Tensor]:
        channels = problem.case.channels
        module = layer_class(channels, channels, bias=False, normalization="sum").to(problem.x.device)
        # The parameter itself, as its gradient is asked for.
        module.load_state_dict({"weight": problem.weight}, assign=True)
        return _call(module, problem)

    return prepare


def _call(module: nn.Module, problem: Problem) -> Callable[[], Tensor]:
    order_in, order_out = problem.case.orders
    sizes = {"n": problem.case.n} if order_out and not order_in else None
    return lambda: module(problem.x, sizes=sizes)


def stacked_einsum(problem: Problem) -> Callable[[], Tensor]:
    """All operators at full size, stacked, and an einsum: channels first, as it was published.

    So do the code of Maron, Ben-Hamu, Shamir and Lipman 2019 (arXiv:1812.09902) and its ports:
    coefficients ``(in, out, operator)``, and ``einsum("dsb,ndbij->nsij")`` over the stack.
    """
    _refuse_large(problem.case, "the stack", 2 * _bytes_at_full_size(problem.case))
    x = problem.x.movedim(-1, 1).contiguous()
    coefficients = problem.weight.permute(1, 2, 0).contiguous()
    case, strings = problem.case, operator_strings(problem.case.orders)
    axes = "ijklmpqr"[: case.orders[1]]

    def call() -> Tensor:
        stack = torch.stack(stack_operators(x, strings, case.n, first=2), 2)
        return torch.einsum(f"dsb,ndb{axes}->ns{axes}", coefficients, stack).movedim(1, -1)

    return call


def stacked_product(problem: Problem) -> Callable[[], Tensor]:
    """All operators at full size, side by side, and one product over (operator, channel)."""
    return _side_by_side(problem, copied=True)


def stacked_views(problem: Problem) -> Callable[[], Tensor]:
    """As ``stacked_product``, but what is only repeated is a view until the operators are put together.

    A kinder stack than most published ones, and the fastest that we know of.
    """
    return _side_by_side(problem, copied=False)


def _side_by_side(problem: Problem, copied: bool) -> Callable[[], Tensor]:
    _refuse_large(problem.case, "the stack", 2 * _bytes_at_full_size(problem.case))
    x, weight = problem.x, problem.weight
    n, strings = problem.case.n, operator_strings(problem.case.orders)

    def call() -> Tensor:
        return torch.cat(stack_operators(x, strings, n, first=1, copied=copied), -1) @ weight.flatten(0, 1)

    return call


def einsums(problem: Problem) -> Callable[[], Tensor]:
    """One einsum per operator, and the sum of their results, each spread out to all output axes."""
    _refuse_large(problem.case, "all operators", 2 * _bytes_at_full_size(problem.case))
    x, weights = problem.x, problem.weight
    n = problem.case.n
    steps = []
    for inputs, outputs in operator_strings(problem.case.orders):
        kept = tuple(sorted(set(inputs) & set(outputs)))
        taken, left = ("".join("ijklmpqr"[block] for block in blocks) for blocks in (inputs, kept))
        steps.append((f"b{taken}c,cd->b{left}d", kept, outputs))

    def call() -> Tensor:
        terms = (
            spread(torch.einsum(equation, x, weight), kept, outputs, n, 1)
            for (equation, kept, outputs), weight in zip(steps, weights.unbind(), strict=True)
        )
        total = next(terms)
        for term in terms:
            total = total + term
        return total

    return call


def dense(problem: Problem) -> Callable[[], Tensor]:
    """Dense weight sharing: the matrix of n^(k + k') blocks of channels, and one product with it.

    Each entry is looked up by the orbit of its indices; the matrix is built anew at each call, as
    in training. Only small n have room for it.
    """
    case = problem.case
    order_in, order_out = case.orders
    inputs, outputs = case.n**order_in, case.n**order_out
    _refuse_large(case, "the dense matrix", 2 * 4 * inputs * outputs * case.channels**2)
    equalities = _equalities(case.orders)
    axes = (
        torch.meshgrid([torch.arange(case.n)] * (order_in + order_out), indexing="ij")
        if any(case.orders)
        else []
    )
    found = torch.zeros(inputs * outputs, dtype=torch.long)
    for at, (a, b) in enumerate(combinations(axes, 2)):
        found += ((a == b).long() << at).flatten()
    ordered, slots = equalities.sort()
    places = slots[torch.searchsorted(ordered, found)].to(problem.x.device)
    zeta = _zeta(equalities).to(problem.x)
    x, weight = problem.x.reshape(case.batch, inputs * case.channels), problem.weight

    def call() -> Tensor:
        orbit = (zeta @ weight.flatten(1)).index_select(0, places)
        blocks = orbit.view(inputs, outputs, case.channels, case.channels).transpose(1, 2)
        y = x @ blocks.reshape(inputs * case.channels, outputs * case.channels)
        return y.view(case.batch, *[case.n] * order_out, case.channels)

    return call


def _bytes_at_full_size(case: Case) -> int:
    slots = count(case.signature.positions)
    entries: int = case.n ** case.orders[1]
    return 4 * slots * case.batch * entries * case.channels


def _refuse_large(case: Case, what: str, size: int) -> None:
    if size > MOST_BYTES:
        raise TooLargeError(
            f"bytes that {what} would take at {case}", size, MOST_BYTES, "Choose a smaller case."
        )


LAYER = "emitted layer"

COMPILED = ", compiled"
"""Ends the name of a contestant that runs under ``torch.compile``."""
ORBIT = "emitted layer, orbit basis"
STACKS = ("stack, einsum", "stack, one product", "stack of views, one product")
EINSUMS = "one einsum per operator"
DENSE = "dense weight sharing"
CONTESTANTS: Mapping[str, Contestant] = {
    LAYER: emitted,
    **dict(zip(STACKS, (stacked_einsum, stacked_product, stacked_views), strict=True)),
    EINSUMS: einsums,
    DENSE: dense,
}
