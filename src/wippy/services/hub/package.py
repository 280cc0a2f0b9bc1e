"""Packs that guests look into: `versions.inspect` and `versions.open` (spec 01 §16.4)."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wippy.core.errors import conflict, internal, invalid, not_found
from wippy.core.ids import EntryId
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.inspection import digest_of
from wippy.hub.module_files import ModuleFiles
from wippy.hub.vendor import pack_path
from wippy.project.lockfile import LockedModule
from wippy.project.wapp import Pack
from wippy.project.wapp.reader import read_pack
from wippy.services.fs.embedded import EmbeddedVolume

if TYPE_CHECKING:
    from wippy.compute.node import Node

BY_ID, ELSEWHERE = "_ids", "_hubs"
"""Where packs are kept of modules whose name is not known, and those of other hubs."""

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")


class Fetched:
    """A version whose pack is here."""

    def __init__(self, version: protocol.Version, path: Path) -> None:
        self.version = version
        self.path = path


async def fetched(node: Node, client: HubClient, about: protocol.AboutVersion, *, own: bool) -> Fetched:
    """The pack of a version in the vendor directory: the one that is there, or a download.

    own: whether the hub is the one that the project's modules come from; what another one calls `acme/http` must not
    take the place of what the project knows by that name. Raises Error(Conflict) when the lock file knows the version
    by another digest; Error.
    """
    version = (await client.call(protocol.GET_VERSION, about)).version
    digest = version.digest.removeprefix("sha256:").lower()
    if _DIGEST.match(digest) is None:
        raise internal("the hub names no digest")
    if _SAFE.match(version.version) is None:
        raise internal(f"the hub names a version that cannot be one: {version.version[:80]!r}")
    place = _Place(about.module, version.version, digest, "" if own else client.registry)
    path = await asyncio.to_thread(place.path, node)
    if not await asyncio.to_thread(_is_there, path, digest):
        exact = protocol.AboutVersion(module=about.module, version=protocol.VersionRef(version=version.version))
        download = (await client.call(protocol.GET_DOWNLOAD, exact)).download
        await client.download(download, path, verify=read_pack)
    return Fetched(version, path)


class _Place(NamedTuple):
    """Where a pack belongs. `registry`: the hub it comes from, when that is not the project's own."""

    module: protocol.ModuleRef
    version: str
    digest: str
    registry: str

    def path(self, node: Node) -> Path:
        lock = ModuleFiles(node.directory, node.config).lock
        if self.registry:
            hub = hashlib.sha256(self.registry.encode()).hexdigest()[:16]
            return lock.vendor_directory / ELSEWHERE / hub / f"{self.digest}.wapp"
        if self.module.name is None:
            return lock.vendor_directory / BY_ID / f"{self.module.id}-{self.version}.wapp"
        known = lock.module(str(self.module.name))
        if known is not None and known.version == self.version and known.hash not in ("", self.digest):
            raise conflict(f"wippy.lock knows {known.name} {known.version} by another digest than the hub")
        return pack_path(lock, LockedModule(str(self.module.name), self.version))


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
