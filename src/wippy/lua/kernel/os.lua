-- The guest's `os` table (spec 02 §12, 04b §19): time only. In local time unless a format begins with `!`.
local S = ...
local time, date = os.time, os.date
local int, number, bad_argument = S.int, S.number, S.bad_argument
local gsub, sub = string.gsub, string.sub

local O = { platform = "wippy" }

local function field(t, name, default)
  local v = S.raw_index(t, name)
  if v == nil then return default end
  return int(v, default)
end

function O.time(t)
  if t == nil then return S.unix_seconds() end
  if S.base.type(t) ~= "table" then bad_argument(1, "time", "table", t) end
  local today = date("*t", S.unix_seconds())
  return time {
    year = field(t, "year", today.year), month = field(t, "month", today.month), day = field(t, "day", today.day),
    hour = field(t, "hour", 0), min = field(t, "min", 0), sec = field(t, "sec", 0),
  }
end

local PLAIN = "aAbBdHIjmMpSwyYZz"
local COMPOSED = { c = "%a %b %e %H:%M:%S %Y", x = "%m/%d/%y", X = "%H:%M:%S", U = "%V", W = "%V" }

function O.date(format, at)
  format = format == nil and "%c" or S.base.tostring(format)
  at = int(at, S.unix_seconds(), 2, "date")
  local utc = ""
  if sub(format, 1, 1) == "!" then
    utc, format = "!", sub(format, 2)
  end
  if sub(format, 1, 2) == "*t" then return date(utc .. "*t", at) end
  return (gsub(format, "%%(.?)", function(code)
    if code == "%" then return "%" end
    if COMPOSED[code] then return date(utc .. COMPOSED[code], at) end
    if code ~= "" and string.find(PLAIN, code, 1, true) then return date(utc .. "%" .. code, at) end
    return "%" .. code
  end))
end

function O.clock() return (S.now - S.started) / 1e9 end
function O.difftime(a, b) return number(a, 1, "difftime") - number(b == nil and 0 or b, 2, "difftime") end

S.base.os = S.library(O)
S.modules.os = S.base.os
