"""Operators whose dialect meaning differs from Lua 5.5's (spec 02 §13; docs/decisions/006-numbers.md).

* `..` prints a float with an integral value without ".0". An operand that may be such a float goes through a
  function (40 ns); operands that cannot be are left alone: texts, integers, variables that only ever hold them.
* `//` gives integers, `%` by zero gives NaN, bit operators truncate floats and shift arithmetically: functions,
  unless a literal operand shows that Lua does the same. The call stands in parentheses: a tail call loses the line.
"""

from __future__ import annotations

from . import ast
from .expression_emitter import OPERATORS, PREFIX, ExpressionEmitter, concat_groups
from .scopes import Variable

JOIN = f"{PREFIX}j"
"""Function: the operand of `..` as the dialect prints it."""

_FUNCTIONS = {"//": "div", "%": "mod", "&": "band", "|": "bor", "~": "bxor", "<<": "shl", ">>": "shr"}
_TEXT_METHODS = frozenset(["sub", "upper", "lower", "rep", "format", "reverse", "gsub"])
_TEXT_FUNCTIONS = {"string": _TEXT_METHODS | {"char"}, "table": frozenset(["concat"]), "os": frozenset(["date"])}
_BOOLEAN = frozenset(["==", "~=", "<", "<=", ">", ">="])


class ArithmeticEmitter(ExpressionEmitter):
    def __init__(self, chunk: ast.Chunk, source: bytes) -> None:
        super().__init__(chunk, source)
        self.trusted: list[Variable] = []
        self.emitters[ast.Unary] = self.emit_unary_operator

    def emit_binary(self, node: ast.Binary) -> ast.Expression:
        function = _FUNCTIONS.get(node.operator)
        if function is None or self.same_in_lua(node):
            return super().emit_binary(node)
        self.scopes.function.busy = True
        edits = self.edits
        edits.before(node.first, f"({OPERATORS}.{function}(")
        edits.replace(node.at, ",")
        self.visit(node.right)
        edits.after(node.last, "))")
        return node.left

    def same_in_lua(self, node: ast.Binary) -> bool:
        """`x % 10`, with a literal that is not zero."""
        right = node.right
        return node.operator == "%" and isinstance(right, ast.Number) and right.value != 0

    def emit_unary_operator(self, node: ast.Unary) -> ast.Expression | None:
        if node.operator != "~":
            return self.emit_unary(node)
        self.scopes.function.busy = True
        self.edits.replace(node.first, f"({OPERATORS}.bnot(")
        self.visit(node.operand)
        self.edits.after(node.last, "))")
        return None

    def emit_concat(self, node: ast.Concat) -> None:
        """A long chain becomes groups of groups: Lua's parser and registers bound the length of one."""
        self.scopes.function.busy = True
        operands = node.operands
        for start, end in concat_groups(len(operands)):
            self.edits.before(operands[start].first, "(")
            self.edits.after(operands[end].last, ")")
        for operand in operands:
            self.emit_joined(operand)

    def emit_joined(self, operand: ast.Expression) -> None:
        """An operand of `..`."""
        if isinstance(operand, ast.Number):
            self.edits.replace(operand.first, plain_number(operand, self.edits.texts[operand.first]))
        elif self.prints_plainly(operand):
            if isinstance(operand, ast.Name):
                self.trust(self.scopes.visible[operand.id], operand)
            self.visit(operand)
        else:
            self.edits.before(operand.first, f"{JOIN}(")
            self.visit(operand)
            self.edits.after(operand.last, ")")

    # What cannot be a float

    def prints_plainly(self, node: ast.Expression) -> bool:
        """Whether `..` of Lua prints every value of this expression as the dialect does."""
        while isinstance(node, ast.Paren | ast.Cast | ast.NonNil):
            node = node.expression
        if isinstance(node, ast.Name):
            variable = self.scopes.visible.get(node.id)
            return variable is not None and variable.plain and not variable.unplain
        if isinstance(node, ast.Number):
            return isinstance(node.value, int)
        if isinstance(node, ast.Binary):
            logical = node.operator in ("and", "or")
            return logical and self.prints_plainly(node.left) and self.prints_plainly(node.right)
        if isinstance(node, ast.Call):
            return self.calls_text_function(node.function)
        if isinstance(node, ast.MethodCall):
            return node.method in _TEXT_METHODS
        return isinstance(node, ast.String | ast.Concat | ast.Nil | ast.Boolean) or is_length(node)

    def calls_text_function(self, function: ast.Expression) -> bool:
        """`tostring(...)`, `string.format(...)` and the like, by their global names."""
        visible = self.scopes.visible
        if isinstance(function, ast.Name):
            return function.id == "tostring" and "tostring" not in visible
        if isinstance(function, ast.Member) and isinstance(function.object, ast.Name):
            library = function.object.id
            return function.name in _TEXT_FUNCTIONS.get(library, ()) and library not in visible
        return False

    def trust(self, variable: Variable, operand: ast.Name) -> None:
        """Remember an operand that relies on its variable holding no float: an assignment to come may change that."""
        if not variable.joined:
            self.trusted.append(variable)
        variable.joined.append(operand)

    def note_values(self, variables: list[Variable], values: list[ast.Expression]) -> None:
        """New locals and their initial values."""
        for at, variable in enumerate(variables):
            variable.plain = at < len(values) and self.prints_plainly(values[at])
            if at == len(values) - 1 and len(variables) > len(values) and not isinstance(values[at], ast.String):
                variable.plain = False

    def note_assignment(self, node: ast.Assign) -> None:
        """What is assigned to locals that were trusted."""
        paired = len(node.targets) == len(node.values)
        for at, target in enumerate(node.targets):
            if isinstance(target, ast.Name):
                variable = self.scopes.visible.get(target.id)
                if variable is not None and not (paired and self.prints_plainly(node.values[at])):
                    variable.unplain = True

    def finish_trusted(self) -> None:
        """Wrap the operands whose variable turned out to be assigned something else."""
        for variable in self.trusted:
            if variable.unplain:
                for operand in variable.joined:
                    self.edits.replace(operand.first, f"{JOIN}({self.edits.texts[operand.first]})")


def is_length(node: ast.Expression) -> bool:
    return isinstance(node, ast.Unary) and node.operator in ("#", "not")


def plain_number(node: ast.Number, text: str) -> str:
    """A number literal as an operand of `..`, where `3.0` prints as 3."""
    value = node.value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return text


def is_plain_counter(node: ast.NumericFor) -> bool:
    """Whether the loop variable is always an integer."""
    parts = [node.start] if node.step is None else [node.start, node.step]
    return all(isinstance(unsigned(part), int) for part in parts)


def unsigned(node: ast.Expression) -> int | float | None:
    while isinstance(node, ast.Unary) and node.operator == "-":
        node = node.operand
    return node.value if isinstance(node, ast.Number) else None
