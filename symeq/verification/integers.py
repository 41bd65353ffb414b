"""The integers in the source of a layer: what it does may change where a size or channel count meets one."""

from __future__ import annotations

import ast


def integers_of(source: str) -> list[int]:
    """The integers from 2 on that a module mentions, powers and products of literals worked out.

    >>> integers_of("if n > 5 and b * n < 10**6: y = y + 1")
    [5, 6, 10, 1000000]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found: set[int] = set()
    for node in ast.walk(tree):
        value = _integer(node)
        if value is not None and 2 <= value <= 10**7:
            found.add(value)
    return sorted(found)


def _integer(node: ast.AST) -> int | None:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return int(value)
        case ast.Constant(value=float(real)) if real.is_integer():
            return int(real)
        case ast.BinOp(left=left, op=op, right=right):
            one, two = _integer(left), _integer(right)
            if one is None or two is None or abs(one) > 10**7 or abs(two) > 10**7:
                return None
            if isinstance(op, ast.Mult):
                return one * two
            if isinstance(op, ast.Add):
                return one + two
            if isinstance(op, ast.Pow) and 0 <= two <= 24:
                return int(one**two)
            if isinstance(op, ast.LShift) and 0 <= two <= 24:
                return one << two
    return None
