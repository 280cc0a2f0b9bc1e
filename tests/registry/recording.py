"""Kind handlers for the registry tests: they hold resources, and reject when told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from wippy.core.config import Ref
from wippy.core.errors import Error
from wippy.registry.changes import ChangeSet, Create, Delete, Update
from wippy.registry.entry import Entry, entry
from wippy.registry.handlers import KindHandler


class Free(msgspec.Struct, frozen=True):
    """Accepts anything."""

    value: Any = None


class Linked(msgspec.Struct, frozen=True):
    server: Ref = msgspec.field(name="meta.server")


class Recording(KindHandler[Any]):
    """Holds what it was given; `reject` may raise before anything happens."""

    kind: ClassVar[str] = "test.free"
    config = Free

    def __init__(self, reject: Callable[[str, Entry], None] = lambda call, entry: None) -> None:
        self.resources: dict[Any, Any] = {}
        self.calls: list[tuple[str, str]] = []
        self.reject = reject
        self.reject_commit: Error | None = None

    async def add(self, entry: Entry, config: Any) -> None:
        self.reject("add", entry)
        assert entry.id not in self.resources, f"second add of {entry.id}"
        self.resources[entry.id] = config
        self.calls.append(("add", str(entry.id)))

    async def remove(self, entry: Entry) -> None:
        self.reject("remove", entry)
        del self.resources[entry.id]
        self.calls.append(("remove", str(entry.id)))

    async def commit(self) -> None:
        self.calls.append(("commit", self.kind))
        if self.reject_commit:
            raise self.reject_commit

    async def discard(self) -> None:
        self.calls.append(("discard", self.kind))


class Replacing(Recording):
    """The same with an update of its own."""

    kind = "test.replacing"

    async def update(self, entry: Entry, config: Any, previous: Entry) -> None:
        self.reject("update", entry)
        assert previous.id in self.resources
        self.resources[entry.id] = config
        self.calls.append(("update", str(entry.id)))


class Routed(Recording):
    """References a server through meta."""

    kind = "test.routed"
    config = Linked
    references = ("meta.server",)


def free(entry_id: str, value: Any = 0, **meta: Any) -> Entry:
    return entry(entry_id, "test.free", {"value": value}, meta)


def create(*entries: Entry) -> ChangeSet:
    return ChangeSet(Create(each) for each in entries)


def update(*entries: Entry) -> ChangeSet:
    return ChangeSet(Update(each) for each in entries)


def delete(*entries: Entry) -> ChangeSet:
    return ChangeSet(Delete(each.id) for each in entries)
