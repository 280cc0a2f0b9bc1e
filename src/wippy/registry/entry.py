"""The entry: what everything in an application is (spec 01 §1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wippy.core.errors import Error
from wippy.core.ids import EntryId

NO_LINES: Mapping[str, int] = {}


class Origin(msgspec.Struct, frozen=True):
    """Where an entry was written: file, first line, and the line of each of its fields (dotted paths)."""

    path: str
    line: int
    fields: Mapping[str, int] = NO_LINES

    def at(self, field: str) -> str:
        """`file:line` of a field, or of the nearest enclosing field whose line is known."""
        while field and field not in self.fields:
            field = field.rpartition(".")[0]
        return f"{self.path}:{self.fields.get(field, self.line)}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Entry(msgspec.Struct, frozen=True, eq=False, gc=True):
    """An immutable registry record. Nobody may mutate `meta` or `data` after construction: entries are shared.

    Two entries are equal when id, kind, meta and data are: numbers compare by value (`1 == 1.0`), booleans are not
    numbers, `origin` does not count.
    """

    id: EntryId
    kind: str
    meta: dict[str, Any] = {}
    data: Any = None
    origin: Origin | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entry):
            return NotImplemented
        return (
            self.id == other.id
            and self.kind == other.kind
            and same_content(self.meta, other.meta)
            and same_content(self.data, other.data)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own `!=` compares identity here

    def __hash__(self) -> int:
        return hash(self.id)

    def as_data(self) -> dict[str, Any]:
        """The entry as guests see it."""
        return {"id": str(self.id), "kind": self.kind, "meta": self.meta, "data": self.data}

    def label(self, field: str = "") -> str:
        """How messages name this entry: `app:db (db.sql.sqlite) at src/_index.yaml:14`."""
        where = f" at {self.origin.at(field)}" if self.origin else ""
        return f"{self.id} ({self.kind}){where}"

    def failure(self, error: Error) -> Error:
        """`error` with this entry named in front; kind, details and cause are kept."""
        return error.within(self.label())


def same_content(left: Any, right: Any) -> bool:
    """Equality of data trees: numbers by value, booleans only with booleans."""
    if left is right:
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_content(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same_content, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return bool(left == right)


def entry(entry_id: str, kind: str, data: Any = None, meta: dict[str, Any] | None = None) -> Entry:
    """Short form for code and tests: `entry("app:db", "db.sql.sqlite", {"file": ":memory:"})`."""
    return Entry(EntryId.parse(entry_id), kind, meta or {}, data)
