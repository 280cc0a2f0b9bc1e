"""How definitions, members and shapes are shown to people: signatures and what is written about them."""

from __future__ import annotations

from collections.abc import Iterator

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.document import Definition, Document
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.shapes import (
    FunctionShape,
    HandleShape,
    HostFunctionShape,
    InterfaceShape,
    Member,
    ModuleShape,
    PlainShape,
    Shape,
    TableShape,
    TypedShape,
    TypeShape,
)
from wippy.lua.modules.declare import Function
from wippy.lua.modules.reference import notes
from wippy.lua.syntax import ast
from wippy.lua.syntax.printer import Printer

LONGEST = 400
"""Characters of a printed type; longer ones are cut."""


def printed(text: str) -> str:
    """What the printer gives, as text; its strings are bytes."""
    shown = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def type_text(node: ast.Type) -> str:
    return printed(Printer().type(node))


def signature(name: str, function: ast.Function, separator: str = "") -> str:
    """`name(a: string): boolean`"""
    return f"{separator}{name}{printed(Printer().signature(function))}"


def host_signature(shape: HostFunctionShape) -> str:
    prefix = ":" if shape.is_method else shape.module.prefix
    return f"{prefix}{shape.function.signature.text}"


def host_text(function: Function) -> str:
    """The documentation of a host function in markdown."""
    return "\n\n".join([" ".join(function.summary.split()), *(f"*{note}*" for note in notes(function))]).strip()


def shape_text(shape: Shape | None) -> str:
    """A shape as a type; empty when nothing is known."""
    if isinstance(shape, PlainShape):
        return shape.name
    if isinstance(shape, HandleShape):
        return shape.handle.name
    if isinstance(shape, ModuleShape):
        return f"module {shape.module.name}"
    if isinstance(shape, TypedShape):
        return type_text(shape.type)
    if isinstance(shape, InterfaceShape):
        return shape.interface.name
    if isinstance(shape, TypeShape):
        return "type"
    if isinstance(shape, TableShape):
        names = list(shape.members)
        return "{" + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") + "}" if names else "table"
    if isinstance(shape, FunctionShape):
        return signature("function", shape.function)
    return host_signature(shape) if shape is not None else ""


def definition_text(inference: Inference, document: Document, definition: Definition) -> str:
    """A definition as one line of code."""
    name = definition.name
    if definition.declared is not None:
        return printed("\n".join(_declaration(definition.declared)))
    if definition.function is not None:
        return f"{_introduced(definition)}{signature(name, definition.function)}"
    known = type_text(definition.annotation) if definition.annotation is not None else None
    if known is None:
        shape = inference.defined(document, definition)
        if isinstance(shape, FunctionShape | HostFunctionShape):
            return shape_text(shape) if isinstance(shape, HostFunctionShape) else signature(name, shape.function)
        known = shape_text(shape)
    lead = {kinds.LOCAL: "local ", kinds.IMPORT: "local ", kinds.GLOBAL: "global "}.get(definition.kind, "")
    lead = lead or (f"({definition.kind}) " if definition.kind != kinds.LOCAL else "")
    value = definition.value
    constant = f" = {printed(Printer().expression(value))}" if isinstance(value, ast.Number | ast.String) else ""
    return f"{lead}{name}{f': {known}' if known else ''}{constant}"


def _declaration(node: ast.TypeAlias | ast.Interface) -> list[str]:
    return Printer().statements[type(node)](node)


def _introduced(definition: Definition) -> str:
    if definition.kind in (kinds.FUNCTION, kinds.LOCAL):
        return "function "
    owner = f"{definition.owner.name}{':' if definition.kind == kinds.METHOD else '.'}" if definition.owner else ""
    return f"function {owner}"


def member_text(inference: Inference, member: Member) -> str:
    """A member as one line of code."""
    if member.definition is not None and member.document is not None:
        return definition_text(inference, member.document, member.definition)
    if isinstance(member.shape, HostFunctionShape):
        return host_signature(member.shape)
    if member.text:
        return member.text
    return f"{member.name}: {shape_text(member.shape)}" if member.shape is not None else member.name


def member_notes(member: Member) -> str:
    """What is written about a member, in markdown."""
    if member.definition is not None and member.document is not None:
        return comment_above(member.document, member.definition)
    if isinstance(member.shape, HostFunctionShape):
        return host_text(member.shape.function)
    return member.shape.module.summary if isinstance(member.shape, ModuleShape) else ""


def comment_above(document: Document, definition: Definition) -> str:
    """The comment lines directly above a declaration."""
    return "\n".join(reversed(list(_comment_lines(document, definition.outer[0]))))


def _comment_lines(document: Document, offset: int) -> Iterator[str]:
    text = document.text
    start, _ = text.line_range(offset)
    while start > 0:
        start, end = text.line_range(start - 1)
        line = text.source[start:end].strip()
        if not line.startswith(b"--") or line.startswith((b"--[[", b"--[=")):
            return
        yield line.lstrip(b"-").strip().decode("utf-8", "replace")
