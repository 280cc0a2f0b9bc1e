--- name: heap
local Heap = {}
Heap.__index = Heap

function Heap.new(before)
  return setmetatable({items = {}, before = before or function(a, b) return a < b end}, Heap)
end

function Heap:push(item)
  local items = self.items
  local at = #items + 1
  items[at] = item
  while at > 1 do
    local parent = at // 2
    if not self.before(items[at], items[parent]) then break end
    items[at], items[parent] = items[parent], items[at]
    at = parent
  end
end

function Heap:pop()
  local items = self.items
  local top = items[1]
  local last = table.remove(items)
  if #items == 0 or top == nil then return top end
  items[1] = last
  local at = 1
  while true do
    local child = at * 2
    if child > #items then break end
    if child < #items and self.before(items[child + 1], items[child]) then child = child + 1 end
    if not self.before(items[child], items[at]) then break end
    items[child], items[at] = items[at], items[child]
    at = child
  end
  return top
end

return Heap
--- name: queue
type Queue = {first: integer, last: integer, items: {[integer]: any}}
local M = {}
function M.new(): Queue return {first = 1, last = 0, items = {}} end
function M.push(q: Queue, value)
  q.last = q.last + 1
  q.items[q.last] = value
end
function M.pop(q: Queue): any
  if q.first > q.last then return nil end
  local value = q.items[q.first]
  q.items[q.first] = nil
  q.first = q.first + 1
  return value
end
return M
--- name: stack machine
local OPS = {
  ["+"] = function(a, b) return a + b end,
  ["-"] = function(a, b) return a - b end,
  ["*"] = function(a, b) return a * b end,
  ["/"] = function(a, b) return a / b end,
}
local function evaluate(text: string): (number?, error?)
  local stack: {number} = {}
  for word in text:gmatch("%S+") do
    local op = OPS[word]
    if op then
      local b, a = table.remove(stack), table.remove(stack)
      if not a or not b then return nil, errors.new("too few operands for " .. word) end
      table.insert(stack, op(a, b))
    else
      table.insert(stack, tonumber(word) or 0)
    end
  end
  return stack[#stack]
end
return evaluate("3 4 + 2 *")
--- name: trie
local function new_node() return {children = {}, final = false} end
local Trie = {}
Trie.__index = Trie
function Trie.new() return setmetatable({root = new_node(), size = 0}, Trie) end
function Trie:add(word: string)
  local node = self.root
  for letter in word:gmatch(".") do
    node.children[letter] = node.children[letter] or new_node()
    node = node.children[letter]
  end
  if not node.final then self.size = self.size + 1 end
  node.final = true
end
function Trie:starting_with(prefix: string): {string}
  local node = self.root
  for i = 1, #prefix do
    node = node.children[prefix:sub(i, i)]
    if not node then return {} end
  end
  local found = {}
  local function walk(at, text)
    if at.final then found[#found + 1] = text end
    for letter, child in pairs(at.children) do walk(child, text .. letter) end
  end
  walk(node, prefix)
  table.sort(found)
  return found
end
return Trie
--- name: linked list
local List = {}
List.__index = List
List.__len = function(self) return self.size end
List.__tostring = function(self)
  local parts = {}
  for v in self:each() do parts[#parts + 1] = tostring(v) end
  return "(" .. table.concat(parts, " ") .. ")"
end
function List.of(...)
  local list = setmetatable({size = 0}, List)
  for i = select("#", ...), 1, -1 do list:prepend((select(i, ...))) end
  return list
end
function List:prepend(value)
  self.head = {value = value, rest = self.head}
  self.size = self.size + 1
end
function List:each()
  local at = self.head
  return function()
    if not at then return nil end
    local value = at.value
    at = at.rest
    return value
  end
end
return tostring(List.of(1, 2, 3)), #List.of()
--- name: set algebra
local Set = {}
Set.__index = Set
local function of(list)
  local set = setmetatable({}, Set)
  for _, v in ipairs(list) do set[v] = true end
  return set
end
function Set.__add(a, b)
  local out = of({})
  for v in pairs(a) do out[v] = true end
  for v in pairs(b) do out[v] = true end
  return out
end
function Set.__mul(a, b)
  local out = of({})
  for v in pairs(a) do out[v] = b[v] end
  return out
end
Set.__le = function(a, b)
  for v in pairs(a) do if not b[v] then return false end end
  return true
end
Set.__eq = function(a, b) return a <= b and b <= a end
return of({1, 2}) + of({3}) == of({3, 2, 1}), of({1}) * of({2})
--- name: vector with operators
type Vec = {x: number, y: number}
local V = {}
V.__index = V
local function vec(x: number, y: number): Vec return setmetatable({x = x, y = y}, V) end
V.__add = function(a, b) return vec(a.x + b.x, a.y + b.y) end
V.__sub = function(a, b) return vec(a.x - b.x, a.y - b.y) end
V.__unm = function(a) return vec(-a.x, -a.y) end
V.__mul = function(a, k) return type(a) == "number" and vec(a * k.x, a * k.y) or vec(a.x * k, a.y * k) end
V.__call = function(a, name) return a[name] end
V.__concat = function(a, b) return tostring(a) .. tostring(b) end
V.__tostring = function(a) return ("(%g, %g)"):format(a.x, a.y) end
V.__lt = function(a, b) return a.x < b.x end
return (2 * vec(1, 2) + -vec(0, 1))("y"), vec(1, 1) .. "", vec(0, 0) < vec(1, 0)
--- name: matrix
local function identity(n: integer)
  local m = {}
  for i = 1, n do
    m[i] = {}
    for j = 1, n do m[i][j] = i == j and 1 or 0 end
  end
  return m
end
local function multiply(a: {{number}}, b: {{number}}): {{number}}
  assert(#a[1] == #b, "sizes do not fit")
  local c = {}
  for i = 1, #a do
    c[i] = {}
    for j = 1, #b[1] do
      local sum = 0
      for k = 1, #b do sum = sum + a[i][k] * b[k][j] end
      c[i][j] = sum
    end
  end
  return c
end
local function power(m, n: integer)
  if n == 0 then return identity(#m) end
  local half = power(m, n // 2)
  local square = multiply(half, half)
  return n % 2 == 0 and square or multiply(square, m)
end
return power({{1, 1}, {1, 0}}, 30)[1][2]
--- name: quicksort
local function quicksort(list, low, high)
  low, high = low or 1, high or #list
  while low < high do
    local pivot, i = list[high], low
    for j = low, high - 1 do
      if list[j] < pivot then
        list[i], list[j] = list[j], list[i]
        i = i + 1
      end
    end
    list[i], list[high] = list[high], list[i]
    if i - low < high - i then
      quicksort(list, low, i - 1)
      low = i + 1
    else
      quicksort(list, i + 1, high)
      high = i - 1
    end
  end
  return list
end
return quicksort({5, 2, 9, 1})
--- name: merge sort
local function merge(a, b)
  local out, i, j = table.create(#a + #b, 0), 1, 1
  while i <= #a or j <= #b do
    if j > #b or (i <= #a and a[i] <= b[j]) then
      out[#out + 1] = a[i]
      i = i + 1
    else
      out[#out + 1] = b[j]
      j = j + 1
    end
  end
  return out
end
local function sort(list)
  if #list <= 1 then return list end
  local middle = #list // 2
  local left, right = {}, {}
  for i, v in ipairs(list) do table.insert(i <= middle and left or right, v) end
  return merge(sort(left), sort(right))
end
return sort({"pear", "apple", "fig"})
--- name: binary search
local function lower_bound(list: {number}, wanted: number): integer
  local low, high = 1, #list + 1
  while low < high do
    local middle = (low + high) >> 1
    if list[middle] < wanted then low = middle + 1 else high = middle end
  end
  return low
end
return lower_bound({1, 3, 5, 7}, 4)
--- name: union find
local parent: {[any]: any} = {}
local function find(x)
  if parent[x] == nil then parent[x] = x end
  while parent[x] ~= x do
    parent[x] = parent[parent[x]]
    x = parent[x]
  end
  return x
end
local function join(a, b) parent[find(a)] = find(b) end
join("a", "b")
join("c", "b")
return find("a") == find("c"), find("d") == "d"
--- name: breadth first search
type Graph = {[string]: {string}}
local function shortest(graph: Graph, from: string, to: string): {string}?
  local came: {[string]: string} = {[from] = from}
  local queue = {from}
  for _, at in ipairs(queue) do
    if at == to then
      local path = {}
      while at ~= from do
        table.insert(path, 1, at)
        at = came[at]
      end
      table.insert(path, 1, from)
      return path
    end
    for _, neighbour in ipairs(graph[at] or {}) do
      if not came[neighbour] then
        came[neighbour] = at
        queue[#queue + 1] = neighbour
      end
    end
  end
  return nil
end
return shortest({a = {"b", "c"}, b = {"d"}, c = {}, d = {}}, "a", "d")
--- name: topological order
local function order(needs: {[string]: {string}}): ({string}?, error?)
  local done, out = {}, {}
  local function visit(name)
    if done[name] == true then return end
    if done[name] == "busy" then error(errors.new({message = "cycle at " .. name, kind = errors.CONFLICT})) end
    done[name] = "busy"
    local inner = needs[name] or {}
    for i = 1, #inner do visit(inner[i]) end
    done[name] = true
    out[#out + 1] = name
  end
  local ok, err = pcall(function() for name in pairs(needs) do visit(name) end end)
  if not ok then return nil, err end
  return out
end
return order({app = {"db", "log"}, db = {"log"}})
--- name: dijkstra
local function distances(edges, start)
  local best, done = {[start] = 0}, {}
  while true do
    local nearest = nil
    for node, distance in pairs(best) do
      if not done[node] and (nearest == nil or distance < best[nearest]) then nearest = node end
    end
    if nearest == nil then return best end
    done[nearest] = true
    for node, cost in pairs(edges[nearest] or {}) do
      best[node] = math.min(best[node] or math.huge, best[nearest] + cost)
    end
  end
end
return distances({a = {b = 4, c = 1}, c = {b = 2}}, "a").b
--- name: lru cache
local Lru = {}
Lru.__index = Lru
function Lru.new(capacity: integer)
  local head, tail = {}, {}
  head.next, tail.previous = tail, head
  return setmetatable({capacity = capacity, size = 0, nodes = {}, head = head, tail = tail}, Lru)
end
local function unlink(node) node.previous.next, node.next.previous = node.next, node.previous end
function Lru:front(node)
  node.previous, node.next = self.head, self.head.next
  node.previous.next, node.next.previous = node, node
end
function Lru:get(key)
  local node = self.nodes[key]
  if not node then return nil end
  unlink(node)
  self:front(node)
  return node.value
end
function Lru:put(key, value)
  if self:get(key) ~= nil then
    self.nodes[key].value = value
    return
  end
  if self.size == self.capacity then
    local oldest = self.tail.previous
    unlink(oldest)
    self.nodes[oldest.key] = nil
  else
    self.size = self.size + 1
  end
  local node = {key = key, value = value}
  self.nodes[key] = node
  self:front(node)
end
return Lru
--- name: ring buffer
local function ring(size: integer)
  local slots, written = table.create(size, 0), 0
  local self = {}
  function self.add(value)
    slots[written % size + 1] = value
    written = written + 1
  end
  function self.recent(): {any}
    local out = {}
    for i = math.max(written - size, 0), written - 1 do out[#out + 1] = slots[i % size + 1] end
    return out
  end
  return self
end
return ring
--- name: bloom filter | modules: hash
local hash = require("hash")
local function positions(text: string, bits: integer)
  local digest = hash.sha256(text, true)
  local a, b, c = digest:byte(1), digest:byte(2), digest:byte(3)
  return {(a * 256 + b) % bits, (b * 256 + c) % bits}
end
local words: {[integer]: integer} = {}
local function mark(at) words[at // 32] = (words[at // 32] or 0) | (1 << (at % 32)) end
local function marked(at) return ((words[at // 32] or 0) & (1 << (at % 32))) ~= 0 end
for _, at in ipairs(positions("ada", 1024)) do mark(at) end
local all = true
for _, at in ipairs(positions("bob", 1024)) do all = all and marked(at) end
return all
--- name: ordered map
local Ordered = {}
Ordered.__index = function(self, key) return rawget(self, "_values")[key] end
Ordered.__newindex = function(self, key, value)
  local values, keys = rawget(self, "_values"), rawget(self, "_keys")
  if values[key] == nil then keys[#keys + 1] = key end
  values[key] = value
end
local function each(map)
  local i = 0
  return function()
    i = i + 1
    local key = rawget(map, "_keys")[i]
    if key ~= nil then return key, rawget(map, "_values")[key] end
  end
end
local map = setmetatable({_values = {}, _keys = {}}, Ordered)
map.z, map.a = 1, 2
local shown = {}
for key, value in each(map) do shown[#shown + 1] = key .. "=" .. value end
return shown
--- name: binary tree iterator
local function insert(tree, value)
  if not tree then return {value = value} end
  local side = value < tree.value and "left" or "right"
  tree[side] = insert(tree[side], value)
  return tree
end
local function in_order(tree)
  if tree then
    in_order(tree.left)
    coroutine.yield(tree.value)
    in_order(tree.right)
  end
end
local root
for _, v in ipairs({5, 1, 8, 3}) do root = insert(root, v) end
local sorted = {}
for v in coroutine.wrap(function() in_order(root) end) do sorted[#sorted + 1] = v end
return sorted
--- name: interval merge
type Interval = {from: integer, to: integer}
local function merge(list: {Interval}): {Interval}
  table.sort(list, function(a, b) return a.from < b.from end)
  local out: {Interval} = {}
  for _, interval in ipairs(list) do
    local last = out[#out]
    if last and interval.from <= last.to then
      last.to = math.max(last.to, interval.to)
    else
      out[#out + 1] = {from = interval.from, to = interval.to}
    end
  end
  return out
end
return merge({{from = 5, to = 7}, {from = 1, to = 3}, {from = 2, to = 4}})
--- name: memoized edit distance
local function distance(a: string, b: string): integer
  local memo = {}
  local function go(i, j)
    if i == 0 or j == 0 then return i + j end
    local key = i * 4096 + j
    local known = memo[key]
    if known then return known end
    local cost = a:byte(i) == b:byte(j) and 0 or 1
    known = math.min(go(i - 1, j) + 1, go(i, j - 1) + 1, go(i - 1, j - 1) + cost)
    memo[key] = known
    return known
  end
  return go(#a, #b)
end
return distance("kitten", "sitting")
--- name: sparse grid
local grid = setmetatable({}, {__index = function(t, row)
  local made = setmetatable({}, {__index = function() return "." end})
  rawset(t, row, made)
  return made
end})
grid[3][5] = "#"
local lines = {}
for y = 1, 4 do
  local line = {}
  for x = 1, 6 do line[x] = grid[y][x] end
  lines[y] = table.concat(line)
end
return table.concat(lines, "\n")
--- name: game of life
local function step(alive: {[string]: boolean}): {[string]: boolean}
  local counts: {[string]: integer} = {}
  for cell in pairs(alive) do
    local x, y = cell:match("^(-?%d+),(-?%d+)$")
    for dx = -1, 1 do
      for dy = -1, 1 do
        if dx == 0 and dy == 0 then goto continue end
        do
          local key = (x + dx) .. "," .. (y + dy)
          counts[key] = (counts[key] or 0) + 1
        end
        ::continue::
      end
    end
  end
  local after = {}
  for cell, n in pairs(counts) do
    if n == 3 or (n == 2 and alive[cell]) then after[cell] = true end
  end
  return after
end
return step({["0,0"] = true, ["1,0"] = true, ["2,0"] = true})
