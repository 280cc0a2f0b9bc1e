-- Options of calls: repeating failed ones, and a time limit (spec 03 §6). One mechanism for executors, contracts and the
-- `meta.options` of entries, whoever calls: it stands between a callee and whoever waits for it.
--
-- An `attempts` record is the callee's `reply` and, for the caller, the callee: ending it ends the running attempt. It is made
-- only for calls that have such options.
local S = ...
local type, error, pcall = type, error, pcall
local failure = S.failure
local MILLISECOND = 1000000

local NEVER = { Invalid = true, PermissionDenied = true, Internal = true }   -- unless listed in retry_kinds

local function invalid(name, want) error(failure("Invalid", "call option " .. name .. " must be " .. want), 0) end

local function number(options, name, standard, least)
  local v = S.raw_index(options, name)
  if v == nil then return standard end
  if type(v) ~= "number" or not (v >= least and v < math.huge) then invalid("retry." .. name, "a number of at least " .. least) end
  return v
end

-- Nanoseconds of a number of milliseconds or a duration text.
local function span(v, name, standard)
  if v == nil then return standard end
  if type(v) == "number" and v >= 0 and v < 1e12 then return S.int(v * MILLISECOND) end
  if type(v) == "string" then S.module("time") end             -- brings S.duration
  local found = type(v) == "string" and S.duration(v)
  if not found or found < 0 then invalid(name, "milliseconds or a duration") end
  return found
end

local function kinds(options, name)
  local list, set = S.raw_index(options, name), {}
  if list == nil then return set end
  if type(list) ~= "table" or S.class_of(list) == "handle" then invalid("retry." .. name, "a list of error kinds") end
  for _, kind in S.raw_pairs(list) do
    if type(kind) ~= "string" then invalid("retry." .. name, "a list of error kinds") end
    set[kind] = true
  end
  return set
end

local function plan_of(retry, timeout)
  local plan = { most = 1, timeout = span(timeout, "timeout", 0) }
  if retry ~= nil then
    if type(retry) ~= "table" or S.class_of(retry) == "handle" then invalid("retry", "a table") end
    plan.most = number(retry, "max_attempts", 1, 0)
    plan.first = span(S.raw_index(retry, "initial_delay"), "retry.initial_delay", 100 * MILLISECOND)
    plan.longest = span(S.raw_index(retry, "max_delay"), "retry.max_delay", 10000 * MILLISECOND)
    plan.factor = number(retry, "backoff_factor", 2.0, 0)
    plan.jitter = number(retry, "jitter", 0.1, 0)
    plan.also, plan.skip = kinds(retry, "retry_kinds"), kinds(retry, "skip_kinds")
  end
  return (plan.most > 1 or plan.timeout > 0) and plan or false
end

-- What the options ask for: a plan, false for nothing, or nil and an error. The entry's own, key by key overlaid by the call's.
-- Options belong to an executor or a contract, which never change: the plan is remembered with them.
local PLAN, PLANNED = {}, {}
function S.call_plan(def, options)
  local base = def.options
  if not options then
    if not base then return false end
    if def.plan ~= nil then return def.plan end
  elseif options[PLANNED] == def then
    return options[PLAN]
  end
  local retry, timeout = options and S.raw_index(options, "retry"), options and S.raw_index(options, "timeout")
  if retry == nil and base then retry = S.raw_index(base, "retry") end
  if timeout == nil and base then timeout = S.raw_index(base, "timeout") end
  if retry == nil and timeout == nil then return false end
  local ok, plan = pcall(plan_of, retry, timeout)
  if not ok then
    if S.error_state(plan) then return nil, plan end
    error(plan, 0)
  end
  if options then options[PLANNED], options[PLAN] = def, plan else def.plan = plan end
  return plan
end

-- Attempts ------------------------------------------------------------------------------------------------------------------

local function worth_it(e, plan)
  local state = S.error_state(e)
  local kind, retryable = state.kind, state.retryable
  if kind == "Canceled" or retryable == false or plan.skip[kind] then return false end
  return plan.also[kind] or not NEVER[kind]
end

-- The wait before attempt k + 1: initial * factor^(k-1), at most max, give or take the jitter.
local function delay(plan, k)
  local wait = plan.first * plan.factor ^ (k - 1)
  if not (wait < plan.longest) then wait = plan.longest end
  local u = (S.seed() >> 11) * 2.0 ^ -53
  wait = wait * (1 + plan.jitter * (2 * u - 1))
  return wait > 0 and S.int(wait) or 0
end

local function settle(a, v, e, attachment, body)
  S.answer(a.reply, v, e, attachment, body)
  a.dead = true
  if a.deadline then S.stop_timer(a.deadline) end
end

local function start(a)
  local args = a.args
  if a.plan.most > 1 then                                      -- a callee may change what it was given
    args = { n = args.n }
    for i = 1, args.n do args[i] = a.args[i] end
    S.copy_args(args)
  end
  local def, err = S.call_target(a.id)
  if not def then return settle(a, nil, err) end
  a.count = a.count + 1
  local callee
  callee, err = S.launch(def, a.ctx, args, a, a.request)
  if not callee then return settle(a, nil, err) end
  a.started = callee
end

local function again(a)
  if a.dead then return end
  local ok, e = pcall(start, a)
  if not ok then settle(a, nil, S.no_value(e)) end
end

-- The answer of an attempt. A callee that has handed something over already (a response that was begun) is not repeated.
function S.attempt_ended(a, v, e, attachment, body)
  if a.dead then return end
  local plan = a.plan
  if e ~= nil and a.count < plan.most and (not attachment or attachment == "") and worth_it(e, plan) then
    S.call_later(a, delay(plan, a.count), function() again(a) end)
    a.started = false
  else
    settle(a, v, e, attachment, body)
  end
end

local function out_of_time(a)
  if a.dead then return end
  local running = a.started
  settle(a, nil, S.make_error("Timeout", "function call timed out", true))
  if running then S.cancel_call(running) end
end

-- Starts a call with a plan; what is returned stands for the callee. Timers count it as their owner: it has `dead`.
function S.start_attempts(def, ctx, args, reply, plan, request)
  local a = {
    attempts = true, queued_call = true, dead = false, started = false, deadline = false, count = 0,
    id = def.id, ctx = ctx, args = args, reply = reply, plan = plan, request = request,
  }
  if plan.timeout > 0 then a.deadline = S.call_later(a, plan.timeout, function() out_of_time(a) end) end
  start(a)
  return a
end

-- The task that waits for a reply, through attempts; nil when it is not a task of this shard.
function S.waiting_task(reply)
  while reply and reply.attempts do reply = reply.reply end
  return reply and reply.co and reply or nil
end
