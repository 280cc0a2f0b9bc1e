"""Which history a configuration asks for: `registry.enable_history`, `history_*` (spec 01 §5.4, §12)."""

from __future__ import annotations

import logging
from pathlib import Path

from wippy.core.errors import invalid
from wippy.project import settings
from wippy.project.config import Config
from wippy.registry.history import History, HistoryStore, MemoryStore, NoStore

log = logging.getLogger("wippy.registry")


def history_type(config: Config) -> str:
    """`memory`, `sqlite`, `postgres` or `nil`; what is unknown counts as memory, with a warning."""
    if not config.get(settings.ENABLE_HISTORY):
        return "nil"
    wanted = config.get(settings.HISTORY_TYPE)
    if wanted in settings.HISTORY_TYPE.choices:
        return wanted
    log.warning('unknown registry.history_type "%s": history is kept in memory', wanted)
    return "memory"


def sqlite_path(config: Config) -> Path:
    """Where an SQLite history is: relative to the first configuration file, which is the project's."""
    return config.path(config.get(settings.HISTORY_PATH))


def history_of(config: Config) -> History:
    """A history that is not open yet. Raises Error(Invalid) for a PostgreSQL history without `history_dsn`."""
    return History(_store(history_type(config), config))


def _store(kind: str, config: Config) -> HistoryStore:
    if kind == "sqlite":
        from wippy.registry.history_sqlite import SqliteStore

        return SqliteStore(sqlite_path(config))
    if kind == "postgres":
        from wippy.registry.history_postgres import PostgresStore

        dsn = config.get(settings.HISTORY_DSN)
        if not dsn:
            raise invalid(
                "registry.history_type postgres needs registry.history_dsn, such as postgresql://user@host/db"
            )
        return PostgresStore(dsn, config.get(settings.HISTORY_SCHEMA))
    return NoStore() if kind == "nil" else MemoryStore()
