"""Kinds `env.storage.*` and `env.variable` (spec 04a §7.1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import msgspec

from wippy.core.config import Ref
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler
from wippy.services.env.registry import EnvRegistry, Variable
from wippy.services.env.storage import (
    FileStorage,
    MemoryStorage,
    OsStorage,
    RouterStorage,
    StaticStorage,
    Storage,
)

if TYPE_CHECKING:
    from wippy.compute.node import Node

C = TypeVar("C", bound=msgspec.Struct)
Scalar = str | int | float | bool


class NoConfig(msgspec.Struct, frozen=True):
    pass


class StaticConfig(msgspec.Struct, frozen=True):
    values: dict[str, Scalar] = {}
    """Name -> value."""


class FileConfig(msgspec.Struct, frozen=True):
    """Modes are octal texts, or numbers as YAML reads them."""

    file_path: Annotated[str, msgspec.Meta(min_length=1)]
    """The file, with a line NAME=value for each variable."""
    auto_create: bool = False
    """Whether it is made when it is missing."""
    file_mode: str | int = 0o644
    """Its permissions then."""
    dir_mode: str | int = 0o755
    """Those of its directory."""


class RouterConfig(msgspec.Struct, frozen=True):
    storages: Annotated[list[Ref], msgspec.Meta(min_length=1)]
    """Where to look, in this order; the first is written to."""


class VariableConfig(msgspec.Struct, frozen=True):
    storage: Ref
    """Where its value is."""
    variable: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]*$")] = ""
    """Its public name; without one it is reachable by its id only."""
    default: Scalar = ""
    """Its value when the storage has none."""
    readonly: bool = False
    """Whether guests may set it."""


class StorageHandler(KindHandler[C]):
    """Shared by the storages: an entry is one storage of the environment registry."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._env = cast(EnvRegistry, node.env)

    def storage(self, config: C) -> Storage:
        raise NotImplementedError

    async def add(self, entry: Entry, config: C) -> None:
        storage = self.storage(config)
        self._env.add_storage(entry.id, storage)
        self._node.resources[str(entry.id)] = storage

    async def remove(self, entry: Entry) -> None:
        self._env.remove_storage(entry.id)
        self._node.retired.retire(str(entry.id))

    async def restore(self, entry: Entry, config: C) -> None:
        self._env.add_storage(entry.id, self._node.retired.revive(str(entry.id)))


class MemoryStorageHandler(StorageHandler[NoConfig]):
    """Environment variables in memory."""

    kind = "env.storage.memory"
    config = NoConfig

    def storage(self, config: NoConfig) -> Storage:
        return MemoryStorage()

    async def update(self, entry: Entry, config: NoConfig, previous: Entry) -> None:
        """There is nothing to change; what is stored stays."""


class OsStorageHandler(StorageHandler[NoConfig]):
    """The environment variables of the process; read-only."""

    kind = "env.storage.os"
    config = NoConfig

    def storage(self, config: NoConfig) -> Storage:
        return OsStorage()


class StaticStorageHandler(StorageHandler[StaticConfig]):
    """Environment variables with fixed values; read-only."""

    kind = "env.storage.static"
    config = StaticConfig

    def storage(self, config: StaticConfig) -> Storage:
        return StaticStorage({key: text_of(value) for key, value in config.values.items()})


class FileStorageHandler(StorageHandler[FileConfig]):
    """Environment variables in a file."""

    kind = "env.storage.file"
    config = FileConfig

    def storage(self, config: FileConfig) -> Storage:
        return FileStorage(
            Path(config.file_path),
            auto_create=config.auto_create,
            file_mode=_mode(config.file_mode),
            dir_mode=_mode(config.dir_mode),
        )


class RouterStorageHandler(StorageHandler[RouterConfig]):
    """Several storages as one."""

    kind = "env.storage.router"
    config = RouterConfig
    references = ("storages",)

    def storage(self, config: RouterConfig) -> Storage:
        return RouterStorage(lambda: [self._env.storage(entry_id) for entry_id in config.storages])


class VariableHandler(KindHandler[VariableConfig]):
    """An environment variable that guests and placeholders find by its name."""

    kind = "env.variable"
    config = VariableConfig
    references = ("storage",)

    def __init__(self, node: Node) -> None:
        self._env = cast(EnvRegistry, node.env)

    async def add(self, entry: Entry, config: VariableConfig) -> None:
        self._env.add_variable(
            Variable(entry.id, config.storage, config.variable, text_of(config.default), config.readonly)
        )

    async def update(self, entry: Entry, config: VariableConfig, previous: Entry) -> None:
        await self.add(entry, config)

    async def remove(self, entry: Entry) -> None:
        self._env.remove_variable(entry.id)

    async def commit(self) -> None:
        """Names may change hands within a transaction."""
        self._env.check_names()


def text_of(value: Any) -> str:
    """A scalar of a definition file as the text it was meant to be."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _mode(mode: str | int) -> int:
    """A file mode: `"0644"`, or 0644 as YAML 1.1 reads it (420), or 644 written without the leading zero."""
    if isinstance(mode, int):
        return int(str(mode), 8) if mode in (644, 600, 640, 660, 664, 666, 700, 750, 755, 770, 775, 777) else mode
    try:
        return int(mode, 8)
    except ValueError:
        raise invalid(f'invalid file mode "{mode}": write it in octal, such as "0644"') from None
