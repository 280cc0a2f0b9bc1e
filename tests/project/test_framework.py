"""Framework packs are found under their names without any hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.program import project, wippy
from project.files import by_id, write
from project.test_loader import loaded, reasons
from wippy.project import framework
from wippy.project.framework import framework_pack, framework_packs
from wippy.project.loader import Project

LOCK = "directories: { modules: .wippy, src: ./src }\n"
APP = """
    namespace: app
    entries:
      - { name: terminal, kind: ns.dependency, component: wippy/terminal, version: "%s" }
"""


def app(root: Path, version: str = "*", lock: str = "", **files: str) -> Project:
    write(root, **{"wippy.lock": LOCK + lock, "src/_index.yaml": APP % version, **files})
    return loaded(root)


def test_every_pack_has_a_version_and_one_definition() -> None:
    packs = framework_packs()
    assert "wippy/terminal" in [pack.name for pack in packs]
    for pack in packs:
        found = pack.definitions(())
        assert pack.version and not found.problems
        assert [entry.kind for entry in found.entries].count("ns.definition") == 1


def test_a_dependency_on_a_framework_pack_loads_it_with_tags(tmp_path: Path) -> None:
    project = app(tmp_path)
    pack = framework_pack("wippy/terminal")
    assert pack is not None and not project.problems
    host = by_id(project)["wippy.terminal:host"]
    assert host.kind == "terminal.host"
    assert host.meta["module"] == "wippy/terminal" and host.meta["module_version"] == pack.version
    assert project.module_roots == {"wippy/terminal": pack.root}


def test_the_terminal_pack_is_one_host_and_its_definition(tmp_path: Path) -> None:
    kinds = {name: entry.kind for name, entry in by_id(app(tmp_path)).items() if name.startswith("wippy.")}
    assert kinds == {"wippy.terminal:definition": "ns.definition", "wippy.terminal:host": "terminal.host"}


def test_without_a_dependency_no_pack_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, **{"wippy.lock": LOCK, "src/_index.yaml": "namespace: app\nentries: []\n"})
    assert not loaded(tmp_path).entries


def test_packs_bring_the_packs_they_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework, "DIRECTORY", tmp_path / "framework")
    below = "namespace: wippy.base\nentries: [{name: x, kind: registry.entry}]"
    above = APP.replace("app", "wippy.terminal").replace("component: wippy/terminal", "component: wippy/base") % "^1"
    files = {
        "framework/terminal/wippy.yaml": "version: 1.0.0",
        "framework/terminal/src/_index.yaml": above,
        "framework/base/wippy.yaml": "version: 1.2.0",
        "framework/base/src/_index.yaml": below,
    }
    assert by_id(app(tmp_path, **files))["wippy.base:x"].meta["module_version"] == "1.2.0"


def test_a_vendored_and_a_replaced_module_win(tmp_path: Path) -> None:
    own = "namespace: wippy.terminal\nentries: [{name: mine, kind: registry.entry}]"
    lock = "modules: [{name: wippy/terminal, version: 9.0.0}]\n"
    vendored = app(tmp_path / "a", lock=lock, **{".wippy/vendor/wippy/terminal/_index.yaml": own})
    replaced = app(
        tmp_path / "b", lock="replacements: [{from: wippy/terminal, to: ./dev}]\n", **{"dev/_index.yaml": own}
    )
    assert [str(entry.id) for entry in vendored.entries] == ["app:terminal", "wippy.terminal:mine"]
    assert [str(entry.id) for entry in replaced.entries] == ["app:terminal", "wippy.terminal:mine"]


def test_a_locked_module_of_a_hub_that_is_not_installed_is_replaced_by_the_one_of_the_program(tmp_path: Path) -> None:
    project = app(tmp_path, lock="modules: [{name: wippy/terminal, version: 9.0.0, hash: abc}]\n")
    assert "wippy.terminal:host" in by_id(project)
    (reason,) = reasons(project)
    assert reason.startswith("wippy.lock wants wippy/terminal 9.0.0; ") and "takes its place" in reason


def test_a_locked_module_without_a_digest_is_the_one_of_the_program(tmp_path: Path) -> None:
    pack = framework_pack("wippy/terminal")
    assert pack is not None
    same = app(tmp_path / "a", lock=f"modules: [{{name: wippy/terminal, version: {pack.version}}}]\n")
    older = app(tmp_path / "b", lock="modules: [{name: wippy/terminal, version: 0.0.1}]\n")
    assert "wippy.terminal:host" in by_id(same) and not same.problems
    assert "wippy.terminal:host" in by_id(older)
    assert "`wippy update wippy/terminal`" in reasons(older)[0]


def test_a_constraint_that_the_pack_does_not_meet_is_a_warning(tmp_path: Path) -> None:
    project = app(tmp_path, ">=99.0.0")
    assert "wippy.terminal:host" in by_id(project)
    assert "app:terminal wants wippy/terminal >=99.0.0; " in reasons(project)[0]


@pytest.mark.parametrize("name", ["wippy/../terminal", "wippy/.", "wippy/", "acme/terminal", "wippy/no-such-pack"])
def test_other_names_are_no_packs(name: str) -> None:
    assert framework_pack(name) is None


def test_a_command_runs_on_the_terminal_of_the_pack(tmp_path: Path) -> None:
    index = """
namespace: app
entries:
  - { name: terminal, kind: ns.dependency, component: wippy/terminal, version: "*" }
  - name: hello
    kind: process.lua
    meta: { command: { name: hello, short: Says hello. } }
    source: file://hello.lua
    method: main
"""
    lua = "local function main(name) return 'hello ' .. name end\nreturn { main = main }\n"
    done = wippy(project(tmp_path, _index=index, **{"hello.lua": lua}), "run", "hello", "ada")
    assert (done.code, done.out) == (0, "hello ada\n"), done.err
