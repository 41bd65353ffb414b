"""What is installed is what was meant: where modules come from, and what wheel and sdist hold."""

from __future__ import annotations

import os
import re
import tarfile
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
WHEEL = os.environ.get("SYMEQ_WHEEL")

wheel = [
    pytest.mark.wheel,
    pytest.mark.skipif(WHEEL is None, reason="no wheel here; `make test-wheel` builds one and names it"),
]


def expected_folders() -> dict[str, Path]:
    """The folder of each package: in the site that ``SYMEQ_EXPECT`` names, or else in the checkout."""
    if site := os.environ.get("SYMEQ_EXPECT"):
        return {name: Path(site).resolve() / name for name in ("symeq", "symeq_layers")}
    return {"symeq": CHECKOUT / "symeq", "symeq_layers": CHECKOUT / "generated" / "symeq_layers"}


def misplaced(expected: dict[str, Path]) -> list[str]:
    """The packages that are imported from elsewhere than expected, with both places."""
    complaints = []
    for name, folder in expected.items():
        found = Path(import_module(name).__file__ or "").resolve().parent
        if found != folder:
            complaints.append(f"{name} was imported from {found}, expected {folder}")
    return complaints


def files_below(folder: Path, arrive_in: str) -> set[str]:
    """The files below ``folder`` as the wheel names them, with ``arrive_in`` for the folder itself."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {f"{arrive_in}/{path.as_posix()}" for path in paths if "__pycache__" not in path.parts}


def wheel_complaints(names: set[str], wanted: set[str]) -> list[str]:
    """Wanted files that are missing from a wheel, and files in it that nobody asked for."""
    extra = {name for name in names - wanted if not re.match(r"symeq-[^/]+\.dist-info/", name)}
    return [
        *(f"missing: {name}" for name in sorted(wanted - names)),
        *(f"extra: {name}" for name in sorted(extra)),
    ]


def altered_files(archive: Path, folder: Path, arrive_in: str) -> list[str]:
    """The files below ``folder`` whose bytes in the wheel are others."""
    with zipfile.ZipFile(archive) as held:
        return [
            name
            for name in sorted(files_below(folder, arrive_in))
            if held.read(name) != (folder / name.removeprefix(f"{arrive_in}/")).read_bytes()
        ]


def wheel_path() -> Path:
    """The wheel under test."""
    assert WHEEL is not None, "only tests marked `wheel` come here"
    return Path(WHEEL)


def wheel_text(ending: str) -> str:
    """The text of the one file in the wheel's metadata whose name ends so."""
    with zipfile.ZipFile(wheel_path()) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{ending}"))
        return archive.read(name).decode()


def test_packages_come_from_the_expected_place() -> None:
    """The tests judge the checkout in one run and the wheel in the other, never one for the other."""
    assert misplaced(expected_folders()) == []


def test_the_place_check_can_fail(tmp_path: Path) -> None:
    """A package from another folder is named with both places."""
    (complaint,) = misplaced({"symeq": tmp_path})
    assert complaint.startswith("symeq was imported from ") and complaint.endswith(f"expected {tmp_path}")


class TestWheel:
    pytestmark = wheel

    def test_it_holds_templates_and_layers_and_no_tests(self) -> None:
        """Every module, every template as symeq/templates, every emitted layer; nothing else."""
        wanted = files_below(CHECKOUT / "symeq", "symeq")
        templates = files_below(CHECKOUT / "templates", "symeq/templates")
        layers = files_below(CHECKOUT / "generated" / "symeq_layers", "symeq_layers")
        assert templates and layers
        with zipfile.ZipFile(wheel_path()) as archive:
            assert wheel_complaints(set(archive.namelist()), wanted | templates | layers) == []

    def test_its_files_are_those_of_the_tree_byte_by_byte(self) -> None:
        """So what the tests say of the wheel holds for the checkout, and they need not run twice."""
        folders = {"symeq": "symeq", "symeq/templates": "templates", "symeq_layers": "generated/symeq_layers"}
        for arrive_in, folder in folders.items():
            assert altered_files(wheel_path(), CHECKOUT / folder, arrive_in) == []

    def test_its_version_is_the_one_in_the_source(self) -> None:
        """``symeq.__version__`` is the single source."""
        assert f"\nVersion: {import_module('symeq').__version__}\n" in wheel_text("METADATA")

    def test_it_brings_the_command_and_the_license(self) -> None:
        """``symeq`` is a command after installation, and the license travels along."""
        assert "symeq = symeq.__main__:main" in wheel_text("entry_points.txt").splitlines()
        assert "MIT License" in wheel_text("licenses/LICENSE")

    def test_the_sdist_beside_it_holds_the_whole_tree(self) -> None:
        """From the sdist one can build the wheel and run every test."""
        (sdist,) = wheel_path().parent.glob("symeq-*.tar.gz")
        with tarfile.open(sdist) as archive:
            held = {name.partition("/")[2] for name in archive.getnames()}
        wanted = {
            "pyproject.toml",
            "constraints.txt",
            "Makefile",
            "mkdocs.yml",
            "README.md",
            "LICENSE",
            ".ci/run",
        }
        for folder in ("symeq", "templates", "generated", "tests", "examples", "notebooks", "docs"):
            wanted |= files_below(CHECKOUT / folder, folder)
        assert sorted(wanted - held) == []


def test_the_wheel_check_can_fail() -> None:
    """Missing and unasked-for files are named; the metadata is neither."""
    assert wheel_complaints(
        {"symeq/a.py", "tests/b.py", "symeq-0.1.0.dist-info/RECORD"}, {"symeq/a.py", "symeq/templates/c.j2"}
    ) == ["missing: symeq/templates/c.j2", "extra: tests/b.py"]


def test_the_comparison_of_bytes_can_fail(tmp_path: Path) -> None:
    """A file that arrives with other bytes is named, and no other."""
    folder, archive = tmp_path / "symeq", tmp_path / "a.whl"
    folder.mkdir()
    (folder / "a.py").write_bytes(b"1")
    (folder / "b.py").write_bytes(b"2")
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("symeq/a.py", b"1")
        held.writestr("symeq/b.py", b"3")
    assert altered_files(archive, folder, "symeq") == ["symeq/b.py"]


@pytest.mark.checkout
class TestCheckout:
    def test_only_the_two_packages_are_packages(self) -> None:
        """An editable install puts two folders on sys.path; a package ``tests`` there would hide others."""
        for folder, package in ((CHECKOUT, "symeq"), (CHECKOUT / "generated", "symeq_layers")):
            assert [path.parent.name for path in folder.glob("*/__init__.py")] == [package]

    def test_constraints_pin_every_dependency_inside_its_range(self) -> None:
        """Each direct requirement has an exact pin that its range in pyproject.toml allows."""
        lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
        pins = {}
        for line in lines:
            if line and not line.startswith("#"):
                name, version = line.split("==")
                pins[canonicalize_name(name)] = version
        config = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
        project = config["project"]
        texts = [*project["dependencies"], *config["build-system"]["requires"]]
        texts += [text for extra in project["optional-dependencies"].values() for text in extra]
        for requirement in map(Requirement, texts):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement

    def test_the_pin_of_torch_has_no_local_suffix(self) -> None:
        """``torch==2.13.0`` matches CPU builds and others; a ``+cpu`` would not be found on every index."""
        assert "torch==2.13.0" in (CHECKOUT / "constraints.txt").read_text().splitlines()
