"""`wippy run org/module[@selector] [command]`, and what a run downloads (spec 01 §7, §18)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.program import Outcome, wippy
from hub.served import Served, serving
from wippy.hub.credentials import Token
from wippy.project.lockfile import LockedModule, read_lock
from wippy.registry.entry import Entry, entry

SAY = "local function main(...) return table.concat({'%s', ...}, ' ') end\nreturn { main = main }\n"
USE = """
    local base = require("base")
    local function main() return base.name end
    return { main = main }
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "hub") as running:
        yield running


class Machine:
    """A user on a computer, with an empty directory."""

    def __init__(self, root: Path, url: str) -> None:
        self.here = root / "work"
        self.here.mkdir(parents=True)
        self.cache = root / "home/.wippy/cache"
        self.environment = {"HOME": str(root / "home"), "WIPPY_REGISTRY": url, "XDG_CONFIG_HOME": ""}

    def run(self, *words: str) -> Outcome:
        return wippy(self.here, "run", *words, env=self.environment)

    @property
    def locked(self) -> list[LockedModule]:
        lock = read_lock(self.here / "wippy.lock")
        return lock.modules if lock is not None else []


@pytest.fixture
def machine(tmp_path: Path, hub: Served) -> Machine:
    return Machine(tmp_path / "machine", hub.url)


def command(name: str, text: str, ns: str = "acme.tool", **options: object) -> Entry:
    data = {"source": text, "method": "main"}
    return entry(f"{ns}:{name}", "process.lua", data, {"command": {"name": name, **options}})


TERMINAL = {"wippy/terminal": "*"}


def ran(outcome: Outcome, text: str) -> None:
    assert (outcome.code, outcome.out) == (0, f"{text}\n"), outcome.err


def test_the_first_run_fetches_and_records_and_later_ones_need_no_network(
    machine: Machine, hub: Served, token: Token
) -> None:
    hub.offer(token, "acme/tool", "1.0.0", needs=TERMINAL, entries=[command("say", SAY % "one")])
    ran(machine.run("acme/tool", "say", "a", "b"), "one a b")
    assert [(m.name, m.version, bool(m.hash)) for m in machine.locked if m.hash] == [("acme/tool", "1.0.0", True)]
    assert (machine.cache / "acme/tool-1.0.0.wapp").is_file()
    hub.offer(token, "acme/tool", "1.1.0", needs=TERMINAL, entries=[command("say", SAY % "two")])
    hub.stop()
    ran(machine.run("acme/tool"), "one")
    ran(machine.run("acme/tool@1.0.0"), "one")
    ran(machine.run("acme/tool@^1"), "one")


def test_a_selector_that_the_lock_does_not_meet_is_refused_with_a_hint(
    machine: Machine, hub: Served, token: Token
) -> None:
    for version in ("1.0.0", "2.0.0"):
        label = "beta" if version == "2.0.0" else ""
        hub.offer(token, "acme/tool", version, needs=TERMINAL, entries=[command("say", SAY % version)], label=label)
    ran(machine.run("acme/tool@^1"), "1.0.0")
    for selector in ("2.0.0", "^2", "beta"):
        done = machine.run(f"acme/tool@{selector}")
        assert done.code == 1 and "wippy.lock has acme/tool 1.0.0, which is not" in done.err
        assert f"wippy add acme/tool@{selector}" in done.err and "wippy update acme/tool" in done.err
    assert wippy(machine.here, "add", "acme/tool@beta", env=machine.environment).code == 0
    ran(machine.run("acme/tool@beta"), "2.0.0")
    hub.stop()
    ran(machine.run("acme/tool@beta"), "2.0.0")


def test_packs_of_dependencies_are_loaded_first_and_their_commands_are_not_commands(
    machine: Machine, hub: Served, token: Token
) -> None:
    base = [
        entry("acme.base:lib", "library.lua", {"source": "return { name = 'base' }"}),
        command("inner", SAY % "inner", "acme.base"),
    ]
    hub.offer(token, "acme/base", "1.0.0", entries=base)
    tool = entry(
        "acme.tool:use",
        "process.lua",
        {"source": USE, "method": "main", "imports": {"base": "acme.base:lib"}},
        {"command": {"name": "use"}},
    )
    hub.offer(token, "acme/tool", "1.0.0", needs={"acme/base": "^1", **TERMINAL}, entries=[tool])
    ran(machine.run("acme/tool"), "base")
    done = machine.run("acme/tool", "inner")
    assert done.code == 1 and 'command "inner" not found in pack' in done.err
    assert {m.name for m in machine.locked} >= {"acme/base", "acme/tool"}


def test_the_main_command_and_the_list(machine: Machine, hub: Served, token: Token) -> None:
    entries = [command("a", SAY % "a", short="Says a."), command("b", SAY % "b", main=True)]
    hub.offer(token, "acme/tool", "1.0.0", needs=TERMINAL, entries=entries)
    ran(machine.run("acme/tool"), "b")
    listed = machine.run("acme/tool", "list")
    assert "a  Says a. (acme.tool:a)" in listed.out and "wippy run acme/tool <command>" in listed.out


def test_what_cannot_be_had_changes_nothing(machine: Machine, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/tool", "1.0.0", needs={"acme/gone": "*"}, entries=[command("say", SAY % "one")])
    done = machine.run("acme/tool")
    assert done.code == 1 and "module acme/gone was not found\n  acme/tool 1.0.0 wants *" in done.err
    done = machine.run("acme/nope")
    assert done.code == 1 and "module acme/nope was not found" in done.err
    assert list(machine.here.iterdir()) == [] and not machine.cache.exists()


def test_a_damaged_pack_in_the_cache_is_fetched_again(machine: Machine, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/tool", "1.0.0", needs=TERMINAL, entries=[command("say", SAY % "one")])
    ran(machine.run("acme/tool"), "one")
    (machine.cache / "acme/tool-1.0.0.wapp").write_bytes(b"damaged")
    ran(machine.run("acme/tool"), "one")


def test_a_vendored_pack_is_used_and_the_cache_may_be_elsewhere(
    machine: Machine, hub: Served, token: Token, tmp_path: Path
) -> None:
    hub.offer(token, "acme/tool", "1.0.0", needs=TERMINAL, entries=[command("say", SAY % "one")])
    machine.environment["WIPPY_CACHE_DIR"] = str(tmp_path / "elsewhere")
    ran(machine.run("acme/tool"), "one")
    assert (tmp_path / "elsewhere/acme/tool-1.0.0.wapp").is_file() and not machine.cache.exists()
    assert wippy(machine.here, "install", env=machine.environment).code == 0
    shutil.rmtree(tmp_path / "elsewhere")
    hub.stop()
    ran(machine.run("acme/tool"), "one")


def test_a_framework_pack_runs_without_a_hub_and_without_a_lock(machine: Machine, hub: Served) -> None:
    hub.stop()
    done = machine.run("wippy/terminal", "list")
    assert done.code == 0 and "No commands found" in done.out and list(machine.here.iterdir()) == []


def test_a_file_of_that_name_is_no_module(machine: Machine) -> None:
    (machine.here / "acme").mkdir()
    (machine.here / "acme/tool").write_text("")
    done = machine.run("acme/tool")
    assert done.code == 1 and 'command "acme/tool" not found' in done.err


def test_a_run_downloads_what_the_lock_names_and_is_missing(machine: Machine, hub: Served, token: Token) -> None:
    hub.offer(token, "acme/tool", "1.0.0", needs=TERMINAL, entries=[command("say", SAY % "one")])
    (machine.here / "src").mkdir()
    (machine.here / "wippy.lock").write_text(
        "directories: {modules: .wippy, src: ./src}\nmodules: [{name: acme/tool, version: 1.0.0}]\n"
    )
    done = machine.run("say")
    assert "Installed acme/tool 1.0.0" in done.err
    ran(done, "one")
    hub.stop()
    ran(machine.run("say"), "one")
    shutil.rmtree(machine.here / ".wippy")
    done = machine.run("say")
    assert done.code == 1 and "cannot be reached" in done.err and done.out == ""
