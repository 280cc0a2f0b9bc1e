"""The tree of what a document declares, and its flat form for searches over the whole project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.describe import printed
from wippy.lua.analysis.document import Definition, Document
from wippy.lua.analysis.text import Position
from wippy.lua.syntax import ast
from wippy.lua.syntax.printer import Printer

_HIDDEN = frozenset({kinds.PARAMETER, kinds.LOOP, kinds.TYPE_PARAMETER, kinds.LABEL})


@dataclass(slots=True)
class Node:
    definition: Definition
    detail: str
    children: list[Node] = field(default_factory=list)


class Symbol(NamedTuple):
    """One name of a project. `container` is what it is a member of, or the empty text."""

    name: str
    kind: str
    entry_id: str
    container: str
    start: Position
    end: Position


def outline(document: Document) -> list[Node]:
    """Functions, methods, types, locals of the chunk and fields of tables that have a name or are returned; functions
    inside functions are children."""
    inside: dict[int, list[Definition]] = {}
    exported = document.tables.get(id(document.exported), {}) if document.exported is not None else {}
    returned = {id(definition) for definition in exported.values()}
    for definition in document.definitions:
        if definition.kind in _HIDDEN:
            continue
        if definition.owner is not None:
            inside.setdefault(id(definition.owner), []).append(definition)
        elif definition.kind != kinds.FIELD or id(definition) in returned:
            holder = definition.inside
            if holder is None or definition.function is not None:
                inside.setdefault(id(holder), []).append(definition)
    return _nodes(inside, id(None), 0)


def _nodes(inside: dict[int, list[Definition]], holder: int, depth: int) -> list[Node]:
    if depth > 30:
        return []
    held = sorted(inside.get(holder, ()), key=lambda definition: definition.start)
    return [Node(each, _detail(each), _nodes(inside, id(each), depth + 1)) for each in held]


def _detail(definition: Definition) -> str:
    if definition.function is not None:
        return printed(Printer().signature(definition.function))
    if definition.annotation is not None:
        return printed(Printer().type(definition.annotation))
    if isinstance(definition.declared, ast.TypeAlias):
        return printed(Printer().type(definition.declared.type))
    return f'require "{definition.module}"' if definition.module is not None else ""


def shown_kind(definition: Definition) -> str:
    """The kind as symbols name it: whatever is a function is one."""
    if definition.function is not None and definition.kind not in (kinds.METHOD, kinds.FUNCTION):
        return kinds.METHOD if definition.owner is not None else kinds.FUNCTION
    return definition.kind


def symbols(document: Document) -> Iterator[Symbol]:
    """What searches find of a document: everything of its outline but plain locals."""
    waiting = [(node, "") for node in outline(document)]
    while waiting:
        node, container = waiting.pop()
        waiting += [(child, node.definition.name) for child in node.children]
        definition, text = node.definition, document.text
        if definition.kind in (kinds.LOCAL, kinds.IMPORT) and definition.function is None:
            continue
        start, end = text.position(definition.start), text.position(definition.end)
        yield Symbol(definition.name, shown_kind(definition), document.id, container, start, end)
