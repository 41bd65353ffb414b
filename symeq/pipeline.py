"""The stage map: signature -> basis -> plan -> source -> layer, one call per stage.

- ``Signature.of(spec)``: what the user said
- ``derive(spec, kind)``: the operators, lazily (``symeq.bases``)
- ``plan(spec)``: contractions, products, broadcasts, shared (``symeq.plans``); the same as
  ``optimize(lower(derive(spec)))``, without listing the operators
- ``render(view(plan, options))``: the text of a standalone module (``symeq.emit``)
- ``write(module, folder)``: the file (``symeq.emit.library``)
- ``verify(file)``: the values against the definition (``symeq.verification``)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symeq.combinatorics.partitions import count
from symeq.errors import TooLargeError
from symeq.plans.cost import steps
from symeq.plans.ir import Plan
from symeq.plans.lower import gather
from symeq.plans.passes import chain_broadcasts, chain_contractions
from symeq.signature import EmitOptions, Layout, Signature, Spec

if TYPE_CHECKING:
    from symeq.emit.library import Difference
    from symeq.emit.render import RenderedModule

MOST_OPERATORS = 5_000_000
"""Above, a plan is refused: each operator is a slot of weights. 6 -> 6 has 4 213 597."""

MOST_STEPS = 10_000
"""Above, a plan is refused: each contraction and each broadcast is a line of the emitted file."""


def plan(spec: Spec) -> Plan:
    """The optimised plan of a layer.

    Raises:
        SignatureError: ``spec`` is none.
        TooLargeError: more than ``MOST_OPERATORS`` operators or ``MOST_STEPS`` steps; the message
            says how many.
    """
    signature = Signature.of(spec)
    remedy = "Choose lower orders; `symeq count` still gives exact dimensions."
    if (operators := count(signature.positions)) > MOST_OPERATORS:
        raise TooLargeError(f"number of operators of {signature}", operators, MOST_OPERATORS, remedy)
    if (lines := steps(signature)) > MOST_STEPS:
        raise TooLargeError(f"number of steps of {signature}", lines, MOST_STEPS, remedy)
    return chain_broadcasts(chain_contractions(gather(signature)))


def emit(spec: Spec, options: EmitOptions | None = None) -> RenderedModule:
    """The text of the layer's standalone module."""
    from symeq.emit.printer import view  # loads jinja2, which `import symeq` must not
    from symeq.emit.render import render

    return render(view(plan(spec), options or EmitOptions()))


def generate(
    spec: Spec,
    out: str | Path,
    class_name: str | None = None,
    layout: Layout = "channels-last",
    force: bool = False,
    *,
    choices: str = "",
    made_for: str = "",
) -> Path:
    """Writes the layer's standalone module into the folder ``out`` and returns the file's path.

    Args:
        choices: how it computes, such as "2=inputs" (``symeq.plans.choices``); what is not named is chosen by
            the cost model. ``symeq.tune`` finds the fastest.
        made_for: batch, n and channels for which the model chooses, such as "16 64 64".

    Raises:
        SignatureError, OptionError, TooLargeError: ``spec`` or an option cannot be used.
        OutputError: the file cannot be written, or holds something edited by hand (see ``force``).
    """
    from symeq.emit.library import write

    return write(emit(spec, EmitOptions(layout, class_name, choices, made_for)), Path(out), force)


def generate_library(out: str | Path, force: bool = False) -> list[Path]:
    """Writes the whole package of committed layers into the folder ``out``."""
    from symeq.emit.library import COMMITTED, write_library

    return write_library([emit(signature) for signature in COMMITTED], Path(out), force)


def check_library(out: str | Path) -> list[Difference]:
    """What differs between the package in ``out`` and what would be written now."""
    from symeq.emit.library import COMMITTED, check_library

    return check_library([emit(signature) for signature in COMMITTED], Path(out))
