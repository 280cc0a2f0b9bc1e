--# python-objects: hostile arguments to every function of every module
--@ modules=json,base64,hash,uuid,logger,time,funcs,events deadline=8
local values = { false, true, 0, -1, 1.5, 0 / 0, 1 / 0, -1 / 0, math.maxinteger, math.mininteger, 2 ^ 63, 1e308, "", "x", "\0", "\255\254\253", "\237\160\128",
  ("x"):rep(10000), {}, { 1 }, { a = 1 }, { [1.5] = 1 }, { [true] = 1 }, { [{}] = 1 }, { { { {} } } }, print, coroutine.running(), channel.new(),
  errors.new("e"), payload.new(1), string, table.freeze({}), setmetatable({}, { __index = error, __len = error, __tostring = error }) }
local function attack(module, path)
  for name, f in pairs(module) do
    if type(f) == "table" then
      attack(f, path .. name .. ".")
    elseif type(f) == "function" and name ~= "sleep" and name ~= "exec" then
      for _, v in ipairs(values) do
        for _, r in ipairs { { pcall(f, v) }, { pcall(f, v, v) }, { pcall(f, "x", v) }, { pcall(f, "x", "y", v) }, { pcall(f, nil, v) } } do
          for i = 2, 4 do clean(r[i], path .. name) end
        end
      end
      clean({ pcall(f) }, path .. name)
    end
  end
end
for _, name in ipairs { "json", "base64", "hash", "uuid", "logger", "time", "errors", "payload", "os" } do
  attack(name == "errors" and errors or name == "payload" and payload or name == "os" and os or require(name), name .. ".")
end

--# python-attributes: attributes of whatever a module gives
--@ modules=json,base64,hash,uuid,logger,time,funcs
for _, v in ipairs { time.now(), require("uuid").v4 and require("uuid").v4() or "x", require("json").decode('{"a":[1,null,{"b":2}]}'), require("logger"),
  select(2, require("json").decode("{")), select(2, pcall(require("hash").sha256, {})), require("base64").encode("x") } do
  for _, name in ipairs { "__class__", "__dict__", "__globals__", "__traceback__", "__init__", "args", "tb_frame", "f_globals", "mro", "decode", "encode" } do
    local ok, x = pcall(function() return v[name] end)
    if ok and x ~= nil and type(v) ~= "string" then breach(name) end
  end
  clean(v, "module value")
end

--# host-names: spawn, call and look up with text that is no text
for _, id in ipairs { "\255\254", "\237\160\128:x", "t:\0", ("x"):rep(100000) .. ":y", ":", "t:", ":x", "", "t:attack:x", "../x:y", "t:__class__" } do
  for _, f in ipairs { process.spawn, process.spawn_monitored, process.spawn_linked, process.exec } do
    local ok, a, b = pcall(f, id, "t:host")
    clean({ a, b }, "spawn")
    ok, a, b = pcall(f, "t:attack", id)
    clean({ a, b }, "spawn")
  end
  local ok, a, b = pcall(funcs.call, id)
  clean({ a, b }, "call")
  ok, a, b = pcall(funcs.async, id)
end

--# case-mapping: upper and lower of broken text
for _, s in ipairs { "\255", "\237\160\128", "\192\128", "\240\159\152\128", "stra\195\159e", ("\195\159"):rep(100000), "\0\255\0" } do
  clean(s:upper(), "upper")
  clean(s:lower(), "lower")
end

--# date-formats: os.date and os.time with odd arguments
for _, f in ipairs { "%", "%E", "%Ex", "%O", "%Od", "%q", "%%", "!%c", "*t", "!*t", "*tx", ("%c"):rep(1000), "%\0", "\255", "!", "%5d", "%-d", "%N", "%s" } do
  for _, at in ipairs { 0, -1, 1e300, -1e300, 0 / 0, math.maxinteger, math.mininteger, 1e12, 67768036191676799 } do
    local ok, v = pcall(os.date, f, at)
    clean(v, "date")
  end
end
for _, t in ipairs { {}, { year = 1e300 }, { year = math.maxinteger }, { year = 0 / 0 }, { month = "x" }, { day = {} }, { year = 2024, month = 1e9, day = -1e9 },
  setmetatable({}, { __index = function() return 1 end }) } do
  local ok, v = pcall(os.time, t)
  clean(v, "time")
end
pcall(os.difftime, {}, {})
pcall(os.difftime)

--# numbers-in-text: tonumber, tostring and math with odd values
for _, v in ipairs { 0 / 0, 1 / 0, -1 / 0, 2 ^ 53, 2 ^ 63, -2 ^ 63, 1e308, 5e-324, math.mininteger, math.maxinteger, "0x", "1e", "0x1p", " 1 ", "1_0", "\0", "nan", "inf", {}, print } do
  for name, f in pairs(math) do
    if type(f) == "function" then
      pcall(f, v)
      pcall(f, v, v)
      pcall(f, 1, v)
    end
  end
  pcall(tonumber, v)
  for _, base in ipairs { 0, 1, 2, 36, 37, 1e300, -1, 0 / 0, "x", {} } do pcall(tonumber, v, base) end
  clean(tostring(v), "tostring")
end
for _, r in ipairs { { 0, math.maxinteger }, { math.mininteger, math.maxinteger }, { 1, 0 }, { 0 / 0, 1 }, { 1e300, 1e301 } } do pcall(math.random, r[1], r[2]) end

--# wide-to-host: a graph of 2^100 paths handed to the host
--@ modules=json,logger,funcs,time spins
local t = { 1 }
for i = 1, 100 do t = { t, t } end
pcall(require("json").encode, t)

--# cyclic-to-host: cycles handed to everything that leaves the shard
--@ modules=json,funcs,time,events deadline=4
local t = {}
t.a, t.b = t, t
local ok, text = pcall(require("json").encode, t)
events.send("sys", "k", "/p", t)
local s = process.with_context({ t = t })
s:spawn("t:child", "t:host", t)
return t
--+ child
return { main = function() end }

--# options-tables: options of every function that takes some
for _, o in ipairs { {}, { 1 }, { trap_links = 1 }, { upgradable = "x" }, { [{}] = true }, { [print] = true }, { x = true }, 1, "x", channel.new(), string } do
  pcall(process.set_options, o)
  pcall(process.with_options, o)
  pcall(process.with_context, o)
  pcall(process.listen, "topic", o)
  local e = funcs.new()
  pcall(e.with_options, e, o)
  pcall(e.with_context, e, o)
end
local e = funcs.new():with_options({ timeout = 1e300 })
pcall(e.call, e, "t:nothing")
for _, timeout in ipairs { 0 / 0, -1, 1e300, "x", "1h", {}, math.maxinteger } do
  local e = funcs.new():with_options({ timeout = timeout })
  pcall(e.call, e, "t:nothing")
end

--# identity: identity of another process through contexts
local ctx = require("ctx")
clean(ctx.all(), "ctx")
local s = process.with_context({ identity = 0, open = true, values = { a = 1 } })
s:spawn("t:child", "t:host")
time.sleep("5ms")
--+ child modules=ctx,time
return { main = function()
  local all = require("ctx").all()
  if all.open ~= true or all.values.a ~= 1 then print("BREACH context keys have a meaning") end
end }

--# durations: sleeping for odd durations
for _, d in ipairs { -1, 0, 0 / 0, "x", "", "-1h", "1e9h", "99999999999999h", {}, print, "0", ("9"):rep(300) .. "s", "1ms" } do
  pcall(time.sleep, d)
  pcall(time.parse_duration, d)
end
for _, d in ipairs { 1e300, 1 / 0, math.maxinteger } do
  pcall(time.after, d)
  pcall(time.timer, d)
  pcall(time.ticker, d)
end
local t = time.ticker(1)
time.sleep("5ms")
t:stop()
