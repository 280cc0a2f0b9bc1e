"""What `fs` must not do: leave its volume, hang, run the node out of anything (spec 04a §4.3)."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from services.fs.test_module import call
from wippy import Error, Runtime
from wippy.core.ids import EntryId
from wippy.project.config import Config
from wippy.registry.entry import Entry
from wippy.services.fs.paths import join
from wippy.services.fs.volume import Volume

OPERATIONS = (
    'v:readfile("{}")', 'v:writefile("{}", "x")', 'v:open("{}", "r")', 'v:open("{}", "a")', 'v:stat("{}")',
    'v:exists("{}")', 'v:isdir("{}")', 'v:mkdir("{}")', 'v:readdir("{}")', 'v:chdir("{}")',
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A volume with links of every kind beside something secret."""
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "x").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("secret")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "x")
    (root / "relative").symlink_to("../outside/x")
    (root / "chain").symlink_to("dir/../out/x")
    (root / "dangling").symlink_to(tmp_path / "outside" / "new")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    (root / "good").symlink_to("dir/x")
    (root / "gooddir").symlink_to("dir")
    return root


@pytest.mark.parametrize(
    "path",
    ["../outside/x", "dir/../../outside/x", "/../outside/x", "..", "dir/../..", "out/x", "file", "relative", "chain",
     "dangling", "absolute", "out/../out/x", "./out/./x", "out"],
)  # fmt: skip
def test_no_operation_leaves_the_volume(root: Path, path: str) -> None:
    body = "local out = {} " + " ".join(
        f"do local r, e = {operation.format(path)} out[#out + 1] = (not r) and tostring(e) or 'done' end"
        for operation in OPERATIONS
    )
    assert set(call(root, body + " return out")) == {"path traversal not allowed"}
    assert (root.parent / "outside" / "x").read_text() == "secret"
    assert sorted(os.listdir(root.parent / "outside")) == ["x"]


def test_links_inside_of_the_volume_are_followed(root: Path) -> None:
    body = """
    v:writefile("good", "changed")
    v:chdir("gooddir")
    return { v:readfile("x"), v:readfile("/gooddir/x"), v:stat("/good").size, v:isdir("/gooddir"), v:pwd() }"""
    assert call(root, body) == ["changed", "changed", 7, True, "/gooddir"]


def test_removing_a_link_leaves_what_it_points_to(root: Path) -> None:
    body = 'return { v:remove("out"), v:remove("file"), v:remove("good"), v:exists("dir/x") }'
    assert call(root, body) == [True, True, True, True]
    assert (root.parent / "outside" / "x").read_text() == "secret"


def test_a_loop_of_links_is_not_there(root: Path) -> None:
    body = 'local r, e = v:readfile("loop") return { r == nil, e:kind(), v:exists("loop") }'
    assert call(root, body) == [True, "NotFound", False]


def test_a_link_that_appears_after_the_path_was_resolved_is_not_followed(root: Path) -> None:
    volume = Volume(root)
    resolve = volume._resolved

    def swapped(path: str) -> str:
        found = resolve(path)
        (root / "dir" / "x").unlink(missing_ok=True)
        (root / "dir" / "x").symlink_to(root.parent / "outside" / "x")
        return found

    volume._resolved = swapped  # type: ignore[method-assign]
    for mode in ("r", "w", "a"):
        (root / "dir" / "x").unlink()
        (root / "dir" / "x").write_text("inside")
        with pytest.raises(Error) as refused:
            volume.open("dir/x", mode)
        assert refused.value.kind == "NotFound"
    assert (root.parent / "outside" / "x").read_text() == "secret"


def test_a_directory_that_becomes_a_link_is_not_entered(root: Path) -> None:
    volume = Volume(root)
    resolve = volume._resolved

    def swapped(path: str) -> str:
        found = resolve(path)
        if not (root / "dir").is_symlink():
            (root / "dir").rename(root / "was")
            (root / "dir").symlink_to(root.parent / "outside")
        return found

    volume._resolved = swapped  # type: ignore[method-assign]
    for operation in (
        lambda: volume.open("dir/x", "w"),
        lambda: volume.make_directory("dir/n"),
        lambda: volume.remove("dir/x"),
    ):
        with pytest.raises(Error):
            operation()
    assert sorted(os.listdir(root.parent / "outside")) == ["x"]
    assert (root.parent / "outside" / "x").read_text() == "secret"


def test_the_root_itself_cannot_be_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    body = 'local ok, e = v:remove("/") local ok2, e2 = v:remove(".") return { ok, e:kind(), ok2, e2:kind() }'
    assert call(root, body) == [False, "Invalid", False, "Invalid"]
    assert root.is_dir()


@pytest.mark.parametrize("mode", ["r", "w", "a"])
def test_pipes_and_devices_are_not_opened(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    body = f'local f, e = v:open("pipe", "{mode}") return {{ f == nil, e:kind() }}'
    assert call(tmp_path, body) == [True, "NotFound"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_text("odd")
    body = """
    local out = {}
    for e in v:readdir(".") do out[#out + 1] = e.name == "\\255\\254" out[#out + 1] = v:readfile(e.name) end
    out[#out + 1] = v:stat("\\255\\254").name == "\\255\\254"
    local r, e = v:stat("\\255missing")
    out[#out + 1] = e:kind()
    local r, e = v:open("\\255missing/x", "w")
    out[#out + 1] = e:kind()
    return out"""
    assert call(tmp_path, body) == [True, "odd", True, "NotFound", "NotFound"]


def test_very_long_paths_are_refused(tmp_path: Path) -> None:
    body = """
    local out = {}
    for _, p in ipairs({ ("x"):rep(300), ("x/"):rep(3000), ("../"):rep(100000), ("a"):rep(10000000) }) do
      local f, e = v:open(p, "w")
      out[#out + 1] = f == nil and e:kind()
    end
    return out"""
    assert call(tmp_path, body) == ["NotFound", "Invalid", "Invalid", "Invalid"]


def test_reading_asks_for_no_more_memory_than_there_are_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("some")
    assert call(tmp_path, 'local f = v:open("x", "r") return { f:read(2^60), f:stream():read(2^60) == nil }') == [
        "some",
        True,
    ]


def test_a_file_too_large_for_memory_is_not_read_at_once(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    body = """
    local t, e = v:readfile("x")
    local f = v:open("x", "r")
    f:seek("end", -3)
    return { t == nil, e:kind(), #f:read() }"""
    assert call(tmp_path, body) == [True, "Internal", 3]


def test_a_file_copied_onto_its_own_end_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100_000)
    assert call(tmp_path, 'v:writefile("x", v:open("x", "r"), "a") return v:stat("x").size') == 200_000


def test_one_process_cannot_take_all_descriptors(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    body = """
    local open, err = {}
    while true do
      local f
      f, err = v:open("x", "r")
      if not f then break end
      open[#open + 1] = f
    end
    for _, f in ipairs(open) do f:close() end
    local again = v:open("x", "r")
    return { #open >= 16, err:kind(), tostring(err), again ~= nil }"""
    some, kind, message, again = call(tmp_path, body)
    assert (some, kind, again) == (True, "NotFound", True)
    assert "too many open files" in message


def test_closed_files_leave_nothing_behind_in_a_long_process(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    source = """
    local fs = require("fs")
    return { main = function()
      for i = 1, 200 do
        local f = fs.get("app:files"):open("x", "r")
        local s = f:stream()
        s:close()
        f:close()
      end
      process.inbox():receive()
    end }"""
    entries = [
        Entry(EntryId("app", "files"), "fs.directory", {}, {"directory": str(tmp_path)}),
        Entry(EntryId("app", "host"), "process.host", {}, {"lifecycle": {"auto_start": True, "stop_timeout": "10ms"}}),
        Entry(EntryId("app", "main"), "process.lua", {}, {"source": source, "modules": ["fs"]}),
    ]

    async def session() -> tuple[int, int]:
        async with Runtime(entries=entries) as runtime:
            pid, _ = await runtime.node.spawn("app:main", "app:host")
            while await runtime.node.is_working(pid):
                await asyncio.sleep(0.01)
            return len(runtime.node.bindings.handles), len(runtime.node.resources["@descriptors"])

    assert asyncio.run(session()) == (0, 0)


def test_closing_waits_for_a_thread_that_uses_the_file(tmp_path: Path) -> None:
    from wippy.services.fs.file import OpenFile

    (tmp_path / "x").write_text("content")
    closed = threading.Event()
    file = OpenFile(os.open(tmp_path / "x", os.O_RDONLY), "x", on_close=closed.set)
    with file._using("read") as descriptor:
        file.close()
        assert not closed.is_set()
        assert os.read(descriptor, 7) == b"content"
    assert closed.is_set()
    with pytest.raises(Error, match="file already closed"):
        file.read(1)


@pytest.mark.parametrize(
    ("cwd", "path", "expected"),
    [
        ("", "a", "a"),
        ("a/b", "..", "a"),
        ("a", "/b", "b"),
        ("a", "//b//c/", "b/c"),
        ("a", ".", "a"),
        ("a", "../b/./c", "b/c"),
    ],
)
def test_paths_are_joined_and_cleaned(cwd: str, path: str, expected: str) -> None:
    assert join(cwd, path) == expected


@pytest.mark.parametrize(
    ("mode", "allowed"),
    [
        ("0755", ["read", "list", "stat", "write", "mkdir", "remove", "chdir"]),
        ("0555", ["read", "list", "stat", "chdir"]),
        ("0400", ["read", "list", "stat", "chdir"]),  # who may read may enter
        ("0200", ["write", "mkdir", "remove"]),
        ("0300", ["stat", "write", "mkdir", "remove", "chdir"]),
        ("0111", ["stat", "chdir"]),
    ],
)
def test_the_mode_of_a_volume_caps_what_may_be_done(tmp_path: Path, mode: str, allowed: list[str]) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "old").write_text("x")
    (tmp_path / "d").mkdir()
    body = """
    local out = {}
    local function try(name, ok, err)
      if ok then out[#out + 1] = name else assert(err) end
    end
    try("read", v:readfile("x"))
    try("list", v:readdir("."))
    try("stat", v:stat("x"))
    try("write", v:writefile("new", "x"))
    try("mkdir", v:mkdir("newdir"))
    try("remove", v:remove("old"))
    try("chdir", v:chdir("d"))
    return out"""
    assert call(tmp_path, body, mode=mode) == allowed


def test_new_files_and_directories_get_the_mode_of_the_volume(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        call(tmp_path, 'v:writefile("x", "x") v:mkdir("d") return 1', mode="0700")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", ["rwx", "0888", "-755", "07555", ""])
def test_a_mode_that_is_no_octal_number_is_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(Error, match="octal"):
        call(tmp_path, "return 1", mode=mode)


def test_a_root_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(Error, match="cannot be made"):
        call(tmp_path / "x" / "y", "return 1", auto_init=True)


def test_reaching_a_volume_needs_permission(tmp_path: Path) -> None:
    entries = [
        Entry(EntryId("app", "files"), "fs.directory", {}, {"directory": str(tmp_path)}),
        Entry(EntryId("app", "host"), "process.host", {}, {"lifecycle": {"auto_start": True}}),
        Entry(
            EntryId("app", "main"),
            "function.lua",
            {},
            {
                "source": 'return { main = function() local v, e = require("fs").get("app:files") '
                "return { v == nil, e:kind(), e:retryable(), tostring(e) } end }",
                "method": "main",
                "modules": ["fs"],
            },
        ),
    ]

    async def session() -> Any:
        config = Config({"security.strict_mode": True})
        async with Runtime(entries=entries, config=config) as runtime:
            return await runtime.call("app:main")

    assert asyncio.run(session()) == [True, "PermissionDenied", False, "not allowed to access filesystem: app:files"]
