-- Processes, tasks and the loop that runs them.
--
-- A process owns tasks; the shard owns a queue of ready processes and each process a queue of ready tasks. Both queues are
-- linked through fields that exist from the start, so that making something ready never allocates.
-- A process that used up its slice goes behind the others with the preempted task pinned: its siblings never see an
-- interruption between two suspension points (spec 03 §19.1).
local S = ...
local WAIT, TICK, TURN, SPAWN, READY, DONE = S.WAIT, S.TICK, S.TURN, S.SPAWN, S.READY, S.DONE
local co_create, co_resume, co_yield = coroutine.create, coroutine.resume, coroutine.yield
local co_status, type = coroutine.status, type
local count, unpack, getinfo, error = collectgarbage, table.unpack, debug.getinfo, error
local STEP <const> = 1 << 24          -- S.STEP
local clock = S.clock

-- Marks a process as ready. No allocation, cannot fail.
local function enqueue(p)
  if p.queued or p.dead then return end
  p.queued = true
  local tail = S.tail
  if tail then tail.next = p else S.head = p end
  S.tail = p
end

local function enqueue_first(p)
  if p.queued or p.dead then return end
  p.queued = true
  local head = S.head
  p.next = head
  S.head = p
  if not head then S.tail = p end
end

-- Makes a task runnable, behind the other ready tasks of its process. No allocation, cannot fail.
local function ready(t)
  local p = t.p
  if p.dead then return end
  local last = p.tt
  if last then last.next = t else p.th = t end
  p.tt = t
  if not p.queued then
    p.queued = true
    local tail = S.tail
    if tail then tail.next = p else S.head = p end
    S.tail = p
  end
end

local function ready_first(t)
  local p = t.p
  if p.dead then return end
  t.next = p.th
  p.th = t
  if not p.tt then p.tt = t end
  enqueue(p)
end

-- Ends a wait: `a` and `b` are what park() returns in the task.
local function wake(t, a, b)
  t.a, t.b = a, b
  ready(t)
end
S.enqueue, S.enqueue_first, S.ready, S.wake = enqueue, enqueue_first, ready, wake

-- Rare state of a process: timers, handles, names, outstanding operations, random generator. Made when first needed.
function S.own(p)
  local own = p.own
  if not own then
    own = {}
    p.own = own
  end
  return own
end

-- An uncaught error of a task fails the whole process. Text is made of it without running guest code, unless it is a table
-- with a __tostring of its own.
local MOST_FOR_TEXT = 1000000000      -- nanoseconds

-- The table is asked in a process of its own, which cannot wait: the failed one does nothing any more.
local function describe(p, e)
  local asked = S.new_process(p.id, p.host, p.ctx)
  asked.env, asked.booting, asked.reply = p.env, true, { failed = p }
  local t = S.new_task(asked, function() return S.base.tostring(e) end)
  S.call_later(asked, MOST_FOR_TEXT, function() S.kill(asked, S.too_long) end)
  S.ready(t)
  S.live = S.live + 1
  p.dead = true
  p.th, p.tt, p.pinned = false, false, false
end

-- The answer of `describe`.
function S.described(p, text, e)
  p.dead = false
  S.complete(p, nil, S.make_error("Internal", text or S.error_state(e).message, nil))
end

function S.fail(p, t, e)
  if e == "not enough memory" then
    S.complete(p, nil, S.out_of_memory)
    return
  end
  S.own(p).trace = S.guest_frames(1, t.co)
  e = S.placed(e, t.co)
  if S.error_state(e) then
    S.complete(p, nil, S.boundary_error(e))
  elseif type(e) == "table" and S.has_tostring(e) and not (p.reply and p.reply.failed) then
    describe(p, e)
  else
    S.complete(p, nil, S.make_error("Internal", S.error_text(e), nil))
  end
end

-- A task of process `p` that will run f(...). `args` is a packed list or nil. `co`: a coroutine that waits for them already.
function S.new_task(p, f, args, co)
  local t = { co = false, p = p, next = false, a = false, b = false, start = args or true, call = false, standing = false }
  t.co = co or co_create(f)
  p.nt = p.nt + 1
  local main = p.main
  if not main then
    p.main = t
  else
    local own = S.own(p)
    local tasks = own.tasks
    if not tasks then
      tasks = {}
      own.tasks = tasks
    end
    tasks[t.co] = t
  end
  return t
end

function S.is_task(co)
  local p = S.cur
  if p.main and p.main.co == co then return true end
  local own = p.own
  return own and own.tasks and own.tasks[co] ~= nil or false
end

S.out_of_memory = S.make_error("Internal", "not enough memory", false)
S.too_long = S.make_error("Internal", "computation took too long where it cannot be suspended", false)

-- Ticks ----------------------------------------------------------------------------------------------------------------

-- Lua itself would go on to hundreds of thousands of levels, whose stacks the collector then stops for.
local MOST_LEVELS = 20000

local budget = 2000                   -- ticks until the next look at the clock, adapted to what a tick costs
local looked = 0

local function suspend_or_abort(p, now)
  if not p.noy then
    co_yield(TICK)
    looked = clock()
    S.began = looked
    if p.killed then S.die() end
  elseif now - S.began > S.hard then
    p.killed = S.too_long
    S.die()
  end
end

-- What emitted code calls when its counter runs out; returns the next counter.
function S.slow()
  local p = S.cur
  if p.killed then S.die() end
  if count("count") * 1024 > S.soft then S.over_memory(p) end
  if getinfo(MOST_LEVELS, "l") then S.raise("stack overflow") end
  local limits = p.limits
  if limits then S.look_at_limits(p, limits) end
  local now = clock()
  if not S.began then
    S.began, looked = now, now
    return budget
  end
  local spent = now - looked
  looked = now
  if spent > 0.0002 then budget = budget > 60 and budget // 2 or 30
  elseif spent < 0.00005 and budget < 20000 then budget = budget + budget // 2 end
  if now - S.began >= S.slice then suspend_or_abort(p, now) end
  return budget
end

-- Work done in C on behalf of the running task, in about the unit of a nanosecond.
local charged = 0
function S.charge(amount)
  charged = charged + amount
  if charged > 200000 then
    charged = 0
    if S.task then S.slow() end
  end
end

-- The loop -------------------------------------------------------------------------------------------------------------

-- The return values of a spawned task are dropped; those of the main task end the process.
local function task_result(p, t, v, e)
  if t == p.main then
    S.complete(p, v, e)
  else
    p.nt = p.nt - 1
    p.own.tasks[t.co] = nil
    if not p.th and S.is_stuck(p) then S.deadlocked(p) end
  end
end

-- Takes the first ready process `p` and runs one of its tasks until it suspends. Returns true when it was preempted.
local function step(p)
  local after = p.next
  S.head = after
  if not after then S.tail = false end
  p.next, p.queued = false, false
  if p.dead then return false end
  local t = p.pinned
  if t then
    p.pinned = false
  else
    t = p.th
    if not t then return false end
    local following = t.next
    p.th = following
    if not following then p.tt = false end
    t.next = false
  end
  S.cur, S.task, S.began = p, t, false
  p.nt = p.nt + STEP
  local limits = p.limits
  if limits then S.enter_step(limits) end
  local ok, tag, v, e
  local start = t.start
  if start then
    t.start = false
    if start == true then ok, tag, v, e = co_resume(t.co)
    else ok, tag, v, e = co_resume(t.co, unpack(start, 1, start.n)) end
  else
    local a, b = t.a, t.b
    t.a, t.b = false, false
    ok, tag, v, e = co_resume(t.co, a, b)
  end
  S.task = false
  if limits then S.leave_step(p, limits, tag ~= TICK) end
  if p.killed then
    S.end_killed(p)
    return false
  end
  if tag == WAIT then
    if not p.th then
      if p.own and S.is_stuck(p) then S.deadlocked(p) end
      return false
    end
  elseif tag == DONE then
    p.instance.co = t.co
    S.complete(p, v, e)
    return false
  elseif tag == TICK then
    p.pinned = t
    enqueue(p)
    return true
  elseif not ok then
    S.fail(p, t, tag)
  elseif tag == SPAWN then
    ready_first(t)
    ready_first(v)
  elseif tag == READY then
    S.module_ready(p, t)
  elseif tag ~= TURN and co_status(t.co) == "dead" then
    task_result(p, t, tag, v)
  else
    ready(t)                          -- TURN, or a guest's own yield at task level
  end
  if p.th and not p.dead then enqueue(p) end
  return false
end

S.step = step
S.counting = 0                        -- processes whose steps are counted (evaluation.lua)

-- Runs ready processes for about `seconds`. Returns true when some are left.
local rounds = 0
local run_step = step                 -- when memory is short: S.charged_step
local inner_step = step               -- while somebody watches: S.measured_step
S.plain_step = step                   -- while steps are counted: S.counted_step

local function choose_step()
  S.plain_step = S.counting > 0 and S.counted_step or step
  inner_step = S.measuring and S.measured_step or S.plain_step
  run_step = S.charges_growth() and S.charged_step or inner_step
end
S.choose_step = choose_step

function S.work(seconds)
  if S.measuring then S.measure_from_here() end
  local limit = clock() + seconds
  local n = 0
  local p = S.head
  if S.counting > 0 then choose_step() end
  while p or S.dying do
    if p and run_step(p, inner_step) then n = 15 end
    S.cur = false
    if S.dying then S.bury() end
    n = n + 1
    if n >= 16 then
      n = 0
      choose_step()
      if clock() > limit then break end
    end
    p = S.head
  end
  rounds = rounds + 1
  if rounds % 16 == 0 then choose_step() end
  S.cur, S.task = false, false
  return S.head ~= false or S.dying ~= false
end

-- After kernel code failed outside of every task: a process whose step it was is ended, one whose end cannot be told
-- again and again is given up, everything else goes on.
function S.recover()
  local p = S.cur
  S.cur, S.task = false, false
  if p and not p.dead then
    p.killed = p.killed or S.out_of_memory
    p.pinned = false
    S.end_killed(p)
  elseif S.burying then
    S.burying = false
    S.give_up()
  end
  local walk = S.head
  S.tail = walk
  while walk do
    S.tail = walk
    walk = walk.next
  end
end
