"""Which Lua entries the registry takes, asked by a program that applies them (spec 02 §1, §10)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from language.project import Project

APPLY = """
local registry = require("registry")
local function main(source, fields)
  local data = { source = source, method = "main" }
  for name, value in pairs(fields) do data[name] = value end
  local changes = registry.snapshot():changes()
  changes:create({ id = "app:new", kind = "function.lua", meta = {}, data = data })
  local version, err = changes:apply()
  if not err then return { applied = version ~= nil } end
  return {
    applied = version ~= nil, kind = err:kind(), retryable = err:retryable(), message = err:message(),
    there = registry.get("app:new") ~= nil,
  }
end
return { main = main }
"""


class Verdict(NamedTuple):
    """What `apply` returned for an entry."""

    applied: bool
    kind: str = ""
    message: str = ""
    retryable: bool | None = None
    there: bool = False


def applied(project: Project, source: str, fields: dict[str, Any] | None = None) -> Verdict:
    project.function("apply", APPLY, modules=["registry"])
    project.library("lib", "return {}")
    return Verdict(**project.call("apply", source, fields or {}))


@pytest.mark.parametrize(
    ("source", "place", "complaint"),
    [
        ("@@", "app:new:1:1", "found '@'"),
        ("local a = 1\nlocal s = 'open", "app:new:2:11", "unfinished string"),
        ("if true then\n  print(1)\n", "app:new:3:1", "expected 'end' (to close 'if' at line 1), found end of file"),
        ("local x: number< = 1", "app:new:1:18", "expected a type, found '='"),
        ("return {", "app:new:1:9", "found end of file"),
        ("local a = 1\na b", "app:new:2:3", "unexpected identifier 'b'"),
        ("x = --[[ never closed", "app:new:1:5", "unfinished long comment"),
        ("local t = { readonly: string }", "app:new:1:13", "found 'readonly'"),
        ("for i: number = 1, 2 do end", "app:new:1:6", "loop variables take no annotation"),
        ("local function f(x?: T) end", "app:new:1:19", "found '?:'"),
        ("export type T = string", "app:new:1:8", "unexpected identifier 'type'"),
        ("x += 1", "app:new:1:3", "found '+'"),
        ("x! .y = 1", "app:new:1:2", "found '!'"),
        ("local x = y :: A :: B", "app:new:1:22", "found end of file"),
        ("local as = 1", "app:new:1:7", "found 'as'"),
        ("local x <const> = 1", "app:new:1:9", "attributes of locals"),
        ("goto nowhere", "app:new:1:1", "no visible label 'nowhere'"),
    ],
)
def test_syntax_errors_make_registry_apply_return_nil_and_an_error(
    project: Project, source: str, place: str, complaint: str
) -> None:
    verdict = applied(project, source)
    assert (verdict.applied, verdict.there, verdict.kind, verdict.retryable) == (False, False, "Invalid", False)
    assert f"--> {place}\n" in verdict.message and complaint in verdict.message
    assert source.split("\n")[int(place.split(":")[2]) - 1] in verdict.message


def test_requiring_an_undeclared_module_registers_fine(project: Project) -> None:
    source = 'local json = require("json")\nreturn { main = function() return json end }'
    assert applied(project, source) == Verdict(applied=True)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"source": ""}, "Invalid", "source is required"),
        ({"method": ""}, "Invalid", "method is required"),
        ({"imports": {"": "app:lib"}}, "Invalid", "import alias cannot be empty"),
        ({"imports": {"lib": ""}}, "Invalid", "import name cannot be empty"),
        ({"modules": [""]}, "Invalid", "module name cannot be empty"),
        ({"modules": ["app:json"]}, "Invalid", "module cannot have a namespace"),
        ({"imports": {"x": "app:nowhere"}}, "NotFound", "node with ID app:nowhere not found"),
        ({"imports": {"x": "nonsense"}}, "NotFound", "node with ID nonsense not found"),
        ({"modules": ["nonsense"]}, "NotFound", "node with ID nonsense not found"),
        ({"imports": {"a": "app:lib", "b": "app:lib"}}, "AlreadyExists", "imported twice"),
        ({"modules": ["json"], "imports": {"codec": "json"}}, "AlreadyExists", "imported twice"),
        ({"modules": ["json", "json"]}, "AlreadyExists", "imported twice"),
        ({"modules": ["json"], "imports": {"json": "app:lib"}}, "Conflict", "alias 'json' collision"),
        ({"imports": {"me": "app:new"}}, "Invalid", "adding dependency would create a cycle"),
    ],
)
def test_modules_and_imports_that_make_no_sense(
    project: Project, fields: dict[str, Any], kind: str, message: str
) -> None:
    verdict = applied(project, "return { main = print }", fields)
    assert (verdict.applied, verdict.there, verdict.kind) == (False, False, kind)
    assert message in verdict.message


def test_an_imported_entry_cannot_be_deleted(project: Project) -> None:
    source = """
        local changes = registry.snapshot():changes()
        changes:delete("app:lib")
        local version, err = changes:apply()
        return { version == nil, err:kind(), registry.get("app:lib") ~= nil }
    """
    project.library("lib", "return {}")
    project.body("user", "return 1", imports={"lib": "app:lib"})
    assert project.run(source, modules=["registry"]) == [True, "Conflict", True]


def test_an_application_with_a_syntax_error_does_not_start_and_says_where(project: Project) -> None:
    error = project.function("main", "local a = 1\nreturn {").rejection()
    assert error.kind == "Invalid" and "app:main:2:9" in error.message
