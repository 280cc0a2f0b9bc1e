local io = require("io")

-- A monitor tells how a child ended: EXIT, with its result or its error.
local function restart_until_done()
  local events = process.events()
  local attempt = 0
  while true do
    attempt = attempt + 1
    assert(process.spawn_monitored("supervision:worker", "supervision:processes", attempt))
    local event = events:receive()
    assert(event.kind == process.event.EXIT)
    if not event.result.error then
      io.print("monitored: " .. event.result.value)
      return
    end
    io.print("monitored: " .. event.result.error:message() .. ", again")
  end
end

-- A link ends this process together with its child, unless it traps links: then it hears LINK_DOWN.
local function survive_a_link()
  process.set_options({ trap_links = true })
  assert(process.spawn_linked("supervision:worker", "supervision:processes", 1))
  local event = process.events():receive()
  assert(event.kind == process.event.LINK_DOWN)
  io.print("linked: " .. event.result.error:message() .. ", and I am still here")
end

local function main()
  restart_until_done()
  survive_a_link()
end

return { main = main }
