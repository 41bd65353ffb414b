"""Other people's code with a time limit: it runs in a thread that is given up when it hangs."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from symeq.errors import AuditError
from symeq.process import WATCHED

T = TypeVar("T")


class Watch:
    """What the audited code is doing right now, and since when."""

    def __init__(self, target: str, limit: float) -> None:
        self.target = target
        self.limit = limit
        self._doing: tuple[str, float] | None = None

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Around a call of audited code; ``what`` completes "... takes longer than"."""
        self._doing = (what, time.monotonic())
        try:
            yield
        finally:
            self._doing = None

    def late(self) -> AuditError | None:
        """The error to raise if a call has taken too long."""
        doing = self._doing
        if doing is None or time.monotonic() - doing[1] <= self.limit:
            return None
        remedy = "A higher time limit allows slow code."
        if doing[0].startswith("importing"):
            remedy = (
                f"Code that should not run on import belongs under `if __name__ == '__main__':`. {remedy}"
            )
        return AuditError(self.target, f"{doing[0]} takes longer than {self.limit:g} s", remedy)


def watched(watch: Watch, work: Callable[[], T]) -> T:
    """``work()`` in a daemon thread, which does not keep the process from ending.

    Raises:
        AuditError: a call announced to ``watch`` takes longer than its limit. The thread goes on.
        BaseException: whatever ``work`` raised.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name=WATCHED, daemon=True).start()
    while not done.wait(0.2):
        if (error := watch.late()) is not None:
            raise error
    if errors:
        raise errors[0]
    return results[0]
