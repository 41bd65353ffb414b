"""Who may import whom: one direction inside symeq, and every library only in the rooms that need it."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

# The stages, bottom first: each may import those before it.
STAGES = (
    "errors",
    "allocator",
    "process",
    "files",
    "signature",
    "combinatorics",
    "bases",
    "representations",
    "plans",
    "emit",
    "pipeline",
    "drawing",
    "layers",
    "interpretation",
    "verification",
    "auditing",
)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **{room: STAGES[:floor] for floor, room in enumerate(STAGES)},
    "proof": (*STAGES[: STAGES.index("pipeline") + 1], "verification"),
    "tuning": (*STAGES[: STAGES.index("interpretation")], "bench"),  # layers are timed in one way
    "__init__": (*STAGES, "proof", "tuning"),
    "bench": STAGES,
    "mutation": STAGES[: STAGES.index("verification")],  # whoever judges the mutants is handed over
    "ladder": (*STAGES[: STAGES.index("auditing")], "proof"),
    "cli": (*STAGES, "proof", "tuning", "bench", "mutation", "ladder"),
    "__main__": ("process", "cli"),
}

# A value that a notebook shows imports what draws it when it is shown, and not before.
SHOWN_BY: dict[str, tuple[str, ...]] = dict.fromkeys(("combinatorics", "bases", "plans"), ("drawing",))

# The rooms that run layers.
RUNNING = ("interpretation", "verification", "auditing", "mutation", "bench")

# "deferred": inside a function, or for type checkers only; importing the module does not load the library.
When = Literal["anywhere", "deferred"]
LIBRARIES: dict[str, dict[str, When]] = {
    "numpy": dict.fromkeys((*SHOWN_BY, "proof", "drawing", "ladder", *RUNNING), "anywhere"),
    "sympy": {
        **dict.fromkeys(("bases", "proof", "plans", "interpretation", "verification"), "anywhere"),
        "representations": "deferred",
    },
    "jinja2": {"emit": "anywhere"},
    "matplotlib": {"drawing": "deferred", "bench": "deferred"},  # for PNG files and plots
    "torch": {
        "layers": "deferred",  # for its types; emitted modules import torch, writing them does not
        **dict.fromkeys(RUNNING, "anywhere"),
        "ladder": "deferred",  # what is refused is refused at once
        "tuning": "anywhere",
        "__init__": "deferred",
    },
    "joblib": {"mutation": "deferred", "ladder": "deferred"},
    "platformdirs": {"ladder": "deferred"},
    "typer": {"cli": "anywhere"},
    "rich": {"cli": "anywhere", "bench": "anywhere"},
}


TYPES_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def folder_of(package: str) -> Path:
    """Where ``package`` is imported from: the checkout, or the wheel when the wheel is tested."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} cannot be imported: run `make test` once"
    return Path(spec.origin).parent


@dataclass(frozen=True)
class Import:
    """One imported module, by its absolute name, and where the import stands."""

    module: str
    line: int
    deferred: bool
    relative: bool


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Every import in ``source``, a module inside ``package`` (its own name if it is an ``__init__``)."""

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, node.lineno, deferred, False)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) + 1 - level] if level else []
                base = ".".join([*above, *([module] if module else [])])
                # `from symeq import errors` names a room by the name it imports.
                for name in {alias.name: None for alias in names} if base == "symeq" else ("",):
                    yield Import(f"{base}.{name}" if name else base, node.lineno, deferred, level > 0)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(text)), *_],
            ):
                yield Import(importlib.util.resolve_name(text, package), node.lineno, deferred, False)
        for name, value in ast.iter_fields(node):
            inside = deferred or (
                name == "body"
                and (
                    isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                    or (isinstance(node, ast.If) and ast.unparse(node.test) in TYPES_ONLY)
                )
            )
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from visit(child, inside)

    yield from visit(ast.parse(source), False)


def room_of(relative: Path) -> str:
    """The room of a file, given its path inside the package: the folder, or the module's own name."""
    return relative.parts[0].removesuffix(".py")


def boundary_complaints(root: Path) -> list[str]:
    """What is wrong with the imports of the package ``symeq`` whose folder is ``root``."""
    complaints = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        room, package = room_of(relative), ".".join(("symeq", *relative.parts[:-1]))
        if room not in MAY_IMPORT:
            complaints.append(f"{relative}: the room {room!r} is not in the table")
            continue
        for found in imports_of(path.read_text(encoding="utf-8"), package):
            top, _, rest = found.module.partition(".")
            where = f"{relative}:{found.line}"
            if top == "symeq":
                target = rest.partition(".")[0] or "__init__"
                shown = SHOWN_BY.get(room, ()) if found.deferred else ()
                if target not in ("__version__", room, *MAY_IMPORT[room], *shown):
                    complaints.append(f"{where}: {room} may not import symeq.{target}")
            elif top not in sys.stdlib_module_names:
                when = LIBRARIES.get(top, {}).get(room)
                if when is None:
                    complaints.append(f"{where}: {room} may not import {top}")
                elif when == "deferred" and not found.deferred:
                    complaints.append(f"{where}: {room} may import {top} only inside a function")
    return complaints


def library_complaints(root: Path) -> list[str]:
    """What the emitted files in ``root`` import besides torch and the standard library."""
    complaints = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        package = ".".join(("symeq_layers", *relative.parts[:-1]))
        for found in imports_of(path.read_text(encoding="utf-8"), package):
            top = found.module.partition(".")[0]
            gathers = found.relative and relative.name == "__init__.py"
            if not gathers and top != "torch" and top not in sys.stdlib_module_names:
                complaints.append(f"{relative}:{found.line}: an emitted file may not import {top}")
    return complaints


def loaded_by(code: str, names: tuple[str, ...] = ("torch", "jinja2", "sympy", "matplotlib")) -> list[str]:
    """Which of ``names`` a fresh interpreter has loaded after running ``code``."""
    report = f"{code}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def checker_complaints(source: str) -> list[str]:
    """What the checker of certificates imports besides the standard library."""
    return [
        f"line {found.line}: the checker may not import {found.module}"
        for found in imports_of(source, "symeq.proof")
        if found.module.partition(".")[0] not in sys.stdlib_module_names
    ]


def test_every_room_imports_only_what_lies_below_it() -> None:
    """One direction: signature -> basis -> plan -> source -> verified layer; torch only at the rim."""
    assert boundary_complaints(folder_of("symeq")) == []


def test_emitted_files_import_torch_only() -> None:
    """The committed library needs torch and nothing else that must be installed."""
    assert library_complaints(folder_of("symeq_layers")) == []


def test_the_checker_imports_the_standard_library_only() -> None:
    """It shares no code with the prover: neither SymPy nor anything of symeq."""
    path = folder_of("symeq") / "proof" / "checker.py"
    assert checker_complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import json\nimport sympy", "line 2: the checker may not import sympy"),
        (
            "def f():\n    from symeq.errors import SymeqError",
            "line 2: the checker may not import symeq.errors",
        ),
        ("from . import prover", "line 1: the checker may not import symeq.proof"),
        ("from ..combinatorics import lattice", "line 1: the checker may not import symeq.combinatorics"),
        ("import_module('numpy')", "line 1: the checker may not import numpy"),
        ("if TYPE_CHECKING:\n    import symeq", "line 2: the checker may not import symeq"),
    ],
)
def test_the_check_of_the_checker_can_fail(source: str, complaint: str) -> None:
    """An import of anything else is named, whatever form it takes."""
    assert checker_complaints(source) == [complaint]


@pytest.mark.parametrize("module", ["symeq", "symeq.cli", "symeq.drawing", "symeq.proof.checker"])
def test_import_is_light(module: str) -> None:
    """``import symeq`` and ``symeq --help`` load neither torch, jinja2, SymPy nor matplotlib."""
    assert loaded_by(f"import {module}") == []


def test_generate_works_without_torch(tmp_path: Path) -> None:
    """Writing a layer needs no torch."""
    without_torch = "import sys; sys.modules['torch'] = None"
    code = f"{without_torch}; import symeq; symeq.generate('n n -> n n', {str(tmp_path)!r})"
    loaded_by(code)
    assert [path.suffix for path in tmp_path.iterdir()] == [".py"]


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("bases/derive.py", "from symeq.plans import Plan", "bases may not import symeq.plans"),
        ("bases/derive.py", "from ..plans.ir import Plan", "bases may not import symeq.plans"),
        ("bases/derive.py", "from .. import plans", "bases may not import symeq.plans"),
        ("bases/__init__.py", "from ..cli import main", "bases may not import symeq.cli"),
        ("bases/__init__.py", "from symeq import errors, emit", "bases may not import symeq.emit"),
        ("errors.py", "def f():\n    import symeq.signature", "errors may not import symeq.signature"),
        ("errors.py", "import numpy", "errors may not import numpy"),
        ("plans/ir.py", "import torch.nn", "plans may not import torch"),
        ("plans/ir.py", "def f():\n    import torch", "plans may not import torch"),
        ("plans/ir.py", "import_module('jinja2')", "plans may not import jinja2"),
        ("plans/ir.py", "import symeq", "plans may not import symeq.__init__"),
        ("layers.py", "import torch", "layers may import torch only inside a function"),
        ("layers.py", "if True:\n    import torch", "layers may import torch only inside a function"),
        ("layers.py", "class A:\n    import torch", "layers may import torch only inside a function"),
        ("layers.py", "if not TYPE_CHECKING:\n    import torch", "torch only inside a function"),
        ("pipeline.py", "import typer", "pipeline may not import typer"),
        ("plans/ir.py", "from symeq.drawing import sheet", "plans may not import symeq.drawing"),
        ("emit/x.py", "def f():\n    import symeq.drawing", "emit may not import symeq.drawing"),
        ("drawing/x.py", "import matplotlib.pyplot", "matplotlib only inside a function"),
        ("bases/x.py", "def f():\n    import matplotlib", "bases may not import matplotlib"),
        ("bench/run.py", "from symeq.cli import main", "bench may not import symeq.cli"),
        ("verification/x.py", "import networkx", "verification may not import networkx"),
        ("cli/__init__.py", "import symeq_layers", "cli may not import symeq_layers"),
        ("extra.py", "", "the room 'extra' is not in the table"),
    ],
)
def test_the_boundary_check_can_fail(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    """A wrong import is named with its file, whatever form it takes."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    (found,) = boundary_complaints(tmp_path)
    assert found.startswith(file) and found.endswith(complaint)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("bases/derive.py", "import math\nfrom symeq.errors import SymeqError\nfrom .operators import X"),
        ("plans/ir.py", "def f():\n    from symeq.drawing import in_notebook"),
        ("drawing/x.py", "from symeq.pipeline import plan\ndef f():\n    import matplotlib.style"),
        ("layers.py", "from symeq import pipeline\ndef load():\n    import torch"),
        ("emit/render.py", "import jinja2\nfrom symeq import __version__"),
        ("layers.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("__init__.py", "import importlib\ndef f():\n    importlib.import_module('.pipeline', 'symeq')"),
        ("cli/__init__.py", "import rich, typer\ndef f():\n    from symeq import bench, pipeline"),
    ],
)
def test_the_boundary_check_can_pass(tmp_path: Path, file: str, source: str) -> None:
    """What is allowed raises no complaint."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    assert boundary_complaints(tmp_path) == []


def test_the_library_check_can_fail(tmp_path: Path) -> None:
    """An emitted file that leans on symeq, NumPy or a neighbour is named; ``__init__`` may gather them."""
    (tmp_path / "__init__.py").write_text("from .a import A\nfrom symeq_layers.b import B")
    (tmp_path / "a.py").write_text("import math\nimport torch\nimport numpy")
    (tmp_path / "b.py").write_text("from torch import nn\nfrom .a import A\ndef f():\n    import symeq")
    assert library_complaints(tmp_path) == [
        "__init__.py:2: an emitted file may not import symeq_layers",
        "a.py:3: an emitted file may not import numpy",
        "b.py:2: an emitted file may not import symeq_layers",
        "b.py:4: an emitted file may not import symeq",
    ]


def test_the_import_check_can_fail() -> None:
    """A loaded library is seen, and so is a statement that does not run."""
    assert loaded_by("import jinja2") == ["jinja2"]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        loaded_by("1 / 0")
