"""The kinds `http.service`, `http.router`, `http.endpoint` (spec 05 §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.compute.service_identity import ServiceIdentity
from wippy.core.config import Duration, Ref
from wippy.core.errors import internal, invalid, not_found
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.http.routes import Endpoint, Router, routes_of
from wippy.services.http.routing import check_method, join, parse_pattern
from wippy.services.http.server import parse_address
from wippy.services.http.service import HttpService

if TYPE_CHECKING:
    from wippy.compute.node import Node

Positive = Annotated[Duration, msgspec.Meta()]


class Timeouts(msgspec.Struct, frozen=True):
    read: Duration = Duration(0)
    """Accepted."""
    write: Duration = Duration(0)
    """Accepted."""
    idle: Duration = Duration(0)
    """Accepted."""


class RelayHost(msgspec.Struct, frozen=True):
    buffer_size: Annotated[int, msgspec.Meta(ge=0)] = 1024
    """Accepted."""
    worker_count: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Accepted."""


class ServiceConfig(msgspec.Struct, frozen=True):
    addr: str
    """Where it listens: `:8080`, `127.0.0.1:8080`."""
    timeouts: Timeouts = Timeouts()
    """How long requests may take."""
    host: RelayHost = RelayHost()
    """Sizes of its relays."""
    lifecycle: Lifecycle = Lifecycle()
    """When it runs."""

    def check(self) -> None:
        """Raises Error(Invalid)."""
        if not self.addr:
            raise invalid('field "addr": required field is empty')
        parse_address(self.addr)
        if min(self.timeouts.read, self.timeouts.write, self.timeouts.idle) < 0:
            raise invalid('field "timeouts": must not be negative')


class RouterConfig(msgspec.Struct, frozen=True):
    server: Ref = msgspec.field(name="meta.server")
    """The service whose requests it takes."""
    prefix: str = ""
    """What paths of its endpoints begin with."""
    middleware: list[str] = []
    """What requests pass before an endpoint is chosen."""
    options: dict[str, str] = {}
    """Options of the middleware."""
    post_middleware: list[str] = []
    """What requests pass after that."""
    post_options: dict[str, str] = {}
    """Options of that."""


class EndpointConfig(msgspec.Struct, frozen=True):
    router: Ref = msgspec.field(name="meta.router")
    """The router it belongs to."""
    method: str
    """The HTTP method."""
    path: str
    """The path, with `{name}` for parameters and `{name...}` for the rest."""
    func: Ref
    """The function that answers."""


class HttpHandler(KindHandler[Any]):
    """Shared by the kinds: routing tables change once, at the end of a transaction."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._routes = routes_of(node)

    async def commit(self) -> None:
        self._routes.settle()

    async def discard(self) -> None:
        self._routes.settle()


class ServiceHandler(HttpHandler):
    """An HTTP server."""

    kind = "http.service"
    config = ServiceConfig

    async def add(self, entry: Entry, config: ServiceConfig) -> None:
        config.check()
        name = str(entry.id)
        service = HttpService(self._node, name, config.addr, ServiceIdentity(self._node, config.lifecycle.security))
        self._node.resources[name] = service
        self._node.supervisor.add(name, service, config.lifecycle)

    async def update(self, entry: Entry, config: ServiceConfig, previous: Entry) -> None:
        """No connection is cut: requests in progress finish where they began."""
        config.check()
        name = str(entry.id)
        service: HttpService = self._node.resources[name]
        before = self._node.registry.config(entry.id)
        assert isinstance(before, ServiceConfig)
        if config.addr != service.addr:
            self._node.supervisor.describe(name, await service.move(config.addr))
        if config.lifecycle.security != before.lifecycle.security:
            service.act_as(ServiceIdentity(self._node, config.lifecycle.security))
        self._node.supervisor.change(name, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        self._node.retired.retire(str(entry.id))

    async def restore(self, entry: Entry, config: ServiceConfig) -> None:
        self._node.retired.revive(str(entry.id))


class RouterHandler(HttpHandler):
    """A group of endpoints of a server, under one prefix."""

    kind = "http.router"
    config = RouterConfig
    references = ("meta.server",)

    async def add(self, entry: Entry, config: RouterConfig) -> None:
        for name in (*config.middleware, *config.post_middleware):
            raise internal(f'unknown middleware "{name}"')
        if not isinstance(self._node.resources.get(str(config.server)), HttpService):
            raise not_found(f"http.service {config.server} not found")
        self._routes.put_router(Router(str(entry.id), str(config.server), config.prefix))

    async def update(self, entry: Entry, config: RouterConfig, previous: Entry) -> None:
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._routes.drop_router(str(entry.id))


class EndpointHandler(HttpHandler):
    """A route: method and path, and the function that answers."""

    kind = "http.endpoint"
    config = EndpointConfig
    references = ("meta.router",)

    async def add(self, entry: Entry, config: EndpointConfig) -> None:
        check_method(config.method)
        router = self._routes.routers.get(str(config.router))
        if router is None:
            raise not_found(f"router {config.router} not found")
        parse_pattern(join(router.prefix, config.path) if config.path.startswith("/") else config.path)
        name = str(entry.id)
        endpoint = Endpoint(name, router.id, config.method, config.path, str(config.func), entry.label())
        self._routes.put_endpoint(endpoint)

    async def update(self, entry: Entry, config: EndpointConfig, previous: Entry) -> None:
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._routes.drop_endpoint(str(entry.id))
