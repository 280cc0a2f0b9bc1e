"""Calls, pools, futures (spec 03 §6, §19.17-19)."""

from __future__ import annotations

from .driver import Driver, main


def test_call_gives_the_first_value(driver: Driver) -> None:
    f = driver.define("return (...) + 1, 7", pool=2)
    assert driver.do("local v, e = funcs.call((...), 41) return { v, e == nil }", f) == [42, True]
    assert driver.call(f, 1) == [2, None]


def test_failures_reach_the_caller_with_their_kind(driver: Driver) -> None:
    f = driver.define("error(errors.new({ message = 'm', kind = 'Unavailable', retryable = true }))", pool=1)
    body = "local v, e = funcs.call((...)) return { v == nil, e:kind(), e:retryable(), e:message() }"
    assert driver.do(body, f) == [True, "Unavailable", True, "m"]
    g = driver.define("return 'ignored', 'text'", pool=1)
    assert driver.do(body, g) == [True, "Internal", False, "text"]


def test_bad_targets_are_refused(driver: Driver) -> None:
    body = "local v, e = funcs.call((...)) return e:kind() .. ': ' .. e:message()"
    assert driver.do(body, "") == "Invalid: function ID required"
    assert driver.do(body, "name") == "Invalid: namespace required in function ID"
    assert driver.do(body, "ns:") == "Invalid: name required in function ID"
    assert driver.do(body, "ns:name").startswith("NotFound: ")


def test_arguments_and_results_are_copies(driver: Driver) -> None:
    f = driver.define("local t = ... t.list[1] = 'changed' return t", pool=1)
    body = "local t = { list = { 1 } } local r = funcs.call((...), t) return { t.list[1], r.list[1] }"
    assert driver.do(body, f) == [1, "changed"]


def test_pool_serves_waiting_calls_in_order(driver: Driver) -> None:
    f = driver.define(
        "running = (running or 0) + 1 time.sleep('1ms') local n = running running = 0 return { (...), n }", pool=1
    )
    body = """
        local f = ...
        local futures, out = {}, {}
        for i = 1, 5 do futures[i] = funcs.async(f, i) end
        for i = 1, 5 do local p = futures[i]:channel():receive() out[i] = p:data() end
        return out"""
    assert driver.do(body, f) == [[1, 1], [2, 1], [3, 1], [4, 1], [5, 1]]


def test_instances_are_isolated_from_each_other(driver: Driver) -> None:
    f = driver.define("mine = (mine or 0) + 1 time.sleep('2ms') return mine", pool=4)
    body = """
        local f, fs, out = ..., {}, {}
        for i = 1, 4 do fs[i] = funcs.async(f) end
        for i = 1, 4 do local p = fs[i]:channel():receive() out[i] = p:data() end
        return out"""
    assert driver.do(body, f) == [1, 1, 1, 1]


def test_instance_with_tasks_left_over_is_not_used_again(driver: Driver) -> None:
    f = driver.define("calls = (calls or 0) + 1 coroutine.spawn(function() time.sleep('1h') end) return calls", pool=1)
    assert [driver.call(f)[0] for _ in range(3)] == [1, 1, 1]


def test_calls_waiting_for_a_changed_function_are_served(driver: Driver) -> None:
    f = driver.define("time.sleep('3ms') return (...)", pool=1)
    body = """
        local f, fs, out = ..., {}, {}
        for i = 1, 3 do fs[i] = funcs.async(f, i) end
        print("waiting")
        for i = 1, 3 do local p = fs[i]:channel():receive() out[i] = p:data() end
        return out"""
    pid = driver.start(driver.define(body), f)
    driver.until(lambda: "waiting" in driver.printed())
    driver.shard.post("invalidate", f.encode(), f.encode())
    driver.until(lambda: pid in driver.exits)
    assert driver.exits[pid] == ([1, 2, 3], None)


def test_future_is_pending_and_then_complete(driver: Driver) -> None:
    f = driver.define("time.sleep('1ms') return 5", pool=1)
    body = """
        local f = funcs.async((...))
        local before = { f:is_complete(), f:result() == nil, (select(2, f:error())) }
        local p, ok = f:channel():receive()
        local v = f:result()
        return { before[1], before[2], before[3], p:data(), ok, f:is_complete(), v:data(), f:channel() ==
          f:response() }"""
    assert driver.do(body, f) == [False, True, False, 5, True, True, 5, True]


def test_failed_future_gives_its_error(driver: Driver) -> None:
    f = driver.define("error('boom', 0)", pool=1)
    body = """
        local f = funcs.async((...))
        local e = f:channel():receive()
        local v, err = f:result()
        local wrapped, failed = f:error()
        return { e:message(), v == nil, err:message(), failed, wrapped:message() }"""
    assert driver.do(body, f) == ["boom", True, "boom", True, "async call failed: boom"]


def test_cancelled_future_stops_its_function(driver: Driver) -> None:
    f = driver.define("while true do time.sleep('1ms') print('ran') end", pool=1)
    body = """
        local f = funcs.async((...))
        time.sleep("3ms")
        f:cancel() f:cancel()
        local v, ok = f:channel():receive()
        return { f:is_canceled(), ok, select(2, f:result()):kind() }"""
    assert driver.do(body, f) == [True, False, "Canceled"]
    seen = len(driver.printed())
    driver.settle(lambda: False, 0.01)
    assert len(driver.printed()) == seen


def test_future_cancelled_while_queued_and_after_it_started(driver: Driver) -> None:
    f = driver.define("print((...)) time.sleep('2ms')", pool=1)
    body = """
        local f = ...
        local a, b, c = funcs.async(f, "a"), funcs.async(f, "b"), funcs.async(f, "c")
        b:cancel()
        a:channel():receive()
        time.sleep("1ms")
        c:cancel()
        time.sleep("5ms")
        return funcs.call(f, "d") == nil"""
    assert driver.do(body, f) is True
    assert driver.printed() == ["a", "c", "d"]


def test_end_of_the_caller_ends_its_calls(driver: Driver) -> None:
    f = driver.define("while true do time.sleep('1ms') print('ran') end", pool=1)
    pid = driver.start(driver.define("funcs.call((...))"), f)
    driver.until(lambda: "ran" in driver.printed())
    driver.terminate(pid)
    driver.until(lambda: pid in driver.exits)
    seen = len(driver.printed())
    driver.settle(lambda: False, 0.01)
    assert len(driver.printed()) == seen
    assert driver.shard.live == 0


def test_cancelling_a_call_of_the_host_works_before_and_after_it_started(driver: Driver) -> None:
    f = driver.define("time.sleep('20ms') print((...)) return 1", pool=1)
    for number, name in ((101, "a"), (102, "b"), (103, "c")):
        body = b"\x91\xa1" + name.encode()
        driver.shard.post("call", number, f.encode(), 0, None, body, None)
    driver.turn()
    driver.shard.post("cancel_call", 103)
    driver.until(lambda: "a" in driver.printed())
    driver.turn()
    driver.shard.post("cancel_call", 102)
    driver.settle(lambda: False, 0.05)
    assert driver.printed() == ["a"]
    assert driver.call(f, "d") == [1, None]


def test_process_with_a_default_host_can_be_called(driver: Driver) -> None:
    driver.entries["t:callable"] = main("return (...) * 2", call_host="t:host")
    assert driver.do("return funcs.call('t:callable', 4)") == 8
    assert driver.call("t:callable", 5) == [10, None]


def test_executor_limits_the_time_of_a_call(driver: Driver) -> None:
    f = driver.define("time.sleep('1h')", pool=1)
    body = """
        local e = funcs.new():with_options({ timeout = 5 })
        local v, err = e:call((...))
        return { v == nil, err:kind(), err:retryable() }"""
    assert driver.do(body, f) == [True, "Timeout", True]
    assert driver.shard.live == 0


def test_executor_context_reaches_the_function(driver: Driver) -> None:
    f = driver.define("return require('ctx').get('k')", pool=1, modules=("ctx",))
    body = """
        local a = funcs.new()
        local b = a:with_context({ k = 5 })
        local v, e = a:call((...))
        return { a ~= b, v == nil, e:kind(), b:call((...)) }"""
    assert driver.do(body, f) == [True, True, "NotFound", 5]
