"""The rows measured inside one running application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import lupa.lua55 as lua55

from benchmarks import app
from benchmarks.isolated import each
from benchmarks.limit import Limit
from benchmarks.pykka_chat import messages_per_second as pykka_messages
from benchmarks.rows import Row, absolute, row
from wippy import Runtime

IDLE = 100_000


async def _timed(runtime: Runtime, process: str, *args: Any) -> float:
    start = time.perf_counter()
    await runtime.run_process(f"bench:{process}", "bench:host", *args)
    return time.perf_counter() - start


async def _message() -> list[Row]:
    rounds = 200_000
    async with Runtime(entries=app.entries()) as runtime:
        await _timed(runtime, "ping", 1000)
        ours, limit = 0.0, 0.0
        for _ in range(3):
            limit = max(limit, Limit().messages_per_second(rounds))
            ours = max(ours, 2 * rounds / await _timed(runtime, "ping", rounds))
        pykka = pykka_messages(5_000)
        return [
            row("message", ours, "messages/s", "limit", limit, ">= 0.5", lambda r: r >= 0.5),
            row("message_pykka", ours, "messages/s", "pykka", pykka, ">= 15", lambda r: r >= 15),
        ]


async def _call() -> list[Row]:
    calls = 100_000
    async with Runtime(entries=app.entries()) as runtime:
        await _timed(runtime, "caller", 1000)
        await _timed(runtime, "contract_caller", 1000)
        best = min([await _timed(runtime, "caller", calls) for _ in range(3)])
        through = min([await _timed(runtime, "contract_caller", calls) for _ in range(3)])
        return [
            absolute("call", best / calls * 1e6, "us", 6.0, "<= 6 us"),
            row("contract", through / calls * 1e6, "us", "call", best / calls * 1e6, "<= 1.15", lambda r: r <= 1.15),
        ]


async def _population() -> list[Row]:
    """Spawn to exit; memory of idle processes; the longest stop a ticker sees among them."""
    limit = Limit()
    limit_spawn, limit_idle = limit.spawn(IDLE)
    limit_pause = limit.pause(1_000_000)
    del limit
    async with Runtime(entries=app.entries()) as runtime:
        node = runtime.node
        await _timed(runtime, "churn", 1000)
        churn = min([await _timed(runtime, "churn", IDLE) for _ in range(2)])
        before = sum([await node.ask(shard, "settled_memory") for shard in node.shards])
        await _timed(runtime, "many", IDLE)
        after = sum([await node.ask(shard, "settled_memory") for shard in node.shards])
        live = sum(shard.live for shard in node.shards)
        pause = await _longest_gap(runtime)
        kilobytes = (after - before) / IDLE / 1024
        rows = [
            row("spawn", churn / IDLE * 1e6, "us", "limit", limit_spawn, "<= 3", lambda r: r <= 3),
            row("idle", kilobytes, "KB", "limit", limit_idle, "<= 2.5", lambda r: r <= 2.5),
            row("pause", pause, "ms", "limit", limit_pause, "<= 0.6", lambda r: r <= 0.6),
        ]
        assert live >= IDLE, f"only {live} of {IDLE} processes live"
        return rows


async def _longest_gap(runtime: Runtime) -> float:
    """Milliseconds a 5 ms ticker on the event loop comes late at most while two processes chat."""
    loop = asyncio.get_running_loop()
    chat = asyncio.ensure_future(_timed(runtime, "ping", 1_000_000))
    longest, due = 0.0, loop.time() + 0.005
    while not chat.done():
        await asyncio.sleep(max(0.0, due - loop.time()))
        longest = max(longest, loop.time() - due)
        due = loop.time() + 0.005
    return longest * 1e3


async def _fair() -> list[Row]:
    async with Runtime(entries=app.entries()) as runtime:
        spinning = [await runtime.spawn("bench:spin", "bench:host") for _ in range(4)]
        late = await runtime.run_process("bench:ticker", "bench:host", 10, 300)
        for pid in spinning:
            runtime.node.terminate(pid)
        p99 = sorted(abs(x) for x in late)[int(len(late) * 0.99)]
        return [absolute("fair", p99, "ms", 20.0, "p99 <= 20 ms")]


def _bare(source: str) -> float:
    lua = lua55.LuaRuntime()
    best = float("inf")
    for _ in range(3):
        chunk = lua.compile(source)
        start = time.perf_counter()
        chunk()
        best = min(best, time.perf_counter() - start)
    return best


async def _cpu() -> list[Row]:
    async with Runtime(entries=app.entries()) as runtime:
        fib = min([await _timed(runtime, "fib") for _ in range(3)])
        text = min([await _timed(runtime, "text") for _ in range(3)])
    return [
        row("cpu", fib, "s", "bare lupa", _bare(app.FIB % 30), "<= 1.8", lambda r: r <= 1.8),
        row("cpu_text", text, "s", "bare lupa", _bare(app.TEXT % 1_000_000), "<= 1.25", lambda r: r <= 1.25),
    ]


def rows() -> Iterator[Row]:
    return each(__name__, "_message", "_population", "_call", "_cpu", "_fair")
