-- The permission check (spec 05 §9.5). What can be asked is declared by modules (modules/declare.py) and by the kernel's own
-- list (modules/kernel_permissions.py): a check names a declared permission, from which the action, the resource where it
-- is always the same, the kind and the text of a denial come. Nothing else asks.
local S = ...
local next, error, gsub = next, error, string.gsub
local encode, decode, failure, prim = S.encode, S.decode, S.failure, S.prim

local declared = {}                   -- action -> permission
S.declared_permissions = declared

-- A module's permissions become known before its source runs.
function S.declare_permissions(list)
  for _, permission in next, list do
    if not declared[permission.action] then declared[permission.action] = permission end
  end
end

-- The permission for an action. Kernel and modules ask for theirs when they are loaded.
function S.permission(action)
  local permission = declared[action]
  if not permission then error("permission " .. action .. " is not declared", 2) end
  permission.used = true
  return permission
end

-- Whether the running process may. `attributes`: what policies find in `meta`.
function S.permitted(permission, resource, attributes)
  local p = S.cur
  if p.ctx.open then return true end
  local pid = permission.pid and S.pid_of(p)
  local body = attributes and encode(false, { n = 1, attributes }) or false
  local ok, v = prim(S.prims.permitted, p.ctx.identity, permission.action, resource or permission.fixed, pid, body)
  return ok and v == true
end

-- nil when the running process may, else the denial as an error. `shown`: what the text calls the resource.
function S.denied(permission, resource, attributes, shown)
  if S.permitted(permission, resource, attributes) then return nil end
  local text = gsub(permission.denial, "{(%w+)}", function(field)
    if field == "resource" then return shown or resource or permission.fixed end
    return attributes and attributes[field] or ""
  end)
  return failure(permission.kind, text)
end

-- For functions whose denial is raised. `level` as in error().
function S.require_permission(permission, resource, level)
  local denied = S.denied(permission, resource)
  if denied then error(S.error_state(denied).message, level + 1) end
end

local _, own = prim(S.prims.permissions)
S.declare_permissions(decode(own))
