local http = require("http")
local answers = require("answers")
local orders = require("orders")

local function handler()
  local id = math.tointeger(tonumber(http.request():param("id")))
  local order, err = orders.find(id or 0)
  if err then return answers.failure(err) end
  answers.json(order)
end

return { handler = handler }
