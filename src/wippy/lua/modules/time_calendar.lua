-- Civil dates and zones for the time module: proleptic Gregorian calendar, 64-bit Unix seconds.
--
-- A zone record: {name, offset and abbreviation when fixed, else zone (what the host knows it by) and spans}. A span is
-- {offset, abbreviation, start, end}; the host hands one out at a time and it is kept.
local S, host = ...
local calendar = {}
local DAY = 86400
local KEPT = 32

-- Days since 1970-01-01 of a date whose month is 1..12 and whose day may be anything.
function calendar.days(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

-- year, month, day of a number of days since 1970-01-01.
function calendar.date(days)
  days = days + 719468
  local era = days // 146097
  local of_era = days - era * 146097
  local years = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * years + years // 4 - years // 100)
  local shifted = (5 * of_year + 2) // 153
  local month = shifted + (shifted < 10 and 3 or -9)
  return years + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted + 2) // 5 + 1
end

function calendar.is_leap(year) return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) end

local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
function calendar.month_length(year, month)
  if month == 2 and calendar.is_leap(year) then return 29 end
  return LENGTHS[month]
end

-- Zones -------------------------------------------------------------------------------------------------------------------

function calendar.fixed(name, offset) return { name = name, offset = offset, abbreviation = name } end
function calendar.named(name, zone) return { name = name, zone = zone, spans = {} } end

local function span_at(zone, at)
  local spans = zone.spans
  for i = 1, #spans do
    local span = spans[i]
    if at >= span[3] and at < span[4] then return span end
  end
  local span = host.span(zone.zone, at)
  if at < span[3] or at >= span[4] then span[3], span[4] = at, at + 1 end
  local count = #spans
  if count >= KEPT then
    for i = 1, count do spans[i] = nil end
    count = 0
  end
  spans[count + 1] = span
  return span
end

-- offset, abbreviation, start and end of what holds in a zone at a Unix second.
function calendar.lookup(zone, at)
  if zone.offset then return zone.offset, zone.abbreviation, math.mininteger, math.maxinteger end
  local span = span_at(zone, at)
  return span[1], span[2], span[3], span[4]
end

-- The offset that goes by the name `abbreviation` in a zone, near a civil second counted as if it were UTC; or nil.
function calendar.offset_named(zone, abbreviation, civil)
  for _, shift in next, { 0, -182 * DAY, 182 * DAY } do
    local offset, name = calendar.lookup(zone, civil + shift)
    if name == abbreviation then return offset end
  end
  return nil
end

-- The Unix second of a civil date in a zone; fields out of range carry over. A time that a clock change skips or repeats
-- is taken as Go does: with the offset that holds at the UTC second of the same digits, corrected once.
function calendar.unix(zone, year, month, day, hour, minute, second)
  month = month - 1
  year = year + month // 12
  local civil = calendar.days(year, month % 12 + 1, 1) + day - 1
  civil = civil * DAY + hour * 3600 + minute * 60 + second
  local offset, _, from, till = calendar.lookup(zone, civil)
  if offset ~= 0 then
    local at = civil - offset
    if at < from or at >= till then offset = calendar.lookup(zone, at) end
  end
  return civil - offset
end

return calendar
