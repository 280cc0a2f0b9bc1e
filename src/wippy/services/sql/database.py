"""What a SQL database is to the guest module `sql` (spec 04a §1): the same for every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec


class Rows(NamedTuple):
    """A result: column names, the number of rows, and the values of all rows one after the other."""

    columns: Sequence[str]
    size: int
    values: Sequence[Any]


class Outcome(NamedTuple):
    last_insert_id: int
    rows_affected: int


class Stats(msgspec.Struct, frozen=True):
    max_open_connections: int
    open_connections: int
    in_use: int
    idle: int
    wait_count: int
    wait_duration: str = "0s"
    max_idle_closed: int = 0
    max_idle_time_closed: int = 0
    max_lifetime_closed: int = 0


class Runner(ABC):
    """Runs statements: a database, or a transaction on it.

    What the engine refuses is Error with unknown kind and the engine's text. Cancelling a call interrupts it.
    """

    type: ClassVar[str]

    @abstractmethod
    async def query(self, sql: str, values: Sequence[Any]) -> Rows: ...

    @abstractmethod
    async def execute(self, sql: str, values: Sequence[Any]) -> Outcome: ...

    @abstractmethod
    async def check(self, sql: str) -> None:
        """Raises Error when `sql` cannot be prepared."""


class Transaction(Runner):
    """A transaction: it has the connection for itself until it ends, and is over once an end was asked for."""

    @abstractmethod
    async def commit(self) -> None: ...

    @abstractmethod
    async def rollback(self) -> None: ...

    @abstractmethod
    def abandon(self) -> None:
        """Rolls back without waiting; nothing when the transaction is over."""


class Database(Runner):
    @property
    @abstractmethod
    def running(self) -> bool: ...

    @abstractmethod
    async def begin(self, isolation: str, read_only: bool) -> Transaction: ...

    @abstractmethod
    def stats(self) -> Stats: ...
