"""What a kind handler is: the class that brings the entries of one kind to life (spec 01 §10)."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from wippy.registry.entry import Entry

C = TypeVar("C", bound=msgspec.Struct)


class KindHandler(Generic[C]):
    """Base class of kind handlers: one subclass, and one instance per registry, for each kind.

        class SqliteHandler(KindHandler[SqliteConfig]):
            kind = "db.sql.sqlite"
            config = SqliteConfig

            async def add(self, entry, config): ...
            async def remove(self, entry): ...

    Promises of the registry:
    - Calls are serialised: one transaction at a time, one call at a time.
    - `config` was decoded and validated, the entries that `references` name exist.
    - After an accepted `add` or `update` comes, for the same id, only `update` or `remove`; never a second `add`.
    - A transaction that fails calls the inverse of every accepted call, newest first, with the same config objects as
      before, and then `discard`.

    Duties of a handler:
    - A method that raises has changed nothing. `core.errors.Error` is a rejection: NotFound means "something I need is
      not there yet" and is tried again after the other operations; every other kind fails the transaction.
    - The call may be cancelled when it exceeds the registry's time limit or the caller of `apply` is cancelled.
    """

    kind: ClassVar[str]
    """The kind this class handles, e.g. "http.router"."""

    config: ClassVar[type[msgspec.Struct]]
    """The typed config: fields, defaults, constraints. Decoded from the entry's data; a field declared with
    `msgspec.field(name="meta.server")` is read from its meta. See `core.config` for `Duration`, `Ref`, `Verbatim`."""

    references: ClassVar[tuple[str, ...]] = ()
    """Paths (`meta.server`, `driver`) that must name existing entries before `add` and `update`, else the operation is
    postponed and finally rejected NotFound. They also order the operations of a change set."""

    async def add(self, entry: Entry, config: C) -> None:
        """Bring a new entry to life. When it returns, the effect is live."""

    async def update(self, entry: Entry, config: C, previous: Entry) -> None:
        """Replace `previous` by `entry`, which has the same id and kind.

        The default removes and adds. A handler that keeps it gets `remove` and `add` called separately by the registry,
        so that a failing `add` brings `previous` back.
        """
        await self.remove(previous)
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        """End an entry. Raise Error(Conflict) when something live still needs it."""

    async def restore(self, entry: Entry, config: C) -> None:
        """Take back a `remove` of this transaction, `config` being the one from before it.

        The default adds the entry anew. A handler whose entries hold what cannot be made again (content, connections,
        processes) lets go of it in `remove` and ends it only once the change is final.
        """
        await self.add(entry, config)

    async def commit(self) -> None:
        """After the last operation of a transaction that touched this handler. Raising rolls the transaction back."""

    async def discard(self) -> None:
        """After a transaction that touched this handler was rolled back (its inverse calls have been made)."""

    @classmethod
    def splits_update(cls) -> bool:
        """Whether `update` is the default, remove and add."""
        return cls.update is KindHandler.update


AnyHandler: TypeAlias = KindHandler[Any]
