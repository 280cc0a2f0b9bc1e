"""A small application on disk with a module, a directory of files and several commands."""

from __future__ import annotations

import textwrap
from pathlib import Path

from wippy.core.ids import EntryId
from wippy.project.wapp import MemoryTree, Resource
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import entry

INDEX = """\
version: "1.0"
namespace: app

entries:
  - name: terminal
    kind: terminal.host
    lifecycle: { auto_start: true }

  - name: public
    kind: fs.directory
    directory: ./public

  - name: totals
    kind: library.lua
    source: file://totals.lua

  - name: total
    kind: function.lua
    method: main
    imports: { totals: app:totals }
    source: file://total.lua
    pool: { size: 2 }

  - name: report
    kind: process.lua
    meta: { command: { name: report, short: Print the report, main: true } }
    modules: [io, funcs, fs, registry]
    source: file://report.lua

  - name: other
    kind: process.lua
    meta: { command: { name: other, short: Something else } }
    modules: [io]
    source: file://other.lua

  - name: secret
    kind: registry.entry
    value: hidden

  - name: dependency.acme
    kind: ns.dependency
    component: acme/kit
    parameters: [{ name: greeting, value: good day }]
"""

FILES = {
    "src/totals.lua": """\
        -- a comment that compiled code does not keep
        return { sum = function(a: number, b: number): number
          return a + b
        end }
    """,
    "src/total.lua": """\
        local totals = require("totals")
        return { main = function(t)
          if t.fail then
            error("no total")
          end
          return totals.sum(t.a, t.b)
        end }
    """,
    "src/report.lua": """\
        local io, fs, registry = require("io"), require("fs"), require("registry")
        return { main = function(...)
          local files = fs.get("app:public")
          io.print((files:readfile("index.html")))
          io.print((funcs.call("app:total", { a = 1, b = 2 })))
          local _, err = funcs.call("app:total", { fail = true })
          io.print(err:message())
          io.print((funcs.call("acme.kit:hello")))
          io.print(select("#", ...), ...)
          return 7
        end }
    """,
    "src/other.lua": 'return { main = function() require("io").print("other") end }\n',
    "public/index.html": "<h1>shop</h1>",
    "public/img/logo.svg": "<svg/>",
}

HELLO = """\
local registry, fs = require("registry"), require("fs")
return { main = function()
  return registry.get("acme.kit:text").data.value .. " from " .. fs.get("acme.kit:files"):readfile("name.txt")
end }
"""

KIT = [
    entry("acme.kit:definition", "ns.definition", {}),
    entry(
        "acme.kit:greeting",
        "ns.requirement",
        {"targets": [{"entry": "acme.kit:text", "path": ".value"}], "default": "hello"},
    ),
    entry("acme.kit:text", "registry.entry", {"value": ""}),
    entry("acme.kit:files", "fs.embed", {}),
    entry(
        "acme.kit:hello",
        "function.lua",
        {
            "source": HELLO,
            "method": "main",
            "modules": ["registry", "fs"],
        },
    ),
    entry(
        "acme.kit:tool",
        "process.lua",
        {"source": "return { main = function() end }"},
        {"command": {"name": "tool", "main": True}},
    ),
]

LOCK = """\
directories:
    modules: .wippy
    src: ./src
modules:
    - name: acme/kit
      version: v1.0.0
"""

REPORT = "<h1>shop</h1>\n3\napp:total:4: no total\ngood day from the kit\n"
"""What the command `report` prints before its arguments."""


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def kit(path: Path) -> None:
    files = Resource(EntryId("acme.kit", "files"), MemoryTree({"name.txt": b"the kit"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pack(path, {"name": "kit", "namespace": "acme.kit", "version": "1.0.0"}, KIT, [files])


def shop(root: Path, **files: str) -> Path:
    """The application in `root`; `files` come on top."""
    write(root, **{"src/_index.yaml": INDEX, "wippy.lock": LOCK, **FILES, **files})
    kit(root / ".wippy/vendor/acme/kit-v1.0.0.wapp")
    return root
