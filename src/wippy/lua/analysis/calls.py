"""Who calls whom: functions that code gives a name, and the chunks of entries."""

from __future__ import annotations

import time
from typing import NamedTuple

from wippy.lua.analysis.document import Call, Definition, Document
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.navigation import Place, named_at
from wippy.lua.analysis.shapes import FunctionShape
from wippy.lua.analysis.workspace import MOST_SECONDS, Workspace
from wippy.lua.syntax import ast


class Callable(NamedTuple):
    """A function; without a definition it is the chunk of the document itself."""

    document: Document
    definition: Definition | None


class Relation(NamedTuple):
    """The other end of a call, and the places where it is written, all in the caller's document."""

    other: Callable
    places: list[Place]


def callable_at(workspace: Workspace, document: Document, offset: int) -> Callable | None:
    """The function that is named at an offset."""
    named = named_at(workspace, document, offset)
    if named is None or named.definition is None or named.document is None:
        return None
    return _callable(Inference(workspace).defined(named.document, named.definition))


def callable_named(document: Document, start: int) -> Callable | None:
    """The function whose name begins at an offset; the chunk for a negative one."""
    if start < 0:
        return Callable(document, None)
    found = (d for d in document.definitions if d.start == start and d.function is not None)
    definition = next(found, None)
    return Callable(document, definition) if definition is not None else None


def _callable(shape: object) -> Callable | None:
    if isinstance(shape, FunctionShape) and shape.definition is not None:
        return Callable(shape.document, shape.definition)
    return None


def incoming(workspace: Workspace, callee: Callable) -> list[Relation]:
    """The functions that call one, in its document and in those that import it."""
    if callee.definition is None:
        return []
    found: dict[tuple[str, int], Relation] = {}
    until = time.monotonic() + MOST_SECONDS
    handed_on = _names(callee.document, callee.definition.name)
    for document in workspace.readers(callee.document, handed_on):
        names = set[str]().union(*(_names(document, name) for name in handed_on))
        for call in document.calls:
            if call.named is None or call.named.name not in names:
                continue
            if time.monotonic() > until:
                return list(found.values())
            target = _target(workspace, document, call)
            if target is not None and _key(target) == _key(callee):
                _add(found, Callable(document, call.inside), Place(document, call.named.start, call.named.end))
    return list(found.values())


def outgoing(workspace: Workspace, caller: Callable) -> list[Relation]:
    """The functions that one calls, functions of the host left out."""
    found: dict[tuple[str, int], Relation] = {}
    for call in caller.document.calls:
        if call.inside is not caller.definition or call.named is None:
            continue
        target = _target(workspace, caller.document, call)
        if target is not None:
            _add(found, target, Place(caller.document, call.named.start, call.named.end))
    return list(found.values())


def _names(document: Document, name: str) -> set[str]:
    """The names that a function of this name may have where it is handed on."""
    names = {name}
    for definition in document.definitions:
        value = definition.value
        if (isinstance(value, ast.Name) and value.id == name) or (isinstance(value, ast.Member) and value.name == name):
            names.add(definition.name)
    return names


def _target(workspace: Workspace, document: Document, call: Call) -> Callable | None:
    inference, node = Inference(workspace), call.node
    if isinstance(node, ast.MethodCall):
        member = inference.member(inference.of(document, node.object), node.method)
        return _callable(inference.member_shape(member))
    return _callable(inference.of(document, node.function))


def _key(one: Callable) -> tuple[str, int]:
    return one.document.id, one.definition.start if one.definition is not None else -1


def _add(found: dict[tuple[str, int], Relation], other: Callable, place: Place) -> None:
    found.setdefault(_key(other), Relation(other, [])).places.append(place)
