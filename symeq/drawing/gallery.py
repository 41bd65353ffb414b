"""All pictures of one signature, and why some of them cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symeq.bases.derive import derive
from symeq.drawing.diagrams import refuse_panels, sheet
from symeq.drawing.drawing import Drawing
from symeq.drawing.lattices import lattice
from symeq.drawing.matrices import weight_sharing
from symeq.drawing.plans import plan_graph
from symeq.errors import TooLargeError
from symeq.pipeline import plan
from symeq.signature import BasisKind, Signature, Sizes, Spec


@dataclass(frozen=True, slots=True)
class Gallery:
    """Drawings by name (``operators``, ``weights``, ``lattice``, ``plan``), and what is left out, and why."""

    drawings: dict[str, Drawing]
    left_out: dict[str, str]


def gallery(
    spec: Spec, kind: BasisKind = "diagram", n: Sizes | None = None, limit: int | None = None
) -> Gallery:
    """The sheet of operators, the shared weights, the refinement lattice and the plan of a signature.

    Args:
        n: the sizes for the shared weights.
        limit: only so many operators on the sheet.

    Raises:
        SignatureError, SizeError, OptionError: ``spec``, ``n`` or ``kind`` cannot be used.
        TooLargeError: what was asked for with ``n`` or ``limit`` is too large to be read, or everything is.
    """
    signature = Signature.of(spec)
    basis = derive(signature, kind)
    slots = None
    if limit is not None and limit < basis.count:
        refuse_panels(limit, signature)
        slots = range(limit)
    makers: dict[str, tuple[Callable[[], Drawing], bool]] = {
        "operators": (lambda: sheet(basis, slots), slots is not None),
        "weights": (lambda: weight_sharing(signature, n), n is not None),
        "lattice": (lambda: lattice(signature), False),
        "plan": (lambda: plan_graph(plan(signature)), False),
    }
    found = Gallery({}, {})
    refusal: TooLargeError | None = None
    for name, (make, asked_for) in makers.items():
        try:
            found.drawings[name] = make()
        except TooLargeError as error:
            if asked_for:
                raise
            refusal = refusal or error
            found.left_out[name] = str(error)
    if not found.drawings:
        assert refusal is not None, "there is a reason for each that is left out"
        raise refusal
    return found
