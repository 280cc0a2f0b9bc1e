-- The guest modules that are the kernel's own face: process, ctx, payload, events (spec 03 §3, §7-8).
local S = ...
local type, next, select, rawget, error, setmetatable = type, next, select, rawget, error, setmetatable
local failure, bad_argument, copy = S.failure, S.bad_argument, S.copy
local find_process = S.find_process

local function pack(...) return { n = select("#", ...), ... } end

local function text(v, position, name)
  if type(v) ~= "string" then bad_argument(position, name, "string", v, 4) end
  return v
end

-- process ----------------------------------------------------------------------------------------------------------------

local process = { event = S.library { CANCEL = S.CANCEL, EXIT = S.EXIT, LINK_DOWN = S.LINK_DOWN, OUTDATED = "pid.outdated" } }

function process.id() return S.cur.id end
function process.pid() return S.cur.pid or S.pid_of(S.cur) end
process.send, process.inbox, process.events = S.send, S.inbox, S.events
process.listen, process.unlisten = S.listen, S.unlisten

-- The spawn variants: what they relate, and the permissions they ask for besides process.spawn.
local VARIANTS = {
  spawn = { host = true },
  spawn_monitored = { monitor = true },
  spawn_linked = { link = true },
  spawn_linked_monitored = { monitor = true, link = true },
}

local permission = S.permission
local SPAWN, HOST, EXEC = permission("process.spawn"), permission("process.host"), permission("process.exec")
local SPAWN_MONITORED, SPAWN_LINKED = permission("process.spawn.monitored"), permission("process.spawn.linked")

-- process.host is asked for by process.spawn and process.exec alone (spec 05 §11).
local function refusal(relations, id, host)
  local err = S.denied(SPAWN, id)
  if not err and relations.host then err = S.denied(HOST, host) end
  if not err and relations.monitor then err = S.denied(SPAWN_MONITORED, id) end
  if not err and relations.link then err = S.denied(SPAWN_LINKED, id) end
  return err
end

local function spawn(name, relations, ctx, id, host, ...)
  if id == nil or host == nil then
    return nil, failure("Invalid", name .. " requires at least id and host arguments")
  end
  text(id, 1, name)
  text(host, 2, name)
  local denied = refusal(relations, id, host)
  if denied then return nil, denied end
  return S.spawn(id, host, ctx, pack(...), (relations.monitor or relations.link) and relations or nil)
end

for name, relations in next, VARIANTS do
  process[name] = function(id, host, ...) return spawn(name, relations, S.cur.ctx, id, host, ...) end
end

function process.exec(id, host, ...)
  if id == nil or host == nil then return nil, failure("Invalid", "exec requires at least id and host arguments") end
  text(id, 1, "exec")
  text(host, 2, "exec")
  local denied = S.denied(EXEC, id) or S.denied(HOST, host)
  if denied then return nil, denied end
  local ns, entry = string.match(id, "^(.-):(.*)$")
  if not ns or ns == "" or entry == "" then return nil, failure("Invalid", "process id must be namespace:name") end
  local info, err = S.host(host)
  if not info then return nil, err end
  local def
  def, err = S.definition(id)
  if not def then return nil, err end
  local p = S.cur
  S.check_park()
  local child = S.start_process(def, host, p.ctx, S.copy_args(pack(...)), nil)
  child.reply = S.task
  return S.park()
end

-- Asks the target's shard, which may be this one. Answers true, or nil and a text.
local function ask(kind, here, pid, ...)
  if find_process(pid) or not S.is_away(pid) then return here(pid, ...) end
  return S.ask(pid, kind, ...)
end

local function control(verb, perform)
  local needed = permission("process." .. verb)
  return function(dest, ...)
    text(dest, 1, verb)
    local pid, err = S.resolve(dest)
    if not pid then return nil, S.make_error("Internal", verb .. " failed: " .. S.error_state(err).message, false) end
    err = S.denied(needed, pid, nil, dest)
    if err then return nil, err end
    local ok, why = perform(pid, ...)
    if S.cur.killed then S.die() end
    if ok then
      S.give_turn()
      return true
    end
    return nil, failure("Internal", verb .. " failed: " .. (why or "process not found"))
  end
end

local function own_pid() return S.cur.pid or S.pid_of(S.cur) end

process.cancel = control("cancel", function(pid, reason)
  if reason == nil then reason = "" elseif type(reason) ~= "string" then reason = S.base.tostring(reason) end
  return ask("cancel", S.cancel_process, pid, own_pid(), reason)
end)
process.terminate = control("terminate", function(pid) return ask("terminate", S.terminate_process, pid) end)
process.monitor = control("monitor", function(pid)
  local mine = S.relations_of(S.cur)
  if mine.watching[pid] then return nil, "already monitoring pid " .. pid end
  mine.watching[pid] = true
  local ok, why = ask("watch", S.watch, pid, own_pid())
  if not ok then mine.watching[pid] = nil end
  return ok, why
end)
process.link = control("link", function(pid)
  local mine = S.relations_of(S.cur)
  if mine.links[pid] then return true end
  mine.links[pid] = true
  local ok, why = ask("link", S.join_link, pid, own_pid())
  if not ok then mine.links[pid] = nil end
  return ok, why
end)

local function undo(verb, table_name, kind, here)
  local needed = permission("process." .. verb)
  return function(dest)
    text(dest, 1, verb)
    local pid = S.resolve(dest)
    local denied = S.denied(needed, pid or dest, nil, dest)
    if denied then return nil, denied end
    local mine = S.cur.relations
    if pid and mine then
      mine[table_name][pid] = nil
      if find_process(pid) then here(pid, own_pid()) elseif S.is_away(pid) then S.signal(pid, kind, own_pid()) end
    end
    return true
  end
end
process.unmonitor = undo("unmonitor", "watching", "unwatch", S.unwatch)
process.unlink = undo("unlink", "links", "unlink", S.drop_link)

function process.get_options()
  return { trap_links = S.cur.trap, upgradable = S.own(S.cur).upgradable == true }
end

function process.set_options(options)
  if type(options) ~= "table" or S.class_of(options) == "handle" then
    return false, failure("Invalid", "options parameter must be a table")
  end
  for k, v in S.raw_pairs(options) do
    if k ~= "trap_links" and k ~= "upgradable" then
      return false, failure("Invalid", "option " .. S.base.tostring(k) .. " is not supported")
    end
    if type(v) ~= "boolean" then return false, failure("Invalid", k .. " must be a boolean") end
  end
  local trap, upgradable = S.raw_index(options, "trap_links"), S.raw_index(options, "upgradable")
  if trap ~= nil then S.cur.trap = trap end
  if upgradable ~= nil then S.own(S.cur).upgradable = upgradable end
  return true
end

-- Names

local registry = { LOCAL = 0, EVENTUAL = 1, CONSISTENT = 2, STRONG = 3 }
local REGISTER, UNREGISTER = {}, {}   -- permissions by scope
for level, scope in next, { [0] = "", [1] = ".eventual", [2] = ".consistent", [3] = ".strong" } do
  REGISTER[level], UNREGISTER[level] = permission("process.registry.register" .. scope), permission("process.registry.unregister" .. scope)
end
local FOREIGN = permission("process.registry.foreign")
local UNAVAILABLE = { [1] = "eventual registry not available", [2] = "global registry not available", [3] = "global registry not available" }

local function scope_of(scope)
  if scope == nil then return 0 end
  if type(scope) ~= "number" or not REGISTER[S.int(scope)] then return nil, failure("Invalid", "scope must be one of the registry constants") end
  return S.int(scope)
end

function registry.register(name, pid, scope)
  text(name, 1, "register")
  local mine = own_pid()
  if pid == nil then pid = mine end
  if type(pid) ~= "string" then return nil, failure("Invalid", "pid must be a string") end
  if string.sub(pid, 1, 1) ~= "{" or string.sub(pid, -1) ~= "}" then return nil, failure("Invalid", "invalid pid format: missing braces") end
  if not string.find(pid, "|", 1, true) then return nil, failure("Invalid", "invalid pid format: missing pipe") end
  local level, err = scope_of(scope)
  if not level then return nil, err end
  err = S.denied(REGISTER[level], name) or pid ~= mine and S.denied(FOREIGN, pid)
  if err then return nil, err end
  if level > 0 then return nil, failure("Internal", UNAVAILABLE[level]) end
  return S.register_name(name, pid)
end

function registry.lookup(name)
  local pid = S.lookup_name(text(name, 1, "lookup"))
  if pid then return pid end
  return nil, failure("NotFound", "name not registered")
end

function registry.unregister(name, scope)
  text(name, 1, "unregister")
  local level, err = scope_of(scope)
  if not level then return false, err end
  err = S.denied(UNREGISTER[level], name)
  if err then return false, err end
  if level ~= 0 then return false end
  return S.unregister_name(name)
end
process.registry = S.library(registry)

-- Contexts

local string_keys = S.string_keys

local SPAWNER = {}
local spawner_methods = {}
local spawner_class = S.handle_class("process.Spawner", spawner_methods)

local function builder(state) return setmetatable({ [SPAWNER] = state }, spawner_class) end
local function spawner_of(v, name)
  local s = type(v) == "table" and rawget(v, SPAWNER) or nil
  if not s then bad_argument(1, name, "spawner", v, 4) end
  return s
end
local CONTEXT, SECURITY, NETWORK = permission("process.context"), permission("process.security"), permission("network.select")
local function context_allowed() S.require_permission(CONTEXT, nil, 3) end
local function security_allowed() S.require_permission(SECURITY, nil, 3) end
local function network_allowed(options)
  local network = S.network_option(options)
  if network then S.require_permission(NETWORK, network, 3) end
end

function process.with_context(values)
  string_keys(values, "with_context")
  context_allowed()
  return builder { values = copy(values) }
end
function process.with_options(options)
  string_keys(options, "with_options")
  context_allowed()
  network_allowed(options)
  return builder { values = {}, options = copy(options) }
end
function spawner_methods:with_context(values)
  local s = spawner_of(self, "with_context")
  string_keys(values, "with_context")
  context_allowed()
  if s.actor or s.scope then security_allowed() end
  local all = copy(s.values)
  for k, v in S.raw_pairs(values) do all[k] = copy(v) end
  return builder { values = all, options = s.options, actor = s.actor, scope = s.scope }
end
function spawner_methods:with_options(options)
  local s = spawner_of(self, "with_options")
  string_keys(options, "with_options")
  context_allowed()
  network_allowed(options)
  local all = copy(s.options or {})
  for k, v in S.raw_pairs(options) do all[k] = copy(v) end
  return builder { values = s.values, options = all, actor = s.actor, scope = s.scope }
end
function spawner_methods:with_actor(actor)
  local s = spawner_of(self, "with_actor")
  actor = S.actor_state(actor, "with_actor")
  security_allowed()
  return builder { values = s.values, options = s.options, actor = actor, scope = s.scope }
end
function spawner_methods:with_scope(scope)
  local s = spawner_of(self, "with_scope")
  scope = S.scope_state(scope, "with_scope")
  security_allowed()
  return builder { values = s.values, options = s.options, actor = s.actor, scope = scope }
end
for name, variant in next, VARIANTS do
  local relations = { monitor = variant.monitor, link = variant.link }
  spawner_methods[name] = function(self, id, host, ...)
    local s = spawner_of(self, name)
    if id == nil or host == nil then error(name .. " requires at least id and host arguments", 2) end
    local network = s.options and S.network_option(s.options)
    if network then return nil, S.no_network(network) end
    local pid, err = spawn(name, relations, S.builder_context(s), id, host, ...)
    if not pid and S.error_state(err).kind == "PermissionDenied" then error(S.error_state(err).message, 2) end
    return pid, err
  end
end
S.base.process = S.library(process)

-- payload ----------------------------------------------------------------------------------------------------------------

local payload = {
  format = S.library {
    JSON = "json/plain", YAML = "yaml/plain", STRING = "text/plain", BYTES = "application/octet-stream",
    MSGPACK = "application/msgpack", LUA = "lua/any", GOLANG = "golang/any", ERROR = "golang/error",
  },
}
function payload.new(v)
  local p = S.new_payload(S.error_state(v) and v or copy(v))
  if S.error_state(v) then p[S.FORMAT] = "golang/error" end
  return p
end
S.base.payload = S.library(payload)

-- ctx --------------------------------------------------------------------------------------------------------------------

local ctx = {}
function ctx.get(key)
  text(key, 1, "get")
  if key == "" then return nil, failure("Invalid", "empty key") end
  local values = S.cur.ctx.values
  if not values or values[key] == nil then return nil, failure("NotFound", "key not found: " .. key) end
  return copy(values[key]), nil
end
function ctx.all()
  local values = S.cur.ctx.values
  return values and copy(values) or {}, nil
end
S.kernel_modules.ctx = ctx
S.kernel_modules.events = S.events_module

-- Everything core may also be listed in `modules:`.
for _, name in next, { "process", "channel", "payload", "string", "table", "math", "coroutine", "errors" } do
  S.modules[name] = S.base[name]
end
