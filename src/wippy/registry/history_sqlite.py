"""History in an SQLite file (spec 01 §12): WAL, and on the disk when `record` returns.

All statements run on one thread of their own, in order, so that the event loop never waits for the disk. A runtime that
uses the file holds a shared lock on `<file>.lock`, which tools look at before they change the head behind its back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wippy.core.errors import Error, unavailable
from wippy.registry.changes import ChangeSet
from wippy.registry.history import Moved, Version
from wippy.registry.history_codec import decode_changes, encode_changes

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")

SCHEMA_VERSION = "1"
BUSY_MILLISECONDS = 5000

_TABLES = """
CREATE TABLE IF NOT EXISTS metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES versions (id));
CREATE TABLE IF NOT EXISTS changesets (version_id INTEGER PRIMARY KEY REFERENCES versions (id), data BLOB NOT NULL);
INSERT OR IGNORE INTO metadata VALUES ('schema_version', '1'), ('head', '0');
INSERT OR IGNORE INTO versions VALUES (0, NULL);
"""


class SqliteStore:
    """A `HistoryStore` in the file `path`, which is made with its directory when it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: apsw.Connection | None = None
        self._lock: int | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> tuple[list[Version], int]:
        return await self._run(self._read)

    async def record(self, version: Version, changes: ChangeSet) -> None:
        data = encode_changes(changes)
        await self._run(self._record, version, data)

    async def move_head(self, version: Version, expected: Version) -> None:
        await self._run(self._move_head, version, expected)

    async def changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        return await self._run(self._changes, version_ids) if version_ids else []

    async def hold(self) -> None:
        await self._run(self._hold)

    async def held(self) -> bool:
        return await self._run(self._held)

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
        finally:
            thread.shutdown(wait=False)

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "history")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work, args)

    # On the thread

    def _guarded(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        import apsw

        try:
            if self._connection is None:
                self._connection = self._opened()
            return work(*args)
        except (apsw.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise unavailable(f"history {self.path} cannot be used: {reason}", retryable=False) from error

    def _opened(self) -> apsw.Connection:
        import apsw

        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = apsw.Connection(os.fspath(self.path))
        try:
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.execute(f"BEGIN IMMEDIATE; {_TABLES} COMMIT")
            ((found,),) = connection.execute("SELECT value FROM metadata WHERE key = 'schema_version'").fetchall()
            if found != SCHEMA_VERSION:
                raise _other_schema(self.path, str(found))
        except BaseException:
            connection.close()
            raise
        return connection

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        assert self._connection is not None
        rows: list[Any] = self._connection.execute(statement, values).fetchall()
        return rows

    def _head(self) -> int:
        ((value,),) = self._execute("SELECT value FROM metadata WHERE key = 'head'")
        return int(value)

    def _read(self) -> tuple[list[Version], int]:
        self._execute("BEGIN")  # one state, whoever else writes
        try:
            rows = self._execute("SELECT id, parent_id FROM versions WHERE id > 0 ORDER BY id")
            return [Version(*row) for row in rows], self._head()
        finally:
            self._execute("COMMIT")

    def _transaction(self, work: Callable[[], None]) -> None:
        self._execute("BEGIN IMMEDIATE")
        try:
            work()
            self._execute("COMMIT")
        except BaseException:
            assert self._connection is not None
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    def _record(self, version: Version, data: bytes) -> None:
        def work() -> None:
            ((last,),) = self._execute("SELECT max(id) FROM versions")
            if self._head() != version.parent or last >= version.id:
                raise Moved
            self._execute("INSERT INTO versions VALUES (?, ?)", (version.id, version.parent))
            self._execute("INSERT INTO changesets VALUES (?, ?)", (version.id, data))
            self._execute("UPDATE metadata SET value = ? WHERE key = 'head'", (str(version.id),))

        self._transaction(work)

    def _move_head(self, version: Version, expected: Version) -> None:
        def work() -> None:
            if self._head() != expected.id:
                raise Moved
            self._execute("UPDATE metadata SET value = ? WHERE key = 'head'", (str(version.id),))

        self._transaction(work)

    def _changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        found = [self._execute("SELECT data FROM changesets WHERE version_id = ?", (each,)) for each in version_ids]
        return [decode_changes(rows[0][0] if rows else b"") for rows in found]

    # The lock

    def _lock_file(self) -> int:
        return os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _hold(self) -> None:
        if self._lock is None:
            self._lock = self._lock_file()
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _held(self) -> bool:
        probe = self._lock_file()
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(probe)
        return False

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _other_schema(path: Path, version: str) -> Error:
    return unavailable(
        f"history {path} has schema version {version}, this runtime reads {SCHEMA_VERSION}", retryable=False
    )
