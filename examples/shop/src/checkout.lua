local http = require("http")
local events = require("events")
local carts = require("carts")
local orders = require("orders")

local function handler()
  local req, res = http.request(), http.response()
  local user = req:param("user")
  res:set_content_type(http.CONTENT.JSON)

  local lines, err = carts.ask(user, "take")
  if err then
    res:set_status(http.STATUS.SERVICE_UNAVAILABLE)
    res:write_json({ error = tostring(err) })
    return
  end
  if #lines == 0 then
    res:set_status(http.STATUS.CONFLICT)
    res:write_json({ error = "the cart is empty" })
    return
  end

  local order, order_err = orders.place(user, lines)
  if order_err then
    res:set_status(http.STATUS.INTERNAL_ERROR)
    res:write_json({ error = tostring(order_err) })
    return
  end
  events.send("shop", "order.placed", tostring(order.id), { id = order.id })
  res:set_status(http.STATUS.CREATED)
  res:write_json(order)
end

return { handler = handler }
