"""Module exec with programs on this computer: what a guest asks and gets (spec 03 §14, §20 "Exec")."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from apps.guest import App
from apps.program import eventually
from services.exec.programs import app, is_running, run
from wippy import Runtime

# Acceptance ----------------------------------------


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("sh -c 'exit 42'", 42), ("false", 1)])
def test_exit_codes(command: str, code: int) -> None:
    body = "local p = ex:exec((...)) local ok = p:start() local code, err = p:wait() return { ok, code, err == nil }"
    assert run(body, command) == [True, code, True]


def test_output_is_captured() -> None:
    body = """
    local p = ex:exec("sh -c 'echo out; echo err >&2; echo more'")
    local out, err = p:stdout_stream(), p:stderr_stream()
    p:start()
    return { all(out), all(err), p:wait() }"""
    assert run(body) == ["out\nmore\n", "err\n", 0]


def test_streams_may_be_asked_for_after_the_start_and_are_the_same_object_each_time() -> None:
    body = """
    local p = ex:exec("echo hello")
    local before = p:stderr_stream()
    p:start()
    time.sleep("50ms")
    local out = p:stdout_stream()
    return { out == p:stdout_stream(), before == p:stderr_stream(), out ~= before, all(out), p:wait() }"""
    assert run(body) == [True, True, True, "hello\n", 0]


def test_the_environment_is_the_default_overlaid_by_the_commands_and_nothing_else(monkeypatch: Any) -> None:
    monkeypatch.setenv("WIPPY_SECRET", "leaks")
    body = """
    local p = ex:exec("env", { env = { B = "two", C = 3, D = true, E = "a=b c" } })
    local out = p:stdout_stream()
    p:start()
    local lines = {}
    for line in all(out):gmatch("[^\\n]+") do lines[#lines + 1] = line end
    table.sort(lines)
    p:wait()
    return lines"""
    assert run(body, default_env={"A": "1", "B": "1"}) == ["A=1", "B=two", "C=3", "D=true", "E=a=b c"]


def test_the_environment_may_be_empty() -> None:
    body = 'local p = ex:exec("env") local out = p:stdout_stream() p:start() return { all(out), p:wait() }'
    assert run(body, default_env={}) == ["", 0]


def test_work_dir(tmp_path: Path) -> None:
    (tmp_path / "default").mkdir()
    (tmp_path / "own").mkdir()
    body = """
    local out = {}
    for i, options in ipairs({ {}, { work_dir = (...) } }) do
      local p = ex:exec("pwd", options)
      local s = p:stdout_stream()
      p:start()
      out[i] = all(s)
      p:wait()
    end
    return out"""
    found = run(body, str(tmp_path / "own"), default_work_dir=str(tmp_path / "default"))
    assert found == [f"{tmp_path}/default\n", f"{tmp_path}/own\n"]


def test_stdin_is_written_and_closed() -> None:
    body = """
    local p = ex:exec("cat")
    local out = p:stdout_stream()
    p:start()
    local a = p:write_stdin("hello ")
    local b = p:write_stdin("world")
    local first = out:read(5)
    local c = p:write_stdin("")
    local late, err = p:write_stdin("x")
    return { a, b, c, first, all(out), late == nil, err:kind(), p:wait() }"""
    assert run(body) == [True, True, True, "hello", " world", True, "Internal", 0]


@pytest.mark.parametrize(("number", "code"), [(15, -1), (9, -1), (10, 7)])
def test_signals(number: int, code: int) -> None:
    body = """
    local p = ex:exec("sh -c 'trap \\"exit 7\\" USR1; echo ready; while :; do sleep 0.01; done'")
    local out = p:stdout_stream()
    p:start()
    out:read()
    local ok = p:signal((...))
    return { ok, p:wait() }"""
    assert run(body, number) == [True, code]


@pytest.mark.parametrize("force", ["", "true"])
def test_close_ends_the_process_and_is_idempotent(force: str) -> None:
    body = f"""
    local p = ex:exec("sh -c 'echo $$; sleep 60'")
    local out = p:stdout_stream()
    p:start()
    local pid = tonumber(out:read())
    return {{ pid, p:close({force}), p:close(), p:close(true) }}"""

    async def work(runtime: Runtime) -> Any:
        found = await runtime.call("app:f")
        eventually(lambda: not is_running(found[0]), 5)
        return found[1:]

    assert app(body).use(work) == [True, True, True]


def test_errors_after_close_and_wait() -> None:
    body = """
    local out = {}
    local function try(p)
      for _, f in ipairs({ p.start, p.wait, p.stdout_stream, p.stderr_stream, p.signal, p.write_stdin }) do
        local v, e = f(p, f == p.signal and 15 or "x")
        out[#out + 1] = (v == nil) and e:kind() .. ": " .. tostring(e)
      end
    end
    local p = ex:exec("true")
    p:close()
    try(p)
    local q = ex:exec("true")
    q:start()
    q:wait()
    try(q)
    return out"""
    assert set(run(body)) == {"Invalid: process is closed"}


def test_errors_before_the_start_and_of_a_second_start() -> None:
    body = """
    local p, out = ex:exec("true"), {}
    for _, f in ipairs({ p.signal, p.write_stdin, p.wait }) do
      local v, e = f(p, 15)
      out[#out + 1] = e:kind() .. ": " .. tostring(e)
    end
    p:start()
    local v, e = p:start()
    out[#out + 1] = e:kind() .. ": " .. tostring(e)
    return out"""
    assert run(body) == ["Invalid: process not started: call start() first"] * 3 + ["Invalid: process already started"]


def test_errors_after_release_and_double_release() -> None:
    body = """
    local p = ex:exec("true")
    local a, b = ex:release(), ex:release()
    local v, e = ex:exec("true")
    p:start()
    return { a, b, v == nil, e:kind(), tostring(e), p:wait() }"""
    assert run(body) == [True, True, True, "Invalid", "executor is released", 0]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        ('exec.get("")', "Invalid", "resource id is required"),
        ('exec.get("app:none")', "Internal", "executor not found: app:none"),
        ('exec.get("app:f")', "Internal", "executor not found: app:f"),
        ('ex:exec("")', "Invalid", "command is required"),
        ('ex:exec("  \\t ")', "Invalid", "command is required"),
        ("ex:exec(\"''\")", "Invalid", "command is required"),
        ("ex:exec(\"echo 'open\")", "Invalid", "command has a ' that does not end"),
        ('ex:exec("a\\0b")', "Invalid", "command, directory and environment must not contain NUL bytes"),
        ('ex:exec("env", { env = { ["A=B"] = "x" } })', "Invalid", '"A=B" is no name of an environment variable'),
        ('ex:exec("no-such-program-anywhere"):start()', "Internal",
         "no-such-program-anywhere cannot be started: executable not found in path"),
        ('ex:exec("true", { work_dir = "/no/such/place" }):start()', "Internal",
         "true cannot be started: no such file or directory"),
        ('ex:exec("true"):signal("x")', None, None),
        ("ex:exec({})", None, None),
        ('ex:exec("true", 1)', None, None),
        ('ex:exec("true", { work_dir = 1 })', None, None),
        ('ex:exec("true", { env = "A=1" })', None, None),
        ('ex:exec("true", { env = { A = {} } })', None, None),
        ("ex.exec({}, 'true')", None, None),
        ("ex.release(1)", None, None),
    ],
)  # fmt: skip
def test_bad_requests(call: str, kind: str | None, text: str | None) -> None:
    body = f"""
    local ok, v, e = pcall(function() return {call} end)
    if not ok then return "raised" end
    return {{ v == nil, e:kind(), tostring(e), e:retryable() }}"""
    assert run(body) == ("raised" if kind is None else [True, kind, text, False])


@pytest.mark.parametrize("number", [0, -1, 65, 1000])
def test_what_is_no_signal_is_refused(number: int) -> None:
    body = 'local p = ex:exec("sleep 10") p:start() local v, e = p:signal((...)) p:close(true) return e:kind()'
    assert run(body, number) == "Invalid"


# Commands ----------------------------------------


def test_words_reach_the_program_as_they_are_grouped() -> None:
    body = """
    local p = ex:exec("printf '<%s>' a  'b c' d\\"e f\\"g '' $HOME *.py \\\\n")
    local out = p:stdout_stream()
    p:start()
    return { all(out), p:wait() }"""
    assert run(body) == ["<a><b c><de fg><><$HOME><*.py><\\n>", 0]


def test_bytes_that_are_no_text_reach_the_program() -> None:
    body = """
    local p = ex:exec("printf %s \\255\\254")
    local out = p:stdout_stream()
    p:start()
    return all(out) == "\\255\\254\""""
    assert run(body) is True


def test_the_program_is_found_through_the_path_of_the_runtime(tmp_path: Path, monkeypatch: Any) -> None:
    script = tmp_path / "greet"
    script.write_text('#!/bin/sh\necho hi from "$PATH"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    body = 'local p = ex:exec("greet") local out = p:stdout_stream() p:start() return all(out)'
    assert run(body, default_env={"PATH": "/nowhere"}) == "hi from /nowhere\n"


def test_only_whitelisted_commands_run() -> None:
    body = """
    local out = {}
    for i, command in ipairs({ "echo yes", "echo  yes", "echo no", "echo yes; echo no", "sh -c 'echo yes'" }) do
      local p, e = ex:exec(command)
      out[i] = p and "allowed" or e:kind() .. ": " .. tostring(e)
    end
    return out"""
    found = run(body, command_whitelist=["echo yes", "true"])
    assert found[0] == "allowed"
    assert found[1:] == [
        f"Internal: command not allowed: {c}" for c in ("echo  yes", "echo no", "echo yes; echo no", "sh -c 'echo yes'")
    ]


def test_permissions() -> None:
    source = """
    local exec = require("exec")
    return { main = function()
      local ex, e = exec.get("app:shell")
      if not ex then return { e:kind(), tostring(e) } end
      local p, e = ex:exec("echo hi")
      return p and "runs" or { e:kind(), tostring(e) }
    end }"""
    policies = {
        "none": [],
        "get": ["exec.get"],
        "both": ["exec.get", "exec.run"],
    }
    outcomes = {}
    for name, actions in policies.items():
        found = App().add("shell", "exec.native")
        found.add("f", "function.lua", source=source, method="main", modules=["exec"])
        found.add("p", "security.policy", policy={"actions": actions or ["x"], "resources": "*", "effect": "allow"})
        found.function(
            "main",
            """
            local scope = security.new_scope({ security.policy("app:p") })
            return funcs.new():with_actor(security.new_actor("ada")):with_scope(scope):call("app:f")""",
            modules=["funcs", "security"],
        )
        outcomes[name] = found.call("main")
    assert outcomes == {
        "none": ["Invalid", "not allowed to access executor: app:shell"],
        "get": ["Invalid", "not allowed to run command: echo hi"],
        "both": "runs",
    }
