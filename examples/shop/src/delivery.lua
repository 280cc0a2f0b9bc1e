-- Delivers orders. At every third departure the van breaks down: the process fails and its supervisor starts it again.
-- Orders are in the database, so nothing is forgotten.
local events = require("events")
local logger = require("logger")
local time = require("time")
local orders = require("orders")

local log = logger:named("delivery")

local function deliver_all()
  for _, id in ipairs(assert(orders.undelivered())) do
    time.sleep("20ms")
    assert(orders.mark_delivered(id))
    log:info("delivered", { order = id })
  end
end

local function main()
  local placed = events.subscribe("shop", "order.placed"):channel()
  local control = process.events()
  local departures = 0
  deliver_all() -- what an earlier van left behind
  while true do
    local result = channel.select({ placed:case_receive(), control:case_receive() })
    if result.channel == control then
      if result.value.kind == process.event.CANCEL then return end
    else
      departures = departures + 1
      if departures % 3 == 0 then error("the van broke down on the way to order " .. result.value.data.id) end
      deliver_all()
    end
  end
end

return { main = main }
