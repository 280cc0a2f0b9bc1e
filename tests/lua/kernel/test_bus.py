"""The event bus inside a shard (spec 03 §8)."""

from __future__ import annotations

import pytest

from .driver import Driver


@pytest.mark.parametrize(
    ("system", "kind", "matches"),
    [
        ("orders", None, True), ("orders", "created", True), ("orders", "deleted", False), ("other", None, False),
        ("ord*", None, True), ("*", "cre*", True), ("x*", None, False),
    ],
)  # fmt: skip
def test_subscriptions_match_system_and_kind(driver: Driver, system: str, kind: str | None, matches: bool) -> None:
    body = """
        local system, kind = ...
        local c = events.subscribe(system, kind):channel()
        events.send("orders", "created", "/1", { n = 1 })
        local r = channel.select { c:case_receive(), default = true }
        return r.channel == c and r.value.path or ''"""
    assert driver.do(body, system, kind) == ("/1" if matches else "")


def test_events_arrive_in_order_and_whole(driver: Driver) -> None:
    body = """
        local c = events.subscribe("s"):channel()
        for i = 1, 100 do events.send("s", "k", "/" .. i, { n = i }) end
        local out = {}
        for i = 1, 100 do local e = c:receive() out[i] = e.data.n end
        local e = (function() events.send("s", "k", "/p") return c:receive() end)()
        return { out[1], out[100], e.system, e.kind, e.path, e.data == nil }"""
    assert driver.do(body) == [1, 100, "s", "k", "/p", True]


def test_closed_subscription_ends(driver: Driver) -> None:
    body = """
        local s = events.subscribe("s")
        s:close() s:close()
        events.send("s", "k", "/p")
        local v, ok = s:channel():receive()
        return { v == nil, ok }"""
    assert driver.do(body) == [True, False]


def test_empty_arguments_are_invalid(driver: Driver) -> None:
    body = """
        local out = {}
        for i, a in ipairs { { "", "k", "/p" }, { "s", "", "/p" }, { "s", "k", "" } } do
          local ok, e = events.send(a[1], a[2], a[3])
          out[i] = e:kind() .. " " .. e:message()
        end
        local s, e = events.subscribe("")
        out[4] = e:message()
        return out"""
    assert driver.do(body) == [
        "Invalid system is required", "Invalid kind is required", "Invalid path is required", ("system pattern is "
        "required"),
    ]  # fmt: skip


def test_subscriptions_go_with_their_process(driver: Driver) -> None:
    child = driver.define("events.subscribe('s') return 1")
    driver.do("for i = 1, 50 do process.spawn_monitored((...), 't:host') process.events():receive() end", child)
    driver.do("events.send('s', 'k', '/p')")


def test_one_process_may_hold_only_so_many_subscriptions(driver: Driver) -> None:
    body = """
        local n = 0
        while true do
          local s, e = events.subscribe("s")
          if not s then return { n, e:kind() } end
          n = n + 1
        end"""
    assert driver.do(body) == [1000, "RateLimited"]


def test_publishing_of_the_host_reaches_guests(driver: Driver) -> None:
    pid = driver.start(driver.define("local e = events.subscribe('reg'):channel():receive() return e.data.n"))
    driver.idle()
    driver.shard.post("publish", b"reg", b"k", b"/p", b"\x81\xa1n\x05")
    driver.until(lambda: pid in driver.exits)
    assert driver.exits[pid] == (5, None)
