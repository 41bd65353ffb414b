"""The integers in the source of a layer: what it does may change where a size or channel count meets one."""

from __future__ import annotations

import ast

TABLE = 9  # integers in one literal, from which on it is a table: of slots, of axes


def integers_of(source: str) -> list[int]:
    """The integers from 2 on that a module mentions, powers and products of literals worked out.

    Those of a table are left out, unless they are elsewhere, too.

    >>> integers_of("if n > 5 and b * n < 10**6: y = y + 1")
    [5, 6, 10, 1000000]
    >>> integers_of("SLOTS = ((6, 8, 0, 1, 2), (5, 7, 11, 9, 3)); few = (4, 7)")
    [4, 7]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found: set[int] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        value = _integer(node)
        if value is not None and 2 <= value <= 10**7:
            found.add(value)
        if _entries(node) < TABLE:
            nodes.extend(ast.iter_child_nodes(node))
    return sorted(found)


def _entries(node: ast.AST) -> float:
    """How many integers a literal of nothing but integers holds; for another node, less than any."""
    match node:
        case ast.Constant(value=int()):
            return 1
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return sum(_entries(part) for part in parts)
    return float("-inf")


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
