"""``symeq prove`` and ``symeq check`` on the command line: output, files, exit codes, wrong calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sympy

import symeq
from symeq import cli
from symeq.proof import checker, prover
from test_cli import Outcome, files_in, process

Call = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``symeq WORDS...`` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Outcome:
        capsys.readouterr()
        code = cli.main(words)
        return Outcome(code, *capsys.readouterr())

    return call


def test_prove_prints_a_table(run: Call, tmp_path: Path) -> None:
    """Each claim with verdict, number of steps, scope and statement; nothing is written."""
    found = run("prove", "n n -> n")
    assert (found.code, found.err, files_in(tmp_path)) == (0, "", {})
    words = " ".join(found.out.split())
    for claim in symeq.prove("n n -> n").claims:
        assert f" ok {claim.kind} {len(claim.steps)} steps {claim.scope} " in words
        assert claim.statement.partition(": ")[2] in words
    assert found.out.endswith("8 claims hold\n")


@pytest.mark.parametrize("words", [("2", "1"), ("n n -> n",), ("n", "n", "->", "n")])
def test_prove_writes_what_check_accepts(run: Call, words: tuple[str, ...]) -> None:
    """The file is the certificate of the API; checking it gives the same table."""
    found = run("prove", *words, "--json", "c.json", "--latex", "c.tex")
    assert found.code == 0 and "written to" in found.out
    assert Path("c.json").read_text() == symeq.prove("n n -> n").to_json()
    assert Path("c.tex").read_text() == symeq.prove("n n -> n").to_latex()
    assert sorted(os.listdir()) == ["c.json", "c.tex"]
    checked = run("check", "c.json")
    assert (checked.code, checked.err) == (0, "")
    assert found.out.startswith(checked.out)


@pytest.mark.parametrize(
    "words",
    [
        ("u i -> u", "--json"),
        ("--json", "u i -> u"),
        ("u i -> u", "--json", "-"),
        ("--json=-", "u i -> u"),
        ("u i -> u", "--json", "--latex", "c.tex"),
    ],
)
def test_json_without_a_file_is_printed(run: Call, words: tuple[str, ...]) -> None:
    """The certificate alone, as one document."""
    found = run("prove", *words)
    assert found == Outcome(0, symeq.prove("u i -> u").to_json(), "")


def test_orders_after_json_are_orders(run: Call, tmp_path: Path) -> None:
    """``--json 1 1`` names no file called 1."""
    assert json.loads(run("prove", "--json", "1", "1").out)["signature"]["inputs"] == ["n"]
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("spec", [("->",), ("0", "2"), ("2", "0"), (" -> u i",), ("n n -> m",)])
def test_unusual_signatures(run: Call, spec: tuple[str, ...]) -> None:
    """Also with no axes on a side, or none at all."""
    assert run("prove", *spec, "--json", "c.json").code == 0
    assert run("check", "c.json").code == 0


def test_a_wrong_certificate_is_exit_code_1(run: Call) -> None:
    """The report names claim, step and rule; with ``--json`` it is a document."""
    run("prove", "1", "1", "--json", "c.json")
    text = Path("c.json").read_text()
    Path("c.json").write_text(text.replace('"dimension":2', '"dimension":3', 1))
    found = run("check", "c.json")
    assert found.code == 1 and found.err == ""
    assert "FAIL cross-check" in found.out and "(nullspace): dimension is 3, and should be 2" in found.out
    document = json.loads(run("check", "c.json", "--json").out)
    assert run("check", "c.json", "--json").code == 1
    assert [claim["kind"] for claim in document["claims"] if not claim["ok"]] == ["cross-check"]
    assert document["ok"] is False


def test_check_prints_scopes_that_it_derived(run: Call) -> None:
    """Not those of the file, which may claim more; one that does is wrong."""
    run("prove", "1", "1", "--json", "c.json")
    document = json.loads(run("check", "c.json", "--json").out)
    assert [claim["scope"] for claim in document["claims"]][6] == "n = 0, 1, 2, 3 by nullspace"
    wide = Path("c.json").read_text().replace('"n = 0, 1, 2, 3 by nullspace"', '"every n, really"')
    Path("c.json").write_text(wide)
    found = run("check", "c.json")
    assert found.code == 1 and "n = 0, 1, 2, 3 by nullspace" in found.out


def test_a_prover_of_something_false_is_exit_code_1(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """``prove`` has the checker look at what it made; what was made is written all the same."""
    honest = prover.PROVERS["closure"]
    monkeypatch.setitem(prover.PROVERS, "closure", lambda signature: list(honest(signature))[1:])
    found = run("prove", "1", "1", "--json", "c.json")
    assert found.code == 1 and "FAIL closure" in found.out
    assert run("check", "c.json").code == 1


def test_check_compares_a_file(run: Call) -> None:
    """The emitted one is the certificate's, any other is not; it is read and never run."""
    run("prove", "1", "1", "--json", "c.json")
    run("generate", "1", "1", "--out", ".")
    found = run("check", "c.json", "--file", "equivariant_1to1.py")
    assert (found.code, found.err) == (0, "")
    assert "note the file given is the one of the certificate" in found.out
    Path("other.py").write_text("raise SystemExit('executed')\n")
    found = run("check", "c.json", "--file", "other.py")
    assert (found.code, found.err) == (1, "")
    assert "FAIL the file given is another one: its sha256 is" in found.out
    assert "ok   emitted code" in found.out
    document = json.loads(run("check", "c.json", "--file", "other.py", "--json").out)
    assert document["ok"] is False and "another one" in document["problems"][0]


def test_a_certificate_of_the_first_format_is_checked(run: Call) -> None:
    """Without the claim that it did not know; the report says so."""
    run("prove", "1", "1", "--json", "c.json")
    document = json.loads(Path("c.json").read_text())
    document["version"] = 1
    del document["claims"][-1]
    Path("c.json").write_text(json.dumps(document))
    found = run("check", "c.json")
    assert found.code == 0 and "claims nothing of the emitted code" in found.out


def test_code_that_is_not_proved_is_exit_code_1(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which proof failed, and nothing is written."""
    pytest.importorskip("torch")
    from symeq.verification import source

    failed = source.SourceProof("", "2.9", (), (), "backward pass, orbit basis")
    monkeypatch.setattr(source, "prove_source", lambda signature, progress: failed)
    found = run("prove", "1", "1", "--code", "--json", "c.json")
    assert (found.code, found.err) == (1, "")
    assert found.out.startswith("NOT proved: n -> n: ") and "backward pass, orbit basis" in found.out
    assert os.listdir() == []


def test_help_tells_what_code_costs(run: Call) -> None:
    """Torch, and minutes."""
    words = " ".join(run("prove", "--help").out.split())
    assert "--code" in words and "torch" in words and "minutes" in words


# ------------------------------------------------------------------ wrong calls

# The words of the call, and what the message must say.
BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no SPEC": (("prove",), ("no SPEC", "n n -> n n")),
    "no SPEC, only a file": (("prove", "--json", "c.json"), ("no SPEC",)),
    "no arrow": (("prove", "n n"), ("'n n'", "no '->'")),
    "absurd orders": (
        ("prove", "20", "20", "--json", "c.json"),
        (str(sympy.bell(40)), "4140", "lower orders"),
    ),
    "too many comparable pairs": (("prove", " ".join("abcdefghijkl" * 2) + " ->"), ("531441", "167894")),
    "a misspelt option": (("prove", "1", "1", "--ltex", "f"), ("--ltex", "Did you mean --latex")),
    "a folder for a file": (("prove", "1", "1", "--json", "."), ("is a folder", "--json")),
    "a folder for the LaTeX": (("prove", "1", "1", "--latex", "."), ("is a folder", "--latex")),
    "a folder that is not there": (("prove", "1", "1", "--json", "d/c.json"), ("no folder", "d", "--json")),
    "a device": (("prove", "1", "1", "--json", os.devnull), ("no regular file", "--json")),
    "an empty name": (("prove", "1", "1", "--json", ""), ("--json is empty",)),
    "an empty name for the LaTeX": (("prove", "1", "1", "--latex", " "), ("--latex is empty",)),
    "no such file to compare": (("check", "c.json", "--file", "l.py"), ("l.py", "No such file", "generate")),
    "a folder to compare": (("check", "c.json", "--file", "."), ("a folder, expected an emitted file",)),
    "compare with nothing": (("check", "c.json", "--file"), ("--file", "requires an argument")),
    "one file for both": (("prove", "1", "1", "--json", "c", "--latex", "./c"), ("--latex", "expected two")),
    "LaTeX without a file": (("prove", "1", "1", "--latex"), ("--latex", "requires an argument")),
    "nothing to check": (("check",), ("FILE", "check --help")),
    "two files to check": (("check", "a", "b"), ("check --help",)),
    "no such file": (("check", "missing.json"), ("missing.json", "No such file", "symeq prove")),
    "a folder to check": (("check", "."), ("a folder, expected a certificate",)),
    "a device to check": (("check", os.devnull), ("no regular file",)),
    "a name that no file can have": (("check", "a\0b"), ("cannot be read",)),
    "a name that is too long": (("check", "a" * 300), ("cannot be read",)),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_call_says_so_and_writes_nothing(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Exit code 2 and one line, before anything is derived."""
    monkeypatch.setattr(
        prover, "PROVERS", dict.fromkeys(prover.PROVERS, lambda _: pytest.fail("something was derived"))
    )
    words, wanted = BAD[case]
    found = run(*words)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("symeq: ") and found.err.count("\n") <= 2
    assert [word for word in wanted if word not in found.err] == []
    assert files_in(tmp_path) == {}


FILES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "no JSON document"),
    "no text": (b"\x80\x81", "no JSON document"),
    "a list": (b"[]", "no certificate"),
    "another document": (b'{"format": "x"}', "no certificate"),
    "a later format": (b'{"format": "symeq certificate", "version": 7}', "format version 7"),
    "deep nesting": (b"[" * 10**6, "nested too deep"),
    "Python": (b"raise SystemExit('executed')", "no JSON document"),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_input_is_exit_code_2(run: Call, case: str) -> None:
    """One line that says why the file is no certificate."""
    data, complaint = FILES[case]
    Path("c.json").write_bytes(data)
    found = run("check", "c.json")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("symeq: c.json: ") and found.err.count("\n") == 1
    assert complaint in found.err


def test_a_truncated_or_huge_certificate_is_exit_code_2(run: Call) -> None:
    """Cut anywhere; or so large that it is not read."""
    run("prove", "1", "1", "--json", "c.json")
    whole = Path("c.json").read_bytes()
    for part in (len(whole) // 2, len(whole) - 3):
        Path("c.json").write_bytes(whole[:part])
        found = run("check", "c.json")
        assert found.code == 2 and "no JSON document" in found.err
    with Path("c.json").open("wb") as file:
        file.truncate(checker.MOST_BYTES + 1)
    found = run("check", "c.json")
    assert found.code == 2 and f"{checker.MOST_BYTES + 1} bytes" in found.err


def test_a_write_that_fails_leaves_what_was_there(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced whole, or not at all, and nothing else is left behind."""
    Path("c.json").write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("symeq.files.os.replace", full)
        found = run("prove", "1", "1", "--json", "c.json")
    assert (found.code, found.out) == (2, "") and "No space left" in found.err
    assert os.listdir() == ["c.json"] and Path("c.json").read_text() == "before"
    assert run("prove", "1", "1", "--json", "c.json").code == 0
    assert Path("c.json").read_text() == symeq.prove((1, 1)).to_json()


def test_a_link_is_written_through(run: Call) -> None:
    """The link stays a link."""
    Path("target.json").write_text("before")
    Path("link.json").symlink_to("target.json")
    assert run("prove", "1", "1", "--json", "link.json").code == 0
    assert Path("link.json").is_symlink() and run("check", "target.json").code == 0


def test_check_needs_neither_sympy_nor_torch(tmp_path: Path) -> None:
    """It works where both are missing; ``prove`` needs no torch."""
    path = str(tmp_path / "c.json")
    done = process("prove", "1", "1", "--json", path, code="import sys; sys.modules['torch'] = None")
    assert (done.returncode, done.stderr) == (0, "")
    without = "import sys; sys.modules.update(dict.fromkeys(('torch', 'sympy', 'jinja2')))"
    done = process("check", path, code=without)
    assert (done.returncode, done.stderr) == (0, "")
