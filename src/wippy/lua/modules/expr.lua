-- Guest module `expr`: programs hold their source only; compiled ones are cached by the host.
local S, module, host = ...
local type, setmetatable = type, setmetatable
local SOURCE = {}

local methods = {}
local class = S.handle_class("expr.Program", methods)

local function invalid(message) return nil, S.failure("Invalid", message) end

-- What stands for an environment: a table, or nothing.
local function env_of(env, position, name)
  if env == nil then return false end
  if type(env) ~= "table" or S.class_of(env) == "handle" then S.bad_argument(position, name, "table", env) end
  return env
end

local function checked(source)
  if type(source) ~= "string" or source == "" then return invalid("expression cannot be empty") end
  S.charge(#source * 100)
  return source
end

local function run(source, env)
  local value, err = host.run(source, env)
  S.charge(5000)
  if err then return nil, err end
  return value
end

function module.eval(source, env)
  local text, err = checked(source)
  if not text then return nil, err end
  return run(text, env_of(env, 2, "eval"))
end

function module.compile(source, hint)
  local text, err = checked(source)
  if not text then return nil, err end
  local ok
  ok, err = host.check(text, env_of(hint, 2, "compile"))
  if not ok then return nil, err end
  return setmetatable({ [SOURCE] = text }, class)
end

function methods.run(self, env)
  if debug.getmetatable(self) ~= class then S.bad_argument(1, "run", "expr.Program", self) end
  return run(self[SOURCE], env_of(env, 2, "run"))
end

return { eval = module.eval, compile = module.compile }
