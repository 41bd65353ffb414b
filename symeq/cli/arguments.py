"""What comes in: the words of a SPEC, sizes, folders, and what they mean."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from symeq.cli.console import CallError, counted
from symeq.errors import OptionError, OutputError, TooLargeError
from symeq.signature import Signature

MOST_AXES = 1000
"""Exact counts take a second for so many axes; Python prints no integer of more than 4300 digits."""

INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")  # Python reads none of more than 4300 digits

# A SPEC may be "-> n n", or -1 2, which is refused in our own words: neither is an option.
# checked_words refuses what looks like one and does not exist. No option has a short form, which would be
# found inside a SPEC.
WITH_SPEC = {"ignore_unknown_options": True}


def checked_words(context: typer.Context, words: list[str] | None) -> list[str]:
    """The words of a SPEC, once none of them is an option that does not exist."""
    known = [option for parameter in context.command.params for option in parameter.opts]
    for word in words or []:
        if re.match(r"--?[A-Za-z]", word):
            close = get_close_matches(word.partition("=")[0], known, n=1)
            hint = f"Did you mean {close[0]}? " if close and close[0] != word else ""
            raise CallError(
                f"no such option: {word}. {hint}`{context.command_path} --help` lists the options."
            )
    return words or []


SpecWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SPEC",
        callback=checked_words,
        show_default=False,
        help='A signature in quotes, such as "n n -> n n", or two orders, such as 2 2.',
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def signature_of(words: Sequence[str]) -> Signature:
    """The signature that the words of a SPEC mean, in one word or several.

    >>> signature_of(["2", "1"]) == signature_of(["n n -> n"]) == signature_of(["n", "n", "->", "n"])
    True

    Raises:
        CallError: no words, or numbers that are not two.
        SignatureError: no signature, or a negative order.
        TooLargeError: more than ``MOST_AXES`` axes.
    """
    expected = 'a signature in quotes, such as "n n -> n n", or two orders, such as 2 2'
    tokens = " ".join(words).split()
    if not tokens:
        raise CallError(f"no SPEC: expected {expected}.")
    if "-" in tokens and "->" not in tokens:
        raise CallError(
            f"{' '.join(tokens)!r} is no SPEC: expected {expected}. "
            "Without quotes the shell takes > for a redirection."
        )
    numbers = [token for token in tokens if INTEGER.fullmatch(token)]
    if len(numbers) == len(tokens):
        if len(tokens) != 2:
            raise CallError(f"{' '.join(tokens)!r} is {counted(len(tokens), 'order')}: expected {expected}.")
        order_in, order_out = map(int, tokens)
        if min(order_in, order_out) >= 0:
            _refuse_axes(" ".join(tokens), order_in + order_out)
        return Signature.from_orders(order_in, order_out)
    signature = Signature.parse(" ".join(words))
    _refuse_axes(str(signature), len(signature.positions))
    return signature


def _refuse_axes(spec: str, axes: int) -> None:
    if axes > MOST_AXES:
        raise TooLargeError(f"axes of {short(spec)}", axes, MOST_AXES, "Choose lower orders.")


def short(text: str) -> str:
    """The text, cut off where it would fill a screen."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def natural(option: str, text: str, least: int = 0) -> int:
    """The integer >= ``least`` that ``text`` spells; anything else is an ``OptionError``."""
    if not INTEGER.fullmatch(text) or int(text) < least:
        raise OptionError(option, text, f"an integer >= {least}")
    return int(text)


def sizes_of(signature: Signature, given: Sequence[str]) -> dict[str, int]:
    """The size of every index set, from ``--n 3`` or ``--n u=3 --n i=4``.

    Raises:
        OptionError, SizeError: these are no sizes of the signature.
    """
    names = signature.index_sets or ("n",)
    each = " ".join(f"--n {name}={3 + at}" for at, name in enumerate(names))
    expected = "an integer, as in --n 3" if len(names) == 1 else f"a size of every index set, as in {each}"
    sizes: dict[str, int] = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        if not equals and len(names) == 1:
            name = names[0]
        if not name or name in sizes or not INTEGER.fullmatch(number):
            raise OptionError("--n", " ".join(given), expected)
        sizes[name] = int(number)
    return signature.sizes(sizes)


def folder_of(out: str, option: str = "--out") -> Path:
    """The folder that ``--out``, or another option, names.

    Raises:
        CallError: an empty name, as of a shell variable that is not set.
        OutputError: a file.
    """
    if not out.strip():
        raise CallError(f"{option} is empty: expected a folder; a dot means the current one.")
    folder = Path(out)
    if os.path.exists(folder) and not os.path.isdir(folder):  # Path.exists raises where one may not look
        raise OutputError(folder, "is a file, expected a folder", f"Name another place with {option}.")
    return folder
