"""Where things are in a pack (spec 01 §17). Integers are little-endian.

    header (268 bytes) | data section: metadata, entries, one index a resource, data frames | table of contents | footer

Offsets of frames count from the beginning of the file.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec

from wippy.core.errors import invalid
from wippy.project.wapp import limits

MAGIC = b"WIPPYPACK"
VERSION = 1
HEADER = struct.Struct("<9sBHQQ32s208s")
FOOTER = struct.Struct("<QQ")
DATA = HEADER.size
FRAME = 10 * limits.MIB
"""Most bytes that are put into one data frame."""
CHUNK = limits.MIB
"""The stored bytes of a file are cut into pieces of this size."""

assert HEADER.size == 268 and FOOTER.size == 16

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


def _lower(name: str) -> str:
    return name.replace("_", "").lower()


class Model(msgspec.Struct, frozen=True, rename=_lower):
    """Read from maps whose keys were put into lower case: writers differ in that."""


class Name(Model, frozen=True):
    ns: str = ""
    name: str = ""


class Frame(Model, frozen=True):
    offset: Count
    size: Count
    hash: str
    uncompressed_size: Count = 0


class ResourceFrame(Model, frozen=True):
    id: Name
    frame: Frame
    type: str = "tree"
    file_count: Count = 0
    total_size: Count = 0


class Table(Model, frozen=True):
    metadata: Frame
    entries: Frame
    resources: list[ResourceFrame] | None = None
    data_frames: list[Frame] | None = None


class Chunk(Model, frozen=True):
    size: Count
    offset: Count
    frame_index: Count
    frame_offset: Count


class Location(Model, frozen=True):
    frame_index: Count = 0
    offset: Count = 0
    chunks: list[Chunk] | None = None


class StoredFile(Model, frozen=True):
    size: Count
    compressed_size: Count = 0
    mode: Count = 0o644
    mod_time: int = 0
    hash: str = ""
    compressed: bool = False
    location: Location | None = None


class StoredEntry(Model, frozen=True):
    id: Name
    kind: str
    meta: dict[str, Any] | None = None
    data: Any = None


def lowered(value: Any, *, depth: int = 0) -> Any:
    """The map with its keys in lower case; to `depth` the maps below it, and those in lists, as well."""
    if isinstance(value, dict):
        return {key.lower(): lowered(item, depth=depth - 1) if depth else item for key, item in value.items()}
    if isinstance(value, list) and depth:
        return [lowered(item, depth=depth) for item in value]
    return value


def frame_map(frame: Frame) -> dict[str, Any]:
    return {
        "Offset": frame.offset,
        "Size": frame.size,
        "UncompressedSize": frame.uncompressed_size,
        "Hash": frame.hash,
    }


class Header(msgspec.Struct, frozen=True):
    size: int
    digest: bytes


def read_header(data: bytes) -> Header:
    """Raises Error(Invalid) for anything that is not the header of a pack this reader knows."""
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise invalid("not a pack: it does not begin with WIPPYPACK" if data[:9] != MAGIC else "the file is cut off")
    _, version, _, offset, size, digest, _ = HEADER.unpack(data)
    if version != VERSION:
        raise invalid(f"pack version {version} is not supported, only {VERSION}")
    if offset != DATA:
        raise invalid(f"the data section begins at {offset} instead of {DATA}")
    if size > limits.DATA_SECTION:
        raise invalid(f"the data section has {size} bytes, more than {limits.DATA_SECTION}")
    return Header(size, digest)
