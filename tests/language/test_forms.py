# ruff: noqa: E501 (guest programs of one line)
"""Annotated and cast code of every form of the grammar loads, runs and keeps its lines (spec 02 §3, §4)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project

STATEMENTS: dict[str, tuple[str, Any]] = {
    "assignment of several": ("local a: number, b: string\na, b = 1, 'x'\nreturn a .. b", "1x"),
    "fields and indexes": ("local t: any = { n = {} }\nt.n.k, t[1] = 2,\n3\nreturn t.n.k + t[1]", 5),
    "do": ("local n = 0 do local n: number = 1 end\nreturn n", 0),
    "while": ("local n: integer = 0\nwhile (n :: integer) < 3 do\nn = n + 1 end return n", 3),
    "repeat": ("local n = 0\nrepeat local done: boolean = n >= 2\nn = n + 1 until done as boolean\nreturn n", 3),
    "if": ("local v: any = 2\nif v == 1 then return 'a' elseif (v as any) == 2 then\nreturn 'b' else return 'c' end", "b"),
    "numeric for": ("local s = 0\nfor i = 10 as integer, 1, -3 do s = s + i end\nreturn s", 22),
    "generic for": ("local s = ''\nfor _, v in ipairs({ 'a', 'b' } :: {string}) do\ns = s .. v end return s", "ab"),
    "function of a table": ("local t = { u = {} }\nfunction t.u.f(a: number): number\nreturn a end return t.u.f(4)", 4),
    "method": ("local t = { n = 5 }\nfunction t:get(by: number?): number\nreturn self.n + (by or 0) end return t:get(1)", 6),
    "local function": ("local function f(a: number, b: string?): (number, string?)\nreturn a, b end return (select('#', f(1)))", 2),
    "goto continue": (
        "local s = 0 for i = 1, 4 do\nif i % 2 == 0 then goto continue end\ns = s + i ::continue:: end return s",
        4,
    ),
    "label with blanks": ("goto out\nerror('not reached')\n:: out :: return 'here'", "here"),
    "semicolons": (";;local a: number = 1;\n;return a;", 1),
    "a call that begins with a parenthesis": ("local t: any = {}\n;(t as any).k = 1\nreturn (t :: any).k", 1),
    "alias": ("type Name = string\nlocal n: Name = 'x'\nreturn Name:kind()", "string"),
    "generic alias": ("type Box<T> = { value: T }\nlocal b: Box<number> = { value = 1 }\nreturn b.value", 1),
    "generic alias with a bound": ("type Pair<A, B: number> = {\n  a: A,\n  b: B,\n}\nreturn Pair:kind()", "generic"),
    "interface": (
        "interface Shape\n  function area(scale: number, by: string): number\n  function name(): (string, error?)\nend\nreturn (Shape:is({})) ~= nil",
        True,
    ),
    "interface with parents": ("interface A end\ninterface B: A, Shape function f()\nend return B:kind()", "unknown"),
}  # fmt: skip

FUNCTIONS: dict[str, tuple[str, Any]] = {
    "no parameters": ("return (function(): number return 7 end)()", 7),
    "annotated vararg": ("return (function(...: number): number\nreturn (select('#', ...)) end)(1, nil, 3)", 3),
    "parameters and vararg": ("return (function(a: any, ...: any): any\nreturn (...) end)(1, 2)", 2),
    "type parameters": ("local function id<T, U: { n: number }>(v: T, u: U?): T\nreturn v end return id('x')", "x"),
    "returns nothing": ("local function f(): () end\nreturn select('#', f())", 0),
    "returns a tuple": ("local function f(): (number, string) return 1, 'x' end\nreturn (select(2, f()))", "x"),
    "returns a list without parentheses": ("local function f(): number, error?\nreturn 1, nil end return (f())", 1),
    "returns a function type": ("local function f(): (number) -> string\nreturn tostring end return f()(5)", "5"),
    "asserts": ("local function f(v: any): asserts v is string\nassert(type(v) == 'string') end return f('x') == nil", True),
    "asserts without a type": ("local function f(v: any): asserts v\nassert(v) end return f(1) == nil", True),
}  # fmt: skip

EXPRESSIONS: dict[str, tuple[str, Any]] = {
    "cast with as": ("local v: any = 1\nreturn v as number + 1", 2),
    "cast with colons": ("local v: any = 1\nreturn -v :: number", -1),
    "casts in a row": ("local v: any = 'x'\nreturn v as any as string", "x"),
    "cast to an optional": ("local v = nil\nreturn (v as string?) == nil", True),
    "cast to a union": ("local v: any = 1\nreturn v :: string | number", 1),
    "cast over lines": ("local v: any = 2\nreturn v ::\n  { [string]: number }", 2),
    "a cast of a call keeps its values": ("local function f() return 1, 'e' end\nlocal a, b = f() :: any\nreturn b", "e"),
    "a cast in parentheses is one value": ("local function f() return 1, 2 end\nreturn (select('#', (f() :: any)))", 1),
    "a cast binds more tightly than an operator": ("local b: any = 2\nreturn 1 + b as number", 3),
    "non-nil": ("local t: { n: number? } = { n = 3 }\nreturn t.n! + (t!).n", 6),
    "member named as": ("local t = { as = function(v) return v end, is = function(_, v) return v end }\nreturn t.as(1) + t:is(2)", 3),
    "fields named like type words": (
        "local t = { readonly = 1, type = 2, interface = 3, keyof = 4,\nextends = 5, as = 6, is = 7, asserts = 8 }\n"
        "return t.readonly + t.type + t.interface + t.as + t.is + t.asserts",
        27,
    ),
    "methods named like type words": ("local t = {}\nfunction t:readonly() return 1 end function t.type() return 2 end\nreturn t:readonly() + t.type()", 3),
    "type as a function": ("return type(1 as any)", "number"),
    "a local called type": ("local type = 1\ntype = type + 1\nreturn type", 2),
    "a parameter called type": ("return (function(type: string): string\nreturn type end)('x')", "x"),
    "a global called type": ("type = type\nreturn type(nil)", "nil"),
    "call with a string": ("return #string.rep('ab', 2) + #('x'):rep(3)\n", 7),
    "call with a long string": ("return (tostring [[\nlong\n]])", "long\n"),
    "call with a table": ("return (next { k = 1 as any })", "k"),
    "table fields": ("local t = { 1; 'b', k = 3 :: number, ['x' as string] = 4, [5] = 6, }\nreturn #t + t.k + t.x + t[5]", 15),
    "function in a table": ("local t = { f = function(a: number): number return a end }\nreturn t.f(2)", 2),
    "immediate function": ("return (function<T>(v: T): T\nreturn v end)(9)", 9),
    "comparison with less": ("local a: any, b: any = 1, 2\nreturn (a as number) < b", True),
    "vararg": ("return (select('#', (function(...): any return ... end)(1, 2)))", 2),
    "long string over lines": ("local s = [==[\na\nb]==]\nreturn s as string", "a\nb"),
    "comment over lines": ("--[[ one\ntwo ]] local v: --[[ type ]] number = 1 -- end\nreturn v", 1),
}  # fmt: skip

TYPES = [
    "nil", "true", "false", "'literal'", "42", "-1", "2.5", "any", "table", "error",
    "number?", "number??", "string | number", "'a' | 'b' | nil", "{a: number} & {b: string}", "string | number & boolean",
    "{}", "{number}", "{{string}}", "{[string]: number}", "{[integer]: {string}}",
    "{a: number}", "{a?: number, b: string?,}", "{type: string, readonly: number, as: any, is: any, keyof: any}",
    "{a: number @min(1) @max(2), b: string @pattern('^x')}", "string @min_len(1)", "{number @min(0)} @max_len(3)",
    "readonly {number}", "readonly {[string]: any}", "readonly {a: number}", "readonly {}",
    "() -> ()", "(number) -> string", "(a: number, b: string?) -> (number, error?)", "(number, ...string) -> any",
    "(...any) -> ()", "((number) -> string)?", "((number) -> string)[]", "(number) -> (string) -> boolean",
    "(number) -> string | nil", "fun()", "fun(): number", "fun(a: number, string): (number, error?)", "fun(...any): ()",
    "interface {}", "interface {size: number, name?: string}", "number[]", "number[][]", "{a: number}['a']", "T0['a']",
    "typeof(1)", "typeof({a = 1, b = {'x'}})", "keyof({a: number})", "string extends any ? number : boolean",
    "Box<number>", "Box<Box<string>>", "Box<{Box<{number}>}>", "Channel<string>", "lib.Item", "{lib.Item}", "lib.Item?",
    "asserts x is string", "(number | string)",
]  # fmt: skip


def run(project: Project, body: str) -> Any:
    """The value of a function body; an error behind it must carry the line it has in the source."""
    head = "local function main()\n  local value = (function(...)\n"
    tail = "\n  end)()\n  local _, e = pcall(function()\n    error('here')\n  end)\n  return { value, e }\nend\n"
    source = f"{head}{body}{tail}return {{ main = main }}\n"
    value, error = project.function("main", source).call()
    line = source[: source.index("error('here')")].count("\n") + 1
    assert error == f"app:main:{line}: here"
    return value


@pytest.mark.parametrize("form", STATEMENTS)
def test_statement_runs_and_keeps_its_lines(project: Project, form: str) -> None:
    body, value = STATEMENTS[form]
    assert run(project, body) == value


@pytest.mark.parametrize("form", FUNCTIONS)
def test_function_with_annotations_runs_and_keeps_its_lines(project: Project, form: str) -> None:
    body, value = FUNCTIONS[form]
    assert run(project, body) == value


@pytest.mark.parametrize("form", EXPRESSIONS)
def test_expression_runs_and_keeps_its_lines(project: Project, form: str) -> None:
    body, value = EXPRESSIONS[form]
    assert run(project, body) == value


def test_every_type_may_stand_wherever_a_type_may_stand(project: Project) -> None:
    """In an alias, an annotation, a parameter, a result, a vararg, a field and both casts, over several lines."""
    project.library("lib", "type Item = { sku: string }\nreturn { Item = Item }")
    uses = []
    for at, written in enumerate(TYPES):
        uses.append(
            f"""
type T{at} = {written}
local v{at}: {written} = {at} :: {written}
local function f{at}(v: {written}, ...: {written}): {written}
  local t: {{
    field: {written},
  }} = {{ field = (v as {written}) }}
  return t.field
end
assert(f{at}(v{at}) == {at})"""
        )
    blocks = "\n".join(f"do{use}\nend" for use in uses)
    head = f'local lib = require("lib")\ntype Box<X> = {{ value: X }}\ntype T0 = {{ a: number }}\n{blocks}\n'
    source = f"{head}local _, e = pcall(function() error('here') end)\nreturn {{ main = function() return e end }}\n"
    found = project.function("main", source, imports={"lib": "app:lib"}).call()
    line = source[: source.index("error('here')")].count("\n") + 1
    assert found == f"app:main:{line}: here"
