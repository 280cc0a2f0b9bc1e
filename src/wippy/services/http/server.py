"""The HTTP server of one `http.service`, embedded in our event loop through granian (RSGI).

granian's embedding API is experimental: everything that knows of it is in this file.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from wippy.core.errors import Error, invalid, unavailable

Application = Callable[[Any, Any], Awaitable[None]]

logging.getLogger("_granian").setLevel(logging.ERROR)


def parse_address(addr: str) -> tuple[str, int]:
    """`host:port`; an empty host means all interfaces. Raises Error(Invalid)."""
    host, colon, port = addr.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise invalid(f'address "{addr}" is not host:port')
    return host.strip("[]") or "0.0.0.0", int(port)


class HttpListener:
    """Listens on one address and hands every request to `application(scope, protocol)`."""

    def __init__(self, addr: str, application: Application, tls: tuple[Path, Path] | None = None) -> None:
        """tls: the files of a certificate and its key."""
        self._addr = addr
        self._tls = tls
        self._host, self._port = parse_address(addr)
        self._application = application
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Binds and serves. Raises Error(Unavailable) when the address is taken or cannot be bound."""
        from granian.constants import Interfaces
        from granian.server.embed import Server

        self._check_free()
        self._server = Server(
            self._application,
            address=self._host,
            port=self._port,
            interface=Interfaces.RSGI,
            log_enabled=False,
            websockets=True,
            ssl_cert=self._tls[0] if self._tls else None,
            ssl_key=self._tls[1] if self._tls else None,
        )
        self._task = asyncio.create_task(self._server.serve())
        await self._wait_until_listening()

    def _check_free(self) -> None:
        """Two servers could share a port unnoticed (SO_REUSEPORT): ask first."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, self._port))
            except OSError as e:
                reason = "the address is in use" if e.errno == 98 else (e.strerror or str(e))
                raise Error("Unavailable", f"cannot listen on {self._addr}: {reason}", False) from None

    async def _wait_until_listening(self) -> None:
        assert self._task is not None
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        for _ in range(3000):
            if self._task.done():
                raise unavailable(f"cannot listen on {self._addr}: {self._task.exception()}", retryable=False)
            try:
                _, writer = await asyncio.open_connection(host, self._port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return
        raise unavailable(f"nothing answers on {self._addr}")

    async def stop(self) -> None:
        """Accepts no more connections and waits for those in progress."""
        if self._server is not None and self._task is not None:
            self._server.stop()
            await asyncio.gather(self._task, return_exceptions=True)
            self._server = self._task = None
