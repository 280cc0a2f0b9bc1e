import pytest

from wippy.core.errors import INVALID
from wippy.lua.compile import compile_chunk
from wippy.lua.syntax.errors import LuaSyntaxError, from_loader

NOT_A_TYPE = "'function' is not a type: write a function type such as (number) -> string, or any"


def refusal(source: str | bytes) -> LuaSyntaxError:
    with pytest.raises(LuaSyntaxError) as caught:
        compile_chunk(source.encode() if isinstance(source, str) else source, "app:cart")
    return caught.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("foo bar", "1:5: unexpected identifier 'bar': a statement is an assignment or a call"),
        ("x = y z = 1 end", "1:13: expected end of file, found 'end'"),
        ("local x: number< = 1", "1:18: expected a type, found '='"),
        ("x = @@", "1:5: expected an expression, found '@'"),
        ("\n\nlocal function f()\n  g()\n", "5:1: expected 'end' (to close 'function' at line 3), found end of file"),
        ("if x then y() else z()", "1:23: expected 'end' (to close 'if' at line 1), found end of file"),
        ("f(1,\n2", "2:2: expected ')' (to close '(' at line 1), found end of file"),
        ("f(1 2)", "1:5: expected ')' (to close '(' at column 2), found number '2'"),
        ("x + 1", "1:3: expected '=' or a call, found '+'"),
        ("f() = 1", "1:1: cannot assign to this expression"),
        ("return 1 x()", "1:10: 'return' must be the last statement of its block, found identifier 'x'"),
        ("local x <const> = 1", "1:9: attributes of locals (<const>, <close>) are not part of the language"),
        ("for i: number = 1, 2 do end", "1:6: loop variables take no annotation"),
        ("type F = function", "1:10: " + NOT_A_TYPE),
        ("break", "1:1: break outside a loop"),
        ("while x do local f = function() break end end", "1:33: break outside a loop"),
        ("goto done", "1:1: no visible label 'done' for goto"),
        ("do ::l:: end goto l", "1:14: no visible label 'l' for goto"),
        ("::l:: function f() goto l end", "1:20: no visible label 'l' for goto"),
        ("::l::\ndo ::l:: end", "2:4: label 'l' already defined on line 1"),
        ("goto l local x ::l:: f()", "1:1: goto 'l' jumps into the scope of local 'x'"),
        ("repeat goto l local x ::l:: until x", "1:8: goto 'l' jumps into the scope of local 'x'"),
        ("function f() return ... end", "1:21: cannot use '...' outside a vararg function"),
        ("export type A = number", "1:8: unexpected identifier 'type': a statement is an assignment or a call"),
        ("x += 1", "1:3: expected '=' or a call, found '+'"),
        ("local as = 1", "1:7: expected a name, found 'as'"),
        ("x!.y = 1", "1:2: expected '=' or a call, found '!'"),
        ("y = x!()", "1:8: expected an expression, found ')'"),
        ("y = a->b", "1:6: expected a statement, found '->'"),
        ("y = x :: A :: B", "1:16: expected '=' or a call, found end of file"),
        ("y = x as number < z", "1:20: expected '>', found end of file"),
        ("type R = {a: T; b: U}", "1:15: expected '}' (to close '{' at column 10), found ';'"),
        ("function f(x?: T) end", "1:13: expected ')' (to close '(' at column 11), found '?:'"),
        ("function f(a,) end", "1:14: expected a name, found ')'"),
        ("type T = a.b.c", "1:13: expected a statement, found '.'"),
    ],
)  # fmt: skip
def test_message_says_where_what_and_what_instead(source: str, text: str) -> None:
    assert str(refusal(source)) == f"app:cart:{text}"


@pytest.mark.parametrize(
    "source",
    ["goto l local x ::l::", "do goto l local x ::l:: ; ::m:: end", "do goto l; local x\n::l:: type T = any end"],
)
def test_jump_to_the_end_of_a_block_is_fine(source: str) -> None:
    compile_chunk(source.encode(), "app:cart")


def test_diagnostic_points_at_the_token() -> None:
    assert refusal("local a = 1\n\tlocal é = 2").render() == (
        "error: invalid token '\\xC3'\n --> app:cart:2:8\n  |\n2 | \tlocal é = 2\n  | \t      ^"
    )
    assert refusal("if x then\n  foo barbar\nend").render().endswith("2 |   foo barbar\n  |       ^~~~~~")


def test_diagnostic_of_a_huge_line_shows_its_surroundings() -> None:
    rendered = refusal("x = 1 " * 100_000 + "barbar foo").render()
    assert len(rendered) < 600
    assert "barbar foo" in rendered


def test_error_crosses_boundaries_as_invalid() -> None:
    error = refusal("foo bar").as_error()
    assert (error.kind, error.retryable) == (INVALID, False)
    assert error.message.startswith("error: unexpected identifier 'bar'")
    assert error.details == {"entry": "app:cart", "line": 1, "column": 5}


def test_loader_message_becomes_a_syntax_error() -> None:
    error = from_loader("app:cart", b"a\nb\nc", "app:cart:2: function or expression needs too many registers near 'x'")
    assert str(error) == "app:cart:2:1: function or expression needs too many registers"
    assert error.source_line == "b"


def test_too_many_locals_are_refused_at_the_one_too_many() -> None:
    source = "local function f()\n" + "".join(f"local a{i}\n" for i in range(201)) + "end"
    assert str(refusal(source)) == "app:cart:202:7: too many local variables (limit is 200) in function at line 1"


def test_too_many_upvalues_are_refused() -> None:
    levels = "".join(f"local function f{n}() " + "".join(f"local a{n}_{i}=1 " for i in range(150)) for n in range(2))
    uses = "return " + "+".join(f"a{n}_{i}" for n in range(2) for i in range(150))
    assert "too many upvalues (limit is 250)" in str(refusal(f"{levels} return function() {uses} end end end"))
