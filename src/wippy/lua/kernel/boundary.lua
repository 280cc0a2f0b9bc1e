-- The boundary to the host (kernel notes, item 8): primitives (synchronous) and operations (a task parks, the answer comes
-- with a later run), and the requests that the host reads after every run. Only plain values cross: integers, byte
-- strings, booleans, nil.
local S = ...
local next, error, pcall = next, error, pcall
local unpack, encode, decode, decode_list, failure, prim, count = table.unpack, S.encode, S.decode, S.decode_list, S.failure, S.prim, collectgarbage

S.prims = decode(S.prim_numbers)

-- Requests to the host, flat: code, number, a, b for each. Read by the host after every run.
local out, outs = {}, 0
local function request(code, number, a, b)
  local n = outs
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = code, number, a, b
  outs = n + 4
end
S.request = request

-- Request codes; the host has the same list (shard.py).
local OP, CANCEL_OP, RELEASE, EXITED = 1, 3, 7, 8
S.REPLY, S.SIGNAL, S.LOG, S.EVENT, S.MESSAGE = 2, 4, 5, 6, 10

-- Outside of tasks there is nobody to blame.
function S.memory_check()
  if S.task and count("count") * 1024 > S.soft then S.over_memory(S.cur) end
end

-- What the host answers instead of a result: false for `nil, err`, 2 for an error to be raised.
function S.refused(ok, v)
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
function S.call_encoded(index, list)
  local p = S.cur
  S.pid_of(p)
  local sent, body = pcall(encode, false, list)
  if not sent then return unsendable(body) end
  local ok, v = prim(index, p.n, p.ctx.identity, p.id, p.own and p.own.request or 0, body)
  S.memory_check()
  if ok == true then
    if v == nil then return nil, nil end
    local results = decode_list(v)
    return unpack(results, 1, results.n)
  end
  return S.refused(ok, v)
end

-- An operation: registered, sent with the next batch, and the task parks.
local ops, last_op = {}, 0
function S.call_op(index, list)
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
  return S.refused(ok, v)
end

function S.complete_op(number, ok, body)
  local t = ops[number]
  if not t then return end
  local p = t.p
  if not p.dead then
    S.wake(t, ok, body)
    p.own.ops[number] = nil
  end
  ops[number] = nil
end

-- What the host keeps for a process's code is released with it: operations are cancelled, handles closed.
function S.release_operations(p, own)
  for number in next, own.ops or {} do
    ops[number] = nil
    request(CANCEL_OP, number, false, false)
    own.ops[number] = nil
  end
  if own.handles then
    request(RELEASE, p.n, false, false)
    own.handles = nil
  end
end

-- Tells the host the outcome, when it has asked for it.
function S.report_end(p, own)
  if own.watched then
    request(EXITED, p.n, not p.xe and own.body or S.encode_outcome(p.xv, p.xe), p.pid)
    own.watched = nil
  end
end

-- How many values of requests wait to be taken.
function S.requests_waiting() return outs end

-- Takes up to MOST requests: flat, four values each.
local MOST = 100
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
function S.take_requests()
  local first = taken + 1
  local last = taken + MOST * 4
  if last >= outs then
    last = outs
    return taken_all({}, unpack(out, first, last))
  end
  return taken_to(last, unpack(out, first, last))
end
