"""The routers and endpoints of a node, flat: which server answers what follows from ids when a table is built, so that
each of them can be replaced on its own (spec 05 §1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wippy.core.errors import already_exists
from wippy.services.http.routing import Route, RoutingTable, join, parse_pattern

if TYPE_CHECKING:
    from wippy.compute.node import Node

ROUTES = "@http.routes"


@dataclass(frozen=True, slots=True)
class Endpoint:
    id: str
    router: str
    method: str
    path: str
    function: str
    label: str

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Router:
    id: str
    server: str
    prefix: str


class Routes:
    """By entry id."""

    def __init__(self) -> None:
        self.routers: dict[str, Router] = {}
        self.endpoints: dict[str, Endpoint] = {}

    def table(self, server: str) -> RoutingTable:
        """The table of a server. Raises Error(AlreadyExists) for two routers of one prefix, Error(Conflict) for
        ambiguous patterns."""
        prefixes: dict[str, str] = {}
        for router in self.routers.values():
            if router.server == server:
                other = prefixes.setdefault(router.prefix, router.id)
                if other != router.id:
                    raise already_exists(f'routers {other} and {router.id} have the same prefix "{router.prefix}"')
        return RoutingTable(self._routes(server))

    def _routes(self, server: str) -> Iterator[Route]:
        explicit: set[str] = set()
        preflights: dict[str, Route] = {}
        for endpoint in self.endpoints.values():
            router = self.routers.get(endpoint.router)
            if router is None or router.server != server:
                continue
            pattern = join(router.prefix, endpoint.path)
            segments = parse_pattern(pattern)
            yield Route(endpoint.method, pattern, segments, endpoint)
            shape = "/".join(s.text if s.kind == "literal" else f"<{s.kind}>" for s in segments)
            if endpoint.method == "OPTIONS":
                explicit.add(shape)
            else:
                preflights.setdefault(shape, Route("OPTIONS", pattern, segments, None))
        for shape, route in preflights.items():
            if shape not in explicit:
                yield route


def routes_of(node: Node) -> Routes:
    """The routes of a node."""
    found = node.resources.get(ROUTES)
    if found is None:
        found = node.resources[ROUTES] = Routes()
    routes: Routes = found
    return routes
