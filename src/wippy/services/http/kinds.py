"""The kinds `http.service`, `http.router`, `http.endpoint` (spec 05 §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.compute.service_identity import ServiceIdentity
from wippy.core.config import Duration, Ref
from wippy.core.errors import already_exists, conflict, internal, invalid, not_found
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.http.routing import check_method, join, parse_pattern
from wippy.services.http.server import parse_address
from wippy.services.http.service import Endpoint, HttpService, Router

if TYPE_CHECKING:
    from wippy.compute.node import Node

Positive = Annotated[Duration, msgspec.Meta()]


class Timeouts(msgspec.Struct, frozen=True):
    read: Duration = Duration(0)
    write: Duration = Duration(0)
    idle: Duration = Duration(0)


class RelayHost(msgspec.Struct, frozen=True):
    buffer_size: Annotated[int, msgspec.Meta(ge=0)] = 1024
    worker_count: Annotated[int, msgspec.Meta(ge=0)] = 0


class ServiceConfig(msgspec.Struct, frozen=True):
    addr: str
    timeouts: Timeouts = Timeouts()
    host: RelayHost = RelayHost()
    lifecycle: Lifecycle = Lifecycle()


class RouterConfig(msgspec.Struct, frozen=True):
    server: Ref = msgspec.field(name="meta.server")
    prefix: str = ""
    middleware: list[str] = []
    options: dict[str, str] = {}
    post_middleware: list[str] = []
    post_options: dict[str, str] = {}


class EndpointConfig(msgspec.Struct, frozen=True):
    router: Ref = msgspec.field(name="meta.router")
    method: str
    path: str
    func: Ref


class HttpHandler(KindHandler[Any]):
    """Shared by the kinds: routing tables are rebuilt once, at the end of a transaction."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def services(self) -> list[HttpService]:
        return [r for r in self._node.resources.values() if isinstance(r, HttpService)]

    def router(self, entry_id: str) -> Router:
        for service in self.services():
            if entry_id in service.routers:
                return service.routers[entry_id]
        raise not_found(f"router {entry_id} not found")

    async def commit(self) -> None:
        for service in self.services():
            service.rebuild()

    async def discard(self) -> None:
        for service in self.services():
            service.rebuild()


class ServiceHandler(HttpHandler):
    kind = "http.service"
    config = ServiceConfig

    async def add(self, entry: Entry, config: ServiceConfig) -> None:
        if not config.addr:
            raise invalid('field "addr": required field is empty')
        parse_address(config.addr)
        if min(config.timeouts.read, config.timeouts.write, config.timeouts.idle) < 0:
            raise invalid('field "timeouts": must not be negative')
        name = str(entry.id)
        service = HttpService(self._node, name, config.addr, ServiceIdentity(self._node, config.lifecycle.security))
        self._node.resources[name] = service
        self._node.supervisor.add(name, service, config.lifecycle)

    async def update(self, entry: Entry, config: ServiceConfig, previous: Entry) -> None:
        service = self._node.resources[str(entry.id)]
        if config.addr != service.addr:
            raise conflict("the address of a live http.service cannot change")

    async def remove(self, entry: Entry) -> None:
        await self._node.supervisor.remove(str(entry.id))
        self._node.resources.pop(str(entry.id), None)


class RouterHandler(HttpHandler):
    kind = "http.router"
    config = RouterConfig
    references = ("meta.server",)

    async def add(self, entry: Entry, config: RouterConfig) -> None:
        service = self._service(config.server)
        self._check(entry, config, service)
        service.routers[str(entry.id)] = Router(str(entry.id), config.prefix)

    async def update(self, entry: Entry, config: RouterConfig, previous: Entry) -> None:
        router = self.router(str(entry.id))
        service = self._service(config.server)
        self._check(entry, config, service)
        if router.id in service.routers:
            router.prefix = config.prefix
            return
        for other in self.services():
            other.routers.pop(router.id, None)
        service.routers[router.id] = Router(router.id, config.prefix)

    async def remove(self, entry: Entry) -> None:
        for service in self.services():
            service.routers.pop(str(entry.id), None)

    def _service(self, server: Ref) -> HttpService:
        service = self._node.resources.get(str(server))
        if not isinstance(service, HttpService):
            raise not_found(f"http.service {server} not found")
        return service

    def _check(self, entry: Entry, config: RouterConfig, service: HttpService) -> None:
        for name in (*config.middleware, *config.post_middleware):
            raise internal(f'unknown middleware "{name}"')
        for router in service.routers.values():
            if router.id != str(entry.id) and router.prefix == config.prefix:
                raise already_exists(f'router {router.id} has the prefix "{config.prefix}" already')


class EndpointHandler(HttpHandler):
    kind = "http.endpoint"
    config = EndpointConfig
    references = ("meta.router",)

    async def add(self, entry: Entry, config: EndpointConfig) -> None:
        check_method(config.method)
        router = self.router(str(config.router))
        parse_pattern(join(router.prefix, config.path) if config.path.startswith("/") else config.path)
        name = str(entry.id)
        router.endpoints[name] = Endpoint(name, config.method, config.path, str(config.func), entry.label())

    async def update(self, entry: Entry, config: EndpointConfig, previous: Entry) -> None:
        check_method(config.method)
        self.router(str(config.router))
        self._drop(str(entry.id))
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._drop(str(entry.id))

    def _drop(self, name: str) -> None:
        for service in self.services():
            for router in service.routers.values():
                router.endpoints.pop(name, None)
