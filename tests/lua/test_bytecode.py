"""The compiled form in packs: the same chunk as the source, and nothing that is not a source (spec 01 §7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wippy.core.errors import Error
from wippy.lua.bytecode import MAGIC, from_bytecode, to_bytecode
from wippy.lua.compile import compile_chunk
from wippy.lua.syntax.errors import LuaSyntaxError

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src", "tests", "examples") for path in (ROOT / folder).rglob("*.lua"))


def compiles(path: Path) -> bool:
    try:
        compile_chunk(path.read_bytes(), "x")
    except LuaSyntaxError:
        return False
    return True


def test_every_lua_file_of_this_repository_gives_the_same_chunk() -> None:
    usable = [path for path in SOURCES if compiles(path)]
    assert len(usable) > 50
    for path in usable:
        source = path.read_bytes()
        assert compile_chunk(from_bytecode(to_bytecode(source, "x")), "x") == compile_chunk(source, "x"), path


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfreturn 1",
        b"local s = [[\nabc\n\xff\n]] return s",
        b"return 'a\\\nb', 0x1p4, 1e3, 3., .5 -- c",
        b"--[[ x\n ]] local n: number = 1 --[==[ y ]==]\n\nreturn n ::done::",
        b"type P = { x: number }\nreturn function(p: P): boolean return P:is(p) end",
    ],
)
def test_unusual_sources_give_the_same_chunk(source: bytes) -> None:
    try:
        expected = compile_chunk(source, "x")
    except LuaSyntaxError:
        with pytest.raises(Error):
            to_bytecode(source, "x")
        return
    assert compile_chunk(from_bytecode(to_bytecode(source, "x")), "x") == expected


def test_comments_and_layout_are_gone_and_lines_are_kept() -> None:
    source = b"-- secret\nlocal   x = 1 -- why\n\n\nreturn   x\n"
    assert from_bytecode(to_bytecode(source, "x")) == b"\nlocal x = 1\n\n\nreturn x\n"


def test_the_same_source_gives_the_same_bytes() -> None:
    assert to_bytecode(b"return 1", "a") == to_bytecode(b"return  1", "b")


def test_a_source_with_an_error_is_not_compiled() -> None:
    with pytest.raises(Error, match="expected an expression"):
        to_bytecode(b"return {", "app:x")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_arbitrary_bytes_are_refused(data: bytes, marked: bool) -> None:
    with pytest.raises(Error):
        from_bytecode((MAGIC + b"\x01" if marked else b"") + data)
