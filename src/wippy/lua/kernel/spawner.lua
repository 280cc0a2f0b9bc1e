-- process.spawn and its variants, process.exec, and the builder that spawns under another name, context or identity
-- (spec 03 §3.2, §3.9).
local S = ...
local type, next, select, rawget, raise, setmetatable = type, next, select, rawget, S.raise, setmetatable
local failure, bad_argument, copy, permission, string_keys = S.failure, S.bad_argument, S.copy, S.permission, S.string_keys
local match, byte, unpack = string.match, string.byte, table.unpack

local process = {}
S.process_library = process

local function pack(...) return { n = select("#", ...), ... } end

local function text(v, position, name)
  if type(v) ~= "string" then bad_argument(position, name, "string", v) end
  return v
end

-- The spawn variants: what they relate, and whether process.host is asked for (spec 05 §11: by process.spawn and exec alone).
local VARIANTS = {
  spawn = { host = true, start = false },
  spawn_monitored = { start = { monitor = true } },
  spawn_linked = { start = { link = true } },
  spawn_linked_monitored = { start = { monitor = true, link = true } },
}
local SPAWN, HOST, EXEC = permission("process.spawn"), permission("process.host"), permission("process.exec")
local SPAWN_MONITORED, SPAWN_LINKED = permission("process.spawn.monitored"), permission("process.spawn.linked")

local function refusal(variant, s, id, host)
  local err, start = S.denied(SPAWN, id), variant.start
  if not err and variant.host and not s then err = S.denied(HOST, host) end
  if not err and start and start.monitor then err = S.denied(SPAWN_MONITORED, id) end
  if not err and start and start.link then err = S.denied(SPAWN_LINKED, id) end
  return err
end

-- What a process starts with by the variant and the spawner; nil when that is nothing.
local function start_of(start, s)
  if not s or not s.name and not s.messages then return start or nil end
  return { monitor = start and start.monitor, link = start and start.link, name = s.name, messages = s.messages }
end

-- Both answer a value, or nil, an error and whether it is a denial.
local function spawn(name, variant, s, id, host, args)
  text(id, 1, name)
  text(host, 2, name)
  local denied = refusal(variant, s, id, host)
  if denied then return nil, denied, true end
  local ctx = s and S.builder_context(s) or S.cur.ctx
  return S.spawn(id, host, ctx, args, start_of(variant.start, s))
end

local function exec(s, id, host, args)
  text(id, 1, "exec")
  text(host, 2, "exec")
  local denied = S.denied(EXEC, id) or S.denied(HOST, host)
  if denied then return nil, denied, true end
  local ns, entry = match(id, "^(.-):(.*)$")
  if not ns or ns == "" or entry == "" then return nil, failure("Invalid", "process id must be namespace:name") end
  return S.exec(id, host, s and S.builder_context(s) or S.cur.ctx, args)
end

local function missing(name) return name .. " requires at least id and host arguments" end

for name, variant in next, VARIANTS do
  process[name] = function(id, host, ...)
    if id == nil or host == nil then return nil, failure("Invalid", missing(name)) end
    local pid, err = spawn(name, variant, nil, id, host, pack(...))
    return pid, err
  end
end

function process.exec(id, host, ...)
  if id == nil or host == nil then return nil, failure("Invalid", missing("exec")) end
  local v, err = exec(nil, id, host, pack(...))
  return v, err
end

-- The builder: {values, options, actor, scope, name, messages}, never changed ----------------------------------------------

local SPAWNER = {}
local methods = {}
local class = S.handle_class("process.Spawner", methods)

local function spawner_of(v, name)
  local s = type(v) == "table" and rawget(v, SPAWNER) or nil
  if not s then bad_argument(1, name, "spawner", v) end
  return s
end

-- A spawner like `s` with one field changed.
local function with(s, field, value)
  local state = {
    values = s.values, options = s.options, actor = s.actor, scope = s.scope, name = s.name, messages = s.messages,
  }
  state[field] = value
  return setmetatable({ [SPAWNER] = state }, class)
end

local function overlaid(base, values)
  local all = copy(base)
  for k, v in S.raw_pairs(values) do all[k] = copy(v) end
  return all
end

local CONTEXT, SECURITY, NETWORK = permission("process.context"), permission("process.security"), permission("network.select")
local REGISTER = permission("process.registry.register")
local function context_allowed() S.require_permission(CONTEXT, nil, 3) end
local function security_allowed() S.require_permission(SECURITY, nil, 3) end
local function network_allowed(options)
  local network = S.network_option(options)
  if network then S.require_permission(NETWORK, network, 3) end
end

local EMPTY = { values = {} }

function process.with_context(values)
  string_keys(values, "with_context")
  context_allowed()
  return with(EMPTY, "values", overlaid({}, values))
end
function process.with_options(options)
  string_keys(options, "with_options")
  context_allowed()
  network_allowed(options)
  return with(EMPTY, "options", overlaid({}, options))
end

function methods:with_context(values)
  local s = spawner_of(self, "with_context")
  string_keys(values, "with_context")
  context_allowed()
  if s.actor or s.scope then security_allowed() end
  return with(s, "values", overlaid(s.values, values))
end
function methods:with_options(options)
  local s = spawner_of(self, "with_options")
  string_keys(options, "with_options")
  context_allowed()
  network_allowed(options)
  return with(s, "options", overlaid(s.options or {}, options))
end
for field, state_of in next, { actor = S.actor_state, scope = S.scope_state } do
  local name = "with_" .. field
  methods[name] = function(self, handle)
    local s = spawner_of(self, name)
    local state = state_of(handle, name)
    security_allowed()
    return with(s, field, state)
  end
end

function methods:with_name(name)
  local s = spawner_of(self, "with_name")
  text(name, 1, "with_name")
  if name == "" then raise("bad argument #1 to with_name (name cannot be empty)") end
  S.require_permission(REGISTER, name, 2)
  return with(s, "name", name)
end

function methods:with_message(topic, ...)
  local s = spawner_of(self, "with_message")
  text(topic, 1, "with_message")
  if byte(topic, 1) == 64 then raise("cannot send to @ topics") end
  local messages = { unpack(s.messages or {}) }
  messages[#messages + 1] = { topic = topic, args = S.copy_args(pack(...)) }
  return with(s, "messages", messages)
end

-- Where the module functions return a failure, these raise it (spec 03 §3.9); what the runtime finds out is returned.
local function raising(v, err, denied)
  if denied then raise(S.error_state(err).message) end
  return v, err
end

local function method(name, perform)
  methods[name] = function(self, id, host, ...)
    local s = spawner_of(self, name)
    if id == nil or host == nil then raise(missing(name)) end
    local network = s.options and S.network_option(s.options)
    if network then return nil, S.no_network(network) end
    local v, err = raising(perform(s, id, host, pack(...)))
    return v, err
  end
end
for name, variant in next, VARIANTS do
  method(name, function(s, id, host, args) return spawn(name, variant, s, id, host, args) end)
end
method("exec", exec)
