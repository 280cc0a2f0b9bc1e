-- Asking a user's cart: finds the actor by its name, or starts it, and waits for the answer.
local time = require("time")

local function find(user: string): (string?, error?)
  local name = "cart:" .. user
  local known = process.registry.lookup(name)
  if known then return known end

  local cart, err = process.spawn("shop:cart", "shop:processes")
  if err then return nil, err end
  if process.registry.register(name, cart) then return cart end
  process.terminate(cart) -- another request was faster
  return process.registry.lookup(name)
end

local function ask(user: string, topic: string, lines)
  local cart, err = find(user)
  if err then return nil, err end
  local replies = process.listen("cart.reply")
  local _, send_err = process.send(cart, topic, { reply = "cart.reply", lines = lines })
  if send_err then return nil, send_err end

  local result = channel.select({ replies:case_receive(), time.after("2s"):case_receive() })
  if result.channel ~= replies then
    return nil, errors.new({ message = "the cart does not answer", kind = errors.TIMEOUT, retryable = true })
  end
  return result.value
end

-- What is in the cart.
local function show(user: string) return ask(user, "show") end

-- Puts lines into the cart; what is in it then.
local function add(user: string, lines) return ask(user, "add", lines) end

-- Empties the cart; what was in it.
local function take(user: string) return ask(user, "take") end

return { show = show, add = add, take = take }
