-- Error objects (spec 02 §15): immutable handles with kind, message, retryable, details; they print and concatenate as
-- their message. An error inside one shard is shared, never copied: nothing can change it.
local S = ...
local ERROR, CLASS = S.ERROR, S.CLASS
local rawget, setmetatable, type, tostring, getinfo = rawget, setmetatable, type, tostring, debug.getinfo
local concat, sub, match, byte = table.concat, string.sub, string.match, string.byte

-- Kernel and module sources are named `wippy/...`.
local function is_guest(info)
  return info.what ~= "C" and sub(info.short_src, 1, 6) ~= "wippy/" and info.currentline > 0
end

-- `source:line: ` of the innermost guest frame, of the running task or of the ended coroutine `co`; "" outside guest code.
local function place(co)
  local level = co and 0 or 2
  while true do
    local info
    if co then info = getinfo(co, level, "Sl") else info = getinfo(level, "Sl") end
    if not info then return "" end
    if is_guest(info) then return info.short_src .. ":" .. info.currentline .. ": " end
    level = level + 1
  end
end

-- Raises a mistake of the guest where it was made (spec 02 §14). A tail call loses its line: the one before stands for it.
local function raise(message) error(place() .. message, 0) end

-- What C functions say of their arguments names the kernel's line, or none. The same text at the guest's line.
local UNPLACED = { ["attempt to compare"] = true, ["invalid key to 'next'"] = true }
local function placed(e, co)
  if type(e) ~= "string" then return e end
  local first = byte(e, 1)
  if first == 119 then                -- "w"
    local text = match(e, "^wippy/[^:]*:%d+: (.*)$")
    return text and place(co) .. text or e
  elseif (first == 97 or first == 105) and (UNPLACED[sub(e, 1, 18)] or UNPLACED[sub(e, 1, 21)]) then
    return place(co) .. e
  end
  return e
end

local meta = { __metatable = false, [CLASS] = "handle" }
local methods = {}
meta.__index = methods
meta.__newindex = function() raise("attempt to modify an error object") end

-- The guest frames of the running task (or of the ended coroutine `co`), innermost first.
local function frames(from, co)
  local list, n = {}, 0
  for level = from, from + 40 do
    local info
    if co then info = getinfo(co, level - 1, "Sln") else info = getinfo(level, "Sln") end
    if not info then break end
    if is_guest(info) then
      n = n + 1
      list[n] = { level = n, source = info.short_src, line = info.currentline, name = info.name or "?", type = info.what }
      if n == 16 then break end
    end
  end
  return list
end

local function make(kind, message, retryable, details, stack, context)
  return setmetatable({ [ERROR] = {
    kind = kind, message = message, retryable = retryable, details = details, stack = stack, context = context,
  } }, meta)
end

local function state(v)
  return type(v) == "table" and rawget(v, ERROR) or nil
end

-- Errors that the kernel and its modules hand out; `level` counts from the caller.
function S.failure(kind, message, retryable, details)
  if retryable == nil then retryable = false end
  return make(kind, message, retryable, details)
end

local function self_of(v, name)
  local e = state(v)
  if not e then raise("bad argument #1 to " .. name .. " (error expected, got " .. S.base.type(v) .. ")") end
  return e
end

function methods:message() return self_of(self, "message").message end
function methods:kind() return self_of(self, "kind").kind end
function methods:retryable() return self_of(self, "retryable").retryable end
function methods:details()
  local details = self_of(self, "details").details
  return details and S.copy(details) or nil
end
function methods:stack()
  local e = self_of(self, "stack")
  local lines, n = {}, 0
  local at = e
  while at do
    if at.context then n = n + 1 lines[n] = at.context end
    at = at.parent
  end
  for _, frame in ipairs(e.stack or {}) do
    n = n + 1
    lines[n] = "  " .. frame.source .. ":" .. frame.line .. " (" .. frame.name .. ")"
  end
  if n == 0 then return e.message ~= "" and e.message or "no frames" end
  return concat(lines, "\n")
end

meta.__tostring = function(self) return state(self).message end
meta.__name = "error"
meta.__concat = function(a, b)
  local left, right = state(a), state(b)
  return (left and left.message or a) .. (right and right.message or b)
end

-- The text of any error value, in kernel context: runs no guest code.
function S.error_text(v)
  local t = type(v)
  if t == "string" then return v end
  local e = state(v)
  if e then return e.message end
  if t == "number" or t == "boolean" or t == "nil" then return tostring(v) end
  if (t == "table" or t == "function" or t == "thread") and not S.has_tostring(v) then return S.base.tostring(v) end
  return "error object is a " .. t .. " value"
end

function S.has_tostring(v)
  local mt = debug.getmetatable(v)
  return mt ~= nil and rawget(mt, "__tostring") ~= nil
end

-- A plain error (spec 02 §16) becomes the error object that crosses a boundary.
function S.boundary_error(v, text)
  local e = state(v)
  if not e then return make("Internal", text, nil) end
  if e.kind ~= "" then return v end
  return make("Internal", e.message, e.retryable, e.details)
end

local module = {
  NOT_FOUND = "NotFound", ALREADY_EXISTS = "AlreadyExists", INVALID = "Invalid", PERMISSION_DENIED = "PermissionDenied",
  UNAVAILABLE = "Unavailable", INTERNAL = "Internal", CANCELED = "Canceled", CONFLICT = "Conflict", TIMEOUT = "Timeout",
  RATE_LIMITED = "RateLimited", UNKNOWN = "",
}

-- A tree of at most so many tables: cycles and shared parts would be written out without end.
local MOST_TABLES = 2000
local function data_only(v, depth, budget)
  if type(v) ~= "table" then
    local t = type(v)
    if t == "function" or t == "thread" or t == "userdata" then return tostring(t) end
    return v
  end
  local e = state(v)
  if e then return e.message end
  if depth > 32 or budget.left == 0 then return nil end
  budget.left = budget.left - 1
  local out = {}
  for key, item in S.raw_pairs(v) do
    local t = type(key)
    if t == "string" or t == "number" or t == "boolean" then out[key] = data_only(item, depth + 1, budget) end
  end
  return out
end

function module.new(spec)
  if type(spec) == "string" then return make("", spec, nil, nil, frames(3)) end
  if type(spec) ~= "table" or S.class_of(spec) == "handle" then
    raise("bad argument #1 to new (expected string or table)")
  end
  local message = S.raw_index(spec, "message")
  if message == nil then raise("bad argument #1 to new (message field is required)") end
  if type(message) ~= "string" then raise("bad argument #1 to new (message must be a string)") end
  local kind, retryable, details = S.raw_index(spec, "kind"), S.raw_index(spec, "retryable"), S.raw_index(spec, "details")
  if type(kind) ~= "string" then kind = "" end
  if type(retryable) ~= "boolean" then retryable = nil end
  if type(details) == "table" and S.class_of(details) ~= "handle" then
    details = data_only(details, 0, { left = MOST_TABLES })
    if next(details) == nil then details = nil end
  else
    details = nil
  end
  return make(kind, message, retryable, details, frames(3))
end

function module.wrap(parent, context)
  local inner = state(parent)
  if not inner and type(parent) ~= "string" then raise("bad argument #1 to wrap (error or string expected, got " .. S.base.type(parent) .. ")") end
  local outer = state(context)
  if outer then context = outer.message end
  if type(context) ~= "string" then raise("bad argument #2 to wrap (string or error expected, got " .. S.base.type(context) .. ")") end
  if not inner then return make("", parent, nil, nil, frames(3), context) end
  local message = inner.context and (inner.context .. ": " .. inner.message) or inner.message
  local wrapped = make(inner.kind, message, inner.retryable, inner.details, inner.stack or frames(3), context)
  state(wrapped).parent = inner
  return wrapped
end

function module.is(v, kind)
  local e = state(v)
  return e ~= nil and e.kind == kind
end

function module.call_stack(v)
  local e = state(v)
  if not e or not e.stack or #e.stack == 0 then return nil end
  return { thread = "main", frames = S.copy(e.stack) }
end

S.make_error, S.error_state, S.error_meta, S.errors_module, S.guest_frames = make, state, meta, module, frames
S.raise, S.placed = raise, placed
