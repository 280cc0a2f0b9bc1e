-- Changing the code of a running process: process.upgrade and the OUTDATED event (spec 03 §3.7, §3.8).
--
-- An upgrade puts a new record in the place of the old one under the same PID. What belongs to the old code (tasks, timers,
-- channels, calls) refers to the old record and ends with it; names, relations, mail and whoever waits for the outcome
-- move to the new one.
local S = ...
local next, type, select, rawget, setmetatable = next, type, select, rawget, setmetatable
local unpack, push = table.unpack, S.push
local TOPIC = S.TOPIC

-- Mail that nobody has read, oldest first within a topic: what listened channels keep, reserved topics, then the inbox.
local function unread(p)
  local queue = S.new_queue()
  for topic, listener in next, p.listeners or {} do
    local c = listener.channel
    if listener.kept then
      for i = c.first, c.last do push(queue, c[i]) end
    end
  end
  local function take(from)
    for i = from and from.first or 1, from and from.last or 0 do push(queue, from[i]) end
  end
  take(p.own and p.own.reserved)
  take(p.mbox)
  return queue.last > 0 and queue or false
end

-- What the new code runs in: the module body may not wait, and its failure is the process's.
local function upgraded_main(p, def, ...)
  local ok, _, f = S.base.pcall(S.instantiate, p, def)
  p.booting = false
  if not ok then
    local s = S.error_state(_)
    S.base.error(S.make_error(s and s.kind or "Internal", "upgrade: init failed: " .. S.base.tostring(_), false), 0)
  end
  local v, e = f(...)
  if S.no_scalar[type(v)] then v = S.outcome(v, e) end
  return v, e
end

local function create_failed(p, err)
  local s = S.error_state(err)
  S.finish(p, nil, S.make_error(s.kind, "upgrade: create failed: " .. s.message, false))
end

-- What stays with the process: its relations by name and by PID, and who waits for it.
local function move(p, q)
  q.pid, q.n, q.relations, q.trap, q.shielded, q.reply, q.limits =
    p.pid, p.n, p.relations, p.trap, p.shielded, p.reply, p.limits
  q.xv, q.xe, q.nt = p.xv, p.xe, q.nt + (p.nt & ~S.TASKS)
  local old, new = p.own or {}, S.own(q)
  new.names, new.watched, new.known_by = old.names, old.watched, old.known_by
  new.exits, new.kept = old.exits, old.kept
  new.upgradable, new.upgraded = old.upgradable, true
  old.names, old.watched, old.known_by, old.exits = nil, nil, nil, nil
  p.relations, p.reply = false, false
end

-- Called by the scheduler when a process has asked for new code. `request`: {id, args}.
function S.renew(p, request)
  p.killed = false
  local def, err = S.definition(request.id)
  if def and def.pool then def, err = nil, S.failure("NotFound", "no process definition for " .. request.id) end
  if not def then return create_failed(p, err) end
  local q = S.new_process(def.id, p.host, p.ctx)
  q.booting, q.mbox, q.ebox = true, unread(p), p.ebox
  local args = request.args
  local t = S.new_task(q, upgraded_main, { n = args.n + 2, q, def, unpack(args, 1, args.n) })
  local mine = p.own
  move(p, q)
  S.release_code(p)
  p.dead = true
  p.th, p.tt, p.pinned = false, false, false
  S.insert_process(q.pid, q)
  S.rename_holder(q)
  if mine and mine.upgradable then S.upgradables[q] = true end
  if q.reply and q.reply.host then S.host_calls[q.reply.host] = q end
  S.ready(t)
end

function S.process_library.upgrade(id, ...)
  local p = S.cur
  if id ~= nil and type(id) ~= "string" then S.bad_argument(1, "upgrade", "string", id) end
  S.check_park()
  if p.instance or p.own and p.own.steps then   -- a function has no code to change: the call ends with nil
    p.killed = { finished = true }
  else
    if id == nil or id == "" then id = p.id end
    p.killed = { upgrade = true, id = id, args = S.copy_args { n = select("#", ...), ... } }
  end
  S.die()
end

-- OUTDATED -----------------------------------------------------------------------------------------------------------------

S.OUTDATED = "pid.outdated"
S.upgradables = setmetatable({}, { __mode = "k" })   -- processes that want to know

local function add_source(event, id)
  local sources = event.sources
  for i = 1, #sources do
    if sources[i] == id then return end
  end
  sources[#sources + 1] = id
end

-- The event that a process has not read yet, or a new one.
local function pending(p)
  local ebox = p.ebox
  for i = ebox and ebox.first or 1, ebox and ebox.last or 0 do
    if rawget(ebox[i], "kind") == S.OUTDATED then return ebox[i], true end
  end
  return { kind = S.OUTDATED, from = "{|}", at = S.unix_time(), sources = {} }, false
end

-- The definition `id` has changed because the entry `source` did.
function S.outdate(id, source)
  for p in next, S.upgradables do
    if p.id == id and not p.dead then
      local event, known = pending(p)
      add_source(event, source)
      add_source(event, id)
      if not known then S.notify(p, event) end
    end
  end
end
