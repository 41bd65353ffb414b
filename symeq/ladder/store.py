"""Rows that hold, kept in files: one file to a row, good for as long as nothing changes that decides it."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from symeq.files import write_files
from symeq.ladder.row import Orders, Row, Verify

Key: TypeAlias = "dict[str, Any]"

FORMAT = 1
"""Raised when rows, or what they are keyed by, change their form."""

_NO_PART = (
    "cli",
    "drawing",
    "auditing",
    "mutation",
    "bench",
    "tuning.py",
    "__main__.py",
)  # these decide no row


def default_store() -> Path:
    """The folder for the rows of this user, as the system has it: ``~/.cache/symeq/ladder`` on Linux."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("symeq", appauthor=False)) / "ladder"


@cache
def _own_sources() -> str:
    return sources_digest(Path(__file__).resolve().parent.parent)  # once, as modules are loaded once


def sources_digest(root: Path) -> str:
    """The sha256 of all sources in the folder of symeq that decide what a row says."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] not in _NO_PART:
            digest.update(f"{relative.as_posix()}\n".encode() + path.read_bytes() + b"\n")
    return digest.hexdigest()


def key_of(orders: Orders, text: str, verify: Verify, seed: int) -> Key:
    """All that decides what the row of an order says: a row is good for one key."""
    return {
        "format": FORMAT,
        "orders": list(orders),
        "text": hashlib.sha256(text.encode()).hexdigest(),
        "symeq": _own_sources(),
        "verify": f"{getattr(verify, '__module__', '?')}.{getattr(verify, '__qualname__', repr(verify))}",
        "seed": seed,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": platform.machine(),
        **{library: _version(library) for library in ("torch", "numpy", "sympy")},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "?"


@dataclass(frozen=True)
class Store:
    """A folder of rows."""

    folder: Path

    def path(self, orders: Orders) -> Path:
        """The file for the row of an order."""
        return self.folder / f"symeq-ladder-{orders[0]}-{orders[1]}.json"

    def load(self, key: Key) -> tuple[Row | None, str]:
        """The row that was kept under a key, or None; and a word about a file that holds no such row."""
        path = self.path(tuple(key["orders"]))
        try:
            entry = json.loads(path.read_bytes())
            if entry["sha256"] != _seal(entry["key"], entry["row"]):
                raise ValueError("the digest is another one")
            if entry["key"] != key:
                return None, ""
            row = Row.from_record(entry["row"])
            if [row.order_in, row.order_out] == key["orders"] and row.ok:
                return row, ""
        except (FileNotFoundError, NotADirectoryError):
            return None, ""
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        return None, f"{path} is not as symeq wrote it: the row was made again."

    def save(self, key: Key, row: Row) -> str:
        """Keeps a row under a key; a word where it could not be kept."""
        record = row.record()
        entry = {"key": key, "row": record, "sha256": _seal(key, record)}
        path = self.path((row.order_in, row.order_out))
        content = json.dumps(entry, sort_keys=True, indent=1).encode()
        try:
            write_files({path: content}, lambda found: True, remedy="Name another place with --store.")
        except OSError as error:  # the row is worth more than its copy
            return f"{error} The row is not kept."
        return ""


def _seal(key: Any, record: Any) -> str:
    return hashlib.sha256(json.dumps([key, record], sort_keys=True).encode()).hexdigest()
