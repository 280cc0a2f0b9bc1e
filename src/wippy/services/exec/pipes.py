"""The ends of a child's pipes that we hold: output read when a guest reads, input written when it fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wippy.core.errors import internal
from wippy.services.exec.descriptor import Descriptor
from wippy.services.stream.stream import State, Stream

Take = Callable[[Descriptor, int], bytes | None]

DISCARDED = 64 * 1024
FULL = 48 * 1024
"""Bytes waiting from which on a writer is about to be kept waiting; a pipe of Linux holds 64 KiB."""


class Output(Stream):
    """What a child writes. Nothing is kept on our side: the child waits when nobody reads.

    `wanted`: a guest has it. `reads` counts readings, `pending` those that wait.
    """

    readable = True

    def __init__(self) -> None:
        super().__init__()
        self._source: Descriptor | None = None
        self._take: Take = Descriptor.read
        self._attached = asyncio.Event()
        self._position = 0
        self.wanted = False
        self.reads = 0
        self.pending = 0

    def attach(self, source: Descriptor, take: Take = Descriptor.read) -> None:
        """Where it comes from; readings that were made before wait for that. `take` reads from it: up to so many bytes,
        None for nothing yet, b"" at the end."""
        self._source = source
        self._take = take
        if self.closed:
            source.close()
        self._attached.set()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes out of it."""
        return self.closed or (self._source is not None and self._source.closed)

    @property
    def full(self) -> bool:
        """Whether the child is, or is about to be, kept waiting."""
        source = self._source
        return source is not None and not source.closed and source.waiting_bytes >= FULL

    async def _read(self, most: int) -> bytes:
        self.reads += 1
        self.pending += 1
        try:
            await self._attached.wait()
            data = await self._next(most)
        finally:
            self.pending -= 1
        self._check_open()
        self._position += len(data)
        return data

    async def _next(self, most: int) -> bytes:
        """Up to `most` bytes as soon as there are any; b"" at the end, and when it is closed."""
        source = self._source
        while source is not None and not source.closed:
            data = self._take(source, most)
            if data is not None:
                if not data:
                    source.close()
                return data
            await source.ready()
        return b""

    async def discard(self) -> None:
        """Throws away what comes, until somebody reads or to the end."""
        reads = self.reads
        source = self._source
        while source is not None and not source.closed and self.reads == reads:
            data = self._take(source, DISCARDED)
            if data is None:
                await source.ready()
            elif not data:
                source.close()

    def _state(self) -> State:
        return State(-1, self._position)

    async def _close(self) -> None:
        self._attached.set()
        if self._source is not None:
            self._source.close()


class Input(Stream):
    """What a child reads."""

    writable = True

    def __init__(self) -> None:
        super().__init__()
        self._target: Descriptor | None = None
        self._position = 0

    def attach(self, target: Descriptor) -> None:
        """Where it goes."""
        self._target = target
        if self.closed:
            target.close()

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._target is None or self._target.closed:
                raise internal("stdin is closed")
            count = self._target.write(view)
            if count == 0:
                await self._target.ready()
            view = view[count:]
            self._position += count

    def _state(self) -> State:
        return State(-1, self._position)

    async def _close(self) -> None:
        if self._target is not None:
            self._target.close()
