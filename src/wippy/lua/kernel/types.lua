-- Types at run time (spec 02 §5): a model built lazily from the descriptions the compiler made (lua/types/describe.py), the
-- check of a value, and the explanation of a failure. A type belongs to its definition and is shared by its processes.
--
-- A type `t`: {kind, name?, ...}; a `ref` finds what it names when it is first needed. Checking never runs guest code: tables
-- are read raw, behind their proxies.
local S = ...
local CLASS, FROZEN, LIBRARY = S.CLASS, S.FROZEN, S.LIBRARY
local type, next, rawget, getmetatable, tostring = type, next, rawget, debug.getmetatable, tostring
local mtype, floor, concat, format = math.type, math.floor, table.concat, string.format
local charge = S.charge
local DEEPEST = 64

-- Model --------------------------------------------------------------------------------------------------------------

local primitives = {}
for _, name in next, { "nil", "boolean", "number", "integer", "string", "any", "unknown", "never", "table", "error", "Channel", "function" } do
  primitives[name] = { kind = "primitive", name = name }
end
S.primitive_types = primitives

local build

local function build_all(list, scope)
  local out = {}
  for i = 1, #list do out[i] = build(list[i], scope) end
  return out
end

local builders = {
  ref = function(d, scope)
    local name, arguments = d[2], d[3]
    local parameter = scope.parameters and scope.parameters[name]
    if parameter then return parameter end
    if #arguments == 0 and not scope.declared[name] and primitives[name] then return primitives[name] end
    return { kind = "ref", target = false, refers = name, arguments = build_all(arguments, scope), scope = scope }
  end,
  qualified = function(d, scope)
    return { kind = "ref", target = false, refers = d[3], module = d[2], arguments = {}, scope = scope }
  end,
  literal = function(d) return { kind = "literal", value = d[2] } end,
  ["nil"] = function() return primitives["nil"] end,
  optional = function(d, scope) return { kind = "optional", inner = build(d[2], scope) } end,
  union = function(d, scope) return { kind = "union", members = build_all(d[2], scope) } end,
  intersection = function(d, scope) return { kind = "intersection", members = build_all(d[2], scope) } end,
  array = function(d, scope) return { kind = "array", element = build(d[2], scope) } end,
  map = function(d, scope) return { kind = "map", key = build(d[2], scope), value = build(d[3], scope) } end,
  record = function(d, scope)
    local fields, by_name = {}, {}
    for i, f in next, d[2] do
      local field = { name = f[1], type = build(f[2], scope), optional = f[3] }
      fields[i] = field
      by_name[field.name] = field
    end
    return { kind = "record", fields = fields, by_name = by_name }
  end,
  ["function"] = function(d, scope)
    return { kind = "function", parameters = build_all(d[2], scope), variadic = d[3] and build(d[3], scope), returns = build_all(d[4], scope) }
  end,
  interface = function() return { kind = "interface" } end,
  annotated = function(d, scope) return { kind = "annotated", inner = build(d[2], scope), validators = d[3] } end,
  keyof = function(d, scope) return { kind = "keyof", inner = build(d[2], scope) } end,
  index = function(d, scope) return { kind = "index", inner = build(d[2], scope), key = build(d[3], scope) } end,
}

function build(d, scope) return builders[d[1]](d, scope) end

local function bound(scope, parameters, arguments)
  local inner = { declared = scope.declared, find = scope.find, libraries = scope.libraries, parameters = {} }
  for i = 1, #parameters do inner.parameters[parameters[i].name] = arguments[i] end
  return inner
end

-- A declared type. Generic ones keep their description and are built anew for each set of arguments.
local function declared_type(name, d, scope)
  local parameters = {}
  for i, p in next, d[1] do parameters[i] = { name = p[1], constraint = p[2] and build(p[2], scope) or nil } end
  if #parameters > 0 then
    return { kind = "generic", name = name, parameters = parameters, description = d[2], scope = scope }
  end
  local t = build(d[2], scope)
  if t.name or t.kind == "ref" then return { kind = "alias", name = name, target = t } end
  t.name = name
  return t
end

local function instantiate(generic, arguments)
  local t = build(generic.description, bound(generic.scope, generic.parameters, arguments))
  return { kind = "instantiated", name = generic.name, target = t, arguments = arguments, generic = generic }
end
S.instantiate_type = instantiate

-- The type values of one chunk, made when first used. `libraries`: alias -> the types of an imported chunk.
function S.chunk_types(declared, libraries)
  local scope = { declared = declared, libraries = libraries }
  local made = {}
  function scope.find(name)
    local t = made[name]
    if not t and declared[name] then
      t = declared_type(name, declared[name], scope)
      made[name] = t
    end
    return t
  end
  return scope
end

local function find_in_module(t)
  local library = t.scope.libraries[t.module]
  local found = library and library.find(t.refers)
  if found then return found end
  local exported = S.cur and S.cur.env[t.module]
  if type(exported) == "table" and S.class_of(exported) ~= "handle" then
    return S.type_of(S.raw_index(exported, t.refers))
  end
  return nil
end

-- The type that a reference means; an unresolved one validates nothing, names of host modules accept their objects.
local function resolve(t)
  local hops = 0
  while t.kind == "ref" or t.kind == "alias" do
    hops = hops + 1
    if hops > DEEPEST then return { kind = "unresolved", name = t.refers or t.name } end   -- aliases of each other
    local target = t.target
    if not target then
      if t.module then
        target = find_in_module(t) or { kind = "host", name = t.module .. "." .. t.refers, module = t.module }
        if target.kind == "host" then return target end
      else
        target = t.scope.find(t.refers) or primitives[t.refers] or { kind = "unresolved", name = t.refers }
      end
      if target.kind == "generic" and #t.arguments > 0 then target = instantiate(target, t.arguments) end
      t.target = target
    end
    t = target
  end
  return t
end
S.resolve_type = resolve

-- Through references, instances and annotations to what gives the type its shape.
local function shape(t)
  t = resolve(t)
  while t.kind == "instantiated" or t.kind == "annotated" do
    t = resolve(t.kind == "annotated" and t.inner or t.target)
  end
  return t
end
S.type_shape = shape

-- Source form --------------------------------------------------------------------------------------------------------

local source

local function joined(list, separator)
  local out = {}
  for i = 1, #list do out[i] = source(list[i]) end
  return concat(out, separator)
end

local function tight(t)
  local kind = t.kind
  if not t.name and (kind == "union" or kind == "intersection" or kind == "function") then return "(" .. source(t) .. ")" end
  return source(t)
end

local sources = {
  ref = function(t)
    local name = t.module and t.module .. "." .. t.refers or t.refers
    return #t.arguments > 0 and name .. "<" .. joined(t.arguments, ", ") .. ">" or name
  end,
  literal = function(t) return type(t.value) == "string" and format("%q", t.value) or tostring(t.value) end,
  optional = function(t) return tight(t.inner) .. "?" end,
  union = function(t) return joined(t.members, " | ") end,
  intersection = function(t) return joined(t.members, " & ") end,
  array = function(t) return "{" .. source(t.element) .. "}" end,
  map = function(t) return "{[" .. source(t.key) .. "]: " .. source(t.value) .. "}" end,
  record = function(t)
    local out = {}
    for i, f in next, t.fields do out[i] = f.name .. (f.optional and "?: " or ": ") .. source(f.type) end
    return "{" .. concat(out, ", ") .. "}"
  end,
  ["function"] = function(t)
    local parameters = joined(t.parameters, ", ")
    if t.variadic then parameters = parameters .. (parameters ~= "" and ", " or "") .. "..." .. source(t.variadic) end
    local returns = #t.returns == 1 and source(t.returns[1]) or "(" .. joined(t.returns, ", ") .. ")"
    return "(" .. parameters .. ") -> " .. returns
  end,
  interface = function() return "interface {}" end,
  annotated = function(t)
    local out = { tight(t.inner) }
    for _, v in next, t.validators do
      local argument = v[2]
      if type(argument) == "string" then argument = format("%q", argument) end
      out[#out + 1] = "@" .. v[1] .. (argument ~= nil and "(" .. tostring(argument) .. ")" or "")
    end
    return concat(out, " ")
  end,
  keyof = function(t) return "keyof(" .. source(t.inner) .. ")" end,
  index = function(t) return source(t.inner) .. "[" .. source(t.key) .. "]" end,
  tuple = function(t) return "(" .. joined(t.members, ", ") .. ")" end,
}
function source(t)
  if t.name then return t.name end
  return sources[t.kind](t)
end
S.type_source = source

-- Checking -----------------------------------------------------------------------------------------------------------

-- The readable content of a guest table; nil for anything that is not one.
local function table_of(v)
  if type(v) ~= "table" then return nil end
  local mt = getmetatable(v)
  if not mt then return v, true end
  local class = rawget(mt, CLASS)
  if class == "handle" then return nil end
  if class then v = rawget(v, FROZEN) or rawget(v, LIBRARY) or v end
  return v, false
end

local function integral(v)
  return mtype(v) == "integer" or type(v) == "number" and v == floor(v) and v - v == 0
end

local function same_literal(value, v)
  return value == v and type(value) == type(v)
end

local function length_of(v)
  if type(v) == "string" then return #v end
  local real = table_of(v)
  return real and #real or nil
end

-- The text that a failing validator gives, or nil when it passes or does not concern the value.
local function violated(validator, v)
  local name, limit = validator[1], validator[2]
  if name == "min" then
    if type(v) == "number" and type(limit) == "number" and v < limit then return "value below minimum" end
  elseif name == "max" then
    if type(v) == "number" and type(limit) == "number" and v > limit then return "value above maximum" end
  elseif name == "min_len" then
    local n = length_of(v)
    if n and type(limit) == "number" and n < limit then return "length below minimum" end
  elseif name == "max_len" then
    local n = length_of(v)
    if n and type(limit) == "number" and n > limit then return "length above maximum" end
  elseif name == "pattern" and type(v) == "string" and type(limit) == "string" then
    local found = S.regex_matches(limit, v)
    if found == nil then return "invalid regex" end
    if not found then return "pattern mismatch" end
  end
  return nil
end

local check

local primitive_checks = {
  ["nil"] = function(v) return v == nil end,
  boolean = function(v) return v == true or v == false end,
  number = function(v) return type(v) == "number" end,
  integer = integral,
  string = function(v) return type(v) == "string" end,
  any = function() return true end,
  unknown = function() return true end,
  never = function() return false end,
  table = function(v) return table_of(v) ~= nil end,
  error = function(v) return S.error_state(v) ~= nil end,
  Channel = function(v) return S.channel_state(v) ~= nil end,
  ["function"] = function(v) return type(v) == "function" end,
}

local function check_map(t, v, depth)
  local real = table_of(v)
  if not real then return false end
  local key, value = shape(t.key), t.value
  local text_keys = key.kind == "primitive" and key.name == "string"
  local sequence = key.kind == "primitive" and (key.name == "number" or key.name == "integer" or key.name == "any")
  local length = #real
  for k, x in next, real do
    S.charge(100)
    if mtype(k) == "integer" and k >= 1 and k <= length then
      if sequence and not check(value, x, depth) then return false end
    elseif text_keys and type(k) == "string" then
      if not check(value, x, depth) then return false end
    elseif not check(t.key, k, depth) or not check(value, x, depth) then
      return false
    end
  end
  return true
end

local function check_record(t, v, depth)
  local real, plain = table_of(v)
  if not real then return false end
  local fields = t.fields
  for i = 1, #fields do
    local f = fields[i]
    local x
    if plain then x = real[f.name] else x = rawget(real, f.name) end
    if x == nil then
      if not f.optional and not check(f.type, nil, depth) then return false end
    elseif not check(f.type, x, depth) then
      return false
    end
  end
  return true
end

local checks = {
  primitive = function(t, v) return primitive_checks[t.name](v) end,
  literal = function(t, v) return same_literal(t.value, v) end,
  optional = function(t, v, depth) return v == nil or check(t.inner, v, depth) end,
  union = function(t, v, depth)
    for i = 1, #t.members do
      if check(t.members[i], v, depth) then return true end
    end
    return false
  end,
  intersection = function(t, v, depth)
    for i = 1, #t.members do
      if not check(t.members[i], v, depth) then return false end
    end
    return true
  end,
  array = function(t, v, depth)
    local real = table_of(v)
    if not real then return false end
    for i = 1, #real do
      S.charge(100)
      local x = rawget(real, i)
      if x ~= nil and not check(t.element, x, depth) then return false end
    end
    return true
  end,
  map = check_map,
  record = check_record,
  ["function"] = function(_, v) return type(v) == "function" end,
  interface = function(_, v) return table_of(v) ~= nil end,
  host = function(_, v) return type(v) == "table" and S.class_of(v) == "handle" end,
  annotated = function(t, v, depth)
    if not check(t.inner, v, depth) then return false end
    for _, validator in next, t.validators do
      if violated(validator, v) then return false end
    end
    return true
  end,
  instantiated = function(t, v, depth) return check(t.target, v, depth) end,
  generic = function() return false end,
  unresolved = function() return false end,
  tuple = function() return false end,
  keyof = function(t, v)
    local inner = shape(t.inner)
    return inner.kind == "record" and inner.by_name[v] ~= nil
  end,
  index = function(t, v, depth)
    local inner, key = shape(t.inner), shape(t.key)
    if inner.kind == "record" and key.kind == "literal" and inner.by_name[key.value] then
      return check(inner.by_name[key.value].type, v, depth)
    end
    if inner.kind == "array" then return check(inner.element, v, depth) end
    return true
  end,
}

function check(t, v, depth)
  local kind = t.kind
  if kind == "primitive" then return primitive_checks[t.name](v) end
  if kind == "ref" or kind == "alias" then t = resolve(t) end
  if depth >= DEEPEST then return false end
  charge(50)
  return checks[t.kind](t, v, depth + 1)
end
function S.type_accepts(t, v) return check(t, v, 0) end

-- Explaining ---------------------------------------------------------------------------------------------------------

local function lua_type(v) return S.base.type(v) end

local function at(path, message) return path ~= "" and path .. ": " .. message or message end

local explain

local function mismatch(t, v, path)
  return { field = path, expected = source(t), got = lua_type(v), message = at(path, "expected " .. source(t) .. ", got " .. lua_type(v)) }
end

local function explain_record(t, v, path, depth)
  local real = table_of(v)
  for _, f in next, t.fields do
    local x = rawget(real, f.name)
    local inner = (path == "" and "" or path .. ".") .. f.name
    if x == nil then
      if not f.optional and not check(f.type, nil, depth) then
        return { field = inner, expected = source(f.type), got = "nil", message = inner .. ": required field missing" }
      end
    elseif not check(f.type, x, depth) then
      return explain(f.type, x, inner, depth)
    end
  end
  return nil
end

local function explain_elements(t, v, path, depth)
  local real = table_of(v)
  for i = 1, #real do
    local x = rawget(real, i)
    if x ~= nil and not check(t.element, x, depth) then return explain(t.element, x, path .. "[" .. i .. "]", depth) end
  end
  return nil
end

local function explain_map(t, v, path, depth)
  for k, x in next, (table_of(v)) do
    if type(k) == "string" and not check(t.value, x, depth) then return explain(t.value, x, path .. "." .. k, depth) end
    if mtype(k) == "integer" and not check(t.value, x, depth) then return explain(t.value, x, path .. "[" .. k .. "]", depth) end
  end
  return nil
end

-- Why `v` is refused: {message, field, expected, got, constraint}. Only called when check() said no.
function explain(t, v, path, depth)
  local named = t
  t = resolve(t)
  if depth >= DEEPEST then return { field = path, message = at(path, "recursion limit exceeded") } end
  depth = depth + 1
  local kind = t.kind
  if kind == "unresolved" then return { field = path, message = at(path, "unresolved type " .. t.name) } end
  if kind == "instantiated" then return explain(t.target, v, path, depth) end
  if kind == "annotated" then
    if not check(t.inner, v, depth) then return explain(t.inner, v, path, depth) end
    for _, validator in next, t.validators do
      local text = violated(validator, v)
      if text then return { field = path, constraint = validator[1], message = at(path, text) } end
    end
  elseif kind == "optional" then
    return explain(t.inner, v, path, depth)
  elseif kind == "intersection" then
    for _, member in next, t.members do
      if not check(member, v, depth) then return explain(member, v, path, depth) end
    end
  elseif table_of(v) then
    local found
    if kind == "record" then found = explain_record(t, v, path, depth)
    elseif kind == "array" then found = explain_elements(t, v, path, depth)
    elseif kind == "map" then found = explain_map(t, v, path, depth) end
    if found then return found end
  end
  return mismatch(named.name and named or t, v, path)
end
function S.explain_type(t, v) return explain(t, v, "", 0) end
