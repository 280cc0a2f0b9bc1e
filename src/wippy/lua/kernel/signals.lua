-- Signals between shards: messages, exits, relations, spawns; a question parks its task until the other shard has answered.
local S = ...
local select, pcall, type = select, pcall, type
local unpack, pack, string_unpack = table.unpack, string.pack, string.unpack
local encode, decode_list, request, SIGNAL, MESSAGE = S.encode, S.decode_list, S.request, S.SIGNAL, S.MESSAGE

local asks, last_ask = {}, 0

function S.signal(pid, kind, ...)
  request(SIGNAL, 0, pid, encode(true, { n = select("#", ...) + 3, kind, pid, 0, ... }))
end

-- A message, the common signal, has a light form: its head is packed in front of the list, the number is the shard's.
function S.message_away(shard, pid, from, topic, list)
  request(MESSAGE, shard, pid, pack("<s2s4", from, topic) .. encode(true, list))
end

local function deliver(p, text)
  local from, topic, at = string_unpack("<s2s4", text)
  S.deliver_foreign(p, topic, from, decode_list(text, true, at))
end

-- Its sender has been told that it was accepted: who cannot take it for lack of memory fails.
function S.receive_message(pid, text)
  local p = S.find_process(pid)
  if p and not p.dead and not pcall(deliver, p, text) then S.kill(p, S.out_of_memory) end
end

-- What the answer to the next question makes true is noted when it comes, before the task goes on: news of the process's end
-- may come right behind. `what`: what the process starts with, or the PID of who is known to live by its answer.
local noting = {}
function S.note_answer(what) noting[last_ask + 1] = what end

local function note(k, t, v)
  local what = noting[k]
  if not what then return end
  if not v then noting[k] = nil return end
  if type(what) == "string" then S.know(what)
  elseif t and not t.p.dead then S.relate(t.p, v, what) end
  noting[k] = nil
end

-- Asks the shard of `pid`; the answer goes to `reply` (see S.answer). Returns the question's number on this node.
function S.question(reply, pid, kind, ...)
  local k = last_ask + 1
  last_ask = k
  local reference = k * S.stride + S.shard
  local body = encode(true, { n = select("#", ...) + 3, kind, pid, reference, ... })
  asks[k] = reply
  request(SIGNAL, reference, pid, body)
  return reference
end

-- Asks and parks until the answer is there: ok, text.
function S.ask(pid, kind, ...)
  S.check_park()
  S.question(S.task, pid, kind, ...)
  return S.park_asking()
end

local signals = {
  message = function(pid, from, topic, list)
    local p = S.find_process(pid)
    if not p or p.dead then return nil, "process not found" end
    S.deliver_foreign(p, topic, from, list)
    S.known_by(p, from)
    return true
  end,
  gone = function(_, pid) S.forget_away(pid) end,
  exit = function(pid, from, v, e) S.exited(pid, from, v, e) end,
  down = function(pid, from, v, e) S.link_lost(pid, from, v, e) end,
  watch = S.watch, unwatch = S.unwatch, link = S.join_link, unlink = S.drop_link,
  name = S.take_name, unname = S.forget_name,
  cancel = S.cancel_process, terminate = S.terminate_process,
  abandon = function(_, reference) S.abandon_for_shard(reference) end,
}
-- These answer later, and by themselves.
local starting = { spawn = S.spawn_for_shard, run = S.run_for_shard, call = S.call_for_shard }

-- `held`: the PID is that of a process that held the name already.
function S.answer_signal(reference, v, e, held)
  request(SIGNAL, -reference, "", encode(true, { n = 6, "answer", "", reference, v, e, held }))
end

local function answered(reference, v, e, held)
  local k = reference // S.stride
  local to = asks[k]
  if not held then note(k, to, v) else noting[k] = nil end
  if to then S.answer(to, v, e) end
  asks[k] = nil
end

-- A signal that cannot be read for lack of memory is answered all the same.
local function refuse_signal(text)
  local list = S.decode_head(text, 3)
  local kind, reference = list[1], list[3]
  if kind == "answer" then
    local to = asks[reference // S.stride]
    answered(reference, nil, to and to.co and "not enough memory" or S.out_of_memory)
  elseif reference ~= 0 then
    S.answer_signal(reference, nil, starting[kind] and S.out_of_memory or "not enough memory")
  end
end

function S.receive_signal(text)
  local read, list = pcall(decode_list, text, true)
  if not read then return refuse_signal(text) end
  local kind, pid, reference = list[1], list[2], list[3]
  if kind == "answer" then return answered(reference, unpack(list, 4, 6)) end
  if starting[kind] then return starting[kind](reference, unpack(list, 4, list.n)) end
  local ok, err = signals[kind](pid, unpack(list, 4, list.n))
  if reference ~= 0 then S.answer_signal(reference, ok, err) end
end
