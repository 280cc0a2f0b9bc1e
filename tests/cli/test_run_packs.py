"""`wippy run x.wapp`: a pack behaves as the project it was made from (spec 01 §17, §18)."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from typing import Any

import pytest

from apps.program import Outcome, free_port, serving, wippy
from packing.shop import KIT, REPORT, shop, write
from wippy.core.ids import EntryId
from wippy.lua.bytecode import MAGIC, VERSION, to_bytecode
from wippy.project.wapp import MemoryTree, Resource
from wippy.project.wapp.encoding import compressed
from wippy.project.wapp.reader import read_pack
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import Entry, entry

TERMINAL = entry("app:terminal", "terminal.host", {"lifecycle": {"auto_start": True}})


def command(name: str, body: str = 'return "ran {name}"', entry_id: str = "", **fields: Any) -> Entry:
    source = f"return {{ main = function(...) {body.replace('{name}', name)} end }}"
    meta = {"command": {"name": name, **fields}}
    return entry(
        entry_id or f"app:{name}", "process.lua", {"source": source, "modules": ["io", "registry", "system"]}, meta
    )


def pack(path: Path, *entries: Entry, metadata: dict[str, Any] | None = None) -> Path:
    write_pack(path, metadata or {}, [TERMINAL, *entries])
    return path


def run(directory: Path, *words: str) -> Outcome:
    return wippy(directory, "run", *words)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the shop as a pack, from sources and compiled, and nothing else."""
    project = shop(tmp_path_factory.mktemp("project"))
    away = tmp_path_factory.mktemp("away")
    for name, flags in (("shop", ()), ("compiled", ("--bytecode", "**"))):
        made = wippy(project, "pack", str(away / f"{name}.wapp"), "--embed", "app:public", *flags)
        assert made.code == 0, made.err
    source = wippy(project, "run", "report", "a", "b")
    assert source == Outcome(7, f"{REPORT}2\ta\tb\n", "")
    return away


@pytest.mark.parametrize("name", ["shop", "compiled"])
def test_a_pack_behaves_as_the_source_project(packs: Path, name: str) -> None:
    assert run(packs, f"{name}.wapp", "report", "a", "b") == Outcome(7, f"{REPORT}2\ta\tb\n", "")


def test_without_a_command_the_main_one_runs(packs: Path) -> None:
    assert run(packs, "shop.wapp") == Outcome(7, f"{REPORT}0\n", "")


def test_a_command_is_chosen_by_the_first_argument(packs: Path) -> None:
    assert run(packs, "shop.wapp", "other") == Outcome(0, "other\n", "")
    assert run(packs, "shop.wapp", "tool") == Outcome(1, "", 'Error: command "tool" not found in pack\n')


def test_the_commands_of_a_pack_are_listed(packs: Path) -> None:
    assert run(packs, "shop.wapp", "list").out == (
        "Available commands:\n  other   Something else (app:other)\n  report  Print the report (app:report)\n"
        "\nRun with: wippy run shop.wapp <command>\n"
    )


def test_the_sole_command_needs_no_mark(tmp_path: Path) -> None:
    pack(tmp_path / "x.wapp", command("only"))
    assert run(tmp_path, "x.wapp") == Outcome(0, "ran only\n", "")


def test_several_commands_without_a_main_one_must_be_chosen(tmp_path: Path) -> None:
    pack(tmp_path / "x.wapp", command("b"), command("a"))
    assert run(tmp_path, "x.wapp").err == "Error: no command is marked as main; specify one of: a, b\n"
    assert run(tmp_path, "x.wapp", "b").out == "ran b\n"


def test_several_main_commands_are_an_error(tmp_path: Path) -> None:
    pack(tmp_path / "x.wapp", command("b", main=True), command("a", main=True), command("c"))
    assert run(tmp_path, "x.wapp") == Outcome(1, "", "Error: multiple commands marked as main in pack: a, b\n")


def test_commands_of_modules_inside_do_not_count(tmp_path: Path) -> None:
    foreign = command("b", entry_id="acme.kit:b")
    foreign = Entry(foreign.id, foreign.kind, {**foreign.meta, "module": "acme/kit"}, foreign.data)
    pack(tmp_path / "x.wapp", command("a"), foreign)
    assert run(tmp_path, "x.wapp").out == "ran a\n"


def test_framework_packs_that_a_pack_depends_on_are_there(tmp_path: Path) -> None:
    dependency = entry("app:terminals", "ns.dependency", {"component": "wippy/terminal"})
    write_pack(tmp_path / "x.wapp", {}, [command("main"), dependency])
    assert run(tmp_path, "x.wapp") == Outcome(0, "ran main\n", "")


def test_framework_packs_travel_along(tmp_path: Path) -> None:
    index = """\
        namespace: app
        entries:
          - { name: terminals, kind: ns.dependency, component: wippy/terminal }
          - { name: main, kind: process.lua, meta: {command: {name: main}}, source: "return {main = function() end}" }
    """
    write(tmp_path, **{"src/_index.yaml": index, "wippy.lock": "directories: {modules: .wippy, src: src}\n"})
    assert wippy(tmp_path, "pack", "x.wapp").code == 0
    hosts = [item for item in read_pack(tmp_path / "x.wapp").entries if item.kind == "terminal.host"]
    assert [str(item.id) for item in hosts] == ["wippy.terminal:host"] and hosts[0].meta["module"] == "wippy/terminal"
    assert run(tmp_path, "x.wapp") == Outcome(0, "", "")


def test_a_pack_without_commands_serves_until_a_signal(tmp_path: Path) -> None:
    port = free_port()
    server = entry("app:web", "http.service", {"addr": f"127.0.0.1:{port}", "lifecycle": {"auto_start": True}})
    pack(tmp_path / "x.wapp", server)
    with serving(tmp_path, "x.wapp", port=port) as running:
        assert running.ask("GET", "/").status == 404
        assert running.stop(signal.SIGTERM) == 0


def test_entries_are_tagged_where_they_have_no_tag(tmp_path: Path) -> None:
    body = """
    local out = {}
    for _, id in ipairs({ "app:main", "app:tagged" }) do
      local meta = registry.get(id).meta
      out[#out + 1] = tostring(meta.module) .. "@" .. tostring(meta.module_version)
    end
    return table.concat(out, " ")
    """
    tagged = entry("app:tagged", "registry.entry", {}, {"module": "acme/kit", "module_version": "1.0.0"})
    named = {"name": "shop", "namespace": "acme.shop", "version": "2.0.0"}
    pack(tmp_path / "x.wapp", command("main", body), tagged, metadata=named)
    assert run(tmp_path, "x.wapp").out == "acme/shop@2.0.0 acme/kit@1.0.0\n"
    pack(tmp_path / "y.wapp", command("main", body), tagged)
    assert run(tmp_path, "y.wapp").out == "nil@nil acme/kit@1.0.0\n"


def test_the_configuration_beside_the_pack_shapes_its_entries(tmp_path: Path) -> None:
    body = 'return registry.get("acme.kit:text").data.value .. tostring(registry.get("app:gone"))'
    dependency = {"component": "acme/kit", "parameters": [{"name": "greeting", "value": "linked"}]}
    entries = [
        command("main", body),
        entry("app:gone", "registry.entry", {}),
        entry("app:kit", "ns.dependency", dependency),
    ]
    kit = [item for item in KIT if item.id.name in ("greeting", "text")]
    pack(tmp_path / "x.wapp", *entries, *kit)
    write(tmp_path, **{".wippy.yaml": 'version: "1.0"\ndisable: { entries: ["app:gone"] }\n'})
    assert run(tmp_path, "x.wapp").out == "linkednil\n"
    assert run(tmp_path, "x.wapp", "-o", "acme.kit:text:value=over").out == "overnil\n"


CONFIG_OF = """
local found = {}
for _, id in ipairs({ "app:a", "app:b" }) do found[#found + 1] = tostring(registry.get(id).data.value) end
return table.concat(found, " ")
"""


def configured(tmp_path: Path, metadata: dict[str, Any]) -> None:
    values = [entry(f"app:{name}", "registry.entry", {"value": "plain"}) for name in ("a", "b")]
    pack(tmp_path / "x.wapp", command("main", CONFIG_OF), *values, metadata=metadata)


def test_defaults_of_the_pack_are_the_lowest_layer(tmp_path: Path) -> None:
    configured(tmp_path, {
        "runtime.override.app:a:value": "from ${name}", "runtime.override.app:b:value": "${env:SHOP_B}",
        "runtime.vars.name": "pack", "runtime.profiles": {"other": {"vars.name": "profile"}},
    })  # fmt: skip
    assert wippy(tmp_path, "run", "x.wapp", env={"SHOP_B": "env"}).out == "from pack env\n"
    unset = wippy(tmp_path, "run", "x.wapp")
    assert unset.code == 1 and "environment variable SHOP_B is not set" in unset.err
    write(tmp_path, **{".wippy.yaml": 'version: "1.0"\nvars: { name: file }\n'})
    assert wippy(tmp_path, "run", "x.wapp", env={"SHOP_B": "env"}).out == "from file env\n"
    assert wippy(tmp_path, "run", "x.wapp", "--profile", "other", env={"SHOP_B": "x"}).out == "from profile x\n"
    assert wippy(tmp_path, "run", "x.wapp", "--set", "vars.name=set", env={"SHOP_B": "x"}).out == "from set x\n"


def test_sections_of_one_machine_are_not_taken_from_a_pack(tmp_path: Path) -> None:
    configured(tmp_path, {
        "runtime.workspace.replacements.acme/kit": "/nowhere",
        "runtime.profiles": {"p": {"boot.x": 1, "workspace.y": 2}},
    })  # fmt: skip
    assert run(tmp_path, "x.wapp", "--profile", "p") == Outcome(0, "plain plain\n", "")


@pytest.mark.parametrize("name", ["empty", "text", "cut"])
def test_a_damaged_pack_is_one_line(tmp_path: Path, name: str) -> None:
    data = pack(tmp_path / "good.wapp", command("main")).read_bytes()
    path = tmp_path / f"{name}.wapp"
    path.write_bytes({"empty": b"", "text": b"hello" * 100, "cut": data[:-20]}[name])
    outcome = run(tmp_path, path.name)
    assert outcome.code == 1 and outcome.err.startswith(f"Error: {path.name}: ") and outcome.err.count("\n") == 1
    assert run(tmp_path, "none.wapp").err == "Error: none.wapp: no such file\n"


# Compiled code ----------------------------------------


def bytecode(pack_path: Path, code: bytes, **changes: Any) -> Path:
    """A pack whose command is the compiled file `code`."""
    data = {
        "fs": "internal:lua.bytecode", "path": "app/main.luac", "hash": f"sha256:{hashlib.sha256(code).hexdigest()}",
        "method": "main", "modules": ["io"],
    } | changes  # fmt: skip
    files = Resource(EntryId("internal", "lua.bytecode"), MemoryTree({"app/main.luac": code}))
    main = entry("app:main", "process.lua.bc", data, {"command": {"name": "main"}})
    write_pack(pack_path, {}, [TERMINAL, main, entry("internal:lua.bytecode", "fs.embed", {})], [files])
    return pack_path


def compiled(source: bytes) -> bytes:
    return to_bytecode(source, "app:main")


GOOD = b"return { main = function() return 'compiled' end }"


def test_a_compiled_command_runs(tmp_path: Path) -> None:
    bytecode(tmp_path / "x.wapp", compiled(GOOD))
    assert run(tmp_path, "x.wapp") == Outcome(0, "compiled\n", "")


@pytest.mark.parametrize(
    ("code", "changes", "reason"),
    [
        (b"\x1bLua\x54\0\x19\x93\r\n\x1a\n", {}, "compiled by another implementation"),
        (b"", {}, "compiled by another implementation"),
        (b"WIPPYLUA\x09xx", {}, "compiled by another version of wippy"),
        (b"WIPPYLUA\x01not zstd", {}, "compiled code: damaged"),
        (compiled(GOOD), {"hash": "sha256:" + "0" * 64}, "hash mismatch of compiled code"),
        (compiled(GOOD), {"path": "app/none.luac"}, "no such file"),
        (compiled(GOOD), {"fs": "app:terminal"}, "app:terminal is no file system"),
        (compiled(GOOD), {"fs": "app:none"}, "app:none"),
        (compiled(GOOD), {"method": 1}, 'field "method"'),
    ],
)
def test_foreign_and_damaged_code_is_rejected(
    tmp_path: Path, code: bytes, changes: dict[str, Any], reason: str
) -> None:
    bytecode(tmp_path / "x.wapp", code, **changes)
    outcome = run(tmp_path, "x.wapp")
    assert outcome.code == 1 and outcome.out == "" and "app:main (process.lua.bc)" in outcome.err
    assert reason in outcome.err and "Traceback" not in outcome.err


def test_hostile_code_in_a_compiled_file_is_still_a_guest(tmp_path: Path) -> None:
    """What is emitted for guests has names of its own; a compiled file cannot use them to get out."""
    source = b"return { main = function() return tostring(__wpy_s) .. tostring(debug and debug.getinfo) end }"
    bytecode(tmp_path / "x.wapp", MAGIC + bytes([VERSION]) + compressed(source))
    outcome = run(tmp_path, "x.wapp")
    plain = pack(
        tmp_path / "y.wapp", entry("app:main", "process.lua", {"source": source.decode()}, {"command": {"name": "m"}})
    )
    assert read_pack(plain).entries
    assert (outcome.code, outcome.out) == (run(tmp_path, "y.wapp").code, run(tmp_path, "y.wapp").out)
    assert "function" not in outcome.out
