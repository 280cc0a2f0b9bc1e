"""History in a schema of a PostgreSQL database, which several runtimes may share (spec 01 §12).

One connection, used by one caller at a time; a lost one is made anew. The row of the head is the lock of every write:
a runtime whose head has moved meanwhile writes nothing. A runtime that uses the history holds a shared advisory lock.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from wippy.core.errors import Error, invalid, unavailable
from wippy.registry.changes import ChangeSet
from wippy.registry.history import Moved, Version
from wippy.registry.history_codec import decode_changes, encode_changes

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

SCHEMA_VERSION = "1"
SECONDS = 10.0  # to connect, and for one statement

_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.metadata (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.versions (id bigint PRIMARY KEY, parent_id bigint REFERENCES {schema}.versions);
CREATE TABLE IF NOT EXISTS {schema}.changesets (
    version_id bigint PRIMARY KEY REFERENCES {schema}.versions, data bytea NOT NULL);
INSERT INTO {schema}.metadata VALUES ('schema_version', '1'), ('head', '0') ON CONFLICT DO NOTHING;
INSERT INTO {schema}.versions VALUES (0, NULL) ON CONFLICT DO NOTHING;
"""


class PostgresStore:
    """A `HistoryStore` at `dsn`; the schema and its tables are made when they are not there.

    Raises Error(Invalid) for a schema name that is no plain identifier.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
            raise invalid(f'registry.history_schema: "{schema}" is no plain identifier')
        self._dsn = dsn
        self._name = schema
        self._schema = f'"{schema}"'
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()
        self._holds = False

    async def open(self) -> tuple[list[Version], int]:
        async def read(connection: asyncpg.Connection[Any]) -> tuple[list[Version], int]:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                rows = await connection.fetch(
                    f"SELECT id, parent_id FROM {self._schema}.versions WHERE id > 0 ORDER BY id"
                )
                head = await connection.fetchval(f"SELECT value FROM {self._schema}.metadata WHERE key = 'head'")
            return [Version(row["id"], row["parent_id"]) for row in rows], int(head)

        return await self._run(read)

    async def record(self, version: Version, changes: ChangeSet) -> None:
        data = encode_changes(changes)

        async def write(connection: asyncpg.Connection[Any]) -> None:
            async with connection.transaction():
                head = await self._locked_head(connection)
                last = await connection.fetchval(f"SELECT max(id) FROM {self._schema}.versions")
                if head == version.id and await self._is_ours(connection, version, data):
                    return  # committed before the connection was lost
                if head != version.parent or last >= version.id:
                    raise Moved
                await connection.execute(
                    f"INSERT INTO {self._schema}.versions VALUES ($1, $2)", version.id, version.parent
                )
                await connection.execute(f"INSERT INTO {self._schema}.changesets VALUES ($1, $2)", version.id, data)
                await self._set_head(connection, version)

        await self._run(write)

    async def move_head(self, version: Version, expected: Version) -> None:
        async def write(connection: asyncpg.Connection[Any]) -> None:
            async with connection.transaction():
                if await self._locked_head(connection) not in (expected.id, version.id):
                    raise Moved
                await self._set_head(connection, version)

        await self._run(write)

    async def changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        async def read(connection: asyncpg.Connection[Any]) -> dict[int, bytes]:
            rows = await connection.fetch(
                f"SELECT version_id, data FROM {self._schema}.changesets WHERE version_id = ANY($1)", list(version_ids)
            )
            return {row["version_id"]: row["data"] for row in rows}

        found = await self._run(read) if version_ids else {}
        return [decode_changes(found.get(each, b"")) for each in version_ids]

    async def hold(self) -> None:
        async def lock(connection: asyncpg.Connection[Any]) -> None:
            if not self._holds:
                await connection.execute(f"SELECT pg_advisory_lock_shared({self._key})")
            self._holds = True

        await self._run(lock)

    async def held(self) -> bool:
        async def probe(connection: asyncpg.Connection[Any]) -> bool:
            free = await connection.fetchval(f"SELECT pg_try_advisory_lock({self._key})")
            if free:
                await connection.execute(f"SELECT pg_advisory_unlock({self._key})")
            return not free

        return await self._run(probe)

    async def close(self) -> None:
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close(timeout=SECONDS)

    # The steps

    @property
    def _key(self) -> str:
        return f"hashtextextended('wippy.registry.{self._name}', 0)"

    async def _locked_head(self, connection: asyncpg.Connection[Any]) -> int:
        value = await connection.fetchval(f"SELECT value FROM {self._schema}.metadata WHERE key = 'head' FOR UPDATE")
        return int(value)

    async def _is_ours(self, connection: asyncpg.Connection[Any], version: Version, data: bytes) -> bool:
        found = await connection.fetchrow(
            f"SELECT parent_id, data FROM {self._schema}.versions JOIN {self._schema}.changesets ON version_id = id"
            " WHERE id = $1",
            version.id,
        )
        return found is not None and found["parent_id"] == version.parent and found["data"] == data

    async def _set_head(self, connection: asyncpg.Connection[Any], version: Version) -> None:
        await connection.execute(f"UPDATE {self._schema}.metadata SET value = $1 WHERE key = 'head'", str(version.id))

    async def _run(self, work: Callable[[asyncpg.Connection[Any]], Awaitable[T]]) -> T:
        """`work` on the connection; a second time, on a new one, when it was lost. Raises Error(Unavailable)."""
        import asyncpg

        # InternalClientError: the rollback of a statement that was under way when the connection went
        lost = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
        async with self._turn:
            for last_try in (False, True):
                try:
                    return await work(await self._connected())
                except lost as error:
                    await self._drop()
                    if last_try:
                        raise _unusable(error) from error
                except asyncpg.PostgresError as error:
                    raise _unusable(error) from error
                except BaseException:
                    # a cancelled statement may have left anything behind
                    if self._connection is not None and self._connection.is_in_transaction():
                        await self._drop()
                    raise
        raise AssertionError("unreachable")

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> asyncpg.Connection[Any]:
        import asyncpg

        connection = self._connection
        if connection is not None and not connection.is_closed():
            return connection
        try:
            connection = await asyncpg.connect(
                self._dsn, timeout=SECONDS, command_timeout=SECONDS, statement_cache_size=0
            )
        except (ValueError, TypeError):
            raise invalid("registry.history_dsn is not a PostgreSQL connection URI") from None
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({self._key} + 1)")
            await connection.execute(_TABLES.format(schema=self._schema))
            found = await connection.fetchval(f"SELECT value FROM {self._schema}.metadata WHERE key = 'schema_version'")
        if found != SCHEMA_VERSION:
            await connection.close()
            raise unavailable(
                f"history in schema {self._name} has schema version {found}, this runtime reads {SCHEMA_VERSION}",
                retryable=False,
            )
        if self._holds:
            await connection.execute(f"SELECT pg_advisory_lock_shared({self._key})")
        self._connection = connection
        return connection


def _unusable(error: Exception) -> Error:
    """What went wrong, without the connection URI: it holds a password."""
    return unavailable(f"history cannot be used: {error or type(error).__name__}")
