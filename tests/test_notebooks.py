"""The notebooks: they run from a clean kernel, say the same again, and their exercises can be checked."""

from __future__ import annotations

import copy
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebook_solutions import SOLUTIONS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

pytestmark = pytest.mark.checkout


def load() -> ModuleType:
    """``notebooks/execute.py``, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load()


# A window system is asked for that is not there, and no program is in reach: neither a display nor LaTeX.
BARE = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "MPLBACKEND": "TkAgg", "PATH": str(FOLDER / "nowhere")}


@cache
def executed(name: str) -> tuple[NotebookNode, tuple[tuple[str, str], ...]]:
    """A notebook after one run of a clean kernel, and what its checks said of each answer, in their order.

    The kernel has neither a display nor LaTeX, and pictures must appear all the same.
    The answers are tried after the last cell, in the same kernel: first all wrong ones, then the right one.
    """
    notebook = run.read(FOLDER / name)
    length = len(notebook.cells)
    tried = []
    for (_, check), solution in zip(run.exercises(notebook), SOLUTIONS[name], strict=True):
        for answer in (*solution.wrong, solution.right):
            tried.append(answer)
            notebook.cells += [new_code_cell(answer), new_code_cell(check.source)]
    fresh = run.execute(notebook, timeout=300, **BARE)
    verdicts = [run.shown(cell)[0][1] for cell in fresh.cells[length + 1 :: 2]]
    del fresh.cells[length:]
    return fresh, tuple(zip(tried, verdicts, strict=True))


@pytest.mark.parametrize("name", list(SOLUTIONS))
class TestNotebook:
    def test_it_has_all_that_a_notebook_needs(self, name: str) -> None:
        """Title, what the reader will know, a picture, exercises; no errors, warnings, paths, counts."""
        assert run.faults(run.read(FOLDER / name)) == []

    def test_a_clean_kernel_says_the_same(self, name: str) -> None:
        """All text outputs are the committed ones; cells tagged ``varies`` pass their own assertions."""
        fresh, _ = executed(name)
        assert run.changes(run.read(FOLDER / name), fresh) == []
        assert run.faults(fresh) == []

    def test_its_exercises_accept_right_answers_and_no_others(self, name: str) -> None:
        """Every check tells right from wrong, also from what is no answer at all."""
        _, verdicts = executed(name)
        for number, solution in enumerate(SOLUTIONS[name], start=1):
            assert solution.wrong
            expected = dict.fromkeys(solution.wrong, "wrong") | {solution.right: "right"}
            found = {answer: said for answer, said in verdicts if answer in expected}
            assert found.keys() == expected.keys()
            for answer, said in found.items():
                assert said.startswith(f"Exercise {number}: {expected[answer]}"), answer


def test_every_notebook_is_tested() -> None:
    """A notebook without solutions would not be run."""
    assert [path.name for path in run.paths()] == list(SOLUTIONS)


def test_the_kernels_have_neither_a_display_nor_latex() -> None:
    """Or the runs above would not show that notebooks need none; and one more runs in a usual environment."""
    probe = (
        "import os, shutil\nprint(os.environ['DISPLAY'] == '', shutil.which('latex'), shutil.which('dvipng'))"
    )
    fresh = run.execute(new_notebook(cells=[new_code_cell(probe)]), **BARE)
    assert run.shown(fresh.cells[0]) == [("stdout", "True None None\n")]
    name = next(iter(SOLUTIONS))
    fresh = run.execute(run.read(FOLDER / name))
    assert run.changes(run.read(FOLDER / name), fresh) == [] and run.faults(fresh) == []


# ---------------------------------------------------------------- the judge can say no


def small() -> NotebookNode:
    """A notebook with all that one needs, as it would be committed."""
    picture = new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
    cells = [
        new_markdown_cell("# A title\n\n## What you will know\n\n- something"),
        new_code_cell("print(6 * 7)", outputs=[new_output("stream", name="stdout", text="42\n")]),
        new_code_cell("draw()", outputs=[picture]),
        new_code_cell("print(time())\nassert time() > 0", metadata={"tags": ["varies"]}),
        new_markdown_cell("## Exercises"),
    ]
    cells[3].outputs = [new_output("stream", name="stdout", text="12.3\n")]
    for number in (1, 2, 3):
        unanswered = new_output("stream", name="stdout", text=f"Exercise {number}: not answered yet\n")
        cells += [
            new_code_cell(f"answer_{number} = None", metadata={"tags": ["exercise"]}),
            new_code_cell(f"check({number})", metadata={"tags": ["check"]}, outputs=[unanswered]),
        ]
    return run.normalised(new_notebook(cells=cells))


def say(text: str, name: str = "stdout") -> list[NotebookNode]:
    """The outputs of a cell that writes to a stream."""
    return [new_output("stream", name=name, text=text)]


FAULTS: dict[str, tuple[Callable[[NotebookNode], object], str]] = {
    "no title": (lambda nb: nb.cells.pop(0), "does not begin with a title"),
    "nothing to know": (
        lambda nb: nb.cells[0].update(source="# A title"),
        "no heading '## What you will know'",
    ),
    "no exercises": (lambda nb: nb.cells.__delitem__(slice(4, None)), "0 exercises, expected at least 3"),
    "no picture": (lambda nb: nb.cells[2].update(outputs=[]), "shows no picture"),
    "a check is missing": (lambda nb: nb.cells.pop(6), "do not alternate"),
    "an answer was left in": (
        lambda nb: nb.cells[6].update(outputs=say("Exercise 1: right\n")),
        "exercise 1 is committed with",
    ),
    "an error": (
        lambda nb: nb.cells[1].update(
            outputs=[new_output("error", ename="ValueError", evalue="no", traceback=[])]
        ),
        "has error output: ValueError: no",
    ),
    "a warning": (
        lambda nb: nb.cells[1].update(outputs=say("UserWarning: careful\n", "stderr")),
        "has stderr output: UserWarning",
    ),
    "a path shown": (
        lambda nb: nb.cells[1].update(outputs=say("see /home/somebody/x.py\n")),
        "shows a path",
    ),
    "an address shown": (
        lambda nb: nb.cells[1].update(outputs=say("<object at 0x7f3a5c0d1e80>\n")),
        "shows a path or an address",
    ),
    "a path in the source": (
        lambda nb: nb.cells[1].update(source="open('/home/somebody/x')"),
        "names a path",
    ),
    "an execution count": (lambda nb: nb.cells[1].update(execution_count=3), "has an execution count"),
    "varies, and asserts nothing": (
        lambda nb: nb.cells[3].update(source="print(time())"),
        "is tagged `varies` and asserts nothing",
    ),
    "an unknown tag": (lambda nb: nb.cells[1].metadata.update(tags=["vary"]), "expected tags among"),
    "timings in the metadata": (
        lambda nb: nb.cells[1].metadata.update(execution={"iopub.execute_input": "2026"}),
        "has metadata",
    ),
    "state of a widget": (
        lambda nb: nb.cells[1].update(
            outputs=[new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}})]
        ),
        "keeps the state of a widget",
    ),
    "another kernel": (
        lambda nb: nb.metadata.kernelspec.update(name="my-environment"),
        "its metadata are not those",
    ),
}


class TestTheJudge:
    def test_a_good_notebook_has_no_faults(self) -> None:
        """Or the complaints below might be about something else."""
        assert run.faults(small()) == []

    @pytest.mark.parametrize(("spoil", "complaint"), list(FAULTS.values()), ids=list(FAULTS))
    def test_a_fault_is_named(self, spoil: Callable[[NotebookNode], object], complaint: str) -> None:
        """Each kind of fault leads to its own complaint."""
        notebook = small()
        spoil(notebook)
        assert complaint in "; ".join(run.faults(notebook))

    @pytest.mark.parametrize("at", [1, 2])
    def test_a_changed_output_is_noticed(self, at: int) -> None:
        """Another text, or a picture that is gone."""
        changed = small()
        changed.cells[at].outputs = say("43\n")
        (complaint,) = run.changes(small(), changed)
        assert complaint.startswith(f"cell {at} (") and "43" in complaint

    def test_an_output_that_varies_is_excused_but_not_its_absence(self) -> None:
        """Another text is fine where the cell is tagged so; none is not."""
        changed = small()
        changed.cells[3].outputs = say("99.9\n")
        assert run.changes(small(), changed) == []
        changed.cells[3].outputs = []
        assert len(run.changes(small(), changed)) == 1

    def test_pieces_of_a_stream_count_as_one(self) -> None:
        """Where a kernel cuts its output depends on time."""
        cut = small()
        cut.cells[1].outputs = say("4") + say("2\n")
        assert run.changes(small(), cut) == []

    def test_changed_cells_are_noticed(self) -> None:
        """Outputs are compared for the same sources only."""
        changed = small()
        changed.cells[1].source = "print(42)"
        assert run.changes(small(), changed) == ["the cells themselves differ"]


class TestTheCommand:
    @staticmethod
    def write(path: Path, source: str, output: str = "") -> Path:
        """A file like ``small()``, which runs, with other code in its second cell."""
        notebook = small()
        notebook.cells[1].update(source=source, outputs=say(output) if output else [])
        notebook.cells[
            2
        ].source = "display({'image/png': 'iVBORw0KGgo=', 'text/plain': '<Figure>'}, raw=True)"
        notebook.cells[3].source = "from time import time\nprint(time())\nassert time() > 0"
        for number in (1, 2, 3):
            notebook.cells[2 * number + 4].source = f"print('Exercise {number}: not answered yet')"
        nbformat.write(notebook, path)
        return path

    def test_it_checks_and_writes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A stale output is reported and left alone by ``--check``, else replaced; then all is well."""
        path = self.write(tmp_path / "1_stale.ipynb", "print(6 * 7)", "41\n")
        stale = path.read_bytes()
        assert run.main(["--check", str(path)]) == 1
        assert "committed [('stdout', '41\\n')], now [('stdout', '42\\n')]" in capsys.readouterr().out
        assert path.read_bytes() == stale
        assert run.main([str(path)]) == 0
        assert run.main(["--check", str(path)]) == 0
        assert run.shown(run.read(path).cells[1]) == [("stdout", "42\n")]

    def test_the_kernel_is_this_interpreter_and_knows_the_flag(self, tmp_path: Path) -> None:
        """``--long`` reaches the notebook; a kernel of another environment would import other packages."""
        source = "import os, sys\nprint(sys.prefix == os.environ['PREFIX'], os.environ['SYMEQ_LONG'])"
        notebook = run.read(self.write(tmp_path / "1_flag.ipynb", source))
        for long in (False, True):
            fresh = run.execute(notebook, long=long, PREFIX=sys.prefix)
            assert run.shown(fresh.cells[1]) == [("stdout", f"True {int(long)}\n")]

    def test_a_failing_cell_is_reported_and_nothing_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 1, the error's name, and the file as it was."""
        path = self.write(tmp_path / "1_broken.ipynb", "1 / 0")
        before = path.read_bytes()
        assert run.main([str(path)]) == 1
        assert "a cell raised ZeroDivisionError: division by zero" in capsys.readouterr().out
        assert path.read_bytes() == before

    def test_a_notebook_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit code 2, and the names of those that are."""
        with pytest.raises(SystemExit) as stop:
            run.main(["05_missing.ipynb"])
        assert stop.value.code == 2
        assert "01_symmetry_and_weight_sharing.ipynb" in capsys.readouterr().err


def test_execution_leaves_the_notebook_and_the_environment_alone() -> None:
    """The function returns a copy, and the kernel's environment is the kernel's."""
    notebook = new_notebook(cells=[new_code_cell("import os\nos.environ['SYMEQ_LONG']")])
    before, environment = copy.deepcopy(notebook), dict(os.environ)
    fresh = run.execute(notebook)
    assert notebook == before and dict(os.environ) == environment
    assert run.shown(fresh.cells[0]) == [("text/plain", "'0'")]
