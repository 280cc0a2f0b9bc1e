--# eval-caller-globals: read and write the globals of the caller
if secret ~= nil or _G.secret ~= nil or rawget(_G, "secret") ~= nil or kept ~= nil then breach("caller's global") end
secret, kept, neighbour_of_all = "mine", nil, true
_G.eval_runner, _ENV.json = nil, { encode = 1 }
rawset(_G, "string", nil)

--# eval-environment: what the environment is made of
if getmetatable(_G) then breach("metatable of _G") end
if _ENV ~= nil and _G ~= _ENV then breach("another _G") end
refused(setmetatable, _G, {})
for k, v in pairs(_G) do
  if k ~= "tools" and k ~= "config" then breach("a global " .. tostring(k)) end
end
clean(_G, "globals")

--# eval-process: reach the process library by every way there is
if process ~= nil or _G.process ~= nil or rawget(_G, "process") ~= nil then breach("process") end
refused(require, "process")
if pcall(function() return process.pid() end) then breach("called process") end
for _, library in ipairs { channel, payload, errors, coroutine, string, table, math, os, tools } do
  for k, v in pairs(library) do
    if k == "process" or type(v) == "table" and rawget(v, "spawn") and rawget(v, "send") then breach("through " .. tostring(k)) end
  end
end

--# eval-forbidden: require modules of forbidden classes
for _, name in ipairs { "process", "sql", "fs", "http", "exec", "env", "store", "registry" } do
  local text = refused(require, name)
  if not text:find("forbidden class", 1, true) then breach(name .. ": " .. text) end
  if _G[name] ~= nil then breach("global " .. name) end
end

--# eval-listed: modules beyond the list
--@ modules=json
if json == nil or require("json") ~= json then breach("json is missing") end
for _, name in ipairs { "time", "process", "sql", "funcs", "events", "hash", "eval_runner", "ctx" } do
  if _G[name] ~= nil then breach(name) end
  refused(require, name)
end

--# eval-odd-names: names of modules that are none
for _, name in ipairs { "", "\0", "json\0", "../json", "wippy.lua.modules.json", "__index", "_G", "_ENV", ("x"):rep(1e6), "\255\254",
  "string.rep", "builtins", "os.path" } do
  local ok, v = pcall(require, name)
  if ok and v ~= _G then breach("required " .. name:sub(1, 40)) end
  local w = _G[name]
  if w ~= nil and w ~= _G then breach("global " .. name:sub(1, 40)) end
end
refused(require)
refused(require, {})
refused(require, nil)
refused(require, 1)
for _, key in ipairs { 1, 1.5, 0 / 0, math.huge, true, {}, print } do
  pcall(function() return _G[key] end)
end
pcall(function() return _G[nil] end)
for i = 1, 3000 do local _ = _G["name" .. i] end

--# eval-libraries: change what all share
--@ modules=json,time
for _, library in ipairs { string, table, math, coroutine, os, errors, channel, payload, json, time } do
  refused(function() library.evil = 1 end)
  refused(rawset, library, "evil", 1)
  refused(setmetatable, library, {})
  if getmetatable(library) then breach("metatable of a library") end
end
refused(function() getmetatable("").__index = {} end)
clean({ string, json, time }, "libraries")

--# eval-import: what a library lets through
--@ modules=json
local M = shared
if M.peek() ~= "private" then breach("the library does not work") end
refused(function() M.peek = function() return "evil" end end)
refused(rawset, M, "peek", 1)
refused(setmetatable, M, {})
if hash ~= nil or counter ~= nil then breach("globals of the library") end
refused(require, "hash")
local ok, v = pcall(M.call, function() return process end)
if v ~= nil then breach("process through a callback") end
M.call(function() mine = 1 end)
if M.read("mine") ~= nil or mine ~= 1 then breach("environment of a callback") end
M.write("evil", 1)
if evil ~= nil then breach("a library's global") end
--+ shared modules=hash
local M, private = {}, "private"
counter = 0
function M.peek() return private end
function M.read(k) return _G[k] end
function M.call(f) return f() end
function M.write(k, v) _G[k] = v counter = counter + 1 end
function M.digest(s) return hash.md5(s) end
return M

--# eval-debug: everything that would open the state
for _, name in ipairs { "debug", "load", "loadstring", "dofile", "loadfile", "collectgarbage", "getfenv", "setfenv", "python", "newproxy", "module" } do
  if _G[name] ~= nil then breach(name) end
end
refused(string.dump, print)
clean(package, "package")

--# eval-chunk-arguments: the factory's arguments through the chunk's varargs
--@ chunk
local n = select("#", ...)
if n ~= 3 then print("BREACH " .. n .. " arguments") end
local s, slow, types = ...
if type(s) ~= "string" or type(slow) ~= "string" or type(types) ~= "table" then print("BREACH " .. type(s) .. type(slow) .. type(types)) end
return n

--# eval-injected-names: read, call and overwrite what the compiler adds
__wpy_c, __wpy_s, __wpy_k, __wpy_t = 1e300, function() return 1e300 end, nil, 1e300
local __wpy_c, __wpy_s = math.huge, function() return math.huge end
for i = 1, 100000 do __wpy_c = math.huge end

--# eval-types: types of the caller and of libraries
if pcall(function() return Secret end) and Secret ~= nil then breach("a type of the caller") end
type Own = { a: number }
if Own == nil then breach("own type") end
