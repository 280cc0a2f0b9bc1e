-- Guest module `json` (spec 04b §1): encoder, decoder, and the Lua side of validation.
--
-- Invariants
-- * Guest tables are read raw; no metamethod and no guest function runs here.
-- * Work is charged in proportion, so that a large document is preempted like a loop of the guest.
-- * A table decoded from `{}` carries the locked metatable S.JSON_OBJECT and encodes as `{}` while it is empty.
local S, module, host = ...
local type, next, rawget, error, pcall, tonumber = type, next, rawget, error, pcall, tonumber
local getmetatable, setmetatable = debug.getmetatable, setmetatable
local mtype, floor, huge = math.type, math.floor, math.huge
local find, sub, gsub, byte, format, rep, match = string.find, string.sub, string.gsub, string.byte, string.format, string.rep, string.match
local concat, utf8len, utf8char = table.concat, utf8.len, utf8.char
local failure, charge = S.failure, S.charge
local CLASS, ERROR = S.CLASS, S.ERROR
local DEPTH = 128

S.JSON_OBJECT = S.JSON_OBJECT or { __metatable = false }
local EMPTY_OBJECT = S.JSON_OBJECT

-- Encoding ----------------------------------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\b"] = "\\b", ["\f"] = "\\f",
  ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026" }
for code = 0, 31 do
  local c = string.char(code)
  ESCAPES[c] = ESCAPES[c] or format("\\u%04x", code)
end

-- Bytes that are no UTF-8 become U+FFFD, one by one.
local function valid_utf8(s)
  local parts, n, at = {}, 0, 1
  while true do
    local ok, bad = utf8len(s, at)
    n = n + 1
    if ok then
      parts[n] = sub(s, at)
      return concat(parts)
    end
    parts[n] = sub(s, at, bad - 1)
    n = n + 1
    parts[n] = "\u{FFFD}"
    at = bad + 1
    if n % 256 == 0 then charge(20000) end
  end
end

local function quote(s)
  if #s > 64 then charge(#s) end
  if not find(s, '[\0-\31"\\<>&\x80-\xff]') then return '"' .. s .. '"' end
  if find(s, "[\x80-\xff]") then
    if not utf8len(s) then s = valid_utf8(s) end
    if find(s, "\xe2\x80", 1, true) then
      s = gsub(s, '[\0-\31"\\<>&]', ESCAPES)
      return '"' .. gsub(gsub(s, "\u{2028}", "\\u2028"), "\u{2029}", "\\u2029") .. '"'
    end
  end
  return '"' .. gsub(s, '[\0-\31"\\<>&]', ESCAPES) .. '"'
end

-- `d.ddde+XX` written out without an exponent.
local function expanded(text)
  local sign, whole, fraction, exponent = match(text, "^(%-?)(%d+)%.?(%d*)[eE]([+-]?%d+)$")
  if not sign then return text end
  exponent = tonumber(exponent)
  local digits = whole .. fraction
  local point = #whole + exponent
  if point <= 0 then return sign .. "0." .. rep("0", -point) .. digits end
  if point >= #digits then return sign .. digits .. rep("0", point - #digits) end
  return sign .. sub(digits, 1, point) .. "." .. sub(digits, point + 1)
end

local function float_text(v)
  if v ~= v or v == huge or v == -huge then return "null" end
  if v == floor(v) and v < 1e15 and v > -1e15 then return format("%d", v) end
  for precision = 15, 17 do
    local text = format("%." .. precision .. "g", v)
    if precision == 17 or tonumber(text) == v then return expanded(text) end
  end
end

local function fail(message) error(failure("Internal", message), 0) end

local keys, known_keys = {}, 0        -- quoted member names, kept while they are few

local function quoted_key(k)
  local text = keys[k]
  if text then return text end
  text = quote(k) .. ":"
  if #k <= 40 then
    if known_keys >= 2000 then keys, known_keys = {}, 0 end
    keys[k] = text
    known_keys = known_keys + 1
  end
  return text
end

-- What the encoder of the running call is in: tables being written, whether an unmarked empty table is `[]` or `{}`, and
-- whether one was met.
local open, empty_text, met_empty

local put

local function put_array(out, n, t, length, depth)
  local count = 0
  for _ in next, t do count = count + 1 end
  if count ~= length then fail("cannot encode a table with holes or with mixed keys") end
  n = n + 1
  out[n] = "["
  for i = 1, length do
    local v = t[i]
    if v == nil then fail("cannot encode a sparse array") end
    if i > 1 then
      n = n + 1
      out[n] = ","
    end
    n = put(out, n, v, depth)
  end
  n = n + 1
  out[n] = "]"
  charge(length * 60)
  return n
end

local function put_object(out, n, t, depth)
  n = n + 1
  out[n] = "{"
  local first, count = true, 0
  for k, v in next, t do
    if type(k) ~= "string" then fail("cannot encode a sparse array or a table with mixed keys") end
    if first then first = false else
      n = n + 1
      out[n] = ","
    end
    n = n + 1
    out[n] = keys[k] or quoted_key(k)
    n = put(out, n, v, depth)
    count = count + 1
  end
  n = n + 1
  out[n] = "}"
  charge(count * 80)
  return n
end

local function put_table(out, n, t, depth)
  local mt = getmetatable(t)
  if mt then
    local class = rawget(mt, CLASS)
    if class == "handle" then
      local e = rawget(t, ERROR)
      out[n + 1] = e and quote(e.message) or "null"
      return n + 1
    elseif class then
      t = S.content(t)
    end
  end
  if next(t) == nil then
    if mt == EMPTY_OBJECT then out[n + 1] = "{}" else
      out[n + 1] = empty_text
      met_empty = true
    end
    return n + 1
  end
  if open[t] then fail("cannot encode a cyclic table") end
  if depth >= DEPTH then fail("value is nested too deep for JSON (limit " .. DEPTH .. ")") end
  open[t] = true
  local length = #t
  if length > 0 then n = put_array(out, n, t, length, depth + 1) else n = put_object(out, n, t, depth + 1) end
  open[t] = nil
  return n
end

function put(out, n, v, depth)
  local t = type(v)
  if t == "string" then
    out[n + 1] = find(v, '[\0-\31"\\<>&\x80-\xff]') and quote(v) or '"' .. v .. '"'
  elseif t == "number" then
    out[n + 1] = mtype(v) == "integer" and format("%d", v) or float_text(v)
  elseif t == "table" then
    return put_table(out, n, v, depth)
  elseif t == "boolean" then
    out[n + 1] = v and "true" or "false"
  else
    out[n + 1] = "null"
  end
  return n + 1
end

-- The state of a call survives a preemption in the middle: another process's call has tables of its own.
local function written(v, empty)
  local saved_open, saved_text, saved_met = open, empty_text, met_empty
  local out, mine = {}, {}
  open, empty_text, met_empty = mine, empty, false
  local ok, n = pcall(put, out, 0, v, 0)
  local met = met_empty
  open, empty_text, met_empty = saved_open, saved_text, saved_met
  if not ok then return nil, n end
  return concat(out, "", 1, n), met
end
