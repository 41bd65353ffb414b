"""``symeq show --svg`` and ``--png``: which files are written, what is said, and what a wrong call leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from symeq import cli, drawing
from symeq.pipeline import plan

NAMES = ("operators", "weights", "lattice", "plan")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``symeq show WORDS...`` in this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(("show", *words))
        return (code, *capsys.readouterr())

    return run


def files_in(folder: Path) -> dict[str, bytes | None]:
    """All that lies below ``folder``: the bytes of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_svg_files_are_written_and_named(call: Call, tmp_path: Path) -> None:
    """One path a line; each file is the picture that the API gives."""
    code, out, err = call("n n -> n n", "--svg", "some/where", "--n", "3", "--kind", "orbit")
    paths = [f"some/where/equivariant_2to2_{name}.svg" for name in NAMES]
    assert (code, out.splitlines(), err) == (0, [str(Path(path)) for path in paths], "")
    wanted = (
        drawing.sheet("n n -> n n").svg().replace("diagram basis", "orbit basis"),
        drawing.weight_sharing("n n -> n n", 3).svg(),
        drawing.lattice("n n -> n n").svg(),
        drawing.plan_graph(plan("n n -> n n")).svg(),
    )
    for path, svg in zip(paths[1:], wanted[1:], strict=True):
        assert (tmp_path / path).read_text(encoding="utf-8") == svg
    assert "15 operators of the orbit basis" in (tmp_path / paths[0]).read_text(encoding="utf-8")
    assert set(files_in(tmp_path)) == {"some", "some/where", *paths}


def test_png_files_are_written(call: Call, tmp_path: Path) -> None:
    """Both forms go to their own folders, or to the same."""
    pytest.importorskip("matplotlib")
    assert call("2", "1", "--svg", "a", "--png", "b")[0] == 0
    found = files_in(tmp_path)
    assert [name for name in found if name.endswith(".png")] == sorted(
        f"b/equivariant_2to1_{name}.png" for name in NAMES
    )
    for name, content in found.items():
        if name.endswith(".png"):
            assert content is not None and content.startswith(b"\x89PNG")
    assert call("2", "1", "--svg", "c", "--png", "c")[0] == 0
    assert len(list((tmp_path / "c").iterdir())) == 8


@pytest.mark.parametrize("spec", ["u i -> u i", "->", "-> n", "n n ->", "a b -> b c"])
def test_any_signature_can_be_drawn(call: Call, tmp_path: Path, spec: str) -> None:
    """All pictures, well-formed."""
    code, out, err = call(spec, "--svg", ".")
    assert (code, err, len(out.splitlines())) == (0, "", 4)
    for path in out.splitlines():
        assert ET.parse(tmp_path / path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_json_names_the_files(call: Call) -> None:
    """One document: the paths, and why something is left out."""
    code, out, _ = call("3", "4", "--svg", "d", "--json")
    found = json.loads(out)
    assert code == 0 and found["signature"] == "n n n -> n n n n" and found["kind"] == "diagram"
    assert found["paths"] == [str(Path("d", "equivariant_3to4_weights.svg"))]
    assert set(found["left_out"]) == {"operators", "lattice", "plan"}
    assert "877" in found["left_out"]["lattice"] and "the limit is 64" in found["left_out"]["lattice"]


def test_what_is_too_large_is_left_out_and_said(call: Call, tmp_path: Path) -> None:
    """With its size and what can be drawn instead; ``--limit`` draws part of the sheet."""
    code, out, err = call("3", "4", "--svg", "d")
    lines = out.splitlines()
    assert (code, err) == (0, "") and lines[0].endswith("_weights.svg")
    assert [line.partition(" not drawn: ")[0] for line in lines[1:]] == ["operators", "lattice", "plan"]
    assert "892" in lines[1] and "--limit 100" in lines[1]
    code, out, err = call("3", "4", "--svg", "d", "--limit", "20")
    assert (tmp_path / "d" / "equivariant_3to4_operators.svg").read_text().count('class="operator"') == 20


BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "an empty folder": (("2", "2", "--svg", ""), ("--svg is empty", "folder")),
    "an empty folder for PNG": (("2", "2", "--png", " "), ("--png is empty", "folder")),
    "a file for a folder": (("2", "2", "--svg", os.devnull), (os.devnull, "is a file", "--svg")),
    "a file for one of two": (
        ("2", "2", "--svg", "d", "--png", os.devnull),
        (os.devnull, "is a file", "--png"),
    ),
    "a file on the way": (("2", "2", "--svg", f"{os.devnull}/d"), (os.devnull, "is a file", "--svg")),
    "a size too large": (("2", "2", "--svg", "d", "--n", "9"), ("81", "64", "Sizes up to 8")),
    "no size": (("2", "2", "--svg", "d", "--n", "x"), ("--n", "'x'", "--n 3")),
    "too few sizes": (("u i -> u", "--svg", "d", "--n", "u=2"), ("'i'",)),
    "too many operators": (("4", "4", "--svg", "d", "--limit", "999"), ("999", "240", "--limit 100")),
    "a negative limit": (("2", "2", "--svg", "d", "--limit", "-1"), ("--limit", "'-1'")),
    "everything too large": (("20", "20", "--svg", "d"), ("157450588391204931289376068860766439", "240")),
    "an absurd limit": (("20", "20", "--svg", "d", "--limit", "9" * 30), ("9" * 30, "240")),
    "an unknown basis": (("2", "2", "--svg", "d", "--kind", "fourier"), ("'fourier'", "orbit")),
    "pictures and the list of steps": (("2", "2", "--svg", "d", "--plan"), ("--plan", "--svg")),
    "a size without pictures": (("2", "2", "--n", "3"), ("--n", "--svg")),
    "force without pictures": (("2", "2", "--force"), ("--force", "--svg")),
    "no SPEC": (("--svg", "d"), ("no SPEC",)),
    "no folder": (("2", "2", "--svg"), ("--svg", "requires an argument")),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_call_says_so_and_writes_nothing(call: Call, tmp_path: Path, case: str) -> None:
    """Exit code 2, a few words on stderr that name what came and what to do."""
    words, wanted = BAD[case]
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err.startswith("symeq: ") and err.count("\n") <= 2
    assert [word for word in wanted if word not in err] == []
    assert files_in(tmp_path) == {}


def test_a_picture_edited_by_hand_is_kept(call: Call, tmp_path: Path) -> None:
    """What symeq drew is drawn anew; anything else only with ``--force``, and then nothing is written."""
    assert call("1", "1", "--svg", "d", "--n", "2")[0] == 0
    assert call("1", "1", "--svg", "d", "--n", "3")[0] == 0
    path = tmp_path / "d" / "equivariant_1to1_plan.svg"
    path.write_text(path.read_text(encoding="utf-8").replace("#009e73", "#000000"), encoding="utf-8")
    before = files_in(tmp_path)
    code, out, err = call("1", "1", "--svg", "d", "--png", "e", "--n", "2")
    assert (code, out) == (2, "") and str(path.relative_to(tmp_path)) in err and "--force" in err
    assert files_in(tmp_path) == before
    assert call("1", "1", "--svg", "d", "--n", "3", "--force")[0] == 0
    assert files_in(tmp_path) != before


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "Permission denied"), 2), (KeyboardInterrupt(), 130)]
)
def test_a_failed_write_leaves_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """Neither a file nor a folder made for one stays."""

    def refuse(*_: object) -> None:
        raise error

    (tmp_path / "here").mkdir()
    monkeypatch.setattr(os, "replace", refuse)
    found, out, err = call("1", "1", "--svg", "here/a/b", "--png", "here/a/c")
    assert (found, out) == (code, "")
    assert code != 2 or ("cannot be written" in err and "--svg or --png" in err)
    assert files_in(tmp_path) == {"here": None}


def test_without_matplotlib_svg_is_written_and_png_is_refused(tmp_path: Path) -> None:
    """The message names the library and how to install it; nothing is half-written."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('matplotlib', 'torch', 'jinja2')))\n"
        "from symeq.cli import main\nsys.exit(main())"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, "show", "2", "0", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    done = run("--svg", "d", "--png", "e")
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr
    assert "pip install matplotlib" in done.stderr and files_in(tmp_path) == {}
    done = run("--svg", "d")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 4)


def test_help_tells_of_pictures(call: Call) -> None:
    """The options are in ``symeq show --help``."""
    code, out, _ = call("--help")
    assert code == 0 and all(option in out for option in ("--svg", "--png", "--force", "--n"))
