-- Guest module `uuid`: reading, checking and formatting identifiers.
local S, module, host = ...
local type, tonumber = type, tonumber
local gsub, sub, lower, match, find, format, char = string.gsub, string.sub, string.lower, string.match, string.find, string.format, string.char

local DASHED = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

-- The 32 lower-case digits of an identifier in any of its four forms, or nil.
local function digits_of(v)
  if type(v) ~= "string" then return nil end
  local size = #v
  if size == 32 then return not find(v, "%X") and lower(v) or nil end
  if size == 45 and lower(sub(v, 1, 9)) == "urn:uuid:" then v = sub(v, 10)
  elseif size == 38 and match(v, "^{.*}$") then v = sub(v, 2, 37)
  elseif size ~= 36 then return nil end
  return find(v, DASHED) and lower((gsub(v, "%-", ""))) or nil
end

local function invalid(message) return nil, S.failure("Invalid", message) end

local function read(v)
  if type(v) ~= "string" then return invalid("uuid must be a string") end
  local digits = digits_of(v)
  if not digits then return invalid("invalid uuid format") end
  return digits
end

local function bytes_of(digits)
  return (gsub(digits, "%x%x", function(pair) return char(tonumber(pair, 16)) end))
end

local function dashed(d)
  return sub(d, 1, 8) .. "-" .. sub(d, 9, 12) .. "-" .. sub(d, 13, 16) .. "-" .. sub(d, 17, 20) .. "-" .. sub(d, 21)
end

local function version_of(d) return tonumber(sub(d, 13, 13), 16) end

local function variant_of(d)
  local bits = tonumber(sub(d, 17, 17), 16)
  if bits < 8 then return "Reserved" elseif bits < 12 then return "RFC4122" elseif bits < 14 then return "Microsoft" end
  return "Future"
end

local function named(version)
  return function(space, name)
    local digits, err = read(space)
    if not digits then return nil, err end
    if type(name) ~= "string" then return invalid("name must be a string") end
    return (host.named(version, bytes_of(digits), name))
  end
end
module.v3, module.v5 = named(3), named(5)

function module.validate(v) return digits_of(v) ~= nil end

function module.version(v)
  local digits, err = read(v)
  if not digits then return nil, err end
  return version_of(digits)
end

function module.variant(v)
  local digits, err = read(v)
  if not digits then return nil, err end
  return variant_of(digits)
end

local GREGORIAN = 0x01B21DD213814000

function module.parse(v)
  local d, err = read(v)
  if not d then return nil, err end
  local version = version_of(d)
  local parsed = { version = version, variant = variant_of(d) }
  if version == 1 then
    local stamp = tonumber(sub(d, 14, 16) .. sub(d, 9, 12) .. sub(d, 1, 8), 16)
    parsed.timestamp = (stamp - GREGORIAN) // 10000000
    parsed.node = bytes_of(sub(d, 21))
  elseif version == 7 then
    parsed.timestamp = tonumber(sub(d, 1, 12), 16) // 1000
  end
  return parsed
end

function module.format(v, kind)
  local digits, err = read(v)
  if not digits then return nil, err end
  if kind == nil or kind == "standard" then return dashed(digits) end
  if kind == "simple" then return digits end
  if kind == "urn" then return "urn:uuid:" .. dashed(digits) end
  return invalid("unknown uuid format")
end

return module
