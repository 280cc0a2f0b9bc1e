-- One user's cart: an actor. It ends when nobody has used it for a while.
local time = require("time")

type Line = {sku: string, quantity: integer, price: integer}
type Request = {reply: string, lines: {Line}?}

local IDLE = "10m"

local function main()
  local lines: {Line} = {}

  local function add(request: Request)
    for _, line in ipairs(request.lines) do
      table.insert(lines, line)
    end
    return lines
  end
  local function take()
    local taken = lines
    lines = {}
    return taken
  end
  local answers = { show = function() return lines end, add = add, take = take }

  local inbox, idle = process.inbox(), time.timer(IDLE)
  while true do
    local result = channel.select({ inbox:case_receive(), idle:channel():case_receive() })
    if result.channel ~= inbox then return end

    local message = result.value
    local request = message:payload():data()
    process.send(message:from(), request.reply, answers[message:topic()](request))
    idle:reset(IDLE)
  end
end

return { main = main }
