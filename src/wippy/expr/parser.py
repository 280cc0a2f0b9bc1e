"""Precedence climbing over the tokens of an expression (spec 04b §11).

Hand-written, against a grammar for `lark`: importing `lark` alone takes 47 ms, and the rules that no grammar states
well (`not in`, `??`, predicates without braces, `.field` for `#.field`) are a line each here.
"""

from __future__ import annotations

from wippy.core.errors import internal
from wippy.expr.functions import FUNCTIONS
from wippy.expr.nodes import (
    Array,
    Binary,
    Call,
    Conditional,
    Constant,
    Environment,
    Let,
    Map,
    Member,
    Method,
    Name,
    Node,
    Pointer,
    Predicate,
    Slice,
    Unary,
)
from wippy.expr.predicates import PREDICATES
from wippy.expr.tokens import Token, failure, tokenize

MOST_NODES = 10_000
DEEPEST = 60

_BINARY = {
    "|": 0,
    "or": 10,
    "||": 10,
    "and": 15,
    "&&": 15,
    **dict.fromkeys(("==", "!=", "<", ">", ">=", "<=", "in", "matches", "contains", "startsWith", "endsWith"), 20),
    "..": 25,
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "^": 100,
    "??": 500,
}
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_NEGATED = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
_SPELLINGS = {"||": "or", "&&": "and", "**": "^", "!": "not"}
_CONSTANTS = {"true": True, "false": False, "nil": None}


def parse(source: str) -> Node:
    """The tree of an expression. Raises Error(Internal) with the position of the mistake."""
    parser = _Parser(source)
    try:
        tree = parser.expression(0)
    except RecursionError:
        raise internal("expression is nested too deeply") from None
    if parser.token.kind != "end":
        raise parser.unexpected()
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.i = 0
        self.nodes = 0
        self.depth = 0
        self.predicates = 0

    # Tokens ----------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.i]

    def is_(self, *values: str) -> bool:
        token = self.tokens[self.i]
        return token.kind in ("operator", "bracket") and token.value in values

    def take(self, value: str) -> bool:
        if self.is_(value):
            self.i += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.take(value):
            raise self.unexpected()

    def name(self) -> str:
        """A member name: words that are operators elsewhere are names here."""
        token = self.token
        if token.kind != "name" and not (token.kind == "operator" and str(token.value).isalpha()):
            raise self.unexpected()
        self.i += 1
        return str(token.value)

    def unexpected(self) -> Exception:
        return failure(self.source, self.token.at, f"unexpected token {self.token.value!r}")

    def count(self) -> int:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise internal(f"expression has too many parts (limit {MOST_NODES})")
        return self.token.at

    # Operators ----------------------------------------

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise failure(self.source, self.token.at, "expression is nested too deeply")
        if least == 0 and self.is_("let"):
            node = self.let()
        else:
            node = self.operators(self.primary(), least)
            if least == 0:
                node = self.conditional(node)
        self.depth -= 1
        return node

    def operators(self, left: Node, least: int) -> Node:
        previous = ""
        while self.token.kind == "operator":
            negated = self.is_("not")
            operator = str(self.tokens[self.i + 1].value if negated else self.token.value)
            precedence = _BINARY.get(operator)
            if negated and operator not in _NEGATED:
                raise self.unexpected()
            if precedence is None or precedence < least:
                break
            at = self.count()
            self.i += 2 if negated else 1
            if operator == "|":
                left = self.pipe(left)
                continue
            if previous == "??" != operator:
                raise failure(self.source, at, f"operator {operator} and ?? cannot be mixed: use parentheses")
            left = self.binary(at, operator, left, precedence)
            if negated:
                left = Unary(at, "not", left)
            previous = operator
        return left

    def binary(self, at: int, operator: str, left: Node, precedence: int) -> Node:
        right = self.expression(precedence if operator in ("**", "^") else precedence + 1)
        return Binary(at, _SPELLINGS.get(operator, operator), left, right)

    def conditional(self, condition: Node) -> Node:
        while self.is_("?"):
            at = self.count()
            self.i += 1
            if self.take(":"):
                condition = Conditional(at, condition, condition, self.expression(0))
                continue
            then = self.expression(0)
            self.expect(":")
            condition = Conditional(at, condition, then, self.expression(0))
        return condition

    def pipe(self, left: Node) -> Node:
        at = self.token.at
        if self.token.kind != "name":
            raise self.unexpected()
        name = self.name()
        self.expect("(")
        return self.postfix(self.call(at, name, [left]))

    def let(self) -> Node:
        at = self.count()
        self.i += 1
        if self.token.kind != "name":
            raise self.unexpected()
        name = self.name()
        self.expect("=")
        value = self.expression(0)
        self.expect(";")
        return Let(at, name, value, self.expression(0))

    # Operands ----------------------------------------

    def primary(self) -> Node:
        at = self.count()
        token = self.token
        if token.kind == "operator" and token.value in _UNARY:
            self.i += 1
            operand = self.expression(_UNARY[token.value])
            return self.postfix(Unary(at, _SPELLINGS.get(token.value, token.value), operand))
        if self.take("("):
            inner = self.expression(0)
            self.expect(")")
            return self.postfix(inner)
        if self.predicates and token.kind == "pointer":
            return self.postfix(self.pointer())
        if self.predicates and self.take("."):
            return self.postfix(Member(at, Pointer(at, ""), Constant(at, self.name()), False))
        return self.secondary()

    def pointer(self) -> Node:
        token = self.token
        self.i += 1
        name = str(token.value)[1:]
        if name not in ("", "index", "acc"):
            raise failure(self.source, token.at, f"unknown pointer #{name}")
        return Pointer(token.at, name)

    def secondary(self) -> Node:
        token = self.token
        if token.kind in ("number", "string"):
            self.i += 1
            constant = Constant(token.at, token.value)
            return self.postfix(constant) if token.kind == "string" else constant
        if token.kind == "name":
            return self.identifier()
        if self.take("["):
            return self.postfix(Array(token.at, self.listed("]")))
        if self.take("{"):
            return self.postfix(Map(token.at, self.pairs()))
        raise self.unexpected()

    def identifier(self) -> Node:
        token = self.token
        self.i += 1
        name = str(token.value)
        if name in _CONSTANTS:
            return Constant(token.at, _CONSTANTS[name])
        if name == "$env":
            return self.postfix(Environment(token.at))
        if self.take("("):
            return self.postfix(self.call(token.at, name, []))
        return self.postfix(Name(token.at, name))

    def postfix(self, node: Node) -> Node:
        while self.is_(".", "?.", "["):
            at = self.count()
            optional = self.is_("?.")
            bracket = self.is_("[")
            self.i += 1
            if bracket or (optional and self.take("[")):
                node = self.index(at, node, optional)
                continue
            name = self.name()
            if self.take("("):
                node = Method(at, node, name, self.listed(")"))
            else:
                node = Member(at, node, Constant(at, name), optional)
        return node

    def index(self, at: int, node: Node, optional: bool) -> Node:
        start = None if self.is_(":") else self.expression(0)
        if start is not None and self.take("]"):
            return Member(at, node, start, optional)
        self.expect(":")
        end = None if self.is_("]") else self.expression(0)
        self.expect("]")
        return Slice(at, node, start, end)

    def listed(self, closing: str) -> list[Node]:
        items: list[Node] = []
        while not self.take(closing):
            items.append(self.expression(0))
            if not self.is_(closing):
                self.expect(",")
        return items

    def pairs(self) -> list[tuple[Node, Node]]:
        pairs: list[tuple[Node, Node]] = []
        while not self.take("}"):
            pairs.append((self.key(), self.expression(0)))
            if not self.is_("}"):
                self.expect(",")
        return pairs

    def key(self) -> Node:
        token = self.token
        key: Node
        if token.kind in ("string", "number"):
            self.i += 1
            key = Constant(token.at, str(token.value))
        elif self.take("("):
            key = self.expression(0)
            self.expect(")")
        else:
            key = Constant(token.at, self.name())
        self.expect(":")
        return key

    # Calls ----------------------------------------

    def call(self, at: int, name: str, arguments: list[Node]) -> Node:
        """The rest of a call, behind its `(`."""
        self.count()
        predicate = PREDICATES.get(name)
        if predicate is None and name not in FUNCTIONS:
            raise failure(self.source, at, f"unknown function {name}")
        while not self.take(")"):
            wants = predicate is not None and len(arguments) == 1
            arguments.append(self.predicate() if wants else self.expression(0))
            if not self.is_(")"):
                self.expect(",")
        least, most = predicate.arity if predicate is not None else FUNCTIONS[name].arity
        if not least <= len(arguments) <= most:
            raise failure(self.source, at, f"wrong number of arguments for {name}: got {len(arguments)}")
        return Call(at, name, arguments)

    def predicate(self) -> Node:
        at, before = self.token.at, self.nodes
        self.predicates += 1
        braces = self.take("{")
        body = self.expression(0)
        if braces:
            self.expect("}")
        self.predicates -= 1
        return Predicate(at, body, self.nodes - before + 1)
