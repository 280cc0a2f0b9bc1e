--# cyclic-message: cycles and shared references
local t = { 1 }
t.self, t[t] = t, t
process.send(neighbour, "inspect", t)
process.send(process.pid(), "x", t)
local copy = process.inbox():receive():payload():data()
if copy == t or copy.self ~= copy or copy[copy] ~= copy then breach("copy") end

--# deep-message: nesting beyond every stack
local t = {}
for i = 1, 100000 do t = { t } end
local ok, e = pcall(process.send, neighbour, "inspect", t)
local ok2, e2 = pcall(funcs.call, "t:nothing", t)
local ok3, e3 = pcall(process.spawn, "t:child", "t:host", t)
local ok4, e4 = pcall(payload.new, t)
local ok5, e5 = pcall(events.send, "s", "k", "/p", t)
if ok and e == true then breach("sent something too deep") end
process.send(process.pid(), "x", "fine")
if process.inbox():receive():payload():data() ~= "fine" then breach("mailbox") end
--+ child
return { main = function() end }

--# shared-message: a graph of 2^60 paths
--@ deadline=3
local t = { 1 }
for i = 1, 60 do t = { t, t } end
process.send(neighbour, "inspect", t)
funcs.call("t:quick", t)
events.send("s", "k", "/p", t)
payload.new(t)
--+ quick pool=1
return { main = function() end }

--# hostile-payloads: metamethods of what is sent
local ran = false
local function trap() ran = true while true do end end
local mt = { __index = trap, __newindex = trap, __len = trap, __pairs = trap, __eq = trap, __lt = trap, __concat = trap, __tostring = trap,
  __call = trap, __close = trap, __name = "evil", __metatable = "evil" }
local t = setmetatable({ a = 1, [2] = 2 }, mt)
process.send(neighbour, "inspect", t)
process.send(neighbour, "inspect", { t, [t] = t })
process.spawn("t:child", "t:host", t, t)
funcs.call("t:child", t)
events.send("s", "k", "/p", t)
payload.new(t)
errors.new({ message = "m", details = t })
pcall(errors.new, t)
pcall(process.set_options, t)
pcall(process.with_context, t)
pcall(process.with_options, t)
pcall(process.listen, "x", t)
pcall(channel.select, setmetatable({ default = true }, { __len = function() return 0 end, __index = trap }))
if ran then breach("a metamethod ran in the kernel") end
--+ child
return { main = function() end }

--# bad-destinations: pids and names that are none
for _, dest in ipairs { "", "x", "{", "}", "{}", "{|}", "{a|b}", "{t:host|0x}", "{t:host|0xffffffffffffffffff}", "{t:host|-0x1}", "{t:host|0x1_0}",
  "{t:host|0x00001}", "{t:host|0x000ff}", "\0", "\255\254", ("x"):rep(100000), "{" .. ("|"):rep(1000) .. "}", "{t:host|0x00101", "{x@t:host|0x00100}" } do
  for _, f in ipairs { process.send, process.monitor, process.link, process.cancel, process.terminate, process.unmonitor, process.unlink } do
    local ok, r = pcall(f, dest, "topic", 1)
  end
  pcall(process.registry.lookup, dest)
  pcall(process.registry.register, dest, dest)
  pcall(process.registry.unregister, dest)
end
for _, wrong in ipairs { 1, true, {}, print, channel.new() } do
  refused(process.send, wrong, "t")
  refused(process.send, neighbour, wrong)
  refused(process.monitor, wrong)
  refused(process.registry.lookup, wrong)
end

--# quadratic-pid: a destination that makes the pid pattern backtrack
--@ deadline=2
local evil = "{" .. ("|"):rep(300000)
pcall(process.send, evil, "x")
pcall(process.monitor, evil)
pcall(process.registry.lookup, evil)
pcall(process.terminate, evil .. "0x")
pcall(funcs.call, (":"):rep(300000))
pcall(process.spawn, "x", (":"):rep(300000))

--# reserved-topics: topics that belong to the kernel
for _, topic in ipairs { "@pid/inbox", "@pid/events", "@future:1", "@", "@x" } do
  local ok, e = process.send(neighbour, topic, { kind = "pid.exit", from = "{forged}" })
  if ok then breach("sent to " .. topic) end
  local c = process.listen(topic)
  if c then breach("listens to " .. topic) end
end

--# forged-events: events that the receiver would take for the kernel's
process.send(neighbour, "pid.exit", { kind = "pid.exit", from = "{forged}", result = {} })
process.send(neighbour, "events", { kind = "pid.cancel", from = "{|}" })

--# terminate-host: names and pids that the host uses
for _, name in ipairs { "{|}", "{|0x00100}", "{t:host|0x00000}" } do
  pcall(process.terminate, name)
  pcall(process.cancel, name, "x")
  pcall(process.link, name)
end

--# flood-neighbour: a hundred thousand messages to the neighbour
--@ deadline=8 memory=128
local line = ("x"):rep(200)
for i = 1, 100000 do process.send(neighbour, "noise", { i = i, line = line .. i }) end

--# flood-self: messages to oneself until something gives
--@ deadline=10 memory=64 ends
local line = ("x"):rep(1000)
local i = 0
while true do
  i = i + 1
  process.send(process.pid(), "noise", line .. i)
end

--# flood-dead: messages to processes that have ended
local pids = {}
for i = 1, 200 do pids[i] = process.spawn("t:child", "t:host") end
time.sleep("10ms")
for _, pid in ipairs(pids) do
  for i = 1, 50 do process.send(pid, "x", i) end
end
--+ child
return { main = function() end }

--# name-squatting: taking names of others
process.registry.register("mine")
local ok = process.registry.register("neighbour")
if ok then breach("took the name of a living process") end
if process.registry.lookup("neighbour") ~= neighbour then breach("lookup") end

--# many-names: a hundred thousand names
--@ deadline=6
for i = 1, 100000 do process.registry.register("name " .. i) end

--# many-listeners: listening to a hundred thousand topics with mail waiting
--@ deadline=6
for i = 1, 1000 do process.send(process.pid(), "other", i) end
for i = 1, 2000 do process.listen("topic " .. i) end
for i = 1, 200 do process.send(process.pid(), "topic " .. i, i) end

--# many-arguments: a message of a hundred thousand payloads
local list = {}
for i = 1, 90000 do list[i] = i end
pcall(process.send, neighbour, "noise", unpack(list))
pcall(process.spawn, "t:child", "t:host", unpack(list))
pcall(funcs.call, "t:child", unpack(list))
--+ child pool=1
return { main = function(...) return select("#", ...) end }

--# reply-to-strangers: read what the neighbour keeps by asking for its sender
local m
process.send(process.pid(), "x", 1)
m = process.inbox():receive()
for _, name in ipairs { "env", "proc", "process", "p", "state", "_G", "mailbox", "data" } do
  if m[name] ~= nil then breach("message." .. name) end
end
clean(m:payload():data(), "payload")
clean(m:from(), "from")

--# link-storm: links and monitors with everybody
for i = 1, 200 do
  local pid = process.spawn("t:child", "t:host")
  process.link(pid)
  process.monitor(pid)
  process.unlink(pid)
  process.unmonitor(pid)
  process.link(pid)
end
process.monitor(neighbour)
process.unlink(neighbour)
process.set_options({ trap_links = true })
time.sleep("10ms")
--+ child
return { main = function() error("fails") end }

--# many-watchers: fifty thousand links of one process, ended at once
--@ deadline=8
process.set_options({ trap_links = true })
for i = 1, 20000 do process.spawn_linked("t:child", "t:host") end
--+ child
return { main = function() process.inbox():receive() end }

--# payload-aliasing: changing what was sent, and what was received
local t = { list = { 1, 2, 3 } }
process.send(process.pid(), "x", t)
t.list[1] = "changed"
local m = process.inbox():receive()
if m:payload():data().list[1] ~= 1 then breach("sender changed a message") end
local p = payload.new(t)
t.list[2] = "changed"
if p:data().list[2] ~= 2 then breach("payload is not a copy") end

--# event-aliasing: one event, two subscribers
local a, b = events.subscribe("sys"), events.subscribe("sys")
events.send("sys", "k", "/p", { list = { 1 } })
local x, y = a:channel():receive(), b:channel():receive()
x.data.list[1] = "changed"
if y.data.list[1] ~= 1 then breach("event data is shared") end

--# exit-value-aliasing: watchers of one process do not share its result
local pid = process.spawn_monitored("t:child", "t:host")
local e = process.events():receive()
if e.result.value.list[1] ~= 1 then breach("value") end
--+ child
return { main = function() return { list = { 1 }, f = print } end }
