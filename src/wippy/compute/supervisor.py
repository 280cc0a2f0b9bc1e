"""Supervision of services: dependency order, states, restarts with back-off (spec 03 §16)."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from wippy.compute.lifecycle import Lifecycle
from wippy.core.durations import format_duration
from wippy.core.errors import CANCELED, Error, conflict, internal, invalid, timeout
from wippy.core.ids import EntryId

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.supervisor")


class Service(Protocol):
    """What the supervisor starts and stops. A service that can end by itself also has `ended`."""

    async def start(self) -> str:
        """Starts it; the text describes the running service. Raises Error when it cannot start."""

    async def stop(self) -> None:
        """Stops it; returns when it has stopped."""


class SelfEnding(Service, Protocol):
    async def ended(self) -> Error | None:
        """Waits until the running service has ended by itself: None for a regular end, else why."""


@dataclass(slots=True)
class Supervised:
    """One service and what is known of it."""

    id: str
    service: Service
    lifecycle: Lifecycle
    status: str = "unknown"
    desired: str = "stopped"
    details: str = ""
    retry_count: int = 0
    last_update: int = 0
    started_at: int = 0
    task: asyncio.Task[None] | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    started: bool = False
    failure: Error | None = None
    by_hand: bool = False
    """Whether somebody asked for its start: then it runs though nobody needs it."""
    again: bool = False
    """Whether it may be started though it was stopped or has failed: because that was not its own doing, or it has
    changed since."""

    @property
    def startable(self) -> bool:
        return self.again or self.status in ("unknown", "stopped")

    @property
    def up(self) -> bool:
        """Whether it was started and not stopped since: what requires it may start, even if it has ended already."""
        return self.started and self.desired == "running"

    @property
    def requires(self) -> list[str]:
        return [str(ref) for ref in (*self.lifecycle.requires, *self.lifecycle.depends_on)]


class Supervisor:
    """Keeps services running. Start: dependencies first; stop: dependents first."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._services: dict[str, Supervised] = {}
        self._unchecked: set[str] = set()
        self._touched = False
        self._running = False
        self._random = random.Random()

    # Registration ----------------------------------------

    def add(self, entry_id: str, service: Service, lifecycle: Lifecycle) -> None:
        """Takes charge of a service; one with `auto_start` starts at boot, or with the next `settle`."""
        if entry_id in self._services:
            raise conflict(f"service {entry_id} exists already")
        self._services[entry_id] = Supervised(entry_id, service, lifecycle)
        self._unchecked.add(entry_id)
        self._touched = True
        self._announce(entry_id, "register")

    def detach(self, entry_id: str) -> Supervised | None:
        """Takes a service out of our charge; it goes on as it is, until it comes back or is among what has retired."""
        self._touched = True
        return self._services.pop(entry_id, None)

    def attach(self, s: Supervised) -> None:
        """Takes a detached service back."""
        self._services[s.id] = s
        self._unchecked.add(s.id)

    def change(self, entry_id: str, lifecycle: Lifecycle) -> None:
        """A service was changed, from the next `settle` on: another `lifecycle` counts from the next start on, except
        that it starts or stops if it now does, or no longer does, so by itself. One that had failed is tried again."""
        s = self._services[entry_id]
        s.lifecycle = lifecycle
        s.again = s.again or s.status == "failed"
        self._unchecked.add(entry_id)
        self._touched = True

    def describe(self, entry_id: str, details: str) -> None:
        """Other details of a service that runs on."""
        s = self._services[entry_id]
        if s.status == "running":
            self._update(s, "running", details)

    def state(self, entry_id: str) -> Supervised | None:
        return self._services.get(entry_id)

    def states(self) -> list[Supervised]:
        return list(self._services.values())

    # Starting ----------------------------------------

    async def start_all(self) -> None:
        """Starts every `auto_start` service. Raises Error when a required one cannot start."""
        self._running = True
        for s in await self._start_wanted(self._wanted()):
            if not s.started and s.lifecycle.startup == "required" and s.failure is not None:
                entry = self._node.registry.get(EntryId.parse(s.id))
                raise s.failure.within(f"service {entry.label() if entry else s.id} failed to start")

    async def settle(self) -> None:
        """Ends what has retired. Then starts and stops services until those run that start by themselves, or that such
        a service requires; one that fails is tried again in the background. Before `start_all` nothing starts."""
        await self._end_retired()
        if not self._running or not self._touched:
            return
        wanted = self._wanted()
        leaving = [s for s in self._services.values() if s.again or (s.id not in wanted and s.desired == "running")]
        await self._stop_in_order(leaving)
        for s in leaving:
            s.again = True
        await self._start_wanted(wanted)

    async def _end_retired(self) -> None:
        retired = self._node.retired.take()
        await self._stop_in_order([each.service for each in retired if each.service is not None])
        for each in retired:
            if each.service is not None:
                self._announce(each.service.id, "remove")
            if each.then is not None:
                each.then()

    def _wanted(self) -> set[str]:
        """The services that should run: those that start by themselves, and what they require."""
        waiting = [s.id for s in self._services.values() if s.lifecycle.auto_start or s.by_hand]
        wanted: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in wanted and name in self._services:
                wanted.add(name)
                waiting += self._services[name].requires
        return wanted

    def check(self) -> None:
        """Whether the services that were added or changed since the last check could be started in some order. Raises
        Error(Invalid) when some require each other."""
        changed, self._unchecked = self._unchecked, set()
        self._levels(changed & self._services.keys())

    async def _start_wanted(self, wanted: set[str]) -> list[Supervised]:
        self._touched = False
        fresh = [name for name in wanted if self._services[name].again or self._services[name].status == "unknown"]
        started: list[Supervised] = []
        for level in self._levels(fresh):
            services = [self._services[name] for name in level]
            await asyncio.gather(*(self._first_start(s) for s in services))
            started += services
        return started

    def _levels(self, names: Iterable[str]) -> list[list[str]]:
        """The services and what they require, in groups that can start together, dependencies first."""
        depth: dict[str, int] = {}
        path: list[str] = []

        def visit(name: str) -> int:
            if name in depth:
                return depth[name]
            if name in path:
                raise invalid(f"services require each other: {' -> '.join([*path[path.index(name) :], name])}")
            path.append(name)
            level = 0
            for needed in self._services[name].requires:
                if needed not in self._services:
                    if self._node.registry.get(EntryId.parse(needed)) is not None:
                        continue
                    raise invalid(f"service startup blocked by missing dependencies: {name} requires {needed}")
                level = max(level, visit(needed) + 1)
            path.pop()
            depth[name] = level
            return level

        for name in names:
            visit(name)
        levels: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for name, level in depth.items():
            if self._services[name].startable:
                levels[level].append(name)
        return levels

    async def _first_start(self, s: Supervised) -> None:
        """Returns when the service runs, or its first attempt has failed."""
        blocked = [n for n in s.requires if n in self._services and not self._services[n].up]
        s.again = bool(blocked)
        if blocked:
            s.failure = internal(f"blocked by {', '.join(blocked)}")
            self._update(s, "failed", s.failure.message)
            return
        s.desired = "running"
        s.started = False
        s.settled.clear()
        self._announce(s.id, "start")
        s.task = asyncio.create_task(self._run(s))
        await s.settled.wait()

    async def start(self, entry_id: str) -> None:
        """Starts one service and what it requires. A failure is in its state."""
        self._services[entry_id].by_hand = True
        for level in self._levels([entry_id]):
            await asyncio.gather(*(self._first_start(self._services[name]) for name in level))

    # Running ----------------------------------------

    async def _run(self, s: Supervised) -> None:
        """One service's life: start, wait for its end, restart as the policy says."""
        attempts = 0
        while s.desired == "running":
            began = time.monotonic()
            failure = await self._start_service(s)
            if failure is None:
                failure = await self._ended(s)
                if failure is None or s.desired != "running":
                    return
                if failure.retryable is False or failure.kind == CANCELED:
                    self._update(s, "exited", failure.message)
                    return
            if time.monotonic() - began >= s.lifecycle.stable_threshold / 1e9:
                attempts = 0
            attempts += 1
            self._failed(s, failure, attempts)
            if attempts == s.lifecycle.restart.max_attempts:
                return
            await asyncio.sleep(self._delay(s, attempts))

    async def _start_service(self, s: Supervised) -> Error | None:
        """One attempt to start; why it failed, or None."""
        self._update(s, "starting")
        try:
            details = await asyncio.wait_for(s.service.start(), s.lifecycle.start_timeout / 1e9)
        except TimeoutError:
            return timeout(f"did not start within {format_duration(s.lifecycle.start_timeout)}")
        except Error as e:
            return e
        except Exception as e:
            log.exception("service %s could not be started", s.id)
            return internal(f"{type(e).__name__}: {e}")
        s.started_at = self._node.clock.wall()
        s.started = True
        self._update(s, "running", details)
        s.settled.set()
        return None

    async def _ended(self, s: Supervised) -> Error | None:
        """Waits for a service that can end by itself; None for a regular end, or when it cannot."""
        ended = getattr(s.service, "ended", None)
        if ended is None:
            return None
        failure: Error | None = await ended()
        if failure is None and s.desired == "running":
            self._update(s, "exited")
        return failure

    def _failed(self, s: Supervised, failure: Error, attempts: int) -> None:
        s.retry_count, s.failure = attempts, failure
        self._update(s, "failed", f"attempt {attempts}")
        log.warning("service %s failed: %s", s.id, failure.message, extra={"fields": {"attempt": attempts}})
        s.settled.set()

    def _delay(self, s: Supervised, attempt: int) -> float:
        """Seconds before the next try: min(initial * factor^(k-1), max), give or take the jitter."""
        restart = s.lifecycle.restart
        wait = min(restart.initial_delay * restart.backoff_factor ** (attempt - 1), restart.max_delay)
        return wait * (1 + self._random.uniform(-restart.jitter, restart.jitter)) / 1e9

    # Stopping ----------------------------------------

    async def stop(self, entry_id: str) -> None:
        """Stops one service; a service that does not stop in time is left behind as failed."""
        s = self._services.get(entry_id)
        if s is not None:
            s.by_hand = False
            await self._stop(s)

    async def _stop(self, s: Supervised) -> None:
        if s.status in ("unknown", "stopped"):
            return
        s.desired = "stopped"
        self._announce(s.id, "stop")
        was_running = s.status == "running"
        self._update(s, "stopping")
        problem = None
        if was_running:
            try:
                await asyncio.wait_for(s.service.stop(), s.lifecycle.stop_timeout / 1e9)
            except TimeoutError:
                problem = f"stop timeout after {format_duration(s.lifecycle.stop_timeout)}"
            except Error as e:
                problem = e.message
        if s.task is not None:
            s.task.cancel()
            await asyncio.gather(s.task, return_exceptions=True)
        if problem:
            log.warning("service %s: %s", s.id, problem)
        self._update(s, "failed" if problem else "stopped", problem or "")

    async def stop_all(self) -> None:
        """Stops everything, dependents first."""
        self._running = False
        await self._stop_in_order(list(self._services.values()))

    async def _stop_in_order(self, services: list[Supervised]) -> None:
        """Stops services, those that require others of them first."""
        by_id = {s.id: s for s in services}
        depth: dict[str, int] = {}

        def visit(name: str, path: tuple[str, ...] = ()) -> int:
            if name not in depth and name not in path:
                needed = [n for n in by_id[name].requires if n in by_id]
                depth[name] = max((visit(n, (*path, name)) + 1 for n in needed), default=0)
            return depth.get(name, 0)

        for name in by_id:
            visit(name)
        for level in sorted(set(depth.values()), reverse=True):
            await asyncio.gather(*(self._stop(s) for s in services if depth[s.id] == level))

    # Telling ----------------------------------------

    def _update(self, s: Supervised, status: str, details: str = "") -> None:
        s.status, s.details, s.last_update = status, details, self._node.clock.wall()
        self._announce(s.id, "update", {"status": status, "desired": s.desired, "details": details})

    def _announce(self, entry_id: str, what: str, data: dict[str, Any] | None = None) -> None:
        self._node.bus.publish("supervisor", f"service.{what}", entry_id, data)
