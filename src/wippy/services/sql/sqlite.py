"""SQLite databases through apsw: one connection, used from one thread (spec 04a §1.1).

Statements go to the thread in the order in which they are asked for, so that independent queries need no lock; only a
transaction keeps the others waiting. WAL with `synchronous=NORMAL`: a crash of the machine may lose the last commits
but never the file's consistency.

A hand-over to the thread and back costs 12 us on an idle machine and 80 us on a busy one, a lookup by key 4 us. So a
SELECT that has proved short runs on the loop's own thread while the other one is idle, within a budget of SQLite's
steps; beyond it the thread takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw

from wippy.core.errors import UNKNOWN, Error, invalid, unavailable
from wippy.services.sql.database import Database, Outcome, Rows, Stats, Transaction
from wippy.services.sql.rows import flat
from wippy.services.sql.statements import CACHED_LENGTH, cut
from wippy.services.sql.turns import Turns
from wippy.services.sql.worker import Worker

log = logging.getLogger("wippy.sql")

T = TypeVar("T")

BUSY_MILLISECONDS = 5000
SHORT_SECONDS = 0.0002  # what a SELECT took that may run on the loop's thread
SHORT_STEPS = 2000  # and how many steps it may take there: 50 us
SHORT_TEXTS = 2048
MEMORY = ":memory:"

_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.IOError)


class SqliteDatabase(Database):
    """The database of a `db.sql.sqlite` entry, as a service. `:memory:` lives as long as the service runs."""

    type = "sqlite"

    def __init__(self, name: str, file: str) -> None:
        self._name = name
        self.file = file
        self._turns = Turns()
        self._worker: Worker | None = None
        self._connection: apsw.Connection | None = None
        self._transaction: SqliteTransaction | None = None
        self._short: set[str] = set()

    # Service

    async def start(self) -> str:
        """Opens the file and reads from it. Raises Error(Unavailable) naming the file."""
        worker = Worker(f"sqlite {self._name}", asyncio.get_running_loop())
        try:
            self._connection = await worker.submit(_opened, self.file)
        except BaseException:
            worker.close()
            raise
        self._worker = worker
        return f"sqlite {self.file}"

    async def stop(self) -> None:
        """Waits for the transaction that is under way, then closes. When cancelled, rolls it back and closes."""
        worker, connection = self._worker, self._connection
        if worker is None or connection is None:
            return
        try:
            await self._turns.exclusive()
        except asyncio.CancelledError:
            if self._transaction is not None:
                self._transaction.abandon()
            self._closed(worker, connection)
            raise
        await asyncio.shield(self._closed(worker, connection))
        self._turns.release()

    def _closed(self, worker: Worker, connection: apsw.Connection) -> asyncio.Future[None]:
        self._worker = self._connection = None
        future = worker.submit(connection.close)
        worker.close()
        return future

    @property
    def running(self) -> bool:
        return self._connection is not None

    # Statements

    async def query(self, sql: str, values: Sequence[Any]) -> Rows:
        await self._turns.shared()
        return await self.read(sql, values)

    async def execute(self, sql: str, values: Sequence[Any]) -> Outcome:
        await self._turns.shared()
        return await self.run(_execute, sql, values)

    async def check(self, sql: str) -> None:
        await self._turns.shared()
        await self.run(_check, sql)

    async def begin(self, isolation: str, read_only: bool) -> Transaction:
        """SQLite has one isolation level, and `read_only` does not bind it: both are accepted."""
        await self._turns.exclusive()
        transaction = self._transaction = SqliteTransaction(self)
        try:
            await self.run(_run_plain, "BEGIN")
        except BaseException:
            transaction.abandon()
            raise
        return transaction

    def stats(self) -> Stats:
        used = int(self._turns.held)
        opened = int(self.running)
        return Stats(1, opened, used, opened - used, self._turns.wait_count)

    async def read(self, sql: str, values: Sequence[Any]) -> Rows:
        """A query, by whoever has the turn."""
        if sql in self._short and self._worker is not None and self._worker.idle and self._connection is not None:
            found = self._read_here(self._connection, sql, values)
            if found is not None:
                return found
            self._short.discard(sql)
        rows, short = await self.run(_timed_query, sql, values)
        if short:
            if len(self._short) >= SHORT_TEXTS:
                self._short.clear()
            self._short.add(sql)
        return rows

    def _read_here(self, connection: apsw.Connection, sql: str, values: Sequence[Any]) -> Rows | None:
        """Runs a short SELECT on this thread; None when it turned out not to be short."""
        connection.set_progress_handler(_stop, SHORT_STEPS)
        try:
            return _query(connection, sql, values)
        except (apsw.InterruptError, apsw.BusyError, UnicodeError):
            return None
        except apsw.Error as e:
            raise self._failure(e) from None
        finally:
            connection.set_progress_handler(None)

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """`call(connection, *args)` on the database's thread. Cancellation skips it, or interrupts it when it runs."""
        worker, connection = self._worker, self._connection
        if worker is None or connection is None:
            raise unavailable(f"database is not running: {self._name}")
        future = worker.submit(call, connection, *args)
        try:
            return await future
        except apsw.Error as e:
            raise self._failure(e) from None
        except UnicodeError:
            raise invalid("a text is not valid UTF-8") from None
        except asyncio.CancelledError:
            worker.interrupt(future, connection.interrupt)
            raise

    def end(self, transaction: SqliteTransaction, sql: str = "") -> asyncio.Future[None] | None:
        """Ends a transaction, by `sql` or else by rolling back; whatever happens, it is over and others go on."""
        worker, connection = self._worker, self._connection
        future = worker.submit(_end, connection, sql) if worker is not None and connection is not None else None
        if self._transaction is transaction:
            self._transaction = None
            self._turns.release()
        return future

    def _failure(self, error: apsw.Error) -> Error:
        if isinstance(error, _DAMAGED):
            return unavailable(f"database file {self.file}: {error}", retryable=False)
        return Error(UNKNOWN, str(error), None)

    def failure(self, error: apsw.Error) -> Error:
        """What guests are told about an engine's error."""
        return self._failure(error)


class SqliteTransaction(Transaction):
    type = "sqlite"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._active = True

    async def query(self, sql: str, values: Sequence[Any]) -> Rows:
        self._require_active()
        return await self._database.read(sql, values)

    async def execute(self, sql: str, values: Sequence[Any]) -> Outcome:
        self._require_active()
        return await self._database.run(_execute, sql, values)

    async def check(self, sql: str) -> None:
        self._require_active()
        await self._database.run(_check, sql)

    async def commit(self) -> None:
        await self._end("COMMIT")

    async def rollback(self) -> None:
        await self._end("ROLLBACK")

    def abandon(self) -> None:
        if self._active:
            self._active = False
            self._database.end(self)

    async def _end(self, sql: str) -> None:
        """Cancelling the caller does not stop what has been decided."""
        self._require_active()
        self._active = False
        future = self._database.end(self, sql)
        if future is None:
            raise unavailable("database is not running")
        try:
            await asyncio.shield(future)
        except apsw.Error as e:
            raise self._database.failure(e) from None

    def _require_active(self) -> None:
        if not self._active:
            raise invalid("transaction is not active")


# What runs on the database's thread ---------------------------------------------------------------------------------


def _opened(file: str) -> apsw.Connection:
    try:
        connection = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        if file != MEMORY:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            connection.execute("PRAGMA synchronous=NORMAL").fetchall()
        _load_vectors(connection)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error as e:
        raise unavailable(f"failed to ping database: {file}: {e}") from None
    return connection


def _load_vectors(connection: apsw.Connection) -> None:
    """The sqlite-vec extension; afterwards nobody can load another one."""
    try:
        import sqlite_vec  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        log.debug("sqlite-vec is not installed")
        return
    connection.enable_load_extension(True)
    try:
        connection.load_extension(sqlite_vec.loadable_path())
    except apsw.Error as e:
        log.warning("sqlite-vec cannot be loaded", extra={"fields": {"error": str(e)}})
    finally:
        connection.enable_load_extension(False)


def _last_cursor(connection: apsw.Connection, sql: str, values: Sequence[Any]) -> apsw.Cursor | None:
    """Runs the statements of `sql`, all but the last to their end. Each takes as many values as it has placeholders."""
    at, cursor = 0, None
    for text, wanted, word in cut(sql):
        if cursor is not None:
            cursor.fetchall()
        bindings = values[at : at + wanted]
        if len(bindings) < wanted:
            raise Error(UNKNOWN, f"not enough args to execute query: want {wanted} got {len(bindings)}", None)
        at += wanted
        if word == "VACUUM":
            _vacuum(connection, text)
            cursor = None
        else:
            cursor = connection.execute(text, bindings)
    return cursor


def _vacuum(connection: apsw.Connection, text: str) -> None:
    """VACUUM attaches a database of its own; nothing else may attach one."""
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 1)
    try:
        connection.execute(text).fetchall()
    finally:
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)


def _query(connection: apsw.Connection, sql: str, values: Sequence[Any]) -> Rows:
    cursor = _last_cursor(connection, sql, values)
    if cursor is None:
        return Rows((), 0, ())
    try:
        description = cursor.get_description()
    except apsw.ExecutionCompleteError:  # no rows
        return Rows((), 0, ())
    rows = cursor.fetchall()
    return Rows([name for name, _ in description], len(rows), flat(rows, [kind for _, kind in description]))


def _timed_query(connection: apsw.Connection, sql: str, values: Sequence[Any]) -> tuple[Rows, bool]:
    """A query, and whether it is a SELECT that took little time."""
    began = time.perf_counter()
    rows = _query(connection, sql, values)
    if time.perf_counter() - began > SHORT_SECONDS or len(sql) > CACHED_LENGTH:
        return rows, False
    statements = cut(sql)
    return rows, len(statements) == 1 and statements[0].word == "SELECT"


def _stop() -> bool:
    return True


def _execute(connection: apsw.Connection, sql: str, values: Sequence[Any]) -> Outcome:
    before = connection.total_changes()
    cursor = _last_cursor(connection, sql, values)
    if cursor is not None:
        cursor.fetchall()
    # `changes` keeps its value over statements that change no row.
    changed = connection.changes() if connection.total_changes() != before else 0
    return Outcome(connection.last_insert_rowid(), changed)


def _check(connection: apsw.Connection, sql: str) -> None:
    """Prepares the first statement; the others may need what it makes."""
    for text, wanted, _ in cut(sql)[:1]:
        cursor = connection.cursor()
        cursor.exec_trace = _never
        with contextlib.suppress(apsw.ExecTraceAbort):
            cursor.execute(text, (None,) * wanted)


def _never(_cursor: Any, _sql: str, _bindings: Any) -> bool:
    return False


def _run_plain(connection: apsw.Connection, sql: str) -> None:
    connection.execute(sql).fetchall()


def _end(connection: apsw.Connection, sql: str) -> None:
    try:
        if sql:
            connection.execute(sql).fetchall()
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK").fetchall()
