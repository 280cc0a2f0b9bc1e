-- Payloads: a value with the format it is in (spec 03 §4). What messages and futures carry is `lua/any`.
local S = ...
local VALUE, FORMAT = S.VALUE, S.FORMAT
local getmetatable = debug.getmetatable
local rawget, setmetatable, type, pcall, error = rawget, setmetatable, type, pcall, error
local bad_argument, failure, decode, encode, prim = S.bad_argument, S.failure, S.decode, S.encode, S.prim

local FORMATS = {
  JSON = "json/plain", YAML = "yaml/plain", STRING = "text/plain", BYTES = "application/octet-stream",
  MSGPACK = "application/msgpack", LUA = "lua/any", GOLANG = "golang/any", ERROR = "golang/error",
}
local LUA, ERROR = FORMATS.LUA, FORMATS.ERROR

local methods = {}
local meta = S.handle_class("payload", methods)
local function format_of(p) return rawget(p, FORMAT) or LUA end
meta.__tostring = function(self) return "payload{format=" .. format_of(self) .. "}" end

-- Without a format in it: `lua/any`, as most are.
function S.new_payload(v) return setmetatable({ [VALUE] = v }, meta) end
S.payload_meta = meta

local function in_format(v, format) return setmetatable({ [VALUE] = v, [FORMAT] = format }, meta) end

local function check(v, name)
  if getmetatable(v) ~= meta then bad_argument(1, name, "payload", v) end
end

local function failed(e)
  local state = S.error_state(e)
  local text = state and state.message or S.error_text(e)
  return nil, S.make_error("Internal", "transcode failed" .. (text ~= "" and ": " .. text or ""), false)
end

-- Formats by what reads and writes them: each takes one value and answers a value, or nil and an error. Values are those
-- of a guest; what is written is text.
local function plain_text(v)
  local t = type(v)
  if v == nil then return "" end
  if t == "string" then return v end
  if t == "number" then return S.number_text(v) end
  if t == "boolean" then return v and "true" or "false" end
  if S.error_state(v) then return S.error_state(v).message end
  return nil, "a " .. S.base.type(v) .. " has no text"
end
local function same(v) return v end

local function of_module(name, call)
  return function(v) return S.module(name)[call](v) end
end
local function of_host(name, sends)
  return function(v)
    local sent, body = true, v
    if sends then sent, body = pcall(encode, false, { n = 1, v }) end
    if not sent then
      if body == "not enough memory" then error(body, 0) end
      return nil, failure("Internal", S.error_text(body))
    end
    local ok, answer = prim(S.prims[name], body)
    if not ok then return nil, decode(answer) end
    if sends then return answer end
    return decode(answer)
  end
end

local read = {
  [LUA] = same, [FORMATS.GOLANG] = same, [ERROR] = same, [FORMATS.STRING] = same, [FORMATS.BYTES] = same,
  [FORMATS.JSON] = of_module("json", "decode"), [FORMATS.YAML] = of_module("yaml", "decode"),
  [FORMATS.MSGPACK] = of_host("msgpack_unpack", false),
}
local write = {
  [LUA] = same, [FORMATS.GOLANG] = same, [FORMATS.STRING] = plain_text, [FORMATS.BYTES] = plain_text,
  [FORMATS.JSON] = of_module("json", "encode"), [FORMATS.MSGPACK] = of_host("msgpack_pack", true),
  [FORMATS.YAML] = function(v)        -- what is no table is written as JSON writes it: that is YAML too
    return S.module(type(v) == "table" and "yaml" or "json").encode(v)
  end,
}

-- The value that a payload stands for, or nil and an error.
local function value_of(p)
  local format = rawget(p, FORMAT)
  if not format then return rawget(p, VALUE) end
  local v, err = read[format](rawget(p, VALUE))
  if v == nil and err ~= nil then return failed(err) end
  return v
end

function methods:data()
  if getmetatable(self) ~= meta then bad_argument(1, "data", "payload", self) end
  if self[FORMAT] then return value_of(self) end
  return self[VALUE]
end
function methods:unmarshal()
  check(self, "unmarshal")
  return value_of(self)
end
function methods:get_format()
  check(self, "get_format")
  return format_of(self)
end
function methods:transcode(format)
  check(self, "transcode")
  if type(format) ~= "string" then bad_argument(1, "transcode", "string", format) end
  if format == format_of(self) then return self end
  local writer = write[format]
  if not writer then return failed("no way to " .. format) end
  local v, err = value_of(self)
  if v == nil and err ~= nil then return nil, err end
  v, err = writer(v)
  if v == nil and err ~= nil then return failed(err) end
  return in_format(v, format ~= LUA and format or nil)
end

local payload = { format = S.library(FORMATS) }
function payload.new(v)
  if S.error_state(v) then return in_format(v, ERROR) end
  return S.new_payload(S.copy(v))
end
S.base.payload = S.library(payload)
