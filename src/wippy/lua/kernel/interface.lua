-- What the host may call: the functions of the table returned here, and nothing else.
local S = ...
local next, setmetatable, select, pcall = next, setmetatable, select, pcall
local unpack, decode, decode_list, failure, prim, count = table.unpack, S.decode, S.decode_list, S.failure, S.prim, collectgarbage

local interface = {}

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
      return taken
    end,
    unregister = function(name, pid)
      local _, gone = prim(S.prims.name_unregister, name, pid)
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
interface.complete = S.complete_op

-- Calls a function on behalf of the host. The answer comes as a REPLY request with this number.
function interface.call(number, id, identity, values, args, request_number)
  local ctx = S.context(identity, values and decode(values) or false)
  local callee, err = S.start_call(id, ctx, args and decode_list(args) or { n = 0 }, { host = number }, nil, request_number)
  if not callee then return S.reply_host(number, nil, err) end
  S.host_calls[number] = callee
end
S.host_calls = setmetatable({}, { __mode = "v" })

function interface.cancel_call(number)
  local callee = S.host_calls[number]
  if callee then S.cancel_call(callee) end
end

-- Spawns for the host or for another shard: REPLY gives the PID. `watched`: EXITED follows at the end. A `held` process is
-- shielded from terminate and waits for go_on() before its method runs.
function interface.spawn(number, id, host, identity, values, args, watched, held)
  local def, err = S.definition(id)
  if def and def.pool then def, err = nil, failure("NotFound", "no process definition for " .. id) end
  if not def then return S.reply_host(number, nil, err) end
  local ctx = S.context(identity, values and decode(values) or false)
  local p = S.start_process(def, host, ctx, decode_list(args, true), { host = number })
  if watched then p.own.watched = true end
  if held then p.own.held, p.shielded = true, true end
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

interface.signal = S.receive_signal
interface.message = S.receive_message
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
  if p.events or p.queued or p.th or p.pinned or p.main and p.main.call then return true end
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
-- News for a module: it has put a function of its name into S.receivers.
function interface.tell(name, ...) S.receivers[name](...) end
function interface.bus_outside(on) S.bus_outside = on end
-- `source`: the entry whose change has changed the definition.
function interface.invalidate(id, source)
  S.forget_definition(id)
  S.outdate(id, source)
end
function interface.invalidate_host(id) S.forget_host(id) end
function interface.lookup(name) return S.lookup_name(name) end
function interface.recover() S.recover() end
function interface.refuse(number) S.reply_host(number, nil, S.out_of_memory) end
function interface.memory() return count("count") * 1024 // 1 end
-- A full collection. The C library sorts the blocks that it freed only when a large one is asked for, ten thousand at a time
-- (7-10 ms): here, and not in somebody's next turn.
local SORTED = 30
function interface.collect()
  count("collect")
  for i = 1, SORTED do string.rep(" ", 4000 + i) end
end
-- Bytes in use after two full collections.
function interface.settled_memory()
  count("collect")
  interface.collect()
  return count("count") * 1024 // 1
end
function interface.live() return S.live end
function interface.set_pause(percent) S.set_pause(percent) end
for name, view in next, S.views do interface[name] = view end

-- One turn: timers, then ready processes for about `seconds`. Returns busy, next deadline, how many values of requests wait
-- to be taken, and the number of live processes.
function interface.run(now, seconds)
  S.now = now
  if S.started == 0 then S.started = now end
  S.fire_timers(now)
  if S.dying then S.bury() end
  local busy = S.work(seconds)
  S.forget_identities()
  return busy, S.next_timer(), S.requests_waiting(), S.live
end

function interface.take() return S.take_requests() end

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
  return busy, deadline, waiting, live, S.take_requests()
end

return interface
