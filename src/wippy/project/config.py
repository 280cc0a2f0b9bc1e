"""The runtime configuration, resolved: typed reads of dotted keys (spec 01 §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wippy.core.config import Duration, duration
from wippy.core.durations import parse_duration
from wippy.core.errors import Error, invalid


class Config:
    """Dotted leaf keys, e.g. `registry.history_type`. A value of the wrong type reads as the default."""

    def __init__(self, leaves: Mapping[str, Any] | None = None, directory: Path | None = None) -> None:
        """`directory` is where the first configuration file is: relative paths start there."""
        self.leaves: dict[str, Any] = dict(leaves or {})
        self.directory = directory if directory is not None else Path()

    def flag(self, key: str, default: bool) -> bool:
        value = self.leaves.get(key)
        return value if isinstance(value, bool) else default

    def integer(self, key: str, default: int) -> int:
        value = self.leaves.get(key)
        return value if type(value) is int else default

    def number(self, key: str, default: float) -> float:
        value = self.leaves.get(key)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default

    def text(self, key: str, default: str) -> str:
        value = self.leaves.get(key)
        return value if isinstance(value, str) else default

    def duration(self, key: str, default: str) -> Duration:
        value = self.leaves.get(key)
        if isinstance(value, str):
            try:
                return Duration(parse_duration(value))
            except Error:
                pass
        return duration(default)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> list[str]:
        """A list of texts; other items are left out. A single text counts as a list of one."""
        value = self.leaves.get(key)
        if isinstance(value, str):
            return [value]
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else list(default)

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


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested maps as dotted leaves; lists and scalars are leaves."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
