"""Channels and coroutines of one process (spec 03 §5, §20 "Channels")."""

from __future__ import annotations

from apps.guest import App


def run(body: str, *args: object) -> object:
    return App().run(body, *args)


def test_buffered_sends_do_not_wait_and_arrive_in_order() -> None:
    assert run(
        "local c = channel.new(3) for i = 1, 3 do c:send(i) end return { c:receive(), c:receive(), (c:receive()) }"
    ) == [
        1,
        2,
        3,
    ]


def test_close_drains_and_then_says_so() -> None:
    found = run(
        """
        local c = channel.new(2)
        c:send("a")
        c:close()
        c:close()
        local v, open = c:receive()
        local none, more = c:receive()
        return { v, open, none == nil, more }
        """
    )
    assert found == ["a", True, True, False]


def test_send_after_close_raises() -> None:
    found = run("local c = channel.new(1) c:close() local ok, e = pcall(c.send, c, 1) return { ok, tostring(e) }")
    assert isinstance(found, list) and found[0] is False and "send on closed channel" in found[1]


def test_a_send_that_waits_learns_of_the_close() -> None:
    found = run(
        """
        local c, got = channel.new(0), nil
        coroutine.spawn(function()
          local ok, err = c:send(1)
          got = { ok == nil, err ~= nil }
        end)
        c:close()
        time.sleep("1ms")
        return got
        """
    )
    assert found == [True, True]


def test_nil_is_a_value() -> None:
    assert run("local c = channel.new(1) c:send(nil) local v, open = c:receive() return { v == nil, open }") == [
        True,
        True,
    ]


def test_select_takes_the_first_that_is_ready() -> None:
    found = run(
        """
        local a, b, closed = channel.new(1), channel.new(1), channel.new(0)
        b:send("b")
        closed:close()
        local first = channel.select({ a:case_receive(), b:case_receive(), closed:case_receive() })
        local second = channel.select({ a:case_receive(), closed:case_receive(), default = true })
        local third = channel.select({ a:case_receive() }, true)
        local fourth = channel.select({ a:case_send("sent") })
        return { first.channel == b, first.value, first.ok, second.channel == closed, second.ok, third.default,
          fourth.channel == a, (a:receive()) }
        """
    )
    assert found == [True, "b", True, True, False, True, True, "sent"]


def test_spawn_runs_the_new_coroutine_first() -> None:
    assert run(
        """
        local order = {}
        coroutine.spawn(function() table.insert(order, "inner") time.sleep("1ms") table.insert(order, "late") end)
        table.insert(order, "outer")
        time.sleep("5ms")
        return order
        """
    ) == ["inner", "outer", "late"]


def test_a_pipeline_of_stages() -> None:
    found = run(
        """
        local function stage(from, work)
          local to = channel.new(0)
          coroutine.spawn(function()
            while true do
              local v, open = from:receive()
              if not open then to:close() return end
              to:send(work(v))
            end
          end)
          return to
        end
        local source = channel.new(0)
        local out = stage(stage(stage(source, function(n) return n + 1 end), function(n) return n * 2 end), tostring)
        coroutine.spawn(function() for i = 1, 5 do source:send(i) end source:close() end)
        local got = {}
        while true do
          local v, open = out:receive()
          if not open then return got end
          table.insert(got, v)
        end
        """
    )
    assert found == ["4", "6", "8", "10", "12"]


def test_fan_in_of_several_producers() -> None:
    found = run(
        """
        local all, sum = channel.new(2), 0
        for p = 1, 4 do
          coroutine.spawn(function() for i = 1, 25 do all:send(1) if i % 5 == 0 then time.sleep("1ms") end end end)
        end
        for _ = 1, 100 do sum = sum + all:receive() end
        return sum
        """
    )
    assert found == 100


def test_waiting_works_inside_ordinary_coroutines_and_pcall() -> None:
    found = run(
        """
        local c = channel.new(0)
        coroutine.spawn(function() time.sleep("2ms") c:send("through") end)
        local co = coroutine.wrap(function()
          local ok, v = pcall(function() return (c:receive()) end)
          coroutine.yield(v)
          return "end"
        end)
        return { co(), co() }
        """
    )
    assert found == ["through", "end"]


def test_timers() -> None:
    found = run(
        """
        local began = time.now()
        local ticker, n = time.ticker("5ms"), 0
        while n < 3 do ticker:channel():receive() n = n + 1 end
        ticker:stop()
        local took = time.now():sub(began):milliseconds()
        local timer = time.timer("10s")
        local pending = timer:stop()
        local short = time.timer("10s")
        short:reset("2ms")
        local fired, open = short:channel():receive()
        return { took >= 10, pending, open, select(2, time.after("1ms"):receive()) }
        """
    )
    assert found == [True, True, True, True]


def test_durations_may_be_numbers_texts_or_objects() -> None:
    found = run(
        """
        local began = time.now()
        time.sleep(20000000)
        time.sleep("20ms")
        time.sleep(time.parse_duration("20ms"))
        local _, err = time.sleep("soon")
        return { time.now():sub(began):milliseconds() >= 55, err:kind() }
        """
    )
    assert found == [True, "Invalid"]
