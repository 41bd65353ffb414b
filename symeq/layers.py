"""Emitted modules in memory: ``symeq.layers.<name>`` is emitted when it is imported.

The name spells the signature and the options, so that a pickle made in one process is read in
another: whatever unpickles the class imports its module, and so emits it again.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

from symeq import pipeline
from symeq.emit import names
from symeq.signature import EmitOptions, Layout, Signature, Spec, check_layout

if TYPE_CHECKING:
    from torch import nn

__path__: list[str] = []  # a package, so that the import system looks for modules inside


def layer(
    spec: Spec,
    class_name: str | None = None,
    layout: Layout = "channels-last",
    *,
    choices: str = "",
    made_for: str = "",
) -> type[nn.Module]:
    """The layer's class, emitted and loaded in memory.

    Args:
        choices: how it computes, such as "2=inputs" (``EmitOptions``).
        made_for: batch, n and channels for which the cost model chooses, such as "16 64 64".

    Returns:
        A subclass of ``torch.nn.Module``: ``Layer(in_channels, out_channels, bias=True,
        basis="diagram", normalization="mean", device=None, dtype=None)``. It can be pickled and
        copied, and its tracebacks show the emitted source. The same arguments give the same class.

    Raises:
        SignatureError, OptionError, TooLargeError: ``spec`` or an option cannot be used.
    """
    signature, options = Signature.of(spec), EmitOptions(layout, class_name, choices, made_for)
    module = importlib.import_module(f"{__name__}.{_encode(signature, options)}")
    found: type[nn.Module] = getattr(module, names.class_name(signature, options))
    return found


def _encode(signature: Signature, options: EmitOptions) -> str:
    words = [str(signature), options.layout, options.class_name or ""]
    if options.choices or options.made_for:  # without them names stay what they were: pickles hold them
        words += [options.choices, options.made_for]
    return f"layer_{'|'.join(words).encode().hex()}"


def _decode(name: str) -> tuple[Signature, EmitOptions]:
    words = bytes.fromhex(name.removeprefix("layer_")).decode().split("|")
    signature, layout, class_name, *how = words
    return Signature.parse(signature), EmitOptions(check_layout(layout), class_name or None, *how)


class _Emitter(MetaPathFinder, Loader):
    """Finds and loads modules whose names are encoded signatures."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != __name__ or not name.startswith("layer_"):
            return None
        return ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        rendered = pipeline.emit(*_decode(module.__name__.rpartition(".")[2]))
        # A name with a suffix that no folder has: tracebacks ask linecache, which has the lines.
        path = f"{module.__name__}/{rendered.file_name}"
        linecache.cache[path] = (len(rendered.text), None, rendered.text.splitlines(keepends=True), path)
        module.__file__ = path
        exec(compile(rendered.text, path, "exec", dont_inherit=True), module.__dict__)


sys.meta_path.append(_Emitter())
