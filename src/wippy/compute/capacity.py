"""What a node may use: memory of its Lua states, threads, the effort of the collector. Changeable while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wippy.lua.shard import Shard

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LEAST_MEMORY = 32 << 20  # bytes: what the runtime itself needs, or every process would be ended
UNLIMITED = 1 << 46


class Capacity:
    """The limits of one node. `post` queues a kernel call in a shard."""

    def __init__(self, memory: int, post: Callable[..., None]) -> None:
        self.memory = memory
        """Bytes each shard may use; -1 when that is not limited."""
        self.threads = CORES
        """The most threads for processes of hosts that start from now on."""
        self.collector_percent = 100
        """How much garbage, in percent of what is in use, a shard gathers before it collects; negative: hardly ever."""
        self.changed = False
        """Whether shards are to be told more than their memory."""
        self._post = post

    def set_memory(self, limit: int, shards: Sequence[Shard]) -> int:
        """Another limit for all shards; the previous one."""
        before, self.memory = self.memory, limit
        self._tell(shards)
        return before

    def set_collector_percent(self, percent: int, shards: Sequence[Shard]) -> int:
        """Another percentage for all shards; the previous one."""
        before, self.collector_percent = self.collector_percent, percent
        self._tell(shards)
        return before

    def _tell(self, shards: Sequence[Shard]) -> None:
        self.changed = True
        for shard in shards:
            self.apply(shard)

    @property
    def enforced_memory(self) -> int:
        return UNLIMITED if self.memory < 0 else max(self.memory, LEAST_MEMORY)

    def apply(self, shard: Shard) -> None:
        """Tells a shard what holds now."""
        shard.limit_memory(self.enforced_memory)
        self._post(shard, "set_soft", float(self.enforced_memory))
        self._post(shard, "set_pause", self._pause())

    def _pause(self) -> int:
        """Lua's parameter: percent of the memory in use at which the next collection begins."""
        return 1000 if self.collector_percent < 0 else min(100 + self.collector_percent, 1000)
