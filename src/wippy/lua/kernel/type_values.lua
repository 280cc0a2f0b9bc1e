-- Type values as guests hold them (spec 02 §5.2-5.3): calling validates, methods reflect, comparison is structural.
local S = ...
local CLASS = S.CLASS
local type, next, select, setmetatable, raise, rawequal, getmetatable = type, next, select, setmetatable, S.raise, rawequal, debug.getmetatable
local resolve, shape, source, accepts, explain = S.resolve_type, S.type_shape, S.type_source, S.type_accepts, S.explain_type
local primitives = S.primitive_types
local TYPE = {}

local methods = {}
local meta = { __metatable = false, [CLASS] = "handle", __name = "type" }
S.type_meta = meta
meta.__newindex = function() raise("attempt to modify a type") end
meta.__tostring = function(self) return source(self[TYPE]) end

-- A reference shows as what it names: one declaration has one type value, wherever it is reached from.
local function value_of(t)
  if t.kind == "ref" then
    resolve(t)
    t = t.target or t
  end
  local h = t.handle
  if not h then
    h = setmetatable({ [TYPE] = t }, meta)
    t.handle = h
  end
  return h
end
S.type_value = value_of

-- The type behind a guest value: a type value, or the string library, which stands for `string`.
local function type_of(v)
  if getmetatable(v) == meta then return v[TYPE] end
  if rawequal(v, S.base.string) then return primitives.string end
  return nil
end
S.type_of = type_of

local function self_of(v, name)
  local t = type_of(v)
  if not t then S.bad_argument(1, name, "type", v) end
  return t
end

-- Validation ---------------------------------------------------------------------------------------------------------

local function refused(t, v)
  local why = explain(t, v)
  local details = { expected = why.expected, got = why.got, constraint = why.constraint }
  if why.field and why.field ~= "" then details.field = why.field end
  return S.make_error("Invalid", why.message, nil, next(details) and details or nil)
end

-- `is` of one type: it belongs to its type and serves `T:is(v)` as well as `T.is(v)`.
local function checker(t, h)
  return function(first, second)
    local v = first
    if rawequal(first, h) then v = second end
    if accepts(t, v) then return v, nil end
    return nil, refused(t, v)
  end
end

local function instantiated(t, name, arguments)
  local generic = resolve(t)
  if generic.kind ~= "generic" then raise("type " .. name .. " is not generic") end
  if #arguments ~= #generic.parameters then
    raise("generic " .. name .. " expects " .. #generic.parameters .. " type arguments, got " .. #arguments)
  end
  return value_of(S.instantiate_type(generic, arguments))
end

local function call(self, ...)
  local t = type_of(self)
  local n, name = select("#", ...), source(t)
  if n == 0 then raise("type " .. name .. " expects at least 1 argument") end
  local types, count = {}, 0
  for i = 1, n do
    local given = type_of((select(i, ...)))
    if given then
      count = count + 1
      types[count] = given
    end
  end
  if count == n then return instantiated(t, name, types) end
  if count > 0 then raise("type " .. name .. " does not accept mixed type/value arguments") end
  if n > 1 then raise("type " .. name .. " validation expects 1 value, got " .. n) end
  local v = (...)
  if accepts(t, v) then return v end
  raise("expected " .. name .. ", got " .. S.base.type(v))
end
meta.__call = call

-- Reflection ---------------------------------------------------------------------------------------------------------

local KINDS = {
  optional = true, union = true, intersection = true, tuple = true, ["function"] = true, array = true, map = true,
  record = true, generic = true,
}
local NAMED = { ["nil"] = true, boolean = true, number = true, integer = true, string = true, any = true, unknown = true, never = true }

function methods:kind()
  local t = resolve(self_of(self, "kind"))
  while t.kind == "annotated" do t = resolve(t.inner) end
  if t.kind == "primitive" then return NAMED[t.name] and t.name or t.name == "function" and "function" or "unknown" end
  if t.kind == "instantiated" or KINDS[t.kind] then return t.kind end
  return "unknown"
end

function methods:name() return self_of(self, "name").name end

-- An iterator over a list: f(item) gives what the guest sees.
local function each(list, f)
  local i = 0
  return function()
    i = i + 1
    local item = list[i]
    if item ~= nil then return f(item) end
    return nil
  end
end

function methods:fields()
  local t = shape(self_of(self, "fields"))
  if t.kind ~= "record" then return nil end
  return each(t.fields, function(f) return f.name, value_of(f.type) end)
end
function methods:elem()
  local t = shape(self_of(self, "elem"))
  return t.kind == "array" and value_of(t.element) or nil
end
function methods:key()
  local t = shape(self_of(self, "key"))
  return t.kind == "map" and value_of(t.key) or nil
end
function methods:val()
  local t = shape(self_of(self, "val"))
  return t.kind == "map" and value_of(t.value) or nil
end
function methods:inner()
  local t = shape(self_of(self, "inner"))
  return t.kind == "optional" and value_of(t.inner) or nil
end
function methods:variants()
  local t = shape(self_of(self, "variants"))
  return t.kind == "union" and each(t.members, value_of) or nil
end
function methods:params()
  local t = shape(self_of(self, "params"))
  return t.kind == "function" and each(t.parameters, value_of) or nil
end
function methods:ret()
  local t = shape(self_of(self, "ret"))
  if t.kind ~= "function" or #t.returns == 0 then return nil end
  if #t.returns == 1 then return value_of(t.returns[1]) end
  return value_of({ kind = "tuple", members = t.returns })
end
function methods:tparams()
  local t = resolve(self_of(self, "tparams"))
  if t.kind ~= "generic" then return nil end
  return each(t.parameters, function(p) return p.name, p.constraint and value_of(p.constraint) or nil end)
end

-- Method names win over record fields.
meta.__index = function(self, key)
  local method = methods[key]
  if method then return method end
  local own = self[TYPE]
  if key == "is" then
    local is = own.is
    if not is then
      is = checker(own, self)
      own.is = is
    end
    return is
  end
  local t = shape(own)
  local field = t.kind == "record" and t.by_name[key]
  return field and value_of(field.type) or nil
end

-- Comparison ---------------------------------------------------------------------------------------------------------

local subtype

local function all(list, f)
  for i = 1, #list do
    if not f(list[i]) then return false end
  end
  return true
end
local function some(list, f)
  for i = 1, #list do
    if f(list[i]) then return true end
  end
  return false
end

local function record_subtype(a, b, seen)
  return all(b.fields, function(f)
    local own = a.by_name[f.name]
    if not own then return f.optional or resolve(f.type).kind == "optional" end
    if own.optional and not f.optional then return false end
    return subtype(own.type, f.type, seen)
  end)
end

local function function_subtype(a, b, seen)
  if #a.parameters > #b.parameters or #a.returns ~= #b.returns then return false end
  for i = 1, #a.parameters do
    if not subtype(b.parameters[i], a.parameters[i], seen) then return false end
  end
  for i = 1, #a.returns do
    if not subtype(a.returns[i], b.returns[i], seen) then return false end
  end
  return true
end

local function primitive_subtype(a, b)
  return a.name == b.name or a.name == "integer" and b.name == "number"
end

-- Structural, with what is assumed on the way remembered in `seen` (recursive types).
function subtype(a, b, seen)
  a, b = shape(a), shape(b)
  if a == b then return true end
  local key = seen[a]
  if key and key[b] then return true end
  if not key then
    key = {}
    seen[a] = key
  end
  key[b] = true
  local ak, bk = a.kind, b.kind
  if bk == "primitive" and (b.name == "any" or b.name == "unknown") then return true end
  if ak == "primitive" and (a.name == "never" or a.name == "any") then return true end
  if ak == "union" then return all(a.members, function(m) return subtype(m, b, seen) end) end
  if ak == "optional" then return subtype(primitives["nil"], b, seen) and subtype(a.inner, b, seen) end
  if bk == "optional" then return ak == "primitive" and a.name == "nil" or subtype(a, b.inner, seen) end
  if bk == "union" then return some(b.members, function(m) return subtype(a, m, seen) end) end
  if bk == "intersection" then return all(b.members, function(m) return subtype(a, m, seen) end) end
  if ak == "intersection" then return some(a.members, function(m) return subtype(m, b, seen) end) end
  if ak == "literal" then
    if bk == "literal" then return a.value == b.value end
    return bk == "primitive" and accepts(b, a.value)
  end
  if ak == "primitive" and bk == "primitive" then return primitive_subtype(a, b) end
  if bk == "primitive" and b.name == "table" or bk == "interface" then
    return ak == "record" or ak == "array" or ak == "map" or ak == "interface"
  end
  if ak ~= bk then return false end
  if ak == "array" then return subtype(a.element, b.element, seen) end
  if ak == "map" then return subtype(a.key, b.key, seen) and subtype(a.value, b.value, seen) end
  if ak == "record" then return record_subtype(a, b, seen) end
  if ak == "function" then return function_subtype(a, b, seen) end
  return a.name ~= nil and a.name == b.name
end

local function same(a, b)
  local left, right = shape(a), shape(b)
  if left == right then return true end
  local function top(t) return t.kind == "primitive" and (t.name == "any" or t.name == "unknown") and t.name end
  if top(left) or top(right) then return top(left) == top(right) end
  return subtype(a, b, {}) and subtype(b, a, {})
end

local function both(a, b, compare)
  local left, right = type_of(a), type_of(b)
  if not left or not right then raise("attempt to compare a type with " .. S.base.type(left and b or a)) end
  return compare(left, right)
end
meta.__eq = function(a, b)
  local left, right = type_of(a), type_of(b)
  return left ~= nil and right ~= nil and same(left, right)
end
meta.__le = function(a, b)
  return both(a, b, function(x, y) return subtype(x, y, {}) end)
end
meta.__lt = function(a, b)
  return both(a, b, function(x, y) return subtype(x, y, {}) and not same(x, y) end)
end

-- Primitive types as globals; the string library is the type `string` as well.
for _, name in next, { "boolean", "number", "integer", "any", "unknown", "never" } do
  S.base[name] = value_of(primitives[name])
end
S.add_string_type(methods, checker(primitives.string, S.base.string), function(...) return call(...) end, meta)
