"""The rows of the actor core: select, monitors, many senders, many processes, threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import app
from benchmarks.isolated import each
from benchmarks.limit import Limit
from benchmarks.rows import Row, absolute, row
from wippy import Runtime
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry

SENDERS = 10_000
MILLION = 1_000_000

SELECTING = """
local time = require("time")
local function main(n)
  local peer = assert(process.spawn("bench:pong", "bench:host"))
  local inbox, events, timer = process.inbox(), process.events(), time.after("1h")
  local cases = { inbox:case_receive(), events:case_receive(), timer:case_receive() }
  for i = 1, n do
    process.send(peer, "ping", { i = i, s = "hello" })
    channel.select(cases)
  end
  process.send(peer, "stop")
end
return { main = main }
"""
MONITORING = """
local function main(n)
  local events = process.events()
  for i = 1, n do
    assert(process.spawn_monitored("bench:noop", "bench:host"))
    events:receive()
  end
end
return { main = main }
"""
SENDER = """
local function main(to, n)
  process.inbox():receive()
  for i = 1, n do process.send(to, "m", { from = n, i = i }) end
end
return { main = main }
"""
FAN_IN = """
local time = require("time")
local function main(senders, each)
  local me, inbox, pids = process.pid(), process.inbox(), {}
  for i = 1, senders do pids[i] = assert(process.spawn("bench:sender", "bench:host", me, each)) end
  local began, sum = time.now(), 0
  for i = 1, senders do process.send(pids[i], "go") end
  for i = 1, senders * each do sum = sum + inbox:receive():payload():data().i end
  return { seconds = time.now():sub(began):seconds(), sum = sum }
end
return { main = main }
"""
TICKS = """
local time = require("time")
local function main()
  local channel = time.ticker(math.random(500, 3000) * time.MILLISECOND):channel()
  while true do channel:receive() end
end
return { main = main }
"""
SPAWNS = """
local function main(id, n)
  for i = 1, n do assert(process.spawn(id, "bench:host")) end
end
return { main = main }
"""
ECHO = """
local function main()
  local inbox = process.inbox()
  while true do
    local m = inbox:receive()
    process.send(m:from(), "pong", m:payload():data())
  end
end
return { main = main }
"""
WINDOW = """
local time = require("time")
local function main(n, window)
  local inbox, peers = process.inbox(), {}
  for i = 1, 2 do peers[i] = assert(process.spawn("bench:echo", "bench:wide")) end
  local here = tonumber(process.pid():match("0x(%x+)"), 16) % 256
  local peer = peers[1]
  if tonumber(peer:match("0x(%x+)"), 16) % 256 == here then peer = peers[2] end
  process.send(peer, "ping", { i = 0 })
  inbox:receive()
  local began = time.now()
  for i = 1, window do process.send(peer, "ping", { i = i }) end
  for i = 1, n - window do
    inbox:receive()
    process.send(peer, "ping", { i = i })
  end
  for i = 1, window do inbox:receive() end
  return time.now():sub(began):seconds() / n / 2
end
return { main = main }
"""
COUNT = "return { main = function(n) local x = 0 for i = 1, n do x = x + i % 7 end return x end }"
PAIR = """
local function main(host, n)
  local events = process.events()
  for i = 1, 2 do assert(process.spawn_monitored("bench:count", host, n)) end
  for i = 1, 2 do events:receive() end
end
return { main = main }
"""


def entries() -> list[Entry]:
    started = {"auto_start": True, "stop_timeout": "100ms"}
    wide = {"host": {"workers": 2}, "lifecycle": started}
    programs = {
        "selecting": SELECTING, "monitoring": MONITORING, "sender": SENDER, "fan_in": FAN_IN, "ticks": TICKS,
        "spawns": SPAWNS, "echo": ECHO, "window": WINDOW, "count": COUNT, "pair": PAIR,
    }  # fmt: skip
    return [
        *app.entries(),
        Entry(EntryId("bench", "wide"), "process.host", {}, wide),
        *(app.lua(name, "process.lua", source, ["time"]) for name, source in programs.items()),
    ]


async def _timed(runtime: Runtime, process: str, *args: Any, host: str = "host") -> float:
    began = time.perf_counter()
    await runtime.run_process(f"bench:{process}", f"bench:{host}", *args)
    return time.perf_counter() - began


async def _relations() -> list[Row]:
    rounds, exits = 100_000, 50_000
    async with Runtime(entries=entries()) as runtime:
        await _timed(runtime, "selecting", 1000)
        ours, limit = 0.0, 0.0
        for _ in range(3):
            limit = max(limit, Limit().messages_per_second(rounds))
            ours = max(ours, 2 * rounds / await _timed(runtime, "selecting", rounds))
        await _timed(runtime, "monitoring", 1000)
        exit_us = min([await _timed(runtime, "monitoring", exits) for _ in range(3)]) / exits * 1e6
        spawn_us, _ = Limit().spawn(exits)
        fan = await runtime.run_process("bench:fan_in", "bench:host", SENDERS, 20)
        assert fan["sum"] == SENDERS * 210, f"messages were lost: {fan['sum']}"
        rate = SENDERS * 21 / fan["seconds"]
    return [
        row("select3", ours, "messages/s", "limit", limit, ">= 0.4", lambda r: r >= 0.4),
        row("monitor_exit", exit_us, "us", "limit spawn", spawn_us, "<= 4", lambda r: r <= 4),
        row("fan_in", rate, "messages/s", "limit", limit, ">= 0.4", lambda r: r >= 0.4),
    ]


async def _threads() -> list[Row]:
    async with Runtime(entries=entries()) as runtime:
        hop = min([await runtime.run_process("bench:window", "bench:wide", 30_000, 100) for _ in range(3)]) * 1e6
        alone = min([await runtime.run_process("bench:window", "bench:wide", 5_000, 1) for _ in range(2)]) * 1e6
        work = 80_000_000
        one = min([await _timed(runtime, "pair", "bench:host", work) for _ in range(2)])
        two = min([await _timed(runtime, "pair", "bench:wide", work, host="wide") for _ in range(2)])
    return [
        absolute("cross_shard", hop, "us", 12.0, "<= 12 us"),
        absolute("cross_wait", alone, "us", 200.0, "one at a time"),
        row("workers", two, "s", "one worker", one, "<= 0.6", lambda r: r <= 0.6),
    ]


async def _mass() -> list[Row]:
    async with Runtime(entries=entries()) as runtime:
        await _timed(runtime, "spawns", "bench:ticks", SENDERS)
        await asyncio.sleep(3)
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(5)
        share = (time.process_time() - used) / (time.perf_counter() - began) * 100
    return [absolute("mass", share, "% of a core", 8.0, "<= 8 %")]


async def _million() -> list[Row]:
    async with Runtime(entries=entries()) as runtime:
        before = sum(shard.memory for shard in runtime.node.shards)
        seconds = await _timed(runtime, "spawns", "bench:idle", MILLION)
        live = sum(shard.live for shard in runtime.node.shards)
        assert live >= MILLION, f"only {live} of {MILLION} processes live"
        gigabytes = (sum(shard.memory for shard in runtime.node.shards) - before) / 1e9
    return [
        absolute("million", seconds, "s", 600.0, "how long"),
        absolute("million_memory", gigabytes, "GB", 24.0, "how much"),
    ]


def rows() -> Iterator[Row]:
    return each(__name__, "_relations", "_threads", "_mass", "_million")
