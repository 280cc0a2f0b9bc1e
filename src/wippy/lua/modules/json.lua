-- Guest module `json` (spec 04b §1): encoder, decoder, and the Lua side of validation.
--
-- Invariants
-- * Guest tables are read raw; no metamethod and no guest function runs here.
-- * Work is charged in proportion, so that a large document is preempted like a loop of the guest.
-- * A table decoded from `{}` carries the locked metatable S.JSON_OBJECT and encodes as `{}` while it is empty.
local S, module, host = ...
local type, next, rawget, error, pcall, tonumber = type, next, rawget, error, pcall, tonumber
local getmetatable, setmetatable = debug.getmetatable, debug.setmetatable
local mtype, floor, huge = math.type, math.floor, math.huge
local find, sub, gsub, byte, format, rep, match = string.find, string.sub, string.gsub, string.byte, string.format, string.rep, string.match
local concat, utf8len, utf8char = table.concat, utf8.len, utf8.char
local failure, charge = S.failure, S.charge
local CLASS, ERROR, GAP = S.CLASS, S.ERROR, S.GAP
local DEPTH = 128

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

-- `out` collects the pieces; in its hash part it carries the state of the call, which may be preempted by another one:
-- `open` the tables being written, `empty` how an unmarked empty table is written, `met` whether one was met.
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

-- The content of a guest table without its metatable.
local function raw_copy(t)
  local plain = {}
  for k, v in next, t do plain[k] = v end
  return plain
end

local function put_table(out, n, t, depth)
  local mt, content = getmetatable(t), t
  if mt and mt ~= EMPTY_OBJECT then
    local class = rawget(mt, CLASS)
    if class == "handle" then
      local e = rawget(t, ERROR)
      out[n + 1] = e and quote(e.message) or "null"
      return n + 1
    end
    content = raw_copy(class and S.content(t) or t)
  end
  if next(content) == nil then
    if mt == EMPTY_OBJECT then out[n + 1] = "{}" else
      out[n + 1] = out.empty
      out.met = true
    end
    return n + 1
  end
  local open = out.open
  if open[t] then fail("cannot encode a cyclic table") end
  if depth >= DEPTH then fail("value is nested too deep for JSON (limit " .. DEPTH .. ")") end
  open[t] = true
  local length = #content
  if length > 0 then n = put_array(out, n, content, length, depth + 1) else n = put_object(out, n, content, depth + 1) end
  open[t] = nil
  return n
end

function put(out, n, v, depth)
  local t = type(v)
  if t == "string" then
    out[n + 1] = quote(v)
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

-- Structured errors are results; everything else (the end of the process, memory) goes on as it is.
local function settled(ok, a, b)
  if ok then return a, b end
  if S.error_state(a) then return nil, a end
  error(a, 0)
end

local function write(v, empty)
  local out = { open = {}, empty = empty, met = false }
  local n = put(out, 0, v, 0)
  return concat(out, "", 1, n), out.met
end

local function written(v, empty) return settled(pcall(write, v, empty)) end

function module.encode(v)
  local text, err = written(v, "[]")
  if text then return text end
  return nil, err
end

-- Decoding ----------------------------------------------------------------------------------------------------------------

local SHORT = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function malformed(at, what) fail("invalid JSON at byte " .. at .. ": " .. what) end

-- The code point of `\uXXXX` whose first digit stands at `at`, and where to go on; lone surrogates are U+FFFD.
local function code_point(s, at)
  local digits = match(s, "^%x%x%x%x", at)
  if not digits then malformed(at, "bad \\u escape") end
  local code = tonumber(digits, 16)
  at = at + 4
  if code >= 0xd800 and code < 0xdc00 then
    local low = match(s, "^\\u([dD][c-fC-F]%x%x)", at)
    if low then return 0x10000 + (code - 0xd800) * 0x400 + tonumber(low, 16) - 0xdc00, at + 6 end
  end
  if code >= 0xd800 and code < 0xe000 then code = 0xfffd end
  return code, at
end

-- A text with escapes: `at` is the first byte after the quote, `stop` the first byte that is not plain.
local function escaped_text(s, at, stop)
  local parts, n = {}, 0
  while true do
    n = n + 1
    parts[n] = sub(s, at, stop - 1)
    local code = byte(s, stop)
    if code == 34 then
      charge(n * 100)
      return concat(parts), stop + 1
    end
    if code ~= 92 then malformed(stop, "control character in a text") end
    local letter = sub(s, stop + 1, stop + 1)
    n = n + 1
    if letter == "u" then
      local point
      point, at = code_point(s, stop + 2)
      parts[n] = utf8char(point)
    else
      parts[n] = SHORT[letter] or malformed(stop, "unknown escape")
      at = stop + 2
    end
    stop = find(s, '["\\\0-\31]', at) or malformed(#s + 1, "text is not closed")
  end
end

-- Most texts have no escape: one match takes them whole.
local function read_text(s, at)
  local text, following = match(s, '^([^"\\\0-\31]*)"()', at)
  if text then return text, following end
  return escaped_text(s, at, find(s, '["\\\0-\31]', at) or malformed(#s + 1, "text is not closed"))
end

local function read_number(s, at)
  local digits, following = match(s, "^(-?%d+)()", at)
  if not digits then malformed(at, "value expected") end
  local first, second = byte(digits, 1, 2)
  if first == 45 then first, second = byte(digits, 2, 3) end
  if first == 48 and second then malformed(at, "number with a leading zero") end
  local c = byte(s, following)
  if c ~= 46 and c ~= 101 and c ~= 69 then return tonumber(digits), following end
  if c == 46 then
    following = match(s, "^%d+()", following + 1) or malformed(at, "number without digits after the point")
    c = byte(s, following)
  end
  if c == 101 or c == 69 then
    following = match(s, "^[+-]?%d+()", following + 1) or malformed(at, "number without an exponent")
  end
  return tonumber(sub(s, at, following - 1)) + 0.0, following
end

local read

local function read_array(s, at, depth)
  if depth > DEPTH then malformed(at, "nested too deep (limit " .. DEPTH .. ")") end
  local t, n, gaps = {}, 0, false
  at = find(s, "[^ \n\r\t]", at) or malformed(at, "array is not closed")
  if byte(s, at) == 93 then return t, at + 1 end
  while true do
    n = n + 1
    local v
    v, at = read(s, at, depth)
    if v == nil then v, gaps = GAP, true end
    t[n] = v
    local c = byte(s, at)
    if c ~= 44 and c ~= 93 then
      at = find(s, "[^ \n\r\t]", at) or malformed(at, "array is not closed")
      c = byte(s, at)
    end
    if c == 93 then
      charge(n * 60)
      if gaps then S.open_gaps(t, 1, n) end
      return t, at + 1
    end
    if c ~= 44 then malformed(at, "',' or ']' expected") end
    at = at + 1
  end
end

local function member_name(s, at)
  local name, following = match(s, '^"([^"\\\0-\31]*)":()', at)
  if name then return name, following end
  at = find(s, "[^ \n\r\t]", at) or malformed(at, "object is not closed")
  if byte(s, at) ~= 34 then malformed(at, "member name expected") end
  name, at = read_text(s, at + 1)
  following = match(s, "^[ \n\r\t]*:()", at)
  return name, following or malformed(at, "':' expected")
end

local function read_object(s, at, depth)
  if depth > DEPTH then malformed(at, "nested too deep (limit " .. DEPTH .. ")") end
  at = find(s, "[^ \n\r\t]", at) or malformed(at, "object is not closed")
  if byte(s, at) == 125 then return setmetatable({}, EMPTY_OBJECT), at + 1 end
  local t, n = {}, 0
  local nulls                         -- members that were null: absent from `t`, but their names are taken
  while true do
    local name, v
    name, at = member_name(s, at)
    if t[name] ~= nil or nulls and nulls[name] then malformed(at, 'duplicate member "' .. name .. '"') end
    v, at = read(s, at, depth)
    if v == nil then
      nulls = nulls or {}
      nulls[name] = true
    else
      t[name] = v
    end
    n = n + 1
    local c = byte(s, at)
    if c ~= 44 and c ~= 125 then
      at = find(s, "[^ \n\r\t]", at) or malformed(at, "object is not closed")
      c = byte(s, at)
    end
    if c == 125 then
      charge(n * 80)
      if next(t) == nil then setmetatable(t, EMPTY_OBJECT) end
      return t, at + 1
    end
    if c ~= 44 then malformed(at, "',' or '}' expected") end
    at = at + 1
  end
end

local LITERALS = { [116] = "true", [102] = "false", [110] = "null" }

local function read_literal(s, at, c)
  local word = LITERALS[c]
  if not word or sub(s, at, at + #word - 1) ~= word then malformed(at, "value expected") end
  at = at + #word
  if c == 116 then return true, at elseif c == 102 then return false, at end
  return nil, at
end

function read(s, at, depth)
  local c = byte(s, at)
  if c == 32 or c == 10 or c == 13 or c == 9 then
    at = find(s, "[^ \n\r\t]", at)
    c = at and byte(s, at)
  end
  if c == 34 then return read_text(s, at + 1) end
  if c == 123 then return read_object(s, at + 1, depth + 1) end
  if c == 91 then return read_array(s, at + 1, depth + 1) end
  if not c then malformed(#s + 1, "value expected") end
  if c == 45 or c >= 48 and c <= 57 then return read_number(s, at) end
  return read_literal(s, at, c)
end

function module.decode(s)
  if type(s) ~= "string" or s == "" then return nil, failure("Invalid", "a non-empty string is expected") end
  charge(#s)
  local v, rest = settled(pcall(read, s, 1, 0))
  if v == nil and S.error_state(rest) then return nil, rest end
  return v
end

-- Validation --------------------------------------------------------------------------------------------------------------

local function refused(message) return false, failure("Invalid", message) end

-- A schema as JSON text, and whether it was written as a table.
local function schema_text(schema)
  if type(schema) == "string" then return schema, false end
  if type(schema) ~= "table" and type(schema) ~= "boolean" then return nil, nil, "schema is required" end
  local text, err = written(schema, "[]")
  if not text then return nil, nil, S.error_state(err).message end
  return text, true
end

local function verdict(schema, from_table, text)
  local ok, err = host.validates(schema, from_table, text)
  if ok then return true end
  if err then return false, err end
  return refused("evaluation failed")
end

function module.validate(schema, data)
  local text, from_table, problem = schema_text(schema)
  if not text then return refused(problem) end
  if data == nil then return refused("data is required") end
  local body, met = written(data, "[]")
  if not body then return refused(S.error_state(met).message) end
  local ok, err = verdict(text, from_table, body)
  -- An empty Lua table is a list as well as a map.
  if not ok and met == true then ok, err = verdict(text, from_table, (written(data, "{}"))) end
  if ok then return true end
  return false, err
end

function module.validate_string(schema, data)
  local text, from_table, problem = schema_text(schema)
  if not text then return refused(problem) end
  if data == nil or data == "" then return refused("data is required") end
  if type(data) ~= "string" then S.bad_argument(2, "validate_string", "string", data) end
  return verdict(text, from_table, data)
end

return module
