"""Channels and select inside one process (spec 03 §5)."""

from __future__ import annotations

from .driver import Driver


def test_buffered_sends_do_not_wait_up_to_the_capacity(driver: Driver) -> None:
    assert driver.do("local c = channel.new(2) c:send(1) c:send(2) return { c:receive(), (c:receive()) }") == [1, 2]


def test_send_beyond_the_capacity_waits_for_a_receiver(driver: Driver) -> None:
    body = """
        local c, log = channel.new(1), {}
        coroutine.spawn(function() for i = 1, 3 do c:send(i) log[#log + 1] = "s" .. i end end)
        for i = 1, 3 do local v = c:receive() log[#log + 1] = "r" .. v end
        coroutine.yield()
        return table.concat(log, " ")"""
    assert driver.do(body) == "s1 r1 r2 s2 r3 s3"


def test_unbuffered_values_arrive_in_order(driver: Driver) -> None:
    body = """
        local c, got = channel.new(), {}
        for i = 1, 5 do coroutine.spawn(function() c:send(i) end) end
        for i = 1, 5 do got[i] = c:receive() end
        return got"""
    assert driver.do(body) == [1, 2, 3, 4, 5]


def test_waiting_receivers_are_served_in_order(driver: Driver) -> None:
    body = """
        local c, got = channel.new(), {}
        for i = 1, 4 do coroutine.spawn(function() local v = c:receive() got[#got + 1] = i .. ":" .. v end) end
        for i = 1, 4 do c:send(i) end
        coroutine.yield()
        return table.concat(got, " ")"""
    assert driver.do(body) == "1:1 2:2 3:3 4:4"


def test_close_drains_and_then_gives_nil_false(driver: Driver) -> None:
    body = """
        local c = channel.new(2)
        c:send(1) c:send(nil) c:close() c:close()
        local a, a_ok = c:receive()
        local b, b_ok = c:receive()
        local d, d_ok = c:receive()
        return { a, a_ok, b == nil, b_ok, d == nil, d_ok }"""
    assert driver.do(body) == [1, True, True, True, True, False]


def test_close_wakes_all_receivers(driver: Driver) -> None:
    body = """
        local c, n = channel.new(), 0
        for i = 1, 3 do coroutine.spawn(function() local v, ok = c:receive() if not ok then n = n + 1 end end) end
        coroutine.spawn(function() local r = channel.select { c:case_receive() } if not r.ok then n = n + 1 end end)
        c:close()
        coroutine.yield() coroutine.yield()
        return n"""
    assert driver.do(body) == 4


def test_send_after_close_raises_and_can_be_caught(driver: Driver) -> None:
    ok, message = driver.do("local c = channel.new() c:close() return { pcall(c.send, c, 1) }")
    assert ok is False
    assert "send on closed channel" in message


def test_select_takes_the_ready_case_and_names_its_channel(driver: Driver) -> None:
    body = """
        local a, b = channel.new(1), channel.new(1)
        b:send("x")
        local r = channel.select { a:case_receive(), b:case_receive() }
        return { r.channel == b, r.value, r.ok }"""
    assert driver.do(body) == [True, "x", True]


def test_select_with_default_never_waits(driver: Driver) -> None:
    assert (
        driver.do("local r = channel.select { channel.new():case_receive(), default = true } return r.default") is True
    )
    assert driver.do("local r = channel.select({ channel.new():case_receive() }, true) return r.default") is True


def test_select_sends_when_a_receiver_waits(driver: Driver) -> None:
    body = """
        local c, got = channel.new(), nil
        coroutine.spawn(function() got = c:receive() end)
        local r = channel.select { c:case_send(5) }
        coroutine.yield()
        return { got, r.channel == c, r.ok }"""
    assert driver.do(body) == [5, True, True]


def test_decided_select_withdraws_its_other_cases(driver: Driver) -> None:
    body = """
        local a, b, picked = channel.new(), channel.new(), {}
        for i = 1, 50 do
          coroutine.spawn(function()
            local r = channel.select({ a:case_receive(), b:case_receive() })
            picked[#picked + 1] = r.value
          end)
        end
        for i = 1, 50 do if i % 2 == 0 then a:send(i) else b:send(i) end end
        coroutine.yield()
        local left = channel.select { a:case_send(0), b:case_send(0), default = true }
        return { #picked, picked[1], picked[50], left.default }"""
    assert driver.do(body) == [50, 1, 50, True]


def test_decided_select_withdraws_its_offers(driver: Driver) -> None:
    body = """
        local a, b = channel.new(), channel.new()
        coroutine.spawn(function() channel.select { a:case_send("a"), b:case_send("b") } end)
        local first = a:receive()
        local r = channel.select { b:case_receive(), default = true }
        return { first, r.default }"""
    assert driver.do(body) == ["a", True]


def test_many_selects_on_idle_channels_leave_nothing_behind(driver: Driver) -> None:
    body = """
        local idle, busy = channel.new(), channel.new(1)
        for i = 1, 20000 do
          coroutine.spawn(function() busy:send(i) end)
          channel.select { idle:case_receive(), busy:case_receive() }
        end
        return true"""
    before = driver.shard.call("settled_memory")
    assert driver.do(body) is True
    assert driver.shard.call("settled_memory") < before + 300_000


def test_select_reports_a_closed_channel(driver: Driver) -> None:
    assert (
        driver.do("local c = channel.new() c:close() local r = channel.select { c:case_receive() } return r.ok")
        is False
    )


def test_select_of_nothing_ends_a_process_that_can_never_go_on(driver: Driver) -> None:
    error = driver.fails("channel.select {}")
    assert error.message == "deadlock: all coroutines blocked with no pending operations (threads=1)"


def test_same_receive_case_is_given_again(driver: Driver) -> None:
    assert driver.do("local c = channel.new() return c:case_receive() == c:case_receive()") is True


def test_producers_and_consumers_complete_with_all_items(driver: Driver) -> None:
    body = """
        local jobs, results = channel.new(3), channel.new(3)
        for w = 1, 4 do
          coroutine.spawn(function()
            while true do
              local j, ok = jobs:receive()
              if not ok then return end
              time.sleep("1ms")
              results:send(j * 2)
            end
          end)
        end
        coroutine.spawn(function() for i = 1, 40 do jobs:send(i) end jobs:close() end)
        local sum = 0
        for i = 1, 40 do sum = sum + results:receive() end
        return sum"""
    assert driver.do(body) == 1640
