"""Open files: what guests read and write without suspending, and the stream over one (spec 04a §4.2, 03 §12)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wippy.core.errors import INTERNAL, INVALID, Error
from wippy.services.fs.volume import described
from wippy.services.stream.stream import State, Stream, aside

LARGEST = 256 * 1024 * 1024
"""Bytes one reading brings into a guest's memory; what is larger is read in pieces."""


class OpenFile:
    """A descriptor with a name. From any thread.

    While somebody uses the descriptor it is not closed, so that its number never stands for another file. Everything
    raises Error(Internal) once it is closed and when the disk refuses.
    """

    def __init__(
        self,
        descriptor: int,
        name: str,
        *,
        readable: bool = True,
        writable: bool = True,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._descriptor = descriptor
        self._on_close = on_close
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self.name = name
        self.readable = readable
        self.writable = writable

    @contextmanager
    def _using(self, what: str, kind: str = INTERNAL) -> Iterator[int]:
        with self._lock:
            if self._closed:
                raise Error(INTERNAL, "file already closed", None)
            self._users += 1
        try:
            yield self._descriptor
        except (OSError, OverflowError) as e:
            raise Error(kind, f"{what} failed: {getattr(e, 'strerror', None) or e}".lower(), None) from None
        finally:
            with self._lock:
                self._users -= 1
                last = self._closed and self._users == 0
            if last:
                self._release()

    def close(self) -> None:
        """Again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            unused = self._users == 0
        if unused:
            self._release()

    def _release(self) -> None:
        os.close(self._descriptor)
        self._on_close()

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; b"" at the end."""
        with self._using("read") as descriptor:
            left = os.fstat(descriptor).st_size - os.lseek(descriptor, 0, os.SEEK_CUR)
            return os.read(descriptor, max(0, min(most, left, LARGEST)))

    def write(self, data: bytes) -> None:
        """Writes all of it."""
        with self._using("write") as descriptor:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]

    def seek(self, offset: int, whence: int) -> int:
        """The new position. Raises Error(Invalid) for one before the beginning."""
        with self._using("seek", INVALID) as descriptor:
            return os.lseek(descriptor, offset, whence)

    def sync(self) -> None:
        """Waits until the disk has what was written."""
        with self._using("sync") as descriptor:
            os.fsync(descriptor)

    def stat(self) -> dict[str, Any]:
        with self._using("stat") as descriptor:
            return described(self.name, os.fstat(descriptor))

    def state(self) -> State:
        with self._using("stat") as descriptor:
            return State(os.fstat(descriptor).st_size, os.lseek(descriptor, 0, os.SEEK_CUR))

    def left(self) -> int:
        """Bytes between the position and the end."""
        size, position = self.state()
        return max(size - position, 0)


class FileStream(Stream):
    """A stream over an open file: one position, one end. Raises Error(Internal) when the file is closed."""

    seekable = True

    def __init__(self, file: OpenFile) -> None:
        super().__init__()
        file.state()
        self._file = file
        self.readable = file.readable
        self.writable = file.writable

    async def _read(self, most: int) -> bytes:
        return await aside(self._file.read, most)

    async def _write(self, data: bytes) -> None:
        await aside(self._file.write, data)

    async def _seek(self, offset: int, whence: int) -> int:
        return self._file.seek(offset, whence)

    def _state(self) -> State:
        return self._file.state()

    async def _close(self) -> None:
        self._file.close()
