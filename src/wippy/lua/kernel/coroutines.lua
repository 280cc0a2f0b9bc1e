-- The guest's `coroutine` library (spec 02 §17): ordinary coroutines whose resumers forward what is meant for the scheduler,
-- so that a blocking call works at any depth.
--
-- Invariants
-- * A coroutine that is parked in the scheduler is in its process's `busy` set: a sibling that resumed it would be taken
--   for the scheduler and could forge the answer.
-- * `p.noy` says that the running task cannot be suspended (a message handler of xpcall runs). It holds inside coroutines
--   resumed from there too. There is no other C boundary that calls guest code.
local S = ...
local KILL, WAIT, SPAWN, TURN = S.KILL, S.WAIT, S.SPAWN, S.TURN
local co_create, co_resume, co_yield, co_status = coroutine.create, coroutine.resume, coroutine.yield, coroutine.status
local co_running = coroutine.running
local type, error, raise = type, error, S.raise
local tags, settle = S.tags, S.settle

local C = {}

local function own_busy(p)
  local own = S.own(p)
  local busy = own.busy
  if not busy then
    busy = {}
    own.busy = busy
  end
  return busy
end

local forward

local function forwarded(p, busy, co, ...)
  busy[co] = nil
  return forward(p, co, co_resume(co, ...))
end

function forward(p, co, ok, tag, ...)
  if ok and tags[tag] then
    if tag == KILL then S.die() end
    local busy = own_busy(p)
    busy[co] = true
    if p.noy then raise("attempt to yield across a C-call boundary") end
    return forwarded(p, busy, co, co_yield(tag, ...))
  end
  if not ok then return false, S.placed(tag, co) end
  return ok, tag, ...
end

local function resume(co, ...)
  local p = S.cur
  local own = p.own
  if own and own.busy and own.busy[co] then return false, "cannot resume a coroutine that waits for the scheduler" end
  return forward(p, co, co_resume(co, ...))
end

local function check_thread(co, name)
  if type(co) ~= "thread" then S.bad_argument(1, name, "thread", co) end
  if S.is_task(co) then raise("cannot resume a task of the scheduler") end
end

function C.create(f)
  S.check_function(f, 1, "create")
  return co_create(f)
end

function C.resume(co, ...)
  check_thread(co, "resume")
  if co_status(co) == "dead" then return false, "can not resume a dead thread" end
  return settle(resume(co, ...))
end

local function results(ok, e, ...)
  if ok then return e, ... end
  error(e, 0)
end
function C.wrap(f)
  S.check_function(f, 1, "wrap")
  local co = co_create(f)
  return function(...)
    if co_status(co) == "dead" then raise("can not resume a dead thread") end
    return results(settle(resume(co, ...)))
  end
end

function C.yield(...)
  if S.task and co_running() == S.task.co then
    co_yield(TURN)
    return
  end
  return co_yield(...)
end

function C.status(co)
  if type(co) ~= "thread" then S.bad_argument(1, "status", "thread", co) end
  return co_status(co)
end

function C.running()
  return (co_running())
end

-- A new task of the same process: it runs up to its first suspension before spawn returns (spec 03 §5).
function C.spawn(f)
  S.check_function(f, 1, "spawn")
  local t = S.new_task(S.cur, f)
  if S.cur.noy then S.ready(t) else co_yield(SPAWN, t) end
  return t.co
end

-- Raises where the running task may not wait: to be called before anything is registered that would wake it.
local function check_park()
  local p = S.cur
  if p.noy then raise("attempt to yield across a C-call boundary") end
  if p.booting then raise("can not yield from outside of a coroutine") end
end

-- Suspends the running task until somebody wakes it; returns what the waker hands over.
local function park()
  return co_yield(WAIT)
end
S.check_park, S.park = check_park, park

-- Suspends the running task until another process answers, which may take long.
local function asked(own, ...)
  own.asking = own.asking - 1
  return ...
end
function S.park_blocked()
  local own = S.own(S.cur)
  own.asking = (own.asking or 0) + 1
  return asked(own, co_yield(WAIT))
end
-- The same for a short while, which is noted only of an evaluated process: it is not idle meanwhile.
function S.park_asking()
  local own = S.cur.own
  if not own or not own.steps then return co_yield(WAIT) end
  return S.park_blocked()
end

-- The sibling tasks that are ready run before the caller goes on.
function S.give_turn()
  local p = S.cur
  if p.th and not p.noy and not p.booting then co_yield(TURN) end
end

S.base.coroutine = S.library(C)
