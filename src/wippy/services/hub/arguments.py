"""What guests hand to module `hub`: references to modules and versions, options (spec 01 §16.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from wippy.core.durations import parse_duration
from wippy.core.errors import Error, invalid
from wippy.core.semver import is_version
from wippy.hub.credentials import checked_registry, checked_token
from wippy.hub.protocol import ModuleName, ModuleRef, VersionRef

Reader: TypeAlias = Callable[[Any], Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_ANY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")

VISIBILITIES = {"": "", "any": "", "all": "", "public": "public", "private": "private", "internal": "internal"}
TYPES = {
    "library": "library",
    "lib": "library",
    "application": "application",
    "app": "application",
    "agent": "agent",
    "plugin": "plugin",
}
ORDERS = {
    "name_asc": "name_asc",
    "name_desc": "name_desc",
    "created_desc": "created_desc",
    "updated_desc": "updated_desc",
    "downloads_desc": "downloads_desc",
    "downloads": "downloads_desc",
}


def text_of(value: Any) -> str:
    """A text without blanks around it; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def module_ref(value: Any) -> ModuleRef:
    """`"org/name"`, an id, `{id}`, `{org, name}`, `{full_name}`. Raises Error(Invalid)."""
    if isinstance(value, Mapping):
        if text_of(value.get("id")):
            return ModuleRef(id=_checked_id(text_of(value["id"])))
        if text_of(value.get("full_name")):
            return _named(text_of(value["full_name"]))
        org, name = text_of(value.get("org")), text_of(value.get("name"))
        if not org or not name:
            raise invalid("module reference table must include id or org/name")
        return _named(f"{org}/{name}")
    text = text_of(value)
    if not text:
        raise invalid("module reference required")
    return ModuleRef(id=text) if _ID.match(text) else _named(text)


def _named(text: str) -> ModuleRef:
    org, slash, name = text.partition("/")
    if not slash or _NAME.match(org) is None or _NAME.match(name) is None:
        raise invalid("module name must be org/name")
    return ModuleRef(name=ModuleName(org=org, name=name))


def _checked_id(text: str) -> str:
    if _ANY_ID.match(text) is None:
        raise invalid("module reference table must include id or org/name")
    return text


def version_ref(value: Any, *, required: bool = True) -> VersionRef:
    """A version, a label, `{id}`, `{version}`, `{label}`; nothing means the latest. Raises Error(Invalid)."""
    if isinstance(value, Mapping):
        for key in ("id", "version", "label"):
            text = text_of(value.get(key))
            if text:
                return VersionRef(**{key: text})
        raise invalid("version table must include id, version, or label")
    text = text_of(value)
    if not text:
        if required or value not in (None, ""):
            raise invalid("version reference required")
        return VersionRef()
    return VersionRef(version=text) if is_version(text) else VersionRef(label=text.removeprefix("@"))


def query_of(value: Any) -> str:
    text = text_of(value)
    if not text:
        raise invalid("query required")
    return text


# Options --------------------------------------------------------------------------------------------------------------


class Options:
    """An options table. Every option that is read is checked; what is wrong is Error(Invalid)."""

    def __init__(self, given: Any) -> None:
        if given is not None and not isinstance(given, (Mapping, list)):
            raise _wrong("options", "table", given)
        self._given: Mapping[Any, Any] = given if isinstance(given, Mapping) else {}

    def _read(self, names: tuple[str, ...], expected: str, reader: Reader) -> Any:
        for name in names:
            value = self._given.get(name)
            if value is not None:
                found = reader(value)
                if found is None:
                    raise _wrong(name, expected, value)
                return found
        return None

    def text(self, *names: str) -> str:
        return self._read(names, "string", lambda value: value if isinstance(value, str) else None) or ""

    def flag(self, name: str) -> bool:
        return bool(self._read((name,), "boolean", lambda value: value if isinstance(value, bool) else None))

    def texts(self, name: str) -> list[str]:
        return self._read((name,), "list of strings", _list_of_texts) or []

    def count(self, name: str, default: int) -> int:
        return self._read((name,), "positive integer", _positive) or default

    def choice(self, choices: Mapping[str, str], *names: str) -> str:
        """One of `choices`, in any spelling of case and hyphens, or by its number; the empty text without one."""
        expected = "|".join(choices)
        return self._read(names, expected, lambda value: _chosen(choices, value)) or ""

    def registry(self) -> str | None:
        found: str | None = self._read(("registry",), "url", _unless_error(checked_registry))
        return found

    def token(self) -> Any:
        return self._read(("token",), "token", _unless_error(checked_token))

    def seconds(self) -> float | None:
        found: float | None = self._read(("timeout",), "duration", _seconds)
        return found


def _wrong(option: str, expected: str, actual: Any) -> Error:
    shown = "***" if option == "token" else _shown(actual)
    return invalid(f'invalid option "{option}"', option=option, expected=expected, actual=shown)


def _shown(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        return "table"
    return str(value).lower() if isinstance(value, bool) else str(value)[:200]


def _positive(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 1_000_000:
        return None
    return int(value) if value == int(value) else None


def _list_of_texts(value: Any) -> list[str] | None:
    if isinstance(value, Mapping) and not value:
        return []
    return list(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _chosen(choices: Mapping[str, str], value: Any) -> str | None:
    if isinstance(value, str):
        return choices.get(value.strip().lower().replace("-", "_"))
    numbered = ["", *dict.fromkeys(meaning for meaning in choices.values() if meaning)]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return numbered[int(value)] if is_number and value in range(len(numbered)) else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            seconds = parse_duration(value) / 1e9
        except Error:
            return None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        return None
    return seconds if 0 < seconds < 1e9 else None


def _unless_error(check: Callable[[str], Any]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return check(value) if isinstance(value, str) else None
        except Error:
            return None

    return read
