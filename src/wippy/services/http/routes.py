"""The routers and endpoints of a node, flat, and the routing table of each server made of them: so each of them can be
replaced on its own, and a change costs as much as what changed (spec 05 §1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wippy.core.errors import already_exists
from wippy.services.http.routing import Route, join, parse_pattern
from wippy.services.http.table import RoutingTable

if TYPE_CHECKING:
    from wippy.compute.node import Node

ROUTES = "@http.routes"
PREFLIGHT = "OPTIONS"

_NOTHING = RoutingTable()


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


@dataclass(slots=True)
class _Server:
    """What a server answers. `shapes`: the endpoints of every path, whatever its parameters are called; `preflights`:
    the paths among them that answer OPTIONS by themselves."""

    table: RoutingTable = _NOTHING
    shapes: dict[str, dict[str, Route]] = field(default_factory=dict)
    preflights: dict[str, Route] = field(default_factory=dict)


class Routes:
    """By entry id. Changes count after `settle`."""

    def __init__(self) -> None:
        self.routers: dict[str, Router] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._of_router: dict[str, set[str]] = {}
        self._placed: dict[str, tuple[str, Route]] = {}
        self._servers: dict[str, _Server] = {}
        self._changed: set[str] = set()
        self._moved: set[str] = set()

    def table(self, server: str) -> RoutingTable:
        """What a server answers; nothing when it has no routes."""
        found = self._servers.get(server)
        return _NOTHING if found is None else found.table

    # Changing ----------------------------------------

    def put_router(self, router: Router) -> None:
        """Adds or replaces."""
        self.routers[router.id] = router
        self._moved.add(router.id)

    def drop_router(self, router_id: str) -> None:
        self.routers.pop(router_id, None)
        self._moved.add(router_id)

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Adds or replaces."""
        self.drop_endpoint(endpoint.id)
        self._endpoints[endpoint.id] = endpoint
        self._of_router.setdefault(endpoint.router, set()).add(endpoint.id)

    def drop_endpoint(self, endpoint_id: str) -> None:
        endpoint = self._endpoints.pop(endpoint_id, None)
        self._changed.add(endpoint_id)
        if endpoint is not None:
            siblings = self._of_router[endpoint.router]
            siblings.discard(endpoint_id)
            if not siblings:
                del self._of_router[endpoint.router]

    def settle(self) -> None:
        """Makes the tables of what has changed. Raises Error(AlreadyExists) for two routers of one prefix,
        Error(Conflict) for ambiguous patterns; then the tables are as before, and what has changed still waits."""
        if not self._changed and not self._moved:
            return
        self._check_prefixes()
        changed = self._changed.union(*(self._of_router.get(router, ()) for router in self._moved))
        placed = {endpoint_id: self._place(endpoint_id) for endpoint_id in sorted(changed)}
        servers = self._rebuilt(placed)
        self._servers.update(servers)
        for endpoint_id, place in placed.items():
            if place is None:
                self._placed.pop(endpoint_id, None)
            else:
                self._placed[endpoint_id] = place
        self._changed.clear()
        self._moved.clear()

    def _check_prefixes(self) -> None:
        taken: dict[tuple[str, str], str] = {}
        for router in self.routers.values() if self._moved else ():
            other = taken.setdefault((router.server, router.prefix), router.id)
            if other != router.id:
                raise already_exists(f'routers {other} and {router.id} have the same prefix "{router.prefix}"')

    def _place(self, endpoint_id: str) -> tuple[str, Route] | None:
        """The server and the route of an endpoint that is there, and whose router is."""
        endpoint = self._endpoints.get(endpoint_id)
        router = self.routers.get(endpoint.router) if endpoint is not None else None
        if endpoint is None or router is None:
            return None
        pattern = join(router.prefix, endpoint.path)
        return router.server, Route(endpoint.method, pattern, parse_pattern(pattern), endpoint)

    def _rebuilt(self, placed: dict[str, tuple[str, Route] | None]) -> dict[str, _Server]:
        """New versions of the servers whose routes change."""
        removed: dict[str, dict[str, Route]] = {}
        added: dict[str, dict[str, Route]] = {}
        for endpoint_id, place in placed.items():
            before = self._placed.get(endpoint_id)
            if place != before:
                for found, routes in ((before, removed), (place, added)):
                    if found is not None:
                        routes.setdefault(found[0], {})[endpoint_id] = found[1]
        return {
            server: _changed_server(
                self._servers.get(server, _Server()), removed.get(server, {}), added.get(server, {})
            )
            for server in removed.keys() | added.keys()
        }


def _changed_server(server: _Server, removed: dict[str, Route], added: dict[str, Route]) -> _Server:
    shapes, preflights = server.shapes.copy(), server.preflights.copy()
    touched: dict[str, dict[str, Route]] = {}
    for routes, adding in ((removed, False), (added, True)):
        for endpoint_id, route in routes.items():
            shape = _shape(route)
            at = touched.setdefault(shape, dict(shapes.get(shape, {})))
            at.pop(endpoint_id, None)
            if adding:
                at[endpoint_id] = route
    gone, come = list(removed.values()), list(added.values())
    for shape, routes in touched.items():
        before, after = preflights.pop(shape, None), _preflight(routes)
        if before is not None and before != after:
            gone.append(before)
        if after is not None:
            preflights[shape] = after
            if before != after:
                come.append(after)
        if routes:
            shapes[shape] = routes
        else:
            shapes.pop(shape, None)
    return _Server(server.table.changed(gone, come), shapes, preflights)


def _preflight(routes: dict[str, Route]) -> Route | None:
    """The answer to OPTIONS on a path that has routes but none for it."""
    if not routes or any(route.method == PREFLIGHT for route in routes.values()):
        return None
    first = next(iter(routes.values()))
    return Route(PREFLIGHT, first.pattern, first.segments, None)


def _shape(route: Route) -> str:
    return "/".join(_parts(route))


def _parts(route: Route) -> Iterator[str]:
    for segment in route.segments:
        yield segment.text if segment.kind == "literal" else f"<{segment.kind}>"


def routes_of(node: Node) -> Routes:
    """The routes of a node."""
    found = node.resources.get(ROUTES)
    if found is None:
        found = node.resources[ROUTES] = Routes()
    routes: Routes = found
    return routes
