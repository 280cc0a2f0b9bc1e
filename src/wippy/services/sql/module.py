"""Guest module `sql` (spec 04a §1.2-1.5).

A guest's DB names its entry; transactions and statements are numbers here, behind Lua handles (sql.lua). What a process
has open is closed when it ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wippy.core.errors import invalid, not_found, unavailable
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import HandleClass, Module, Permission
from wippy.services.sql.database import Database, Rows, Runner, Transaction

if TYPE_CHECKING:
    from wippy.compute.node import Node

CONSTANTS = {
    "type": {"POSTGRES": "postgres", "MYSQL": "mysql", "SQLITE": "sqlite", "UNKNOWN": "unknown"},
    "isolation": {
        "DEFAULT": "default",
        "READ_UNCOMMITTED": "read_uncommitted",
        "READ_COMMITTED": "read_committed",
        "WRITE_COMMITTED": "write_committed",
        "REPEATABLE_READ": "repeatable_read",
        "SERIALIZABLE": "serializable",
    },
}

ACCESS = Permission("db.get", "id", "not allowed to access database: {resource}")


class Prepared(msgspec.Struct, frozen=True):
    runner: Runner
    sql: str


class Open:
    """Transactions and statements by number, and which process they belong to."""

    def __init__(self, session: HandleClass) -> None:
        self._session = session
        self._numbers = itertools.count(1)
        self._items: dict[int, Transaction | Prepared] = {}
        self._owned: dict[tuple[int, int], set[int]] = {}
        self._owner: dict[int, tuple[int, int]] = {}

    def add(self, caller: Caller, item: Transaction | Prepared) -> int:
        """Keeps an item until it is dropped or the process ends."""
        number = next(self._numbers)
        owner = caller.pid_key
        if owner not in self._owned:
            self._owned[owner] = set()
            caller.keep(self._session, None, lambda: self._close(owner))
        self._owned[owner].add(number)
        self._owner[number] = owner
        self._items[number] = item
        return number

    def transaction(self, number: int) -> Transaction:
        """Raises Error(Invalid) once it is over."""
        found = self._items.get(number)
        if not isinstance(found, Transaction):
            raise invalid("transaction is not active")
        return found

    def prepared(self, number: int) -> Prepared:
        found = self._items.get(number)
        if not isinstance(found, Prepared):
            raise invalid("statement is closed")
        return found

    def drop(self, number: int) -> None:
        self._items.pop(number, None)
        owner = self._owner.pop(number, None)
        if owner is not None:
            self._owned[owner].discard(number)

    def _close(self, owner: tuple[int, int]) -> None:
        for number in self._owned.pop(owner, ()):
            self._owner.pop(number, None)
            item = self._items.pop(number, None)
            if isinstance(item, Transaction):
                item.abandon()


def module(node: Node) -> Module:
    sql = Module(
        "sql",
        "SQL databases: queries, prepared statements, transactions.",
        classes=("storage", "io", "nondeterministic"),
        source=Path(__file__).with_name("sql.lua"),
        constants=CONSTANTS,
    )
    opened = Open(sql.handle("Session"))
    sql.in_lua(_IN_LUA, _HANDLES_IN_LUA)
    sql.values["NULL"] = "The value NULL, as a parameter."

    def database(entry_id: str) -> Database:
        found = node.resources.get(entry_id)
        if found is None:
            raise not_found("resource not found", id=entry_id)
        if not isinstance(found, Database):
            raise invalid(f"not a database: {entry_id}")
        if not found.running:
            raise unavailable(f"database is not running: {entry_id}")
        return found

    def target(of: str | int) -> Runner:
        return database(of) if isinstance(of, str) else opened.transaction(of)

    def resolved(of: str | int, text: str | None) -> tuple[Runner, str]:
        """A database or transaction with a text, or a statement that has its own."""
        if text is None:
            prepared = opened.prepared(int(of))
            return prepared.runner, prepared.sql
        return target(of), text

    @sql.function("get(id: string) -> DB", caller=True, permission=ACCESS)
    def get(caller: Caller, entry_id: str) -> str:
        """The database of an entry. Errors: Invalid (`""`, or an entry that is no database), PermissionDenied,
        NotFound, Unavailable (the database does not run)."""
        return database(entry_id).type

    @sql.function("stats(id: string) -> table", private=True)
    def stats(entry_id: str) -> Any:
        return msgspec.structs.asdict(database(entry_id).stats())

    @sql.function("query(of: any, sql: string?, blobs: any, ...any) -> table", yields=True, private=True)
    async def query(of: str | int, text: str | None, blobs: list[int] | None, *values: Any) -> Rows:
        runner, statement = resolved(of, text)
        return await runner.query(statement, _bound(values, blobs))

    @sql.function("execute(of: any, sql: string?, blobs: any, ...any) -> table", yields=True, private=True)
    async def execute(of: str | int, text: str | None, blobs: list[int] | None, *values: Any) -> dict[str, int]:
        runner, statement = resolved(of, text)
        return (await runner.execute(statement, _bound(values, blobs)))._asdict()

    @sql.function("prepare(of: any, sql: string) -> integer", yields=True, caller=True, private=True)
    async def prepare(caller: Caller, of: str | int, text: str) -> int:
        runner = target(of)
        await runner.check(text)
        return opened.add(caller, Prepared(runner, text))

    @sql.function("close(statement: integer) -> boolean", private=True)
    def close(statement: int) -> bool:
        opened.drop(statement)
        return True

    @sql.function(
        "begin(id: string, isolation: string, read_only: boolean) -> integer", yields=True, caller=True, private=True
    )
    async def begin(caller: Caller, entry_id: str, isolation: str, read_only: bool) -> int:
        return opened.add(caller, await database(entry_id).begin(isolation, read_only))

    @sql.function("finish(transaction: integer, commit: boolean) -> boolean", yields=True, private=True)
    async def finish(number: int, commit: bool) -> bool:
        transaction = opened.transaction(number)
        opened.drop(number)
        await (transaction.commit() if commit else transaction.rollback())
        return True

    return sql


def _bound(values: tuple[Any, ...], blobs: list[int] | None) -> Sequence[Any]:
    """The values of placeholders; those whose positions are in `blobs` are bytes."""
    if not blobs:
        return values
    bound = list(values)
    for position in blobs:
        value = bound[position - 1]
        bound[position - 1] = value.encode() if isinstance(value, str) else value
    return bound


_RUNS = {
    "query(sql: string, parameters: table?) -> {table}": "Rows as tables by column. (yields)",
    "execute(sql: string, parameters: table?) -> {last_insert_id: integer, rows_affected: integer}": "Runs. (yields)",
}
_IN_LUA = {
    "as.int(value: any) -> integer": "A number as an integer.",
    "as.float(value: any) -> number": "A number as a float.",
    "as.text(value: any) -> string": "A text, or a number's.",
    "as.binary(value: any) -> any": "A text as bytes.",
    "as.null() -> any": "NULL.",
}
_HANDLES_IN_LUA = {
    "DB": {
        "type() -> string": "One of `sql.type`.",
        **_RUNS,
        "prepare(sql: string) -> Statement": "A prepared statement. (yields)",
        "begin(options: table?) -> Transaction": "A transaction. (yields)",
        "stats() -> table": "Numbers of its connections.",
        "release() -> boolean": "Gives it back.",
    },
    "Transaction": {
        **_RUNS,
        "prepare(sql: string) -> Statement": "A prepared statement. (yields)",
        "commit() -> boolean": "Makes it last. (yields)",
        "rollback() -> boolean": "Undoes it. (yields)",
        "savepoint(name: string) -> boolean": "Marks a point. (yields)",
        "rollback_to(name: string) -> boolean": "Undoes what came after a point. (yields)",
        "release(name: string) -> boolean": "Forgets a point. (yields)",
    },
    "Statement": {
        "query(parameters: table?) -> {table}": "Rows as tables by column. (yields)",
        "execute(parameters: table?) -> {last_insert_id: integer, rows_affected: integer}": "Runs it. (yields)",
        "close() -> boolean": "Ends it. (yields)",
    },
}
