"""``symeq`` and ``python -m symeq``: the command line, as a process."""

import signal
import sys
from types import FrameType


def main() -> int:
    """Runs the command and returns the exit code. Told to end, it also ends the processes that it began."""
    try:
        signal.signal(signal.SIGTERM, _end)
        from symeq.cli import main as command  # takes a moment, in which Ctrl-C may come

        return command()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # as a shell would report it


if __name__ == "__main__":
    sys.exit(main())
