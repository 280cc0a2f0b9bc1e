"""The methods of the protocol, from parameters to results. Runs in the thread of the analysis."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from wippy.lua.analysis import calls
from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.completion import CONSTANT, KEYWORD, MODULE, complete, signature_at
from wippy.lua.analysis.document import Document
from wippy.lua.analysis.hover import hover_at
from wippy.lua.analysis.navigation import Place, definition_at, references_at
from wippy.lua.analysis.outline import Node, Symbol, outline, shown_kind, symbols
from wippy.lua.analysis.text import Text
from wippy.lua.analysis.workspace import Workspace
from wippy.lua.lint.diagnostics import Diagnostic
from wippy.services.lsp import protocol
from wippy.services.lsp.entries import RegistryProject, Snapshot
from wippy.services.lsp.naming import Naming
from wippy.services.lsp.protocol import INVALID_PARAMS, RpcError

SYMBOL_KINDS = {kinds.FUNCTION: 12, kinds.METHOD: 6, kinds.TYPE: 5, kinds.FIELD: 8}
VARIABLE, CHUNK = 13, 2
COMPLETION_KINDS = {
    kinds.FUNCTION: 3,
    kinds.METHOD: 2,
    kinds.FIELD: 5,
    kinds.TYPE: 7,
    kinds.TYPE_PARAMETER: 25,
    kinds.IMPORT: 9,
    MODULE: 9,
    KEYWORD: 14,
    CONSTANT: 21,
}
COMPLETION_VARIABLE = 6
SEVERITIES = {"error": 1, "warning": 2, "info": 3, "hint": 4}
MOST_SYMBOLS = 1_000
"""Results of one search."""


class Features:
    """What is known of one project, and the answers to requests about it."""

    def __init__(self, entries: Snapshot, naming: Naming) -> None:
        self._naming = naming
        self._project = RegistryProject(entries)
        self._workspace = Workspace(self._project)
        self._symbols: dict[str, list[Symbol]] = {}

    # The project changes

    def replace(self, entries: Snapshot, changed: Iterable[str]) -> None:
        """The registry has another version: these entries may be others, or gone."""
        changed = list(changed)
        self._project.replace(entries, changed)
        for entry_id in changed:
            self._symbols.pop(entry_id, None)

    def missing(self) -> list[str]:
        """The entries whose symbols are not known, in the order in which they should be indexed."""
        return [entry_id for entry_id in self._project.dependencies_first() if entry_id not in self._symbols]

    def learn(self, entry_id: str) -> None:
        """Indexes an entry and keeps its symbols."""
        self._symbols[entry_id] = []  # also when it cannot be indexed: nobody tries again until it changes
        document = self._workspace.glance(entry_id)
        if document is not None:
            self._symbols[entry_id] = list(symbols(document))

    def settle(self) -> None:
        """To be called after each piece of work."""
        self._workspace.settle()

    def leave(self, client: Hashable) -> None:
        for entry_id in self._workspace.unsaved():
            self._symbols.pop(entry_id, None)
        self._workspace.leave(client)

    def close(self) -> None:
        self._workspace.close()

    # Text

    def opened(self, client: Hashable, params: protocol.Opened) -> None:
        self._put(client, params.text_document.uri, params.text_document.text)

    def changed(self, client: Hashable, params: protocol.Changed) -> None:
        if params.content_changes:
            self._put(client, params.text_document.uri, params.content_changes[-1].text)

    def closed(self, client: Hashable, params: protocol.OfDocument) -> None:
        entry_id = self._naming.entry_of(params.text_document.uri)
        self._workspace.discard(client, entry_id)
        self._symbols.pop(entry_id, None)

    def _put(self, client: Hashable, uri: str, text: str) -> None:
        entry_id = self._naming.entry_of(uri)
        self._workspace.put(client, entry_id, text)
        self._symbols.pop(entry_id, None)

    # Places

    def _document(self, uri: str) -> Document | None:
        return self._workspace.document(self._naming.entry_of(uri))

    def hover(self, params: protocol.At) -> Any:
        document = self._document(params.text_document.uri)
        found = hover_at(self._workspace, document, _offset(document.text, params.position)) if document else None
        if found is None:
            return None
        fence = "```"
        while fence in found.code:
            fence += "`"
        value = f"{fence}lua\n{found.code}\n{fence}" + (f"\n\n{found.text}" if found.text else "")
        return {"contents": {"kind": "markdown", "value": value}, "range": _range(found.place)}

    def definition(self, params: protocol.At) -> Any:
        document = self._document(params.text_document.uri)
        if document is None:
            return None
        found = definition_at(self._workspace, document, _offset(document.text, params.position))
        return self._location(found) if found is not None else None

    def references(self, params: protocol.References) -> Any:
        document = self._document(params.text_document.uri)
        if document is None:
            return []
        offset, declaration = _offset(document.text, params.position), params.context.include_declaration
        return [self._location(p) for p in references_at(self._workspace, document, offset, declaration=declaration)]

    # Symbols

    def document_symbol(self, params: protocol.OfDocument) -> Any:
        document = self._document(params.text_document.uri)
        return [_symbol(document, node) for node in outline(document)] if document is not None else []

    def workspace_symbol(self, params: protocol.Search) -> Any:
        """Names that have the letters of the query in its order, those that begin like it first."""
        for entry_id in self._workspace.unsaved():
            if entry_id not in self._symbols:
                self.learn(entry_id)
        query = params.query.lower()
        found = [s for listed in self._symbols.values() for s in listed if _fits(s.name.lower(), query)]
        found.sort(key=lambda s: (not s.name.lower().startswith(query), len(s.name), s.name, s.entry_id, s.start))
        return [self._information(symbol) for symbol in found[:MOST_SYMBOLS]]

    # Writing

    def completion(self, params: protocol.At) -> Any:
        document = self._document(params.text_document.uri)
        if document is None:
            return {"isIncomplete": False, "items": []}
        text = document.text
        found = complete(self._workspace, document, text, _offset(text, params.position))
        items: list[dict[str, Any]] = []
        for proposal in found.proposals:
            item: dict[str, Any] = {
                "label": proposal.label,
                "kind": COMPLETION_KINDS.get(proposal.kind, COMPLETION_VARIABLE),
            }
            if proposal.detail:
                item["detail"] = proposal.detail
            if proposal.text:
                item["documentation"] = {"kind": "markdown", "value": proposal.text}
            items.append(item)
        return {"isIncomplete": False, "items": items}

    def signature_help(self, params: protocol.At) -> Any:
        document = self._document(params.text_document.uri)
        if document is None:
            return None
        text = document.text
        found = signature_at(self._workspace, document, text, _offset(text, params.position))
        if found is None:
            return None
        signature: dict[str, Any] = {"label": found.label, "parameters": [{"label": p} for p in found.parameters]}
        if found.text:
            signature["documentation"] = {"kind": "markdown", "value": found.text}
        return {"signatures": [signature], "activeSignature": 0, "activeParameter": found.active}

    def diagnostic(self, params: protocol.OfDocument, *, rules: bool) -> Any:
        entry_id = self._naming.entry_of(params.text_document.uri)
        text = self._workspace.text(entry_id)
        if text is None:
            return {"kind": "full", "items": []}
        content = Text.of(text)
        found = self._project.diagnostics(entry_id, text, rules=rules)
        return {"kind": "full", "items": [_diagnostic(content, each) for each in found]}

    # Calls

    def prepare_calls(self, params: protocol.At) -> Any:
        document = self._document(params.text_document.uri)
        if document is None:
            return None
        found = calls.callable_at(self._workspace, document, _offset(document.text, params.position))
        return [self._item(found)] if found is not None else None

    def incoming_calls(self, params: protocol.OfItem) -> Any:
        found = calls.incoming(self._workspace, self._callable(params.item))
        return [{"from": self._item(one.other), "fromRanges": [_range(place) for place in one.places]} for one in found]

    def outgoing_calls(self, params: protocol.OfItem) -> Any:
        found = calls.outgoing(self._workspace, self._callable(params.item))
        return [{"to": self._item(one.other), "fromRanges": [_range(place) for place in one.places]} for one in found]

    def _callable(self, item: protocol.CallItem) -> calls.Callable:
        document = self._document(item.uri)
        start = -1
        if document is not None and item.kind != CHUNK:
            start = _offset(document.text, item.selection_range.start)
        found = calls.callable_named(document, start) if document is not None else None
        if found is None:
            raise RpcError(INVALID_PARAMS, "there is no such function any more")
        return found

    # Documents as they are named outside

    def _location(self, place: Place) -> dict[str, Any]:
        return {"uri": self._naming.uri_of(place.document.id), "range": _range(place)}

    def _information(self, symbol: Symbol) -> dict[str, Any]:
        return {
            "name": symbol.name,
            "kind": SYMBOL_KINDS.get(symbol.kind, VARIABLE),
            "containerName": symbol.container or symbol.entry_id,
            "location": {
                "uri": self._naming.uri_of(symbol.entry_id),
                "range": {"start": symbol.start._asdict(), "end": symbol.end._asdict()},
            },
        }

    def _item(self, one: calls.Callable) -> dict[str, Any]:
        document, definition = one
        text = document.text
        if definition is None:
            nowhere = _range_of(text, 0, 0)
            whole = _range_of(text, 0, len(text.source))
            return {
                "name": document.id,
                "kind": CHUNK,
                "uri": self._naming.uri_of(document.id),
                "range": whole,
                "selectionRange": nowhere,
            }
        start, end = min(definition.outer[0], definition.start), max(definition.outer[1], definition.end)
        return {
            "name": definition.name,
            "kind": SYMBOL_KINDS.get(shown_kind(definition), VARIABLE),
            "detail": document.id,
            "uri": self._naming.uri_of(document.id),
            "range": _range_of(text, start, end),
            "selectionRange": _range_of(text, definition.start, definition.end),
        }


def _offset(text: Text, position: protocol.Position) -> int:
    return text.offset(position.line, position.character)


def _range_of(text: Text, start: int, end: int) -> dict[str, Any]:
    return {"start": text.position(start)._asdict(), "end": text.position(end)._asdict()}


def _range(place: Place) -> dict[str, Any]:
    return _range_of(place.document.text, place.start, place.end)


def _symbol(document: Document, node: Node) -> dict[str, Any]:
    definition = node.definition
    start, end = min(definition.outer[0], definition.start), max(definition.outer[1], definition.end)
    symbol: dict[str, Any] = {
        "name": definition.name,
        "kind": SYMBOL_KINDS.get(shown_kind(definition), VARIABLE),
        "range": _range_of(document.text, start, end),
        "selectionRange": _range_of(document.text, definition.start, definition.end),
    }
    if node.detail:
        symbol["detail"] = node.detail
    if node.children:
        symbol["children"] = [_symbol(document, child) for child in node.children]
    return symbol


def _fits(name: str, query: str) -> bool:
    letters = iter(name)
    return query in name or all(letter in letters for letter in query)


def _diagnostic(text: Text, found: Diagnostic) -> dict[str, Any]:
    start = text.place(found.line, found.column)
    end = min(start + max(found.width, 1), max(text.line_range(start)[1], start))
    shown = {
        "range": _range_of(text, start, end),
        "severity": SEVERITIES[found.severity],
        "code": found.code,
        "source": "wippy",
        "message": found.message,
    }
    if found.help:
        shown["message"] = f"{found.message} ({found.help})"
    return shown
