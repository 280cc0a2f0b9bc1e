"""The table and math libraries (spec 02 §12)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .driver import Driver, main

ONE = Driver({"t:sort": main("local t = ... table.sort(t) return t", pool=1), "t:stable": main("""
    local keys = ...
    local t = {}
    for i = 1, #keys do t[i] = { k = keys[i], i = i } end
    table.sort(t, function(a, b) return a.k < b.k end)
    local out = {}
    for i = 1, #t do out[i] = t[i].i end
    return out""", pool=1)})  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=1, max_size=80))
def test_sort_orders(values: list[int]) -> None:
    assert ONE.call("t:sort", values)[0] == sorted(values)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_sort_is_stable(keys: list[int]) -> None:
    assert ONE.call("t:stable", keys)[0] == [i + 1 for i in sorted(range(len(keys)), key=lambda i: keys[i])]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("local t = { 1, 2 } table.insert(t, 3) table.insert(t, 1, 0) return t", [0, 1, 2, 3]),
        ("local t = { 1 } table.insert(t, 3, 3) return t[3]", 3),
        ("local t = { 1, 2, 3 } return { table.remove(t, 1), table.remove(t), #t }", [1, 3, 1]),
        ("return { table.remove({}) == nil, table.remove({ 1 }, 5) == nil }", [True, True]),
        ("return table.concat({ 1, 2.0, 'x', errors.new('e') }, ',')", "1,2,x,e"),
        ("return table.concat({ 'a', 'b', 'c' }, '', 2, 100)", "bc"),
        ("return table.concat({}, 'x', 1, 5)", ""),
        ("return { table.getn({ 1, 2 }), table.maxn({ [10] = 1, [2.5] = 1 }) }", [2, 10]),
        ("return table.move({ 1, 2, 3 }, 1, 3, 2)", [1, 1, 2, 3]),
        ("return #table.create(5, 5)", 0),
        ("return { table.unpack({ 1, 2, 3 }, 2, 3) }", [2, 3]),
        ("return table.pack(1, nil, 3).n", 3),
        (("local t = { 1 } return table.freeze(t) == t and table.isfrozen(t) and not table.isfrozen({}) "
        "and table.isfrozen(string)"), True),
        (("return { math.type(1), math.type(1.0), math.tointeger('8'), math.fmod(5, 0) ~= math.fmod(5, "
        "0), math.huge < 1 / 0 }"),
         ["integer", "float", 8, True, True]),
        (("return { math.ldexp(math.frexp(10)), math.pow(2, 3), math.mod(7, 4), math.log10(1000) > "
        "2.99 }"), [10.0, 8.0, 3, True]),
    ],
)  # fmt: skip
def test_functions_do_what_the_dialect_says(driver: Driver, body: str, value: object) -> None:
    assert driver.do(body) == value


@pytest.mark.parametrize(
    "call",
    [
        "table.concat({ {} })",
        "table.concat({ print })",
        "table.create(1e12, 0)",
        "table.insert({}, 1, 2, 3)",
        "table.sort({ 1, 'x' })",
    ],
)
def test_bad_calls_raise(driver: Driver, call: str) -> None:
    assert driver.do(f"return (pcall(function() return {call} end))") is False


def test_random_numbers_stay_in_their_interval_and_differ_between_processes(driver: Driver) -> None:
    body = """
        for i = 1, 1000 do
          local a, b, c = math.random(), math.random(6), math.random(-3, 3)
          if a < 0 or a >= 1 or b < 1 or b > 6 or c < -3 or c > 3 or math.type(b) ~= "integer" then
            error("out of the interval") end
        end
        return math.random(1 << 50)"""
    entry = driver.define(body)
    assert driver.value(entry) != driver.value(entry)
    assert driver.do("return (pcall(math.random, 2, 1))") is False


def test_large_tables_do_not_hold_the_shard(driver: Driver) -> None:
    body = """
        local t = {}
        for i = 1, 200000 do t[i] = i * 7919 % 200000 end
        table.sort(t) table.sort(t, function(a, b) return a > b end)
        table.freeze(table.move(t, 1, #t, 1, {}))
        return { t[1], #table.concat(t, ",") > 1000 }"""
    pid = driver.start(driver.define(body))
    driver.longest_turn = 0
    driver.until(lambda: pid in driver.exits, 30)
    assert driver.exits[pid] == ([199999, True], None)
    assert driver.longest_turn < 0.4
