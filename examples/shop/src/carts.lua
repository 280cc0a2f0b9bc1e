-- Asking a cart: finds the user's actor, or starts it, and waits for the answer.
local time = require("time")

local function find(user: string): (string?, error?)
  local name = "cart:" .. user
  local pid = process.registry.lookup(name)
  if pid then return pid end
  local spawned, err = process.spawn("shop:cart", "shop:processes", user)
  if err then return nil, err end
  -- The new cart takes its name before it reads its inbox; if two were started at once, one of them has it.
  for _ = 1, 100 do
    pid = process.registry.lookup(name)
    if pid then return pid end
    time.sleep("1ms")
  end
  return spawned
end

local function ask(user: string, topic: string, request)
  local pid, err = find(user)
  if err then return nil, err end
  request = request or {}
  request.reply = "cart.reply"
  local replies = process.listen("cart.reply")
  local sent, send_err = process.send(pid, topic, request)
  if not sent then return nil, send_err end
  local result = channel.select({ replies:case_receive(), time.after("2s"):case_receive() })
  process.unlisten(replies)
  if result.channel ~= replies then
    return nil, errors.new({ message = "cart of " .. user .. " does not answer", kind = errors.TIMEOUT, retryable = true })
  end
  return result.value
end

return { ask = ask }
