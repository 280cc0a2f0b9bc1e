"""A running application that changes through its own registry, as a guest does it.

async with Live(app) as live:
    await live.create("x", "function.lua", source=..., method="main")     # the new version's number
    await live.update("x", "function.lua", source=..., method="main")
    await live.go(0)
    assert await live.look("return funcs.call('app:x')") == 1
"""

from __future__ import annotations

import asyncio
import itertools
from types import TracebackType
from typing import Any

from apps.guest import LIMIT, App
from wippy import Runtime
from wippy.core.errors import Error
from wippy.project.config import Config
from wippy.registry.changes import Create
from wippy.registry.entry import Entry, entry

MODULES = ["contract", "env", "events", "exec", "fs", "funcs", "pg", "registry", "security", "sql", "store", "time"]
CHANGE = """
local c = registry.snapshot():changes()
for _, op in ipairs((...)) do
  local verb, what = op[1], op[2]
  assert(c[verb](c, what))
end
local version, err = c:apply()
if not version then error(err) end
return version:id()
"""
GO = """
local version = assert(registry.history():get_version((...)))
local ok, err = registry.apply_version(version)
if not ok then error(err) end
return registry.current_version():id()
"""


def app_entry(name: str, kind: str, meta: dict[str, Any] | None = None, **data: Any) -> Entry:
    """An entry of namespace `app`, or of the one that `name` says."""
    return entry(name if ":" in name else f"app:{name}", kind, data, meta)


def function(name: str, body: str, **data: Any) -> Entry:
    """A function with this body; no modules, so that `data` says what it imports."""
    source = f"return {{ main = function(...) {body} end }}"
    return app_entry(name, "function.lua", None, **{"source": source, "method": "main", **data})


def library(name: str, body: str, **data: Any) -> Entry:
    """A library whose chunk is `body`."""
    return app_entry(name, "library.lua", None, source=body, **data)


class Live:
    """`app` while it runs. Its guests have no identity, so that everything is allowed."""

    def __init__(self, app: App | None = None, config: Config | None = None, **options: Any) -> None:
        """options: further arguments of `Runtime`."""
        app = app or App()
        app.function("live.change", CHANGE, modules=MODULES).function("live.go", GO, modules=MODULES)
        self.runtime = Runtime(entries=app.entries, config=config or Config(), **options)
        self._looks = itertools.count(1)

    async def __aenter__(self) -> Live:
        await self.runtime.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.runtime.stop()

    async def change(self, *operations: tuple[str, Any]) -> int:
        """One change set: ("create" | "update", entry) and ("delete", id). The version; raises its Error."""
        given = [[verb, what.as_data() if isinstance(what, Entry) else what] for verb, what in operations]
        return int(await self.call("live.change", given))

    async def create(self, *entries: Entry) -> int:
        return await self.change(*(("create", each) for each in entries))

    async def update(self, *entries: Entry) -> int:
        return await self.change(*(("update", each) for each in entries))

    async def delete(self, *ids: str) -> int:
        return await self.change(*(("delete", each if ":" in each else f"app:{each}") for each in ids))

    async def go(self, version: int) -> int:
        """To another version; where we are then."""
        return int(await self.call("live.go", version))

    async def call(self, name: str, *args: Any) -> Any:
        async with asyncio.timeout(LIMIT):
            return await self.runtime.call(f"app:{name}", *args)

    async def look(self, body: str, *args: Any) -> Any:
        """What a function with this body returns; its code is put past the registry, so that no version is made."""
        name = f"look{next(self._looks)}"
        app = App().function(name, body, modules=MODULES)
        registry = self.runtime.node.registry
        await registry.apply([Create(app.entries[-1], baseline=True)])
        return await self.call(name, *args)

    @property
    def version(self) -> int:
        return self.runtime.node.registry.version.id


async def refusal(work: Any) -> Error:
    """The Error that `work` raises."""
    try:
        await work
    except Error as error:
        return error
    raise AssertionError("it was accepted")
