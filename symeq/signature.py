"""Signatures: which index sets the axes of the input and of the output run over.

``"n n -> n n"`` maps R^(n^2) to R^(n^2); ``"n n -> "`` is invariant; ``"u i -> u i"`` has two
index sets, permuted independently (the exchangeable matrices of Hartford et al. 2018,
arXiv:1803.02879).
"""

from __future__ import annotations

import keyword
import operator
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from symeq.errors import OptionError, SignatureError, SizeError

BasisKind: TypeAlias = Literal["orbit", "diagram"]
Layout: TypeAlias = Literal["channels-last", "channels-first"]
Normalization: TypeAlias = Literal["sum", "mean", "sqrt"]
Sizes: TypeAlias = "int | Mapping[str, int]"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"[A-Za-z0-9_=,\s]*")
_HOW = 'Write index-set names, "->", index-set names, as in "n n -> n n", "n n -> " or "u i -> u".'
_RESERVED = {
    "+": "direct sums such as 'n + n n -> n'",
    "(": "symmetric axes such as '(n n) -> (n n)'",
    ")": "symmetric axes such as '(n n) -> (n n)'",
}


def check_kind(kind: str) -> BasisKind:
    """The basis kind itself, ``"orbit"`` or ``"diagram"``; anything else is an ``OptionError``."""
    known: BasisKind
    for known in get_args(BasisKind):
        if kind == known:
            return known
    raise OptionError("kind", kind, '"orbit" or "diagram"')


def check_layout(layout: object) -> Layout:
    """The layout itself, ``"channels-last"`` or ``"channels-first"``; anything else is an ``OptionError``."""
    known: Layout
    for known in get_args(Layout):
        if layout == known:
            return known
    raise OptionError("layout", layout, '"channels-last" or "channels-first"')


def as_integer(value: Any) -> int | None:
    """The integer that a value is, of Python's or another library's type; None if it is none, or a bool."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def check_seed(seed: object) -> None:
    """Refuses what is no seed of a random generator.

    Raises:
        OptionError: anything but an integer from 0 to 2^64 - 1.
    """
    if (found := as_integer(seed)) is None or not 0 <= found < 2**64:
        raise OptionError("seed", seed, "an integer from 0 to 2^64 - 1")


def _check_names(names: Iterable[object], text: str) -> None:
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SignatureError(
                text,
                f"{name!r} is no index-set name",
                "A name is ASCII letters, digits and _, and does not begin with a digit.",
            )


@dataclass(frozen=True, order=True, slots=True)
class Signature:
    """The index set of every input axis and of every output axis.

    Positions are numbered inputs first, then outputs: ``0..k-1`` and ``k..m-1``.

    >>> Signature.parse("u i -> u")
    Signature(inputs=('u', 'i'), outputs=('u',))
    >>> str(Signature.parse("n n -> "))
    'n n -> '
    >>> Signature.from_orders(2, 1) == Signature.parse("n n -> n")
    True
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in (self.inputs, self.outputs):
            if not isinstance(side, tuple):
                raise SignatureError(
                    (self.inputs, self.outputs),
                    f"{side!r} is no tuple of names",
                    "Parse a string, or give tuples.",
                )
        _check_names(
            self.inputs + self.outputs,
            f"{' '.join(map(str, self.inputs))} -> {' '.join(map(str, self.outputs))}",
        )

    @classmethod
    def parse(cls, text: str) -> Signature:
        """The signature that ``text`` spells; spaces separate names, and ``"->"`` alone is (0, 0).

        Raises:
            SignatureError: no ``"->"``, more than one, a name that is no identifier, or one of
                the reserved forms (``+`` and parentheses).
        """
        for sign, meaning in _RESERVED.items():
            if sign in text:
                raise SignatureError(
                    text,
                    f"{sign!r} is reserved for {meaning}, which this version does not have yet",
                    _HOW,
                )
        sides = text.split("->")
        if len(sides) != 2:
            found = "no '->'" if len(sides) == 1 else f"{len(sides) - 1} times '->'"
            raise SignatureError(text, f"it has {found}, expected one", _HOW)
        inputs, outputs = (tuple(side.split()) for side in sides)
        _check_names(inputs + outputs, text)
        return cls(inputs, outputs)

    @classmethod
    def from_orders(cls, order_in: int, order_out: int) -> Signature:
        """The signature of order ``k -> k'`` over the one index set ``n``.

        Raises:
            SignatureError: an order that is not an integer >= 0.
        """
        for order in (order_in, order_out):
            if (found := as_integer(order)) is None or found < 0:
                raise SignatureError(
                    (order_in, order_out),
                    f"an order is an integer >= 0, not {order!r}",
                    'Orders are a pair such as (2, 2), the same as "n n -> n n".',
                )
        return cls(("n",) * int(order_in), ("n",) * int(order_out))

    @classmethod
    def of(cls, spec: Spec) -> Signature:
        """The signature that a spec means: a string, a pair of orders, or a ``Signature``.

        >>> Signature.of((2, 0)) == Signature.of("n n ->") == Signature.parse("n n -> ")
        True
        """
        if isinstance(spec, Signature):
            return spec
        if isinstance(spec, str):
            return cls.parse(spec)
        if isinstance(spec, tuple | list) and len(spec) == 2:
            return cls.from_orders(*spec)
        raise SignatureError(
            spec, f"it is a {type(spec).__name__}", "Give a string, a pair of orders, or a Signature."
        )

    def __str__(self) -> str:
        if not self.positions:
            return "->"
        return f"{' '.join(self.inputs)} -> {' '.join(self.outputs)}"

    def _repr_latex_(self) -> str:
        spaces = []
        for side in (self.inputs, self.outputs):
            names = (name.replace("_", r"\_") for name in side)
            axes = r" \times ".join(rf"\mathit{{{name}}}" for name in names)
            spaces.append(rf"\mathbb{{R}}^{{{axes}}}" if axes else r"\mathbb{R}")
        return f"${spaces[0]} \\to {spaces[1]}$"

    @property
    def order_in(self) -> int:
        """k, the number of input axes."""
        return len(self.inputs)

    @property
    def order_out(self) -> int:
        """k', the number of output axes."""
        return len(self.outputs)

    @property
    def positions(self) -> tuple[str, ...]:
        """The index set of every position, inputs first."""
        return self.inputs + self.outputs

    @property
    def index_sets(self) -> tuple[str, ...]:
        """The index sets, each once, by first appearance."""
        return tuple(dict.fromkeys(self.positions))

    def sizes(self, n: Sizes) -> dict[str, int]:
        """The size of every index set, from an int (if there is one index set) or a dict.

        >>> Signature.parse("u i -> u").sizes({"u": 3, "i": 4})
        {'u': 3, 'i': 4}

        Raises:
            SizeError: an index set without a size, an unknown one, or a size that is not an
                integer >= 0.
        """
        sets = self.index_sets
        if isinstance(n, Mapping):
            sizes = dict(n)
        elif len(sets) <= 1:
            sizes = dict.fromkeys(sets or ("n",), n)
        else:
            example = ", ".join(f"{name!r}: {3 + at}" for at, name in enumerate(sets))
            raise SizeError(n, f"{self} has {len(sets)} index sets", f"Give {{{example}}}.")
        for name, size in sizes.items():
            if (found := as_integer(size)) is None or found < 0:
                raise SizeError(n, f"{size!r} is no size of {name!r}", "A size is an integer >= 0.")
            if sets and name not in sets:
                raise SizeError(n, f"{self} has no index set {name!r}", f"It has {', '.join(sets)}.")
        for name in sets:
            if name not in sizes:
                raise SizeError(n, f"no size for {name!r} of {self}", "Give one for every index set.")
        return {name: int(sizes[name]) for name in sets}


Spec: TypeAlias = "str | tuple[int, int] | Signature"


@dataclass(frozen=True, slots=True)
class EmitOptions:
    """How a layer is written: its axis layout and, if not the default, its class name and how it computes.

    Attributes:
        choices: how levels and sums are computed, such as "2=inputs" (``symeq.plans.choices``); what is not
            named is chosen by the cost model.
        made_for: batch, n and channels that this is meant for, such as "16 64 64".

    Raises:
        OptionError: a layout that does not exist, or a class name that Python cannot use.
    """

    layout: Layout = "channels-last"
    class_name: str | None = None
    choices: str = ""
    made_for: str = ""

    def __post_init__(self) -> None:
        check_layout(self.layout)
        for option in ("choices", "made_for"):
            if not isinstance(text := getattr(self, option), str) or not _WORDS.fullmatch(text):
                raise OptionError(option, text, "words of ASCII characters, such as 2=inputs, or numbers")
        name = self.class_name
        if name is None:
            return
        if isinstance(name, str):
            name = unicodedata.normalize("NFKC", name)  # as Python reads identifiers
            object.__setattr__(self, "class_name", name)
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise OptionError("class_name", self.class_name, "a Python identifier that is no keyword")
