"""The runtime configuration, resolved: typed reads of dotted keys (spec 01 §5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wippy.core.config import Duration
from wippy.core.durations import parse_duration
from wippy.core.errors import Error, invalid
from wippy.project.settings import Setting, Shape

T = TypeVar("T")


class Config:
    """Dotted leaf keys, e.g. `registry.history_type`. A value of the wrong type reads as the default."""

    def __init__(self, leaves: Mapping[str, Any] | None = None, directory: Path | None = None) -> None:
        """`directory` is where the first configuration file is: relative paths start there."""
        self.leaves: dict[str, Any] = dict(leaves or {})
        self.directory = directory if directory is not None else Path()

    def get(self, setting: Setting[T]) -> T:
        """The value of a setting; its default when there is none or when it has another type."""
        value = _READERS[setting.shape](self.leaves.get(setting.key))
        return setting.default if value is None else value

    def texts(self, key: str) -> list[str]:
        """A list of texts that is no setting of the runtime's."""
        return _texts(self.leaves.get(key)) or []

    def section(self, name: str) -> dict[str, Any]:
        """The leaves below `name`, by the rest of their key."""
        prefix = f"{name}."
        return {key[len(prefix) :]: value for key, value in self.leaves.items() if key.startswith(prefix)}

    def path(self, text: str) -> Path:
        """`text` as a path relative to the first configuration file."""
        return self.directory / Path(text).expanduser()

    def replacements(self) -> dict[str, Path]:
        """`workspace.replacements`: org/mod -> directory. Raises Error(Invalid) for one that is no directory."""
        found: dict[str, Path] = {}
        for module, value in self.section("workspace.replacements").items():
            if value is None:
                continue
            if not isinstance(value, str) or not self.path(value).is_dir():
                raise invalid(f'workspace.replacements: "{module}": not a directory: {value}')
            found[module] = self.path(value)
        return found


def _duration(value: Any) -> Duration | None:
    try:
        return Duration(parse_duration(value)) if isinstance(value, str) else None
    except Error:
        return None


def _texts(value: Any) -> list[str] | None:
    """Other items are left out; a single text counts as a list of one."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else None


_READERS: dict[Shape, Callable[[Any], Any]] = {
    "flag": lambda value: value if isinstance(value, bool) else None,
    "integer": lambda value: value if type(value) is int else None,
    "number": lambda value: float(value) if type(value) in (int, float) else None,
    "text": lambda value: value if isinstance(value, str) else None,
    "texts": _texts,
    "duration": _duration,
}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested maps as dotted leaves; lists and scalars are leaves."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
