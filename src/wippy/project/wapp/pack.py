"""What a pack holds, and the file behind it."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.wapp import limits
from wippy.project.wapp.encoding import Decompression
from wippy.project.wapp.tree import FileInfo, Reader, Resource, directories_of
from wippy.registry.entry import Entry


class PackFile:
    """The open file of a pack: positioned reads from any thread. It is closed when nobody holds it any more, so that
    a pack that is replaced or removed on disk can still be read by who opened it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        status = os.fstat(self._descriptor)
        self.size = status.st_size
        self.modified = int(status.st_mtime)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises Error(Invalid) when the file ends before, OSError."""
        pieces: list[bytes] = []
        while size > 0:
            piece = os.pread(self._descriptor, min(size, limits.MIB), offset)
            if not piece:
                raise invalid("the file is cut off")
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        return b"".join(pieces)

    def digest(self, offset: int, size: int) -> bytes:
        """SHA-256 of `size` bytes at `offset`. Raises Error(Invalid), OSError."""
        found = hashlib.sha256()
        while size > 0:
            piece = self.read(offset, min(size, limits.MIB))
            found.update(piece)
            offset, size = offset + len(piece), size - len(piece)
        return found.digest()

    def failed(self, error: Error) -> Error:
        """`error` with the file's name in front."""
        return error.within(str(self.path))


class Extent(msgspec.Struct, frozen=True):
    offset: int
    size: int


class PackedContent(msgspec.Struct, frozen=True):
    """Where the bytes of a file are, and what they must come to."""

    size: int
    hash: str
    compressed: bool
    extents: Sequence[Extent]


class PackedTree:
    """The files of a resource, inside a pack. Contents are read, decompressed and verified when they are asked for."""

    def __init__(
        self,
        file: PackFile,
        files: dict[str, FileInfo],
        contents: dict[str, PackedContent],
        directories: list[str] | tuple[str, ...] = (),
    ) -> None:
        """Raises Error(Invalid) when a path is both a file and a directory."""
        self.files = dict(sorted(files.items()))
        self.directories = directories_of(self.files, directories)
        self._file = file
        self._contents = contents

    def open(self, path: str) -> Reader:
        return _FileReader(self._file, path, self._contents[path])


class Pack(msgspec.Struct, frozen=True):
    """A verified pack. `entries` are as they are stored: no tags, no links, placeholders unresolved."""

    path: Path
    metadata: dict[str, Any]
    entries: list[Entry]
    resources: list[Resource]

    def resource(self, resource_id: EntryId) -> Resource | None:
        return next((found for found in self.resources if found.id == resource_id), None)


class _Stored:
    """The stored bytes of a file, from one extent to the next."""

    def __init__(self, file: PackFile, extents: Sequence[Extent]) -> None:
        self._file = file
        self._extents = list(reversed(extents))

    def read(self, size: int = -1, /) -> bytes:
        while self._extents:
            extent = self._extents.pop()
            if not extent.size:
                continue
            most = extent.size if size < 0 else min(size, extent.size)
            most = min(most, limits.MIB)
            self._extents.append(Extent(extent.offset + most, extent.size - most))
            return self._file.read(extent.offset, most)
        return b""


class _FileReader:
    """Gives a file's bytes and holds them against its declared size and hash: at the end all of it was right."""

    def __init__(self, file: PackFile, path: str, content: PackedContent) -> None:
        stored = _Stored(file, content.extents)
        self._source: Reader = Decompression(stored) if content.compressed else stored
        self._file = file
        self._path = path
        self._content = content
        self._hash = hashlib.sha256()
        self._left = content.size

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises Error(Invalid)."""
        try:
            piece = self._source.read(min(size, self._left + 1, limits.MIB)) if size > 0 else b""
            self._hash.update(piece)
            self._left -= len(piece)
            if self._left < 0 or (size > 0 and not piece and self._left > 0):
                raise invalid(f"not of the declared size of {self._content.size} bytes")
            if self._left == 0 and self._hash.hexdigest() != self._content.hash:
                raise invalid("hash mismatch")
        except Error as error:
            raise self._file.failed(error.within(self._path)) from None
        return piece
