"""``symeq audit``: what it prints, its exit codes, and calls that are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symeq import cli

FAULTY = Path(__file__).with_name("faulty_layers.py")


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``symeq audit WORDS...``, in this process."""
    capsys.readouterr()
    code = cli.main(["audit", *words])
    return code, *capsys.readouterr()


def process(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, in ``folder``."""
    command = [sys.executable, "-m", "symeq", "audit", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def test_a_correct_layer_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and a line for every finding; export is looked at unless told otherwise."""
    code, out, err = call(capsys, f"{FAULTY}:DeepSets", "--signature", "n -> n")
    assert code == 0 and err == ""
    assert "2 of 2 independent operators" in out and "export" in out and "no fault in" in out
    code, out, _ = call(capsys, f"{FAULTY}:DeepSets", "--signature", "1 1", "--no-export")
    assert code == 0 and "torch.export" not in out


def test_a_faulty_layer_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the fault named; the same in JSON."""
    words = (f"{FAULTY}:pasted_twice", "--signature", "n n -> n n", "--no-export")
    code, out, _ = call(capsys, *words)
    assert code == 1 and "FAULT  operators" in out and "14 of 15" in out and "(0, 1, 1, 1)" in out
    code, out, _ = call(capsys, *words, "--json")
    record = json.loads(out)
    assert code == 1 and record["ok"] is False and record["layout"] == "b c n n -> b c op n n"
    (found,) = [found for found in record["findings"] if found["name"] == "operators"]
    assert found["verdict"] == "fault" and found["data"]["missing"] == [[0, 1, 1, 1]]


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Layout, arguments of the constructor and of the call, mask, ignored findings, strictness."""
    spec = ("--signature", "n -> n", "--no-export")
    code, out, _ = call(
        capsys,
        f"{FAULTY}:MaskedDeepSets",
        *spec,
        "--layout",
        "b n c -> b n c",
        "--init",
        "4, 1",
        "--mask",
        "node_mask",
    )
    assert code == 0 and '"b n c -> b n c" (as given)' in out and "(4, 1)" in out
    assert call(capsys, f"{FAULTY}:scaled", *spec, "--call", "size=n, power=0")[0] == 0
    bias = (f"{FAULTY}:DiagonalBias", "--signature", "n n -> n n", "--no-export")
    assert call(capsys, *bias)[0] == 1
    assert call(capsys, *bias, "--ignore", "bias")[0] == 0
    assert call(capsys, *bias, "--ignore", "bias", "--strict")[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), ("MODULE:NAME",)),
        (("layers.py:Layer",), ("--signature",)),
        (("", "--signature", "n -> n"), ("no MODULE:NAME",)),
        (("Layer", "--signature", "n -> n"), ("MODULE:NAME",)),
        (("missing.py:Layer", "--signature", "n -> n"), ("no file missing.py",)),
        ((f"{FAULTY}:Nothing", "--signature", "n -> n"), ("'Nothing'", "faulty_layers.py")),
        ((f"{FAULTY}:DeepSets", "--signature", "n n"), ("no '->'",)),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--layout", "b n"), ("'b n' is not a layout",)),
        (
            (f"{FAULTY}:DeepSets", "--signature", "n -> n", "--layout", "b c n -> b c n"),
            ("does not take the layout",),
        ),
        (
            (f"{FAULTY}:DeepSets", "--signature", "n n n -> n"),
            ("no usual layout fits", "layout"),
        ),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--init", "2, ("), ("init='2, ('",)),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--init", "2, 3, 4"), ("init",)),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--ignore", "biass"), ("ignore='biass'", "bias")),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--time-limit", "0"), ("time_limit=0",)),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--seed", "-1"), ("--seed",)),
        ((f"{FAULTY}:DeepSets", "--signature", "n -> n", "--frob"), ("--frob",)),
        ((f"{FAULTY}:DeepSets", "--signature", "5 5"), ("115975",)),
    ],
)
def test_a_wrong_call_says_so(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: tuple[str, ...],
) -> None:
    """Exit code 2, one message on stderr, nothing on stdout and nothing written."""
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *words)
    assert code == 2 and out == "" and err.startswith("symeq: ") and "Traceback" not in err
    assert [word for word in said if word not in err] == []
    assert list(tmp_path.iterdir()) == []


def test_help_says_that_the_code_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the help knows what an audit does with the code."""
    code, out, _ = call(capsys, "--help")
    assert code == 0 and "imported and run" in " ".join(out.replace("│", " ").split())


def test_a_module_in_the_current_folder_and_what_it_prints(tmp_path: Path) -> None:
    """A module is found by name; what its code prints goes to stderr, so that JSON stays JSON."""
    (tmp_path / "own_layers.py").write_text(
        "print('imported')\ndef layer(x):\n    print('called')\n"
        "    return [x, x.sum(1, keepdim=True).expand_as(x)]\n"
    )
    done = process("own_layers:layer", "--signature", "n -> n", "--json", "--no-export", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    assert "imported" in done.stderr and "called" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["own_layers.py"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("while True:\n    pass\n", "importing hangs.py"),
        ("def f(x):\n    while True:\n        pass\n", "calling it at n ="),
        ("import time\nclass f:\n    def __init__(self):\n        time.sleep(1000)\n", "making f()"),
    ],
)
def test_code_that_hangs_lets_the_process_end(tmp_path: Path, source: str, words: str) -> None:
    """Exit code 2 soon after the time limit, whatever hangs: the import, the constructor, a call."""
    (tmp_path / "hangs.py").write_text(source)
    start = time.monotonic()
    done = process("hangs.py:f", "--signature", "n -> n", "--time-limit", "1", folder=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert words in done.stderr and "takes longer than 1 s" in done.stderr
    assert time.monotonic() - start < 60


def test_code_that_hangs_inside_torch_is_given_up(tmp_path: Path) -> None:
    """Also at the end of the process, which waits for no thread and is not aborted by one."""
    source = "import torch\nx = torch.ones(300, 300)\nwhile True:\n    x = x @ x\n"
    (tmp_path / "endless.py").write_text(source, encoding="utf-8")
    done = process("endless.py:f", "--signature", "n -> n", "--time-limit", "1.5", folder=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert "takes longer than 1.5 s" in done.stderr and done.stderr.count("\n") == 1


def test_what_code_prints_from_below_python_is_no_part_of_the_document(tmp_path: Path) -> None:
    """Stdout is one JSON document, whatever the audited module writes to it."""
    source = "import os\nos.write(1, b'raw')\ndef f(x):\n    return x\n"
    (tmp_path / "loud.py").write_text(source, encoding="utf-8")
    done = process("loud.py:f", "--signature", "n -> n", "--no-export", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["ok"] is False and "raw" in done.stderr
