-- The framework tests itself: each case runs cases of its own inside, and looks at what came of them.
local test = require("test")

-- The report of `define`, and what it said in `steps`.
local function report_of(define)
  return test.run_cases(define)({})
end

local function failure_of(fn): string
  local report = report_of(function()
    describe("s", function() it("c", fn) end)
  end)
  local case = report.test_suites.s.tests[1]
  test.eq(case.status, "fail")
  return case.error
end

local function passes(fn): boolean
  return report_of(function()
    describe("s", function() it("c", fn) end)
  end).status == "ok"
end

local function structure()
  it("counts passed, failed and skipped cases", function()
    local report = report_of(function()
      describe("outer", function()
        it("passes", function() end)
        it_skip("waits", function() error("never") end)
        describe("inner", function()
          it("fails", function() test.fail("no") end)
        end)
      end)
    end)
    test.eq(report.status, "error")
    test.eq(report.total_tests, 3)
    test.eq(report.passed_tests, 1)
    test.eq(report.failed_tests, 1)
    test.eq(report.test_suites["outer"].status, "ok")
    test.eq(report.test_suites["outer > inner"].status, "error")
    test.eq(report.test_suites["outer > inner"].tests[1].error, "no")
  end)

  it("runs hooks around cases, and all-hooks once around each block", function()
    local steps = {}
    local function note(text: string)
      return function() table.insert(steps, text) end
    end
    report_of(function()
      describe("1", function()
        before_all(note("ba1"))
        after_all(note("aa1"))
        before_each(note("be1"))
        after_each(note("ae1"))
        it("a", note("a"))
        describe("2", function()
          before_all(note("ba2"))
          after_all(note("aa2"))
          before_each(note("be2"))
          after_each(note("ae2"))
          describe("3", function() it("b", note("b")) end)
        end)
      end)
    end)
    test.eq(table.concat(steps, " "), "ba1 be1 a ae1 ba2 be1 be2 b ae2 ae1 aa2 aa1")
  end)

  it("aborts when a hook fails", function()
    local reached = false
    local err = test.throws(function()
      report_of(function()
        describe("s", function()
          before_each(function() error("broken hook") end)
          it("a", function() reached = true end)
        end)
      end)
    end)
    test.contains(err, "before_each of \"s\"")
    test.contains(err, "broken hook")
    test.is_false(reached)
  end)

  it("takes hooks inside describe only", function()
    test.throws(function() report_of(function() before_each(function() end) end) end)
    test.throws(function() report_of(function() it("alone", function() end) end) end)
  end)

  it("leaves no globals behind", function()
    local before = _G.describe
    report_of(function() end)
    test.eq(_G.describe, before)
  end)
end

local function assertions()
  it("say what was expected and what came", function()
    test.eq(failure_of(function() test.eq(1, "1") end), "assertion failed: expected \"1\", got 1")
    test.eq(failure_of(function() test.eq(1, 2, "sum") end), "sum: expected 2, got 1")
    test.eq(failure_of(function() test.is_string(5) end), "assertion failed: expected string, got number (5)")
    test.eq(failure_of(function() test.not_nil(nil) end), "assertion failed: expected a value, got nil")
    test.eq(failure_of(function() test.len({ 1 }, 2) end), "assertion failed: expected length 2, got 1 of {1}")
    test.eq(failure_of(function() test.is_nil({ a = { 1 } }) end), "assertion failed: expected nil, got {a = {1}}")
  end)

  it("pass what they check on", function()
    test.eq(test.ok(1), 1)
    test.eq(test.not_nil(false), false)
    test.eq(test.is_string("a"), "a")
    test.eq(test.is_number(1.5), 1.5)
    test.eq(test.contains("a.b", "."), "a.b")
    test.eq(test.matches("a12", "%d+"), "a12")
    test.eq(test.has_key({ k = 7 }, "k"), 7)
    test.eq(test.throws(function() error("x", 0) end), "x")
  end)

  it("fail when they must", function()
    local wrong = {
      function() test.neq(1, 1) end,
      function() test.ok(false) end,
      function() test.is_nil(0) end,
      function() test.is_true(1) end,
      function() test.is_false(nil) end,
      function() test.is_table("t") end,
      function() test.is_function({}) end,
      function() test.is_boolean(0) end,
      function() test.contains("abc", "x") end,
      function() test.contains({}, "x") end,
      function() test.matches("abc", "%d") end,
      function() test.has_key({}, "k") end,
      function() test.gt(1, 1) end,
      function() test.gte(0, 1) end,
      function() test.lt(1, 1) end,
      function() test.lte(2, 1) end,
      function() test.throws(function() end) end,
      function() test.has_error(1, "e") end,
      function() test.has_error(nil, nil) end,
      function() test.no_error(nil, "e") end,
    }
    for _, fn in ipairs(wrong) do
      test.contains(failure_of(fn), "assertion failed: expected ")
    end
  end)

  it("hold when they must", function()
    test.is_true(passes(function()
      test.neq({}, {})
      test.is_nil(nil)
      test.gt(2, 1)
      test.gte(1, 1)
      test.lt(1, 2)
      test.lte(1, 1)
      test.len("abc", 3)
      test.has_error(nil, errors.new("e"))
      test.no_error(1, nil)
    end))
  end)

  it("print tables with cycles", function()
    local loop = {}
    loop.self = loop
    test.eq(failure_of(function() test.is_nil(loop) end), "assertion failed: expected nil, got {self = {<cycle>}}")
  end)
end

local function mocks()
  it("are gone in the next case", function()
    local seen = {}
    report_of(function()
      describe("s", function()
        it("a", function()
          mock("process.pid", function() return "mocked" end)
          table.insert(seen, process.pid())
        end)
        it("b", function() table.insert(seen, process.pid() == "mocked") end)
      end)
    end)
    test.eq(seen[1], "mocked")
    test.eq(seen[2], false)
  end)

  it("are restored one by one", function()
    local pid = process.pid
    mock("process.pid", function() return 1 end)
    mock_process("id", function() return 2 end)
    test.eq(process.pid(), 1)
    restore_mock("process.pid")
    test.eq(process.pid, pid)
    test.eq(process.id(), 2)
    restore_all_mocks()
    test.neq(process.id(), 2)
  end)

  it("take paths of two parts", function()
    test.throws(function() mock("process", 1) end)
    test.throws(function() mock("a.b.c", 1) end)
    test.throws(function() mock("nowhere.field", 1) end)
    test.throws(function() mock({}, "field") end)
    test.throws(function() mock("process.pid") end)
    test.throws(function() mock(process, "pid", 1) end)
  end)

  it("change registered tables in place", function()
    local service = { answer = function() return 1 end }
    test.register_mock_namespace(service, "service")
    mock("service.answer", function() return 2 end)
    test.eq(service.answer(), 2)
    restore_all_mocks()
    test.eq(service.answer(), 1)
  end)

  it("copy nested tables", function()
    mock("process.event", { EXIT = "mine" })
    test.eq(process.event.EXIT, "mine")
    restore_mock("process.event")
    test.eq(process.event.EXIT, "pid.exit")
  end)
end

local function define()
  describe("structure", structure)
  describe("assertions", assertions)
  describe("mocks", mocks)
end

local run = test.run_cases(define)

local function main(options)
  local report = run(options)
  if report.failed_tests > 0 then error("tests failed") end
  return report
end

return { run = main }
