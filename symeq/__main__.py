"""``symeq`` and ``python -m symeq``: the command line, as a process."""

import signal
import sys
from types import FrameType

from symeq.process import end


def main() -> int:
    """Runs the command and returns the exit code. Told to end, it also ends the processes that it began."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        from symeq.cli import main as command  # takes a moment, in which Ctrl-C may come

        return end(command())
    except KeyboardInterrupt:
        return end(128 + signal.SIGINT)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # as a shell would report it


if __name__ == "__main__":
    sys.exit(main())
