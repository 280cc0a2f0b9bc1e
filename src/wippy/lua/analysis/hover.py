"""What is told about a name: its signature and what is written about it."""

from __future__ import annotations

from typing import NamedTuple

from wippy.lua.analysis.describe import (
    comment_above,
    definition_text,
    host_text,
    member_notes,
    member_text,
    shape_text,
)
from wippy.lua.analysis.document import Document
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.navigation import Named, Place, resolve
from wippy.lua.analysis.shapes import HostFunctionShape, ModuleShape
from wippy.lua.analysis.workspace import Workspace


class Hover(NamedTuple):
    """Code and text about a place."""

    code: str
    text: str
    place: Place


def hover_at(workspace: Workspace, document: Document, offset: int) -> Hover | None:
    literal = document.literal_at(offset)
    if literal is not None:
        target = workspace.imports(document.id).get(literal.value, literal.value)
        described = _entry(workspace, target) if ":" in target else None
        return Hover(*described, Place(document, literal.start, literal.end)) if described is not None else None
    use = document.use_at(offset)
    if use is None:
        return None
    inference = Inference(workspace)
    described = _described(workspace, inference, document, resolve(inference, document, use))
    return Hover(*described, Place(document, use.start, use.end)) if described is not None else None


def _described(workspace: Workspace, inference: Inference, document: Document, named: Named) -> tuple[str, str] | None:
    if named.member is not None and named.definition is None:
        return member_text(inference, named.member), member_notes(named.member)
    if named.definition is not None and named.document is not None:
        code = definition_text(inference, named.document, named.definition)
        text = comment_above(named.document, named.definition)
        if named.definition.module is not None:
            text = text or _import_text(workspace, named.document, named.definition.module)
        return code, text
    target = workspace.imports(document.id).get(named.use.name) if named.use.receiver is None else None
    if target is not None:
        return _entry(workspace, target)
    if isinstance(named.shape, HostFunctionShape):
        return shape_text(named.shape), host_text(named.shape.function)
    if isinstance(named.shape, ModuleShape):
        return shape_text(named.shape), named.shape.module.summary
    return None


def _import_text(workspace: Workspace, document: Document, name: str) -> str:
    target = workspace.imports(document.id).get(name)
    if target is not None:
        described = _entry(workspace, target)
        return f"`{target}` {described[1]}".strip() if described is not None else f"`{target}`"
    module = workspace.module(workspace.modules(document.id).get(name, name))
    return module.summary if module is not None else ""


def _entry(workspace: Workspace, entry_id: str) -> tuple[str, str] | None:
    """An entry of code, by its id."""
    facts = workspace.project.facts(entry_id)
    return (f"{facts.kind} {facts.id}", facts.summary) if facts is not None else None
