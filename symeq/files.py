"""Files written whole or not at all, and never over something that somebody else made."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from symeq.errors import OutputError

_ASIDE = ".symeq-"


def write_files(
    contents: Mapping[Path, bytes],
    ours: Callable[[bytes], bool],
    force: bool = False,
    remedy: str = "Name another place with --out.",
) -> list[Path]:
    """Writes each content to its path (folders are made where missing) and returns the paths.

    All files are written aside before the first is renamed, so that an interrupted write leaves what was
    there; a folder made for a file that then could not be written is taken away again. Nothing is written if
    one of the files must not be overwritten, or a folder is in its place.

    Args:
        ours: whether the bytes of a file are as symeq wrote them, by this version or another.
        remedy: what to do where the folder or a file in it cannot be written.

    A link stays, and what it leads to is written.

    Raises:
        OutputError: the folder is a file or cannot be written to, or a file is not as symeq wrote it and
            ``force`` is not given.
    """
    asked = list(contents)
    contents = dict(zip(map(_led_to, asked), contents.values(), strict=True))
    for path, content in contents.items():
        if os.path.isdir(path):
            raise OutputError(path, "is a folder, expected a file", remedy)
        if not force:
            _refuse_edited(path, content, ours)
    places = dict.fromkeys(place for path in contents for place in path.parents)
    made = [place for place in places if not os.path.exists(place)]
    aside: list[Path] = []
    folder = Path()
    try:
        for path, content in contents.items():
            folder = path.parent
            folder.mkdir(parents=True, exist_ok=True)
            aside.append(_new_file(folder))
            aside[-1].write_bytes(content)
        for written, path in zip(aside, contents, strict=True):
            os.replace(written, path)
    except BaseException as error:
        for written in aside:
            written.unlink(missing_ok=True)
        for place in sorted(made, key=lambda place: -len(place.parts)):
            with suppress(OSError):  # not empty, or never made
                place.rmdir()
        if isinstance(error, OSError):
            raise _output_error(error, folder, remedy) from error
        raise
    return asked


def _led_to(path: Path) -> Path:
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def _new_file(folder: Path) -> Path:
    """An empty file beside those to be written, with the permissions that they shall have."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=_ASIDE, suffix=".part")
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)  # mkstemp is for secrets; what is written here is none
    return Path(name)


def _output_error(error: OSError, folder: Path, remedy: str) -> OutputError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return OutputError(folder, "is a file, or lies in one: expected a folder", remedy)
    # Of a file that could not be put in its place, the second name is the one that was asked for.
    place = Path(error.filename2 or error.filename or folder)
    if place.name.startswith(_ASIDE):
        place = folder  # nobody asked for a file of that name
    if error.filename2 and error.errno == errno.ENAMETOOLONG:
        remedy = "Choose a shorter name; a layer takes one with --class-name."
    return OutputError(place, f"cannot be written ({error.strerror or error})", remedy)


def _refuse_edited(path: Path, wanted: bytes, ours: Callable[[bytes], bool]) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(path, "is no regular file, expected one or none", "Move it away.")
    if not os.path.isfile(path):
        return  # nothing to lose; if it cannot be written, writing says so
    try:
        found = path.read_bytes()
    except OSError:
        found = b""
    if found != wanted and not ours(found):
        raise OutputError(
            path,
            "holds something that symeq did not write, or that was edited since",
            "Move it away, or overwrite it with --force (in Python, force=True).",
        )
