"""Read-only trees of files: the resources of packs, directories that become resources, files made in memory."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from wippy.core.errors import invalid
from wippy.core.ids import EntryId
from wippy.project.wapp import limits


class FileInfo(msgspec.Struct, frozen=True):
    """A file of a tree: its bytes when plain, permission bits, Unix seconds of its last change (0: not known)."""

    size: int
    mode: int = 0o644
    modified: int = 0


class Reader(Protocol):
    """A file being read from its beginning."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" at the end. Raises Error(Invalid) for damaged content, OSError."""


class FileTree(Protocol):
    """Files by path, with `/` and relative to the root."""

    @property
    def files(self) -> Mapping[str, FileInfo]:
        """Every file, by path."""

    @property
    def directories(self) -> Mapping[str, list[str]]:
        """Every directory by path, "" for the root: the names in it, sorted."""

    def open(self, path: str) -> Reader:
        """The content of a file. Raises KeyError for a path that is not in `files`, OSError."""


class Resource(msgspec.Struct, frozen=True):
    """A tree of files under an entry's id."""

    id: EntryId
    tree: FileTree
    meta: dict[str, Any] = {}


class MemoryTree:
    """Files that exist in memory only."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = dict(contents)
        self.files = {path: FileInfo(len(data)) for path, data in sorted(self._contents.items())}
        self.directories = directories_of(self.files)

    def open(self, path: str) -> Reader:
        return io.BytesIO(self._contents[path])


class DiskTree:
    """A directory on disk as it is now: files and directories below it. A link to a file inside of it is that file;
    other links and special files are left out."""

    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        self.root = root
        self.files: dict[str, FileInfo] = {}
        empty: list[str] = []
        for folder, names, files in os.walk(root, onerror=_raised):
            names.sort()
            prefix = posixpath.join(Path(folder).relative_to(root).as_posix(), "").removeprefix("./")
            empty.append(prefix.rstrip("/"))
            for name in sorted(files):
                path = Path(folder, name)
                if path.is_file() and (not path.is_symlink() or path.resolve().is_relative_to(root.resolve())):
                    status = path.stat()
                    mode = 0o755 if status.st_mode & 0o100 else 0o644
                    self.files[prefix + name] = FileInfo(status.st_size, mode)
        self.directories = directories_of(self.files, empty)

    def open(self, path: str) -> Reader:
        if path not in self.files:
            raise KeyError(path)
        return (self.root / path).open("rb")


class MergedTree:
    """Several trees as one; of two files with one path the later tree's counts."""

    def __init__(self, trees: list[FileTree]) -> None:
        self._owner = {path: tree for tree in trees for path in tree.files}
        self.files = {path: self._owner[path].files[path] for path in sorted(self._owner)}
        self.directories = directories_of(self.files, [path for tree in trees for path in tree.directories])

    def open(self, path: str) -> Reader:
        return self._owner[path].open(path)


def directories_of(files: Mapping[str, FileInfo], also: list[str] | tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The directories that hold `files`, and those of `also`, with the names in them.

    Raises Error(Invalid) when a path is both a file and a directory.
    """
    names: dict[str, set[str]] = {"": set()}

    def enter(directory: str) -> set[str]:
        if directory in files:
            raise invalid(f'"{directory}" is both a file and a directory')
        if directory not in names:
            if len(names) > limits.FILES:
                raise invalid(f"more than {limits.FILES} directories")
            names[directory] = set()
            folder, _, name = directory.rpartition("/")
            enter(folder).add(name)
        return names[directory]

    for path in files:
        folder, _, name = path.rpartition("/")
        enter(folder).add(name)
    for path in also:
        enter(path)
    return {path: sorted(names[path]) for path in sorted(names)}


def check_path(path: str) -> None:
    """Raises Error(Invalid) unless `path` is relative, clean and inside its tree."""
    shown = path.encode("utf-8", "replace").decode()
    if not path or len(path.encode("utf-8", "surrogateescape")) > limits.PATH:
        raise invalid(f"a path has no or more than {limits.PATH} bytes: {shown[:80]!r}")
    if "\0" in path:
        raise invalid(f"path {shown!r} holds a NUL byte")
    if path.startswith("/"):
        raise invalid(f"path {shown!r} is absolute")
    segments = path.split("/")
    if len(segments) > limits.SEGMENTS:
        raise invalid(f"path {shown[:80]!r} has more than {limits.SEGMENTS} segments")
    for segment in segments:
        if segment in ("", ".", ".."):
            raise invalid(f"path {shown!r} is not clean: path traversal")
        if len(segment.encode("utf-8", "surrogateescape")) > limits.NAME:
            raise invalid(f"path {shown[:80]!r} has a name of more than {limits.NAME} bytes")


def _raised(error: OSError) -> None:
    raise error
