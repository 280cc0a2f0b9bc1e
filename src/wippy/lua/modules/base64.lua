-- Guest module `base64`: what is no string is an error result here, not a raised one.
local S, module, host = ...
local type = type

for _, name in next, { "encode", "decode" } do
  local call = host[name]
  module[name] = function(data)
    if type(data) ~= "string" then return nil, S.failure("Invalid", "a string is expected") end
    if data == "" then return "" end
    S.charge(#data)
    local result, err = call(data)
    if err then return nil, err end
    return result
  end
end

return module
