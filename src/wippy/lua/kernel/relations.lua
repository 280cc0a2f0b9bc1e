-- Links, monitors, cancel, terminate (spec 03 §3.3, §3.7, §19). What concerns a process of another shard goes
-- out as a signal; a question to it (does it exist?) parks the caller until the answer comes back.
local S = ...
local type, next, rawget, pcall = type, next, rawget, pcall
local failure, find_process, bad_argument = S.failure, S.find_process, S.bad_argument
local format, match = string.format, string.match

local EXIT, LINK_DOWN, CANCEL = "pid.exit", "pid.link.down", "pid.cancel"
S.EXIT, S.LINK_DOWN, S.CANCEL = EXIT, LINK_DOWN, CANCEL

local function relations_of(p)
  local r = p.relations
  if not r then
    r = { watchers = {}, links = {}, watching = {} }
    p.relations = r
  end
  return r
end

-- A result that does not fit any more must not keep its watchers from hearing of the end.
local function event(kind, from, v, e)
  if type(v) == "table" then
    local ok, copied = pcall(S.copy, v)
    if ok then v = copied else v, e = nil, S.no_value(copied) end
  end
  return { kind = kind, from = from, at = S.unix_time(), result = { value = v, error = e } }
end

-- One relation's end reaches `pid`.
local function exited(pid, from, v, e)
  local q = find_process(pid)
  if not q then
    if S.is_away(pid) then S.signal(pid, "exit", from, v, e) end
    return
  end
  if q.dead or not q.relations then return end
  if q.relations.watching[from] then
    S.notify(q, event(EXIT, from, v, e))
    q.relations.watching[from] = nil
  end
end

local linked_failure = S.make_error("Internal", "linked process failed", nil)

local function link_lost(pid, from, v, e)
  local q = find_process(pid)
  if not q then
    if S.is_away(pid) then S.signal(pid, "down", from, v, e) end
    return
  end
  if q.dead or not q.relations or not q.relations.links[from] then return end
  if e ~= nil then
    if q.trap then S.notify(q, event(LINK_DOWN, from, v, e)) else S.kill(q, linked_failure) end
  end
  q.relations.links[from] = nil
end
S.exited, S.link_lost = exited, link_lost

-- Watchers first, then links. A relation is removed only after its event was made: repeating is safe.
function S.tell_relations(p)
  local r, from = p.relations, p.pid
  for watcher in next, r.watchers do
    exited(watcher, from, p.xv, p.xe)
    r.watchers[watcher] = nil
  end
  for peer in next, r.links do
    link_lost(peer, from, p.xv, p.xe)
    r.links[peer] = nil
  end
  for target in next, r.watching do
    local q = find_process(target)
    if q and q.relations then q.relations.watchers[from] = nil elseif S.is_away(target) then S.signal(target, "unwatch", from) end
  end
end

-- A process that never started leaves no trace and causes no event.
function S.forget_relations(p)
  local r = p.relations
  for watcher in next, r.watchers do
    local q = find_process(watcher)
    if q and q.relations then q.relations.watching[p.pid] = nil end
  end
  for peer in next, r.links do
    local q = find_process(peer)
    if q and q.relations then q.relations.links[p.pid] = nil end
  end
end

-- Relations, from the target's side. Each answers true, or nil and a text.
function S.watch(target, watcher)
  local p = find_process(target)
  if not p or p.dead then return nil, "pid not registered" end
  relations_of(p).watchers[watcher] = true
  return true
end
function S.unwatch(target, watcher)
  local p = find_process(target)
  if p and p.relations then p.relations.watchers[watcher] = nil end
end
function S.join_link(target, peer)
  local p = find_process(target)
  if not p or p.dead then return nil, "pid not registered" end
  relations_of(p).links[peer] = true
  return true
end
function S.drop_link(target, peer)
  local p = find_process(target)
  if p and p.relations then p.relations.links[peer] = nil end
end
function S.cancel_process(target, from, reason)
  local p = find_process(target)
  if not p or p.dead then return nil, "pid not registered" end
  S.notify(p, { kind = CANCEL, from = from, at = S.unix_time(), reason = reason })
  return true
end
function S.terminate_process(target)
  local p = find_process(target)
  if not p or p.dead then return nil, "process not found" end
  if p.shielded then return true end
  S.kill(p, S.make_error("Internal", "process terminated", nil))
  return true
end

-- Resolving destinations ---------------------------------------------------------------------------------------------

-- The shard number of a PID text on this node; nil when the text is no PID, false when its node is another one.
local function shard_of(pid)
  if #pid > 1000 then return nil end  -- no PID is that long, and the pattern below is not linear
  local host, uniq = match(pid, "^{(.-)|(.+)}$")
  if not host then return nil end
  local hex = match(uniq, "0x(%x+)$")
  return hex and (tonumber(hex, 16) & (S.stride - 1)) or -1, host
end
function S.is_away(pid)
  local shard = shard_of(pid)
  return shard ~= nil and shard ~= S.shard
end

-- A PID text stays what it is; anything else is looked up as a name.
function S.resolve(dest)
  if shard_of(dest) then return dest end
  local pid = S.lookup_name(dest)
  if pid then return pid end
  return nil, failure("NotFound", "could not resolve '" .. dest .. "' as PID or registered name")
end

local function no_process(pid)
  local _, host = shard_of(pid)
  if host and not S.host_known(host) then return failure("NotFound", "host not found") end
  return failure("NotFound", "process not found")
end

-- Processes of other shards that are known to live: a message to them needs no answer. Their shard tells of their end
-- before it tells anybody's relations.
local known_away, known_count = {}, 0  -- PID -> shard

function S.know(pid)
  if known_count >= 4096 then known_away, known_count = {}, 0 end
  known_away[pid] = shard_of(pid)
  known_count = known_count + 1
end
function S.forget_away(pid) known_away[pid] = nil end

-- A message to a process that is not here: another shard, or nobody.
function S.send_away(pid, topic, n, ...)
  local from, limits = S.cur.pid or S.pid_of(S.cur), S.cur.limits
  if limits then S.count_message(S.cur, limits) end
  local args = S.copy_args { n = n, ... }
  local known = known_away[pid]
  if known then
    S.message_away(known, pid, from, topic, args)
    return true
  end
  local shard = shard_of(pid)
  if shard == S.shard or shard == -1 then return nil, no_process(pid) end
  S.check_park()
  S.note_answer(pid)
  local ok, text = S.ask(pid, "message", from, topic, args)
  if ok then return true end
  return nil, text == "process not found" and no_process(pid) or failure("NotFound", text)
end

-- A process of this shard has got a message of another one, which will not ask again.
function S.known_by(p, from)
  local shard = shard_of(from)
  if not shard or shard == -1 then return end
  local own = S.own(p)
  local shards = own.known_by
  if not shards then
    shards = {}
    own.known_by = shards
  end
  shards[shard] = true
end

function S.tell_known(p, own)
  for shard in next, own.known_by or {} do
    S.signal(S.shard_pid(shard), "gone", p.pid)
    own.known_by[shard] = nil
  end
end

S.relations_of, S.shard_of = relations_of, shard_of
