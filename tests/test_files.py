"""Files are written whole or not at all, and never over what somebody else made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from symeq.errors import OutputError
from symeq.files import write_files


def ours(content: bytes) -> bool:
    """In these tests symeq's own files begin with a word."""
    return content.startswith(b"ours")


def files_in(folder: Path) -> dict[str, bytes | None]:
    """All that lies below ``folder``: the bytes of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_files_go_to_their_folders(tmp_path: Path) -> None:
    """Folders are made, paths returned in order, and nothing is left beside the files."""
    contents = {tmp_path / "a" / "b" / "x": b"1", tmp_path / "c" / "y": b"", tmp_path / "z": b"\xff\n\r\n"}
    assert write_files(contents, ours) == list(contents)
    assert files_in(tmp_path) == {
        "a": None,
        "a/b": None,
        "a/b/x": b"1",
        "c": None,
        "c/y": b"",
        "z": b"\xff\n\r\n",
    }
    assert write_files({}, ours) == []


def test_one_foreign_file_stops_all(tmp_path: Path) -> None:
    """What symeq wrote, and what is already as wanted, may be overwritten; anything else with force only."""
    (tmp_path / "old").write_bytes(b"ours 1")
    (tmp_path / "same").write_bytes(b"equal")
    (tmp_path / "theirs").write_bytes(b"work")
    before = files_in(tmp_path)
    contents = {tmp_path / "new" / "x": b"x", tmp_path / "old": b"ours 2", tmp_path / "same": b"equal"}
    with pytest.raises(OutputError, match=r"theirs.*edited.*--force"):
        write_files(contents | {tmp_path / "theirs": b"ours"}, ours)
    assert files_in(tmp_path) == before
    write_files(contents, ours)
    write_files({tmp_path / "theirs": b"ours"}, ours, force=True)
    wanted = {"new/x": b"x", "old": b"ours 2", "same": b"equal", "theirs": b"ours"}
    assert {name: content for name, content in files_in(tmp_path).items() if content is not None} == wanted


def test_links_stay_and_are_written_through(tmp_path: Path) -> None:
    """Also one that leads nowhere yet; what is no file at all is left alone."""
    (tmp_path / "there").mkdir()
    (tmp_path / "old").symlink_to("there/old")
    (tmp_path / "new").symlink_to("there/new")
    (tmp_path / "there" / "old").write_bytes(b"ours 1")
    contents = {tmp_path / "old": b"ours 2", tmp_path / "new": b"ours 3"}
    assert write_files(contents, ours) == list(contents)
    assert (tmp_path / "old").is_symlink() and (tmp_path / "new").is_symlink()
    assert (tmp_path / "there" / "old").read_bytes() == b"ours 2"
    assert (tmp_path / "there" / "new").read_bytes() == b"ours 3"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="no regular file"):
        write_files({tmp_path / "pipe": b"ours"}, ours)
    assert (tmp_path / "pipe").is_fifo()


def test_a_failure_on_the_way_keeps_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were done stay whole, the failed one is as it was, and empty new folders are gone."""
    (tmp_path / "second").write_bytes(b"ours 1")
    replace, calls = os.replace, []

    def once(source: str, target: Path) -> None:
        calls.append(target)
        if len(calls) > 1:
            raise PermissionError(13, "Permission denied", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", once)
    contents = {
        tmp_path / "a" / "first": b"1",
        tmp_path / "second": b"ours 2",
        tmp_path / "b" / "third": b"3",
    }
    with pytest.raises(OutputError, match=r"second.*Permission denied.*Elsewhere"):
        write_files(contents, ours, remedy="Elsewhere.")
    assert files_in(tmp_path) == {"a": None, "a/first": b"1", "second": b"ours 1"}


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    """A file on the way and a folder in the place of a file are named."""
    (tmp_path / "file").write_bytes(b"ours")
    (tmp_path / "folder").mkdir()
    before = files_in(tmp_path)
    for path, problem in ((tmp_path / "file" / "x", "is a file"), (tmp_path / "folder", "is a folder")):
        with pytest.raises(OutputError, match=problem):
            write_files({path: b"x"}, ours)
    assert files_in(tmp_path) == before


def test_a_folder_that_may_not_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the folder that was asked for, not the file that was to be written aside."""

    def refuse(dir: Path, prefix: str, suffix: str) -> None:
        raise PermissionError(13, "Permission denied", str(dir / f"{prefix}x{suffix}"))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OutputError) as raised:
        write_files({tmp_path / "new" / "x": b"x"}, ours, remedy="Elsewhere.")
    assert str(raised.value) == f"{tmp_path / 'new'}: cannot be written (Permission denied). Elsewhere."
    assert files_in(tmp_path) == {}
