"""Sizes in traced programs: what their symbols are, and which conditions hold for all of them.

Programs are read for sizes of at least ``SMALLEST``; what a tracer assumed beyond that is a condition that
the program does not hold for every size, unless it follows from the sizes being such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from symeq.interpretation.forms import Polynomial, Unproved
from symeq.interpretation.values import Size, sorted_symbol

SMALLEST = 2


@dataclass(frozen=True)
class Symbols:
    """What the symbols of a traced program stand for: the size of an index set or of a batch axis."""

    names: Mapping[str, str]

    @classmethod
    def read(cls, axes: Iterable[tuple[Any, str]]) -> Symbols:
        """The symbols, from the traced size of each axis and the name of what it is.

        Raises:
            Unproved: an axis whose size the program has fixed, or one symbol for two names.
        """
        names: dict[str, str] = {}
        for size, name in axes:
            expression = getattr(getattr(size, "node", None), "expr", None)
            if not isinstance(expression, sympy.Symbol):
                raise Unproved(f"the size of {name} fixed to {size}")
            if names.setdefault(expression.name, name) != name:
                raise Unproved(f"the sizes of {names[expression.name]} and {name} taken to be equal")
        return cls(names)

    def size(self, size: Any) -> Size:
        """A traced size as a number times symbols.

        Raises:
            Unproved: a size that is no such product.
        """
        if isinstance(size, int):
            return size, ()
        expression = size.node.expr
        found = self._product(expression) or self._sorted(expression)
        if found is None:
            raise Unproved(f"an axis of size {size}")
        return found

    def _product(self, expression: Any) -> Size | None:
        """An expression as a number times symbols, if it is such a product."""
        try:
            polynomial = self.number(expression)
        except Unproved:
            return None
        if len(polynomial) == 1:
            ((monomial, number),) = polynomial.items()
            if number == int(number) and all(halves > 0 and halves % 2 == 0 for _, halves in monomial):
                return int(number), tuple(symbol for symbol, halves in monomial for _ in range(halves // 2))
        return None

    def number(self, expression: sympy.Expr) -> Polynomial:
        """An expression in sizes as a coefficient.

        Raises:
            Unproved: an expression that is no polynomial.
        """
        expression = sympy.expand(simplified(expression))
        result: dict[tuple[tuple[str, int], ...], int] = {}
        for term in sympy.Add.make_args(expression):
            number, rest = term.as_coeff_Mul()
            halves: dict[str, int] = {}
            for base, exponent in rest.as_powers_dict().items():
                if base == 1:
                    continue
                if (
                    not isinstance(base, sympy.Symbol)
                    or not exponent.is_Integer
                    or base.name not in self.names
                ):
                    raise Unproved(f"a size of {expression}")
                halves[self.names[base.name]] = 2 * int(exponent)
            if not number.is_Integer:
                raise Unproved(f"a size of {expression}")
            key = tuple(sorted(halves.items()))
            result[key] = result.get(key, 0) + int(number)
        return result

    def _sorted(self, expression: Any) -> Size | None:
        """An expression as a product with the size of a sorted axis, n (1 + (n + 1)...(n + c - 1) // c!)."""
        quotients = [
            part for part in sympy.preorder_traversal(expression) if type(part).__name__ == "FloorDiv"
        ]
        if len(set(quotients)) != 1 or len(quotients[0].free_symbols) != 1:
            return None
        (symbol,), (dividend, divisor) = quotients[0].free_symbols, quotients[0].args
        c = sympy.degree(dividend, symbol) + 1
        if divisor != sympy.factorial(c) or symbol.name not in self.names:
            return None
        if sympy.expand(dividend - sympy.prod([symbol + at for at in range(1, c)])) != 0:
            return None
        whole = sympy.Dummy()
        rest = self._product(sympy.cancel(expression.subs(quotients[0], whole) / (symbol * (1 + whole))))
        if rest is None:
            return None
        return rest[0], tuple(sorted((*rest[1], sorted_symbol(self.names[symbol.name], int(c)))))


def simplified(expression: Any) -> Any:
    """The expression with exact quotients, maxima and minima worked out, for sizes from ``SMALLEST`` on."""
    if not getattr(expression, "args", ()):
        return expression
    args = [simplified(argument) for argument in expression.args]
    name = type(expression).__name__
    if name in ("FloorDiv", "CleanDiv", "Mod", "PythonMod", "IntTrueDiv") and _never_negative(args[1], True):
        quotient = sympy.cancel(args[0] / args[1])
        if _is_integral(quotient):
            return sympy.Integer(0) if name in ("Mod", "PythonMod") else sympy.expand(quotient)
    if name in ("Max", "Min"):
        sign = 1 if name == "Max" else -1
        extreme = [a for a in args if all(a == b or _never_negative(sign * (a - b)) for b in args)]
        if extreme:
            return extreme[0]
    if name == "ToFloat":
        return args[0]
    return expression.func(*args)


def _is_integral(expression: Any) -> bool:
    """Whether it is a polynomial with integer coefficients."""
    symbols = sorted(expression.free_symbols, key=str)
    if not symbols:
        return bool(expression.is_Integer)
    polynomial = expression.as_poly(*symbols)
    return polynomial is not None and all(c.is_Integer for c in polynomial.coeffs())


def _never_negative(difference: Any, strictly: bool = False) -> bool:
    """Whether a polynomial in sizes is never negative (never 0 either) from ``SMALLEST`` on.

    Sufficient: written in the excess of every size over ``SMALLEST``, no coefficient is negative.
    """
    symbols = sorted(difference.free_symbols, key=str)
    excess = [sympy.Dummy(nonnegative=True) for _ in symbols]
    shifted = difference.subs(
        {s: e + SMALLEST for s, e in zip(symbols, excess, strict=True)}, simultaneous=True
    )
    if not symbols:
        return bool(shifted > 0 if strictly else shifted >= 0)
    polynomial = sympy.expand(shifted).as_poly(*excess)
    if polynomial is None:
        return False
    constant = polynomial.coeff_monomial(1)
    return all(c.is_nonnegative for c in polynomial.coeffs()) and (not strictly or bool(constant > 0))


def always(condition: Any) -> bool:
    """Whether a condition holds for all sizes from ``SMALLEST`` on; False where that is not seen."""
    if condition in (True, sympy.true):
        return True
    name = type(condition).__name__
    if name in ("And", "Or"):
        return (all if name == "And" else any)(map(always, condition.args))
    if not isinstance(condition, sympy.core.relational.Relational):
        return False
    left, right = (simplified(side) for side in condition.args)
    difference = sympy.expand(left - right)
    if name == "Equality":
        return bool(difference == 0)
    if name == "Unequality":
        return _never_negative(difference, True) or _never_negative(-difference, True)
    smaller = {"StrictLessThan": (-difference, True), "LessThan": (-difference, False)}
    larger = {"StrictGreaterThan": (difference, True), "GreaterThan": (difference, False)}
    side = (smaller | larger).get(name)
    return side is not None and _never_negative(*side)


def conditions(shape_env: Any, symbols: Symbols) -> list[str]:
    """What a tracer assumed of the sizes that does not hold for all of them."""
    found = []
    rename = {sympy.Symbol(name): sympy.Symbol(meaning) for name, meaning in symbols.names.items()}

    def shown(expression: Any) -> str:
        table = {s: rename.get(sympy.Symbol(s.name), s) for s in expression.free_symbols}
        return str(expression.xreplace(table))

    def discharged(expression: Any) -> bool:
        """Whether it follows from the sizes being such; axes of one name have one size, as declared."""
        table = {
            s: sympy.Symbol(symbols.names[s.name], integer=True, positive=True)
            for s in expression.free_symbols
            if s.name in symbols.names
        }
        known = len(table) == len(expression.free_symbols)
        return known and always(expression.subs(table, simultaneous=True))

    late = [one for several in shape_env.deferred_runtime_asserts.values() for one in several]
    for assumed in (*shape_env.guards, *late):
        expression = shape_env.replace(assumed.expr)
        if not discharged(expression):
            found.append(shown(expression))
    for symbol, bounds in shape_env.var_to_range.items():
        name = symbols.names.get(str(shape_env.replace(symbol)))
        if name is not None and not _unbounded(bounds):
            found.append(f"{bounds.lower} <= {name} <= {bounds.upper}")
    return found


def _unbounded(bounds: Any) -> bool:
    return str(bounds.upper) in ("int_oo", "oo") and bool(bounds.lower <= SMALLEST)
