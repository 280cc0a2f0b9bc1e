"""A directory that guests may use, and nothing outside of it (spec 04a §4.1, §4.3).

Every operation first finds where a path really leads, links followed, and refuses what is outside. It then walks that
path from the root once more, a directory at a time and following no link: a link that somebody puts there in between
makes the operation fail instead of leading it astray.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wippy.core.errors import ALREADY_EXISTS, INTERNAL, NOT_FOUND, Error, invalid
from wippy.services.fs.filesystem import BAD_MODE, FileSystem
from wippy.services.fs.paths import refused, shown

OPEN_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "wx": os.O_RDWR | os.O_CREAT | os.O_EXCL,
    "a": os.O_RDWR | os.O_CREAT | os.O_APPEND,
}
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
INTO = os.O_RDONLY | os.O_DIRECTORY | NO_LINK
READ, WRITE, ENTER = 0o400, 0o200, 0o100


def failed(kind: str, what: str, path: str, reason: OSError) -> Error:
    return Error(kind, f"{what} failed: {shown(path)}: {(reason.strerror or str(reason)).lower()}", None)


class Volume(FileSystem):
    """A directory on disk. `mode` caps what may be done: its owner bits allow reading, writing, entering."""

    def __init__(self, root: Path, mode: int = 0o755) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        for read, execute in ((0o400, 0o100), (0o040, 0o010), (0o004, 0o001)):
            if mode & read:
                mode |= execute
        self.mode = mode

    # Where a path leads ----------------------------------------

    def _resolved(self, path: str) -> str:
        """The path without links, relative to the root. Raises Error(Invalid) when it leads outside."""
        try:
            real = os.path.realpath(os.path.join(self._real, path))
        except ValueError:
            raise refused("path is not valid") from None
        if real == self._real:
            return ""
        inside = self._real if self._real.endswith(os.sep) else self._real + os.sep
        if not real.startswith(inside):
            raise refused("path traversal not allowed")
        return real[len(inside) :]

    @contextmanager
    def _directory(self, resolved: str) -> Iterator[int]:
        """A descriptor of a directory, reached without following links. Raises OSError."""
        at = os.open(self._real, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in filter(None, resolved.split("/")):
                below = os.open(part, INTO, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds what `path` leads to, and its name there. Raises OSError."""
        folder, name = posixpath.split(self._resolved(path))
        with self._directory(folder) as at:
            yield at, name or "."

    def _allow(self, bit: int) -> None:
        """Raises OSError when the volume's mode does not allow it."""
        if not self.mode & bit:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    # Operations ----------------------------------------

    def open(self, path: str, mode: str) -> int:
        if mode not in OPEN_FLAGS:
            raise refused(BAD_MODE)
        try:
            self._allow(READ if mode == "r" else WRITE)
            with self._parent(path) as (at, name):
                # without O_NONBLOCK a pipe would keep everybody waiting
                descriptor = os.open(name, OPEN_FLAGS[mode] | NO_LINK | os.O_NONBLOCK, 0o644 & self.mode, dir_fd=at)
            if not modes.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "not a regular file")
        except OSError as e:
            raise failed(NOT_FOUND, "open", path, e) from None
        return descriptor

    def stat(self, path: str) -> dict[str, Any]:
        try:
            self._allow(ENTER)
            with self._parent(path) as (at, name):
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
            if modes.S_ISLNK(found.st_mode):  # a loop, or put there a moment ago
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError as e:
            raise failed(NOT_FOUND, "stat", path, e) from None
        return described(posixpath.basename(path) or ".", found)

    def make_directory(self, path: str) -> None:
        try:
            self._allow(WRITE)
            with self._parent(path) as (at, name):
                os.mkdir(name, 0o755 & self.mode, dir_fd=at)
        except FileExistsError:
            raise Error(ALREADY_EXISTS, f"path already exists: {shown(path)}", None) from None
        except OSError as e:
            raise failed(INTERNAL, "mkdir", path, e) from None

    def remove(self, path: str) -> None:
        folder, name = posixpath.split(path)
        if not name:
            raise refused("the root cannot be removed")
        try:
            self._allow(WRITE)
            with self._directory(self._resolved(folder)) as at:
                is_directory = modes.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
                if is_directory:
                    os.rmdir(name, dir_fd=at)
                else:
                    os.unlink(name, dir_fd=at)
        except OSError as e:
            if e.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise refused(f"directory not empty: {shown(path)}") from None
            raise failed(INTERNAL, "remove", path, e) from None

    def list(self, path: str) -> list[tuple[bytes, str]]:
        if not self.is_directory(path):
            raise refused(f"not a directory: {shown(path)}")
        try:
            self._allow(READ)
            with self._directory(self._resolved(path)) as at, os.scandir(at) as found:
                return [
                    (os.fsencode(item.name), "dir" if item.is_dir(follow_symlinks=False) else "file") for item in found
                ]
        except OSError as e:
            raise failed(NOT_FOUND, "readdir", path, e) from None


def described(name: str, found: os.stat_result) -> dict[str, Any]:
    """What guests see of a file: size in bytes, time of change in Unix seconds."""
    is_dir = modes.S_ISDIR(found.st_mode)
    return {
        "name": os.fsencode(name),
        "size": found.st_size,
        "mode": modes.S_IMODE(found.st_mode),
        "modified": int(found.st_mtime),
        "is_dir": is_dir,
        "type": "dir" if is_dir else "file",
    }


def check_directory(root: Path, entry_id: str) -> None:
    """Raises Error(Invalid) unless `root` is a directory."""
    if not root.is_dir():
        raise invalid(f"{entry_id}: directory {root} does not exist (auto_init: true would create it)")
