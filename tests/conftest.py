"""What every test may use: a seed that is printed, and the compile backend of this machine."""

from __future__ import annotations

import importlib.util
import os
import random
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zlib
from functools import cache

import hypothesis
import numpy as np
import pytest

DEFAULT_SEED = 2019

# The one exception to -W error: on import and while lowering, inductor calls two functions that torch itself
# has deprecated (a DeprecationWarning and a FutureWarning), which no code of ours can avoid.
TORCH_UNDER_INDUCTOR = r"ignore:.torch\.(jit\.script_method|_prims_common\.check). is "

SEED = pytest.StashKey[int]()


def read_seed(text: str) -> int:
    """The seed that ``--seed`` asks for: an integer >= 0, or a fresh one for ``random``."""
    if text == "random":
        return random.SystemRandom().randrange(2**32)
    if not text.isdecimal():
        raise pytest.UsageError(f"--seed {text}: expected an integer >= 0, or 'random'")
    return int(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--seed``: the same tests say the same thing twice, unless asked for something new."""
    parser.addoption(
        "--seed", default=str(DEFAULT_SEED), help="seed of the random tests, or 'random' for a fresh one"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed, and Hypothesis's choices with it unless a seed was asked for."""
    asked = config.getoption("--seed")
    config.stash[SEED] = read_seed(asked)
    hypothesis.settings.register_profile(
        "symeq",
        deadline=None,  # the first call of a layer imports torch and may compile
        suppress_health_check=[hypothesis.HealthCheck.too_slow],  # as above, and the machine may be busy
        derandomize=asked == str(DEFAULT_SEED),
        print_blob=True,
    )
    hypothesis.settings.load_profile("symeq")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The seed and the compile backend, with the reason for it."""
    backend, reason = find_compile_backend()
    return [
        f"seed: {config.stash[SEED]} (the same again: --seed {config.stash[SEED]}; another: --seed random)",
        f"compile backend: {backend} ({reason})",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that compile, and no others, get the one exception to ``-W error``."""
    for item in items:
        if "compile_backend" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings(TORCH_UNDER_INDUCTOR))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """A failure of a random test carries its seed."""
    report = yield
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("seed", f"--seed {item.config.stash[SEED]}"))
    return report


@cache
def find_compile_backend() -> tuple[str, str]:
    """``"inductor"`` where a C++ compiler works, else ``"aot_eager"``; and why.

    Inductor's kernels include ``Python.h``, so a compiler that does not find it is no compiler.
    """
    candidates = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    found = [command for text in candidates if (command := shlex.split(text)) and shutil.which(command[0])]
    if not found:
        return "aot_eager", "no C++ compiler found"
    probe = [*found[0], "-x", "c++", "-fsyntax-only", "-I", sysconfig.get_path("include"), "-"]
    tried = subprocess.run(probe, input="#include <Python.h>\n", text=True, capture_output=True, check=False)
    if tried.returncode != 0:
        return "aot_eager", f"{found[0][0]} cannot compile against Python.h"
    torch = importlib.util.find_spec("torch")
    if torch and " " in (torch.origin or ""):
        return "aot_eager", "inductor does not quote paths, and torch's own has a space"
    return "inductor", f"C++ compiler {found[0][0]}"


@pytest.fixture(scope="session")
def compile_backend() -> str:
    """The backend for ``torch.compile``: ``"inductor"``, or ``"aot_eager"`` without a C++ compiler."""
    return find_compile_backend()[0]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test's own, made from ``--seed`` and the test's name; torch is seeded with it, too."""
    own = zlib.crc32(f"{request.config.stash[SEED]} {request.node.nodeid}".encode())
    if torch := sys.modules.get("torch"):
        torch.manual_seed(own)
    return own


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """A NumPy generator from this test's own seed."""
    return np.random.default_rng(seed)
