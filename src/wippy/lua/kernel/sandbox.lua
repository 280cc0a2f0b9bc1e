-- The base environment of guest code (spec 02 §11, §18): every function a guest can reach without `require`, made so that
-- it cannot touch a handle's state, a library, another process or the scheduler. The environment table itself is shared;
-- a process sees it through its own globals and resolves `_G` lazily.
local S = ...
local CLASS, FROZEN, LIBRARY, KILL = S.CLASS, S.FROZEN, S.LIBRARY, S.KILL
local raw_xpcall, raw_type, raw_next = xpcall, type, next
local raw_set, raw_get, raw_tostring, raw_tonumber = rawset, rawget, tostring, tonumber
local raw_setmetatable, getmetatable, dgetmetatable = setmetatable, getmetatable, debug.getmetatable
local error, raise, select, unpack, rawequal = error, S.raise, select, table.unpack, rawequal
local co_yield = coroutine.yield
local mtype, floor, format, find, byte = math.type, math.floor, string.format, string.find, string.byte
local class_of, content, placed = S.class_of, S.content, S.placed
local OUT_OF_MEMORY = "not enough memory"

local base = {}
S.base = base

-- The running task will not go on. Where it can be suspended it is parked for ever, so that no handler of its own runs.
local function die()
  if not S.cur.noy then co_yield(KILL) end
  error(KILL, 0)
end
S.die = die

local function bad_argument(position, name, want, got)
  local class = raw_type(got) == "table" and class_of(got) == "handle" and "userdata" or raw_type(got)
  if got == nil then class = "nil" end
  raise("bad argument #" .. position .. " to " .. name .. " (" .. want .. " expected, got " .. class .. ")")
end
S.bad_argument = bad_argument

local function immutable() raise("attempt to modify Immutable table") end

-- A library: guests read the shared table through a proxy that refuses every write.
function S.library(real)
  return raw_setmetatable({ [LIBRARY] = real }, { __index = real, __newindex = immutable, __metatable = false, [CLASS] = "library" })
end

-- A class of handles. The handle keeps its state under a private key; `methods` are found through __index.
function S.handle_class(name, methods)
  return {
    __index = methods, __newindex = immutable, __metatable = false, [CLASS] = "handle",
    __name = name, __tostring = function() return name .. "{}" end,
  }
end

function base.type(v)
  local t = raw_type(v)
  if t == "table" then
    local mt = dgetmetatable(v)
    if mt and raw_get(mt, CLASS) == "handle" then return mt == S.type_meta and "type" or "userdata" end
  end
  return t
end
-- `type()` without an argument raises, as in Lua.
local guest_type = base.type

local function plain(t, name)
  if raw_type(t) ~= "table" or class_of(t) == "handle" then bad_argument(1, name, "table", t) end
  return content(t)
end

function base.next(t, k) return raw_next(plain(t, "next"), k) end

-- The iterator closes over a table that was checked once; the raw `next` itself must never reach a guest.
function base.pairs(t)
  local real = plain(t, "pairs")
  return function(_, k) return raw_next(real, k) end, t, nil
end

-- In Lua, because the iterator of C would run an __index of the guest where nothing can be suspended.
local function step(t, i)
  i = i + 1
  local v = t[i]
  if v == nil then return nil end
  return i, v
end
function base.ipairs(t)
  local real = plain(t, "ipairs")
  if real ~= t or dgetmetatable(real) then
    return function(_, i)
      i = i + 1
      local v = raw_get(real, i)
      if v == nil then return nil end
      return i, v
    end, t, 0
  end
  return step, t, 0
end

function base.rawget(t, k) return raw_get(plain(t, "rawget"), k) end
function base.rawset(t, k, v)
  if raw_type(t) ~= "table" then bad_argument(1, "rawset", "table", t) end
  if class_of(t) then raise("attempt to modify Immutable table") end
  if k == nil or k ~= k then raise("table index is " .. (k == nil and "nil" or "NaN")) end
  if k == "__mode" then k = "__mode\0" end
  return raw_set(t, k, v)
end
base.rawequal = rawequal

-- A table that was decoded from an empty JSON object carries this metatable; guests do not see it.
local JSON_OBJECT = { __metatable = false }
S.JSON_OBJECT = JSON_OBJECT

function base.setmetatable(t, mt)
  if raw_type(t) ~= "table" then bad_argument(1, "setmetatable", "table", t) end
  if mt ~= nil and raw_type(mt) ~= "table" then bad_argument(2, "setmetatable", "nil or table", mt) end
  local class = class_of(t)
  if class == "frozen" or class == "library" then raise("attempt to modify Immutable table") end
  if mt ~= nil then
    if class_of(mt) then raise("a frozen table cannot be a metatable") end
    if raw_get(mt, "__gc") ~= nil or raw_get(mt, "__mode") ~= nil then
      raise("finalizers and weak tables are not available (__gc, __mode)")
    end
  end
  if dgetmetatable(t) == JSON_OBJECT then debug.setmetatable(t, nil) end
  local own = getmetatable(t)
  if own ~= nil and dgetmetatable(t) ~= own or class == "handle" then raise("cannot change a protected metatable") end
  return raw_setmetatable(t, mt)
end
function base.getmetatable(v)
  if raw_type(v) == "table" and dgetmetatable(v) == JSON_OBJECT then return nil end
  return getmetatable(v)
end

local DIGITS = {}                     -- formats by precision
for precision = 1, 17 do DIGITS[precision] = "%." .. precision .. "g" end
local SUBNORMAL = 2.3e-308            -- below it a number has fewer digits to tell

-- Integral floats print as integers (spec 02 §13), others with the fewest digits that read back.
local function number_text(v)
  if mtype(v) == "integer" then return raw_tostring(v) end
  if v ~= v then return "NaN" end
  if v == math.huge then return "+Inf" elseif v == -math.huge then return "-Inf" end
  if v == floor(v) and v < 1e21 and v > -1e21 then return format("%.0f", v) end
  for precision = v < SUBNORMAL and v > -SUBNORMAL and 1 or 14, 16 do
    local text = format(DIGITS[precision], v)
    if raw_tonumber(text) == v then return text end
  end
  return format("%.17g", v)
end
S.number_text = number_text

local function address(v, kind)
  local hex = raw_tostring(v):match("0x(%x+)")
  return kind .. ": 0x" .. format("%014x", (raw_tonumber(hex or "0", 16) ~ S.scramble) & 0xffffffffffffff)
end

function base.tostring(v)
  local t = raw_type(v)
  if t == "string" then return v end
  if t == "number" then return number_text(v) end
  if t == "nil" or t == "boolean" then return raw_tostring(v) end
  if t == "table" then
    local mt = dgetmetatable(v)
    if mt then
      local text = raw_get(mt, "__tostring")
      if text ~= nil then
        local s = text(v)
        if raw_type(s) ~= "string" then
          if raw_type(s) == "number" then return number_text(s) end
          raise("'__tostring' must return a string")
        end
        return s
      end
    end
  end
  return address(v, guest_type(v))
end
local guest_tostring = base.tostring

function base.tonumber(v, radix)
  if radix == nil then
    if raw_type(v) ~= "string" and raw_type(v) ~= "number" then return nil end
    return raw_tonumber(v)
  end
  if raw_type(v) ~= "string" then
    if raw_type(v) ~= "number" then return nil end
    v = number_text(v)
  end
  radix = S.int(radix, nil, 2, "tonumber")
  if radix < 2 or radix > 36 then raise("bad argument #2 to tonumber (base out of range)") end
  return raw_tonumber(v, radix)
end

-- Error values of the host never reach a guest as they are.
local function scrub(e)
  if raw_type(e) == "userdata" then return "internal host error" end
  return e
end

local function settle(ok, e, ...)
  local p = S.cur
  if p.killed then die() end
  if ok then return true, e, ... end
  if e == OUT_OF_MEMORY then
    p.killed = S.out_of_memory
    die()
  end
  -- Near the end of the stack a failed call copies megabytes: many of them must not add up to a long step.
  if raw_type(e) == "string" and byte(e, -1) == 119 and find(e, "stack overflow", 1, true) then S.slow() end
  return false, scrub(e)
end
S.settle = settle

-- The handler runs where the error happened, with the guest's frames still there, and costs nothing without one.
function base.pcall(f, ...) return settle(raw_xpcall(f, placed, ...)) end

-- Lua calls a message handler inside the failing call, where nothing can be suspended: the one such place.
-- The mark is taken away after the call: a handler that fails does not come back to do it.
local function restored(p, before, ...)
  p.noy = before
  return settle(...)
end
local function handled(p, before, ...)
  p.noy = before
  return ...
end
function base.xpcall(f, handler, ...)
  local caller = S.cur
  return restored(caller, caller.noy, raw_xpcall(f, function(e)
    local p = S.cur
    if p.killed or e == KILL or e == OUT_OF_MEMORY then return e end
    local before = p.noy
    p.noy = true
    return handled(p, before, handler(scrub(placed(e))))
  end, ...))
end

base.error = error
function base.assert(v, ...)
  if v then return v, ... end
  local n = select("#", ...)
  if n == 0 then raise("assertion failed!") end
  local message = (...)
  if raw_type(message) == "string" then raise(message) end
  error(message, 0)
end

function base.select(n, ...)
  if raw_type(n) == "number" then
    if mtype(n) == "float" then n = floor(n) end
  end
  return select(n, ...)
end

local LIMIT_UNPACK = 100000
function base.unpack(t, i, j)
  local real = plain(t, "unpack")
  i, j = S.int(i, 1, 2, "unpack"), S.int(j, #real, 3, "unpack")
  if j - i * 1.0 >= LIMIT_UNPACK then raise("too many results to unpack") end
  if dgetmetatable(real) then
    local list = {}
    for at = i, j do list[at - i + 1] = raw_get(real, at) end
    return unpack(list, 1, j - i + 1)
  end
  return unpack(real, i, j)
end

function base.require(name)
  local t = raw_type(name)
  if t == "number" then name = number_text(name) elseif t ~= "string" then bad_argument(1, "require", "string", name) end
  local env = S.cur.env
  local v = env[name]
  if v == nil then raise("module '" .. name .. "' not found") end
  return v
end

function base.print(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = guest_tostring((select(i, ...))) end
  S.log("info", table.concat(parts, " "), nil, 3)
end

base._VERSION = "Lua 5.3"
base.package = { path = "", cpath = "", loadlib = function() return nil, "not available" end, seeall = function() end }
base.errors = S.library(S.errors_module)

-- Checks that a value may be called, for APIs that take a function.
function S.check_function(f, position, name)
  if raw_type(f) ~= "function" then bad_argument(position, name, "function", f) end
end

-- Strings are indexed through the guest's string library; nobody can reach or change their metatable.
local string_meta = dgetmetatable("")
string_meta.__metatable = false
S.string_meta = string_meta

-- The globals shared by all processes of one definition: base plus its modules. The last resort resolves `_G`
-- and the names of types.
function S.shared_globals(modules, find_type)
  local shared = {}
  for k, v in raw_next, base do shared[k] = v end
  for k, v in raw_next, modules do shared[k] = v end
  local last = {
    __index = function(_, k)
      if k == "_G" then return S.cur.env end
      return find_type(k)
    end,
  }
  return { __index = raw_setmetatable(shared, last), __metatable = false }
end
