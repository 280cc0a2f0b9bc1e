-- Guest module `store`: the Store handle. It names its entry; nothing of the host is held for it.
local S, module, host = ...
local STORE = {}
local type, rawget, setmetatable, error = type, rawget, setmetatable, error

local methods = {}
local class = S.handle_class("store.Store", methods)
class.__tostring = function(self) return rawget(self, STORE).released and "store.Store{released}" or "store.Store{}" end

local function store_of(v, name)
  return type(v) == "table" and rawget(v, STORE) or S.bad_argument(1, name, "store.Store", v)
end

local function released() return nil, S.failure("Invalid", "store is released") end

-- Methods whose first argument is a key, which is looked at before the permission is.
local function keyed(name, call, first)
  methods[name] = function(self, key, ...)
    local store = store_of(self, name)
    if store.released then return released() end
    if type(key) ~= "string" then S.bad_argument(1, name, "string", key) end
    if key == "" then return first, S.failure("Invalid", "key is required") end
    local v, err = call(store.id, key, ...)
    if err ~= nil then return first, err end
    return v, nil
  end
end
keyed("get", host.value)
keyed("entry", host.entry)
keyed("has", host.has, false)
keyed("set", host.set)
keyed("put", host.put)
keyed("delete", host.delete)

function methods:list(opts)
  local store = store_of(self, "list")
  if store.released then return released() end
  return host.list(store.id, opts)
end

function methods:info()
  local store = store_of(self, "info")
  if store.released then return released() end
  return host.info(store.id)
end

function methods:release()
  store_of(self, "release").released = true
  return true
end

function module.get(id)
  local ok, err = host.get(id)
  if not ok then return nil, err end
  return setmetatable({ [STORE] = { id = id, released = false } }, class)
end

return module
