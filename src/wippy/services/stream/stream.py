"""What a stream is to the host (spec 03 §12). A kind of stream overrides the methods that begin with an underscore.

Nothing is read before somebody asks for it and nothing is kept but what one reading left over: whoever produces the
bytes waits for whoever takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from wippy.core.errors import Error, internal

T = TypeVar("T")

CHUNK = 32 * 1024
"""Bytes of a reading that asks for no number."""
LARGEST = 16 * 1024 * 1024
"""The most bytes one reading gives, whatever it asks for."""

CLOSED = "stream is closed"


async def aside(call: Callable[..., T], *args: Any) -> T:
    """The result of a call that waits for a disk, made outside of the event loop's thread."""
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


class State(NamedTuple):
    """`size` is -1 when nobody knows it."""

    size: int
    position: int


def _failure(what: str, reason: OSError | Error) -> Error:
    """Every failure of a stream is Internal and not retryable, wherever it comes from (spec 03 §12)."""
    if isinstance(reason, Error):
        return internal(reason.message)
    return internal(f"{what} failed: {(reason.strerror or str(reason)).lower()}")


class Stream:
    """Bytes with a beginning and maybe an end. Belongs to the event loop's thread.

    One reading and one writing are under way at a time; others queue. Closing ends both with an error.
    """

    readable = False
    writable = False
    seekable = False

    def __init__(self) -> None:
        self._closed: asyncio.Event = asyncio.Event()
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    async def read(self, most: int = 0) -> bytes:
        """Up to `most` bytes (0: a chunk), at least one; b"" at the end. Raises Error(Internal)."""
        self._require(self.readable, "stream is not readable")
        async with self._reading:
            self._check_open()
            try:
                return await self._read(min(most, LARGEST) if most > 0 else CHUNK)
            except (OSError, Error) as e:
                raise _failure("read", e) from None

    async def write(self, data: bytes) -> int:
        """Writes all of `data`; how much that was. Raises Error(Internal)."""
        self._require(self.writable, "stream is not writable")
        async with self._writing:
            self._check_open()
            try:
                await self._write(data)
            except (OSError, Error) as e:
                raise _failure("write", e) from None
        return len(data)

    async def seek(self, offset: int, whence: int) -> int:
        """Moves to `offset` bytes from the beginning (0), the position (1) or the end (2). Raises Error(Internal)."""
        self._require(self.seekable, "stream is not seekable")
        try:
            return await self._seek(offset, whence)
        except (OSError, Error) as e:
            raise _failure("seek", e) from None

    async def flush(self) -> None:
        """Returns when nothing written is waiting in this program. Raises Error(Internal)."""
        self._check_open()
        async with self._writing:
            await self._flush()

    def state(self) -> State:
        self._check_open()
        return self._state()

    async def close(self) -> None:
        """Ends it. Again does nothing."""
        if not self.closed:
            self._closed.set()
            await self._close()

    async def _read(self, most: int) -> bytes:
        raise NotImplementedError

    async def _write(self, data: bytes) -> None:
        raise NotImplementedError

    async def _seek(self, offset: int, whence: int) -> int:
        raise NotImplementedError

    async def _flush(self) -> None:
        """Most streams hand over what they are given at once."""

    def _state(self) -> State:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError

    def _check_open(self) -> None:
        if self.closed:
            raise internal(CLOSED)

    def _require(self, able: bool, problem: str) -> None:
        self._check_open()
        if not able:
            raise internal(problem)

    async def _unless_closed(self, waiting: Awaitable[T]) -> T:
        """The result of `waiting`; Error(Internal) when the stream is closed meanwhile."""
        wanted = asyncio.ensure_future(waiting)
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((wanted, closing), return_when=asyncio.FIRST_COMPLETED)
            if not wanted.done():
                raise internal(CLOSED)
            return wanted.result()
        finally:
            closing.cancel()
            if not wanted.done():
                wanted.cancel()
