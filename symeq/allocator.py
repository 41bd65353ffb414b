"""glibc's allocator: from which size on freed memory goes back to the system. Elsewhere it stays as it is."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGE = 2**20


def fix_thresholds(mmap: int, trim: int) -> str:
    """For the rest of this process: blocks of ``mmap`` bytes have pages of their own, and go back when freed.

    So do, together, more than ``trim`` bytes that are free at the end of the heap. glibc alters both while a
    process runs, unless they are set. Says what was done.
    """
    if platform.libc_ver()[0] != "glibc":
        return "as it comes: no glibc, whose thresholds could be fixed"
    mallopt = ctypes.CDLL(None).mallopt
    wanted = (
        ("M_MMAP_THRESHOLD", _M_MMAP_THRESHOLD, mmap),
        ("M_TRIM_THRESHOLD", _M_TRIM_THRESHOLD, trim),
    )
    said = [
        f"{name} = {value}" if mallopt(number, value) == 1 else f"{name} refused"
        for name, number, value in wanted
    ]
    return f"glibc {platform.libc_ver()[1]}, {', '.join(said)}"


def return_large_blocks() -> None:
    """Otherwise a heap of large blocks among small ones can grow to many times what is in use."""
    fix_thresholds(_LARGE, _LARGE)
