"""The query language of `registry.find` (spec 01 §14) over one state, with indexes.

Equality on `.kind`, `.ns`, `.name` and on scalar `meta.f` is answered from an index that is built on first use and
carried over, bucket by bucket, to the states that follow. Results are cached per state.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from wippy.registry.entry import Entry

log = logging.getLogger("wippy.registry.finder")

CACHED_QUERIES = 1000

Condition: TypeAlias = Callable[[Entry], bool]
Replacement: TypeAlias = tuple[Entry | None, Entry | None]

_ABSENT = object()


class Finder:
    """Answers queries over `entries`, which are in text order of their ids and do not change."""

    __slots__ = ("_cache", "_entries", "_indexes")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._indexes: dict[str, Index] = {}
        self._cache: dict[Any, tuple[Entry, ...]] = {}

    def after(self, entries: Sequence[Entry], replaced: Sequence[Replacement]) -> Finder:
        """The finder of the state that the replacements lead to. Large changes drop the indexes."""
        following = Finder(entries)
        if len(replaced) * 10 <= len(entries):
            following._indexes = {field: index.after(replaced) for field, index in self._indexes.items()}
        return following

    def find(self, query: Mapping[str, Any]) -> tuple[Entry, ...]:
        """The entries that meet every condition, by id. Conditions the language does not know are ignored."""
        key = _cache_key(query)
        found = self._cache.get(key) if key is not None else None
        if found is None:
            found = self._search(query)
            if key is not None:
                if len(self._cache) >= CACHED_QUERIES:
                    self._cache.pop(next(iter(self._cache)))
                self._cache[key] = found
        return found

    def equal(self, field: str, value: str) -> tuple[Entry, ...]:
        """The entries whose `.kind`, `.ns`, `.name` or `meta.f` is exactly `value`."""
        return tuple(self._index(field).bucket(value))

    def _search(self, query: Mapping[str, Any]) -> tuple[Entry, ...]:
        candidates: Sequence[Entry] = self._entries
        conditions: list[Condition] = []
        for key, value in query.items():
            field = indexed_field(key, value)
            if field is None:
                condition = compile_condition(key, value)
                if condition is not None:
                    conditions.append(condition)
                continue
            bucket = self._index(field).bucket(value)
            conditions.append(_member(field, value))
            if len(bucket) <= len(candidates):
                candidates = bucket
        if len(conditions) == 1 and candidates is not self._entries:
            return tuple(candidates)
        return tuple(entry for entry in candidates if all(condition(entry) for condition in conditions))

    def _index(self, field: str) -> Index:
        index = self._indexes.get(field)
        if index is None:
            index = self._indexes[field] = Index.build(field, self._entries)
        return index


class Index:
    """The entries by the value of one field, each bucket in text order of the ids."""

    __slots__ = ("_buckets", "_field")

    def __init__(self, field: str, buckets: dict[Any, list[Entry]]) -> None:
        self._field = field
        self._buckets = buckets

    @classmethod
    def build(cls, field: str, entries: Iterable[Entry]) -> Index:
        buckets: dict[Any, list[Entry]] = {}
        for entry in entries:
            value = field_value(entry, field)
            if is_scalar(value):
                buckets.setdefault(_bucket_key(value), []).append(entry)
        return cls(field, buckets)

    def bucket(self, value: Any) -> Sequence[Entry]:
        return self._buckets.get(_bucket_key(value), ())

    def after(self, replaced: Iterable[Replacement]) -> Index:
        """A copy that shares the buckets no replacement touches."""
        buckets = dict(self._buckets)
        fresh: set[Any] = set()
        for old, new in replaced:
            for entry, add in ((old, False), (new, True)):
                value = field_value(entry, self._field) if entry is not None else None
                if entry is None or not is_scalar(value):
                    continue
                key = _bucket_key(value)
                if key not in fresh:
                    fresh.add(key)
                    buckets[key] = list(buckets.get(key, ()))
                _replace(buckets[key], entry, add)
        return Index(self._field, buckets)


def _replace(bucket: list[Entry], entry: Entry, add: bool) -> None:
    key = str(entry.id)
    index = bisect_left(bucket, key, key=lambda each: str(each.id))
    while not add and index < len(bucket) and bucket[index].id != entry.id:
        index += 1
    if add:
        bucket.insert(index, entry)
    elif index < len(bucket):
        del bucket[index]


def is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _bucket_key(value: Any) -> Any:
    return ("boolean", value) if isinstance(value, bool) else value


def field_value(entry: Entry, field: str) -> Any:
    """`.kind`, `.ns`, `.name`, `.id` or `meta.<literal key>` of an entry; a private mark when absent."""
    if field.startswith("meta."):
        return entry.meta.get(field[5:], _ABSENT)
    if field == ".kind":
        return entry.kind
    if field == ".ns":
        return entry.id.ns
    return entry.id.name if field == ".name" else str(entry.id)


def indexed_field(key: str, value: Any) -> str | None:
    """The index that answers this condition, if one does."""
    if key.startswith("meta."):
        return key if is_scalar(value) else None
    if key in (".kind", ".ns", ".name", ".id"):
        return key if isinstance(value, str) and "*" not in value else None
    return None


def _member(field: str, value: Any) -> Condition:
    wanted = _bucket_key(value)

    def condition(entry: Entry) -> bool:
        actual = field_value(entry, field)
        return is_scalar(actual) and bool(_bucket_key(actual) == wanted)

    return condition


def compile_condition(key: str, value: Any) -> Condition | None:
    """The test behind one pair of a query; None for a pair that is ignored."""
    operator, field = (key[0], key[1:]) if key[:1] in "~*^$" and key else ("", key)
    if field.startswith("meta."):
        return _meta_condition(operator, field, value)
    if not operator and field in (".kind", ".ns", ".name", ".id"):
        if not isinstance(value, str):
            return None
        fits = glob(value)
        return lambda entry: fits(field_value(entry, field))
    log.warning("unknown filter key ignored", extra={"fields": {"key": key}})
    return None


def _meta_condition(operator: str, field: str, value: Any) -> Condition | None:
    if not operator:
        return _contains_all(field, value)
    if not isinstance(value, str):
        return lambda entry: False
    if operator == "~":
        try:
            search = re.compile(value).search
        except re.error as error:
            log.warning("invalid regular expression ignored", extra={"fields": {"key": field, "error": str(error)}})
            return None
        return _on_text(field, lambda actual: search(actual) is not None)
    if operator == "^":
        return _on_text(field, lambda actual: actual.startswith(value))
    if operator == "$":
        return _on_text(field, lambda actual: actual.endswith(value))
    return _substring(field, value)


def _on_text(field: str, test: Callable[[str], bool]) -> Condition:
    def condition(entry: Entry) -> bool:
        actual = field_value(entry, field)
        return isinstance(actual, str) and test(actual)

    return condition


def _substring(field: str, text: str) -> Condition:
    def condition(entry: Entry) -> bool:
        actual = field_value(entry, field)
        if isinstance(actual, str):
            return text in actual
        return isinstance(actual, list) and any(isinstance(item, str) and text in item for item in actual)

    return condition


def _contains_all(field: str, value: Any) -> Condition:
    """Equality with a value that is not a scalar: a list of texts asks for all of them, anything else never fits."""
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, str) for item in value):
        return lambda entry: False

    def condition(entry: Entry) -> bool:
        actual = field_value(entry, field)
        return isinstance(actual, list) and all(item in actual for item in value)

    return condition


def glob(pattern: str) -> Callable[[str], bool]:
    """A test for a text with any number of `*`, which cross dots and colons."""
    if "*" not in pattern:
        return lambda text: text == pattern
    first, *middle, last = pattern.split("*")
    if not any(middle):
        size = len(first) + len(last)
        return lambda text: len(text) >= size and text.startswith(first) and text.endswith(last)
    fits = re.compile(".*?".join(map(re.escape, (first, *filter(None, middle), last))), re.DOTALL).fullmatch
    return lambda text: fits(text) is not None


def _cache_key(query: Mapping[str, Any]) -> Any:
    try:
        key = frozenset((name, type(value), _frozen(value)) for name, value in query.items())
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
