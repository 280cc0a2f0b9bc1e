"""The rows measured from outside: HTTP against a bare granian, and the start of the whole program."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row, row

BARE = """
import asyncio, sys
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

BODY = b'{"hello":"world","answer":42}'

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": BODY})

async def main():
    port = int(sys.argv[1])
    await Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False).serve()

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""
OURS = """
import asyncio, sys
import uvloop
from benchmarks.app import entries
from wippy import Runtime

async def main():
    async with Runtime(entries=entries(int(sys.argv[1]))):
        await asyncio.sleep(3600)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""
REQUEST = b"GET /api/hello HTTP/1.1\r\nHost: bench\r\n\r\n"
CONNECTIONS = 64


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _client(port: int, until: float) -> int:
    """One keep-alive connection: requests answered until `until`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        done += 1
    writer.close()
    return done


async def _load(port: int, seconds: float) -> float:
    until = time.perf_counter() + seconds
    counts = await asyncio.gather(*(_client(port, until) for _ in range(CONNECTIONS)))
    return sum(counts) / seconds


def _requests_per_second(program: str, seconds: float) -> float:
    """Requests a second that `program PORT` answers on one core; the load comes from the other."""
    import uvloop

    port = _free_port()
    server = subprocess.Popen([sys.executable, "-c", program, str(port)], cwd=Path(__file__).parent.parent)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_load(port, 0.5))
            return runner.run(_load(port, seconds))
    finally:
        server.terminate()
        server.wait(20)


HELLO = """
version: "1.0"
namespace: app
entries:
  - name: terminal
    kind: terminal.host
    lifecycle: { auto_start: true }
  - name: hello
    kind: process.lua
    method: main
    modules: [io]
    source: |
      local io = require("io")
      return { main = function(name) io.print("hello", name) end }
"""


def _best_of(times: int, command: list[str], directory: str) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    return best


def _start() -> Row:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "src").mkdir()
        Path(directory, "src", "_index.yaml").write_text(HELLO)
        Path(directory, "wippy.lock").write_text("directories: { modules: .wippy, src: ./src }\n")
        wippy = os.path.join(os.path.dirname(sys.executable), "wippy")
        ours = _best_of(7, [wippy, "run", "-x", "app:hello", "world"], directory)
        baseline = _best_of(7, [sys.executable, "-c", "import asyncio, lupa.lua55"], directory)
    return row("start", ours, "s", "import asyncio, lupa", baseline, "<= 5", lambda r: r <= 5)


def _http(seconds: float = 4.0) -> Row:
    bare = max(_requests_per_second(BARE, seconds) for _ in range(2))
    ours = max(_requests_per_second(OURS, seconds) for _ in range(2))
    return row("http_json", ours, "requests/s", "bare granian", bare, ">= 0.35", lambda r: r >= 0.35)


def rows() -> Iterator[Row]:
    yield _http()
    yield _start()
