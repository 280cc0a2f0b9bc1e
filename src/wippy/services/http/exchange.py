"""One request and its response, as the host sees them: what the guest module `http` reads and fills."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from wippy.core.errors import Error, internal
from wippy.lua.wire import decode
from wippy.services.http.body import Body
from wippy.services.http.flow import Flow
from wippy.services.http.form import Form, FormFile, read_form

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
    """A request being served. The response is sent whole, or streamed after a flush."""

    def __init__(self, scope: Any, protocol: Any, route: Any, params: dict[str, str]) -> None:
        self._scope = scope
        self._protocol = protocol
        self.route = route
        self.params = params
        self.body = Body(protocol, _length(scope.headers))
        self._form: Form | None = None
        self._flow = Flow(scope.client)
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
        return {
            "method": scope.method,
            "path": scope.path,
            "query": {name: ",".join(values) for name, values in query.items()},
            "first": {name: values[0] for name, values in query.items()},
            "headers": {name: value for name, value in headers.items() if name != "host"},
            "host": scope.authority or headers.get("host", ""),
            "remote": scope.client,
            "params": self.params,
            "length": self.body.length,
        }

    async def form(self, memory: int, seconds: float) -> Form:
        """The form in the body, read when it is first asked for. Raises Error(Invalid), Error(Internal)."""
        if self._form is None:
            kind = self._scope.headers.get("content-type") or ""
            self._form = await read_form(kind, self.body, memory, seconds)
        return self._form

    def uploaded(self, field: str, number: int) -> FormFile:
        """A file of the form that was read. Raises Error(Internal)."""
        files = self._form.files.get(field, []) if self._form is not None else []
        if not 0 < number <= len(files):
            raise internal("no such file in the form")
        return files[number - 1]

    # Answering ----------------------------------------

    def text(self, status: int, message: str, extra: tuple[tuple[str, str], ...] = ()) -> None:
        """A plain-text answer of the server itself; nothing when the response has begun."""
        if self._transport is None:
            headers = [("content-type", TEXT), ("x-content-type-options", "nosniff"), *extra]
            self._protocol.response_bytes(status, headers, f"{message}\n".encode("utf-8", "replace"))

    def empty(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._protocol.response_empty(status, list(headers))

    async def stream(self, head: bytes, chunk: bytes) -> None:
        """Sends the head if it was not sent, then `chunk`; waits for a client that reads slower than we write.

        Raises Error(Internal) when the client has gone.
        """
        try:
            if self._transport is None:
                status, headers = _head(head, chunk)
                self._transport = self._protocol.response_stream(status, headers)
            if chunk:
                await self._transport.send_bytes(chunk)
                await self._flow.sent(len(chunk))
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
        """Waits until the client has gone; not seen while a body is on its way that the handler does not read."""
        gone = (
            asyncio.ensure_future(self._protocol.client_disconnect()),
            asyncio.ensure_future(self.body.broken.wait()),
        )
        try:
            await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in gone:
                waiting.cancel()


def _length(headers: Any) -> int:
    """Bytes of the body: -1 when nobody said, 0 when there is none."""
    declared = headers.get("content-length")
    if declared and declared.isdecimal():
        return int(declared)
    return -1 if "transfer-encoding" in headers else 0


def _head(head: bytes, body: bytes) -> tuple[int, list[tuple[str, str]]]:
    status, pairs = decode(head)
    headers = [(str(name).lower(), str(value)) for name, value in pairs] if pairs else []
    if body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", sniff(body)))
    return int(status), headers
