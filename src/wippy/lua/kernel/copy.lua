-- Deep copies for everything that crosses a boundary inside the shard (spec 03 §4): data only. Functions, threads and
-- handles become nil, error objects are shared (they are immutable), metatables stay behind, cycles are kept.
local S = ...
local CLASS, FROZEN, LIBRARY, ERROR = S.CLASS, S.FROZEN, S.LIBRARY, S.ERROR
local type, next, rawget, error, getmetatable, create = type, next, rawget, error, debug.getmetatable, table.create

-- "handle", "frozen", "library" or nil: what kind of kernel table this is.
local function class_of(t)
  local mt = getmetatable(t)
  return mt and rawget(mt, CLASS) or nil
end

-- The table that holds the content: frozen tables and libraries keep it behind a proxy.
local function content(t)
  local class = class_of(t)
  if not class then return t end
  return rawget(t, FROZEN) or rawget(t, LIBRARY) or t
end

local DEPTH = S.limits.depth
local BATCH = 500                     -- entries between two looks at the slice
local deep

local function item(v, seen, depth)
  local t = type(v)
  if t == "table" then return deep(v, seen, depth) end
  if t == "function" or t == "thread" or t == "userdata" then return nil end
  return v
end

function deep(t, seen, depth)
  local mt = getmetatable(t)
  if mt then
    local class = rawget(mt, CLASS)
    if class == "handle" then
      if rawget(t, ERROR) then return t end
      return nil
    elseif class then
      t = content(t)
    end
  end
  local known = seen[t]
  if known then return known end
  if depth > DEPTH then error("value is nested too deep to be copied (limit " .. DEPTH .. ")", 0) end
  local out, left = {}, BATCH
  seen[t] = out
  for k, v in next, t do
    local key, value = item(k, seen, depth + 1), item(v, seen, depth + 1)
    if key ~= nil then out[key] = value end
    left = left - 1
    if left == 0 then
      left = BATCH
      S.charge(BATCH * 50)
    end
  end
  S.charge((BATCH - left) * 50)
  return out
end

local SCALAR = { string = true, number = true, boolean = true }
-- Field names seen before: looking one up is a quarter of the price of asking for its type.
local field_names, field_count = {}, 0

-- The common message is a small table of scalars: copied without a table of what has been seen.
function S.copy(v)
  local t = type(v)
  if t ~= "table" then
    if t == "function" or t == "thread" or t == "userdata" then return nil end
    return v
  end
  if getmetatable(v) then return deep(v, {}, 0) end
  local out, left = create(0, 4), BATCH -- most messages are records of up to four fields: no rehash while they are filled
  for k, x in next, v do
    if not SCALAR[type(x)] then return deep(v, {}, 0) end
    if not field_names[k] then
      left = left - 1
      if left == 0 then
        left = BATCH
        S.charge(BATCH * 50)
      end
      local tk = type(k)
      if not SCALAR[tk] then return deep(v, {}, 0) end
      if tk == "string" and field_count < 1000 and #k < 32 then
        field_names[k] = true
        field_count = field_count + 1
      end
    end
    out[k] = x
  end
  return out
end

local copy = S.copy
-- Copies an argument list that was packed as {n = count, ...}, in place. Sharing between arguments is not kept.
function S.copy_args(list)
  for i = 1, list.n do
    local v = list[i]
    local t = type(v)
    if t == "table" or t == "function" or t == "thread" or t == "userdata" then list[i] = copy(v) end
  end
  return list
end

-- For kernel code only: a guest that held the raw `next` could list a handle's private keys.
function S.raw_pairs(t) return next, content(t), nil end
function S.raw_index(t, k) return rawget(content(t), k) end
S.class_of, S.content = class_of, content
