"""Sleeping, timers, tickers, and what they leave behind (spec 03 §11)."""

from __future__ import annotations

from .driver import Driver


def test_sleepers_wake_in_the_order_of_their_time(driver: Driver) -> None:
    body = """
        local order, done = {}, channel.new(10)
        for _, ms in ipairs { 5, 1, 3, 2, 4 } do
          coroutine.spawn(function() time.sleep(ms * 1000000) order[#order + 1] = ms done:send(true) end)
        end
        for i = 1, 5 do done:receive() end
        return order"""
    assert driver.do(body) == [1, 2, 3, 4, 5]


def test_sleeping_takes_about_the_time_asked_for(driver: Driver) -> None:
    body = "local a = time.now() time.sleep('5ms') return time.now():sub(a):milliseconds()"
    assert 5 <= driver.do(body) < 50


def test_after_fires_once_and_closes(driver: Driver) -> None:
    body = (
        "local c = time.after('1ms') local v, ok = c:receive() local w, ok2 = c:receive() return { ok, "
        "type(v), w == nil, ok2 }"
    )
    assert driver.do(body) == [True, "userdata", True, False]


def test_ticker_fires_until_it_is_stopped(driver: Driver) -> None:
    body = """
        local t = time.ticker("1ms")
        for i = 1, 3 do t:channel():receive() end
        t:stop()
        local n = 0
        while select(2, t:channel():receive()) do n = n + 1 end
        return n < 3"""
    assert driver.do(body) is True


def test_stopped_timer_does_not_fire(driver: Driver) -> None:
    body = """
        local t = time.timer("1ms")
        local stopped = t:stop()
        time.sleep("3ms")
        return { stopped, t:stop(), (select(2, t:channel():receive())) }"""
    assert driver.do(body) == [True, False, False]


def test_reset_moves_the_time(driver: Driver) -> None:
    body = """
        local t = time.timer("1h")
        local was = t:reset("1ms")
        local _, ok = t:channel():receive()
        return { was, ok }"""
    assert driver.do(body) == [True, True]


def test_deadline_is_that_of_the_nearest_live_timer(driver: Driver) -> None:
    pid = driver.start(driver.define("time.after('1h') time.sleep('1h')"))
    far = driver.start(driver.define("time.sleep('2h')"))
    driver.idle()
    hour = 3_600_000_000_000
    left = driver.shard.deadline - driver.clock.monotonic()
    assert hour * 0.9 < left <= hour
    driver.terminate(pid)
    driver.until(lambda: pid in driver.exits)
    driver.idle()
    assert driver.shard.deadline - driver.clock.monotonic() > hour * 1.5
    driver.terminate(far)
    driver.until(lambda: far in driver.exits)
    driver.turn()
    assert driver.shard.deadline is None


def test_timers_of_ended_processes_do_not_pile_up(driver: Driver) -> None:
    child = driver.define("for i = 1, 500 do time.after('10h') end")
    body = "for i = 1, 40 do process.spawn_monitored((...), 't:host') process.events():receive() end"
    driver.do(body, child)
    assert driver.lua("local S = ... return S.timer_count()") < 2000


def test_stopped_timers_do_not_pile_up(driver: Driver) -> None:
    driver.do("for i = 1, 20000 do time.timer('10h'):stop() end")
    assert driver.lua("local S = ... return S.timer_count()") < 5000


def test_timers_of_one_moment_fire_in_the_order_they_were_made(driver: Driver) -> None:
    body = """
        local order = {}
        for i = 1, 20 do coroutine.spawn(function() time.sleep("1ms") order[#order + 1] = i end) end
        time.sleep("4ms")
        return order"""
    assert driver.do(body) == list(range(1, 21))
