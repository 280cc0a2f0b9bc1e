"""Types of the tree back to dialect source; also how an anonymous type shows itself (spec 02 §5.3)."""

from __future__ import annotations

from collections.abc import Iterable

from . import ast
from .literals import quote

_LOOSE = (ast.UnionType, ast.IntersectionType, ast.ConditionalType, ast.FunctionType, ast.Asserts)
_MIN_INT = -(1 << 63)


class TypePrinter:
    """Prints types; the expressions inside them are left to the subclass."""

    def expression(self, node: ast.Expression) -> str:
        raise NotImplementedError

    def expressions(self, nodes: Iterable[ast.Expression]) -> str:
        return ", ".join(map(self.expression, nodes))

    def types(self, nodes: Iterable[ast.Type]) -> str:
        return ", ".join(map(self.type, nodes))

    def number(self, value: int | float) -> str:
        """A literal for a number; only hexadecimal ones denote negative integers."""
        if isinstance(value, int):
            return str(value) if value >= 0 else f"0x{value & (1 << 64) - 1:x}"
        return "1e999" if value == float("inf") else repr(value)

    def type(self, node: ast.Type) -> str:
        if isinstance(node, ast.NamedType):
            return f"{node.name}<{self.types(node.arguments)}>" if node.arguments else node.name
        if isinstance(node, ast.QualifiedType):
            return f"{node.module}.{node.name}"
        if isinstance(node, ast.LiteralType):
            return self.literal(node)
        if isinstance(node, ast.ArrayType | ast.MapType | ast.RecordType | ast.InterfaceType):
            return self.braces(node)
        if isinstance(node, ast.FunctionType):
            return f"({self.parameters(node)}) -> {self.returns(node.returns)}"
        if isinstance(node, ast.OptionalType):
            return f"{self.tight(node.type)}?"
        if isinstance(node, ast.AnnotatedType):
            return " ".join([self.tight(node.type), *map(self.validator, node.validators)])
        if isinstance(node, ast.UnionType):
            return " | ".join(map(self.tight, node.members))
        if isinstance(node, ast.IntersectionType):
            return " & ".join(map(self.tight, node.members))
        return self.operator(node)

    def operator(self, node: ast.Type) -> str:
        """The types that are written with a word or that take others apart."""
        if isinstance(node, ast.TypeOf):
            return f"typeof({self.expression(node.expression)})"
        if isinstance(node, ast.KeyOf):
            return f"keyof({self.type(node.type)})"
        if isinstance(node, ast.Asserts):
            return f"asserts {node.name}" if node.type is None else f"asserts {node.name} is {self.type(node.type)}"
        if isinstance(node, ast.IndexedType):
            return f"{self.primary(node.base)}[{self.type(node.index)}]"
        assert isinstance(node, ast.ConditionalType)
        return (
            f"{self.tight(node.subject)} extends {self.primary(node.bound)}"
            f" ? {self.type(node.consequent)} : {self.type(node.alternative)}"
        )

    def tight(self, node: ast.Type) -> str:
        """A type as an operand, in parentheses if it would otherwise reach too far."""
        return f"({self.type(node)})" if isinstance(node, _LOOSE) else self.type(node)

    def primary(self, node: ast.Type) -> str:
        """A type before a suffix."""
        if isinstance(node, ast.OptionalType | ast.AnnotatedType):
            return f"({self.type(node)})"
        return self.tight(node)

    def literal(self, node: ast.LiteralType) -> str:
        value = node.value
        if value is None:
            return "nil"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, bytes):
            return quote(value)
        return f"-{self.number(-value)}" if value < 0 and value != _MIN_INT else self.number(value)

    def braces(self, node: ast.ArrayType | ast.MapType | ast.RecordType | ast.InterfaceType) -> str:
        if isinstance(node, ast.InterfaceType):
            return f"interface {{{', '.join(map(self.record_field, node.fields))}}}"
        if isinstance(node, ast.ArrayType):
            inner = self.type(node.element)
        elif isinstance(node, ast.MapType):
            inner = f"[{self.type(node.key)}]: {self.type(node.value)}"
        else:
            inner = ", ".join(map(self.record_field, node.fields))
        return f"readonly {{{inner}}}" if node.readonly else f"{{{inner}}}"

    def record_field(self, node: ast.RecordField) -> str:
        return f"{node.name}{'?:' if node.optional else ':'} {self.type(node.type)}"

    def parameters(self, node: ast.FunctionType) -> str:
        printed = [
            self.type(parameter.type) if parameter.name is None else f"{parameter.name}: {self.type(parameter.type)}"
            for parameter in node.parameters
        ]
        if node.vararg is not None:
            printed.append(f"...{self.type(node.vararg)}")
        return ", ".join(printed)

    def returns(self, types: list[ast.Type]) -> str:
        return self.type(types[0]) if len(types) == 1 else f"({self.types(types)})"

    def annotated_returns(self, types: list[ast.Type] | None) -> str:
        return "" if types is None else f": {self.returns(types)}"

    def validator(self, node: ast.Validator) -> str:
        return f"@{node.name}({self.expressions(node.arguments)})" if node.arguments else f"@{node.name}"

    def type_parameters(self, parameters: list[ast.TypeParameter]) -> str:
        if not parameters:
            return ""
        printed = [
            parameter.name if parameter.constraint is None else f"{parameter.name}: {self.type(parameter.constraint)}"
            for parameter in parameters
        ]
        return f"<{', '.join(printed)}>"
