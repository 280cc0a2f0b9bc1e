"""An application served in this OS process, on a thread of its own, and raw connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

from apps.guest import App
from apps.program import LIMIT, Answer, ask, free_port
from wippy import Runtime


class Site:
    """A served application."""

    def __init__(self, port: int, runtime: Runtime, loop: asyncio.AbstractEventLoop, records: list[logging.LogRecord]):
        self.port = port
        self.runtime = runtime
        self._loop = loop
        self._records = records

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, method, path, body, headers)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def run(self, work: Any) -> Any:
        """The result of a coroutine on the application's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT)

    def logged(self, text: str) -> list[logging.LogRecord]:
        return [record for record in list(self._records) if text in record.getMessage()]

    def raw(self, request: str) -> bytes:
        """Everything the server sends for these bytes until it closes the connection."""
        with self.connect(request) as connection:
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    def connect(self, request: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)
        connection.sendall(request.encode())
        return connection


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def served(app: App) -> Iterator[Site]:
    """Serves `app` (which has no `web` yet) until the block ends."""
    port = free_port()
    runtime = app.web(port).runtime()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    handler = _Records()
    logging.getLogger("wippy").addHandler(handler)
    logging.getLogger("wippy").setLevel(logging.INFO)
    try:
        asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(LIMIT)
        yield Site(port, runtime, loop, handler.records)
    finally:
        asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(LIMIT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LIMIT)
        loop.close()
        logging.getLogger("wippy").removeHandler(handler)
        logging.getLogger("wippy").setLevel(logging.NOTSET)
