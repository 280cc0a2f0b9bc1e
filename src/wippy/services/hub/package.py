"""Packs that guests look into: `versions.inspect` and `versions.open` (spec 01 §16.4)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.core.errors import internal, invalid, not_found
from wippy.core.ids import EntryId
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.inspection import digest_of
from wippy.hub.module_files import ModuleFiles
from wippy.hub.vendor import pack_path
from wippy.project.lockfile import LockedModule
from wippy.project.wapp import Pack, read_pack
from wippy.services.fs.embedded import EmbeddedVolume

if TYPE_CHECKING:
    from wippy.compute.node import Node

BY_ID = "_ids"
"""Where packs of modules are kept whose name is not known."""

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")


class Fetched:
    """A version whose pack is here."""

    def __init__(self, version: protocol.Version, path: Path) -> None:
        self.version = version
        self.path = path


async def fetched(node: Node, client: HubClient, about: protocol.AboutVersion) -> Fetched:
    """The pack of a version in the vendor directory: the one that is there, or a download. Raises Error."""
    version = (await client.call(protocol.GET_VERSION, about)).version
    digest = version.digest.removeprefix("sha256:").lower()
    if _SAFE.match(version.version) is None:
        raise internal(f"the hub names a version that cannot be one: {version.version[:80]!r}")
    path = await asyncio.to_thread(_place, node, about.module, version.version)
    if not await asyncio.to_thread(_is_there, path, digest):
        exact = protocol.AboutVersion(module=about.module, version=protocol.VersionRef(version=version.version))
        download = (await client.call(protocol.GET_DOWNLOAD, exact)).download
        await client.download(download, path, verify=read_pack)
    return Fetched(version, path)


def _place(node: Node, module: protocol.ModuleRef, version: str) -> Path:
    lock = ModuleFiles(node.directory, node.config).lock
    if module.name is not None:
        return pack_path(lock, LockedModule(str(module.name), version))
    return lock.vendor_directory / BY_ID / f"{module.id}-{version}.wapp"


def _is_there(path: Path, digest: str) -> bool:
    return path.is_file() and digest_of(path) == digest


class Package:
    """An open pack. Its files are volumes of the node until it is closed."""

    def __init__(self, node: Node, found: Fetched, pack: Pack, on_close: Callable[[], None]) -> None:
        self.version = found.version
        self._on_close = on_close
        self._node = node
        self._pack: Pack | None = pack
        self._volumes: dict[EntryId, str] = {}

    @property
    def pack(self) -> Pack:
        """Raises Error(Invalid) once it is closed."""
        if self._pack is None:
            raise invalid("package is closed")
        return self._pack

    def entries(self, kinds: list[str], *, with_data: bool) -> list[dict[str, Any]]:
        """The entries of these kinds, of all when there are none, placeholders as they are."""
        return [
            {"id": str(entry.id), "kind": entry.kind, "meta": entry.meta, **({"data": entry.data} if with_data else {})}
            for entry in self.pack.entries
            if not kinds or entry.kind in kinds
        ]

    def volume(self, resource: str) -> str:
        """The id under which a resource is a volume; nobody can guess it. Raises Error(NotFound)."""
        resource_id = EntryId.parse(resource)
        found = self.pack.resource(resource_id)
        if found is None:
            raise not_found(f"resource not found: {resource}")
        if resource_id not in self._volumes:
            volume_id = f"hub.package:{secrets.token_hex(16)}"
            self._node.resources[volume_id] = EmbeddedVolume(found.tree)
            self._volumes[resource_id] = volume_id
        return self._volumes[resource_id]

    def close(self) -> None:
        """Again does nothing."""
        if self._pack is None:
            return
        self._pack = None
        self._on_close()
        for volume_id in self._volumes.values():
            self._node.resources.pop(volume_id, None)
        self._volumes.clear()
