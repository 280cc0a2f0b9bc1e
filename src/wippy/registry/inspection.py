"""Versions as data, for tools: what each one changed, and what differs between two (spec 01 §12)."""

from __future__ import annotations

from typing import Any

from wippy.registry.changes import ChangeSet, Create, Delete, Operation, Update, build_delta
from wippy.registry.history import History, Version
from wippy.registry.state import State

_VERBS: dict[type[Operation], str] = {Create: "create", Update: "update", Delete: "delete"}


class Inspection:
    """Looks at an open history. `current` is the version in force, `baseline` the entries of version 0."""

    def __init__(self, history: History, current: Version, baseline: State) -> None:
        self._history = history
        self._current = current
        self._baseline = baseline

    async def versions(self, limit: int) -> dict[str, Any]:
        """{current, total, versions: [{id, parent, create, update, delete}]}: the newest `limit` ones, by ascending id,
        with the ids of the entries that each created, updated and deleted."""
        found = self._history.versions()
        shown = found[max(0, len(found) - limit) :] if limit > 0 else []
        return {
            "current": self._current.id,
            "total": len(found),
            "versions": [{**self._described(v), **_ids(await self._changes(v))} for v in shown],
        }

    async def difference(self, version: int, to: int | None = None) -> dict[str, Any]:
        """{from, to, changes: [{operation, id, kind, before, after}]}, `before` and `after` as {meta, data} or None.
        Without `to`: to the current version. Raises Error(NotFound)."""
        start = self._history.version(version)
        end = self._current if to is None else self._history.version(to)
        before = await self._history.entries_at(start, self._baseline)
        after = await self._history.entries_at(end, self._baseline)
        return {"from": start.id, "to": end.id, "changes": [_change(each) for each in build_delta(before, after)]}

    async def _changes(self, version: Version) -> ChangeSet:
        if version.parent is None:
            return ChangeSet()
        return await self._history.between(self._history.version(version.parent), version)

    def _described(self, version: Version) -> dict[str, Any]:
        return {"id": version.id, "parent": version.parent}


def _ids(changes: ChangeSet) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {verb: [] for verb in _VERBS.values()}
    for operation in changes:
        found[_VERBS[type(operation)]].append(str(operation.id))
    return found


def _change(operation: Operation) -> dict[str, Any]:
    before = None if isinstance(operation, Create) else operation.previous
    after = None if isinstance(operation, Delete) else operation.entry
    shown = after or before
    return {
        "operation": _VERBS[type(operation)],
        "id": str(operation.id),
        "kind": shown.kind if shown is not None else "",
        "before": None if before is None else {"meta": before.meta, "data": before.data},
        "after": None if after is None else {"meta": after.meta, "data": after.data},
    }
