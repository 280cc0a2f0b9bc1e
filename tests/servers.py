"""Servers that tests need, each started for them alone: on a free port, with a data folder that goes with it.

    def test_something(postgres: Postgres) -> None:
        dsn = postgres.database()      # a fresh, empty database

Without the server installed such a test is skipped and says why; with WIPPY_REQUIRE_SERVICES=1 it fails instead.
`make services` installs what they need.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from apps.program import free_port

LIMIT = 60.0  # seconds a server may take to come up, on a busy machine
_PR_SET_PDEATHSIG = 1


def missing(reason: str) -> NoReturn:
    """Ends the test that cannot run: as skipped, or as failed where services are required."""
    if os.environ.get("WIPPY_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason} (required: WIPPY_REQUIRE_SERVICES=1)", pytrace=False)
    pytest.skip(reason)


def _program(name: str) -> Path | None:
    """A program of PostgreSQL: on the path, or where Debian keeps it (the newest version)."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return max(found, key=lambda path: float(path.parts[-3]), default=None)


def _end_with_parent() -> None:
    """In the child: ends with the tests, even when those are killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _unprivileged() -> dict[str, Any]:
    """Options of `subprocess` for a server that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    missing("PostgreSQL does not run as root, and there is no user postgres or nobody")


class Postgres:
    """A PostgreSQL server. `start` and `kill` may alternate: what was committed stays."""

    USER, PASSWORD = "wippy", "s3cret"

    def __init__(self, directory: Path, server: Path, initdb: Path) -> None:
        self._data = directory / "data"
        self._directory = directory
        self._server = server
        self._as_user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        self._make(initdb)

    def _make(self, initdb: Path) -> None:
        secret = self._directory / "password"
        secret.write_text(self.PASSWORD)
        if self._as_user:
            for path in (self._directory, secret):
                os.chown(path, self._as_user["user"], self._as_user["group"])
        words = [initdb, "-D", self._data, "-U", self.USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8"]
        words += ["--no-sync", "--locale=C.UTF-8"]
        made = subprocess.run(
            words, capture_output=True, text=True, timeout=LIMIT, cwd=self._directory, **self._as_user
        )
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        """Returns when it answers. For the main thread: the server ends with the thread that started it."""
        assert threading.current_thread() is threading.main_thread()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._directory,
            "max_connections": 50,
            "shared_buffers": "16MB",
            "fsync": "off",
        }
        words = [self._server, "-D", self._data, "-p", str(self.port)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, cwd=self._directory, preexec_fn=_end_with_parent, **self._as_user
            )
        deadline = time.monotonic() + LIMIT
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def _answers(self) -> bool:
        import asyncpg

        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def kill(self) -> None:
        """Ends it at once: connections break, nothing is written any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(LIMIT)
            self._process = None

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text()

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://{self.USER}:{self.PASSWORD}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """The rows of a statement."""
        import asyncpg

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.dsn(database), timeout=LIMIT)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def database(self) -> str:
        """The DSN of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.dsn(name)


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A running PostgreSQL until the block ends."""
    server, initdb = _program("postgres"), _program("initdb")
    if server is None or initdb is None:
        missing("PostgreSQL is not installed: run `make services`")
    directory = Path(tempfile.mkdtemp(prefix="wippy-postgres-"))
    found: Postgres | None = None
    try:
        found = Postgres(directory, server, initdb)
        found.start()
        yield found
    finally:
        if found is not None:
            found.kill()
        shutil.rmtree(directory, ignore_errors=True)
