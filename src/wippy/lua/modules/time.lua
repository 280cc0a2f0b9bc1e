-- Guest module `time` (spec 03 §11): Time, Duration and Location handles, timers and tickers.
--
-- Invariants
-- * A Time is {[TIME] Unix seconds, [NS] 0..999999999, [ZONE] a zone record}; a Duration {[DURATION] nanoseconds}. Both are
--   exact 64-bit integers and never change.
-- * The host is not called while the module is built, nor when a timer fires: there may be no running process then.
local S, module, host = ...
local type, rawget, setmetatable, error, tonumber, next = type, rawget, setmetatable, error, tonumber, next
local sub, find, match, format = string.sub, string.find, string.match, string.format
local mtype, maxinteger, mininteger, ult = math.type, math.maxinteger, math.mininteger, math.ult
local failure, bad_argument, int = S.failure, S.bad_argument, S.int

local function part(name, ...)
  return assert(load(host.part(name), "=wippy/time_" .. name .. ".lua", "t"))(...)
end
local calendar = part("calendar", S, host)
local layouts = part("layout", S, calendar)

local TIME, NS, ZONE, DURATION, LOCATION, TIMER = {}, {}, {}, {}, {}, {}
local SECOND, DAY = 1000000000, 86400

local function checked_int(v, position, name)
  if type(v) ~= "number" then bad_argument(position, name, "number", v) end
  return int(v) or bad_argument(position, name, "finite number", v)
end

local function checked_text(v, position, name)
  if type(v) ~= "string" then bad_argument(position, name, "string", v) end
  return v
end

-- Durations ---------------------------------------------------------------------------------------------------------------

local UNITS = { ns = 1, us = 1000, ["\u{B5}s"] = 1000, ["\u{3BC}s"] = 1000, ms = 1000000, s = SECOND, m = 60 * SECOND, h = 3600 * SECOND }

-- Nanoseconds of a Go duration text, or nil.
local function parsed_duration(text)
  local sign, at = match(text, "^([+-]?)()")
  if sub(text, at) == "0" then return 0 end
  if at > #text or #text > 200 then return nil end
  local total = 0
  while at <= #text do
    local whole, fraction, following = match(text, "^(%d*)%.?(%d*)()", at)
    if whole == "" and fraction == "" then return nil end
    local unit
    unit, at = match(text, "^([^%d.]+)()", following)
    local scale = unit and UNITS[unit]
    if not scale then return nil end
    local v = whole == "" and 0 or tonumber(whole)
    if mtype(v) ~= "integer" or v > maxinteger // scale then return nil end
    v = v * scale
    if fraction ~= "" then v = v + int(tonumber(sub(fraction, 1, 18)) * (scale / 10.0 ^ #sub(fraction, 1, 18))) end
    total = total + v
    if total < 0 then return total == mininteger and sign == "-" and at > #text and total or nil end
  end
  return sign == "-" and -total or total
end

local function duration_of(v) return type(v) == "table" and rawget(v, DURATION) or nil end

-- Nanoseconds of a number, a text or a Duration; nil for anything else.
local function nanoseconds(v)
  local t = type(v)
  if t == "number" then return v == v and int(v) or nil end
  if t == "string" then return parsed_duration(v) end
  return duration_of(v)
end
S.duration = nanoseconds

local function checked_duration(v, position, name)
  return nanoseconds(v) or bad_argument(position, name, "duration", v)
end

-- Integer division towards zero.
local function quotient(a, b)
  local q = a // b
  if q < 0 and q * b ~= a then q = q + 1 end
  return q
end

local function decimal(value, scale, width)
  local whole, rest = value // scale, value % scale
  if rest == 0 then return format("%d", whole) end
  return (string.gsub(format("%d.%0" .. width .. "d", whole, rest), "0+$", ""))
end

local function duration_text(ns)
  if ns == 0 then return "0s" end
  if ns == mininteger then return "-2562047h47m16.854775808s" end
  local sign = ns < 0 and "-" or ""
  if ns < 0 then ns = -ns end
  if ns < 1000 then return sign .. format("%dns", ns) end
  if ns < 1000000 then return sign .. decimal(ns, 1000, 3) .. "\u{B5}s" end
  if ns < SECOND then return sign .. decimal(ns, 1000000, 6) .. "ms" end
  local minutes, rest = ns // (60 * SECOND), ns % (60 * SECOND)
  local hours = minutes // 60
  local head = hours > 0 and format("%dh%dm", hours, minutes % 60) or minutes > 0 and format("%dm", minutes) or ""
  return sign .. head .. decimal(rest, SECOND, 9) .. "s"
end

local duration_methods = {}
local duration_class = S.handle_class("time.Duration", duration_methods)
duration_class.__tostring = function(self) return duration_text(duration_of(self)) end

local function new_duration(ns) return setmetatable({ [DURATION] = ns }, duration_class) end

for name, unit in next, { nanoseconds = 1, microseconds = 1000, milliseconds = 1000000 } do
  duration_methods[name] = function(self)
    return quotient(duration_of(self) or bad_argument(1, name, "duration", self), unit) + 0.0
  end
end
for name, unit in next, { seconds = SECOND, minutes = 60 * SECOND, hours = 3600 * SECOND } do
  duration_methods[name] = function(self)
    local ns = duration_of(self) or bad_argument(1, name, "duration", self)
    local whole = quotient(ns, unit)
    return whole + (ns - whole * unit) / unit
  end
end

-- Locations ---------------------------------------------------------------------------------------------------------------

local location_methods = {}
local location_class = S.handle_class("time.Location", location_methods)

local function zone_of(v) return type(v) == "table" and rawget(v, LOCATION) or nil end
location_class.__tostring = function(self) return zone_of(self).name end
function location_methods:string() return (zone_of(self) or bad_argument(1, "string", "location", self)).name end

local function new_location(zone)
  local location = zone.location
  if not location then
    location = setmetatable({ [LOCATION] = zone }, location_class)
    zone.location = location
  end
  return location
end

local UTC = calendar.fixed("UTC", 0)
local LOCAL = calendar.named("Local", "Local")
local zones, known_zones = { UTC = UTC, Local = LOCAL }, 0
module.utc, module.localtz = new_location(UTC), new_location(LOCAL)

function module.load_location(name)
  checked_text(name, 1, "load_location")
  if name == "" then return nil, failure("Invalid", "empty location name") end
  local zone = zones[name]
  if not zone then
    local ok, err = host.zone(name)
    if not ok then return nil, err end
    if known_zones >= 600 then zones, known_zones = { UTC = UTC, Local = LOCAL }, 0 end
    zone = calendar.named(name, name)
    zones[name] = zone
    known_zones = known_zones + 1
  end
  return new_location(zone)
end

function module.fixed_zone(name, offset)
  checked_text(name, 1, "fixed_zone")
  return new_location(calendar.fixed(name, checked_int(offset, 2, "fixed_zone")))
end

-- Times -------------------------------------------------------------------------------------------------------------------

local methods = {}
local class = S.handle_class("time.Time", methods)

-- `ns` may be any number of nanoseconds: it is carried over into the seconds.
local function new_time(sec, ns, zone)
  return setmetatable({ [TIME] = sec + ns // SECOND, [NS] = ns % SECOND, [ZONE] = zone }, class)
end

local function seconds_of(v) return type(v) == "table" and rawget(v, TIME) or nil end

local function self_of(self, name)
  return seconds_of(self) or bad_argument(1, name, "time", self)
end
local function other_of(v, name)
  return seconds_of(v) or bad_argument(1, name, "time", v)
end

local function location_of(v, position, name, default)
  if v == nil and default then return default end
  return zone_of(v) or bad_argument(position, name, "location", v)
end

-- What calendar and clock show: year, month, day, seconds of the day, days since 1970, offset, zone name.
local function shown(t)
  local sec = rawget(t, TIME)
  local offset, abbreviation = calendar.lookup(rawget(t, ZONE), sec)
  sec = sec + offset
  local days = sec // DAY
  local year, month, day = calendar.date(days)
  return year, month, day, sec % DAY, days, offset, abbreviation
end

local function format_time(t, layout)
  local year, month, day, second, days, offset, abbreviation = shown(t)
  return layouts.format({
    year = year, month = month, day = day, hour = second // 3600, minute = second // 60 % 60, second = second % 60,
    ns = rawget(t, NS), weekday = (days + 4) % 7, year_day = days - calendar.days(year, 1, 1) + 1, offset = offset,
    zone_name = abbreviation,
  }, layout)
end

class.__tostring = function(self) return format_time(self, "2006-01-02 15:04:05.999999999 -0700 MST") end

function module.now()
  local ns = S.unix_ns()
  return setmetatable({ [TIME] = ns // SECOND, [NS] = ns % SECOND, [ZONE] = LOCAL }, class)
end
S.time_now = module.now

-- For other modules: a Time from Unix nanoseconds, and Unix nanoseconds from a Time (nil for anything else).
function S.new_time(ns) return new_time(0, ns, LOCAL) end
function S.time_ns(v)
  local sec = seconds_of(v)
  return sec and sec * SECOND + rawget(v, NS)
end

function module.unix(sec, ns)
  return new_time(checked_int(sec, 1, "unix"), checked_int(ns, 2, "unix"), LOCAL)
end

local function civil(zone, year, month, day, hour, minute, second, ns)
  second, ns = second + ns // SECOND, ns % SECOND
  return new_time(calendar.unix(zone, year, month, day, hour, minute, second), ns, zone)
end

function module.date(year, month, day, hour, minute, second, ns, location)
  return civil(location_of(location, 8, "date", LOCAL), checked_int(year, 1, "date"), checked_int(month, 2, "date"),
    checked_int(day, 3, "date"), checked_int(hour, 4, "date"), checked_int(minute, 5, "date"), checked_int(second, 6, "date"),
    checked_int(ns, 7, "date"))
end

-- A time that was read with an offset or a zone name: in `zone` when that agrees, else in a fixed zone of its own.
local function placed(f, zone)
  if f.utc then return civil(UTC, f.year, f.month, f.day, f.hour, f.minute, f.second, f.ns) end
  if not f.offset and not f.zone_name then return civil(zone, f.year, f.month, f.day, f.hour, f.minute, f.second, f.ns) end
  local sec = calendar.unix(UTC, f.year, f.month, f.day, f.hour, f.minute, f.second)
  if f.offset then
    sec = sec - f.offset
    local offset, abbreviation = calendar.lookup(zone, sec)
    if offset == f.offset and (not f.zone_name or f.zone_name == abbreviation) then return new_time(sec, f.ns, zone) end
    return new_time(sec, f.ns, calendar.fixed(f.zone_name or "", f.offset))
  end
  local offset = calendar.offset_named(zone, f.zone_name, sec)
  if offset then return new_time(sec - offset, f.ns, zone) end
  local hours = match(f.zone_name, "^GMT([+-]%d+)$")
  return new_time(sec, f.ns, calendar.fixed(f.zone_name, hours and tonumber(hours) * 3600 or 0))
end

function module.parse(layout, value, location)
  checked_text(layout, 1, "parse")
  checked_text(value, 2, "parse")
  local zone = location_of(location, 3, "parse", LOCAL)
  local fields, problem = layouts.parse(layout, value)
  if not fields then return nil, failure("Invalid", problem) end
  return placed(fields, zone)
end

function module.parse_duration(v)
  local ns = nanoseconds(v)
  if not ns then return nil, failure("Invalid", "invalid duration") end
  return new_duration(ns)
end

function methods:add(d)
  local sec = self_of(self, "add")
  local ns = checked_duration(d, 1, "add")
  return new_time(sec + ns // SECOND, rawget(self, NS) + ns % SECOND, rawget(self, ZONE))
end

-- The difference saturates at what 64 bits hold.
function methods:sub(other)
  local seconds = self_of(self, "sub") - other_of(other, "sub")
  local ns = rawget(self, NS) - rawget(other, NS)
  if seconds > maxinteger // SECOND - 1 then return new_duration(maxinteger) end
  if seconds < mininteger // SECOND + 2 then return new_duration(mininteger) end
  return new_duration(seconds * SECOND + ns)
end

function methods:add_date(years, months, days)
  self_of(self, "add_date")
  local year, month, day, second = shown(self)
  return civil(rawget(self, ZONE), year + checked_int(years, 1, "add_date"), month + checked_int(months, 2, "add_date"),
    day + checked_int(days, 3, "add_date"), 0, 0, second, rawget(self, NS))
end

function methods:after(other)
  local a, b = self_of(self, "after"), other_of(other, "after")
  return a > b or a == b and rawget(self, NS) > rawget(other, NS)
end
function methods:before(other)
  local a, b = self_of(self, "before"), other_of(other, "before")
  return a < b or a == b and rawget(self, NS) < rawget(other, NS)
end
function methods:equal(other)
  return self_of(self, "equal") == other_of(other, "equal") and rawget(self, NS) == rawget(other, NS)
end

function methods:format(layout)
  self_of(self, "format")
  return format_time(self, checked_text(layout, 1, "format"))
end
function methods:format_rfc3339()
  self_of(self, "format_rfc3339")
  return format_time(self, "2006-01-02T15:04:05Z07:00")
end

function methods:unix() return self_of(self, "unix") end
function methods:unix_nano() return self_of(self, "unix_nano") * SECOND + rawget(self, NS) end
function methods:nanosecond()
  self_of(self, "nanosecond")
  return rawget(self, NS)
end

local function component(name, pick)
  methods[name] = function(self)
    self_of(self, name)
    return pick(shown(self))
  end
end
component("date", function(year, month, day) return year, month, day end)
component("clock", function(_, _, _, second) return second // 3600, second // 60 % 60, second % 60 end)
component("year", function(year) return year end)
component("month", function(_, month) return month end)
component("day", function(_, _, day) return day end)
component("hour", function(_, _, _, second) return second // 3600 end)
component("minute", function(_, _, _, second) return second // 60 % 60 end)
component("second", function(_, _, _, second) return second % 60 end)
component("weekday", function(_, _, _, _, days) return (days + 4) % 7 end)
component("year_day", function(year, _, _, _, days) return days - calendar.days(year, 1, 1) + 1 end)

local YEAR_ONE = -62135596800        -- 0001-01-01 00:00:00 UTC, from which Go counts
function methods:is_zero() return self_of(self, "is_zero") == YEAR_ONE and rawget(self, NS) == 0 end

local function moved(self, zone) return new_time(rawget(self, TIME), rawget(self, NS), zone) end
function methods:in_location(location)
  self_of(self, "in_location")
  return moved(self, location_of(location, 1, "in_location"))
end
function methods:location()
  self_of(self, "location")
  return new_location(rawget(self, ZONE))
end
function methods:utc()
  self_of(self, "utc")
  return moved(self, UTC)
end
function methods:in_local()
  self_of(self, "in_local")
  return moved(self, LOCAL)
end

-- a + b modulo m for 0 <= a, b < m < 2^63.
local function sum_modulo(a, b, m)
  local total = a + b
  if not ult(total, m) then total = total - m end
  return total
end

-- The nanoseconds by which a time exceeds a multiple of `unit` counted from year one: exact beyond 64 bits.
local function excess(self, unit)
  local seconds, r = rawget(self, TIME) - YEAR_ONE, 0
  local before = seconds < 0
  if before then seconds = -seconds end
  local second = SECOND % unit
  for bit = 62, 0, -1 do
    r = sum_modulo(r, r, unit)
    if seconds >> bit & 1 == 1 then r = sum_modulo(r, second, unit) end
  end
  if before and r > 0 then r = unit - r end
  return sum_modulo(r, rawget(self, NS) % unit, unit)
end

local function unit_of(v, name)
  return duration_of(v) or bad_argument(1, name, "duration", v)
end
local function plus(self, ns)
  return new_time(rawget(self, TIME) + ns // SECOND, rawget(self, NS) + ns % SECOND, rawget(self, ZONE))
end

function methods:truncate(d)
  self_of(self, "truncate")
  local unit = unit_of(d, "truncate")
  return unit > 0 and plus(self, -excess(self, unit)) or self
end
function methods:round(d)
  self_of(self, "round")
  local unit = unit_of(d, "round")
  if unit <= 0 then return self end
  local r = excess(self, unit)
  return plus(self, ult(r + r, unit) and -r or unit - r)
end

-- Waiting -----------------------------------------------------------------------------------------------------------------

local LONGEST = 1 << 62               -- beyond 146 years a deadline would wrap

local function bounded(ns) return ns > LONGEST and LONGEST or ns end

-- Nanoseconds above 0, or nil and the error.
local function positive(v, name)
  local ns = nanoseconds(v)
  if not ns then return nil, failure("Invalid", "time." .. name .. ": invalid duration") end
  if ns <= 0 then return nil, failure("Invalid", "time." .. name .. ": duration must be > 0") end
  return bounded(ns)
end

function module.sleep(d)
  local ns = nanoseconds(d)
  if not ns then return nil, failure("Invalid", "time.sleep: invalid duration") end
  S.sleep(bounded(ns))
end

function module.after(d)
  local ns, err = positive(d, "after")
  if not ns then return nil, err end
  return S.start_timer(ns).channel.h
end

local function timer_of(v, name)
  return type(v) == "table" and rawget(v, TIMER) or bad_argument(1, name, "timer", v)
end

local function handle_methods(into)
  function into:response() return timer_of(self, "response").entry.channel.h end
  into.channel = into.response
end

local timer_methods = {}
local timer_class = S.handle_class("time.Timer", timer_methods)
handle_methods(timer_methods)

function timer_methods:stop()
  local entry = timer_of(self, "stop").entry
  local pending = S.stop_timer(entry)
  S.close_channel(entry.channel)
  return pending
end

-- An earlier fire that nobody has received is taken back, and a channel that was closed by it opens again.
function timer_methods:reset(d)
  local timer = timer_of(self, "reset")
  local ns = nanoseconds(d)
  if not ns or ns <= 0 then bad_argument(1, "reset", "positive duration", d) end
  local pending, entry = S.restart_timer(timer.entry, bounded(ns))
  timer.entry = entry
  local channel = entry.channel
  while channel.first <= channel.last do S.pop(channel) end
  channel.closed = false
  return pending
end

function module.timer(d)
  local ns, err = positive(d, "timer")
  if not ns then return nil, err end
  return setmetatable({ [TIMER] = { entry = S.start_timer(ns) } }, timer_class)
end

local ticker_methods = {}
local ticker_class = S.handle_class("time.Ticker", ticker_methods)
handle_methods(ticker_methods)

function ticker_methods:stop()
  local entry = timer_of(self, "stop").entry
  S.stop_timer(entry)
  S.close_channel(entry.channel)
  return true
end

function module.ticker(d)
  local ns, err = positive(d, "ticker")
  if not ns then return nil, err end
  return setmetatable({ [TIMER] = { entry = S.start_timer(ns, ns) } }, ticker_class)
end

return module
