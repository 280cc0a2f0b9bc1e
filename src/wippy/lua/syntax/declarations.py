"""The types a chunk declares (spec 02 §5.1)."""

from __future__ import annotations

from . import ast

PRIMITIVES = frozenset(["nil", "boolean", "number", "integer", "string", "any", "unknown", "never"])
"""Names of types that are always there."""


def type_declarations(chunk: ast.Chunk) -> dict[str, ast.Statement]:
    """Every `type` and `interface` of a chunk by name; of two declarations of one name the last counts."""
    return {declared.name: declared for declared in chunk.types}
