"""``make demo``: three emitted files, two networks that keep their promise, and what a reader is told."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from symeq.bench import UnequalResultsError

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "karate_club.py"
FILES = ("equivariant_2to2.py", "equivariant_2to1.py", "invariant_2.py")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The demo as a user runs it."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of one run, which succeeded."""
    folder = tmp_path_factory.mktemp("demo") / "layers"
    finished = run(str(folder), cwd=folder.parent)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder, finished.stdout


def rows(output: str) -> Iterator[list[str]]:
    """The cells of every table row in the output."""
    for line in output.splitlines():
        if line.startswith(("│", "|")):
            yield [cell.strip() for cell in re.split("[│|]", line)[1:-1]]


def load(path: Path) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestOutput:
    def test_counts_of_every_layer(self, done: tuple[Path, str]) -> None:
        """Operators, contractions, products, broadcasts: 15 and 6, 5 and 5, 2 and 2, as in the papers."""
        found = {cells[0]: cells[1:] for cells in rows(done[1])}
        assert found["2 -> 2"] == ["15", "6", "3", "6"]
        assert found["2 -> 1"] == ["5", "5", "2", "2"]
        assert found["2 -> 0"] == ["2", "2", "1", "1"]

    def test_the_networks_keep_their_promise(self, done: tuple[Path, str]) -> None:
        """Equal is equal to rounding, different is not near it, and the reader sees both."""
        found = {cells[0]: cells[1:] for cells in rows(done[1]) if cells[1] in ("equal", "different")}
        assert [cells[3] for cells in found.values()] == ["yes"] * 4
        for what in ("the graph output agrees", "the node outputs permute"):
            assert found[what][0] == "equal" and float(found[what][2]) <= 1e-12
        for what in ("without permuting them back", "graph output, one tie cut"):
            assert found[what][0] == "different" and float(found[what][2]) >= 1e-3
        assert "34 members, 78 ties" in done[1]

    def test_the_layer_is_timed_beside_the_stack(self, done: tuple[Path, str]) -> None:
        """A median for the layer and for each form of the stack, all equal to float64 first."""
        times = {cells[0]: cells[1:] for cells in rows(done[1]) if cells[2].endswith(" x")}
        assert list(times) == [
            "emitted layer",
            "stack, einsum",
            "stack, one product",
            "stack of views, one product",
        ]
        assert all(float(median) > 0 and float(off) <= 1e-5 for median, _, off in times.values())
        assert times["emitted layer"][1] == "1.0 x"

    def test_it_fits_a_terminal_and_says_where_the_files_lie(self, done: tuple[Path, str]) -> None:
        """No line but a path is wider than 100 columns; every file is named with its whole path."""
        folder, output = done
        paths = [f"  {folder.resolve() / name}" for name in FILES]
        lines = output.splitlines()
        assert lines[-3:] == paths
        assert max(len(line) for line in lines[:-3]) <= 100


class TestFiles:
    def test_they_need_torch_only(self, done: tuple[Path, str]) -> None:
        """The three files, and nothing else, are written; each imports and runs where symeq is not."""
        folder, _ = done
        assert sorted(path.name for path in folder.glob("*.py")) == sorted(FILES)
        code = (
            "import importlib.util, sys\n"
            "for name in ('symeq', 'symeq_layers', 'jinja2', 'rich', 'networkx'):\n"
            "    sys.modules[name] = None\n"
            "import torch\n"
            "for path, order in zip(sys.argv[1:], (2, 1, 0)):\n"
            "    spec = importlib.util.spec_from_file_location('emitted', path)\n"
            "    module = importlib.util.module_from_spec(spec)\n"
            "    spec.loader.exec_module(module)\n"
            "    name = {2: 'Equivariant2to2', 1: 'Equivariant2to1', 0: 'Invariant2'}[order]\n"
            "    y = getattr(module, name)(3, 4)(torch.randn(5, 6, 6, 3))\n"
            "    assert y.shape == (5, *[6] * order, 4), y.shape\n"
        )
        paths = [str(folder / name) for name in FILES]
        # -I: neither PYTHONPATH nor the folder decides what can be imported
        command = [sys.executable, "-I", "-c", code, *paths]
        finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr

    def test_a_file_edited_by_hand_is_not_overwritten(self, done: tuple[Path, str], tmp_path: Path) -> None:
        """Exit code 2, the file's name on the screen, and the edit is kept."""
        edited = tmp_path / FILES[0]
        edited.write_text(
            (done[0] / FILES[0]).read_text().replace("import torch\n", "import torch  # mine\n", 1)
        )
        finished = run(str(tmp_path), cwd=tmp_path)
        assert finished.returncode == 2
        assert FILES[0] in finished.stdout and "Traceback" not in finished.stderr
        assert "# mine" in edited.read_text()


class TestItCanFail:
    @pytest.fixture
    def demo(self) -> ModuleType:
        """The script as a module."""
        return load(SCRIPT)

    @staticmethod
    def broken(change: Tensor) -> type[nn.Module]:
        """A 2 -> 2 layer that treats members by their number."""

        class Broken(nn.Module):
            def __init__(self, ins: int, outs: int, **_: object) -> None:
                super().__init__()
                self.outs = outs

            def forward(self, x: Tensor) -> Tensor:
                y = x.mean(-1, keepdim=True).expand(*x.shape[:-1], self.outs)
                return y + change.reshape(-1, 1, 1)

        return Broken

    @pytest.mark.parametrize(
        "change", [torch.arange(34.0), torch.full((34,), torch.nan)], ids=["numbers", "NaN"]
    )
    def test_a_layer_that_is_not_equivariant_is_seen(
        self,
        demo: ModuleType,
        done: tuple[Path, str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        change: Tensor,
    ) -> None:
        """Exit code 1 and a NO on the screen."""
        right = demo.import_file
        monkeypatch.setattr(
            demo, "import_file", lambda path: self.broken(change) if path.name == FILES[0] else right(path)
        )
        monkeypatch.setattr(demo, "race", lambda layer: None)
        assert demo.main([str(tmp_path)]) == 1
        assert "NO" in capsys.readouterr().out

    def test_a_layer_with_other_results_than_the_stack_is_not_timed(
        self,
        demo: ModuleType,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Exit code 1 and the reason on the screen."""

        def refuse(*_: object, **__: object) -> None:
            raise UnequalResultsError(demo.TIMED, "stack, einsum", 0.5, "it differs")

        monkeypatch.setattr(demo.bench, "run", refuse)
        assert demo.main([str(tmp_path)]) == 1
        assert "'stack, einsum' is not timed at 2 -> 2, batch 16, n = 34, 32 channels: it differs" in (
            capsys.readouterr().out
        )
