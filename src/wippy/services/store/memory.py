"""The memory store: a bounded map that lives as long as its service (spec 04a §2.3)."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from wippy.core.errors import already_exists, conflict, not_found, unavailable
from wippy.services.store.base import ALWAYS, Capabilities, Condition, Page, Record, Store


class _Item(msgspec.Struct, frozen=True):
    record: Record
    expires: float | None


class MemoryStore(Store):
    """Expiry is enforced on access; the cleanup every `interval` seconds only frees memory.

    At `max_size` keys a new one is refused with Error(Unavailable), once expired ones have been dropped.
    """

    capabilities = Capabilities("memory", "local", False, True, True, True, True)

    def __init__(self, max_size: int, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._items: dict[str, _Item] = {}
        self._keys: list[str] = []  # sorted; an insertion among 10,000 keys takes 2 us
        self._max_size = max_size
        self._interval = interval
        self._clock = clock
        self._version = 0
        self._cleaning: asyncio.Task[None] | None = None
        self._running = False

    # Service

    async def start(self) -> str:
        self._running = True
        self._cleaning = asyncio.get_running_loop().create_task(self._clean())
        return "memory store ready"

    async def stop(self) -> None:
        """Drops everything."""
        self._running = False
        if self._cleaning is not None:
            self._cleaning.cancel()
            self._cleaning = None
        self._items.clear()
        self._keys.clear()

    def resize(self, max_size: int, interval: float) -> None:
        """New limits for a live store; what it holds stays."""
        self._max_size, self._interval = max_size, interval

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.purge()

    def purge(self) -> None:
        """Drops what has expired."""
        now = self._clock()
        for key in [key for key, item in self._items.items() if item.expires is not None and item.expires <= now]:
            self._drop(key)

    # Store

    async def get(self, key: str) -> Record:
        item = self._live(key)
        if item is None:
            raise not_found("key not found")
        return item.record

    async def has(self, key: str) -> bool:
        return self._live(key) is not None

    async def put(self, key: str, value: Any, ttl: float, condition: Condition = ALWAYS) -> Record:
        known = self._live(key)
        _check(condition, known)
        if known is None and len(self._items) >= self._max_size:
            self.purge()
            if len(self._items) >= self._max_size:
                raise unavailable("store is full")
        self._version += 1
        record = Record(key, value, str(self._version))
        if known is None:
            insort(self._keys, key)
        self._items[key] = _Item(record, self._clock() + ttl if ttl > 0 else None)
        return record

    async def delete(self, key: str) -> bool:
        if self._live(key) is None:
            return False
        self._drop(key)
        return True

    async def list(self, prefix: str, after: str, limit: int) -> Page:
        self._require_running()
        now = self._clock()
        found: list[Record] = []
        for key in self._matching(prefix):
            item = self._items[key]
            if key <= after or (item.expires is not None and item.expires <= now):
                continue
            if len(found) == limit:
                return Page(found, found[-1].key, True)
            found.append(item.record)
        return Page(found, found[-1].key if found else "")

    def _matching(self, prefix: str) -> Iterator[str]:
        """The keys with a prefix, in order. A prefix without a namespace also means the empty namespace."""
        keys = self._keys
        prefixes = {prefix} if ":" in prefix or not prefix else {prefix, f":{prefix}"}
        for wanted in sorted(prefixes):
            for at in range(bisect_left(keys, wanted), len(keys)):
                if not keys[at].startswith(wanted):
                    break
                yield keys[at]

    def _drop(self, key: str) -> None:
        del self._items[key]
        del self._keys[bisect_left(self._keys, key)]

    def _live(self, key: str) -> _Item | None:
        """The item of a key unless it has expired; an expired one is dropped."""
        self._require_running()
        item = self._items.get(key)
        if item is None or item.expires is None or item.expires > self._clock():
            return item
        self._drop(key)
        return None

    def _require_running(self) -> None:
        if not self._running:
            raise unavailable("store is not running")


def _check(condition: Condition, known: _Item | None) -> None:
    if condition.only_if_absent and known is not None:
        raise already_exists("key already exists")
    if condition.if_version is None:
        return
    if known is None:
        raise not_found("key not found")
    if known.record.version != str(condition.if_version):
        raise conflict("version mismatch", retryable=True, version=known.record.version)
