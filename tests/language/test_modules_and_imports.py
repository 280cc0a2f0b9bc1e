"""`require`, imports, eager libraries, undeclared modules, the rules of aliases (spec 02 §1, §10)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project
from wippy.core.errors import Error


def test_an_undeclared_module_fails_when_called_and_is_named(project: Project) -> None:
    project.function("main", 'local json = require("json")\nreturn { main = function() return 1 end }')
    project.body("fine", "return 2")
    assert project.call("fine") == 2
    with pytest.raises(Error) as caught:
        project.call("main")
    assert "module 'json' not found" in caught.value.message and "app:main:1" in caught.value.message


def test_modules_are_globals_too_and_only_when_listed(project: Project) -> None:
    assert project.run("return { json ~= nil, hash == nil, pcall(require, 'hash') }", modules=["json"])[:3] == [
        True,
        True,
        False,
    ]


def test_core_modules_need_no_listing_but_may_be_listed(project: Project) -> None:
    names = ["process", "channel", "payload"]
    checks = ", ".join(f"require('{n}') == {n}" for n in names)
    assert project.run(f"return {{ {checks} }}", modules=names) == [True] * 3
    assert project.run(f"return {{ {checks} }}", modules=[]) == [True] * 3


def test_a_module_under_another_name(project: Project) -> None:
    assert project.run("return codec.encode({ 1 })", imports={"codec": "json"}) == "[1]"


def test_libraries_run_once_per_state_deepest_first_even_unused(project: Project) -> None:
    project.library("inner", "_G.order = (_G.order or '') .. 'inner ' return { n = 0 }")
    project.library("outer", "_G.order = _G.order .. 'outer ' return { inner = inner }", imports={"inner": "app:inner"})
    body = "return { order, require('outer').inner == require('inner'), inner ~= nil }"
    assert project.run(body, imports={"outer": "app:outer"}) == ["inner outer ", True, True]


def test_module_level_state_survives_between_calls_of_one_worker(project: Project) -> None:
    project.function("count", "local n = 0 return { main = function() n = n + 1 return n end }", pool={"size": 1})

    async def thrice(runtime: Any) -> list[Any]:
        return [await runtime.call("app:count") for _ in range(3)]

    assert project.use(thrice) == [1, 2, 3]


def test_a_library_may_return_any_value(project: Project) -> None:
    project.library("text", "return 'just text'")
    project.library("call", "return function(x) return x * 2 end")
    assert project.run("return { text, call(4) }", imports={"text": "app:text", "call": "app:call"}) == ["just text", 8]


def test_an_import_alias_hides_a_builtin_for_the_whole_state(project: Project) -> None:
    project.library("mine", "return { ok = function(v) return v end }")
    assert project.run("return assert.ok(5)", imports={"assert": "app:mine"}) == 5


def test_a_failing_library_is_named_by_its_alias(project: Project) -> None:
    project.library("broken", "error('at load')")
    error = project.failure("return 1", imports={"lib": "app:broken"})
    assert "failed to load dependency lib" in error.message and "at load" in error.message


def test_an_import_cycle_is_refused(project: Project) -> None:
    project.library("a", "return {}", imports={"b": "app:b"})
    project.library("b", "return {}", imports={"a": "app:a"})
    assert "cycle" in project.rejection().message


def test_one_alias_for_two_targets_in_a_closure_is_a_conflict(project: Project) -> None:
    project.library("one", "return 1")
    project.library("two", "return 2")
    project.library("lib", "return x", imports={"x": "app:one"})
    project.body("main", "return x", imports={"x": "app:two", "lib": "app:lib"})
    error = project.rejection()
    assert "alias 'x' collision" in error.message


def test_annotated_code_of_every_form_runs_and_keeps_its_lines(project: Project) -> None:
    source = """
local function id<T>(v: T): T return v end
local function pair(a: number, b: string?): (number, string?)
  return a, b
end
local function sum(...: number): number
  local n: integer = 0
  for _, v in ipairs({...}) do n = n + v end
  return n as number
end
type Handler = (x: number) -> string
type Shape = { kind: "circle" | "square", size: number @min(0), label?: string, readonly: boolean? }
interface Area
  function area(scale: number): number
end
local t = { as = function(v) return v end, is = function(self, v) return v end, readonly = 1, type = 2, interface = 3 }
local handlers: {[string]: Handler} = {} :: {[string]: Handler}
local function main(): any
  local type = type
  local out: {any} = {}
  for i = 1, 5 do
    if i == 3 then goto continue end
    out[#out + 1] = i
    ::continue::
  end
  local v, extra = pair(1, "x")
  local maybe: string? = nil
  local a, b = (id(v) :: number) + 1, (extra)!
  out[#out + 1] = sum(1, 2, 3)
  out[#out + 1] = t.as(5) + t:is(6) + t.readonly + t.type + t.interface
  out[#out + 1] = type(maybe) .. type(a) .. b
  local _, e = pcall(function()
    local x: any = nil
    return x.field as number
  end)
  out[#out + 1] = e
  return out
end
return { main = main }
"""
    found = project.function("main", source).call()
    assert found[:4] == [1, 2, 4, 5]
    assert found[4:7] == [6, 17, "nilnumberx"]
    assert found[7].startswith("app:main:34: ")


def test_a_local_called_type(project: Project) -> None:
    assert project.run("local type = 5 local t = { type = type } return { type, t.type }") == [5, 5]


def test_sql_integers_are_integers(project: Project) -> None:
    project.add("db", "db.sql.sqlite", file=":memory:", lifecycle={"auto_start": True})
    body = """
        local db = assert(sql.get("app:db"))
        local rows = assert(db:query("select 5 as n, 2.5 as f"))
        return { math.type(rows[1].n), math.type(rows[1].f) }
    """
    assert project.run(body, modules=["sql"]) == ["integer", "float"]
