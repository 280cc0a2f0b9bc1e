"""One analysis for all clients: its thread, the registry it follows, the indexing in the background.

Everything that reads code runs in one thread of its own, so that the event loop is never held up; indexing is cut into
slices with pauses between them, so that a request waits for one slice at most and the rest of the runtime gets its
turn.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from wippy.services.lsp.entries import Snapshot
from wippy.services.lsp.features import Features
from wippy.services.lsp.naming import Naming

log = logging.getLogger("wippy.lsp")

T = TypeVar("T")

SLICE = 0.02  # seconds of indexing before other work of the thread gets its turn
PAUSE = 0.02  # seconds between two slices, in which the thread gives the processor away


class Language:
    """Answers about the entries of a registry. `start` and `stop` belong to an event loop."""

    def __init__(self, entries: Snapshot, naming: Naming | None = None) -> None:
        self._features = Features(entries, naming or Naming())
        self._thread = ThreadPoolExecutor(1, "wippy-lsp")
        self._indexing: asyncio.Task[None] | None = None
        self._wanted = False

    async def run(self, work: Callable[[Features], T]) -> T:
        """Does something in the thread of the analysis, after what was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._done, work)

    def _done(self, work: Callable[[Features], T]) -> T:
        try:
            return work(self._features)
        finally:
            self._features.settle()

    def replace(self, entries: Snapshot, changed: Iterable[str]) -> None:
        """The registry has changed."""
        changed = list(changed)
        self._thread.submit(lambda: self._features.replace(entries, changed))
        if self._wanted:
            self.index()

    def leave(self, client: Hashable) -> None:
        """A client has gone with its unsaved text."""
        self._thread.submit(lambda: self._features.leave(client))

    def index(self) -> None:
        """Indexes in the background what is not indexed yet. The first client that comes asks for it."""
        self._wanted = True
        if self._indexing is None or self._indexing.done():
            self._indexing = asyncio.get_running_loop().create_task(self._index())

    async def indexed(self) -> None:
        """Waits until everything that is there now is indexed."""
        self.index()
        assert self._indexing is not None
        await asyncio.shield(self._indexing)

    async def _index(self) -> None:
        began, count = time.perf_counter(), 0
        while missing := await self.run(lambda features: features.missing()):
            while missing:
                missing, done = await self.run(partial(_slice, waiting=missing))
                count += done
                await asyncio.sleep(PAUSE)
        if count:
            log.debug("indexed %d entries in %.1f s", count, time.perf_counter() - began)

    async def stop(self) -> None:
        if self._indexing is not None:
            self._indexing.cancel()
        self._thread.submit(self._features.close)
        self._thread.shutdown(wait=False)


def _slice(features: Features, waiting: list[str]) -> tuple[list[str], int]:
    """Indexes some of these entries; the others, and how many were done."""
    until = time.perf_counter() + SLICE
    for done, entry_id in enumerate(waiting, 1):
        try:
            features.learn(entry_id)
        except Exception:
            log.exception("%s cannot be indexed", entry_id)
        features.settle()
        if time.perf_counter() > until:
            return waiting[done:], done
    return [], len(waiting)
