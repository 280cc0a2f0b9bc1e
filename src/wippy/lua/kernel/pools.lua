-- Pools of function instances (spec 03 §6 "Pools").
--
-- inline and static pools are the node's: their size bounds what runs at the same time, so all calls go to the first shard.
-- lazy and adaptive ones are each shard's own. A pool that shrinks drops what was idle longest.
local S = ...
local failure, push, TASKS = S.failure, S.push, S.TASKS
local IDLE = 30000000000              -- nanoseconds after which an instance nobody needs is dropped
local WINDOW = 100000000              -- nanoseconds between two measurements of an adaptive pool
local HOME = 0

local function new_instance(def) return { env = false, f = false, def = def, co = false, since = 0 } end

-- `spec`: {type, most, buffer}; `limit` is how many instances there may be now.
function S.new_pool(spec)
  local adaptive = spec.type == "adaptive"
  return {
    idle = 0, size = 0, most = spec.most, limit = adaptive and 1 or spec.most, waiting = S.new_queue(), closed = false,
    home = spec.type == "inline" or spec.type == "static", shrinks = adaptive or spec.type == "lazy",
    buffer = spec.buffer or false, blocked = false, sweeping = false,
    done = 0, measured = 0, rate = 0.0, step = 1, adaptive = adaptive,
  }
end

-- Shrinking ----------------------------------------------------------------------------------------------------------------

local nobody = { dead = false }       -- who the timers of pools belong to

local function sweep(pool)
  pool.sweeping = false
  if pool.closed then return end
  local stale = 0
  while stale < pool.idle and S.now - pool[stale + 1].since >= IDLE do stale = stale + 1 end
  if stale > 0 then
    table.move(pool, stale + 1, pool.idle, 1)
    for i = pool.idle - stale + 1, pool.idle do pool[i] = nil end
    pool.idle, pool.size = pool.idle - stale, pool.size - stale
    if pool.adaptive then pool.limit = math.max(1, math.min(pool.limit, pool.size)) end
  end
  S.sweep_later(pool)
end

function S.sweep_later(pool)
  if pool.sweeping or pool.idle == 0 or not pool.shrinks then return end
  pool.sweeping = true
  S.call_at(nobody, pool[1].since + IDLE, function() sweep(pool) end)
end

-- Growing ------------------------------------------------------------------------------------------------------------------

-- An adaptive pool climbs: one instance more or less, on in the same direction while calls per second do not fall.
local function measure(pool)
  pool.done = pool.done + 1
  local elapsed = S.now - pool.measured
  if elapsed < WINDOW then return end
  local rate = pool.done / elapsed
  if pool.waiting.last >= pool.waiting.first then
    if rate < pool.rate * 0.98 then pool.step = -pool.step end
    if pool.limit == 1 then pool.step = 1 end
    pool.limit = math.max(1, math.min(pool.most, pool.limit + pool.step))
  end
  pool.rate, pool.done, pool.measured = rate, 0, S.now
end

-- Calls --------------------------------------------------------------------------------------------------------------------

local start = S.start_call_on

-- The call goes to the shard that has the node's pool. Values are copied there and back.
local function call_at_home(def, ctx, args, reply)
  local to = S.shard_pid(HOME)
  local number = S.question(reply, to, "call", def.id, ctx.identity, ctx.values or nil, args)
  return { away = number, shard = to, ctx = ctx, dead = false }
end

-- Starts a call, or queues it until an instance is free. What it returns S.cancel_call takes.
function S.begin_call(def, ctx, args, reply, request)
  local pool = def.pool
  local n = pool.idle
  if n > 0 then
    local p = start(def, pool[n], ctx, args, reply, request)
    pool[n] = nil
    pool.idle = n - 1
    return p
  elseif pool.home and S.shard ~= HOME then
    return call_at_home(def, ctx, args, reply)
  elseif pool.size < pool.limit then
    local p = start(def, new_instance(def), ctx, args, reply, request)
    pool.size = pool.size + 1
    return p
  end
  local waiting = { def = def, ctx = ctx, args = args, reply = reply, request = request, dead = false, queued_call = true, started = false }
  push(pool.waiting, waiting)
  return waiting
end

-- Whether the queue of a pool is full, so that nobody should start a call without waiting for it.
local function is_full(pool)
  local queue = pool.waiting
  return pool.buffer and queue.last - queue.first + 1 >= pool.buffer
end

-- Waits until the pool takes another call. A call to a pool that was closed meanwhile is refused.
function S.await_room(def)
  local pool = def.pool
  if not pool then return true end
  while is_full(pool) and not pool.closed do
    S.check_park()
    if not pool.blocked then pool.blocked = S.new_queue() end
    push(pool.blocked, S.task)
    S.park()
  end
  if pool.closed then return nil, failure("Unavailable", "function pool is closed", true) end
  return true
end

local function unblock(pool)
  local blocked = pool.blocked
  while blocked do
    local t = S.pop(blocked)
    if not t then return end
    if not t.p.dead then
      S.wake(t)
      return
    end
  end
end

-- The first queued call that somebody still waits for; it stays in the queue until it has been started.
local function next_waiting(pool)
  local queue = pool.waiting
  while true do
    local waiting = queue[queue.first]
    if not waiting or not waiting.dead then return waiting end
    S.pop(queue)
  end
end

local function start_waiting(pool, waiting, instance)
  local callee = start(waiting.def, instance, waiting.ctx, waiting.args, waiting.reply, waiting.request)
  waiting.started = callee
  local t = waiting.reply
  if t and t.co then t.call = callee end
  S.pop(pool.waiting)
  unblock(pool)
end

-- Room that a measurement has made is used at once.
local function fill(pool)
  while pool.size < pool.limit do
    local waiting = next_waiting(pool)
    if not waiting then return end
    start_waiting(pool, waiting, new_instance(waiting.def))
    pool.size = pool.size + 1
  end
end

-- After a call: the instance serves the next one, unless its code was cut off in the middle or has been replaced, or the
-- pool has become smaller. An instance with tasks left over is dropped as well: guest code may hold their coroutines, and a
-- later call could resume them.
function S.return_instance(p)
  local instance = p.instance
  local def = instance.def
  local pool = def.pool
  if pool.adaptive then measure(pool) end
  local spent = p.killed or p.nt & TASKS > 1 or not instance.f or pool.closed
  local surplus = pool.size > pool.limit
  local waiting = not surplus and next_waiting(pool)
  if waiting then
    start_waiting(pool, waiting, spent and new_instance(def) or instance)
  elseif spent or surplus then
    pool.size = pool.size - 1
  else
    local n = pool.idle + 1
    pool[n] = instance
    instance.since = S.now
    pool.idle = n
    if pool.shrinks and not pool.sweeping then S.sweep_later(pool) end
  end
  p.instance = false
  if pool.adaptive then fill(pool) end
end

-- Runs what is running and what waits on the old code; nothing new comes.
function S.close_pool(pool)
  pool.closed = true
  for i = 1, pool.idle do pool[i] = nil end
  pool.size, pool.idle = pool.size - pool.idle, 0
  while pool.blocked and pool.blocked.first <= pool.blocked.last do unblock(pool) end
end
