# ruff: noqa: E501 (guest programs of one line)
"""Guest module `expr` (spec 04b §11); the language itself: tests/expr."""

from __future__ import annotations

from typing import Any

import pytest

from lua.modules.guest import check


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("x + y * 2", 7),
        ("active and level > 2", True),
        ("first + ' ' + last", "Ann Lee"),
        ("x >= 3", False),
        ("x == 1 ? 'one' : 'more'", "one"),
        ("x == 2 ? 'two' : 'other'", "other"),
        ("max(1, 5, 3)", 5),
        ("min(4, 2)", 2),
        ("len([1, 2, 3])", 3),
        ("nil", None),
        ("items | filter(.price > 10) | map(.name)", ["b"]),
        ("tags[0] + tags[-1]", "uv"),
        ("{a: [1, 2]}", {"a": [1, 2]}),
        ("string(duration('90s'))", "1m30s"),
        ("duration('90s')", "1m30s"),
        ("date('2024-01-02')", "2024-01-02T00:00:00Z"),
    ],
)
def test_evaluation_with_an_environment(source: str, expected: Any) -> None:
    env = {
        "x": 1,
        "y": 3,
        "active": True,
        "level": 3,
        "first": "Ann",
        "last": "Lee",
        "items": [{"name": "a", "price": 5}, {"name": "b", "price": 15}],
        "tags": ["u", "v"],
    }
    assert check("local source, env = ... return (expr.eval(source, env))", source, env) == expected


def test_integers_and_floats_keep_their_subtype() -> None:
    program = "return {math.type(expr.eval('x', {x = 3})), math.type(expr.eval('x', {x = 3.0})), math.type(expr.eval('4 / 2'))}"
    assert check(program) == ["integer", "float", "float"]


def test_a_program_is_compiled_once_and_run_often() -> None:
    program = """
        local p = assert(expr.compile("x * 2"))
        local alone = assert(expr.compile("1 + 1"))
        local hinted = assert(expr.compile("x + 1", { x = 1 }))
        return { p:run({ x = 2 }), p:run({ x = 5 }), alone:run(), hinted:run({ x = 41 }), type(p), tostring(p) }
    """
    assert check(program) == [4, 10, 2, 42, "userdata", "expr.Program{}"]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("expr.eval('')", "Invalid"),
        ("expr.compile('')", "Invalid"),
        ("expr.eval(nil)", "Invalid"),
        ("expr.eval('invalid syntax !!!')", "Internal"),
        ("expr.compile('(((')", "Internal"),
        ("expr.eval('x + y', {x = 1})", "Internal"),
        ("expr.compile('x + 1'):run({})", "Internal"),
        ("expr.compile('z + 1', {x = 1})", "Internal"),
        ("expr.compile('name - 1', {name = 'text'})", "Internal"),
    ],
)
def test_errors(call: str, kind: str) -> None:
    program = f"local v, e = {call} return {{v == nil, e:kind(), e:retryable(), type('error: ' .. e)}}"
    assert check(program) == [True, kind, False, "string"]


def test_a_false_result_is_no_error() -> None:
    assert check("local v, e = expr.eval('1 > 2') return {v, e == nil}") == [False, True]


def test_tables_with_integer_keys_are_arrays() -> None:
    assert check("return expr.eval('len(t)', {t = {[1] = 'a', [3] = 'c', x = 'lost'}})") == 3


def test_hostile_expressions_do_not_hold_the_shard() -> None:
    program = "local v, e = expr.eval('map(1..1000, map(1..1000, map(1..1000, #)))') return {v == nil, e:kind()}"
    assert check(program) == [True, "Internal"]
