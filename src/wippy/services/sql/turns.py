"""Who may use a single connection: everybody, or one transaction at a time."""

from __future__ import annotations

import asyncio
import collections


class Turns:
    """A fair gate. `shared` lets a caller through to submit one statement, `exclusive` gives it the connection until
    `release`. Callers get their turn in the order in which they came; cancelling one that waits takes it out of the
    queue.

    Invariant: between a grant to a shared caller and the moment it goes on, nobody gets the connection for itself.
    """

    def __init__(self) -> None:
        self._held = False
        self._granted = 0
        self._waiting: collections.deque[tuple[asyncio.Future[None], bool]] = collections.deque()
        self.wait_count = 0

    @property
    def held(self) -> bool:
        return self._held

    async def shared(self) -> None:
        """Returns when a statement may be submitted, at once if nobody holds the connection."""
        if not self._held and not self._waiting:
            return
        try:
            await self._wait(exclusive=False)
        finally:
            self._advance()

    async def exclusive(self) -> None:
        """Returns when the connection belongs to the caller."""
        if self._held or self._waiting or self._granted:
            await self._wait(exclusive=True)
        self._held = True

    def release(self) -> None:
        """Gives the connection back."""
        self._held = False
        self._advance()

    async def _wait(self, *, exclusive: bool) -> None:
        self.wait_count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, exclusive))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                if exclusive:
                    self.release()
                else:
                    self._granted -= 1
            raise
        if not exclusive:
            self._granted -= 1

    def _advance(self) -> None:
        while self._waiting and not self._held:
            future, exclusive = self._waiting[0]
            if not future.done():
                if exclusive and self._granted:
                    return
                if exclusive:
                    self._held = True
                else:
                    self._granted += 1
                future.set_result(None)
            self._waiting.popleft()
