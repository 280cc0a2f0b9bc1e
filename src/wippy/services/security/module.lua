-- Guest module `security` (spec 05 §10): actors, scopes and policies as immutable handles.
--
-- They are plain data here: an actor {id, meta}, a policy {id, number}, a scope {ids = {policy id -> number}, numbers}
-- with the numbers that the host judges by. So what guests make of them counts as their memory, and nothing of the host is held.
local S, module, host = ...
local ACTOR, SCOPE, POLICY = S.ACTOR, S.SCOPE, {}
local type, error, rawget, rawlen, setmetatable, next = type, error, rawget, rawlen, setmetatable, next
local bad_argument, copy = S.bad_argument, S.copy

local CREATE_ACTOR, CREATE_SCOPE = S.permission("security.actor.create"), S.permission("security.scope.create")

local function is_table(v) return type(v) == "table" and S.class_of(v) ~= "handle" end

local function text(v, position, name)
  if type(v) == "number" then return S.number_text(v) end
  if type(v) ~= "string" then bad_argument(position, name, "string", v) end
  return v
end

-- Tables of guests as `meta`: text keys only, data only.
local function meta_of(v, position, name)
  if v == nil then return nil end
  if not is_table(v) then bad_argument(position, name, "table", v) end
  local kept = {}
  for key, item in S.raw_pairs(v) do
    if type(key) == "string" then kept[key] = copy(item) end
  end
  return kept
end

-- Actors ------------------------------------------------------------------------------------------------------------------

local actors = {}
local actor_class = S.handle_class("security.Actor", actors)

local function new_actor(state) return setmetatable({ [ACTOR] = state }, actor_class) end
local function actor_of(v, position, name)
  return type(v) == "table" and rawget(v, ACTOR) or bad_argument(position, name, "Actor", v)
end

function actors:id() return actor_of(self, 1, "id").id end
function actors:meta() return copy(actor_of(self, 1, "meta").meta) end

function module.new_actor(id, meta)
  id = text(id, 1, "new_actor")
  meta = meta_of(meta, 2, "new_actor") or {}
  S.require_permission(CREATE_ACTOR, id, 2)
  return new_actor { id = id, meta = meta }
end

-- Policies ----------------------------------------------------------------------------------------------------------------

local policies = {}
local policy_class = S.handle_class("security.Policy", policies)

local function new_policy(id, number) return setmetatable({ [POLICY] = { id = id, number = number } }, policy_class) end
local function policy_of(v, position, name)
  return type(v) == "table" and rawget(v, POLICY) or bad_argument(position, name, "Policy", v)
end

local function judged(numbers, name, actor, action, resource, meta)
  local who = actor_of(actor, 2, name)
  return (host.judge(numbers, who.id, who.meta, text(action, 3, name), text(resource, 4, name), meta_of(meta, 5, name)))
end

function policies:id() return policy_of(self, 1, "id").id end
function policies:evaluate(...) return judged({ policy_of(self, 1, "evaluate").number }, "evaluate", ...) end

function module.policy(id)
  id = text(id, 1, "policy")
  local number, err = host.find_policy(id)
  if not number then return nil, err end
  return new_policy(id, number)
end

-- Scopes ------------------------------------------------------------------------------------------------------------------

local scopes = {}
local scope_class = S.handle_class("security.Scope", scopes)

local function new_scope(ids)
  local numbers, n = {}, 0
  for _, number in next, ids do
    n = n + 1
    numbers[n] = number
  end
  return setmetatable({ [SCOPE] = { ids = ids, numbers = numbers } }, scope_class)
end
local function scope_of(v, name)
  return type(v) == "table" and rawget(v, SCOPE) or bad_argument(1, name, "Scope", v)
end

-- The policy that a text, a policy or {ns, name} names.
local function policy_id(v, name)
  if type(v) == "string" then return v end
  if is_table(v) then
    local ns, entry = S.raw_index(v, "ns"), S.raw_index(v, "name")
    if type(ns) == "string" and type(entry) == "string" then return ns .. ":" .. entry end
  end
  return policy_of(v, 2, name).id
end

function scopes:evaluate(...) return judged(scope_of(self, "evaluate").numbers, "evaluate", ...) end
scopes["with"] = function(self, policy)
  local state, added = scope_of(self, "with"), policy_of(policy, 2, "with")
  S.require_permission(CREATE_SCOPE, "with", 2)
  local ids = copy(state.ids)
  ids[added.id] = added.number
  return new_scope(ids)
end
function scopes:without(policy)
  local state, id = scope_of(self, "without"), policy_id(policy, "without")
  S.require_permission(CREATE_SCOPE, "without", 2)
  local ids = copy(state.ids)
  ids[id] = nil
  return new_scope(ids)
end
function scopes:contains(policy)
  local state = scope_of(self, "contains")
  return state.ids[policy_id(policy, "contains")] ~= nil
end
function scopes:policies()
  local list, n = {}, 0
  for id, number in next, scope_of(self, "policies").ids do
    n = n + 1
    list[n] = new_policy(id, number)
  end
  return list
end

function module.new_scope(given)
  if given ~= nil and not is_table(given) then bad_argument(1, "new_scope", "table", given) end
  S.require_permission(CREATE_SCOPE, "custom", 2)
  local ids, list = {}, given and S.content(given) or {}
  for i = 1, rawlen(list) do
    local item = rawget(list, i)
    local policy = type(item) == "table" and rawget(item, POLICY)
    if policy then ids[policy.id] = policy.number end
  end
  return new_scope(ids)
end

function module.named_scope(id)
  local ids, err = host.find_group(text(id, 1, "named_scope"))
  if not ids then return nil, err end
  return new_scope(ids)
end

-- The running code ----------------------------------------------------------------------------------------------------------

-- The actor and the policies of an identity never change: asked for once.
local function current()
  local holder = S.cur.ctx.holder
  if not holder.known then
    local known, err = host.current()
    if not known then error(S.error_state(err).message, 0) end
    holder.known = known
  end
  return holder.known
end

function module.actor()
  local actor = current().actor
  if not actor then return nil end
  return new_actor(actor)
end

function module.scope()
  local ids = current().policies
  if not ids then return nil end
  return new_scope(copy(ids))
end

function module.can(action, resource, meta)
  action, resource, meta = text(action, 1, "can"), text(resource, 2, "can"), meta_of(meta, 3, "can")
  return (host.may(action, resource, meta))
end

return module
