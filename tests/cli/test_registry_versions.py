"""`wippy registry history`, `diff` and `rollback`: on a running application, on a stopped one, and what they refuse."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.program import LIMIT, WIPPY, eventually, project, wippy
from servers import Postgres

INDEX = """\
version: "1.0"
namespace: app
entries:
  - { name: terminal, kind: terminal.host, lifecycle: { auto_start: true } }
  - { name: host, kind: process.host, lifecycle: { auto_start: true, stop_timeout: 100ms } }
  - { name: tea, kind: registry.entry, meta: { type: product }, data: { price: 450, tags: [hot] } }
  - { name: mug, kind: registry.entry, data: { price: 1200 } }
  - { name: greet, kind: function.lua, method: main, source: file://greet.lua }
  - name: change
    kind: process.lua
    source: file://change.lua
    modules: [registry, funcs]
    meta: { command: { name: change } }
"""
GREET = """\
local function main()
  return "hello"
end
return { main = main }
"""
CHANGE = """\
local registry, funcs = require("registry"), require("funcs")
local function main(step)
  local c = registry.snapshot():changes()
  if step == "1" then
    local greet = registry.get("app:greet")
    greet.data.source = greet.data.source:gsub("hello", "good day")
    c:update(greet)
    c:update({ id = "app:tea", kind = "registry.entry", meta = { type = "product" }, data = { price = 500 } })
    c:create({ id = "app:pot", kind = "registry.entry", data = { price = 3900 } })
  elseif step == "2" then
    c:delete("app:mug")
  else
    local price = registry.get("app:tea").data.price // 1
    return registry.current_version():string() .. " " .. funcs.call("app:greet") .. " " .. price
  end
  return assert(c:apply()):string()
end
return { main = main }
"""
SERVICE = """\
  - { name: keeper, kind: process.lua, source: file://keeper.lua, modules: [registry] }
  - name: keeper.service
    kind: process.service
    process: keeper
    host: host
    lifecycle: { auto_start: true, stop_timeout: 1s }
"""
KEEPER = """\
local registry = require("registry")
local function main()
  for i = 1, 2 do
    local entry = { id = "app:n" .. i, kind = "registry.entry", data = { n = i } }
    assert(registry.snapshot():changes():create(entry):apply())
  end
  process.events():receive()
end
return { main = main }
"""
SQLITE = 'version: "1.0"\nregistry: { history_type: sqlite }\n'
POSTGRES = 'version: "1.0"\nregistry: {{ history_type: postgres, history_dsn: "{dsn}", history_schema: shop }}\n'


def application(directory: Path, config: str, more: str = "") -> Path:
    files = {"_index": INDEX + more, "greet.lua": GREET, "change.lua": CHANGE, "keeper.lua": KEEPER}
    project(directory, **files)
    (directory / ".wippy.yaml").write_text(config)
    return directory


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An application with a kept history of two changes."""
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        application(tmp_path, POSTGRES.format(dsn=server.database()))
    else:
        application(tmp_path, SQLITE)
    for step in ("1", "2"):
        assert wippy(tmp_path, "run", "change", step).out == f"v{step}\n"
    return tmp_path


def versions(directory: Path, *words: str) -> tuple[int, str, str]:
    return tuple(wippy(directory, "registry", *words))  # type: ignore[return-value]


def test_history_of_a_stopped_application(shop: Path) -> None:
    assert versions(shop, "history") == (
        0,
        "VERSION  PARENT  CREATED  UPDATED  DELETED\n"
        "v0       -\n"
        "v1       v0      1        2\n"
        "v2 *     v1                        1\n"
        "\nCurrent: v2\n",
        "",
    )
    code, out, _ = versions(shop, "history", "--json", "-n", "2")
    assert code == 0 and json.loads(out) == {
        "current": 2,
        "total": 3,
        "versions": [
            {"id": 1, "parent": 0, "create": ["app:pot"], "update": ["app:greet", "app:tea"], "delete": []},
            {"id": 2, "parent": 1, "create": [], "update": [], "delete": ["app:mug"]},
        ],
    }
    assert versions(shop, "history", "-n", "1")[1].endswith("\nCurrent: v2, 2 older not shown\n")


def test_diff_of_a_stopped_application(shop: Path) -> None:
    assert versions(shop, "diff", "0", "v1") == (
        0,
        "~ app:greet (function.lua)\n"
        "    data.source:\n"
        "      @@ -1,3 +1,3 @@\n"
        "       local function main()\n"
        '      -  return "hello"\n'
        '      +  return "good day"\n'
        "       end\n"
        "+ app:pot (registry.entry)\n"
        "~ app:tea (registry.entry)\n"
        "    data.price: 450 -> 500\n"
        '    data.tags: removed ["hot"]\n',
        "",
    )
    assert versions(shop, "diff", "v1")[1] == "- app:mug (registry.entry)\n"
    assert versions(shop, "diff", "2", "1")[1] == "+ app:mug (registry.entry)\n"
    assert versions(shop, "diff", "2") == (0, "No differences between v2 and v2\n", "")
    code, out, _ = versions(shop, "diff", "1", "2", "--json")
    assert code == 0 and json.loads(out) == {
        "from": 1,
        "to": 2,
        "changes": [
            {
                "operation": "delete",
                "id": "app:mug",
                "kind": "registry.entry",
                "before": {"meta": {}, "data": {"price": 1200}},
                "after": None,
            }
        ],
    }


def test_rollback_of_a_stopped_application_counts_for_the_next_start(shop: Path) -> None:
    assert wippy(shop, "run", "change").out == "v2 good day 500\n"
    assert versions(shop, "rollback", "v0") == (0, "The next start will be at v0 (was v2)\n", "")
    assert wippy(shop, "run", "change").out == "v0 hello 450\n"
    assert versions(shop, "rollback", "0") == (0, "Already at v0\n", "")
    code, out, _ = versions(shop, "rollback", "1", "--json")
    assert code == 0 and json.loads(out) == {"from": 0, "to": 1, "running": False}
    assert wippy(shop, "run", "change").out == "v1 good day 500\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rollback", "9"), "Error: version not found: 9\n"),
        (("diff", "9"), "Error: version not found: 9\n"),
        (("diff", "0", "9"), "Error: version not found: 9\n"),
        (("rollback", "x"), "Error: Invalid value for 'V': \"x\" is no version: write 3 or v3"),
        (("rollback",), "Error: Missing argument 'V'."),
        (("history", "--control", "nowhere.sock"), "Error: no runtime serves nowhere.sock"),
    ],
)
def test_what_cannot_be_done_is_an_error_and_changes_nothing(shop: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = versions(shop, *words)
    assert (code, out) == (1, "") and err.startswith(message)
    assert json.loads(versions(shop, "history", "--json")[1])["current"] == 2


def test_a_history_that_is_not_kept_cannot_be_looked_at(tmp_path: Path) -> None:
    application(tmp_path, 'version: "1.0"\n')
    code, out, err = versions(tmp_path, "history")
    assert (code, out) == (1, "")
    assert "its history is not kept: registry.history_type is memory, not sqlite or postgres" in err


def test_without_a_first_run_there_is_no_history_and_none_is_made(tmp_path: Path) -> None:
    application(tmp_path, SQLITE)
    code, out, err = versions(tmp_path, "history")
    assert (code, out, err) == (1, "", "Error: there is no history yet: .wippy/registry.db does not exist\n")
    assert not (tmp_path / ".wippy").exists()


# Running --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(directory: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [WIPPY, "run", *words], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT)


def current(directory: Path, *words: str) -> Any:
    code, out, _ = versions(directory, "history", "--json", *words)
    return json.loads(out)["current"] if code == 0 else None


@pytest.mark.parametrize("config", ['version: "1.0"\n', SQLITE], ids=["memory", "sqlite"])
def test_the_versions_of_a_running_application(tmp_path: Path, config: str) -> None:
    application(tmp_path, config, SERVICE)
    with running(tmp_path, "--control"):
        eventually(lambda: current(tmp_path) == 2)
        assert versions(tmp_path, "history")[1].splitlines()[1:4] == [
            "v0       -",
            "v1       v0      1",
            "v2 *     v1      1",
        ]
        assert versions(tmp_path, "diff", "0")[1] == "+ app:n1 (registry.entry)\n+ app:n2 (registry.entry)\n"
        assert versions(tmp_path, "rollback", "1") == (0, "Now at v1 (was v2)\n", "")
        assert versions(tmp_path, "diff", "1", "2")[1] == "+ app:n2 (registry.entry)\n"
        assert json.loads(versions(tmp_path, "rollback", "v2", "--json")[1]) == {"from": 1, "to": 2, "running": True}
        code, out, err = versions(tmp_path, "rollback", "7")
        assert (code, out, err) == (1, "", "Error: version not found: 7\n")
        assert current(tmp_path, "--control", ".wippy/run/control.sock") == 2


def test_an_application_that_runs_without_a_control_socket_is_not_changed_behind_its_back(tmp_path: Path) -> None:
    application(tmp_path, SQLITE, SERVICE)
    with running(tmp_path):
        eventually(lambda: current(tmp_path) == 2)
        code, out, err = versions(tmp_path, "rollback", "1")
        assert (code, out) == (1, "")
        assert err == (
            "Error: an application is running on this history: stop it, or start it with `wippy run --control`\n"
        )
    assert versions(tmp_path, "rollback", "1")[0] == 0
