-- Contexts: the identity and the values that calls and spawns hand on.
local S = ...
local type, error, rawget = type, error, rawget
local HANDLE, encode, decode, prim, handle_classes = S.HANDLE, S.encode, S.decode, S.prim, S.handle_classes

local openness = {}                   -- identity number -> boolean
function S.forget_identities() openness = {} end

-- Whether every permission passes for an identity without a policy being asked; a failure to answer means no.
local function is_open(identity)
  local ok, open = prim(S.prims.open, identity)
  return ok == true and open == true
end

function S.context(identity, values)
  local open = openness[identity]
  if open == nil then
    open = is_open(identity)
    openness[identity] = open
  end
  if identity == 0 and not values then
    S.root.open = open
    return S.root
  end
  return { identity = identity, values = values or false, open = open }
end

-- A context like `ctx` in which the guest's actor or scope handle takes the place of its own; nil keeps what there is.
function S.derive_context(ctx, actor, scope)
  if actor == nil and scope == nil then return ctx end
  local ok, identity = prim(S.prims.derive, ctx.identity, encode(false, { n = 2, actor, scope }))
  if not ok then error(decode(identity), 0) end
  return S.context(identity, ctx.values)
end

-- Whether `v` is a handle of the host's class `name`, such as "security.Actor".
function S.is_handle_of(v, name)
  local h = type(v) == "table" and rawget(v, HANDLE) or nil
  local class = h and handle_classes[h.class]
  return class ~= nil and class.__name == name
end

S.root.open = is_open(0)
openness[0] = S.root.open
