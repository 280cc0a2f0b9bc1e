"""The guest's coroutines (spec 02 §17)."""

from __future__ import annotations

from .driver import Driver


def test_values_go_in_and_out(driver: Driver) -> None:
    body = """
        local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) return c * 2 end)
        local ok, sum = coroutine.resume(co, 1, 2)
        local ok2, double = coroutine.resume(co, 21)
        return { ok, sum, ok2, double, coroutine.status(co) }"""
    assert driver.do(body) == [True, 3, True, 42, "dead"]


def test_dead_coroutines_say_so(driver: Driver) -> None:
    body = """
        local co = coroutine.create(function() end)
        coroutine.resume(co)
        local w = coroutine.wrap(function() end)
        w()
        local ok, e = coroutine.resume(co)
        local ok2, e2 = pcall(w)
        return { ok, e, ok2, e2:match("can not resume a dead thread") }"""
    assert driver.do(body) == [False, "can not resume a dead thread", False, "can not resume a dead thread"]


def test_errors_come_back_from_resume_and_through_wrap(driver: Driver) -> None:
    body = """
        local e = errors.new("m")
        local ok, got = coroutine.resume(coroutine.create(function() error(e) end))
        local ok2, got2 = pcall(coroutine.wrap(function() error(e) end))
        return { ok, got == e, ok2, got2 == e }"""
    assert driver.do(body) == [False, True, False, True]


def test_statuses(driver: Driver) -> None:
    body = """
        local outer, inner, seen
        outer = coroutine.create(function()
          inner = coroutine.create(function() seen = coroutine.status(outer) end)
          coroutine.resume(inner)
          coroutine.yield()
        end)
        coroutine.resume(outer)
        return { seen, coroutine.status(outer), coroutine.status(inner), coroutine.status(coroutine.running()) }"""
    assert driver.do(body) == ["normal", "suspended", "dead", "running"]


def test_blocking_calls_pass_through_nested_coroutines(driver: Driver) -> None:
    body = """
        process.send(process.pid(), "x", 5)
        local deep = coroutine.wrap(function()
          return coroutine.wrap(function()
            coroutine.yield("user value")
            time.sleep("1ms")
            return process.inbox():receive():payload():data()
          end)
        end)()
        return { deep(), deep() }"""
    assert driver.do(body) == ["user value", 5]


def test_coroutine_that_waits_cannot_be_resumed_by_a_sibling(driver: Driver) -> None:
    body = """
        local co = coroutine.create(function() return channel.new():receive() end)
        coroutine.spawn(function() coroutine.resume(co) end)
        return { coroutine.resume(co, "forged") }"""
    assert driver.do(body)[0] is False


def test_tasks_cannot_be_resumed(driver: Driver) -> None:
    body = """
        local task = coroutine.spawn(function() channel.new():receive() end)
        return { (pcall(coroutine.resume, task)), (pcall(coroutine.resume, coroutine.running())) }"""
    assert driver.do(body) == [False, False]


def test_task_gets_no_arguments_and_its_values_are_dropped(driver: Driver) -> None:
    body = "local n coroutine.spawn(function(...) n = select('#', ...) return 1, 2 end) return n"
    assert driver.do(body) == 0


def test_suspension_in_an_error_handler_is_refused_and_the_process_goes_on(driver: Driver) -> None:
    body = """
        local ok, e = xpcall(error, function() time.sleep("1ms") return "slept" end, "x")
        time.sleep("1ms")
        return { ok, e ~= "slept" }"""
    assert driver.do(body) == [False, True]


def test_failing_handler_leaves_the_process_suspendable(driver: Driver) -> None:
    body = """
        for _, h in ipairs { function() error("again") end, 42, function() return nothing.x end } do
          xpcall(error, h, "x") end
        time.sleep("1ms")
        return true"""
    assert driver.do(body) is True
