"""Versions of the registry and where they are kept (spec 01 §12).

`History` knows the tree of versions and is always in memory; a `HistoryStore` keeps the change sets and survives (or
does not) the process. SQLite and PostgreSQL stores implement the same protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from wippy.core.errors import CONFLICT, Error, not_found, unavailable
from wippy.core.ids import EntryId
from wippy.registry.changes import ChangeSet, apply_to
from wippy.registry.entry import Entry


class Version(msgspec.Struct, frozen=True):
    """A point in history. 0 is the baseline (the files); ids grow and are never reused."""

    id: int
    parent: int | None = None

    def __str__(self) -> str:
        return f"v{self.id}"


BASELINE = Version(0)


class Moved(Error):
    """Somebody else has changed a shared history since it was last read."""

    def __init__(self) -> None:
        super().__init__(CONFLICT, "registry changed during apply", True)


class HistoryStore(Protocol):
    """Keeps versions. Every method may raise Error(Unavailable).

    Several runtimes may share a store: `record` and `move_head` change nothing and raise `Moved` unless the head is
    still the one they are told to expect.
    """

    async def open(self) -> tuple[list[Version], int]:
        """All versions except the baseline, and the id of the head; as they are now, also when it is open already."""

    async def record(self, version: Version, changes: ChangeSet) -> None:
        """Add a version and make it the head, both or neither; durable when it returns. The head must be the parent,
        and no version may have an id as large. Raises Moved."""

    async def move_head(self, version: Version, expected: Version) -> None:
        """Make an existing version the head, which must be `expected`. Raises Moved."""

    async def changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        """For each version the change set that led to it from its parent."""

    async def hold(self) -> None:
        """Say that a runtime uses this history, until `close`."""

    async def held(self) -> bool:
        """Whether a runtime uses this history."""

    async def close(self) -> None:
        """Let go of files and connections. Nothing else may be called afterwards."""


class MemoryStore:
    """Lost when the process ends."""

    def __init__(self) -> None:
        self._changes: dict[int, ChangeSet] = {}
        self._versions: list[Version] = []
        self._head = 0

    async def open(self) -> tuple[list[Version], int]:
        return list(self._versions), self._head

    async def record(self, version: Version, changes: ChangeSet) -> None:
        if self._head != version.parent or any(version.id <= known for known in self._changes):
            raise Moved
        self._versions.append(version)
        self._changes[version.id] = changes
        self._head = version.id

    async def move_head(self, version: Version, expected: Version) -> None:
        if self._head != expected.id:
            raise Moved
        self._head = version.id

    async def changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        return [self._changes[version_id] for version_id in version_ids]

    async def hold(self) -> None:
        pass

    async def held(self) -> bool:
        return False

    async def close(self) -> None:
        pass


class NoStore(MemoryStore):
    """`registry.enable_history: false`: the current version counts on, nothing can be looked up or undone."""

    async def record(self, version: Version, changes: ChangeSet) -> None:
        pass

    async def changes(self, version_ids: Sequence[int]) -> list[ChangeSet]:
        raise history_unavailable()


def history_unavailable() -> Error:
    return unavailable("history not available", retryable=False)


class History:
    """The tree of versions over a store."""

    def __init__(self, store: HistoryStore | None = None) -> None:
        self._store: HistoryStore = store if store is not None else MemoryStore()
        self._versions: dict[int, Version] = {0: BASELINE}
        self._children: dict[int, int] = {}
        self._next_id = 1

    @property
    def available(self) -> bool:
        return not isinstance(self._store, NoStore)

    async def open(self) -> Version:
        """Read the versions of the store, before anything else; returns the head. Again when it has changed."""
        versions, head = await self._store.open()
        for version in sorted(versions, key=lambda each: each.id):
            self._add(version)
        return self._versions.get(head, BASELINE)

    def versions(self) -> list[Version]:
        """All versions by ascending id. Raises Error(Unavailable) without history."""
        self._require()
        return list(self._versions.values())

    def version(self, version_id: int) -> Version:
        """Raises Error(NotFound), or Error(Unavailable) without history."""
        self._require()
        version = self._versions.get(version_id)
        if version is None:
            raise not_found(f"version not found: {version_id}", version=version_id)
        return version

    def previous(self, version: Version) -> Version | None:
        """The parent; None for the baseline."""
        return None if version.parent is None else self._versions.get(version.parent)

    def next(self, version: Version) -> Version | None:
        """The child created last; None for a leaf."""
        child = self._children.get(version.id)
        return None if child is None else self._versions[child]

    def following(self, parent: Version) -> Version:
        """The version that the next `record` adds."""
        return Version(self._next_id, parent.id)

    async def record(self, version: Version, changes: ChangeSet) -> None:
        """Add a version with the change set that leads to it, and make it the head."""
        await self._store.record(version, changes)
        self._next_id = max(self._next_id, version.id + 1)
        if self.available:
            self._add(version)

    async def move_head(self, version: Version, expected: Version) -> None:
        """Make an existing version the head, which must be `expected`."""
        await self._store.move_head(version, expected)

    async def hold(self) -> None:
        """Say that a runtime uses this history, until `close`."""
        await self._store.hold()

    async def held(self) -> bool:
        """Whether a runtime uses this history."""
        return await self._store.held()

    async def close(self) -> None:
        """Let go of files and connections."""
        await self._store.close()

    async def entries_at(self, version: Version, baseline: Mapping[EntryId, Entry]) -> dict[EntryId, Entry]:
        """The entries of a version: what history says, over `baseline` where it says nothing."""
        entries = dict(baseline)
        if version != BASELINE:
            apply_to(entries, await self.between(BASELINE, version))
        return entries

    async def between(self, start: Version, end: Version) -> ChangeSet:
        """What leads from one version to another: up to the common ancestor, then down, squashed."""
        self._require()
        up, down = self._path(start, end)
        undo = await self._store.changes([version.id for version in up])
        redo = await self._store.changes([version.id for version in reversed(down)])
        return ChangeSet().squash(*(changes.inverse() for changes in undo), *redo)

    def _path(self, start: Version, end: Version) -> tuple[list[Version], list[Version]]:
        """Versions to undo, newest first, and versions to redo, newest first."""
        above = {version.id for version in self._ancestry(end)}
        below = {version.id for version in self._ancestry(start)}
        up = [version for version in self._ancestry(start) if version.id not in above]
        return up, [version for version in self._ancestry(end) if version.id not in below]

    def _ancestry(self, version: Version) -> Iterable[Version]:
        current: Version | None = version
        while current is not None:
            yield current
            current = self.previous(current)

    def _add(self, version: Version) -> None:
        self._versions[version.id] = version
        if version.parent is not None:
            self._children[version.parent] = version.id
        self._next_id = max(self._next_id, version.id + 1)

    def _require(self) -> None:
        if not self.available:
            raise history_unavailable()
