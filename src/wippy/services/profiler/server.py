"""The profiler that `wippy run --profiler` serves over HTTP, for the person at the machine (spec 01 §5.4).

GET /                    what there is
GET /processes           the processes of guests by processor time, with memory; `?seconds=N` first watches for so long
GET /process?pid=PID     one of them: stacks of guest code, mail, relations
GET /stacks              where the threads of the runtime are
GET /profile?seconds=N   samples of those stacks, in the collapsed form that flame graphs are drawn from
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from wippy.compute.introspection import Introspection
from wippy.core.errors import Error, invalid, not_found

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.profiler")

SAMPLE_SECONDS = 0.005
LONGEST_SECONDS = 60.0
REQUEST_SECONDS = 10.0
SHOWN = 100  # processes


class Profiler:
    """Serves one node at `address` (`host:port`). `start` and `stop` belong to its event loop."""

    def __init__(self, node: Node, address: str) -> None:
        self._look = Introspection(node)
        self._address = address
        self._server: asyncio.Server | None = None
        self._pages: dict[str, Callable[[dict[str, str]], Awaitable[str]]] = {
            "/": self._overview,
            "/processes": self._processes,
            "/process": self._process,
            "/stacks": self._stacks,
            "/profile": self._profile,
        }

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Raises Error(Invalid) when the address cannot be listened at."""
        host, _, port = self._address.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._connected, host or "127.0.0.1", int(port))
        except (OSError, ValueError) as error:
            raise invalid(f"profiler.address {self._address} cannot be used: {error}") from None
        log.info("profiler at http://%s:%d", host or "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # Requests

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
            status, body = await self._answer(head.split(b"\r\n", 1)[0].decode("latin-1"))
            kind = "application/json" if body.startswith(("{", "[")) else "text/plain; charset=utf-8"
            data = body.encode()
            lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close"
            writer.write(f"{lines}\r\n\r\n".encode() + data)
            await asyncio.wait_for(writer.drain(), REQUEST_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: str) -> tuple[str, str]:
        method, _, rest = line.partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        page = self._pages.get(target.path)
        if method != "GET" or page is None:
            return "404 Not Found", f"there is no {target.path} here\n"
        try:
            return "200 OK", await page({key: values[-1] for key, values in parse_qs(target.query).items()})
        except Error as error:
            return "400 Bad Request", f"{error}\n"

    # Pages

    async def _overview(self, query: dict[str, str]) -> str:
        return (__doc__ or "").partition("\n\n")[2]

    async def _processes(self, query: dict[str, str]) -> str:
        if "seconds" in query:
            await self._look.processes()
            await asyncio.sleep(_seconds(query))
        found = await self._look.processes(memory=True)
        found.sort(key=lambda process: (process.cpu or 0.0, process.memory or 0), reverse=True)
        return _json(found[:SHOWN])

    async def _process(self, query: dict[str, str]) -> str:
        if "pid" not in query:
            raise not_found("which process? Add ?pid=")
        return _json(await self._look.process(query["pid"]))

    async def _stacks(self, query: dict[str, str]) -> str:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = []
        for ident, frame in sys._current_frames().items():
            parts.append(f"thread {names.get(ident, ident)}\n{''.join(traceback.format_stack(frame))}")
        return "\n".join(parts)

    async def _profile(self, query: dict[str, str]) -> str:
        counts = await asyncio.to_thread(_sample, _seconds(query))
        return "".join(f"{stack} {count}\n" for stack, count in counts.most_common())


def _seconds(query: dict[str, str]) -> float:
    try:
        seconds = float(query.get("seconds", "5"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise invalid(f"seconds must be more than 0 and at most {LONGEST_SECONDS:g}")
    return seconds


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _sample(seconds: float) -> collections.Counter[str]:
    """Stacks of all threads but the one that looks, outermost function first, and how often each was seen."""
    own, counts, done = threading.get_ident(), collections.Counter[str](), threading.Event()
    rounds = max(int(seconds / SAMPLE_SECONDS), 1)
    for _ in range(rounds):
        for ident, frame in sys._current_frames().items():
            if ident != own:
                counts[_collapsed(frame)] += 1
        done.wait(SAMPLE_SECONDS)
    return counts


def _collapsed(frame: FrameType | None) -> str:
    names = []
    while frame is not None:
        names.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return ";".join(reversed(names))
