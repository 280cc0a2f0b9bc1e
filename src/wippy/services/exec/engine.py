"""Talking to a container engine: its HTTP interface over a socket, one connection for each request."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from wippy.core.errors import Error, internal, invalid, not_found, unavailable

DEFAULT_HOST = "unix:///var/run/docker.sock"
MOST_ANSWER = 1 << 20
PATIENCE = 60.0  # seconds for an answer; an image that is not there yet may be on its way
KINDS = {400: invalid, 404: not_found}


class Address(NamedTuple):
    family: socket.AddressFamily
    target: Any
    text: str


def parse_host(host: str) -> Address:
    """`unix:///path`, `tcp://host:port` or `http://host:port`. Raises Error(Invalid)."""
    parts = urlsplit(host)
    if parts.scheme == "unix" and parts.path:
        return Address(socket.AF_UNIX, parts.path, host)
    try:
        if parts.scheme in ("tcp", "http") and parts.hostname and parts.port:
            family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
            return Address(family, (parts.hostname, parts.port), host)
    except ValueError:
        pass
    raise invalid(f'engine address "{host}" is neither unix:///path nor tcp://host:port')


class Answer(NamedTuple):
    """The status of an answer, and what came behind its head so far. The connection is the caller's to close."""

    status: int
    connection: socket.socket
    received: bytes


class Engine:
    """A container engine. Everything raises Error(Unavailable) when it cannot be reached."""

    def __init__(self, host: str) -> None:
        self._address = parse_host(host)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of a request; None when it has none. Raises the Error that the engine answers with."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._ask(method, path, body, "Connection: close\r\n")
                return await self._decoded(answer)
        except TimeoutError:
            raise unavailable(f"container engine at {self._address.text} does not answer") from None

    async def begin(self, method: str, path: str) -> Answer:
        """The head of an answer whose body comes later. Raises the Error that the engine answers with."""
        answer = await self._ask(method, path, None, "Connection: close\r\n")
        if answer.status >= 300:
            await self._decoded(answer)
        return answer

    async def attach(self, path: str) -> Answer:
        """A connection that has become a stream of bytes."""
        answer = await self._ask("POST", path, None, "Connection: Upgrade\r\nUpgrade: tcp\r\n")
        if answer.status not in (101, 200):
            await self._decoded(answer)
        rest = answer.received.partition(b"\r\n\r\n")[2]
        return Answer(answer.status, answer.connection, rest)

    async def finish(self, answer: Answer) -> Any:
        """The body of an answer that was begun."""
        return await self._decoded(answer)

    async def _ask(self, method: str, path: str, body: Any, headers: str) -> Answer:
        loop = asyncio.get_running_loop()
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n{headers}"
        connection = socket.socket(self._address.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, self._address.target)
            await loop.sock_sendall(connection, f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            received = b""
            while b"\r\n\r\n" not in received:
                piece = await loop.sock_recv(connection, 4096)
                if not piece or len(received) > MOST_ANSWER:
                    raise internal("the container engine gave no answer")
                received += piece
            return Answer(int(received.split(b" ", 2)[1]), connection, received)
        except OSError as e:
            connection.close()
            reason = (e.strerror or str(e)).lower()
            raise unavailable(f"container engine is not reachable at {self._address.text}: {reason}") from None
        except BaseException:
            connection.close()
            raise

    async def _decoded(self, answer: Answer) -> Any:
        loop = asyncio.get_running_loop()
        received = answer.received
        try:
            while len(received) <= MOST_ANSWER and (piece := await loop.sock_recv(answer.connection, 65536)):
                received += piece
        except OSError as e:
            raise unavailable(f"the container engine has gone: {(e.strerror or str(e)).lower()}") from None
        finally:
            answer.connection.close()
        return _body(received)


class _Received:
    """What http.client wants of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _body(received: bytes) -> Any:
    """The value in an answer. Raises its Error when it tells of a failure."""
    try:
        response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
        response.begin()
        content = response.read()
        value = json.loads(content) if content.strip() else None
    except (http.client.HTTPException, ValueError) as e:
        raise internal(f"the container engine gave no readable answer: {e}") from None
    if response.status < 300:
        return value
    message = value.get("message") if isinstance(value, dict) else None
    make = KINDS.get(response.status, internal)
    error: Error = make(f"container engine: {message or response.reason}")
    raise error
