"""The language server of a running node: over TCP, and over HTTP when that is wanted too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wippy.core.errors import invalid
from wippy.project import settings
from wippy.services.lsp.connection import HEADER_BYTES, Connection
from wippy.services.lsp.language import Language
from wippy.services.lsp.session import Session

if TYPE_CHECKING:
    from wippy.compute.node import Node
    from wippy.services.lsp.http import HttpServer

log = logging.getLogger("wippy.lsp")

MOST_CONNECTIONS = 64
CHANGES = frozenset({"entry.create", "entry.update", "entry.delete"})
COMMITTED = "registry.commit"


def parse_address(key: str, address: str) -> tuple[str, int]:
    """`host:port` of a setting. Without a host it is this machine's own: who connects is not asked who they are
    (docs/decisions/031-language-server.md). Raises Error(Invalid)."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise invalid(f"{key} {address} cannot be used: write host:port")
    return host.strip("[]") or "127.0.0.1", int(port)


class LanguageServer:
    """Serves one node. `start` and `stop` belong to its event loop."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._language: Language | None = None
        self._server: asyncio.Server | None = None
        self._http: HttpServer | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed: dict[str, None] = {}
        self._hear_no_more: Callable[[], None] = lambda: None

    @property
    def port(self) -> int:
        """Where it listens over TCP."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def http_port(self) -> int | None:
        """Where it listens over HTTP."""
        return self._http.port if self._http is not None else None

    async def start(self) -> None:
        """Raises Error(Invalid) when an address cannot be listened at; then nothing is."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        config, address = self._node.config, self._node.config.get(settings.LSP_ADDRESS)
        host, port = parse_address(settings.LSP_ADDRESS.key, address)
        self._language = Language(self._node.registry.state)
        self._hear_no_more = self._node.bus.listen("registry", self._heard)
        try:
            self._server = await asyncio.start_server(self._connected, host, port, limit=HEADER_BYTES)
        except OSError as error:
            raise invalid(f"lsp.address {address} cannot be used: {error}") from None
        log.info("language server at %s:%d", host, self.port)
        if config.get(settings.LSP_HTTP_ENABLED):
            from wippy.services.lsp.http import HttpServer

            self._http = HttpServer(self._language, config)
            await self._http.start()

    async def stop(self) -> None:
        self._hear_no_more()
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._http is not None:
            await self._http.stop()
        if self._language is not None:
            await self._language.stop()
        self._server = self._http = self._language = None

    def _heard(self, system: str, kind: str, path: str, data: Any) -> None:
        """What a transaction does counts when it is committed; what was undone in between does no harm."""
        if kind in CHANGES:
            self._changed[path] = None
        elif kind == COMMITTED and self._language is not None:
            changed, self._changed = self._changed, {}
            self._language.replace(self._node.registry.state, changed)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None and self._language is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MOST_CONNECTIONS:
                most = self._node.config.get(settings.LSP_MAX_MESSAGE_BYTES)
                await Connection(Session(self._language), reader, writer, most).serve()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
