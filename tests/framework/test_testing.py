"""The pack wippy/test through applications on disk: what tests are written with (spec 07b §A.4)."""

from __future__ import annotations

from pathlib import Path

from apps.program import project, wippy
from framework.tested import HEAD, application, by_case, cases, plain, results, test_entry
from wippy.project.framework import framework_pack

MIXED = cases("""
    describe("outer", function()
      it("passes", function() test.eq(1, 1) end)
      it("fails", function() test.eq("a", "b") end)
      it_skip("waits", function() error("a skipped case was executed") end)
      it("crashes", function()
        local nothing = nil
        return nothing.field
      end)
      describe("middle", function()
        describe("inner", function() it("is executed three levels deep", function() end) end)
      end)
    end)
""")


def test_pass_fail_and_skip_are_counted_and_make_the_exit_code(tmp_path: Path) -> None:
    code, report = results(application(tmp_path, mixed=MIXED))
    assert (code, report["status"]) == (1, "failed")
    assert (report["passed"], report["failed"], report["skipped"]) == (2, 2, 1)
    assert by_case(report)["outer > middle > inner > is executed three levels deep"]["status"] == "pass"


def test_all_passed_is_exit_code_0(tmp_path: Path) -> None:
    code, report = results(application(tmp_path, good=cases('describe("s", function() it("c", function() end) end)')))
    assert (code, report["status"], report["passed"]) == (0, "passed", 1)


def test_a_skipped_case_never_executes(tmp_path: Path) -> None:
    body = """
        local executed = false
        describe("s", function()
          before_all(function() executed = true end)
          it_skip("a", function() executed = true end)
          it_skip("without a function")
        end)
        describe("later", function() it("sees that nothing ran", function() test.is_false(executed) end) end)
    """
    code, report = results(application(tmp_path, skipping=cases(body)))
    assert (code, report["passed"], report["skipped"]) == (0, 1, 2)


def test_hooks_run_outer_to_inner_and_back_and_all_hooks_once(tmp_path: Path) -> None:
    body = """
        local steps = {}
        local function note(text) return function() table.insert(steps, text) end end
        describe("1", function()
          before_all(note("BA1")) after_all(note("AA1")) before_each(note("be1"))
          after_each(note("ae1")) after_each(note("ae1b"))
          it("a", note("a"))
          describe("2", function()
            before_all(note("BA2")) after_all(note("AA2")) before_each(note("be2")) after_each(note("ae2"))
            it("b", note("b"))
            it("c", function() note("c")() error("a failing case has its hooks too") end)
          end)
        end)
        describe("order", function()
          it("is told", function() test.fail(table.concat(steps, " ")) end)
        end)
    """
    _, report = results(application(tmp_path, hooks=cases(body)))
    assert by_case(report)["order > is told"]["error"] == (
        "BA1 be1 a ae1 ae1b BA2 be1 be2 b ae2 ae1 ae1b be1 be2 c ae2 ae1 ae1b AA2 AA1"
    )


def test_a_failing_hook_aborts_the_entry_and_is_a_failure(tmp_path: Path) -> None:
    body = """
        describe("s", function()
          it("first", function() end)
          describe("broken", function()
            before_all(function() error("no database") end)
            it("second", function() end)
          end)
          it("third", function() end)
        end)
    """
    code, report = results(application(tmp_path, hooks=cases(body)))
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)
    (failure,) = [case for case in by_case(report).values() if case["status"] == "fail"]
    assert 'before_all of "s > broken": app:hooks:' in failure["error"] and "no database" in failure["error"]


def test_a_failing_definition_is_a_failure(tmp_path: Path) -> None:
    code, report = results(application(tmp_path, bad=cases('describe("s", function() error("cannot be defined") end)')))
    assert (code, report["failed"]) == (1, 1)
    assert "cannot be defined" in report["tests"][0]["cases"][0]["error"]


def test_runtime_errors_have_a_text_with_a_stack(tmp_path: Path) -> None:
    _, report = results(application(tmp_path, mixed=MIXED))
    crash = by_case(report)["outer > crashes"]
    assert crash["error"].startswith("app:mixed:10: attempt to index a nil value")
    assert "\n  app:mixed:10" in crash["error"] and "wippy.test:" not in crash["error"]
    assert crash["at"] == "app:mixed:10"


def test_assertions_have_their_message_and_the_line_that_called_them(tmp_path: Path) -> None:
    _, report = results(application(tmp_path, mixed=MIXED))
    failure = by_case(report)["outer > fails"]
    assert failure["error"] == 'assertion failed: expected "b", got "a"'
    assert failure["at"] == "app:mixed:6"


def test_error_objects_are_shown_with_their_message(tmp_path: Path) -> None:
    body = 'describe("s", function() it("c", function() error(errors.new("gone wrong")) end) end)'
    _, report = results(application(tmp_path, objects=cases(body)))
    assert by_case(report)["s > c"]["error"].startswith("gone wrong\n  app:objects:3")


def test_mocks_are_gone_in_the_next_case(tmp_path: Path) -> None:
    body = """
        describe("s", function()
          local real = process.pid()
          it("mocks", function()
            mock("process.pid", function() return "mocked" end)
            mock_process("id", function() return "mocked" end)
            test.eq(process.pid() .. process.id(), "mockedmocked")
          end)
          it("is as before", function()
            test.eq(process.pid(), real)
            test.eq(process.id(), "app:mocks")
          end)
        end)
    """
    code, report = results(application(tmp_path, mocks=cases(body)))
    assert (code, report["passed"]) == (0, 2)


def test_mocks_reach_the_libraries_under_test(tmp_path: Path) -> None:
    library = "  - { name: mailer, kind: library.lua, source: file://mailer.lua }\n"
    entry = test_entry("mocks", imports='{ test: "wippy.test:test", mailer: "app:mailer" }')
    body = """
        describe("s", function()
          it("c", function()
            local sent = nil
            mock("process.send", function(dest, topic) sent = dest .. " " .. topic return true end)
            require("mailer").notify()
            test.eq(sent, "somebody hello")
          end)
        end)
    """
    mailer = 'return { notify = function() return process.send("somebody", "hello") end }'
    code, report = results(application(tmp_path, entry, index=library, mocks=cases(body), mailer=mailer))
    assert (code, report["passed"]) == (0, 1)


def test_a_test_that_mocks_process_send_still_reports(tmp_path: Path) -> None:
    body = """
        describe("s", function()
          it("mocks", function()
            local sent = 0
            mock("process.send", function() sent = sent + 1 return true end)
            process.send("a", "topic")
            process.send("a", "test:update", {})
            process.send("a", "test:mine", {})
            test.eq(sent, 1)
          end)
          it("fails", function()
            mock_process("send", function() error("never called for reports") end)
            test.fail("seen")
          end)
        end)
    """
    code, report = results(application(tmp_path, mocks=cases(body)))
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)
    assert by_case(report)["s > fails"]["error"] == "seen"


def test_plain_functions_pass_unless_they_return_false_or_raise(tmp_path: Path) -> None:
    app = application(
        tmp_path,
        yes=plain("return true"),
        nothing=plain(""),
        no=plain("return false"),
        raises=plain('error("oh no")'),
        refuses=plain('return nil, "no luck"'),
    )
    code, report = results(app)
    found = {case["test"]: (case["status"], case["error"]) for case in by_case(report).values()}
    assert code == 1
    assert found == {
        "yes": ("pass", None),
        "nothing": ("pass", None),
        "no": ("fail", "test returned false"),
        "raises": ("fail", "app:raises:2: oh no"),
        "refuses": ("fail", "no luck"),
    }


def test_a_report_that_comes_back_counts_when_no_event_did(tmp_path: Path) -> None:
    source = cases('describe("s", function() it("a", function() end) it("b", function() test.fail("x") end) end)')
    source = source.replace("run(options)", "run()").replace('error("tests failed")', "return report")
    code, report = results(application(tmp_path, silent=source))
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)


def test_an_entry_gets_its_pid_topic_id_and_context(tmp_path: Path) -> None:
    index = (
        "  - { name: plain, kind: function.lua, method: run, meta: { type: test }, source: file://p.lua,"
        " modules: [ctx] }\n"
    )
    body = """
      local ctx = require("ctx")
      assert(options.ref_id == "app:plain" and options.topic == "test:update")
      assert(ctx.get("parent_pid") == options.pid and ctx.get("test_topic") == options.topic)
    """
    code, report = results(application(tmp_path, index, p=plain(body)))
    assert (code, report["passed"]) == (0, 1)


def test_a_test_may_do_everything(tmp_path: Path) -> None:
    body = 'assert(require("funcs").call("app:other") == "wippy.test:runner")'
    other = (
        "  - { name: other, kind: function.lua, method: run, modules: [security],"
        " source: 'return { run = function() return require(\"security\").actor():id() end }' }\n"
    )
    app = application(tmp_path, test_entry("calls"), index=other, calls=plain(body))
    (app / ".wippy.yaml").write_text('version: "1.0"\nsecurity: { strict_mode: true }\n')
    assert results(app)[0] == 0


def test_after_each_sees_no_mocks(tmp_path: Path) -> None:
    body = """
        local seen = {}
        describe("s", function()
          before_each(function() mock("process.pid", function() return "mocked" end) end)
          after_each(function() table.insert(seen, tostring(process.pid() == "mocked")) end)
          it("a", function() test.eq(process.pid(), "mocked") end)
          it("b", function() test.eq(process.pid(), "mocked") end)
        end)
        describe("then", function() it("c", function() test.eq(table.concat(seen, " "), "false false") end) end)
    """
    code, report = results(application(tmp_path, mocks=cases(body)))
    assert (code, report["passed"]) == (0, 3)


def test_endless_recursion_in_a_case_is_a_failure_of_that_case(tmp_path: Path) -> None:
    body = """
        describe("s", function()
          local function deeper() return 1 + deeper() end
          it("a", function() deeper() end)
          it("b", function() end)
        end)
    """
    code, report = results(application(tmp_path, deep=cases(body)))
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)
    assert "overflow" in by_case(report)["s > a"]["error"]


def test_an_error_outside_of_the_cases_task_fails_the_case_that_was_open(tmp_path: Path) -> None:
    body = """
        describe("s", function()
          it("a", function()
            coroutine.spawn(function() error("in another task") end)
            require("time").sleep("5s")
          end)
        end)
    """
    code, report = results(application(tmp_path, tasks=cases(body)))
    assert (code, report["failed"]) == (1, 1)
    assert "in another task" in by_case(report)["s > a"]["error"]


FOLLOWER = r"""
local function main()
  local mail = process.listen("mine")
  local options = { pid = process.pid(), topic = "mine", ref_id = "r" }
  local report, err = require("funcs").call("app:mixed", options)
  local lines = { tostring(err) }
  while true do
    local result = channel.select({ mail:case_receive() }, true)
    if not result.channel then break end
    local data = result.value.data
    assert(data.ref_id == "r")
    local parts = { result.value.type, data.suite or "-", data.test or "-", tostring(data.status) }
    table.insert(parts, type(data.timestamp))
    if result.value.type == "test:plan" then
      parts = { result.value.type }
      for _, suite in ipairs(data.suites) do
        for _, case in ipairs(suite.tests) do
          table.insert(parts, suite.name .. ":" .. case.name .. tostring(case.skipped))
        end
      end
    elseif result.value.type == "test:complete" then
      table.insert(parts, table.concat({ data.total, data.passed, data.failed, data.skipped }, ","))
    end
    table.insert(lines, table.concat(parts, " "))
  end
  return table.concat(lines, "\n")
end
return { main = main }
"""


def test_event_messages_tell_the_plan_the_cases_and_the_end(tmp_path: Path) -> None:
    follower = (
        "  - { name: follow, kind: process.lua, meta: { command: { name: follow } }, source: file://follow.lua,"
        " modules: [funcs] }\n"
    )
    source = cases("""
        describe("s", function()
          it("a", function() end)
          describe("t", function() it("b", function() test.fail("x") end) end)
          it_skip("c", function() end)
        end)
    """)
    app = application(tmp_path, test_entry("mixed"), index=follower, mixed=source, follow=FOLLOWER)
    assert wippy(app, "run", "follow").out.splitlines() == [
        "app:mixed:13: tests failed",
        "test:plan s:afalse s:ctrue s > t:bfalse",
        "test:case:start s a nil number",
        "test:case:pass s a nil number",
        "test:case:start s > t b nil number",
        "test:case:fail s > t b nil number",
        "test:case:skip s c nil number",
        "test:complete - - failed number 3,1,1,1",
    ]


def test_an_application_does_not_run_the_tests_of_the_framework() -> None:
    pack = framework_pack("wippy/test")
    assert pack is not None
    assert all(entry.meta.get("type") != "test" for entry in pack.definitions(()).entries)


def test_the_self_test_passes(tmp_path: Path) -> None:
    pack = framework_pack("wippy/test")
    assert pack is not None
    (tmp_path / "wippy.lock").write_text(f"directories: {{ modules: .wippy, src: {pack.root / 'src'} }}\n")
    code, report = results(tmp_path)
    assert (code, report["failed"]) == (0, 0) and report["passed"] >= 15
    assert [each["suite"] for each in report["tests"]] == ["test-framework"]


def test_the_pack_lints_clean_and_so_do_its_globals(tmp_path: Path) -> None:
    app = application(tmp_path, good=cases('describe("s", function() it("c", function() mock("a.b", 1) end) end)'))
    done = wippy(app, "lint", "--rules")
    assert (done.code, done.out.splitlines()[0]) == (0, "No issues found")
    project(tmp_path / "other", _index=HEAD + test_entry("x", imports="{}"), **{"x.lua": plain("describe()")})
    assert "undefined variable 'describe'" in wippy(tmp_path / "other", "lint").out
