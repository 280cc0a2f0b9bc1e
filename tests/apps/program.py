"""The `wippy` program as its users run it: in an OS process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

WIPPY = str(Path(sys.executable).with_name("wippy"))
LIMIT = 20.0  # seconds


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def wippy(directory: Path, *words: str, env: dict[str, str] | None = None) -> Outcome:
    """Runs `wippy WORDS` in `directory` to its end."""
    done = subprocess.run(
        [WIPPY, *words], cwd=directory, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, **(env or {})}
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def project(directory: Path, **files: str) -> Path:
    """A project in `directory`: the files below `src` and a lock file. `_index` is `src/_index.yaml`."""
    (directory / "src").mkdir(parents=True, exist_ok=True)
    (directory / "wippy.lock").write_text("directories:\n    modules: .wippy\n    src: ./src\n")
    for name, text in files.items():
        path = "_index.yaml" if name == "_index" else name
        (directory / "src" / path).write_text(text)
    return directory


def copy_of(example: Path, directory: Path) -> Path:
    """A copy of a project, for runs that write files."""
    return Path(shutil.copytree(example, directory / example.name, ignore=shutil.ignore_patterns("*.db*")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], Any], limit: float = LIMIT) -> Any:
    """The first true value of `condition`, asked again and again."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {limit:g} s: {condition}"
        time.sleep(0.01)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own. A body that is not bytes is sent as JSON."""
    connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


class Serving:
    """A running `wippy run`: its port, and its log as it is written."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def logged(self, text: str) -> list[dict[str, Any]]:
        return [line for line in self.log if text in line["message"]]

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, method, path, body, headers)

    def wait(self) -> int:
        """The exit code, once the program has ended."""
        code = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()


@contextlib.contextmanager
def serving(directory: Path, *words: str, port: int) -> Iterator[Serving]:
    """`wippy run WORDS` until the block ends; it has begun to listen."""
    process = subprocess.Popen(
        [WIPPY, "run", *words], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    running = Serving(process, port)
    try:
        eventually(lambda: running.logged("listening") or process.poll() is not None)
        assert process.poll() is None, "".join(running.lines)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        running.wait()
