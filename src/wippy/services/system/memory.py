"""What a node uses of the machine: the figures behind `system.memory` (spec 03 §15)."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wippy.lua.scheduler import STACK

if TYPE_CHECKING:
    from wippy.compute.node import Node

OBJECT = 48  # bytes of a Lua object, about
MOST_THREADS = 256  # a node has at most so many shards


def allocated(node: Node) -> int:
    """Bytes in use by guests and the kernel, in all shards."""
    return sum(shard.memory for shard in node.shards)


def heap_objects(node: Node) -> int:
    """About how many objects there are, of Lua and of Python."""
    return allocated(node) // OBJECT + sys.getallocatedblocks()


def resident() -> int:
    """Bytes of the OS process that are in memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def stats(node: Node) -> dict[str, int]:
    """The figures of `system.memory.stats`. The heap is what the shards use; idle is what else the OS process holds."""
    used, system = allocated(node), resident()
    stacks = STACK * len(node.threads)
    return {
        "alloc": used,
        "total_alloc": used,
        "sys": system,
        "heap_alloc": used,
        "heap_sys": system,
        "heap_idle": max(system - used, 0),
        "heap_in_use": used,
        "heap_released": 0,
        "heap_objects": heap_objects(node),
        "stack_in_use": stacks,
        "stack_sys": stacks,
        "mspan_in_use": 0,
        "mspan_sys": 0,
        "num_gc": sum(int(generation["collections"]) for generation in gc.get_stats()),
        "next_gc": used + used * max(node.capacity.collector_percent, 0) // 100,
    }
