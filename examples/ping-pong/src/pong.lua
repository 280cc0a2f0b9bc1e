-- Takes a name, then returns every ball to whoever sent it.
local function main()
  process.registry.register("pong")
  process.send("ping", "ready")

  local inbox = process.inbox()
  while true do
    local ball = inbox:receive()
    process.send(ball:from(), "pong", ball:payload():data() + 1)
  end
end

return { main = main }
