local http = require("http")

local function handler()
  http.response():write_json({ status = "ok" })
end

return { handler = handler }
