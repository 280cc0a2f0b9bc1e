"""What `fs` asks of a file system, whether it is a directory on disk or a part of a pack (spec 04a §4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from wippy.core.errors import NOT_FOUND, Error

MODES = frozenset({"r", "w", "wx", "a"})
BAD_MODE = "invalid mode: must be 'r', 'w', 'wx' or 'a'"


class FileSystem(ABC):
    """Paths are relative to the root, which is "", and clean (`fs.paths.join`)."""

    @abstractmethod
    def open(self, path: str, mode: str) -> int:
        """A descriptor of a regular file. Raises Error(Invalid) for an unknown mode, else Error(NotFound)."""

    @abstractmethod
    def stat(self, path: str) -> dict[str, Any]:
        """name, size, mode, modified, is_dir, type. Raises Error(NotFound)."""

    @abstractmethod
    def list(self, path: str) -> list[tuple[bytes, str]]:
        """Names and types. Raises Error(NotFound), Error(Invalid) for what is no directory."""

    @abstractmethod
    def make_directory(self, path: str) -> None:
        """One level. Raises Error(AlreadyExists), Error(Internal)."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """A file, a link or an empty directory. Raises Error(Invalid) for a full directory, else Error(Internal)."""

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except Error as e:
            if e.kind != NOT_FOUND:
                raise
            return False
        return True

    def is_directory(self, path: str) -> bool:
        """Raises Error(NotFound) when there is nothing."""
        return bool(self.stat(path)["is_dir"])
