"""One request and its response, as the host sees them: what the guest module `http` reads and fills."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from wippy.core.errors import Error, internal, invalid
from wippy.lua.wire import decode

TEXT = "text/plain; charset=utf-8"
SNIFFED = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
)
UNREADABLE = b"?"  # stands for a body that could not be read to its end
HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<h1", b"<div", b"<table", b"<p>", b"<a ", b"<b>")


def sniff(body: bytes) -> str:
    """The content type of a body nobody named one for (spec 05 §2.3)."""
    head = body[:512]
    for magic, kind in SNIFFED:
        if head.startswith(magic):
            return kind
    start = head.lstrip(b"\t\n\x0c\r ").lower()
    if start.startswith(HTML):
        return "text/html; charset=utf-8"
    if start.startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    binary = any(c < 0x20 and c not in b"\t\n\x0c\r\x1b" for c in head)
    return "application/octet-stream" if binary else TEXT


class Exchange:
    """A request being served. The body can be read once; the response is sent whole, or streamed after a flush."""

    def __init__(self, scope: Any, protocol: Any, route: Any, params: dict[str, str]) -> None:
        self._scope = scope
        self._protocol = protocol
        self.route = route
        self.params = params
        self._body: bytes | None = None
        self._transport: Any = None

    def describe(self) -> dict[str, Any]:
        """Everything about the request but its body."""
        scope = self._scope
        headers: dict[str, str] = {}
        for name, value in scope.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        query: dict[str, list[str]] = {}
        if scope.query_string:
            for name, value in parse_qsl(scope.query_string, keep_blank_values=True):
                query.setdefault(name, []).append(value)
        length = headers.get("content-length")
        return {
            "method": scope.method,
            "path": scope.path,
            "query": {name: ",".join(values) for name, values in query.items()},
            "first": {name: values[0] for name, values in query.items()},
            "headers": {name: value for name, value in headers.items() if name != "host"},
            "host": scope.authority or headers.get("host", ""),
            "remote": scope.client,
            "params": self.params,
            "length": int(length) if length and length.isdecimal() else (-1 if "transfer-encoding" in headers else 0),
        }

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body. Raises Error(Invalid) when it is larger than `limit`, Error(Internal) on a second reading of
        one that is not empty or when it does not arrive in time."""
        if self._body is not None:
            if self._body == b"":
                return b""
            raise internal("request body was read already")
        declared = self._scope.headers.get("content-length")
        if declared and declared.isdecimal() and int(declared) > limit:
            raise invalid(f"request body is larger than {limit} bytes")
        self._body = UNREADABLE
        try:
            body = self._body = await asyncio.wait_for(self._read(limit), seconds)
        except TimeoutError:
            raise internal("reading the request body took too long") from None
        return body

    async def _read(self, limit: int) -> bytes:
        chunks, size = [], 0
        async for chunk in self._protocol:
            size += len(chunk)
            if size > limit:
                raise invalid(f"request body is larger than {limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    # Answering ----------------------------------------

    def text(self, status: int, message: str, extra: tuple[tuple[str, str], ...] = ()) -> None:
        """A plain-text answer of the server itself; nothing when the response has begun."""
        if self._transport is None:
            headers = [("content-type", TEXT), ("x-content-type-options", "nosniff"), *extra]
            self._protocol.response_bytes(status, headers, f"{message}\n".encode("utf-8", "replace"))

    def empty(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._protocol.response_empty(status, list(headers))

    async def stream(self, head: bytes, chunk: bytes) -> None:
        """Sends the head if it was not sent, then `chunk`. Raises Error(Internal) when the client has gone."""
        try:
            if self._transport is None:
                status, headers = _head(head, chunk)
                self._transport = self._protocol.response_stream(status, headers)
            if chunk:
                await self._transport.send_bytes(chunk)
        except Exception as e:
            raise internal(f"writing the response failed: {e}") from None

    async def finish(self, attachment: bytes | None, error: Error | None) -> None:
        """The end of the handler: what it wrote, or what its outcome means (spec 05 §2.3)."""
        if not attachment:
            if error is not None:
                self.text(500, error.message)
            elif attachment is not None:
                self.text(500, "no response sent")
            else:
                self._protocol.response_bytes(200, [("content-type", "application/json")], b"")
            return
        size = int.from_bytes(attachment[:4], "big")
        head, body = attachment[4 : 4 + size], attachment[4 + size :]
        if self._transport is not None:
            if body:
                await self._transport.send_bytes(body)
            return
        status, headers = _head(head, body)
        if status in (204, 304) or not body:
            self._protocol.response_empty(status, headers)
        else:
            self._protocol.response_bytes(status, headers, body)

    @property
    def touched(self) -> bool:
        return self._transport is not None

    async def disconnected(self) -> None:
        """Waits until the client has gone."""
        await self._protocol.client_disconnect()


def _head(head: bytes, body: bytes) -> tuple[int, list[tuple[str, str]]]:
    status, pairs = decode(head)
    headers = [(str(name).lower(), str(value)) for name, value in pairs] if pairs else []
    if body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", sniff(body)))
    return int(status), headers
