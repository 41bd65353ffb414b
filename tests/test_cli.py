"""The command line: what it prints, its exit codes, and what a wrong call leaves behind (nothing)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import pytest
import sympy
from sympy.functions.combinatorial.numbers import stirling

import symeq
from symeq import cli

COMMANDS = ("count", "show", "prove", "check", "generate", "verify", "audit", "bench")


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``symeq WORDS...`` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        capsys.readouterr()
        code = cli.main(words)
        return Outcome(code, *capsys.readouterr())

    return run


def process(*words: str, code: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Runs ``symeq WORDS...`` in a process of its own, after the statements of ``code``."""
    program = f"{code}\nimport sys\nfrom symeq.cli import main\nsys.exit(main())"
    settings: dict[str, object] = {"capture_output": True, "text": True, "check": False} | options
    return subprocess.run([sys.executable, "-c", program, *words], **settings)


def files_in(folder: Path) -> dict[str, bytes | None]:
    """All that lies below ``folder``: the bytes of files, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def sealed(text: str) -> str:
    """An emitted module with its digest made anew, as another version would have written it."""
    blank = re.sub(r"(?m)^(content:  sha256 )[0-9a-f]{64}", rf"\g<1>{'0' * 64}", text, count=1)
    digest = hashlib.sha256(blank.encode()).hexdigest()
    return blank.replace(f"content:  sha256 {'0' * 64}", f"content:  sha256 {digest}", 1)


# ------------------------------------------------------------------ wrong calls

A_SPEC = ("2", "2")
OUT = ("--out", "d")

# The words of the call, and what the message must say.
BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no command": ((), ("no command", *COMMANDS)),
    "unknown command": (("frobnicate",), ("frobnicate", "symeq --help")),
    "a misspelt command": (("cuont", "2", "2"), ("'cuont'", "symeq --help")),
    "unknown option before a command": (("--frob", "count", "2", "2"), ("--frob", "symeq --help")),
    "no SPEC": (("count",), ("no SPEC", "n n -> n n", "2 2")),
    "an empty SPEC": (("count", ""), ("no SPEC", "n n -> n n")),
    "no arrow": (("count", "n n"), ("'n n'", "no '->'", "n n -> n n")),
    "two arrows": (("count", "n -> n -> n"), ("'n -> n -> n'", "2 times '->'")),
    "a name that begins with a digit": (("count", "1n -> n"), ("'1n'", "no index-set name", "letters")),
    "direct sums": (("count", "n + n n -> n"), ("'+'", "reserved", "direct sums", "not have yet")),
    "symmetric axes": (("count", "(n n) -> (n n)"), ("'('", "reserved", "symmetric axes", "not have yet")),
    "a shell redirection": (("count", "n", "n", "-", "n"), ("'n n - n'", "quotes", "redirection")),
    "one order": (("count", "2"), ("'2'", "1 order", "two orders")),
    "three orders": (("count", "2", "2", "2"), ("'2 2 2'", "3 orders", "two orders")),
    "an order and a name": (("count", "2", "n"), ("'2 n'", "no '->'")),
    "a fractional order": (("count", "2", "1.5"), ("'2 1.5'", "no '->'")),
    "a negative order": (("count", "-1", "2"), ("(-1, 2)", "integer >= 0", "-1")),
    "a second negative order": (("count", "2", "-1"), ("(2, -1)", "integer >= 0", "-1")),
    "two negative orders": (("generate", "-1", "-2", *OUT), ("(-1, -2)", "integer >= 0")),
    "too many axes to count": (("count", "9999", "9999"), ("19998", "1000", "lower orders")),
    "too many axes to spell": (("count", "9" * 30, "2"), (f"1{0:029}1", "1000", "lower orders")),
    "no integer for Python": (("count", "-" + "9" * 5000, "2"), ("no '->'",)),
    "too many names": (("count", "n " * 2000 + "->"), ("2000", "1000", "lower orders")),
    "a size that is no integer": (("count", *A_SPEC, "--n", "x"), ("--n", "'x'", "--n 3")),
    "a size without a number": (("count", *A_SPEC, "--n", "n="), ("--n", "'n='", "--n 3")),
    "two sizes for one index set": (("count", *A_SPEC, "--n", "3", "--n", "4"), ("'3 4'", "--n 3")),
    "a negative size": (("count", *A_SPEC, "--n", "-1"), ("-1", "integer >= 0")),
    "one size for two index sets": (("count", "u i -> u", "--n", "3"), ("'3'", "--n u=3 --n i=4")),
    "a size too few": (("count", "u i -> u", "--n", "u=3"), ("'i'", "u i -> u")),
    "a size too many": (("count", "u i -> u", "--n", "u=3", "--n", "i=1", "--n", "m=1"), ("'m'", "u, i")),
    "a size without a value": (("count", *A_SPEC, "--n"), ("--n", "requires an argument", "--help")),
    "an unknown option": (("count", *A_SPEC, "--frob"), ("no such option", "--frob", "count --help")),
    "an unknown short option": (("count", "-x", *A_SPEC), ("no such option", "-x")),
    "a misspelt option": (
        ("generate", *A_SPEC, *OUT, "--clas-name", "A"),
        ("--clas-name", "Did you mean --class"),
    ),
    "a misspelt option with a value": (("show", *A_SPEC, "--limt=3"), ("--limt", "Did you mean --limit")),
    "many operators to show": (("show", "5", "5"), ("115975", "--limit 20")),
    "absurdly many operators to show": (("show", "20", "20"), (str(sympy.bell(40)), "--limit")),
    "absurdly many rows": (("show", "20", "20", "--limit", "1000000"), ("1000000", "10000", "symeq.basis")),
    "a negative limit": (("show", *A_SPEC, "--limit", "-1"), ("--limit", "'-1'", "integer >= 0")),
    "a limit that is no integer": (("show", *A_SPEC, "--limit", "few"), ("--limit", "'few'", "integer >= 0")),
    "an unknown basis": (("show", *A_SPEC, "--kind", "fourier"), ("'fourier'", '"orbit" or "diagram"')),
    "no --out": (("generate", *A_SPEC), ("--out", "generate --help")),
    "an empty --out": (("generate", *A_SPEC, "--out", ""), ("--out is empty", "folder")),
    "no SPEC to generate": (("generate", *OUT), ("no SPEC", "n n -> n n")),
    "no arrow to generate": (("generate", "n n", *OUT), ("'n n'", "no '->'")),
    "absurd orders": (("generate", "20", "20", *OUT), (str(sympy.bell(40)), "operators", "lower orders")),
    "absurd orders, checked": (("generate", "20", "20", *OUT, "--check"), (str(sympy.bell(40)),)),
    "a class name that is no identifier": (
        ("generate", *A_SPEC, *OUT, "--class-name", "2to2"),
        ("class_name", "'2to2'", "identifier"),
    ),
    "a class name with a space": (
        ("generate", *A_SPEC, *OUT, "--class-name", "A B"),
        ("'A B'", "identifier"),
    ),
    "an empty class name": (("generate", *A_SPEC, *OUT, "--class-name", ""), ("''", "identifier")),
    "a keyword as class name": (("generate", *A_SPEC, *OUT, "--class-name", "class"), ("'class'", "keyword")),
    "a class name that is taken": (
        ("generate", *A_SPEC, *OUT, "--class-name", "Tensor"),
        ("'Tensor'", "torch"),
    ),
    "a taken name and absurd orders": (("generate", "20", "20", *OUT, "--class-name", "nn"), ("'nn'",)),
    "a class name too long for a file": (
        ("generate", *A_SPEC, "--out", "d/e", "--class-name", "A" * 300),
        ("aaa.py", "cannot be written", "--class-name"),
    ),
    "an unknown layout": (
        ("generate", *A_SPEC, *OUT, "--layout", "channels-middle"),
        ("'channels-middle'", '"channels-last" or "channels-first"'),
    ),
    "a file for a folder": (("generate", *A_SPEC, "--out", os.devnull), (os.devnull, "is a file", "--out")),
    "a file on the way": (
        ("generate", *A_SPEC, "--out", f"{os.devnull}/d"),
        (os.devnull, "is a file", "--out"),
    ),
    "a file for a folder, checked": (
        ("generate", *A_SPEC, "--out", os.devnull, "--check"),
        (os.devnull, "is a file"),
    ),
    "a file for the library": (("generate", "--library", "--out", os.devnull), (os.devnull, "is a file")),
    "a folder that cannot be": (("generate", *A_SPEC, "--out", "d" * 300), ("ddd", "cannot be written")),
    "the library and a SPEC": (("generate", *A_SPEC, "--library", *OUT), ("--library", "--check")),
    "the library and a name": (("generate", "--library", *OUT, "--class-name", "A"), ("--library",)),
    "the library, verified": (("generate", "--library", *OUT, "--verify"), ("--library",)),
    "a check that should write": (("generate", *A_SPEC, *OUT, "--check", "--force"), ("--check", "--force")),
    "measuring what was said": (
        ("generate", *A_SPEC, *OUT, "--tune", "--choices", "2=inputs"),
        ("--tune", "--choices"),
    ),
    "a check that should measure": (("generate", *A_SPEC, *OUT, "--tune", "--check"), ("--tune", "--check")),
    "the library, measured": (("generate", "--library", *OUT, "--tune"), ("--library",)),
    "the library for sizes": (("generate", "--library", *OUT, "--for", "16 64 64"), ("--library",)),
    "a form that there is not": (
        ("generate", *A_SPEC, *OUT, "--choices", "2=sideways"),
        ("2=sideways", "outputs, inputs, accumulated"),
    ),
    "a level that there is not": (
        ("generate", *A_SPEC, *OUT, "--choices", "5=inputs"),
        ("5=inputs", "level 2"),
    ),
    "no choices": (("generate", *A_SPEC, *OUT, "--choices", " "), ("--choices is empty",)),
    "sizes that are none": (
        ("generate", *A_SPEC, *OUT, "--for", "16 64"),
        ("'16 64'", "batch, n and channels", "16 64 64"),
    ),
    "sizes that are none, measured": (("generate", *A_SPEC, *OUT, "--for", "a b c", "--tune"), ("'a b c'",)),
    "a check that should verify": (
        ("generate", *A_SPEC, *OUT, "--check", "--verify"),
        ("--check", "--verify"),
    ),
    "nothing to verify": (("verify",), ("no SPEC", "n n -> n n")),
    "no arrow to verify": (("verify", "n", "n"), ("'n n'", "no '->'")),
    "one order to verify": (("verify", "2"), ("'2'", "two orders")),
    "no such file": (("verify", "missing.py"), ("missing.py", "no such file")),
    "a folder to verify": (("verify", "."), ("folder", "file")),
    "a word for bench": (("bench", "2"), ("2", "bench --help")),
    "an unknown option for bench": (("bench", "--frob"), ("--frob", "bench --help")),
    "too few repeats": (("bench", "--repeats", "1"), ("repeats", "1")),
    "a case of four numbers": (("bench", "--case", "2 2 16 64"), ("'2 2 16 64'", "2 2 16 64 64")),
    "a case that is no case": (("bench", "--case", "2 2 0 4 4"), ("batch=0", "integer >= 1")),
    "a case beyond the machine": (("bench", "--case", "5 5 9 99 9"), ("5 -> 5", "smaller case")),
    "a benchmark printed twice": (("bench", "--json", "--markdown"), ("--json", "--markdown")),
    "no folder for a benchmark": (("bench", "--out", ""), ("--out", "empty")),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_call_says_so_and_does_nothing(call: Call, tmp_path: Path, case: str) -> None:
    """Exit code 2, a few words on stderr that name what came and what to do, and nothing written."""
    words, wanted = BAD[case]
    found = call(*words)
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("symeq: ") and found.err.count("\n") <= 2
    assert [word for word in wanted if word not in found.err] == []
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize(
    "words",
    [("count", "n n"), ("generate", "20", "20", "--out", "d"), ("count", "--frob"), ("verify", "missing.py")],
)
def test_a_process_ends_with_2_and_without_a_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    """What holds for ``main()`` holds for the whole process, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "symeq", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("symeq: ") and "Traceback" not in done.stderr
    assert files_in(tmp_path) == {}


def test_an_error_that_is_not_ours_is_not_hidden(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in symeq keeps its traceback: only errors raised on purpose become one line."""

    def broken(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr("symeq.bases.derive.derive", broken)
    with pytest.raises(ZeroDivisionError):
        call("count", "2", "2")


# ------------------------------------------------------------------ help


@pytest.mark.parametrize("words", [("--help",), *((command, "--help") for command in COMMANDS)])
def test_help_explains_each_command(call: Call, words: tuple[str, ...]) -> None:
    """Each ``--help`` is an answer, not an error."""
    found = call(*words)
    assert found.code == 0 and found.err == ""
    assert f"Usage: symeq {words[0] if len(words) == 2 else '[OPTIONS]'}" in found.out
    assert len(words) == 2 or all(command in found.out for command in COMMANDS)


def test_version(call: Call) -> None:
    """``--version`` tells the version of the package."""
    assert call("--version") == Outcome(0, f"symeq {symeq.__version__}\n", "")


@pytest.mark.parametrize("words", [("--help",), ("generate", "--help"), ("count", "20", "20")])
def test_light_calls_load_no_heavy_library(words: tuple[str, ...]) -> None:
    """Help and counts need neither torch, jinja2 nor SymPy."""
    without = "import sys; sys.modules.update(dict.fromkeys(('torch', 'jinja2', 'sympy')))"
    done = process(*words, code=without)
    assert (done.returncode, done.stderr) == (0, "")


def test_generate_loads_neither_torch_nor_sympy(tmp_path: Path) -> None:
    """Writing a layer works where torch and SymPy are missing, and asking to verify it does not."""
    without = "import sys; sys.modules.update(dict.fromkeys(('torch', 'sympy')))"
    words = ("generate", "n n -> n n", "--out", str(tmp_path))
    done = process(*words, code=without)
    assert (done.returncode, done.stderr) == (0, "")
    assert "import torch" in (tmp_path / "equivariant_2to2.py").read_text()
    assert "ModuleNotFoundError" in process(*words, "--verify", code=without).stderr


# ------------------------------------------------------------------ count

SPECS: dict[str, tuple[str, ...]] = {
    "orders": ("2", "2"),
    "orders in one word": ("2 2",),
    "orders with a sign": ("+2", "2"),
    "signature": ("n n -> n n",),
    "signature in words": ("n", "n", "->", "n", "n"),
    "other name": ("node node->node node",),
}


@pytest.mark.parametrize("words", SPECS.values(), ids=SPECS)
def test_all_ways_to_give_a_spec(call: Call, words: tuple[str, ...]) -> None:
    """A SPEC is a signature or two orders, in one word or several."""
    assert json.loads(call("count", *words, "--json").out)["operators"] == 15


@pytest.mark.parametrize("words", [("-> n n",), (" -> n n",), ("0", "2"), ("->", "n", "n"), ("0", "2", "--")])
def test_a_spec_may_begin_with_the_arrow(call: Call, words: tuple[str, ...]) -> None:
    """The arrow is no option."""
    assert json.loads(call("count", "--json", *words).out) == {
        "signature": " -> n n",
        "operators": 2,
        "bias_operators": 2,
    }


@pytest.mark.parametrize("orders", [(0, 0), (0, 3), (1, 0), (2, 2), (5, 5), (20, 20), (200, 300)])
def test_count_is_exact(call: Call, orders: tuple[int, int]) -> None:
    """The operators are counted by Bell numbers, at any size."""
    words = ("count", *map(str, orders))
    expected = int(sympy.bell(sum(orders)))
    assert json.loads(call(*words, "--json").out)["operators"] == expected
    found = call(*words)
    assert found.code == 0 and re.search(rf"^ *operators +{expected}$", found.out, re.MULTILINE)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 10**30])
@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (2, 2), (2, 3)])
def test_dimension_is_exact_for_every_size(call: Call, orders: tuple[int, int], n: int) -> None:
    """The dimension counts set partitions into at most n blocks, also for n < k + k'."""
    found = json.loads(call("count", *map(str, orders), "--n", str(n), "--json").out)
    for name, m in (("dimension", sum(orders)), ("bias_dimension", orders[1])):
        assert found[name] == sum(int(stirling(m, b)) for b in range(min(m, n) + 1))


def test_dimension_of_several_index_sets(call: Call) -> None:
    """Each index set has its own size, and the dimension is a product."""
    found = call("count", "u i i -> u i", "--n", "i=2", "--n", "u=1")
    expected = prod(sum(int(stirling(m, b)) for b in range(n + 1)) for m, n in ((2, 1), (3, 2)))
    assert found.code == 0
    assert f"dimension       {expected}  for u = 1, i = 2\n" in found.out


# ------------------------------------------------------------------ show


@pytest.mark.parametrize("kind", ["diagram", "orbit"])
@pytest.mark.parametrize("spec", ["n n -> n n", "u i -> u", " -> n", "->"])
def test_show_lists_the_basis(call: Call, spec: str, kind: str) -> None:
    """One row per operator, in the order of slots, as ``symeq.basis`` has them; nothing is cut in a pipe."""
    basis = symeq.basis(spec, kind)
    document = json.loads(call("show", spec, "--kind", kind, "--json").out)
    rows = document["shown"]
    assert (document["signature"], document["kind"]) == (spec, kind)
    assert document["operators"] == len(rows) == len(basis)
    assert [row["rgs"] for row in rows] == [list(op.rgs) for op in basis]
    assert [row["expr"] for row in rows] == [str(op.expr) for op in basis]
    assert [row["words"] for row in rows] == [op.diagram.words() for op in basis]
    lines = call("show", spec, "--basis", kind).out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("slot"))
    for row, line in zip(rows, lines[at + 1 :], strict=False):
        cells = [str(row["slot"]), str(tuple(row["rgs"])), row["diagram"].strip(), row["words"], row["expr"]]
        assert re.sub(" +", " ", line).strip() == re.sub(" +", " ", " ".join(cells)).strip()


def test_show_in_a_pipe_is_as_wide_as_it_needs(tmp_path: Path) -> None:
    """Neither the width of a terminal nor its absence cuts or wraps a line, whatever the encoding."""
    narrow = os.environ | {"COLUMNS": "40", "TERM": "dumb", "PYTHONIOENCODING": "ascii"}
    done = process("show", "2", "2", "--kind", "orbit", env=narrow)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[3:18]] == [str(slot) for slot in range(15)]
    assert lines[17].endswith(str(symeq.basis((2, 2))[14].expr))
    assert "…" not in done.stdout


@pytest.mark.parametrize(("orders", "limit"), [((5, 5), 20), ((20, 20), 3), ((2, 2), 0), ((2, 2), 99)])
def test_show_only_the_first(call: Call, orders: tuple[int, int], limit: int) -> None:
    """``--limit`` (or ``--first``) lists the first operators of any number, and says how many there are."""
    total = int(sympy.bell(sum(orders)))
    for option in ("--limit", "--first"):
        found = call("show", *map(str, orders), option, str(limit), "--json")
        document = json.loads(found.out)
        assert document["operators"] == total
        assert [row["slot"] for row in document["shown"]] == list(range(min(limit, total)))
    found = call("show", *map(str, orders), "--limit", str(limit))
    assert found.code == 0 and f"{total} operators" in found.out
    assert ("the first" in found.out) == (limit < total)


def test_show_the_plan(call: Call) -> None:
    """``--plan`` adds the report of the plan."""
    report = symeq.plan((2, 1)).report()
    assert f"\n\n{report}\n" in call("show", "2", "1", "--plan").out
    document = json.loads(call("show", "2", "1", "--plan", "--json").out)
    assert document["plan"]["contractions"] == report.contractions
    assert document["plan"]["reads"] == str(report.reads)


def test_show_the_forms(call: Call) -> None:
    """``--plan`` lists what a level may be computed by, with polynomials, and what the model takes."""
    document = json.loads(call("show", "2", "2", "--plan", "--json").out)
    assert [row["form"] for row in document["forms"]] == ["outputs", "inputs", "accumulated"]
    assert sum(row["taken"] for row in document["forms"]) == 1
    assert document["forms"][0]["held"] == "3*c_out*n**2"
    assert [row["form"] for row in document["mixings"]] == ["levels", "inputs", "outputs"]
    assert [row["taken"] for row in document["mixings"]] == [True, False, False]
    text = call("show", "2", "2", "--plan").out
    assert all(row["moved"] in text for row in document["forms"] + document["mixings"])


# ------------------------------------------------------------------ generate

FILE = "equivariant_2to2.py"


def test_generate_writes_one_file_and_says_which(call: Call, tmp_path: Path) -> None:
    """The file is that of ``symeq.generate``; its path comes first, then counts that the file has, too."""
    found = call("generate", "n n -> n n", "--out", "some/where")
    path, counts = found.out.splitlines()
    assert (found.code, found.err) == (0, "")
    assert path == str(Path("some/where", FILE))
    text = symeq.generate((2, 2), tmp_path / "other").read_bytes()
    assert files_in(tmp_path / "some") == {"where": None, f"where/{FILE}": text}
    assert counts.startswith('Equivariant2to2 "n n -> n n": 15 operators, ')
    products = re.search(r"(\d+) contractions, (\d+) matrix products, (\d+) broadcasts", counts)
    assert products is not None
    assert (
        "from {} contractions, {} matrix products and {} broadcasts".format(*products.groups()).encode()
        in text
    )


@pytest.mark.parametrize(
    ("options", "file", "name"),
    [
        (("--class-name", "MyLayer"), "my_layer.py", "MyLayer"),
        (
            ("--layout", "channels-first"),
            "equivariant_2to2_channels_first.py",
            "Equivariant2to2ChannelsFirst",
        ),
        (("--layout", "channels-first", "--class-name", "L"), "l.py", "L"),
    ],
)
def test_generate_with_options(
    call: Call, tmp_path: Path, options: tuple[str, ...], file: str, name: str
) -> None:
    """Class name and layout go into the file, and into the command in its header, which makes it again."""
    found = json.loads(call("generate", *A_SPEC, *OUT, *options, "--json").out)
    text = (tmp_path / "d" / file).read_text()
    assert found["path"] == str(Path("d", file)) and found["class_name"] == name
    assert f"class {name}(nn.Module)" in text
    (command,) = re.findall(r"(?m)^    symeq (generate .*)$", text)
    again = call(*shlex.split(command.replace("--out DIR", "--out again")))
    assert again.code == 0 and (tmp_path / "again" / file).read_text() == text


def test_an_untouched_file_is_replaced(call: Call, tmp_path: Path) -> None:
    """What another version emitted, and nobody edited, is overwritten without a question."""
    call("generate", *A_SPEC, *OUT)
    path = tmp_path / "d" / FILE
    now = path.read_text()
    path.write_text(sealed(now.replace("Emitted by symeq 0.1.0", "Emitted by symeq 0.0.1")))
    assert path.read_text() != now
    assert call("generate", *A_SPEC, *OUT, "--check").code == 1
    assert call("generate", *A_SPEC, *OUT).code == 0
    assert path.read_text() == now


@pytest.mark.parametrize("content", [b"edited", b"", b"\xff\xfe"])
def test_an_edited_file_is_kept(call: Call, tmp_path: Path, content: bytes) -> None:
    """A file edited by hand, or never emitted, is overwritten with ``--force`` only."""
    call("generate", *A_SPEC, *OUT)
    path = tmp_path / "d" / FILE
    now = path.read_bytes()
    edited = now.replace(b"torch.zeros", b"torch.ones ") if content == b"edited" else content
    path.write_bytes(edited)
    found = call("generate", *A_SPEC, *OUT)
    assert (found.code, found.out) == (2, "")
    assert str(Path("d", FILE)) in found.err and "edited" in found.err and "--force" in found.err
    assert files_in(tmp_path / "d") == {FILE: edited}
    assert call("generate", *A_SPEC, *OUT, "--force").code == 0
    assert files_in(tmp_path / "d") == {FILE: now}


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "Permission denied"), 2), (KeyboardInterrupt(), 130)]
)
@pytest.mark.parametrize("words", [(*A_SPEC,), ("--library",)])
def test_a_failed_write_leaves_nothing(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    error: BaseException,
    code: int,
) -> None:
    """When the file cannot be put in its place, neither it nor a folder made for it stays."""

    def refuse(*_: object) -> None:
        raise error

    (tmp_path / "here").mkdir()
    monkeypatch.setattr(os, "replace", refuse)
    found = call("generate", *words, "--out", "here/a/b")
    assert (found.code, found.out) == (code, "")
    assert code != 2 or ("cannot be written" in found.err and "Permission denied" in found.err)
    assert files_in(tmp_path) == {"here": None}


def test_a_folder_in_the_place_of_the_file(call: Call, tmp_path: Path) -> None:
    """What cannot be replaced is bad input, with or without ``--force``, and stays."""
    (tmp_path / "d" / FILE).mkdir(parents=True)
    for option in ((), ("--force",), ("--check",)):
        found = call("generate", *A_SPEC, *OUT, *option)
        assert (found.code, found.out) == (2, "") and FILE in found.err
    assert files_in(tmp_path) == {"d": None, f"d/{FILE}": None}


def test_an_unwritable_folder(call: Call, tmp_path: Path) -> None:
    """A folder without permission to write, or to look inside, is bad input."""
    for mode in (0o500, 0o000):
        folder = tmp_path / f"mode{mode}"
        folder.mkdir()
        folder.chmod(mode)
        try:
            if os.access(folder, os.W_OK):
                pytest.skip("root may write anywhere")
            for out in (folder, folder / "below"):
                found = call("generate", *A_SPEC, "--out", str(out))
                assert found.code == 2 and str(folder) in found.err
        finally:
            folder.chmod(0o700)
        assert files_in(folder) == {}


# ------------------------------------------------------------------ generate --tune


def test_generate_measures_and_says_so(call: Call, tmp_path: Path) -> None:
    """Medians of each choice; the command in the header writes the same file without measuring."""
    found = call("generate", *A_SPEC, *OUT, "--tune", "--for", "2 3 2")
    assert found.code == 0 and "with backward" in found.out and "2=inputs" in found.out
    (path,) = (file for file in tmp_path.rglob("*.py"))
    text = path.read_text()
    (line,) = (line for line in text.splitlines() if "symeq generate" in line)
    words = shlex.split(line.replace("--out DIR", "--out other"))[1:]
    assert "--choices" in words and words[-2:] == ["--for", "2 3 2"]
    assert call(*words).code == 0
    assert (tmp_path / "other" / path.name).read_text() == text
    assert call(*words, "--check").code == 0
    document = json.loads(call("generate", *A_SPEC, *OUT, "--tune", "--for", "2 3 2", "--json").out)
    assert document["choices"] == document["tuning"]["choices"]
    assert {"choices", "forward", "training"} == set(document["tuning"]["measured"][0])


# ------------------------------------------------------------------ generate --check


def test_check_finds_no_difference(call: Call, tmp_path: Path) -> None:
    """Files as emitted: exit code 0."""
    call("generate", *A_SPEC, *OUT)
    before = files_in(tmp_path)
    found = call("generate", *A_SPEC, *OUT, "--check")
    assert found == Outcome(0, "no difference in 1 file\n", "")
    assert json.loads(call("generate", *A_SPEC, *OUT, "--check", "--json").out) == {
        "ok": True,
        "differences": [],
    }
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("options", [(), ("--layout", "channels-first"), ("--class-name", "Mine")])
@pytest.mark.parametrize("state", ["missing", "older", "edited"])
def test_check_finds_a_difference(call: Call, tmp_path: Path, state: str, options: tuple[str, ...]) -> None:
    """Exit code 1, the diff, and a remedy that works; nothing is written."""
    words = ("generate", *A_SPEC, "--out", "the folder", *options)
    path = Path(json.loads(call(*words, "--json").out)["path"])
    now = path.read_text()
    other = now.replace("Emitted by symeq", "Emitted long ago by symeq")
    if state == "missing":
        path.unlink()
        path.parent.rmdir()
    else:
        path.write_text(sealed(other) if state == "older" else other)
    before = files_in(tmp_path)
    found = call(*words, "--check")
    document = json.loads(call(*words, "--check", "--json").out)
    assert found.code == 1 and found.err == ""
    assert files_in(tmp_path) == before
    assert f"--- {path}" in found.out and re.search("(?m)^[+]Emitted by symeq", found.out)
    assert bool(re.search("(?m)^-Emitted long ago by", found.out)) == (state != "missing")
    assert [difference["path"] for difference in document["differences"]] == [str(path)]
    assert document["ok"] is False and document["differences"][0]["diff"] in found.out
    assert {"older": "out of date", "edited": "edited by hand"}.get(state, state) in found.out
    assert ("edited by hand" in found.out, "--force" in found.out) == (state == "edited",) * 2
    remedy = shlex.split(found.out.splitlines()[-1].partition("symeq ")[2])
    assert shlex.split(document["remedy"])[1:] == remedy
    assert call(*remedy).code == 0
    assert path.read_text() == now


# ------------------------------------------------------------------ generate --library


def test_the_library(call: Call, tmp_path: Path) -> None:
    """The whole package is written and compared in one go; strangers in its folder are differences."""
    written = call("generate", "--library", *OUT)
    files = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert written.code == 0 and {"__init__.py", FILE, "invariant_2.py"} <= set(files)
    assert sorted(Path(line).name for line in written.out.splitlines()[:-1]) == files
    assert call("generate", "--library", *OUT, "--check").code == 0
    (tmp_path / "d" / "stranger.py").touch()
    (tmp_path / "d" / FILE).unlink()
    found = call("generate", "--library", *OUT, "--check")
    assert found.code == 1
    assert "stranger.py is no part of the library; remove it" in found.out
    assert f"{Path('d', FILE)}: missing" in found.out
    (tmp_path / "d" / "stranger.py").unlink()
    remedy = found.out.splitlines()[-1].partition("symeq ")[2]
    document = json.loads(call(*shlex.split(remedy), "--json").out)
    assert sorted(Path(path).name for path in document["paths"]) == files
    assert document["layers"] == len(files) - 1
    assert call("generate", "--library", *OUT, "--check").code == 0


def test_an_edited_file_of_the_library_is_kept(call: Call, tmp_path: Path) -> None:
    """As for one layer: refused, and overwritten with ``--force`` only."""
    call("generate", "--library", *OUT)
    path = tmp_path / "d" / FILE
    path.write_text(path.read_text() + "# mine\n")
    before = files_in(tmp_path)
    found = call("generate", "--library", *OUT)
    assert found.code == 2 and FILE in found.err and "--force" in found.err
    assert files_in(tmp_path) == before
    assert call("generate", "--library", *OUT, "--force").code == 0
    assert "# mine" not in path.read_text()


# ------------------------------------------------------------------ verify


@pytest.mark.parametrize(
    "words",
    [("->",), *(pytest.param(words, marks=pytest.mark.slow) for words in (("1", "1"), ("u i -> u",)))],
)
def test_verify_what_would_be_emitted(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A SPEC is verified without a file being written."""
    found = call("verify", *words)
    assert found.code == 0 and "FAIL" not in found.out
    assert files_in(tmp_path) == {}


def test_verify_briefly(call: Call) -> None:
    """``--brief`` proves fewer combinations, and says so."""
    found = call("verify", "->", "--brief", "--json")
    assert found.code == 0
    proved = [check for check in json.loads(found.out)["checks"] if check["kind"] == "proved"]
    assert len(proved) == 2
    assert "every two of these together" in proved[0]["scope"]


def test_verify_a_file(call: Call, tmp_path: Path) -> None:
    """An emitted file holds; one with two slots exchanged does not, and the exit code says so."""
    right = call("generate", "->", *OUT).out.splitlines()[0]
    assert call("verify", right).code == 0
    path = call("generate", "n -> n", *OUT).out.splitlines()[0]
    text = Path(path).read_text()
    (slots,) = re.findall(r"SLOTS = \(\n    (\d+), (\d+)", text)
    wrong = text.replace(f"SLOTS = (\n    {slots[0]}, {slots[1]}", f"SLOTS = (\n    {slots[1]}, {slots[0]}")
    Path(path).write_text("print('a file that talks')\n" + wrong)
    found = call("verify", path, "--json")
    assert found.code == 1
    assert json.loads(found.out)["ok"] is False
    assert "Traceback" not in found.err


def test_generate_and_verify(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--verify`` verifies the file that was written; if it does not hold, the exit code is 1."""
    found = call("generate", "->", *OUT, "--verify", "--json")
    document = json.loads(found.out)
    assert found.code == 0 and document["verification"]["ok"] is True
    from symeq.verification import report

    monkeypatch.setattr(report.VerificationReport, "ok", property(lambda self: False))
    found = call("generate", "->", *OUT, "--verify")
    assert found.code == 1 and found.out.startswith(document["path"])


# ------------------------------------------------------------------ bench


def test_bench_runs_what_was_asked_for(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options reach ``symeq.bench.run``; unequal results are exit code 1."""
    from symeq import bench

    small = (bench.Case((1, 1), 1, 3, 1),)
    run = bench.run
    asked: list[dict[str, object]] = []

    def run_small(**options: object) -> bench.BenchReport:
        asked.append(options)
        return run(small, repeats=3, allocator="default")

    monkeypatch.setattr(bench, "run", run_small)
    found = call("bench", "--repeats", "7")
    assert found.code == 0 and "emitted layer" in found.out
    assert (asked[0]["repeats"], asked[0]["compiled"]) == (7, False)
    assert bench.BenchReport.from_json(call("bench", "--json").out).cases[0].case == small[0]

    def run_unequal(**_: object) -> bench.BenchReport:
        raise bench.UnequalResultsError(small[0], "a stack", 0.5, "its result differs")

    monkeypatch.setattr(bench, "run", run_unequal)
    found = call("bench")
    assert (found.code, found.out) == (1, "") and "'a stack'" in found.err


def test_bench_cases_files_and_targets(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases of any orders; files, never over another's; a missed target is exit code 1."""
    from symeq import bench

    words = ("bench", "--case", "2 -> 1, 2 4 3", "--case", "0,1,2,3,4", "--repeats", "3", "--training")
    place = tmp_path / "out"
    found = call(*words, "--markdown", "--out", str(place))
    assert found.code == 0 and found.out.startswith("| case ") and "| 0 -> 1 (2, 3, 4) |" in found.out
    written = bench.BenchReport.from_json((place / "bench.json").read_text())
    assert [entry.case for entry in written.cases] == [
        bench.Case((2, 1), 2, 4, 3),
        bench.Case((0, 1), 2, 3, 4),
    ]
    assert call(*words, "--out", str(place)).code == 0, "over what it wrote itself"
    (place / "bench.json").write_text("mine")
    found = call(*words, "--out", str(place))
    assert found.code == 2 and "bench.json" in found.err and (place / "bench.json").read_text() == "mine"

    small = bench.Case((1, 1), 1, 3, 1)
    for limit, code in ((1e9, 0), (0.0, 1)):
        monkeypatch.setattr("symeq.bench.suite.TARGETS", {small: (limit, None)})
        monkeypatch.setattr(bench, "TARGETS", {small: (limit, None)})
        found = call("bench", "--targets", "--repeats", "3")
        assert found.code == code and "targets" in found.out


# ------------------------------------------------------------------ pipes and terminals


def test_a_closed_pipe_is_quiet() -> None:
    """When the reader goes away, the command ends without a word."""
    for words in (("show", "3", "3"), ("count", "2", "2")):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = process(*words, stdout=writer, stderr=subprocess.PIPE, capture_output=False)
        finally:
            os.close(writer)
        assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_said() -> None:
    """Output that cannot be written is exit code 2 and one line."""
    with open("/dev/full", "w") as full:
        done = process("count", "2", "2", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2
    assert done.stderr.startswith("symeq: the output cannot be written") and done.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_said_of_help_and_complaints() -> None:
    """Help is printed by another library; a complaint that cannot be said leaves the exit code."""
    with open("/dev/full", "w") as full:
        done = process("count", "--help", stdout=full, stderr=subprocess.PIPE, capture_output=False)
        assert done.returncode == 2 and done.stderr.startswith("symeq: the output cannot be written")
        done = process("count", "2", stdout=subprocess.PIPE, stderr=full, capture_output=False)
        assert (done.returncode, done.stdout) == (2, "")
    closed = "import os, sys; sys.stderr = None\n"
    done = process("count", "2", code=closed)
    assert (done.returncode, done.stdout) == (2, "")
    done = process("count", "2", "2", code=closed.replace("stderr", "stdout"))
    assert done.returncode == 2 and "no standard output" in done.stderr


def test_an_interrupt_is_quiet(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with 130, as it would in a shell."""

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("symeq.pipeline.plan", interrupted)
    found = call("generate", *A_SPEC, *OUT)
    assert (found.code, found.out, found.err.strip()) == (130, "", "")


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    """A bar on stderr where it is a terminal; stdout is the same with and without."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a POSIX matter")
    words = ("generate", *A_SPEC, "--out", str(tmp_path))
    quiet = process(*words)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    terminal, end = pty.openpty()
    drawn = bytearray()

    def read() -> None:
        try:
            while piece := os.read(terminal, 4096):
                drawn.extend(piece)
        except OSError:  # Linux says so when the other end is closed
            pass

    reading = threading.Thread(target=read)
    reading.start()
    env = os.environ | {"TERM": "xterm"}
    done = process(*words, stdout=subprocess.PIPE, stderr=end, capture_output=False, env=env)
    os.close(end)
    reading.join(timeout=30)
    os.close(terminal)
    assert done.returncode == 0 and done.stdout == quiet.stdout
    assert b"generating n n -> n n" in drawn
