"""A small HTTP server beside a node, for people and scrapers: GET requests, each answered by a page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

from wippy.core.errors import Error, invalid

REQUEST_SECONDS = 10.0
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Page(NamedTuple):
    body: str
    type: str = TEXT
    status: str = "200 OK"


Maker: TypeAlias = Callable[[dict[str, str]], Awaitable[Page]]
"""Takes the query. An Error is the client's fault: status 400."""


class PageServer:
    """Serves pages by path at `address` (`host:port`; the host is this machine's loopback unless it is given). `start`
    and `stop` belong to an event loop."""

    def __init__(self, setting: str, address: str, pages: Mapping[str, Maker]) -> None:
        """setting: the key of the configuration that the address comes from, for messages."""
        self._setting = setting
        self._address = address
        self._pages = dict(pages)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Raises Error(Invalid) when the address cannot be listened at."""
        host, _, port = self._address.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._connected, host or "127.0.0.1", int(port))
        except (OSError, ValueError) as error:
            raise invalid(f"{self._setting} {self._address} cannot be used: {error}") from None

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
            page = await self._answer(head.split(b"\r\n", 1)[0].decode("latin-1"))
            data = page.body.encode()
            head_lines = (f"Content-Type: {page.type}", f"Content-Length: {len(data)}", "Connection: close", "", "")
            writer.write("\r\n".join((f"HTTP/1.1 {page.status}", *head_lines)).encode() + data)
            await asyncio.wait_for(writer.drain(), REQUEST_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: str) -> Page:
        method, _, rest = line.partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        make = self._pages.get(target.path)
        if method != "GET" or make is None:
            return Page(f"there is no {target.path} here\n", status="404 Not Found")
        try:
            return await make({key: values[-1] for key, values in parse_qs(target.query).items()})
        except Error as error:
            return Page(f"{error}\n", status="400 Bad Request")
