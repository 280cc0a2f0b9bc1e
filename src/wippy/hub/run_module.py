"""The packs behind `wippy run org/module`: those of the modules it needs first, its own last (spec 01 §18)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from wippy.core.errors import Error, conflict, not_found
from wippy.core.semver import is_version
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.credentials import user_cache
from wippy.hub.inspection import dependencies_of, digest_of
from wippy.hub.installer import fetch_pack
from wippy.hub.resolver import Release, fits, label_of
from wippy.hub.vendor import checked_pack, pack_path
from wippy.hub.workspace import Workspace, parse_spec
from wippy.project.framework import FrameworkPack, framework_pack
from wippy.project.lockfile import LockedModule
from wippy.project.wapp import Pack


class ModuleRun:
    """One `wippy run org/module[@selector]` in the project that `workspace` is."""

    def __init__(self, workspace: Workspace, client: HubClient, environ: Mapping[str, str] | None = None) -> None:
        self._workspace = workspace
        self._client = client
        self._cache = user_cache(environ)
        self._packs: dict[str, Pack] = {}

    async def packs(self, spec: str) -> list[Pack]:
        """Dependencies first. The first run of a module asks the hub and is recorded in the lock file, once every pack
        is here; later ones start from it, without a network when the packs are here.

        Raises Error(Conflict) when the selector and the lock do not agree, and what resolving and downloading raise.
        """
        wish = parse_spec(spec, "wippy run")
        locked = self._workspace.lock.module(wish.module)
        own = framework_pack(wish.module)
        if own is not None and (locked is None or not locked.hash) and own.satisfies(wish.wanted):
            return [_as_pack(own)]
        if locked is None:
            await self._workspace.plan([spec])
        elif not await self._agrees(locked, spec):
            raise conflict(
                f"{self._workspace.lock.path} has {locked.name} {locked.version}, which is not {wish.wanted}:"
                f" change it with 'wippy add {spec}' or 'wippy update {locked.name}'"
            )
        await self._collect(wish.module, "wippy run")
        if locked is None:
            self._workspace.lock.write()
        return list(self._packs.values())

    async def _agrees(self, locked: LockedModule, spec: str) -> bool:
        """Whether the locked version is what the selector wants. Only the hub knows what a label names: while it cannot
        be asked, the locked version counts."""
        wish = parse_spec(spec, "wippy run")
        label = label_of(wish.wanted)
        if label in ("", "latest"):
            return fits(wish, Release(locked.name, locked.version)) or not is_version(locked.version)
        about = protocol.AboutVersion(
            module=protocol.ModuleRef.named(wish.module), version=protocol.VersionRef(label=label)
        )
        try:
            return (await self._client.call(protocol.GET_VERSION, about)).version.version == locked.version
        except Error as error:
            if error.retryable:
                return True
            raise

    async def _collect(self, name: str, needed_by: str) -> None:
        """Reads a module's pack after those it needs. Resolving has made sure that there are no circles."""
        if name in self._packs:
            return
        locked = self._workspace.lock.module(name)
        if framework_pack(name) is not None and (locked is None or not locked.hash):
            return  # added when the packs are read
        if locked is None:
            raise not_found(f"{self._workspace.lock.path} has no {name}, which {needed_by} needs: run 'wippy update'")
        pack = await self._pack(locked)
        self._packs[name] = pack  # a place: a lock file that somebody wrote may hold a circle
        for dependency in dependencies_of(pack.entries):
            await self._collect(f"{dependency.org}/{dependency.name}", name)
        del self._packs[name]
        self._packs[name] = pack

    async def _pack(self, module: LockedModule) -> Pack:
        vendored = pack_path(self._workspace.lock, module)
        organization = module.name.partition("/")[0]
        cached = self._cache / organization / vendored.name
        for path in (vendored, cached):
            if path.is_file() and await asyncio.to_thread(_is_that, path, module):
                return await asyncio.to_thread(checked_pack, path, module)
        digest = await fetch_pack(self._client, module, cached)
        lock = self._workspace.lock
        known = msgspec.structs.replace(module, hash=digest)
        lock.modules = [known if each.name == module.name else each for each in lock.modules]
        return await asyncio.to_thread(checked_pack, cached, module)


def _is_that(path: Path, module: LockedModule) -> bool:
    return not module.hash or digest_of(path) == module.hash


def _as_pack(pack: FrameworkPack) -> Pack:
    """A framework pack where a pack is expected: its entries, without files."""
    name = pack.name.partition("/")[2]
    metadata = {"name": name, "namespace": pack.name.replace("/", "."), "version": pack.version}
    return Pack(pack.root, metadata, pack.definitions(()).entries, [])
