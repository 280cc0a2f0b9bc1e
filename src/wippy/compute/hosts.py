"""Hosts: where processes run. `process.host` and `terminal.host` (spec 03 §16.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from wippy.compute.entry_identity import entry_identity
from wippy.compute.lifecycle import Lifecycle
from wippy.compute.limits import Limits
from wippy.core.errors import Error, conflict, unavailable
from wippy.lua.scheduler import Scheduler
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node

Count = Annotated[int, msgspec.Meta(ge=0)]


class HostSizes(msgspec.Struct, frozen=True):
    """`workers`: how many threads, at most one a core; 0 and 1 mean the event loop's thread, where processes talk to
    each other and to functions at the least cost (docs/decisions/017-workers.md). Queue sizes are accepted; queues are
    not bounded here."""

    workers: Count = 0
    """Threads, at most one a core; 0 and 1: the event loop's."""
    queue_size: Count = 1024
    """Accepted: queues are bounded by `limits` only."""
    local_queue_size: Count = 256
    """Accepted."""


class ProcessHostConfig(msgspec.Struct, frozen=True):
    host: HostSizes = HostSizes()
    """How it runs its processes."""
    limits: Limits = Limits()
    """What each of its processes may use."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs."""


class ProcessHost:
    """A `process.host`: runs its processes on the shards of its workers."""

    def __init__(self, node: Node, entry_id: str, workers: int = 0, limits: Limits | None = None) -> None:
        self._node = node
        self._workers = workers
        self.limits = limits.for_kernel() if limits else None
        self._schedulers: Sequence[Scheduler] = ()
        self.id = entry_id
        self.running = False

    @property
    def threads(self) -> int:
        """How many threads run its processes."""
        return max(len(self._schedulers), 1)

    def placement(self) -> list[int]:
        """The shards a new process may be put on. Raises Error(Unavailable) when the host does not run."""
        if not self.running:
            raise unavailable("host is not running")
        return [shard.index for scheduler in self._schedulers for shard in scheduler.shards]

    async def rescale(self, workers: int) -> None:
        """Another number of workers for processes to come; those that run stay where they are."""
        self._workers = workers
        if self.running:
            self._schedulers = await self._node.workers(workers)
            self._node.forget_host(self.id)

    async def start(self) -> str:
        self._schedulers = await self._node.workers(self._workers)
        self.running = True
        self._node.forget_host(self.id)
        return "process host ready"

    async def stop(self) -> None:
        self.running = False
        self._node.forget_host(self.id)
        await self._node.stop_processes(self.id)


Config = TypeVar("Config", ProcessHostConfig, "TerminalHostConfig")


class HostHandler(KindHandler[Config]):
    """Shared by the kinds of hosts: a host is a service."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def host(self, name: str, config: Config) -> ProcessHost:
        raise NotImplementedError

    async def add(self, entry: Entry, config: Config) -> None:
        name = str(entry.id)
        host = self.host(name, config)
        self._node.resources[name] = host
        self._node.supervisor.add(name, host, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        self._node.retired.retire(str(entry.id))
        self._node.forget_host(str(entry.id))

    async def restore(self, entry: Entry, config: Config) -> None:
        self._node.retired.revive(str(entry.id))
        self._node.forget_host(str(entry.id))


class ProcessHostHandler(HostHandler[ProcessHostConfig]):
    """A place where processes run."""

    kind = "process.host"
    config = ProcessHostConfig

    def host(self, name: str, config: ProcessHostConfig) -> ProcessHost:
        return ProcessHost(self._node, name, config.host.workers, config.limits)

    async def update(self, entry: Entry, config: ProcessHostConfig, previous: Entry) -> None:
        """Only `workers` may change on a live host."""
        before = self._node.registry.config(entry.id)
        assert isinstance(before, ProcessHostConfig)
        workers = before.host.workers
        sizes = msgspec.structs.replace(config.host, workers=workers)
        changed = [
            name
            for name, old, new in (
                ("host", before.host, sizes),
                ("limits", before.limits, config.limits),
                ("lifecycle", before.lifecycle, config.lifecycle),
            )
            if old != new
        ]
        if changed:
            raise conflict(f"cannot change {', '.join(changed)} of a live process host: only host.workers may change")
        if config.host.workers != workers:
            host: ProcessHost = self._node.resources[str(entry.id)]
            await host.rescale(config.host.workers)


class TerminalHostConfig(msgspec.Struct, frozen=True):
    hide_logs: bool = False
    """Accepted: commands log only when flags ask for it."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs."""


class TerminalHost(ProcessHost):
    """A `terminal.host`: runs one process at a time, connected to a terminal."""

    def __init__(self, node: Node, entry_id: str) -> None:
        super().__init__(node, entry_id)
        self._busy = False
        self.pid = ""

    def placement(self) -> list[int]:
        super().placement()
        return [0]

    async def run(self, process_id: str, args: tuple[str, ...], terminal: Any) -> Any:
        """Runs a process to its end with `terminal` as its standard streams; returns its result.

        Raises the process's Error; Error(Unavailable) when the host is busy or does not run.
        """
        if self._busy or not self.running:
            raise unavailable(f"terminal host {self.id} is not ready", retryable=False)
        self._busy = True
        identity = self._identity(process_id)
        try:
            pid, exited = await self._node.spawn(
                process_id, self.id, args, identity=identity, on_start=lambda key: self._attach(key, terminal)
            )
            self.pid = pid
            result = await exited
        finally:
            self._busy = False
            self.pid = ""
            if identity:
                self._node.identities.release(identity)
        if isinstance(result, Error):
            raise result
        return result

    def _identity(self, process_id: str) -> int:
        """What the process says its command runs under; nobody's unless it does."""
        unit = self._node.code.get(process_id)
        security = unit.command_security if unit is not None else None
        return entry_identity(self._node, security) if security is not None else 0

    def _attach(self, key: tuple[int, int], terminal: Any) -> None:
        self._node.terminals[key] = terminal


class TerminalHostHandler(HostHandler[TerminalHostConfig]):
    """A place where one process at a time runs, connected to the terminal."""

    kind = "terminal.host"
    config = TerminalHostConfig

    def host(self, name: str, config: TerminalHostConfig) -> ProcessHost:
        return TerminalHost(self._node, name)

    async def update(self, entry: Entry, config: TerminalHostConfig, previous: Entry) -> None:
        """The process that runs on it goes on."""
        self._node.supervisor.change(str(entry.id), config.lifecycle)
