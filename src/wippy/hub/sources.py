"""Where releases are known: a hub, the program itself, directories that take a module's place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from wippy.core.errors import CONFLICT, NOT_FOUND, Error
from wippy.hub import protocol
from wippy.hub.client import HubClient
from wippy.hub.resolver import FRAMEWORK, LOCAL, Release, Resolution, Source, Wish, resolve
from wippy.project.framework import framework_pack


def release_of(module: str, version: protocol.Version) -> Release:
    """What the resolver needs of a version."""
    dependencies = version.dependencies
    return Release(
        module,
        version.version,
        version.digest,
        version.size_bytes,
        version.yanked,
        tuple(version.labels),
        None if dependencies is None else tuple((f"{d.org}/{d.name}", d.version_constraint) for d in dependencies),
    )


class HubSource:
    """The modules of a hub."""

    def __init__(self, client: HubClient) -> None:
        self._client = client

    async def releases(self, module: str) -> Sequence[Release]:
        found = await self._client.versions(protocol.ModuleRef.named(module))
        return [release_of(module, version) for version in found]

    async def dependencies(self, release: Release) -> Sequence[tuple[str, str]]:
        about = protocol.AboutVersion(
            module=protocol.ModuleRef.named(release.module), version=protocol.VersionRef(version=release.version)
        )
        answer = await self._client.call(protocol.GET_DEPENDENCIES, about)
        return [(f"{each.org}/{each.name}", each.version_constraint) for each in answer.dependencies]


class ProjectSource:
    """Directories in place of modules, framework packs, then a hub.

    replaced: what those directories depend on, by module. A framework pack stands alone for its name unless
    `also_from_hub`: the hub is only asked for it when it does not do.
    """

    def __init__(
        self,
        hub: Source,
        replaced: Mapping[str, Collection[tuple[str, str]]] | None = None,
        *,
        also_from_hub: bool = False,
    ) -> None:
        self._hub = hub
        self._replaced = dict(replaced or {})
        self._also_from_hub = also_from_hub

    async def releases(self, module: str) -> Sequence[Release]:
        if module in self._replaced:
            return [Release(module, "", dependencies=tuple(self._replaced[module]), origin=LOCAL)]
        pack = framework_pack(module)
        if pack is None:
            return await self._hub.releases(module)
        own = Release(module, pack.version, dependencies=pack.dependencies, origin=FRAMEWORK)
        return [own, *(await self._others(module, pack.version) if self._also_from_hub else ())]

    async def _others(self, module: str, version: str) -> list[Release]:
        try:
            return [release for release in await self._hub.releases(module) if release.version != version]
        except Error as error:
            if error.kind != NOT_FOUND:
                raise
            return []

    async def dependencies(self, release: Release) -> Sequence[tuple[str, str]]:
        return await self._hub.dependencies(release)


class PinnedSource:
    """Some modules in one version each, the others as another source has them."""

    def __init__(self, pinned: Mapping[str, Release], others: Source) -> None:
        self._pinned = pinned
        self._others = others

    async def releases(self, module: str) -> Sequence[Release]:
        pinned = self._pinned.get(module)
        return [pinned] if pinned is not None else await self._others.releases(module)

    async def dependencies(self, release: Release) -> Sequence[tuple[str, str]]:
        return await self._others.dependencies(release)


async def resolve_project(
    wishes: Sequence[Wish],
    hub: Source,
    replaced: Mapping[str, Collection[tuple[str, str]]],
    preferred: Mapping[str, str] | None = None,
    pinned: Mapping[str, Release] | None = None,
) -> Resolution:
    """`resolve` for a project: framework packs as they are, and only where they do not do those of the hub. pinned:
    modules that stay what they are."""

    def source(*, also_from_hub: bool) -> Source:
        return PinnedSource(pinned or {}, ProjectSource(hub, replaced, also_from_hub=also_from_hub))

    try:
        return await resolve(wishes, source(also_from_hub=False), preferred)
    except Error as error:
        modules = error.details.get("modules", ()) if error.details else ()
        if error.kind != CONFLICT or not any(framework_pack(module) for module in modules):
            raise
        return await resolve(wishes, source(also_from_hub=True), preferred)
