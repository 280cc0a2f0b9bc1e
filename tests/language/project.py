"""An application on disk, written by a test and run through the public `Runtime` (spec 02)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from wippy import Runtime
from wippy.core.errors import Error

T = TypeVar("T")
LIMIT = 20.0  # seconds after which a program counts as hung


class Project:
    """Entries of namespace `app`, each Lua entry with a file of its own. They live in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._entries: dict[str, dict[str, Any]] = {}

    def add(self, name: str, kind: str, **fields: Any) -> Project:
        self._entries[name] = {"name": name, "kind": kind, **fields}
        return self

    def lua(self, name: str, kind: str, source: str, **fields: Any) -> Project:
        (self.directory / f"{name}.lua").write_bytes(source.encode("utf-8", "surrogateescape"))
        return self.add(name, kind, source=f"file://{name}.lua", **fields)

    def library(self, name: str, source: str, **fields: Any) -> Project:
        return self.lua(name, "library.lua", source, **fields)

    def function(self, name: str, source: str, **fields: Any) -> Project:
        return self.lua(name, "function.lua", source, **{"method": "main", **fields})

    def process(self, name: str, source: str, **fields: Any) -> Project:
        return self.lua(name, "process.lua", source, **{"method": "main", **fields})

    def body(self, name: str, body: str, top: str = "", **fields: Any) -> Project:
        """A function whose `main(...)` is `body`; `top` stands before it in the chunk."""
        return self.function(
            name, f"{top}\nlocal function main(...)\n{body}\nend\nreturn {{ main = main }}\n", **fields
        )

    def write(self) -> None:
        index = {"version": "1.0", "namespace": "app", "entries": list(self._entries.values())}
        (self.directory / "_index.yaml").write_text(yaml.safe_dump(index, sort_keys=False))

    def use(self, work: Callable[[Runtime], Awaitable[T]]) -> T:
        """Runs `work` with the started application."""
        self.write()

        async def session() -> T:
            async with Runtime(self.directory) as runtime:
                return await asyncio.wait_for(work(runtime), LIMIT)

        return asyncio.run(session())

    def call(self, name: str = "main", *args: Any) -> Any:
        return self.use(lambda runtime: runtime.call(f"app:{name}", *args))

    def run(self, body: str, *args: Any, top: str = "", **fields: Any) -> Any:
        """The result of a function `main` with this body; raises its Error."""
        return self.body("main", body, top, **fields).call("main", *args)

    def failure(self, body: str, *args: Any, **fields: Any) -> Error:
        """The Error that the body's caller gets."""
        try:
            value = self.run(body, *args, **fields)
        except Error as error:
            return error
        raise AssertionError(f"the program succeeded with {value!r}")

    def rejection(self) -> Error:
        """The Error with which the application refuses to start."""
        try:
            self.use(lambda runtime: asyncio.sleep(0))
        except Error as error:
            return error
        raise AssertionError("the application started")
