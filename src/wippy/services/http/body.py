"""The body of a request: it arrives once and is read once, whole, as a stream, or as a form (spec 05 §4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from wippy.core.errors import Error, internal, invalid
from wippy.services.stream.stream import State, Stream

READ_ALREADY = "request body was read already"
TOO_SLOW = "reading the request body took too long"


class Body:
    """What the client sends after the head. `length`: bytes it declared, -1 when it did not. `broken` is set when the
    client went away in the middle.

    The server takes a piece from the connection when it is asked for one: a client that sends faster waits.
    """

    def __init__(self, protocol: Any, length: int) -> None:
        self.length = length
        self.broken = asyncio.Event()
        self._protocol = protocol
        self._taken = False
        self._empty = length == 0

    def pieces(self) -> AsyncIterator[bytes]:
        """Takes the body: its pieces as they arrive. Raises Error(Internal) on a second reading of one that is not
        empty, and while it is iterated over when the client goes before it has sent everything."""
        if self._taken and not self._empty:
            raise internal(READ_ALREADY)
        self._taken = True
        return self._arriving()

    async def _arriving(self) -> AsyncIterator[bytes]:
        if self._empty:
            return
        size = ends = 0
        async for piece in self._protocol:
            size += len(piece)
            if piece:
                yield bytes(piece)
            else:
                ends += 1
        # The server says nothing of a connection that broke; a body without a length then ends with two empty pieces.
        if size < self.length or (self.length < 0 and ends > 1):
            self.broken.set()
            raise internal("the client went away before its request was complete")
        self._empty = size == 0

    async def whole(self, limit: int, seconds: float) -> bytes:
        """All of it. Raises Error(Invalid) when it is larger than `limit` bytes, Error(Internal) on a second reading of
        one that is not empty or when it does not arrive in time."""
        if self.length > limit:
            raise invalid(f"request body is larger than {limit} bytes")
        try:
            return await asyncio.wait_for(self._collect(limit), seconds)
        except TimeoutError:
            raise internal(TOO_SLOW) from None

    async def _collect(self, limit: int) -> bytes:
        pieces, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise invalid(f"request body is larger than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def stream(self, seconds: float) -> BodyStream:
        """A stream over it. Each reading may take so many seconds. Raises Error(Internal) when it was read already."""
        return BodyStream(self.pieces(), self.length, seconds)


class BodyStream(Stream):
    """The body as it arrives; keeps what is left of one piece."""

    readable = True

    def __init__(self, pieces: AsyncIterator[bytes], length: int, seconds: float) -> None:
        super().__init__()
        self._pieces = pieces
        self._length = length
        self._seconds = seconds
        self._left = b""
        self._position = 0
        self._failure: Error | None = None

    async def _read(self, most: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        if not self._left:
            self._left = await self._unless_closed(self._next())
        data, self._left = self._left[:most], self._left[most:]
        self._position += len(data)
        return data

    async def _next(self) -> bytes:
        try:
            return await asyncio.wait_for(anext(self._pieces, b""), self._seconds)
        except TimeoutError:
            self._failure = internal(TOO_SLOW)
        except Error as e:
            self._failure = e
        raise self._failure

    def _state(self) -> State:
        return State(self._length, self._position)

    async def _close(self) -> None:
        self._left = b""
