"""A tree back to dialect source that parses to the same tree (positions aside)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ast
from .literals import quote
from .type_printer import TypePrinter

_INDENT = "    "


def print_chunk(chunk: ast.Chunk) -> bytes:
    """Source of the dialect for a whole chunk, in a plain layout: one statement a line, no comments."""
    return "\n".join(Printer().block(chunk.block)).encode("latin-1") + b"\n"


class Printer(TypePrinter):
    """Methods for statements give lines, methods for expressions and types give text."""

    def __init__(self) -> None:
        self.statements: dict[type[ast.Statement], Callable[[Any], list[str]]] = {
            ast.Local: self.local,
            ast.LocalFunction: self.local_function,
            ast.FunctionStatement: self.function_statement,
            ast.Assign: self.assign,
            ast.CallStatement: lambda node: [self.expression(node.call)],
            ast.Do: lambda node: ["do", *self.body(node.body), "end"],
            ast.While: self.while_loop,
            ast.Repeat: self.repeat_loop,
            ast.If: self.if_statement,
            ast.NumericFor: self.numeric_for,
            ast.GenericFor: self.generic_for,
            ast.Return: lambda node: [f"return {self.expressions(node.values)}".rstrip()],
            ast.Break: lambda node: ["break"],
            ast.Goto: lambda node: [f"goto {node.label}"],
            ast.Label: lambda node: [f"::{node.name}::"],
            ast.TypeAlias: self.type_alias,
            ast.Interface: self.interface,
        }
        self.expression_printers: dict[type[ast.Expression], Callable[[Any], str]] = {
            ast.Nil: lambda node: "nil",
            ast.Boolean: lambda node: "true" if node.value else "false",
            ast.Number: lambda node: self.number(node.value),
            ast.String: lambda node: quote(node.value),
            ast.Vararg: lambda node: "...",
            ast.Name: lambda node: node.id,
            ast.Paren: lambda node: f"({self.expression(node.expression)})",
            ast.Member: self.chain,
            ast.Index: self.chain,
            ast.Call: self.chain,
            ast.MethodCall: self.chain,
            ast.Unary: lambda node: f"{node.operator} {self.expression(node.operand)}",
            ast.Binary: self.binary,
            ast.Concat: lambda node: " .. ".join(map(self.expression, node.operands)),
            ast.Cast: self.cast,
            ast.NonNil: lambda node: f"{self.expression(node.expression)}!",
            ast.Function: lambda node: "\n".join(["function" + self.signature(node), *self.tail(node)]),
            ast.Table: self.table,
        }

    # Statements

    def block(self, block: ast.Block) -> list[str]:
        lines: list[str] = []
        for statement in block.statements:
            printed = self.statements[type(statement)](statement)
            if printed[0].startswith("("):
                printed[0] = ";" + printed[0]
            lines += printed
        return lines

    def body(self, block: ast.Block) -> list[str]:
        return [_INDENT + line for line in self.block(block)]

    def typed_name(self, node: ast.TypedName) -> str:
        return node.name if node.type is None else f"{node.name}: {self.type(node.type)}"

    def local(self, node: ast.Local) -> list[str]:
        names = ", ".join(map(self.typed_name, node.names))
        return [f"local {names} = {self.expressions(node.values)}" if node.values else f"local {names}"]

    def local_function(self, node: ast.LocalFunction) -> list[str]:
        return [f"local function {node.name.name}{self.signature(node.function)}", *self.tail(node.function)]

    def function_statement(self, node: ast.FunctionStatement) -> list[str]:
        path = self.expression(node.target)
        if node.is_method:
            path = ":".join(path.rsplit(".", 1))
        return [f"function {path}{self.signature(node.function)}", *self.tail(node.function)]

    def assign(self, node: ast.Assign) -> list[str]:
        return [f"{self.expressions(node.targets)} = {self.expressions(node.values)}"]

    def while_loop(self, node: ast.While) -> list[str]:
        return [f"while {self.expression(node.condition)} do", *self.body(node.body), "end"]

    def repeat_loop(self, node: ast.Repeat) -> list[str]:
        return ["repeat", *self.body(node.body), f"until {self.expression(node.condition)}"]

    def if_statement(self, node: ast.If) -> list[str]:
        lines: list[str] = []
        for arm in node.arms:
            keyword = "elseif" if lines else "if"
            lines += [f"{keyword} {self.expression(arm.condition)} then", *self.body(arm.body)]
        if node.otherwise is not None:
            lines += ["else", *self.body(node.otherwise)]
        return [*lines, "end"]

    def numeric_for(self, node: ast.NumericFor) -> list[str]:
        bounds = [node.start, node.limit] if node.step is None else [node.start, node.limit, node.step]
        return [f"for {node.variable.name} = {self.expressions(bounds)} do", *self.body(node.body), "end"]

    def generic_for(self, node: ast.GenericFor) -> list[str]:
        names = ", ".join(name.name for name in node.names)
        return [f"for {names} in {self.expressions(node.values)} do", *self.body(node.body), "end"]

    def type_alias(self, node: ast.TypeAlias) -> list[str]:
        return [f"type {node.name}{self.type_parameters(node.type_parameters)} = {self.type(node.type)}"]

    def interface(self, node: ast.Interface) -> list[str]:
        parents = f": {', '.join(node.parents)}" if node.parents else ""
        return [f"interface {node.name}{parents}", *map(self.interface_method, node.methods), "end"]

    def interface_method(self, node: ast.InterfaceMethod) -> str:
        parameters = ", ".join(map(self.typed_name, node.parameters))
        return f"{_INDENT}function {node.name}({parameters}){self.annotated_returns(node.returns)}"

    # Expressions

    def expression(self, node: ast.Expression) -> str:
        return self.expression_printers[type(node)](node)

    def chain(self, node: ast.Expression) -> str:
        """A chain of suffixes, from the last to the name or parentheses it begins with."""
        suffixes: list[str] = []
        while True:
            if isinstance(node, ast.Member):
                suffixes.append(f".{node.name}")
                node = node.object
            elif isinstance(node, ast.Index):
                suffixes.append(f"[{self.expression(node.key)}]")
                node = node.object
            elif isinstance(node, ast.Call):
                suffixes.append(f"({self.expressions(node.arguments)})")
                node = node.function
            elif isinstance(node, ast.MethodCall):
                suffixes.append(f":{node.method}({self.expressions(node.arguments)})")
                node = node.object
            else:
                suffixes.append(self.expression(node))
                return "".join(reversed(suffixes))

    def binary(self, node: ast.Binary) -> str:
        rights: list[str] = []
        left: ast.Expression = node
        while isinstance(left, ast.Binary):
            rights.append(f" {left.operator} {self.expression(left.right)}")
            left = left.left
        return self.expression(left) + "".join(reversed(rights))

    def cast(self, node: ast.Cast) -> str:
        """A type that ends in a word is parenthesised: after it `<` would begin type arguments, `::` a label."""
        target = self.type(node.type)
        if target[-1].isalnum() or target[-1] == "_":
            target = f"({target})"
        return f"{self.expression(node.expression)} {node.style} {target}"

    def table(self, node: ast.Table) -> str:
        return "{" + ", ".join(map(self.field, node.fields)) + "}"

    def field(self, node: ast.Field) -> str:
        value = self.expression(node.value)
        if isinstance(node, ast.NamedField):
            return f"{node.name} = {value}"
        if isinstance(node, ast.KeyedField):
            return f"[{self.expression(node.key)}] = {value}"
        return value

    def signature(self, node: ast.Function) -> str:
        parameters = [*node.parameters, node.vararg] if node.vararg is not None else node.parameters
        names = ", ".join(map(self.typed_name, parameters))
        return f"{self.type_parameters(node.type_parameters)}({names}){self.annotated_returns(node.returns)}"

    def tail(self, node: ast.Function) -> list[str]:
        return [*self.body(node.body), "end"]
