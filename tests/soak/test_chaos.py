"""Random processes of a supervised tree are killed under load. `make chaos` does it for a minute (CHAOS_SECONDS)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from soak.measure import MIB, Remains, quiet, remains
from soak.tree import BRANCHES, FEEDERS, NAMES, SERVICES, WORKERS, tree
from wippy import Runtime

SECONDS = float(os.environ.get("CHAOS_SECONDS", "4"))
TOLERANCE = 2 * MIB  # of what the Lua states hold; caches of PIDs and names fill up to fixed sizes


async def chaos(runtime: Runtime, seconds: float, heard: list[Any]) -> int:
    """Starts the tree, kills for `seconds`, lets the feeders count, stops the tree. How many were killed."""
    node = runtime.node
    for name in SERVICES:
        await node.supervisor.start(name)
    pid, killer = await node.spawn("app:killer", "app:host", (BRANCHES, WORKERS, FEEDERS))
    await asyncio.sleep(seconds)
    await runtime.send(pid, "stop", 1)
    killed = await asyncio.wait_for(killer, 5)
    assert isinstance(killed, int), killed
    async with asyncio.timeout(20):
        told: set[str] = set()
        while sum(kind == "verdict" for kind, _, _ in heard) < FEEDERS:
            for i in range(1, FEEDERS + 1):
                name = f"feeder.{i}"
                if name not in told and await runtime.send(name, "stop", 1):
                    told.add(name)
            await asyncio.sleep(0.01)
    for name in reversed(SERVICES):
        await node.supervisor.stop(name)
    return killed


@pytest.mark.parametrize("threads", [0, 2])
def test_a_killed_tree_loses_no_accepted_message_no_name_and_no_memory(
    threads: int, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Any] = []
    figures: list[tuple[int, Remains, Remains]] = []

    async def work(runtime: Runtime) -> None:
        node = runtime.node
        before_all = await remains(node)
        node.bus.listen("chaos", lambda system, kind, path, data: heard.append((kind, path, data)))
        await chaos(runtime, min(0.5, SECONDS), heard)  # code, caches and tables are there from now on
        await quiet(node, before_all.live)
        heard.clear()
        before = await remains(node)
        killed = await chaos(runtime, SECONDS / 2, heard)
        await quiet(node, before_all.live)
        figures.append((killed, before, await remains(node)))
        assert [name for name in NAMES if await runtime.node.lookup(name)] == []

    asyncio.run(session(threads, work))
    killed, before, after = figures[0]
    verdicts = [data for kind, _, data in heard if kind == "verdict"]
    restarts = sum(kind == "restart" for kind, _, _ in heard)
    sent, checked = (sum(v[key] for v in verdicts) for key in ("sent", "checked"))
    with capsys.disabled():
        print(
            f"\nchaos threads={threads}: {killed} killed, {restarts} restarted by branches, {sent} messages, {checked} "
            f"of them counted by living receivers; Lua {before.bytes / MIB:.2f} -> {after.bytes / MIB:.2f} MiB, "
            f"resident {before.resident / MIB:.0f} -> {after.resident / MIB:.0f} MiB"
        )
    assert [each for each in heard if each[0] in ("lost", "leak")] == []
    assert all(v["wrong"] == 0 for v in verdicts) and checked > 0
    assert killed > 20 and restarts > 10
    assert after.bytes - before.bytes < TOLERANCE


async def session(threads: int, work: Any) -> None:
    async with tree(threads).runtime() as runtime:
        await asyncio.wait_for(work(runtime), SECONDS + 60)
