# ruff: noqa: E501 (guest programs of one line)
"""What types accept and how they refuse (spec 02 §5.4, §5.5)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

VERDICT = """
local function verdict(t, v)
  local value, err = t:is(v)
  if err == nil then return { ok = true, same = rawequal(value, v) } end
  local d = err:details() or {}
  return {
    ok = false, value = value == nil, kind = err:kind(), retryable = err:retryable() == nil, message = err:message(),
    field = d.field, expected = d.expected, got = d.got, constraint = d.constraint,
  }
end
"""


def verdict(project: Project, declared: str, value: str, name: str = "T") -> dict[str, Any]:
    found: dict[str, Any] = project.run(f"return verdict({name}, {value})", top=f"{declared}\n{VERDICT}")
    return found


ACCEPTED = [
    ("nil", "nil"),
    ("boolean", "false"),
    ("string", "''"),
    ("number", "1"),
    ("number", "1.5"),
    ("number", "0/0"),
    ("integer", "3"),
    ("integer", "3.0"),
    ("any", "nil"),
    ("any", "print"),
    ("unknown", "nil"),
    ("unknown", "{}"),
    ("table", "{}"),
    ("table", "table.freeze({})"),
    ("table", "string"),
    ('"a"', "'a'"),
    ("3", "3.0"),
    ("2.5", "2.5"),
    ("true", "true"),
    ('"a" | "b"', "'b'"),
    ('1 | "x" | false', "false"),
    ("string?", "nil"),
    ("string?", "'x'"),
    ("(number) -> string", "print"),
    ("(number) -> string", "function() end"),
    ("fun(a: number): string", "tostring"),
    ("string | number", "1"),
    ("{number}", "{}"),
    ("{number}", "{1, 2.5, 3}"),
    ("{number}", "{1, nil, 3}"),
    ("{number}", "{1, x = 'not looked at'}"),
    ("number[]", "{1}"),
    ("{{string}}", "{{'a'}, {}}"),
    ("readonly {number}", "{1}"),
    ("readonly {a: number}", "{a = 1}"),
    ("{[string]: number}", "{a = 1, b = 2}"),
    ("{[string]: number}", "{'sequence', 'ignored', a = 1}"),
    ("{[integer]: string}", "{'a', 'b'}"),
    ("{[number]: string}", "{[1] = 'a', [100] = 'b', [-1] = 'c'}"),
    ("{[any]: string}", "{'a', b = 'c'}"),
    ("{[boolean]: string}", "{[true] = 'a'}"),
    ("{a: number}", "{a = 1}"),
    ("{a: number}", "{a = 1, more = 'allowed'}"),
    ("{a: number}", "table.freeze({a = 1})"),
    ("{a?: number}", "{}"),
    ("{a: number?}", "{}"),
    ("{a: nil}", "{}"),
    ("{a: any}", "{}"),
    ("{}", "{}"),
    ("{a: number} & {b: string}", "{a = 1, b = 'x'}"),
    ("{a: {b: {c: number}}}", "{a = {b = {c = 1}}}"),
    ("{type: string, readonly: boolean, is: number}", "{type = 'x', readonly = true, is = 1}"),
    ("error", "errors.new('x')"),
    ("Channel<number>", "channel.new(1)"),
    ("{f: (number) -> number, g?: fun()}", "{f = math.floor}"),
    ("interface { size: number }", "{}"),
    ("typeof(1)", "2"),
    ("keyof({a: number, b: string})", "'b'"),
]

REFUSED = [
    ("nil", "false", "expected nil, got boolean"),
    ("boolean", "nil", "expected boolean, got nil"),
    ("boolean", "0", "expected boolean, got number"),
    ("string", "1", "expected string, got number"),
    ("string", "nil", "expected string, got nil"),
    ("number", "'1'", "expected number, got string"),
    ("integer", "3.5", "expected integer, got number"),
    ("integer", "1/0", "expected integer, got number"),
    ("integer", "0/0", "expected integer, got number"),
    ("never", "nil", "expected never, got nil"),
    ("table", "errors.new('x')", "expected table, got userdata"),
    ("table", "'x'", "expected table, got string"),
    ('"a"', "'b'", 'expected "a", got string'),
    ('"1"', "1", 'expected "1", got number'),
    ("1", "'1'", "expected 1, got string"),
    ("true", "false", "expected true, got boolean"),
    ('"a" | "b"', "'c'", 'expected "a" | "b", got string'),
    ("string | number", "{}", "expected string | number, got table"),
    ("string?", "1", "expected string, got number"),
    ("(number) -> string", "{}", "expected (number) -> string, got table"),
    ("{number}", "{1, 'x'}", "[2]: expected number, got string"),
    ("{number}", "'x'", "expected {number}, got string"),
    ("{{number}}", "{{1}, {1, true}}", "[2][2]: expected number, got boolean"),
    ("{[string]: number}", "{a = 'x'}", ".a: expected number, got string"),
    ("{[integer]: string}", "{1}", "[1]: expected string, got number"),
    ("{[string]: number}", "{[true] = 1}", "expected {[string]: number}, got table"),
    ("{[string]: number}", "{a = 1, [1.5] = 2}", "expected {[string]: number}, got table"),
    ("{a: number}", "{}", "a: required field missing"),
    ("{a: number}", "{a = 'x'}", "a: expected number, got string"),
    ("{a: number}", "5", "expected {a: number}, got number"),
    ("{a: number}", "setmetatable({}, {__index = {a = 1}})", "a: required field missing"),
    ("{a?: number}", "{a = 'x'}", "a: expected number, got string"),
    ("{a: {b: {c: number}}}", "{a = {b = {}}}", "a.b.c: required field missing"),
    ("{a: {b: {c: number}}}", "{a = {b = {c = 'x'}}}", "a.b.c: expected number, got string"),
    ("{items: {{sku: string}}}", "{items = {{sku = 'a'}, {sku = 2}}}", "items[2].sku: expected string, got number"),
    ("{items: {{sku: string}}}", "{items = {{sku = 'a'}, {}}}", "items[2].sku: required field missing"),
    ("{m: {[string]: number}}", "{m = {k = 'v'}}", "m.k: expected number, got string"),
    ("{a: number} & {b: string}", "{a = 1}", "b: required field missing"),
    ("error", "'text'", "expected error, got string"),
    ("Nonsense", "1", "unresolved type Nonsense"),
    ("{a: Nonsense}", "{a = 1}", "a: unresolved type Nonsense"),
    ("interface { size: number }", "1", "expected interface {}, got number"),
]


@pytest.mark.parametrize(("declared", "value"), ACCEPTED)
def test_value_passes_and_is_returned_as_it_is(project: Project, declared: str, value: str) -> None:
    found = verdict(project, f"type T = {declared}", value)
    assert found == {"ok": True, "same": value != "0/0"}


@pytest.mark.parametrize(("declared", "value", "message"), REFUSED)
def test_value_is_refused_with_a_path_and_both_types(project: Project, declared: str, value: str, message: str) -> None:
    found = verdict(project, f"type R = {{x: {declared}}}", value, "R.x")
    assert found["message"] == message
    assert (found["ok"], found["value"], found["kind"], found["retryable"]) == (False, True, "Invalid", True)


def test_details_name_field_expected_and_got(project: Project) -> None:
    found = verdict(project, "type T = {user: {age: number @min(18)}}", "{user = {age = 'x'}}")
    assert (found["field"], found["expected"], found["got"]) == ("user.age", "number", "string")
    found = verdict(project, "type T = {user: {age: number @min(18)}}", "{user = {age = 3}}")
    assert (found["field"], found["constraint"], found["message"]) == (
        "user.age",
        "min",
        "user.age: value below minimum",
    )


VALIDATORS = [
    ("number @min(1)", "0", "value below minimum"),
    ("number @min(1)", "1", None),
    ("number @min(-1.5)", "-2", "value below minimum"),
    ("number @max(10)", "10.5", "value above maximum"),
    ("number @min(1) @max(10)", "5", None),
    ("string @min_len(2)", "'a'", "length below minimum"),
    ("string @max_len(2)", "'abc'", "length above maximum"),
    ("string @max_len(2)", "'é'", None),
    ("string @max_len(1)", "'é'", "length above maximum"),
    ("{number} @min_len(2)", "{1}", "length below minimum"),
    ("{number} @max_len(2)", "{1, 2, 3}", "length above maximum"),
    ('string @pattern("^[a-z]+$")', "'Abc'", "pattern mismatch"),
    ('string @pattern("^[a-z]+$")', "'abc'", None),
    ('string @pattern("b+")', "'abbc'", None),
    ('string @pattern("[")', "'abc'", "invalid regex"),
    ("any @min(5)", "'passes silently'", None),
    ("string @nonsense(5)", "'x'", None),
    ("number @min_len(3)", "1", None),
]


@pytest.mark.parametrize(("declared", "value", "message"), VALIDATORS)
def test_validators(project: Project, declared: str, value: str, message: str | None) -> None:
    found = verdict(project, f"type T = {declared}", value)
    assert found["ok"] is (message is None)
    assert found.get("message") == message


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("{age: number @min(18)}", "{age = 17}", "age: value below minimum"),
        ("{tags: {string @min_len(2)}}", "{tags = {'ab', 'c'}}", "tags[2]: length below minimum"),
        ("{[string]: number @max(5)}", "{a = 6}", ".a: value above maximum"),
        ('{name?: string @pattern("^x")}', "{name = 'y'}", "name: pattern mismatch"),
        ("{a: {b: {number @min(0)}}}", "{a = {b = {1, -1}}}", "a.b[2]: value below minimum"),
    ],
)
def test_validators_anywhere_in_a_type_carry_the_path(
    project: Project, declared: str, value: str, message: str
) -> None:
    assert verdict(project, f"type T = {declared}", value)["message"] == message


def test_validators_of_union_members_decide_about_the_member(project: Project) -> None:
    declared = "type T = number @min(10) | string @min_len(3)"
    assert verdict(project, declared, "11")["ok"] and verdict(project, declared, "'abc'")["ok"]
    assert "expected" in verdict(project, declared, "3")["message"]


def test_annotations_never_check_anything(project: Project) -> None:
    program = """
        local function f(n: number @min(10), s: string): number
          local x: string = n
          return x
        end
        return f("no number", 5)
    """
    assert project.run(program) == "no number"


def test_nesting_deeper_than_64_fails_and_cycles_do_not_hang(project: Project) -> None:
    build = "local t = {} for i = 1, N do t = {next = t} end return verdict(T, t)"
    declared = f"type T = {{next: T?}}\n{VERDICT}"
    assert project.run(build.replace("N", "20"), top=declared)["ok"]
    deep = project.run(build.replace("N", "80"), top=declared)
    assert not deep["ok"] and "recursion limit" in deep["message"]
    cyclic = project.run("local t = {} t.next = t return verdict(T, t)", top=declared)
    assert not cyclic["ok"] and "recursion limit" in cyclic["message"]


def test_is_never_raises_and_gives_nil_for_an_accepted_nil(project: Project) -> None:
    program = """
        local a, e1 = T:is(nil)
        local b, e2 = B:is(false)
        local c, e3 = T.is(T, "x")
        return { a == nil, e1 == nil, b, e2 == nil, c, select("#", T:is(nil)) }
    """
    assert project.run(program, top="type T = string?\ntype B = boolean") == [True, True, False, True, "x", 2]


def test_calling_a_type_returns_the_value_or_raises_a_positioned_text(project: Project) -> None:
    program = """
        local t = {a = 1}
        local ok, e = pcall(function()
          local made = T({a = "x"})
          return made
        end)
        return { rawequal(T(t), t), T(t).extra == nil, type(e), e }
    """
    found = project.run(program, top="type T = {a: number}")
    assert found[:3] == [True, True, "string"]
    assert found[3] == "app:main:6: expected T, got table"


def test_wrong_use_of_a_type_as_a_function(project: Project) -> None:
    program = """
        local function message(f, ...) local _, e = pcall(f, ...) return e end
        return {
          message(function() T() end), message(function() T(1, 2) end), message(function() T(number) end),
          message(function() Box() end), message(function() Box(number, string) end), message(function() Box(number, 1) end),
        }
    """
    found = project.run(program, top="type T = string\ntype Box<X> = {value: X}")
    wanted = [
        "type T expects at least 1 argument",
        "type T validation expects 1 value, got 2",
        "type T is not generic",
        "type Box expects at least 1 argument",
        "generic Box expects 1 type arguments, got 2",
        "type Box does not accept mixed type/value arguments",
    ]
    assert [text.partition(": ")[2] for text in found] == wanted
    assert all(text.startswith("app:main:") for text in found)


def test_aliases_of_aliases_are_transparent(project: Project) -> None:
    declared = "type A = B\ntype B = C\ntype C = {n: number}"
    assert verdict(project, declared, "{n = 1}", "A")["ok"]
    assert verdict(project, declared, "{n = 'x'}", "A")["message"] == "n: expected number, got string"


def test_recursive_types(project: Project) -> None:
    declared = "type Tree = {value: number, children?: {Tree}}"
    assert verdict(project, declared, "{value = 1, children = {{value = 2, children = {}}}}", "Tree")["ok"]
    found = verdict(project, declared, "{value = 1, children = {{value = 2, children = {{value = 'x'}}}}}", "Tree")
    assert found["message"] == "children[1].children[1].value: expected number, got string"


def test_mutually_recursive_aliases_do_not_hang(project: Project) -> None:
    found = verdict(project, "type A = B\ntype B = A", "1", "A")
    assert found["ok"] is False


GENERICS = "type Box<T> = {value: T}\ntype Pair<A, B: number> = {first: A, second: B}\ntype Numbers = Box<{number}>"


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("Box<number>", "{value = 1}", None),
        ("Box<number>", "{value = 'x'}", "value: expected number, got string"),
        ("Box<Box<string>>", "{value = {value = 's'}}", None),
        ("Box<Box<string>>", "{value = {value = 1}}", "value.value: expected string, got number"),
        ("Pair<string, integer>", "{first = 'a', second = 1.5}", "second: expected integer, got number"),
        ("Numbers", "{value = {1, 'x'}}", "value[2]: expected number, got string"),
        ("Box<number @min(3)>", "{value = 2}", "value: value below minimum"),
        ("{Box<number>}", "{{value = 1}, {value = false}}", "[2].value: expected number, got boolean"),
        ("Box<string>?", "nil", None),
    ],
)
def test_generics(project: Project, declared: str, value: str, message: str | None) -> None:
    found = verdict(project, f"{GENERICS}\ntype T = {declared}", value)
    assert found.get("message") == message


def test_an_uninstantiated_generic_validates_nothing(project: Project) -> None:
    assert verdict(project, GENERICS, "{value = 1}", "Box")["ok"] is False


def test_generics_are_instantiated_by_calling_them_with_types(project: Project) -> None:
    program = """
        local B = Box(string)
        local Age = Pair(Adult, integer)
        local v, e = B:is({value = 1})
        local w, e2 = Age:is({first = 17, second = 1})
        return { B:is({value = "x"}).value, e:message(), tostring(B), B:name(), e2:message(), B:kind() }
    """
    found = project.run(program, top=f"{GENERICS}\ntype Adult = number @min(18)")
    assert found == [
        "x",
        "value: expected string, got number",
        "Box",
        "Box",
        "first: value below minimum",
        "instantiated",
    ]


def test_typeof_is_the_static_type_of_an_expression(project: Project) -> None:
    top = (
        """
        local sample = { name = "x", tags = {"a"}, count = 1, ratio = 1.5, on = true }
        local given: {string} = {}
        type Sample = typeof(sample)
        type Given = typeof(given)
        type Text = typeof("a" .. "b")
    """
        + VERDICT
    )
    ok = "{ name = 'y', tags = {}, count = 2, ratio = 2.5, on = false }"
    program = f"""
        return {{ verdict(Sample, {ok}), verdict(Sample, {{ name = 1 }}), verdict(Given, {{1}}), verdict(Text, "s") }}
    """
    found = project.run(program, top=top)
    assert [v["ok"] for v in found] == [True, False, False, True]
    assert found[1]["message"] == "name: expected string, got number"
    assert found[2]["message"] == "[1]: expected string, got number"


def test_host_types_accept_host_objects(project: Project) -> None:
    program = """
        local t = time.now()
        return { (S:is({ at = t })) ~= nil, (S:is({ at = 5 })) == nil, type(t) }
    """
    top = 'local time = require("time")\ntype S = { at: time.Time }'
    assert project.run(program, top=top, modules=["time"]) == [True, True, "userdata"]


def test_the_name_of_the_declaration_stands_in_for_its_form(project: Project) -> None:
    declared = "type Sku = string @min_len(3)\ntype Status = 'on' | 'off'\ntype T = {sku: Sku, status: Status}"
    assert verdict(project, declared, "{sku = 1, status = 'on'}")["message"] == "sku: expected string, got number"
    assert verdict(project, declared, "{sku = 'abc', status = 'x'}")["message"] == "status: expected Status, got string"
