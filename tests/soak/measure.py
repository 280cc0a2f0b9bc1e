"""What stays behind: live processes, names, and bytes in use after collections, over all shards of a node."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import NamedTuple

from wippy.compute.node import Node

MIB = 1 << 20


class Remains(NamedTuple):
    live: int
    bytes: int  # in the Lua states
    resident: int  # of the whole OS process


async def remains(node: Node) -> Remains:
    """Raises TimeoutError when an answer takes longer than ten seconds."""
    gc.collect()
    async with asyncio.timeout(10):
        live = sum([await node.ask(shard, "live") for shard in node.shards])
        used = sum([await node.ask(shard, "settled_memory") for shard in node.shards])
    return Remains(live, used, resident())


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def quiet(node: Node, live: int) -> None:
    """Waits until so many processes are left. Raises AssertionError after five seconds."""
    deadline = time.monotonic() + 5
    while (now := (await remains(node)).live) != live:
        assert time.monotonic() < deadline, f"{now} processes are left, not {live}"
        await asyncio.sleep(0.02)
