"""What the kind handlers hold at the moment: entries, their configs, and who refers to whom."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import msgspec

from wippy.core.ids import EntryId
from wippy.registry.entry import Entry
from wippy.registry.handlers import AnyHandler
from wippy.registry.paths import PathSet, split_path

REQUIRED = ("lifecycle.requires", "lifecycle.depends_on")


@cache
def _reference_paths(handler: type[AnyHandler]) -> tuple[tuple[str, str, PathSet], ...]:
    """The paths in which entries of a handler's kind name others that must exist: those it declares, and what a
    service requires (spec 01 §19)."""
    fields = {field.encode_name for field in msgspec.structs.fields(handler.config)}
    paths = (*handler.references, *(REQUIRED if "lifecycle" in fields else ()))
    return tuple((path, split_path(path)[0], PathSet([split_path(path)[1]])) for path in paths)


def references_of(handler: AnyHandler, entry: Entry) -> Iterator[tuple[str, EntryId]]:
    """(path, id) of every entry that this one needs."""
    for path, root, paths in _reference_paths(type(handler)):
        for text in paths.texts(entry.meta if root == "meta" else entry.data):
            yield path, EntryId.parse(text, entry.id.ns)


class Live:
    """Follows every accepted handler call and every undone one."""

    def __init__(self) -> None:
        self.entries: dict[EntryId, Entry] = {}
        self.configs: dict[EntryId, msgspec.Struct] = {}
        self._targets: dict[EntryId, tuple[EntryId, ...]] = {}
        self._users: dict[EntryId, set[EntryId]] = {}

    def __contains__(self, entry_id: EntryId) -> bool:
        return entry_id in self.entries

    def hold(self, entry: Entry, config: msgspec.Struct, handler: AnyHandler) -> None:
        """An entry that a handler has brought to life, or updated."""
        self._unlink(entry.id)
        self.entries[entry.id] = entry
        self.configs[entry.id] = config
        targets = tuple(target for _, target in references_of(handler, entry))
        if targets:
            self._targets[entry.id] = targets
            for target in targets:
                self._users.setdefault(target, set()).add(entry.id)

    def keep(self, entry: Entry) -> None:
        """An entry that no handler knows."""
        self.entries[entry.id] = entry

    def drop(self, entry_id: EntryId) -> None:
        """The end of an entry."""
        self._unlink(entry_id)
        del self.entries[entry_id]
        self.configs.pop(entry_id, None)

    def users(self, entry_id: EntryId) -> list[EntryId]:
        """The entries that refer to one, there or not, by id."""
        return sorted(self._users.get(entry_id, ()))

    def _unlink(self, entry_id: EntryId) -> None:
        for target in self._targets.pop(entry_id, ()):
            users = self._users.get(target)
            if users is not None:
                users.discard(entry_id)
                if not users:
                    del self._users[target]
