"""Choices: every form of a level computes the same integers, is proved, and is written down and read back."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from symeq.bases.derive import derive
from symeq.mutation.mutants import load
from symeq.pipeline import emit, plan
from symeq.plans.choices import shapes
from symeq.plans.evaluate import evaluate
from symeq.plans.lower import lower
from symeq.signature import EmitOptions, Layout, Signature

SPECS = ["n n -> n n", "n n n -> n n", "n n -> n n n", "u u i -> i u u", "i u i -> i i"]
PLAIN = ["n n -> n", "n -> n n", "u i -> u i", "u u i -> u i", "->"]


def candidates(spec: str) -> list[str]:
    """The text of every combination of forms, without sorting."""
    levels = shapes(plan(spec)).items()
    named = [[f"{name}={form}" for form in shape.forms] for name, shape in levels if len(shape.forms) > 1]
    return [" ".join((*words, "sorted=never")) for words in itertools.product(*named)]


def layer_of(spec: str, choices: str, layout: Layout = "channels-last", **options: Any) -> Any:
    """A float64 layer of 2 -> 3 channels that is emitted with the choices."""
    module = load(emit(spec, EmitOptions(layout, choices=choices)).text)
    (found,) = [thing for thing in vars(module).values() if hasattr(thing, "SIGNATURE")]
    return found(2, 3, **{"dtype": torch.float64, **options})


def randomised(layer: Any, generator: torch.Generator) -> Any:
    """The layer with integer weights and biases."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-5, 6, parameter.shape, generator=generator))
    return layer


@pytest.mark.parametrize("spec", [*SPECS, *PLAIN, "n n n -> n n n"])
def test_every_form_computes_the_same_integers(spec: str, seed: int) -> None:
    """Against the meaning of the plain plan, operator by operator; with sizes 0, 1 and 3."""
    generator = torch.Generator().manual_seed(seed)
    signature = Signature.parse(spec)
    plain = lower(derive(signature))
    expected: dict[int, Any] = {}
    for choices in candidates(spec):
        layer = layer_of(spec, choices, normalization="sum")
        numbers = randomised(layer, torch.Generator().manual_seed(seed))
        assert list(numbers.state_dict()) == ["weight", "bias"]
        weight, bias = (value.detach().numpy() for value in (numbers.weight, numbers.bias))
        for n in (0, 1, 3):
            sizes = {name: n + at if n else n for at, name in enumerate(signature.index_sets)}
            if n not in expected:
                shape = (2, *(sizes[name] for name in signature.inputs), 2)
                x = torch.randint(-5, 6, shape, generator=generator).double()
                expected[n] = x, evaluate(plain, x.numpy(), weight, bias, sizes)
            x, y = expected[n]
            assert np.array_equal(numbers(x).detach().numpy(), y), (choices, n)
