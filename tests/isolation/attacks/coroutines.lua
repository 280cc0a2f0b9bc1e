--# resume-parked: forge the answer of a coroutine that waits in the kernel
local co = coroutine.create(function() return process.inbox():receive() end)
coroutine.spawn(function() coroutine.resume(co) end)
local ok, v = coroutine.resume(co, "FORGED", true)
if ok and v == "FORGED" then breach("forged a message") end
local w = coroutine.wrap(function() return process.inbox():receive() end)
coroutine.spawn(function() w() end)
local ok2, v2 = pcall(w, "FORGED")
if ok2 and v2 == "FORGED" then breach("forged through wrap") end

--# resume-task: resume a task of the scheduler
local main = coroutine.running()
local task = coroutine.spawn(function() return process.inbox():receive() end)
for _, co in ipairs { main, task } do
  local ok, a, b = pcall(coroutine.resume, co, "FORGED")
  if ok and a == true then breach("resumed a task") end
end
coroutine.spawn(function()
  local ok, a = pcall(coroutine.resume, main, "FORGED")
  if ok and a == true then breach("resumed the main task") end
end)

--# resume-left-behind: a task parked in an earlier call of the same function instance
for i = 1, 4 do
  local r = funcs.call("t:instance", i)
  if r ~= "clean" then breach(tostring(r)) end
end
--+ instance pool=1
return { main = function(i)
  if kept then
    local ok, a, b = pcall(coroutine.resume, kept, "FORGED", "FORGED")
    if ok and a == true then return "resumed a dead call's task: " .. tostring(b) end
  end
  kept = coroutine.spawn(function()
    local v = channel.new(0):receive()
    ran = v
    return v
  end)
  if ran then return "a dead call's task went on" end
  return "clean"
end }

--# resume-left-behind-nested: a coroutine parked inside a task of an earlier call
for i = 1, 4 do
  local r = funcs.call("t:instance", i)
  if r ~= "clean" then breach(tostring(r)) end
end
--+ instance pool=1
return { main = function(i)
  if kept then
    local ok, a, b = pcall(coroutine.resume, kept, true, "\x91\xc7\x03\x03\x92\x01\x01")
    if ok and a == true then return "forged an answer: " .. type(b) end
  end
  kept = coroutine.create(function() return time.sleep("1h") end)
  coroutine.spawn(function() coroutine.resume(kept) end)
  return "clean"
end }

--# yield-forged-tags: yield every kind of value at task level and inside coroutines
for _, v in ipairs { true, false, 0, "WAIT", "KILL", {}, print, channel.new(), errors.new("x"), coroutine.running() } do
  coroutine.yield(v, v)
  local co = coroutine.create(function() coroutine.yield(v, v) return "end" end)
  local ok, a = coroutine.resume(co)
  if a ~= v then breach("yield swallowed") end
end

--# steal-tags: catch what a kernel operation yields
local co = coroutine.create(function() time.sleep("1ms") return "slept" end)
local ok, a, b = coroutine.resume(co)
if a ~= "slept" then breach("resume saw " .. tostring(a)) end
local inner = coroutine.wrap(function()
  local deep = coroutine.wrap(function() coroutine.yield("user") time.sleep("1ms") return "done" end)
  local first = deep()
  return first, deep()
end)
local x, y = inner()
if x ~= "user" or y ~= "done" then breach("forwarding") end

--# steal-tags-in-handler: kernel operations inside coroutines inside a message handler
local tag
xpcall(function() error("x") end, function()
  local co = coroutine.create(function() time.sleep("1ms") end)
  local ok, e = pcall(coroutine.resume, co)
  tag = e
  local co2 = coroutine.create(function() process.inbox():receive() end)
  local r = { pcall(coroutine.resume, co2) }
  for _, v in ipairs(r) do if type(v) == "table" then tag = v end end
  local r2 = { pcall(coroutine.resume, co2, "FORGED") }
  for _, v in ipairs(r2) do if v == "FORGED" then breach("forged") end end
  return "handled"
end)
if type(tag) == "table" then breach("a tag of the scheduler") end

--# yield-in-handler: yield inside the handler of xpcall
local ok, e = xpcall(error, function() coroutine.yield(1) return "after" end, "x")
local ok2, e2 = xpcall(error, function() process.inbox():receive() return "after" end, "x")
local ok3, e3 = xpcall(error, function() time.sleep("1ms") return "after" end, "x")
if e == "after" or e2 == "after" or e3 == "after" then breach("suspended in a handler") end
time.sleep("1ms")

--# handler-error: an error inside the error handler leaves the process suspendable
xpcall(error, function() error("again") end, "x")
xpcall(error, function() error({}) end, "x")
xpcall(error, 42, "x")
xpcall(error, nil, "x")
local start = time.now()
time.sleep("1ms")
coroutine.yield()
for i = 1, 1e5 do end

--# handler-recursion: handlers that call xpcall
local function deep(n)
  if n == 0 then error("end") end
  return xpcall(function() error("x") end, function() return deep(n - 1) end)
end
pcall(deep, 500)
time.sleep("1ms")

--# handler-loop: a handler that never ends
--@ limit=4 deadline=6
xpcall(error, function() while true do end end, "x")
breach("the handler came back")

--# yield-in-callbacks: suspend in comparators, replacements, metamethods and iterators
local t = { 3, 1, 2 }
table.sort(t, function(a, b) time.sleep("1ms") return a < b end)
if t[1] ~= 1 then breach("sort") end
local s = ("abc"):gsub("%w", function(c) coroutine.yield() time.sleep("1ms") return c:upper() end)
if s ~= "ABC" then breach("gsub") end
local mt = { __index = function(_, k) time.sleep("1ms") return k end, __tostring = function() time.sleep("1ms") return "text" end,
  __lt = function() time.sleep("1ms") return true end, __concat = function() time.sleep("1ms") return "c" end,
  __eq = function() time.sleep("1ms") return true end, __len = function() time.sleep("1ms") return 3 end,
  __call = function() time.sleep("1ms") return 4 end }
local o, p = setmetatable({}, mt), setmetatable({}, mt)
local _ = o.x, tostring(o), o < p, o .. "x", o == p, #o, o()
if ("%s"):format(o) ~= "text" then breach("format") end
for v in function(_, i) time.sleep("1ms") i = (i or 0) + 1 if i < 3 then return i end end do end

--# ipairs-c-boundary: an endless metamethod under the iterator of ipairs
--@ spins
local each = ipairs({})
local trap = setmetatable({}, { __index = function()
  while true do pcall(function() while true do end end) end
end })
each(trap, 0)

--# coroutine-of-another: the running coroutine of somebody else
local list = {}
for i = 1, 10 do
  local co = coroutine.running()
  list[tostring(co)] = true
end
if coroutine.status(coroutine.running()) ~= "running" then breach("status") end

--# many-coroutines: a million coroutines, a few of them kept
--@ deadline=6
local kept = {}
for i = 1, 1000000 do
  local co = coroutine.create(function() coroutine.yield() end)
  if i % 100 == 0 then kept[#kept + 1] = co coroutine.resume(co) end
end

--# many-tasks: a hundred thousand sibling tasks
--@ deadline=6
for i = 1, 100000 do coroutine.spawn(function() channel.new(0):receive() end) end

--# wrap-recursion: coroutines inside coroutines without end
local function deep(n) return coroutine.wrap(function() return deep(n + 1) end)() end
local text = refused(deep, 0)
local co
co = coroutine.wrap(function() return co() end)
refused(co)

--# resume-self: a coroutine that resumes itself or its resumer
local co
co = coroutine.create(function() return coroutine.resume(co) end)
coroutine.resume(co)
local a, b
a = coroutine.create(function() return coroutine.resume(b) end)
b = coroutine.create(function() return coroutine.resume(a) end)
coroutine.resume(a)

--# bad-threads: values that are no coroutine
for _, v in ipairs { 1, "x", {}, print, channel.new(), true } do
  refused(coroutine.resume, v)
  refused(coroutine.status, v)
end
refused(coroutine.create, print and 1)
refused(coroutine.wrap, {})
refused(coroutine.spawn, nil)
pcall(coroutine.create, print)
pcall(coroutine.spawn, error)
