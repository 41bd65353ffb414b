"""The documentation: every block of code runs and shows what it gives, and the site builds without a warning.

In a page a block of ``python`` runs, as a doctest if it begins with ``>>>``; all of one page share their names. A
block of ``python title="FILE"`` is written to that file. A block of ``console`` holds ``$ symeq ...`` lines, each
with what it prints, or with nothing, if the page does not show it; ``...`` stands for anything. Other languages are
``text``, which does not run, and ``json``, which must parse. Each page has an empty folder of its own.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer

import symeq
from symeq.cli import app, main

pytestmark = pytest.mark.checkout

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = sorted((CHECKOUT / "docs").rglob("*.md"))
LANGUAGES = {"python", "console", "json", "text"}
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<head>[^`\n]*)\n(?P<body>.*?)^ *(?P=fence) *$", re.M | re.S)
FLAGS = doctest.ELLIPSIS


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the file it is written to if any, its text, its line."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in FENCE.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] or "\n" for line in match["body"].splitlines(keepends=True))
        title = re.search(r'title="([^"]+)"', match["head"])
        language = (match["head"].split() or [""])[0]
        found.append(Block(language, title and title[1], text, page[: match.start()].count("\n") + 1))
    return found


def commands(text: str) -> list[tuple[str, str]]:
    """The calls of a console block, each with the output that the page shows."""
    parts = re.split(r"^\$ ", text, flags=re.M)
    if parts[0].strip():
        raise AssertionError(f"a console block begins with '$ ', not with {parts[0]!r}")
    return [(call.replace("\\\n", " "), shown) for call, shown in (split_call(part) for part in parts[1:])]


def split_call(part: str) -> tuple[str, str]:
    """The call, which goes on after a backslash at the end of a line, and what follows it."""
    match = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.S)
    assert match is not None, part
    return match[1], match[2]


def run_call(call: str) -> tuple[str, int]:
    """What ``symeq ...`` prints, and its exit code."""
    name, *arguments = shlex.split(call, comments=True)
    if name != "symeq":
        raise AssertionError(f"only symeq runs in a console block, not {name!r}")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(arguments)
    return out.getvalue(), code


def run_console(text: str, where: str) -> int:
    """Runs the calls of a console block, one after another; how many there are.

    An exit code other than 0 must be shown by ``$ echo $?`` on the next line.
    """
    calls, code = commands(text), 0
    for at, (call, shown) in enumerate(calls):
        asked = call.strip() == "echo $?"
        printed, code = (f"{code}\n", 0) if asked else run_call(call)
        if shown.strip() or asked:
            fits = doctest.OutputChecker().check_output(plain(shown), plain(printed), FLAGS)
            assert fits, f"{where}: {call}\nprints\n{printed}\nand the page shows\n{shown}"
        if code:
            told = [following for following, _ in calls[at + 1 : at + 2]] == ["echo $?"]
            assert told, f"{where}: {call}\nhas the exit code {code}, which is not shown; it prints\n{printed}"
    return len(calls)


def plain(text: str) -> str:
    """The text without blanks at the ends of lines, and without blank lines at its ends."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"


def run_page(page: str, name: str) -> int:
    """Runs the blocks of a page in the current folder; the number of things that ran.

    Raises:
        AssertionError, or what a block raises: the page does not say what is.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    ran = 0
    for block in blocks(page):
        where = f"{name}, line {block.line}"
        if block.language not in LANGUAGES:
            raise AssertionError(f"{where}: {block.language!r} is none of {sorted(LANGUAGES)}")
        if block.language == "json":
            json.loads(block.text)
        if block.title:
            Path(block.title).write_text(block.text)
            ran += 1
        elif block.language == "python" and block.text.startswith(">>> "):
            test = doctest.DocTestParser().get_doctest(block.text, names, where, name, block.line)
            complaints: list[str] = []
            runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
            result = runner.run(test, out=complaints.append, clear_globs=False)
            names.update(test.globs)
            assert not result.failed, "".join(complaints)
            ran += result.attempted
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, name, "exec"), names)
            ran += 1
        elif block.language == "console":
            ran += run_console(block.text, where)
    return ran


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, from which modules can be imported, as from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and str(sys.modules[name].__file__).startswith(
            str(tmp_path)
        ):
            del sys.modules[name]


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(CHECKOUT / "docs")) for path in PAGES])
def test_every_block_of_the_page_runs(path: Path, folder: Path, seed: int) -> None:
    """What a page shows is what one gets."""
    run_page(path.read_text(), path.name)


def test_the_blocks_are_found() -> None:
    """There are pages, and they have blocks that run."""
    ran = [block for path in PAGES for block in blocks(path.read_text()) if block.language != "text"]
    assert len(PAGES) > 20 and len(ran) > 60
    kinds = {(block.language, block.text.startswith(">>> ")) for block in ran}
    assert {("python", True), ("python", False), ("console", False)} <= kinds
