-- Go reference layouts (spec 03 §11): `2006-01-02T15:04:05Z07:00` written out or read back, as package time of Go does.
-- A layout is cut once into tokens: {before = literal text, std = what stands there, digits = of a fraction}.
local S, calendar = ...
local byte, sub, find, lower, format, rep, match, gsub = string.byte, string.sub, string.find, string.lower, string.format, string.rep, string.match, string.gsub
local concat, tonumber = table.concat, tonumber

local MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" }
local DAYS = { [0] = "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }

-- Tokens ------------------------------------------------------------------------------------------------------------------

-- By first character, longest first. `word`: must not be followed by a lower-case letter.
local STARTS = {
  J = { { "January", "long_month" }, { "Jan", "month", word = true } },
  M = { { "Monday", "long_weekday" }, { "Mon", "weekday", word = true }, { "MST", "zone_name" } },
  ["0"] = {
    { "002", "zero_year_day" }, { "01", "zero_month" }, { "02", "zero_day" }, { "03", "zero_hour12" }, { "04", "zero_minute" },
    { "05", "zero_second" }, { "06", "year" },
  },
  ["1"] = { { "15", "hour" }, { "1", "num_month" } },
  ["2"] = { { "2006", "long_year" }, { "2", "day" } },
  ["_"] = { { "_2", "under_day" }, { "__2", "under_year_day" } },
  ["3"] = { { "3", "hour12" } },
  ["4"] = { { "4", "minute" } },
  ["5"] = { { "5", "second" } },
  P = { { "PM", "PM" } },
  p = { { "pm", "pm" } },
}

-- How a numeric zone is written: `z` takes Z for UTC, `colon` between the parts, `parts` 1 to 3 of hours, minutes, seconds.
local ZONES = {}
for _, head in next, { "-", "Z" } do
  local list = {}
  for _, tail in next, { "070000", "07:00:00", "0700", "07:00", "07" } do
    local std = head .. tail
    ZONES[std] = { z = head == "Z", colon = find(tail, ":", 1, true) ~= nil, parts = #gsub(tail, ":", "") // 2 }
    list[#list + 1] = { std, std }
  end
  STARTS[head] = list
end

local function fraction_at(layout, at)
  local digits = match(layout, "^0+", at + 1) or match(layout, "^9+", at + 1)
  if not digits or find(layout, "^%d", at + 1 + #digits) then return nil end
  return (byte(digits) == 48 and "fraction0" or "fraction9"), #digits
end

local function token_at(layout, at)
  local c = sub(layout, at, at)
  if c == "." or c == "," then
    local std, digits = fraction_at(layout, at)
    if std then return std, at + digits, digits end
    return nil
  end
  if c == "_" and sub(layout, at + 1, at + 4) == "2006" then return nil end
  for _, candidate in ipairs(STARTS[c]) do
    local text = candidate[1]
    local last = at + #text - 1
    if sub(layout, at, last) == text and not (candidate.word and find(layout, "^%l", last + 1)) then return candidate[2], last end
  end
  return nil
end

local function cut(layout)
  local tokens, n, from, at = {}, 0, 1, 1
  while true do
    at = find(layout, "[JM0-5_Pp%-Z.,]", at)
    if not at then break end
    S.charge(300)
    local std, last, digits = token_at(layout, at)
    if std then
      n = n + 1
      tokens[n] = { before = sub(layout, from, at - 1), std = std, digits = digits, text = sub(layout, at, last) }
      from = last + 1
      at = from
    else
      at = at + 1
    end
  end
  tokens.rest = sub(layout, from)
  return tokens
end

local cache, cached = {}, 0

local function tokens_of(layout)
  local tokens = cache[layout]
  if tokens then return tokens end
  tokens = cut(layout)
  if #layout <= 80 then
    if cached >= 200 then cache, cached = {}, 0 end
    cache[layout] = tokens
    cached = cached + 1
  end
  return tokens
end

-- Writing -----------------------------------------------------------------------------------------------------------------

local function hour12(hour)
  hour = hour % 12
  return hour == 0 and 12 or hour
end

local function year_text(year)
  if year < 0 then return format("-%04d", -year) end
  return format("%04d", year)
end

local function fraction(ns, digits) return sub(format("%09d", ns), 1, digits) .. rep("0", digits - 9) end

local function offset_text(offset, zone)
  if zone.z and offset == 0 then return "Z" end
  local sign = offset < 0 and "-" or "+"
  offset = offset < 0 and -offset or offset
  local text = sign .. format("%02d", offset // 3600)
  local colon = zone.colon and ":" or ""
  if zone.parts > 1 then text = text .. colon .. format("%02d", offset // 60 % 60) end
  if zone.parts > 2 then text = text .. colon .. format("%02d", offset % 60) end
  return text
end

-- Field `f`: year month day hour minute second ns weekday year_day offset zone_name.
local WRITE = {
  long_year = function(f) return year_text(f.year) end,
  year = function(f) return format("%02d", (f.year < 0 and -f.year or f.year) % 100) end,
  long_month = function(f) return MONTHS[f.month] end,
  month = function(f) return sub(MONTHS[f.month], 1, 3) end,
  num_month = function(f) return format("%d", f.month) end,
  zero_month = function(f) return format("%02d", f.month) end,
  long_weekday = function(f) return DAYS[f.weekday] end,
  weekday = function(f) return sub(DAYS[f.weekday], 1, 3) end,
  day = function(f) return format("%d", f.day) end,
  under_day = function(f) return format("%2d", f.day) end,
  zero_day = function(f) return format("%02d", f.day) end,
  under_year_day = function(f) return format("%3d", f.year_day) end,
  zero_year_day = function(f) return format("%03d", f.year_day) end,
  hour = function(f) return format("%02d", f.hour) end,
  hour12 = function(f) return format("%d", hour12(f.hour)) end,
  zero_hour12 = function(f) return format("%02d", hour12(f.hour)) end,
  minute = function(f) return format("%d", f.minute) end,
  zero_minute = function(f) return format("%02d", f.minute) end,
  second = function(f) return format("%d", f.second) end,
  zero_second = function(f) return format("%02d", f.second) end,
  PM = function(f) return f.hour >= 12 and "PM" or "AM" end,
  pm = function(f) return f.hour >= 12 and "pm" or "am" end,
  zone_name = function(f)
    if f.zone_name ~= "" then return f.zone_name end
    return offset_text(f.offset, ZONES["-0700"])
  end,
  fraction0 = function(f, token) return sub(token.text, 1, 1) .. fraction(f.ns, token.digits) end,
  fraction9 = function(f, token)
    local digits = gsub(fraction(f.ns, token.digits), "0+$", "")
    return digits == "" and "" or sub(token.text, 1, 1) .. digits
  end,
}

local layouts = {}

function layouts.format(fields, layout)
  local tokens = tokens_of(layout)
  local parts, n = {}, 0
  for i = 1, #tokens do
    local token = tokens[i]
    local zone = ZONES[token.std]
    S.charge(200)
    parts[n + 1] = token.before
    parts[n + 2] = zone and offset_text(fields.offset, zone) or WRITE[token.std](fields, token)
    n = n + 2
  end
  parts[n + 1] = tokens.rest
  return concat(parts)
end

-- Reading -----------------------------------------------------------------------------------------------------------------
-- A reader takes (state, value, at, token) and returns where to go on, or nil and what is out of range ("" when nothing).

local function number(value, at, fixed)
  local digits = match(value, "^%d%d?", at)
  if not digits or fixed and #digits < 2 then return nil end
  return tonumber(digits), at + #digits
end

local function field(name, lowest, highest, fixed, what)
  return function(state, value, at)
    local v, following = number(value, at, fixed)
    if not v then return nil, "" end
    if v < lowest or v > highest then return nil, what or name end
    state[name] = v
    return following
  end
end

local function name_of(list, first, last, size, key)
  return function(state, value, at)
    for i = first, last do
      local text = size and sub(list[i], 1, size) or list[i]
      if lower(sub(value, at, at + #text - 1)) == lower(text) then
        if key then state[key] = i end
        return at + #text
      end
    end
    return nil, ""
  end
end

local function half(am, pm)
  return function(state, value, at)
    local text = sub(value, at, at + 1)
    if text ~= am and text ~= pm then return nil, "" end
    state.half = lower(text)
    return at + 2
  end
end

local function read_fraction(state, digits) state.ns = tonumber(sub(digits .. "000000000", 1, 9)) end

local function year_day(fixed, padded)
  return function(state, value, at)
    if padded then at = find(value, "[^ ]", at) == nil and at or math.min(find(value, "[^ ]", at), at + 2) end
    local digits = match(value, "^%d%d?%d?", at)
    if not digits or fixed and #digits < 3 then return nil, "" end
    state.year_day = tonumber(digits)
    return at + #digits
  end
end

local function zero_second(fixed)
  local read = field("second", 0, 59, fixed)
  return function(state, value, at, _, following)
    local wrong
    at, wrong = read(state, value, at)
    if not at then return nil, wrong end
    -- A fraction that the layout does not mention is taken all the same.
    local digits = match(value, "^[.,](%d+)", at)
    if digits and not (following and find(following.std, "^fraction")) then
      read_fraction(state, digits)
      at = at + 1 + #digits
    end
    return at
  end
end

-- The length of a zone's name at `at`: three to five capitals as Go accepts them, GMT with hours, or signed hours.
local function zone_length(value, at)
  local four = sub(value, at, at + 3)
  if four == "ChST" or four == "MeST" then return 4 end
  if sub(value, at, at + 2) == "GMT" then
    local hours = match(value, "^[+-](%d+)", at + 3)
    return hours and tonumber(hours) <= 23 and 4 + #hours or 3
  end
  local hours = match(value, "^[+-](%d+)", at)
  if hours then return tonumber(hours) <= 23 and 1 + #hours or nil end
  local capitals = #match(value, "^%u?%u?%u?%u?%u?%u?", at)
  if capitals == 3 then return 3 end
  if capitals == 4 and (sub(four, 4, 4) == "T" or four == "WITA") then return 4 end
  if capitals == 5 and sub(value, at + 4, at + 4) == "T" then return 5 end
  return nil
end

local function read_zone_name(state, value, at)
  if sub(value, at, at + 2) == "UTC" then
    state.utc = true
    return at + 3
  end
  local length = zone_length(value, at)
  if not length then return nil, "" end
  state.zone_name = sub(value, at, at + length - 1)
  return at + length
end

local function read_offset(state, value, at, zone)
  if zone.z and sub(value, at, at) == "Z" then
    state.utc = true
    return at + 1
  end
  local pattern = "^([+-])(%d%d)" .. rep((zone.colon and ":" or "") .. "(%d%d)", zone.parts - 1) .. "()"
  local found = { match(value, pattern, at) }
  if not found[1] then return nil, "" end
  local hours, minutes, seconds = tonumber(found[2]), 0, 0
  if zone.parts > 1 then minutes = tonumber(found[3]) end
  if zone.parts > 2 then seconds = tonumber(found[4]) end
  if hours > 24 then return nil, "time zone offset hour" end
  if minutes > 60 then return nil, "time zone offset minute" end
  if seconds > 60 then return nil, "time zone offset second" end
  local offset = hours * 3600 + minutes * 60 + seconds
  state.offset = found[1] == "-" and -offset or offset
  return found[#found]
end

local READ = {
  long_year = function(state, value, at)
    local digits = match(value, "^%d%d%d%d", at)
    if not digits then return nil, "" end
    state.year = tonumber(digits)
    return at + 4
  end,
  year = function(state, value, at)
    local year = number(value, at, true)
    if not year then return nil, "" end
    state.year = year + (year >= 69 and 1900 or 2000)
    return at + 2
  end,
  long_month = name_of(MONTHS, 1, 12, nil, "month"),
  month = name_of(MONTHS, 1, 12, 3, "month"),
  num_month = field("month", 1, 12, false),
  zero_month = field("month", 1, 12, true),
  long_weekday = name_of(DAYS, 0, 6),
  weekday = name_of(DAYS, 0, 6, 3),
  day = field("day", 0, 99, false),
  under_day = function(state, value, at)
    if sub(value, at, at) == " " then at = at + 1 end
    local v, following = number(value, at, false)
    if not v then return nil, "" end
    state.day = v
    return following
  end,
  zero_day = field("day", 0, 99, true),
  under_year_day = year_day(false, true),
  zero_year_day = year_day(true, false),
  hour = field("hour", 0, 23, false),
  hour12 = field("hour", 0, 12, false),
  zero_hour12 = field("hour", 0, 12, true),
  minute = field("minute", 0, 59, false),
  zero_minute = field("minute", 0, 59, true),
  second = zero_second(false),
  zero_second = zero_second(true),
  PM = half("AM", "PM"),
  pm = half("am", "pm"),
  zone_name = read_zone_name,
  fraction0 = function(state, value, at, token)
    local digits = match(value, "^[.,](%d+)", at)
    if not digits or #digits < token.digits then return nil, "" end
    read_fraction(state, sub(digits, 1, token.digits))
    return at + 1 + token.digits
  end,
  fraction9 = function(state, value, at)
    local digits = match(value, "^[.,](%d+)", at)
    if not digits then return at end
    read_fraction(state, digits)
    return at + 1 + #digits
  end,
}

-- Skips the literal text `before`; runs of spaces match runs of spaces. nil when it does not stand there.
local function skip(value, at, before)
  local i, size = 1, #before
  while i <= size do
    if byte(before, i) == 32 then
      if at <= #value and byte(value, at) ~= 32 then return nil end
      i = find(before, "[^ ]", i) or size + 1
      at = find(value, "[^ ]", at) or #value + 1
    else
      if byte(value, at) ~= byte(before, i) then return nil end
      i, at = i + 1, at + 1
    end
  end
  return at
end

local BEFORE = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 }

-- Turns a day of the year into month and day. Returns what is wrong, if anything.
local function settle_year_day(state)
  local wanted, leap = state.year_day, calendar.is_leap(state.year)
  if wanted < 1 or wanted > (leap and 366 or 365) then return "day-of-year out of range" end
  local month = 12
  for m = 12, 1, -1 do
    if wanted > BEFORE[m] + (leap and m > 2 and 1 or 0) then
      month = m
      break
    end
  end
  local day = wanted - BEFORE[month] - (leap and month > 2 and 1 or 0)
  if state.month and state.month ~= month then return "day-of-year does not match month" end
  if state.day and state.day ~= day then return "day-of-year does not match day" end
  state.month, state.day = month, day
end

local function failed(layout, value, what)
  return nil, 'parsing time "' .. value .. '" as "' .. layout .. '": ' .. what
end

-- The fields of `value`: a table, or nil and a message. Absent ones: year 0, month and day 1, time 0.
function layouts.parse(layout, value)
  local tokens = tokens_of(layout)
  local state = { year = 0, hour = 0, minute = 0, second = 0, ns = 0 }
  local at = 1
  for i = 1, #tokens do
    local token = tokens[i]
    S.charge(300)
    local from = skip(value, at, token.before)
    if not from then return failed(layout, value, 'cannot parse "' .. sub(value, at) .. '" as "' .. token.before .. '"') end
    local zone, wrong = ZONES[token.std], nil
    if zone then at, wrong = read_offset(state, value, from, zone)
    else at, wrong = READ[token.std](state, value, from, token, tokens[i + 1]) end
    if not at then
      if wrong ~= "" then return failed(layout, value, wrong .. " out of range") end
      return failed(layout, value, 'cannot parse "' .. sub(value, from) .. '" as "' .. token.text .. '"')
    end
  end
  at = skip(value, at, tokens.rest)
  if not at then return failed(layout, value, 'cannot parse as "' .. tokens.rest .. '"') end
  if at <= #value then return failed(layout, value, 'extra text: "' .. sub(value, at) .. '"') end
  if state.half == "pm" and state.hour < 12 then state.hour = state.hour + 12
  elseif state.half == "am" and state.hour == 12 then state.hour = 0 end
  if state.year_day then
    local wrong = settle_year_day(state)
    if wrong then return failed(layout, value, wrong) end
  end
  state.month, state.day = state.month or 1, state.day or 1
  if state.day < 1 or state.day > calendar.month_length(state.year, state.month) then
    return failed(layout, value, "day out of range")
  end
  return state
end

return layouts
