"""Guest module `base64` (spec 04b §3): the standard alphabet with padding."""

from __future__ import annotations

import binascii
from pathlib import Path

from wippy.core.errors import invalid
from wippy.lua.modules.declare import Module

base64 = Module(
    "base64",
    "Base64 texts in the standard alphabet.",
    classes=("encoding", "deterministic"),
    source=Path(__file__).with_suffix(".lua"),
)


@base64.function("encode(data: bytes) -> bytes")
def encode(data: bytes) -> bytes:
    """The text for `data`; `""` for nothing. Invalid when `data` is no string."""
    return binascii.b2a_base64(data, newline=False)


@base64.function("decode(text: bytes) -> bytes")
def decode(text: bytes) -> bytes:
    """The bytes that `text` stands for; line ends in it are ignored. Invalid for other characters and bad padding."""
    try:
        return binascii.a2b_base64(text.translate(None, b"\r\n"), strict_mode=True)
    except binascii.Error as e:
        raise invalid(f"illegal base64 data: {e}") from None
