-- The guest's `table`, `math` and `os` libraries (spec 02 §12). Sorting is a stable merge sort in Lua: it can be suspended in
-- a comparator, is reproducible, and never complains about an inconsistent order. Ranges are bounded.
local S = ...
local CLASS, FROZEN = S.CLASS, S.FROZEN
local type, next, error, raise, tonumber, select, rawget, rawlen, pcall = type, next, error, S.raise, tonumber, select, rawget, rawlen, pcall
local raw_setmetatable, getmetatable = setmetatable, debug.getmetatable
local insert, remove, concat, create = table.insert, table.remove, table.concat, table.create
local floor, mtype = math.floor, math.type
local class_of, content, int, bad_argument, number_text = S.class_of, S.content, S.int, S.bad_argument, S.number_text
local LARGEST = 10000000              -- elements one call may touch
local LONGEST = 64 * 1024 * 1024      -- bytes one call may build

local T = {}

local function readable(t, name)
  if type(t) ~= "table" or class_of(t) == "handle" then bad_argument(1, name, "table", t) end
  return content(t)
end

local function writable(t, name, verb)
  if type(t) ~= "table" or class_of(t) == "handle" then bad_argument(1, name, "table", t) end
  if class_of(t) then raise("attempt to " .. verb .. " Immutable table") end
  return t
end

function T.insert(t, ...)
  writable(t, "insert", "insert into")
  local n = select("#", ...)
  local size = #t
  if n == 1 then
    t[size + 1] = (...)
    return
  elseif n ~= 2 then
    raise("wrong number of arguments to 'insert'")
  end
  local at, v = ...
  at = int(at, nil, 2, "insert")
  if at >= 1 and at <= size and not getmetatable(t) then
    S.charge(size - at)
    insert(t, at, v)
  elseif at >= 1 and at <= size then
    if size - at > LARGEST then raise("array too big") end
    for i = size, at, -1 do
      t[i + 1] = t[i]
      S.charge(100)
    end
    t[at] = v
  else
    t[at] = v
  end
end

function T.remove(t, at)
  writable(t, "remove", "remove from")
  local size = #t
  at = int(at, size, 2, "remove")
  if size == 0 or at < 1 or at > size then
    return nil
  end
  if not getmetatable(t) then
    S.charge(size - at)
    return remove(t, at)
  end
  if size - at > LARGEST then raise("array too big") end
  local v = t[at]
  for i = at, size do
    t[i] = t[i + 1]
    S.charge(100)
  end
  return v
end

-- Numbers and error objects as the text they print as; anything else raises.
local function concat_mixed(real, separator, i, j)
  local parts, bytes, n = {}, 0, 0
  for at = i, j do
    local v = rawget(real, at)
    local kind = type(v)
    if kind == "number" then v = number_text(v)
    elseif kind ~= "string" then
      local e = S.error_state(v)
      if not e then raise("invalid value (" .. S.base.type(v) .. ") at index " .. at .. " in table for concat") end
      v = e.message
    end
    n = n + 1
    parts[n] = v
    bytes = bytes + #v + #separator
    if bytes > LONGEST then raise("resulting string too large") end
  end
  return concat(parts, separator)
end

-- Four at a time: the loop itself costs as much as a string's length.
local function measured(real, i, j)
  local bytes = 0
  local rest = i + (j - i + 1) // 4 * 4
  for at = i, rest - 1, 4 do bytes = bytes + #real[at] + #real[at + 1] + #real[at + 2] + #real[at + 3] end
  for at = rest, j do bytes = bytes + #real[at] end
  return bytes
end

function T.concat(t, separator, i, j)
  local real = readable(t, "concat")
  local size = #real
  i, j = int(i, 1, 3, "concat"), int(j, size, 4, "concat")
  if i < 1 then i = 1 end
  if j > size then j = size end
  if i > j then return "" end
  S.charge((j - i) * 50)
  separator = separator == nil and "" or S.base.tostring(separator)
  if getmetatable(real) then
    return concat_mixed(real, separator, i, j)
  end
  -- Strings are measured without a call for each: a number has no length and sends us to the careful way.
  local ok, bytes = pcall(measured, real, i, j)
  if ok then
    if bytes + (j - i) * #separator > LONGEST then raise("resulting string too large") end
    local joined, whole = pcall(concat, real, separator, i, j)
    if joined then return whole end
    if whole == "not enough memory" then error(whole, 0) end
  end
  return concat_mixed(real, separator, i, j)
end

function T.unpack(...) return S.base.unpack(...) end
function T.pack(...) return S.operators.list { n = select("#", ...), ... } end
function T.getn(t) return #readable(t, "getn") end

function T.maxn(t)
  local largest = 0
  for k in next, readable(t, "maxn") do
    S.charge(50)
    if type(k) == "number" and k > largest then largest = k end
  end
  return largest
end

function T.move(a, first, last, at, b)
  readable(a, "move")
  b = b or a
  writable(b, "move", "modify")
  first, last, at = int(first, nil, 2, "move"), int(last, nil, 3, "move"), int(at, nil, 4, "move")
  if last * 1.0 - first >= LARGEST then raise("too many elements to move") end
  if at > last or at <= first or a ~= b then
    for i = 0, last - first do
      b[at + i] = a[first + i]
      if i % 500 == 499 then S.charge(20000) end
    end
  else
    for i = last - first, 0, -1 do
      b[at + i] = a[first + i]
      if i % 500 == 499 then S.charge(20000) end
    end
  end
  return b
end

function T.create(sequence, records)
  sequence, records = int(sequence, 0, 1, "create"), int(records, 0, 2, "create")
  if sequence < 0 or records < 0 or sequence > LARGEST or records > LARGEST then
    raise("bad argument #1 to create (size out of range)")
  end
  local bytes = sequence * 16 + records * 40
  if bytes > 1000000 then S.reserve(bytes) end
  return create(sequence, records)
end

local function less_than(a, b) return a < b end

local function insertion(t, first, last, less)
  for i = first + 1, last do
    local v = t[i]
    local j = i - 1
    while j >= first and less(v, t[j]) do
      t[j + 1] = t[j]
      j = j - 1
    end
    t[j + 1] = v
  end
end

local function merge(from, to, first, middle, last, less)
  local i, j = first, middle + 1
  for k = first, last do
    if i > middle then to[k] = from[j] j = j + 1
    elseif j > last then to[k] = from[i] i = i + 1
    elseif less(from[j], from[i]) then to[k] = from[j] j = j + 1
    else to[k] = from[i] i = i + 1 end
  end
end

function T.sort(t, less)
  writable(t, "sort", "sort")
  if less ~= nil then S.check_function(less, 2, "sort") end
  less = less or less_than
  local size = #t
  if size > LARGEST then raise("array too big") end
  local from, to = {}, {}
  local charge = S.charge
  for i = 1, size do
    from[i] = t[i]
    if i % 500 == 0 then charge(20000) end
  end
  local run = 8
  for first = 1, size, run do
    insertion(from, first, first + run - 1 < size and first + run - 1 or size, less)
    charge(100)
  end
  while run < size do
    for first = 1, size, run * 2 do
      local middle = first + run - 1
      local last = first + run * 2 - 1
      if last > size then last = size end
      if middle > last then middle = last end
      merge(from, to, first, middle, last, less)
      charge((last - first) * 5)
    end
    from, to = to, from
    run = run * 2
  end
  for i = 1, size do
    t[i] = from[i]
    if i % 500 == 0 then charge(20000) end
  end
end

-- Freezing keeps the identity: the content moves behind the table, which becomes its proxy (spec 02 §18). What its metatable
-- does it goes on doing, with the proxy as its object: the table behind must not be seen.
local frozen_meta = { __newindex = function() raise("attempt to modify Immutable table") end }
local function frozen_class(real, mt)
  local class = {}
  for k, v in next, mt or {} do class[k] = v end
  local missing = mt and rawget(mt, "__index")
  class.__index = real
  if type(missing) == "function" then
    class.__index = function(t, k)
      local v = real[k]
      if v == nil then return missing(t, k) end
      return v
    end
  elseif missing ~= nil then
    class.__index = function(_, k)
      local v = real[k]
      if v == nil then return missing[k] end
      return v
    end
  end
  if class.__len == nil then class.__len = function() return #real end end
  class.__newindex, class.__metatable, class.__gc, class.__mode, class[CLASS] = frozen_meta.__newindex, false, nil, nil, "frozen"
  return class
end
local function copied(t, into)
  local n = 0
  for k, v in next, t do
    into[k] = v
    n = n + 1
  end
  S.charge(n * 50)
  return into
end
function T.freeze(t)
  if type(t) ~= "table" then bad_argument(1, "freeze", "table", t) end
  if class_of(t) then return t end
  local length, real = rawlen(t), copied(t, {})
  if rawlen(real) ~= length then real = copied(t, create(length * 2)) end   -- a list with gaps
  local class = frozen_class(real, getmetatable(t))
  raw_setmetatable(t, nil)
  for k in next, real do t[k] = nil end
  t[FROZEN] = real
  return raw_setmetatable(t, class)
end
function T.isfrozen(t)
  if type(t) ~= "table" then bad_argument(1, "isfrozen", "table", t) end
  local class = class_of(t)
  return class == "frozen" or class == "library"
end

S.base.table = S.library(T)

-- Gaps. Lua looks for a border from the middle of an array, the dialect counts up to the last value (spec 02 §13). While GAP
-- stands in every gap `#` finds that value, and later searches begin where it was found.
local GAP = S.GAP
local function open_gaps(t, first, last)
  local _ = #t
  for i = first, last do
    if t[i] == GAP then t[i] = nil end
  end
end
S.open_gaps = open_gaps

-- A table that a constructor filled from a list of unknown length, `{f()}` (syntax/expression_emitter.py). Its indices all lie
-- in the array part, in order: such a constructor has no other number keys.
function S.operators.list(t)
  local border = #t
  local k = next(t, border > 0 and border or nil)
  if mtype(k) ~= "integer" then return t end
  local last
  repeat
    last = k
    k = next(t, k)
  until mtype(k) ~= "integer"
  for i = border + 1, last do
    if t[i] == nil then t[i] = GAP end
  end
  open_gaps(t, border + 1, last)
  S.charge((last - border) * 50)
  return t
end

local number = S.number
local M = {}
for _, name in ipairs { "abs", "acos", "asin", "ceil", "cos", "deg", "exp", "floor", "max", "min", "rad", "sin", "sqrt", "tan", "ult", "modf" } do
  M[name] = math[name]
end
M.pi, M.maxinteger, M.mininteger = math.pi, math.maxinteger, math.mininteger
M.huge = 1.7976931348623157e308       -- the largest finite double, as the dialect has it
function M.type(v)
  if v == nil then return nil end
  return mtype(v)
end

function M.atan(y, x) return math.atan(number(y, 1, "atan"), x == nil and 1 or number(x, 2, "atan")) end
function M.atan2(y, x) return math.atan(number(y, 1, "atan2"), number(x, 2, "atan2")) end
function M.log(x, b)
  if b == nil then return math.log(number(x, 1, "log")) end
  return math.log(number(x, 1, "log"), number(b, 2, "log"))
end
function M.log10(x) return math.log(number(x, 1, "log10"), 10) end
function M.pow(x, y) return number(x, 1, "pow") ^ number(y, 2, "pow") end
function M.cosh(x)
  x = number(x, 1, "cosh")
  return (math.exp(x) + math.exp(-x)) / 2
end
function M.sinh(x)
  x = number(x, 1, "sinh")
  return (math.exp(x) - math.exp(-x)) / 2
end
function M.tanh(x)
  x = number(x, 1, "tanh")
  if x > 20 then return 1.0 elseif x < -20 then return -1.0 end
  local a, b = math.exp(x), math.exp(-x)
  return (a - b) / (a + b)
end
function M.frexp(x)
  x = number(x, 1, "frexp")
  if x == 0 or x ~= x or x == math.huge or x == -math.huge then return x, 0 end
  local e = floor(math.log(math.abs(x), 2)) + 1
  local m = x / 2.0 ^ e
  if math.abs(m) >= 1 then m, e = m / 2, e + 1 elseif math.abs(m) < 0.5 then m, e = m * 2, e - 1 end
  return m, e
end
function M.ldexp(m, e) return number(m, 1, "ldexp") * 2.0 ^ number(e, 2, "ldexp") end
function M.fmod(a, b)
  a, b = number(a, 1, "fmod"), number(b, 2, "fmod")
  if b == 0 then return 0.0 / 0.0 end
  return math.fmod(a, b)
end
function M.mod(a, b) return M.fmod(a, b) end
function M.tointeger(v)
  if type(v) == "string" then v = tonumber(v) end
  if type(v) ~= "number" then return nil end
  return math.tointeger(v)
end

-- One generator a process (spec kernel notes): xorshift64*, seeded when it is first used.
local function generator(p)
  local own = S.own(p)
  local g = own.random
  if not g then
    g = { state = S.seed() | 1 }
    own.random = g
  end
  return g
end
local function next_random(g)
  local x = g.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  g.state = x
  return x * 2685821657736338717
end
function M.random(low, high)
  local bits = next_random(generator(S.cur)) >> 11
  local unit = bits / 9007199254740992.0
  if low == nil then return unit end
  low = int(low, nil, 1, "random")
  if high == nil then low, high = 1, low else high = int(high, nil, 2, "random") end
  if low > high then raise("interval is empty") end
  local span = high * 1.0 - low + 1
  return low + floor(unit * span)
end
function M.randomseed() end

S.base.math = S.library(M)
