"""Copies of values that cross a boundary inside the shard (spec 03 §4, §19.18-20)."""

from __future__ import annotations

import pytest

from .driver import Driver

COPY = (
    "local function copy(v) process.send(process.pid(), 'x', v) return process.inbox():receive():payload():data() end "
)


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "1.0",
        "-0.0",
        "1e308",
        "math.maxinteger",
        "math.mininteger",
        "'text'",
        "'\\0\\255'",
        "true",
        "false",
        "2^53",
    ],
)
def test_scalars_keep_value_and_subtype(driver: Driver, value: str) -> None:
    body = (
        COPY
        + f"local v = {value} local c = copy(v) return c == v and math.type(c) == math.type(v) and type(c) == type(v)"
    )
    assert driver.do(body) is True
    nested = COPY + (
        f"local v = {value} local c = copy({{ a = v, [v] = 1 }}) return c.a == v and c[v] == 1 and "
        f"math.type(c.a) == math.type(v)"
    )
    assert driver.do(nested) is True


def test_nan_stays_nan(driver: Driver) -> None:
    assert driver.do(COPY + "local c = copy({ 0 / 0 }) return c[1] ~= c[1]") is True


def test_copies_are_new_tables(driver: Driver) -> None:
    assert (
        driver.do(COPY + "local t = { list = { 1 } } local c = copy(t) c.list[1] = 2 return t ~= c and t.list[1] == 1")
        is True
    )


def test_cycles_and_shared_parts_are_kept(driver: Driver) -> None:
    body = (
        COPY
        + """
        local part = { 1 }
        local t = { part, part }
        t.self, t[t] = t, part
        local c = copy(t)
        return c.self == c and c[1] == c[2] and c[c] == c[1] and c[1] ~= part"""
    )
    assert driver.do(body) is True


def test_holes_are_kept(driver: Driver) -> None:
    assert driver.do(COPY + "local c = copy({ 1, nil, 3, [10] = 4 }) return { c[1], c[2] == nil, c[3], c[10] }") == [
        1,
        True,
        3,
        4,
    ]


def test_functions_threads_and_handles_become_nil(driver: Driver) -> None:
    body = (
        COPY
        + """
        local c = copy({ print, coroutine.running(), channel.new(), 4, f = print, [print] = 1, [channel.new()] = 2 })
        local n = 0
        for _ in pairs(c) do n = n + 1 end
        return { n, c[4], copy(print) == nil, copy(channel.new()) == nil, copy(process) ~= process }"""
    )
    assert driver.do(body) == [1, 4, True, True, True]


def test_metatables_stay_behind(driver: Driver) -> None:
    body = (
        COPY
        + """
        local c = copy(setmetatable({ a = 1 }, { __index = { b = 2 } }))
        return getmetatable(c) == nil and c.a == 1 and c.b == nil"""
    )
    assert driver.do(body) is True


def test_frozen_tables_arrive_unfrozen(driver: Driver) -> None:
    body = (
        COPY
        + """
        local c = copy(table.freeze({ 1, x = table.freeze({ 2 }) }))
        c[2] = 5
        return { #c, c.x[1], table.isfrozen(c), table.isfrozen(c.x) }"""
    )
    assert driver.do(body) == [2, 2, False, False]


def test_errors_are_shared(driver: Driver) -> None:
    assert driver.do(COPY + "local e = errors.new('m') return copy(e) == e and copy({ e })[1] == e") is True


def test_nesting_is_bounded(driver: Driver) -> None:
    body = (
        COPY
        + """
        local function nested(n) local t = {} for i = 1, n do t = { t } end return t end
        local ok = pcall(copy, nested(190))
        local no, e = pcall(process.send, process.pid(), "x", nested(300))
        return { ok, no, e }"""
    )
    ok, no, message = driver.do(body)
    assert (ok, no) == (True, False)
    assert "nested too deep" in message


def test_large_messages_do_not_hold_the_shard(driver: Driver) -> None:
    body = COPY + "local t = {} for i = 1, 300000 do t[i] = i end for i = 1, 5 do copy(t) copy({ t }) end return #t"
    pid = driver.start(driver.define(body))
    driver.longest_turn = 0
    driver.until(lambda: pid in driver.exits, 20)
    assert driver.exits[pid] == (300000, None)
    assert driver.longest_turn < 0.4
