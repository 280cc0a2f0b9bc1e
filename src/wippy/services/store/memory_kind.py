"""Kind `store.memory` (spec 04a §2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.core.config import Duration
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.store.memory import MemoryStore

if TYPE_CHECKING:
    from wippy.compute.node import Node

DEFAULT_SIZE = 10_000
DEFAULT_INTERVAL = 300 * 1_000_000_000


class MemoryStoreConfig(msgspec.Struct, frozen=True):
    """0 means the default, for the size as for the interval."""

    max_size: Annotated[int, msgspec.Meta(ge=0)] = DEFAULT_SIZE
    """How many keys it holds; 0: 10000."""
    cleanup_interval: Duration = Duration(DEFAULT_INTERVAL)
    """How often expired keys are removed; 0s: 5m."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs."""

    @property
    def limits(self) -> tuple[int, float]:
        if self.cleanup_interval < 0:
            raise invalid("cleanup_interval must not be negative")
        return self.max_size or DEFAULT_SIZE, (self.cleanup_interval or DEFAULT_INTERVAL) / 1e9


class MemoryStoreHandler(KindHandler[MemoryStoreConfig]):
    """Keys and values in memory."""

    kind = "store.memory"
    config = MemoryStoreConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: MemoryStoreConfig) -> None:
        name = str(entry.id)
        store = MemoryStore(*config.limits)
        self._node.supervisor.add(name, store, config.lifecycle)
        self._node.resources[name] = store

    async def update(self, entry: Entry, config: MemoryStoreConfig, previous: Entry) -> None:
        """New limits; the content stays."""
        name = str(entry.id)
        self._node.resources[name].resize(*config.limits)
        self._node.supervisor.change(name, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        self._node.retired.retire(str(entry.id))

    async def restore(self, entry: Entry, config: MemoryStoreConfig) -> None:
        self._node.retired.revive(str(entry.id))
