-- Guest module `contract` (spec 03 §10).
--
-- Definitions and bindings are fetched when first used and forgotten when their entries change. A binding as it was fetched has
-- a class of its own, whose methods are the declared ones: calling one is a call of the bound function, without the host.
local S, module, host = ...
local CONTRACT, INSTANCE = {}, {}
local type, rawget, setmetatable, select, next = type, rawget, setmetatable, select, next
local concat, find, sub, gmatch, gsub, match, char = table.concat, string.find, string.sub, string.gmatch, string.gsub, string.match, string.char
local bad_argument, copy, failure = S.bad_argument, S.copy, S.failure

local GET, OPEN, FIND, CALL = S.permission("contract.get"), S.permission("contract.open"), S.permission("contract.implementations"), S.permission("contract.call")
local CONTEXT, SECURITY, NETWORK = S.permission("contract.context"), S.permission("contract.security"), S.permission("network.select")

local definitions, bindings, defaults = S.entry_cache(), S.entry_cache(), S.entry_cache()

local function text(v, position, name)
  if type(v) ~= "string" then bad_argument(position, name, "string", v) end
  return v
end

-- `fetch` of an id, remembered until the entry changes.
local function known(cache, id, fetch)
  local found = cache[id]
  if found then return found end
  local err
  found, err = fetch(id)
  if not found then return nil, err end
  cache[id] = found
  return found
end

-- Instances ---------------------------------------------------------------------------------------------------------------

local function instance_of(v, name)
  return type(v) == "table" and rawget(v, INSTANCE) or bad_argument(1, name, "contract.Instance", v)
end

local function missing_keys(required, values)
  local missing = {}
  for i = 1, #required do
    if not values or values[required[i]] == nil then missing[#missing + 1] = required[i] end
  end
  if #missing == 0 then return nil end
  return failure("Invalid", "missing required context keys: [" .. concat(missing, ", ") .. "]")
end

-- The function bound to a method and the context it runs in, or nil and an error. A method is looked up in the binding of the
-- instance it is called on, whatever binding the guest took it from.
local function prepared(inst, name)
  if not S.cur.ctx.open then
    local denied = S.denied(CALL, name)
    if denied then return nil, denied end
  end
  local bound = inst.binding.methods[name]
  if not bound or not bound.target then
    return nil, failure("NotFound", "method '" .. name .. "' is not bound in '" .. inst.binding.id .. "'")
  end
  local ctx = S.builder_context(inst)
  if bound.required then
    local err = missing_keys(bound.required, ctx.values)
    if err then return nil, err end
  end
  return bound.target, ctx
end

local function caller(name)
  return function(self, ...)
    local inst = instance_of(self, name)
    local target, ctx = prepared(inst, name)
    if not target then return nil, ctx end
    return S.call_through(target, ctx, { n = select("#", ...), ... }, inst.options)
  end
end

local function starter(name)
  return function(self, ...)
    local inst = instance_of(self, name)
    local target, ctx = prepared(inst, name)
    if not target then return nil, ctx end
    return S.async_through(target, ctx, { n = select("#", ...), ... }, inst.options)
  end
end

local function fetch_binding(id)
  local binding, err = host.binding(id)
  if not binding then return nil, err end
  local methods = {}
  for name in next, binding.methods do methods[name .. "_async"] = starter(name) end
  for name in next, binding.methods do methods[name] = caller(name) end
  binding.class = S.handle_class("contract.Instance", methods)
  local implements = {}
  for _, contract in next, binding.contracts do implements[contract] = true end
  binding.implements = implements
  return binding
end

-- Opening -----------------------------------------------------------------------------------------------------------------

local function decoded(part)
  return (gsub(gsub(part, "%+", " "), "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

local function typed(v)
  if v == "true" then return true elseif v == "false" then return false end
  if match(v, "^[+-]?%d+$") or match(v, "^[+-]?%d*%.?%d+[eE]?[+-]?%d*$") or match(v, "^[+-]?%d+%.[eE]?[+-]?%d*$") then return tonumber(v) or v end
  return v
end

-- The id in `ns:name?k=v&...`, and its values; the first one of a name counts.
local function parsed(given)
  local mark = find(given, "?", 1, true)
  if not mark then return given, nil end
  local values = {}
  for pair in gmatch(sub(given, mark + 1), "[^&]+") do
    local key, v = match(pair, "^([^=]*)=?(.*)$")
    key = decoded(key)
    if key ~= "" and values[key] == nil then values[key] = typed(decoded(v)) end
  end
  return sub(given, 1, mark - 1), values
end

local function overlaid(values, more)
  if more then
    for k, v in S.raw_pairs(more) do values[k] = copy(v) end
  end
  return values
end

-- `contract`: what it is opened through, false when it is opened by its id alone.
local function open(contract, given, scope, options)
  local id, values = parsed(given)
  local denied = S.denied(OPEN, id)
  if denied then return nil, denied end
  local binding, err = known(bindings, id, fetch_binding)
  if not binding then return nil, err end
  if contract and not binding.implements[contract.id] then
    return nil, failure("Invalid", "binding '" .. id .. "' does not implement contract '" .. contract.id .. "'")
  end
  values = overlaid(overlaid(values or {}, contract and contract.values), scope)
  local inst = {
    binding = binding, values = values, options = options,
    actor = contract and contract.actor, scope = contract and contract.scope, base = false, made = false,
  }
  S.give_turn()
  return setmetatable({ [INSTANCE] = inst }, binding.class), nil
end

-- A copy of call options; they may select a network, which takes a permission.
local function checked_options(options, name)
  S.string_keys(options, name)
  local network = S.network_option(options)
  local denied = network and S.denied(NETWORK, network)
  if denied then return nil, denied end
  return copy(options)
end

function module.open(binding, scope, options)
  text(binding, 1, "open")
  if scope ~= nil then S.string_keys(scope, "open") end
  local kept, err
  if options ~= nil then
    kept, err = checked_options(options, "open")
    if not kept then return nil, err end
  end
  return open(false, binding, scope, kept)
end

-- Contracts -----------------------------------------------------------------------------------------------------------------

local methods = {}
local class = S.handle_class("contract.Contract", methods)

local function new_contract(state) return setmetatable({ [CONTRACT] = state }, class) end
local function contract_of(v, name)
  return type(v) == "table" and rawget(v, CONTRACT) or bad_argument(1, name, "contract.Contract", v)
end
local function changed(c, field, v)
  local state = { definition = c.definition, id = c.id, values = c.values, options = c.options, actor = c.actor, scope = c.scope }
  state[field] = v
  return new_contract(state)
end

function module.get(id)
  text(id, 1, "get")
  local denied = S.denied(GET, id)
  if denied then return nil, denied end
  local definition, err = known(definitions, id, host.definition)
  if not definition then return nil, err end
  return new_contract { definition = definition, id = id, values = {} }, nil
end

function methods:id() return contract_of(self, "id").id end
function methods:methods() return copy(contract_of(self, "methods").definition.methods) end
function methods:method(name)
  local c = contract_of(self, "method")
  text(name, 2, "method")
  for _, method in next, c.definition.methods do
    if method.name == name then return copy(method), nil end
  end
  return nil, failure("NotFound", "method '" .. name .. "' not found in contract '" .. c.id .. "'")
end

local function implementations(id)
  local denied = S.denied(FIND, id)
  if denied then return nil, denied end
  return host.implementations(id), nil
end
function module.find_implementations(id) return implementations(text(id, 1, "find_implementations")) end
function methods:implementations() return implementations(contract_of(self, "implementations").id) end

function methods:open(binding, scope)
  local c = contract_of(self, "open")
  if scope ~= nil then S.string_keys(scope, "open") end
  if binding == nil then
    local err
    binding, err = known(defaults, c.id, host.default_of)
    if not binding then return nil, err end
  end
  return open(c, text(binding, 2, "open"), scope, c.options)
end

function methods:with_context(values)
  local c = contract_of(self, "with_context")
  S.string_keys(values, "with_context")
  local denied = S.denied(CONTEXT)
  if denied then return nil, denied end
  return changed(c, "values", overlaid(copy(c.values), values))
end
function methods:with_actor(actor)
  local c, state = contract_of(self, "with_actor"), S.actor_state(actor, "with_actor")
  local denied = S.denied(SECURITY)
  if denied then return nil, denied end
  return changed(c, "actor", state)
end
function methods:with_scope(scope)
  local c, state = contract_of(self, "with_scope"), S.scope_state(scope, "with_scope")
  local denied = S.denied(SECURITY)
  if denied then return nil, denied end
  return changed(c, "scope", state)
end
function methods:with_options(options)
  local c = contract_of(self, "with_options")
  local kept, err = checked_options(options, "with_options")
  if not kept then return nil, err end
  return changed(c, "options", kept)
end

function module.is(instance, id)
  local inst = type(instance) == "table" and rawget(instance, INSTANCE)
  if not inst then
    if S.base.type(instance) ~= "userdata" then bad_argument(1, "is", "contract.Instance", instance) end
    return false
  end
  return inst.binding.implements[text(id, 2, "is")] == true
end

return module
