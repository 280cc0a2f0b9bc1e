local http = require("http")
local orders = require("orders")

local function handler()
  local req, res = http.request(), http.response()
  res:set_content_type(http.CONTENT.JSON)
  local order = orders.find(tonumber(req:param("id")) or 0)
  if not order then
    res:set_status(http.STATUS.NOT_FOUND)
    res:write_json({ error = "no such order" })
    return
  end
  res:write_json(order)
end

return { handler = handler }
