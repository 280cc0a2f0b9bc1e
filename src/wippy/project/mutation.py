"""Changing one place inside an entry by path: `pool.max_open`, `.meta.router`, `middleware+=` (spec 01 §7)."""

from __future__ import annotations

from typing import Any

from wippy.core.errors import invalid
from wippy.registry.entry import Entry


def mutate(entry: Entry, path: str, value: Any) -> Entry:
    """A copy of `entry` with `value` at `path`.

    The path begins with `meta` or `data`, else it is taken below `data`; a leading dot does not count. Missing or
    non-map values on the way become maps. With `+=` at the end the value is appended to a list unless an item with the
    same text form is there. Raises Error(Invalid).
    """
    target, append = (path[:-2], True) if path.endswith("+=") else (path, False)
    keys = target.removeprefix(".").split(".")
    root = keys.pop(0) if keys[0] in ("meta", "data") else "data"
    if not keys:
        raise invalid(f'path "{path}": the whole {root} cannot be replaced')
    if not all(keys):
        raise invalid(f'path "{path}" has an empty segment')
    tree = entry.meta if root == "meta" else entry.data
    changed = _changed(tree, keys, value, append, path)
    if root == "meta":
        return Entry(entry.id, entry.kind, changed, entry.data, entry.origin)
    return Entry(entry.id, entry.kind, entry.meta, changed, entry.origin)


def _changed(tree: Any, keys: list[str], value: Any, append: bool, path: str) -> dict[str, Any]:
    map_ = tree if isinstance(tree, dict) else {}
    key, rest = keys[0], keys[1:]
    if rest:
        new: Any = _changed(map_.get(key), rest, value, append, path)
    elif append:
        new = _appended(map_.get(key), value, path)
    else:
        new = value
    return {**map_, key: new}


def _appended(items: Any, value: Any, path: str) -> list[Any]:
    if items is None:
        return [value]
    if not isinstance(items, list):
        raise invalid(f'path "{path}": cannot append to a value that is not a list')
    return items if text_form(value) in map(text_form, items) else [*items, value]


def text_form(value: Any) -> str:
    """How a value prints: whole floats without a fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
