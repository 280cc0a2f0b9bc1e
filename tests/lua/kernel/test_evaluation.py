"""Processes that are evaluated: counted steps, idleness, their end (kernel/evaluation.lua, spec 03 §13)."""

from __future__ import annotations

from typing import Any

import pytest

from .driver import Driver, Source
from .invariants import INVARIANTS

EVALUATOR = """
local S = ...
S.kernel_modules.evaluator = { run = function(f) return S.evaluate(f, S.cur.ctx, { n = 0 }) end }
"""
MODULES = ("funcs", "events", "time", "evaluator")


@pytest.fixture
def driver() -> Driver:
    made = Driver({"t:double": Source("return { main = function(n) time.sleep('1ms') return n * 2 end }", pool=2)})
    made.lua(EVALUATOR)
    return made


def evaluated(driver: Driver, code: str) -> Any:
    """What a process that evaluates `code` returns: the value, or the error's text."""
    body = f"local v, e = evaluator.run(function() {code} end) return e and tostring(e) or v"
    found = driver.do(body, modules=MODULES)
    assert left(driver) == 0
    assert driver.lua(INVARIANTS) is None
    return found


def left(driver: Driver) -> int:
    """Evaluated processes that the shard still counts."""
    return int(driver.lua("local S = ... return S.counting"))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("return 1", 1),
        ("error('x', 0)", "x"),
        ("while true do coroutine.yield() end", "eval exceeded maximum step limit"),
        ("coroutine.spawn(function() while true do coroutine.yield() end end) channel.new():receive()",
         "eval exceeded maximum step limit"),
        ("channel.new():receive()", "process became idle"),
        ("channel.select {}", "process became idle"),
        ("process.inbox():receive()", "process became idle"),
        ("coroutine.spawn(function() channel.new():send(1) end) channel.new():receive()", "process became idle"),
        ("local t = time.timer('1h') t:stop() channel.new():receive()", "process became idle"),
        ("local c = channel.new(1) c:send(1) c:receive() c:receive()", "process became idle"),
        ("time.sleep('1ms') return 2", 2),
        ("return (time.after('1ms'):receive()):unix() > 0", True),
        ("return (funcs.call('t:double', 4))", 8),
        ("local f = funcs.async('t:double', 4) return f:channel():receive():data()", 8),
        ("local pid = process.spawn('t:entry1', 't:host') return type(pid)", "string"),
        ("local c = channel.new() coroutine.spawn(function() time.sleep('1ms') c:send(3) end) return (c:receive())", 3),
        ("for _ = 1, 9000 do coroutine.yield() end return 4", 4),
        ("local v, e = evaluator.run(function() return 5 end) return v", 5),
        ("return tostring(select(2, evaluator.run(function() channel.select {} end)))", "process became idle"),
    ],
)  # fmt: skip
def test_what_comes_of_it(driver: Driver, code: str, found: Any) -> None:
    driver.define("return 1")
    assert evaluated(driver, code) == found


def test_nested_ones_share_their_steps(driver: Driver) -> None:
    code = """
    local n = 0
    while true do
      local v, e = evaluator.run(function() for _ = 1, 50 do coroutine.yield() end return 1 end)
      if e then return n end
      n = n + 1
    end"""
    assert evaluated(driver, code) == "eval exceeded maximum step limit"


def test_it_ends_with_the_task_that_waits_for_it(driver: Driver) -> None:
    body = """
    evaluator.run(function()
      process.registry.register("inner")
      evaluator.run(function() process.registry.register("innermost") while true do time.sleep("1ms") end end)
    end)"""
    pid = driver.start(driver.define(body, modules=MODULES))
    driver.until(lambda: driver.lua("local S = ... return S.lookup_name('innermost')") is not None)
    assert left(driver) == 2
    driver.terminate(pid)
    driver.until(lambda: pid in driver.exits)
    driver.idle()
    assert left(driver) == 0
    assert driver.lua("local S = ... return S.lookup_name('innermost') or S.lookup_name('inner')") is None


def test_steps_of_others_are_not_counted(driver: Driver) -> None:
    body = "for _ = 1, 30000 do coroutine.yield() end return 'done'"
    other = driver.start(driver.define(body))
    assert evaluated(driver, "time.sleep('20ms') return 1") == 1
    driver.until(lambda: other in driver.exits)
    assert driver.exits[other] == ("done", None)


def test_a_future_of_evaluated_code_ends_with_it(driver: Driver) -> None:
    driver.entries["t:slow"] = Source("return { main = function() time.sleep('1h') end }", pool=2)
    body = """
    local v = evaluator.run(function() funcs.async("t:slow") return 1 end)
    return v"""
    assert driver.do(body, modules=MODULES) == 1
    driver.idle()
    assert driver.lua("local S = ... return S.live") == 0
