"""Reading a pack. It comes from anywhere: hashes, bounds, counts and paths are checked before anything is used."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wippy.core.errors import Error, invalid
from wippy.core.ids import EntryId
from wippy.project.wapp import limits
from wippy.project.wapp.encoding import decompressed, unpacked
from wippy.project.wapp.layout import (
    DATA,
    FOOTER,
    HEADER,
    Frame,
    Header,
    ResourceFrame,
    StoredEntry,
    StoredFile,
    Table,
    lowered,
    read_header,
)
from wippy.project.wapp.pack import Extent, Pack, PackedContent, PackedTree, PackFile
from wippy.project.wapp.tree import FileInfo, Resource, check_path
from wippy.registry.entry import Entry

M = TypeVar("M")

EMPTY = sha256(b"").hexdigest()


def read_pack(path: str | Path) -> Pack:
    """The pack at `path`, verified as a whole; the contents of resources' files are verified when they are read.

    Raises one Error(Invalid) that names file and cause, whatever is wrong with it; Error(NotFound) when there is none.
    """
    path = Path(path)
    try:
        return _Reading(PackFile(path)).pack()
    except FileNotFoundError:
        raise Error("NotFound", f"{path}: no such file") from None
    except OSError as error:
        raise invalid(f"{path}: cannot be read: {error.strerror or error}") from None
    except Error as error:
        raise error.within(str(path)) from None


class _Reading:
    def __init__(self, file: PackFile) -> None:
        self._file = file
        self._index_left = limits.INDEX
        self._files_left = limits.FILES

    def pack(self) -> Pack:
        header = read_header(self._file.read(0, min(HEADER.size, self._file.size)))
        table = self._table(header)
        if self._file.digest(DATA, header.size) != header.digest:
            raise invalid("hash mismatch of the data section")
        resource_frames, data_frames = table.resources or [], table.data_frames or []
        if len(resource_frames) > limits.RESOURCES or len(data_frames) > limits.FRAMES:
            raise invalid(f"more than {limits.RESOURCES} resources or {limits.FRAMES} data frames")
        frames = self._frames(table, header)
        for index, frame in enumerate(frames):
            if self._file.digest(frame.offset, frame.size).hex() != frame.hash.lower():
                raise invalid(f"hash mismatch of frame {index}")
        metadata = self._content(frames[0], "metadata", limits.METADATA)
        if not isinstance(metadata, dict):
            raise invalid("metadata: not a map")
        entries = self._entries(self._content(frames[1], "entries", limits.ENTRIES))
        return Pack(self._file.path, metadata, entries, self._resources(resource_frames, frames))

    # Frames ----------------------------------------

    def _table(self, header: Header) -> Table:
        if self._file.size < DATA + header.size + FOOTER.size:
            raise invalid("the file is cut off")
        offset, size = FOOTER.unpack(self._file.read(self._file.size - FOOTER.size, FOOTER.size))
        if offset < DATA + header.size or offset + size != self._file.size - FOOTER.size:
            raise invalid("the table of contents is not where the footer says, or the file is cut off")
        if size > limits.TABLE:
            raise invalid(f"the table of contents has {size} bytes, more than {limits.TABLE}")
        try:
            content = unpacked(decompressed(self._file.read(offset, size), limits.TABLE))
        except Error as error:
            raise error.within("table of contents") from None
        return _model(lowered(content, depth=4), Table, "table of contents")

    def _frames(self, table: Table, header: Header) -> list[Frame]:
        """Every frame in the order of their numbers, with offsets into the file. Raises Error(Invalid)."""
        found = [table.metadata, table.entries]
        found += [resource.frame for resource in table.resources or []]
        found += table.data_frames or []
        # the first frame begins the data section: some writers count from there and not from the file's beginning
        base = 0 if table.metadata.offset >= DATA else DATA
        for index, frame in enumerate(found):
            if frame.offset + base < DATA or frame.offset + base + frame.size > DATA + header.size:
                raise invalid(f"frame {index} is outside of the data section")
        if sum(frame.size for frame in found) > header.size:
            raise invalid("frames overlap")
        return [msgspec.structs.replace(frame, offset=frame.offset + base) for frame in found]

    def _content(self, frame: Frame, what: str, most: int) -> Any:
        return self._decoded(self._plain(frame, what, most), what)

    def _plain(self, frame: Frame, what: str, most: int) -> bytes:
        if frame.uncompressed_size > most:
            raise invalid(f"{what}: {frame.uncompressed_size} bytes when decompressed, more than {most}")
        try:
            data = decompressed(self._file.read(frame.offset, frame.size), frame.uncompressed_size or most)
            if frame.uncompressed_size not in (0, len(data)):
                raise invalid(f"{len(data)} bytes instead of the declared {frame.uncompressed_size}")
        except Error as error:
            raise error.within(what) from None
        return data

    def _decoded(self, data: bytes, what: str, text_errors: str = "strict") -> Any:
        try:
            return unpacked(data, text_errors=text_errors)
        except Error as error:
            raise error.within(what) from None

    # Contents ----------------------------------------

    def _entries(self, content: Any) -> list[Entry]:
        stored = _model([_entry_map(item) for item in _listed(content, "entries")], list[StoredEntry], "entries")
        found: dict[EntryId, Entry] = {}
        for item in stored:
            entry_id = EntryId(item.id.ns, item.id.name)
            if not item.id.name.strip() or not item.kind.strip():
                raise invalid(f"entries: {entry_id}: an entry needs a name and a kind")
            if entry_id in found:
                raise invalid(f"entries: {entry_id} is there twice")
            data = {} if item.data is None and item.kind == "fs.embed" else item.data  # some writers leave it out
            found[entry_id] = Entry(entry_id, item.kind, item.meta or {}, data)
        return list(found.values())

    def _resources(self, stored: Sequence[ResourceFrame], frames: Sequence[Frame]) -> list[Resource]:
        found: dict[EntryId, Resource] = {}
        total = 0
        for number, resource in enumerate(stored):
            resource_id = EntryId(resource.id.ns, resource.id.name)
            if resource.type != "tree":
                raise invalid(f'resource {resource_id}: unknown type "{resource.type}"')
            if resource_id in found:
                raise invalid(f"resource {resource_id} is there twice")
            what = f"resource {resource_id}"
            data = self._plain(frames[2 + number], what, self._index_left)
            self._index_left -= len(data)
            content = self._decoded(data, what, "surrogateescape")
            try:
                found[resource_id] = self._resource(resource_id, content, frames, 2 + len(stored))
            except Error as error:
                raise error.within(what) from None
            total += sum(info.size for info in found[resource_id].tree.files.values())
            if total > limits.UNPACKED:
                raise invalid(f"the resources have more than {limits.UNPACKED} bytes when decompressed")
        return list(found.values())

    def _resource(self, resource_id: EntryId, content: Any, frames: Sequence[Frame], first: int) -> Resource:
        fields = lowered(content)
        if not isinstance(fields, dict):
            raise invalid("not a map")
        files, folders = fields.get("files") or {}, fields.get("dirs") or {}
        if not isinstance(files, dict) or not isinstance(folders, dict):
            raise invalid("files and dirs must be maps")
        self._files_left -= max(len(files), len(folders))
        if self._files_left < 0:
            raise invalid(f"more than {limits.FILES} files or directories")
        infos: dict[str, FileInfo] = {}
        contents: dict[str, PackedContent] = {}
        for path, stored in files.items():
            check_path(path)
            file = _model(lowered(stored, depth=3), StoredFile, path)
            infos[path] = FileInfo(file.size, file.mode & 0o777, file.mod_time or self._file.modified)
            try:
                contents[path] = _located(file, frames, first)
            except Error as error:
                raise error.within(path) from None
        for path in folders:
            if path:
                check_path(path)
        meta = fields.get("meta")
        tree = PackedTree(self._file, infos, contents, list(folders))
        return Resource(resource_id, tree, meta if isinstance(meta, dict) else {})


def _located(file: StoredFile, frames: Sequence[Frame], first: int) -> PackedContent:
    """Where a file's stored bytes are. `first` is the number of the first data frame. Raises Error(Invalid)."""
    if file.size > limits.FILE:
        raise invalid(f"{file.size} bytes, more than {limits.FILE}")
    length = file.compressed_size if file.compressed else file.size
    if not length and not file.size:
        return PackedContent(0, file.hash.lower() or EMPTY, False, ())
    if file.location is None:
        raise invalid("no location")
    extents, end = [], 0
    if file.location.chunks:
        for chunk in file.location.chunks:
            if chunk.offset != end:
                raise invalid("its chunks do not follow each other")
            extents.append(_extent(chunk.frame_index, chunk.frame_offset, chunk.size, frames, first))
            end += chunk.size
    else:
        extents.append(_extent(file.location.frame_index, file.location.offset, length, frames, first))
        end = length
    if end != length:
        raise invalid(f"its chunks have {end} bytes instead of {length}")
    return PackedContent(file.size, file.hash.lower(), file.compressed, tuple(extents))


def _extent(number: int, offset: int, size: int, frames: Sequence[Frame], first: int) -> Extent:
    if not first <= number < len(frames):
        raise invalid(f"frame {number} is no data frame")
    if offset + size > frames[number].size:
        raise invalid(f"outside of frame {number}")
    return Extent(frames[number].offset + offset, size)


def _listed(content: Any, what: str) -> list[Any]:
    if content is None:
        return []
    if not isinstance(content, list):
        raise invalid(f"{what}: not a list")
    return content


def _entry_map(value: Any) -> Any:
    fields = lowered(value)
    if isinstance(fields, dict):
        fields["id"] = lowered(fields.get("id"))
    return fields


def _model(value: Any, model: type[M], what: str) -> M:
    try:
        return msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        raise invalid(f"{what}: {error}") from None
