"""The conversation with one client: its life cycle, and which method does what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from importlib import metadata
from typing import Any, Literal, NamedTuple

from wippy.services.lsp import protocol
from wippy.services.lsp.features import Features
from wippy.services.lsp.language import Language
from wippy.services.lsp.protocol import (
    CANCELED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_INITIALIZED,
    Message,
    RpcError,
    answer,
    failure,
    id_of,
    message_of,
    parameters,
)

log = logging.getLogger("wippy.lsp")

REQUEST_SECONDS = 30.0
INDEXING_SECONDS = 10.0  # how long a search over the project waits for the indexing in the background

CAPABILITIES: dict[str, Any] = {
    "positionEncoding": "utf-16",
    "textDocumentSync": {"openClose": True, "change": 1},
    "hoverProvider": True,
    "definitionProvider": True,
    "referencesProvider": True,
    "documentSymbolProvider": True,
    "workspaceSymbolProvider": True,
    "completionProvider": {"triggerCharacters": [".", ":"]},
    "signatureHelpProvider": {"triggerCharacters": ["(", ","]},
    "diagnosticProvider": {"interFileDependencies": True, "workspaceDiagnostics": False},
    "callHierarchyProvider": True,
}


class Method(NamedTuple):
    params: type[Any]
    call: Callable[[Features, Any], Any]


REQUESTS: dict[str, Method] = {
    "textDocument/hover": Method(protocol.At, Features.hover),
    "textDocument/definition": Method(protocol.At, Features.definition),
    "textDocument/references": Method(protocol.References, Features.references),
    "textDocument/documentSymbol": Method(protocol.OfDocument, Features.document_symbol),
    "textDocument/completion": Method(protocol.At, Features.completion),
    "textDocument/signatureHelp": Method(protocol.At, Features.signature_help),
    "textDocument/prepareCallHierarchy": Method(protocol.At, Features.prepare_calls),
    "callHierarchy/incomingCalls": Method(protocol.OfItem, Features.incoming_calls),
    "callHierarchy/outgoingCalls": Method(protocol.OfItem, Features.outgoing_calls),
    "workspace/symbol": Method(protocol.Search, Features.workspace_symbol),
}
TEXT: dict[str, tuple[type[Any], Callable[[Features, Session, Any], None]]] = {
    "textDocument/didOpen": (protocol.Opened, Features.opened),
    "textDocument/didChange": (protocol.Changed, Features.changed),
    "textDocument/didClose": (protocol.OfDocument, Features.closed),
}
DIAGNOSTIC = "textDocument/diagnostic"
KNOWN = {*REQUESTS, *TEXT, DIAGNOSTIC, "initialize", "initialized", "shutdown", "exit"}


class Session:
    """One client. Its messages are handled one after the other.

    `connected` is False over HTTP, where each request stands for itself: then `initialize` only tells what there is,
    and nothing ends a session.
    """

    def __init__(self, language: Language, *, connected: bool = True) -> None:
        self._language = language
        self._connected = connected
        self._state: Literal["new", "open", "shut"] = "new" if connected else "open"
        self._rules = False
        self.ended = False
        """Whether the client has said `exit`."""

    @property
    def was_shut_down(self) -> bool:
        return self._state == "shut"

    def close(self) -> None:
        """The client has gone."""
        self._language.leave(self)

    async def handle(self, value: Any) -> Any:
        """The answer to a decoded message or batch; None when there is none to give."""
        if not isinstance(value, list):
            return await self._one(value)
        if not value:
            return failure(None, RpcError(INVALID_REQUEST, "a batch has messages"))
        answers = [found for found in [await self._one(each) for each in value] if found is not None]
        return answers or None

    async def _one(self, value: Any) -> dict[str, Any] | None:
        try:
            message = message_of(value)
        except RpcError as error:
            return failure(id_of(value), error)
        if message is None:
            return None
        try:
            result = await asyncio.wait_for(self._result(message), REQUEST_SECONDS)
        except RpcError as error:
            return failure(message.id, error) if message.expects else None
        except TimeoutError:
            return failure(message.id, RpcError(CANCELED, "request canceled")) if message.expects else None
        except Exception:
            log.exception("%s failed", message.method[:100])
            return failure(message.id, RpcError(INTERNAL_ERROR, "internal error")) if message.expects else None
        return answer(message.id, result) if message.expects else None

    async def _result(self, message: Message) -> Any:
        method = message.method
        if method == "exit":
            self.ended = self._connected
            return None
        if method == "initialize":
            return self._initialize(message.params)
        self._check(message)
        if method == "shutdown":
            self._state = "shut" if self._connected else "open"
            return None
        if method in TEXT:
            kind, put = TEXT[method]
            params = parameters(message.params, kind)
            return await self._language.run(lambda features: put(features, self, params))
        if method == DIAGNOSTIC:
            asked, rules = parameters(message.params, protocol.OfDocument), self._rules
            return await self._language.run(lambda features: features.diagnostic(asked, rules=rules))
        if method in REQUESTS:
            return await self._asked(method, message.params)
        return None  # a notification that needs no action

    async def _asked(self, method: str, params: Any) -> Any:
        declared = REQUESTS[method]
        params = parameters(params, declared.params)
        if method == "workspace/symbol":
            await self._indexed()
        return await self._language.run(lambda features: declared.call(features, params))

    async def _indexed(self) -> None:
        try:
            await asyncio.wait_for(self._language.indexed(), INDEXING_SECONDS)
        except TimeoutError:
            log.debug("a search was answered before everything was indexed")

    def _check(self, message: Message) -> None:
        """Whether the message may come now."""
        if message.expects:
            if self._state == "new":
                raise RpcError(NOT_INITIALIZED, "server not initialized")
            if self._state == "shut":
                raise RpcError(INVALID_REQUEST, "the server was shut down")
            if message.method not in KNOWN:
                raise RpcError(METHOD_NOT_FOUND, f"method not found: {message.method[:200]}")
        elif self._state != "open":
            raise RpcError(INVALID_REQUEST, "not now")

    def _initialize(self, params: Any) -> dict[str, Any]:
        if self._state != "new" and self._connected:
            raise RpcError(INVALID_REQUEST, "initialized already")
        options = parameters(params, protocol.Initialize).initialization_options
        self._rules = self._connected and options is not None and options.rules
        self._state = "open"
        self._language.index()
        return {"capabilities": CAPABILITIES, "serverInfo": {"name": "wippy", "version": metadata.version("wippy")}}
