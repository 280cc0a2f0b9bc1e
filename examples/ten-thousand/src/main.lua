local io = require("io")

local function main(count: string?)
  local wanted = tonumber(count or 10000)
  for _ = 1, wanted do
    assert(process.spawn_monitored("many:ticking", "many:processes"))
  end

  local exits = process.events()
  local processes, ticks = 0, 0
  while processes < wanted do
    local event = exits:receive()
    processes = processes + 1
    ticks = ticks + event.result.value
  end
  io.print(processes .. " processes ticked " .. ticks .. " times")
end

return { main = main }
