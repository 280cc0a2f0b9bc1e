"""`wippy registry list` and `show` (spec 01 §18, §24)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cli.program import Run, write

APP = """
    version: "1.0"
    namespace: app
    entries:
      - name: users
        kind: function.lua
        meta: {type: test, order: 1, tags: [alpha, beta], suite: users}
        source: file://users.lua
        method: main
        pool: {size: 4, ratio: 0.5}
      - name: web
        kind: http.service
        addr: ":8080"
"""
SUB = "namespace: app.sub\nentries:\n- {name: users, kind: registry.entry, meta: {type: tool, active: true}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(
        tmp_path,
        **{
            "wippy.lock": "directories: {src: src}\n",
            "src/_index.yaml": APP,
            "src/users.lua": "local x = 1\nreturn x\n",
            "src/sub/_index.yaml": SUB,
        },
    )
    return tmp_path


def test_list_prints_a_table_sorted_by_id(run: Run, project: Path) -> None:
    code, out, err = run("registry", "list")
    assert (code, err) == (0, "")
    assert out == (
        "ID             KIND\n"
        "app.sub:users  registry.entry\n"
        "app:users      function.lua\n"
        "app:web        http.service\n"
        "\nTotal: 3 entries\n"
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["-k", "function.*"], ["app:users"]),
        (["--ns", "app"], ["app:users", "app:web"]),
        (["-n", "app*", "--name", "u*"], ["app.sub:users", "app:users"]),
        (["--meta", "type=test"], ["app:users"]),
        (["--meta", "order=1"], ["app:users"]),
        (["--meta", "active=true"], ["app.sub:users"]),
        (["--meta", "type~^to+l$"], ["app.sub:users"]),
        (["--meta", "tags*lph"], ["app:users"]),
        (["--meta", "type^te", "--meta", "suite$ers"], ["app:users"]),
        (["--meta", "nothing=x"], []),
    ],
)
def test_list_filters(run: Run, project: Path, flags: list[str], expected: list[str]) -> None:
    assert [item["id"] for item in json.loads(run("registry", "list", "--json", *flags).out)] == expected


def test_list_items_in_json_and_yaml(run: Run, project: Path) -> None:
    (item,) = json.loads(run("registry", "list", "--json", "-k", "function.*").out)
    meta = {"type": "test", "order": 1, "tags": ["alpha", "beta"], "suite": "users"}
    assert item == {"id": "app:users", "kind": "function.lua", "meta": meta}
    assert '"order": 1,' in run("registry", "list", "--json").out
    assert yaml.safe_load(run("registry", "list", "--yaml").out)[1] == item


def test_nothing_found(run: Run, project: Path) -> None:
    assert run("registry", "list", "-k", "nope").out == "No entries found\n"


def test_without_a_lock_there_is_a_warning_and_nothing(run: Run, tmp_path: Path) -> None:
    assert run("registry", "list") == (0, "No entries found\n", "Warning: no lock file found\n")


def test_bad_meta_filters(run: Run, project: Path) -> None:
    assert 'Error: malformed --meta "type"' in run("registry", "list", "--meta", "type").err
    assert "invalid regular expression" in run("registry", "list", "--meta", "type~(").err


def test_show_describes_an_entry(run: Run, project: Path) -> None:
    out = run("registry", "show", "app:users").out
    assert out.startswith("ID:    app:users\nKind:  function.lua\nFile:  src/_index.yaml:5\n")
    assert "\nMeta:\n  type: test\n  order: 1\n" in out
    assert "\nData:\n  source: |\n    local x = 1\n    return x\n" in out


def test_show_accepts_a_name_when_it_is_unique(run: Run, project: Path) -> None:
    assert run("registry", "show", "web").code == 0
    ambiguous = run("registry", "show", "users")
    assert ambiguous.code == 1 and "app.sub:users" in ambiguous.err and "app:users" in ambiguous.err
    assert run("registry", "show", "nope").err == "Error: entry not found: nope\n"
    assert run("registry", "show", "app:*").err == "Error: entry not found: app:*\n"


@pytest.mark.parametrize(
    ("flags", "out"),
    [
        (["-f", "method"], "main\n"),
        (["-f", "pool.size"], "4\n"),
        (["-f", "pool"], "size: 4\nratio: 0.5\n"),
        (["-f", "pool", "--json"], '{\n  "size": 4,\n  "ratio": 0.5\n}\n'),
        (["-f", "source", "--raw"], "local x = 1\nreturn x\n"),
        (["-f", "meta.suite"], "users\n"),
        (["-f", "method", "--json"], '"main"\n'),
    ],
)
def test_show_fields(run: Run, project: Path, flags: list[str], out: str) -> None:
    assert run("registry", "show", "app:users", *flags).out == out


def test_show_a_missing_field(run: Run, project: Path) -> None:
    outcome = run("registry", "show", "app:users", "-f", "zz")
    assert (outcome.code, outcome.err) == (1, 'Error: field "zz" not found in entry data\n')


def test_show_in_json_and_yaml(run: Run, project: Path) -> None:
    shown = json.loads(run("registry", "show", "app:web", "--json").out)
    assert shown == {"id": "app:web", "kind": "http.service", "meta": {}, "data": {"addr": ":8080"}}
    assert yaml.safe_load(run("registry", "show", "app:web", "--yaml").out) == shown


def test_configuration_shapes_what_is_listed(run: Run, project: Path) -> None:
    write(
        project,
        **{
            ".wippy.yaml": """
                version: "1.0"
                override: {"app:web:addr": ":1"}
                profiles: {small: {disable: {namespaces: [app.sub]}}}
            """
        },
    )
    assert run("registry", "show", "app:web", "-f", "addr").out == ":1\n"
    assert "app.sub" not in run("registry", "list", "--profile", "small").out
    assert run("registry", "list", "--profile", "nope").code == 1
    assert run("registry", "show", "app:web", "-f", "addr", "--set", "override.app:web:addr=:2").out == ":2\n"
    missing = run("registry", "list", "--set", "override.app:gone:x=1")
    assert missing.code == 1 and "override errors: [" in missing.err
    assert "cannot be read" in run("registry", "list", "--config", "nope.yaml").err


def test_broken_definition_files_stop_and_other_broken_yaml_warns(run: Run, project: Path) -> None:
    write(project, **{"src/other.yaml": "a: [1\n"})
    outcome = run("registry", "list")
    assert outcome.code == 0 and outcome.err.startswith("Warning: src/other.yaml:")
    assert run("registry", "list", "--silent").err == ""
    write(project, **{"src/bad.yaml": "namespace: x\nentries:\n- {kind: k}\n"})
    outcome = run("registry", "list")
    assert outcome.code == 1
    assert outcome.err == "Error: src/bad.yaml:3:3: an entry needs a `name` (text); it has kind\n"


def test_duplicates_warn(run: Run, project: Path) -> None:
    write(project, **{"src/z.yaml": SUB})
    assert "app.sub:users is defined twice" in run("registry", "list").err
