"""What MkDocs does not do by itself: notebooks as pages, pictures, formulas as MathML, help texts, doctests.

Everything happens while the site is built, from files of this repository alone; the finished pages load
nothing from elsewhere and run no script for their formulas. ``mkdocs.yml`` names this file twice: as a hook
of MkDocs, and as an extension of Griffe, which reads the docstrings.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import griffe
import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from symeq import drawing, plan

log = logging.getLogger("mkdocs.hooks.symeq")

ROOT = Path(__file__).resolve().parent.parent
# Pages whose text lies outside docs/, with their places in the site.
ELSEWHERE = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
HELP = re.compile(r"^<!-- help(?P<command> [a-z]+)? -->$", re.MULTILINE)
PICTURE = re.compile(r"^<!-- picture (?P<call>.+) -->$", re.MULTILINE)
# Code, which is left alone, or a formula between $$ or $.
CODE_OR_FORMULA = re.compile(
    r"^[ ]*(?P<fence>```+|~~~+).*?^[ ]*(?P=fence)[ ]*$"
    r"|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|\$\$(?P<display>.+?)\$\$"
    r"|(?<![\\$\w])\$(?!\s)(?P<inline>[^$]+?)(?<![\s\\])\$(?![\d$])",
    re.MULTILINE | re.DOTALL,
)
PLACEHOLDERS = 0xE000  # private use: one character stands for a formula, and none is left in anchors
MOST_FORMULAS = 0x1900
# A prime is small and raised by itself; as an exponent it would be a speck.
PRIME = re.compile(r"<msup>(<m[in]>[^<]*</m[in]>)<mi>(&#x0203[234];)</mi></msup>")

# ---------------------------------------------------------------- files and navigation


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A ``*`` in the navigation stands for all pages that match, in the order of their names."""
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    pages += [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")]
    config.nav = spread(config.nav, sorted(pages))
    return config


def spread(nav: Any, pages: list[str]) -> Any:
    """The navigation with every pattern replaced by the pages that match it, possibly none."""
    if isinstance(nav, dict):
        return {title: spread(inner, pages) for title, inner in nav.items()}
    if not isinstance(nav, list):
        return nav
    entries = []
    for entry in nav:
        if isinstance(entry, str) and "*" in entry:
            entries += [page for page in pages if Path(page).match(entry)]
        else:
            entries.append(spread(entry, pages))
    return entries


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the notebooks, their pictures, and the pages that lie outside docs/."""
    for uri, path in ELSEWHERE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text, pictures = page_of(nbformat.read(path, as_version=4), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


# ---------------------------------------------------------------- notebooks


def page_of(notebook: nbformat.NotebookNode, stem: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by the names that the text uses."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            # Beside the notebooks lie docs/ in the repository and the other pages in the site.
            parts.append(re.sub(r"\]\((?:\.\./docs/)(?=[^)])", "](../", cell.source))
            parts[-1] = re.sub(r"(\]\([\w-]+)\.ipynb\b", r"\1.md", parts[-1])
        elif cell.cell_type == "code" and cell.source:
            parts.append(fenced(cell.source, "python"))
        for output in cell.get("outputs", ()):
            parts.append(shown(output, f"{stem}-{len(pictures)}", pictures))
    return "\n\n".join(parts) + "\n", pictures


def shown(output: nbformat.NotebookNode, name: str, pictures: dict[str, bytes]) -> str:
    """One output of a cell, in the best form that it has."""
    if output.output_type == "stream":
        return fenced(output.text, "text")
    data = output.data
    plain = data.get("text/plain", "")
    for kind, ending in (("image/svg+xml", "svg"), ("image/png", "png")):
        if kind in data:
            raw = data[kind]
            file = f"{name}.{ending}"
            pictures[file] = raw.encode() if ending == "svg" else base64.b64decode(raw)
            return f"![{plain.strip('<>').translate(str.maketrans('[]', '()'))}]({file})"
    for kind in ("text/markdown", "text/latex"):
        if kind in data:
            return str(data[kind])
    return fenced(plain, "text")


def fenced(text: str, language: str) -> str:
    """The text as a block of code, whatever it holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


# ---------------------------------------------------------------- pictures, formulas and help


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts pictures and help texts in, and a placeholder for every formula."""
    drawn = count()

    def draw(found: re.Match[str]) -> str:
        picture = eval(found["call"], vars(drawing) | {"plan": plan})
        name = f"{Path(page.file.src_uri).stem}-{next(drawn)}.svg"
        uri = (Path(page.file.src_uri).parent / name).as_posix()
        files.append(File.generated(config, uri, content=picture.svg()))
        return f"![{picture.title}]({name})"

    markdown = PICTURE.sub(draw, markdown)
    markdown = HELP.sub(lambda found: help_text((found["command"] or "").split()), markdown)
    formulas: list[str] = []

    def hold(found: re.Match[str]) -> str:
        latex = found["display"] or found["inline"]
        if latex is None:
            return found[0]
        formulas.append(mathml(latex, "block" if found["display"] else "inline", page.file.src_uri))
        return chr(PLACEHOLDERS + len(formulas) - 1)

    markdown = CODE_OR_FORMULA.sub(hold, markdown)
    assert len(formulas) <= MOST_FORMULAS, page
    page.meta["formulas"] = formulas
    return markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts the formulas back, in the text and in the table of contents."""
    formulas = {PLACEHOLDERS + at: text for at, text in enumerate(page.meta.pop("formulas"))}
    entries = list(page.toc.items)
    while entries:
        entry = entries.pop()
        entry.title = entry.title.translate(formulas)
        entries += entry.children
    return html.translate(formulas)


def mathml(latex: str, display: str, where: str) -> str:
    """A formula as MathML; what cannot be read is a warning, and so ends a strict build."""
    latex = re.sub(r"\\tag\{(.*?)\}", r"\\qquad\\text{(\1)}", latex)
    try:
        text = convert(latex, display=display)
    except Exception as error:  # of its own, and IndexError and the like
        log.warning("%s: the formula %s cannot be read: %r", where, latex, error)
        return latex
    if unknown := re.search(r">(\\[^<]*)<", text):
        log.warning("%s: the formula %s has a command that is not known: %s", where, latex, unknown[1])
    return PRIME.sub(r'<mrow>\1<mo lspace="0" rspace="0">\2</mo></mrow>', text)


def help_text(command: list[str]) -> str:
    """What ``symeq COMMAND --help`` prints, as a block of text."""
    call = [sys.executable, "-m", "symeq", *command, "--help"]
    environment = os.environ | {
        "COLUMNS": "100",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True)
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    return fenced("\n".join(lines).strip("\n"), "text")


# ---------------------------------------------------------------- docstrings


class Doctests(griffe.Extension):
    """Fences the examples in docstrings, which Markdown would take for quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of one object, once it is loaded."""
        if obj.docstring:
            obj.docstring.value = fence_examples(obj.docstring.value)


def fence_examples(text: str) -> str:
    """The text with a fence around each paragraph that begins with ``>>>``."""
    paragraphs = re.split(r"\n[ ]*\n", text)
    return "\n\n".join(
        fenced(part, "pycon") if part.lstrip().startswith(">>>") else part for part in paragraphs
    )
