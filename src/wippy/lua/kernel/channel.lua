-- Channels and select (spec 03 §5). A channel belongs to one process; the kernel itself feeds some of them (inbox, events,
-- listened topics, timers).
--
-- State `c`: h the handle, cap the capacity, buffered values [first..last] in `c` itself, w the first waiting receiver,
-- feed (the queue an unbuffered kernel channel reads from, which may be `c` itself), closed, and more: {wq the receivers
-- behind w, sq waiting senders, case the receive case}, made when first needed.
-- A waiter is a task (plain receive) or a select record (new_selection, `standing`); a task has a field `co`, a record none.
-- Invariant: handing a value over is done with plain stores; whatever it needs was allocated when the waiter parked.
local S = ...
local CHANNEL, CASE, WAIT = S.CHANNEL, S.CASE, S.WAIT
local co_yield, create = coroutine.yield, table.create
local rawget, rawlen, type, raise, setmetatable, getmetatable = rawget, rawlen, type, S.raise, setmetatable, debug.getmetatable
local ready, wake, park, check_park = S.ready, S.wake, S.park, S.check_park
local bad_argument, class_of, content = S.bad_argument, S.class_of, S.content

local methods = {}
local meta = S.handle_class("channel", methods)
local case_meta = S.handle_class("channel.case", {})

local function state(v, name)
  if getmetatable(v) ~= meta then bad_argument(1, name, "channel", v) end
  return v[CHANNEL]
end

local function new(cap)
  local c = { h = false, cap = cap, first = 1, last = 0, w = false, feed = false, closed = false, more = false }
  c.h = setmetatable({ [CHANNEL] = c }, meta)
  return c
end

-- A queue of waiters or values: {first, last, [i]}.
local function push(queue, v)
  local last = queue.last + 1
  queue[last] = v
  queue.last = last
end
local function pop(queue)
  local first = queue.first
  if first > queue.last then return nil end
  local v = queue[first]
  queue[first] = nil
  if first == queue.last then queue.first, queue.last = 1, 0 else queue.first = first + 1 end
  return v
end
local function new_queue() return { first = 1, last = 0 } end
S.push, S.pop, S.new_queue = push, pop, new_queue

local function more_of(c)
  local more = c.more
  if not more then
    more = { wq = new_queue(), sq = new_queue(), case = false, stale = 0, stale_senders = 0, unwrap = false }
    c.more = more
  end
  return more
end

local function add_waiter(c, w)
  if not c.w then c.w = w return end
  push(more_of(c).wq, w)
end

-- What stands in a queue for selects that have been decided is passed over when its turn comes, and cleared out when it is
-- most of the queue: withdrawing a case costs the same however many others wait.
local function clear_out(queue, is_stale)
  local kept = queue.first
  for i = queue.first, queue.last do
    local x = queue[i]
    if not is_stale(x) then
      queue[kept] = x
      kept = kept + 1
    end
  end
  for i = kept, queue.last do queue[i] = nil end
  queue.last = kept - 1
  if kept == queue.first then queue.first, queue.last = 1, 0 end
end

local function stale_waiter(w) return w.done or not w.co and w.task.p.dead end
local function stale_sender(s) return s.task.done end

local function many(stale, queue) return stale > 16 and stale * 2 > queue.last - queue.first end

local function drop_waiter(c, w)
  local more = c.more
  if c.w == w then
    local wq = more and more.wq
    c.w = wq and wq.first <= wq.last and pop(wq) or false
    return
  end
  if not more then return end
  more.stale = more.stale + 1
  if many(more.stale, more.wq) then
    more.stale = 0
    clear_out(more.wq, stale_waiter)
  end
end

local function drop_sender(c)
  local more = c.more
  if not more then return end
  more.stale_senders = more.stale_senders + 1
  if many(more.stale_senders, more.sq) then
    more.stale_senders = 0
    clear_out(more.sq, stale_sender)
  end
end

-- The other cases of a select that has been decided (`done`) are withdrawn.
local function withdraw(sel, decided)
  for i = 1, sel.n do
    local case = sel[i]
    local c = case.channel
    if case.send then
      drop_sender(c)
    elseif c ~= decided then
      local wq = c.w == sel and c.more.wq         -- nearly always it is the only one that waits
      if wq and wq.first > wq.last then c.w = false else drop_waiter(c, sel) end
    end
  end
end

local function decide(sel, c, v, ok)
  ready(sel.task)
  sel.done = true
  local result, t = sel.result, sel.task
  result.channel, result.value, result.ok = c.h, v, ok
  t.a, t.b = result, nil
  withdraw(sel, c)
end

-- Hands `v` to a waiting receiver. False when nobody waits. Another process may own the receiver: once `ready` has been
-- called there are only plain stores, so that a stack overflow or a failed allocation changes all or nothing.
-- Waiters of ended processes and of decided selects are passed over.
local function give(c, v, ok)
  while true do
    local w = c.w
    if not w then return false end
    local t = w.co and w or w.task
    local waits = not t.p.dead and not w.done
    if waits then
      ready(t)
      if w.co then
        t.a, t.b = v, ok
      else
        w.done = true
        local result = w.result
        result.channel, result.value, result.ok = c.h, v, ok
        t.a, t.b = result, nil
      end
    end
    local more = c.more
    c.w = false
    if more then
      local wq = more.wq
      local first = wq.first
      if first <= wq.last then
        c.w = wq[first]
        wq[first] = nil
        if first == wq.last then wq.first, wq.last = 1, 0 else wq.first = first + 1 end
      end
    end
    if waits then
      if w.n then withdraw(w, c) end
      return true
    end
  end
end
S.give = give

-- The next waiting sender, as {task, value}; one that was part of a select has it decided.
local function take_sender(c)
  if not c.more then return nil end
  local sq = c.more.sq
  while true do
    local s = sq[sq.first]
    if not s then return nil end
    local w = s.task
    local t = w.co and w or w.task
    local waits = not t.p.dead and not w.done
    if waits then
      if w.co then wake(w, true) else decide(w, c, nil, true) end
    end
    pop(sq)
    if waits then return s end
  end
end

-- Takes a value if one is there: found, value, ok. A fed channel has capacity 0: its queue is seen only by a receiver that
-- is ready to wait (spec 03 §2.4).
local function take(c, waiting)
  local feed = c.feed
  if feed then
    if feed.first <= feed.last and waiting then return true, pop(feed), true end
    if c.closed then return true, nil, false end
    return false
  end
  if c.first <= c.last then
    local v = pop(c)
    local unwrap = c.more and c.more.unwrap
    if unwrap then v = unwrap(v) end
    local s = take_sender(c)
    if s then push(c, s.value) end
    return true, v, true
  end
  local s = take_sender(c)
  if s then return true, s.value, true end
  if c.closed then return true, nil, false end
  return false
end

-- Values that the kernel keeps in `c` are handed out as what `unwrap` makes of them.
function S.unwrap_values(c, unwrap) more_of(c).unwrap = unwrap end

-- From the kernel: never blocks; beyond the capacity the value is dropped (timers) or kept (everything else).
function S.offer(c, v, drop)
  if c.closed then return false end
  if give(c, v, true) then return true end
  if drop and c.last - c.first + 1 >= c.cap then return false end
  push(c, v)
  return true
end

-- Drops what waits in a channel that nobody sends to any more.
function S.discard(c)
  for i = c.first, c.last do c[i] = nil end
  c.first, c.last = 1, 0
end

function S.close_channel(c)
  if c.closed then return end
  c.closed = true
  while c.w do
    if not give(c, nil, false) then break end
  end
  if not c.more then return end
  local sq = c.more.sq
  local err = S.failure("Internal", "send on closed channel")
  while true do
    local s = pop(sq)
    if not s then break end
    local w = s.task
    if w.co then wake(w, nil, err)
    elseif not w.done then
      wake(w.task, nil, err)
      w.done = true
      withdraw(w, c)
    end
  end
end

function methods:send(v)
  local c = state(self, "send")
  if c.closed then raise("send on closed channel") end
  if give(c, v, true) then
    S.give_turn()
    return true
  end
  if c.last - c.first + 1 < c.cap then
    push(c, v)
    return true
  end
  check_park()
  push(more_of(c).sq, { task = S.task, value = v })
  return park()
end

function methods:receive()
  if getmetatable(self) ~= meta then bad_argument(1, "receive", "channel", self) end
  local c = self[CHANNEL]
  local feed = c.feed
  if feed then
    local first = feed.first
    if first <= feed.last then
      local v = feed[first]
      feed[first] = nil
      if first == feed.last then feed.first, feed.last = 1, 0 else feed.first = first + 1 end
      return v, true
    elseif c.closed then
      return nil, false
    end
  else
    local found, v, ok = take(c, true)
    if found then return v, ok end
  end
  local p = S.cur
  if p.noy or p.booting then check_park() end
  if c.w then add_waiter(c, S.task) else c.w = S.task end
  return co_yield(WAIT)
end

function methods:close() S.close_channel(state(self, "close")) end

function methods:case_receive()
  local c = state(self, "case_receive")
  local more = more_of(c)
  local case = more.case
  if not case then
    case = setmetatable({ [CASE] = { channel = c, send = false, value = nil } }, case_meta)
    more.case = case
  end
  return case
end

function methods:case_send(v)
  local c = state(self, "case_send")
  return setmetatable({ [CASE] = { channel = c, send = true, value = v } }, case_meta)
end

-- A select: {task, done, result, n, [1..n] the case records of its argument in order}. What are no cases is ignored; the
-- result is there from the start, so that deciding allocates nothing.
local function new_selection(real, plain)
  local length, n = plain and #real or rawlen(real), 0
  local sel
  if length <= 4 then
    sel = { false, false, false, false, task = false, done = false, result = false, n = 0 }
  else
    sel = create(length < 100 and length or 100, 4)
    sel.task, sel.done, sel.result = false, false, false
  end
  for i = 1, length do
    local item
    if plain then item = real[i] else item = rawget(real, i) end
    if getmetatable(item) == case_meta then
      n = n + 1
      sel[n] = item[CASE]
    end
  end
  sel.n = n
  if n > 100 then S.charge(n * 200) end
  return sel
end

local function try_send(case, c)
  if c.closed then return nil end
  if give(c, case.value, true) then return { channel = c.h, ok = true } end
  if c.last - c.first + 1 < c.cap then
    push(c, case.value)
    return { channel = c.h, ok = true }
  end
  return nil
end

-- Whether take() would find something: nearly always not, when a select is about to wait.
local function has_something(c, waiting)
  if c.closed then return true end
  local feed = c.feed
  if feed then return waiting and feed.first <= feed.last end
  if c.first <= c.last then return true end
  local sq = c.more.sq
  return sq.first <= sq.last
end

local function ready_case(sel, waiting)
  for i = 1, sel.n do
    local case = sel[i]
    local c = case.channel
    if case.send then
      local result = try_send(case, c)
      if result then return result end
    elseif has_something(c, waiting) then
      local found, v, ok = take(c, waiting)
      if found then return { channel = c.h, value = v, ok = ok } end
    end
  end
  return nil
end

local module = {}

function module.new(cap)
  cap = S.int(cap, 0)
  if cap < 0 then cap = 0 end
  return new(cap).h
end

local function wait_for(sel)
  local n = sel.n
  local known = n > 8 and {}
  for i = 1, n do
    local case = sel[i]
    local c = case.channel
    if case.send then
      push(more_of(c).sq, { task = sel, value = case.value })
    elseif not known or not known[c] then
      if c.w then add_waiter(c, sel) else c.w = sel end
      if known then known[c] = true end
    end
  end
  if n == 0 then S.own(S.cur).stuck = (S.own(S.cur).stuck or 0) + 1 end
  return co_yield(WAIT)
end

local function select_once(real, plain, polling)
  local sel = new_selection(real, plain)
  local result = ready_case(sel, not polling)
  if result then return result end
  if polling then return { default = true, ok = true } end
  local p = S.cur
  if p.noy or p.booting then check_park() end
  sel.task, sel.result = S.task, { channel = false, value = false, ok = false }
  return wait_for(sel)
end

-- The standing select of a task: processes select over the same cases again and again. When it has been decided it stays
-- where it waits; being `done`, it is passed over there until the next select finds that nearly nothing has to be done.
-- {task, done, result, count, [1..count] the case records}; only receiving from channels where nobody else waits.
-- Invariant: it is `w` of a channel, or not in it at all; the channels that it is `w` of are among its cases.
local MOST_STANDING <const> = 16

local function stand(t)
  local sel = { false, false, false, false, task = t, done = true, result = false, count = 0 }
  t.standing = sel
  return sel
end

-- The cases from `first` on are given up.
local function stand_down(sel, first)
  for i = first, sel.count do
    local c = sel[i].channel
    sel[i] = false
    local listed = false
    for k = 1, first - 1 do listed = listed or sel[k].channel == c end
    if c.w == sel and not listed then
      local wq = c.more.wq
      c.w = wq.first <= wq.last and pop(wq) or false
    end
  end
  sel.count = first - 1
end

-- Makes the cases of a list those of `sel`: the result of the first that is ready, nil when it may wait now, false when the
-- list is not for a standing select.
local function stand_for(sel, list, plain, length)
  for i = 1, length do
    local item
    if plain then item = list[i] else item = rawget(list, i) end
    if getmetatable(item) ~= case_meta then return false end
    local case = item[CASE]
    local c = case.channel
    if sel[i] ~= case then
      if case.send then return false end
      stand_down(sel, i)
      sel[i], sel.count = case, i
    end
    local w = c.w
    if w ~= sel then
      if w then return false end
      c.w = sel
    end
    local feed, sq = c.feed or c, c.more.sq
    if feed.first <= feed.last or c.closed or sq.first <= sq.last then
      local found, v, ok = take(c, true)
      if found then return { channel = c.h, value = v, ok = ok } end
    end
  end
  if sel.count > length then stand_down(sel, length + 1) end
  return nil
end

function module.select(list, default)
  local real, plain = list, not getmetatable(list)
  if type(list) ~= "table" then bad_argument(1, "select", "table", list) end
  if not plain then
    if class_of(list) == "handle" then bad_argument(1, "select", "table", list) end
    real = content(list)
    plain = not getmetatable(real)
  end
  local polling = default == true
  if not polling then
    if plain then polling = real.default == true else polling = rawget(real, "default") == true end
  end
  local p, length = S.cur, plain and #real or rawlen(real)
  if polling or length == 0 or length > MOST_STANDING or p.noy or p.booting then
    return select_once(real, plain, polling)
  end
  local t = S.task
  local sel = t.standing or stand(t)
  local result = stand_for(sel, real, plain, length)
  if result then return result end
  if result == false then return select_once(real, plain, false) end
  sel.result, sel.done = { channel = false, value = false, ok = false }, false
  return co_yield(WAIT)
end

meta.__tostring = function() return "channel{}" end
S.new_channel = new
function S.channel_state(v)
  return getmetatable(v) == meta and v[CHANNEL] or nil
end

local TASKS = S.TASKS
-- All tasks wait for something that can never come (spec 03 §2.3).
function S.is_stuck(p)
  local own = p.own
  return own and (own.stuck == p.nt & TASKS or own.steps and S.is_idle(p, own))
end
S.base.channel = S.library(module)
