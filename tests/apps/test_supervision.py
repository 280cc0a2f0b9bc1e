"""Services under their supervisor (spec 03 §16, §20 "Supervision")."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

import pytest

from apps.guest import App
from wippy import Error, Runtime
from wippy.assembly import assemble
from wippy.compute.node import Node

FAST = {"initial_delay": "20ms", "max_delay": "60ms", "jitter": 0}


async def until(condition: Callable[[], Any], limit: float = 5.0) -> Any:
    deadline = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < deadline, "condition never came true"
        await asyncio.sleep(0.002)
    return value


class History:
    """What the event bus said about services: (service, status) in order, with the time."""

    def __init__(self, node: Node) -> None:
        self.changes: list[tuple[str, str, float]] = []
        node.bus.listen("supervisor", self._record)

    def _record(self, system: str, kind: str, path: str, data: Any) -> None:
        if kind == "service.update":
            self.changes.append((path.removeprefix("app:").removesuffix(".service"), data["status"], time.monotonic()))

    def of(self, name: str) -> list[str]:
        return [status for service, status, _ in self.changes if service == name]

    def times(self, name: str, status: str) -> list[float]:
        return [at for service, got, at in self.changes if (service, got) == (name, status)]


def watch(app: App, work: Callable[[Runtime, History], Awaitable[Any]]) -> History:
    """Runs `work` in the started application; the history begins before the start and ends after the stop."""
    history: list[History] = []

    def assembled(*args: Any, **options: Any) -> Any:
        node = assemble(*args, **options)
        history.append(History(node))
        return node

    async def session() -> None:
        with mock.patch("wippy.assembly.assemble", assembled):
            async with app.runtime() as runtime:
                await asyncio.wait_for(work(runtime, history[0]), 10)

    asyncio.run(session())
    return history[0]


def state(runtime: Runtime, name: str) -> Any:
    found = runtime.node.supervisor.state(f"app:{name}.service")
    assert found is not None
    return found


def test_a_service_runs_at_boot_with_its_input() -> None:
    app = App().service(
        "svc",
        """
        local first, second = ...
        process.registry.register(first)
        process.inbox():receive()
        events.send("test", "input", "p", { first, second })
        """,
        input=["greeter", {"n": 2}],
    )
    heard: list[Any] = []

    async def work(runtime: Runtime, history: History) -> None:
        runtime.node.bus.listen("test", lambda system, kind, path, data: heard.append(data))
        assert state(runtime, "svc").status == "running"
        assert await runtime.send("greeter", "go on")
        await until(lambda: state(runtime, "svc").status == "exited")
        assert heard == [["greeter", {"n": 2}]]

    watch(app, work)


def test_a_raised_error_restarts_with_growing_delays() -> None:
    app = App().service("svc", "error('again')", restart=FAST)

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: len(history.times("svc", "starting")) >= 5)
        assert state(runtime, "svc").desired == "running"
        assert state(runtime, "svc").retry_count >= 4

    history = watch(app, work)
    assert history.of("svc")[:6] == ["starting", "running", "failed", "starting", "running", "failed"]
    failed, started = history.times("svc", "failed"), history.times("svc", "starting")
    waits = [start - fail for fail, start in zip(failed, started[1:], strict=False)][:4]
    assert waits[0] >= 0.02 and waits[1] >= 0.04 and min(waits[2:]) >= 0.06, waits
    assert min(waits[2:]) < 0.16, waits  # max_delay: it would be 0.08 and 0.16


def test_a_regular_end_is_final() -> None:
    app = App().service("svc", "return 'done'", restart=FAST)

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: state(runtime, "svc").status == "exited")
        await asyncio.sleep(0.06)

        assert history.of("svc") == ["starting", "running", "exited"]

    watch(app, work)


@pytest.mark.parametrize(
    "body",
    [
        "return nil, 'a text'",
        "return nil, errors.new({ message = 'm', kind = errors.INVALID, retryable = false })",
        "error(errors.new({ message = 'm', retryable = false }))",
        "channel.select({})",
    ],
)
def test_a_failure_that_is_not_retryable_is_final(body: str) -> None:
    app = App().service("svc", body, restart=FAST)

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: state(runtime, "svc").status == "exited")
        await asyncio.sleep(0.05)
        assert history.of("svc") == ["starting", "running", "exited"]
        assert state(runtime, "svc").details

    watch(app, work)


@pytest.mark.parametrize(
    "body",
    [
        "error('x')",
        "return nil, errors.new({ message = 'm', kind = errors.UNAVAILABLE, retryable = true })",
        "return nil, errors.new({ message = 'm', kind = errors.UNAVAILABLE })",
    ],
)
def test_other_failures_are_retried(body: str) -> None:
    app = App().service("svc", body, restart=FAST)

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: len(history.times("svc", "starting")) >= 3)

    watch(app, work)


def test_a_terminated_process_is_started_again() -> None:
    app = App().service(
        "svc", "process.registry.register('svc') process.inbox():receive()", restart=FAST, stop_timeout="50ms"
    )
    app.process("killer", "return process.terminate('svc')")

    async def work(runtime: Runtime, history: History) -> None:
        await runtime.run_process("app:killer", "app:host")
        await until(lambda: history.of("svc") == ["starting", "running", "failed", "starting", "running"])

    watch(app, work)


@pytest.mark.parametrize("attempts", [1, 3])
def test_max_attempts_counts_failures(attempts: int) -> None:
    app = App().service("svc", "error('x')", restart={**FAST, "max_attempts": attempts})

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: len(history.times("svc", "failed")) == attempts)
        await asyncio.sleep(0.1)
        assert len(history.times("svc", "starting")) == attempts
        assert (state(runtime, "svc").status, state(runtime, "svc").desired) == ("failed", "running")

    watch(app, work)


def test_a_long_run_resets_the_counter() -> None:
    body = "time.sleep('30ms') error('x')"
    app = App().service("svc", body, stable_threshold="10ms", restart={**FAST, "max_attempts": 2})

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: len(history.times("svc", "starting")) >= 4)
        assert state(runtime, "svc").retry_count == 1

    watch(app, work)


def test_dependencies_start_first_and_stop_last() -> None:
    waiting = "process.events():receive()"
    app = (
        App()
        .service("c", waiting, requires=["b.service"])
        .service("a", waiting)
        .service("b", waiting, depends_on=["a.service"])
    )

    async def work(runtime: Runtime, history: History) -> None:
        running = [service for service, status, _ in history.changes if status == "running"]
        assert running == ["host", "a", "b", "c"]

    history = watch(app, work)
    stopped = [service for service, status, _ in history.changes if status == "stopped"]
    assert stopped == ["c", "b", "a", "host"]


def test_stopping_sends_cancel_with_a_reason() -> None:
    app = App().service(
        "svc",
        "local e = process.events():receive() events.send('t', 'ended', e.kind, { reason = e.reason, from = e.from })",
    )
    heard: list[Any] = []

    async def work(runtime: Runtime, history: History) -> None:
        runtime.node.bus.listen("t", lambda system, kind, path, data: heard.append((path, data)))

    history = watch(app, work)
    assert heard == [("pid.cancel", {"reason": "service stopping", "from": "{|}"})]
    assert history.of("svc")[-2:] == ["stopping", "stopped"]


def test_a_process_that_does_not_stop_is_ended_after_its_stop_timeout() -> None:
    app = App().service("svc", "while true do time.sleep('1s') end", stop_timeout="100ms")

    async def work(runtime: Runtime, history: History) -> None:
        pass

    began = time.monotonic()
    history = watch(app, work)
    assert history.of("svc")[-2:] == ["stopping", "failed"] and 0.1 <= time.monotonic() - began < 2


def test_a_required_service_that_cannot_start_aborts_the_boot() -> None:
    app = App().service("svc", "local x = nil; x()")
    app.process("broken", "local function main() end\nerror('while loading', 0)\nreturn { main = main }")
    app.add("s", "process.service", process="broken", host="host", lifecycle={"auto_start": True})
    with pytest.raises(Error) as failed:
        app.use(lambda runtime: asyncio.sleep(0))
    assert "app:s" in failed.value.message and "while loading" in failed.value.message


def test_an_optional_service_that_cannot_start_keeps_trying() -> None:
    app = App().process("broken", "local function main() end\nerror('while loading', 0)\nreturn { main = main }")
    app.add(
        "broken.service",
        "process.service",
        process="broken",
        host="host",
        lifecycle={"auto_start": True, "startup": "optional", "restart": FAST},
    )

    async def work(runtime: Runtime, history: History) -> None:
        await until(lambda: len(history.times("broken", "starting")) >= 3)
        assert "running" not in history.of("broken")

    watch(app, work)


@pytest.mark.parametrize(
    ("lifecycle", "text"),
    [
        (
            {"requires": ["nothing"]},
            "service startup blocked by missing dependencies: app:svc.service requires app:nothing",
        ),
        ({"requires": ["svc.service"]}, "services require each other"),
    ],
)
def test_impossible_requirements_abort_the_boot(lifecycle: dict[str, Any], text: str) -> None:
    with pytest.raises(Error) as failed:
        App().service("svc", "return", **lifecycle).use(lambda runtime: asyncio.sleep(0))
    assert text in failed.value.message


def test_the_security_of_a_service_is_accepted() -> None:
    app = App().service(
        "svc",
        "process.registry.register('svc') process.inbox():receive()",
        security={"actor": {"id": "robot", "meta": {"team": "a"}}, "groups": ["app:g"], "policies": ["p"]},
    )

    async def work(runtime: Runtime, history: History) -> None:
        assert state(runtime, "svc").status == "running"
        assert await runtime.send("svc", "end")

    watch(app, work)


def test_supervision_is_announced_to_guests() -> None:
    app = App().service("svc", "process.inbox():receive()", auto_start=False, stop_timeout="50ms")

    async def work(runtime: Runtime, history: History) -> None:
        waiting = asyncio.ensure_future(runtime.run_process("app:listener", "app:host"))
        await until(lambda: runtime.node.shards[0].live >= 1)
        await asyncio.sleep(0.02)
        await runtime.node.supervisor.start("app:svc.service")
        assert await waiting == ["app:svc.service", "service.update", "starting", "running"]

    app.process(
        "listener",
        """
        local all = events.subscribe("supervisor", "service.update"):channel()
        local first, second = within(all), within(all)
        return { first.path, first.kind, first.data.status, second.data.status }
        """,
    )
    watch(app, work)
