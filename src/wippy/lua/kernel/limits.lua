-- Budgets of processes and calls: processor time, memory, mail. Who exceeds one fails with an error that names it; its
-- neighbours notice nothing.
--
-- Processor time is that of the thread, asked of the host at the ends of a step and now and then inside of one: os.clock
-- counts all threads. Memory is weighed when a process has allocated a quarter of its limit since the last time.
local S = ...
local count, prim = collectgarbage, S.prim
local MOST_OBJECTS = 200000           -- looked at when one process is weighed: about 60 ms

local exceeded = {}                   -- name of a limit -> how often it ended somebody, for introspection
S.exceeded = exceeded

local TEXTS = {
  cpu_slice = "ran %.0f ms without a pause, its limit is %.0f ms",
  cpu_total = "used %.0f ms of processor time, its limit is %.0f ms",
  memory = "holds %d bytes, its limit is %d bytes",
  mailbox = "has %d unread messages, its limit is %d",
  messages_per_second = "sent %d messages within a second, its limit is %d",
}
local KINDS = { mailbox = "RateLimited", messages_per_second = "RateLimited" }

local function exceed(p, name, used, limit)
  if p.killed then return end           -- it runs on until its next look at the flag
  exceeded[name] = (exceeded[name] or 0) + 1
  local message = "limit exceeded: " .. name .. ": the process " .. string.format(TEXTS[name], used, limit)
  local err = S.make_error(KINDS[name] or "Internal", message, nil, { limit = name, used = used, allowed = limit })
  S.emit_log("warn", message, { pid = S.pid_of(p), entry = p.id }, nil)
  S.kill(p, err)
end

local function cpu()
  local _, seconds = prim(S.prims.thread_time)
  return seconds
end

-- The budget of one process or call. `spec`: limits in seconds, bytes, messages; absent ones do not limit.
function S.new_limits(spec)
  return spec and {
    spec = spec, cpu = 0.0, run = 0.0, began = 0.0, timed = (spec.cpu_slice or spec.cpu_total) ~= nil,
    allocated = 0, before = 0, quarter = spec.memory and spec.memory // 4, sent = 0, second = 0,
  } or false
end

local function check_time(p, limits, elapsed)
  local spec = limits.spec
  local total, run = limits.cpu + elapsed, limits.run + elapsed
  if spec.cpu_total and total > spec.cpu_total then exceed(p, "cpu_total", total * 1000, spec.cpu_total * 1000)
  elseif spec.cpu_slice and run > spec.cpu_slice then exceed(p, "cpu_slice", run * 1000, spec.cpu_slice * 1000) end
end

local function check_memory(p, limits)
  local now = count("count") * 1024
  local grown = now - limits.before
  limits.before = now
  if grown > 0 then limits.allocated = limits.allocated + grown end
  if limits.allocated < limits.quarter then return end
  limits.allocated = 0
  local limit = limits.spec.memory
  local bytes = S.weigh_process(p, limit // 40 < MOST_OBJECTS and limit // 40 + 1000 or MOST_OBJECTS)
  if bytes > limit then exceed(p, "memory", bytes // 1, limit) end
end

-- Around every step of a limited process. `paused`: it suspended itself, rather than having used up its slice.
function S.enter_step(limits)
  if limits.timed then limits.began = cpu() end
  if limits.quarter then limits.before = count("count") * 1024 end
end
function S.leave_step(p, limits, paused)
  if limits.timed then
    local elapsed = cpu() - limits.began
    check_time(p, limits, elapsed)
    limits.cpu = limits.cpu + elapsed
    limits.run = paused and 0.0 or limits.run + elapsed
  end
  if limits.quarter and not p.killed then check_memory(p, limits) end
end

-- Inside a long step: the running process ends here when it has exceeded a limit.
function S.look_at_limits(p, limits)
  if limits.timed then check_time(p, limits, cpu() - limits.began) end
  if limits.quarter and not p.killed then check_memory(p, limits) end
  if p.killed then S.die() end
end

-- `queue` has one message more.
function S.check_mailbox(p, limits, queue)
  local most, waiting = limits.spec.mailbox, queue.last - queue.first + 1
  if most and waiting > most then exceed(p, "mailbox", waiting, most) end
end

-- The running process is about to send a message.
function S.count_message(p, limits)
  local most = limits.spec.messages_per_second
  if not most then return end
  local second = S.now // 1000000000
  if second ~= limits.second then limits.second, limits.sent = second, 0 end
  limits.sent = limits.sent + 1
  if limits.sent > most then
    exceed(p, "messages_per_second", limits.sent, most)
    S.die()
  end
end
