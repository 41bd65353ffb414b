"""The errors of symeq: each says what came, what was expected and what to do.

Every class also subclasses the builtin that a caller would expect (``ValueError``,
``OSError``, ...), carries what came as fields, and is what the command line turns into
one line and exit code 2.
"""

from __future__ import annotations

from pathlib import Path


class SymeqError(Exception):
    """Base of every error that symeq raises on purpose."""


class SignatureError(SymeqError, ValueError):
    """A signature (string, pair of orders) that cannot be read.

    ``text`` is what came.
    """

    def __init__(self, text: object, problem: str, remedy: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is not a signature: {problem}. {remedy}")


class InvalidPartitionError(SymeqError, ValueError):
    """Something that is not a set partition, or two that do not fit each other."""

    def __init__(self, came: object, problem: str, remedy: str) -> None:
        self.came = came
        super().__init__(f"{came!r} {problem}. {remedy}")


class SizeError(SymeqError, ValueError):
    """Sizes of index sets that are missing, unknown, or not integers >= 0."""

    def __init__(self, came: object, problem: str, remedy: str) -> None:
        self.came = came
        super().__init__(f"sizes {came!r}: {problem}. {remedy}")


class OptionError(SymeqError, ValueError):
    """An option with a value that it cannot take; ``option`` and ``value`` say which."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        self.option = option
        self.value = value
        super().__init__(f"{option}={value!r} is not possible: expected {expected}.")


class TooLargeError(SymeqError, OverflowError, ValueError):
    """A request whose exact size is known and is beyond what can be done; ``count`` is that size."""

    def __init__(self, what: str, count: int, limit: int, remedy: str) -> None:
        self.count = count
        self.limit = limit
        super().__init__(f"{what}: {count}, and the limit is {limit}. {remedy}")


class OutputError(SymeqError, OSError):
    """A file that cannot, or must not, be written; ``path`` says which."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}. {remedy}")


class NotALayerError(SymeqError, ValueError):
    """Something given for verification that does not keep the layer contract."""

    def __init__(self, came: object, problem: str, remedy: str) -> None:
        self.came = came
        super().__init__(f"{came} cannot be verified: {problem}. {remedy}")


class ProofError(SymeqError, ArithmeticError):
    """A proof that fails: no mistake of the caller. ``claimed`` says of what, ``problem`` why."""

    def __init__(self, claimed: object, problem: str) -> None:
        self.claimed = claimed
        self.problem = problem
        super().__init__(f"{claimed}: {problem}")


class MissingLibraryError(SymeqError, ImportError):
    """A library that only some of symeq needs, and that is not installed; ``name`` says which."""

    def __init__(self, library: str, purpose: str, remedy: str) -> None:
        super().__init__(f"{library} {purpose}, and is not installed: {remedy}.", name=library)


class AuditError(SymeqError, ValueError):
    """Code that cannot be audited: not found, not callable, hanging, or fitting no axis layout."""

    def __init__(self, came: object, problem: str, remedy: str) -> None:
        self.came, self.problem, self.remedy = came, problem, remedy
        super().__init__(f"{came} cannot be audited: {problem}. {remedy}")


class LayoutError(SymeqError, ValueError):
    """An axis layout that cannot be read, or that does not fit the signature; ``text`` is what came."""

    def __init__(self, text: str, problem: str, remedy: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is not a layout: {problem}. {remedy}")


class WorkerError(SymeqError, RuntimeError):
    """A process that worked for us and ended before it was done."""
