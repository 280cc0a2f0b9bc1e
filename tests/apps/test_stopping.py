"""Stopping a server that has work: no accepted request is lost (spec 01 §18 "Shutdown")."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.program import Serving, eventually, free_port, project, serving

INDEX = """\
version: "1.0"
namespace: app

entries:
  - name: processes
    kind: process.host
    lifecycle: {{ auto_start: true }}

  - name: web
    kind: http.service
    addr: 127.0.0.1:{port}
    lifecycle: {{ auto_start: true, requires: [processes], stop_timeout: {stop_timeout} }}

  - name: root
    kind: http.router
    meta: {{ server: web }}
    prefix: /

  - name: slow
    kind: function.lua
    source: file://slow.lua
    method: handler
    modules: [http, time]

  - name: slow.get
    kind: http.endpoint
    meta: {{ router: root }}
    method: GET
    path: /slow/{{milliseconds}}
    func: slow
"""
SLOW = """\
local http = require("http")
local time = require("time")

local function handler()
  local req, res = http.request(), http.response()
  time.sleep(tonumber(req:param("milliseconds")) * time.MILLISECOND)
  res:write("done after " .. req:param("milliseconds"))
end

return { handler = handler }
"""


@contextlib.contextmanager
def server(directory: Path, *words: str, stop_timeout: str = "10s") -> Iterator[Serving]:
    port = free_port()
    project(directory, _index=INDEX.format(port=port, stop_timeout=stop_timeout), **{"slow.lua": SLOW})
    with serving(directory, *words, port=port) as running:
        yield running


class Client(threading.Thread):
    """Asks again and again on one connection, until the server closes it."""

    def __init__(self, port: int, path: str, done: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address = ("127.0.0.1", port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._done = done
        self.complete = 0
        self.lost: list[str] = []

    def run(self) -> None:
        while not self._done.is_set():
            try:
                connection = socket.create_connection(self._address, timeout=20)
            except OSError:
                return  # nobody listens any more
            with connection:
                while not self._done.is_set() and self._exchange(connection):
                    pass

    def _exchange(self, connection: socket.socket) -> bool:
        """One request; False when the connection is over."""
        try:
            connection.sendall(self._request)
            received = self._receive(connection)
        except OSError as e:
            # A reset before the first byte: the server had closed the connection when the request arrived.
            if not isinstance(e, (ConnectionResetError, BrokenPipeError)):
                self.lost.append(repr(e))
            return False
        if not received:
            return False
        if received.startswith(b"HTTP/1.1 200 ") and b"done after" in received:
            self.complete += 1
            return b"connection: close" not in received.lower()
        self.lost.append(received.decode("utf-8", "replace"))
        return False

    def _receive(self, connection: socket.socket) -> bytes:
        received = b""
        while True:
            chunk = connection.recv(65536)
            if not chunk:
                return received
            received += chunk
            head, end, body = received.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            if end and length and len(body) >= int(length[1]):
                return received


def test_requests_in_progress_are_answered(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        connections = []
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
            connection.sendall(b"GET /slow/500 HTTP/1.1\r\nHost: x\r\n\r\n")
            connections.append(connection)
        time.sleep(0.2)  # all of them have been accepted: half of what the handler takes
        running.process.send_signal(signal.SIGTERM)
        for connection in connections:
            with connection:
                received = b""
                while b"done after 500" not in received:
                    chunk = connection.recv(65536)
                    assert chunk, received
                    received += chunk
                assert received.startswith(b"HTTP/1.1 200 ")
        assert running.wait() == 0
        assert not any("Traceback" in line for line in running.lines)


def test_no_accepted_request_is_lost_under_load(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        stop = threading.Event()
        clients = [Client(running.port, "/slow/50", stop) for _ in range(20)]
        for client in clients:
            client.start()
        eventually(lambda: all(client.complete >= 3 for client in clients))
        assert running.stop() == 0
        stop.set()
        for client in clients:
            client.join(20)
        assert [lost for client in clients for lost in client.lost] == []
        assert not any("Traceback" in line for line in running.lines)


def test_new_connections_are_refused_while_the_last_requests_finish(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as waiting:
            waiting.sendall(b"GET /slow/1000 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)
            running.process.send_signal(signal.SIGTERM)

            def refused() -> bool:
                try:
                    socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
                except OSError:
                    return True
                return False

            eventually(refused, 0.8)
            assert running.process.poll() is None
            assert b"done after 1000" in waiting.recv(65536)
        assert running.wait() == 0


def test_a_request_longer_than_the_stop_timeout_does_not_hold_the_server(tmp_path: Path) -> None:
    with server(tmp_path, stop_timeout="300ms") as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as waiting:
            waiting.sendall(b"GET /slow/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)
            began = time.monotonic()
            assert running.stop() == 0
        assert 0.2 < time.monotonic() - began < 5
        assert running.logged("stop timeout after 300ms")


def test_an_idle_connection_does_not_hold_the_server(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as idle:
            idle.sendall(b"GET /slow/1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            began = time.monotonic()
            assert running.stop() == 0
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(tmp_path: Path, second: signal.Signals) -> None:
    with server(tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as waiting:
            waiting.sendall(b"GET /slow/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert running.process.poll() is None
            began = time.monotonic()
            running.process.send_signal(second)
            assert running.wait() == 1
        assert time.monotonic() - began < 1


def test_a_signal_during_a_command_stops_it(tmp_path: Path) -> None:
    project(
        tmp_path,
        _index="""\
namespace: app
entries:
  - { name: terminal, kind: terminal.host, lifecycle: { auto_start: true, stop_timeout: 1s } }
  - { name: main, kind: process.lua, source: file://main.lua, modules: [io, logger, time] }
""",
        **{"main.lua": "return { main = function() logger:info('listening') time.sleep('1m') end }\n"},
    )
    with serving(tmp_path, "-v", "-x", "app:main", port=0) as running:
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 5
