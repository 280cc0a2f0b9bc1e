"""Depth is refused cleanly and length costs nothing but time (linear)."""

import pytest

from wippy.lua.compile import compile_chunk
from wippy.lua.syntax.errors import LuaSyntaxError

from .running import loader_refusal, output

SHAPES = {
    "parentheses": ("return ", "(", "1", ")"),
    "tables": ("return ", "{", "", "}"),
    "keys": ("return ", "{[", "1", "]=1}"),
    "indexes": ("x=", "a[", "1", "]"),
    "calls": ("", "f(", "", ")"),
    "blocks": ("", "do ", "", " end"),
    "whiles": ("", "while x do ", "", " end"),
    "numeric loops": ("", "for i=1,1 do ", "", " end"),
    "repeats": ("", "repeat ", "", " until x"),
    "ifs": ("", "if x then ", "", " end"),
    "functions": ("", "function f() ", "", " end"),
    "closures": ("return ", "function() return ", "1", " end"),
    "loops in closures": ("return ", "function() for i=1,9 do return ", "1", " end end"),
    "stores of closures": ("t=", "function() t[#t+1]=", "1", " end"),
    "not": ("return ", "not ", "1", ""),
    "minus": ("return ", "- ", "1", ""),
    "powers": ("return ", "2^", "1", ""),
    "casts": ("return ", "", "x", " as T"),
    "assertions": ("return ", "", "x", "!"),
    "array types": ("type T = ", "{", "any", "}"),
    "array suffixes": ("type T = ", "", "any", "[]"),
    "generic types": ("type T = ", "A<", "any", ">"),
    "function types": ("type T = ", "(", "any", ") -> any"),
    "returned types": ("type T = ", "() -> ", "any", ""),
    "parenthesised returns": ("type T = () -> ", "(", "any", ")"),
    "mixed unions": ("type T = ", "A | B & ", "any", ""),
    "typeof": ("type T = ", "typeof(x as ", "any", ")"),
}


def shaped(shape: str, levels: int) -> bytes:
    head, opening, core, closing = SHAPES[shape]
    return (head + opening * levels + core + closing * levels).encode()


@pytest.mark.parametrize("shape", SHAPES)
def test_deep_nesting_is_refused(shape: str) -> None:
    with pytest.raises(LuaSyntaxError, match="nesting too deep"):
        compile_chunk(shaped(shape, 20_000), "app:main")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_accepted_loads(shape: str) -> None:
    """The deepest nesting the parser takes is not too deep for Lua once emitted."""
    accepted = 0
    for levels in range(30, 200):
        try:
            compile_chunk(shaped(shape, levels), "app:main")
        except LuaSyntaxError:
            break
        accepted = levels
    assert accepted >= 40
    for levels in {accepted, 61, 60, 59, 58, 30, 29}:
        if levels <= accepted:
            assert loader_refusal(shaped(shape, levels)) is None


def test_ten_megabytes_of_parentheses_are_refused_at_once() -> None:
    with pytest.raises(LuaSyntaxError, match="1:181: nesting too deep"):
        compile_chunk(b"(" * 10_000_000, "app:main")


LONG = {
    "sum": ("x = 0 out(x", " + 1", ")"),
    "comparison": ("x = 1 out(1", " == 1", ")"),
    "logic": ("out(true", " and true", ")"),
    "fields": ("local a = {} a.a = a out(a", ".a", ")"),
    "indexes": ("local a = {} a[1] = a out(a", "[1]", ")"),
    "calls": ("local function f() return f end f", "()", ""),
    "methods": ("local a = {} function a:m() return a end a", ":m()", ""),
    "elseif": ("if x then", " elseif x then", " end"),
    "statements": ("", "x = 1 ", ""),
    "semicolons": ("", ";", ""),
    "arguments": ("local t = {", "1,", "}"),
    "unions": ("type T = A", " | B", ""),
    "labels": ("", "do ::l:: goto m ::m:: end ", ""),
    "function path": ("function a", ".a", "() end"),
}


@pytest.mark.parametrize("shape", LONG)
def test_length_is_no_depth(shape: str) -> None:
    head, item, tail = LONG[shape]
    compile_chunk((head + item * 20_000 + tail).encode(), "app:main")


@pytest.mark.parametrize("count", [2, 24, 25, 26, 144, 145, 150, 1728, 1729, 30_000])
def test_long_concatenation_keeps_its_order(count: int) -> None:
    chain = " .. ".join(f"'{i} '" for i in range(count))
    assert output(f"out({chain})") == "".join(f"{i} " for i in range(count))
