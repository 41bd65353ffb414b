"""Emitted text: the same everywhere, torch alone, sealed by its digest, and written whole or not at all."""

from __future__ import annotations

import ast
import errno
import io
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings

import symeq
from strategies import signatures
from symeq.emit import library
from symeq.emit.names import class_name, module_name
from symeq.emit.render import RenderedModule, untouched
from symeq.errors import OptionError, OutputError
from symeq.pipeline import check_library, emit, generate_library
from symeq.plans.ir import AxisMap, Plan
from symeq.signature import EmitOptions, Layout, Signature

GENERATED = Path(__file__).parent.parent / "generated" / "symeq_layers"


@pytest.mark.parametrize("spec", ["n n -> n n", "u i -> u", "n n n -> n n n"])
def test_text_is_the_same_in_every_process(spec: str) -> None:
    """Two processes with different hash seeds emit the bytes that this one does."""
    script = f"from symeq.pipeline import emit; import sys; sys.stdout.write(emit({spec!r}).text)"
    for hash_seed in ("1", "31415"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        text = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert text == emit(spec).text


def imported(text: str) -> set[str]:
    """The top-level packages that a module imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or ".").split(".")[0])
    return names


@settings(max_examples=30)
@given(signatures(max_positions=5))
def test_any_signature_emits_a_module_that_imports_torch_alone(signature: Signature) -> None:
    """The text compiles, names the signature, and needs nothing but torch."""
    module = emit(signature)
    compile(module.text, module.file_name, "exec")
    assert imported(module.text) == {"torch"}
    assert f'SIGNATURE = "{signature}"' in module.text


@pytest.mark.parametrize("spec", ["n n -> n n", "u i -> u", "->", "n n n -> n n"])
def test_text_has_one_kind_of_quotes(spec: str) -> None:
    """Strings stand in double quotes, as formatters write them."""
    tokens = tokenize.generate_tokens(io.StringIO(emit(spec).text).readline)
    strings = [token.string for token in tokens if token.type == tokenize.STRING]
    assert strings and [text for text in strings if text.endswith("'") and '"' not in text] == []


def test_the_import_reader_sees_other_imports() -> None:
    """The check above can fail."""
    assert imported("def f():\n    import numpy.linalg\n    from symeq import x") == {"numpy", "symeq"}


def test_the_file_grows_with_the_steps_and_not_with_the_operators() -> None:
    """4 -> 4 has 20 times the operators of 3 -> 3; lines follow the contractions and broadcasts."""
    lines = {k: emit((k, k)).text.count("\n") for k in (3, 4)}
    steps = {3: 22 + 22, 4: 94 + 94}
    assert (lines[4] - lines[3]) / (steps[4] - steps[3]) < 4


def test_maps_are_composed_once_and_not_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 -> 4 and 5 -> 5 have 93 and 453 broadcasts; their maps are put together about once for each level."""
    asked = []

    def counting(plan: Plan) -> dict[int, AxisMap]:
        asked.append(len(plan.broadcasts))
        return composed(plan)

    composed = Plan.broadcast_maps
    monkeypatch.setattr(Plan, "broadcast_maps", counting)
    for orders in ((4, 4), (5, 5)):
        asked.clear()
        emit(orders)
        assert 0 < len(asked) <= 4 * (orders[0] + 1) < max(asked)


def test_digest_tells_an_edited_file() -> None:
    """An emitted text is recognised as untouched, whatever is changed in it is not."""
    text = emit("n -> n").text
    assert untouched(text)
    assert not untouched(text.replace("self.bias is None", "self.bias is not None", 1))
    assert not untouched(text.replace("sha256 ", "sha256 0", 1))
    assert not untouched("")


def test_names_tell_the_signature() -> None:
    """Class and module names of the contract, and of what goes beyond it."""
    names = {
        "n n -> n n": ("Equivariant2to2", "equivariant_2to2"),
        "n n -> ": ("Invariant2", "invariant_2"),
        " -> n n": ("Broadcast2", "broadcast_2"),
        "->": ("Invariant0", "invariant_0"),
        "u i -> u i": ("EquivariantUItoUI", "equivariant_u_i_to_u_i"),
        "u i -> ": ("InvariantUI", "invariant_u_i"),
        "m -> m": ("EquivariantMtoM", "equivariant_m_to_m"),
    }
    for spec, expected in names.items():
        signature = Signature.parse(spec)
        assert (class_name(signature, EmitOptions()), module_name(signature, EmitOptions())) == expected
    options = EmitOptions("channels-first")
    assert class_name(Signature.parse("n -> n"), options) == "Equivariant1to1ChannelsFirst"


@pytest.mark.parametrize(
    "specs",
    [
        ("a b -> a", "a_b -> a", "a -> b a", "a b a -> "),
        ("a -> b to c", "a to b -> c", "a -> b_to_c", "a_to_b -> c"),
        ("a_ b -> ", "a _b -> ", "a _ b -> ", "a__b -> ", "a b -> "),
        ("n -> n n", "n n -> n", "n_n -> n", "n -> n_n"),
        ("u channels first -> ", "u -> ", "u_channels_first -> ", "channels first -> "),
    ],
)
def test_signatures_do_not_share_a_file(specs: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever their index sets are called, one layer does not take the place of another."""
    paths = [symeq.generate(spec, tmp_path, layout=layout) for spec in specs for layout in get_args(Layout)]
    assert len(set(paths)) == 2 * len(specs)


IMPOSSIBLE = ["class", "1Layer", "My Layer", "", "torch", "Tensor", "int", "_Hidden"]
IMPOSSIBLE += ["SLOTS", "PERMUTATIONS_2", "LEVELS", "POSITIONS"]  # tables of the emitted file
IMPOSSIBLE += ["\uff49f"]  # to Python this is "if"


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_class_names_that_cannot_be_used(name: str) -> None:
    """A name that Python, or the emitted text, cannot use is refused by name."""
    with pytest.raises(OptionError, match="class_name"):
        emit("n -> n", EmitOptions(class_name=name))


@pytest.mark.parametrize(
    ("name", "class_name", "file_name"),
    [
        ("Edges", "Edges", "edges.py"),
        ("EMITTED", "EMITTED", "emitted.py"),
        ("Schicht_ä", "Schicht_ä", "schicht_ä.py"),
        ("\ufb01x", "fix", "fix.py"),  # a ligature, which Python reads as two letters
        ("Torch", "Torch", "torch_layer.py"),
        ("Math", "Math", "math_layer.py"),
        ("Class", "Class", "class_layer.py"),
    ],
)
def test_class_names_that_can_be_used(name: str, class_name: str, file_name: str, tmp_path: Path) -> None:
    """In memory and as a file, which can be imported from its own folder and hides no library."""
    Layer = symeq.layer("n n -> n n", class_name=name)
    assert Layer.__name__ == class_name and pickle.loads(pickle.dumps(Layer)) is Layer
    path = symeq.generate("n n -> n n", tmp_path, class_name=name)
    assert path.name == file_name
    code = f"from {path.stem} import {class_name}; print({class_name}(2, 3))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_generate_writes_the_text_and_returns_the_path(tmp_path: Path) -> None:
    """The file is what was emitted; writing it again is no change; an older untouched one is replaced."""
    path = symeq.generate("n n -> n", tmp_path / "new" / "folder")
    assert path.read_text(encoding="utf-8") == emit("n n -> n").text
    assert symeq.generate("n n -> n", path.parent) == path
    older = RenderedModule(path.name, "X", emit("n -> n").text)
    library.write(older, path.parent, force=True)
    assert symeq.generate("n n -> n", path.parent).read_text(encoding="utf-8") == emit("n n -> n").text
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_edited_file_is_kept_unless_forced(tmp_path: Path) -> None:
    """Somebody's edit is not lost; force says that it may be."""
    path = symeq.generate("n -> n", tmp_path)
    edited = path.read_text(encoding="utf-8").replace("mean", "MEAN", 1)
    path.write_text(edited, encoding="utf-8")
    with pytest.raises(OutputError, match="--force"):
        symeq.generate("n -> n", tmp_path)
    assert path.read_text(encoding="utf-8") == edited
    symeq.generate("n -> n", tmp_path, force=True)
    assert path.read_text(encoding="utf-8") == emit("n -> n").text


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of the folder, and a folder in the place of the file."""
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="expected a folder"):
            symeq.generate("n -> n", place)
    (tmp_path / "out" / "equivariant_1to1.py").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"equivariant_1to1\.py"):
        symeq.generate("n -> n", tmp_path / "out", force=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_library_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Somebody's own __init__ is seen before the first file is written."""
    (tmp_path / "__init__.py").write_text("mine")
    with pytest.raises(OutputError, match="__init__"):
        generate_library(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["__init__.py"]


def test_a_library_is_not_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full after some files leaves the old ones, all of them, and nothing else."""
    generate_library(tmp_path)
    old = {path: path.read_text(encoding="utf-8").replace("0.1.0", "0.0.9") for path in tmp_path.iterdir()}
    for path, text in old.items():
        path.write_text(text, encoding="utf-8")
    number, mkstemp = itertools.count(), tempfile.mkstemp

    def full(*args: object, **options: object) -> tuple[int, str]:
        if next(number) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return mkstemp(*args, **options)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(OutputError, match="No space left"):
        generate_library(tmp_path, force=True)
    assert {path: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == old


def test_a_folder_in_the_place_of_a_file_of_the_library(tmp_path: Path) -> None:
    """Seen before the first file is written."""
    (tmp_path / "__init__.py").mkdir()
    with pytest.raises(OutputError, match="__init__"):
        generate_library(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["__init__.py"]


def test_a_file_name_that_is_too_long(tmp_path: Path) -> None:
    """The name is the user's, or that of many index sets; the remedy is another name."""
    for spec, name in [("n -> n", "x" * 300), (" ".join(f"index{at}" for at in range(50)) + " -> ", None)]:
        with pytest.raises(OutputError, match=r"File name too long.*--class-name") as caught:
            symeq.generate(spec, tmp_path / "made", class_name=name)
        assert ".part" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    symeq.generate("n -> n", tmp_path, class_name="x" * 252)  # 255 is what most file systems take


def test_no_folder_is_left_by_a_failed_write(tmp_path: Path) -> None:
    """Folders made on the way to a file that cannot be written are taken away again."""
    with pytest.raises(OutputError, match="cannot be written"):
        symeq.generate("n -> n", tmp_path / "made" / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a file nor the file that was written aside remains."""
    path = symeq.generate("n -> n", tmp_path)
    before = path.read_text(encoding="utf-8")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        library.write(RenderedModule(path.name, "X", emit("n n -> n").text), tmp_path)
    assert path.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.checkout
def test_the_committed_library_is_what_the_templates_write() -> None:
    """The drift test: file list and bytes."""
    found = check_library(GENERATED)
    assert not found, "run `make generate` and commit the difference:\n" + "\n".join(d.diff for d in found)


def test_drift_is_seen(tmp_path: Path) -> None:
    """An edited, a missing and a foreign file each show as a difference, with its diff."""
    generate_library(tmp_path)
    assert check_library(tmp_path) == []
    edited = tmp_path / "equivariant_2to2.py"
    edited.write_text(
        edited.read_text(encoding="utf-8").replace("chunk(3, -1)", "chunk(3, -2)"), encoding="utf-8"
    )
    (tmp_path / "invariant_1.py").unlink()
    (tmp_path / "stranger.py").write_text("")
    found = {difference.path.name: difference.diff for difference in check_library(tmp_path)}
    assert set(found) == {"equivariant_2to2.py", "invariant_1.py", "stranger.py"}
    assert "-        b1, b2, b3 = z1.chunk(3, -2)" in found["equivariant_2to2.py"]


def test_the_library_holds_the_promised_layers() -> None:
    """Every (k, k') with 1 <= k + k' <= 5, 3 -> 3 and the four layers of two index sets."""
    import symeq_layers

    orders = {(k, m - k) for m in range(1, 6) for k in range(m + 1)} | {(3, 3)}
    signatures_ = {Signature.from_orders(*pair) for pair in orders}
    signatures_ |= {Signature.parse(s) for s in ("u i -> u i", "u i -> u", "u i -> i", "u i -> ")}
    found = {Signature.parse(getattr(symeq_layers, name).SIGNATURE) for name in symeq_layers.__all__}
    assert found == signatures_ and len(symeq_layers.__all__) == len(found)
    for name in symeq_layers.__all__:
        assert getattr(symeq_layers, name).__name__ == name
