"""A directory that guests may use, and nothing outside of it (spec 04a §4.1, §4.3)."""

from __future__ import annotations

import os
import posixpath
import stat as modes
from pathlib import Path
from typing import Any, BinaryIO

from wippy.core.errors import Error, already_exists, denied, internal, invalid, not_found

OPEN_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "wx": os.O_RDWR | os.O_CREAT | os.O_EXCL,
    "a": os.O_RDWR | os.O_CREAT | os.O_APPEND,
}
BAD_MODE = "invalid mode: must be 'r', 'w', 'wx' or 'a'"


def join(cwd: str, path: str) -> str:
    """The path of a guest, seen from its current directory, relative to the volume's root ("" is the root).

    Raises Error(Invalid) for a NUL byte and for a path that would leave the root.
    """
    if "\0" in path:
        raise invalid("path contains a NUL byte")
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(cwd, path)
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            if not parts:
                raise invalid("path traversal not allowed")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def required(path: str) -> str:
    if path == "":
        raise invalid("path required")
    return path


class Volume:
    """A directory on disk. `mode` caps what may be done: its owner bits allow reading, writing, entering."""

    def __init__(self, root: Path, mode: int = 0o755) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        for read, execute in ((0o400, 0o100), (0o040, 0o010), (0o004, 0o001)):
            if mode & read:
                mode |= execute
        self.mode = mode

    def _locate(self, path: str) -> str:
        """The real path; links that point outside are not followed. Raises Error(Invalid)."""
        real = os.path.realpath(os.path.join(self._real, path))
        if real != self._real and not real.startswith(self._real + os.sep):
            raise invalid("path traversal not allowed")
        return real

    def _allow(self, bit: int, what: str) -> None:
        if not self.mode & bit:
            raise denied(f"volume does not allow to {what}")

    def open(self, path: str, mode: str) -> BinaryIO:
        """A file. Raises Error(Invalid) for an unknown mode, Error(NotFound) for every failure to open."""
        if mode not in OPEN_FLAGS:
            raise invalid(BAD_MODE)
        self._allow(0o400 if mode == "r" else 0o200, "read" if mode == "r" else "write")
        try:
            descriptor = os.open(self._locate(path), OPEN_FLAGS[mode], 0o644 & self.mode)
            if modes.S_ISDIR(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise not_found(f"open failed: {path} is a directory")
        except OSError as e:
            raise not_found(f"open failed: {path}: {e.strerror}") from None
        return os.fdopen(descriptor, "rb" if mode == "r" else "rb+" if mode in ("w", "wx") else "ab+", buffering=0)

    def stat(self, path: str) -> dict[str, Any]:
        try:
            found = os.stat(self._locate(path))
        except OSError:
            raise not_found(f"stat failed: {path}: no such file or directory") from None
        return described(posixpath.basename(path) or ".", found)

    def exists(self, path: str) -> bool:
        return os.path.exists(self._locate(path))

    def is_directory(self, path: str) -> bool:
        """Raises Error(NotFound) when there is nothing."""
        return bool(self.stat(path)["is_dir"])

    def make_directory(self, path: str) -> None:
        """One level. Raises Error(AlreadyExists), Error(Internal)."""
        self._allow(0o200, "write")
        try:
            os.mkdir(self._locate(path), 0o755 & self.mode)
        except FileExistsError:
            raise already_exists(f"path already exists: {path}") from None
        except OSError as e:
            raise internal(f"mkdir failed: {path}: {e.strerror}") from None

    def remove(self, path: str) -> None:
        """A file or an empty directory. Raises Error(Invalid) for a full directory, else Error(Internal)."""
        self._allow(0o200, "write")
        target = os.path.join(self._locate(posixpath.dirname(path)), posixpath.basename(path))
        if target == self._real or not path:
            raise invalid("the root cannot be removed")
        try:
            if os.path.isdir(target) and not os.path.islink(target):
                os.rmdir(target)
            else:
                os.remove(target)
        except OSError as e:
            if os.path.isdir(target):
                raise invalid(f"directory not empty: {path}") from None
            raise internal(f"remove failed: {path}: {e.strerror}") from None

    def list(self, path: str) -> list[dict[str, str]]:
        """Names and types. Raises Error(NotFound), Error(Invalid) for what is no directory."""
        self._allow(0o400, "read")
        if not self.is_directory(path):
            raise invalid(f"not a directory: {path}")
        with os.scandir(self._locate(path)) as found:
            return [{"name": item.name, "type": "dir" if item.is_dir() else "file"} for item in found]


def described(name: str, found: os.stat_result) -> dict[str, Any]:
    is_dir = modes.S_ISDIR(found.st_mode)
    return {
        "name": name,
        "size": found.st_size,
        "mode": modes.S_IMODE(found.st_mode),
        "modified": int(found.st_mtime),
        "is_dir": is_dir,
        "type": "dir" if is_dir else "file",
    }


def check_directory(root: Path, entry_id: str) -> None:
    """Raises Error(Invalid) unless `root` is a directory."""
    if not root.is_dir():
        raise Error("Invalid", f"{entry_id}: directory {root} does not exist (auto_init: true would create it)")
