# ruff: noqa: E501 (guest programs of one line)
"""Structured errors (spec 02 §15) and how failures reach callers (spec 02 §16)."""

from __future__ import annotations

from typing import Any

import pytest

from language.project import Project
from wippy.core.errors import Error

CASES: list[tuple[str, Any]] = [
    ("errors.NOT_FOUND .. errors.INVALID .. errors.RATE_LIMITED", "NotFoundInvalidRateLimited"),
    ("errors.UNKNOWN", ""),
    ("errors.new('x'):message()", "x"),
    ("errors.new('x'):kind()", ""),
    ("errors.new('x'):retryable() == nil", True),
    ("errors.new('x'):details() == nil", True),
    ("errors.new('x', 'ignored'):kind()", ""),
    ("errors.new({message = 'm', kind = 'Custom'}):kind()", "Custom"),
    ("errors.new({message = 'm', kind = errors.TIMEOUT, retryable = true}):retryable()", True),
    ("errors.new({message = 'm', retryable = 'yes', kind = 5, details = 'x'}):kind()", ""),
    ("errors.new({message = 'm', details = {a = {b = {1, 2}}, n = 1.5, t = true}}):details().a.b[2]", 2),
    ("errors.new({message = 'm', details = {}}):details() == nil", True),
    ("type(errors.new({message = 'm', details = {f = print}}):details().f)", "string"),
    ("errors.is(errors.new({message = 'm', kind = 'NotFound'}), errors.NOT_FOUND)", True),
    ("errors.is(errors.new('m'), errors.NOT_FOUND)", False),
    ("errors.is(nil, 'x') or errors.is('text', 'x') or errors.is({}, 'x')", False),
    ("'x: ' .. errors.new('e')", "x: e"),
    ("errors.new('e') .. ' y'", "e y"),
    ("errors.new('e') .. errors.new('f')", "ef"),
    ("5 .. errors.new('e')", "5e"),
    ("tostring(errors.new('e'))", "e"),
    ("errors.new('e').nonsense == nil", True),
    ("type(errors.new('e').kind)", "function"),
    ("#errors.new('e'):stack() > 0", True),
    ("errors.call_stack('text') == nil", True),
    ("errors.call_stack(errors.new('e')).frames[1].line > 0", True),
    ("errors.call_stack(errors.new('e')).frames[1].source", "app:main"),
    ("errors.new('e') == errors.new('e')", False),
    ("(function() local e = errors.new('e') return ({[e] = 1})[e] end)()", 1),
    ("(pcall(function() errors.new('e').x = 1 end))", False),
    ("(pcall(error, errors.new('e')))", False),
    ("(select(2, pcall(error, 'text')))", "text"),
]


@pytest.mark.parametrize(("expression", "expected"), CASES)
def test_error_objects(project: Project, expression: str, expected: Any) -> None:
    assert project.run(f"local v = {expression} return v") == expected


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("errors.new({})", "bad argument #1 to new (message field is required)"),
        ("errors.new({message = 5})", "bad argument #1 to new (message must be a string)"),
        ("errors.new(5)", "bad argument #1 to new (expected string or table)"),
        ("errors.new()", "bad argument #1 to new (expected string or table)"),
    ],
)
def test_new_refuses_other_arguments(project: Project, call: str, text: str) -> None:
    found = project.run(f"local ok, e = pcall(function() local v = {call} return v end) return e")
    assert found.endswith(text)


def test_wrap_keeps_everything_and_shows_its_context_in_the_stack(project: Project) -> None:
    program = """
        local inner = errors.new({ message = "inner", kind = "NotFound", retryable = true, details = { a = { b = 1 } } })
        local once = errors.wrap(inner, "ctx1")
        local twice = errors.wrap(once, errors.new("ctx2"))
        return {
          once:message(), once:kind(), once:retryable(), once:details().a.b, twice:message(), twice:kind(),
          once:stack():find("ctx1", 1, true) ~= nil, twice:stack():find("ctx2", 1, true) ~= nil, twice:stack():find("ctx1", 1, true) ~= nil,
          errors.wrap("text", "c"):message(), errors.is(twice, "NotFound"), (pcall(errors.wrap, nil, "c")), (pcall(errors.wrap, inner, 5)),
        }
    """
    assert project.run(program) == [
        "inner", "NotFound", True, 1, "ctx1: inner", "NotFound", True, True, True, "text", True, False, False,
    ]  # fmt: skip


def test_details_are_a_fresh_copy_each_time(project: Project) -> None:
    program = "local e = errors.new({ message = 'm', details = { list = { 1 } } }) e:details().list[1] = 9 return e:details().list[1]"
    assert project.run(program) == 1


def test_pcall_returns_the_raw_value(project: Project) -> None:
    program = """
        local e, t = errors.new("e"), {}
        local _, a = pcall(error, e)
        local _, b = pcall(error, t)
        local _, c = pcall(function() error("text") end)
        local _, d = pcall(function() error("plain", 0) end)
        local ok, f = pcall(5)
        return { rawequal(a, e), rawequal(b, t), c, d, ok, f, xpcall(function() error(e) end, function(v) return rawequal(v, e) end) }
    """
    found = project.run(program)
    assert found[:6] == [True, True, "app:main:7: text", "plain", False, "attempt to call a number value"]


def test_error_levels_name_the_caller(project: Project) -> None:
    program = """
        local function check(v) if not v then error("bad", 2) end end
        local _, e = pcall(function()
          check(false)
          return 1
        end)
        return e
    """
    assert project.run(program) == "app:main:6: bad"


FAILURES: list[tuple[str, tuple[str, bool | None, str]]] = [
    ('error("boom")', ("Internal", None, "app:callee:3: boom")),
    ("local t = nil\nreturn t.x", ("Internal", None, "app:callee:4: ")),
    ('assert(false, "no")', ("Internal", None, "app:callee:3: no")),
    (
        'error(errors.new({message = "m", kind = "Conflict", retryable = true, details = {a = 1}}))',
        ("Conflict", True, "m"),
    ),
    ('error(errors.new("m"))', ("Internal", None, "m")),
    ('return nil, "text"', ("Internal", False, "text")),
    ('return 42, "text"', ("Internal", False, "text")),
    ('return nil, errors.new({message = "m", kind = "NotFound", retryable = false})', ("NotFound", False, "m")),
    ('return nil, errors.new("m")', ("Internal", None, "m")),
    (
        'return nil, errors.wrap(errors.new({message = "m", kind = "Timeout", retryable = true}), "ctx")',
        ("Timeout", True, "m"),
    ),
    ("error({})", ("Internal", None, "table: ")),
    (
        'coroutine.spawn(function() error("in a task") end) channel.new():receive()',
        ("Internal", None, "app:callee:3: in a task"),
    ),
]


@pytest.mark.parametrize(("body", "expected"), FAILURES)
def test_failure_reaches_host_and_guest_alike(
    project: Project, body: str, expected: tuple[str, bool | None, str]
) -> None:
    project.body("callee", body)
    with pytest.raises(Error) as caught:
        project.call("callee")
    error = caught.value
    assert (error.kind, error.retryable) == expected[:2]
    assert error.message.startswith(expected[2])
    program = """
        local function shown(v, e) return { v == nil, e:kind(), e:retryable() == nil and "nil" or e:retryable(), e:message() } end
        local executor = funcs.new():with_context({ a = 1 })
        local future = funcs.async("app:callee")
        local delivered = future:response():receive()
        return { shown(funcs.call("app:callee")), shown(executor:call("app:callee")), shown(nil, delivered) }
    """
    found = project.run(program, top='local funcs = require("funcs")', modules=["funcs"])
    retryable = "nil" if expected[1] is None else expected[1]
    for outcome in found:
        assert outcome[:3] == [True, expected[0], retryable] and outcome[3].startswith(expected[2])


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return 1, 2", 1),
        ("return", None),
        ("return nil", None),
        ("return 1, nil, 'x'", 1),
        ("return {a = 1}, true", {"a": 1}),
        ("return false", False),
    ],
)
def test_other_results_are_successes_with_the_first_value(project: Project, body: str, value: Any) -> None:
    assert project.body("callee", body).call("callee") == value


def test_details_cross_and_tables_arrive_without_metatable_and_functions(project: Project) -> None:
    project.body("bad", 'error(errors.new({message = "m", kind = "Invalid", details = {list = {1, 2}, s = "x"}}))')
    project.body("good", "return setmetatable({ n = 1, f = print, t = { 1 } }, { __index = { hidden = 1 } })")
    program = """
        local _, e = funcs.call("app:bad")
        local t = funcs.call("app:good")
        return { e:details().list[2], e:details().s, t.n, t.f == nil, t.hidden == nil, t.t[1] }
    """
    found = project.run(program, top='local funcs = require("funcs")', modules=["funcs"])
    assert found == [2, "x", 1, True, True, 1]


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("return {}", "NotFound", 'method "main" not found in module'),
        ("return 5", "NotFound", 'method "main" not found in module'),
        ("return { main = 5 }", "NotFound", 'method "main" not found in module'),
        ('error("at load")', "Internal", "failed to execute script: app:main:1: at load"),
        (
            'error(errors.new({message = "m", kind = "Conflict", retryable = true}))',
            "Internal",
            "failed to execute script: m",
        ),
        ("channel.new():receive() return { main = print }", "Internal", "can not yield from outside of a coroutine"),
    ],
)
def test_chunks_without_their_method(project: Project, source: str, kind: str, text: str) -> None:
    with pytest.raises(Error) as caught:
        project.function("main", source).call()
    assert (caught.value.kind, caught.value.retryable) == (kind, False) and text in caught.value.message


def test_constants_are_the_kinds(project: Project) -> None:
    kinds = {
        "NOT_FOUND": "NotFound",
        "ALREADY_EXISTS": "AlreadyExists",
        "INVALID": "Invalid",
        "PERMISSION_DENIED": "PermissionDenied",
        "UNAVAILABLE": "Unavailable",
        "INTERNAL": "Internal",
        "CANCELED": "Canceled",
        "CONFLICT": "Conflict",
        "TIMEOUT": "Timeout",
        "RATE_LIMITED": "RateLimited",
        "UNKNOWN": "",
    }
    body = "local out = {} for name, kind in pairs(errors) do if type(kind) == 'string' then out[name] = kind end end return out"
    assert project.run(body) == kinds


def test_a_chunk_may_return_the_function_itself(project: Project) -> None:
    assert project.function("main", "return function(x) return x + 1 end").call("main", 4) == 5
