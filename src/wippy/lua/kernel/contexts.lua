-- Contexts: the identity and the values that calls and spawns hand on (spec 05 §9.6).
--
-- An identity is a number of the host's, which keeps it while anybody uses it. Here that is its holder, shared by all contexts
-- of the identity: made with one `hold` of the host, given back (FORGET) once the collector finds no context that has it.
-- Actors and scopes are plain data under private keys: {id, meta} and {numbers = list of policy numbers}.
local S = ...
local type, next, error, rawget, setmetatable = type, next, error, rawget, setmetatable
local encode, decode, prim, copy, request = S.encode, S.decode, S.prim, S.copy, S.request
local FORGET = 9

S.ACTOR, S.SCOPE = {}, {}

local dropped, drops = {}, 0
local function drop(identity)
  drops = drops + 1
  dropped[drops] = identity
end

-- Tells the host which identities are not used any more. Finalizers run inside of anything: they only note the number.
function S.forget_identities()
  if drops == 0 then return end
  local list = dropped
  dropped, drops = {}, 0
  request(FORGET, 0, encode(false, { n = 1, list }), false)
end

local holders = setmetatable({}, { __mode = "v" })
local holder_meta = { __gc = function(holder) if holder.number then drop(holder.number) end end }

-- Whether every permission passes for an identity without a policy being asked: unknown ones may nothing.
local function holder_of(identity)
  local holder = holders[identity]
  if holder then return holder end
  holder = setmetatable({ number = false, open = false }, holder_meta)
  local ok, open = prim(S.prims.hold, identity)
  if ok then holder.number, holder.open = identity, open end
  holders[identity] = holder
  return holder
end

function S.context(identity, values)
  if identity == 0 and not values then return S.root end
  local holder = holder_of(identity)
  return { identity = identity, values = values or false, open = holder.open, holder = holder }
end

-- A context like `ctx` with more values: a table of a guest or of the kernel.
function S.extend_context(ctx, values)
  local all = {}
  for k, v in next, ctx.values or {} do all[k] = v end
  for k, v in S.raw_pairs(values) do all[k] = copy(v) end
  return { identity = ctx.identity, values = all, open = ctx.open, holder = ctx.holder }
end

-- A context like `ctx` in which an actor or a scope (their states) takes the place of its own; nil keeps what there is.
function S.derive_context(ctx, actor, scope)
  if not actor and not scope then return ctx end
  local ok, identity = prim(S.prims.derive, ctx.identity, encode(false, { n = 2, actor, scope and scope.numbers }))
  if not ok then error(decode(identity), 0) end
  local derived = S.context(identity, ctx.values)
  if identity ~= 0 then drop(identity) end       -- the answer itself was a use
  return derived
end

-- The context in which an entry with an identity of its own runs when `ctx` calls it, or nil and an error.
function S.own_context(id, ctx)
  local ok, identity = prim(S.prims.own_identity, id, ctx.identity)
  if not ok then return nil, decode(identity) end
  local own = S.context(identity, ctx.values)
  if identity ~= 0 then drop(identity) end
  return own
end

-- What a builder (executor, spawner, contract) lays over the context of who uses it: {values, actor, scope}. Made once for a
-- context, as builders never change.
function S.builder_context(builder)
  local base = S.cur.ctx
  if builder.base ~= base then
    local ctx = base
    if next(builder.values) ~= nil then ctx = S.extend_context(ctx, builder.values) end
    builder.made = S.derive_context(ctx, builder.actor, builder.scope)
    builder.base = base
  end
  return builder.made
end

-- A table with string keys, or an error raised at the guest's call.
function S.string_keys(t, name)
  if type(t) ~= "table" or S.class_of(t) == "handle" then S.bad_argument(1, name, "table", t) end
  for k in S.raw_pairs(t) do
    if type(k) ~= "string" then S.raise("bad argument #1 to " .. name .. " (string keys expected)") end
  end
end

-- The state of a guest's actor or scope; anything else raises.
local function state_of(key, class)
  return function(v, name)
    local state = type(v) == "table" and rawget(v, key) or nil
    if not state then S.bad_argument(1, name, class, v) end
    return state
  end
end
S.actor_state, S.scope_state = state_of(S.ACTOR, "Actor"), state_of(S.SCOPE, "Scope")

local nobody = holder_of(0)
S.root.open, S.root.holder = nobody.open, nobody
