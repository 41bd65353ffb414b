"""The documentation: every block of code runs and shows what it gives, and the site builds without a warning.

In a page a block of ``python`` runs, as a doctest if it begins with ``>>>``; all of one page share their
names. A block of ``python title="FILE"`` is written to that file. A block of ``console`` holds lines such as
``$ symeq count 2 2``, each with what it prints, or with nothing, if the page does not show it; ``...`` stands
for anything. ``json`` must parse, and there are no other languages. Each page has an empty folder.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import json
import os
import re
import shlex
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import symeq
from symeq.cli import app, main

pytestmark = pytest.mark.checkout

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = sorted((CHECKOUT / "docs").rglob("*.md"))
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[0-9]*.ipynb"))
LANGUAGES = {"python", "console", "json"}
QUICK = {"count", "show", "prove", "check", "generate"}  # commands that take seconds
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<head>[^`\n]*)\n(?P<body>.*?)^ *(?P=fence) *$", re.M | re.S
)
FLAGS = doctest.ELLIPSIS
COLUMNS = doctest.NORMALIZE_WHITESPACE  # the widths of a table hang on rows that a page leaves out


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
    """What ``symeq ...``, or ``python ...``, prints, and its exit code."""
    name, *arguments = shlex.split(call, comments=True)
    if name == "python":
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr, done.returncode
    if name != "symeq":
        raise AssertionError(f"only symeq and python run in a console block, not {name!r}")
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
            fits = doctest.OutputChecker().check_output(plain(shown), plain(printed), FLAGS | COLUMNS)
            assert fits, f"{where}: {call}\nprints\n{printed}\nand the page shows\n{shown}"
        if code:
            told = [following for following, _ in calls[at + 1 : at + 2]] == ["echo $?"]
            assert told, (
                f"{where}: {call}\nhas the exit code {code}, which is not shown; it prints\n{printed}"
            )
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
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, from which modules can be imported, as from a shell; what was is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    "path",
    [CHECKOUT / "README.md", *PAGES],
    ids=["README.md", *(str(path.relative_to(CHECKOUT / "docs")) for path in PAGES)],
)
def test_every_block_of_the_page_runs(path: Path, folder: Path, seed: int) -> None:
    """What a page shows is what one gets."""
    run_page(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(CHECKOUT / "docs")) for path in PAGES])
def test_no_block_is_hidden_from_the_runner(path: Path) -> None:
    """Every block of code is fenced by backticks; what is indented, or fenced by tildes, would not run."""
    assert hidden_blocks(path.read_text(encoding="utf-8")) == []


def hidden_blocks(page: str) -> list[str]:
    """The first lines of blocks that are code for Markdown and nothing for ``blocks``."""
    text = re.sub(
        r"^!!! .*\n(?:\n| {4}.*\n)*", "", FENCE.sub("", page), flags=re.M
    )  # admonitions are indented
    return [
        line.strip() for line in re.findall(r"^[ ]*\n(?: {4}|\t)[^\n]*|^[ ]*(?:```|~~~)[^\n]*", text, re.M)
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Text.\n\n    $ symeq count\n", ["$ symeq count"]),
        ("Text.\n\n~~~python\n1\n~~~\n", ["~~~python", "~~~"]),
        ("Text.\n\n```python\n1\n", ["```python"]),
        ("Text.\n\n!!! note\n\n    No code.\n\nText.\n", []),
        ("Text.\n\n```python\nif x:\n\n    y\n```\n", []),
    ],
)
def test_hidden_blocks_are_found(text: str, found: list[str]) -> None:
    """Indented, fenced in another way, or never closed."""
    assert hidden_blocks(text) == found


def test_the_blocks_are_found() -> None:
    """There are pages, and blocks of every sort that run."""
    found = [block for path in PAGES for block in blocks(path.read_text(encoding="utf-8"))]
    assert len(PAGES) > 20
    kinds = Counter((block.language, block.text.startswith(">>> "), bool(block.title)) for block in found)
    assert kinds["python", True, False] > 50
    assert min(kinds["python", False, False], kinds["console", False, False]) > 5
    assert kinds["python", False, True] >= 1


def page(language: str, *lines: str) -> str:
    """A page with one block."""
    return "\n".join(["Text.", "", f"```{language}", *lines, "```", ""])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (page("python", ">>> 1 + 1", "3"), "Got:"),
        (page("python", "assert 1 + 1 == 3"), None),
        (page("python", "undefined"), None),
        (page("sh", "symeq count 2 2"), "'sh' is none of"),
        (page("", "symeq count 2 2"), "'' is none of"),
        (page("text", "symeq count 2 2"), "'text' is none of"),
        (page("console", "symeq count 2 2"), "begins with"),
        (page("console", "$ pip install symeq"), "only symeq and python run"),
        (page("console", "$ python -c 'print(6 * 7)'", "43"), "the page shows"),
        (page("console", "$ python -c 'raise SystemExit(3)'"), "exit code 3, which is not shown"),
        (page("console", "$ symeq count 2 2", "no such words"), "the page shows"),
        (page("console", "$ symeq count 2 2", "...", "  operators       16"), "the page shows"),
        (page("console", "$ symeq count two"), "exit code 2, which is not shown"),
        (page("console", "$ symeq count two", "symeq: ...", "$ echo $?", "0"), "the page shows"),
        (page("json", "{"), None),
    ],
)
def test_the_runner_complains(text: str, complaint: str | None, folder: Path) -> None:
    """A page that shows something else than what is does not pass."""
    with pytest.raises((AssertionError, NameError, ValueError)) as raised:
        run_page(text, "page.md")
    assert complaint is None or complaint in str(raised.value)


def test_the_runner_accepts_what_is_true(folder: Path) -> None:
    """Names go on from block to block, files can be imported, exit codes shown."""
    text = (
        page('python title="mine.py"', "ANSWER = 42")
        + page("python", "import mine")
        + page("python", ">>> mine.ANSWER", "42")
    )
    text += page("console", "$ symeq count 2 2  # a remark", "...", "  operators       15", "...")
    text += page("console", "$ symeq count two", "symeq: ...", "$ echo $?", "2")
    assert run_page(text, "page.md") == 6


def test_the_readme_names_calls_that_exist(folder: Path) -> None:
    """Every ``symeq ...`` line of the README names a command, and options that it has; the quick ones run."""
    known = {info.callback.__name__: option_names(info.callback.__name__) for info in app.registered_commands}
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    symeq (.*)$", readme, re.M)
    assert len(lines) > 10
    for line in lines:
        command, *rest = shlex.split(line, comments=True)
        assert command in known, line
        assert {word for word in rest if word.startswith("--")} <= known[command], line
        if command in QUICK:
            assert run_call(f"symeq {line}")[1] == 0, line


def test_the_make_targets_that_are_named_exist() -> None:
    """Every ``make ...`` of the README, of CONTRIBUTING and of the pages is in the Makefile."""
    rules = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", rules, re.M)) | {"test-wheel", "test-checkout"}
    for path in (CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *PAGES):
        named = re.findall(
            r"(?:^    |`)(?:\w+=\S+ )?make (?:\w+=\S+ )*([a-z-]+)", path.read_text(encoding="utf-8"), re.M
        )
        assert set(named) <= targets, path
    assert {"demo", "test", "notebooks", "docs"} <= targets


def option_names(command: str) -> set[str]:
    """The options of a command, as its ``--help`` has them."""
    text, code = run_call(f"symeq {command} --help")
    assert code == 0
    return set(re.findall(r"--[a-z][a-z-]*", text))


# ---------------------------------------------------------------- the site


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """``docs/hooks.py``, which MkDocs loads by its path."""
    spec = importlib.util.spec_from_file_location("symeq_docs_hooks", CHECKOUT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """MkDocs in a process of its own, with warnings as errors."""
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        call, cwd=config.parent, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    built = build(CHECKOUT / "mkdocs.yml", folder)
    assert built.returncode == 0 and "WARNING" not in built.stderr, built.stderr
    return folder


class Page(HTMLParser):
    """What a page loads when it is opened, its text outside code and formulas, its number of formulas."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""
        self.formulas = 0
        self.inside: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes sources, and the elements whose text does not count."""
        values = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.loads.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") in ("stylesheet", "preconnect", "icon"):
            self.loads.append(values.get("href") or "")
        if tag in ("code", "math", "script", "style", "svg"):
            self.inside.append(tag)
        self.formulas += tag == "math"

    def handle_endtag(self, tag: str) -> None:
        """Leaves such an element."""
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        """Gathers the text."""
        if not self.inside:
            self.text += data


class TestSite:
    def test_it_builds_and_has_every_page(self, site: Path) -> None:
        """Every page of docs/, every notebook, and the changelog are there; the hooks are not."""
        wanted = {path.relative_to(CHECKOUT / "docs").with_suffix(".html") for path in PAGES}
        wanted |= {Path("notebooks", f"{path.stem}.html") for path in NOTEBOOKS}
        wanted |= {Path("changelog.html"), Path("contributing.html")}
        assert NOTEBOOKS and [str(path) for path in sorted(wanted) if not (site / path).is_file()] == []
        assert not (site / "hooks.py").exists()

    def test_every_page_can_be_reached_from_the_start(self, site: Path) -> None:
        """The navigation has all of them."""
        start = (site / "index.html").read_text(encoding="utf-8")
        linked = set(re.findall(r'href="([^"#]+\.html)"', start))
        for tab in list(linked):
            text = (site / tab).read_text(encoding="utf-8")
            here = (site / tab).parent
            for link in re.findall(r'href="([^":#]+\.html)"', text):
                linked.add(os.path.relpath(here / link, site))
        pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {"404.html"}
        assert sorted(pages - linked) == []

    def test_it_loads_nothing_from_elsewhere(self, site: Path) -> None:
        """Scripts, styles, pictures and icons are files of the site."""
        for path in site.rglob("*.html"):
            assert [source for source in Page(path).loads if "//" in source] == [], path

    def test_formulas_are_shown_as_formulas(self, site: Path) -> None:
        """None is left as LaTeX, none as a placeholder."""
        pages = {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}
        assert pages["proofs.html"].formulas > 100 and pages["theory/bases.html"].formulas > 20
        assert pages["notebooks/04_graphs.html"].formulas > 20
        for name, found in pages.items():
            assert not re.search("\\$|[\ue000-\uf8ff]", found.text), name

    def test_pictures_are_drawn_and_described(self, site: Path) -> None:
        """Where a page asks for one there is one; every picture of the site is a file, with words for it."""
        asked = {path: path.read_text(encoding="utf-8").count("<!-- picture ") for path in PAGES}
        assert sum(asked.values()) >= 8
        for path, number in asked.items():
            html = (
                (site / path.relative_to(CHECKOUT / "docs")).with_suffix(".html").read_text(encoding="utf-8")
            )
            assert html.count("<img") == number and "<!-- picture " not in html
        for path in site.rglob("*.html"):
            for tag in re.findall(r"<img [^>]*>", path.read_text(encoding="utf-8")):
                words, source = (re.search(f'{name}="([^"]+)"', tag) for name in ("alt", "src"))
                assert words and source and (path.parent / source[1]).is_file(), (path, tag)

    def test_notebooks_show_their_outputs(self, site: Path) -> None:
        """Pictures, text and tables of the committed outputs are in the pages."""
        for path in NOTEBOOKS:
            html = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
            cells = nbformat.read(path, as_version=4).cells
            drawn = sum(
                "image" in kind
                for cell in cells
                for o in cell.get("outputs", ())
                for kind in o.get("data", ())
            )
            assert drawn and html.count("<img") == drawn
            assert all(
                (path.parent / source).suffix for source in re.findall(r'<img [^>]*src="([^"]+)"', html)
            )

    def test_the_reference_has_every_public_name(self, site: Path) -> None:
        """What ``symeq`` exports, and every error, has an entry; so has every command."""
        inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
        listed = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
        for name in set(symeq.__all__) - {"__version__"}:
            found = getattr(symeq, name)
            defined = f"{found.__module__}.{found.__qualname__}"
            # symeq.verify, symeq.prove and symeq.audit call a function of the same name elsewhere.
            assert defined in listed or any(entry.endswith(f".{name}") for entry in listed), name
        errors = {name for name, found in vars(symeq.errors).items() if isinstance(found, type)} - {"Path"}
        assert {f"symeq.errors.{name}" for name in errors} <= listed
        commands = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
        for info in app.registered_commands:
            assert f"Usage: symeq {info.callback.__name__}" in commands

    @pytest.mark.parametrize(
        ("text", "complaints"),
        [
            (
                "[link](nowhere.md) $\\nosuchcommand x$ $a_1_2$",
                ["nowhere.md", "nosuchcommand", "a_1_2"],
            ),
            ("::: symeq.nosuchname", ["symeq.nosuchname"]),
        ],
    )
    def test_a_broken_page_does_not_build(self, text: str, complaints: list[str], tmp_path: Path) -> None:
        """A link to nowhere, a formula that cannot be read, a name that is not there: each is told."""
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{text}\n")
        config = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8")
        config = re.sub(
            r"^nav:\n(  .*\n)+",
            "nav: [index.md, 'notebooks/*.md', contributing.md, changelog.md]\n",
            config,
            flags=re.M,
        )
        config = config.replace("docs/hooks.py", f"{CHECKOUT}/docs/hooks.py").replace("[.]", f"[{CHECKOUT}]")
        (tmp_path / "mkdocs.yml").write_text(config)
        built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
        assert built.returncode == 1
        assert [complaint for complaint in complaints if complaint not in built.stderr] == []


def test_a_pattern_in_the_navigation_is_every_page_that_matches(hooks: ModuleType) -> None:
    """In order; nothing, if there is none."""
    nav = [{"A": "a.md"}, {"B": ["b/*.md", "none*.md"]}, "c.md"]
    assert hooks.spread(nav, ["a.md", "b/1.md", "b/2.md"]) == [
        {"A": "a.md"},
        {"B": ["b/1.md", "b/2.md"]},
        "c.md",
    ]


def test_a_notebook_becomes_a_page(hooks: ModuleType) -> None:
    """Text as it stands, code and outputs fenced, pictures as files, links to where pages are."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(
                "# T\n\n[a](../docs/proofs.md), [b](03_sets.ipynb#x), [c](https://x.org/y.ipynb)"
            ),
            new_code_cell(
                "print('```')",
                outputs=[
                    new_output("stream", text="```\n"),
                    new_output("display_data", {"image/svg+xml": "<svg/>", "text/plain": "<Drawing [1]>"}),
                    new_output("display_data", {"text/latex": "$x$", "text/plain": "x"}),
                ],
            ),
        ]
    )
    text, pictures = hooks.page_of(notebook, "nb")
    assert "[a](../proofs.md), [b](03_sets.md#x), [c](https://x.org/y.ipynb)" in text
    assert "````python\nprint('```')\n````\n\n````text\n```\n````" in text
    assert "![Drawing (1)](nb-0.svg)" in text and pictures == {"nb-0.svg": b"<svg/>"}
    assert text.endswith("\n\n$x$\n")


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x$ and $$y$$ and `$z$`", ["x", "y"]),
        ("```text\n$ symeq $x$\n```\n\n$x$", ["x"]),
        ("costs $5 and $6", []),
        ("``a ` $x$ b`` $y$", ["y"]),
        ("    $$\n    a\n    $$", ["\n    a\n    "]),
    ],
)
def test_formulas_are_told_from_code(hooks: ModuleType, text: str, formulas: list[str]) -> None:
    """Dollars in code, and dollars that are money, are no formulas."""
    found = [m["display"] or m["inline"] for m in hooks.CODE_OR_FORMULA.finditer(text)]
    assert [formula for formula in found if formula] == formulas


def test_examples_in_docstrings_become_blocks(hooks: ModuleType) -> None:
    """Markdown would take ``>>>`` for quotations."""
    assert hooks.fence_examples("A sum.\n\n>>> 1 + 1\n2\n\nNo more.") == (
        "A sum.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nNo more."
    )
    assert hooks.fence_examples("No sum, 2 >>> 1.") == "No sum, 2 >>> 1."
