"""The field types a typed config may use beyond msgspec's own (spec 01 conventions and §1).

A kind handler declares its config as a `msgspec.Struct`:

    class PoolConfig(msgspec.Struct, frozen=True):
        max_lifetime: Duration = duration("1h")

    class QueueConfig(msgspec.Struct, frozen=True):
        driver: Ref                                     # "ns:name", "name" (own namespace) or {ns, name}
        router: Ref = msgspec.field(name="meta.router")  # read from the entry's meta
        source: Verbatim = ""                           # `${env:NAME}` inside stays as it is
"""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec

from wippy.core.durations import format_duration, parse_duration
from wippy.core.errors import Error
from wippy.core.ids import EntryId


class Duration(int):
    """Nanoseconds, written in configuration as a Go duration text such as `30s`. A bare number is an error."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        return self / 1e9

    def __str__(self) -> str:
        return format_duration(self)

    def __repr__(self) -> str:
        return f"Duration({format_duration(self)})"


def duration(text: str) -> Duration:
    """The `Duration` that `text` means. Raises Error(Invalid)."""
    return Duration(parse_duration(text))


class Size(int):
    """Bytes, written in configuration as a number or as a text such as `64MB` or `1.5GiB`."""

    __slots__ = ()


_UNITS = {"": 1, "b": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


if TYPE_CHECKING:
    Ref: TypeAlias = EntryId
else:

    class Ref(ABC):  # noqa: B024 - a marker that msgspec hands to the decode hook; the values are EntryIds
        """Another entry: `ns:name`, a name in the owner's namespace, or `{ns, name}`. Decodes to `EntryId`."""

    Ref.register(EntryId)


Verbatim: TypeAlias = Annotated[str, msgspec.Meta(extra={"verbatim": True})]
"""A text whose placeholders are not resolved: program source, templates. Only recognised at the root of a config."""


Required: TypeAlias = Annotated[str, msgspec.Meta(extra={"required": True})]
"""A text that must not be empty, where the kind says so itself: the config gives it an empty default."""


def decode_hook(default_ns: str) -> Callable[[type, Any], Any]:
    """A msgspec `dec_hook` for `Duration` and `Ref`; references without a namespace get `default_ns`."""

    def decode(wanted: type, value: Any) -> Any:
        if wanted is Duration:
            return _duration(value)
        if wanted is Size:
            return _size(value)
        if wanted is Ref:
            return reference(value, default_ns)
        raise NotImplementedError(f"no configuration decoder for {wanted!r}")

    return decode


def reference(value: Any, default_ns: str) -> EntryId:
    """`value` as an entry id. Raises ValueError when it is neither a text nor a map with `name`."""
    if isinstance(value, EntryId):
        return value
    if isinstance(value, str) and value:
        return EntryId.parse(value, default_ns)
    if isinstance(value, dict):
        ns, name = value.get("ns") or default_ns, value.get("name")
        if isinstance(ns, str) and isinstance(name, str) and name:
            return EntryId(ns, name)
    raise ValueError(f"expected an entry id (ns:name), got {_shown(value)}")


def _duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise ValueError(f'expected a duration text such as "30s", got {_shown(value)}')
    try:
        return Duration(parse_duration(value))
    except Error as error:
        raise ValueError(error.message) from None


def _size(value: Any) -> Size:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Size(value)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*?)b?", value.strip().lower()) if isinstance(value, str) else None
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise ValueError(f'expected a number of bytes or a text such as "64MB", got {_shown(value)}')
    return Size(float(match[1]) * _UNITS[match[2]])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"number {value:g}"
    if isinstance(value, str):
        return f'text "{value}"'
    return {dict: "a map", list: "a list", type(None): "null"}.get(type(value), type(value).__name__)
