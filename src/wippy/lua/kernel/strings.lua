-- The guest's `string` library (spec 02 §12). Lengths are bounded, patterns that could run away go to the preemptible
-- matcher, callbacks run in Lua so that they can be suspended, and no function reveals an address or dumps code.
local S = ...
local find, sub, rep, format, match, gmatch, gsub, byte = string.find, string.sub, string.rep, string.format, string.match, string.gmatch, string.gsub, string.byte
local char, concat = string.char, table.concat
local type, raise, select, next, tonumber, floor, mtype = type, S.raise, select, next, tonumber, math.floor, math.type
local unpack = table.unpack
local bad_argument, number_text = S.bad_argument, S.number_text
local guest_tostring = S.base.tostring
local LARGEST = 64 * 1024 * 1024      -- bytes a single call may build

local M = {}

local function text(v, position, name)
  local t = type(v)
  if t == "string" then return v end
  if t == "number" then return number_text(v) end
  bad_argument(position, name, "string", v)
end

-- Counts and indices accept floats and truncate (spec 02 §12). With `position` and `name` of the argument what is no number
-- is a mistake of the guest, and so is nothing where there is no default.
local function int(v, default, position, name)
  if mtype(v) == "integer" then return v end
  local n = v
  if type(v) ~= "number" then
    n = type(v) == "string" and tonumber(v) or nil
    if n == nil then
      if position and (v ~= nil or default == nil) then bad_argument(position, name, "number", v) end
      return default
    end
    if mtype(n) == "integer" then return n end
  end
  if n ~= n then return default or position and 0 end
  if n >= 9.2e18 then return math.maxinteger elseif n <= -9.2e18 then return math.mininteger end
  return n >= 0 and floor(n) or -floor(-n)
end
S.int = int

local function number(v, position, name)
  if mtype(v) then return v end
  return type(v) == "string" and tonumber(v) or bad_argument(position, name, "number", v)
end
S.number = number

-- Small integers (and floats equal to one), recognised by one table access instead of a call.
local small = {}
for i = 1, 4096 do small[i] = true end
for i = -64, 0 do small[i] = true end

function M.len(s) return #text(s, 1, "len") end
function M.sub(s, i, j)
  if type(s) == "string" and small[i] and (j == nil or small[j]) then return sub(s, i, j) end
  return sub(text(s, 1, "sub"), int(i, nil, 2, "sub"), int(j, -1, 3, "sub"))
end
function M.byte(s, i, j)
  if type(s) == "string" and (i == nil or small[i]) and (j == nil or small[j]) then return byte(s, i, j) end
  i = int(i, 1, 2, "byte")
  return byte(text(s, 1, "byte"), i, int(j, i, 3, "byte"))
end
function M.char(...)
  local n = select("#", ...)
  if n == 1 then return char(int((...), nil, 1, "char") % 256) end
  local parts = {}
  for i = 1, n do parts[i] = char(int((select(i, ...)), nil, i, "char") % 256) end
  return concat(parts)
end
function M.reverse(s) return string.reverse(text(s, 1, "reverse")) end

function M.rep(s, n, separator)
  s, n = text(s, 1, "rep"), int(n, nil, 2, "rep")
  if n <= 0 then return "" end
  local size = #s + (separator and #text(separator, 3, "rep") or 0)
  if size == 0 then return "" end       -- C would count to n
  if size * 1.0 * n > LARGEST then raise("resulting string too large") end
  if size * n > 1000000 then S.reserve(size * n) end
  S.charge(size * n)
  return rep(s, n, separator)
end

-- Case mapping is Unicode aware through the host only where bytes above 127 occur.
local function mapped(name, ascii)
  M[name] = function(s)
    s = text(s, 1, name)
    if not find(s, "[\x80-\xff]") then return ascii(s) end
    return S.host_text(name, s)
  end
end
mapped("lower", string.lower)
mapped("upper", string.upper)

-- A search whose worst case stays below ten million steps may run in C: nothing can interrupt it there.
local CHEAP = 1e7
local function cheap(s, p)
  local size = #s
  if size < 64 and #p < 32 then
    local _, few = gsub(p, "[%*%+%-%?]", "")
    return few <= 3
  end
  if size > 10000000 or #p > 10000 then return false end
  local quantified = gsub(p, "[%*%+%-%?]$", "")       -- the last one never backtracks into anything
  local _, n = gsub(quantified, "[%*%+%-%?]", "")
  local _, longer = gsub(quantified, "%%[bf%d]", "")
  local each = #p > 32 and #p / 32 or 1               -- a long class is read for every character
  return size ^ (n + longer + 1) * each < CHEAP
end

-- Plain search, in windows small enough that a hostile needle cannot hold the shard.
local function find_plain(s, needle, init)
  local size = #needle
  if init > #s + 1 then return nil end
  if (#s - init + 1.0) * size < CHEAP then return find(s, needle, init, true) end
  local window = floor(CHEAP / size) + 1
  local at = init
  while at <= #s do
    local first, last = find(sub(s, at, at + window + size - 2), needle, 1, true)
    if first then return at + first - 1, at + last - 1 end
    at = at + window
    S.charge(1e6)
  end
  return nil
end

local function start(s, init, name)
  init = int(init, 1, 3, name)
  if init < 0 then
    init = #s + init + 1
    if init < 1 then init = 1 end
  elseif init == 0 then
    init = 1
  end
  return init
end

function M.find(s, p, init, plain_search)
  s, p = text(s, 1, "find"), text(p, 2, "find")
  if plain_search or not find(p, "[%^%$%*%+%?%.%(%)%[%%%-]") then return find_plain(s, p, start(s, init, "find")) end
  if cheap(s, p) then return find(s, p, int(init, 1, 3, "find")) end
  init = start(s, init, "find")
  if init > #s + 1 then return nil end
  return S.pattern(p).find(s, init)
end

function M.match(s, p, init)
  s, p = text(s, 1, "match"), text(p, 2, "match")
  if cheap(s, p) then return match(s, p, int(init, 1, 3, "match")) end
  init = start(s, init, "match")
  if init > #s + 1 then return nil end
  return S.pattern(p).match(s, init)
end

function M.gmatch(s, p)
  s, p = text(s, 1, "gmatch"), text(p, 2, "gmatch")
  if cheap(s, p) then return gmatch(s, p) end
  return S.pattern(p, true).gmatch(s)
end
M.gfind = M.gmatch

-- A replacement text: `%0`-`%9` are captures, `%%` a percent sign, `%` before anything else stays (spec 02 §12).
local function expand(replacement, whole, captures)
  return (gsub(replacement, "%%(.?)", function(c)
    if c == "%" then return "%" end
    local digit = tonumber(c)
    if not digit then return "%" .. c end
    if digit == 0 then return whole end
    local capture = captures[digit]
    if capture == nil and digit == 1 and captures.n == 0 then return whole end
    if capture == nil then raise("invalid capture index %" .. c .. " in replacement string") end
    return guest_tostring(capture)
  end))
end

local function replaced(kind, replacement, whole, captures)
  local first = captures.n > 0 and captures[1] or whole
  local value
  if kind == "function" then
    if captures.n > 0 then value = replacement(unpack(captures, 1, captures.n)) else value = replacement(whole) end
  elseif kind == "table" then
    value = replacement[first]
  else
    return expand(replacement, whole, captures)
  end
  if value == nil or value == false then return whole end
  local t = type(value)
  if t == "string" then return value end
  if t == "number" then return number_text(value) end
  raise("invalid replacement value (a " .. t .. ")")
end

local function collected(first, last, ...)
  if first then return first, last, { n = select("#", ...), ... } end
  return nil
end

-- In Lua, match by match: callbacks may suspend, and a long subject is charged for as it is read.
local function gsub_steps(s, p, kind, replacement, limit)
  local anchored = byte(p, 1) == 94
  local search
  if cheap(s, p) then
    search = function(subject, init) return collected(find(subject, p, init)) end
  else
    search = S.pattern(p).captures
  end
  local out, n = {}, 0
  local at, copied, ended, count = 1, 1, 0, 0
  local size, bytes = #s, 0
  while count < limit do
    local first, last, captures = search(s, at)
    if not first then break end
    if last + 1 == ended then           -- an empty match where the last one ended does not count
      if at > size then break end
      at = at + 1
    else
      count = count + 1
      out[n + 1] = sub(s, copied, first - 1)
      local value = replaced(kind, replacement, sub(s, first, last), captures)
      out[n + 2] = value
      n = n + 2
      bytes = bytes + #value
      if bytes > LARGEST then raise("resulting string too large") end
      at, copied, ended = last + 1, last + 1, last + 1
    end
    if anchored then break end
  end
  out[n + 1] = sub(s, copied)
  return concat(out, "", 1, n + 1), count
end

function M.gsub(s, p, replacement, limit)
  s, p = text(s, 1, "gsub"), text(p, 2, "gsub")
  local kind = type(replacement)
  if kind == "number" then
    replacement, kind = number_text(replacement), "string"
  end
  if kind ~= "string" and kind ~= "function" and kind ~= "table" then
    bad_argument(3, "gsub", "string/function/table", replacement)
  end
  limit = int(limit, math.maxinteger, 4, "gsub")
  if kind == "string" and #s < 1000000 and not find(replacement, "%%[^%d%%]") and not find(replacement, "%%$") and cheap(s, p) then
    if #s * 1.0 * #replacement > LARGEST * 4 then raise("resulting string too large") end
    return gsub(s, p, replacement, limit)
  end
  return gsub_steps(s, p, kind, replacement, limit)
end

-- One conversion of a format text; a mismatched value never raises (spec 02 §12).
local INTEGER = { d = true, i = true, u = true, c = true, x = true, X = true, o = true }
local FLOAT = { e = true, E = true, f = true, F = true, g = true, G = true, a = true, A = true }
local function converted(spec, letter, v)
  if letter == "s" then
    return format(spec, guest_tostring(v))
  elseif letter == "q" then
    local t = type(v)
    if t == "string" then return format("%q", v) end
    return guest_tostring(v)
  end
  local n = tonumber(v)
  if n == nil then return guest_tostring(v) end
  if INTEGER[letter] then
    if mtype(n) == "float" then
      if n ~= n or n >= 2 ^ 63 or n < -2 ^ 63 then return number_text(n) end
      n = n >= 0 and floor(n) or -floor(-n)
    end
    if letter == "c" then return char(n % 256) end
    if letter == "u" then spec = sub(spec, 1, -2) .. "d" end
    return format(spec, n)
  elseif FLOAT[letter] then
    if letter == "F" then spec = sub(spec, 1, -2) .. "f" end
    return format(spec, n)
  end
  return spec
end

function M.format(template, ...)
  template = text(template, 1, "format")
  local args, total, used = { ... }, select("#", ...), 0
  local out, n, at, bytes = {}, 0, 1, 0
  while true do
    local first = find(template, "%", at, true)
    if not first then break end
    if first > at then n = n + 1 out[n] = sub(template, at, first - 1) end
    local _, last, flags, letter = find(template, "^%%([%-%+ #0]*%d*%.?%d*)(.?)", first)
    n = n + 1
    if letter == "%" then
      out[n] = "%"
    elseif letter == "" then
      out[n] = sub(template, first)
    else
      used = used + 1
      local spec = sub(template, first, last)
      if used > total then
        out[n] = "%!" .. letter .. "(MISSING)"
      elseif #flags > 6 or tonumber(match(flags, "%d+") or 0) > 99 then
        raise("invalid conversion '" .. spec .. "' to 'format'")
      else
        local piece = converted(spec, letter, args[used])
        out[n] = piece
        bytes = bytes + #piece
        if bytes > LARGEST then raise("resulting string too large") end
      end
    end
    at = last + 1
  end
  out[n + 1] = sub(template, at)
  return concat(out, "", 1, n + 1)
end

function M.pack(fmt, ...)
  if #text(fmt, 1, "pack") > 4096 then raise("format is too long") end
  local bytes = 0
  for size in gmatch(fmt, "c(%d+)") do bytes = bytes + (tonumber(size) or 0) end
  if bytes > LARGEST then raise("resulting string too large") end
  return string.pack(fmt, ...)
end
M.packsize = string.packsize
function M.unpack(fmt, s, at) return string.unpack(text(fmt, 1, "unpack"), text(s, 2, "unpack"), int(at, 1, 3, "unpack")) end
function M.dump() raise("unable to dump given function") end

-- As methods of a string these need not look at what they are called on.
local methods = {}
for name, f in next, M do methods[name] = f end
function methods.len(s) return #s end
function methods.sub(s, i, j)
  if small[i] and (j == nil or small[j]) then return sub(s, i, j) end
  return M.sub(s, i, j)
end

S.string_meta.__index = methods
S.base.string = S.library(M)

-- `string` is a type as well (spec 02 §5.2): it validates when called and reflects.
function S.add_string_type(reflection, is, call, comparison)
  for name, f in next, reflection do M[name] = f end
  M.is = is
  local proxy = debug.getmetatable(S.base.string)
  proxy.__call = call
  proxy.__eq, proxy.__le, proxy.__lt = comparison.__eq, comparison.__le, comparison.__lt
end
