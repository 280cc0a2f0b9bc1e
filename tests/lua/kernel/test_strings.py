"""The string library (spec 02 §12)."""

from __future__ import annotations

import pytest

from .driver import Driver


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("('abc'):sub(2.9)", "bc"),
        ("('abc'):sub(-2, -1)", "bc"),
        ("('abc'):byte(2)", 98),
        ("string.char(321, 98)", "Ab"),
        ("('x'):rep(3, ',')", "x,x,x"),
        ("('x'):rep(-1)", ""),
        ("(''):rep(1e18)", ""),
        ("('abc'):reverse()", "cba"),
        ("('abc'):len()", 3),
        ("('äÖß'):upper()", "ÄÖSS"),
        ("('ÄÖ'):lower()", "äö"),
        ("('a,b'):find(',', 1, true)", 2),
        ("('abc'):find('')", 1),
        ("('key = v'):match('^(%w+)%s*=')", "key"),
        ("('hello'):gsub('l', '%%')", "he%%o"),
        (("('hello'):gsub('l', '%z')"), "he%z%zo"),
        ("('hello'):gsub('(l)', '<%1>')", "he<l><l>o"),
        ("('a b'):gsub('%w', { a = 1 })", "1 b"),
        ("('abc'):gsub('', '-')", "-a-b-c-"),
        ("('%d %s %5.1f|%-5s|%05d|%x|%q'):format(3.9, 'a', 2.25, 'b', 42, 255, 'q')", '3 a   2.2|b    |00042|ff|"q"'),
        ("('%d'):format('x')", "x"),
        ("('%s %s'):format(1)", "1 %!s(MISSING)"),
        ("('%%'):format()", "%"),
        ("('%c'):format(65)", "A"),
    ],
)
def test_functions_do_what_the_dialect_says(driver: Driver, expression: str, value: object) -> None:
    assert driver.do(f"local v = {expression} return v") == value


def test_gmatch_gives_captures_one_after_the_other(driver: Driver) -> None:
    assert driver.do(
        "local out = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do out[#out + 1] = k .. v end return out"
    ) == ["a1", "b2"]


def test_pack_and_unpack_round_trip(driver: Driver) -> None:
    assert driver.do("return { string.unpack('<i4s2z', string.pack('<i4s2z', 7, 'abc', 'd')) }") == [7, "abc", "d", 12]


@pytest.mark.parametrize(
    "call",
    [
        "string.rep('x', 1e10)",
        "string.pack('c2147483647', 'x')",
        "string.format('%1000d', 1)",
        ("('x'):rep(1e5):gsub('x', ('y'):rep(1e5))"),
        "string.dump(print)",
        "string.find('x', ('()'):rep(40))",
        "('%9'):rep(3):gsub('%%', '%9')",
    ],
)
def test_what_is_too_large_or_malformed_raises(driver: Driver, call: str) -> None:
    assert driver.do(f"return (pcall(function() return {call} end))") is False


def test_plain_search_finds_over_window_borders(driver: Driver) -> None:
    body = """
        local needle = ("ab"):rep(2000) .. "c"
        local text = ("ab"):rep(30000) .. needle .. "tail"
        local a, b = text:find(needle, 1, true)
        local c = text:find(needle .. "x", 1, true)
        return { a, b, c == nil, (text:find("tail", 50000, true)) }"""
    assert driver.do(body) == [60001, 64001, True, 64002]


def test_callbacks_may_match_again(driver: Driver) -> None:
    body = "return (('a1b2'):gsub('%a%d', function(m) return (m:gsub('%d', function(d) return d + 1 end)) end))"
    assert driver.do(body) == "a2b3"
