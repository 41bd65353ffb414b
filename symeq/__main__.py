"""``python -m symeq``: the command line."""

import sys

from symeq.cli import main

if __name__ == "__main__":
    sys.exit(main())
