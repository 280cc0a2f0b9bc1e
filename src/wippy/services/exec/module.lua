-- The guest side of module `exec` (spec 03 §14). An Executor is {[EXECUTOR] id of the entry, or false when released}; what a
-- Process knows here stands in its handle's record: closed, its two streams.
local S, module, host, classes = ...
local type, next, rawget, rawset, setmetatable = type, next, rawget, rawset, setmetatable
local failure, bad_argument, HANDLE = S.failure, S.bad_argument, S.HANDLE
S.module("stream")

local EXECUTOR = {}
local executor, process = {}, classes.Process.methods
local executor_class = S.handle_class("exec.Executor", executor)

local get = module.get
function module.get(id)
  local known, err = get(id)
  if not known then return nil, err end
  return setmetatable({ [EXECUTOR] = id }, executor_class), nil
end

local function id_of(v, name)
  if type(v) ~= "table" or rawget(v, EXECUTOR) == nil then bad_argument(1, name, "exec.Executor", v, 3) end
  return rawget(v, EXECUTOR)
end

local function option(options, name, kind)
  if options == nil then return nil end
  local v = S.raw_index(options, name)
  if v ~= nil and S.base.type(v) ~= kind then
    error("bad argument #2 to exec (" .. name .. " must be a " .. kind .. ")", 3)
  end
  return v
end

local function as_text(v)
  local t = type(v)
  if t == "string" then return v end
  if t == "number" then return S.number_text(v) end
  if t == "boolean" then return v and "true" or "false" end
  error("bad argument #2 to exec (env must hold texts)", 4)
end

function executor:exec(command, options)
  local id = id_of(self, "exec")
  if type(command) ~= "string" then bad_argument(2, "exec", "string", command) end
  if options ~= nil and (type(options) ~= "table" or S.class_of(options) == "handle") then
    bad_argument(3, "exec", "table", options)
  end
  local directory, env = option(options, "work_dir", "string"), option(options, "env", "table")
  if not id then return nil, failure("Invalid", "executor is released") end
  if command == "" then return nil, failure("Invalid", "command is required") end
  local names, values, n = {}, {}, 0
  if env then
    for name, value in S.raw_pairs(env) do
      n = n + 1
      names[n], values[n] = as_text(name), as_text(value)
    end
  end
  return host.prepare(id, command, directory or "", names, values)
end

function executor:release()
  id_of(self, "release")
  rawset(self, EXECUTOR, false)
  return true, nil
end

-- Processes ---------------------------------------------------------------------------------------------------------------

local CLOSED = failure("Invalid", "process is closed")

local function record(v) return type(v) == "table" and rawget(v, HANDLE) or nil end

-- A handle that an instance of a function kept from an earlier call has gone with that call.
local function is_gone(err)
  local e = S.error_state(err)
  return e.kind == "NotFound" and e.message == "handle is closed"
end

local function guard(name, after)
  local call = process[name]
  process[name] = function(self, ...)
    local h = record(self)
    if h and h.closed then return nil, CLOSED end
    local v, err = call(self, ...)
    if err ~= nil then return nil, is_gone(err) and CLOSED or err end
    if after then after(h, v) end
    return v, nil
  end
end

local function stream_of(name)
  local call = process[name]
  process[name] = function(self)
    local h = record(self)
    local known = h and not h.closed and h[name]
    if known then return known, nil end
    local stream, err = call(self)
    if stream and h[name] then return h[name], nil end
    if stream then h[name] = stream end
    return stream, err
  end
end

stream_of("stdout_stream")
stream_of("stderr_stream")
for _, name in next, { "start", "stdout_stream", "stderr_stream", "write_stdin", "signal" } do guard(name) end
guard("wait", function(h) h.closed = true end)

local close = process.close
function process.close(self, force)
  local h = record(self)
  if h and h.closed then return true, nil end
  local _, err = close(self, force)
  if err ~= nil and not is_gone(err) then return nil, err end
  h.closed = true
  return true, nil
end

return module
