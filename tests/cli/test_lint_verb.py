"""`wippy lint` as a user runs it (spec 01 §20, spec 02 §8)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.program import Run, runner

INDEX = """
version: "1.0"
namespace: {namespace}
entries:
{entries}
"""
ENTRY = """  - name: {name}
    kind: {kind}
    method: main
    modules: [{modules}]
    source: |
{source}
"""


def entry(name: str, source: str, *, kind: str = "function.lua", modules: str = "") -> str:
    indented = "\n".join(f"      {line}" for line in source.split("\n"))
    return ENTRY.format(name=name, kind=kind, modules=modules, source=indented)


def write(project: Path, *entries: str, namespace: str = "app") -> None:
    (project / "src").mkdir(exist_ok=True)
    (project / "wippy.lock").write_text("directories: { modules: .wippy, src: ./src }\n")
    text = INDEX.format(namespace=namespace, entries="\n".join(entries))
    (project / "src" / f"{namespace}.yaml").write_text(text)


CLEAN = "return { main = function(a) return a end }"
WRONG = "local function main()\n  return lenght\nend\nreturn { main = main }"
STYLE = "count = 1\nreturn { main = function() return count end }"


def test_clean_project_exits_zero(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", CLEAN))
    done = run("lint")
    assert (done.code, done.out.strip()) == (0, "No issues found\nChecked 1 entries")


def test_error_is_shown_with_its_line_and_exit_code_one(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", WRONG))
    done = run("lint")
    assert done.code == 1
    assert "error[E0001]: undefined variable 'lenght'" in done.out
    assert "--> app:a:2:10" in done.out
    assert "2 |   return lenght" in done.out
    assert "lint failed: 1 errors, 0 warnings" in done.err
    assert "Traceback" not in done.err


def test_syntax_error_is_a_finding_and_not_a_crash(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", "local x = "), entry("b", CLEAN))
    done = run("lint")
    assert done.code == 1
    assert "error[P0001]" in done.out
    assert "Checked 2 entries: 1 errors" in done.out


def test_rules_only_with_the_flag(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", STYLE))
    assert run("lint").code == 0
    done = run("lint", "--rules")
    assert done.code == 0
    assert "warning[W0002]" in done.out


def test_json_is_one_object_and_fails_like_the_text(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", WRONG), entry("b", CLEAN))
    done = run("lint", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert report["total_entries"] == 2
    assert (report["error_count"], report["warning_count"], report["hint_count"]) == (1, 0, 0)
    assert report["diagnostics"] == [
        {
            "entry_id": "app:a",
            "code": "E0001",
            "severity": "error",
            "message": "undefined variable 'lenght'",
            "line": 2,
            "column": 10,
        }
    ]


def test_json_without_findings_has_null_diagnostics(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", CLEAN))
    assert json.loads(run("lint", "--json").out)["diagnostics"] is None


def test_namespace_filter_checks_imports_but_does_not_report_them(tmp_path: Path, run: Run) -> None:
    library = entry("lib", "return { n = lenght }", kind="library.lua")
    write(tmp_path, library, namespace="base")
    user = entry("a", 'local lib = require("lib")\nreturn { main = function() return lib end }')
    write(tmp_path, user.replace("modules: []", 'imports: { lib: "base:lib" }'))
    done = run("lint", "--ns", "app")
    assert (done.code, done.out.strip()) == (0, "No issues found\nChecked 2 entries")
    assert run("lint", "--ns", "base").code == 1


def test_several_namespaces_are_repeated_or_listed_with_commas(tmp_path: Path, run: Run) -> None:
    for namespace in ("one", "one.below", "two", "three"):
        write(tmp_path, entry("a", WRONG), namespace=namespace)
    for flags in (["--ns", "one.*,two"], ["--ns", "one.*", "--ns", "two"], ["--ns", "one.**, two"]):
        done = run("lint", *flags)
        assert done.code == 1 and "Checked 3 entries: 3 errors" in done.out
    assert "Checked 2 entries: 2 errors" in run("lint", "--ns", "one,three").out


def test_findings_are_ordered_by_entry_severity_line_column_and_code(tmp_path: Path, run: Run) -> None:
    source = "count = 1\nlocal unused = 2\nlocal a = first local b = second\nreturn third"
    write(tmp_path, entry("b", source), entry("a", source))
    found = json.loads(run("lint", "--rules", "--json").out)["diagnostics"]
    rows = [(d["entry_id"], d["severity"], d["line"], d["column"], d["code"]) for d in found]
    assert rows == [
        (name, *rest)
        for name in ("app:a", "app:b")
        for rest in (
            ("error", 3, 11, "E0001"),
            ("error", 3, 27, "E0001"),
            ("error", 4, 8, "E0001"),
            ("warning", 1, 1, "W0002"),
            ("warning", 2, 7, "W0004"),
            ("warning", 3, 7, "W0004"),
            ("warning", 3, 23, "W0004"),
        )
    ]


ALL_RULES = """local json = require("json")
count = 1
local item = count
if item == item then end
return function(unused)
  local item = 2
end"""


def test_style_rules_only_with_the_flag_and_hints_only_with_their_level(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", ALL_RULES, modules="json"))

    def codes(*flags: str) -> set[str]:
        return {d["code"] for d in json.loads(run("lint", "--json", *flags).out)["diagnostics"] or ()}

    assert codes("--level", "hint") == set()
    assert codes("--rules", "--level", "hint") == {f"W000{n}" for n in range(1, 8)}
    assert codes("--rules") == {"W0001", "W0002", "W0003", "W0004", "W0006"}
    assert codes("--rules", "--level", "error") == {"W0003"}
    assert codes("--rules", "--level", "hint", "--code", "w0005,W0007") == {"W0005", "W0007"}


def test_lower_severities_are_neither_shown_nor_counted(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", ALL_RULES, modules="json"))
    every = json.loads(run("lint", "--rules", "--level", "hint", "--json", "--limit", "2").out)
    assert [len(every["diagnostics"]), every["error_count"], every["warning_count"], every["hint_count"]] == [
        2,
        1,
        4,
        2,
    ]
    errors = json.loads(run("lint", "--rules", "--level", "error", "--json").out)
    assert [len(errors["diagnostics"]), errors["warning_count"], errors["hint_count"]] == [1, 0, 0]


@pytest.mark.parametrize("flags", [[], ["--json"], ["--summary"]])
def test_errors_exit_with_one_in_every_form_and_warnings_with_zero(tmp_path: Path, run: Run, flags: list[str]) -> None:
    write(tmp_path, entry("a", STYLE))
    assert run("lint", "--rules", *flags).code == 0
    write(tmp_path, entry("a", WRONG))
    done = run("lint", *flags)
    assert done.code == 1 and "lint failed: 1 errors, 0 warnings" in done.err
    assert run("lint", "--code", "E0003", *flags).code == 0


def test_code_filter_and_limit(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", f"first = 1\n{STYLE}"))
    done = run("lint", "--rules", "--code", "w0002", "--limit", "1")
    assert done.out.count("warning[W0002]") == 1
    assert "Checked 1 entries: 2 warnings" in done.out


def test_summary_counts_by_namespace_and_code(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", WRONG), entry("b", WRONG))
    done = run("lint", "--summary")
    assert "  app   2 issues (2 errors, 0 warnings)" in done.out
    assert "  E0001    [error  ]    2 occurrences" in done.out


def test_unknown_level_is_refused(tmp_path: Path, run: Run) -> None:
    write(tmp_path, entry("a", CLEAN))
    done = run("lint", "--level", "loud")
    assert done.code == 1
    assert "loud" in done.err


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("example", sorted(p.parent.name for p in EXAMPLES.glob("*/wippy.lock")))
def test_examples_are_clean(example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    done = runner(EXAMPLES / example, monkeypatch, capsys)("lint", "--rules", "--level", "hint")
    assert (done.code, done.out.split("\n")[0]) == (0, "No issues found")


def test_calls_of_modules_that_need_a_running_node_are_checked(tmp_path: Path, run: Run) -> None:
    write(
        tmp_path,
        entry("a", 'local env = require("env")\nreturn { main = function() return env.get() end }', modules="env"),
    )
    done = run("lint")
    assert "error[E0003]: get expects 1 argument, got 0" in done.out
