"""The files of a pack as a file system that is never written to: the kind `fs.embed` (spec 04a §4.1)."""

from __future__ import annotations

import errno
import os
import posixpath
import tempfile
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from wippy.core.errors import INTERNAL, NOT_FOUND, PERMISSION_DENIED, Error, invalid
from wippy.project.wapp.tree import FileTree
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.fs.filesystem import BAD_MODE, MODES, FileSystem
from wippy.services.fs.paths import refused, shown
from wippy.services.fs.volume import failed

if TYPE_CHECKING:
    from wippy.compute.node import Node

PIECE = 1024 * 1024
READABLE = 0o555


class EmbeddedVolume(FileSystem):
    """A tree of files, most often inside a pack. A file that is opened is unpacked then, into a temporary file without
    a name: it is verified, and seeking in it costs nothing."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree

    def open(self, path: str, mode: str) -> int:
        if mode not in MODES:
            raise refused(BAD_MODE)
        if mode != "r":
            _read_only("open", path)
        if path not in self._tree.files:
            is_directory = path in self._tree.directories
            reason = OSError(errno.EINVAL, "not a regular file") if is_directory else _missing()
            raise failed(NOT_FOUND, "open", path, reason)
        try:
            return self._unpacked(path)
        except OSError as e:
            raise failed(INTERNAL, "open", path, e) from None
        except Error as e:
            raise Error(INTERNAL, f"open failed: {e}", None) from None

    def _unpacked(self, path: str) -> int:
        info = self._tree.files[path]
        descriptor, name = tempfile.mkstemp(prefix="wippy-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                reader = self._tree.open(path)
                while piece := reader.read(PIECE):
                    file.write(piece)
                file.flush()
                os.fchmod(file.fileno(), info.mode & READABLE | 0o400)
                os.utime(file.fileno(), (info.modified, info.modified))
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.unlink(name)

    def stat(self, path: str) -> dict[str, Any]:
        info = self._tree.files.get(path)
        if info is None and path not in self._tree.directories:
            raise failed(NOT_FOUND, "stat", path, _missing())
        return {
            "name": os.fsencode(posixpath.basename(path) or "."),
            "size": info.size if info else 0,
            "mode": info.mode & READABLE if info else READABLE,
            "modified": info.modified if info else 0,
            "is_dir": info is None,
            "type": "file" if info else "dir",
        }

    def list(self, path: str) -> list[tuple[bytes, str]]:
        if not self.is_directory(path):
            raise refused(f"not a directory: {shown(path)}")
        names = self._tree.directories[path]
        return [(os.fsencode(name), self.stat(posixpath.join(path, name))["type"]) for name in names]

    def make_directory(self, path: str) -> None:
        _read_only("mkdir", path)

    def remove(self, path: str) -> None:
        _read_only("remove", path)


class EmbedConfig(msgspec.Struct, frozen=True):
    """Nothing: the files are those that a pack holds under the entry's id."""


class EmbedHandler(KindHandler[EmbedConfig]):
    """The files that a pack holds under the entry's id, read-only."""

    kind = "fs.embed"
    config = EmbedConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: EmbedConfig) -> None:
        module = f"{entry.meta.get('module')}@{entry.meta.get('module_version')}"
        resource = self._node.packed_modules.get(module, self._node.packed).get(entry.id)
        if resource is None:
            raise invalid(f"no pack holds files under {entry.id}")
        self._node.resources[str(entry.id)] = EmbeddedVolume(resource.tree)

    async def remove(self, entry: Entry) -> None:
        self._node.resources.pop(str(entry.id), None)


def _read_only(what: str, path: str) -> NoReturn:
    raise failed(PERMISSION_DENIED, what, path, OSError(errno.EROFS, os.strerror(errno.EROFS)))


def _missing() -> OSError:
    return OSError(errno.ENOENT, os.strerror(errno.ENOENT))
