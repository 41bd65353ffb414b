"""What is to be audited -> Target: something that makes the callable, and how many channels it was made for.

Loading runs code: the module's, the constructor's. Errors that it raises become one ``AuditError``.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import torch
from torch import nn

from symeq.auditing.watch import Watch
from symeq.errors import AuditError, OptionError

Arguments: TypeAlias = "Mapping[str, Any] | Sequence[Any] | str | None"

IN_CHANNELS, OUT_CHANNELS = 2, 3  # different, so that they cannot be mixed up
_IN_WORDS = {"in", "input", "inputs", "inp", "cin", "din", "nin", "fin", "source", "src"}
_OUT_WORDS = {"out", "output", "outputs", "cout", "dout", "nout", "fout", "target", "tgt"}
_numbers = itertools.count()
_audited: set[str] = set()  # top-level modules that audits have imported


@dataclass(frozen=True)
class Target:
    """Something to audit.

    ``build()`` gives a callable: a module in eval mode, new each time where ``renewable``, or the function
    itself. ``in_channels`` and ``out_channels`` are those it was made for, None where nothing tells.
    """

    name: str
    build: Callable[[], Any]
    renewable: bool
    in_channels: int | None = None
    out_channels: int | None = None


def in_one_line(error: BaseException) -> str:
    """The class of an error, and the first line of what it says."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    text = type(error).__name__ + (f": {lines[0].strip()}" if lines else "")
    return text if len(text) <= 200 else f"{text[:197]}..."


# ---------------------------------------------------------------- MODULE:NAME


def load(text: str, watch: Watch) -> Any:
    """The object that ``MODULE:NAME`` names; MODULE is a module's name or the path of a .py file.

    Raises:
        AuditError: no such module, file or name, or an import that raises; one message each.
    """
    module_text, colon, name = text.rpartition(":")
    if not colon or not module_text or not name:
        raise AuditError(
            repr(text),
            "it is not of the form MODULE:NAME",
            "Write, say, my_package.layers:Layer or layers.py:Layer.",
        )
    is_path = module_text.endswith(".py") or "/" in module_text or "\\" in module_text
    with watch(f"importing {module_text}"):
        module = _from_file(text, Path(module_text)) if is_path else _from_name(text, module_text)
        found: Any = module
        for part in name.split("."):
            if not hasattr(found, part):
                raise AuditError(text, _no_such_name(found, part, module_text), "Name what it defines.")
            found = getattr(found, part)
    return found


def _no_such_name(owner: Any, part: str, module: str) -> str:
    there = [name for name, value in vars(owner).items() if not name.startswith("_") and callable(value)]
    if isinstance(owner, ModuleType):
        there = [name for name in there if getattr(vars(owner)[name], "__module__", "") == owner.__name__]
    close = get_close_matches(part, there, n=1)
    if close:
        return f"there is no {part!r} in {module}; {close[0]!r} is close"
    shown = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    return f"there is no {part!r} in {module}" + (f", which defines {shown}" if there else "")


def _from_name(text: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise AuditError(text, f"{name!r} is no module name", "A file is named by its path, with .py.")
    try:
        return _imported(name, Path.cwd())
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise AuditError(
                text,
                f"there is no module {error.name!r}",
                "Install it, run from its folder, or give the path of the file.",
            ) from None
        raise _import_raised(text, name, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too
        raise _import_raised(text, name, error) from error


def _import_raised(text: str, what: object, error: BaseException) -> AuditError:
    return AuditError(text, f"importing {what} raised {in_one_line(error)}", "Correct that first.")


def _from_file(text: str, path: Path) -> ModuleType:
    if not path.exists():
        raise AuditError(text, f"there is no file {path}", "Give the path of a .py file, or a module's name.")
    if path.is_dir():
        raise AuditError(text, f"{path} is a folder", "Give the path of a .py file in it.")
    path = path.resolve()
    root, name = path.parent, path.stem
    while (root / "__init__.py").exists():  # a file of a package may import its neighbours by dots
        root, name = root.parent, f"{root.name}.{name}"
    try:
        if "." in name and all(part.isidentifier() for part in name.split(".")):
            return _imported(name.removesuffix(".__init__"), root)
        _search(path.parent)
        module = ModuleType(f"_symeq_audited_{next(_numbers)}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # dataclasses, pickle and torch.export look there
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
        return module
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _import_raised(text, path, error) from error


def _imported(name: str, folder: Path) -> ModuleType:
    """The module, anew if an earlier audit has imported it: its file may be another one by now."""
    top = name.partition(".")[0]
    if top in _audited:
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == top]:
            del sys.modules[loaded]
    elif top not in sys.modules:
        _audited.add(top)
    _search(folder)
    return importlib.import_module(name)


def _search(folder: Path) -> None:
    """Looks for modules in the folder, as ``python FILE`` does; ``leaving_no_trace`` undoes it."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


@contextmanager
def leaving_no_trace() -> Iterator[None]:
    """Around an audit: the search path is restored, and no bytecode is written beside the code."""
    before, path = sys.dont_write_bytecode, list(sys.path)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = path


# ---------------------------------------------------------------- arguments written as text


def parse_arguments(
    option: str, text: str, names: Mapping[str, Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments that ``text`` spells, as between the brackets of a call.

    Values are Python literals, or names: dotted names of ``torch`` and what ``names`` holds.

    >>> parse_arguments("init", "2, out_channels=3")
    ([2], {'out_channels': 3})

    Raises:
        OptionError: it is no list of arguments, or a value that is neither.
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError):
        raise OptionError(option, text, 'arguments as in a call, such as "2, out_channels=3"') from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise OptionError(option, text, 'arguments as in a call, such as "2, out_channels=3"')

    def value(node: ast.expr) -> Any:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError):
            pass
        words = ast.unparse(node)
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", words):
            raise OptionError(option, words, "a Python literal or a name")
        first, *rest = words.split(".")
        known = {"torch": torch, "nn": nn, **(names or {})}
        if first not in known:
            raise OptionError(
                option, words, f"a Python literal or one of the names {', '.join(sorted(known)[:12])}"
            )
        found = known[first]
        for part in rest:
            if not hasattr(found, part):
                raise OptionError(option, words, f"a name that exists: {first} has no {part!r}")
            found = getattr(found, part)
        return found

    keywords: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise OptionError(option, text, "arguments without **")
        keywords[keyword.arg] = value(keyword.value)
    if any(isinstance(node, ast.Starred) for node in call.args):
        raise OptionError(option, text, "arguments without *")
    return [value(node) for node in call.args], keywords


def as_arguments(
    option: str, given: Arguments, names: Mapping[str, Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments given as text, as a dict of keyword arguments, or as a sequence of positional ones."""
    if given is None:
        return [], {}
    if isinstance(given, str):
        return parse_arguments(option, given, names)
    if isinstance(given, Mapping):
        return [], dict(given)
    return list(given), {}


# ---------------------------------------------------------------- objects


def target_of(name: str, found: Any, init: Arguments, watch: Watch) -> Target:
    """How to get a callable from what was given: a class, a factory, an instance or a function.

    Raises:
        AuditError: it is none of these, or making the layer raises.
        OptionError: ``init`` for something that is not constructed, or that cannot be read.
    """
    if isinstance(found, ModuleType):
        raise AuditError(name, "it is a module", "Name the class or function in it: MODULE:NAME.")
    if isinstance(found, nn.Module):
        if init is not None:
            raise OptionError("init", init, "None, as the target is an instance already")
        return _instance(name, found)
    if not callable(found):
        raise AuditError(
            name,
            f"it is of type {type(found).__name__}, which cannot be called",
            "Expected a layer class, a factory, an instance or a function of the input.",
        )
    if inspect.isclass(found) or init is not None or _is_factory(found):
        return _constructed(name, found, init, watch)
    return Target(name, lambda: found, renewable=False)


def _is_factory(function: Any) -> bool:
    """Whether a function makes layers: it asks for channels in and out, or for nothing at all."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    named = [parameter.name for parameter in parameters]
    if named and named[0].lower() in ("x", "inp", "input", "inputs"):
        return False
    return not named or (any(map(_is_in, named)) and any(map(_is_out, named)) and _is_in(named[0]))


def _words(name: str) -> set[str]:
    return set(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("_"))


def _is_in(name: str) -> bool:
    return bool(_words(name) & _IN_WORDS)


def _is_out(name: str) -> bool:
    return bool(_words(name) & _OUT_WORDS)


def _instance(name: str, module: nn.Module) -> Target:
    def build() -> nn.Module:
        try:
            return copy.deepcopy(module).cpu().eval()
        except Exception as error:  # a tensor that is no leaf, a handle, ...
            raise AuditError(
                name,
                f"copying it raised {in_one_line(error)}",
                "Give its class, or a function that makes it.",
            ) from error

    numbers = {key: value for key, value in vars(module).items() if type(value) is int}
    ins = [value for key, value in numbers.items() if _is_in(key)]
    outs = [value for key, value in numbers.items() if _is_out(key)]
    return Target(name, build, False, ins[0] if ins else None, outs[0] if outs else None)


def _constructed(name: str, factory: Any, init: Arguments, watch: Watch) -> Target:
    made_in = sys.modules.get(getattr(factory, "__module__", ""))
    positional, keywords = as_arguments("init", init, vars(made_in) if made_in else None)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        signature = inspect.Signature()
    positional, keywords = _with_channels(name, signature, positional, keywords)
    shown = ", ".join([*map(repr, positional), *(f"{key}={value!r}" for key, value in keywords.items())])
    what = f"{getattr(factory, '__name__', name)}({shown})"

    def build() -> Any:
        with watch(f"making {what}"):
            try:
                made = factory(*positional, **keywords)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise AuditError(
                    name,
                    f"{what} raised {in_one_line(error)}",
                    "Give the arguments of the constructor with init.",
                ) from error
        if not callable(made):
            raise AuditError(
                name, f"{what} gave a {type(made).__name__}, which cannot be called", "Expected a layer."
            )
        return made.eval() if isinstance(made, nn.Module) else made

    try:
        bound = signature.bind(*positional, **keywords).arguments
    except TypeError as error:
        raise AuditError(
            name, f"{what} does not fit its arguments {signature} ({error})", "Give them with init."
        ) from None
    ins = [value for key, value in bound.items() if _is_in(key) and type(value) is int]
    outs = [value for key, value in bound.items() if _is_out(key) and type(value) is int]
    both = [value for value in bound.values() if type(value) is int]
    single = both[0] if len(both) == 1 and not ins and not outs else None
    first = both[0] if both and not ins else None
    return Target(
        f"{name}({shown})" if shown else name,
        build,
        True,
        ins[0] if ins else single or first,
        outs[0] if outs else single,
    )


def _with_channels(
    name: str, signature: inspect.Signature, positional: list[Any], keywords: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a constructor, channels filled in where they were not given."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    free = list(signature.parameters.values())[len(positional) :]
    free = [parameter for parameter in free if parameter.kind in kinds and parameter.name not in keywords]
    needed = [parameter.name for parameter in free if parameter.default is inspect.Parameter.empty]
    filled: dict[str, Any] = {}
    numbers = [p.name for p in free if p.name in needed or type(p.default) is int]
    ins = [word for word in numbers if _is_in(word) and not _is_out(word)]
    outs = [word for word in numbers if _is_out(word) and not _is_in(word)]
    if ins and outs:
        filled = {ins[0]: IN_CHANNELS, outs[0]: OUT_CHANNELS}
    elif not positional and len(needed) == 2:
        filled = dict(zip(needed, (IN_CHANNELS, OUT_CHANNELS), strict=True))
    elif not positional and len(needed) == 1:
        filled = {needed[0]: IN_CHANNELS}
    missing = [word for word in needed if word not in filled]
    if missing:
        raise AuditError(
            name,
            f"its arguments {', '.join(missing)} are needed and nothing tells what to give",
            'Give them with init (on the command line --init), such as "in_channels=2, out_channels=3".',
        )
    return positional, keywords | filled
