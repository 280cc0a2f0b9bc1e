"""Messages with `Content-Length` framing over a byte stream: one client of the TCP server, or of stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

import msgspec

from wippy.services.lsp.protocol import CANCELED, CancelParams, RpcError, decode, failure, parameters
from wippy.services.lsp.session import Session

HEADER_BYTES = 8192
MESSAGE_SECONDS = 30.0
MOST_WAITING = 256
"""Messages that are read ahead of the one that is handled."""


class Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...


class BadFraming(Exception):
    """What came is no message; the rest of the stream cannot be understood."""


class Connection:
    """Reads ahead so that a request can be cancelled, and answers in order."""

    def __init__(self, session: Session, reader: asyncio.StreamReader, writer: Writer, max_bytes: int) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._waiting: asyncio.Queue[tuple[Any, int]] = asyncio.Queue(MOST_WAITING)
        self._bytes = 0
        self._room = asyncio.Condition()
        self._canceled: set[Any] = set()
        self._current: tuple[Any, asyncio.Task[Any]] | None = None

    async def serve(self) -> None:
        """Until the client says `exit`, closes the stream, or breaks the framing."""
        reading = asyncio.create_task(self._read_all())
        handling = asyncio.create_task(self._handle_all())
        try:
            await asyncio.wait({reading, handling}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not handling.done():
                await self._rest(handling)
        finally:
            for task in (reading, handling):
                task.cancel()
            await asyncio.gather(reading, handling, return_exceptions=True)
            self._session.close()

    async def _rest(self, handling: asyncio.Task[None]) -> None:
        """What was read before the stream ended is still handled, until everything is or `exit` is met."""
        joined = asyncio.create_task(self._waiting.join())
        await asyncio.wait({joined, handling}, timeout=MESSAGE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()

    # Reading

    async def _read_all(self) -> None:
        with contextlib.suppress(BadFraming, OSError, asyncio.IncompleteReadError, TimeoutError):
            while True:
                data = await self._read()
                try:
                    value = decode(data)
                except RpcError as error:
                    value = error
                if not self._cancels(value):
                    async with self._room:
                        await self._room.wait_for(lambda: self._bytes <= self._max_bytes)
                        self._bytes += len(data)
                    await self._waiting.put((value, len(data)))

    async def _read(self) -> bytes:
        first = await self._reader.readexactly(1)  # a client may be silent between messages for as long as it likes
        if not first.isalpha():
            raise BadFraming
        async with asyncio.timeout(MESSAGE_SECONDS):
            length = await self._length(first)
            return await self._reader.readexactly(length)

    async def _length(self, first: bytes) -> int:
        try:
            head = first + await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadFraming from None
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                digits = value.strip()
                if not digits.isdigit() or len(digits) > 12 or int(digits) > self._max_bytes:
                    raise BadFraming
                return int(digits)
        raise BadFraming

    def _cancels(self, value: Any) -> bool:
        """`$/cancelRequest` overtakes what waits."""
        if not isinstance(value, dict) or value.get("method") != "$/cancelRequest":
            return False
        try:
            number = parameters(value.get("params"), CancelParams).id
        except RpcError:
            return True
        if self._current is not None and self._current[0] == number:
            self._current[1].cancel()
        elif len(self._canceled) < MOST_WAITING:
            self._canceled.add(number)
        return True

    # Handling

    async def _handle_all(self) -> None:
        while not self._session.ended:
            value, size = await self._waiting.get()
            try:
                answered = await self._answer(value)
                if answered is not None:
                    data = msgspec.json.encode(answered)
                    self._writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
                    await asyncio.wait_for(self._writer.drain(), MESSAGE_SECONDS)
            finally:
                async with self._room:
                    self._bytes -= size
                    self._room.notify_all()
                self._waiting.task_done()
            if self._waiting.empty():
                self._canceled.clear()

    async def _answer(self, value: Any) -> Any:
        if isinstance(value, RpcError):
            return failure(None, value)
        number = value.get("id") if isinstance(value, dict) else None
        hashable = isinstance(number, (int, str)) and not isinstance(number, bool)
        if hashable and number in self._canceled:
            self._canceled.discard(number)
            return failure(number, RpcError(CANCELED, "request canceled"))
        task = asyncio.create_task(self._session.handle(value))
        self._current = (number, task) if hashable else None
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._current = None
        if task.cancelled():
            return failure(number, RpcError(CANCELED, "request canceled"))
        return task.result()
