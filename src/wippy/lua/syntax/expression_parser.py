"""Expressions: precedence climbing over the binary operators, loops over suffix chains (spec 02 §3)."""

from __future__ import annotations

from . import ast
from .tokens import FIELD_NAMES, NAME, NUMBER, STRING
from .type_parser import TypeParser

_UNARY = frozenset(["not", "#", "-", "~"])
_UNARY_POWER = 12
_CONCAT_POWER = 9

POWERS: dict[str, tuple[int, int]] = {
    "or": (1, 1),
    "and": (2, 2),
    "<": (3, 3), ">": (3, 3), "<=": (3, 3), ">=": (3, 3), "~=": (3, 3), "==": (3, 3),
    "|": (4, 4),
    "~": (5, 5),
    "&": (6, 6),
    "<<": (7, 7), ">>": (7, 7),
    "..": (_CONCAT_POWER, _CONCAT_POWER),
    "+": (10, 10), "-": (10, 10),
    "*": (11, 11), "/": (11, 11), "//": (11, 11), "%": (11, 11),
    "^": (14, 13),
}  # fmt: skip
"""Binding power of each binary operator to its left and to its right; unary operators bind with 12."""

CONCAT_GROUP = 12
"""Operands of `..` emitted in one group: each costs Lua's parser a level."""
_CONCAT_STEPS = frozenset([CONCAT_GROUP**2, CONCAT_GROUP**3, CONCAT_GROUP**4, CONCAT_GROUP**5])

_SUFFIXES = frozenset([".", "[", ":", "(", "{", STRING])
_POSTFIXES = frozenset(["::", "as", "!"])


class ExpressionParser(TypeParser):
    """Parses expressions; function bodies are left to the subclass."""

    def expression(self, limit: int = 0) -> ast.Expression:
        """An expression whose operators all bind more tightly than `limit`."""
        self.depth += 1
        if self.depth > self.ceiling:
            self.pass_ceiling()
        kinds = self.kinds
        first = self.i
        kind = kinds[first]
        left: ast.Expression
        if kind in _UNARY:
            self.i = first + 1
            operand = self.expression(_UNARY_POWER)
            left = ast.Unary(self.lines[first], self.columns[first], first, self.i - 1, kind, operand)
        else:
            left = self.operand()
        while (powers := POWERS.get(kinds[self.i])) is not None and powers[0] > limit:
            at = self.i
            operator = kinds[at]
            if operator == "..":
                left = self.concat(left, first)
                continue
            self.i = at + 1
            right = self.expression(powers[1])
            left = ast.Binary(self.lines[first], self.columns[first], first, self.i - 1, operator, left, right, at)
        self.depth -= 1
        return left

    def concat(self, left: ast.Expression, first: int) -> ast.Expression:
        """The rest of a chain of `..`. Its operands count as nested, as they will be when emitted in groups."""
        kinds = self.kinds
        depth = self.depth
        operands = [left]
        while kinds[self.i] == "..":
            count = len(operands)
            if count < 2 * CONCAT_GROUP:
                self.depth += 1
            elif count in _CONCAT_STEPS:
                self.depth += CONCAT_GROUP
            self.i += 1
            operands.append(self.expression(_CONCAT_POWER))
        self.depth = depth
        return ast.Concat(self.lines[first], self.columns[first], first, self.i - 1, operands)

    def expression_list(self) -> list[ast.Expression]:
        values = [self.expression()]
        while self.kinds[self.i] == ",":
            self.i += 1
            values.append(self.expression())
        return values

    def operand(self) -> ast.Expression:
        """`simple { postop }`"""
        first = self.i
        kind = self.kinds[first]
        line, column = self.lines[first], self.columns[first]
        node: ast.Expression
        if kind == NAME or kind == "(":
            node = self.suffixed()
        elif kind == STRING:
            self.i = first + 1
            value = self.tokens.literals[first]
            assert isinstance(value, bytes)
            node = ast.String(line, column, first, first, value)
        elif kind == NUMBER:
            self.i = first + 1
            number = self.tokens.literals[first]
            assert isinstance(number, int | float)
            node = ast.Number(line, column, first, first, number)
        elif kind == "{":
            node = self.table()
        elif kind == "function":
            self.i = first + 1
            node = self.function_body(first)
        elif kind == "nil":
            self.i = first + 1
            node = ast.Nil(line, column, first, first)
        elif kind == "true" or kind == "false":
            self.i = first + 1
            node = ast.Boolean(line, column, first, first, kind == "true")
        elif kind == "...":
            self.i = first + 1
            node = ast.Vararg(line, column, first, first)
        else:
            raise self.expected("an expression")
        if self.kinds[self.i] in _POSTFIXES:
            return self.postfixed(node)
        return node

    def postfixed(self, node: ast.Expression) -> ast.Expression:
        """Casts and `!` after an operand; each counts as a level."""
        depth = self.depth
        while (kind := self.kinds[self.i]) in _POSTFIXES:
            self.depth += 1
            if self.depth > self.ceiling:
                self.pass_ceiling()
            self.i += 1
            if kind == "!":
                node = ast.NonNil(node.line, node.column, node.first, self.i - 1, node)
            else:
                target = self.type()
                node = ast.Cast(
                    node.line, node.column, node.first, self.i - 1, node, target, "as" if kind == "as" else "::"
                )
        self.depth = depth
        return node

    def suffixed(self) -> ast.Expression:
        """`prefix`: a name or parenthesised expression with its chain of fields, indexes and calls."""
        kinds, texts = self.kinds, self.texts
        first = self.i
        line, column = self.lines[first], self.columns[first]
        node: ast.Expression
        if kinds[first] == NAME:
            self.i = first + 1
            node = ast.Name(line, column, first, first, texts[first])
        else:
            node = self.parenthesised()
        while (kind := kinds[self.i]) in _SUFFIXES:
            at = self.i
            if kind == ".":
                self.i = at + 1
                if kinds[self.i] not in FIELD_NAMES:
                    raise self.expected("a field name")
                node = ast.Member(line, column, first, self.i, node, texts[self.i])
                self.i += 1
            elif kind == "[":
                self.i = at + 1
                key = self.expression()
                self.expect_closing("]", at)
                node = ast.Index(line, column, first, self.i - 1, node, key)
            elif kind == ":":
                self.i = at + 1
                if kinds[self.i] not in FIELD_NAMES:
                    raise self.expected("a method name")
                method = texts[self.i]
                self.i += 1
                arguments = self.arguments()
                node = ast.MethodCall(line, column, first, self.i - 1, node, method, arguments)
            else:
                arguments = self.arguments()
                node = ast.Call(line, column, first, self.i - 1, node, arguments)
        return node

    def parenthesised(self) -> ast.Expression:
        first = self.i
        self.i = first + 1
        inner = self.expression()
        self.expect_closing(")", first)
        return ast.Paren(self.lines[first], self.columns[first], first, self.i - 1, inner)

    def arguments(self) -> list[ast.Expression]:
        first = self.i
        kind = self.kinds[first]
        if kind == "(":
            self.i = first + 1
            if self.kinds[self.i] == ")":
                self.i += 1
                return []
            values = self.expression_list()
            self.expect_closing(")", first)
            return values
        if kind == STRING:
            self.i = first + 1
            value = self.tokens.literals[first]
            assert isinstance(value, bytes)
            return [ast.String(self.lines[first], self.columns[first], first, first, value)]
        if kind == "{":
            return [self.table()]
        raise self.expected("arguments")

    def table(self) -> ast.Table:
        kinds = self.kinds
        first = self.i
        self.i = first + 1
        fields = []
        while kinds[self.i] != "}":
            fields.append(self.field())
            if kinds[self.i] not in (",", ";"):
                break
            self.i += 1
        self.expect_closing("}", first)
        return ast.Table(self.lines[first], self.columns[first], first, self.i - 1, fields)

    def field(self) -> ast.Field:
        first = self.i
        kind = self.kinds[first]
        line, column = self.lines[first], self.columns[first]
        if kind in FIELD_NAMES and self.kinds[first + 1] == "=":
            self.i = first + 2
            value = self.expression()
            return ast.NamedField(line, column, first, self.i - 1, value, self.texts[first])
        if kind == "[":
            self.i = first + 1
            key = self.expression()
            self.expect_closing("]", first)
            self.expect("=")
            value = self.expression()
            return ast.KeyedField(line, column, first, self.i - 1, value, key)
        value = self.expression()
        return ast.Field(line, column, first, self.i - 1, value)

    def function_body(self, first: int) -> ast.Function:
        """`fbody`, after the `function` keyword (token `first`) and the name."""
        type_parameters = self.type_parameters()
        opening = self.expect("(")
        parameters: list[ast.TypedName] = []
        vararg: ast.TypedName | None = None
        while self.kinds[self.i] != ")":
            if self.kinds[self.i] == "...":
                vararg = self.vararg_parameter()
                break
            parameters.append(self.typed_name())
            if self.kinds[self.i] != ",":
                break
            self.i += 1
            if self.kinds[self.i] == ")":
                raise self.expected("a name")
        self.expect_closing(")", opening)
        returns = None
        if self.kinds[self.i] == ":":
            self.i += 1
            returns = self.return_types(several=True)
        body = self.block()
        self.expect_closing("end", first)
        return ast.Function(
            self.lines[first], self.columns[first], first, self.i - 1,
            opening, type_parameters, parameters, vararg, returns, body,
        )  # fmt: skip

    def vararg_parameter(self) -> ast.TypedName:
        first = self.i
        self.i += 1
        kind = self.optional_annotation()
        return ast.TypedName(self.lines[first], self.columns[first], first, self.i - 1, "...", kind)

    def typed_name(self) -> ast.TypedName:
        first = self.i
        name = self.expect_name()
        kind = self.optional_annotation() if self.kinds[self.i] == ":" else None
        return ast.TypedName(self.lines[first], self.columns[first], first, self.i - 1, name, kind)
