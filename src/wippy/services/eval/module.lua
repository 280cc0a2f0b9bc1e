-- The guest side of module `eval_runner` (spec 03 §13).
--
-- Invariants
-- * The environment of evaluated code is made for one run and shares with others only what is frozen. `process` is in it only
--   when it was admitted.
-- * A library has an environment of its own, with the modules it declares; the code sees what the library returns, and
--   cannot write to that when it is a plain table.
-- * Everything that comes from the caller is copied.
local S, module, host = ...
local type, next, rawget, setmetatable, error, pcall = type, next, rawget, setmetatable, error, pcall
local rawlen, getmetatable, select = rawlen, debug.getmetatable, select
local failure, bad_argument, copy = S.failure, S.bad_argument, S.copy

local PROGRAM = {}
local LONGEST_NAME = 200
local MOST_REMEMBERED = 100           -- names that are no modules

local function invalid(message) return nil, failure("Invalid", message) end

-- What the caller wants -----------------------------------------------------------------------------------------------------

local function is_table(v) return type(v) == "table" and S.class_of(v) ~= "handle" end

-- A list of texts under `name`; nil and an error when it is none.
local function texts(t, name)
  local list = S.raw_index(t, name)
  if list == nil then return {} end
  if not is_table(list) then return invalid(name .. " must be a list of texts") end
  list = S.content(list)
  local out = {}
  for i = 1, rawlen(list) do
    local v = rawget(list, i)
    if type(v) ~= "string" then return invalid(name .. " must be a list of texts") end
    out[i] = v
  end
  return out
end

local function table_of(t, name)
  local v = S.raw_index(t, name)
  if v == nil then return {} end
  if not is_table(v) then return invalid(name .. " must be a table") end
  for k in S.raw_pairs(v) do
    if type(k) ~= "string" then return invalid(name .. " must have texts for keys") end
  end
  return v
end

local function one_import(alias, v)
  if type(v) == "string" then return { alias, v, {} } end
  local id = is_table(v) and S.raw_index(v, "id") or nil
  if type(id) ~= "string" then return invalid('import "' .. alias .. '" must be an id or a table with an id') end
  local modules, err = texts(v, "modules")
  if not modules then return nil, err end
  return { alias, id, modules }
end

local function imports_of(t)
  local wished, err = table_of(t, "imports")
  if not wished then return nil, err end
  local list = {}
  for alias, v in S.raw_pairs(wished) do
    local one
    one, err = one_import(alias, v)
    if not one then return nil, err end
    list[#list + 1] = one
  end
  return list
end

-- {method, modules, imports, classes} of a configuration, or nil and an error.
local function wanted(t, method)
  local modules, imports, classes, err
  modules, err = texts(t, "modules")
  if not modules then return nil, err end
  imports, err = imports_of(t)
  if not imports then return nil, err end
  classes, err = texts(t, "allow_classes")
  if not classes then return nil, err end
  if method == nil then method = "" end
  if type(method) ~= "string" then return invalid("method must be a text") end
  return { method = method, modules = modules, imports = imports, classes = classes }
end

-- Environments --------------------------------------------------------------------------------------------------------------

-- A module that code without a list of modules may use, or nil and why not.
local function admitted(name, classes)
  if #name > LONGEST_NAME then return nil, "module name is too long" end
  local problem, err = host.admit(name, classes)
  if err ~= nil then error(err, 0) end
  if problem ~= "" then return nil, problem end
  return S.module(name)
end

local function name_text(name)
  if type(name) == "number" then return S.number_text(name) end
  if type(name) ~= "string" then bad_argument(1, "require", "string", name, 3) end
  return name
end

-- What stands behind the environment of the code: the language, the modules it may use, its types.
local function shared_of(def, wish)
  local shared, problems, remembered = {}, {}, 0
  for name, v in next, S.base do shared[name] = v end
  shared.process = nil
  for _, name in next, wish.modules do shared[name] = S.module(name) end
  local any = #wish.modules == 0
  function shared.require(name)
    name = name_text(name)
    local v = S.cur.env[name]
    if v ~= nil then return v end
    local _, problem
    if any then _, problem = admitted(name, wish.classes) end
    error(problem or "module '" .. name .. "' not found", 2)
  end
  local function missing(_, name)
    if name == "_G" then return S.cur.env end
    if any and type(name) == "string" and not problems[name] then
      local v, problem = admitted(name, wish.classes)
      if v ~= nil then
        shared[name] = v
        return v
      end
      if remembered < MOST_REMEMBERED then
        remembered = remembered + 1
        problems[name] = problem
      end
    end
    return def.find_type(name)
  end
  return setmetatable(shared, { __index = missing })
end

local libraries = S.entry_cache()

local function library_of(id)
  local def = libraries[id]
  if def then return def end
  local spec, err = host.library(id)
  if not spec then error(err, 0) end
  def = S.define(spec)
  libraries[id] = def
  return def
end

-- What a library returns, run in an environment of its own.
local function load_library(import)
  local p, def = S.cur, library_of(import[2])
  local env = setmetatable({}, def.globals)
  for _, name in next, import[3] do env[name] = S.module(name) end
  env._G = env
  function env.require(name)
    name = name_text(name)
    local v = env[name]
    if v == nil then error("module '" .. name .. "' not found", 2) end
    return v
  end
  p.env = env
  for _, l in next, def.libraries do
    env[l.alias] = l.factory(env, S.slow, l.type_table, S.join, S.operators)()
  end
  return (def.factory(env, S.slow, def.type_table, S.join, S.operators)())
end

local function immutable() error("attempt to modify Immutable table", 2) end

-- What a library returns, for the code to read only: the library itself goes on writing to it.
local function guarded(v)
  if type(v) ~= "table" or getmetatable(v) ~= nil then return v end
  return setmetatable({ [S.FROZEN] = v }, {
    __index = v, __newindex = immutable, __len = function() return #v end, __metatable = false, [S.CLASS] = "frozen",
  })
end

local function imported(import)
  local p = S.cur
  local before = p.env
  p.booting = true
  local ok, v = S.base.pcall(load_library, import)
  p.booting, p.env = false, before
  if not ok then
    local e = S.error_state(v)
    local text = "failed to load dependency " .. import[1] .. ": " .. (e and e.message or S.base.tostring(v))
    error(S.make_error(e and e.kind ~= "" and e.kind or "Internal", text, e and e.retryable), 0)
  end
  return guarded(v)
end

-- Running -------------------------------------------------------------------------------------------------------------------

local NO_RESULT = failure("Internal", "process completed with no result")

local function outcome(...)
  if select("#", ...) == 0 then return nil, NO_RESULT end
  local v, e = ...
  if S.no_scalar[type(v)] then v = S.outcome(v, e) end
  return v, e
end

-- The function to call: the code itself, or the member of what it returns.
local function entry_point(chunk, method)
  if method == "" then return chunk end
  local p = S.cur
  p.booting = true
  local made = chunk()
  p.booting = false
  if type(made) == "function" then return made end
  local f = is_table(made) and S.raw_index(made, method) or nil
  if type(f) == "function" then return f end
  error(failure("NotFound", 'method "' .. method .. '" not found in module'), 0)
end

-- The main function of an evaluated process.
local function main(def, wish, custom, ...)
  local p = S.cur
  local env = setmetatable({}, { __index = shared_of(def, wish), __metatable = false })
  p.env = env
  for name, v in next, custom do env[name] = v end
  for _, import in next, wish.imports do env[import[1]] = imported(import) end
  local chunk = def.factory(env, S.slow, def.type_table, S.join, S.operators)
  return outcome(entry_point(chunk, wish.method)(...))
end

-- Definitions by the number of their program; forgotten all at once.
local known, count = {}, 0
local MOST_KNOWN = 256

local function defined(spec, wish)
  local def = known[spec.number]
  if def then return def end
  local types = {}
  for _, import in next, wish.imports do types[import[1]] = library_of(import[2]).types end
  def = S.define({ id = "eval", method = wish.method, version = 0, code = spec.code, types = spec.types, modules = {}, libraries = {} }, types)
  if spec.number > 0 and #wish.imports == 0 then
    if count >= MOST_KNOWN then known, count = {}, 0 end
    known[spec.number] = def
    count = count + 1
  end
  return def
end

-- Errors of kind Internal come from the run itself; the script's own kinds are kept.
local OWN = { ["eval exceeded maximum step limit"] = true, ["eval is nested too deep (limit 8)"] = true, ["process became idle"] = true,
  ["process completed with no result"] = true, ["not enough memory"] = true }

local function run_failure(err)
  local e = S.error_state(err)
  if e.kind ~= "Internal" or OWN[e.message] then return err end
  return S.make_error("Internal", "run failed: " .. e.message, e.retryable, e.details)
end

local function context_of(values)
  local ctx = S.cur.ctx
  if next(S.content(values)) == nil then return ctx end
  return S.extend_context(ctx, values)
end

local function custom_of(t)
  local custom, err = table_of(t, "custom_modules")
  if not custom then return nil, err end
  local copies = {}
  for name, v in S.raw_pairs(custom) do
    if not is_table(v) then return invalid('custom module "' .. name .. '" must be a table') end
    copies[name] = copy(v)
  end
  return copies
end

local function source_of(v)
  if v == nil or v == "" then return invalid("source is required") end
  if type(v) ~= "string" then return invalid("source must be a text") end
  return v
end

-- The arguments of main: definition, wishes, custom modules, then the caller's, copied.
local function arguments(t, def, wish, custom)
  local args = S.raw_index(t, "args")
  if args == nil then args = {} end
  if not is_table(args) then return invalid("args must be a list") end
  local given = copy(args)
  local list = { n = 3 + rawlen(given), def, wish, custom }
  for i = 1, rawlen(given) do list[3 + i] = given[i] end
  return list
end

function module.run(config)
  if not is_table(config) then bad_argument(1, "run", "table", config) end
  local source, wish, custom, values, spec, err
  source, err = source_of(S.raw_index(config, "source"))
  if not source then return nil, err end
  wish, err = wanted(config, S.raw_index(config, "method"))
  if not wish then return nil, err end
  custom, err = custom_of(config)
  if not custom then return nil, err end
  values, err = table_of(config, "context")
  if not values then return nil, err end
  spec, err = host.prepare(source, wish)
  if not spec then return nil, err end
  local ok, def = pcall(defined, spec, wish)
  if not ok then return nil, S.error_state(def) and def or failure("Internal", "compile failed: " .. S.error_text(def)) end
  local list
  list, err = arguments(config, def, wish, custom)
  if not list then return nil, err end
  local v
  v, err = S.evaluate(main, context_of(values), list)
  if err ~= nil then return nil, run_failure(err) end
  return v, nil
end

-- Programs ------------------------------------------------------------------------------------------------------------------

local program_methods = {}
local program_class = S.handle_class("eval_runner.Program", program_methods)

local function program_of(v, name)
  return type(v) == "table" and rawget(v, PROGRAM) or bad_argument(1, name, "eval_runner.Program", v, 3)
end
function program_methods:method() return program_of(self, "method").method end
function program_methods:modules() return copy(program_of(self, "modules").modules) end

function module.compile(source, method, options)
  if type(source) ~= "string" then bad_argument(1, "compile", "string", source) end
  if options ~= nil and not is_table(options) then bad_argument(3, "compile", "table", options) end
  local text, wish, ok, err
  text, err = source_of(source)
  if not text then return nil, err end
  wish, err = wanted(options or {}, method)
  if not wish then return nil, err end
  ok, err = host.check(text, wish)
  if not ok then return nil, err end
  return setmetatable({ [PROGRAM] = { method = wish.method, modules = wish.modules } }, program_class), nil
end

return module
