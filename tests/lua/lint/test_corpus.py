"""Many valid programs: each parses, compiles, loads, and the linter has nothing to say about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import pytest
from lupa.lua55 import LuaRuntime

from wippy.lua.compile import compile_chunk
from wippy.lua.lint.diagnostics import Diagnostic
from wippy.lua.lint.rules import LintEntry, check_entry
from wippy.lua.modules.catalog import MODULES, Catalog
from wippy.lua.modules.libraries import BUILT_IN
from wippy.lua.syntax.parser import parse
from wippy.services.catalog import MODULES as SERVICES

HEADER = "--- name: "


class Program(NamedTuple):
    file: str
    name: str
    modules: tuple[str, ...]
    imports: tuple[str, ...]
    source: bytes

    @property
    def id(self) -> str:
        return f"{self.file}:{self.name}"


def programs() -> Iterator[Program]:
    for path in sorted((Path(__file__).parent / "corpus").glob("*.lua")):
        for section in path.read_text().split("\n" + HEADER):
            head, _, body = section.removeprefix(HEADER).partition("\n")
            name, *parts = (part.strip() for part in head.split("|"))
            listed = {}
            for part in parts:
                key, _, values = part.partition(":")
                listed[key] = tuple(value.strip() for value in values.split(","))
            assert not listed.keys() - {"modules", "imports"}, head
            yield Program(path.stem, name, listed.get("modules", ()), listed.get("imports", ()), body.encode())


PROGRAMS = list(programs())
catalog = Catalog(MagicMock(), MODULES, SERVICES)
loads = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True).execute(
    "return function(code, name) local _, message = load(code, '=' .. name, 't', {}) return message end"
)


def module(name: str) -> Any:
    """Its declaration, None for Lua's own libraries."""
    return BUILT_IN.get(name) or catalog.find(name)


def findings(program: Program, *, rules: bool) -> list[Diagnostic]:
    imports = dict(item.split("=") for item in program.imports)
    entry = LintEntry(
        program.id,
        program.source,
        {name: name for name in program.modules},
        imports,
        module,
        catalog.known,
        lambda target: target in imports.values(),
        frozenset(),
    )
    return [d for d in check_entry(entry, rules=rules) if d.severity != "hint"]


def test_corpus_is_large_and_has_no_copies() -> None:
    assert len(PROGRAMS) >= 200
    assert len({p.id for p in PROGRAMS}) == len(PROGRAMS)
    assert len({p.source.strip() for p in PROGRAMS}) == len(PROGRAMS)
    used = {name for p in PROGRAMS for name in p.modules}
    assert used >= {"base64", "ctx", "env", "events", "fs", "funcs", "hash", "http", "json"}
    assert used >= {"logger", "registry", "security", "sql", "store", "time", "uuid"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.id)
def test_program_compiles_and_loads(program: Program) -> None:
    assert parse(program.source, program.id).block.statements
    assert loads(compile_chunk(program.source, program.id).code, program.id) is None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.id)
def test_linter_finds_nothing(program: Program) -> None:
    assert findings(program, rules=False) == []
    assert findings(program, rules=True) == []


NESTED = {
    "functions": (b"", b"local function f() ", b"", b" end"),
    "assigned functions": (b"", b"x.y = function() ", b"", b" end"),
    "loops": (b"", b"for i = 1, 2 do ", b"", b" end"),
    "types of functions": (b"", b"local x: typeof(function() ", b"", b" end)"),
    "types of casts": (b"return ", b"x as typeof(", b"1", b")"),
    "tables of functions": (b"return ", b"{a = {function() return ", b"1", b" end}}"),
}


@pytest.mark.parametrize("shape", NESTED)
def test_deepest_nesting_that_parses_is_linted(shape: str) -> None:
    head, opening, core, closing = NESTED[shape]
    for levels in range(200, 10, -1):
        program = Program("nested", shape, (), (), head + opening * levels + core + closing * levels)
        if not any(d.code == "P0001" for d in findings(program, rules=True)):
            return
    pytest.fail("no depth parses")
