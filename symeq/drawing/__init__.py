"""Pictures: partition diagrams, sheets of a basis, shared weights, the refinement lattice, plans.

    from symeq import drawing
    drawing.sheet("n n -> n n").save("sheet.svg")
    drawing.weight_sharing("n n -> n n", n=3).save("weights.png")     # needs matplotlib
    drawing.lattice(4, moebius=True)                                  # shows itself in a notebook
    drawing.plan_graph(symeq.plan("n n -> n n")).svg()

Each returns a ``Drawing``: ``.svg()``, ``.png(dpi=192)``, ``.save(path)``. SVG needs no library, PNG needs
matplotlib. Equal drawings give equal bytes. What would be too large to be read is refused with its size.
"""

from __future__ import annotations

from symeq.bases.operators import BasisOperator, OperatorBasis
from symeq.combinatorics.diagrams import PartitionDiagram
from symeq.drawing.diagrams import diagram, operator, sheet
from symeq.drawing.drawing import Drawing
from symeq.drawing.lattices import lattice
from symeq.drawing.matrices import weight_sharing
from symeq.drawing.plans import plan_graph
from symeq.errors import TooLargeError
from symeq.plans.ir import Plan

__all__ = [
    "Drawing",
    "diagram",
    "in_notebook",
    "lattice",
    "operator",
    "plan_graph",
    "sheet",
    "weight_sharing",
]


def in_notebook(value: PartitionDiagram | BasisOperator | OperatorBasis | Plan) -> str | None:
    """The SVG that a notebook shows for a value; None where it would be too large to read."""
    try:
        match value:
            case PartitionDiagram():
                return diagram(value).svg()
            case BasisOperator():
                return operator(value).svg()
            case OperatorBasis():
                return sheet(value).svg()
            case Plan():
                return plan_graph(value).svg()
    except TooLargeError:
        return None
