--# error-object-fields: the state of an error object
local e = errors.new({ message = "m", kind = "K", details = { a = 1 } })
refused(pairs, e)
refused(next, e)
refused(rawget, e, "message")
refused(rawset, e, "message", "x")
refused(function() e.message = "x" end)
refused(setmetatable, e, {})
if getmetatable(e) then breach("metatable") end
local d = e:details()
d.a = 2
if e:details().a ~= 1 then breach("details are shared") end

--# error-methods: methods of an error called on something else
local e = errors.new("m")
for _, name in ipairs { "message", "kind", "retryable", "details", "stack" } do
  local f = e[name]
  for _, wrong in ipairs { {}, "x", 1, channel.new(), payload.new(1), string, print } do refused(f, wrong) end
  refused(f)
end

--# error-tostring-hostile: uncaught tables whose __tostring loops, yields, errs or lies
for _, kind in ipairs { "error", "number", "table", "nil", "recursive", "yield" } do
  local pid = process.spawn_monitored("t:failing", "t:host", kind)
  local event = process.events():receive()
  if event.result.error == nil then breach("no error for " .. kind) end
  if type(tostring(event.result.error)) ~= "string" then breach("not text") end
end
--+ failing
return { main = function(kind)
  local mt = {}
  function mt.__tostring(self)
    if kind == "error" then error("in tostring") end
    if kind == "number" then return 42 end
    if kind == "table" then return {} end
    if kind == "recursive" then return tostring(self) end
    if kind == "yield" then time.sleep("5ms") process.inbox():receive() end
  end
  error(setmetatable({}, mt))
end }

--# error-tostring-endless: an uncaught table whose __tostring never ends
--@ deadline=4
local pid = process.spawn_monitored("t:failing", "t:host")
local event = process.events():receive()
if event.result.error == nil then breach("no error") end
--+ failing
return { main = function()
  error(setmetatable({}, { __tostring = function() while true do end end }))
end }

--# error-tostring-siblings: siblings of a failed process run no more
local pid = process.spawn_monitored("t:failing", "t:host", process.pid())
local inbox, events = process.inbox(), process.events()
local event = events:receive()
time.sleep("30ms")
local r = channel.select { inbox:case_receive(), time.after("20ms"):case_receive() }
if r.channel == inbox then breach("a sibling ran after the failure: " .. r.value:topic()) end
--+ failing
return { main = function(peer)
  coroutine.spawn(function()
    time.sleep("5ms")
    process.send(peer, "still alive")
  end)
  error(setmetatable({}, { __tostring = function()
    for i = 1, 1e6 do end
    return "text"
  end }))
end }

--# error-details-cycle: details that refer to themselves, twice
--@ deadline=3
local t = {}
t.a, t.b = t, t
local e = errors.new({ message = "m", details = t })
local d = e:details()
process.send(process.pid(), "x", e)

--# error-details-shared: details shared forty levels deep
--@ deadline=3
local t = { 1 }
for i = 1, 30 do t = { t, t } end
errors.new({ message = "m", details = t })

--# error-details-objects: functions, handles and threads in details
local e = errors.new({ message = "m", details = { f = print, c = channel.new(), co = coroutine.running(), e = errors.new("x"), [print] = 1 } })
clean(e:details(), "details")

--# error-values: error with every type of value
for _, v in ipairs { 1, 1.5, true, false, {}, print, channel.new(), coroutine.running(), string } do
  local ok, e = pcall(error, v)
  if e ~= v then breach("identity") end
end
local ok, e = pcall(error)
if e ~= nil then clean(e, "nil error") end

--# error-positions: levels and huge levels
for _, level in ipairs { 0, 1, 2, 3, 100, 1e9, math.maxinteger, math.mininteger } do
  local ok, e = pcall(error, "m", level)
  clean(e, "error")
end

--# assert-hostile: assert with odd messages
refused(assert, false)
refused(assert, nil, nil)
for _, message in ipairs { {}, print, 1, true, channel.new(), setmetatable({}, { __tostring = error }) } do
  local ok, e = pcall(assert, false, message)
  if ok or e ~= message then breach("assert gave " .. type(e)) end
end

--# wrap-chain: a long chain of wrapped errors
local e = errors.new("x")
for i = 1, 2000 do e = errors.wrap(e, "c" .. i) end
e:stack()
e:message()
tostring(e)

--# return-hostile: results that are no data
for _, kind in ipairs { "deep", "cyclic", "wide", "function", "handle", "error", "nan" } do
  local v, e = funcs.call("t:hostile", kind)
  if kind == "function" and v ~= nil then breach("function crossed") end
  if kind == "handle" and v ~= nil then breach("handle crossed") end
end
--+ hostile pool=2
return { main = function(kind)
  if kind == "deep" then local t = {} for i = 1, 300 do t = { t } end return t end
  if kind == "cyclic" then local t = {} t.t = t return t end
  if kind == "wide" then local t = { 1 } for i = 1, 60 do t = { t, t } end return t end
  if kind == "function" then return print end
  if kind == "handle" then return channel.new() end
  if kind == "error" then return nil, errors.new({ message = "m", details = { { {} } } }) end
  return 0 / 0
end }

--# return-to-host-hostile: results that the host would have to encode for ever
--@ deadline=4
local t = { 1 }
for i = 1, 100 do t = { t, t } end
return t

--# return-deep-to-host: a result that is nested too deep to leave
local t = {}
for i = 1, 1000 do t = { t } end
return t

--# pcall-of-anything: pcall and xpcall on values that cannot be called
for _, v in ipairs { 1, "x", {}, channel.new(), coroutine.running(), string } do
  refused(pcall(pcall, v) and v)
  pcall(v)
  xpcall(v, print)
  xpcall(v, v)
end
pcall()
pcall(pcall)
pcall(xpcall)
pcall(error)
