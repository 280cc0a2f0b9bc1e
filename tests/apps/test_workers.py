"""Process hosts with several workers: shards on threads (issue 4 "Many shards")."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from apps.guest import App
from wippy.lua.shard import Shard

ECHO = """
    local inbox = process.inbox()
    while true do
      local m = inbox:receive()
      process.send(m:from(), m:topic(), m:payload():data())
    end
"""


def app() -> App:
    return App(workers=2).process("echo", ECHO).process("waiting", "process.inbox():receive()")


def test_processes_are_spread_and_messages_keep_their_order() -> None:
    found = app().run(
        """
        local peers, topics = {}, {}
        for i = 1, 4 do
          peers[i] = spawn("echo")
          topics[i] = process.listen("t" .. i)
        end
        for n = 1, 500 do
          for i = 1, 4 do process.send(peers[i], "t" .. i, n) end
        end
        local last = {}
        for i = 1, 4 do
          for n = 1, 500 do
            if topics[i]:receive() ~= n then return "out of order" end
          end
        end
        local shards = {}
        for i = 1, 4 do shards[tonumber(peers[i]:match("0x(%x+)"), 16) % 256] = true end
        local n = 0
        for _ in pairs(shards) do n = n + 1 end
        return n
        """
    )
    assert found == min(2, len(os.sched_getaffinity(0)))


def test_links_monitors_names_and_cancellation_cross_threads() -> None:
    found = app()
    found.process("obedient", "local e = process.events():receive() return { e.kind, e.reason }")
    found.process("failing", "process.inbox():receive() error('failed on another thread', 0)")
    assert found.run(
        """
        process.set_options({ trap_links = true })
        local events, out = process.events(), {}
        for i = 1, 4 do
          local a = spawn_monitored("obedient")
          local b = spawn_linked("failing")
          process.with_context({}):with_name("named." .. i):spawn("app:waiting", "app:host")
          process.cancel(a, "reason " .. i)
          process.send(b, "fail")
          local got = {}
          for _ = 1, 2 do
            local e = within(events)
            got[e.kind] = e.kind == "pid.exit" and e.result.value[2] or tostring(e.result.error)
          end
          got.named = process.send("named." .. i, "bye")
          out[i] = got
        end
        return out
        """
    ) == [{"pid.exit": f"reason {i}", "pid.link.down": "failed on another thread", "named": True} for i in range(1, 5)]


def test_functions_and_operations_work_on_every_thread() -> None:
    found = App(workers=2)
    found.function("twice", "time.sleep('1ms') return (...) * 2")
    found.process("asks", "local to, n = ... process.send(to, 'r', (funcs.call('app:twice', n)))")
    assert found.run(
        """
        local sum, results = 0, process.listen("r")
        for i = 1, 50 do spawn("asks", process.pid(), i) end
        for i = 1, 50 do sum = sum + results:receive() end
        return sum
        """
    ) == 2 * sum(range(1, 51))


def test_the_event_bus_reaches_processes_of_every_thread() -> None:
    found = App(workers=2)
    found.process(
        "hears",
        """
        local sub = events.subscribe("news")
        process.send((...), "ready")
        return sub:channel():receive().data
        """,
    )
    assert (
        found.run(
            """
        local inbox, exits = process.inbox(), process.events()
        for _ = 1, 4 do spawn_monitored("hears", process.pid()) end
        for _ = 1, 4 do inbox:receive() end
        events.send("news", "kind", "/path", { n = 1 })
        local sum = 0
        for _ = 1, 4 do sum = sum + within(exits).result.value.n end
        return sum
        """
        )
        == 4
    )


def test_a_failure_to_start_is_told_across_threads() -> None:
    found = App(workers=2)
    found.add("bad", "process.lua", source="error('in the body')", method="main")
    assert (
        found.run(
            """
        local texts = {}
        for i = 1, 4 do
          local pid, err = process.spawn("app:bad", "app:host")
          texts[i] = pid == nil and tostring(err):find("in the body") ~= nil
        end
        return texts
        """
        )
        == [True] * 4
    )


def test_two_computations_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of two threads overlap: guest code does not hold the interpreter's lock. How much faster that is on free
    cores the benchmark `workers` tells."""
    turns: dict[int, list[tuple[float, float]]] = {}
    call = Shard.call

    def timed(self: Shard, name: str, *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(self, name, *args)
        finally:
            if name == "turn":
                turns.setdefault(self.index, []).append((began, time.perf_counter()))

    monkeypatch.setattr(Shard, "call", timed)
    found = App(workers=2)
    found.process("counts", "local x = 0 for i = 1, 20000000 do x = x + i % 7 end return x")
    found.run(
        """
        local events = process.events()
        for _ = 1, 2 do spawn_monitored("counts") end
        for _ = 1, 2 do events:receive() end
        """
    )
    first, second = (turns[index] for index in sorted(turns)[-2:])
    overlaps = sum(1 for a, b in first for c, d in second if a < c < b or c < a < d)
    assert overlaps > 20, f"{len(first)} and {len(second)} turns"


def test_rescaling_a_live_host_moves_nobody() -> None:
    found = App().process("echo", ECHO)
    found.process(
        "main",
        """
        local first = process.spawn("app:echo", "app:host")
        local c = registry.snapshot():changes()
        local lifecycle = { auto_start = true, stop_timeout = "100ms" }
        c:update({ id = "app:host", kind = "process.host", data = { host = { workers = 2 }, lifecycle = lifecycle } })
        assert(c:apply())
        local reply, sum = process.listen("x"), 0
        for i = 1, 6 do
          process.send(process.spawn("app:echo", "app:host"), "x", i)
          sum = sum + reply:receive()
        end
        process.send(first, "x", 100)
        return sum + reply:receive()
        """,
        modules=["registry"],
    )
    assert found.use(lambda runtime: runtime.run_process("app:main", "app:host")) == 121


def test_a_process_of_another_thread_is_not_found_once_its_end_is_known() -> None:
    found = App(workers=2)
    found.process("counts", "local n = 0 for i = 1, (...) do process.inbox():receive() n = n + 1 end return n")
    assert (
        found.run(
            """
        local out = {}
        for i = 1, 6 do
          local pid = spawn_monitored("counts", 5)
          for n = 1, 5 do assert(process.send(pid, "n", n)) end
          local event = within(process.events())
          local ok, err = process.send(pid, "late", 1)
          out[i] = { event.result.value, ok == nil, tostring(err) }
        end
        return out
        """
        )
        == [[5, True, "process not found"]] * 6
    )
