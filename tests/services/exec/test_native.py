"""Module exec with programs on this computer (spec 03 §14, §20 "Exec")."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from apps.guest import App
from apps.program import eventually
from wippy import Error, Runtime
from wippy.project.config import Config
from wippy.services.stream.descriptors import descriptors_of

MODULES = ["exec", "time", "json", "fs"]
PRELUDE = """
local exec, time, fs = require("exec"), require("time"), require("fs")
local ex = assert(exec.get("app:shell"))
local function all(s)
  local parts = {}
  while true do
    local c, e = s:read()
    if not c then return table.concat(parts), e end
    parts[#parts + 1] = c
  end
end
"""


def app(body: str, **config: Any) -> App:
    found = App().add("shell", "exec.native", **{"default_env": {"PATH": os.environ["PATH"]}, **config})
    source = f"{PRELUDE} return {{ main = function(...) {body} end }}"
    return found.add("f", "function.lua", source=source, method="main", modules=MODULES)


def run(body: str, *args: Any, **config: Any) -> Any:
    return app(body, **config).call("f", *args)


def python(code: str) -> str:
    """A command line that runs `code`, which has no double quotes."""
    return f'{sys.executable} -c "{code}"'


def is_running(pid: int) -> bool:
    """Whether the process runs: neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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


# Streams, stdin, back pressure ----------------------------------------


def test_large_output_is_read_without_loss() -> None:
    body = """
    local p = ex:exec((...))
    local out = p:stdout_stream()
    p:start()
    local total = 0
    while true do
      local c = out:read(100000)
      if not c then break end
      total = total + #c
    end
    return { total, p:wait() }"""
    assert run(body, python("import sys; sys.stdout.write('x' * 5000000)")) == [5_000_000, 0]


def test_a_program_that_writes_faster_than_we_read_has_to_wait(tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    code = f"""
import os
for i in range(100):
    os.write(1, b'x' * 10000)
    open('{progress}', 'w').write(str(i))
"""
    script = tmp_path / "fast.py"
    script.write_text(code)
    body = """
    local p = ex:exec((...))
    local out = p:stdout_stream()
    p:start()
    out:read(1)
    time.sleep("300ms")
    local n = tonumber((fs.get("app:files"):readfile("progress")))
    return { n, #all(out), p:wait() }"""
    found = app(body).add("files", "fs.directory", directory=str(tmp_path))
    written, total, status = found.call("f", f"{sys.executable} {script}")
    assert written < 30
    assert (total, status) == (999_999, 0)


def test_input_and_output_larger_than_pipes_pass_through() -> None:
    body = """
    local p = ex:exec("cat")
    local out, done = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function()
      p:write_stdin(("x"):rep(1000000))
      p:write_stdin("")
      done:send(true)
    end)
    local text = all(out)
    done:receive()
    return { #text, p:wait() }"""
    assert run(body) == [1_000_000, 0]


@pytest.mark.parametrize("ask", ["", "p:stdout_stream()", "p:stdout_stream() p:stderr_stream()"])
def test_wait_returns_although_nobody_reads(ask: str) -> None:
    body = f"local p = ex:exec((...)) {ask} p:start() return p:wait()"
    code = "import sys; sys.stdout.write('x' * 1000000); sys.stderr.write('y' * 1000000)"
    began = time.monotonic()
    assert run(body, python(code)) == 0
    assert time.monotonic() - began < 8


def test_wait_returns_although_reading_stopped() -> None:
    body = "local p = ex:exec((...)) local out = p:stdout_stream() p:start() out:read(10) return p:wait()"
    assert run(body, python("import sys; sys.stdout.write('x' * 1000000)")) == 0


def test_a_reader_beside_wait_loses_nothing() -> None:
    body = """
    local p = ex:exec((...))
    local out, got = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function() got:send(#all(out)) end)
    local code = p:wait()
    return { code, (got:receive()) }"""
    assert run(body, python("import sys; sys.stdout.write('x' * 3000000)")) == [0, 3_000_000]


def test_a_program_whose_output_nobody_wants_goes_on() -> None:
    body = """
    local p = ex:exec((...))
    p:start()
    for _ = 1, 500 do
      time.sleep("10ms")
      if not p:signal(18) then return "ended" end
    end
    return "hangs" """
    assert run(body, python("import sys; sys.stdout.write('x' * 500000)")) == "ended"


def test_a_reading_that_waits_ends_when_the_stream_is_closed() -> None:
    body = """
    local p = ex:exec("sleep 30")
    local out, result = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function() result:send(tostring(select(2, out:read()))) end)
    time.sleep("20ms")
    out:close()
    local text = result:receive()
    p:close(true)
    return text"""
    assert run(body) == "stream is closed"


def test_several_coroutines_may_wait() -> None:
    body = """
    local p, codes = ex:exec("sh -c 'sleep 0.1; exit 3'"), channel.new(2)
    p:start()
    for _ = 1, 2 do coroutine.spawn(function() codes:send(p:wait()) end) end
    return { codes:receive(), (codes:receive()) }"""
    assert run(body) == [3, 3]


def test_a_scanner_over_output() -> None:
    body = """
    local p = ex:exec("printf 'a b\\\\nc'")
    local sc, words = p:stdout_stream():scanner("words"), {}
    p:start()
    while sc:scan() do words[#words + 1] = sc:text() end
    return words"""
    assert run(body) == ["a", "b", "c"]


# Ends ----------------------------------------

NESTED = "sh -c 'trap \\\"\\\" HUP; sleep 300 & echo $! $$; wait'"


def test_children_and_what_they_started_end_with_the_call(tmp_path: Path) -> None:
    body = f"""
    local p = ex:exec("{NESTED}")
    local out = p:stdout_stream()
    p:start()
    return out:read()"""

    async def work(runtime: Runtime) -> None:
        pids = [int(word) for word in (await runtime.call("app:f")).split()]
        assert len(pids) == 2
        await until(lambda: not any(map(is_running, pids)))

    app(body).use(work)


def test_background_programs_of_an_ended_child_end_with_the_call() -> None:
    body = """
    local p = ex:exec("sh -c 'sleep 300 >/dev/null 2>&1 & echo $!'")
    local out = p:stdout_stream()
    p:start()
    local pid = all(out)
    return { p:wait(), tonumber(pid) }"""

    async def work(runtime: Runtime) -> None:
        code, pid = await runtime.call("app:f")
        assert code == 0
        await until(lambda: not is_running(pid))

    app(body).use(work)


def test_a_child_that_ignores_the_request_is_forced(tmp_path: Path) -> None:
    body = """
    local p = ex:exec("sh -c 'trap \\"\\" TERM; echo $$; while :; do sleep 0.05; done'")
    local out = p:stdout_stream()
    p:start()
    return tonumber(out:read())"""

    async def work(runtime: Runtime) -> None:
        pid = await runtime.call("app:f")
        await until(lambda: not is_running(pid))

    app(body).use(work)


def test_children_end_when_the_runtime_stops(tmp_path: Path) -> None:
    body = f"""
    local p = ex:exec("{NESTED}")
    local out = p:stdout_stream()
    p:start()
    fs.get("app:files"):writefile("pids", (out:read()))
    p:wait()"""
    found = app(body).add("files", "fs.directory", directory=str(tmp_path))

    async def work(runtime: Runtime) -> list[int]:
        call = asyncio.ensure_future(runtime.call("app:f"))
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        await until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"))
        pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
        assert all(map(is_running, pids))
        return pids

    pids = found.use(work)
    assert len(pids) == 2
    assert not any(map(is_running, pids))


async def until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_terminating_a_process_ends_its_children() -> None:
    found = App().add("shell", "exec.native", default_env={"PATH": os.environ["PATH"]})
    source = f"""{PRELUDE} return {{ main = function()
      local p = ex:exec("sh -c 'echo $$; sleep 300'")
      local out = p:stdout_stream()
      p:start()
      process.send((...), "pid", (out:read()))
      p:wait()
    end }}""".replace("function()\n", "function(...)\n", 1)
    found.add("child", "process.lua", source=source, modules=MODULES)
    body = """
    local pid = spawn("child", process.pid())
    local number = process.inbox():receive():payload():data()
    process.terminate(pid)
    return tonumber(number)"""
    found.process("main", body)

    async def work(runtime: Runtime) -> None:
        number = await runtime.run_process("app:main", "app:host")
        await until(lambda: not is_running(number))

    found.use(work)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def zombies() -> list[int]:
    mine = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            mine.append(int(entry.parent.name))
    return mine


@pytest.mark.parametrize(
    "use",
    [
        'local p = ex:exec("echo hi") local o = p:stdout_stream() p:start() all(o) p:wait()',
        'local p = ex:exec("echo hi") p:start() p:wait()',
        'local p = ex:exec("echo hi") local o = p:stdout_stream() p:start() o:read(1) p:wait()',
        'local p = ex:exec("cat") p:start() p:write_stdin("x") p:close(true)',
        'local p = ex:exec("cat") p:start() p:write_stdin("x") p:close()',
        'local p = ex:exec("sleep 60") p:stdout_stream() p:start()',
        'local p = ex:exec("no-such-program") p:stdout_stream() p:start()',
        'local p = ex:exec("true") p:stdout_stream() p:close()',
        'local p = ex:exec("true")',
    ],
)
def test_neither_zombies_nor_descriptors_nor_handles_are_left(use: str) -> None:
    async def work(runtime: Runtime) -> tuple[int, int, int, list[int]]:
        await runtime.call("app:f")
        handles, counted = runtime.node.bindings.handles, descriptors_of(runtime.node)
        await until(lambda: len(handles) == 0 and len(counted) == 0)
        before = descriptors()
        for _ in range(10):
            await runtime.call("app:f")
        await until(lambda: len(handles) == 0 and len(counted) == 0)
        await until(lambda: descriptors() <= before)
        return len(handles), len(counted), 0, zombies()

    assert app(use).use(work) == (0, 0, 0, [])


def test_a_long_process_that_runs_many_programs_keeps_nothing_of_them() -> None:
    found = App().add("shell", "exec.native", default_env={"PATH": os.environ["PATH"]})
    source = f"""{PRELUDE} return {{ main = function()
      for i = 1, 30 do
        local p = ex:exec("echo hi")
        local out = p:stdout_stream()
        p:start()
        all(out)
        out:close()
        p:wait()
      end
      process.registry.register("idle")
      process.inbox():receive()
    end }}"""
    found.add("main", "process.lua", source=source, modules=MODULES)

    async def work(runtime: Runtime) -> tuple[int, int]:
        await runtime.spawn("app:main", "app:host")
        while await runtime.node.lookup("idle") is None:
            await asyncio.sleep(0.01)
        return len(runtime.node.bindings.handles), len(descriptors_of(runtime.node))

    assert found.use(work) == (0, 0)


def test_one_guest_cannot_take_all_descriptors() -> None:
    body = """
    local n, err = 0
    while true do
      local p = ex:exec("sleep 60")
      local ok
      ok, err = p:start()
      if not ok then break end
      n = n + 1
    end
    return { n, err:kind(), tostring(err) }"""

    async def work(runtime: Runtime) -> Any:
        runtime.node.resources["@descriptors"]._most = 64
        return await runtime.call("app:f")

    count, kind, text = app(body).use(work)
    assert (count, kind, text) == (5, "Internal", "sleep cannot be started: too many open files")


def test_a_system_without_descriptors_of_processes(monkeypatch: Any) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    body = "local p = ex:exec((...)) p:start() return p:wait()"
    assert run(body, "sh -c 'exit 5'") == 5


def test_children_inherit_no_ignored_signals_and_no_descriptors() -> None:
    body = "local p = ex:exec((...)) local out = p:stdout_stream() p:start() return all(out)"
    code = "import os, signal; print(len(os.listdir('/proc/self/fd')), signal.getsignal(signal.SIGINT).__name__)"
    assert run(body, python(code)).split() == ["4", "default_int_handler"]
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN


def test_the_loop_of_the_command_line() -> None:
    body = """
    local p = ex:exec("cat")
    local out, done = p:stdout_stream(), channel.new(1)
    p:start()
    coroutine.spawn(function() p:write_stdin(("x"):rep(300000)) p:write_stdin("") done:send(true) end)
    return { #all(out), p:wait() }"""
    entries = app(body).entries

    async def session() -> Any:
        async with Runtime(entries=entries) as runtime:
            return await runtime.call("app:f")

    assert uvloop.run(session()) == [300_000, 0]


def test_strict_mode_refuses_without_an_identity() -> None:
    found = app("return 1")

    async def session() -> Any:
        async with Runtime(entries=found.entries, config=Config({"security.strict_mode": True})) as runtime:
            return await runtime.call("app:f")

    with pytest.raises(Error, match="not allowed to access executor"):
        asyncio.run(session())
