"""symeq: every permutation-equivariant linear layer, derived, emitted and verified.

    import symeq
    basis = symeq.basis("n n -> n n")           # the 15 operators, as SymPy, as matrices
    Layer = symeq.layer("n n -> n n")           # a torch.nn.Module class
    symeq.generate("n n -> n n", "my_layers/")  # the same as a standalone file

A spec is a string such as ``"u i -> u"``, a pair of orders ``(k, k')``, or a ``Signature``.
"""

from symeq.bases.derive import derive as basis
from symeq.errors import SymeqError
from symeq.layers import layer
from symeq.pipeline import generate, plan
from symeq.signature import Signature

__version__ = "0.1.0"

__all__ = ["Signature", "SymeqError", "__version__", "basis", "generate", "layer", "plan"]
