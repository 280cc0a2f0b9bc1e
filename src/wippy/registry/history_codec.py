"""Change sets as bytes, for the history stores: MessagePack (spec 01 §12).

A text that holds bytes which are no UTF-8 (as surrogates) is extension 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wippy.core.errors import unavailable
from wippy.core.ids import EntryId
from wippy.registry.changes import ChangeSet, Create, Delete, Operation, Update
from wippy.registry.entry import Entry

_RAW_TEXT = 1


def encode_changes(changes: ChangeSet) -> bytes:
    """The bytes that `decode_changes` reads."""
    records = [_record(operation) for operation in changes]
    try:
        return msgspec.msgpack.encode(records)
    except UnicodeEncodeError:
        return msgspec.msgpack.encode(_with_raw_texts(records))


def decode_changes(data: bytes) -> ChangeSet:
    """Raises Error(Unavailable) for bytes that are no change set."""
    try:
        return ChangeSet(_operations(msgspec.msgpack.decode(data, ext_hook=_extension)))
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
        raise unavailable(f"history is damaged: {error}", retryable=False) from None


def _record(operation: Operation) -> list[Any]:
    if isinstance(operation, Create):
        return [operation.event, _fields(operation.entry), None]
    if isinstance(operation, Update):
        return [operation.event, _fields(operation.entry), _fields(operation.previous)]
    return [operation.event, list(operation.id), _fields(operation.previous)]


def _fields(entry: Entry | None) -> list[Any] | None:
    return None if entry is None else [*entry.id, entry.kind, entry.meta, entry.data]


def _operations(records: list[Any]) -> Iterator[Operation]:
    for event, subject, previous in records:
        before = _entry(previous)
        if event == Delete.event:
            yield Delete(EntryId(*subject), before)
            continue
        entry = _entry(subject)
        if entry is None or event not in (Create.event, Update.event):
            raise ValueError(f"unknown operation {event}")
        yield Create(entry) if event == Create.event else Update(entry, before)


def _entry(fields: list[Any] | None) -> Entry | None:
    if fields is None:
        return None
    ns, name, kind, meta, data = fields
    return Entry(EntryId(ns, name), kind, meta, data)


def _with_raw_texts(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii() or value.isprintable():
            return value
        return msgspec.msgpack.Ext(_RAW_TEXT, value.encode("utf-8", "surrogateescape"))
    if isinstance(value, dict):
        return {_readable(key): _with_raw_texts(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_raw_texts(item) for item in value]
    return value


def _readable(key: Any) -> Any:
    return key.encode("utf-8", "replace").decode() if isinstance(key, str) else key


def _extension(code: int, data: memoryview) -> str:
    if code != _RAW_TEXT:
        raise ValueError(f"unknown extension {code}")
    return bytes(data).decode("utf-8", "surrogateescape")
