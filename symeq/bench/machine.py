"""The machine that was measured, and its memory allocator."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from symeq.allocator import fix_thresholds

Allocator: TypeAlias = Literal["fixed", "default"]

_TRIM_BYTES, _MMAP_BYTES = 2**31 - 1, 2**30


def fix_allocator() -> str:
    """Keeps freed memory in the process where glibc allows it; says what was done."""
    return fix_thresholds(_MMAP_BYTES, _TRIM_BYTES)


def describe_machine(device: str = "cpu") -> dict[str, str]:
    """Processor (and graphics card), threads and versions; nothing that names the machine."""
    found = {
        "processor": f"{_processor()}, {os.cpu_count()} logical, {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.startswith("cuda"):
        found["device"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
