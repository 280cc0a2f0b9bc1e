local io = require("io")
local events = require("events")

local PATTERNS = { "coffee.*", "door.*", "door.opened" }

local function main()
  local ready, exits = process.listen("ready"), process.events()
  local pattern_of: {[string]: string} = {}
  for _, pattern in ipairs(PATTERNS) do
    local pid = assert(process.spawn_monitored("bus:listener", "bus:processes", process.pid(), pattern))
    pattern_of[pid] = pattern
    ready:receive() -- it has subscribed: from now on it misses nothing
  end

  events.send("office", "door.opened", "front")
  events.send("office", "coffee.made", "kitchen")
  events.send("office", "door.closed", "front")
  events.send("garage", "door.opened", "left") -- another system: nobody listens
  events.send("office", "day.over", "all")

  local seen: {[string]: {string}} = {}
  for _ = 1, #PATTERNS do
    local event = exits:receive()
    seen[pattern_of[event.from]] = event.result.value
  end
  for _, pattern in ipairs(PATTERNS) do
    io.print(pattern .. ": " .. table.concat(seen[pattern], ", "))
  end
end

return { main = main }
