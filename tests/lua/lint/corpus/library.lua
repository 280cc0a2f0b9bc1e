--- name: string library
local s = "hello world"
local from, to, word = s:find("(%a+)$")
return s:byte(1), string.char(104, 105), s:len(), s:rep(2), s:reverse(), s:sub(-5, -2), from, to, word
--- name: gsub kinds
local text = "$name is $age"
local byTable = text:gsub("%$(%w+)", {name = "Ada", age = 36})
local byString, count = text:gsub("%$", "%%")
local byFunction = text:gsub("%w+", function(w) if #w == 3 then return w:upper() end end, 2)
return byTable, byString, count, byFunction
--- name: table library
local list = {3, 1, 2}
table.insert(list, 4)
table.insert(list, 1, 0)
table.remove(list, 2)
table.sort(list, function(a, b) return a > b end)
local frozen = table.freeze({1, 2})
return table.concat(list, "-", 1, 3), table.getn(list), table.maxn({[7] = 1}), table.isfrozen(frozen), unpack(list)
--- name: frozen writes raise
local settings = table.freeze({debug = false})
local ok, message = pcall(function() settings.debug = true end)
assert(not ok and type(message) == "string")
local copy = {}
for key, value in pairs(settings) do copy[key] = value end
copy.debug = true
return table.freeze(copy)
--- name: math library
local rounded = math.floor(2.5 + 0.5)
local whole, part = math.modf(-3.7)
local mantissa, exponent = math.frexp(10)
assert(math.ldexp(mantissa, exponent) == 10)
return rounded, whole, part, math.ceil(1.2), math.abs(-1), math.fmod(7, 3), math.max(1, 2), math.min(1, 2),
  math.sqrt(16), math.pi, math.huge, math.maxinteger, math.mininteger, math.tointeger(3.0), math.type(1), math.ult(1, -1)
--- name: dice
local function roll(count: integer, sides: integer): integer
  local total = 0
  for _ = 1, count do total = total + math.random(sides) end
  return total
end
local function chance(p: number): boolean return math.random() < p end
return roll(2, 6), chance(0.5), math.random(10, 20)
--- name: trigonometry
local function distance(lat1, lon1, lat2, lon2)
  local a = math.sin(math.rad(lat2 - lat1) / 2) ^ 2
    + math.cos(math.rad(lat1)) * math.cos(math.rad(lat2)) * math.sin(math.rad(lon2 - lon1) / 2) ^ 2
  return 6371 * 2 * math.atan2(math.sqrt(a), math.sqrt(1 - a))
end
return distance(52.5, 13.4, 48.9, 2.4), math.deg(math.acos(0)), math.log(math.exp(1)), math.log10(100)
--- name: dates
local function is_leap(year: integer): boolean
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end
local DAYS = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
local function days_in(month: integer, year: integer): integer
  return month == 2 and is_leap(year) and 29 or DAYS[month]
end
local function day_of_year(year: integer, month: integer, day: integer): integer
  for m = 1, month - 1 do day = day + days_in(m, year) end
  return day
end
return day_of_year(2024, 3, 1)
--- name: os time
local noon = os.time({year = 2024, month = 5, day = 17, hour = 12})
local later = noon + 36 * 3600
local fields = os.date("!*t", later)
return os.date("%Y-%m-%d %H:%M", noon), fields.wday, os.difftime(later, noon), os.platform, os.clock() >= 0
--- name: weekday
local NAMES = {[0] = "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
local function weekday(year: integer, month: integer, day: integer): string
  if month < 3 then month, year = month + 12, year - 1 end
  local century, k = year // 100, year % 100
  return NAMES[(day + 13 * (month + 1) // 5 + k + k // 4 + century // 4 + 5 * century) % 7]
end
return weekday(2024, 5, 17)
--- name: generators
local function range(n: integer)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i) end
  end)
end
local function filter(test, source)
  return coroutine.wrap(function()
    for v in source do
      if test(v) then coroutine.yield(v) end
    end
  end)
end
local total = 0
for v in filter(function(n) return n % 3 == 0 end, range(20)) do total = total + v end
return total
--- name: coroutine protocol
local worker = coroutine.create(function(first)
  local reply = coroutine.yield("got " .. first)
  while reply ~= "stop" do reply = coroutine.yield("again " .. reply) end
  return "done"
end)
local log = {}
for _, word in ipairs({"a", "b", "stop", "late"}) do
  local ok, answer = coroutine.resume(worker, word)
  log[#log + 1] = tostring(ok) .. " " .. tostring(answer) .. " " .. coroutine.status(worker)
end
return log, coroutine.running()
--- name: spawned tasks
local function main()
  local done, results = channel.new(3), {}
  for i = 1, 3 do
    coroutine.spawn(function()
      coroutine.yield()
      results[i] = i * i
      done:send(true)
    end)
  end
  for _ = 1, 3 do done:receive() end
  return results
end
return {main = main}
--- name: pcall and error values
local function risky(kind)
  if kind == "string" then error("plain", 0) end
  if kind == "table" then error({code = 7}) end
  if kind == "error" then error(errors.new({message = "structured", kind = errors.TIMEOUT, retryable = true})) end
  return "fine", kind
end
local shown = {}
for _, kind in ipairs({"string", "table", "error", "none"}) do
  local ok, a, b = pcall(risky, kind)
  shown[#shown + 1] = {ok, a, b}
end
return shown
--- name: xpcall handler
local function handler(problem)
  if errors.is(problem, errors.INVALID) then return problem end
  return errors.wrap(tostring(problem), "while parsing")
end
local ok, err = xpcall(function() local t: any = nil return t.x end, handler)
return ok, err:message(), err:stack()
--- name: errors library
local parent = errors.new("disk full")
local wrapped = errors.wrap(parent, "saving report")
local detailed = errors.new({
  message = "invalid order", kind = errors.INVALID, retryable = false,
  details = {field = "quantity", limits = {min = 1, max = 10}},
})
assert(detailed:kind() == "Invalid" and detailed:retryable() == false)
local trace = errors.call_stack(detailed)
return "x: " .. wrapped, detailed:details().limits.max, trace and trace.frames[1].line
--- name: error kinds to text
local TEXTS = {
  [errors.NOT_FOUND] = "missing", [errors.ALREADY_EXISTS] = "twice", [errors.PERMISSION_DENIED] = "forbidden",
  [errors.UNAVAILABLE] = "down", [errors.INTERNAL] = "bug", [errors.CANCELED] = "stopped",
  [errors.CONFLICT] = "conflict", [errors.RATE_LIMITED] = "slow down", [errors.UNKNOWN] = "?",
}
return function(err: error): string
  return TEXTS[err:kind()] or err:message()
end
--- name: retry
local function retry(times: integer, work: () -> (any, error?)): (any, error?)
  local last: error? = nil
  for attempt = 1, times do
    local value, err = work()
    if not err then return value end
    last = err
    if err:retryable() == false then break end
    print("attempt " .. attempt .. " failed: " .. err)
  end
  return nil, last
end
return retry
--- name: try finally
local function with(resource, body)
  local results = {pcall(body, resource)}
  resource:close()
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2)
end
return with({close = function(self) self.closed = true end}, function(_r) return 1, 2 end)
--- name: assertions
local config: any = {port = "80"}
local port = assert(tonumber(config.port), "port must be a number")
local ok, message = pcall(assert, false, "custom")
local all = {assert(1, 2, 3)}
return port, ok, message, #all
--- name: class hierarchy
local Animal = {}
Animal.__index = Animal
function Animal.new(name: string) return setmetatable({name = name}, Animal) end
function Animal:speak(): string return self.name .. " " .. self:sound() end
function Animal:sound(): string return "..." end

local Dog = setmetatable({}, {__index = Animal})
Dog.__index = Dog
function Dog.new(name: string)
  local self = Animal.new(name)
  return setmetatable(self, Dog)
end
function Dog:sound(): string return "woof" end
function Dog:speak(): string return Animal.speak(self) .. "!" end
return Dog.new("Rex"):speak(), getmetatable(Dog.new("x")) == Dog
--- name: mixins
local Observable = {}
function Observable:on(name, f)
  self.listeners = self.listeners or {}
  self.listeners[name] = self.listeners[name] or {}
  table.insert(self.listeners[name], f)
end
function Observable:emit(name, ...)
  for _, f in ipairs((self.listeners or {})[name] or {}) do f(self, ...) end
end
local function mix(class, ...)
  for _, source in ipairs({...}) do
    for key, value in pairs(source) do class[key] = value end
  end
  return class
end
local button = mix({}, Observable)
button:on("click", function(self, x) self.x = x end)
button:emit("click", 10)
return button.x
--- name: private state
local function account(balance: integer)
  local self = {}
  function self.deposit(amount: integer) balance = balance + amount end
  function self.withdraw(amount: integer): (boolean, string?)
    if amount > balance then return false, "insufficient funds" end
    balance = balance - amount
    return true
  end
  function self.balance(): integer return balance end
  return table.freeze(self)
end
return account(10)
--- name: protected metatable
local Money = {}
Money.__index = Money
Money.__metatable = "locked"
Money.__eq = function(a, b) return a.cents == b.cents end
Money.__lt = function(a, b) return a.cents < b.cents end
Money.__le = function(a, b) return a.cents <= b.cents end
Money.__mod = function(a, n) return a.cents % n end
Money.__div = function(a, n) return setmetatable({cents = a.cents // n}, Money) end
local a, b = setmetatable({cents = 5}, Money), setmetatable({cents = 7}, Money)
return a < b, a == b, a % 2, pcall(setmetatable, a, {}), getmetatable(b)
--- name: default values by metatable
local function with_default(value) return setmetatable({}, {__index = function() return value end}) end
local counts = with_default(0)
for c in ("mississippi"):gmatch(".") do counts[c] = counts[c] + 1 end
return counts.s, counts.z
--- name: read only proxy
local function readonly_view(t)
  return setmetatable({}, {
    __index = t,
    __newindex = function(_, key) error("cannot set " .. tostring(key), 2) end,
    __len = function() return #t end,
    __tostring = function() return "view of " .. #t end,
  })
end
return #readonly_view({1, 2}), pcall(function() readonly_view({}).x = 1 end)
--- name: iterators
local function enumerate(list)
  return function(state, i)
    i = i + 1
    if state[i] ~= nil then return i, state[i] end
  end, list, 0
end
local function sorted_pairs(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys)
  local i = 0
  return function()
    i = i + 1
    if keys[i] then return keys[i], t[keys[i]] end
  end
end
local out = {}
for i, v in enumerate({"a", "b"}) do out[i] = v end
for key, value in sorted_pairs({b = 2, a = 1}) do out[#out + 1] = key .. value end
return out
--- name: functional helpers
local F = {}
function F.map(list, f) local out = {} for i, v in ipairs(list) do out[i] = f(v) end return out end
function F.fold(list, f, acc) for _, v in ipairs(list) do acc = f(acc, v) end return acc end
function F.compose(...)
  local fs = {...}
  return function(v)
    for i = #fs, 1, -1 do v = fs[i](v) end
    return v
  end
end
function F.curry(f, a) return function(...) return f(a, ...) end end
local double = F.curry(math.fmod, 9)
return F.fold(F.map({4, 5}, F.compose(double, tostring)), math.max, 0)
--- name: deep copy and equality
local function copy(value, seen)
  if type(value) ~= "table" then return value end
  seen = seen or {}
  if seen[value] then return seen[value] end
  local out = {}
  seen[value] = out
  for k, v in next, value do out[copy(k, seen)] = copy(v, seen) end
  return setmetatable(out, getmetatable(value))
end
local function same(a, b)
  if rawequal(a, b) or a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end
local original = {1, {2, x = {y = 3}}}
return same(original, copy(original))
--- name: serializer
local function show(value, indent)
  indent = indent or ""
  if type(value) == "string" then return string.format("%q", value) end
  if type(value) ~= "table" then return tostring(value) end
  local inner, parts = indent .. "  ", {}
  for key, item in pairs(value) do
    local name = type(key) == "string" and key or "[" .. tostring(key) .. "]"
    parts[#parts + 1] = inner .. name .. " = " .. show(item, inner)
  end
  if #parts == 0 then return "{}" end
  return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}"
end
return show({a = {1, "two"}, b = true})
--- name: bits
local FLAGS = {read = 1 << 0, write = 1 << 1, run = 1 << 2}
local function grant(mask: integer, ...: string): integer
  for _, name in ipairs({...}) do mask = mask | FLAGS[name] end
  return mask
end
local function revoke(mask: integer, name: string): integer return mask & ~FLAGS[name] end
local function bits(n: integer): integer
  local count = 0
  while n ~= 0 do
    n = n & (n - 1)
    count = count + 1
  end
  return count
end
return revoke(grant(0, "read", "run"), "read") ~ 0xF0, bits(255)
--- name: sieve
local limit = 100
local composite, primes = {}, {}
for n = 2, limit do
  if composite[n] then goto continue end
  primes[#primes + 1] = n
  for multiple = n * n, limit, n do composite[multiple] = true end
  ::continue::
end
return #primes
--- name: gcd and fractions
local function gcd(a: integer, b: integer): integer
  while b ~= 0 do a, b = b, math.tointeger(a % b) end
  return a
end
local function fraction(n: integer, d: integer): string
  local g = gcd(n, d)
  return (n // g) .. "/" .. (d // g)
end
return fraction(6, 8)
--- name: luhn
local function valid(number: string): boolean
  local sum, double = 0, false
  for digit in number:reverse():gmatch("%d") do
    local value = tonumber(digit)!
    if double then
      value = value * 2
      if value > 9 then value = value - 9 end
    end
    sum = sum + value
    double = not double
  end
  return sum % 10 == 0
end
return valid("4539 1488 0343 6467")
--- name: crc
local CRC = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = (c & 1) ~= 0 and (0xEDB88320 ~ ((c >> 1) & 0x7FFFFFFF)) or ((c >> 1) & 0x7FFFFFFF) end
  CRC[i] = c
end
return function(data: string): integer
  local crc = 0xFFFFFFFF
  for i = 1, #data do crc = CRC[(crc ~ data:byte(i)) & 0xFF] ~ ((crc >> 8) & 0xFFFFFF) end
  return crc ~ 0xFFFFFFFF
end
--- name: queens
local function solve(n: integer): integer
  local columns, up, down = {}, {}, {}
  local function place(row: integer): integer
    if row > n then return 1 end
    local found = 0
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c]) then
        columns[c], up[row + c], down[row - c] = true, true, true
        found = found + place(row + 1)
        columns[c], up[row + c], down[row - c] = nil, nil, nil
      end
    end
    return found
  end
  return place(1)
end
return solve(6)
--- name: permutations
local function each_permutation(list, visit, n)
  n = n or #list
  if n <= 1 then return visit(list) end
  for i = 1, n do
    list[i], list[n] = list[n], list[i]
    each_permutation(list, visit, n - 1)
    list[i], list[n] = list[n], list[i]
  end
end
local count = 0
each_permutation({1, 2, 3, 4}, function() count = count + 1 end)
return count
--- name: hanoi
local function hanoi(n, from, to, spare, moves)
  if n == 0 then return moves end
  hanoi(n - 1, from, spare, to, moves)
  moves[#moves + 1] = from .. to
  return hanoi(n - 1, spare, to, from, moves)
end
return #hanoi(5, "a", "c", "b", {})
--- name: statistics
local function summary(values: {number}): {mean: number, deviation: number, median: number}
  local n, mean, m2 = 0, 0, 0
  for _, v in ipairs(values) do
    n = n + 1
    local delta = v - mean
    mean = mean + delta / n
    m2 = m2 + delta * (v - mean)
  end
  local sorted = {unpack(values)}
  table.sort(sorted)
  local middle = (n + 1) / 2
  local median = (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2
  return {mean = mean, deviation = math.sqrt(m2 / n), median = median}
end
return summary({2, 4, 4, 5, 7, 9})
--- name: base conversion
local DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
local function to_base(n: integer, base: integer): string
  local out = ""
  repeat
    local digit = math.tointeger(n % base)
    out = DIGITS:sub(digit + 1, digit + 1) .. out
    n = n // base
  until n == 0
  return out
end
return to_base(255, 16), tonumber("ff", 16), tonumber("zz", 36), tonumber("abc")
--- name: payload values
local p = payload.new({name = "x"})
local kind = p:get_format()
if kind == payload.format.LUA then return p:data().name end
return p:unmarshal()
--- name: payload formats
local FORMATS = {payload.format.JSON, payload.format.STRING, payload.format.BYTES, payload.format.ERROR}
local function describe(message)
  local body = message:payload()
  local format = body:get_format()
  for i, known in ipairs(FORMATS) do
    if known == format then return "format " .. i end
  end
  return type(body:data())
end
return describe
