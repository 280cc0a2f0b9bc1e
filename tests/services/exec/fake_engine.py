"""A container engine for tests: its interface over a Unix socket, programs of this computer as its containers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Container:
    spec: dict[str, Any]
    attached: dict[str, socket.socket] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    removed: bool = False


class FakeEngine:
    """`requests`: what it was asked, as (method, path). `refuse`: an answer (status, message) by path prefix."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.requests: list[tuple[str, str]] = []
        self.containers: list[Container] = []
        self.refuse: dict[str, tuple[int, str]] = {}
        self.upgrade = True
        self.lose_waits = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(50)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for container in self.containers:
            if container.process is not None and container.process.poll() is None:
                container.process.kill()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65536)
            self.requests.append((method, target))
            self._answer(connection, method, target, json.loads(body) if body else None)

    def _send(self, connection: socket.socket, status: int, value: Any = None) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        connection.close()

    def _answer(self, connection: socket.socket, method: str, target: str, value: Any) -> None:
        parts = urlsplit(target)
        words, query = parts.path.strip("/").split("/"), parse_qs(parts.query)
        for path, (status, message) in self.refuse.items():
            if path in parts.path:
                self._send(connection, status, {"message": message})
                return
        if words == ["containers", "create"]:
            self.containers.append(Container(value))
            self._send(connection, 201, {"Id": f"c{len(self.containers) - 1}", "Warnings": []})
            return
        container = self.containers[int(words[1][1:])]
        if method == "DELETE":
            container.removed = True
            self._send(connection, 204)
        else:
            getattr(self, f"_{words[2]}")(connection, container, query)

    def _attach(self, connection: socket.socket, container: Container, query: dict[str, list[str]]) -> None:
        (name,) = (n for n in ("stdin", "stdout", "stderr") if query.get(n) == ["1"])
        container.attached[name] = connection
        status = b"101 UPGRADED" if self.upgrade else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")

    def _wait(self, connection: socket.socket, container: Container, query: dict[str, list[str]]) -> None:
        assert query == {"condition": ["next-exit"]}
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self.lose_waits:
            connection.close()
            return
        container.ended.wait()
        body = json.dumps({"StatusCode": container.code}).encode()
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        connection.close()

    def _kill(self, connection: socket.socket, container: Container, query: dict[str, list[str]]) -> None:
        process = container.process
        if process is None or container.code is not None:
            self._send(connection, 409, {"message": "container is not running"})
            return
        name = query["signal"][0]
        os.killpg(process.pid, getattr(signal, name) if name.startswith("SIG") else int(name))
        self._send(connection, 204)

    def _start(self, connection: socket.socket, container: Container, _: dict[str, list[str]]) -> None:
        environment = dict(item.split("=", 1) for item in container.spec["Env"])
        container.process = subprocess.Popen(
            container.spec["Cmd"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "PATH": os.environ["PATH"]},
            cwd=container.spec["WorkingDir"] or None,
            start_new_session=True,
        )
        self._send(connection, 204)
        threading.Thread(target=self._run, args=(container, container.process), daemon=True).start()

    def _run(self, container: Container, process: subprocess.Popen[bytes]) -> None:
        pumps = [
            threading.Thread(target=self._pump_out, args=(process.stdout, container.attached["stdout"], 1)),
            threading.Thread(target=self._pump_out, args=(process.stderr, container.attached["stderr"], 2)),
        ]
        threading.Thread(target=self._pump_in, args=(container, process), daemon=True).start()
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        code = process.wait()
        container.code = code if code >= 0 else 128 - code
        container.ended.set()

    def _pump_out(self, pipe: Any, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(pipe.fileno(), 10_000):
                head = bytes([number, 0, 0, 0]) + len(piece).to_bytes(4, "big")
                connection.sendall(head[:5])  # a head may arrive in two pieces
                connection.sendall(head[5:] + piece)
        connection.close()

    def _pump_in(self, container: Container, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while piece := container.attached["stdin"].recv(65536):
                process.stdin.write(piece)
                process.stdin.flush()
            process.stdin.close()


@contextlib.contextmanager
def engine(directory: Path) -> Iterator[FakeEngine]:
    """A fake engine that listens below `directory` until the block ends."""
    made = FakeEngine(directory / "engine.sock")
    try:
        yield made
    finally:
        made.close()
