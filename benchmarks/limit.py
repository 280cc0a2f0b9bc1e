"""The yardstick: a bare scheduler in Lua (limit.lua) with mailboxes and message copying and nothing else.

It shows what one core can do when actors are coroutines in one Lua state. Our figures are divided by these, in one run.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lupa.lua55 as lua55

PONG = """return function()
  while true do
    local m = process.receive()
    if m.topic == "stop" then return end
    process.send(m.from, "pong", m.data)
  end
end"""
PING = """return function(peer, n)
  for i = 1, n do
    process.send(peer, "ping", {i = i, s = "hello"})
    process.receive()
  end
  process.send(peer, "stop")
end"""
IDLE = "return function() process.receive() end"


class Limit:
    """One bare scheduler."""

    def __init__(self) -> None:
        self._lua = lua55.LuaRuntime(unpack_returned_tuples=True)
        self._kernel: Any = self._lua.execute(Path(__file__).with_name("limit.lua").read_text())
        for name, source in (("pong", PONG), ("ping", PING), ("idle", IDLE)):
            self._kernel.load(name, source)

    def _drain(self) -> None:
        while self._kernel.run(1_000_000)[1]:
            pass

    def messages_per_second(self, rounds: int) -> float:
        self._kernel.spawn("ping", self._kernel.spawn("pong"), rounds)
        start = time.perf_counter()
        self._drain()
        return 2 * rounds / (time.perf_counter() - start)

    def spawn(self, actors: int) -> tuple[float, float]:
        """Microseconds and kilobytes for each idle actor."""
        self._kernel.gc()
        before = self._kernel.mem()
        start = time.perf_counter()
        for _ in range(actors):
            self._kernel.spawn("idle")
        self._drain()
        elapsed = time.perf_counter() - start
        self._kernel.gc()
        return elapsed / actors * 1e6, (self._kernel.mem() - before) / actors

    def pause(self, rounds: int) -> float:
        """Milliseconds of the longest 200 scheduling steps while two actors chat."""
        self._kernel.spawn("ping", self._kernel.spawn("pong"), rounds)
        longest = 0.0
        while True:
            start = time.perf_counter()
            left = self._kernel.run(200)[1]
            longest = max(longest, time.perf_counter() - start)
            if not left:
                return longest * 1e3
