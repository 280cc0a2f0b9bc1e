"""The embeddable runtime: load a project, start it, call into it, stop it.

from wippy import Runtime

async with Runtime("path/to/project") as runtime:
    total = await runtime.call("app.cart:total", {"items": [1, 2, 3]})
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from wippy.companions import companions
from wippy.core import collector
from wippy.core.errors import Error, internal
from wippy.core.ids import EntryId
from wippy.project import settings
from wippy.project.config import Config
from wippy.project.config_files import Layers, load_config
from wippy.project.definitions import load_directory
from wippy.project.loader import Project, add_framework, load_packs, load_project
from wippy.project.lockfile import read_lock
from wippy.project.pipeline import prepare
from wippy.project.problems import raise_errors
from wippy.project.tree import DirectoryTree, skipped_names
from wippy.project.wapp import Pack, Resource
from wippy.registry.entry import Entry

if TYPE_CHECKING:
    from wippy.compute.introspection import HostInfo, Introspection, ProcessDetail, ProcessInfo, ServiceInfo
    from wippy.compute.node import Node

log = logging.getLogger("wippy")


class Loaded(NamedTuple):
    """What a project or packs say: entries ready to be loaded, where each module's files are, files out of packs."""

    entries: list[Entry]
    module_roots: Mapping[str, Path]
    resources: Mapping[EntryId, Resource]


def read_project(directory: Path, config: Config, lock_file: str = "wippy.lock") -> Loaded:
    """The entries of the project in `directory`, ready to be loaded. Without a lock file every definition file below
    the directory counts. Raises Error(Invalid) for a broken file; warnings are logged."""
    lock = read_lock(directory / lock_file)
    if lock is None:
        found = load_directory(DirectoryTree(directory))
        project = Project(found.entries, found.problems)
        add_framework(project, {}, (), skipped_names(os.environ))
    else:
        project = load_project(lock, config)
    return _prepared(project, config)


def read_packs(packs: Sequence[Pack], config: Config) -> Loaded:
    """What several packs say together, the dependencies first and the main one last (spec 01 §18); the last definition
    of an id counts. Raises Error(Invalid); warnings are logged."""
    return _prepared(load_packs(packs), config)


def _prepared(project: Project, config: Config) -> Loaded:
    raise_errors(project.problems)
    prepared = prepare(project.entries, config)
    for problem in (*project.problems, *prepared.problems):
        log.warning("%s", problem)
    return Loaded(prepared.entries, project.module_roots, project.resources)


class Runtime:
    """One running application.

    directory: the project (where `wippy.lock` or definition files are).
    entries: given instead of a directory: the entries themselves; `module_roots` then says where modules' files are,
    and `resources` holds the files of packs, by the id of the `fs.embed` entry that shows them.
    config: the resolved configuration; by default `.wippy.yaml` of the directory with `settings` (`path=value`) on top.
    memory: bytes a shard may use (1 GiB).
    control: where to serve the control socket that `wippy top` asks (services/control); nowhere unless it is given.
    """

    def __init__(
        self,
        directory: str | Path = ".",
        *,
        entries: Sequence[Entry] | None = None,
        module_roots: Mapping[str, Path] | None = None,
        resources: Mapping[EntryId, Resource] | None = None,
        config: Config | None = None,
        settings: Sequence[str] = (),
        memory: int | None = None,
        control: str | Path | None = None,
    ) -> None:
        self.directory = Path(directory)
        self._entries = entries
        self._module_roots = module_roots or {}
        self._resources = resources or {}
        self._config = config
        self._settings = tuple(settings)
        self._memory = memory
        self._control_path = None if control is None else Path(control)
        self.companions: dict[str, Any] = {}
        """What runs beside the node now, by name: control, profiler, metrics, language_server, logs."""
        self._node: Node | None = None
        self._set_apart = False
        self._exit: asyncio.Event | None = None
        self._exit_code: int | None = None

    @property
    def node(self) -> Node:
        """The running node. Raises Error(Internal) when the runtime was not started."""
        if self._node is None:
            raise internal("the runtime is not running")
        return self._node

    @property
    def config(self) -> Config:
        if self._config is None:
            self._config = load_config(Layers(settings=self._settings), directory=self.directory)
        return self._config

    # Life ----------------------------------------

    async def start(self) -> None:
        """Loads the entries and starts the services. Raises Error when anything is rejected; then nothing runs."""
        from wippy.assembly import assemble

        if self._node is not None:
            raise internal("the runtime is running already")
        entries, roots, resources = self._project()
        self._exit, self._exit_code = asyncio.Event(), None
        on_disk = self._entries is None or self._config is not None
        node = assemble(self.config, entries, self._memory, directory=self.directory, on_disk=on_disk)
        node.module_roots, node.packed = dict(roots), dict(resources)
        node.exit = self.exit
        self._node = node
        try:
            for name, companion in companions(node, self._control_path):
                await companion.start()
                self.companions[name] = companion
            node.bus.guests_listen = False  # there are none before the services start
            await node.registry.load(entries)
            if len(entries) >= collector.MANY:
                collector.set_apart()
                self._set_apart = True
            node.bus.guests_listen = True
            await node.supervisor.start_all()
        except BaseException:
            await self.stop()
            raise

    def _project(self) -> Loaded:
        if self._entries is not None:
            return Loaded(list(self._entries), self._module_roots, self._resources)
        return read_project(self.directory, self.config)

    async def stop(self) -> None:
        """Stops the services, dependents first, within `shutdown.timeout`, then everything else."""
        node, self._node = self._node, None
        if node is None:
            return
        budget = self.config.get(settings.SHUTDOWN_TIMEOUT).seconds
        try:
            await asyncio.wait_for(node.supervisor.stop_all(), budget)
        except TimeoutError:
            log.warning("shutdown took longer than %gs: ending at once", budget)
        while self.companions:
            _, companion = self.companions.popitem()
            await companion.stop()
        await node.close()
        await node.registry.close()
        if self._set_apart:
            self._set_apart = False
            collector.take_back()

    def exit(self, code: int) -> None:
        """Asks whoever runs this runtime to end with `code`; later calls only change the code."""
        if self._exit is None:
            raise internal("the runtime is not running")
        self._exit_code = code
        self._exit.set()

    async def exited(self) -> int:
        """Waits until the application asks to end; the exit code."""
        if self._exit is None:
            raise internal("the runtime is not running")
        await self._exit.wait()
        return self._exit_code or 0

    @property
    def exit_code(self) -> int | None:
        """The code the application has asked to end with, also after `stop`; None when it has not asked."""
        return self._exit_code

    async def __aenter__(self) -> Runtime:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Using it ----------------------------------------

    async def call(self, function_id: str, *args: Any, values: Mapping[str, Any] | None = None) -> Any:
        """Calls a function and returns its result (spec 03 §6).

        args: data (None, bool, int, float, str, bytes, lists, dicts). values: what the function finds in `ctx`.
        Raises Error as the function failed: kind, message, retryable, details. Cancelling cancels the call.
        """
        value, _ = await self.node.call(function_id, args, values=dict(values) if values else None)
        return value

    async def spawn(self, process_id: str, host_id: str, *args: Any) -> str:
        """Starts a process on a host and returns its PID. Raises Error when it cannot start."""
        pid, _ = await self.node.spawn(process_id, host_id, args)
        return pid

    async def run_process(self, process_id: str, host_id: str, *args: Any) -> Any:
        """Starts a process, waits for its end and returns its result; raises its Error."""
        _, exited = await self.node.spawn(process_id, host_id, args)
        result = await exited
        if isinstance(result, Error):
            raise result
        return result

    async def send(self, destination: str, topic: str, *payloads: Any) -> bool:
        """Sends a message to a PID or a registered name. False when there is no such process."""
        node = self.node
        pid = destination if destination.startswith("{") else await node.lookup(destination)
        if pid is None:
            return False
        return await node.deliver(pid, topic, *payloads)

    # Looking at it ----------------------------------------

    async def processes(self, host_id: str | None = None, *, memory: bool = False) -> list[ProcessInfo]:
        """All processes that live now, or those of one host, in no particular order.

        memory: weighs them too, which takes about 4 us for a small one. Processor time is measured from the first look
        on, until nobody has looked for ten seconds.
        """
        return await self._looking().processes(host_id, memory=memory)

    async def process(self, pid: str) -> ProcessDetail:
        """One process: the stack of each of its coroutines, its unread messages by topic, links, monitors, names.
        Raises Error(NotFound) when there is none."""
        return await self._looking().process(pid)

    async def hosts(self) -> list[HostInfo]:
        """The process hosts, by id."""
        return await self._looking().hosts()

    def services(self) -> list[ServiceInfo]:
        """The supervised services and their states (spec 03 §16.2), by id."""
        return self._looking().services()

    def _looking(self) -> Introspection:
        from wippy.compute.introspection import Introspection

        return Introspection(self.node)
