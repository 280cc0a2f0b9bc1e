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
