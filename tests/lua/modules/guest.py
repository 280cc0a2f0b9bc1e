"""Runs guest programs on a real node, module by module."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from wippy.compute.code import Unit
from wippy.compute.node import Node
from wippy.lua.modules.catalog import MODULES as LUA_MODULES
from wippy.lua.modules.catalog import Catalog
from wippy.registry.entry import Entry, entry
from wippy.registry.registry import Registry
from wippy.services.catalog import KINDS, MODULES
from wippy.services.catalog import handler as make_handler
from wippy.services.env.registry import EnvRegistry

ALL = (
    "json",
    "base64",
    "hash",
    "uuid",
    "logger",
    "time",
    "io",
    "registry",
    "funcs",
    "ctx",
    "events",
    "sql",
    "store",
    "env",
    "yaml",
    "text",
    "expr",
    "crypto",
)


class Guest:
    """A node with every module and kind of this part of the runtime. `run` runs the body of a function."""

    def __init__(self, kinds: tuple[str, ...] = ()) -> None:
        self.node = Node()
        self.node.env = self.env = EnvRegistry()
        self.catalog = Catalog(self.node, LUA_MODULES, MODULES)
        self.node.bindings.provide(self.catalog.find)
        handlers = [make_handler(kind, self.node) for kind in kinds]
        self.node.registry = self.registry = Registry(
            handlers,
            publish=self.node.bus.publish,
            env=self.env.lookup,
            internal_kinds=("registry.entry",),
            settle=self.node.supervisor.settle,
        )
        self.node.resources["t:host"] = Host()
        self._count = 0
        self.modules: tuple[str, ...] = ALL

    async def load(self, *entries: Entry) -> Guest:
        await self.registry.load(entries)
        await self.node.supervisor.start_all()
        return self

    def define(self, source: str, *, entry_id: str = "", pool: int | None = 4) -> str:
        self._count += 1
        name = entry_id or f"t:f{self._count}"
        requires = " ".join(f"local {m} = require('{m}')" for m in self.modules)
        code = f"{requires} local function main(...) {source}\nend return {{ main = main }}"
        self.node.code.put(
            Unit(name, code, "main", modules={m: m for m in self.modules}, pool={"most": pool} if pool else None)
        )
        return name

    async def run(self, source: str, *args: Any, identity: int = 0) -> Any:
        """The result of a function whose body is `source`; what it raises is raised."""
        future = self.node.call(self.define(source), args, identity=identity)
        value, _ = await asyncio.wait_for(future, 10)
        return value

    async def process(self, source: str, *args: Any, terminal: Any = None) -> Any:
        """The result of a process whose body is `source`."""
        name = self.define(source, pool=None)

        def attach(key: tuple[int, int]) -> None:
            self.node.terminals[key] = terminal

        on_start = attach if terminal is not None else None
        _, exited = await self.node.spawn(name, "t:host", args, on_start=on_start)
        return await asyncio.wait_for(exited, 10)

    async def close(self) -> None:
        await self.node.supervisor.stop_all()
        await self.node.close()


class Host:
    def placement(self) -> list[int]:
        return [0]


def run(program: Callable[[Guest], Coroutine[Any, Any, Any]], *entries: Entry) -> Any:
    """Runs `program` against a node that has loaded `entries`."""

    async def main() -> Any:
        guest = Guest(tuple(KINDS))
        try:
            await guest.load(*entries)
            return await program(guest)
        finally:
            await guest.close()

    return asyncio.run(main())


def check(source: str, *args: Any, entries: tuple[Entry, ...] = (), modules: tuple[str, ...] = ALL) -> Any:
    """Runs the body of a guest function; its result."""

    def program(guest: Guest) -> Coroutine[Any, Any, Any]:
        guest.modules = modules
        return guest.run(source, *args)

    return run(program, *entries)


class Lines(logging.Handler):
    """Collects what guests log."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def sqlite(name: str = "t:db", file: str = ":memory:") -> Entry:
    return entry(name, "db.sql.sqlite", {"file": file, "lifecycle": {"auto_start": True}})
