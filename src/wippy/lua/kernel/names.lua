-- Registered names (spec 03 §3.10): a table of the names that processes of this shard hold. With several shards the node
-- decides who holds a name (S.node_names, which the host turns on with the second shard); the table then says it faster.
-- A name is entered by the shard of its holder alone, so that the end of the holder always finds it.
local S = ...
local next = next
local failure, find_process = S.failure, S.find_process

local names = {}  -- name -> process of this shard; it may have died a moment ago

-- From now on names are the node's: those of this shard become known to the others.
function S.share_names(node_names)
  S.node_names = node_names
  for name, p in next, names do
    if not p.dead then node_names.register(name, p.pid) end
  end
end

function S.lookup_name(name)
  local p = names[name]
  if p then return not p.dead and p.pid or nil end
  if S.node_names then return S.node_names.lookup(name) end
  return nil
end

local function own_names(p)
  local own = S.own(p)
  local list = own.names
  if not list then
    list = {}
    own.names = list
  end
  return list
end

local function drop(name, p)
  names[name] = nil
  if p.own and p.own.names then p.own.names[name] = nil end
end

local TAKEN = "name already registered"

-- The name for a process of this shard: true, or nil and a text.
function S.take_name(pid, name)
  local p, holder = find_process(pid), names[name]
  if holder and not holder.dead then
    if holder == p then return true end
    return nil, TAKEN
  end
  if not p or p.dead then return nil, "process not found" end
  own_names(p)[name] = true
  names[name] = p
  local node_names = S.node_names
  if not node_names then return true end
  if holder then node_names.unregister(name, holder.pid) end
  if node_names.register(name, pid) then return true end
  drop(name, p)
  return nil, TAKEN
end

-- For a process of another shard its shard is asked: only there a name can be tied to the life of its holder.
function S.register_name(name, pid)
  local ok, why
  if not find_process(pid) and S.node_names and S.is_away(pid) then
    local holder = S.lookup_name(name)
    if holder == pid then return true end
    if holder then return nil, failure("AlreadyExists", TAKEN) end
    ok, why = S.ask(pid, "name", name)
  else
    ok, why = S.take_name(pid, name)
  end
  if ok then return true end
  return nil, failure(why == TAKEN and "AlreadyExists" or "NotFound", why)
end

-- Another shard has taken the name back, which may be held again by now.
function S.forget_name(pid, name)
  local p = names[name]
  if p and p.pid == pid and S.node_names.lookup(name) ~= pid then drop(name, p) end
end

function S.unregister_name(name)
  local p, node_names = names[name], S.node_names
  if p then
    drop(name, p)
    if node_names then node_names.unregister(name, p.pid) end
    return true
  end
  local holder = node_names and node_names.lookup(name)
  if not holder or not node_names.unregister(name, holder) then return false end
  S.signal(holder, "unname", name)
  return true
end

-- The record of a process has changed under the same PID.
function S.rename_holder(p)
  for name in next, p.own and p.own.names or {} do names[name] = p end
end

function S.release_names(p, own)
  for name in next, own.names or {} do
    if names[name] == p then
      names[name] = nil
      if S.node_names then S.node_names.unregister(name, p.pid) end
    end
    own.names[name] = nil
  end
end
