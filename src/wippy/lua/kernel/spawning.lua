-- Starting processes: here, or on the shard that the host's placement names. A start may carry more than arguments:
-- {monitor, link, name, messages = list of {topic, arguments}}.
local S = ...
local decode, failure, prim = S.decode, S.failure, S.prim
local nothing = {}

-- Any process of another shard: signals go by the shard in the number.
local function shard_pid(shard) return "{|0x" .. string.format("%05x", S.stride + shard) .. "}" end

S.shard_pid = shard_pid

-- The definition of a process, and the shard it is to run on; or nil and an error.
local function prepared(id, host_id)
  local host, err = S.host(host_id)
  if not host then return nil, err end
  local def
  def, err = S.definition(id)
  if not def then return nil, err end
  if def.pool then return nil, failure("NotFound", "no process definition for " .. id) end
  local admitted
  admitted, err = S.admit()
  if not admitted then return nil, err end
  if host.here and S.live < host.most then return def, S.shard end
  local ok, shard = prim(S.prims.place, host_id)
  if not ok then return nil, decode(shard) end
  return def, shard
end

-- Messages without a sender, as with_message queues them.
local function deliver_all(pid, messages)
  local p = S.find_process(pid)
  for i = 1, messages and #messages or 0 do
    local topic, args = messages[i].topic, messages[i].args
    if p then S.deliver_foreign(p, topic, "", S.copy_args { n = args.n, table.unpack(args, 1, args.n) })
    else S.signal(pid, "message", "", topic, args) end
  end
end

-- The living process that holds the name a start asks for, which then gets the messages; nil when it is free.
local function holder_of(start)
  local holder = start.name and S.lookup_name(start.name)
  if holder then deliver_all(holder, start.messages) end
  return holder
end

-- Gives a process that has not run yet what its start carries. Returns the holder when its name was taken meanwhile.
local function equip(child, parent, start)
  if start.name and not S.register_name(start.name, child.pid) then
    local holder = holder_of(start)
    if holder then
      child.own.spawner = nil
      S.kill(child, S.canceled)
      return holder
    end
  end
  if start.monitor then S.relations_of(child).watchers[parent] = true end
  if start.link then S.relations_of(child).links[parent] = true end
  deliver_all(child.pid, start.messages)
  return nil
end

-- From the parent's side.
function S.relate(p, child, start)
  if start.monitor then S.relations_of(p).watching[child] = true end
  if start.link then S.relations_of(p).links[child] = true end
end

local function spawn_away(shard, id, host_id, ctx, args, start)
  local parent = S.pid_of(S.cur)
  if start.monitor or start.link then
    S.relations_of(S.cur)
    S.note_answer(start)
  end
  local rest = { monitor = start.monitor, link = start.link, name = start.name, messages = start.messages }
  return S.ask(shard_pid(shard), "spawn", id, host_id, parent, rest, ctx.identity, ctx.values or nil, args)
end

-- Starts a process for the running task and waits for its PID.
function S.spawn(id, host_id, ctx, args, start)
  local def, shard = prepared(id, host_id)
  if not def then return nil, shard end
  S.copy_args(args)
  S.check_park()
  local holder = start and holder_of(start)
  if holder then return holder end
  if shard ~= S.shard then return spawn_away(shard, id, host_id, ctx, args, start or nothing) end
  local p = S.cur
  local child = S.start_process(def, host_id, ctx, args, S.task)
  child.xe = S.pid_of(p)
  if start then
    holder = equip(child, S.pid_of(p), start)
    if holder then return holder end
    S.relate(p, child.pid, start)
  end
  return S.park_asking()
end

-- Runs a process to its end; its outcome goes to `reply`. Returns what S.cancel_call takes, or nil and an error.
function S.run_process(id, host_id, ctx, args, reply)
  local def, shard = prepared(id, host_id)
  if not def then return nil, shard end
  if shard == S.shard then
    local p = S.start_process(def, host_id, ctx, args, nil)
    p.reply = reply
    return p
  end
  local to = shard_pid(shard)
  local number = S.question(reply, to, "run", id, host_id, ctx.identity, ctx.values or nil, args)
  return { away = number, shard = to, ctx = ctx, dead = false }
end

-- process.exec: the outcome of the process. It goes on when the caller is gone.
function S.exec(id, host_id, ctx, args)
  S.copy_args(args)
  S.check_park()
  local callee, err = S.run_process(id, host_id, ctx, args, S.task)
  if not callee then return nil, err end
  return S.park_blocked()
end

-- Signals of other shards --------------------------------------------------------------------------------------------------

-- Answers when the module body has run, or at once when the name is held.
function S.spawn_for_shard(reference, id, host, parent, start, identity, values, args)
  local def, err = S.definition(id)
  if not def then return S.answer_signal(reference, nil, err) end
  local holder = holder_of(start)
  if not holder then
    local child = S.start_process(def, host, S.context(identity, values or false), args, { reference = reference })
    child.xe = parent
    holder = equip(child, parent, start)
  end
  if holder then S.answer_signal(reference, holder, nil, true) end
end

local running = setmetatable({}, { __mode = "v" })   -- reference -> a process whose outcome another shard waits for

function S.run_for_shard(reference, id, host, identity, values, args)
  local def, err = S.definition(id)
  if not def then return S.answer_signal(reference, nil, err) end
  local p = S.start_process(def, host, S.context(identity, values or false), args, nil)
  p.reply = { reference = reference }
  running[reference] = p
end

-- A function of a pool that is the node's.
function S.call_for_shard(reference, id, identity, values, args)
  local def, err = S.call_target(id)
  if not def then return S.answer_signal(reference, nil, err) end
  local callee
  callee, err = S.launch(def, S.context(identity, values or false), args, { reference = reference })
  if not callee then return S.answer_signal(reference, nil, err) end
  running[reference] = callee
end

function S.abandon_for_shard(reference)
  local callee = running[reference]
  if callee then S.cancel_call(callee) end
end
