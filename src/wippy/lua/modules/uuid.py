"""Guest module `uuid` (spec 04b §14): versions 1, 3, 4, 5 and 7. Reading identifiers is Lua (uuid.lua).

Version 1 uses a random node with the multicast bit set, never a hardware address (RFC 9562 §6.10).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path

from wippy.lua.modules.declare import Module

GREGORIAN = 0x01B21DD213814000  # 100 ns intervals between 1582-10-15 and 1970-01-01

uuid = Module(
    "uuid",
    "Universally unique identifiers.",
    classes=("nondeterministic", "workflow"),
    source=Path(__file__).with_suffix(".lua"),
)


def _text(value: bytes, version: int) -> bytes:
    bits = int.from_bytes(value, "big") & ~(0xF000 << 64) & ~(0xC000 << 48) | version << 76 | 0x8000 << 48
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


class Sequence:
    """Clock readings that only grow: equal or earlier ones are moved on by one unit."""

    def __init__(self, unit: int) -> None:
        self._unit = unit
        self._last = 0

    def next(self) -> int:
        self._last = max(time.time_ns() // self._unit, self._last + 1)
        return self._last


_intervals = Sequence(100)
_steps = Sequence(244)  # 1/4096 ms, the fraction that version 7 keeps in its twelve bits
_node = (secrets.randbits(48) | 1 << 40).to_bytes(6, "big")
_clock_sequence = secrets.token_bytes(2)


@uuid.function("v1() -> string")
def v1() -> bytes:
    """A new time-based identifier."""
    stamp = (_intervals.next() + GREGORIAN).to_bytes(8, "big")
    return _text(stamp[4:] + stamp[2:4] + stamp[:2] + _clock_sequence + _node, 1)


@uuid.function("v4() -> string")
def v4() -> bytes:
    """A new random identifier."""
    return _text(os.urandom(16), 4)


@uuid.function("v7() -> string")
def v7() -> bytes:
    """A new identifier that sorts by its time of creation; those of one node never go back."""
    at = _steps.next() * 244
    milliseconds, rest = divmod(at, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    return _text(milliseconds.to_bytes(6, "big") + fraction.to_bytes(2, "big") + os.urandom(8), 7)


uuid.in_lua(
    {
        "v3(space: string, name: string) -> string": "The identifier of a name in a space, by MD5: always the same.",
        "v5(space: string, name: string) -> string": "The identifier of a name in a space, by SHA-1: always the same.",
        "validate(value: any) -> boolean": "Whether a value is an identifier, in any of its four forms.",
        "version(id: string) -> integer": "Its version. Invalid when it is no identifier.",
        "variant(id: string) -> string": "RFC4122, Reserved, Microsoft or Future. Invalid when it is no identifier.",
        "parse(id: string) -> {version: integer, variant: string, timestamp: integer?, node: string?}": (
            "Its parts: Unix seconds of versions 1 and 7, six bytes of node of version 1."
        ),
        "format(id: string, kind: string?) -> string": (
            "It as `standard` (default), `simple` or `urn`. Invalid for other kinds and what is no identifier."
        ),
    }
)


@uuid.function("named(version: integer, space: bytes, name: bytes) -> string", private=True)
def named(version: int, space: bytes, name: bytes) -> bytes:
    """The name-based identifier of `name` in the 16 bytes `space`: version 3 (MD5) or 5 (SHA-1)."""
    make = hashlib.md5 if version == 3 else hashlib.sha1
    return _text(make(space + name, usedforsecurity=False).digest()[:16], version)
