-- Mocks: fields of global tables that are other ones for a while (spec 07b §A.4).
--
-- Built-in tables are frozen, so the whole global is replaced by a copy. `process.send` is taken when the library is loaded:
-- the framework's own messages never meet a mock.
local real_send = process.send
local globals = _G

type Mocked = {original: any, copy: any, fields: {[string]: any}, in_place: boolean}

local Mocks = {}
Mocks.__index = Mocks

-- passes(topic): whether a message is the framework's own.
local function new(passes: (any) -> boolean)
  return setmetatable({ mocked = {}, namespaces = {}, passes = passes }, Mocks)
end

local function deep_copy(value, done)
  if type(value) ~= "table" then return value end
  if done[value] then return done[value] end
  local copy = {}
  done[value] = copy
  for key, item in pairs(value) do
    copy[key] = deep_copy(item, done)
  end
  local meta = getmetatable(value)
  return type(meta) == "table" and setmetatable(copy, meta) or copy
end

local function split(path): (string, string)
  if type(path) ~= "string" then error("mock: expected a path such as \"process.send\", got " .. type(path), 0) end
  local object, field = string.match(path, "^([^.]+)%.([^.]+)$")
  if not object then error("mock: the path must be object.field, got \"" .. path .. "\"", 0) end
  return object, field
end

-- The record of an object whose fields are being mocked.
function Mocks:object(name: string, create: boolean)
  if self.mocked[name] then return self.mocked[name] end
  local own = self.namespaces[name] or name == "_G" and globals or nil
  local original = own or globals[name]
  if original == nil and not create or original ~= nil and type(original) ~= "table" then
    error("mock: \"" .. name .. "\" is no global table", 0)
  end
  local copy = own or deep_copy(original or {}, {})
  local known = { original = original, copy = copy, fields = {}, in_place = own ~= nil }
  self.mocked[name] = known
  if not known.in_place then globals[name] = copy end
  return known
end

-- The framework's own messages go to the real `process.send` whatever it is mocked with.
function Mocks:passing(replacement)
  return function(dest, topic, ...)
    if self.passes(topic) then return real_send(dest, topic, ...) end
    return replacement(dest, topic, ...)
  end
end

function Mocks:set(name: string, field: string, replacement, create: boolean)
  local known = self:object(name, create)
  if not known.fields[field] then known.fields[field] = { value = known.copy[field] } end
  if name == "process" and field == "send" and type(replacement) == "function" then
    replacement = self:passing(replacement)
  end
  known.copy[field] = replacement
end

function Mocks:mock(path, count: integer, replacement)
  if count ~= 1 then error("mock: expected mock(\"object.field\", replacement)", 0) end
  local name, field = split(path)
  self:set(name, field, replacement, false)
end

function Mocks:mock_process(field, replacement)
  if type(field) ~= "string" or field == "" or string.find(field, ".", 1, true) then
    error("mock_process: expected the name of a field of process", 0)
  end
  self:set("process", field, replacement, true)
end

function Mocks:forget(name: string)
  local known = self.mocked[name]
  if not known.in_place then globals[name] = known.original end
  self.mocked[name] = nil
end

function Mocks:restore(path)
  local name, field = split(path)
  local known = self.mocked[name]
  if not known or not known.fields[field] then return end
  known.copy[field] = known.fields[field].value
  known.fields[field] = nil
  if next(known.fields) == nil then self:forget(name) end
end

function Mocks:restore_all()
  for name, known in pairs(self.mocked) do
    for field, kept in pairs(known.fields) do
      known.copy[field] = kept.value
    end
    self:forget(name)
  end
end

-- From now on paths that begin with `name` mean fields of this table, which need not be a global.
function Mocks:register(t, name)
  if type(t) ~= "table" then error("register_mock_namespace: expected a table, got " .. type(t), 0) end
  if type(name) ~= "string" or name == "" or string.find(name, ".", 1, true) then
    error("register_mock_namespace: expected a name without dots", 0)
  end
  self.namespaces[name] = t
end

return table.freeze({ new = new })
