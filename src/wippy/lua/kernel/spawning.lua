-- Starting processes for guests: here, or on another shard.
local S = ...
local decode, failure, prim = S.decode, S.failure, S.prim

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
