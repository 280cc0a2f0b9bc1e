"""Programs end with their guests, and nothing of them is left (spec 03 §14)."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import uvloop

from apps.guest import App
from services.exec.programs import MODULES, PRELUDE, app, descriptors, is_running, python, run, until
from wippy import Error, Runtime
from wippy.project.config import Config
from wippy.services.stream.descriptors import descriptors_of

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
