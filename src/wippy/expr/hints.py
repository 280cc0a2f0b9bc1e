"""What an example environment tells about an expression before it runs: unknown names, operands that cannot fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wippy.expr.nodes import (
    Array,
    Binary,
    Call,
    Conditional,
    Constant,
    Let,
    Map,
    Member,
    Method,
    Name,
    Node,
    Predicate,
    Slice,
    Unary,
)
from wippy.expr.tokens import failure
from wippy.expr.values import type_name

_NUMERIC = frozenset({"int", "float"})
_ARITHMETIC = frozenset({"-", "*", "/", "^"})
_LOGICAL = frozenset({"and", "or"})
_RESULTS = {"len": "int", "int": "int", "float": "float", "string": "string", "upper": "string", "lower": "string"}
_BOOLEAN = frozenset(
    {"==", "!=", "in", "matches", "contains", "startsWith", "endsWith", "<", ">", "<=", ">=", "and", "or"}
)


def check(source: str, tree: Node, hint: Mapping[str, Any]) -> None:
    """Raises Error(Internal) for a name that `hint` does not have, and for operands that do not go together."""
    _Checker(source, {name: type_name(value) for name, value in hint.items()}).type(tree)


class _Checker:
    def __init__(self, source: str, names: dict[str, str]) -> None:
        self.source = source
        self.names = names

    def type(self, node: Node) -> str:
        """The type of a node, "any" when it is not known."""
        if isinstance(node, Constant):
            return type_name(node.value)
        if isinstance(node, Name):
            if node.name not in self.names:
                raise failure(self.source, node.at, f"unknown name {node.name}")
            return self.names[node.name]
        if isinstance(node, Let):
            return _Checker(self.source, {**self.names, node.name: self.type(node.value)}).type(node.body)
        if isinstance(node, Binary):
            return self.binary(node)
        kinds = [self.type(child) for child in _children(node)]
        if isinstance(node, Conditional):
            return kinds[1] if kinds[1] == kinds[2] else "any"
        if isinstance(node, Unary):
            return "bool" if node.operator == "not" else kinds[0]
        return _RESULTS.get(node.name, "any") if isinstance(node, Call) else "any"

    def binary(self, node: Binary) -> str:
        chain = [node]
        while isinstance(chain[-1].left, Binary):
            chain.append(chain[-1].left)
        left = self.type(chain[-1].left)
        for step in reversed(chain):
            left = self.step(step, left, self.type(step.right))
        return left

    def step(self, node: Binary, left: str, right: str) -> str:
        operator = node.operator
        known = left != "any" and right != "any"
        if known and not _fits(operator, left, right):
            raise failure(self.source, node.at, f"invalid operation: {operator} (mismatched types {left} and {right})")
        if operator in _BOOLEAN:
            return "bool"
        if operator in ("/", "^"):
            return "float"
        if known and operator in ("+", "-", "*", "%"):
            return left if left == right else "float" if {left, right} <= _NUMERIC else "any"
        return "any"


def _fits(operator: str, left: str, right: str) -> bool:
    pair = {left, right}
    if pair & {"time", "duration"}:
        return True
    if operator == "+":
        return pair <= _NUMERIC or pair == {"string"}
    if operator in _ARITHMETIC:
        return pair <= _NUMERIC
    if operator == "%":
        return pair == {"int"}
    if operator in _LOGICAL:
        return pair == {"bool"}
    if operator in ("<", ">", "<=", ">="):
        return pair <= _NUMERIC or pair == {"string"}
    return True


def _children(node: Node) -> list[Node]:
    if isinstance(node, Unary):
        return [node.operand]
    if isinstance(node, Conditional):
        return [node.condition, node.then, node.otherwise]
    if isinstance(node, Member):
        return [node.object, node.key]
    if isinstance(node, Slice):
        return [part for part in (node.object, node.start, node.end) if part is not None]
    if isinstance(node, Array):
        return node.items
    if isinstance(node, Map):
        return [part for pair in node.pairs for part in pair]
    if isinstance(node, Method):
        return [node.object, *node.arguments]
    if isinstance(node, Predicate):
        return [node.body]
    return node.arguments if isinstance(node, Call) else []
