--- name: empty return
return
--- name: semicolons
;;; local a = 1; local b = 2;
return a + b;
--- name: number forms
local decimal, float, exponent = 42, 3.25, 6.02e23
local small, big = 1e-9, 12345678901234567890
local hex, upper = 0xff, 0XBEEF
local no_head, no_tail = .5, 5.
return {decimal, float, exponent, small, big, hex, upper, no_head, no_tail, 0, 1E+3}
--- name: string forms
local escapes = "\a\b\f\n\r\t\v\\\"\'"
local decimal = "\65\066\0"
local hex = "\x00\xff"
local continued = "one \
two"
local raw = [[
first newline is dropped]]
local nested = [==[ ]] ]=] ]==]
return escapes .. decimal .. hex .. continued .. raw .. nested .. 'its' .. "it's"
--- name: string call forms
local function tag(text) return "<" .. text .. ">" end
local function count(t) return #t end
return tag"b" .. tag[[i]] .. tag'u' .. count{1, 2, 3}
--- name: comments
-- one line
--[[ several
lines ]]
--[==[ with ]] inside ]==]
---@param x number
---@return number
local function identity(x) return x end --[[ tail ]]
return identity( --[[ inline ]] 1)
--- name: label or cast
type Celsius = number
local readings = {21.5, 19}
local first = readings[1] :: Celsius
local second = (readings[2] :: any) :: number
::again::
first = first - 1
if first > second then goto again end
return first
--- name: type as a name
local type_of = type
local record = {type = "circle", radius = 2}
local type = record.type
record.type = type_of(record)
function record:type_name() return self.type .. type end
return record:type_name()
--- name: statement called type
local type = function(v) return v end
type(1)
type "text"
type {1}
return type
--- name: type words as members
local cell = {as = 1, is = 2, readonly = true, interface = "x", asserts = false, keyof = 3, extends = 4, type = "t"}
function cell.interface_of() return cell.interface end
function cell:readonly() return self.as end
local value = cell.is + cell.as
cell.type = "u"
return value, cell.asserts, cell:readonly(), cell.type
--- name: record with type word fields
type Node = {type: string, readonly: boolean, as: number?, is: string, interface: any, keyof: string, extends: {Node}}
local leaf: Node = {type = "leaf", readonly = true, is = "x", interface = 1, keyof = "k", extends = {}}
return leaf
--- name: goto continue
local kept = {}
for _, word in ipairs({"apple", "", "pear", "#note"}) do
  if word == "" then goto continue end
  if word:sub(1, 1) == "#" then goto continue end
  kept[#kept + 1] = word
  ::continue::
end
return kept
--- name: nested loops with labels
for row = 1, 9 do
  for column = 1, 9 do
    if row * column == 42 then goto found end
    if column > row then goto next_row end
  end
  ::next_row::
end
do return nil end
::found::
return "found"
--- name: break in the middle
local n = 0
while true do
  n = n + 1
  if n > 10 then break; end
end
repeat
  local done = n < 5
  n = n - 1
until done
return n
--- name: numeric loops
local down, stepped = {}, {}
for i = 10, 1, -3 do down[#down + 1] = i end
for x = 0, 1, 0.25 do stepped[#stepped + 1] = x end
for _ = 1, 0 do error("never") end
return down, stepped
--- name: method chains
local Query = {}
Query.__index = Query
function Query.new() return setmetatable({parts = {}}, Query) end
function Query:where(text) table.insert(self.parts, text) return self end
function Query:build() return table.concat(self.parts, " AND ") end
return Query.new()
  :where("a = 1")
  :where "b = 2"
  :where [[c = 3]]
  :build()
--- name: multiple assignment
local a, b, c = 1, 2
a, b = b, a
local t = {}
t.x, t["y"], t[1] = a, b, c
local function pair() return 1, 2 end
local first, second, third = 0, pair()
t.x, first = first, t.x
return t, second, third
--- name: varargs
local function count(...) return select("#", ...) end
local function tail(_, ...) return ... end
local function pack(...) return {n = select("#", ...), ...} end
local function sum(...)
  local total = 0
  for _, v in ipairs({...}) do total = total + v end
  return total
end
return count(nil, nil), (tail(1, 2, 3)), pack(1, nil).n, sum(unpack({1, 2, 3}))
--- name: typed varargs
local function join(separator: string, ...: string): string
  return table.concat({...}, separator)
end
type Joiner = (string, ...string) -> string
local joiner: Joiner = join
return joiner(", ", "a", "b")
--- name: table constructors
local mixed = {1, 2; 3, x = 1, ["y z"] = 2, [10] = "ten", [true] = false, {nested = {}}, }
local calls = {string.byte("abc", 1, 3), (string.byte("abc", 1, 3))}
local functions = {
  add = function(a, b) return a + b end,
  ["neg"] = function(a) return -a end,
}
return mixed, calls, functions
--- name: operator precedence
local a, b, c = 2, 3, 4
local values = {
  a + b * c ^ 2, -a ^ 2, not a == b, a .. b .. c, a < b and b < c or false,
  a // b, a % b, a & b | c ~ 1, ~a, a << 2 >> 1, #"abc" + 1, -(-a), not not a,
}
return values, 2 ^ 3 ^ 2, "1" + 1
--- name: comparison chain
local function compare(a: number, b: number): integer
  if a < b then return -1
  elseif a > b then return 1
  elseif a ~= b then return 2
  else return 0 end
end
return compare(1, 2) <= compare(2, 1), compare(3, 3) >= 0
--- name: function statements
local app = {ui = {menu = {}}}
function app.start() return "started" end
function app.ui.menu.open(name) return name end
function app.ui.menu:close(force: boolean): string return force and "killed" or tostring(self) end
return app
--- name: local function recursion
local function fib(n: integer): integer
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end
local even, odd
function even(n) return n == 0 or odd(n - 1) end
function odd(n) return n ~= 0 and even(n - 1) end
return fib(10), even(8)
--- name: counter closures
local function counter(start: integer, step: integer?)
  local current = start
  local by = step or 1
  return function(): integer
    current = current + by
    return current
  end, function() current = start end
end
local next_value, reset = counter(0, 5)
next_value()
reset()
return next_value()
--- name: closures of a loop
local makers = {}
for i = 1, 3 do
  local double = i * 2
  makers[i] = function(offset) return double + offset, i end
end
return makers[1](1), makers[3](0)
--- name: immediately called
return (function(a, b)
  return (function(...) return select("#", ...) end)(a, b, nil)
end)(1, 2)
--- name: parenthesised call is one value
local function two() return 1, 2 end
local list = {(two())}
local both = {two(), two()}
return #list, #both, (two())
--- name: scopes
local x = "outer"
do
  local y = "inner"
  x = x .. y
end
while #x < 20 do
  local pad = "."
  x = x .. pad
end
return x
--- name: long if
local function season(month: integer): string?
  if month == 12 or month <= 2 then return "winter"
  elseif month <= 5 then return "spring"
  elseif month <= 8 then return "summer"
  elseif month <= 11 then return "autumn"
  end
  return nil
end
return season(7)
--- name: casts everywhere
type Point = {x: number, y: number}
local raw = {x = 1, y = 2} :: any
local point = raw as Point
local sum = point.x + (raw.y as number)
local negative = -sum :: number
local list = {raw as Point, (raw :: Point)}
local name = (raw.name as string?) or "none"
local text = tostring(sum as number | string)
return point, negative, list, name, text
--- name: non nil assertion
local function find(t: {[string]: integer}, key: string): integer? return t[key] end
local found = find({a = 1}, "a")!
local length = #(tostring(found)!)
return found + length
--- name: cast of call keeps values
local function open(path): (any, string?)
  if path == "" then return nil, "no path" end
  return {path = path}
end
local file, err = open("x") :: any
if err then error(err) end
return file.path
--- name: global table
_G.answer = 42
_G["question"] = "six by nine"
local saved = rawget(_G, "answer")
rawset(_G, "answer", nil)
return saved, _VERSION
--- name: crlf and tabs
	local a	=	1
	return	a
--- name: block with nothing but a comment
do
  -- on purpose
end
local function nothing() end
return nothing
--- name: upvalue written from inside
local hits, misses = 0, 0
local function record(hit: boolean)
  if hit then hits = hits + 1 else misses = misses + 1 end
end
record(true)
record(false)
return hits / (hits + misses)
--- name: shadowing on purpose
local value = 1
local function scaled(factor)
  local value = value * factor
  return value
end
return scaled(value)
--- name: index expressions
local grid = {{1, 2}, {3, 4}}
local key = {}
local map = {[key] = "by identity", a = {b = {c = {d = 1}}}}
map.a.b["c"].d = grid[1][2] + grid[#grid][1]
map[key], map[grid[1][1]] = nil, "one"
return map.a.b.c.d, ("text"):upper(), ({1, 2, 3})[2], #grid[1]
--- name: unary on calls
local function size() return 3 end
return -size(), not size(), #tostring(size()), ~size(), - - size()
