--# pcall-loop: every error caught, for ever
while true do pcall(function() while true do alive() end end) end

--# pcall-busy: caught in code that never suspends
while true do pcall(function() for i = 1, 1e5 do end alive() end) end

--# xpcall-handler: the handler goes on instead
while true do
  xpcall(function() while true do alive() end end, function() alive() while true do alive() end end)
end

--# xpcall-handler-value: the handler gives another value
while true do xpcall(function() while true do alive() end end, function() return "nothing happened" end) end

--# xpcall-handler-raises: the handler raises
while true do
  pcall(xpcall, function() while true do alive() end end, function() alive() error("again") end)
  alive()
end

--# nested-pcall: a hundred pcalls deep
local function deep(n)
  if n == 0 then while true do alive() end end
  pcall(deep, n - 1)
  alive()
  return deep(n)
end
deep(100)

--# coroutine-loop: inside coroutines that are resumed again
while true do
  local co = coroutine.create(function() while true do alive() coroutine.yield() end end)
  while coroutine.status(co) ~= "dead" do coroutine.resume(co) end
end

--# wrap-loop: inside wrap inside pcall
while true do pcall(coroutine.wrap(function() while true do alive() end end)) end

--# nested-coroutines: three coroutines deep, each guarding the next
local function guard(f) return function() while true do coroutine.resume(coroutine.create(f)) alive() end end end
guard(guard(guard(function() while true do alive() end end)))()

--# yield-loop: nothing but yields
while true do coroutine.yield() alive() end

--# sibling-tasks: a hundred tasks that revive each other
local function task() while true do pcall(function() alive() coroutine.yield() end) end end
for i = 1, 100 do coroutine.spawn(task) end
task()

--# spawn-in-handler: a new task when the end is near
--@ limit=2
local function go() xpcall(function() while true do alive() end end, function() coroutine.spawn(go) end) coroutine.spawn(go) end
go()
while true do coroutine.yield() end

--# sort-comparator: inside a comparator
while true do pcall(table.sort, { 3, 2, 1 }, function(a, b) while true do pcall(alive) end end) end

--# gsub-callback: inside a replacement
while true do pcall(string.gsub, "abc", ".", function() while true do pcall(alive) end end) end

--# metamethods: inside __index, __lt, __concat, __eq, __call
local mt = {}
local o, p = setmetatable({}, mt), setmetatable({}, mt)
local function loop() while true do pcall(alive) end end
mt.__index, mt.__lt, mt.__concat, mt.__eq, mt.__call = loop, loop, loop, loop, loop
while true do
  pcall(function() return o.x end)
  pcall(function() return o < p end)
  pcall(function() return o .. p end)
end

--# iterator: inside the iterator of a for
while true do pcall(function() for _ in function() alive() return 1 end do end end) end

--# tostring: inside __tostring of an error
while true do
  pcall(function() error(setmetatable({}, { __tostring = function() while true do alive() end end })) end)
  pcall(tostring, setmetatable({}, { __tostring = function() while true do alive() end end }))
end

--# waiting-inbox: waiting for mail that comes after the end
local inbox = process.inbox()
process.send(neighbour, "write-late", process.pid())
alive() alive() alive()
while true do
  inbox:receive()
  alive()
end

--# waiting-timer: a timer that fires after the end
alive() alive() alive()
while true do
  time.sleep("5ms")
  alive()
end

--# waiting-ticker: a select on tickers and timers
local t = time.ticker("2ms")
while true do
  channel.select { t:channel():case_receive(), time.after("3ms"):case_receive() }
  alive()
end

--# waiting-call: an answer that comes after the end
alive() alive() alive()
while true do
  pcall(funcs.call, "t:slow")
  alive()
end
--+ slow pool=4
return { main = function() time.sleep("10ms") return 1 end }

--# waiting-future: futures that complete after the end
alive() alive() alive()
while true do
  local f = funcs.async("t:slow")
  f:channel():receive()
  alive()
end
--+ slow pool=4
return { main = function() time.sleep("10ms") return 1 end }

--# own-children: functions called by it go on for it
--@ call
local f = funcs.async("t:worker", neighbour)
while true do time.sleep("1ms") alive() end
--+ worker pool=4
return { main = function(neighbour) while true do process.send(neighbour, "alive") time.sleep("1ms") end end }

--# send-to-itself: messages to itself wake it again
local inbox = process.inbox()
while true do
  process.send(process.pid(), "x", 1)
  inbox:receive()
  pcall(alive)
end

--# events-trapped: trapping links and reading the cancel event
process.set_options({ trap_links = true })
local events = process.events()
coroutine.spawn(function() while true do events:receive() alive() end end)
while true do pcall(alive) coroutine.yield() end

--# end-itself: it terminates itself and goes on
--@ by=itself
alive() alive() alive()
process.terminate(process.pid())
while true do pcall(alive) end

--# end-itself-in-handler: it terminates itself inside an error handler
--@ by=itself
alive() alive() alive()
while true do
  xpcall(error, function()
    process.terminate(process.pid())
    alive() alive() alive() alive()
    while true do pcall(alive) end
  end, "x")
  pcall(alive)
end

--# link-pcall: a linked process fails
--@ by=link
while true do pcall(function() while true do alive() end end) end

--# link-tasks: a linked process fails while tasks wait
--@ by=link
coroutine.spawn(function() while true do time.sleep("1ms") alive() end end)
while true do pcall(function() time.sleep("1ms") alive() end) end

--# budget-handler: past the time that an error handler may take
--@ by=budget limit=2
alive() alive() alive()
while true do
  xpcall(error, function() while true do pcall(function() while true do end end) end end, "x")
  alive()
end

--# budget-handler-coroutine: past it inside a coroutine inside the handler
--@ by=budget limit=2
alive() alive() alive()
while true do
  xpcall(error, function()
    local co = coroutine.wrap(function() while true do pcall(function() while true do end end) end end)
    while true do pcall(co) end
  end, "x")
  alive()
end

--# memory-pcall: out of memory, caught
--@ by=memory memory=64
alive() alive() alive()
while true do
  pcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(10000) .. #t end end)
  alive()
end

--# memory-handler: out of memory inside a handler
--@ by=memory memory=64
alive() alive() alive()
while true do
  xpcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(10000) .. #t end end, function() alive() return "caught" end)
  alive()
end

--# memory-coroutine: out of memory inside a coroutine
--@ by=memory memory=64
alive() alive() alive()
while true do
  coroutine.resume(coroutine.create(function() local t = {} while true do t[#t + 1] = ("x"):rep(10000) .. #t end end))
  alive()
end

--# forged-memory-error: it raises the text of a failed allocation
--@ by=memory
alive() alive() alive()
while true do
  pcall(error, "not enough memory", 0)
  alive()
end

--# failed-siblings: an uncaught error in one task
--@ by=itself
alive() alive() alive()
coroutine.spawn(function() while true do pcall(alive) time.sleep("1ms") end end)
coroutine.spawn(function() while true do pcall(alive) coroutine.yield() end end)
error("end")

--# returned-siblings: main returns, tasks are left
--@ by=itself
alive() alive() alive()
coroutine.spawn(function() while true do pcall(alive) time.sleep("1ms") end end)
coroutine.spawn(function() while true do pcall(alive) coroutine.yield() end end)
coroutine.spawn(function() process.inbox():receive() while true do pcall(alive) coroutine.yield() end end)
return "over"

--# called-function: a function whose caller is ended
--@ by=call
while true do pcall(function() while true do alive() time.sleep("100us") end end) end

--# cancelled-future: a function whose future is cancelled
--@ by=future
while true do pcall(function() while true do alive() coroutine.yield() end end) end

--# timed-out-call: a function past the limit of its executor
--@ by=timeout
while true do pcall(function() while true do alive() coroutine.yield() end end) end
