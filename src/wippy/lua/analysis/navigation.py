"""From a place in the text to what it names, and from that to every place that names it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.document import Definition, Document, Literal, Use
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.shapes import Member, ModuleShape, Shape
from wippy.lua.analysis.workspace import MOST_SECONDS, Workspace
from wippy.lua.syntax import ast

MOST_REFERENCES = 10_000


class Place(NamedTuple):
    """A range of a document, in bytes."""

    document: Document
    start: int
    end: int


class Named(NamedTuple):
    """What a name in the text stands for: a definition, a member of something, or something ambient."""

    use: Use
    definition: Definition | None = None
    document: Document | None = None
    member: Member | None = None
    shape: Shape | None = None


def named_at(workspace: Workspace, document: Document, offset: int) -> Named | None:
    use = document.use_at(offset)
    return resolve(Inference(workspace), document, use) if use is not None else None


def resolve(inference: Inference, document: Document, use: Use) -> Named:
    if use.definition is not None:
        return Named(use, use.definition, document)
    if use.receiver is None:
        return Named(use, shape=inference.named(document, use.name))
    if use.is_type:
        return _qualified(inference, document, use, use.receiver)
    member = inference.member(inference.of(document, use.receiver), use.name)
    if member is None:
        return Named(use)
    return Named(use, member.definition, member.document, member)


def _qualified(inference: Inference, document: Document, use: Use, receiver: ast.Expression) -> Named:
    """`library.Type` in a written type."""
    shape = inference.of(document, receiver)
    library = inference.library_of(document, receiver)
    if library is not None and use.name in library.types:
        return Named(use, library.types[use.name], library)
    if isinstance(shape, ModuleShape) and use.name in shape.module.handles:
        return Named(use, shape=shape)
    member = inference.member(shape, use.name)
    return Named(use, member.definition, member.document, member) if member is not None else Named(use)


# Definition


def definition_at(workspace: Workspace, document: Document, offset: int) -> Place | None:
    """Where what is named at an offset is defined. An import leads to what its library returns; so do the texts of
    `require`, and those that are ids of entries."""
    literal = document.literal_at(offset)
    if literal is not None:
        return _of_literal(workspace, document, literal)
    named = named_at(workspace, document, offset)
    if named is None:
        return None
    if named.definition is not None and named.document is not None:
        imported = named.definition.module
        if imported is not None and named.document is document:
            library = _library(workspace, document, imported)
            if library is not None:
                return library
        return Place(named.document, named.definition.start, named.definition.end)
    if named.member is not None and named.member.place is not None and named.member.document is not None:
        return Place(named.member.document, *named.member.place)
    return _library(workspace, document, named.use.name) if named.use.receiver is None else None


def _of_literal(workspace: Workspace, document: Document, literal: Literal) -> Place | None:
    if ":" in literal.value:
        return entry_place(workspace, literal.value)
    return _library(workspace, document, literal.value)


def _library(workspace: Workspace, document: Document, alias: str) -> Place | None:
    target = workspace.imports(document.id).get(alias)
    return entry_place(workspace, target) if target is not None else None


def entry_place(workspace: Workspace, entry_id: str) -> Place | None:
    """What the chunk of an entry returns: where it is declared, or where the returned expression begins."""
    document = workspace.document(entry_id)
    if document is None:
        return None
    node = document.exported
    if node is None:
        return Place(document, 0, 0)
    definition = document.resolved.get(id(node))
    if definition is not None:
        return Place(document, definition.start, definition.end)
    start = document.starts[node.first]
    return Place(document, start, start)


# References


def references_at(workspace: Workspace, document: Document, offset: int, *, declaration: bool) -> list[Place]:
    """Every place that names what is named at an offset, in this document and in those that import it."""
    named = named_at(workspace, document, offset)
    if named is None or named.definition is None or named.document is None:
        return []
    found = islice(references(workspace, named.document, named.definition), MOST_REFERENCES)
    own = Place(named.document, named.definition.start, named.definition.end)
    places = [place for place in found if declaration or place != own]
    return sorted(set(places), key=lambda place: (place.document.id, place.start))


def references(workspace: Workspace, document: Document, definition: Definition) -> Iterator[Place]:
    yield from (Place(document, use.start, use.end) for use in definition.uses)
    if definition.kind in (kinds.PARAMETER, kinds.LOOP, kinds.IMPORT, kinds.TYPE_PARAMETER):
        return
    until = time.monotonic() + MOST_SECONDS
    for reader in workspace.readers(document, [definition.name]):
        for use in reader.named(definition.name):
            if use.receiver is None:
                continue
            if time.monotonic() > until:
                return
            named = resolve(Inference(workspace), reader, use)
            if named.document is not None and same(named.document, named.definition, document, definition):
                yield Place(reader, use.start, use.end)


def same(document: Document, definition: Definition | None, other: Document, wanted: Definition) -> bool:
    """Whether two definitions are the same one; a document may have been indexed again in between."""
    return definition is wanted or (
        definition is not None and document.id == other.id and definition.start == wanted.start
    )
