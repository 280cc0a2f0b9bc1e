-- Definitions of entries and hosts, fetched from the host when first used and forgotten when the entry changes.
local S = ...
local next, error, setmetatable, load, pcall = next, error, setmetatable, load, pcall
local decode, failure, prim = S.decode, S.failure, S.prim

local definitions = {}
S.definitions = definitions

local function load_factory(code, id)
  local f, err = load(code, "=" .. id, "t", {})
  if not f then error(failure("Invalid", err), 0) end
  return f
end

local libraries = {}                  -- entry id -> {version, factory}: bytecode shared by everything that imports it

local function library(spec)
  local known = libraries[spec.id]
  if not known or known.version ~= spec.version then
    known = { version = spec.version, factory = load_factory(spec.code, spec.id) }
    libraries[spec.id] = known
  end
  return { alias = spec.alias, factory = known.factory, types = S.chunk_types(spec.types, {}) }
end

-- What emitted code reads its own types from: `types.Name` is the type value, made when first used.
local function type_table(scope)
  return setmetatable({}, { __index = function(t, name)
    local v = S.type_value(scope.find(name))
    t[name] = v
    return v
  end })
end

-- What a description of the host's becomes: code loaded, modules found. `imported`: types by the alias of libraries that are
-- no part of the description.
local function define(spec, imported)
  local globals = {}
  for alias, name in next, spec.modules do globals[alias] = S.module(name) end
  local own_libraries, by_alias, scopes = {}, imported or {}, {}
  for i, l in next, spec.libraries do
    local made = library(l)
    own_libraries[i] = made
    by_alias[made.alias] = made.types
    made.types.libraries = by_alias
    made.type_table = type_table(made.types)
    scopes[i] = made.types
  end
  local own_types = S.chunk_types(spec.types, by_alias)
  scopes[#scopes + 1] = own_types
  local function find_type(name)
    for i = 1, #scopes do
      local t = scopes[i].find(name)
      if t then return S.type_value(t) end
    end
    return nil
  end
  local def = {
    find_type = find_type, types = own_types, id = spec.id, method = spec.method, version = spec.version, factory = load_factory(spec.code, spec.id),
    globals = S.shared_globals(globals, find_type), libraries = own_libraries, type_table = type_table(own_types), call_host = spec.call_host,
    options = spec.options, plan = nil, limits = spec.limits or false, secured = spec.secured, pool = false, pid_host = false,
  }
  if spec.pool then
    def.pool = S.new_pool(spec.pool)
    def.pid_host = spec.id .. "#lua." .. spec.version
  end
  return def
end

S.define = define

-- The definition of an entry, fetched from the host when it is first needed: def, or nil and an error.
function S.definition(id)
  local def = definitions[id]
  if def then return def end
  local ok, text = prim(S.prims.definition, id)
  if not ok then return nil, decode(text) end
  ok, def = pcall(define, decode(text))
  if not ok then
    if S.error_state(def) then return nil, def end
    return nil, failure("Internal", S.error_text(def))
  end
  definitions[id] = def
  return def
end

-- What modules remember of entries, by id, until the entry changes.
local caches = {}
function S.entry_cache()
  local cache = {}
  caches[#caches + 1] = cache
  return cache
end

function S.forget_definition(id)
  for i = 1, #caches do caches[i][id] = nil end
  local def = definitions[id]
  definitions[id] = nil
  if def and def.pool then S.close_pool(def.pool) end
end

-- Hosts: may processes run there, and where. {local = boolean, kind = text} or nil.
local hosts = {}
function S.forget_host(id) hosts[id] = nil end
function S.host(id)
  local host = hosts[id]
  if host ~= nil then return host end
  local ok, text = prim(S.prims.host, id)
  if not ok then return nil, decode(text) end
  host = decode(text)
  hosts[id] = host
  return host
end
function S.host_limits(id)
  local host = S.host(id)
  return host and host.limits or false
end
function S.host_known(id)
  return S.host(id) ~= nil or string.find(id, "#lua.", 1, true) ~= nil
end
