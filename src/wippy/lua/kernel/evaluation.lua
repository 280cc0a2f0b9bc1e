-- Code that a guest hands over at run time (spec 03 §13) runs as a process of its own, as its caller and for no longer than
-- its caller waits. It may take so many steps, and it must not wait for what nobody will do.
--
-- Invariants
-- * `own.steps` is there for evaluated processes only, {left}: code that evaluates code shares its own with it. `S.counting`
--   tells how many of them live.
-- * While one lives the loop runs `counted_step` instead of `step`: others pay nothing for the count.
local S = ...
local next = next
local STEPS = 10000
local MOST_NESTED = 8

local too_many_steps = S.make_error("Internal", "eval exceeded maximum step limit", false)
local nested_too_deep = S.make_error("Internal", "eval is nested too deep (limit " .. MOST_NESTED .. ")", false)
S.became_idle = S.make_error("Internal", "process became idle", false)

local step = S.step
function S.counted_step(p)
  local own = p.own
  local steps = own and own.steps
  if steps then
    local left = steps.left
    if left == 0 then S.kill(p, too_many_steps) else steps.left = left - 1 end
  end
  return step(p)
end

local nothing = {}

-- Whether all tasks of an evaluated process wait for each other: no operation, call, timer or answer is outstanding.
function S.is_idle(p, own)
  if next(own.ops or nothing) or next(own.calls or nothing) or next(own.timers or nothing) then return false end
  if (own.sleeping or 0) > 0 or (own.asking or 0) > 0 or p.main.call then return false end
  for _, t in next, own.tasks or nothing do
    if t.call then return false end
  end
  return true
end

-- Runs main(...) as a process that the running task waits for; what main returned, or nil and an error.
function S.evaluate(main, ctx, args)
  local admitted, err = S.admit()
  if not admitted then return nil, err end
  S.check_park()
  local p, task = S.cur, S.task
  local own = p.own
  local depth = (own and own.nested or 0) + 1
  if depth > MOST_NESTED then return nil, nested_too_deep end
  local child = S.new_process(p.id, p.host, ctx)
  child.own = { steps = own and own.steps or { left = STEPS }, nested = depth }
  child.reply = task
  local t = S.new_task(child, main, args)
  task.call = child
  S.live = S.live + 1
  S.counting = S.counting + 1
  S.ready(t)
  return S.park()
end
