--# library-assign: plain assignment to a library
for _, name in ipairs { "string", "table", "math", "coroutine", "os", "errors", "channel", "payload", "process" } do
  refused(function() _G[name].evil = 1 end)
  for k in pairs(_G[name]) do
    refused(function() _G[name][k] = nil end)
  end
end
refused(function() process.registry.lookup = nil end)
refused(function() process.event.EXIT = "x" end)
refused(function() payload.format.JSON = "x" end)

--# library-rawset: rawset past the proxy
for _, lib in ipairs { string, table, math, coroutine, os, errors, channel, payload, process } do
  refused(rawset, lib, "evil", 1)
  refused(rawset, lib, "upper", function() return "evil" end)
  refused(rawset, lib, 1, 1)
end

--# library-table-functions: table functions that write
for _, lib in ipairs { string, table, math, process } do
  refused(table.insert, lib, 1)
  refused(table.insert, lib, 1, 1)
  refused(table.remove, lib)
  refused(table.remove, lib, 1)
  refused(table.sort, lib)
  refused(table.move, { "evil" }, 1, 1, 1, lib)
  refused(table.move, lib, 1, 1, 1)
  refused(setmetatable, lib, {})
  refused(setmetatable, lib, nil)
  if getmetatable(lib) then breach("metatable of a library") end
end

--# library-ipairs: what ipairs hands to the loop
local step, real, at = ipairs(string)
if real ~= string then breach("ipairs gives the table behind the library") end
real = nil
step, real = pairs(string)
if real ~= string then breach("pairs gives the table behind the library") end
local frozen = table.freeze({ 1, 2, 3 })
step, real = ipairs(frozen)
if real ~= frozen then breach("ipairs gives the content of a frozen table") end
for i, v in ipairs(frozen) do
  if i ~= v then breach("order") end
end

--# library-iterator: the iterator functions called by hand
local step = pairs({})
local each = ipairs({})
for _, lib in ipairs { string, process, channel.new(1) } do
  pcall(each, lib, 0)
  local ok, k, v = pcall(step, lib, nil)
  if ok and k ~= nil then breach("pairs iterator lists " .. tostring(k)) end
end

--# library-next: private keys by next and rawget
for _, t in ipairs { string, table.freeze({ a = 1 }) } do
  for k, v in next, t do
    if type(k) ~= "string" then breach("private key") end
  end
  local k = next(t)
  while k ~= nil do
    if type(k) ~= "string" then breach("private key") end
    k = next(t, k)
  end
end

--# frozen-write: every way to write into a frozen table
local t = table.freeze({ 1, 2, k = "v" })
refused(function() t.k = "w" end)
refused(function() t.new = 1 end)
refused(function() t[1] = nil end)
refused(rawset, t, "k", "w")
refused(rawset, t, 1, nil)
refused(table.insert, t, 3)
refused(table.remove, t)
refused(table.sort, t)
refused(table.move, { 9 }, 1, 1, 1, t)
refused(setmetatable, t, { __newindex = function() end })
if t.k ~= "v" or #t ~= 2 or t[1] ~= 1 then breach("changed") end

--# frozen-content: the table behind a frozen one through its metatable
local captured
local t = setmetatable({ a = 1 }, { __index = function(self, k) captured = self return nil end, __len = function(self) captured = self return 0 end })
table.freeze(t)
local _ = t.missing
_ = #t
if captured and captured ~= t then
  pcall(function() captured.a = 2 end)
  if t.a ~= 1 then breach("a frozen table was changed through its __index") end
end

--# freeze-globals: freezing one's own environment freezes nobody else's
table.freeze(_G)
process.send(neighbour, "globals?")

--# freeze-handles: freezing handles and libraries changes nothing
local c = channel.new(1)
table.freeze(c)
table.freeze(string)
c:send(1)
if c:receive() ~= 1 then breach("channel broken") end

--# guess-keys: names of private fields
for _, t in ipairs { string, table.freeze({}), channel.new(1), process.inbox(), errors.new("x"), payload.new(1) } do
  for _, key in ipairs { "FROZEN", "LIBRARY", "CHANNEL", "CLASS", "__index", "__newindex", "__metatable", "HANDLE", "state", "c", "p", "real" } do
    local ok, v = pcall(rawget, t, key)
    if ok and v ~= nil then breach(key) end
    ok, v = pcall(function() return t[key] end)
    if ok and v ~= nil then breach(key) end
  end
end

--# weak-tables: every way to make a weak table or a finalizer
pcall(setmetatable, {}, { __mode = "k" })
pcall(setmetatable, {}, { __gc = function() breach("finalizer") end })
local json = require("json")
refused(setmetatable, {}, json.decode('{"__mode":"k"}'))
refused(setmetatable, {}, json.decode('{"__gc":"k"}'))
local key = "__mo" .. "de"
local mt = {}
local watched = setmetatable({}, mt)
mt[key] = "k"
rawset(mt, key, "k")
mt.__gc = function() breach("finalizer") end
mt["__" .. "gc"] = mt.__gc
for _, name in ipairs { "__mode", "__gc" } do mt[name] = "v" end
local function set(k, v) mt[k] = v end
set("__mode", "v")
for k, v in pairs({ __mode = "k", x = 1 }) do mt[k] = v end
mt[select(1, "__mode")] = "k"
watched[{}] = 1
watched = nil
for i = 1, 20000 do local garbage = { {}, {} } end

--# weak-by-copy: a metatable with __mode made by a copy
local mt = { x = 1 }
process.send(process.pid(), "copy", { __mode = "k", __gc = 1 })
local copied = process.inbox():receive():payload():data()
local ok = pcall(setmetatable, {}, copied)
if ok and rawget(copied, "__mode") == "k" then breach("weak table through a message") end

--# protected-metatable: __metatable is honoured
local t = setmetatable({}, { __metatable = "locked", __index = { a = 1 } })
if getmetatable(t) ~= "locked" then breach("getmetatable") end
refused(setmetatable, t, {})

--# frozen-metatable: library tables and handles as metatables
refused(setmetatable, {}, string)
refused(setmetatable, {}, channel.new())
refused(setmetatable, {}, table.freeze({ __index = {} }))

--# type-values: types are shared between processes and cannot be changed
type Point = { x: number, y: number }
for _, t in ipairs { Point, number, integer, boolean, any, string } do
  if getmetatable(t) then breach("metatable of a type") end
  refused(function() t.x = 1 end)
  refused(rawset, t, "x", 1)
  refused(setmetatable, t, {})
  if t ~= string then refused(pairs, t) refused(rawget, t, 1) end
  if t ~= any and t.is(channel.new(), 1) ~= nil then breach("a handle passed for " .. tostring(t)) end
  refused(t.kind, channel.new())
end
local hostile = setmetatable({}, { __index = function() while true do end end, __len = function() return 1e15 end, __eq = function() return true end })
pcall(Point, hostile)
pcall(Point.is, Point, hostile)
pcall(function() return Point == hostile, Point < hostile end)
local cyclic = {}
cyclic.x, cyclic.y = cyclic, cyclic
pcall(Point, cyclic)
_G.number = nil
number = { evil = true }

--# type-recursion: a recursive type against a value of many paths
--@ spins
type Tree = { left: Tree?, right: Tree? }
local t = {}
for i = 1, 28 do t = { left = t, right = t } end
local ok, v = pcall(Tree.is, Tree, t)
