"""Signatures: what is read, what is printed back, and what is refused in which words."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import signatures
from symeq.errors import OptionError, SignatureError, SizeError
from symeq.signature import EmitOptions, Signature

NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)


@given(st.lists(NAME, max_size=5), st.lists(NAME, max_size=5))
def test_a_signature_prints_back_what_it_parses(inputs: list[str], outputs: list[str]) -> None:
    """Whatever the index sets are called: keywords and words of the emitted text are names like others."""
    text = f"{' '.join(inputs)} -> {' '.join(outputs)}"
    signature = Signature.parse(text)
    assert (signature.inputs, signature.outputs) == (tuple(inputs), tuple(outputs))
    assert str(signature) == (text if inputs or outputs else "->")
    assert Signature.parse(str(signature)) == signature


@given(signatures())
def test_a_signature_is_a_value(signature: Signature) -> None:
    """Frozen, hashable, and equal to its copy."""
    assert {signature: 1}[pickle.loads(pickle.dumps(signature))] == 1
    with pytest.raises(AttributeError):
        signature.inputs = ()


@pytest.mark.parametrize("text", ["n n->n", "  n   n ->  n ", "n\tn\n->\nn", "n n -> n"])
def test_white_space_does_not_matter(text: str) -> None:
    """Between names any, around the arrow none is needed."""
    assert Signature.parse(text) == Signature(("n", "n"), ("n",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("n n", "it has no '->'"),
        ("", "it has no '->'"),
        ("n n = n", "it has no '->'"),
        ("n -> n -> n", "it has 2 times '->'"),
        ("1n -> n", "'1n' is no index-set name"),
        ("n -> n,", "'n,' is no index-set name"),
        ("n - > n", "it has no '->'"),
        ("n --> n", "'-' is no index-set name"),
        ("ν -> ν", "'ν' is no index-set name. A name is ASCII letters"),  # a Greek letter is a letter, too
        ("n + n n -> n", "'+' is reserved for direct sums"),
        ("(n n) -> n", "'(' is reserved for symmetric axes"),
        ("n n) -> n", "')' is reserved for symmetric axes"),
    ],
)
def test_what_is_no_signature(text: str, problem: str) -> None:
    """The text that came, what is wrong with it, and what to write."""
    with pytest.raises(SignatureError) as caught:
        Signature.parse(text)
    assert isinstance(caught.value, ValueError) and caught.value.text == text
    assert str(caught.value).startswith(f"{text!r} is not a signature: {problem}")


def test_orders_may_be_any_integers() -> None:
    """A pair of Python's or NumPy's; negative ones, fractions and booleans are refused."""
    signature = Signature.of((np.int64(2), np.int8(1)))
    assert signature == Signature.of([2, 1]) == Signature.parse("n n -> n")
    for orders in [(-1, 2), (2, -1), (2.0, 1), (True, 1), ("2", 1), (None, 0), (np.float64(2), 1)]:
        with pytest.raises(SignatureError, match="an order is an integer >= 0"):
            Signature.of(orders)
    for spec in [(2,), (2, 1, 1), 2, None, {2, 1}]:
        with pytest.raises(SignatureError, match="a pair of orders"):
            Signature.of(spec)


@pytest.mark.parametrize("n", [{"u": 3}, {"u": 3, "i": 2, "z": 1}, 3, {"u": -1, "i": 2}, {"u": 2.0, "i": 2}])
def test_sizes_that_do_not_fit(n: object) -> None:
    """One for every index set, none for others, each an integer >= 0."""
    with pytest.raises(SizeError):
        Signature.parse("u i -> u").sizes(n)
    assert Signature.parse("u i -> u").sizes({"u": np.int64(0), "i": 2}) == {"u": 0, "i": 2}


@pytest.mark.parametrize("sides", [("nn", "n"), (["n"], ["n"]), (("n",), ["n"]), (None, None)])
def test_sides_are_tuples(sides: tuple[object, object]) -> None:
    """Anything else would compare, hash or emit in another way."""
    with pytest.raises(SignatureError, match="no tuple of names"):
        Signature(*sides)


@pytest.mark.parametrize("order", [1.0, np.float64(1), np.array([1, 2]), "1", None, True])
def test_orders_are_integers(order: object) -> None:
    """Whatever else Python could make an integer of."""
    with pytest.raises(SignatureError, match="an order is an integer"):
        Signature.of((order, 1))


@pytest.mark.parametrize("text", ["2=inputs|x", "\ud800", "2=inputs\0"])
def test_choices_are_plain_words(text: str) -> None:
    """They go into the name of a module, from which a pickle is read."""
    for option in ("choices", "made_for"):
        with pytest.raises(OptionError, match=option):
            EmitOptions(**{option: text})


def test_options_are_checked() -> None:
    """The layouts that there are, and names that Python can use."""
    for options in [{"layout": "channels"}, {"class_name": "1x"}, {"class_name": "if"}, {"class_name": 3}]:
        with pytest.raises(OptionError, match=next(iter(options))):
            EmitOptions(**options)
