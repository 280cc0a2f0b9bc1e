"""The MessagePack form of payloads (spec 03 §4): plain data, without the extensions that values have between shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wippy.core.errors import Error, internal
from wippy.lua.modules.plain_tables import as_list, key_text
from wippy.lua.wire import HandleRef, decode, encode

DEEPEST = 200


def pack(body: bytes) -> bytes:
    """The MessagePack text of the one value in a list of a shard. Raises Error(Internal) for what has no form."""
    try:
        return msgspec.msgpack.encode(_plain(decode(body)[0], 0))
    except (OverflowError, TypeError, ValueError) as e:
        raise internal(f"transcode failed: {e}") from None


def unpack(text: bytes) -> bytes:
    """The value of a MessagePack text, as a shard reads it. Raises Error(Internal) for a malformed one."""
    try:
        return encode(msgspec.msgpack.decode(text, ext_hook=_refuse))
    except (msgspec.DecodeError, ValueError, RecursionError) as e:
        raise internal(f"transcode failed: {e}") from None


def _refuse(code: int, _data: memoryview) -> Any:
    raise ValueError(f"extension {code} has no meaning here")


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"nesting deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        items = as_list(value)
        if items is None:
            return {key_text(key): _plain(item, depth + 1) for key, item in value.items()}
        value = items
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Error):
        return value.message
    return str(value) if isinstance(value, HandleRef) else value
