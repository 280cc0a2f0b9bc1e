"""A descriptor that does not block, and those who wait until it can be used."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable


class Descriptor:
    """One end of a pipe or a socket. Belongs to the event loop's thread.

    The loop's interest in the descriptor ends before it is closed: its number, used again, is not mistaken for it.
    """

    def __init__(self, number: int, *, writing: bool = False, on_close: Callable[[], None] = lambda: None) -> None:
        os.set_blocking(number, False)
        self._number = number
        self._writing = writing
        self._on_close = on_close
        self._waiting: set[asyncio.Future[None]] = set()
        self._watched: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def read(self, most: int) -> bytes | None:
        """What is there, up to `most` bytes: None for nothing yet, b"" at the end. Raises OSError."""
        try:
            return os.read(self._number, most)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int:
        """How much went in. Raises OSError."""
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            return 0

    @property
    def waiting_bytes(self) -> int:
        """How much there is to read."""
        answer = fcntl.ioctl(self._number, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    async def ready(self) -> None:
        """Returns when it can be read from (or written to), or was closed."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.add(future)
        if self._watched is None:
            self._watched = loop
            (loop.add_writer if self._writing else loop.add_reader)(self._number, self._wake)
        try:
            await future
        finally:
            self._waiting.discard(future)
            if not self._waiting:
                self._unwatch()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
        self._unwatch()

    def _unwatch(self) -> None:
        loop, self._watched = self._watched, None
        if loop is not None:
            (loop.remove_writer if self._writing else loop.remove_reader)(self._number)

    def close(self) -> None:
        """Again does nothing."""
        if self.closed:
            return
        self.closed = True
        self._wake()
        os.close(self._number)
        self._on_close()
