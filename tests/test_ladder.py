"""The ladder: what a row says, what it notices, what the store keeps, and what the command prints."""

from __future__ import annotations

import json
import platform
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symeq.verification
from ladder_stubs import PROOF, TRIAL, dies, fails, holds, report_of
from symeq import cli, pipeline
from symeq.emit.render import RenderedModule
from symeq.errors import OptionError, SignatureError, TooLargeError, WorkerError
from symeq.ladder import LadderReport, Row, default_store, pairs_of, row, run, run_ladder, store
from symeq.ladder.row import enumerate_strings, sizes_of
from symeq.ladder.store import Store, sources_digest
from symeq.process import replace_workers_quietly
from symeq.signature import Signature
from symeq.verification.load import MOST_SLOTS
from symeq.verification.report import Check, VerificationReport

BELL = (1, 1, 2, 5, 15, 52, 203, 877, 4140)


def brute_force_dimension(m: int, n: int) -> int:
    """The number of equality patterns that the tuples of length m over n values show."""
    return len({tuple(map(t.index, t)) for t in product(range(n), repeat=m)})


# ------------------------------------------------------------------ orders


def test_the_ladder_has_every_pair_of_orders() -> None:
    """All (k, k') with k + k' <= M, each once, by k + k' and k; pairs of one's own in the same order."""
    for most in range(6):
        expected = {(k, j) for k in range(most + 1) for j in range(most + 1) if k + j <= most}
        pairs = pairs_of(most)
        assert len(pairs) == len(expected) and set(pairs) == expected
        assert list(pairs) == sorted(pairs, key=lambda pair: (sum(pair), pair[0]))
    assert pairs_of([(2, 1), (0, 0), (2, 1)]) == ((0, 0), (2, 1))
    assert pairs_of([(5, 5)]) == ((5, 5),)


@pytest.mark.parametrize(
    ("orders", "error", "words"),
    [
        (-1, OptionError, "-1.*integer >= 0"),
        (True, OptionError, "True"),
        ([], OptionError, "pairs of orders"),
        ([(1, -1)], SignatureError, "integer >= 0"),
        ([(1, 2, 3)], SignatureError, "pair of orders"),
        (9, TooLargeError, "steps of 9 -> 0: 21148"),
        (12, TooLargeError, "operators of 12 -> 0: 4213597"),
        (40, TooLargeError, "157450588391204931289324344702531067.*k \\+ k' <= 8"),
        (10**100, TooLargeError, "axes.*1000"),
        ([(1, 1), (6, 6)], TooLargeError, "6 -> 6: 4213597"),
    ],
)
def test_what_cannot_be_verified_is_refused_first(
    orders: Any, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders that cannot be, or are too high, are refused with their count before anything is emitted."""
    monkeypatch.delattr(pipeline, "emit")
    with pytest.raises(error, match=words):
        run_ladder(orders, verify=holds)


def test_the_limit_is_that_of_verification() -> None:
    """What the ladder lets through, ``verify`` takes."""
    assert run.MOST_OPERATORS == MOST_SLOTS
    assert pairs_of(8)[-1] == (8, 0)


@pytest.mark.parametrize("jobs", [0, -2])
def test_jobs_are_processes(jobs: int) -> None:
    """A number of processes that cannot be is refused."""
    with pytest.raises(OptionError, match=f"jobs={jobs}"):
        run_ladder(1, jobs=jobs, verify=holds)


# ------------------------------------------------------------------ rows


def test_rows_hold_the_numbers() -> None:
    """Enumeration, Bell, Burnside, constraints and slots of every row, against brute force."""
    report = run_ladder(4, verify=holds)
    assert report.ok and [(r.order_in, r.order_out) for r in report.rows] == list(pairs_of(4))
    for found in report.rows:
        m = found.order_in + found.order_out
        numbers = {found.enumerated, found.bell, found.basis_slots, found.weight_slots}
        assert numbers == {BELL[m]}
        assert [at.n for at in found.sizes] == list(range(m + 2))
        for at in found.sizes:
            expected = brute_force_dimension(m, at.n)
            assert (at.dimension, at.burnside, at.constraints) == (expected, expected, expected)
        assert [(check.name, check.kind, check.ok) for check in found.checks] == [
            ("a proof", "proved", True),
            ("a trial", "tested", True),
        ]
        assert found.complaints == () and not found.stored
    assert report.failed == ()


@pytest.mark.parametrize("m", range(9))
def test_strings_are_enumerated(m: int) -> None:
    """The enumeration is complete: as many strings as the Bell number, all of them right."""
    assert enumerate_strings(m) == (BELL[m], "")


@pytest.mark.parametrize(
    ("chunks", "number", "said"),
    [
        ([[[0, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 1, 0]]], 2, "string 2 of the enumeration is (0, 0, 1)"),
        ([[[0, 0, 0], [0, 1, 0], [0, 0, 1]]], 2, "string 2 of the enumeration is (0, 0, 1)"),
        ([[[0, 0, 0], [0, 0, 2]]], 1, "string 1 of the enumeration is (0, 0, 2)"),
        ([[[1, 1, 1]]], 0, "string 0 of the enumeration is (1, 1, 1)"),
        ([[[0, -1, 0]]], 0, "string 0 of the enumeration is (0, -1, 0)"),
        ([[[0, 0, 0], [0, 1, 2]]], 2, ""),
    ],
)
def test_a_wrong_enumeration_is_noticed(
    chunks: list[list[list[int]]], number: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A string that comes twice, out of order, or is none, and a missing one."""

    def wrong(sets: tuple[str, ...]) -> Iterator[Any]:
        return (np.array(chunk, dtype=np.int8) for chunk in chunks)

    monkeypatch.setattr(row, "restricted_growth_string_chunks", wrong)
    found, fault = enumerate_strings(3)
    assert found == number and fault.startswith(said)
    report = run_ladder([(2, 1)], verify=holds)
    assert not report.ok
    assert f"{number} restricted growth strings were enumerated, Bell(3) = 5" in str(report)
    assert said in str(report)


def test_many_strings_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a limit nothing is enumerated, and the table says so."""
    monkeypatch.setattr(row, "MOST_ENUMERATED", 1)
    report = run_ladder(2, verify=holds)
    assert [r.enumerated for r in report.rows] == [1, 1, 1, None, None, None]
    assert report.ok and str(report).count("counted") == 3


def test_large_sizes_are_left_to_burnside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The constraints are solved where that is cheap; the table tells where."""
    monkeypatch.setattr(row, "MOST_TUPLES", 8)
    sizes = sizes_of(Signature.from_orders(2, 1))
    assert [at.constraints for at in sizes] == [0, 1, 4, None, None]
    assert [at.burnside for at in sizes] == [0, 1, 4, 5, 5]
    line = re.search(r"^2 -> 1.*$", str(run_ladder(3, verify=holds)), re.MULTILINE)
    assert line is not None and "n = 0..4  n = 0..2   - " in line.group()


# ------------------------------------------------------------------ disagreements


def emitting(change: Callable[[str], str]) -> Callable[..., RenderedModule]:
    """As ``pipeline.emit``, with the text changed."""
    emit = pipeline.emit

    def changed(*spec: Any) -> RenderedModule:
        module = emit(*spec)
        text = change(module.text)
        assert text != module.text
        return replace(module, text=text)

    return changed


@dataclass(frozen=True)
class Fault:
    """What is made wrong, and what must be said of it."""

    patch: Callable[[pytest.MonkeyPatch], None]
    said: tuple[str, ...]
    verify: Callable[..., VerificationReport] = holds


def _patched(name: str, value: Any, module: Any = row) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(module, name, value)


def _unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ``verify`` is another one."""


def _cross_check(signature: Signature, n: int) -> Any:
    from symeq.proof.crosscheck import cross_check

    return replace(cross_check(signature, n), dimension=7)


def _raises(path: Path, **_: object) -> VerificationReport:
    raise ZeroDivisionError("somewhere\nin the layer")


def _no_slots(path: Path) -> tuple[int, int]:
    raise OSError("no room")


@dataclass(frozen=True)
class _Sour(VerificationReport):
    @property
    def ok(self) -> bool:
        return False


class _Basis:
    def dimension(self, n: int) -> int:
        return min(n, 3)


FAULTS: dict[str, Fault] = {
    "Bell": Fault(
        _patched("bell", lambda m: 3), ("2 restricted growth strings were enumerated, Bell(2) = 3",)
    ),
    "Burnside": Fault(
        _patched("dimension_by_burnside", lambda spec, n: 1),
        (
            "n = 0: Burnside's lemma gives 1, dimension(0) = 0",
            "n = 2: Burnside's lemma gives 1, dimension(2) = 2",
        ),
    ),
    "constraints": Fault(
        _patched("cross_check", _cross_check),
        ("n = 3: the constraints give 7 (nullspace), dimension(3) = 2",),
    ),
    "dimension": Fault(
        _patched("derive", lambda signature, kind: _Basis()),
        ("n = 3: dimension(3) = 3, Bell(2) = 2", "n = 3: Burnside's lemma gives 2, dimension(3) = 3"),
    ),
    "a missing slot": Fault(
        _patched("emit", emitting(lambda text: re.sub(r"\n +\(0, 1\), .*", "", text, count=1)), pipeline),
        ("BASIS of the emitted layer has 1 slots, Bell(2) = 2",),
    ),
    "a slot without a weight": Fault(
        _patched("emit", emitting(lambda text: text.replace("len(self.BASIS), in", "3, in")), pipeline),
        ("weight of the emitted layer has 3 slots, Bell(2) = 2",),
    ),
    "a text that does not run": Fault(
        _patched("emit", emitting(lambda text: text + "1 / 0\n"), pipeline),
        ("reading the slots raised NotALayerError", "division by zero", "the row is not complete"),
    ),
    "slots that cannot be read": Fault(
        _patched("slots_of", _no_slots), ("reading the slots raised OSError: no room", "not complete")
    ),
    "a check that fails": Fault(
        _unchanged, ("a proof (proved) FAILED", "line 7 is wrong", "y[0, 1] is 5, expected 2"), fails
    ),
    "verify raises": Fault(
        _unchanged,
        ("verifying raised ZeroDivisionError: somewhere", "in the layer", "nothing was proved"),
        _raises,
    ),
    "no proof": Fault(
        _unchanged, ("nothing was proved of the emitted layer",), lambda path, **_: report_of(TRIAL)
    ),
    "no test": Fault(
        _unchanged, ("nothing was tested of the emitted layer",), lambda path, **_: report_of(PROOF)
    ),
    "no check that says why": Fault(
        _unchanged,
        ("does not hold, though every check does",),
        lambda path, **_: _Sour("stub", Signature.parse("->"), "channels-last", 0, (PROOF, TRIAL)),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disagreement_is_named(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The row does not hold, says all that is wrong below the table, and is not kept."""
    wrong = FAULTS[fault]
    wrong.patch(monkeypatch)
    report = run_ladder([(1, 1)], verify=wrong.verify, store=tmp_path)
    assert not report.ok and len(report.failed) == 1
    table, _, below = str(report).partition("1 -> 1 does not hold:")
    assert [said for said in wrong.said if said not in below] == []
    assert re.search(r"^1 -> 1 .* FAILED$", table, re.MULTILINE) and "0 of 1 rows hold" in below
    document = json.loads(report.to_json())
    assert document["ok"] is False and document["rows"][0]["complaints"] == list(report.rows[0].complaints)
    assert list(tmp_path.iterdir()) == []


def test_one_wrong_row_leaves_the_others() -> None:
    """The verdict of a row is its own; one wrong row makes the ladder wrong."""
    report = run_ladder(2, verify=fails)
    assert [(r.order_in, r.order_out) for r in report.failed] == [(1, 1)] and not report.ok
    assert "5 of 6 rows hold" in str(report)
    assert not LadderReport(()).ok


def test_what_is_verified_is_what_was_emitted() -> None:
    """``verify`` is given a file with the emitted text, the seed, and someone to tell."""
    seen: dict[str, Any] = {}
    told: list[tuple[str, int, int]] = []

    def look(path: Path, seed: int, progress: Callable[[str, int, int], None]) -> VerificationReport:
        seen[path.name] = path.read_text(encoding="utf-8"), seed
        progress("half", 1, 2)
        return report_of(PROOF, TRIAL)

    assert run_ladder(1, seed=5, verify=look, progress=lambda *step: told.append(step)).seed == 5
    modules = [pipeline.emit(pair) for pair in pairs_of(1)]
    assert seen == {module.file_name: (module.text, 5) for module in modules}
    made = [step for step in told if step[2] > 1]
    assert [done for _, done, _ in made] == sorted(done for _, done, _ in made)
    assert made[-1][1] == made[-1][2] and ("0 -> 0: half" in [what for what, _, _ in made])


# ------------------------------------------------------------------ the store


class Counting:
    """As ``holds``, and counts."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def __call__(self, path: Path, **options: Any) -> VerificationReport:
        """Notes the file."""
        self.files.append(path.name)
        return holds(path, **options)

    __qualname__ = "counting"

    def __len__(self) -> int:
        return len(self.files)

    def __bool__(self) -> bool:
        return True


def test_rows_are_not_made_twice(tmp_path: Path) -> None:
    """What the store has is taken from it, and the table says so; ``again`` makes it anew."""
    verify = Counting()
    first = run_ladder(1, store=tmp_path, verify=verify)
    assert len(verify) == 3 and not any(r.stored for r in first.rows)
    second = run_ladder(2, store=tmp_path, verify=verify)
    assert len(verify) == 6 and [r.stored for r in second.rows] == [True] * 3 + [False] * 3
    assert second.rows[:3] == first.rows and second.ok and second.notes == ()
    assert str(second).count("ok, stored") == 3 and "3 of them from the store" in str(second)
    assert run_ladder(2, store=tmp_path, verify=verify).rows == second.rows and len(verify) == 6
    again = run_ladder(1, store=tmp_path, again=True, verify=verify)
    assert len(verify) == 9 and again.rows == first.rows and not any(r.stored for r in again.rows)
    assert run_ladder(1, verify=verify).rows == first.rows and len(verify) == 12
    assert len(list(tmp_path.iterdir())) == 6


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "the emitted text": _patched("emit", emitting(lambda text: text + "# changed\n"), pipeline),
    "the sources": _patched("_own_sources", lambda: "0" * 64, store),
    "libraries": _patched(
        "_version", lambda library: "9.9" if library == "torch" else store.version(library), store
    ),
    "Python": _patched("python_version", lambda: "3.99.0", platform),
    "the machine": _patched("machine", lambda: "abacus", platform),
    "the form of rows": _patched("FORMAT", 0, store),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_is_good_for_what_it_was_made_of(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another text, other sources, another torch: the row is made again, without a word, and kept."""
    verify = Counting()
    run_ladder(0, store=tmp_path, verify=verify)
    with monkeypatch.context() as context:
        CHANGES[change](context)
        for made in (2, 2):
            report = run_ladder(0, store=tmp_path, verify=verify)
            assert (len(verify), report.notes) == (made, ())
    run_ladder(0, store=tmp_path, verify=verify)
    assert len(verify) == 3


def test_a_row_is_good_for_one_seed_and_one_verify(tmp_path: Path) -> None:
    """Rows of another seed, or that something else has verified, are not taken."""
    run_ladder(0, store=tmp_path, verify=holds)
    assert run_ladder(0, store=tmp_path, verify=holds).rows[0].stored
    assert not run_ladder(0, store=tmp_path, verify=holds, seed=1).rows[0].stored
    assert not run_ladder(0, store=tmp_path, verify=fails, seed=1).rows[0].stored
    assert run_ladder(0, store=tmp_path, verify=fails, seed=1).rows[0].stored


def test_the_sources_that_decide(tmp_path: Path) -> None:
    """A change of any source changes the digest, unless it can decide no row."""
    for name in ("verification/a.py", "combinatorics/b.py", "errors.py", "cli/c.py", "bench/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    digests = [sources_digest(tmp_path)]
    for name in ("verification/a.py", "combinatorics/b.py", "errors.py", "proof.py"):
        (tmp_path / name).write_text("2")
        digests.append(sources_digest(tmp_path))
    assert len(set(digests)) == 5
    for name in ("cli/c.py", "bench/d.py", "drawing.txt"):
        (tmp_path / name).write_text("2")
    assert sources_digest(tmp_path) == digests[-1]


def _edited(**changes: Any) -> Callable[[bytes], bytes]:
    """The entry with other numbers, and a digest that fits them."""

    def edit(content: bytes) -> bytes:
        entry = json.loads(content)
        for name, value in changes.items():
            if value is None:
                del entry["row"][name]
            else:
                entry["row"][name] = value
        entry["sha256"] = store._seal(entry["key"], entry["row"])
        return json.dumps(entry).encode()

    return edit


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "no text": lambda content: b"\xff\xfe\x00",
    "another document": lambda content: b'{"rows": []}',
    "no document": lambda content: b"[1, 2]",
    "a number": lambda content: b"3",
    "deeply nested": lambda content: b"[" * 100_000,
    "one number changed": lambda content: content.replace(b'"burnside": 1', b'"burnside": 2', 1),
    "a row that does not agree": _edited(basis_slots=2),
    "a row with a fault": _edited(faults=["something"]),
    "a row without checks": _edited(checks=[]),
    "a row that is not complete": _edited(sizes=None),
    "a row with more than there is": _edited(colour="red"),
    "the row of another order": _edited(order_in=1),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_entry_is_made_again(spoilt: str, tmp_path: Path) -> None:
    """A file that is damaged, foreign, or has a row that does not hold: it is said, and made again."""
    verify = Counting()
    first = run_ladder(0, store=tmp_path, verify=verify)
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    path.write_bytes(SPOILT[spoilt](before))
    assert path.read_bytes() != before
    report = run_ladder(0, store=tmp_path, verify=verify)
    assert len(verify) == 2 and report.rows == first.rows and not report.rows[0].stored
    (note,) = report.notes
    assert str(path) in note and "made again" in note and note in str(report)
    assert run_ladder(0, store=tmp_path, verify=verify).notes == () and len(verify) == 2


def test_a_row_survives_the_store(tmp_path: Path) -> None:
    """What comes back is what was kept."""
    (made,) = run_ladder([(2, 1)], verify=holds).rows
    key = store.key_of((2, 1), "text", holds, 0)
    assert Store(tmp_path).save(key, made) == ""
    found, word = Store(tmp_path).load(key)
    assert (found, word) == (made, "") and found is not None and found.stored
    assert found.seconds == made.seconds
    assert Row.from_record(json.loads(json.dumps(made.record()))) == made


def test_a_store_that_cannot_be_written_costs_no_row(tmp_path: Path) -> None:
    """The rows are shown, and a note says that they could not be kept."""
    (tmp_path / "file").write_text("in the way")
    report = run_ladder(0, store=tmp_path / "file" / "store", verify=holds)
    assert report.ok and len(report.notes) == 1
    assert "The row is not kept." in report.notes[0] and "--store" in report.notes[0]


def test_the_default_store_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder of the system's conventions; nothing is made by asking."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "symeq" in default_store().parts and default_store().name == "ladder"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """Rows that were done are kept at once; the next run makes the others."""

    def interrupted(path: Path, **options: Any) -> VerificationReport:
        if path.name == "invariant_1.py" and len(list(tmp_path.iterdir())) == 4 and not resumed:
            raise KeyboardInterrupt
        files.append(path.name)
        return holds(path, **options)

    files: list[str] = []
    resumed: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        run_ladder(2, store=tmp_path, verify=interrupted)
    assert files == ["broadcast_2.py", "equivariant_1to1.py", "invariant_2.py", "broadcast_1.py"]
    resumed.append(True)
    report = run_ladder(2, store=tmp_path, verify=interrupted)
    assert files[4:] == ["invariant_1.py", "invariant_0.py"] and sum(r.stored for r in report.rows) == 4


# ------------------------------------------------------------------ processes


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_no_process_is_left_when_told_to_end(number: int, code: int, tmp_path: Path) -> None:
    """Neither a worker that goes on with its row, nor a traceback."""
    # Whatever begins the tests may have told its children to ignore Ctrl-C.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from symeq.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "verify", "--orders", "4", "--jobs", "2", "--store"]
    own = {"start_new_session": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, str(tmp_path)], **own) as running:
        wait_until(lambda: len(processes_of(running.pid)) >= 4)  # this one, a tracker, two workers
        time.sleep(1)  # these have begun
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
        assert running.returncode == code and "Traceback" not in said
    wait_until(lambda: not processes_of(running.pid))


def processes_of(session: int) -> list[str]:
    """The numbers of the processes of a session that run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, _, number = status.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                found.append(status.parent.name)
    return found


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Waits, and fails if it takes longer."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_worker_that_is_replaced_is_no_news() -> None:
    """What joblib warns of then is not written; the text is that of the installed joblib."""
    import joblib.externals.loky.process_executor as loky

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        replace_workers_quietly()
        warnings.warn("A worker stopped while some jobs were given to the executor.", stacklevel=1)
        assert not found
        warnings.warn("something else", stacklevel=1)
    assert len(found) == 1
    assert "A worker stopped while some jobs were given" in Path(loky.__file__).read_text()


def test_processes_make_the_same_table(tmp_path: Path) -> None:
    """Two processes find what one finds, keep it, and tell how far they are."""
    told: list[tuple[str, int, int]] = []
    report = run_ladder(2, jobs=2, verify=fails, store=tmp_path, progress=lambda *step: told.append(step))
    assert report == run_ladder(2, verify=fails)
    made = [step for step in told if step[2] > 1]
    assert [done for _, done, _ in made] == sorted(done for _, done, _ in made)
    assert made[-1][1] == made[-1][2] and len(made) == 1 + 6
    assert sum(r.stored for r in run_ladder(2, jobs=2, verify=fails, store=tmp_path).rows) == 5


def test_a_process_that_dies_is_said(tmp_path: Path) -> None:
    """One line instead of a traceback, and the rows that were done are kept."""
    with pytest.raises(WorkerError, match=r"before its row was done.*fewer jobs"):
        run_ladder(1, jobs=2, store=tmp_path, verify=dies)
    assert len(list(tmp_path.iterdir())) >= 1


# ------------------------------------------------------------------ the command line


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command with a stand-in for ``verify``; the user's cache is an empty folder, which is returned."""
    monkeypatch.setattr(symeq.verification, "verify_briefly", holds)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--orders", "40"), ("157450588391204931289324344702531067", "1000000")),
        (("--orders", "9"), ("9 -> 0", "21148", "k + k' <= 8")),
        (("--orders", "-1"), ("--orders", "'-1'", "integer >= 0")),
        (("--orders", "two"), ("--orders", "'two'", "--orders 6")),
        (("--orders", ""), ("--orders", "''", "integer >= 0")),
        (("--orders", "1,"), ("'1,'", "--orders 5,5")),
        (("--orders", "1,1,1"), ("'1,1,1'", "--orders 5,5")),
        (("--orders", "6,6"), ("6 -> 6", "4213597")),
        (("--orders", "9" * 30), ("axes", "1000")),
        (("--orders", "2", "1", "1"), ("--orders", "SPEC")),
        (("--orders", "2", "--self-test"), ("--orders", "--self-test")),
        (("--orders", "2", "--sample", "3"), ("--orders", "--sample")),
        (("--orders", "2", "--jobs", "0"), ("--jobs='0'", ">= 1")),
        (("--orders", "2", "--jobs", "many"), ("--jobs", "'many'")),
        (("--orders", "2", "--store", ""), ("--store is empty",)),
        (("--orders", "2", "--store", __file__), (__file__, "is a file", "--store")),
        (("1", "1", "--again"), ("--again", "--orders")),
        (("1", "1", "--store", "d"), ("--store", "--orders")),
        (("1", "1", "--jobs", "2"), ("--jobs", "--orders")),
    ],
)
def test_a_wrong_call(
    stub: Path, words: tuple[str, ...], said: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line that says what came and what to do, and nothing made."""
    assert cli.main(["verify", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("symeq: ") and err.count("\n") == 1
    assert [word for word in said if word not in err] == []
    assert not stub.exists()


def test_the_command(stub: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The table, the JSON that nothing disturbs, the store in the user's cache, and exit code 1."""
    assert cli.main(["verify", "--orders", "1", "--jobs", "1"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[0].split()[:3] == ["k", "->", "k'"]
    assert "3 of 3 rows hold, 0 of them from the store" in out
    assert err.count("a layer that talks") == err.count("one below Python") == 3
    assert len(list(stub.rglob("symeq-ladder-*.json"))) == 3
    assert cli.main(["verify", "--orders", "1", "--json"]) == 0
    out, err = capfd.readouterr()
    assert [r["stored"] for r in json.loads(out)["rows"]] == [True] * 3 and err == ""
    assert cli.main(["verify", "--orders", "1", "--json", "--again", "--jobs", "2"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["ok"] is True and [r["orders"] for r in document["rows"]] == [[0, 0], [0, 1], [1, 0]]
    assert document["rows"][1]["signature"] == " -> n" and document["rows"][1]["stored"] is False
    assert [at["burnside"] for at in document["rows"][1]["sizes"]] == [0, 1, 1]
    monkeypatch.setattr(symeq.verification, "verify_briefly", fails)
    assert cli.main(["verify", "--orders", "1,1"]) == 1
    assert "0 of 1 rows hold" in capfd.readouterr().out
    monkeypatch.setattr(
        symeq.verification, "verify_briefly", lambda path, **_: report_of(Check("x", False, ""))
    )
    assert cli.main(["verify", "--orders", "1", "--jobs", "1", "--again"]) == 1
    assert "x (tested) FAILED" in capfd.readouterr().out


def test_an_interrupt(
    stub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends the ladder with 130 and without a word; what was done is there the next time."""
    asked = 0

    def interrupted(path: Path, **options: Any) -> VerificationReport:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise KeyboardInterrupt
        return report_of(PROOF, TRIAL)

    monkeypatch.setattr(symeq.verification, "verify_briefly", interrupted)
    words = ["verify", "--orders", "1", "--jobs", "1"]
    assert cli.main(words) == 130
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "")
    assert len(list(stub.rglob("*.json"))) == 2
    assert cli.main(words) == 0 and asked == 4


def test_a_real_row() -> None:
    """The smallest layer, counted, emitted, proved and tested."""
    report = run_ladder(0)
    assert report.ok, str(report)
    (found,) = report.rows
    assert {check.kind for check in found.checks} == {"proved", "tested"} and len(found.checks) > 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("most", [2, 6])
def test_the_ladder_holds(most: int) -> None:
    """Every row up to k + k' = 6, by all processors."""
    report = run_ladder(most, jobs=-1)
    assert report.ok, str(report)
    assert len(report.rows) == (most + 1) * (most + 2) // 2
