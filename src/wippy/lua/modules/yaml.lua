-- Guest module `yaml`: argument errors are results here, not raised.
local S, module, host = ...
local type = type

local function invalid(message) return nil, S.failure("Invalid", message) end

function module.encode(t, options)
  if type(t) ~= "table" or S.class_of(t) == "handle" then return invalid("table expected") end
  if options ~= nil and (type(options) ~= "table" or S.class_of(options) == "handle") then return invalid("options must be a table") end
  local text, err = host.encode(t, options)
  if not text then return nil, err end
  S.charge(#text * 50)
  return text
end

function module.decode(text)
  if type(text) ~= "string" or text == "" then return invalid("a non-empty string is expected") end
  S.charge(#text * 50)
  return host.decode(text)
end

return module
