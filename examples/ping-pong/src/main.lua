local io = require("io")

local function main(rounds: string?)
  process.registry.register("ping")
  local inbox = process.inbox()
  assert(process.spawn("ping:pong", "ping:processes"))
  inbox:receive() -- "ready": the name "pong" is taken

  local ball = 1
  for _ = 1, tonumber(rounds or 3) do
    process.send("pong", "ping", ball)
    local answer = inbox:receive()
    io.print("ping " .. ball .. ", " .. answer:topic() .. " " .. answer:payload():data())
    ball = answer:payload():data() + 1
  end
end

return { main = main }
