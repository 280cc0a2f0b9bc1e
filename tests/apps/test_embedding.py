"""The Python API: `Runtime` (spec: issue 2, docs/embedding.md)."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

from apps.guest import App
from apps.program import project
from wippy import Error, Runtime

DOUBLE = "local n = ... return n * 2"
ECHO = """
    process.registry.register("echo")
    local inbox = process.inbox()
    while true do
      local m = inbox:receive()
      if m:topic() == "stop" then return "stopped" end
      events.send("test", m:topic(), "p", { payload = m:payload() and m:payload():data(), from = m:from() })
    end
"""


def app() -> App:
    found = App().function("double", DOUBLE).process("echo", ECHO).process("give", "return ...")
    found.function(
        "fail",
        "return nil, errors.new({ message = 'no', kind = errors.CONFLICT, retryable = true, details = { a = 1 } })",
    )
    return found.function("forever", "process.registry.register('forever') time.sleep('1m')")


def use(work: Any) -> Any:
    return app().use(work)


# Life ----------------------------------------


def test_a_directory_is_loaded_started_and_stopped(tmp_path: Path) -> None:
    project(
        tmp_path,
        _index="namespace: app\nentries:\n  - { name: f, kind: function.lua, source: file://f.lua, method: main }\n",
        **{"f.lua": "return { main = function(n) return n + 1 end }"},
    )

    async def session() -> Any:
        async with Runtime(tmp_path) as runtime:
            return await runtime.call("app:f", 41)

    assert asyncio.run(session()) == 42


def test_many_starts_and_stops_in_one_process() -> None:
    async def session() -> None:
        runtime = app().runtime()
        for n in range(20):
            await runtime.start()
            assert await runtime.call("app:double", n) == 2 * n
            await runtime.stop()

    before = threading.active_count()
    asyncio.run(session())
    for _ in range(3):
        asyncio.run(session())
    gc.collect()
    assert threading.active_count() <= before + 1


def test_two_runtimes_in_one_process() -> None:
    async def session() -> list[Any]:
        async with app().runtime() as one, App().function("double", "return 'other'").runtime() as two:
            return await asyncio.gather(*(runtime.call("app:double", 4) for runtime in (one, two) for _ in range(3)))

    assert asyncio.run(session()) == [8, 8, 8, "other", "other", "other"]


def test_two_runtimes_on_two_threads() -> None:
    found: list[Any] = []

    def work(n: int) -> None:
        found.append(use(lambda runtime: runtime.call("app:double", n)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == [0, 2, 4, 6]


def test_stopping_twice_is_harmless_and_starting_twice_is_not() -> None:
    async def session() -> None:
        runtime = app().runtime()
        await runtime.stop()
        await runtime.start()
        with pytest.raises(Error, match="running already"):
            await runtime.start()
        await runtime.stop()
        await runtime.stop()
        with pytest.raises(Error, match="not running"):
            await runtime.call("app:double", 1)

    asyncio.run(session())


def test_a_failed_start_leaves_nothing_behind() -> None:
    async def session() -> None:
        broken = app().function("bad", "this is no Lua")
        runtime = broken.runtime()
        for _ in range(2):
            with pytest.raises(Error) as failed:
                await runtime.start()
            assert failed.value.kind == "Invalid" and "app:bad" in failed.value.message
        with pytest.raises(Error, match="not running"):
            _ = runtime.node

    asyncio.run(session())


def test_an_exit_code_is_handed_over() -> None:
    async def work(runtime: Runtime) -> int:
        waiting = asyncio.ensure_future(runtime.exited())
        await asyncio.sleep(0)
        runtime.exit(3)
        return await waiting

    assert use(work) == 3


# Calls ----------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        1.5,
        float("inf"),
        "text",
        "ünïcode",
        b"\xff\x00",
        [1, [2]],
        {"a": {"b": [1]}},
    ],
)
def test_data_crosses_both_ways(value: Any) -> None:
    found = App().function("echo", "return (...)").call("echo", value)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("value", [2**70, object(), lambda: 1, {1, 2}.__iter__, 1 + 2j])
def test_what_is_no_data_is_refused(value: Any) -> None:
    async def work(runtime: Runtime) -> None:
        with pytest.raises(Error) as failed:
            await runtime.call("app:double", value)
        assert failed.value.kind == "Invalid"
        assert await runtime.call("app:double", 1) == 2

    use(work)


@pytest.mark.parametrize(
    "body",
    [
        "local t = {} t.me = t return t",
        "return { [{}] = 1 }",
        "local t = {} for _ = 1, 300 do t = { t } end return t",
        "local t = {} for _ = 1, 60 do t = { t, t } end return t",
    ],
)
def test_a_result_that_cannot_leave_is_an_error_and_the_runtime_goes_on(body: str) -> None:
    async def work(runtime: Runtime) -> None:
        with pytest.raises(Error):
            await runtime.call("app:odd")
        with pytest.raises(Error):
            await runtime.run_process("app:odd_process", "app:host")
        assert await runtime.call("app:double", 1) == 2

    app().function("odd", body).process("odd_process", body).use(work)


def test_a_failure_keeps_kind_message_retryable_and_details() -> None:
    with pytest.raises(Error) as failed:
        use(lambda runtime: runtime.call("app:fail"))
    error = failed.value
    assert (error.kind, error.message, error.retryable, error.details) == ("Conflict", "no", True, {"a": 1})


@pytest.mark.parametrize(
    ("name", "kind"),
    [("app:nothing", "NotFound"), ("app:host", "NotFound"), ("app:give", "NotFound"), ("", "NotFound")],
)
def test_calling_what_is_no_function(name: str, kind: str) -> None:
    with pytest.raises(Error) as failed:
        use(lambda runtime: runtime.call(name))
    assert failed.value.kind == kind


def test_values_are_found_in_ctx() -> None:
    found = (
        App()
        .function("f", "return { ctx.get('user'), (funcs.call('app:g')) }")
        .function("g", "return (ctx.get('user'))")
    )
    assert found.use(lambda runtime: runtime.call("app:f", values={"user": "ada"})) == ["ada", "ada"]


def test_many_calls_at_once() -> None:
    async def work(runtime: Runtime) -> list[int]:
        return await asyncio.gather(*(runtime.call("app:double", n) for n in range(1000)))

    assert use(work) == [2 * n for n in range(1000)]


async def gone(runtime: Runtime, name: str) -> None:
    while await runtime.node.lookup(name) is not None:
        await asyncio.sleep(0.002)


async def there(runtime: Runtime, name: str) -> None:
    while await runtime.node.lookup(name) is None:
        await asyncio.sleep(0.002)


def test_cancelling_a_call_ends_the_function() -> None:
    async def work(runtime: Runtime) -> None:
        call = asyncio.ensure_future(runtime.call("app:forever"))
        await there(runtime, "forever")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await gone(runtime, "forever")

    use(work)


def test_a_timeout_ends_the_function() -> None:
    async def work(runtime: Runtime) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(runtime.call("app:forever"), 0.05)
        await gone(runtime, "forever")

    use(work)


def test_cancelling_a_call_that_waited_for_an_instance_ends_it_too() -> None:
    body = "local name = ... process.registry.register(name) process.inbox():receive()"

    async def work(runtime: Runtime) -> None:
        first = asyncio.ensure_future(runtime.call("app:one_at_a_time", "first"))
        second = asyncio.ensure_future(runtime.call("app:one_at_a_time", "second"))
        third = asyncio.ensure_future(runtime.call("app:one_at_a_time", "third"))
        await there(runtime, "first")
        third.cancel()
        await runtime.send("first", "end")
        await first
        await there(runtime, "second")
        second.cancel()
        await gone(runtime, "second")
        fourth = asyncio.ensure_future(runtime.call("app:one_at_a_time", "fourth"))
        await there(runtime, "fourth")
        assert await runtime.node.lookup("third") is None
        await runtime.send("fourth", "end")
        await fourth

    app().function("one_at_a_time", body, pool={"type": "inline"}).use(work)


def test_stop_ends_calls_that_are_waited_for() -> None:
    async def session() -> None:
        runtime = app().runtime()
        await runtime.start()
        call = asyncio.ensure_future(runtime.call("app:forever"))
        await there(runtime, "forever")
        await runtime.stop()
        with pytest.raises(Error) as failed:
            await asyncio.wait_for(call, 5)
        assert failed.value.kind == "Canceled"

    asyncio.run(session())


# Processes ----------------------------------------


def test_spawn_send_and_the_end() -> None:
    heard: list[Any] = []

    async def work(runtime: Runtime) -> None:
        runtime.node.bus.listen("test", lambda system, kind, path, data: heard.append((kind, data)))
        pid = await runtime.spawn("app:echo", "app:host")
        assert pid.startswith("{app:host|0x")
        await there(runtime, "echo")
        assert await runtime.send(pid, "one", {"n": 1})
        assert await runtime.send("echo", "two")
        while len(heard) < 2:
            await asyncio.sleep(0.002)
        assert await runtime.send("echo", "stop")
        await gone(runtime, "echo")
        assert not await runtime.send(pid, "late")
        assert not await runtime.send("echo", "late")
        assert not await runtime.send("{nonsense", "late")

    use(work)
    assert heard == [("one", {"payload": {"n": 1}, "from": ""}), ("two", {"from": ""})]


def test_run_process_gives_the_result() -> None:
    assert use(lambda runtime: runtime.run_process("app:give", "app:host", {"a": [1]}, 2)) == {"a": [1]}


@pytest.mark.parametrize(
    ("process", "host", "kind"),
    [
        ("app:nothing", "app:host", "NotFound"),
        ("app:give", "app:nowhere", "NotFound"),
        ("app:give", "app:double", "Internal"),
        ("app:double", "app:host", "NotFound"),
    ],
)
def test_what_cannot_be_spawned(process: str, host: str, kind: str) -> None:
    async def work(runtime: Runtime) -> None:
        for start in (runtime.spawn, runtime.run_process):
            with pytest.raises(Error) as failed:
                await start(process, host)
            assert failed.value.kind == kind

    use(work)


def test_a_process_that_fails_raises_its_error() -> None:
    found = app().process("broken", "error(errors.new({ message = 'm', kind = errors.TIMEOUT }))")
    with pytest.raises(Error) as failed:
        found.use(lambda runtime: runtime.run_process("app:broken", "app:host"))
    assert (failed.value.kind, failed.value.message, failed.value.retryable) == ("Timeout", "m", None)


def test_stop_cancels_processes_and_waits_for_them() -> None:
    heard: list[str] = []
    body = "local e = process.events():receive() time.sleep('20ms') events.send('test', 'bye', e.reason)"

    async def session() -> None:
        runtime = App().process("polite", body).runtime()
        await runtime.start()
        runtime.node.bus.listen("test", lambda system, kind, path, data: heard.append(path))
        await runtime.spawn("app:polite", "app:host")
        await runtime.stop()

    asyncio.run(session())
    assert heard == ["scheduler shutdown"]


def test_run_process_ends_when_the_runtime_stops() -> None:
    async def session() -> None:
        runtime = App().process("idle", "process.registry.register('idle') process.inbox():receive()").runtime()
        await runtime.start()
        running = asyncio.ensure_future(runtime.run_process("app:idle", "app:host"))
        await there(runtime, "idle")
        await runtime.stop()
        with pytest.raises(Error) as failed:
            await asyncio.wait_for(running, 5)
        assert failed.value.kind == "Canceled"

    asyncio.run(session())
