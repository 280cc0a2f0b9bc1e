-- Assertions: each raises its bare message, and tells afterwards that it did (spec 07b §A.4).
--
-- Where an assertion was called is found in the stack, so the message stays what it says.
local assertions = {}
local failed = nil -- the message of the assertion that failed last

-- Whether `err` is what an assertion raised; forgets it.
local function asserted(err): boolean
  local found = failed ~= nil and type(err) == "string" and err == failed
  failed = nil
  return found
end

-- Values as text ---------------------------------------------------------------------------------------------------------

local DEEPEST, MOST = 4, 20

local function key_order(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  return tostring(a) < tostring(b)
end

local show

local function show_table(value, seen, depth: integer): string
  if seen[value] then return "{<cycle>}" end
  if depth > DEEPEST then return "{...}" end
  seen[value] = true
  local keys, parts = {}, {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, key_order)
  for i, key in ipairs(keys) do
    if i > MOST then
      parts[#parts + 1] = "..."
      break
    end
    local text = show(value[key], seen, depth + 1)
    if key ~= i then text = (type(key) == "string" and key or "[" .. show(key, seen, depth + 1) .. "]") .. " = " .. text end
    parts[#parts + 1] = text
  end
  seen[value] = nil
  return "{" .. table.concat(parts, ", ") .. "}"
end

function show(value, seen, depth: integer?): string
  if type(value) == "string" then return '"' .. value .. '"' end
  if type(value) == "table" then return show_table(value, seen or {}, depth or 1) end
  return tostring(value)
end

local function show_typed(value): string
  if value == nil then return "nil" end
  return type(value) .. " (" .. show(value) .. ")"
end

-- Assertions -------------------------------------------------------------------------------------------------------------

local function raise(message: string): never
  failed = message
  error(message, 0)
end

local function refuse(msg, expected: string, got: string): never
  raise((msg == nil and "assertion failed" or tostring(msg)) .. ": expected " .. expected .. ", got " .. got)
end

function assertions.eq(actual, expected, msg: string?)
  if actual == expected then return end
  local hint = type(actual) == "table" and type(expected) == "table" and " (eq compares tables by identity)" or ""
  refuse(msg, show(expected), show(actual) .. hint)
end

function assertions.neq(actual, unexpected, msg: string?)
  if actual == unexpected then refuse(msg, "anything but " .. show(unexpected), show(actual)) end
end

function assertions.ok(v: any, msg: string?): asserts v
  if not v then refuse(msg, "a truthy value", show(v)) end
  return v
end

function assertions.fail(msg: string?): never
  raise(msg == nil and "assertion failed" or tostring(msg))
end

function assertions.is_nil(v: any, msg: string?): asserts v is nil
  if v ~= nil then refuse(msg, "nil", show(v)) end
end

function assertions.not_nil(v: any, msg: string?): asserts v
  if v == nil then refuse(msg, "a value", "nil") end
  return v
end

function assertions.is_true(v: any, msg: string?): asserts v is true
  if v ~= true then refuse(msg, "true", show(v)) end
end

function assertions.is_false(v: any, msg: string?): asserts v is false
  if v ~= false then refuse(msg, "false", show(v)) end
end

local function check_type(v, name: string, msg)
  if type(v) ~= name then refuse(msg, name, show_typed(v)) end
  return v
end

function assertions.is_string(v: any, msg: string?): asserts v is string
  return check_type(v, "string", msg)
end

function assertions.is_number(v: any, msg: string?): asserts v is number
  return check_type(v, "number", msg)
end

function assertions.is_table(v: any, msg: string?): asserts v is table
  return check_type(v, "table", msg)
end

function assertions.is_function(v: any, msg: string?): asserts v is (...any) -> any
  return check_type(v, "function", msg)
end

function assertions.is_boolean(v: any, msg: string?): asserts v is boolean
  return check_type(v, "boolean", msg)
end

function assertions.contains(s: any, sub: string, msg: string?): asserts s is string
  if type(s) ~= "string" or not string.find(s, sub, 1, true) then
    refuse(msg, "a string containing " .. show(sub), show(s))
  end
  return s
end

function assertions.matches(s: any, pattern: string, msg: string?): asserts s is string
  if type(s) ~= "string" or not string.find(s, pattern) then
    refuse(msg, "a string matching " .. show(pattern), show(s))
  end
  return s
end

function assertions.has_key(t: any, key: any, msg: string?): any
  if type(t) ~= "table" or t[key] == nil then refuse(msg, "a table with key " .. show(key), show(t)) end
  return t[key]
end

function assertions.len(v: any, n: integer, msg: string?)
  local measurable = type(v) == "table" or type(v) == "string"
  if not measurable or #v ~= n then
    refuse(msg, "length " .. tostring(n), measurable and tostring(#v) .. " of " .. show(v) or show(v))
  end
end

function assertions.gt(a, b, msg: string?)
  if not (a > b) then refuse(msg, "more than " .. show(b), show(a)) end
end

function assertions.gte(a, b, msg: string?)
  if not (a >= b) then refuse(msg, "at least " .. show(b), show(a)) end
end

function assertions.lt(a, b, msg: string?)
  if not (a < b) then refuse(msg, "less than " .. show(b), show(a)) end
end

function assertions.lte(a, b, msg: string?)
  if not (a <= b) then refuse(msg, "at most " .. show(b), show(a)) end
end

function assertions.throws(fn: any, msg: string?): any
  local ok, err = pcall(fn)
  failed = nil
  if ok then refuse(msg, "an error", "none") end
  return err
end

function assertions.has_error(v: any, err: any, msg: string?)
  if v ~= nil or err == nil then refuse(msg, "nil and an error", show(v) .. " and " .. show(err)) end
end

function assertions.no_error(_v: any, err: any, msg: string?): asserts err is nil
  if err ~= nil then refuse(msg, "no error", show(err)) end
end

return table.freeze({ functions = assertions, asserted = asserted, show = show })
