# ruff: noqa: E501 (guest programs of one line)
"""Exactly the listed names, frozen, with the dialect's texts (spec 02 §11, §12, §14, §18)."""

from __future__ import annotations

import pytest

from language.project import Project
from wippy.lua.modules.libraries import BUILT_IN, GLOBAL_NAMES

LIBRARIES = {name: BUILT_IN[name].members() for name in ("table", "string", "math", "os", "coroutine", "errors")}
ABSENT = [
    "load",
    "loadstring",
    "loadfile",
    "dofile",
    "collectgarbage",
    "rawlen",
    "module",
    "setfenv",
    "getfenv",
    "newproxy",
    "debug",
    "utf8",
    "bit32",
    "io",
    "python",
    "lupa",
]


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_a_library_has_exactly_its_names(project: Project, library: str) -> None:
    program = f"local out = {{}} for name in pairs({library}) do out[#out + 1] = name end table.sort(out) return out"
    assert set(project.run(program)) == LIBRARIES[library]


def test_globals(project: Project) -> None:
    names = ", ".join(f'"{name}"' for name in [*GLOBAL_NAMES, *ABSENT])
    program = f"local out = {{}} for _, name in ipairs({{ {names} }}) do if _G[name] ~= nil then out[#out + 1] = name end end return out"
    assert set(project.run(program)) == GLOBAL_NAMES


def test_package_has_no_loader(project: Project) -> None:
    program = "return { package.path, package.cpath, package.loaded == nil, package.preload == nil, type(package.loadlib), type(_VERSION) }"
    assert project.run(program) == ["", "", True, True, "function", "string"]


@pytest.mark.parametrize("library", [*sorted(LIBRARIES), "process", "channel", "payload", "json", "process.event"])
def test_libraries_are_frozen(project: Project, library: str) -> None:
    program = f"""
        local lib, out = {library}, {{}}
        local name = next(lib)
        for _, write in ipairs {{
          function() lib.new_name = 1 end, function() lib[name] = nil end, function() rawset(lib, "x", 1) end,
          function() table.insert(lib, 1) end, function() setmetatable(lib, {{}}) end,
        }} do
          local ok, text = pcall(write)
          out[#out + 1] = not ok and (text:find("Immutable table", 1, true) ~= nil)
        end
        return out
    """
    assert project.run(program, modules=["json"]) == [True] * 5


FREEZE = """
    local t = table.freeze({ 1, 2, a = { deep = true } })
    local function refused(f, ...) local ok, text = pcall(f, ...) return not ok and text:match("attempt to .*") end
"""


def test_frozen_tables_refuse_every_write(project: Project) -> None:
    program = f"""{FREEZE}
        return {{
          refused(function() t.a = 1 end), refused(function() t.new = 1 end), refused(function() t[1] = nil end),
          refused(rawset, t, "x", 1), refused(table.insert, t, 3), refused(table.remove, t), refused(table.sort, t),
          refused(setmetatable, t, {{}}),
        }}
    """
    changed = "attempt to modify Immutable table"
    assert project.run(program) == [
        *[changed] * 4,
        "attempt to insert into Immutable table",
        "attempt to remove from Immutable table",
        "attempt to sort Immutable table",
        changed,
    ]


def test_frozen_tables_read_as_before(project: Project) -> None:
    program = f"""{FREEZE}
        local seen, count = {{}}, 0
        for k, v in pairs(t) do count = count + 1 end
        for i, v in ipairs(t) do seen[i] = v end
        t.a.deep = "writable"
        local same = table.freeze(t)
        return {{
          count, seen, #t, next(t) ~= nil, rawget(t, 1), t.a.deep, table.isfrozen(t), table.isfrozen({{}}), same == t,
          table.concat(t, ","), (select(2, unpack(t))), select("#", unpack(t)), json.encode(table.freeze({{ 1, 2 }})), type(t),
        }}
    """
    assert project.run(program, modules=["json"]) == [
        3, [1, 2], 2, True, 1, "writable", True, False, True, "1,2", 2, 2, "[1,2]", "table",
    ]  # fmt: skip


def test_copies_that_cross_a_boundary_are_not_frozen(project: Project) -> None:
    project.body("echo", "local t = ... t.x = 1 return { t.x, table.isfrozen(t) }")
    program = "return funcs.call('app:echo', table.freeze({ a = 1 }))"
    assert project.run(program, top='local funcs = require("funcs")', modules=["funcs"]) == [1, False]


MISTAKES = [
    ("pairs(nil)", "bad argument #1 to pairs (table expected, got nil)"),
    ("ipairs(5)", "bad argument #1 to ipairs (table expected, got number)"),
    ("next({}, 'x')", "invalid key to 'next'"),
    ("rawset({}, nil, 1)", "table index is nil"),
    ("('x'):rep({})", "bad argument #2 to rep (number expected, got table)"),
    ("('x'):sub()", "bad argument #2 to sub (number expected, got nil)"),
    ("('x'):sub(1, 'end')", "bad argument #3 to sub (number expected, got string)"),
    ("string.char(65, {})", "bad argument #2 to char (number expected, got table)"),
    ("string.find(nil, 'x')", "bad argument #1 to find (string expected, got nil)"),
    ("string.find('x', '[a')", "malformed pattern (missing ']')"),
    ("('x'):match('(')", "unfinished capture"),
    ("('x'):gsub('%', '')", "malformed pattern (ends with '%')"),
    ("('x'):gsub('x', '%9')", "invalid capture index %9"),
    ("('x'):gsub('x', function() return {} end)", "invalid replacement value (a table)"),
    ("string.pack('?', 1)", "invalid format option '?'"),
    ("string.dump(print)", "unable to dump given function"),
    ("table.concat({ {} })", "invalid value (table) at index 1 in table for concat"),
    ("table.insert({}, 1, 2, 3)", "wrong number of arguments to 'insert'"),
    ("table.insert({}, 'x', 2)", "bad argument #2 to insert (number expected, got string)"),
    ("table.unpack({}, true)", "bad argument #2 to unpack (number expected, got boolean)"),
    ("math.random(2, 1)", "interval is empty"),
    ("math.random('x')", "bad argument #1 to random (number expected, got string)"),
    ("math.pow({}, 2)", "bad argument #1 to pow (number expected, got table)"),
    ("math.max(1, 'x')", "attempt to compare number with string"),
    ("tonumber('7', 99)", "bad argument #2 to tonumber (base out of range)"),
    ("select(0, 1)", "bad argument #1 to 'select' (index out of range)"),
    ("setmetatable(setmetatable({}, { __metatable = 1 }), {})", "cannot change a protected metatable"),
    ("require('nonsense')", "module 'nonsense' not found"),
    ("1 // 0", "attempt to divide by zero"),
    ("assert(false)", "assertion failed!"),
    ("assert(nil, 'own text')", "own text"),
    ("os.difftime({})", "bad argument #1 to difftime (number expected, got table)"),
    ("errors.wrap(nil, 'x')", "bad argument #1 to wrap (error or string expected, got nil)"),
    ("coroutine.create(5)", "bad argument #1 to create (function expected, got number)"),
    ("json.validate_string('{}', 5)", "bad argument #2 to validate_string (string expected, got number)"),
]
CAUGHT = """
do local ok, e = pcall(function() -- in a statement
  local v = MISTAKE return v end) out[1] = { ok, e } end
do local ok, e = pcall(function() -- in a tail call
  local function f() return MISTAKE end local v = f() return v end) out[2] = { ok, e } end
do local ok, e = coroutine.resume(coroutine.create(function() -- uncaught in a coroutine
  local v = MISTAKE return v end)) out[3] = { ok, e } end
do local ok, e = xpcall(function() -- through a message handler
  local v = MISTAKE return v end, function(m) return m end) out[4] = { ok, e } end
return out
"""


@pytest.mark.parametrize(("expression", "text"), MISTAKES)
def test_error_texts_carry_the_position_of_the_mistake(project: Project, expression: str, text: str) -> None:
    found = project.run("local out = {}" + CAUGHT.replace("MISTAKE", expression), modules=["json"])
    assert found == [[False, f"app:main:{line}: {text}"] for line in (5, 7, 9, 11)]


@pytest.mark.parametrize("expression", ["string.find('x', '[a')", "math.max(1, 'x')", "pairs(nil)"])
def test_an_uncaught_mistake_names_its_line(project: Project, expression: str) -> None:
    error = project.failure(f"local v = 1\nlocal w = {expression}\nreturn w")
    assert error.kind == "Internal" and error.message.startswith("app:main:4: ")
    assert "wippy/" not in error.message


def test_runaway_recursion_is_a_catchable_error(project: Project) -> None:
    program = "local function f(n) return 1 + f(n + 1) end local ok, e = pcall(f, 1) return { ok, e:find('stack overflow') ~= nil }"
    assert project.run(program) == [False, True]
    assert project.run("local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(150)") == 150
