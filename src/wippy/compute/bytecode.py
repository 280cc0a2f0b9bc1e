"""The kinds of compiled code, `*.lua.bc`: their code is a file of another entry, by default one inside the pack."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

import msgspec

from wippy.compute.functions import (
    FunctionConfig,
    FunctionFields,
    FunctionHandler,
    LibraryConfig,
    LibraryFields,
    LibraryHandler,
    ProcessConfig,
    ProcessFields,
    ProcessHandler,
)
from wippy.core.config import Ref
from wippy.core.errors import Error, invalid
from wippy.lua.bytecode import LARGEST, from_bytecode
from wippy.registry.entry import Entry
from wippy.registry.handlers import AnyHandler, KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node


class LibraryBytecode(LibraryFields, frozen=True, kw_only=True):
    fs: Ref
    """The file system that holds the compiled code."""
    path: str
    """The file in it."""
    hash: str
    """`sha256:<hex>` of the file."""


class FunctionBytecode(FunctionFields, frozen=True, kw_only=True):
    fs: Ref
    """The file system that holds the compiled code."""
    path: str
    """The file in it."""
    hash: str
    """`sha256:<hex>` of the file."""


class ProcessBytecode(ProcessFields, frozen=True, kw_only=True):
    fs: Ref
    """The file system that holds the compiled code."""
    path: str
    """The file in it."""
    hash: str
    """`sha256:<hex>` of the file."""


@runtime_checkable
class Files(Protocol):
    """What this needs of a file system (services/fs)."""

    def open(self, path: str, mode: str) -> int: ...


Bytecode = TypeVar("Bytecode", LibraryBytecode, FunctionBytecode, ProcessBytecode)


class BytecodeHandler(KindHandler[Bytecode]):
    """Reads the code and leaves the rest to the handler of the kind's source form."""

    references = ("fs",)
    plain: ClassVar[type[AnyHandler]]
    plain_config: ClassVar[type[msgspec.Struct]]

    def __init__(self, node: Node) -> None:
        self._node = node
        self._plain = self._source_form(node)

    def _source_form(self, node: Node) -> AnyHandler:
        make: Any = self.plain
        handler: AnyHandler = make(node)
        return handler

    async def add(self, entry: Entry, config: Bytecode) -> None:
        await self._plain.add(entry, self._with_source(config))

    async def update(self, entry: Entry, config: Bytecode, previous: Entry) -> None:
        await self._plain.update(entry, self._with_source(config), previous)

    async def remove(self, entry: Entry) -> None:
        await self._plain.remove(entry)

    async def commit(self) -> None:
        await self._plain.commit()

    def _with_source(self, config: Bytecode) -> msgspec.Struct:
        fields = {
            name: getattr(config, name) for name in config.__struct_fields__ if name not in ("fs", "path", "hash")
        }
        source = self._code(config).decode("utf-8", "surrogateescape")
        return self.plain_config(source=source, **fields)

    def _code(self, config: Bytecode) -> bytes:
        """Raises Error(Invalid) unless it is the file of that hash and our compiler made it."""
        data = self._file(config)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != config.hash.lower():
            raise invalid(f"{config.fs}/{config.path}: hash mismatch of compiled code")
        try:
            return from_bytecode(data)
        except Error as error:
            raise error.within(f"{config.fs}/{config.path}") from None

    def _file(self, config: Bytecode) -> bytes:
        files = self._node.resources.get(str(config.fs))
        if not isinstance(files, Files):
            raise invalid(f"{config.fs} is no file system")
        try:
            with os.fdopen(files.open(config.path, "r"), "rb") as file:
                return file.read(LARGEST)
        except Error as error:
            raise invalid(f"{config.fs}: {error}") from None


class LibraryBytecodeHandler(BytecodeHandler[LibraryBytecode]):
    """A library as `wippy pack --bytecode` compiled it."""

    kind = "library.lua.bc"
    config = LibraryBytecode
    plain, plain_config = LibraryHandler, LibraryConfig


class FunctionBytecodeHandler(BytecodeHandler[FunctionBytecode]):
    """A function as `wippy pack --bytecode` compiled it."""

    kind = "function.lua.bc"
    config = FunctionBytecode
    plain, plain_config = FunctionHandler, FunctionConfig


class ProcessBytecodeHandler(BytecodeHandler[ProcessBytecode]):
    """A process as `wippy pack --bytecode` compiled it."""

    kind = "process.lua.bc"
    config = ProcessBytecode
    plain, plain_config = ProcessHandler, ProcessConfig
