"""What runs, through the Python API: `runtime.processes()`, `process(pid)`, `hosts()`, `services()`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apps.guest import App
from wippy import Error, Runtime
from wippy.compute.introspection import ProcessDetail, ProcessInfo

WORKERS = [0, 2]


async def found(look: Callable[[], Awaitable[Any]]) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + 10
    while not (value := await look()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)
    return value


async def in_state(runtime: Runtime, pid: str, state: str) -> ProcessDetail:
    async def look() -> ProcessDetail | None:
        process = await runtime.process(pid)
        return process if process.state == state else None

    return await found(look)  # type: ignore[no-any-return]


# States ----------------------------------------

IDLE = "process.registry.register('idle')\nprocess.inbox():receive()"


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("process.inbox():receive()", "idle"),
        ("local c = channel.new(0)\nc:receive()", "idle"),
        ("time.sleep('1m')", "blocked"),
        ("funcs.call('app:forever')", "blocked"),
        ("process.exec('app:waiting', 'app:host')", "blocked"),
        ("coroutine.spawn(function() time.sleep('1m') end)\nprocess.inbox():receive()", "blocked"),
        ("while true do end", "running"),
    ],
)
def test_a_process_is_in_the_state_that_fits_what_it_does(workers: int, body: str, state: str) -> None:
    app = App(workers).process("main", body).process("waiting", IDLE).function("forever", "time.sleep('1m')")

    async def work(runtime: Runtime) -> None:
        pid = await runtime.spawn("app:main", "app:host")
        assert (await in_state(runtime, pid, state)).entry == "app:main"

    app.use(work)


def test_a_process_that_waits_for_its_turn_is_ready() -> None:
    app = App().process("busy", "while true do end")

    async def work(runtime: Runtime) -> None:
        for _ in range(3):
            await runtime.spawn("app:busy", "app:host")

        async def states() -> bool:
            seen = {p.state for p in await runtime.processes()}
            return seen <= {"ready", "running"} and "running" in seen

        await found(states)

    app.use(work)


# Lists ----------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
def test_all_processes_of_a_crowd_are_listed_once(workers: int) -> None:
    app = App(workers).process("idle", "process.inbox():receive()")

    async def work(runtime: Runtime) -> None:
        pids = {await runtime.spawn("app:idle", "app:host") for _ in range(1500)}
        listed = await runtime.processes("app:host", memory=True)
        assert {p.pid for p in listed} == pids and len(listed) == 1500
        assert all(500 < (p.memory or 0) < 20_000 for p in listed)
        (host,) = await runtime.hosts()
        assert host.processes == 1500
        assert await runtime.processes("app:other") == []

    app.use(work)


def test_what_is_told_of_a_process() -> None:
    app = App().process("parent", "spawn('child') process.inbox():receive()")
    app.process("child", IDLE)
    before = time.time_ns()

    async def work(runtime: Runtime) -> ProcessInfo:
        parent = await runtime.spawn("app:parent", "app:host")
        await found(lambda: runtime.node.lookup("idle"))
        first = await runtime.processes()
        again = {p.pid: p.started_at for p in await runtime.processes()}
        assert all(p.started_at == again[p.pid] for p in first)
        (child,) = [p for p in first if p.entry == "app:child"]
        assert child.parent == parent
        return child

    child = app.use(work)
    assert (child.host, child.name, child.actor, child.call, child.limits) == ("app:host", "idle", None, False, None)
    assert child.memory is None
    assert before - 10**9 < child.started_at < time.time_ns() + 10**9
    assert child.steps >= 2 and child.threads == 1 and child.channels == 1


def test_steps_are_counted_from_the_start_and_survive_an_upgrade() -> None:
    new = "process.registry.register('new') process.inbox():receive()"
    app = App().process("old", "for _ = 1, 50 do coroutine.yield() end process.upgrade('app:new')").process("new", new)

    async def work(runtime: Runtime) -> None:
        pid = await runtime.spawn("app:old", "app:host")
        await found(lambda: runtime.node.lookup("new"))
        process = await runtime.process(pid)
        assert process.entry == "app:new" and process.steps > 50 and process.threads == 1

    app.use(work)


@pytest.mark.parametrize("workers", WORKERS)
def test_processor_time_is_measured_while_somebody_watches(workers: int) -> None:
    app = App(workers).process("busy", "while true do end").process("idle", IDLE)

    async def work(runtime: Runtime) -> None:
        busy, idle = await runtime.spawn("app:busy", "app:host"), await runtime.spawn("app:idle", "app:host")

        async def measured() -> dict[str, ProcessInfo] | None:
            by_pid = {p.pid: p for p in await runtime.processes()}
            return by_pid if (by_pid[busy].cpu or 0) > 0.05 else None

        by_pid = await found(measured)
        assert by_pid[idle].cpu < 0.02

    app.use(work)


def test_nobody_measures_any_more_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wippy.compute.introspection.WATCHED", 1_000_000)
    app = App().process("busy", "while true do end")

    async def work(runtime: Runtime) -> None:
        pid = await runtime.spawn("app:busy", "app:host")

        async def without_a_watch() -> bool:
            return (await runtime.process(pid)).cpu is None

        await runtime.processes()
        await found(without_a_watch)

    app.use(work)


def test_a_call_of_a_function_that_runs_is_seen_while_somebody_watches() -> None:
    app = App().function("forever", "while true do coroutine.yield() end")

    async def work(runtime: Runtime) -> None:
        await runtime.processes()
        call = asyncio.ensure_future(runtime.call("app:forever"))

        async def look() -> ProcessInfo | None:
            return next((p for p in await runtime.processes() if p.entry == "app:forever"), None)

        assert (await found(look)).call
        call.cancel()

    app.use(work)


# One process ----------------------------------------

STACKED = """\
local function wait(ch)
  local value = ch:receive()
  return value
end
local function main()
  process.registry.register("deep")
  process.listen("news", { message = true })
  coroutine.spawn(function()
    time.sleep("1m")
  end)
  local co = coroutine.wrap(function() time.sleep("2m") end)
  coroutine.spawn(function() co() end)
  wait(channel.new(0))
end
return { main = main }
"""


@pytest.mark.parametrize("workers", WORKERS)
def test_the_stack_of_every_coroutine_with_its_source_lines(workers: int) -> None:
    app = App(workers).process("deep", "local time = require('time')\n" + STACKED)

    async def work(runtime: Runtime) -> ProcessDetail:
        pid = await runtime.spawn("app:deep", "app:host")
        await found(lambda: runtime.node.lookup("deep"))

        async def all_there() -> ProcessDetail | None:
            process = await runtime.process(pid)
            return process if len(process.stacks) == 4 and process.stacks[-1].kind == "coroutine" else None

        return await found(all_there)  # type: ignore[no-any-return]

    process = app.use(work)
    texts = {stack.kind: [frame.text for frame in stack.frames] for stack in process.stacks}
    assert texts["main"] == ["local value = ch:receive()", "wait(channel.new(0))"]
    assert texts["coroutine"][0].endswith('time.sleep("2m") end)')
    lines = sorted(frame.line for stack in process.stacks for frame in stack.frames)
    assert {3, 10, 12, 13, 14} <= set(lines)
    assert all(frame.source == "app:deep" for stack in process.stacks for frame in stack.frames)
    assert process.threads == 3 and process.names == ["deep"]


def test_unread_messages_by_topic_and_relations() -> None:
    main = """
        local child = spawn_monitored("child")
        process.link(child)
        process.registry.register("main")
        process.inbox():receive()
        process.inbox()
        time.sleep("1m")
    """
    app = App().process("main", main).process("child", "process.inbox():receive()")

    async def work(runtime: Runtime) -> None:
        pid = await runtime.spawn("app:main", "app:host")
        await found(lambda: runtime.node.lookup("main"))
        await runtime.send(pid, "go")
        await in_state(runtime, pid, "blocked")
        for topic, data in (("a", "x" * 5000), ("b", 1), ("b", {"k": [1, 2]}), ("t" * 500, None)):
            assert await runtime.send(pid, topic, data)
        process = await runtime.process(pid)
        assert process.mailbox == 4
        topics = {t.topic: (t.count, t.bytes) for t in process.topics}
        assert topics["a"][0] == 1 and topics["a"][1] > 5000
        assert process.topics[0].topic == "b" and process.topics[0].count == 2
        assert "t" * 200 + "..." in topics
        (child,) = process.links
        assert process.monitors == [child]
        relatives = await runtime.process(child)
        assert relatives.links == [pid] and relatives.watchers == [pid]

    app.use(work)


@pytest.mark.parametrize(
    "value", ["'plain'", "5", "true", "{ kind = 5 }", "{ kind = {} }", "print", "setmetatable({}, {})"]
)
def test_a_process_cannot_hide_by_what_it_puts_into_its_own_channels(value: str) -> None:
    app = App().process("odd", f"process.listen('a'):send({value}) process.registry.register('odd') time.sleep('1m')")

    async def work(runtime: Runtime) -> list[str]:
        pid = await runtime.spawn("app:odd", "app:host")
        await found(lambda: runtime.node.lookup("odd"))
        assert (await runtime.processes("app:host"))[0].mailbox == 1
        return [t.topic for t in (await runtime.process(pid)).topics]

    assert app.use(work) == ["(value)"]


def test_there_is_no_such_process() -> None:
    async def work(runtime: Runtime) -> None:
        for pid in ("{app:host|0x00100}", "{app:host|0x0ff}", "nonsense", ""):
            with pytest.raises(Error) as failed:
                await runtime.process(pid)
            assert failed.value.kind == "NotFound"

    App().use(work)


def test_texts_of_guests_that_are_no_utf8_are_shown() -> None:
    app = App().process("odd", "process.registry.register('\\xff\\xfe') process.inbox():receive()")

    async def work(runtime: Runtime) -> list[str]:
        pid = await runtime.spawn("app:odd", "app:host")
        return (await in_state(runtime, pid, "idle")).names

    assert app.use(work) == ["\ufffd\ufffd"]


# Hosts, services ----------------------------------------


def test_hosts_count_the_steps_of_processes_that_have_ended() -> None:
    app = App().process("short", "for _ = 1, 20 do coroutine.yield() end")

    async def work(runtime: Runtime) -> None:
        await runtime.run_process("app:short", "app:host")
        (host,) = await runtime.hosts()
        assert (host.processes, host.workers, host.stolen) == (0, 1, 0)
        assert host.executed > 20

    app.use(work)


def test_services_and_limits() -> None:
    app = App().service("main", "process.inbox():receive()")
    app.add("small", "process.host", limits={"mailbox": 1}, lifecycle={"auto_start": True})
    app.process("slow", "time.sleep('1m')")

    async def work(runtime: Runtime) -> None:
        states = {s.id: (s.status, s.desired, s.retry_count) for s in runtime.services()}
        assert list(states) == ["app:host", "app:main.service", "app:small"]
        assert set(states.values()) == {("running", "running", 0)}
        pid = await runtime.spawn("app:slow", "app:small")
        assert (await runtime.process(pid)).limits == {"mailbox": 1}
        await runtime.send(pid, "a")
        await runtime.send(pid, "b")
        await found(lambda: runtime.node.ask(runtime.node.shards[0], "exceeded"))

    app.use(work)
