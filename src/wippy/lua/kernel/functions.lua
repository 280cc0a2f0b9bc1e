-- Functions: pools of instances, and futures (spec 03 §6).
--
-- An instance is an environment whose module body has run and the method found in it; it serves one call at a time and is
-- reused. A call is a process record whose `reply` is the waiting task, a future or a request of the host.
local S = ...
local FUTURE, DONE, co_yield = S.FUTURE, S.DONE, coroutine.yield
local unpack = table.unpack
local type, rawget, setmetatable, select = type, rawget, setmetatable, select
local failure, new_process, ready = S.failure, S.new_process, S.ready
local outcome, no_scalar = S.outcome, S.no_scalar

-- A request's handler that returns nothing at all, not even nil, has not answered (spec 05 §2.3).
local function answered(p, ...)
  if select("#", ...) == 0 then S.own(p).silent = true end
  local v, e = ...
  if no_scalar[type(v)] then v = outcome(v, e) end
  return v, e
end

local function serve(p, args)
  local instance = p.instance
  local f = instance.f
  if not f then
    p.booting = true
    instance.env, f = S.instantiate(p, instance.def)
    p.booting = false
    instance.f = f
  end
  local own = p.own
  local v, e
  if own and own.request then
    v, e = answered(p, f(unpack(args, 1, args.n)))
  else
    v, e = f(unpack(args, 1, args.n))
    if no_scalar[type(v)] then v = outcome(v, e) end
  end
  return v, e
end

-- What an instance's coroutine runs: one call, then, as a tail call, the next. A coroutine for every call made a call of
-- 4.4 us one of 4.9.
local function function_main(p, args) return function_main(co_yield(DONE, serve(p, args))) end

-- Starts a call on an instance of a pool (pools.lua).
local function start(def, instance, ctx, args, reply, request)
  local p = new_process(def.id, def.pid_host, ctx)
  p.env, p.instance, p.reply, p.limits = instance.env, instance, reply, def.limits and S.new_limits(def.limits)
  instance.def = def
  if request then S.own(p).request = request end
  local t = S.new_task(p, function_main, nil, instance.co)
  t.start, t.a, t.b = false, p, args
  instance.co = false
  S.live = S.live + 1
  ready(t)
  return p
end

S.start_call_on = start

-- Futures ------------------------------------------------------------------------------------------------------------

local future_methods = {}
local future_meta = S.handle_class("funcs.Future", future_methods)

local function future_of(v, name)
  local f = type(v) == "table" and rawget(v, FUTURE) or nil
  if not f then S.bad_argument(1, name, "future", v) end
  return f
end

function S.new_future(owner)
  local f = { future = true, owner = owner, root = false, callee = false, done = false, canceled = false, value = nil, error = nil, channel = S.new_channel(1) }
  f.handle = setmetatable({ [FUTURE] = f }, future_meta)
  return f
end

function S.complete_future(f, v, e)
  local own = f.root and f.root.own
  if own and own.calls and f.callee then own.calls[f.callee] = nil end
  if f.canceled or f.owner.dead then return end
  if not f.done then
    local item = e
    if e == nil then item = S.new_payload(v) end
    S.offer(f.channel, item)
    f.value, f.error, f.done = v, e, true
  end
  S.close_channel(f.channel)
end

function future_methods:response() return future_of(self, "response").channel.h end
future_methods.channel = future_methods.response
function future_methods:is_complete() return future_of(self, "is_complete").done end
function future_methods:is_canceled() return future_of(self, "is_canceled").canceled end
function future_methods:result()
  local f = future_of(self, "result")
  if f.canceled then return nil, failure("Canceled", "canceled") end
  if not f.done then return nil, nil end
  if f.error ~= nil then return nil, f.error end
  return S.new_payload(f.value), nil
end
function future_methods:error()
  local f = future_of(self, "error")
  if not f.done or f.error == nil then return nil, false end
  local e = S.error_state(f.error)
  return S.make_error("Internal", "async call failed: " .. e.message, e.retryable, e.details), true
end
function future_methods:cancel()
  local f = future_of(self, "cancel")
  if f.done or f.canceled then return true end
  f.canceled = true
  S.close_channel(f.channel)
  local callee = f.callee
  if callee then S.cancel_call(callee) end
  return true
end
