-- The guest module `funcs`: calls and executors (spec 03 §6).
local S = ...
local type, select, rawget, setmetatable = type, select, rawget, setmetatable
local bad_argument, copy, builder_context = S.bad_argument, S.copy, S.builder_context

local function pack(...) return { n = select("#", ...), ... } end

local funcs = {}
local EXECUTOR = {}
local methods = {}
local class = S.handle_class("funcs.Executor", methods)

local CONTEXT, SECURITY, NETWORK = S.permission("funcs.context"), S.permission("funcs.security"), S.permission("network.select")

local function function_id(id, name)
  if type(id) ~= "string" then bad_argument(1, name, "string", id) end
  return id
end

function funcs.call(id, ...) return S.call(function_id(id, "call"), S.cur.ctx, pack(...)) end
function funcs.async(id, ...) return S.async(function_id(id, "async"), S.cur.ctx, pack(...)) end

local function executor(values, options, actor, scope)
  local state = { values = values, options = options, actor = actor, scope = scope, base = false, made = false }
  return setmetatable({ [EXECUTOR] = state }, class)
end

local function executor_of(v, name)
  return type(v) == "table" and rawget(v, EXECUTOR) or bad_argument(1, name, "executor", v)
end

function funcs.new() return executor({}) end

function methods:with_context(values)
  local e = executor_of(self, "with_context")
  S.string_keys(values, "with_context")
  local denied = S.denied(CONTEXT)
  if denied then return nil, denied end
  local all = copy(e.values)
  for k, v in S.raw_pairs(values) do all[k] = copy(v) end
  return executor(all, e.options, e.actor, e.scope)
end

-- The identity of calls: permission failures are returned, wrong types raise.
function methods:with_actor(actor)
  local e = executor_of(self, "with_actor")
  local state = S.actor_state(actor, "with_actor")
  local denied = S.denied(SECURITY)
  if denied then return nil, denied end
  return executor(e.values, e.options, state, e.scope)
end
function methods:with_scope(scope)
  local e = executor_of(self, "with_scope")
  local state = S.scope_state(scope, "with_scope")
  local denied = S.denied(SECURITY)
  if denied then return nil, denied end
  return executor(e.values, e.options, e.actor, state)
end

function methods:with_options(options)
  local e = executor_of(self, "with_options")
  S.string_keys(options, "with_options")
  local network = S.network_option(options)
  local denied = network and S.denied(NETWORK, network)
  if denied then return nil, denied end
  return executor(e.values, copy(options), e.actor, e.scope)
end

function methods:call(id, ...)
  local e = executor_of(self, "call")
  return S.call(function_id(id, "call"), builder_context(e), pack(...), e.options)
end
function methods:async(id, ...)
  local e = executor_of(self, "async")
  return S.async(function_id(id, "async"), builder_context(e), pack(...), e.options)
end
S.kernel_modules.funcs = funcs
