"""A client of the language server, over TCP."""

from __future__ import annotations

import asyncio
import itertools
import json
from types import TracebackType
from typing import Any

from apps.guest import LIMIT


class Client:
    """One connection. `at` finds positions by the text that stands there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    def write(self, message: Any) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    async def read(self) -> Any:
        async with asyncio.timeout(LIMIT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b":")[1])
            return json.loads(await self.reader.readexactly(length))

    async def closed(self) -> bool:
        """Whether the server closes the connection without another word."""
        async with asyncio.timeout(LIMIT):
            return await self.reader.read() == b""

    def notify(self, method: str, params: Any = None) -> None:
        self.write({"jsonrpc": "2.0", "method": method, "params": params or {}})

    async def answer(self, method: str, params: Any = None) -> Any:
        """The whole answer to a request."""
        number = next(self._numbers)
        self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
        answer = await self.read()
        assert answer["id"] == number
        return answer

    async def ask(self, method: str, params: Any = None) -> Any:
        """The result of a request."""
        answer = await self.answer(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    async def initialize(self, **params: Any) -> Any:
        found = await self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}, **params})
        self.notify("initialized")
        return found

    def open(self, uri: str, text: str) -> None:
        self.notify(
            "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "lua", "version": 1, "text": text}}
        )

    def change(self, uri: str, text: str) -> None:
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": text}]},
        )

    def close(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    async def about(self, method: str, uri: str, place: dict[str, int], **more: Any) -> Any:
        return await self.ask(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": place, **more})


def at(text: str, mark: str, inside: int = 0, nth: int = 0) -> dict[str, int]:
    """The position `inside` characters after the beginning of the nth `mark` in the text, in UTF-16 code units."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(mark, start + 1)
    start += inside
    line = text.count("\n", 0, start)
    before = text[:start].rpartition("\n")[2]
    return {"line": line, "character": len(before.encode("utf-16-le")) // 2}


def text_of(text: str, found: dict[str, Any]) -> str:
    """What a range covers, which must be on one line."""
    start, end = found["start"], found["end"]
    assert start["line"] == end["line"]
    units = text.split("\n")[start["line"]].encode("utf-16-le")
    return units[2 * start["character"] : 2 * end["character"]].decode("utf-16-le")
