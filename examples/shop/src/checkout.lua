local http = require("http")
local events = require("events")
local answers = require("answers")
local carts = require("carts")
local orders = require("orders")

local function handler()
  local user = http.request():param("user")
  local lines, err = carts.take(user)
  if err then return answers.failure(err) end
  if #lines == 0 then return answers.json({ error = "the cart is empty" }, http.STATUS.CONFLICT) end

  local order, order_err = orders.place(user, lines)
  if order_err then
    carts.add(user, lines) -- nothing was bought: put it back
    return answers.failure(order_err)
  end
  events.send("shop", "order.placed", tostring(order.id), { id = order.id })
  answers.json(order, http.STATUS.CREATED)
end

return { handler = handler }
