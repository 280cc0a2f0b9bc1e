"""The entries of modules as their packs hold them: from the vendor directory, the program itself, or a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from wippy.core.errors import Error, conflict, invalid
from wippy.core.ids import EntryId
from wippy.hub.client import HubClient
from wippy.hub.graph import Chosen
from wippy.hub.inspection import digest_of
from wippy.hub.installer import install
from wippy.hub.vendor import checked_pack, pack_path
from wippy.project import settings
from wippy.project.config import Config
from wippy.project.framework import framework_pack
from wippy.project.loader import load_module, load_replacement, module_path
from wippy.project.lockfile import LOCK_FILE, Directories, Lock, LockedModule, read_lock
from wippy.project.packs import BYTECODE
from wippy.project.problems import raise_errors
from wippy.project.wapp import Resource
from wippy.registry.entry import Entry


class ModuleContent(msgspec.Struct, frozen=True):
    """`entries` are tagged and not linked. `root`: the directory of a module that is one."""

    entries: list[Entry]
    resources: dict[EntryId, Resource] = {}
    root: Path | None = None


class ModuleFiles:
    """The files of a project's modules. `directory` is the project's."""

    def __init__(self, directory: Path, config: Config) -> None:
        """Raises Error(Invalid) for a broken lock file."""
        path = Path(config.get(settings.DEPENDENCY_LOCK_PATH) or LOCK_FILE)
        lock = read_lock(directory / path) or Lock(directory / path)
        vendor = config.get(settings.DEPENDENCY_VENDOR_DIR)
        directories = Directories(str((directory / vendor).resolve()), lock.directories.src) if vendor else None
        self.lock = Lock(lock.path, directories or lock.directories, lock.modules, lock.replacements)

    def known(self) -> dict[str, Chosen]:
        """The versions and digests of the lock file."""
        return {module.name: Chosen(module.version, module.hash) for module in self.lock.modules}

    async def fetch(self, modules: Mapping[str, Chosen], client: HubClient) -> dict[str, Chosen]:
        """Downloads what is not here; `modules` with the digests of packs.

        Raises Error(Conflict) for a version that the lock file knows by another digest, and what `install` raises.
        """
        for name, chosen in modules.items():
            known = self.lock.module(name)
            if (
                known is not None
                and known.version == chosen.version
                and chosen.hash not in ("", known.hash or chosen.hash)
            ):
                raise conflict(f"{self.lock.path} knows {name} {known.version} by another digest than the hub")
        wanted = [LockedModule(name, each.version, each.hash) for name, each in modules.items()]
        missing = [module for module in wanted if not await asyncio.to_thread(self._is_here, module)]
        lock = Lock(self.lock.path, self.lock.directories, missing, [])
        done = await install(lock, client, renewed=[module.name for module in missing])
        digests = {module.name: module.hash for module in done.modules}
        return {name: Chosen(each.version, digests.get(name) or each.hash) for name, each in modules.items()}

    def content(self, name: str, chosen: Chosen) -> ModuleContent:
        """Reads a module that is here. Raises Error(Invalid)."""
        if self._is_framework(name, chosen.version, chosen.hash):
            pack = framework_pack(name)
            assert pack is not None
            definitions = pack.definitions(())
            raise_errors(definitions.problems)
            return ModuleContent(definitions.entries, {}, pack.root)
        module = LockedModule(name, chosen.version, chosen.hash)
        path = pack_path(self.lock, module)
        if not path.is_file():
            project = load_module(self.lock, module)
            raise_errors(project.problems)
            return ModuleContent(project.entries, {}, project.module_roots.get(name))
        found = checked_pack(path, module)
        if any(entry.id == BYTECODE for entry in found.entries):
            raise invalid(f"{path}: compiled code cannot be added to a running application")
        tags = {"module": name, "module_version": chosen.version}
        entries = [Entry(e.id, e.kind, {**e.meta, **tags}, e.data, e.origin) for e in found.entries]
        return ModuleContent(entries, {resource.id: resource for resource in found.resources})

    def replacement(self, name: str, root: Path) -> ModuleContent:
        """Reads a directory that stands for a module. Raises Error(Invalid)."""
        project = load_replacement(self.lock, name, root)
        raise_errors(project.problems)
        return ModuleContent(project.entries, {}, root)

    def _is_framework(self, name: str, version: str, digest: str) -> bool:
        pack = framework_pack(name)
        return pack is not None and pack.version == version and not digest

    def _is_here(self, module: LockedModule) -> bool:
        """As a pack with the right digest, as a directory that the lock file names, or with the program."""
        if self._is_framework(module.name, module.version, module.hash):
            return True
        path = pack_path(self.lock, module)
        try:
            if path.is_file():
                return not module.hash or digest_of(path) == module.hash
        except OSError as error:
            raise Error("Internal", f"{path} cannot be read: {error.strerror or error}") from None
        locked = self.lock.module(module.name)
        found = module_path(self.lock, module)
        return found is not None and found.is_dir() and locked is not None and locked.version == module.version
