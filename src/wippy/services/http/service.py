"""`http.service` at run time: routers and endpoints in a table, requests into function calls (spec 05 §2)."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wippy.compute.service_identity import ServiceIdentity
from wippy.core.errors import CANCELED, Error
from wippy.services.http.exchange import Exchange
from wippy.services.http.routes import Endpoint, routes_of
from wippy.services.http.routing import Match
from wippy.services.http.server import HttpListener, parse_address

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.http")

UNQUOTED = "/:@!$&'()*+,;=~"  # what a path may hold as it is
LEAVING_SECONDS = 2.0  # how long a change of the address waits for requests in progress
WATCH_AFTER = 0.1  # seconds after which a request is worth a watch for the client's disappearance


class HttpService:
    """One server: its address, and the function calls it makes."""

    def __init__(self, node: Node, entry_id: str, addr: str, identity: ServiceIdentity) -> None:
        self._node = node
        self.id = entry_id
        self.addr = addr
        self._identity = identity
        self._routes = routes_of(node)
        self._listener: HttpListener | None = None
        self._serving: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._leaving: set[asyncio.Task[None]] = set()

    # Changing ----------------------------------------

    def act_as(self, identity: ServiceIdentity) -> None:
        """Requests from now on run under another identity."""
        before, self._identity = self._identity, identity
        if self._listener is not None:
            identity.acquire()
            before.release()

    async def move(self, addr: str) -> str:
        """Listens on another address: on the new one before the old one closes, unless they share a port. Requests in
        progress finish. The text describes the running service. Raises Error(Unavailable) and stays where it is."""
        old = self._listener
        if old is None:
            self.addr = addr
            return ""
        fresh = HttpListener(addr, self._application)
        if parse_address(addr)[1] != parse_address(self.addr)[1]:
            await fresh.start()
            await self._leave(old)
        else:
            await self._leave(old)
            try:
                await fresh.start()
            except Error:
                await old.start()
                raise
        self._listener, self.addr = fresh, addr
        return self._announced()

    async def _leave(self, listener: HttpListener) -> None:
        """Closes an address; requests that take longer than a moment finish in the background."""
        leaving = asyncio.create_task(listener.stop())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait({leaving}, timeout=LEAVING_SECONDS)

    # Serving ----------------------------------------

    async def start(self) -> str:
        self._identity.acquire()
        listener = HttpListener(self.addr, self._application)
        await listener.start()
        self._listener = listener
        return self._announced()

    def _announced(self) -> str:
        log.info("listening", extra={"fields": {"service": self.id, "addr": self.addr}})
        return f"service listening on {self.addr}"

    async def stop(self) -> None:
        """Accepts no more requests; those in progress finish, which the supervisor's stop timeout bounds."""
        self._stopping = True
        if self._listener is not None:
            await self._listener.stop()
            self._listener = None
        self._identity.release()
        self._stopping = False

    async def _application(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(404)
            return
        method, path = scope.method, scope.path
        found = self._routes.table(self.id).match(method, path)
        if found.route is None or found.route.target is None:
            _answer_without_handler(Exchange(scope, protocol, None, {}), found, scope.query_string)
            return
        exchange = Exchange(scope, protocol, found.route, found.params)
        try:
            await self._call(exchange, found.route.target)
        except Exception:
            log.exception("serving %s %s failed", method, path)
            exchange.text(500, "internal error")

    async def _call(self, exchange: Exchange, endpoint: Endpoint) -> None:
        exchanges = exchanges_of(self._node)
        number = exchanges.add(exchange)
        call = self._node.call(endpoint.function, identity=self._identity.number, request=number)
        watch = self._node.loop.call_later(WATCH_AFTER, self._watch, exchange, call)
        attachment: bytes | None = None
        error: Error | None = None
        try:
            _, attachment = await call
        except Error as e:
            error, attachment = e, getattr(e, "attachment", None)
        except asyncio.CancelledError:
            error = Error(CANCELED, "client has gone")
        finally:
            watch.cancel()
            exchanges.remove(number)
        await exchange.finish(attachment, error)

    def _watch(self, exchange: Exchange, call: asyncio.Future[Any]) -> None:
        """A client that goes away cancels its request."""
        if call.done():
            return
        task = self._node.loop.create_task(exchange.disconnected())
        call.add_done_callback(lambda _: task.cancel())
        task.add_done_callback(lambda t: None if t.cancelled() or call.done() else call.cancel())


class Exchanges:
    """The requests being served on a node, by the number their handler's modules know them under."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._live: dict[int, Exchange] = {}

    def add(self, exchange: Exchange) -> int:
        number = next(self._numbers)
        self._live[number] = exchange
        return number

    def get(self, number: int) -> Exchange | None:
        return self._live.get(number)

    def remove(self, number: int) -> None:
        self._live.pop(number, None)


def exchanges_of(node: Node) -> Exchanges:
    found = node.resources.get("@http")
    if found is None:
        found = node.resources["@http"] = Exchanges()
    exchanges: Exchanges = found
    return exchanges


def _answer_without_handler(exchange: Exchange, found: Match, query: str) -> None:
    if found.route is not None:
        exchange.empty(204)
    elif found.redirect:
        target = quote(found.redirect, safe=UNQUOTED)
        where = f"{target}?{query}" if query else target
        exchange.text(307, "Temporary Redirect", (("location", where),))
    elif found.allowed:
        exchange.text(405, "Method Not Allowed", (("allow", ", ".join(found.allowed)),))
    else:
        exchange.text(404, "404 page not found")
