-- Delivers orders. Every third delivery the van breaks down: the process fails, its supervisor starts it again, and because
-- orders are in the database nothing is forgotten.
local events = require("events")
local logger = require("logger")
local time = require("time")
local orders = require("orders")

local log = logger:named("delivery")

local function deliver(id: integer)
  time.sleep("20ms")
  orders.mark_delivered(id)
  log:info("delivered", { order = id })
end

local function deliver_all()
  for _, row in ipairs(orders.undelivered() or {}) do
    deliver(row.id)
  end
end

local function main()
  local placed = events.subscribe("shop", "order.placed"):channel()
  local control = process.events()
  local delivered = 0
  deliver_all()
  while true do
    local result = channel.select({ placed:case_receive(), control:case_receive() })
    if result.channel == control then
      if result.value.kind == process.event.CANCEL then return end
    else
      delivered = delivered + 1
      if delivered % 3 == 0 then error("the van broke down on the way to order " .. result.value.data.id) end
      deliver_all()
    end
  end
end

return { main = main }
