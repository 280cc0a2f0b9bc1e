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
  for i = 1, count do
    local s = subscriptions[i]
    if not s.closed and not s.p.dead and matches(s.system, system) and matches(s.kind, kind) then
      S.offer(s.channel, { system = system, kind = kind, path = path, data = copy(data) })
    end
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

function S.subscribe_bus(p, system, kind)
  local s = { p = p, system = system, kind = kind, channel = S.new_channel(64), closed = false }
  count = count + 1
  subscriptions[count] = s
  local own = S.own(p)
  if not own.subscriptions then own.subscriptions = {} end
  own.subscriptions[s] = true
  return s
end

function S.unsubscribe_bus(s)
  if s.closed then return end
  s.closed = true
  S.close_channel(s.channel)
  if s.p.own and s.p.own.subscriptions then s.p.own.subscriptions[s] = nil end
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
  if not s then S.bad_argument(1, name, "subscription", v, 3) end
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
  if type(v) ~= "string" then S.bad_argument(position, name, "string", v, 3) end
  return v
end

function events.send(system, kind, path, data)
  for i, v in next, { system or "", kind or "", path or "" } do text(v, i, "send") end
  if not system or system == "" then return nil, failure("Invalid", "system is required") end
  if not kind or kind == "" then return nil, failure("Invalid", "kind is required") end
  if not path or path == "" then return nil, failure("Invalid", "path is required") end
  if not S.cur.ctx.open and not S.permitted("events.send", system) then
    return nil, failure("Invalid", "not allowed to send events to system: " .. system)
  end
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
  if not S.cur.ctx.open and not S.permitted("events.subscribe", system) then
    return nil, failure("Invalid", "not allowed to subscribe to events from system: " .. system)
  end
  return setmetatable({ [SUBSCRIPTION] = S.subscribe_bus(S.cur, system, kind) }, class)
end
