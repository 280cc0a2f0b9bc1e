"""Streams and scanners as guests see them (spec 03 §12), over files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.fs.test_module import call

SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"


def stream(root: Path, body: str, content: bytes = b"0123456789", mode: str = "r") -> Any:
    """Runs `body` with `s`, a stream over a file with `content`."""
    (root / "x").write_bytes(content)
    opened = f'local f = v:open("x", "{mode}") ' if mode != "w" else 'local f = v:open("x", "w") f:write("0123456789") '
    return call(root, opened + "local s = f:stream() " + body)


def test_reading_in_pieces_ends_with_nil_nil(tmp_path: Path) -> None:
    body = """
    local function pack(...) return { n = select("#", ...), ... } end
    local a, b, c = s:read(4), s:read(4), s:read(100)
    local last = pack(s:read(4))
    return { a, b, c, last.n, last[1] == nil, last[2] == nil }"""
    assert stream(tmp_path, body) == ["0123", "4567", "89", 2, True, True]


@pytest.mark.parametrize("argument", ["", "0", "-5"])
def test_a_reading_without_a_number_gives_a_chunk_of_32_kib(tmp_path: Path, argument: str) -> None:
    assert stream(tmp_path, f"return #s:read({argument})", b"x" * 100_000) == 32 * 1024


def test_writing_and_seeking(tmp_path: Path) -> None:
    body = """
    s:seek("set", 2)
    local n, err = s:write("AB")
    local at, back = s:seek("cur"), s:seek("end", -1)
    local rest = s:read()
    return { n, err == nil, at, back, rest, s:seek(), s:flush(), s:read() }"""
    assert stream(tmp_path, body, mode="w") == [2, True, 4, 9, "9", 0, True, "01AB456789"]


def test_stat(tmp_path: Path) -> None:
    body = "s:read(3) local t = s:stat() return { t.size, t.position, t.readable, t.writable, t.seekable }"
    assert stream(tmp_path, body) == [10, 3, True, False, True]
    assert stream(tmp_path, body, mode="w") == [10, 10, True, True, True]


def test_failures_are_internal_and_not_retryable(tmp_path: Path) -> None:
    body = """
    local out = {}
    local function add(first, err)
      out[#out + 1] = tostring(first) .. ":" .. err:kind() .. ":" .. tostring(err:retryable())
    end
    add(s:write("x"))
    add(s:seek("set", -1))
    s:close()
    add(s:read())
    add(s:write("x"))
    add(s:seek("set", 0))
    add(s:flush())
    add(s:stat())
    add(s:scanner())
    return out"""
    assert stream(tmp_path, body) == [
        "0:Internal:false", "-1:Internal:false", "nil:Internal:false", "0:Internal:false", "-1:Internal:false",
        "false:Internal:false", "nil:Internal:false", "nil:Internal:false",
    ]  # fmt: skip


def test_close_is_idempotent(tmp_path: Path) -> None:
    body = "local a, e = s:close() local b, f = s:close() return { a, e == nil, b, f == nil, tostring(f) }"
    assert stream(tmp_path, body) == [True, True, True, True, "nil"]


@pytest.mark.parametrize(
    "call", ['seek("middle")', "seek(1)", 'scanner("sentences")', "scanner(1)", 'read("x")', "write({})"]
)
def test_wrong_arguments_raise(tmp_path: Path, call: str) -> None:
    assert stream(tmp_path, f"return (pcall(function() return s:{call} end))", mode="w") is False


def test_methods_take_no_other_object(tmp_path: Path) -> None:
    body = """
    local out = {}
    for _, other in ipairs({ f, v, {}, "x", time.now(), setmetatable({}, { __index = s }) }) do
      for _, name in ipairs({ "read", "write", "seek", "flush", "stat", "close", "scanner" }) do
        if (pcall(s[name], other)) then error(name .. " took " .. tostring(other)) end
      end
      out[#out + 1] = (pcall(s:scanner().scan, other))
      out[#out + 1] = (pcall(f.read, s))
    end
    return out"""
    assert set(stream(tmp_path, body)) == {False}


def test_two_coroutines_share_a_stream(tmp_path: Path) -> None:
    body = """
    local done, total = channel.new(2), 0
    for i = 1, 2 do
      coroutine.spawn(function()
        while true do
          local chunk = s:read(1000)
          if not chunk then break end
          total = total + #chunk
        end
        done:send(true)
      end)
    end
    done:receive() done:receive()
    return total"""
    assert stream(tmp_path, body, b"x" * 50_000) == 50_000


def test_a_stream_can_be_copied_into_a_file(tmp_path: Path) -> None:
    body = 'local ok = v:writefile("y", s) return { ok, v:stat("y").size, s:read() == nil }'
    assert stream(tmp_path, body, b"x" * 300_000) == [True, 300_000, True]


def test_the_stream_of_a_closed_file_is_closed(tmp_path: Path) -> None:
    body = "f:close() local a, e = s:read() local b, g = f:stream() return { a == nil, e:kind(), b == nil, g:kind() }"
    assert stream(tmp_path, body) == [True, "Internal", True, "Internal"]


def test_a_stream_kept_by_an_instance_is_closed_after_the_call(tmp_path: Path) -> None:
    import asyncio

    from apps.guest import App

    (tmp_path / "x").write_text("some")
    app = App().add("files", "fs.directory", directory=str(tmp_path))
    app.add(
        "f",
        "function.lua",
        source="""
        local fs = require("fs")
        local f, s
        return { main = function()
          if not f then
            f = fs.get("app:files"):open("x", "r")
            s = f:stream()
            return s:read(1)
          end
          local a, e = s:read()
          local b, g = f:read()
          return { a == nil, tostring(e), e:kind(), b == nil, tostring(g), g:kind(), s:close(), f:close() }
        end }""",
        method="main",
        modules=["fs"],
        pool={"type": "inline"},
    )

    async def work(runtime: Any) -> Any:
        assert await runtime.call("app:f") == "s"
        await asyncio.sleep(0)
        return await runtime.call("app:f")

    assert app.use(work) == [
        True, "stream is closed", "Internal", True, "file already closed", "Internal", True, True,
    ]  # fmt: skip


# Scanners ----------------------------------------

SCAN = """
local out, sc = {}, f:scanner(...)
while sc:scan() do out[#out + 1] = sc:text() end
return { out, sc:err(), sc:text() }
"""


@pytest.mark.parametrize("source", ["f", "s"])
@pytest.mark.parametrize(
    ("split", "tokens"),
    [
        ("", ["é a", "b  c", "", "d\r", "e"]),
        ('"lines"', ["é a", "b  c", "", "d\r", "e"]),
        ('"words"', ["é", "a", "b", "c", "d", "e"]),
        ('"runes"', list("é a\r\nb  c\n\nd\r\r\ne")),
    ],
)
def test_scanner_splits(tmp_path: Path, source: str, split: str, tokens: list[str]) -> None:
    body = (
        f"local out, sc = {{}}, {source}:scanner({split}) while sc:scan() do out[#out + 1] = sc:text() end return out"
    )
    assert stream(tmp_path, body, "é a\r\nb  c\n\nd\r\r\ne".encode()) == tokens


def test_scanner_of_bytes(tmp_path: Path) -> None:
    body = 'local n, sc = {}, f:scanner("bytes") while sc:scan() do n[#n + 1] = sc:text():byte() end return n'
    assert stream(tmp_path, body, b"\x00\xff\n\xc3") == [0, 255, 10, 195]


def test_a_byte_that_begins_no_character_is_a_replacement(tmp_path: Path) -> None:
    body = 'local n, sc = {}, s:scanner("runes") while sc:scan() do n[#n + 1] = sc:text() end return n'
    content = b"a\xffb\xc3" + "é€😀".encode() + b"\xed\xa0\x80\xf0\x9f"
    bad = "\ufffd"
    assert stream(tmp_path, body, content) == ["a", bad, "b", bad, "é", "€", "😀", bad, bad, bad, bad, bad]


@pytest.mark.parametrize("split", ["lines", "words"])
def test_a_token_of_more_than_64_kib_is_an_error(tmp_path: Path, split: str) -> None:
    body = f"""
    local sc, sizes = s:scanner("{split}"), {{}}
    while true do
      local more, err = sc:scan()
      if not more then return {{ sizes, err:kind(), sc:err(), sc:text(), (sc:scan()) }} end
      sizes[#sizes + 1] = #sc:text()
    end"""
    content = b"short\n" + b"x" * 65536 + b"\n" + b"y" * 65537 + b"\nnever"
    assert stream(tmp_path, body, content) == [[5, 65536], "Internal", "token too long", "", False]


def test_scanner_of_a_closed_file_ends_with_an_error(tmp_path: Path) -> None:
    body = """
    local a, b = f:scanner(), s:scanner()
    f:close()
    local ok, err = a:scan()
    local ok2, err2 = b:scan()
    local c, e = f:scanner()
    local d, e2 = v:open("x", "r"):scanner("sentences")
    return { ok, tostring(err), a:err(), ok2, err2:kind(), c == nil, tostring(e), e:kind(), d == nil, e2:kind() }"""
    assert stream(tmp_path, body) == [
        False, "file already closed", "file already closed", False, "Internal", True, "file is closed", "Invalid",
        True, "Invalid",
    ]  # fmt: skip


def model(split: str, text: str) -> list[str]:
    if split == "lines":
        lines = text.split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        return [line.removesuffix("\r") for line in lines]
    if split == "words":
        words, word = [], ""
        for char in text:
            if char in SPACES:
                words, word = ([*words, word] if word else words), ""
            else:
                word += char
        return [*words, word] if word else words
    return list(text)


ALPHABET = st.sampled_from("ab\u00e9\u20ac\U0001f600\u200b\u00c2" + SPACES)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(ALPHABET, max_size=30), min_size=1, max_size=6), st.sampled_from([1, 100, 16_000]))
@example(["\u3000"], 16_000)
@example(["ab\r\n", "é"], 16_000)
def test_scanners_agree_with_their_model(tmp_path: Path, texts: list[str], padding: int) -> None:
    """With paddings so long that characters and terminators lie across the borders of what is read at once."""
    text = "".join("".join(part) + "\n" * (padding % 3) + "x" * padding for part in texts)
    (tmp_path / "x").write_bytes(text.encode())
    body = """
    local out = {}
    for _, split in ipairs({ "lines", "words", "runes" }) do
      for _, source in ipairs({ v:open("x", "r"), v:open("x", "r"):stream() }) do
        local sc, found = source:scanner(split), {}
        while sc:scan() do found[#found + 1] = sc:text() end
        if sc:err() then found = { sc:err() } end
        out[#out + 1] = found
      end
    end
    return out"""
    expected = [found for split in ("lines", "words", "runes") for found in [model(split, text)] * 2]
    assert call(tmp_path, body) == expected
