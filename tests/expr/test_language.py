"""The expression language (spec 04b §11)."""

from __future__ import annotations

import datetime
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wippy.core.errors import Error
from wippy.expr import Program, Programs

ENV: dict[str, Any] = {
    "x": 3,
    "f": 2.5,
    "s": "hello world",
    "list": [5, 1, 4],
    "user": {"name": "Ann", "age": 30, "tags": ["a", "b"], "none": None},
    "users": [{"name": "Ann", "age": 30}, {"name": "Bob", "age": 17}, {"name": "Cy", "age": 30}],
}


def value(source: str, env: dict[str, Any] | None = None) -> Any:
    return Program(source).run(ENV if env is None else env)


def kind(source: str, env: dict[str, Any] | None = None) -> str:
    with pytest.raises(Error) as caught:
        value(source, env)
    assert caught.value.retryable is False and caught.value.message
    return caught.value.kind


VALUES = [
    # literals
    ("42", 42),
    ("0x2A", 42),
    ("0o52", 42),
    ("0b101", 5),
    ("1_000", 1000),
    (".5", 0.5),
    ("1e3", 1000.0),
    ('"a\\n\\"\\u00e9\\x41"', 'a\n"éA'),
    ("'it\\'s'", "it's"),
    ("`raw\\n`", "raw\\n"),
    ('[1, "a", nil, true]', [1, "a", None, True]),
    ('{a: 1, "b": 2, (s): 3}', {"a": 1, "b": 2, "hello world": 3}),
    ("nil", None),
    ("1 // comment", 1),
    ("1 /* two\nlines */ + 2", 3),
    # arithmetic
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("7 / 2", 3.5),
    ("6 / 2", 3.0),
    ("7 % 3", 1),
    ("-7 % 3", -1),
    ("2 ** 3 ** 2", 512.0),
    ("2 ^ 10", 1024.0),
    ("-2 ^ 2", -4.0),
    ("1 + 2.5", 3.5),
    ("9223372036854775807 + 1", -(2**63)),
    ("x - f", 0.5),
    ("'a' + 'b' + s", "abhello world"),
    ("1 / 0", math.inf),
    # comparison and logic
    ("1 == 1.0", True),
    ("1 == true", False),
    ("'1' == 1", False),
    ("[1, {a: 2}] == [1, {a: 2}]", True),
    ("1 != 2", True),
    ("x >= 3 and x < 4", True),
    ("x > 3 || x == 3", True),
    ("not (x == 3)", False),
    ("!false && true", True),
    ("false and missing", False),
    ("true or 1 / 'x' == 1", True),
    ("x == 3 ? 'yes' : 'no'", "yes"),
    ("x == 4 ? 'yes' : 'no'", "no"),
    ("false ? 1 : true ? 2 : 3", 2),
    ("missing ?? 'default'", "default"),
    ("missing == nil", True),
    ("(missing ?? 1) + 2", 3),
    ("nil ?? nil ?? 3", 3),
    # membership and texts
    ("1 in [1, 2]", True),
    ("'name' in user", True),
    ("'nope' not in user", True),
    ("1 in nil", False),
    ("s contains 'lo w'", True),
    ("s not contains 'x'", True),
    ("s startsWith 'hell'", True),
    ("s endsWith 'ld'", True),
    ("s matches '^h.*d$'", True),
    ("missing matches 'x'", False),
    ("not (s matches 'x')", True),
    # members
    ("user.name", "Ann"),
    ('user["name"]', "Ann"),
    ("list[0]", 5),
    ("list[-1]", 4),
    ("user.tags[1]", "b"),
    ("user?.nope?.deeper", None),
    ("missing?.a.b", None),
    ("user.nope", None),
    ("list[1:3]", [1, 4]),
    ("list[:-1]", [5, 1]),
    ("s[0:5]", "hello"),
    ("list[10:]", []),
    ("$env.x", 3),
    ("'x' in $env", True),
    ("user.in", None),
    # ranges, let, pipes
    ("1..4", [1, 2, 3, 4]),
    ("3..1", []),
    ("let a = 2; let b = a * 3; a + b", 8),
    ("let x = 10; x + 1", 11),
    ("s | upper()", "HELLO WORLD"),
    ("list | filter(# > 1) | map(# * 2) | sum()", 18),
    ("users | filter(.age > 18) | map(.name) | join(', ')", "Ann, Cy"),
    # predicates
    ("filter(1..5, {# > 2})", [3, 4, 5]),
    ("filter(users, .age == 17)[0].name", "Bob"),
    ("map(list, #index)", [0, 1, 2]),
    ("map(1..2, map(1..2, #))", [[1, 2], [1, 2]]),
    ("all(list, # > 0)", True),
    ("any(list, # > 4)", True),
    ("one(list, # > 4)", True),
    ("none(list, # > 9)", True),
    ("find(list, # < 5)", 1),
    ("find(list, # > 9)", None),
    ("findIndex(list, # == 4)", 2),
    ("findLast(list, # < 5)", 4),
    ("findLastIndex(list, # < 9)", 2),
    ("findIndex(list, # > 9)", -1),
    ("count(list, # > 1)", 2),
    ("count([true, false, true])", 2),
    ("sum(users, .age)", 77),
    ("sum([1, 2.5])", 3.5),
    ("reduce(1..4, #acc + #)", 10),
    ("reduce(1..3, #acc * #, 2)", 12),
    ("groupBy(users, .age)", {"30": [ENV["users"][0], ENV["users"][2]], "17": [ENV["users"][1]]}),
    ("countBy(users, .age)", {"30": 2, "17": 1}),
    ("sortBy(users, .age)[0].name", "Bob"),
    ("map(sortBy(users, .name, 'desc'), .name)", ["Cy", "Bob", "Ann"]),
    # texts
    ("trim('  a ')", "a"),
    ("trim('xxaxx', 'x')", "a"),
    ("trimPrefix('abc', 'a')", "bc"),
    ("trimSuffix('abc', 'c')", "ab"),
    ("upper('é') + lower('A')", "Éa"),
    ("split('a,b,c', ',')", ["a", "b", "c"]),
    ("split('a,b,c', ',', 2)", ["a", "b,c"]),
    ("splitAfter('a,b', ',')", ["a,", "b"]),
    ("replace('aXbX', 'X', '-')", "a-b-"),
    ("repeat('ab', 3)", "ababab"),
    ("indexOf('abcabc', 'c')", 2),
    ("lastIndexOf('abcabc', 'c')", 5),
    ("indexOf('abc', 'z')", -1),
    ("hasPrefix('abc', 'a') and hasSuffix('abc', 'c')", True),
    ("join(['a', 'b'])", "ab"),
    # numbers
    ("max(1, 5, 3)", 5),
    ("max([1, 2], 0)", 2),
    ("min(1, 5, 3)", 1),
    ("abs(-3)", 3),
    ("ceil(1.2)", 2.0),
    ("floor(-1.2)", -2.0),
    ("round(2.5)", 3.0),
    ("round(-2.5)", -3.0),
    ("mean(1, 2, 3)", 2.0),
    ("median([1, 3, 2, 4])", 2.5),
    # arrays and maps
    ("len([1, 2, 3])", 3),
    ("len('é')", 1),
    ("len(user)", 4),
    ("first(list)", 5),
    ("last([])", None),
    ("take(list, 2)", [5, 1]),
    ("sort(list)", [1, 4, 5]),
    ("sort(list, 'desc')", [5, 4, 1]),
    ("reverse(list)", [4, 1, 5]),
    ("uniq([1, 1.0, 'a', 'a', [1], [1], true])", [1, "a", [1], True]),
    ("concat([1], [2], [])", [1, 2]),
    ("flatten([1, [2, [3, []]], 4])", [1, 2, 3, 4]),
    ("keys({a: 1})", ["a"]),
    ("values({a: 1})", [1]),
    ("toPairs({a: 1})", [["a", 1]]),
    ("fromPairs([['a', 1]])", {"a": 1}),
    ("get(user, 'name')", "Ann"),
    ("get(list, 9)", None),
    # conversion
    ("type(1)", "int"),
    ("map([nil, true, 1.5, 'x', [], {}], type(#))", ["nil", "bool", "float", "string", "array", "map"]),
    ("int('42') + int(3.9)", 45),
    ("float('1.5')", 1.5),
    ("string(5.0) + string(true) + string([1, 'a'])", "5true[1 a]"),
    ("fromJSON('{\"a\": [1, 2.5]}').a", [1, 2.5]),
    ("fromJSON(toJSON(user)).tags", ["a", "b"]),
    ("fromBase64(toBase64('é'))", "é"),
    ("[bitand(6, 3), bitor(6, 3), bitxor(6, 3), bitnand(6, 3), bitnot(0)]", [2, 7, 5, 4, -1]),
    ("[bitshl(1, 63), bitshr(-8, 1), bitushr(-1, 60), bitshl(1, 64)]", [-(2**63), -4, 15, 0]),
    # dates
    ("date('2024-03-01') - date('2024-02-28') == duration('48h')", True),
    ("date('2024-03-01 10:00:00') + duration('90m') < date('2024-03-01T11:30:01Z')", True),
    ("date('01.03.2024', '02.01.2006').Day()", 1),
    ("date('2024-07-01 12:00:00', '2006-01-02 15:04:05', 'Europe/Berlin').Unix()", 1719828000),
    ("date('2024-07-01 12:00:00', '2006-01-02 15:04:05', timezone('Europe/Berlin')).Unix()", 1719828000),
    ("duration('1h30m').Minutes()", 90.0),
    ("string(duration('1h30m'))", "1h30m0s"),
    ("now() > date('2020-01-01')", True),
]


@pytest.mark.parametrize(("source", "expected"), VALUES)
def test_value(source: str, expected: Any) -> None:
    found = value(source)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    "source",
    [
        "invalid syntax !!!",
        "(((",
        "1 +",
        "[1, 2",
        "{a 1}",
        "'open",
        "1 2",
        "@",
        "f(",
        "unknown(1)",
        "len()",
        "len(1, 2)",
        "x ? 1",
        "let = 1; 2",
        "1 ?? 2 + 3",
        "a not b",
        "# > 1",
        "99999999999999999999",
        "x |",
        "'\\ud800'",
        "(" * 500 + ")" * 500,
        "-" * 5000 + "1",
        "a." * 4000 + "a" * 3 + "[" * 3000,
        "!" * 100000,
        "x" * 70000,
    ],
)
def test_mistakes_are_internal_errors(source: str) -> None:
    assert kind(source) == "Internal"


@pytest.mark.parametrize(
    "source",
    [
        "x + y",
        "missing.name",
        "list['a']",
        "list[99]",
        "x.name",
        "s < 1",
        "1 and true",
        "x ? 1 : 2",
        "not 1",
        "-s",
        "5 % 0",
        "5.5 % 2",
        "1 in 'text'",
        "s matches '['",
        "s startsWith 1",
        "filter(list, # + 1)",
        "filter(s, true)",
        "sum(['a'])",
        "sort([1, 'a'])",
        "reduce([], #acc)",
        "int('x')",
        "repeat('x', -1)",
        "date('nonsense')",
        "timezone('No/Where') == date('2024-01-01', '2006-01-02', 'No/Where')",
        "duration('x')",
        "fromJSON('{')",
        "fromBase64('*')",
        "user.name.first",
        "s.upper()",
        "'x'.format('y')",
    ],
)
def test_failing_runs_are_internal_errors(source: str) -> None:
    assert kind(source) == "Internal"


@pytest.mark.parametrize("source", ["", "   ", "\n"])
def test_an_empty_expression_is_invalid(source: str) -> None:
    with pytest.raises(Error) as caught:
        Program(source)
    assert (caught.value.kind, caught.value.message) == ("Invalid", "expression cannot be empty")


@pytest.mark.parametrize(
    "source",
    [
        "x.__class__",
        "s.__class__",
        "'a'.__class__.__mro__",
        "user.keys",
        "list.append",
        "x['__class__']",
        "$env.__init__",
        "f.real",
    ],
)
def test_members_of_python_objects_cannot_be_reached(source: str) -> None:
    try:
        assert value(source) is None
    except Error as error:
        assert error.kind == "Internal"


HOSTILE = [
    "sum(map(1..1000, sum(1..1000, # * 2)))",
    "map(1..100000, map(1..100000, #))",
    "repeat('x', 1000000000)",
    "repeat(repeat('x', 10000), 10000)",
    "reduce(1..100000, #acc + #acc, 'x')",
    "reduce(1..60, concat(#acc, #acc), [1])",
    "1..1000000000",
    "map(1..1000, 1..1000000)",
    "9 ** 9 ** 9 ** 9",
    "toJSON(reduce(1..40, [#acc, #acc], [1]))",
    "string(reduce(1..40, [#acc, #acc], [1]))",
    "reduce(1..40, [#acc, #acc], [1]) == reduce(1..40, [#acc, #acc], [1])",
    "replace(repeat('a', 100000), 'a', repeat('b', 100000))",
    "join(map(1..100000, repeat('x', 1000)), ',')",
    "filter(1..1000000, s matches '(a+)+$')",
    "flatten(reduce(1..40, [#acc, #acc], [1]))",
    "bitshl(1, 9000000000)",
    "uniq(map(1..100000, [#]))",
    "len(reduce(1..900, [#acc], [])) + len(toJSON(reduce(1..90000, [#acc], [])))",
    "reduce(1..90000, [#acc], []) == reduce(1..90000, [#acc], [])",
]


@pytest.mark.parametrize("source", HOSTILE)
def test_hostile_expressions_end_soon(source: str) -> None:
    begun = time.perf_counter()
    try:
        Program(source).run(ENV, steps=500_000)
    except Error as error:
        assert error.kind == "Internal"
    assert time.perf_counter() - begun < 2.5


def test_long_chains_are_no_problem() -> None:
    assert value(" + ".join(["1"] * 3000)) == 3000
    assert value(" and ".join(["true"] * 3000)) is True


def test_a_hint_makes_unknown_names_and_mismatches_compile_errors() -> None:
    hint = {"x": 1, "name": "text", "list": [1], "user": {"age": 1}}
    for source in (
        "y + 1",
        "x + name",
        "name - 1",
        "x > name",
        "x and true",
        "filter(list, # > z)",
        "5 % 2.5 == x",
        "let a = 'x'; a * x",
    ):
        with pytest.raises(Error) as caught:
            Program(source, hint)
        assert caught.value.kind == "Internal"
    for source in (
        "x + 1.5",
        "name + 'x'",
        "user.age + x",
        "list[0] * 2",
        "filter(list, # > x)",
        "let a = 2; a * x",
        "x == name",
    ):
        Program(source, hint)


def test_a_program_runs_again_and_keeps_nothing() -> None:
    program = Program("let y = x * 2; filter(list, # > y)")
    assert program.run({"x": 1, "list": [1, 2, 3]}) == [3]
    assert program.run({"x": 0, "list": [1]}) == [1]
    env = {"x": 1, "list": [3]}
    program.run(env)
    assert env == {"x": 1, "list": [3]}
    assert Program("x").run() is None


def test_the_least_recently_used_program_is_dropped() -> None:
    programs = Programs(2)
    first = programs.get("1")
    programs.get("2")
    assert programs.get("1") is first
    programs.get("3")
    assert programs.get("1") is first and programs.get("2") is not None


def test_dates_of_the_language_are_aware() -> None:
    found = value("date('2024-01-02 03:04:05')")
    assert found == datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab1.()[]{}#+-*/%^&|!?:;,<>='\" \nletinorandfilter$", max_size=40))
def test_any_text_gives_a_value_or_an_error(source: str) -> None:
    try:
        Program(source).run(ENV, steps=10_000)
    except Error as error:
        assert error.kind in ("Internal", "Invalid")
