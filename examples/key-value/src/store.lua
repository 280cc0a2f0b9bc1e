-- An actor: its table is reachable through messages only, so nobody else can change it.
type Request = {key: string, value: any, reply: string}

local function main()
  local values: {[string]: any} = {}

  local answers = {
    get = function(request: Request) return values[request.key] end,
    set = function(request: Request)
      local previous = values[request.key]
      values[request.key] = request.value
      return previous
    end,
    delete = function(request: Request)
      local previous = values[request.key]
      values[request.key] = nil
      return previous ~= nil
    end,
  }

  local inbox = process.inbox()
  while true do
    local message = inbox:receive()
    local request = message:payload():data()
    local answer = answers[message:topic()]
    process.send(message:from(), request.reply, answer and answer(request))
  end
end

return { main = main }
