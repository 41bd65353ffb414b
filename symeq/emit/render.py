"""LayerView -> RenderedModule: Jinja2 places the strings of the view, and digests seal the text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from symeq import __version__
from symeq.emit.printer import LayerView

_PLACEHOLDER = "0" * 64
_CONTENT = re.compile(r"^content:  sha256 ([0-9a-f]{64})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RenderedModule:
    """The text of a standalone module, and the name of the file and of the class in it."""

    file_name: str
    class_name: str
    text: str


@cache
def _environment() -> jinja2.Environment:
    package = Path(__file__).resolve().parent.parent
    # In the wheel the templates lie inside the package, in a checkout beside it.
    folder = next(path for path in (package / "templates", package.parent / "templates") if path.is_dir())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the text is Python, not HTML
    )
    environment.filters["quoted"] = quoted
    return environment


def quoted(names: Sequence[str]) -> str:
    """A tuple of names as it stands in code.

    >>> print(quoted(("u", "i")), quoted(("n",)), quoted(()))
    ("u", "i") ("n",) ()
    """
    return f"({', '.join(map(json.dumps, names))}{',' if len(names) == 1 else ''})"


@cache
def template_digest() -> str:
    """The sha256 of all templates together."""
    environment = _environment()
    digest = hashlib.sha256()
    for name in environment.list_templates():
        loader = environment.loader
        assert loader is not None, "_environment sets one"
        source, _, _ = loader.get_source(environment, name)
        digest.update(f"{name}\n{source}\n".encode())
    return digest.hexdigest()


def render(view: LayerView) -> RenderedModule:
    """The module that ``view`` describes; the same text in every process."""
    text = _sealed("layer.py.j2", v=view, **_shapes(view))
    return RenderedModule(f"{view.module_name}.py", view.class_name, text)


def render_package(modules: Sequence[RenderedModule]) -> RenderedModule:
    """The ``__init__`` of a package that holds ``modules``."""
    return RenderedModule("__init__.py", "", _sealed("package.py.j2", modules=modules))


def _sealed(template: str, **values: object) -> str:
    """The text of a template, with its own digest in the header."""
    text = (
        _environment()
        .get_template(template)
        .render(version=__version__, template_digest=template_digest(), placeholder=_PLACEHOLDER, **values)
    )
    return sealed(text)


def sealed(text: str) -> str:
    """The text of a module with its own digest in the header."""
    return _CONTENT.sub(f"content:  sha256 {_digest(text)}", text, count=1)


def untouched(text: str) -> bool:
    """Whether ``text`` is a module just as it was emitted, by this version or another."""
    found = _CONTENT.search(text)
    return found is not None and _digest(text) == found.group(1)


def _digest(text: str) -> str:
    """The sha256 of a module with zeros in place of its own digest."""
    blank = _CONTENT.sub(f"content:  sha256 {_PLACEHOLDER}", text, count=1)
    return hashlib.sha256(blank.encode()).hexdigest()


def _shapes(view: LayerView) -> dict[str, str]:
    """Shapes in axis words, for docstrings and error messages."""

    def shape(sets: tuple[str, ...], channels: str) -> str:
        axes = (*sets, channels) if view.layout == "channels-last" else (channels, *sets)
        return f"({', '.join(('*batch', *axes))})"

    def masks(sets: tuple[str, ...]) -> str:
        looked_up = [f'masks.get("{name}")' for name in sets]
        if len(set(sets)) == 1 and len(sets) != 2:
            return f"({looked_up[0]},)" + (f" * {len(sets)}" if len(sets) > 1 else "")
        return f"({', '.join(looked_up)})"

    return {
        "in_shape": shape(view.signature.inputs, "in_channels"),
        "expected_shape": shape(view.signature.inputs, "{self.in_channels}"),
        "out_shape": shape(view.signature.outputs, "out_channels"),
        "masks_in": masks(view.signature.inputs),
        "masks_out": masks(view.signature.outputs),
    }
