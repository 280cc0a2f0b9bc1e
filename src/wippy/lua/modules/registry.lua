-- Guest module `registry` (spec 01 §15): Snapshot, Changes, Version and History handles.
--
-- Invariants
-- * A Version is its id and its parent's, a Changes its list of operations (copies): nothing of the host is held for them.
-- * A Snapshot is a number of the host's. Its finalizer only notes the number; the host is told with the next snapshot.
local S, module, host = ...
local SNAPSHOT, CHANGES, VERSION, HISTORY = {}, {}, {}, {}
local type, rawget, setmetatable, next = type, rawget, setmetatable, next
local failure, bad_argument, copy = S.failure, S.bad_argument, S.copy

local function invalid(message) return nil, failure("Invalid", message) end

local function is_table(v) return type(v) == "table" and S.class_of(v) ~= "handle" end

local function self_of(v, key, name, want)
  return type(v) == "table" and rawget(v, key) or bad_argument(1, name, want, v)
end

-- Versions ----------------------------------------------------------------------------------------------------------------

local versions = {}
local version_class = S.handle_class("registry.Version", versions)
version_class.__tostring = function(self) return "registry.Version{v" .. rawget(self, VERSION).id .. "}" end

local function new_version(record) return record and setmetatable({ [VERSION] = record }, version_class) end

local function version_of(v, name) return self_of(v, VERSION, name, "registry.Version") end

function versions:id() return version_of(self, "id").id end
function versions:string() return "v" .. version_of(self, "string").id end
function versions:previous()
  local parent = version_of(self, "previous").parent
  if not parent then return nil end
  return new_version((host.version(parent)))
end
function versions:next() return new_version((host.following(version_of(self, "next").id))) end

local function all_versions()
  local list, err = host.all_versions()
  if not list then return nil, err end
  for i = 1, #list do list[i] = new_version(list[i]) end
  return list, nil
end

-- Changes -----------------------------------------------------------------------------------------------------------------

local changes = {}
local changes_class = S.handle_class("registry.Changes", changes)
changes_class.__tostring = function(self) return "registry.Changes{ops=" .. #rawget(self, CHANGES) .. "}" end

local function changes_of(v, name) return self_of(v, CHANGES, name, "registry.Changes") end

-- "ns:name" of a text or of {ns, name}; nil for anything else.
local function id_text(id)
  if type(id) == "string" then return id ~= "" and id or nil end
  if not is_table(id) then return nil end
  local ns, name = S.raw_index(id, "ns"), S.raw_index(id, "name")
  if type(ns) == "string" and type(name) == "string" and name ~= "" then return ns .. ":" .. name end
  return nil
end

-- A copy of a guest's entry in the shape that comes out again, or nil and what is wrong.
local function entry_of(given)
  if not is_table(given) then return nil, "entry must be a table" end
  local id, kind = id_text(S.raw_index(given, "id")), S.raw_index(given, "kind")
  if not id then return nil, "entry id is required" end
  if type(kind) ~= "string" or kind == "" then return nil, "entry kind is required" end
  local meta, kept = S.raw_index(given, "meta"), {}
  if is_table(meta) then
    for k, v in S.raw_pairs(meta) do
      if type(k) == "string" then kept[k] = copy(v) end
    end
  end
  return { id = id, kind = kind, meta = kept, data = copy(S.raw_index(given, "data")) }
end

for name, kind in next, { create = "entry.create", update = "entry.update" } do
  changes[name] = function(self, given)
    local ops = changes_of(self, name)
    local entry, problem = entry_of(given)
    if not entry then return invalid(problem) end
    ops[#ops + 1] = { kind = kind, entry = entry }
    return self
  end
end

function changes:delete(id)
  local ops = changes_of(self, "delete")
  local text = id_text(id)
  if not text then return invalid("invalid ID format") end
  ops[#ops + 1] = { kind = "entry.delete", entry = { id = text, kind = "", meta = {} } }
  return self
end

function changes:ops() return copy(changes_of(self, "ops")) end

function changes:apply()
  local ops = changes_of(self, "apply")
  if #ops == 0 then return invalid("no changes to apply") end
  local version, err = host.apply(ops)
  if not version then return nil, err end
  return new_version(version), nil
end

-- Snapshots ---------------------------------------------------------------------------------------------------------------

local dropped, drops = {}, 0

local snapshots = {}
local snapshot_class = S.handle_class("registry.Snapshot", snapshots)
snapshot_class.__tostring = function(self) return "registry.Snapshot{version=v" .. rawget(self, SNAPSHOT).version.id .. "}" end
snapshot_class.__gc = function(self)
  local snapshot = rawget(self, SNAPSHOT)
  drops = drops + 1
  dropped[drops] = snapshot.number
end

local function take_dropped()
  if drops == 0 then return nil end
  local list = dropped
  dropped, drops = {}, 0
  return list
end

local function snapshot_of(v, name) return self_of(v, SNAPSHOT, name, "registry.Snapshot") end

local function opened(record, err)
  if not record then return nil, err end
  return setmetatable({ [SNAPSHOT] = record }, snapshot_class), nil
end

function snapshots:entries() return host.entries(snapshot_of(self, "entries").number) end
function snapshots:get(id)
  local snapshot = snapshot_of(self, "get")
  return host.get_in(id, snapshot.number)
end
function snapshots:namespace(ns)
  local snapshot = snapshot_of(self, "namespace")
  return (host.namespace(snapshot.number, ns))
end
function snapshots:find(filter)
  local snapshot = snapshot_of(self, "find")
  if not is_table(filter) then bad_argument(1, "find", "table", filter) end
  return (host.find_in(snapshot.number, filter))
end
function snapshots:changes()
  snapshot_of(self, "changes")
  return setmetatable({ [CHANGES] = {} }, changes_class)
end
function snapshots:version() return new_version(snapshot_of(self, "version").version) end

function module.snapshot() return opened(host.open(take_dropped())) end

function module.snapshot_at(id)
  if type(id) ~= "number" then bad_argument(1, "snapshot_at", "number", id) end
  if not (id > 0) then return invalid("invalid version ID") end
  return opened(host.open_at(S.int(id), take_dropped()))
end

-- History -----------------------------------------------------------------------------------------------------------------

function module.current_version() return new_version(host.current()), nil end
module.versions = all_versions

function module.apply_version(version)
  local record = type(version) == "table" and rawget(version, VERSION)
  if not record then
    if S.base.type(version) == "userdata" then return false, failure("Invalid", "version expected") end
    bad_argument(1, "apply_version", "registry.Version", version)
  end
  local ok, err = host.switch(record.id)
  if not ok then return false, err end
  return true, nil
end

local history = {}
local history_class = S.handle_class("registry.History", history)
local the_history = setmetatable({ [HISTORY] = true }, history_class)

local function history_of(v, name) return self_of(v, HISTORY, name, "registry.History") end

function module.history() return the_history, nil end

function history:versions()
  history_of(self, "versions")
  return all_versions()
end
function history:get_version(id)
  history_of(self, "get_version")
  if type(id) ~= "number" then bad_argument(1, "get_version", "number", id) end
  if not (id >= 0) then return invalid("invalid version ID") end
  local record, err = host.version(S.int(id))
  if not record then return nil, err end
  return new_version(record), nil
end
function history:snapshot_at(version)
  history_of(self, "snapshot_at")
  local record = version_of(version, "snapshot_at")
  return opened(host.open_at(record.id, take_dropped()))
end

return module
