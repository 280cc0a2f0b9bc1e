"""The types a chunk declares (spec 02 §5.1)."""

from __future__ import annotations

from . import ast


def type_declarations(chunk: ast.Chunk) -> dict[str, ast.Statement]:
    """Every `type` and `interface` of a chunk by name; of two declarations of one name the last counts."""
    return {declared.name: declared for declared in chunk.types}
