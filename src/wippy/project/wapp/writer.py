"""Writing a pack: the same input gives the same bytes, and a pack is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import posixpath
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.wapp import limits
from wippy.project.wapp.encoding import LEVEL, compressed, packed
from wippy.project.wapp.layout import CHUNK, DATA, FOOTER, FRAME, HEADER, MAGIC, VERSION, Frame, frame_map
from wippy.project.wapp.tree import FileInfo, Reader, Resource, check_path
from wippy.registry.entry import Entry

IMAGES = (".avif", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".webp")
FONTS = (".woff", ".woff2")
MEDIA = (".avi", ".flac", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".ogg", ".opus", ".webm")
ARCHIVES = (".7z", ".br", ".bz2", ".gz", ".jar", ".rar", ".tgz", ".wapp", ".xz", ".zip", ".zst")
STORED_PLAIN = frozenset(IMAGES + FONTS + MEDIA + ARCHIVES)
"""Extensions of contents that do not shrink."""


def write_pack(
    path: str | Path, metadata: Mapping[str, Any], entries: Sequence[Entry], resources: Sequence[Resource] = ()
) -> None:
    """Writes a pack to `path`, replacing what is there at once; when it fails nothing has changed.

    Entries keep their order. Raises Error(Invalid) naming the file for what cannot be packed: an id that is there
    twice, a value that is no data, a path or a size that no reader would accept.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with tempfile.TemporaryFile() as spool:
            writing = _Writing(metadata, entries, resources, spool)
            with part.open("xb") as file:
                writing.write(file)
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise invalid(f"{path}: cannot be written: {error.strerror or error}") from None
    except Error as error:
        raise error.within(str(path)) from None
    finally:
        part.unlink(missing_ok=True)


class _Writing:
    """Everything of a pack in memory but the files' contents, which go through `spool`."""

    def __init__(
        self, metadata: Mapping[str, Any], entries: Sequence[Entry], resources: Sequence[Resource], spool: IO[bytes]
    ) -> None:
        _check_unique([entry.id for entry in entries], "entry")
        _check_unique([resource.id for resource in resources], "resource")
        self._spool = spool
        self._data = _DataFrames(spool, first=2 + len(resources))
        self._heads = [
            _head(dict(metadata), "metadata", limits.METADATA),
            _head([_entry_map(entry) for entry in entries], "entries", limits.ENTRIES),
        ]
        self._resources = list(resources)
        self._sizes: list[tuple[int, int]] = []
        for resource in resources:
            try:
                self._heads.append(self._index(resource))
            except Error as error:
                raise error.within(f"resource {resource.id}") from None

    def _index(self, resource: Resource) -> tuple[bytes, int]:
        files: dict[str, Any] = {}
        total = 0
        for path in sorted(resource.tree.files):
            check_path(path)
            info = resource.tree.files[path]
            try:
                files[path] = self._data.add(path, info, resource.tree.open(path))
            except OSError as error:
                raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
            total += files[path]["Size"]
        directories = {path: sorted(names) for path, names in sorted(resource.tree.directories.items())}
        self._sizes.append((len(files), total))
        content = {"ID": _id_map(resource.id), "Meta": resource.meta, "Files": files, "Dirs": directories}
        return _head(content, "index", limits.INDEX)

    def write(self, file: IO[bytes]) -> None:
        file.write(bytes(HEADER.size))
        digest = hashlib.sha256()
        frames: list[Frame] = []
        for stored, plain in self._heads:
            frames.append(Frame(file.tell(), len(stored), hashlib.sha256(stored).hexdigest(), plain))
            digest.update(stored)
            file.write(stored)
        heads, offset = len(frames), file.tell()
        for size, hash_ in self._data.frames():
            frames.append(Frame(offset, size, hash_, size))
            offset += size
        self._spool.seek(0)
        shutil.copyfileobj(_Hashing(self._spool, digest), file, limits.MIB)
        size = file.tell() - DATA
        if size > limits.DATA_SECTION:
            raise invalid(f"the data section would have {size} bytes, more than {limits.DATA_SECTION}")
        table = compressed(packed(self._table(frames[:heads], frames[heads:])))
        file.write(table)
        file.write(FOOTER.pack(DATA + size, len(table)))
        file.seek(0)
        file.write(HEADER.pack(MAGIC, VERSION, 0, DATA, size, digest.digest(), b""))

    def _table(self, heads: list[Frame], data: list[Frame]) -> dict[str, Any]:
        resources = [
            {
                "ID": _id_map(resource.id),
                "Type": "tree",
                "Meta": resource.meta,
                "Frame": frame_map(frame),
                "FileCount": count,
                "TotalSize": total,
            }
            for resource, frame, (count, total) in zip(self._resources, heads[2:], self._sizes, strict=True)
        ]
        return {
            "Metadata": frame_map(heads[0]),
            "Entries": frame_map(heads[1]),
            "Resources": resources,
            "DataFrames": [frame_map(frame) for frame in data],
        }


class _DataFrames:
    """The contents of files, one after the other, cut into frames."""

    def __init__(self, spool: IO[bytes], first: int) -> None:
        self._spool = spool
        self._first = first
        self._done: list[tuple[int, str]] = []
        self._size = 0
        self._hash = hashlib.sha256()
        self._total = 0

    def frames(self) -> list[tuple[int, str]]:
        """Size and hash of every frame."""
        return [*self._done, (self._size, self._hash.hexdigest())] if self._size else list(self._done)

    def add(self, path: str, info: FileInfo, source: Reader) -> dict[str, Any]:
        """Stores a file; its description in the index. Raises Error(Invalid) when it is too large."""
        plain = _Measured(source, path)
        shrinks = posixpath.splitext(path)[1].lower() not in STORED_PLAIN
        pieces = _pieces(_shrunk(plain) if shrinks else plain.pieces())
        chunks: list[dict[str, Any]] = []
        offset = 0
        for piece in pieces:
            frame, at = self._place(piece)
            chunks.append({"Size": len(piece), "Offset": offset, "FrameIndex": frame, "FrameOffset": at})
            offset += len(piece)
        self._total += plain.size
        if self._total > limits.UNPACKED:
            raise invalid(f"more than {limits.UNPACKED} bytes of files")
        first = chunks[0] if chunks else {"FrameIndex": 0, "FrameOffset": 0}
        return {
            "Size": plain.size,
            "CompressedSize": offset,
            "Mode": info.mode,
            "ModTime": info.modified,
            "Hash": plain.digest.hexdigest(),
            "Compressed": shrinks,
            "Meta": {},
            "Location": {
                "FrameIndex": first["FrameIndex"],
                "Offset": first["FrameOffset"],
                "Chunks": chunks if len(chunks) > 1 else [],
            },
        }

    def _place(self, piece: bytes) -> tuple[int, int]:
        """Writes a piece; the number of its frame and its offset in it."""
        if self._size + len(piece) > FRAME:
            self._done.append((self._size, self._hash.hexdigest()))
            self._size, self._hash = 0, hashlib.sha256()
        at = self._size
        self._spool.write(piece)
        self._hash.update(piece)
        self._size += len(piece)
        return self._first + len(self._done), at


class _Measured:
    """A file being read: its size and hash so far."""

    def __init__(self, source: Reader, path: str) -> None:
        self._source = source
        self._path = path
        self.size = 0
        self.digest = hashlib.sha256()

    def pieces(self) -> Iterator[bytes]:
        while piece := self._source.read(limits.MIB):
            self.size += len(piece)
            self.digest.update(piece)
            if self.size > limits.FILE:
                raise invalid(f"{self._path}: more than {limits.FILE} bytes")
            yield piece


def _shrunk(plain: _Measured) -> Iterator[bytes]:
    """One zstd stream. Its blocks depend on nothing but the content: every piece but the last is 1 MiB."""
    import zstandard

    stream = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
    for piece in _pieces(plain.pieces()):
        yield stream.compress(piece)
    yield stream.flush()


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of 1 MiB; the last one is shorter."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)


class _Hashing:
    def __init__(self, source: IO[bytes], digest: Any) -> None:
        self._source = source
        self._digest = digest

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size)
        self._digest.update(piece)
        return piece


def _head(content: Any, what: str, most: int) -> tuple[bytes, int]:
    """Stored and plain size of a frame. Raises Error(Invalid)."""
    try:
        plain = packed(content)
    except Error as error:
        raise error.within(what) from None
    if len(plain) > most:
        raise invalid(f"{what}: {len(plain)} bytes, more than {most}")
    return compressed(plain), len(plain)


def _entry_map(entry: Entry) -> dict[str, Any]:
    return {"ID": _id_map(entry.id), "Kind": entry.kind, "Meta": entry.meta, "Data": entry.data}


def _id_map(entry_id: EntryId) -> dict[str, str]:
    return {"ns": entry_id.ns, "name": entry_id.name}


def _check_unique(ids: list[EntryId], what: str) -> None:
    seen: set[EntryId] = set()
    for entry_id in ids:
        if entry_id in seen:
            raise invalid(f"{what} {entry_id} is there twice")
        seen.add(entry_id)
