--# loop-while: while true
--@ spins
while true do end

--# loop-repeat: repeat until false
--@ spins
repeat local x = 1 until false

--# loop-goto: a backward goto
--@ spins
::again::
goto again

--# loop-goto-continue: a goto out of nested blocks
--@ spins
::again::
do do do goto again end end end

--# loop-numeric: numeric loops with bounds beyond every integer
--@ spins
for i = 1, math.huge do end
for i = 1, math.maxinteger do end

--# loop-numeric-float: a float step too small to move
--@ spins
for i = 1e300, 1e301, 1 do end

--# loop-numeric-down: downwards to the smallest integer
--@ spins
for i = math.maxinteger, math.mininteger, -1 do end

--# loop-nested-empty: nested empty loops
--@ spins
for i = 1, 1e9 do for j = 1, 1e9 do for k = 1, 1e9 do end end end

--# loop-generic: an iterator that never ends
--@ spins
for _ in function() return 1 end do end

--# loop-next: an endless iteration over a table that is refilled
--@ spins
local t = { 1 }
while true do for k in pairs(t) do t[k] = nil t[k] = 1 end end

--# loop-tail-calls: tail calls without end
--@ spins
local function f(n) return f(n + 1) end
f(0)

--# loop-mutual: functions that call each other
--@ spins
local f, g
f = function() return g() end
g = function() return f() end
f()

--# loop-method: recursion through methods and closures
--@ spins
local o = {}
function o:m() return (function() return self:m() end)() end
while true do pcall(o.m, o) end

--# loop-metamethods: an exponential __index recursion without a loop
--@ spins
local mt = {}
mt.__index = function(t, n) if n == 0 then return 0 end return t[n - 1] + t[n - 1] end
local t = setmetatable({}, mt)
while true do pcall(function() return t[60] end) end

--# loop-arithmetic-metamethods: doubling recursion through __add, __lt, __eq, __concat, __unm, __call
--@ spins
local depth = 0
local o, p
local function twice(f) depth = depth + 1 if depth < 60 then f() f() end depth = depth - 1 end
local mt = { __add = function() twice(function() return o + p end) return 1 end, __lt = function() twice(function() return o < p end) return true end,
  __concat = function() twice(function() return o .. p end) return "" end, __call = function() twice(function() return o() end) end }
o, p = setmetatable({}, mt), setmetatable({}, mt)
while true do pcall(function() return o + p end) pcall(function() return o < p end) pcall(function() return o .. p end) pcall(o) end

--# loop-pcall: loops inside pcall inside loops
--@ spins
while true do
  pcall(function() while true do pcall(function() while true do end end) end end)
end

--# loop-coroutine: a loop inside nested coroutines
--@ spins
coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()

--# loop-yield: yielding for ever
--@ spins
while true do coroutine.yield() end

--# loop-spawn: tasks that spawn tasks
--@ spins memory=96
local function f() coroutine.spawn(f) end
while true do f() coroutine.yield() end

--# loop-self-send: a conversation with oneself
--@ spins
local inbox = process.inbox()
while true do
  process.send(process.pid(), "x", 1)
  inbox:receive()
end

--# loop-select-default: polling a channel
--@ spins
local c = channel.new(1)
while true do channel.select { c:case_receive(), default = true } end

--# loop-sort: a comparator that never ends
--@ spins
table.sort({ 3, 2, 1 }, function() while true do end end)

--# loop-gsub: a replacement that never ends
--@ spins
("abc"):gsub(".", function() while true do end end)

--# loop-tostring: a __tostring that never ends
--@ spins
tostring(setmetatable({}, { __tostring = function() while true do end end }))

--# loop-module-body: a module body that never ends
--@ chunk spins
while true do end

--# loop-library-body: a library whose body never ends
--@ libraries=endless spins
return 1
--+ endless
while true do end

--# loop-timers: a ticker of one nanosecond
--@ spins
local t = time.ticker(1)
while true do t:channel():receive() end

--# recursion-plain: recursion without end
local function f() return 1 + f() end
refused(f)
refused(f)

--# recursion-pcall: recursion through pcall
local function f() return pcall(f) and 1 or f() end
local function g() local ok, e = pcall(g) error(e) end
pcall(g)
local function h(n) return pcall(h, n + 1) end
h(0)

--# recursion-metamethods: recursion through every metamethod
for _, name in ipairs { "__index", "__newindex", "__call", "__add", "__concat", "__eq", "__lt", "__le", "__len", "__unm", "__tostring" } do
  local mt = {}
  local o, p = setmetatable({}, mt), setmetatable({}, mt)
  mt[name] = function(a, b)
    if name == "__index" then return o.x .. "" end
    if name == "__newindex" then o.x = 1 return end
    if name == "__call" then return 1 + o() end
    if name == "__add" then return 1 + (o + p) end
    if name == "__concat" then return 1 + #(o .. p) end
    if name == "__eq" then return not (o == p) end
    if name == "__lt" then return not (o < p) end
    if name == "__le" then return not (o <= p) end
    if name == "__len" then return 1 + #o end
    if name == "__unm" then return 1 + -o end
    return tostring(o) .. "x"
  end
  pcall(function() local _ = o.x end)
  pcall(function() o.x = 1 end)
  pcall(function() return o() end)
  pcall(function() return o + p end)
  pcall(function() return o .. p end)
  pcall(function() return o == p end)
  pcall(function() return o < p end)
  pcall(function() return o <= p end)
  pcall(function() return #o end)
  pcall(function() return -o end)
  pcall(tostring, o)
end

--# recursion-send: sending at the end of the stack
--@ deadline=6
local count = 0
local function deep(n)
  if n == 0 then return process.send(neighbour, "noise", { n }) end
  return 1 + (deep(n - 1) and 1 or 1)
end
for _, n in ipairs { 199990, 199980, 180000 } do pcall(deep, n) end
local function endless() pcall(process.send, neighbour, "noise", { 1 }) return 1 + endless() end
pcall(endless)

--# recursion-handlers: error handlers at the end of the stack
--@ deadline=4 limit=2
local function f() return 1 + f() end
xpcall(f, function(e) return f() end)
xpcall(f, function(e) local function g() return 1 + g() end g() end)
time.sleep("1ms")

--# recursion-require: libraries that import each other's state
local function f() return 1 + (require("time") and f()) end
pcall(f)
