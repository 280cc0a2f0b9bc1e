-- Tests written in guest code: blocks of cases with hooks, assertions, mocks (spec 07b §A.4).
--
-- * What is defined and what is mocked belongs to a Run. A test may run other tests inside itself: the outer Run goes on when
--   the inner one has ended.
-- * What the framework itself needs of `process`, `time` and `ctx` is taken when the library is loaded: no mock reaches it.
local time = require("time")
local ctx = require("ctx")
local assertions = require("wippy_test_assertions")
local mocks = require("wippy_test_mocks")

local real_send = process.send
local now = time.now

type Case = {name: string, fn: any, skipped: boolean, block: any}
type Target = {pid: string?, topic: string, ref_id: string?}

local EVENT = table.freeze({
  DISCOVER = "test:discover",
  PLAN = "test:plan",
  CASE_START = "test:case:start",
  CASE_PASS = "test:case:pass",
  CASE_FAIL = "test:case:fail",
  CASE_SKIP = "test:case:skip",
  COMPLETE = "test:complete",
  ERROR = "test:error",
})

local TOPIC = "test:update"
local OWN = { ["wippy.test:test"] = true, ["wippy.test:assertions"] = true, ["wippy.test:mocks"] = true }

local run

-- Whether a message is one of the framework's.
local function is_own_topic(topic): boolean
  local own = run.target and run.target.topic or TOPIC
  return type(topic) == "string" and (topic == own or string.sub(topic, 1, 5) == "test:")
end

local function new_run()
  return {
    blocks = {}, -- the outermost ones
    open = nil, -- the block that is being defined
    defining = false,
    mocks = mocks.new(is_own_topic),
    target = nil,
  }
end

run = new_run()
local test = { event = EVENT }
for name, assertion in pairs(assertions.functions) do
  test[name] = assertion
end

-- Mocks ------------------------------------------------------------------------------------------------------------------

function test.mock(path: string, ...: any) run.mocks:mock(path, select("#", ...), (...)) end
function test.mock_process(field: string, replacement: any) run.mocks:mock_process(field, replacement) end
function test.restore_mock(path: string) run.mocks:restore(path) end
function test.restore_all_mocks() run.mocks:restore_all() end
function test.register_mock_namespace(t: any, name: string) run.mocks:register(t, name) end

-- Messages to whoever follows the tests ----------------------------------------------------------------------------------

function test.setup_process_integration(options: any): boolean
  if type(options) ~= "table" or type(options.pid) ~= "string" or options.pid == "" then return false end
  local topic = type(options.topic) == "string" and options.topic or TOPIC
  run.target = { pid = options.pid, topic = topic, ref_id = options.ref_id }
  return true
end

-- What the options say, else what the call inherited.
local function find_target(options)
  if test.setup_process_integration(options) then return end
  local topic = ctx.get("test_topic")
  local ref_id = type(options) == "table" and options.ref_id or nil
  test.setup_process_integration({ pid = ctx.get("parent_pid"), topic = topic, ref_id = ref_id })
end

function test.send_message(kind: string, data: any): boolean
  local target = run.target
  if not target then return false end
  local payload = {}
  for key, value in pairs(data or {}) do
    payload[key] = value
  end
  payload.ref_id = target.ref_id
  local sent = real_send(target.pid, target.topic, { type = kind, data = payload })
  return sent == true
end

function test.report_error(message: string, context: string?)
  test.send_message(EVENT.ERROR, { message = tostring(message), context = context, timestamp = now():unix() })
end

-- Structure --------------------------------------------------------------------------------------------------------------

local HOOKS = { "before_all", "after_all", "before_each", "after_each" }

local function check_definition(what: string, name, fn, optional: boolean)
  if not run.defining then error(what .. " can be called only while tests are defined", 3) end
  if type(name) ~= "string" then error(what .. ": the name must be a string, got " .. type(name), 3) end
  if type(fn) ~= "function" and not (optional and fn == nil) then
    error(what .. ": expected a function, got " .. type(fn), 3)
  end
end

local function define_block(what: string, name, fn)
  check_definition(what, name, fn, false)
  local outer = run.open
  local block = { name = name, path = outer and outer.path .. " > " .. name or name, outer = outer, items = {}, hooks = {} }
  for _, hook in ipairs(HOOKS) do
    block.hooks[hook] = {}
  end
  table.insert(outer and outer.items or run.blocks, block)
  run.open = block
  fn()
  run.open = outer
end

for _, what in ipairs({ "describe", "spec", "context" }) do
  test[what] = function(name: string, fn: () -> any) define_block(what, name, fn) end
end

local function define_case(what: string, name, fn, skipped: boolean)
  check_definition(what, name, fn, skipped)
  if not run.open then error(what .. " must be called inside describe", 3) end
  table.insert(run.open.items, { name = name, fn = fn, skipped = skipped, block = run.open })
end

function test.it(name: string, fn: () -> any) define_case("it", name, fn, false) end

function test.it_skip(name: string, fn: (() -> any)?) define_case("it_skip", name, fn, true) end

for _, hook in ipairs(HOOKS) do
  test[hook] = function(fn: () -> any)
    if not run.defining or not run.open then error(hook .. " must be called inside describe", 2) end
    if type(fn) ~= "function" then error(hook .. ": expected a function, got " .. type(fn), 2) end
    table.insert(run.open.hooks[hook], fn)
  end
end

local GLOBALS = {
  "describe", "spec", "context", "it", "it_skip", "before_all", "after_all", "before_each", "after_each",
  "mock", "mock_process", "restore_mock", "restore_all_mocks",
}

local function install_globals()
  local before = {}
  for _, name in ipairs(GLOBALS) do
    before[name] = { value = rawget(_G, name) }
    _G[name] = test[name]
  end
  return before
end

local function remove_globals(before)
  for name, kept in pairs(before) do
    _G[name] = kept.value
  end
end

-- Running ----------------------------------------------------------------------------------------------------------------

-- The lines of a stack between what the framework was asked for and what it called.
local function guest_frames(stack: string)
  local frames = {}
  for line in string.gmatch(stack, "[^\n]+") do
    local frame = string.match(line, "^%s*(.-)%s*$")
    local source = string.match(frame, "^(.-):%d+ ") or string.match(frame, "^(.-):%d+$")
    if source and OWN[source] and #frames > 0 then break end
    if source and not OWN[source] and frame ~= frames[#frames] then frames[#frames + 1] = frame end
  end
  return frames
end

-- Runs before the stack is unwound: {error text, position "ns:name:LINE"}.
local function explain(err)
  local frames = guest_frames(errors.new("here"):stack())
  local at = frames[1] and string.match(frames[1], "^(.-:%d+)")
  if assertions.asserted(err) then return { text = err, at = at } end
  local text = type(err) == "table" and assertions.show(err) or tostring(err)
  if type(err) == "userdata" and err.stack then frames = guest_frames(err:stack()) end
  if #frames > 0 then text = text .. "\n  " .. table.concat(frames, "\n  ") end
  return { text = text, at = at }
end

-- Whether `fn` went well, else {text, at}: also when there was no stack left to explain it on.
local function call(fn)
  local ok, why = xpcall(fn, explain)
  if ok or type(why) == "table" and why.text then return ok, why end
  return false, { text = "stack overflow: " .. tostring(why) }
end

local function seconds_since(start): number
  return now():sub(start):nanoseconds() / 1e9
end

local function run_hooks(block, name: string)
  for _, hook in ipairs(block.hooks[name]) do
    local ok, why = call(hook)
    if not ok then error({ hook = name, block = block, why = why }, 0) end
  end
end

local function run_before_each(block)
  if block.outer then run_before_each(block.outer) end
  run_hooks(block, "before_each")
end

local function run_after_each(block)
  while block do
    run_hooks(block, "after_each")
    block = block.outer
  end
end

local function suite_of(report, path: string)
  local suite = report.test_suites[path]
  if not suite then
    suite = { name = path, status = "ok", tests = {} }
    report.test_suites[path] = suite
  end
  return suite
end

local STATUS_EVENTS = { pass = EVENT.CASE_PASS, fail = EVENT.CASE_FAIL, skip = EVENT.CASE_SKIP }

local function note(report, case: Case, status: string, duration: number?, why)
  local suite = suite_of(report, case.block.path)
  local milliseconds = duration and duration * 1000
  table.insert(suite.tests, { name = case.name, status = status, duration_ms = milliseconds, error = why and why.text })
  report.total_tests = report.total_tests + 1
  if status == "pass" then report.passed_tests = report.passed_tests + 1 end
  if status == "fail" then
    report.failed_tests = report.failed_tests + 1
    report.status = "error"
    suite.status = "error"
  end
  test.send_message(STATUS_EVENTS[status], {
    suite = case.block.path,
    test = case.name,
    timestamp = now():unix(),
    duration = duration,
    error = why and why.text,
    at = why and why.at,
  })
end

local function run_case(report, case: Case)
  if case.skipped then return note(report, case, "skip") end
  test.send_message(EVENT.CASE_START, { suite = case.block.path, test = case.name, timestamp = now():unix() })
  local start = now()
  run_before_each(case.block)
  local ok, why = call(case.fn)
  local duration = seconds_since(start)
  test.restore_all_mocks()
  run_after_each(case.block)
  test.restore_all_mocks()
  note(report, case, ok and "pass" or "fail", duration, not ok and why or nil)
end

local function runs_anything(block): boolean
  for _, item in ipairs(block.items) do
    if item.items and runs_anything(item) or not item.items and not item.skipped then return true end
  end
  return false
end

local function run_block(report, block)
  local active = runs_anything(block)
  suite_of(report, block.path)
  if active then run_hooks(block, "before_all") end
  for _, item in ipairs(block.items) do
    if item.items then run_block(report, item) else run_case(report, item) end
  end
  if active then run_hooks(block, "after_all") end
  test.restore_all_mocks()
end

local function add_to_plan(suites, block)
  local tests = {}
  for _, item in ipairs(block.items) do
    if not item.items then table.insert(tests, { name = item.name, skipped = item.skipped }) end
  end
  if #tests > 0 then table.insert(suites, { name = block.path, tests = tests }) end
  for _, item in ipairs(block.items) do
    if item.items then add_to_plan(suites, item) end
  end
end

local function send_plan()
  local suites = {}
  for _, block in ipairs(run.blocks) do
    add_to_plan(suites, block)
  end
  test.send_message(EVENT.PLAN, { suites = suites })
end

local function send_complete(report, start, status: string)
  test.send_message(EVENT.COMPLETE, {
    total = report.total_tests,
    passed = report.passed_tests,
    failed = report.failed_tests,
    skipped = report.total_tests - report.passed_tests - report.failed_tests,
    duration = seconds_since(start),
    timestamp = now():unix(),
    status = status,
  })
end

-- What ended an entry before its time, as text and as what it concerns.
local function broken(why): (string, string)
  if type(why) == "table" and why.hook then
    return why.hook .. " of \"" .. why.block.path .. "\": " .. why.why.text, why.hook
  end
  return type(why) == "table" and why.text or tostring(why), "definition"
end

local function run_all(report, define)
  local defined, why = call(define)
  run.defining = false
  if not defined then error(why, 0) end
  send_plan()
  for _, block in ipairs(run.blocks) do
    run_block(report, block)
  end
end

-- A function that runs the cases of `define` and returns the report. A hook that fails, or a definition, makes it raise.
function test.run_cases(define: () -> any): (any) -> any
  if type(define) ~= "function" then error("run_cases: expected a function, got " .. type(define), 2) end
  return function(options)
    local outer = run
    run = new_run()
    find_target(options)
    local start, before = now(), install_globals()
    local report = {
      timestamp = start:unix(), status = "ok", total_tests = 0, passed_tests = 0, failed_tests = 0, duration_ms = 0,
      ref_id = run.target and run.target.ref_id, test_suites = {},
    }
    run.defining = true
    local ok, why = pcall(run_all, report, define)
    test.restore_all_mocks()
    remove_globals(before)
    report.duration_ms = seconds_since(start) * 1000
    local failure = nil
    if not ok then
      local text, context = broken(why)
      failure = text
      test.report_error(text, context)
    end
    send_complete(report, start, (failure or report.failed_tests > 0) and "failed" or "passed")
    run = outer
    if failure then error(failure, 0) end
    return report
  end
end

return table.freeze(test)
