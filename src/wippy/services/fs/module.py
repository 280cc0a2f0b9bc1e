"""The guest module `fs` (spec 04a §4.2): volumes, files, scanners. Nothing here suspends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wippy.core.errors import Error, internal, invalid, not_found
from wippy.lua.bindings import Caller
from wippy.lua.modules.declare import HandleClass, Module, Permission
from wippy.lua.wire import HandleRef
from wippy.services.fs.scanner import Scanner
from wippy.services.fs.volume import Volume, described, join, required

if TYPE_CHECKING:
    from wippy.compute.node import Node

CHUNK = 4096
WHENCE = {"set": os.SEEK_SET, "cur": os.SEEK_CUR, "end": os.SEEK_END}
GET = Permission("fs.get", "id", "not allowed to access filesystem: {resource}")


class Directory:
    """A guest's handle on a volume, with its current directory."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.cwd = ""

    def path(self, text: str) -> str:
        return join(self.cwd, text)


class OpenFile:
    """A guest's file. Closed with its process."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream: BinaryIO | None = stream
        self.name = name

    @property
    def closed(self) -> bool:
        return self._stream is None

    def stream(self) -> BinaryIO:
        if self._stream is None:
            raise internal("file already closed")
        return self._stream

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def module(node: Node) -> Module:
    """The declaration of `fs` for a node."""
    fs = Module(
        "fs",
        "Files below the directories that entries name.",
        classes=("storage", "io", "nondeterministic"),
        source=Path(__file__).with_name("module.lua"),
        constants={"type.FILE": "file", "type.DIR": "dir", "seek.SET": "set", "seek.CUR": "cur", "seek.END": "end"},
    )
    directories, files, scanners = fs.handle("FS"), fs.handle("File"), fs.handle("Scanner")

    @fs.function("get(id: string) -> FS", caller=True, permission=GET)
    def get(caller: Caller, entry_id: str) -> HandleRef:
        """A handle on a volume, at its root. Errors: Invalid (empty id), NotFound, PermissionDenied."""
        if entry_id == "":
            raise invalid("filesystem id is required")
        volume = node.resources.get(entry_id)
        if not isinstance(volume, Volume):
            raise not_found(f"filesystem not found: {entry_id}")
        return caller.keep(directories, Directory(volume))

    _declare_tree(directories)
    _declare_content(directories, files)
    _declare_file(files, scanners)
    _declare_scanner(scanners)
    return fs


def _declare_tree(directories: HandleClass) -> None:
    @directories.method("pwd() -> string")
    def pwd(d: Directory) -> str:
        """The current directory; the root is `/`."""
        return "/" + d.cwd

    @directories.method("chdir(path: string) -> boolean")
    def chdir(d: Directory, path: str) -> bool:
        """Changes it. Errors: NotFound, Invalid for what is no directory."""
        target = d.path(required(path))
        if not d.volume.is_directory(target):
            raise invalid(f"not a directory: {path}")
        d.cwd = target
        return True

    @directories.method("stat(path: string) -> table")
    def stat(d: Directory, path: str) -> dict[str, Any]:
        """name, size, mode, modified, is_dir, type. Errors: NotFound."""
        return d.volume.stat(d.path(required(path)))

    @directories.method("exists(path: string) -> boolean")
    def exists(d: Directory, path: str) -> bool:
        """Whether there is something."""
        return d.volume.exists(d.path(path))

    @directories.method("isdir(path: string) -> boolean")
    def isdir(d: Directory, path: str) -> bool:
        """Whether it is a directory. Errors: NotFound."""
        return d.volume.is_directory(d.path(path))

    @directories.method("mkdir(path: string) -> boolean")
    def mkdir(d: Directory, path: str) -> bool:
        """One level. Errors: AlreadyExists, Internal."""
        d.volume.make_directory(d.path(required(path)))
        return True

    @directories.method("remove(path: string) -> boolean")
    def remove(d: Directory, path: str) -> bool:
        """A file or an empty directory. Errors: Invalid (not empty), Internal."""
        d.volume.remove(d.path(required(path)))
        return True

    @directories.method("list(path: string) -> table")
    def listing(d: Directory, path: str) -> list[dict[str, str]]:
        """What readdir iterates over. Errors: NotFound, Invalid."""
        return d.volume.list(d.path(required(path)))


def _declare_content(directories: HandleClass, files: HandleClass) -> None:
    @directories.method("open(path: string, mode: string) -> File", caller=True)
    def open_file(caller: Caller, d: Directory, path: str, mode: str) -> HandleRef:
        """Opens a file: `r`, `w`, `wx`, `a`. Errors: Invalid (mode), NotFound (everything else)."""
        target = d.path(required(path))
        opened = OpenFile(d.volume.open(target, mode), target.rpartition("/")[2])
        return caller.keep(files, opened, opened.close)

    @directories.method("readfile(path: string) -> bytes")
    def readfile(d: Directory, path: str) -> bytes:
        """The whole content. Errors: NotFound."""
        with d.volume.open(d.path(required(path)), "r") as stream:
            return stream.read()

    @directories.method("writefile(path: string, data: any, mode: string?) -> boolean")
    def writefile(d: Directory, path: str, data: Any, mode: str | None = None) -> bool:
        """Writes a text or the rest of an open file. Errors: Invalid (no data), NotFound (cannot be opened)."""
        if data is None:
            raise invalid("data is required")
        with d.volume.open(d.path(required(path)), mode or "w") as stream:
            if isinstance(data, OpenFile):
                while chunk := data.stream().read(1 << 16):
                    _write_all(stream, chunk)
            else:
                _write_all(stream, _bytes(data))
        return True


def _declare_file(files: HandleClass, scanners: HandleClass) -> None:
    @files.method("read(size: integer?) -> bytes")
    def read(f: OpenFile, size: int | None = None) -> bytes:
        """Up to size bytes (4096). At the end: NotFound with the text EOF."""
        size = CHUNK if size is None else size
        if size <= 0:
            raise invalid("size must be positive")
        data = f.stream().read(size)
        if not data:
            raise Error("NotFound", "EOF", None)
        return data

    @files.method("write(data: bytes) -> boolean")
    def write(f: OpenFile, data: bytes) -> bool:
        """Writes all of it. Errors: Invalid for nothing."""
        stream = f.stream()
        if not data:
            raise invalid("data is required")
        try:
            _write_all(stream, data)
        except OSError as e:
            raise internal(f"write failed: {e.strerror}") from None
        return True

    @files.method("seek(whence: string, offset: integer) -> integer")
    def seek(f: OpenFile, whence: str, offset: int) -> int:
        """Moves to a position counted from `set`, `cur` or `end`; the new position."""
        if whence not in WHENCE:
            raise invalid(f'unknown whence "{whence}"')
        try:
            return f.stream().seek(offset, WHENCE[whence])
        except OSError as e:
            raise invalid(f"seek failed: {e.strerror}") from None

    @files.method("stat() -> table")
    def stat(f: OpenFile) -> dict[str, Any]:
        """As the volume's stat."""
        return described(f.name, os.fstat(f.stream().fileno()))

    @files.method("sync() -> boolean")
    def sync(f: OpenFile) -> bool:
        """Waits until the disk has it."""
        os.fsync(f.stream().fileno())
        return True

    @files.method("scanner(mode: string?) -> Scanner", caller=True)
    def scanner(caller: Caller, f: OpenFile, mode: str | None = None) -> HandleRef:
        """Reads `lines`, `words`, `bytes` or `runes`."""
        if f.closed:
            raise invalid("file is closed")
        return caller.keep(scanners, Scanner(f.stream(), mode or "lines"))

    @files.method("is_closed() -> boolean")
    def is_closed(f: OpenFile) -> bool:
        """Whether it was closed."""
        return f.closed

    @files.method("close() -> boolean")
    def close(f: OpenFile) -> bool:
        """Closes it; again does nothing."""
        f.close()
        return True


def _declare_scanner(scanners: HandleClass) -> None:
    @scanners.method("scan() -> boolean")
    def scan(s: Scanner) -> bool:
        """Moves to the next token; false at the end."""
        return s.scan()

    @scanners.method("text() -> bytes")
    def text(s: Scanner) -> bytes:
        """The current token."""
        return s.token

    @scanners.method("err() -> string?")
    def err(s: Scanner) -> str | None:
        """Why scanning stopped early."""
        return s.error


def _bytes(data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape")
    raise invalid("data must be a string or a file")


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
