"""One thread that does blocking work in order, for callers on the event loop."""

from __future__ import annotations

import asyncio
import collections
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Worker:
    """Runs calls one after the other on a thread of its own; results come back to the loop in batches.

    To be used from the loop's thread. A round trip costs two wake-ups of a thread, however short the call is.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._results: collections.deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = collections.deque()
        self._announced = False
        self._outstanding = 0
        self._current: asyncio.Future[Any] | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Runs `call(*args)` after everything submitted before. A future cancelled before its turn skips the call."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._outstanding += 1
        self._jobs.put((future, call, args))
        return future

    @property
    def idle(self) -> bool:
        """Whether every call submitted so far has been answered."""
        return self._outstanding == 0

    def interrupt(self, future: asyncio.Future[Any], stop: Callable[[], None]) -> None:
        """Calls `stop` if the call behind `future` is the one that is running."""
        with self._guard:
            if self._current is future:
                stop()

    def close(self) -> None:
        """Ends the thread after what was submitted."""
        self._jobs.put(None)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            future, call, args = job
            result: Any = None
            error: BaseException | None = None
            if not future.cancelled():
                self._current = future
                try:
                    result = call(*args)
                except BaseException as e:
                    error = e
                with self._guard:
                    self._current = None
            self._results.append((future, result, error))
            if not self._announced:
                self._announced = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return

    def _deliver(self) -> None:
        self._announced = False
        while self._results:
            future, result, error = self._results.popleft()
            self._outstanding -= 1
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
