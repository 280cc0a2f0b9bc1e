# ruff: noqa: E501 (guest programs of one line)
"""Where `table`, `string`, `math`, `os` and the base functions differ from plain Lua (spec 02 §11, §12, §13)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

CASES: list[tuple[str, Any]] = [
    # base
    ("tostring(5.0)", "5"),
    ("10 / 2 .. ''", "5"),
    ("2 ^ 10 .. ''", "1024"),
    ("tostring(1/0) .. tostring(-1/0) .. tostring(0/0)", "+Inf-InfNaN"),
    ("tonumber(' 12 ')", 12),
    ("tonumber('0x1F')", 31),
    ("tonumber('1e5')", 100000.0),
    ("tonumber('abc') == nil", True),
    ("tonumber('zz', 36)", 1295),
    ("tonumber('8', 8) == nil", True),
    ("tonumber({}) == nil", True),
    ("select('#', unpack({1, nil, 3}, 1, 3))", 3),
    ("(select(2, 'a', 'b'))", "b"),
    ("(select(-1, 'a', 'b'))", "b"),
    ("select('#', assert(1, 2, 3))", 3),
    ("rawequal('a', 'a')", True),
    ("tostring(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"),
    ("getmetatable('x') == nil or getmetatable('x') == false", True),
    ("type(errors.new('x'))", "userdata"),
    ("type(channel.new())", "userdata"),
    ("'10' + 5", 15),
    ("1 == 1.0", True),
    ("({[1] = 'a'})[1.0]", "a"),
    ("7.5 // 2", 3),
    ("math.type(7.5 // 2)", "integer"),
    ("5 % 0 ~= 5 % 0", True),
    ("-5 % 3", 1),
    ("-8 >> 1", -4),
    ("1 << 64", 0),
    ("1 << 62", 2**62),
    ("5.7 & 7.2", 5),
    ("math.maxinteger + 1 == math.mininteger", True),
    ("9223372036854775808 == 2^63", True),
    ("#'a\\0b\\xff'", 4),
    ("'\\q' .. '\\65\\x42\\z   \\u{e9}'", "qABé"),
    ("pcall(function() return '10' & 3 end)", False),
    # table
    ("#table.create(10, 5)", 0),
    ("table.concat({1, 2.0, 'x', errors.new('e')}, '-')", "1-2-x-e"),
    ("table.concat({1, 2, 3}, ',', 2)", "2,3"),
    ("table.concat({1, 2, 3}, ',', -5, 99)", "1,2,3"),
    ("table.concat({}, ',')", ""),
    ("table.remove({}) == nil", True),
    ("table.remove({1, 2}, 9) == nil", True),
    ("table.remove({1, 2, 3}, 1.9)", 1),
    ("table.getn({1, 2})", 2),
    ("table.maxn({[3] = 1, [10] = 2, x = 1})", 10),
    ("table.unpack({4, 5})", 4),
    ("(function() local t = {1, 2} table.insert(t, 1.5, 'x') return t[1] end)()", "x"),
    ("(function() local t = {1} table.insert(t, 9, 'x') return t[9] end)()", "x"),
    ("(function() local t = {3, 1, 2} table.sort(t) return table.concat(t) end)()", "123"),
    (
        "(function() local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return table.concat(t) end)()",
        "321",
    ),
    (
        "(function() local t = {} for i = 1, 50 do t[i] = i end table.sort(t, function() return true end) return #t end)()",
        50,
    ),
    # string
    ("string.find('abc', '')", 1),
    ("select(2, string.find('abc', ''))", 0),
    ("select('#', string.find('abc', 'x'))", 1),
    ("('a.b'):find('.', 1, true)", 2),
    ("('hello'):match('l(l)o')", "l"),
    ("('x'):match('y') == nil", True),
    ("('a(b)c'):match('%b()')", "(b)"),
    ("('aa bb'):match('(%a)%1')", "a"),
    ("('a\\0b'):find('%z')", 2),
    ("(('abc'):gsub('b', '%q'))", "a%qc"),
    ("(('abc'):gsub('b', '%%'))", "a%c"),
    ("(('abc'):gsub('(b)', '[%1%0]'))", "a[bb]c"),
    ("(('abc'):gsub('%w', {a = 'x', b = true}))", None),
    ("(('abc'):gsub('%w', {a = 1.0}))", "1bc"),
    ("(('abc'):gsub('%w', function(c) if c == 'b' then return nil end return c:upper() end))", "AbC"),
    ("select(2, ('abc'):gsub('%w', '', 2))", 2),
    ("('ÉÀ'):lower()", "éà"),
    ("('straße'):upper() ~= 'straße'", True),
    ("('x'):rep(-1)", ""),
    ("('x'):rep(2.9)", "xx"),
    ("('x'):rep(3, ',')", "x,x,x"),
    ("string.char(65, 66.7, 256 + 67)", "ABC"),
    ("('hello'):sub(2.9, -2.1)", "ell"),
    ("('abc'):byte(2.5)", 98),
    ("('abc'):reverse()", "cba"),
    ("(function() local n = 0 for w in ('a b c'):gmatch('%a') do n = n + 1 end return n end)()", 3),
    ("string.gfind == string.gmatch", True),
    ("string.unpack('>I2', string.pack('>I2', 258))", 258),
    ("string.packsize('i4')", 4),
    ("(pcall(string.dump, print))", False),
    # format
    ("string.format('%d', 3.7)", "3"),
    ("string.format('%d', -3.7)", "-3"),
    ("string.format('%d', '42')", "42"),
    ("string.format('%d %s', 'x', nil)", "x nil"),
    ("string.format('%s %s', 1.0, {}) ~= nil", True),
    ("string.format('%s', errors.new('boom'))", "boom"),
    ("string.format('%5.1f|%02d|%-4s|%06d', 3.14159, 7, 'ab', 42)", "  3.1|07|ab  |000042"),
    ("string.format('%x %X %o %c', 255, 255, 8, 65)", "ff FF 10 A"),
    ("string.format('%e %g', 12345.678, 0.0001)", "1.234568e+04 0.0001"),
    ("string.format('%%')", "%"),
    ("string.format('%q', 'a\"b')", '"a\\"b"'),
    ("string.format('%d', 1, 2, 3)", "1"),
    ("#string.format('%d %s') > 0", True),
    ("string.format('%5s|%-5s|%.2s', 'ab', 'ab', 'abcdef')", "   ab|ab   |ab"),
    ("string.format('%02X%02x', 10, 10)", "0A0a"),
    ("string.format('%04d', -5)", "-005"),
    ("string.format('%.3f', 2)", "2.000"),
    ("string.format('%s', true)", "true"),
    # math
    ("math.huge", 1.7976931348623157e308),
    ("math.huge < 1/0", True),
    ("math.type(1) .. math.type(1.5) .. tostring(math.type('x'))", "integerfloatnil"),
    ("math.tointeger('8')", 8),
    ("math.tointeger(3.0)", 3),
    ("math.tointeger(3.5) == nil", True),
    ("math.floor(3.7) + math.ceil(3.2)", 7),
    ("math.fmod(7, 3)", 1),
    ("math.fmod(1, 0) ~= math.fmod(1, 0)", True),
    ("math.mod(7, 4)", 3),
    ("math.pow(2, 3)", 8.0),
    ("math.log10(1000)", 3.0),
    ("math.ldexp(0.5, 3)", 4.0),
    ("math.frexp(8)", 0.5),
    ("select(2, math.frexp(8))", 4),
    ("math.atan2(0, 1)", 0.0),
    ("math.sinh(0) + math.cosh(0) + math.tanh(0)", 1.0),
    ("math.max(1, 2.5) + math.min(3, -1)", 1.5),
    ("math.abs(-5)", 5),
    ("math.modf(3.7)", 3.0),
    ("math.ult(1, -1)", True),
    (
        "(function() for i = 1, 200 do local r = math.random(3) if r < 1 or r > 3 then return false end end return true end)()",
        True,
    ),
    ("(function() local r = math.random() return r >= 0 and r < 1 end)()", True),
    ("math.type(math.random(10))", "integer"),
    ("(function() local r = math.random(2.9, 2.1) return r end)()", 2),
    ("select('#', math.randomseed(42))", 0),
    # os
    ("os.platform", "wippy"),
    ("os.date('!%Y-%m-%d %H:%M:%S', 86400)", "1970-01-02 00:00:00"),
    ("os.date('!%c', 0)", "Thu Jan  1 00:00:00 1970"),
    ("os.date('!%x %X', 0)", "01/01/70 00:00:00"),
    ("os.date('!%q%%', 0)", "%q%"),
    ("os.date('!%U %W', 0)", "01 01"),
    ("os.date('!%a %A %b %B %I %j %p %w %y', 0)", "Thu Thursday Jan January 12 001 AM 4 70"),
    ("os.date('!*t', 3661).min", 1),
    ("os.date('!*t', 0).wday", 5),
    ("os.date('!*t', 0).isdst", False),
    ("os.date('*t', os.time({year = 2024, month = 6, day = 15, hour = 14, min = 30, sec = 45})).hour", 14),
    ("os.date('%Y-%m-%d %H:%M', os.time({year = 2024, month = 6, day = 15}))", "2024-06-15 00:00"),
    ("os.date('%Y-%m-%d', os.time({year = 2024, month = 14, day = 1}))", "2025-02-01"),
    ("os.difftime(130, 100) + os.difftime(100, 130)", 0),
    ("os.clock() >= 0", True),
    ("os.time() > 1700000000", True),
    ("#os.date() >= 24", True),
    # loops
    ("(function() local t = {} for i = 1, 3 do t[#t + 1] = math.type(i) end return t[3] end)()", "integer"),
    ("(function() local n = 0 for i = 1, 2, 0.5 do n = n + i end return n end)()", 4.5),
    (
        "(function() local n = 0 pcall(function() for i = 1, 2, 0 do n = n + 1 if n > 5 then error('endless') end end end) return n end)()",
        0,
    ),
    ("(function() local i = 10 for i = 1, 2 do i = i * 2 end return i end)()", 10),
]


@pytest.mark.parametrize(("expression", "expected"), CASES)
def test_expression(project: Project, expression: str, expected: Any) -> None:
    if expected is None:
        assert project.run(f"return (pcall(function() local v = {expression} return v end))") is False
        return
    found = project.run(f"local v = {expression} return v")
    assert found == expected and isinstance(found, bool) is isinstance(expected, bool)


GAPS: list[tuple[str, int]] = [
    ("#{1, nil, 3}", 3),
    ("#{nil, 2}", 2),
    ("#{nil, nil, nil, nil, nil, nil, 7}", 7),
    ("#{1, nil, 3, nil}", 3),
    ("#{1, nil}", 1),
    ("#{none, 2}", 2),
    ("#{none and 1, none or 2, none}", 2),
    ("#{(several()), 2, k = none}", 2),
    ("#{several()}", 2),
    ("#{true, several()}", 3),
    ("#{pcall(several)}", 3),
    ("#{k = 1, given(nil, nil, 3)}", 3),
    ("#{['k-2'] = 1, given(nil, 2)}", 2),
    ("#{given(1, nil, 3, nil) :: any}", 3),
    ("#given{given(nil, 2)}", 2),
    ("#{unpack({}, 1, 300)}", 0),
    ("#{unpack({[1] = 1, [300] = 300}, 1, 300)}", 300),
    ("select('#', unpack{pcall(several)})", 3),
    ("#table.pack(nil, nil, 3)", 3),
    ("(function(...) return #{...} end)(nil, 2, nil, 4)", 4),
    ("(function() local t = {1, nil, 3} t[#t + 1] = 4 return #t end)()", 4),
    ("(function() local t = {given(nil, 2)} for i = 1, 20 do t[#t + 1] = i end return #t end)()", 22),
    ("(function() local n = 0 for _ in pairs({none, 2, given(nil, 4)}) do n = n + 1 end return n end)()", 2),
    ("#table.freeze({1, nil, 3})", 3),
    ("#json.decode('[1, null, 3]')", 3),
    ("#yaml.decode('[null, 2, null]')", 2),
    ("#{}", 0),
]


@pytest.mark.parametrize(("expression", "expected"), GAPS)
def test_constructor_holes_count(project: Project, expression: str, expected: int) -> None:
    top = """
        local none = nil
        local function given(...) return ... end
        local function several() return nil, "second" end
    """
    assert project.run(f"return {expression}", top=top, modules=["json", "yaml"]) == expected


def test_print_joins_values_and_logs_who_printed_and_where(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        project.run("\nprint('a', 1.0, nil, true)")
    [line] = [record for record in caplog.records if record.getMessage() == "a 1 nil true"]
    fields = line.__dict__["fields"]
    assert line.levelname == "INFO" and fields["location"] == "app:main:4" and fields["pid"].startswith("{")


def test_require_gives_the_same_object_each_time(project: Project) -> None:
    program = "return { require('string') == string, require('process') == process, require('os') == os, require('json') == json, json == require('json') }"
    assert project.run(program, modules=["json"]) == [True] * 5
