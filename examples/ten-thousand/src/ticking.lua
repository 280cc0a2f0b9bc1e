-- One of many: three ticks, then the end.
local time = require("time")

local function main(): integer
  local ticker = time.ticker("100ms")
  local ticks = 0
  while ticks < 3 do
    ticker:channel():receive()
    ticks = ticks + 1
  end
  ticker:stop()
  return ticks
end

return { main = main }
