"""States that a layer may run in, which must not change what it does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from symeq.interpretation.recording import compiling, default_dtype
from symeq.verification.trial import Code


@dataclass(frozen=True)
class State:
    """Something that may be different while a layer runs, and must not matter."""

    name: str
    dtype: torch.dtype = torch.float64
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    prepare: Callable[[nn.Module], object] = lambda layer: None
    strided: bool = False
    gradient: bool = False
    calls: int = 1
    backward: bool = False
    code: Code = "eager"


USUAL = State("as usual")
COMPILING = State(
    "while torch compiles", around=lambda: compiling("compiling"), backward=True, code="compiled"
)
EXPORTING = State(
    "while torch exports", around=lambda: compiling("exporting"), backward=True, code="compiled"
)


def _frozen(layer: nn.Module) -> None:
    layer.requires_grad_(False)


STATES = (
    State("gradients of x", gradient=True),
    State("no_grad", around=torch.no_grad),
    State("inference_mode", around=torch.inference_mode),
    State("frozen parameters", prepare=_frozen),
    State("eval()", prepare=lambda layer: layer.eval(), backward=True),
    State("a third call", calls=3),
    State("an input that is not contiguous", strided=True),
    State("float32", torch.float32, backward=True),
    State("float16", torch.float16, backward=True),
    State("bfloat16", torch.bfloat16, backward=True),
    State(
        "autocast to bfloat16", torch.float32, lambda: torch.autocast("cpu", torch.bfloat16), backward=True
    ),
    State("autocast to float16", torch.float32, lambda: torch.autocast("cpu", torch.float16), backward=True),
    State("float64 as default dtype", around=lambda: default_dtype(torch.float64), backward=True),
    State("float16 as default dtype", around=lambda: default_dtype(torch.float16)),
    COMPILING,
    EXPORTING,
)

TRAINED = (USUAL, *(state for state in STATES if state.backward))
"""The usual state, and those in which the backward pass runs, too."""
