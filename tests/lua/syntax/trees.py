"""Comparing trees without regard to positions."""

from __future__ import annotations

from wippy.lua.syntax import ast

_POSITIONS = {"line", "column", "first", "last", "open", "at", "tokens", "deep"}


def difference(left: object, right: object) -> str | None:
    """Where two trees differ, None if they do not. Follows chains of any length without recursion."""
    pending: list[tuple[object, object, str]] = [(left, right, "")]
    while pending:
        one, other, path = pending.pop()
        if type(one) is not type(other):
            return f"{path}: {type(one).__name__} / {type(other).__name__}"
        if isinstance(one, ast.Node):
            fields = [field for field in one.__struct_fields__ if field not in _POSITIONS]
            pending += [(getattr(one, field), getattr(other, field), f"{path}.{field}") for field in fields]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return f"{path}: {len(one)} / {len(other)} items"
            pending += [(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True))]
        elif one != other:
            return f"{path}: {one!r} / {other!r}"
    return None
