"""Files written whole or not at all, and never over something that somebody else made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from symeq.errors import OutputError


def write_files(
    contents: Mapping[Path, bytes],
    ours: Callable[[bytes], bool],
    force: bool = False,
    remedy: str = "Name another place with --out.",
) -> list[Path]:
    """Writes each content to its path (folders are made where missing) and returns the paths.

    A file is written aside and renamed, so that an interrupted write leaves what was there; a folder made
    for a file that then could not be written is taken away again. Nothing is written if one of the files
    must not be overwritten.

    Args:
        ours: whether the bytes of a file are as symeq wrote them, by this version or another.
        remedy: what to do where the folder or a file in it cannot be written.

    Raises:
        OutputError: the folder is a file or cannot be written to, or a file is not as symeq wrote it and
            ``force`` is not given.
    """
    if not force:
        for path, content in contents.items():
            _refuse_edited(path, content, ours)
    places = dict.fromkeys(place for path in contents for place in path.parents)
    made = [place for place in places if not os.path.exists(place)]
    folder = Path()
    try:
        for path, content in contents.items():
            folder = path.parent
            folder.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
    except BaseException as error:
        for place in sorted(made, key=lambda place: -len(place.parts)):
            with suppress(OSError):  # not empty, or never made
                place.rmdir()
        if isinstance(error, OSError):
            raise _output_error(error, folder, remedy) from error
        raise
    return list(contents)


def _output_error(error: OSError, folder: Path, remedy: str) -> OutputError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return OutputError(folder, "is a file, expected a folder", remedy)
    place = Path(error.filename2 or error.filename or folder)
    if isinstance(error, IsADirectoryError):
        return OutputError(place, "is a folder, expected a file", remedy)
    return OutputError(place, f"cannot be written ({error.strerror or error})", remedy)


def _refuse_edited(path: Path, wanted: bytes, ours: Callable[[bytes], bool]) -> None:
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


def _replace(path: Path, content: bytes) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)  # mkstemp is for secrets; what is written here is none
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
