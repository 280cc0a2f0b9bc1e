"""No guest program runs long without calling the slow function, and short ones pay little."""

import pytest

from wippy.lua.compile import compile_chunk

from .running import output, run, run_plain

ENDLESS = {
    "while": "while true do end",
    "while with body": "local x = 0 while x >= 0 do x = x + 1 end",
    "while with continue": "while true do goto continue local x ::continue:: end",
    "repeat": "repeat until false",
    "repeat with local": "repeat local x = false until x",
    "numeric to a huge limit": "for i = 1, math.huge do end",
    "numeric to the last integer": "for i = 1, math.maxinteger do end",
    "numeric down": "for i = 10, math.mininteger, -1 do end",
    "numeric with start": "local n = 1 for i = n, math.maxinteger do end",
    "numeric with stuck start": "for i = 2^53, math.huge do end",
    "numeric from infinity": "for i = -math.huge, 0 do end",
    "numeric with step": "for i = 1, math.huge, 7 do end",
    "numeric with float step": "for i = 1, math.huge, 0.5 do end",
    "numeric with huge step": "for i = 0, math.huge, 4611686018427387904 do for j = 1, 1e9 do end end",
    "numeric with assigned variable": "for i = 1, math.huge do i = 1 end",
    "numeric over lines": "for i = 1,\n math.huge do end",
    "nested": "while true do for i = 1, 1 do end end",
    "nested deep": "for i = 1, math.huge do for j = 1, 2 do for k = 1, 2 do end end end",
    "outer repeat": "repeat for i = 1, 0 do end until false",
    "generic": "local function f() return 1 end for k in f do end",
    "generic over a coroutine": "for k in coroutine.wrap(function() while 1 do coroutine.yield(1) end end) do end",
    "goto": "::l:: goto l",
    "goto over blocks": "::l:: do do goto l end end",
    "goto out of a loop": "::l:: for i = 1, 2 do goto l end",
    "goto pair": "goto b ::a:: goto c ::b:: goto a ::c:: goto b",
    "recursion": "local function f() return f() end f()",
    "method recursion": "local t = {} function t:m() return self:m() end t:m()",
    "mutual recursion": "local f, g function f() return g() end function g() return f() end f()",
    "vararg recursion": "local function f(...) return f(...) end f(1)",
    "tree recursion": "local function f(n) if n > 0 then f(n - 1) f(n - 1) end end f(60)",
    "leaf callback": "string.gsub(('x'):rep(1e6), 'x', function(c) return c .. c end)",
    "index tree": "local m = {} m.__index = function(t, k) return t[k + 1] or t[k + 1] end "
    "local function f(n) if n > 20 then return end pcall(function() return setmetatable({}, m)[1] end) f(n + 1) "
    "return f(n + 1) end f(1)",
    "global tree": "local n = 0 setmetatable(_G, {__index = function(t, k) if n > 1e6 then return end n = n + 1 end}) "
    "while true do local x = unknown end",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_program_is_stopped(name: str) -> None:
    outcome = run(ENDLESS[name], limit=200, budget=50)
    assert outcome.text.endswith("out of ticks")


def many_locals(count: int) -> str:
    return "local " + ", ".join(f"l{i}" for i in range(count)) + "\n"


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_program_is_stopped_among_many_locals(name: str) -> None:
    """Near the limit of locals, ticks need none."""
    outcome = run(many_locals(190) + ENDLESS[name], limit=200, budget=50)
    assert outcome.text.endswith("out of ticks")


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_program_is_stopped_at_great_depth(name: str) -> None:
    source = "do " * 100 + ENDLESS[name] + " end" * 100
    assert run(source, limit=200, budget=50).text.endswith("out of ticks")


@pytest.mark.parametrize(
    "loop",
    [
        "for i = 1, 2 do end",
        "for i = n, 2 do end",
        "while n do break end",
        "repeat until true",
        "for k, v in pairs(t) do end",
        "for i = 1, 1 do for j = 1, 1 do end end",
    ],
)
@pytest.mark.parametrize("count", [150, 168, 170, 171, 175, 185, 189])
def test_no_tick_pushes_a_legal_function_over_the_limit(loop: str, count: int) -> None:
    body = f"local n, t = 1, {{}} {many_locals(count)} {loop} t[#t + 1] = n return t"
    assert run_plain(f"local function f() {body} end out(#f())") == "1"
    assert output(f"local function f() {body} end out(#f())") == "1"


def test_many_parameters_leave_no_room_for_a_tick_local() -> None:
    names = ", ".join(f"p{i}" for i in range(199))
    assert output(f"local function f({names}) return p0 + 1 end out(f(1))") == "2"


@pytest.mark.parametrize(
    ("source", "ticked"),
    [
        ("local function f() end", False),
        ("local function f(a) return a, not a, a and 1, {a, x = 1}, function() end end", False),
        ("local function f(a) if a then return 1 else return nil end end", False),
        ("local function f(a) return a() end", True),
        ("local function f(a) return a.b end", True),
        ("local function f(a) return a + 1 end", True),
        ("local function f(a) return -a end", True),
        ("local function f(a) return #a end", True),
        ("local function f(a) return a .. 'x' end", True),
        ("local function f(a) return a == 1 end", True),
        ("local function f(a) a.b = 1 end", True),
        ("local function f() return unknown end", True),
        ("local function f() unknown = 1 end", True),
    ],
)
def test_function_that_cannot_run_long_has_no_tick(source: str, ticked: bool) -> None:
    code = compile_chunk(source.encode(), "app:main").code
    assert (b"__wpy_c=__wpy_t" in code) == ticked


def ticks_used(source: str) -> int:
    """How often the counter ran out when every tick exhausts it."""
    return run(source, budget=0).slow_calls


def test_short_loops_are_charged_by_block() -> None:
    assert ticks_used("for i = 1, 500 do end") == 1
    assert ticks_used("for i = 1, 501 do end") == 2
    assert ticks_used("for i = 500, 1, -1 do end") == 1
    assert ticks_used("for i = 1, 0 do end") == 0
    assert ticks_used("local n = 0 while n < 127 do n = n + 1 end") == 1
    assert ticks_used("local n = 0 while n < 128 do n = n + 1 end") == 2


def test_counter_left_negative_by_the_slow_function_calls_it_again() -> None:
    assert run("local function f(x) return x + 1 end f(1) f(1)", budget=-5).slow_calls == 2
