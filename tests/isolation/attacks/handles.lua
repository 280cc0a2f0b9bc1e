--# handles-are-closed: state of handles by every generic function
local handles = { channel.new(1), channel.new(1):case_receive(), process.inbox(), process.events(), process.listen("t"), payload.new({ a = 1 }),
  errors.new("x"), time.now(), time.after("1h"), time.ticker("1h"), time.timer("1h"), funcs.new(), process.with_context({}),
  events.subscribe("x"), funcs.async("t:nothing"), time.parse_duration("1s") }
for i, h in pairs(handles) do
  if type(h) ~= "userdata" then breach("type " .. type(h) .. " of " .. i) end
  refused(pairs, h)
  refused(ipairs, h)
  refused(next, h)
  refused(rawget, h, 1)
  refused(rawset, h, 1, 1)
  refused(setmetatable, h, {})
  refused(table.insert, h, 1)
  refused(table.concat, h)
  refused(table.unpack, h)
  refused(unpack, h)
  refused(table.sort, h)
  refused(table.move, h, 1, 1, 1, {})
  refused(table.move, { 1 }, 1, 1, 1, h)
  refused(function() h.x = 1 end)
  if getmetatable(h) then breach("metatable") end
  clean(tostring(h), "tostring")
end

--# forged-handles: tables that look like handles
local c = channel.new(1)
local forgeries = { {}, setmetatable({}, { __index = c }), { h = c, cap = 0, first = 1, last = 0, w = false, feed = false, closed = false, more = false },
  { channel = c, send = false }, setmetatable({}, { __name = "channel", __metatable = false }), { [c] = 1 } }
for _, f in ipairs(forgeries) do
  for _, name in ipairs { "send", "receive", "close", "case_receive", "case_send" } do refused(c[name], f) end
  refused(process.unlisten, f)
  refused(subscribe, "t", f)
  refused(unsubscribe, f)
end

--# wrong-self: methods of one class on another
local handles = { channel.new(1), payload.new(1), errors.new("x"), time.now(), funcs.new(), process.with_context({}), events.subscribe("x"),
  time.timer("1h"), time.parse_duration("1s") }
local names = { "send", "receive", "close", "case_receive", "data", "get_format", "message", "kind", "details", "stack", "unix", "format", "call",
  "async", "with_context", "with_options", "spawn", "channel", "response", "stop", "reset", "seconds" }
for _, a in ipairs(handles) do
  for _, name in ipairs(names) do
    local f = a[name]
    if f then
      for _, b in ipairs(handles) do
        if tostring(a):match("^[%a%.]+") ~= tostring(b):match("^[%a%.]+") and b[name] ~= f then
          local ok, v = pcall(f, b)
          if ok and v ~= nil and name ~= "response" and name ~= "channel" then breach(name .. " of " .. tostring(a) .. " on " .. tostring(b)) end
        end
      end
      for _, wrong in ipairs { {}, "x", 1, true, print, string } do refused(f, wrong) end
    end
  end
end

--# forged-cases: select lists with forged, foreign and hostile entries
local c = channel.new(1)
local cases = { {}, { channel = c }, setmetatable({}, { __index = c:case_receive() }), c, 1, "x", print, false, errors.new("x"), payload.new(1) }
for _, case in ipairs(cases) do
  local r = channel.select { case, default = true }
  if r.channel or not r.default then breach("a forged case was taken") end
end
refused(channel.select, 1)
refused(channel.select, c)
refused(channel.select, nil)
refused(channel.select, "x")

--# hostile-select-list: metamethods of the list and of the result
local c = channel.new(1)
c:send(1)
local ran = 0
local mt = { __index = function() ran = ran + 1 return c:case_receive() end, __len = function() ran = ran + 1 return 1e9 end,
  __newindex = function() ran = ran + 1 end, __pairs = function() breach("pairs") end }
local r = channel.select(setmetatable({ default = true }, mt))
if ran > 0 then breach("a metamethod ran in select") end
local r2 = channel.select(setmetatable({ c:case_receive(), default = true }, mt))

--# select-self: a select on one's own send and receive cases, many times
local c = channel.new(0)
local list = {}
for i = 1, 2000 do list[#list + 1] = c:case_receive() list[#list + 1] = c:case_send(i) end
list.default = true
channel.select(list)

--# select-duplicates: the same inbox case a hundred thousand times
--@ deadline=3 keep
local inbox = process.inbox()
local case = inbox:case_receive()
local list = {}
for i = 1, 100000 do list[i] = case end
process.send(neighbour, "write-to", process.pid())
for i = 1, 5 do
  local r = channel.select(list)
  if r.channel ~= inbox then breach("case") end
end

--# select-many-channels: ten thousand channels in one select, again and again
--@ deadline=3 keep
local inbox = process.inbox()
local list = { inbox:case_receive() }
for i = 2, 10000 do list[i] = channel.new(0):case_receive() end
process.send(neighbour, "write-to", process.pid())
for i = 1, 5 do channel.select(list) end

--# close-everything: closing what the kernel feeds
local inbox, events, topic = process.inbox(), process.events(), process.listen("topic")
local after, tick = time.after("1ms"), time.ticker("1ms")
for _, c in ipairs { inbox, events, topic, after, tick:channel() } do
  c:close()
  c:close()
  pcall(function() c:send(1) end)
  c:receive()
end
process.send(process.pid(), "topic", 1)
process.send(process.pid(), "other", 1)
process.cancel(process.pid(), "x")
time.sleep("5ms")

--# send-into-kernel-channels: values of one's own in inbox, events and timers
local inbox, events = process.inbox(), process.events()
coroutine.spawn(function() inbox:receive() end)
inbox:send({ forged = true })
coroutine.spawn(function() events:receive() end)
events:send({ kind = "pid.exit", from = "{forged}" })
time.after("1h"):send("forged")
process.send(process.pid(), "after", 1)
if inbox:receive():topic() ~= "after" then breach("inbox broken") end

--# handles-in-messages: handles, functions, threads and metatables do not cross
local mt = { __index = { evil = 1 }, __tostring = function() breach("ran in the receiver") return "x" end }
process.send(neighbour, "inspect", { channel.new(1), print, coroutine.running(), setmetatable({ a = 1 }, mt), time.now(), payload.new(1), errors.new("e"),
  process.inbox(), [channel.new(1)] = 1, [print] = 2, f = function() end, e = errors.new("e") })
process.send(neighbour, "inspect", process.inbox())
process.send(neighbour, "inspect", print)
process.send(neighbour, "inspect", string)
process.send(neighbour, "inspect", table.freeze({ f = print, t = { print } }))
process.send(neighbour, "inspect", _G)
time.sleep("20ms")

--# channel-across-processes: a channel smuggled by every way that values take
process.send(neighbour, "inspect", { channel.new(1):case_receive() })
local v = funcs.call("t:echo", channel.new(1), { channel.new(1) }, process.inbox())
if v ~= nil then clean(v, "echo") end
local pid = process.spawn("t:child", "t:host", channel.new(1), { c = channel.new(1), f = print })
local s = process.with_context({ c = channel.new(1), f = print, t = { channel.new(1) } })
s:spawn("t:child", "t:host", channel.new(1))
time.sleep("10ms")
--+ echo pool=1
return { main = function(a, b, c) if a ~= nil or c ~= nil or (b and b[1] ~= nil) then print("BREACH handle in arguments") end return b end }
--+ child
return { main = function(a, b) if a ~= nil or b and (b.c ~= nil or b.f ~= nil) then print("BREACH handle in arguments") end end }

--# json-of-handles: encoders and texts of handles
local json = require("json")
for _, v in ipairs { channel.new(1), { channel.new(1) }, { a = process.inbox() }, errors.new("x"), time.now(), string, table.freeze({ a = 1 }), payload.new(1) } do
  local ok, text = pcall(json.encode, v)
  clean(text, "json")
  clean(tostring(v), "tostring")
  clean(("%s %q"):format(v, v), "format")
end

--# future-forgery: futures that are none, and futures of others
local f = funcs.async("t:quick")
for _, name in ipairs { "result", "error", "is_complete", "is_canceled", "cancel", "channel", "response" } do
  refused(f[name], {})
  refused(f[name], channel.new())
  refused(f[name])
end
f:channel():close()
f:channel():close()
f:cancel()
f:cancel()
time.sleep("5ms")
f:result()
--+ quick pool=1
return { main = function() return 1 end }

--# timer-handles: timers stopped, reset and closed in every order
local t = time.timer("1ms")
t:stop()
t:stop()
t:reset("1ms")
t:channel():close()
t:reset("1ms")
time.sleep("5ms")
t:channel():receive()
local k = time.ticker("1ms")
k:channel():close()
time.sleep("5ms")
k:stop()
k:stop()
refused(t.reset, t, -1)
refused(t.reset, t, 0 / 0)
refused(t.reset, t, "nonsense")
refused(t.reset, t, {})
refused(t.stop, k.entry)
