"""Permutation-equivariant linear layers for PyTorch, emitted by symeq 0.1.0.

`Equivariant<k>to<k'>` maps tensors of order k to order k', `Invariant<k>` to order 0, and
`Broadcast<k'>` begins at order 0. DeepSets' two layers are `Equivariant1to1` and `Invariant1`. Names
with letters tell the index set of each axis, as in `EquivariantUItoU` for ``u i -> u``.

Change the generator, not this file; to emit it again:
    symeq generate --library --out DIR
template: sha256 8b6d76020bb4206fb95832384613145097db4f3d36bbb477e04910935808a27e
content:  sha256 41aae23c139bcb2797246ee7de007f50d142a2d8af3c8fa7993d8a798621abf5 (with zeros here)
"""

from .invariant_1 import Invariant1
from .broadcast_1 import Broadcast1
from .invariant_2 import Invariant2
from .equivariant_1to1 import Equivariant1to1
from .broadcast_2 import Broadcast2
from .invariant_3 import Invariant3
from .equivariant_2to1 import Equivariant2to1
from .equivariant_1to2 import Equivariant1to2
from .broadcast_3 import Broadcast3
from .invariant_4 import Invariant4
from .equivariant_3to1 import Equivariant3to1
from .equivariant_2to2 import Equivariant2to2
from .equivariant_1to3 import Equivariant1to3
from .broadcast_4 import Broadcast4
from .invariant_5 import Invariant5
from .equivariant_4to1 import Equivariant4to1
from .equivariant_3to2 import Equivariant3to2
from .equivariant_2to3 import Equivariant2to3
from .equivariant_1to4 import Equivariant1to4
from .broadcast_5 import Broadcast5
from .equivariant_3to3 import Equivariant3to3
from .equivariant_u_i_to_u_i import EquivariantUItoUI
from .equivariant_u_i_to_u import EquivariantUItoU
from .equivariant_u_i_to_i import EquivariantUItoI
from .invariant_u_i import InvariantUI

__all__ = [
    "Invariant1",
    "Broadcast1",
    "Invariant2",
    "Equivariant1to1",
    "Broadcast2",
    "Invariant3",
    "Equivariant2to1",
    "Equivariant1to2",
    "Broadcast3",
    "Invariant4",
    "Equivariant3to1",
    "Equivariant2to2",
    "Equivariant1to3",
    "Broadcast4",
    "Invariant5",
    "Equivariant4to1",
    "Equivariant3to2",
    "Equivariant2to3",
    "Equivariant1to4",
    "Broadcast5",
    "Equivariant3to3",
    "EquivariantUItoUI",
    "EquivariantUItoU",
    "EquivariantUItoI",
    "InvariantUI",
]
