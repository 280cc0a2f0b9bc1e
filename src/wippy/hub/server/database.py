"""The hub's tables. Everything that changes is one transaction; a crash leaves what was before, or after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS modules (
    id TEXT PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL, visibility TEXT NOT NULL, type TEXT NOT NULL,
    display_name TEXT NOT NULL, description TEXT NOT NULL, searched TEXT NOT NULL, license TEXT NOT NULL DEFAULT '',
    keywords TEXT NOT NULL DEFAULT '[]', deprecated INTEGER NOT NULL DEFAULT 0,
    deprecation_message TEXT NOT NULL DEFAULT '', downloads INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL, updated TEXT NOT NULL, UNIQUE (org, name)
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY, module_id TEXT NOT NULL REFERENCES modules, version TEXT NOT NULL, digest TEXT NOT NULL,
    size INTEGER NOT NULL, yanked INTEGER NOT NULL DEFAULT 0, downloads INTEGER NOT NULL DEFAULT 0,
    published_by TEXT NOT NULL, created TEXT NOT NULL, content TEXT NOT NULL, UNIQUE (module_id, version)
) STRICT;
CREATE INDEX IF NOT EXISTS versions_by_digest ON versions (digest);
CREATE TABLE IF NOT EXISTS labels (
    module_id TEXT NOT NULL REFERENCES modules, label TEXT NOT NULL, version_id TEXT NOT NULL REFERENCES versions,
    PRIMARY KEY (module_id, label)
) STRICT;
CREATE TABLE IF NOT EXISTS dependencies (
    version_id TEXT NOT NULL REFERENCES versions, org TEXT NOT NULL, name TEXT NOT NULL, wanted TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS dependents ON dependencies (org, name);
CREATE TABLE IF NOT EXISTS downloads (
    module_id TEXT NOT NULL REFERENCES modules, day TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (module_id, day)
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, username TEXT NOT NULL, orgs TEXT NOT NULL, scope TEXT NOT NULL,
    created TEXT NOT NULL, expires TEXT NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS publishes (
    id TEXT PRIMARY KEY, org TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL DEFAULT '',
    version_id TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '', created TEXT NOT NULL
) STRICT;
"""


def now() -> str:
    """The time in RFC 3339, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_dict(cursor: Any, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column[0] for column in cursor.get_description()), row, strict=True))


class Database:
    """A connection; rows are dicts. To be used from one thread."""

    def __init__(self, path: Path) -> None:
        import apsw

        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(10_000)
        self._connection.row_trace = _as_dict
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        with self.transaction():
            self._connection.execute(SCHEMA)

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        return list(self._connection.execute(sql, values))

    def row(self, sql: str, **values: Any) -> dict[str, Any] | None:
        return next(iter(self.rows(sql, **values)), None)

    def run(self, sql: str, **values: Any) -> None:
        self._connection.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; other writers wait."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
