-- Guest module `system` (spec 03 §15): the part that concerns the calling process, locks. They stay through an upgrade.
local S, module, host = ...
local type, failure, bad_argument = type, S.failure, S.bad_argument

local MOST_LOCKS = 10000              -- of one process
local LONGEST_NAME = 1024
local LOCK = S.permission("system.lock")

local function refusal(name, what)
  if type(name) ~= "string" then bad_argument(1, what, "string", name, 4) end
  if name == "" then return failure("Invalid", "lock name is required") end
  if #name > LONGEST_NAME then return failure("Invalid", "lock name is too long (limit " .. LONGEST_NAME .. " bytes)") end
  return S.denied(LOCK, name)
end

local function release_all(p) host.release_all_locks(p.pid) end

-- How many locks the running process has taken, in a table of its own; their return is arranged for before the first one.
local function taken()
  local own = S.own(S.cur)
  if not own.kept then own.kept = {} end
  local mine = own.kept.locks
  if not mine then
    mine = { n = 0 }
    S.at_exit(S.cur, release_all)
    own.kept.locks = mine
  end
  return mine
end

local lock = {}
module.lock = lock

function lock.acquire(name)
  local err = refusal(name, "acquire")
  if err then return nil, err end
  local mine = taken()
  if mine.n >= MOST_LOCKS and not mine[name] then
    return nil, failure("RateLimited", "too many locks of one process (limit " .. MOST_LOCKS .. ")", true)
  end
  local held
  held, err = host.acquire_lock(name, S.pid_of(S.cur))
  if err then return nil, err end
  if not held then return false, failure("AlreadyExists", "lock held: " .. name) end
  if not mine[name] then
    mine[name] = true
    mine.n = mine.n + 1
  end
  return true, nil
end

function lock.release(name)
  local err = refusal(name, "release")
  if err then return nil, err end
  local held
  held, err = host.release_lock(name, S.pid_of(S.cur))
  if err then return nil, err end
  if held then
    local mine = taken()
    mine[name] = nil
    mine.n = mine.n - 1
  end
  return held, nil
end

return module
