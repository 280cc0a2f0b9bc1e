local io = require("io")
local funcs = require("funcs")

-- Call and wait.
local function one()
  local quote = assert(funcs.call("functions:quote", "Rome", 2))
  io.print("Rome, two parcels: " .. quote.cents)
end

-- Start three calls at once; together they take as long as one.
local function three()
  local futures = {}
  for i, city in ipairs({ "Lisbon", "Oslo", "Rome" }) do
    futures[i] = assert(funcs.async("functions:quote", city, 1))
  end
  for _, future in ipairs(futures) do
    local answer = future:channel():receive()
    local quote = answer:data()
    io.print(quote.city .. ": " .. quote.cents)
  end
end

-- What a function returns as its second value, or raises, is the second value of the call.
local function failures()
  local _, missing = funcs.call("functions:quote", "Atlantis", 1)
  io.print(missing:kind() .. ": " .. missing:message())

  local _, raised = funcs.call("functions:quote", "Rome", 0)
  io.print(raised:kind() .. ": " .. raised:message())

  local _, unknown = funcs.call("functions:nothing")
  io.print(unknown:kind() .. ": " .. unknown:message())
end

local function main()
  one()
  three()
  failures()
end

return { main = main }
