"""The guest module `fs` (spec 04a §4.2): volumes, files, scanners. Only copying from a stream suspends.

A guest's FS is the id of an entry and a current directory, both on the guest's side; a File is a handle of the host.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.core.errors import NOT_FOUND, Error, internal, invalid, not_found
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import HandleClass, Module, Permission
from wippy.lua.wire import HandleRef
from wippy.services.fs.file import LARGEST, FileStream, OpenFile
from wippy.services.fs.filesystem import FileSystem
from wippy.services.fs.paths import join, refused, required, shown
from wippy.services.fs.volume import failed
from wippy.services.stream.descriptors import Descriptors, descriptors_of
from wippy.services.stream.module import keep
from wippy.services.stream.stream import Stream, aside

if TYPE_CHECKING:
    from wippy.compute.node import Node

CHUNK = 4096
COPIED = 64 * 1024
WHENCE = {"set": os.SEEK_SET, "cur": os.SEEK_CUR, "end": os.SEEK_END}
GET = Permission("fs.get", "id", "not allowed to access filesystem: {resource}")


def module(node: Node) -> Module:
    """The declaration of `fs` for a node."""
    fs = Module(
        "fs",
        "Files below the directories that entries name, and the files of packs.",
        classes=("storage", "io", "nondeterministic"),
        source=Path(__file__).with_name("module.lua"),
        constants={"type.FILE": "file", "type.DIR": "dir", "seek.SET": "set", "seek.CUR": "cur", "seek.END": "end"},
    )
    volumes = Volumes(node)

    @fs.function("get(id: string) -> FS", permission=GET)
    def get(entry_id: str) -> bool:
        """A handle on a volume, at its root. Errors: Invalid (empty id), NotFound, PermissionDenied."""
        if entry_id == "":
            raise invalid("filesystem id is required")
        volumes.find(entry_id)
        return True

    _declare_tree(fs, volumes)
    _declare_content(fs, volumes)
    files = fs.handle("File")
    _declare_file(files)
    _declare_opening(fs, files, volumes, descriptors_of(node))
    fs.in_lua({}, _HANDLES_IN_LUA)
    return fs


class Volumes:
    """The volumes of a node by entry id."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def find(self, entry_id: str) -> FileSystem:
        """Raises Error(NotFound)."""
        volume = self._node.resources.get(entry_id)
        if not isinstance(volume, FileSystem):
            raise not_found(f"filesystem not found: {entry_id}")
        return volume

    @contextmanager
    def file(self, entry_id: str, cwd: str, path: str, mode: str) -> Iterator[OpenFile]:
        """A file that is open inside the block. Raises Error."""
        target = join(cwd, required(path))
        opened = OpenFile(self.find(entry_id).open(target, mode), target)
        try:
            yield opened
        finally:
            opened.close()


def _declare_tree(fs: Module, volumes: Volumes) -> None:
    @fs.function("enter(id: string, cwd: string, path: string) -> string", private=True)
    def enter(entry_id: str, cwd: str, path: str) -> bytes:
        target = join(cwd, required(path))
        if not volumes.find(entry_id).is_directory(target):
            raise refused(f"not a directory: {shown(path)}")
        return os.fsencode(target)

    @fs.function("stat(id: string, cwd: string, path: string) -> table", private=True)
    def stat(entry_id: str, cwd: str, path: str) -> dict[str, Any]:
        return volumes.find(entry_id).stat(join(cwd, required(path)))

    @fs.function("exists(id: string, cwd: string, path: string) -> boolean", private=True)
    def exists(entry_id: str, cwd: str, path: str) -> bool:
        return volumes.find(entry_id).exists(join(cwd, path))

    @fs.function("isdir(id: string, cwd: string, path: string) -> boolean", private=True)
    def isdir(entry_id: str, cwd: str, path: str) -> bool:
        return volumes.find(entry_id).is_directory(join(cwd, path))

    @fs.function("mkdir(id: string, cwd: string, path: string) -> boolean", private=True)
    def mkdir(entry_id: str, cwd: str, path: str) -> bool:
        volumes.find(entry_id).make_directory(join(cwd, required(path)))
        return True

    @fs.function("remove(id: string, cwd: string, path: string) -> boolean", private=True)
    def remove(entry_id: str, cwd: str, path: str) -> bool:
        volumes.find(entry_id).remove(join(cwd, required(path)))
        return True

    @fs.function("list(id: string, cwd: string, path: string) -> table", private=True)
    def listing(entry_id: str, cwd: str, path: str) -> list[Any]:
        """Name and type of every entry, in turn."""
        return [part for item in volumes.find(entry_id).list(join(cwd, required(path))) for part in item]


def _declare_opening(fs: Module, files: HandleClass, volumes: Volumes, descriptors: Descriptors) -> None:
    @fs.function("open(id: string, cwd: string, path: string, mode: string) -> File", caller=True, private=True)
    def open_file(caller: Caller, entry_id: str, cwd: str, path: str, mode: str) -> HandleRef:
        target = join(cwd, required(path))
        owner = caller.pid_key
        try:
            descriptors.take(owner)
        except OSError as e:
            raise failed(NOT_FOUND, "open", path, e) from None
        try:
            descriptor = volumes.find(entry_id).open(target, mode)
        except BaseException:
            descriptors.give_back(owner)
            raise
        opened = OpenFile(
            descriptor,
            target.rpartition("/")[2],
            readable=True,
            writable=mode != "r",
            on_close=lambda: descriptors.give_back(owner),
        )
        return caller.keep(files, opened, opened.close)

    @fs.function("chunk(file: File) -> bytes", private=True)
    def chunk(f: OpenFile) -> bytes | None:
        """What a scanner reads next."""
        return f.read(COPIED) or None

    @fs.function("stream(file: File) -> any", caller=True, private=True)
    def stream(caller: Caller, f: OpenFile) -> HandleRef:
        return keep(caller, FileStream(f))


def _declare_content(fs: Module, volumes: Volumes) -> None:
    @fs.function("readfile(id: string, cwd: string, path: string) -> bytes", private=True)
    def readfile(entry_id: str, cwd: str, path: str) -> bytes:
        with volumes.file(entry_id, cwd, path, "r") as f:
            if f.state().size > LARGEST:
                raise internal(f"file is larger than {LARGEST} bytes: open it and read it in pieces")
            return f.read(LARGEST)

    @fs.function("writefile(id: string, cwd: string, path: string, data: bytes, mode: string) -> boolean", private=True)
    def writefile(entry_id: str, cwd: str, path: str, data: bytes, mode: str) -> bool:
        with volumes.file(entry_id, cwd, path, mode) as f:
            f.write(data)
        return True

    @fs.function(
        "copy(id: string, cwd: string, path: string, source: any, mode: string) -> boolean", private=True, yields=True
    )
    async def copy(entry_id: str, cwd: str, path: str, source: Any, mode: str) -> bool:
        """What writefile does with an open file or a stream."""
        if isinstance(source, OpenFile):
            pieces = _pieces_of_file(source, source.left())
        elif isinstance(source, Stream):
            pieces = _pieces_of_stream(source)
        else:
            raise refused("data must be a string, a file or a stream")
        with volumes.file(entry_id, cwd, path, mode) as f:
            async for piece in pieces:
                await aside(f.write, piece)
        return True


async def _pieces_of_file(source: OpenFile, size: int) -> AsyncIterator[bytes]:
    """`size` bytes at most: a file that is copied onto its own end has none."""
    while size > 0 and (piece := await aside(source.read, min(size, COPIED))):
        size -= len(piece)
        yield piece


async def _pieces_of_stream(source: Stream) -> AsyncIterator[bytes]:
    while piece := await source.read(COPIED):
        yield piece


def _declare_file(files: HandleClass) -> None:
    @files.method("read(size: integer?) -> string")
    def read(f: OpenFile, size: int | None = None) -> bytes:
        """Up to size bytes (4096). At the end: NotFound with the text EOF."""
        size = CHUNK if size is None else size
        if size <= 0:
            raise refused("size must be positive")
        data = f.read(size)
        if not data:
            raise Error(NOT_FOUND, "EOF", None)
        return data

    @files.method("write(data: bytes) -> boolean")
    def write(f: OpenFile, data: bytes) -> bool:
        """Writes all of it. Errors: Invalid for nothing."""
        if not data:
            raise refused("data is required")
        f.write(data)
        return True

    @files.method("seek(whence: string, offset: integer) -> integer")
    def seek(f: OpenFile, whence: str, offset: int) -> int:
        """Moves to a position counted from `set`, `cur` or `end`; the new position. Errors: Invalid."""
        if whence not in WHENCE:
            raise refused(f'unknown whence "{whence}"')
        return f.seek(offset, WHENCE[whence])

    @files.method("stat() -> table")
    def stat(f: OpenFile) -> dict[str, Any]:
        """As the volume's stat."""
        return f.stat()

    @files.method("sync() -> boolean")
    def sync(f: OpenFile) -> bool:
        """Waits until the disk has it."""
        f.sync()
        return True

    @files.method("close() -> boolean", caller=True)
    def close(caller: Caller, f: OpenFile) -> bool:
        """Closes it; again does nothing."""
        caller.drop(f)
        f.close()
        return True


_HANDLES_IN_LUA = {
    "FS": {
        "pwd() -> string": "The current directory of this handle; the root is `/`.",
        "chdir(path: string) -> boolean": "Changes it. Errors: `false, NotFound`, or Invalid for what is no directory.",
        "open(path: string, mode: string) -> File": "Opens a file: `r`, `w` (made or emptied), `wx` (made, an error "
        "when it exists), `a` (written at the end). Errors: Invalid (mode), NotFound (everything else).",
        "stat(path: string) -> table": "name, size, mode, modified (Unix seconds), is_dir, type. Errors: NotFound.",
        "exists(path: string) -> boolean": "Whether there is something.",
        "isdir(path: string) -> boolean": "Whether it is a directory. Errors: `false, NotFound`.",
        "mkdir(path: string) -> boolean": "One level. Errors: `false, AlreadyExists`, Internal.",
        "remove(path: string) -> boolean": "A file or an empty directory. Errors: `false, Invalid` (full), Internal.",
        "readdir(path: string) -> any": "For a generic `for`: tables with name and type. Errors: NotFound, Invalid.",
        "readfile(path: string) -> string": "The whole content; also `read_file`. Errors: NotFound.",
        "writefile(path: string, data: any, mode: string?) -> boolean": "Writes a text, or what is left of an open "
        "file or a stream (then it suspends); also `write_file`. Modes `w`, `wx`, `a`. Errors: `false, Invalid` (no "
        "data), NotFound (cannot be opened).",
    },
    "File": {
        "scanner(mode: string?) -> Scanner": "Reads `lines`, `words`, `bytes` or `runes`. Errors: Invalid.",
        "stream() -> Stream": "A stream over the same file and position. Errors: Internal.",
    },
}
