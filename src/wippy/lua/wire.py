"""The byte form of values that cross between a shard and the host: MessagePack with extensions (kernel/wire.lua).

Integers and floats keep their subtype, text is `str`, bytes that are no UTF-8 are `bytes`. An `Error` is extension 2, a
handle of the host extension 3. Everything else that has no data form is refused with Error(Invalid).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wippy.core.errors import Error, invalid

_ERROR = 2
_HANDLE = 3


class HandleRef:
    """A host object as the guest holds it: the number of its class and of the object."""

    __slots__ = ("handle_class", "number")

    def __init__(self, handle_class: int, number: int) -> None:
        self.handle_class = handle_class
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HandleRef) and (other.handle_class, other.number) == (self.handle_class, self.number)

    def __hash__(self) -> int:
        return hash((self.handle_class, self.number))

    def __repr__(self) -> str:
        return f"HandleRef({self.handle_class}, {self.number})"


def _enc_hook(value: Any) -> Any:
    if isinstance(value, Error):
        message = guest_text(value.message)
        return msgspec.msgpack.Ext(_ERROR, encode_list([value.kind, message, value.retryable, value.details]))
    if isinstance(value, HandleRef):
        return msgspec.msgpack.Ext(_HANDLE, _ENCODER.encode([value.handle_class, value.number]))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise NotImplementedError(f"a {type(value).__name__} cannot be given to a guest")


def _ext_hook(code: int, data: memoryview) -> Any:
    if code == _ERROR:
        kind, message, retryable, details = _DECODER.decode(data)
        return Error(_text(kind), _text(message), retryable, details)
    if code == _HANDLE:
        return HandleRef(*_DECODER.decode(data))
    raise ValueError("a cyclic value cannot leave its process")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_enc_hook, decimal_format="number")
_DECODER = msgspec.msgpack.Decoder(ext_hook=_ext_hook)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def guest_text(text: str) -> str | bytes:
    """Text that may hold bytes of a guest which are no UTF-8 (as surrogates), as a guest gets it back."""
    return text if text.isascii() or text.isprintable() else text.encode("utf-8", "surrogateescape")


def encode(value: Any) -> bytes:
    """One value for a guest. Raises Error(Invalid) for what has no data form (also integers beyond 64 bits)."""
    try:
        return _ENCODER.encode(value)
    except (NotImplementedError, OverflowError, TypeError, ValueError, RecursionError) as e:
        raise invalid(f"value cannot be given to a guest: {e}") from None


def encode_list(values: Iterable[Any]) -> bytes:
    """The values of an argument list or of several results."""
    return encode(list(values))


def decode(data: bytes) -> Any:
    """What a guest sent. Raises Error(Invalid) when it is cyclic or has keys that Python cannot hold."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as e:
        raise invalid(f"value cannot leave its process: {e}") from None
