"""What the kind handlers hold at the moment: entries, their configs, and who refers to whom."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

import msgspec

from wippy.core.ids import EntryId
from wippy.registry.entry import Entry
from wippy.registry.handlers import AnyHandler
from wippy.registry.paths import PathSet, split_path

_Paths: TypeAlias = tuple[tuple[str, str, PathSet], ...]

REQUIRED = ("lifecycle.requires", "lifecycle.depends_on")


def references_of(handler: AnyHandler, entry: Entry) -> Iterator[tuple[str, EntryId]]:
    """(path, id) of every entry that its handler must find before it can bring this one to life."""
    return _targets(_declared(handler.references), entry)


def requirements_of(handler: AnyHandler, entry: Entry) -> Iterator[tuple[str, EntryId]]:
    """(path, id) of every service that must run before this one (spec 01 §19)."""
    return _targets(_declared(REQUIRED) if _is_service(handler.config) else (), entry)


def _targets(declared: _Paths, entry: Entry) -> Iterator[tuple[str, EntryId]]:
    for path, root, paths in declared:
        for text in paths.texts(entry.meta if root == "meta" else entry.data):
            yield path, EntryId.parse(text, entry.id.ns)


@cache
def _declared(paths: tuple[str, ...]) -> _Paths:
    return tuple((path, split_path(path)[0], PathSet([split_path(path)[1]])) for path in paths)


_services: dict[type[msgspec.Struct], bool] = {}


def _is_service(config: type[msgspec.Struct]) -> bool:
    known = _services.get(config)
    if known is None:
        known = _services[config] = any(f.encode_name == "lifecycle" for f in msgspec.structs.fields(config))
    return known


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
        needed = (*references_of(handler, entry), *requirements_of(handler, entry))
        targets = tuple(target for _, target in needed)
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
