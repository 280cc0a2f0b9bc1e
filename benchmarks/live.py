"""The rows of the live registry: 20,000 entries from their files, a search among them, a change among them."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.isolated import each
from benchmarks.rows import Row, absolute
from wippy import Runtime
from wippy.registry.changes import Create, Delete, Operation, Update
from wippy.registry.entry import entry
from wippy.registry.registry import Registry

FILES, EACH = 200, 100
"""How many definition files, and entries in each: as many as a large application has, in the mixture of one."""
ROUNDS = 20

HEAD = """\
version: "1.0"
namespace: app.m{file}
entries:
  - {{ name: lib, kind: library.lua, source: "return {{ add = function(a, b) return a + b end }}" }}
  - {{ name: root, kind: http.router, meta: {{ server: "app:web" }}, prefix: /m{file} }}
"""
FUNCTION = """\
  - name: f{i}
    kind: function.lua
    meta: {{ type: tool, title: Function {i}, group: g{group}, order: {i} }}
    method: main
    modules: [json]
    imports: {{ lib: "app.m{file}:lib" }}
    source: |
      local json = require("json")
      local function main(order: {{total: number}}): string
        local sum = {i}
        for n = 1, 10 do
          if n % 2 == 0 then sum = lib.add(sum, n) end
        end
        return json.encode({{ sum = sum + order.total }})
      end
      return {{ main = main }}
"""
ROUTE = """\
  - {{ name: r{i}, kind: http.endpoint, meta: {{ router: root }}, method: GET, path: "/thing{i}/{{id}}", func: f{i} }}
"""
POLICY = """\
  - name: p{i}
    kind: security.policy
    policy: {{ actions: [read, write], resources: "app.m{file}:*", effect: allow }}
"""
DATA = """\
  - name: d{i}
    kind: registry.entry
    meta: {{ type: product, title: Product {i}, group: g{group}, tags: [new, small] }}
    data: {{ price: {i}, stock: {{ here: 1, there: 2 }}, text: "A thing that somebody may want, number {i}" }}
"""


def write_application(directory: Path) -> None:
    """A project of FILES * EACH entries: 20 of 100 are functions, 10 routes to them, 5 policies, the others data."""
    (directory / "src").mkdir()
    (directory / "wippy.lock").write_text("directories:\n    modules: .wippy\n    src: ./src\n")
    web = 'version: "1.0"\nnamespace: app\nentries:\n  - { name: web, kind: http.service, addr: "127.0.0.1:1" }\n'
    (directory / "src" / "web.yaml").write_text(web)
    for file in range(FILES):
        texts = [HEAD.format(file=file)]
        for i in range(EACH - 2):
            text = FUNCTION if i < 20 else ROUTE if i < 30 else POLICY if i < 35 else DATA
            texts.append(text.format(file=file, i=i - 20 if text is ROUTE else i, group=(file * 83 + i) % 1000))
        (directory / "src" / f"m{file}.yaml").write_text("".join(texts))


async def _loaded(directory: Path) -> tuple[Runtime, float]:
    """The application, and how long it took from the files to a registry: nothing in it starts by itself. Every source
    is compiled, as at a first start."""
    runtime = Runtime(directory, settings=["lua.cache.enabled=false"])
    began = time.perf_counter()
    await runtime.start()
    return runtime, time.perf_counter() - began


async def _registry() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_application(directory)
        runtime, seconds = await _loaded(directory)
        try:
            registry = runtime.node.registry
            assert len(registry.state) > FILES * EACH
            return [
                absolute("load", seconds, "s", 4.0, "<= 4 s"),
                absolute("find", _find(registry), "us", 50.0, "<= 50 us"),
                absolute("apply", await _apply(registry), "ms", 20.0, "<= 20 ms"),
            ]
        finally:
            await runtime.stop()


def _find(registry: Registry) -> float:
    """Microseconds of one search, never asked before in this state, by an indexed field of meta."""
    registry.find({"meta.group": "none"})
    began = time.perf_counter()
    for group in range(1000):
        found = registry.find({"meta.group": f"g{group}"})
        assert len(found) >= 5
    return (time.perf_counter() - began) / 1000 * 1e6


async def _apply(registry: Registry) -> float:
    """Milliseconds of one change: the slowest of several kinds of change, each as its median."""
    data = {"source": "return { main = function() return lib.add(1, 2) end }", "method": "main"}
    kinds: dict[str, Operation] = {
        "new function": Create(entry("app:x", "function.lua", {**data, "imports": {"lib": "app.m0:lib"}})),
        "new route": Create(
            entry("app:y", "http.endpoint", {"method": "GET", "path": "/y", "func": "x"}, {"router": "app.m0:root"})
        ),
        "changed library": Update(
            entry("app.m0:lib", "library.lua", {"source": "return { add = function(a, b) return b + a end }"})
        ),
        "changed data": Update(entry("app.m0:d60", "registry.entry", {"price": 1}, {"type": "product"})),
        "less data": Delete(entry("app.m0:d61", "registry.entry").id),
    }
    medians: dict[str, float] = {}
    for name, operation in kinds.items():
        taken: list[float] = []
        for _ in range(ROUNDS):
            before = registry.version.id
            began = time.perf_counter()
            await registry.apply([operation])
            taken.append(time.perf_counter() - began)
            await registry.apply_version(before)
        medians[name] = statistics.median(taken) * 1000
    return max(medians.values())


def rows() -> Iterator[Row]:
    yield from each(__name__, "_registry")
