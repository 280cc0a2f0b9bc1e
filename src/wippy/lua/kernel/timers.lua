-- Timers: a binary heap by due time (monotonic nanoseconds). An entry that was stopped stays until it is due; when most
-- entries are stopped the heap is rebuilt.
local S = ...
local wake = S.wake

-- The present moment, of the host's clock: what the thread itself has computed since the turn began (S.clock) is less, when
-- it had to wait for a processor, and a timer would fire too early by that.
local prim = S.prim
local function present()
  local _, now = prim(S.prims.monotonic)
  return now
end

local heap, size, stopped = {}, 0, 0
local sweep_at = 1024                 -- size at which entries of ended processes are cleared out
local order = 0

local function before(a, b)
  return a.at < b.at or a.at == b.at and a.order < b.order
end
local rebuild

local function rise(i)
  local entry = heap[i]
  while i > 1 do
    local parent = i // 2
    if not before(entry, heap[parent]) then break end
    heap[i] = heap[parent]
    i = parent
  end
  heap[i] = entry
end

-- Written out, for ten thousand tickers sink thirteen levels deep at every tick.
local function sink(i)
  local entry = heap[i]
  local at, number = entry.at, entry.order
  while true do
    local child = i * 2
    if child > size then break end
    local least = heap[child]
    local first = least.at
    if child < size then
      local other = heap[child + 1]
      local second = other.at
      if second < first or second == first and other.order < least.order then
        least, first, child = other, second, child + 1
      end
    end
    if at < first or at == first and number < least.order then break end
    heap[i] = least
    i = child
  end
  heap[i] = entry
end

-- Entries: {at, order, p the owner, one of task | channel | call, period for tickers, live}.
local function add(entry)
  if size >= sweep_at then rebuild() end
  order = order + 1
  entry.order = order
  entry.live = true
  heap[size + 1] = entry
  size = size + 1
  rise(size)
  return entry
end

function rebuild()
  local kept, n = {}, 0
  for i = 1, size do
    local entry = heap[i]
    if entry.live and not entry.p.dead then
      n = n + 1
      kept[n] = entry
    else
      entry.live = false
    end
  end
  heap, size, stopped = kept, n, 0
  sweep_at = n > 512 and n * 2 or 1024
  for i = size // 2, 1, -1 do sink(i) end
end

-- An instance of a function outlives its calls, and so may a channel that a call's timer feeds: those are closed with the
-- call. Nothing of other processes is left that could look. Evaluated code is not idle while it has timers.
local function owned(entry)
  local p = entry.p
  if not p.instance and not (p.own and p.own.steps) then return entry end
  local own = S.own(p)
  if not own.timers then own.timers = {} end
  own.timers[entry] = true
  return entry
end

local function disown(entry)
  local own = entry.p.own
  if own and own.timers then own.timers[entry] = nil end
end

local function stop(entry)
  if not entry.live then return false end
  entry.live = false
  disown(entry)
  stopped = stopped + 1
  if stopped > 1000 and stopped > size // 2 then rebuild() end
  return true
end

local function remove_first()
  heap[1] = heap[size]
  heap[size] = nil
  size = size - 1
  if size > 0 then sink(1) end
end

local function pass_over(entry)
  remove_first()
  if not entry.live and stopped > 0 then stopped = stopped - 1 end
end

-- What timers deliver; one value, which nobody can change, for all that are due in a turn.
local moment, moment_at = false, -1
local function present_time()
  if moment_at ~= S.now then moment, moment_at = S.time_now(), S.now end
  return moment
end

local function fire(entry)
  if entry.task then
    wake(entry.task)
    entry.live = false
  elseif entry.call then
    entry.live = false
    entry.call(entry)
  else
    local period = entry.period
    if not period then entry.live = false end
    S.offer(entry.channel, present_time(), true)
    if not period then
      S.close_channel(entry.channel)
      disown(entry)
    end
  end
end

-- Fires everything that is due at `now`; at most `most` entries, the rest at the next turn.
function S.fire_timers(now)
  local most = 10000
  while size > 0 and most > 0 do
    local entry = heap[1]
    if not entry.live or entry.p.dead then
      pass_over(entry)
    elseif entry.at > now then
      break
    else
      most = most - 1
      fire(entry)
      if entry.live then
        entry.at = entry.at + entry.period
        if entry.at <= now then entry.at = now + entry.period end
        order = order + 1
        entry.order = order
        sink(1)
      else
        remove_first()
      end
    end
  end
end

-- When the host must come back: nanoseconds, or -1.
function S.next_timer()
  while size > 0 do
    local entry = heap[1]
    if entry.live and not entry.p.dead then return entry.at end
    pass_over(entry)
  end
  return -1
end

function S.sleep(nanoseconds)
  if nanoseconds <= 0 then
    S.give_turn()
    return
  end
  S.check_park()
  local p = S.cur
  local own = S.own(p)
  add { at = present() + nanoseconds, p = p, task = S.task }
  own.sleeping = (own.sleeping or 0) + 1
  S.park()
  own.sleeping = own.sleeping - 1
end

-- A channel that receives one Time when the duration is over (and then closes), or one every period.
function S.start_timer(nanoseconds, period)
  local channel = S.new_channel(period and 16 or 1)
  return add(owned { at = present() + nanoseconds, p = S.cur, channel = channel, period = period })
end

-- Kernel use: calls `f(entry)` at a moment, or after a duration, on behalf of process `p`.
function S.call_at(p, at, f) return add { at = at, p = p, call = f } end
function S.call_later(p, nanoseconds, f) return S.call_at(p, present() + nanoseconds, f) end

function S.restart_timer(entry, nanoseconds)
  local was = stop(entry)
  return was, add(owned { at = present() + nanoseconds, p = S.cur, channel = entry.channel, period = entry.period })
end
S.stop_timer = stop

-- A process's timers die with it: they are passed over when due, and cleared out in bulk when there are many entries.
function S.release_timers(own)
  for entry in next, own.timers or {} do
    S.close_channel(entry.channel)
    stop(entry)
  end
end
function S.sweep_timers() rebuild() end

-- How many timers each process has; for the search of who holds memory.
function S.timers_by_process()
  local counts = {}
  for i = 1, size do
    local p = heap[i].p
    counts[p] = (counts[p] or 0) + 1
  end
  return counts
end

function S.timer_count() return size end
