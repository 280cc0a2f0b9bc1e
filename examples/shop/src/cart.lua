-- One user's cart: an actor found by its name. It ends when nobody has used it for a while.
local time = require("time")

local IDLE = "10m"

local function main(user: string)
  local ok = process.registry.register("cart:" .. user)
  if not ok then return end -- somebody was faster

  local inbox = process.inbox()
  local lines = {}
  while true do
    local result = channel.select({ inbox:case_receive(), time.after(IDLE):case_receive() })
    if result.channel ~= inbox then return end

    local message = result.value
    local request = message:payload():data()
    if message:topic() == "add" then
      table.insert(lines, request.line)
    elseif message:topic() == "take" then
      process.send(message:from(), request.reply, lines)
      lines = {}
    end
    if message:topic() ~= "take" then
      process.send(message:from(), request.reply, lines)
    end
  end
end

return { main = main }
