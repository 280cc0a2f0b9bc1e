"""Services and routes under change: what moves, what starts and stops, what is refused and what changes hands."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apps.guest import App
from apps.live import Live, app_entry, function, refusal
from apps.program import ask, free_port
from wippy.registry.entry import Entry

SAY = "return { main = function() require('http').response():write('%s') end }"


def say(name: str, text: str) -> Entry:
    return app_entry(name, "function.lua", source=SAY % text, method="main", modules=["http"])


def server(addr: str | int, **lifecycle: Any) -> Entry:
    where = f"127.0.0.1:{addr}" if isinstance(addr, int) else addr
    return app_entry("web", "http.service", addr=where, lifecycle={"auto_start": True, **lifecycle})


def router(name: str = "root", prefix: str = "/", of: str = "web") -> Entry:
    return app_entry(name, "http.router", {"server": of}, prefix=prefix)


def endpoint(name: str, path: str, func: str, of: str = "root") -> Entry:
    return app_entry(name, "http.endpoint", {"router": of}, method="GET", path=path, func=func)


def store(name: str, requires: str = "", auto_start: bool = True) -> Entry:
    lifecycle = {"auto_start": auto_start, "requires": [requires] if requires else []}
    return app_entry(name, "store.memory", lifecycle=lifecycle)


def run(work: Callable[[Live], Awaitable[None]], *entries: Entry, workers: int = 0) -> None:
    app = App(workers=workers)
    app.entries += entries

    async def session() -> None:
        async with Live(app) as live:
            await work(live)

    asyncio.run(session())


async def get(port: int, path: str = "/") -> str:
    answer = await asyncio.to_thread(ask, port, "GET", path)
    return answer.text.strip()


def status(live: Live, name: str) -> str:
    (found,) = (service.status for service in live.runtime.services() if service.id == f"app:{name}")
    return found


def test_an_address_that_is_taken_is_refused_and_the_old_one_goes_on() -> None:
    port = free_port()

    async def work(live: Live) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            error = await refusal(live.update(server(taken.getsockname()[1])))
        assert error.kind == "Unavailable" and "the address is in use" in error.message
        assert await get(port) == "hello" and live.version == 0

    run(work, server(port), router(), endpoint("e", "/", "hello"), say("hello", "hello"))


def test_another_interface_of_the_same_port() -> None:
    port = free_port()

    async def work(live: Live) -> None:
        await live.update(server(f"0.0.0.0:{port}"))
        assert await get(port) == "hello"
        (details,) = (s.details for s in live.runtime.services() if s.id == "app:web")
        assert details == f"service listening on 0.0.0.0:{port}"
        await live.go(0)
        assert await get(port) == "hello"

    run(work, server(port), router(), endpoint("e", "/", "hello"), say("hello", "hello"))


def test_a_request_in_progress_finishes_when_the_address_changes() -> None:
    first, second = free_port(), free_port()
    slow = """return { main = function()
      local sub = require("events").subscribe("test.go")
      require("events").send("test.waiting", "x", "x")
      sub:channel():receive()
      require("http").response():write("late")
    end }"""

    async def work(live: Live) -> None:
        waiting = asyncio.Event()
        live.runtime.node.bus.listen("test.waiting", lambda *_: waiting.set())
        request = asyncio.create_task(get(first))
        await waiting.wait()
        await live.update(server(second))
        await live.look("events.send('test.go', 'x', 'x') return true")
        assert await request == "late"
        with pytest.raises(OSError):
            await get(first)

    handler = app_entry("slow", "function.lua", source=slow, method="main", modules=["http", "events"])
    run(work, server(first), router(), endpoint("e", "/", "slow"), handler)


def test_a_service_that_failed_is_tried_again_as_soon_as_it_changes() -> None:
    async def work(live: Live) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            await live.create(server(taken.getsockname()[1], restart={"initial_delay": "1h"}))
            assert status(live, "web") == "failed"
            port = free_port()
            await live.update(server(port, restart={"initial_delay": "1h"}))
            assert status(live, "web") == "running"
            assert (await asyncio.to_thread(ask, port, "GET", "/")).status == 404

    run(work)


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("host", {"host": {"queue_size": 5}}),
        ("limits", {"limits": {"mailbox": 5}}),
        ("lifecycle", {"lifecycle": {"auto_start": False}}),
    ],
)
def test_of_a_live_process_host_only_the_workers_change(field: str, data: dict[str, Any]) -> None:
    before = {"host": {}, "lifecycle": {"auto_start": True}}

    async def work(live: Live) -> None:
        error = await refusal(live.update(app_entry("h", "process.host", **{**before, **data})))
        assert error.kind == "Conflict" and f"cannot change {field} of a live process host" in error.message
        await live.update(app_entry("h", "process.host", {"any": "meta"}, **{**before, "host": {"workers": 1}}))

    run(work, app_entry("h", "process.host", **before))


def test_services_start_and_stop_with_auto_start_and_with_who_requires_them() -> None:
    async def work(live: Live) -> None:
        await live.create(store("base", auto_start=False))
        assert status(live, "base") == "unknown"
        await live.create(store("user", requires="base"))
        assert (status(live, "base"), status(live, "user")) == ("running", "running")
        await live.update(store("user", requires="base", auto_start=False))
        assert (status(live, "base"), status(live, "user")) == ("stopped", "stopped")
        await live.update(store("base"))
        assert (status(live, "base"), status(live, "user")) == ("running", "stopped")
        await live.go(2)
        assert (status(live, "base"), status(live, "user")) == ("running", "running")
        await live.delete("user")
        assert status(live, "base") == "stopped"

    run(work)


def test_what_somebody_started_by_hand_goes_on() -> None:
    async def work(live: Live) -> None:
        await live.runtime.node.supervisor.start("app:base")
        await live.create(store("other"))
        assert status(live, "base") == "running"

    run(work, store("base", auto_start=False))


def test_services_that_require_each_other_or_nothing_are_refused() -> None:
    async def work(live: Live) -> None:
        circle = await refusal(live.create(store("a", "b"), store("b", "a")))
        assert circle.kind == "Invalid" and "services require each other" in circle.message
        missing = await refusal(live.create(store("a", "nothing")))
        assert missing.kind == "NotFound" and "blocked by missing dependencies" in missing.message
        await live.create(store("a"), store("b", "a"))
        closed = await refusal(live.update(store("a", "b")))
        assert closed.kind == "Invalid"
        gone = await refusal(live.delete("a"))
        assert gone.kind == "Conflict" and live.version == 1
        assert (status(live, "a"), status(live, "b")) == ("running", "running")

    run(work)


def test_prefixes_paths_and_names_change_hands_within_one_change_set() -> None:
    port = free_port()
    storage = app_entry("storage", "env.storage.memory")

    def variable(name: str, public: str) -> Entry:
        return app_entry(name, "env.variable", variable=public, storage="storage", default=name)

    async def work(live: Live) -> None:
        assert [await get(port, "/v1/x"), await get(port, "/v2/x")] == ["one", "two"]
        await live.update(router("r1", "/v2"), router("r2", "/v1"), variable("a", "TWO"), variable("b", "ONE"))
        assert [await get(port, "/v1/x"), await get(port, "/v2/x")] == ["two", "one"]
        assert await live.look("return { env.get('ONE'), env.get('TWO') }") == ["b", "a"]
        await live.update(endpoint("e1", "/y", "one", "r1"), endpoint("e2", "/x", "one", "r2"))
        assert [await get(port, "/v2/y"), await get(port, "/v1/x")] == ["one", "one"]
        await live.go(0)
        assert [await get(port, "/v1/x"), await get(port, "/v2/x")] == ["one", "two"]
        for bad, kind in (
            (router("r1", "/v2"), "AlreadyExists"),
            (variable("a", "TWO"), "AlreadyExists"),
            (endpoint("e3", "/{any}", "one", "r1"), None),
            (endpoint("e4", "/{other}", "one", "r1"), "Conflict"),
        ):
            work = live.create(bad) if bad.id.name in ("e3", "e4") else live.update(bad)
            if kind is None:
                await work
            else:
                assert (await refusal(work)).kind == kind
        assert [await get(port, "/v1/x"), await get(port, "/v2/x"), await get(port, "/v1/z")] == ["one", "two", "one"]

    run(
        work,
        server(port),
        router("r1", "/v1"),
        router("r2", "/v2"),
        endpoint("e1", "/x", "one", "r1"),
        endpoint("e2", "/x", "two", "r2"),
        say("one", "one"),
        say("two", "two"),
        storage,
        variable("a", "ONE"),
        variable("b", "TWO"),
    )


def test_a_change_made_on_a_worker_thread_is_effective_there_at_once() -> None:
    source = """
    local registry, funcs = require("registry"), require("funcs")
    return { main = function()
      local out = {}
      for i = 1, 50 do
        local verb = i == 1 and "create" or "update"
        local c = registry.snapshot():changes()
        c[verb](c, { id = "app:f", kind = "function.lua",
          data = { source = "return { main = function() return " .. i .. " end }", method = "main" } })
        assert(c:apply())
        out[i] = funcs.call("app:f")
      end
      return out
    end }"""

    async def work(live: Live) -> None:
        assert await live.runtime.run_process("app:changer", "app:host") == list(range(1, 51))

    changer = app_entry("changer", "process.lua", source=source, method="main", modules=["registry", "funcs"])
    run(work, changer, workers=2)


def test_a_function_that_is_called_while_it_is_replaced_is_never_missing() -> None:
    async def work(live: Live) -> None:
        answers: set[Any] = set()
        running = True

        async def calls() -> None:
            while running:
                answers.add(await live.runtime.call("app:f"))

        callers = [asyncio.create_task(calls()) for _ in range(4)]
        for number in range(2, 40):
            await live.update(function("f", f"return {number}"))
        running = False
        await asyncio.gather(*callers)
        assert answers <= set(range(1, 40)) and len(answers) > 5

    run(work, function("f", "return 1"))


def test_who_asks_for_a_variable_follows_it() -> None:
    """As at a start: an entry whose config holds a placeholder gets it anew when the variable changes."""

    def variable(default: str | None) -> Entry:
        given = {} if default is None else {"default": default}
        return app_entry("size", "env.variable", variable="SIZE", storage="storage", **given)

    def sizes(live: Live) -> list[int]:
        return [live.runtime.node.resources[f"app:{name}"]._max_size for name in ("one", "two", "three")]

    async def work(live: Live) -> None:
        assert sizes(live) == [5, 5, 9]
        await live.update(variable("6"))
        assert sizes(live) == [6, 6, 9]
        wrong = await refusal(live.update(variable("many")))
        assert wrong.kind == "Invalid" and "max_size" in wrong.message and sizes(live) == [6, 6, 9]
        unset = await refusal(live.update(variable(None)))
        assert unset.kind == "Invalid" and 'variable "SIZE" is not set' in unset.message and sizes(live) == [6, 6, 9]
        await live.update(app_entry("storage", "env.storage.static", values={"SIZE": "8"}))
        assert sizes(live) == [8, 8, 9]
        await live.go(1)
        assert sizes(live) == [6, 6, 9]
        broken = await refusal(live.change(("update", variable("7")), ("create", router())))
        assert broken.kind == "NotFound" and sizes(live) == [6, 6, 9] and live.version == 1
        await live.go(0)
        assert sizes(live) == [5, 5, 9]

    run(
        work,
        app_entry("storage", "env.storage.static"),
        variable("5"),
        app_entry("one", "store.memory", max_size="${env:SIZE}"),
        app_entry("two", "store.memory", max_size="${env:app:size}"),
        app_entry("three", "store.memory", max_size="${env:OTHER|9}"),
    )
