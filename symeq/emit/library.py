"""RenderedModule -> files, and the list of the committed library."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from symeq.emit.render import RenderedModule, render_package, untouched
from symeq.errors import OutputError
from symeq.files import write_files
from symeq.signature import Signature

COMMITTED: tuple[Signature, ...] = (
    *(Signature.from_orders(k, m - k) for m in range(1, 6) for k in range(m, -1, -1)),
    Signature.from_orders(3, 3),
    *(Signature.parse(text) for text in ("u i -> u i", "u i -> u", "u i -> i", "u i -> ")),
)
"""The signatures of ``symeq_layers``, by total order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not what the templates would write: its path, and the unified diff."""

    path: Path
    diff: str


def write(module: RenderedModule, folder: Path, force: bool = False) -> Path:
    """Writes ``module`` into ``folder`` (made if it is missing) and returns the file's path.

    The file is there whole or not at all (see ``symeq.files``).

    Raises:
        OutputError: the folder is a file or cannot be written to, or the file has been edited by
            hand since it was emitted (or was never emitted) and ``force`` is not given.
    """
    return _write_all([module], folder, force)[0]


def write_library(modules: Iterable[RenderedModule], folder: Path, force: bool = False) -> list[Path]:
    """Writes the package of ``modules``: each, and an ``__init__`` that imports their classes.

    Nothing is written if one of the files must not be overwritten (see ``write``).
    """
    listed = list(modules)
    return _write_all([*listed, render_package(listed)], folder, force)


def _write_all(modules: Sequence[RenderedModule], folder: Path, force: bool) -> list[Path]:
    contents = {folder / module.file_name: module.text.encode() for module in modules}
    return write_files(contents, _ours, force)


def _ours(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return untouched(text.replace("\r\n", "\n"))  # git may have written the line ends of the system


def check(modules: Iterable[RenderedModule], folder: Path) -> list[Difference]:
    """What differs between the files in ``folder`` and ``modules``; nothing is written."""
    return [found for module in modules if (found := _difference(module, folder)) is not None]


def check_library(modules: Iterable[RenderedModule], folder: Path) -> list[Difference]:
    """As ``check``, for a whole package: files that no module of it owns are differences too."""
    listed = list(modules)
    package = [*listed, render_package(listed)]
    owned = {module.file_name for module in package}
    strangers = sorted(path for path in folder.glob("*.py") if path.name not in owned)
    extra = [Difference(path, f"{path} is no part of the library; remove it.\n") for path in strangers]
    return check(package, folder) + extra


def _difference(module: RenderedModule, folder: Path) -> Difference | None:
    path = folder / module.file_name
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(path, "is no regular file, expected an emitted one", "Move it away.")
    try:
        found = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(path, f"cannot be read ({error})", "Remove it, and generate it again.") from error
    if found == module.text:
        return None
    return Difference(path, "".join(_diff(found, module.text, path)))


def _diff(found: str, wanted: str, path: Path) -> Iterator[str]:
    return difflib.unified_diff(
        found.splitlines(keepends=True), wanted.splitlines(keepends=True), str(path), "what is emitted now"
    )
