"""What runs on a node: processes, hosts and services, as data (kernel/introspection.lua).

Processor time is measured only while somebody watches: looking at it makes the shards measure for a while.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from wippy.core.errors import Error, not_found
from wippy.core.ids import EntryId

if TYPE_CHECKING:
    from wippy.compute.node import Node
    from wippy.compute.supervisor import Supervised
    from wippy.lua.shard import Shard

T = TypeVar("T", bound=msgspec.Struct)

Order = Literal["cpu", "memory", "mailbox"]

WATCHED = 10_000_000_000  # nanoseconds that shards measure processor time after a look
OBJECTS = 2000  # looked at for the memory of one process among all: a large one weighs at least so much


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process, or one call of a function that runs now.

    `state`: ready, running, blocked (waits for what it has asked for) or idle (waits for messages). `steps`: how often
    it was resumed. `started_at`: Unix nanoseconds. `cpu`: seconds of processor time since somebody watches, or, under a
    time limit, in its life; None when nobody has measured. `memory`: bytes, None unless asked for; of a large process a
    part. `mailbox`: unread messages and events. `limits`: its budget, in seconds, bytes and messages.
    """

    pid: str
    host: str
    entry: str
    state: str
    steps: int
    started_at: int
    threads: int
    subscriptions: int
    channels: int
    mailbox: int
    call: bool = False
    name: str | None = None
    parent: str | None = None
    actor: str | None = None
    cpu: float | None = None
    memory: int | None = None
    limits: dict[str, Any] | None = None


class Frame(msgspec.Struct, frozen=True):
    """A line of guest source that a coroutine is at. `text` is the line itself where the source is known."""

    source: str
    line: int
    name: str
    text: str = ""


class Stack(msgspec.Struct, frozen=True):
    """A coroutine, innermost frame first. `kind`: main, task (`coroutine.spawn`) or coroutine (one that the guest
    resumes and that waits)."""

    kind: str
    frames: list[Frame]


class Topic(msgspec.Struct, frozen=True):
    """Unread messages of a topic; events stand under their kind (`pid.exit`)."""

    topic: str
    count: int
    bytes: int


class ProcessDetail(ProcessInfo, frozen=True, kw_only=True):
    """Everything about one process. `links`, `monitors` (whom it watches) and `watchers` are PIDs."""

    stacks: list[Stack]
    topics: list[Topic]
    links: list[str]
    monitors: list[str]
    watchers: list[str]
    names: list[str]


class HostInfo(msgspec.Struct, frozen=True):
    """A process host. `workers`: its threads; `processes`: how many it has; `executed`: steps of its processes, ended
    ones included; `queue_depth`: processes that are ready to run. Processes stay where they started: `stolen` is 0."""

    id: str
    workers: int
    processes: int
    executed: int
    stolen: int
    queue_depth: int


class ServiceInfo(msgspec.Struct, frozen=True):
    """A supervised service (spec 03 §16.2). Times are Unix nanoseconds, `started_at` 0 before the first start."""

    id: str
    status: str
    desired: str
    retry_count: int
    last_update: int
    started_at: int
    details: str


class Introspection:
    """The looks at one node. Raises Error(Internal) when a shard cannot answer."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def processes(self, host: str | None = None, *, memory: bool = False) -> list[ProcessInfo]:
        """All processes, or those of one host, in no particular order."""
        self.watch()
        parts = await asyncio.gather(*(self._of_shard(shard, host, memory) for shard in self._node.shards))
        return [self._info(found, ProcessInfo) for part in parts for found in part]

    async def largest(self, order: Order, limit: int) -> tuple[list[ProcessInfo], int]:
        """At most `limit` processes with their memory, those with most of what `order` names first, and how many
        there are in all."""
        self.watch()
        parts = await asyncio.gather(*(self._largest_of_shard(shard, order, limit) for shard in self._node.shards))
        found = [self._info(row, ProcessInfo) for rows, _ in parts for row in rows]
        found.sort(key=lambda p: (getattr(p, order) or 0, p.steps), reverse=True)
        return found[:limit], sum(seen for _, seen in parts)

    async def process(self, pid: str) -> ProcessDetail:
        """One process. Raises Error(NotFound) when there is none."""
        shard = self._node.shard_of(pid)
        found = None if shard is None else await self._node.ask(shard, "process", pid.encode())
        if found is None:
            raise not_found("process not found")
        for field in ("stacks", "topics", "links", "monitors", "watchers", "names"):
            found[field] = found[field] or []  # an empty Lua table arrives as a map
        for stack in found["stacks"]:
            stack["frames"] = stack["frames"] or []
            for frame in stack["frames"]:
                frame["text"] = self._line(frame["source"], frame["line"])
        return self._info(found, ProcessDetail)

    async def hosts(self) -> list[HostInfo]:
        """The process hosts, by id."""
        counted: dict[str, dict[str, int]] = {}
        for hosts in await asyncio.gather(*(self._hosts_of_shard(shard) for shard in self._node.shards)):
            for name, numbers in hosts:
                sums = counted.setdefault(name, dict.fromkeys(numbers, 0))
                for key, value in numbers.items():
                    sums[key] += value
        zero = {"processes": 0, "queued": 0, "steps": 0}
        return [self._host(name, counted.get(name, zero)) for name in sorted(self.host_ids())]

    def services(self) -> list[ServiceInfo]:
        """The supervised services, by id."""
        return [service_info(s) for s in sorted(self._node.supervisor.states(), key=lambda s: s.id)]

    async def exceeded(self) -> dict[str, int]:
        """How often each kind of limit has ended a process."""
        sums: dict[str, int] = {}
        for counts in await asyncio.gather(*(self._node.ask(shard, "exceeded") for shard in self._node.shards)):
            for name, times in (counts or {}).items():
                sums[name] = sums.get(name, 0) + times
        return sums

    def watch(self) -> None:
        """Measures processor time from here on, until nobody has looked for ten seconds."""
        for shard in self._node.shards:
            self._node.post(shard, "watch", WATCHED)

    def host_ids(self) -> list[str]:
        return [name for name, resource in self._node.resources.items() if hasattr(resource, "placement")]

    async def _of_shard(self, shard: Shard, host: str | None, memory: bool) -> list[dict[str, Any]]:
        name = None if host is None else host.encode()
        found: list[dict[str, Any]] = []
        part: int | None = 0
        while part is not None:
            answer = await self._node.ask(shard, "processes", part, name, OBJECTS if memory else 0)
            found += answer["list"]
            part = answer.get("part")
        return found

    async def _largest_of_shard(self, shard: Shard, order: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        found: list[dict[str, Any]] = []
        seen, part = 0, 0
        while part is not None:
            answer = await self._node.ask(shard, "largest", part, order.encode(), limit, OBJECTS)
            found += answer["list"]
            seen += answer["seen"]
            part = answer.get("part")
        return found, seen

    async def _hosts_of_shard(self, shard: Shard) -> list[tuple[str, dict[str, int]]]:
        found: list[tuple[str, dict[str, int]]] = []
        part: int | None = 0
        while part is not None:
            answer = await self._node.ask(shard, "count_hosts", part)
            found += dict(answer["hosts"]).items()
            part = answer.get("part")
        return found

    def _info(self, found: dict[str, Any], kind: type[T]) -> T:
        actor = self._node.identities.get(found.pop("identity")).actor
        if actor is not None:
            found["actor"] = actor.id
        return msgspec.convert(_readable(found), kind)

    def _host(self, name: str, counted: dict[str, int]) -> HostInfo:
        workers = self._node.resources[name].threads
        return HostInfo(name, workers, counted["processes"], counted["steps"], 0, counted["queued"])

    def _line(self, source: str, line: int) -> str:
        """The text of a line of an entry's source; empty when that is not known."""
        try:
            entry = self._node.registry.get(EntryId.parse(source))
        except Error:
            return ""
        text = entry.data.get("source") if entry is not None and isinstance(entry.data, dict) else None
        lines = text.splitlines() if isinstance(text, str) else []
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def service_info(s: Supervised) -> ServiceInfo:
    return ServiceInfo(s.id, s.status, s.desired, s.retry_count, s.last_update, s.started_at, s.details)


def _readable(value: Any) -> Any:
    """Texts of guests need not be UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return value
