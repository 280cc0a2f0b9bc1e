-- Looking at processes from outside, between their steps: for `system`, `wippy top` and the Python API. Nothing here runs guest
-- code, and what it says about one process is bounded. Lists are taken in several goes: a shard has up to a million.
--
-- Steps are counted always. Processor time is taken only of limited processes, and of all while somebody watches: a look at
-- the thread's clock costs as much as a short step.
local S = ...
local STEP, TASKS, TOPIC, DATA = S.STEP, S.TASKS, S.TOPIC, S.DATA
local next, type, rawget, sort, sub, prim = next, type, rawget, table.sort, string.sub, S.prim
local nothing = {}

local PARTS = 256                     -- of the table of processes (mailbox.lua)
local MOST_AT_ONCE = 500              -- processes described in one go, when that is all
local MOST_WEIGHED = 60               -- when they are weighed as well
local MOST_COUNTED = 20000
local MOST_LISTED = 1000              -- messages, names, relations of one process
local LONGEST = 200                   -- bytes of a text that a guest has made

local views = {}                      -- becomes part of the interface
S.views = views

-- Processor time -----------------------------------------------------------------------------------------------------------

local usage, used = {}, 0             -- process -> seconds, since somebody watches
local until_when = 0
local mark = false                    -- the thread's clock after the step before

local function cpu()
  local _, seconds = prim(S.prims.thread_time)
  return seconds
end

local function forget_ended()
  local kept, n = {}, 0
  for p, seconds in next, usage do
    if not p.dead then
      kept[p] = seconds
      n = n + 1
    end
  end
  usage, used = kept, n
end

-- The step of the loop while somebody watches.
function S.measured_step(p)
  local before = mark or cpu()
  local preempted = S.plain_step(p)
  mark = cpu()
  local seconds = usage[p]
  if not seconds then
    seconds, used = 0, used + 1
    if used > 2 * MOST_COUNTED then forget_ended() end
  end
  usage[p] = seconds + mark - before
  return preempted
end

-- A turn of the loop begins: what the thread did since the last one belongs to nobody.
function S.measure_from_here()
  mark = false
  if S.now > until_when then
    S.measuring, usage, used = false, {}, 0
    S.choose_step()
  end
end

-- Processor time is taken for so many nanoseconds from now, or longer if somebody asks again.
function views.watch(duration)
  until_when = S.now + duration
  if S.measuring then return end
  S.measuring = true
  S.choose_step()
end

-- Counting -------------------------------------------------------------------------------------------------------------------

local ended = {}                      -- host -> steps of its processes that have ended

function S.count_ended(p)
  if not p.instance then ended[p.host] = (ended[p.host] or 0) + p.nt // STEP end
end

-- Hosts as {processes, queued, steps}, of the parts from `part` on, and the part to go on with.
function views.count_hosts(part)
  local hosts, seen = {}, 0
  if part == 0 then
    for host, steps in next, ended do hosts[host] = { processes = 0, queued = 0, steps = steps } end
  end
  while part < PARTS and seen < MOST_COUNTED do
    for _, p in next, S.processes_in(part) do
      seen = seen + 1
      local host = hosts[p.host]
      if not host then
        host = { processes = 0, queued = 0, steps = 0 }
        hosts[p.host] = host
      end
      host.processes = host.processes + 1
      if p.queued then host.queued = host.queued + 1 end
      host.steps = host.steps + p.nt // STEP
    end
    part = part + 1
  end
  return { part = part < PARTS and part or nil, hosts = hosts }
end

-- How often limits have ended a process: name -> times.
function views.exceeded() return S.exceeded end

-- One process ------------------------------------------------------------------------------------------------------------------

local function any_call(tasks)
  for _, t in next, tasks or nothing do
    if t.call then return true end
  end
  return false
end

-- As in spec 03 §2.1. A process that has used up its slice is in the middle of running.
local function state_of(p, own)
  if p.pinned or p == S.cur then return "running" end
  if p.queued or p.th then return "ready" end
  if p.main and p.main.call or any_call(own.tasks) then return "blocked" end
  if next(own.ops or nothing) or next(own.calls or nothing) then return "blocked" end
  if (own.sleeping or 0) > 0 or (own.asking or 0) > 0 then return "blocked" end
  return "idle"
end

local function count(t)
  local n = 0
  for _ in next, t or nothing do n = n + 1 end
  return n
end

local function length(queue) return queue and queue.last - queue.first + 1 or 0 end

local function parent_of(p)
  local waiting = not p.xe and S.waiting_task(p.reply)
  return p.xe or waiting and not waiting.p.dead and S.pid_of(waiting.p) or nil
end

local function short(text) return #text > LONGEST and sub(text, 1, LONGEST) .. "..." or text end

local function first_name(own)
  local name = next(own.names or nothing)
  return name and short(name)
end

local function unread(p)
  local n = length(p.mbox) + length(p.ebox)
  for _, listener in next, p.listeners or nothing do n = n + length(listener.channel) end
  return n + length(p.own and p.own.reserved)
end

-- Unix nanoseconds at which the monotonic clock was 0: read once, so that a process keeps its time of start.
local zero
local function began()
  if not zero then
    local _, monotonic = prim(S.prims.monotonic)
    zero = S.unix_ns() - monotonic
  end
  return zero
end

-- `objects`: how many are looked at for its memory; 0 leaves that out.
local function describe(p, objects)
  local own, limits = p.own or nothing, p.limits
  local listeners, subscriptions = count(p.listeners), count(own.subscriptions)
  return {
    pid = S.pid_of(p), host = p.host, entry = p.id, name = first_name(own), state = state_of(p, own), call = p.instance and true or nil,
    steps = p.nt // STEP, started_at = began() + p.xv, parent = parent_of(p), identity = p.ctx.identity,
    subscriptions = listeners + subscriptions, threads = p.nt & TASKS,
    channels = listeners + subscriptions + (p.inbox and 1 or 0) + (p.events and 1 or 0),
    mailbox = unread(p), cpu = limits and limits.timed and limits.cpu or usage[p] or S.measuring and 0.0 or nil,
    memory = objects > 0 and S.weigh_process(p, objects) // 1 or nil,
    limits = limits and limits.spec or nil,
  }
end

-- Calls have no PID until somebody asks for it.
local function name_calls()
  forget_ended()
  for p in next, usage do S.pid_of(p) end
end

-- The processes of the parts from `part` on (of one host, or all), and the part to go on with.
function views.processes(part, host, objects)
  if part == 0 and not host then name_calls() end
  local list, n = {}, 0
  local most = objects > 0 and MOST_WEIGHED or MOST_AT_ONCE
  while part < PARTS and n < most do
    for _, p in next, S.processes_in(part) do
      if not p.dead and (not host or p.host == host) then
        n = n + 1
        list[n] = describe(p, objects)
      end
    end
    part = part + 1
  end
  return { part = part < PARTS and part or nil, list = list }
end

-- What the largest are looked for by. Memory is a guess for this purpose; the larger of two equal ones has made more steps.
local GUESS = 200                     -- objects
local orders = {
  cpu = function(p) return (usage[p] or p.limits and p.limits.cpu or 0) end,
  memory = function(p) return S.weigh_process(p, GUESS) end,
  mailbox = unread,
}

-- Puts `p` into the list of at most `limit` processes, largest first.
local function rank(list, keys, limit, p, key)
  local n = #list
  if n == limit and key <= keys[n] then return end
  local at = n < limit and n + 1 or n
  while at > 1 and keys[at - 1] < key do
    list[at], keys[at] = list[at - 1], keys[at - 1]
    at = at - 1
  end
  list[at], keys[at] = p, key
end

-- The largest processes of the parts from `part` on, how many there are, and the part to go on with.
function views.largest(part, order, limit, objects)
  if part == 0 then name_calls() end
  local size, most = orders[order], order == "memory" and MOST_AT_ONCE or MOST_COUNTED
  local list, keys, seen = {}, {}, 0
  while part < PARTS and seen < most do
    for _, p in next, S.processes_in(part) do
      if not p.dead then
        seen = seen + 1
        if limit > 0 then rank(list, keys, limit, p, size(p) + (p.nt // STEP) * 1e-15) end
      end
    end
    part = part + 1
  end
  for i = 1, #list do list[i] = describe(list[i], objects) end
  return { part = part < PARTS and part or nil, list = list, seen = seen }
end

-- More about one process -------------------------------------------------------------------------------------------------------

local function stacks(p)
  local list = {}
  local function add(kind, co)
    if #list < MOST_LISTED then list[#list + 1] = { kind = kind, frames = S.guest_frames(1, co) } end
  end
  local own = p.own or nothing
  if p.main and p.main.co then add("main", p.main.co) end
  for co in next, own.tasks or nothing do add("task", co) end
  for co in next, own.busy or nothing do add("coroutine", co) end
  return list
end

-- A channel of listen() holds what its process has sent into it as well: anything.
local function topic_of(m)
  local topic = type(m) == "table" and (rawget(m, TOPIC) or rawget(m, "kind"))
  return type(topic) == "string" and short(topic) or "(value)"
end

local function topics_of(p)
  local found, list, looked = {}, {}, 0
  local function add(queue)
    for i = queue and queue.first or 1, queue and queue.last or 0 do
      if looked == MOST_LISTED then return end
      looked = looked + 1
      local m = queue[i]
      local topic = topic_of(m)
      local row = found[topic]
      if not row then
        row = { topic = topic, count = 0, bytes = 0 }
        found[topic], list[#list + 1] = row, row
      end
      row.count = row.count + 1
      row.bytes = row.bytes + S.weigh_value(type(m) == "table" and rawget(m, TOPIC) and rawget(m, DATA) or m) // 1
    end
  end
  add(p.mbox)
  add(p.ebox)
  add(p.own and p.own.reserved)
  for _, listener in next, p.listeners or nothing do
    if listener.kept then add(listener.channel) end
  end
  sort(list, function(a, b) return a.count > b.count end)
  return list
end

local function keys(t)
  local list = {}
  for k in next, t or nothing do
    if #list == MOST_LISTED then break end
    list[#list + 1] = short(k)
  end
  sort(list)
  return list
end

-- Everything about one process; nil when there is none.
function views.process(pid)
  local p = S.find_process(pid)
  if not p or p.dead then return nil end
  local relations = p.relations or nothing
  local found = describe(p, MOST_COUNTED)
  found.stacks, found.topics = stacks(p), topics_of(p)
  found.links, found.monitors, found.watchers = keys(relations.links), keys(relations.watching), keys(relations.watchers)
  found.names = keys(p.own and p.own.names)
  return found
end
