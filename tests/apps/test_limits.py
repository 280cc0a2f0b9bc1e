"""Budgets of processes and calls (`limits:` of hosts and functions)."""

from __future__ import annotations

from typing import Any

import pytest

from apps.guest import App
from wippy import Error

NEIGHBOUR = """
    local inbox = process.inbox()
    while true do
      local m = inbox:receive()
      process.send(m:from(), "pong", m:payload():data())
    end
"""
FAILURE = """
    local e = within(process.events(), "15s").result.error
    process.send(neighbour, "ping", 7)
    local pong = within(process.inbox()):payload():data()
    return { e:kind(), tostring(e), e:details().limit, pong }
"""


def ended(limits: dict[str, Any], guilty: str, drive: str = "") -> Any:
    """How a process ends that runs under `limits`; a neighbour on another host must go on."""
    app = App()
    app.add("limited", "process.host", limits=limits, lifecycle={"auto_start": True, "stop_timeout": "100ms"})
    app.process("neighbour", NEIGHBOUR).process("guilty", guilty)
    return app.run(
        f"""
        local neighbour = spawn("neighbour")
        local pid = process.spawn_monitored("app:guilty", "app:limited", process.pid())
        {drive}
        {FAILURE}
        """
    )


def test_a_slice_of_processor_time() -> None:
    kind, text, limit, pong = ended({"cpu_slice": "30ms"}, "while true do end")
    assert (kind, limit, pong) == ("Internal", "cpu_slice", 7)
    assert "limit exceeded: cpu_slice: the process ran" in text and "its limit is 30 ms" in text


def test_pauses_end_a_slice() -> None:
    app = App()
    app.add("limited", "process.host", limits={"cpu_slice": "200ms"}, lifecycle={"auto_start": True})
    app.process(
        "polite", "local x = 0 for i = 1, 60 do for k = 1, 200000 do x = x + k end time.sleep('1ms') end return 'done'"
    )
    assert app.run("return process.exec('app:polite', 'app:limited')") == "done"


def test_processor_time_in_total() -> None:
    guilty = "while true do local x = 0 for k = 1, 20000 do x = x + k end time.sleep('1ms') end"
    kind, text, limit, pong = ended({"cpu_total": "50ms"}, guilty)
    assert (kind, limit, pong) == ("Internal", "cpu_total", 7)
    assert "its limit is 50 ms" in text


@pytest.mark.parametrize(
    "guilty",
    [
        "local all = {} while true do all[#all + 1] = ('x'):rep(1000) .. #all end",
        "local all = {} while true do all[#all + 1] = { #all } if #all % 100 == 0 then time.sleep('1ms') end end",
        "local s = 'x' while true do s = s .. s time.sleep('1ms') end",
        "local function deep(n) return { n, deep(n + 1) } end return deep(1)",
    ],
)
def test_memory(guilty: str) -> None:
    kind, text, limit, pong = ended({"memory": "2MB"}, guilty)
    assert (kind, limit, pong) == ("Internal", "memory", 7)
    assert "its limit is 2000000 bytes" in text


def test_garbage_is_not_held() -> None:
    app = App()
    app.add("limited", "process.host", limits={"memory": "1MiB"}, lifecycle={"auto_start": True})
    app.process("wasteful", "for i = 1, 30000 do local s = ('x'):rep(500) .. i end return 'done'")
    assert app.run("return process.exec('app:wasteful', 'app:limited')") == "done"


@pytest.mark.parametrize(
    "guilty", ["process.events():receive()", "local t = process.listen('m') process.events():receive()"]
)
def test_unread_messages(guilty: str) -> None:
    kind, text, limit, pong = ended({"mailbox": 100}, guilty, "for i = 1, 150 do process.send(pid, 'm', i) end")
    assert (kind, limit, pong) == ("RateLimited", "mailbox", 7)
    assert "has 101 unread messages, its limit is 100" in text


def test_messages_per_second() -> None:
    kind, text, limit, pong = ended(
        {"messages_per_second": 1000},
        "local to = ... while true do process.send(to, 'flood', 1) end",
        "process.listen('flood')",
    )
    assert (kind, limit, pong) == ("RateLimited", "messages_per_second", 7)
    assert "its limit is 1000" in text


def test_a_call_has_a_budget_of_its_own() -> None:
    app = App()
    app.function(
        "spins", "if ... then while true do end end return 'ok'", limits={"cpu_total": "30ms"}, pool={"type": "inline"}
    )
    app.function("hoards", "local t = {} while true do t[#t + 1] = { #t } end", limits={"memory": 1_000_000})
    found = app.run(
        """
        local out = {}
        for i = 1, 3 do
          local _, err = funcs.call("app:spins", true)
          out[i] = { err:kind(), err:details().limit, funcs.call("app:spins") }
        end
        local _, err = funcs.call("app:hoards")
        out[4] = { err:kind(), err:details().limit }
        return out
        """
    )
    assert found == [["Internal", "cpu_total", "ok"]] * 3 + [["Internal", "memory"]]


def test_limits_of_a_host_on_threads() -> None:
    app = App(workers=2)
    lifecycle = {"auto_start": True, "stop_timeout": "100ms"}
    app.add(
        "limited", "process.host", host={"workers": 2}, limits={"cpu_slice": "40ms", "mailbox": 10}, lifecycle=lifecycle
    )
    app.process("spins", "while true do end").process("waits", "process.events():receive()")
    assert app.run(
        """
        local names = {}
        for i = 1, 2 do
          process.spawn_monitored("app:spins", "app:limited")
          local pid = process.spawn_monitored("app:waits", "app:limited")
          for n = 1, 12 do process.send(pid, "m", n) end
        end
        for _ = 1, 4 do
          local limit = within(process.events(), "15s").result.error:details().limit
          names[limit] = (names[limit] or 0) + 1
        end
        return names
        """
    ) == {"cpu_slice": 2, "mailbox": 2}


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"memory": "lots"}, "memory"),
        ({"memory": -1}, "memory"),
        ({"mailbox": 0}, "mailbox"),
        ({"cpu_total": 5}, "cpu_total"),
        ({"speed": 1}, "speed"),
    ],
)
def test_wrong_limits_name_the_field(limits: dict[str, Any], text: str) -> None:
    app = App()
    app.add("limited", "process.host", limits=limits)
    with pytest.raises(Error) as raised:
        app.run("return 1")
    assert text in str(raised.value) and "app:limited" in str(raised.value)
