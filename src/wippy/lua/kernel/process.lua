-- Processes: records, spawning, completion (spec 03 §2).
--
-- A function call is a process too: same record, its own PID (made when first asked for) and mailbox.
-- Ending happens in two steps. `finish` is plain stores: the process is dead, cannot be found, and stands in the list of the
-- dying. `bury` tells everybody, step by step, each step safe to repeat after an allocation failure.
local S = ...
local setmetatable, type, error, next, rawget, pcall = setmetatable, type, error, next, rawget, pcall
local format, co_yield = string.format, coroutine.yield
local failure, copy = S.failure, S.copy
local READY = S.READY

S.root = { identity = 0, values = false, open = true }

-- 32 fields: one more would double the record. Two are used twice: until the outcome is known `xv` is the time of the start
-- (monotonic nanoseconds) and `xe` the PID of the parent, or false; `nt` holds tasks and steps (state.lua).
local function new_process(id, host, ctx)
  return {
    pid = false, n = 0, id = id, host = host, ctx = ctx, env = false,
    next = false, queued = false, th = false, tt = false, pinned = false, main = false, nt = 0,
    mbox = false, ebox = false, inbox = false, events = false, listeners = false,
    relations = false, trap = false, killed = false, dead = false, dnext = false,
    own = false, booting = false, noy = false, limits = false,
    reply = false, instance = false, xv = S.now, xe = false,
  }
end

-- Gives a process its number and PID text. Numbers carry the shard, so that a PID tells where its process lives.
local function pid_of(p)
  local pid = p.pid
  if pid then return pid end
  local n = S.last + 1
  S.last = n
  n = n * S.stride + S.shard
  p.n = n
  pid = format("{%s%s|0x%05x}", S.node, p.host, n)
  S.insert_process(pid, p)
  p.pid = pid
  return pid
end
S.pid_of = pid_of

-- The module body ----------------------------------------------------------------------------------------------------

local function member(chunk, def)
  if type(chunk) == "function" then return chunk end
  local f = type(chunk) == "table" and S.class_of(chunk) ~= "handle" and S.raw_index(chunk, def.method) or nil
  if type(f) == "function" then return f end
  error(failure("NotFound", 'method "' .. def.method .. '" not found in module'), 0)
end

-- What a chunk raised, whatever it is: its entry cannot be run (spec 02 §1).
local function described(e, prefix)
  return S.make_error("Internal", prefix .. S.base.tostring(e), false)
end

local join, operators = S.join, S.operators
-- Runs libraries and module body of `def` in a fresh environment; returns the environment and the method.
-- Runs inside a task of the process, so it can be preempted and ended like everything else.
local function instantiate(p, def)
  local env = setmetatable({}, def.globals)
  p.env = env
  for _, library in next, def.libraries do
    local ok, v = S.base.pcall(library.factory(env, S.slow, library.type_table, join, operators))
    if not ok then error(described(v, "failed to load dependency " .. library.alias .. ": "), 0) end
    env[library.alias] = v
  end
  local ok, chunk = S.base.pcall(def.factory(env, S.slow, def.type_table, join, operators))
  if not ok then error(described(chunk, "failed to execute script: "), 0) end
  return env, member(chunk, def)
end
S.instantiate = instantiate

-- The value that main returned, as it leaves the process: made while its task can still be suspended and its errors are its
-- own. Only for values that are `no_scalar`.
local no_scalar = { table = true, ["function"] = true, thread = true }
local function outcome(v, e)
  if type(v) == "table" then
    local p = S.cur
    local reply, own = p.reply, p.own
    if (reply and reply.host or own and own.watched) and type(e) ~= "string" and not S.error_state(e) then
      S.own(p).body = S.encode(false, { n = 2, v, nil })
    end
    return reply and reply.host and v or copy(v)
  end
  return nil
end
S.outcome, S.no_scalar = outcome, no_scalar

local function process_main(p, def, ...)
  local _, f = instantiate(p, def)
  p.booting = false
  co_yield(READY)
  local v, e = f(...)
  if no_scalar[type(v)] then v = outcome(v, e) end
  return v, e
end

-- Called by the scheduler when the module body of a new process has run.
function S.module_ready(p, t)
  local own = p.own
  local spawner = own.spawner
  own.spawner = nil
  if own.held then own.held = t else S.ready(t) end
  if next(own) == nil then p.own = false end
  if spawner then S.answer(spawner, p.pid, nil) end
end

-- Answers whoever waits: a task of this shard, or a request of the host.
function S.answer(to, v, e, attachment, body)
  if to.co then
    S.wake(to, v, e)
    to.call = false
  elseif to.future then
    S.complete_future(to, v, e)
  elseif to.attempts then
    S.attempt_ended(to, v, e, attachment, body)
  elseif to.host then
    S.reply_host(to.host, v, e, attachment, body)
  elseif to.reference then
    S.answer_signal(to.reference, v, e)
  elseif to.failed then
    S.described(to.failed, v, e)
  end
end

-- Makes a process that is about to run its module body. `spawner` is told its PID, or why there is none.
function S.start_process(def, host, ctx, args, spawner)
  local p = new_process(def.id, host, ctx)
  pid_of(p)
  p.booting, p.limits = true, S.new_limits(S.host_limits(host))
  p.own = { spawner = spawner }
  local n = args.n
  for i = n, 1, -1 do args[i + 2] = args[i] end
  args[1], args[2], args.n = p, def, n + 2
  local t = S.new_task(p, process_main, args)
  S.live = S.live + 1
  S.ready(t)
  return p
end
S.new_process = new_process

-- Completion ---------------------------------------------------------------------------------------------------------

-- Past its first call plain stores only: cannot fail half way. `v` is data already.
local function finish(p, v, e)
  if p.dead then return end
  if p.pid then S.remove_process(p.pid) end   -- not to be found from now on
  p.xv, p.xe = v, e
  p.dead = true
  p.th, p.tt, p.pinned = false, false, false
  local tail = S.dying_tail
  if tail then tail.dnext = p else S.dying = p end
  S.dying_tail = p
  S.live = S.live - 1
end

S.finish = finish

-- The outcome of a process by what its main returned (spec 03 §2.3).
function S.complete(p, v, e)
  if type(e) == "string" then
    finish(p, nil, S.make_error("Internal", e, false))
  elseif e ~= nil and S.error_state(e) then
    finish(p, nil, S.boundary_error(e))
  else
    finish(p, v, nil)
  end
end

-- A value that could not be taken along becomes an error.
function S.no_value(reason)
  if reason == "not enough memory" then return S.out_of_memory end
  return S.make_error("Internal", S.error_text(reason), false)
end

function S.end_killed(p)
  local reason = p.killed
  if reason.upgrade then return S.renew(p, reason) end
  if reason.finished then return finish(p, nil, nil) end
  finish(p, nil, S.error_state(reason) and reason or S.failure("Internal", "process terminated"))
end

-- Ends a process from outside. The one that runs now ends at its next look at the flag.
function S.kill(p, reason)
  if p.dead then return end
  if S.task and S.cur == p then
    p.killed = p.killed or reason
  else
    p.killed = reason
    S.end_killed(p)
  end
end

function S.deadlocked(p)
  local own = p.own
  if own and (next(own.ops or {}) or next(own.calls or {})) then return end
  if own and own.steps then return finish(p, nil, S.became_idle) end
  finish(p, nil, S.make_error("Internal", "deadlock: all coroutines blocked with no pending operations (threads=" .. (p.nt & S.TASKS) .. ")", false))
end

local canceled = S.failure("Canceled", "context canceled")
S.canceled = canceled

local nothing = {}

-- Nobody waits for the outcome of a called process any more: it is told, and goes on.
function S.abandon(p)
  p.reply = false
  S.cancel_process(p.pid, "{|}", "caller context canceled")
end

-- Ends a call that nobody waits for any more. `callee`: what S.launch returned.
function S.cancel_call(callee)
  if callee.dead then return end
  if callee.queued_call then
    callee.dead = true
    if callee.started then S.cancel_call(callee.started) end
  elseif callee.away then
    callee.dead = true
    S.signal(callee.shard, "abandon", callee.away)
  elseif callee.instance or callee.own and callee.own.steps then
    S.kill(callee, canceled)
  else
    S.abandon(callee)
  end
end

local function stop_call(t)
  local callee = t.call
  if not callee then return end
  t.call = false
  S.cancel_call(callee)
end

local function run_hooks(p, hooks)
  for f in next, hooks or nothing do
    f(p)
    hooks[f] = nil
  end
end

-- Calls f(p) once when the process has ended, before anybody is told: outside of every task, and again after a failure. What
-- such a hook takes back belongs to the process and stays through an upgrade, as what stands in `own.kept` does.
function S.at_exit(p, f)
  local own = S.own(p)
  if not own.exits then own.exits = {} end
  own.exits[f] = true
end

-- The same when the code that runs now has ended, also by an upgrade.
function S.at_code_end(p, f)
  local own = S.own(p)
  if not own.code_ends then own.code_ends = {} end
  own.code_ends[f] = true
end

-- What a process's code has under way.
function S.release_code(p)
  if p.main then stop_call(p.main) end
  local own = p.own
  if not own then return end
  for _, t in next, own.tasks or nothing do stop_call(t) end
  for callee in next, own.calls or nothing do
    own.calls[callee] = nil
    S.cancel_call(callee)
  end
  run_hooks(p, own.code_ends)
  S.release_timers(own)
  S.release_subscriptions(p, own)
  S.release_operations(p, own)
end

local function release(p)
  S.release_code(p)
  local own = p.own
  if not own then return end
  S.release_names(p, own)
  S.tell_known(p, own)
  run_hooks(p, own.exits)
  S.report_end(p, own)
  if own.steps then
    S.counting = S.counting - 1
    own.steps = nil
  end
end

local function report(p)
  local e = p.xe
  if not e or p.booting and not (p.own and p.own.upgraded) then return end
  local own = p.own
  if own and own.trace then
    S.log_failure(p, e, own.trace)
    own.trace = nil
  end
end

local function attachment_of(own)
  if not own.attachment then return own.silent and "" or nil end
  local ok, text = pcall(own.attachment)
  return ok and text or own.silent and "" or nil
end

local MOST_AT_ONCE = 100              -- ended processes dealt with between two steps of living ones
local tries = 0                       -- failures of the first one in the list

local function next_dying()
  local p = S.dying
  local following = p.dnext
  S.dying = following
  if not following then S.dying_tail = false end
  p.dnext = false
  tries = 0
  S.burying = false
end

-- The end of the first dying process could not be told, for the first time or once more.
function S.give_up()
  tries = tries + 1
  if tries >= 5 then next_dying() end
end

-- Everything that follows from the end of a process, in the order of spec 03 §2.3.
function S.bury()
  for _ = 1, MOST_AT_ONCE do
    local p = S.dying
    if not p then break end
    S.burying = true
    report(p)
    release(p)
    if p.pid then S.count_ended(p) end
    if p.booting and not (p.own and p.own.upgraded) then
      local spawner = p.own and p.own.spawner
      if spawner then
        S.answer(spawner, nil, p.xe)
        p.own.spawner = nil
      end
      if p.relations then S.forget_relations(p) end
    elseif p.relations then
      S.tell_relations(p)
    end
    local reply = p.reply
    if reply then
      local own = p.own
      S.answer(reply, p.xv, p.xe, own and attachment_of(own), own and own.body)
      p.reply = false
    end
    if p.instance then S.return_instance(p) end
    p.env, p.main, p.mbox, p.ebox, p.inbox, p.events, p.listeners, p.own = nil, nil, nil, nil, nil, nil, nil, nil
    next_dying()
  end
end

-- Unhandled failures of guests are logged with the stack they left.
function S.log_failure(p, e, trace)
  local lines = {}
  for i = 1, #trace do
    local f = trace[i]
    lines[i] = f.source .. ":" .. f.line .. " in " .. f.name
  end
  S.emit_log("error", S.error_state(e).message, { pid = pid_of(p), entry = p.id, kind = S.error_state(e).kind, stack = table.concat(lines, "\n") })
end
