"""The guest module `loader` (spec 01 §15): definition files of a volume as entries, which nobody has registered yet."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wippy.core.errors import Error, internal, invalid
from wippy.lua.modules.declare import Module
from wippy.project.definitions import Definitions, deduplicate, load_directory, load_file
from wippy.project.problems import errors
from wippy.project.tree import SKIPPED_DIRECTORIES
from wippy.services.fs.file import LARGEST, OpenFile
from wippy.services.fs.filesystem import FileSystem
from wippy.services.fs.module import GET, Volumes
from wippy.services.fs.paths import join, shown

if TYPE_CHECKING:
    from wippy.compute.node import Node

log = logging.getLogger("wippy.loader")

MOST_FILES = 100_000
DEEPEST = 100  # directories within each other


class VolumeTree:
    """The files of a volume as a `SourceTree`. Links are followed as far as the volume follows them."""

    def __init__(self, volume: FileSystem) -> None:
        self._volume = volume
        self._left = MOST_FILES

    def files(self) -> Iterator[str]:
        yield from self._walk("", DEEPEST)

    def _walk(self, directory: str, depth: int) -> Iterator[str]:
        if depth == 0:
            raise OSError(f"more than {DEEPEST} directories within each other")
        for raw, kind in sorted(_read(self._volume.list, directory)):
            self._left -= 1
            if self._left < 0:
                raise OSError(f"there are more than {MOST_FILES} files")
            name = raw.decode("utf-8", "surrogateescape")
            path = posixpath.join(directory, name)
            if kind != "dir":
                yield path
            elif name not in SKIPPED_DIRECTORIES:
                yield from self._walk(path, depth - 1)

    def read(self, path: str) -> bytes:
        file = OpenFile(_read(self._volume.open, path, "r"), path)
        try:
            if file.state().size > LARGEST:
                raise OSError(f"file is larger than {LARGEST} bytes")
            return file.read(LARGEST)
        finally:
            file.close()

    def display(self, path: str) -> str:
        return shown(path)


def _read(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    except Error as error:
        raise OSError(error.message) from None


def module(node: Node) -> Module:
    """The declaration of `loader` for a node."""
    loader = Module(
        "loader",
        "Reads definition files of a volume as entries, ready for a change set.",
        classes=("storage", "io", "nondeterministic"),
        source=Path(__file__).with_suffix(".lua"),
    )
    volumes = Volumes(node)

    @loader.function("new(id: string) -> Loader", permission=GET)
    def new(entry_id: str) -> bool:
        """A loader for a volume. Errors: Invalid (empty id), NotFound, PermissionDenied."""
        if entry_id == "":
            raise invalid("filesystem id is required")
        volumes.find(entry_id)
        return True

    @loader.function("directory(id: string, path: string) -> {Entry}", yields=True, private=True)
    async def directory(entry_id: str, path: str) -> list[dict[str, Any]]:
        volume, target = volumes.find(entry_id), _required(path)
        if not volume.exists(target) or not volume.is_directory(target):
            raise internal(f"not a directory: {shown(path)}")
        return await asyncio.to_thread(_directory, volume, target)

    @loader.function("file(id: string, path: string) -> {Entry}", yields=True, private=True)
    async def file(entry_id: str, path: str) -> list[dict[str, Any]]:
        volume, target = volumes.find(entry_id), _required(path)
        return await asyncio.to_thread(_file, volume, target)

    loader.in_lua({}, _HANDLES_IN_LUA)
    return loader


def _required(path: str) -> str:
    if path == "":
        raise invalid("path is required")
    return join("", path)


def _directory(volume: FileSystem, path: str) -> list[dict[str, Any]]:
    """A file that cannot be read loses only itself; what concerns the directory as a whole names no file."""
    found = load_directory(VolumeTree(volume), path)
    for problem in found.problems:
        if not problem.path:
            raise internal(f"{shown(path) or '.'}: {problem}")
    return _entries(found)


def _file(volume: FileSystem, path: str) -> list[dict[str, Any]]:
    if not volume.exists(path):
        raise internal(f"file cannot be read: {shown(path)}")
    found = load_file(VolumeTree(volume), path)
    wrong = errors(found.problems)
    if wrong:
        raise internal("\n".join(map(str, wrong)))
    return _entries(found)


def _entries(found: Definitions) -> list[dict[str, Any]]:
    deduplicate(found)
    for problem in found.problems:
        log.warning("%s", problem)
    return [entry.as_data() for entry in found.entries]


_HANDLES_IN_LUA = {
    "Loader": {
        "load_directory(path: string) -> {Entry}": "The entries of all definition files below a directory. Invalid for "
        "an empty path, Internal for one that is no directory; a broken file is left out with a warning. (yields)",
        "load_file(path: string) -> {Entry}": "The entries of one file; Internal when it is broken. (yields)",
    },
}
