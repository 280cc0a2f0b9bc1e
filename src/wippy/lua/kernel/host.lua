-- The boundary to the host (kernel notes, item 8): primitives (synchronous), operations (a task parks, the answer comes with a
-- later run), definitions and modules fetched on first use, logs. Only plain values cross: integers, byte strings,
-- booleans, nil. Python calls nothing but the functions of the table returned by `S.interface`.
local S = ...
local type, next, error, setmetatable, rawget, select, load, pcall = type, next, error, setmetatable, rawget, select, load, pcall
local unpack = table.unpack
local HANDLE = S.HANDLE
local encode, decode, decode_list, failure = S.encode, S.decode, S.decode_list, S.failure
local count = collectgarbage
local prim                            -- the host's only function: prim(index, ...) -> ok, value

-- Requests to the host, flat: code, number, a, b for each. Read by the host after every run.
local out, outs = {}, 0
local function request(code, number, a, b)
  local n = outs
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = code, number, a, b
  outs = n + 4
end
S.request = request

-- Request codes; the host has the same list (shard.py).
local OP, REPLY, CANCEL_OP, SIGNAL, LOG, EVENT, RELEASE, EXITED = 1, 2, 3, 4, 5, 6, 7, 8

local function memory_check()
  if count("count") * 1024 > S.soft then S.over_memory(S.cur) end
end

-- What the host answers instead of a result: false for `nil, err`, 2 for an error to be raised.
local function refused(ok, v)
  local err = decode(v)
  if ok == 2 then error(S.error_state(err).message, 0) end
  return nil, err
end

-- An argument that has no form outside of the shard: cyclic, too deep, too large, too sparse.
local function unsendable(reason)
  if reason == "not enough memory" or S.cur.killed then error(reason, 0) end
  return nil, failure("Internal", S.error_text(reason))
end

-- The caller's identity for the host, in front of encoded arguments: process number, identity, entry id, request.
local function call_encoded(index, list)
  local p = S.cur
  S.pid_of(p)
  local sent, body = pcall(encode, false, list)
  if not sent then return unsendable(body) end
  local ok, v = prim(index, p.n, p.ctx.identity, p.id, p.own and p.own.request or 0, body)
  memory_check()
  if ok == true then
    if v == nil then return nil, nil end
    local results = decode_list(v)
    return unpack(results, 1, results.n)
  end
  return refused(ok, v)
end

-- An operation: registered, sent with the next batch, and the task parks.
local ops, last_op = {}, 0
local function call_op(index, list)
  local p = S.cur
  S.check_park()
  S.pid_of(p)
  local head = { n = 5 + list.n, index, p.n, p.ctx.identity, p.id, p.own and p.own.request or 0, unpack(list, 1, list.n) }
  local sent, body = pcall(encode, false, head)
  if not sent then return unsendable(body) end
  local t = S.task
  local own = S.own(p)
  if not own.ops then own.ops = {} end
  last_op = last_op + 1
  ops[last_op] = t
  own.ops[last_op] = true
  own.handles = true                  -- the answer may bring some that arrive when the process is gone
  request(OP, last_op, body, false)
  local ok, v = S.park()
  if ok == true then
    if v == nil then return nil, nil end
    local results = decode_list(v)
    return unpack(results, 1, results.n)
  end
  return refused(ok, v)
end

local function complete_op(number, ok, body)
  local t = ops[number]
  if not t then return end
  local p = t.p
  if not p.dead then
    S.wake(t, ok, body)
    p.own.ops[number] = nil
  end
  ops[number] = nil
end

-- What the host keeps for a process is released with it: operations are cancelled, handles closed.
function S.release_host(p, own)
  for number in next, own.ops or {} do
    ops[number] = nil
    request(CANCEL_OP, number, false, false)
    own.ops[number] = nil
  end
  if own.handles then
    request(RELEASE, p.n, false, false)
    own.handles = nil
  end
  if own.watched then
    request(EXITED, p.n, not p.xe and own.body or S.encode_outcome(p.xv, p.xe), p.pid)
    own.watched = nil
  end
end

-- Handles of the host ---------------------------------------------------------------------------------------------------

local handle_classes = {}             -- class number -> metatable

function S.make_handle(class, id)
  local p = S.cur or S.receiver
  if p then S.own(p).handles = true end
  return setmetatable({ [HANDLE] = { class = class, id = id } }, handle_classes[class])
end

-- Modules ----------------------------------------------------------------------------------------------------------------

local KINDS = { string = "string", bytes = "string", number = "number", integer = "number", boolean = "boolean", table = "table", ["function"] = "function" }

local function checked(spec, name, ...)
  local params = spec.params
  for i = 1, #params do
    local param = params[i]
    local want = KINDS[param.type]
    if want then
      local v = (select(i, ...))
      if v == nil then
        if not param.optional then S.bad_argument(i, name, want, v, 3) end
      elseif type(v) ~= want or want == "table" and S.class_of(v) == "handle" then
        if want == "string" and type(v) == "number" then
          -- numbers are accepted where text is expected, as in Lua
        elseif want == "number" and type(v) == "string" and tonumber(v) then
          -- and numeric text where a number is
        else
          S.bad_argument(i, name, want, v, 3)
        end
      end
    end
  end
end

local function arguments(spec, ...)
  local list = { n = select("#", ...), ... }
  for i = 1, #spec.params do
    local kind = spec.params[i].type
    local v = list[i]
    if kind == "string" and type(v) == "number" then list[i] = S.number_text(v)
    elseif (kind == "integer") and v ~= nil then list[i] = S.int(v) end
  end
  if list.n < #spec.params then list.n = #spec.params end
  return list
end

-- The guest-visible function for a declaration: mode "scalar", "primitive" or "operation".
local function stub(spec)
  local index, name = spec.index, spec.name
  if spec.mode == "scalar" then
    return function(...)
      checked(spec, name, ...)
      local list = arguments(spec, ...)
      local ok, v = prim(index, unpack(list, 1, list.n))
      memory_check()
      if ok == true then return v end
      return refused(ok, v)
    end
  elseif spec.mode == "primitive" then
    return function(...)
      checked(spec, name, ...)
      return call_encoded(index, arguments(spec, ...))
    end
  end
  return function(...)
    checked(spec, name, ...)
    return call_op(index, arguments(spec, ...))
  end
end

local function nested(target, path, v)
  local at = target
  for part in string.gmatch(path, "([^%.]+)%.") do
    if not at[part] then at[part] = {} end
    at = at[part]
  end
  at[string.match(path, "([^%.]+)$")] = v
end

local function frozen(t)
  for k, v in next, t do
    if type(v) == "table" and not S.class_of(v) then t[k] = frozen(v) end
  end
  return S.library(t)
end

local function install_class(spec)
  local methods = {}
  local class = S.handle_class(spec.name, methods)
  class.__tostring = function(self)
    return spec.name .. "{}"
  end
  handle_classes[spec.number] = class
  for _, method in next, spec.methods do
    local call = stub(method)
    methods[method.name] = function(self, ...)
      local h = type(self) == "table" and rawget(self, HANDLE) or nil
      if not h or h.class ~= spec.number then S.bad_argument(1, method.name, spec.name, self) end
      return call(self, ...)
    end
  end
  return methods, class
end

local modules = {}                    -- name -> the value bound in guest environments
S.modules = modules

-- Builds a module from its declaration: host functions, and what its Lua source adds or replaces.
local function install(spec)
  local module, classes = {}, {}
  for _, class in next, spec.classes do
    local methods, meta = install_class(class)
    classes[class.short] = { methods = methods, meta = meta, number = class.number }
  end
  local host = {}
  for _, f in next, spec.functions do
    local call = stub(f)
    nested(host, f.name, call)
    if not f.private then nested(module, f.name, call) end
  end
  for name, v in next, spec.constants do nested(module, name, v) end
  if spec.source ~= "" then
    local build = assert(load(spec.source, "=wippy/" .. spec.name .. ".lua", "t"))
    module = build(S, module, host, classes) or module
  end
  if S.class_of(module) then return module end
  return frozen(module)
end

local kernel_modules = {}             -- modules written in the kernel itself
S.kernel_modules = kernel_modules

function S.module(name)
  local m = modules[name]
  if m ~= nil then return m end
  if kernel_modules[name] then
    m = S.library(kernel_modules[name])
  else
    local ok, text = prim(S.prims.module, name)
    if not ok then error(decode(text), 0) end
    local spec = decode(text)
    m = install(spec)
  end
  modules[name] = m
  return m
end

-- Definitions ---------------------------------------------------------------------------------------------------------

local definitions = {}
S.definitions = definitions

local function load_factory(code, id)
  local f, err = load(code, "=" .. id, "t", {})
  if not f then error(failure("Invalid", err), 0) end
  return f
end

local libraries = {}                  -- entry id -> {version, factory}: bytecode shared by everything that imports it

local function library(spec)
  local known = libraries[spec.id]
  if not known or known.version ~= spec.version then
    known = { version = spec.version, factory = load_factory(spec.code, spec.id) }
    libraries[spec.id] = known
  end
  return { alias = spec.alias, factory = known.factory, types = S.chunk_types(spec.types, {}) }
end

-- What emitted code reads its own types from: `types.Name` is the type value, made when first used.
local function type_table(scope)
  return setmetatable({}, { __index = function(t, name)
    local v = S.type_value(scope.find(name))
    t[name] = v
    return v
  end })
end

local function define(spec)
  local globals = {}
  for alias, name in next, spec.modules do globals[alias] = S.module(name) end
  local own_libraries, by_alias, scopes = {}, {}, {}
  for i, l in next, spec.libraries do
    local made = library(l)
    own_libraries[i] = made
    by_alias[made.alias] = made.types
    made.types.libraries = by_alias
    made.type_table = type_table(made.types)
    scopes[i] = made.types
  end
  local own_types = S.chunk_types(spec.types, by_alias)
  scopes[#scopes + 1] = own_types
  local function find_type(name)
    for i = 1, #scopes do
      local t = scopes[i].find(name)
      if t then return S.type_value(t) end
    end
    return nil
  end
  local def = {
    id = spec.id, method = spec.method, version = spec.version, factory = load_factory(spec.code, spec.id),
    globals = S.shared_globals(globals, find_type), libraries = own_libraries, type_table = type_table(own_types), call_host = spec.call_host, pool = false, pid_host = false,
  }
  if spec.pool then
    def.pool = { idle = 0, size = 0, most = spec.pool.most, waiting = S.new_queue(), closed = false }
    def.pid_host = spec.id .. "#lua." .. spec.version
  end
  return def
end

-- The definition of an entry, fetched from the host when it is first needed: def, or nil and an error.
function S.definition(id)
  local def = definitions[id]
  if def then return def end
  local ok, text = prim(S.prims.definition, id)
  if not ok then return nil, decode(text) end
  ok, def = pcall(define, decode(text))
  if not ok then
    if S.error_state(def) then return nil, def end
    return nil, failure("Internal", S.error_text(def))
  end
  definitions[id] = def
  return def
end

local function invalidate(id)
  local def = definitions[id]
  definitions[id] = nil
  if def and def.pool then
    def.pool.closed = true
    for i = 1, def.pool.idle do def.pool[i] = nil end
    def.pool.idle = 0
  end
end

-- Hosts: may processes run there, and where. {local = boolean, kind = text} or nil.
local hosts = {}
function S.host(id)
  local host = hosts[id]
  if host ~= nil then return host end
  local ok, text = prim(S.prims.host, id)
  if not ok then return nil, decode(text) end
  host = decode(text)
  hosts[id] = host
  return host
end
function S.host_known(id)
  return S.host(id) ~= nil or string.find(id, "#lua.", 1, true) ~= nil
end

-- Starts a process for the running task and waits for its PID.
function S.spawn(id, host_id, ctx, args, relations)
  local host, err = S.host(host_id)
  if not host then return nil, err end
  local def
  def, err = S.definition(id)
  if not def then return nil, err end
  if def.pool then return nil, failure("NotFound", "no process definition for " .. id) end
  local admitted
  admitted, err = S.admit()
  if not admitted then return nil, err end
  S.copy_args(args)
  local p = S.cur
  S.check_park()
  local spawner = S.task
  if not host.here or S.live >= host.most then
    local ok, shard = prim(S.prims.place, host_id)
    if not ok then return nil, decode(shard) end
    if shard ~= S.shard then return S.spawn_away(shard, id, host_id, ctx, args, relations) end
  end
  local child = S.start_process(def, host_id, ctx, args, spawner)
  if relations then S.relate(child, p, relations) end
  return S.park()
end

function S.relate(child, p, relations)
  local r, mine = S.relations_of(child), S.relations_of(p)
  local pid = S.pid_of(p)
  if relations.monitor then
    r.watchers[pid] = true
    mine.watching[child.pid] = true
  end
  if relations.link then
    r.links[pid] = true
    mine.links[child.pid] = true
  end
end

-- Starts the process on another shard and waits for its PID.
function S.spawn_away(shard, id, host_id, ctx, args, relations)
  local p = S.cur
  local pid = S.pid_of(p)
  if relations then
    S.relations_of(p)
    S.relate_answer(relations)
  end
  local child, err = S.ask("{|0x" .. string.format("%05x", S.stride + shard) .. "}", "spawn", id, host_id, pid,
    relations and relations.monitor or false, relations and relations.link or false, ctx.identity, ctx.values or nil, args)
  if not child then return nil, err end
  return child
end

-- Clocks and text of the host --------------------------------------------------------------------------------------------

function S.unix_ns()
  local _, ns = prim(S.prims.time)
  return ns
end
function S.unix_time() return S.unix_ns() / 1e9 end
function S.unix_seconds() return S.unix_ns() // 1000000000 end
function S.host_text(name, text)
  local ok, v = prim(S.prims.text, name, text)
  if ok ~= true then error(S.error_state(decode(v)).message, 0) end
  return v
end
-- Whether RE2 finds `pattern` in `text`; nil when the pattern is none.
function S.regex_matches(pattern, text)
  local ok, found = prim(S.prims.regex, pattern, text)
  if not ok then return nil end
  return found
end
-- What timers deliver; the time module replaces it by its Time object.
function S.time_now() return S.unix_ns() end

-- Security ---------------------------------------------------------------------------------------------------------------

function S.permitted(action, resource, attributes)
  local p = S.cur
  local ok, v = prim(S.prims.permitted, p.ctx.identity, action, resource, S.pid_of(p), encode(false, { n = 1, attributes }))
  return ok and v == true
end

-- Logs, events ----------------------------------------------------------------------------------------------------------

local function location(level)
  for at = level, level + 12 do
    local info = debug.getinfo(at, "Sl")
    if not info then break end
    if info.what ~= "C" and string.sub(info.short_src, 1, 6) ~= "wippy/" then return info.short_src .. ":" .. info.currentline end
  end
  return S.cur and S.cur.id or ""
end

local LONGEST_LINE = 65536
function S.emit_log(level, message, fields, name)
  if #message > LONGEST_LINE then message = string.sub(message, 1, LONGEST_LINE) .. "..." end
  request(LOG, 0, encode(false, { n = 4, level, message, fields, name }), false)
end

-- A line of a guest: carries who and where.
function S.log(level, message, fields, depth, name)
  local all = { pid = S.pid_of(S.cur), location = location((depth or 2) + 1) }
  for k, v in next, fields or {} do all[k] = v end
  S.emit_log(level, message, all, name)
end

function S.publish_outside(system, kind, path, data)
  request(EVENT, 0, encode(false, { n = 4, system, kind, path, data }), false)
end

-- A value and an error for the host. A cyclic value is none outside a shard: it becomes an error.
function S.encode_outcome(v, e)
  if type(v) ~= "table" and e == nil then return encode(false, { n = 2, v, e }) end
  local ok, body = pcall(encode, false, { n = 2, v, e })
  if ok then return body end
  return encode(false, { n = 2, nil, S.no_value(body) })
end

-- `attachment`: bytes that a module adds to the answer, such as the HTTP response the call has written; empty when a
-- request's handler neither wrote nor returned anything.
function S.reply_host(number, v, e, attachment, body)
  request(REPLY, number, not e and body or S.encode_outcome(v, e), attachment or false)
end

-- Signals between shards --------------------------------------------------------------------------------------------------

local asks, last_ask = {}, 0

function S.signal(pid, kind, ...)
  request(SIGNAL, 0, pid, encode(true, { n = select("#", ...) + 3, kind, pid, 0, ... }))
end

-- The next question starts a process: its relations are noted when the answer comes, for its end may come right behind.
local relating = {}
function S.relate_answer(relations) relating[last_ask + 1] = relations end

local function relate(k, t, child)
  local relations = relating[k]
  if not relations then return end
  local mine = t and t.p.relations
  if child and mine then
    if relations.monitor then mine.watching[child] = true end
    if relations.link then mine.links[child] = true end
  end
  relating[k] = nil
end

-- Asks the shard of `pid`; parks until it has answered ok, text.
function S.ask(pid, kind, ...)
  S.check_park()
  local k = last_ask + 1
  last_ask = k
  local reference = k * S.stride + S.shard
  local body = encode(true, { n = select("#", ...) + 3, kind, pid, reference, ... })
  asks[k] = S.task
  request(SIGNAL, reference, pid, body)
  return S.park()
end

local signals = {
  message = function(pid, from, topic, list)
    local p = S.find_process(pid)
    if not p or p.dead then return nil, "process not found" end
    S.deliver_foreign(p, topic, from, list)
    return true
  end,
  exit = function(pid, from, v, e) S.exited(pid, from, v, e) end,
  down = function(pid, from, v, e) S.link_lost(pid, from, v, e) end,
  watch = S.watch, unwatch = S.unwatch, link = S.join_link, unlink = S.drop_link,
  cancel = S.cancel_process, terminate = S.terminate_process,
}

-- A spawn for another shard answers when the module body has run.
local function spawn_here(reference, id, host, parent, monitor, link, identity, values, args)
  local def, err = S.definition(id)
  if not def then return nil, err end
  local child = S.start_process(def, host, S.context(identity, values or false), args, { reference = reference })
  if monitor then S.relations_of(child).watchers[parent] = true end
  if link then S.relations_of(child).links[parent] = true end
end

function S.answer_signal(reference, v, e)
  request(SIGNAL, -reference, "", encode(true, { n = 5, "answer", "", reference, v, e }))
end

-- A signal that cannot be read for lack of memory is answered all the same.
local function refuse_signal(text)
  local list = S.decode_head(text, 3)
  local kind, reference = list[1], list[3]
  if kind == "answer" then
    local t = asks[reference // S.stride]
    if t and not t.p.dead then S.wake(t, nil, "not enough memory") end
    asks[reference // S.stride] = nil
  elseif reference ~= 0 then
    S.answer_signal(reference, nil, kind == "spawn" and S.out_of_memory or "not enough memory")
  end
end

local function receive_signal(text)
  local read, list = pcall(decode_list, text, true)
  if not read then return refuse_signal(text) end
  local kind, pid, reference = list[1], list[2], list[3]
  if kind == "answer" then
    local k = reference // S.stride
    local t = asks[k]
    relate(k, t, list[4])
    if t and not t.p.dead then S.wake(t, list[4], list[5]) end
    asks[k] = nil
    return
  end
  if kind == "spawn" then
    local _, err = spawn_here(reference, unpack(list, 4, list.n))
    if err then S.answer_signal(reference, nil, err) end
    return
  end
  local ok, err = signals[kind](pid, unpack(list, 4, list.n))
  if reference ~= 0 then S.answer_signal(reference, ok, err) end
end

-- Contexts ---------------------------------------------------------------------------------------------------------------

local openness = {}                   -- identity number -> boolean

-- Whether every permission passes for an identity without a policy being asked; a failure to answer means no.
local function is_open(identity)
  local ok, open = prim(S.prims.open, identity)
  return ok == true and open == true
end

function S.context(identity, values)
  local open = openness[identity]
  if open == nil then
    open = is_open(identity)
    openness[identity] = open
  end
  if identity == 0 and not values then
    S.root.open = open
    return S.root
  end
  return { identity = identity, values = values or false, open = open }
end

-- A context like `ctx` in which the guest's actor or scope handle takes the place of its own; nil keeps what there is.
function S.derive_context(ctx, actor, scope)
  if actor == nil and scope == nil then return ctx end
  local ok, identity = prim(S.prims.derive, ctx.identity, encode(false, { n = 2, actor, scope }))
  if not ok then error(decode(identity), 0) end
  return S.context(identity, ctx.values)
end

-- Whether `v` is a handle of the host's class `name`, such as "security.Actor".
function S.is_handle_of(v, name)
  local h = type(v) == "table" and rawget(v, HANDLE) or nil
  local class = h and handle_classes[h.class]
  return class ~= nil and class.__name == name
end

-- What the host may call -----------------------------------------------------------------------------------------------

local interface = {}

function interface.configure(primitive, names, shard, node, slice, soft, seed)
  prim = primitive
  S.prims = decode(names)
  S.shard, S.node, S.slice, S.soft = shard, node, slice, soft
  local x = seed
  S.seed = function()
    x = x * 6364136223846793005 + 1442695040888963407
    return x
  end
  S.scramble = S.seed() & 0xffffffffffffff
  S.root.open = is_open(0)
  openness[0] = S.root.open
end

-- Names are decided by the host once there are several shards.
function interface.share_names()
  if S.node_names then return end
  S.share_names {
    lookup = function(name)
      local _, pid = prim(S.prims.name_lookup, name)
      return pid
    end,
    register = function(name, pid)
      local _, taken = prim(S.prims.name_register, name, pid)
      if taken then return true end
      return nil, failure("AlreadyExists", "name already registered")
    end,
    unregister = function(name)
      local _, gone = prim(S.prims.name_unregister, name)
      return gone
    end,
  }
end

-- Whether a process may still be doing something (see host_workers).
function interface.is_working(pid)
  local p = S.find_process(pid)
  return p ~= nil and not p.dead and S.has_work(p)
end

function interface.set_soft(bytes) S.soft = bytes end

-- Completions: number, ok, body. ok is true, false; body a byte string or nil.
function interface.complete(number, ok, body) complete_op(number, ok, body) end

-- Calls a function on behalf of the host. The answer comes as a REPLY request with this number.
function interface.call(number, id, identity, values, args, request_number)
  local def, err = S.definition(id)
  if def and not def.pool and not def.call_host then def = nil end
  if not def then
    return S.reply_host(number, nil, err or failure("NotFound", "no handler registered for target"))
  end
  local ctx = S.context(identity, values and decode(values) or false)
  local reply = { host = number }
  local list = args and decode_list(args) or { n = 0 }
  local callee
  if def.pool then
    callee = S.begin_call(def, ctx, list, reply, request_number)
  else
    callee = S.start_process(def, def.call_host, ctx, list, nil)
    callee.reply = reply
  end
  S.host_calls[number] = callee
end
S.host_calls = setmetatable({}, { __mode = "v" })

function interface.cancel_call(number)
  local callee = S.host_calls[number]
  if callee then S.kill(callee, S.canceled) end
end

-- Spawns for the host or for another shard: REPLY gives the PID. `watched`: EXITED follows at the end. A `held` process is
-- shielded from terminate and waits for go_on() before its method runs.
function interface.spawn(number, id, host, identity, values, args, watched, parent, monitor, link, held)
  local def, err = S.definition(id)
  if def and def.pool then def, err = nil, failure("NotFound", "no process definition for " .. id) end
  if not def then return S.reply_host(number, nil, err) end
  local ctx = S.context(identity, values and decode(values) or false)
  local p = S.start_process(def, host, ctx, decode_list(args, true), { host = number })
  if watched then p.own.watched = true end
  if held then p.own.held, p.shielded = true, true end
  if monitor then S.relations_of(p).watchers[parent] = true end
  if link then S.relations_of(p).links[parent] = true end
end

function interface.go_on(pid)
  local p = S.find_process(pid)
  local t = p and p.own and p.own.held
  if t then
    p.own.held = nil
    S.ready(t)
  end
end

function interface.deliver(pid, topic, from, args)
  local p = S.find_process(pid)
  if not p or p.dead then return false end
  S.deliver_foreign(p, topic, from, decode_list(args))
  return true
end

function interface.signal(text) receive_signal(text) end
function interface.cancel(pid, from, reason) return S.cancel_process(pid, from, reason) ~= nil end
function interface.terminate(pid) return S.terminate_process(pid) ~= nil end
-- The processes of one host: told to stop, ended by force, counted.
local function of_host(host)
  local list, n = {}, 0
  for p in S.each_process() do
    if p.host == host and not p.dead then
      n = n + 1
      list[n] = p
    end
  end
  return list, n
end
function interface.cancel_host(host)
  local list, n = of_host(host)
  for i = 1, n do S.cancel_process(list[i].pid, "{|}", "scheduler shutdown") end
end
function interface.terminate_host(host)
  local reason = S.make_error("Canceled", "scheduler shutdown", false)
  local list, n = of_host(host)
  for i = 1, n do S.kill(list[i], reason) end
end
-- Whether a process may still be doing something: it can read a CANCEL, or waits for more than mail.
function S.has_work(p)
  if p.events or p.queued or p.th or p.pinned or p.main.call then return true end
  local own = p.own
  return own and (own.sleeping or 0) > 0 or own and own.ops and next(own.ops) ~= nil or own and own.tasks ~= nil
end
-- How many processes of a host may still be doing something; the others can be ended without harm.
function interface.host_workers(host)
  local list, n = of_host(host)
  local working = 0
  for i = 1, n do
    if S.has_work(list[i]) then working = working + 1 end
  end
  return working
end
-- Calls a function of this table and answers with its value.
function interface.ask(number, name, ...) S.reply_host(number, interface[name](...), nil) end
function interface.publish(system, kind, path, data) S.publish(system, kind, path, data and decode(data) or nil) end
function interface.bus_outside(on) S.bus_outside = on end
function interface.invalidate(id) invalidate(id) end
function interface.invalidate_host(id) hosts[id] = nil end
function interface.invalidate_identities()
  openness = {}
end
function interface.lookup(name) return S.lookup_name(name) end
function interface.recover() S.recover() end
function interface.refuse(number) S.reply_host(number, nil, S.out_of_memory) end
function interface.memory() return count("count") * 1024 // 1 end
function interface.collect() count("collect") end
-- Bytes in use after two full collections.
function interface.settled_memory()
  count("collect")
  count("collect")
  return count("count") * 1024 // 1
end
function interface.live() return S.live end

-- One turn: timers, then ready processes for about `seconds`. Returns busy, next deadline, how many values of requests wait
-- to be taken, and the number of live processes.
local MOST = 100
function interface.run(now, seconds)
  S.now, S.turn_began = now, S.clock()
  if S.started == 0 then S.started = now end
  S.fire_timers(now)
  if S.dying then S.bury() end
  local busy = S.work(seconds)
  return busy, S.next_timer(), outs, S.live
end

-- Takes up to MOST requests: flat, four values each.
local taken = 0
-- Called once the values stand on the stack: what could not be handed over is not forgotten.
local function taken_all(fresh, ...)
  out, outs, taken = fresh, 0, 0
  return ...
end
local function taken_to(last, ...)
  taken = last
  return ...
end
function interface.take()
  local first = taken + 1
  local last = taken + MOST * 4
  if last >= outs then
    last = outs
    return taken_all({}, unpack(out, first, last))
  end
  return taken_to(last, unpack(out, first, last))
end

-- The whole turn in one call, for every call costs a thread two changes of the interpreter's lock: what was queued (flat:
-- name, number of arguments, arguments), then `run`, then the first requests. `performed`: how much of the queue is done.
local performed = 0
function interface.performed() return performed end

local function perform(name, ...)
  local ok, e = pcall(interface[name], ...)
  if ok then return end
  S.recover()
  if name == "ask" or name == "call" or name == "spawn" then interface.refuse((...)) end
  S.emit_log("error", "kernel call " .. name .. " failed: " .. S.error_text(e), {}, nil)
end

function interface.turn(now, seconds, ...)
  performed = 0
  local n = select("#", ...)
  if n > 0 then
    local began, list, at = S.clock(), { ... }, 1
    while at < n do
      local following = at + 2 + list[at + 1]
      perform(list[at], unpack(list, at + 2, following - 1))
      performed = performed + 1
      at = following
    end
    if S.clock() - began > 0.001 then
      local _, later = prim(S.prims.monotonic)
      now = later
    end
  end
  local busy, deadline, waiting, live = interface.run(now, seconds)
  return busy, deadline, waiting, live, interface.take()
end

S.interface = interface
return interface
