"""Guest module `registry` (spec 01 §15): reading, searching and changing the live registry.

Versions, change sets and snapshots are Lua handles (registry.lua). A snapshot is an immutable state that is kept here
by number until the guest's handle is collected.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from wippy.core.errors import INTERNAL, INVALID, NOT_FOUND, Error, invalid, not_found
from wippy.core.ids import EntryId
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import Module, Permission
from wippy.registry.changes import ChangeSet, Create, Delete, Operation, Update, build_delta
from wippy.registry.entry import Entry
from wippy.registry.history import Version
from wippy.registry.registry import Registry
from wippy.registry.state import State

ACCESS = Permission("registry.get", "id", "not allowed to access entry: {resource}")
APPLY = Permission("registry.apply", denial="not allowed to apply registry changes")
APPLY_VERSION = Permission("registry.apply_version", denial="not allowed to apply registry version")


class Node(Protocol):
    """What this module needs of a node."""

    registry: Registry


class Snapshots:
    """The states that guests hold, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._states: dict[int, State] = {}

    def add(self, state: State) -> int:
        number = next(self._numbers)
        self._states[number] = state
        return number

    def get(self, number: int) -> State:
        found = self._states.get(number)
        if found is None:
            raise not_found("snapshot is gone")
        return found

    def drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._states.pop(number, None)


def module(node: Node) -> Module:
    registry = Module(
        "registry",
        "The live registry: entries, snapshots, change sets, versions.",
        classes=("nondeterministic", "storage"),
        source=Path(__file__).with_suffix(".lua"),
    )
    _declare_reading(registry, node)
    _declare_snapshots(registry, node)
    _declare_versions(registry, node)
    registry.in_lua(_IN_LUA, _HANDLES_IN_LUA, _PERMISSIONS)
    return registry


def _declare_reading(registry: Module, node: Node) -> None:
    @registry.function("get(id: string) -> Entry", caller=True, permission=ACCESS)
    def get(caller: Caller, entry_id: str) -> dict[str, Any]:
        """A copy of an entry. Errors: PermissionDenied (looked at first), NotFound."""
        return _found(node.registry.state, entry_id)

    @registry.function("find(filter: table) -> {Entry}", caller=True, asks=(ACCESS.filtering(),))
    def find(caller: Caller, query: Any) -> list[dict[str, Any]]:
        """The entries that meet every condition and that the caller may see (spec 01 §14)."""
        return _visible(caller, node.registry.find(_query(query)))

    @registry.function("parse_id(text: string) -> {ns: string, name: string}")
    def parse_id(text: str) -> dict[str, str]:
        """Namespace and name of an id; a text without a colon is a name."""
        return EntryId.parse(text)._asdict()

    @registry.function("build_delta(from: table, to: table) -> {table}")
    def delta(before: Any, after: Any) -> list[dict[str, Any]]:
        """The operations that turn one list of entries into another."""
        changes = build_delta(_entries_by_id(before), _entries_by_id(after))
        return [{"kind": operation.event, "entry": _operation_entry(operation)} for operation in changes]


def _declare_snapshots(registry: Module, node: Node) -> None:
    snapshots = Snapshots()

    def handed_out(state: State, dropped: Any) -> dict[str, Any]:
        snapshots.drop(dropped or ())
        return {"number": snapshots.add(state), "version": _version(state.version)}

    @registry.function("open(dropped: any) -> table", private=True)
    def open_snapshot(dropped: Any) -> dict[str, Any]:
        return handed_out(node.registry.state, dropped)

    @registry.function("open_at(version: integer, dropped: any) -> table", yields=True, private=True)
    async def open_at(version: int, dropped: Any) -> dict[str, Any]:
        with _as_internal():
            return handed_out(await node.registry.snapshot_at(version), dropped)

    @registry.function("entries(snapshot: integer) -> {Entry}", caller=True, private=True)
    def entries(caller: Caller, number: int) -> list[dict[str, Any]]:
        return _visible(caller, snapshots.get(number).entries())

    @registry.function("get_in(id: string, snapshot: integer) -> Entry", caller=True, permission=ACCESS, private=True)
    def get_in(caller: Caller, entry_id: str, number: int) -> dict[str, Any]:
        return _found(snapshots.get(number), entry_id)

    @registry.function("namespace(snapshot: integer, ns: string) -> {Entry}", caller=True, private=True)
    def namespace(caller: Caller, number: int, ns: str) -> list[dict[str, Any]]:
        return _visible(caller, snapshots.get(number).namespace(ns))

    @registry.function("find_in(snapshot: integer, filter: any) -> {Entry}", caller=True, private=True)
    def find_in(caller: Caller, number: int, query: Any) -> list[dict[str, Any]]:
        return _visible(caller, snapshots.get(number).find(_query(query)))


def _declare_versions(registry: Module, node: Node) -> None:
    @registry.function("current() -> table", private=True)
    def current() -> dict[str, Any]:
        return _version(node.registry.version)

    @registry.function("all_versions() -> table", private=True)
    def all_versions() -> list[dict[str, Any]]:
        with _as_internal():
            return [_version(version) for version in node.registry.history.versions()]

    @registry.function("version(id: integer) -> table", private=True)
    def version(version_id: int) -> dict[str, Any]:
        return _version(node.registry.history.version(version_id))

    @registry.function("following(id: integer) -> table", private=True)
    def following(version_id: int) -> dict[str, Any] | None:
        found = node.registry.history.next(Version(version_id))
        return _version(found) if found is not None else None

    @registry.function("switch(id: integer) -> boolean", yields=True, permission=APPLY_VERSION, private=True)
    async def switch(version_id: int) -> bool:
        try:
            await node.registry.apply_version(version_id)
        except Error as e:
            raise e.within("apply version") from None
        return True

    @registry.function("apply(ops: any) -> table", yields=True, permission=APPLY, private=True)
    async def apply(ops: list[dict[str, Any]]) -> dict[str, Any]:
        try:
            changes = ChangeSet(_operation(op["kind"], op["entry"]) for op in ops)
            return _version(await node.registry.apply(changes))
        except Error as e:
            raise e.within("apply changes") from None


@contextmanager
def _as_internal() -> Iterator[None]:
    """A missing version stays NotFound, everything else that goes wrong with history is Internal."""
    try:
        yield
    except Error as e:
        if e.kind in (NOT_FOUND, INVALID):
            raise
        raise Error(INTERNAL, e.message, False, e.details) from None


# Entries as guests see them -----------------------------------------------------------------------------------------


def _found(state: State, entry_id: str) -> dict[str, Any]:
    entry = state.get(EntryId.parse(entry_id))
    if entry is None:
        raise not_found(f"entry not found: {entry_id}")
    return entry.as_data()


def _visible(caller: Caller, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    return [entry.as_data() for entry in entries if caller.allowed(ACCESS, str(entry.id))]


def _version(version: Version) -> dict[str, Any]:
    return {"id": version.id, "parent": version.parent}


def _operation_entry(operation: Operation) -> dict[str, Any]:
    if isinstance(operation, Delete):
        return {"id": str(operation.id), "kind": "", "meta": {}}
    return operation.entry.as_data()


# What guests hand in ------------------------------------------------------------------------------------------------


def _query(query: Any) -> dict[str, Any]:
    """A filter; a nested `meta` table stands for its own pairs."""
    if not isinstance(query, Mapping):
        return {}
    found = {str(key): value for key, value in query.items() if key != "meta"}
    nested = query.get("meta")
    if isinstance(nested, Mapping):
        found.update((str(key), value) for key, value in nested.items())
    return found


def _tree(value: Any) -> Any:
    """Lua data as entry data: a table with an element 1 is a list of what stands at 1..n, any other one a map."""
    if isinstance(value, list):
        return [_tree(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if 1 in value and not isinstance(next(k for k in value if k == 1), bool):
        return [_tree(value[i]) for i in itertools.takewhile(lambda i: i in value, itertools.count(1))]
    return {_key(key): _tree(item) for key, item in value.items()}


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return key if isinstance(key, str) else str(key)


def _entry(given: Mapping[str, Any]) -> Entry:
    entry_id = _id(given.get("id"))
    kind = given.get("kind")
    if entry_id is None or not isinstance(kind, str) or not kind:
        raise invalid("invalid entry: id and kind are required")
    meta = given.get("meta")
    fields = _tree(meta) if isinstance(meta, Mapping) else {}
    if not isinstance(fields, dict):
        fields = {}
    return Entry(entry_id, kind, fields, _tree(given.get("data")))


def _id(given: Any) -> EntryId | None:
    if isinstance(given, str) and given:
        return EntryId.parse(given)
    if isinstance(given, Mapping):
        ns, name = given.get("ns"), given.get("name")
        if isinstance(name, str) and name and isinstance(ns, str):
            return EntryId(ns, name)
    return None


def _operation(kind: str, given: Mapping[str, Any]) -> Operation:
    if kind == "entry.delete":
        entry_id = _id(given.get("id"))
        if entry_id is None:
            raise invalid("invalid ID format")
        return Delete(entry_id)
    return Create(_entry(given)) if kind == "entry.create" else Update(_entry(given))


def _entries_by_id(given: Any) -> dict[EntryId, Entry]:
    """The valid entries of a list."""
    found: dict[EntryId, Entry] = {}
    for item in given if isinstance(given, list) else ():
        if isinstance(item, Mapping):
            try:
                entry = _entry(item)
            except Error:
                continue
            found[entry.id] = entry
    return found


_IN_LUA = {
    "snapshot() -> Snapshot": "The current state.",
    "snapshot_at(id: number) -> Snapshot": "The state at a version.",
    "current_version() -> Version": "The version in force.",
    "versions() -> {Version}": "All versions.",
    "apply_version(version: Version) -> boolean": "Goes to a version. (yields)",
    "history() -> History": "The history.",
}
_HANDLES_IN_LUA = {
    "Version": {
        "id() -> integer": "Its number.",
        "string() -> string": "Its name, `v7`.",
        "previous() -> Version?": "The one before.",
        "next() -> Version?": "The one after.",
    },
    "Snapshot": {
        "entries() -> {Entry}": "All entries.",
        "get(id: string) -> Entry": "An entry. NotFound when there is none.",
        "namespace(name: string) -> {Entry}": "The entries of a namespace.",
        "find(filter: table) -> {Entry}": "The entries that match.",
        "changes() -> Changes": "An empty change set.",
        "version() -> Version": "The version it shows.",
    },
    "Changes": {
        "create(entry: table) -> Changes": "Adds an entry.",
        "update(entry: table) -> Changes": "Replaces an entry.",
        "delete(id: string | table) -> Changes": "Removes an entry.",
        "ops() -> {table}": "What was collected.",
        "apply() -> Version": "Applies all of it, or nothing. (yields)",
    },
    "History": {
        "versions() -> {Version}": "All versions.",
        "get_version(id: number) -> Version": "A version.",
        "snapshot_at(version: Version) -> Snapshot": "The state at a version.",
    },
}
_PERMISSIONS = {
    "apply_version": (APPLY_VERSION,),
    "Snapshot.entries": (ACCESS.filtering(),),
    "Snapshot.get": (ACCESS,),
    "Snapshot.namespace": (ACCESS.filtering(),),
    "Snapshot.find": (ACCESS.filtering(),),
    "Changes.apply": (APPLY,),
}
