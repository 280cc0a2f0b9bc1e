"""Override and disable: how configuration changes entries before they are loaded (spec 01 §5.3, §7)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.core.patterns import dotted_pattern
from wippy.project.mutation import mutate
from wippy.registry.entry import Entry


def override(
    entries: Sequence[Entry], values: Mapping[str, Any], gone: Collection[EntryId] = frozenset()
) -> list[Entry]:
    """`entries` with every `ns:entry:path` of `values` set; of duplicates all are changed.

    Raises one Error(Invalid) that lists everything wrong: malformed keys, unknown entries (except those in `gone`),
    paths that cannot be set.
    """
    by_id: dict[EntryId, list[int]] = {}
    for index, entry in enumerate(entries):
        by_id.setdefault(entry.id, []).append(index)
    changed, problems = list(entries), list[str]()
    for key, value in values.items():
        ns, _, rest = key.partition(":")
        name, _, path = rest.partition(":")
        if not (ns and name and path):
            problems.append(f'"{key}": expected namespace:entry:path')
            continue
        entry_id = EntryId(ns, name)
        if entry_id not in by_id and entry_id not in gone:
            problems.append(f'"{key}": entry not found: {entry_id}')
        for index in by_id.get(entry_id, ()):
            try:
                changed[index] = _overridden(changed[index], path, value)
            except Error as error:
                problems.append(f'"{key}": {error}')
    if problems:
        raise invalid(f"override errors: [{'; '.join(problems)}]", errors=problems)
    return changed


def _overridden(entry: Entry, path: str, value: Any) -> Entry:
    if path != "kind":
        return mutate(entry, path, value)
    if not isinstance(value, str) or not value.strip():
        raise invalid("a kind must be a text")
    return Entry(entry.id, value, entry.meta, entry.data, entry.origin)


def matches_entry(pattern: str) -> Callable[[Entry], bool]:
    """A test for entries by an `ns:name` pattern. Raises Error(Invalid) when a half is missing."""
    ns, colon, name = pattern.partition(":")
    if not (colon and ns and name):
        raise invalid(f'entry pattern "{pattern}": expected namespace:name')
    fits_ns, fits_name = dotted_pattern(ns), dotted_pattern(name)
    return lambda entry: fits_ns(entry.id.ns) and fits_name(entry.id.name)


def matches_meta(field: str, values: Any) -> Callable[[Entry], bool]:
    """A test for entries whose text meta field equals the value, or one of the values."""
    wanted = [value for value in (values if isinstance(values, list) else [values]) if isinstance(value, str)]
    return lambda entry: isinstance(entry.meta.get(field), str) and entry.meta[field] in wanted


def disable(
    entries: Sequence[Entry],
    namespaces: Sequence[str] = (),
    patterns: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> list[Entry]:
    """`entries` without those that a namespace pattern, an entry pattern or a meta filter matches."""
    in_namespace = [dotted_pattern(pattern) for pattern in namespaces]
    tests = [matches_entry(pattern) for pattern in patterns]
    tests += [matches_meta(field, values) for field, values in (meta or {}).items()]
    if not in_namespace and not tests:
        return list(entries)
    off = {ns for ns in {entry.id.ns for entry in entries} if any(fits(ns) for fits in in_namespace)}
    return [entry for entry in entries if entry.id.ns not in off and not any(test(entry) for test in tests)]
