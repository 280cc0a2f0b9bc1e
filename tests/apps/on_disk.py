"""An application on disk that is asked through its own guest code, for tests of the registry."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any

from apps.guest import LIMIT
from apps.program import project
from wippy import Runtime
from wippy.compute.identity import Actor
from wippy.core.errors import Error

INDEX = """
version: "1.0"
namespace: app
meta: { team: core }
entries:
  - { name: host, kind: process.host, lifecycle: { auto_start: true, stop_timeout: 100ms } }
  - name: hello
    kind: function.lua
    meta: { type: tool, title: Say hello, order: 1, tags: [polite, short] }
    source: file://hello.lua
    method: main
  - name: names
    kind: library.lua
    meta: { type: helper }
    source: file://names.lua
  - name: greet
    kind: function.lua
    meta: { type: tool, title: Greet somebody, order: 2, tags: [polite] }
    source: file://greet.lua
    method: main
    imports: { names: "app:names" }
  - { name: price, kind: registry.entry, meta: { type: product }, data: { amount: 450, secret: "${env:PRICE}" } }
  - name: probe
    kind: function.lua
    source: file://probe.lua
    method: main
    modules: [channel, events, funcs, loader, registry, security, time]
"""
FILES = {
    "hello.lua": "return { main = function() return 'hello' end }\n",
    "names.lua": "return { of = function() return 'Ada' end }\n",
    "greet.lua": "return { main = function() return 'Hi ' .. names.of() end }\n",
}
PRELUDE = """
local registry, funcs, events, loader = require("registry"), require("funcs"), require("events"), require("loader")
local time, security = require("time"), require("security")

-- A change set in one line: {create = {...}, update = {...}, delete = {...}}; what apply answers.
local function change(what)
  local c = registry.snapshot():changes()
  for _, verb in ipairs({ "create", "update", "delete" }) do
    for _, item in ipairs(what[verb] or {}) do assert(c[verb](c, item)) end
  end
  return c:apply()
end
local function fn(id, source, imports)
  return { id = id, kind = "function.lua", data = { source = source, method = "main", imports = imports } }
end
local function says(id, text) return fn(id, "return { main = function() return '" .. text .. "' end }") end
local function library(id, source, imports)
  return { id = id, kind = "library.lua", data = { source = source, imports = imports } }
end
local function lib(id, text) return library(id, "return { of = function() return '" .. text .. "' end }") end
local function call(id) local v, e = funcs.call(id) if e then return e:kind() end return v end
local function now() return registry.current_version():id() end
local function ids(list) local out = {} for i, e in ipairs(list) do out[i] = e.id end return out end
"""


def application(directory: Path, body: str, more: str = "", **files: str) -> Path:
    """The application in `directory`; `body` is what its function `app:probe` does, `more` are further entries."""
    inside = textwrap.indent(textwrap.dedent(body), "  ")
    source = f"{PRELUDE}\nlocal function main(...)\n{inside}\nend\nreturn {{ main = main }}\n"
    index = INDEX + textwrap.indent(textwrap.dedent(more), "  ")
    return project(directory, _index=index, **{**FILES, "probe.lua": source, **files})


class Only:
    """A scope that allows some actions on some resources; ("*", "") allows an action everywhere."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self._allowed = set(allowed)

    def evaluate(self, actor: Actor, action: str, resource: str, meta: dict[str, Any]) -> Any:
        return "allow" if {(action, resource), (action, "*")} & self._allowed else "deny"


def probe(
    directory: Path,
    body: str,
    *args: Any,
    more: str = "",
    settings: tuple[str, ...] = (),
    allowed: tuple[tuple[str, str], ...] | None = None,
    **files: str,
) -> Any:
    """What the body returns. `allowed`: it runs as an actor who may do only this."""
    application(directory, body, more, **files)
    return again(directory, *args, settings=settings, allowed=allowed)


def again(
    directory: Path,
    *args: Any,
    settings: tuple[str, ...] = (),
    allowed: tuple[tuple[str, str], ...] | None = None,
) -> Any:
    """Starts what is in the directory, and calls `app:probe`."""

    async def session() -> Any:
        async with Runtime(directory, settings=settings) as runtime:
            identity = 0
            if allowed is not None:
                identity = runtime.node.identities.add(Actor("ada", {}), Only(*allowed))
            value, _ = await asyncio.wait_for(runtime.node.call("app:probe", args, identity=identity), LIMIT)
            return value

    return asyncio.run(session())


def refused(directory: Path, body: str, **options: Any) -> Error:
    """The Error that the body raises."""
    try:
        probe(directory, body, **options)
    except Error as error:
        return error
    raise AssertionError("nothing was raised")
