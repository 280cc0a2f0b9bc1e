"""Lua texts that look inside a shard: whether the kernel's structures are whole, and whether a library has changed."""

INVARIANTS = """
local S = ...
local function queue(q, name)
  if not q then return nil end
  if q.first < 1 or q.last < q.first - 1 then return name .. ": bounds " .. q.first .. ".." .. q.last end
  for i = q.first, q.last do if q[i] == nil then return name .. ": hole at " .. i end end
  if q[q.last + 1] ~= nil then return name .. ": value beyond the end" end
end
local function mailbox(p)
  local problem = queue(p.mbox, "mailbox") or queue(p.ebox, "events")
  if problem then return problem end
  if p.inbox then
    if p.inbox.feed ~= p.mbox then return "the inbox reads another queue" end
    if p.inbox.w and p.mbox.first <= p.mbox.last and p.inbox.w.co then return
      "somebody waits although there is mail" end
  end
  if p.events and p.events.feed ~= p.ebox then return "the events channel reads another queue" end
end
local seen, last, n = {}, false, 0
local p = S.head
while p do
  if seen[p] then return "the ready queue is a ring" end
  seen[p], last, n = true, p, n + 1
  if not p.queued then return "a process in the ready queue is not marked" end
  p = p.next
end
if S.tail ~= last then return "the tail of the ready queue is wrong" end
if S.dying and not S.dying_tail then return "the list of the dying has no tail" end
if S.task then return "a task is still running" end
local live = 0
for p in S.each_process() do
  if not p.dead then
    live = live + 1
    local problem = mailbox(p)
    if problem then return p.id .. ": " .. problem end
    if (p.th or p.pinned) and not p.queued then return p.id .. ": has a ready task but is not queued" end
    if p.queued and not seen[p] then return p.id .. ": is marked as queued but is not" end
    local t, tail = p.th, false
    while t do
      if t.p ~= p then return p.id .. ": a task of another process" end
      tail, t = t, t.next
    end
    if p.tt ~= tail then return p.id .. ": the tail of its tasks is wrong" end
    if p.noy then return p.id .. ": is still marked as not suspendable" end
  end
end
"""

FINGERPRINT = """
local S = ...
local lines, n = {}, 0
local function add(name, t)
  for k, v in next, t do
    n = n + 1
    lines[n] = tostring(name) .. "." .. tostring(k) .. "=" .. tostring(v)
  end
  local mt = debug.getmetatable(t)
  if mt then
    n = n + 1
    lines[n] = tostring(name) .. ":" .. tostring(mt)
    for k, v in next, mt do
      n = n + 1
      lines[n] = tostring(name) .. ":" .. tostring(k) .. "=" .. tostring(v)
    end
  end
end
add("base", S.base)
for name, v in next, S.base do
  if type(v) == "table" then
    add(name, v)
    add(name .. "*", S.content(v))
  end
end
add("string", S.string_meta)
add("methods", S.string_meta.__index)
table.sort(lines)
return table.concat(lines, "\\n")
"""
