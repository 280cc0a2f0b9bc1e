--# eval-outlive-tasks: tasks go on after the code has returned
--@ classes=process alive
for _ = 1, 5 do
  coroutine.spawn(function() while true do alive() time.sleep("1ms") end end)
  coroutine.spawn(function() while true do alive() coroutine.yield() end end)
end
time.sleep("10ms")

--# eval-outlive-timers: timers and channels go on
--@ classes=process alive
local t = time.ticker("1ms")
coroutine.spawn(function() while true do t:channel():receive() alive() end end)
time.sleep("10ms")

--# eval-outlive-error: a task goes on after the code has failed
--@ classes=process alive
coroutine.spawn(function() while true do pcall(function() while true do alive() time.sleep("1ms") end end) end end)
time.sleep("5ms")
error("over")

--# eval-outlive-close: to-be-closed values and coroutines that are collected
--@ classes=process
local co = coroutine.wrap(function()
  local x <close> = setmetatable({}, { __close = function() while true do alive() time.sleep("1ms") end end })
  coroutine.yield()
end)
co()
co = nil

--# eval-names: names and subscriptions are not left behind
--@ classes=process modules=process,events
process.registry.register("evaluated")
process.registry.register("neighbour")
events.subscribe("*")
process.inbox()
process.listen("x")

--# eval-spins: an endless loop
--@ spins
while true do end

--# eval-spins-pcall: an endless loop that catches everything
--@ spins
while true do pcall(function() while true do end end) end

--# eval-spins-yield: yields without end
--@ ends deadline=3
while true do coroutine.yield() end

--# eval-spins-tasks: ten tasks that yield without end
--@ ends deadline=3
for _ = 1, 10 do coroutine.spawn(function() while true do coroutine.yield() end end) end
while true do coroutine.yield() end

--# eval-spins-handler: a message handler that never ends
--@ spins
xpcall(function() error("x") end, function() while true do end end)

--# eval-spins-metamethod: a result's metamethods never end
--@ spins
return nil, setmetatable({}, { __tostring = function() while true do end end, __concat = function() while true do end end })

--# eval-spins-library: a callback keeps a library busy
--@ spins
shared.call(function() while true do end end)
--+ shared
return { call = function(f) return f() end }

--# eval-library-body: a library that never ends loading
--@ spins
return 1
--+ shared
while true do end

--# eval-idle: wait for ever in every way
--@ ends deadline=2
local c = channel.new()
for _ = 1, 10 do coroutine.spawn(function() c:receive() end) end
channel.select { c:case_receive() }

--# eval-recursion: recursion without end
--@ ends deadline=4
local function f() return 1 + f() end
return f()

--# eval-tasks: a hundred thousand tasks
--@ deadline=8 memory=128
local c = channel.new()
for i = 1, 100000 do coroutine.spawn(function() c:receive() end) end

--# eval-memory: a table that takes all memory
--@ deadline=10 memory=96 ends
local t = {}
while true do t[#t + 1] = { #t } end

--# eval-memory-library: memory that a library holds for the code
--@ deadline=10 memory=96 ends
while true do shared.keep(("x"):rep(10000)) end
--+ shared
local kept = {}
return { keep = function(v) kept[#kept + 1] = v .. #kept end }

--# eval-memory-globals: memory behind names that are no modules
--@ spins memory=96
local i = 0
while true do
  i = i + 1
  local _ = _G["name" .. i]
end

--# eval-nested: evaluations inside of evaluations
--@ deadline=6
local run = require("eval_runner").run
local source = "local run = require('eval_runner').run local s = ... run({ source = s, args = { s } }) return run({ source = s, args = { s } })"
run({ source = source, args = { source } })

--# eval-nested-bomb: evaluations that start evaluations in tasks
--@ ends deadline=12 memory=128
local source = [[
  local s = ...
  for _ = 1, 20 do coroutine.spawn(function() require("eval_runner").run({ source = s, args = { s } }) end) end
  while true do coroutine.yield() end
]]
require("eval_runner").run({ source = source, args = { source } })
while true do coroutine.yield() end

--# eval-sources: hostile sources
--@ deadline=10
local run = require("eval_runner").run
for _, source in ipairs { "\27Lua", "\27Lua\x55\0\x19\x93\r\n\x1a\n", "#!/bin/sh\nreturn 1", "\0", "return '\0'", ("("):rep(5000),
  ("{"):rep(5000), "return " .. ("-"):rep(5000) .. "1", ("local x "):rep(300), "goto x", "::x:: goto x2", "\255\254", "return \255",
  ("a"):rep(100000) .. " = 1", "return " .. ("'x'..").rep("'x'..", 3000) .. "''", "--[" .. ("="):rep(10000) .. "[", "return ...",
  "end return function(...)", "end end end", "local _ENV = nil return 1", "return 0x" .. ("f"):rep(10000), "type X = X", ("if x then "):rep(3000) } do
  local v, e = run({ source = source })
  clean(v, "value")
  clean(e, "error")
end

--# eval-configurations: hostile configurations
--@ deadline=4
local run = require("eval_runner").run
local liar = setmetatable({}, { __index = function() while true do end end, __len = function() return 1e15 end, __pairs = function() while true do end end })
pcall(run, liar)
for _, key in ipairs { "args", "modules", "imports", "context", "allow_classes", "custom_modules" } do
  local c = { source = "return 1" }
  c[key] = liar
  pcall(run, c)
  for _, v in ipairs { { { } }, { liar }, { x = liar }, { x = { id = liar } }, { [liar] = 1 }, { x = print }, channel.new(), "x", 0 / 0, { 0 / 0 } } do
    c[key] = v
    pcall(run, c)
  end
end
for _, method in ipairs { "__index", "\0", ("x"):rep(1e6), "_G" } do pcall(run, { source = "return {}", method = method }) end
pcall(run, { source = "return _G", imports = { _G = "t:tools", require = "t:tools", _ENV = "t:tools", string = "t:tools" } })
pcall(run, { source = "return require('x')", custom_modules = { require = {}, _G = {}, string = {} } })
