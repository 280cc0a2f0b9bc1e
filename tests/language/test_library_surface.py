# ruff: noqa: E501 (guest programs of one line)
"""Exactly the listed names, frozen, with the dialect's texts (spec 02 §11, §12, §14, §18)."""

from __future__ import annotations

import pytest

from language.project import Project

LIBRARIES = {
    "table": "concat create freeze getn insert isfrozen maxn move pack remove sort unpack",
    "string": "byte char dump find format gfind gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
    "math": "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max maxinteger min "
    "mininteger mod modf pi pow rad random randomseed sin sinh sqrt tan tanh tointeger type ult",
    "os": "clock date difftime platform time",
    "coroutine": "create resume running spawn status wrap yield",
    "errors": "ALREADY_EXISTS CANCELED CONFLICT INTERNAL INVALID NOT_FOUND PERMISSION_DENIED RATE_LIMITED TIMEOUT "
    "UNAVAILABLE UNKNOWN call_stack is new wrap",
}
REFLECTION = {"is", "kind", "name", "fields", "elem", "key", "val", "inner", "variants", "params", "ret", "tparams"}
GLOBALS = [
    "_G",
    "_VERSION",
    "assert",
    "error",
    "pcall",
    "xpcall",
    "type",
    "tostring",
    "tonumber",
    "next",
    "pairs",
    "ipairs",
    "rawget",
    "rawset",
    "rawequal",
    "getmetatable",
    "setmetatable",
    "select",
    "unpack",
    "print",
    "require",
    "package",
    "table",
    "math",
    "string",
    "coroutine",
    "os",
    "errors",
    "channel",
    "payload",
    "process",
]
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
    found = set(project.run(program))
    assert found - (REFLECTION if library == "string" else set()) == set(LIBRARIES[library].split())


def test_globals(project: Project) -> None:
    names = ", ".join(f'"{name}"' for name in GLOBALS + ABSENT)
    program = f"local out = {{}} for _, name in ipairs({{ {names} }}) do if _G[name] ~= nil then out[#out + 1] = name end end return out"
    assert project.run(program) == GLOBALS


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


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("pairs(nil)", "bad argument #1 to pairs (table expected, got nil)"),
        ("ipairs(5)", "bad argument #1 to ipairs (table expected, got number)"),
        ("('x'):rep({})", None),
        ("string.find(nil, 'x')", "bad argument #1 to find (string expected, got nil)"),
        ("table.concat({ {} })", "invalid value (table) at index 1 in table for concat"),
        ("math.random(2, 1)", "interval is empty"),
        ("setmetatable(setmetatable({}, { __metatable = 1 }), {})", "cannot change a protected metatable"),
        ("require('nonsense')", "module 'nonsense' not found"),
        ("1 // 0", "attempt to divide by zero"),
        ("assert(false)", "assertion failed!"),
        ("assert(nil, 'own text')", "own text"),
        ("string.dump(print)", None),
    ],
)
def test_error_texts_carry_their_position(project: Project, expression: str, text: str | None) -> None:
    program = f"local ok, e = pcall(function()\n local v = {expression}\n return v end) return {{ ok, type(e), e }}"
    ok, kind, message = project.run(program)
    if text is None:
        assert ok is False or expression.startswith("('x')")
    else:
        assert (ok, kind, message) == (False, "string", f"app:main:4: {text}")


def test_runaway_recursion_is_a_catchable_error(project: Project) -> None:
    program = "local function f(n) return 1 + f(n + 1) end local ok, e = pcall(f, 1) return { ok, e:find('stack overflow') ~= nil }"
    assert project.run(program) == [False, True]
    assert project.run("local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(150)") == 150
