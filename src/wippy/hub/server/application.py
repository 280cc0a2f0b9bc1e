"""The hub's HTTP side: RSGI, as the embedded server calls it. Every failure is JSON with a code."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

import msgspec

from wippy.core.errors import Error, conflict, invalid, not_found
from wippy.hub import protocol
from wippy.hub.server.catalog import Catalog
from wippy.hub.server.database import Database
from wippy.hub.server.operations import Operations
from wippy.hub.server.publishing import LARGEST_UPLOAD, Publishing
from wippy.hub.server.tokens import ANYBODY, Principal, Tokens, unauthenticated

log = logging.getLogger("wippy.hub")

LARGEST_REQUEST = 1024 * 1024  # bytes
JSON = ("content-type", "application/json")
Handler: TypeAlias = Callable[[Any, Any, Principal], Awaitable[None]]


class Hub:
    """A hub in a directory, which is its own as long as it is open."""

    def __init__(self, directory: Path, *, largest: int = LARGEST_UPLOAD, public_url: str = "") -> None:
        """public_url: how others reach it; empty: as they call it. Raises Error(Conflict) when another hub has the
        directory."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(directory / "hub.lock")
        self._database = Database(directory / "hub.db")
        self.tokens = Tokens(self._database)
        self._publishing = Publishing(directory, self._database, largest)
        self._publishing.clean()
        self._catalog = Catalog(self._database)
        self._public_url = public_url.rstrip("/")
        self._operations = Operations(self._catalog, self._publishing)

    def close(self) -> None:
        self._database.close()
        os.close(self._lock)

    async def __call__(self, scope: Any, channel: Any) -> None:
        """One request."""
        if scope.proto != "http":
            return
        try:
            await self._route(scope, channel)
        except Error as error:
            _fail(channel, error)
        except Exception:
            log.exception("a request failed")
            _fail(channel, Error("Internal", "the request failed"))

    async def _route(self, scope: Any, channel: Any) -> None:
        verb, path = scope.method, scope.path
        caller = self._caller(scope)
        if verb in ("GET", "HEAD") and path.startswith(protocol.WAPP):
            self._send_pack(scope, channel, path.removeprefix(protocol.WAPP), caller)
        elif verb == "GET" and path == protocol.ORGS:
            if not caller.id:
                raise unauthenticated("a token is needed")
            _answer(channel, caller.account())
        elif verb == "POST" and path == protocol.MODULES:
            request = _decoded(await _body(scope, channel), protocol.NewModule)
            created = self._publishing.create_module(request, caller)
            module = self._catalog.module(protocol.ModuleRef(id=created), caller)
            _answer(channel, protocol.OneModule(module=module), 201)
        elif verb == "POST" and path == protocol.UPLOAD:
            await self._take_upload(scope, channel, caller)
        else:
            await self._operate(scope, channel, caller)

    async def _operate(self, scope: Any, channel: Any, caller: Principal) -> None:
        operation = self._operations.find(scope.path) if scope.method == "POST" else None
        if operation is None:
            raise not_found(f"no operation {scope.method} {scope.path}")
        request = _decoded(await _body(scope, channel), operation.method.request)
        _answer(channel, await operation.run(request, caller, self._base(scope)))

    def _base(self, scope: Any) -> str:
        host = scope.authority or scope.headers.get("host") or ""
        return self._public_url or (f"{scope.scheme}://{host}" if host else "")

    def _caller(self, scope: Any) -> Principal:
        header = scope.headers.get("authorization")
        if not header:
            return ANYBODY
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthenticated("authorization must be a bearer token")
        return self.tokens.principal(token.strip())

    def _send_pack(self, scope: Any, channel: Any, digest: str, caller: Principal) -> None:
        versions = self._catalog.visible_pack(digest, caller)
        path = self._publishing.pack(digest)
        headers = [("content-type", "application/octet-stream"), ("content-length", str(path.stat().st_size))]
        if scope.method == "HEAD":
            channel.response_empty(200, headers)
            return
        self._publishing.count_download(versions)
        channel.response_file(200, headers, str(path))

    async def _take_upload(self, scope: Any, channel: Any, caller: Principal) -> None:
        """A pack: announced before (`publish_id` in the query), or by its headers."""
        given = parse_qs(scope.query_string).get("publish_id")
        if given:
            publish_id = given[0]
            await self._publishing.upload(publish_id, caller, _pieces(channel))
            status = self._publishing.status(publish_id, caller)
        else:
            publish_id = self._publishing.initiate(_announced(scope.headers), caller).publish_id
            await self._publishing.upload(publish_id, caller, _pieces(channel))
            status = await self._publishing.confirm(publish_id, caller)
        answer = {**msgspec.to_builtins(status), "publish_id": publish_id}
        channel.response_bytes(200, [JSON], msgspec.json.encode(answer))


def _announced(headers: Any) -> protocol.InitiatePublish:
    def header(name: str) -> str:
        return str(headers.get(f"x-wippy-{name}") or "")

    size = header("size")
    if not size.isdecimal():
        raise invalid("X-Wippy-Size must be the number of bytes")
    return protocol.InitiatePublish(
        org=header("org"),
        module=header("module"),
        version=header("version"),
        digest=header("digest"),
        size_bytes=int(size),
        label=header("label"),
        release_notes=unquote(header("release-notes")),
        protected=header("protected").lower() in ("true", "1"),
    )


async def _pieces(channel: Any) -> AsyncIterator[bytes]:
    async for piece in channel:
        if piece:
            yield bytes(piece)


async def _body(scope: Any, channel: Any) -> bytes:
    found = bytearray()
    async for piece in channel:
        found += piece
        if len(found) > LARGEST_REQUEST:
            raise invalid(f"a request may have {LARGEST_REQUEST} bytes")
    return bytes(found)


def _decoded(body: bytes, wanted: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=wanted, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid(f"malformed request: {error}") from None


def _answer(channel: Any, message: protocol.Message, status: int = 200) -> None:
    channel.response_bytes(status, [JSON], msgspec.json.encode(message))


def _fail(channel: Any, error: Error) -> None:
    status, failure = protocol.failure_of(error)
    if error.details and error.details.get("code") == "unauthenticated":
        status, failure = 401, protocol.Failure(code="unauthenticated", message=error.message)
    channel.response_bytes(status, [JSON], msgspec.json.encode(failure))


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise conflict(f"another hub serves {path.parent}") from None
    return descriptor
