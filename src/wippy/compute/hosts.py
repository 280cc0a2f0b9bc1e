"""Hosts: where processes run. `process.host` and `terminal.host` (spec 03 §16.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.core.errors import Error, unavailable
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node

Count = Annotated[int, msgspec.Meta(ge=0)]


class HostLimits(msgspec.Struct, frozen=True):
    """`workers`: 0 means the number of CPUs. Queue sizes are accepted; queues are not bounded here."""

    workers: Count = 0
    queue_size: Count = 1024
    local_queue_size: Count = 256


class ProcessHostConfig(msgspec.Struct, frozen=True):
    host: HostLimits = HostLimits()
    lifecycle: Lifecycle = Lifecycle()


class ProcessHost:
    """A `process.host`: runs its processes on the shard of the event loop's thread, and on those it grew beside it."""

    def __init__(self, node: Node, entry_id: str) -> None:
        self._node = node
        self.id = entry_id
        self.running = False

    def placement(self) -> list[int]:
        """The shards a new process may be put on. Raises Error(Unavailable) when the host does not run."""
        if not self.running:
            raise unavailable("host is not running")
        return [shard.index for shard in self._node.shards]

    async def start(self) -> str:
        self.running = True
        self._node.forget_host(self.id)
        return "process host ready"

    async def stop(self) -> None:
        self.running = False
        self._node.forget_host(self.id)
        await self._node.stop_processes(self.id)


class ProcessHostHandler(KindHandler[ProcessHostConfig]):
    kind = "process.host"
    config = ProcessHostConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: ProcessHostConfig) -> None:
        name = str(entry.id)
        host = ProcessHost(self._node, name)
        self._node.resources[name] = host
        self._node.supervisor.add(name, host, config.lifecycle)

    async def update(self, entry: Entry, config: ProcessHostConfig, previous: Entry) -> None:
        """Only `workers` may change on a live host."""
        before = msgspec.convert(previous.data or {}, dict).get("host") or {}
        after = (entry.data or {}).get("host") or {}
        changed = {k for k in {*before, *after} if before.get(k) != after.get(k)} - {"workers"}
        if changed:
            raise Error("Conflict", f"cannot change {', '.join(sorted(changed))} of a live process host")

    async def remove(self, entry: Entry) -> None:
        name = str(entry.id)
        await self._node.supervisor.remove(name)
        self._node.resources.pop(name, None)
        self._node.forget_host(name)


class TerminalHostConfig(msgspec.Struct, frozen=True):
    hide_logs: bool = False
    lifecycle: Lifecycle = Lifecycle()


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
        try:
            pid, exited = await self._node.spawn(
                process_id, self.id, args, on_start=lambda key: self._attach(key, terminal)
            )
            self.pid = pid
            result = await exited
        finally:
            self._busy = False
            self.pid = ""
        if isinstance(result, Error):
            raise result
        return result

    def _attach(self, key: tuple[int, int], terminal: Any) -> None:
        self._node.terminals[key] = terminal


class TerminalHostHandler(KindHandler[TerminalHostConfig]):
    kind = "terminal.host"
    config = TerminalHostConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: TerminalHostConfig) -> None:
        name = str(entry.id)
        host = TerminalHost(self._node, name)
        self._node.resources[name] = host
        self._node.supervisor.add(name, host, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        name = str(entry.id)
        await self._node.supervisor.remove(name)
        self._node.resources.pop(name, None)
        self._node.forget_host(name)
