-- Guest module `logger` (spec 04b §15). What `require` gives is a Logger itself; loggers are immutable.
-- Logging never fails: whatever stands in the fields becomes data here, without running guest code.
local S = ...
local LOGGER, ERROR, CLASS = {}, S.ERROR, S.CLASS
local type, next, rawget, setmetatable, tostring = type, next, rawget, setmetatable, tostring
local getmetatable = debug.getmetatable
local DEPTH, MOST = 16, 2000          -- of one table: levels, and values in all

local methods = {}
local class = S.handle_class("logger.Logger", methods)

local function state_of(v, name)
  local state = type(v) == "table" and rawget(v, LOGGER) or nil
  if not state then S.bad_argument(1, name, "logger", v) end
  return state
end

local function new(fields, name)
  return setmetatable({ [LOGGER] = { fields = fields, name = name } }, class)
end

local as_data

local function table_data(t, depth, budget)
  if depth > DEPTH or budget.left <= 0 then return "..." end
  local out = {}
  for k, v in next, S.content(t) do
    local key = type(k)
    if key == "string" or key == "number" then
      if budget.left <= 0 then break end
      budget.left = budget.left - 1
      out[k] = as_data(v, depth + 1, budget)
    end
  end
  return out
end

function as_data(v, depth, budget)
  local t = type(v)
  if t == "table" then
    if S.class_of(v) ~= "handle" then return table_data(v, depth, budget) end
    local e = rawget(v, ERROR)
    if e then return e.message end
    return getmetatable(v).__tostring(v)
  elseif t == "function" or t == "thread" then
    return t
  elseif t == "userdata" then
    return nil
  end
  return v
end

local function add_fields(into, fields)
  if fields == nil then return into end
  local budget = { left = MOST }
  for k, v in next, S.content(fields) do
    if type(k) == "string" then
      local data = as_data(v, 1, budget)
      if k == "error" and type(data) ~= "string" then data = type(data) == "table" and "table" or S.base.tostring(data) end
      into[k] = data
    end
  end
  return into
end

local function check_fields(fields, name)
  if fields ~= nil and (type(fields) ~= "table" or S.class_of(fields) == "handle") then
    S.bad_argument(2, name, "table", fields)
  end
end

for _, level in next, { "debug", "info", "warn", "error" } do
  methods[level] = function(self, message, fields)
    local state = state_of(self, level)
    if type(message) == "number" then message = S.number_text(message)
    elseif S.error_state(message) then message = S.error_state(message).message
    elseif type(message) ~= "string" then S.bad_argument(1, level, "string", message) end
    check_fields(fields, level)
    local all = add_fields({}, state.fields)
    S.log(level, message, add_fields(all, fields), 3, state.name)
  end
end

function methods:with(fields)
  local state = state_of(self, "with")
  if fields == nil then S.bad_argument(1, "with", "table", fields) end
  check_fields(fields, "with")
  return new(add_fields(add_fields({}, state.fields), fields), state.name)
end

function methods:named(name)
  local state = state_of(self, "named")
  if type(name) ~= "string" or name == "" then S.bad_argument(1, "named", "non-empty string", name) end
  return new(state.fields, state.name and state.name .. "." .. name or name)
end

return new({}, nil)
