"""The two encodings inside a pack: msgpack with its old raw texts, and zstd (spec 01 §17). Nothing is trusted.

The old texts have no form of 8-bit length and there is no binary type: `msgpack` writes that form when told so. Before
anything is decoded its shape is walked through: how many values there are, how deep, whether all of it is there.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

from wippy.core.errors import invalid
from wippy.project.wapp import limits

LEVEL = 9
"""1.6 MB of our sources become 421 KB at zstd's default 3, 368 KB at 9 (44 MB/s), 363 KB at 12 (25 MB/s)."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def packed(value: Any) -> bytes:
    """`value` as msgpack. Raises Error(Invalid) for what the format cannot hold."""
    import msgpack

    try:
        data: bytes = msgpack.packb(value, use_bin_type=False, unicode_errors="surrogateescape")
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"cannot be packed: {error}") from None
    return data


def unpacked(data: bytes, *, text_errors: str = "strict") -> Any:
    """The value in `data`. Raises Error(Invalid) for anything malformed, too many values, or too deep."""
    import msgpack

    _check_shape(data)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, unicode_errors=text_errors)
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid(f"malformed content: {error}") from None


def compressed(data: bytes) -> bytes:
    """`data` as one zstd stream with a checksum; the same bytes always give the same result."""
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)


def decompressed(data: bytes, most: int) -> bytes:
    """What the zstd stream `data` holds. Raises Error(Invalid) when it is damaged or holds more than `most` bytes."""
    import io

    import zstandard

    try:
        declared = zstandard.get_frame_parameters(data).content_size
    except zstandard.ZstdError as error:
        raise invalid(f"damaged: {error}") from None
    stream = Decompression(io.BytesIO(data))
    found = bytearray()
    while piece := stream.read(min(limits.MIB, most + 1 - len(found))):
        found += piece
        if len(found) > most:
            raise invalid(f"larger than {most} bytes when decompressed")
    if declared not in (zstandard.CONTENTSIZE_UNKNOWN, len(found)):
        raise invalid("damaged: the stream is cut off")
    return bytes(found)


class Decompression:
    """Reads a zstd stream in pieces, never holding more than a piece and the window."""

    def __init__(self, source: Readable) -> None:
        import zstandard

        self._failure = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor(max_window_size=limits.WINDOW).stream_reader(source)  # type: ignore[arg-type]

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end, also when the source ended early. Raises Error(Invalid)."""
        try:
            return self._stream.read(size)
        except self._failure as error:
            raise invalid(f"damaged: {error}") from None
        except MemoryError:
            raise invalid("damaged: the stream asks for too much memory") from None


def _sizes() -> list[int]:
    """Bytes of a value by its first byte, for values of known size; 0 for the others, -1 for those not allowed."""
    sizes = [-1] * 256
    for first in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3):
        sizes[first] = 1
    for length in range(32):
        sizes[0xA0 + length] = 1 + length
    for first, size in {
        0xCA: 5,
        0xCB: 9,
        0xCC: 2,
        0xCD: 3,
        0xCE: 5,
        0xCF: 9,
        0xD0: 2,
        0xD1: 3,
        0xD2: 5,
        0xD3: 9,
    }.items():
        sizes[first] = size
    for first in (*range(0x80, 0xA0), 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF):
        sizes[first] = 0
    return sizes


_SIZES = _sizes()
_LENGTHS = {
    0xD9: struct.Struct(">xB"),
    0xDA: struct.Struct(">xH"),
    0xDB: struct.Struct(">xI"),
    0xDC: struct.Struct(">xH"),
    0xDD: struct.Struct(">xI"),
    0xDE: struct.Struct(">xH"),
    0xDF: struct.Struct(">xI"),
}


def _check_shape(data: bytes) -> None:
    try:
        end = _walked(data)
    except (IndexError, struct.error):
        end = len(data) + 1
    if end > len(data):
        raise invalid("malformed content: it ends too early")
    if end < len(data):
        raise invalid("malformed content: bytes are left over")


def _walked(data: bytes) -> int:
    """Where the value in `data` ends. Raises Error(Invalid), and IndexError or struct.error past the end."""
    at, values, open_items = 0, 0, [1]
    end = len(data)
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        first = data[at]
        size = _SIZES[first]
        if size > 0:
            at += size
            continue
        if size < 0:
            raise invalid(f"malformed content: type 0x{first:02x} is not part of the format")
        at, items = _opened(data, at, first)
        if items:
            values += items
            if items > end - at:
                return end + 1
            if values > limits.VALUES:
                raise invalid(f"malformed content: more than {limits.VALUES} values")
            if len(open_items) >= limits.DEPTH:
                raise invalid(f"malformed content: nested more than {limits.DEPTH} deep")
            open_items.append(items)
    return at


def _opened(data: bytes, at: int, first: int) -> tuple[int, int]:
    """Where the next value begins after the head of a text, list or map, and how many values that one holds."""
    if first < 0x90:
        return at + 1, 2 * (first & 15)
    if first < 0xA0:
        return at + 1, first & 15
    head = _LENGTHS[first]
    length: int = head.unpack_from(data, at)[0]
    at += head.size
    if first <= 0xDB:
        return at + length, 0
    return at, length if first <= 0xDD else 2 * length
