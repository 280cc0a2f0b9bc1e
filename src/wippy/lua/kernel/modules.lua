-- Guest modules, built from their declarations when first used: functions that call the host, classes of its handles, and
-- what a module's own Lua source adds.
local S = ...
local type, next, error, setmetatable, rawget, select, load = type, next, error, setmetatable, rawget, select, load
local unpack, HANDLE, decode, prim = table.unpack, S.HANDLE, S.decode, S.prim

local handle_classes = {}             -- class number -> metatable of the host's handles

function S.make_handle(class, id)
  local p = S.cur or S.receiver
  if p then S.own(p).handles = true end
  return setmetatable({ [HANDLE] = { class = class, id = id } }, handle_classes[class])
end

local KINDS = { string = "string", bytes = "string", number = "number", integer = "number", boolean = "boolean", table = "table", ["function"] = "function" }

local function checked(spec, name, ...)
  local params = spec.params
  for i = 1, #params do
    local param = params[i]
    local want = KINDS[param.type]
    if want then
      local v = (select(i, ...))
      if v == nil then
        if not param.optional then S.bad_argument(i, name, want, v) end
      elseif type(v) ~= want or want == "table" and S.class_of(v) == "handle" then
        if want == "string" and type(v) == "number" then
          -- numbers are accepted where text is expected, as in Lua
        elseif want == "number" and type(v) == "string" and tonumber(v) then
          -- and numeric text where a number is
        else
          S.bad_argument(i, name, want, v)
        end
      end
    end
  end
end

local function arguments(spec, ...)
  local list = { n = select("#", ...), ... }
  for i = 1, #spec.params do
    local kind = spec.params[i].type
    local v = list[i]
    if (kind == "string" or kind == "bytes") and type(v) == "number" then list[i] = S.number_text(v)
    elseif (kind == "integer") and v ~= nil then list[i] = S.int(v) end
  end
  if list.n < #spec.params then list.n = #spec.params end
  return list
end

-- The guest-visible function for a declaration: mode "scalar", "primitive" or "operation".
local function stub(spec)
  local index, name = spec.index, spec.name
  if spec.mode == "scalar" then
    return function(...)
      checked(spec, name, ...)
      local list = arguments(spec, ...)
      local ok, v = prim(index, unpack(list, 1, list.n))
      S.memory_check()
      if ok == true then return v end
      return S.refused(ok, v)
    end
  elseif spec.mode == "primitive" then
    return function(...)
      checked(spec, name, ...)
      return S.call_encoded(index, arguments(spec, ...))
    end
  end
  return function(...)
    checked(spec, name, ...)
    return S.call_op(index, arguments(spec, ...))
  end
end

local function nested(target, path, v)
  local at = target
  for part in string.gmatch(path, "([^%.]+)%.") do
    if not at[part] then at[part] = {} end
    at = at[part]
  end
  at[string.match(path, "([^%.]+)$")] = v
end

local function frozen(t)
  for k, v in next, t do
    if type(v) == "table" and not S.class_of(v) then t[k] = frozen(v) end
  end
  return S.library(t)
end

local function install_class(spec)
  local methods = {}
  local class = S.handle_class(spec.name, methods)
  class.__tostring = function(self)
    return spec.name .. "{}"
  end
  handle_classes[spec.number] = class
  for _, method in next, spec.methods do
    local call = stub(method)
    methods[method.name] = function(self, ...)
      local h = type(self) == "table" and rawget(self, HANDLE) or nil
      if not h or h.class ~= spec.number then S.bad_argument(1, method.name, spec.name, self) end
      return call(self, ...)
    end
  end
  return methods, class
end

S.receivers = {}                      -- name of a module -> what it does with news from the host (interface.tell)

local modules = {}                    -- name -> the value bound in guest environments
S.modules = modules

-- Builds a module from its declaration: host functions, and what its Lua source adds or replaces.
local function install(spec)
  S.declare_permissions(spec.permissions)
  local module, classes = {}, {}
  for _, class in next, spec.classes do
    local methods, meta = install_class(class)
    classes[class.short] = { methods = methods, meta = meta, number = class.number }
  end
  local host = {}
  for _, f in next, spec.functions do
    local call = stub(f)
    nested(host, f.name, call)
    if not f.private then nested(module, f.name, call) end
  end
  for name, v in next, spec.constants do nested(module, name, v) end
  if spec.source ~= "" then
    local build = assert(load(spec.source, "=wippy/" .. spec.name .. ".lua", "t"))
    module = build(S, module, host, classes) or module
  end
  if S.class_of(module) then return module end
  return frozen(module)
end

local kernel_modules = {}             -- modules written in the kernel itself
S.kernel_modules = kernel_modules

function S.module(name)
  local m = modules[name]
  if m ~= nil then return m end
  if kernel_modules[name] then
    m = S.library(kernel_modules[name])
  else
    local ok, text = prim(S.prims.module, name)
    if not ok then error(decode(text), 0) end
    local spec = decode(text)
    m = install(spec)
  end
  modules[name] = m
  return m
end
