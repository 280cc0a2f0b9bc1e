-- The guest side of module `fs` (spec 04a §4.2). An FS is {[FS] id of the entry, [CWD] its current directory}.
local S, module, host, classes = ...
local type, rawget, rawset, setmetatable, getmetatable = type, rawget, rawset, setmetatable, debug.getmetatable
local failure, bad_argument, HANDLE = S.failure, S.bad_argument, S.HANDLE
S.module("stream")

local FS, CWD = {}, {}
local volume, file = {}, classes.File.methods
local volume_class = S.handle_class("fs.FS", volume)

local function invalid(message) return S.make_error("Invalid", message) end

-- Volumes -----------------------------------------------------------------------------------------------------------------

local get = module.get
function module.get(id)
  local known, err = get(id)
  if not known then return nil, err end
  return S.volume_at(id), nil
end

-- For other modules that give out an FS: one over the volume of this id, at its root.
function S.volume_at(id)
  return setmetatable({ [FS] = id, [CWD] = "" }, volume_class)
end

local function volume_of(v, name)
  return type(v) == "table" and rawget(v, FS) or bad_argument(1, name, "fs.FS", v, 3)
end

-- For other modules that take an FS: the id of its entry and its current directory; nil for anything else.
function S.fs_of(v)
  if type(v) ~= "table" or not rawget(v, FS) then return nil end
  return rawget(v, FS), rawget(v, CWD)
end

local function path_of(v, name)
  if type(v) == "number" then return S.number_text(v) end
  if type(v) ~= "string" then bad_argument(2, name, "string", v, 3) end
  return v
end

-- A method that asks the host about a path; on failure it answers `first, err`.
local function on_path(name, first)
  local ask = host[name]
  volume[name] = function(self, path)
    local v, err = ask(volume_of(self, name), self[CWD], path_of(path, name))
    if err ~= nil then return first, err end
    return v, nil
  end
end
on_path("stat", nil)
on_path("exists", false)
on_path("isdir", false)
on_path("mkdir", false)
on_path("remove", false)
on_path("readfile", nil)

function volume:pwd()
  volume_of(self, "pwd")
  return "/" .. self[CWD]
end

function volume:chdir(path)
  local target, err = host.enter(volume_of(self, "chdir"), self[CWD], path_of(path, "chdir"))
  if not target then return false, err end
  rawset(self, CWD, target)
  return true, nil
end

function volume:readdir(path)
  local list, err = host.list(volume_of(self, "readdir"), self[CWD], path_of(path, "readdir"))
  if not list then return nil, err end
  local at = -1
  return function()
    at = at + 2
    local name = list[at]
    if name == nil then return nil end
    return { name = name, type = list[at + 1] }
  end
end

function volume:open(path, mode)
  local id = volume_of(self, "open")
  if type(mode) ~= "string" then bad_argument(3, "open", "string", mode) end
  return host.open(id, self[CWD], path_of(path, "open"), mode)
end

local function written(ok, err)
  if err ~= nil then return false, err end
  return ok, nil
end

function volume:writefile(path, data, mode)
  local id, cwd = volume_of(self, "writefile"), self[CWD]
  path = path_of(path, "writefile")
  if mode ~= nil and type(mode) ~= "string" then bad_argument(4, "writefile", "string", mode) end
  mode = mode or "w"
  if type(data) == "number" then data = S.number_text(data) end
  if type(data) == "string" then return written(host.writefile(id, cwd, path, data, mode)) end
  if data == nil then return false, invalid("data is required") end
  return written(host.copy(id, cwd, path, data, mode))
end

volume.read_file, volume.write_file = volume.readfile, volume.writefile

volume_class.__tostring = function(self)
  local cwd = self[CWD]
  return "fs.FS{cwd=" .. (cwd == "" and "." or cwd) .. "}"
end

-- Files -------------------------------------------------------------------------------------------------------------------

local CLOSED = S.make_error("Internal", "file already closed")

local function is_closed(v)
  local h = type(v) == "table" and rawget(v, HANDLE)
  return h and h.closed
end

-- A handle that an instance of a function kept from an earlier call has gone with that call.
local function is_gone(err)
  local e = S.error_state(err)
  return e.kind == "NotFound" and e.message == "handle is closed"
end

local function guard(name, first)
  local call = file[name]
  file[name] = function(self, ...)
    if is_closed(self) then return first, CLOSED end
    local v, err = call(self, ...)
    if err ~= nil then return first, is_gone(err) and CLOSED or err end
    return v, nil
  end
end

function file.stream(self)
  if getmetatable(self) ~= classes.File.meta then bad_argument(1, "stream", "fs.File", self) end
  return host.stream(self)
end
guard("read", nil)
guard("write", false)
guard("seek", nil)
guard("stat", nil)
guard("sync", false)
guard("stream", nil)

local close = file.close
function file.close(self)
  if is_closed(self) then return true, nil end
  local _, err = close(self)
  if err ~= nil and not is_gone(err) then return false, err end
  rawget(self, HANDLE).closed = true
  return true, nil
end

function file.scanner(self, mode)
  if getmetatable(self) ~= classes.File.meta then bad_argument(1, "scanner", "fs.File", self) end
  if mode ~= nil and type(mode) ~= "string" then bad_argument(2, "scanner", "string", mode) end
  if is_closed(self) then return nil, invalid("file is closed") end
  local scanner = S.new_scanner(function()
    if is_closed(self) then return nil, CLOSED end
    return host.chunk(self)
  end, mode)
  if not scanner then
    return nil, invalid('unknown scanner mode "' .. mode .. '": must be one of lines, words, bytes, runes')
  end
  return scanner, nil
end

classes.File.meta.__tostring = function(self) return is_closed(self) and "fs.File{closed}" or "fs.File{}" end

return module
