-- The dialect's operators that differ from Lua's (spec 02 §13), called by emitted code (syntax/arithmetic_emitter.py).
local S = ...
local mtype, floor, type, tonumber, raise, rawget, getmetatable = math.type, math.floor, type, tonumber, S.raise, rawget, debug.getmetatable
local number_text = S.number_text

-- The operand of `..`: a float is printed as the dialect prints it, everything else is left to Lua.
function S.join(v)
  if mtype(v) == "float" then return number_text(v) end
  return v
end

local NAN = 0.0 / 0.0
local MOST = 9223372036854775808.0

local function has(v, event)
  local mt = getmetatable(v)
  return type(v) == "table" and mt and rawget(mt, event) ~= nil
end

-- An operand truncated to an integer; `kind` names the operation in the error.
local function whole(v, kind)
  if mtype(v) == "integer" then return v end
  local n = v
  if type(v) == "string" and kind == "arithmetic" then n = tonumber(v) end
  if mtype(n) == "integer" then return n end
  if type(n) ~= "number" then
    if kind == "arithmetic" then raise("attempt to perform arithmetic on a " .. S.base.type(v) .. " value") end
    raise("attempt to perform bitwise operation on a " .. S.base.type(v) .. " value")
  end
  if n ~= n or n >= MOST or n < -MOST then raise("number has no integer representation") end
  if n == -MOST then return math.mininteger end
  return n >= 0 and floor(n) or -floor(-n)
end

local O = {}
S.operators = O

function O.div(a, b)
  if mtype(a) == "integer" and mtype(b) == "integer" and b ~= 0 then return a // b end
  if has(a, "__idiv") or has(b, "__idiv") then return a // b end
  local left, right = whole(a, "arithmetic"), whole(b, "arithmetic")
  if right == 0 then raise("attempt to divide by zero") end
  return left // right
end

local function number(v)
  local n = type(v) == "string" and tonumber(v) or v
  if type(n) ~= "number" then raise("attempt to perform arithmetic on a " .. S.base.type(v) .. " value") end
  return n
end

function O.mod(a, b)
  if has(a, "__mod") or has(b, "__mod") then return a % b end
  local left, right = number(a), number(b)
  if right == 0 then return NAN end
  return left % right
end

function O.band(a, b) return whole(a, "bit") & whole(b, "bit") end
function O.bor(a, b) return whole(a, "bit") | whole(b, "bit") end
function O.bxor(a, b) return whole(a, "bit") ~ whole(b, "bit") end
function O.bnot(a) return ~whole(a, "bit") end

-- Shifts of 64 or more give 0; `>>` keeps the sign.
local function shifted(a, n)
  if n >= 64 or n <= -64 then return 0 end
  if n >= 0 then return a << n end
  if a >= 0 then return a >> -n end
  return ~(~a >> -n)
end
function O.shl(a, b) return shifted(whole(a, "bit"), whole(b, "bit")) end
function O.shr(a, b) return shifted(whole(a, "bit"), -whole(b, "bit")) end
