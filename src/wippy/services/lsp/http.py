"""The same methods over HTTP: one POST carries one message or a batch. Browsers may ask as CORS says (spec 02 §9)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from wippy.core.errors import invalid
from wippy.project import settings
from wippy.project.config import Config
from wippy.services.lsp.language import Language
from wippy.services.lsp.protocol import RpcError, decode, failure
from wippy.services.lsp.session import Session

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("wippy.lsp")


class HttpServer:
    """All clients share one session, which needs no `initialize`: an HTTP request belongs to no connection."""

    def __init__(self, language: Language, config: Config) -> None:
        self._session = Session(language, connected=False)
        self._address = config.get(settings.LSP_HTTP_ADDRESS)
        self._path = config.get(settings.LSP_HTTP_PATH)
        self._origins = [text.strip() for text in config.get(settings.LSP_HTTP_ALLOW_ORIGIN).split(",")]
        self._most = config.get(settings.LSP_MAX_MESSAGE_BYTES)
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        assert self._runner is not None
        port: int = self._runner.addresses[0][1]
        return port

    async def start(self) -> None:
        """Raises Error(Invalid) when the address cannot be listened at."""
        from aiohttp import web

        from wippy.services.lsp.server import parse_address

        host, port = parse_address(settings.LSP_HTTP_ADDRESS.key, self._address)
        application = web.Application(client_max_size=self._most)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise invalid(f"lsp.http_address {self._address} cannot be used: {error}") from None
        log.info("language server at http://%s:%d%s", host, self.port, self._path)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if request.path != self._path:
            return web.Response(status=404)
        headers = self._headers(request.headers.get("Origin"))
        if headers is None:
            return web.Response(status=403, text="this origin may not ask\n")
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=headers)
        if request.method != "POST":
            return web.Response(status=405, headers={**headers, "Allow": "POST, OPTIONS"})
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, headers=headers, text="the message is too long\n")
        try:
            answered = await self._session.handle(decode(body))
        except RpcError as error:
            answered = failure(None, error)
        if answered is None:
            return web.Response(status=204, headers=headers)
        data = msgspec.json.encode(answered)
        return web.Response(body=data, headers=headers, content_type="application/json")

    def _headers(self, origin: str | None) -> dict[str, str] | None:
        """What a response says to browsers; None for a page whose origin is not among those that may ask."""
        methods = {"Access-Control-Allow-Methods": "POST, OPTIONS", "Access-Control-Allow-Headers": "Content-Type"}
        if "*" in self._origins:
            return {**methods, "Access-Control-Allow-Origin": "*"}
        if origin is not None and origin not in self._origins:
            return None
        return {**methods, "Access-Control-Allow-Origin": origin or self._origins[0], "Vary": "Origin"}
