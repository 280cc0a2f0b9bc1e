"""`process.service`: a process that the supervisor keeps running (spec 03 §16.2-16.3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.compute.service_identity import ServiceIdentity
from wippy.core.config import Ref
from wippy.core.errors import Error
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node


class ProcessServiceConfig(msgspec.Struct, frozen=True):
    process: Ref
    """The process to run."""
    host: Ref
    """Where."""
    input: list[Any] = []
    """Its arguments."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs, and what happens when it fails."""


class ProcessService:
    """Starts the process, watches its end, asks it to stop and ends it when it does not."""

    def __init__(
        self, node: Node, process: EntryId, host: EntryId, args: tuple[Any, ...], identity: ServiceIdentity
    ) -> None:
        self._node = node
        self._process = str(process)
        self._host = str(host)
        self._args = args
        self._identity = identity
        self._pid = ""
        self._exited: asyncio.Future[Any] | None = None

    async def start(self) -> str:
        self._pid, self._exited = await self._node.spawn(
            self._process, self._host, self._args, identity=self._identity.acquire()
        )
        return f"process {self._pid}"

    async def ended(self) -> Error | None:
        """How the process ended: None for a regular end."""
        assert self._exited is not None
        result = await asyncio.shield(self._exited)
        return result if isinstance(result, Error) else None

    async def stop(self) -> None:
        """CANCEL; the end by force once it only waits for mail and cannot read that, or when the supervisor's stop
        timeout cancels this wait."""
        assert self._exited is not None
        self._node.cancel(self._pid, "service stopping")
        try:
            while not self._exited.done() and await self._node.is_working(self._pid):
                await asyncio.wait({self._exited}, timeout=0.02)
        finally:
            if not self._exited.done():
                self._node.terminate(self._pid)
        await asyncio.shield(self._exited)
        self._identity.release()


class ProcessServiceHandler(KindHandler[ProcessServiceConfig]):
    """A supervised process: started with the application, started again when it fails."""

    kind = "process.service"
    config = ProcessServiceConfig
    references = ("process", "host")

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: ProcessServiceConfig) -> None:
        name = str(entry.id)
        identity = ServiceIdentity(self._node, config.lifecycle.security)
        service = ProcessService(self._node, config.process, config.host, tuple(config.input), identity)
        needs = [*config.lifecycle.requires, config.host]
        self._node.supervisor.add(name, service, msgspec.structs.replace(config.lifecycle, requires=needs))

    async def remove(self, entry: Entry) -> None:
        self._node.retired.retire(str(entry.id))

    async def restore(self, entry: Entry, config: ProcessServiceConfig) -> None:
        self._node.retired.revive(str(entry.id))
