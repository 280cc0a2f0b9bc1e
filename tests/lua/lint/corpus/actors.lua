--- name: echo
local function main()
  local inbox = process.inbox()
  while true do
    local message = inbox:receive()
    process.send(message:from(), "echo", message:payload():data())
  end
end
return {main = main}
--- name: cancellable worker | modules: time
local time = require("time")
local function main(interval: string)
  local ticks, control = time.ticker(interval), process.events()
  local beats = 0
  while true do
    local result = channel.select({ticks:channel():case_receive(), control:case_receive()})
    if result.channel == control and result.value.kind == process.event.CANCEL then
      ticks:stop()
      return beats
    end
    beats = beats + 1
  end
end
return {main = main}
--- name: supervisor
local CHILDREN = {"app:reader", "app:writer"}
local MAX_RESTARTS = 5
local function main()
  local names: {[string]: string}, restarts = {}, 0
  local function start(id: string)
    local pid = assert(process.spawn_monitored(id, "app:processes"))
    names[pid] = id
  end
  for _, id in ipairs(CHILDREN) do start(id) end
  for event in function() return process.events():receive() end do
    if event.kind == process.event.CANCEL then
      for pid in pairs(names) do process.cancel(pid, "1s") end
      return
    elseif event.kind == process.event.EXIT and names[event.from] then
      local id = names[event.from]
      names[event.from] = nil
      restarts = restarts + 1
      if restarts > MAX_RESTARTS then error("too many restarts, last of " .. id) end
      start(id)
    end
  end
end
return {main = main}
--- name: links
local function main()
  process.set_options({trap_links = true})
  local child = assert(process.spawn_linked("app:child", "app:processes", {depth = 1}))
  local event = process.events():receive()
  if event.kind == process.event.LINK_DOWN and event.from == child then
    return event.result and event.result.error
  end
  process.unlink(child)
  return process.get_options().trap_links
end
return {main = main}
--- name: registered name
local function main()
  local ok, err = process.registry.register("counter")
  if not ok then return nil, err end
  local count = 0
  local handlers = {
    add = function(n) count = count + n end,
    reset = function() count = 0 end,
  }
  local inbox = process.inbox()
  while true do
    local message, open = inbox:receive()
    if not open then break end
    local handler = handlers[message:topic()]
    if handler then handler(message:payload():data()) end
  end
  process.registry.unregister("counter")
  return count
end
return {main = main}
--- name: lookup or spawn
local function find(name: string): (string?, error?)
  local pid = process.registry.lookup(name)
  if pid then return pid end
  return process.with_context({name = name}):spawn("app:session", "app:processes", name)
end
return find
--- name: cache actor | modules: time
local time = require("time")
type Slot = {value: any, expires: integer}
local TTL = 60
local function main()
  local slots: {[string]: Slot} = {}
  local sweep = time.ticker("10s")
  local inbox = process.inbox()
  local answers = {
    get = function(body)
      local slot = slots[body.key]
      return slot and slot.expires > os.time() and slot.value or nil
    end,
    put = function(body) slots[body.key] = {value = body.value, expires = os.time() + TTL} end,
    drop = function(body) slots[body.key] = nil end,
  }
  while true do
    local result = channel.select({inbox:case_receive(), sweep:channel():case_receive()})
    if not result.ok then return end
    if result.channel == inbox then
      local message = result.value
      local body = message:payload():data()
      local answer = answers[message:topic()]
      if answer then process.send(message:from(), body.reply, answer(body)) end
    else
      local now = os.time()
      for key, slot in pairs(slots) do
        if slot.expires <= now then slots[key] = nil end
      end
    end
  end
end
return {main = main}
--- name: token bucket | modules: time
local time = require("time")
local Bucket = {}
Bucket.__index = Bucket
function Bucket.new(rate: number, burst: number)
  return setmetatable({rate = rate, burst = burst, tokens = burst, at = os.clock()}, Bucket)
end
function Bucket:take(): (boolean, error?)
  local now = os.clock()
  self.tokens = math.min(self.burst, self.tokens + (now - self.at) * self.rate)
  self.at = now
  if self.tokens < 1 then
    return false, errors.new({message = "slow down", kind = errors.RATE_LIMITED, retryable = true})
  end
  self.tokens = self.tokens - 1
  return true
end
function Bucket:wait()
  while not self:take() do time.sleep("10ms") end
end
return Bucket
--- name: state machine
type State = "idle" | "running" | "paused" | "done"
local MOVES: {[string]: {[string]: State}} = {
  idle = {start = "running"},
  running = {pause = "paused", finish = "done"},
  paused = {resume = "running", finish = "done"},
  done = {},
}
local function main()
  local state: State = "idle"
  local commands = process.listen("command")
  repeat
    local command = commands:receive()
    local after = MOVES[state][command.name]
    if after then
      state = after
    else
      process.send(command.from, "refused", {state = state, name = command.name})
    end
  until state == "done"
  process.unlisten(commands)
  return state
end
return {main = main}
--- name: pipeline
local function stage(source, work)
  local out = channel.new(4)
  coroutine.spawn(function()
    while true do
      local item, open = source:receive()
      if not open then break end
      local result = work(item)
      if result ~= nil then out:send(result) end
    end
    out:close()
  end)
  return out
end
local function main(words: {string})
  local source = channel.new()
  coroutine.spawn(function()
    for _, word in ipairs(words) do source:send(word) end
    source:close()
  end)
  local long = stage(source, function(w) if #w > 3 then return w end end)
  local upper = stage(long, string.upper)
  local out = {}
  for word in function() return (upper:receive()) end do out[#out + 1] = word end
  return out
end
return {main = main}
--- name: fan in
local function merge(...)
  local sources, out = {...}, channel.new()
  local left = #sources
  for _, source in ipairs(sources) do
    coroutine.spawn(function()
      while true do
        local value, open = source:receive()
        if not open then break end
        out:send(value)
      end
      left = left - 1
      if left == 0 then out:close() end
    end)
  end
  return out
end
return merge
--- name: semaphore
local function semaphore(size: integer)
  local slots = channel.new(size)
  for _ = 1, size do slots:send(true) end
  return function(work, ...)
    slots:receive()
    local results = {pcall(work, ...)}
    slots:send(true)
    if not results[1] then error(results[2], 0) end
    return unpack(results, 2)
  end
end
return semaphore
--- name: select with default
local requests = channel.new(1)
local function poll()
  local result = channel.select({requests:case_receive()}, true)
  if result.default then return "nothing" end
  return result.value
end
requests:send("one")
return {first = poll, second = poll}
--- name: select to send | modules: time
local time = require("time")
local function offer(to, value, patience: string): boolean
  local late = time.after(patience)
  local result = channel.select({to:case_send(value), late:case_receive()})
  return result.channel == to
end
return {offer = offer}
--- name: topic broker
local function main()
  local subscribers: {[string]: {[string]: boolean}} = {}
  local inbox = process.inbox()
  while true do
    local message = inbox:receive()
    local topic, from, body = message:topic(), message:from(), message:payload():data()
    if topic == "subscribe" then
      subscribers[body] = subscribers[body] or {}
      subscribers[body][from] = true
      process.monitor(from)
    elseif topic == "unsubscribe" then
      if subscribers[body] then subscribers[body][from] = nil end
      process.unmonitor(from)
    elseif topic == "publish" then
      for pid in pairs(subscribers[body.topic] or {}) do
        process.send(pid, body.topic, body.data)
      end
    end
  end
end
return {main = main}
--- name: ask with timeout | modules: time, uuid
local time = require("time")
local uuid = require("uuid")
local function ask(pid: string, topic: string, body: any, patience: string?): (any, error?)
  local reply_to = "reply." .. uuid.v4()
  local replies = process.listen(reply_to)
  process.send(pid, topic, {reply_to = reply_to, body = body})
  local result = channel.select({
    replies:case_receive(),
    time.after(patience or "5s"):case_receive(),
  })
  process.unlisten(replies)
  if result.channel == replies then return result.value end
  return nil, errors.new({message = topic .. " timed out", kind = errors.TIMEOUT, retryable = true})
end
return {ask = ask}
--- name: parallel calls | modules: funcs
local funcs = require("funcs")
local function main(ids: {integer}): ({any}?, error?)
  local futures, out = {}, {}
  for i, id in ipairs(ids) do
    futures[i] = funcs.async("app:load", id)
  end
  for i, future in ipairs(futures) do
    local answer, open = future:response():receive()
    local err, failed = future:error()
    if failed then return nil, err end
    out[i] = open and answer:data() or nil
  end
  return out
end
return {main = main}
--- name: first of many | modules: funcs, time
local funcs = require("funcs")
local time = require("time")
local function race(ids: {string}, ...: any): (any, error?)
  local futures, cases = {}, {}
  for _, id in ipairs(ids) do
    local future = funcs.async(id, ...)
    futures[#futures + 1] = future
    cases[#cases + 1] = future:channel():case_receive()
  end
  local late = time.after("1s")
  cases[#cases + 1] = late:case_receive()
  local first = channel.select(cases)
  for _, future in ipairs(futures) do
    if not future:is_complete() then future:cancel() end
  end
  if first.channel == late then return nil, "nobody answered" end
  return first.value:data()
end
return race
--- name: executor with context | modules: funcs, ctx
local funcs = require("funcs")
local ctx = require("ctx")
local function handler(id: string)
  local tenant, err = ctx.get("tenant")
  if err and err:kind() == errors.NOT_FOUND then tenant = "default" end
  local executor = funcs.new():with_context({tenant = tenant, parent = id}):with_options({timeout = "2s"})
  return executor:call("app:work", id)
end
return {handler = handler}
--- name: event bus | modules: events
local events = require("events")
local function main()
  local subscription = assert(events.subscribe("orders", "order.*"))
  local incoming, counts = subscription:channel(), {}
  while true do
    local event = incoming:receive()
    counts[event.kind] = (counts[event.kind] or 0) + 1
    if event.kind == "order.closed" then break end
    events.send("audit", "seen", event.path, {data = event.data})
  end
  subscription:close()
  return counts
end
return {main = main}
--- name: map reduce
local function map_reduce(items: {any}, workers: integer, map, reduce, initial: any): any
  local jobs, results = channel.new(), channel.new(workers)
  for _ = 1, workers do
    coroutine.spawn(function()
      while true do
        local item, open = jobs:receive()
        if not open then return end
        results:send({pcall(map, item)})
      end
    end)
  end
  coroutine.spawn(function()
    for _, item in ipairs(items) do jobs:send(item) end
    jobs:close()
  end)
  local total = initial
  for _ = 1, #items do
    local outcome = results:receive()
    if not outcome[1] then error(outcome[2]) end
    total = reduce(total, outcome[2])
  end
  return total
end
return {main = function() return map_reduce({1, 2, 3}, 2, function(n) return n * n end, function(a, b) return a + b end, 0) end}
--- name: circuit breaker
local Breaker = {}
Breaker.__index = Breaker
function Breaker.new(limit: integer, pause: integer)
  return setmetatable({limit = limit, pause = pause, failures = 0, open_until = 0}, Breaker)
end
function Breaker:call(work: () -> (any, error?)): (any, error?)
  if os.time() < self.open_until then
    return nil, errors.new({message = "circuit open", kind = errors.UNAVAILABLE, retryable = true})
  end
  local value, err = work()
  if err then
    self.failures = self.failures + 1
    if self.failures >= self.limit then
      self.open_until = os.time() + self.pause
      self.failures = 0
    end
    return nil, err
  end
  self.failures = 0
  return value
end
return Breaker
--- name: debouncer | modules: time
local time = require("time")
local function main()
  local changes = process.listen("change")
  local pending: {[string]: boolean} = {}
  local timer = time.timer("200ms")
  while true do
    local result = channel.select({changes:case_receive(), timer:channel():case_receive()})
    if result.channel == changes then
      pending[result.value] = true
      timer:reset("200ms")
    elseif next(pending) then
      local names = {}
      for name in pairs(pending) do names[#names + 1] = name end
      table.sort(names)
      process.send("builder", "build", names)
      pending = {}
    end
  end
end
return {main = main}
--- name: scheduler | modules: time
local time = require("time")
type Task = {name: string, every: integer, due: integer, run: () -> ()}
local function earliest(tasks: {Task}): Task
  local best = tasks[1]
  for i = 2, #tasks do
    if tasks[i].due < best.due then best = tasks[i] end
  end
  return best
end
local function main()
  local tasks: {Task} = {
    {name = "a", every = 5, due = os.time() + 5, run = function() print("a") end},
    {name = "b", every = 7, due = os.time() + 7, run = function() print("b") end},
  }
  for _ = 1, 10 do
    local task = earliest(tasks)
    local wait = task.due - os.time()
    if wait > 0 then time.sleep(wait .. "s") end
    local ok, err = pcall(task.run)
    if not ok then print(task.name .. " failed: " .. tostring(err)) end
    task.due = task.due + task.every
  end
end
return {main = main}
--- name: process chain
local function main(left: integer): integer
  if left == 0 then return 0 end
  local result, err = process.exec("app:chain", "app:processes", left - 1)
  if err then error(err) end
  return result + 1
end
return {main = main}
--- name: chat room
type Member = {pid: string, nick: string, joined: integer}
local function main(room: string)
  local members: {[string]: Member} = {}
  local history: {{nick: string, text: string}} = {}
  local inbox, watch = process.inbox(), process.events()
  local function tell(topic: string, body: any, except: string?)
    for pid in pairs(members) do
      if pid ~= except then process.send(pid, topic, body) end
    end
  end
  local on = {}
  function on.join(from, body)
    members[from] = {pid = from, nick = body.nick, joined = os.time()}
    process.monitor(from)
    process.send(from, "history", history)
    tell("joined", body.nick, from)
  end
  function on.say(from, body)
    local member = members[from]
    if not member then return end
    local line = {nick = member.nick, text = body.text:sub(1, 500)}
    table.insert(history, line)
    if #history > 50 then table.remove(history, 1) end
    tell("line", line)
  end
  function on.leave(from)
    local member = members[from]
    members[from] = nil
    if member then tell("left", member.nick) end
  end
  process.registry.register("room:" .. room)
  while true do
    local result = channel.select({inbox:case_receive(), watch:case_receive()})
    local value = result.value
    if result.channel == inbox then
      local handler = on[value:topic()]
      if handler then handler(value:from(), value:payload():data()) end
    elseif value.kind == process.event.EXIT then
      on.leave(value.from)
    elseif value.kind == process.event.CANCEL then
      tell("closed", room)
      return
    end
  end
end
return {main = main}
