"""Definition files (spec 01 §2, §24 Loading)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from project.files import by_id, load, write
from wippy.project.definitions import deduplicate, load_directory
from wippy.project.tree import DirectoryTree, skipped_names

MAIN = """
    version: "1.0"
    namespace: app
    entries:
      - name: one
        kind: registry.entry
"""


def problems(definitions: object) -> list[str]:
    return [f"{each.severity} {each}" for each in definitions.problems]  # type: ignore[attr-defined]


def test_every_yaml_and_json_file_with_a_namespace_is_read(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        **{
            "_index.yaml": MAIN,
            "deep/er/any.yml": "namespace: b\nentries: [{name: two, kind: registry.entry}]",
            "data.json": '{"namespace": "c", "entries": [{"name": "three", "kind": "registry.entry", "n": 1}]}',
            "compose.yaml": "services: {web: {image: x}}",
            "list.yaml": "- a\n- b",
            "blank.yaml": "namespace: ' '\nentries: 7",
            "empty.yaml": "",
            "notes.txt": "namespace: no",
            "node_modules/x.yaml": MAIN,
        },
    )
    assert list(by_id(found)) == ["app:one", "c:three", "b:two"]
    assert problems(found) == []


def test_inline_fields_become_data_with_float_numbers(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        **{"a.yaml": "namespace: a\nentries:\n- {name: x, kind: k, meta: {m: 1}, size: 4, flag: yes, namespace: n}"},
    )
    entry = by_id(found)["a:x"]
    assert entry.data == {"size": 4.0, "flag": "yes", "namespace": "n"}
    assert isinstance(entry.data["size"], float) and isinstance(entry.meta["m"], float)


def test_explicit_data_wins_over_root_fields(tmp_path: Path) -> None:
    found = load(tmp_path, **{"a.yaml": "namespace: a\nentries:\n- {name: x, kind: k, data: [1], size: 4}"})
    assert by_id(found)["a:x"].data == [1.0]


def test_file_meta_lies_under_entry_meta(tmp_path: Path) -> None:
    text = "namespace: a\nmeta: {owner: me, tags: {a: 1}}\nentries:\n- {name: x, kind: k, meta: {tags: {b: 2}}}"
    assert by_id(load(tmp_path, **{"a.yaml": text}))["a:x"].meta == {"owner": "me", "tags": {"b": 2.0}}


def test_single_entry_form(tmp_path: Path) -> None:
    text = "version: '1.0'\nnamespace: a\nname: x\nkind: k\nmeta: {m: v}\nmethod: main\nrequirements: {}\nentries: []"
    entry = by_id(load(tmp_path, **{"a.yaml": text}))["a:x"]
    assert (entry.kind, entry.meta, entry.data) == ("k", {"m": "v"}, {"method": "main"})


def test_an_empty_list_of_entries_is_valid(tmp_path: Path) -> None:
    found = load(tmp_path, **{"a.yaml": "namespace: a\nentries: []"})
    assert not found.entries and not found.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("namespace: a\nother: 1\n", "1:1: a definition file needs `entries`, or `name` and `kind`"),
        ("namespace: a\nentries:\n- kind: k\n", "3:3: an entry needs a `name` (text); it has kind"),
        ("namespace: a\nentries:\n- name: x\n", '3:3: entry "x" needs a `kind` (text); it has name'),
        ("namespace: a\nentries:\n- name: ' '\n  kind: k\n", "3:3: an entry needs a `name` (text); it has name, kind"),
        ("namespace: a\nentries:\n- just text\n", "3:3: an entry must be a map with `name` and `kind`"),
        ("namespace: a\nentries: {x: 1}\n", "2:10: `entries` must be a list"),
        ("namespace: a\nentries:\n- name: x\n  kind: k\n  meta: text\n", '3:3: entry "x": `meta` must be a map'),
        ("namespace: 7\nentries: []\n", "1:12: `namespace` must be a text"),
        ("namespace: a\nentries:\n- name: x\n   kind: k\n", "4:8: mapping values are not allowed in this context"),
        ("namespace: a\nnamespace: b\n", '2:1: duplicate key "namespace"'),
        ("namespace: a\nentries:\n- {name: x, kind: k, 1: one}\n", "3:22: a map key must be a text, got 1 (quote it)"),
        ("namespace: a\nentries:\n- {name: x, kind: k, s: file://no.lua}\n", "3:25: file://no.lua: no such file"),
    ],
)
def test_a_broken_definition_file_is_an_error_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    found = load(tmp_path, **{"good.yaml": MAIN, "src.yaml": text})
    assert list(by_id(found)) == ["app:one"]
    (only,) = problems(found)
    assert only.startswith(f"error {tmp_path}/src.yaml:{problem}")


def test_broken_yaml_that_is_none_of_ours_is_a_warning(tmp_path: Path) -> None:
    found = load(tmp_path, **{"x.yaml": "a: [1\n", "deep.yaml": "spec:\n  namespace: x\n  a: [\n", "good.yaml": MAIN})
    assert [line.split()[0] for line in problems(found)] == ["warning", "warning"]
    assert list(by_id(found)) == ["app:one"]


def test_file_inclusion(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        **{
            "mod/a.yaml": """
                namespace: a
                entries:
                  - name: x
                    kind: k
                    source: file://main.lua
                    nested: {list: ["file:///shared/t.txt", "see file://main.lua"]}
                    up: file://../shared/t.txt
            """,
            "mod/main.lua": "return 1\n",
            "shared/t.txt": "text",
        },
    )
    assert problems(found) == []
    assert by_id(found)["a:x"].data == {
        "source": "return 1\n",
        "nested": {"list": ["text", "see file://main.lua"]},
        "up": "text",
    }


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("file://", "file:// without a path"),
        ("file:///", "file:// without a path"),
        ("file://../../etc/passwd", "path traversal detected"),
        ("file:///../x", "path traversal detected"),
        ("file:///etc/passwd", "no such file"),
        ("file://.", "is a directory"),
    ],
)
def test_bad_inclusions_lose_the_whole_file(tmp_path: Path, reference: str, reason: str) -> None:
    text = f"namespace: a\nentries:\n- {{name: ok, kind: k}}\n- {{name: x, kind: k, s: '{reference}'}}\n"
    found = load(tmp_path, **{"mod/a.yaml": text})
    assert not found.entries
    assert reason in problems(found)[0]


def test_origin_knows_the_lines_of_fields(tmp_path: Path) -> None:
    text = """namespace: a
entries:
  - name: x
    kind: k
    pool:
      size: 4
  - name: y
    kind: k
    data:
      deep: 1
"""
    found = by_id(load(tmp_path, **{"a.yaml": text}))
    x, y = found["a:x"].origin, found["a:y"].origin
    assert x is not None and y is not None
    assert str(x) == f"{tmp_path}/a.yaml:3" and x.at("pool.size").endswith(":6") and x.at("pool.other").endswith(":5")
    assert y.line == 7 and y.at("deep").endswith(":10")


def test_of_duplicates_the_last_wins_with_a_warning(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        **{
            "a.yaml": "namespace: a\nentries: [{name: x, kind: k, v: first}]",
            "b.yaml": "namespace: a\nentries: [{name: x, kind: k, v: second}]",
        },
    )
    deduplicate(found)
    assert by_id(found)["a:x"].data == {"v": "second"} and len(found.entries) == 1
    assert "a:x is defined twice" in problems(found)[0]


def test_directories_skipped_by_environment(tmp_path: Path) -> None:
    names = skipped_names({"SKIP_TEMPORAL_TESTS": "1", "SKIP_TEST_DIRS": "slow, other"})
    assert names == {"node_modules", "temporal", "_temporal", "slow", "other"}
    write(tmp_path, **{"temporal/a.yaml": MAIN, "kept/a.yaml": MAIN.replace("one", "two")})
    assert list(by_id(load_directory(DirectoryTree(tmp_path, names)))) == ["app:two"]


def test_twenty_thousand_entries_load_within_three_seconds(tmp_path: Path) -> None:
    item = """  - name: fn{n}
    kind: function.lua
    meta: {{type: tool, comment: Does something useful}}
    source: file://fn.lua
    method: main
    modules: [json, sql]
    pool:
      size: 4
"""
    (tmp_path / "fn.lua").write_text("return 1\n")
    for file in range(50):
        body = "".join(item.format(n=n) for n in range(400))
        (tmp_path / f"{file}.yaml").write_text(f"namespace: app.m{file}\nentries:\n{body}")
    start = time.process_time()
    found = load_directory(DirectoryTree(tmp_path))
    assert len(found.entries) == 20_000
    assert time.process_time() - start < 3.0
