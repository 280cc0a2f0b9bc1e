"""Starting and ending processes (spec 03 §2.2, §2.3, §3.2, §19.23)."""

from __future__ import annotations

import pytest

from .driver import Driver, Source, main


def test_process_knows_itself(driver: Driver) -> None:
    entry = driver.define("return { process.id(), process.pid() }")
    identity, pid = driver.value(entry)
    assert identity == entry
    assert pid.startswith("{t:host|0x")


def test_every_process_has_its_own_pid(driver: Driver) -> None:
    child = driver.define("return process.pid()")
    assert driver.value(child) != driver.value(child)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return 1, 2", 1),
        ("return 'v', false", "v"),
        ("return 'v', 5", "v"),
        ("return 'v', {}", "v"),
        ("return", None),
        ("return { list = { 1, 2 }, f = print, c = channel.new() }", {"list": [1, 2]}),
        ("return print", None),
        ("return table.freeze({ 1 })", [1]),
    ],
)
def test_only_the_first_value_is_the_result(driver: Driver, body: str, value: object) -> None:
    assert driver.do(body) == value


def test_second_value_that_is_text_or_an_error_is_a_failure(driver: Driver) -> None:
    error = driver.fails("return 5, 'text'")
    assert (error.kind, error.message, error.retryable) == ("Internal", "text", False)
    error = driver.fails(
        "return nil, errors.new({ message = 'm', kind = errors.NOT_FOUND, retryable = true, details = { a = 1 } })"
    )
    assert (error.kind, error.message, error.retryable, error.details) == ("NotFound", "m", True, {"a": 1})


def test_uncaught_error_has_its_position(driver: Driver) -> None:
    error = driver.fails("error('boom')")
    assert (error.kind, error.retryable) == ("Internal", None)
    assert error.message == "t:entry0:1: boom"


def test_uncaught_error_object_keeps_kind_retryable_and_details(driver: Driver) -> None:
    error = driver.fails(
        "error(errors.new({ message = 'm', kind = 'Invalid', retryable = false, details = { n = 1 } }))"
    )
    assert (error.kind, error.message, error.retryable, error.details) == ("Invalid", "m", False, {"n": 1})


def test_uncaught_table_is_described_by_its_tostring(driver: Driver) -> None:
    assert (
        driver.fails("error(setmetatable({}, { __tostring = function() return 'own words' end }))").message
        == "own words"
    )


def test_error_in_a_spawned_task_fails_the_whole_process(driver: Driver) -> None:
    error = driver.fails(
        "coroutine.spawn(function() time.sleep('1ms') error('in task', 0) end) process.inbox():receive()"
    )
    assert error.message == "in task"


def test_returning_kills_the_other_tasks(driver: Driver) -> None:
    assert driver.do("coroutine.spawn(function() while true do time.sleep('1ms') print('ran') end end) return 1") == 1
    driver.settle(lambda: False, 0.02)
    assert driver.printed() == []


def test_all_tasks_stuck_is_a_deadlock(driver: Driver) -> None:
    error = driver.fails("coroutine.spawn(function() channel.select {} end) channel.select {}")
    assert error.message == "deadlock: all coroutines blocked with no pending operations (threads=2)"


def test_waiting_for_a_channel_nobody_serves_is_no_error(driver: Driver) -> None:
    pid = driver.start(driver.define("channel.new():receive()"))
    assert not driver.settle(lambda: pid in driver.exits, 0.02)


def test_module_body_runs_before_spawn_returns_and_its_error_is_the_spawners(driver: Driver) -> None:
    driver.entries["t:bad"] = Source("error('in the body')")
    driver.entries["t:none"] = Source("return { other = function() end }")
    driver.entries["t:waits"] = Source("process.inbox():receive() return { main = function() end }")
    body = """
        local out = {}
        for _, id in ipairs { "t:bad", "t:none", "t:waits", "t:missing" } do
          local pid, e = process.spawn(id, "t:host")
          out[#out + 1] = e:kind() .. ": " .. e:message()
        end
        local pid, e = process.spawn("t:bad", "t:nowhere")
        out[#out + 1] = e:kind() .. ": " .. e:message()
        return out"""
    bad, none, waits, missing, nowhere = driver.do(body)
    assert bad == "Internal: failed to execute script: t:bad:1: in the body"
    assert none == 'NotFound: method "main" not found in module'
    assert waits.startswith("Internal: failed to execute script: ")
    assert missing.startswith("NotFound: ")
    assert nowhere == "NotFound: host not found"


def test_instantly_ending_child_still_yields_its_exit(driver: Driver) -> None:
    child = driver.define("return 1")
    body = "process.spawn_monitored((...), 't:host') local e = process.events():receive() return e.result.value"
    assert driver.do(body, child) == 1


def test_arguments_keep_nils_and_subtypes(driver: Driver) -> None:
    child = driver.define(
        "return { select('#', ...), (...) == nil, math.type((select(2, ...))), math.type((select(3, ...))) }"
    )
    body = (
        "process.spawn_monitored((...), 't:host', nil, 1, 1.0, nil) local e = "
        "process.events():receive() return e.result.value"
    )
    assert driver.do(body, child) == [4, True, "integer", "float"]


def test_exec_gives_the_result_or_the_error(driver: Driver) -> None:
    fine, bad = driver.define("return (...) * 2"), driver.define("error('boom', 0)")
    assert driver.do("return process.exec((...), 't:host', 21)", fine) == 42
    assert driver.fails("local v, e = process.exec((...), 't:host') return nil, e", bad).message == "boom"
    assert driver.do("return select(2, process.exec('nocolon', 't:host')):kind()") == "Invalid"


def test_missing_arguments_and_denials(driver: Driver) -> None:
    assert (
        driver.do("return select(2, process.spawn('x')):message()") == "spawn requires at least id and host arguments"
    )
    closed = Driver({"t:child": main("")}, open_identity=False)
    closed.denied.add(("process.spawn", "t:child"))
    body = "local p, e = process.spawn('t:child', 't:host') return { e:kind(), e:message() }"
    assert closed.do(body) == ["PermissionDenied", "not allowed to spawn process: t:child"]
    assert ("process.spawn", "t:child") in closed.asked


def test_options_round_trip_and_refuse_the_unknown(driver: Driver) -> None:
    body = """
        local before = process.get_options()
        local ok = process.set_options({ trap_links = true, upgradable = true })
        local after = process.get_options()
        local a, e1 = process.set_options(1)
        local b, e2 = process.set_options({ trap_links = 1 })
        local c, e3 = process.set_options({ x = true })
        return { before.trap_links, before.upgradable, ok, after.trap_links, after.upgradable, a, b, c,
          e1:message(), e2:message(), e3:message() }"""
    assert driver.do(body) == [
        False, False, True, True, True, False, False, False,
        "options parameter must be a table", "trap_links must be a boolean", "option x is not supported",
    ]  # fmt: skip


def test_context_values_are_inherited(driver: Driver) -> None:
    grandchild = driver.define("return require('ctx').all()", modules=("ctx",))
    child = driver.define(
        "process.spawn_monitored((...), 't:host') local e = process.events():receive() return e.result.value",
        modules=("ctx",),
    )
    body = """
        local child, grandchild = ...
        local s = process.with_context({ a = 1 }):with_context({ b = { 2 } })
        s:spawn_monitored(child, "t:host", grandchild)
        local e = process.events():receive()
        return e.result.value"""
    assert driver.do(body, child, grandchild) == {"a": 1, "b": [2]}


def test_ended_processes_leave_nothing_in_memory(driver: Driver) -> None:
    child = driver.define("""
        process.inbox() process.listen("a") process.events() process.registry.register("n" .. process.pid())
        coroutine.spawn(function() time.sleep("1h") end)
        events.subscribe("x")
        return 1""")
    body = """
        local child = ...
        for i = 1, 300 do
          process.spawn_linked_monitored(child, "t:host")
          process.events():receive()
        end"""
    driver.do(body, child)
    before = driver.shard.call("settled_memory")
    for _ in range(5):
        driver.do(body, child)
    assert driver.shard.live == 0
    assert driver.shard.call("settled_memory") < before + 400_000


def test_hooks_at_exit_run_before_watchers_hear_and_again_after_a_failure(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "wippy.lua")
    pid = driver.start(driver.define("process.inbox():receive()"))
    watcher = driver.start(
        driver.define("process.monitor(...) process.events():receive() print('EXIT after ' .. calls())"), pid
    )
    driver.idle()
    driver.lua(
        """
        local S, pid, watcher = ...
        local calls = 0
        S.find_process(watcher).env.calls = function() return calls end
        local function hook(p)
          if p.pid ~= pid then error("another process") end
          calls = calls + 1
          if calls < 3 then error("not yet") end
        end
        S.at_exit(S.find_process(pid), hook)
        S.at_exit(S.find_process(pid), hook)
        """,
        pid.encode(),
        watcher.encode(),
    )
    driver.deliver(pid, "end")
    driver.until(lambda: watcher in driver.exits)
    assert driver.printed() == ["EXIT after 3"]
