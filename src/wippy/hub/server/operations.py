"""The operations of a hub by their paths."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from wippy.core.errors import invalid
from wippy.core.semver import Version, is_version
from wippy.hub import protocol
from wippy.hub.resolver import Release, Resolution, Wish, resolve
from wippy.hub.server.catalog import Catalog, Page
from wippy.hub.server.publishing import Publishing
from wippy.hub.server.tokens import Principal
from wippy.hub.sources import release_of

Run: TypeAlias = Callable[[Any, Principal, str], Awaitable[protocol.Message]]
"""The request, who asks, and the URL that others reach the hub by."""

MOST_ITEMS = 200
RESOLVED_AT_ONCE = 2
"""Anybody may ask what fits together; each question may take a core for a while."""


class Operation(NamedTuple):
    method: protocol.Method[Any, Any]
    run: Run


class Operations:
    def __init__(self, catalog: Catalog, publishing: Publishing) -> None:
        self._catalog = catalog
        self._publishing = publishing
        self._resolving = asyncio.Semaphore(RESOLVED_AT_ONCE)
        table: dict[protocol.Method[Any, Any], Run] = {
            protocol.GET_MODULE: self._get_module,
            protocol.LIST_MODULES: self._list_modules,
            protocol.SEARCH_MODULES: self._search_modules,
            protocol.LIST_VERSIONS: self._list_versions,
            protocol.GET_VERSION: self._get_version,
            protocol.LIST_FILES: self._list_files,
            protocol.GET_DEPENDENCIES: self._get_dependencies,
            protocol.GET_DEPENDENTS: self._get_dependents,
            protocol.GET_README: self._get_readme,
            protocol.GET_MANIFEST: self._get_manifest,
            protocol.RESOLVE: self._resolve,
            protocol.CHECK_UPDATES: self._check_updates,
            protocol.GET_DOWNLOAD: self._get_download,
            protocol.GET_DOWNLOADS: self._get_downloads,
            protocol.INITIATE_PUBLISH: self._initiate,
            protocol.CONFIRM_PUBLISH: self._confirm,
            protocol.PUBLISH_STATUS: self._status,
            protocol.CANCEL_PUBLISH: self._cancel,
            protocol.YANK_VERSION: self._yank,
        }
        self._by_path = {method.path: Operation(method, run) for method, run in table.items()}

    def find(self, path: str) -> Operation | None:
        return self._by_path.get(path)

    # Modules ----------------------------------------

    async def _get_module(self, request: protocol.AboutModule, caller: Principal, base: str) -> protocol.Message:
        return protocol.OneModule(module=self._catalog.module(request.module, caller))

    async def _list_modules(self, request: protocol.ListModules, caller: Principal, base: str) -> protocol.Message:
        return self._catalog.modules(request, caller)

    async def _search_modules(self, request: protocol.SearchModules, caller: Principal, base: str) -> protocol.Message:
        if not request.query.strip():
            raise invalid("query required")
        return self._catalog.modules(request, caller)

    async def _list_versions(self, request: protocol.ListVersions, caller: Principal, base: str) -> protocol.Message:
        return self._catalog.versions(request, caller)

    async def _get_version(self, request: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Message:
        return protocol.OneVersion(version=self._catalog.version(request, caller))

    async def _list_files(self, request: protocol.ListFiles, caller: Principal, base: str) -> protocol.Message:
        about = protocol.AboutVersion(module=request.module, version=request.version)
        files = self._catalog.version(about, caller).files
        page = Page.of(request.page, request.page_size)
        start = page.values["offset"]
        return protocol.Files(
            files=files[start : start + page.size], total=len(files), page=page.number, page_size=page.size
        )

    async def _get_dependencies(self, request: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Message:
        return protocol.Dependencies(dependencies=self._catalog.version(request, caller).dependencies or [])

    async def _get_dependents(self, request: protocol.ListDependents, caller: Principal, base: str) -> protocol.Message:
        return self._catalog.dependents(request, caller)

    async def _get_readme(self, request: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Message:
        version = self._catalog.version(request, caller)
        return protocol.Readme(content=version.readme, filename="README.md", version=version.version)

    # Manifests and downloads ----------------------------------------

    async def _get_manifest(self, request: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Message:
        """A version with everything it needs, dependencies first."""
        module = self._catalog.find(request.module, caller)
        version = self._catalog.version(request, caller)
        name = f"{module['org']}/{module['name']}"
        found = await self._resolved([Wish(name, f"={version.version}", "the request")], caller)
        below = [release for release in found.releases.values() if release.module != name]
        return protocol.OneManifest(
            manifest=self._manifest(found.releases[name], base, [_dependency(release, base) for release in below])
        )

    async def _resolve(self, request: protocol.Resolve, caller: Principal, base: str) -> protocol.Message:
        wishes = [
            Wish(f"{each.org}/{each.name}", each.version_constraint, "the request")
            for each in _limited(request.dependencies)
        ]
        found = await self._resolved(wishes, caller)
        return protocol.Manifests(manifests=[self._manifest(each, base, []) for each in found.releases.values()])

    async def _resolved(self, wishes: list[Wish], caller: Principal) -> Resolution:
        async with self._resolving:
            return await resolve(wishes, CatalogSource(self._catalog, caller))

    def _manifest(
        self, release: Release, base: str, dependencies: list[protocol.ManifestDependency]
    ) -> protocol.Manifest:
        own = _dependency(release, base)
        return protocol.Manifest(
            org=own.org,
            name=own.name,
            version=own.version,
            digest=own.digest,
            size_bytes=own.size_bytes,
            dependencies=dependencies,
            download=own.download,
        )

    async def _check_updates(self, request: protocol.CheckUpdates, caller: Principal, base: str) -> protocol.Message:
        updates: list[protocol.Update] = []
        for each in _limited(request.modules):
            ref = protocol.ModuleRef(name=protocol.ModuleName(org=each.org, name=each.name))
            latest = self._catalog.module(ref, caller).latest_version
            newer = latest and is_version(each.version) and Version.parse(each.version) < Version.parse(latest)
            if newer:
                updates.append(protocol.Update(org=each.org, name=each.name, current=each.version, latest=latest))
        return protocol.Updates(updates=updates)

    async def _get_download(self, request: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Message:
        return protocol.OneDownload(download=self._download(request, caller, base))

    async def _get_downloads(self, request: protocol.BatchDownload, caller: Principal, base: str) -> protocol.Message:
        found = [self._download(each, caller, base) for each in _limited(request.items)]
        return protocol.Downloads(downloads=found)

    def _download(self, about: protocol.AboutVersion, caller: Principal, base: str) -> protocol.Download:
        row = self._catalog.find_version(about, caller)
        return _download(row["digest"], row["size"], base)

    # Publishing ----------------------------------------

    async def _initiate(self, request: protocol.InitiatePublish, caller: Principal, base: str) -> protocol.Message:
        return self._publishing.initiate(request, caller)

    async def _confirm(self, request: protocol.AboutPublish, caller: Principal, base: str) -> protocol.Message:
        return await self._publishing.confirm(request.publish_id, caller)

    async def _status(self, request: protocol.AboutPublish, caller: Principal, base: str) -> protocol.Message:
        return self._publishing.status(request.publish_id, caller)

    async def _cancel(self, request: protocol.AboutPublish, caller: Principal, base: str) -> protocol.Message:
        return self._publishing.cancel(request.publish_id, caller)

    async def _yank(self, request: protocol.YankVersion, caller: Principal, base: str) -> protocol.Message:
        about = protocol.AboutVersion(module=request.module, version=request.version)
        module, row = self._catalog.find(request.module, caller), self._catalog.find_version(about, caller)
        self._publishing.yank(row, module, request.yanked, caller)
        return protocol.OneVersion(
            version=self._catalog.version(
                protocol.AboutVersion(module=request.module, version=protocol.VersionRef(id=row["id"])), caller
            )
        )


class CatalogSource:
    """The resolver's view of what a caller may see."""

    def __init__(self, catalog: Catalog, caller: Principal) -> None:
        self._catalog = catalog
        self._caller = caller

    async def releases(self, module: str) -> list[Release]:
        ref, found, page = protocol.ModuleRef.named(module), list[Release](), 1
        while True:
            answer = self._catalog.versions(
                protocol.ListVersions(module=ref, page=page, include_yanked=True), self._caller
            )
            found += [release_of(module, version) for version in answer.versions]
            if len(found) >= answer.total or not answer.versions:
                return found
            page += 1

    async def dependencies(self, release: Release) -> list[tuple[str, str]]:
        return list(release.dependencies or ())


def _dependency(release: Release, base: str) -> protocol.ManifestDependency:
    org, _, name = release.module.partition("/")
    return protocol.ManifestDependency(
        org=org,
        name=name,
        version=release.version,
        digest=release.digest,
        size_bytes=release.size,
        download=_download(release.digest, release.size, base),
    )


def _download(digest: str, size: int, base: str) -> protocol.Download:
    return protocol.Download(url=f"{base}{protocol.WAPP}{digest}", digest=digest, size_bytes=size)


def _limited(items: list[Any]) -> list[Any]:
    if len(items) > MOST_ITEMS:
        raise invalid(f"a request may name {MOST_ITEMS} modules")
    return items
