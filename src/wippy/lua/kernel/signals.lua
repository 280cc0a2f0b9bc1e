-- Signals between shards: messages, exits, relations, spawns; a question parks its task until the other shard has answered.
local S = ...
local select, pcall = select, pcall
local unpack, encode, decode_list, request, SIGNAL = table.unpack, S.encode, S.decode_list, S.request, S.SIGNAL

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

function S.receive_signal(text)
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
