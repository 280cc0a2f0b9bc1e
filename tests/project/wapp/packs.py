"""Packs for the tests, good and damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from wippy.core.ids import EntryId
from wippy.project.wapp import FileTree, MemoryTree, Resource
from wippy.project.wapp.encoding import compressed, decompressed, packed, unpacked
from wippy.project.wapp.layout import DATA, FOOTER, HEADER, MAGIC, VERSION
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry

ENTRIES = [
    entry(
        "app:main", "function.lua", {"source": "return 1", "method": "main", "pool": {"size": 4.0}}, {"a": ["ä", None]}
    ),
    entry("app:assets", "fs.embed", {}),
]
FILES = {"index.html": b"<h1>hello</h1>" * 100, "img/logo.png": bytes(range(256)), "empty": b""}


def resource(resource_id: str = "app:assets", files: dict[str, bytes] | None = None) -> Resource:
    return Resource(EntryId.parse(resource_id), MemoryTree(FILES if files is None else files))


def small(path: Path) -> Path:
    write_pack(path, {"name": "demo", "version": "1.0.0"}, ENTRIES, [resource()])
    return path


def content(tree: FileTree, path: str) -> bytes:
    reader, pieces = tree.open(path), []
    while piece := reader.read(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def contents(tree: FileTree) -> dict[str, bytes]:
    return {path: content(tree, path) for path in tree.files}


class Forge:
    """A pack written by hand, so that everything in it can be wrong while all hashes are right."""

    def __init__(self) -> None:
        self.metadata: Any = {}
        self.entries: Any = []
        self.resources: list[tuple[dict[str, str], Any]] = []
        self.data: list[bytes] = []
        self.relative = False
        self.raw: dict[int, bytes] = {}
        """Stored bytes to use for a frame instead of those of its content."""
        self.claims: dict[int, dict[str, Any]] = {}
        """Fields of frames that say something else than the truth."""

    def files(self, files: Any, directories: Any = None, ns: str = "app", name: str = "assets") -> Forge:
        self.resources.append(({"ns": ns, "name": name}, {"Files": files, "Dirs": directories or {}}))
        return self

    def write(self, path: Path) -> Path:
        contents_ = [self.metadata, self.entries, *(index for _, index in self.resources)]
        frames = [(compressed(packed(item)), len(packed(item))) for item in contents_]
        frames += [(item, len(item)) for item in self.data]
        frames = [(self.raw.get(number, stored), plain) for number, (stored, plain) in enumerate(frames)]
        section, infos = b"", []
        for number, (stored, plain) in enumerate(frames):
            info = {
                "Offset": len(section) + (0 if self.relative else DATA),
                "Size": len(stored),
                "UncompressedSize": plain,
                "Hash": hashlib.sha256(stored).hexdigest(),
            }
            infos.append(info | self.claims.get(number, {}))
            section += stored
        first = 2 + len(self.resources)
        table = {
            "Metadata": infos[0],
            "Entries": infos[1],
            "Resources": [
                {"ID": id_, "Type": "tree", "Meta": None, "Frame": frame, "FileCount": 0, "TotalSize": 0}
                for (id_, _), frame in zip(self.resources, infos[2:first], strict=True)
            ],
            "DataFrames": infos[first:],
        }
        return assemble(path, section, compressed(packed(table)))


def assemble(path: Path, section: bytes, table: bytes) -> Path:
    header = HEADER.pack(MAGIC, VERSION, 0, DATA, len(section), hashlib.sha256(section).digest(), b"")
    path.write_bytes(header + section + table + FOOTER.pack(DATA + len(section), len(table)))
    return path


def table_of(path: Path) -> Any:
    data = path.read_bytes()
    offset, size = FOOTER.unpack(data[-FOOTER.size :])
    return unpacked(decompressed(data[offset : offset + size], 1 << 24))


def stored(plain: bytes, **fields: Any) -> dict[str, Any]:
    """The description of a file that is the whole of data frame 0 of a pack with one resource."""
    return {
        "Size": len(plain),
        "CompressedSize": len(plain),
        "Hash": hashlib.sha256(plain).hexdigest(),
        "Compressed": False,
        "Location": {"FrameIndex": 3, "Offset": 0, "Chunks": []},
    } | fields


def ids(entries: list[Entry]) -> list[str]:
    return [str(item.id) for item in entries]
