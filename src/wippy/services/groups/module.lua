-- Guest module `pg` (spec 03 §9). Groups are the node's; what a process joined and subscribed to ends with it, before its EXIT.
-- Messages of a broadcast go from here straight into mailboxes, or to the shards of their receivers.
local S, module, host = ...
local INSTANCE, SUBSCRIPTION = {}, {}
local type, rawget, rawlen, setmetatable, select, next, byte = type, rawget, rawlen, setmetatable, select, next, string.byte
local bad_argument, failure, copy_args = S.bad_argument, S.failure, S.copy_args

local MOST_JOINS = 100000             -- memberships of one process
local MOST_SUBSCRIPTIONS = 1000       -- of one process
local MOST_IN_BATCH = 10000
local LONGEST_NAME = 1024

local function invalid(message) return failure("Invalid", message) end
local function own_pid() return S.pid_of(S.cur) end

-- What a process has here. Memberships by group, so that they count as its memory: they stay through an upgrade and end with
-- the process. Subscriptions end with the code that made them.
local subscriptions, last = {}, 0     -- number (k * stride + shard, so that the node knows where it is) -> subscription

local function leave_everything(p) host.exit(p.pid) end

local function memberships()
  local own = S.own(S.cur)
  if not own.kept then own.kept = {} end
  local mine = own.kept.groups
  if not mine then
    mine = { joins = 0, joined = {} }
    own.kept.groups = mine
    S.at_exit(S.cur, leave_everything)
  end
  return mine
end

local function unsubscribe_all(p)
  local mine = p.own.group_subscriptions
  for number, sub in next, mine.list do
    host.unsubscribe(sub.scope, number)
    subscriptions[number] = nil
    mine.list[number] = nil
  end
end

local function own_subscriptions()
  local own = S.own(S.cur)
  local mine = own.group_subscriptions
  if not mine then
    mine = { n = 0, list = {} }
    own.group_subscriptions = mine
    S.at_code_end(S.cur, unsubscribe_all)
  end
  return mine
end

-- Arguments -----------------------------------------------------------------------------------------------------------------

local function instance_of(v, name)
  return type(v) == "table" and rawget(v, INSTANCE) or bad_argument(1, name, "pg.Instance", v, 4)
end

-- nil, or why this is no name of a group.
local function name_problem(group)
  if group == "" then return invalid("group is required") end
  if #group > LONGEST_NAME then return invalid("group name is too long (limit " .. LONGEST_NAME .. " bytes)") end
  return nil
end

local function group_name(group, name)
  if type(group) ~= "string" then bad_argument(2, name, "string", group, 4) end
  return name_problem(group)
end

-- One group or a list of them, as a list; nil and an error.
local function group_list(given, name)
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" or S.class_of(given) == "handle" then bad_argument(2, name, "string or table", given, 4) end
  local real, list = S.content(given), {}
  local n = rawlen(real)
  if n == 0 then return nil, invalid("group is required") end
  if n > MOST_IN_BATCH then return nil, invalid("too many groups at once (limit " .. MOST_IN_BATCH .. ")") end
  for i = 1, n do
    local group = rawget(real, i)
    if type(group) ~= "string" then bad_argument(2, name, "list of strings", group, 4) end
    local problem = name_problem(group)
    if problem then return nil, problem end
    list[i] = group
  end
  return list
end

-- Methods: a released instance refuses everything but release().
local methods = {}
local class = S.handle_class("pg.Instance", methods)
class.__tostring = function(self)
  local inst = rawget(self, INSTANCE)
  return "pg.Instance{" .. inst.id .. (inst.released and ", released}" or "}")
end

local function define(name, action, run)
  local permission = S.permission(action)
  methods[name] = function(self, ...)
    local inst = instance_of(self, name)
    if inst.released then return run(nil, invalid("pg instance is released")) end
    return run(inst, permission, name, ...)
  end
end

-- Membership ----------------------------------------------------------------------------------------------------------------

local function denied_for(permission, list)
  for i = 1, #list do
    local err = S.denied(permission, list[i])
    if err then return err end
  end
  return nil
end

-- Notes memberships that the node has granted or taken back; leaving more often than joined changes nothing.
local function count(mine, scope, list, by)
  for i = 1, #list do
    local key = scope .. "\0" .. list[i]
    local times = (mine.joined[key] or 0) + by
    if times >= 0 then
      mine.joined[key] = times > 0 and times or nil
      mine.joins = mine.joins + by
    end
  end
end

define("join", "pg.join", function(inst, permission, name, given)
  if not inst then return nil, permission end
  local list, err = group_list(given, name)
  err = err or denied_for(permission, list)
  if err then return nil, err end
  local mine = memberships()
  if mine.joins + #list > MOST_JOINS then
    return nil, failure("RateLimited", "pg: too many memberships of one process (limit " .. MOST_JOINS .. ")", true)
  end
  local ok
  ok, err = host.join(inst.id, own_pid(), list)
  if not ok then return nil, err end
  count(mine, inst.id, list, 1)
  S.give_turn()
  return true, nil
end)

define("leave", "pg.leave", function(inst, permission, name, given)
  if not inst then return nil, permission end
  local list, err = group_list(given, name)
  err = err or denied_for(permission, list)
  if err then return nil, err end
  local ok
  ok, err = host.leave(inst.id, own_pid(), list)
  if not ok then return nil, err end
  count(memberships(), inst.id, list, -1)
  S.give_turn()
  return true, nil
end)

for name, action in next, { get_members = "pg.get_members", get_local_members = "pg.get_local_members" } do
  define(name, action, function(inst, permission, _, group)
    if not inst then return nil, permission end
    local err = group_name(group, name) or S.denied(permission, group)
    if err then return nil, err end
    S.give_turn()
    return host.members(inst.id, group)
  end)
end

for name, action in next, { which_groups = "pg.which_groups", which_local_groups = "pg.which_local_groups" } do
  define(name, action, function(inst, permission)
    if not inst then return nil, permission end
    local err = S.denied(permission)
    if err then return nil, err end
    S.give_turn()
    return host.groups(inst.id)
  end)
end

-- Broadcasts ----------------------------------------------------------------------------------------------------------------

local function deliver(pid, topic, from, n, ...)
  local p = S.find_process(pid)
  if p then
    if not p.dead then S.deliver_foreign(p, topic, from, copy_args({ n = n, ... })) end
  else
    local shard = S.shard_of(pid)
    if shard ~= S.shard then S.message_away(shard, pid, from, topic, copy_args({ n = n, ... })) end
  end
end

for name, action in next, { broadcast = "pg.broadcast", broadcast_local = "pg.broadcast_local" } do
  define(name, action, function(inst, permission, _, group, topic, ...)
    if not inst then return nil, permission end
    local err = group_name(group, name)
    if type(topic) ~= "string" then bad_argument(3, name, "string", topic, 3) end
    if not err and byte(topic, 1) == 64 then err = invalid("cannot send to @ topics") end
    err = err or S.denied(permission, group)
    if err then return nil, err end
    local members
    members, err = host.members(inst.id, group)
    if not members then return nil, err end
    local from, n = own_pid(), select("#", ...)
    for i = 1, #members do
      deliver(members[i], topic, from, n, ...)
      if i % 50 == 0 then S.charge(20000) end
    end
    S.give_turn()
    return true, nil
  end)
end

-- Subscriptions -------------------------------------------------------------------------------------------------------------

local subscription_methods = {}
local subscription_class = S.handle_class("pg.Subscription", subscription_methods)

local function subscription_of(v, name)
  return type(v) == "table" and rawget(v, SUBSCRIPTION) or bad_argument(1, name, "pg.Subscription", v, 3)
end

-- `start(number)` subscribes at the node and gives the present.
local function subscribe(inst, start)
  local mine = own_subscriptions()
  if mine.n >= MOST_SUBSCRIPTIONS then
    return nil, nil, failure("RateLimited", "too many subscriptions (limit " .. MOST_SUBSCRIPTIONS .. ")", true)
  end
  local number = (last + 1) * S.stride + S.shard
  local sub = { number = number, scope = inst.id, channel = S.new_channel(64), closed = false }
  local handle = setmetatable({ [SUBSCRIPTION] = sub }, subscription_class)
  subscriptions[number], mine.list[number] = sub, sub
  last = last + 1
  local present, err = start(number)
  if not present then
    subscriptions[number], mine.list[number] = nil, nil
    return nil, nil, err
  end
  mine.n = mine.n + 1
  S.give_turn()
  return handle, present, nil
end

define("monitor", "pg.monitor", function(inst, permission, name, group)
  if not inst then return nil, nil, permission end
  local err = group_name(group, name) or S.denied(permission, group)
  if err then return nil, nil, err end
  return subscribe(inst, function(number) return host.monitor(inst.id, number, group) end)
end)

define("events", "pg.events", function(inst, permission)
  if not inst then return nil, nil, permission end
  local err = S.denied(permission)
  if err then return nil, nil, err end
  return subscribe(inst, function(number) return host.watch(inst.id, number) end)
end)

-- News from the node: a change of a group, or nothing when the scope has ended.
function S.receivers.pg(number, body)
  local sub = subscriptions[number]
  if not sub or sub.closed then return end
  if not body then return S.close_channel(sub.channel) end
  local change = S.decode_list(body)
  local event = { system = "pg", kind = change[1], path = change[2], data = { Group = change[2], PIDs = change[3] } }
  S.offer(sub.channel, event)
end

function subscription_methods:channel() return subscription_of(self, "channel").channel.h end
function subscription_methods:close(options)
  local sub = subscription_of(self, "close")
  if options ~= nil and (type(options) ~= "table" or S.class_of(options) == "handle") then
    bad_argument(2, "close", "table", options)
  end
  if not sub.closed then
    sub.closed = true
    host.unsubscribe(sub.scope, sub.number)
    local mine = own_subscriptions()
    mine.n = mine.n - 1
    subscriptions[sub.number], mine.list[sub.number] = nil, nil
    S.close_channel(sub.channel)
  end
  if options and S.raw_index(options, "flush") == true then S.discard(sub.channel) end
  return true
end

-- Instances -----------------------------------------------------------------------------------------------------------------

function methods:release()
  instance_of(self, "release").released = true
  return true
end

local OPEN = S.permission("pg.open")
function module.open(id)
  if type(id) ~= "string" then bad_argument(1, "open", "string", id) end
  if id == "" then return nil, invalid("scope id is required") end
  local err = S.denied(OPEN, id)
  if err then return nil, err end
  local found
  found, err = host.find(id)
  if not found then return nil, err end
  return setmetatable({ [INSTANCE] = { id = id, released = false } }, class), nil
end

return module
