-- The guest side of module `http` (spec 05 §4). A response is collected here and leaves the shard once, with the end of the
-- call; only a flush goes to the host before that.
local S, module, host = ...
local type, next, rawget, setmetatable, raise = type, next, rawget, setmetatable, S.raise
local concat, lower, find, sub, pack = table.concat, string.lower, string.find, string.sub, string.pack
local getmetatable = debug.getmetatable
local failure, bad_argument = S.failure, S.bad_argument

local REQUEST, RESPONSE, FILE = {}, {}, {}
local request_methods, response_methods, file_methods = {}, {}, {}
local request_class = S.handle_class("http.Request", request_methods)
local response_class = S.handle_class("http.Response", response_methods)
local file_class = S.handle_class("http.MultipartFile", file_methods)

local function invalid(message) return failure("Invalid", message) end

-- Request ------------------------------------------------------------------------------------------------------------

local DEFAULT_TIMEOUT, DEFAULT_BODY, FORM_MEMORY = 300000, 125829120, 33554432

local function positive(v, default)
  if type(v) == "number" and v > 0 then return v end
  return default
end

function module.request(options)
  if options ~= nil and (type(options) ~= "table" or S.class_of(options) == "handle") then
    bad_argument(1, "request", "table", options)
  end
  local own = S.cur.own
  if not own or not own.request then return nil, failure("Internal", "no http request in this context") end
  local known = own.http_request
  if not known then
    local err
    known, err = host.describe()
    if not known then return nil, err end
    own.http_request = known
  end
  local timeout, most
  if options then timeout, most = S.raw_index(options, "timeout"), S.raw_index(options, "max_body") end
  return setmetatable({ [REQUEST] = {
    data = known, timeout = positive(timeout, DEFAULT_TIMEOUT), most = S.int(positive(most, DEFAULT_BODY)),
  } }, request_class), nil
end

local function request_of(v, name)
  if getmetatable(v) ~= request_class then bad_argument(1, name, "http.Request", v) end
  return v[REQUEST]
end
request_class.__tostring = function(self)
  local data = self[REQUEST].data
  return "http.Request{method=" .. data.method .. ", path=" .. data.path .. "}"
end

local function name_of(v, method)
  if type(v) ~= "string" then bad_argument(1, method, "string", v) end
  return v
end

function request_methods:method() return request_of(self, "method").data.method, nil end
function request_methods:path() return request_of(self, "path").data.path, nil end
function request_methods:query(name) return request_of(self, "query").data.first[name_of(name, "query")], nil end
function request_methods:query_params() return S.copy(request_of(self, "query_params").data.query), nil end
function request_methods:header(name) return request_of(self, "header").data.headers[lower(name_of(name, "header"))], nil end
function request_methods:content_type() return request_of(self, "content_type").data.headers["content-type"], nil end
function request_methods:content_length() return request_of(self, "content_length").data.length, nil end
function request_methods:host() return request_of(self, "host").data.host, nil end
function request_methods:remote_addr() return request_of(self, "remote_addr").data.remote, nil end
function request_methods:param(name) return request_of(self, "param").data.params[name_of(name, "param")], nil end
function request_methods:params() return S.copy(request_of(self, "params").data.params), nil end
function request_methods:has_body() return request_of(self, "has_body").data.length > 0, nil end

function request_methods:accepts(kind)
  local accept = request_of(self, "accepts").data.headers["accept"]
  if not accept then return false, nil end
  for part in string.gmatch(accept, "[^,]+") do
    local item = string.match(part, "^%s*(.-)%s*$")
    if item == kind or item == "*/*" then return true, nil end
  end
  return false, nil
end

function request_methods:is_content_type(kind)
  local own = request_of(self, "is_content_type").data.headers["content-type"] or ""
  return sub(own, 1, #kind) == kind, nil
end

function request_methods:body()
  local r = request_of(self, "body")
  local body, err = host.body(r.most, r.timeout)
  if err then return nil, err end
  return body, nil
end

function request_methods:body_json()
  local r = request_of(self, "body_json")
  local body, err = host.body(r.most, r.timeout)
  if err then return nil, err end
  local value
  value, err = S.module("json").decode(body)
  if err ~= nil then return nil, invalid("request body is not JSON: " .. S.error_text(err)) end
  return value, nil
end

function request_methods:stream()
  local r = request_of(self, "stream")
  S.module("stream")
  return host.stream(r.timeout)
end

local function file_of(v, name)
  if getmetatable(v) ~= file_class then bad_argument(1, name, "http.MultipartFile", v, 3) end
  return v[FILE]
end
function file_methods:name() return file_of(self, "name").name, nil end
function file_methods:size() return file_of(self, "size").size, nil end
function file_methods:header(name) return file_of(self, "header").headers[lower(name_of(name, "header"))] end
function file_methods:stream()
  local f = file_of(self, "stream")
  S.module("stream")
  return host.file_stream(f.field, f.number)
end
file_class.__tostring = function(self)
  return "http.MultipartFile{name=" .. self[FILE].name .. ", size=" .. self[FILE].size .. "}"
end

function request_methods:parse_multipart(memory)
  local r = request_of(self, "parse_multipart")
  local form = r.form
  if not form then
    local err
    form, err = host.multipart(S.int(positive(memory, FORM_MEMORY)), r.timeout)
    if not form then return nil, err end
    r.form = form
  end
  local files = {}
  for name, list in next, form.files do
    local out = {}
    for i = 1, #list do
      local file = list[i]
      file.number = i
      out[i] = setmetatable({ [FILE] = file }, file_class)
    end
    files[name] = out
  end
  return { values = S.copy(form.values), files = files }, nil
end

-- Response -----------------------------------------------------------------------------------------------------------

local function attachment(r)
  return function()
    if not r.touched then return nil end
    local head = S.encode(false, { n = 1, { r.status or 200, r.headers } })
    head = sub(head, 2)                 -- the one element of the list
    return pack(">s4", head) .. concat(r.parts, "", 1, r.n)
  end
end

function module.response()
  local own = S.cur.own
  if not own or not own.request then return nil, failure("Internal", "no http request in this context") end
  local r = own.http_response
  if not r then
    r = { status = false, headers = {}, sent = false, touched = false, parts = {}, n = 0, streaming = false }
    own.http_response = r
    own.attachment = attachment(r)
  end
  return setmetatable({ [RESPONSE] = r }, response_class), nil
end

local function response_of(v, name)
  if getmetatable(v) ~= response_class then bad_argument(1, name, "http.Response", v) end
  return v[RESPONSE]
end

local SENT = "headers are sent already"

local function put_header(r, name, value)
  local key = lower(name)
  for i = 1, #r.headers do
    if r.headers[i][1] == key then
      r.headers[i][2] = value
      return
    end
  end
  r.headers[#r.headers + 1] = { key, value }
end

local function has_header(r, name)
  for i = 1, #r.headers do
    if r.headers[i][1] == name then return true end
  end
  return false
end

function response_methods:set_status(code)
  local r = response_of(self, "set_status")
  if type(code) ~= "number" then bad_argument(1, "set_status", "number", code) end
  if r.sent then return invalid(SENT) end
  code = S.int(code)
  if code < 100 or code > 999 then return invalid("invalid status code " .. code) end
  r.status, r.sent, r.touched = code, true, true
  return nil
end

local function safe(text)
  return not find(text, "[\r\n%z]")
end

function response_methods:set_header(name, value)
  local r = response_of(self, "set_header")
  if type(name) ~= "string" then bad_argument(1, "set_header", "string", name) end
  if type(value) == "number" then value = S.number_text(value) end
  if type(value) ~= "string" then bad_argument(2, "set_header", "string", value) end
  if r.sent then return invalid(SENT) end
  if not safe(value) or not find(name, "^[%w!#%$%%&'%*%+%-%.%^_`|~]+$") then return invalid("invalid header " .. name) end
  put_header(r, name, value)
  r.touched = true
  return nil
end

function response_methods:set_content_type(kind)
  local r = response_of(self, "set_content_type")
  if type(kind) ~= "string" then bad_argument(1, "set_content_type", "string", kind) end
  if r.sent then return invalid(SENT) end
  if not safe(kind) then return invalid("invalid content type") end
  put_header(r, "content-type", kind)
  return nil
end

function response_methods:set_transfer(mode)
  local r = response_of(self, "set_transfer")
  if mode ~= "chunked" and mode ~= "sse" then
    raise('bad argument #1 to set_transfer ("chunked" or "sse" expected)')
  end
  if r.sent then return invalid(SENT) end
  put_header(r, "cache-control", "no-cache")
  if mode == "sse" then put_header(r, "content-type", "text/event-stream") end
  return nil
end

local function append(r, text)
  if r.status == 204 or r.status == 304 then return failure("Internal", "a response with status " .. r.status .. " has no body") end
  local n = r.n + 1
  r.parts[n] = text
  r.n = n
  r.sent, r.touched = true, true
  return nil
end

function response_methods:write(data)
  local r = response_of(self, "write")
  if type(data) == "number" then data = S.number_text(data) end
  if type(data) ~= "string" then bad_argument(1, "write", "string", data) end
  return append(r, data)
end

function response_methods:write_json(value)
  local r = response_of(self, "write_json")
  local text, err = S.module("json").encode(value)
  if not text then return invalid(S.error_text(err)) end
  if not r.sent then put_header(r, "content-type", "application/json") end
  return append(r, text)
end

local function flush(r)
  local head = sub(S.encode(false, { n = 1, { r.status or 200, r.headers } }), 2)
  local body = concat(r.parts, "", 1, r.n)
  r.parts, r.n = {}, 0
  r.sent, r.touched, r.streaming = true, true, true
  local ok, err = host.send(head, body)
  if not ok then return err end
  return nil
end

function response_methods:flush() return flush(response_of(self, "flush")) end

function response_methods:write_event(event)
  local r = response_of(self, "write_event")
  if type(event) ~= "table" or S.class_of(event) == "handle" then bad_argument(1, "write_event", "table", event) end
  local name, data = S.raw_index(event, "name"), S.raw_index(event, "data")
  if type(name) ~= "string" or name == "" then raise("bad argument #1 to write_event (name is required)") end
  if data == nil then raise("bad argument #1 to write_event (data is required)") end
  if not safe(name) then raise("bad argument #1 to write_event (name must be one line)") end
  if not has_header(r, "content-type") or not r.sent then
    if r.sent then return invalid("cannot switch to events: " .. SENT) end
    put_header(r, "content-type", "text/event-stream")
    put_header(r, "cache-control", "no-cache")
  end
  local text, err = S.module("json").encode(data)
  if not text then return invalid(S.error_text(err)) end
  err = append(r, "event: " .. name .. "\ndata: " .. text .. "\n\n")
  if err then return err end
  return flush(r)
end

-- Constants ------------------------------------------------------------------------------------------------------------

local function names(...)
  local out = {}
  for _, name in next, { ... } do out[name] = name end
  return out
end

module.METHOD = names("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
module.ERROR = names("PARSE_FAILED", "INVALID_STATE", "WRITE_FAILED", "STREAM_ERROR")
module.TRANSFER = { CHUNKED = "chunked", SSE = "sse" }
module.CONTENT = {
  JSON = "application/json", FORM = "application/x-www-form-urlencoded", MULTIPART = "multipart/form-data",
  TEXT = "text/plain", STREAM = "application/octet-stream",
}
module.STATUS = {
  OK = 200, CREATED = 201, ACCEPTED = 202, NO_CONTENT = 204, PARTIAL_CONTENT = 206, MOVED_PERMANENTLY = 301, FOUND = 302,
  SEE_OTHER = 303, NOT_MODIFIED = 304, TEMPORARY_REDIRECT = 307, PERMANENT_REDIRECT = 308, BAD_REQUEST = 400,
  UNAUTHORIZED = 401, PAYMENT_REQUIRED = 402, FORBIDDEN = 403, NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405,
  NOT_ACCEPTABLE = 406, CONFLICT = 409, GONE = 410, UNPROCESSABLE = 422, TOO_MANY_REQUESTS = 429, INTERNAL_ERROR = 500,
  INTERNAL_SERVER_ERROR = 500, NOT_IMPLEMENTED = 501, BAD_GATEWAY = 502, SERVICE_UNAVAILABLE = 503,
  GATEWAY_TIMEOUT = 504, VERSION_NOT_SUPPORTED = 505,
}

return module
