"""The kind `fs.embed`: files of a pack through the module `fs` (spec 04a §4)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wippy import Error, Runtime
from wippy.core.ids import EntryId
from wippy.project.wapp import MemoryTree, Resource
from wippy.project.wapp.reader import read_pack
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry

ID = EntryId("app", "files")
FILES = {
    "index.html": b"<h1>hello</h1>\n",
    "img/logo.png": bytes(range(256)),
    "img/deep/x": b"",
    "big": b"0123456789" * 10**5,
}


def resources(root: Path) -> dict[EntryId, Resource]:
    write_pack(root / "x.wapp", {}, [], [Resource(ID, MemoryTree(FILES))])
    return {resource.id: resource for resource in read_pack(root / "x.wapp").resources}


def call(root: Path, body: str) -> Any:
    """Runs `body` with `v`, a handle on the pack's files."""
    source = f"""
    local fs = require("fs")
    local function pack(...) return {{ n = select("#", ...), ... }} end
    local function main()
      local v, err = fs.get("app:files")
      if err then return nil, err end
      {body}
    end
    return {{ main = main }}
    """
    main = entry("app:main", "function.lua", {"source": source, "method": "main", "modules": ["fs"]})

    async def session() -> Any:
        async with Runtime(entries=[Entry(ID, "fs.embed", {}, {}), main], resources=resources(root)) as runtime:
            return await runtime.call("app:main")

    return asyncio.run(session())


def test_files_and_directories_are_found(tmp_path: Path) -> None:
    body = """
    local s, d = v:stat("index.html"), v:stat("img")
    local names = {}
    for item in v:readdir("/") do names[#names + 1] = item.name .. ":" .. item.type end
    assert(v:chdir("img"))
    return { s.name, s.size, s.type, s.is_dir, s.modified > 0, d.is_dir, v:exists("logo.png"), v:exists("none"),
      v:isdir("deep"), v:pwd(), table.concat(names, " ") }
    """
    assert call(tmp_path, body) == [
        "index.html", 15, "file", False, True, True, True, False, True, "/img", "big:file img:dir index.html:file",
    ]  # fmt: skip


def test_contents_are_read_whole_in_pieces_and_from_anywhere(tmp_path: Path) -> None:
    body = """
    local f = assert(v:open("big", "r"))
    local first = f:read(5)
    f:seek("set", 999990)
    local last, nothing, err = f:read(100), f:read(1)
    f:seek("cur", -3)
    local again = f:read(2)
    local lines = v:open("index.html", "r"):scanner()
    lines:scan()
    return { #v:readfile("big"), first, last, nothing, err:kind(), again, lines:text(),
      f:stat().size, #v:readfile("img/deep/x"), (v:readfile("img/logo.png")) == (v:read_file("img/logo.png")) }
    """
    assert call(tmp_path, body) == [
        10**6,
        "01234",
        "0123456789",
        None,
        "NotFound",
        "78",
        "<h1>hello</h1>",
        10**6,
        0,
        True,
    ]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ('v:open("index.html", "w")', "PermissionDenied"),
        ('v:open("new", "wx")', "PermissionDenied"),
        ('v:open("index.html", "a")', "PermissionDenied"),
        ('v:writefile("new", "x")', "PermissionDenied"),
        ('v:mkdir("new")', "PermissionDenied"),
        ('v:remove("index.html")', "PermissionDenied"),
        ('v:open("index.html", "q")', "Invalid"),
        ('v:open("none", "r")', "NotFound"),
        ('v:open("img", "r")', "NotFound"),
        ('v:readfile("none")', "NotFound"),
        ('v:stat("none")', "NotFound"),
        ('v:readdir("none")', "NotFound"),
        ('v:readdir("index.html")', "Invalid"),
        ('v:chdir("none")', "NotFound"),
        ('v:open("../x", "r")', "Invalid"),
        ('v:open("img/../../x", "r")', "Invalid"),
    ],
)
def test_nothing_can_be_written_and_nothing_outside_be_read(tmp_path: Path, expression: str, kind: str) -> None:
    assert call(tmp_path, f"local _, err = {expression} return err:kind()") == kind


def test_a_handle_opened_for_reading_is_not_written_to(tmp_path: Path) -> None:
    body = """
    local f = v:open("index.html", "r")
    local _, err = f:write("x")
    return { err ~= nil, (v:readfile("index.html")) }
    """
    assert call(tmp_path, body) == [True, "<h1>hello</h1>\n"]


def test_reading_goes_on_when_the_pack_is_removed(tmp_path: Path) -> None:
    found = resources(tmp_path)
    (tmp_path / "x.wapp").unlink()
    assert found[ID].tree.open("index.html").read(100) == FILES["index.html"]


def test_an_entry_without_files_in_a_pack_is_rejected() -> None:
    async def session() -> None:
        async with Runtime(entries=[Entry(ID, "fs.embed", {}, {})]):
            pass

    with pytest.raises(Error, match=r"app:files .*no pack holds files under app:files"):
        asyncio.run(session())
