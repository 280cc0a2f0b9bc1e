-- The guest's `process` library but for spawning, and `ctx` (spec 03 §3, §7).
local S = ...
local type, next = type, next
local failure, bad_argument, copy, permission = S.failure, S.bad_argument, S.copy, S.permission
local find_process = S.find_process

local function text(v, position, name)
  if type(v) ~= "string" then bad_argument(position, name, "string", v) end
  return v
end

local process = S.process_library
process.event = S.library { CANCEL = S.CANCEL, EXIT = S.EXIT, LINK_DOWN = S.LINK_DOWN, OUTDATED = S.OUTDATED }

function process.id() return S.cur.id end
function process.pid() return S.cur.pid or S.pid_of(S.cur) end
process.send, process.inbox, process.events = S.send, S.inbox, S.events
process.listen, process.unlisten = S.listen, S.unlisten

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
  if upgradable ~= nil then
    S.own(S.cur).upgradable = upgradable
    S.upgradables[S.cur] = upgradable or nil
  end
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

S.base.process = S.library(process)

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
