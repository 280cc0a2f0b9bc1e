-- Memory: who is ended when the shard has used up what it may (kernel notes, item 6).
--
-- Below a low-water mark nothing is measured. Above it every step is charged to its process, and when the soft limit is
-- passed and a collection did not help, the process that holds most among those that grew is ended: never a small neighbour
-- that happened to run. What a process holds is found by walking from its roots, with a bound; mail that waits elsewhere
-- counts for its sender. When no single one is large, the growing processes of the entry that has most of them are ended.
local S = ...
local CLASS, CHANNEL, FROZEN, DATA, VALUE, FROM = S.CLASS, S.CHANNEL, S.FROZEN, S.DATA, S.VALUE, S.FROM
local type, next, rawget, rawlen, getmetatable = type, next, rawget, rawlen, debug.getmetatable
local getinfo, getlocal, getupvalue, sub = debug.getinfo, debug.getlocal, debug.getupvalue, string.sub
local count, sort, co_yield = collectgarbage, table.sort, coroutine.yield
local failure = S.failure

local LOW = 0.6                       -- share of the soft limit above which growth is charged
local CROWDED = 0.95                  -- and above which no process is started any more
local OBJECTS = 40000                 -- objects looked at for one process
local CANDIDATES = 4
local PROCESS = 3000                  -- bytes, about, of a process that does nothing

local grown = {}                      -- process -> KB it has grown by, while growth is charged
local charging = false
local pause = 200                     -- percent of the memory in use at which the next collection begins
local settled = 0                     -- bytes in use after the last full collection
local blamed = false                  -- somebody was ended since

local function used() return count("count") * 1024 end

-- What a process holds ---------------------------------------------------------------------------------------------------

local function is_kernel(f)
  local info = getinfo(f, "S")
  return info.what == "C" or sub(info.short_src, 1, 6) == "wippy/"
end

-- Bytes reachable from what `roots(add)` adds, as far as `most` objects tell.
local function weigh(most, roots)
  local bytes, objects = 0, 0
  local seen, stack, top = {}, {}, 0

  local function add(v)
    local t = type(v)
    if t == "string" then
      local size = #v
      if size <= 40 then return end
      if seen[v] then return end
      seen[v] = true
      bytes = bytes + size + 24
    elseif t == "table" or t == "function" or t == "thread" then
      if seen[v] then return end
      seen[v] = true
      top = top + 1
      stack[top] = v
    end
  end

  local function channel(c)
    bytes = bytes + 250
    for i = c.first, c.last do add(c[i]) end
    if c.more then
      local sq = c.more.sq
      for i = sq.first, sq.last do add(sq[i].value) end
    end
  end

  local function handle(h)
    bytes = bytes + 100
    local c = rawget(h, CHANNEL)
    if c and not seen[c] then
      seen[c] = true
      channel(c)
    end
    add(rawget(h, DATA))
    add(rawget(h, VALUE))
  end

  local function content(t)
    local length, entries = rawlen(t), 0
    for k, v in next, t do
      entries = entries + 1
      add(k)
      add(v)
      if top > most * 2 then break end
    end
    bytes = bytes + 56 + (entries > length and (entries - length) * 40 or 0) + length * 10
  end

  local function visit_table(t)
    local mt = getmetatable(t)
    local class = mt and rawget(mt, CLASS)
    if class == "handle" then return handle(t) end
    if class == "library" then return end
    if class == "frozen" then return add(rawget(t, FROZEN)) end
    content(t)
    if mt then add(mt) end
  end

  local function visit_function(f)
    if is_kernel(f) then return end
    bytes = bytes + 40
    for i = 1, 255 do
      local name, v = getupvalue(f, i)
      if not name then break end
      bytes = bytes + 16
      add(v)
    end
  end

  local function visit_thread(co)
    bytes = bytes + 1000
    local level = 0
    while objects < most do
      local info = getinfo(co, level, "f")
      if not info then break end
      objects = objects + 1
      bytes = bytes + 100
      -- Of a frame of the kernel only the coroutines matter that it resumes for the guest.
      local kernel = is_kernel(info.func)
      if not kernel then add(info.func) end
      for _, way in next, { 1, -1 } do
        local i = way
        while true do
          local name, v = getlocal(co, level, i)
          if not name then break end
          if not kernel or type(v) == "thread" then add(v) end
          i = i + way
        end
      end
      level = level + 1
    end
  end

  roots(add, channel, seen)
  while top > 0 and objects < most do
    local v = stack[top]
    stack[top] = nil
    top = top - 1
    objects = objects + 1
    local t = type(v)
    if t == "table" then visit_table(v) elseif t == "function" then visit_function(v) else visit_thread(v) end
  end
  return bytes
end

local function process_roots(p)
  return function(add, channel, seen)
    local env = p.env
    if env then
      local mt = getmetatable(env)
      if mt then seen[mt] = true end
      add(env)
    end
    if p.main then add(p.main.co) end
    local own = p.own
    if own then
      for co in next, own.tasks or {} do add(co) end
      for co in next, own.busy or {} do add(co) end
      for s in next, own.subscriptions or {} do channel(s.channel) end
      add(own.names)
    end
    for _, listener in next, p.listeners or {} do channel(listener.channel) end
    if p.inbox and p.inbox ~= p.mbox then channel(p.inbox) end
    local ebox = p.ebox
    if ebox then for i = ebox.first, ebox.last do add(ebox[i]) end end
  end
end

-- Bytes of mail that waits in large mailboxes, by the PID of its sender; found by sampling.
local function mail_by_sender()
  local sums = {}
  for p in S.each_process() do
    local mbox = p.mbox
    if mbox and mbox.last - mbox.first > 500 then
      local stride = (mbox.last - mbox.first) // 100 + 1
      for i = mbox.first, mbox.last, stride do
        local m = mbox[i]
        local from = rawget(m, FROM)
        local size = 150 + weigh(200, function(add) add(rawget(m, DATA)) end)
        sums[from] = (sums[from] or 0) + size * stride
      end
    end
  end
  return sums
end

-- Blame ------------------------------------------------------------------------------------------------------------------

-- The processes that grew most, the one that runs among them.
local function candidates(running)
  local list = {}
  for p in next, grown do
    if not p.dead then list[#list + 1] = p end
  end
  sort(list, function(a, b) return grown[a] > grown[b] end)
  local chosen, has = {}, {}
  for i = 1, #list do
    if i > CANDIDATES then break end
    chosen[i] = list[i]
    has[list[i]] = true
  end
  if running and not running.dead and not has[running] then chosen[#chosen + 1] = running end
  return chosen, list
end

local function heaviest(chosen)
  local mail, timers = mail_by_sender(), S.timers_by_process()
  local worst, most = nil, 0
  for i = 1, #chosen do
    local p = chosen[i]
    local bytes = weigh(OBJECTS, process_roots(p)) + (p.pid and mail[p.pid] or 0) + (timers[p] or 0) * 400
    if bytes > most then worst, most = p, bytes end
  end
  return worst, most
end

-- The entry with most growing processes, and their number.
local function largest_family(list)
  local sizes, family, most = {}, nil, 0
  for i = 1, #list do
    local id = list[i].id
    local n = (sizes[id] or 0) + 1
    sizes[id] = n
    if n > most then family, most = id, n end
  end
  return family, most
end

-- Where nobody holds enough to matter the one that grew most is ended: the limit must hold.
local function blame(running)
  local chosen, list = candidates(running)
  local worst, bytes = heaviest(chosen)
  local family, members = largest_family(list)
  blamed = true
  if members > 50 and members * PROCESS > bytes then
    for i = 1, #list do
      if list[i].id == family then S.kill(list[i], S.out_of_memory) end
    end
    return
  end
  if list[1] and bytes < S.soft / 20 then worst = list[1] end
  if worst then S.kill(worst, S.out_of_memory) end
end

local function forget_growth()
  local kept = {}
  for p, kb in next, grown do
    if not p.dead and kb > 1 then kept[p] = kb / 2 end
  end
  grown = kept
end

-- Collects, unless that cannot have become worth while since the last time, then ends somebody.
local function relieve(running)
  if blamed and S.dying then return end
  if blamed or used() - settled > S.soft / 16 then
    S.sweep_timers()
    count("collect")
    settled, blamed = used(), false
    if settled <= S.soft then return forget_growth() end
  end
  blame(running)
end

-- In a task of `p`, when the soft limit has been passed: after somebody was blamed, its end comes first.
function S.over_memory(p)
  if blamed and S.dying and not p.noy then
    co_yield(S.TICK)
    if p.killed then S.die() end
    if used() <= S.soft then return end
  end
  relieve(p)
  if p.killed then S.die() end
end

-- Room for something large that the running task is about to build: it is ended if nothing else helps.
function S.reserve(bytes)
  if used() + bytes <= S.soft then return end
  local p = S.cur
  S.sweep_timers()
  count("collect")
  settled = used()
  if settled + bytes <= S.soft then return end
  p.killed = S.out_of_memory
  S.die()
end

-- Whether another process may be started; nil and an error when memory is short.
function S.admit()
  if used() <= S.soft * CROWDED then return true end
  if used() - settled > S.soft / 16 then
    S.sweep_timers()
    count("collect")
    settled = used()
    if settled <= S.soft * CROWDED then return true end
  end
  return nil, failure("Unavailable", "not enough memory to start a process", true)
end

-- Charging ---------------------------------------------------------------------------------------------------------------

-- Called now and then by the loop: whether steps are to be charged from here on.
function S.charges_growth()
  local above = used() > S.soft * (charging and LOW * 0.9 or LOW)
  if above ~= charging then
    charging = above
    count("param", "pause", above and pause > 130 and 130 or pause)
    grown = {}
  end
  return above
end

function S.set_pause(percent)
  pause = percent
  count("param", "pause", charging and percent > 130 and 130 or percent)
end

-- One step of the loop, charged to the process that makes it.
function S.charged_step(p, step)
  local before = count("count")
  local preempted = step(p)
  local after = count("count")
  if after > before then grown[p] = (grown[p] or 0) + after - before end
  if after * 1024 > S.soft and not S.dying then relieve(false) end
  return preempted
end

-- Bytes of one value of a process, about.
function S.weigh_value(v)
  if type(v) == "string" then return #v + 24 end
  return weigh(OBJECTS, function(add) add(v) end)
end

-- Bytes a process holds, its mail included, as far as `most` objects tell.
function S.weigh_process(p, most)
  local roots = process_roots(p)
  return weigh(most or OBJECTS, function(add, channel, seen)
    roots(add, channel, seen)
    local mbox = p.mbox
    for i = mbox and mbox.first or 1, mbox and mbox.last or 0 do add(mbox[i]) end
  end)
end
