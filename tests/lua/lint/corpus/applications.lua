--- name: json parser by hand
type Reader = {text: string, at: integer}
local value

local function fail(reader: Reader, message: string): never
  error(errors.new({message = message, kind = errors.INVALID, details = {at = reader.at}}))
end

local function skip(reader: Reader)
  reader.at = reader.text:find("[^ \t\r\n]", reader.at) or #reader.text + 1
end

local function take(reader: Reader, literal: string): boolean
  skip(reader)
  if reader.text:sub(reader.at, reader.at + #literal - 1) ~= literal then return false end
  reader.at = reader.at + #literal
  return true
end

local ESCAPES = {n = "\n", t = "\t", r = "\r", b = "\b", f = "\f"}

local function text(reader: Reader): string
  local parts = {}
  while true do
    local from, to, plain = reader.text:find('^([^"\\]*)', reader.at)
    if not from then fail(reader, "unclosed string") end
    parts[#parts + 1] = plain
    reader.at = to + 1
    if take(reader, '"') then return table.concat(parts) end
    local escaped = reader.text:match("^\\(.)", reader.at)
    if not escaped then fail(reader, "bad escape") end
    parts[#parts + 1] = ESCAPES[escaped] or escaped
    reader.at = reader.at + 2
  end
end

local function list(reader: Reader): {any}
  local out = {}
  if take(reader, "]") then return out end
  repeat out[#out + 1] = value(reader) until not take(reader, ",")
  if not take(reader, "]") then fail(reader, "expected ]") end
  return out
end

local function object(reader: Reader): {[string]: any}
  local out = {}
  if take(reader, "}") then return out end
  repeat
    if not take(reader, '"') then fail(reader, "expected a key") end
    local key = text(reader)
    if not take(reader, ":") then fail(reader, "expected :") end
    out[key] = value(reader)
  until not take(reader, ",")
  if not take(reader, "}") then fail(reader, "expected }") end
  return out
end

function value(reader: Reader): any
  if take(reader, "{") then return object(reader) end
  if take(reader, "[") then return list(reader) end
  if take(reader, '"') then return text(reader) end
  if take(reader, "true") then return true end
  if take(reader, "false") then return false end
  if take(reader, "null") then return nil end
  local digits = reader.text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", reader.at)
  if not digits then fail(reader, "unexpected character") end
  reader.at = reader.at + #digits
  return tonumber(digits)
end

return value({text = '{"a": [1, -2.5, "x\\ny"], "b": {"c": true}}', at = 1}).a[2]
--- name: job queue with retries | modules: time, logger, funcs
local time = require("time")
local logger = require("logger")
local funcs = require("funcs")

type Job = {id: string, target: string, body: any, attempts: integer, due: integer}

local LIMIT, WORKERS = 5, 4
local log = logger:named("jobs")

local function delay(attempts: integer): integer
  return math.min(300, 2 ^ attempts)
end

local function main()
  local waiting: {Job} = {}
  local ready, outcomes = channel.new(WORKERS), channel.new(WORKERS)
  local counts = {done = 0, failed = 0, busy = 0}

  for number = 1, WORKERS do
    coroutine.spawn(function()
      while true do
        local job, open = ready:receive()
        if not open then return end
        local _, err = funcs.call(job.target, job.body)
        outcomes:send({job = job, err = err, worker = number})
      end
    end)
  end

  local function settle(job: Job, err: error?)
    counts.busy = counts.busy - 1
    if not err then
      counts.done = counts.done + 1
    elseif err:retryable() == false or job.attempts >= LIMIT then
      counts.failed = counts.failed + 1
      log:error("gave up", {job = job.id, error = err:message()})
    else
      job.attempts = job.attempts + 1
      job.due = os.time() + delay(job.attempts)
      waiting[#waiting + 1] = job
    end
  end

  local function start_due()
    local now, left = os.time(), {}
    for _, job in ipairs(waiting) do
      if job.due <= now and counts.busy < WORKERS then
        counts.busy = counts.busy + 1
        ready:send(job)
      else
        left[#left + 1] = job
      end
    end
    waiting = left
  end

  local inbox, control, ticks = process.inbox(), process.events(), time.ticker("1s")
  while true do
    local result = channel.select({
      inbox:case_receive(), outcomes:case_receive(), control:case_receive(), ticks:channel():case_receive(),
    })
    if result.channel == inbox then
      local body = result.value:payload():data()
      table.insert(waiting, {id = body.id, target = body.target, body = body.body, attempts = 0, due = 0})
    elseif result.channel == outcomes then
      settle(result.value.job, result.value.err)
    elseif result.channel == control and result.value.kind == process.event.CANCEL then
      ready:close()
      return counts
    end
    start_due()
  end
end

return {main = main}
--- name: tiny interpreter
type Op = {name: string, argument: any}
type Machine = {stack: {any}, variables: {[string]: any}, pc: integer, output: {string}}

local function compile(source: string): ({Op}, {[string]: integer})
  local program: {Op}, labels: {[string]: integer} = {}, {}
  for line in source:gmatch("[^\n]+") do
    line = line:gsub("#.*$", ""):match("^%s*(.-)%s*$")
    local label = line:match("^(%w+):$")
    if line == "" then goto continue end
    if label then
      labels[label] = #program + 1
    else
      local name, argument = line:match("^(%a+)%s*(.*)$")
      program[#program + 1] = {name = name, argument = tonumber(argument) or argument}
    end
    ::continue::
  end
  return program, labels
end

local function binary(f: (number, number) -> any)
  return function(m: Machine)
    local b, a = table.remove(m.stack), table.remove(m.stack)
    m.stack[#m.stack + 1] = f(a, b)
  end
end

local OPS: {[string]: (Machine, any, {[string]: integer}) -> ()} = {
  push = function(m, v) table.insert(m.stack, v) end,
  load = function(m, name) table.insert(m.stack, m.variables[name] or 0) end,
  store = function(m, name) m.variables[name] = table.remove(m.stack) end,
  add = binary(function(a, b) return a + b end),
  mul = binary(function(a, b) return a * b end),
  less = binary(function(a, b) return a < b end),
  print = function(m) table.insert(m.output, tostring(table.remove(m.stack))) end,
  jump = function(m, label, labels) m.pc = labels[label] end,
  jumpif = function(m, label, labels)
    if table.remove(m.stack) then m.pc = labels[label] end
  end,
}

local function run(source: string, fuel: integer): (string?, error?)
  local program, labels = compile(source)
  local m: Machine = {stack = {}, variables = {}, pc = 1, output = {}}
  while m.pc <= #program do
    fuel = fuel - 1
    if fuel < 0 then return nil, errors.new({message = "out of fuel", kind = errors.TIMEOUT}) end
    local op = program[m.pc]
    local action = OPS[op.name]
    if not action then
      return nil, errors.new({message = "unknown operation " .. op.name, kind = errors.INVALID, details = {pc = m.pc}})
    end
    m.pc = m.pc + 1
    action(m, op.argument, labels)
  end
  return table.concat(m.output, "\n")
end

return run([[
push 1
store n
again:
load n
print          # 1 2 4 8 ...
load n
push 2
mul
store n
load n
push 100
less
jumpif again
]], 1000)
--- name: inventory api | modules: http, sql, json, logger
local http = require("http")
local sql = require("sql")
local json = require("json")
local logger = require("logger")

type Item = {id: integer?, sku: string @pattern("^[A-Z]{3}-[0-9]+$"), name: string @min_len(1), stock: integer @min(0)}
type Answer = {status: integer, body: any}

local log = logger:named("inventory")
local STATUS_OF = {
  [errors.INVALID] = http.STATUS.BAD_REQUEST,
  [errors.NOT_FOUND] = http.STATUS.NOT_FOUND,
  [errors.ALREADY_EXISTS] = http.STATUS.CONFLICT,
}

local Repository = {}
Repository.__index = Repository

function Repository.open(id: string): (any, error?)
  local db, err = sql.get(id)
  if err then return nil, errors.wrap(err, "opening " .. id) end
  return setmetatable({db = db}, Repository)
end

function Repository:find(sku: string): (Item?, error?)
  local rows, err = self.db:query("SELECT id, sku, name, stock FROM items WHERE sku = ?", {sku})
  if err then return nil, err end
  if not rows[1] then
    return nil, errors.new({message = "no item " .. sku, kind = errors.NOT_FOUND, details = {sku = sku}})
  end
  return rows[1] as Item
end

function Repository:add(item: Item): (Item?, error?)
  local known = self:find(item.sku)
  if known then return nil, errors.new({message = item.sku .. " exists", kind = errors.ALREADY_EXISTS}) end
  local done, err = self.db:execute("INSERT INTO items (sku, name, stock) VALUES (?, ?, ?)",
    {item.sku, item.name, item.stock})
  if err then return nil, err end
  item.id = done.last_insert_id
  return item
end

function Repository:close() self.db:release() end

local function read_item(req): (Item?, error?)
  local body, err = req:body()
  if err then return nil, err end
  local decoded, decode_err = json.decode(body)
  if decode_err then return nil, errors.new({message = "bad json", kind = errors.INVALID}) end
  return Item:is(decoded)
end

local function respond(answer: Answer)
  local res = http.response()
  res:set_status(answer.status)
  res:write_json(answer.body)
end

local function with_repository(work: (any, any) -> (any, error?), success: integer)
  return function()
    local repository, err = Repository.open("app:db")
    local result = nil
    if not err then
      result, err = work(repository, http.request())
      repository:close()
    end
    if not err then return respond({status = success, body = result}) end
    local status = STATUS_OF[err:kind()] or http.STATUS.INTERNAL_ERROR
    if status == http.STATUS.INTERNAL_ERROR then log:error("request failed", {error = err:message()}) end
    return respond({status = status, body = {error = err:message(), details = err:details()}})
  end
end

return {
  show = with_repository(function(repository, req) return repository:find(req:param("sku")) end, http.STATUS.OK),
  add = with_repository(function(repository, req)
    local item, err = read_item(req)
    if err then return nil, err end
    return repository:add(item!)
  end, http.STATUS.CREATED),
}
--- name: tournament table
type Result = {home: string, away: string, goals: {integer}}
type Row = {team: string, played: integer, won: integer, drawn: integer, lost: integer, scored: integer, taken: integer}

local function parse(line: string): Result?
  local home, away, a, b = line:match("^(.-) %- (.-) (%d+):(%d+)$")
  if not home then return nil end
  return {home = home, away = away, goals = {tonumber(a) as integer, tonumber(b) as integer}}
end

local function points(row: Row): integer return row.won * 3 + row.drawn end

local function standings(lines: {string}): {Row}
  local rows: {[string]: Row}, order: {Row} = {}, {}
  local function row_of(team: string): Row
    if not rows[team] then
      rows[team] = {team = team, played = 0, won = 0, drawn = 0, lost = 0, scored = 0, taken = 0}
      order[#order + 1] = rows[team]
    end
    return rows[team]
  end
  local function count(team: string, scored: integer, taken: integer)
    local row = row_of(team)
    row.played, row.scored, row.taken = row.played + 1, row.scored + scored, row.taken + taken
    local field = scored > taken and "won" or scored < taken and "lost" or "drawn"
    row[field] = row[field] + 1
  end
  for _, line in ipairs(lines) do
    local result = parse(line)
    if not result then goto continue end
    count(result.home, result.goals[1], result.goals[2])
    count(result.away, result.goals[2], result.goals[1])
    ::continue::
  end
  table.sort(order, function(a, b)
    if points(a) ~= points(b) then return points(a) > points(b) end
    local x, y = a.scored - a.taken, b.scored - b.taken
    if x ~= y then return x > y end
    return a.team < b.team
  end)
  return order
end

local out = {string.format("%-10s %2s %2s %2s %2s %5s %3s", "team", "P", "W", "D", "L", "goals", "pts")}
for place, row in ipairs(standings({"Lions - Bears 2:1", "Bears - Owls 0:0", "a comment", "Owls - Lions 1:3"})) do
  out[#out + 1] = ("%d. %-7s %2d %2d %2d %2d %2d:%2d %3d"):format(
    place, row.team, row.played, row.won, row.drawn, row.lost, row.scored, row.taken, points(row))
end
return table.concat(out, "\n")
--- name: elevator
type Direction = "up" | "down" | "idle"
type Lift = {floor: integer, direction: Direction, stops: {[integer]: boolean}, log: {string}}

local function wanted(lift: Lift, low: integer, high: integer): boolean
  for floor in pairs(lift.stops) do
    if floor >= low and floor <= high then return true end
  end
  return false
end

local function choose(lift: Lift, top: integer): Direction
  local above = wanted(lift, lift.floor + 1, top)
  local below = wanted(lift, 1, lift.floor - 1)
  if lift.direction == "up" and above then return "up" end
  if lift.direction == "down" and below then return "down" end
  return above and "up" or below and "down" or "idle"
end

local function step(lift: Lift, top: integer)
  if lift.stops[lift.floor] then
    lift.stops[lift.floor] = nil
    table.insert(lift.log, "open " .. lift.floor)
    return
  end
  lift.direction = choose(lift, top)
  if lift.direction == "up" then
    lift.floor = lift.floor + 1
  elseif lift.direction == "down" then
    lift.floor = lift.floor - 1
  end
end

local lift: Lift = {floor = 3, direction = "idle", stops = {[1] = true, [5] = true}, log = {}}
local calls: {[integer]: integer} = {[2] = 4, [6] = 2}
for moment = 1, 20 do
  local call = calls[moment]
  if call then lift.stops[call] = true end
  step(lift, 6)
  if lift.direction == "idle" and next(lift.stops) == nil and moment > 6 then break end
end
return table.concat(lift.log, ", ")
--- name: saga | modules: funcs, logger, uuid
local funcs = require("funcs")
local logger = require("logger")
local uuid = require("uuid")

type Step = {name: string, run: string, undo: string?}
type Done = {step: Step, result: any}

local BOOKING: {Step} = {
  {name = "flight", run = "travel:book_flight", undo = "travel:cancel_flight"},
  {name = "hotel", run = "travel:book_hotel", undo = "travel:cancel_hotel"},
  {name = "notice", run = "travel:send_notice"},
}

local function compensate(done: {Done}, context: {[string]: any}): {string}
  local stuck: {string} = {}
  for i = #done, 1, -1 do
    local step = done[i].step
    if not step.undo then goto continue end
    do
      local _, err = funcs.new():with_context(context):call(step.undo, done[i].result)
      if err then stuck[#stuck + 1] = step.name end
    end
    ::continue::
  end
  return stuck
end

local function run(steps: {Step}, order: any): (any, error?)
  local context = {saga = uuid.v7()}
  local log = logger:with(context)
  local done: {Done}, results: {[string]: any} = {}, {}
  for number, step in ipairs(steps) do
    local result, err = funcs.new():with_context(context):call(step.run, order, results)
    if err then
      log:warn("step failed", {step = step.name, number = number, error = err:message()})
      local stuck = compensate(done, context)
      return nil, errors.new({
        message = step.name .. ": " .. err,
        kind = #stuck > 0 and errors.INTERNAL or err:kind(),
        retryable = #stuck == 0 and err:retryable() or false,
        details = {saga = context.saga, stuck = table.concat(stuck, ",")},
      })
    end
    results[step.name] = result
    done[#done + 1] = {step = step, result = result}
  end
  log:info("finished", {steps = #done})
  return results
end

return {handler = function(order) return run(BOOKING, order) end}
--- name: mandelbrot
local WIDTH, HEIGHT, LIMIT = 60, 24, 80
local SHADES = " .:-=+*#%@"

local function depth(cr: number, ci: number): integer
  local zr, zi = 0.0, 0.0
  for i = 1, LIMIT do
    local r2, i2 = zr * zr, zi * zi
    if r2 + i2 > 4 then return i end
    zr, zi = r2 - i2 + cr, 2 * zr * zi + ci
  end
  return LIMIT
end

local lines = table.create(HEIGHT, 0)
for y = 0, HEIGHT - 1 do
  local row = table.create(WIDTH, 0)
  for x = 0, WIDTH - 1 do
    local shade = depth(x / WIDTH * 3 - 2.2, y / HEIGHT * 2.4 - 1.2) * #SHADES // LIMIT
    shade = math.max(1, math.min(#SHADES, shade))
    row[x + 1] = SHADES:sub(shade, shade)
  end
  lines[y + 1] = table.concat(row)
end
return table.concat(lines, "\n")
--- name: undo history
type Command = {label: string, apply: () -> (), revert: () -> ()}
local History = {}
History.__index = History

function History.new(limit: integer?)
  return setmetatable({done = {} as {Command}, undone = {} as {Command}, limit = limit or 100}, History)
end

function History:perform(command: Command)
  command.apply()
  table.insert(self.done, command)
  self.undone = {}
  if #self.done > self.limit then table.remove(self.done, 1) end
end

function History:undo(): string?
  local command = table.remove(self.done)
  if not command then return nil end
  command.revert()
  table.insert(self.undone, command)
  return command.label
end

function History:redo(): string?
  local command = table.remove(self.undone)
  if not command then return nil end
  command.apply()
  table.insert(self.done, command)
  return command.label
end

local document: {string} = {}
local function insertion(at: integer, line: string): Command
  return {
    label = "insert line " .. at,
    apply = function() table.insert(document, at, line) end,
    revert = function() table.remove(document, at) end,
  }
end

local history = History.new()
history:perform(insertion(1, "first"))
history:perform(insertion(2, "second"))
local undone, redone = history:undo(), history:redo()
return undone == redone, #document
