"""Class and module names of emitted layers."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import sys

from symeq.errors import OptionError
from symeq.signature import EmitOptions, Signature

# Names that the emitted text uses itself.
_TAKEN = {"torch", "nn", "Tensor"} | set(dir(builtins))
_TABLES = re.compile(r"POSITIONS|LEVELS|SLOTS|PERMUTATIONS_[0-9_]+")
# Files of these names would be imported in place of the libraries, or could not be imported at all.
_NO_MODULES = {"torch", "numpy", "sympy", "jinja2", "symeq", *sys.stdlib_module_names, *keyword.kwlist}


def class_name(signature: Signature, options: EmitOptions) -> str:
    """The name of the class: the one asked for, or one that tells the signature.

    >>> class_name(Signature.parse("n n -> n"), EmitOptions())
    'Equivariant2to1'
    >>> class_name(Signature.parse("u i -> u"), EmitOptions(layout="channels-first"))
    'EquivariantUItoUChannelsFirst'

    Raises:
        OptionError: the name asked for would hide one that the emitted text uses.
    """
    if options.class_name is not None:
        name = options.class_name
        if name in _TAKEN or name.startswith("_") or _TABLES.fullmatch(name):
            raise OptionError(
                "class_name",
                name,
                "a public name that hides no builtin, torch, nn, Tensor or table of the file, such as SLOTS",
            )
        return name
    kind, orders = _parts(signature)
    inputs, outputs = (
        side if isinstance(side, str) else "".join(name[0].upper() + name[1:] for name in side)
        for side in orders
    )
    body = f"{inputs}to{outputs}" if kind == "Equivariant" else inputs + outputs
    suffix = "ChannelsFirst" if options.layout == "channels-first" else ""
    return f"{kind}{body}{suffix}"


def module_name(signature: Signature, options: EmitOptions) -> str:
    """The name of the file, without ``.py``.

    >>> module_name(Signature.parse("n n -> "), EmitOptions())
    'invariant_2'
    >>> module_name(Signature.parse("u i -> u"), EmitOptions())
    'equivariant_u_i_to_u'

    Different signatures have different names: where the underscores, a "to" or the layout could be read in
    two ways, a digest of the signature follows.
    """
    if options.class_name is not None:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name(signature, options)).lower()
        return f"{name}_layer" if name in _NO_MODULES else name
    kind, orders = _parts(signature)
    inputs, outputs = (side if isinstance(side, str) else "_".join(side) for side in orders)
    if kind == "Equivariant":
        body = f"{inputs}to{outputs}" if isinstance(orders[0], str) else f"{inputs}_to_{outputs}"
    else:
        body = inputs + outputs
    if _is_ambiguous(signature):
        body += f"_{hashlib.sha256(str(signature).encode()).hexdigest()[:8]}"
    suffix = "_channels_first" if options.layout == "channels-first" else ""
    return f"{kind.lower()}_{body}{suffix}"


def _is_ambiguous(signature: Signature) -> bool:
    names = signature.positions
    return any("_" in name or name == "to" for name in names) or names[-2:] == ("channels", "first")


def _parts(signature: Signature) -> tuple[str, tuple[str | tuple[str, ...], str | tuple[str, ...]]]:
    """Kind of layer, and either side: its order over the one index set n, or its index sets."""
    if not signature.outputs:
        kind = "Invariant"
    else:
        kind = "Equivariant" if signature.inputs else "Broadcast"
    plain = set(signature.positions) <= {"n"}
    if not plain:
        return kind, (signature.inputs, signature.outputs)
    if kind == "Invariant":
        return kind, (str(signature.order_in), "")
    if kind == "Broadcast":
        return kind, ("", str(signature.order_out))
    return kind, (str(signature.order_in), str(signature.order_out))
