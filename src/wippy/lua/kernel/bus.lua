-- The event bus inside the shard (spec 03 §8): subscriptions of processes, delivery in bus order. Events of the host and of
-- other shards come in through S.publish; what guests send here goes out as well while somebody outside listens.
local S = ...
local type, next, sub, byte = type, next, string.sub, string.byte
local failure, copy = S.failure, S.copy

local subscriptions = {}              -- in order of subscription; compacted when some have ended
local count = 0

local function matches(pattern, text)
  if pattern == nil or pattern == "" or pattern == "*" then return true end
  if byte(pattern, -1) == 42 then
    local prefix = sub(pattern, 1, -2)
    return sub(text, 1, #prefix) == prefix
  end
  return pattern == text
end

-- Delivers one event to every subscriber of this shard; `data` is copied for each.
function S.publish(system, kind, path, data)
  local found, n = {}, 0
  for i = 1, count do
    local s = subscriptions[i]
    if not s.closed and not s.p.dead and matches(s.system, system) and matches(s.kind, kind) then
      n = n + 1
      found[n] = s
    end
  end
  -- Copying may suspend the publisher: the list of subscriptions is another one afterwards.
  for i = 1, n do
    local s = found[i]
    local event = { system = system, kind = kind, path = path, data = copy(data) }
    if not s.closed and not s.p.dead then S.offer(s.channel, event) end
    if i % 50 == 0 then S.charge(20000) end
  end
end

local function compact()
  local n = 0
  for i = 1, count do
    local s = subscriptions[i]
    if not s.closed and not s.p.dead then
      n = n + 1
      subscriptions[n] = s
    end
  end
  for i = n + 1, count do subscriptions[i] = nil end
  count = n
end

local MOST = 1000                     -- subscriptions of one process

function S.subscribe_bus(p, system, kind)
  local own = S.own(p)
  if not own.subscriptions then own.subscriptions, own.subscribed = {}, 0 end
  if own.subscribed >= MOST then return nil, failure("RateLimited", "too many subscriptions (limit " .. MOST .. ")") end
  local s = { p = p, system = system, kind = kind, channel = S.new_channel(64), closed = false }
  own.subscriptions[s] = true
  own.subscribed = own.subscribed + 1
  subscriptions[count + 1] = s
  count = count + 1
  return s
end

function S.unsubscribe_bus(s)
  if s.closed then return end
  s.closed = true
  S.close_channel(s.channel)
  local own = s.p.own
  if own and own.subscriptions and own.subscriptions[s] then
    own.subscriptions[s] = nil
    own.subscribed = own.subscribed - 1
  end
  compact()
end

function S.release_subscriptions(_, own)
  local some = false
  for s in next, own.subscriptions or {} do
    s.closed = true
    own.subscriptions[s] = nil
    some = true
  end
  if some then compact() end
end

local methods = {}
local class = S.handle_class("events.Subscription", methods)
local SUBSCRIPTION = {}
local function subscription_of(v, name)
  local s = type(v) == "table" and rawget(v, SUBSCRIPTION) or nil
  if not s then S.bad_argument(1, name, "subscription", v) end
  return s
end
function methods:channel() return subscription_of(self, "channel").channel.h end
function methods:close()
  S.unsubscribe_bus(subscription_of(self, "close"))
  return true
end

local events = {}
S.events_module = events

local function text(v, position, name)
  if type(v) ~= "string" then S.bad_argument(position, name, "string", v) end
  return v
end

local SEND, SUBSCRIBE = S.permission("events.send"), S.permission("events.subscribe")

function events.send(system, kind, path, data)
  for i, v in next, { system or "", kind or "", path or "" } do text(v, i, "send") end
  if not system or system == "" then return nil, failure("Invalid", "system is required") end
  if not kind or kind == "" then return nil, failure("Invalid", "kind is required") end
  if not path or path == "" then return nil, failure("Invalid", "path is required") end
  local err = S.denied(SEND, system)
  if err then return nil, err end
  data = copy(data)
  S.publish(system, kind, path, data)
  if S.bus_outside then S.publish_outside(system, kind, path, data) end
  S.give_turn()
  return true
end

function events.subscribe(system, kind)
  if system == nil or system == "" then return nil, failure("Invalid", "system pattern is required") end
  text(system, 1, "subscribe")
  if kind ~= nil then text(kind, 2, "subscribe") end
  local err = S.denied(SUBSCRIBE, system)
  if err then return nil, err end
  local s
  s, err = S.subscribe_bus(S.cur, system, kind)
  if not s then return nil, err end
  return setmetatable({ [SUBSCRIPTION] = s }, class)
end
