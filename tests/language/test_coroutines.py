# ruff: noqa: E501 (guest programs of one line)
"""Coroutines, tasks, suspension through pcall and metamethods (spec 02 §17)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

PAUSE = """
local time = require("time")
local function pause() time.sleep("1ms") end
"""


def run(project: Project, body: str) -> Any:
    return project.run(body, top=PAUSE, modules=["time"])


def test_spawned_tasks_run_in_order_without_arguments_and_switch_when_they_block(project: Project) -> None:
    body = """
        local log, done = {}, channel.new(3)
        for i = 1, 3 do
          coroutine.spawn(function(...)
            log[#log + 1] = "start" .. i .. select("#", ...)
            pause()
            log[#log + 1] = "end" .. i
            done:send(i)
          end)
        end
        for _ = 1, 3 do done:receive() end
        return log
    """
    assert run(project, body) == ["start10", "start20", "start30", "end1", "end2", "end3"]


def test_a_bare_yield_gives_the_others_a_turn(project: Project) -> None:
    body = """
        local log = {}
        coroutine.spawn(function() for i = 1, 2 do log[#log + 1] = "a" .. i coroutine.yield() end end)
        coroutine.spawn(function() for i = 1, 2 do log[#log + 1] = "b" .. i coroutine.yield() end end)
        local n = select("#", coroutine.yield("ignored"))
        coroutine.yield()
        return { n, table.concat(log, " ") }
    """
    assert run(project, body) == [0, "a1 b1 a2 b2"]


def test_the_end_of_main_ends_its_tasks(project: Project) -> None:
    assert run(project, "coroutine.spawn(function() time.sleep('1h') error('never') end) return 'done'") == "done"


def test_an_error_in_a_task_ends_the_call(project: Project) -> None:
    error = project.failure(
        "coroutine.spawn(function() pause() error('late') end) time.sleep('5s')", top=PAUSE, modules=["time"]
    )
    assert error.kind == "Internal" and error.message.endswith(": late")


def test_pcall_and_xpcall_catch_what_happens_after_a_suspension(project: Project) -> None:
    body = """
        local ok, e = pcall(function() pause() error("after", 0) end)
        local ok2, e2 = xpcall(function() pause() error("again", 0) end, function(m) return "handled " .. m end)
        local ok3, v = pcall(function() pause() return "fine" end)
        local ok4, v4 = pcall(pcall, function() pause() error("inner", 0) end)
        return { ok, e, ok2, e2, ok3, v, ok4, v4, (xpcall(function(a, b) return a + b end, print, 1, 2)) }
    """
    assert run(project, body) == [False, "after", False, "handled again", True, "fine", True, False, True]


def test_metamethods_and_iterators_may_wait(project: Project) -> None:
    body = """
        local mt = {
          __index = function(_, k) pause() return k end, __add = function() pause() return "sum" end,
          __call = function() pause() return "called" end, __concat = function() pause() return "joined" end,
          __eq = function() pause() return true end, __lt = function() pause() return true end, __len = function() pause() return 7 end,
        }
        local a, b = setmetatable({}, mt), setmetatable({}, mt)
        local n = 0
        for v in function(_, i) pause() i = (i or 0) + 1 if i < 4 then return i end end do n = n + v end
        return { a.key, a + b, a(), a .. b, a == b, a < b, #a, n }
    """
    assert run(project, body) == ["key", "sum", "called", "joined", True, True, 7, 6]


def test_resume_and_wrap_let_a_suspension_through(project: Project) -> None:
    body = """
        local co = coroutine.create(function(a)
          pause()
          local b = coroutine.yield(a + 1)
          pause()
          return b * 2
        end)
        local ok, v = coroutine.resume(co, 1)
        local status = coroutine.status(co)
        local ok2, v2 = coroutine.resume(co, 10)
        local gen = coroutine.wrap(function() for i = 1, 2 do pause() coroutine.yield(i) end end)
        return { ok, v, status, ok2, v2, coroutine.status(co), gen() + gen() }
    """
    assert run(project, body) == [True, 2, "suspended", True, 20, "dead", 3]


def test_channels_inside_manual_coroutines(project: Project) -> None:
    body = """
        local ch = channel.new()
        coroutine.spawn(function() pause() ch:send("sent") end)
        local co = coroutine.wrap(function() return (ch:receive()) end)
        return co()
    """
    assert run(project, body) == "sent"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("local co = coroutine.create(function() end) coroutine.resume(co) local ok, e = coroutine.resume(co) return { ok, e }", [False, "can not resume a dead thread"]),
        ("local w = coroutine.wrap(function() end) w() local ok, e = pcall(w) return { ok, e:match('can not.*') }", [False, "can not resume a dead thread"]),
        ("local co = coroutine.create(function() error('x', 0) end) local ok, e = coroutine.resume(co) return { ok, e, coroutine.status(co) }", [False, "x", "dead"]),
        ("return { type(coroutine.running()), coroutine.status(coroutine.running()) }", ["thread", "running"]),
        ("local outer = coroutine.running() local s local co = coroutine.create(function() s = coroutine.status(outer) end) coroutine.resume(co) return { s }", ["normal"]),
        ("return { type(coroutine.spawn(function() end)), (pcall(coroutine.spawn, 5)) }", ["thread", False]),
        ("local ok, e = pcall(coroutine.wrap(function() error(errors.new('obj')) end)) return { ok, type(e), e:message() }", [False, "userdata", "obj"]),
    ],
)  # fmt: skip
def test_edges_of_coroutines(project: Project, body: str, expected: list[Any]) -> None:
    assert run(project, body) == expected


def test_producers_and_consumers_with_select_and_timers(project: Project) -> None:
    body = """
        local jobs, results, stop = channel.new(2), channel.new(), channel.new()
        for w = 1, 3 do
          coroutine.spawn(function()
            while true do
              local r = channel.select({ jobs:case_receive(), stop:case_receive() })
              if r.channel == stop or not r.ok then return end
              pause()
              results:send(r.value * r.value)
            end
          end)
        end
        coroutine.spawn(function() for i = 1, 10 do jobs:send(i) end jobs:close() end)
        local sum = 0
        for _ = 1, 10 do
          local r = channel.select({ results:case_receive(), time.after("5s"):case_receive() })
          if r.channel ~= results then return "timeout" end
          sum = sum + r.value
        end
        stop:close()
        return sum
    """
    assert run(project, body) == 385


def test_a_call_whose_tasks_all_wait_for_nothing_does_not_go_on_for_ever(project: Project) -> None:
    import asyncio

    project.body("main", "channel.new():receive()")

    async def waits(runtime: Any) -> bool:
        try:
            await asyncio.wait_for(runtime.call("app:main"), 0.2)
        except TimeoutError:
            return True
        return False

    assert project.use(waits) is True
