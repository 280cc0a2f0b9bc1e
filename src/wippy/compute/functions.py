"""The Lua kinds: `function.lua`, `library.lua`, `process.lua` (spec 01 §22, spec 02 §10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import msgspec

from wippy.compute.code import Unit, split_imports
from wippy.compute.lifecycle import Security
from wippy.compute.limits import Limits
from wippy.core.config import Verbatim
from wippy.core.errors import invalid
from wippy.registry.entry import Entry
from wippy.registry.handlers import KindHandler

if TYPE_CHECKING:
    from wippy.compute.node import Node


UNSIZED = 100  # instances of a function that says nothing about its pool


class Pool(msgspec.Struct, frozen=True):
    """How many instances of a function may exist (spec 03 §6)."""

    type: Literal["", "inline", "lazy", "static", "adaptive"] = ""
    """Which pool; chosen by the other fields when it is empty."""
    size: int | None = None
    """Instances of an inline pool; of a static one without `workers`."""
    workers: int | None = None
    """Instances of a static pool."""
    buffer: int | None = None
    """Calls that may wait; 64 for each worker by default."""
    max_size: int | None = None
    """The most instances of a lazy or adaptive pool."""
    warm_start: bool = False
    """Accepted: instances are made when they are first needed."""

    @property
    def kind(self) -> str:
        """The type, as other fields imply it where none is given."""
        if self.type:
            return self.type
        if self.workers:
            return "static"
        return "lazy" if not self.size or self.max_size else "inline"

    def for_kernel(self) -> dict[str, Any]:
        """Type, most instances, and calls that wait before those that need not wait for their result do."""
        kind = self.kind
        if kind == "inline":
            return {"type": kind, "most": 1, "buffer": None}
        if kind == "static":
            workers = self.workers or self.size or 8
            return {"type": kind, "most": workers, "buffer": self.buffer or workers * 64}
        if kind == "adaptive":
            most = self.max_size or 16
            return {"type": kind, "most": most, "buffer": most * 64}
        return {"type": kind, "most": self.max_size or (16 if self.type else UNSIZED), "buffer": None}

    def check(self) -> None:
        """Raises Error(Invalid) for sizes that make no pool."""
        for name in ("workers", "buffer", "max_size"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise invalid(f"pool.{name} must not be negative")
        if self.kind == "static":
            if (self.workers == 0 and not self.size) or (not self.workers and self.size is not None and self.size <= 0):
                raise invalid("pool.size must be greater than 0 for worker pools")
        elif self.size is not None and (self.size < 0 or (self.type == "inline" and self.size == 0)):
            raise invalid("pool.size must be greater than 0 for non-flex pools")


class LibraryFields(msgspec.Struct, frozen=True):
    """A library, wherever its code is; so the two below. See `bytecode.py` for code that is not a `source`."""

    modules: list[str] = []
    """Modules of the runtime that the code requires."""
    imports: dict[str, str] = {}
    """Alias -> entry whose code is imported, or a module of the runtime."""


class LibraryConfig(LibraryFields, frozen=True, kw_only=True):
    source: Verbatim
    """The code, or `file://` and its path."""


class FunctionFields(msgspec.Struct, frozen=True):
    method: str
    """The name of the function that the code returns."""
    modules: list[str] = []
    """Modules of the runtime that the code requires."""
    imports: dict[str, str] = {}
    """Alias -> entry whose code is imported, or a module of the runtime."""
    pool: Pool = Pool()
    """How many calls may run at the same time."""
    limits: Limits = Limits()
    """What one call may use."""
    security: Security | None = None
    """The identity it runs under in place of its caller's."""
    options: dict[str, Any] = msgspec.field(name="meta.options", default={})
    """Default call options: retries, time limit."""


class FunctionConfig(FunctionFields, frozen=True, kw_only=True):
    source: Verbatim
    """The code, or `file://` and its path."""


class Command(msgspec.Struct, frozen=True):
    """`meta.command`: what makes a process a command of `wippy run` (spec 01 §18)."""

    name: str = ""
    """Its name; without one it is no command."""
    short: str = ""
    """What `wippy run list` says about it."""
    main: bool = False
    """Whether it is what a pack runs when nothing is named."""
    use_case: str = "run"
    """`test` for the command that `wippy test` runs."""
    security: Security | None = None
    """The identity that the command runs under."""


class ProcessFields(msgspec.Struct, frozen=True):
    method: str = "main"
    """The name of the function that the code returns."""
    modules: list[str] = []
    """Modules of the runtime that the code requires."""
    imports: dict[str, str] = {}
    """Alias -> entry whose code is imported, or a module of the runtime."""
    default_host: str = msgspec.field(name="meta.default_host", default="")
    """The host that the process runs on when it is called like a function."""
    command: Command = msgspec.field(name="meta.command", default=Command())
    """What makes it a command of `wippy run`."""
    options: dict[str, Any] = msgspec.field(name="meta.options", default={})
    """Default call options; `default_host` may stand here too."""


class ProcessConfig(ProcessFields, frozen=True, kw_only=True):
    source: Verbatim
    """The code, or `file://` and its path."""


Code = TypeVar("Code", LibraryConfig, FunctionConfig, ProcessConfig)


class CodeHandler(KindHandler[Code]):
    """Shared by the Lua kinds: an entry is a unit of the node's code."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def unit(self, entry: Entry, config: Code) -> Unit:
        if not config.source.strip():
            raise invalid("source is required")
        modules, imports = split_imports(config.imports, config.modules)
        return Unit(str(entry.id), config.source, modules=modules, imports=imports)

    announced: ClassVar[tuple[str, str] | None] = None
    """System and kind under which the event bus hears of such entries."""

    async def add(self, entry: Entry, config: Code) -> None:
        self._node.code.put(self.unit(entry, config))
        self._announce(entry, "register")

    async def update(self, entry: Entry, config: Code, previous: Entry) -> None:
        self._node.code.put(self.unit(entry, config))
        self._announce(entry, "update")

    async def remove(self, entry: Entry) -> None:
        self._node.code.remove(str(entry.id))
        self._announce(entry, "delete")

    async def commit(self) -> None:
        self._node.code.check_users()

    def _announce(self, entry: Entry, what: str) -> None:
        if self.announced is not None:
            system, kind = self.announced
            self._node.bus.publish(system, f"{kind}.{what}", str(entry.id), None)


class LibraryHandler(CodeHandler[LibraryConfig]):
    """Code that other entries import."""

    kind = "library.lua"
    config = LibraryConfig


class FunctionHandler(CodeHandler[FunctionConfig]):
    """A function: called by id, it keeps nothing between two calls."""

    kind = "function.lua"
    config = FunctionConfig
    announced = ("function", "function")

    def unit(self, entry: Entry, config: FunctionConfig) -> Unit:
        if not config.method:
            raise invalid("method is required")
        config.pool.check()
        unit = super().unit(entry, config)
        unit.method, unit.pool, unit.options = config.method, config.pool.for_kernel(), config.options
        unit.limits, unit.security = config.limits.for_kernel(), config.security
        return unit


class ProcessHandler(CodeHandler[ProcessConfig]):
    """A process: an actor with a mailbox, spawned on a host."""

    kind = "process.lua"
    config = ProcessConfig
    announced = ("process", "factory")

    def unit(self, entry: Entry, config: ProcessConfig) -> Unit:
        unit = super().unit(entry, config)
        unit.method = config.method or "main"
        default_host = config.default_host or config.options.get("default_host")
        unit.call_host = default_host if isinstance(default_host, str) and default_host else None
        unit.options, unit.command_security = config.options, config.command.security
        return unit
