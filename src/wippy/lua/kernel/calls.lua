-- Calls: from an id and a context to a running callee, a function or a process that has a default host (spec 03 §6).
local S = ...
local match = string.match
local failure, copy_args, definitions = S.failure, S.copy_args, S.definitions
local CALL = S.permission("funcs.call")

local function check_id(id)
  if id == "" then return failure("Invalid", "function ID required") end
  local ns, name = match(id, "^(.-):(.*)$")
  if not ns or ns == "" then return failure("Invalid", "namespace required in function ID") end
  if name == "" then return failure("Invalid", "name required in function ID") end
  return nil
end

-- The definition of what can be called under an id, or nil and an error.
local function target(id)
  local def = definitions[id]
  if def and def.pool then return def end
  local err
  def, err = S.definition(id)
  if not def and err and S.error_state(err).kind ~= "NotFound" then return nil, err end
  if not def or not def.pool and not def.call_host then return nil, failure("NotFound", "no handler registered for target") end
  return def
end
S.call_target = target

function S.launch(def, ctx, args, reply, request)
  if def.secured then
    local err
    ctx, err = S.own_context(def.id, ctx)
    if not ctx then return nil, err end
  end
  if def.pool then return S.begin_call(def, ctx, args, reply, request) end
  return S.run_process(def.id, def.call_host, ctx, args, reply)
end

-- The network that options select; no path falls back to a direct connection (spec 05 §12).
function S.network_option(options)
  local id = S.raw_index(options, "network")
  if id == nil or id == "" then return nil end
  return S.error_text(id)
end
function S.no_network(id) return failure("NotFound", "network not found: " .. id) end

-- Starts a call whose answer goes to `reply`; what can be ended is returned, or nil and an error.
local function start_call(id, ctx, args, reply, options, request)
  local def, err = target(id)
  if not def then return nil, err end
  local network = options and S.network_option(options)
  if network then return nil, S.no_network(network) end
  if options or def.options then
    local plan
    plan, err = S.call_plan(def, options)
    if plan == nil then return nil, err end
    if plan then return S.start_attempts(def, ctx, args, reply, plan, request) end
  end
  return S.launch(def, ctx, args, reply, request)
end
S.start_call = start_call


-- What every call looks at first: the id, then the permission of the running process.
local function refusal(id)
  if not definitions[id] then
    local err = check_id(id)
    if err then return err end
  end
  if S.cur.ctx.open then return nil end
  return S.denied(CALL, id)
end

-- Calls without asking for funcs.call: contracts have a permission of their own. Suspends until the result is there.
function S.call_through(id, ctx, args, options)
  copy_args(args)
  local t = S.task
  S.check_park()
  local callee, err = start_call(id, ctx, args, t, options)
  if not callee then return nil, err end
  if not callee.dead then t.call = callee end
  return S.park()
end

-- As call_through, with a future.
function S.async_through(id, ctx, args, options)
  local def, full = target(id)
  if not def then return nil, full end
  local room
  room, full = S.await_room(def)
  if not room then return nil, full end
  copy_args(args)
  local p = S.cur
  local f = S.new_future(p)
  local callee, err = start_call(id, ctx, args, f, options)
  if not callee then return nil, err end
  f.callee = callee
  -- An async of a function lives as long as the root caller does; one of evaluated code as long as that.
  local root = p
  while not (root.own and root.own.steps) do
    local waiting = S.waiting_task(root.reply)
    if not waiting or waiting.p.dead then break end
    root = waiting.p
  end
  f.root = root
  local own = S.own(root)
  if not own.calls then own.calls = {} end
  own.calls[callee] = true
  S.give_turn()
  return f.handle
end

function S.call(id, ctx, args, options)
  local err = refusal(id)
  if err then return nil, err end
  return S.call_through(id, ctx, args, options)
end

function S.async(id, ctx, args, options)
  local err = refusal(id)
  if err then return nil, err end
  return S.async_through(id, ctx, args, options)
end
