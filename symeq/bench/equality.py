"""Results first: nothing is timed that computes something else."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from symeq.bench.cases import Case, Problem
from symeq.errors import SymeqError

CLOSE = 1e-5
"""Results may differ from the float64 reference by this much of its largest entry."""


class UnequalResultsError(SymeqError, ArithmeticError):
    """A contestant that computes something else than the layer; ``difference`` is relative."""

    def __init__(self, case: Case, contestant: str, difference: float, problem: str) -> None:
        self.case = case
        self.contestant = contestant
        self.difference = difference
        super().__init__(
            f"{contestant!r} is not timed at {case}: {problem}. Only equal results are compared; mend "
            "or leave out the contestant."
        )


def check_equal(
    case: Case,
    name: str,
    result: Tensor,
    reference: Tensor,
    what: str = "result",
    close: float = CLOSE,
) -> float:
    """The largest difference from ``reference``, over its largest entry.

    Raises:
        UnequalResultsError: more than ``close``, NaN, or another shape.
    """
    if result.shape != reference.shape:
        problem = f"its {what} has shape {tuple(result.shape)}, expected {tuple(reference.shape)}"
        raise UnequalResultsError(case, name, float("inf"), problem)
    scale = float(reference.abs().max()) or 1.0
    difference = float((result.detach().cpu().double() - reference).abs().max()) / scale
    if not difference <= close:  # NaN is not close
        problem = f"its {what} differs from the float64 reference by {difference:.1e} of the largest entry"
        raise UnequalResultsError(case, name, difference, f"{problem}, more than {close:.0e}")
    return difference


def training_step(problem: Problem, call: Callable[[], Tensor]) -> Callable[[], tuple[Tensor | None, ...]]:
    """Forward and backward: the output, and the gradients of x and weight, as a call."""

    def step() -> tuple[Tensor | None, ...]:
        y = call()
        leaves = problem.x, problem.weight
        return y, *torch.autograd.grad(y, leaves, problem.cotangent, allow_unused=True)

    return step


def check_gradients(
    problem: Problem, name: str, call: Callable[[], Tensor], references: tuple[Tensor, Tensor, Tensor]
) -> float:
    """The largest difference of output and gradients of x and weight from ``references``.

    The gradient of the weight is compared slot by slot: that of an operator of many sums is large, and would
    drown the others. Each of its entries is a sum over samples and indices; where rounding as many float32
    numbers, each by chance up or down, moves a sum by more than ``CLOSE``, so much is allowed.

    Raises:
        UnequalResultsError: as ``check_equal``, or no gradient.
    """
    y = call()
    worst = check_equal(problem.case, name, y, references[0])
    if not y.requires_grad:
        raise UnequalResultsError(problem.case, name, float("inf"), "its result has no gradient")
    del y
    _, *found = training_step(problem, call)()
    terms = problem.case.batch * problem.case.n ** max(problem.case.orders)
    rounding = max(CLOSE, torch.finfo(torch.float32).eps * terms**0.5)
    for what, result, reference in zip(("x", "weight"), found, references[1:], strict=True):
        if result is None:
            problem_text = f"its result has no gradient of {what}"
            raise UnequalResultsError(problem.case, name, float("inf"), problem_text)
        close = CLOSE
        if what == "weight" and result.shape == reference.shape:
            close = rounding
            scale = reference.abs().amax((1, 2), keepdim=True)
            scale = torch.where(scale > 0, scale, 1.0)
            result, reference = result.detach().cpu().double() / scale, reference / scale
        worst = max(worst, check_equal(problem.case, name, result, reference, f"gradient of {what}", close))
    return worst
