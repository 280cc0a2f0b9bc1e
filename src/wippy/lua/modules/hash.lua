-- Guest module `hash`: argument errors as results, and FNV-1 (multiply, then xor) in 64-bit integers.
local S, module, host = ...
local type, byte, min = type, string.byte, math.min

local function not_text(what) return nil, S.failure("Invalid", what .. " must be a string") end

for _, name in next, { "md5", "sha1", "sha256", "sha512" } do
  local digest, keyed = host[name], host["hmac_" .. name]
  module[name] = function(data, raw)
    if type(data) ~= "string" then return not_text("data") end
    S.charge(#data * 2)
    return (digest(data, raw == true))
  end
  module["hmac_" .. name] = function(data, secret, raw)
    if type(data) ~= "string" then return not_text("data") end
    if type(secret) ~= "string" then return not_text("secret") end
    S.charge(#data * 2)
    return (keyed(data, secret, raw == true))
  end
end

local CHUNK = 4096

local function fnv(data, value, prime, mask)
  for at = 1, #data, CHUNK do
    local last = min(at + CHUNK - 1, #data)
    for i = at, last do value = value * prime & mask ~ byte(data, i) end
    S.charge(CHUNK * 20)
  end
  return value
end

function module.fnv32(data)
  if type(data) ~= "string" then return not_text("data") end
  return fnv(data, 0x811c9dc5, 0x01000193, 0xffffffff) + 0.0
end

-- As a float: large values lose their low bits.
function module.fnv64(data)
  if type(data) ~= "string" then return not_text("data") end
  local value = fnv(data, 0xcbf29ce484222325, 0x100000001b3, -1)
  return value >= 0 and value + 0.0 or value + 2.0 ^ 64
end

return module
