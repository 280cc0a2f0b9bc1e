"""Kind `db.sql.sqlite` (spec 04a §1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from wippy.compute.lifecycle import Lifecycle
from wippy.core.config import Duration, Required, duration
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node


class Pool(msgspec.Struct, frozen=True):
    """Accepted for all SQL kinds; SQLite has exactly one connection, for good."""

    max_open: int = 0
    """Accepted: there is one connection."""
    max_idle: int = 0
    """Accepted."""
    max_lifetime: Duration = duration("1h")
    """Accepted: it is kept for good."""

    def check(self) -> None:
        if self.max_open < 0:
            raise invalid("max open connections must be non-negative")
        if self.max_idle < 0:
            raise invalid("max idle connections must be non-negative")
        if self.max_lifetime <= 0:
            raise invalid("max lifetime must be greater than 0")


class SqliteConfig(msgspec.Struct, frozen=True):
    file: Required = ""
    """Its path, or `:memory:`."""
    pool: Pool = Pool()
    """Accepted, as for all SQL kinds."""
    options: dict[str, Any] = {}
    """Accepted."""
    lifecycle: Lifecycle = Lifecycle()
    """When it is open."""

    def check(self) -> None:
        if not self.file:
            raise invalid("file path is required")
        self.pool.check()


class SqliteHandler(KindHandler[SqliteConfig]):
    """An SQLite database."""

    kind = "db.sql.sqlite"
    config = SqliteConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: SqliteConfig) -> None:
        from wippy.services.sql.sqlite import SqliteDatabase

        config.check()
        name = str(entry.id)
        database = SqliteDatabase(name, config.file)
        self._node.supervisor.add(name, database, config.lifecycle)
        self._node.resources[name] = database

    async def update(self, entry: Entry, config: SqliteConfig, previous: Entry) -> None:
        """The connection stays, and with it the content of `:memory:`, unless the file is another one."""
        config.check()
        name = str(entry.id)
        if config.file != self._node.resources[name].file:
            await self.remove(previous)
            before = self._node.retired.resource(name)
            if before is not None and before.file == config.file:
                await self.restore(entry, config)
            else:
                await self.add(entry, config)
        else:
            self._node.supervisor.change(name, config.lifecycle)

    async def remove(self, entry: Entry) -> None:
        self._node.retired.retire(str(entry.id))

    async def restore(self, entry: Entry, config: SqliteConfig) -> None:
        self._node.retired.revive(str(entry.id))
