"""`wippy test`: what it runs, in what order, what it prints and how it ends (spec 01 §18, spec 07b §A.2, §A.3)."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from apps.program import LIMIT, WIPPY, Outcome, project, wippy
from framework.tested import HEAD, application, by_case, cases, plain, results, test_entry
from hub.served import serving
from wippy.project.wapp.writer import write_pack
from wippy.registry.entry import entry

PASS = plain("return true")
FAIL = plain("return false")
SLOW = plain('require("time").sleep("10s")')
RUNNER = """\
  - name: {name}
    kind: process.lua
    meta: {{ command: {{ name: {name}, use_case: test }} }}
    source: file://{name}.lua
    modules: [io]
"""
TERMINAL = "  - { name: terminal, kind: terminal.host, lifecycle: { auto_start: true } }\n"


def test(directory: Path, *words: str, **env: str) -> Outcome:
    return wippy(directory, "test", *words, env=env)


test.__test__ = False  # type: ignore[attr-defined]


def ids(report: dict[str, Any]) -> list[str]:
    return [each["id"] for each in report["tests"]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six tests in three suites, all of which pass."""
    entries = [
        test_entry("zeta", suite="cart", order=1),
        test_entry("alpha", suite="cart", order=2),
        test_entry("beta", suite="cart", order=2),
        test_entry("first", suite="cart", order=-1),
        test_entry("loose"),
        test_entry("billing", suite="accounts"),
    ]
    sources = dict.fromkeys(("zeta", "alpha", "beta", "first", "loose", "billing"), PASS)
    return application(tmp_path_factory.mktemp("shop"), *entries, **sources)


# What runs, and in what order ----------------------------------------


def test_suites_run_by_name_and_entries_by_order_then_id(shop: Path) -> None:
    _, report = results(shop)
    assert ids(report) == ["app:billing", "app:first", "app:zeta", "app:alpha", "app:beta", "app:loose"]
    assert [each["suite"] for each in report["tests"]] == ["accounts", "cart", "cart", "cart", "cart", "other"]


def test_filters_are_parts_of_ids_and_any_of_them_fits(shop: Path) -> None:
    assert ids(results(shop, "eta")[1]) == ["app:zeta", "app:beta"]
    assert ids(results(shop, "pha", "pp:loo")[1]) == ["app:alpha", "app:loose"]
    assert ids(results(shop, "a.*a")[1]) == []


def test_a_suite_is_chosen_by_its_name(shop: Path) -> None:
    assert ids(results(shop, "--suite", "accounts")[1]) == ["app:billing"]
    assert ids(results(shop, "--suite", "other", "--suite", "accounts", "l")[1]) == ["app:billing", "app:loose"]


def test_list_prints_and_runs_nothing(shop: Path) -> None:
    outcome = test(shop, "--list", "--suite", "cart", "eta")
    assert outcome == Outcome(0, "cart\n  app:zeta\n  app:beta\n", "")
    assert {each["state"] for each in results(shop, "--list")[1]["tests"]} == {"waiting"}


def test_fail_fast_stops_after_the_first_failing_entry(tmp_path: Path) -> None:
    code, report = results(application(tmp_path, a=PASS, b=FAIL, c=PASS), "--fail-fast")
    assert code == 1
    assert [each["state"] for each in report["tests"]] == ["done", "done", "waiting"]


def test_no_test_that_fits_is_no_failure(shop: Path) -> None:
    assert test(shop, "nope", "never") == Outcome(0, "No tests match filter: nope, never\n", "")


def test_no_tests_found_is_no_failure(tmp_path: Path) -> None:
    assert test(application(tmp_path / "a")) == Outcome(0, "No tests found\n", "")
    project(tmp_path / "b", _index=HEAD + TERMINAL)
    assert test(tmp_path / "b") == Outcome(0, 'No tests found: a test is a function with meta.type "test"\n', "")


def test_a_test_that_does_not_answer_in_time_is_a_failure_and_the_run_goes_on(tmp_path: Path) -> None:
    late = cases('describe("s", function() it("late", function() require("time").sleep("300ms") end) end)')
    entries = [test_entry("a", timeout="100ms"), test_entry("b"), test_entry("c", timeout="soon")]
    app = application(tmp_path, *entries, a=late, b=plain('require("time").sleep("500ms")'), c=PASS)
    code, report = results(app)
    found = {case["test"]: case["error"] for case in by_case(report).values()}
    assert code == 1
    assert found == {
        "late": "test timed out after 100ms",
        "b": None,
        "c": "meta.timeout is no duration such as 30s: soon",
    }


def test_an_entry_that_cannot_be_called_is_a_failure(tmp_path: Path) -> None:
    entry = "  - { name: p, kind: process.lua, meta: { type: test }, source: file://p.lua, method: run }\n"
    code, report = results(application(tmp_path, entry, p=PASS))
    assert (code, report["failed"]) == (1, 1)


def test_overrides_settings_and_profiles_shape_the_application(tmp_path: Path) -> None:
    check = plain('local e = require("registry").get("app:value") assert(e.data.text == "wanted", e.data.text)')
    index = "  - { name: value, kind: registry.entry, text: plain }\n"
    app = application(tmp_path, test_entry("v").replace("funcs", "registry"), index=index, v=check)
    assert results(app)[0] == 1
    assert results(app, "-o", "app:value:text=wanted")[0] == 0
    assert results(app, "--set", "override.app:value:text=wanted")[0] == 0
    (app / ".wippy.yaml").write_text('version: "1.0"\nprofiles: { ci: { override: { "app:value:text": wanted } } }\n')
    assert results(app, "--profile", "ci")[0] == 0


# What is printed ----------------------------------------


TWO = cases("""
    describe("sums", function()
      it("are right", function() test.eq(1 + 1, 2) end)
      it("are wrong", function() test.eq(1 + 1, 3) end)
      it_skip("are hard", function() end)
    end)
""")


def plainly(text: str) -> str:
    """With durations made equal."""
    return re.sub(r"<1ms|\d+ms|\d+\.\ds", "T", text)


def test_output_has_cases_suites_failures_and_a_summary(tmp_path: Path) -> None:
    app = application(tmp_path, test_entry("two", suite="maths"), two=TWO)
    outcome = test(app, "app:")
    assert (outcome.code, outcome.err) == (1, "")
    assert plainly(outcome.out) == (
        "\n  Running Tests\n\n  Filter: app:\n  1 test in 1 suite\n\n"
        "    o are right  T\n    x are wrong\n    - are hard (skipped)\n"
        "  x maths (3) 1/3 1 failed 1 skipped T\n"
        "\n  Failures\n\n    sums > are wrong\n    assertion failed: expected 3, got 2\n    app:two at app:two:6\n"
        "\n  FAILED  #############............\n\n  1 passed  1 failed  1 skipped  T\n\n"
    )


def test_success_ends_with_passed(shop: Path) -> None:
    lines = plainly(test(shop, "eta").out).splitlines()
    assert lines[-4:] == ["  PASSED  " + "#" * 25, "", "  2 tests  T", ""]
    assert "Failures" not in lines


def on_a_terminal(directory: Path, **env: str) -> str:
    """What `wippy test` writes when standard output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [WIPPY, "test"], cwd=directory, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", **env},
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # what a terminal says when the other side has closed it
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    process.wait(LIMIT)
    return written.decode()


def test_a_terminal_gets_colours_and_a_progress_line(tmp_path: Path) -> None:
    written = on_a_terminal(application(tmp_path, two=TWO), NO_COLOR="")
    assert written.startswith("\x1b[?25l") and written.endswith("\x1b[?25h")
    assert "\x1b[1;36mRunning Tests\x1b[0m" in written
    assert "\x1b[32mo\x1b[0m \x1b[2mare right" in written and "\x1b[31mx\x1b[0m are wrong" in written
    assert "\r\x1b[K  | other 1/1 two [...............] 0%\r\x1b[K" in written


def test_no_color_leaves_the_progress_line_and_takes_the_colours(tmp_path: Path) -> None:
    written = on_a_terminal(application(tmp_path, two=TWO), NO_COLOR="1")
    assert "other 1/1 two" in written and not re.search(r"\x1b\[[0-9;]*m", written)


def test_elsewhere_lines_are_plain(tmp_path: Path) -> None:
    outcome = test(application(tmp_path, two=TWO))
    assert "\x1b" not in outcome.out and "\r" not in outcome.out


# JUnit ----------------------------------------


def junit(path: Path) -> ElementTree.Element:
    """A JUnit file, with its counts checked against what it holds."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    for element in (root, *root.findall("testsuite")):
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert int(element.attrib[attribute]) == len(list(element.iter(tag)))
        assert float(element.attrib["time"]) >= 0
    for case in root.iter("testcase"):
        assert {"classname", "name", "time"} <= set(case.keys()) and len(case) <= 1
    return root


def test_junit_has_suites_cases_durations_failures_and_skipped(tmp_path: Path) -> None:
    app = application(tmp_path, test_entry("two", suite="maths"), test_entry("one"), two=TWO, one=PASS)
    outcome = test(app, "--junit", "build/reports/tests.xml")
    assert outcome.code == 1 and "FAILED" in outcome.out
    root = junit(app / "build/reports/tests.xml")
    assert [suite.attrib["name"] for suite in root] == ["maths", "other"]
    found = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert list(found) == ["sums > are right", "sums > are wrong", "sums > are hard", "one"]
    wrong = found["sums > are wrong"]
    assert (wrong.attrib["classname"], wrong.attrib["file"], wrong.attrib["line"]) == ("app:two", "app:two", "6")
    assert wrong[0].tag == "failure" and wrong[0].attrib["message"] == "assertion failed: expected 3, got 2"
    assert wrong[0].text == "assertion failed: expected 3, got 2\nat app:two:6"
    assert found["sums > are hard"][0].tag == "skipped" and len(found["one"]) == 0


def test_junit_is_valid_whatever_an_error_says(tmp_path: Path) -> None:
    odd = plain(r'error("<b>&\x00\x1b[31m\xff\xed\xa0\x80 ü \u{1F600} ]]>\nsecond line")')
    app = application(tmp_path, odd=odd, fine=PASS)
    code, report = results(app, "--junit", "tests.xml")
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)
    (failure,) = junit(app / "tests.xml").iter("failure")
    assert "<b>&" in failure.attrib["message"] and "ü \U0001f600 ]]>" in (failure.text or "")
    assert "second line" in (failure.text or "") and "second line" not in failure.attrib["message"]


# Runners ----------------------------------------


def test_without_a_runner_the_user_is_told_what_to_add(tmp_path: Path) -> None:
    project(tmp_path, _index=HEAD + TERMINAL + test_entry("a", imports="{}"), **{"a.lua": PASS})
    outcome = test(tmp_path)
    assert outcome.code == 1 and outcome.out == ""
    assert "1, such as app:a" in outcome.err and "wippy add wippy/test" in outcome.err
    assert "kind: ns.dependency" in outcome.err and "component: wippy/test" in outcome.err


def test_two_runners_are_an_error_that_names_them(tmp_path: Path) -> None:
    index = TERMINAL + RUNNER.format(name="one") + RUNNER.format(name="two")
    source = "return { main = function() end }"
    project(tmp_path, _index=HEAD + index, **{"one.lua": source, "two.lua": source})
    outcome = test(tmp_path)
    assert outcome.code == 1 and outcome.out == ""
    assert outcome.err.startswith("Error: multiple test runners found (app:one, app:two): ")


def test_the_runner_of_the_application_takes_the_place_of_the_packs(tmp_path: Path) -> None:
    own = 'return { main = function(...) require("io").print("own", ...) return 3 end }'
    app = application(tmp_path, test_entry("a"), index=RUNNER.format(name="own"), a=PASS, own=own)
    assert test(app, "x", "y") == Outcome(3, "own\tx\ty\n", "")


def test_a_runner_that_reports_nothing_is_one_error_of_junit(tmp_path: Path) -> None:
    own = "return { main = function() return 1 end }"
    app = application(tmp_path, index=RUNNER.format(name="own"), own=own)
    assert test(app, "--junit", "tests.xml").code == 1
    (case,) = junit(app / "tests.xml").iter("testcase")
    assert case.attrib["classname"] == "app:own" and case[0].tag == "error"


def test_a_runner_that_crashes_leaves_what_it_had_found_out(tmp_path: Path) -> None:
    own = """
        local events = require("events")
        local function say(kind, path, data) assert(events.send("wippy.test", kind, path, data)) end
        return { main = function()
          local tests = {}
          for i, name in ipairs({ "a", "b", "c" }) do tests[i] = { id = "app:" .. name, suite = "s" } end
          say("plan", "run", { tests = tests })
          say("entry.start", "app:a")
          say("entry.done", "app:a", { duration = 0.5, cases = { { suite = "s", test = "a", status = "pass" } } })
          say("entry.start", "app:b")
          say("entry.done", "app:none", { cases = "nonsense" })
          error("the runner broke")
        end }
    """
    app = application(tmp_path, index=RUNNER.format(name="own").replace("[io]", "[events]"), own=own)
    outcome = test(app, "--junit", "tests.xml")
    assert outcome.code == 1 and "the runner broke" in outcome.err and "Traceback" not in outcome.err
    root = junit(app / "tests.xml")
    found = {case.attrib["classname"]: [child.tag for child in case] for case in root.iter("testcase")}
    assert found == {"app:a": [], "app:b": ["error"], "app:c": ["skipped"], "app:own": ["error"]}


def test_a_test_that_ends_the_program_leaves_what_was_found_out(tmp_path: Path) -> None:
    ends = plain('require("system").exit(7) require("time").sleep("5s")')
    entries = [test_entry(name).replace("funcs", "system") for name in "abc"]
    outcome = test(application(tmp_path, *entries, a=PASS, b=ends, c=PASS), "--junit", "tests.xml")
    assert outcome.code == 7 and "INTERRUPTED" in outcome.out
    cases = junit(tmp_path / "tests.xml").iter("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["error"], ["skipped"]]


def test_messages_that_make_no_sense_do_not_end_the_run(tmp_path: Path) -> None:
    body = """
        for _, kind in ipairs({ "test:case:pass", "test:case:fail", "test:case:skip", "test:error", "else" }) do
          for _, odd in ipairs({ {}, 0/0, "\0", 1e308, true }) do
            local data = { ref_id = options.ref_id, suite = odd, test = odd, duration = odd, error = odd, at = odd }
            data.message = odd
            process.send(options.pid, options.topic, { type = kind, data = data })
            process.send(options.pid, options.topic, { type = odd, data = odd })
          end
          process.send(options.pid, options.topic, kind)
        end
    """
    code, report = results(application(tmp_path, odd=plain(body), fine=PASS))
    assert code == 1 and {each["state"] for each in report["tests"]} == {"done"}
    assert (report["passed"], report["failed"], report["skipped"]) == (6, 10, 5)


def test_an_application_that_does_not_start_is_an_error_in_junit_too(tmp_path: Path) -> None:
    app = application(tmp_path, a="return {")
    outcome = test(app, "--junit", "tests.xml")
    assert outcome.code == 1 and "app:a" in outcome.err and "Traceback" not in outcome.err
    assert [child.tag for case in junit(app / "tests.xml").iter("testcase") for child in case] == ["error"]


def test_the_runner_is_a_command_too_and_is_never_started_by_a_plain_run(tmp_path: Path) -> None:
    app = application(tmp_path, a=PASS)
    outcome = wippy(app, "run", "test", "a")
    assert outcome.code == 0 and "PASSED" in outcome.out
    assert wippy(app, "run", "test", "--", "--list").out == "other\n  app:a\n"
    assert "unknown flag --nope" in wippy(app, "run", "test", "--", "--nope").err
    assert "test  Run the tests (wippy.test:runner)" in wippy(app, "run", "list").out


def test_tests_run_beside_other_terminal_hosts(tmp_path: Path) -> None:
    app = application(tmp_path, test_entry("a"), index=TERMINAL, a=PASS)
    assert test(app).code == 0
    assert test(app, "--host", "app:terminal").code == 0
    assert "terminal host app:none not found" in test(app, "--host", "app:none").err


# Ctrl-C ----------------------------------------


def test_ctrl_c_ends_with_what_was_found_out(tmp_path: Path) -> None:
    app = application(tmp_path, a=PASS, b=SLOW, c=PASS)
    with subprocess.Popen(
        [WIPPY, "test", "--junit", "tests.xml"], cwd=app, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        written = ""
        while "o a" not in written:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            written += line
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and errors == ""
    assert "INTERRUPTED" in rest and "1 passed  0 failed" in rest
    found = {case.attrib["classname"]: [c.tag for c in case] for case in junit(app / "tests.xml").iter("testcase")}
    assert found["app:a"] == [] and found["app:b"] == ["error"] and found["app:c"] == ["skipped"]


# Packs ----------------------------------------


def test_the_tests_of_a_pack_are_run(tmp_path: Path) -> None:
    app = application(tmp_path / "app", a=PASS, b=FAIL)
    assert wippy(app, "pack", str(tmp_path / "x.wapp")).code == 0
    away = tmp_path / "away"
    away.mkdir()
    code, report = results(away, "../x.wapp")
    assert (code, ids(report)) == (1, ["app:a", "app:b"])
    assert results(away, "../x.wapp", ":a")[0] == 0
    assert wippy(away, "run", "../x.wapp", "list").out.startswith("No commands found")


def test_tests_of_modules_inside_a_module_do_not_count(tmp_path: Path) -> None:
    def function(entry_id: str, module: str) -> Any:
        data = {"source": PASS, "method": "run"}
        return entry(entry_id, "function.lua", data, {"type": "test", "module": module})

    entries = [
        entry("acme.kit:tests", "ns.dependency", {"component": "wippy/test"}),
        function("acme.kit:mine", "acme/kit"),
        function("acme.base:theirs", "acme/base"),
    ]
    write_pack(tmp_path / "kit.wapp", {"name": "kit", "namespace": "acme.kit", "version": "1.0.0"}, entries)
    assert ids(results(tmp_path, "kit.wapp")[1]) == ["acme.kit:mine"]


# Many ----------------------------------------


def test_five_hundred_entries_take_a_few_seconds(tmp_path: Path) -> None:
    entries = [
        test_entry(f"t{i:03}", suite=f"s{i % 10}").replace(f"file://t{i:03}.lua", "file://one.lua") for i in range(500)
    ]
    app = application(tmp_path, *entries, one=cases('describe("s", function() it("c", function() end) end)'))
    started = time.monotonic()
    code, report = results(app)
    assert (code, report["passed"]) == (0, 500)
    assert time.monotonic() - started < 15


def test_the_tests_of_a_module_of_a_hub_are_run(tmp_path: Path) -> None:
    imports = {"test": "wippy.test:test"}
    mine = entry(
        "acme.tool:mine",
        "function.lua",
        {"source": cases('describe("s", function() it("c", function() end) end)'), "method": "run", "imports": imports},
        {"type": "test"},
    )
    with serving(tmp_path / "hub") as hub:
        hub.offer(hub.token("acme"), "acme/tool", "1.0.0", needs={"wippy/test": "*"}, entries=[mine])
        (tmp_path / "work").mkdir()
        home = {"HOME": str(tmp_path / "home"), "WIPPY_REGISTRY": hub.url, "XDG_CONFIG_HOME": ""}
        outcome = test(tmp_path / "work", "acme/tool@1.0.0", "mine", **home)
    assert outcome.code == 0 and "Filter: mine" in outcome.out and "PASSED" in outcome.out, outcome.err
