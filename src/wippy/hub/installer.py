"""Puts the modules of a lock file where they belong: each verified before it is there, all of them or none.

A lock file is written after everything is in place; when something fails, what was new is removed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from wippy.core.errors import Error, conflict
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.inspection import digest_of, verify_files
from wippy.hub.vendor import checked_pack, is_intact, pack_path, remove_leftovers, tree_digest, unpacked_path
from wippy.project.loader import comes_with_the_program
from wippy.project.lockfile import Lock, LockedModule
from wippy.project.wapp.unpack import unpack

AT_ONCE = 4


class Installed(msgspec.Struct, frozen=True):
    """`modules`: what the lock is to say of all modules. `fetched`: those that were downloaded."""

    modules: list[LockedModule]
    fetched: list[LockedModule]


async def install(
    lock: Lock,
    client: HubClient,
    *,
    only: Collection[str] = (),
    refresh: bool = False,
    renewed: Collection[str] = (),
    replaced: Collection[str] = (),
) -> Installed:
    """Downloads what is missing or damaged; does not write the lock.

    only: names of modules; all when empty. refresh: downloads also what is intact. renewed: modules whose version in
    the lock is another than the one in place. replaced: modules that a directory stands for.
    Raises Error(Conflict) when the hub has another pack than the lock says, and what a download raises; then the vendor
    directory is as it was, except for damaged packs that were repaired.
    """
    wanted = [module for module in lock.modules if not only or module.name in only]
    wanted = [m for m in wanted if m.name not in replaced and (m.hash or not comes_with_the_program(lock, m))]
    missing = [m for m in wanted if refresh or m.name in renewed or not await asyncio.to_thread(is_intact, lock, m)]
    remove_leftovers(lock)
    fetching = _Fetching(lock, client)
    try:
        fetched = await _all(fetching, missing)
        if lock.options.unpack_modules:
            fetched = [await asyncio.to_thread(fetching.unpack, module) for module in fetched]
    except BaseException:
        fetching.undo()
        raise
    known = {module.name: module for module in fetched}
    modules = [known.get(module.name, module) for module in lock.modules]
    hashed = [await asyncio.to_thread(_with_digest, lock, module) for module in modules]
    return Installed(hashed, fetched)


async def _all(fetching: _Fetching, modules: Sequence[LockedModule]) -> list[LockedModule]:
    """Every module fetched, some at a time; the first failure ends the others."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(module: LockedModule) -> LockedModule:
        async with gate:
            return await fetching.fetch(module)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(module)) for module in modules]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


class _Fetching:
    def __init__(self, lock: Lock, client: HubClient) -> None:
        self._lock = lock
        self._client = client
        self._new: list[Path] = []

    async def fetch(self, module: LockedModule) -> LockedModule:
        """The module with its digest, in place."""
        target = pack_path(self._lock, module)
        if not target.exists():
            self._new.append(target)
        digest = await fetch_pack(self._client, module, target)
        return msgspec.structs.replace(module, hash=digest, local_hash="")

    def unpack(self, module: LockedModule) -> LockedModule:
        """Turns its pack into a directory."""
        pack, directory = pack_path(self._lock, module), unpacked_path(self._lock, module)
        unpack(checked_pack(pack, module), directory)
        pack.unlink()
        return msgspec.structs.replace(module, local_hash=tree_digest(directory))

    def undo(self) -> None:
        for path in self._new:
            with suppress(OSError):
                path.unlink(missing_ok=True)


async def fetch_pack(client: HubClient, module: LockedModule, target: Path) -> str:
    """Puts the pack of a module at `target`, verified; returns its digest. Raises Error(Conflict) when the hub has
    another one than the lock says, and what a download raises."""
    about = protocol.AboutVersion(
        module=protocol.ModuleRef.named(module.name), version=protocol.VersionRef(version=module.version)
    )
    try:
        download = (await client.call(protocol.GET_DOWNLOAD, about)).download
    except Error as error:
        raise error.within(f"{module.name} {module.version}") from None
    digest = download.digest.removeprefix("sha256:").lower()
    if module.hash and digest != module.hash:
        raise conflict(
            f"checksum mismatch of {module.name} {module.version}: wippy.lock has {module.hash},"
            f" {client.registry} has {digest}",
            module=module.name,
        )
    await client.download(download, target, verify=lambda path: _verify(path, module))
    return digest


def _verify(path: Path, module: LockedModule) -> None:
    """Raises Error(Invalid) that names the module instead of a file that is about to go."""
    try:
        verify_files(checked_pack(path, module))
    except Error as error:
        message = error.message.removeprefix(f"{path}: ")
        raise Error(error.kind, f"{module.name} {module.version}: {message}", False, error.details) from None


def _with_digest(lock: Lock, module: LockedModule) -> LockedModule:
    """The module with the digest of its pack, where the lock had none."""
    path = pack_path(lock, module)
    if module.hash or not path.is_file():
        return module
    return msgspec.structs.replace(module, hash=digest_of(path))
