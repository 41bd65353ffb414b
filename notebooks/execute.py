"""Run the notebooks from clean kernels: write their outputs, or say what would change.

    python notebooks/execute.py --long                 write all outputs (``make notebooks``)
    python notebooks/execute.py --check 03_sets.ipynb  compare one with its committed outputs

What a cell prints must be the same on every run. A cell tagged ``varies`` (training, timings) is excused, and
asserts what it claims instead. Trainings are short unless ``--long`` sets SYMEQ_LONG=1 for the kernels; the
committed outputs come from long ones. An exercise is a cell tagged ``exercise``, to be edited by the reader,
followed by one tagged ``check``.

Exit code 0 if all is well, 1 if a notebook fails or would change, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets import default

Notebook = nbformat.NotebookNode
Cell = nbformat.NotebookNode

FOLDER = Path(__file__).resolve().parent
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
TAGS = {"varies", "exercise", "check"}
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|root|tmp|work|usr|opt|var|Users)/|[A-Z]:\\|site-packages|0x[0-9a-f]{6,}"
)
UNANSWERED = "not answered yet"


class NotebookFailedError(Exception):
    """A cell raised, the kernel died or took too long."""


class OwnInterpreter(AsyncKernelManager):
    """Starts kernels of this interpreter: a kernelspec installed for the user may name another one."""

    @default("kernel_spec_manager")
    def _own_kernelspec_alone(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


def paths() -> list[Path]:
    """The notebooks, in reading order."""
    return sorted(FOLDER.glob("[0-9]*.ipynb"))


def read(path: Path) -> Notebook:
    """The notebook in a file, of the current format and valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: Notebook) -> Iterator[tuple[int, Cell]]:
    """The code cells, each with its place among all cells."""
    return ((at, cell) for at, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def tags(cell: Cell) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", ()))


# ---------------------------------------------------------------- execution


def execute(notebook: Notebook, *, long: bool = False, timeout: int = 600, **environment: str) -> Notebook:
    """A copy with the outputs of a clean kernel of this interpreter, and nothing that tells runs apart.

    Raises:
        NotebookFailedError: a cell raised, or took longer than ``timeout`` seconds.
    """
    result = copy.deepcopy(notebook)
    for _, cell in code_cells(result):
        cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            result,
            kernel_name="python3",
            kernel_manager_class=OwnInterpreter,
            timeout=timeout,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # or it warns that it talks to localhost over TCP
        )
        kernel_environment = {
            **os.environ,
            "IPYTHONDIR": scratch,  # the user's start-up files are not part of the notebook
            "SYMEQ_LONG": "1" if long else "0",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        try:
            client.execute(cwd=str(FOLDER), env=kernel_environment)
        except CellExecutionError as error:
            raise NotebookFailedError(f"a cell raised {error.ename}: {error.evalue}\n{error}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise NotebookFailedError(str(error)) from None
    return normalised(result)


def normalised(notebook: Notebook) -> Notebook:
    """The notebook without execution counts, and without metadata but the kernel's name and the tags."""
    result = copy.deepcopy(notebook)
    result.metadata = nbformat.from_dict(
        {"kernelspec": KERNELSPEC, "language_info": {"name": "python", "file_extension": ".py"}}
    )
    for cell in result.cells:
        cell.metadata = nbformat.from_dict({"tags": sorted(tags(cell))} if tags(cell) else {})
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = merged(cell.outputs)
            for output in cell.outputs:
                output.pop("execution_count", None)
                if output.output_type == "execute_result":
                    output.execution_count = None
                if "metadata" in output:
                    output.metadata = nbformat.from_dict({})
    return result


def merged(outputs: list[Any]) -> list[Any]:
    """The outputs, neighbouring pieces of one stream joined: where a stream is cut depends on time."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(copy.deepcopy(output))
    return joined


# ---------------------------------------------------------------- judging


def shown(cell: Cell) -> list[tuple[str, str]]:
    """What a code cell shows: kind and text of every output; of a picture, that there is one."""
    found = []
    for output in merged(cell.outputs):
        if output.output_type == "stream":
            found.append((output.name, output.text))
        elif output.output_type == "error":
            found.append(("error", f"{output.ename}: {output.evalue}"))
        else:
            for kind, data in sorted(output.data.items()):
                found.append((kind, data if kind.startswith("text/") else ""))
    return found


def changes(committed: Notebook, fresh: Notebook) -> list[str]:
    """How the outputs of ``fresh`` differ from the committed ones, cells tagged ``varies`` left out."""
    if [cell.source for cell in committed.cells] != [cell.source for cell in fresh.cells]:
        return ["the cells themselves differ"]
    complaints = []
    for (at, before), (_, after) in zip(code_cells(committed), code_cells(fresh), strict=True):
        old, new = shown(before), shown(after)
        varies = "varies" in tags(before)
        if [kind for kind, _ in old] != [kind for kind, _ in new] if varies else old != new:
            complaints.append(f"cell {at} ({first_line(before)}): committed {old!r}, now {new!r}")
    return complaints


def faults(notebook: Notebook) -> list[str]:
    """What a committed notebook lacks, or has and should not."""
    complaints = []
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    if not texts or not texts[0].startswith("# "):
        complaints.append("it does not begin with a title")
    for heading in ("## What you will know", "## Exercises"):
        if not any(
            text.startswith(heading) for text in (line for cell in texts for line in cell.splitlines())
        ):
            complaints.append(f"it has no heading {heading!r}")
    if not any(kind.startswith("image/") for _, cell in code_cells(notebook) for kind, _ in shown(cell)):
        complaints.append("it shows no picture")
    complaints += exercise_faults(notebook)
    for at, cell in enumerate(notebook.cells):
        here = f"cell {at} ({first_line(cell)})"
        if set(cell.metadata) - {"tags"} or tags(cell) - TAGS:
            complaints.append(
                f"{here} has metadata {dict(cell.metadata)}, expected tags among {sorted(TAGS)}"
            )
        if MACHINE_PATH.search(cell.source):
            complaints.append(f"{here} names a path or an address of one machine")
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            complaints.append(f"{here} has an execution count")
        if "varies" in tags(cell) and not re.search(r"^\s*assert ", cell.source, re.MULTILINE):
            complaints.append(f"{here} is tagged `varies` and asserts nothing")
        for kind, text in shown(cell):
            if kind in ("error", "stderr"):
                complaints.append(f"{here} has {kind} output: {text}")
            if MACHINE_PATH.search(text):
                complaints.append(f"{here} shows a path or an address of one machine: {text}")
            if "widget" in kind:
                complaints.append(f"{here} keeps the state of a widget")
    if set(notebook.metadata) - {"kernelspec", "language_info"} or notebook.metadata.kernelspec != KERNELSPEC:
        complaints.append("its metadata are not those that execute.py writes")
    return complaints


def exercises(notebook: Notebook) -> list[tuple[Cell, Cell]]:
    """The exercises: the cell to be edited, and the cell after it, which checks the answer."""
    pairs = zip(notebook.cells, notebook.cells[1:], strict=False)
    return [(cell, after) for cell, after in pairs if "exercise" in tags(cell)]


def exercise_faults(notebook: Notebook) -> list[str]:
    """What is wrong with the exercises: too few, no check, or an answer left in."""
    found = exercises(notebook)
    complaints = [] if len(found) >= 3 else [f"it has {len(found)} exercises, expected at least 3"]
    checks = [id(check) for _, check in found if "check" in tags(check)]
    wanted = [id(cell) for cell in notebook.cells if "check" in tags(cell)]
    if checks != wanted or len(checks) != len(found):
        complaints.append("exercises and checks do not alternate")
    for number, (_, check) in enumerate(found, start=1):
        if check.cell_type == "code" and shown(check) != [("stdout", f"Exercise {number}: {UNANSWERED}\n")]:
            complaints.append(f"exercise {number} is committed with {shown(check)}, not unanswered")
    return complaints


def first_line(cell: Cell) -> str:
    """The first line of a cell, to find it by."""
    return cell.source.split("\n", 1)[0][:60]


# ---------------------------------------------------------------- the command


def main(arguments: list[str] | None = None) -> int:
    """Runs the notebooks that were asked for, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Run the notebooks from clean kernels.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="which (default: all beside this file)")
    parser.add_argument("--check", action="store_true", help="write nothing; say what would change")
    parser.add_argument("--long", action="store_true", help="with the long trainings")
    asked = parser.parse_args(arguments)
    chosen = [path if path.exists() else FOLDER / path for path in asked.notebooks] or paths()
    if missing := [str(path) for path in chosen if not path.exists()]:
        parser.error(
            f"no such notebook: {', '.join(missing)}; there are {', '.join(p.name for p in paths())}"
        )
    failed = False
    for path in chosen:
        before = read(path)
        try:
            after = execute(before, long=asked.long)
        except NotebookFailedError as error:
            complaints = [str(error)]
        else:
            complaints = faults(before if asked.check else after)
            complaints += changes(before, after) if asked.check else []
            if not asked.check:
                nbformat.write(after, path)
        print(
            f"{path.name}: {'ok' if not complaints else ''}", *complaints, sep="\n    " if complaints else ""
        )
        failed |= bool(complaints)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
