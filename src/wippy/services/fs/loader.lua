-- Guest module `loader` (spec 01 §15). A Loader is {[VOLUME] id of the volume's entry}.
local S, module, host = ...
local type, rawget, setmetatable = type, rawget, setmetatable
local VOLUME = {}

local methods = {}
local class = S.handle_class("loader.Loader", methods)

local new = module.new
function module.new(id)
  local known, err = new(id)
  if not known then return nil, err end
  return setmetatable({ [VOLUME] = id }, class), nil
end

for name, ask in next, { load_directory = host.directory, load_file = host.file } do
  methods[name] = function(self, path)
    local id = type(self) == "table" and rawget(self, VOLUME) or S.bad_argument(1, name, "loader.Loader", self)
    if type(path) ~= "string" then S.bad_argument(2, name, "string", path) end
    return ask(id, path)
  end
end

return module
