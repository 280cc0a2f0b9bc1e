-- What the runner prints (spec 07b §A.3).
local terminal = require("terminal")

local styled, print = terminal.styled, terminal.print
local MARKS = { pass = { "green", "o" }, fail = { "red", "x" }, skip = { "yellow", "-" } }
local SPINNER = { "|", "/", "-", "\\" }
local ENTRY_BAR, TOTAL_BAR = 15, 25

local function duration(milliseconds: number): string
  if milliseconds < 1 then return "<1ms" end
  if milliseconds < 1000 then return string.format("%dms", milliseconds // 1) end
  return string.format("%.1fs", milliseconds / 1000)
end

local function bar(share: number, width: integer): string
  local full = math.floor(share * width + 0.5)
  return string.rep("#", full) .. string.rep(".", width - full)
end

local function count(n: integer, one: string): string
  return tostring(n) .. " " .. one .. (n == 1 and "" or "s")
end

local function start(options, tests: integer, suites: integer)
  terminal.cursor(false)
  print()
  print("  " .. styled("bold cyan", "Running Tests"))
  print()
  if #options.patterns > 0 then print("  " .. styled("dim", "Filter: " .. table.concat(options.patterns, ", "))) end
  print("  " .. styled("dim", count(tests, "test") .. " in " .. count(suites, "suite")))
  print()
end

local function nothing(options)
  local sought = table.concat(options.patterns, ", ")
  print(sought ~= "" and "No tests match filter: " .. sought or "No tests found")
end

local function list(suites)
  for _, suite in ipairs(suites) do
    print(styled("bold", suite.name))
    for _, each in ipairs(suite.tests) do
      print("  " .. each.id)
    end
  end
end

local function case(found)
  local mark = styled(MARKS[found.status][1], MARKS[found.status][2])
  if found.status == "skip" then
    print("    " .. mark .. " " .. styled("dim", found.test .. " (skipped)"))
  elseif found.status == "fail" then
    print("    " .. mark .. " " .. found.test)
  else
    print("    " .. mark .. " " .. styled("dim", found.test .. "  " .. duration(found.duration * 1000)))
  end
end

local function suite(name: string, totals)
  local failed = totals.failed > 0
  local cases = totals.passed + totals.failed + totals.skipped
  local parts = { failed and styled("red", "x") or styled("green", "o"), styled("bold", name) }
  table.insert(parts, styled("dim", string.format("(%d)", cases)))
  table.insert(parts, string.format("%d/%d", totals.passed, cases))
  if failed then table.insert(parts, styled("red", tostring(totals.failed) .. " failed")) end
  if totals.skipped > 0 then table.insert(parts, styled("yellow", tostring(totals.skipped) .. " skipped")) end
  table.insert(parts, styled("dim", duration(totals.milliseconds)))
  print("  " .. table.concat(parts, " "))
end

-- What runs now: `at` of `total`; `turn` counts how often it was shown.
local function running(each, at: integer, total: integer, turn: integer)
  local share = (at - 1) / total
  local text = string.format(
    "  %s %s %d/%d %s [%s] %d%%", SPINNER[turn % #SPINNER + 1], each.suite, at, total, each.name, bar(share, ENTRY_BAR),
    math.floor(share * 100)
  )
  terminal.progress(string.sub(text, 1, terminal.columns() - 1))
end

local function indented(text: string): string
  return "    " .. string.gsub(text, "\n", "\n    ")
end

local function failures(found)
  if #found == 0 then return end
  print()
  print("  Failures")
  for _, failure in ipairs(found) do
    print()
    print("    " .. styled("cyan", failure.suite .. " > " .. failure.test))
    for line in string.gmatch(indented(failure.error), "[^\n]+") do
      print(styled("red", line))
    end
    local place = failure.at and failure.id .. " at " .. failure.at or failure.id
    print("    " .. styled("dim", place))
  end
end

local function summary(totals, found, interrupted: boolean)
  failures(found)
  local cases = totals.passed + totals.failed
  local passed = totals.failed == 0 and not interrupted
  local share = cases > 0 and totals.passed / cases or passed and 1 or 0
  local word = interrupted and "INTERRUPTED" or passed and "PASSED" or "FAILED"
  local colour = passed and "green" or "red"
  print()
  print("  " .. styled("bold " .. colour, word) .. "  " .. styled(colour, bar(share, TOTAL_BAR)))
  print()
  local counted = passed and count(totals.passed, "test")
    or tostring(totals.passed) .. " passed  " .. tostring(totals.failed) .. " failed"
  if totals.skipped > 0 then counted = counted .. "  " .. tostring(totals.skipped) .. " skipped" end
  print("  " .. counted .. "  " .. styled("dim", duration(totals.milliseconds)))
  print()
end

local function finish()
  terminal.erase()
  terminal.cursor(true)
end

return {
  start = start, nothing = nothing, list = list, case = case, suite = suite, running = running, summary = summary,
  finish = finish, is_live = terminal.is_live,
}
