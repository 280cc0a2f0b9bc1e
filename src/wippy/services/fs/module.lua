-- The guest side of module `fs`: what an iterator and `false, err` need beyond the host's methods (spec 04a §4.2).
local S, module, host, classes = ...

local volume, file = classes.FS.methods, classes.File.methods

-- These answer `false, err` where the host's failures are `nil, err`.
for _, name in next, { "chdir", "isdir", "mkdir", "remove", "writefile", "exists" } do
  local call = volume[name]
  volume[name] = function(self, ...)
    local ok, err = call(self, ...)
    if err ~= nil then return false, err end
    return ok, nil
  end
end
local write = file.write
function file.write(self, data)
  local ok, err = write(self, data)
  if err ~= nil then return false, err end
  return ok, nil
end

volume.read_file, volume.write_file = volume.readfile, volume.writefile

local list = volume.list
volume.list = nil
function volume.readdir(self, path)
  local found, err = list(self, path)
  if not found then return nil, err end
  local i = 0
  return function()
    i = i + 1
    return found[i]
  end
end

local pwd = volume.pwd
classes.FS.meta.__tostring = function(self)
  local cwd = string.sub(pwd(self), 2)
  return "fs.FS{cwd=" .. (cwd == "" and "." or cwd) .. "}"
end
local is_closed = file.is_closed
file.is_closed = nil
classes.File.meta.__tostring = function(self)
  return is_closed(self) and "fs.File{closed}" or "fs.File{}"
end

return module
