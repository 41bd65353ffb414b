"""A function of the bench in a fresh process: JSON in, JSON out."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from symeq.errors import WorkerError


def call(function: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """What ``function``, as in "running:serve", returns for arguments that JSON has.

    Raises:
        WorkerError: the process failed; the message has its last words.
    """
    done = subprocess.run(
        [sys.executable, "-c", "from symeq.bench import fresh; fresh.serve()"],
        input=json.dumps({"function": function, "arguments": arguments}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise WorkerError(f"the fresh process for {function} failed: {words[-1]}")
    return json.loads(done.stdout.rpartition(_MARK)[2])


_MARK = "\nsymeq bench:\n"  # whatever a library prints comes before it


def serve() -> None:
    """Does what standard input asks for, and reports to standard output."""
    asked = json.load(sys.stdin)
    module, _, function = asked["function"].partition(":")
    served = getattr(importlib.import_module(f"symeq.bench.{module}"), function)
    try:
        answer = served(**asked["arguments"])
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    sys.stdout.write(_MARK + json.dumps(answer))
