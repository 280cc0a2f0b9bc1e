"""What a change of `ns.dependency` entries means for a running application: entries of modules come, change and go in
the same transaction (spec 01 §11).

Only the dependency itself and the graph of modules are recorded in history; the modules' entries follow from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from wippy.core.errors import CONFLICT, Error, conflict, timeout
from wippy.core.ids import EntryId
from wippy.hub.client import HubClient
from wippy.hub.connection import connect
from wippy.hub.graph import (
    GRAPH,
    Chosen,
    Modules,
    graph_entry,
    graph_of,
    graph_of_state,
    owner,
    reachable,
    roots,
    running,
    wanted_by,
    wishes_of,
)
from wippy.hub.module_files import ModuleContent, ModuleFiles
from wippy.hub.resolver import LOCAL, Release, Resolution, Wish
from wippy.hub.sources import HubSource, resolve_project
from wippy.project import settings
from wippy.project.config import Config
from wippy.project.linking import Dependency, link
from wippy.project.namespaces import DependencyData
from wippy.project.shaping import disable, override
from wippy.project.wapp import Resource
from wippy.registry.changes import ChangeSet, Create, Delete, Operation, Update, apply_to, build_delta
from wippy.registry.entry import Entry, same_content

States = dict[EntryId, Entry]


class Host(Protocol):
    """What is expanded for: a node."""

    module_roots: dict[str, Path]
    packed_modules: dict[str, Mapping[EntryId, Resource]]


class Expansion:
    """Expands change sets of one application."""

    def __init__(self, host: Host, directory: Path, config: Config, baseline: Mapping[EntryId, Entry]) -> None:
        """directory: the project's. baseline: the entries of version 0."""
        self._host = host
        self._directory = directory
        self._config = config
        self._baseline = baseline

    async def expand(self, state: Mapping[EntryId, Entry], changes: ChangeSet) -> ChangeSet:
        """`changes` with everything that follows from them. Raises Error(Conflict, "dependency resolution failed")."""
        try:
            async with connect(None, self._config, directory=self._directory) as client:
                files = await asyncio.to_thread(ModuleFiles, self._directory, self._config)
                change = _Change(self._host, files, self._config, client, state, changes)
                return await change.expanded(
                    graph_of_state(running(self._baseline), files.known()),
                    wanted_by(roots(self._baseline, strict=False)),
                )
        except Error as error:
            lines = error.message.splitlines()
            details = {"count": 1, "summary": lines[0] if lines else "", "errors": [error.message]}
            raise Error(CONFLICT, f"dependency resolution failed: {error.message}", False, details) from error


class _Change:
    """One change set on its way."""

    def __init__(
        self,
        host: Host,
        files: ModuleFiles,
        config: Config,
        client: HubClient,
        state: Mapping[EntryId, Entry],
        changes: ChangeSet,
    ) -> None:
        self._host = host
        self._files = files
        self._config = config
        self._client = client
        self._changes = changes
        self._before = dict(state)
        self._after: States = dict(state)
        apply_to(self._after, changes)
        self._modules = running(self._before)
        self._old_roots = roots(self._before, strict=False)
        self._new_roots = roots(self._after)

    async def expanded(self, baseline: Modules, declared: Mapping[str, str]) -> ChangeSet:
        """baseline, declared: the graph of version 0 and what was wanted then; the same again needs no entry."""
        given = any(operation.id == GRAPH for operation in self._changes)
        recorded = graph_of(self._after.get(GRAPH))
        wanted = (recorded or baseline) if given else await self._solved()
        async with _within(self._config.get(settings.DEPENDENCY_DOWNLOAD_TIMEOUT).seconds, "downloading"):
            wanted = await self._files.fetch(wanted, self._client)
        operations = await asyncio.to_thread(self._operations, wanted)
        graph = [] if given else self._graph_operations(wanted, baseline, declared)
        return ChangeSet([*self._changes, *graph, *operations])

    def _graph_operations(self, wanted: Modules, baseline: Modules, declared: Mapping[str, str]) -> list[Operation]:
        known, now_declared = self._after.get(GRAPH), wanted_by(self._new_roots)
        if _versions(wanted) == _versions(baseline) and now_declared == declared:
            return [Delete(GRAPH)] if known is not None else []
        entry = graph_entry(wanted, now_declared)
        if known is None:
            return [Create(entry)]
        return [Update(entry)] if known != entry else []

    # Which modules ----------------------------------------

    async def _solved(self) -> Modules:
        """The graph after the change: what has nothing to do with it stays what it is."""
        moved = self._moved()
        free = reachable(moved, self._modules)
        known = graph_of_state(self._modules, self._known())
        pinned = {
            name: Release(name, chosen.version, chosen.hash, dependencies=self._modules[name].needs)
            for name, chosen in known.items()
            if name not in free
        }
        rooted = reachable(self._old_roots, self._modules)
        kept = [Wish(name, "", "the running application") for name in self._modules if name not in rooted]
        replaced = {name: module.needs for name, module in self._modules.items() if module.version is None}
        preferred = {name: chosen.version for name, chosen in known.items() if name in free and name not in moved}
        async with _within(self._config.get(settings.DEPENDENCY_RESOLVE_TIMEOUT).seconds, "resolving"):
            found = await resolve_project(
                [*wishes_of(self._new_roots), *kept], HubSource(self._client), replaced, preferred, pinned
            )
        return _chosen(found)

    def _known(self) -> Modules:
        """Digests that were seen before."""
        return {**self._files.known(), **(graph_of(self._before.get(GRAPH)) or {})}

    def _moved(self) -> set[str]:
        """The modules that the application begins or ceases to declare, or wants in another version."""
        return self._differing(lambda data: data.version)

    def _relinked(self) -> set[str]:
        """The modules that the application gives other parameters than before."""
        return self._differing(lambda data: msgspec.to_builtins(data.parameters))

    def _differing(self, aspect: Callable[[DependencyData], object]) -> set[str]:
        def seen(declared: Mapping[str, Dependency], name: str) -> object:
            return aspect(declared[name].data) if name in declared else None

        names = self._old_roots.keys() | self._new_roots.keys()
        return {name for name in names if not same_content(seen(self._old_roots, name), seen(self._new_roots, name))}

    # Which entries ----------------------------------------

    def _operations(self, wanted: Modules) -> list[Operation]:
        """From the entries as they are, with the change, to those that the graph and the parameters mean."""
        local = {name for name, module in self._modules.items() if module.version is None}
        gone = {name for name in self._modules if name not in wanted and name not in local}
        touched = {name for name, chosen in wanted.items() if self._version(name) != chosen.version}
        touched |= self._relinked() & (wanted.keys() | local)
        if not touched and not gone:
            return []
        contents = {name: self._content(name, wanted.get(name)) for name in sorted(touched)}
        kept = [entry for entry in self._after.values() if owner(entry) not in touched | gone]
        brought = self._shaped([entry for content in contents.values() for entry in content.entries])
        _check_owners(kept, brought)
        linked, _ = link([*kept, *brought], strict=True, modules=touched)
        own = {entry.id for entry in brought}
        final = {entry.id: entry for entry in linked if entry.id not in own}
        final |= {entry.id: entry for entry in self._overridden([e for e in linked if e.id in own])}
        for name, content in contents.items():
            self._make_known(name, wanted.get(name), content)
        return [_scoped(operation) for operation in build_delta(self._after, final)]

    def _version(self, name: str) -> str | None:
        module = self._modules.get(name)
        return module.version if module is not None else None

    def _content(self, name: str, chosen: Chosen | None) -> ModuleContent:
        if chosen is not None:
            return self._files.content(name, chosen)
        return self._files.replacement(name, self._host.module_roots.get(name, Path()))

    def _shaped(self, entries: list[Entry]) -> list[Entry]:
        return disable(
            self._overridden(entries),
            self._config.texts("disable.namespaces"),
            self._config.texts("disable.entries"),
            self._config.section("disable.meta"),
        )

    def _overridden(self, entries: list[Entry]) -> list[Entry]:
        known = {str(entry.id) for entry in entries}
        values = self._config.section("override")
        return override(entries, {k: v for k, v in values.items() if ":".join(k.split(":")[:2]) in known})

    def _make_known(self, name: str, chosen: Chosen | None, content: ModuleContent) -> None:
        """Handlers find files of modules by name and version: earlier ones stay findable, for a way back."""
        if content.root is not None:
            self._host.module_roots[name] = content.root
        if chosen is not None and content.resources:
            self._host.packed_modules[f"{name}@{chosen.version}"] = content.resources


def _chosen(found: Resolution) -> Modules:
    return {
        release.module: Chosen(release.version, release.digest.removeprefix("sha256:").lower())
        for release in found.releases.values()
        if release.origin != LOCAL
    }


def _versions(modules: Modules) -> dict[str, str]:
    return {name: chosen.version for name, chosen in modules.items()}


def _check_owners(kept: list[Entry], brought: list[Entry]) -> None:
    """Raises Error(Conflict) when an entry of a module would take the place of somebody else's."""
    taken = {entry.id: entry for entry in kept}
    for entry in brought:
        other = taken.setdefault(entry.id, entry)
        if other is not entry:
            whose = f"module {owner(other)}" if owner(other) else "the application"
            raise conflict(f"entry {entry.id} of module {owner(entry)} exists already: it belongs to {whose}")


def _scoped(operation: Operation) -> Operation:
    """Operations on entries of modules are not recorded: they follow from the graph."""
    entry = operation.previous if isinstance(operation, Delete) else operation.entry
    if entry is None or owner(entry) is None:
        return operation
    return msgspec.structs.replace(operation, baseline=True)


@asynccontextmanager
async def _within(seconds: float, doing: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds or None):
            yield
    except TimeoutError:
        raise timeout(f"{doing} dependencies took longer than {seconds:g}s") from None
