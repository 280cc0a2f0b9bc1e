--# huge-strings: string functions with huge counts
refused(string.rep, "x", 1e15)
refused(string.rep, "x", math.maxinteger)
refused(string.rep, "x", 1e9, "y")
refused(string.rep, ("x"):rep(1000), 1e9)
pcall(string.rep, "x", 0 / 0)
pcall(string.rep, "x", -1)

--# empty-rep: repeating nothing for ever
--@ deadline=2
pcall(string.rep, "", 1e18)
pcall(string.rep, "", math.maxinteger, "")
pcall(string.rep, "", 1e15, "")

--# format-widths: format with huge widths and odd conversions
for _, f in ipairs { "%1000d", "%.1000f", "%99999999999s", "%" .. ("0"):rep(1000) .. "d", "%-+ #0d", "%*d", "%", "%z", "%5%", "%n", "%l", "%hhd",
  "%99.99f", "%99s", "%.99s", "%c%c%c", "%p", "%q", "%5q", "%i", "%a" } do
  pcall(string.format, f, 1)
  pcall(string.format, f, "x")
  pcall(string.format, f, {})
  pcall(string.format, f)
end
pcall(string.format, "%99.99f", 1e308)
pcall(string.format, "%d", 2 ^ 70)
pcall(string.format, "%d", 0 / 0)

--# format-total: a long template of long values
--@ deadline=4
local s = ("x"):rep(16 * 1024 * 1024)
pcall(string.format, ("%s"):rep(200), s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s)

--# gsub-total: a replacement that grows without bound
--@ deadline=6
local s = ("x"):rep(100000)
pcall(string.gsub, s, "x", s)
pcall(string.gsub, s, "x", function() return s end)
pcall(string.gsub, s, "", s)
pcall(string.gsub, s, ".", { x = s })

--# pack-sizes: sizes in string.pack formats
--@ deadline=3
for _, f in ipairs { "c2147483647", "c999999999", "c99999999999999999999", "!16" .. ("i16"):rep(2000), ("x"):rep(5000), "s16", "i17", "!3", "Xc100" } do
  pcall(string.pack, f, "x")
  pcall(string.packsize, f)
  pcall(string.unpack, f, "x")
end
pcall(string.pack, ("c60000000"):rep(400), unpack({ "", "", "", "" }))
pcall(string.unpack, "z", ("x"):rep(1e6))
pcall(string.unpack, "s8", "\255\255\255\255\255\255\255\127x")
pcall(string.unpack, ("B"):rep(4000), ("x"):rep(5000))
pcall(string.unpack, "<i8", "12345678", 1e18)
pcall(string.unpack, "<i8", "12345678", -1e18)

--# unpack-ranges: unpack and select with huge ranges
refused(unpack, {}, 1, 1e9)
refused(unpack, {}, 1, 1e18)
refused(unpack, {}, math.mininteger, math.maxinteger)
refused(table.unpack, {}, 0, math.maxinteger)
pcall(select, 1e18, 1)
pcall(select, -1e18, 1)
pcall(select, math.mininteger, 1)
pcall(select, 0 / 0, 1)
pcall(select, "#")
pcall(select)

--# unpack-range-metatable: a huge range of a table with a metatable
--@ deadline=2
local t = setmetatable({}, { __index = function(_, i) return i end })
pcall(unpack, t, math.mininteger, math.maxinteger)
pcall(unpack, t, 1, math.maxinteger)
pcall(unpack, t, -1, math.maxinteger)

--# byte-ranges: byte and char with huge ranges
local s = ("x"):rep(5000000)
pcall(string.byte, s, 1, -1)
pcall(string.byte, s, math.mininteger, math.maxinteger)
pcall(string.sub, s, math.mininteger, math.maxinteger)
pcall(string.sub, s, 1e300, -1e300)
pcall(string.char, 1e300, -1e300, 0 / 0, 1 / 0)

--# table-sizes: create, move and concat with huge sizes
refused(table.create, 1e15, 0)
refused(table.create, 0, 1e15)
refused(table.create, -1, 0)
refused(table.move, {}, 1, 1e15, 2)
refused(table.move, {}, math.mininteger, math.maxinteger, 2)
refused(table.move, { 1 }, 1, math.maxinteger, 2)
pcall(table.concat, {}, "x", 1, 1e15)
pcall(table.concat, {}, "x", math.mininteger, math.maxinteger)
pcall(table.create, 0 / 0, 0 / 0)
pcall(table.move, { 1, 2, 3 }, 1, 3, math.maxinteger)
pcall(table.insert, {}, math.maxinteger, 1)
pcall(table.insert, {}, math.mininteger, 1)
pcall(table.insert, {}, 0 / 0, 1)
pcall(table.remove, {}, math.maxinteger)

--# len-metamethod: a length that lies, in every function that asks for it
--@ deadline=4
for _, size in ipairs { 1e15, math.maxinteger, -1, 0 / 0, 1.5, "x", {} } do
  local function liar() return setmetatable({ 1, 2, 3 }, { __len = function() return size end }) end
  pcall(table.insert, liar(), 1)
  pcall(table.insert, liar(), 1, 1)
  pcall(table.insert, liar(), 2, 1)
  pcall(table.remove, liar())
  pcall(table.remove, liar(), 1)
  pcall(table.concat, liar())
  pcall(table.sort, liar())
  pcall(table.unpack, liar())
  pcall(unpack, liar())
  pcall(table.getn, liar())
  pcall(table.maxn, liar())
  pcall(table.freeze, liar())
  pcall(channel.select, liar())
  pcall(function() return #liar() end)
  pcall(process.send, process.pid(), "x", liar())
end

--# index-metamethods: table functions on tables that answer for every key
--@ deadline=4
local mt = { __index = function(_, k) return k end, __newindex = function() end, __len = function() return 1e6 end }
local function t() return setmetatable({}, mt) end
pcall(table.sort, t(), function() error("enough") end)
pcall(table.move, t(), 1, 2e5, 2)
pcall(table.concat, t(), ",")
pcall(table.insert, t(), 1, 1)

--# sort-hostile: comparators that lie, err, change the table or are none
local t = {}
for i = 1, 1000 do t[i] = i * 7919 % 1000 end
table.sort(t, function() return true end)
table.sort(t, function() return false end)
pcall(table.sort, t, function() error("x") end)
table.sort(t, function(a, b) t[#t + 1] = 1 return (a or 0) < (b or 0) end)
pcall(table.sort, t, function() for k in pairs(t) do t[k] = nil end return true end)
refused(table.sort, { 1, "x", {} })
refused(table.sort, { 3, 2 }, {})
pcall(table.sort, t, coroutine.wrap(function() while true do coroutine.yield(true) end end))

--# many-channels: a million channels
--@ deadline=10 memory=96 ends
local kept = {}
for i = 1, 1000000 do kept[i] = channel.new(1) end
while true do kept[#kept + 1] = channel.new(1) end

--# many-timers: a million timers
--@ deadline=10 memory=96 ends
local i = 0
while true do
  i = i + 1
  time.after("10h")
end

--# timers-of-the-dead: timers left behind by children, generation after generation
--@ deadline=12 memory=96
for i = 1, 25 do
  process.spawn_monitored("t:child", "t:host")
  process.events():receive()
end
--+ child
return { main = function() for i = 1, 20000 do time.after("10h") end end }

--# many-processes: a bomb of processes that start processes
--@ deadline=10 memory=96
process.spawn("t:bomb", "t:host")
time.sleep("300ms")
--+ bomb
return { main = function()
  while true do
    local pid, err = process.spawn("t:bomb", "t:host")
    if not pid then return end
  end
end }

--# many-subscriptions: a hundred thousand subscriptions to everything
--@ deadline=8
for i = 1, 100000 do
  if not events.subscribe("*") then break end
end
for i = 1, 20 do events.send("s", "k", "/p", { i }) end

--# growing-table: a table that takes all memory
--@ deadline=10 memory=96 ends
local t = {}
while true do t[#t + 1] = { #t } end

--# growing-string: a string that doubles
--@ deadline=8 memory=96 ends
local s = "x"
while true do s = s .. s end

--# growing-straight: growth without a single tick
--@ deadline=8 memory=96
local s = ("x"):rep(1024 * 1024)
local a = s .. s .. s .. s .. s .. s .. s .. s
local b = a .. a .. a .. a .. a .. a .. a .. a
local c = b .. b .. b .. b .. b .. b .. b .. b
local d = c .. c .. c .. c .. c .. c .. c .. c

--# growing-in-pcall: growth that pcall should not save
--@ deadline=10 memory=96 ends
while true do
  pcall(function()
    local t = {}
    while true do t[#t + 1] = ("x"):rep(10000) .. #t end
  end)
end

--# growing-steps: growth in small steps between suspensions
--@ deadline=12 memory=96 ends
local t = {}
while true do
  for i = 1, 100 do t[#t + 1] = ("x"):rep(1000) .. #t end
  coroutine.yield()
end

--# growing-garbage: garbage as fast as possible is nobody's crime
--@ deadline=1 memory=96 spins
while true do local t = { {}, {}, ("x"):rep(100) } end

--# growing-children: memory held by children, a little each
--@ deadline=12 memory=96
for i = 1, 40 do process.spawn("t:child", "t:host") end
time.sleep("500ms")
--+ child
return { main = function()
  local t = {}
  for i = 1, 4000 do t[i] = ("x"):rep(1000) .. i end
  process.inbox():receive()
end }

--# log-flood: lines without end
--@ deadline=1 spins
while true do print(("x"):rep(100)) end

--# log-huge: lines of many megabytes
--@ deadline=6 memory=128
local s = ("x"):rep(8 * 1024 * 1024)
for i = 1, 50 do print(s) end

--# log-odd: printing everything
print()
print(nil, true, 1.5, {}, print, channel.new(), coroutine.running(), setmetatable({}, { __tostring = function() return "x" end }))
pcall(print, setmetatable({}, { __tostring = function() error("x") end }))
pcall(print, setmetatable({}, { __tostring = function() return {} end }))
print("\0\255\254", ("x"):rep(10000))
