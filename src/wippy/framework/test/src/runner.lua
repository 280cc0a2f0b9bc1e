-- Runs the tests of the application, one entry after the other (spec 07b §A.2).
--
-- What is found out is printed, and published on the event bus under the system `wippy.test` as it becomes known: whoever
-- wants it in another form (`wippy test --junit`) has everything up to the moment even if this process should fail.
local events = require("events")
local funcs = require("funcs")
local io = require("io")
local time = require("time")
local test_registry = require("test_registry")
local discovery = require("discovery")
local display = require("display")

type Found = {suite: string, test: string, status: string, duration: number, error: string?, at: string?, id: string}

local SYSTEM = "wippy.test"
local RUN = "run" -- the path of events that concern no entry
local TOPIC = "test:update"
local TIMEOUT = "30s"
local FRAME = "100ms" -- how often the spinner turns
local INTERRUPTED = 130
local STATUS = { ["test:case:pass"] = "pass", ["test:case:fail"] = "fail", ["test:case:skip"] = "skip" }

local function publish(kind: string, path: string, data)
  assert(events.send(SYSTEM, kind, path, data))
end

local function since(start): number
  return time.now():sub(start):nanoseconds() / 1e9
end

-- One entry -------------------------------------------------------------------------------------------------------------

-- Collects what an entry reports.
local function collector(each, updates)
  local self = { cases = {}, reported = false, open = nil, id = each.id, start = time.now(), duration = 0 }

  function self.add(found)
    found.id = each.id
    found.duration = found.duration or found.status == "skip" and 0 or since(self.start)
    table.insert(self.cases, found)
    display.case(found)
  end

  function self.take(message)
    local data = type(message) == "table" and message.data
    if type(data) ~= "table" or data.ref_id ~= each.id then return end
    local status = STATUS[message.type]
    if status then
      self.reported, self.open = true, nil
      self.add({
        suite = tostring(data.suite), test = tostring(data.test), status = status, duration = tonumber(data.duration),
        error = status == "fail" and tostring(data.error or "failed") or nil,
        at = type(data.at) == "string" and data.at or nil,
      })
    elseif message.type == "test:case:start" then
      self.open = data
    elseif message.type == "test:error" then
      self.reported = true
      local context = tostring(data.context or "error")
      self.add({ suite = each.suite, test = each.name .. " (" .. context .. ")", status = "fail", error = tostring(data.message) })
      self.open = nil
    end
  end

  -- What has been sent already.
  function self.drain()
    while true do
      local result = channel.select({ updates:case_receive() }, true)
      if result.channel ~= updates then return end
      self.take(result.value)
    end
  end

  function self.fail(err)
    local case, text = self.open, string.gsub(tostring(err), "^async call failed: ", "")
    local suite, name = each.suite, each.name
    if case then
      suite, name = tostring(case.suite), tostring(case.test)
    end
    self.add({ suite = suite, test = name, status = "fail", error = text, at = string.match(text, "^(%S+:%S+:%d+): ") })
  end

  return self
end

-- The cases of a report that came back instead of events; false when it is no report.
local function take_report(found, report): boolean
  if type(report) ~= "table" or type(report.test_suites) ~= "table" then return false end
  for path, suite in pairs(report.test_suites) do
    for _, case in ipairs(suite.tests or {}) do
      found.add({
        suite = tostring(path), test = tostring(case.name), status = STATUS["test:case:" .. tostring(case.status)] or "fail",
        duration = (tonumber(case.duration_ms) or 0) / 1000, error = case.error,
      })
    end
  end
  return #found.cases > 0
end

-- What an entry that reported no case says with its outcome.
local function judge(each, found, err, value)
  if found.open then return found.fail(err or "the entry ended before the case did") end
  if found.reported then return end
  if err then return found.fail(err) end
  if value == false then return found.fail("test returned false") end
  if not take_report(found, value) then
    found.add({ suite = each.suite, test = each.name, status = "pass" })
  end
end

local function timeout_of(each): (any, string?)
  local text = each.timeout == nil and TIMEOUT or each.timeout
  local duration = type(text) == "string" and time.parse_duration(text) or nil
  if not duration then return nil, "meta.timeout is no duration such as 30s: " .. tostring(text) end
  return duration
end

local function start_entry(each)
  local pid = process.pid()
  local executor = funcs.new():with_context({ parent_pid = pid, test_topic = TOPIC })
  return executor:async(each.id, { pid = pid, topic = TOPIC, ref_id = each.id })
end

-- Waits for the outcome; shows progress meanwhile. Returns "done", "timeout" or "cancel".
local function wait(found, updates, control, response, timeout, show): (string, any, boolean?)
  local deadline = time.after(timeout)
  local ticker = display.is_live() and time.ticker(FRAME) or nil
  local cases = { updates:case_receive(), response:case_receive(), deadline:case_receive(), control:case_receive() }
  local frames = ticker and ticker:channel()
  if frames then table.insert(cases, frames:case_receive()) end
  local outcome, value, ok = nil, nil, nil
  show()
  while not outcome do
    local result = channel.select(cases)
    if result.channel == updates then
      found.take(result.value)
    elseif result.channel == response then
      outcome, value, ok = "done", result.value, result.ok
    elseif result.channel == deadline then
      outcome = "timeout"
    elseif result.channel == control then
      if result.value.kind == process.event.CANCEL then outcome = "cancel" end
    end
    if not outcome then show() end
  end
  if ticker then ticker:stop() end
  return outcome, value, ok
end

-- Runs an entry: its collector, and whether it was interrupted.
local function run_entry(each, updates, control, show)
  local found = collector(each, updates)
  local timeout, wrong = timeout_of(each)
  local future, err = nil, nil
  if not wrong then
    future, err = start_entry(each)
  end
  if wrong or err then
    found.fail(wrong or err)
    found.duration = since(found.start)
    return found, false
  end
  local outcome = wait(found, updates, control, future:response(), timeout, show)
  found.duration = since(found.start)
  found.drain()
  if outcome == "timeout" then
    found.fail("test timed out after " .. tostring(timeout))
  elseif outcome == "done" then
    local failure, failed = future:error()
    local payload = not failed and future:result() or nil
    judge(each, found, failed and failure or nil, payload and payload:data())
  end
  return found, outcome == "cancel"
end

-- All of them -----------------------------------------------------------------------------------------------------------

local function new_totals() return { passed = 0, failed = 0, skipped = 0, milliseconds = 0 } end

local NAMES = { pass = "passed", fail = "failed", skip = "skipped" }

local function add(totals, found)
  for _, case in ipairs(found.cases) do
    local name = NAMES[case.status]
    totals[name] = totals[name] + 1
  end
  totals.milliseconds = totals.milliseconds + found.duration * 1000
end

local function run_all(suites, count: integer, options)
  local updates, control = process.listen(TOPIC), process.events()
  local totals, failures, at, interrupted, stop = new_totals(), {}, 0, false, false
  for _, suite in ipairs(suites) do
    local of_suite = new_totals()
    for _, each in ipairs(suite.tests) do
      at = at + 1
      local turn = 0
      publish("entry.start", each.id)
      local found
      found, interrupted = run_entry(each, updates, control, function()
        turn = turn + 1
        display.running(each, at, count, turn)
      end)
      publish(interrupted and "entry.interrupted" or "entry.done", each.id, { cases = found.cases, duration = found.duration })
      add(of_suite, found)
      add(totals, found)
      for _, case in ipairs(found.cases) do
        if case.status == "fail" then table.insert(failures, case) end
      end
      stop = interrupted or options.fail_fast and #failures > 0
      if stop then break end
    end
    display.suite(suite.name, of_suite)
    if stop then break end
  end
  display.summary(totals, failures, interrupted)
  publish("done", RUN, { interrupted = interrupted })
  if interrupted then return INTERRUPTED end
  return totals.failed > 0 and 1 or 0
end

local function in_order(suites, count: integer)
  local tests = table.create(count, 0)
  for _, suite in ipairs(suites) do
    for _, each in ipairs(suite.tests) do
      table.insert(tests, { id = each.id, suite = each.suite })
    end
  end
  return tests
end

local function main(): integer
  local options, wrong = discovery.parse(io.args())
  if not options then error(wrong, 0) end
  local found, err = test_registry.find()
  if err then error(err) end
  local tests = discovery.filter(found, options)
  local suites = discovery.suites(tests)
  publish("plan", RUN, { tests = in_order(suites, #tests) })
  if #tests == 0 then
    display.nothing(options)
    return 0
  end
  if options.list then
    display.list(suites)
    return 0
  end
  display.start(options, #tests, #suites)
  local ok, code = pcall(run_all, suites, #tests, options)
  display.finish()
  if not ok then error(code, 0) end
  return code
end

return { main = main }
