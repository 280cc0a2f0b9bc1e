-- Messages: sending, the inbox, listened topics, events (spec 03 §2.4, §3.5-3.7).
--
-- A process has one queue of undelivered messages (`mbox`) that its inbox channel reads from, and one of events (`ebox`).
-- A message whose topic is listened to goes to that channel when it arrives. Everything is made before the first store
-- that another process could see.
local S = ...
local TOPIC, FROM, DATA, PAYLOADS, VALUE = S.TOPIC, S.FROM, S.DATA, S.PAYLOADS, S.VALUE
local new_payload, payload_meta = S.new_payload, S.payload_meta
local getmetatable = debug.getmetatable
local rawget, setmetatable, type, next, byte = rawget, setmetatable, type, next, string.byte
local copy, ready = S.copy, S.ready
local bad_argument, failure = S.bad_argument, S.failure
local push, give, new_queue, new_channel = S.push, S.give, S.new_queue, S.new_channel

-- Message ------------------------------------------------------------------------------------------------------------

local message_methods = {}
local message_meta = S.handle_class("process.Message", message_methods)
message_meta.__tostring = function(self) return "process.Message{topic=" .. rawget(self, TOPIC) .. "}" end

function message_methods:topic()
  if getmetatable(self) ~= message_meta then bad_argument(1, "topic", "message", self) end
  return self[TOPIC]
end
function message_methods:from()
  if getmetatable(self) ~= message_meta then bad_argument(1, "from", "message", self) end
  return self[FROM]
end
function message_methods:payload()
  if getmetatable(self) ~= message_meta then bad_argument(1, "payload", "message", self) end
  local n = self[PAYLOADS]
  if n == nil then return setmetatable({ [VALUE] = self[DATA] }, payload_meta) end
  if n == 0 then return nil end
  local out, data = {}, self[DATA]
  for i = 1, n do out[i] = new_payload(data[i]) end
  return out
end

-- PAYLOADS is absent for the common single payload, else their number; then DATA is a list.
local function new_message(topic, from, data, n)
  return setmetatable({ [TOPIC] = topic, [FROM] = from, [DATA] = data, [PAYLOADS] = n }, message_meta)
end

local function raw_value(m)
  local n = rawget(m, PAYLOADS)
  if n == nil then return rawget(m, DATA) end
  if n == 0 then return nil end
  return rawget(m, DATA)
end

-- Finding processes by their PID text ------------------------------------------------------------------------------------

local buckets = {}
for i = 0, 255 do buckets[i] = {} end
local HEX = {}
for i = 0, 15 do HEX[byte(string.format("%x", i))] = i end

-- Two levels, so that no single table grows large enough for its rehash to be felt (kernel notes, item 10).
local function bucket_of(pid)
  local a, b = byte(pid, -5, -4)
  local x, y = HEX[a], HEX[b]
  if x and y then return buckets[x * 16 + y] end
  return nil
end
-- What was found lately is found again with one look.
local recent, recent_count = {}, 0
local function find_process(pid)
  local p = recent[pid]
  if p then return p end
  local bucket = bucket_of(pid)
  p = bucket and bucket[pid]
  if p then
    if recent_count >= 4096 then recent, recent_count = {}, 0 end
    recent[pid] = p
    recent_count = recent_count + 1
  end
  return p
end
function S.insert_process(pid, p)
  bucket_of(pid)[pid] = p
  if recent[pid] then recent[pid] = p end
end
function S.remove_process(pid)
  bucket_of(pid)[pid] = nil
  recent[pid] = nil
end
S.find_process = find_process
function S.each_process()
  local i, k = 0, nil
  return function()
    while i < 256 do
      local p
      k, p = next(buckets[i], k)
      if k then return p end
      i = i + 1
      k = nil
    end
    return nil
  end
end

-- The processes of one of 256 parts, by PID: for who looks at all of them in several goes.
function S.processes_in(part) return buckets[part] end

-- Delivery ---------------------------------------------------------------------------------------------------------------

-- A channel of `listen` keeps whole messages, so that an upgrade can put back what nobody has read; they are taken out as
-- their values (see take() in channel.lua).
local function listened(p, listener, m)
  local c = listener.channel
  if not listener.kept then
    S.offer(c, raw_value(m))
  elseif not c.closed and not give(c, listener.message and m or raw_value(m), true) then
    push(c, m)
    if p.limits then S.check_mailbox(p, p.limits, c) end
  end
end

-- Puts a finished message where it belongs: the topic's channel, a waiting inbox, or the queue.
local function deliver(p, topic, m)
  local listeners = p.listeners
  if listeners then
    local listener = listeners[topic]
    if listener then return listened(p, listener, m) end
  end
  local inbox = p.inbox
  if inbox and inbox.w then
    local w = inbox.w
    if w.co and not inbox.more then
      ready(w)                          -- may fail; from here on plain stores
      inbox.w = false
      w.a, w.b = m, true
      return
    end
    if give(inbox, m, true) then return end
  end
  local mbox = p.mbox
  if not mbox then
    mbox = new_queue()
    p.mbox = mbox
  end
  push(mbox, m)
  if p.limits then S.check_mailbox(p, p.limits, mbox) end
end

local function build(topic, from, n, ...)
  local list = { ... }
  for i = 1, n do list[i] = copy(list[i]) end
  return new_message(topic, from, list, n)
end

-- A message from the host or another shard; the payloads belong to it already. Only the host may use reserved topics.
function S.deliver_foreign(p, topic, from, list)
  if list.n == 1 then deliver(p, topic, new_message(topic, from, list[1], nil))
  else deliver(p, topic, new_message(topic, from, list, list.n)) end
end

-- Topics that were found to be valid before.
local topics, topic_count = {}, 0
local function check_topic(topic)
  if type(topic) ~= "string" then bad_argument(2, "send", "string", topic) end
  if byte(topic, 1) == 64 then return failure("Invalid", "cannot send to @ topics") end
  if topic_count < 1000 and #topic < 40 then
    topics[topic] = true
    topic_count = topic_count + 1
  end
  return nil
end

local SEND = S.permission("process.send")

local function send(dest, topic, ...args)
  local n = args.n                      -- half the price of select("#", ...)
  if not topics[topic] then
    if topic == nil and n == 0 and type(dest) == "string" then
      return nil, failure("Invalid", "send requires at least destination and topic arguments")
    end
    if type(dest) ~= "string" then bad_argument(1, "send", "string", dest) end
    local err = check_topic(topic)
    if err then return nil, err end
  end
  local cur = S.cur
  local p = recent[dest]
  if not p then
    if type(dest) ~= "string" then bad_argument(1, "send", "string", dest) end
    p = find_process(dest)
    if not p then
      local pid, err = S.resolve(dest)
      if not pid then return nil, err end
      p = find_process(pid)
      if not p then
        err = S.denied(SEND, pid, nil, dest)
        if err then return nil, err end
        return S.send_away(pid, topic, n, ...)
      end
    end
  end
  if not cur.ctx.open then
    local err = S.denied(SEND, p.pid, nil, dest)
    if err then return nil, err end
  end
  local from = cur.pid or S.pid_of(cur)
  if cur.limits then S.count_message(cur, cur.limits) end
  if n == 1 then
    deliver(p, topic, setmetatable({ [TOPIC] = topic, [FROM] = from, [DATA] = copy(args[1]) }, message_meta))
  else
    deliver(p, topic, build(topic, from, n, ...))
  end
  if cur.th then S.give_turn() end
  return true
end
S.send = send

-- The channels of a process ------------------------------------------------------------------------------------------

function S.inbox()
  local p = S.cur
  local inbox = p.inbox
  if inbox then return inbox.h end
  local mbox = p.mbox
  inbox = new_channel(0)
  inbox.feed = inbox
  if not mbox then
    p.mbox, p.inbox = inbox, inbox
    return inbox.h
  end
  -- Reserved topics wait for a subscription of their own: they never reach the inbox.
  local kept = new_queue()
  for i = mbox.first, mbox.last do
    local m = mbox[i]
    if byte(rawget(m, TOPIC), 1) == 64 then push(kept, m) end
  end
  if kept.last > 0 then
    local rest = new_queue()
    for i = mbox.first, mbox.last do
      local m = mbox[i]
      if byte(rawget(m, TOPIC), 1) ~= 64 then push(rest, m) end
    end
    mbox = rest
    S.own(p).reserved = kept
  end
  p.mbox = mbox
  inbox.feed = mbox
  p.inbox = inbox
  return inbox.h
end

function S.events()
  local p = S.cur
  local events = p.events
  if events then return events.h end
  local ebox = p.ebox or new_queue()
  events = new_channel(0)
  p.ebox = ebox
  events.feed = ebox
  p.events = events
  return events.h
end

-- An event table reaches the process: handed over, or kept until somebody reads events().
function S.notify(p, event)
  local events = p.events
  if events and events.w and give(events, event, true) then return end
  local ebox = p.ebox
  if not ebox then
    ebox = new_queue()
    p.ebox = ebox
  end
  push(ebox, event)
end

local function bind(p, topic, channel, as_message, kept)
  local listeners = p.listeners
  if not listeners then
    listeners = {}
    p.listeners = listeners
  end
  local listener = { channel = channel, message = as_message, kept = kept }
  listeners[topic] = listener
  local mbox = p.mbox
  if not mbox then return end
  local kept = mbox.first
  for i = mbox.first, mbox.last do
    local m = mbox[i]
    if rawget(m, TOPIC) == topic then
      listened(p, listener, m)
    else
      mbox[kept] = m
      kept = kept + 1
    end
  end
  for i = kept, mbox.last do mbox[i] = nil end
  mbox.last = kept - 1
end

function S.listen(topic, options)
  if type(topic) ~= "string" then bad_argument(1, "listen", "string", topic) end
  if topic == "" then return nil, failure("Invalid", "topic cannot be empty") end
  if byte(topic, 1) == 64 then return nil, failure("Invalid", "cannot listen to @ topics") end
  local p = S.cur
  local known = p.listeners and p.listeners[topic]
  if known then return known.channel.h end
  local as_message = type(options) == "table" and S.raw_index(options, "message") == true
  local channel = new_channel(1)
  if not as_message then S.unwrap_values(channel, raw_value) end
  bind(p, topic, channel, as_message, true)
  return channel.h
end

-- What the channel had not handed over yet goes back to the queue, before newer mail.
local function unbind(p, channel)
  local found = false
  for topic, listener in next, p.listeners or {} do
    if listener.channel == channel then
      p.listeners[topic] = nil
      found = true
    end
  end
  return found
end

function S.unlisten(handle)
  local channel = S.channel_state(handle)
  if not channel then bad_argument(1, "unlisten", "channel", handle) end
  if not unbind(S.cur, channel) then return false, failure("Invalid", "channel is not subscribed") end
  S.close_channel(channel)
  return true
end

function S.base.subscribe(topic, handle)
  if type(topic) ~= "string" then bad_argument(1, "subscribe", "string", topic) end
  local channel = S.channel_state(handle)
  if not channel then bad_argument(2, "subscribe", "channel", handle) end
  local p = S.cur
  local known = p.listeners and p.listeners[topic]
  if known then
    if known.channel == channel then return true end
    return nil, failure("AlreadyExists", 'topic "' .. topic .. '" already subscribed')
  end
  bind(p, topic, channel, false)
  return true
end
function S.base.unsubscribe(handle)
  local channel = S.channel_state(handle)
  if not channel then bad_argument(1, "unsubscribe", "channel", handle) end
  return unbind(S.cur, channel)
end
