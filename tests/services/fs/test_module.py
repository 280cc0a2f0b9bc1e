"""The guest module `fs` and the kind `fs.directory` (spec 04a §4.4)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wippy import Error, Runtime
from wippy.core.ids import EntryId
from wippy.registry.entry import Entry


def call(root: Path, body: str, **config: Any) -> Any:
    """Runs `body` with `v`, a handle on `root`."""
    source = f"""
    local fs, time = require("fs"), require("time")
    local function pack(...) return {{ n = select("#", ...), ... }} end
    local function main()
      local v, err = fs.get("app:files")
      if err then return nil, err end
      {body}
    end
    return {{ main = main }}
    """
    entries = [
        Entry(EntryId("app", "files"), "fs.directory", {}, {"directory": str(root), **config}),
        Entry(
            EntryId("app", "main"), "function.lua", {}, {"source": source, "method": "main", "modules": ["fs", "time"]}
        ),
    ]

    async def session() -> Any:
        async with Runtime(entries=entries) as runtime:
            return await runtime.call("app:main")

    return asyncio.run(session())


def test_directories_and_files_are_made_found_and_removed(tmp_path: Path) -> None:
    body = """
    assert(v:mkdir("a")) assert(v:mkdir("a/b"))
    assert(v:writefile("a/b/x.txt", "hello"))
    local s = v:stat("a/b/x.txt")
    local made = { v:exists("a/b/x.txt"), v:isdir("a/b"), s.name, s.size, s.type, s.is_dir, s.mode > 0, s.modified > 0 }
    assert(v:remove("a/b/x.txt")) assert(v:remove("a/b"))
    made[#made + 1] = v:exists("a/b")
    return made
    """
    assert call(tmp_path, body) == [True, True, "x.txt", 5, "file", False, True, True, False]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ('v:stat("none")', "NotFound"),
        ('v:open("none", "r")', "NotFound"),
        ('v:open("x", "q")', "Invalid"),
        ('v:remove("none")', "Internal"),
        ('v:mkdir("dir")', "AlreadyExists"),
        ('v:chdir("none")', "NotFound"),
        ('v:chdir("file")', "Invalid"),
        ('v:readdir("file")', "Invalid"),
        ('v:readdir("none")', "NotFound"),
        ('v:remove("dir")', "Invalid"),
        ('v:isdir("none")', "NotFound"),
        ('v:open("", "r")', "Invalid"),
        ('v:stat("a\\0b")', "Invalid"),
        ('v:readfile("../outside")', "Invalid"),
        ('v:readfile("/../outside")', "Invalid"),
        ('v:readfile("link")', "Invalid"),
        ('v:writefile("x", nil)', "Invalid"),
        ('v:writefile("file", "x", "wx")', "NotFound"),
        ('fs.get("")', "Invalid"),
        ('fs.get("app:none")', "NotFound"),
    ],
)
def test_failures_have_a_kind_and_a_falsy_first_value(tmp_path: Path, expression: str, kind: str) -> None:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "full").write_text("x")
    (root / "file").write_text("x")
    (tmp_path / "outside").write_text("secret")
    (root / "link").symlink_to(tmp_path / "outside")
    body = f"local r, err = {expression} return {{ not r, err and err:kind() }}"
    assert call(root, body) == [True, kind]


def test_reading_in_pieces_ends_with_eof(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"helloworld")
    body = """
    local f = v:open("x", "r")
    local a, b = f:read(5), f:read(100)
    local c, err = f:read()
    f:close() f:close()
    local d, closed = f:read()
    return { a, b, c == nil, tostring(err), err:kind(), d == nil, tostring(closed), closed:kind(), tostring(f) }
    """
    assert call(tmp_path, body) == [
        "hello", "world", True, "EOF", "NotFound", True, "file already closed", "Internal", "fs.File{closed}",
    ]  # fmt: skip


def test_write_modes(tmp_path: Path) -> None:
    body = """
    v:writefile("x", "one") v:writefile("x", "two") v:writefile("x", "!", "a")
    local f = v:open("y", "w")
    f:write("AAAA") f:seek("set", 0) f:write("BB")
    local at = f:seek("end", 0)
    local bad, err = f:seek("middle", 0)
    local none, empty = f:write("")
    f:close()
    return { v:readfile("x"), v:readfile("y"), at, err:kind(), none, empty:kind() }
    """
    assert call(tmp_path, body) == ["two!", "BBAA", 4, "Invalid", False, "Invalid"]


def test_bytes_survive(tmp_path: Path) -> None:
    body = """
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local text = table.concat(all)
    v:write_file("x", text)
    return v:read_file("x") == text
    """
    assert call(tmp_path, body) is True


def test_current_directory(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_text("inside")
    body = """
    local out = { v:pwd(), tostring(v) }
    v:chdir("a") out[3] = v:pwd() out[4] = v:readfile("x")
    v:chdir("/a/b") out[5] = v:pwd() out[6] = v:readfile("../x") out[7] = tostring(v)
    return out
    """
    assert call(tmp_path, body) == ["/", "fs.FS{cwd=.}", "/a", "inside", "/a/b", "inside", "fs.FS{cwd=a/b}"]


def test_readdir_iterates_over_names_and_types(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "x").write_text("")
    body = 'local n = {} for e in v:readdir(".") do n[#n + 1] = e.name .. ":" .. e.type end table.sort(n) return n'
    assert call(tmp_path, body) == ["d:dir", "x:file"]


def test_file_is_copied_by_writefile(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"z" * 200_000)
    body = 'local f = v:open("x", "r") v:writefile("y", f) return v:stat("y").size'
    assert call(tmp_path, body) == 200_000


def test_read_only_volume_refuses_writes(tmp_path: Path) -> None:
    body = 'local ok, err = v:writefile("x", "y") return { ok, err:kind() }'
    assert call(tmp_path, body, mode="0555") == [False, "NotFound"]


def test_missing_directory_is_an_error_unless_it_may_be_made(tmp_path: Path) -> None:
    with pytest.raises(Error, match="does not exist"):
        call(tmp_path / "none", "return 1")
    assert call(tmp_path / "made", "return v:pwd()", auto_init=True) == "/"


def test_files_are_closed_with_their_process(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")

    async def session() -> int:
        source = 'return { main = function() local fs = require("fs") fs.get("app:files"):open("x", "r") end }'
        entries = [
            Entry(EntryId("app", "files"), "fs.directory", {}, {"directory": str(tmp_path)}),
            Entry(EntryId("app", "main"), "function.lua", {}, {"source": source, "method": "main", "modules": ["fs"]}),
        ]
        async with Runtime(entries=entries) as runtime:
            await runtime.call("app:main")
            return len(runtime.node.bindings.handles)

    assert asyncio.run(session()) == 0


def test_module_owned_directory_is_below_its_modules_root(tmp_path: Path) -> None:
    module = tmp_path / "module"
    (module / "assets").mkdir(parents=True)
    (module / "assets" / "x").write_text("of the module")
    body = 'return { main = function() return require("fs").get("app:files"):readfile("x") end }'
    entries = [
        Entry(EntryId("app", "files"), "fs.directory", {"module": "acme/site"}, {"directory": "assets"}),
        Entry(EntryId("app", "main"), "function.lua", {}, {"source": body, "method": "main", "modules": ["fs"]}),
    ]

    async def session() -> Any:
        async with Runtime(entries=entries, module_roots={"acme/site": module}) as runtime:
            return await runtime.call("app:main")

    assert asyncio.run(session()) == "of the module"
