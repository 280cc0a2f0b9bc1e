"""Who is ended when memory runs out: the one that took it (kernel notes, item 6)."""

from __future__ import annotations

import pytest

from .driver import Driver
from .invariants import INVARIANTS

MIB = 1 << 20
QUIET = "local kept = { ('x'):rep(100000) } process.inbox():receive() return #kept[1]"
CHATTY = """
    local inbox, n = process.inbox(), 0
    while true do
      process.send(process.pid(), "x", { text = ("y"):rep(100) .. n })
      if inbox:receive():topic() == "stop" then return n end
      n = n + 1
    end"""
HOGS = {
    "tables": "local t = {} while true do t[#t + 1] = { #t } end",
    "strings": "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "one string": "local s = 'x' while true do s = s .. s end",
    "closures": "local t = {} while true do local n = #t t[n + 1] = function() return n end end",
    "coroutines": (
        "local t = {} while true do local co = coroutine.create(coroutine.yield) coroutine.resume(co) "
        "t[#t + 1] = co end"
    ),
    "a nested coroutine": (
        "coroutine.wrap(function() local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end)()"
    ),
    "slow growth": (
        "local t = {} while true do for i = 1, 50 do t[#t + 1] = ('x'):rep(2000) .. #t end coroutine.yield() end"
    ),
    "own mail": "local n = 0 while true do n = n + 1 process.send(process.pid(), 'x', ('x'):rep(1000) .. n) end",
    "a sibling task": (
        "coroutine.spawn(function() local t = {} while true do t[#t + 1] = { #t } end end) process.inbox():receive()"
    ),
    "timers": "while true do time.after('10h') end",
    "channels": "local c = channel.new(1e9) while true do c:send({ 1, 2, 3 }) end",
    "recursion": (
        "local t = {} local function f(n) t[#t + 1] = ('x'):rep(5000) .. n if n % 100 == 0 then return "
        "f(n + 1) end return f(n + 1) end f(1)"
    ),
    "globals": "local n = 0 while true do n = n + 1 _G['name' .. n] = { n } end",
}


@pytest.mark.parametrize("hog", HOGS)
def test_process_that_grows_is_ended_and_nobody_else(hog: str) -> None:
    driver = Driver({}, memory=48 * MIB)
    quiet, chatty = driver.start(driver.define(QUIET)), driver.start(driver.define(CHATTY))
    pid = driver.start(driver.define(HOGS[hog]))
    driver.until(lambda: pid in driver.exits, 20)
    value, error = driver.exits[pid]
    assert value is None
    assert error.message == "not enough memory"
    driver.deliver(quiet, "go")
    driver.deliver(chatty, "stop")
    driver.until(lambda: quiet in driver.exits and chatty in driver.exits, 10)
    assert driver.exits[quiet] == (100000, None)
    assert driver.exits[chatty][1] is None
    assert driver.lua(INVARIANTS) is None


def test_flooder_of_anothers_mailbox_is_ended_not_the_receiver() -> None:
    driver = Driver({}, memory=48 * MIB)
    victim = driver.start(driver.define("time.sleep('300s')"))
    pid = driver.start(
        driver.define("local p, n = ..., 0 while true do n = n + 1 process.send(p, 'x', ('x'):rep(1000) .. n) end"),
        victim,
    )
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid][1].message == "not enough memory"
    assert victim not in driver.exits


def test_garbage_is_collected_before_anybody_is_ended() -> None:
    driver = Driver({}, memory=48 * MIB)
    body = "for i = 1, 3000 do local t = {} for j = 1, 100 do t[j] = ('x'):rep(1000) .. j end end return 'done'"
    pid = driver.start(driver.define(body))
    driver.until(lambda: pid in driver.exits, 30)
    assert driver.exits[pid] == ("done", None)


def test_watchers_see_the_reason() -> None:
    driver = Driver({}, memory=48 * MIB)
    hog = driver.define(HOGS["tables"])
    body = (
        "process.spawn_monitored((...), 't:host') local e = process.events():receive() return e.result.error:message()"
    )
    pid = driver.start(driver.define(body), hog)
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid] == ("not enough memory", None)


def test_no_process_is_started_while_memory_is_short() -> None:
    driver = Driver({}, memory=48 * MIB)
    child = driver.define("process.inbox():receive()")
    body = """
        local child, t = ..., {}
        while true do
          for i = 1, 20 do t[#t + 1] = ("x"):rep(10000) .. #t end
          local pid, e = process.spawn(child, "t:host")
          if not pid then return e:kind() .. ": " .. e:message() end
          process.terminate(pid)
        end"""
    pid = driver.start(driver.define(body), child)
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid] == ("Unavailable: not enough memory to start a process", None)


def test_bomb_of_many_small_processes_ends_and_its_neighbour_does_not() -> None:
    driver = Driver({}, memory=48 * MIB)
    chatty = driver.start(driver.define(CHATTY))
    bomb = driver.define("while true do if not process.spawn('t:entry1', 't:host') then return end end")
    assert bomb == "t:entry1"
    driver.start(bomb)
    driver.until(lambda: driver.shard.memory > 40 * MIB, 20)
    driver.settle(lambda: False, 0.3)
    driver.deliver(chatty, "stop")
    driver.until(lambda: chatty in driver.exits, 20)
    assert driver.exits[chatty][1] is None


def test_process_can_be_weighed() -> None:
    driver = Driver({})
    pid = driver.start(
        driver.define(
            "kept = ('x'):rep(1000000) local own = { ('y'):rep(500000) } process.inbox():receive() return own"
        )
    )
    driver.idle()
    bytes_held = driver.lua("local S, pid = ... return S.weigh_process(S.find_process(pid))", pid.encode())
    assert 1_500_000 <= bytes_held < 1_600_000
