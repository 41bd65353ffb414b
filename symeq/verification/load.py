"""What is to be verified -> Subject: a class, its signature and its layout.

A file is executed on its own: under a private name that does not stay in ``sys.modules``, from its source (a
``.pyc`` beside it is neither read nor written), and once.
"""

from __future__ import annotations

import itertools
import linecache
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, get_args

import numpy as np
from torch import nn

from symeq.combinatorics.partitions import count, ranks
from symeq.errors import InvalidPartitionError, NotALayerError, OptionError, SignatureError, TooLargeError
from symeq.pipeline import emit
from symeq.process import WATCHED
from symeq.signature import Layout, Signature, Spec

Target: TypeAlias = "Spec | PathLike[str] | type[nn.Module]"

MOST_SLOTS = 1_000_000
"""Above, a layer is refused: one dense entry per slot would not fit."""

IMPORT_SECONDS = 60.0
"""A file whose import takes longer is refused."""

LISTED_POSITIONS = 10
"""Up to so many positions ``BASIS`` is a tuple; above, a lazy sequence."""

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Subject:
    """A layer class to be verified; ``name`` says which, ``source`` is the text of its module where known.

    ``basis_slots[s]`` is the slot, by definition, of row s of its BASIS; None for a lazy BASIS.
    """

    name: str
    layer: type[nn.Module]
    signature: Signature
    layout: Layout
    basis_slots: tuple[int, ...] | None
    source: str

    @property
    def emitted(self) -> bool:
        """Whether its module says that symeq emitted it; perhaps it was edited since."""
        module = getattr(self.layer.forward, "__globals__", {})
        return "Emitted by symeq" in str(module.get("__doc__"))

    @property
    def file(self) -> str:
        """The file that complaints name lines of."""
        code = getattr(self.layer.forward, "__code__", None)
        return str(getattr(code, "co_filename", self.name))


def resolve(target: Target, signature: Spec | None = None) -> Subject:
    """The layer class that ``target`` means: a file's, the class itself, or the one emitted for a spec.

    A string with ``"->"`` in it is a signature, any other string a path.

    Raises:
        NotALayerError: nothing that could be verified; the message says what came and what was expected.
        SignatureError: ``target`` or ``signature`` is a spec that cannot be read.
        TooLargeError: the signature has more operators than can be verified.
    """
    if isinstance(target, type):
        return _subject(target.__qualname__, target, signature, _source_of(target))
    if isinstance(target, nn.Module):
        raise NotALayerError(
            f"an instance of {type(target).__name__}",
            "verifying makes layers of its own, with other channels and options",
            "Give the class.",
        )
    if isinstance(target, PathLike) or (isinstance(target, str) and "->" not in target):
        path = Path(fspath(target))
        source = _read(path)
        return _subject(str(path), _layer_of(source, path), signature, source.decode(errors="replace"))
    if signature is not None:
        raise OptionError("signature", signature, "None, as the target is a signature itself")
    return _emitted(Signature.of(target))


def _emitted(signature: Signature) -> Subject:
    _refuse_too_large(signature)
    rendered = emit(signature)
    path = Path(f"<emitted>/{rendered.file_name}")
    layer = _layer_of(rendered.text.encode(), path)
    return _subject(f"{layer.__qualname__}, emitted just now", layer, signature, rendered.text)


def _refuse_too_large(signature: Signature) -> None:
    operators = count(signature.positions)
    if operators > MOST_SLOTS:
        raise TooLargeError(
            f"number of operators of {signature}", operators, MOST_SLOTS, "Verify a layer of lower order."
        )


# ---------------------------------------------------------------- files


def _read(path: Path) -> bytes:
    remedy = "Give the path of an emitted .py file, or a signature, which has '->' in it."
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise NotALayerError(path, "it is no regular file", remedy)
        return path.read_bytes()
    except FileNotFoundError:
        raise NotALayerError(path, "there is no such file", remedy) from None
    except IsADirectoryError:
        raise NotALayerError(path, "it is a folder, expected a Python file", remedy) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise NotALayerError(path, f"it cannot be read ({error})", remedy) from None


def _layer_of(source: bytes, path: Path) -> type[nn.Module]:
    """The one layer class that the module with this source defines."""
    module = _executed(source, path)
    modules = [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, nn.Module) and found.__module__ == module.__name__
    ]
    modules = list(dict.fromkeys(modules))  # a class may have a second name
    layers = [found for found in modules if hasattr(found, "BASIS")]
    if len(layers) == 1:
        return layers[0]
    names = ", ".join(found.__name__ for found in layers or modules)
    if layers:
        raise NotALayerError(
            path,
            f"it defines {len(layers)} layer classes ({names}), expected one",
            "Keep one to a file, or give the class itself to symeq.verify(...).",
        )
    if modules:
        raise NotALayerError(
            path,
            f"no class in it has BASIS (it defines {names})",
            "BASIS lists the operator of every weight slot.",
        )
    raise NotALayerError(
        path, "it defines no torch.nn.Module", "Expected a layer class as `symeq generate` writes it."
    )


def in_one_line(error: BaseException) -> str:
    """The class of an error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (f": {lines[0]}" if lines else "")


def _executed(source: bytes, path: Path) -> ModuleType:
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes, before Python 3.12
        at = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        problem = error.msg if isinstance(error, SyntaxError) else error
        raise NotALayerError(path, f"it is not Python ({problem}{at})", "Expected a Python file.") from None
    module = ModuleType(f"_symeq_verified_{next(_numbers)}")
    module.__file__ = str(path)
    module.__package__ = ""  # no relative imports
    with _registered(module):
        try:
            finished = _within(IMPORT_SECONDS, lambda: exec(code, module.__dict__))
        except (Exception, SystemExit) as error:
            raise NotALayerError(
                path,
                f"running it raised {in_one_line(error)}",
                "A layer's file imports by itself: torch, and nothing beside it.",
            ) from error
    if not finished:
        raise NotALayerError(
            path,
            f"importing it takes longer than {IMPORT_SECONDS:g} s",
            "What should not run on import belongs under `if __name__ == '__main__':`.",
        )
    return module


def _within(seconds: float, work: Callable[[], object]) -> bool:
    """Whether ``work`` ends in time, in a thread that does not keep the process from ending.

    Raises:
        BaseException: whatever ``work`` raised.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=WATCHED, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    return not thread.is_alive()


@contextmanager
def _registered(module: ModuleType) -> Iterator[None]:
    """``module`` in ``sys.modules`` while it runs (dataclasses look there); no bytecode is written."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.modules.pop(module.__name__, None)


# ---------------------------------------------------------------- classes


def _source_of(layer: type) -> str:
    """The text of the module that a class was defined in; empty where there is none to read."""
    file = getattr(sys.modules.get(layer.__module__), "__file__", None)
    if file is None:
        return ""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


def _subject(name: str, layer: type, given: Spec | None, source: str) -> Subject:
    if not issubclass(layer, nn.Module):
        raise NotALayerError(name, "it is no torch.nn.Module", "Give a layer class.")
    if not hasattr(layer, "BASIS"):
        raise NotALayerError(name, "the class has no BASIS", "BASIS lists the operator of every weight slot.")
    signature = _signature(name, layer, given)
    _refuse_too_large(signature)
    layout: Any = getattr(layer, "LAYOUT", "channels-last")
    if layout not in get_args(Layout):
        raise NotALayerError(
            name, f"its LAYOUT is {layout!r}", 'Expected "channels-last" (the default) or "channels-first".'
        )
    return Subject(name, layer, signature, layout, _basis_slots(name, layer, signature), source)


def _signature(name: str, layer: type, given: Spec | None) -> Signature:
    wanted = None if given is None else Signature.of(given)
    if not hasattr(layer, "SIGNATURE"):
        if wanted is None:
            raise NotALayerError(
                name,
                "the class has no SIGNATURE",
                'Add one, such as SIGNATURE = "n n -> n n", or give signature=.',
            )
        return wanted
    try:
        own = Signature.parse(layer.SIGNATURE) if isinstance(layer.SIGNATURE, str) else None
    except SignatureError as error:
        raise NotALayerError(name, f"its SIGNATURE cannot be read ({error})", "Correct it.") from None
    if own is None:
        raise NotALayerError(
            name, f"its SIGNATURE is {layer.SIGNATURE!r}", 'Expected a string such as "n n -> n n".'
        )
    if wanted is not None and wanted != own:
        raise NotALayerError(
            name,
            f"its SIGNATURE is {str(own)!r}, but {str(wanted)!r} was asked for",
            "Leave signature= out, or correct the class.",
        )
    return own


def _basis_slots(name: str, layer: Any, signature: Signature) -> tuple[int, ...] | None:
    """The slots, by definition, of the rows of BASIS: of operators, though they may lie in a wrong order."""
    sets = signature.positions
    if len(sets) > LISTED_POSITIONS:
        return None
    basis = layer.BASIS
    expected = count(sets)
    remedy = f"Expected the {expected} set partitions of the positions of {str(signature)!r}, inputs first."
    try:
        if len(basis) > 2 * expected:
            raise NotALayerError(name, f"its BASIS has {len(basis)} rows", remedy)
        rows = [tuple(row) for row in basis]
    except TypeError:
        raise NotALayerError(name, f"its BASIS is {_short(basis)}", remedy) from None
    for slot, row in enumerate(rows):
        if len(row) != len(sets) or not all(type(label) is int for label in row):
            problem = f"BASIS[{slot}] is {_short(row)}, expected {len(sets)} integers"
            raise NotALayerError(name, problem, remedy)
    try:
        return tuple(ranks(np.array(rows, dtype=np.int64).reshape(len(rows), len(sets)), sets).tolist())
    except (InvalidPartitionError, OverflowError) as error:
        raise NotALayerError(name, f"its BASIS contradicts {str(signature)!r} ({error})", remedy) from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
