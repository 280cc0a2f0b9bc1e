-- Lua patterns as closures over anchored single-class searches: each piece is one linear C call, backtracking happens in
-- Lua, where it is charged and can be suspended. Used where the C matcher could run away (kernel notes, "Patterns").
local S = ...
local find, sub, byte = string.find, string.sub, string.byte
local raise, tonumber, remove = S.raise, tonumber, table.remove
local unpack = table.unpack

-- Splits a pattern into items {operator, class or number}.
local function parse(p, plain_anchor)
  local items, n = {}, 0
  local captures, open = 0, {}
  local at, size = 1, #p
  local anchored = byte(p, 1) == 94 and not plain_anchor
  if anchored then at = 2 end
  local function add(op, value)
    n = n + 1
    items[n] = { op, value }
  end
  while at <= size do
    local c = sub(p, at, at)
    local following = sub(p, at + 1, at + 1)
    if c == "(" then
      captures = captures + 1
      if captures > 32 then raise("too many captures") end
      if following == ")" then
        add("position", captures)
        at = at + 2
      else
        open[#open + 1] = captures
        add("open", captures)
        at = at + 1
      end
    elseif c == ")" then
      local which = remove(open)
      if not which then raise("invalid pattern capture") end
      add("close", which)
      at = at + 1
    elseif c == "$" and at == size then
      add("end")
      at = at + 1
    elseif c == "%" and following == "b" then
      if at + 3 > size then raise("malformed pattern (missing arguments to '%b')") end
      add("raw", "^" .. sub(p, at, at + 3))
      at = at + 4
    elseif c == "%" and following == "f" then
      local last = find(p, "]", at + 4, true)
      if not last then raise("malformed pattern (missing ']')") end
      add("raw", "^" .. sub(p, at, last))
      at = last + 1
    elseif c == "%" and find(following, "^%d") then
      add("back", tonumber(following))
      at = at + 2
    else
      local class
      if c == "[" then
        local last = at + 1
        if sub(p, last, last) == "^" then last = last + 1 end
        repeat
          local d = sub(p, last, last)
          if d == "" then raise("malformed pattern (missing ']')") end
          last = last + 1
          if d == "%" then last = last + 1 end
        until sub(p, last, last) == "]"
        class = sub(p, at, last)
        at = last + 1
      elseif c == "%" then
        if following == "" then raise("malformed pattern (ends with '%')") end
        class = c .. following
        at = at + 2
      else
        class = c == "." and "." or find(c, "%W") and "%" .. c or c
        at = at + 1
      end
      local quantifier = sub(p, at, at)
      if find(quantifier, "^[%*%+%-%?]") then
        add(quantifier, class)
        at = at + 1
      else
        add("one", class)
      end
    end
  end
  if #open > 0 then raise("unfinished capture") end
  return items, captures, anchored
end

-- A C call may read so many bytes times the length of a class before the slice is looked at.
local STEP = 200000

-- Where the class `class` is met next; nil when it is not.
local function skipper(class)
  local window = STEP // #class + 1
  local charge = S.charge
  return function(s, i)
    while #s - i > window do
      local at = find(sub(s, i, i + window - 1), class)
      if at then return i + at - 1 end
      i = i + window
      charge(STEP)
    end
    return find(s, class, i)
  end
end

-- The last of the characters from `i` that `class` matches without a gap; i - 1 when the first does not.
local function runner(class)
  local p, window = "^" .. class .. "*", STEP // #class + 1
  local charge = S.charge
  return function(s, i)
    while #s - i > window do
      local _, last = find(sub(s, i, i + window - 1), p)
      if last < window then return i + last - 1 end
      i = i + window
      charge(STEP)
    end
    local _, last = find(s, p, i)
    return last or i - 1
  end
end

local build = {}

function build.one(next_item, class)
  local p = "^" .. class
  return function(s, i)
    if find(s, p, i) and i <= #s then return next_item(s, i + 1) end
  end
end

function build.raw(next_item, p)
  local opening, charge = byte(p, 4), S.charge
  local balanced = sub(p, 1, 3) == "^%b"
  return function(s, i)
    local _, last = find(s, p, i)
    if balanced and byte(s, i) == opening then charge((last or #s) - i) end
    if last then return next_item(s, last + 1) end
  end
end

local function greedy(least)
  return function(next_item, class)
    local run, charge = runner(class), S.charge
    return function(s, i)
      local last = run(s, i)
      for j = last + 1, i + least, -1 do
        local r = next_item(s, j)
        if r then return r end
        charge(200)
      end
    end
  end
end
build["*"], build["+"] = greedy(0), greedy(1)

build["-"] = function(next_item, class)
  local p = "^" .. class
  local charge = S.charge
  return function(s, i)
    while true do
      local r = next_item(s, i)
      if r then return r end
      charge(200)
      if i > #s or not find(s, p, i) then return nil end
      i = i + 1
    end
  end
end

build["?"] = function(next_item, class)
  local p = "^" .. class
  local charge = S.charge
  return function(s, i)
    if i <= #s and find(s, p, i) then
      local r = next_item(s, i + 1)
      if r then return r end
    end
    charge(200)
    return next_item(s, i)
  end
end

build["end"] = function(next_item)
  return function(s, i)
    if i == #s + 1 then return next_item(s, i) end
  end
end

local function capturing(first, last)
  function build.open(next_item, k)
    return function(s, i)
      local old = first[k]
      first[k], last[k] = i, nil
      local r = next_item(s, i)
      if not r then first[k] = old end
      return r
    end
  end
  function build.close(next_item, k)
    return function(s, i)
      local old = last[k]
      last[k] = i - 1
      local r = next_item(s, i)
      if not r then last[k] = old end
      return r
    end
  end
  function build.position(next_item, k)
    return function(s, i)
      local old = first[k]
      first[k], last[k] = i, false
      local r = next_item(s, i)
      if not r then first[k] = old end
      return r
    end
  end
  function build.back(next_item, k)
    return function(s, i)
      if last[k] == false then return nil end -- a position repeats nowhere
      if not first[k] or not last[k] then raise("invalid capture index %" .. k) end
      local t = sub(s, first[k], last[k])
      if sub(s, i, i + #t - 1) == t then return next_item(s, i + #t) end
    end
  end
end

-- A class that the match must begin with, to skip ahead in C; nil when it may begin with anything.
local function leading(items)
  for k = 1, #items do
    local op, class = items[k][1], items[k][2]
    if op == "one" or op == "+" then return class end
    if op ~= "open" and op ~= "position" then return nil end
  end
  return nil
end

local function compile(p, plain_anchor)
  local items, captures, anchored = parse(p, plain_anchor)
  local first, last = {}, {}
  capturing(first, last)
  local matcher = function(_, i) return i end
  for k = #items, 1, -1 do matcher = build[items[k][1]](matcher, items[k][2]) end
  local lead = leading(items)
  local skip = lead and skipper(lead)
  local charge = S.charge

  local function search(s, i)
    if anchored then
      local r = matcher(s, i)
      if r then return i, r - 1 end
      return nil
    end
    while i <= #s + 1 do
      if skip then
        i = skip(s, i)
        if not i then return nil end
      end
      local r = matcher(s, i)
      if r then return i, r - 1 end
      i = i + 1
      charge(200)
    end
    return nil
  end

  local function captured(s)
    local list = { n = captures }
    for k = 1, captures do
      if last[k] == false then list[k] = first[k] else list[k] = sub(s, first[k], last[k]) end
    end
    return list
  end

  local function values(s, from, to)
    if captures == 0 then return sub(s, from, to) end
    return unpack(captured(s), 1, captures)
  end

  local compiled = {}
  function compiled.find(s, init)
    local from, to = search(s, init)
    if not from then return nil end
    if captures == 0 then return from, to end
    return from, to, values(s, from, to)
  end
  function compiled.match(s, init)
    local from, to = search(s, init)
    if not from then return nil end
    return values(s, from, to)
  end
  function compiled.captures(s, init)
    local from, to = search(s, init)
    if not from then return nil end
    return from, to, captured(s)
  end
  function compiled.gmatch(s)
    local at, ended = 1, 0                -- where the last match ended: an empty one there does not count
    return function()
      while at <= #s + 1 do
        local from, to = search(s, at)
        if not from then
          at = #s + 2
          return nil
        end
        if to + 1 ~= ended then
          at, ended = to + 1, to + 1
          return values(s, from, to)
        end
        at = from + 1
      end
      return nil
    end
  end
  return compiled
end

-- `plain_anchor`: a leading `^` stands for itself, as in gmatch. A compiled pattern is not shared: a suspended match of one task must not see the captures of another.
function S.pattern(p, plain_anchor)
  if #p > 10000 then raise("pattern is too long") end
  return compile(p, plain_anchor)
end
