-- The one byte form of values that leave the shard (to the host or to another shard): MessagePack with three extensions.
--   ext 1: a table that was written before (its ordinal), only where sharing is kept;
--   ext 2: an error object; ext 3: a handle of the host (class, id).
-- Text that is valid UTF-8 travels as `str`, everything else as `bin`. Integer and float stay what they are.
local S = ...
local ERROR, HANDLE, CLASS, GAP = S.ERROR, S.HANDLE, S.CLASS, S.GAP
local type, next, rawget, rawlen, error, getmetatable = type, next, rawget, rawlen, error, debug.getmetatable
local pack, unpack, byte, sub, char = string.pack, string.unpack, string.byte, string.sub, string.char
local concat, utf8len, mtype = table.concat, utf8.len, math.type
local DEPTH = S.limits.depth
local LONGEST = 256 * 1024 * 1024     -- bytes of long strings in one text
local LARGEST = 4000000               -- pieces of text: a table that holds another one many times is written out each time

local function put_integer(out, n, v)
  if v >= 0 then
    if v < 128 then out[n] = char(v)
    elseif v < 65536 then out[n] = pack(">BI2", 0xcd, v)
    elseif v < 4294967296 then out[n] = pack(">BI4", 0xce, v)
    else out[n] = pack(">Bi8", 0xd3, v) end
  elseif v >= -32 then out[n] = char(256 + v)
  else out[n] = pack(">Bi8", 0xd3, v) end
end

local function string_head(text)
  local size = #text
  if utf8len(text) then
    if size < 32 then return char(0xa0 + size) end
    if size < 256 then return char(0xd9, size) end
    if size < 65536 then return pack(">BI2", 0xda, size) end
    return pack(">BI4", 0xdb, size)
  end
  if size < 256 then return char(0xc4, size) end
  if size < 65536 then return pack(">BI2", 0xc5, size) end
  return pack(">BI4", 0xc6, size)
end

local function container_head(size, small, code16)
  if size < 16 then return char(small + size) end
  if size < 65536 then return pack(">BI2", code16, size) end
  return pack(">BI4", code16 + 1, size)
end

local function put_ext(out, n, code, body)
  out[n + 1] = pack(">BI4B", 0xc9, #body, code)
  out[n + 2] = body
  return n + 2
end

local function is_sequence(t, length)
  local count = 0
  for k in next, t do
    if mtype(k) ~= "integer" or k < 1 or k > length then return false end
    count = count + 1
  end
  return count == length
end

-- For the host a table with any positive integer key is a list up to the highest one, with gaps (spec 03 §4).
local function highest_index(t)
  local highest, count = 0, 0
  for k in next, t do
    if mtype(k) == "integer" and k > 0 then
      count = count + 1
      if k > highest then highest = k end
    end
  end
  return highest, count
end

-- Whether a key or value has no byte form: its entry stays behind.
local function is_formless(v, t, shared)
  if t ~= "table" then return t == "function" or t == "thread" or t == "userdata" end
  local mt = getmetatable(v)
  if not mt or rawget(mt, CLASS) ~= "handle" or rawget(v, ERROR) then return false end
  return shared or not rawget(v, HANDLE)
end

-- Now and then inside a long table: its bound, and the slice of the task that has it written.
local function look(n)
  if n > LARGEST then error("value is too large to be sent", 0) end
  S.charge(60000)
end

local put

local function put_table(out, n, t, seen, depth)
  local mt = getmetatable(t)
  if mt then
    local class = rawget(mt, CLASS)
    if class == "frozen" or class == "library" then t = S.content(t)
    elseif class == "handle" then
      local e = rawget(t, ERROR)
      if e then
        return put_ext(out, n, 2, S.encode(false, { n = 4, e.kind, e.message, e.retryable, e.details }))
      end
      local h = rawget(t, HANDLE)
      if h and not seen.shared then return put_ext(out, n, 3, S.encode(false, { n = 2, h.class, h.id })) end
      out[n + 1] = "\xc0"
      return n + 1
    end
  end
  if depth > DEPTH then error("value is nested too deep to be sent (limit " .. DEPTH .. ")", 0) end
  if n > LARGEST then error("value is too large to be sent", 0) end
  if seen.shared then
    local ordinal = seen[t]
    if ordinal then return put_ext(out, n, 1, pack(">I4", ordinal)) end
    seen.count = seen.count + 1
    seen[t] = seen.count
  end
  if n > seen.rest then
    seen.rest = n + 2000
    S.charge(200000)
  end
  local length = rawlen(t)
  depth = depth + 1
  if length > 0 and is_sequence(t, length) then
    n = n + 1
    out[n] = container_head(length, 0x90, 0xdc)
    for i = 1, length do
      n = put(out, n, rawget(t, i), seen, depth)
      if i % 1000 == 0 then look(n) end
    end
    return n
  end
  if not seen.shared then
    local highest, count = highest_index(t)
    if highest > 0 then
      if highest > count * 2 + 1024 then error("table is too sparse for a list (index " .. highest .. ")", 0) end
      n = n + 1
      out[n] = container_head(highest, 0x90, 0xdc)
      for i = 1, highest do n = put(out, n, rawget(t, i), seen, depth) end
      return n
    end
  end
  n = n + 1
  local head = n
  out[head] = ""
  local written = 0
  local shared = seen.shared
  for k, v in next, t do
    if not is_formless(v, type(v), shared) and not is_formless(k, type(k), shared) then
      n = put(out, n, k, seen, depth)
      n = put(out, n, v, seen, depth)
      written = written + 1
      if written % 1000 == 0 then look(n) end
    end
  end
  out[head] = container_head(written, 0x80, 0xde)
  return n
end

function put(out, n, v, seen, depth)
  local t = type(v)
  if t == "string" then
    if #v > 1000 then
      seen.bytes = seen.bytes + #v
      if seen.bytes > LONGEST then error("value is too large to be sent", 0) end
    end
    out[n + 1] = string_head(v)
    out[n + 2] = v
    return n + 2
  elseif t == "number" then
    if mtype(v) == "integer" then put_integer(out, n + 1, v) else out[n + 1] = pack(">Bd", 0xcb, v) end
  elseif t == "table" then
    return put_table(out, n, v, seen, depth)
  elseif t == "boolean" then
    out[n + 1] = v and "\xc3" or "\xc2"
  else
    out[n + 1] = "\xc0"
  end
  return n + 1
end

-- One array of `list.n` values. `shared`: keep cycles and shared references (between shards); otherwise a tree for the host.
function S.encode(shared, list)
  local out = { container_head(list.n, 0x90, 0xdc) }
  local n = 1
  local seen = { shared = shared, count = 0, bytes = 0, rest = 2000 }
  for i = 1, list.n do n = put(out, n, list[i], seen, 0) end
  return concat(out, "", 1, n)
end

local get
local tables        -- tables of the text being read, by ordinal, where sharing is kept

local function get_array(text, at, size)
  local t = {}
  if tables then tables[#tables + 1] = t end
  local gaps = false
  for i = 1, size do
    local v
    v, at = get(text, at)
    if v == nil then v, gaps = GAP, true end
    t[i] = v
  end
  if gaps then S.open_gaps(t, 1, size) end
  return t, at
end

local function get_map(text, at, size)
  local t = {}
  if tables then tables[#tables + 1] = t end
  for _ = 1, size do
    local k, v
    k, at = get(text, at)
    v, at = get(text, at)
    if k ~= nil then t[k] = v end
  end
  return t, at
end

-- MessagePack's own timestamp, as Unix seconds.
local function timestamp(body)
  if #body == 4 then return unpack(">I4", body) + 0.0 end
  if #body == 8 then
    local bits = unpack(">I8", body)
    return (bits & 0x3ffffffff) + (bits >> 34) / 1e9
  end
  local nanoseconds, seconds = unpack(">I4i8", body)
  return seconds + nanoseconds / 1e9
end

local function get_ext(text, at, size)
  local code = byte(text, at)
  local body = sub(text, at + 1, at + size)
  at = at + 1 + size
  if code == 1 then return tables[(unpack(">I4", body))], at end
  if code == 255 then return timestamp(body), at end
  local saved = tables
  tables = nil
  local list = get(body, 1)
  tables = saved
  if code == 2 then return S.make_error(list[1], list[2], list[3], list[4]), at end
  if code == 3 then return S.make_handle(list[1], list[2]), at end
  return nil, at
end

local readers = {
  [0xc0] = function(_, at) return nil, at end,
  [0xc2] = function(_, at) return false, at end,
  [0xc3] = function(_, at) return true, at end,
  [0xca] = function(text, at) return unpack(">f", text, at) end,
  [0xcb] = function(text, at) return unpack(">d", text, at) end,
  [0xcc] = function(text, at) return byte(text, at), at + 1 end,
  [0xcd] = function(text, at) return unpack(">I2", text, at) end,
  [0xce] = function(text, at) return unpack(">I4", text, at) end,
  [0xcf] = function(text, at)
    local v, next_at = unpack(">i8", text, at)
    if v < 0 then v = v + 2.0 ^ 64 end
    return v, next_at
  end,
  [0xd0] = function(text, at) return unpack(">i1", text, at) end,
  [0xd1] = function(text, at) return unpack(">i2", text, at) end,
  [0xd2] = function(text, at) return unpack(">i4", text, at) end,
  [0xd3] = function(text, at) return unpack(">i8", text, at) end,
  [0xc4] = function(text, at) return unpack(">s1", text, at) end,
  [0xc5] = function(text, at) return unpack(">s2", text, at) end,
  [0xc6] = function(text, at) return unpack(">s4", text, at) end,
  [0xd9] = function(text, at) return unpack(">s1", text, at) end,
  [0xda] = function(text, at) return unpack(">s2", text, at) end,
  [0xdb] = function(text, at) return unpack(">s4", text, at) end,
  [0xdc] = function(text, at) local size size, at = unpack(">I2", text, at) return get_array(text, at, size) end,
  [0xdd] = function(text, at) local size size, at = unpack(">I4", text, at) return get_array(text, at, size) end,
  [0xde] = function(text, at) local size size, at = unpack(">I2", text, at) return get_map(text, at, size) end,
  [0xdf] = function(text, at) local size size, at = unpack(">I4", text, at) return get_map(text, at, size) end,
  [0xd4] = function(text, at) return get_ext(text, at, 1) end,
  [0xd5] = function(text, at) return get_ext(text, at, 2) end,
  [0xd6] = function(text, at) return get_ext(text, at, 4) end,
  [0xd7] = function(text, at) return get_ext(text, at, 8) end,
  [0xd8] = function(text, at) return get_ext(text, at, 16) end,
  [0xc7] = function(text, at) return get_ext(text, at + 1, byte(text, at)) end,
  [0xc8] = function(text, at) local size size, at = unpack(">I2", text, at) return get_ext(text, at, size) end,
  [0xc9] = function(text, at) local size size, at = unpack(">I4", text, at) return get_ext(text, at, size) end,
}

function get(text, at)
  local code = byte(text, at)
  if code < 0x80 then return code, at + 1 end
  if code >= 0xe0 then return code - 256, at + 1 end
  if code >= 0xa0 and code < 0xc0 then
    local last = at + code - 0xa0
    return sub(text, at + 1, last), last + 1
  end
  if code < 0x90 then return get_map(text, at + 1, code - 0x80) end
  if code < 0xa0 then return get_array(text, at + 1, code - 0x90) end
  return readers[code](text, at + 1)
end

-- One value. `shared` as in encode.
function S.decode(text, shared)
  tables = shared and {} or nil
  local v = get(text, 1)
  tables = nil
  return v
end

-- The first `most` values of an encoded array.
function S.decode_head(text, most)
  local code, at = byte(text, 1), 2
  if code == 0xdc then at = 4 elseif code == 0xdd then at = 6 end
  local list = {}
  for i = 1, most do list[i], at = get(text, at) end
  return list
end

-- The values of an encoded array as a packed list: nil values keep their places.
function S.decode_list(text, shared, start)
  tables = shared and {} or nil
  local at = start or 1
  local code = byte(text, at)
  local size = code - 0x90
  at = at + 1
  if code == 0xdc then size, at = unpack(">I2", text, at) elseif code == 0xdd then size, at = unpack(">I4", text, at) end
  local list = { n = size }
  for i = 1, size do list[i], at = get(text, at) end
  tables = nil
  return list
end
