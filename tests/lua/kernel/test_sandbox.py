"""The base environment (spec 02 §11, §13, §18)."""

from __future__ import annotations

import pytest

from .driver import Driver, main


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("10 / 2", "5"),
        ("2^10", "1024"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000"),
        ("1 / 3", "0.3333333333333333"),
        ("0 / 0", "NaN"),
        ("1e309", "+Inf"),
        ("-1e309", "-Inf"),
        ("2^53", "9007199254740992"),
        ("-0.5", "-0.5"),
        ("100", "100"),
        ("1e100", "1e+100"),
    ],
)
def test_numbers_print_as_the_dialect_has_it(driver: Driver, expression: str, text: str) -> None:
    assert driver.do(f"return tostring({expression})") == text


def test_addresses_are_not_the_real_ones(driver: Driver) -> None:
    real = driver.lua("local t = {} return string.format('%p', t)")
    shown = driver.lua("local S = ... local t = {} return S.base.tostring(t) .. ' ' .. string.format('%p', t)").split()
    assert shown[1] != shown[2]
    assert real


def test_type_sees_handles_as_userdata(driver: Driver) -> None:
    body = (
        "return { type(channel.new()), type(errors.new('x')), type(string), type(nil), type(print), "
        "type(process.inbox()) }"
    )
    assert driver.do(body)[:2] == ["userdata", "userdata"]


def test_pairs_and_ipairs_see_through_frozen_tables(driver: Driver) -> None:
    body = """
        local t = table.freeze({ 1, 2, k = "v" })
        local n, sum = 0, 0
        for k, v in pairs(t) do n = n + 1 end
        for i, v in ipairs(t) do sum = sum + v end
        return { n, sum, #t, next(table.freeze({ 5 })), rawget(t, "k") }"""
    assert driver.do(body) == [3, 3, 2, 1, "v"]


def test_ipairs_stops_at_the_first_nil(driver: Driver) -> None:
    assert driver.do("local n = 0 for _ in ipairs({ 1, 2, nil, 4 }) do n = n + 1 end return n") == 2


@pytest.mark.parametrize(
    ("call", "text"),
    [("pairs(nil)", "bad argument #1 to pairs (table expected, got nil)"), ("ipairs(1)", "table expected")],
)
def test_bad_arguments_raise_with_the_position_of_the_caller(driver: Driver, call: str, text: str) -> None:
    message = driver.do(f"return select(2, pcall(function() {call} end))")
    assert message.startswith("t:entry0:1: ")
    assert text in message


def test_xpcall_passes_arguments_and_the_handlers_value(driver: Driver) -> None:
    body = """
        local ok, a = xpcall(function(x) return x + 1 end, print, 1)
        local ok2, b = xpcall(error, function(e) return "handled " .. e end, "x", 0)
        return { ok, a, ok2, b }"""
    assert driver.do(body) == [True, 2, False, "handled x"]


def test_assert_adds_the_position_to_text_only(driver: Driver) -> None:
    body = """
        local e = errors.new("m")
        return { select("#", assert(1, 2, 3)), select(2, pcall(function() assert(false, "text") end)),
          select(2, pcall(assert, nil, e)) == e }"""
    assert driver.do(body) == [3, "t:entry0:3: text", True]


def test_environment_is_shared_through_g_and_own(driver: Driver) -> None:
    assert driver.do("x = 1 _G.y = 2 return { _G.x, y, _G == _G._G, rawget(_G, 'print') == nil }") == [1, 2, True, True]
    assert driver.do("return x == nil and y == nil") is True


def test_require_gives_listed_modules_and_imports(driver: Driver) -> None:
    driver.entries["t:lib"] = main("return 5")
    entry = driver.define(
        "return { require('lib').main(), require('time') == time, (pcall(require, 'sql')) }", libraries={"lib": "t:lib"}
    )
    assert driver.value(entry) == [5, True, False]


def test_print_is_logged_with_its_place(driver: Driver) -> None:
    entry = driver.define("\nprint('a', nil, 1.0, true)")
    driver.value(entry)
    level, message, fields = driver.logs[0]
    assert (level, message, fields["location"]) == ("info", "a nil 1 true", f"{entry}:2")
    assert fields["pid"].startswith("{t:host|")


def test_frozen_tables_keep_what_their_metatable_does(driver: Driver) -> None:
    body = """
        local t = setmetatable({ 1 }, { __index = function(self, k) return k .. "!" end, __tostring =
          function() return "T" end, __call = function() return 7 end })
        table.freeze(t)
        return { t.x, tostring(t), t(), t[1], (pcall(function() t.y = 1 end)) }"""
    assert driver.do(body) == ["x!", "T", 7, 1, False]


@pytest.mark.parametrize(
    "action",
    [
        "t.a = 1",
        "t[1] = 2",
        "rawset(t, 'a', 1)",
        "table.insert(t, 1)",
        "table.remove(t)",
        "table.sort(t)",
        "setmetatable(t, {})",
        "t[1] = nil",
    ],
)
def test_writes_to_frozen_tables_raise(driver: Driver, action: str) -> None:
    message = driver.do(f"local t = table.freeze({{ 1 }}) return select(2, pcall(function() {action} end))")
    assert "Immutable table" in message


def test_unpack_and_select_bounds(driver: Driver) -> None:
    assert driver.do("return { unpack({ 1, 2, 3 }, 2) }") == [2, 3]
    assert driver.do(
        "return { (pcall(unpack, {}, math.mininteger, math.maxinteger)), (pcall(unpack, {}, 1, 1e7)) }"
    ) == [False, False]
    assert driver.do("return { select(-1, 1, 2, 3), select('#', nil, nil), (select(2.9, 1, 2)) }") == [3, 2, 2]
