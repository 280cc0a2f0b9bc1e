"""A shard on a thread of its own beside a busy event loop, and timers beside busy guests (kernel notes, item 9)."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from wippy.lua.scheduler import LoopScheduler, Scheduler, ThreadScheduler
from wippy.lua.shard import REPLY, Request, Shard
from wippy.lua.wire import decode, encode_list

from .kernel.driver import Driver, main

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
SPIN = "while true do end"
TICKS = 150
TICKER = f"""
    local start = time.now()
    local t = time.ticker("10ms")
    local late = {{}}
    for i = 1, {TICKS} do
      t:channel():receive()
      late[i] = time.now():sub(start):milliseconds() - i * 10
    end
    table.sort(late)
    return late"""
ENTRIES: dict[str, Any] = {
    "t:echo": main("return ...", pool=4),
    "t:spin": main(SPIN),
    "t:ticker": main(TICKER, pool=1),
}


class Caller:
    """Calls functions of one shard through its scheduler, from the event loop."""

    def __init__(self, driver: Driver, scheduler: Callable[[asyncio.AbstractEventLoop, Any, Any], Scheduler]) -> None:
        self.loop = asyncio.get_running_loop()
        self.driver = driver
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.answered = 0.0
        self.number = 0
        self.scheduler = scheduler(self.loop, self.handle, driver.clock)
        self.scheduler.add(driver.shard)

    def handle(self, _shard: Shard, request: Request) -> None:
        if request.code == REPLY:
            self.answered = time.perf_counter()
            self.waiting.pop(request.number).set_result(decode(request.a))

    def _post(self, name: str, *args: Any) -> asyncio.Future[Any]:
        self.number += 1
        future = self.waiting[self.number] = self.loop.create_future()
        self.scheduler.post(self.driver.shard, name, self.number, *args)
        return future

    def call(self, entry: str, *args: Any) -> asyncio.Future[Any]:
        return self._post("call", entry.encode(), 0, None, encode_list(args), None)

    def spawn(self, entry: str) -> asyncio.Future[Any]:
        return self._post(
            "spawn", entry.encode(), b"t:host", 0, None, encode_list(()), False, None, False, False, False
        )


def on_thread(loop: asyncio.AbstractEventLoop, handle: Any, clock: Any) -> Scheduler:
    return ThreadScheduler(loop, handle, clock, "shard under test")


def run(kind: str, scheduler: Any, program: Callable[[Caller], Awaitable[Any]]) -> Any:
    async def body() -> Any:
        caller = Caller(Driver(ENTRIES), scheduler)
        try:
            return await asyncio.wait_for(program(caller), 30)
        finally:
            caller.scheduler.stop()

    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        return runner.run(body())


def keep_busy(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Callbacks of 2 ms of Python, back to back, until the returned function is called."""
    going = True

    def work() -> None:
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            sum(range(100))
        if going:
            loop.call_soon(work)

    def stop() -> None:
        nonlocal going
        going = False

    loop.call_soon(work)
    return stop


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


async def round_trips(caller: Caller) -> list[float]:
    """Milliseconds from posting a call to its answer on the loop (what the loop does with it then is not ours)."""
    times = []
    for i in range(500):
        before = time.perf_counter()
        value, error = await caller.call("t:echo", i)
        times.append((caller.answered - before) * 1000)
        assert (value, error) == (i, None)
    return times


@pytest.mark.parametrize("kind", LOOPS)
def test_busy_loop_does_not_starve_a_shard_on_a_thread(kind: str) -> None:
    async def program(caller: Caller) -> list[float]:
        await caller.call("t:echo", 0)
        stop = keep_busy(caller.loop)
        times = await round_trips(caller)
        stop()
        return times

    best = math.inf
    for _ in range(3):  # other work on the machine may spoil a measurement
        times = run(kind, on_thread, program)
        print(f"{kind}: p50 {percentile(times, 0.5):.2f} ms, p99 {percentile(times, 0.99):.2f} ms")
        best = min(best, percentile(times, 0.99))
        if best <= 5:
            break
    assert best <= (5 if os.getloadavg()[0] < 1.5 else 25)


@pytest.mark.parametrize("scheduler", [on_thread, LoopScheduler])
def test_ticker_is_punctual_beside_spinning_processes(scheduler: Any) -> None:
    async def program(caller: Caller) -> list[float]:
        for _ in range(4):
            await caller.spawn("t:spin")
        late, error = await caller.call("t:ticker")
        assert error is None
        return list(late)

    best = math.inf
    for _ in range(3):  # other work on the machine may spoil a measurement
        late = run("asyncio", scheduler, program)
        print(f"p50 {percentile(late, 0.5):.2f} ms, p99 {percentile(late, 0.99):.2f} ms late")
        best = min(best, percentile(late, 0.99))
        if best <= 20:
            break
    assert best <= (20 if os.getloadavg()[0] < 1.5 else 100)


def test_round_trip_to_an_idle_thread_is_short() -> None:
    times = run("uvloop", on_thread, round_trips)
    print(f"p50 {percentile(times, 0.5) * 1000:.0f} us")
    assert percentile(times, 0.5) < 2


def test_loop_goes_on_beside_spinning_guests_of_its_own_shard() -> None:
    async def program(caller: Caller) -> float:
        for _ in range(4):
            await caller.spawn("t:spin")
        worst = 0.0
        for _ in range(100):
            before = time.perf_counter()
            await asyncio.sleep(0)
            worst = max(worst, time.perf_counter() - before)
        return worst

    assert run("asyncio", LoopScheduler, program) < 0.05


def test_stopping_ends_the_thread() -> None:
    async def program(caller: Caller) -> bool:
        await caller.spawn("t:spin")
        caller.scheduler.stop()
        assert isinstance(caller.scheduler, ThreadScheduler)
        return caller.scheduler._thread.is_alive()

    assert run("asyncio", on_thread, program) is False
