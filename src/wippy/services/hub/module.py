"""The guest module `hub` (spec 01 §16.4): modules of a hub, their versions and packs, and who the runtime is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wippy.core.errors import PERMISSION_DENIED, TIMEOUT, Error, internal, invalid
from wippy.hub import protocol
from wippy.hub.client import REQUEST_SECONDS, HubClient
from wippy.hub.connection import configured_registry
from wippy.hub.credentials import Account, Token, checked_registry, checked_token
from wippy.hub.inspection import inspect_pack
from wippy.lua.bindings import Caller, Many
from wippy.lua.modules.declare import Module, Permission
from wippy.project.wapp.reader import read_pack
from wippy.services.hub.arguments import (
    ORDERS,
    TYPES,
    VISIBILITIES,
    Options,
    module_ref,
    query_of,
    text_of,
    version_ref,
)
from wippy.services.hub.package import Fetched, Package, fetched
from wippy.services.stream.descriptors import Descriptors, descriptors_of

if TYPE_CHECKING:
    from wippy.compute.node import Node

T = TypeVar("T")

PAGE_SIZE = 20


def _asked(action: str, resource: str = "module") -> Permission:
    return Permission(f"hub.{action}", resource, f"not allowed: hub.{action}", detailed=True)


LIST, SEARCH = _asked("modules.list", ""), _asked("modules.search", "query")
GET, README = _asked("modules.get"), _asked("modules.readme")
VERSIONS, VERSION, INSPECT = _asked("versions.list"), _asked("versions.get"), _asked("versions.inspect")
DEPENDENCIES, DEPENDENTS, FILES = _asked("dependencies.get"), _asked("dependents.get"), _asked("files.list")
AUTHENTICATE, STATUS, LOGOUT = (_asked(f"auth.{verb}", "") for verb in ("authenticate", "status", "logout"))


def module(node: Node) -> Module:
    """The declaration of `hub` for a node."""
    hub = Module(
        "hub",
        "Modules of a hub: what there is, what is in it, and whose token is used.",
        classes=("network", "io", "nondeterministic"),
        source=Path(__file__).with_name("hub.lua"),
    )
    connections = Connections(node)
    _declare_modules(hub, connections)
    _declare_versions(hub, connections)
    _declare_packages(hub, node, connections)
    _declare_relations(hub, connections)
    _declare_auth(hub, connections)
    return hub


class Connections:
    """Clients for calls, and the tokens that this runtime was given while it ran."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tokens: dict[str, Token | None] = {}

    def account(self) -> Account:
        return Account(self._node.directory)

    def registry(self, named: str | None) -> str:
        return self.account().registry(named, configured_registry(self._node.config))

    def token(self, registry: str) -> Token | None:
        """What was given or stored for this registry. `WIPPY_TOKEN` goes to the runtime's own: a guest may name any."""
        if registry in self._tokens:
            return self._tokens[registry]
        account = self.account()
        if registry == self.registry(None):
            return account.token(registry)
        stored = account.stored(registry)
        return Token(stored.token) if stored is not None and stored.token else None

    def remember(self, registry: str, token: Token | None) -> None:
        """From now on this token, or none, is used for the registry."""
        self._tokens[registry] = token

    def opened(self, registry: str | None, token: Token | None) -> AbstractAsyncContextManager[HubClient]:
        url = self.registry(registry)
        return HubClient(url, token or self.token(url))

    async def fetched(self, client: HubClient, about: protocol.AboutVersion) -> Fetched:
        """The pack of a version; one of a hub that is not the runtime's own has a place apart."""
        return await fetched(self._node, client, about, own=client.registry == self.registry(None))

    async def ask(self, options: Options, work: Callable[[HubClient], Awaitable[T]]) -> T:
        """`work` with a client, within the `timeout` of the options."""
        registry, token, seconds = options.registry(), options.token(), options.seconds()
        try:
            async with asyncio.timeout(seconds), self.opened(registry, token) as client:
                return await work(client)
        except TimeoutError:
            raise Error(TIMEOUT, "the hub does not answer in time", True, {"code": "deadline_exceeded"}) from None

    async def call(self, options: Options, method: protocol.Method[Any, Any], request: Any) -> Any:
        return await self.ask(options, lambda client: client.call(method, request))


# What guests get ------------------------------------------------------------------------------------------------------


def shown(value: Any) -> Any:
    """A message as a guest sees it: fields in snake_case, counters as floats, nothing for what is not known."""
    if isinstance(value, protocol.Message):
        fields = ((name, shown(getattr(value, name))) for name in value.__struct_fields__)
        return {name: field for name, field in fields if field is not None}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def paged(items: Any, answer: Any) -> dict[str, Any]:
    return {
        "items": shown(items),
        "total": float(answer.total),
        "page": float(answer.page),
        "page_size": float(answer.page_size),
    }


# Modules --------------------------------------------------------------------------------------------------------------


def _filters(options: Options) -> dict[str, Any]:
    return {
        "page": options.count("page", 1),
        "page_size": options.count("page_size", PAGE_SIZE),
        "organization_id": options.text("organization_id"),
        "org": options.text("org"),
        "visibility": options.choice(VISIBILITIES, "visibility"),
        "type": options.choice(TYPES, "type"),
        "sort_order": options.choice(ORDERS, "sort_order", "sort"),
    }


def _declare_modules(hub: Module, connections: Connections) -> None:
    @hub.function("modules.list(options: any) -> table", caller=True, yields=True, asks=(LIST,))
    async def modules_list(caller: Caller, options: Any = None) -> dict[str, Any]:
        """Modules in pages: items, total, page, page_size. Options `org`, `visibility`, `type`, `sort`, `page`."""
        caller.require(LIST)
        given = Options(options)
        request = protocol.ListModules(**_filters(given))
        answer = await connections.call(given, protocol.LIST_MODULES, request)
        return paged(answer.modules, answer)

    @hub.function("modules.search(query: any, options: any) -> table", caller=True, yields=True, asks=(SEARCH,))
    async def search(caller: Caller, query: Any = None, options: Any = None) -> dict[str, Any]:
        """As `list`, for words of names, descriptions and keywords. Also options `keywords`, `license`,
        `include_deprecated`."""
        text = query_of(query)
        caller.require(SEARCH, text)
        given = Options(options)
        request = protocol.SearchModules(
            query=text,
            **_filters(given),
            keywords=given.texts("keywords"),
            license=given.text("license"),
            include_deprecated=given.flag("include_deprecated"),
        )
        answer = await connections.call(given, protocol.SEARCH_MODULES, request)
        return paged(answer.modules, answer)

    @hub.function("modules.get(module: any, options: any) -> table", caller=True, yields=True, asks=(GET,))
    async def get(caller: Caller, module: Any = None, options: Any = None) -> Any:
        """One module, by `org/name`, id, or a table with `id`, `org` and `name`, or `full_name`."""
        ref = module_ref(module)
        caller.require(GET, str(ref))
        answer = await connections.call(Options(options), protocol.GET_MODULE, protocol.AboutModule(module=ref))
        return shown(answer.module)

    @hub.function("modules.readme(module: any, options: any) -> table", caller=True, yields=True, asks=(README,))
    async def readme(caller: Caller, module: Any = None, options: Any = None) -> Any:
        """content, filename, version. Option `version`."""
        ref = module_ref(module)
        caller.require(README, str(ref))
        given = Options(options)
        about = protocol.AboutVersion(module=ref, version=version_ref(given.text("version"), required=False))
        return shown(await connections.call(given, protocol.GET_README, about))


# Versions -------------------------------------------------------------------------------------------------------------


def _declare_versions(hub: Module, connections: Connections) -> None:
    @hub.function("versions.list(module: any, options: any) -> table", caller=True, yields=True, asks=(VERSIONS,))
    async def versions_list(caller: Caller, module: Any = None, options: Any = None) -> dict[str, Any]:
        """Versions in pages, the newest first. Option `include_yanked`."""
        ref = module_ref(module)
        caller.require(VERSIONS, str(ref))
        given = Options(options)
        request = protocol.ListVersions(
            module=ref,
            page=given.count("page", 1),
            page_size=given.count("page_size", PAGE_SIZE),
            include_yanked=given.flag("include_yanked"),
        )
        answer = await connections.call(given, protocol.LIST_VERSIONS, request)
        return paged(answer.versions, answer)

    @hub.function(
        "versions.get(module: any, version: any, options: any) -> table", caller=True, yields=True, asks=(VERSION,)
    )
    async def version_get(caller: Caller, module: Any = None, version: Any = None, options: Any = None) -> Any:
        """One version, by number, label, or a table with `id`, `version` or `label`."""
        about = protocol.AboutVersion(module=module_ref(module), version=version_ref(version))
        caller.require(VERSION, str(about.module))
        return shown((await connections.call(Options(options), protocol.GET_VERSION, about)).version)


def _declare_packages(hub: Module, node: Node, connections: Connections) -> None:
    packages = hub.handle("Package")
    descriptors = descriptors_of(node)

    @hub.function(
        "versions.inspect(module: any, version: any, options: any) -> table", caller=True, yields=True, asks=(INSPECT,)
    )
    async def inspect(caller: Caller, module: Any = None, version: Any = None, options: Any = None) -> Any:
        """Downloads a pack into the vendor directory and says what is in it: version, digest, size_bytes, protected,
        entry_count, entry_kinds, requirements, cache_path."""
        about = protocol.AboutVersion(module=module_ref(module), version=version_ref(version))
        caller.require(INSPECT, str(about.module))
        found = await connections.ask(Options(options), lambda client: connections.fetched(client, about))
        content = inspect_pack(await asyncio.to_thread(read_pack, found.path)).content
        return {
            "version": found.version.version,
            "digest": found.version.digest,
            "size_bytes": float(found.version.size_bytes),
            "protected": found.version.protected,
            "entry_count": float(content.entry_count),
            "entry_kinds": content.entry_kinds,
            "requirements": shown(content.requirements),
            "cache_path": str(found.path),
        }

    @hub.function(
        "open_package(module: any, version: any, options: any) -> any", caller=True, yields=True, private=True
    )
    async def open_package(caller: Caller, module: Any = None, version: Any = None, options: Any = None) -> Many:
        about = protocol.AboutVersion(module=module_ref(module), version=version_ref(version))
        caller.require(INSPECT, str(about.module))
        found = await connections.ask(Options(options), lambda client: connections.fetched(client, about))
        owner = caller.pid_key
        _take_descriptor(descriptors, owner)
        try:
            pack = await asyncio.to_thread(read_pack, found.path)
        except BaseException:
            descriptors.give_back(owner)
            raise
        package = Package(node, found, pack, lambda: descriptors.give_back(owner))
        handle = caller.keep(packages, package, package.close)
        return Many((handle, found.version.version, found.version.digest))

    @packages.method("metadata() -> table")
    def metadata(package: Package) -> dict[str, Any]:
        """What the pack says of itself."""
        return package.pack.metadata

    @packages.method("entries(options: any) -> {Entry}")
    def entries(package: Package, options: Any = None) -> list[dict[str, Any]]:
        """Its entries as they are stored: id, kind, meta, data. Options `kind` (a text or a list) and
        `include_data` (true)."""
        given = options if isinstance(options, dict) else {}
        kind = given.get("kind")
        kinds = [kind] if isinstance(kind, str) else [k for k in kind if isinstance(k, str)] if kind else []
        return package.entries(kinds, with_data=given.get("include_data") is not False)

    @packages.method("resources() -> {table}")
    def resources(package: Package) -> list[dict[str, Any]]:
        """Its trees of files: id, meta, file_count, total_size."""
        return [
            {
                "id": str(each.id),
                "meta": each.meta,
                "file_count": float(len(each.tree.files)),
                "total_size": float(sum(info.size for info in each.tree.files.values())),
            }
            for each in package.pack.resources
        ]

    @hub.function("volume(package: any, resource: string) -> string", private=True)
    def volume(package: Any, resource: str) -> str:
        if not isinstance(package, Package):
            raise invalid("package required")
        return package.volume(resource)

    @packages.method("close() -> boolean", caller=True)
    def close(caller: Caller, package: Package) -> bool:
        """Closes it, and the file systems it gave; again does nothing."""
        caller.drop(package)
        package.close()
        return True

    hub.in_lua(
        {
            "versions.open(module: any, version: any, options: any) -> Package": "Opens a pack: fields version, "
            "digest, packed. It is closed with its process. (yields)"
        },
        {"Package": {"fs(resource: string) -> FS": "The files of a resource, read-only. Errors: NotFound."}},
        {"versions.open": (INSPECT,)},
    )


def _take_descriptor(descriptors: Descriptors, owner: tuple[int, int]) -> None:
    try:
        descriptors.take(owner)
    except OSError as error:
        raise internal(f"package cannot be opened: {error.strerror or error}") from None


# Dependencies, dependents, files --------------------------------------------------------------------------------------


def _declare_relations(hub: Module, connections: Connections) -> None:
    @hub.function(
        "dependencies.get(module: any, version: any, options: any) -> table",
        caller=True,
        yields=True,
        asks=(DEPENDENCIES,),
    )
    async def dependencies(caller: Caller, module: Any = None, version: Any = None, options: Any = None) -> Any:
        """What a version depends on: items with org, name, version_constraint. Without a version: the latest."""
        about = protocol.AboutVersion(module=module_ref(module), version=version_ref(version, required=False))
        caller.require(DEPENDENCIES, str(about.module))
        answer = await connections.call(Options(options), protocol.GET_DEPENDENCIES, about)
        return {"items": shown(answer.dependencies)}

    @hub.function("dependents.get(module: any, options: any) -> table", caller=True, yields=True, asks=(DEPENDENTS,))
    async def dependents(caller: Caller, module: Any = None, options: Any = None) -> Any:
        """What depends on a module, in pages: items with org, name, version, constraint."""
        ref = module_ref(module)
        caller.require(DEPENDENTS, str(ref))
        given = Options(options)
        page, size = given.count("page", 1), given.count("page_size", PAGE_SIZE)
        request = protocol.ListDependents(module=ref, page=page, page_size=size)
        answer = await connections.call(given, protocol.GET_DEPENDENTS, request)
        return paged(answer.dependents, answer)

    @hub.function(
        "files.list(module: any, version: any, options: any) -> table", caller=True, yields=True, asks=(FILES,)
    )
    async def files(caller: Caller, module: Any = None, version: Any = None, options: Any = None) -> Any:
        """The files in a version's pack, in pages: items with path, size_bytes."""
        ref, exact = module_ref(module), version_ref(version)
        caller.require(FILES, str(ref))
        given = Options(options)
        page, size = given.count("page", 1), given.count("page_size", PAGE_SIZE)
        request = protocol.ListFiles(module=ref, version=exact, page=page, page_size=size)
        answer = await connections.call(given, protocol.LIST_FILES, request)
        return paged(answer.files, answer)


# Authentication -------------------------------------------------------------------------------------------------------


def _declare_auth(hub: Module, connections: Connections) -> None:
    def registry_of(value: Any) -> str:
        if value is not None and not text_of(value):
            raise invalid("registry must be a URL")
        return connections.registry(checked_registry(value) if value is not None else None)

    @hub.function(
        "auth.authenticate(token: any, registry: any) -> table", caller=True, yields=True, asks=(AUTHENTICATE,)
    )
    async def authenticate(caller: Caller, token: Any = None, registry: Any = None) -> dict[str, Any]:
        """Uses a token from now on, for as long as the runtime runs, if the hub accepts it; says as `status` what came
        of it."""
        if not text_of(token):
            raise invalid("token required")
        caller.require(AUTHENTICATE)
        url = registry_of(registry)
        try:
            secret = checked_token(text_of(token))
        except Error:
            return {"authenticated": False, "registry": url, "orgs": []}
        found = await _status(url, secret)
        if found["authenticated"]:
            connections.remember(url, secret)
        return found

    @hub.function("auth.status(registry: any) -> table", caller=True, yields=True, asks=(STATUS,))
    async def status(caller: Caller, registry: Any = None) -> dict[str, Any]:
        """authenticated, registry, orgs, username, user_id, scope, expires_at, expired."""
        caller.require(STATUS)
        url = registry_of(registry)
        token = connections.token(url)
        return await _status(url, token) if token is not None else _nobody(url)

    @hub.function("auth.logout(registry: any) -> boolean", caller=True, asks=(LOGOUT,))
    def logout(caller: Caller, registry: Any = None) -> bool:
        """Uses no token from now on, for as long as the runtime runs; stored ones stay."""
        caller.require(LOGOUT)
        connections.remember(registry_of(registry), None)
        return True


def _nobody(url: str) -> dict[str, Any]:
    return {"authenticated": False, "registry": url, "orgs": []}


async def _status(url: str, token: Token) -> dict[str, Any]:
    """What the hub says of a token. Raises Error when it cannot be asked."""
    try:
        async with HubClient(url, token, seconds=REQUEST_SECONDS) as client:
            found = await client.account()
    except Error as error:
        if error.kind != PERMISSION_DENIED:
            raise
        return _nobody(url)
    known = {
        "username": found.username,
        "user_id": found.user_id,
        "scope": found.scope,
        "expires_at": found.expires_at,
    }
    expired = bool(found.expires_at) and found.expires_at <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "authenticated": True,
        "registry": url,
        "orgs": found.orgs,
        "expired": expired,
        **{name: value for name, value in known.items() if value},
    }
