"""Tables of guests as lists and maps, as `yaml` and `expr` see them: the highest integer index decides (spec 04b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wippy.core.errors import internal

MOST_HOLES = 1000


def as_list(value: Mapping[Any, Any]) -> list[Any] | None:
    """The list that a table with positive integer keys is; None for a map. Raises Error(Internal) for a sparse one."""
    highest = max((key for key in value if type(key) is int), default=0)
    if highest < 1:
        return None
    if highest > len(value) + MOST_HOLES:
        raise internal("a sparse array cannot be used")
    return [value.get(index) for index in range(1, highest + 1)]


def key_text(key: Any) -> str:
    """A key of a map as text."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else str(key)
