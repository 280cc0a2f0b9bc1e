"""The rows of the language: compiling, a warm start, checking a value against a type."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import app
from benchmarks.rows import Row, absolute, row
from wippy import Runtime
from wippy.project.config import Config

TYPE_IS = """
type Record = {
  a: string, b: string, c: number, d: number, e: integer, f: boolean, g: string?, h: string, i: {string}, j: number,
}
local function main(n)
  local value = { a = "", b = "", c = 1, d = 2, e = 3, f = true, h = "", i = { "x", "y" }, j = 1 }
  for _ = 1, n do Record:is(value) end
end
return { main = main }
"""


def _parse() -> Row:
    from wippy.lua.compile import compile_chunk

    source = "\n".join(app.large_source(i) for i in range(60)).replace("\nlocal function", "\nfunction").encode()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        compile_chunk(source, "bench:parse")
        best = min(best, time.perf_counter() - start)
    rate = len(source) / best / 1000
    return row("parse", rate, "KB/s", "target", 300, ">= 300 KB/s", lambda r: r >= 1)


async def _started(config: Config, entries: int) -> float:
    start = time.perf_counter()
    async with Runtime(entries=app.many_entries(entries), config=config):
        return time.perf_counter() - start


def _warm_start() -> Row:
    with tempfile.TemporaryDirectory() as directory:
        config = Config({}, Path(directory))
        cold = asyncio.run(_started(config, 300))
        warm = min(asyncio.run(_started(config, 300)) for _ in range(3))
    return row("warm_start", warm, "s", "cold start", cold, "<= 0.3", lambda r: r <= 0.3)


async def _type_is() -> Row:
    count = 100_000
    entries = [app.lua("type_is", "process.lua", TYPE_IS), *app.entries()]
    async with Runtime(entries=entries) as runtime:
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            await runtime.run_process("bench:type_is", "bench:host", count)
            best = min(best, time.perf_counter() - start)
    return absolute("type_is", best / count * 1e6, "us", 3.0, "<= 3 us")


def rows() -> Iterator[Row]:
    yield _parse()
    yield _warm_start()
    yield asyncio.run(_type_is())
