-- What the host knows: clocks, text; and where logs and events for the outside go.
local S = ...
local type, next, error, pcall = type, next, error, pcall
local encode, decode, request, prim, REPLY, LOG, EVENT = S.encode, S.decode, S.request, S.prim, S.REPLY, S.LOG, S.EVENT

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
