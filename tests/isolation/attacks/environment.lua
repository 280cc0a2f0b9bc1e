--# string-metatable: replace or extend the methods of all strings
if getmetatable("") then breach("string metatable") end
refused(setmetatable, "", {})
refused(function() ("").upper = function() return "evil" end end)
refused(function() getmetatable("").__index.upper = nil end)
refused(rawset, "", "upper", nil)

--# string-methods-table: reach the table behind s:method()
refused(function() for k in pairs("") do end end)
refused(next, "")
local f = ("").upper
if type(f) ~= "function" then breach("upper is a " .. type(f)) end
refused(function() ("").__index.upper = nil end)

--# globals-metatable: reach the shared base through the metatable of _G
if getmetatable(_G) then breach("metatable of _G") end
refused(setmetatable, _G, {})
refused(setmetatable, _G, nil)
if rawget(_G, "string") ~= nil and rawget(_G, "string") ~= string then breach("rawget") end
string2 = string
rawset(_G, "string", { upper = function() return "evil" end })
if string.upper("a") ~= "evil" then breach("own globals are not own") end
_G.pcall, _G.type, _G.error = nil, nil, nil

--# own-environment: _ENV as a local, a parameter and an assignment
local _ENV = { print = print, tools = tools }
x = 1
local function f(_ENV) y = 2 return y end
f({})
_ENV = nil

--# env-name: the hidden environment upvalue
if _ENV ~= nil and type(_ENV) ~= "table" then breach("_ENV is a " .. type(_ENV)) end
if _ENV and _ENV ~= _G then breach("another environment") end

--# injected-names: read, call and overwrite what the compiler adds
__wpy_c = 10 ^ 15
__wpy_s = function() return 10 ^ 15 end
local __wpy_c, __wpy_s, __wpy_k, __wpy_t, __wpy_r = 1e15, function() return 1e15 end, nil, 1e15, 1e15
for i = 1, 2000 do local __wpy_t, __wpy_r, __wpy_a, __wpy_b, __wpy_e = 1e15, 1e15, 1e15, 1e15, 1e15 end
if __wpy_u___wpy_c ~= nil then breach("mangled name") end

--# tick-counter: raise the counter so that the slice never ends
--@ spins
__wpy_c = 1e300
local __wpy_c = math.huge
while true do __wpy_c = math.huge end

--# tick-slow: replace the function that a tick calls
--@ spins
function __wpy_s() return 1e300 end
local __wpy_s = __wpy_s
for i = 1, math.huge do __wpy_s() end

--# chunk-arguments: the factory's arguments through the chunk's varargs
--@ chunk
local n, a, b = select("#", ...), ...
if n ~= 0 then print("BREACH chunk got " .. n .. " arguments: " .. tostring(a) .. " " .. tostring(b)) end
return { main = function() end }

--# absent-globals: what must not exist
for _, name in ipairs { "load", "loadstring", "loadfile", "dofile", "collectgarbage", "rawlen", "module", "setfenv", "getfenv",
  "newproxy", "debug", "utf8", "bit32", "io", "python", "lupa", "warn", "S", "kernel", "gcinfo" } do
  if _G[name] ~= nil then breach(name) end
end
for _, name in ipairs { "execute", "getenv", "exit", "remove", "rename", "tmpname", "setlocale" } do
  if os[name] ~= nil then breach("os." .. name) end
end
for _, name in ipairs { "close", "isyieldable" } do
  if coroutine[name] ~= nil then breach("coroutine." .. name) end
end

--# string-dump: code as bytes
refused(string.dump, function() end)
refused(function() return ("x").dump(print) end)

--# package: module tables through package
if package.loaded or package.preload or package.searchers then breach("package") end
for k, v in pairs(package) do
  if type(v) == "table" then breach("package." .. k) end
end
package.loadlib("libc.so.6", "system")
package.seeall({})

--# require-undeclared: modules that the entry does not list
for _, name in ipairs { "sql", "exec", "fs", "env", "http_client", "debug", "io", "python", "builtins", "os.path", "" } do
  refused(require, name)
end
refused(require, "\0")
refused(require, nil)
refused(require, {})
refused(require, ("x"):rep(1e6))
refused(require, setmetatable({}, { __tostring = function() return "os" end }))

--# require-own-table: what require gives is not a way into the modules' table
local time = require("time")
refused(function() time.now = nil end)
refused(rawset, time, "now", nil)
if rawget(time, "now") ~= time.now then breach("rawget sees another function") end
clean(time, "time")

--# libraries-are-clean: nothing but functions and constants in reach
for k, v in pairs(_G) do clean(v, k) end
for _, name in ipairs { "table", "math", "string", "coroutine", "os", "errors", "channel", "payload", "process", "package" } do
  clean(_G[name], name)
end
clean(require("funcs"), "funcs")
clean(require("events"), "events")

--# addresses: pointers in text
local f = function() end
local t = {}
for _, text in ipairs { tostring(f), tostring(t), tostring(print), tostring(coroutine.running()), ("%s"):format(t), ("%p"):format(t),
  ("%10p"):format(t), tostring(string), tostring(channel.new()) } do
  local hex = text:match("0x(%x+)")
  if hex and #hex ~= 14 and tonumber(hex, 16) > 0x10000000 then breach("address " .. text) end
end
local plain = tonumber(tostring(t):match("0x(%x+)"), 16)
if ("%p"):format(t) ~= tostring(t) and tonumber(("%p"):format(t):match("%x+$"), 16) ~= plain then breach("%p") end

--# random-state: the generator of others
local seen = {}
for i = 1, 100 do seen[math.random(1 << 53)] = true end
math.randomseed(42)
local a = math.random()
math.randomseed(42)
local b = math.random()
if a == b then breach("seeding works") end

--# library-state: module-level state of a library is per process
--@ libraries=shared
if shared.secret ~= nil then breach("state of another process") end
shared.secret = "taken"
shared.set("taken")
process.send(neighbour, "use-library")
time.sleep("20ms")
--+ shared
local state = nil
local M = {}
function M.set(v) state = v end
function M.get() return state end
return M

--# library-metatables: a library object's metatable is per process
--@ libraries=shared
local mt = getmetatable(shared.new())
mt.__index.get = function() return "evil" end
process.send(neighbour, "use-class")
time.sleep("20ms")
--+ shared
local Class = {}
Class.__index = Class
function Class.get() return "fine" end
return { new = function() return setmetatable({}, Class) end }

--# function-instance: state left behind by an earlier call reaches no other environment
for i = 1, 3 do
  local r = funcs.call("t:counter")
  if type(r) ~= "number" then breach("call gave " .. tostring(r)) end
end
if rawget(_G, "calls") then breach("shares globals with a function") end
--+ counter pool=1
calls = 0
return { main = function() calls = calls + 1 return calls end }

--# shared-upvalue: a local of another process's chunk
--@ entry=twice
if chunk_local then breach("chunk local") end
process.send(neighbour, "globals?")
leak = { "attacker" }
_G.leak2 = leak
