"""The types a chunk declares (spec 02 §5.1)."""

from __future__ import annotations

from collections.abc import Iterator

from . import ast


def type_declarations(chunk: ast.Chunk) -> dict[str, ast.Statement]:
    """Every `type` and `interface` of a chunk by name; of two declarations of one name the last counts."""
    return {s.name: s for s in statements(chunk.block) if isinstance(s, ast.TypeAlias | ast.Interface)}


def statements(block: ast.Block) -> Iterator[ast.Statement]:
    """All statements below a block except those inside functions."""
    waiting = [block]
    while waiting:
        for statement in waiting.pop().statements:
            yield statement
            nested = (getattr(statement, "body", None), getattr(statement, "otherwise", None))
            waiting += [block for block in nested if isinstance(block, ast.Block)]
            if isinstance(statement, ast.If):
                waiting += [arm.body for arm in statement.arms]
