"""From the raw data of an entry to the typed config of its kind (spec 01 §1, §6).

In order: `_env` companions and `${env:...}` placeholders are resolved, fields declared as `meta.x` are looked up in
meta, then msgspec converts. Numbers in files are floats: one with an integral value fits an int field. An empty table
of a guest is a map: it fits a list. A value that came from the environment is text: it fits a number or boolean field
when it reads as one. Unknown fields are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from wippy.core.config import decode_hook
from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry
from wippy.registry.placeholders import EnvLookup, UnresolvedVariable, scalar, substitute

S = TypeVar("S", bound=msgspec.Struct)

_LIMIT = 2**63
_SEGMENT = re.compile(r"\[[^\]]*\]|[^.\[\]]+")
_MISSING = re.compile(r"Object missing required field `(.*)`\Z")
_KIND_OF = {"str": "text", "object": "map", "array": "list", "bool": "boolean", "int": "integer", "float": "number"}


def no_environment(name: str, namespace: str) -> str | None:
    """The lookup of a registry without environment variables."""
    return None


class ConfigDecoder:
    """Decodes configs with one environment lookup."""

    def __init__(self, lookup: EnvLookup = no_environment) -> None:
        self._lookup = lookup
        self.asked: dict[EntryId, frozenset[str]] = {}
        """The variables that the config of an entry asked for, there or not: by name, and by id."""

    def decode(self, entry: Entry, config: type[S]) -> S:
        """The config of `entry`. Raises Error(Invalid) naming entry, place, field and reason; detail `field`."""
        if entry.data is None:
            raise invalid(f"{entry.label()}: config data required", entry=str(entry.id))
        if not isinstance(entry.data, dict):
            raise invalid(f"{entry.label()}: config must be a map, got {_type_name(entry.data)}", entry=str(entry.id))
        shape = _shape(config)
        environment = _Environment(self._lookup, entry.id.ns, shape.verbatim)
        try:
            tree = environment.resolve(entry.data)
        except UnresolvedVariable as error:
            reason = f'environment variable "{error}" is not set and has no default'
            raise _failure(entry, environment.field(), reason) from None
        finally:
            if environment.asked:
                self.asked[entry.id] = frozenset(environment.asked)
            else:
                self.asked.pop(entry.id, None)
        fields = {key: value for key, value in tree.items() if value is not None}
        for name in shape.meta:
            value = _at(entry.meta, name[5:])
            if value is not None:
                fields[name] = value
        return _convert(entry, config, fields, environment.texts)


class _Shape:
    __slots__ = ("meta", "verbatim")

    def __init__(self, config: type[msgspec.Struct]) -> None:
        fields = msgspec.structs.fields(config)
        self.meta = tuple(field.encode_name for field in fields if field.encode_name.startswith("meta."))
        self.verbatim = frozenset(field.encode_name for field in fields if _is_verbatim(field.type))


@cache
def _shape(config: type[msgspec.Struct]) -> _Shape:
    return _Shape(config)


def _is_verbatim(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        marks = get_args(annotation)[1:]
        return any(isinstance(mark, msgspec.Meta) and (mark.extra or {}).get("verbatim") for mark in marks)
    return any(map(_is_verbatim, get_args(annotation)))


class _Environment:
    """Resolves one tree; remembers where values came from the environment (`texts`), which variables it asked for, and
    where it is (`field`)."""

    def __init__(self, lookup: EnvLookup, namespace: str, verbatim: frozenset[str]) -> None:
        self.texts: list[tuple[str, ...]] = []
        self.asked: set[str] = set()
        self._known = lookup
        self._namespace = namespace
        self._verbatim = verbatim
        self._path: list[str] = []

    def field(self) -> str:
        return ".".join(self._path)

    def _lookup(self, name: str, namespace: str) -> str | None:
        self.asked.update((name, str(EntryId.parse(name, namespace))))
        return self._known(name, namespace)

    def resolve(self, tree: Any) -> Any:
        """`tree` itself when nothing in it needs resolving, else a copy."""
        if isinstance(tree, str):
            return self._text(tree) if "${" in tree else tree
        if isinstance(tree, dict):
            return self._map(tree)
        if isinstance(tree, list):
            return self._list(tree)
        return tree

    def _text(self, text: str) -> Any:
        value = substitute(text, self._namespace, self._lookup)
        self.texts.append(tuple(self._path))
        return value

    def _map(self, tree: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key, value in tree.items():
            if not self._path and key in self._verbatim:
                continue
            if isinstance(value, str):
                if key.endswith("_env"):
                    self._companion(key, value, changed)
                if "${" not in value:
                    continue
            elif not isinstance(value, (dict, list)):
                continue
            self._path.append(key)
            resolved = self.resolve(value)
            if resolved is not value:
                changed.setdefault(key, resolved)
            self._path.pop()
        return {**tree, **changed} if changed else tree

    def _companion(self, key: str, name: str, changed: dict[str, Any]) -> None:
        value = self._lookup(name, self._namespace)
        if value:
            changed[key[:-4]] = value
            self.texts.append((*self._path, key[:-4]))

    def _list(self, tree: list[Any]) -> list[Any]:
        changed = False
        items: list[Any] = []
        for index, item in enumerate(tree):
            self._path.append(f"[{index}]")
            resolved = self.resolve(item)
            self._path.pop()
            changed = changed or resolved is not item
            items.append(resolved)
        return items if changed else tree


def _convert(entry: Entry, config: type[S], fields: dict[str, Any], texts: list[tuple[str, ...]]) -> S:
    hook = decode_hook(entry.id.ns)
    tree: Any = fields
    while True:
        try:
            return msgspec.convert(tree, config, dec_hook=hook)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$")
            segments = _segments(path.rstrip("`"))
            repaired = _repair(tree, segments, reason, texts)
            if repaired is tree:
                raise _explain(entry, segments, reason) from None
            tree = repaired
        except Error as error:
            raise entry.failure(error) from error


def _repair(tree: Any, segments: list[str], reason: str, texts: list[tuple[str, ...]]) -> Any:
    """`tree` with the values that msgspec refused read as what it wanted, or `tree` itself."""
    expected, _, got = reason.partition(", got ")
    if got == "`float`" and "int" in expected:
        return _rebuild(tree, segments, (), _whole)
    if got == "`object`" and "array" in expected:
        return _rebuild(tree, segments, (), lambda value, _: value if value else [])
    if got == "`str`" and texts:
        from_environment = set(texts)
        return _rebuild(tree, segments, (), lambda value, path: _read(value) if path in from_environment else value)
    return tree


def _whole(value: Any, path: tuple[str, ...]) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _LIMIT else value


def _read(value: Any) -> Any:
    return scalar(value) if isinstance(value, str) else value


def _rebuild(tree: Any, segments: list[str], path: tuple[str, ...], fix: Callable[[Any, tuple[str, ...]], Any]) -> Any:
    """A copy of `tree` with `fix` applied where `segments` lead (all items of a list); `tree` if nothing changed."""
    if not segments:
        return fix(tree, path)
    if isinstance(tree, dict):
        if segments[0] == "[...]":
            keys, rest = list(tree), segments[1:]
        else:
            keys = [_key_of(tree, segments)]
            rest = segments[keys[0].count(".") + 1 :]
        changed = {
            key: new
            for key in keys
            if key in tree and (new := _rebuild(tree[key], rest, (*path, key), fix)) is not tree[key]
        }
        return {**tree, **changed} if changed else tree
    if isinstance(tree, list) and segments[0][1:-1].isdigit():
        items = [_rebuild(item, segments[1:], (*path, f"[{index}]"), fix) for index, item in enumerate(tree)]
        return items if any(new is not old for new, old in zip(items, tree, strict=True)) else tree
    return tree


def _key_of(tree: dict[str, Any], segments: list[str]) -> str:
    """The key of `tree` that `segments` begin with: keys declared as `meta.x.y` hold dots."""
    for length in range(len(segments), 1, -1):
        key = ".".join(segments[:length])
        if key in tree:
            return key
    return segments[0]


def _segments(path: str) -> list[str]:
    """`.a[0].b[...]` -> a, [0], b, [...]; `[...]` stands for any key of a map."""
    return _SEGMENT.findall(path)


def _explain(entry: Entry, segments: list[str], reason: str) -> Error:
    missing = _MISSING.match(reason)
    if missing is not None:
        return _failure(entry, ".".join([*segments, missing[1]]), "required field is missing")
    return _failure(entry, ".".join(segments), _plain(reason))


def _failure(entry: Entry, field: str, reason: str) -> Error:
    shown = field.replace(".[", "[")
    where = f'field "{shown}": ' if shown else ""
    return invalid(f"{entry.label(field)}: {where}{reason}", entry=str(entry.id), field=shown, reason=reason)


def _plain(reason: str) -> str:
    """msgspec's wording with the words of the specification for types."""
    text = re.sub(r"`([^`]*)`", lambda match: _types(match[1]), reason)
    return text[0].lower() + text[1:]


def _types(names: str) -> str:
    return " or ".join(_KIND_OF.get(name, name) for name in names.split(" | "))


def _type_name(value: Any) -> str:
    return _types({"dict": "object", "list": "array"}.get(type(value).__name__, type(value).__name__))


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree
