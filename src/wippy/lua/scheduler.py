"""Schedulers: who runs a shard, and when. One on the event loop's thread, others on threads of their own.

A scheduler owns shards for life. Anybody may post to a shard; only its scheduler calls into it. What a shard asks of
the host is handed to `handle` on the event loop's thread, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from wippy.core.clock import Clock
from wippy.lua.shard import MESSAGE, SIGNAL, Request, Shard

Handle = Callable[[Shard, Request], None]

LOOP_TURN = 0.001  # seconds of guest work between two looks at the event loop
THREAD_TURN = 0.002
CROWD = 5_000  # processes of a shard beyond which timers share turns
CROWDED_GRAIN = 4e6  # nanoseconds that they may be late for it: 10,000 tickers cost 9 % of a core instead of 14 %
SHORTEST_WAIT = 0.001  # seconds a thread sleeps at least: what is due within them is done at once
STACK = 4 << 20  # bytes of a scheduler thread's stack (kernel notes, item 7)
GAP = 20e-6  # seconds the loop gives its lock away for, once a millisecond, while a thread is owed an answer


class LoopScheduler:
    """Runs shards in turns between the callbacks of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Handle, clock: Clock) -> None:
        self._loop = loop
        self._handle = handle
        self._clock = clock
        self._thread = threading.get_ident()
        self.shards: list[Shard] = []
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0

    def add(self, shard: Shard) -> None:
        self.shards.append(shard)

    def post(self, shard: Shard, name: str, *args: Any) -> None:
        """Queues a kernel call for the next turn. From any thread."""
        shard.inbox.append((name, args))
        if self._scheduled:
            return
        if threading.get_ident() == self._thread:
            self._scheduled = True
            self._loop.call_soon(self._turn)
        else:
            self._loop.call_soon_threadsafe(self._schedule)

    def _turn(self) -> None:
        self._scheduled = False
        now = self._clock.monotonic()
        handle = self._handle
        for shard in self.shards:
            if shard.inbox or shard.busy or (shard.deadline is not None and shard.deadline <= now):
                for request in shard.turn(LOOP_TURN):
                    handle(shard, request)
        self._schedule()

    def _schedule(self) -> None:
        deadline = None
        for shard in self.shards:
            if shard.busy or shard.inbox:
                if not self._scheduled:
                    self._scheduled = True
                    self._loop.call_soon(self._turn)
                return
            if shard.deadline is not None and (deadline is None or shard.deadline < deadline):
                deadline = shard.deadline
        if deadline is not None:
            self._arm(deadline)

    def _arm(self, deadline: int) -> None:
        if self._timer is not None:
            if self._timer_at == deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        # Loops count in milliseconds and some round down: a timer that is early would be armed again and again.
        grain = CROWDED_GRAIN if any(shard.live > CROWD for shard in self.shards) else 1e6
        delay = math.ceil(max(deadline - self._clock.monotonic(), 0) / grain) * grain / 1e9
        self._timer = self._loop.call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        if not self._scheduled:
            self._turn()

    def stop(self) -> None:
        """Runs nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.shards.clear()


class ThreadScheduler:
    """Runs shards on a thread of its own; the interpreter's lock is free while guest code runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Handle, clock: Clock, name: str) -> None:
        self._loop = loop
        self._handle = handle
        self._clock = clock
        self.shards: list[Shard] = []
        self._wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._signaled = False
        self._stopping = False
        self._gap: asyncio.Handle | None = None
        self._gap_at = 0.0
        self._idle = True
        self._owner = threading.get_ident()
        sys.setswitchinterval(0.0005)
        before = threading.stack_size(STACK)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        threading.stack_size(before)

    def add(self, shard: Shard) -> None:
        self.shards = [*self.shards, shard]

    def post(self, shard: Shard, name: str, *args: Any) -> None:
        """Queues a kernel call. From any thread."""
        shard.inbox.append((name, args))
        self._wake()
        if threading.get_ident() == self._owner and self._gap is None:
            if self._loop.time() - self._gap_at > 0.001:
                self._gap = self._loop.call_soon(self._give_way)
            else:
                self._gap = self._loop.call_later(0.001, self._give_way)

    def _wake(self) -> None:
        if not self._signaled:
            self._signaled = True
            self._wakeups.put(None)

    def _give_way(self) -> None:
        """A busy loop would keep the interpreter's lock for seconds (kernel notes, item 9)."""
        time.sleep(GAP)
        self._gap_at = self._loop.time()
        self._gap = None if self._idle else self._loop.call_later(0.001, self._give_way)

    def _run(self) -> None:
        while not self._stopping:
            now = self._clock.monotonic()
            wait = self._waiting_time(now)
            if wait != 0:
                self._idle = True
                with contextlib.suppress(queue.Empty):
                    self._wakeups.get(timeout=wait)
                self._idle = False
            self._signaled = False
            self._turn(self._clock.monotonic())

    def _turn(self, now: int) -> None:
        for shard in self.shards:
            if shard.inbox or shard.busy or (shard.deadline is not None and shard.deadline <= now):
                batch = []
                for request in shard.turn(THREAD_TURN):
                    if request.code == MESSAGE or request.code == SIGNAL:
                        self._handle(shard, request)  # straight to the other shard: the loop has no part in it
                    else:
                        batch.append(request)
                if batch and not self._stopping:
                    self._loop.call_soon_threadsafe(self._deliver, shard, batch)

    def _waiting_time(self, now: int) -> float | None:
        """Seconds until something is due: 0 when there is work, None when nothing is."""
        nearest: float | None = None
        for shard in self.shards:
            if shard.busy or shard.inbox:
                return 0
            if shard.deadline is not None:
                if shard.deadline <= now:
                    return 0
                left = max((shard.deadline - now) / 1e9, SHORTEST_WAIT)
                nearest = left if nearest is None else min(nearest, left)
        return nearest

    def _deliver(self, shard: Shard, batch: list[Request]) -> None:
        for request in batch:
            self._handle(shard, request)

    def stop(self) -> None:
        """Ends the thread after its current turn."""
        self._stopping = True
        self._wakeups.put(None)
        self._thread.join(timeout=5)
        if self._gap is not None:
            self._gap.cancel()


Scheduler = LoopScheduler | ThreadScheduler
