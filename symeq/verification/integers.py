"""The integers in the source of a layer: what it does may change where a size or channel count meets one."""

from __future__ import annotations

import ast


def integers_of(source: str, slots: bool = True) -> list[int]:
    """The integers from 2 on that a module mentions, powers and products of literals worked out.

    Last come those that are only in a table of slots, one with each of 0 to m - 1 once; without ``slots``
    m alone stands for them.

    >>> integers_of("if n > 5 and b * n < 10**6: y = y + 1")
    [5, 6, 10, 1000000]
    >>> integers_of("SLOTS = (2, 4, 0, 1, 3); small = (4, 7)")
    [4, 5, 7, 2, 3]
    >>> integers_of("SLOTS = (2, 4, 0, 1, 3); small = (4, 7)", slots=False)
    [4, 5, 7]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found: set[int] = set()
    tables: set[int] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        value = _integer(node)
        if value is not None:
            found.add(value)
        length = _slots(node)
        if length:
            found.add(length)
            tables.update(range(length))
        else:
            nodes.extend(ast.iter_child_nodes(node))
    groups = (found, tables - found if slots else ())
    return [value for group in groups for value in sorted(group) if 2 <= value <= 10**7]


def _slots(node: ast.AST) -> int:
    """How many integers a tuple holds that is 0, 1, 2, ... in some order; 0 for any other node."""
    if isinstance(node, ast.Tuple):
        entries = [part.value for part in node.elts if isinstance(part, ast.Constant)]
        if len(entries) == len(node.elts) and set(entries) == set(range(len(entries))):
            return len(entries)
    return 0


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
