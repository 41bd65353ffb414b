"""The process: standard output belongs to results, and a thread that was given up does not abort its end."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

WATCHED = "symeq watched"
"""The name of threads that run other people's code, and are given up when it takes too long."""


@contextmanager
def output_aside() -> Iterator[None]:
    """What emitted modules print, or audited ones, or torch, also from below Python, goes to stderr."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    try:
        output = os.dup(1)
    except OSError:  # there is none
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(output, 1)
        os.close(output)


def replace_workers_quietly() -> None:
    """Drops a warning: joblib replaces workers whose memory has grown, and says that they stopped."""
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)


def end(code: int) -> int:
    """The code, to be returned; at once the end of the process where a watched thread still runs.

    Such a thread may be inside torch, and Python aborts if it ends meanwhile.
    """
    if any(thread.name == WATCHED for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    return code
