"""Compiled chunks on disk: a warm start parses nothing, and a broken cache only costs time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wippy import Runtime
from wippy.lua.cache import ChunkCache
from wippy.lua.compile import compile_chunk

PROJECT = """
version: "1.0"
namespace: app
entries:
  - name: add
    kind: function.lua
    method: main
    source: "return { main = function(a, b) return a + b end }"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "_index.yaml").write_text(PROJECT)
    return tmp_path


async def _start(project: Path) -> tuple[int, int]:
    async with Runtime(project) as runtime:
        assert await runtime.call("app:add", 40, 2) == 42
        cache = runtime.node.code.cache
        return cache.hits, cache.misses


def test_second_start_finds_what_the_first_compiled(project: Path) -> None:
    assert asyncio.run(_start(project)) == (0, 1)
    assert asyncio.run(_start(project)) == (1, 0)


def test_a_warm_start_of_300_entries_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "".join(
        f"  - name: f{n}\n    kind: function.lua\n    method: main\n"
        f'    source: "type T = {{n: number}} return {{ main = function(a) return a + {n} end }}"\n'
        for n in range(300)
    )
    (tmp_path / "_index.yaml").write_text(f'version: "1.0"\nnamespace: app\nentries:\n{entries}')

    async def session() -> tuple[Any, int, int]:
        async with Runtime(tmp_path) as runtime:
            cache = runtime.node.code.cache
            return await runtime.call("app:f299", 1), cache.hits, cache.misses

    assert asyncio.run(session()) == (300, 0, 300)

    def compiled_again(*_: Any) -> None:
        raise AssertionError("a source was compiled again")

    monkeypatch.setattr("wippy.lua.compile.compile_chunk", compiled_again)
    assert asyncio.run(session()) == (300, 300, 0)


def test_changed_source_is_compiled_again(project: Path) -> None:
    asyncio.run(_start(project))
    index = project / "_index.yaml"
    index.write_text(index.read_text().replace("a + b", "b + a"))
    assert asyncio.run(_start(project)) == (0, 1)


def test_damaged_chunk_is_compiled_again(project: Path) -> None:
    asyncio.run(_start(project))
    [chunk] = (project / ".wippy" / "cache" / "lua").rglob("*.chunk")
    chunk.write_bytes(b"\xc1 not a chunk")
    assert asyncio.run(_start(project)) == (0, 1)
    assert asyncio.run(_start(project)) == (1, 0)


def test_readonly_cache_writes_nothing(tmp_path: Path) -> None:
    source = b"return 1"
    ChunkCache(tmp_path, "readonly").put("app:x", source, compile_chunk(source, "app:x"))
    assert list(tmp_path.iterdir()) == []


def test_same_source_under_another_name_is_another_chunk(tmp_path: Path) -> None:
    cache, source = ChunkCache(tmp_path), b"return 1"
    cache.put("app:x", source, compile_chunk(source, "app:x"))
    assert cache.get("app:y", source) is None
    assert cache.get("app:x", source) == compile_chunk(source, "app:x")
