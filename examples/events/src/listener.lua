-- Collects the events of one pattern until the day is over, and returns what it saw.
local events = require("events")

local function main(parent: string, kind: string): {string}
  local wanted = events.subscribe("office", kind):channel()
  local evening = events.subscribe("office", "day.over"):channel()
  process.send(parent, "ready")

  local seen: {string} = {}
  while true do
    local result = channel.select({ wanted:case_receive(), evening:case_receive() })
    if result.channel == evening then return seen end
    table.insert(seen, result.value.kind .. " " .. result.value.path)
  end
end

return { main = main }
