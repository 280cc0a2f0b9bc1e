"""The kind `fs.directory` (spec 04a §4.1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from wippy.core.errors import internal, invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.fs.volume import Volume, check_directory

if TYPE_CHECKING:
    from wippy.compute.node import Node


class DirectoryConfig(msgspec.Struct, frozen=True):
    directory: str
    """Its path; a relative one starts at the working directory, of a module's entry at the module."""
    auto_init: bool = False
    """Whether it is made when it is missing."""
    mode: str = "0755"
    """Its permissions then, in octal."""
    base: Literal["", "project", "module"] = ""
    """Where a relative path starts."""
    module: str = msgspec.field(name="meta.module", default="")
    """The module that the entry came with."""


class DirectoryHandler(KindHandler[DirectoryConfig]):
    """A directory of the machine as a file system."""

    kind = "fs.directory"
    config = DirectoryConfig

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, entry: Entry, config: DirectoryConfig) -> None:
        self._node.resources[str(entry.id)] = self._volume(entry, config)

    async def update(self, entry: Entry, config: DirectoryConfig, previous: Entry) -> None:
        self._node.resources[str(entry.id)] = self._volume(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._node.resources.pop(str(entry.id), None)

    def _volume(self, entry: Entry, config: DirectoryConfig) -> Volume:
        if not config.directory:
            raise invalid('field "directory": required field is empty')
        if not re.fullmatch("0?[0-7]{1,3}", config.mode):
            raise invalid(f'field "mode": "{config.mode}" is no octal number such as "0755"')
        root = self._base(config) / config.directory
        if config.auto_init:
            _make(root, str(entry.id))
        check_directory(root, str(entry.id))
        return Volume(root, int(config.mode, 8))

    def _base(self, config: DirectoryConfig) -> Path:
        """The working directory; for an entry of a module that module's root, unless `base` says otherwise."""
        if config.module and config.base != "project":
            return self._node.module_roots.get(config.module, Path())
        return Path()


def _make(root: Path, entry_id: str) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise internal(f"{entry_id}: directory {root} cannot be made: {e.strerror}") from None
