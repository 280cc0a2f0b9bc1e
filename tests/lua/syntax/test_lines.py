"""A run-time error names the line its construct has in the guest's source, whatever was erased or injected."""

import pytest

from .running import nameless, output, run_plain

MISTAKES = {
    "call of nil": "local x\nx()",
    "call over lines": "local x\nx(\n1,\n2)",
    "method over lines": "local s = 'x'\ns\n  :rep(2)\n  :nothing()",
    "field of nil": "local x\n\nlocal y = x.y",
    "field over lines": "local x = {y = {}}\nlocal y = x\n.y\n.z\n.w",
    "operator at the start of a line": "local x\nlocal y = 1\n  + 2\n  + x",
    "operator at the end of a line": "local x\nlocal y = 1 +\n  2 +\n  x",
    "concatenation": "local x\nlocal y = 'a' ..\n 'b' ..\n x",
    "comparison": "local x\nif x\n  < 1 then end",
    "after a long string": "local s = [[\n1\n2\n]] local x\nx()",
    "after an escaped line end": "local s = 'a\\\nb\\z\n  c' local x\nx()",
    "long string argument": "local x\nlocal y = x .. [[\n\n]]",
    "after comments": "--[==[\n\n]==] local x -- y\n--[[ z ]]\nx()",
    "in a table": "local x\nlocal t = {\n 1,\n a = x.y,\n}",
    "nil key": "local k\nlocal t = {}\nt[\nk\n] = 1",
    "nil key in a table": "local k\nlocal t = {\n 1,\n [k] = 2,\n}",
    "store into nil": "local t\n\nt.x = 1",
    "computed store into nil": "local t\n\nt[#'x' + 1] = 1",
    "in a function": "local function f(\n a,\n b\n)\n return a + b\nend\nf(\n 1\n)",
    "in a method": "local t = {}\nfunction t:m()\n\n self.x.y = 1\nend\nt:m()",
    "in a numeric loop": "local x\nfor i = 1, 3 do\n x = x + i\nend",
    "after a numeric loop": "for i = 1,\n 3\ndo\nend\nlocal x\nx()",
    "limit of a loop": "local n = 'x'\nfor i = 1, n do end",
    "nil limit of a loop": "local n\nfor i = 1, n, 2 do end",
    "limit of an outer loop": "local n\nfor i = 1, n do for j = 1, 2 do end end",
    "limit on its own line": "local n\nfor i = 1,\n n\ndo\nend",
    "start of a loop": "local n\nfor i = n, 1 do end",
    "step of a loop": "for i = 1, 2, 'x' do end",
    "zero step": "for i = 1, 2, 0 do end",
    "iterator": "local n\n\nfor k in n do end",
    "iterator over lines": "for k in\n next,\n 5\ndo\nend",
    "in a generic loop": "for k, v in pairs({1}) do\n local x\n\n x()\nend",
    "in a while loop": "local n = 0\nwhile n < 3 do\n n = n + 1\n n.x.y = 1\nend",
    "condition of a while loop": "local n\n\nwhile n < 3 do\nend",
    "condition of a repeat": "repeat\n local n\nuntil n\n < 3",
    "after a jump": "local n = 0\n::l::\nn = n + 1\nif n < 3 then goto l end\nn()",
    "error call": "local function f()\n\n error('boom')\nend\n f()",
    "error of the caller": "local function f()\n error('boom', 2)\nend\n\nf()",
    "last line": "local x\n\n\nreturn x.y",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_error_is_that_of_plain_lua(name: str) -> None:
    source = MISTAKES[name]
    expected = run_plain(source)
    assert expected.startswith("error: app:main:")
    assert nameless(output(source)) == nameless(expected)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("type T = {\n a: number,\n b: string\n}\nlocal x\nx()", 6),
        ("interface I\n function m(a: T): B\nend\nlocal x\nx()", 5),
        ("local x: {\n a: number\n}\nx()", 4),
        ("local function f<T: {\n}>(a:\n T, ...:\n any):\n (A,\n B)\n a()\nend\nf()", 7),
        ("local x\nlocal y = (x ::\n T).y", 3),
        ("local x\nlocal y = x as\n T\ny()", 4),
        ("local x: T\n(f or x)()", 2),
    ],
)
def test_erased_lines_are_kept(source: str, line: int) -> None:
    assert output(source).startswith(f"error: app:main:{line}: ")
