-- Lives beside the attacker in the same shard: talks to a partner without end, and finally tells whether all is as it was.
own = "mine"
local kept = { 1, 2, 3, text = "kept", deep = { deeper = { 4 } } }
local counts = { answers = 0, alive = 0, noise = 0 }
local problems = {}
local known = {}
local libraries = { string = string, table = table, math = math, coroutine = coroutine, os = os, errors = errors, channel = channel,
  payload = payload, process = process, time = time, funcs = funcs, events = events }
local functions = {}
for name, library in pairs(libraries) do
  for key, v in pairs(library) do functions[name .. "." .. key] = v end
end
for name in pairs(_G) do known[name] = true end

local function check(what, ok)
  if not ok and #problems < 20 then problems[#problems + 1] = what end
end

local function verify()
  check("own global", own == "mine" and rawget(_G, "own") == "mine")
  for name in pairs(_G) do check("strange global " .. tostring(name), known[name] or name == "own") end
  for name, library in pairs(libraries) do
    check("library " .. name, rawequal(library, _G[name]))
    for key, v in pairs(library) do check(name .. "." .. key, rawequal(functions[name .. "." .. key], v)) end
  end
  check("upper", string.upper("abc") == "ABC" and ("abc"):upper() == "ABC")
  check("format", ("%d %s"):format(1, "x") == "1 x" and ("x"):rep(3) == "xxx" and #"four" == 4)
  check("gsub", ("hello"):gsub("l", "L") == "heLLo" and ("key=value"):match("=(%w+)") == "value")
  check("sort", (function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t) end)() == "123")
  check("math", math.floor(1.5) == 1 and math.max(1, 2) == 2 and math.type(1) == "integer")
  check("types", type({}) == "table" and type(channel.new()) == "userdata" and tostring(12) == "12" and tonumber("0x10") == 16)
  check("pcall", (function() local ok, e = pcall(error, "x", 0) return not ok and e == "x" end)())
  check("metatables", getmetatable("") == false or getmetatable("") == nil)
  check("string index", ("x").evil == nil and rawget(string, "evil") == nil and ({}).evil == nil)
  check("tables", kept[3] == 3 and #kept == 3 and kept.text == "kept" and kept.deep.deeper[1] == 4)
  check("coroutines", coroutine.wrap(function() coroutine.yield(1) end)() == 1)
  check("own class", setmetatable({}, { __index = { f = 1 } }).f == 1)
  if shared then
    check("library state", shared.secret == nil and (not shared.get or shared.get() == nil))
    if shared.new then check("library class", shared.new().get() == "fine") end
  end
  local names = { process.registry.lookup("neighbour") }
  check("name", names[1] == process.pid())
end

local function data_only(v, depth)
  if type(v) == "table" and depth < 10 then
    check("metatable crossed", getmetatable(v) == nil)
    for k, x in next, v do
      data_only(k, depth + 1)
      data_only(x, depth + 1)
    end
  elseif type(v) == "function" or type(v) == "thread" then
    check("a " .. type(v) .. " crossed", false)
  elseif type(v) == "userdata" then
    check("a handle crossed", type(v.kind) == "function" and pcall(v.kind, v))
  end
end

return { main = function(partner)
  process.registry.register("neighbour")
  local inbox, events_channel = process.inbox(), process.events()
  local n = 0
  process.send(partner, "ping", { n = n, text = "t" .. n, list = { n, n + 1 } })
  while true do
    local r = channel.select { inbox:case_receive(), events_channel:case_receive() }
    local topic = r.channel == inbox and r.value:topic() or "event"
    local data = r.channel == inbox and r.value:payload() and r.value:payload().data and r.value:payload():data()
    if topic == "pong" then
      check("answer " .. n, type(data) == "table" and data.n == n and data.text == "t" .. n and #data.list == 2)
      counts.answers = counts.answers + 1
      n = n + 1
      process.send(partner, "ping", { n = n, text = "t" .. n, list = { n, n + 1 } })
      time.sleep("100us")
    elseif topic == "alive" then
      counts.alive = counts.alive + 1
    elseif topic == "report" then
      print("REPORT " .. counts.answers .. " " .. counts.alive)
    elseif topic == "inspect" then
      data_only(data, 0)
    elseif topic == "write-to" then
      for i = 1, 20 do process.send(data, "written", i) end
    elseif topic == "write-late" then
      coroutine.spawn(function()
        for i = 1, 100 do
          time.sleep("5ms")
          process.send(data, "late", i)
        end
      end)
    elseif topic == "event" then
      check("event of a stranger", false)
    elseif topic == "finish" then
      verify()
      return table.concat(problems, "; ")
    else
      counts.noise = counts.noise + 1
    end
  end
end }
